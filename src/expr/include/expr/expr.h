/* expr/expr.h - typed T-SQL scalar expressions: the tree and the functions that build it.
 *
 * The binder resolves names and calls the constructors below, bottom up. Each constructor checks
 * types, inserts the implicit CASTs that data type precedence asks for, derives type, length,
 * precision, scale, collation and nullability by SQL Server's rules, and folds constants.
 * A predicate (CMP, AND, LIKE ...) has is_predicate set and type bit; it is no T-SQL value and only
 * goes where a predicate is wanted (the constructors assert nothing about that: the grammar does).
 *
 * Memory: every node lives in builder->arena and is immutable once returned, so trees may share
 * nodes. What a constructor is given (strings, arrays of arguments) is copied when kept.
 * Threads: pure; a finished tree may be read by any number of threads.
 * Errors: QR_SQL with the documented number (206, 257, 402, 403, 468, 529, 8116, 8117, 174, 189,
 * 195, 191 ...), QR_NOMEM. Errors of *evaluation* never come from here: a constant expression that
 * would fail (1/0) is left unfolded and fails when it is run.
 * Limits: QR_EXPR_DEPTH_MAX levels (error 191), QR_EXPR_WEIGHT_MAX nodes (8632, because simple
 * CASE, BETWEEN and NULLIF share their input and nesting them multiplies it), QR_EXPR_ARGS_MAX
 * arguments (error 189). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/collation.h"
#include "codec/convert.h"
#include "codec/decimal.h"
#include "codec/type.h"
#include "codec/value.h"

struct qr_func;
struct qr_eval;
struct qr_expr;
/* Private to expr: one binary or unary operator on values that are not NULL. */
typedef enum qr_status qri_arith_fn(const struct qr_expr *expr, struct qr_eval *ctx,
                                    const struct qr_value *a, const struct qr_value *b,
                                    struct qr_value *ret_value, struct qr_err *err);

enum {
    QR_EXPR_DEPTH_MAX = 1000,    /* walkers recurse: at most about 512 bytes of stack a level */
    QR_EXPR_WEIGHT_MAX = 250000, /* nodes that one evaluation may touch */
    QR_EXPR_ARGS_MAX = 254,      /* of a function call; IN, AND, OR and COALESCE take more */
};

enum qr_expr_kind {
    QR_EXPR_CONST,
    QR_EXPR_INPUT,    /* leaf i of a program: the caller of the evaluator supplies its value */
    QR_EXPR_VAR,      /* T-SQL variable, read from the evaluation frame */
    QR_EXPR_CALL,     /* built-in function of expr/func.h */
    QR_EXPR_UDF,      /* user-defined scalar function, run by the host */
    QR_EXPR_CAST,     /* explicit or implicit conversion */
    QR_EXPR_ARITH,    /* enum qr_op over operands that already have the right types */
    QR_EXPR_COLLATE,  /* changes the label only; evaluates its argument */
    QR_EXPR_CASE,     /* searched; simple CASE is lowered to it */
    QR_EXPR_COALESCE, /* also ISNULL, with its own typing */
    QR_EXPR_NULLIF,   /* args[0] = args[1] ? NULL : args[0]; args[2] is the CMP over both */
    QR_EXPR_CHOOSE,   /* args[0] index, args[1..] choices; only the chosen one is evaluated */
    QR_EXPR_CMP,      /* predicates from here on */
    QR_EXPR_AND,      /* n-ary */
    QR_EXPR_OR,       /* n-ary */
    QR_EXPR_NOT,
    QR_EXPR_IS_NULL,
    QR_EXPR_IS_DISTINCT, /* IS [NOT] DISTINCT FROM, set comparison of INTERSECT and EXCEPT */
    QR_EXPR_LIKE,
    QR_EXPR_IN,      /* args[0] IN (args[1..]), all of one type */
    QR_EXPR_FOREIGN, /* known to the relational emitter only; predicate if is_predicate */
};

/* The first five are enum qr_arith of codec/type.h in the same order. */
enum qr_op {
    QR_OP_ADD,
    QR_OP_SUB,
    QR_OP_MUL,
    QR_OP_DIV,
    QR_OP_MOD,
    QR_OP_BIT_AND,
    QR_OP_BIT_OR,
    QR_OP_BIT_XOR,
    QR_OP_SHIFT_LEFT,
    QR_OP_SHIFT_RIGHT,
    QR_OP_NEG,     /* unary - */
    QR_OP_BIT_NOT, /* unary ~ */
    QR_OP_CONCAT,  /* + of strings or binaries, n-ary; qr_expr_arith turns ADD into it */
    QR_OP_COUNT
};

