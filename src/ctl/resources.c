/* resources.c - see ctl/resources.h: the asker's side, and the formats of both sides */
#include "ctl/resources.h"
#include <string.h>
#include "base/endian.h"
#include "ctl/peer.h"
#include "resources_int.h"
#include "base/banned.h"

#define DB(kind, member, max)                                                                      \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_resource_database, member), max                             \
    }
#define OP(kind, member, max)                                                                      \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_operation_row, member), max                                 \
    }
#define POOL(kind, member, max)                                                                    \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_pool_row, member), max                                      \
    }
#define DOC(kind, member, max)                                                                     \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_doc, member), max                                           \
    }
static const struct qri_field database_fields[] = {
    DB(LONG, version, 0),
    DB(BYTE, operation_kind, QR_OPERATION_KIND_COUNT),
    DB(CHARS, requested_edition, QR_WORD_BYTES_MAX),
    DB(CHARS, requested_objective, QR_WORD_BYTES_MAX),
    DB(CHARS, primary, QR_NAME_BYTES_MAX),
    DB(CHARS, primary_server, QR_SERVER_NAME_BYTES_MAX),
    DB(LONG, create_wall_ns, 0),
    DB(LONG, earliest_restore_wall_ns, 0),
    DB(BYTE, pause_state, QR_PAUSE_STATE_COUNT),
    DB(CHARS, tags, QR_TAGS_BYTES_MAX),
    {QRI_END, 0, 0},
};
static const struct qri_field operation_fields[] = {
    OP(CHARS, id, QR_GUID_TEXT_BYTES),
    OP(LONG, number, 0),
    OP(BYTE, kind, QR_OPERATION_KIND_COUNT),
    OP(BYTE, state, QR_OPERATION_STATE_COUNT),
    OP(FLAG, is_cancellable, 0),
    OP(WORD, percent, 0),
    OP(WORD, database_id, 0),
    OP(WORD, source_id, 0),
    OP(CHARS, database, QR_NAME_BYTES_MAX),
    OP(CHARS, other, QR_NAME_BYTES_MAX),
    OP(CHARS, phase, QR_WORD_BYTES_MAX),
    OP(LONG, start_wall_ns, 0),
    OP(LONG, modify_wall_ns, 0),
    OP(WORD, error_number, 0),
    OP(WORD, error_severity, 0),
    OP(WORD, error_state, 0),
    OP(WORD, error_status, 0),
    OP(CHARS, error_text, QR_OPERATION_ERROR_BYTES_MAX),
    {QRI_END, 0, 0},
};
static const struct qri_field pool_fields[] = {
    POOL(WORD, server, QR_SERVER_NUMBER_MAX + 1),
    POOL(WORD, number, 0),
    POOL(CHARS, name, QR_NAME_BYTES_MAX),
    POOL(CHARS, size, QR_WORD_BYTES_MAX),
    POOL(LONG, max_bytes, 0),
    POOL(WORD, min_pct, 0),
    POOL(WORD, max_pct, 0),
    POOL(BYTE, license, QR_LICENSE_COUNT),
    POOL(BYTE, zone_redundant, QR_SAID_COUNT),
    POOL(LONG, create_wall_ns, 0),
    POOL(CHARS, tags, QR_TAGS_BYTES_MAX),
    {QRI_END, 0, 0},
};
static const struct qri_field doc_fields[] = {
    DOC(TEXT, name, QR_DOC_NAME_BYTES_MAX),
    DOC(TEXT, text, QR_DOC_TEXT_BYTES_MAX),
    DOC(LONG, version, 0),
    {QRI_END, 0, 0},
};

