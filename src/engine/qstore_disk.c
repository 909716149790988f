/* qstore_disk.c - Query Store's tables, and ids for what is in memory; see qstore_int.h */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "catalog_change_int.h"
#include "qstore_int.h"
#include "base/banned.h"

/* Ordinary tables of SQLite that are in no catalog: no T-SQL can name them. */
static const char tables_sql[] =
    "CREATE TABLE IF NOT EXISTS qs_option(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, "
    "WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS qs_context(id INTEGER PRIMARY KEY, options INTEGER NOT NULL "
    "UNIQUE) STRICT;"
    "CREATE TABLE IF NOT EXISTS qs_text(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, "
    "text TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS qs_query(id INTEGER PRIMARY KEY, key INTEGER NOT NULL UNIQUE, "
    "text_id INTEGER NOT NULL, context_id INTEGER NOT NULL, object_id INTEGER NOT NULL, has_params "
    "INTEGER NOT NULL, hash INTEGER NOT NULL, batch_id INTEGER NOT NULL, first_ticks INTEGER NOT "
    "NULL, last_ticks INTEGER NOT NULL, last_run_ticks INTEGER NOT NULL, compiles INTEGER NOT "
    "NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS qs_plan(id INTEGER PRIMARY KEY, query_id INTEGER NOT NULL, hash "
    "INTEGER NOT NULL, xml TEXT, first_ticks INTEGER NOT NULL, last_ticks INTEGER NOT NULL, "
    "last_run_ticks INTEGER NOT NULL, compiles INTEGER NOT NULL, UNIQUE(query_id, hash)) STRICT;"
    "CREATE TABLE IF NOT EXISTS qs_runs(id INTEGER PRIMARY KEY, interval INTEGER NOT NULL, plan_id "
    "INTEGER NOT NULL, ended INTEGER NOT NULL, minutes INTEGER NOT NULL, data BLOB NOT NULL, "
    "UNIQUE(interval, plan_id, ended)) STRICT;"
    "CREATE TABLE IF NOT EXISTS qs_wait(runs_id INTEGER NOT NULL, category INTEGER NOT NULL, data "
    "BLOB NOT NULL, PRIMARY KEY(runs_id, category)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS qs_make(plan_id INTEGER PRIMARY KEY, first_ticks INTEGER NOT NULL, "
    "data BLOB NOT NULL) STRICT";

static const char *const sqls[QRI_QS_STMTS] = {
    [QRI_QS_FIND_QUERY] = "SELECT id, text_id, context_id FROM qs_query WHERE key = ?1",
    [QRI_QS_FIND_TEXT] = "SELECT id FROM qs_text WHERE hash = ?1",
    [QRI_QS_FIND_CONTEXT] = "SELECT id FROM qs_context WHERE options = ?1",
    [QRI_QS_FIND_PLAN] = "SELECT id FROM qs_plan WHERE query_id = ?1 AND hash = ?2",
    [QRI_QS_COUNT_PLANS] = "SELECT count(*) FROM qs_plan WHERE query_id = ?1",
    [QRI_QS_FIND_RUNS] =
        "SELECT id, data FROM qs_runs WHERE interval = ?1 AND plan_id = ?2 AND ended = ?3",
    [QRI_QS_FIND_WAIT] = "SELECT data FROM qs_wait WHERE runs_id = ?1 AND category = ?2",
    [QRI_QS_FIND_MAKES] = "SELECT m.data FROM qs_make m JOIN qs_plan p ON p.id = m.plan_id AND "
                          "p.first_ticks = m.first_ticks WHERE m.plan_id = ?1",
    [QRI_QS_MAKES_OF_QUERY] =
        "SELECT m.data FROM qs_plan p JOIN qs_make m ON m.plan_id = p.id AND "
        "m.first_ticks = p.first_ticks WHERE p.query_id = ?1 ORDER BY p.last_ticks",
    [QRI_QS_PUT_QUERY] =
        "INSERT INTO qs_query VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON "
        "CONFLICT(id) DO UPDATE SET last_ticks = max(last_ticks, ?10), last_run_ticks = "
        "max(last_run_ticks, ?11), compiles = compiles + ?12",
    [QRI_QS_PUT_TEXT] = "INSERT INTO qs_text VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [QRI_QS_PUT_CONTEXT] = "INSERT INTO qs_context VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [QRI_QS_PUT_PLAN] =
        "INSERT INTO qs_plan VALUES (?1, ?2, ?3, ?8, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET "
        "last_ticks = max(last_ticks, ?5), last_run_ticks = max(last_run_ticks, ?6), compiles = "
        "compiles + ?7",
    [QRI_QS_PUT_RUNS] =
        "INSERT INTO qs_runs VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT(id) DO UPDATE SET data = ?6",
    [QRI_QS_PUT_MAKES] = "INSERT OR REPLACE INTO qs_make SELECT id, first_ticks, ?2 FROM qs_plan "
                         "WHERE id = ?1",
    [QRI_QS_PUT_WAIT] = "INSERT OR REPLACE INTO qs_wait VALUES (?1, ?2, ?3)",
};

