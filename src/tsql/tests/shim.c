/* shim.c - see shim.h: the catalog, SELECT, and DML applied row by row */
#include "shim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sqlmsg.h"
#include "codec/collation.h"

static void must(enum qr_status status, const struct qr_err *err)
{
    if (status == QR_OK)
        return;
    fprintf(stderr, "shim: %s\n", err->text);
    abort();
}

void shim_init(struct shim *s)
{
    memset(s, 0, sizeof *s);
    qr_arena_init(&s->arena, 64 << 20);
    qr_arena_init(&s->work, 256 << 20);
    qr_buf_init(&s->out, 16 << 20);
    qr_buf_init(&s->locks, 1 << 20);
    s->schemas[0] = (struct qr_cat_schema){.schema_id = QR_SCHEMA_DBO, .name = qr_str("dbo")};
    s->schemas[1] = (struct qr_cat_schema){.schema_id = 5, .name = qr_str("app")};
    s->catalog = (struct qr_catalog){.version = 1,
                                     .database_name = qr_str("db1"),
                                     .database_id = 5,
                                     .collation_id = QR_COLLATION_DEFAULT,
                                     .schemas = s->schemas,
                                     .schema_count = 2,
                                     .objects = s->objects,
                                     .next_object_id = 100};
    s->env = (struct qr_bind_env){.catalog = &s->catalog,
                                  .vars = s->vars,
                                  .default_schema_id = QR_SCHEMA_DBO,
                                  .options = {.quoted_identifier = true,
                                              .ansi_nulls = true,
                                              .ansi_warnings = true,
                                              .arithabort = true,
                                              .concat_null_yields_null = true}};
    qr_eval_settings_init(&s->settings);
    qr_map_init(&s->catalog.by_name, true);
    assert(sqlite3_open(":memory:", &s->db) == SQLITE_OK);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    shim_register(s);
}

void shim_done(struct shim *s)
{
    sqlite3_close(s->db);
    qr_cat_done(&s->catalog);
    qr_buf_done(&s->out);
    qr_buf_done(&s->locks);
    qr_arena_done(&s->work);
    qr_arena_done(&s->arena);
}

/* --- the catalog --- */

static struct qr_str next_item(struct qr_str *rest, char separator)
{
    int depth = 0;
    size_t i = 0;
    while (i < rest->n && (depth > 0 || rest->p[i] != separator)) {
        depth += (rest->p[i] == '(') - (rest->p[i] == ')');
        i++;
    }
    struct qr_str item = qr_str_trim(qr_str_n(rest->p, i));
    *rest = qr_str_n(rest->p + i + (i < rest->n), rest->n - i - (i < rest->n));
    return item;
}

static struct qr_type type_of(struct shim *s, struct qr_str text)
{
    struct qr_ast_type ast;
    struct qr_type type;
    uint32_t user;
    bool nullable;
    must(qr_tsql_parse_type(&s->arena, text.p, text.n, &ast, &s->err), &s->err);
    must(qr_tsql_resolve_type(&s->env, &ast, &type, &user, &nullable, &s->err), &s->err);
    return type;
}

static struct qr_cat_object *add_object(struct shim *s, enum qr_cat_type type, const char *name)
{
    struct qr_cat_object *o = qr_arena_alloc(&s->arena, sizeof *o);
    o->object_id = s->catalog.next_object_id++;
    o->schema_id = QR_SCHEMA_DBO;
    if (strncmp(name, "app.", 4) == 0) {
        o->schema_id = 5;
        name += 4;
    }
    o->name = qr_str(name);
    o->type = type;
    o->uses_quoted_identifier = o->uses_ansi_nulls = true;
    s->objects[s->catalog.object_count++] = o;
    return o;
}

struct column_words {
    bool pk, unique;
};

