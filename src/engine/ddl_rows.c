/* ddl_rows.c - the rows of a table while its definition changes: walking, checking, rebuilding; see
 * ddl_int.h. */
#include "ddl_int.h"
#include "link.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "codec/convert.h"
#include "expr/eval.h"
#include "base/banned.h"

enum { SQL_BYTES_MAX = 1 << 20, ROW_ARENA_BYTES_MAX = 1 << 28 };

static const char *prefix(const struct qri_ddl_stmt *s)
{
    return s->is_temp ? "temp." : "main.";
}

static bool is_stored(const struct qr_cat_column *c)
{
    return !c->is_computed || c->is_persisted;
}

static const char *rowid_name(const struct qr_cat_object *table)
{
    return table->storage == QR_STORE_KEYED ? "0" : "rowid";
}

/* SELECT rowid, c1, c2 … ; a column that is not stored reads as NULL. */
static enum qr_status prepare_scan(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                   sqlite3_stmt **ret_stmt)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "SELECT %s", rowid_name(table));
    for (size_t i = 0; i < table->column_count; i++) {
        if (is_stored(&table->columns[i]))
            qr_buf_printf(&sql, ", c%u", table->columns[i].column_id);
        else
            qr_buf_addz(&sql, ", NULL");
    }
    qr_buf_printf(&sql, " FROM %st%u", prefix(s), table->object_id);
    int rc = sqlite3_prepare_v2(s->ddl->conn, qr_buf_cstr(&sql), -1, ret_stmt, NULL);
    qr_buf_done(&sql);
    return rc == SQLITE_OK ? QR_OK : qri_conn_fail(s->ddl->conn, s->err, "scan table");
}

enum qr_status qri_table_scan(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                              qri_row_fn *each, void *ctx)
{
    sqlite3_stmt *stmt = NULL;
    QR_TRY(prepare_scan(s, table, &stmt));
    struct qr_arena arena_row;
    qr_arena_init(&arena_row, ROW_ARENA_BYTES_MAX);
    enum qr_status status = QR_OK;
    int rc = SQLITE_DONE;
    while (status == QR_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        qr_arena_reset(&arena_row);
        struct qr_value *row = qr_arena_array(&arena_row, table->column_count, sizeof *row);
        if (row == NULL) {
            status = qr_fail(s->err, QR_NOMEM, "row");
            break;
        }
        for (size_t i = 0; status == QR_OK && i < table->column_count; i++)
            status =
                qri_column(stmt, (int)i + 1, &table->columns[i].type, &arena_row, &row[i], s->err);
        if (status == QR_OK)
            status = each(ctx, row, sqlite3_column_int64(stmt, 0), s->err);
    }
    if (status == QR_OK && rc != SQLITE_DONE)
        status = qri_conn_fail(s->ddl->conn, s->err, "scan table");
    sqlite3_finalize(stmt);
    qr_arena_done(&arena_row);
    return status;
}

bool qri_has_row(struct qri_ddl_stmt *s, const char *sql, enum qr_status *ret_status)
{
    sqlite3_stmt *stmt = NULL;
    *ret_status = QR_OK;
    if (sqlite3_prepare_v2(s->ddl->conn, sql, -1, &stmt, NULL) != SQLITE_OK) {
        *ret_status = qri_conn_fail(s->ddl->conn, s->err, "look for a row");
        return false;
    }
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        *ret_status = qri_conn_fail(s->ddl->conn, s->err, "look for a row");
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW;
}

bool qri_table_is_empty(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    char sql[128];
    enum qr_status status;
    snprintf(sql, sizeof sql, "SELECT 1 FROM %st%u LIMIT 1", prefix(s), table->object_id);
    return !qri_has_row(s, sql, &status);
}

/* ---- validation of constraints that are being added ---- */

struct check_walk {
    struct qri_ddl_stmt *s;
    const struct qr_cat_object *table;
    const struct qr_expr *expr;
    bool broken;
};

static enum qr_status check_row(void *ctx, const struct qr_value *row, int64_t rowid,
                                struct qr_err *err)
{
    struct check_walk *w = ctx;
    (void)rowid;
    struct qr_eval *eval = w->s->ddl->eval;
    eval->inputs = row;
    eval->input_count = w->table->column_count;
    bool ok = true;
    QR_TRY(qr_expr_test(w->expr, eval, true, &ok, err));
    if (ok)
        return QR_OK;
    w->broken = true;
    return qr_fail(err, QR_EXISTS, "found");
}

