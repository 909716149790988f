/* Any type to text: codec/convert.h. */
#include "convert_int.h"

#include <assert.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "codec/codepage.h"
#include "codec/json.h"
#include "codec/vector.h"
#include "codec/collation.h"
#include "codec/decimal.h"
#include "codec/utf.h"
#include "base/banned.h"

uint16_t qri_code_page(const struct qr_type *t)
{
    const struct qr_collation *c = qr_collation_get(t->collation);
    return c == NULL ? QR_CP_1252 : c->code_page;
}

enum qr_status qri_truncation_fail(const struct qr_converter *c, struct qr_str kept,
                                   struct qr_err *err)
{
    if (c->table == NULL || c->column == NULL)
        return qr_sql_fail(err, 8152);
    char text[256];
    size_t n = qr_utf_prefix(kept, 100);
    n = n < sizeof text - 1 ? n : sizeof text - 1;
    if (n > 0)
        memcpy(text, kept.p, n);
    text[n] = 0;
    return qr_sql_fail(err, 2628, c->table, c->column, text);
}

static bool is_blank(struct qr_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ')
            return false;
    return true;
}

/* How long the text is in the units of the type, and the bytes of what fits. */
static size_t text_units(const struct qr_type *t, struct qr_str s)
{
    if (qr_utf_is_ascii(s))
        return s.n;
    return qr_type_family(t) == QR_FAMILY_NCHAR ? qr_utf16_units(s)
                                                : qr_codepage_length(qri_code_page(t), s);
}

static size_t text_prefix(const struct qr_type *t, struct qr_str s)
{
    return qr_type_family(t) == QR_FAMILY_NCHAR
               ? qr_utf_prefix(s, t->length)
               : qr_codepage_prefix(qri_code_page(t), s, t->length);
}

enum qr_status qri_finish_text(const struct qr_converter *c, struct qr_str text,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err)
{
    const struct qr_type *to = &c->to;
    if (qr_type_family(to) == QR_FAMILY_CHAR)
        QR_TRY(qr_codepage_fit(qri_code_page(to), text, env->arena, &text));
    if (to->is_max || to->length == 0) {
        *ret_value = qr_value_str(text);
        return QR_OK;
    }
    if (text.n > to->length) {
        size_t keep = text_prefix(to, text);
        if (keep < text.n) {
            struct qr_str kept = {text.p, keep}, cut = {text.p + keep, text.n - keep};
            if (c->store && !env->cuts_stored && !is_blank(cut))
                return qri_truncation_fail(c, kept, err);
            text = kept;
        }
    }
    if (qr_type_is_fixed(to)) {
        size_t units = text_units(to, text);
        if (units < to->length) {
            size_t pad = to->length - units;
            char *p = qr_arena_alloc(env->arena, text.n + pad);
            if (p == NULL)
                return QR_NOMEM;
            if (text.n > 0)
                memcpy(p, text.p, text.n);
            memset(p + text.n, ' ', pad);
            text = (struct qr_str){p, text.n + pad};
        }
    }
    *ret_value = qr_value_str(text);
    return QR_OK;
}

static bool fits(const struct qr_type *to, size_t ascii_bytes)
{
    return to->is_max || to->length == 0 || ascii_bytes <= to->length;
}

static enum qr_status finish_ascii(const struct qr_converter *c, const char *text, size_t n,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    char *copy = qr_arena_dup(env->arena, text, n);
    if (copy == NULL)
        return QR_NOMEM;
    return qri_finish_text(c, (struct qr_str){copy, n}, env, ret_value, err);
}

enum qr_status qri_text_to_text(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    return qri_finish_text(c, qr_value_bytes(in), env, ret_value, err);
}

enum qr_status qri_text_to_json(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    struct qr_str text;
    (void)c;
    QR_TRY(qr_json_document(env->arena, qr_value_bytes(in), &text, err));
    *ret_value = qr_value_str(text);
    return QR_OK;
}

/* Half a document is none. */
enum qr_status qri_json_to_text(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    struct qr_str text = qr_value_bytes(in);
    if (!c->to.is_max && c->to.length > 0 && text_units(&c->to, text) > c->to.length)
        return qr_sql_fail(err, 8152);
    return qri_finish_text(c, text, env, ret_value, err);
}

enum qr_status qri_text_to_vector(const struct qr_converter *c, const struct qr_value *in,
                                  const struct qr_convert_env *env, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    struct qr_str bytes;
    QR_TRY(qr_vector_parse(env->arena, qr_value_bytes(in), c->to.length, &bytes, err));
    *ret_value = qr_value_blob(bytes.p, bytes.n);
    return QR_OK;
}

enum qr_status qri_vector_to_text(const struct qr_converter *c, const struct qr_value *in,
                                  const struct qr_convert_env *env, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    size_t count = qr_vector_dimensions(qr_value_bytes(in));
    char *out = qr_arena_alloc(env->arena, count * QR_VECTOR_ITEM_TEXT_BYTES + 2);
    if (out == NULL)
        return QR_NOMEM;
    struct qr_str text = {out, qr_vector_print(qr_value_bytes(in), out)};
    if (!c->to.is_max && c->to.length > 0 && text.n > c->to.length)
        return qr_sql_fail(err, 42211);
    return qri_finish_text(c, text, env, ret_value, err);
}

