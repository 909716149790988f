/* catalog_body.c - the stored form of catalog rows; see catalog_int.h.
 *
 * One description of the fields serves both directions: an archive either writes a field or reads
 * it. Integers are little-endian, strings and arrays carry a 32-bit count. A body begins with its
 * form's version; a reader knows versions up to its own. */
#include "catalog_int.h"
#include <assert.h>
#include "base/endian.h"
#include "codec/collation.h"
#include "base/banned.h"

/* The forms of bodies, each with more than the one before. */
enum { BODY_VERSION = 1, BODY_RIGHTS, BODY_POLICY, BODY_MASKS, BODY_TEMPORAL };
enum { ITEMS_MAX = 4096, PERM_CODE_BYTES = 4 };

struct archive {
    struct qr_buf *out; /* writing; else NULL */
    const uint8_t *next, *end;
    struct qr_arena *arena;
    bool failed;
};

static const uint8_t *take(struct archive *ar, size_t bytes)
{
    if (ar->failed || (size_t)(ar->end - ar->next) < bytes) {
        ar->failed = true;
        return NULL;
    }
    const uint8_t *p = ar->next;
    ar->next += bytes;
    return p;
}

static void put_u8(struct archive *ar, uint8_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add8(ar->out, *v);
        return;
    }
    const uint8_t *p = take(ar, 1);
    *v = p == NULL ? 0 : *p;
}

static void put_bool(struct archive *ar, bool *v)
{
    uint8_t b = *v ? 1 : 0;
    put_u8(ar, &b);
    *v = b != 0;
}

static void put_u32(struct archive *ar, uint32_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add32le(ar->out, *v);
        return;
    }
    const uint8_t *p = take(ar, 4);
    *v = p == NULL ? 0 : qr_get32le(p);
}

static void put_i64(struct archive *ar, int64_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add64le(ar->out, (uint64_t)*v);
        return;
    }
    const uint8_t *p = take(ar, 8);
    *v = p == NULL ? 0 : (int64_t)qr_get64le(p);
}

static void put_str(struct archive *ar, struct qr_str *s)
{
    uint32_t n = (uint32_t)s->n;
    put_u32(ar, &n);
    if (ar->out != NULL) {
        qr_buf_add(ar->out, s->p, n);
        return;
    }
    const uint8_t *p = take(ar, n);
    char *copy = p == NULL ? NULL : qr_arena_dup(ar->arena, p, n);
    if (copy == NULL) {
        ar->failed = true;
        *s = (struct qr_str){"", 0};
        return;
    }
    *s = (struct qr_str){copy, n};
}

/* Counts of arrays; on reading makes room for `count` items of `item_bytes`. */
static void *put_count(struct archive *ar, void *items, size_t *count, size_t item_bytes)
{
    uint32_t n = (uint32_t)*count;
    put_u32(ar, &n);
    if (ar->out != NULL)
        return items;
    *count = 0;
    if (ar->failed || n > ITEMS_MAX) {
        ar->failed = true;
        return NULL;
    }
    void *room = qr_arena_array(ar->arena, n, item_bytes);
    if (room == NULL) {
        ar->failed = true;
        return NULL;
    }
    *count = n;
    return room;
}

#define PUT_ENUM(ar, field)                                                                        \
    do {                                                                                           \
        uint8_t put_enum_ = (uint8_t)(field);                                                      \
        put_u8((ar), &put_enum_);                                                                  \
        (field) = put_enum_;                                                                       \
    } while (0)

static void put_type(struct archive *ar, struct qr_type *t)
{
    uint8_t system_id = ar->out != NULL ? qr_type_info(t->id)->system_type_id : 0;
    uint8_t flags = t->is_max ? 1 : 0;
    uint32_t length = t->length, collation = t->collation;
    put_u8(ar, &system_id);
    put_u8(ar, &t->precision);
    put_u8(ar, &t->scale);
    put_u8(ar, &flags);
    put_u32(ar, &length);
    put_u32(ar, &collation);
    if (ar->out != NULL)
        return;
    t->id = qr_type_by_system_id(system_id);
    t->is_max = (flags & 1) != 0;
    t->length = (uint16_t)length;
    t->collation = (uint16_t)collation;
    if (t->id == QR_TYPE_NULL && system_id != 0)
        ar->failed = true;
    if (collation >= QR_COLLATION_COUNT)
        ar->failed = true;
}

