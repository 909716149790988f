/* qstore_write.c - what Query Store has in memory, to its tables; see qstore_int.h */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "btree.h"
#include "catalog_change_int.h"
#include "qstore_int.h"
#include "base/banned.h"

static const int64_t DAY_MINUTES = INT64_C(24) * 60, MINUTE_TICKS = INT64_C(60) * 10000000;

/* ---- runs as bytes: little-endian, 8 bytes each ---- */

static uint8_t *put64(uint8_t *dst, int64_t value)
{
    qr_put64le(dst, (uint64_t)value);
    return dst + 8;
}

static uint8_t *put_cost(uint8_t *dst, const struct qri_run_cost *cost)
{
    uint64_t squares;
    memcpy(&squares, &cost->squares, sizeof squares);
    dst = put64(put64(dst, cost->total), cost->last);
    return put64(put64(put64(dst, cost->min), cost->max), (int64_t)squares);
}

static const uint8_t *get_cost(const uint8_t *src, struct qri_run_cost *cost)
{
    uint64_t squares = qr_get64le(src + 32);
    cost->total = (int64_t)qr_get64le(src);
    cost->last = (int64_t)qr_get64le(src + 8);
    cost->min = (int64_t)qr_get64le(src + 16);
    cost->max = (int64_t)qr_get64le(src + 24);
    memcpy(&cost->squares, &squares, sizeof squares);
    return src + QRI_QS_COST_BYTES;
}

void qri_qs_put_runs(const struct qri_runs *runs, uint8_t dst[QRI_QS_RUNS_BYTES])
{
    dst = put64(put64(dst, QRI_COST_KINDS), runs->count);
    dst = put64(put64(dst, runs->first_ticks), runs->last_ticks);
    for (int i = 0; i < QRI_COST_KINDS; i++)
        dst = put_cost(dst, &runs->cost[i]);
}

/* Rows of a version that counted less have zeros for the rest, of one that counts more what is
 * known here: an upgrade may go back. */
bool qri_qs_get_runs(const void *src, size_t bytes, struct qri_runs *ret_runs)
{
    const uint8_t *p = src;
    *ret_runs = (struct qri_runs){0};
    if (bytes < 32)
        return false;
    uint64_t kinds = qr_get64le(p);
    if (kinds > bytes || bytes != 32 + kinds * QRI_QS_COST_BYTES)
        return false;
    ret_runs->count = (int64_t)qr_get64le(p + 8);
    ret_runs->first_ticks = (int64_t)qr_get64le(p + 16);
    ret_runs->last_ticks = (int64_t)qr_get64le(p + 24);
    p += 32;
    for (uint64_t i = 0; i < kinds && i < QRI_COST_KINDS; i++)
        p = get_cost(p, &ret_runs->cost[i]);
    return ret_runs->count > 0;
}

void qri_qs_put_wait(const struct qri_run_waits *waits, int category,
                     uint8_t dst[QRI_QS_WAIT_BYTES])
{
    put_cost(put64(dst, waits->counts[category]), &waits->cost[category]);
}

bool qri_qs_get_wait(const void *src, size_t bytes, int category, struct qri_run_waits *waits)
{
    if (bytes != QRI_QS_WAIT_BYTES || category < 0 || category >= QRI_WAIT_CATEGORIES)
        return false;
    waits->counts[category] = (int64_t)qr_get64le(src);
    get_cost((const uint8_t *)src + 8, &waits->cost[category]);
    return waits->counts[category] > 0;
}

/* ---- rows ---- */

static enum qr_status run(struct qri_qs_disk *disk, sqlite3_stmt *stmt, struct qr_err *err)
{
    int rc = stmt == NULL ? SQLITE_ERROR : sqlite3_step(stmt);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return qri_conn_fail(disk->db, err, "write Query Store");
    sqlite3_reset(stmt);
    return QR_OK;
}

static enum qr_status write_query(struct qri_qs_disk *disk, struct qri_qs_query *q,
                                  struct qr_err *err)
{
    if (!q->has_text) {
        sqlite3_stmt *text =
            qri_qs_stmt(disk, QRI_QS_PUT_TEXT, 2, q->text_id, (int64_t)q->text_hash);
        if (text != NULL)
            sqlite3_bind_text(text, 3, q->text.p, (int)q->text.n, SQLITE_STATIC);
        QR_TRY(run(disk, text, err));
    }
    if (!q->has_context)
        QR_TRY(run(disk,
                   qri_qs_stmt(disk, QRI_QS_PUT_CONTEXT, 2, q->context_id, (int64_t)q->options),
                   err));
    return run(disk,
               qri_qs_stmt(disk, QRI_QS_PUT_QUERY, 12, q->id, (int64_t)q->key, q->text_id,
                           q->context_id, (int64_t)q->object_id, (int64_t)q->has_params,
                           (int64_t)q->query_hash, (int64_t)q->batch_id, q->first_ticks,
                           q->last_ticks, q->last_run_ticks, q->new_compiles),
               err);
}

