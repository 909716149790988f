/* codec/regexp.h - regular expressions with the syntax and the results of RE2, as REGEXP_LIKE and
 * its kin have them: leftmost matches, alternatives in order, groups.
 *
 * A pattern becomes a program that walks all alternatives at once, so a search takes at most the
 * length of the text times that of the program, whatever the pattern; there is nothing to run wild,
 * and no back references or look-around, which RE2 does not have either.
 * Memory: a compiled pattern owns itself and is read only. Texts are WTF-8, positions bytes.
 * Threads: one compiled pattern may serve any number; a search belongs to one thread.
 * Errors: QR_SQL 19300, 19307, 19308, 19309 for patterns, with RE2's words; QR_NOMEM. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

enum qr_regexp_flags {
    QR_REGEXP_FOLD = 1,      /* i: letters of both cases are equal */
    QR_REGEXP_MULTILINE = 2, /* m: ^ and $ are at the lines' ends too */
    QR_REGEXP_DOT_NL = 4,    /* s: . is also a line feed */
    QR_REGEXP_UNGREEDY = 8,  /* only inside of patterns: (?U) */
};

enum { QR_REGEXP_NONE = -1 };

struct qr_regexp;
QR_NODISCARD enum qr_status qr_regexp_new(struct qr_str pattern, unsigned flags,
                                          struct qr_regexp **ret_regexp, struct qr_err *err);
void qr_regexp_free(struct qr_regexp *regexp);
/* Parenthesised groups; group 0, the whole match, does not count. */
size_t qr_regexp_groups(const struct qr_regexp *regexp);

/* Patterns that were used lately; zeroed = empty. One thread at a time. */
enum { QR_REGEXP_CACHE_SIZE = 16 };
struct qr_regexp_cache {
    struct qr_regexp *items[QR_REGEXP_CACHE_SIZE]; /* latest first */
};
/* The pattern stays alive until the next call. */
QR_NODISCARD enum qr_status qr_regexp_cached(struct qr_regexp_cache *cache, struct qr_str pattern,
                                             unsigned flags, const struct qr_regexp **ret_regexp,
                                             struct qr_err *err);
void qr_regexp_cache_done(struct qr_regexp_cache *cache);

/* A search over one text. `poll` is asked now and then whether to go on; it may be NULL. */
struct qr_regexp_search {
    const struct qr_regexp *regexp;
    struct qr_str text;
    size_t pos;      /* where the next match is looked for */
    ptrdiff_t ended; /* where the last one ended; QR_REGEXP_NONE before the first */
    ptrdiff_t *at;   /* of the match found: at[2 g] and at[2 g + 1] bound group g, or are
                        QR_REGEXP_NONE */
    size_t slots;    /* of `at` */
    enum qr_status (*poll)(void *arg, struct qr_err *err);
    void *poll_arg;
    struct qri_regexp_run *run; /* private */
};
/* All of it lives in the arena. `group_count` groups after group 0 will be asked for. */
QR_NODISCARD enum qr_status qr_regexp_search(const struct qr_regexp *regexp, struct qr_str text,
                                             size_t from, size_t group_count,
                                             struct qr_arena *arena,
                                             struct qr_regexp_search *ret_search,
                                             struct qr_err *err);
/* The next match: an empty one does not stand where the one before ended. */
QR_NODISCARD enum qr_status qr_regexp_next(struct qr_regexp_search *search, bool *ret_found,
                                           struct qr_err *err);