static void put_column(struct archive *ar, struct qr_cat_column *c)
{
    put_u32(ar, &c->column_id);
    put_str(ar, &c->name);
    put_type(ar, &c->type);
    put_u32(ar, &c->user_type_id);
    put_bool(ar, &c->nullable);
    put_bool(ar, &c->is_identity);
    put_bool(ar, &c->is_computed);
    put_bool(ar, &c->is_persisted);
    put_bool(ar, &c->is_rowguidcol);
    put_bool(ar, &c->is_sparse);
    put_bool(ar, &c->is_hidden);
    put_bool(ar, &c->identity_not_for_replication);
    put_i64(ar, &c->identity_seed);
    put_i64(ar, &c->identity_increment);
    put_str(ar, &c->default_text);
    put_str(ar, &c->default_name);
    put_u32(ar, &c->default_object_id);
    put_bool(ar, &c->default_is_system_named);
    put_str(ar, &c->computed_text);
}

static void put_index(struct archive *ar, struct qr_cat_index *x)
{
    put_u32(ar, &x->index_id);
    put_str(ar, &x->name);
    put_bool(ar, &x->is_unique);
    put_bool(ar, &x->is_primary_key);
    put_bool(ar, &x->is_unique_constraint);
    put_bool(ar, &x->is_clustered);
    put_bool(ar, &x->is_disabled);
    put_bool(ar, &x->ignore_dup_key);
    put_bool(ar, &x->is_system_named);
    put_bool(ar, &x->has_null_guard);
    put_u8(ar, &x->fill_factor);
    put_u32(ar, &x->constraint_object_id);
    put_str(ar, &x->filter_text);
    x->columns = put_count(ar, x->columns, &x->column_count, sizeof *x->columns);
    x->key_count = 0;
    for (size_t i = 0; i < x->column_count; i++) {
        put_u32(ar, &x->columns[i].column_id);
        put_bool(ar, &x->columns[i].is_descending);
        put_bool(ar, &x->columns[i].is_included);
        if (!x->columns[i].is_included)
            x->key_count = i + 1;
    }
}

static void put_fk(struct archive *ar, struct qr_cat_fk *fk)
{
    put_u32(ar, &fk->object_id);
    put_str(ar, &fk->name);
    put_u32(ar, &fk->parent_object_id);
    put_u32(ar, &fk->referenced_object_id);
    put_u32(ar, &fk->referenced_index_id);
    size_t count = fk->column_count;
    fk->parent_columns = put_count(ar, fk->parent_columns, &count, sizeof *fk->parent_columns);
    if (ar->out == NULL) {
        fk->referenced_columns = qr_arena_array(ar->arena, count, sizeof(uint32_t));
        if (fk->referenced_columns == NULL) {
            ar->failed = true;
            count = 0;
        }
    }
    fk->column_count = count;
    for (size_t i = 0; i < count; i++) {
        put_u32(ar, &fk->parent_columns[i]);
        put_u32(ar, &fk->referenced_columns[i]);
    }
    PUT_ENUM(ar, fk->on_delete);
    PUT_ENUM(ar, fk->on_update);
    put_bool(ar, &fk->is_disabled);
    put_bool(ar, &fk->is_not_trusted);
    put_bool(ar, &fk->is_system_named);
    put_bool(ar, &fk->not_for_replication);
}

static void put_check(struct archive *ar, struct qr_cat_check *c)
{
    put_u32(ar, &c->object_id);
    put_str(ar, &c->name);
    put_str(ar, &c->text);
    put_u32(ar, &c->column_id);
    put_bool(ar, &c->is_disabled);
    put_bool(ar, &c->is_not_trusted);
    put_bool(ar, &c->is_system_named);
    put_bool(ar, &c->not_for_replication);
}

static void put_param(struct archive *ar, struct qr_cat_param *p)
{
    put_u32(ar, &p->parameter_id);
    put_str(ar, &p->name);
    put_type(ar, &p->type);
    put_u32(ar, &p->user_type_id);
    put_bool(ar, &p->is_output);
    put_bool(ar, &p->is_readonly);
    put_bool(ar, &p->has_default);
    put_bool(ar, &p->is_nullable);
    put_str(ar, &p->default_text);
}

static void put_module(struct archive *ar, struct qr_cat_object *o)
{
    put_str(ar, &o->text);
    put_bool(ar, &o->uses_ansi_nulls);
    put_bool(ar, &o->uses_quoted_identifier);
    put_bool(ar, &o->is_schema_bound);
    put_bool(ar, &o->is_disabled);
    put_bool(ar, &o->with_check_option);
    put_u8(ar, &o->trigger_events);
    put_bool(ar, &o->trigger_instead_of);
    o->params = put_count(ar, o->params, &o->param_count, sizeof *o->params);
    for (size_t i = 0; i < o->param_count; i++)
        put_param(ar, &o->params[i]);
}

