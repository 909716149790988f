/* explain.c - what SQLite does for one SQL text: which indexes it reads, and which it lacks; see
 * shape_int.h
 *
 * EXPLAIN QUERY PLAN names the indexes. An index that is lacking shows in two ways: SQLite makes
 * one for the statement (AUTOMATIC), or its program reads a whole table and leaves out rows whose
 * column does not compare as wanted: between Rewind and Next of a cursor a comparison of one of its
 * columns with something that is not of it jumps to that Next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shape_int.h"
#include "base/banned.h"

enum { OPS_MAX = 20000, LINES_MAX = 512 };

struct explain {
    struct qr_session *session;
    struct qr_arena *arena;
    struct qr_str sql;
    struct qri_explained *ret;
    size_t use_capacity, want_capacity;
};

static enum qr_status prepare(struct explain *e, const char *prefix, sqlite3_stmt **ret_stmt)
{
    *ret_stmt = NULL;
    const char *text = qr_arena_printf(e->arena, "%s %s", prefix, e->sql.p);
    if (text == NULL)
        return QR_NOMEM;
    int rc = sqlite3_prepare_v2(e->session->link->db, text, -1, ret_stmt, NULL);
    return rc == SQLITE_NOMEM ? QR_NOMEM : QR_OK;
}

static enum qr_status add_use(struct explain *e, uint32_t object_id, uint32_t index_id,
                              enum qri_use_kind kind)
{
    struct qri_explained *ret = e->ret;
    struct qri_use *grown = qr_arena_grow(e->arena, ret->uses, ret->use_count, &e->use_capacity,
                                          ret->use_count + 1, sizeof *grown);
    if (grown == NULL)
        return QR_NOMEM;
    ret->uses = grown;
    ret->uses[ret->use_count++] = (struct qri_use){object_id, index_id, kind};
    return QR_OK;
}

/* ---- indexes that are lacking ---- */

static void add_column(struct qri_want_columns *columns, uint32_t id)
{
    uint32_t at = 0;
    while (at < columns->count && columns->ids[at] < id)
        at++;
    if (columns->count == QRI_WANT_COLUMNS || (at < columns->count && columns->ids[at] == id))
        return;
    memmove(&columns->ids[at + 1], &columns->ids[at],
            (columns->count - at) * sizeof columns->ids[0]);
    columns->ids[at] = id;
    columns->count++;
}

static bool has_column(const struct qri_want_columns *columns, uint32_t id)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (columns->ids[i] == id)
            return true;
    return false;
}

/* An index that begins with one of these is there: SQLite had its reasons. */
static bool is_indexed(const struct qr_cat_object *table, const struct qri_want *want)
{
    const struct qri_want_columns *first = want->equal.count > 0 ? &want->equal : &want->unequal;
    for (size_t i = 0; i < table->index_count; i++)
        if (table->indexes[i].key_count > 0 && !table->indexes[i].is_disabled &&
            has_column(first, table->indexes[i].columns[0].column_id))
            return true;
    return false;
}

static enum qr_status add_want(struct explain *e, const struct qr_cat_object *table,
                               const struct qri_want *want)
{
    struct qri_explained *ret = e->ret;
    if (want->equal.count + want->unequal.count == 0 || is_indexed(table, want))
        return QR_OK;
    for (size_t i = 0; i < ret->want_count; i++)
        if (memcmp(&ret->wants[i], want, sizeof *want) == 0)
            return QR_OK;
    struct qri_want *grown = qr_arena_grow(e->arena, ret->wants, ret->want_count, &e->want_capacity,
                                           ret->want_count + 1, sizeof *grown);
    if (grown == NULL)
        return QR_NOMEM;
    ret->wants = grown;
    ret->wants[ret->want_count++] = *want;
    return QR_OK;
}

/* "... USING AUTOMATIC COVERING INDEX (c2=? AND c5>?)" */
static enum qr_status automatic(struct explain *e, const struct qr_cat_object *table,
                                const char *line)
{
    struct qri_want want;
    memset(&want, 0, sizeof want); /* compared with its padding */
    want.object_id = table->object_id;
    for (const char *p = strchr(line, '('); p != NULL; p = strstr(p, " AND ")) {
        p += *p == '(' ? 1 : 5;
        if (*p != 'c')
            continue;
        char *end = NULL;
        uint32_t id = (uint32_t)strtoul(p + 1, &end, 10);
        if (end != p + 1)
            add_column(*end == '=' ? &want.equal : &want.unequal, id);
    }
    return add_want(e, table, &want);
}