enum qr_status qri_qs_make_tables(sqlite3 *db, struct qr_err *err)
{
    return sqlite3_exec(db, tables_sql, NULL, NULL, NULL) == SQLITE_OK
               ? QR_OK
               : qri_conn_fail(db, err, "make Query Store's tables");
}

/* ---- statements ---- */

void qri_qs_disk_open(struct qri_qs_disk *disk, sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    *disk = (struct qri_qs_disk){.db = db};
    if (sqlite3_prepare_v2(db, "SELECT 1 FROM main.sqlite_schema WHERE name = 'qs_wait'", -1, &stmt,
                           NULL) == SQLITE_OK)
        disk->has_tables = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
}

void qri_qs_disk_close(struct qri_qs_disk *disk)
{
    for (int i = 0; i < QRI_QS_STMTS; i++) {
        sqlite3_finalize(disk->stmts[i]);
        disk->stmts[i] = NULL;
    }
}

sqlite3_stmt *qri_qs_stmt(struct qri_qs_disk *disk, enum qri_qs_sql which, int count, ...)
{
    sqlite3_stmt **stmt = &disk->stmts[which];
    bool good =
        *stmt != NULL || sqlite3_prepare_v2(disk->db, sqls[which], -1, stmt, NULL) == SQLITE_OK;
    if (!good)
        return NULL;
    va_list args;
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    va_start(args, count);
    for (int i = 1; i <= count && good; i++)
        good = sqlite3_bind_int64(*stmt, i, va_arg(args, int64_t)) == SQLITE_OK;
    va_end(args);
    return good ? *stmt : NULL;
}

void qri_qs_read_options(struct qri_qstore *qs, sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "SELECT name, value FROM main.qs_option", -1, &stmt, NULL) ==
        SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW)
            for (int i = 0; i < QRI_QS_OPTIONS; i++)
                if (strcmp((const char *)sqlite3_column_text(stmt, 0),
                           qri_qs_option_infos[i].name) == 0)
                    qs->options[i] = sqlite3_column_int64(stmt, 1);
    sqlite3_finalize(stmt);
    qri_qs_options_changed(qs);
}

void qri_qs_options_changed(struct qri_qstore *qs)
{
    if (qs->options[QRI_QS_INTERVAL_MINUTES] <= 0) /* what a page that is damaged may say */
        qs->options[QRI_QS_INTERVAL_MINUTES] = qri_qs_option_infos[QRI_QS_INTERVAL_MINUTES].initial;
    bool collects = qs->options[QRI_QS_STATE] == QRI_QS_READ_WRITE &&
                    qs->db->info.database_id != 1 && !qr_store_is_read_only(qs->db->store);
    atomic_store(&qs->flush_s, qs->options[QRI_QS_FLUSH_S]);
    atomic_store_explicit(&qs->interval_minutes,
                          collects ? qs->options[QRI_QS_INTERVAL_MINUTES] : 0,
                          memory_order_relaxed);
}

/* ---- ids ---- */

static enum qr_status find(struct qri_qs_disk *disk, sqlite3_stmt *stmt, bool *ret_found,
                           struct qr_err *err)
{
    int rc = stmt == NULL ? SQLITE_ERROR : sqlite3_step(stmt);
    *ret_found = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? QR_OK
                                                 : qri_conn_fail(disk->db, err, "read Query Store");
}

