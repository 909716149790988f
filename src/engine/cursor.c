/* cursor.c - DECLARE CURSOR, OPEN, FETCH, CLOSE, DEALLOCATE; see cursor_int.h */
#include "cursor_int.h"
#include "lock_read.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { FETCHED = 0, FETCH_FAILED = -1, COMMAND_OTHER = 0xFD, COMMAND_FETCH = 0xC1 };

/* ---- life ---- */

void qri_cursor_unref(struct qri_cursor *cursor)
{
    if (cursor == NULL || --cursor->refs > 0)
        return;
    qr_rowset_free(cursor->rows);
    qr_arena_done(&cursor->arena);
    free(cursor->name);
    free(cursor->select_text);
    free(cursor);
}

void qri_cursors_free(struct qri_cursor **list)
{
    while (*list != NULL) {
        struct qri_cursor *cursor = *list;
        *list = cursor->next;
        cursor->next = NULL;
        qri_cursor_unref(cursor);
    }
}

static bool has_word(const struct qr_ast_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (qr_str_ieqz(words->items[i], word))
            return true;
    return false;
}

static char *copy_text(struct qr_str text)
{
    char *copy = malloc(text.n + 1);
    if (copy != NULL) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
    }
    return copy;
}

static enum qr_status new_cursor(struct qri_frame *frame, const struct qri_op *op,
                                 const struct qr_ast_cursor_def *def, struct qr_str name,
                                 struct qri_cursor **ret_cursor, struct qr_err *err)
{
    struct qri_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return qr_fail(err, QR_NOMEM, "declare a cursor");
    cursor->refs = 1;
    qr_arena_init(&cursor->arena, QRI_STMT_ARENA_BYTES_MAX);
    cursor->unit = frame->unit;
    cursor->op = op;
    cursor->def = def;
    cursor->position = -1;
    cursor->is_scroll = has_word(&def->options, "SCROLL") || has_word(&def->options, "STATIC") ||
                        has_word(&def->options, "KEYSET") || has_word(&def->options, "DYNAMIC") ||
                        has_word(&def->options, "INSENSITIVE");
    if (has_word(&def->options, "FORWARD_ONLY") || has_word(&def->options, "FAST_FORWARD"))
        cursor->is_scroll = false;
    cursor->is_read_only = def->for_read_only || has_word(&def->options, "READ_ONLY") ||
                           has_word(&def->options, "STATIC") ||
                           has_word(&def->options, "INSENSITIVE") ||
                           has_word(&def->options, "FAST_FORWARD");
    cursor->name = copy_text(name);
    cursor->select_text = copy_text(def->select->text);
    if (cursor->name == NULL || cursor->select_text == NULL) {
        qri_cursor_unref(cursor);
        return qr_fail(err, QR_NOMEM, "declare a cursor");
    }
    *ret_cursor = cursor;
    return QR_OK;
}

/* ---- finding ---- */

static struct qri_cursor *find_in(struct qri_cursor *list, struct qr_str name)
{
    while (list != NULL && !qr_str_ieqz(name, list->name))
        list = list->next;
    return list;
}

struct qri_cursor *qri_cursor_find_global(struct qr_session *session, struct qr_str name)
{
    return find_in(session->cursors, name);
}

static struct qri_cursor *find(struct qri_frame *frame, struct qr_str name, bool global_only)
{
    struct qri_cursor *cursor = NULL;
    if (!global_only)
        cursor = find_in(frame->cursors, name);
    return cursor != NULL ? cursor : find_in(frame->session->cursors, name);
}

static enum qr_status find_stmt(struct qri_frame *frame, const struct qr_ast_cursor *stmt,
                                struct qri_cursor **ret_cursor, struct qr_err *err)
{
    struct qri_cursor *cursor;
    uint32_t slot = 0;
    struct qr_str name = stmt->variable.n > 0 ? stmt->variable : stmt->name.text;
    if (stmt->variable.n > 0) {
        if (!qri_var_find(frame, stmt->variable, &slot))
            return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, name).p);
        cursor = frame->slots[slot].cursor;
        if (cursor == NULL)
            return qr_sql_fail(err, 16950, qr_arena_str(&frame->arena, name).p);
    } else {
        cursor = find(frame, stmt->name.text, stmt->global);
        if (cursor == NULL)
            return qr_sql_fail(err, 16916, qr_arena_str(&frame->arena, name).p);
    }
    *ret_cursor = cursor;
    return QR_OK;
}

