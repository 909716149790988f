/* ddl_sqlite.c - tables and indexes as SQLite has them: t<id>, c<id>, i<table>_<index>; see
 * ddl_int.h and TSQL.md section 2. */
#include "ddl_int.h"
#include "link.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "codec/collation.h"
#include "base/banned.h"

enum { SQL_BYTES_MAX = 1 << 20 };

static const char *schema_prefix(const struct qri_ddl_stmt *s)
{
    return s->is_temp ? "temp." : "main.";
}

static enum qr_status run_sql(struct qri_ddl_stmt *s, const char *sql)
{
    QR_TRY(qri_conn_exec(s->ddl->conn, sql, s->err));
    return s->is_temp ? s->ddl->record(s->ddl->ctx, sql, NULL, 0, s->err) : QR_OK;
}

enum qr_status qri_ddl_sql(struct qri_ddl_stmt *s, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        return qr_fail(s->err, QR_NOMEM, "statement");
    enum qr_status status = run_sql(s, text);
    free(text);
    return status;
}

/* The collation clause of a stored column; "" for BINARY. */
static const char *column_collation(const struct qr_type *type)
{
    if (qr_type_is_string(type))
        return qr_order_sqlite_name(qr_order_of(type));
    if (type->id == QR_TYPE_DATETIMEOFFSET)
        return "qr_dto";
    if (type->id == QR_TYPE_SQL_VARIANT)
        return "qr_variant";
    return "";
}

static const char *column_class(const struct qr_type *type)
{
    switch (qr_type_cell(type)) {
    case QR_CELL_INT:
        return "INTEGER";
    case QR_CELL_REAL:
        return "REAL";
    case QR_CELL_TEXT:
        return "TEXT";
    case QR_CELL_BLOB:
        return "BLOB";
    case QR_CELL_WIDE: /* stored as an ordered BLOB, datetimeoffset as TEXT bytes */
        return type->id == QR_TYPE_DATETIMEOFFSET ? "TEXT" : "BLOB";
    case QR_CELL_NULL:
        break;
    }
    return "ANY";
}

static bool is_stored(const struct qr_cat_column *c)
{
    return !c->is_computed || c->is_persisted;
}

static void add_key(struct qr_buf *sql, const struct qr_cat_index *index)
{
    for (size_t i = 0; i < index->key_count; i++)
        qr_buf_printf(sql, "%sc%u%s", i == 0 ? "" : ", ", index->columns[i].column_id,
                      index->columns[i].is_descending ? " DESC" : "");
}

enum qr_status qri_sqlite_create_table(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                       const char *name_prefix)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "CREATE TABLE %s%s%u(", schema_prefix(s), name_prefix, table->object_id);
    bool any = false;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct qr_cat_column *c = &table->columns[i];
        if (!is_stored(c))
            continue;
        const char *collation = column_collation(&c->type);
        qr_buf_printf(&sql, "%sc%u %s", any ? ", " : "", c->column_id, column_class(&c->type));
        if (c->column_id == table->rowid_column)
            qr_buf_addz(&sql, " PRIMARY KEY");
        if (!c->nullable && !c->is_computed)
            qr_buf_addz(&sql, " NOT NULL");
        if (collation[0] != '\0')
            qr_buf_printf(&sql, " COLLATE %s", collation);
        any = true;
    }
    if (!any) /* only computed columns that are not stored: SQLite wants one at least */
        qr_buf_addz(&sql, "c0 INTEGER");
    if (table->storage == QR_STORE_KEYED) {
        qr_buf_addz(&sql, ", PRIMARY KEY(");
        add_key(&sql, qr_cat_clustered(table));
        qr_buf_addz(&sql, ")");
    }
    qr_buf_printf(&sql, ") STRICT%s", table->storage == QR_STORE_KEYED ? ", WITHOUT ROWID" : "");
    enum qr_status status = qr_buf_status(&sql, s->err);
    if (status == QR_OK)
        status = run_sql(s, qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    return status;
}

enum qr_status qri_sqlite_add_column(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    const struct qr_cat_column *c = &table->columns[0];
    const char *collation = column_collation(&c->type);
    return qri_ddl_sql(s, "ALTER TABLE %st%u ADD COLUMN c%u %s%s%s", schema_prefix(s),
                       table->object_id, c->column_id, column_class(&c->type),
                       collation[0] == '\0' ? "" : " COLLATE ", collation);
}

