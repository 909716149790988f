/* tokens.c - see tokens.h */
#include "tokens.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/endian.h"
#include "tds/defs.h"
#include "tds/token.h"

struct out {
    char *dst;
    size_t bytes, n;
};

static void __attribute__((format(printf, 2, 3))) say(struct out *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    o->n += (size_t)vsnprintf(o->dst + o->n, o->bytes - o->n, fmt, args);
    va_end(args);
    assert(o->n < o->bytes);
}

static void say_done(struct out *o, const char *name, const uint8_t *p)
{
    uint16_t status = qr_get16le(p);
    say(o, "%s", name);
    char separator = ':';
    static const struct {
        uint16_t bit;
        const char *word;
    } bits[] = {{QR_TDS_DONE_MORE, "more"},
                {QR_TDS_DONE_ERROR, "error"},
                {QR_TDS_DONE_ATTN, "attn"},
                {QR_TDS_DONE_SRVERROR, "fatal"}};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (status & bits[i].bit) {
            say(o, "%c%s", separator, bits[i].word);
            separator = ',';
        }
    }
    if (status & QR_TDS_DONE_COUNT)
        say(o, "%ccount=%llu", separator, (unsigned long long)qr_get64le(p + 4));
}

/* One token; returns its bytes. */
static size_t say_token(struct out *o, const uint8_t *p)
{
    switch (p[0]) {
    case QR_TDS_TOKEN_COLMETADATA:
        say(o, "COL");
        return 3 + 4 + 2 + 1 + 3;
    case QR_TDS_TOKEN_ROW:
        say(o, "ROW");
        return 5;
    case QR_TDS_TOKEN_DONE:
        say_done(o, "DONE", p + 1);
        return 13;
    case QR_TDS_TOKEN_DONEPROC:
        say_done(o, "DONEPROC", p + 1);
        return 13;
    case QR_TDS_TOKEN_DONEINPROC:
        say_done(o, "DONEINPROC", p + 1);
        return 13;
    case QR_TDS_TOKEN_RETURNSTATUS:
        say(o, "STATUS=%d", (int32_t)qr_get32le(p + 1));
        return 5;
    case QR_TDS_TOKEN_RETURNVALUE: {
        size_t at = 4 + p[3] * (size_t)2 + 1 + 4 + 2 + 2;
        say(o, "VALUE%u=", qr_get16le(p + 1));
        if (p[at] == 0)
            say(o, "null");
        else
            say(o, "%d", (int32_t)qr_get32le(p + at + 1));
        return at + 1 + p[at];
    }
    case QR_TDS_TOKEN_ENVCHANGE:
        say(o, "ENV%u", p[3]);
        break;
    case QR_TDS_TOKEN_ERROR:
        say(o, "ERROR%d", (int32_t)qr_get32le(p + 3));
        break;
    case QR_TDS_TOKEN_INFO:
        say(o, p[8] == 0 ? "INFO%d" : "INFO%d/%u", (int32_t)qr_get32le(p + 3), p[8]);
        break;
    case QR_TDS_TOKEN_LOGINACK:
        say(o, "LOGINACK");
        break;
    default:
        say(o, "?%02X", p[0]);
        return SIZE_MAX;
    }
    return 3u + qr_get16le(p + 1);
}

void tokens_print(const uint8_t *packets, size_t bytes, char *dst, size_t dst_bytes, int *ret_eom)
{
    struct qr_buf body;
    struct out o = {dst, dst_bytes, 0};
    qr_buf_init(&body, 64 << 20);
    *ret_eom = 0;
    dst[0] = '\0';
    for (size_t at = 0; at < bytes;) {
        size_t n = qr_get16be(packets + at + 2);
        assert(packets[at] == QR_TDS_PACKET_REPLY && n >= 8 && n <= bytes - at);
        *ret_eom += (packets[at + 1] & QR_TDS_STATUS_EOM) != 0;
        qr_buf_add(&body, packets + at + 8, n - 8);
        at += n;
    }
    for (size_t at = 0; at < body.len;) {
        if (at > 0)
            say(&o, " ");
        size_t n = say_token(&o, body.data + at);
        if (n > body.len - at)
            break;
        at += n;
    }
    qr_buf_done(&body);
}