static const struct qr_operation_info operation_infos[QR_OPERATION_KIND_COUNT] = {
    /* clang-format off */
    [QR_OPERATION_NONE]        = {"", "", "Online"},
    [QR_OPERATION_CREATE]      = {"CREATE DATABASE",      "CreateLogicalDatabase",  "Creating"},
    [QR_OPERATION_COPY]        = {"CREATE DATABASE COPY", "CreateDatabaseAsCopy",   "Copying"},
    [QR_OPERATION_RESTORE]     = {"RESTORE DATABASE",     "RestoreLogicalDatabase", "Restoring"},
    [QR_OPERATION_ADD_REPLICA] = {"CREATE DATABASE",      "CreateDatabaseAsCopy",   "Creating"},
    [QR_OPERATION_UPDATE]      = {"ALTER DATABASE",       "UpdateLogicalDatabase",  "Scaling"},
    [QR_OPERATION_RENAME]      = {"ALTER DATABASE",       "RenameLogicalDatabase",  "Online"},
    [QR_OPERATION_DROP]        = {"DROP DATABASE",        "DropLogicalDatabase",    "Online"},
    [QR_OPERATION_FAILOVER]    = {"ALTER DATABASE",       "FailoverDatabase",       "Online"},
    [QR_OPERATION_VERIFY]      = {"RESTORE DATABASE",     "VerifyLogicalDatabase",  "Restoring"},
    [QR_OPERATION_MIGRATE]     = {"ALTER DATABASE",       "UpdateLogicalDatabase",  "Scaling"},
    [QR_OPERATION_REVERSE_MIGRATE] = {"ALTER DATABASE",   "UpdateLogicalDatabase",  "Scaling"},
    [QR_OPERATION_DROP_SERVER] = {"DROP SERVER",          "DropLogicalServer",      "Online"},
    [QR_OPERATION_POOL_CREATE] = {"CREATE ELASTIC POOL",  "CreateElasticPool",      "Online"},
    [QR_OPERATION_POOL_UPDATE] = {"ALTER ELASTIC POOL",   "UpdateElasticPool",      "Online"},
    [QR_OPERATION_POOL_DROP]   = {"DROP ELASTIC POOL",    "DropElasticPool",        "Online"},
    [QR_OPERATION_GEO_CHANGE]  = {"ALTER DATABASE",       "FailoverDatabase",       "Online"},
    [QR_OPERATION_DROP_GROUP]  = {"DROP RESOURCE GROUP",  "DropResourceGroup",      "Online"},
    /* clang-format on */
};

const struct qr_operation_info *qr_operation_info(enum qr_operation_kind kind)
{
    return &operation_infos[kind < QR_OPERATION_KIND_COUNT ? kind : QR_OPERATION_NONE];
}

static const char *const pause_words[QR_PAUSE_STATE_COUNT] = {
    [QR_PAUSE_NONE] = "Online",
    [QR_PAUSING] = "Pausing",
    [QR_PAUSED] = "Paused",
    [QR_RESUMING] = "Resuming",
};

const char *qr_resource_status(const struct qr_resource_database *database)
{
    if (database->row.state == QR_DATABASE_CREATING && database->operation_kind == 0)
        return "Creating";
    if (!qr_database_is_live(&database->row))
        return "Disabled";
    if (database->pause_state != QR_PAUSE_NONE && database->operation_kind == 0)
        return pause_words[database->pause_state];
    return operation_infos[database->operation_kind].database_word;
}

/* ---- formats ---- */

void qri_resource_put(struct qr_buf *buf, const struct qr_resource_database *database)
{
    qr_control_row_put(buf, &database->row);
    qri_fields_put(buf, database_fields, database);
}

enum qr_status qri_resource_take(const uint8_t *bytes, size_t count, size_t *at,
                                 struct qr_resource_database *ret_database, struct qr_err *err)
{
    size_t next = *at;
    QR_TRY(qr_control_row_next(bytes, count, &next, &ret_database->row, err));
    if (!qri_fields_take(bytes, count, &next, database_fields, ret_database))
        return qr_fail(err, QR_PROTOCOL, "a database breaks its format");
    *at = next;
    return QR_OK;
}

