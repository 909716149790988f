/* mini.c - see mini.h */
#include "mini.h"
#include <ctype.h>
#include <stdlib.h>
#include "codec/convert.h"
#include "codec/datetime.h"
#include "qr_test.h"

struct reader {
    struct mini *m;
    const char *p;
};

static enum qr_status read_expr(struct reader *r, const struct qr_expr **ret);

static void blanks(struct reader *r)
{
    while (isspace((unsigned char)*r->p))
        r->p++;
}

static bool sign(struct reader *r, const char *text)
{
    blanks(r);
    size_t n = strlen(text);
    if (strncmp(r->p, text, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '@' || c == '#';
}

static bool word(struct reader *r, const char *text)
{
    blanks(r);
    size_t n = strlen(text);
    if (strncasecmp(r->p, text, n) != 0 || is_word_char(r->p[n]))
        return false;
    r->p += n;
    return true;
}

static void need(struct reader *r, const char *text)
{
    if (!sign(r, text))
        fail_msg("test text: '%s' expected at '%s'", text, r->p);
}

static struct qr_str name(struct reader *r)
{
    blanks(r);
    const char *start = r->p;
    while (is_word_char(*r->p))
        r->p++;
    return qr_str_n(start, (size_t)(r->p - start));
}

static enum qr_status read_type(struct reader *r, struct qr_type *ret)
{
    struct qr_str n = name(r);
    int args[2];
    size_t count = 0;
    if (!qr_type_find(n, ret))
        fail_msg("test text: no type %.*s", (int)n.n, n.p);
    if (sign(r, "(")) {
        do {
            if (word(r, "max"))
                args[count++] = -1;
            else
                args[count++] = (int)strtol(r->p, (char **)&r->p, 10);
        } while (sign(r, ","));
        need(r, ")");
    }
    return qr_type_apply_args(ret, args, count, true, &r->m->err);
}

static enum qr_status read_string(struct reader *r, bool national, const struct qr_expr **ret)
{
    static char text[65536];
    size_t n = 0;
    for (r->p++; *r->p != '\0'; r->p++) {
        if (*r->p == '\'') {
            if (r->p[1] != '\'')
                break;
            r->p++;
        }
        text[n++] = *r->p;
    }
    r->p++;
    return qr_expr_string(&r->m->b, qr_str_n(text, n), national, ret);
}

static enum qr_status read_number(struct reader *r, const struct qr_expr **ret)
{
    const char *start = r->p;
    if (r->p[0] == '0' && (r->p[1] | 0x20) == 'x') {
        for (r->p += 2; isxdigit((unsigned char)*r->p); r->p++)
            ;
        return qr_expr_binary(&r->m->b, qr_str_n(start + 2, (size_t)(r->p - start - 2)), ret);
    }
    if (*r->p == '$')
        r->p++;
    while (isdigit((unsigned char)*r->p) || *r->p == '.')
        r->p++;
    if ((*r->p | 0x20) == 'e') {
        r->p++;
        if (*r->p == '+' || *r->p == '-')
            r->p++;
        while (isdigit((unsigned char)*r->p))
            r->p++;
    }
    return qr_expr_number(&r->m->b, qr_str_n(start, (size_t)(r->p - start)), ret);
}

static enum qr_status read_cast(struct reader *r, unsigned flags, const struct qr_expr **ret)
{
    struct qr_type type;
    const struct qr_expr *arg, *style = NULL;
    need(r, "(");
    QR_TRY(read_expr(r, &arg));
    if (!word(r, "AS"))
        fail_msg("test text: AS expected at '%s'", r->p);
    QR_TRY(read_type(r, &type));
    if (word(r, "USING"))
        QR_TRY(read_expr(r, &style));
    need(r, ")");
    return qr_expr_cast(&r->m->b, type, arg, style, flags, ret);
}

static enum qr_status read_convert(struct reader *r, unsigned flags, const struct qr_expr **ret)
{
    struct qr_type type;
    const struct qr_expr *arg, *style = NULL;
    need(r, "(");
    QR_TRY(read_type(r, &type));
    need(r, ",");
    QR_TRY(read_expr(r, &arg));
    if (sign(r, ","))
        QR_TRY(read_expr(r, &style));
    need(r, ")");
    return qr_expr_cast(&r->m->b, type, arg, style, flags, ret);
}

static enum qr_status read_case(struct reader *r, const struct qr_expr **ret)
{
    const struct qr_expr *input = NULL, *whens[20], *thens[20], *otherwise = NULL;
    size_t count = 0;
    blanks(r);
    if (strncasecmp(r->p, "WHEN", 4) != 0)
        QR_TRY(read_expr(r, &input));
    while (word(r, "WHEN")) {
        QR_TRY(read_expr(r, &whens[count]));
        assert_true(word(r, "THEN"));
        QR_TRY(read_expr(r, &thens[count++]));
    }
    if (word(r, "ELSE"))
        QR_TRY(read_expr(r, &otherwise));
    assert_true(word(r, "END"));
    if (input != NULL)
        return qr_expr_case_simple(&r->m->b, input, whens, thens, count, otherwise, ret);
    return qr_expr_case(&r->m->b, whens, thens, count, otherwise, ret);
}

static enum qr_status read_call(struct reader *r, struct qr_str n, const struct qr_expr **ret)
{
    const struct qr_expr *args[300];
    size_t count = 0;
    const struct qr_func *func = qr_func_find(n);
    if (sign(r, "(") && !sign(r, ")")) {
        do {
            if (count == 0 && func != NULL && (func->flags & QR_FUNC_DATEPART))
                QR_TRY(qr_datepart_expr(&r->m->b, func, name(r), &args[count++]));
            else
                QR_TRY(read_expr(r, &args[count++]));
        } while (sign(r, ","));
        need(r, ")");
    }
    return qr_expr_call(&r->m->b, n, args, count, ret);
}

static enum qr_status read_primary(struct reader *r, const struct qr_expr **ret)
{
    blanks(r);
    if (*r->p == '\'')
        return read_string(r, false, ret);
    if ((r->p[0] | 0x20) == 'n' && r->p[1] == '\'') {
        r->p++;
        return read_string(r, true, ret);
    }
    if (isdigit((unsigned char)*r->p) || *r->p == '$' ||
        (*r->p == '.' && isdigit((unsigned char)r->p[1])))
        return read_number(r, ret);
    if (sign(r, "(")) {
        QR_TRY(read_expr(r, ret));
        need(r, ")");
        return QR_OK;
    }
    if (sign(r, "-") || sign(r, "~")) {
        enum qr_op op = r->p[-1] == '-' ? QR_OP_NEG : QR_OP_BIT_NOT;
        QR_TRY(read_primary(r, ret));
        return qr_expr_arith(&r->m->b, op, *ret, NULL, ret);
    }
    if (sign(r, "+"))
        return read_primary(r, ret);
    struct qr_str n = name(r);
    static const struct {
        const char *name;
        unsigned flags;
        bool convert;
    } casts[] = {{"CAST", 0, false},
                 {"TRY_CAST", QR_CAST_TRY, false},
                 {"CONVERT", 0, true},
                 {"TRY_CONVERT", QR_CAST_TRY, true},
                 {"PARSE", QR_CAST_PARSE, false},
                 {"TRY_PARSE", QR_CAST_PARSE | QR_CAST_TRY, false}};
    if (qr_str_ieqz(n, "NULL"))
        return qr_expr_null(&r->m->b, ret);
    if (qr_str_ieqz(n, "CASE"))
        return read_case(r, ret);
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++)
        if (qr_str_ieqz(n, casts[i].name))
            return casts[i].convert ? read_convert(r, casts[i].flags, ret)
                                    : read_cast(r, casts[i].flags, ret);
    if (n.n == 0)
        fail_msg("test text: expression expected at '%s'", r->p);
    return read_call(r, n, ret);
}

static enum qr_status read_postfix(struct reader *r, const struct qr_expr **ret)
{
    QR_TRY(read_primary(r, ret));
    for (;;) {
        if (word(r, "COLLATE")) {
            const struct qr_collation *c = qr_collation_find(name(r));
            assert_non_null(c);
            QR_TRY(qr_expr_collate(&r->m->b, *ret, c->id, ret));
        } else if (word(r, "AT")) {
            const struct qr_expr *both[2] = {*ret, NULL};
            assert_true(word(r, "TIME") && word(r, "ZONE"));
            QR_TRY(read_primary(r, &both[1]));
            QR_TRY(qr_expr_call(&r->m->b, qr_str("AT TIME ZONE"), both, 2, ret));
        } else {
            return QR_OK;
        }
    }
}

struct op_sign {
    const char *text;
    enum qr_op op;
};

/* The operator that stands here, of a list that ends with QR_OP_COUNT; that if none does. */
static enum qr_op op_of(struct reader *r, const struct op_sign *signs)
{
    while (signs->op != QR_OP_COUNT && !sign(r, signs->text))
        signs++;
    return signs->op;
}

static enum qr_status read_product(struct reader *r, const struct qr_expr **ret)
{
    static const struct op_sign signs[] = {
        {"*", QR_OP_MUL}, {"/", QR_OP_DIV}, {"%", QR_OP_MOD}, {"", QR_OP_COUNT}};
    QR_TRY(read_postfix(r, ret));
    for (;;) {
        enum qr_op op = op_of(r, signs);
        if (op == QR_OP_COUNT)
            return QR_OK;
        const struct qr_expr *right;
        QR_TRY(read_postfix(r, &right));
        QR_TRY(qr_expr_arith(&r->m->b, op, *ret, right, ret));
    }
}

static enum qr_status read_sum(struct reader *r, const struct qr_expr **ret)
{
    static const struct op_sign signs[] = {{"+", QR_OP_ADD},          {"-", QR_OP_SUB},
                                           {"&", QR_OP_BIT_AND},      {"|", QR_OP_BIT_OR},
                                           {"^", QR_OP_BIT_XOR},      {"<<", QR_OP_SHIFT_LEFT},
                                           {">>", QR_OP_SHIFT_RIGHT}, {"", QR_OP_COUNT}};
    QR_TRY(read_product(r, ret));
    for (;;) {
        enum qr_op op = op_of(r, signs);
        if (op == QR_OP_COUNT)
            return QR_OK;
        const struct qr_expr *right;
        QR_TRY(read_product(r, &right));
        QR_TRY(qr_expr_arith(&r->m->b, op, *ret, right, ret));
    }
}

static enum qr_status read_tail(struct reader *r, const struct qr_expr *left, bool negated,
                                const struct qr_expr **ret)
{
    const struct qr_expr *a, *b = NULL, *list[100];
    size_t count = 0;
    if (word(r, "LIKE")) {
        QR_TRY(read_sum(r, &a));
        if (word(r, "ESCAPE"))
            QR_TRY(read_sum(r, &b));
        return qr_expr_like(&r->m->b, left, a, b, negated, ret);
    }
    if (word(r, "BETWEEN")) {
        QR_TRY(read_sum(r, &a));
        assert_true(word(r, "AND"));
        QR_TRY(read_sum(r, &b));
        return qr_expr_between(&r->m->b, left, a, b, negated, ret);
    }
    assert_true(word(r, "IN"));
    need(r, "(");
    do
        QR_TRY(read_expr(r, &list[count++]));
    while (sign(r, ","));
    need(r, ")");
    return qr_expr_in(&r->m->b, left, list, count, negated, ret);
}

static enum qr_status read_test(struct reader *r, const struct qr_expr **ret)
{
    static const struct {
        const char *text;
        enum qr_cmp op;
    } signs[] = {{"<>", QR_CMP_NE}, {"!=", QR_CMP_NE}, {"<=", QR_CMP_LE}, {">=", QR_CMP_GE},
                 {"=", QR_CMP_EQ},  {"<", QR_CMP_LT},  {">", QR_CMP_GT}};
    if (word(r, "NOT")) {
        QR_TRY(read_test(r, ret));
        return qr_expr_not(&r->m->b, *ret, ret);
    }
    const struct qr_expr *left, *right;
    QR_TRY(read_sum(r, &left));
    *ret = left;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (sign(r, signs[i].text)) {
            QR_TRY(read_sum(r, &right));
            return qr_expr_cmp(&r->m->b, signs[i].op, left, right, ret);
        }
    if (word(r, "IS")) {
        bool negated = word(r, "NOT");
        if (word(r, "DISTINCT")) {
            assert_true(word(r, "FROM"));
            QR_TRY(read_sum(r, &right));
            return qr_expr_is_distinct(&r->m->b, left, right, negated, ret);
        }
        assert_true(word(r, "NULL"));
        return qr_expr_is_null(&r->m->b, left, negated, ret);
    }
    bool negated = word(r, "NOT");
    blanks(r);
    bool tail = strncasecmp(r->p, "LIKE", 4) == 0 || strncasecmp(r->p, "BETWEEN", 7) == 0 ||
                strncasecmp(r->p, "IN ", 3) == 0;
    return tail ? read_tail(r, left, negated, ret) : QR_OK;
}

static enum qr_status read_expr(struct reader *r, const struct qr_expr **ret)
{
    QR_TRY(read_test(r, ret));
    for (;;) {
        const struct qr_expr *both[2] = {*ret, NULL};
        bool is_and = word(r, "AND");
        if (!is_and && !word(r, "OR"))
            return QR_OK;
        QR_TRY(read_test(r, &both[1]));
        QR_TRY(qr_expr_logic(&r->m->b, is_and ? QR_EXPR_AND : QR_EXPR_OR, both, 2, ret));
    }
}

static void random_bytes(void *host, void *bytes, size_t count)
{
    (void)host;
    memset(bytes, 0xA5, count);
}

static const struct qr_eval_host host_ops = {.random = random_bytes};

void mini_init(struct mini *m)
{
    *m = (struct mini){0};
    qr_arena_init(&m->arena, 64 << 20);
    m->b = (struct qr_expr_builder){.arena = &m->arena,
                                    .err = &m->err,
                                    .collation = QR_COLLATION_DEFAULT,
                                    .line = 1,
                                    .ansi_nulls = true,
                                    .concat_null_yields_null = true};
    qr_eval_settings_init(&m->settings);
    m->settings.now_utc_ticks = qr_days_from_ymd(2022, 3, 4) * QR_TICKS_PER_DAY +
                                (INT64_C(5) * 3600 + 6 * 60 + 7) * QR_TICKS_PER_SECOND + 1234567;
    m->ctx = (struct qr_eval){.arena = &m->arena,
                              .settings = &m->settings,
                              .host_ops = &host_ops,
                              .random_state = &m->random_state};
}

void mini_done(struct mini *m)
{
    qr_arena_done(&m->arena);
}

enum qr_status mini_build(struct mini *m, const char *sql, const struct qr_expr **ret_expr)
{
    struct reader r = {m, sql};
    qr_err_reset(&m->err);
    QR_TRY(read_expr(&r, ret_expr));
    blanks(&r);
    if (*r.p != '\0')
        fail_msg("test text: '%s' is left of '%s'", r.p, sql);
    return QR_OK;
}

enum qr_status mini_run(struct mini *m, const char *sql)
{
    const struct qr_expr *e;
    struct qr_value v;
    struct qr_str text = qr_str("NULL");
    struct qr_convert_env env = {.arena = &m->arena};
    QR_TRY(mini_build(m, sql, &e));
    qr_type_print(&e->type, m->type);
    QR_TRY(qr_expr_eval(e, &m->ctx, &v, &m->err));
    if (!qr_value_is_null(&v) && e->type.id == QR_TYPE_SQL_VARIANT) {
        struct qr_type base;
        QR_TRY(qr_variant_open(qr_value_bytes(&v), &base, &v, &m->err));
        QR_TRY(qr_value_text_of(&base, &v, &env, &text, &m->err));
    } else if (!qr_value_is_null(&v)) {
        if (qr_type_family(&e->type) == QR_FAMILY_BINARY) { /* as hexadecimal */
            snprintf(m->text, sizeof m->text, "0x");
            for (size_t i = 0; i < v.n; i++)
                snprintf(m->text + 2 + 2 * i, 3, "%02X", (unsigned char)v.p[i]);
            return QR_OK;
        }
        QR_TRY(qr_value_text_of(&e->type, &v, &env, &text, &m->err));
    }
    snprintf(m->text, sizeof m->text, "%.*s", (int)text.n, text.p);
    return QR_OK;
}

void mini_check(const struct mini_case *cases, size_t count)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct mini m;
        mini_init(&m);
        enum qr_status status = mini_run(&m, cases[i].sql);
        bool good;
        if (cases[i].error != 0)
            good = status == QR_SQL && m.err.number == cases[i].error;
        else
            good = status == QR_OK && strcmp(m.text, cases[i].want) == 0 &&
                   (cases[i].type == NULL || strcmp(m.type, cases[i].type) == 0);
        if (!good) {
            wrong++;
            print_error("%s\n  want %s %s error %d\n  have %s %s error %d %s\n", cases[i].sql,
                        cases[i].want == NULL ? "" : cases[i].want,
                        cases[i].type == NULL ? "" : cases[i].type, cases[i].error,
                        status == QR_OK ? m.text : "", m.type, m.err.number, m.err.text);
        }
        mini_done(&m);
    }
    assert_int_equal(wrong, 0);
}
