/* Implements the reading of calls and parameters (tds/rpc.h); table-valued ones are in tvp.c. */
#include "tds/rpc.h"
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "rpc_int.h"
#include "base/banned.h"

enum { /* bits and separators */
       OPTION_RECOMPILE = 0x01,
       OPTION_NO_METADATA = 0x02,
       OPTION_REUSE_METADATA = 0x04,
       PARAM_BY_REF = 0x01,
       PARAM_DEFAULT = 0x02,
       PARAM_ENCRYPTED = 0x08,
       BATCH_FLAG_71 = 0x80,
       BATCH_FLAG = 0xFF,
       NO_EXEC_FLAG = 0xFE,
       NAME_IS_ID = 0xFFFF,
       NAME_UNITS_MAX =
           1046, /* 4 parts of 128 with brackets; documented bound of a procedure name */
};

static const char *const proc_names[QR_TDS_PROC_COUNT] = {
    /* clang-format off */
    [QR_TDS_PROC_CURSOR]          = "sp_cursor",
    [QR_TDS_PROC_CURSOROPEN]      = "sp_cursoropen",
    [QR_TDS_PROC_CURSORPREPARE]   = "sp_cursorprepare",
    [QR_TDS_PROC_CURSOREXECUTE]   = "sp_cursorexecute",
    [QR_TDS_PROC_CURSORPREPEXEC]  = "sp_cursorprepexec",
    [QR_TDS_PROC_CURSORUNPREPARE] = "sp_cursorunprepare",
    [QR_TDS_PROC_CURSORFETCH]     = "sp_cursorfetch",
    [QR_TDS_PROC_CURSOROPTION]    = "sp_cursoroption",
    [QR_TDS_PROC_CURSORCLOSE]     = "sp_cursorclose",
    [QR_TDS_PROC_EXECUTESQL]      = "sp_executesql",
    [QR_TDS_PROC_PREPARE]         = "sp_prepare",
    [QR_TDS_PROC_EXECUTE]         = "sp_execute",
    [QR_TDS_PROC_PREPEXEC]        = "sp_prepexec",
    [QR_TDS_PROC_PREPEXECRPC]     = "sp_prepexecrpc",
    [QR_TDS_PROC_UNPREPARE]       = "sp_unprepare",
    /* clang-format on */
};

const char *qr_tds_proc_name(enum qr_tds_proc_id id)
{
    return proc_names[id];
}

enum qr_tds_proc_id qr_tds_proc_find(struct qr_str name)
{
    for (enum qr_tds_proc_id id = QR_TDS_PROC_CURSOR; id < QR_TDS_PROC_COUNT; id++) {
        if (qr_str_ieqz(name, proc_names[id]))
            return id;
    }
    return QR_TDS_PROC_NONE;
}

enum qr_status qri_take_name(struct qr_tds_cursor *c, size_t units, struct qr_arena *arena,
                             struct qr_str *ret_name, struct qr_err *err)
{
    struct qr_tds_utf16 wire = qr_tds_take_utf16(c, units);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "the request ends in a name");
    struct qr_str name = qr_tds_utf16_dup(arena, wire);
    if (name.p == NULL)
        return qr_fail(err, QR_NOMEM, "a name");
    *ret_name = name;
    return QR_OK;
}

static enum qr_status read_name(struct qr_tds_cursor *c, struct qr_arena *arena,
                                struct qr_tds_rpc *rpc, struct qr_err *err)
{
    uint16_t units = qr_tds_take16(c);
    if (units == NAME_IS_ID) {
        uint16_t id = qr_tds_take16(c);
        if (c->failed)
            return qr_fail(err, QR_TRUNCATED, "the request ends in a procedure id");
        if (id == QR_TDS_PROC_NONE || id >= QR_TDS_PROC_COUNT)
            return qr_sql_fail(err, 8004); /* no such procedure id */
        rpc->id = (enum qr_tds_proc_id)id;
        return QR_OK;
    }
    if (units == 0 || units > NAME_UNITS_MAX)
        return qr_sql_fail(err, 8004);
    QR_TRY(qri_take_name(c, units, arena, &rpc->name, err));
    rpc->id = qr_tds_proc_find(rpc->name);
    return QR_OK;
}