void qri_operation_put(struct qr_buf *buf, const struct qr_operation_row *row)
{
    qri_fields_put(buf, operation_fields, row);
}

enum qr_status qri_operation_take(const uint8_t *bytes, size_t count, size_t *at,
                                  struct qr_operation_row *ret_row, struct qr_err *err)
{
    struct qr_operation_row row = {.percent = 0};
    if (!qri_fields_take(bytes, count, at, operation_fields, &row) || row.percent > 100 ||
        row.error_status >= QR_STATUS_COUNT)
        return qr_fail(err, QR_PROTOCOL, "an operation breaks its format");
    *ret_row = row;
    return QR_OK;
}

void qri_pool_put(struct qr_buf *buf, const struct qr_pool_row *row)
{
    qri_fields_put(buf, pool_fields, row);
}

static enum qr_status take_pool(const struct qr_buf *reply, size_t *at, struct qr_pool_row *ret_row,
                                struct qr_err *err)
{
    if (!qri_fields_take(reply->data, reply->len, at, pool_fields, ret_row))
        return qr_fail(err, QR_PROTOCOL, "an elastic pool breaks its format");
    return QR_OK;
}

void qri_doc_put(struct qr_buf *buf, const struct qr_doc *doc)
{
    qri_fields_put(buf, doc_fields, doc);
}

static enum qr_status take_doc(const uint8_t *bytes, size_t count, size_t *at,
                               struct qr_doc *ret_doc, struct qr_err *err)
{
    if (!qri_fields_take(bytes, count, at, doc_fields, ret_doc))
        return qr_fail(err, QR_PROTOCOL, "a document breaks its format");
    return QR_OK;
}

/* ---- databases ---- */

