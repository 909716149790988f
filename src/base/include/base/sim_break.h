/* base/sim_break.h - where a build of the simulator (tests/sim) removes one safety, to show that it
 * would be noticed. Only with -DQR_SIM_BREAK, which no product build has: there qr_sim_broken is
 * always false and compiles to nothing. */
#pragma once
#include <stdbool.h>

enum qr_sim_break {
    QR_BREAK_NONE,
    QR_BREAK_EPOCH, /* the log service takes appends of older epochs */
    QR_BREAK_SYNC,  /* the journal answers before its block is synced */
    QR_BREAK_WAIT,  /* GetPage answers without the log that it was to wait for */
    QR_BREAK_VOID,  /* page servers keep what an EPOCH record voids */
    QR_BREAK_PIN,   /* garbage is deleted under the branches that read it */
    QR_BREAK_FETCH, /* a replica forgets log of a page that it is just fetching */
    QR_BREAK_EARLY, /* a primary tells commits to be durable when it has sent them */
    QR_BREAK_STALE, /* a compute node's disk keeps pages that have changed (RBPEX) */
    QR_BREAK_LEASE, /* a primary answers when its lease has run out */
    QR_BREAK_HOLD,  /* page servers give up what compute nodes have leased */
};

#ifdef QR_SIM_BREAK
extern enum qr_sim_break qr_sim_break; /* set once, before anything runs */
static inline bool qr_sim_broken(enum qr_sim_break what)
{
    return qr_sim_break == what;
}
#else
static inline bool qr_sim_broken(enum qr_sim_break what)
{
    (void)what;
    return false;
}
#endif
