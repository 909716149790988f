/* raiserror.c - see raiserror.h */
#include "raiserror.h"
#include <stdio.h>
#include <string.h>
#include "base/banned.h"

enum { TEXT_BYTES_MAX = 2047, FIELD_MAX = 2047 };

struct spec {
    char flags[8];
    int width, precision; /* -1: none */
    bool wide;
    char conversion;
};

struct reader {
    struct qr_str format;
    size_t at;
    const struct qri_raise_arg *args;
    size_t arg_count, next_arg;
    struct qr_err *err;
};

static enum qr_status next_arg(struct reader *r, const struct qri_raise_arg **ret_arg)
{
    *ret_arg = r->next_arg < r->arg_count ? &r->args[r->next_arg] : NULL;
    r->next_arg++;
    return QR_OK;
}

static char peek(const struct reader *r)
{
    return r->at < r->format.n ? r->format.p[r->at] : '\0';
}

static enum qr_status read_number(struct reader *r, int *ret_number)
{
    if (peek(r) == '*') {
        r->at++;
        const struct qri_raise_arg *arg = NULL;
        QR_TRY(next_arg(r, &arg));
        if (arg != NULL && arg->value.cell != QR_CELL_INT)
            return qr_sql_fail(r->err, 2786, (int)r->next_arg);
        int64_t n = arg == NULL ? 0 : arg->value.i;
        *ret_number = n < 0 ? 0 : n > FIELD_MAX ? FIELD_MAX : (int)n;
        return QR_OK;
    }
    int n = -1;
    while (peek(r) >= '0' && peek(r) <= '9') {
        n = (n < 0 ? 0 : n) * 10 + (peek(r) - '0');
        n = n > FIELD_MAX ? FIELD_MAX : n;
        r->at++;
    }
    *ret_number = n;
    return QR_OK;
}

static enum qr_status read_spec(struct reader *r, struct spec *spec)
{
    *spec = (struct spec){.width = -1, .precision = -1};
    size_t n = 0;
    while (peek(r) != '\0' && strchr("-+ #0", peek(r)) != NULL) {
        if (n + 1 < sizeof spec->flags)
            spec->flags[n++] = peek(r);
        r->at++;
    }
    QR_TRY(read_number(r, &spec->width));
    if (peek(r) == '.') {
        r->at++;
        QR_TRY(read_number(r, &spec->precision));
        if (spec->precision < 0)
            spec->precision = 0;
    }
    if (r->format.n - r->at >= 3 && memcmp(r->format.p + r->at, "I64", 3) == 0) {
        spec->wide = true;
        r->at += 3;
    }
    while (peek(r) == 'h' || peek(r) == 'l')
        r->at++;
    spec->conversion = peek(r);
    if (spec->conversion == '\0' || strchr("diuoxXs", spec->conversion) == NULL) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)(r->format.n < 60 ? r->format.n : 60),
                 r->format.p);
        return qr_sql_fail(r->err, 2787, text);
    }
    r->at++;
    return QR_OK;
}

static void pad(struct qr_buf *buf, int count)
{
    if (count > 0)
        qr_buf_fill(buf, ' ', (size_t)count);
}

static void put_text(struct qr_buf *buf, const struct spec *spec, struct qr_str text)
{
    if (spec->precision >= 0 && text.n > (size_t)spec->precision)
        text.n = (size_t)spec->precision;
    int fill = spec->width - (int)text.n;
    bool left = strchr(spec->flags, '-') != NULL;
    if (!left)
        pad(buf, fill);
    qr_buf_add(buf, text.p, text.n);
    if (left)
        pad(buf, fill);
}

