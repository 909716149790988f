/* cursor_api_change.c - sp_cursor: changes rows of a fetch buffer; see cursor_api.h
 *
 * Each change is a statement of T-SQL: UPDATE and DELETE WHERE CURRENT OF the cursor, which is
 * moved to the row. Named arguments are columns and their values; arguments without a name are
 * pieces of the statement. */
#include "cursor_api.h"
#include "tsql/print.h"
#include "base/banned.h"

static const char PROCEDURE[] = "sp_cursor";

enum { FIRST_VALUE = 4, TEXT_BYTES_MAX = 64 << 20, FAILED = 1 };

enum op {
    OP_UPDATE = 1,
    OP_DELETE = 2,
    OP_INSERT = 4,
    OP_REFRESH = 8,
    OP_LOCK = 0x10,
    OP_SETPOSITION = 0x20,
    OP_ABSOLUTE = 0x40,
};

struct change {
    struct qr_session *session;
    struct qri_cursor *cursor;
    struct qri_call_arg *values;
    size_t count;
    bool is_named;
    struct qr_str table; /* as given */
    struct qr_buf text, params;
};

/* The first table that the cursor has keys of. */
static const struct qr_cat_object *first_table(const struct change *c)
{
    const struct qri_cursor *cursor = c->cursor;
    size_t at = qri_cursor_visible(cursor);
    return at == cursor->column_count
               ? NULL
               : qri_object_by_id(c->session, cursor->columns[at].source_column_id);
}

static enum qr_status add_table(struct change *c, struct qr_err *err)
{
    struct qr_arena *arena = &c->session->frame->arena;
    struct qr_ast_name name;
    if (c->table.n > 0) {
        QR_TRY(qri_name_parse(arena, c->table, &name, err));
        qr_tsql_print_names(&c->text, &name);
        return QR_OK;
    }
    const struct qr_cat_object *table = first_table(c);
    if (table == NULL)
        return qr_sql_fail(err, 16929);
    const struct qr_cat_schema *schema =
        qr_cat_schema_by_id(&c->session->catalog->cat, table->schema_id);
    if (schema != NULL && table->object_id < QRI_TEMP_OBJECT_FIRST) {
        qr_tsql_print_name(&c->text, schema->name);
        qr_buf_add8(&c->text, '.');
    }
    qr_tsql_print_name(&c->text, table->name);
    return QR_OK;
}

/* The column of the table that a name in the select list stands for. */
static struct qr_str column_of(const struct change *c, struct qr_str name)
{
    const struct qr_cat_object *table = c->table.n > 0 ? NULL : first_table(c);
    for (size_t i = 0; table != NULL && i < qri_cursor_visible(c->cursor); i++) {
        const struct qr_plan_column *column = &c->cursor->columns[i];
        if (!qr_str_ieq(column->name, name) || column->source_column_id == 0)
            continue;
        for (size_t k = 0; k < table->column_count; k++)
            if (table->columns[k].column_id == column->source_column_id)
                return table->columns[k].name;
    }
    return name;
}

static struct qr_str column_name(const struct change *c, size_t i)
{
    struct qr_str name = c->values[i].name;
    return column_of(c, qr_str_n(name.p + 1, name.n - 1));
}

static bool begins_with(struct qr_str text, const char *word)
{
    size_t i = 0, n = strlen(word);
    while (i < text.n && (text.p[i] == ' ' || (text.p[i] >= '\t' && text.p[i] <= '\r')))
        i++;
    return text.n - i >= n && qr_str_ieqz(qr_str_n(text.p + i, n), word);
}

static void add_pieces(struct change *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (i > 0)
            qr_buf_add8(&c->text, ',');
        qr_buf_addstr(&c->text, qr_value_bytes(&c->values[i].value));
    }
}

static struct qr_str first_piece(const struct change *c)
{
    return qr_value_bytes(&c->values[0].value);
}

static enum qr_status update_text(struct change *c, struct qr_err *err)
{
    bool is_whole = !c->is_named && begins_with(first_piece(c), "UPDATE");
    if (!is_whole) {
        qr_buf_addz(&c->text, "UPDATE ");
        QR_TRY(add_table(c, err));
        qr_buf_addz(&c->text, !c->is_named && begins_with(first_piece(c), "SET") ? " " : " SET ");
    }
    if (!c->is_named)
        add_pieces(c);
    for (size_t i = 0; c->is_named && i < c->count; i++) {
        qr_buf_addz(&c->text, i == 0 ? "" : ", ");
        qr_tsql_print_name(&c->text, column_name(c, i));
        qr_buf_printf(&c->text, " = @v%zu", i);
    }
    return QR_OK;
}

