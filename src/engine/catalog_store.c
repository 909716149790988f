/* catalog_store.c - loading, building and changing the picture of a database; see catalog_int.h. */
#include "catalog_int.h"
#include "engine/engine.h"
#include "catalog_change_int.h"
#include <assert.h>
#include <stdlib.h>
#include "base/endian.h"
#include "codec/collation.h"
#include "scoped_int.h"
#include "base/banned.h"

enum { CATALOG_BYTES_MAX = 1 << 30, META_FORMAT = 1 };

/* The counters of a picture as stored in the META row. */
static void encode_meta(struct qr_buf *buf, const struct qr_catalog *cat)
{
    qr_buf_add32le(buf, META_FORMAT);
    qr_buf_add32le(buf, cat->next_object_id);
    qr_buf_add32le(buf, cat->next_user_type_id);
    qr_buf_add32le(buf, cat->next_schema_id);
    qr_buf_add32le(buf, cat->collation_id);
    qr_buf_add64le(buf, cat->version);
}

static enum qr_status decode_meta(struct qr_catalog *cat, const struct qri_record *r,
                                  struct qr_err *err)
{
    if (r->body_bytes != 28 || qr_get32le(r->body) != META_FORMAT)
        return qr_fail(err, QR_CORRUPT, "catalog has an unknown format");
    cat->next_object_id = qr_get32le(r->body + 4);
    cat->next_user_type_id = qr_get32le(r->body + 8);
    cat->next_schema_id = qr_get32le(r->body + 12);
    cat->collation_id = (uint16_t)qr_get32le(r->body + 16);
    cat->version = qr_get64le(r->body + 20);
    if (qr_collation_get(cat->collation_id) == NULL)
        return qr_fail(err, QR_CORRUPT, "catalog names an unknown collation");
    return QR_OK;
}

enum qr_status qri_catalog_version(const uint8_t *body, size_t body_bytes, uint64_t *ret_version,
                                   struct qr_err *err)
{
    struct qr_catalog cat = {0};
    QR_TRY(decode_meta(&cat, &(struct qri_record){.body = body, .body_bytes = body_bytes}, err));
    *ret_version = cat.version;
    return QR_OK;
}

struct qri_catalog *qri_catalog_ref(struct qri_catalog *catalog)
{
    atomic_fetch_add(&catalog->refs, 1);
    return catalog;
}

void qri_catalog_unref(struct qri_catalog *catalog)
{
    if (catalog == NULL || atomic_fetch_sub(&catalog->refs, 1) != 1)
        return;
    qr_map_done(&catalog->cat.by_name);
    qr_arena_done(&catalog->arena);
    free(catalog);
}

static struct qri_catalog *catalog_alloc(void)
{
    struct qri_catalog *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    qr_arena_init(&c->arena, CATALOG_BYTES_MAX);
    qr_map_init(&c->cat.by_name, true);
    return c;
}

static void catalog_unrefp(struct qri_catalog **c)
{
    qri_catalog_unref(*c);
}

