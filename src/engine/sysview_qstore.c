/* sysview_qstore.c - sys.query_store_*: what is on disk, and what is not there yet; see
 * qstore_int.h and sysview_int.h. Runs of the running interval may have a row of each kind, as in
 * SQL Server: whoever adds them up is right. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/datetime.h"
#include "expr/language.h"
#include "qstore_int.h"
#include "sysview_int.h"
#include "base/banned.h"

struct look {
    struct qri_sysrows *rows;
    struct qr_session *session;
    struct qri_qstore *qs;
    struct qri_qs_disk disk;
};

typedef enum qr_status look_fn(struct look *l);

static enum qr_status look(struct qri_sysrows *rows, struct qr_session *session, look_fn *fn)
{
    struct look l = {.rows = rows, .session = session, .qs = session->db->qstore};
    struct qr_err err = {0};
    if (session->views_tempdb)
        return QR_OK;
    enum qr_status status = qri_qstore_look(session, &l.disk, &err);
    if (status == QR_OK)
        status = fn(&l);
    qri_qstore_leave(session, &l.disk);
    return status;
}

/* Each row on disk; none if there are no tables. */
static enum qr_status each_row(struct look *l, const char *sql,
                               enum qr_status (*row)(struct look *l, sqlite3_stmt *stmt))
{
    sqlite3_stmt *stmt = NULL;
    enum qr_status status = QR_OK;
    if (!l->disk.has_tables)
        return QR_OK;
    if (sqlite3_prepare_v2(l->disk.db, sql, -1, &stmt, NULL) != SQLITE_OK)
        status = QR_NOMEM;
    int rc = SQLITE_DONE;
    while (status == QR_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        status = row(l, stmt);
    sqlite3_finalize(stmt);
    return status == QR_OK && rc != SQLITE_DONE ? QR_IO : status;
}

/* Each captured query in memory that has ids. */
static enum qr_status each_query(struct look *l,
                                 enum qr_status (*row)(struct look *l, struct qri_qs_query *q))
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query *q = l->qs->buckets[i]; q != NULL; q = q->next)
            if (q->is_captured && q->id != 0)
                QR_TRY(row(l, q));
    return QR_OK;
}

/* ---- cells ---- */

static struct qr_str text_of(struct look *l, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    return text == NULL ? (struct qr_str){NULL, 0}
                        : qr_arena_str(qri_sysrows_arena(l->rows), qr_str_n(text, n));
}

static struct qr_value time_of(struct look *l, int64_t ticks)
{
    uint8_t *bytes = qr_arena_alloc(qri_sysrows_arena(l->rows), QR_DTO_BYTES);
    if (bytes == NULL || ticks == 0)
        return qr_value_null();
    qr_dto_store(qr_dto_pack(ticks, 0), bytes);
    return qr_value_str(qr_str_n((const char *)bytes, QR_DTO_BYTES));
}

static struct qr_str handle_of(struct look *l, uint64_t id)
{
    return qri_sql_handle(qri_sysrows_arena(l->rows), l->session->db, id, 0);
}

static struct qr_str hash_of(struct look *l, uint64_t hash)
{
    return qri_hash_bytes(qri_sysrows_arena(l->rows), hash);
}

/* ---- sys.query_store_query_text ---- */

static enum qr_status text_row(struct look *l, int64_t id, uint64_t hash, struct qr_str text)
{
    return qri_sysrow(l->rows, id, text, handle_of(l, hash));
}

static enum qr_status text_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    return text_row(l, sqlite3_column_int64(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1),
                    text_of(l, stmt, 2));
}

static enum qr_status text_in_memory(struct look *l, struct qri_qs_query *q)
{
    if (q->has_text || !qri_qs_is_visible(l->session, q->lsn))
        return QR_OK;
    return text_row(l, q->text_id, q->text_hash, qr_arena_str(qri_sysrows_arena(l->rows), q->text));
}

static enum qr_status query_texts(struct look *l)
{
    QR_TRY(each_row(l, "SELECT id, hash, text FROM qs_text", text_on_disk));
    return each_query(l, text_in_memory);
}

static enum qr_status query_text(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, query_texts);
}

