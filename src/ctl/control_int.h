/* control_int.h - what control's files give each other */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "ctl/control.h"
#include "rpc/identity.h"
#include "ctl/keep.h"
#include "ctl/resources.h"
#include "rpc/socket.h"
#include "steady.h"
#include "store/hyper_branch.h"

enum { QRI_PARKED_MAX = 16384, QRI_PATH_BYTES = 128, QRI_OP_WORKERS = 8, QRI_REIGN_WORKERS = 8 };

/* Whether a process answers (watch.c). A call's end must not wait for mu: who has that may wait for
 * the loop. */
struct qri_watched {
    struct qr_rpc_call call;        /* first */
    struct qr_rpc_client *client;   /* its own: what it says of silence is of no other call */
    int pid;                        /* whose `client` is */
    uint64_t generation;            /* of the member, when it was asked */
    _Atomic bool asked;             /* `call` is in flight */
    _Atomic uint32_t rounds;        /* since then */
    _Atomic uint32_t silent_rounds; /* of calls before without an answer; 0: it has answered */
};

/* A compute node that has been named since the start, or one of the other roles. */
struct qri_member {
    struct qri_member *next;
    char name[QR_NODE_NAME_BYTES];
    bool ready;                   /* since it registered, and until it drains or is gone */
    int pid;                      /* that registered last; 0: on another machine */
    bool drains;                  /* until it is gone */
    uint64_t generation;          /* raised by each registration and each exit */
    struct qr_rpc_client *client; /* of its node calls; compute nodes only */
    struct qri_watched watched;
    /* of a process on another machine (machines.c) */
    bool is_away;                      /* it is there now */
    bool moves, is_moving;             /* ours has to end for it; and is about to */
    bool has_left;                     /* it has said that it goes */
    bool lapsed;                       /* who was there has been lost: ours may be wanted */
    char moves_to[QR_NODE_NAME_BYTES]; /* who has the place then */
    int64_t comes_until_ns;            /* it has asked for that, and is waited for until then */
    uint32_t away_pid;
    char machine[QR_IDENTITY_NAME_BYTES];
    int64_t until_ns; /* unless it says again that it is there */
    struct qr_rpc_client *away_client;
    char node_address[QR_CONTROL_PLACE_BYTES], session_address[QR_CONTROL_ADDRESS_BYTES];
};

/* Who is the primary of a Hyperscale database, once that had to be thought about (reign.c). */
enum qri_reign_state {
    QRI_REIGN_STEADY,
    QRI_REIGN_VACANT, /* `primary` has yet to take over */
    QRI_REIGN_RESTED, /* the primary has nothing to do: the replicas end when they have neither */
};
struct qri_reign {
    struct qri_reign *next;
    uint32_t database_id;
    enum qri_reign_state state;
    char primary[QR_NODE_NAME_BYTES];
    bool is_busy;                  /* a thread carries it out */
    int64_t again_ns;              /* and does not try again before */
    bool held_back;                /* it moves: routes wait, and nothing is started for them */
    bool yields;                   /* the primary is ended so that another takes over */
    char heir[QR_NODE_NAME_BYTES]; /* the one that should, "" any */
};

/* A call that waits: a route for a node, a gateway for news. */
struct qri_parked {
    struct qri_parked *next;
    struct qr_rpc_request *request;
    uint16_t method;
    uint64_t known_version;     /* STATE */
    struct qr_database_row row; /* ROUTE */
    bool read_only;             /* ROUTE */
    int64_t deadline_ns;
};

/* A thread that looks at everything, waits, and looks again (rounds.c). */
struct qri_rounds {
    pthread_t thread;
    bool runs;
    struct qr_control *control;
    void (*look)(struct qr_control *control);
    int64_t every_ns;
};

/* What a serverless database costs at least and is not kept yet (bill.c). */
struct qri_owed {
    int64_t minute_ns, until_mono_ns;
    uint64_t micros, ha_micros; /* millionths of a vCore second */
};
struct qri_bill {
    struct qr_buf rows;
    int64_t keep_at_ns;
};

