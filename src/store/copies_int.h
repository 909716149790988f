/* copies_int.h - what the parts of a store in several copies share; README.md has why. */
#pragma once
#include "page/timeline.h"
#include "store/archive.h"
#include "store/copies.h"
#include "store_int.h"

/* ---- calls: all requests have one form, then what the method carries ---- */
enum {
    QRI_COPY_CALL_HELLO = 0x0501, /* epoch, lsn: the commit it began at; answer: a state */
    QRI_COPY_CALL_LOG,            /* epoch; pieces (logsvc/piece.h); answer: a state */
    QRI_COPY_CALL_SHOW,           /* epoch, lsn: every member has it; answer: a state */
    QRI_COPY_CALL_SEED,           /* epoch, what makes the commit; counters; answer: empty */
    QRI_COPY_CALL_PAGES,  /* epoch, lsn: of the seed; u32 page, u64 version, the page, ... */
    QRI_COPY_CALL_SEEDED, /* epoch, lsn: of the seed; answer: a state */
    QRI_COPY_ASK_BYTES = 80,
    QRI_COPY_STATE_BYTES = 32,
    QRI_COPY_PAGE_HEADER_BYTES = 12,
};
struct qri_copy_ask {
    uint64_t epoch, lsn, log_epoch, commit_no, commit_wall_ns;
    uint32_t page_bytes, pages;
    uint32_t try_no; /* of this primary to bring this member in: what comes late is not taken */
    bool anew;       /* HELLO: it will be seeded, whatever it has */
    struct qr_timeline timeline;
};
struct qri_copy_state {
    bool has_store;
    uint64_t log_epoch, end_lsn, shown_lsn;
};
void qri_copy_ask_put(uint8_t dst[QRI_COPY_ASK_BYTES], const struct qri_copy_ask *ask);
QR_NODISCARD enum qr_status qri_copy_ask_get(const uint8_t *bytes, size_t count,
                                             struct qri_copy_ask *ret_ask, struct qr_err *err);
void qri_copy_state_put(uint8_t dst[QRI_COPY_STATE_BYTES], const struct qri_copy_state *state);
QR_NODISCARD enum qr_status qri_copy_state_get(const uint8_t *bytes, size_t count,
                                               struct qri_copy_state *ret_state,
                                               struct qr_err *err);

/* ---- a member ---- */
struct qri_copies;
struct qr_member {
    struct qr_store_options options;
    char dir[QR_STORE_PATH_BYTES_MAX + 1], tmp_dir[QR_STORE_PATH_BYTES_MAX + 1];
    void (*start_anew)(void *ctx);
    void *ctx;
    pthread_mutex_t mu; /* one call at a time; guards what follows */
    pthread_cond_t changed;
    struct qr_store *store;
    bool handed_out, stopped;
    bool damaged;           /* as the options say, until it is seeded */
    bool shows;             /* what the store shows every member has */
    uint64_t epoch;         /* the highest primary that was heard of */
    uint64_t shown_lsn;     /* its last word */
    struct qr_buf log;      /* from `start` on the open group, parsed up to `at` */
    size_t start, at;       /* in it */
    uint64_t at_lsn;        /* of the byte at `at` */
    uint64_t end_lsn;       /* of the hardened log */
    uint64_t log_epoch;     /* of its last bytes */
    struct qr_buf counters; /* { u64 LSN, u32 0, the record }: not shown yet */
    struct qri_change *changes;
    size_t change_capacity;
    uint32_t try_no;                    /* the newest of that primary */
    bool may_seed;                      /* it was said in this one, and is not begun */
    struct qr_archive_builder *builder; /* while it is seeded */
    struct qr_archive_point seed;
    struct qr_buf seed_counters;
    struct qri_copies *copies; /* it is the primary */
};

/* member_log.c. With mu held; a failure is the store's end unless it is QR_CONFLICT. Hardened when
 * it returns. */
QR_NODISCARD enum qr_status qri_member_take(struct qr_member *m, uint64_t epoch, uint64_t first_lsn,
                                            const uint8_t *bytes, size_t count, struct qr_err *err);
/* Every member has the log up to there. */
QR_NODISCARD enum qr_status qri_member_show(struct qr_member *m, uint64_t lsn, struct qr_err *err);
/* The store was opened: what is parsed and hardened is where it ends. */
QR_NODISCARD enum qr_status qri_member_begin(struct qr_member *m, struct qr_err *err);

/* ---- the primary's others ---- */
struct qri_copy {
    uint32_t index;
    struct qr_rpc_peer *peer;
    struct qri_copies *copies;
    enum qr_copy_state state; /* guarded by copies.mu, as what follows */
    bool must_seed;
    uint32_t try_no;
    uint64_t hardened_lsn;
    int64_t try_again_ns;
    uint64_t log_epoch; /* of its log; the joiner's */
    /* the hardener's */
    struct qr_rpc_call call;
    uint8_t header[QR_LOGSVC_APPEND_HEADER_BYTES];
    bool sends;
    enum qr_status answer;
    uint64_t answer_lsn;
    /* what is shown; guarded by copies.mu */
    struct qr_rpc_call show_call;
    uint8_t show_body[QRI_COPY_ASK_BYTES];
    bool show_flies, show_failed;
    uint64_t show_sent, show_wanted;
};

