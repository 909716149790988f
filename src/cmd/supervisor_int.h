/* supervisor_int.h - what the supervisor's files give each other */
#pragma once
#include <pthread.h>
#include "cmd_int.h"
#include "ctl/control.h"
#include "rpc/frame.h"
#include "super/cgroup.h"
#include "super/super.h"

struct qr_telemetry;
struct qri_upgrade;

/* ---- handed.c: what a supervisor leaves to the program that it becomes ---- */

/* The form that this version writes, and may take over. It stands for all that processes of two
 * programs say to each other, because it is what the new one is asked about: the forms of calls, of
 * sessions that move and of what control leaves are asserted to be those that belong to it. */
enum { QRI_HANDED_FORMAT = 3, QRI_HANDED_CHILDREN_MAX = QR_SUPER_CHILDREN_MAX };
_Static_assert(QR_RPC_VERSION == 1, "QRI_HANDED_FORMAT goes up with it");
struct qri_handed_child {
    char name[QR_SUPER_NAME_BYTES_MAX + 1];
    int pid;
    bool retired;
};
struct qri_handed {
    int fd;             /* of the file with all but the next two; -1: there is none */
    int back_fd;        /* the former program, for who cannot go on; -1: none */
    const char *failed; /* why the former program is back; "": it is not */
    int tds_fd, https_fd, lock_fd, children_fd;
    const char *run_dir; /* texts are the arena's */
    const char *control; /* qr_control_hand_over's */
    const char *report;  /* of the upgrade, so far */
    struct qri_handed_child *children;
    size_t child_count;
};
/* Whether a text can be handed over: UTF-8. */
bool qri_handed_may_say(const char *text);
/* Makes the file, an anonymous one. */
QR_NODISCARD enum qr_status qri_handed_write(struct qri_handed *handed, struct qr_err *err);
/* What our own environment says, which forgets it; false: nothing. */
bool qri_handed_begin(struct qr_arena *arena, struct qri_handed *ret_handed);
/* Fills in the rest. QR_UNSUPPORTED: another form; QR_CORRUPT. */
QR_NODISCARD enum qr_status qri_handed_read(struct qr_arena *arena, struct qri_handed *handed,
                                            struct qr_err *err);
/* This process becomes that program, and goes on. Returns if it could not. */
void qri_handed_run(const struct qri_handed *handed, const char *program, char *const *argv);
/* This program cannot go on: the former one does. Returns if there is none. */
void qri_handed_back(const struct qri_handed *handed, const char *reason, char *const *argv);

/* ---- the supervisor ---- */

struct supervisor {
    struct qr_env *env;
    struct qr_log_sink *sink;
    struct qr_log log;
    struct qr_arena *arena;
    const struct qri_settings *settings;
    char *const *argv; /* of this process */
    struct qri_datadir dir;
    const char *run_dir;
    struct qr_server_key *server_key;
    struct qr_meta *meta;
    struct qr_telemetry *telemetry;
    struct qr_registry *registry;
    int tds_fd, https_fd;
    uint16_t tds_port, https_port;
    struct qr_control_machines machines;
    struct qr_super *super;
    struct qr_cgroups *cgroups; /* NULL: switched off */
    struct qr_control *control;
    pthread_mutex_t program_mu; /* guards the next, and that a start with it is one step */
    char program[64];           /* of children that start from now on */
    bool resumes;               /* it was another program before, which left `handed` */
    struct qri_handed handed;
    struct qri_upgrade *upgrade;
    char next_program[64];  /* that this process becomes */
    struct qri_handed next; /* what it leaves */
    bool has_left;          /* the children are not ours to end any more */
    size_t adopted;         /* children of `handed` */
    bool fails_over;        /* we could not take over, and the former program does */
    struct qr_err why;
    pthread_mutex_t mu; /* guards `control` for who hears of ends, and the rest: the first thread
                           waits for the other one */
    pthread_cond_t changed;
    bool has_super, is_over;
    int code;
};

/* ---- children.c ---- */

#define QRI_OWN_PROGRAM "/proc/self/exe"
/* What a child is started with. */
struct qri_child_spec {
    struct qr_super_child child;
    size_t count;
    bool overflows; /* QR_SUPER_ARGS_MAX wants to be larger */
    const char *texts[QR_SUPER_ARGS_MAX + 1];
    char numbers[16][24];
    size_t number_count;
    char groups[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
};
/* `name`: a role's, or a compute node's. The strings are borrowed. */
QR_NODISCARD enum qr_status qri_child_spec(const struct supervisor *s, const char *name,
                                           const char *program, struct qri_child_spec *ret_spec,
                                           struct qr_err *err);
/* qr_control_host.want */
QR_NODISCARD enum qr_status qri_child_want(void *ctx, const char *name, struct qr_err *err);

/* ---- become.c: this process becomes another program ---- */

void qri_close_metadata(struct supervisor *s);
/* What is left then is execve, by the first thread (qri_become_run). */
void qri_become_leave(struct supervisor *s, const char *program);
/* We have failed to go on (fails_over): what has become of the children, and of what control knows,
 * since they were handed to us is what the former program gets. */
void qri_become_back(struct supervisor *s);
/* By the first thread. Returns if no program could be run, or none is to be. */
void qri_become_run(struct supervisor *s);

/* ---- upgrade.c ---- */

/* Serves `quired upgrade` from now on. */
QR_NODISCARD enum qr_status qri_upgrade_open(struct supervisor *s, struct qri_upgrade **ret_upgrade,
                                             struct qr_err *err);
/* Ends what runs. After qr_control_stop. NULL is accepted. */
void qri_upgrade_close(struct qri_upgrade *upgrade);
/* All children run the new program, and this process is to become it: its path. NULL: not now. */
const char *qri_upgrade_is_due(struct qri_upgrade *upgrade);
/* A copy of the report, freed by the caller. */
char *qri_upgrade_report(struct qri_upgrade *upgrade);
