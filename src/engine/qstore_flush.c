/* qstore_flush.c - when Query Store is looked at, written and changed; see qstore_int.h */
#include <stdlib.h>
#include <string.h>
#include "btree.h"
#include "catalog_change_int.h"
#include "engine/engine.h"
#include "governor/task.h"
#include "qstore_int.h"
#include "base/banned.h"

enum { OWNER = QRI_SESSION_ID_FIRST - 1 }; /* whom views show as the holder of the writer lock */
static const int64_t SECOND_NS = 1000000000, WAIT_NS = SECOND_NS / 5, IDLE_FLUSH_NS = 5 * SECOND_NS,
                     CLEAN_NS = 3600 * SECOND_NS;
enum { INBOX_BYTES_SOON = 4 << 20 };

/* ---- a session that nobody sees, for its link ---- */

static struct qr_session *internal_session(struct qr_database *db)
{
    struct qr_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->db = db;
    session->id = OWNER;
    qr_arena_init(&session->arena, 1 << 20);
    qri_options_init(&session->login_options, true);
    session->options = session->login_options;
    qr_map_init(&session->temp_counters, false);
    qr_map_init(&session->context, true);
    return session;
}

static void free_internal(struct qr_session *session)
{
    qri_link_put(session);
    qri_catalog_unref(session->catalog);
    qr_map_done(&session->temp_counters);
    qr_map_done(&session->context);
    qr_arena_done(&session->arena);
    free(session);
}

/* ---- looking ---- */

static int64_t bytes_of(struct qr_session *session)
{
    static const char *const names[] = {"qs_option",
                                        "qs_context",
                                        "qs_text",
                                        "qs_query",
                                        "qs_plan",
                                        "qs_runs",
                                        "qs_wait",
                                        "qs_make",
                                        "sqlite_autoindex_qs_text_1",
                                        "sqlite_autoindex_qs_query_1",
                                        "sqlite_autoindex_qs_plan_1",
                                        "sqlite_autoindex_qs_runs_1"};
    uint64_t pages = 0;
    struct qr_err err = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct qri_btree_size size;
        if (qri_btree_size(session->link, names[i], &size, &err) == QR_OK)
            pages += size.leaves + size.inner + size.overflow;
    }
    return (int64_t)(pages * qr_store_page_bytes(session->db->store));
}

static uint64_t pinned(struct qr_session *session)
{
    return qr_conn_pinned_lsn(session->link->conn).v;
}

/* Options and sizes, unless the snapshot is older than what this process has written itself. */
static bool look_at_disk(struct qri_qstore *qs, struct qr_session *session)
{
    if (pinned(session) < qs->flushed_lsn)
        return false;
    qri_qs_read_options(qs, session->link->db);
    qs->bytes = bytes_of(session);
    qs->is_full = qs->bytes >> 20 >= qs->options[QRI_QS_MAX_MB];
    return true;
}

enum qr_status qri_qstore_look(struct qr_session *session, struct qri_qs_disk *disk,
                               struct qr_err *err)
{
    struct qri_qstore *qs = session->db->qstore;
    qri_texts_hand_on(session->db->texts);
    qri_shapes_settle(session);
    struct qr_gov_task *held = qr_gov_hold();
    pthread_mutex_lock(&qs->mu);
    qri_qs_disk_open(disk, session->link->db);
    bool is_recent = look_at_disk(qs, session);
    qri_qs_take_inbox(qs);
    enum qr_status status = QR_OK;
    /* an old snapshot does not show which ids are given */
    if (!qr_store_is_read_only(session->db->store) && is_recent) {
        status = qri_qs_find_known(qs, disk, err);
        if (status == QR_OK)
            status = qri_qs_resolve(qs, session, disk, err);
    }
    qr_gov_unhold(held);
    return status;
}

void qri_qstore_leave(struct qr_session *session, struct qri_qs_disk *disk)
{
    qri_qs_disk_close(disk);
    pthread_mutex_unlock(&session->db->qstore->mu);
}

bool qri_qs_is_visible(struct qr_session *session, uint64_t lsn)
{
    return lsn == 0 || pinned(session) < lsn;
}

/* ---- writing ---- */

struct waiting {
    struct qr_env *env;
    int64_t until_ns;
};