enum qr_status qr_resource_database_get(struct qr_rpc_peer *peer, uint32_t server,
                                        struct qr_str name, int64_t timeout_ns,
                                        struct qr_resource_database *ret_database,
                                        struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .name = name};
    struct qr_buf reply;
    size_t at = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status =
        qr_control_call(peer, QR_CONTROL_RESOURCE, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qri_resource_take(reply.data, reply.len, &at, ret_database, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_resource_usage(struct qr_rpc_peer *operate, uint32_t server, struct qr_str name,
                                 int64_t timeout_ns, uint64_t *ret_used, uint64_t *ret_allocated,
                                 struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .name = name};
    struct qr_buf reply;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status =
        qr_control_call(operate, QR_CONTROL_USAGE, &ask, timeout_ns, &reply, err);
    if (status == QR_OK && reply.len != 16)
        status = qr_fail(err, QR_PROTOCOL, "the answer about a size breaks its format");
    if (status == QR_OK) {
        *ret_used = qr_get64le(reply.data);
        *ret_allocated = qr_get64le(reply.data + 8);
    }
    qr_buf_done(&reply);
    return status;
}

static enum qr_status each_in_reply(const struct qr_buf *reply, qr_resource_database_fn *each,
                                    void *ctx, uint32_t *after, struct qr_err *err)
{
    struct qr_resource_database database;
    for (size_t at = 0; at < reply->len;) {
        QR_TRY(qri_resource_take(reply->data, reply->len, &at, &database, err));
        if (database.row.id <= *after)
            return qr_fail(err, QR_PROTOCOL, "databases come out of order");
        *after = database.row.id;
        QR_TRY(each(ctx, &database));
    }
    return QR_OK;
}

enum qr_status qr_resource_each_database(struct qr_rpc_peer *peer, uint32_t server,
                                         int64_t timeout_ns, qr_resource_database_fn *each,
                                         void *ctx, struct qr_err *err)
{
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    uint32_t after = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        struct qr_control_ask ask = {.server = server, .id = after};
        status = qr_control_call(peer, QR_CONTROL_RESOURCES, &ask, timeout_ns, &reply, err);
        if (status == QR_OK)
            status = each_in_reply(&reply, each, ctx, &after, err);
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

/* ---- operations ---- */

static enum qr_status ask_for_operation(struct qr_rpc_peer *peer, enum qr_control_method method,
                                        const struct qr_control_ask *ask, int64_t timeout_ns,
                                        struct qr_operation_row *ret_row, struct qr_err *err)
{
    struct qr_buf reply;
    size_t at = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qr_control_call(peer, method, ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qri_operation_take(reply.data, reply.len, &at, ret_row, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_operation_start(struct qr_rpc_peer *operate, enum qr_control_method method,
                                  const struct qr_control_ask *ask, int64_t timeout_ns,
                                  struct qr_operation_row *ret_row, struct qr_err *err)
{
    struct qr_control_ask start = *ask;
    start.no_wait = true;
    return ask_for_operation(operate, method, &start, timeout_ns, ret_row, err);
}

enum qr_status qr_operation_get(struct qr_rpc_peer *peer, struct qr_str id, int64_t timeout_ns,
                                struct qr_operation_row *ret_row, struct qr_err *err)
{
    struct qr_control_ask ask = {.operation_id = id};
    return ask_for_operation(peer, QR_CONTROL_OPERATION, &ask, timeout_ns, ret_row, err);
}

static enum qr_status each_operation(struct qr_rpc_peer *peer, struct qr_control_ask ask,
                                     int64_t timeout_ns, qr_operation_fn *each, void *ctx,
                                     struct qr_err *err)
{
    struct qr_operation_row row;
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        status = qr_control_call(peer, QR_CONTROL_OPERATIONS, &ask, timeout_ns, &reply, err);
        for (size_t at = 0; status == QR_OK && at < reply.len;) {
            status = qri_operation_take(reply.data, reply.len, &at, &row, err);
            if (status == QR_OK && ask.version != 0 && row.number >= ask.version)
                status = qr_fail(err, QR_PROTOCOL, "operations come out of order");
            ask.version = row.number;
            if (status == QR_OK)
                status = each(ctx, &row);
        }
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_operation_each(struct qr_rpc_peer *peer, uint32_t server, struct qr_str database,
                                 int64_t timeout_ns, qr_operation_fn *each, void *ctx,
                                 struct qr_err *err)
{
    return each_operation(peer, (struct qr_control_ask){.server = server, .name = database},
                          timeout_ns, each, ctx, err);
}

enum qr_status qr_operation_each_of_pool(struct qr_rpc_peer *peer, uint32_t server,
                                         struct qr_str pool, int64_t timeout_ns,
                                         qr_operation_fn *each, void *ctx, struct qr_err *err)
{
    return each_operation(peer, (struct qr_control_ask){.server = server, .pool = pool}, timeout_ns,
                          each, ctx, err);
}

enum qr_status qr_operation_cancel(struct qr_rpc_peer *peer, struct qr_str id, int64_t timeout_ns,
                                   struct qr_err *err)
{
    struct qr_control_ask ask = {.operation_id = id};
    return qr_control_call(peer, QR_CONTROL_CANCEL, &ask, timeout_ns, NULL, err);
}

/* ---- elastic pools ---- */

enum qr_status qr_resource_pool_get(struct qr_rpc_peer *peer, uint32_t server, struct qr_str name,
                                    int64_t timeout_ns, struct qr_pool_row *ret_pool,
                                    struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .pool = name};
    struct qr_buf reply;
    size_t at = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qr_control_call(peer, QR_CONTROL_POOL, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = take_pool(&reply, &at, ret_pool, err);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_resource_each_pool(struct qr_rpc_peer *peer, uint32_t server, int64_t timeout_ns,
                                     qr_resource_pool_fn *each, void *ctx, struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server};
    struct qr_pool_row row;
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        status = qr_control_call(peer, QR_CONTROL_POOLS, &ask, timeout_ns, &reply, err);
        for (size_t at = 0; status == QR_OK && at < reply.len;) {
            status = take_pool(&reply, &at, &row, err);
            if (status == QR_OK && row.number <= ask.id)
                status = qr_fail(err, QR_PROTOCOL, "elastic pools come out of order");
            ask.id = row.number;
            if (status == QR_OK)
                status = each(ctx, &row);
        }
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

/* ---- documents ---- */

enum qr_status qr_doc_get(struct qr_rpc_peer *peer, enum qr_doc_kind kind, struct qr_str name,
                          int64_t timeout_ns, struct qr_buf *buf, struct qr_doc *ret_doc,
                          struct qr_err *err)
{
    struct qr_control_ask ask = {.doc_kind = (uint8_t)kind, .name = name};
    size_t at = 0;
    qr_buf_clear(buf);
    QR_TRY(qr_control_call(peer, QR_CONTROL_DOC, &ask, timeout_ns, buf, err));
    return take_doc(buf->data, buf->len, &at, ret_doc, err);
}

enum qr_status qr_doc_each(struct qr_rpc_peer *peer, enum qr_doc_kind kind, struct qr_str prefix,
                           int64_t timeout_ns, qr_doc_fn *each, void *ctx, struct qr_err *err)
{
    char last[QR_DOC_NAME_BYTES_MAX];
    struct qr_control_ask ask = {.doc_kind = (uint8_t)kind, .name = prefix};
    struct qr_doc doc;
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        status = qr_control_call(peer, QR_CONTROL_DOCS, &ask, timeout_ns, &reply, err);
        for (size_t at = 0; status == QR_OK && at < reply.len;) {
            status = take_doc(reply.data, reply.len, &at, &doc, err);
            if (status == QR_OK)
                status = each(ctx, &doc);
        }
        if (status == QR_OK && reply.len > 0) { /* the bytes of the last one go */
            memcpy(last, doc.name.p, doc.name.n);
            ask.new_name = qr_str_n(last, doc.name.n);
        }
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

enum qr_status qr_doc_put(struct qr_rpc_peer *peer, enum qr_doc_kind kind, const struct qr_doc *doc,
                          int64_t timeout_ns, struct qr_err *err)
{
    if (doc->name.n > QR_DOC_NAME_BYTES_MAX || doc->text.n > QR_DOC_TEXT_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "a document of %zu bytes", doc->text.n);
    struct qr_control_ask ask = {
        .doc_kind = (uint8_t)kind, .name = doc->name, .text = doc->text, .version = doc->version};
    return qr_control_call(peer, QR_CONTROL_DOC_PUT, &ask, timeout_ns, NULL, err);
}

enum qr_status qr_doc_delete(struct qr_rpc_peer *peer, enum qr_doc_kind kind, struct qr_str name,
                             int64_t timeout_ns, struct qr_err *err)
{
    struct qr_control_ask ask = {.doc_kind = (uint8_t)kind, .name = name};
    return qr_control_call(peer, QR_CONTROL_DOC_DELETE, &ask, timeout_ns, NULL, err);
}

enum qr_status qr_resource_make_server(struct qr_rpc_peer *operate, struct qr_str name,
                                       struct qr_str login, struct qr_str hash, struct qr_str text,
                                       int64_t timeout_ns, struct qr_err *err)
{
    struct qr_control_ask ask = {.name = name, .new_name = login, .hash = hash, .text = text};
    return qr_control_call(operate, QR_CONTROL_MAKE_SERVER, &ask, timeout_ns, NULL, err);
}

enum qr_status qr_resource_set_admin_hash(struct qr_rpc_peer *peer, uint32_t server,
                                          struct qr_str hash, int64_t timeout_ns,
                                          struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .hash = hash};
    return qr_control_call(peer, QR_CONTROL_ADMIN_HASH, &ask, timeout_ns, NULL, err);
}