static struct column_words add_column(struct shim *s, struct qr_cat_object *o, struct qr_str text)
{
    struct column_words words = {0};
    struct qr_cat_column *c = &o->columns[o->column_count++];
    c->column_id = (uint32_t)o->column_count;
    c->name = next_item(&text, ' ');
    c->type = type_of(s, next_item(&text, ' '));
    while (text.n > 0) {
        struct qr_str word = next_item(&text, ' ');
        if (qr_str_ieqz(word, "pk"))
            words.pk = true;
        if (qr_str_ieqz(word, "unique"))
            words.unique = true;
        if (qr_str_ieqz(word, "null"))
            c->nullable = true;
        if (qr_str_ieqz(word, "persisted"))
            c->is_persisted = true;
        if (qr_str_ieqz(word, "identity")) {
            c->is_identity = true;
            o->identity_column = c->column_id;
        }
        if (qr_str_ieqz(word, "default"))
            c->default_text = next_item(&text, ' ');
        if (qr_str_ieqz(word, "as")) {
            c->is_computed = c->nullable = true;
            c->computed_text = next_item(&text, ' ');
        }
    }
    return words;
}

static void add_index(struct shim *s, struct qr_cat_object *o, bool clustered,
                      const uint32_t *columns, size_t count)
{
    struct qr_cat_index *index = &o->indexes[o->index_count++];
    index->index_id = clustered ? 1 : (uint32_t)o->index_count + 1;
    index->name = qr_str("ix");
    index->is_unique = true;
    index->is_clustered = index->is_primary_key = clustered;
    index->columns = qr_arena_array(&s->arena, count, sizeof *index->columns);
    index->column_count = index->key_count = count;
    for (size_t i = 0; i < count; i++)
        index->columns[i].column_id = columns[i];
}

static const char *cell_word(const struct qr_type *type)
{
    switch (qr_type_cell(type)) {
    case QR_CELL_REAL:
        return "REAL";
    case QR_CELL_TEXT:
        return "TEXT";
    case QR_CELL_INT:
        return "INTEGER";
    case QR_CELL_NULL:
    case QR_CELL_BLOB:
    case QR_CELL_WIDE:
        break;
    }
    return type->id == QR_TYPE_DATETIMEOFFSET ? "TEXT" : "BLOB";
}

/* The engine's unique indexes, under their collations. */
static void create_index(struct shim *s, const struct qr_cat_object *o,
                         const struct qr_cat_index *index)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "CREATE UNIQUE INDEX i%u_%u ON t%u(c%u)",
                   (unsigned)o->object_id, (unsigned)index->index_id, (unsigned)o->object_id,
                   (unsigned)index->columns[0].column_id);
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

