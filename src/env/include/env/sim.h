/* env/sim.h - a simulated machine: files in memory that a power cut can lose, a clock that moves
 * only when told, randomness from a seed, faults where the test wants them.
 *
 * What it models, stricter than most disks:
 *  - Written bytes are volatile until sync. At a power cut each 512-byte sector not yet synced
 * keeps its old or its new bytes, as the seed decides; the size likewise.
 *  - After a failed sync the sectors it covered count as clean: a later sync does not save them.
 *  - Names are volatile until sync_dir. At a power cut the operations that were not synced survive
 *    up to a point which the seed decides.
 *  - A write that fails leaves a prefix of itself, cut where the seed decides.
 * Every call that would reach the disk counts as one I/O: open, pread, pwrite(v), sync,
 * preallocate, truncate, rename, unlink, make_dir, remove_dir, sync_dir, list. Size, lock, close
 * and the clock do not.
 * Threads: any, one internal lock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "env/env.h"

struct qr_sim;

struct qr_sim_options {
    uint64_t seed;
    uint64_t io_fault_at; /* this I/O fails with io_fault_status; 1 = the first, 0 = none */
    bool io_fault_stays;  /* all later ones fail too: the machine stops there */
    enum qr_status io_fault_status; /* 0 = QR_IO */
    uint64_t disk_bytes_max;        /* QR_FULL beyond it; 0 = no limit */
    int64_t wall_ns;                /* clock at the start; 0 = 2026-01-01 */
};

/* NULL when out of memory. Directories "." and "/" exist. */
struct qr_sim *qr_sim_new(const struct qr_sim_options *options);
/* All files must be closed. NULL is accepted. */
void qr_sim_free(struct qr_sim *sim);
struct qr_env *qr_sim_env(struct qr_sim *sim);

/* Loses what was not durable, drops locks, ends faults, and lets go of every open handle: using one
 * afterwards gives QR_IO, closing it is still due. */
void qr_sim_power_cut(struct qr_sim *sim);
/* Ends the process only: handles and locks go as above, but everything written is kept. */
void qr_sim_kill(struct qr_sim *sim);

bool qr_sim_fault_fired(const struct qr_sim *sim);
uint64_t qr_sim_io_count(const struct qr_sim *sim);
/* Arms another fault, counted from now on: 1 = the next I/O, 0 = none. */
void qr_sim_fault_next(struct qr_sim *sim, uint64_t nth, bool stays, enum qr_status status);
void qr_sim_disk_limit(struct qr_sim *sim, uint64_t disk_bytes_max);
/* Flips one bit of what is stored, now and durably: damage to be found by checksums. */
QR_NODISCARD enum qr_status qr_sim_flip_bit(struct qr_sim *sim, const char *path,
                                            uint64_t bit_index);

void qr_sim_advance(struct qr_sim *sim, int64_t ns);       /* both clocks */
void qr_sim_set_wall(struct qr_sim *sim, int64_t wall_ns); /* the wall clock alone jumps */
