/* tsql/ast_expr.h - expressions and conditions; conventions in tsql/ast.h. */
#pragma once
#include "tsql/ast_base.h"

enum qr_ast_expr_kind {
    /* values */
    QR_AE_LITERAL,  /* qr_ast_literal */
    QR_AE_COLUMN,   /* qr_ast_column */
    QR_AE_STAR,     /* qr_ast_star: *, t.* in a select list or as the argument of COUNT */
    QR_AE_VARIABLE, /* qr_ast_variable: @x */
    QR_AE_GLOBAL,   /* qr_ast_variable: @@x; a declared variable may begin with @@ too */
    QR_AE_UNARY,    /* qr_ast_unary: + - ~ */
    QR_AE_CHAIN,    /* qr_ast_chain: arithmetic, bit and string operators, folded from the left */
    QR_AE_CALL,     /* qr_ast_call */
    QR_AE_METHOD,   /* qr_ast_method: x.value('...','int'), type::Method(...) */
    QR_AE_CAST,     /* qr_ast_cast: CAST, TRY_CAST, CONVERT, TRY_CONVERT, PARSE, TRY_PARSE */
    QR_AE_CASE,     /* qr_ast_case */
    QR_AE_SUBQUERY, /* qr_ast_subquery */
    QR_AE_COLLATE,  /* qr_ast_collate */
    QR_AE_AT_TIME_ZONE, /* qr_ast_at_time_zone */
    QR_AE_NEXT_VALUE,   /* qr_ast_next_value: NEXT VALUE FOR */
    QR_AE_PSEUDO,       /* qr_ast_pseudo: $identity, $rowguid, $action, $node_id ... */
    QR_AE_IDENTITY,     /* qr_ast_identity_call: IDENTITY(type, seed, increment) of SELECT INTO */
    /* conditions; qr_ast_is_condition tells them apart */
    QR_AE_COMPARE,       /* qr_ast_compare */
    QR_AE_LOGICAL,       /* qr_ast_logical: AND, OR over any number of terms */
    QR_AE_NOT,           /* qr_ast_not */
    QR_AE_IN,            /* qr_ast_in */
    QR_AE_BETWEEN,       /* qr_ast_between */
    QR_AE_LIKE,          /* qr_ast_like */
    QR_AE_IS_NULL,       /* qr_ast_is_null */
    QR_AE_DISTINCT_FROM, /* qr_ast_distinct_from */
    QR_AE_EXISTS,        /* qr_ast_subquery */
    QR_AE_QUANTIFIED,    /* qr_ast_quantified: x > ALL (SELECT ...) */
    QR_AE_PREDICATE,     /* qr_ast_call: CONTAINS, FREETEXT, UPDATE(column), MATCH, REGEXP_LIKE */
    QR_AE_KIND_COUNT
};

struct qr_ast_expr {
    enum qr_ast_expr_kind kind;
    struct qr_ast_pos pos; /* of an operator node: of its first operand */
};

static inline bool qr_ast_is_condition(const struct qr_ast_expr *expr)
{
    return expr->kind >= QR_AE_COMPARE;
}

enum qr_ast_literal_kind {
    QR_LIT_NULL,
    QR_LIT_DEFAULT, /* DEFAULT as a value of INSERT, UPDATE, EXEC */
    QR_LIT_INT,     /* digits only; may be too long for int, and is then numeric */
    QR_LIT_NUMERIC, /* 1.5, .5, 5. : exact text */
    QR_LIT_FLOAT,   /* 1e5 */
    QR_LIT_MONEY,   /* $1,234.5 : text without the currency sign */
    QR_LIT_STRING,  /* '...' */
    QR_LIT_NSTRING, /* N'...' */
    QR_LIT_BINARY,  /* 0x... : text is the hexadecimal digits, maybe an odd number of them */
    QR_LIT_ODBC_DATE,
    QR_LIT_ODBC_TIME,
    QR_LIT_ODBC_TIMESTAMP,
    QR_LIT_ODBC_GUID,
};
#define QR_LIT_NO_ORDINAL UINT32_MAX /* no enum: it does not fit an int */
struct qr_ast_literal {
    struct qr_ast_expr head;
    enum qr_ast_literal_kind literal;
    uint32_t
        ordinal; /* n-th constant of the batch's text, from 0; QR_LIT_NO_ORDINAL: NULL, DEFAULT */
    struct qr_str text; /* strings: quotes undone */
};

