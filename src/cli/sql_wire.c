/* sql_wire.c - see sql_reply.h: what a client sends. */
#include <string.h>
#include <unistd.h>
#include "codec/utf.h"
#include "sql_reply.h"
#include "tds/defs.h"
#include "tds/prelogin.h"
#include "base/banned.h"

/* VERSION, ENCRYPTION and the terminator: what every server asks for. */
void qri_sql_put_prelogin(struct qr_buf *out)
{
    static const uint8_t body[] = {
        0x00, 0x00, 0x0b, 0x00, 0x06, /* version: at 11, 6 bytes */
        0x01, 0x00, 0x11, 0x00, 0x01, /* encryption: at 17, 1 byte */
        0xff, 12,   0,    0,    0,    0, 0, QR_TDS_ENCRYPT_ON,
    };
    qr_buf_add(out, body, sizeof body);
}

static void put_utf16(struct qr_buf *out, struct qr_str text)
{
    uint8_t *p = qr_buf_reserve(out, text.n * 2);
    if (p != NULL)
        out->len += qr_utf16le_from_utf8(text, p) * 2;
}

enum {
    FIXED_BYTES = 94,
    AT_FIELDS = 36,    /* pairs of offset and length of the texts */
    AT_CLIENT_ID = 72, /* six bytes between them */
    FLAGS1 = 0xE0,     /* notices of USE and SET LANGUAGE; a database that cannot be had is fatal */
    FLAGS2 = 0x03,     /* language fatal; defaults as of ODBC: the ANSI settings */
    TDS_74 = 0x74000004,
    PACKET_BYTES = QR_TDS_PACKET_BYTES_DEFAULT,
};

void qri_sql_put_login(struct qr_buf *out, const struct qri_sql_login *login)
{
    /* In the order of their pairs in the fixed part; NULL: an offset without bytes. */
    const char *const texts[] = {
        login->host, login->user, login->password, "quire", login->server, NULL,
        "quire",     NULL,        login->database, NULL,    NULL,          NULL};
    static const uint16_t pair_at[] = {36, 40, 44, 48, 52, 56, 60, 64, 68, 78, 82, 86};
    size_t start = out->len;
    qr_buf_fill(out, 0, FIXED_BYTES);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t at = out->len - start;
        put_utf16(out, qr_str(texts[i]));
        if (out->failed != QR_OK)
            return;
        size_t units = (out->len - start - at) / 2;
        uint8_t *pair = out->data + start + pair_at[i];
        qr_put16le(pair, (uint16_t)at);
        qr_put16le(pair + 2, (uint16_t)units);
        for (size_t k = 0; i == 2 && k < units * 2; k++) { /* the password, hidden from nobody */
            uint8_t *b = out->data + start + at + k;
            *b = (uint8_t)(*b << 4 | *b >> 4) ^ 0xA5;
        }
    }
    uint8_t *fixed = out->data + start;
    qr_put32le(fixed, (uint32_t)(out->len - start));
    qr_put32le(fixed + 4, TDS_74);
    qr_put32le(fixed + 8, PACKET_BYTES);
    qr_put32le(fixed + 16, (uint32_t)getpid());
    fixed[24] = FLAGS1;
    fixed[25] = FLAGS2;
}

void qri_sql_put_batch(struct qr_buf *out, const uint8_t transaction[8], struct qr_str text)
{
    enum { HEADERS_BYTES = 22, HEADER_BYTES = 18, TRANSACTION_HEADER = 2, REQUESTS = 1 };
    qr_buf_add32le(out, HEADERS_BYTES);
    qr_buf_add32le(out, HEADER_BYTES);
    qr_buf_add16le(out, TRANSACTION_HEADER);
    qr_buf_add(out, transaction, 8);
    qr_buf_add32le(out, REQUESTS);
    put_utf16(out, text);
}
