/* deadlock_int.h - what is told of a deadlock: a line in the log, and a report that is kept.
 *
 * The report is the text of an XML element <deadlock> as SQL Server makes it: the victim, the
 * processes with their statements, the resources with who has them and who waits. The instance
 * keeps the last ones. The log gets no texts of statements. Any thread. */
#pragma once
#include "engine_int.h"

enum { QRI_DEADLOCK_REPORT_BYTES_MAX = 256 * 1024 };

void qri_deadlocks_init(struct qri_deadlocks *deadlocks);
void qri_deadlocks_done(struct qri_deadlocks *deadlocks);

/* Of qr_lock_options; ctx is the database. */
void qri_deadlock_found(void *ctx, const struct qr_deadlock *deadlock);
/* The report alone, without the locks of anybody held. */
QR_NODISCARD enum qr_status
qri_deadlock_report(struct qr_database *db, const struct qr_deadlock *deadlock, struct qr_buf *out);
/* Copies of what is kept about the server's databases, oldest first. */
QR_NODISCARD enum qr_status
qri_deadlocks_each(struct qr_instance *instance, uint32_t server_id, struct qr_arena *arena,
                   enum qr_status (*each)(void *ctx, const struct qri_deadlock_record *record),
                   void *ctx);
