/* parse_hint.c - OPTION (...) behind a query; see parse_int.h. All but MAXRECURSION is without
 * effect, for there is one way to run a plan here; what SQL Server does not know is refused.
 *
 * Source: the documentation of query hints, and of sys.dm_exec_valid_use_hints. */
#include "parse_int.h"

#include "base/banned.h"

enum takes { NOTHING, NUMBER, PERCENT, TEXT, VARIABLES, TABLE, NAMES };

static const struct hint {
    const char *words;
    enum takes takes;
} hints[] = {
    /* clang-format off */
    {"HASH GROUP",                            NOTHING},
    {"ORDER GROUP",                           NOTHING},
    {"CONCAT UNION",                          NOTHING},
    {"HASH UNION",                            NOTHING},
    {"MERGE UNION",                           NOTHING},
    {"LOOP JOIN",                             NOTHING},
    {"MERGE JOIN",                            NOTHING},
    {"HASH JOIN",                             NOTHING},
    {"DISABLE_OPTIMIZED_PLAN_FORCING",        NOTHING},
    {"EXPAND VIEWS",                          NOTHING},
    {"FAST",                                  NUMBER},
    {"FORCE ORDER",                           NOTHING},
    {"FORCE EXTERNALPUSHDOWN",                NOTHING},
    {"DISABLE EXTERNALPUSHDOWN",              NOTHING},
    {"FORCE SCALEOUTEXECUTION",               NOTHING},
    {"DISABLE SCALEOUTEXECUTION",             NOTHING},
    {"IGNORE_NONCLUSTERED_COLUMNSTORE_INDEX", NOTHING},
    {"KEEP PLAN",                             NOTHING},
    {"KEEPFIXED PLAN",                        NOTHING},
    {"MAX_GRANT_PERCENT",                     PERCENT},
    {"MIN_GRANT_PERCENT",                     PERCENT},
    {"MAXDOP",                                NUMBER},
    {"MAXRECURSION",                          NUMBER},
    {"NO_PERFORMANCE_SPOOL",                  NOTHING},
    {"OPTIMIZE FOR",                          VARIABLES},
    {"OPTIMIZE FOR UNKNOWN",                  NOTHING},
    {"PARAMETERIZATION SIMPLE",               NOTHING},
    {"PARAMETERIZATION FORCED",               NOTHING},
    {"QUERYTRACEON",                          NUMBER},
    {"RECOMPILE",                             NOTHING},
    {"ROBUST PLAN",                           NOTHING},
    {"USE HINT",                              NAMES},
    {"USE PLAN",                              TEXT},
    {"TABLE HINT",                            TABLE},
    /* clang-format on */
};

static const char *const names[] = {
    "ABORT_QUERY_EXECUTION",
    "ASSUME_FIXED_MAX_SELECTIVITY_FOR_REGEXP",
    "ASSUME_FIXED_MIN_SELECTIVITY_FOR_REGEXP",
    "ASSUME_FULL_INDEPENDENCE_FOR_FILTER_ESTIMATES",
    "ASSUME_JOIN_PREDICATE_DEPENDS_ON_FILTERS",
    "ASSUME_MIN_SELECTIVITY_FOR_FILTER_ESTIMATES",
    "ASSUME_PARTIAL_CORRELATION_FOR_FILTER_ESTIMATES",
    "DISABLE_BATCH_MODE_ADAPTIVE_JOINS",
    "DISABLE_BATCH_MODE_MEMORY_GRANT_FEEDBACK",
    "DISABLE_CE_FEEDBACK",
    "DISABLE_DEFERRED_COMPILATION_TV",
    "DISABLE_DOP_FEEDBACK",
    "DISABLE_INTERLEAVED_EXECUTION_TVF",
    "DISABLE_MEMORY_GRANT_FEEDBACK_PERSISTENCE",
    "DISABLE_OPTIMIZED_NESTED_LOOP",
    "DISABLE_OPTIMIZED_PLAN_FORCING",
    "DISABLE_OPTIMIZER_ROWGOAL",
    "DISABLE_OPTIONAL_PARAMETER_OPTIMIZATION",
    "DISABLE_PARAMETER_SNIFFING",
    "DISABLE_RESULT_SET_CACHE",
    "DISABLE_ROW_MODE_MEMORY_GRANT_FEEDBACK",
    "DISABLE_TSQL_SCALAR_UDF_INLINING",
    "DISALLOW_BATCH_MODE",
    "ENABLE_HIST_AMENDMENT_FOR_ASC_KEYS",
    "ENABLE_QUERY_OPTIMIZER_HOTFIXES",
    "FORCE_DEFAULT_CARDINALITY_ESTIMATION",
    "FORCE_LEGACY_CARDINALITY_ESTIMATION",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_100",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_110",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_120",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_130",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_140",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_150",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_160",
    "QUERY_OPTIMIZER_COMPATIBILITY_LEVEL_170",
    "QUERY_PLAN_PROFILE",
};

