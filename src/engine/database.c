/* database.c - opening and closing a database; see engine/engine.h */
#include <assert.h>
#include <stdlib.h>
#include "frame.h"
#include "lock_int.h"
#include "qstore_int.h"
#include "shape_int.h"
#include "texts_int.h"
#include "deadlock_int.h"
#include "login_int.h"
#include "base/banned.h"

enum { DAYS_TO_1970 = 719162 };

static int64_t now_ticks(struct qr_instance *instance)
{
    int64_t ns = qr_env_wall_ns(instance->options.env);
    return ns / 100 + (int64_t)DAYS_TO_1970 * 86400 * 10000000;
}

static void free_database(struct qr_database *db)
{
    while (db->idle_links != NULL) {
        struct qri_link *link = db->idle_links;
        db->idle_links = link->next;
        qri_link_free(link);
    }
    qri_follow_done(db);
    qri_cache_free(db->cache);
    qri_texts_free(db->texts);
    qri_qstore_free(db->qstore);
    qri_shapes_free(db->shapes);
    qr_locks_free(db->locks);
    qri_stamps_free(db);
    qri_catalog_unref(db->catalog);
    pthread_mutex_destroy(&db->mu);
    pthread_mutex_destroy(&db->catalog_mu);
    qr_arena_done(&db->arena);
    free(db);
}

/* A replica has the catalog that its primary made. */
static enum qr_status load_followed(struct qr_database *db, struct qr_conn *conn,
                                    struct qr_err *err)
{
    atomic_store(&db->follows, true);
    QR_TRY(qr_conn_pin(conn, err));
    db->catalog_lsn = qr_conn_pinned_lsn(conn);
    return qr_wrap(err, qri_catalog_load(qr_conn_db(conn), qri_info(db), &db->catalog, err),
                   "load the catalog");
}

/* The catalog's tables are made in a transaction of their own the first time. */
static enum qr_status load(struct qr_database *db, struct qr_err *err)
{
    struct qr_conn *conn QR_AUTO(qr_conn_closep) = NULL;
    QR_TRY(qr_conn_open(db->store, NULL, &conn, err));
    if (qr_store_is_read_only(db->store))
        return load_followed(db, conn, err);
    QR_TRY(qr_conn_lock_writer(conn, 1, NULL, NULL, err));
    QR_TRY(qr_wrap(err, qri_catalog_bootstrap(qr_conn_db(conn), now_ticks(db->instance), err),
                   "make the catalog"));
    enum qr_status status = qri_catalog_load(qr_conn_db(conn), qri_info(db), &db->catalog, err);
    if (status == QR_OK)
        status = qri_master_roles(qr_conn_db(conn), now_ticks(db->instance), &db->catalog, err);
    qr_conn_unlock_writer(conn);
    db->catalog_lsn = qr_conn_commit_lsn(conn);
    QR_TRY(qr_wrap(err, status, "load the catalog"));
    qri_qs_read_options(db->qstore, qr_conn_db(conn));
    return db->catalog_lsn.v == 0 ? QR_OK : qr_store_wait_durable(db->store, db->catalog_lsn, err);
}

/* What was there before stays: somebody may be looking at it. */
static enum qr_status keep_info(struct qr_database *db, const struct qr_database_info *info)
{
    struct qr_database_info kept = *info, *place;
    struct qr_str *texts[] = {&kept.name,         &kept.edition,   &kept.service_objective,
                              &kept.elastic_pool, &kept.collation, &kept.server_name};
    pthread_mutex_lock(&db->mu);
    place = qr_arena_alloc(&db->arena, sizeof *place);
    bool good = place != NULL;
    for (size_t i = 0; good && i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = qr_arena_str(&db->arena, *texts[i]);
        good = texts[i]->p != NULL;
    }
    if (good) {
        *place = kept;
        atomic_store_explicit(&db->newest_info, place, memory_order_release);
    }
    pthread_mutex_unlock(&db->mu);
    return good ? QR_OK : QR_NOMEM;
}

void qr_database_set_group(struct qr_database *db, struct qr_gov_group *group)
{
    db->group = group;
}

struct qr_gov_group *qr_database_group(const struct qr_database *db)
{
    return db->group;
}

struct qr_str qr_database_server_name(const struct qr_database *db)
{
    struct qr_str name = qri_info(db)->server_name;
    return name.n > 0 ? name : db->instance->options.server_name;
}

struct qr_str qr_database_edition(const struct qr_database *db)
{
    return qri_info(db)->edition;
}

