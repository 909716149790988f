/* base/status.h - how functions tell failure: a status, and an optional qr_err that explains it.
 *
 * Thread-safe: a qr_err belongs to one caller; nothing is global. `err` may be NULL everywhere.
 * Convention: `ret_x` is set on success only and untouched on failure. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define QR_NODISCARD __attribute__((warn_unused_result))
#define QR_AUTO(freep) __attribute__((cleanup(freep)))
#define QR_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
/* Returns early with a status that is not QR_OK. */
#define QR_TRY(expr)                                                                               \
    do {                                                                                           \
        enum qr_status qr_try_status_ = (expr);                                                    \
        if (qr_try_status_ != QR_OK)                                                               \
            return qr_try_status_;                                                                 \
    } while (0)
/* Gives the pointer away and leaves NULL behind, so that QR_AUTO frees nothing. */
#define QR_TAKE(ptr)                                                                               \
    __extension__({                                                                                \
        __typeof__(ptr) qr_taken_ = (ptr);                                                         \
        (ptr) = NULL;                                                                              \
        qr_taken_;                                                                                 \
    })

enum qr_status {
#define QR_STATUS(name, sql_number, severity, http, arm_code, meaning) QR_##name,
#include "base/status.def"
#undef QR_STATUS
    QR_STATUS_COUNT
};

enum { QR_ERR_TEXT_BYTES_MAX = 2048 }; /* SQL Server bounds a message at 2,047 characters */

/* One error. For QR_SQL the fields number, severity, state are those of the T-SQL error; for other
 * statuses qr_fail fills them from the status table, so a qr_err can always be sent to a client. */
struct qr_err {
    enum qr_status status;
    int number;
    uint8_t severity;
    uint8_t state;
    int also; /* number of a T-SQL error that follows this one and takes none of its words; or 0 */
    int line; /* 1-based line in the batch or module; 0 = not known yet (what a failure sets) */
    char procedure[257]; /* UTF-8 name of the module the error arose in, "" for a batch */
    char text[QR_ERR_TEXT_BYTES_MAX];
};

struct qr_status_info {
    const char *name;
    int sql_number;
    int severity;
    int http_status;
    const char *arm_code;
    const char *meaning;
};

const struct qr_status_info *qr_status_info(enum qr_status status);

/* Records `status` and the formatted text; returns `status`, so `return qr_fail(...)` reads well.
 */
enum qr_status qr_fail(struct qr_err *err, enum qr_status status, const char *fmt, ...)
    QR_PRINTF(3, 4);

/* If `status` is a failure, prefixes err->text with the formatted words and ": ". A QR_SQL error is
 * left alone: its text is the client's. Returns `status`. */
enum qr_status qr_wrap(struct qr_err *err, enum qr_status status, const char *fmt, ...)
    QR_PRINTF(3, 4);

void qr_err_reset(struct qr_err *err);

#ifdef __clang_analyzer__
/* Tells the analyzer what it cannot see from another file: both return the status they are given.
 */
#define qr_fail(err, status, ...)                                                                  \
    __extension__({                                                                                \
        enum qr_status qr_given_ = (status);                                                       \
        (qr_fail)(err, qr_given_, __VA_ARGS__);                                                    \
        qr_given_;                                                                                 \
    })
#define qr_wrap(err, status, ...)                                                                  \
    __extension__({                                                                                \
        enum qr_status qr_given_ = (status);                                                       \
        (qr_wrap)(err, qr_given_, __VA_ARGS__);                                                    \
        qr_given_;                                                                                 \
    })
#endif
