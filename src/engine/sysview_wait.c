/* sysview_wait.c - what is waited for, by type; see sysview_int.h
 *
 * The governor counts the waits of sessions and of internal work. What stores count themselves is
 * taken from them where they know of more. */
#include <string.h>
#include "store/store.h"
#include "sysview_governor_int.h"
#include "sysview_lock_int.h"
#include "base/banned.h"

enum { NS_PER_MS = 1000000 };

struct wait_sum {
    uint64_t count, ns, ns_max, signal_ns;
};

static int64_t ms_of(uint64_t ns)
{
    return (int64_t)(ns / NS_PER_MS);
}

static void take_waits(struct wait_sum sums[QR_WAIT_COUNT], const struct qr_waits *waits)
{
    for (int i = 1; i < QR_WAIT_COUNT; i++) {
        const struct qr_wait_stat *s = &waits->of[i];
        sums[i] = (struct wait_sum){qri_sys_counted(&s->count), qri_sys_counted(&s->ns),
                                    qri_sys_counted(&s->max_ns), qri_sys_counted(&s->signal_ns)};
    }
}

/* ---- what stores count ---- */

static void add_store(struct wait_sum sums[QR_WAIT_COUNT], const struct qr_database *db)
{
    struct qr_store_stats stats;
    qr_store_get_stats(db->store, &stats);
    const struct {
        enum qr_wait type;
        struct qr_store_waits waits;
    } counted[] = {
        {QR_WAIT_WRITELOG, stats.log_waits},
        {QR_WAIT_PAGEIOLATCH_SH, stats.page_waits},
    };
    static const struct {
        enum qr_wait type;
        enum qr_store_rbio_reason reason;
    } rbio[] = {
        {QR_WAIT_RBIO_RG_DESTAGE, QR_RBIO_DESTAGE},
        {QR_WAIT_RBIO_RG_LOCALDESTAGE, QR_RBIO_LOCALDESTAGE},
        {QR_WAIT_RBIO_RG_REPLICA, QR_RBIO_REPLICA},
        {QR_WAIT_RBIO_RG_STORAGE, QR_RBIO_STORAGE},
    };
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        struct wait_sum *sum = &sums[counted[i].type];
        const struct qr_store_waits *w = &counted[i].waits;
        sum->count += w->count;
        sum->ns += w->ns;
        sum->ns_max = w->ns_max > sum->ns_max ? w->ns_max : sum->ns_max;
    }
    for (size_t i = 0; i < sizeof rbio / sizeof rbio[0]; i++) {
        struct wait_sum *sum = &sums[rbio[i].type];
        const struct qr_store_rbio *r = &stats.rbio[rbio[i].reason];
        sum->count += r->waits;
        sum->ns += r->wait_ns;
        sum->ns_max = r->wait_ns_max > sum->ns_max ? r->wait_ns_max : sum->ns_max;
    }
}

static void merge(struct wait_sum sums[QR_WAIT_COUNT], const struct wait_sum stored[QR_WAIT_COUNT])
{
    for (int i = 1; i < QR_WAIT_COUNT; i++)
        if (stored[i].ns > sums[i].ns || stored[i].count > sums[i].count)
            sums[i] = stored[i];
}

/* ---- views ---- */

static enum qr_status wait_rows(struct qri_sysrows *rows, const struct wait_sum sums[QR_WAIT_COUNT],
                                bool zeros)
{
    for (int i = 1; i < QR_WAIT_COUNT; i++)
        if (zeros || sums[i].count > 0)
            QR_TRY(qri_sysrow(rows, qr_str(qr_wait_info((enum qr_wait)i)->name),
                              (int64_t)sums[i].count, ms_of(sums[i].ns), ms_of(sums[i].ns_max),
                              ms_of(sums[i].signal_ns)));
    return QR_OK;
}

static enum qr_status db_wait_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct wait_sum sums[QR_WAIT_COUNT] = {0}, stored[QR_WAIT_COUNT] = {0};
    struct qr_gov_group *group = qr_database_group(session->db);
    if (group != NULL)
        take_waits(sums, qr_gov_group_waits(group));
    add_store(stored, session->db);
    merge(sums, stored);
    return wait_rows(rows, sums, false);
}

/* Of all databases of this compute node. */
static enum qr_status os_wait_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    struct wait_sum sums[QR_WAIT_COUNT] = {0}, stored[QR_WAIT_COUNT] = {0};
    struct qr_governor *gov = qri_sys_governor(session);
    if (gov != NULL)
        take_waits(sums, qr_governor_waits(gov));
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_database *db = instance->databases; db != NULL; db = db->next)
        add_store(stored, db);
    pthread_mutex_unlock(&instance->mu);
    merge(sums, stored);
    return wait_rows(rows, sums, true);
}

static enum qr_status session_rows(struct qri_sysrows *rows, const struct qr_session *s)
{
    struct wait_sum sums[QR_WAIT_COUNT] = {0};
    take_waits(sums, &s->login.task->waits);
    for (int i = 1; i < QR_WAIT_COUNT; i++)
        if (sums[i].count > 0)
            QR_TRY(qri_sysrow(rows, (int)s->id, qr_str(qr_wait_info((enum qr_wait)i)->name),
                              (int64_t)sums[i].count, ms_of(sums[i].ns), ms_of(sums[i].ns_max),
                              ms_of(sums[i].signal_ns)));
    return QR_OK;
}

static enum qr_status session_wait_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (const struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next)
        if (s->login.task != NULL && qri_sys_shows_session(s, session))
            status = session_rows(rows, s);
    pthread_mutex_unlock(&instance->mu);
    return status;
}

#define WAIT_COLUMNS                                                                               \
    "wait_type nvarchar(60), waiting_tasks_count bigint, wait_time_ms bigint, "                    \
    "max_wait_time_ms bigint, signal_wait_time_ms bigint"

const struct qri_sysview qri_sysviews_wait[] = {
    {"sys", "dm_db_wait_stats", WAIT_COLUMNS, db_wait_stats, NULL, false},
    {"sys", "dm_os_wait_stats", WAIT_COLUMNS, os_wait_stats, NULL, false},
    {"sys", "dm_exec_session_wait_stats", "session_id smallint, " WAIT_COLUMNS, session_wait_stats,
     NULL, false},
    {0},
};
