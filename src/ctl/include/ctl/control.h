/* ctl/control.h - the one who knows: which processes are ready, where a session goes, and the
 * operations that make, change and drop databases (calls in ctl/calls.h, served here).
 *
 * It runs in the supervisor's process and starts no processes itself: its host does. A compute node
 * is named "shared" (master and all databases in files), or "hs-<id>" or "hs-<id>-r<n>" (one
 * Hyperscale database: one of them is the primary, the others are its HA replicas; control decides
 * which). A named replica is a database of its own, with a node "hs-<id>".
 * Addresses, in the run directory: control.sock (short calls), operate.sock (operations), log.sock,
 * page.sock, NAME.node (node calls), NAME.tds (handoffs of a gateway). With other machines
 * (struct qr_control_machines) the log service and the page server may run on one of them;control
 * then takes calls on TCP, too: what such a role needs, and nothing else. So may the node of a
 * named replica, which says every second that it is there. Threads: any. Errors: T-SQL errors where
 * a statement could be at fault, else statuses. */
#pragma once
#include "ctl/calls.h"
#include "ctl/registry.h"
#include "env/env.h"
#include "obs/log.h"
#include "rpc/rpc.h"

struct qr_control;
struct qr_telemetry;

enum { QR_NODE_NAME_BYTES = 32, QR_RULES_MAX = 128 /* of each owner, as in Azure (40611) */ };
#define QR_NODE_SHARED "shared"
#define QR_ROLE_NAME_LOG "log"
#define QR_ROLE_NAME_PAGE "page"
#define QR_ROLE_NAME_GATEWAY "gateway"
#define QR_ROLE_NAME_API "api"
#define QR_ROLE_NAME_COMPUTE "compute" /* of certificates: every node */
/* Of every page server's database, so far. */
enum { QR_CONTROL_PAGE_BYTES = 8192 };

/* Whoever has the processes. Names are those above. */
struct qr_control_host {
    void *ctx;
    /* Starts that process if it does not run; returns at once. */
    enum qr_status (*want)(void *ctx, const char *name, struct qr_err *err);
    /* Ends it; the process is gone when this returns. */
    void (*end)(void *ctx, const char *node);
    /* Its process id now, 0: none. Who registers must be it. */
    int (*pid)(void *ctx, const char *name);
    /* Kills that process, if it has the name still; it returns as after a crash. NULL: none is
     * watched. */
    void (*kill)(void *ctx, const char *name, int pid);
};

/* What there is to know with more than one machine. */
struct qr_control_machines {
    const char *identity; /* PEM file (rpc/identity.h) */
    /* "tcp:HOST:PORT", on which other machines reach control; its operations */
    const char *address, *operate_address;
    bool log_away, page_away;          /* that role runs on another machine: it is not our host's */
    struct qr_control_service service; /* the addresses are those that other machines use */
};

struct qr_control_options {
    struct qr_env *env;
    struct qr_log log;
    struct qr_registry *registry;
    struct qr_telemetry *telemetry;             /* NULL: none is kept; borrowed */
    const char *run_dir;                        /* mode 0700; copied */
    const struct qr_control_machines *machines; /* NULL: this is the only one; borrowed */
    struct qr_control_host host;
    int64_t pause_minute_ns; /* what a minute of an auto-pause delay takes; 0: a minute */
    int64_t warm_up_ns;      /* how long a node that is to take over is warmed; 0: not */
    int64_t silence_ns;      /* for how long a process may not answer before it is killed; 0: for
                                ever */
    int64_t round_ns;        /* at most so long between looks at all databases (what is kept,
                                goes, follows); 0: seconds, each its own */
    int64_t autoscale_interval_ns; /* between what nodes say of used resources; 0: 15 s */
    /* What the control of this process knew before it became another program
     * (qr_control_hand_over); NULL: nothing. */
    const char *handed;
    /* For tests, NULL otherwise: true kills control there as far as this operation goes. Called by
     * the thread that runs it, before a step and when it has run but nothing says so. */
    bool (*dies)(void *ctx, const char *operation, const char *step, bool undoes, bool has_run);
    void *dies_ctx;
};

/* Serves from now on. */
QR_NODISCARD enum qr_status qr_control_new(const struct qr_control_options *options,
                                           struct qr_control **ret_control, struct qr_err *err);
/* Nobody is served any more; what waits is refused. NULL is accepted. */
void qr_control_free(struct qr_control *control);
/* Starts gateway, management API and shared node, and log service and page server if there is a
 * Hyperscale database (else they come with the first), waits until those of this machine are ready
 * (log service and page server: for a while), finishes operations that a crash left half done, and
 * makes master. QR_TIMEOUT, QR_CANCELLED after qr_control_stop. */
QR_NODISCARD enum qr_status qr_control_start(struct qr_control *control, int64_t until_mono_ns,
                                             struct qr_err *err);
/* Starts no node any more, and ends every wait. */
void qr_control_stop(struct qr_control *control);
/* That process was reaped: it does nothing any more. `returns`: its host starts it again. When it
 * was the primary of a Hyperscale database that has a replica ready, that one takes over. */
void qr_control_exited(struct qr_control *control, const char *name, bool returns);
/* A few times a second: ends waits that are over, forgets operations that are over for long. */
void qr_control_tick(struct qr_control *control);

/* ---- the program is replaced; handover.c ---- */

/* From now on operations do not begin to run: those that are asked for wait. QR_BUSY if some still
 * run by then; then none is held. */
QR_NODISCARD enum qr_status qr_control_hold(struct qr_control *control, int64_t until_mono_ns,
                                            struct qr_err *err);
void qr_control_go_on(struct qr_control *control);
/* The database's processes are replaced by new ones, with their sessions; what nobody uses has
 * none. Waits for the end of it. */
QR_NODISCARD enum qr_status qr_control_relocate(struct qr_control *control, uint32_t database_id,
                                                struct qr_err *err);
/* A node gives its sessions up, as for a relocation; whoever ends it next starts its successor. */
void qr_control_drain(struct qr_control *control, const char *node);
/* QR_OK once that process (0: whichever has that name) has registered; QR_TIMEOUT, QR_CANCELLED. */
QR_NODISCARD enum qr_status qr_control_wait_ready(struct qr_control *control, const char *name,
                                                  int pid, int64_t until_mono_ns,
                                                  struct qr_err *err);
/* It is ready, as if it had just registered. */
void qr_control_known(struct qr_control *control, const char *name, int pid);
/* Stops as qr_control_stop does, but whoever asks is to ask again, and writes down what the control
 * of the next program has to know (JSON). While operations are held. */
QR_NODISCARD enum qr_status qr_control_hand_over(struct qr_control *control,
                                                 struct qr_buf *ret_state, struct qr_err *err);

/* The operations, as the calls do them. Fields as calls.h lists them for the method. */
QR_NODISCARD enum qr_status qr_control_create_database(struct qr_control *control,
                                                       const struct qr_control_ask *ask,
                                                       struct qr_err *err);
QR_NODISCARD enum qr_status qr_control_drop_database(struct qr_control *control,
                                                     const struct qr_control_ask *ask,
                                                     struct qr_err *err);
/* The objective whose size that node has to have; NULL: it is not of one database. */
struct qr_slo;
const struct qr_slo *qr_control_node_slo(struct qr_control *control, const char *node);
/* Makes the sample's tables and rows in that database. */
QR_NODISCARD enum qr_status qr_control_fill_database(struct qr_control *control, struct qr_str name,
                                                     struct qr_err *err);