/* Between numbers of dimensions there is no conversion. */
enum qr_status qri_vector_to_vector(const struct qr_converter *c, const struct qr_value *in,
                                    const struct qr_convert_env *env, struct qr_value *ret_value,
                                    struct qr_err *err)
{
    (void)in;
    (void)env;
    (void)ret_value;
    return qr_sql_fail(err, 42204, c->from.length, c->to.length);
}

enum qr_status qri_int_to_text(const struct qr_converter *c, const struct qr_value *in,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err)
{
    char text[QR_DEC_TEXT_BYTES];
    size_t n = qr_dec_print(in->i, 0, text);
    if (fits(&c->to, n))
        return finish_ascii(c, text, n, env, ret_value, err);
    if (qr_type_family(&c->to) == QR_FAMILY_NCHAR || c->from.id == QR_TYPE_BIGINT)
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&c->to));
    return finish_ascii(c, "*", 1, env, ret_value, err);
}

enum qr_status qri_decimal_to_text(const struct qr_converter *c, const struct qr_value *in,
                                   const struct qr_convert_env *env, struct qr_value *ret_value,
                                   struct qr_err *err)
{
    char text[QR_DEC_TEXT_BYTES];
    size_t n = qr_dec_print(qr_value_scaled(in), c->from.scale, text);
    if (!fits(&c->to, n)) {
        enum qr_status status = qr_sql_fail(err, 8115, "numeric", qr_type_name(&c->to));
        if (err != NULL)
            err->state = 5;
        return status;
    }
    return finish_ascii(c, text, n, env, ret_value, err);
}

enum qr_status qri_money_to_text(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    char text[QR_DEC_TEXT_BYTES];
    size_t n = qr_money_print(in->i, c->style, text);
    if (!fits(&c->to, n))
        return qr_sql_fail(err, 234, qr_type_name(&c->to));
    return finish_ascii(c, text, n, env, ret_value, err);
}

enum qr_status qri_float_to_text(const struct qr_converter *c, const struct qr_value *in,
                                 const struct qr_convert_env *env, struct qr_value *ret_value,
                                 struct qr_err *err)
{
    char text[QR_FLOAT_TEXT_BYTES];
    size_t n = qr_float_print(in->r, c->from.id == QR_TYPE_REAL, c->style, text);
    if (!fits(&c->to, n))
        return qr_sql_fail(err, 8115, "expression", qr_type_name(&c->to));
    return finish_ascii(c, text, n, env, ret_value, err);
}

enum qr_status qri_datetime_to_text(const struct qr_converter *c, const struct qr_value *in,
                                    const struct qr_convert_env *env, struct qr_value *ret_value,
                                    struct qr_err *err)
{
    char text[QR_DT_TEXT_BYTES];
    size_t n = qr_datetime_print(&c->from, in, c->style, text);
    if (n == 0)
        return qr_sql_fail(err, 281, c->style, qr_type_name(&c->from));
    return finish_ascii(c, text, n, env, ret_value, err);
}

enum qr_status qri_guid_to_text(const struct qr_converter *c, const struct qr_value *in,
                                const struct qr_convert_env *env, struct qr_value *ret_value,
                                struct qr_err *err)
{
    char text[36];
    assert(in->n == 16);
    qr_guid_print((const uint8_t *)in->p, text);
    if (!fits(&c->to, sizeof text))
        return qr_sql_fail(err, 8170);
    return finish_ascii(c, text, sizeof text, env, ret_value, err);
}

static enum qr_status hex_text(const struct qr_converter *c, const struct qr_value *in,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err)
{
    static const char digits[] = "0123456789ABCDEF";
    bool prefix = c->style == 1;
    char *out = qr_arena_alloc(env->arena, 2 * in->n + 3);
    if (out == NULL)
        return QR_NOMEM;
    size_t n = 0;
    if (prefix) {
        out[n++] = '0';
        out[n++] = 'x';
    }
    for (size_t i = 0; i < in->n; i++) {
        out[n++] = digits[(uint8_t)in->p[i] >> 4];
        out[n++] = digits[(uint8_t)in->p[i] & 15];
    }
    if (!fits(&c->to, n)) /* whole bytes only */
        n = (size_t)c->to.length & ~(size_t)1;
    return qri_finish_text(c, (struct qr_str){out, n}, env, ret_value, err);
}

enum qr_status qri_binary_to_text(const struct qr_converter *c, const struct qr_value *in,
                                  const struct qr_convert_env *env, struct qr_value *ret_value,
                                  struct qr_err *err)
{
    if (c->style == 1 || c->style == 2)
        return hex_text(c, in, env, ret_value, err);
    char *out = qr_arena_alloc(env->arena, 3 * in->n + 4);
    if (out == NULL)
        return QR_NOMEM;
    size_t n;
    if (qr_type_family(&c->to) == QR_FAMILY_NCHAR || c->to.id == QR_TYPE_XML) {
        n = qr_utf8_from_utf16le(in->p, in->n / 2, out);
        if (in->n % 2 == 1) /* the odd byte is the low half of a unit */
            n += qr_utf_put((uint8_t)in->p[in->n - 1], out + n);
    } else {
        n = qr_codepage_decode(qri_code_page(&c->to), in->p, in->n, out);
    }
    return qri_finish_text(c, (struct qr_str){out, n}, env, ret_value, err);
}