static const char *schema_name(struct qri_ddl_stmt *s, uint32_t schema_id)
{
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(&(*s->catalog)->cat, schema_id);
    return schema == NULL ? "dbo" : qri_z(s->arena, schema->name);
}

static const char *full_name(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    const char *name = qr_arena_printf(s->arena, "%s.%s", schema_name(s, table->schema_id),
                                       qri_z(s->arena, table->name));
    return name == NULL ? "" : name;
}

/* 547 as SQL Server words it: ", column 'c'" only when one column is meant. */
static enum qr_status fail_547(struct qri_ddl_stmt *s, const char *kind, struct qr_str constraint,
                               const struct qr_cat_object *table, struct qr_str column)
{
    bool named = column.n > 0;
    return qr_sql_fail(s->err, 547, "ALTER TABLE", kind, qri_z(s->arena, constraint),
                       qri_z(s->arena, (*s->ddl->main)->cat.database_name), full_name(s, table),
                       named ? ", column '" : "", named ? qri_z(s->arena, column) : "",
                       named ? "'" : "");
}

enum qr_status qri_validate_check(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                  const struct qr_cat_check *check)
{
    struct check_walk w = {.s = s, .table = table};
    QR_TRY(qr_tsql_bind_row_expr(s->arena, s->ddl->env, table, check->text, true, NULL, &w.expr,
                                 s->err));
    enum qr_status status = qri_table_scan(s, table, check_row, &w);
    if (!w.broken)
        return status;
    const struct qr_cat_column *c = qr_cat_column_by_id(table, check->column_id);
    return fail_547(s, "CHECK", check->name, table, c == NULL ? (struct qr_str){NULL, 0} : c->name);
}

enum qr_status qri_validate_fk(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                               const struct qr_cat_fk *fk)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "SELECT 1 FROM %st%u AS a WHERE ", prefix(s), table->object_id);
    for (size_t i = 0; i < fk->column_count; i++)
        qr_buf_printf(&sql, "a.c%u IS NOT NULL AND ", fk->parent_columns[i]);
    qr_buf_printf(&sql, "NOT EXISTS(SELECT 1 FROM %st%u AS b WHERE ", prefix(s),
                  fk->referenced_object_id);
    for (size_t i = 0; i < fk->column_count; i++)
        qr_buf_printf(&sql, "%sb.c%u = a.c%u", i == 0 ? "" : " AND ", fk->referenced_columns[i],
                      fk->parent_columns[i]);
    qr_buf_addz(&sql, ") LIMIT 1");
    enum qr_status status;
    bool broken = qri_has_row(s, qr_buf_cstr(&sql), &status);
    qr_buf_done(&sql);
    QR_TRY(status);
    if (!broken)
        return QR_OK;
    const struct qr_cat_object *target =
        fk->referenced_object_id == table->object_id
            ? table
            : qr_cat_by_id(&(*s->catalog)->cat, fk->referenced_object_id);
    struct qr_str column = {NULL, 0};
    if (fk->column_count == 1)
        column = qr_cat_column_by_id(target, fk->referenced_columns[0])->name;
    return fail_547(
        s, fk->referenced_object_id == table->object_id ? "FOREIGN KEY SAME TABLE" : "FOREIGN KEY",
        fk->name, target, column);
}

enum qr_status qri_validate_not_null(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                     const struct qr_cat_column *column)
{
    char sql[160];
    enum qr_status status;
    snprintf(sql, sizeof sql, "SELECT 1 FROM %st%u WHERE c%u IS NULL LIMIT 1", prefix(s),
             table->object_id, column->column_id);
    bool found = qri_has_row(s, sql, &status);
    QR_TRY(status);
    if (!found)
        return QR_OK;
    const char *name =
        qr_arena_printf(s->arena, "%s.%s", qri_z(s->arena, (*s->ddl->main)->cat.database_name),
                        full_name(s, table));
    return qr_sql_fail(s->err, 515, qri_z(s->arena, column->name), name == NULL ? "" : name,
                       "UPDATE");
}

