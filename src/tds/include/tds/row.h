/* tds/row.h - columns, rows and output parameters of an answer ([MS-TDS] 2.2.7.4, .17, .13, .19).
 *
 * Each column gets its wire form once, from its type and what the client understands; then a row is
 * one indirect call per value. Clients older than 7.3 get the newer date types as nvarchar; 7.1
 * clients get (max) types and xml as text, ntext and image; a client that does not know UTF-8
 * collations gets their char types as nvarchar.
 *
 * Values are accepted in memory form and in stored form (codec/value.h) alike, so that cells of
 * SQLite go to the wire without a step between.
 * Pure apart from the writer; one thread at a time for each qr_tds_rows. Values are borrowed for
 * the call. Errors: QR_BUG if a value does not fit its declared type (NULL in a column declared NOT
 * NULL, a wrong storage class), else what the writer says; after an error mid-row the row's bytes
 * are taken back if none has left, and then QR_BUG leaves the answer usable. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"
#include "tds/defs.h"
#include "tds/packet.h"
#include "tds/token.h"

struct qr_tds_client { /* what the other side understands */
    enum qr_tds_version version;
    bool utf8; /* it acknowledged UTF8_SUPPORT */
};

enum { /* COLMETADATA flags (2.2.7.4) */
       QR_TDS_COLUMN_NULLABLE = 0x0001,
       QR_TDS_COLUMN_CASE_SENSITIVE = 0x0002,
       QR_TDS_COLUMN_UPDATABLE = 0x0004,
       QR_TDS_COLUMN_UPDATABLE_UNKNOWN = 0x0008,
       QR_TDS_COLUMN_IDENTITY = 0x0010,
       QR_TDS_COLUMN_COMPUTED = 0x0020,
       QR_TDS_COLUMN_HIDDEN = 0x2000,
       QR_TDS_COLUMN_KEY = 0x4000,
       QR_TDS_COLUMN_NULLABLE_UNKNOWN = 0x8000,
};

struct qr_tds_column {
    struct qr_str name;
    struct qr_type type;
    uint16_t flags;
    uint32_t user_type;             /* 0, or 80 for rowversion */
    struct qr_tds_table_name table; /* text, ntext, image; part_count 0: none */
};

struct qr_tds_rows;
struct qr_tds_field;
/* Appends one value at p and returns where it ended; NULL after a failure noted in rows. At p there
 * is room for rows->row_bytes. */
typedef uint8_t *qr_tds_encode_fn(struct qr_tds_rows *rows, const struct qr_tds_field *field,
                                  const struct qr_value *value, uint8_t *p);

struct qr_tds_field { /* how one column is sent */
    qr_tds_encode_fn *encode;
    qr_tds_encode_fn *encode_text; /* of a vector: for its text */
    struct qr_type type;
    uint8_t token;
    uint8_t info;        /* how its TYPE_INFO is laid out; private */
    uint8_t value_bytes; /* of fixed-size values; decimals by precision */
    uint8_t null_bytes;  /* size of its NULL in a ROW, which NBCROW saves */
    bool can_null;
    uint16_t code_page; /* of char types */
    uint32_t bytes_max; /* as TYPE_INFO states it */
};

struct qr_tds_rows {
    struct qr_tds_client client;
    size_t count;
    const struct qr_tds_column *columns; /* borrowed */
    struct qr_tds_field *fields;         /* in the arena */
    size_t row_bytes;                    /* what a row needs besides its variable parts */
    bool use_nbc;                        /* some column can be NULL and the client knows NBCROW */
    struct qr_tds_writer *writer;        /* of the call in progress */
    bool flushed;                        /* of the call in progress: bytes of the row may be gone */
    enum qr_status failed;
    struct qr_err *err;
};

/* `columns` must live as long as the result. QR_UNSUPPORTED for a type that has no wire form. */
QR_NODISCARD enum qr_status qr_tds_rows_init(struct qr_tds_rows *rows, struct qr_arena *arena,
                                             const struct qr_tds_column *columns, size_t count,
                                             struct qr_tds_client client, struct qr_err *err);
/* COLMETADATA. */
void qr_tds_rows_put_metadata(const struct qr_tds_rows *rows, struct qr_tds_writer *w);
/* ROW, or NBCROW where that is shorter. */
QR_NODISCARD enum qr_status qr_tds_rows_put(struct qr_tds_rows *rows, struct qr_tds_writer *w,
                                            const struct qr_value *values, struct qr_err *err);

enum { QR_TDS_RETURN_OUTPUT = 1, QR_TDS_RETURN_UDF = 2 };
/* RETURNVALUE of an output parameter. */
QR_NODISCARD enum qr_status qr_tds_put_return_value(struct qr_tds_writer *w,
                                                    struct qr_tds_client client, uint16_t ordinal,
                                                    const struct qr_tds_column *column,
                                                    uint8_t kind, const struct qr_value *value,
                                                    struct qr_err *err);
