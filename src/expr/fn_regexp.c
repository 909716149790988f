/* fn_regexp.c - see expr/func.h: REGEXP_LIKE, REGEXP_COUNT, REGEXP_INSTR, REGEXP_SUBSTR,
 * REGEXP_REPLACE. Positions that come in count characters, those that go out UTF-16 units, as
 * SQL Server has it. */
#include "expr_int.h"
#include "expr/regexp.h"
#include <string.h>
#include "codec/utf.h"
#include "base/banned.h"

/* --- arguments --- */

enum { FLAGS_MAX = 30, PATTERN = 1 };

static bool is_text(const struct qr_type *type)
{
    return type->id == QR_TYPE_CHAR || type->id == QR_TYPE_VARCHAR || type->id == QR_TYPE_NCHAR ||
           type->id == QR_TYPE_NVARCHAR;
}

/* s text, p a pattern, f flags, i an integer or text of one. */
static bool suits(const struct qr_type *type, char letter)
{
    if (letter == 's')
        return is_text(type);
    if (letter == 'p' || letter == 'f')
        return is_text(type) && !qr_type_is_lob(type) && (letter == 'p' || !qri_is_national(type));
    return qri_number_of(type) == QRI_INT || is_text(type);
}

enum qr_status qr_regexp_args(struct qr_expr_builder *b, const char *name, const char *letters,
                              const struct qr_expr **args, size_t arg_count)
{
    for (size_t i = 0; i < arg_count; i++) {
        const struct qr_type *type = &args[i]->type;
        bool null = qri_is_null_literal(args[i]);
        if (!null && !suits(type, letters[i])) {
            bool lob = i == PATTERN && is_text(type);
            return qr_sql_fail(b->err, 8116,
                               lob ? "VARCHAR(MAX)/NVARCHAR(MAX)" : qr_type_name(type), (int)i + 1,
                               name);
        }
        if (letters[i] == 'i')
            QR_TRY(qr_expr_convert(b, qr_type_of(QR_TYPE_INT), args[i], &args[i]));
        else if (null)
            QR_TRY(qr_expr_convert(b, qr_type_sized(QR_TYPE_VARCHAR, 1), args[i], &args[i]));
    }
    return QR_OK;
}

enum qr_status qr_regexp_flags_read(struct qr_str text, unsigned *ret_flags, struct qr_err *err)
{
    static const char letters[] = "ims"; /* in the order of enum qr_regexp_flags */
    unsigned flags = 0;
    char z[FLAGS_MAX + 1] = "";
    if (text.n > FLAGS_MAX)
        return qr_sql_fail(err, 19302, FLAGS_MAX, (int)qr_utf16_units(text));
    memcpy(z, text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        const char *at = z[i] == '\0' ? NULL : strchr(letters, z[i]);
        if (at == NULL && z[i] != 'c')
            return qr_sql_fail(err, 19303, z);
        flags = at == NULL ? flags & ~(unsigned)QR_REGEXP_FOLD : flags | 1U << (at - letters);
    }
    *ret_flags = flags;
    return QR_OK;
}

static enum qr_status type_regexp(struct qr_func_typing *t)
{
    static const struct {
        const char *name, *lower, *letters;
    } shapes[] = {
        {"REGEXP_LIKE", "regexp_like", "spf"},
        {"REGEXP_COUNT", "regexp_count", "spif"},
        {"REGEXP_INSTR", "regexp_instr", "spiiifi"},
        {"REGEXP_SUBSTR", "regexp_substr", "spiifi"},
        {"REGEXP_REPLACE", "regexp_replace", "spsiif"},
    };
    size_t i = 0;
    while (strcmp(shapes[i].name, t->func->name) != 0)
        i++;
    QR_TRY(qr_regexp_args(t->b, shapes[i].lower, shapes[i].letters, t->args, t->arg_count));
    struct qr_collation_use use = qri_use_of(t->b, t->args[0]);
    if (t->use.label != QR_LABEL_EXPLICIT)
        t->use = use;
    t->type = qr_type_of(QR_TYPE_INT);
    return QR_OK;
}

static enum qr_status type_substr(struct qr_func_typing *t)
{
    QR_TRY(type_regexp(t));
    return qri_type_like_first(t);
}

static enum qr_status type_replace(struct qr_func_typing *t)
{
    QR_TRY(type_regexp(t));
    bool national = qri_is_national(&t->args[0]->type);
    bool lob = qr_type_is_lob(&t->args[0]->type) ||
               (t->arg_count > 2 && qr_type_is_lob(&t->args[2]->type));
    qri_result_string(t, national, lob ? 0 : national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX);
    return QR_OK;
}

/* --- the search --- */

struct look {
    struct qr_str text;
    const struct qr_regexp *regexp;
    struct qr_regexp_search search;
    struct qr_regexp_cache own; /* where nobody keeps patterns */
    bool past_end;              /* the start lies behind the text */
};

static int64_t number(const struct qr_call *c, size_t index, int64_t otherwise)
{
    return c->arg_count > index ? c->args[index].i : otherwise;
}