/* ---- the plan ---- */

static enum qr_status take_line(void *ctx, const char *line)
{
    struct explain *e = ctx;
    struct qri_plan_line l;
    e->ret->plan_hash = qr_hash_bytes(line, strlen(line), e->ret->plan_hash);
    qri_plan_line_read(e->session, e->sql, line, &l);
    if (l.table == NULL || l.table->type != QR_CAT_TABLE)
        return QR_OK;
    uint32_t object_id = l.table->object_id;
    uint32_t stored_in = qr_cat_clustered(l.table) == NULL ? 0 : 1;
    uint32_t index_id = l.index == NULL ? stored_in : l.index->index_id;
    if (l.is_automatic)
        QR_TRY(automatic(e, l.table, line));
    enum qri_use_kind kind = l.seeks && !l.is_automatic ? QRI_USE_SEEK : QRI_USE_SCAN;
    QR_TRY(add_use(e, object_id, index_id, kind));
    return l.looks_up ? add_use(e, object_id, stored_in, QRI_USE_LOOKUP) : QR_OK;
}

static enum qr_status each_line(struct explain *e, qri_plan_line_fn *line, void *ctx)
{
    sqlite3_stmt *stmt = NULL;
    enum qr_status status = prepare(e, "EXPLAIN QUERY PLAN", &stmt);
    for (int i = 0; status == QR_OK && stmt != NULL && i < LINES_MAX; i++) {
        if (sqlite3_step(stmt) != SQLITE_ROW)
            break;
        status = line(ctx, (const char *)sqlite3_column_text(stmt, 3));
    }
    sqlite3_finalize(stmt);
    return status;
}

enum qr_status qri_explain_lines(struct qr_session *session, struct qr_str sql,
                                 struct qr_arena *arena, qri_plan_line_fn *line, void *ctx)
{
    struct explain e = {.session = session, .arena = arena, .sql = sql};
    return each_line(&e, line, ctx);
}

/* ---- the program ---- */

enum op_kind {
    OP_OTHER,
    OP_OPEN,
    OP_REWIND,
    OP_NEXT,
    OP_COLUMN,
    OP_NE,
    OP_RANGE, /* Lt, Le, Gt, Ge */
};
struct op {
    enum op_kind kind;
    int p1, p2, p3;
};