/* ---- sys.query_context_settings ---- */

static enum qr_status context_row(struct look *l, int64_t id, uint64_t options)
{
    enum { DATEFIRST_AT = 8, DATEFORMAT_AT = 16, LANGUAGE_AT = 24 };
    static const struct {
        int bit;
        uint32_t shown; /* as sys.dm_exec_plan_attributes has set_options */
    } bits[] = {{0, 64}, {1, 32}, {2, 1}, {3, 16}, {4, 4096}, {5, 8}, {6, 8192}};
    uint32_t shown = 0;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        if (options >> bits[i].bit & 1)
            shown |= bits[i].shown;
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(shown >> (24 - 8 * i));
    struct qr_arena *arena = qri_sysrows_arena(l->rows);
    return qri_sysrow(l->rows, id, qr_arena_str(arena, qr_str_n((const char *)bytes, 4)),
                      (int)(options >> LANGUAGE_AT & 0x7FFF),
                      (int)(options >> DATEFORMAT_AT & 0xFF),
                      (int)(options >> DATEFIRST_AT & 0xFF));
}

static enum qr_status context_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    return context_row(l, sqlite3_column_int64(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1));
}

static enum qr_status context_in_memory(struct look *l, struct qri_qs_query *q)
{
    if (q->has_context || !qri_qs_is_visible(l->session, q->lsn))
        return QR_OK;
    return context_row(l, q->context_id, q->options);
}

static enum qr_status contexts(struct look *l)
{
    QR_TRY(each_row(l, "SELECT id, options FROM qs_context", context_on_disk));
    return each_query(l, context_in_memory);
}

static enum qr_status context_settings(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, contexts);
}

/* ---- sys.query_store_query ---- */

#define TWO(c) (c).avg, (c).last

static enum qr_status query_row(struct look *l, const struct qri_qs_query *q, int64_t compiles,
                                const struct qri_makes *makes)
{
    struct qr_value first = time_of(l, q->first_ticks), last = time_of(l, q->last_ticks);
    struct qr_value run = time_of(l, q->last_run_ticks);
    struct qr_str batch = handle_of(l, q->batch_id), none = {NULL, 0};
    struct qri_make_cells compile = qri_compile_cells(makes), of[QRI_MADE_KINDS];
    for (int i = 0; i < QRI_MADE_KINDS; i++)
        of[i] = qri_make_cells(makes, (enum qri_made_kind)i);
    return qri_sysrow(l->rows, q->id, q->text_id, q->context_id, (int64_t)q->object_id, none,
                      hash_of(l, q->query_hash), (int)q->has_params,
                      qr_str(q->has_params ? "User" : "None"), &first, &last, &run, batch, compiles,
                      TWO(compile), TWO(of[QRI_MADE_BIND_NS]), TWO(of[QRI_MADE_BIND_CPU_NS]),
                      TWO(of[QRI_MADE_OPTIMIZE_NS]), TWO(of[QRI_MADE_OPTIMIZE_CPU_NS]),
                      TWO(of[QRI_MADE_BYTES]), of[QRI_MADE_BYTES].max);
}

static enum qr_status query_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    struct qri_qs_query q = {.id = sqlite3_column_int64(stmt, 0),
                             .text_id = sqlite3_column_int64(stmt, 2),
                             .context_id = sqlite3_column_int64(stmt, 3),
                             .object_id = (uint32_t)sqlite3_column_int64(stmt, 4),
                             .has_params = sqlite3_column_int(stmt, 5) != 0,
                             .query_hash = (uint64_t)sqlite3_column_int64(stmt, 6),
                             .batch_id = (uint64_t)sqlite3_column_int64(stmt, 7),
                             .first_ticks = sqlite3_column_int64(stmt, 8),
                             .last_ticks = sqlite3_column_int64(stmt, 9),
                             .last_run_ticks = sqlite3_column_int64(stmt, 10)};
    struct qri_makes makes = qri_qs_makes_of(&l->disk, QRI_QS_MAKES_OF_QUERY, q.id);
    return query_row(l, &q, sqlite3_column_int64(stmt, 11), &makes);
}