static enum qr_status give_up(void *ctx)
{
    const struct waiting *w = ctx;
    return qr_env_mono_ns(w->env) < w->until_ns ? QR_OK : QR_TIMEOUT;
}

struct change {
    qri_qs_change_fn *run; /* NULL: only what is in memory is written */
    void *ctx;
    bool flush;
};

/* In the transaction. */
static enum qr_status write_all(struct qri_qstore *qs, struct qr_session *session,
                                const struct change *change, struct qr_err *err)
{
    struct qri_qs_disk disk;
    sqlite3 *db = session->link->db;
    struct qr_env *env = qs->db->instance->options.env;
    int64_t now = qr_env_mono_ns(env);
    QR_TRY(qri_qs_make_tables(db, err));
    qri_qs_disk_open(&disk, db);
    enum qr_status status = QR_OK;
    if (change->flush) {
        status = qri_qs_resolve(qs, session, &disk, err);
        if (status == QR_OK && !qs->is_full)
            status = qri_qs_write(qs, &disk, err);
        if (status == QR_OK &&
            (qs->cleaned_ns == 0 || now - qs->cleaned_ns >= CLEAN_NS || qs->is_full)) {
            qs->cleaned_ns = now;
            status = qri_qs_clean(qs, &disk, qri_ticks_of_wall(qr_env_wall_ns(env)), err);
        }
    }
    if (status == QR_OK && change->run != NULL)
        status = change->run(qs, db, change->ctx, err);
    qri_qs_disk_close(&disk);
    return status;
}

static enum qr_status transact(struct qri_qstore *qs, struct qr_session *session,
                               const struct change *change, struct qr_err *err)
{
    sqlite3 *db = session->link->db;
    struct qr_gov_task *held = qr_gov_hold();
    pthread_mutex_lock(&qs->mu);
    bool was_full = qs->is_full;
    qs->was_cleaned = false;
    enum qr_status status = qri_conn_exec(db, "BEGIN IMMEDIATE", err);
    if (status == QR_OK) {
        status = write_all(qs, session, change, err);
        if (status == QR_OK)
            status = qri_conn_exec(db, "COMMIT", err);
        if (status != QR_OK && !sqlite3_get_autocommit(db))
            (void)!qri_conn_exec(db, "ROLLBACK", NULL);
    }
    uint64_t lsn = qr_conn_commit_lsn(session->link->conn).v;
    if (status == QR_OK && change->run != NULL) {
        /* what it took away is nobody's to be shown; the rest is on disk */
        qri_qs_forget_captured(qs);
    } else if (status == QR_OK && !was_full) {
        qri_qs_written(qs, lsn);
    }
    if (status == QR_OK && qs->was_cleaned)
        qri_qs_forget_ids(qs);
    if (status == QR_OK && lsn > qs->flushed_lsn)
        qs->flushed_lsn = lsn;
    atomic_store(&qs->flushed_ns, qr_env_mono_ns(qs->db->instance->options.env));
    pthread_mutex_unlock(&qs->mu);
    qr_gov_unhold(held);
    return status;
}

/* What has run is explained, and known to the store, as of now. */
static enum qr_status gather(struct qri_qstore *qs, struct qr_session *session, bool *ret_news,
                             struct qr_err *err)
{
    struct qr_conn *conn = session->link->conn;
    qri_session_refresh_catalog(session);
    qr_conn_read_at_least(conn, session->catalog_lsn);
    QR_TRY(qr_conn_pin(conn, err));
    qri_texts_hand_on(qs->db->texts);
    qri_shapes_settle(session);
    pthread_mutex_lock(&qs->mu);
    enum qr_status status = QR_OK;
    struct qri_qs_disk disk;
    bool is_recent = look_at_disk(qs, session);
    qri_qs_take_inbox(qs);
    qri_qs_disk_open(&disk, session->link->db);
    if (is_recent)
        status = qri_qs_find_known(qs, &disk, err);
    qri_qs_disk_close(&disk);
    *ret_news = qri_qs_has_news(qs);
    if (qs->options[QRI_QS_STATE] != QRI_QS_READ_WRITE)
        *ret_news = false;
    pthread_mutex_unlock(&qs->mu);
    qr_conn_unpin(conn);
    return status;
}