static void create(struct shim *s, const struct qr_cat_object *o)
{
    struct qr_buf sql;
    qr_buf_init(&sql, 1 << 20);
    qr_buf_printf(&sql, "CREATE TABLE t%u(", (unsigned)o->object_id);
    const char *separator = "";
    for (size_t i = 0; i < o->column_count; i++) {
        const struct qr_cat_column *c = &o->columns[i];
        if (c->is_computed && !c->is_persisted)
            continue;
        qr_buf_printf(&sql, "%sc%u %s%s", separator, (unsigned)c->column_id, cell_word(&c->type),
                      o->rowid_column == c->column_id ? " PRIMARY KEY" : "");
        separator = ", ";
        if (qr_type_is_string(&c->type))
            qr_buf_printf(&sql, " COLLATE %s", qr_order_sqlite_name(qr_order_of(&c->type)));
    }
    if (o->storage == QR_STORE_KEYED) {
        for (size_t i = 0; i < o->indexes[0].key_count; i++)
            qr_buf_printf(&sql, "%sc%u", i == 0 ? ", PRIMARY KEY(" : ", ",
                          (unsigned)o->indexes[0].columns[i].column_id);
        qr_buf_addz(&sql, ")) STRICT, WITHOUT ROWID");
    } else {
        qr_buf_addz(&sql, ") STRICT");
    }
    if (sqlite3_exec(s->db, qr_buf_cstr(&sql), NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", qr_buf_cstr(&sql), sqlite3_errmsg(s->db));
        abort();
    }
    qr_buf_done(&sql);
}

void shim_table(struct shim *s, const char *name, const char *columns)
{
    struct qr_cat_object *o = add_object(s, QR_CAT_TABLE, name);
    struct qr_str rest = qr_str(columns);
    uint32_t keys[8];
    size_t key_count = 0;
    o->columns = qr_arena_array(&s->arena, 32, sizeof *o->columns);
    o->indexes = qr_arena_array(&s->arena, 8, sizeof *o->indexes);
    while (rest.n > 0) {
        struct column_words words = add_column(s, o, next_item(&rest, ','));
        uint32_t id = o->columns[o->column_count - 1].column_id;
        if (words.pk)
            keys[key_count++] = id;
        if (words.unique)
            add_index(s, o, false, &id, 1);
    }
    o->storage = QR_STORE_HEAP;
    if (key_count > 0) {
        add_index(s, o, true, keys, key_count);
        struct qr_cat_index swap = o->indexes[0];
        o->indexes[0] = o->indexes[o->index_count - 1];
        o->indexes[o->index_count - 1] = swap;
        const struct qr_cat_column *key = qr_cat_column_by_id(o, keys[0]);
        bool rowid = key_count == 1 && qr_type_family(&key->type) == QR_FAMILY_INT;
        o->storage = rowid ? QR_STORE_ROWID : QR_STORE_KEYED;
        o->rowid_column = rowid ? keys[0] : 0;
    }
    create(s, o);
    for (size_t i = 0; i < o->index_count; i++)
        if (!o->indexes[i].is_clustered)
            create_index(s, o, &o->indexes[i]);
}

void shim_module(struct shim *s, enum qr_cat_type type, const char *name, const char *params,
                 const char *text)
{
    struct qr_cat_object *o = add_object(s, type, name);
    struct qr_str rest = qr_str(params);
    o->text = qr_str(text);
    o->params = qr_arena_array(&s->arena, 8, sizeof *o->params);
    while (rest.n > 0) {
        struct qr_str item = next_item(&rest, ',');
        struct qr_cat_param *p = &o->params[o->param_count++];
        p->name = next_item(&item, ' ');
        p->parameter_id = qr_str_ieqz(p->name, "returns") ? 0 : (uint32_t)o->param_count;
        p->type = type_of(s, next_item(&item, ' '));
    }
}

void shim_freeze(struct shim *s)
{
    qr_map_done(&s->catalog.by_name);
    must(qr_cat_freeze(&s->catalog, &s->arena, &s->err), &s->err);
}

void shim_var(struct shim *s, const char *name, const char *type, const char *text)
{
    struct qr_ast_expr *ast;
    const struct qr_expr *expr;
    struct qr_plan *plan;
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_bind_var *var = &s->vars[s->var_count];
    struct qr_eval eval;
    var->name = qr_str(name);
    var->slot = (uint32_t)s->var_count;
    var->type = type_of(s, qr_str(type));
    must(qr_tsql_parse_expr(&s->arena, text, strlen(text), &options, &ast, &s->err), &s->err);
    must(qr_tsql_bind_scalar(&s->arena, &s->env, ast, &var->type, &expr, &plan, NULL, &s->err),
         &s->err);
    shim_eval_init(s, &eval);
    eval.arena = &s->arena;
    must(qr_expr_eval(expr, &eval, &s->values[s->var_count], &s->err), &s->err);
    s->var_count++;
    s->env.var_count = s->var_count;
}

/* --- running --- */

static int bind_value(sqlite3_stmt *stmt, int i, const struct qr_type *type,
                      const struct qr_value *value)
{
    uint8_t scratch[16];
    struct qr_value v = qr_value_store(type, value, scratch);
    if (v.cell == QR_CELL_NULL)
        return sqlite3_bind_null(stmt, i);
    if (v.cell == QR_CELL_INT)
        return sqlite3_bind_int64(stmt, i, v.i);
    if (v.cell == QR_CELL_REAL)
        return sqlite3_bind_double(stmt, i, v.r);
    if (v.cell == QR_CELL_TEXT)
        return sqlite3_bind_text(stmt, i, v.n == 0 ? "" : v.p, (int)v.n, SQLITE_TRANSIENT);
    return sqlite3_bind_blob(stmt, i, v.n == 0 ? "" : v.p, (int)v.n, SQLITE_TRANSIENT);
}

enum qr_status shim_bind(struct shim *s, sqlite3_stmt *stmt, const struct qr_plan_sql *sql,
                         const struct qr_value *args)
{
    struct qr_eval eval;
    struct qr_value value;
    shim_eval_init(s, &eval);
    for (size_t k = 0; k < sql->param_count; k++) {
        const struct qr_plan_param *p = &sql->params[k];
        int i = (int)k + 1;
        switch (p->kind) {
        case QR_PARAM_VAR:
            bind_value(stmt, i, &p->type, &s->values[p->slot]);
            break;
        case QR_PARAM_EXPR:
            QR_TRY(qr_expr_eval(p->expr, &eval, &value, &s->err));
            bind_value(stmt, i, &p->type, &value);
            break;
        case QR_PARAM_ARG:
            bind_value(stmt, i, &p->type, &args[p->slot]);
            break;
        case QR_PARAM_PROGRAM:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->program, "qr_program", NULL);
            break;
        case QR_PARAM_AGG:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->agg, "qr_agg", NULL);
            break;
        case QR_PARAM_AGG_WINDOW:
            sqlite3_bind_int64(stmt, i, (intptr_t)p->agg);
            break;
        case QR_PARAM_AGG_SORTED:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->sorted, "qr_agg_sorted", NULL);
            break;
        case QR_PARAM_ROWS:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->rows, "qr_rows", NULL);
            break;
        case QR_PARAM_LOCK:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->lock, "qr_lock", NULL);
            break;
        case QR_PARAM_FOR:
            sqlite3_bind_pointer(stmt, i, (void *)(uintptr_t)p->for_call, "qr_for", NULL);
            break;
        }
    }
    return QR_OK;
}

