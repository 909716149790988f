/* backup/backup.h - full, differential and log backups of a filestore in a blob store.
 *
 * All backups of one database lie under one prefix, say backups/<timeline>. A chain is a full
 * backup and what builds on it; its manifest `<prefix>/chains/<chain>` is the only root: what it
 * does not name is not there. Writers go on meanwhile; a backup is of one commit. docs/backup.md
 * has the formats.
 *
 * Threads: one call at a time per prefix, and only by who has the store open: it takes what a crash
 * left under the prefix for leftovers. Calls block for as long as the data takes.
 * Errors: those of blob/blob.h and store/archive.h; QR_NOT_FOUND of a differential or log backup:
 * there is nothing to build on (no full one, or log is lost), take a full one; QR_CONFLICT somebody
 * else writes this prefix; QR_CORRUPT damage found. */
#pragma once
#include "backup/policy.h"
#include "blob/blob.h"
#include "obs/log.h"
#include "page/timeline.h"
#include "store/store.h"

struct qr_keyring;

enum { QR_BACKUP_PREFIX_BYTES_MAX = 300 };

struct qr_backup_place {
    struct qr_env *env; /* NULL: qr_env_real() */
    struct qr_log log;
    struct qr_blob *blob;
    const char *prefix;         /* without a slash at its end */
    struct qr_keyring *keyring; /* encrypts backups, and what is restored; NULL: in clear */
};

/* One backup, as its manifest names it. */
struct qr_backup_row {
    enum qr_backup_kind kind;
    uint32_t chain, seq;       /* from 1; from 0 in its chain */
    uint32_t part_count;       /* objects */
    uint64_t set_id;           /* random: its objects carry it */
    struct qr_lsn base;        /* of a differential: the full one's commit */
    struct qr_lsn first, last; /* log [first, last); else both the commit that it is of */
    uint64_t wall_ns;          /* of the last commit in it; log without one: of that before */
    uint64_t taken_wall_ns;    /* when it was begun */
    uint64_t end_wall_ns;      /* when all of it was there; 0: of an earlier release */
    uint64_t first_wall_ns;    /* of the first commit in log; 0: it has none, or as above */
    uint64_t commit_no, epoch; /* of full and differential ones */
    uint64_t raw_bytes, stored_bytes; /* before and after compression */
    uint32_t page_bytes, pages;       /* pages: how many the database has */
    struct qr_timeline timeline;      /* of the store it is of */
};

struct qr_backup_catalog {
    struct qr_backup_row *rows; /* by chain and seq */
    size_t count;
    struct qr_blob_tag newest_tag;        /* of the manifest that the last row is in */
    uint32_t damaged_first, damaged_last; /* chains whose manifests are damaged; 0: none */
};
/* An empty one if there is nothing. A damaged manifest hides its chain and no other. */
QR_NODISCARD enum qr_status qr_backup_list(const struct qr_backup_place *place,
                                           struct qr_backup_catalog *ret_catalog,
                                           struct qr_err *err);
/* Every commit acknowledged until then is in backups, as far as log follows log. */
bool qr_backup_reaches(const struct qr_backup_catalog *catalog, uint64_t wall_ns);
void qr_backup_catalog_done(struct qr_backup_catalog *catalog);

/* *ret_taken is false for a log backup when nothing was committed since the last. A log backup lets
 * the store give up log behind it. */
QR_NODISCARD enum qr_status qr_backup_take(const struct qr_backup_place *place,
                                           struct qr_store *store, enum qr_backup_kind kind,
                                           bool *ret_taken, struct qr_backup_row *ret_row,
                                           struct qr_err *err);

/* Deletes the chains that are not needed to restore the database as of `keep_from_wall_ns` or
 * later. Chains go whole, the newest never. */
QR_NODISCARD enum qr_status qr_backup_expire(const struct qr_backup_place *place,
                                             uint64_t keep_from_wall_ns, uint32_t *ret_chains,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qr_backup_delete_all(const struct qr_backup_place *place,
                                                 struct qr_err *err);
/* The same, and the keys of the stores that they are of: nothing else was encrypted under them. */
QR_NODISCARD enum qr_status qr_backup_forget(const struct qr_backup_place *place,
                                             struct qr_err *err);

/* Reads everything that is named and checks it. */
struct qr_backup_report {
    uint64_t backups, parts, pages, stored_bytes;
    uint64_t gaps; /* places where log is missing between two backups: no point in time there */
};
QR_NODISCARD enum qr_status qr_backup_verify(const struct qr_backup_place *place,
                                             struct qr_backup_report *ret_report,
                                             struct qr_err *err);

/* --- on schedule --- */

struct qr_backup_tick {
    bool taken;
    struct qr_backup_row row;
    uint32_t chains_expired;
    int64_t next_wall_ns; /* when to call again; INT64_MAX: when something was committed */
};
/* Takes what is due now, if anything, and deletes what retention (in days, before `sure_wall_ns`
 * or the clock's time, whatever is earlier) does not cover; 0: deletes nothing. A backup that fails
 * is due again at once: pause before the next call. */
QR_NODISCARD enum qr_status qr_backup_run_due(const struct qr_backup_place *place,
                                              struct qr_store *store,
                                              const struct qr_backup_policy *policy,
                                              int retention_days, int64_t sure_wall_ns,
                                              struct qr_backup_tick *ret_tick, struct qr_err *err);
