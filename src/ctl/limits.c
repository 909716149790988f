/* limits.c - see ctl/calls.h and ctl/peer.h: what control tells of a database's limits */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "ctl/peer.h"
#include "ctl/pool.h"
#include "fields_int.h"
#include "base/banned.h"

#define FIELD(kind, name, max)                                                                     \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_control_limits, name), max                                  \
    }
static const struct qri_field fields[] = {
    FIELD(WORD, largest_pct, 0),    FIELD(CHARS, objective, QR_WORD_BYTES_MAX),
    FIELD(WORD, pool, 0),           FIELD(CHARS, pool_size, QR_WORD_BYTES_MAX),
    FIELD(WORD, min_pct, 0),        FIELD(WORD, max_pct, 0),
    FIELD(LONG, pool_max_bytes, 0), {QRI_END, 0, 0},
};
enum { ANSWER_BYTES_MAX = 1024, POOLS_OF_A_SERVER_MAX = 100000 };
static const int64_t LARGEST_NS = 1000000000; /* it is not looked for more often */

void qr_control_limits_put(struct qr_buf *buf, const struct qr_control_limits *limits)
{
    qri_fields_put(buf, fields, limits);
}

enum qr_status qr_control_limits_get(const uint8_t *bytes, size_t count,
                                     struct qr_control_limits *ret_limits, struct qr_err *err)
{
    struct qr_control_limits limits = {0};
    size_t at = 0;
    if (!qri_fields_take(bytes, count, &at, fields, &limits) || at != count)
        return qr_fail(err, QR_PROTOCOL, "the answer about limits breaks its format");
    *ret_limits = limits;
    return QR_OK;
}

enum qr_status qr_control_limits(struct qr_rpc_peer *peer, struct qr_str node, uint32_t id,
                                 int64_t timeout_ns, struct qr_control_limits *ret_limits,
                                 struct qr_err *err)
{
    struct qr_control_ask ask = {.name = node, .id = id};
    struct qr_buf reply;
    qr_buf_init(&reply, ANSWER_BYTES_MAX);
    enum qr_status status = qr_control_call(peer, QR_CONTROL_LIMITS, &ask, timeout_ns, &reply, err);
    if (status == QR_OK)
        status = qr_control_limits_get(reply.data, reply.len, ret_limits, err);
    qr_buf_done(&reply);
    return status;
}

/* ---- control's side ---- */

static uint32_t pct_of(struct qr_registry *registry, const struct qr_database_row *row)
{
    struct qr_pool_row pool;
    if (!qr_database_is_live(row) || qr_is_master(row->id))
        return 0;
    if (row->pool[0] == '\0') {
        const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
        return slo == NULL ? 0 : slo->limits.vcores_pct;
    }
    if (qr_registry_find_pool(registry, qr_server_of(row->id), qr_str(row->pool), &pool) != QR_OK)
        return 0;
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool.size));
    return size == NULL ? 0 : size->limits.vcores_pct;
}

static uint32_t largest_in_use(struct qr_control *control)
{
    struct qr_registry *registry = control->options.registry;
    int64_t now = qr_env_mono_ns(control->options.env);
    struct qr_database_row row;
    uint32_t largest = 0;
    pthread_mutex_lock(&control->mu);
    bool known = control->largest_at_ns != 0 && now - control->largest_at_ns < LARGEST_NS;
    largest = control->largest_pct;
    pthread_mutex_unlock(&control->mu);
    if (known)
        return largest;
    largest = 0;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++) {
        uint32_t pct = pct_of(registry, &row);
        largest = pct > largest ? pct : largest;
    }
    pthread_mutex_lock(&control->mu);
    control->largest_at_ns = now;
    control->largest_pct = largest;
    pthread_mutex_unlock(&control->mu);
    return largest;
}

static void tell_pool(struct qr_registry *registry, const struct qr_database_row *row,
                      struct qr_control_limits *limits)
{
    struct qr_pool_row pool;
    if (row->pool[0] == '\0' ||
        qr_registry_find_pool(registry, qr_server_of(row->id), qr_str(row->pool), &pool) != QR_OK)
        return;
    limits->pool = pool.server * POOLS_OF_A_SERVER_MAX + pool.number + 1;
    limits->min_pct = pool.min_pct;
    limits->max_pct = pool.max_pct;
    limits->pool_max_bytes = pool.max_bytes;
    snprintf(limits->pool_size, sizeof limits->pool_size, "%s", pool.size);
}

void qri_limits_serve(struct qr_control *control, const struct qr_control_ask *ask,
                      struct qr_rpc_request *own_request)
{
    struct qr_control_limits limits = {.largest_pct = largest_in_use(control)};
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_buf buf;
    char node[QR_NODE_NAME_BYTES];
    enum qr_status status = QR_OK;
    snprintf(node, sizeof node, "%.*s", (int)ask->name.n, ask->name.p == NULL ? "" : ask->name.p);
    if (ask->id != 0)
        status = qr_registry_find_id(registry, ask->id, &row);
    if (status != QR_OK)
        status = qr_fail(&err, status, "there is no database %u", ask->id);
    if (status == QR_OK && ask->id != 0) {
        const struct qr_slo *slo = qr_control_node_slo(control, node);
        slo = slo == NULL ? qr_registry_limits(registry, &row) : slo;
        if (slo != NULL)
            snprintf(limits.objective, sizeof limits.objective, "%s", slo->name);
        tell_pool(registry, &row, &limits);
    }
    qr_buf_init(&buf, ANSWER_BYTES_MAX);
    if (status == QR_OK)
        qr_control_limits_put(&buf, &limits);
    qr_rpc_finish(own_request, &buf, status, &err);
}