static enum qr_status prepare(struct shim *s, const struct qr_plan_sql *sql,
                              sqlite3_stmt **ret_stmt)
{
    if (s->print_sql)
        fprintf(stderr, "%s\n", sql->text.p);
    if (sqlite3_prepare_v2(s->db, sql->text.p, -1, ret_stmt, NULL) != SQLITE_OK)
        return qr_fail(&s->err, QR_BUG, "SQLite: %s in %s", sqlite3_errmsg(s->db), sql->text.p);
    enum qr_status status = shim_bind(s, *ret_stmt, sql, NULL);
    if (status != QR_OK) {
        sqlite3_finalize(*ret_stmt);
        *ret_stmt = NULL;
    }
    return status;
}

/* What a finished statement says; an error of ours is in s->err. */
static enum qr_status finish(struct shim *s, sqlite3_stmt *stmt, int rc)
{
    if (rc != SQLITE_DONE && s->err.status == QR_OK)
        (void)qr_fail(&s->err, QR_BUG, "SQLite: %s", sqlite3_errmsg(s->db));
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? QR_OK : s->err.status;
}

static void print_to(struct shim *s, struct qr_buf *out, const struct qr_type *type,
                     const struct qr_value *value)
{
    struct qr_eval eval;
    struct qr_value text;
    struct qr_type to = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    to.collation = QR_COLLATION_DEFAULT;
    if (qr_value_is_null(value)) {
        qr_buf_addz(out, "NULL");
        return;
    }
    shim_eval_init(s, &eval);
    must(qr_eval_cast(&eval, type, value, &to, type->id == QR_TYPE_DATETIME ? 121 : 0,
                      QR_CAST_EXPLICIT, NULL, NULL, &text, &s->err),
         &s->err);
    qr_buf_add(out, text.p, text.n);
}

