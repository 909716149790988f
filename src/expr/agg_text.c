/* agg_text.c - see expr/agg.h: STRING_AGG, JSON_ARRAYAGG, JSON_OBJECTAGG, APPROX_COUNT_DISTINCT */
#include <math.h>
#include <string.h>
#include "agg_int.h"
#include "base/buf.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

enum { RESULT_BYTES_MAX = 256 << 20 }; /* of one (max) result */

/* --- STRING_AGG --- */

struct join_state {
    struct qr_buf buf;
    bool begun;
};

static enum qr_status type_join(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    const struct qr_type *type = &call->args[0]->type;
    bool text = qr_type_is_string(type);
    if (!text && qr_type_conversion(type->id, QR_TYPE_NVARCHAR) != QR_CONVERSION_IMPLICIT)
        return qr_sql_fail(b->err, 8116, qr_type_name(type), 1, "string_agg");
    bool national = !text || qri_is_national(type), max = text && qr_type_is_lob(type);
    if (!text)
        QR_TRY(qr_expr_convert(b, qr_type_sized(QR_TYPE_NVARCHAR, QR_NCHAR_LENGTH_MAX),
                               call->args[0], &call->args[0]));
    if (!qr_type_is_string(&call->args[1]->type))
        QR_TRY(qr_expr_convert(b, qr_type_sized(QR_TYPE_NVARCHAR, QR_NCHAR_LENGTH_MAX),
                               call->args[1], &call->args[1]));
    size_t length = max ? 0 : national ? QR_NCHAR_LENGTH_MAX : QR_CHAR_LENGTH_MAX;
    struct qr_collation_use use;
    QR_TRY(qri_mix(b, call->args, 2, "string_agg", &use));
    call->type = qr_type_sized(national ? QR_TYPE_NVARCHAR : QR_TYPE_VARCHAR, length);
    call->type.collation = use.collation;
    call->label = use.label;
    return QR_OK;
}

static enum qr_status join_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                const struct qr_value *args, struct qr_err *err)
{
    struct join_state *s = state;
    (void)ctx;
    if (!s->begun)
        qr_buf_init_counted(&s->buf, RESULT_BYTES_MAX);
    else if (args[1].cell == QR_CELL_TEXT)
        qr_buf_add(&s->buf, args[1].p, args[1].n);
    s->begun = true;
    qr_buf_add(&s->buf, args[0].p, args[0].n);
    if (s->buf.failed == QR_NOMEM)
        return qri_expr_nomem(err);
    /* a string has at most three UTF-8 bytes for each byte that SQL Server counts */
    if (s->buf.failed != QR_OK ||
        (!call->type.is_max && s->buf.len > 3 * (size_t)QR_CHAR_LENGTH_MAX))
        return qr_sql_fail(err, 9829, QR_CHAR_LENGTH_MAX);
    return QR_OK;
}

static enum qr_status join_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 struct qr_value *ret, struct qr_err *err)
{
    struct join_state *s = state;
    (void)ctx;
    *ret = qr_value_null();
    if (!s->begun)
        return QR_OK;
    struct qr_str text = {(const char *)s->buf.data, s->buf.len};
    if (qri_cut(&call->type, text).n < text.n)
        return qr_sql_fail(err, 9829, QR_CHAR_LENGTH_MAX);
    *ret = qr_value_str(text);
    return QR_OK;
}

static void join_done(void *state)
{
    struct join_state *s = state;
    if (s->begun)
        qr_buf_done(&s->buf);
    s->begun = false;
}

/* --- APPROX_COUNT_DISTINCT: HyperLogLog with 4,096 registers, 1.6 % standard error --- */

enum { REGISTER_BITS = 12, REGISTERS = 1 << REGISTER_BITS };

struct sketch {
    uint8_t registers[REGISTERS];
};

static enum qr_status type_approx(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    if (!qr_type_is_comparable(&call->args[0]->type))
        return qri_agg_bad_operand(b, call);
    call->type = qr_type_of(QR_TYPE_BIGINT);
    return QR_OK;
}

/* Spreads whatever pattern the value's hash has over all 64 bits. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 30;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    h ^= h >> 27;
    h *= UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

static enum qr_status approx_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                  const struct qr_value *args, struct qr_err *err)
{
    struct sketch *s = state;
    (void)ctx;
    (void)err;
    uint64_t h = mix(qr_value_hash(&call->args[0]->type, &args[0], 0));
    uint64_t rest = (h << REGISTER_BITS) | (UINT64_C(1) << (REGISTER_BITS - 1));
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *slot = &s->registers[h >> (64 - REGISTER_BITS)];
    if (rank > *slot)
        *slot = rank;
    return QR_OK;
}

static enum qr_status approx_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                   struct qr_value *ret, struct qr_err *err)
{
    const struct sketch *s = state;
    (void)call;
    (void)ctx;
    (void)err;
    double sum = 0;
    int empty = 0;
    for (int i = 0; i < REGISTERS; i++) {
        sum += ldexp(1, -s->registers[i]);
        empty += s->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / sum;
    if (estimate < 2.5 * REGISTERS && empty > 0)
        estimate = REGISTERS * log((double)REGISTERS / empty);
    *ret = qr_value_int(llround(estimate));
    return QR_OK;
}

/* --- JSON_ARRAYAGG, JSON_OBJECTAGG --- */

