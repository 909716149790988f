/* sysview_autoscale.c - ours: how databases are scaled by their load, and what was decided about
 * them; see sysview_int.h. In master of all databases, elsewhere of that one. */
#include <stdlib.h>
#include "sysview_int.h"
#include "base/banned.h"

struct walk {
    struct qri_sysrows *rows;
    uint32_t database_id; /* 0: of all */
};

static struct walk walk_of(struct qri_sysrows *rows, const struct qr_session *session)
{
    bool is_master = qr_str_ieqz(qri_info(session->db)->name, "master");
    return (struct walk){rows, is_master ? 0 : session->db->info.database_id};
}

static struct qr_str kept(struct qr_arena *arena, struct qr_str text)
{
    return text.p == NULL ? text : qr_arena_str(arena, text);
}

static enum qr_status settings_row(void *ctx, const struct qr_autoscale_seen *a)
{
    const struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    if (w->database_id != 0 && w->database_id != a->database_id)
        return QR_OK;
    return qri_sysrow(w->rows, (int)a->database_id, kept(arena, a->database), (int)a->is_on,
                      kept(arena, a->policy), kept(arena, a->least), kept(arena, a->most), a->up,
                      a->down, (int)a->window, (int)a->points_min, (int)a->warmup, (int)a->cooldown,
                      a->cost, (int)a->horizon, kept(arena, a->metrics), (int)a->is_dry,
                      kept(arena, a->current), a->decided_ticks, kept(arena, a->reason),
                      kept(arena, a->requested), kept(arena, a->error), a->retry_ticks);
}

static enum qr_status settings(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct walk w = walk_of(rows, session);
    return host->each_autoscale == NULL
               ? QR_OK
               : host->each_autoscale(host->ctx, session->db->info.server_id, settings_row, &w);
}

/* The body is "CURRENT REQUESTED {...}" (ctl/autoscale.h). */
static enum qr_status history_row(void *ctx, const struct qr_telemetry_seen *seen)
{
    static const int64_t ticks_to_1970 = INT64_C(719162) * 86400 * 10000000;
    const struct walk *w = ctx;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    const char *key = qr_arena_str(arena, seen->key).p, *text = qr_arena_str(arena, seen->body).p;
    if (key == NULL || text == NULL)
        return QR_NOMEM;
    uint32_t id = (uint32_t)strtoul(key, NULL, 10);
    size_t current = strcspn(text, " ");
    const char *rest = text[current] == ' ' ? text + current + 1 : "";
    size_t requested = strcspn(rest, " ");
    if ((w->database_id != 0 && w->database_id != id) || rest[requested] != ' ')
        return QR_OK;
    bool nothing = requested == 1 && *rest == '-';
    return qri_sysrow(w->rows, (seen->at_ticks - ticks_to_1970) / 10000000, seen->at_ticks,
                      qr_str_n(text, current),
                      nothing ? (struct qr_str){NULL, 0} : qr_str_n(rest, requested),
                      qr_str(rest + requested + 1), (int)id);
}

static enum qr_status history(struct qri_sysrows *rows, struct qr_session *session)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct walk w = walk_of(rows, session);
    return host->each_telemetry == NULL
               ? QR_OK
               : host->each_telemetry(host->ctx, QR_SEEN_AUTOSCALE, session->db->info.server_id, 0,
                                      history_row, &w);
}

const struct qri_sysview qri_sysviews_autoscale[] = {
    {"sys", "database_autoscale",
     "database_id int, database_name nvarchar(128), is_enabled bit, policy nvarchar(60) null, "
     "min_objective nvarchar(64) null, max_objective nvarchar(64) null, up_percent float, "
     "down_percent float, window_points int, min_points int, warmup_seconds int, cooldown_seconds "
     "int, cost_weight float, horizon_seconds int, metrics nvarchar(128), is_dry_run bit, "
     "current_objective nvarchar(64) null, last_decision_time datetime2 null, last_reason "
     "nvarchar(60) null, last_requested_objective nvarchar(64) null, last_error nvarchar(1024) "
     "null, retry_after_time datetime2 null",
     settings, NULL, false},
    {"sys", "database_autoscale_history",
     "Id bigint, InsertedAt datetime2, CurrentSLO nvarchar(100), RequestedSLO nvarchar(100) null, "
     "UsageInfo nvarchar(4000), database_id int",
     history, NULL, false},
    {0},
};
