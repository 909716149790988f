/* fn_string.c - see expr/func.h: lengths, parts and searches of strings */
#include "expr_int.h"
#include <string.h>
#include "base/checked.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

/* --- shared by the string families --- */

size_t qri_text_length(const struct qr_type *type)
{
    return qr_type_is_lob(type) ? 0 : type->length;
}

enum qr_status qri_type_like_first(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    qri_result_string(t, qri_is_national(type), qri_text_length(type));
    return QR_OK;
}

enum qr_status qri_type_position(struct qr_func_typing *t, size_t index)
{
    bool large = qr_type_is_lob(&t->args[index]->type);
    t->type = qr_type_of(large ? QR_TYPE_BIGINT : QR_TYPE_INT);
    return QR_OK;
}

enum qr_status qri_room(const struct qr_call *c, size_t bytes, char **ret_bytes, struct qr_err *err)
{
    *ret_bytes = qr_arena_alloc(c->ctx->arena, bytes + 1);
    return *ret_bytes == NULL ? qri_expr_nomem(err) : QR_OK;
}

enum qr_status qri_return_text(const struct qr_call *c, struct qr_str text,
                               struct qr_value *ret_value, struct qr_err *err)
{
    (void)err;
    *ret_value = qr_value_str(qri_cut(&c->expr->type, text));
    return QR_OK;
}

static enum qr_order order_of(const struct qr_call *c, size_t index)
{
    struct qr_type type = *qri_arg_type(c, index);
    if (type.collation == 0)
        type.collation = QR_COLLATION_DEFAULT;
    return qr_order_of(&type);
}

static bool is_binary(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_BINARY;
}

/* Characters for text, bytes for binary. */
static size_t units_of(const struct qr_call *c, size_t index)
{
    struct qr_str s = qri_arg_str(c, index);
    return is_binary(qri_arg_type(c, index)) ? s.n : qr_utf16_units(s);
}

/* --- LEN, DATALENGTH --- */

static enum qr_status type_len(struct qr_func_typing *t)
{
    if (!is_binary(&t->args[0]->type))
        QR_TRY(qri_arg_string(t, 0));
    if (t->args[0]->type.id == QR_TYPE_TEXT || t->args[0]->type.id == QR_TYPE_NTEXT ||
        t->args[0]->type.id == QR_TYPE_IMAGE)
        return qri_bad_argument(t, 0);
    return qri_type_position(t, 0);
}

static enum qr_status fn_len(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    struct qr_str s = qri_arg_str(c, 0);
    if (is_binary(qri_arg_type(c, 0))) {
        *ret = qr_value_int((int64_t)s.n);
        return QR_OK;
    }
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    *ret = qr_value_int((int64_t)qr_utf16_units(s));
    return QR_OK;
}

static enum qr_status type_datalength(struct qr_func_typing *t)
{
    return qri_type_position(t, 0);
}

static enum qr_status fn_datalength(const struct qr_call *c, struct qr_value *ret,
                                    struct qr_err *err)
{
    (void)err;
    *ret = qr_value_int((int64_t)qr_value_datalength(qri_arg_type(c, 0), &c->args[0]));
    return QR_OK;
}

/* --- SUBSTRING, LEFT, RIGHT, STUFF --- */

/* The type of a piece of argument 0 of at most `units` (SIZE_MAX: as long as the argument). */
static void type_piece(struct qr_func_typing *t, size_t units)
{
    const struct qr_type *type = &t->args[0]->type;
    size_t length = qri_text_length(type);
    if (length != 0 && units < length)
        length = units == 0 ? 1 : units;
    if (is_binary(type))
        t->type = qr_type_sized(QR_TYPE_VARBINARY, type->id == QR_TYPE_ROWVERSION ? 8 : length);
    else
        qri_result_string(t, qri_is_national(type), length);
}

static size_t constant_length(const struct qr_expr *e)
{
    bool known = qri_is_const(e) && e->u.value.cell == QR_CELL_INT && e->u.value.i >= 0;
    return known ? (size_t)e->u.value.i : SIZE_MAX;
}

