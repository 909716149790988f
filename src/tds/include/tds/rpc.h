/* tds/rpc.h - remote procedure calls of a client ([MS-TDS] 2.2.6.6), one or several a message.
 *
 * Pure; any thread. Input is hostile and may be any bytes. What is made lives in the arena given;
 * values may also point into the message.
 * Errors are those of tds/decode.h; the message of a bad parameter is made in the words of SQL
 * Server's 80xx errors (QR_SQL). After any error the rest of the message cannot be read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/value.h"
#include "tds/decode.h"
#include "tds/wire.h"

enum qr_tds_proc_id {                       /* 2.2.6.6 */
                      QR_TDS_PROC_NONE = 0, /* called by name */
                      QR_TDS_PROC_CURSOR = 1,
                      QR_TDS_PROC_CURSOROPEN = 2,
                      QR_TDS_PROC_CURSORPREPARE = 3,
                      QR_TDS_PROC_CURSOREXECUTE = 4,
                      QR_TDS_PROC_CURSORPREPEXEC = 5,
                      QR_TDS_PROC_CURSORUNPREPARE = 6,
                      QR_TDS_PROC_CURSORFETCH = 7,
                      QR_TDS_PROC_CURSOROPTION = 8,
                      QR_TDS_PROC_CURSORCLOSE = 9,
                      QR_TDS_PROC_EXECUTESQL = 10,
                      QR_TDS_PROC_PREPARE = 11,
                      QR_TDS_PROC_EXECUTE = 12,
                      QR_TDS_PROC_PREPEXEC = 13,
                      QR_TDS_PROC_PREPEXECRPC = 14,
                      QR_TDS_PROC_UNPREPARE = 15,
                      QR_TDS_PROC_COUNT
};
/* "sp_executesql" and so on; NULL for NONE. */
const char *qr_tds_proc_name(enum qr_tds_proc_id id);
/* By name without case, also "sys.sp_..." and "[sys].[...]" are the caller's; NONE if it is none.
 */
enum qr_tds_proc_id qr_tds_proc_find(struct qr_str name);

enum {
    QR_TDS_RPC_PARAMS_MAX = 2100,  /* documented; more is error 8003 */
    QR_TDS_TVP_COLUMNS_MAX = 1024, /* documented */
};

/* A table-valued parameter (2.2.5.5.5). */
struct qr_tds_tvp_column {
    struct qr_tds_wire_type wire;
    struct qr_str name;
    bool is_default; /* the column has no values in the rows: fill with its default */
};
struct qr_tds_tvp {
    struct qr_str schema, type_name;
    bool is_null; /* no columns: an empty table */
    struct qr_tds_tvp_column *columns;
    size_t column_count;
    uint64_t row_count;
    struct qr_tds_cursor rows; /* for qr_tds_tvp_next; validated when the parameter was read */
};
/* The next row into values[column_count]; false after the last. Rows were checked before, so only
 * QR_NOMEM can come. Read it once, or keep a copy of `rows`. */
QR_NODISCARD enum qr_status qr_tds_tvp_next(struct qr_tds_tvp *tvp, struct qr_arena *arena,
                                            struct qr_value *values, bool *ret_row,
                                            struct qr_err *err);

struct qr_tds_param {
    struct qr_str name; /* with the @; n = 0: positional */
    bool is_output, is_default;
    struct qr_type type;
    struct qr_value value;
    struct qr_tds_tvp *tvp; /* type is QR_TYPE_TABLE; else NULL */
};

struct qr_tds_rpc {
    struct qr_str name;     /* empty when called by id */
    enum qr_tds_proc_id id; /* also set when a known procedure is called by its name */
    bool with_recompile, no_metadata, reuse_metadata;
    bool no_exec; /* the separator before it said so: do not run it */
    struct qr_tds_param *params;
    size_t param_count;
};

/* Reads the call at the cursor (behind the headers). *ret_more: a separator follows, call again. */
QR_NODISCARD enum qr_status qr_tds_rpc_read(struct qr_tds_cursor *c, enum qr_tds_version version,
                                            struct qr_arena *arena_batch,
                                            struct qr_tds_rpc *ret_rpc, bool *ret_more,
                                            struct qr_err *err);
