/* memory_int.h - memory that statements work in, of all sessions of the process: one bound.
 *
 * What is counted are rowsets, and large pieces (QRI_LARGE_BYTES and more) of what SQLite takes
 * and of arenas: sorts, long values, parsed texts and their plans. Who would pass the bound gets
 * error 701; beyond half of it rowsets go to disk early. Half is for grants, so what neither goes
 * to disk nor was granted may be three eighths, for who has a sixteenth of the bound alone. When a
 * quarter is taken so, or three quarters of all, sessions that have held much for long are ended
 * with 40553, the oldest first, one a second.
 * Threads: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

struct qr_session;
struct qr_value;

enum { QRI_LARGE_BYTES = 64 << 10 };

/* The thread begins a statement. */
void qri_memory_begin(void);
/* `goes_to_disk`: once half of the bound is taken; else it stays in memory. */
QR_NODISCARD enum qr_status qri_memory_charge(size_t bytes, bool goes_to_disk, struct qr_err *err);
void qri_memory_discharge(size_t bytes, bool goes_to_disk); /* as it was charged */
bool qri_memory_is_half(void);
bool qri_memory_is_short(void);
/* Between statements: ends a session that has held much for long, if memory is short. Takes the
 * instance's mutex. */
void qri_memory_relieve(struct qr_session *session);
/* Before SQLite is used for the first time, and before arenas are. */
void qri_memory_watch(void);
