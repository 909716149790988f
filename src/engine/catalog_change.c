/* catalog_change.c - rows of the catalog to put or drop, and those that every database begins with;
 * see catalog_change_int.h. */
#include "catalog_change_int.h"
#include "base/banned.h"

/* A version that was rolled back is never given again: compiled code that knows it may be cached.
 */
static uint64_t next_version(uint64_t above)
{
    static atomic_uint_fast64_t last;
    uint_fast64_t seen = atomic_load(&last), next;
    do
        next = (seen > above ? seen : above) + 1;
    while (!atomic_compare_exchange_weak(&last, &seen, next));
    return next;
}

void qri_change_init(struct qri_change *change, struct qr_arena *arena,
                     const struct qri_catalog *catalog)
{
    *change = (struct qri_change){.arena = arena,
                                  .next_object_id = catalog->cat.next_object_id,
                                  .next_user_type_id = catalog->cat.next_user_type_id,
                                  .next_schema_id = catalog->cat.next_schema_id,
                                  .version = next_version(catalog->cat.version)};
}

static enum qr_status change_add(struct qri_change *change, enum qri_record_kind kind, uint32_t id,
                                 struct qr_buf *body, struct qr_err *err)
{
    enum qr_status status = body == NULL ? QR_OK : qr_buf_status(body, err);
    char *copy = NULL;
    if (status == QR_OK && body != NULL)
        copy = qr_arena_dup(change->arena, body->data, body->len);
    size_t bytes = body == NULL ? 0 : body->len;
    if (body != NULL)
        qr_buf_done(body);
    if (status != QR_OK)
        return status;
    void *moved = qr_arena_grow(change->arena, change->records, change->count, &change->capacity,
                                change->count + 1, sizeof *change->records);
    if (moved == NULL || (body != NULL && copy == NULL))
        return qr_fail(err, QR_NOMEM, "change catalog");
    change->records = moved;
    change->records[change->count++] = (struct qri_record){kind, id, (const uint8_t *)copy, bytes};
    return QR_OK;
}

enum { BODY_BYTES_MAX = 64 << 20 };

enum qr_status qri_change_put_object(struct qri_change *change, struct qr_cat_object *obj,
                                     struct qr_err *err)
{
    struct qr_buf body;
    obj->version = change->version;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_object(&body, obj);
    return change_add(change, QRI_REC_OBJECT, obj->object_id, &body, err);
}

enum qr_status qri_change_put_schema(struct qri_change *change, const struct qr_cat_schema *schema,
                                     struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_schema(&body, schema);
    return change_add(change, QRI_REC_SCHEMA, schema->schema_id, &body, err);
}

enum qr_status qri_change_put_usertype(struct qri_change *change,
                                       const struct qr_cat_usertype *type, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_usertype(&body, type);
    return change_add(change, QRI_REC_USERTYPE, type->user_type_id, &body, err);
}

enum qr_status qri_change_put_principal(struct qri_change *change,
                                        const struct qri_principal *principal, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_principal(&body, principal);
    return change_add(change, QRI_REC_PRINCIPAL, principal->principal_id, &body, err);
}

enum qr_status qri_change_put_property(struct qri_change *change, uint32_t id,
                                       const struct qri_property *property, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_property(&body, property);
    return change_add(change, QRI_REC_PROPERTY, id, &body, err);
}

enum qr_status qri_change_put_permission(struct qri_change *change, uint32_t id,
                                         const struct qr_perm_row *row, struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, BODY_BYTES_MAX);
    qri_body_encode_permission(&body, row);
    return change_add(change, QRI_REC_PERMISSION, id, &body, err);
}

enum qr_status qri_change_drop(struct qri_change *change, enum qri_record_kind kind, uint32_t id,
                               struct qr_err *err)
{
    return change_add(change, kind, id, NULL, err);
}

/* ---- the first rows of a database ---- */

enum qr_status qri_change_put_first(struct qri_change *change, int64_t now, struct qr_err *err)
{
    static const struct {
        uint32_t id;
        const char *name;
    } schemas[] = {{QR_SCHEMA_DBO, "dbo"},
                   {QR_SCHEMA_GUEST, "guest"},
                   {QR_SCHEMA_INFORMATION_SCHEMA, "INFORMATION_SCHEMA"},
                   {QR_SCHEMA_SYS, "sys"}};
    static const struct {
        uint32_t id;
        const char *name;
        char type;
        const char *schema;
    } principals[] = {
        {0, "public", 'R', ""},
        {1, "dbo", 'S', "dbo"},
        {2, "guest", 'S', "guest"},
        {3, "INFORMATION_SCHEMA", 'S', ""},
        {4, "sys", 'S', ""},
        {16384, "db_owner", 'R', ""},
        {16385, "db_accessadmin", 'R', ""},
        {16386, "db_securityadmin", 'R', ""},
        {16387, "db_ddladmin", 'R', ""},
        {16389, "db_backupoperator", 'R', ""},
        {16390, "db_datareader", 'R', ""},
        {16391, "db_datawriter", 'R', ""},
        {16392, "db_denydatareader", 'R', ""},
        {16393, "db_denydatawriter", 'R', ""},
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct qr_cat_schema s = {schemas[i].id, schemas[i].id, qr_str(schemas[i].name)};
        QR_TRY(qri_change_put_schema(change, &s, err));
    }
    for (size_t i = 0; i < sizeof principals / sizeof principals[0]; i++) {
        struct qri_principal p = {.principal_id = principals[i].id,
                                  .name = qr_str(principals[i].name),
                                  .type = principals[i].type,
                                  .is_fixed_role = principals[i].id >= 16384,
                                  .owning_principal_id = principals[i].type == 'R' ? 1 : 0,
                                  .default_schema = qr_str(principals[i].schema),
                                  .create_ticks = now,
                                  .modify_ticks = now};
        QR_TRY(qri_change_put_principal(change, &p, err));
    }
    return QR_OK;
}
