/* applock_int.h - locks on names that applications choose: sp_getapplock, sp_releaseapplock,
 * APPLOCK_MODE, APPLOCK_TEST.
 *
 * They belong to a database. A lock is of a session, or of its transaction and ends with it; it is
 * taken as often as it is asked for. A list per database, guarded by database.mu: there are few.
 * Whoever waits asks again in short steps, in the order of coming. */
#pragma once
#include "hostfn.h"
#include "sysproc.h"

qri_sysproc_fn qri_sp_getapplock, qri_sp_releaseapplock;
qri_host_fn qri_fn_applock_mode, qri_fn_applock_test;

/* Those of the transaction; of the session as well if `all`. */
void qri_applocks_release(struct qr_session *session, bool all);