int qri_cursor_status(struct qri_frame *frame, struct qr_str scope, struct qr_str name)
{
    struct qri_cursor *cursor = NULL;
    uint32_t slot = 0;
    if (frame == NULL)
        return -3;
    if (qr_str_ieqz(scope, "variable")) {
        if (!qri_var_find(frame, name, &slot))
            return -3;
        cursor = frame->slots[slot].cursor;
        if (cursor == NULL)
            return -2;
    } else {
        cursor = qr_str_ieqz(scope, "global") ? find_in(frame->session->cursors, name)
                                              : find_in(frame->cursors, name);
    }
    if (cursor == NULL)
        return -3;
    return !cursor->is_open ? -1 : qr_rowset_count(cursor->rows) > 0;
}

/* ---- DECLARE, SET ---- */

static enum qr_status done(struct qr_session *session)
{
    session->error = 0;
    session->rowcount = 0;
    return QR_OK;
}

enum qr_status qri_run_declare_cursor(struct qri_frame *frame, const struct qri_op *op,
                                      struct qr_err *err)
{
    const struct qr_ast_declare_cursor *stmt = (const struct qr_ast_declare_cursor *)op->stmt;
    struct qri_cursor **list =
        has_word(&stmt->def.options, "LOCAL") ? &frame->cursors : &frame->session->cursors;
    struct qr_str name = stmt->name.text;
    if (find_in(*list, name) != NULL)
        return qr_sql_fail(err, 16915, qr_arena_str(&frame->arena, name).p);
    struct qri_cursor *cursor = NULL;
    QR_TRY(new_cursor(frame, op, &stmt->def, name, &cursor, err));
    cursor->next = *list;
    *list = cursor;
    return done(frame->session);
}

enum qr_status qri_cursor_set(struct qri_frame *frame, const struct qri_op *op, uint32_t slot,
                              struct qr_err *err)
{
    const struct qr_ast_set_variable *stmt = (const struct qr_ast_set_variable *)op->stmt;
    struct qri_cursor *cursor = NULL;
    uint32_t other = 0;
    if (stmt->cursor != NULL) {
        QR_TRY(new_cursor(frame, op, stmt->cursor, stmt->name, &cursor, err));
    } else if (stmt->value != NULL && stmt->value->kind == QR_AE_VARIABLE &&
               qri_var_find(frame, ((const struct qr_ast_variable *)stmt->value)->name, &other)) {
        cursor = frame->slots[other].cursor;
    } else if (stmt->value != NULL && stmt->value->kind == QR_AE_COLUMN) {
        const struct qr_ast_name *name = &((const struct qr_ast_column *)stmt->value)->name;
        struct qr_str text = name->parts[name->count - 1].text;
        cursor = find(frame, text, false);
        if (cursor == NULL)
            return qr_sql_fail(err, 16916, qr_arena_str(&frame->arena, text).p);
    }
    if (cursor != NULL && stmt->cursor == NULL)
        cursor->refs++;
    qri_cursor_unref(frame->slots[slot].cursor);
    frame->slots[slot].cursor = cursor;
    return done(frame->session);
}

/* ---- OPEN ---- */

static enum qr_status keep_row(void *ctx, const struct qr_value *values, size_t count,
                               struct qr_err *err)
{
    struct qri_cursor *cursor = ctx;
    (void)count;
    return qr_rowset_append(cursor->rows, values, err);
}

static enum qr_status copy_columns(struct qr_session *session, struct qri_cursor *cursor,
                                   const struct qr_plan *plan, struct qr_err *err)
{
    qr_arena_reset(&cursor->arena);
    cursor->columns =
        qr_arena_array(&cursor->arena, plan->column_count + 1, sizeof *cursor->columns);
    struct qr_type *types = qr_arena_array(&cursor->arena, plan->column_count + 1, sizeof *types);
    if (cursor->columns == NULL || types == NULL)
        return qr_fail(err, QR_NOMEM, "open a cursor");
    for (size_t i = 0; i < plan->column_count; i++) {
        cursor->columns[i] = plan->columns[i];
        cursor->columns[i].name = qr_arena_str(&cursor->arena, plan->columns[i].name);
        cursor->columns[i].source = NULL; /* the catalog may be gone when rows are fetched */
        types[i] = plan->columns[i].type;
    }
    cursor->column_count = plan->column_count;
    qr_rowset_free(cursor->rows);
    cursor->rows = NULL;
    return qr_rowset_new(types, plan->column_count, session->db->store, &cursor->rows, err);
}

