/* machines_int.h - machines.c: processes on other machines. options.machines is not NULL, but where
 * said. */
#pragma once
#include "control_int.h"

/* Does that role, by its name, run on another machine? Whatever the options. */
bool qri_machines_have(const struct qr_control *control, const char *role);
/* Its peer. */
QR_NODISCARD enum qr_status qri_machines_client(struct qr_control *control, const char *role,
                                                struct qr_rpc_client **ret_client,
                                                struct qr_err *err);
QR_NODISCARD enum qr_status qri_machines_listen(struct qr_control *control, struct qr_err *err);
/* Is that node on another machine now? Whatever the options. */
bool qri_machines_is_away(struct qr_control *control, const char *name);
/* Nodes that have been silent are not there any more; mu held. Whatever the options. */
void qri_machines_tick(struct qr_control *control);
/* Ours has ended for one that says it is there, and will say so again: nobody starts ours. mu held.
 */
bool qri_machines_comes(const struct qr_control *control, const struct qri_member *member);
/* MACHINES. */
void qri_machines_serve(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request);
/* Ends a process of ours that has moved; mu held, and given back meanwhile. False: there is none.
 * Whatever the options. */
bool qri_machines_move(struct qr_control *control);
