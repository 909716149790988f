/* conns.c - see gateway_int.h: what is done to all connections of a gateway */
#include <poll.h>
#include "env/descriptor.h"
#include "gateway_int.h"
#include "base/banned.h"

/* Transactions this short end before others notice that they are waited for. */
static const int64_t BRIEF_NS = 250000000;
/* Of clients that have vanished: with the ticks of accept_main each is looked at in 10 s. */
enum { LOOKS_PER_ROUND = 500 };

void qri_conns_abort_late(struct qr_gateway *gateway, int64_t now_ns)
{
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        if (conn == NULL)
            continue;
        int64_t deadline = atomic_load(&conn->deadline_ns);
        if (deadline != 0 && now_ns >= deadline)
            qri_conn_abort(conn);
    }
    pthread_mutex_unlock(&gateway->mu);
}

void qri_conns_abort_vanished(struct qr_gateway *gateway, uint32_t *cursor)
{
    pthread_mutex_lock(&gateway->mu);
    uint32_t count = gateway->slot_count / LOOKS_PER_ROUND + 1;
    for (uint32_t i = 0; i < count && i < gateway->slot_count; i++) {
        *cursor = (*cursor + 1) % gateway->slot_count;
        struct qri_conn *conn = gateway->slots[*cursor].conn;
        if (conn == NULL || conn->is_pair || !qr_descriptor_vanished(conn->fd))
            continue;
        QR_LOG(&gateway->options.log, QR_INFO, "client_vanished",
               QR_F("address", &conn->address.text[0]));
        qri_conn_abort(conn);
    }
    pthread_mutex_unlock(&gateway->mu);
}

void qri_conns_abort(struct qr_gateway *gateway)
{
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++)
        if (gateway->slots[i].conn != NULL)
            qri_conn_abort(gateway->slots[i].conn);
    pthread_mutex_unlock(&gateway->mu);
}

void qri_conns_wake_idle(struct qr_gateway *gateway)
{
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        if (conn != NULL && !atomic_load(&conn->relays))
            qri_conn_wake(conn, false);
    }
    pthread_mutex_unlock(&gateway->mu);
}

size_t qri_conns_serving(struct qr_gateway *gateway)
{
    size_t count = 0;
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        count += conn != NULL && atomic_load(&conn->serves);
    }
    pthread_mutex_unlock(&gateway->mu);
    return count;
}

bool qri_conn_lingers(const struct qri_conn *conn, int64_t at_ns)
{
    return atomic_load(&conn->serves) && atomic_load(&conn->restless_ns) < at_ns - BRIEF_NS;
}

size_t qri_conns_lingering(struct qr_gateway *gateway, int64_t at_ns)
{
    size_t count = 0;
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        count += conn != NULL && qri_conn_lingers(conn, at_ns);
    }
    pthread_mutex_unlock(&gateway->mu);
    return count;
}

/* conn.mu held. */
static bool is_stuck(const struct qri_conn *conn, int64_t since_ns)
{
    int waits = atomic_load(&conn->waits_peer);
    bool waits_input = waits == POLLIN || (conn->state == CONN_IDLE && conn->is_partial);
    return conn->state == CONN_WRITING || waits == POLLOUT ||
           (waits_input && atomic_load(&conn->heard_ns) < since_ns);
}

void qri_conns_abort_stuck(struct qr_gateway *gateway, int64_t at_ns)
{
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        if (conn == NULL || !qri_conn_lingers(conn, at_ns))
            continue;
        pthread_mutex_lock(&conn->mu);
        bool stuck = is_stuck(conn, at_ns);
        pthread_mutex_unlock(&conn->mu);
        if (!stuck)
            continue;
        QR_LOG(&gateway->options.log, QR_WARN, "session_not_moved",
               QR_F("address", &conn->address.text[0]),
               QR_F("reason", "its client takes no answer, or does not send on"));
        qri_conn_abort(conn);
    }
    pthread_mutex_unlock(&gateway->mu);
}
