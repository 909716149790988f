/* hostfn_meta.c - OBJECT_ID, COL_NAME, OBJECTPROPERTY and what else asks the catalog; see hostfn.h.
 */
#include "access_int.h"
#include "counter_int.h"
#include "hostfn.h"
#include "hostfn_int.h"
#include "sysview_int.h"
#include "codec/collation.h"
#include "base/banned.h"

/* ---- results ---- */

enum qr_status qri_host_null(struct qri_host_call *h)
{
    *h->ret_value = qr_value_null();
    return QR_OK;
}

enum qr_status qri_host_int(struct qri_host_call *h, int64_t v)
{
    *h->ret_value = qr_value_int(v);
    return QR_OK;
}

enum qr_status qri_host_text(struct qri_host_call *h, struct qr_str s)
{
    struct qr_str copy = qr_arena_str(h->eval->arena, s);
    if (copy.p == NULL)
        return qr_fail(h->err, QR_NOMEM, "text");
    *h->ret_value = qr_value_str(copy);
    return QR_OK;
}

enum qr_status qri_host_variant_int(struct qri_host_call *h, int64_t v)
{
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value value = qr_value_int(v);
    return qr_variant_make(h->eval->arena, &type, &value, h->ret_value);
}

enum qr_status qri_host_variant_text(struct qri_host_call *h, struct qr_str s)
{
    struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    struct qr_value value = qr_value_str(s);
    return qr_variant_make(h->eval->arena, &type, &value, h->ret_value);
}

struct qr_str qri_host_arg_text(const struct qri_host_call *h, size_t i)
{
    if (i >= h->arg_count || h->args[i].cell != QR_CELL_TEXT)
        return (struct qr_str){"", 0};
    return qr_value_bytes(&h->args[i]);
}

int64_t qri_host_arg_int(const struct qri_host_call *h, size_t i)
{
    return i < h->arg_count && h->args[i].cell == QR_CELL_INT ? h->args[i].i : 0;
}

/* ---- finding objects ---- */

static const struct qr_catalog *system_catalog(void)
{
    const struct qr_catalog *system = NULL;
    return qri_system_catalog(&system, NULL) == QR_OK ? system : NULL;
}

/* Ids of system objects are negative, those of the database positive. */
static const struct qr_cat_object *by_id(const struct qri_host_call *h, int64_t id)
{
    if (id < 0)
        return qr_cat_by_id(system_catalog(), (uint32_t)-id);
    const struct qr_cat_object *o = qr_cat_by_id(&h->session->catalog->cat, (uint32_t)id);
    if (o != NULL)
        return qri_sees_object(h->session, o) ? o : NULL;
    return h->session->temp == NULL ? NULL : qr_cat_by_id(&h->session->temp->cat, (uint32_t)id);
}

static int64_t id_of(const struct qr_cat_object *o)
{
    return o->is_ms_shipped ? -(int64_t)o->object_id : (int64_t)o->object_id;
}

static const struct qr_cat_object *find_system(struct qr_str schema, struct qr_str name)
{
    static const char *const old[] = {"sysobjects",    "syscolumns",    "sysindexes",
                                      "sysusers",      "systypes",      "syscomments",
                                      "sysindexkeys",  "sysdatabases",  "sysforeignkeys",
                                      "sysreferences", "sysconstraints"};
    const struct qr_catalog *system = system_catalog();
    if (qr_str_ieqz(schema, "INFORMATION_SCHEMA"))
        return qr_cat_find(system, QR_SCHEMA_INFORMATION_SCHEMA, name);
    bool any = qr_str_ieqz(schema, "sys") || qr_str_starts_i(name, "sp_");
    for (size_t i = 0; !any && i < sizeof old / sizeof old[0]; i++)
        any = qr_str_ieqz(name, old[i]);
    return any ? qr_cat_find(system, QR_SCHEMA_SYS, name) : NULL;
}

static bool own_database(const struct qri_host_call *h, struct qr_str name)
{
    return name.n == 0 || qr_str_ieq(name, h->session->catalog->cat.database_name);
}

