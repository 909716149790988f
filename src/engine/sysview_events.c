/* sysview_events.c - what control keeps of events: sys.event_log, sys.database_connection_stats;
 * see sysview_int.h */
#include <stdlib.h>
#include <string.h>
#include "deadlock_int.h"
#include "sysview_int.h"
#include "base/banned.h"

#define BUCKET_TICKS INT64_C(3000000000)

static enum qr_status each_event(struct qr_session *session, void *ctx,
                                 enum qr_status (*each)(void *ctx,
                                                        const struct qr_telemetry_seen *seen))
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    return host->each_telemetry == NULL
               ? QR_OK
               : host->each_telemetry(host->ctx, QR_SEEN_EVENTS, session->db->info.server_id, 0,
                                      each, ctx);
}

/* "type/subtype/database" */
struct event {
    struct qr_str type, database;
    int subtype;
};

static bool take_event(struct qr_str key, struct event *ret_event)
{
    const char *first = key.n == 0 ? NULL : memchr(key.p, '/', key.n);
    if (first == NULL)
        return false;
    char *end = NULL;
    struct qr_str rest = qr_str_n(first + 1, key.n - (size_t)(first + 1 - key.p));
    const char *second = rest.n == 0 ? NULL : memchr(rest.p, '/', rest.n);
    if (second == NULL)
        return false;
    ret_event->type = qr_str_n(key.p, (size_t)(first - key.p));
    ret_event->subtype = (int)strtol(rest.p, &end, 10);
    ret_event->database = qr_str_n(second + 1, rest.n - (size_t)(second + 1 - rest.p));
    return end == second;
}

/* ---- sys.event_log ---- */

static const struct event_kind {
    const char *type;
    int subtype; /* -1: any */
    const char *category, *subtype_desc;
    int severity;
    const char *description;
} event_kinds[] = {
    /* clang-format off */
    {"connection_successful", -1, "connectivity", "connection_successful", 0, "Connected successfully to database."},
    {"connection_failed", 0, "connectivity", "invalid_login_name", 2, "The login name is not valid in this version of SQL Server."},
    {"connection_failed", 1, "connectivity", "windows_auth_not_supported", 2, "Windows logins are not supported in this version of SQL Server."},
    {"connection_failed", 2, "connectivity", "attach_db_not_supported", 2, "User requested to attach a database file which is not supported."},
    {"connection_failed", 3, "connectivity", "change_password_not_supported", 2, "User requested to change the password of the user logging in which is not supported."},
    {"connection_failed", 4, "connectivity", "login_failed_for_user", 2, "Login failed for user."},
    {"connection_failed", 5, "connectivity", "login_disabled", 2, "The login was disabled."},
    {"connection_failed", 6, "connectivity", "failed_to_open_db", 2, "The database could not be opened."},
    {"connection_failed", 7, "connectivity", "blocked_by_firewall", 2, "Client IP address is not allowed to access the server."},
    {"connection_failed", 9, "connectivity", "reconfiguration", 2, "The connection failed because the database was going through a reconfiguration at the time."},
    {"deadlock", -1, "engine", "deadlock", 2, "Deadlock occurred."},
    /* clang-format on */
};

/* A report that this process keeps; the others of its kind lie in the process of their database. */
struct report {
    int64_t ticks;
    struct qr_str database, text;
};

struct log {
    struct qri_sysrows *rows;
    struct report *reports; /* oldest first */
    size_t count, capacity;
};

static enum qr_status take_report(void *ctx, const struct qri_deadlock_record *record)
{
    struct log *log = ctx;
    log->reports = qr_arena_grow(qri_sysrows_arena(log->rows), log->reports, log->count,
                                 &log->capacity, log->count + 1, sizeof *log->reports);
    if (log->reports == NULL)
        return QR_NOMEM;
    log->reports[log->count++] =
        (struct report){record->ticks, qr_str(record->database), qr_str(record->report)};
    return QR_OK;
}

static bool is_of(const struct report *r, struct qr_str database, int64_t bucket_ticks)
{
    return r->ticks >= bucket_ticks && r->ticks < bucket_ticks + BUCKET_TICKS &&
           qr_str_ieq(r->database, database);
}

/* The reports of a row's deadlocks, one element behind the other; NULL: none is kept here. */
static enum qr_status reports_of(const struct log *log, struct qr_str database,
                                 int64_t bucket_ticks, struct qr_str *ret_text)
{
    size_t bytes = 0, used = 0;
    for (size_t i = 0; i < log->count; i++)
        if (is_of(&log->reports[i], database, bucket_ticks))
            bytes += log->reports[i].text.n;
    *ret_text = (struct qr_str){NULL, 0};
    if (bytes == 0)
        return QR_OK;
    char *text = qr_arena_alloc(qri_sysrows_arena(log->rows), bytes);
    if (text == NULL)
        return QR_NOMEM;
    for (size_t i = 0; i < log->count; i++) {
        const struct report *r = &log->reports[i];
        if (!is_of(r, database, bucket_ticks))
            continue;
        memcpy(text + used, r->text.p, r->text.n);
        used += r->text.n;
    }
    *ret_text = qr_str_n(text, bytes);
    return QR_OK;
}

