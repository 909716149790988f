/* zone.h - a landing zone in a blob store: the journal's directory as objects.
 *
 * An environment whose files are objects below a prefix; clock and randomness are those of the
 * environment behind it. It has just what the journal needs: files `journal.*` are append objects,
 * which grow at their end only, each write with a position condition and under a lease; `lock` is a
 * lease; what is written as `*.tmp` is kept in memory until it is renamed to its name, and then put
 * in one conditional write. So whoever lost the lease can change nothing (S7).
 *
 * An outcome that is not known is found out before anything is written again. Threads: any. */
#pragma once
#include "blob/blob.h"
#include "env/env.h"
#include "obs/log.h"

struct qri_zone;

/* `dir` is what the paths of files begin with; it is the prefix of the objects, too. `read_only`
 * takes no lease. `threads_off`: leases are renewed by writes only. */
QR_NODISCARD enum qr_status qri_zone_new(struct qr_env *env, const struct qr_log *log,
                                         struct qr_blob *blob, const char *dir, bool read_only,
                                         bool threads_off, struct qri_zone **ret_zone,
                                         struct qr_err *err);
/* Leases are kept in that file (NULL: nowhere) from now on; those that a process before left there
 * are given back. It was the only one with this file and is gone: what it still has under way at
 * the store fails, because its leases are no more. */
QR_NODISCARD enum qr_status qri_zone_keep_leases(struct qri_zone *zone, const char *path,
                                                 struct qr_err *err);
/* Gives the leases back, so that the next process need not wait; `abandon`: does not. All files
 * must be closed. NULL is accepted. */
void qri_zone_free(struct qri_zone *zone, bool abandon);
struct qr_env *qri_zone_env(struct qri_zone *zone);