static enum qr_status opened(struct qr_session *session, struct qri_cursor *cursor, uint64_t count)
{
    cursor->is_open = true;
    cursor->position = -1;
    session->cursor_rows = (int32_t)(count > INT32_MAX ? INT32_MAX : count);
    return done(session);
}

struct to_compile {
    struct qri_frame *frame;
    const struct qr_ast_stmt *select;
    struct qri_cursor *cursor;
};

static enum qr_status compile_select(void *ctx, struct qri_code **ret_code, struct qr_err *err)
{
    struct to_compile *to = ctx;
    QR_TRY(qri_code_stmt(to->frame, 0, to->select, ret_code, err));
    return copy_columns(to->frame->session, to->cursor, (*ret_code)->plan, err);
}

static enum qr_status materialise_locked(struct qri_frame *frame, struct qri_cursor *cursor,
                                         const struct qr_ast_stmt *select, struct qri_code *code,
                                         struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct to_compile to = {frame, select, cursor};
    struct qri_locked_read read = {.frame = frame,
                                   .compile = compile_select,
                                   .compile_ctx = &to,
                                   .row = keep_row,
                                   .row_ctx = cursor};
    uint64_t limit = session->options.rowcount;
    session->options.rowcount = 0;
    enum qr_status status = qri_read_locked(&read, &code, err);
    session->options.rowcount = limit;
    return status == QR_OK ? opened(session, cursor, read.count) : status;
}

static enum qr_status materialise(struct qri_frame *frame, struct qri_cursor *cursor,
                                  const struct qr_ast_stmt *select, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qri_code *code = NULL;
    qri_session_refresh_catalog(session);
    QR_TRY(qri_code_stmt(frame, 0, select, &code, err));
    if (code->plan->locks_rows)
        return materialise_locked(frame, cursor, select, code, err);
    QR_TRY(qri_code_begin_read(frame, select, &code, err));
    uint64_t count = 0, limit = session->options.rowcount;
    session->options.rowcount = 0;
    enum qr_status status = copy_columns(session, cursor, code->plan, err);
    if (status == QR_OK)
        status = qri_select_each(frame, code, keep_row, cursor, &count, err);
    session->options.rowcount = limit;
    QR_TRY(qri_tran_statement_end(session, status, err));
    return opened(session, cursor, count);
}

/* The text that declared it is not running any more: its SELECT is compiled anew. */
static enum qr_status open_from_text(struct qr_session *session, struct qri_cursor *cursor,
                                     struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH};
    struct qri_unit *unit = NULL;
    struct qr_buf text;
    qr_buf_init(&text, SIZE_MAX);
    qr_buf_printf(&text, "DECLARE c CURSOR FOR %s", cursor->select_text);
    enum qr_status made = qr_buf_status(&text, err);
    source.text = qr_str_n(qr_buf_cstr(&text), text.len);
    if (made == QR_OK)
        made = qri_unit_take(session, &source, &unit, err);
    qr_buf_done(&text);
    QR_TRY(made);
    struct qri_frame frame;
    enum qr_status status = qri_frame_push(session, &frame, unit, err);
    if (status == QR_OK) {
        frame.op = &unit->ops[0];
        const struct qr_ast_declare_cursor *declared =
            (const struct qr_ast_declare_cursor *)unit->ops[0].stmt;
        status = materialise(&frame, cursor, declared->def.select, err);
        qri_frame_pop(&frame);
    }
    qri_unit_put(session, unit);
    return status;
}

static enum qr_status open_cursor(struct qri_frame *frame, struct qri_cursor *cursor,
                                  struct qr_err *err)
{
    if (cursor->is_open)
        return qr_sql_fail(err, 16905);
    struct qri_frame *owner = frame;
    while (owner != NULL && owner->unit != cursor->unit)
        owner = owner->outer;
    if (owner == NULL)
        return open_from_text(frame->session, cursor, err);
    const struct qri_op *op = owner->op;
    owner->op = cursor->op; /* its compiled SELECT is that of the declaration */
    enum qr_status status = materialise(owner, cursor, cursor->def->select, err);
    owner->op = op;
    return status;
}