static enum qr_status query_in_memory(struct look *l, struct qri_qs_query *q)
{
    struct qri_makes makes = {0};
    if (q->was_on_disk || !qri_qs_is_visible(l->session, q->lsn))
        return QR_OK;
    for (const struct qri_qs_plan *p = q->plans; p != NULL; p = p->next)
        qri_makes_merge(&makes, &p->makes);
    return query_row(l, q, q->new_compiles > 0 ? q->new_compiles : 1, &makes);
}

static enum qr_status queries(struct look *l)
{
    QR_TRY(each_row(l, "SELECT * FROM qs_query", query_on_disk));
    return each_query(l, query_in_memory);
}

static enum qr_status store_query(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, queries);
}

/* ---- sys.query_store_plan ---- */

static enum qr_status plan_row(struct look *l, int64_t query_id, const struct qri_qs_plan *p,
                               struct qr_str xml, int64_t compiles, const struct qri_makes *makes)
{
    struct qri_make_cells compile = qri_compile_cells(makes);
    struct qr_value first = time_of(l, p->first_ticks), last = time_of(l, p->last_ticks);
    struct qr_value run = time_of(l, p->last_run_ticks);
    return qri_sysrow(l->rows, p->id, query_id, hash_of(l, p->hash), xml, compiles, &first, &last,
                      &run, TWO(compile));
}

static enum qr_status plan_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    struct qri_qs_plan p = {.id = sqlite3_column_int64(stmt, 0),
                            .hash = (uint64_t)sqlite3_column_int64(stmt, 2),
                            .first_ticks = sqlite3_column_int64(stmt, 4),
                            .last_ticks = sqlite3_column_int64(stmt, 5),
                            .last_run_ticks = sqlite3_column_int64(stmt, 6)};
    struct qri_makes makes = qri_qs_makes_of(&l->disk, QRI_QS_FIND_MAKES, p.id);
    return plan_row(l, sqlite3_column_int64(stmt, 1), &p, text_of(l, stmt, 3),
                    sqlite3_column_int64(stmt, 7), &makes);
}

static enum qr_status plans_in_memory(struct look *l, struct qri_qs_query *q)
{
    for (const struct qri_qs_plan *p = q->plans; p != NULL; p = p->next) {
        if (p->id == 0 || p->was_on_disk || !qri_qs_is_visible(l->session, p->lsn))
            continue;
        struct qr_str xml = {NULL, 0};
        if (p->xml != NULL)
            xml = qr_arena_str(qri_sysrows_arena(l->rows), qr_str(p->xml));
        QR_TRY(plan_row(l, q->id, p, xml, p->new_compiles > 0 ? p->new_compiles : 1, &p->makes));
    }
    return QR_OK;
}

static enum qr_status plans(struct look *l)
{
    QR_TRY(each_row(l, "SELECT * FROM qs_plan", plan_on_disk));
    return each_query(l, plans_in_memory);
}

static enum qr_status store_plan(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, plans);
}

/* ---- sys.query_store_runtime_stats_interval ---- */

static int by_interval(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

struct intervals {
    int64_t (*list)[2]; /* first minute, length */
    size_t count, capacity;
};

static enum qr_status add_interval(struct look *l, struct intervals *in, int64_t start,
                                   int64_t minutes)
{
    in->list = qr_arena_grow(qri_sysrows_arena(l->rows), in->list, in->count, &in->capacity,
                             in->count + 1, sizeof *in->list);
    if (in->list == NULL)
        return QR_NOMEM;
    in->list[in->count][0] = start;
    in->list[in->count++][1] = minutes;
    return QR_OK;
}

static enum qr_status find_intervals(struct look *l, struct intervals *in)
{
    sqlite3_stmt *stmt = NULL;
    enum qr_status status = QR_OK;
    if (l->disk.has_tables &&
        sqlite3_prepare_v2(l->disk.db, "SELECT DISTINCT interval, minutes FROM qs_runs", -1, &stmt,
                           NULL) != SQLITE_OK)
        return QR_NOMEM;
    while (stmt != NULL && status == QR_OK && sqlite3_step(stmt) == SQLITE_ROW)
        status = add_interval(l, in, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1));
    sqlite3_finalize(stmt);
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (const struct qri_qs_query *q = l->qs->buckets[i]; q != NULL; q = q->next)
            for (const struct qri_qs_plan *p = q->is_captured ? q->plans : NULL; p != NULL;
                 p = p->next)
                for (const struct qri_qs_stats *s = p->stats; s != NULL && status == QR_OK;
                     s = s->next)
                    if (s->id != 0)
                        status = add_interval(l, in, s->interval, s->minutes);
    return status;
}

