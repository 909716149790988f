/* ddl_temporal.c - PERIOD FOR SYSTEM_TIME and SYSTEM_VERSIONING of tables; see ddl_int.h. What they
 * do to rows is in dml_history.c. */
#include "access_int.h"
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* "database.schema.table" */
static const char *full_name(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    const struct qr_catalog *cat = &(*s->ddl->main)->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, table->schema_id);
    const char *name = qr_arena_printf(
        s->arena, "%s.%s.%s", s->is_temp ? "tempdb" : qri_z(s->arena, cat->database_name),
        schema == NULL ? "dbo" : qri_z(s->arena, schema->name), qri_z(s->arena, table->name));
    return name == NULL ? "" : name;
}

enum qr_status qri_fail_table(struct qri_ddl_stmt *s, int number, const struct qr_cat_object *table)
{
    return qr_sql_fail(s->err, number, full_name(s, table));
}

/* ---- periods ---- */

static enum qr_status check_generated(struct qri_build *b, const struct qr_ast_table_def *def)
{
    const struct qr_cat_column *start = qri_build_find(b, def->period_start.text);
    const struct qr_cat_column *end = qri_build_find(b, def->period_end.text);
    if (b->row_start == 0 && b->row_end == 0 && b->first_column > 0) { /* columns it has already */
        const struct qr_ast_ident *missing = start == NULL ? &def->period_start : &def->period_end;
        return start != NULL && end != NULL
                   ? QR_OK
                   : qr_sql_fail(b->err, 1911, qri_z(b->arena, missing->text));
    }
    if (b->row_start == 0)
        return qr_sql_fail(b->err, 13504);
    if (b->row_end == 0)
        return qr_sql_fail(b->err, 13505);
    if (start == NULL || start->column_id != b->row_start)
        return qr_sql_fail(b->err, 13506);
    return end == NULL || end->column_id != b->row_end ? qr_sql_fail(b->err, 13507) : QR_OK;
}

enum qr_status qri_build_period(struct qri_build *b, const struct qr_ast_table_def *def)
{
    struct qr_cat_object *t = b->table;
    if (def->period_start.text.n == 0)
        return b->row_start == 0 && b->row_end == 0 ? QR_OK : qr_sql_fail(b->err, 13509);
    if (b->s == NULL)
        return qr_sql_fail(b->err, 13572);
    if (t->history_of != 0)
        return qri_fail_table(b->s, 13598, t);
    if (t->period_start != 0)
        return qri_fail_table(b->s, 13597, t);
    QR_TRY(check_generated(b, def));
    const struct qr_cat_column *ends[] = {qri_build_find(b, def->period_start.text),
                                          qri_build_find(b, def->period_end.text)};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->type.id != QR_TYPE_DATETIME2 || ends[i]->is_computed)
            return qr_sql_fail(b->err, 13501, qri_z(b->arena, ends[i]->name));
        if (ends[i]->nullable)
            return qr_sql_fail(b->err, 13587, qri_z(b->arena, ends[i]->name));
    }
    if (ends[0]->type.scale != ends[1]->type.scale)
        return qr_sql_fail(b->err, 13513);
    t->period_start = ends[0]->column_id;
    t->period_end = ends[1]->column_id;
    return QR_OK;
}

static enum qr_status refuse_rows(struct qri_ddl_stmt *s, int number,
                                  const struct qr_cat_object *table, const char *sql)
{
    enum qr_status status = QR_NOMEM;
    bool found = sql != NULL && qri_has_row(s, sql, &status);
    QR_TRY(status);
    return found ? qri_fail_table(s, number, table) : QR_OK;
}

