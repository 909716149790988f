/* rows_builtin.c - see rows_builtin.h */
#include "rows_builtin.h"
#include "codec/collation.h"
#include "base/banned.h"

struct builtin {
    struct qri_frame *frame;
    const struct qr_plan_rows *rows;
    const struct qr_value *args;
    struct qr_rowset *out;
    struct qr_err *err;
};

static bool is_null(const struct builtin *b, size_t index)
{
    return index >= b->rows->arg_count || b->args[index].cell == QR_CELL_NULL;
}

/* STRING_SPLIT(text, separator [, with ordinal]) */
static enum qr_status string_split(struct builtin *b)
{
    if (is_null(b, 0) || is_null(b, 1))
        return QR_OK;
    struct qr_str text = qr_value_bytes(&b->args[0]), separator = qr_value_bytes(&b->args[1]);
    size_t units = 0;
    for (size_t i = 0; i < separator.n; i++)
        units += ((uint8_t)separator.p[i] & 0xC0) != 0x80;
    if (units != 1)
        return qr_sql_fail(b->err, 214, "separator", "nchar(1)/nvarchar(1)");
    enum qr_order order = qr_order_of(&b->rows->arg_types[0]);
    int64_t ordinal = 0;
    size_t from = 0, at = 0, bytes = 0;
    for (bool more = true; more;) {
        more = qr_order_search(order, text, separator, from, &at, &bytes);
        size_t end = more ? at : text.n;
        struct qr_value row[2] = {qr_value_text(text.p + from, end - from),
                                  qr_value_int(++ordinal)};
        QR_TRY(qr_rowset_append(b->out, row, b->err));
        from = end + bytes;
    }
    return QR_OK;
}

/* GENERATE_SERIES(start, stop [, step]) over whole numbers. */
static enum qr_status generate_series(struct builtin *b)
{
    if (is_null(b, 0) || is_null(b, 1) || (b->rows->arg_count > 2 && is_null(b, 2)))
        return QR_OK;
    for (size_t i = 0; i < b->rows->arg_count; i++)
        if (b->args[i].cell != QR_CELL_INT)
            return qr_sql_fail(b->err, 8116, qr_type_name(&b->rows->arg_types[i]), (int)i + 1,
                               "generate_series");
    int64_t at = b->args[0].i, stop = b->args[1].i;
    int64_t step = b->rows->arg_count > 2 ? b->args[2].i : at <= stop ? 1 : -1;
    if (step == 0)
        return qr_sql_fail(b->err, 4199, "step");
    while (step > 0 ? at <= stop : at >= stop) {
        struct qr_value row = qr_value_int(at);
        QR_TRY(qr_rowset_append(b->out, &row, b->err));
        if (__builtin_add_overflow(at, step, &at))
            break;
    }
    return QR_OK;
}

static const struct builtin_row {
    const char *name;
    enum qr_status (*run)(struct builtin *b);
} builtins[] = {
    /* clang-format off */
    {"STRING_SPLIT",    string_split   },
    {"GENERATE_SERIES", generate_series},
    /* clang-format on */
};

enum qr_status qri_rows_builtin(struct qri_frame *frame, const struct qr_plan_rows *rows,
                                const struct qr_value *args, struct qr_rowset **ret_rowset,
                                struct qr_err *err)
{
    struct builtin b = {.frame = frame, .rows = rows, .args = args, .err = err};
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (!qr_str_ieqz(rows->name, builtins[i].name))
            continue;
        QR_TRY(qr_rowset_new(rows->column_types, rows->column_count, &b.out, err));
        enum qr_status status = builtins[i].run(&b);
        if (status != QR_OK) {
            qr_rowset_free(b.out);
            return status;
        }
        *ret_rowset = b.out;
        return QR_OK;
    }
    return qr_fail(err, QR_UNSUPPORTED, "The function %.*s is not supported.", (int)rows->name.n,
                   rows->name.p);
}
