/* store/counter.h - number generators that never give a number twice: IDENTITY, hidden row ids,
 * rowversion, sequences (STORAGE.md S5).
 *
 * Numbers come from memory; a range is reserved in the log before its numbers are used, ahead of
 * any commit that uses them, at no extra sync. After a crash a counter goes on behind what was
 * reserved (a gap, as in SQL Server); after a clean close it goes on exactly. Numbers of a rolled
 * back transaction are not given again. Counters are no part of transactions: create one before the
 * commit that needs it, drop it after the commit that drops its table.
 * Threads: any. */
#pragma once
#include "store/store.h"

/* Sets where the counter goes on (creates it if needed): the next number given is `next`. */
QR_NODISCARD enum qr_status qr_counter_set(struct qr_store *store, uint64_t counter_id,
                                           int64_t next, struct qr_err *err);
/* Takes `count` numbers: *ret_first, *ret_first + increment, ... `increment` may be negative, not
 * 0. QR_NOT_FOUND if there is no such counter, QR_TOO_BIG if a number would not fit 64 bits. */
QR_NODISCARD enum qr_status qr_counter_next(struct qr_store *store, uint64_t counter_id,
                                            uint64_t count, int64_t increment, int64_t *ret_first,
                                            struct qr_err *err);
/* Makes sure that the next number given is behind `value` (explicit IDENTITY_INSERT values). */
QR_NODISCARD enum qr_status qr_counter_raise(struct qr_store *store, uint64_t counter_id,
                                             int64_t value, int64_t increment, struct qr_err *err);
/* false if there is no such counter. */
bool qr_counter_peek(struct qr_store *store, uint64_t counter_id, int64_t *ret_next);
/* Nothing if there is none. */
QR_NODISCARD enum qr_status qr_counter_drop(struct qr_store *store, uint64_t counter_id,
                                            struct qr_err *err);