static void put_object(struct archive *ar, struct qr_cat_object *o)
{
    int64_t version = (int64_t)o->version;
    put_u32(ar, &o->object_id);
    put_u32(ar, &o->schema_id);
    put_u32(ar, &o->parent_object_id);
    put_str(ar, &o->name);
    PUT_ENUM(ar, o->type);
    PUT_ENUM(ar, o->storage);
    put_i64(ar, &version);
    o->version = (uint64_t)version;
    put_i64(ar, &o->create_ticks);
    put_i64(ar, &o->modify_ticks);
    put_bool(ar, &o->is_system_named);
    put_u32(ar, &o->rowid_column);
    put_u32(ar, &o->identity_column);
    put_u32(ar, &o->rowversion_column);
    o->columns = put_count(ar, o->columns, &o->column_count, sizeof *o->columns);
    for (size_t i = 0; i < o->column_count; i++)
        put_column(ar, &o->columns[i]);
    o->indexes = put_count(ar, o->indexes, &o->index_count, sizeof *o->indexes);
    for (size_t i = 0; i < o->index_count; i++)
        put_index(ar, &o->indexes[i]);
    o->fks = put_count(ar, o->fks, &o->fk_count, sizeof *o->fks);
    for (size_t i = 0; i < o->fk_count; i++)
        put_fk(ar, &o->fks[i]);
    o->checks = put_count(ar, o->checks, &o->check_count, sizeof *o->checks);
    for (size_t i = 0; i < o->check_count; i++)
        put_check(ar, &o->checks[i]);
    put_module(ar, o);
    put_type(ar, &o->sequence_type);
    put_i64(ar, &o->sequence_start);
    put_i64(ar, &o->sequence_increment);
    put_i64(ar, &o->sequence_min);
    put_i64(ar, &o->sequence_max);
    put_bool(ar, &o->sequence_cycle);
}

/* Writes the least version that holds all there is, so that an earlier program can read it. */
static uint8_t put_version(struct archive *ar, uint8_t version, uint8_t newest)
{
    put_u8(ar, &version);
    if (version == 0 || version > newest)
        ar->failed = true;
    return version;
}

static bool has_rights(const struct qr_cat_object *obj)
{
    return obj->owner_id != 0 || obj->execute_as != 0;
}

static bool has_masks(const struct qr_cat_object *obj)
{
    for (size_t i = 0; i < obj->column_count; i++)
        if (obj->columns[i].mask.n > 0)
            return true;
    return false;
}

static void put_rights(struct archive *ar, struct qr_cat_object *obj)
{
    put_u32(ar, &obj->owner_id);
    put_u32(ar, &obj->execute_as);
}

static void put_policy(struct archive *ar, struct qr_cat_object *obj)
{
    put_u32(ar, &obj->next_predicate_id);
    put_bool(ar, &obj->not_for_replication);
    obj->predicates =
        put_count(ar, obj->predicates, &obj->predicate_count, sizeof *obj->predicates);
    for (size_t i = 0; i < obj->predicate_count; i++) {
        struct qr_cat_predicate *p = &obj->predicates[i];
        put_u32(ar, &p->predicate_id);
        put_u32(ar, &p->target_id);
        put_u32(ar, &p->function_id);
        put_bool(ar, &p->is_block);
        put_u8(ar, &p->operation);
        put_str(ar, &p->text);
        if (p->operation > QR_POLICY_BEFORE_DELETE)
            ar->failed = true;
    }
}

static bool is_period_column(const struct qr_cat_object *obj, uint32_t column_id)
{
    const struct qr_cat_column *column = qr_cat_column_by_id(obj, column_id);
    return column != NULL && column->type.id == QR_TYPE_DATETIME2;
}

static bool is_temporal_sound(const struct qr_cat_object *obj)
{
    uint32_t start = obj->period_start, end = obj->period_end;
    bool is_unit = obj->retention == QR_RETENTION_INFINITE ||
                   (obj->retention >= QR_RETENTION_DAY && obj->retention <= QR_RETENTION_YEAR);
    if (start == 0 && end == 0)
        return is_unit && obj->history_id == 0;
    return is_unit && is_period_column(obj, start) && is_period_column(obj, end) && start != end;
}

