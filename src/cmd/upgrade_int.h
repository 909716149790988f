/* upgrade_int.h - what a supervisor and the program that replaces it, or asks it to be replaced,
 * say to each other. The form stays as it is from release to release. */
#pragma once
#include <stdbool.h>
#include "base/status.h"

/* The environment of a new program: "probe:FORMAT,METADATA" (would it take over? it answers on
 * standard output), "resume:FD" (it takes over). */
#define QRI_UPGRADE_VARIABLE "QUIRE_UPGRADE"
#define QRI_UPGRADE_PROBE "probe:"
#define QRI_UPGRADE_RESUME "resume:"
#define QRI_UPGRADE_YES "quire upgrade: yes "

/* Calls on RUN/upgrade.sock. */
enum {
    QRI_UPGRADE_BEGIN = 1, /* the program's path; QR_BUSY: one is under way; QR_EXISTS: it runs */
    QRI_UPGRADE_SEEN = 2,  /* u32 le: bytes of the report that are known; enum qri_upgrade_state and
                              the rest of it */
};
enum qri_upgrade_state {
    QRI_UPGRADE_IDLE,
    QRI_UPGRADE_RUNS,
    QRI_UPGRADE_DONE,
    QRI_UPGRADE_FAILED,
    QRI_UPGRADE_STATE_COUNT
};

/* upgrade_probe.c. Of a new program: whether it takes over from a supervisor that hands over in
 * that form and whose metadata has that format ("FORMAT,METADATA"). QR_UNSUPPORTED says why not. */
QR_NODISCARD enum qr_status qri_upgrade_may(const char *formats, struct qr_err *err);
/* Asks the program; QR_INVALID says why it is not to be used. `argv`: that it would have.
 * `cancelled`: looked at all the time; QR_CANCELLED then. */
struct qr_env;
QR_NODISCARD enum qr_status qri_upgrade_probe(struct qr_env *env, const char *path,
                                              char *const *argv, const _Atomic bool *cancelled,
                                              struct qr_err *err);

/* upgrade_ask.c: `quired upgrade`. The exit status. */
int qri_upgrade_ask(int argc, char **argv);