static void print_value(struct shim *s, const struct qr_type *type, const struct qr_value *value)
{
    print_to(s, &s->out, type, value);
}

static enum qr_status run_select(struct shim *s, const struct qr_plan *plan)
{
    sqlite3_stmt *stmt = NULL;
    int rc;
    QR_TRY(prepare(s, &plan->select, &stmt));
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if ((size_t)sqlite3_column_count(stmt) != plan->column_count) {
            sqlite3_finalize(stmt);
            return qr_fail(&s->err, QR_BUG, "%d columns for %zu", sqlite3_column_count(stmt),
                           plan->column_count);
        }
        for (size_t i = 0; i < plan->column_count; i++) {
            struct qr_value v =
                shim_cell(s, sqlite3_column_value(stmt, (int)i), &plan->columns[i].type);
            if (plan->kind == QR_PLAN_SELECT_ASSIGN) {
                must(qr_value_copy(&s->arena, &v, &s->values[plan->assigns[i].slot]), &s->err);
                continue;
            }
            qr_buf_addz(&s->out, i == 0 ? (s->out.len > 0 ? "\n" : "") : "|");
            print_value(s, &plan->columns[i].type, &v);
        }
    }
    return finish(s, stmt, rc);
}

/* --- DML, row by row --- */

enum { STAGE_ROWS_MAX = 256, ROW_VALUES_MAX = 96 };
struct staged {
    struct qr_value values[ROW_VALUES_MAX];
};

static enum qr_status stage(struct shim *s, const struct qr_plan_dml *dml, struct staged *rows,
                            size_t *ret_count)
{
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    int rc;
    QR_TRY(prepare(s, &dml->stage, &stmt));
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        assert(n < STAGE_ROWS_MAX && dml->stage_column_count < ROW_VALUES_MAX);
        assert((size_t)sqlite3_column_count(stmt) == dml->stage_column_count);
        for (size_t i = 0; i < dml->stage_column_count; i++)
            rows[n].values[i] =
                shim_cell(s, sqlite3_column_value(stmt, (int)i), &dml->stage_types[i]);
        n++;
    }
    *ret_count = n;
    return finish(s, stmt, rc);
}

static enum qr_status exec_bound(struct shim *s, const char *sql, const struct qr_type *types,
                                 const struct qr_value *values, size_t count)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return qr_fail(&s->err, QR_BUG, "SQLite: %s in %s", sqlite3_errmsg(s->db), sql);
    for (size_t i = 0; i < count; i++)
        bind_value(stmt, (int)i + 1, &types[i], &values[i]);
    return finish(s, stmt, sqlite3_step(stmt));
}

static bool is_stored(const struct qr_cat_column *c)
{
    return !c->is_computed || c->is_persisted;
}

static enum qr_status put_row(struct shim *s, const struct qr_plan_dml *dml, struct qr_value *row)
{
    struct qr_buf sql;
    struct qr_type types[ROW_VALUES_MAX];
    struct qr_value values[ROW_VALUES_MAX];
    struct qr_eval eval;
    size_t n = 0;
    shim_eval_init(s, &eval);
    eval.inputs = row;
    eval.input_count = dml->target->column_count;
    qr_buf_init(&sql, 1 << 16);
    qr_buf_printf(&sql, "INSERT INTO t%u(", (unsigned)dml->target->object_id);
    for (size_t i = 0; i < dml->target->column_count; i++) {
        const struct qr_cat_column *c = &dml->target->columns[i];
        if (dml->computed[i] != NULL)
            QR_TRY(qr_expr_eval(dml->computed[i], &eval, &row[i], &s->err));
        if (!is_stored(c))
            continue;
        qr_buf_printf(&sql, "%sc%u", n == 0 ? "" : ",", (unsigned)c->column_id);
        types[n] = c->type;
        values[n++] = row[i];
    }
    qr_buf_addz(&sql, ") VALUES(");
    for (size_t i = 0; i < n; i++)
        qr_buf_addz(&sql, i == 0 ? "?" : ",?");
    qr_buf_addz(&sql, ")");
    for (size_t i = 0; i < dml->target->check_count; i++) {
        bool ok = true;
        if (dml->checks[i] != NULL)
            QR_TRY(qr_expr_test(dml->checks[i], &eval, true, &ok, &s->err));
        if (!ok)
            return qr_sql_fail(&s->err, 547, "INSERT", "CHECK", "ck", "db1", "t", "", "", "");
    }
    enum qr_status status = exec_bound(s, qr_buf_cstr(&sql), types, values, n);
    qr_buf_done(&sql);
    return status;
}