static enum qr_status write_plan(struct qri_qs_disk *disk, const struct qri_qs_query *q,
                                 struct qri_qs_plan *p, struct qr_err *err)
{
    sqlite3_stmt *stmt =
        qri_qs_stmt(disk, QRI_QS_PUT_PLAN, 7, p->id, q->id, (int64_t)p->hash, p->first_ticks,
                    p->last_ticks, p->last_run_ticks, p->new_compiles);
    if (stmt != NULL && p->xml != NULL)
        sqlite3_bind_text(stmt, 8, p->xml, -1, SQLITE_STATIC);
    QR_TRY(run(disk, stmt, err));
    return p->makes.count == 0 ? QR_OK : qri_qs_write_makes(disk, p, err);
}

static enum qr_status write_wait(struct qri_qs_disk *disk, int64_t runs_id, int category,
                                 const struct qri_run_waits *waits, struct qr_err *err)
{
    uint8_t bytes[QRI_QS_WAIT_BYTES];
    struct qri_run_waits sum = *waits;
    sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_WAIT, 2, runs_id, (int64_t)category);
    if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW) {
        struct qri_runs before = {.count = 1, .waits = calloc(1, sizeof *before.waits)};
        struct qri_runs later = {.count = 1, .waits = malloc(sizeof sum)};
        if (before.waits != NULL && later.waits != NULL &&
            qri_qs_get_wait(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                            category, before.waits)) {
            *later.waits = sum;
            qri_runs_merge(&before, &later);
            sum = *before.waits;
        }
        free(before.waits);
        free(later.waits);
    }
    qri_qs_put_wait(&sum, category, bytes);
    stmt = qri_qs_stmt(disk, QRI_QS_PUT_WAIT, 2, runs_id, (int64_t)category);
    if (stmt != NULL)
        sqlite3_bind_blob(stmt, 3, bytes, sizeof bytes, SQLITE_STATIC);
    return run(disk, stmt, err);
}

/* Onto the row that is there already for the same plan and interval, if there is one. */
static enum qr_status write_stats(struct qri_qs_disk *disk, const struct qri_qs_plan *plan,
                                  struct qri_qs_stats *s, struct qr_err *err)
{
    uint8_t bytes[QRI_QS_RUNS_BYTES];
    struct qri_runs sum = s->runs;
    int64_t id = s->id;
    sum.waits = NULL;
    sqlite3_stmt *stmt =
        qri_qs_stmt(disk, QRI_QS_FIND_RUNS, 3, s->interval, plan->id, (int64_t)s->end);
    if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW) {
        struct qri_runs before;
        id = sqlite3_column_int64(stmt, 0);
        if (qri_qs_get_runs(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1),
                            &before)) {
            qri_runs_merge(&before, &sum);
            sum = before;
        }
    }
    qri_qs_put_runs(&sum, bytes);
    stmt = qri_qs_stmt(disk, QRI_QS_PUT_RUNS, 5, id, s->interval, plan->id, (int64_t)s->end,
                       s->minutes);
    if (stmt != NULL)
        sqlite3_bind_blob(stmt, 6, bytes, sizeof bytes, SQLITE_STATIC);
    QR_TRY(run(disk, stmt, err));
    for (int i = 0; s->runs.waits != NULL && i < QRI_WAIT_CATEGORIES; i++)
        if (s->runs.waits->counts[i] > 0)
            QR_TRY(write_wait(disk, id, i, s->runs.waits, err));
    return QR_OK;
}

static bool is_new(const struct qri_qs_stats *s)
{
    return s->lsn == 0 && s->id != 0;
}

static bool has_new(const struct qri_qs_plan *plan)
{
    const struct qri_qs_stats *s = plan->stats;
    while (s != NULL && !is_new(s))
        s = s->next;
    return s != NULL && plan->id != 0;
}

enum qr_status qri_qs_write(struct qri_qstore *qs, struct qri_qs_disk *disk, struct qr_err *err)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next) {
            bool any = false;
            for (struct qri_qs_plan *p = q->plans; p != NULL && q->id != 0; p = p->next) {
                if (!has_new(p))
                    continue;
                any = true;
                QR_TRY(write_plan(disk, q, p, err));
                for (struct qri_qs_stats *s = p->stats; s != NULL; s = s->next)
                    if (is_new(s))
                        QR_TRY(write_stats(disk, p, s, err));
            }
            if (any)
                QR_TRY(write_query(disk, q, err));
        }
    return QR_OK;
}

/* ---- afterwards ---- */

