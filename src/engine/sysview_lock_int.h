/* sysview_lock_int.h - requests that wait for locks, for the views that show sessions. */
#pragma once
#include "sysview_int.h"

struct qri_lock_wait {
    struct qr_lock_info info;
    char *name; /* APPLICATION: a copy of its name, owned; else NULL */
    int64_t now_mono_ns;
    uint64_t owner_id; /* of dm_tran_locks: the session's transaction */
    uint32_t database_id;
};
/* Sorted by session. */
struct qri_lock_waits {
    struct qri_lock_wait *items;
    size_t count, capacity;
    bool full; /* no memory for all */
};
QR_NODISCARD enum qr_status qri_lock_waits_add(struct qri_lock_waits *waits,
                                               struct qr_database *db);
void qri_lock_waits_sort(struct qri_lock_waits *waits);
const struct qri_lock_wait *qri_lock_waits_find(const struct qri_lock_waits *waits,
                                                uint32_t session_id); /* NULL: it waits for none */
void qri_lock_waits_done(struct qri_lock_waits *waits);

/* "LCK_M_X"; milliseconds until now; "KEY: 5:72057594043432960 (8194443284a0)". */
struct qr_str qri_lock_wait_type(struct qri_sysrows *rows, const struct qri_lock_wait *wait);
int64_t qri_lock_wait_ms(const struct qri_lock_wait *wait);
struct qr_str qri_lock_wait_resource(struct qri_sysrows *rows, const struct qri_lock_wait *wait);

/* The task of a session's request, as an address. */
struct qr_str qri_task_address(struct qri_sysrows *rows, uint16_t session_id);

/* A database shows its own sessions, master those of its logical server in this process. */
bool qri_sys_shows_session(const struct qr_session *s, const struct qr_session *asker);
