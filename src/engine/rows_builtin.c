/* rows_builtin.c - see rows_builtin.h */
#include "rows_builtin_int.h"
#include "describe_int.h"
#include "codec/json.h"
#include "expr/rows.h"
#include "expr/xml.h"
#include "base/banned.h"

static enum qr_status string_split(struct qri_builtin *b)
{
    if (qri_builtin_is_null(b, 0) || qri_builtin_is_null(b, 1))
        return QR_OK;
    struct qr_split split;
    QR_TRY(qr_split_open(&b->rows->arg_types[0], qr_value_bytes(&b->args[0]),
                         qr_value_bytes(&b->args[1]), &split, b->err));
    struct qr_str part;
    int64_t ordinal = 0;
    while (qr_split_next(&split, &part, &ordinal)) {
        struct qr_value row[2] = {qr_value_str(part), qr_value_int(ordinal)};
        QR_TRY(qr_rowset_append(b->out, row, b->err));
    }
    return QR_OK;
}

static enum qr_status generate_series(struct qri_builtin *b)
{
    if (qri_builtin_is_null(b, 0) || qri_builtin_is_null(b, 1) ||
        (b->rows->arg_count > 2 && qri_builtin_is_null(b, 2)))
        return QR_OK;
    struct qr_series series;
    QR_TRY(qr_series_open(&b->rows->column_types[0], &b->args[0], &b->args[1],
                          b->rows->arg_count > 2 ? &b->args[2] : NULL, &series, b->err));
    struct qr_value value;
    for (uint32_t n = 1; qr_series_next(&series, &value); n++) {
        QR_TRY(qr_rowset_append(b->out, &value, b->err));
        if ((n & 4095) == 0)
            QR_TRY(qri_check_cancelled(b->frame->session, b->err));
    }
    return QR_OK;
}

/* ---- OPENJSON ---- */

static struct qr_str path_of(const struct qri_builtin *b)
{
    return qri_builtin_is_null(b, 1) ? (struct qr_str){NULL, 0} : qr_value_bytes(&b->args[1]);
}

static struct qr_value text_value(struct qr_str text)
{
    return text.p == NULL ? qr_value_null() : qr_value_str(text);
}

static enum qr_status json_members(struct qri_builtin *b, struct qr_str json)
{
    struct qr_json_rows rows;
    QR_TRY(qr_json_rows_open(&b->arena, json, path_of(b), &rows, b->err));
    for (;;) {
        bool more = false;
        struct qr_json_row row;
        qr_arena_reset(&b->arena_row);
        QR_TRY(qr_json_rows_next(&rows, &b->arena_row, &more, &row, b->err));
        if (!more)
            return QR_OK;
        struct qr_str text = row.item.text;
        if (row.item.kind == QR_JSON_NULL)
            text = (struct qr_str){0};
        else if (row.item.kind < QR_JSON_ARRAY)
            QR_TRY(qr_json_scalar(&b->arena_row, &row.item, &text, b->err));
        struct qr_value values[3] = {qr_value_str(row.key), text_value(text),
                                     qr_value_int(row.item.kind)};
        QR_TRY(qr_rowset_append(b->out, values, b->err));
    }
}

/* One row of OPENJSON WITH: each column's path is followed below the item. */
static enum qr_status json_record(struct qri_builtin *b, const struct qr_json_path *paths,
                                  struct qr_str item)
{
    const struct qr_plan_rows *rows = b->rows;
    struct qr_type from = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    struct qr_value *values = qr_arena_array(&b->arena_row, rows->column_count, sizeof *values);
    if (values == NULL)
        return qr_fail(b->err, QR_NOMEM, "read JSON");
    struct qr_eval eval;
    qri_eval_init(&eval, b->frame->session, b->frame, &b->arena_row);
    for (size_t i = 0; i < rows->column_count; i++) {
        struct qr_str text = {0};
        QR_TRY(qr_json_column(&b->arena_row, item, &paths[i], rows->openjson[i].as_json, &text,
                              b->err));
        struct qr_value value = text_value(text);
        QR_TRY(qr_eval_cast(&eval, &from, &value, &rows->column_types[i], 0, 0, NULL, NULL,
                            &values[i], b->err));
    }
    return qr_rowset_append(b->out, values, b->err);
}