static void hint_name(struct qri_parser *p)
{
    if (!qri_p_is_string(p, &p->tok))
        qri_p_syntax(p);
    struct qr_str name = qri_token_str(p, &p->tok);
    size_t i = 0;
    while (i < sizeof names / sizeof *names && !qr_str_ieqz(name, names[i]))
        i++;
    if (i == sizeof names / sizeof *names)
        qri_p_fail_str(p, &p->tok, 10715, name);
    qri_p_advance(p);
}

/* @name UNKNOWN, or @name = value. */
static void variable(struct qri_parser *p)
{
    (void)qri_p_variable(p);
    if (p->tok.kind == TOK_IDENT && qr_str_ieqz(qri_token_str(p, &p->tok), "UNKNOWN")) {
        qri_p_advance(p);
        return;
    }
    qri_p_expect_sym(p, '=');
    (void)qri_p_simple_value(p);
}

static void in_parentheses(struct qri_parser *p, void (*item)(struct qri_parser *p))
{
    qri_p_expect_sym(p, '(');
    do
        item(p);
    while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}

static void argument(struct qri_parser *p, enum takes takes, struct qr_ast_option *option)
{
    struct qr_ast_options without_effect = {0};
    switch (takes) {
    case NOTHING:
        break;
    case PERCENT:
        qri_p_expect_sym(p, '=');
        __attribute__((fallthrough));
    case NUMBER:
        if (p->tok.kind != TOK_INT && (takes == NUMBER || !qri_p_at_constant(p)))
            qri_p_syntax(p);
        option->value = qri_p_simple_value(p);
        break;
    case TEXT:
        if (!qri_p_is_string(p, &p->tok))
            qri_p_syntax(p);
        qri_p_advance(p);
        break;
    case VARIABLES:
        in_parentheses(p, variable);
        break;
    case TABLE:
        qri_p_options_paren(p, &without_effect);
        break;
    case NAMES:
        in_parentheses(p, hint_name);
        break;
    }
}

static void parse_hint(struct qri_parser *p, struct qr_ast_option *option)
{
    struct qri_place begin;
    qri_p_mark(p, &begin);
    option->pos = qri_p_pos(p);
    option->name = qri_p_words(p);
    size_t i = 0;
    while (i < sizeof hints / sizeof *hints && !qr_str_ieqz(option->name, hints[i].words))
        i++;
    if (i == sizeof hints / sizeof *hints) {
        qri_p_rewind(p, &begin);
        qri_p_syntax(p);
    }
    argument(p, hints[i].takes, option);
    option->text = qri_p_text_from(p, option->pos.offset);
}

void qri_p_query_options(struct qri_parser *p, struct qr_ast_options *options)
{
    if (!qri_p_at(p, KW_OPTION) || !qri_p_peek_sym(p, 1, '('))
        return;
    qri_p_advance(p);
    qri_p_expect_sym(p, '(');
    do
        parse_hint(p, qri_p_push(p, &options->items, &options->count, sizeof *options->items));
    while (qri_p_accept_sym(p, ','));
    qri_p_expect_sym(p, ')');
}