enum qr_status qri_check_open_rows(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    const struct qr_cat_column *end = qr_cat_column_by_id(table, table->period_end);
    const char *schema = s->is_temp ? "temp" : "main";
    QR_TRY(refuse_rows(s, 13575, table,
                       qr_arena_printf(s->arena, "SELECT 1 FROM %s.t%u WHERE c%u <> %lld LIMIT 1",
                                       schema, table->object_id, table->period_end,
                                       (long long)qri_last_moment(&end->type))));
    /* what is rounded to the column's precision may seem to lie ahead */
    int64_t ahead = s->ddl->now_ticks + qri_moment_unit(&end->type);
    return refuse_rows(s, 13542, table,
                       qr_arena_printf(s->arena, "SELECT 1 FROM %s.t%u WHERE c%u >= %lld LIMIT 1",
                                       schema, table->object_id, table->period_start,
                                       (long long)ahead));
}

/* ---- what may be a history ---- */

static enum qr_status check_kind(struct qri_ddl_stmt *s, const struct qr_cat_object *h)
{
    if (h->type != QR_CAT_TABLE)
        return qri_fail_table(s, 13511, h);
    if (h->history_of != 0)
        return qri_fail_table(s, 13514, h);
    if (h->history_id != 0)
        return qri_fail_table(s, 13566, h);
    if (h->period_start != 0)
        return qri_fail_table(s, 13574, h);
    for (size_t i = 0; i < h->index_count; i++)
        if (h->indexes[i].is_unique)
            return qri_fail_table(s, 13515, h);
    if (h->fk_count > 0 || h->referenced_by_count > 0)
        return qri_fail_table(s, 13516, h);
    if (h->check_count > 0)
        return qri_fail_table(s, 13517, h);
    if (h->identity_column != 0)
        return qri_fail_table(s, 13518, h);
    for (size_t i = 0; i < h->column_count; i++) {
        if (h->columns[i].is_computed)
            return qri_fail_table(s, 13519, h);
        if (h->columns[i].is_rowguidcol)
            return qri_fail_table(s, 13580, h);
    }
    return h->trigger_count > 0 ? qri_fail_table(s, 13522, h) : QR_OK;
}

static const char *type_text(struct qri_ddl_stmt *s, const struct qr_type *type)
{
    char text[QR_TYPE_NAME_BYTES];
    return qr_arena_str(s->arena, qr_str(qr_type_print(type, text))).p;
}

static enum qr_status check_column(struct qri_ddl_stmt *s, const struct qr_cat_object *t,
                                   const struct qr_cat_object *h, size_t i)
{
    const struct qr_cat_column *a = &t->columns[i], *b = &h->columns[i];
    const char *column = qri_z(s->arena, a->name), *table = full_name(s, t),
               *history = full_name(s, h);
    struct qr_type one = a->type, other = b->type;
    if (!qr_str_ieq(a->name, b->name))
        return qr_sql_fail(s->err, 13524, qri_z(s->arena, b->name), (int)i + 1, history, column,
                           table);
    one.collation = other.collation = 0;
    if (!qr_type_eq(&one, &other))
        return qr_sql_fail(s->err, 13525, column, type_text(s, &b->type), history,
                           type_text(s, &a->type), table);
    if (a->type.collation != b->type.collation)
        return qr_sql_fail(s->err, 13526, column, table, history);
    if (qr_cat_is_period(t, a) && b->nullable)
        return qr_sql_fail(s->err, 13530, column, history, table);
    if (a->nullable != b->nullable)
        return qr_sql_fail(s->err, 13531, column, table, history);
    return a->is_sparse != b->is_sparse ? qr_sql_fail(s->err, 13533, column, table, history)
                                        : QR_OK;
}

static const struct qr_cat_index *primary_key(const struct qr_cat_object *t)
{
    for (size_t i = 0; i < t->index_count; i++)
        if (t->indexes[i].is_primary_key)
            return &t->indexes[i];
    return NULL;
}

/* Columns of a history go by place; their ids may be others. */
static uint32_t history_column(const struct qr_cat_object *t, const struct qr_cat_object *h,
                               uint32_t column_id)
{
    return h->columns[qr_cat_column_index(t, column_id)].column_id;
}

