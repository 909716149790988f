/* sysview_object.c - sys.schemas, objects, tables, views, procedures, modules, parameters …; see
 * sysview_int.h. */
#include "sysview_int.h"
#include <stdio.h>
#include "counter_int.h"
#include "scoped_int.h"
#include "base/banned.h"

/* One object list: that of the database, or that of the system, or both. */
enum scope { USER, SYSTEM, ALL };

typedef enum qr_status each_object(struct qri_sysrows *rows, const struct qr_session *session,
                                   const struct qr_cat_object *o);

static enum qr_status walk_catalog(struct qri_sysrows *rows, const struct qr_session *session,
                                   const struct qr_catalog *cat, each_object *each)
{
    for (size_t i = 0; i < cat->object_count; i++)
        if (qri_sys_is_here(session, cat->objects[i]))
            QR_TRY(each(rows, session, cat->objects[i]));
    return QR_OK;
}

static enum qr_status walk(struct qri_sysrows *rows, const struct qr_session *session,
                           enum scope scope, each_object *each)
{
    const struct qr_catalog *system = NULL;
    if (scope != SYSTEM)
        QR_TRY(walk_catalog(rows, session, &qri_sys_catalog(session)->cat, each));
    if (scope == USER)
        return QR_OK;
    QR_TRY(qri_system_catalog(&system, NULL));
    return walk_catalog(rows, session, system, each);
}

static struct qr_str type_code(const struct qr_cat_object *o)
{
    return o->type == QR_CAT_SYSTEM_VIEW ? qr_str("V ") : qr_str(qr_cat_type_code(o->type));
}

static struct qr_str type_desc(const struct qr_cat_object *o)
{
    return o->type == QR_CAT_SYSTEM_VIEW ? qr_str("VIEW") : qr_str(qr_cat_type_desc(o->type));
}

/* System objects have negative ids, so that they never meet those of the database. */
static int object_id(const struct qr_cat_object *o)
{
    return o->is_ms_shipped ? -(int)o->object_id : (int)o->object_id;
}

/* The system's own are of the version: they have no date in a database. */
static int64_t date_of(const struct qr_cat_object *o, int64_t ticks)
{
    static const int64_t first_of_2026 = INT64_C(639028224000000000);
    return o->is_ms_shipped && ticks == 0 ? first_of_2026 : ticks;
}

#define OBJECT_COLUMNS                                                                             \
    "name sysname, object_id int, principal_id int null, schema_id int, "                          \
    "parent_object_id int, type char(2), type_desc nvarchar(60), create_date datetime, "           \
    "modify_date datetime, is_ms_shipped bit, is_published bit =0, is_schema_published bit =0"
#define OBJECT_ARGS(o)                                                                             \
    (o)->name, object_id(o), qri_sys_null_if((o)->owner_id == 0, (o)->owner_id),                   \
        (int)(o)->schema_id, (int)(o)->parent_object_id, type_code(o), type_desc(o),               \
        date_of(o, (o)->create_ticks), date_of(o, (o)->modify_ticks), (int)(o)->is_ms_shipped

static enum qr_status object_row(struct qri_sysrows *rows, const struct qr_session *session,
                                 const struct qr_cat_object *o)
{
    (void)session;
    return qri_sysrow(rows, OBJECT_ARGS(o));
}
static enum qr_status objects(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, object_row);
}
static enum qr_status all_objects(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, ALL, object_row);
}
static enum qr_status system_objects(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, SYSTEM, object_row);
}

static enum qr_status schemas(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->schema_count; i++)
        QR_TRY(qri_sysrow(rows, cat->schemas[i].name, (int)cat->schemas[i].schema_id,
                          (int)cat->schemas[i].principal_id));
    return QR_OK;
}

