/* rbpex.h - the tier between memory and the page servers: page versions in a file of slots on the
 * node's own disk, with a table of its own that outlives the process. README.md has the invariants.
 *
 * It holds for each page at most one version, which is the newest there is as long as the owner
 * calls `changed` for every page that gets a newer one, before that one can be durable. After a
 * reopen what it holds is suspect: the owner tells what changed since the mark, then `confirm_all`.
 * Nothing here is needed: whatever is lost, damaged or in doubt is a miss.
 *
 * Threads: any; `step` excludes itself. Only `open`, `step`, `sync`, `read`, `resize` and `close`
 * touch the disk. Errors: those of the environment; what `step` and `read` meet is counted, and the
 * pages concerned are forgotten. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "env/env.h"
#include "page/timeline.h"

struct qri_rbpex;

struct qri_rbpex_options {
    struct qr_env *env;
    const char *dir; /* has the files "rbpex" and "rbpex-table"; borrowed for the call */
    const struct qr_server_key *server_key; /* wraps the key in the file `key`; NULL: in clear */
    struct qr_timeline timeline;            /* pages of another one are forgotten */
    uint32_t page_bytes;
    uint64_t bytes;        /* of pages on disk; at least QRI_RBPEX_PAGES_MIN pages */
    uint32_t queue_pages;  /* 0: 256. Wait to be written; when they are full, pages are not taken */
    uint64_t trust_lsn;    /* no version behind it can be right */
    int64_t new_bytes_max; /* of new pages taken at once; 0: a default */
};

enum { QRI_RBPEX_PAGES_MIN = 16 };

QR_NODISCARD enum qr_status qri_rbpex_open(const struct qri_rbpex_options *options,
                                           struct qri_rbpex **ret_rbpex, struct qr_err *err);
/* Writes what waits. `lsn`: as for mark; 0: no mark. Nothing is synced: a power cut costs warmth.
 */
void qri_rbpex_close(struct qri_rbpex *rbpex, uint64_t lsn);
/* As a crash would leave it. NULL is accepted. After close it is still due. */
void qri_rbpex_free(struct qri_rbpex *rbpex);
/* Another size, at once; what does not fit any more is forgotten, the rest stays. The next open has
 * to be told that size. Waits for what is being written. */
QR_NODISCARD enum qr_status qri_rbpex_resize(struct qri_rbpex *rbpex, uint64_t bytes,
                                             struct qr_err *err);
/* For who has no such tier any more. */
void qri_rbpex_remove(struct qr_env *env, const char *dir);

enum qri_rbpex_found {
    QRI_RBPEX_NONE,
    QRI_RBPEX_NEWEST,
    QRI_RBPEX_SUSPECT, /* it was the newest once: ask before it is used, then `confirm` */
};
/* The page without its last QR_PAGE_RESERVED_BYTES, which mean nothing in memory. */
enum qri_rbpex_found qri_rbpex_read(struct qri_rbpex *rbpex, uint32_t page_no, uint8_t *dst,
                                    uint64_t *ret_lsn);
/* There is a version that needs no confirmation. */
bool qri_rbpex_has(struct qri_rbpex *rbpex, uint32_t page_no);
/* A version that is durable and the newest. Whether it is kept is ours to say: while there is room,
 * always. Whatever was held of the page before is forgotten if it is another version. */
enum qri_rbpex_offer {
    QRI_RBPEX_COLD,  /* leaves memory, was used once there: kept if it comes a second time */
    QRI_RBPEX_HOT,   /* others make room for it */
    QRI_RBPEX_SPARE, /* stays in memory: kept while there is room */
    QRI_RBPEX_NEW,   /* COLD, but nobody has read it: kept as far as the rate allows */
};
void qri_rbpex_offer(struct qri_rbpex *rbpex, uint32_t page_no, uint64_t lsn, const uint8_t *page,
                     enum qri_rbpex_offer kind);
/* So many offers would be taken now: slots are free, and the queue has room. */
bool qri_rbpex_may_take(struct qri_rbpex *rbpex, size_t pages);
/* The pages that it has a trusted version of, those read since the clock came by first. */
size_t qri_rbpex_list(struct qri_rbpex *rbpex, uint32_t *dst, size_t max);
/* The page has a version of that LSN or a later one: forgets an older one. */
void qri_rbpex_changed(struct qri_rbpex *rbpex, uint32_t page_no, uint64_t lsn);
/* What `read` called suspect is the newest after all. */
void qri_rbpex_confirm(struct qri_rbpex *rbpex, uint32_t page_no, uint64_t lsn);

/* Up to this LSN `changed` had been called for everything when the table was last written. */
uint64_t qri_rbpex_recovered_lsn(const struct qri_rbpex *rbpex);
/* `changed` was called for all that the log has behind that LSN. `all` false: it cannot be known;
 * what is suspect stays so, also after the next reopen. Once, after open; no mark before it. */
void qri_rbpex_confirm_all(struct qri_rbpex *rbpex, bool all);
/* `changed` was called for everything up to `lsn`. */
void qri_rbpex_mark(struct qri_rbpex *rbpex, uint64_t lsn);

/* Writes some of what waits; true: there is more. */
bool qri_rbpex_step(struct qri_rbpex *rbpex);
/* Sleeps until there is something to write, or `stop` was called, or that time is over. */
void qri_rbpex_wait(struct qri_rbpex *rbpex, int64_t ns);
void qri_rbpex_stop(struct qri_rbpex *rbpex); /* `wait` returns at once from now on */

struct qri_rbpex_stats {
    uint64_t bytes, bytes_max; /* of pages held */
    uint64_t hits, misses;     /* of read; suspects count as neither until confirmed */
    uint64_t confirmed;        /* of hits: suspects */
    uint64_t written;          /* pages */
    uint64_t refused;          /* offers not taken: seen for the first time; */
    uint64_t busy;             /* or the queue was full */
    uint64_t changed;          /* pages forgotten because there is a newer version */
    uint64_t damaged, failed;  /* pages that did not pass their checksum; writes that failed */
    uint64_t rewrites;         /* of the table */
};
void qri_rbpex_get_stats(struct qri_rbpex *rbpex, struct qri_rbpex_stats *ret_stats);
