/* mask.c - masks of a row's values; see mask.h */
#include "mask.h"
#include <string.h>
#include "access_int.h"
#include "base/sqlmsg.h"
#include "codec/convert.h"
#include "codec/datetime.h"
#include "codec/utf.h"
#include "env/env.h"
#include "base/banned.h"

enum { LEAP_YEAR = 2000 };

static enum qr_status no_memory(struct qr_err *err)
{
    return qr_fail(err, QR_NOMEM, "mask a value");
}

/* A text as a value of the type: cut to its length, and padded where it has one. */
static enum qr_status text_as(struct qr_arena *arena, struct qr_str text,
                              const struct qr_type *type, struct qr_value *ret_value,
                              struct qr_err *err)
{
    const struct qr_convert_env env = {.arena = arena};
    struct qr_type from = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    struct qr_value value = qr_value_str(text);
    from.collation = qr_type_is_string(type) ? type->collation : QR_COLLATION_DEFAULT;
    return qr_convert_once(&from, &value, type, &env, ret_value, err);
}

/* ---- which values ---- */

static bool sees(const struct qr_session *session, const struct qr_plan_mask *mask)
{
    for (size_t i = 0; i < mask->count; i++)
        if (!qri_may_column(session, mask->columns[i].table, mask->columns[i].column_id,
                            QR_MAY_UNMASK))
            return false;
    return true;
}

/* The value's type may be another one than the column's by now: default() takes any. */
static enum qr_status make(struct qr_arena *arena, const struct qr_plan_mask *plan,
                           const struct qr_type *type, struct qri_mask **ret_mask,
                           struct qr_err *err)
{
    struct qri_mask *mask = qr_arena_alloc(arena, sizeof *mask);
    struct qr_err other = {0};
    enum qr_status status = QR_SQL;
    if (mask == NULL)
        return no_memory(err);
    if (plan->function.n > 0)
        status = qri_mask_parse(arena, plan->function, type, "", mask, &other);
    if (status == QR_SQL)
        status = qri_mask_parse(arena, qr_str("default()"), type, "", mask, err);
    *ret_mask = mask;
    return status;
}

enum qr_status qri_masks_open(struct qr_session *session, struct qr_arena *arena,
                              const struct qr_plan_mask *const *masks, const struct qr_type *types,
                              size_t count, struct qri_masks *ret_masks, struct qr_err *err)
{
    *ret_masks = (struct qri_masks){.session = session};
    if (session->is_owner || masks == NULL)
        return QR_OK;
    QR_TRY(qri_access_settle(session, err));
    for (size_t i = 0; i < count; i++) {
        if (masks[i] == NULL || sees(session, masks[i]))
            continue;
        if (ret_masks->items == NULL) {
            ret_masks->items = qr_arena_array(arena, count, sizeof *ret_masks->items);
            if (ret_masks->items == NULL)
                return no_memory(err);
            ret_masks->count = count;
        }
        QR_TRY(make(arena, masks[i], &types[i], &ret_masks->items[i], err));
    }
    return QR_OK;
}

enum qr_status qri_masks_of_columns(struct qr_session *session, struct qr_arena *arena,
                                    const struct qr_plan_column *columns, size_t count,
                                    struct qri_masks *ret_masks, struct qr_err *err)
{
    const struct qr_plan_mask **masks = NULL;
    struct qr_type *types = NULL;
    size_t first = 0;
    *ret_masks = (struct qri_masks){.session = session};
    while (first < count && columns[first].mask == NULL)
        first++;
    if (first == count || session->is_owner)
        return QR_OK;
    masks = qr_arena_array(arena, count, sizeof *masks);
    types = qr_arena_array(arena, count, sizeof *types);
    if (masks == NULL || types == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        masks[i] = columns[i].mask;
        types[i] = columns[i].type;
    }
    return qri_masks_open(session, arena, masks, types, count, ret_masks, err);
}

/* ---- the functions ---- */

/* Where the n-th character begins. */
static size_t skip_chars(struct qr_str s, size_t n)
{
    size_t at = 0;
    while (n > 0 && at < s.n) {
        at++;
        while (at < s.n && ((uint8_t)s.p[at] & 0xC0) == 0x80)
            at++;
        n--;
    }
    return at;
}

static size_t count_chars(struct qr_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.n; i++)
        count += ((uint8_t)s.p[i] & 0xC0) != 0x80;
    return count;
}

static enum qr_status joined(const struct qri_mask *mask, struct qr_str head, struct qr_str middle,
                             struct qr_str tail, struct qr_arena *arena, struct qr_value *value,
                             struct qr_err *err)
{
    char *text = qr_arena_alloc(arena, head.n + middle.n + tail.n + 1);
    if (text == NULL)
        return no_memory(err);
    memcpy(text, head.p, head.n);
    memcpy(text + head.n, middle.p, middle.n);
    memcpy(text + head.n + middle.n, tail.p, tail.n);
    return text_as(arena, qr_str_n(text, head.n + middle.n + tail.n), &mask->type, value, err);
}

static enum qr_status as_email(const struct qri_mask *mask, struct qr_arena *arena,
                               struct qr_value *value, struct qr_err *err)
{
    struct qr_str s = qr_value_bytes(value);
    if (s.n == 0) {
        *value = mask->whole;
        return QR_OK;
    }
    return joined(mask, qr_str_n(s.p, skip_chars(s, 1)),
                  qr_str("XX"
                         "X@"
                         "XXXX.com"),
                  qr_str(""), arena, value, err);
}