struct qr_ast_column {
    struct qr_ast_expr head;
    struct qr_ast_name name;
};
struct qr_ast_star {
    struct qr_ast_expr head;
    struct qr_ast_name qualifier; /* count 0: plain * */
};
struct qr_ast_variable {
    struct qr_ast_expr head;
    struct qr_str name; /* with its @ or @@ */
};

enum qr_ast_unary_op { QR_UNARY_PLUS, QR_UNARY_MINUS, QR_UNARY_BIT_NOT };
struct qr_ast_unary {
    struct qr_ast_expr head;
    enum qr_ast_unary_op op;
    struct qr_ast_expr *operand;
};

enum qr_ast_op {
    QR_AOP_ADD, /* numbers and strings */
    QR_AOP_SUB,
    QR_AOP_MUL,
    QR_AOP_DIV,
    QR_AOP_MOD,
    QR_AOP_BIT_AND,
    QR_AOP_BIT_OR,
    QR_AOP_BIT_XOR,
    QR_AOP_SHIFT_LEFT,
    QR_AOP_SHIFT_RIGHT,
    QR_AOP_CONCAT, /* || */
};
/* ((operands[0] ops[0] operands[1]) ops[1] operands[2]) ...; count >= 2 */
struct qr_ast_chain {
    struct qr_ast_expr head;
    uint32_t count; /* of operands */
    struct qr_ast_expr **operands;
    uint8_t *ops; /* enum qr_ast_op, count - 1 of them */
};

enum qr_ast_frame_bound {
    QR_FRAME_UNBOUNDED_PRECEDING,
    QR_FRAME_PRECEDING,
    QR_FRAME_CURRENT_ROW,
    QR_FRAME_FOLLOWING,
    QR_FRAME_UNBOUNDED_FOLLOWING,
};
struct qr_ast_frame {
    bool range; /* RANGE, else ROWS */
    bool between;
    enum qr_ast_frame_bound start, end;          /* without BETWEEN end is CURRENT_ROW */
    struct qr_ast_expr *start_value, *end_value; /* NULL unless PRECEDING/FOLLOWING */
};
struct qr_ast_window {
    struct qr_ast_pos pos;
    struct qr_ast_ident base; /* OVER w, OVER (w ...) */
    struct qr_ast_exprs partition_by;
    struct qr_ast_order order_by;
    struct qr_ast_frame *frame; /* NULL: none written */
};

enum qr_ast_trim { QR_TRIM_NONE, QR_TRIM_FROM, QR_TRIM_LEADING, QR_TRIM_TRAILING, QR_TRIM_BOTH };
enum qr_ast_json_null { QR_JSON_NULL_UNSAID, QR_JSON_NULL_ON_NULL, QR_JSON_ABSENT_ON_NULL };
struct qr_ast_call {
    struct qr_ast_expr head;
    struct qr_ast_name name; /* f, dbo.f, db.dbo.f, $PARTITION.f */
    struct qr_ast_exprs
        args;      /* date parts stand here as one-part columns; JSON_OBJECT: key, value, ... */
    bool distinct; /* COUNT(DISTINCT x) */
    bool niladic;  /* CURRENT_TIMESTAMP, USER ...: no parentheses */
    bool odbc;     /* stood in {fn ...} */
    bool ignore_nulls, respect_nulls;
    enum qr_ast_trim trim; /* TRIM(chars FROM string): args are chars, string */
    enum qr_ast_json_null json_null;
    bool returns_json; /* RETURNING JSON */
    struct qr_ast_order within_group;
    struct qr_ast_window *over; /* NULL: not a window function */
};
struct qr_ast_method {
    struct qr_ast_expr head;
    struct qr_ast_expr *object;     /* NULL for type::Method(...) */
    struct qr_ast_name static_type; /* type::Method(...) */
    struct qr_ast_ident method;
    bool property; /* no parentheses */
    struct qr_ast_exprs args;
};