static enum qr_status type_json(struct qr_expr_builder *b, struct qr_agg_call *call)
{
    struct qr_type key = qr_type_sized(QR_TYPE_NVARCHAR, QR_NCHAR_LENGTH_MAX);
    if (call->arg_count == 2 && !qr_type_is_string(&call->args[0]->type))
        QR_TRY(qr_expr_convert(b, key, call->args[0], &call->args[0]));
    call->type = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    call->type.collation = b->collation;
    return QR_OK;
}

static bool keeps_nulls(const struct qr_agg_call *call)
{
    const char *clause = strchr(call->agg->name, ' ');
    return clause == NULL ? call->arg_count == 2 : strncmp(clause, " NULL", 5) == 0;
}

/* Of an array a value, of an object a name and a value. */
static enum qr_status json_step(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                const struct qr_value *args, struct qr_err *err)
{
    struct join_state *s = state;
    const struct qr_expr shape = {.args = (const struct qr_expr *const *)call->args,
                                  .arg_count = call->arg_count};
    const struct qr_call as_call = {
        .expr = &shape, .ctx = ctx, .args = args, .arg_count = call->arg_count};
    bool is_object = call->arg_count == 2;
    if (!s->begun) {
        qr_buf_init_counted(&s->buf, RESULT_BYTES_MAX);
        qr_buf_add8(&s->buf, is_object ? '{' : '[');
    }
    s->begun = true;
    if (is_object && qr_value_is_null(&args[0]))
        return qr_sql_fail(err, 8116, "NULL", 1, "json_objectagg");
    if (qr_value_is_null(&args[is_object]) && !keeps_nulls(call)) {
        ctx->null_eliminated = true;
        return QR_OK;
    }
    qr_buf_addz(&s->buf, s->buf.len > 1 ? "," : "");
    if (is_object) {
        qri_json_put_string(&s->buf, qr_value_bytes(&args[0]));
        qr_buf_add8(&s->buf, ':');
    }
    QR_TRY(qri_json_put_value(&as_call, is_object ? 1 : 0, &s->buf, err));
    return s->buf.failed == QR_OK ? QR_OK : qri_expr_nomem(err);
}

static enum qr_status json_value(const struct qr_agg_call *call, void *state, struct qr_eval *ctx,
                                 struct qr_value *ret, struct qr_err *err)
{
    const struct join_state *s = state;
    *ret = qr_value_null();
    if (!s->begun)
        return QR_OK;
    char *text = qr_arena_alloc(ctx->arena, s->buf.len + 1);
    if (text == NULL)
        return qri_expr_nomem(err);
    memcpy(text, s->buf.data, s->buf.len);
    text[s->buf.len] = call->arg_count == 2 ? '}' : ']';
    *ret = qr_value_text(text, s->buf.len + 1);
    return QR_OK;
}

enum { OF_JSON = QR_AGG_NO_WINDOW | QR_AGG_SEES_NULLS | QR_AGG_JSON };
static const struct qr_agg text_aggs[] = {
    {"APPROX_COUNT_DISTINCT", 1, 1, QR_AGG_NOT_NULL | QR_AGG_NO_WINDOW, NULL, type_approx,
     sizeof(struct sketch), approx_step, NULL, approx_value, NULL},
    {"JSON_ARRAYAGG", 1, 1, OF_JSON, NULL, type_json, sizeof(struct join_state), json_step, NULL,
     json_value, join_done},
    {"JSON_ARRAYAGG NULL ON NULL", 1, 1, OF_JSON, NULL, type_json, sizeof(struct join_state),
     json_step, NULL, json_value, join_done},
    {"JSON_OBJECTAGG", 2, 2, OF_JSON, NULL, type_json, sizeof(struct join_state), json_step, NULL,
     json_value, join_done},
    {"JSON_OBJECTAGG ABSENT ON NULL", 2, 2, OF_JSON, NULL, type_json, sizeof(struct join_state),
     json_step, NULL, json_value, join_done},
    {"STRING_AGG", 2, 2, QR_AGG_NO_WINDOW, NULL, type_join, sizeof(struct join_state), join_step,
     NULL, join_value, join_done},
};
const struct qri_agg_family qri_text_aggs = {text_aggs, sizeof text_aggs / sizeof text_aggs[0]};
