/* fn_fuzzy.c - see expr/func.h: EDIT_DISTANCE, EDIT_DISTANCE_SIMILARITY, JARO_WINKLER_DISTANCE,
 * JARO_WINKLER_SIMILARITY. Characters are equal as the collation of the arguments has it. */
#include "expr_int.h"
#include <math.h>
#include <string.h>
#include "codec/collation.h"
#include "codec/utf.h"
#include "base/banned.h"

struct chars {
    uint64_t *keys; /* one a character: equal characters have equal ones */
    size_t count;
};

static enum qr_status type_fuzzy(struct qr_func_typing *t)
{
    for (size_t i = 0; i < 2; i++)
        if (qr_type_is_lob(&t->args[i]->type))
            return qri_bad_argument(t, i);
    t->type = qr_type_of(t->func->result);
    return QR_OK;
}

static enum qr_status chars_of(const struct qr_call *c, size_t index, struct chars *ret,
                               struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, index);
    struct qr_type type = *qri_arg_type(c, index);
    if (!qr_type_is_string(&type) || type.collation == 0)
        type = qr_type_sized(QR_TYPE_VARCHAR, 1);
    enum qr_order order = qr_order_of(&type);
    ret->count = 0;
    ret->keys = qr_arena_array(c->ctx->arena, s.n + 1, sizeof *ret->keys);
    if (ret->keys == NULL)
        return qri_expr_nomem(err);
    for (size_t pos = 0; pos < s.n;) {
        size_t from = pos;
        (void)qr_utf_next(s, &pos);
        ret->keys[ret->count++] = s.p[from] == ' ' /* which an order may leave out at the end */
                                      ? 0
                                      : qr_order_hash(order, qr_str_n(s.p + from, pos - from), 1);
    }
    return QR_OK;
}

static enum qr_status both(const struct qr_call *c, struct chars *a, struct chars *b,
                           struct qr_err *err)
{
    QR_TRY(chars_of(c, 0, a, err));
    return chars_of(c, 1, b, err);
}

static enum qr_status poll(const struct qr_call *c, struct qr_err *err)
{
    const struct qr_eval_host *ops = c->ctx->host_ops;
    return ops == NULL || ops->poll == NULL ? QR_OK : ops->poll(c->ctx->host, err);
}

/* --- edit distance: insert, delete, replace a character, swap two neighbours --- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* `rows` are the distances from the first i - 1, i and i + 1 characters of `a` to each beginning of
 * `b`. */
static void next_row(const struct chars *a, const struct chars *b, size_t i, uint32_t *rows[3])
{
    rows[2][0] = (uint32_t)i + 1;
    for (size_t k = 0; k < b->count; k++) {
        uint32_t best = rows[1][k] + (a->keys[i] != b->keys[k]);
        best = least(best, least(rows[1][k + 1], rows[2][k]) + 1);
        if (i > 0 && k > 0 && a->keys[i] == b->keys[k - 1] && a->keys[i - 1] == b->keys[k])
            best = least(best, rows[0][k - 1] + 1);
        rows[2][k + 1] = best;
    }
}

static enum qr_status edits(const struct qr_call *c, const struct chars *a, const struct chars *b,
                            uint32_t *ret_edits, struct qr_err *err)
{
    uint32_t *rows[3];
    for (size_t i = 0; i < 3; i++) {
        rows[i] = qr_arena_array(c->ctx->arena, b->count + 1, sizeof *rows[i]);
        if (rows[i] == NULL)
            return qri_expr_nomem(err);
    }
    for (size_t k = 0; k <= b->count; k++)
        rows[1][k] = (uint32_t)k;
    for (size_t i = 0; i < a->count; i++) {
        QR_TRY(poll(c, err));
        next_row(a, b, i, rows);
        uint32_t *oldest = rows[0];
        rows[0] = rows[1];
        rows[1] = rows[2];
        rows[2] = oldest;
    }
    *ret_edits = rows[1][b->count];
    return QR_OK;
}

static enum qr_status fn_edits(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct chars a, b;
    uint32_t n = 0;
    QR_TRY(both(c, &a, &b, err));
    QR_TRY(edits(c, &a, &b, &n, err));
    int64_t max = c->arg_count > 2 ? c->args[2].i : -1;
    *ret = qr_value_int(max >= 0 && n > max ? max + 1 : n);
    return QR_OK;
}

