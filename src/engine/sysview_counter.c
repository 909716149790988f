/* sysview_counter.c - sys.dm_os_performance_counters: those of SQL Server's counters that something
 * here counts; see sysview_int.h
 *
 * Of databases those that the session may look at: its own, in master all of its server that are
 * open here. What is of the server is the sum over these. Rates are counts since the database was
 * opened, as SQL Server shows them: who asks twice has the rate. */
#include <stdio.h>
#include <string.h>
#include "governor/memory.h"
#include "store/store.h"
#include "sysview_governor_int.h"
#include "sysview_lock_int.h"
#include "base/banned.h"

enum { PAGE_8K = 8192, KIB = 1024, NS_PER_MS = 1000000, NAME_CHARS = 128 };

/* As performance counters of Windows number their kinds. */
enum counter_type {
    VALUE = 65792,          /* PERF_COUNTER_LARGE_RAWCOUNT */
    PER_SECOND = 272696576, /* PERF_COUNTER_BULK_COUNT */
    RATIO = 537003264,      /* PERF_LARGE_RAW_FRACTION: divided by the row of its base */
    BASE = 1073939712,      /* PERF_LARGE_RAW_BASE */
};

/* nchar(128), padded by characters. */
static struct qr_str padded(struct qri_sysrows *rows, struct qr_str s)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.n; i++)
        chars += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    int blanks = chars >= NAME_CHARS ? 0 : (int)(NAME_CHARS - chars);
    const char *text = qr_arena_printf(qri_sysrows_arena(rows), "%.*s%*s", (int)s.n,
                                       s.n == 0 ? "" : s.p, blanks, "");
    return text == NULL ? (struct qr_str){NULL, 0} : qr_str(text);
}

static enum qr_status row(struct qri_sysrows *rows, const char *object, const char *counter,
                          struct qr_str instance, int64_t value, enum counter_type type)
{
    return qri_sysrow(rows, padded(rows, qr_str(object)), padded(rows, qr_str(counter)),
                      padded(rows, instance), value, (int)type);
}

/* ---- what is summed up ---- */

struct counted {
    uint64_t requests, logins, plans;
    uint64_t lock_waits, lock_wait_ns, deadlocks;
    uint64_t grantees, waiters, granted_bytes, workspace_bytes;
    uint64_t sessions, blocked;
    uint64_t hits, lookups, cache_bytes;
};

static void add_group(struct counted *sum, const struct qr_gov_seen *group)
{
    static const char lock[] = "LCK_";
    sum->requests += qri_sys_counted(&group->usage->requests);
    sum->logins += qri_sys_counted(&group->usage->logins);
    sum->plans += qri_sys_counted(&group->usage->optimizations);
    for (int i = 1; i < QR_WAIT_COUNT; i++) {
        if (strncmp(qr_wait_info((enum qr_wait)i)->name, lock, sizeof lock - 1) != 0)
            continue;
        sum->lock_waits += qri_sys_counted(&group->waits->of[i].count);
        sum->lock_wait_ns += qri_sys_counted(&group->waits->of[i].ns);
    }
}

static enum qr_status sum_governed(struct counted *sum, struct qri_sysrows *rows,
                                   struct qr_session *session)
{
    struct qri_governed g;
    QR_TRY(qri_sys_governed(rows, session, &g));
    for (size_t i = 0; i < g.group_count; i++)
        if (!g.groups[i].is_internal)
            add_group(sum, &g.groups[i]);
    for (size_t i = 0; i < g.pool_count; i++) {
        struct qr_gov_semaphore_seen seen[QR_GOV_SEMAPHORES];
        qr_gov_semaphores(qri_sys_governor(session), g.pools[i].pool_key, seen);
        for (int k = 0; k < QR_GOV_SEMAPHORES; k++) {
            sum->grantees += seen[k].grantees;
            sum->waiters += seen[k].waiters;
            sum->granted_bytes += seen[k].granted_bytes;
            sum->workspace_bytes += seen[k].max_bytes;
        }
    }
    return QR_OK;
}

/* ---- of a database ---- */

static bool may_look_at(const struct qr_session *session, const struct qr_database *db)
{
    return db == session->db || (session->db->info.database_id == 1 &&
                                 db->info.server_id == session->db->info.server_id);
}

