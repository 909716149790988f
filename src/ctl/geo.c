/* geo.c - see control_int.h: geo-secondaries follow their primaries.
 *
 * Nothing of it is kept but the rows: a thread asks, for each secondary, the node that has its
 * primary to send the log, and goes on asking, so whatever process ends, the next round makes up
 * for it. Operations on a link (op_geo.c) keep the round away by geo_mu. */
#include <stdlib.h>
#include "control_int.h"
#include "reign_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024 };
static const int64_t LOOK_NS = INT64_C(1) * 1000000000, ASK_NS = INT64_C(10) * 1000000000;

struct qri_geo_seen { /* few bytes for each that there ever was */
    struct qri_geo_seen *next;
    uint32_t id;
    struct qr_follow_state state;
};

static void note(struct qr_control *control, uint32_t id, const struct qr_follow_state *state)
{
    pthread_mutex_lock(&control->mu);
    struct qri_geo_seen *seen = control->geo_seen;
    while (seen != NULL && seen->id != id)
        seen = seen->next;
    if (seen == NULL && (seen = calloc(1, sizeof *seen)) != NULL) {
        seen->id = id;
        seen->next = control->geo_seen;
        control->geo_seen = seen;
    }
    if (seen != NULL)
        seen->state = *state;
    pthread_mutex_unlock(&control->mu);
}

struct qr_follow_state qri_geo_state(struct qr_control *control, uint32_t id)
{
    struct qr_follow_state state = {.phase = QR_FOLLOW_NONE};
    pthread_mutex_lock(&control->mu);
    const struct qri_geo_seen *seen = control->geo_seen;
    while (seen != NULL && seen->id != id)
        seen = seen->next;
    if (seen != NULL)
        state = seen->state;
    pthread_mutex_unlock(&control->mu);
    return state;
}

enum qr_status qri_geo_ask(struct qr_control *control, const struct qr_database_row *secondary,
                           uint8_t wish, struct qr_follow_state *ret_state, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row primary;
    struct qr_rpc_peer *peer = NULL;
    char node[QR_NODE_NAME_BYTES];
    QR_TRY(qr_registry_find_id(control->options.registry, secondary->geo_of, &primary));
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, &primary, node);
    bool held_back = qri_reign_is_held_back(control, primary.id);
    pthread_mutex_unlock(&control->mu);
    if (held_back && wish == QR_FOLLOW_ON)
        return qr_fail(err, QR_BUSY, "database %u is on its way", primary.id);
    if (wish != QR_FOLLOW_END)
        QR_TRY(host->want(host->ctx, node, err));
    QR_TRY(qri_control_node(control, node, &peer, err));
    return qr_node_follow(peer, &primary, secondary, wish, ASK_NS, ret_state, err);
}

void qri_geo_look(struct qr_control *control, uint32_t id)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    struct qr_follow_state before = qri_geo_state(control, id), state = before;
    char node[QR_NODE_NAME_BYTES];
    pthread_mutex_lock(&control->geo_mu); /* who changes a link has it, and then the row is other */
    enum qr_status status = qr_registry_find_id(control->options.registry, id, &row);
    if (status == QR_OK && row.geo_of != 0 && row.state < QR_DATABASE_DROPPING) {
        qr_place_node(&row, node);
        status = host->want(host->ctx, node, NULL);
        if (status == QR_OK)
            status = qri_geo_ask(control, &row, QR_FOLLOW_ON, &state, NULL);
        if (status != QR_OK)
            state.phase = QR_FOLLOW_SUSPENDED;
        note(control, id, &state);
    }
    pthread_mutex_unlock(&control->geo_mu);
}

static void look(struct qr_control *control)
{
    struct qr_database_row row = {.id = 0};
    while (!control->stopping && qr_registry_next_geo(control->options.registry, row.id, &row))
        qri_geo_look(control, row.id);
}

enum qr_status qri_links_start(struct qr_control *control, struct qr_err *err)
{
    return qri_rounds_start(&control->geo, control, "qr-geo", LOOK_NS, look, err);
}

void qri_geo_done(struct qr_control *control)
{
    while (control->geo_seen != NULL) {
        struct qri_geo_seen *seen = control->geo_seen;
        control->geo_seen = seen->next;
        free(seen);
    }
}

enum qr_status qri_geo_links(struct qr_control *control, const struct qr_control_ask *ask,
                             struct qr_buf *answer, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_geo_link link = {.secondary = {.id = ask->id}};
    (void)err;
    while (answer->len < ANSWER_BYTES &&
           qr_registry_next_geo(registry, link.secondary.id, &link.secondary)) {
        if (qr_registry_find_id(registry, link.secondary.geo_of, &link.primary) != QR_OK)
            continue;
        link.state = qri_geo_state(control, link.secondary.id);
        qr_geo_link_put(answer, &link);
    }
    return QR_OK;
}
