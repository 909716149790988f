/* store/copies.h - one filestore kept in several directories, each by a process of its own
 * (Business Critical, Premium): a primary that writes, members that have its log before a commit is
 * told to be durable, and that show it to readers.
 *
 * A member answers the calls of a primary (qr_member_serve): log as APPENDs of the log service
 * (logsvc/client.h), and what brings it up to date before that: older log, or all pages. What it
 * has hardened is shown when every member has it. Which members a commit waits for is one record
 * that somebody else keeps (options.record): it is changed before the primary goes on without one
 * of them, and after one has caught up. An epoch is given by the same; a higher one ends a lower
 * one.
 *
 * Threads: any. Errors: those of store/store.h; QR_FENCED there is a primary of a higher epoch;
 * QR_CONFLICT log that does not continue what is there. */
#pragma once
#include "logsvc/client.h"
#include "rpc/rpc.h"
#include "store/store.h"

enum { QR_COPIES_MAX = 5 };

/* ---- a copy, as a member or as the primary ---- */

struct qr_member;
struct qr_member_options {
    const char *dir; /* copied; its parent exists */
    /* Of the store; fatal is called as there. */
    const struct qr_store_options *store;
    bool damaged; /* what is there is not opened: a primary sends all of it, which removes it */
    /* The store that was handed out is to be opened anew, which only a new process can do: what it
     * has hardened was given up by a takeover, or it lacks log that nobody has any more. NULL: the
     * member refuses everything from then on. */
    void (*start_anew)(void *ctx);
    void *ctx;
};
/* Opens nothing: a primary says first what is valid of what is there. */
QR_NODISCARD enum qr_status qr_member_new(const struct qr_member_options *options,
                                          struct qr_member **ret_member, struct qr_err *err);
/* A qr_rpc_serve_fn whose ctx is the member; one call at a time. */
void qr_member_serve(void *ctx, struct qr_rpc_request *own_request);
/* Hands the store out once it shows what every member has; it is read-only. QR_TIMEOUT. */
QR_NODISCARD enum qr_status qr_member_wait(struct qr_member *member, int64_t timeout_ns,
                                           struct qr_store **ret_store, struct qr_err *err);
/* Nothing is taken or sent any more. Before the store is closed. NULL is accepted. */
void qr_member_stop(struct qr_member *member);
/* After its store, if that was handed out, was closed. NULL is accepted. */
void qr_member_free(struct qr_member *member);

/* ---- the primary ---- */

struct qr_copies_options {
    uint32_t own;                             /* which one this is */
    struct qr_rpc_peer *peers[QR_COPIES_MAX]; /* the others' qr_member_serve; NULL: there is none */
    /* Gives an epoch that is this primary's alone, above all before and above `above`, and the
     * members in the record, as bits; durably when it returns QR_OK. QR_FENCED: somebody else is to
     * be the primary. Blocks. */
    enum qr_status (*reign)(void *ctx, uint64_t above, uint64_t *ret_epoch, uint32_t *ret_recorded,
                            struct qr_err *err);
    /* Puts these members into the record, durably when it returns QR_OK; asked again after any
     * failure but QR_FENCED: somebody else is the primary. Blocks. */
    enum qr_status (*record)(void *ctx, uint64_t epoch, uint32_t members, struct qr_err *err);
    void *ctx;
    int64_t join_ns;   /* that those in the record have to catch up in [5 s] */
    int64_t answer_ns; /* after which a member without an answer is given up [5 s] */
};
/* The copy becomes the primary's: returns when all in the record have what it has, or are out of
 * the record. Opens the store if it was not. */
QR_NODISCARD enum qr_status qr_member_promote(struct qr_member *member,
                                              const struct qr_copies_options *options,
                                              struct qr_store **ret_store, struct qr_err *err);
/* With store.threads_off: brings those that are away up to date, as far as it goes now. */
void qr_member_step(struct qr_member *member);

enum qr_copy_state { QR_COPY_AWAY, QR_COPY_CATCHING_UP, QR_COPY_SYNCHRONOUS };
struct qr_copy_info {
    uint32_t index;
    enum qr_copy_state state;
    struct qr_lsn hardened; /* as last heard of */
};
/* Of the primary's others; returns how many there are. 0: it is not the primary. */
size_t qr_member_list(struct qr_member *member, struct qr_copy_info dst[QR_COPIES_MAX]);

/* ---- a copy that follows, and that no commit waits for (geo-replication) ---- */

/* Brings a member (qr_member_serve) of another database up to a store of files, again and again:
 * by log, or with all pages if its log does not lead to the store's. It gets a timeline of its own,
 * so once its process has ended it opens as a store like any other (qr_store_open). Log is not kept
 * for it beyond what backups keep: who is away for long gets all pages. One thread. */
struct qr_follow;
struct qr_follow_options {
    struct qr_store *store;   /* stays open meanwhile */
    struct qr_rpc_peer *peer; /* the member */
    int64_t answer_ns;        /* of a call [10 s] */
};
struct qr_follow_info {
    bool seeds;              /* it is getting all pages */
    bool follows;            /* it had all that was durable at the end of the last step */
    struct qr_lsn hardened;  /* it has that */
    uint32_t seeded;         /* how often it got all pages */
    uint64_t commit_wall_ns; /* of a commit that it has; 0: not known */
};
QR_NODISCARD enum qr_status qr_follow_new(const struct qr_follow_options *options,
                                          struct qr_follow **ret_follow, struct qr_err *err);
/* QR_OK: it has, and shows, all that was durable when this was called. Any failure may be tried
 * again. Blocks. */
QR_NODISCARD enum qr_status qr_follow_step(struct qr_follow *follow, struct qr_err *err);
/* Any thread. */
struct qr_follow_info qr_follow_info(struct qr_follow *follow);
/* A step ends soon, and no other does anything. Any thread. */
void qr_follow_stop(struct qr_follow *follow);
void qr_follow_free(struct qr_follow *follow); /* NULL is accepted */
