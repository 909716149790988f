/* regexp_int.h - shared by the files of regular expressions: pattern, tree, program. */
#pragma once
#include "codec/regexp.h"

enum { QRI_CHAR_MAX = 0x10FFFF, QRI_REPEAT_MAX = 1000 };

/* --- sets of characters (regexp_class.c) --- */

struct qri_char_range {
    uint32_t lo, hi;
};
struct qri_char_set {
    struct qri_char_range *ranges; /* in order and apart, once qri_set_close has been called */
    size_t count, capacity;
};
QR_NODISCARD enum qr_status qri_set_add(struct qr_arena *arena, struct qri_char_set *set,
                                        uint32_t lo, uint32_t hi, bool fold);
QR_NODISCARD enum qr_status qri_set_add_set(struct qr_arena *arena, struct qri_char_set *set,
                                            const struct qri_char_set *other);
void qri_set_close(struct qri_char_set *set);
QR_NODISCARD enum qr_status qri_set_negate(struct qr_arena *arena, struct qri_char_set *set);
bool qri_set_has(const struct qri_char_set *set, uint32_t c);
/* Adds what \d or [:alpha:] or \p{name} names; false in ret_known if nothing does. */
enum qri_class_kind { QRI_CLASS_PERL, QRI_CLASS_POSIX, QRI_CLASS_UNICODE };
QR_NODISCARD enum qr_status qri_set_add_class(struct qr_arena *arena, struct qri_char_set *set,
                                              enum qri_class_kind kind, struct qr_str name,
                                              bool negated, bool fold, bool *ret_known);

/* --- tree (regexp_parse.c) --- */

enum qri_regexp_kind {
    QRI_RE_CHAR,
    QRI_RE_SET,
    QRI_RE_ASSERT,
    QRI_RE_GROUP,  /* of number `index` around `first` */
    QRI_RE_CAT,    /* first, and those that `next` leads to */
    QRI_RE_ALT,    /* the same */
    QRI_RE_REPEAT, /* first {min,max} */
};
enum qri_assert {
    QRI_ASSERT_TEXT_BEGIN,
    QRI_ASSERT_TEXT_END,
    QRI_ASSERT_LINE_BEGIN,
    QRI_ASSERT_LINE_END,
    QRI_ASSERT_WORD,
    QRI_ASSERT_NOT_WORD,
};
struct qri_regexp_node {
    enum qri_regexp_kind kind;
    uint32_t c;     /* CHAR: the character; ASSERT: enum qri_assert */
    uint32_t index; /* SET, GROUP */
    int min, max;   /* REPEAT; max < 0: without end */
    bool greedy;
    bool may_be_empty;
    int repeats; /* how often its innermost part stands, REPEATs within REPEATs */
    struct qri_regexp_node *first, *next;
};

/* --- program (regexp_prog.c), which regexp_match.c walks --- */

enum qri_regexp_op {
    QRI_OP_CHAR,   /* x: the character */
    QRI_OP_SET,    /* x: which */
    QRI_OP_SPLIT,  /* x first, then y */
    QRI_OP_JUMP,   /* x */
    QRI_OP_SAVE,   /* x: which slot */
    QRI_OP_ASSERT, /* x: enum qri_assert */
    QRI_OP_MATCH,
};
struct qri_regexp_step {
    enum qri_regexp_op op;
    uint32_t x, y;
};

struct qr_regexp {
    struct qr_arena arena;
    struct qr_str pattern;
    unsigned flags;
    struct qri_char_set *sets;
    size_t set_count, set_capacity;
    size_t group_count;
    struct qri_regexp_step *steps;
    size_t step_count, step_capacity;
    bool first_bytes[256]; /* a match that is not empty begins with one of these ... */
    bool may_be_empty;     /* ... unless this or an assertion in front leaves it open */
};

QR_NODISCARD enum qr_status qri_regexp_parse(struct qr_regexp *re,
                                             struct qri_regexp_node **ret_tree, struct qr_err *err);
QR_NODISCARD enum qr_status qri_regexp_emit(struct qr_regexp *re,
                                            const struct qri_regexp_node *tree, struct qr_err *err);
/* 19300 with RE2's words for what is wrong. */
enum qr_status qri_regexp_fail(const struct qr_regexp *re, const char *what, struct qr_str where,
                               struct qr_err *err);
enum qr_status qri_regexp_too_large(const struct qr_regexp *re, struct qr_err *err);