static enum qr_status database_rows(struct qri_sysrows *rows, struct qr_session *session,
                                    const struct qr_database *db, struct counted *sum)
{
    static const char object[] = "SQLServer:Databases";
    struct qr_store_stats s;
    struct qr_str name = qri_info(db)->name;
    int64_t transactions = 0;
    qr_store_get_stats(db->store, &s);
    for (struct qr_session *of = db->instance->sessions; of != NULL; of = of->next) {
        if (of->db != db)
            continue;
        struct qri_session_seen seen = of == session ? qri_session_look(of) : qri_session_shown(of);
        transactions += seen.tran_count > 0;
        sum->sessions++;
    }
    sum->deadlocks += atomic_load_explicit(&db->deadlocks, memory_order_relaxed);
    sum->hits += s.cache_hits;
    sum->lookups += s.cache_hits + s.cache_misses;
    sum->cache_bytes += s.cache_bytes;
    uint64_t log = s.log_file_bytes > s.log_bytes ? s.log_file_bytes : s.log_bytes;
    const struct {
        const char *counter;
        uint64_t value;
        enum counter_type type;
    } of[] = {
        {"Data File(s) Size (KB)", s.data_bytes / KIB, VALUE},
        {"Log File(s) Size (KB)", log / KIB, VALUE},
        {"Log File(s) Used Size (KB)", s.log_bytes / KIB, VALUE},
        {"Percent Log Used", log == 0 ? 0 : 100 * s.log_bytes / log, VALUE},
        {"Active Transactions", (uint64_t)transactions, VALUE},
        {"Write Transactions/sec", s.commits, PER_SECOND},
        {"Log Bytes Flushed/sec", s.log_bytes_written, PER_SECOND},
        {"Log Flushes/sec", s.log_writes.count, PER_SECOND},
        {"Log Flush Waits/sec", s.log_waits.count, PER_SECOND},
        {"Log Flush Wait Time", s.log_waits.ns / NS_PER_MS, VALUE},
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        QR_TRY(row(rows, object, of[i].counter, name, (int64_t)of[i].value, of[i].type));
    return QR_OK;
}

static enum qr_status each_database(struct qri_sysrows *rows, struct qr_session *session,
                                    struct counted *sum)
{
    struct qr_instance *instance = session->db->instance;
    struct qri_lock_waits waits = {0};
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_database *db = instance->databases; status == QR_OK && db != NULL; db = db->next)
        if (may_look_at(session, db)) {
            status = database_rows(rows, session, db, sum);
            if (status == QR_OK)
                status = qri_lock_waits_add(&waits, db);
        }
    pthread_mutex_unlock(&instance->mu);
    sum->blocked = waits.count;
    qri_lock_waits_done(&waits);
    return status;
}

/* ---- of all ---- */

static enum qr_status performance_counters(struct qri_sysrows *rows, struct qr_session *session)
{
    struct counted sum = {0};
    if (qri_sys_governor(session) == NULL)
        return QR_OK;
    QR_TRY(sum_governed(&sum, rows, session));
    QR_TRY(each_database(rows, session, &sum));
    const struct {
        const char *object, *counter, *instance;
        uint64_t value;
        enum counter_type type;
    } of[] = {
        /* clang-format off */
        {"SQLServer:SQL Statistics", "Batch Requests/sec", "", sum.requests, PER_SECOND},
        {"SQLServer:SQL Statistics", "SQL Compilations/sec", "", sum.plans, PER_SECOND},
        {"SQLServer:General Statistics", "User Connections", "", sum.sessions, VALUE},
        {"SQLServer:General Statistics", "Logins/sec", "", sum.logins, PER_SECOND},
        {"SQLServer:General Statistics", "Processes blocked", "", sum.blocked, VALUE},
        {"SQLServer:Locks", "Lock Waits/sec", "_Total", sum.lock_waits, PER_SECOND},
        {"SQLServer:Locks", "Lock Wait Time (ms)", "_Total", sum.lock_wait_ns / NS_PER_MS, PER_SECOND},
        {"SQLServer:Locks", "Number of Deadlocks/sec", "_Total", sum.deadlocks, PER_SECOND},
        {"SQLServer:Memory Manager", "Memory Grants Pending", "", sum.waiters, VALUE},
        {"SQLServer:Memory Manager", "Memory Grants Outstanding", "", sum.grantees, VALUE},
        {"SQLServer:Memory Manager", "Granted Workspace Memory (KB)", "", sum.granted_bytes / KIB, VALUE},
        {"SQLServer:Memory Manager", "Maximum Workspace Memory (KB)", "", sum.workspace_bytes / KIB, VALUE},
        {"SQLServer:Buffer Manager", "Buffer cache hit ratio", "", sum.hits, RATIO},
        {"SQLServer:Buffer Manager", "Buffer cache hit ratio base", "", sum.lookups, BASE},
        {"SQLServer:Buffer Manager", "Database pages", "", sum.cache_bytes / PAGE_8K, VALUE},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        QR_TRY(row(rows, of[i].object, of[i].counter, qr_str(of[i].instance), (int64_t)of[i].value,
                   of[i].type));
    return QR_OK;
}

const struct qri_sysview qri_sysviews_counter[] = {
    {"sys", "dm_os_performance_counters",
     "object_name nchar(128), counter_name nchar(128), instance_name nchar(128) null, cntr_value "
     "bigint, cntr_type int",
     performance_counters, NULL, false},
    {0},
};
