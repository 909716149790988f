/* sysview_table.c - sys.columns, indexes, keys, foreign keys, checks, defaults …; see
 * sysview_int.h. */
#include "access_int.h"
#include "sysview_int.h"
#include "ddl_int.h"
#include "temp_int.h"
#include <stdio.h>
#include "codec/collation.h"
#include "base/banned.h"

static const struct qr_catalog *database(const struct qr_session *session)
{
    return &qri_sys_catalog(session)->cat;
}

static struct qr_str collation_name(const struct qr_type *type)
{
    const struct qr_collation *c =
        qr_type_is_string(type) ? qr_collation_get(type->collation) : NULL;
    return c == NULL ? (struct qr_str){NULL, 0} : qr_str(c->name);
}

static int user_type_id(const struct qr_cat_column *c)
{
    return c->user_type_id != 0 ? (int)c->user_type_id
                                : (int)qr_type_info(c->type.id)->system_type_id;
}

static bool has_columns(const struct qr_cat_object *o)
{
    return o->column_count > 0;
}

static const char *const generated_kinds[] = {"NOT_APPLICABLE", "AS_ROW_START", "AS_ROW_END"};

static int generated_kind(const struct qr_cat_object *o, const struct qr_cat_column *c)
{
    return !qr_cat_is_period(o, c) ? 0 : c->column_id == o->period_start ? 1 : 2;
}

static enum qr_status column_rows(struct qri_sysrows *rows, const struct qr_session *session,
                                  const struct qr_catalog *cat)
{
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (!qri_sys_is_here(session, o))
            continue;
        for (size_t k = 0; has_columns(o) && k < o->column_count; k++) {
            const struct qr_cat_column *c = &o->columns[k];
            int generated = generated_kind(o, c);
            bool vector = c->type.id == QR_TYPE_VECTOR;
            QR_TRY(qri_sysrow(rows, o->is_ms_shipped ? -(int)o->object_id : (int)o->object_id,
                              c->name, (int)c->column_id, qr_type_shown_id(c->type.id),
                              user_type_id(c), qr_type_max_length(&c->type),
                              qr_type_precision(&c->type), qr_type_scale(&c->type),
                              collation_name(&c->type), (int)c->nullable, (int)c->is_rowguidcol,
                              (int)c->is_identity, (int)c->is_computed, (int)c->default_object_id,
                              (int)c->is_sparse, generated, qr_str(generated_kinds[generated]),
                              (int)c->is_hidden, (int)(c->mask.n > 0),
                              qri_sys_null_if(!vector, c->type.length), qri_sys_null_if(!vector, 0),
                              vector ? qr_str("float32") : (struct qr_str){NULL, 0}));
        }
    }
    return QR_OK;
}

static enum qr_status columns(struct qri_sysrows *rows, struct qr_session *session)
{
    return column_rows(rows, session, database(session));
}

static enum qr_status masked_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; qri_sys_is_here(session, o) && k < o->column_count; k++) {
            const struct qr_cat_column *c = &o->columns[k];
            int generated = generated_kind(o, c);
            if (c->mask.n > 0)
                QR_TRY(qri_sysrow(
                    rows, (int)o->object_id, c->name, (int)c->column_id,
                    qr_type_shown_id(c->type.id), user_type_id(c), qr_type_max_length(&c->type),
                    qr_type_precision(&c->type), qr_type_scale(&c->type), collation_name(&c->type),
                    (int)c->nullable, (int)c->is_rowguidcol, (int)c->is_identity,
                    (int)c->is_computed, (int)c->default_object_id, (int)c->is_sparse, generated,
                    qr_str(generated_kinds[generated]), (int)c->is_hidden, 1, c->mask));
        }
    }
    return QR_OK;
}

static enum qr_status system_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *system = NULL;
    QR_TRY(qri_system_catalog(&system, NULL));
    return column_rows(rows, session, system);
}

