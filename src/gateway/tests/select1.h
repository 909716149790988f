/* select1.h - a service of a few lines for the gateway's own tests. It knows one table-less query
 * and some tricks to hold the gateway to its contract; who may log in is `admin`, password
 * `secret-1`.
 *
 *   SELECT <number>       one row, one column
 *   HOLD                  the answer is held until another connection's RELEASE
 *   HASTE                 the answer is held, and another thread releases it as soon as it can
 *   AWAIT                 blocks until a HOLD's answer is held
 *   RELEASE               releases what is held
 *   FLOOD                 rows until the client stops or cancels
 *   WAIT                  blocks until cancelled
 *   BURN                  computes for a second without looking up
 *   CLOSE                 answers, then closes
 *   BEGIN, END            the session cannot move between them
 *   KEEP <number>, KEPT   a number of the session's own; it moves with it
 *   STUCK                 the session cannot move any more
 * Database `missing` cannot be opened, `away` not while select1_is_away. */
#pragma once
#include <stdatomic.h>
#include "gateway/auth.h"
#include "session/service.h"

extern const struct qr_service select1_service;
extern const struct qr_login_directory select1_logins;
extern atomic_bool select1_is_away;
extern atomic_uint select1_refused; /* logins to it meanwhile */
extern atomic_ullong select1_flood_rows; /* that FLOODs of this process have written */

bool select1_init(void);
