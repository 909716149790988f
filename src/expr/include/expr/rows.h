/* expr/rows.h - rows of STRING_SPLIT and GENERATE_SERIES, one at a time, for the engine's table
 * functions. OPENJSON is in codec/json.h. Pure, any thread. */
#pragma once
#include "expr/expr.h"

/* STRING_SPLIT(text, separator): columns value (as the text's type) and ordinal (bigint, from 1).
 * A NULL text gives no rows: do not open. 214 if the separator is not one character. */
struct qr_split {
    struct qr_str text, separator;
    enum qr_order order;
    size_t pos;
    int64_t ordinal;
    bool done;
};
QR_NODISCARD enum qr_status qr_split_open(const struct qr_type *type, struct qr_str text,
                                          struct qr_str separator, struct qr_split *ret_split,
                                          struct qr_err *err);
/* False at the end. The value is a slice of the text. */
bool qr_split_next(struct qr_split *split, struct qr_str *ret_value, int64_t *ret_ordinal);

/* GENERATE_SERIES(start, stop [, step]): one column `value` of the type all three share. */
struct qr_series {
    struct qr_type type;
    qr_i128 next, stop, step;
    bool done;
};
/* Types the arguments (count 2 or 3): all integers or all decimals, cast to one type; 5373. */
QR_NODISCARD enum qr_status qr_series_bind(struct qr_expr_builder *b, const struct qr_expr **args,
                                           size_t arg_count, struct qr_type *ret_type);
/* `step` may be NULL: 1 or -1, whichever leads to stop. NULL values give no rows. 4199 if step is
 * zero. */
QR_NODISCARD enum qr_status qr_series_open(const struct qr_type *type, const struct qr_value *start,
                                           const struct qr_value *stop, const struct qr_value *step,
                                           struct qr_series *ret_series, struct qr_err *err);
bool qr_series_next(struct qr_series *series, struct qr_value *ret_value);
