/* xml_value.c - see expr/xml.h: values, comparisons and functions within a path */
#include "xml_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "base/banned.h"

struct qr_str qri_xml_local_name(struct qr_str name)
{
    const char *colon = name.n == 0 ? NULL : memchr(name.p, ':', name.n);
    if (colon == NULL)
        return name;
    size_t n = (size_t)(colon - name.p) + 1;
    return qr_str_n(name.p + n, name.n - n);
}

/* ---- values ---- */

enum qr_status qri_xml_text_of(struct qri_xml_path *p, const struct qr_xml_node *node,
                               struct qr_str *ret)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 256 << 20);
    qr_xml_string(&buf, node);
    char *copy =
        buf.failed == QR_OK ? qr_arena_dup(p->arena, (const char *)buf.data, buf.len) : NULL;
    *ret = qr_str_n(copy, copy == NULL ? 0 : buf.len);
    qr_buf_done(&buf);
    return copy == NULL ? qr_fail(p->err, QR_NOMEM, "follow a path") : QR_OK;
}

void qri_xml_set_number(struct qr_xml_found *f, double number)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_NUMBER, .number = number};
}

void qri_xml_set_boolean(struct qr_xml_found *f, bool is_true)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_BOOLEAN, .number = is_true};
}

void qri_xml_set_string(struct qr_xml_found *f, struct qr_str s)
{
    *f = (struct qr_xml_found){.is_value = true, .value_kind = QR_XML_STRING, .string = s};
}

bool qri_xml_is_true(const struct qr_xml_found *f)
{
    if (!f->is_value)
        return f->count > 0;
    return f->value_kind == QR_XML_STRING ? f->string.n > 0 : f->number != 0;
}

double qri_xml_number_of(struct qr_str s)
{
    char text[64];
    char *end = NULL;
    s = qr_str_trim(s);
    if (s.n == 0 || s.n >= sizeof text)
        return NAN;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = strtod(text, &end);
    return *end == '\0' ? v : NAN;
}

/* One value of what was found: the first node's text. */
enum qr_status qri_xml_string_of(struct qri_xml_path *p, const struct qr_xml_found *f,
                                 struct qr_str *ret)
{
    char text[40];
    if (!f->is_value && f->count > 0)
        return qri_xml_text_of(p, f->nodes[0], ret);
    *ret = f->is_value && f->value_kind == QR_XML_STRING ? f->string : qr_str("");
    if (!f->is_value || f->value_kind == QR_XML_STRING)
        return QR_OK;
    if (f->value_kind == QR_XML_BOOLEAN)
        *ret = qr_str(f->number != 0 ? "true" : "false");
    else
        (void)snprintf(text, sizeof text, "%.15g", f->number);
    if (f->value_kind == QR_XML_NUMBER)
        *ret = qr_arena_str(p->arena, qr_str(text));
    return ret->p == NULL ? qr_fail(p->err, QR_NOMEM, "follow a path") : QR_OK;
}

/* ---- functions ---- */

enum { ARGS_MAX = 8 };

static enum qr_status arguments(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                                struct qr_xml_found args[ARGS_MAX], size_t *ret_count)
{
    size_t n = 0;
    if (!qri_xml_accept(p, ")")) {
        do {
            if (n == ARGS_MAX)
                return qri_xml_bad_path(p);
            args[n] = (struct qr_xml_found){0};
            QR_TRY(qri_xml_expression(p, focus, &args[n++]));
        } while (qri_xml_accept(p, ","));
        if (!qri_xml_accept(p, ")"))
            return qri_xml_bad_path(p);
    }
    *ret_count = n;
    return QR_OK;
}

static enum qr_status sum(struct qri_xml_path *p, const struct qr_xml_found *f,
                          struct qr_xml_found *ret)
{
    double total = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct qr_str text;
        QR_TRY(qri_xml_text_of(p, f->nodes[i], &text));
        total += qri_xml_number_of(text);
    }
    qri_xml_set_number(ret, total);
    return QR_OK;
}

static enum qr_status concat(struct qri_xml_path *p, const struct qr_xml_found *args, size_t n,
                             struct qr_xml_found *ret)
{
    struct qr_str all = qr_str("");
    for (size_t i = 0; i < n; i++) {
        struct qr_str part;
        QR_TRY(qri_xml_string_of(p, &args[i], &part));
        char *both = qr_arena_alloc(p->arena, all.n + part.n + 1);
        if (both == NULL)
            return qr_fail(p->err, QR_NOMEM, "follow a path");
        memcpy(both, all.p, all.n);
        if (part.n > 0)
            memcpy(both + all.n, part.p, part.n);
        all = qr_str_n(both, all.n + part.n);
    }
    qri_xml_set_string(ret, all);
    return QR_OK;
}

