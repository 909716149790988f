/* codec/json.h - reading JSON text in place: paths, fragments, iteration. For JSON_VALUE and its
 * kin, and for the engine's OPENJSON.
 *
 * Pure, any thread; no tree is built, results are slices of the text. Text is hostile: nesting is
 * bounded by QR_JSON_DEPTH_MAX, nothing recurses.
 * Errors: 13607 malformed path, 13609 malformed text, 13608 strict path finds nothing, QR_NOMEM. */
#pragma once
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

enum { QR_JSON_DEPTH_MAX = 128 };

/* The numbers of OPENJSON's column `type`. */
enum qr_json_kind {
    QR_JSON_NULL,
    QR_JSON_STRING,
    QR_JSON_NUMBER,
    QR_JSON_BOOL,
    QR_JSON_ARRAY,
    QR_JSON_OBJECT,
};
struct qr_json_item {
    enum qr_json_kind kind;
    struct qr_str text; /* as written; strings with their quotes */
};

struct qr_json_step {
    struct qr_str key; /* p == NULL: an index */
    size_t index;
};
struct qr_json_path {
    bool strict, append;
    struct qr_json_step *steps;
    size_t step_count;
};
/* [append] [lax | strict] $ .key ."key" [0] ... */
QR_NODISCARD enum qr_status qr_json_path_parse(struct qr_arena *arena, struct qr_str text,
                                               struct qr_json_path *ret_path, struct qr_err *err);

/* Follows the path. Not found is *ret_found = false also in strict mode: what strict makes of it
 * depends on the function. Only what lies before the end of the item is checked. */
QR_NODISCARD enum qr_status qr_json_find(struct qr_arena *arena, struct qr_str json,
                                         const struct qr_json_path *path, bool *ret_found,
                                         struct qr_json_item *ret_item, struct qr_err *err);
/* Is the text one well-formed value of any kind? */
bool qr_json_valid(struct qr_str json, enum qr_json_kind *ret_kind);
/* A value of type json: an object or array without blanks between its tokens. 13609, 13647. */
QR_NODISCARD enum qr_status qr_json_document(struct qr_arena *arena, struct qr_str json,
                                             struct qr_str *ret_text, struct qr_err *err);
bool qr_json_is_blank(char c);

/* The characters of a string item (with quotes) or key; borrowed if nothing is escaped. */
QR_NODISCARD enum qr_status qr_json_unescape(struct qr_arena *arena, struct qr_str quoted,
                                             struct qr_str *ret_text, struct qr_err *err);
/* The text that JSON_VALUE gives for a scalar: strings unescaped. */
QR_NODISCARD enum qr_status qr_json_scalar(struct qr_arena *arena, const struct qr_json_item *item,
                                           struct qr_str *ret_text, struct qr_err *err);

/* --- rows of OPENJSON --- */

struct qr_json_rows {
    struct qr_arena *arena;
    struct qr_str text;
    size_t pos, index;
    bool is_object, done;
};
struct qr_json_row {
    struct qr_str key; /* member name, or the index in decimal; in the arena */
    struct qr_json_item item;
};
/* `path` may have p == NULL: '$'. The members of the object or elements of the array found there;
 * none if a lax path finds nothing or a scalar. The text must outlive the rows. */
QR_NODISCARD enum qr_status qr_json_rows_open(struct qr_arena *arena, struct qr_str json,
                                              struct qr_str path, struct qr_json_rows *ret_rows,
                                              struct qr_err *err);
/* False in *ret_more at the end. The arena given serves the row. */
QR_NODISCARD enum qr_status qr_json_rows_next(struct qr_json_rows *rows, struct qr_arena *arena,
                                              bool *ret_more, struct qr_json_row *ret_row,
                                              struct qr_err *err);
/* OPENJSON WITH: the value of `path` below a row's item as text (AS JSON: the fragment). NULL is
 * p == NULL. Strict paths raise 13608, 13623, 13624. */
QR_NODISCARD enum qr_status qr_json_column(struct qr_arena *arena, struct qr_str json,
                                           const struct qr_json_path *path, bool as_json,
                                           struct qr_str *ret_text, struct qr_err *err);