static enum qr_status table_row(struct qri_sysrows *rows, const struct qr_session *session,
                                const struct qr_cat_object *o)
{
    (void)session;
    if (o->type != QR_CAT_TABLE)
        return QR_OK;
    uint32_t max_column = 0;
    bool has_lob = false;
    for (size_t i = 0; i < o->column_count; i++) {
        if (o->columns[i].column_id > max_column)
            max_column = o->columns[i].column_id;
        has_lob |= qr_type_is_lob(&o->columns[i].type);
    }
    static const char *const types[] = {"NON_TEMPORAL_TABLE", "HISTORY_TABLE",
                                        "SYSTEM_VERSIONED_TEMPORAL_TABLE"};
    static const char *const units[] = {"INFINITE", "", "", "DAY", "WEEK", "MONTH", "YEAR"};
    bool versioned = o->history_id != 0, infinite = o->retention == QR_RETENTION_INFINITE;
    int type = qri_temporal_type(o);
    return qri_sysrow(rows, OBJECT_ARGS(o), has_lob ? 1 : 0, (int)max_column, type,
                      qr_str(types[type]), qri_sys_null_if(!versioned, o->history_id),
                      qri_sys_null_if(!versioned, infinite ? -1 : (int64_t)o->retention_count),
                      qri_sys_null_if(!versioned, infinite ? -1 : (int)o->retention),
                      versioned ? qr_str(units[o->retention]) : (struct qr_str){NULL, 0});
}
static enum qr_status tables(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, table_row);
}

static enum qr_status view_row(struct qri_sysrows *rows, const struct qr_session *session,
                               const struct qr_cat_object *o)
{
    (void)session;
    if (o->type != QR_CAT_VIEW && o->type != QR_CAT_SYSTEM_VIEW)
        return QR_OK;
    return qri_sysrow(rows, OBJECT_ARGS(o), (int)o->with_check_option);
}
static enum qr_status views(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, view_row);
}
static enum qr_status all_views(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, ALL, view_row);
}
static enum qr_status system_views(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, SYSTEM, view_row);
}

static enum qr_status proc_row(struct qri_sysrows *rows, const struct qr_session *session,
                               const struct qr_cat_object *o)
{
    (void)session;
    return o->type == QR_CAT_PROC ? qri_sysrow(rows, OBJECT_ARGS(o)) : QR_OK;
}
static enum qr_status procedures(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, proc_row);
}

static bool is_module(const struct qr_cat_object *o)
{
    return o->text.n > 0 && o->type != QR_CAT_SYNONYM;
}

/* -2: OWNER */
static int execute_as_of(const struct qr_cat_object *o)
{
    return o->execute_as == QR_EXECUTE_AS_OWNER
               ? -2
               : qri_sys_null_if(o->execute_as == 0, o->execute_as);
}

static enum qr_status module_row(struct qri_sysrows *rows, const struct qr_session *session,
                                 const struct qr_cat_object *o)
{
    (void)session;
    if (!is_module(o))
        return QR_OK;
    return qri_sysrow(rows, object_id(o), o->text, (int)o->uses_ansi_nulls,
                      (int)o->uses_quoted_identifier, (int)o->is_schema_bound, execute_as_of(o));
}
static enum qr_status sql_modules(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, module_row);
}
static enum qr_status all_sql_modules(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, ALL, module_row);
}

static int user_type_id(const struct qr_type *type, uint32_t user_type)
{
    if (user_type != 0)
        return (int)user_type;
    return qr_type_info(type->id)->system_type_id;
}

static enum qr_status parameter_rows(struct qri_sysrows *rows, const struct qr_session *session,
                                     const struct qr_cat_object *o)
{
    (void)session;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct qr_cat_param *p = &o->params[i];
        QR_TRY(qri_sysrow(rows, object_id(o), p->name.n > 0 ? p->name : qr_str(""),
                          (int)p->parameter_id, qr_type_shown_id(p->type.id),
                          user_type_id(&p->type, p->user_type_id), qr_type_max_length(&p->type),
                          qr_type_precision(&p->type), qr_type_scale(&p->type), (int)p->is_output,
                          (int)(p->type.id == QR_TYPE_CURSOR), (int)p->has_default,
                          (int)p->is_readonly, (int)p->is_nullable));
    }
    return QR_OK;
}
static enum qr_status parameters(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, parameter_rows);
}
static enum qr_status all_parameters(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, ALL, parameter_rows);
}

