/* owner.c - see control_int.h: a database is given to a login. */
#include <string.h>
#include "control_int.h"
#include "ctl/place.h"
#include "ops_int.h"
#include "reign_int.h"
#include "base/banned.h"

/* Those who have it open; one that opens it later learns it then. */
static void tell_nodes(struct qr_control *control, const struct qr_database_row *row)
{
    if (qr_database_has_nodes(row))
        (void)!qri_reign_each_ready(control, row, QR_NODE_RESIZE, NULL);
    else
        (void)!qri_control_node_call(control, row, QR_NODE_RESIZE, NULL);
}

enum qr_status qri_control_set_owner(struct qr_control *control, const struct qr_control_ask *ask,
                                     struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    pthread_mutex_lock(&control->rules_mu); /* no login goes meanwhile */
    enum qr_status status = qr_registry_find_id(registry, ask->id, &row) == QR_OK &&
                                    !qr_is_master(row.id) && row.replica_of == 0 && row.geo_of == 0
                                ? QR_OK
                                : qr_fail(err, QR_NOT_FOUND, "There is no such database.");
    if (status == QR_OK)
        status = qr_registry_set_owner(registry, ask->id, ask->owner, err);
    pthread_mutex_unlock(&control->rules_mu);
    QR_TRY(status);
    QR_LOG(&control->options.log, QR_INFO, "owner_changed", QR_F("db", &row.name[0]),
           QR_F("server", qr_server_of(row.id)));
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++)
        if (row.id == ask->id ||
            ((row.replica_of == ask->id || row.geo_of == ask->id) && qr_database_is_live(&row)))
            tell_nodes(control, &row);
    return QR_OK;
}
