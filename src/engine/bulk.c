/* bulk.c - INSERT BULK: rows that the client sends are collected without any lock, then go straight
 * into the table in one transaction. */
#include <assert.h>
#include <stdlib.h>
#include "access_int.h"
#include "codec/convert.h"
#include "dml_stage.h"
#include "lock_int.h"
#include "prepared_int.h"
#include "tsql/print.h"
#include "base/banned.h"

struct qri_bulk {
    const struct qr_ast_insert_bulk *stmt;
    size_t column_count;
    struct qr_converter *converters; /* from what was announced to the table's types */
    uint16_t *columns;               /* of the table */
    struct qr_rowset *rows;
    struct qr_arena arena, arena_row;
    struct qr_value *values;
    bool check_constraints, fire_triggers, keep_nulls;
    enum qr_status failed; /* the first row that could not be taken; later ones are skipped */
};

enum { COMMAND_BULK = 0xF0 };

enum qr_status qri_run_insert_bulk(struct qri_frame *frame, const struct qri_op *op,
                                   struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_ast_insert_bulk *stmt = (const struct qr_ast_insert_bulk *)op->stmt;
    const struct qr_cat_object *table = NULL;
    QR_TRY(qri_find_object(session, &stmt->table, &table, err));
    if (table == NULL || table->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 208, qri_name_print(&frame->arena, &stmt->table));
    if (frame->outer != NULL)
        return qr_fail(err, QR_UNSUPPORTED, "INSERT BULK inside a module is not supported.");
    session->bulk_stmt = op->stmt;
    session->error = 0;
    session->rowcount = 0;
    return QR_OK;
}

static bool has_option(const struct qr_ast_insert_bulk *stmt, const char *name)
{
    for (size_t i = 0; i < stmt->options.count; i++)
        if (qr_str_ieqz(stmt->options.items[i].name, name))
            return true;
    return false;
}

void qri_bulk_clear(struct qr_session *session)
{
    struct qri_bulk *bulk = session->bulk;
    session->bulk = NULL;
    session->bulk_stmt = NULL;
    qri_unit_put(session, session->bulk_unit);
    session->bulk_unit = NULL;
    if (bulk == NULL)
        return;
    qr_rowset_free(bulk->rows);
    qr_arena_done(&bulk->arena);
    qr_arena_done(&bulk->arena_row);
    free(bulk);
}

/* ---- begin ---- */

static enum qr_status map_column(struct qr_session *session, struct qri_bulk *bulk,
                                 const struct qr_cat_object *table, size_t index,
                                 const struct qr_plan_column *column, struct qr_type *ret_type)
{
    struct qr_err *err = &session->err;
    struct qr_str name =
        bulk->stmt->count > index ? bulk->stmt->columns[index].name.text : column->name;
    const struct qr_cat_column *to = qr_cat_column_find(table, name);
    if (to == NULL)
        return qr_sql_fail(err, 207, qr_arena_str(&bulk->arena, name).p);
    if (to->is_computed)
        return qr_sql_fail(err, 271, qr_arena_str(&bulk->arena, name).p);
    if (qr_cat_is_period(table, to))
        return qr_sql_fail(err, 13536, qr_arena_str(&bulk->arena, table->name).p);
    bulk->columns[index] = (uint16_t)(to - table->columns);
    *ret_type = to->type;
    QR_TRY(qr_converter_init(&bulk->converters[index], &column->type, &to->type, QR_STYLE_DEFAULT,
                             QR_CONVERT_STORE, err));
    bulk->converters[index].table = qr_arena_str(&bulk->arena, table->name).p;
    bulk->converters[index].column = qr_arena_str(&bulk->arena, to->name).p;
    return QR_OK;
}