/* A value that is no longer than what would stay shows none of it. */
static enum qr_status as_partial(const struct qri_mask *mask, struct qr_arena *arena,
                                 struct qr_value *value, struct qr_err *err)
{
    struct qr_str s = qr_value_bytes(value);
    size_t chars = count_chars(s);
    if (chars <= (size_t)mask->prefix + mask->suffix)
        return joined(mask, qr_str(""), mask->padding, qr_str(""), arena, value, err);
    size_t head = skip_chars(s, mask->prefix), tail = skip_chars(s, chars - mask->suffix);
    return joined(mask, qr_str_n(s.p, head), mask->padding, qr_str_n(s.p + tail, s.n - tail), arena,
                  value, err);
}

static struct qr_value as_random(const struct qri_mask *mask, const struct qr_session *session)
{
    uint64_t bits[2];
    qr_env_random(session->db->instance->options.env, bits, sizeof bits);
    if (mask->low.cell == QR_CELL_REAL) {
        double part = (double)(bits[0] >> 11) * 0x1p-53;
        return qr_value_real(mask->low.r + part * (mask->high.r - mask->low.r));
    }
    qr_i128 low = qr_value_scaled(&mask->low), high = qr_value_scaled(&mask->high);
    qr_u128 span = (qr_u128)(high - low) + 1, any = (qr_u128)bits[0] << 64 | bits[1];
    qr_i128 chosen = low + (qr_i128)(any % span);
    return mask->low.cell == QR_CELL_WIDE ? qr_value_wide(chosen) : qr_value_int((int64_t)chosen);
}

/* Through datetime2, without fractions of a second. */
static enum qr_status as_datetime(const struct qri_mask *mask, struct qr_arena *arena,
                                  struct qr_value *value, struct qr_err *err)
{
    static const int64_t seconds[] = {['h'] = 3600, ['m'] = 60, ['s'] = 1};
    const struct qr_convert_env env = {.arena = arena};
    struct qr_type plain = qr_type_of(QR_TYPE_DATETIME2);
    struct qr_value v;
    int year, month, day;
    plain.scale = 7;
    QR_TRY(qr_convert_once(&mask->type, value, &plain, &env, &v, err));
    int32_t days = (int32_t)(v.i / QR_TICKS_PER_DAY);
    int64_t time = v.i % QR_TICKS_PER_DAY / QR_TICKS_PER_SECOND;
    qr_ymd_from_days(days, &year, &month, &day);
    if (mask->part == 'Y')
        year = LEAP_YEAR;
    if (mask->part == 'M')
        month = 1;
    if (mask->part == 'D')
        day = 1;
    if (mask->part >= 'a') {
        int64_t unit = seconds[(unsigned char)mask->part];
        time -= time / unit % (mask->part == 'h' ? 24 : 60) * unit;
    }
    v = qr_value_int(qr_days_from_ymd(year, month, day) * QR_TICKS_PER_DAY +
                     time * QR_TICKS_PER_SECOND);
    return qr_convert_once(&plain, &v, &mask->type, &env, value, err);
}

static enum qr_status masked_variant(const struct qri_mask *mask, struct qr_arena *arena,
                                     struct qr_value *value, struct qr_err *err)
{
    struct qr_type base;
    struct qr_value inner;
    struct qri_mask of;
    (void)mask;
    QR_TRY(qr_variant_open(qr_value_bytes(value), &base, &inner, err));
    QR_TRY(qri_mask_parse(arena, qr_str("default()"), &base, "", &of, err));
    return qr_variant_make(arena, &base, &of.whole, value) == QR_OK ? QR_OK : no_memory(err);
}

static enum qr_status apply(const struct qri_mask *mask, const struct qr_session *session,
                            struct qr_arena *arena, struct qr_value *value, struct qr_err *err)
{
    switch (mask->kind) {
    case QRI_MASK_EMAIL:
        return as_email(mask, arena, value, err);
    case QRI_MASK_PARTIAL:
        return as_partial(mask, arena, value, err);
    case QRI_MASK_RANDOM:
        *value = as_random(mask, session);
        return QR_OK;
    case QRI_MASK_DATETIME:
        return as_datetime(mask, arena, value, err);
    case QRI_MASK_DEFAULT:
        break;
    }
    if (mask->type.id == QR_TYPE_SQL_VARIANT)
        return masked_variant(mask, arena, value, err);
    *value = mask->whole;
    return QR_OK;
}

enum qr_status qri_masks_apply(const struct qri_masks *masks, struct qr_value *values,
                               struct qr_arena *arena, struct qr_err *err)
{
    for (size_t i = 0; i < masks->count; i++)
        if (masks->items[i] != NULL && !qr_value_is_null(&values[i]))
            QR_TRY(apply(masks->items[i], masks->session, arena, &values[i], err));
    return QR_OK;
}

static void say_nothing(struct qr_err *err)
{
    static const char stars[] = "******";
    switch (err->number) {
    case 220:
        (void)!qr_sql_fail(err, 220, stars, stars);
        break;
    case 232:
        (void)!qr_sql_fail(err, 232, stars, stars);
        break;
    case 245:
        (void)!qr_sql_fail(err, 245, stars, stars, stars);
        break;
    case 248:
        (void)!qr_sql_fail(err, 248, stars, stars);
        break;
    case 2628:
        (void)!qr_sql_fail(err, 2628, stars, stars, stars);
        break;
    default:
        break;
    }
}

enum qr_status qri_redact(bool hides, enum qr_status status, struct qr_err *err)
{
    if (status != QR_SQL || !hides || err == NULL)
        return status;
    struct qr_err before = *err;
    say_nothing(err);
    err->state = before.state;
    err->line = before.line;
    memcpy(err->procedure, before.procedure, sizeof err->procedure);
    return status;
}