static void put_int(struct qr_buf *buf, const struct spec *spec, int64_t value)
{
    char number[32], out[64 + FIELD_MAX];
    if (strchr("di", spec->conversion) != NULL)
        snprintf(number, sizeof number, "%lld", (long long)value);
    else if (spec->conversion == 'u')
        snprintf(number, sizeof number, "%llu",
                 (unsigned long long)(spec->wide ? (uint64_t)value : (uint32_t)value));
    else
        snprintf(number, sizeof number,
                 spec->conversion == 'o' ? "%llo" : spec->conversion == 'x' ? "%llx" : "%llX",
                 (unsigned long long)(spec->wide ? (uint64_t)value : (uint32_t)value));
    bool minus = number[0] == '-', plus = !minus && strchr(spec->flags, '+') != NULL;
    bool blank = !minus && !plus && strchr(spec->flags, ' ') != NULL;
    const char *digits = number + minus;
    const char *base = strchr(spec->flags, '#') == NULL || value == 0 ? ""
                       : spec->conversion == 'x'                     ? "0x"
                       : spec->conversion == 'X'                     ? "0X"
                                                                     : "";
    const char *sign = minus ? "-" : plus ? "+" : blank ? " " : "";
    int zeros = spec->precision - (int)strlen(digits);
    if (spec->precision < 0 && strchr(spec->flags, '0') != NULL &&
        strchr(spec->flags, '-') == NULL)
        zeros = spec->width - (int)(strlen(digits) + strlen(sign) + strlen(base));
    int n = snprintf(out, sizeof out, "%s%s%.*s%s", sign, base, 0, "", "");
    for (; zeros > 0 && n < FIELD_MAX; zeros--)
        out[n++] = '0';
    n += snprintf(out + n, sizeof out - (size_t)n, "%s", digits);
    struct spec field = *spec;
    field.precision = -1;
    put_text(buf, &field, qr_str_n(out, (size_t)n));
}

static enum qr_status put_conversion(struct reader *r, struct qr_buf *buf)
{
    struct spec spec;
    QR_TRY(read_spec(r, &spec));
    const struct qri_raise_arg *arg = NULL;
    QR_TRY(next_arg(r, &arg));
    if (arg == NULL || arg->value.cell == QR_CELL_NULL) {
        put_text(buf, &spec, qr_str("(null)"));
        return QR_OK;
    }
    bool is_text = qr_type_is_string(&arg->type);
    bool is_int = qr_type_family(&arg->type) == QR_FAMILY_INT;
    if (!is_text && !is_int && qr_type_family(&arg->type) != QR_FAMILY_BINARY)
        return qr_sql_fail(r->err, 2748, qr_type_name(&arg->type),
                           (int)r->next_arg);
    if ((spec.conversion == 's') != is_text)
        return qr_sql_fail(r->err, 2786, (int)r->next_arg);
    if (is_text)
        put_text(buf, &spec, qr_value_bytes(&arg->value));
    else
        put_int(buf, &spec, arg->value.i);
    return QR_OK;
}

enum qr_status qri_raise_format(struct qr_arena *arena, struct qr_str format,
                                const struct qri_raise_arg *args, size_t arg_count,
                                struct qr_str *ret_text, struct qr_err *err)
{
    struct reader r = {.format = format, .args = args, .arg_count = arg_count, .err = err};
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    enum qr_status status = QR_OK;
    while (r.at < format.n && status == QR_OK) {
        char c = format.p[r.at++];
        if (c != '%') {
            qr_buf_add8(&buf, (uint8_t)c);
        } else if (peek(&r) == '%') {
            qr_buf_add8(&buf, '%');
            r.at++;
        } else {
            status = put_conversion(&r, &buf);
        }
    }
    if (status == QR_OK)
        status = qr_buf_status(&buf, err);
    if (status == QR_OK) {
        *ret_text = qr_arena_str(arena, qr_str_n((const char *)buf.data, buf.len));
        if (ret_text->n > TEXT_BYTES_MAX) {
            ret_text->n = TEXT_BYTES_MAX;
            memcpy((char *)(uintptr_t)ret_text->p + TEXT_BYTES_MAX - 3, "...", 3);
        }
    }
    qr_buf_done(&buf);
    return status;
}