/* An INSERT of the table, for what that needs and what block predicates say. */
static enum qr_status compile_insert(struct qri_bulk *bulk, const struct qr_bind_env *env,
                                     const struct qr_cat_object *table, struct qr_plan **ret_plan,
                                     struct qr_err *err)
{
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(env->catalog, table->schema_id);
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch = NULL;
    struct qr_buf text;
    qr_buf_init(&text, 1 << 12);
    qr_buf_addz(&text, "INSERT INTO ");
    qr_tsql_print_name(&text, schema == NULL ? qr_str("dbo") : schema->name);
    qr_buf_addz(&text, ".");
    qr_tsql_print_name(&text, table->name);
    qr_buf_addz(&text, " DEFAULT VALUES");
    enum qr_status status =
        qr_tsql_parse(&bulk->arena, qr_buf_cstr(&text), text.len, &options, &batch, err);
    if (status == QR_OK)
        status = qr_tsql_compile(&bulk->arena, env, batch->stmts.items[0], ret_plan, err);
    qr_buf_done(&text);
    return status;
}

/* What an INSERT of it needs, functions of its DEFAULTs and CHECKs among it; and ALTER, to leave
 * out what INSERT would not. */
static enum qr_status want_bulk(struct qr_session *session, struct qri_bulk *bulk,
                                const struct qr_cat_object *table)
{
    struct qr_err *err = &session->err;
    if (session->is_owner || table->object_id >= QRI_TEMP_OBJECT_FIRST)
        return QR_OK;
    struct qr_plan *plan = NULL;
    struct qri_unit unit = {.kind = QRI_UNIT_BATCH};
    struct qri_frame frame = {.session = session, .unit = &unit};
    struct qr_bind_env env;
    qri_bind_env(&frame, NULL, &env);
    QR_TRY(compile_insert(bulk, &env, table, &plan, err));
    QR_TRY(qri_want_accesses(session, NULL, &plan->accesses, err));
    bool leaves_out = (table->check_count + table->fk_count > 0 &&
                       !has_option(bulk->stmt, "CHECK_CONSTRAINTS")) ||
                      (table->trigger_count > 0 && !has_option(bulk->stmt, "FIRE_TRIGGERS"));
    return leaves_out
               ? qri_want_alter(session, table, qr_arena_str(&bulk->arena, table->name).p, err)
               : QR_OK;
}

static enum qr_status begin_bulk(struct qr_session *session, struct qri_bulk *bulk,
                                 const struct qr_plan_column *columns, size_t count)
{
    struct qr_err *err = &session->err;
    const struct qr_cat_object *table = NULL;
    QR_TRY(qri_find_object(session, &bulk->stmt->table, &table, err));
    if (table == NULL || table->type != QR_CAT_TABLE)
        return qr_sql_fail(err, 208, qri_name_print(&bulk->arena, &bulk->stmt->table));
    if (table->history_of != 0)
        return qr_sql_fail(err, 13559, qri_name_print(&bulk->arena, &bulk->stmt->table));
    QR_TRY(want_bulk(session, bulk, table));
    if (bulk->stmt->count > 0 && bulk->stmt->count != count)
        return qr_sql_fail(err, 4816, (int)count);
    struct qr_type *types = qr_arena_array(&bulk->arena, count + 1, sizeof *types);
    bulk->columns = qr_arena_array(&bulk->arena, count + 1, sizeof *bulk->columns);
    bulk->converters = qr_arena_array(&bulk->arena, count + 1, sizeof *bulk->converters);
    bulk->values = qr_arena_array(&bulk->arena, count + 1, sizeof *bulk->values);
    if (types == NULL || bulk->columns == NULL || bulk->converters == NULL || bulk->values == NULL)
        return qr_fail(err, QR_NOMEM, "bulk load");
    for (size_t i = 0; i < count; i++)
        QR_TRY(map_column(session, bulk, table, i, &columns[i], &types[i]));
    bulk->column_count = count;
    bulk->check_constraints = has_option(bulk->stmt, "CHECK_CONSTRAINTS");
    bulk->fire_triggers = has_option(bulk->stmt, "FIRE_TRIGGERS");
    bulk->keep_nulls = has_option(bulk->stmt, "KEEP_NULLS");
    return qr_rowset_new(types, count, session->db->store, &bulk->rows, err);
}