static enum qr_status json_records(struct qri_builtin *b, struct qr_str json)
{
    const struct qr_plan_rows *rows = b->rows;
    struct qr_json_path *paths = qr_arena_array(&b->arena, rows->column_count, sizeof *paths);
    struct qr_json_path path;
    struct qr_json_item item;
    bool found = false;
    if (paths == NULL)
        return qr_fail(b->err, QR_NOMEM, "read JSON");
    for (size_t i = 0; i < rows->column_count; i++)
        QR_TRY(qr_json_path_parse(&b->arena, rows->openjson[i].path, &paths[i], b->err));
    struct qr_str path_text = path_of(b);
    QR_TRY(qr_json_path_parse(&b->arena, path_text.p == NULL ? qr_str("$") : path_text, &path,
                              b->err));
    QR_TRY(qr_json_find(&b->arena, json, &path, &found, &item, b->err));
    if (found && item.kind == QR_JSON_OBJECT)
        return json_record(b, paths, item.text);
    struct qr_json_rows items;
    QR_TRY(qr_json_rows_open(&b->arena, json, path_text, &items, b->err));
    for (;;) {
        bool more = false;
        struct qr_json_row row;
        qr_arena_reset(&b->arena_row);
        QR_TRY(qr_json_rows_next(&items, &b->arena_row, &more, &row, b->err));
        if (!more)
            return QR_OK;
        QR_TRY(json_record(b, paths, row.item.text));
    }
}

static enum qr_status openjson(struct qri_builtin *b)
{
    if (qri_builtin_is_null(b, 0))
        return QR_OK;
    struct qr_str json = qr_value_bytes(&b->args[0]);
    return b->rows->has_with ? json_records(b, json) : json_members(b, json);
}

/* ---- nodes() of xml ---- */

static enum qr_status xml_nodes(struct qri_builtin *b)
{
    struct qr_xml_node *context = NULL;
    struct qr_xml_found found;
    if (qri_builtin_is_null(b, 0) || qri_builtin_is_null(b, 1))
        return QR_OK;
    QR_TRY(qr_xml_read(&b->arena, qr_value_bytes(&b->args[0]), &context, b->err));
    QR_TRY(qr_xml_path(&b->arena, context, qr_value_bytes(&b->args[1]), &found, b->err));
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < found.count && status == QR_OK; i++) {
        struct qr_buf text;
        qr_buf_init(&text, 256 << 20);
        qr_xml_write_context(&text, found.nodes[i]);
        struct qr_value row = qr_value_text((const char *)text.data, text.len);
        status = text.failed != QR_OK ? qr_fail(b->err, text.failed, "write a node")
                                      : qr_rowset_append(b->out, &row, b->err);
        qr_buf_done(&text);
    }
    return status;
}

/* ---- sys.dm_exec_describe_first_result_set ---- */

enum { DESCRIBED = 39, DESCRIBE_COLUMNS = DESCRIBED + 6 };

static enum qr_status describe_row(void *ctx, const struct qr_value *values, size_t count)
{
    struct qri_builtin *b = ctx;
    struct qr_value row[DESCRIBE_COLUMNS];
    for (size_t i = 0; i < DESCRIBE_COLUMNS; i++)
        row[i] = i < count ? values[i] : qr_value_null();
    return qr_rowset_append(b->out, row, b->err);
}

/* An error is told in a row of its own. */
static enum qr_status describe_error(struct qri_builtin *b, const struct qr_err *err)
{
    enum { NUMBER = DESCRIBED, SEVERITY, STATE, MESSAGE, KIND, KIND_DESC };
    struct qr_value row[DESCRIBE_COLUMNS];
    for (size_t i = 0; i < DESCRIBE_COLUMNS; i++) {
        bool is_null = i < b->rows->object->column_count && b->rows->object->columns[i].nullable;
        row[i] = is_null ? qr_value_null() : qr_value_int(0);
    }
    row[NUMBER] = qr_value_int(err->number);
    row[SEVERITY] = qr_value_int(err->severity);
    row[STATE] = qr_value_int(err->state);
    row[MESSAGE] = qr_value_str(qr_str(err->text));
    row[KIND] = qr_value_int(err->number == 102 || err->number == 156 ? 1 : 0);
    row[KIND_DESC] = qr_value_str(qr_str(row[KIND].i == 1 ? "SYNTAX" : "MISC"));
    return qr_rowset_append(b->out, row, b->err);
}