/* ---- rebuild ---- */

struct rebuild {
    struct qri_ddl_stmt *s;
    const struct qr_cat_object *from, *to;
    sqlite3_stmt *insert;
    const struct qr_expr **fill; /* to's columns: value when `from` lacks the column, or computed */
    struct qr_converter *convert; /* to's columns */
    size_t *source;               /* to's columns: index in from, SIZE_MAX = none */
    struct qr_arena arena_row;
    struct qr_value *row;
    const char *sql; /* of `insert` */
    struct qri_bound *bound;
    int64_t identity_next; /* numbers for an identity column that the old rows lack */
};

static enum qr_status prepare_insert(struct rebuild *r)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    bool keeps_rowid = r->to->storage == QR_STORE_HEAP;
    qr_buf_printf(&sql, "INSERT INTO %sn%u(%s", prefix(r->s), r->to->object_id,
                  keeps_rowid ? "rowid" : "");
    int count = keeps_rowid ? 1 : 0;
    for (size_t i = 0; i < r->to->column_count; i++)
        if (is_stored(&r->to->columns[i]))
            qr_buf_printf(&sql, "%sc%u", count++ == 0 ? "" : ", ", r->to->columns[i].column_id);
    qr_buf_addz(&sql, ") VALUES(");
    for (int i = 0; i < count; i++)
        qr_buf_printf(&sql, "%s?%d", i == 0 ? "" : ", ", i + 1);
    qr_buf_addz(&sql, ")");
    r->sql = qr_arena_dup(r->s->arena, sql.data, sql.len);
    r->bound = qr_arena_array(r->s->arena, (size_t)count, sizeof *r->bound);
    enum qr_status status = qr_buf_status(&sql, r->s->err);
    qr_buf_done(&sql);
    QR_TRY(status);
    if (r->sql == NULL || r->bound == NULL)
        return qr_fail(r->s->err, QR_NOMEM, "rebuild table");
    int rc = sqlite3_prepare_v2(r->s->ddl->conn, r->sql, -1, &r->insert, NULL);
    return rc == SQLITE_OK ? QR_OK : qri_conn_fail(r->s->ddl->conn, r->s->err, "rebuild table");
}

static enum qr_status plan_column(struct rebuild *r, size_t i)
{
    const struct qr_cat_column *c = &r->to->columns[i];
    r->source[i] = qr_cat_column_index(r->from, c->column_id);
    if (c->is_computed && c->is_persisted)
        return qr_tsql_bind_row_expr(r->s->arena, r->s->ddl->env, r->to, c->computed_text, false,
                                     &c->type, &r->fill[i], r->s->err);
    if (r->source[i] == SIZE_MAX) {
        if (c->default_text.n == 0)
            return QR_OK;
        return qr_tsql_bind_row_expr(r->s->arena, r->s->ddl->env, NULL, c->default_text, false,
                                     &c->type, &r->fill[i], r->s->err);
    }
    QR_TRY(qr_converter_init(&r->convert[i], &r->from->columns[r->source[i]].type, &c->type,
                             QR_STYLE_DEFAULT, QR_CONVERT_STORE, r->s->err));
    r->convert[i].table = full_name(r->s, r->to);
    r->convert[i].column = qri_z(r->s->arena, c->name);
    return QR_OK;
}

/* The new row's value of column i, from the old row or made anew. */
static enum qr_status fill_value(struct rebuild *r, size_t i, const struct qr_value *old)
{
    const struct qr_cat_column *c = &r->to->columns[i];
    struct qr_eval *eval = r->s->ddl->eval;
    if (r->fill[i] != NULL) {
        eval->inputs = r->row;
        eval->input_count = r->to->column_count;
        QR_TRY(qr_expr_eval(r->fill[i], eval, &r->row[i], r->s->err));
    } else if (r->source[i] == SIZE_MAX && c->is_identity) {
        r->row[i] = qr_value_decimal(&c->type, r->identity_next);
        r->identity_next += c->identity_increment;
    } else if (r->source[i] != SIZE_MAX) {
        struct qr_convert_env env = {.arena = &r->arena_row};
        QR_TRY(qr_convert(&r->convert[i], &old[r->source[i]], &env, &r->row[i], r->s->err));
    } else {
        r->row[i] = qr_value_null();
    }
    if (!c->nullable && qr_value_is_null(&r->row[i]) && !c->is_computed) {
        const char *name = qr_arena_printf(
            r->s->arena, "%s.%s", qri_z(r->s->arena, (*r->s->ddl->main)->cat.database_name),
            full_name(r->s, r->to));
        return qr_sql_fail(r->s->err, 515, qri_z(r->s->arena, c->name), name == NULL ? "" : name,
                           "UPDATE");
    }
    return QR_OK;
}

