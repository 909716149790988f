/* zone_int.h - between zone.c and zone_file.c. */
#pragma once
#include <pthread.h>
#include "env/thread.h"
#include "zone.h"

enum {
    QRI_ZONE_NAME_BYTES = 256,
    QRI_ZONE_LEASES_MAX = 16, /* the lock, the segment that is written, spare ones */
    QRI_ZONE_PENDING_MAX = 4, /* files that have their names not yet */
    QRI_ZONE_PENDING_BYTES_MAX = 256 << 20,
};

struct qri_zone_lease {
    char name[QRI_ZONE_NAME_BYTES]; /* "": free */
    struct qr_blob_tag id;
    int64_t renewed_ns;
};
struct qri_zone_pending {
    char name[QRI_ZONE_NAME_BYTES]; /* "": free */
    struct qr_buf bytes;
    struct qr_file *file; /* that writes it; NULL: closed */
};

/* `timelines`, or its copy. */
struct qri_zone_table {
    struct qr_blob_tag tag; /* as read or put last; "": there is none */
    bool is_known;          /* `tag` is true */
    bool is_unreadable;     /* it is there, and the store cannot read it */
};

struct qri_zone {
    struct qr_env base; /* first */
    struct qr_env *env;
    struct qr_blob *blob;
    struct qr_log log;
    bool read_only;
    char dir[QRI_ZONE_NAME_BYTES], lock_name[QRI_ZONE_NAME_BYTES];
    pthread_mutex_t mu; /* guards what follows; lease calls are made under it */
    struct qri_zone_lease leases[QRI_ZONE_LEASES_MAX];
    char *leases_path; /* NULL: they are kept nowhere */
    struct qri_zone_pending pending[QRI_ZONE_PENDING_MAX];
    char current[QRI_ZONE_NAME_BYTES]; /* the segment written last */
    struct qri_zone_table table, copy;
    pthread_mutex_t stop_mu; /* guards what follows */
    pthread_cond_t stop_wake;
    bool stopping, renewer_runs;
    pthread_t renewer;
};

bool qri_zone_name(const struct qri_zone *z, const char *path, char dst[QRI_ZONE_NAME_BYTES]);
/* Every write asks first: the leases are ours, and young enough. */
QR_NODISCARD enum qr_status qri_zone_hold(struct qri_zone *z, struct qr_err *err);
/* `wait`: as long as the lease of a process that is gone can last. */
QR_NODISCARD enum qr_status qri_zone_take(struct qri_zone *z, const char *name, bool wait,
                                          struct qr_err *err);
void qri_zone_give(struct qri_zone *z, const char *name);
bool qri_zone_lease_of(struct qri_zone *z, const char *name, struct qr_blob_tag *ret_id);

/* zone_file.c */
enum qr_status qri_zone_open_file(struct qr_env *env, const char *path, unsigned flags,
                                  struct qr_file **ret_file, struct qr_err *err);
enum qr_status qri_zone_rename(struct qr_env *env, const char *from, const char *to,
                               struct qr_err *err);