static enum qr_status insert_text(struct change *c, struct qr_err *err)
{
    if (!c->is_named && begins_with(first_piece(c), "INSERT")) {
        add_pieces(c);
        return QR_OK;
    }
    qr_buf_addz(&c->text, "INSERT INTO ");
    QR_TRY(add_table(c, err));
    if (!c->is_named) {
        bool has_word = begins_with(first_piece(c), "VALUES");
        bool is_row = begins_with(first_piece(c), "(");
        qr_buf_addz(&c->text, has_word ? " " : is_row ? " VALUES " : " VALUES (");
        add_pieces(c);
        qr_buf_addz(&c->text, has_word || is_row ? "" : ")");
        return QR_OK;
    }
    for (size_t i = 0; i < c->count; i++) {
        qr_buf_addz(&c->text, i == 0 ? " (" : ", ");
        qr_tsql_print_name(&c->text, column_name(c, i));
    }
    qr_buf_addz(&c->text, ") VALUES (");
    for (size_t i = 0; i < c->count; i++)
        qr_buf_printf(&c->text, "%s@v%zu", i == 0 ? "" : ", ", i);
    qr_buf_addz(&c->text, ")");
    return QR_OK;
}

static enum qr_status make_text(struct change *c, int32_t op, struct qr_err *err)
{
    if (op == OP_INSERT) {
        QR_TRY(insert_text(c, err));
    } else {
        if (op == OP_UPDATE) {
            QR_TRY(update_text(c, err));
        } else {
            qr_buf_addz(&c->text, "DELETE FROM ");
            QR_TRY(add_table(c, err));
        }
        qr_buf_addz(&c->text, " WHERE CURRENT OF GLOBAL ");
        qr_tsql_print_name(&c->text, qr_str(c->cursor->name));
    }
    for (size_t i = 0; c->is_named && op != OP_DELETE && i < c->count; i++) {
        char type[QR_TYPE_NAME_BYTES];
        qr_buf_printf(&c->params, "%s@v%zu %s", i == 0 ? "" : ", ", i,
                      qr_type_print(&c->values[i].type, type));
    }
    QR_TRY(qr_buf_status(&c->params, err));
    return qr_buf_status(&c->text, err);
}

/* *ret_said: it failed, and its error is sent. */
static enum qr_status run_text(struct change *c, int32_t op, bool *ret_said, uint64_t *ret_changed,
                               struct qr_err *err)
{
    bool has_values = c->is_named && op != OP_DELETE;
    for (size_t i = 0; has_values && i < c->count; i++)
        c->values[i].name = (struct qr_str){NULL, 0}; /* by position from here */
    c->session->rowcount = 0;
    c->session->error = 0;
    QR_TRY(qri_call_text(c->session, qr_str_n((char *)c->text.data, c->text.len),
                         qr_str_n((char *)c->params.data, c->params.len), c->values,
                         has_values ? c->count : 0, false, NULL, err));
    *ret_said = c->session->error != 0;
    *ret_changed += (uint64_t)c->session->rowcount;
    return QR_OK;
}

static enum qr_status change_rows(struct change *c, int32_t op, int64_t from, int64_t to,
                                  int32_t *ret_status, struct qr_err *err)
{
    int64_t position = c->cursor->position;
    uint64_t changed = 0;
    bool said = false;
    qr_buf_init(&c->text, TEXT_BYTES_MAX);
    qr_buf_init(&c->params, TEXT_BYTES_MAX);
    enum qr_status status = make_text(c, op, err);
    for (int64_t row = from; row < to && status == QR_OK && !said; row++) {
        if (op != OP_INSERT)
            c->cursor->position = row;
        status = run_text(c, op, &said, &changed, err);
    }
    if (c->cursor->is_open)
        c->cursor->position = position;
    qr_buf_done(&c->text);
    qr_buf_done(&c->params);
    if (status == QR_OK && !said && changed == 0)
        return qr_sql_fail(err, 16947);
    if (status == QR_OK && !said)
        qri_api_return(c->session, ret_status, 0);
    return status;
}

/* ---- arguments ---- */