enum qr_cmp { QR_CMP_EQ, QR_CMP_NE, QR_CMP_LT, QR_CMP_LE, QR_CMP_GT, QR_CMP_GE };

enum qr_volatility {
    QR_DETERMINISTIC, /* may be folded, indexed, persisted */
    QR_STABLE,        /* one value per statement and call: GETDATE, RAND, @@SPID. The emitter
                         evaluates a leafless stable subtree once and passes it as a parameter */
    QR_VOLATILE,      /* one value per row: NEWID, NEXT VALUE FOR, most user functions */
};

enum qr_cast_flags {
    QR_CAST_EXPLICIT = 1, /* CAST or CONVERT: truncates strings; implicit ones do as well */
    QR_CAST_TRY = 2,      /* NULL instead of a conversion error */
    QR_CAST_ASSIGN = 4,   /* store into a column: strings that do not fit raise 2628 */
    QR_CAST_PARSE = 8,    /* PARSE: .NET rules, culture in `style` */
};

struct qr_expr {
    enum qr_expr_kind kind;
    uint8_t label;      /* enum qr_collation_label of a string; its collation is in `type` */
    uint8_t volatility; /* enum qr_volatility of the whole subtree */
    bool nullable;
    bool is_predicate;
    bool is_json;    /* text that a function or FOR JSON made */
    bool is_literal; /* CONST written in the text (or folded from such): int literals take their
                        own precision in decimal arithmetic, NULL literals any type */
    bool has_foreign, has_var, has_input; /* of the subtree */
    uint16_t depth;                       /* 1 for a leaf */
    uint32_t weight; /* nodes of the tree; one that is shared counts wherever it is reached */
    int line;        /* 1-based, 0 = unknown */
    struct qr_type type;
    /* Children of every kind, NULL when there are none:
     * CALL, UDF, CONCAT, AND, OR, IN, COALESCE, CHOOSE: the arguments in order;
     * CASE: when1, then1, when2, then2, ..., else (always there);
     * CAST: value [, style]; LIKE: value, pattern [, escape]; the others: operands in order. */
    const struct qr_expr *const *args;
    size_t arg_count;
    union {
        struct qr_value value;      /* CONST */
        uint32_t index;             /* INPUT, VAR */
        const struct qr_func *func; /* CALL */
        void *ref;                  /* FOREIGN, UDF: the binder's, never looked into */
        struct {
            enum qr_op op;
            qri_arith_fn *run;    /* private */
            struct qr_dec_op dec; /* private, of decimals */
        } arith;
        enum qr_cmp cmp;
        bool negated; /* IS_NULL, IS_DISTINCT, LIKE, IN */
        struct {
            const struct qr_converter *converter; /* NULL: the style is no constant, or PARSE */
            unsigned flags;                       /* enum qr_cast_flags */
            const char *table, *column; /* of QR_CAST_ASSIGN, for message 2628; may be NULL */
        } cast;
    } u;
};

/* Told when a variable of no type (QR_TYPE_NULL) is used where `type` is wanted; `exact`: it is
 * assigned to a column or parameter of that type. For sp_describe_undeclared_parameters. */
struct qr_expr_untyped {
    void (*found)(void *ctx, uint32_t slot, const struct qr_type *type, bool exact);
    void *ctx;
};

/* What constructors share. Callers set the fields; `line` may change between calls. */
struct qr_expr_builder {
    struct qr_arena *arena;
    struct qr_err *err; /* may be NULL */
    uint16_t collation; /* enum qr_collation_id of the database: literals, results of functions */
    int line;
    bool ansi_nulls;                       /* OFF: = NULL compares like IS NULL */
    bool concat_null_yields_null;          /* OFF: NULL is an empty string in + */
    const struct qr_expr_untyped *untyped; /* or NULL */
    bool no_folding;                       /* keep constants apart (tests, computed column text) */
};

