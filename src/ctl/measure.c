/* measure.c - see ctl/measure.h */
#include "ctl/measure.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static const char mark[] = " = ";

/* Two decimals at most: "12.5", "1073741824". */
static size_t put_number(char *dst, size_t dst_bytes, double value)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%.2f", value);
    while (n > 1 && text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    int put = snprintf(dst, dst_bytes, "%.*s ", n, text);
    return put > 0 && (size_t)put < dst_bytes ? (size_t)put : 0;
}

void qr_measures_put(const struct qr_measured measures[QR_MEASURES], char *dst, size_t dst_bytes)
{
    size_t at = (size_t)snprintf(dst, dst_bytes, "%s", mark);
    for (int i = 0; i < QR_MEASURES && at < dst_bytes; i++) {
        const double values[] = {measures[i].average, measures[i].least, measures[i].most};
        for (int k = 0; k < 3; k++)
            at += put_number(dst + at, dst_bytes - at, values[k]);
    }
}

bool qr_measures_parse(struct qr_str body, struct qr_measured ret_measures[QR_MEASURES])
{
    char text[QR_MEASURES_BYTES_MAX];
    struct qr_measured found[QR_MEASURES] = {{0}};
    const char *at = body.n == 0 ? NULL : memmem(body.p, body.n, mark, sizeof mark - 1);
    if (at == NULL)
        return false;
    at += sizeof mark - 1;
    size_t n = body.n - (size_t)(at - body.p);
    if (n >= sizeof text)
        return false;
    memcpy(text, at, n);
    text[n] = '\0';
    char *next = text, *end = NULL;
    for (int i = 0; i < QR_MEASURES; i++) {
        double *values[] = {&found[i].average, &found[i].least, &found[i].most};
        for (int k = 0; k < 3; k++, next = end) {
            *values[k] = strtod(next, &end);
            if (end == next)
                return false;
        }
    }
    memcpy(ret_measures, found, sizeof found);
    return true;
}

void qr_measure_add(struct qr_measured *measure, size_t count, double value)
{
    measure->average += value;
    measure->least = count == 0 || value < measure->least ? value : measure->least;
    measure->most = count == 0 || value > measure->most ? value : measure->most;
}

void qr_measures_end(struct qr_measured measures[QR_MEASURES], size_t count)
{
    for (int i = 0; i < QR_MEASURES && count > 0; i++)
        measures[i].average /= (double)count;
}