static enum qr_status read_counters(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                    struct qr_err *err)
{
    static const char *const max_sqls[QRI_QS_COUNTERS] = {
        [QRI_QS_TEXTS] = "SELECT max(id) FROM qs_text",
        [QRI_QS_QUERIES] = "SELECT max(id) FROM qs_query",
        [QRI_QS_PLANS] = "SELECT max(id) FROM qs_plan",
        [QRI_QS_RUNS] = "SELECT max(id) FROM qs_runs",
        [QRI_QS_CONTEXTS] = "SELECT max(id) FROM qs_context"};
    for (int i = 0; i < QRI_QS_COUNTERS; i++) {
        sqlite3_stmt *stmt = NULL;
        if (qs->last_ids[i] >= 0)
            continue;
        if (disk->has_tables &&
            (sqlite3_prepare_v2(disk->db, max_sqls[i], -1, &stmt, NULL) != SQLITE_OK ||
             sqlite3_step(stmt) != SQLITE_ROW)) {
            sqlite3_finalize(stmt);
            return qri_conn_fail(disk->db, err, "read Query Store");
        }
        qs->last_ids[i] = stmt == NULL ? 0 : sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
    }
    return QR_OK;
}

/* Another query in memory with this text, or with these options, that has the id already. */
static const struct qri_qs_query *same_text(const struct qri_qstore *qs,
                                            const struct qri_qs_query *query)
{
    const struct qri_qs_query *q = qs->buckets[query->text_hash % QRI_QS_BUCKETS];
    while (q != NULL && (q->text_hash != query->text_hash || q->text_id == 0))
        q = q->next;
    return q;
}

static const struct qri_qs_query *same_options(const struct qri_qstore *qs,
                                               const struct qri_qs_query *query)
{
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (const struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next)
            if (q->context_id != 0 && q->options == query->options)
                return q;
    return NULL;
}

static enum qr_status resolve_text(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                   struct qri_qs_query *query, struct qr_err *err)
{
    const struct qri_qs_query *other = same_text(qs, query);
    if (other != NULL)
        query->text_id = other->text_id;
    if (other == NULL && disk->has_tables) {
        sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_TEXT, 1, (int64_t)query->text_hash);
        bool found = false;
        QR_TRY(find(disk, stmt, &found, err));
        query->text_id = found ? sqlite3_column_int64(stmt, 0) : 0;
    }
    query->has_text = query->text_id != 0;
    if (!query->has_text)
        query->text_id = ++qs->last_ids[QRI_QS_TEXTS];
    return QR_OK;
}

static enum qr_status resolve_context(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                      struct qri_qs_query *query, struct qr_err *err)
{
    const struct qri_qs_query *other = same_options(qs, query);
    if (other != NULL)
        query->context_id = other->context_id;
    if (other == NULL && disk->has_tables) {
        sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_CONTEXT, 1, (int64_t)query->options);
        bool found = false;
        QR_TRY(find(disk, stmt, &found, err));
        query->context_id = found ? sqlite3_column_int64(stmt, 0) : 0;
    }
    query->has_context = query->context_id != 0;
    if (!query->has_context)
        query->context_id = ++qs->last_ids[QRI_QS_CONTEXTS];
    return QR_OK;
}

static enum qr_status resolve_query(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                    struct qri_qs_query *query, struct qr_err *err)
{
    if (disk->has_tables) {
        sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_QUERY, 1, (int64_t)query->key);
        bool found = false;
        QR_TRY(find(disk, stmt, &found, err));
        query->was_on_disk = found;
        if (found) {
            query->id = sqlite3_column_int64(stmt, 0);
            query->text_id = sqlite3_column_int64(stmt, 1);
            query->context_id = sqlite3_column_int64(stmt, 2);
            query->has_text = query->has_context = true;
            return QR_OK;
        }
    }
    QR_TRY(resolve_text(qs, disk, query, err));
    QR_TRY(resolve_context(qs, disk, query, err));
    query->id = ++qs->last_ids[QRI_QS_QUERIES];
    return QR_OK;
}

/* ---- plans ---- */

/* One that looks the same, with an id: the catalog has changed between them, not the plan. */
static struct qri_qs_plan *same_plan(struct qri_qs_query *query, const struct qri_qs_plan *plan)
{
    struct qri_qs_plan *p = query->plans;
    while (p != NULL && (p == plan || p->id == 0 || p->hash != plan->hash))
        p = p->next;
    return p;
}