/* --- leaves --- */
QR_NODISCARD enum qr_status qr_expr_const(struct qr_expr_builder *b, struct qr_type type,
                                          const struct qr_value *value,
                                          const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_null(struct qr_expr_builder *b,
                                         const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_int(struct qr_expr_builder *b, int64_t value,
                                        const struct qr_expr **ret_expr);
/* A number as written: 12 is int, 3000000000 numeric(10,0), 1.50 numeric(3,2), 1e3 float, $1.5
 * money. 1007 when it has more than 38 digits, 168 when a float is out of range. */
QR_NODISCARD enum qr_status qr_expr_number(struct qr_expr_builder *b, struct qr_str text,
                                           const struct qr_expr **ret_expr);
/* A string literal already unquoted, UTF-8; varchar(n) or nvarchar(n), (max) beyond 8,000 bytes.
 * A varchar literal loses what the code page lacks, here and now. */
QR_NODISCARD enum qr_status qr_expr_string(struct qr_expr_builder *b, struct qr_str text,
                                           bool national, const struct qr_expr **ret_expr);
/* Hexadecimal digits after 0x; an odd count gets a leading zero. varbinary(n). */
QR_NODISCARD enum qr_status qr_expr_binary(struct qr_expr_builder *b, struct qr_str hex,
                                           const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_var(struct qr_expr_builder *b, uint32_t slot,
                                        struct qr_type type, const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_input(struct qr_expr_builder *b, uint32_t index,
                                          struct qr_type type, bool nullable,
                                          enum qr_collation_label label,
                                          const struct qr_expr **ret_expr);
/* A leaf of the binder's own: column, aggregate, window function, subquery. For EXISTS and
 * quantified comparisons pass is_predicate. Label is ignored for types that are no strings. */
struct qr_expr_foreign {
    void *ref;
    struct qr_type type;
    enum qr_collation_label label;
    enum qr_volatility volatility;
    bool nullable, is_predicate, is_json;
};
QR_NODISCARD enum qr_status qr_expr_foreign(struct qr_expr_builder *b,
                                            const struct qr_expr_foreign *leaf,
                                            const struct qr_expr **ret_expr);

/* --- operators --- */
/* ADD..SHR over any types, CONCAT (||) over texts or bytes; unary NEG and NOT (~) with right ==
 * NULL. Unary plus is the operand. */
QR_NODISCARD enum qr_status qr_expr_arith(struct qr_expr_builder *b, enum qr_op op,
                                          const struct qr_expr *left, const struct qr_expr *right,
                                          const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_collate(struct qr_expr_builder *b, const struct qr_expr *arg,
                                            uint16_t collation, const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_cmp(struct qr_expr_builder *b, enum qr_cmp op,
                                        const struct qr_expr *left, const struct qr_expr *right,
                                        const struct qr_expr **ret_expr);
/* Casts both sides to the type they would be compared in, without making the comparison: for
 * quantified comparisons, joins the binder keeps apart, IN (subquery). */
QR_NODISCARD enum qr_status qr_expr_cmp_operands(struct qr_expr_builder *b, enum qr_cmp op,
                                                 const struct qr_expr **left,
                                                 const struct qr_expr **right);
/* `kind` is QR_EXPR_AND or QR_EXPR_OR; nested ones of the same kind are flattened. */
QR_NODISCARD enum qr_status qr_expr_logic(struct qr_expr_builder *b, enum qr_expr_kind kind,
                                          const struct qr_expr *const *args, size_t arg_count,
                                          const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_not(struct qr_expr_builder *b, const struct qr_expr *arg,
                                        const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_is_null(struct qr_expr_builder *b, const struct qr_expr *arg,
                                            bool negated, const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_is_distinct(struct qr_expr_builder *b,
                                                const struct qr_expr *left,
                                                const struct qr_expr *right, bool negated,
                                                const struct qr_expr **ret_expr);
/* `escape` may be NULL. */
QR_NODISCARD enum qr_status qr_expr_like(struct qr_expr_builder *b, const struct qr_expr *value,
                                         const struct qr_expr *pattern,
                                         const struct qr_expr *escape, bool negated,
                                         const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_between(struct qr_expr_builder *b, const struct qr_expr *value,
                                            const struct qr_expr *low, const struct qr_expr *high,
                                            bool negated, const struct qr_expr **ret_expr);
/* Members of one type become IN; members of several become OR of comparisons, as SQL Server
 * compares each by its own precedence. */
QR_NODISCARD enum qr_status qr_expr_in(struct qr_expr_builder *b, const struct qr_expr *value,
                                       const struct qr_expr *const *members, size_t member_count,
                                       bool negated, const struct qr_expr **ret_expr);

/* --- choices --- */
/* Searched CASE: whens are predicates; `otherwise` NULL means ELSE NULL. 8133 if every result is
 * the NULL literal. */
QR_NODISCARD enum qr_status qr_expr_case(struct qr_expr_builder *b,
                                         const struct qr_expr *const *whens,
                                         const struct qr_expr *const *thens, size_t count,
                                         const struct qr_expr *otherwise,
                                         const struct qr_expr **ret_expr);
/* Simple CASE: lowered to comparisons of the shared node `input`, as SQL Server does. */
QR_NODISCARD enum qr_status
qr_expr_case_simple(struct qr_expr_builder *b, const struct qr_expr *input,
                    const struct qr_expr *const *whens, const struct qr_expr *const *thens,
                    size_t count, const struct qr_expr *otherwise, const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_iif(struct qr_expr_builder *b, const struct qr_expr *condition,
                                        const struct qr_expr *then, const struct qr_expr *otherwise,
                                        const struct qr_expr **ret_expr);
QR_NODISCARD enum qr_status qr_expr_coalesce(struct qr_expr_builder *b,
                                             const struct qr_expr *const *args, size_t arg_count,
                                             const struct qr_expr **ret_expr);

/* --- conversion --- */
/* CAST, CONVERT (style may be NULL), TRY_CAST, TRY_CONVERT, PARSE, TRY_PARSE (culture as style).
 * 529 when no explicit conversion exists, 8116/291 by function. */
QR_NODISCARD enum qr_status qr_expr_cast(struct qr_expr_builder *b, struct qr_type type,
                                         const struct qr_expr *arg, const struct qr_expr *style,
                                         unsigned flags, const struct qr_expr **ret_expr);
/* Implicit conversion, as in passing a parameter or setting a variable; returns `arg` itself when
 * nothing has to change. 206 or 257 when it is not allowed. */
QR_NODISCARD enum qr_status qr_expr_convert(struct qr_expr_builder *b, struct qr_type type,
                                            const struct qr_expr *arg,
                                            const struct qr_expr **ret_expr);
/* Implicit conversion into a column: truncation raises 2628 naming `table` and `column`. */
QR_NODISCARD enum qr_status qr_expr_assign(struct qr_expr_builder *b, struct qr_type type,
                                           const char *table, const char *column,
                                           const struct qr_expr *arg,
                                           const struct qr_expr **ret_expr);
/* The type that CASE, COALESCE, UNION, VALUES and IN give to `exprs` together; 206/468 if none.
 * ret_label may be NULL. NULL literals do not count; if there is nothing else the type is int. */
QR_NODISCARD enum qr_status qr_expr_common_type(struct qr_expr_builder *b,
                                                const struct qr_expr *const *exprs, size_t count,
                                                struct qr_type *ret_type,
                                                enum qr_collation_label *ret_label);

/* --- calls --- */
/* Built-in by name, without case. Special names: COALESCE, ISNULL, NULLIF, IIF, CHOOSE become their
 * own kinds; "AT TIME ZONE" takes (value, zone); TRIM takes (string [, characters [, side]]) with
 * side a constant int 0 both, 1 leading, 2 trailing; JSON_OBJECT takes keys and values in turn, and
 * the names "JSON_OBJECT ABSENT ON NULL" and "JSON_ARRAY NULL ON NULL" are those clauses. 195
 * unknown, 174/189 number of arguments, 8116 type of an argument. For date part arguments see
 * qr_datepart_expr in expr/func.h. */
QR_NODISCARD enum qr_status qr_expr_call(struct qr_expr_builder *b, struct qr_str name,
                                         const struct qr_expr *const *args, size_t arg_count,
                                         const struct qr_expr **ret_expr);
/* A user-defined scalar function: `args` must already be of the parameters' types. */
QR_NODISCARD enum qr_status qr_expr_udf(struct qr_expr_builder *b, void *ref, struct qr_type type,
                                        enum qr_volatility volatility,
                                        const struct qr_expr *const *args, size_t arg_count,
                                        const struct qr_expr **ret_expr);
