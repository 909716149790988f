/* node_geo.c - see cmd_int.h: backups of databases that want it are copied to a second store.
 *
 * The first store says what there is: a list of manifests that is as it was when they were last
 * copied needs nothing. It is asked again soon when something has changed, and later and later when
 * nothing does. Whoever takes a backup knows nothing of this. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backup/mirror.h"
#include "base/crc.h"
#include "cmd_int.h"
#include "env/thread.h"
#include "base/banned.h"

static const int64_t LOOK_NS = INT64_C(5) * 1000000000, PAUSE_NS_MAX = INT64_C(300) * 1000000000;

struct seen { /* a database that has been looked at; those that are gone stay, few bytes each */
    struct seen *next;
    uint32_t id, digest;
    bool copied;
    int64_t at_ns, pause_ns;
};

struct qri_geo {
    struct qri_node *node;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool stopping;     /* guarded by mu */
    struct seen *seen; /* the thread's */
};

/* A database that is being forgotten is not copied meanwhile. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static struct seen *seen_of(struct qri_geo *g, uint32_t id)
{
    struct seen *s = g->seen;
    while (s != NULL && s->id != id)
        s = s->next;
    if (s == NULL && (s = calloc(1, sizeof *s)) != NULL) {
        *s = (struct seen){.next = g->seen, .id = id};
        g->seen = s;
    }
    return s;
}

/* Processes of their own look after their own database while it lives. */
static bool is_mine(const struct qri_node *node, const struct qr_database_row *row)
{
    uint32_t own = 0;
    bool wants = row->traits.redundancy == QR_REDUNDANCY_GEO ||
                 row->traits.redundancy == QR_REDUNDANCY_GEO_ZONE;
    if (!wants || qr_database_is_hyper(row) || row->replica_of != 0 || qr_is_master(row->id) ||
        row->state == QR_DATABASE_PURGING)
        return false;
    bool has_own = qr_place_database_of(qri_node_options_of(node)->name, &own);
    bool is_away = qr_database_is_live(row) && qr_database_has_copies(row);
    return has_own ? own == row->id && is_away : !is_away;
}

static bool digest_one(void *arg, const char *name, const struct qr_blob_info *info)
{
    uint32_t *digest = arg;
    *digest = qr_crc32c(*digest, name, strlen(name));
    *digest = qr_crc32c(*digest, info->tag.z, strlen(info->tag.z));
    *digest = qr_crc32c(*digest, &info->bytes, sizeof info->bytes);
    return true;
}

/* Of the names and tags of all manifests. */
static enum qr_status digest_of(const struct qr_backup_place *place, uint32_t *ret_digest,
                                struct qr_err *err)
{
    char chains[QRI_BACKUP_PREFIX_BYTES + 16];
    uint32_t digest = 0;
    snprintf(chains, sizeof chains, "%s/chains/", place->prefix);
    QR_TRY(qr_blob_list(place->blob, chains, digest_one, &digest, err));
    *ret_digest = digest;
    return QR_OK;
}

static enum qr_status copy(struct qri_geo *g, const struct qr_database_row *row, struct seen *s,
                           bool *ret_changed, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(g->node);
    char from_prefix[QRI_BACKUP_PREFIX_BYTES], to_prefix[QRI_BACKUP_PREFIX_BYTES];
    struct qr_backup_place from = qri_backup_place(g->node, false, row->timeline, from_prefix);
    struct qr_backup_place to = qri_backup_place(g->node, true, row->timeline, to_prefix);
    struct qr_mirrored done = {0};
    uint32_t digest = 0;
    QR_TRY(digest_of(&from, &digest, err));
    *ret_changed = !s->copied || digest != s->digest;
    if (!*ret_changed)
        return QR_OK;
    QR_TRY(qr_backup_mirror(&from, &to, true, &done, err));
    s->copied = true;
    s->digest = digest; /* of before: what came meanwhile is copied at the next look */
    if (done.backups > 0)
        QR_LOG(&o->log, QR_INFO, "backups_copied", QR_F("db", &row->name[0]),
               QR_F("backups", done.backups), QR_F("bytes", done.bytes));
    return QR_OK;
}

