/* session_int.h - one connection's session: how requests are run and what becomes of their results.
 *
 * A DONE token must say whether more follows, and only what comes next tells. So it is held back:
 * everything that writes a token first calls qri_answer_go_on, which lets a held DONE go with the
 * MORE bit; qri_answer_end lets the last one go without. */
#pragma once
#include <stdatomic.h>
#include "engine/engine.h"
#include "governor/task.h"
#include "session/service.h"
#include "session/session.h"
#include "store/durable.h"
#include "tds/packet.h"
#include "tds/row.h"
#include "tds/rpc.h"

enum {
    QRI_REQUEST_ARENA_BYTES_MAX = 1 << 30, /* a request is at most 256 MiB; decoded it grows */
    QRI_RESULT_ARENA_BYTES_MAX = 16 << 20, /* columns of one result */
    QRI_IDLE_BYTES_MAX = 64 << 10,         /* what an idle session keeps of each buffer */
};

struct qri_held_done {
    bool is_held;
    uint8_t token;
    uint16_t status, command;
    uint64_t count;
};

/* The answer to the request in hand. */
struct qri_answer {
    struct qri_held_done held;
    struct qr_arena arena_result; /* columns of the result set in hand */
    struct qr_tds_rows rows;
    bool has_rows;       /* `rows` is set */
    bool in_call;        /* a procedure call: it ends with DONEPROC */
    bool has_status;     /* RETURNSTATUS of the call is sent */
    bool has_error;      /* an ERROR is sent in this call or batch */
    bool after_error;    /* an ERROR is sent and no DONE of the engine's since */
    bool last_is_error;  /* the last that was said of how a statement went */
    bool told_evicted;   /* that it is cut short so that the session can move: once a request */
    bool is_fatal;       /* an ERROR is sent behind which the connection ends: severity 20 on */
    bool is_broken;      /* the connection cannot go on */
    size_t ordinal_base; /* RPC parameters in front of the arguments the engine knows */
    /* sp_prepare and sp_prepexec: the handle, to be returned right after RETURNSTATUS. */
    const struct qr_tds_param *handle_param;
    const int32_t *handle;
};

struct qri_served {
    struct qr_served served;
    const struct qr_session_host *host;
    struct qr_channel *channel;
    struct qr_database *db;
    struct qr_session *engine;
    bool is_governed;
    struct qr_gov_task task; /* who pays for its requests, if so */
    struct qr_tds_client client;
    uint16_t packet_bytes;
    struct qr_sink sink;
    struct qr_tds_writer writer;
    struct qr_arena arena_request;
    struct qri_answer answer;
    struct qr_durable_wait wait;
    atomic_int wait_state; /* enum qri_wait_state */
    /* The session moved and its transaction was rolled back; the client is told next. */
    bool has_lost_tran;
    uint64_t lost_descriptor;
};

/* ---- served.c ---- */

/* A message of that many bytes came. */
void qri_count_read(struct qri_served *s, size_t bytes);

enum qri_wait_state { QRI_WAIT_NONE, QRI_WAIT_ARMED, QRI_WAIT_OVER };

/* ---- answer.c ---- */

void qri_answer_init_sink(struct qri_served *s);
void qri_answer_begin(struct qri_served *s);
/* Another token follows what is held. */
void qri_answer_go_on(struct qri_served *s);
/* Ends one call of an RPC request: sees to RETURNSTATUS and DONEPROC. */
void qri_answer_end_call(struct qri_served *s);
/* Ends the message: the last DONE, the acknowledgement of an attention. */
void qri_answer_end(struct qri_served *s);
/* An error of the session itself, followed by a DONE with the error bit. */
void qri_answer_fail(struct qri_served *s, const struct qr_err *err);
void qri_answer_message(struct qri_served *s, const struct qr_err *message);
/* The engine's verdict on a request; CLOSED breaks the connection. If the session was ended from
 * outside, or its request cut short so that it can move, the client is told so: without that, its
 * answer would look like a success. */
void qri_answer_verdict(struct qri_served *s, enum qr_status status);

/* ---- requests ---- */

void qri_run_batch(struct qri_served *s, struct qr_tds_cursor *c);
void qri_run_rpc(struct qri_served *s, struct qr_tds_cursor *c);
void qri_run_tran(struct qri_served *s, struct qr_tds_cursor *c);
void qri_run_bulk(struct qri_served *s);

/* ---- moving.c: as struct qr_served_ops and qr_login say ---- */

bool qri_moving_is_busy(const struct qri_served *s);
QR_NODISCARD enum qr_status qri_moving_save(struct qri_served *s, bool late, struct qr_buf *dst,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_moving_restore(struct qri_served *s, struct qr_str state,
                                               struct qr_err *err);
/* The request was cut short because the session is to go: its client reads so, and its transaction
 * is over with it, so that this is heard once. */
void qri_moving_tell_evicted(struct qri_served *s);
/* True: the request was answered with the loss of its transaction, and is not to be run. */
bool qri_moving_tell_lost(struct qri_served *s, const struct qr_request *request);

/* ---- call.c: sp_executesql and its like ---- */

void qri_run_call(struct qri_served *s, const struct qr_tds_rpc *rpc);

/* ---- args.c ---- */

/* Parameters from `first` on as arguments of the engine; table-valued ones become rowsets, which
 * qri_args_free frees. */
QR_NODISCARD enum qr_status qri_args_make(struct qri_served *s, const struct qr_tds_rpc *rpc,
                                          size_t first, struct qr_arg **ret_args, size_t *ret_count,
                                          struct qr_err *err);
void qri_args_free(struct qr_arg *args, size_t count);
