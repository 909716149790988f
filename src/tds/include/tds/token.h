/* tds/token.h - the tokens of a server's answer, except rows ([MS-TDS] 2.2.7).
 *
 * Pure. Each function appends one whole token to the writer and lets it cut packets. Failures stick
 * to the writer (qr_tds_writer_status). Texts are UTF-8 and are cut where the format's counts end.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"
#include "tds/defs.h"
#include "tds/login7.h"
#include "tds/packet.h"

/* LOGINACK. Client interface 1 = T-SQL. program_version: major, minor, build big-endian. */
void qr_tds_put_loginack(struct qr_tds_writer *w, enum qr_tds_version version,
                         struct qr_str program, const uint8_t program_version[4]);

/* ENVCHANGE types whose values are texts. */
enum qr_tds_env_text {
    QR_TDS_ENV_DATABASE = 1,
    QR_TDS_ENV_LANGUAGE = 2,
    QR_TDS_ENV_PACKET_SIZE = 4, /* in decimal digits */
    QR_TDS_ENV_MIRROR_PARTNER = 13,
};
void qr_tds_put_env_text(struct qr_tds_writer *w, enum qr_tds_env_text type,
                         struct qr_str new_value, struct qr_str old_value);
/* old_collation NULL: there was none. */
void qr_tds_put_env_collation(struct qr_tds_writer *w, const uint8_t new_collation[5],
                              const uint8_t *old_collation);
/* Transaction changes; 7.1 clients know none, for them nothing is written. */
enum qr_tds_env_tran {
    QR_TDS_ENV_BEGIN = 8,
    QR_TDS_ENV_COMMIT = 9,
    QR_TDS_ENV_ROLLBACK = 10,
    QR_TDS_ENV_ENDED = 17, /* ended otherwise than by the request in hand */
};
void qr_tds_put_env_tran(struct qr_tds_writer *w, enum qr_tds_version version,
                         enum qr_tds_env_tran type, uint64_t descriptor);
void qr_tds_put_env_reset(struct qr_tds_writer *w); /* acknowledges RESETCONNECTION */
void qr_tds_put_env_routing(struct qr_tds_writer *w, struct qr_str host, uint16_t port);

/* ERROR (severity above 10) or INFO. */
struct qr_tds_notice {
    int32_t number;
    uint8_t state, severity;
    struct qr_str text, server, procedure;
    uint32_t line;
};
void qr_tds_put_notice(struct qr_tds_writer *w, enum qr_tds_version version,
                       const struct qr_tds_notice *notice);

enum { /* DONE status bits */
       QR_TDS_DONE_MORE = 0x001,
       QR_TDS_DONE_ERROR = 0x002,
       QR_TDS_DONE_INXACT = 0x004,
       QR_TDS_DONE_COUNT = 0x010,
       QR_TDS_DONE_ATTN = 0x020,
       QR_TDS_DONE_SRVERROR = 0x100,
};
/* token: DONE, DONEPROC or DONEINPROC. 7.1 clients get the low 32 bits of the count. */
void qr_tds_put_done(struct qr_tds_writer *w, enum qr_tds_version version, uint8_t token,
                     uint16_t status, uint16_t command, uint64_t count);
enum { QR_TDS_DONE_BYTES_MAX = 13 };
/* The same into memory; returns the bytes. */
size_t qr_tds_done_bytes(enum qr_tds_version version, uint8_t token, uint16_t status,
                         uint16_t command, uint64_t count, uint8_t dst[QR_TDS_DONE_BYTES_MAX]);

void qr_tds_put_return_status(struct qr_tds_writer *w, int32_t status);
/* Columns are numbered from 1; a negative one (descending) is sent as its number. */
void qr_tds_put_order(struct qr_tds_writer *w, const int *columns, size_t count);
/* Answers the features the client named (qr_tds_feature_answer); writes nothing if none of them is
 * acknowledged, also if the client sent an extension that names none. */
void qr_tds_put_feature_ack(struct qr_tds_writer *w, const struct qr_tds_login7 *login);

/* Browse mode: the tables by their name parts (last part first used; empty parts are sent empty),
 * and where each column comes from. */
struct qr_tds_table_name {
    struct qr_str parts[4]; /* server, database, schema, table */
    uint8_t part_count;     /* the last `part_count` of them */
};
void qr_tds_put_tabname(struct qr_tds_writer *w, enum qr_tds_version version,
                        const struct qr_tds_table_name *tables, size_t count);
enum { /* COLINFO status bits */
       QR_TDS_COLINFO_EXPRESSION = 0x04,
       QR_TDS_COLINFO_KEY = 0x08,
       QR_TDS_COLINFO_HIDDEN = 0x10,
       QR_TDS_COLINFO_DIFFERENT_NAME = 0x20,
};
struct qr_tds_colinfo {
    uint8_t table_number; /* from 1 in TABNAME; 0: an expression */
    uint8_t status;
    struct qr_str base_name; /* sent with DIFFERENT_NAME */
};
void qr_tds_put_colinfo(struct qr_tds_writer *w, const struct qr_tds_colinfo *columns,
                        size_t count);