/* Turns what went wrong with one parameter into the error a client of SQL Server would see. */
static enum qr_status blame(enum qr_status status, size_t ordinal, const struct qr_tds_param *p,
                            uint8_t token, const struct qr_tds_wire_type *wire, struct qr_err *err)
{
    char name[260];
    snprintf(name, sizeof name, "%.*s", (int)(p->name.n < 256 ? p->name.n : 256),
             p->name.p == NULL ? "" : p->name.p);
    if (status == QR_INVALID)
        return qr_sql_fail(err, 8023, (int)ordinal, name,
                           wire == NULL ? "sql_variant" : qr_type_name(&wire->type));
    if (status == QR_PROTOCOL && !qr_tds_type_known(token))
        return qr_sql_fail(err, 8009, (int)ordinal, name, (int)token);
    if (status == QR_PROTOCOL)
        return qr_sql_fail(err, 8016, (int)ordinal, name, (int)token);
    if (status == QR_TRUNCATED)
        return qr_sql_fail(err, 8016, (int)ordinal, name, (int)token);
    return status;
}

static enum qr_status read_param(struct qr_tds_cursor *c, struct qr_arena *arena, size_t ordinal,
                                 struct qr_tds_param *p, struct qr_err *err)
{
    QR_TRY(qri_take_name(c, qr_tds_take8(c), arena, &p->name, err));
    uint8_t status = qr_tds_take8(c);
    if (status & PARAM_ENCRYPTED)
        return qr_fail(err, QR_UNSUPPORTED, "encrypted parameters");
    p->is_output = (status & PARAM_BY_REF) != 0;
    p->is_default = (status & PARAM_DEFAULT) != 0;
    uint8_t token = qr_tds_left(c) > 0 ? *c->p : 0;
    struct qr_tds_wire_type wire;
    enum qr_status s = qr_tds_read_type(c, QR_TDS_IN_PARAM, &wire, err);
    if (s != QR_OK)
        return blame(s, ordinal, p, token, NULL, err);
    p->type = wire.type;
    if (token == QR_TDS_TVP)
        s = qri_tvp_read(c, arena, &p->tvp, err);
    else
        s = qr_tds_read_value(c, &wire, arena, &p->value, err);
    return s == QR_OK ? QR_OK : blame(s, ordinal, p, token, &wire, err);
}

/* Is the next byte a separator of calls? A name of 254 or 255 units cannot be, so it is one. */
static bool at_separator(const struct qr_tds_cursor *c, enum qr_tds_version version)
{
    if (version < QR_TDS_VERSION_72)
        return *c->p == BATCH_FLAG_71;
    return *c->p == BATCH_FLAG || *c->p == NO_EXEC_FLAG;
}

enum qr_status qr_tds_rpc_read(struct qr_tds_cursor *c, enum qr_tds_version version,
                               struct qr_arena *arena_batch, struct qr_tds_rpc *ret_rpc,
                               bool *ret_more, struct qr_err *err)
{
    struct qr_tds_rpc rpc = {.param_count = 0};
    QR_TRY(read_name(c, arena_batch, &rpc, err));
    uint16_t options = qr_tds_take16(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "the request ends in its options");
    rpc.with_recompile = (options & OPTION_RECOMPILE) != 0;
    rpc.no_metadata = (options & OPTION_NO_METADATA) != 0;
    rpc.reuse_metadata = (options & OPTION_REUSE_METADATA) != 0;
    bool more = false;
    size_t capacity = 0;
    while (qr_tds_left(c) > 0 && !more) {
        if (at_separator(c, version)) {
            rpc.no_exec = qr_tds_take8(c) == NO_EXEC_FLAG && version >= QR_TDS_VERSION_72;
            more = qr_tds_left(c) > 0;
            break;
        }
        if (rpc.param_count == QR_TDS_RPC_PARAMS_MAX)
            return qr_sql_fail(err, 8003, QR_TDS_RPC_PARAMS_MAX);
        rpc.params = qr_arena_grow(arena_batch, rpc.params, rpc.param_count, &capacity,
                                   rpc.param_count + 1, sizeof *rpc.params);
        if (rpc.params == NULL)
            return qr_fail(err, QR_NOMEM, "parameters");
        struct qr_tds_param *p = &rpc.params[rpc.param_count];
        *p = (struct qr_tds_param){.is_output = false};
        QR_TRY(read_param(c, arena_batch, rpc.param_count + 1, p, err));
        rpc.param_count++;
    }
    *ret_rpc = rpc;
    *ret_more = more;
    return QR_OK;
}
