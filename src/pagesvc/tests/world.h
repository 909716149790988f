/* world.h - a log made by chance, and a model that knows every page at every commit. */
#pragma once
#include "pagesvc/pagesvc.h"

enum {
    WORLD_PAGE_BYTES = 4096,
    WORLD_PAGES_MAX = 64,
    WORLD_COMMITS_MAX = 4096,
    WORLD_PIECES_MAX = 1024,
};

struct world_commit {
    uint64_t lsn;
    uint32_t db_pages;
    uint64_t commit_no, epoch;
    int64_t counter;                       /* of counter 7; -1: none */
    uint32_t version[WORLD_PAGES_MAX + 1]; /* index into images; 0: no such page */
};
struct world_piece {
    uint64_t first, end, epoch;
};
/* One timeline's log, its commits, and pieces with an epoch each. */
struct world {
    uint64_t random;
    struct qr_timeline timeline;
    uint64_t start_lsn, end_lsn, epoch;
    struct qr_buf log; /* [0] is at start_lsn; where the LSN jumped no piece covers it */
    struct world_piece pieces[WORLD_PIECES_MAX];
    size_t piece_count;
    struct world_commit *commits;
    size_t commit_count;
    struct world_commit next; /* what the next commit says if nothing changes */
    uint8_t (*images)[WORLD_PAGE_BYTES];
    uint64_t *image_lsn; /* 0: never committed */
    uint32_t image_count;
};

uint64_t world_random(struct world *w);
void world_init(struct world *w, uint64_t seed, uint8_t name, uint64_t start_lsn);
/* A child that begins as `parent` was at that commit. */
void world_branch(struct world *w, const struct world *parent, size_t commit_index, uint8_t name,
                  uint64_t start_lsn);
void world_done(struct world *w);
/* A commit with some pages, counters now and then. */
void world_commit(struct world *w);
/* A group that is never completed, then a higher epoch that voids it. */
void world_new_epoch(struct world *w);
/* Gives the slice its next bytes, cut anywhere; false if it has all of this world's log.
 * `ancestors` holds the worlds of its lineage. */
bool world_feed(struct world *w, struct world **ancestors, size_t ancestor_count,
                struct qr_pagesvc *svc, const struct qr_slice_id *id, size_t bytes_max);
/* Compares every page at that commit, and the meta page. */
void world_check(const struct world *w, struct qr_pagesvc *svc, const struct qr_slice_id *id,
                 const struct world_commit *at);