/* What is known of a serverless database (pause.c). */
enum qri_rest_state { QRI_REST_NONE, QRI_REST_PAUSES, QRI_REST_RESUMES };
struct qri_rest {
    struct qri_rest *next;
    uint32_t database_id;
    enum qri_rest_state state; /* somebody is at it: it stays */
    bool wanted;               /* somebody waits for it to be online */
    bool is_seen;
    int64_t used_ns;      /* when it was routed to, or known to be used */
    int64_t check_ns;     /* before it there is no need to look at it */
    struct qri_owed owed; /* the looking thread's */
};
enum { QRI_REST_BITS = 10, QRI_REST_BUCKETS = 1 << QRI_REST_BITS };
struct qri_rests {
    struct qri_rest *buckets[QRI_REST_BUCKETS]; /* by id */
    bool wakes;                                 /* one of them may be wanted */
    pthread_t waker;
    bool waker_runs;
    struct qri_rounds rounds;
};

/* One operation on a database at a time. */
struct qri_claim {
    struct qri_claim *next;
    uint32_t database_id;
};

/* Operations that are known (ops_int.h). */
struct qri_op;
struct qri_ops {
    pthread_mutex_t mu; /* guards everything below; before the registry's and control's */
    pthread_cond_t changed;
    struct qri_op *newest;
    struct qri_op *active; /* those that are not over, newest first; few */
    size_t count;
    uint64_t next_number;
    bool may_resume;
    bool held; /* none begins to run (handover.c) */
    int64_t expire_at_ns;
    pthread_t workers[QRI_OP_WORKERS];
    size_t worker_count;
};

struct qr_control {
    struct qr_control_options options;
    char run_dir[QRI_PATH_BYTES];
    struct qr_rpc_loop *loop;
    struct qr_rpc_listener *short_listener, *operation_listener;
    struct qr_rpc_listener *machine_listener, *machine_operation_listener; /* machines.c */
    struct qr_rpc_client *log, *pages;
    _Atomic bool stopping;
    _Atomic bool leaves; /* another program goes on: who asks asks again */
    struct qri_ops ops;
    pthread_t reign_threads[QRI_REIGN_WORKERS];
    size_t reign_thread_count;
    pthread_mutex_t rules_mu; /* one change of firewall rules at a time; before mu */
    pthread_mutex_t mu;       /* guards everything below */
    pthread_cond_t changed;   /* a member, the gateway's version, stopping */
    struct qri_member *members;
    struct qri_claim *claims;
    struct qri_reign *reigns;
    int64_t largest_at_ns; /* when the largest objective in use was looked for, and what it is */
    uint32_t largest_pct;
    uint32_t turn; /* of the replicas that readers are sent to */
    struct qri_parked *parked;
    size_t parked_count;
    uint64_t version;         /* of the gateway's state */
    uint64_t gateway_version; /* what the gateway has; 0: nothing yet */
    struct qri_rounds retention, vault, geo, watch;
    struct qri_rests rests;
    struct qri_bill bill; /* the thread's that looks at them */
    struct qri_autoscaler *autoscaler;
    pthread_mutex_t geo_mu;             /* one link at a time is looked at or changed; before mu */
    struct qri_geo_seen *geo_seen;      /* what nodes said of links; guarded by mu */
    int64_t retain_at_ns;               /* the retention thread's: the next look at all */
    struct qri_steady steady;           /* its, too: what time it is for what goes */
    _Atomic int64_t steady_now_ns;      /* written by it, read by all */
    int64_t check_at_ns;                /* its, too: for backups of what is deleted */
    struct qri_vault_wait *vault_waits; /* the vault thread's */
    _Atomic bool vault_makes;           /* a row of it is PURGING, but is just being made */
};