static enum qr_status drop_row(struct shim *s, const struct qr_plan_dml *dml,
                               const struct qr_value *key)
{
    char sql[512];
    size_t at = (size_t)snprintf(sql, sizeof sql, "DELETE FROM t%u WHERE ",
                                 (unsigned)dml->target->object_id);
    for (size_t i = 0; i < dml->key_count; i++) {
        const struct qr_cat_index *pk = qr_cat_clustered(dml->target);
        if (dml->target->storage == QR_STORE_KEYED)
            at += (size_t)snprintf(sql + at, sizeof sql - at, "%sc%u = ?", i == 0 ? "" : " AND ",
                                   (unsigned)pk->columns[i].column_id);
        else
            at += (size_t)snprintf(sql + at, sizeof sql - at, "rowid = ?");
    }
    return exec_bound(s, sql, dml->stage_types, key, dml->key_count);
}

static enum qr_status output(struct shim *s, const struct qr_plan_dml *dml, int action,
                             const struct qr_value *old, const struct qr_value *new_row,
                             const struct qr_value *extras)
{
    static const char *const actions[] = {"", "INSERT", "UPDATE", "DELETE"};
    struct qr_value inputs[3 * ROW_VALUES_MAX];
    struct qr_eval eval;
    size_t n = dml->target->column_count;
    memset(inputs, 0, sizeof inputs);
    for (size_t i = 0; i < n; i++) {
        inputs[i] = old == NULL ? qr_value_null() : old[i];
        inputs[n + i] = new_row == NULL ? qr_value_null() : new_row[i];
    }
    inputs[2 * n] = qr_value_str(qr_str(actions[action]));
    assert(extras != NULL || dml->extra_count == 0);
    for (size_t i = 0; i < dml->extra_count; i++)
        inputs[2 * n + 1 + i] = extras[i];
    shim_eval_init(s, &eval);
    eval.inputs = inputs;
    eval.input_count = 2 * n + 1 + dml->extra_count;
    for (size_t i = 0; i < dml->output.count; i++) {
        struct qr_value v;
        QR_TRY(qr_expr_eval(dml->output.exprs[i], &eval, &v, &s->err));
        qr_buf_addz(&s->out, i == 0 ? (s->out.len > 0 ? "\n" : "") : "|");
        print_value(s, &dml->output.columns[i].type, &v);
    }
    return QR_OK;
}

static enum qr_status fill(struct shim *s, const struct qr_plan_dml *dml,
                           const struct qr_plan_set *sets, size_t set_count,
                           const struct qr_value *staged, bool defaults, struct qr_value *row)
{
    struct qr_eval eval;
    shim_eval_init(s, &eval);
    for (size_t i = 0; defaults && i < dml->target->column_count; i++) {
        row[i] = qr_value_null();
        if (dml->defaults[i] != NULL)
            QR_TRY(qr_expr_eval(dml->defaults[i], &eval, &row[i], &s->err));
        if (dml->target->columns[i].is_identity)
            row[i] = qr_value_int(1000 + sqlite3_total_changes(s->db));
    }
    for (size_t k = 0; k < set_count; k++) {
        size_t i = qr_cat_column_index(dml->target, sets[k].column_id);
        if (sets[k].is_default)
            continue;
        if (sets[k].expr != NULL)
            QR_TRY(qr_expr_eval(sets[k].expr, &eval, &row[i], &s->err));
        else {
            assert(staged != NULL);
            row[i] = staged[sets[k].stage_index];
        }
    }
    return QR_OK;
}