static enum qr_status look_at(void *ctx, const struct qr_database_row *row)
{
    struct qri_geo *g = ctx;
    const struct qri_node_options *o = qri_node_options_of(g->node);
    struct qr_err err = {0};
    bool changed = false;
    struct seen *s = is_mine(g->node, row) ? seen_of(g, row->id) : NULL;
    if (s == NULL || qr_env_mono_ns(o->env) < s->at_ns)
        return QR_OK;
    pthread_mutex_lock(&one_at_a_time);
    enum qr_status status = copy(g, row, s, &changed, &err);
    pthread_mutex_unlock(&one_at_a_time);
    if (status != QR_OK)
        QR_LOG(&o->log, QR_WARN, "backups_not_copied", QR_F("db", &row->name[0]),
               QR_F("reason", &err.text[0]));
    bool soon = status == QR_OK && changed;
    s->pause_ns = soon || s->pause_ns == 0 ? LOOK_NS : 2 * s->pause_ns;
    s->pause_ns = s->pause_ns < PAUSE_NS_MAX ? s->pause_ns : PAUSE_NS_MAX;
    s->at_ns = qr_env_mono_ns(o->env) + s->pause_ns;
    pthread_mutex_lock(&g->mu);
    bool stopping = g->stopping;
    pthread_mutex_unlock(&g->mu);
    return stopping ? QR_CANCELLED : QR_OK;
}

static void *geo_main(void *arg)
{
    struct qri_geo *g = arg;
    struct qr_rpc_peer *control = qri_node_options_of(g->node)->control;
    pthread_mutex_lock(&g->mu);
    while (!g->stopping) {
        (void)qr_cond_wait(&g->wake, &g->mu, LOOK_NS);
        if (g->stopping)
            break;
        pthread_mutex_unlock(&g->mu);
        (void)!qr_control_each_database(control, QR_SERVER_ANY, 0, look_at, g, NULL);
        pthread_mutex_lock(&g->mu);
    }
    pthread_mutex_unlock(&g->mu);
    return NULL;
}

enum qr_status qri_geo_start(struct qri_node *node, struct qri_geo **ret_geo, struct qr_err *err)
{
    struct qri_geo *g = calloc(1, sizeof *g);
    if (g == NULL)
        return qr_fail(err, QR_NOMEM, "copies of backups");
    g->node = node;
    pthread_mutex_init(&g->mu, NULL);
    qr_cond_init(&g->wake);
    enum qr_status status = qr_thread_start("qr-geo", 0, geo_main, g, &g->thread, err);
    if (status != QR_OK) {
        pthread_cond_destroy(&g->wake);
        pthread_mutex_destroy(&g->mu);
        free(g);
        return status;
    }
    *ret_geo = g;
    return QR_OK;
}

void qri_geo_stop(struct qri_geo *g)
{
    if (g == NULL)
        return;
    pthread_mutex_lock(&g->mu);
    g->stopping = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->mu);
    pthread_join(g->thread, NULL);
    while (g->seen != NULL) {
        struct seen *s = g->seen;
        g->seen = s->next;
        free(s);
    }
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->mu);
    free(g);
}

enum qr_status qri_geo_forget(struct qri_node *node, const struct qr_database_row *row,
                              struct qr_err *err)
{
    char prefix[QRI_BACKUP_PREFIX_BYTES];
    struct qr_backup_place place = qri_backup_place(node, true, row->timeline, prefix);
    if (place.blob == NULL)
        return QR_OK;
    pthread_mutex_lock(&one_at_a_time);
    enum qr_status status = qr_backup_forget(&place, err);
    pthread_mutex_unlock(&one_at_a_time);
    return qr_wrap(err, status, "second store of backups");
}
