/* fake_engine.h - an engine whose batches are a script of what the sink shall be told, so that the
 * tokens a session makes of it can be checked without a database.
 *
 * Words of a batch, separated by blanks: rows:N (a result set of one int column), count:N (DONE
 * with a count), done, error:NUMBER (ERROR and DONE with the error bit), print, begin, commit
 * (shows LSN 100), status:N, value:N (output parameter), proc (DONEPROC), module / end (statements
 * inside a module), wait (until cancelled), close, null (a NULL in a NOT NULL column), batch
 * (DONE_BATCH), over (the session is ended from outside, which stops the batch), late (the same,
 * too late to stop it). */
#pragma once
#include <stdbool.h>
#include "engine/engine.h"
#include "engine/rowset.h"
#include "store/durable.h"

struct fake_engine {
    char log[8192];      /* calls in order: "batch(SELECT 1) call(p,2) ..." */
    uint64_t answer_lsn; /* what the session last committed */
    uint64_t durable_lsn;
    struct qr_durable_wait *wait; /* registered and not called */
    int wait_calls;               /* blocking waits */
    int sessions, rowsets;        /* alive */
    int let_go;                   /* sessions of which nothing more is asked */
    bool is_over;                 /* qr_session_is_over */
    void (*break_it)(void *ctx, bool at_once);
    void *break_ctx;
    struct qr_gov_group *group; /* that new sessions are of */
    bool fail_row;              /* bulk: the next row is refused */
    uint64_t bulk_rows;
    bool in_tran, fail_save; /* of sessions that move */
};
extern struct fake_engine fake;

void fake_reset(void);
/* The log hardens up to `lsn`: calls what waits for it. */
void fake_harden(uint64_t lsn);
struct qr_database *fake_database(void);