/* "dbo.t", "[db]..[t]", "tempdb..#t"; NULL when there is none. */
const struct qr_cat_object *qri_host_object(const struct qri_host_call *h, struct qr_str text)
{
    struct qr_ast_name name;
    if (qri_name_parse(h->eval->arena, text, &name, NULL) != QR_OK || name.count > 3)
        return NULL;
    struct qr_str object = name.parts[name.count - 1].text;
    struct qr_str schema = name.count >= 2 ? name.parts[name.count - 2].text : (struct qr_str){0};
    struct qr_str database = name.count >= 3 ? name.parts[0].text : (struct qr_str){0};
    if (object.n > 0 && object.p[0] == '#') {
        bool here = database.n == 0 || qr_str_ieqz(database, "tempdb");
        return !here || h->session->temp == NULL
                   ? NULL
                   : qr_cat_find(&h->session->temp->cat, QR_SCHEMA_DBO, object);
    }
    if (!own_database(h, database))
        return NULL;
    const struct qr_catalog *cat = &h->session->catalog->cat;
    uint32_t schema_id = qri_access_schema(h->session);
    if (schema.n > 0) {
        const struct qr_cat_schema *s = qr_cat_schema_find(cat, schema);
        if (s == NULL)
            return NULL;
        schema_id = s->schema_id;
    }
    const struct qr_cat_object *o = qr_cat_find(cat, schema_id, object);
    if (o == NULL && schema.n == 0)
        o = qr_cat_find(cat, QR_SCHEMA_DBO, object);
    if (o != NULL)
        return qri_sees_object(h->session, o) ? o : NULL;
    o = find_system(schema, object);
    return o != NULL && qri_sys_is_here(h->session, o) ? o : NULL;
}

/* OBJECT_ID's second argument names a class: "U", "V", "P" … */
static bool fits_class(const struct qr_cat_object *o, struct qr_str class_name)
{
    const char *code = o->type == QR_CAT_SYSTEM_VIEW ? "V " : qr_cat_type_code(o->type);
    class_name = qr_str_trim(class_name);
    size_t n = code[1] == ' ' ? 1 : 2;
    return class_name.n == 0 || qr_str_ieq(class_name, (struct qr_str){code, n});
}

static enum qr_status object_id(struct qri_host_call *h)
{
    const struct qr_cat_object *o = qri_host_object(h, qri_host_arg_text(h, 0));
    if (o == NULL || !fits_class(o, qri_host_arg_text(h, 1)))
        return qri_host_null(h);
    return qri_host_int(h, id_of(o));
}

static enum qr_status object_name(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    if (h->arg_count > 1 && h->args[1].cell == QR_CELL_INT &&
        h->args[1].i != h->session->catalog->cat.database_id)
        return qri_host_null(h);
    return o == NULL ? qri_host_null(h) : qri_host_text(h, o->name);
}

static const struct qr_cat_schema *schema_of(const struct qri_host_call *h, uint32_t id)
{
    return qr_cat_schema_by_id(&h->session->catalog->cat, id);
}

static enum qr_status object_schema_name(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    const struct qr_cat_schema *s = o == NULL ? NULL : schema_of(h, o->schema_id);
    return s == NULL ? qri_host_null(h) : qri_host_text(h, s->name);
}

static struct qr_str definition_of(const struct qri_host_call *h, const struct qr_cat_object *o)
{
    const struct qr_cat_object *table =
        o->parent_object_id == 0 ? NULL : by_id(h, o->parent_object_id);
    for (size_t i = 0; table != NULL && i < table->check_count; i++)
        if (table->checks[i].object_id == o->object_id)
            return table->checks[i].text;
    for (size_t i = 0; table != NULL && i < table->column_count; i++)
        if (table->columns[i].default_object_id == o->object_id)
            return table->columns[i].default_text;
    return o->type == QR_CAT_SYNONYM ? (struct qr_str){NULL, 0} : o->text;
}

static enum qr_status object_definition(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    bool may = o != NULL && (o->is_ms_shipped || o->object_id >= QRI_TEMP_OBJECT_FIRST ||
                             qri_may_object(h->session, o, QR_MAY_VIEW_DEFINITION));
    struct qr_str text = may ? definition_of(h, o) : (struct qr_str){NULL, 0};
    return text.n == 0 ? qri_host_null(h) : qri_host_text(h, text);
}

