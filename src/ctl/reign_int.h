/* reign_int.h - who of a Hyperscale database's members writes, and who follows; see README.md */
#pragma once
#include "control_int.h"

/* ---- reign.c: members of a Hyperscale database ---- */
/* The node that operations on a database go to; mu held. */
void qri_reign_place(struct qr_control *control, const struct qr_database_row *row,
                     char dst[QR_NODE_NAME_BYTES]);
/* The node of a new session; false: it is not ready yet. mu held. */
bool qri_reign_route(struct qr_control *control, const struct qr_database_row *row, bool read_only,
                     char dst[QR_NODE_NAME_BYTES]);
/* Nobody is led to it, also where it has no node of its own, until that is taken back. */
void qri_reign_hold_back(struct qr_control *control, uint32_t database_id, bool held_back);
/* mu held */
bool qri_reign_is_held_back(const struct qr_control *control, uint32_t database_id);
bool qri_reign_is_primary(struct qr_control *control, const char *name);
/* NULL: nothing had to be thought about. mu held */
struct qri_reign *qri_reign_find(struct qr_control *control, uint32_t id);
/* Who is it? mu held */
void qri_reign_primary(struct qr_control *control, uint32_t id, char dst[QR_NODE_NAME_BYTES]);
/* Of a database; NULL: no memory. mu held */
struct qri_reign *qri_reign_get(struct qr_control *control, uint32_t id);
/* A ready member that is not the primary, from `turn` on; 0 is a member as good as any. False:
 * there is none. mu held */
bool qri_reign_choose(struct qr_control *control, uint32_t id, uint32_t turn, const char *primary,
                      char dst[QR_NODE_NAME_BYTES]);
/* That member of a named replica serves it from now on; who did before ends. mu held */
void qri_reign_lead(struct qr_control *control, const char *name);
/* That member is the primary from now on: no other one runs. mu held */
void qri_reign_give(struct qr_control *control, uint32_t id, const char *name);
/* The process `from` has ended for `to`, which is the primary if it was. mu held */
void qri_reign_moved(struct qr_control *control, uint32_t id, const char *from, const char *to);
/* The answer to DUTY. */
void qri_put_duty(struct qr_control *control, const struct qr_database_row *row, const char *name,
                  struct qr_buf *buf);
enum qr_duty qri_reign_duty(struct qr_control *control, const struct qr_database_row *row,
                            const char *name);
/* A process is gone; mu held. */
void qri_reign_exited(struct qr_control *control, const char *name, bool returns);
/* The primary is ready, or the number of replicas has changed: starts and ends replicas. */
void qri_reign_want(struct qr_control *control, uint32_t database_id);
/* Its HA replicas give their sessions up. */
void qri_reign_drain_replicas(struct qr_control *control, const struct qr_database_row *row);
/* Its processes are gone when this returns. */
void qri_reign_end(struct qr_control *control, uint32_t database_id, bool primary_too);
/* Who is its primary, as it was written down. */
QR_NODISCARD enum qr_status qri_reign_restore(struct qr_control *control,
                                              const struct qri_reign *was, struct qr_err *err);
/* The database is gone. */
void qri_reign_forget(struct qr_control *control, uint32_t database_id);
/* A node call of every member that is ready. */
QR_NODISCARD enum qr_status qri_reign_each_ready(struct qr_control *control,
                                                 const struct qr_database_row *row,
                                                 enum qr_control_method method, struct qr_err *err);
/* QR_OK once there is a primary that serves; error 40613 if there is none by then. */
QR_NODISCARD enum qr_status qri_reign_wait(struct qr_control *control,
                                           const struct qr_database_row *row, int64_t until_ns,
                                           struct qr_err *err);
void *qri_reign_main(void *control); /* until it is stopped */
void qri_reign_done(struct qr_control *control);

/* ---- reign_yield.c ---- */
/* Who is the primary, and who would take over from it now. False: nobody would. */
bool qri_reign_heir(struct qr_control *control, const struct qr_database_row *row,
                    char ret_primary[QR_NODE_NAME_BYTES], char ret_heir[QR_NODE_NAME_BYTES]);
/* Until somebody would, or the primary's process is not there, or the time is over. */
void qri_reign_wait_heir(struct qr_control *control, const struct qr_database_row *row,
                         int64_t until_mono_ns);
/* Ends the primary, so that another member takes over: `next` if it is ready, else any that is;
 * NULL: any, and the process that was the primary comes back. */
QR_NODISCARD enum qr_status qri_reign_yield(struct qr_control *control,
                                            const struct qr_database_row *row, const char *next,
                                            struct qr_err *err);

/* ---- reign_record.c: calls of a database's primary that has copies (ctl/calls.h) ---- */
QR_NODISCARD enum qr_status qri_reign_grant(struct qr_control *control,
                                            const struct qr_control_ask *ask, struct qr_err *err);
QR_NODISCARD enum qr_status qri_reign_members(struct qr_control *control,
                                              const struct qr_control_ask *ask, struct qr_err *err);
QR_NODISCARD enum qr_status qri_reign_unfit(struct qr_control *control,
                                            const struct qr_control_ask *ask, struct qr_err *err);