static enum qr_status insert_one(struct shim *s, const struct qr_plan_dml *dml,
                                 const struct qr_plan_set *sets, size_t set_count,
                                 const struct qr_value *staged)
{
    struct qr_value row[ROW_VALUES_MAX];
    QR_TRY(fill(s, dml, sets, set_count, staged, true, row));
    QR_TRY(put_row(s, dml, row));
    return output(s, dml, QR_ACTION_INSERT, NULL, row,
                  staged == NULL ? NULL : staged + dml->extra_index);
}

static enum qr_status change_one(struct shim *s, const struct qr_plan *plan,
                                 const struct staged *rows, size_t at)
{
    const struct qr_plan_dml *dml = plan->dml;
    const struct qr_value *staged = rows[at].values;
    int action = plan->kind == QR_PLAN_DELETE   ? QR_ACTION_DELETE
                 : plan->kind == QR_PLAN_UPDATE ? QR_ACTION_UPDATE
                                                : (int)staged[dml->action_index].i;
    struct qr_value row[ROW_VALUES_MAX];
    const struct qr_value *old = staged + dml->old_index, *extras = staged + dml->extra_index;
    if (action == QR_ACTION_INSERT)
        return insert_one(s, dml, dml->merge_insert_sets, dml->merge_insert_count, staged);
    for (size_t i = 0; i < dml->assign_count; i++)
        must(qr_value_copy(&s->arena, &staged[dml->assigns[i].column_index],
                           &s->values[dml->assigns[i].slot]),
             &s->err);
    bool again = false;
    for (size_t i = 0; dml->may_repeat && dml->key_count == 1 && i < at; i++)
        again =
            again || (rows[i].values[0].cell == QR_CELL_INT && rows[i].values[0].i == staged[0].i);
    if (again)
        return plan->kind == QR_PLAN_MERGE ? qr_sql_fail(&s->err, 8672) : QR_OK;
    QR_TRY(drop_row(s, dml, staged));
    if (action == QR_ACTION_DELETE)
        return output(s, dml, action, old, NULL, extras);
    for (size_t i = 0; i < dml->target->column_count; i++)
        row[i] = old[i];
    QR_TRY(fill(s, dml, dml->sets, dml->set_count, staged, false, row));
    QR_TRY(put_row(s, dml, row));
    return output(s, dml, action, old, row, extras);
}

static enum qr_status run_dml(struct shim *s, const struct qr_plan *plan)
{
    const struct qr_plan_dml *dml = plan->dml;
    struct staged *rows = qr_arena_array(&s->work, STAGE_ROWS_MAX, sizeof *rows);
    size_t count = 0;
    if (s->prefer_direct && dml->direct.text.n > 0) {
        sqlite3_stmt *stmt = NULL;
        s->direct_count++;
        QR_TRY(prepare(s, &dml->direct, &stmt));
        return finish(s, stmt, sqlite3_step(stmt));
    }
    for (size_t i = 0; i < dml->value_row_count; i++)
        QR_TRY(insert_one(s, dml, dml->value_rows[i], dml->set_count, NULL));
    if (dml->value_row_count > 0)
        return QR_OK;
    QR_TRY(stage(s, dml, rows, &count));
    for (size_t i = 0; i < count; i++)
        if (plan->kind == QR_PLAN_INSERT)
            QR_TRY(insert_one(s, dml, dml->sets, dml->set_count, rows[i].values));
        else
            QR_TRY(change_one(s, plan, rows, i));
    return QR_OK;
}

static const char *const lock_modes[] = {"", "IS", "IX", "S", "U", "X"};

