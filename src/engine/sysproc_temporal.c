/* sysproc_temporal.c - sp_cleanup_temporal_history: all that is past its retention, at once; see
 * sysproc.h */
#include "sysproc.h"
#include <stdio.h>
#include "access_int.h"
#include "dml_int.h"
#include "lock_int.h"
#include "base/banned.h"

static const char TEXT[] =
    "EXEC sys.sp_cleanup_temporal_history @schema_name, @table_name, @rowcount OUTPUT";
static const char PARAMS[] = "@schema_name sysname = NULL, @table_name sysname = NULL, "
                             "@rowcount int = NULL OUTPUT";

static enum qr_status find_table(struct qr_session *session, const struct qri_call_arg *schema,
                                 const struct qri_call_arg *table,
                                 const struct qr_cat_object **ret_table, struct qr_err *err)
{
    struct qr_str names[] = {qr_value_bytes(&schema->value), qr_value_bytes(&table->value)};
    const struct qr_catalog *cat = &session->catalog->cat;
    const struct qr_cat_schema *s = qr_cat_schema_find(cat, names[0]);
    const struct qr_cat_object *t = s == NULL ? NULL : qr_cat_find(cat, s->schema_id, names[1]);
    const char *shown = qr_arena_printf(&session->frame->arena, "%.*s.%.*s", (int)names[0].n,
                                        names[0].p, (int)names[1].n, names[1].p);
    if (shown == NULL)
        return qr_fail(err, QR_NOMEM, "clean a history");
    if (t == NULL || t->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 13776, shown);
    if (t->history_id == 0)
        return qr_sql_fail(err, 13746, shown);
    if (t->retention == QR_RETENTION_INFINITE)
        return qr_sql_fail(err, 13747, shown);
    *ret_table = t;
    return QR_OK;
}

static enum qr_status delete_aged(struct qr_session *session, const struct qr_cat_object *table,
                                  int64_t *ret_count, struct qr_err *err)
{
    const struct qr_cat_object *history = qr_cat_by_id(&session->catalog->cat, table->history_id);
    size_t end = qr_cat_column_index(table, table->period_end);
    int64_t begin = 0;
    char sql[96];
    if (history == NULL || history->column_count != table->column_count)
        return qr_fail(err, QR_CORRUPT, "history of table %u", (unsigned)table->object_id);
    *ret_count = 0;
    if (!qri_retention_begin(table, session->tran.begin_ticks, &begin))
        return QR_OK;
    snprintf(sql, sizeof sql, "DELETE FROM main.t%u WHERE c%u<%lld", (unsigned)history->object_id,
             (unsigned)history->columns[end].column_id, (long long)begin);
    if (session->tran.lockful)
        QR_TRY(qri_lock_table(session, history->object_id, QR_LOCK_X, err));
    struct qri_guard mark = {0};
    if (session->tran.count > 0)
        QR_TRY(qri_guard_begin(session, &mark, err));
    session->no_interrupt = true;
    enum qr_status status = qri_exec(session->link, sql, err);
    *ret_count = sqlite3_changes64(session->link->db);
    if (status == QR_OK)
        status = qri_record_sql(session, history->object_id, sql, NULL, 0, err);
    session->no_interrupt = false;
    return qri_guard_end(session, &mark, status, err);
}

enum qr_status qri_sp_cleanup_temporal_history(struct qr_session *session,
                                               struct qri_call_arg *args, size_t count,
                                               int32_t *ret_status, struct qr_err *err)
{
    if (session->frame == NULL) /* by RPC: through one EXEC */
        return qri_call_text(session, qr_str(TEXT), qr_str(PARAMS), args, count, true, ret_status,
                             err);
    const struct qri_call_arg *schema = qri_sysproc_arg(args, count, "@schema_name", 0);
    const struct qri_call_arg *table = qri_sysproc_arg(args, count, "@table_name", 1);
    const struct qri_call_arg *rows = qri_sysproc_arg(args, count, "@rowcount", 2);
    if (schema == NULL || table == NULL || schema->value.cell != QR_CELL_TEXT ||
        table->value.cell != QR_CELL_TEXT)
        return qr_sql_fail(err, 201, "sp_cleanup_temporal_history",
                           schema == NULL ? "@schema_name" : "@table_name");
    QR_TRY(qri_tran_implicit(session, err));
    int64_t deleted = 0;
    for (bool again = true; again;) {
        const struct qr_cat_object *object = NULL;
        QR_TRY(qri_tran_statement_begin(session, QRI_WRITE, err));
        enum qr_status status = find_table(session, schema, table, &object, err);
        if (status == QR_OK)
            status = qri_tran_to_head(session, err);
        if (status == QR_OK)
            status = delete_aged(session, object, &deleted, err);
        status = qri_tran_statement_end(session, status, err);
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    if (rows == NULL || !rows->is_output || rows->out_slot == UINT32_MAX)
        return QR_OK;
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value value = qr_value_int(deleted > INT32_MAX ? INT32_MAX : deleted);
    return qri_var_assign(session->frame, rows->out_slot, &type, &value, err);
}