static enum qr_status all_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    QR_TRY(column_rows(rows, session, database(session)));
    return system_columns(rows, session);
}

static struct qr_value variant(struct qri_sysrows *rows, const struct qr_type *type, int64_t v)
{
    struct qr_value value = qr_type_cell(type) == QR_CELL_WIDE ? qr_value_wide(v) : qr_value_int(v);
    struct qr_value made = qr_value_null();
    if (qr_variant_make(qri_sysrows_arena(rows), type, &value, &made) != QR_OK)
        return qr_value_null();
    return made;
}

static enum qr_status identity_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        const struct qr_cat_column *c = qr_cat_column_by_id(o, o->identity_column);
        int64_t next = 0;
        if (o->type != QR_CAT_TABLE || c == NULL)
            continue;
        bool known = qri_counter_peek(session, qri_counter_id(o->object_id, QRI_COUNTER_IDENTITY),
                                      o->object_id >= QRI_TEMP_OBJECT_FIRST, &next);
        struct qr_value seed = variant(rows, &c->type, c->identity_seed),
                        increment = variant(rows, &c->type, c->identity_increment),
                        last = qr_value_null();
        if (known && next != c->identity_seed)
            last = variant(rows, &c->type, next - c->identity_increment);
        QR_TRY(qri_sysrow(rows, (int)o->object_id, c->name, (int)c->column_id,
                          qr_type_shown_id(c->type.id), user_type_id(c),
                          qr_type_max_length(&c->type), qr_type_precision(&c->type),
                          qr_type_scale(&c->type), &seed, &increment, &last,
                          (int)c->identity_not_for_replication));
    }
    return QR_OK;
}

static enum qr_status computed_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; k < o->column_count; k++) {
            const struct qr_cat_column *c = &o->columns[k];
            if (!c->is_computed)
                continue;
            QR_TRY(qri_sysrow(rows, (int)o->object_id, c->name, (int)c->column_id,
                              qr_type_shown_id(c->type.id), user_type_id(c),
                              qr_type_max_length(&c->type), qr_type_precision(&c->type),
                              qr_type_scale(&c->type), collation_name(&c->type), (int)c->nullable,
                              c->computed_text, (int)c->is_persisted));
        }
    }
    return QR_OK;
}

static enum qr_status index_row(struct qri_sysrows *rows, const struct qr_cat_object *o,
                                const struct qr_cat_index *x)
{
    return qri_sysrow(rows, (int)o->object_id, x->name, (int)x->index_id, x->is_clustered ? 1 : 2,
                      x->is_clustered ? qr_str("CLUSTERED") : qr_str("NONCLUSTERED"),
                      (int)x->is_unique, (int)x->ignore_dup_key, (int)x->is_primary_key,
                      (int)x->is_unique_constraint, (int)x->fill_factor, (int)x->is_disabled,
                      (int)(x->filter_text.n > 0),
                      x->filter_text.n > 0 ? x->filter_text : (struct qr_str){NULL, 0});
}

static bool is_indexable(const struct qr_cat_object *o)
{
    return o->type == QR_CAT_TABLE || o->type == QR_CAT_TABLE_TYPE || o->type == QR_CAT_FN_TABLE;
}

static enum qr_status indexes(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (!is_indexable(o))
            continue;
        if (qr_cat_clustered(o) == NULL)
            QR_TRY(qri_sysrow(rows, (int)o->object_id, (struct qr_str){NULL, 0}, 0, 0,
                              qr_str("HEAP"), 0, 0, 0, 0, 0, 0, 0, (struct qr_str){NULL, 0}));
        for (size_t k = 0; k < o->index_count; k++)
            QR_TRY(index_row(rows, o, &o->indexes[k]));
    }
    return QR_OK;
}

