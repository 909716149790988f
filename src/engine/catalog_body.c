/* catalog_body.c - the stored form of catalog rows; see catalog_int.h.
 *
 * One description of the fields serves both directions: an archive either writes a field or reads
 * it. Integers are little-endian, strings and arrays carry a 32-bit count. A body begins with its
 * form's version; a reader knows versions up to its own. */
#include "catalog_archive_int.h"
#include "catalog_int.h"
#include <assert.h>
#include "base/endian.h"
#include "codec/collation.h"
#include "base/banned.h"

/* The forms of bodies, each with more than the one before. */
enum { BODY_VERSION = 1, BODY_RIGHTS, BODY_POLICY, BODY_MASKS, BODY_TEMPORAL, BODY_STATS };
enum { PERM_CODE_BYTES = 4 };

static void put_type(struct qri_archive *ar, struct qr_type *t)
{
    uint8_t system_id = ar->out != NULL ? qr_type_info(t->id)->system_type_id : 0;
    uint8_t flags = t->is_max ? 1 : 0;
    uint32_t length = t->length, collation = t->collation;
    qri_put_u8(ar, &system_id);
    qri_put_u8(ar, &t->precision);
    qri_put_u8(ar, &t->scale);
    qri_put_u8(ar, &flags);
    qri_put_u32(ar, &length);
    qri_put_u32(ar, &collation);
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

static void put_column(struct qri_archive *ar, struct qr_cat_column *c)
{
    qri_put_u32(ar, &c->column_id);
    qri_put_str(ar, &c->name);
    put_type(ar, &c->type);
    qri_put_u32(ar, &c->user_type_id);
    qri_put_bool(ar, &c->nullable);
    qri_put_bool(ar, &c->is_identity);
    qri_put_bool(ar, &c->is_computed);
    qri_put_bool(ar, &c->is_persisted);
    qri_put_bool(ar, &c->is_rowguidcol);
    qri_put_bool(ar, &c->is_sparse);
    qri_put_bool(ar, &c->is_hidden);
    qri_put_bool(ar, &c->identity_not_for_replication);
    qri_put_i64(ar, &c->identity_seed);
    qri_put_i64(ar, &c->identity_increment);
    qri_put_str(ar, &c->default_text);
    qri_put_str(ar, &c->default_name);
    qri_put_u32(ar, &c->default_object_id);
    qri_put_bool(ar, &c->default_is_system_named);
    qri_put_str(ar, &c->computed_text);
}

static void put_index(struct qri_archive *ar, struct qr_cat_index *x)
{
    qri_put_u32(ar, &x->index_id);
    qri_put_str(ar, &x->name);
    qri_put_bool(ar, &x->is_unique);
    qri_put_bool(ar, &x->is_primary_key);
    qri_put_bool(ar, &x->is_unique_constraint);
    qri_put_bool(ar, &x->is_clustered);
    qri_put_bool(ar, &x->is_disabled);
    qri_put_bool(ar, &x->ignore_dup_key);
    qri_put_bool(ar, &x->is_system_named);
    qri_put_bool(ar, &x->has_null_guard);
    qri_put_u8(ar, &x->fill_factor);
    qri_put_u32(ar, &x->constraint_object_id);
    qri_put_str(ar, &x->filter_text);
    x->columns = qri_put_count(ar, x->columns, &x->column_count, sizeof *x->columns);
    x->key_count = 0;
    for (size_t i = 0; i < x->column_count; i++) {
        qri_put_u32(ar, &x->columns[i].column_id);
        qri_put_bool(ar, &x->columns[i].is_descending);
        qri_put_bool(ar, &x->columns[i].is_included);
        if (!x->columns[i].is_included)
            x->key_count = i + 1;
    }
}

static void put_fk(struct qri_archive *ar, struct qr_cat_fk *fk)
{
    qri_put_u32(ar, &fk->object_id);
    qri_put_str(ar, &fk->name);
    qri_put_u32(ar, &fk->parent_object_id);
    qri_put_u32(ar, &fk->referenced_object_id);
    qri_put_u32(ar, &fk->referenced_index_id);
    size_t count = fk->column_count;
    fk->parent_columns = qri_put_count(ar, fk->parent_columns, &count, sizeof *fk->parent_columns);
    if (ar->out == NULL) {
        fk->referenced_columns = qr_arena_array(ar->arena, count, sizeof(uint32_t));
        if (fk->referenced_columns == NULL) {
            ar->failed = true;
            count = 0;
        }
    }
    fk->column_count = count;
    for (size_t i = 0; i < count; i++) {
        qri_put_u32(ar, &fk->parent_columns[i]);
        qri_put_u32(ar, &fk->referenced_columns[i]);
    }
    QRI_PUT_ENUM(ar, fk->on_delete);
    QRI_PUT_ENUM(ar, fk->on_update);
    qri_put_bool(ar, &fk->is_disabled);
    qri_put_bool(ar, &fk->is_not_trusted);
    qri_put_bool(ar, &fk->is_system_named);
    qri_put_bool(ar, &fk->not_for_replication);
}

static void put_check(struct qri_archive *ar, struct qr_cat_check *c)
{
    qri_put_u32(ar, &c->object_id);
    qri_put_str(ar, &c->name);
    qri_put_str(ar, &c->text);
    qri_put_u32(ar, &c->column_id);
    qri_put_bool(ar, &c->is_disabled);
    qri_put_bool(ar, &c->is_not_trusted);
    qri_put_bool(ar, &c->is_system_named);
    qri_put_bool(ar, &c->not_for_replication);
}

static void put_param(struct qri_archive *ar, struct qr_cat_param *p)
{
    qri_put_u32(ar, &p->parameter_id);
    qri_put_str(ar, &p->name);
    put_type(ar, &p->type);
    qri_put_u32(ar, &p->user_type_id);
    qri_put_bool(ar, &p->is_output);
    qri_put_bool(ar, &p->is_readonly);
    qri_put_bool(ar, &p->has_default);
    qri_put_bool(ar, &p->is_nullable);
    qri_put_str(ar, &p->default_text);
}

static void put_module(struct qri_archive *ar, struct qr_cat_object *o)
{
    qri_put_str(ar, &o->text);
    qri_put_bool(ar, &o->uses_ansi_nulls);
    qri_put_bool(ar, &o->uses_quoted_identifier);
    qri_put_bool(ar, &o->is_schema_bound);
    qri_put_bool(ar, &o->is_disabled);
    qri_put_bool(ar, &o->with_check_option);
    qri_put_u8(ar, &o->trigger_events);
    qri_put_bool(ar, &o->trigger_instead_of);
    o->params = qri_put_count(ar, o->params, &o->param_count, sizeof *o->params);
    for (size_t i = 0; i < o->param_count; i++)
        put_param(ar, &o->params[i]);
}

static void put_object(struct qri_archive *ar, struct qr_cat_object *o)
{
    int64_t version = (int64_t)o->version;
    qri_put_u32(ar, &o->object_id);
    qri_put_u32(ar, &o->schema_id);
    qri_put_u32(ar, &o->parent_object_id);
    qri_put_str(ar, &o->name);
    QRI_PUT_ENUM(ar, o->type);
    QRI_PUT_ENUM(ar, o->storage);
    qri_put_i64(ar, &version);
    o->version = (uint64_t)version;
    qri_put_i64(ar, &o->create_ticks);
    qri_put_i64(ar, &o->modify_ticks);
    qri_put_bool(ar, &o->is_system_named);
    qri_put_u32(ar, &o->rowid_column);
    qri_put_u32(ar, &o->identity_column);
    qri_put_u32(ar, &o->rowversion_column);
    o->columns = qri_put_count(ar, o->columns, &o->column_count, sizeof *o->columns);
    for (size_t i = 0; i < o->column_count; i++)
        put_column(ar, &o->columns[i]);
    o->indexes = qri_put_count(ar, o->indexes, &o->index_count, sizeof *o->indexes);
    for (size_t i = 0; i < o->index_count; i++)
        put_index(ar, &o->indexes[i]);
    o->fks = qri_put_count(ar, o->fks, &o->fk_count, sizeof *o->fks);
    for (size_t i = 0; i < o->fk_count; i++)
        put_fk(ar, &o->fks[i]);
    o->checks = qri_put_count(ar, o->checks, &o->check_count, sizeof *o->checks);
    for (size_t i = 0; i < o->check_count; i++)
        put_check(ar, &o->checks[i]);
    put_module(ar, o);
    put_type(ar, &o->sequence_type);
    qri_put_i64(ar, &o->sequence_start);
    qri_put_i64(ar, &o->sequence_increment);
    qri_put_i64(ar, &o->sequence_min);
    qri_put_i64(ar, &o->sequence_max);
    qri_put_bool(ar, &o->sequence_cycle);
}

/* Writes the least version that holds all there is, so that an earlier program can read it. */
static uint8_t put_version(struct qri_archive *ar, uint8_t version, uint8_t newest)
{
    qri_put_u8(ar, &version);
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

static void put_rights(struct qri_archive *ar, struct qr_cat_object *obj)
{
    qri_put_u32(ar, &obj->owner_id);
    qri_put_u32(ar, &obj->execute_as);
}

static void put_policy(struct qri_archive *ar, struct qr_cat_object *obj)
{
    qri_put_u32(ar, &obj->next_predicate_id);
    qri_put_bool(ar, &obj->not_for_replication);
    obj->predicates =
        qri_put_count(ar, obj->predicates, &obj->predicate_count, sizeof *obj->predicates);
    for (size_t i = 0; i < obj->predicate_count; i++) {
        struct qr_cat_predicate *p = &obj->predicates[i];
        qri_put_u32(ar, &p->predicate_id);
        qri_put_u32(ar, &p->target_id);
        qri_put_u32(ar, &p->function_id);
        qri_put_bool(ar, &p->is_block);
        qri_put_u8(ar, &p->operation);
        qri_put_str(ar, &p->text);
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

static void put_temporal(struct qri_archive *ar, struct qr_cat_object *obj)
{
    qri_put_u32(ar, &obj->period_start);
    qri_put_u32(ar, &obj->period_end);
    qri_put_u32(ar, &obj->history_id);
    qri_put_u32(ar, &obj->history_of);
    QRI_PUT_ENUM(ar, obj->retention);
    qri_put_u32(ar, &obj->retention_count);
    ar->failed = ar->failed || !is_temporal_sound(obj);
}

static void put_stats(struct qri_archive *ar, struct qr_cat_object *obj)
{
    obj->stats = qri_put_count(ar, obj->stats, &obj->stats_count, sizeof *obj->stats);
    for (size_t i = 0; i < obj->stats_count; i++) {
        struct qr_cat_stats *x = &obj->stats[i];
        qri_put_u32(ar, &x->stats_id);
        qri_put_str(ar, &x->name);
        qri_put_str(ar, &x->filter_text);
        qri_put_bool(ar, &x->no_recompute);
        qri_put_bool(ar, &x->is_incremental);
        x->columns = qri_put_count(ar, x->columns, &x->column_count, sizeof *x->columns);
        for (size_t k = 0; k < x->column_count; k++)
            qri_put_u32(ar, &x->columns[k]);
    }
}

/* What of an object came with which version. */
static void put_more(struct qri_archive *ar, struct qr_cat_object *obj, uint8_t version)
{
    if (version >= BODY_RIGHTS)
        put_rights(ar, obj);
    if (version >= BODY_POLICY)
        put_policy(ar, obj);
    for (size_t i = 0; version >= BODY_MASKS && i < obj->column_count; i++)
        qri_put_str(ar, &obj->columns[i].mask);
    if (version >= BODY_TEMPORAL)
        put_temporal(ar, obj);
    if (version >= BODY_STATS)
        put_stats(ar, obj);
}

static uint8_t version_for(const struct qr_cat_object *obj)
{
    if (obj->stats_count > 0)
        return BODY_STATS;
    if (obj->period_start != 0 || obj->history_of != 0)
        return BODY_TEMPORAL;
    if (has_masks(obj))
        return BODY_MASKS;
    if (obj->type == QR_CAT_POLICY)
        return BODY_POLICY;
    return has_rights(obj) ? BODY_RIGHTS : BODY_VERSION;
}

static enum qr_status decoded(const struct qri_archive *ar, const char *what, struct qr_err *err)
{
    if (ar->failed || ar->next != ar->end)
        return qr_fail(err, QR_CORRUPT, "catalog row of a %s is damaged", what);
    return QR_OK;
}

void qri_body_encode_object(struct qr_buf *buf, const struct qr_cat_object *obj)
{
    struct qri_archive ar = {.out = buf};
    struct qr_cat_object copy = *obj; /* fields are written back unchanged, arrays included */
    uint8_t version = put_version(&ar, version_for(obj), BODY_STATS);
    put_object(&ar, &copy);
    put_more(&ar, &copy, version);
}

enum qr_status qri_body_decode_object(struct qr_arena *arena, const uint8_t *body,
                                      size_t body_bytes, struct qr_cat_object *ret,
                                      struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_object obj = {0};
    uint8_t version = put_version(&ar, BODY_VERSION, BODY_STATS);
    put_object(&ar, &obj);
    put_more(&ar, &obj, version);
    if (obj.type >= QR_CAT_TYPE_COUNT || obj.storage > QR_STORE_ROWSET)
        ar.failed = true;
    QR_TRY(decoded(&ar, "object", err));
    *ret = obj;
    return QR_OK;
}

static void put_schema(struct qri_archive *ar, struct qr_cat_schema *s)
{
    put_version(ar, BODY_VERSION, BODY_VERSION);
    qri_put_u32(ar, &s->schema_id);
    qri_put_u32(ar, &s->principal_id);
    qri_put_str(ar, &s->name);
}

void qri_body_encode_schema(struct qr_buf *buf, const struct qr_cat_schema *schema)
{
    struct qri_archive ar = {.out = buf};
    struct qr_cat_schema copy = *schema;
    put_schema(&ar, &copy);
}

enum qr_status qri_body_decode_schema(struct qr_arena *arena, const uint8_t *body,
                                      size_t body_bytes, struct qr_cat_schema *ret,
                                      struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_schema schema = {0};
    put_schema(&ar, &schema);
    QR_TRY(decoded(&ar, "schema", err));
    *ret = schema;
    return QR_OK;
}

static void put_usertype(struct qri_archive *ar, struct qr_cat_usertype *t)
{
    uint8_t version = put_version(ar, t->owner_id != 0 ? BODY_RIGHTS : BODY_VERSION, BODY_RIGHTS);
    qri_put_u32(ar, &t->user_type_id);
    qri_put_u32(ar, &t->schema_id);
    qri_put_str(ar, &t->name);
    put_type(ar, &t->type);
    qri_put_bool(ar, &t->nullable);
    qri_put_u32(ar, &t->table_object_id);
    if (version == BODY_RIGHTS)
        qri_put_u32(ar, &t->owner_id);
}

void qri_body_encode_usertype(struct qr_buf *buf, const struct qr_cat_usertype *type)
{
    struct qri_archive ar = {.out = buf};
    struct qr_cat_usertype copy = *type;
    put_usertype(&ar, &copy);
}

enum qr_status qri_body_decode_usertype(struct qr_arena *arena, const uint8_t *body,
                                        size_t body_bytes, struct qr_cat_usertype *ret,
                                        struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qr_cat_usertype type = {0};
    put_usertype(&ar, &type);
    QR_TRY(decoded(&ar, "type", err));
    *ret = type;
    return QR_OK;
}

static void put_principal(struct qri_archive *ar, struct qri_principal *p)
{
    uint8_t type = (uint8_t)p->type;
    bool is_known = p->sid.n > 0 || p->password_hash.n > 0 || p->default_language.n > 0 ||
                    p->is_encrypted_writer;
    uint8_t version = put_version(ar, is_known ? BODY_RIGHTS : BODY_VERSION, BODY_RIGHTS);
    qri_put_u32(ar, &p->principal_id);
    qri_put_str(ar, &p->name);
    qri_put_u8(ar, &type);
    p->type = (char)type;
    qri_put_bool(ar, &p->is_fixed_role);
    qri_put_u32(ar, &p->owning_principal_id);
    qri_put_str(ar, &p->default_schema);
    qri_put_str(ar, &p->login);
    qri_put_i64(ar, &p->create_ticks);
    qri_put_i64(ar, &p->modify_ticks);
    p->member_of = qri_put_count(ar, p->member_of, &p->member_count, sizeof *p->member_of);
    for (size_t i = 0; i < p->member_count; i++)
        qri_put_u32(ar, &p->member_of[i]);
    if (version == BODY_RIGHTS) {
        qri_put_str(ar, &p->sid);
        qri_put_str(ar, &p->password_hash);
        qri_put_str(ar, &p->default_language);
        qri_put_bool(ar, &p->is_encrypted_writer);
    }
}

void qri_body_encode_principal(struct qr_buf *buf, const struct qri_principal *principal)
{
    struct qri_archive ar = {.out = buf};
    struct qri_principal copy = *principal;
    put_principal(&ar, &copy);
}

enum qr_status qri_body_decode_principal(struct qr_arena *arena, const uint8_t *body,
                                         size_t body_bytes, struct qri_principal *ret,
                                         struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qri_principal principal = {0};
    put_principal(&ar, &principal);
    QR_TRY(decoded(&ar, "principal", err));
    *ret = principal;
    return QR_OK;
}

static void put_property(struct qri_archive *ar, struct qri_property *p)
{
    put_version(ar, BODY_VERSION, BODY_VERSION);
    qri_put_u8(ar, &p->class_id);
    qri_put_u32(ar, &p->major_id);
    qri_put_u32(ar, &p->minor_id);
    qri_put_str(ar, &p->name);
    qri_put_str(ar, &p->value);
}

void qri_body_encode_property(struct qr_buf *buf, const struct qri_property *property)
{
    struct qri_archive ar = {.out = buf};
    struct qri_property copy = *property;
    put_property(&ar, &copy);
}

enum qr_status qri_body_decode_property(struct qr_arena *arena, const uint8_t *body,
                                        size_t body_bytes, struct qri_property *ret,
                                        struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes, .arena = arena};
    struct qri_property property = {0};
    put_property(&ar, &property);
    QR_TRY(decoded(&ar, "property", err));
    *ret = property;
    return QR_OK;
}

static void put_permission(struct qri_archive *ar, struct qr_perm_row *row)
{
    char code[PERM_CODE_BYTES];
    put_version(ar, BODY_VERSION, BODY_VERSION);
    qri_put_u8(ar, &row->on);
    qri_put_u8(ar, &row->state);
    qri_put_u32(ar, &row->major_id);
    qri_put_u32(ar, &row->minor_id);
    qri_put_u32(ar, &row->grantee_id);
    qri_put_u32(ar, &row->grantor_id);
    /* by its code: their numbers change when there are more of them */
    if (ar->out != NULL)
        memcpy(code, qr_perm_code((enum qr_perm)row->perm), sizeof code);
    for (size_t i = 0; i < sizeof code; i++)
        qri_put_u8(ar, (uint8_t *)&code[i]);
    row->perm = (uint16_t)qr_perm_by_code(code);
}

void qri_body_encode_permission(struct qr_buf *buf, const struct qr_perm_row *row)
{
    struct qri_archive ar = {.out = buf};
    struct qr_perm_row copy = *row;
    put_permission(&ar, &copy);
}

enum qr_status qri_body_decode_permission(const uint8_t *body, size_t body_bytes,
                                          struct qr_perm_row *ret, struct qr_err *err)
{
    struct qri_archive ar = {.next = body, .end = body + body_bytes};
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