/* Of an earlier flush: whoever looks has a snapshot with it by now. */
static void drop_old(struct qri_qs_plan *plan)
{
    for (struct qri_qs_stats **at = &plan->stats; *at != NULL;) {
        struct qri_qs_stats *s = *at;
        if (s->lsn == 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        free(s->runs.waits);
        free(s);
    }
}

static bool mark(struct qri_qs_query *q, uint64_t lsn)
{
    bool keeps = false;
    for (struct qri_qs_plan *p = q->plans; p != NULL; p = p->next) {
        drop_old(p);
        if (has_new(p)) {
            p->lsn = p->lsn == 0 ? lsn : p->lsn;
            q->lsn = q->lsn == 0 ? lsn : q->lsn;
            p->new_compiles = q->new_compiles = 0;
            p->makes = (struct qri_makes){0};
        }
        for (struct qri_qs_stats *s = p->stats; s != NULL; s = s->next) {
            keeps = true;
            if (is_new(s) && p->id != 0)
                s->lsn = lsn;
        }
    }
    return keeps;
}

void qri_qs_written(struct qri_qstore *qs, uint64_t lsn)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query **at = &qs->buckets[i]; *at != NULL;) {
            struct qri_qs_query *q = *at;
            if (!q->is_captured || mark(q, lsn)) {
                at = &q->next;
                continue;
            }
            *at = q->next;
            qri_qs_query_free(q);
            qs->query_count--;
        }
}

/* ---- cleaning ---- */

static const char orphans_sql[] =
    "DELETE FROM qs_plan WHERE query_id NOT IN (SELECT id FROM qs_query);"
    "DELETE FROM qs_runs WHERE plan_id NOT IN (SELECT id FROM qs_plan);"
    "DELETE FROM qs_wait WHERE runs_id NOT IN (SELECT id FROM qs_runs);"
    "DELETE FROM qs_plan WHERE id NOT IN (SELECT plan_id FROM qs_runs);"
    "DELETE FROM qs_query WHERE id NOT IN (SELECT query_id FROM qs_plan);"
    "DELETE FROM qs_make WHERE plan_id NOT IN (SELECT id FROM qs_plan);"
    "DELETE FROM qs_text WHERE id NOT IN (SELECT text_id FROM qs_query);"
    "DELETE FROM qs_context WHERE id NOT IN (SELECT context_id FROM qs_query)";

static enum qr_status delete_rows(struct qri_qs_disk *disk, const char *sql, int64_t interval,
                                  bool *ret_any, struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(disk->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt) > 0)
        rc = sqlite3_bind_int64(stmt, 1, interval);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE)
        return qri_conn_fail(disk->db, err, "clean Query Store");
    *ret_any |= sqlite3_changes(disk->db) > 0;
    return QR_OK;
}

/* The older half of its intervals goes; if there is but the newest, the half of the queries that
 * has not run for the longest time. */
static enum qr_status clean_by_size(struct qri_qs_disk *disk, bool *ret_any, struct qr_err *err)
{
    bool any = false;
    QR_TRY(delete_rows(disk,
                       "DELETE FROM qs_runs WHERE interval < (SELECT max(interval) FROM qs_runs) "
                       "AND interval <= (SELECT interval FROM qs_runs ORDER BY interval LIMIT 1 "
                       "OFFSET (SELECT count(*) / 2 FROM qs_runs))",
                       0, &any, err));
    if (!any)
        QR_TRY(delete_rows(disk,
                           "DELETE FROM qs_query WHERE id IN (SELECT id FROM qs_query ORDER BY "
                           "last_run_ticks, id LIMIT (SELECT (count(*) + 1) / 2 FROM qs_query))",
                           0, &any, err));
    *ret_any |= any;
    return QR_OK;
}

enum qr_status qri_qs_clean(struct qri_qstore *qs, struct qri_qs_disk *disk, int64_t now_ticks,
                            struct qr_err *err)
{
    const int64_t *o = qs->options;
    bool any = false;
    int64_t days = o[QRI_QS_STALE_DAYS];
    if (days > 0)
        QR_TRY(delete_rows(disk, "DELETE FROM qs_runs WHERE interval < ?1",
                           now_ticks / MINUTE_TICKS - days * DAY_MINUTES, &any, err));
    if (o[QRI_QS_SIZE_CLEANUP] != 0 && qs->bytes / 9 >= (o[QRI_QS_MAX_MB] << 20) / 10)
        QR_TRY(clean_by_size(disk, &any, err));
    qs->was_cleaned = any;
    if (!any)
        return QR_OK;
    return sqlite3_exec(disk->db, orphans_sql, NULL, NULL, NULL) == SQLITE_OK
               ? QR_OK
               : qri_conn_fail(disk->db, err, "clean Query Store");
}