static enum qr_status index_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; is_indexable(o) && k < o->index_count; k++)
            for (size_t c = 0; c < o->indexes[k].column_count; c++) {
                const struct qr_cat_index_column *ic = &o->indexes[k].columns[c];
                QR_TRY(qri_sysrow(rows, (int)o->object_id, (int)o->indexes[k].index_id, (int)c + 1,
                                  (int)ic->column_id, ic->is_included ? 0 : (int)c + 1,
                                  (int)ic->is_descending, (int)ic->is_included));
            }
    }
    return QR_OK;
}

/* key_constraints, foreign_keys, check_constraints, default_constraints begin like sys.objects. */
#define CHILD_COLUMNS                                                                              \
    "name sysname, object_id int, principal_id int null =null, schema_id int, "                    \
    "parent_object_id int, type char(2), type_desc nvarchar(60), create_date datetime, "           \
    "modify_date datetime, is_ms_shipped bit =0, is_published bit =0, is_schema_published bit =0"
#define CHILD_ARGS(cat, id, name_, table, type_)                                                   \
    (name_), (int)(id), (int)(table)->schema_id, (int)(table)->object_id,                          \
        qr_str(qr_cat_type_code(type_)), qr_str(qr_cat_type_desc(type_)),                          \
        child_ticks((cat), (id), (table)), child_ticks((cat), (id), (table))

static int64_t child_ticks(const struct qr_catalog *cat, uint32_t id,
                           const struct qr_cat_object *table)
{
    const struct qr_cat_object *o = qr_cat_by_id(cat, id);
    return o == NULL ? table->create_ticks : o->create_ticks;
}

static enum qr_status key_constraints(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; o->type == QR_CAT_TABLE && k < o->index_count; k++) {
            const struct qr_cat_index *x = &o->indexes[k];
            if (x->constraint_object_id == 0)
                continue;
            QR_TRY(qri_sysrow(rows,
                              CHILD_ARGS(cat, x->constraint_object_id, x->name, o,
                                         x->is_primary_key ? QR_CAT_PK : QR_CAT_UNIQUE),
                              (int)x->index_id, (int)x->is_system_named));
        }
    }
    return QR_OK;
}

static const char *action_desc(enum qr_cat_fk_action action)
{
    static const char *const names[] = {[QR_FK_NO_ACTION] = "NO_ACTION",
                                        [QR_FK_CASCADE] = "CASCADE",
                                        [QR_FK_SET_NULL] = "SET_NULL",
                                        [QR_FK_SET_DEFAULT] = "SET_DEFAULT"};
    return names[action];
}

static enum qr_status foreign_keys(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; k < o->fk_count; k++) {
            const struct qr_cat_fk *fk = &o->fks[k];
            QR_TRY(qri_sysrow(rows, CHILD_ARGS(cat, fk->object_id, fk->name, o, QR_CAT_FK),
                              (int)fk->referenced_object_id, (int)fk->referenced_index_id,
                              (int)fk->is_disabled, (int)fk->not_for_replication,
                              (int)fk->is_not_trusted, (int)fk->on_delete,
                              qr_str(action_desc(fk->on_delete)), (int)fk->on_update,
                              qr_str(action_desc(fk->on_update)), (int)fk->is_system_named));
        }
    }
    return QR_OK;
}

static enum qr_status foreign_key_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; k < o->fk_count; k++)
            for (size_t c = 0; c < o->fks[k].column_count; c++)
                QR_TRY(qri_sysrow(rows, (int)o->fks[k].object_id, (int)c + 1, (int)o->object_id,
                                  (int)o->fks[k].parent_columns[c],
                                  (int)o->fks[k].referenced_object_id,
                                  (int)o->fks[k].referenced_columns[c]));
    }
    return QR_OK;
}

static enum qr_status check_constraints(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; o->type == QR_CAT_TABLE && k < o->check_count; k++) {
            const struct qr_cat_check *c = &o->checks[k];
            QR_TRY(qri_sysrow(rows, CHILD_ARGS(cat, c->object_id, c->name, o, QR_CAT_CHECK),
                              (int)c->is_disabled, (int)c->not_for_replication,
                              (int)c->is_not_trusted, (int)c->column_id, c->text,
                              (int)c->is_system_named));
        }
    }
    return QR_OK;
}