/* The runs of `from` are the other's. It stays, empty, for runs that are handed on later. */
static void move_stats(struct qri_qs_plan *into, struct qri_qs_plan *from)
{
    struct qri_qs_stats **end = &into->stats;
    while (*end != NULL)
        end = &(*end)->next;
    *end = from->stats;
    from->stats = NULL;
    into->new_compiles += from->new_compiles;
    from->new_compiles = 0;
    qri_makes_merge(&into->makes, &from->makes);
    from->makes = (struct qri_makes){0};
    if (from->last_ticks > into->last_ticks)
        into->last_ticks = from->last_ticks;
    if (from->last_run_ticks > into->last_run_ticks)
        into->last_run_ticks = from->last_run_ticks;
}

/* Those on disk, and those that will be. */
static enum qr_status count_plans(struct qri_qs_disk *disk, const struct qri_qs_query *query,
                                  int64_t *ret_count, struct qr_err *err)
{
    int64_t count = 0;
    bool found = false;
    if (query->was_on_disk || query->lsn != 0) {
        sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_COUNT_PLANS, 1, query->id);
        QR_TRY(find(disk, stmt, &found, err));
        count = sqlite3_column_int64(stmt, 0);
    }
    for (const struct qri_qs_plan *p = query->plans; p != NULL; p = p->next)
        count += p->id != 0 && !p->was_on_disk && p->lsn == 0;
    *ret_count = count;
    return QR_OK;
}

static enum qr_status resolve_plan(struct qri_qstore *qs, struct qr_session *session,
                                   struct qri_qs_disk *disk, struct qri_qs_query *query,
                                   struct qri_qs_plan *plan, struct qr_err *err)
{
    plan->hash = qri_shape_plan_hash(plan->shape);
    struct qri_qs_plan *same = same_plan(query, plan);
    if (same != NULL) {
        move_stats(same, plan);
        return QR_OK;
    }
    if (query->was_on_disk || query->lsn != 0) {
        sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_PLAN, 2, query->id, (int64_t)plan->hash);
        QR_TRY(find(disk, stmt, &plan->was_on_disk, err));
        plan->id = plan->was_on_disk ? sqlite3_column_int64(stmt, 0) : 0;
    }
    if (plan->id != 0)
        return QR_OK;
    int64_t most = qs->options[QRI_QS_MAX_PLANS], count = 0;
    if (most > 0)
        QR_TRY(count_plans(disk, query, &count, err));
    if (most > 0 && count >= most) {
        qri_qs_drop_stats(plan);
        return QR_OK;
    }
    plan->xml = qri_plan_xml(session, query->text, query->kind, plan->shape->sql);
    plan->id = ++qs->last_ids[QRI_QS_PLANS];
    return QR_OK;
}

static enum qr_status resolve(struct qri_qstore *qs, struct qr_session *session,
                              struct qri_qs_disk *disk, struct qri_qs_query *query,
                              struct qr_err *err)
{
    if (query->id == 0)
        QR_TRY(resolve_query(qs, disk, query, err));
    for (struct qri_qs_plan *p = query->plans; p != NULL; p = p->next) {
        if (!qri_shape_is_explained(p->shape))
            continue;
        if (p->id == 0)
            QR_TRY(resolve_plan(qs, session, disk, query, p, err));
        for (struct qri_qs_stats *s = p->stats; s != NULL; s = s->next)
            if (s->id == 0)
                s->id = ++qs->last_ids[QRI_QS_RUNS];
    }
    return QR_OK;
}

enum qr_status qri_qs_find_known(struct qri_qstore *qs, struct qri_qs_disk *disk,
                                 struct qr_err *err)
{
    if (!disk->has_tables)
        return QR_OK;
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next) {
            if (q->is_captured || q->was_sought)
                continue;
            sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_FIND_QUERY, 1, (int64_t)q->key);
            QR_TRY(find(disk, stmt, &q->is_captured, err));
            q->was_sought = true;
        }
    return QR_OK;
}

enum qr_status qri_qs_resolve(struct qri_qstore *qs, struct qr_session *session,
                              struct qri_qs_disk *disk, struct qr_err *err)
{
    QR_TRY(read_counters(qs, disk, err));
    for (size_t i = 0; i < QRI_QS_BUCKETS; i++)
        for (struct qri_qs_query *q = qs->buckets[i]; q != NULL; q = q->next)
            if (q->is_captured)
                QR_TRY(resolve(qs, session, disk, q, err));
    return QR_OK;
}