/* SUBSTRING takes strings and binaries only, LEFT and RIGHT what converts to a string as well. */
static enum qr_status type_substring(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[0]->type;
    bool any = t->func->args_max == 2;
    if (type->id == QR_TYPE_NULL || (!any && !qr_type_is_string(type) && !is_binary(type)))
        return qri_bad_argument(t, 0);
    if (!is_binary(&t->args[0]->type))
        QR_TRY(qri_arg_string(t, 0));
    QR_TRY(qri_mix(t->b, t->args, 1, "substring", &t->use));
    bool to_end = !any && t->arg_count == 2;
    type_piece(t, to_end ? SIZE_MAX : constant_length(t->args[t->arg_count - 1]));
    return QR_OK;
}

static enum qr_status piece(const struct qr_call *c, int64_t from, int64_t count,
                            struct qr_value *ret, struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    if (is_binary(qri_arg_type(c, 0))) {
        size_t at = (uint64_t)from > s.n ? s.n : (size_t)from;
        size_t n = (uint64_t)count > s.n - at ? s.n - at : (size_t)count;
        *ret = qr_value_blob(s.p + at, n);
        return QR_OK;
    }
    struct qr_str part;
    if (qr_utf_substr(s, (size_t)from, (size_t)count, c->ctx->arena, &part) != QR_OK)
        return qri_expr_nomem(err);
    *ret = qr_value_str(part);
    return QR_OK;
}

static enum qr_status fn_substring(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    int64_t start = c->args[1].i, count = c->arg_count > 2 ? c->args[2].i : INT64_MAX, end;
    if (count < 0)
        return qr_sql_fail(err, 537);
    if (!qr_add_i64(start, count, &end)) /* positions before 1 use up length */
        end = INT64_MAX;
    if (start < 1)
        start = 1;
    return piece(c, start - 1, end <= start ? 0 : end - start, ret, err);
}

static enum qr_status fn_left(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (c->args[1].i < 0)
        return qr_sql_fail(err, 537);
    return piece(c, 0, c->args[1].i, ret, err);
}

static enum qr_status fn_right(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    if (c->args[1].i < 0)
        return qr_sql_fail(err, 536);
    int64_t units = (int64_t)units_of(c, 0), count = c->args[1].i;
    return piece(c, count >= units ? 0 : units - count, count, ret, err);
}

static enum qr_status type_stuff(struct qr_func_typing *t)
{
    t->nullable = true;
    if (is_binary(&t->args[0]->type)) {
        bool max = qr_type_is_lob(&t->args[0]->type);
        t->type = qr_type_sized(QR_TYPE_VARBINARY, max ? 0 : QR_CHAR_LENGTH_MAX);
        return qr_expr_cast(t->b, t->type, t->args[3], NULL, 0, &t->args[3]);
    }
    QR_TRY(qri_arg_string(t, 0));
    QR_TRY(qri_arg_string(t, 3));
    bool national = qri_is_national(&t->args[0]->type) || qri_is_national(&t->args[3]->type);
    bool max = qr_type_is_lob(&t->args[0]->type) || qr_type_is_lob(&t->args[3]->type);
    qri_result_string(t, national, max ? 0 : national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX);
    return QR_OK;
}

static enum qr_status fn_stuff(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    *ret = qr_value_null();
    if (qr_value_is_null(&c->args[0]) || qr_value_is_null(&c->args[1]) ||
        qr_value_is_null(&c->args[2]))
        return QR_OK;
    int64_t start = c->args[1].i, count = c->args[2].i;
    int64_t units = (int64_t)units_of(c, 0);
    if (start < 1 || start > units || count < 0)
        return QR_OK;
    if (count > units - (start - 1))
        count = units - (start - 1);
    struct qr_value head = qr_value_null(), tail = head;
    QR_TRY(piece(c, 0, start - 1, &head, err));
    QR_TRY(piece(c, start - 1 + count, units, &tail, err));
    struct qr_str middle = qr_value_is_null(&c->args[3]) ? qr_str("") : qri_arg_str(c, 3);
    char *out;
    QR_TRY(qri_room(c, head.n + middle.n + tail.n, &out, err));
    if (head.n > 0)
        memcpy(out, head.p, head.n);
    if (middle.n > 0)
        memcpy(out + head.n, middle.p, middle.n);
    if (tail.n > 0)
        memcpy(out + head.n + middle.n, tail.p, tail.n);
    struct qr_str text = qri_cut(&c->expr->type, qr_str_n(out, head.n + middle.n + tail.n));
    *ret = is_binary(&c->expr->type) ? qr_value_blob(text.p, text.n) : qr_value_str(text);
    return QR_OK;
}