static enum qr_status at_least(const struct qr_call *c, const char *what, int64_t value, int least,
                               struct qr_err *err)
{
    return value >= least ? QR_OK
                          : qr_sql_fail(err, 19301, what, least, value, c->expr->u.func->name);
}

/* The search from argument `start` on with the flags of argument `flags`. */
static enum qr_status look_for(const struct qr_call *c, size_t start, size_t flags, size_t groups,
                               struct look *l, struct qr_err *err)
{
    unsigned bits = 0;
    int64_t from = start == 0 ? 1 : number(c, start, 1);
    size_t pos = 0;
    l->text = qri_arg_str(c, 0);
    if (c->arg_count > flags)
        QR_TRY(qr_regexp_flags_read(qri_arg_str(c, flags), &bits, err));
    QR_TRY(at_least(c, "START", from, 1, err));
    for (int64_t i = 1; i < from && pos < l->text.n; i++) {
        (void)qr_utf_next(l->text, &pos);
        l->past_end = pos == l->text.n && i + 1 < from;
    }
    l->past_end |= l->text.n == 0 && from > 1;
    struct qr_regexp_cache *cache = c->ctx->regexps != NULL ? c->ctx->regexps : &l->own;
    QR_TRY(qr_regexp_cached(cache, qri_arg_str(c, PATTERN), bits, &l->regexp, err));
    QR_TRY(qr_regexp_search(l->regexp, l->text, pos, groups, c->ctx->arena, &l->search, err));
    l->search.poll = c->ctx->host_ops == NULL ? NULL : c->ctx->host_ops->poll;
    l->search.poll_arg = c->ctx->host;
    if (l->past_end)
        l->search.pos = l->text.n + 1;
    return QR_OK;
}

/* The occurrence-th match; false if there are fewer. */
static enum qr_status find(struct look *l, int64_t occurrence, bool *ret_found, struct qr_err *err)
{
    *ret_found = true;
    for (int64_t i = 0; i < occurrence && *ret_found; i++)
        QR_TRY(qr_regexp_next(&l->search, ret_found, err));
    return QR_OK;
}

/* Its group; false if there is none, or none that took part. */
static bool group_of(const struct look *l, int64_t group, size_t *ret_begin, size_t *ret_end)
{
    if (2 * (size_t)group >= l->search.slots || l->search.at[2 * group] == QR_REGEXP_NONE)
        return false;
    *ret_begin = (size_t)l->search.at[2 * group];
    *ret_end = (size_t)l->search.at[2 * group + 1];
    return true;
}

static size_t groups_for(int64_t group)
{
    return group < 0 || group > UINT16_MAX ? UINT16_MAX : (size_t)group;
}

/* --- functions --- */

static enum qr_status like(const struct qr_call *c, struct look *l, struct qr_value *ret,
                           struct qr_err *err)
{
    bool found = false;
    QR_TRY(look_for(c, 0, 2, 0, l, err));
    QR_TRY(find(l, 1, &found, err));
    *ret = qr_value_int(found);
    return QR_OK;
}

static enum qr_status count(const struct qr_call *c, struct look *l, struct qr_value *ret,
                            struct qr_err *err)
{
    int64_t n = 0;
    QR_TRY(look_for(c, 2, 3, 0, l, err));
    for (bool found = true; found; n += found)
        QR_TRY(qr_regexp_next(&l->search, &found, err));
    *ret = qr_value_int(n);
    return QR_OK;
}

static enum qr_status instr(const struct qr_call *c, struct look *l, struct qr_value *ret,
                            struct qr_err *err)
{
    enum { START = 2, OCCURRENCE, OPTION, FLAGS, GROUP };
    int64_t group = number(c, GROUP, 0), option = number(c, OPTION, 0);
    int64_t occurrence = number(c, OCCURRENCE, 1);
    size_t begin, end;
    bool found;
    QR_TRY(look_for(c, START, FLAGS, groups_for(group), l, err));
    QR_TRY(at_least(c, "OCCURRENCE", occurrence, 1, err));
    if (option < 0 || option > 1)
        return qr_sql_fail(err, 19301, "RETURN_OPTION", 0, option, c->expr->u.func->name);
    QR_TRY(at_least(c, "GROUP", group, 0, err));
    QR_TRY(find(l, occurrence, &found, err));
    found = found && group_of(l, group, &begin, &end);
    size_t at = !found ? 0 : option == 0 ? begin : end;
    *ret = qr_value_int(found ? (int64_t)qr_utf16_units(qr_str_n(l->text.p, at)) + 1 : 0);
    return QR_OK;
}

