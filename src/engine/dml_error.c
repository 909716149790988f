/* dml_error.c - the errors of constraints, worded with constraint, table, column and key. */
#include <stdio.h>
#include "dml_int.h"
#include "oplog_int.h"
#include "tran_int.h"
#include "base/banned.h"

static const char *z(struct qri_run *run, struct qr_str s)
{
    const char *p = qr_arena_str(&run->frame->arena, s).p;
    return p == NULL ? "" : p;
}

enum qr_status qri_fail_unique(struct qri_run *run, const struct qri_table *table,
                               const struct qri_unique *unique, const struct qr_value *row)
{
    struct qr_arena *arena = &run->frame->arena;
    struct qr_type *types = qr_arena_array(arena, unique->count + 1, sizeof *types);
    struct qr_value *values = qr_arena_array(arena, unique->count + 1, sizeof *values);
    if (types == NULL || values == NULL)
        return qr_fail(run->err, QR_NOMEM, "word an error");
    for (size_t i = 0; i < unique->count; i++) {
        types[i] = table->object->columns[unique->columns[i]].type;
        values[i] = row[unique->columns[i]];
    }
    struct qr_buf key;
    qr_buf_init(&key, 4096);
    qri_print_key(types, values, unique->count, &key);
    const struct qr_cat_index *index = unique->index;
    const char *name = z(run, index->name);
    enum qr_status status;
    if (index->is_primary_key || index->is_unique_constraint)
        status = qr_sql_fail(run->err, 2627, index->is_primary_key ? "PRIMARY KEY" : "UNIQUE KEY",
                             name, table->name, qr_buf_cstr(&key));
    else
        status = qr_sql_fail(run->err, 2601, table->name, name, qr_buf_cstr(&key));
    qr_buf_done(&key);
    return status;
}

enum qr_status qri_fail_null(struct qri_run *run, const struct qri_table *table, uint16_t column)
{
    return qr_sql_fail(run->err, 515, z(run, table->object->columns[column].name), table->full_name,
                       run->verb);
}

/* "dbo.t" and ", column 'c'" */
static enum qr_status fail_547(struct qri_run *run, const char *verb, const char *kind,
                               struct qr_str constraint, const struct qr_cat_object *where,
                               uint32_t column_id)
{
    struct qr_arena *arena = &run->frame->arena;
    struct qr_session *session = run->session;
    const struct qr_cat_schema *schema =
        qr_cat_schema_by_id(&session->catalog->cat, where->schema_id);
    struct qr_str schema_name = schema == NULL ? qr_str("dbo") : schema->name;
    const char *table = qr_arena_printf(arena, "%.*s.%.*s", (int)schema_name.n, schema_name.p,
                                        (int)where->name.n, where->name.p);
    const struct qr_cat_column *column =
        column_id == 0 ? NULL : qr_cat_column_by_id(where, column_id);
    return qr_sql_fail(run->err, 547, verb, kind, z(run, constraint),
                       z(run, qri_info(session->db)->name), table == NULL ? "" : table,
                       column == NULL ? "" : ", column '",
                       column == NULL ? "" : z(run, column->name), column == NULL ? "" : "'");
}

enum qr_status qri_fail_check(struct qri_run *run, const struct qri_table *table,
                              const struct qr_cat_check *check)
{
    return fail_547(run, run->verb, "CHECK", check->name, table->object, check->column_id);
}

enum qr_status qri_fail_fk(struct qri_run *run, const char *verb, const char *kind,
                           const struct qr_cat_fk *fk, const struct qr_cat_object *where,
                           uint32_t column_id)
{
    return fail_547(run, verb, kind, fk->name, where, fk->column_count == 1 ? column_id : 0);
}

enum qr_status qri_fail_conflict(struct qr_session *session, struct qr_err *err)
{
    const struct qr_catalog *catalog = &session->catalog->cat;
    const struct qr_cat_object *table =
        qr_cat_by_id(catalog, qri_oplog_played_id(session->tran.oplog));
    const struct qr_cat_schema *schema =
        table == NULL ? NULL : qr_cat_schema_by_id(catalog, table->schema_id);
    char name[2 * 4 * 128 + 2] = "";
    if (table != NULL)
        (void)snprintf(name, sizeof name, "%.*s.%.*s", schema == NULL ? 3 : (int)schema->name.n,
                       schema == NULL ? "dbo" : schema->name.p, (int)table->name.n, table->name.p);
    return qr_sql_fail(err, 3960, name, qri_info(session->db)->name.p);
}
