/* status.c - see base/status.h */
#include "base/status.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/banned.h"

static const struct qr_status_info infos[QR_STATUS_COUNT] = {
#define QR_STATUS(name, sql_number, severity, http, arm_code, meaning)                             \
    [QR_##name] = {#name, sql_number, severity, http, arm_code, meaning},
#include "base/status.def"
#undef QR_STATUS
};

const struct qr_status_info *qr_status_info(enum qr_status status)
{
    assert((unsigned)status < QR_STATUS_COUNT);
    return &infos[status];
}

enum qr_status(qr_fail)(struct qr_err *err, enum qr_status status, const char *fmt, ...)
{
    assert(status != QR_OK);
    if (err == NULL)
        return status;
    const struct qr_status_info *info = qr_status_info(status);
    err->status = status;
    err->number = info->sql_number;
    err->severity = (uint8_t)info->severity;
    err->state = 1;
    err->also = 0;
    err->line = 0;
    err->procedure[0] = '\0';
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return status;
}

enum qr_status(qr_wrap)(struct qr_err *err, enum qr_status status, const char *fmt, ...)
{
    if (status == QR_OK || status == QR_SQL || err == NULL)
        return status;
    char words[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words - 2, fmt, args);
    va_end(args);
    size_t n = strlen(words);
    memcpy(words + n, ": ", 3);
    n += 2;
    size_t old = strlen(err->text);
    if (old + n >= sizeof err->text)
        old = sizeof err->text - n - 1;
    memmove(err->text + n, err->text, old);
    memcpy(err->text, words, n);
    err->text[n + old] = '\0';
    return status;
}

void qr_err_reset(struct qr_err *err)
{
    if (err == NULL)
        return;
    err->status = QR_OK;
    err->number = 0;
    err->also = 0;
    err->severity = 0;
    err->state = 0;
    err->line = 0;
    err->procedure[0] = '\0';
    err->text[0] = '\0';
}