static enum qr_status substr(const struct qr_call *c, struct look *l, struct qr_value *ret,
                             struct qr_err *err)
{
    enum { START = 2, OCCURRENCE, FLAGS, GROUP };
    int64_t group = number(c, GROUP, 0), occurrence = number(c, OCCURRENCE, 1);
    size_t begin, end;
    bool found;
    QR_TRY(look_for(c, START, FLAGS, groups_for(group), l, err));
    QR_TRY(at_least(c, "OCCURRENCE", occurrence, 1, err));
    QR_TRY(at_least(c, "GROUP", group, 0, err));
    QR_TRY(find(l, occurrence, &found, err));
    *ret = found && group_of(l, group, &begin, &end) ? qr_value_text(l->text.p + begin, end - begin)
                                                     : qr_value_null();
    return QR_OK;
}

/* What stands for a match: \1 to \9 are its groups, & all of it, \\ and \& the characters. */
static void put_replacement(const struct look *l, struct qr_str with, struct qr_buf *out)
{
    size_t begin, end;
    for (size_t i = 0; i < with.n; i++) {
        char ch = with.p[i], next = i + 1 < with.n ? with.p[i + 1] : '\0';
        bool escape = ch == '\\';
        if (escape && next >= '1' && next <= '9') {
            i++;
            if (group_of(l, next - '0', &begin, &end))
                qr_buf_add(out, l->text.p + begin, end - begin);
        } else if (ch == '&') {
            qr_buf_add(out, l->text.p + l->search.at[0],
                       (size_t)(l->search.at[1] - l->search.at[0]));
        } else {
            i += escape && (next == '\\' || next == '&');
            qr_buf_add8(out, (uint8_t)with.p[i]);
        }
    }
}

static enum qr_status replace_in(const struct qr_call *c, struct look *l, int64_t occurrence,
                                 struct qr_buf *out, struct qr_err *err)
{
    struct qr_str with = c->arg_count > 2 ? qri_arg_str(c, 2) : qr_str("");
    size_t copied = 0;
    bool found = true;
    for (int64_t i = 1; out->failed == QR_OK; i++) {
        QR_TRY(qr_regexp_next(&l->search, &found, err));
        if (!found)
            break;
        if (occurrence != 0 && i != occurrence)
            continue;
        size_t begin = (size_t)l->search.at[0];
        qr_buf_add(out, l->text.p + copied, begin - copied);
        put_replacement(l, with, out);
        copied = (size_t)l->search.at[1];
        if (i == occurrence)
            break;
    }
    qr_buf_add(out, l->text.p + copied, l->text.n - copied);
    return out->failed == QR_OK ? QR_OK : qri_expr_nomem(err);
}

static enum qr_status replace(const struct qr_call *c, struct look *l, struct qr_value *ret,
                              struct qr_err *err)
{
    enum { START = 3, OCCURRENCE, FLAGS, REFERENCES = 9, BYTES_MAX = 256 << 20 };
    int64_t occurrence = number(c, OCCURRENCE, 0);
    struct qr_buf out;
    QR_TRY(look_for(c, START, FLAGS, REFERENCES, l, err));
    QR_TRY(at_least(c, "OCCURRENCE", occurrence, 0, err));
    *ret = c->args[0];
    if (qri_arg_str(c, PATTERN).n == 0)
        return QR_OK;
    qr_buf_init_counted(&out, BYTES_MAX);
    enum qr_status status = replace_in(c, l, occurrence, &out, err);
    struct qr_str made = qri_cut(&c->expr->type, qr_str_n((const char *)out.data, out.len));
    struct qr_value value = qr_value_str(made);
    if (status == QR_OK && qr_value_copy(c->ctx->arena, &value, ret) != QR_OK)
        status = qri_expr_nomem(err);
    qr_buf_done(&out);
    return status;
}

typedef enum qr_status look_fn(const struct qr_call *c, struct look *l, struct qr_value *ret,
                               struct qr_err *err);

static enum qr_status run(const struct qr_call *c, look_fn *look, struct qr_value *ret,
                          struct qr_err *err)
{
    struct look l = {0};
    enum qr_status status = look(c, &l, ret, err);
    qr_regexp_cache_done(&l.own);
    return status;
}

static enum qr_status fn_like(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return run(c, like, ret, err);
}
static enum qr_status fn_count(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return run(c, count, ret, err);
}
static enum qr_status fn_instr(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return run(c, instr, ret, err);
}
static enum qr_status fn_substr(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return run(c, substr, ret, err);
}
static enum qr_status fn_replace(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    return run(c, replace, ret, err);
}

static const struct qr_func regexp_funcs[] = {
    {"REGEXP_COUNT", 2, 4, "*", type_regexp, 0, 0, fn_count, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"REGEXP_INSTR", 2, 7, "*", type_regexp, 0, 0, fn_instr, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"REGEXP_LIKE", 2, 3, "*", type_regexp, 0, 0, fn_like, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"REGEXP_REPLACE", 2, 6, "*", type_replace, 0, 0, fn_replace, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"REGEXP_SUBSTR", 2, 6, "*", type_substr, 0, 0, fn_substr, QR_FUNC_NULLABLE, QR_HOST_NONE},
};
const struct qri_family qri_regexp_funcs = {regexp_funcs,
                                            sizeof regexp_funcs / sizeof regexp_funcs[0]};