enum qr_status qr_session_bulk_begin(struct qr_session *session,
                                     const struct qr_plan_column *columns, size_t column_count,
                                     const struct qr_sink *sink)
{
    QR_TRY(qri_request_begin(session, sink));
    if (session->bulk_stmt == NULL)
        return qri_request_end(session, qr_sql_fail(&session->err, 4804), QR_DONE_BATCH);
    struct qri_bulk *bulk = calloc(1, sizeof *bulk);
    session->bulk = bulk;
    if (bulk == NULL)
        return qri_request_end(session, qr_fail(&session->err, QR_NOMEM, "bulk load"),
                               QR_DONE_BATCH);
    bulk->stmt = (const struct qr_ast_insert_bulk *)session->bulk_stmt;
    qr_arena_init(&bulk->arena, QRI_STMT_ARENA_BYTES_MAX);
    qr_arena_init(&bulk->arena_row, QRI_STMT_ARENA_BYTES_MAX);
    bulk->failed = begin_bulk(session, bulk, columns, column_count);
    return QR_OK; /* a failure is told at the end: the client sends its rows in any case */
}

/* ---- rows ---- */

enum qr_status qr_session_bulk_row(struct qr_session *session, const struct qr_value *values)
{
    struct qri_bulk *bulk = session->bulk;
    if (bulk == NULL || bulk->failed != QR_OK)
        return QR_OK;
    if (bulk->arena_row.chunk != NULL)
        qr_arena_reset(&bulk->arena_row);
    struct qr_convert_env env = {.arena = &bulk->arena_row,
                                 .dateformat = session->options.dateformat};
    for (size_t i = 0; i < bulk->column_count; i++) {
        bulk->failed =
            qr_convert(&bulk->converters[i], &values[i], &env, &bulk->values[i], &session->err);
        if (bulk->failed != QR_OK)
            return QR_OK;
    }
    bulk->failed = qr_rowset_append(bulk->rows, bulk->values, &session->err);
    return QR_OK;
}

/* ---- end ---- */

/* What the rows were said to be sorted by; count 0: nothing that could be used. */
struct sorting {
    uint16_t columns[QR_CAT_KEY_COLUMNS_MAX]; /* of the stream */
    bool descending[QR_CAT_KEY_COLUMNS_MAX];
    size_t count;
    struct qr_value *keys[2]; /* of this row and of the one before, in arenas of their own */
    struct qr_arena arenas[2];
};

struct load {
    struct qri_feed feed; /* first */
    struct qri_bulk *bulk;
    uint64_t position; /* of the next row */
    struct qri_run run;
    struct qri_writer writer;
    struct qri_table *table;
    struct qr_type *types; /* of the table's columns, twice */
    struct qr_value *row;  /* a change: old, new, rowid, action */
    bool *given;
    struct qr_rowset *changes; /* for triggers and block predicates; NULL: nobody asks */
    struct qr_plan *plan;      /* has the block predicates; NULL: the table is in no policy */
    bool fires;
    struct sorting sorting;
};

/* ORDER counts if it names the clustered index's key, column by column; else it is passed over, as
 * SQL Server does. So is one by text, since the stream does not say by which collation. */
