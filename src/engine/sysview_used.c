/* sysview_used.c - what control keeps of the use of resources: sys.resource_stats,
 * sys.elastic_pool_resource_stats; see sysview_int.h
 *
 * Bodies are words with blanks between them, as cmd/node_report.c writes them. */
#include <math.h>
#include <stdlib.h>
#include "sysview_governor_int.h"
#include "base/banned.h"

enum { NUMBERS = 12 }; /* and what is allocated, in MB, where the row tells it */
enum number {
    STORAGE_MB,
    CPU,
    IO,
    LOG_WRITE,
    WORKER,
    SESSION,
    DTUS,
    INSTANCE_CPU,
    INSTANCE_MEMORY,
    VCORES,
    POOL_STORAGE,
    POOL_LIMIT_MB,
};

struct used {
    struct qr_str sku; /* NULL: not known */
    double numbers[NUMBERS];
    double allocated_mb; /* -1: not known */
};

static bool take_body(struct qr_arena *arena, struct qr_str body, size_t count, struct used *ret)
{
    const char *text = qr_arena_str(arena, body).p; /* ends with a zero */
    if (text == NULL)
        return false;
    size_t n = strcspn(text, " ");
    ret->sku = n == 1 && *text == '-' ? (struct qr_str){NULL, 0} : qr_str_n(text, n);
    text += n;
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        ret->numbers[i] = strtod(text, &end);
        if (end == text)
            return false;
        text = end;
    }
    char *end = NULL;
    double allocated = strtod(text, &end);
    ret->allocated_mb = end == text ? -1 : allocated;
    return true;
}

static enum qr_status each(struct qri_sysrows *rows, struct qr_session *session, uint8_t kind,
                           enum qr_status (*row)(void *ctx, const struct qr_telemetry_seen *seen))
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_telemetry == NULL
               ? QR_OK
               : host->each_telemetry(host->ctx, kind, session->db->info.server_id, 0, row, rows);
}

static enum qr_status database_row(void *ctx, const struct qr_telemetry_seen *seen)
{
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct used u;
    if (!take_body(arena, seen->body, VCORES + 1, &u))
        return QR_OK;
    struct qr_value v[NUMBERS], null = qr_value_null(), zero = qr_value_int(0);
    for (int i = 0; i <= VCORES; i++)
        v[i] = qri_sys_hundredths(u.numbers[i]);
    bool is_dtu = u.numbers[DTUS] > 0;
    return qri_sysrow(rows, seen->at_ticks - INT64_C(3000000000), seen->at_ticks,
                      qr_arena_str(arena, seen->key), u.sku, u.numbers[STORAGE_MB], &v[CPU], &v[IO],
                      &v[LOG_WRITE], &v[WORKER], &v[SESSION],
                      is_dtu ? (int)u.numbers[DTUS] : QRI_SYS_NULL, &zero, &null, &v[INSTANCE_CPU],
                      &v[INSTANCE_MEMORY], is_dtu || u.numbers[VCORES] == 0 ? &null : &v[VCORES],
                      u.allocated_mb < 0 ? (double)NAN : u.allocated_mb);
}

static enum qr_status resource_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, QR_SEEN_DATABASES, database_row);
}

static enum qr_status pool_row(void *ctx, const struct qr_telemetry_seen *seen)
{
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct used u;
    if (!take_body(arena, seen->body, NUMBERS, &u))
        return QR_OK;
    double limit = u.numbers[POOL_LIMIT_MB];
    struct qr_value v[NUMBERS],
        null = qr_value_null(),
        allocated = qri_sys_hundredths(limit <= 0 ? 0 : 100 * u.allocated_mb / limit);
    for (int i = 0; i < NUMBERS; i++)
        v[i] = qri_sys_hundredths(u.numbers[i]);
    return qri_sysrow(rows, seen->at_ticks - INT64_C(150000000), seen->at_ticks,
                      qr_arena_str(arena, seen->key), &v[CPU], &v[IO], &v[LOG_WRITE],
                      &v[POOL_STORAGE], &v[WORKER], &v[SESSION],
                      u.numbers[DTUS] > 0 ? (int)u.numbers[DTUS] : QRI_SYS_NULL,
                      qri_sys_known_long((uint64_t)u.numbers[POOL_LIMIT_MB]),
                      u.allocated_mb < 0 || limit <= 0 ? &null : &allocated);
}

