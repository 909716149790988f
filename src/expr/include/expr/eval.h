/* expr/eval.h - running typed expressions: the evaluation frame, the session's settings, the host.
 *
 * Threads: a qr_eval belongs to one thread; the tree it runs is shared and read only.
 * Memory: bytes of results live in ctx->arena, in the tree, or in the inputs they came from. The
 * caller resets the arena between rows (or statements) once it has used the value. Integers,
 * floats, dates and decimals allocate nothing.
 * Errors: QR_SQL with the number SQL Server gives (8115, 8134, 220, 245, 241, 8114, 2628 ...),
 * QR_NOMEM when the arena's maximum is reached, what the host returns, QR_BUG never.
 * Under ARITHABORT OFF and ANSI_WARNINGS OFF overflow and division by zero give NULL. */
#pragma once
#include "expr/expr.h"
#include "expr/func.h"

/* Captured once per statement: SET options of the session and the statement's clock. */
struct qr_eval_settings {
    int64_t now_utc_ticks;  /* 100 ns since 0001-01-01; GETDATE and SYSDATETIME round it */
    int now_offset_minutes; /* of the server's clock; 0 in Azure */
    uint8_t datefirst;      /* 1 Monday .. 7 Sunday (us_english default) */
    enum qr_dateformat dateformat;
    const char *language; /* "us_english" */
    int language_id;      /* 0 */
    bool ansi_warnings, arithabort;
    bool numeric_roundabort;
};
void qr_eval_settings_init(struct qr_eval_settings *settings); /* Azure's defaults, now = 0 */

/* RAND's state; one per session. Zeroed = not seeded yet. */
struct qr_rand {
    int32_t s1, s2;
};

struct qr_eval;
struct qr_regexp_cache;
struct qr_eval_host {
    /* A function of expr/host.def. Bytes of the result go to ctx->arena. */
    enum qr_status (*call)(void *host, struct qr_eval *ctx, enum qr_host_func func,
                           const struct qr_call *call, struct qr_value *ret_value,
                           struct qr_err *err);
    /* A user-defined scalar function; `expr` is the UDF node (u.ref, type). */
    enum qr_status (*udf)(void *host, struct qr_eval *ctx, const struct qr_expr *expr,
                          const struct qr_value *args, struct qr_value *ret_value,
                          struct qr_err *err);
    /* Fills with random bytes (NEWID, the first RAND). */
    void (*random)(void *host, void *bytes, size_t count);
    /* Asked now and then by what may take long: may it go on? NULL: yes. */
    enum qr_status (*poll)(void *host, struct qr_err *err);
};

struct qr_eval {
    const struct qr_value *inputs; /* INPUT(i), memory form */
    size_t input_count;
    const struct qr_value *vars; /* VAR(slot), memory form */
    size_t var_count;
    struct qr_arena *arena;
    const struct qr_eval_settings *settings;
    const struct qr_eval_host *host_ops; /* NULL: host functions answer 40510 */
    void *host;
    struct qr_regexp_cache *regexps; /* compiled patterns; NULL: none are kept */
    struct qr_rand *random_state; /* NULL: RAND() without a seed asks host_ops->random each time */
    uint64_t row;                 /* counts those whose DEFAULTs are evaluated here */
    bool null_eliminated;         /* aggregates set it: warning 8153 is due */
};

/* FOREIGN nodes are refused with an assertion: the emitter must have replaced them. */
QR_NODISCARD enum qr_status qr_expr_eval(const struct qr_expr *expr, struct qr_eval *ctx,
                                         struct qr_value *ret_value, struct qr_err *err);
/* A predicate in a place that wants a decision (IF, WHILE, CHECK, WHERE): unknown is
 * `unknown_is` (false; true for CHECK constraints). */
QR_NODISCARD enum qr_status qr_expr_test(const struct qr_expr *expr, struct qr_eval *ctx,
                                         bool unknown_is, bool *ret_true, struct qr_err *err);
/* Converts a value outside any expression: parameters, defaults, INSERT EXEC, bulk load.
 * `flags` are enum qr_cast_flags; `table` and `column` are for 2628 and may be NULL. */
QR_NODISCARD enum qr_status qr_eval_cast(struct qr_eval *ctx, const struct qr_type *from,
                                         const struct qr_value *value, const struct qr_type *to,
                                         int style, unsigned flags, const char *table,
                                         const char *column, struct qr_value *ret_value,
                                         struct qr_err *err);