static enum qr_status intervals(struct look *l)
{
    struct intervals in = {0};
    QR_TRY(find_intervals(l, &in));
    if (in.count > 0)
        qsort(in.list, in.count, sizeof *in.list, by_interval);
    for (size_t i = 0; i < in.count; i++) {
        if (i > 0 && in.list[i][0] == in.list[i - 1][0])
            continue;
        struct qr_value start = time_of(l, qri_qs_interval_ticks(in.list[i][0]));
        struct qr_value end = time_of(l, qri_qs_interval_ticks(in.list[i][0] + in.list[i][1]));
        QR_TRY(qri_sysrow(l->rows, in.list[i][0], &start, &end));
    }
    return QR_OK;
}

static enum qr_status stats_interval(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, intervals);
}

/* ---- sys.query_store_runtime_stats ---- */

/* avg, last, min, max, stdev; what is never measured is 0. */
struct five {
    double avg, stdev;
    int64_t last, min, max;
};
static struct five five_of(int64_t count, const struct qri_run_cost *c)
{
    double n = count == 0 ? 1 : (double)count, avg = (double)c->total / n;
    double variance = c->squares / n - avg * avg;
    return (struct five){.avg = avg,
                         .stdev = variance > 0 && count > 1 ? sqrt(variance) : 0,
                         .last = c->last,
                         .min = c->min,
                         .max = c->max};
}

/* Of 8 KiB. */
static struct five in_pages(struct five kib)
{
    return (struct five){.avg = kib.avg / 8,
                         .stdev = kib.stdev / 8,
                         .last = kib.last / 8,
                         .min = kib.min / 8,
                         .max = kib.max / 8};
}

static const char *end_name(enum qri_run_end end)
{
    return end == QRI_RUN_REGULAR ? "Regular" : end == QRI_RUN_ABORTED ? "Aborted" : "Exception";
}

#define FIVE(f) (f).avg, (f).last, (f).min, (f).max, (f).stdev

static enum qr_status stats_row(struct look *l, int64_t plan_id, const struct qri_qs_stats *s)
{
    static const struct five one = {.avg = 1, .last = 1, .min = 1, .max = 1}, zero = {0};
    struct five of[QRI_COST_KINDS];
    for (int i = 0; i < QRI_COST_KINDS; i++)
        of[i] = five_of(s->runs.count, &s->runs.cost[i]);
    struct five memory = in_pages(of[QRI_COST_USED_GRANT_KB]);
    struct qr_value first = time_of(l, s->runs.first_ticks), last = time_of(l, s->runs.last_ticks);
    return qri_sysrow(l->rows, s->id, plan_id, s->interval, (int)s->end, qr_str(end_name(s->end)),
                      &first, &last, s->runs.count, FIVE(of[QRI_COST_ELAPSED_US]),
                      FIVE(of[QRI_COST_WORKER_US]), FIVE(of[QRI_COST_LOGICAL_READS]),
                      FIVE(of[QRI_COST_LOGICAL_WRITES]), FIVE(of[QRI_COST_PHYSICAL_READS]),
                      FIVE(zero), FIVE(one), FIVE(memory), FIVE(of[QRI_COST_ROWS]),
                      FIVE(of[QRI_COST_PHYSICAL_READS]), FIVE(of[QRI_COST_LOG_BYTES]),
                      FIVE(of[QRI_COST_SPILLED_PAGES]), FIVE(of[QRI_COST_PAGE_SERVER_READS]));
}