static enum qr_status fn_edit_similarity(const struct qr_call *c, struct qr_value *ret,
                                         struct qr_err *err)
{
    struct chars a, b;
    uint32_t n = 0;
    QR_TRY(both(c, &a, &b, err));
    QR_TRY(edits(c, &a, &b, &n, err));
    size_t longest = a.count > b.count ? a.count : b.count;
    *ret = qr_value_int(longest == 0 ? 100 : llround(100 - 100.0 * n / (double)longest));
    return QR_OK;
}

/* --- Jaro and Winkler: equal characters that are near, and an equal beginning --- */

/* Marks what matches; the number of matches. */
static size_t match(const struct chars *a, const struct chars *b, bool *in_a, bool *in_b)
{
    size_t longest = a->count > b->count ? a->count : b->count, matches = 0;
    size_t reach = longest / 2 > 0 ? longest / 2 - 1 : 0;
    for (size_t i = 0; i < a->count; i++) {
        size_t k = i > reach ? i - reach : 0;
        for (; k < b->count && k <= i + reach && !in_a[i]; k++) {
            in_a[i] = !in_b[k] && a->keys[i] == b->keys[k];
            in_b[k] |= in_a[i];
        }
        matches += in_a[i];
    }
    return matches;
}

static size_t out_of_order(const struct chars *a, const struct chars *b, const bool *in_a,
                           const bool *in_b)
{
    size_t k = 0, n = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (!in_a[i])
            continue;
        while (!in_b[k])
            k++;
        n += a->keys[i] != b->keys[k++];
    }
    return n;
}

static enum qr_status similarity(const struct qr_call *c, double *ret_share, struct qr_err *err)
{
    enum { PREFIX_MAX = 4 };
    struct chars a, b;
    QR_TRY(both(c, &a, &b, err));
    bool *in_a = qr_arena_array(c->ctx->arena, a.count + 1, sizeof *in_a);
    bool *in_b = qr_arena_array(c->ctx->arena, b.count + 1, sizeof *in_b);
    if (in_a == NULL || in_b == NULL)
        return qri_expr_nomem(err);
    double m = (double)match(&a, &b, in_a, in_b);
    *ret_share = a.count == 0 && b.count == 0 ? 1 : 0;
    if (m == 0)
        return QR_OK;
    size_t swaps = out_of_order(&a, &b, in_a, in_b) / 2;
    double jaro = (m / (double)a.count + m / (double)b.count + (m - (double)swaps) / m) / 3;
    size_t prefix = 0;
    while (prefix < PREFIX_MAX && prefix < a.count && prefix < b.count &&
           a.keys[prefix] == b.keys[prefix])
        prefix++;
    *ret_share = jaro + (double)prefix * 0.1 * (1 - jaro);
    return QR_OK;
}

static enum qr_status fn_jaro_distance(const struct qr_call *c, struct qr_value *ret,
                                       struct qr_err *err)
{
    double share = 0;
    QR_TRY(similarity(c, &share, err));
    *ret = qr_value_real(1 - share);
    return QR_OK;
}

static enum qr_status fn_jaro_similarity(const struct qr_call *c, struct qr_value *ret,
                                         struct qr_err *err)
{
    double share = 0;
    QR_TRY(similarity(c, &share, err));
    *ret = qr_value_int(llround(100 * share));
    return QR_OK;
}

static const struct qr_func fuzzy_funcs[] = {
    {"EDIT_DISTANCE", 2, 3, "ssi", type_fuzzy, QR_TYPE_INT, 0, fn_edits, 0, QR_HOST_NONE},
    {"EDIT_DISTANCE_SIMILARITY", 2, 2, "s", type_fuzzy, QR_TYPE_INT, 0, fn_edit_similarity, 0,
     QR_HOST_NONE},
    {"JARO_WINKLER_DISTANCE", 2, 2, "s", type_fuzzy, QR_TYPE_FLOAT, 0, fn_jaro_distance, 0,
     QR_HOST_NONE},
    {"JARO_WINKLER_SIMILARITY", 2, 2, "s", type_fuzzy, QR_TYPE_INT, 0, fn_jaro_similarity, 0,
     QR_HOST_NONE},
};
const struct qri_family qri_fuzzy_funcs = {fuzzy_funcs, sizeof fuzzy_funcs / sizeof fuzzy_funcs[0]};