/* ---- FETCH ---- */

static const char *fetch_name(enum qr_ast_fetch fetch)
{
    static const char *const names[] = {"Next", "Prior", "First", "Last", "Absolute", "Relative"};
    return names[fetch];
}

/* The keys of its tables stand behind what was selected. */
size_t qri_cursor_visible(const struct qri_cursor *cursor)
{
    size_t n = cursor->column_count;
    while (n > 0 && (cursor->columns[n - 1].flags & QR_COLUMN_ROW_KEY) != 0)
        n--;
    return n;
}

static enum qr_status move(struct qri_frame *frame, const struct qr_ast_cursor *stmt,
                           struct qri_cursor *cursor, struct qr_err *err)
{
    int64_t count = (int64_t)qr_rowset_count(cursor->rows), n = 0, to = 0;
    if (!cursor->is_scroll && stmt->fetch != QR_FETCH_NEXT)
        return qr_sql_fail(err, 16911, "fetch", fetch_name(stmt->fetch));
    if (stmt->fetch_row != NULL) {
        struct qr_type want = qr_type_of(QR_TYPE_BIGINT);
        struct qr_value value;
        QR_TRY(qri_eval_scalar(frame, 0, stmt->fetch_row, &want, NULL, &value, err));
        n = value.cell == QR_CELL_INT ? value.i : 0;
    }
    switch (stmt->fetch) {
    case QR_FETCH_NEXT:
        to = cursor->position + 1;
        break;
    case QR_FETCH_PRIOR:
        to = cursor->position - 1;
        break;
    case QR_FETCH_FIRST:
        break;
    case QR_FETCH_LAST:
        to = count - 1;
        break;
    case QR_FETCH_ABSOLUTE:
        to = n > 0 ? n - 1 : n < 0 ? count + n : -1;
        break;
    case QR_FETCH_RELATIVE:
        to = cursor->position + n;
        break;
    }
    cursor->position = to < 0 ? -1 : to > count ? count : to;
    return QR_OK;
}

static enum qr_status fetch_into(struct qri_frame *frame, const struct qr_ast_cursor *stmt,
                                 struct qri_cursor *cursor, const struct qr_value *values,
                                 struct qr_err *err)
{
    if (stmt->into.count != qri_cursor_visible(cursor))
        return qr_sql_fail(err, 16924);
    for (size_t i = 0; values != NULL && i < stmt->into.count; i++) {
        uint32_t slot = 0;
        if (!qri_var_find(frame, stmt->into.items[i], &slot))
            return qr_sql_fail(err, 137, qr_arena_str(&frame->arena, stmt->into.items[i]).p);
        QR_TRY(qri_var_assign(frame, slot, &cursor->columns[i].type, &values[i], err));
    }
    return QR_OK;
}

static enum qr_status fetch(struct qri_frame *frame, const struct qr_ast_cursor *stmt,
                            struct qri_cursor *cursor, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    const struct qr_sink *sink = session->sink;
    if (!cursor->is_open)
        return qr_sql_fail(err, 16917);
    QR_TRY(move(frame, stmt, cursor, err));
    struct qr_value *values =
        qr_arena_array(&frame->arena, cursor->column_count + 1, sizeof *values);
    if (values == NULL)
        return qr_fail(err, QR_NOMEM, "fetch a row");
    bool found = false;
    if (cursor->position >= 0 && cursor->position < (int64_t)qr_rowset_count(cursor->rows))
        QR_TRY(qri_rowset_get(cursor->rows, (uint64_t)cursor->position, values, &found, err));
    session->fetch_status = found ? FETCHED : FETCH_FAILED;
    session->error = 0;
    session->rowcount = found;
    if (stmt->into.count > 0)
        return fetch_into(frame, stmt, cursor, found ? values : NULL, err);
    size_t count = qri_cursor_visible(cursor);
    QR_TRY(sink->columns(sink->ctx, cursor->columns, count, NULL, 0));
    if (found)
        QR_TRY(sink->row(sink->ctx, values, count));
    return qri_send_done(session, !session->options.nocount, found, false, COMMAND_FETCH);
}

/* ---- WHERE CURRENT OF ---- */

