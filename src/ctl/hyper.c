/* hyper.c - see control_int.h */
#include "control_int.h"
#include "ctl/place.h"
#include "logsvc/peer.h"
#include "pagesvc/client.h"
#include "store/hyper.h"
#include "base/banned.h"

static const int64_t TIME_NS = INT64_C(30) * 1000000000;

enum qr_status qri_hyper_make(struct qr_control *control, const struct qr_database_row *row,
                              struct qr_err *err)
{
    struct qr_hyper_options options = {
        .log = qr_rpc_client_peer(control->log),
        .pages = qr_rpc_client_peer(control->pages),
        .slice_count = row->slices,
    };
    const struct qr_control_host *host = &control->options.host;
    QR_TRY(qr_place_timeline(row, &options.timeline, err));
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_LOG, err));
    QR_TRY(host->want(host->ctx, QR_ROLE_NAME_PAGE, err));
    int64_t until = qr_env_mono_ns(control->options.env) + TIME_NS;
    enum qr_status status;
    do
        status = qr_hyper_create(&options, QR_CONTROL_PAGE_BYTES, err);
    while (qri_control_repeats(control, status, until));
    return qri_hyper_words(control, "storage_not_made", row, status, err);
}

/* Waits for an operation that branches or drops the database: it has to know all slices. Named
 * replicas read the same ones. */
enum qr_status qri_control_grow(struct qr_control *control, const struct qr_control_ask *ask,
                                struct qr_err *err)
{
    struct qri_claim claim;
    qri_control_claim(control, &claim, ask->id);
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    enum qr_status status = qr_registry_grow_database(registry, ask->id, ask->slices, err);
    for (size_t i = 0; status == QR_OK && qr_registry_database_at(registry, i, &row); i++)
        if (row.replica_of == ask->id)
            status = qr_registry_grow_database(registry, row.id, ask->slices, err);
    qri_control_unclaim(control, &claim);
    if (status == QR_OK)
        QR_LOG(&control->options.log, QR_INFO, "database_grown", QR_F("database_id", ask->id),
               QR_F("slices", ask->slices));
    return status;
}