enum qr_ast_cast_form { QR_ACAST_CAST, QR_ACAST_CONVERT, QR_ACAST_PARSE };
struct qr_ast_cast {
    struct qr_ast_expr head;
    enum qr_ast_cast_form form;
    bool attempt; /* TRY_ */
    struct qr_ast_type type;
    struct qr_ast_expr *operand;
    struct qr_ast_expr *style; /* CONVERT's style, PARSE's culture; may be NULL */
};

struct qr_ast_when {
    struct qr_ast_expr *when; /* a condition, or a value if the CASE has an operand */
    struct qr_ast_expr *then;
};
struct qr_ast_case {
    struct qr_ast_expr head;
    struct qr_ast_expr *operand; /* NULL: searched CASE */
    struct qr_ast_when *whens;
    size_t count;
    struct qr_ast_expr *otherwise; /* NULL: no ELSE */
};

struct qr_ast_subquery { /* also EXISTS */
    struct qr_ast_expr head;
    struct qr_ast_query *query;
};
struct qr_ast_collate {
    struct qr_ast_expr head;
    struct qr_ast_expr *operand;
    struct qr_ast_ident collation;
};
struct qr_ast_at_time_zone {
    struct qr_ast_expr head;
    struct qr_ast_expr *operand;
    struct qr_ast_expr *zone;
};
struct qr_ast_next_value {
    struct qr_ast_expr head;
    struct qr_ast_name sequence;
    struct qr_ast_window *over; /* NULL: none */
};
struct qr_ast_pseudo {
    struct qr_ast_expr head;
    struct qr_ast_name qualifier; /* t.$identity; count 0: none */
    struct qr_str name;           /* upper case with its $: "$IDENTITY", "$ACTION" */
};
struct qr_ast_identity_call {
    struct qr_ast_expr head;
    struct qr_ast_type type;
    struct qr_ast_expr *seed, *increment; /* NULL: 1 */
};

/* !> is LE, !< is GE, != is NE */
enum qr_ast_compare_op {
    QR_ACMP_EQ,
    QR_ACMP_NE,
    QR_ACMP_LT,
    QR_ACMP_LE,
    QR_ACMP_GT,
    QR_ACMP_GE,
};
struct qr_ast_compare {
    struct qr_ast_expr head;
    enum qr_ast_compare_op op;
    struct qr_ast_expr *left, *right;
};
struct qr_ast_logical {
    struct qr_ast_expr head;
    bool is_or;
    struct qr_ast_exprs terms; /* 2 or more */
};
struct qr_ast_not {
    struct qr_ast_expr head;
    struct qr_ast_expr *operand;
};
struct qr_ast_in {
    struct qr_ast_expr head;
    bool negated;
    struct qr_ast_expr *operand;
    struct qr_ast_exprs list;   /* empty if query */
    struct qr_ast_query *query; /* NULL if list */
};
struct qr_ast_between {
    struct qr_ast_expr head;
    bool negated;
    struct qr_ast_expr *operand, *low, *high;
};
struct qr_ast_like {
    struct qr_ast_expr head;
    bool negated;
    struct qr_ast_expr *operand, *pattern;
    struct qr_ast_expr *escape; /* may be NULL */
};
struct qr_ast_is_null {
    struct qr_ast_expr head;
    bool negated;
    struct qr_ast_expr *operand;
};
struct qr_ast_distinct_from {
    struct qr_ast_expr head;
    bool negated; /* IS NOT DISTINCT FROM */
    struct qr_ast_expr *left, *right;
};
struct qr_ast_quantified {
    struct qr_ast_expr head;
    enum qr_ast_compare_op op;
    bool all; /* ALL, else ANY or SOME */
    struct qr_ast_expr *operand;
    struct qr_ast_query *query;
};