/* Room for the rows of each kind, counted first so that arrays never move. */
static enum qr_status make_room(struct qri_catalog *c, struct qr_err *err)
{
    size_t counts[QRI_REC_PERMISSION + 1] = {0};
    for (size_t i = 0; i < c->record_count; i++)
        if ((unsigned)c->records[i].kind <= QRI_REC_PERMISSION)
            counts[c->records[i].kind]++;
    c->cat.schemas = qr_arena_array(&c->arena, counts[QRI_REC_SCHEMA], sizeof *c->cat.schemas);
    c->cat.usertypes =
        qr_arena_array(&c->arena, counts[QRI_REC_USERTYPE], sizeof *c->cat.usertypes);
    c->cat.objects = qr_arena_array(&c->arena, counts[QRI_REC_OBJECT], sizeof *c->cat.objects);
    c->principals = qr_arena_array(&c->arena, counts[QRI_REC_PRINCIPAL], sizeof *c->principals);
    c->properties = qr_arena_array(&c->arena, counts[QRI_REC_PROPERTY], sizeof *c->properties);
    c->permissions = qr_arena_array(&c->arena, counts[QRI_REC_PERMISSION], sizeof *c->permissions);
    if (c->cat.schemas == NULL || c->cat.usertypes == NULL || c->cat.objects == NULL ||
        c->principals == NULL || c->properties == NULL || c->permissions == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    return QR_OK;
}

static enum qr_status decode_record(struct qri_catalog *c, const struct qri_record *r,
                                    struct qr_err *err)
{
    struct qr_catalog *cat = &c->cat;
    switch (r->kind) {
    case QRI_REC_META:
        return decode_meta(cat, r, err);
    case QRI_REC_SCHEMA:
        return qri_body_decode_schema(&c->arena, r->body, r->body_bytes,
                                      &cat->schemas[cat->schema_count++], err);
    case QRI_REC_USERTYPE:
        return qri_body_decode_usertype(&c->arena, r->body, r->body_bytes,
                                        &cat->usertypes[cat->usertype_count++], err);
    case QRI_REC_OBJECT: {
        struct qr_cat_object *obj = qr_arena_alloc(&c->arena, sizeof *obj);
        if (obj == NULL)
            return qr_fail(err, QR_NOMEM, "catalog");
        QR_TRY(qri_body_decode_object(&c->arena, r->body, r->body_bytes, obj, err));
        cat->objects[cat->object_count++] = obj;
        return QR_OK;
    }
    case QRI_REC_PRINCIPAL:
        return qri_body_decode_principal(&c->arena, r->body, r->body_bytes,
                                         &c->principals[c->principal_count++], err);
    case QRI_REC_PROPERTY:
        return qri_body_decode_property(&c->arena, r->body, r->body_bytes,
                                        &c->properties[c->property_count++], err);
    case QRI_REC_PERMISSION:
        c->permissions[c->permission_count].id = r->id;
        return qri_body_decode_permission(r->body, r->body_bytes,
                                          &c->permissions[c->permission_count++].row, err);
    }
    return qr_fail(err, QR_CORRUPT, "catalog row of unknown kind %d", (int)r->kind);
}

static enum qr_status list_members(struct qri_catalog *c, struct qr_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < c->principal_count; i++)
        count += c->principals[i].member_count;
    c->members = qr_arena_array(&c->arena, count, sizeof *c->members);
    if (c->members == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    for (size_t i = 0; i < c->principal_count; i++)
        for (size_t k = 0; k < c->principals[i].member_count; k++)
            c->members[c->member_count++] = (struct qr_perm_member){c->principals[i].member_of[k],
                                                                    c->principals[i].principal_id};
    return QR_OK;
}

static enum qr_status open_book(struct qri_catalog *c, struct qr_err *err)
{
    struct qr_perm_row *rows = qr_arena_array(&c->arena, c->permission_count, sizeof *rows);
    if (rows == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    for (size_t i = 0; i < c->permission_count; i++)
        rows[i] = c->permissions[i].row;
    QR_TRY(list_members(c, err));
    return qr_perm_book_new(&c->arena, rows, c->permission_count, &c->book, err);
}

/* Builds everything from c->records. */
static enum qr_status build(struct qri_catalog *c, struct qr_err *err)
{
    QR_TRY(make_room(c, err));
    for (size_t i = 0; i < c->record_count; i++)
        QR_TRY(decode_record(c, &c->records[i], err));
    for (size_t i = 0; i < c->principal_count; i++)
        if (c->principals[i].principal_id == QR_PRINCIPAL_DBO)
            c->principals[i].sid = c->owner_sid;
    qri_scoped_read(c);
    QR_TRY(open_book(c, err));
    return qr_cat_freeze(&c->cat, &c->arena, err);
}

/* ---- from SQLite ---- */

static enum qr_status read_records(sqlite3 *conn, struct qri_catalog *c, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum qr_status status = QR_OK;
    size_t capacity = 0;
    if (sqlite3_prepare_v2(conn, "SELECT kind, id, body FROM qcat ORDER BY kind, id", -1, &stmt,
                           NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, "read catalog");
    int rc;
    while (status == QR_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        void *moved = qr_arena_grow(&c->arena, c->records, c->record_count, &capacity,
                                    c->record_count + 1, sizeof *c->records);
        size_t bytes = (size_t)sqlite3_column_bytes(stmt, 2);
        char *body = qr_arena_dup(&c->arena, sqlite3_column_blob(stmt, 2), bytes);
        if (moved == NULL || body == NULL) {
            status = qr_fail(err, QR_NOMEM, "catalog");
            break;
        }
        c->records = moved;
        c->records[c->record_count++] = (struct qri_record){
            (enum qri_record_kind)sqlite3_column_int(stmt, 0),
            (uint32_t)sqlite3_column_int64(stmt, 1), (const uint8_t *)body, bytes};
    }
    if (status == QR_OK && rc != SQLITE_DONE)
        status = qri_conn_fail(conn, err, "read catalog");
    sqlite3_finalize(stmt);
    return status;
}

enum qr_status qri_catalog_load(sqlite3 *conn, const struct qr_database_info *info,
                                struct qri_catalog **ret_catalog, struct qr_err *err)
{
    QR_AUTO(catalog_unrefp) struct qri_catalog *c = catalog_alloc();
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    c->cat.database_name = qr_arena_str(&c->arena, info->name);
    c->cat.database_id = info->database_id;
    c->owner_sid =
        qr_arena_str(&c->arena, qr_str_n((const char *)info->owner_sid, info->owner_sid_bytes));
    QR_TRY(read_records(conn, c, err));
    QR_TRY(build(c, err));
    *ret_catalog = QR_TAKE(c);
    return QR_OK;
}

/* Shared code is valid for a #table of another session only if it is the very same object, so no
 * two sessions' pictures share a version. */
static uint64_t first_temp_version(void)
{
    static atomic_uint_fast64_t pictures;
    return (atomic_fetch_add(&pictures, 1) + 1) << 32;
}

enum qr_status qri_catalog_new_temp(struct qri_catalog **ret_catalog, struct qr_err *err)
{
    QR_AUTO(catalog_unrefp) struct qri_catalog *c = catalog_alloc();
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    c->cat.collation_id = QR_COLLATION_DEFAULT;
    c->cat.version = first_temp_version();
    c->cat.next_object_id = QRI_TEMP_OBJECT_FIRST;
    c->cat.next_user_type_id = 1;
    c->cat.next_schema_id = QR_SCHEMA_FIRST_USER;
    c->cat.database_name = qr_str("tempdb");
    c->cat.database_id = 2;
    QR_TRY(build(c, err));
    *ret_catalog = QR_TAKE(c);
    return QR_OK;
}

/* ---- a changed picture ---- */

static const struct qri_record *changed(const struct qri_change *change, enum qri_record_kind kind,
                                        uint32_t id)
{
    for (size_t i = change->count; i-- > 0;)
        if (change->records[i].kind == kind && change->records[i].id == id)
            return &change->records[i];
    return NULL;
}

static enum qr_status copy_record(struct qri_catalog *c, const struct qri_record *r)
{
    char *body = qr_arena_dup(&c->arena, r->body, r->body_bytes);
    if (body == NULL)
        return QR_NOMEM;
    c->records[c->record_count] = *r;
    c->records[c->record_count++].body = (const uint8_t *)body;
    return QR_OK;
}

enum qr_status qri_catalog_rename(const struct qri_catalog *old, struct qr_str name,
                                  struct qr_str owner_sid, struct qri_catalog **ret_catalog,
                                  struct qr_err *err)
{
    QR_AUTO(catalog_unrefp) struct qri_catalog *c = catalog_alloc();
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    c->cat.database_name = qr_arena_str(&c->arena, name);
    c->owner_sid = qr_arena_str(&c->arena, owner_sid);
    c->cat.database_id = old->cat.database_id;
    c->records = qr_arena_array(&c->arena, old->record_count, sizeof *c->records);
    if (c->records == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    for (size_t i = 0; i < old->record_count; i++)
        if (copy_record(c, &old->records[i]) != QR_OK)
            return qr_fail(err, QR_NOMEM, "catalog");
    QR_TRY(build(c, err));
    *ret_catalog = QR_TAKE(c);
    return QR_OK;
}

/* A new picture: the old one's rows with those of `change` put over them. */
static enum qr_status merge(const struct qri_catalog *old, const struct qri_change *change,
                            const struct qr_buf *meta, struct qri_catalog **ret_catalog,
                            struct qr_err *err)
{
    QR_AUTO(catalog_unrefp) struct qri_catalog *c = catalog_alloc();
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    c->cat.database_name = qr_arena_str(&c->arena, old->cat.database_name);
    c->cat.database_id = old->cat.database_id;
    c->owner_sid = qr_arena_str(&c->arena, old->owner_sid);
    c->records =
        qr_arena_array(&c->arena, old->record_count + change->count + 1, sizeof *c->records);
    if (c->records == NULL)
        return qr_fail(err, QR_NOMEM, "catalog");
    for (size_t i = 0; i < old->record_count; i++) {
        const struct qri_record *r = &old->records[i];
        if (r->kind == QRI_REC_META || changed(change, r->kind, r->id) != NULL)
            continue;
        if (copy_record(c, r) != QR_OK)
            return qr_fail(err, QR_NOMEM, "catalog");
    }
    for (size_t i = 0; i < change->count; i++) {
        const struct qri_record *r = &change->records[i];
        if (r->body == NULL || changed(change, r->kind, r->id) != r)
            continue; /* dropped, or changed again later */
        if (copy_record(c, r) != QR_OK)
            return qr_fail(err, QR_NOMEM, "catalog");
    }
    struct qri_record meta_row = {QRI_REC_META, 0, meta->data, meta->len};
    if (copy_record(c, &meta_row) != QR_OK)
        return qr_fail(err, QR_NOMEM, "catalog");
    QR_TRY(build(c, err));
    *ret_catalog = QR_TAKE(c);
    return QR_OK;
}

static enum qr_status write_row(sqlite3 *conn, sqlite3_stmt *put, sqlite3_stmt *del,
                                const struct qri_record *r, struct qr_err *err)
{
    sqlite3_stmt *stmt = r->body == NULL ? del : put;
    sqlite3_bind_int(stmt, 1, (int)r->kind);
    sqlite3_bind_int64(stmt, 2, r->id);
    if (r->body != NULL)
        sqlite3_bind_blob64(stmt, 3, r->body, r->body_bytes, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? QR_OK : qri_conn_fail(conn, err, "write catalog");
}

static enum qr_status write_rows(sqlite3 *conn, const struct qri_record *rows, size_t count,
                                 struct qr_err *err)
{
    sqlite3_stmt *put = NULL, *del = NULL;
    enum qr_status status = QR_OK;
    if (sqlite3_prepare_v2(conn, "INSERT OR REPLACE INTO qcat(kind, id, body) VALUES(?1, ?2, ?3)",
                           -1, &put, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(conn, "DELETE FROM qcat WHERE kind = ?1 AND id = ?2", -1, &del, NULL) !=
            SQLITE_OK)
        status = qri_conn_fail(conn, err, "write catalog");
    for (size_t i = 0; status == QR_OK && i < count; i++)
        status = write_row(conn, put, del, &rows[i], err);
    sqlite3_finalize(put);
    sqlite3_finalize(del);
    return status;
}

enum qr_status qri_change_apply(struct qri_change *change, sqlite3 *conn,
                                struct qri_catalog **catalog, struct qr_err *err)
{
    struct qr_catalog next = (*catalog)->cat; /* for its counters only */
    next.version = change->version;
    next.next_object_id = change->next_object_id;
    next.next_user_type_id = change->next_user_type_id;
    next.next_schema_id = change->next_schema_id;
    struct qr_buf meta;
    qr_buf_init(&meta, 1024);
    encode_meta(&meta, &next);
    enum qr_status status = qr_buf_status(&meta, err);
    if (status == QR_OK && conn != NULL) {
        struct qri_record meta_row = {QRI_REC_META, 0, meta.data, meta.len};
        status = write_rows(conn, change->records, change->count, err);
        if (status == QR_OK)
            status = write_rows(conn, &meta_row, 1, err);
    }
    struct qri_catalog *merged = NULL;
    if (status == QR_OK)
        status = merge(*catalog, change, &meta, &merged, err);
    qr_buf_done(&meta);
    if (status != QR_OK)
        return status;
    qri_catalog_unref(*catalog);
    *catalog = merged;
    return QR_OK;
}

/* ---- a new database ---- */

static enum qr_status fill_new_database(sqlite3 *conn, int64_t now_ticks, struct qr_err *err)
{
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qri_catalog *c = catalog_alloc();
    enum qr_status status = c == NULL ? qr_fail(err, QR_NOMEM, "catalog") : QR_OK;
    if (status == QR_OK) {
        c->cat.collation_id = QR_COLLATION_DEFAULT;
        c->cat.database_name = qr_str("");
        c->cat.next_object_id = 901578250; /* ids of user objects look as they do elsewhere */
        c->cat.next_user_type_id = 257;
        c->cat.next_schema_id = QR_SCHEMA_FIRST_USER;
        struct qri_change change;
        qri_change_init(&change, &arena, c);
        status = qri_change_put_first(&change, now_ticks, err);
        if (status == QR_OK)
            status = qri_change_apply(&change, conn, &c, err);
    }
    qri_catalog_unref(c);
    qr_arena_done(&arena);
    return status;
}

enum qr_status qri_catalog_bootstrap(sqlite3 *conn, int64_t now_ticks, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, "SELECT 1 FROM sqlite_schema WHERE name = 'qcat'", -1, &stmt,
                           NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, "look for the catalog");
    int rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW)
        return QR_OK;
    if (rc != SQLITE_DONE)
        return qri_conn_fail(conn, err, "look for the catalog");
    bool own = sqlite3_get_autocommit(conn) != 0;
    /* Only a database without pages takes it. It costs a page in 1,600 and is what DBCC
     * SHRINKDATABASE needs: from any page to the one that points at it. */
    if (own)
        QR_TRY(qri_conn_exec(conn, "PRAGMA auto_vacuum=INCREMENTAL", err));
    if (own)
        QR_TRY(qri_conn_exec(conn, "BEGIN IMMEDIATE", err));
    enum qr_status status =
        qri_conn_exec(conn,
                      "CREATE TABLE qcat(kind INTEGER NOT NULL, id INTEGER NOT NULL, "
                      "body BLOB NOT NULL, PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID",
                      err);
    if (status == QR_OK)
        status = fill_new_database(conn, now_ticks, err);
    if (own && status == QR_OK)
        status = qri_conn_exec(conn, "COMMIT", err);
    if (own && status != QR_OK)
        (void)!qri_conn_exec(conn, "ROLLBACK", NULL);
    return status;
}

/* ---- SQLite helpers of the DDL ---- */

enum qr_status qri_conn_fail(sqlite3 *conn, struct qr_err *err, const char *what)
{
    int code = sqlite3_extended_errcode(conn);
    enum qr_status status = QR_BUG;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        status = QR_NOMEM;
        break;
    case SQLITE_FULL:
        status = QR_FULL;
        break;
    case SQLITE_IOERR:
        status = QR_IO;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = QR_CORRUPT;
        break;
    case SQLITE_INTERRUPT:
        status = QR_CANCELLED;
        break;
    default:
        break;
    }
    return qr_fail(err, status, "%s: %s (%d)", what, sqlite3_errmsg(conn), code);
}

enum qr_status qri_conn_exec(sqlite3 *conn, const char *sql, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) != SQLITE_OK)
        return qri_conn_fail(conn, err, sql);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        continue;
    enum qr_status status = rc == SQLITE_DONE ? QR_OK : qri_conn_fail(conn, err, sql);
    sqlite3_finalize(stmt);
    return status;
}