static enum qr_status log_row(void *ctx, const struct qr_telemetry_seen *seen)
{
    const struct log *log = ctx;
    struct qri_sysrows *rows = log->rows;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct qr_str data = {NULL, 0};
    struct event e;
    size_t i = 0, count = sizeof event_kinds / sizeof event_kinds[0];
    if (!take_event(seen->key, &e))
        return QR_OK;
    while (i < count && !(qr_str_ieqz(e.type, event_kinds[i].type) &&
                          (event_kinds[i].subtype < 0 || event_kinds[i].subtype == e.subtype)))
        i++;
    if (i == count)
        return QR_OK;
    const struct event_kind *kind = &event_kinds[i];
    if (strcmp(kind->type, "deadlock") == 0)
        QR_TRY(reports_of(log, e.database, seen->at_ticks, &data));
    return qri_sysrow(rows, qr_arena_str(arena, e.database), seen->at_ticks,
                      seen->at_ticks + BUCKET_TICKS, qr_str(kind->category), qr_str(kind->type),
                      e.subtype, qr_str(kind->subtype_desc), kind->severity,
                      seen->count > INT32_MAX ? INT32_MAX : (int)seen->count,
                      qr_str(kind->description), data);
}

static enum qr_status event_log(struct qri_sysrows *rows, struct qr_session *session)
{
    struct log log = {.rows = rows};
    QR_TRY(qri_deadlocks_each(session->db->instance, session->db->info.server_id,
                              qri_sysrows_arena(rows), take_report, &log));
    return each_event(session, &log, log_row);
}

/* ---- sys.database_connection_stats ---- */

struct sums {
    struct qr_str database;
    uint64_t successes, failures;
};

struct connections {
    struct qri_sysrows *rows;
    int64_t at_ticks; /* of the bucket that is summed up */
    struct sums *sums;
    size_t count, capacity;
};

static int whole(uint64_t count)
{
    return count > INT32_MAX ? INT32_MAX : (int)count;
}

static enum qr_status end_bucket(struct connections *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct sums *s = &c->sums[i];
        QR_TRY(qri_sysrow(c->rows, s->database, c->at_ticks, c->at_ticks + BUCKET_TICKS,
                          whole(s->successes), whole(s->failures), whole(s->failures)));
    }
    c->count = 0;
    return QR_OK;
}

static enum qr_status sum_up(void *ctx, const struct qr_telemetry_seen *seen)
{
    struct connections *c = ctx;
    struct qr_arena *arena = qri_sysrows_arena(c->rows);
    struct event e;
    if (seen->at_ticks != c->at_ticks)
        QR_TRY(end_bucket(c));
    c->at_ticks = seen->at_ticks;
    if (!take_event(seen->key, &e) || qr_str_ieqz(e.type, "deadlock"))
        return QR_OK;
    size_t i = 0;
    while (i < c->count && !qr_str_ieq(c->sums[i].database, e.database))
        i++;
    if (i == c->count) {
        c->sums =
            qr_arena_grow(arena, c->sums, c->count, &c->capacity, c->count + 1, sizeof *c->sums);
        if (c->sums == NULL)
            return QR_NOMEM;
        c->sums[c->count++] = (struct sums){.database = qr_arena_str(arena, e.database)};
    }
    if (qr_str_ieqz(e.type, "connection_successful"))
        c->sums[i].successes += seen->count;
    else
        c->sums[i].failures += seen->count;
    return QR_OK;
}

static enum qr_status connection_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct connections c = {.rows = rows};
    QR_TRY(each_event(session, &c, sum_up));
    return end_bucket(&c);
}

const struct qri_sysview qri_sysviews_events[] = {
    {"sys", "event_log",
     "database_name sysname, start_time datetime2, end_time datetime2, event_category "
     "nvarchar(64), event_type nvarchar(64), event_subtype int, event_subtype_desc nvarchar(64), "
     "severity int, event_count int, description nvarchar(max), additional_data xml null",
     event_log, NULL, true},
    {"sys", "database_connection_stats",
     "database_name sysname, start_time datetime2, end_time datetime2, success_count int, "
     "total_failure_count int, connection_failure_count int, terminated_connection_count int =0, "
     "throttled_connection_count int =0",
     connection_stats, NULL, true},
    {0},
};
