/* conns.c - see gateway_int.h: what is done to all connections of a gateway */
#include "gateway_int.h"
#include "base/banned.h"

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

size_t qri_conns_serving(struct qr_gateway *gateway, enum qri_serving which)
{
    size_t count = 0;
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        if (conn != NULL && atomic_load(&conn->serves))
            count +=
                which == SERVING_ALL || atomic_load(&conn->passed) == (which == SERVING_PASSED);
    }
    pthread_mutex_unlock(&gateway->mu);
    return count;
}