static enum qr_status stats_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    struct qri_qs_stats s = {.id = sqlite3_column_int64(stmt, 0),
                             .interval = sqlite3_column_int64(stmt, 1),
                             .end = (enum qri_run_end)sqlite3_column_int(stmt, 3)};
    if (!qri_qs_get_runs(sqlite3_column_blob(stmt, 5), (size_t)sqlite3_column_bytes(stmt, 5),
                         &s.runs))
        return QR_OK;
    return stats_row(l, sqlite3_column_int64(stmt, 2), &s);
}

static enum qr_status stats_in_memory(struct look *l, struct qri_qs_query *q)
{
    for (const struct qri_qs_plan *p = q->plans; p != NULL; p = p->next)
        for (const struct qri_qs_stats *s = p->id == 0 ? NULL : p->stats; s != NULL; s = s->next)
            if (s->id != 0 && qri_qs_is_visible(l->session, s->lsn))
                QR_TRY(stats_row(l, p->id, s));
    return QR_OK;
}

static enum qr_status stats(struct look *l)
{
    QR_TRY(each_row(l, "SELECT * FROM qs_runs", stats_on_disk));
    return each_query(l, stats_in_memory);
}

static enum qr_status runtime_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, stats);
}

/* ---- sys.query_store_wait_stats ---- */

/* Milliseconds of microseconds; the id is that of the runs and the category. */
static enum qr_status wait_row(struct look *l, int64_t runs_id, int64_t plan_id, int64_t interval,
                               enum qri_run_end end, int category,
                               const struct qri_run_waits *waits)
{
    const struct five f = five_of(waits->counts[category], &waits->cost[category]);
    return qri_sysrow(l->rows, runs_id * QRI_WAIT_CATEGORIES + category, plan_id, interval,
                      category, qr_str(qri_wait_category_name(category)), (int)end,
                      qr_str(end_name(end)), waits->cost[category].total / 1000, f.avg / 1000,
                      f.last / 1000, f.min / 1000, f.max / 1000, f.stdev / 1000);
}

static enum qr_status wait_on_disk(struct look *l, sqlite3_stmt *stmt)
{
    struct qri_run_waits waits = {0};
    int category = sqlite3_column_int(stmt, 4);
    if (!qri_qs_get_wait(sqlite3_column_blob(stmt, 5), (size_t)sqlite3_column_bytes(stmt, 5),
                         category, &waits))
        return QR_OK;
    return wait_row(l, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                    sqlite3_column_int64(stmt, 2), (enum qri_run_end)sqlite3_column_int(stmt, 3),
                    category, &waits);
}

static enum qr_status waits_in_memory(struct look *l, struct qri_qs_query *q)
{
    for (const struct qri_qs_plan *p = q->plans; p != NULL; p = p->next)
        for (const struct qri_qs_stats *s = p->id == 0 ? NULL : p->stats; s != NULL; s = s->next)
            for (int i = 0; s->runs.waits != NULL && i < QRI_WAIT_CATEGORIES; i++)
                if (s->id != 0 && s->runs.waits->counts[i] > 0 &&
                    qri_qs_is_visible(l->session, s->lsn))
                    QR_TRY(wait_row(l, s->id, p->id, s->interval, s->end, i, s->runs.waits));
    return QR_OK;
}

static enum qr_status waits(struct look *l)
{
    if (l->qs->options[QRI_QS_WAITS] == 0)
        return QR_OK;
    QR_TRY(
        each_row(l,
                 "SELECT r.id, r.plan_id, r.interval, r.ended, w.category, w.data FROM qs_wait w "
                 "JOIN qs_runs r ON r.id = w.runs_id",
                 wait_on_disk));
    return each_query(l, waits_in_memory);
}

static enum qr_status wait_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, waits);
}

/* ---- sys.database_query_store_options ---- */

