/* retire.c - see gateway/gateway.h: a front whose successor accepts keeps what only it can serve,
 * the sessions that it relays through its TLS, until they end or their time is over */
#include <unistd.h>
#include "gateway_int.h"
#include "base/banned.h"

void qr_gateway_retire(struct qr_gateway *gateway)
{
    atomic_store(&gateway->retired, true); /* the accepting thread sees it with its next tick */
}

size_t qr_gateway_connections(struct qr_gateway *gateway)
{
    pthread_mutex_lock(&gateway->mu);
    size_t open = gateway->open;
    pthread_mutex_unlock(&gateway->mu);
    return open;
}

void qr_gateway_end_relays(struct qr_gateway *gateway)
{
    atomic_store(&gateway->ends_relays, true);
    pthread_mutex_lock(&gateway->mu);
    for (uint32_t i = 0; i < gateway->slot_count; i++) {
        struct qri_conn *conn = gateway->slots[i].conn;
        if (conn != NULL && atomic_load(&conn->relays))
            qri_conn_wake(conn, false);
    }
    pthread_mutex_unlock(&gateway->mu);
}