/* DATA_CONSISTENCY_CHECK: periods that end before they begin or in the future, or overlap. */
static enum qr_status check_rows(struct qri_ddl_stmt *s, const struct qr_cat_object *t,
                                 const struct qr_cat_object *h)
{
    uint32_t start = history_column(t, h, t->period_start),
             end = history_column(t, h, t->period_end);
    const struct qr_cat_index *key = primary_key(t);
    const char *keys = "";
    QR_TRY(refuse_rows(s, 13541, h,
                       qr_arena_printf(s->arena, "SELECT 1 FROM main.t%u WHERE c%u < c%u LIMIT 1",
                                       h->object_id, end, start)));
    QR_TRY(refuse_rows(s, 13543, h,
                       qr_arena_printf(s->arena, "SELECT 1 FROM main.t%u WHERE c%u > %lld LIMIT 1",
                                       h->object_id, end, (long long)s->ddl->now_ticks)));
    for (size_t i = 0; keys != NULL && i < key->key_count; i++)
        keys = qr_arena_printf(s->arena, "%s%sc%u", keys, i == 0 ? "" : ", ",
                               history_column(t, h, key->columns[i].column_id));
    if (keys == NULL)
        return qr_fail(s->err, QR_NOMEM, "check a history");
    return refuse_rows(
        s, 13573, h,
        qr_arena_printf(s->arena,
                        "SELECT 1 FROM (SELECT c%u AS b, LAG(c%u) OVER (PARTITION BY %s ORDER BY "
                        "c%u, c%u) AS e FROM main.t%u WHERE c%u <> c%u) WHERE e > b LIMIT 1",
                        start, end, keys, start, end, h->object_id, start, end));
}

/* ---- making a history ---- */

static enum qr_status add_cleanup_index(struct qri_ddl_stmt *s, const struct qr_cat_object *t,
                                        struct qr_cat_object *h)
{
    struct qr_cat_index *index = qr_arena_alloc(s->arena, sizeof *index);
    const char *name = qr_arena_printf(s->arena, "ix_%s", qri_z(s->arena, h->name));
    if (index == NULL || name == NULL)
        return qr_fail(s->err, QR_NOMEM, "make a history table");
    *index = (struct qr_cat_index){.index_id = 1,
                                   .name = qr_str(name),
                                   .is_clustered = true,
                                   .column_count = 2,
                                   .key_count = 2};
    index->columns = qr_arena_array(s->arena, 2, sizeof *index->columns);
    if (index->columns == NULL)
        return qr_fail(s->err, QR_NOMEM, "make a history table");
    index->columns[0].column_id = t->period_end;
    index->columns[1].column_id = t->period_start;
    h->indexes = index;
    h->index_count = 1;
    return QR_OK;
}

static enum qr_status make_history(struct qri_ddl_stmt *s, const struct qr_cat_object *t,
                                   uint32_t schema_id, struct qr_str name,
                                   struct qr_cat_object **ret_history)
{
    struct qr_cat_object *h = qr_arena_alloc(s->arena, sizeof *h);
    struct qr_cat_column *columns = qr_arena_array(s->arena, t->column_count, sizeof *columns);
    if (h == NULL || columns == NULL)
        return qr_fail(s->err, QR_NOMEM, "make a history table");
    if (schema_id != t->schema_id && !qri_may_schema(s->ddl->ctx, schema_id, QR_MAY_ALTER))
        return qr_sql_fail(s->err, 13538);
    *h = (struct qr_cat_object){.object_id = qri_new_object_id(s),
                                .schema_id = schema_id,
                                .name = name,
                                .type = QR_CAT_TABLE,
                                .columns = columns,
                                .column_count = t->column_count,
                                .create_ticks = s->ddl->now_ticks};
    for (size_t i = 0; i < t->column_count; i++)
        columns[i] = qri_history_column(&t->columns[i]);
    QR_TRY(add_cleanup_index(s, t, h));
    qri_choose_storage(h);
    QR_TRY(qri_sqlite_create_table(s, h, "t"));
    QR_TRY(qri_sqlite_create_index(s, h, &h->indexes[0]));
    QR_TRY(qri_start_counters(s, h));
    *ret_history = h;
    return QR_OK;
}