static void use_order(struct load *l, const struct qr_cat_object *object)
{
    const struct qri_bulk *bulk = l->bulk;
    const struct qr_ast_order *order = &bulk->stmt->order;
    const struct qr_cat_index *key = qr_cat_clustered(object);
    if (key == NULL || order->count == 0 || order->count > key->key_count)
        return;
    for (size_t i = 0; i < order->count; i++) {
        const struct qr_ast_column *named = (const struct qr_ast_column *)order->items[i].expr;
        size_t at = qr_cat_column_index(object, key->columns[i].column_id);
        size_t from = 0;
        while (from < bulk->column_count && bulk->columns[from] != at)
            from++;
        if (from == bulk->column_count || qr_type_is_string(&object->columns[at].type) ||
            !qr_str_ieq(named->name.parts[0].text, object->columns[at].name) ||
            order->items[i].descending != key->columns[i].is_descending)
            return;
        l->sorting.columns[i] = (uint16_t)from;
        l->sorting.descending[i] = order->items[i].descending;
    }
    l->sorting.count = order->count;
}

static enum qr_status fail_order(struct load *l, const struct qr_value *first,
                                 const struct qr_value *second)
{
    const struct sorting *sorting = &l->sorting;
    struct qr_type types[QR_CAT_KEY_COLUMNS_MAX];
    for (size_t i = 0; i < sorting->count; i++)
        types[i] = l->types[l->bulk->columns[sorting->columns[i]]];
    struct qr_buf texts[2];
    qr_buf_init(&texts[0], 8192);
    qr_buf_init(&texts[1], 8192);
    qri_print_key(types, first, sorting->count, &texts[0]);
    qri_print_key(types, second, sorting->count, &texts[1]);
    enum qr_status status =
        qr_sql_fail(l->run.err, 4819, qr_buf_cstr(&texts[0]), qr_buf_cstr(&texts[1]));
    qr_buf_done(&texts[0]);
    qr_buf_done(&texts[1]);
    return status;
}

/* bulk->values holds the row at `position`. */
static enum qr_status check_order(struct load *l, uint64_t position)
{
    struct qri_bulk *bulk = l->bulk;
    struct sorting *sorting = &l->sorting;
    if (sorting->count == 0)
        return QR_OK;
    struct qr_value *now = sorting->keys[position & 1], *before = sorting->keys[~position & 1];
    struct qr_arena *arena = &sorting->arenas[position & 1];
    if (arena->chunk != NULL)
        qr_arena_reset(arena);
    for (size_t i = 0; i < sorting->count; i++)
        if (qr_value_copy(arena, &bulk->values[sorting->columns[i]], &now[i]) != QR_OK)
            return qr_fail(l->run.err, QR_NOMEM, "bulk load");
    for (size_t i = 0; i < sorting->count && position > 0; i++) {
        const struct qr_type *type = &l->types[bulk->columns[sorting->columns[i]]];
        int cmp = qr_value_is_null(&before[i]) || qr_value_is_null(&now[i])
                      ? (int)qr_value_is_null(&now[i]) - (int)qr_value_is_null(&before[i])
                      : qr_value_compare(type, &before[i], &now[i]);
        cmp = sorting->descending[i] ? -cmp : cmp;
        if (cmp < 0)
            break;
        if (cmp > 0)
            return fail_order(l, before, now);
    }
    return QR_OK;
}

/* bulk->values becomes the row to insert. */
static enum qr_status complete_row(struct load *l)
{
    struct qri_bulk *bulk = l->bulk;
    struct qri_table *table = l->table;
    struct qr_value *row = l->row + table->n;
    for (size_t i = 0; i < 2 * table->n; i++)
        l->row[i] = qr_value_null();
    for (size_t i = 0; i < table->n; i++)
        l->given[i] = false;
    for (size_t i = 0; i < bulk->column_count; i++) {
        uint16_t column = bulk->columns[i];
        row[column] = bulk->values[i];
        l->given[column] = bulk->keep_nulls || bulk->values[i].cell != QR_CELL_NULL ||
                           table->defaults[column] == NULL;
        if (column == table->identity && bulk->values[i].cell == QR_CELL_NULL)
            l->given[column] = false;
    }
    QR_TRY(qri_row_complete_insert(&l->run, table, row, l->given));
    if (bulk->check_constraints)
        QR_TRY(qri_fk_check_row(&l->run, table, row, "INSERT"));
    return qri_row_id(&l->run, table, row, &l->feed.rowid);
}

