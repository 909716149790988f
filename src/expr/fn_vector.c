/* fn_vector.c - see expr/func.h: VECTOR_DISTANCE, VECTOR_NORM, VECTOR_NORMALIZE, VECTORPROPERTY */
#include "expr_int.h"
#include <math.h>
#include <string.h>
#include "codec/vector.h"
#include "base/banned.h"

static enum qr_status need_vector(struct qr_func_typing *t, size_t index)
{
    bool fits = t->args[index]->type.id == QR_TYPE_VECTOR || qri_is_null_literal(t->args[index]);
    return fits ? QR_OK : qri_bad_argument(t, index);
}

static enum qr_status type_distance(struct qr_func_typing *t)
{
    QR_TRY(qri_arg_string(t, 0));
    QR_TRY(need_vector(t, 1));
    QR_TRY(need_vector(t, 2));
    t->type = qr_type_of(QR_TYPE_FLOAT);
    return QR_OK;
}

static enum qr_status type_norm(struct qr_func_typing *t)
{
    QR_TRY(need_vector(t, 0));
    QR_TRY(qri_arg_string(t, 1));
    t->type = qr_type_of(QR_TYPE_FLOAT);
    return QR_OK;
}

static enum qr_status type_normalize(struct qr_func_typing *t)
{
    QR_TRY(type_norm(t));
    if (t->args[0]->type.id != QR_TYPE_VECTOR)
        return qri_bad_argument(t, 0);
    t->type = t->args[0]->type;
    return QR_OK;
}

static enum qr_status bad_word(const struct qr_call *c, struct qr_str word, struct qr_err *err)
{
    return qr_fail(err, QR_INVALID, "%s does not know '%.*s'.", c->expr->u.func->name, (int)word.n,
                   word.p);
}

/* --- VECTOR_DISTANCE --- */

/* Sums over both vectors: of the products, of the squares of each, of those of the differences. */
struct sums {
    double ab, aa, bb, dd;
};

static double cosine(const struct sums *s)
{
    if (s->aa == 0 || s->bb == 0)
        return 1;
    float like = (float)(s->ab / (sqrt(s->aa) * sqrt(s->bb))); /* of a vector and itself: 1 */
    return 1 - fmax(-1, fmin(1, (double)like));
}

static double euclidean(const struct sums *s)
{
    return sqrt(s->dd);
}

static double dot(const struct sums *s)
{
    return -s->ab;
}

static enum qr_status fn_distance(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    static const struct {
        const char *name;
        double (*of)(const struct sums *s);
    } metrics[] = {{"cosine", cosine}, {"euclidean", euclidean}, {"dot", dot}};
    struct qr_str word = qr_str_trim(qri_arg_str(c, 0));
    struct qr_str a = qri_arg_str(c, 1), b = qri_arg_str(c, 2);
    size_t count = qr_vector_dimensions(a), i = 0;
    struct sums s = {0};
    if (count != qr_vector_dimensions(b))
        return qr_sql_fail(err, 42204, (int)count, (int)qr_vector_dimensions(b));
    while (i < sizeof metrics / sizeof metrics[0] && !qr_str_ieqz(word, metrics[i].name))
        i++;
    if (i == sizeof metrics / sizeof metrics[0])
        return bad_word(c, word, err);
    for (size_t k = 0; k < count; k++) {
        double x = (double)qr_vector_item(a, k), y = (double)qr_vector_item(b, k);
        s.ab += x * y;
        s.aa += x * x;
        s.bb += y * y;
        s.dd += (x - y) * (x - y);
    }
    float distance = (float)metrics[i].of(&s); /* as precise as the numbers are */
    if (!isfinite(distance))
        return qr_sql_fail(err, 8115, "expression", "float");
    *ret = qr_value_real((double)distance);
    return QR_OK;
}

/* --- VECTOR_NORM, VECTOR_NORMALIZE --- */

static enum qr_status norm_of(const struct qr_call *c, double *ret_norm, struct qr_err *err)
{
    struct qr_str v = qri_arg_str(c, 0), word = qr_str_trim(qri_arg_str(c, 1));
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < qr_vector_dimensions(v); i++) {
        double x = fabs((double)qr_vector_item(v, i));
        sum += x;
        squares += x * x;
        largest = fmax(largest, x);
    }
    if (qr_str_ieqz(word, "norm1"))
        *ret_norm = sum;
    else if (qr_str_ieqz(word, "norm2"))
        *ret_norm = sqrt(squares);
    else if (qr_str_ieqz(word, "norminf"))
        *ret_norm = largest;
    else
        return bad_word(c, word, err);
    return QR_OK;
}

static enum qr_status fn_norm(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    double norm = 0;
    QR_TRY(norm_of(c, &norm, err));
    *ret = qr_value_real(norm);
    return QR_OK;
}

static enum qr_status fn_normalize(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    float items[QR_VECTOR_DIMENSIONS_MAX];
    struct qr_str v = qri_arg_str(c, 0);
    size_t count = qr_vector_dimensions(v);
    double norm = 0;
    char *out;
    QR_TRY(norm_of(c, &norm, err));
    QR_TRY(qri_room(c, v.n, &out, err));
    for (size_t i = 0; i < count; i++)
        items[i] = norm == 0 ? 0 : (float)((double)qr_vector_item(v, i) / norm);
    *ret = qr_value_blob(out, qr_vector_put(out, items, count));
    return QR_OK;
}

/* --- VECTORPROPERTY --- */

static enum qr_status type_property(struct qr_func_typing *t)
{
    QR_TRY(need_vector(t, 0));
    QR_TRY(qri_arg_string(t, 1));
    const struct qr_expr *name = t->args[1];
    bool counts = qri_is_const(name) && !qr_value_is_null(&name->u.value) &&
                  qr_str_ieqz(qr_value_bytes(&name->u.value), "Dimensions");
    qri_result_string(t, true, 128);
    if (counts)
        t->type = qr_type_of(QR_TYPE_INT);
    return QR_OK;
}

static enum qr_status fn_property(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str word = qr_str_trim(qri_arg_str(c, 1));
    int64_t count = (int64_t)qr_vector_dimensions(qri_arg_str(c, 0));
    char *out;
    if (c->expr->type.id == QR_TYPE_INT) {
        *ret = qr_value_int(count);
        return QR_OK;
    }
    QR_TRY(qri_room(c, QR_DEC_TEXT_BYTES, &out, err));
    *ret = qr_value_null();
    if (qr_str_ieqz(word, "BaseType"))
        *ret = qr_value_str(qr_str("float32"));
    else if (qr_str_ieqz(word, "Dimensions"))
        *ret = qr_value_text(out, qr_dec_print(count, 0, out));
    return QR_OK;
}

static const struct qr_func vector_funcs[] = {
    {"VECTORPROPERTY", 2, 2, "*", type_property, 0, 0, fn_property, QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"VECTOR_DISTANCE", 3, 3, "*", type_distance, 0, 0, fn_distance, 0, QR_HOST_NONE},
    {"VECTOR_NORM", 2, 2, "*", type_norm, 0, 0, fn_norm, 0, QR_HOST_NONE},
    {"VECTOR_NORMALIZE", 2, 2, "*", type_normalize, 0, 0, fn_normalize, 0, QR_HOST_NONE},
};
const struct qri_family qri_vector_funcs = {vector_funcs,
                                            sizeof vector_funcs / sizeof vector_funcs[0]};