static enum op_kind kind_of(const char *name)
{
    static const struct {
        const char *name;
        enum op_kind kind;
    } kinds[] = {{"OpenRead", OP_OPEN}, {"Rewind", OP_REWIND}, {"Next", OP_NEXT},
                 {"Column", OP_COLUMN}, {"Ne", OP_NE},         {"Lt", OP_RANGE},
                 {"Le", OP_RANGE},      {"Gt", OP_RANGE},      {"Ge", OP_RANGE}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return OP_OTHER;
}

static enum qr_status read_program(struct explain *e, struct op **ret_ops, int *ret_count)
{
    sqlite3_stmt *stmt = NULL;
    size_t count = 0, capacity = 0;
    struct op *ops = NULL;
    enum qr_status status = prepare(e, "EXPLAIN", &stmt);
    while (status == QR_OK && stmt != NULL && count < OPS_MAX && sqlite3_step(stmt) == SQLITE_ROW) {
        ops = qr_arena_grow(e->arena, ops, count, &capacity, count + 1, sizeof *ops);
        if (ops == NULL)
            status = QR_NOMEM;
        else
            ops[count++] = (struct op){kind_of((const char *)sqlite3_column_text(stmt, 1)),
                                       sqlite3_column_int(stmt, 2), sqlite3_column_int(stmt, 3),
                                       sqlite3_column_int(stmt, 4)};
    }
    sqlite3_finalize(stmt);
    *ret_ops = ops;
    *ret_count = (int)count;
    return status;
}

/* The table whose rows begin at that page; NULL: an index. */
static const struct qr_cat_object *table_at(struct explain *e, int root)
{
    sqlite3_stmt *stmt = NULL;
    const struct qr_cat_object *table = NULL;
    if (sqlite3_prepare_v2(e->session->link->db,
                           "SELECT name FROM main.sqlite_schema WHERE rootpage = ?1 AND type = "
                           "'table'",
                           -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_int(stmt, 1, root) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (name != NULL && name[0] == 't')
            table = qri_object_by_id(e->session, (uint32_t)strtoul(name + 1, NULL, 10));
    }
    sqlite3_finalize(stmt);
    return table;
}

static bool is_key_column(const struct qr_cat_index *key, uint32_t id)
{
    for (size_t i = 0; key != NULL && i < key->key_count; i++)
        if (key->columns[i].column_id == id)
            return true;
    return false;
}

/* The column at that place of a stored row: a table without rowids has its key in front. 0: none */
static uint32_t column_at(const struct qr_cat_object *table, int place)
{
    const struct qr_cat_index *key =
        table->storage == QR_STORE_KEYED ? qr_cat_clustered(table) : NULL;
    int at = key == NULL ? 0 : (int)key->key_count;
    if (key != NULL && place < at)
        return place < 0 ? 0 : key->columns[place].column_id;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct qr_cat_column *c = &table->columns[i];
        if ((c->is_computed && !c->is_persisted) || is_key_column(key, c->column_id))
            continue;
        if (at++ == place)
            return c->column_id;
    }
    return 0;
}

/* The column of the cursor that was put in the register last before that operation; 0: none. */
static uint32_t column_in(const struct qr_cat_object *table, const struct op *ops, int from, int at,
                          int cursor, int reg)
{
    for (int i = at - 1; i > from; i--)
        if (ops[i].kind == OP_COLUMN && ops[i].p3 == reg)
            return ops[i].p1 == cursor ? column_at(table, ops[i].p2) : 0;
    return 0;
}

/* The loop of `cursor` from its Rewind to its Next. */
static enum qr_status take_loop(struct explain *e, const struct qr_cat_object *table,
                                const struct op *ops, int first, int next)
{
    struct qri_want want;
    int cursor = ops[first].p1;
    memset(&want, 0, sizeof want);
    want.object_id = table->object_id;
    for (int i = first + 1; i < next; i++) {
        if ((ops[i].kind != OP_NE && ops[i].kind != OP_RANGE) || ops[i].p2 != next)
            continue;
        uint32_t a = column_in(table, ops, first, i, cursor, ops[i].p1);
        uint32_t b = column_in(table, ops, first, i, cursor, ops[i].p3);
        if ((a == 0) != (b == 0))
            add_column(ops[i].kind == OP_NE ? &want.equal : &want.unequal, a + b);
    }
    for (int i = first + 1; i < next; i++) {
        uint32_t id =
            ops[i].kind == OP_COLUMN && ops[i].p1 == cursor ? column_at(table, ops[i].p2) : 0;
        if (id != 0 && !has_column(&want.equal, id) && !has_column(&want.unequal, id))
            add_column(&want.included, id);
    }
    return add_want(e, table, &want);
}

static enum qr_status find_scans(struct explain *e)
{
    struct op *ops = NULL;
    int count = 0;
    QR_TRY(read_program(e, &ops, &count));
    for (int i = 0; i < count; i++) {
        if (ops[i].kind != OP_REWIND)
            continue;
        int next = i + 1, open = 0;
        while (next < count && (ops[next].kind != OP_NEXT || ops[next].p1 != ops[i].p1))
            next++;
        while (open < count && (ops[open].kind != OP_OPEN || ops[open].p1 != ops[i].p1))
            open++;
        if (next == count || open == count || ops[open].p3 != 0)
            continue;
        const struct qr_cat_object *table = table_at(e, ops[open].p2);
        if (table != NULL)
            QR_TRY(take_loop(e, table, ops, i, next));
    }
    return QR_OK;
}

enum qr_status qri_explain(struct qr_session *session, struct qr_str sql, struct qr_arena *arena,
                           struct qri_explained *ret)
{
    struct explain e = {.session = session, .arena = arena, .sql = sql, .ret = ret};
    *ret = (struct qri_explained){0};
    QR_TRY(each_line(&e, take_line, &e));
    for (size_t i = 0; i < ret->use_count; i++)
        if (ret->uses[i].kind == QRI_USE_SCAN)
            return find_scans(&e);
    return QR_OK;
}