struct qr_cat_column qri_history_column(const struct qr_cat_column *column)
{
    return (struct qr_cat_column){.column_id = column->column_id,
                                  .name = column->name,
                                  .type = column->type,
                                  .user_type_id = column->user_type_id,
                                  .nullable = column->nullable,
                                  .is_sparse = column->is_sparse,
                                  .mask = column->mask};
}

/* ---- SYSTEM_VERSIONING ---- */

struct versioning {
    const struct qr_ast_name *history; /* NULL: none is named */
    bool unchecked;
    enum qr_cat_retention retention;
    uint32_t count;
};

static enum qr_status read_retention(struct qri_ddl_stmt *s, const struct qr_ast_option *o,
                                     struct versioning *v)
{
    static const struct {
        const char *one, *many;
        enum qr_cat_retention unit;
        uint32_t max; /* a thousand years */
    } units[] = {{"DAY", "DAYS", QR_RETENTION_DAY, 365242},
                 {"WEEK", "WEEKS", QR_RETENTION_WEEK, 52177},
                 {"MONTH", "MONTHS", QR_RETENTION_MONTH, 12000},
                 {"YEAR", "YEARS", QR_RETENTION_YEAR, 1000}};
    if (o->value == NULL && qr_str_ieqz(o->word, "INFINITE"))
        return QR_OK;
    int64_t count = 0;
    bool negative = o->value != NULL && o->value->kind == QR_AE_UNARY;
    const struct qr_ast_expr *number =
        negative ? ((const struct qr_ast_unary *)o->value)->operand : o->value;
    if (number == NULL || number->kind != QR_AE_LITERAL || o->word.n == 0)
        return qr_sql_fail(s->err, 102, "HISTORY_RETENTION_PERIOD");
    struct qr_str text = ((const struct qr_ast_literal *)number)->text;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || count > INT32_MAX / 10)
            return qr_sql_fail(s->err, 1080, qri_z(s->arena, text));
        count = count * 10 + (text.p[i] - '0');
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!qr_str_ieqz(o->word, units[i].one) && !qr_str_ieqz(o->word, units[i].many))
            continue;
        if (count == 0 || negative)
            return qr_sql_fail(s->err, 13743, (int)-count);
        if (count > units[i].max)
            return qr_sql_fail(s->err, 13749, (int)count, units[i].many);
        v->retention = units[i].unit;
        v->count = (uint32_t)count;
        return QR_OK;
    }
    return qr_sql_fail(s->err, 13744, qri_z(s->arena, o->word));
}

static enum qr_status read_options(struct qri_ddl_stmt *s, const struct qr_ast_option *option,
                                   struct versioning *v)
{
    for (size_t i = 0; i < option->sub_count; i++) {
        const struct qr_ast_option *o = &option->subs[i];
        if (qr_str_ieqz(o->name, "HISTORY_TABLE")) {
            bool named = o->value != NULL && o->value->kind == QR_AE_COLUMN;
            v->history = named ? &((const struct qr_ast_column *)o->value)->name : NULL;
            if (!named || v->history->count != 2)
                return qr_sql_fail(s->err, 13539,
                                   named ? qri_ddl_spell(s->arena, v->history)
                                         : qri_z(s->arena, o->word));
            if (qri_name_is_temp(v->history))
                return qr_sql_fail(s->err, 13567, qri_ddl_spell(s->arena, v->history));
        } else if (qr_str_ieqz(o->name, "DATA_CONSISTENCY_CHECK")) {
            v->unchecked = qr_str_ieqz(o->word, "OFF");
        } else if (qr_str_ieqz(o->name, "HISTORY_RETENTION_PERIOD")) {
            QR_TRY(read_retention(s, o, v));
        } else {
            return qr_sql_fail(s->err, 155, qri_z(s->arena, o->name), "SYSTEM_VERSIONING");
        }
    }
    return QR_OK;
}