static enum qr_status describe_it(struct qri_builtin *b, struct qri_describe *what)
{
    struct qr_err err;
    qr_err_reset(&err);
    what->browse =
        !qri_builtin_is_null(b, b->rows->arg_count - 1) && b->args[b->rows->arg_count - 1].i != 0;
    what->row = describe_row;
    what->ctx = b;
    enum qr_status status = qri_describe(b->frame->session, what, &err);
    if (status == QR_SQL)
        return describe_error(b, &err);
    if (status != QR_OK)
        *b->err = err;
    return status;
}

static enum qr_status describe_text(struct qri_builtin *b)
{
    if (b->rows->arg_count != 3)
        return qr_sql_fail(b->err, b->rows->arg_count < 3 ? 313 : 8144, b->rows->name.p);
    if (qri_builtin_is_null(b, 0) || b->args[0].cell != QR_CELL_TEXT)
        return QR_OK;
    struct qri_describe what = {.text = qr_value_bytes(&b->args[0])};
    if (!qri_builtin_is_null(b, 1) && b->args[1].cell == QR_CELL_TEXT)
        what.params = qr_value_bytes(&b->args[1]);
    return describe_it(b, &what);
}

static enum qr_status describe_object(struct qri_builtin *b)
{
    if (b->rows->arg_count != 2)
        return qr_sql_fail(b->err, b->rows->arg_count < 2 ? 313 : 8144, b->rows->name.p);
    if (qri_builtin_is_null(b, 0) || b->args[0].cell != QR_CELL_INT)
        return QR_OK;
    struct qri_describe what = {.module =
                                    qri_object_by_id(b->frame->session, (uint32_t)b->args[0].i)};
    if (what.module == NULL || what.module->type != QR_CAT_PROC)
        return QR_OK;
    return describe_it(b, &what);
}

static const struct builtin_row {
    const char *name;
    enum qr_status (*run)(struct qri_builtin *b);
} builtins[] = {
    /* clang-format off */
    {"STRING_SPLIT",    string_split   },
    {"GENERATE_SERIES", generate_series},
    {"OPENJSON",        openjson       },
    {"XML NODES",       xml_nodes      },
    {"REGEXP_MATCHES",  qri_rows_regexp_matches},
    {"REGEXP_SPLIT_TO_TABLE", qri_rows_regexp_split},
    {"dm_exec_describe_first_result_set", describe_text},
    {"dm_exec_describe_first_result_set_for_object", describe_object},
    {"dm_exec_sql_text",     qri_rows_sql_text    },
    {"dm_exec_query_plan",   qri_rows_query_plan  },
    {"dm_exec_text_query_plan", qri_rows_query_plan},
    {"dm_exec_input_buffer", qri_rows_input_buffer},
    {"fn_xe_telemetry_blob_target_read_file", qri_rows_deadlocks},
    /* clang-format on */
};

enum qr_status qri_rows_builtin(struct qri_frame *frame, const struct qr_plan_rows *rows,
                                const struct qr_value *args, struct qr_rowset **ret_rowset,
                                struct qr_err *err)
{
    struct qri_builtin b = {.frame = frame, .rows = rows, .args = args, .err = err};
    size_t i = 0, count = sizeof builtins / sizeof builtins[0];
    while (i < count && !qr_str_ieqz(rows->name, builtins[i].name))
        i++;
    if (i == count)
        return qr_fail(err, QR_UNSUPPORTED, "The function %.*s is not supported.",
                       (int)rows->name.n, rows->name.p);
    QR_TRY(qr_rowset_new(rows->column_types, rows->column_count, frame->session->db->store, &b.out,
                         err));
    qr_arena_init(&b.arena, QRI_STMT_ARENA_BYTES_MAX);
    qr_arena_init(&b.arena_row, QRI_STMT_ARENA_BYTES_MAX);
    enum qr_status status = builtins[i].run(&b);
    qr_arena_done(&b.arena);
    qr_arena_done(&b.arena_row);
    if (status != QR_OK) {
        qr_rowset_free(b.out);
        return status;
    }
    *ret_rowset = b.out;
    return QR_OK;
}
