/* database_geo.c - see cmd_int.h: links of geo-secondaries as the engine's views have them */
#include "cmd_int.h"
#include "codec/value.h"
#include "base/banned.h"

struct show_link {
    uint32_t server;
    enum qr_status (*each)(void *each_ctx, const struct qr_geo_seen *seen);
    void *each_ctx;
};

static enum qr_status show_end(const struct show_link *show, const struct qr_geo_link *link,
                               bool is_primary)
{
    const struct qr_database_row *own = is_primary ? &link->primary : &link->secondary;
    const struct qr_database_row *other = is_primary ? &link->secondary : &link->primary;
    if (qr_server_of(own->id) != show->server)
        return QR_OK;
    bool seeds = link->secondary.state == QR_DATABASE_CREATING;
    struct qr_geo_seen seen = {
        .database_id = qr_number_of(own->id),
        .partner_server = qr_str(other->server),
        .partner_database = qr_str(other->name),
        .is_primary = is_primary,
        .state = seeds && link->state.phase == QR_FOLLOW_NONE ? QR_GEO_PENDING
                 : seeds                                      ? QR_GEO_SEEDING
                 : link->state.phase == QR_FOLLOW_SUSPENDED || link->state.phase == QR_FOLLOW_NONE
                     ? QR_GEO_SUSPENDED
                 : link->state.phase == QR_FOLLOW_SEEDS ? QR_GEO_SEEDING
                                                        : QR_GEO_CATCH_UP,
        .start_ticks = link->secondary.create_ticks,
    };
    if (link->state.replicated_wall_ns != 0)
        seen.replicated_ticks = qri_ticks_of((int64_t)link->state.replicated_wall_ns);
    if (link->state.commit_wall_ns != 0)
        seen.commit_ticks = qri_ticks_of((int64_t)link->state.commit_wall_ns);
    if (!qr_guid_parse(qr_str(link->secondary.guid), seen.link_id))
        return QR_OK;
    return show->each(show->each_ctx, &seen);
}

static enum qr_status show_link(void *ctx, const struct qr_geo_link *link)
{
    QR_TRY(show_end(ctx, link, true));
    return show_end(ctx, link, false);
}

enum qr_status qri_geo_each_link(void *ctx, uint32_t server_id,
                                 enum qr_status (*each)(void *each_ctx,
                                                        const struct qr_geo_seen *seen),
                                 void *each_ctx)
{
    struct show_link show = {qr_server_of(server_id), each, each_ctx};
    enum qr_status status =
        qr_geo_each_link(qri_node_options_of(ctx)->control, 0, show_link, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status;
}
