/* expr/func.h - the table of T-SQL built-in scalar functions: one row is one function.
 *
 * The binder asks qr_func_find whether a name is a built-in and what it wants; qr_expr_call (in
 * expr/expr.h) types and builds the call. Aggregates are in expr/agg.h; functions that return
 * tables in expr/rows.h. Pure tables, any thread. */
#pragma once
#include "codec/datetime.h"
#include "expr/expr.h"

struct qr_call;
struct qr_func_typing;

enum qr_func_flags {
    QR_FUNC_STABLE = 1,     /* one value per statement: GETDATE, @@ROWCOUNT, OBJECT_ID */
    QR_FUNC_VOLATILE = 2,   /* one value per row: NEWID */
    QR_FUNC_HOST = 4,       /* evaluated by qr_eval_host (expr/eval.h) under `host` */
    QR_FUNC_NULLS = 8,      /* sees NULL arguments; without it a NULL argument gives NULL */
    QR_FUNC_NILADIC = 16,   /* written without parentheses: CURRENT_TIMESTAMP, CURRENT_USER */
    QR_FUNC_GLOBAL = 32,    /* @@name */
    QR_FUNC_DATEPART = 64,  /* first argument is a date part keyword: qr_datepart_expr */
    QR_FUNC_NOT_NULL = 128, /* never returns NULL */
    QR_FUNC_NULLABLE = 256, /* may return NULL though no argument is NULL */
    QR_FUNC_SPECIAL = 512,  /* qr_expr_call builds another kind of node (COALESCE ...) */
    QR_FUNC_JSON = 1024,    /* its text is JSON: functions and FOR JSON take it as it is */
};

/* Last column of expr/host.def. */
enum qr_host_kind {
    QR_HOST_IS_NOT_NULL = QR_FUNC_HOST | QR_FUNC_STABLE | QR_FUNC_NOT_NULL,
    QR_HOST_IS_NULLABLE = QR_FUNC_HOST | QR_FUNC_STABLE | QR_FUNC_NULLABLE,
    QR_HOST_IS_SEES_NULLS = QR_HOST_IS_NULLABLE | QR_FUNC_NULLS,
    QR_HOST_IS_GLOBAL = QR_HOST_IS_NOT_NULL | QR_FUNC_GLOBAL,
    QR_HOST_IS_GLOBAL_NULLABLE = QR_HOST_IS_NULLABLE | QR_FUNC_GLOBAL,
    QR_HOST_IS_NILADIC = QR_HOST_IS_NULLABLE | QR_FUNC_NILADIC,
    QR_HOST_IS_EACH_ROW = QR_FUNC_HOST | QR_FUNC_VOLATILE | QR_FUNC_NOT_NULL,
};

/* Which host function a row with QR_FUNC_HOST asks for; see expr/host.def for what each wants. */
enum qr_host_func {
    QR_HOST_NONE,
#define QR_HOST(id, name, args_min, args_max, params, type, size, kind) QR_HOST_##id,
#include "expr/host.def"
#undef QR_HOST
    QR_HOST_COUNT
};

/* Several expressions of a row that name one sequence get one number. */
enum qr_next_value {
    QR_NEXT_NEW,     /* the first of its row to be evaluated */
    QR_NEXT_AGAIN,   /* the number that the first has got */
    QR_NEXT_OF_ROW,  /* a DEFAULT of a row that is being completed: the first takes a number */
    QR_NEXT_ORDERED, /* at the first row of an ordered window; one more at each row after it */
};

struct qr_func {
    const char *name; /* upper case */
    uint8_t args_min, args_max;
    /* One letter per parameter, the last one repeats: what the argument is implicitly cast to.
     * '*' left alone, 's' string of its own kind, 'j' the same or json, 'v' varchar, 'n' nvarchar, 'b' varbinary,
     * 'i' int, 'I' bigint, 'f' float, 'N' any number (strings become float), 'm' decimal,
     * 'd' date or time type (strings become datetimeoffset), 'e' the same (strings become
     * datetime2), 'D' datetime, 'p' date part constant, 'u' uniqueidentifier, 't' bit. */
    const char *params;
    /* Decides the result type; the arguments are cast already. NULL: it is `result`. */
    enum qr_status (*typing)(struct qr_func_typing *t);
    enum qr_type_id result;
    uint16_t result_size; /* length (0 = max) of strings, precision of decimal, scale of times */
    enum qr_status (*eval)(const struct qr_call *call, struct qr_value *ret_value,
                           struct qr_err *err);
    unsigned flags;         /* enum qr_func_flags */
    enum qr_host_func host; /* with QR_FUNC_HOST */
};

/* NULL when the name is no built-in. Names compare without case. */
const struct qr_func *qr_func_find(struct qr_str name);
/* Walks the table; NULL past the end. */
const struct qr_func *qr_func_at(size_t index);

/* The constant to pass as first argument of a QR_FUNC_DATEPART function; 155 if `keyword` is no
 * date part, 1023 if `keyword` was no plain word (pass NULL bytes then). */
QR_NODISCARD enum qr_status qr_datepart_expr(struct qr_expr_builder *b, const struct qr_func *func,
                                             struct qr_str keyword,
                                             const struct qr_expr **ret_expr);

/* --- for implementations of functions --- */
struct qr_eval;
struct qr_call {
    const struct qr_expr *expr; /* CALL: func, types of arguments and result */
    struct qr_eval *ctx;
    const struct qr_value *args;
    size_t arg_count;
};
struct qr_func_typing {
    struct qr_expr_builder *b;
    const struct qr_func *func;
    const struct qr_expr **args; /* may be replaced by casts of themselves */
    size_t arg_count;
    struct qr_type type;           /* to be set */
    struct qr_collation_use use;   /* of strings; preset by mixing the string arguments */
    bool nullable;                 /* preset: some argument is nullable, or a flag says so */
    enum qr_volatility volatility; /* preset from the flags */
};