static enum qr_status options(struct look *l)
{
    static const char *const state_names[] = {"OFF", "READ_ONLY", "READ_WRITE", "ERROR"};
    static const char *const capture_names[] = {"", "ALL", "AUTO", "NONE", "CUSTOM"};
    enum { SECONDARY = 8, SIZE_LIMIT = 65536 };
    const int64_t *o = l->qs->options;
    bool is_custom = o[QRI_QS_CAPTURE] == QRI_QS_CUSTOM;
    int desired = (int)o[QRI_QS_STATE], actual = desired, reason = 0;
    if (actual == QRI_QS_READ_WRITE && qr_store_is_read_only(l->session->db->store))
        reason = SECONDARY;
    else if (actual == QRI_QS_READ_WRITE && l->qs->is_full)
        reason = SIZE_LIMIT;
    actual = reason != 0 ? QRI_QS_READ_ONLY : actual;
    return qri_sysrow(
        l->rows, desired, qr_str(state_names[desired & 3]), actual, qr_str(state_names[actual & 3]),
        reason, (l->qs->bytes + (1 << 20) - 1) >> 20, o[QRI_QS_FLUSH_S], o[QRI_QS_INTERVAL_MINUTES],
        o[QRI_QS_MAX_MB], o[QRI_QS_STALE_DAYS], o[QRI_QS_MAX_PLANS], (int)o[QRI_QS_CAPTURE],
        qr_str(capture_names[o[QRI_QS_CAPTURE] & 3 ? o[QRI_QS_CAPTURE] & 3 : 4]),
        qri_sys_null_if(!is_custom, o[QRI_QS_CAPTURE_COUNT]),
        is_custom ? o[QRI_QS_CAPTURE_COMPILE_MS] : QRI_SYS_NULL_BIGINT,
        is_custom ? o[QRI_QS_CAPTURE_CPU_MS] : QRI_SYS_NULL_BIGINT,
        qri_sys_null_if(!is_custom, o[QRI_QS_CAPTURE_HOURS]), (int)o[QRI_QS_SIZE_CLEANUP],
        qr_str(o[QRI_QS_SIZE_CLEANUP] != 0 ? "AUTO" : "OFF"), (int)o[QRI_QS_WAITS],
        qr_str(o[QRI_QS_WAITS] != 0 ? "ON" : "OFF"));
}

static enum qr_status store_options(struct qri_sysrows *rows, struct qr_session *session)
{
    return look(rows, session, options);
}

#define FIVE_COLUMNS(name)                                                                         \
    "avg_" name " float null, last_" name " bigint, min_" name " bigint, max_" name " bigint, "    \
    "stdev_" name " float null, "
#define COMPILE_COLUMNS(name) "avg_" name " float null, last_" name " bigint null, "

