/* memory_int.h - memory that statements work in, of all sessions of the process: one bound.
 *
 * What is counted are rowsets, and large pieces (QRI_LARGE_BYTES and more) of what SQLite takes
 * and of arenas: sorts, long values, parsed texts and their plans. Who would pass the bound gets
 * error 701; beyond half of it rowsets go to disk early. When three quarters are taken, sessions
 * that have held much for long are ended with 40553, the oldest first, one a second.
 * Threads: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

struct qr_session;
struct qr_value;

enum { QRI_LARGE_BYTES = 64 << 10 };

QR_NODISCARD enum qr_status qri_memory_charge(size_t bytes, struct qr_err *err);
void qri_memory_discharge(size_t bytes);
bool qri_memory_is_half(void);
bool qri_memory_is_short(void);
/* Between statements: ends a session that has held much for long, if memory is short. Takes the
 * instance's mutex. */
void qri_memory_relieve(struct qr_session *session);
/* Before SQLite is used for the first time, and before arenas are. */
void qri_memory_watch(void);