static enum qr_status find_by_name(struct qri_frame *frame, struct qr_str name,
                                   struct qri_cursor **ret_cursor, struct qr_err *err)
{
    bool is_variable = name.n > 0 && name.p[0] == '@';
    const struct qr_ast_cursor named = {.name = {.text = name},
                                        .variable = is_variable ? name : (struct qr_str){NULL, 0}};
    return find_stmt(frame, &named, ret_cursor, err);
}

enum qr_status qri_cursor_key(struct qri_frame *frame, struct qr_str name, uint32_t object_id,
                              size_t ordinal, struct qr_arena *arena, struct qr_value *ret_value,
                              struct qr_err *err)
{
    struct qri_cursor *cursor = NULL;
    bool found = false;
    if (frame == NULL)
        return qr_sql_fail(err, 16916, qr_arena_str(arena, name).p);
    QR_TRY(find_by_name(frame, name, &cursor, err));
    if (!cursor->is_open)
        return qr_sql_fail(err, 16917);
    size_t first = qri_cursor_visible(cursor), at = first;
    if (cursor->is_read_only || first == cursor->column_count)
        return qr_sql_fail(err, 16929);
    while (at < cursor->column_count && cursor->columns[at].source_column_id != object_id)
        at++;
    if (at + ordinal >= cursor->column_count)
        return qr_sql_fail(err, 16933);
    struct qr_value *values = qr_arena_array(arena, cursor->column_count, sizeof *values);
    if (values == NULL)
        return qr_fail(err, QR_NOMEM, "row of a cursor");
    if (cursor->position >= 0 && cursor->position < (int64_t)qr_rowset_count(cursor->rows))
        QR_TRY(qri_rowset_get(cursor->rows, (uint64_t)cursor->position, values, &found, err));
    if (!found)
        return qr_sql_fail(err, 16931);
    *ret_value = qr_value_null();
    if (qr_value_is_null(&values[at + ordinal]))
        return QR_OK;
    return qr_variant_make(arena, &cursor->columns[at + ordinal].type, &values[at + ordinal],
                           ret_value) == QR_OK
               ? QR_OK
               : qr_fail(err, QR_NOMEM, "row of a cursor");
}

/* ---- CLOSE, DEALLOCATE ---- */

static enum qr_status close_cursor(struct qri_cursor *cursor, struct qr_err *err)
{
    if (!cursor->is_open)
        return qr_sql_fail(err, 16917);
    cursor->is_open = false;
    cursor->position = -1;
    cursor->api.first = -1;
    cursor->api.rows = 0;
    qr_rowset_clear(cursor->rows);
    return QR_OK;
}

static void drop_name(struct qri_cursor **list, struct qri_cursor *cursor)
{
    while (*list != NULL && *list != cursor)
        list = &(*list)->next;
    if (*list == NULL)
        return;
    *list = cursor->next;
    cursor->next = NULL;
    qri_cursor_unref(cursor);
}

void qri_cursor_drop(struct qr_session *session, struct qri_cursor *cursor)
{
    drop_name(&session->cursors, cursor);
}

static enum qr_status deallocate(struct qri_frame *frame, const struct qr_ast_cursor *stmt,
                                 struct qri_cursor *cursor)
{
    uint32_t slot = 0;
    if (stmt->variable.n > 0 && qri_var_find(frame, stmt->variable, &slot)) {
        frame->slots[slot].cursor = NULL;
        qri_cursor_unref(cursor);
        return QR_OK;
    }
    bool is_local = find_in(frame->cursors, stmt->name.text) == cursor;
    drop_name(is_local ? &frame->cursors : &frame->session->cursors, cursor);
    return QR_OK;
}

enum qr_status qri_run_cursor(struct qri_frame *frame, const struct qri_op *op, struct qr_err *err)
{
    const struct qr_ast_cursor *stmt = (const struct qr_ast_cursor *)op->stmt;
    struct qri_cursor *cursor = NULL;
    QR_TRY(find_stmt(frame, stmt, &cursor, err));
    enum qr_status status = QR_OK;
    switch (stmt->action) {
    case QR_CURSOR_OPEN:
        return open_cursor(frame, cursor, err);
    case QR_CURSOR_FETCH:
        return fetch(frame, stmt, cursor, err);
    case QR_CURSOR_CLOSE:
        status = close_cursor(cursor, err);
        break;
    case QR_CURSOR_DEALLOCATE:
        status = deallocate(frame, stmt, cursor);
        break;
    }
    QR_TRY(status);
    return done(frame->session);
}
