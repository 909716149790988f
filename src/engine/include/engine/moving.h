/* engine/moving.h - a session between two requests, as bytes of which another process makes the
 * same session: for databases that go to another node while clients are connected.
 *
 * What goes along: SET options, language, isolation level, @@-values, context info and session
 * context, handles of prepared statements, global cursors with their rows (not those by
 * procedure), #tables and #procedures,
 * application locks of the session, the users that it has become (EXECUTE AS). What its login says
 * is not in it: the caller makes the new session from the same login. A transaction does not go
 * along.
 *
 * Threads: as for requests, one at a time for a session. The format is no promise between versions:
 * it begins with one, and a process refuses all but its own. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

struct qr_session;

enum { QR_MOVING_BYTES_MAX = 64 << 20 }; /* of one session, #tables and cursors included */

/* False: it is in a transaction, or rows of an INSERT BULK are to come. Not while a request runs.
 */
bool qr_session_may_move(const struct qr_session *session);
/* Rolls the transaction back and forgets the INSERT BULK; *ret_descriptor is that of the
 * transaction (0: there was none). Then it may move. */
void qr_session_make_movable(struct qr_session *session, uint64_t *ret_descriptor);
/* Appends the state to `dst`, whose bound counts, too. The session stays as it is. QR_TOO_BIG,
 * QR_UNSUPPORTED: it has something that cannot move. */
QR_NODISCARD enum qr_status qr_session_save(struct qr_session *session, struct qr_buf *dst,
                                            struct qr_err *err);
/* Of a session that has just been made of the same login and has run nothing. After a failure only
 * qr_session_free is of use. The bytes are checked as if they came from anybody. */
QR_NODISCARD enum qr_status qr_session_restore(struct qr_session *session, struct qr_str state,
                                               struct qr_err *err);