/* ---- filters ----
 * A filter's SQLite form holds only our own canonical constants: digits, or bytes in hexadecimal.
 */

static void add_constant(struct qr_buf *sql, const struct qr_expr *e)
{
    uint8_t scratch[16];
    struct qr_value v = qr_value_store(&e->type, &e->u.value, scratch);
    switch (v.cell) {
    case QR_CELL_INT:
        qr_buf_printf(sql, "%lld", (long long)v.i);
        break;
    case QR_CELL_REAL:
        qr_buf_printf(sql, "%.17g", v.r);
        break;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        qr_buf_addz(sql, v.cell == QR_CELL_TEXT ? "CAST(x'" : "x'");
        for (size_t i = 0; i < v.n; i++)
            qr_buf_printf(sql, "%02x", (unsigned)(uint8_t)v.p[i]);
        qr_buf_addz(sql, v.cell == QR_CELL_TEXT ? "' AS TEXT)" : "'");
        break;
    case QR_CELL_NULL:
    case QR_CELL_WIDE:
        qr_buf_addz(sql, "NULL");
        break;
    }
}

static const char *cmp_text(enum qr_cmp op)
{
    static const char *const texts[] = {
        [QR_CMP_EQ] = "=",  [QR_CMP_NE] = "<>", [QR_CMP_LT] = "<",
        [QR_CMP_LE] = "<=", [QR_CMP_GT] = ">",  [QR_CMP_GE] = ">=",
    };
    return texts[op];
}

static bool add_operand(struct qr_buf *sql, const struct qr_cat_object *table,
                        const struct qr_expr *e)
{
    if (e->kind == QR_EXPR_INPUT && e->u.index < table->column_count &&
        is_stored(&table->columns[e->u.index])) {
        qr_buf_printf(sql, "c%u", table->columns[e->u.index].column_id);
        return true;
    }
    if (e->kind == QR_EXPR_CONST) {
        add_constant(sql, e);
        return true;
    }
    return false;
}

static bool add_in(struct qr_buf *sql, const struct qr_cat_object *table, const struct qr_expr *e)
{
    if (e->u.negated || !add_operand(sql, table, e->args[0]))
        return false;
    qr_buf_addz(sql, " IN (");
    for (size_t i = 1; i < e->arg_count; i++) {
        if (i > 1)
            qr_buf_addz(sql, ", ");
        if (e->args[i]->kind != QR_EXPR_CONST || !add_operand(sql, table, e->args[i]))
            return false;
    }
    qr_buf_addz(sql, ")");
    return true;
}

static bool add_filter(struct qr_buf *sql, const struct qr_cat_object *table,
                       const struct qr_expr *e)
{
    switch ((int)e->kind) {
    case QR_EXPR_CMP:
        if (!add_operand(sql, table, e->args[0]))
            return false;
        qr_buf_addz(sql, cmp_text(e->u.cmp));
        return add_operand(sql, table, e->args[1]);
    case QR_EXPR_IS_NULL:
        if (!add_operand(sql, table, e->args[0]))
            return false;
        qr_buf_addz(sql, e->u.negated ? " IS NOT NULL" : " IS NULL");
        return true;
    case QR_EXPR_AND:
        for (size_t i = 0; i < e->arg_count; i++) {
            if (i > 0)
                qr_buf_addz(sql, " AND ");
            if (!add_filter(sql, table, e->args[i]))
                return false;
        }
        return true;
    case QR_EXPR_IN:
        return add_in(sql, table, e);
    default:
        return false;
    }
}

static enum qr_status add_where(struct qri_ddl_stmt *s, struct qr_buf *sql,
                                const struct qr_cat_object *table, const struct qr_cat_index *index)
{
    if (index->filter_text.n == 0)
        return QR_OK;
    const struct qr_expr *filter = NULL;
    QR_TRY(qr_tsql_bind_row_expr(s->arena, s->ddl->env, table, index->filter_text, true, NULL,
                                 &filter, s->err));
    if (!add_filter(sql, table, filter))
        return qr_sql_fail(s->err, 10620, qri_z(s->arena, index->name),
                           qri_z(s->arena, table->name));
    return QR_OK;
}