static size_t bound_count(const struct rebuild *r)
{
    return (size_t)sqlite3_bind_parameter_count(r->insert);
}

static enum qr_status insert_row(struct rebuild *r, int64_t rowid, int *ret_rc, struct qr_err *err)
{
    static const struct qr_type rowid_type = {.id = QR_TYPE_BIGINT};
    size_t count = 0;
    if (r->to->storage == QR_STORE_HEAP) {
        bool fresh = r->from->storage == QR_STORE_KEYED;
        r->bound[count++] =
            (struct qri_bound){&rowid_type, fresh ? qr_value_null() : qr_value_int(rowid)};
    }
    for (size_t i = 0; i < r->to->column_count; i++)
        if (is_stored(&r->to->columns[i]))
            r->bound[count++] = (struct qri_bound){&r->to->columns[i].type, r->row[i]};
    assert(count == bound_count(r));
    for (size_t i = 0; i < count; i++)
        QR_TRY(qri_bind(r->insert, (int)i + 1, r->bound[i].type, &r->bound[i].value, err));
    *ret_rc = sqlite3_step(r->insert);
    sqlite3_reset(r->insert);
    return QR_OK;
}

static enum qr_status record_row(struct rebuild *r, struct qr_err *err)
{
    const struct qri_ddl *ddl = r->s->ddl;
    return r->s->is_temp ? ddl->record(ddl->ctx, r->sql, r->bound, bound_count(r), err) : QR_OK;
}

static enum qr_status rebuild_row(void *ctx, const struct qr_value *old, int64_t rowid,
                                  struct qr_err *err)
{
    struct rebuild *r = ctx;
    qr_arena_reset(&r->arena_row);
    r->s->ddl->eval->row++;
    for (size_t i = 0; i < r->to->column_count; i++)
        if (r->fill[i] == NULL || !r->to->columns[i].is_computed)
            QR_TRY(fill_value(r, i, old));
    for (size_t i = 0; i < r->to->column_count; i++)
        if (r->fill[i] != NULL && r->to->columns[i].is_computed)
            QR_TRY(fill_value(r, i, old));
    int rc = SQLITE_OK;
    QR_TRY(insert_row(r, rowid, &rc, err));
    if ((rc & 0xFF) == SQLITE_CONSTRAINT) { /* only the key of the table itself can fail here */
        struct qr_type types[QR_CAT_KEY_COLUMNS_MAX];
        struct qr_value values[QR_CAT_KEY_COLUMNS_MAX];
        const struct qr_cat_index *key = qr_cat_clustered(r->to);
        struct qr_buf text;
        qr_buf_init(&text, 8192);
        for (size_t i = 0; i < key->key_count; i++) {
            size_t at = qr_cat_column_index(r->to, key->columns[i].column_id);
            types[i] = r->to->columns[at].type;
            values[i] = r->row[at];
        }
        qri_print_key(types, values, key->key_count, &text);
        const char *key_text = qr_arena_dup(r->s->arena, text.data, text.len);
        qr_buf_done(&text);
        enum qr_status status =
            qr_sql_fail(err, 1505, full_name(r->s, r->to), qri_z(r->s->arena, key->name),
                        key_text == NULL ? "" : key_text);
        return key->constraint_object_id != 0 ? qri_constraint_failed(status, err) : status;
    }
    if (rc != SQLITE_DONE)
        return qri_conn_fail(r->s->ddl->conn, err, "rebuild table");
    return record_row(r, err);
}