static void put_temporal(struct archive *ar, struct qr_cat_object *obj)
{
    put_u32(ar, &obj->period_start);
    put_u32(ar, &obj->period_end);
    put_u32(ar, &obj->history_id);
    put_u32(ar, &obj->history_of);
    PUT_ENUM(ar, obj->retention);
    put_u32(ar, &obj->retention_count);
    ar->failed = ar->failed || !is_temporal_sound(obj);
}

/* What of an object came with which version. */
static void put_more(struct archive *ar, struct qr_cat_object *obj, uint8_t version)
{
    if (version >= BODY_RIGHTS)
        put_rights(ar, obj);
    if (version >= BODY_POLICY)
        put_policy(ar, obj);
    for (size_t i = 0; version >= BODY_MASKS && i < obj->column_count; i++)
        put_str(ar, &obj->columns[i].mask);
    if (version >= BODY_TEMPORAL)
        put_temporal(ar, obj);
}

static uint8_t version_for(const struct qr_cat_object *obj)
{
    if (obj->period_start != 0 || obj->history_of != 0)
        return BODY_TEMPORAL;
    if (has_masks(obj))
        return BODY_MASKS;
    if (obj->type == QR_CAT_POLICY)
        return BODY_POLICY;
    return has_rights(obj) ? BODY_RIGHTS : BODY_VERSION;
}

static enum qr_status decoded(const struct archive *ar, const char *what, struct qr_err *err)
{
    if (ar->failed || ar->next != ar->end)
        return qr_fail(err, QR_CORRUPT, "catalog row of a %s is damaged", what);
    return QR_OK;
}

void qri_body_encode_object(struct qr_buf *buf, const struct qr_cat_object *obj)
{
    struct archive ar = {.out = buf};
    struct qr_cat_object copy = *obj; /* fields are written back unchanged, arrays included */
    uint8_t version = put_version(&ar, version_for(obj), BODY_TEMPORAL);
    put_object(&ar, &copy);
    put_more(&ar, &copy, version);
}

enum qr_status qri_body_decode_object(struct qr_arena *arena, const uint8_t *body,
                                      size_t body_bytes, struct qr_cat_object *ret,
                                      struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_object obj = {0};
    uint8_t version = put_version(&ar, BODY_VERSION, BODY_TEMPORAL);
    put_object(&ar, &obj);
    put_more(&ar, &obj, version);
    if (obj.type >= QR_CAT_TYPE_COUNT || obj.storage > QR_STORE_ROWSET)
        ar.failed = true;
    QR_TRY(decoded(&ar, "object", err));
    *ret = obj;
    return QR_OK;
}

static void put_schema(struct archive *ar, struct qr_cat_schema *s)
{
    put_version(ar, BODY_VERSION, BODY_VERSION);
    put_u32(ar, &s->schema_id);
    put_u32(ar, &s->principal_id);
    put_str(ar, &s->name);
}

void qri_body_encode_schema(struct qr_buf *buf, const struct qr_cat_schema *schema)
{
    struct archive ar = {.out = buf};
    struct qr_cat_schema copy = *schema;
    put_schema(&ar, &copy);
}

enum qr_status qri_body_decode_schema(struct qr_arena *arena, const uint8_t *body,
                                      size_t body_bytes, struct qr_cat_schema *ret,
                                      struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_schema schema = {0};
    put_schema(&ar, &schema);
    QR_TRY(decoded(&ar, "schema", err));
    *ret = schema;
    return QR_OK;
}

static void put_usertype(struct archive *ar, struct qr_cat_usertype *t)
{
    uint8_t version = put_version(ar, t->owner_id != 0 ? BODY_RIGHTS : BODY_VERSION, BODY_RIGHTS);
    put_u32(ar, &t->user_type_id);
    put_u32(ar, &t->schema_id);
    put_str(ar, &t->name);
    put_type(ar, &t->type);
    put_bool(ar, &t->nullable);
    put_u32(ar, &t->table_object_id);
    if (version == BODY_RIGHTS)
        put_u32(ar, &t->owner_id);
}

void qri_body_encode_usertype(struct qr_buf *buf, const struct qr_cat_usertype *type)
{
    struct archive ar = {.out = buf};
    struct qr_cat_usertype copy = *type;
    put_usertype(&ar, &copy);
}

enum qr_status qri_body_decode_usertype(struct qr_arena *arena, const uint8_t *body,
                                        size_t body_bytes, struct qr_cat_usertype *ret,
                                        struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_usertype type = {0};
    put_usertype(&ar, &type);
    QR_TRY(decoded(&ar, "type", err));
    *ret = type;
    return QR_OK;
}

