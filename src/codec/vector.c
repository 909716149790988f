/* vector.c - see codec/vector.h */
#include "codec/vector.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "codec/json.h"
#include "base/banned.h"

enum { MARK = 0xA9, VERSION = 1, ITEM_BYTES = 4 };

size_t qr_vector_dimensions(struct qr_str bytes)
{
    if (bytes.n < QR_VECTOR_HEAD_BYTES || (unsigned char)bytes.p[0] != MARK)
        return 0;
    size_t count = qr_get16le(bytes.p + 2);
    return bytes.n == QR_VECTOR_HEAD_BYTES + ITEM_BYTES * count ? count : 0;
}

float qr_vector_item(struct qr_str bytes, size_t index)
{
    uint32_t bits = qr_get32le(bytes.p + QR_VECTOR_HEAD_BYTES + ITEM_BYTES * index);
    float item;
    memcpy(&item, &bits, sizeof item);
    return item;
}

size_t qr_vector_put(char *dst, const float *items, size_t count)
{
    memset(dst, 0, QR_VECTOR_HEAD_BYTES);
    dst[0] = (char)MARK;
    dst[1] = VERSION;
    qr_put16le(dst + 2, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &items[i], sizeof bits);
        qr_put32le(dst + QR_VECTOR_HEAD_BYTES + ITEM_BYTES * i, bits);
    }
    return QR_VECTOR_HEAD_BYTES + ITEM_BYTES * count;
}

/* Eight digits and an exponent of three, as C on Windows prints it; no negative zero. */
static size_t print_item(float item, char *dst)
{
    char text[QR_VECTOR_ITEM_TEXT_BYTES];
    int n = snprintf(text, sizeof text, "%.7e", item == 0 ? 0.0 : (double)item);
    memcpy(dst, text, (size_t)n - 2);
    memcpy(dst + n - 2, "0", 1);
    memcpy(dst + n - 1, text + n - 2, 2);
    return (size_t)n + 1;
}

size_t qr_vector_print(struct qr_str bytes, char *dst)
{
    size_t n = 0, count = qr_vector_dimensions(bytes);
    dst[n++] = '[';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            dst[n++] = ',';
        n += print_item(qr_vector_item(bytes, i), dst + n);
    }
    dst[n++] = ']';
    return n;
}

static enum qr_status read_item(const struct qr_json_item *item, float *ret_item,
                                struct qr_err *err)
{
    enum { NUMBER_BYTES_MAX = 400 };
    char text[NUMBER_BYTES_MAX + 1];
    static const char *const kinds[] = {"null", "string", "number", "boolean", "array", "object"};
    if (item->kind != QR_JSON_NUMBER)
        return qr_sql_fail(err, 13670, kinds[item->kind]);
    size_t n = item->text.n < NUMBER_BYTES_MAX ? item->text.n : NUMBER_BYTES_MAX;
    memcpy(text, item->text.p, n);
    text[n] = '\0';
    *ret_item = (float)strtod(text, NULL);
    return isfinite(*ret_item) ? QR_OK : qr_sql_fail(err, 42241);
}

enum qr_status qr_vector_parse(struct qr_arena *arena, struct qr_str text, size_t dimensions,
                               struct qr_str *ret_bytes, struct qr_err *err)
{
    float items[QR_VECTOR_DIMENSIONS_MAX];
    struct qr_json_rows rows;
    struct qr_json_row row;
    struct qr_str document;
    size_t count = 0;
    bool more = false;
    QR_TRY(qr_json_document(arena, text, &document, err));
    if (document.p[0] != '[')
        return qr_sql_fail(err, 13670, "object");
    QR_TRY(qr_json_rows_open(arena, document, (struct qr_str){0}, &rows, err));
    for (;; count++) {
        float item = 0;
        QR_TRY(qr_json_rows_next(&rows, arena, &more, &row, err));
        if (!more)
            break;
        QR_TRY(read_item(&row.item, &item, err));
        if (count < QR_VECTOR_DIMENSIONS_MAX)
            items[count] = item;
    }
    if (count != dimensions)
        return qr_sql_fail(err, 42204, (int)dimensions, (int)count);
    char *out = qr_arena_alloc(arena, QR_VECTOR_HEAD_BYTES + ITEM_BYTES * count);
    if (out == NULL)
        return qr_fail(err, QR_NOMEM, "read a vector");
    *ret_bytes = qr_str_n(out, qr_vector_put(out, items, count));
    return QR_OK;
}
