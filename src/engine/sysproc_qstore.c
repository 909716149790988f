/* sysproc_qstore.c - sp_query_store_*; see sysproc.h and qstore_int.h */
#include "catalog_change_int.h"
#include "qstore_int.h"
#include "sysproc_qstore.h"
#include "base/banned.h"

struct removal {
    int64_t id;
    const char *find;              /* 0 or 1 for the id */
    const char *const *statements; /* ended by NULL */
    int missing;                   /* the error that tells that there is none */
};

static enum qr_status count_of(sqlite3 *db, const char *sql, int64_t id, bool *ret_found,
                               struct qr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, id);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *ret_found = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? QR_OK
                                                 : qri_conn_fail(db, err, "change Query Store");
}

static enum qr_status take_away(struct qri_qstore *qs, sqlite3 *db, void *ctx, struct qr_err *err)
{
    const struct removal *r = ctx;
    bool found = false;
    QR_TRY(count_of(db, r->find, r->id, &found, err));
    if (!found)
        return qr_sql_fail(err, r->missing, (int)r->id, (int)qs->db->info.database_id);
    for (size_t i = 0; r->statements[i] != NULL; i++)
        QR_TRY(count_of(db, r->statements[i], r->id, &found, err));
    return QR_OK;
}

static enum qr_status removal(struct qr_session *session, const struct qri_call_arg *args,
                              size_t count, const char *proc, const char *name, struct removal *r,
                              struct qr_err *err)
{
    const struct qri_call_arg *arg = qri_sysproc_arg(args, count, name, 0);
    if (arg == NULL || arg->value.cell != QR_CELL_INT)
        return qr_sql_fail(err, 201, proc, name);
    r->id = arg->value.i;
    return qri_qstore_change(session, true, take_away, r, err);
}

#define OF_QUERY "(SELECT id FROM qs_plan WHERE query_id = ?1)"
#define RUNS_OF_PLAN "(SELECT id FROM qs_runs WHERE plan_id = ?1)"
#define RUNS_OF_QUERY "(SELECT id FROM qs_runs WHERE plan_id IN " OF_QUERY ")"
#define NO_TEXTS "DELETE FROM qs_text WHERE id NOT IN (SELECT text_id FROM qs_query)"

enum qr_status qri_sp_query_store_remove_query(struct qr_session *session,
                                               struct qri_call_arg *args, size_t count,
                                               int32_t *ret_status, struct qr_err *err)
{
    static const char *const statements[] = {"DELETE FROM qs_wait WHERE runs_id IN " RUNS_OF_QUERY,
                                             "DELETE FROM qs_runs WHERE plan_id IN " OF_QUERY,
                                             "DELETE FROM qs_make WHERE plan_id IN " OF_QUERY,
                                             "DELETE FROM qs_plan WHERE query_id = ?1",
                                             "DELETE FROM qs_query WHERE id = ?1",
                                             NO_TEXTS " AND ?1 IS NOT NULL",
                                             NULL};
    struct removal r = {
        .find = "SELECT 1 FROM qs_query WHERE id = ?1", .statements = statements, .missing = 12402};
    (void)ret_status;
    return removal(session, args, count, "sp_query_store_remove_query", "@query_id", &r, err);
}

enum qr_status qri_sp_query_store_remove_plan(struct qr_session *session, struct qri_call_arg *args,
                                              size_t count, int32_t *ret_status, struct qr_err *err)
{
    static const char *const statements[] = {"DELETE FROM qs_wait WHERE runs_id IN " RUNS_OF_PLAN,
                                             "DELETE FROM qs_runs WHERE plan_id = ?1",
                                             "DELETE FROM qs_make WHERE plan_id = ?1",
                                             "DELETE FROM qs_plan WHERE id = ?1", NULL};
    struct removal r = {
        .find = "SELECT 1 FROM qs_plan WHERE id = ?1", .statements = statements, .missing = 12406};
    (void)ret_status;
    return removal(session, args, count, "sp_query_store_remove_plan", "@plan_id", &r, err);
}

enum qr_status qri_sp_query_store_reset_exec_stats(struct qr_session *session,
                                                   struct qri_call_arg *args, size_t count,
                                                   int32_t *ret_status, struct qr_err *err)
{
    static const char *const statements[] = {"DELETE FROM qs_wait WHERE runs_id IN " RUNS_OF_PLAN,
                                             "DELETE FROM qs_runs WHERE plan_id = ?1", NULL};
    struct removal r = {
        .find = "SELECT 1 FROM qs_plan WHERE id = ?1", .statements = statements, .missing = 12406};
    (void)ret_status;
    return removal(session, args, count, "sp_query_store_reset_exec_stats", "@plan_id", &r, err);
}

static enum qr_status nothing(struct qri_qstore *qs, sqlite3 *db, void *ctx, struct qr_err *err)
{
    (void)qs;
    (void)db;
    (void)ctx;
    (void)err;
    return QR_OK;
}

enum qr_status qri_sp_query_store_flush_db(struct qr_session *session, struct qri_call_arg *args,
                                           size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)args;
    (void)count;
    (void)ret_status;
    return qri_qstore_change(session, true, nothing, NULL, err);
}

/* SQLite cannot be told which plan to take. */
enum qr_status qri_sp_query_store_force(struct qr_session *session, struct qri_call_arg *args,
                                        size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)session;
    (void)args;
    (void)count;
    (void)ret_status;
    return qr_fail(err, QR_UNSUPPORTED,
                   "Forcing a plan and hints in Query Store (sp_query_store_force_plan, "
                   "sp_query_store_unforce_plan, sp_query_store_set_hints, "
                   "sp_query_store_clear_hints) are not supported by this version.");
}
