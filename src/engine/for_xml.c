/* for_xml.c - FOR XML RAW, AUTO, PATH and EXPLICIT; see for_int.h */
#include "for_int.h"
#include "base/banned.h"

/* Names become XML names: what may not stand in one is written _xHHHH_. */
static void put_name(struct qr_buf *out, struct qr_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = (uint8_t)name.p[i];
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
        if (letter || (i > 0 && (digit || c == '-' || c == '.' || c == ':')))
            qr_buf_add8(out, c);
        else
            qr_buf_printf(out, "_x%04X_", c);
    }
}

static void put_escaped(struct qr_buf *out, struct qr_str text, bool attribute)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '&')
            qr_buf_addz(out, "&amp;");
        else if (c == '<')
            qr_buf_addz(out, "&lt;");
        else if (c == '>')
            qr_buf_addz(out, "&gt;");
        else if (attribute && c == '"')
            qr_buf_addz(out, "&quot;");
        else if ((uint8_t)c < 0x20 && (attribute || c == '\r'))
            qr_buf_printf(out, "&#x%X;", (unsigned)(uint8_t)c);
        else
            qr_buf_add8(out, (uint8_t)c);
    }
}

static void finish_tag(struct qri_for *f)
{
    if (f->tag_open)
        qr_buf_add8(&f->out, '>');
    f->tag_open = false;
}