const struct qri_sysview qri_sysviews_qstore[] = {
    {"sys", "query_store_query_text",
     "query_text_id bigint, query_sql_text nvarchar(max) null, statement_sql_handle varbinary(64) "
     "null, is_part_of_encrypted_module bit =0, has_restricted_text bit =0",
     query_text, NULL, false},
    {"sys", "query_context_settings",
     "context_settings_id bigint, set_options varbinary(8) null, language_id smallint, date_format "
     "smallint, date_first tinyint, status varbinary(2) null =null, required_cursor_options int "
     "=0, acceptable_cursor_options int =0, merge_action_type smallint =0, default_schema_id int "
     "=1, is_replication_specific bit =0, is_contained varbinary(1) null =null",
     context_settings, NULL, false},
    {"sys", "query_store_query",
     /* clang-format off */
     "query_id bigint, query_text_id bigint, context_settings_id bigint, object_id bigint null, "
     "batch_sql_handle varbinary(64) null, query_hash binary(8), is_internal_query bit =0, "
     "query_parameterization_type tinyint, query_parameterization_type_desc nvarchar(60) null, "
     "initial_compile_start_time datetimeoffset, last_compile_start_time datetimeoffset null, "
     "last_execution_time datetimeoffset null, last_compile_batch_sql_handle varbinary(64) null, "
     "last_compile_batch_offset_start bigint null =null, last_compile_batch_offset_end bigint null "
     "=null, count_compiles bigint null, "
     COMPILE_COLUMNS("compile_duration") COMPILE_COLUMNS("bind_duration")
     COMPILE_COLUMNS("bind_cpu_time") COMPILE_COLUMNS("optimize_duration")
     COMPILE_COLUMNS("optimize_cpu_time") COMPILE_COLUMNS("compile_memory_kb")
     /* clang-format on */
     "max_compile_memory_kb bigint null, is_clouddb_internal_query bit =0",
     store_query, NULL, false},
    {"sys", "query_store_plan",
     "plan_id bigint, query_id bigint, plan_group_id bigint null =0, engine_version nvarchar(32) "
     "null ='12.0.2000.8', compatibility_level smallint =160, query_plan_hash binary(8), "
     "query_plan nvarchar(max) null, is_online_index_plan bit =0, is_trivial_plan bit =0, "
     "is_parallel_plan bit =0, is_forced_plan bit =0, is_natively_compiled bit =0, "
     "force_failure_count bigint =0, last_force_failure_reason int =0, "
     "last_force_failure_reason_desc nvarchar(128) null ='NONE', count_compiles bigint null, "
     "initial_compile_start_time datetimeoffset, last_compile_start_time datetimeoffset null, "
     "last_execution_time datetimeoffset null, avg_compile_duration float null, "
     "last_compile_duration bigint null, plan_forcing_type int =0, plan_forcing_type_desc "
     "nvarchar(60) null ='NONE', has_compile_replay_script bit null =0, "
     "is_optimized_plan_forcing_disabled bit null =0, plan_type int null =0, plan_type_desc "
     "nvarchar(120) null ='Compiled Plan'",
     store_plan, NULL, false},
    {"sys", "query_store_runtime_stats_interval",
     "runtime_stats_interval_id bigint, start_time datetimeoffset, end_time datetimeoffset, "
     "comment nvarchar(max) null =null",
     stats_interval, NULL, false},
    {"sys", "query_store_runtime_stats",
     /* clang-format off */
     "runtime_stats_id bigint, plan_id bigint, runtime_stats_interval_id bigint, execution_type "
     "tinyint, execution_type_desc nvarchar(128) null, first_execution_time datetimeoffset, "
     "last_execution_time datetimeoffset, count_executions bigint, "
     FIVE_COLUMNS("duration") FIVE_COLUMNS("cpu_time") FIVE_COLUMNS("logical_io_reads")
     FIVE_COLUMNS("logical_io_writes") FIVE_COLUMNS("physical_io_reads") FIVE_COLUMNS("clr_time")
     FIVE_COLUMNS("dop") FIVE_COLUMNS("query_max_used_memory") FIVE_COLUMNS("rowcount")
     FIVE_COLUMNS("num_physical_io_reads") FIVE_COLUMNS("log_bytes_used")
     FIVE_COLUMNS("tempdb_space_used") FIVE_COLUMNS("page_server_io_reads")
     /* clang-format on */
     "replica_group_id bigint null =1",
     runtime_stats, NULL, false},
    {"sys", "query_store_wait_stats",
     "wait_stats_id bigint, plan_id bigint, runtime_stats_interval_id bigint, wait_category "
     "tinyint, wait_category_desc nvarchar(128), execution_type tinyint, execution_type_desc "
     "nvarchar(128), total_query_wait_time_ms bigint, avg_query_wait_time_ms float, "
     "last_query_wait_time_ms bigint, min_query_wait_time_ms bigint, max_query_wait_time_ms "
     "bigint, stdev_query_wait_time_ms float, replica_group_id bigint null =1",
     wait_stats, NULL, false},
    {"sys", "database_query_store_options",
     "desired_state smallint, desired_state_desc nvarchar(60) null, actual_state smallint, "
     "actual_state_desc nvarchar(60) null, readonly_reason int null, current_storage_size_mb "
     "bigint null, flush_interval_seconds bigint null, interval_length_minutes bigint null, "
     "max_storage_size_mb bigint null, stale_query_threshold_days bigint null, "
     "max_plans_per_query bigint null, query_capture_mode smallint, query_capture_mode_desc "
     "nvarchar(60) null, capture_policy_execution_count int null, "
     "capture_policy_total_compile_cpu_time_ms bigint null, "
     "capture_policy_total_execution_cpu_time_ms bigint null, capture_policy_stale_threshold_hours "
     "int null, size_based_cleanup_mode smallint, size_based_cleanup_mode_desc nvarchar(60) null, "
     "wait_stats_capture_mode smallint, wait_stats_capture_mode_desc nvarchar(60) null, "
     "actual_state_additional_info nvarchar(4000) null ='OK'",
     store_options, NULL, false},
    {0},
};