/* One NULL only in a unique key over nullable columns: a second index over the rows that have a
 * NULL in the key ([TSQL.md] 2). */
static enum qr_status create_null_guard(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                        const struct qr_cat_index *index)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "CREATE UNIQUE INDEX %si%u_%un ON t%u(", schema_prefix(s), table->object_id,
                  index->index_id, table->object_id);
    for (size_t i = 0; i < index->key_count; i++) {
        uint32_t id = index->columns[i].column_id;
        const struct qr_cat_column *c = qr_cat_column_by_id(table, id);
        const char *collation = column_collation(&c->type);
        qr_buf_printf(&sql, "%sc%u IS NULL, ifnull(c%u, 0)%s%s", i == 0 ? "" : ", ", id, id,
                      collation[0] == '\0' ? "" : " COLLATE ", collation);
    }
    qr_buf_addz(&sql, ") WHERE (");
    bool any = false;
    for (size_t i = 0; i < index->key_count; i++) {
        const struct qr_cat_column *c = qr_cat_column_by_id(table, index->columns[i].column_id);
        if (!c->nullable)
            continue;
        qr_buf_printf(&sql, "%sc%u IS NULL", any ? " OR " : "", c->column_id);
        any = true;
    }
    qr_buf_addz(&sql, ")");
    enum qr_status status = QR_OK;
    if (index->filter_text.n > 0) {
        qr_buf_addz(&sql, " AND ");
        status = add_where(s, &sql, table, index);
    }
    if (status == QR_OK)
        status = qr_buf_status(&sql, s->err);
    if (status == QR_OK)
        status = run_sql(s, qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    return status;
}

struct duplicate {
    const struct qr_cat_object *table;
    const struct qr_cat_index *index;
    struct qr_value *previous;
    struct qr_buf key;
    bool found;
};

/* The first key that stands twice in the table, for message 1505: rows come in key order. */
static enum qr_status find_duplicate(struct qri_ddl_stmt *s, struct duplicate *d)
{
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_addz(&sql, "SELECT ");
    for (size_t i = 0; i < d->index->key_count; i++)
        qr_buf_printf(&sql, "%sc%u", i == 0 ? "" : ", ", d->index->columns[i].column_id);
    qr_buf_printf(&sql, " FROM %st%u", schema_prefix(s), d->table->object_id);
    if (d->index->filter_text.n > 0) {
        qr_buf_addz(&sql, " WHERE ");
        enum qr_status status = add_where(s, &sql, d->table, d->index);
        if (status != QR_OK) {
            qr_buf_done(&sql);
            return status;
        }
    }
    qr_buf_addz(&sql, " GROUP BY ");
    for (size_t i = 0; i < d->index->key_count; i++)
        qr_buf_printf(&sql, "%s%zu", i == 0 ? "" : ", ", i + 1);
    qr_buf_addz(&sql, " HAVING count(*) > 1 LIMIT 1");
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->ddl->conn, qr_buf_cstr(&sql), -1, &stmt, NULL);
    qr_buf_done(&sql);
    if (rc != SQLITE_OK)
        return qri_conn_fail(s->ddl->conn, s->err, "look for duplicates");
    enum qr_status status = QR_OK;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        struct qr_type types[QR_CAT_KEY_COLUMNS_MAX];
        struct qr_value values[QR_CAT_KEY_COLUMNS_MAX];
        for (size_t i = 0; status == QR_OK && i < d->index->key_count; i++) {
            types[i] = qr_cat_column_by_id(d->table, d->index->columns[i].column_id)->type;
            status = qri_column(stmt, (int)i, &types[i], s->arena, &values[i], s->err);
        }
        if (status == QR_OK)
            qri_print_key(types, values, d->index->key_count, &d->key);
        d->found = status == QR_OK;
    }
    sqlite3_finalize(stmt);
    return status;
}