enum qr_status qri_xml_call(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                            struct qr_str name, struct qr_xml_found *ret)
{
    struct qr_xml_found args[ARGS_MAX] = {{0}};
    struct qr_str a = qr_str(""), b = qr_str("");
    size_t n = 0;
    if (qr_str_starts_i(name, "sql:"))
        return qri_xml_refused(p, name);
    QR_TRY(arguments(p, focus, args, &n));
    if (n > 0)
        QR_TRY(qri_xml_string_of(p, &args[0], &a));
    if (n > 1)
        QR_TRY(qri_xml_string_of(p, &args[1], &b));
    if (qri_xml_is_word(name, "count") && n == 1)
        qri_xml_set_number(ret, args[0].is_value ? 1 : (double)args[0].count);
    else if (qri_xml_is_word(name, "position") && n == 0)
        qri_xml_set_number(ret, (double)focus->position);
    else if (qri_xml_is_word(name, "last") && n == 0)
        qri_xml_set_number(ret, (double)focus->last);
    else if (qri_xml_is_word(name, "not") && n == 1)
        qri_xml_set_boolean(ret, !qri_xml_is_true(&args[0]));
    else if (qri_xml_is_word(name, "empty") && n == 1)
        qri_xml_set_boolean(ret, !args[0].is_value && args[0].count == 0);
    else if (qri_xml_is_word(name, "true") && n == 0)
        qri_xml_set_boolean(ret, true);
    else if (qri_xml_is_word(name, "false") && n == 0)
        qri_xml_set_boolean(ret, false);
    else if (qri_xml_is_word(name, "contains") && n == 2)
        qri_xml_set_boolean(ret, b.n == 0 || memmem(a.p, a.n, b.p, b.n) != NULL);
    else if (qri_xml_is_word(name, "string-length") && n == 1)
        qri_xml_set_number(ret, (double)a.n);
    else if (qri_xml_is_word(name, "number") && n == 1)
        qri_xml_set_number(ret, qri_xml_number_of(a));
    else if (qri_xml_is_word(name, "sum") && n == 1)
        return sum(p, &args[0], ret);
    else if (qri_xml_is_word(name, "concat") && n > 1)
        return concat(p, args, n, ret);
    else if (qri_xml_is_word(name, "local-name") && n < 2)
        qri_xml_set_string(ret, n == 0              ? qri_xml_local_name(focus->node->name)
                                : args[0].count > 0 ? qri_xml_local_name(args[0].nodes[0]->name)
                                                    : qr_str(""));
    else if ((qri_xml_is_word(name, "data") || qri_xml_is_word(name, "string")) && n == 1)
        *ret = args[0];
    else
        return qri_xml_refused(p, name);
    return QR_OK;
}

/* ---- comparisons ---- */

static bool holds(enum qri_xml_compare op, int order)
{
    static const int8_t fits_order[QRI_XML_COMPARES][3] = {
        [QRI_XML_EQ] = {0, 1, 0}, [QRI_XML_NE] = {1, 0, 1}, [QRI_XML_LT] = {1, 0, 0},
        [QRI_XML_LE] = {1, 1, 0}, [QRI_XML_GT] = {0, 0, 1}, [QRI_XML_GE] = {0, 1, 1}};
    return fits_order[op][order < 0 ? 0 : order == 0 ? 1 : 2] != 0;
}

static bool compare_texts(enum qri_xml_compare op, struct qr_str a, struct qr_str b,
                          bool as_numbers)
{
    if (as_numbers) {
        double x = qri_xml_number_of(a), y = qri_xml_number_of(b);
        return !isnan(x) && !isnan(y) && holds(op, x < y ? -1 : x > y);
    }
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order == 0)
        order = a.n < b.n ? -1 : a.n > b.n;
    return holds(op, order);
}

/* True if any pair is. */
enum qr_status qri_xml_compare(struct qri_xml_path *p, enum qri_xml_compare op,
                               const struct qr_xml_found *left, const struct qr_xml_found *right,
                               bool *ret)
{
    bool numbers = (left->is_value && left->value_kind == QR_XML_NUMBER) ||
                   (right->is_value && right->value_kind == QR_XML_NUMBER);
    size_t n = left->is_value ? 1 : left->count, m = right->is_value ? 1 : right->count;
    *ret = false;
    for (size_t i = 0; i < n && !*ret; i++)
        for (size_t k = 0; k < m && !*ret; k++) {
            struct qr_str a, b;
            QR_TRY(left->is_value ? qri_xml_string_of(p, left, &a)
                                  : qri_xml_text_of(p, left->nodes[i], &a));
            QR_TRY(right->is_value ? qri_xml_string_of(p, right, &b)
                                   : qri_xml_text_of(p, right->nodes[k], &b));
            *ret = compare_texts(op, a, b, numbers);
        }
    return QR_OK;
}