static enum qr_status take_values(struct change *c, int32_t op, struct qri_call_arg *args,
                                  size_t count, struct qr_err *err)
{
    size_t first = count > FIRST_VALUE ? FIRST_VALUE : count;
    c->values = args + first;
    c->count = count - first;
    if (op != OP_UPDATE && op != OP_INSERT)
        return QR_OK;
    c->is_named =
        c->count > 0 && c->values[0].name.n > 1 && !qr_str_ieqz(c->values[0].name, "@VALUES");
    bool is_bad = c->count == 0;
    for (size_t i = 0; i < c->count; i++)
        is_bad |= c->is_named ? c->values[i].name.n < 2 || c->values[i].rowset != NULL
                              : !qr_type_is_string(&c->values[i].type) ||
                                    c->values[i].value.cell != QR_CELL_TEXT;
    return is_bad ? qr_sql_fail(err, 16936) : QR_OK;
}

/* Rows of the whole cursor from *ret_from up to *ret_to; 0: all of the fetch buffer. */
static enum qr_status find_rows(const struct qri_cursor *cursor, int32_t row, bool is_absolute,
                                int64_t *ret_from, int64_t *ret_to, struct qr_err *err)
{
    int64_t first = is_absolute ? 0 : cursor->api.first;
    int64_t rows = is_absolute ? (int64_t)qr_rowset_count(cursor->rows) : cursor->api.rows;
    if (rows == 0)
        return qr_sql_fail(err, 16931);
    if (row < 0 || row > rows || (row == 0 && is_absolute))
        return qr_sql_fail(err, 16930);
    *ret_from = row == 0 ? first : first + row - 1;
    *ret_to = row == 0 ? first + rows : *ret_from + 1;
    return QR_OK;
}

static enum qr_status run_op(struct change *c, int32_t op, int32_t row, bool is_absolute,
                             int32_t *ret_status, struct qr_err *err)
{
    int64_t from = 0, to = 1;
    if (op == OP_LOCK)
        return qr_sql_fail(err, 40510, "sp_cursor LOCK");
    if (op != OP_REFRESH && c->cursor->is_read_only)
        return qr_sql_fail(err, 16929);
    if (op != OP_INSERT)
        QR_TRY(find_rows(c->cursor, row, is_absolute, &from, &to, err));
    if (op != OP_REFRESH)
        return change_rows(c, op, from, to, ret_status, err);
    struct qri_api_cursor before = c->cursor->api;
    c->cursor->api.first = from;
    c->cursor->api.rows = to - from;
    QR_TRY(qri_api_send(c->session, c->cursor, true, err));
    c->cursor->api = before;
    qri_api_return(c->session, ret_status, 0);
    return QR_OK;
}

enum qr_status qri_sp_cursor(struct qr_session *session, struct qri_call_arg *args, size_t count,
                             int32_t *ret_status, struct qr_err *err)
{
    struct change c = {.session = session};
    int32_t optype, row;
    qri_api_return(session, ret_status, FAILED);
    QR_TRY(qri_api_find(session, PROCEDURE, args, count, &c.cursor, err));
    QR_TRY(qri_api_int(session, PROCEDURE, "optype", args, count, 1, 0, &optype, err));
    QR_TRY(qri_api_int(session, PROCEDURE, "rownum", args, count, 2, 0, &row, err));
    QR_TRY(qri_api_text(PROCEDURE, "table", args, count, 3, &c.table, err));
    int32_t op = optype & ~(OP_SETPOSITION | OP_ABSOLUTE);
    bool is_absolute = (optype & OP_ABSOLUTE) != 0, sets = (optype & OP_SETPOSITION) != 0;
    bool is_one = op == 0 ? sets : op <= OP_LOCK && op > 0 && (op & (op - 1)) == 0;
    if (!is_one || (sets && op == OP_INSERT))
        return qr_sql_fail(err, 16902, PROCEDURE, "optype");
    if (is_absolute && op != OP_UPDATE && op != OP_DELETE)
        return qr_sql_fail(err, 16904);
    if (!c.cursor->is_open)
        return qr_sql_fail(err, 16917);
    int64_t position = c.cursor->api.first;
    if (row > 0 && row <= c.cursor->api.rows && !is_absolute)
        position += row - 1;
    enum qr_status status = QR_OK;
    c.cursor->refs++; /* what runs may close it */
    if (op == 0)
        qri_api_return(session, ret_status, 0);
    else
        status = take_values(&c, op, args, count, err);
    if (op != 0 && status == QR_OK)
        status = run_op(&c, op, row, is_absolute, ret_status, err);
    if (sets && status == QR_OK && c.cursor->is_open)
        c.cursor->position = position;
    qri_cursor_unref(c.cursor);
    return status;
}
