/* base/sqlmsg.h - the table of T-SQL messages (the compatible subset of sys.messages).
 *
 * Generated at build time from data/errors.csv (documented numbers) and data/messages.csv (ours:
 * numbers that errors.csv lacks, and for every number what the error ends). Pure, any thread. */
#pragma once
#include "base/status.h"

/* What an error ends when XACT_ABORT is OFF and no TRY is active ([TSQL.md] 6: a table column). */
enum qr_sql_ends {
    QR_ENDS_STATEMENT,   /* the batch goes on with the next statement */
    QR_ENDS_BATCH,       /* the batch ends, the transaction stays */
    QR_ENDS_TRANSACTION, /* the batch ends and the transaction is rolled back */
    QR_ENDS_CONNECTION,
};

struct qr_sqlmsg {
    int number;
    uint8_t severity;
    uint8_t state;
    enum qr_sql_ends ends;
    const char *text; /* sys.messages form: %ls %.*ls %s %d %ld %u %x %c %I64d %I64u %% */
};

/* NULL when the number is not in the table. */
const struct qr_sqlmsg *qr_sqlmsg_find(int number);
size_t qr_sqlmsg_count(void);
const struct qr_sqlmsg *qr_sqlmsg_at(size_t index); /* sorted by number */

/* Fails with the numbered message. Every string form (%ls, %.*ls, %s, %.*s, %S_MSG) takes one
 * `const char *` (UTF-8, NULL prints as "(null)"); %d %i %u %x %ld %c take int; %I64d %I64u %I64x
 * take int64_t. An unknown number is an assertion failure: it is our own mistake. */
enum qr_status qr_sql_fail(struct qr_err *err, int number, ...);
enum qr_status qr_sql_failv(struct qr_err *err, int number, va_list args);

/* Formats a sys.messages template with string arguments only (RAISERROR uses its own, typed). */
void qr_sqlmsg_format(char *dst, size_t dst_bytes, const char *text, va_list args);

#ifdef __clang_analyzer__
/* Tells the analyzer what it cannot see from another file (as base/status.h does). */
#define qr_sql_fail(...)                                                                           \
    __extension__({                                                                                \
        (qr_sql_fail)(__VA_ARGS__);                                                                \
        QR_SQL;                                                                                    \
    })
#endif
