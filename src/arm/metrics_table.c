/* metrics_table.c - see metrics_int.h; names, units and aggregations are those of Azure Monitor's
 * list for Microsoft.Sql/servers/databases and .../elasticPools. */
#include <string.h>
#include "ctl/backups.h"
#include "metrics_int.h"
#include "base/banned.h"

#define BOTH (QRI_OF_DATABASE | QRI_OF_POOL)
#define ALL (QRI_AVERAGE | QRI_MINIMUM | QRI_MAXIMUM)
#define AVG ALL, QRI_AVERAGE
#define MAX ALL, QRI_MAXIMUM
#define SUM QRI_TOTAL, QRI_TOTAL
#define DATABASE QRI_OF_DATABASE
#define POOL QRI_OF_POOL
#define SAMPLES QRI_OF_SAMPLES

const struct qri_metric qri_metrics[] = {
    /* clang-format off */
    {"cpu_percent", "CPU percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_CPU, NULL},
    {"physical_data_read_percent", "Data IO percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_IO, NULL},
    {"log_write_percent", "Log IO percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_LOG, NULL},
    {"dtu_consumption_percent", "DTU percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_DTU, NULL},
    {"storage", "Data space used", "Bytes", DATABASE, SAMPLES, MAX, QR_MEASURE_STORAGE, NULL},
    {"storage_used", "Data space used", "Bytes", POOL, SAMPLES, AVG, QR_MEASURE_STORAGE, NULL},
    {"storage_limit", "Data max size", "Bytes", POOL, SAMPLES, AVG, QR_MEASURE_STORAGE_LIMIT, NULL},
    {"storage_percent", "Data space used percent", "Percent", DATABASE, SAMPLES, MAX, QRI_MADE_STORAGE_PERCENT, NULL},
    {"storage_percent", "Data space used percent", "Percent", POOL, SAMPLES, AVG, QRI_MADE_STORAGE_PERCENT, NULL},
    {"allocated_data_storage", "Data space allocated", "Bytes", BOTH, SAMPLES, AVG, QR_MEASURE_ALLOCATED, NULL},
    {"allocated_data_storage_percent", "Data space allocated percent", "Percent", POOL, SAMPLES, MAX, QRI_MADE_ALLOCATED_PERCENT, NULL},
    {"workers_percent", "Workers percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_WORKERS, NULL},
    {"sessions_percent", "Sessions percentage", "Percent", BOTH, SAMPLES, AVG, QR_MEASURE_SESSIONS, NULL},
    {"sessions_count", "Sessions count", "Count", BOTH, SAMPLES, AVG, QR_MEASURE_SESSION_COUNT, NULL},
    {"dtu_limit", "DTU Limit", "Count", DATABASE, SAMPLES, AVG, QRI_MADE_DTU_LIMIT, NULL},
    {"dtu_used", "DTU used", "Count", DATABASE, SAMPLES, AVG, QRI_MADE_DTU_USED, NULL},
    {"eDTU_limit", "eDTU limit", "Count", POOL, SAMPLES, AVG, QRI_MADE_DTU_LIMIT, NULL},
    {"eDTU_used", "eDTU used", "Count", POOL, SAMPLES, AVG, QRI_MADE_DTU_USED, NULL},
    {"cpu_limit", "CPU limit", "Count", BOTH, SAMPLES, AVG, QRI_MADE_CPU_LIMIT, NULL},
    {"cpu_used", "CPU used", "Count", BOTH, SAMPLES, AVG, QRI_MADE_CPU_USED, NULL},
    {"sqlserver_process_core_percent", "SQL Server process core percent", "Percent", BOTH, SAMPLES, MAX, QR_MEASURE_INSTANCE_CPU, NULL},
    {"sqlserver_process_memory_percent", "SQL Server process memory percent", "Percent", BOTH, SAMPLES, MAX, QR_MEASURE_INSTANCE_MEMORY, NULL},
    {"tempdb_data_size", "Tempdb Data File Size Kilobytes", "Count", DATABASE, SAMPLES, MAX, QR_MEASURE_TEMPDB_KB, NULL},
    {"tempdb_log_size", "Tempdb Log File Size Kilobytes", "Count", DATABASE, SAMPLES, MAX, QRI_MADE_NOTHING, NULL},
    {"tempdb_log_used_percent", "Tempdb Percent Log Used", "Percent", DATABASE, SAMPLES, MAX, QRI_MADE_NOTHING, NULL},
    {"connection_successful", "Successful Connections", "Count", DATABASE, QRI_OF_EVENTS, SUM, 0, "connection_successful/"},
    {"connection_failed", "Failed Connections", "Count", DATABASE, QRI_OF_EVENTS, SUM, 0, "connection_failed/"},
    {"blocked_by_firewall", "Blocked by Firewall", "Count", DATABASE, QRI_OF_EVENTS, SUM, 0, "connection_failed/7/"},
    {"deadlock", "Deadlocks", "Count", DATABASE, QRI_OF_EVENTS, SUM, 0, "deadlock/"},
    {"app_cpu_billed", "App CPU billed", "Count", DATABASE, QRI_OF_BILLED, SUM, QRI_MADE_APP_BILLED, ""},
    {"app_cpu_billed_ha_replicas", "App CPU billed HA replicas", "Count", DATABASE, QRI_OF_BILLED, SUM, QRI_MADE_APP_BILLED, "ha:"},
    {"app_cpu_percent", "App CPU percentage", "Percent", DATABASE, QRI_OF_BILLED, AVG, QRI_MADE_APP_CPU, ""},
    {"app_memory_percent", "App memory percentage", "Percent", DATABASE, QRI_OF_BILLED, AVG, QRI_MADE_APP_MEMORY, ""},
    {"full_backup_size_bytes", "Full backup storage size", "Bytes", DATABASE, QRI_OF_BACKUPS, QRI_MAXIMUM, QRI_MAXIMUM, QR_BACKUP_WORD_FULL, NULL},
    {"diff_backup_size_bytes", "Differential backup storage size", "Bytes", DATABASE, QRI_OF_BACKUPS, QRI_MAXIMUM, QRI_MAXIMUM, QR_BACKUP_WORD_DIFF, NULL},
    {"log_backup_size_bytes", "Log backup storage size", "Bytes", DATABASE, QRI_OF_BACKUPS, QRI_MAXIMUM, QRI_MAXIMUM, QR_BACKUP_WORD_LOG, NULL},
    /* clang-format on */
};
const size_t qri_metric_count = sizeof qri_metrics / sizeof qri_metrics[0];

#define MINUTES(n) ((n)*INT64_C(60000000000))
const struct qri_grain qri_grains[] = {
    {"PT1M", "00:01:00", MINUTES(1)},    {"PT5M", "00:05:00", MINUTES(5)},
    {"PT15M", "00:15:00", MINUTES(15)},  {"PT30M", "00:30:00", MINUTES(30)},
    {"PT1H", "01:00:00", MINUTES(60)},   {"PT6H", "06:00:00", MINUTES(360)},
    {"PT12H", "12:00:00", MINUTES(720)}, {"P1D", "1.00:00:00", MINUTES(1440)},
};
const size_t qri_grain_count = sizeof qri_grains / sizeof qri_grains[0];

const struct qri_grain *qri_grain_find(struct qr_str name)
{
    static const struct {
        const char *name, *same;
    } others[] = {{"PT60M", "PT1H"}, {"PT24H", "P1D"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (qr_str_ieqz(name, others[i].name))
            name = qr_str(others[i].same);
    for (size_t i = 0; i < qri_grain_count; i++)
        if (qr_str_ieqz(name, qri_grains[i].name))
            return &qri_grains[i];
    return NULL;
}

static const struct {
    uint8_t one;
    const char *small, *capital;
} aggregations[] = {{QRI_AVERAGE, "average", "Average"},
                    {QRI_MINIMUM, "minimum", "Minimum"},
                    {QRI_MAXIMUM, "maximum", "Maximum"},
                    {QRI_TOTAL, "total", "Total"}};

const char *qri_aggregation_name(uint8_t one, bool capital)
{
    size_t i = 0;
    while (aggregations[i].one != one)
        i++;
    return capital ? aggregations[i].capital : aggregations[i].small;
}

/* The next of those that commas separate, without blanks around it; *at moves behind it. */
static struct qr_str next_word(struct qr_str words, size_t *at)
{
    size_t n = 0, from = *at;
    while (from + n < words.n && words.p[from + n] != ',')
        n++;
    *at = from + n + 1;
    while (n > 0 && words.p[from] == ' ')
        from++, n--;
    while (n > 0 && words.p[from + n - 1] == ' ')
        n--;
    return qr_str_n(words.p + from, n);
}

uint8_t qri_aggregations_parse(struct qr_str words)
{
    uint8_t found = 0;
    for (size_t at = 0; at < words.n;) {
        struct qr_str word = next_word(words, &at);
        uint8_t one = 0;
        for (size_t i = 0; i < sizeof aggregations / sizeof aggregations[0]; i++)
            if (qr_str_ieqz(word, aggregations[i].small))
                one = aggregations[i].one;
        if (one == 0)
            return 0;
        found |= one;
    }
    return found;
}

bool qri_metric_is_wanted(struct qr_str names, const char *name)
{
    for (size_t at = 0; at < names.n;)
        if (qr_str_ieqz(next_word(names, &at), name))
            return true;
    return names.n == 0;
}
