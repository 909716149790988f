/* Any value of any type to any type under any style: what comes out is a value of that type. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/convert.h"
#include "codec/decimal.h"
#include "codec/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct qr_type make_type(const uint8_t p[4])
{
    enum qr_type_id id = (enum qr_type_id)(QR_TYPE_BIT + p[0] % QR_TYPE_SQL_VARIANT);
    struct qr_type t = qr_type_of(id);
    if (qr_type_family(&t) == QR_FAMILY_DECIMAL) {
        t.precision = (uint8_t)(p[1] % 38 + 1);
        t.scale = (uint8_t)(p[2] % (t.precision + 1));
    } else if (t.scale == 7) {
        t.scale = p[1] % 8;
    } else if (t.length != 0) {
        t = qr_type_sized(id, (size_t)(p[1] + 256 * (p[2] % 4)));
    }
    return t;
}

/* A valid value of the type, by way of the conversion from bytes or text; false if there is none.
 */
static bool make_value(const struct qr_type *t, struct qr_str bytes,
                       const struct qr_convert_env *env, struct qr_value *ret_value)
{
    struct qr_type from = qr_type_sized(QR_TYPE_VARBINARY, 0);
    if (qr_type_is_string(t) || t->id == QR_TYPE_XML) {
        if (!qr_utf_valid(bytes))
            return false;
        from = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    }
    struct qr_value v =
        from.id == QR_TYPE_NVARCHAR ? qr_value_str(bytes) : qr_value_blob(bytes.p, bytes.n);
    if (qr_type_family(t) == QR_FAMILY_FLOAT) {
        double d = 0;
        memcpy(&d, bytes.p, bytes.n < 8 ? bytes.n : 8);
        if (!isfinite(d) || (t->id == QR_TYPE_REAL && fabs(d) > 3e38))
            return false;
        *ret_value = qr_value_real(t->id == QR_TYPE_REAL ? (double)(float)d : d);
        return true;
    }
    struct qr_converter c;
    return qr_converter_init(&c, &from, t, -1, QR_CONVERT_CAST, NULL) == QR_OK &&
           qr_convert(&c, &v, env, ret_value, NULL) == QR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 12 || size > 1024)
        return 0;
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_convert_env env = {&arena, (enum qr_dateformat)(data[8] % 6), false};
    struct qr_type from = make_type(data), to = make_type(data + 4);
    struct qr_value v, out, loaded;
    struct qr_str bytes = {(const char *)data + 11, size - 11};
    struct qr_converter c;
    struct qr_err err;
    enum qr_convert_mode mode = (enum qr_convert_mode)(data[9] % 3);
    if (make_value(&from, bytes, &env, &v) &&
        qr_converter_init(&c, &from, &to, data[10] % 132 - 1, mode, &err) == QR_OK) {
        enum qr_status s = qr_convert(&c, &v, &env, &out, &err);
        assert(s == QR_OK || s == QR_SQL);
        if (s == QR_OK) {
            uint8_t scratch[16];
            assert(out.cell == qr_type_cell(&to));
            struct qr_value cell = qr_value_store(&to, &out, scratch);
            assert(qr_value_load(&to, &cell, &arena, &loaded, NULL) == QR_OK);
            assert(qr_value_compare(&to, &out, &loaded) == 0);
            assert(qr_value_datalength(&to, &out) <= 8016 || qr_type_is_lob(&to));
            if (qr_type_is_string(&to) && to.length != 0)
                assert(qr_value_datalength(&to, &out) <= (size_t)qr_type_max_length(&to));
        }
    }
    qr_arena_done(&arena);
    return 0;
}