static enum qr_status keep_change(struct load *l)
{
    l->row[2 * l->table->n] = qr_value_int(l->feed.rowid);
    l->row[2 * l->table->n + 1] = qr_value_int(QR_ACTION_INSERT);
    return qr_rowset_append(l->changes, l->row, l->run.err);
}

static enum qr_status next_row(struct qri_feed *feed, bool *ret_more, struct qr_err *err)
{
    struct load *l = (struct load *)feed;
    uint64_t position = l->position;
    bool found = false;
    *ret_more = position < qri_rowset_end(l->bulk->rows);
    if (!*ret_more)
        return QR_OK;
    l->position++;
    if (l->run.arena.chunk != NULL)
        qr_arena_reset(&l->run.arena);
    if ((position & 1023) == 1023)
        QR_TRY(qri_check_cancelled(l->run.session, err));
    QR_TRY(qri_rowset_get(l->bulk->rows, position, l->bulk->values, &found, err));
    QR_TRY(check_order(l, position));
    QR_TRY(complete_row(l));
    l->run.count++;
    return l->changes == NULL ? QR_OK : keep_change(l);
}

static enum qr_status row_ignored(struct qri_feed *feed, struct qr_err *err)
{
    struct load *l = (struct load *)feed;
    (void)err;
    l->run.count--;
    if (l->changes != NULL)
        qri_rowset_cut(l->changes, qri_rowset_end(l->changes) - 1);
    return QR_OK;
}

static enum qr_status load_rows(struct load *l)
{
    enum qr_status status = qri_write_feed(&l->feed);
    qri_writer_done(&l->writer);
    if (status == QR_OK && l->plan != NULL)
        status = qri_check_blocks(&l->run, l->table, l->plan->dml, l->changes);
    if (status == QR_OK && l->fires)
        status = qri_fire(&l->run, l->table, l->changes, QRI_INSERT, l->bulk->columns,
                          l->bulk->column_count, false);
    return status;
}

static enum qr_status prepare_load(struct load *l, struct qri_frame *frame,
                                   const struct qr_bind_env *env)
{
    struct qr_session *session = frame->session;
    struct qri_bulk *bulk = l->bulk;
    const struct qr_cat_object *object = NULL;
    QR_TRY(qri_find_object(session, &bulk->stmt->table, &object, &session->err));
    if (object == NULL)
        return qr_sql_fail(&session->err, 208, qri_name_print(&bulk->arena, &bulk->stmt->table));
    QR_TRY(qri_tran_fits(session, &object, 1, true, &session->err));
    struct qri_table_set set = {.arena = &bulk->arena, .env = env, .err = &session->err};
    QR_TRY(qri_table_get(&set, object, NULL, &l->table));
    struct qri_table *table = l->table;
    for (size_t i = 0; !bulk->check_constraints && i < object->check_count; i++)
        table->checks[i] = NULL; /* the table's own copy: constraints are not checked by default */
    l->row = qr_arena_array(&bulk->arena, 2 * table->n + 2, sizeof *l->row);
    l->given = qr_arena_array(&bulk->arena, table->n + 1, sizeof *l->given);
    struct qr_type *types = qr_arena_array(&bulk->arena, 2 * table->n + 2, sizeof *types);
    l->types = types;
    for (size_t i = 0; i < 2; i++) {
        qr_arena_init(&l->sorting.arenas[i], QRI_STMT_ARENA_BYTES_MAX);
        l->sorting.keys[i] = qr_arena_array(&bulk->arena, QR_CAT_KEY_COLUMNS_MAX, sizeof *l->row);
    }
    if (l->sorting.keys[0] == NULL || l->sorting.keys[1] == NULL || l->row == NULL ||
        l->given == NULL || types == NULL)
        return qr_fail(&session->err, QR_NOMEM, "bulk load");
    for (size_t i = 0; i < table->n; i++)
        types[i] = types[table->n + i] = object->columns[i].type;
    types[2 * table->n] = types[2 * table->n + 1] = qr_type_of(QR_TYPE_BIGINT);
    use_order(l, object);
    l->fires = bulk->fire_triggers && qri_table_fires(object, QRI_INSERT, false);
    if (object->policy_count > 0)
        QR_TRY(compile_insert(bulk, env, object, &l->plan, &session->err));
    if (l->fires || l->plan != NULL)
        QR_TRY(
            qr_rowset_new(types, 2 * table->n + 2, session->db->store, &l->changes, &session->err));
    l->run = (struct qri_run){
        .frame = frame, .session = session, .err = &session->err, .verb = "BULK INSERT"};
    qr_arena_init(&l->run.arena, QRI_STMT_ARENA_BYTES_MAX);
    qri_eval_init(&l->run.eval, session, frame, &l->run.arena);
    qri_writer_init(&l->writer, &l->run, table);
    l->feed = (struct qri_feed){
        .writer = &l->writer, .row = l->row + table->n, .next = next_row, .ignored = row_ignored};
    return QR_OK;
}

