/* tds/request.h - the headers in front of requests, SQL batches, transaction manager requests.
 *
 * Pure; any thread. Input is hostile and may be any bytes. Results point into `msg`.
 * Errors: QR_TRUNCATED, QR_PROTOCOL; QR_UNSUPPORTED for the distributed requests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "tds/defs.h"
#include "tds/wire.h"

/* ALL_HEADERS ([MS-TDS] 2.2.5.3): clients from 7.2 on send it before BATCH, RPC and TRANSACTION. */
struct qr_tds_all_headers {
    bool has_transaction;
    uint64_t tran_descriptor; /* 0: none */
    uint32_t outstanding_requests;
    bool has_trace;
    uint8_t activity_id[16];
    uint32_t activity_sequence;
    bool has_notification; /* query notification: not supported, the caller answers so */
};
/* Reads the headers a client of `version` sends and moves the cursor behind them. */
QR_NODISCARD enum qr_status qr_tds_all_headers_read(struct qr_tds_cursor *c,
                                                    enum qr_tds_version version,
                                                    struct qr_tds_all_headers *ret_headers,
                                                    struct qr_err *err);

/* The text of a SQL batch: what follows the headers. */
QR_NODISCARD enum qr_status qr_tds_batch_read(struct qr_tds_cursor *c,
                                              struct qr_tds_utf16 *ret_text, struct qr_err *err);

enum qr_tds_tran_kind { /* 2.2.6.9 */
                        QR_TDS_TM_GET_DTC_ADDRESS = 0,
                        QR_TDS_TM_PROPAGATE = 1,
                        QR_TDS_TM_BEGIN = 5,
                        QR_TDS_TM_PROMOTE = 6,
                        QR_TDS_TM_COMMIT = 7,
                        QR_TDS_TM_ROLLBACK = 8,
                        QR_TDS_TM_SAVE = 9,
};
struct qr_tds_tran {
    enum qr_tds_tran_kind kind; /* BEGIN, COMMIT, ROLLBACK or SAVE */
    /* Of BEGIN, or of the transaction begun after; 0 = as it is, 1 read uncommitted,
     * 2 committed, 3 repeatable read, 4 serializable, 5 snapshot. */
    uint8_t isolation;
    struct qr_tds_utf16 name;
    bool begin_after; /* COMMIT, ROLLBACK: begin a new one at once */
    struct qr_tds_utf16 begin_name;
};
QR_NODISCARD enum qr_status qr_tds_tran_read(struct qr_tds_cursor *c, struct qr_tds_tran *ret_tran,
                                             struct qr_err *err);