struct usage {
    struct qri_sysrows *rows;
    struct qr_str database, schema;
    const struct qr_cat_object *table;
};

static enum qr_status column_usage(const struct usage *u, struct qr_str column,
                                   struct qr_str constraint)
{
    return qri_sysrow(u->rows, u->database, u->schema, u->table->name, column, u->database,
                      u->schema, constraint);
}

static enum qr_status table_column_usage(const struct usage *u)
{
    const struct qr_cat_object *o = u->table;
    for (size_t k = 0; k < o->fk_count; k++)
        for (size_t c = 0; c < o->fks[k].column_count; c++)
            QR_TRY(column_usage(u, qr_cat_column_by_id(o, o->fks[k].parent_columns[c])->name,
                                o->fks[k].name));
    for (size_t k = 0; k < o->index_count; k++) {
        const struct qr_cat_index *x = &o->indexes[k];
        for (size_t c = 0; x->constraint_object_id != 0 && c < x->key_count; c++)
            QR_TRY(column_usage(u, qr_cat_column_by_id(o, x->columns[c].column_id)->name, x->name));
    }
    for (size_t k = 0; k < o->check_count; k++)
        for (size_t c = 0; c < o->column_count; c++)
            if (qri_text_names(o->checks[k].text, o->columns[c].name))
                QR_TRY(column_usage(u, o->columns[c].name, o->checks[k].name));
    return QR_OK;
}

/* A CHECK uses each column that its text names, whether it was written with one or not. */
static enum qr_status constraint_column_usage(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, o->schema_id);
        if (o->type != QR_CAT_TABLE || schema == NULL || !qri_sees_object(session, o))
            continue;
        QR_TRY(table_column_usage(&(struct usage){rows, cat->database_name, schema->name, o}));
    }
    return QR_OK;
}

static enum qr_status default_constraints(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; o->type == QR_CAT_TABLE && k < o->column_count; k++) {
            const struct qr_cat_column *c = &o->columns[k];
            if (c->default_object_id == 0)
                continue;
            QR_TRY(qri_sysrow(
                rows, CHILD_ARGS(cat, c->default_object_id, c->default_name, o, QR_CAT_DEFAULT),
                (int)c->column_id, c->default_text, (int)c->default_is_system_named));
        }
    }
    return QR_OK;
}

/* Statistics stand beside each index. */
static struct qr_str text_or_null(struct qr_str text)
{
    return text.n > 0 ? text : (struct qr_str){NULL, 0};
}

static enum qr_status stats(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; o->type == QR_CAT_TABLE && k < o->index_count; k++)
            QR_TRY(qri_sysrow(rows, (int)o->object_id, o->indexes[k].name,
                              (int)o->indexes[k].index_id, 0, 0,
                              (int)(o->indexes[k].filter_text.n > 0),
                              text_or_null(o->indexes[k].filter_text), 0));
        for (size_t k = 0; k < o->stats_count; k++)
            QR_TRY(
                qri_sysrow(rows, (int)o->object_id, o->stats[k].name, (int)o->stats[k].stats_id, 1,
                           (int)o->stats[k].no_recompute, (int)(o->stats[k].filter_text.n > 0),
                           text_or_null(o->stats[k].filter_text), (int)o->stats[k].is_incremental));
    }
    return QR_OK;
}

static enum qr_status stats_columns(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        for (size_t k = 0; o->type == QR_CAT_TABLE && k < o->index_count; k++)
            for (size_t c = 0; c < o->indexes[k].key_count; c++)
                QR_TRY(qri_sysrow(rows, (int)o->object_id, (int)o->indexes[k].index_id, (int)c + 1,
                                  (int)o->indexes[k].columns[c].column_id));
        for (size_t k = 0; k < o->stats_count; k++)
            for (size_t c = 0; c < o->stats[k].column_count; c++)
                QR_TRY(qri_sysrow(rows, (int)o->object_id, (int)o->stats[k].stats_id, (int)c + 1,
                                  (int)o->stats[k].columns[c]));
    }
    return QR_OK;
}