static enum qr_status load_in_frame(struct qri_frame *frame, uint64_t *ret_count)
{
    struct qr_session *session = frame->session;
    struct qr_err *err = &session->err;
    struct load l = {.bulk = session->bulk};
    struct qr_bind_env env;
    bool is_temp = false;
    const struct qr_ast_name *name = &l.bulk->stmt->table;
    struct qr_str object = name->parts[name->count - 1].text;
    is_temp = object.n > 0 && object.p[0] == '#';
    QR_TRY(qri_tran_statement_begin(session, is_temp ? QRI_WRITE_TEMP : QRI_WRITE, err));
    qri_bind_env(frame, NULL, &env);
    bool guard = session->tran.count > 0;
    struct qri_guard mark = {0};
    enum qr_status status = qri_tran_to_head(session, err);
    if (status == QR_OK && guard)
        status = qri_guard_begin(session, &mark, err);
    if (status == QR_OK)
        status = prepare_load(&l, frame, &env);
    if (status == QR_OK)
        status = load_rows(&l);
    qr_rowset_free(l.changes);
    qr_arena_done(&l.run.arena);
    qr_arena_done(&l.sorting.arenas[0]);
    qr_arena_done(&l.sorting.arenas[1]);
    status = qri_guard_end(session, &mark, status, err);
    *ret_count = l.run.count;
    return qri_tran_statement_end(session, status, err);
}

static enum qr_status end_bulk(struct qr_session *session, uint64_t *ret_count)
{
    QR_TRY(session->bulk->failed);
    struct qri_frame frame;
    QR_TRY(qri_frame_push(session, &frame, session->bulk_unit, &session->err));
    enum qr_status status = QR_OK;
    for (bool again = true; again;) {
        status = load_in_frame(&frame, ret_count);
        status = qri_lock_again(session, status, &again, &session->err);
    }
    qri_frame_pop(&frame);
    return status;
}

enum qr_status qr_session_bulk_end(struct qr_session *session, bool cancelled,
                                   const struct qr_sink *sink)
{
    if (session->bulk == NULL)
        return QR_OK;
    session->sink = sink;
    uint64_t count = 0;
    enum qr_status status = cancelled ? QR_OK : end_bulk(session, &count);
    qri_bulk_clear(session);
    if (status == QR_OK && !cancelled) {
        session->rowcount = (int64_t)count;
        session->error = 0;
        status = qri_send_done(session, true, count, false, COMMAND_BULK);
        return qri_request_end(session, status, QR_DONE_STATEMENT);
    }
    return qri_request_end(session, status, QR_DONE_BATCH);
}
