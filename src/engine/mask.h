/* mask.h - dynamic data masking: the functions of MASKED WITH, and what a reader without UNMASK
 * gets in place of values that show masked columns (struct qr_plan_mask).
 *
 * One thread; masks live in the arena they were made in. */
#pragma once
#include "codec/value.h"
#include "tsql/plan.h"

struct qr_session;

enum qri_mask_kind {
    QRI_MASK_DEFAULT,
    QRI_MASK_EMAIL,
    QRI_MASK_PARTIAL,
    QRI_MASK_RANDOM,
    QRI_MASK_DATETIME
};
struct qri_mask {
    enum qri_mask_kind kind;
    struct qr_type type;
    struct qr_value whole;     /* default(): the value */
    uint32_t prefix, suffix;   /* partial(): characters that stay */
    struct qr_str padding;     /* … and what stands between them */
    struct qr_value low, high; /* random(): of the type */
    struct qr_str low_text, high_text;
    char part; /* datetime(): Y M D h m s */
};

/* Reads the function for a column of that type: 16002 .. 16006. `column` is for messages. */
QR_NODISCARD enum qr_status qri_mask_parse(struct qr_arena *arena, struct qr_str text,
                                           const struct qr_type *type, const char *column,
                                           struct qri_mask *ret_mask, struct qr_err *err);
/* As the catalog shows it: "partial(1, "x", 0)". */
QR_NODISCARD enum qr_status qri_mask_print(struct qr_arena *arena, const struct qri_mask *mask,
                                           struct qr_str *ret_text, struct qr_err *err);

/* Those of a row that the session does not see through; pairwise with its values. */
struct qri_masks {
    struct qri_mask **items; /* NULL: the value stays */
    size_t count;            /* 0: all of them do */
    struct qr_session *session;
};
QR_NODISCARD enum qr_status qri_masks_open(struct qr_session *session, struct qr_arena *arena,
                                           const struct qr_plan_mask *const *masks,
                                           const struct qr_type *types, size_t count,
                                           struct qri_masks *ret_masks, struct qr_err *err);
/* The same of a plan's columns. */
QR_NODISCARD enum qr_status qri_masks_of_columns(struct qr_session *session, struct qr_arena *arena,
                                                 const struct qr_plan_column *columns, size_t count,
                                                 struct qri_masks *ret_masks, struct qr_err *err);
/* An error that quotes a value says nothing of it where that may be hidden. Returns `status`. */
enum qr_status qri_redact(bool hides, enum qr_status status, struct qr_err *err);
QR_NODISCARD enum qr_status qri_masks_apply(const struct qri_masks *masks, struct qr_value *values,
                                            struct qr_arena *arena, struct qr_err *err);
