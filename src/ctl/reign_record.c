/* reign_record.c - see control_int.h: what the primary of a database with copies says of its
 * members, which is kept in the database's row. */
#include <stdio.h>
#include <string.h>
#include "control_int.h"
#include "reign_int.h"
#include "ctl/peer.h"
#include "ctl/place.h"
#include "base/banned.h"

static enum qr_status check_primary(struct qr_control *control, const struct qr_control_ask *ask,
                                    uint32_t *ret_id, uint32_t *ret_member, struct qr_err *err)
{
    char name[QR_NODE_NAME_BYTES];
    struct qr_database_row row;
    snprintf(name, sizeof name, "%.*s", (int)ask->name.n, ask->name.p);
    if (!qr_place_has_copy(name) || !qr_place_database_of(name, ret_id) ||
        qr_registry_find_id(control->options.registry, *ret_id, &row) != QR_OK ||
        !qr_database_has_copies(&row))
        return qr_fail(err, QR_NOT_FOUND, "no database has copies at '%s'", name);
    *ret_member = qr_place_member_of(name);
    if (qri_reign_duty(control, &row, name) != QR_DUTY_PRIMARY)
        return qr_fail(err, QR_FENCED, "'%s' is not the primary", name);
    return QR_OK;
}

enum qr_status qri_reign_grant(struct qr_control *control, const struct qr_control_ask *ask,
                               struct qr_err *err)
{
    uint32_t id = 0, member = 0;
    QR_TRY(check_primary(control, ask, &id, &member, err));
    return qr_registry_begin_reign(control->options.registry, id, member, ask->version, err);
}

enum qr_status qri_reign_members(struct qr_control *control, const struct qr_control_ask *ask,
                                 struct qr_err *err)
{
    uint32_t id = 0, member = 0;
    QR_TRY(check_primary(control, ask, &id, &member, err));
    QR_TRY(qr_registry_set_members(control->options.registry, id, member, ask->version, ask->slices,
                                   err));
    QR_LOG(&control->options.log, QR_INFO, "members_changed", QR_F("database_id", id),
           QR_F("epoch", ask->version), QR_F("primary", member), QR_F("members", ask->slices));
    return QR_OK;
}

/* The member of the record behind that one; false: there is none. */
static bool next_in_record(const struct qr_database_row *row, uint32_t member, uint32_t *ret_next)
{
    for (uint32_t i = 1; i <= QR_HA_REPLICAS_MAX; i++) {
        uint32_t next = (member + i) % (QR_HA_REPLICAS_MAX + 1);
        if ((row->members >> next & 1) != 0) {
            *ret_next = next;
            return true;
        }
    }
    return false;
}

/* Every member of the record has all that was acknowledged. One that waits for a primary is told
 * that it is one by being started anew; the process that says this ends, comes back as a secondary
 * and gets another copy. */
enum qr_status qri_reign_unfit(struct qr_control *control, const struct qr_control_ask *ask,
                               struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_database_row row;
    uint32_t id = 0, member = 0, next = 0;
    char name[QR_NODE_NAME_BYTES], heir[QR_NODE_NAME_BYTES];
    QR_TRY(check_primary(control, ask, &id, &member, err));
    QR_TRY(qr_registry_find_id(control->options.registry, id, &row));
    if (!next_in_record(&row, member, &next))
        return qr_fail(err, QR_NOT_FOUND, "no other copy has all that was committed");
    qr_place_member(&row, member, name);
    pthread_mutex_lock(&control->mu);
    bool ready = qri_reign_choose(control, id, next, name, heir);
    if (!ready)
        qr_place_member(&row, next, heir);
    struct qri_reign *reign = qri_reign_get(control, id);
    if (reign != NULL) {
        memcpy(reign->primary, heir, sizeof reign->primary);
        reign->state = ready ? QRI_REIGN_VACANT : QRI_REIGN_STEADY;
        reign->again_ns = 0;
        pthread_cond_broadcast(&control->changed);
    }
    pthread_mutex_unlock(&control->mu);
    if (reign == NULL)
        return qr_fail(err, QR_NOMEM, "remember a primary");
    QR_LOG(&control->options.log, QR_WARN, "primary_unfit", QR_F("node", &name[0]),
           QR_F("next", &heir[0]));
    if (ready)
        return QR_OK;
    host->end(host->ctx, heir);
    return host->want(host->ctx, heir, err);
}