/* "MSSQL_TemporalHistoryFor_1205579333", and then some if an earlier one has stayed. */
static struct qr_str free_name(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    const struct qr_catalog *cat = &(*s->ddl->main)->cat;
    const char *name =
        qr_arena_printf(s->arena, "MSSQL_TemporalHistoryFor_%u", (unsigned)table->object_id);
    uint32_t salt = (uint32_t)s->ddl->now_ticks;
    while (name != NULL && qr_cat_find(cat, table->schema_id, qr_str(name)) != NULL)
        name = qr_arena_printf(s->arena, "MSSQL_TemporalHistoryFor_%u_%08X",
                               (unsigned)table->object_id, (unsigned)salt++);
    return qr_str(name == NULL ? "" : name);
}

/* A finite retention needs what its clean-up looks for: 13765. */
static enum qr_status check_cleanup_index(struct qri_ddl_stmt *s, const struct qr_cat_object *t,
                                          const struct qr_cat_object *h)
{
    const struct qr_cat_index *index = qr_cat_clustered(h);
    if (t->retention == QR_RETENTION_INFINITE ||
        (index != NULL && index->columns[0].column_id == history_column(t, h, t->period_end)))
        return QR_OK;
    return qr_sql_fail(s->err, 13765, full_name(s, t), full_name(s, h));
}

/* It is on already: only the retention may change. */
static enum qr_status change_retention(struct qri_ddl_stmt *s, struct qr_cat_object *table,
                                       const struct versioning *v)
{
    struct qri_target target;
    if (v->history == NULL)
        return qri_fail_table(s, 13596, table);
    QR_TRY(qri_ddl_resolve(s->ddl, v->history, &target, s->err));
    if (target.object == NULL)
        return qri_fail_table(s, 13757, table);
    if (target.object->object_id != table->history_id)
        return qr_sql_fail(s->err, 13595, qri_ddl_spell(s->arena, v->history), full_name(s, table));
    return check_cleanup_index(s, table, target.object);
}

/* Whoever may alter a table may not yet decide whether its past is kept: 13538. */
static enum qr_status want_control(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    bool is_new = qr_cat_by_id(&(*s->ddl->main)->cat, table->object_id) == NULL;
    return is_new || qri_may_object(s->ddl->ctx, table, QR_MAY_CONTROL)
               ? QR_OK
               : qr_sql_fail(s->err, 13538);
}

static enum qr_status adopt(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                            const struct qr_cat_object *old, bool unchecked,
                            struct qr_cat_object **ret_history)
{
    QR_TRY(want_control(s, old));
    QR_TRY(check_kind(s, old));
    if (old->column_count != table->column_count)
        return qr_sql_fail(s->err, 13523, full_name(s, table), (int)table->column_count,
                           full_name(s, old), (int)old->column_count);
    for (size_t i = 0; i < table->column_count; i++)
        QR_TRY(check_column(s, table, old, i));
    if (!unchecked)
        QR_TRY(check_rows(s, table, old));
    struct qr_cat_object *history = qri_copy_object(s->arena, old);
    if (history == NULL)
        return qr_fail(s->err, QR_NOMEM, "take a history table");
    for (size_t i = 0; i < table->column_count; i++) /* what is hidden is so in all versions */
        if (history->columns[i].mask.n == 0)
            history->columns[i].mask = table->columns[i].mask;
    *ret_history = history;
    return QR_OK;
}

static enum qr_status refuse_versioning(struct qri_ddl_stmt *s, const struct qr_cat_object *table)
{
    if (s->is_temp)
        return qri_fail_table(s, 13568, table);
    if (table->period_start == 0)
        return qr_sql_fail(s->err, 13510);
    if (primary_key(table) == NULL)
        return qri_fail_table(s, 13553, table);
    for (size_t i = 0; i < table->trigger_count; i++)
        if (table->triggers[i]->trigger_instead_of)
            return qri_fail_table(s, 13774, table);
    return QR_OK;
}