static enum qr_status pool_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, QR_SEEN_POOLS, pool_row);
}

/* An extension: Azure shows it as metrics only. Of HA replicas a row of their own. */
static enum qr_status billed_row(void *ctx, const struct qr_telemetry_seen *seen)
{
    static const char prefix[] = "ha:"; /* no name has a colon */
    enum { PREFIX = sizeof prefix - 1 };
    struct qri_sysrows *rows = ctx;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    bool is_ha = seen->key.n > PREFIX && memcmp(seen->key.p, prefix, PREFIX) == 0;
    struct qr_str name = is_ha ? qr_str_n(seen->key.p + PREFIX, seen->key.n - PREFIX) : seen->key;
    struct qr_value cpu = qr_value_null(), memory = qr_value_null();
    const char *text = qr_arena_str(arena, seen->body).p; /* ends with a zero */
    char *end = NULL;
    double percent = text == NULL ? 0 : strtod(text, &end);
    if (text != NULL && end != text) {
        cpu = qri_sys_hundredths(percent);
        memory = qri_sys_hundredths(strtod(end, NULL));
    }
    return qri_sysrow(rows, seen->at_ticks, seen->at_ticks + INT64_C(600000000),
                      qr_arena_str(arena, name), is_ha, (double)seen->count / 1e6, &cpu, &memory);
}

static enum qr_status serverless_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, QR_SEEN_BILLED, billed_row);
}

/* Of Managed Instance: a logical server of databases has none. */
static enum qr_status server_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    (void)rows;
    (void)session;
    return QR_OK;
}

const struct qri_sysview qri_sysviews_used[] = {
    {"sys", "resource_stats",
     "start_time datetime, end_time datetime, database_name varchar(128), sku varchar(128) null, "
     "storage_in_megabytes float, avg_cpu_percent decimal(5,2), avg_data_io_percent decimal(5,2), "
     "avg_log_write_percent decimal(5,2), max_worker_percent decimal(5,2), max_session_percent "
     "decimal(5,2), dtu_limit int null, xtp_storage_percent decimal(5,2), avg_login_rate_percent "
     "decimal(5,2) null, avg_instance_cpu_percent decimal(5,2), avg_instance_memory_percent "
     "decimal(5,2), cpu_limit decimal(5,2) null, allocated_storage_in_megabytes float null",
     resource_stats, NULL, true},
    {"sys", "elastic_pool_resource_stats",
     "start_time datetime2, end_time datetime2, elastic_pool_name nvarchar(128), avg_cpu_percent "
     "decimal(5,2), avg_data_io_percent decimal(5,2), avg_log_write_percent decimal(5,2), "
     "avg_storage_percent decimal(5,2), max_worker_percent decimal(5,2), max_session_percent "
     "decimal(5,2), elastic_pool_dtu_limit int null, elastic_pool_storage_limit_mb bigint null, "
     "avg_allocated_storage_percent decimal(5,2) null",
     pool_stats, NULL, true},
    {"sys", "quire_serverless_stats",
     "start_time datetime2, end_time datetime2, database_name nvarchar(128), is_ha_replica bit, "
     "app_cpu_billed float, app_cpu_percent decimal(5,2) null, app_memory_percent decimal(5,2) "
     "null",
     serverless_stats, NULL, true},
    {"sys", "server_resource_stats",
     "start_time datetime2, end_time datetime, resource_type nvarchar(128), resource_name "
     "nvarchar(128), sku nvarchar(128), hardware_generation nvarchar(128), virtual_core_count int, "
     "avg_cpu_percent decimal(5,2), reserved_storage_mb bigint, storage_space_used_mb "
     "decimal(18,2), io_request bigint, io_bytes_read bigint, io_bytes_written bigint",
     server_stats, NULL, true},
    {0},
};