static enum qr_status copy_rows(struct rebuild *r)
{
    size_t n = r->to->column_count;
    r->fill = qr_arena_array(r->s->arena, n, sizeof *r->fill);
    r->convert = qr_arena_array(r->s->arena, n, sizeof *r->convert);
    r->source = qr_arena_array(r->s->arena, n, sizeof *r->source);
    r->row = qr_arena_array(r->s->arena, n, sizeof *r->row);
    if (r->fill == NULL || r->convert == NULL || r->source == NULL || r->row == NULL)
        return qr_fail(r->s->err, QR_NOMEM, "rebuild table");
    const struct qr_cat_column *identity = qr_cat_column_by_id(r->to, r->to->identity_column);
    bool numbers = identity != NULL && qr_cat_column_by_id(r->from, identity->column_id) == NULL;
    r->identity_next = numbers ? identity->identity_seed : 0;
    for (size_t i = 0; i < n; i++)
        QR_TRY(plan_column(r, i));
    QR_TRY(prepare_insert(r));
    QR_TRY(qri_table_scan(r->s, r->from, rebuild_row, r));
    if (!numbers)
        return QR_OK;
    return r->s->ddl->counter_set(
        r->s->ddl->ctx, qri_counter_id(r->to->object_id, QRI_COUNTER_IDENTITY), r->s->is_temp,
        r->identity_next, identity->identity_increment, r->s->err);
}

/* A heap made of a keyed table has fresh row ids; the counter goes on behind them. */
static enum qr_status reset_rowid_counter(struct qri_ddl_stmt *s, const struct qr_cat_object *to)
{
    sqlite3_stmt *stmt = NULL;
    const char *sql =
        qr_arena_printf(s->arena, "SELECT max(rowid) FROM %st%u", prefix(s), to->object_id);
    if (sql == NULL || sqlite3_prepare_v2(s->ddl->conn, sql, -1, &stmt, NULL) != SQLITE_OK)
        return qri_conn_fail(s->ddl->conn, s->err, "row ids");
    int64_t last = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return s->ddl->counter_set(s->ddl->ctx, qri_counter_id(to->object_id, QRI_COUNTER_ROWID),
                               s->is_temp, last + 1, 1, s->err);
}

enum qr_status qri_sqlite_rebuild(struct qri_ddl_stmt *s, const struct qr_cat_object *from,
                                  const struct qr_cat_object *to)
{
    struct rebuild r = {.s = s, .from = from, .to = to};
    QR_TRY(qri_sqlite_create_table(s, to, "n"));
    qr_arena_init(&r.arena_row, ROW_ARENA_BYTES_MAX);
    enum qr_status status = copy_rows(&r);
    sqlite3_finalize(r.insert);
    qr_arena_done(&r.arena_row);
    QR_TRY(status);
    QR_TRY(qri_sqlite_drop_table(s, from));
    QR_TRY(
        qri_ddl_sql(s, "ALTER TABLE %sn%u RENAME TO t%u", prefix(s), to->object_id, to->object_id));
    for (size_t i = 0; i < to->index_count; i++)
        QR_TRY(qri_sqlite_create_index(s, to, &to->indexes[i]));
    if (to->storage == QR_STORE_HEAP && from->storage != QR_STORE_HEAP)
        QR_TRY(reset_rowid_counter(s, to));
    return QR_OK;
}

void qri_print_key(const struct qr_type *types, const struct qr_value *values, size_t count,
                   struct qr_buf *dst)
{
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    qr_buf_addz(dst, "(");
    for (size_t i = 0; i < count; i++) {
        struct qr_type text = qr_type_sized(QR_TYPE_NVARCHAR, 0);
        struct qr_converter c;
        struct qr_convert_env env = {.arena = &arena};
        struct qr_value out = values[i];
        if (i > 0)
            qr_buf_addz(dst, ", ");
        if (qr_value_is_null(&values[i]))
            qr_buf_addz(dst, "<NULL>");
        else if (qr_converter_init(&c, &types[i], &text, QR_STYLE_DEFAULT, QR_CONVERT_CAST, NULL) ==
                     QR_OK &&
                 qr_convert(&c, &values[i], &env, &out, NULL) == QR_OK)
            qr_buf_addstr(dst, qr_value_bytes(&out));
    }
    qr_buf_addz(dst, ")");
    qr_arena_done(&arena);
}
