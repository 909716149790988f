/* sim.h - the storage tier in one thread: a log service, two page servers, primaries and control on
 * a simulated network, disks and clock, all from one seed; and a model that knows what must be so.
 *
 * The model knows every commit that a primary ever proposed. A commit is real once anybody was told
 * of it (its primary by an acknowledgement, a page server by the feed, the next primary by the
 * fence); from then on it must never be lost. It is void once a fence was answered without it; from
 * then on nobody may ever be told of it. */
#pragma once
#include "base/buf.h"
#include "blob/simblob.h"
#include "crypt/keyring.h"
#include "env/sim.h"
#include "logsvc/client.h"
#include "logsvc/serve.h"
#include "pagesvc/client.h"
#include "pagesvc/feed.h"
#include "rpc/simnet.h"
#include "store/durable.h"
#include "store/hyper.h"
#include "store/txn.h"
#include "store/writer.h"

enum {
    PAGE_BYTES = 4096,
    PAGES_MAX = 12,
    TIMELINES_MAX = 8,
    COMMITS_MAX = 1024, /* of one timeline */
    IMAGES_MAX = 1 << 14,
    SERVERS = 2,
    WRITERS = 4,
    COMPUTES = 4,
    READINGS = 3,    /* snapshots that a compute node has open */
    EPOCHS = 256,    /* of one timeline */
    APPENDS_MAX = 8, /* in flight, of one primary */
    PINS_MAX = 4,    /* of one timeline */
    TRACE_LINES = 200,
    TRACE_BYTES = 160,
};
extern const int64_t MS;

/* --- the model --- */

enum fate { PROPOSED, REAL, VOID };

struct commit {
    uint64_t lsn, epoch, commit_no;
    int prev; /* index of the commit that it changed; -1: the timeline's start */
    enum fate fate;
    bool acked;
    uint32_t db_pages;
    uint32_t version[PAGES_MAX + 1]; /* index of an image; 0: no such page */
};
struct pin {
    struct qr_timeline name;
    uint64_t lsn;
    bool set; /* its being set was answered, its end not yet asked for */
};
struct history { /* of one timeline */
    struct qr_timeline id;
    bool alive;   /* made, and not dropped */
    bool created; /* a record of it was asked for at least */
    bool dropped, log_dropped;
    int parent; /* -1: none */
    int server; /* where control put its slice */
    int moves;  /* of it, begun: who reads from the server before has no lease at the next one */
    uint64_t branch_lsn, start_lsn;
    uint64_t last_epoch;   /* that control gave out */
    uint64_t fenced_epoch; /* whose fence was answered */
    bool closed[EPOCHS];   /* the next epoch began without force */
    uint64_t horizon;      /* asked for, so anything before it may be gone */
    uint64_t log_visible;  /* of the log service, at the last look */
    struct commit *commits;
    int commit_count;
    struct pin pins[PINS_MAX];
};
struct model {
    struct history timelines[TIMELINES_MAX];
    int count;
    uint8_t *images[IMAGES_MAX];
    uint64_t image_lsn[IMAGES_MAX];
    uint32_t image_count;
};

/* --- the processes --- */

struct log_node {
    struct qr_simnet_node *node;
    struct qr_sim *disk;
    struct qr_logsvc *svc; /* NULL: down */
    struct qr_keyring *keyring;
    bool failed; /* it said that its journal failed */
    bool flush_due;
    int64_t up_at_ns;
};
struct page_node {
    struct qr_simnet_node *node;
    struct qr_sim *disk;
    struct qr_pagesvc *svc; /* NULL: down */
    struct qr_keyring *keyring;
    struct qr_pagefeed *feed;
    int64_t up_at_ns;
    uint64_t visible[TIMELINES_MAX]; /* at the last look; 0: not attached */
    uint64_t reattached;             /* of the feed, at the last look */
    char dir[16];
};

enum writer_state { W_IDLE, W_FENCE, W_OPEN, W_SERVE };
struct append {
    uint64_t first_lsn, commit_lsn;
    uint8_t *bytes;
    uint32_t count;
    bool new_epoch, in_flight;
    int64_t retry_at_ns;
};
struct writer { /* a primary's process */
    struct qr_simnet_node *node;
    int64_t up_at_ns; /* when it comes back, while it is down */
    uint64_t boot;    /* answers to older ones mean nothing */
    enum writer_state state;
    int timeline;
    uint64_t epoch, holder;
    bool asking, forced;
    int64_t retry_at_ns;
    uint64_t end_lsn;
    int last_commit; /* index; what the next one changes */
    struct append appends[APPENDS_MAX];
    int append_count;
    int64_t lease_until_ns, renew_at_ns;
};

struct compute;
struct told {                    /* a commit that is to be acknowledged */
    struct qr_durable_wait wait; /* first */
    struct compute *compute;
    struct told *next;
};
struct reading {
    struct qr_txn *txn; /* NULL: none */
    int commit, left;   /* its snapshot; pages still to be read */
};
struct compute { /* a process with a hyper store */
    struct world *w;
    int n;
    struct qr_simnet_node *node;
    struct qr_sim *disk;
    struct qr_store *store;  /* NULL: it is down, idle, or just opening */
    int timeline, server;    /* timeline -1: none */
    int moves;               /* of the timeline, when it opened */
    bool busy;               /* one of its calls is under way, further up the stack */
    bool doomed, failed;     /* it ends when that has returned; its store has failed */
    bool is_primary, late;   /* late: it opened when all was calm */
    uint64_t epoch, applied; /* applied: the durable LSN at the last look */
    int last_commit;         /* index, of a primary */
    int64_t up_at_ns;
    struct reading readings[READINGS];
    struct told *told;
};