/* One partition each; row counts are counted by those who ask (sys.dm_db_partition_stats). */
static enum qr_status partitions(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_catalog *cat = database(session);
    for (size_t i = 0; i < cat->object_count; i++) {
        const struct qr_cat_object *o = cat->objects[i];
        if (o->type != QR_CAT_TABLE)
            continue;
        int64_t count = qri_sys_row_count(session, o);
        if (qr_cat_clustered(o) == NULL)
            QR_TRY(qri_sysrow(rows, (int64_t)o->object_id << 16, (int)o->object_id, 0,
                              (int64_t)o->object_id << 16, count));
        for (size_t k = 0; k < o->index_count; k++) {
            int64_t id = (int64_t)o->object_id << 16 | o->indexes[k].index_id;
            QR_TRY(qri_sysrow(rows, id, (int)o->object_id, (int)o->indexes[k].index_id, id, count));
        }
    }
    return QR_OK;
}

#define COLUMN_COLUMNS                                                                             \
    "object_id int, name sysname null, column_id int, system_type_id tinyint, user_type_id int, "  \
    "max_length smallint, precision tinyint, scale tinyint, collation_name sysname null, "         \
    "is_nullable bit null, is_ansi_padded bit =1, is_rowguidcol bit, is_identity bit, "            \
    "is_computed bit, is_filestream bit =0, is_replicated bit null =0, "                           \
    "is_non_sql_subscribed bit null =0, is_merge_published bit null =0, "                          \
    "is_dts_replicated bit null =0, is_xml_document bit =0, xml_collection_id int =0, "            \
    "default_object_id int, rule_object_id int =0, is_sparse bit null, "                           \
    "is_column_set bit null =0, generated_always_type tinyint null, "                              \
    "generated_always_type_desc nvarchar(60) null, encryption_type int null "                      \
    "=null, encryption_type_desc nvarchar(64) null =null, encryption_algorithm_name sysname null " \
    "=null, column_encryption_key_id int null =null, column_encryption_key_database_name sysname " \
    "null =null, is_hidden bit null, is_masked bit, graph_type int null =null, "                   \
    "graph_type_desc nvarchar(60) null =null"

#define VECTOR_COLUMNS                                                                             \
    ", vector_dimensions int null, vector_base_type tinyint null, vector_base_type_desc "          \
    "nvarchar(10) null"

