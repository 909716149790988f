/* ops_int.h - operations as persisted state machines; see ctl/resources.h.
 *
 * A kind of operation is a table of steps. A step may run more than once: after a crash it begins
 * anew. What has run up to the point of no return can be undone, step by step backwards; behind it
 * there is only forward. */
#pragma once
#include <jansson.h>
#include "control_int.h"
#include "ctl/resources.h"

struct qri_op;
enum { QRI_STEPS_MAX = 5 };

struct qri_step {
    const char *name;
    uint8_t percent; /* when it begins */
    enum qr_status (*run)(struct qr_control *control, struct qri_op *op, struct qr_err *err);
    /* Idempotent; also called of a step that failed, or never began. NULL: nothing to do. */
    enum qr_status (*undo)(struct qr_control *control, struct qri_op *op, struct qr_err *err);
    bool is_cancellable; /* up to its end */
    bool is_final;       /* once it has begun there is only forward: it is tried until it is done */
};

struct qri_op_kind {
    const char *name; /* in the metadata and the log */
    /* All that can be checked at once, and the row of a new database; waits for nobody. */
    enum qr_status (*begin)(struct qr_control *control, struct qri_op *op, struct qr_err *err);
    /* It makes, reads or ends storage: it has to know all slices, and none may be made or trimmed
     * meanwhile (qri_control_grow, retention.c). A primary that is only moved may grow. */
    bool claims;
    /* After the last step. May be NULL. */
    void (*done)(struct qr_control *control, struct qri_op *op);
    struct qri_step steps[QRI_STEPS_MAX + 1]; /* ends with one without a name */
};
extern const struct qri_op_kind qri_op_kinds[QR_OPERATION_KIND_COUNT];

/* Who waits for the end. */
struct qri_waiter {
    struct qri_waiter *next;
    struct qr_rpc_request *request;
};

struct qri_op {
    struct qri_op *next;        /* an older one */
    struct qri_op *next_active; /* an older one that is not over */
    struct qr_operation_row row;
    uint32_t step;             /* that runs, or is being undone */
    uint64_t used_bytes;       /* of its data when it began; UINT64_MAX: not asked, or not known */
    uint32_t member;           /* UPDATE: of the node that takes over, one more; 0: none */
    struct qr_control_ask ask; /* texts point into `texts` */
    json_t *texts;
    uint64_t version; /* of its key */
    bool resumed;     /* begun before this start */
    bool runs, cancel_wished;
    struct qri_claim claims[2];
    size_t claim_count;
    struct qri_waiter *waiters;
};

/* ---- ops.c ---- */
/* Error 40802, 45182 or 40812 if another operation runs on that database; mu held. */
QR_NODISCARD enum qr_status qri_ops_check_free(struct qr_control *control, const struct qri_op *op,
                                               const struct qr_database_row *row,
                                               struct qr_err *err);
/* QR_CONFLICT while the server is being deleted; mu held. */
QR_NODISCARD enum qr_status qri_ops_check_server(struct qr_control *control, uint32_t server,
                                                 struct qr_err *err);
/* The databases that it is about are not paused any more; false: we are being stopped. Claimed. */
bool qri_ops_wake(struct qr_control *control, const struct qri_op *op);
/* Error 40565 if the source is just being copied, 40656 if so many restores run that the workers
 * would have none left for others; mu held. */
QR_NODISCARD enum qr_status qri_ops_check_copies(struct qr_control *control,
                                                 const struct qri_op *op, uint32_t source_id,
                                                 struct qr_err *err);
/* The step has come so far: shown, and never less. */
void qri_ops_progress(struct qr_control *control, struct qri_op *op, uint32_t percent);
/* ---- warm.c ---- */
/* The node `to`, which is ready, brings the pages that `from` uses, for as long as the options say.
 * The operation's percent goes from one to the other. */
enum { QRI_WARM_PERCENT_FROM = 20, QRI_WARM_PERCENT_TO = 49 };
void qri_warm(struct qr_control *control, struct qri_op *op, const struct qr_database_row *row,
              const char *from, const char *to);