enum qr_status qri_versioning_on(struct qri_ddl_stmt *s, struct qr_cat_object *table,
                                 const struct qr_ast_option *option)
{
    struct versioning v = {0};
    struct qri_target target = {.schema_id = table->schema_id};
    const struct qr_cat_object *old = NULL;
    struct qr_cat_object *history = NULL;
    QR_TRY(want_control(s, table));
    QR_TRY(refuse_versioning(s, table));
    QR_TRY(read_options(s, option, &v));
    table->retention = v.retention;
    table->retention_count = v.count;
    if (table->history_id != 0)
        return change_retention(s, table, &v);
    target.name = free_name(s, table);
    if (v.history != NULL)
        QR_TRY(qri_ddl_resolve(s->ddl, v.history, &target, s->err));
    if (target.schema_id == table->schema_id && qr_str_ieq(target.name, table->name))
        return qri_fail_table(s, 13574, table);
    old = target.object;
    QR_TRY(old == NULL ? make_history(s, table, target.schema_id, target.name, &history)
                       : adopt(s, table, old, v.unchecked, &history));
    QR_TRY(check_cleanup_index(s, table, history));
    table->history_id = history->object_id;
    history->history_of = table->object_id;
    return qri_put_table(s, history, old);
}

enum qr_status qri_versioning_off(struct qri_ddl_stmt *s, struct qr_cat_object *table)
{
    const struct qr_cat_object *old = qr_cat_by_id(&(*s->ddl->main)->cat, table->history_id);
    struct qr_cat_object *history = NULL;
    if (table->history_id == 0)
        return qri_fail_table(s, 13591, table);
    if (old == NULL)
        return qr_fail(s->err, QR_CORRUPT, "history of table %u", (unsigned)table->object_id);
    QR_TRY(want_control(s, table));
    QR_TRY(want_control(s, old));
    history = qri_copy_object(s->arena, old);
    if (history == NULL)
        return qr_fail(s->err, QR_NOMEM, "release a history table");
    table->history_id = history->history_of = 0;
    table->retention = QR_RETENTION_INFINITE;
    table->retention_count = 0;
    return qri_put_table(s, history, old);
}

enum qr_status qri_drop_period(struct qri_ddl_stmt *s, struct qr_cat_object *table)
{
    if (table->period_start == 0)
        return qri_fail_table(s, 13593, table);
    if (table->history_id != 0)
        return qri_fail_table(s, 13592, table);
    for (size_t i = 0; i < table->column_count; i++)
        if (qr_cat_is_period(table, &table->columns[i]))
            table->columns[i].is_hidden = false;
    table->period_start = table->period_end = 0;
    return QR_OK;
}

/* ---- ALTER TABLE ---- */

static enum qr_status refuse_constraint(struct qri_ddl_stmt *s,
                                        const struct qr_ast_constraints *constraints,
                                        const struct qr_cat_object *history)
{
    for (size_t i = 0; i < constraints->count; i++) {
        const struct qr_ast_constraint *c = &constraints->items[i];
        if (c->kind == QR_CONSTRAINT_FOREIGN_KEY)
            return qr_sql_fail(s->err, 13565, qri_z(s->arena, c->name.text));
        if (c->kind == QR_CONSTRAINT_PRIMARY_KEY || c->kind == QR_CONSTRAINT_UNIQUE ||
            c->kind == QR_CONSTRAINT_CHECK)
            return qri_fail_table(s,
                                  c->kind == QR_CONSTRAINT_PRIMARY_KEY ? 13558
                                  : c->kind == QR_CONSTRAINT_UNIQUE    ? 13583
                                                                       : 13564,
                                  history);
    }
    return QR_OK;
}