static void put_principal(struct archive *ar, struct qri_principal *p)
{
    uint8_t type = (uint8_t)p->type;
    bool is_known = p->sid.n > 0 || p->password_hash.n > 0 || p->default_language.n > 0 ||
                    p->is_encrypted_writer;
    uint8_t version = put_version(ar, is_known ? BODY_RIGHTS : BODY_VERSION, BODY_RIGHTS);
    put_u32(ar, &p->principal_id);
    put_str(ar, &p->name);
    put_u8(ar, &type);
    p->type = (char)type;
    put_bool(ar, &p->is_fixed_role);
    put_u32(ar, &p->owning_principal_id);
    put_str(ar, &p->default_schema);
    put_str(ar, &p->login);
    put_i64(ar, &p->create_ticks);
    put_i64(ar, &p->modify_ticks);
    p->member_of = put_count(ar, p->member_of, &p->member_count, sizeof *p->member_of);
    for (size_t i = 0; i < p->member_count; i++)
        put_u32(ar, &p->member_of[i]);
    if (version == BODY_RIGHTS) {
        put_str(ar, &p->sid);
        put_str(ar, &p->password_hash);
        put_str(ar, &p->default_language);
        put_bool(ar, &p->is_encrypted_writer);
    }
}

void qri_body_encode_principal(struct qr_buf *buf, const struct qri_principal *principal)
{
    struct archive ar = {.out = buf};
    struct qri_principal copy = *principal;
    put_principal(&ar, &copy);
}

enum qr_status qri_body_decode_principal(struct qr_arena *arena, const uint8_t *body,
                                         size_t body_bytes, struct qri_principal *ret,
                                         struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qri_principal principal = {0};
    put_principal(&ar, &principal);
    QR_TRY(decoded(&ar, "principal", err));
    *ret = principal;
    return QR_OK;
}

static void put_property(struct archive *ar, struct qri_property *p)
{
    put_version(ar, BODY_VERSION, BODY_VERSION);
    put_u8(ar, &p->class_id);
    put_u32(ar, &p->major_id);
    put_u32(ar, &p->minor_id);
    put_str(ar, &p->name);
    put_str(ar, &p->value);
}

void qri_body_encode_property(struct qr_buf *buf, const struct qri_property *property)
{
    struct archive ar = {.out = buf};
    struct qri_property copy = *property;
    put_property(&ar, &copy);
}

enum qr_status qri_body_decode_property(struct qr_arena *arena, const uint8_t *body,
                                        size_t body_bytes, struct qri_property *ret,
                                        struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qri_property property = {0};
    put_property(&ar, &property);
    QR_TRY(decoded(&ar, "property", err));
    *ret = property;
    return QR_OK;
}

static void put_permission(struct archive *ar, struct qr_perm_row *row)
{
    char code[PERM_CODE_BYTES];
    put_version(ar, BODY_VERSION, BODY_VERSION);
    put_u8(ar, &row->on);
    put_u8(ar, &row->state);
    put_u32(ar, &row->major_id);
    put_u32(ar, &row->minor_id);
    put_u32(ar, &row->grantee_id);
    put_u32(ar, &row->grantor_id);
    /* by its code: their numbers change when there are more of them */
    if (ar->out != NULL)
        memcpy(code, qr_perm_code((enum qr_perm)row->perm), sizeof code);
    for (size_t i = 0; i < sizeof code; i++)
        put_u8(ar, (uint8_t *)&code[i]);
    row->perm = (uint16_t)qr_perm_by_code(code);
}

void qri_body_encode_permission(struct qr_buf *buf, const struct qr_perm_row *row)
{
    struct archive ar = {.out = buf};
    struct qr_perm_row copy = *row;
    put_permission(&ar, &copy);
}

enum qr_status qri_body_decode_permission(const uint8_t *body, size_t body_bytes,
                                          struct qr_perm_row *ret, struct qr_err *err)
{
    struct archive ar = {.next = body, .end = body + body_bytes};
    struct qr_perm_row row = {0};
    put_permission(&ar, &row);
    bool is_state = row.state == QR_PERM_GRANT || row.state == QR_PERM_GRANT_OPTION ||
                    row.state == QR_PERM_DENY || (row.state == QR_PERM_REVOKE && row.minor_id != 0);
    if (row.perm == QR_MAY_NOTHING || !is_state || qr_perm_class_desc(row.on)[0] == '\0')
        ar.failed = true;
    QR_TRY(decoded(&ar, "permission", err));
    *ret = row;
    return QR_OK;
}
