/* expr/regexp.h - rows of REGEXP_MATCHES and REGEXP_SPLIT_TO_TABLE, for the engine's table
 * functions, and what they share with the scalar functions. A NULL argument gives no rows: do not
 * open. Positions count characters. Pure, any thread. */
#pragma once
#include "codec/regexp.h"
#include "expr/expr.h"

/* Checks and converts arguments, one letter for each: s text, p a pattern, f flags, i an integer.
 * 8116 naming the function in lower case. */
QR_NODISCARD enum qr_status qr_regexp_args(struct qr_expr_builder *b, const char *name,
                                           const char *letters, const struct qr_expr **args,
                                           size_t arg_count);
/* 19302, 19303. */
QR_NODISCARD enum qr_status qr_regexp_flags_read(struct qr_str text, unsigned *ret_flags,
                                                 struct qr_err *err);

/* REGEXP_MATCHES(text, pattern [, flags]): match_id, start_position, end_position, match_value,
 * substring_matches. */
struct qr_regexp_match {
    int64_t id, start, end;
    struct qr_str value, groups; /* a slice of the text; JSON in the arena */
};
struct qr_regexp_rows {
    struct qr_regexp_search search;
    size_t counted_bytes, counted; /* so many characters are before that byte */
    int64_t id;
    size_t from; /* where the part of a split begins */
    bool done;
};
/* `search` goes over the text with all groups. */
void qr_regexp_rows_open(const struct qr_regexp_search *search, struct qr_regexp_rows *ret_rows);
QR_NODISCARD enum qr_status qr_regexp_rows_match(struct qr_regexp_rows *rows,
                                                 struct qr_arena *arena_row, bool *ret_more,
                                                 struct qr_regexp_match *ret_match,
                                                 struct qr_err *err);
/* REGEXP_SPLIT_TO_TABLE(text, pattern [, flags]): value and ordinal. Empty matches part
 * characters, and are none at the ends of the text. */
QR_NODISCARD enum qr_status qr_regexp_rows_part(struct qr_regexp_rows *rows, bool *ret_more,
                                                struct qr_str *ret_value, int64_t *ret_ordinal,
                                                struct qr_err *err);