const struct qri_sysview qri_sysviews_table[] = {
    {"sys", "columns", COLUMN_COLUMNS VECTOR_COLUMNS, columns, NULL, false},
    {"sys", "all_columns", COLUMN_COLUMNS VECTOR_COLUMNS, all_columns, NULL, false},
    {"sys", "system_columns", COLUMN_COLUMNS VECTOR_COLUMNS, system_columns, NULL, false},
    {"sys", "masked_columns",
     COLUMN_COLUMNS ", definition nvarchar(max) null =null, uses_database_collation bit =0, "
                    "is_persisted bit =0, masking_function nvarchar(4000) null",
     masked_columns, NULL, false},
    {"sys", "identity_columns",
     "object_id int, name sysname null, column_id int, system_type_id tinyint, user_type_id int, "
     "max_length smallint, precision tinyint, scale tinyint, is_nullable bit null =0, "
     "is_identity bit =1, is_computed bit =0, seed_value sql_variant null, "
     "increment_value sql_variant null, last_value sql_variant null, "
     "is_not_for_replication bit null",
     identity_columns, NULL, false},
    {"sys", "computed_columns",
     "object_id int, name sysname null, column_id int, system_type_id tinyint, user_type_id int, "
     "max_length smallint, precision tinyint, scale tinyint, collation_name sysname null, "
     "is_nullable bit null, is_identity bit =0, is_computed bit =1, definition nvarchar(max) null, "
     "uses_database_collation bit =1, is_persisted bit",
     computed_columns, NULL, false},
    {"sys", "indexes",
     "object_id int, name sysname null, index_id int, type tinyint, type_desc nvarchar(60) null, "
     "is_unique bit null, data_space_id int null =1, ignore_dup_key bit null, is_primary_key bit "
     "null, "
     "is_unique_constraint bit null, fill_factor tinyint, is_padded bit null =0, "
     "is_disabled bit null, is_hypothetical bit null =0, is_ignored_in_optimization bit null =0, "
     "allow_row_locks bit null =1, allow_page_locks bit null =1, has_filter bit null, "
     "filter_definition nvarchar(max) null, compression_delay int null =null, "
     "suppress_dup_key_messages bit null =0, auto_created bit null =0, optimize_for_sequential_key "
     "bit null =0",
     indexes, NULL, false},
    {"sys", "index_columns",
     "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint, "
     "partition_ordinal tinyint =0, is_descending_key bit null, is_included_column bit null, "
     "column_store_order_ordinal tinyint =0",
     index_columns, NULL, false},
    {"sys", "key_constraints",
     CHILD_COLUMNS ", unique_index_id int null, is_system_named bit, is_enforced bit null =1",
     key_constraints, NULL, false},
    {"sys", "foreign_keys",
     CHILD_COLUMNS
     ", referenced_object_id int null, key_index_id int null, is_disabled bit, "
     "is_not_for_replication bit, is_not_trusted bit, delete_referential_action tinyint null, "
     "delete_referential_action_desc nvarchar(60) null, update_referential_action tinyint null, "
     "update_referential_action_desc nvarchar(60) null, is_system_named bit",
     foreign_keys, NULL, false},
    {"sys", "foreign_key_columns",
     "constraint_object_id int, constraint_column_id int, parent_object_id int, "
     "parent_column_id int, referenced_object_id int, referenced_column_id int",
     foreign_key_columns, NULL, false},
    {"sys", "check_constraints",
     CHILD_COLUMNS ", is_disabled bit, is_not_for_replication bit, is_not_trusted bit, "
                   "parent_column_id int, definition nvarchar(max) null, "
                   "uses_database_collation bit null =1, is_system_named bit",
     check_constraints, NULL, false},
    {"INFORMATION_SCHEMA", "CONSTRAINT_COLUMN_USAGE",
     "TABLE_CATALOG nvarchar(128) null, TABLE_SCHEMA nvarchar(128) null, TABLE_NAME nvarchar(128), "
     "COLUMN_NAME nvarchar(128) null, CONSTRAINT_CATALOG nvarchar(128) null, CONSTRAINT_SCHEMA "
     "nvarchar(128) null, CONSTRAINT_NAME nvarchar(128)",
     constraint_column_usage, NULL, false},
    {"sys", "default_constraints",
     CHILD_COLUMNS ", parent_column_id int, definition nvarchar(max) null, is_system_named bit",
     default_constraints, NULL, false},
    {"sys", "stats",
     "object_id int, name sysname null, stats_id int, auto_created bit null =0, "
     "user_created bit null, no_recompute bit null, has_filter bit null, "
     "filter_definition nvarchar(max) null, is_temporary bit null =0, is_incremental bit null",
     stats, NULL, false},
    {"sys", "stats_columns",
     "object_id int, stats_id int, stats_column_id int null, column_id int null", stats_columns,
     NULL, false},
    {"sys", "partitions",
     "partition_id bigint, object_id int, index_id int, partition_number int =1, hobt_id bigint, "
     "rows bigint null, filestream_filegroup_id smallint =0, data_compression tinyint =0, "
     "data_compression_desc nvarchar(60) null ='NONE'",
     partitions, NULL, false},
    {0},
};