struct qri_copies {
    struct qr_store *store;
    struct qr_copies_options options;
    uint64_t epoch;
    struct qri_copy items[QR_COPIES_MAX];
    size_t count;
    uint64_t base_lsn;         /* the commit that the epoch began at */
    bool epoch_begun;          /* its first block is hardened; flush_mu */
    uint8_t *part;             /* log that is in a file, on its way; flush_mu */
    pthread_mutex_t record_mu; /* one change of the record at a time; guards `recorded` */
    uint32_t recorded;
    pthread_mutex_t mu; /* a leaf */
    pthread_cond_t changed;
    _Atomic bool stopping;
    bool is_open; /* commits are taken: whoever is synchronous is in the record; mu */
    pthread_t thread;
    bool thread_runs;
    int64_t beat_ns; /* when members are asked next if they are still there; the joiner's */
};

/* copies.c. With log.flush_mu held: QR_OK once every member in the record has it. */
QR_NODISCARD enum qr_status qri_copies_harden(struct qri_copies *copies, uint64_t first_lsn,
                                              const struct qri_log_chunk *chunks,
                                              struct qr_err *err);
void qri_copies_show(struct qri_copies *copies, uint64_t lsn);
/* The record says who is synchronous. */
QR_NODISCARD enum qr_status qri_copies_record(struct qri_copies *copies, struct qr_err *err);
void qri_copies_stop(struct qri_copies *copies);
void qri_copies_free(struct qri_copies *copies);
/* All that are recorded are synchronous, or have to be made anew. */
bool qri_copies_all_in(struct qri_copies *copies);

/* copies_join.c */
void qri_copies_join(struct qri_copies *copies); /* each that is away, once */
void *qri_copies_main(void *copies);

/* One call of it, and its answer. */
QR_NODISCARD enum qr_status qri_copy_call(struct qri_copy *copy, uint16_t method,
                                          const struct qri_copy_ask *a, const uint8_t *more,
                                          size_t more_bytes, struct qri_copy_state *ret_state,
                                          struct qr_err *err);
/* Some of its log from `*from` on, which is behind that then. No more: it has what is durable. */
QR_NODISCARD enum qr_status qri_copy_send_piece(struct qri_copy *copy, uint64_t *from,
                                                struct qr_buf *pieces, bool *ret_more,
                                                struct qr_err *err);
/* All pages. `log_epoch` is that of the commit; `timeline` none: the copy gets one of its own. */
QR_NODISCARD enum qr_status qri_copy_send_all(struct qri_copy *copy, struct qr_archive *archive,
                                              uint64_t log_epoch,
                                              const struct qr_timeline *timeline,
                                              struct qr_err *err);

/* ---- in other files, for copies ---- */
/* files.c: as a member, with what the log has up to `until` (0: all). QR_CONFLICT: more than that
 * is in the pages. */
QR_NODISCARD enum qr_status qri_files_open_member(const char *dir,
                                                  const struct qr_store_options *options,
                                                  uint64_t until, struct qr_store **ret_store,
                                                  struct qr_err *err);
/* A higher epoch's log begins at that LSN. */
QR_NODISCARD enum qr_status qri_files_follow_epoch(struct qr_store *store, uint64_t epoch,
                                                   uint64_t first_lsn, struct qr_err *err);
/* Our own epoch begins behind the end of the log. */
QR_NODISCARD enum qr_status qri_files_own_epoch(struct qr_store *store, uint64_t epoch,
                                                struct qr_err *err);
/* files_log.c: what was held back up to there is durable. */
void qri_pending_release(struct qr_store *store, uint64_t lsn);
/* archive.c: as qr_archive_log, up to the end of what is hardened; with log.flush_mu held. */
QR_NODISCARD enum qr_status qri_log_read_rest(struct qr_store *store, uint64_t from,
                                              size_t bytes_max, struct qr_buf *pieces,
                                              uint64_t *ret_end, struct qr_err *err);
/* archive_build.c: a copy, whose log goes on at the point's LSN; of the point's timeline, or of one
 * of its own if that is none. */
QR_NODISCARD enum qr_status qri_archive_build_copy(struct qr_env *env, const char *dir,
                                                   const struct qr_archive_point *point,
                                                   const struct qr_server_key *server_key,
                                                   struct qr_archive_builder **ret_builder,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_archive_finish_copy(struct qr_archive_builder *own_builder,
                                                    const struct qr_buf *counters,
                                                    struct qr_err *err);
/* counter_file.c: counters beside the log, of a copy whose log is another's. */
QR_NODISCARD enum qr_status
qri_counter_file_write(struct qr_store *store, const struct qr_buf *records, struct qr_err *err);
void qri_counter_file_remove(struct qr_store *store); /* they are all in our own log */
QR_NODISCARD enum qr_status qri_counter_file_read(struct qr_store *store, struct qr_err *err);
