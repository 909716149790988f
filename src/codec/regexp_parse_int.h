/* regexp_parse_int.h - what reads patterns: regexp_parse.c, and regexp_set.c for sets in them. */
#pragma once
#include "base/buf.h"
#include "regexp_int.h"

enum { QRI_PATTERN_BYTES_MAX = 8000 };

struct qri_regexp_parser {
    struct qr_regexp *re;
    struct qr_str s;
    size_t pos;
    unsigned flags, depth;
    struct qr_str *names;
    size_t name_count, name_capacity;
    struct qr_err *err;
};

static inline bool qri_regexp_at(const struct qri_regexp_parser *p, char ch)
{
    return p->pos < p->s.n && p->s.p[p->pos] == ch;
}
static inline bool qri_regexp_starts(const struct qri_regexp_parser *p, size_t at, const char *z)
{
    size_t n = strlen(z);
    return p->s.n >= n && at <= p->s.n - n && memcmp(p->s.p + at, z, n) == 0;
}

QR_NODISCARD enum qr_status qri_regexp_node(struct qri_regexp_parser *p, enum qri_regexp_kind kind,
                                            struct qri_regexp_node **ret_node);
/* 19300; the pattern from `from` up to where the parser is, is at fault. */
enum qr_status qri_regexp_bad(const struct qri_regexp_parser *p, const char *what, size_t from);
enum qr_status qri_regexp_missing(const struct qri_regexp_parser *p, const char *what); /* 19308 */
/* At a backslash that stands for one character. */
QR_NODISCARD enum qr_status qri_regexp_escape(struct qri_regexp_parser *p, uint32_t *ret_c);

/* --- regexp_set.c --- */
/* A node for a closed set. */
QR_NODISCARD enum qr_status qri_regexp_set_node(struct qri_regexp_parser *p,
                                                const struct qri_char_set *set,
                                                struct qri_regexp_node **ret_node);
/* At '['. */
QR_NODISCARD enum qr_status qri_regexp_class(struct qri_regexp_parser *p,
                                             struct qri_regexp_node **ret_node);
/* \d \pN \p{Greek} and their like; nothing is read if there is none. */
QR_NODISCARD enum qr_status qri_regexp_class_escape(struct qri_regexp_parser *p,
                                                    struct qri_char_set *set, bool *ret_is_class);
