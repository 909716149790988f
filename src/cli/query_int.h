/* query_int.h - a query as a tree, between its parser, its evaluator and its functions. */
#pragma once
#include <stdbool.h>
#include "query.h"

enum qri_query_kind {
    QRI_Q_CURRENT, /* @ */
    QRI_Q_FIELD,   /* text */
    QRI_Q_LITERAL, /* literal */
    QRI_Q_INDEX,   /* of the current list: from */
    QRI_Q_SLICE,   /* of the current list: from, to, step */
    QRI_Q_CHAIN,   /* left, then right on its result: both `.` and `|` */
    QRI_Q_LIST,    /* left; right for each item, nulls left out */
    QRI_Q_VALUES,  /* left; right for each value of an object */
    QRI_Q_FILTER,  /* left; right for each item for which `condition` holds */
    QRI_Q_FLATTEN, /* left, one level of lists less */
    QRI_Q_OR,
    QRI_Q_AND,
    QRI_Q_NOT,        /* left */
    QRI_Q_COMPARE,    /* left, text (the operator), right */
    QRI_Q_MULTI_LIST, /* items */
    QRI_Q_MULTI_HASH, /* items with names */
    QRI_Q_CALL,       /* text, items */
    QRI_Q_REFERENCE,  /* &left: an argument that a function evaluates itself */
};

struct qri_query_item {
    const char *name;
    const struct qri_query *value;
};

struct qri_query {
    enum qri_query_kind kind;
    const char *text;
    const struct qri_query *left, *right, *condition;
    const char *literal; /* JSON text, which has been checked */
    int64_t from, to, step;
    bool has_from, has_to;
    struct qri_query_item *items;
    size_t item_count;
};

struct qri_query_state {
    struct qr_err *err;
    uint64_t work; /* steps so far */
};

/* NULL: *state->err says why. `value` is borrowed, the result is not. */
json_t *qri_query_eval(struct qri_query_state *state, const struct qri_query *q, json_t *value);
json_t *qri_query_fail(struct qri_query_state *state, const char *fmt, ...) QR_PRINTF(2, 3);

bool qri_query_is_true(const json_t *value);
bool qri_query_equal(const json_t *a, const json_t *b);

/* query_fn.c: at parse time (name and number of arguments), and for a run. */
bool qri_query_call_check(const struct qri_query *call, struct qr_err *err);
json_t *qri_query_call(struct qri_query_state *state, const struct qri_query *call, json_t *value);
