/* inspect/inspect.h - storage looked at offline: what is there, whether it is whole, what the log
 * says.
 *
 * Works on a data directory (or any directory below it), a single file, or a blob store's URL.
 * Changes nothing and takes no lock; of a directory that somebody writes it may see half of a
 * change. Output is deterministic: it follows from the bytes alone. Input is hostile.
 * Threads: each call on its own. */
#pragma once
#include <stdio.h>
#include "env/env.h"

enum qr_inspect_exit {
    QR_INSPECT_WHOLE = 0,
    QR_INSPECT_DAMAGED = 1,
    QR_INSPECT_USAGE = 2,  /* the arguments; nothing was read */
    QR_INSPECT_FAILED = 3, /* something could not be read, or there is nothing to look at */
};

/* `argv` is what follows `quire storage`: inspect|verify|dump-log, options, the place. Paths begin
 * with a slash. Rows go to `out`, failures and usage to `errors`. */
enum qr_inspect_exit qr_inspect_run(struct qr_env *env, int argc, const char *const *argv,
                                    FILE *out, FILE *errors);