static struct qr_str owner_of(const struct qr_database_info *info)
{
    return qr_str_n((const char *)info->owner_sid, info->owner_sid_bytes);
}

static bool is_same(const struct qr_database_info *a, const struct qr_database_info *b)
{
    return qr_str_eq(a->name, b->name) && qr_str_eq(a->edition, b->edition) &&
           qr_str_eq(a->service_objective, b->service_objective) && a->max_bytes == b->max_bytes &&
           qr_str_eq(owner_of(a), owner_of(b));
}

enum qr_status qr_database_update(struct qr_database *db, const struct qr_database_info *info,
                                  struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&db->catalog_mu);
    if (!is_same(qri_info(db), info))
        status = keep_info(db, info);
    if (status == QR_OK)
        status = qri_database_rename_catalog(db);
    pthread_mutex_unlock(&db->catalog_mu);
    return status == QR_OK ? QR_OK : qr_fail(err, status, "change a database");
}

enum qr_status qri_database_rename_catalog(struct qr_database *db)
{
    struct qri_catalog *renamed = NULL;
    const struct qr_database_info *info = qri_info(db);
    if (qr_str_eq(db->catalog->cat.database_name, info->name) &&
        qr_str_eq(db->catalog->owner_sid, owner_of(info)))
        return QR_OK;
    QR_TRY(qri_catalog_rename(db->catalog, info->name, owner_of(info), &renamed, NULL));
    qri_catalog_unref(db->catalog);
    db->catalog = renamed;
    atomic_store(&db->catalog_serial, atomic_fetch_add(&db->last_serial, 1) + 1);
    return QR_OK;
}

enum qr_status qr_database_open(struct qr_instance *instance, const struct qr_database_info *info,
                                struct qr_store *own_store, struct qr_database **ret_db,
                                struct qr_err *err)
{
    struct qr_database *db = calloc(1, sizeof *db);
    if (db == NULL)
        return qr_fail(err, QR_NOMEM, "open a database");
    qr_arena_init(&db->arena, 1 << 20);
    pthread_mutex_init(&db->mu, NULL);
    pthread_mutex_init(&db->catalog_mu, NULL);
    db->instance = instance;
    db->store = own_store;
    db->info.database_id = info->database_id;
    db->info.own_id = info->own_id;
    db->info.server_id = info->server_id;
    atomic_init(&db->catalog_serial, 1);
    atomic_init(&db->last_serial, 1);
    db->cache = qri_cache_new(instance->options.plan_cache_bytes_max);
    db->texts = qri_texts_new(db);
    db->shapes = qri_shapes_new();
    db->qstore = qri_qstore_new(db);
    struct qr_lock_options lock_options = {
        .env = instance->options.env, .on_deadlock = qri_deadlock_found, .ctx = db};
    bool good = db->cache != NULL && db->texts != NULL && db->shapes != NULL &&
                db->qstore != NULL && db->qstore != NULL && keep_info(db, info) == QR_OK &&
                qr_locks_new(&lock_options, &db->locks, err) == QR_OK;
    enum qr_status status = good ? load(db, err) : qr_fail(err, QR_NOMEM, "open a database");
    if (status != QR_OK) {
        free_database(db);
        return status;
    }
    pthread_mutex_lock(&instance->mu);
    db->next = instance->databases;
    instance->databases = db;
    pthread_mutex_unlock(&instance->mu);
    *ret_db = db;
    return QR_OK;
}

enum qr_status qr_database_close(struct qr_database *db, struct qr_err *err)
{
    struct qr_instance *instance = db->instance;
    pthread_mutex_lock(&db->mu);
    size_t sessions = db->session_count;
    pthread_mutex_unlock(&db->mu);
    if (sessions > 0)
        return qr_fail(err, QR_BUSY, "%zu sessions use the database", sessions);
    (void)!qr_database_flush_statistics(db, NULL); /* what it cannot write is lost */
    struct qr_store *store = db->store;
    pthread_mutex_lock(&instance->mu);
    struct qr_database **at = &instance->databases;
    while (*at != db)
        at = &(*at)->next;
    *at = db->next;
    pthread_mutex_unlock(&instance->mu);
    free_database(db);
    return qr_store_close(store, err);
}

struct qr_store *qr_database_store(struct qr_database *db)
{
    return db->store;
}

uint32_t qr_database_own_id(const struct qr_database *db)
{
    return db->info.own_id;
}