static enum qr_status synonym_row(struct qri_sysrows *rows, const struct qr_session *session,
                                  const struct qr_cat_object *o)
{
    (void)session;
    return o->type == QR_CAT_SYNONYM ? qri_sysrow(rows, OBJECT_ARGS(o), o->text) : QR_OK;
}
static enum qr_status synonyms(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, synonym_row);
}

static enum qr_status trigger_row(struct qri_sysrows *rows, const struct qr_session *session,
                                  const struct qr_cat_object *o)
{
    (void)session;
    if (o->type != QR_CAT_TRIGGER)
        return QR_OK;
    return qri_sysrow(rows, o->name, object_id(o), (int)o->parent_object_id, type_code(o),
                      type_desc(o), o->create_ticks, o->modify_ticks, (int)o->is_disabled,
                      (int)o->trigger_instead_of);
}
static enum qr_status triggers(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, trigger_row);
}

static enum qr_status trigger_event_rows(struct qri_sysrows *rows, const struct qr_session *session,
                                         const struct qr_cat_object *o)
{
    static const char *const names[] = {"INSERT", "UPDATE", "DELETE"};
    (void)session;
    for (int i = 0; o->type == QR_CAT_TRIGGER && i < 3; i++)
        if ((o->trigger_events & (1 << i)) != 0)
            QR_TRY(qri_sysrow(rows, object_id(o), i + 1, qr_str(names[i])));
    return QR_OK;
}
static enum qr_status trigger_events(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, trigger_event_rows);
}

static enum qr_status policy_row(struct qri_sysrows *rows, const struct qr_session *session,
                                 const struct qr_cat_object *o)
{
    (void)session;
    return o->type == QR_CAT_POLICY
               ? qri_sysrow(rows, OBJECT_ARGS(o), (int)!o->is_disabled, (int)o->not_for_replication,
                            (int)o->is_schema_bound, (int)o->is_schema_bound)
               : QR_OK;
}
static enum qr_status security_policies(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, policy_row);
}

static enum qr_status predicate_rows(struct qri_sysrows *rows, const struct qr_session *session,
                                     const struct qr_cat_object *o)
{
    static const char *const operations[] = {NULL, "AFTER INSERT", "AFTER UPDATE", "BEFORE UPDATE",
                                             "BEFORE DELETE"};
    (void)session;
    for (size_t i = 0; i < o->predicate_count; i++) {
        const struct qr_cat_predicate *p = &o->predicates[i];
        const char *operation = operations[p->operation];
        QR_TRY(qri_sysrow(rows, object_id(o), (int)p->predicate_id, (int)p->target_id, p->text,
                          (int)p->is_block, qr_str(p->is_block ? "BLOCK" : "FILTER"),
                          qri_sys_null_if(operation == NULL, p->operation),
                          operation == NULL ? (struct qr_str){NULL, 0} : qr_str(operation)));
    }
    return QR_OK;
}
static enum qr_status security_predicates(struct qri_sysrows *rows, struct qr_session *session)
{
    return walk(rows, session, USER, predicate_rows);
}

static struct qr_value number(const struct qr_type *type, int64_t v, struct qr_arena *arena)
{
    struct qr_value value = qr_value_int(v), variant = qr_value_null();
    if (qr_type_cell(type) == QR_CELL_WIDE)
        value = qr_value_wide(v);
    if (qr_variant_make(arena, type, &value, &variant) != QR_OK)
        return qr_value_null();
    return variant;
}

static enum qr_status sequences(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = &qri_sys_catalog(session)->cat;
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        int64_t next = o->sequence_start;
        if (o->type != QR_CAT_SEQUENCE)
            continue;
        (void)qri_counter_peek(session, qri_counter_id(o->object_id, QRI_COUNTER_SEQUENCE), false,
                               &next);
        bool is_up = o->sequence_increment > 0;
        bool is_past = is_up ? next > o->sequence_max : next < o->sequence_min;
        int64_t current = is_past                     ? (is_up ? o->sequence_max : o->sequence_min)
                          : next == o->sequence_start ? next
                                                      : next - o->sequence_increment;
        const struct qr_type *t = &o->sequence_type;
        struct qr_arena *arena = qri_sysrows_arena(rows);
        struct qr_value start = number(t, o->sequence_start, arena),
                        increment = number(t, o->sequence_increment, arena),
                        low = number(t, o->sequence_min, arena),
                        high = number(t, o->sequence_max, arena), now = number(t, current, arena);
        QR_TRY(qri_sysrow(rows, OBJECT_ARGS(o), &start, &increment, &low, &high,
                          (int)o->sequence_cycle, (int)qr_type_info(t->id)->system_type_id,
                          user_type_id(t, 0), qr_type_precision(t), qr_type_scale(t), &now,
                          (int)(is_past && !o->sequence_cycle)));
    }
    return QR_OK;
}

