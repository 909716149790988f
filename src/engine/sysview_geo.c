/* sysview_geo.c - links of geo-secondaries; see sysview_int.h */
#include "sysview_int.h"
#include "codec/datetime.h"
#include "base/banned.h"

static const int64_t TICKS_A_SECOND = 10000000;

struct walk {
    struct qri_sysrows *rows;
    struct qr_session *session;
};

static const char *state_name(enum qr_geo_replication_state state)
{
    return state == QR_GEO_PENDING    ? "PENDING"
           : state == QR_GEO_SEEDING  ? "SEEDING"
           : state == QR_GEO_CATCH_UP ? "CATCH_UP"
                                      : "SUSPENDED";
}

/* NULL of 0. */
static enum qr_status moment(struct qr_arena *arena, int64_t ticks, struct qr_value *ret)
{
    *ret = qr_value_null();
    if (ticks == 0)
        return QR_OK;
    uint8_t *bytes = qr_arena_alloc(arena, QR_DTO_BYTES);
    if (bytes == NULL)
        return QR_NOMEM;
    qr_dto_store(qr_dto_pack(ticks, 0), bytes);
    *ret = qr_value_str(qr_str_n((const char *)bytes, QR_DTO_BYTES));
    return QR_OK;
}

static enum qr_status link_row(void *ctx, const struct qr_geo_seen *l)
{
    const struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    struct qr_value start;
    QR_TRY(moment(arena, l->start_ticks, &start));
    /* what is suspended has caught up once, as far as this view tells */
    enum qr_geo_replication_state state = l->state == QR_GEO_SUSPENDED ? QR_GEO_CATCH_UP : l->state;
    return qri_sysrow(w->rows, (int)l->database_id, &start, &start,
                      qr_arena_str(arena, qr_str_n((const char *)l->link_id, sizeof l->link_id)),
                      qr_arena_str(arena, l->partner_server),
                      qr_arena_str(arena, l->partner_database), (int)state,
                      qr_str(state_name(state)), l->is_primary ? 0 : 1,
                      qr_str(l->is_primary ? "PRIMARY" : "SECONDARY"));
}

static enum qr_status status_row(void *ctx, const struct qr_geo_seen *l)
{
    const struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    struct qr_value replicated, commit;
    if (l->database_id != w->session->db->info.database_id || l->state == QR_GEO_PENDING)
        return QR_OK;
    QR_TRY(moment(arena, l->replicated_ticks, &replicated));
    QR_TRY(moment(arena, l->commit_ticks, &commit));
    int64_t now = qri_now_ticks(w->session);
    int64_t lag = now > l->replicated_ticks ? (now - l->replicated_ticks) / TICKS_A_SECOND : 0;
    return qri_sysrow(
        w->rows, qr_arena_str(arena, qr_str_n((const char *)l->link_id, sizeof l->link_id)),
        qr_arena_str(arena, l->partner_server), qr_arena_str(arena, l->partner_database),
        &replicated, l->is_primary && l->replicated_ticks != 0 ? lag : QRI_SYS_NULL_BIGINT,
        (int)l->state, qr_str(state_name(l->state)), l->is_primary ? 0 : 1,
        qr_str(l->is_primary ? "PRIMARY" : "SECONDARY"), &commit);
}

static enum qr_status each(struct qri_sysrows *rows, struct qr_session *session,
                           enum qr_status (*row)(void *ctx, const struct qr_geo_seen *seen))
{
    struct walk w = {rows, session};
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_geo_link == NULL
               ? QR_OK
               : host->each_geo_link(host->ctx, session->db->info.server_id, row, &w);
}

static enum qr_status links(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, link_row);
}

static enum qr_status statuses(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, status_row);
}

const struct qri_sysview qri_sysviews_geo[] = {
    {"sys", "geo_replication_links",
     "database_id int, start_date datetimeoffset, modify_date datetimeoffset, link_guid "
     "uniqueidentifier, partner_server sysname, partner_database sysname, replication_state "
     "tinyint, replication_state_desc nvarchar(256), role tinyint, role_desc nvarchar(256), "
     "secondary_allow_connections tinyint =2, secondary_allow_connections_desc nvarchar(256) "
     "='All'",
     links, NULL, true},
    {"sys", "dm_geo_replication_link_status",
     "link_guid uniqueidentifier, partner_server sysname, partner_database sysname, "
     "last_replication datetimeoffset null, replication_lag_sec int null, replication_state "
     "tinyint, replication_state_desc nvarchar(256), role tinyint, role_desc nvarchar(256), "
     "secondary_allow_connections tinyint =2, secondary_allow_connections_desc nvarchar(256) "
     "='All', last_commit datetimeoffset null",
     statuses, NULL, false},
    {0},
};
