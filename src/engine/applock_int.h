/* applock_int.h - locks on names that applications choose: sp_getapplock, sp_releaseapplock,
 * APPLOCK_MODE, APPLOCK_TEST.
 *
 * They are locks of the database's lock manager, of the session or of its transaction; those of the
 * transaction go with its other locks. */
#pragma once
#include "hostfn.h"
#include "sysproc.h"

qri_sysproc_fn qri_sp_getapplock, qri_sp_releaseapplock;
qri_host_fn qri_fn_applock_mode, qri_fn_applock_test;

/* Those of the session. */
void qri_applocks_release(struct qr_session *session);
