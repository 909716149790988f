/* sysview_memory.c - grants of memory, and the semaphores that they come from; see sysview_int.h */
#include "governor/memory.h"
#include "sysview_governor_int.h"
#include "texts_int.h"
#include "base/banned.h"

enum { NS_PER_MS = 1000000, TICKS_PER_MS = 10000 };

/* ---- sys.dm_exec_query_memory_grants ---- */

struct gather {
    struct qr_arena *arena;
    struct qr_gov_grant_seen *list;
    size_t count, capacity;
    bool full;
};

static void keep(void *ctx, const struct qr_gov_grant_seen *seen)
{
    struct gather *g = ctx;
    if (!g->full)
        g->list =
            qr_arena_grow(g->arena, g->list, g->count, &g->capacity, g->count + 1, sizeof *g->list);
    g->full = g->full || g->list == NULL;
    if (!g->full)
        g->list[g->count++] = *seen;
}

static int64_t kib(uint64_t bytes)
{
    return (int64_t)(bytes >> 10);
}

/* Requests of groups that the session may see; master sees those of its server. */
static const struct qr_gov_seen *group_of(const struct qri_governed *g, uint32_t id)
{
    for (size_t i = 0; i < g->group_count; i++)
        if (g->groups[i].id == id)
            return &g->groups[i];
    return NULL;
}

static enum qr_status grant_row(struct qri_sysrows *rows, struct qr_session *session,
                                const struct qr_gov_grant_seen *g)
{
    struct qr_arena *arena = qri_sysrows_arena(rows);
    int64_t now_ns = qr_env_mono_ns(session->db->instance->options.env);
    int64_t now_ticks = qri_now_ticks(session);
    bool waits = g->grant_mono_ns == 0;
    int64_t asked = now_ticks - (now_ns - g->request_mono_ns) / NS_PER_MS * TICKS_PER_MS;
    int64_t given = waits ? 0 : now_ticks - (now_ns - g->grant_mono_ns) / NS_PER_MS * TICKS_PER_MS;
    int64_t wait_ms = (now_ns - g->request_mono_ns) / NS_PER_MS;
    return qri_sysrow(
        rows, (int)g->session_id, asked, given, kib(g->requested_bytes),
        waits ? QRI_SYS_NULL_BIGINT : kib(g->granted_bytes), kib(g->required_bytes),
        waits ? QRI_SYS_NULL_BIGINT : kib(g->used_bytes),
        waits ? QRI_SYS_NULL_BIGINT : kib(g->used_max_bytes), g->cost,
        (int)(g->timeout_ns / NS_PER_MS / 1000), (int)g->semaphore,
        waits ? (int)g->semaphore : QRI_SYS_NULL, waits ? (int)g->wait_order : QRI_SYS_NULL,
        waits ? (int)(g->wait_order == 0) : QRI_SYS_NULL, waits ? wait_ms : QRI_SYS_NULL_BIGINT,
        qri_plan_handle(arena, session->db, g->text_id),
        qri_sql_handle(arena, session->db, g->text_id, 0), (int)g->group_id, (int)g->pool_id,
        (int)(g->semaphore == QR_GOV_SMALL), kib(g->ideal_bytes));
}

static enum qr_status memory_grants(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_governor *gov = qri_sys_governor(session);
    struct gather grants = {.arena = qri_sysrows_arena(rows)};
    struct qri_governed governed;
    if (gov == NULL)
        return QR_OK;
    QR_TRY(qri_sys_governed(rows, session, &governed));
    qr_gov_each_grant(gov, keep, &grants);
    if (grants.full)
        return QR_NOMEM;
    for (size_t i = 0; i < grants.count; i++)
        if (group_of(&governed, grants.list[i].group_id) != NULL)
            QR_TRY(grant_row(rows, session, &grants.list[i]));
    return QR_OK;
}

/* ---- sys.dm_exec_query_resource_semaphores ---- */

static enum qr_status semaphores(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_governed g;
    QR_TRY(qri_sys_governed(rows, session, &g));
    for (size_t i = 0; i < g.pool_count; i++) {
        struct qr_gov_semaphore_seen seen[QR_GOV_SEMAPHORES];
        qr_gov_semaphores(qri_sys_governor(session), g.pools[i].pool_key, seen);
        for (int k = 0; k < QR_GOV_SEMAPHORES; k++) {
            const struct qr_gov_semaphore_seen *s = &seen[k];
            uint64_t left = s->max_bytes > s->granted_bytes ? s->max_bytes - s->granted_bytes : 0;
            QR_TRY(qri_sysrow(rows, k, kib(s->max_bytes), kib(s->max_bytes), kib(s->max_bytes),
                              kib(left), kib(s->granted_bytes), kib(s->used_bytes),
                              (int)s->grantees, (int)s->waiters, (int64_t)s->timeouts,
                              (int64_t)s->forced, (int)g.pools[i].pool_id));
        }
    }
    return QR_OK;
}

const struct qri_sysview qri_sysviews_memory[] = {
    {"sys", "dm_exec_query_memory_grants",
     "session_id smallint, request_id int =0, scheduler_id int null =null, dop smallint =1, "
     "request_time datetime, grant_time datetime null, requested_memory_kb bigint, "
     "granted_memory_kb bigint null, required_memory_kb bigint, used_memory_kb bigint null, "
     "max_used_memory_kb bigint null, query_cost float, timeout_sec int, "
     "resource_semaphore_id smallint, queue_id smallint null, wait_order int null, "
     "is_next_candidate bit null, wait_time_ms bigint null, plan_handle varbinary(64) null, "
     "sql_handle varbinary(64) null, group_id int, pool_id int, is_small bit, "
     "ideal_memory_kb bigint, reserved_worker_count int =0, used_worker_count int =0, "
     "max_used_worker_count int =0, reserved_node_bitmap bigint =0",
     memory_grants, NULL, false},
    {"sys", "dm_exec_query_resource_semaphores",
     "resource_semaphore_id smallint, target_memory_kb bigint, max_target_memory_kb bigint, "
     "total_memory_kb bigint, available_memory_kb bigint, granted_memory_kb bigint, "
     "used_memory_kb bigint, grantee_count int, waiter_count int, timeout_error_count bigint, "
     "forced_grant_count bigint, pool_id int",
     semaphores, NULL, false},
    {0},
};