static void print_bound(struct shim *s, const char *before, const struct qr_expr *expr)
{
    struct qr_eval eval;
    struct qr_value value;
    if (expr == NULL)
        return;
    shim_eval_init(s, &eval);
    must(qr_expr_eval(expr, &eval, &value, &s->err), &s->err);
    qr_buf_addz(&s->locks, before);
    print_to(s, &s->locks, &expr->type, &value);
}

/* "S t(1,2)" a key; "S t#1[1 >2 <=3]" of index 1 what begins with 1 and goes on between 2 and 3. */
static void print_prelock(struct shim *s, const struct qr_plan_prelock *lock)
{
    if (lock->is_instead) /* the statement locks keys as it reads */
        return;
    qr_buf_printf(&s->locks, "%s%s%s %.*s", lock_modes[lock->mode], lock->is_brief ? "-" : "",
                  lock->no_wait ? "!" : "", (int)lock->table->name.n, lock->table->name.p);
    if (lock->is_range) {
        qr_buf_printf(&s->locks, "#%u[", lock->index->index_id);
        for (size_t i = 0; i < lock->key_count; i++)
            print_bound(s, i == 0 ? "" : " ", lock->key[i]);
        const char *space = lock->key_count > 0 ? " " : "";
        qr_buf_addz(&s->locks, lock->lo != NULL ? space : "");
        print_bound(s, lock->lo_is_open ? ">" : ">=", lock->lo);
        space = lock->key_count > 0 || lock->lo != NULL ? " " : "";
        qr_buf_addz(&s->locks, lock->hi != NULL ? space : "");
        print_bound(s, lock->hi_is_open ? "<" : "<=", lock->hi);
        qr_buf_addz(&s->locks, "] ");
        return;
    }
    for (size_t i = 0; lock->index != NULL && i < lock->index->key_count; i++)
        print_bound(s, i == 0 ? "(" : ",", lock->key[i]);
    qr_buf_addz(&s->locks, lock->index != NULL ? ") " : " ");
}

static enum qr_status run_all(struct shim *s, const char *sql)
{
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch;
    QR_TRY(qr_tsql_parse(&s->work, sql, strlen(sql), &options, &batch, &s->err));
    for (size_t i = 0; i < batch->stmts.count; i++) {
        struct qr_plan *plan = NULL;
        QR_TRY(qr_tsql_compile(&s->work, &s->env, batch->stmts.items[i], &plan, &s->err));
        for (size_t k = 0; k < plan->prelock_count; k++)
            print_prelock(s, &plan->prelocks[k]);
        QR_TRY(plan->dml != NULL ? run_dml(s, plan) : run_select(s, plan));
    }
    return QR_OK;
}

const char *shim_run(struct shim *s, const char *sql)
{
    qr_buf_clear(&s->out);
    qr_buf_clear(&s->locks);
    qr_arena_reset(&s->work);
    qr_err_reset(&s->err);
    if (run_all(s, sql) == QR_OK)
        return qr_buf_cstr(&s->out);
    qr_buf_clear(&s->out);
    if (s->err.status == QR_SQL)
        qr_buf_printf(&s->out, "error %d", s->err.number);
    else
        qr_buf_printf(&s->out, "%s: %s", qr_status_info(s->err.status)->name, s->err.text);
    return qr_buf_cstr(&s->out);
}

const char *shim_text(struct shim *s, const char *sql)
{
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch;
    struct qr_plan *plan;
    qr_arena_reset(&s->work);
    qr_err_reset(&s->err);
    if (qr_tsql_parse(&s->work, sql, strlen(sql), &options, &batch, &s->err) != QR_OK ||
        qr_tsql_compile(&s->work, &s->env, batch->stmts.items[0], &plan, &s->err) != QR_OK)
        return s->err.text;
    return plan->dml == NULL              ? plan->select.text.p
           : plan->dml->direct.text.n > 0 ? plan->dml->direct.text.p
                                          : plan->dml->stage.text.p;
}
