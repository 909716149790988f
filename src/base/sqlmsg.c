/* sqlmsg.c - see base/sqlmsg.h */
#include "base/sqlmsg.h"
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "sqlmsg_table.h" /* generated: static const struct qr_sqlmsg sqlmsgs[] */
#include "base/banned.h"

size_t qr_sqlmsg_count(void)
{
    return sizeof sqlmsgs / sizeof sqlmsgs[0];
}

const struct qr_sqlmsg *qr_sqlmsg_at(size_t index)
{
    return index < qr_sqlmsg_count() ? &sqlmsgs[index] : NULL;
}

const struct qr_sqlmsg *qr_sqlmsg_find(int number)
{
    size_t low = 0, high = qr_sqlmsg_count();
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sqlmsgs[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < qr_sqlmsg_count() && sqlmsgs[low].number == number ? &sqlmsgs[low] : NULL;
}

struct out {
    char *dst;
    size_t bytes, used;
};

static void put(struct out *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n && out->used + 1 < out->bytes; i++)
        out->dst[out->used++] = text[i];
}

/* One conversion starting after '%'; returns the bytes of the template it took. */
static size_t put_conversion(struct out *out, const char *spec, va_list *args)
{
    char number[32];
    size_t i = strspn(spec, "0123456789.*-#+ ");
    bool wide = strncmp(spec + i, "I64", 3) == 0;
    i += wide ? 3 : strspn(spec + i, "lh");
    int n = 0;
    switch (spec[i]) {
    case '%':
        put(out, "%", 1);
        return i + 1;
    case 's':
    case 'S': {
        const char *text = va_arg(*args, const char *);
        text = text == NULL ? "(null)" : text;
        put(out, text, strlen(text));
        return i + (strncmp(spec + i, "S_MSG", 5) == 0 ? 5 : 1);
    }
    case 'c': {
        char c = (char)va_arg(*args, int);
        put(out, &c, 1);
        return i + 1;
    }
    case 'X': /* data types are printed as 0x%02X */
        n = snprintf(number, sizeof number, "%02X", (unsigned)va_arg(*args, int));
        break;
    case 'x':
    case 'p':
        n = wide ? snprintf(number, sizeof number, "%llx",
                            (unsigned long long)va_arg(*args, int64_t))
                 : snprintf(number, sizeof number, "%x", (unsigned)va_arg(*args, int));
        break;
    case 'u':
        n = wide ? snprintf(number, sizeof number, "%llu",
                            (unsigned long long)va_arg(*args, int64_t))
                 : snprintf(number, sizeof number, "%u", (unsigned)va_arg(*args, int));
        break;
    case 'd':
    case 'i':
        n = wide ? snprintf(number, sizeof number, "%lld", (long long)va_arg(*args, int64_t))
                 : snprintf(number, sizeof number, "%d", va_arg(*args, int));
        break;
    case 'f':
        n = snprintf(number, sizeof number, "%f", va_arg(*args, double));
        break;
    default: /* not a conversion of sys.messages: print the sign itself */
        put(out, "%", 1);
        return 0;
    }
    put(out, number, (size_t)n);
    return i + 1;
}

void qr_sqlmsg_format(char *dst, size_t dst_bytes, const char *text, va_list args)
{
    assert(dst_bytes > 0);
    struct out out = {dst, dst_bytes, 0};
    va_list copy;
    va_copy(copy, args);
    while (*text != '\0') {
        if (*text == '%') {
            text += 1 + put_conversion(&out, text + 1, &copy);
        } else {
            put(&out, text, 1);
            text++;
        }
    }
    va_end(copy);
    dst[out.used] = '\0';
}

enum qr_status qr_sql_failv(struct qr_err *err, int number, va_list args)
{
    const struct qr_sqlmsg *msg = qr_sqlmsg_find(number);
    assert(msg != NULL);
    if (err == NULL)
        return QR_SQL;
    err->status = QR_SQL;
    err->number = number;
    err->severity = msg->severity;
    err->state = msg->state;
    err->also = 0;
    err->line = 0;
    err->procedure[0] = '\0';
    qr_sqlmsg_format(err->text, sizeof err->text, msg->text, args);
    return QR_SQL;
}

enum qr_status(qr_sql_fail)(struct qr_err *err, int number, ...)
{
    va_list args;
    va_start(args, number);
    enum qr_status status = qr_sql_failv(err, number, args);
    va_end(args);
    return status;
}