/* ---- telemetry_call.c ---- */
void qri_telemetry_serve(struct qr_control *control, const struct qr_control_ask *ask,
                         bool is_report, struct qr_rpc_request *own_request);

/* ---- handover.c: what an earlier program's control knew; before anybody is served ---- */
QR_NODISCARD enum qr_status qri_control_handed(struct qr_control *control, struct qr_err *err);
/* Who of them has ended since, and nobody told us. */
void qri_control_verify(struct qr_control *control);

/* ---- control.c ---- */
struct qri_member *qri_control_member(struct qr_control *control, const char *name); /* mu held */
/* NULL: there is none yet. mu held */
struct qri_member *qri_control_find_member(struct qr_control *control, const char *name);
/* mu held */
bool qri_control_ready(struct qr_control *control, const char *name);
/* What the gateway knows has changed. Waits until it knows, or is not there, or has had its time.
 */
void qri_control_tell_gateway(struct qr_control *control, bool wait);
/* A peer for node calls, good until its database is forgotten. */
QR_NODISCARD enum qr_status qri_control_node(struct qr_control *control, const char *name,
                                             struct qr_rpc_peer **ret_peer, struct qr_err *err);
/* Its database is gone. */
void qri_control_forget_node(struct qr_control *control, const char *name);
/* No route leads to it from now on, and its sessions go back to the gateway, between two requests
 * each, where they wait for the next one that is ready. It is ended next; sessions that could not
 * go end with it. */
bool qri_control_drain_node(struct qr_control *control, const struct qr_database_row *row,
                            const char *name);
/* A call of an idempotent method, repeated while the node is not reachable. */
QR_NODISCARD enum qr_status qri_control_node_call(struct qr_control *control,
                                                  const struct qr_database_row *row,
                                                  enum qr_control_method method,
                                                  struct qr_err *err);

/* The same of the node of that name. */
QR_NODISCARD enum qr_status qri_control_call_node(struct qr_control *control, const char *name,
                                                  const struct qr_database_row *row,
                                                  enum qr_control_method method,
                                                  struct qr_err *err);

/* Was the other side not there, and is it worth another try? Pauses then. */
bool qri_control_repeats(struct qr_control *control, enum qr_status status, int64_t until_ns);
void qri_control_claim(struct qr_control *control, struct qri_claim *claim, uint32_t database_id);
/* False: somebody has it. */
bool qri_control_try_claim(struct qr_control *control, struct qri_claim *claim,
                           uint32_t database_id);
void qri_control_unclaim(struct qr_control *control, struct qri_claim *claim);

/* ---- watch.c: processes that do not answer are killed ---- */
QR_NODISCARD enum qr_status qri_watch_start(struct qr_control *control, struct qr_err *err);
/* Its socket may be left; mu held. */
void qri_watch_exited(const struct qr_control *control, const struct qri_member *member);
/* It has not answered lately; mu held. */
bool qri_watch_is_silent(struct qr_control *control, const char *name);

/* ---- serve.c: qr_rpc_serve_fn whose ctx is the struct qr_control ---- */
void qri_control_serve_short(void *ctx, struct qr_rpc_request *own_request);
void qri_control_serve_operation(void *ctx, struct qr_rpc_request *own_request);
/* Answers, refuses or keeps what waits; mu held. */
void qri_control_look_at_parked(struct qr_control *control);
void qri_control_refuse_parked(struct qr_control *control);

/* Of a list: its rows come behind this id, and this is one of them. */
uint32_t qri_control_list_after(const struct qr_control_ask *ask);
bool qri_control_is_listed(const struct qr_control_ask *ask, const struct qr_database_row *row);

/* ---- limits.c ---- */
void qri_limits_serve(struct qr_control *control, const struct qr_control_ask *ask,
                      struct qr_rpc_request *own_request);

/* ---- op_server.c ---- */
QR_NODISCARD enum qr_status qri_control_make_server(struct qr_control *control,
                                                    const struct qr_control_ask *ask,
                                                    struct qr_err *err);