/* ---- properties of objects ---- */

enum { UNKNOWN = -1 };

static bool has_index(const struct qr_cat_object *o, bool primary, bool unique, bool any)
{
    for (size_t i = 0; i < o->index_count; i++)
        if (any || (primary && o->indexes[i].is_primary_key) ||
            (unique && o->indexes[i].is_unique_constraint))
            return true;
    return false;
}

static bool has_default(const struct qr_cat_object *o)
{
    for (size_t i = 0; i < o->column_count; i++)
        if (o->columns[i].default_object_id != 0)
            return true;
    return false;
}

static bool has_trigger(const struct qr_cat_object *o, uint8_t events, bool instead)
{
    for (size_t i = 0; i < o->trigger_count; i++)
        if ((o->triggers[i]->trigger_events & events) != 0 &&
            (!instead || o->triggers[i]->trigger_instead_of))
            return true;
    return false;
}

static int is_function(const struct qr_cat_object *o)
{
    return o->type >= QR_CAT_FN_SCALAR && o->type <= QR_CAT_FN_TABLE;
}

static int object_property(const struct qr_cat_object *o, struct qr_str p)
{
    const struct {
        const char *name;
        int value;
    } rows[] = {
        {"IsTable", o->type == QR_CAT_TABLE},
        {"IsUserTable", o->type == QR_CAT_TABLE && !o->is_ms_shipped},
        {"IsSystemTable", 0},
        {"IsView", o->type == QR_CAT_VIEW || o->type == QR_CAT_SYSTEM_VIEW},
        {"IsProcedure", o->type == QR_CAT_PROC},
        {"IsTrigger", o->type == QR_CAT_TRIGGER},
        {"IsScalarFunction", o->type == QR_CAT_FN_SCALAR},
        {"IsInlineFunction", o->type == QR_CAT_FN_INLINE},
        {"IsTableFunction", o->type == QR_CAT_FN_TABLE || o->type == QR_CAT_FN_INLINE},
        {"IsPrimaryKey", o->type == QR_CAT_PK},
        {"IsUniqueCnst", o->type == QR_CAT_UNIQUE},
        {"IsForeignKey", o->type == QR_CAT_FK},
        {"IsCheckCnst", o->type == QR_CAT_CHECK},
        {"IsDefaultCnst", o->type == QR_CAT_DEFAULT},
        {"IsConstraint", o->type >= QR_CAT_PK && o->type <= QR_CAT_DEFAULT},
        {"IsDefault", 0},
        {"IsRule", 0},
        {"IsExtendedProc", 0},
        {"IsReplProc", 0},
        {"IsSynonym", o->type == QR_CAT_SYNONYM},
        {"IsMSShipped", o->is_ms_shipped},
        {"IsEncrypted", 0},
        {"IsSchemaBound", o->is_schema_bound},
        {"IsQuotedIdentOn", o->text.n == 0 || o->uses_quoted_identifier},
        {"IsAnsiNullsOn", o->text.n == 0 || o->uses_ansi_nulls},
        {"ExecIsQuotedIdentOn", o->uses_quoted_identifier},
        {"ExecIsAnsiNullsOn", o->uses_ansi_nulls},
        {"ExecIsTriggerDisabled", o->type == QR_CAT_TRIGGER ? o->is_disabled : UNKNOWN},
        {"ExecIsInsertTrigger", o->type == QR_CAT_TRIGGER ? o->trigger_events & 1 : UNKNOWN},
        {"ExecIsUpdateTrigger", o->type == QR_CAT_TRIGGER ? (o->trigger_events >> 1) & 1 : UNKNOWN},
        {"ExecIsDeleteTrigger", o->type == QR_CAT_TRIGGER ? (o->trigger_events >> 2) & 1 : UNKNOWN},
        {"ExecIsAfterTrigger", o->type == QR_CAT_TRIGGER ? !o->trigger_instead_of : UNKNOWN},
        {"ExecIsInsteadOfTrigger", o->type == QR_CAT_TRIGGER ? o->trigger_instead_of : UNKNOWN},
        {"IsDeterministic", is_function(o) || o->type == QR_CAT_VIEW ? 0 : UNKNOWN},
        {"OwnerId", o->is_ms_shipped ? 1 : UNKNOWN},
        {"SchemaId", (int)o->schema_id},
        {"TableHasPrimaryKey", has_index(o, true, false, false)},
        {"TableHasUniqueCnst", has_index(o, false, true, false)},
        {"TableHasIndex", has_index(o, false, false, true)},
        {"TableHasClustIndex", qr_cat_clustered(o) != NULL},
        {"TableHasNonclustIndex", o->index_count > (qr_cat_clustered(o) != NULL ? 1u : 0u)},
        {"TableHasForeignKey", o->fk_count > 0},
        {"TableHasForeignRef", o->referenced_by_count > 0},
        {"TableHasCheckCnst", o->check_count > 0},
        {"TableHasDefaultCnst", has_default(o)},
        {"TableHasIdentity", o->identity_column != 0},
        {"TableHasTimestamp", o->rowversion_column != 0},
        {"TableHasInsertTrigger", has_trigger(o, 1, false)},
        {"TableHasUpdateTrigger", has_trigger(o, 2, false)},
        {"TableHasDeleteTrigger", has_trigger(o, 4, false)},
        {"HasInsertTrigger", has_trigger(o, 1, false)},
        {"HasUpdateTrigger", has_trigger(o, 2, false)},
        {"HasDeleteTrigger", has_trigger(o, 4, false)},
        {"HasInsteadOfTrigger", has_trigger(o, 7, true)},
        {"TableIsFake", 0},
        {"TableIsMemoryOptimized", 0},
        {"TableTemporalType", qri_temporal_type(o)},
        {"TableFullTextCatalogId", 0},
        {"TableHasActiveFulltextIndex", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (qr_str_ieqz(p, rows[i].name))
            return rows[i].value;
    return UNKNOWN;
}

static enum qr_status objectproperty(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    struct qr_str p = qr_str_trim(qri_host_arg_text(h, 1));
    bool ex = h->func == QR_HOST_OBJECTPROPERTYEX;
    if (o == NULL)
        return qri_host_null(h);
    if (ex && qr_str_ieqz(p, "BaseType"))
        return qri_host_variant_text(h, qr_str(qr_cat_type_code(o->type)));
    if (ex && qr_str_ieqz(p, "Cardinality"))
        return qri_host_variant_int(h, qri_sys_row_count(h->session, o));
    int v = object_property(o, p);
    if (qr_str_ieqz(p, "OwnerId") && !o->is_ms_shipped)
        v = (int)qr_cat_owner(&h->session->catalog->cat, o);
    if (v == UNKNOWN)
        return qri_host_null(h);
    return ex ? qri_host_variant_int(h, v) : qri_host_int(h, v);
}

/* ---- columns ---- */

static enum qr_status col_name(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    const struct qr_cat_column *c =
        o == NULL ? NULL : qr_cat_column_by_id(o, (uint32_t)qri_host_arg_int(h, 1));
    return c == NULL ? qri_host_null(h) : qri_host_text(h, c->name);
}

static enum qr_status col_length(struct qri_host_call *h)
{
    const struct qr_cat_object *o = qri_host_object(h, qri_host_arg_text(h, 0));
    const struct qr_cat_column *c =
        o == NULL ? NULL : qr_cat_column_find(o, qri_host_arg_text(h, 1));
    return c == NULL ? qri_host_null(h) : qri_host_int(h, qr_type_max_length(&c->type));
}

int qri_host_char_length(const struct qr_type *t)
{
    if (t->is_max || t->id == QR_TYPE_XML || t->id == QR_TYPE_JSON)
        return -1;
    int bytes = qr_type_max_length(t);
    return qr_type_family(t) == QR_FAMILY_NCHAR ? bytes / 2 : bytes;
}

static int column_property(const struct qr_cat_object *o, const struct qr_cat_column *c,
                           struct qr_str p)
{
    const struct {
        const char *name;
        int value;
    } rows[] = {
        {"AllowsNull", c->nullable},
        {"ColumnId", (int)c->column_id},
        {"IsComputed", c->is_computed},
        {"IsIdentity", c->is_identity},
        {"IsIdNotForRepl", c->identity_not_for_replication},
        {"IsRowGuidCol", c->is_rowguidcol},
        {"IsSparse", c->is_sparse},
        {"IsHidden", c->is_hidden},
        {"IsFulltextIndexed", 0},
        {"IsIndexable", !qr_type_is_lob(&c->type)},
        {"IsXmlIndexable", c->type.id == QR_TYPE_XML},
        {"IsDeterministic", c->is_computed ? 1 : UNKNOWN},
        {"IsPrecise", c->is_computed ? 1 : UNKNOWN},
        {"IsOutParam", UNKNOWN},
        {"IsColumnSet", 0},
        {"GeneratedAlwaysType", !qr_cat_is_period(o, c)           ? 0
                                : c->column_id == o->period_start ? 1
                                                                  : 2},
        {"Precision", qr_type_is_string(&c->type) ? qri_host_char_length(&c->type)
                                                  : qr_type_precision(&c->type)},
        {"Scale", qr_type_scale(&c->type)},
        {"CharMaxLen", qr_type_is_string(&c->type) ? qri_host_char_length(&c->type) : UNKNOWN},
        {"UsesAnsiTrim",
         qr_type_is_string(&c->type) || qr_type_family(&c->type) == QR_FAMILY_BINARY ? 1 : UNKNOWN},
        {"SystemDataAccess", 0},
        {"UserDataAccess", 0},
    };
    (void)o;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (qr_str_ieqz(p, rows[i].name))
            return rows[i].value;
    return UNKNOWN;
}

static enum qr_status columnproperty(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    struct qr_str name = qri_host_arg_text(h, 1), p = qr_str_trim(qri_host_arg_text(h, 2));
    const struct qr_cat_column *c = o == NULL ? NULL : qr_cat_column_find(o, name);
    if (c != NULL) {
        int v = column_property(o, c, p);
        bool sized = qr_str_ieqz(p, "CharMaxLen") || qr_str_ieqz(p, "Precision");
        return v == UNKNOWN && !(sized && qr_type_is_string(&c->type)) ? qri_host_null(h)
                                                                       : qri_host_int(h, v);
    }
    for (size_t i = 0; o != NULL && i < o->param_count; i++)
        if (qr_str_ieq(o->params[i].name, name) && qr_str_ieqz(p, "IsOutParam"))
            return qri_host_int(h, o->params[i].is_output);
    return qri_host_null(h);
}

/* ---- indexes ---- */

static const struct qr_cat_index *index_by_id(const struct qr_cat_object *o, int64_t id)
{
    for (size_t i = 0; o != NULL && i < o->index_count; i++)
        if (o->indexes[i].index_id == id)
            return &o->indexes[i];
    return NULL;
}

static enum qr_status indexproperty(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    struct qr_str name = qri_host_arg_text(h, 1), p = qr_str_trim(qri_host_arg_text(h, 2));
    const struct qr_cat_index *x = NULL;
    for (size_t i = 0; o != NULL && i < o->index_count; i++)
        if (qr_str_ieq(o->indexes[i].name, name))
            x = &o->indexes[i];
    if (x == NULL)
        return qri_host_null(h);
    const struct {
        const char *name;
        int value;
    } rows[] = {
        {"IndexID", (int)x->index_id},
        {"IsUnique", x->is_unique},
        {"IsClustered", x->is_clustered},
        {"IsDisabled", x->is_disabled},
        {"IndexFillFactor", x->fill_factor},
        {"IsPadIndex", 0},
        {"IsHypothetical", 0},
        {"IsStatistics", 0},
        {"IsAutoStatistics", 0},
        {"IsRowLockDisallowed", 0},
        {"IsPageLockDisallowed", 0},
        {"IsFulltextKey", 0},
        {"IsColumnstore", 0},
        {"IndexDepth", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (qr_str_ieqz(p, rows[i].name))
            return qri_host_int(h, rows[i].value);
    return qri_host_null(h);
}

static enum qr_status indexkey_property(struct qri_host_call *h)
{
    const struct qr_cat_object *o = by_id(h, qri_host_arg_int(h, 0));
    const struct qr_cat_index *x = index_by_id(o, qri_host_arg_int(h, 1));
    int64_t key = qri_host_arg_int(h, 2);
    struct qr_str p = qr_str_trim(qri_host_arg_text(h, 3));
    if (x == NULL || key < 1 || (size_t)key > x->key_count)
        return qri_host_null(h);
    if (qr_str_ieqz(p, "ColumnId"))
        return qri_host_int(h, x->columns[key - 1].column_id);
    if (qr_str_ieqz(p, "IsDescending"))
        return qri_host_int(h, x->columns[key - 1].is_descending);
    return qri_host_null(h);
}

static enum qr_status index_col(struct qri_host_call *h)
{
    const struct qr_cat_object *o = qri_host_object(h, qri_host_arg_text(h, 0));
    const struct qr_cat_index *x = index_by_id(o, qri_host_arg_int(h, 1));
    int64_t key = qri_host_arg_int(h, 2);
    if (x == NULL || key < 1 || (size_t)key > x->key_count)
        return qri_host_null(h);
    const struct qr_cat_column *c = qr_cat_column_by_id(o, x->columns[key - 1].column_id);
    return c == NULL ? qri_host_null(h) : qri_host_text(h, c->name);
}

/* ---- identity ---- */

static enum qr_status identity(struct qri_host_call *h)
{
    const struct qr_cat_object *o = qri_host_object(h, qri_host_arg_text(h, 0));
    const struct qr_cat_column *c = o == NULL ? NULL : qr_cat_column_by_id(o, o->identity_column);
    int64_t next = 0;
    if (c == NULL)
        return qri_host_null(h);
    int64_t v = h->func == QR_HOST_IDENT_SEED ? c->identity_seed : c->identity_increment;
    if (h->func == QR_HOST_IDENT_CURRENT) {
        uint64_t counter = qri_counter_id(o->object_id, QRI_COUNTER_IDENTITY);
        bool known = qri_counter_peek(h->session, counter, false, &next);
        v = !known || next == c->identity_seed ? c->identity_seed : next - c->identity_increment;
    }
    *h->ret_value = qr_value_wide(v); /* numeric(38,0) */
    return QR_OK;
}

/* As of statistics that were never filled: plans here need none. */
static enum qr_status stats_date(struct qri_host_call *h)
{
    return qri_host_null(h);
}

static qri_host_fn *const functions[QR_HOST_COUNT] = {
    [QR_HOST_STATS_DATE] = stats_date,
    [QR_HOST_OBJECT_ID] = object_id,
    [QR_HOST_OBJECT_NAME] = object_name,
    [QR_HOST_OBJECT_SCHEMA_NAME] = object_schema_name,
    [QR_HOST_OBJECT_DEFINITION] = object_definition,
    [QR_HOST_OBJECTPROPERTY] = objectproperty,
    [QR_HOST_OBJECTPROPERTYEX] = objectproperty,
    [QR_HOST_COL_NAME] = col_name,
    [QR_HOST_COL_LENGTH] = col_length,
    [QR_HOST_COLUMNPROPERTY] = columnproperty,
    [QR_HOST_INDEXPROPERTY] = indexproperty,
    [QR_HOST_INDEXKEY_PROPERTY] = indexkey_property,
    [QR_HOST_INDEX_COL] = index_col,
    [QR_HOST_IDENT_CURRENT] = identity,
    [QR_HOST_IDENT_SEED] = identity,
    [QR_HOST_IDENT_INCR] = identity,
};

qri_host_fn *qri_hostfn_find(enum qr_host_func func)
{
    if (functions[func] != NULL)
        return functions[func];
    qri_host_fn *fn = qri_hostfn_type(func);
    fn = fn != NULL ? fn : qri_hostfn_principal(func);
    return fn != NULL ? fn : qri_hostfn_server(func);
}