/* --- CHARINDEX, PATINDEX, REPLACE --- */

static enum qr_status type_charindex(struct qr_func_typing *t)
{
    for (size_t i = 0; i < 2; i++)
        if (!is_binary(&t->args[i]->type))
            QR_TRY(qri_arg_string(t, i));
    const struct qr_expr *both[2] = {t->args[0], t->args[1]};
    if (is_binary(&both[0]->type) != is_binary(&both[1]->type))
        for (size_t i = 0; i < 2; i++)
            if (is_binary(&both[i]->type))
                QR_TRY(qr_expr_cast(t->b, qri_as_string(&both[i]->type, false, t->b->collation),
                                    both[i], NULL, 0, &t->args[i]));
    if (t->use.label == QR_LABEL_NO_COLLATION)
        QR_TRY(qr_collation_need(qri_use_of(t->b, both[0]), qri_use_of(t->b, both[1]), "charindex",
                                 t->b->err));
    return qri_type_position(t, 1);
}

/* The order that the search uses: national if either side is, by the collation that won. */
static enum qr_order search_order(const struct qr_call *c, size_t a, size_t b)
{
    const struct qr_type *ta = qri_arg_type(c, a), *tb = qri_arg_type(c, b);
    struct qr_type type = qri_is_national(tb) ? *tb : *ta;
    if (!qr_type_is_string(&type))
        return QR_ORDER_BIN2;
    const struct qr_expr *ea = c->expr->args[a], *eb = c->expr->args[b];
    type.collation = ea->label > eb->label ? ta->collation : tb->collation;
    return qr_order_of(&type);
}

static enum qr_status fn_charindex(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    (void)err;
    struct qr_str needle = qri_arg_str(c, 0), text = qri_arg_str(c, 1);
    bool binary = is_binary(qri_arg_type(c, 1));
    int64_t start = c->arg_count == 3 && c->args[2].i > 1 ? c->args[2].i - 1 : 0;
    size_t from = (uint64_t)start > text.n ? text.n : (size_t)start;
    if (!binary)
        from = qr_utf_byte_of_unit(text, (size_t)start);
    *ret = qr_value_int(0);
    if (needle.n == 0)
        return QR_OK;
    size_t at, bytes;
    if (binary) {
        const char *hit =
            from < text.n ? memmem(text.p + from, text.n - from, needle.p, needle.n) : NULL;
        if (hit != NULL)
            *ret = qr_value_int(hit - text.p + 1);
    } else if (qr_order_search(search_order(c, 0, 1), text, needle, from, &at, &bytes)) {
        *ret = qr_value_int((int64_t)qr_utf16_units(qr_str_n(text.p, at)) + 1);
    }
    return QR_OK;
}

static enum qr_status type_patindex(struct qr_func_typing *t)
{
    return qri_type_position(t, 1);
}

static enum qr_status fn_patindex(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    struct qr_str pattern = qri_arg_str(c, 0), text = qri_arg_str(c, 1);
    bool national = qri_is_national(qri_arg_type(c, 0)) || qri_is_national(qri_arg_type(c, 1));
    size_t at;
    *ret = qr_value_int(0);
    if (qr_like_index(search_order(c, 0, 1), national, text, pattern, &at))
        *ret = qr_value_int((int64_t)qr_utf16_units(qr_str_n(text.p, at)) + 1);
    return QR_OK;
}

static enum qr_status type_replace(struct qr_func_typing *t)
{
    bool national = false, max = false;
    for (size_t i = 0; i < 3; i++) {
        national = national || qri_is_national(&t->args[i]->type);
        max = max || qr_type_is_lob(&t->args[i]->type);
    }
    qri_result_string(t, national, max ? 0 : national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX);
    return QR_OK;
}

