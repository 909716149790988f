/* machines_int.h - machines.c, away.c: processes on other machines. options.machines is not NULL,
 * but where said. */
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
/* A node of that name may be on another machine: its database. QR_DENIED, QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_machines_row(struct qr_control *control, const char *name,
                                             struct qr_database_row *ret_row, struct qr_err *err);
/* Nothing has come from it for too long, or it has gone. mu held */
void qri_machines_lose(struct qr_control *control, struct qri_member *member);

/* ---- away.c ---- */
/* Starts ours, if that member is not on another machine, and not about to come from there. */
QR_NODISCARD enum qr_status qri_away_want(struct qr_control *control, const char *name,
                                          struct qr_err *err);
/* Replicas on other machines, but that one. mu held */
uint32_t qri_away_replicas(struct qr_control *control, const struct qr_database_row *row,
                           const char *primary, const char *but);
/* May that member be on another machine? */
QR_NODISCARD enum qr_status qri_away_check(struct qr_control *control,
                                           const struct qr_database_row *row, const char *name,
                                           struct qr_err *err);
/* TAKE. */
void qri_away_serve_take(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request);
/* GONE. */
void qri_away_serve_gone(struct qr_control *control, const struct qr_control_ask *ask,
                         struct qr_rpc_request *own_request);
/* It ends there, and comes again as a replica. False: it is not there. Whatever the options. */
bool qri_away_leave(struct qr_control *control, const struct qr_database_row *row,
                    const char *name);
/* Primaries that were there when control ended are waited for. Before anybody is served. */
void qri_away_expect(struct qr_control *control);
/* That process of ours serves: if it is the primary, who was it before is not waited for any
 * more. */
void qri_away_ended(struct qr_control *control, const char *name);
/* MACHINES. */
void qri_machines_serve(struct qr_control *control, const struct qr_control_ask *ask,
                        struct qr_rpc_request *own_request);
/* Ends a process of ours that has moved; mu held, and given back meanwhile. False: there is none.
 * Whatever the options. */
bool qri_machines_move(struct qr_control *control);