/* Its master, unless it has one. */
QR_NODISCARD enum qr_status qri_control_make_master(struct qr_control *control, uint32_t server,
                                                    struct qr_err *err);

/* ---- docs.c ---- */
/* What puts a new server's document, for its transaction; its value is the caller's to free. */
enum { QRI_DOC_KEY_BYTES = 32 + QR_DOC_NAME_BYTES_MAX };
QR_NODISCARD enum qr_status qri_docs_new_server(struct qr_control *control, struct qr_str name,
                                                struct qr_str text, char key[QRI_DOC_KEY_BYTES],
                                                struct qr_meta_op *ret_put, struct qr_err *err);
/* What deletes it. */
struct qr_meta_op qri_docs_old_server(struct qr_str name, char key[QRI_DOC_KEY_BYTES]);

/* ---- ops.c, ops_show.c: operations ---- */
void qri_ops_init(struct qr_control *control);
QR_NODISCARD enum qr_status qri_ops_open(struct qr_control *control, struct qr_err *err);
void qri_ops_resume(struct qr_control *control); /* what an earlier start has left goes on */
void qri_ops_expire(struct qr_control *control); /* what is over for long is forgotten */
void qri_ops_refuse(struct qr_control *control); /* after qr_control_stop: who waits is refused, */
void qri_ops_join(struct qr_control *control);   /* the workers end, */
void qri_ops_done(struct qr_control *control);   /* and all is freed */
/* Starts an operation; answers now, or at its end. */
void qri_ops_serve(struct qr_control *control, const struct qr_control_ask *ask,
                   struct qr_rpc_request *own_request);
/* The same, waited for. */
QR_NODISCARD enum qr_status qri_ops_run(struct qr_control *control, uint16_t method,
                                        const struct qr_control_ask *ask, struct qr_err *err);
/* The same, not waited for. */
QR_NODISCARD enum qr_status qri_ops_start(struct qr_control *control, uint16_t method,
                                          const struct qr_control_ask *ask,
                                          char ret_id[QR_GUID_TEXT_BYTES + 1], struct qr_err *err);
bool qri_ops_is_active(struct qr_control *control, uint32_t database_id);
/* An operation has made that member, which is to take over. */
bool qri_ops_has_member(struct qr_control *control, uint32_t database_id, uint32_t member);
void qri_ops_describe(struct qr_control *control, struct qr_resource_database *d);
/* Answers of resource_serve.c; QR_NOT_FOUND may be without words. */
QR_NODISCARD enum qr_status qri_ops_get(struct qr_control *control,
                                        const struct qr_control_ask *ask, struct qr_buf *answer,
                                        struct qr_err *err);