static enum qr_status extended_properties(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qri_catalog *c = qri_sys_catalog(session);
    for (size_t i = 0; i < c->property_count; i++) {
        const struct qri_property *p = &c->properties[i];
        if (p->class_id == QRI_PROPERTY_CONFIGURATION)
            continue;
        struct qr_value text = qr_value_str(p->value), variant = qr_value_null();
        struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, 4000);
        QR_TRY(qr_variant_make(qri_sysrows_arena(rows), &type, &text, &variant));
        QR_TRY(qri_sysrow(rows, (int)p->class_id,
                          p->class_id == 0   ? qr_str("DATABASE")
                          : p->class_id == 3 ? qr_str("SCHEMA")
                                             : qr_str("OBJECT_OR_COLUMN"),
                          (int)p->major_id, (int)p->minor_id, p->name, &variant));
    }
    return QR_OK;
}

const struct qri_sysview qri_sysviews_object[] = {
    {"sys", "schemas", "name sysname, schema_id int, principal_id int null", schemas, NULL, false},
    {"sys", "objects", OBJECT_COLUMNS, objects, NULL, false},
    {"sys", "all_objects", OBJECT_COLUMNS, all_objects, NULL, false},
    {"sys", "system_objects", OBJECT_COLUMNS, system_objects, NULL, false},
    {"sys", "tables",
     OBJECT_COLUMNS
     ", lob_data_space_id int, filestream_data_space_id int null =null, max_column_id_used int, "
     "lock_on_bulk_load bit =0, uses_ansi_nulls bit =1, is_replicated bit =0, "
     "has_replication_filter bit =0, is_merge_published bit =0, is_sync_tran_subscribed bit =0, "
     "has_unchecked_assembly_data bit =0, text_in_row_limit int =0, "
     "large_value_types_out_of_row bit =0, is_tracked_by_cdc bit =0, lock_escalation tinyint =0, "
     "lock_escalation_desc nvarchar(60) ='TABLE', is_filetable bit =0, is_memory_optimized bit =0, "
     "durability tinyint =0, durability_desc nvarchar(60) ='SCHEMA_AND_DATA', "
     "temporal_type tinyint, temporal_type_desc nvarchar(60), "
     "history_table_id int null, is_remote_data_archive_enabled bit =0, is_external bit =0, "
     "history_retention_period int null, history_retention_period_unit int null, "
     "history_retention_period_unit_desc nvarchar(10) null, is_node bit =0, is_edge bit =0",
     tables, NULL, false},
    {"sys", "views",
     OBJECT_COLUMNS ", is_replicated bit =0, has_replication_filter bit =0, "
                    "has_opaque_metadata bit =0, has_unchecked_assembly_data bit =0, "
                    "with_check_option bit, is_date_correlation_view bit =0, "
                    "is_tracked_by_cdc bit =0, has_snapshot bit =0",
     views, NULL, false},
    {"sys", "all_views",
     OBJECT_COLUMNS ", is_replicated bit =0, has_replication_filter bit =0, "
                    "has_opaque_metadata bit =0, has_unchecked_assembly_data bit =0, "
                    "with_check_option bit, is_date_correlation_view bit =0, "
                    "is_tracked_by_cdc bit =0, has_snapshot bit =0",
     all_views, NULL, false},
    {"sys", "system_views",
     OBJECT_COLUMNS ", is_replicated bit =0, has_replication_filter bit =0, "
                    "has_opaque_metadata bit =0, has_unchecked_assembly_data bit =0, "
                    "with_check_option bit, is_date_correlation_view bit =0, "
                    "is_tracked_by_cdc bit =0, has_snapshot bit =0",
     system_views, NULL, false},
    {"sys", "procedures",
     OBJECT_COLUMNS ", is_auto_executed bit =0, is_execution_replicated bit =0, "
                    "is_repl_serializable_only bit =0, skips_repl_constraints bit =0",
     procedures, NULL, false},
    {"sys", "sql_modules",
     "object_id int, definition nvarchar(max) null, uses_ansi_nulls bit, uses_quoted_identifier "
     "bit, "
     "is_schema_bound bit, uses_database_collation bit =0, is_recompiled bit =0, "
     "null_on_null_input bit =0, execute_as_principal_id int null, "
     "uses_native_compilation bit =0, inline_type bit =0, is_inlineable bit =0",
     sql_modules, NULL, false},
    {"sys", "all_sql_modules",
     "object_id int, definition nvarchar(max) null, uses_ansi_nulls bit, uses_quoted_identifier "
     "bit, "
     "is_schema_bound bit, uses_database_collation bit =0, is_recompiled bit =0, "
     "null_on_null_input bit =0, execute_as_principal_id int null, "
     "uses_native_compilation bit =0, inline_type bit =0, is_inlineable bit =0",
     all_sql_modules, NULL, false},
#define PARAMETER_COLUMNS                                                                          \
    "object_id int, name sysname null, parameter_id int, system_type_id tinyint, "                 \
    "user_type_id int, max_length smallint, precision tinyint, scale tinyint, is_output bit, "     \
    "is_cursor_ref bit, has_default_value bit, is_xml_document bit =0, "                           \
    "default_value sql_variant null =null, xml_collection_id int =0, is_readonly bit, "            \
    "is_nullable bit null"
    {"sys", "parameters", PARAMETER_COLUMNS, parameters, NULL, false},
    {"sys", "all_parameters", PARAMETER_COLUMNS, all_parameters, NULL, false},
    {"sys", "synonyms", OBJECT_COLUMNS ", base_object_name nvarchar(1035) null", synonyms, NULL,
     false},
    {"sys", "triggers",
     "name sysname, object_id int, parent_class tinyint =1, "
     "parent_class_desc nvarchar(60) ='OBJECT_OR_COLUMN', parent_id int, type char(2), "
     "type_desc nvarchar(60), create_date datetime, modify_date datetime, is_ms_shipped bit =0, "
     "is_disabled bit, is_not_for_replication bit =0, is_instead_of_trigger bit",
     triggers, NULL, false},
    {"sys", "trigger_events",
     "object_id int, type int, type_desc nvarchar(60), is_first bit =0, is_last bit =0, "
     "event_group_type int null =null, event_group_type_desc nvarchar(60) null =null, "
     "is_trigger_event bit =1",
     trigger_events, NULL, false},
    {"sys", "security_policies",
     OBJECT_COLUMNS ", is_enabled bit, is_not_for_replication bit, uses_database_collation bit "
                    "null, is_schema_bound bit",
     security_policies, NULL, false},
    {"sys", "security_predicates",
     "object_id int, security_predicate_id int, target_object_id int, predicate_definition "
     "nvarchar(max), predicate_type int null, predicate_type_desc nvarchar(60) null, operation int "
     "null, operation_desc nvarchar(60) null",
     security_predicates, NULL, false},
    {"sys", "sequences",
     OBJECT_COLUMNS
     ", start_value sql_variant, increment sql_variant, minimum_value sql_variant null, "
     "maximum_value sql_variant null, is_cycling bit null, is_cached bit null =1, "
     "cache_size int null =null, system_type_id tinyint, user_type_id int, "
     "precision tinyint, scale tinyint null, current_value sql_variant null, "
     "is_exhausted bit, last_used_value sql_variant null =null",
     sequences, NULL, false},
    {"sys", "extended_properties",
     "class tinyint, class_desc nvarchar(60) null, major_id int, minor_id int, name sysname, "
     "value sql_variant null",
     extended_properties, NULL, false},
    {0},
};
