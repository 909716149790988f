/* for_json.c - FOR JSON AUTO and PATH; see for_int.h */
#include "for_int.h"
#include "base/banned.h"

static void put_string(struct qr_buf *out, struct qr_str text)
{
    qr_buf_add8(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        static const char short_forms[] = {
            ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
        if (c == '"' || c == '\\' || c == '/') {
            qr_buf_add8(out, '\\');
            qr_buf_add8(out, c);
        } else if (c < sizeof short_forms && short_forms[c] != 0) {
            qr_buf_add8(out, '\\');
            qr_buf_add8(out, (uint8_t)short_forms[c]);
        } else if (c < 0x20) {
            qr_buf_printf(out, "\\u%04x", c);
        } else {
            qr_buf_add8(out, c);
        }
    }
    qr_buf_add8(out, '"');
}

static enum qr_status put_value(struct qri_for *f, struct qr_arena *arena,
                                const struct qr_plan_for_column *column,
                                const struct qr_value *value, struct qr_err *err)
{
    if (value->cell == QR_CELL_NULL) {
        qr_buf_addz(&f->out, "null");
        return QR_OK;
    }
    if (column->type.id == QR_TYPE_BIT) {
        qr_buf_addz(&f->out, value->i != 0 ? "true" : "false");
        return QR_OK;
    }
    struct qr_str text;
    QR_TRY(qri_for_text(arena, &column->type, value, &text, err));
    if (column->is_fragment || qr_type_is_number(&column->type))
        qr_buf_addstr(&f->out, text);
    else
        put_string(&f->out, text);
    return QR_OK;
}

static void comma(struct qri_for *f, size_t depth)
{
    if (!f->first[depth])
        qr_buf_add8(&f->out, ',');
    f->first[depth] = false;
}

void qri_json_begin(struct qri_for *f)
{
    if (f->call->root.n > 0) {
        qr_buf_add8(&f->out, '{');
        put_string(&f->out, f->call->root);
        qr_buf_add8(&f->out, ':');
    }
    if (!f->call->without_array_wrapper)
        qr_buf_add8(&f->out, '[');
}

void qri_json_end(struct qri_for *f)
{
    if (f->call->kind == QR_FORMAT_JSON_AUTO && f->row_count > 0)
        qri_json_close(f, 0);
    if (!f->call->without_array_wrapper)
        qr_buf_add8(&f->out, ']');
    if (f->call->root.n > 0)
        qr_buf_add8(&f->out, '}');
}

/* ---- PATH: "a.b.c" makes objects within objects ---- */

static size_t split(struct qr_str name, struct qr_str *parts)
{
    size_t count = 0, from = 0;
    for (size_t i = 0; i <= name.n && count < QRI_FOR_DEPTH_MAX; i++) {
        if (i < name.n && name.p[i] != '.')
            continue;
        parts[count++] = qr_str_n(name.p + from, i - from);
        from = i + 1;
    }
    return count;
}

static void leave(struct qri_for *f, size_t depth)
{
    while (f->open_count > depth) {
        qr_buf_add8(&f->out, '}');
        f->open_count--;
    }
}

static void enter(struct qri_for *f, const struct qr_str *parts, size_t count)
{
    size_t same = 0;
    while (same < f->open_count && same < count && qr_str_eq(f->open[same], parts[same]))
        same++;
    leave(f, same);
    while (f->open_count < count) {
        comma(f, f->open_count);
        put_string(&f->out, parts[f->open_count]);
        qr_buf_addz(&f->out, ":{");
        f->open[f->open_count] = parts[f->open_count];
        f->first[++f->open_count] = true;
    }
}

enum qr_status qri_json_path_row(struct qri_for *f, struct qr_arena *arena,
                                 const struct qr_value *values, struct qr_err *err)
{
    if (f->row_count > 0)
        qr_buf_add8(&f->out, ',');
    qr_buf_add8(&f->out, '{');
    f->open_count = 0;
    f->first[0] = true;
    for (size_t i = 0; i < f->call->column_count; i++) {
        const struct qr_plan_for_column *column = &f->call->columns[i];
        if (values[i].cell == QR_CELL_NULL && !f->call->include_null_values)
            continue;
        struct qr_str parts[QRI_FOR_DEPTH_MAX];
        size_t count = split(column->name, parts);
        enter(f, parts, count - 1);
        comma(f, count - 1);
        put_string(&f->out, parts[count - 1]);
        qr_buf_add8(&f->out, ':');
        QR_TRY(put_value(f, arena, column, &values[i], err));
    }
    leave(f, 0);
    qr_buf_add8(&f->out, '}');
    return QR_OK;
}

/* ---- AUTO: an array for each further table ---- */

void qri_json_close(struct qri_for *f, uint16_t level)
{
    for (uint16_t l = f->level_max; l > level; l--)
        qr_buf_addz(&f->out, "}]");
    qr_buf_add8(&f->out, '}');
}

enum qr_status qri_json_auto_row(struct qri_for *f, struct qr_arena *arena,
                                 const struct qr_value *values, uint16_t from, struct qr_err *err)
{
    const struct qr_plan_for *call = f->call;
    if (f->row_count > 0) {
        qri_json_close(f, from);
        qr_buf_add8(&f->out, ',');
    }
    for (uint16_t level = from; level <= f->level_max; level++) {
        bool first = true;
        if (level > from) {
            struct qr_str table = {0};
            for (size_t i = 0; i < call->column_count && table.n == 0; i++)
                if (call->columns[i].level == level)
                    table = call->columns[i].table;
            if (f->out.data[f->out.len - 1] != '{')
                qr_buf_add8(&f->out, ',');
            put_string(&f->out, table);
            qr_buf_addz(&f->out, ":[");
        }
        qr_buf_add8(&f->out, '{');
        for (size_t i = 0; i < call->column_count; i++) {
            if (call->columns[i].level != level ||
                (values[i].cell == QR_CELL_NULL && !call->include_null_values))
                continue;
            if (!first)
                qr_buf_add8(&f->out, ',');
            first = false;
            put_string(&f->out, call->columns[i].name);
            qr_buf_add8(&f->out, ':');
            QR_TRY(put_value(f, arena, &call->columns[i], &values[i], err));
        }
        QR_TRY(qr_buf_status(&f->out, err));
    }
    return QR_OK;
}