static enum qr_status flush_on(struct qri_qstore *qs, struct qr_session *session,
                               const struct change *change, int64_t wait_ns, struct qr_err *err)
{
    struct qr_env *env = qs->db->instance->options.env;
    struct waiting wait = {env, qr_env_mono_ns(env) + wait_ns};
    bool news = false;
    QR_TRY(qri_link_take(session, err));
    QR_TRY(gather(qs, session, &news, err));
    if (!news && change->run == NULL) {
        atomic_store(&qs->flushed_ns, qr_env_mono_ns(env));
        return QR_OK;
    }
    struct qr_conn *conn = session->link->conn;
    QR_TRY(qr_conn_lock_writer(conn, OWNER, give_up, &wait, err));
    qri_session_refresh_catalog(session); /* nobody changes it now */
    enum qr_status status = transact(qs, session, change, err);
    qr_conn_unlock_writer(conn);
    QR_TRY(status);
    /* who looks after this has a snapshot with it */
    return qr_store_wait_durable(qs->db->store, qr_conn_commit_lsn(conn), err);
}

/* A replica has what its primary wrote; one that was promoted waits for its first writer. */
static bool may_write(struct qr_database *db)
{
    return !qr_store_is_read_only(db->store) && !atomic_load(&db->follows);
}

enum qr_status qr_database_flush_statistics(struct qr_database *db, struct qr_err *err)
{
    struct change change = {.flush = true};
    struct qr_gov_task task;
    if (!may_write(db) || db->info.database_id == 1 || !atomic_load(&db->qstore->was_used))
        return QR_OK;
    struct qr_session *session = internal_session(db);
    if (session == NULL)
        return qr_fail(err, QR_NOMEM, "flush Query Store");
    qr_gov_enter_internal(&task, QR_GOV_SYSTEM);
    enum qr_status status = flush_on(db->qstore, session, &change, WAIT_NS, err);
    free_internal(session);
    qr_gov_leave_internal(&task);
    return status;
}

bool qr_database_statistics_due(struct qr_database *db, int64_t idle_since_ns)
{
    struct qri_qstore *qs = db->qstore;
    int64_t now = qr_env_mono_ns(db->instance->options.env);
    int64_t flushed = atomic_load(&qs->flushed_ns);
    bool rests = idle_since_ns > flushed && now - idle_since_ns >= IDLE_FLUSH_NS;
    if (!may_write(db) || db->info.database_id == 1 ||
        !atomic_load_explicit(&qs->was_used, memory_order_relaxed) ||
        atomic_load_explicit(&qs->interval_minutes, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&qs->inbox_mu);
    size_t bytes = qs->inbox_bytes;
    pthread_mutex_unlock(&qs->inbox_mu);
    return bytes >= INBOX_BYTES_SOON || rests ||
           (idle_since_ns == 0 && now - flushed >= atomic_load(&qs->flush_s) * SECOND_NS);
}

enum qr_status qri_qstore_change(struct qr_session *session, bool flush_first,
                                 qri_qs_change_fn *run, void *ctx, struct qr_err *err)
{
    static const int64_t patience_ns = INT64_C(30) * 1000000000;
    struct change change = {run, ctx, flush_first};
    struct qr_database *db = session->db;
    if (session->tran.count > 0)
        return qr_sql_fail(err, 574, "ALTER DATABASE SET QUERY_STORE");
    if (!may_write(db))
        return qr_sql_fail(err, 3906, qr_arena_str(&session->arena, qri_info(db)->name).p);
    struct qr_session *own = internal_session(db);
    if (own == NULL)
        return qr_fail(err, QR_NOMEM, "change Query Store");
    session->sink->block_begin(session->sink->ctx);
    enum qr_status status = flush_on(db->qstore, own, &change, patience_ns, err);
    if (status == QR_OK && own->link != NULL)
        session->answer_lsn = qr_conn_commit_lsn(own->link->conn).v > session->answer_lsn
                                  ? qr_conn_commit_lsn(own->link->conn).v
                                  : session->answer_lsn;
    if (status == QR_OK && session->answer_lsn > session->commit_lsn.v)
        session->commit_lsn.v = session->answer_lsn; /* it reads what it has changed */
    session->sink->block_end(session->sink->ctx);
    free_internal(own);
    return status;
}
