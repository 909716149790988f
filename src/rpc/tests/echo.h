/* echo.h - a service for the tests: its methods, and a process that serves them. */
#pragma once
#include <pthread.h>
#include <stdlib.h>
#include "base/endian.h"
#include "env/env.h"
#include "rpc/socket.h"

enum { ECHO = 1, SLEEP_MS = 2, REFUSE = 3, PARK = 4, BYTES = 5, ECHO_OWN = 6 };

struct echo {
    struct qr_env *env;
    pthread_mutex_t mu;
    struct qr_rpc_request *parked[256]; /* guarded by mu, like what follows */
    int parked_count, served_count;
};

/* Without copies of its own: keeps the question's memory beyond the answer, gives the answer's
 * away. */
static inline void echo_own(struct qr_rpc_request *request)
{
    const uint8_t *body = request->body;
    size_t bytes = request->bytes;
    struct qr_buf answer;
    qr_buf_init(&answer, QR_RPC_BODY_BYTES_MAX);
    void *memory = qr_rpc_request_take_body(request);
    qr_buf_add(&answer, body, bytes);
    qr_rpc_answer_own(request, &answer);
    bool whole = answer.data == NULL && (memory != NULL || bytes <= 65536);
    for (size_t i = 0; memory != NULL && i < bytes; i += 4096)
        whole = whole && body[i] == (uint8_t)(i * 31 + (i >> 8));
    if (!whole)
        abort();
    free(memory);
}

static inline void echo_serve(void *ctx, struct qr_rpc_request *request)
{
    struct echo *echo = ctx;
    static uint8_t pattern[1 << 20];
    struct iovec body = {(void *)(uintptr_t)request->body, request->bytes};
    struct qr_err err;
    pthread_mutex_lock(&echo->mu);
    echo->served_count += 1;
    pthread_mutex_unlock(&echo->mu);
    switch (request->method) {
    case SLEEP_MS:
        qr_env_sleep_ns(echo->env, (int64_t)qr_get32le(request->body) * 1000000);
        qr_rpc_answer(request, &body, 1);
        break;
    case REFUSE:
        (void)qr_fail(&err, QR_FENCED, "epoch %d has taken over", 7);
        qr_rpc_refuse(request, QR_FENCED, &err);
        break;
    case PARK:
        pthread_mutex_lock(&echo->mu);
        bool room = echo->parked_count < 256;
        if (room)
            echo->parked[echo->parked_count++] = request;
        pthread_mutex_unlock(&echo->mu);
        if (!room)
            qr_rpc_refuse(request, QR_BUSY, NULL);
        break;
    case BYTES:
        body = (struct iovec){pattern, qr_get32le(request->body)};
        qr_rpc_answer(request, &body, 1);
        break;
    case ECHO_OWN:
        echo_own(request);
        break;
    default:
        qr_rpc_answer(request, &body, 1);
    }
}

static inline int echo_parked(struct echo *echo)
{
    pthread_mutex_lock(&echo->mu);
    int n = echo->parked_count;
    pthread_mutex_unlock(&echo->mu);
    return n;
}

static inline int echo_served(struct echo *echo)
{
    pthread_mutex_lock(&echo->mu);
    int n = echo->served_count;
    pthread_mutex_unlock(&echo->mu);
    return n;
}