static enum qr_status fn_replace(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str text = qri_arg_str(c, 0), what = qri_arg_str(c, 1), with = qri_arg_str(c, 2);
    enum qr_order order = search_order(c, 0, 1);
    size_t hits = 0, at = 0, bytes = 0, from = 0, total;
    if (what.n == 0)
        return qri_return_text(c, text, ret, err);
    for (; qr_order_search(order, text, what, from, &at, &bytes); from = at + bytes)
        hits++;
    if (hits == 0)
        return qri_return_text(c, text, ret, err);
    if (!qr_mul_size(hits, with.n, &total) || !qr_add_size(total, text.n, &total))
        return qri_expr_nomem(err);
    char *out;
    QR_TRY(qri_room(c, total, &out, err));
    size_t n = 0;
    for (from = 0; qr_order_search(order, text, what, from, &at, &bytes); from = at + bytes) {
        memcpy(out + n, text.p + from, at - from);
        n += at - from;
        if (with.n > 0)
            memcpy(out + n, with.p, with.n);
        n += with.n;
    }
    memcpy(out + n, text.p + from, text.n - from);
    return qri_return_text(c, qr_str_n(out, n + text.n - from), ret, err);
}

/* --- trimming --- */

static struct qr_str next_char(struct qr_str s, size_t *pos)
{
    size_t from = *pos;
    (void)qr_utf_next(s, pos);
    return qr_str_n(s.p + from, *pos - from);
}

static bool in_set(enum qr_order order, struct qr_str ch, struct qr_str set)
{
    for (size_t pos = 0; pos < set.n;) {
        struct qr_str member = next_char(set, &pos);
        if (qr_str_eq(ch, member) || (member.p[0] != ' ' && qr_order_equal(order, ch, member)))
            return true;
    }
    return false;
}

enum { TRIM_LEADING = 1, TRIM_TRAILING = 2 };

static enum qr_status trim(const struct qr_call *c, int sides, struct qr_value *ret)
{
    struct qr_str s = qri_arg_str(c, 0), set = c->arg_count > 1 ? qri_arg_str(c, 1) : qr_str(" ");
    enum qr_order order = order_of(c, 0);
    while ((sides & TRIM_LEADING) && s.n > 0) {
        size_t pos = 0;
        if (!in_set(order, next_char(s, &pos), set))
            break;
        s = qr_str_n(s.p + pos, s.n - pos);
    }
    while ((sides & TRIM_TRAILING) && s.n > 0) {
        size_t at = s.n - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        if (!in_set(order, qr_str_n(s.p + at, s.n - at), set))
            break;
        s.n = at;
    }
    *ret = qr_value_str(s);
    return QR_OK;
}

static enum qr_status fn_ltrim(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    return trim(c, TRIM_LEADING, ret);
}

static enum qr_status fn_rtrim(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    return trim(c, TRIM_TRAILING, ret);
}

static enum qr_status fn_trim(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    int64_t side = c->arg_count == 3 ? c->args[2].i : 0;
    return trim(c, side == 0 ? TRIM_LEADING | TRIM_TRAILING : (int)side, ret);
}

static const struct qr_func string_funcs[] = {
    /* clang-format off */
    {"CHARINDEX",  2, 3, "**I", type_charindex,      0, 0, fn_charindex,  0, QR_HOST_NONE},
    {"DATALENGTH", 1, 1, "*",   type_datalength,     0, 0, fn_datalength, 0, QR_HOST_NONE},
    {"LEFT",       2, 2, "*I",  type_substring,      0, 0, fn_left,       0, QR_HOST_NONE},
    {"LEN",        1, 1, "*",   type_len,            0, 0, fn_len,        0, QR_HOST_NONE},
    {"LTRIM",      1, 2, "s",   qri_type_like_first, 0, 0, fn_ltrim,      0, QR_HOST_NONE},
    {"PATINDEX",   2, 2, "s",   type_patindex,       0, 0, fn_patindex,   0, QR_HOST_NONE},
    {"REPLACE",    3, 3, "s",   type_replace,        0, 0, fn_replace,    0, QR_HOST_NONE},
    {"RIGHT",      2, 2, "*I",  type_substring,      0, 0, fn_right,      0, QR_HOST_NONE},
    {"RTRIM",      1, 2, "s",   qri_type_like_first, 0, 0, fn_rtrim,      0, QR_HOST_NONE},
    {"STUFF",      4, 4, "*II*", type_stuff,         0, 0, fn_stuff, QR_FUNC_NULLS, QR_HOST_NONE},
    {"SUBSTRING",  2, 3, "*II", type_substring,      0, 0, fn_substring,  0, QR_HOST_NONE},
    {"TRIM",       1, 3, "ssi", qri_type_like_first, 0, 0, fn_trim,       0, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_string_funcs = {string_funcs,
                                            sizeof string_funcs / sizeof string_funcs[0]};