enum control_kind {
    C_IDLE,
    C_CREATE,
    C_BRANCH,
    C_DROP,
    C_HORIZON,
    C_PIN,
    C_UNPIN,
    C_ATTACH,
    C_TRIM
};
struct control {
    struct qr_simnet_node *node;
    enum control_kind kind;
    int step, tries;
    int timeline, child, server, pin;
    uint64_t lsn;
    bool asking;
    int64_t retry_at_ns;
};

struct ask;
struct world {
    uint64_t seed, random;
    struct qr_simnet *net;
    struct qr_log_sink sink; /* of the processes; goes into the trace */
    struct qr_sim *blob_disk;
    struct qr_blob *store, *blob;     /* a directory, and the one that fails in front of it */
    struct qr_server_key *server_key; /* NULL in half of the worlds: nothing is encrypted */
    int64_t blob_ok_at_ns;
    struct log_node log;
    struct page_node servers[SERVERS];
    struct writer writers[WRITERS];
    struct compute computes[COMPUTES];
    int nested;            /* compute nodes whose calls drive the world */
    int64_t first_call_ns; /* when the first of them began */
    int ms;                /* steps so far */
    struct control control;
    struct model model;
    struct ask *asks;
    bool calm; /* no more faults, no more commits */
    bool failed;
    char why[400];
    char trace[TRACE_LINES][TRACE_BYTES];
    uint64_t trace_count, digest;
    /* what happened, for the summary */
    uint64_t commits, acks, reads, crashes, branches, opens, promotions;
};

/* --- world.c --- */
uint64_t pick(struct world *w, uint64_t below); /* 0 if below is 0 */
bool chance(struct world *w, uint32_t percent_of_percent);
int64_t now(struct world *w);
void say(struct world *w, const char *fmt, ...) QR_PRINTF(2, 3);
/* Something that must never be: the seed has failed. The first one counts. */
void violation(struct world *w, const char *fmt, ...) QR_PRINTF(2, 3);
/* A call; the body is taken over and freed. `done` is not called when the world ends before. */
typedef void answered_fn(struct world *w, uint64_t tag, const struct qr_rpc_reply *reply);
void ask(struct world *w, struct qr_rpc_peer *peer, uint16_t method, struct qr_buf *own_body,
         int64_t timeout_ns, answered_fn *done, uint64_t tag);
void asks_free(struct world *w);

/* --- nodes.c --- */
struct qr_sim *new_disk(struct world *w);
void nodes_init(struct world *w);
void nodes_done(struct world *w);
void nodes_step(struct world *w);
void log_down(struct world *w, bool power);
void server_down(struct world *w, int n, bool power);
struct qr_rpc_peer *to_log(struct world *w, struct qr_simnet_node *from);
struct qr_rpc_peer *to_server(struct world *w, struct qr_simnet_node *from, int n);

/* --- model.c --- */
void model_done(struct model *m);
int model_new(struct world *w, int parent, const struct commit *base, uint64_t start_lsn);
struct commit *model_find(struct history *h, uint64_t lsn);
/* Pages to change, page 1 last if the database grows: its header tells the length. */
int model_choose_pages(struct world *w, const struct commit *next, uint32_t pages[PAGES_MAX]);
uint32_t model_change_page(struct world *w, struct commit *next, uint32_t page, struct qr_buf *buf);
/* Somebody was told that this commit is there. */
void model_real(struct world *w, struct history *h, uint64_t lsn, const char *who);
void model_acked(struct world *w, struct history *h, uint64_t lsn, uint64_t epoch);
void model_fenced(struct world *w, struct history *h, uint64_t epoch, uint64_t commit_lsn);
/* A real commit that can be read, -1: there is none. */
int model_pick(struct world *w, struct history *h);
/* Compares what a page server answered. */
void model_check_page(struct world *w, const struct history *h, const struct commit *c,
                      uint32_t page, enum qr_status status, uint64_t version, const uint8_t *bytes,
                      size_t count);

/* --- writer.c --- */
void writer_step(struct world *w, int n);
void writer_down(struct world *w, int n);
void writer_start(struct world *w, int n, int timeline);

/* --- compute.c --- */
void computes_init(struct world *w);
void compute_step(struct world *w, int n);
void compute_down(struct world *w, int n, bool power);
void compute_start(struct world *w, int n, int timeline);
void compute_check(struct world *w, int n);     /* after every event */
void compute_check_end(struct world *w, int n); /* when all is calm */

/* --- control.c --- */
void control_step(struct world *w);
uint64_t log_needed_from(struct world *w, int timeline); /* UINT64_MAX: by nobody; 0: unknown */

/* --- check.c --- */
void check_step(struct world *w);  /* after every event */
void check_reads(struct world *w); /* some pages, as of some commit */
void check_all(struct world *w);   /* at the end, when all is calm */