/* What the names within an outermost element stand for; the last one that was said comes first. */
static void put_namespaces(struct qri_for *f)
{
    if (f->call->xsinil)
        qr_buf_addz(&f->out, " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
    for (size_t i = f->call->namespace_count; i-- > 0;) {
        const struct qr_plan_namespace *n = &f->call->namespaces[i];
        qr_buf_addz(&f->out, n->prefix.n > 0 ? " xmlns:" : " xmlns");
        put_name(&f->out, n->prefix);
        qr_buf_addz(&f->out, "=\"");
        put_escaped(&f->out, n->uri, true);
        qr_buf_add8(&f->out, '"');
    }
}

static void start_tag(struct qri_for *f, struct qr_str name)
{
    finish_tag(f);
    qr_buf_add8(&f->out, '<');
    put_name(&f->out, name);
    f->tag_open = true;
    if (f->depth++ == 0)
        put_namespaces(f);
}

static void end_tag(struct qri_for *f, struct qr_str name)
{
    f->depth--;
    if (f->tag_open) {
        qr_buf_addz(&f->out, "/>");
        f->tag_open = false;
        return;
    }
    qr_buf_addz(&f->out, "</");
    put_name(&f->out, name);
    qr_buf_add8(&f->out, '>');
}

static enum qr_status value_text(struct qri_for *f, struct qr_arena *arena, size_t column,
                                 const struct qr_value *value, struct qr_str *ret_text,
                                 struct qr_err *err)
{
    return qri_for_text(arena, &f->call->columns[column].type, value, ret_text, err);
}

static enum qr_status put_attribute(struct qri_for *f, struct qr_arena *arena, size_t column,
                                    struct qr_str name, const struct qr_value *value,
                                    struct qr_err *err)
{
    struct qr_str text;
    QR_TRY(value_text(f, arena, column, value, &text, err));
    qr_buf_add8(&f->out, ' ');
    put_name(&f->out, name);
    qr_buf_addz(&f->out, "=\"");
    put_escaped(&f->out, text, true);
    qr_buf_add8(&f->out, '"');
    return QR_OK;
}

static enum qr_status put_content(struct qri_for *f, struct qr_arena *arena, size_t column,
                                  const struct qr_value *value, struct qr_err *err)
{
    struct qr_str text;
    finish_tag(f);
    QR_TRY(value_text(f, arena, column, value, &text, err));
    if (f->call->columns[column].is_fragment || f->call->columns[column].type.id == QR_TYPE_XML)
        qr_buf_addstr(&f->out, text);
    else
        put_escaped(&f->out, text, false);
    return QR_OK;
}

static enum qr_status put_element(struct qri_for *f, struct qr_arena *arena, size_t column,
                                  struct qr_str name, const struct qr_value *value,
                                  struct qr_err *err)
{
    start_tag(f, name);
    if (value->cell == QR_CELL_NULL)
        qr_buf_addz(&f->out, " xsi:nil=\"true\"");
    else
        QR_TRY(put_content(f, arena, column, value, err));
    end_tag(f, name);
    return QR_OK;
}

void qri_xml_begin(struct qri_for *f)
{
    if (f->call->root.n == 0)
        return;
    start_tag(f, f->call->root);
    finish_tag(f);
}

static struct qr_str table_of(const struct qri_for *f, uint16_t level)
{
    for (size_t i = 0; i < f->call->column_count; i++)
        if (f->call->columns[i].level == level && f->call->columns[i].table.n > 0)
            return f->call->columns[i].table;
    return qr_str("row");
}

static struct qr_str row_name(const struct qri_for *f, uint16_t level)
{
    if (f->call->kind == QR_FORMAT_XML_AUTO)
        return table_of(f, level);
    return f->call->row.n > 0 ? f->call->row : qr_str("row");
}

void qri_xml_close(struct qri_for *f, uint16_t level)
{
    for (int l = f->level_max; l >= level; l--)
        end_tag(f, row_name(f, (uint16_t)l));
}

static void leave(struct qri_for *f, size_t depth)
{
    while (f->open_count > depth)
        end_tag(f, f->open[--f->open_count]);
}

void qri_xml_end(struct qri_for *f)
{
    if (f->call->kind == QR_FORMAT_XML_EXPLICIT)
        leave(f, 0);
    if (f->call->kind == QR_FORMAT_XML_AUTO && f->row_count > 0)
        qri_xml_close(f, 0);
    if (f->call->root.n > 0)
        end_tag(f, f->call->root);
}

/* RAW is AUTO with one level that ends with the row. */
enum qr_status qri_xml_auto_row(struct qri_for *f, struct qr_arena *arena,
                                const struct qr_value *values, uint16_t from, struct qr_err *err)
{
    const struct qr_plan_for *call = f->call;
    bool raw = call->kind == QR_FORMAT_XML_RAW;
    if (!raw && f->row_count > 0)
        qri_xml_close(f, from);
    for (unsigned level = from; level <= (raw ? 0u : f->level_max); level++) {
        if (!call->no_row)
            start_tag(f, row_name(f, (uint16_t)level));
        for (size_t i = 0; i < call->column_count; i++) {
            bool is_null = values[i].cell == QR_CELL_NULL;
            if ((!raw && call->columns[i].level != level) || (is_null && !call->xsinil))
                continue;
            if (call->elements)
                QR_TRY(put_element(f, arena, i, call->columns[i].name, &values[i], err));
            else
                QR_TRY(put_attribute(f, arena, i, call->columns[i].name, &values[i], err));
        }
    }
    if (raw && !call->no_row)
        end_tag(f, row_name(f, 0));
    return QR_OK;
}

/* ---- PATH: "a/b/@c" ---- */

static size_t split(struct qr_str name, struct qr_str *parts)
{
    size_t count = 0, from = 0;
    for (size_t i = 0; i <= name.n && count < QRI_FOR_DEPTH_MAX; i++) {
        if (i < name.n && name.p[i] != '/')
            continue;
        parts[count++] = qr_str_n(name.p + from, i - from);
        from = i + 1;
    }
    return count;
}

static void enter(struct qri_for *f, const struct qr_str *parts, size_t count)
{
    size_t same = 0;
    while (same < f->open_count && same < count && qr_str_eq(f->open[same], parts[same]))
        same++;
    leave(f, same);
    while (f->open_count < count) {
        start_tag(f, parts[f->open_count]);
        f->open[f->open_count] = parts[f->open_count];
        f->open_count++;
    }
}

static bool is_text(struct qr_str name)
{
    return name.n == 0 || qr_str_ieqz(name, "text()") || qr_str_ieqz(name, "*") ||
           qr_str_ieqz(name, "node()") || qr_str_ieqz(name, "data()");
}

/* "processing-instruction(name)" */
static bool is_instruction(struct qr_str name, struct qr_str *ret_target)
{
    static const char head[] = "processing-instruction(";
    size_t n = sizeof head - 1;
    if (!qr_str_starts_i(name, head) || name.p[name.n - 1] != ')')
        return false;
    *ret_target = qr_str_n(name.p + n, name.n - n - 1);
    return true;
}

/* Nothing is escaped in there; what would end it is written with a blank in between. */
static void put_until(struct qr_buf *out, struct qr_str text, const char *end)
{
    for (size_t i = 0; i < text.n; i++) {
        qr_buf_add8(out, (uint8_t)text.p[i]);
        if (text.p[i] == end[0] && (i + 1 == text.n || text.p[i + 1] == end[1]))
            qr_buf_add8(out, ' ');
    }
}

static enum qr_status put_instruction(struct qri_for *f, struct qr_arena *arena, size_t column,
                                      struct qr_str target, const struct qr_value *value,
                                      struct qr_err *err)
{
    struct qr_str text;
    finish_tag(f);
    QR_TRY(value_text(f, arena, column, value, &text, err));
    qr_buf_addz(&f->out, "<?");
    put_name(&f->out, target);
    qr_buf_add8(&f->out, ' ');
    put_until(&f->out, text, "?>");
    qr_buf_addz(&f->out, "?>");
    return QR_OK;
}

static enum qr_status put_comment(struct qri_for *f, struct qr_arena *arena, size_t column,
                                  const struct qr_value *value, struct qr_err *err)
{
    struct qr_str text;
    finish_tag(f);
    QR_TRY(value_text(f, arena, column, value, &text, err));
    qr_buf_addz(&f->out, "<!--");
    put_until(&f->out, text, "--");
    qr_buf_addz(&f->out, "-->");
    return QR_OK;
}

static enum qr_status path_column(struct qri_for *f, struct qr_arena *arena, size_t column,
                                  const struct qr_value *value, struct qr_err *err)
{
    struct qr_str parts[QRI_FOR_DEPTH_MAX];
    size_t count = split(f->call->columns[column].name, parts);
    struct qr_str last = parts[count - 1], target;
    bool instructs = is_instruction(last, &target), comments = qr_str_ieqz(last, "comment()");
    if (value->cell == QR_CELL_NULL && (!f->call->xsinil || is_text(last) || instructs || comments))
        return QR_OK;
    bool attribute = last.n > 0 && last.p[0] == '@';
    bool element = !attribute && !is_text(last) && !instructs && !comments;
    enter(f, parts, element ? count : count - 1); /* a column of the same path goes on in it */
    if (attribute) {
        if (!f->tag_open)
            return qr_sql_fail(err, 6852, "@", "FOR XML PATH");
        return put_attribute(f, arena, column, qr_str_n(last.p + 1, last.n - 1), value, err);
    }
    if (qr_str_ieqz(last, "data()") && f->out.len > 0 && !f->tag_open &&
        f->out.data[f->out.len - 1] != '>')
        qr_buf_add8(&f->out, ' ');
    if (is_text(last))
        return put_content(f, arena, column, value, err);
    if (instructs)
        return put_instruction(f, arena, column, target, value, err);
    if (comments)
        return put_comment(f, arena, column, value, err);
    if (value->cell != QR_CELL_NULL)
        return put_content(f, arena, column, value, err);
    if (f->tag_open) { /* nothing can go on in it */
        qr_buf_addz(&f->out, " xsi:nil=\"true\"");
        leave(f, count - 1);
    }
    return QR_OK;
}

enum qr_status qri_xml_path_row(struct qri_for *f, struct qr_arena *arena,
                                const struct qr_value *values, struct qr_err *err)
{
    f->open_count = 0;
    if (!f->call->no_row)
        start_tag(f, row_name(f, 0));
    for (size_t i = 0; i < f->call->column_count; i++)
        QR_TRY(path_column(f, arena, i, &values[i], err));
    leave(f, 0);
    if (!f->call->no_row)
        end_tag(f, row_name(f, 0));
    return QR_OK;
}

/* ---- EXPLICIT: rows say which element they are, and within which one ---- */

/* The columns of a tag begin with one that names its element; NULL if there are none. */
static const struct qr_plan_for_column *declared(const struct qri_for *f, int64_t tag)
{
    for (size_t i = 2; i < f->call->column_count; i++)
        if (f->call->columns[i].tag == tag)
            return &f->call->columns[i];
    return NULL;
}

/* Opens the element of a row within that of its parent. */
static enum qr_status explicit_open(struct qri_for *f, const struct qr_value *values,
                                    struct qr_err *err)
{
    int64_t tag = values[0].cell == QR_CELL_INT ? values[0].i : 0;
    int64_t parent = values[1].cell == QR_CELL_INT ? values[1].i : 0;
    const struct qr_plan_for_column *column = declared(f, tag);
    size_t depth = f->open_count;
    if (tag <= 0)
        return qr_sql_fail(err, 6803);
    if (parent < 0 || (values[1].cell != QR_CELL_INT && values[1].cell != QR_CELL_NULL))
        return qr_sql_fail(err, 6804);
    if (column == NULL)
        return qr_sql_fail(err, 6806, (int)tag);
    if (parent > 0 && declared(f, parent) == NULL)
        return qr_sql_fail(err, 6807, (int)parent);
    while (depth > 0 && (parent == 0 || f->tags[depth - 1] != parent))
        depth--;
    if (parent > 0 && depth == 0)
        return qr_sql_fail(err, 6833, (int)parent);
    leave(f, depth);
    if (depth == QRI_FOR_DEPTH_MAX)
        return qr_sql_fail(err, 6805);
    start_tag(f, column->table);
    f->open[depth] = column->table;
    f->tags[depth] = (int)tag;
    f->open_count = depth + 1;
    return QR_OK;
}

/* "]]>" would end the section: it is parted between two. */
static enum qr_status put_cdata(struct qri_for *f, struct qr_arena *arena, size_t column,
                                const struct qr_value *value, struct qr_err *err)
{
    struct qr_str text;
    finish_tag(f);
    QR_TRY(value_text(f, arena, column, value, &text, err));
    qr_buf_addz(&f->out, "<![CDATA[");
    for (size_t i = 0; i < text.n; i++) {
        bool ends = i >= 2 && text.p[i] == '>' && text.p[i - 1] == ']' && text.p[i - 2] == ']';
        qr_buf_addz(&f->out, ends ? "]]><![CDATA[" : "");
        qr_buf_add8(&f->out, (uint8_t)text.p[i]);
    }
    qr_buf_addz(&f->out, "]]>");
    return QR_OK;
}

static enum qr_status explicit_content(struct qri_for *f, struct qr_arena *arena, size_t column,
                                       const struct qr_value *value, struct qr_err *err)
{
    const struct qr_plan_for_column *c = &f->call->columns[column];
    bool is_null = value->cell == QR_CELL_NULL;
    struct qr_str text;
    if (is_null && (c->directive != QR_DIRECTIVE_ELEMENTXSINIL || c->name.n == 0))
        return QR_OK;
    if (c->directive == QR_DIRECTIVE_CDATA)
        return put_cdata(f, arena, column, value, err);
    if (c->directive != QR_DIRECTIVE_XML && c->name.n > 0)
        return put_element(f, arena, column, c->name, value, err);
    if (c->directive != QR_DIRECTIVE_XML)
        return put_content(f, arena, column, value, err);
    QR_TRY(value_text(f, arena, column, value, &text, err));
    if (c->name.n > 0)
        start_tag(f, c->name);
    finish_tag(f);
    qr_buf_addstr(&f->out, text);
    if (c->name.n > 0)
        end_tag(f, c->name);
    return QR_OK;
}

enum qr_status qri_xml_explicit_row(struct qri_for *f, struct qr_arena *arena,
                                    const struct qr_value *values, struct qr_err *err)
{
    const struct qr_plan_for_column *columns = f->call->columns;
    QR_TRY(explicit_open(f, values, err));
    for (int content = 0; content < 2; content++)
        for (size_t i = 2; i < f->call->column_count; i++) {
            bool attribute = columns[i].directive == QR_DIRECTIVE_ATTRIBUTE;
            if (columns[i].tag != values[0].i || columns[i].directive == QR_DIRECTIVE_HIDE)
                continue;
            if (content == 1 && !attribute)
                QR_TRY(explicit_content(f, arena, i, &values[i], err));
            else if (content == 0 && attribute && values[i].cell != QR_CELL_NULL)
                QR_TRY(put_attribute(f, arena, i, columns[i].name, &values[i], err));
        }
    return QR_OK;
}