static enum qr_status refuse_of_history(struct qri_ddl_stmt *s,
                                        const struct qr_ast_alter_table *ast,
                                        const struct qr_cat_object *history)
{
    if (ast->action == QR_ALTER_ADD && ast->def.column_count > 0)
        return qri_fail_table(s, 13550, history);
    if (ast->action == QR_ALTER_ADD)
        QR_TRY(refuse_constraint(s, &ast->def.constraints, history));
    if (ast->action == QR_ALTER_COLUMN)
        return qr_sql_fail(s->err, 13548, qri_z(s->arena, ast->column.name.text),
                           full_name(s, history));
    for (size_t i = 0; i < ast->drop_count; i++)
        if (ast->drops[i].column)
            return qri_fail_table(s, 13551, history);
    return QR_OK;
}

static enum qr_status refuse_new_columns(struct qri_ddl_stmt *s,
                                         const struct qr_ast_alter_table *ast,
                                         const struct qr_cat_object *table)
{
    for (size_t i = 0; i < ast->def.column_count; i++) {
        if (ast->def.columns[i].identity)
            return qri_fail_table(s, 13704, qr_cat_by_id(&(*s->catalog)->cat, table->history_id));
        if (ast->def.columns[i].computed != NULL)
            return qr_sql_fail(s->err, 13724);
    }
    return QR_OK;
}

static enum qr_status refuse_drop(struct qri_ddl_stmt *s, const struct qr_ast_table_drop *drop,
                                  const struct qr_cat_object *table)
{
    const struct qr_cat_column *c =
        drop->column ? qr_cat_column_find(table, drop->name.text) : NULL;
    const struct qr_cat_index *key = primary_key(table);
    if (c != NULL && qr_cat_is_period(table, c))
        return qr_sql_fail(s->err, 13588, qri_z(s->arena, c->name), full_name(s, table));
    if (table->history_id != 0 && !drop->column && !drop->period && key != NULL &&
        qr_str_ieq(key->name, drop->name.text))
        return qri_fail_table(s, 13557, table);
    return QR_OK;
}

static enum qr_status refuse_column_change(struct qri_ddl_stmt *s,
                                           const struct qr_ast_alter_table *ast,
                                           const struct qr_cat_object *table)
{
    const struct qr_cat_column *c = qr_cat_column_find(table, ast->column.name.text);
    bool is_period = c != NULL && qr_cat_is_period(table, c);
    bool hides = qr_str_ieqz(ast->column_change, "ADD HIDDEN") ||
                 qr_str_ieqz(ast->column_change, "DROP HIDDEN");
    if (ast->column.generated.n > 0)
        return qr_sql_fail(s->err, 13589, qri_z(s->arena, ast->column.name.text),
                           full_name(s, table));
    if (hides && c != NULL && !is_period)
        return qr_sql_fail(s->err, 13735, qri_z(s->arena, c->name), full_name(s, table));
    return is_period && !hides ? qr_sql_fail(s->err, 13599, qri_z(s->arena, c->name)) : QR_OK;
}

enum qr_status qri_refuse_alter(struct qri_ddl_stmt *s, const struct qr_ast_alter_table *ast,
                                const struct qr_cat_object *table)
{
    if (table->history_of != 0)
        return refuse_of_history(s, ast, table);
    if (ast->action == QR_ALTER_COLUMN)
        return refuse_column_change(s, ast, table);
    if (table->history_id != 0)
        QR_TRY(refuse_new_columns(s, ast, table));
    for (size_t i = 0; i < ast->drop_count; i++)
        QR_TRY(refuse_drop(s, &ast->drops[i], table));
    return QR_OK;
}

enum qr_status qri_refuse_drop_index(struct qri_ddl_stmt *s, const struct qr_cat_object *table,
                                     const struct qr_cat_index *index)
{
    const struct qr_cat_object *current = qr_cat_by_id(&(*s->catalog)->cat, table->history_of);
    if (current == NULL || !index->is_clustered || current->retention == QR_RETENTION_INFINITE)
        return QR_OK;
    const char *name = qr_arena_printf(s->arena, "%s.%s", qri_z(s->arena, table->name),
                                       qri_z(s->arena, index->name));
    return qr_sql_fail(s->err, 13766, name == NULL ? "" : name);
}
