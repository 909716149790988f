/* yard.h - a simulated machine with a log service's journal, its long-term log, a page server's
 * slice and a branch of it, and a General Purpose database, all made by the real services. */
#pragma once
#include "qr_test.h"
#include "../../pagesvc/tests/world.h"
#include "blob/blob.h"
#include "env/sim.h"
#include "inspect/inspect.h"
#include "logsvc/logsvc.h"

struct yard {
    struct qr_sim *sim;
    struct qr_env *env;
    struct world world, child;
    char timeline[QR_TIMELINE_HEX_BYTES];
    uint64_t store_commits;
};

void yard_make(struct yard *y, uint64_t seed);
/* The log service's process starts anew without a blob store, and a timeline of its own gets two
 * epochs with a jump before each. */
void yard_live_again(struct yard *y, int life);
void yard_done(struct yard *y);
/* Runs a command; its text, failures too, is the caller's to free. */
enum qr_inspect_exit yard_run(struct yard *y, const char *const *words, char **ret_text);