/* CREATE UNIQUE INDEX failed: is it because rows stand twice? Then 1505, else what SQLite said. */
static enum qr_status explain_failure(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                      const struct qr_cat_index *index, enum qr_status was)
{
    if ((sqlite3_errcode(s->ddl->conn) & 0xFF) != SQLITE_CONSTRAINT)
        return was;
    struct duplicate d = {.table = table, .index = index};
    qr_buf_init(&d.key, 8192);
    enum qr_status status = find_duplicate(s, &d);
    if (status == QR_OK && d.found) {
        const struct qr_cat_schema *schema =
            qr_cat_schema_by_id(&(*s->catalog)->cat, table->schema_id);
        const char *full = qr_arena_printf(
            s->arena, "%.*s.%.*s", schema == NULL ? 3 : (int)schema->name.n,
            schema == NULL ? "dbo" : schema->name.p, (int)table->name.n, table->name.p);
        status = qr_sql_fail(s->err, 1505, full == NULL ? "" : full, qri_z(s->arena, index->name),
                             qr_buf_cstr(&d.key));
        if (index->constraint_object_id != 0)
            status = qri_constraint_failed(status, s->err);
    } else if (status == QR_OK) {
        status = was;
    }
    qr_buf_done(&d.key);
    return status;
}

enum qr_status qri_sqlite_create_index(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                       const struct qr_cat_index *index)
{
    if (index->is_disabled)
        return QR_OK;
    if (index->is_clustered && table->storage != QR_STORE_HEAP)
        return QR_OK; /* it is the table itself */
    struct qr_buf sql;
    qr_buf_init(&sql, SQL_BYTES_MAX);
    qr_buf_printf(&sql, "CREATE %sINDEX %si%u_%u ON t%u(", index->is_unique ? "UNIQUE " : "",
                  schema_prefix(s), table->object_id, index->index_id, table->object_id);
    add_key(&sql, index);
    qr_buf_addz(&sql, ")");
    enum qr_status status = QR_OK;
    if (index->filter_text.n > 0) {
        qr_buf_addz(&sql, " WHERE ");
        status = add_where(s, &sql, table, index);
    }
    if (status == QR_OK)
        status = qr_buf_status(&sql, s->err);
    if (status == QR_OK)
        status = run_sql(s, qr_buf_cstr(&sql));
    qr_buf_done(&sql);
    if (status == QR_OK && index->has_null_guard)
        status = create_null_guard(s, table, index);
    if (status != QR_OK && status != QR_SQL && index->is_unique)
        status = explain_failure(s, table, index, status);
    return status;
}

enum qr_status qri_sqlite_drop_index(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                     const struct qr_cat_index *index)
{
    QR_TRY(qri_ddl_sql(s, "DROP INDEX IF EXISTS %si%u_%u", schema_prefix(s), table->object_id,
                       index->index_id));
    return qri_ddl_sql(s, "DROP INDEX IF EXISTS %si%u_%un", schema_prefix(s), table->object_id,
                       index->index_id);
}

enum qr_status qri_sqlite_drop_table(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    return qri_ddl_sql(s, "DROP TABLE %st%u", schema_prefix(s), table->object_id);
}

void qri_choose_storage(struct qr_cat_object *table)
{
    table->storage = QR_STORE_HEAP;
    table->rowid_column = 0;
    table->identity_column = 0;
    table->rowversion_column = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].is_identity)
            table->identity_column = table->columns[i].column_id;
        if (table->columns[i].type.id == QR_TYPE_ROWVERSION)
            table->rowversion_column = table->columns[i].column_id;
    }
    for (size_t i = 0; i < table->index_count; i++) {
        struct qr_cat_index *x = &table->indexes[i];
        bool nullable = false;
        for (size_t k = 0; k < x->key_count; k++)
            nullable |= qr_cat_column_by_id(table, x->columns[k].column_id)->nullable;
        x->has_null_guard = x->is_unique && nullable;
        if (!x->is_clustered || !x->is_unique || nullable || x->is_disabled)
            continue;
        const struct qr_cat_column *c = qr_cat_column_by_id(table, x->columns[0].column_id);
        bool is_integer = c->type.id >= QR_TYPE_TINYINT && c->type.id <= QR_TYPE_BIGINT;
        if (x->key_count == 1 && is_integer && !c->is_computed && !x->columns[0].is_descending) {
            table->storage = QR_STORE_ROWID;
            table->rowid_column = c->column_id;
        } else {
            table->storage = QR_STORE_KEYED;
        }
    }
}