QR_NODISCARD enum qr_status qri_ops_list(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_buf *answer,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_ops_cancel(struct qr_control *control,
                                           const struct qr_control_ask *ask, struct qr_buf *answer,
                                           struct qr_err *err);

/* A node has taken the first full backup of a database. */
QR_NODISCARD enum qr_status qri_backups_note(struct qr_control *control,
                                             const struct qr_control_ask *ask, struct qr_err *err);
/* How large it is, as a node of it says. */
struct qr_move_state;
QR_NODISCARD enum qr_status qri_move_size(struct qr_control *control,
                                          const struct qr_database_row *row,
                                          struct qr_move_state *ret_state);
void qri_usage_serve(struct qr_control *control, const struct qr_control_ask *ask,
                     struct qr_rpc_request *own_request);

/* ---- op_pool.c: of elastic pools ---- */
QR_NODISCARD enum qr_status qri_pool_get(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_buf *answer,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_pool_list(struct qr_control *control,
                                          const struct qr_control_ask *ask, struct qr_buf *answer,
                                          struct qr_err *err);

/* ---- docs.c: the same of documents ---- */
struct json_t;
/* The caller's to free; QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_docs_read(struct qr_control *control, uint8_t kind,
                                          struct qr_str name, struct json_t **ret_doc,
                                          struct qr_err *err);
/* Each of a kind whose names are numbers; false ends it. What `each` gets is borrowed. */
QR_NODISCARD enum qr_status qri_docs_each_number(struct qr_control *control, uint8_t kind,
                                                 bool (*each)(void *arg, uint32_t number,
                                                              struct json_t *doc),
                                                 void *arg, struct qr_err *err);
QR_NODISCARD enum qr_status qri_docs_prepare(struct qr_control *control, struct qr_err *err);
QR_NODISCARD enum qr_status qri_docs_get(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_buf *answer,
                                         struct qr_err *err);
QR_NODISCARD enum qr_status qri_docs_list(struct qr_control *control,
                                          const struct qr_control_ask *ask, struct qr_buf *answer,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_docs_put(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_buf *answer,
                                         struct qr_err *err);
/* The group's name as it was made; QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_docs_group(struct qr_control *control, struct qr_str name,
                                           char *dst, size_t dst_bytes, struct qr_err *err);
/* The name of the server behind the first *after ones in that group, of which there is one more
 * then. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_docs_server_in(struct qr_control *control, struct qr_str group,
                                               uint32_t *after,
                                               char dst[QR_SERVER_NAME_BYTES_MAX + 1],
                                               struct qr_err *err);
/* The number of the region that the server is in. */
uint32_t qri_docs_region_of(struct qr_control *control, uint32_t server);
/* What is kept about a server beside its document goes. */
QR_NODISCARD enum qr_status qri_docs_forget_server(struct qr_control *control, struct qr_str name,
                                                   struct qr_err *err);
/* op_group.c: an operation deletes it. */
bool qri_group_goes(struct qr_control *control, struct qr_str group);
QR_NODISCARD enum qr_status qri_docs_delete(struct qr_control *control,
                                            const struct qr_control_ask *ask, struct qr_buf *answer,
                                            struct qr_err *err);

/* ---- resource_serve.c: false: it is no such call ---- */
bool qri_resource_serve(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request);

/* ---- op_make.c ---- */
/* The row is CREATING or DROPPING; idempotent. */
QR_NODISCARD enum qr_status qri_remove_all(struct qr_control *control,
                                           const struct qr_database_row *row, struct qr_err *err);
/* Rows that are half made, or half gone, and whose operation nobody knows. */
QR_NODISCARD enum qr_status qri_control_tidy(struct qr_control *control, struct qr_err *err);

/* ---- hyper.c: a Hyperscale database's log and pages ---- */
QR_NODISCARD enum qr_status qri_hyper_make(struct qr_control *control,
                                           const struct qr_database_row *row, struct qr_err *err);

QR_NODISCARD enum qr_status qri_control_grow(struct qr_control *control,
                                             const struct qr_control_ask *ask, struct qr_err *err);

/* ---- op_move_check.c ---- */
/* How large its data is, if an ALTER depends on it; waits for the node, so without any lock.
 * UINT64_MAX: it does not, or nobody could say. */
uint64_t qri_move_used_bytes(struct qr_control *control, uint16_t method,
                             const struct qr_control_ask *ask);

/* ---- copy.c: CREATE ... AS COPY OF, and restores ---- */
/* Finds the source and fills in of the wish what the copy has from it; the texts are the source's.
 */
QR_NODISCARD enum qr_status qri_copy_check(struct qr_control *control,
                                           const struct qr_control_ask *ask,
                                           struct qr_database_wish *wish,
                                           struct qr_database_row *ret_source, struct qr_err *err);
QR_NODISCARD enum qr_status qri_copy_make(struct qr_control *control, uint32_t source_id,
                                          const struct qr_control_ask *ask,
                                          const struct qr_database_row *row, struct qr_err *err);
/* Who reads the backups of a database that has files, and takes what is in none yet. */
QR_NODISCARD enum qr_status qri_copy_node(struct qr_control *control,
                                          const struct qr_database_row *source,
                                          struct qr_rpc_peer **ret_peer, struct qr_err *err);
/* A branch of `source` at what is asked; `row` gets its parent. */
QR_NODISCARD enum qr_status qri_copy_branch(struct qr_control *control,
                                            const struct qr_database_row *source,
                                            const struct qr_control_ask *ask,
                                            const struct qr_database_row *row, struct qr_err *err);
struct qr_hyper_services qri_hyper_services(struct qr_control *control);
/* What a blob store that refuses or has lost something means by it is not what the same status
 * means to who asked for a database: no permission is lacking, and nothing of that name either.
 * Error 40197 then, and a line of the log. */
QR_NODISCARD enum qr_status qri_hyper_words(struct qr_control *control, const char *event,
                                            const struct qr_database_row *row,
                                            enum qr_status status, struct qr_err *err);

/* ---- retention.c ---- */
int64_t qri_retention_ns(const struct qr_database_row *row);
int64_t qri_made_wall_ns(const struct qr_database_row *row); /* 0: not known */
QR_NODISCARD enum qr_status qri_control_set_retention(struct qr_control *control,
                                                      const struct qr_control_ask *ask,
                                                      struct qr_err *err);
/* Of a database that is nobody's any more: its row goes when its storage and backups have. May be
 * repeated; the thread does. */
QR_NODISCARD enum qr_status qri_retention_purge(struct qr_control *control,
                                                const struct qr_database_row *row,
                                                struct qr_err *err);
/* SURE_TIME. */
void qri_retention_serve_time(struct qr_control *control, const struct qr_control_ask *ask,
                              struct qr_rpc_request *own_request);
QR_NODISCARD enum qr_status qri_retention_start(struct qr_control *control, struct qr_err *err);
void qri_retention_stop(struct qr_control *control); /* after qr_control_stop */

/* ---- autoscale.c, autoscale_call.c: databases that are scaled by their load ---- */
QR_NODISCARD enum qr_status qri_autoscale_open(struct qr_control *control, struct qr_err *err);
QR_NODISCARD enum qr_status qri_autoscale_start(struct qr_control *control, struct qr_err *err);
void qri_autoscale_stop(struct qr_control *control);  /* after qr_control_stop, */
void qri_autoscale_close(struct qr_control *control); /* and when nobody is served any more */
QR_NODISCARD enum qr_status qri_autoscale_change(struct qr_control *control,
                                                 const struct qr_control_ask *ask,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_autoscale_list(struct qr_control *control,
                                               const struct qr_control_ask *ask,
                                               struct qr_buf *answer, struct qr_err *err);

/* ---- rounds.c ---- */
/* The first look is `every_ns` from now. */
QR_NODISCARD enum qr_status qri_rounds_start(struct qri_rounds *rounds, struct qr_control *control,
                                             const char *name, int64_t every_ns,
                                             void (*look)(struct qr_control *control),
                                             struct qr_err *err);
/* After control is stopping. */
void qri_rounds_stop(struct qri_rounds *rounds);

/* ---- geo.c: geo-secondaries follow their primaries ---- */
QR_NODISCARD enum qr_status qri_links_start(struct qr_control *control, struct qr_err *err);
void qri_geo_done(struct qr_control *control);
/* Its primary's node is asked to send the log, now and with every round. */
void qri_geo_look(struct qr_control *control, uint32_t id);
/* What was last heard of that secondary. */
struct qr_follow_state;
struct qr_follow_state qri_geo_state(struct qr_control *control, uint32_t id);
/* Its primary's node does what is wished; geo_mu held. */
QR_NODISCARD enum qr_status qri_geo_ask(struct qr_control *control,
                                        const struct qr_database_row *secondary, uint8_t wish,
                                        struct qr_follow_state *ret_state, struct qr_err *err);
QR_NODISCARD enum qr_status qri_geo_links(struct qr_control *control,
                                          const struct qr_control_ask *ask, struct qr_buf *answer,
                                          struct qr_err *err);

/* ---- pause.c: serverless databases that nobody uses ---- */
/* Its routes wait until it is back, which is wished herewith; mu held. */
bool qri_pause_parks(struct qr_control *control, const struct qr_database_row *row);
/* It is not paused when this returns QR_OK; whoever has no claim on it may see it paused again.
 * `starts`: its process is started, too. */
QR_NODISCARD enum qr_status qri_pause_wake(struct qr_control *control, uint32_t id, bool starts,
                                           struct qr_err *err);
enum qr_pause_state qri_pause_state(struct qr_control *control, const struct qr_database_row *row);
QR_NODISCARD enum qr_status qri_pause_start(struct qr_control *control, struct qr_err *err);
void qri_pause_stop(struct qr_control *control); /* after qr_control_stop */
void qri_pause_done(struct qr_control *control);

/* ---- bill.c: by the thread that looks at serverless databases ---- */
void qri_bill_init(struct qri_bill *bill);
void qri_bill_done(struct qri_bill *bill);
/* Of a row that is online or paused. */
void qri_bill_look(struct qr_control *control, struct qri_owed *owed,
                   const struct qr_database_row *row);
void qri_bill_keep(struct qr_control *control); /* after all have been looked at */

/* ---- vault.c: long-term backups ---- */
#define QRI_LONG_POLICY "/longTermRetention" /* behind the guid: a document of kind POLICY */
/* That database is given up for good: its long-term backups know since when. */
void qri_vault_note_drop(struct qr_control *control, const struct qr_database_row *dropped);
QR_NODISCARD enum qr_status qri_vault_unkeep(struct qr_control *control,
                                             const struct qr_control_ask *ask, struct qr_err *err);
/* What the policy of a database says; off if there is none. */
QR_NODISCARD enum qr_status qri_vault_policy(struct qr_control *control, const char *guid,
                                             struct qr_keep_policy *ret_policy, struct qr_err *err);
QR_NODISCARD enum qr_status qri_vault_start(struct qr_control *control, struct qr_err *err);
void qri_vault_stop(struct qr_control *control); /* after qr_control_stop */

/* ---- backups.c ---- */
void qri_backups_serve(struct qr_control *control, const struct qr_control_ask *ask,
                       struct qr_rpc_request *own_request);

/* ---- logins.c ---- */
QR_NODISCARD enum qr_status qri_control_set_login(struct qr_control *control,
                                                  const struct qr_control_ask *ask,
                                                  struct qr_err *err);
/* Their hashes: of all, or of the one of that name. */
QR_NODISCARD enum qr_status qri_control_put_logins(struct qr_control *control, uint32_t server,
                                                   bool all_hashes, struct qr_str with_hash,
                                                   struct qr_buf *buf, struct qr_err *err);
void qri_logins_serve(struct qr_control *control, const struct qr_control_ask *ask,
                      struct qr_rpc_request *own_request);

/* ---- owner.c ---- */
/* QR_NOT_FOUND: also of master, and of what has its owner from another database. */
QR_NODISCARD enum qr_status qri_control_set_owner(struct qr_control *control,
                                                  const struct qr_control_ask *ask,
                                                  struct qr_err *err);

/* ---- rules.c ---- */
QR_NODISCARD enum qr_status qri_control_set_rule(struct qr_control *control,
                                                 const struct qr_control_ask *ask,
                                                 struct qr_err *err);
QR_NODISCARD enum qr_status qri_control_delete_rule(struct qr_control *control,
                                                    const struct qr_control_ask *ask,
                                                    struct qr_err *err);
void qri_control_forget_rules(struct qr_control *control, uint32_t database_id);
/* Items of one owner's rules, or of all of them. */
QR_NODISCARD enum qr_status qri_control_put_rules(struct qr_control *control, bool all,
                                                  uint32_t database_id, struct qr_buf *buf,
                                                  struct qr_err *err);