/* The pages of a node that ends (nothing if it cannot tell, or `from` is ""), and bringing them to
 * those that come in its place, all within the time of the options. They are wanted: one that
 * does not run after two seconds, or is not ready a minute after the first was to bring, is left
 * cold. */
struct qri_warm_list {
    struct qr_buf pages;
    char from[QR_NODE_NAME_BYTES];
    int64_t until_ns, ready_until_ns; /* 0: none was brought yet */
};
void qri_warm_begin(struct qr_control *control, const struct qr_database_row *row, const char *from,
                    struct qri_warm_list *ret_list);
void qri_warm_bring(struct qr_control *control, struct qri_op *op,
                    const struct qr_database_row *row, const char *to, struct qri_warm_list *list);
void qri_warm_end(struct qri_warm_list *list);
/* ---- ops.c, with mu held. NULL: there is none. ---- */
struct qri_op *qri_ops_find_id(struct qr_control *control, struct qr_str id);
struct qri_op *qri_ops_find_active(struct qr_control *control, uint32_t database_id);
bool qri_ops_is_cancellable(const struct qri_op *op);
/* Keeps what a step has decided. */
QR_NODISCARD enum qr_status qri_ops_save(struct qr_control *control, struct qri_op *op,
                                         struct qr_err *err);

/* ---- op_rows.c ---- */
QR_NODISCARD enum qr_status qri_op_store(struct qr_control *control, struct qri_op *op,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_op_remove(struct qr_control *control, const struct qri_op *op,
                                          struct qr_err *err);
/* Copies the texts. */
QR_NODISCARD enum qr_status qri_op_set_ask(struct qri_op *op, const struct qr_control_ask *ask,
                                           struct qr_err *err);
/* A new text of the ask, kept with it. */
QR_NODISCARD enum qr_status qri_op_set_text(struct qri_op *op, struct qr_str *member,
                                            const char *text, struct qr_err *err);
QR_NODISCARD enum qr_status qri_ops_load(struct qr_control *control, struct qr_err *err);
void qri_op_free(struct qri_op *op); /* NULL is accepted */

/* ---- op_home.c ---- */
bool qri_home_moves(const struct qr_database_row *row, const struct qr_database_row *wanted);
/* Its sessions end, nobody has it open, and nobody enters until it is settled; may be repeated. */
QR_NODISCARD enum qr_status qri_home_leave(struct qr_control *control,
                                           const struct qr_database_row *row, struct qr_err *err);
/* It is where its row says. */
void qri_home_settle(struct qr_control *control, const struct qr_database_row *row);
/* Its processes come back in the size that its row says, if they run. */
enum qr_status qri_home_restart(struct qr_control *control, const struct qr_database_row *row);

/* ---- op_make.c, op_change.c, op_scale.c, op_server.c: steps ---- */
QR_NODISCARD enum qr_status qri_op_row(struct qr_control *control, const struct qri_op *op,
                                       struct qr_database_row *ret_row, struct qr_err *err);
/* Its row, and what the operation remembers of it. */
QR_NODISCARD enum qr_status qri_op_add_row(struct qr_control *control, struct qri_op *op,
                                           uint32_t server, struct qr_str name,
                                           const struct qr_database_wish *wish, struct qr_err *err);
/* Of copies and replicas the taken name is that of their target: 45138 instead of 1801. */
enum qr_status qri_op_name_target(struct qr_control *control, enum qr_status status,
                                  uint32_t number, struct qr_str target, struct qr_err *err);
QR_NODISCARD enum qr_status qri_make_begin(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_copy_begin(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_make_storage(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_make_online(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_make_undo(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
void qri_make_done(struct qr_control *control, struct qri_op *op);
/* op_pool.c */
QR_NODISCARD enum qr_status qri_pool_begin(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_pool_record(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_pool_drop_begin(struct qr_control *control, struct qri_op *op,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_pool_drop_record(struct qr_control *control, struct qri_op *op,
                                                 struct qr_err *err);
/* op_group.c */
QR_NODISCARD enum qr_status qri_drop_group_begin(struct qr_control *control, struct qri_op *op,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_group_servers(struct qr_control *control, struct qri_op *op,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_group_record(struct qr_control *control, struct qri_op *op,
                                                  struct qr_err *err);
/* op_verify.c */
QR_NODISCARD enum qr_status qri_verify_check(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_verify_remove(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_replica_begin(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_replica_primary(struct qr_control *control, struct qri_op *op,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_rename_begin(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_rename_record(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_rename_nodes(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
void qri_tell_done(struct qr_control *control, struct qri_op *op);
QR_NODISCARD enum qr_status qri_drop_begin(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_hold(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_release(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_mark(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_remove(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_failover_begin(struct qr_control *control, struct qri_op *op,
                                               struct qr_err *err);
QR_NODISCARD enum qr_status qri_failover_switch(struct qr_control *control, struct qri_op *op,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_failover_ready(struct qr_control *control, struct qri_op *op,
                                               struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_server_begin(struct qr_control *control, struct qri_op *op,
                                                  struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_server_hold(struct qr_control *control, struct qri_op *op,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_server_release(struct qr_control *control, struct qri_op *op,
                                                    struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_server_mark(struct qr_control *control, struct qri_op *op,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_drop_server_remove(struct qr_control *control, struct qri_op *op,
                                                   struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_begin(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_prepare(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_unprepare(struct qr_control *control, struct qri_op *op,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_record(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_switch(struct qr_control *control, struct qri_op *op,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_scale_replace(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);

/* ---- op_geo.c: geo-secondaries ---- */
QR_NODISCARD enum qr_status qri_geo_add_begin(struct qr_control *control, struct qri_op *op,
                                              struct qr_err *err);
/* Until it has caught up. */
QR_NODISCARD enum qr_status qri_geo_seed(struct qr_control *control, struct qri_op *op,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_begin(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_drain(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_undrain(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_switch(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_open(struct qr_control *control, struct qri_op *op,
                                         struct qr_err *err);
/* The tier of a linked database: a secondary rises before its primary (40848) and falls after it
 * (40849), none becomes Basic (40851), and one of them changes at a time (40906). ops.mu held. */
QR_NODISCARD enum qr_status qri_geo_check_scale(struct qr_control *control,
                                                const struct qr_database_row *row,
                                                const struct qr_database_row *wanted,
                                                struct qr_err *err);
/* A primary that goes with its server: those that follow it are databases of their own. */
QR_NODISCARD enum qr_status qri_geo_set_free(struct qr_control *control, uint32_t primary_id,
                                             struct qr_err *err);
/* Error 40680 or 40681 if it has a link: what is asked for is not done with one. */
QR_NODISCARD enum qr_status qri_geo_check_alone(struct qr_control *control,
                                                const struct qr_database_row *row,
                                                struct qr_err *err);

/* ---- op_move.c, op_move_check.c ---- */
/* What an ALTER is: UPDATE, or a move of the data. */
uint8_t qri_move_kind(struct qr_control *control, const struct qr_control_ask *ask);
/* Its data is on its way to a target, and will be switched (row: of a database). */
bool qri_ops_has_target(struct qr_control *control, uint32_t database_id, uint32_t target_id);
QR_NODISCARD enum qr_status qri_move_begin(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_copy(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_uncopy(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_cut(struct qr_control *control, struct qri_op *op,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_uncut(struct qr_control *control, struct qri_op *op,
                                           struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_switch(struct qr_control *control, struct qri_op *op,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_move_open(struct qr_control *control, struct qri_op *op,
                                          struct qr_err *err);
/* Operations that were cut short: nobody gets at what they have cut. Before anybody is served. */
void qri_move_resume(struct qr_control *control);
void qri_move_done(struct qr_control *control, struct qri_op *op);
/* What has to be true before its data moves: error 45305 with the rule that is not met. */
QR_NODISCARD enum qr_status qri_move_check(struct qr_control *control, const struct qri_op *op,
                                           const struct qr_database_row *row,
                                           const struct qr_database_row *wanted,
                                           struct qr_err *err);
/* A size that is asked for holds what there is; `row` is of the database. */
QR_NODISCARD enum qr_status qri_move_check_size(const struct qri_op *op,
                                                const struct qr_database_row *row,
                                                const struct qr_database_row *wanted,
                                                struct qr_err *err);
struct qr_database_wish qri_op_wish(const struct qr_control_ask *ask);
