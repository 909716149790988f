/* zone.c - see zone.h: the environment, names, leases. Files are in zone_file.c. */
#include "zone_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static const int64_t SECOND_NS = 1000000000;
enum { LEASE_S = 15, RENEW_S = 4, TAKE_WAIT_S = 30, LEASES_BYTES_MAX = 8 << 10 };

struct qr_env *qri_zone_env(struct qri_zone *zone)
{
    return &zone->base;
}

static struct qri_zone *zone_of(struct qr_env *env)
{
    return (struct qri_zone *)env;
}

/* --- leases --- */

/* With mu: the one of that object, or the free row for it; NULL if there is no room. */
static struct qri_zone_lease *lease_row(struct qri_zone *z, const char *name, bool make)
{
    struct qri_zone_lease *free_row = NULL;
    for (size_t i = 0; i < QRI_ZONE_LEASES_MAX; i++) {
        struct qri_zone_lease *l = &z->leases[i];
        if (strcmp(l->name, name) == 0)
            return l;
        if (l->name[0] == '\0' && free_row == NULL)
            free_row = l;
    }
    return make ? free_row : NULL;
}

/* --- leases of a process that was killed --- */

/* With mu. A row is the lease's id, a blank, the object's name. What cannot be kept costs the next
 * process its wait, no more. */
static void save_leases(struct qri_zone *z)
{
    struct qr_buf text;
    if (z->leases_path == NULL)
        return;
    qr_buf_init(&text, LEASES_BYTES_MAX);
    for (size_t i = 0; i < QRI_ZONE_LEASES_MAX; i++)
        if (z->leases[i].name[0] != '\0')
            qr_buf_printf(&text, "%s %s\n", z->leases[i].id.z, z->leases[i].name);
    struct qr_err err = {0};
    enum qr_status status = qr_buf_status(&text, &err);
    if (status == QR_OK)
        status = qr_env_replace_file(z->env, z->leases_path, text.data, text.len, &err);
    if (status != QR_OK)
        QR_LOG(&z->log, QR_WARN, "landing_zone_leases_not_kept", QR_F("path", z->leases_path),
               QR_F("err", (const char *)err.text));
    qr_buf_done(&text);
}

/* Below our prefix only, whatever the file says. */
static void give_back(struct qri_zone *z, const char *text, bool locks)
{
    char id[sizeof((struct qr_blob_tag *)0)->z], name[QRI_ZONE_NAME_BYTES];
    size_t prefix = strlen(z->dir);
    for (int n = 0; sscanf(text, "%63s %255s%n", id, name, &n) == 2; text += n, n = 0) {
        bool ours = strncmp(name, z->dir, prefix) == 0 && name[prefix] == '/';
        if (ours && (strcmp(name, z->lock_name) == 0) == locks)
            (void)!qr_blob_release(z->blob, name, id, NULL); /* it may have run out long ago */
    }
}

enum qr_status qri_zone_keep_leases(struct qri_zone *zone, const char *path, struct qr_err *err)
{
    struct qr_buf text;
    if (path == NULL)
        return QR_OK;
    zone->leases_path = strdup(path);
    if (zone->leases_path == NULL)
        return qr_fail(err, QR_NOMEM, "landing zone");
    qr_buf_init(&text, LEASES_BYTES_MAX);
    if (qr_env_read_file(zone->env, path, &text, NULL) == QR_OK &&
        memchr(text.data, '\0', text.len) == NULL) {
        qr_buf_add8(&text, 0);
        if (qr_buf_status(&text, NULL) == QR_OK) {
            give_back(zone, (const char *)text.data, false);
            give_back(zone, (const char *)text.data, true); /* last: who has it may write */
        }
    }
    qr_buf_done(&text);
    return QR_OK;
}

static enum qr_status renew(struct qri_zone *z, struct qri_zone_lease *l, struct qr_err *err)
{
    struct qr_blob_tag id;
    int64_t asked_ns = qr_env_mono_ns(z->env);
    QR_TRY(qr_blob_lease(z->blob, l->name, LEASE_S, l->id.z, &id, err));
    l->id = id;
    l->renewed_ns = asked_ns;
    return QR_OK;
}

/* With mu. A lease that could not be renewed in time is not trusted, though the store may still
 * have it. */
static enum qr_status renew_if_old(struct qri_zone *z, struct qri_zone_lease *l, struct qr_err *err)
{
    int64_t age = qr_env_mono_ns(z->env) - l->renewed_ns;
    if (age < RENEW_S * SECOND_NS)
        return QR_OK;
    enum qr_status status = renew(z, l, err);
    if (status != QR_OK && age < (LEASE_S - RENEW_S) * SECOND_NS && status != QR_LOCKED) {
        if (err != NULL)
            qr_err_reset(err);
        return QR_OK; /* the store is slow; there is time to ask again */
    }
    return status;
}

enum qr_status qri_zone_hold(struct qri_zone *z, struct qr_err *err)
{
    if (z->read_only)
        return qr_fail(err, QR_DENIED, "the landing zone is only looked at");
    pthread_mutex_lock(&z->mu);
    enum qr_status status = QR_OK;
    bool locked = false;
    for (size_t i = 0; i < QRI_ZONE_LEASES_MAX && status == QR_OK; i++) {
        struct qri_zone_lease *l = &z->leases[i];
        locked = locked || strcmp(l->name, z->lock_name) == 0;
        if (l->name[0] != '\0')
            status = renew_if_old(z, l, err);
    }
    if (status == QR_OK && !locked)
        status = qr_fail(err, QR_LOCKED, "nobody has locked the landing zone");
    pthread_mutex_unlock(&z->mu);
    return qr_wrap(err, status, "renew the leases of '%s'", z->dir);
}

enum qr_status qri_zone_take(struct qri_zone *z, const char *name, bool wait, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(z->env) + TAKE_WAIT_S * SECOND_NS;
    for (;;) {
        struct qr_blob_tag id;
        int64_t asked_ns = qr_env_mono_ns(z->env);
        enum qr_status status = qr_blob_lease(z->blob, name, LEASE_S, "", &id, err);
        if (status == QR_OK) {
            pthread_mutex_lock(&z->mu);
            struct qri_zone_lease *l = lease_row(z, name, true);
            if (l != NULL) {
                snprintf(l->name, sizeof l->name, "%s", name);
                l->id = id;
                l->renewed_ns = asked_ns;
                save_leases(z);
            }
            pthread_mutex_unlock(&z->mu);
            return l != NULL ? QR_OK : qr_fail(err, QR_BUG, "too many leases");
        }
        if (!wait || status == QR_DENIED || status == QR_INVALID || qr_env_mono_ns(z->env) > until)
            return status;
        if (err != NULL)
            qr_err_reset(err);
        qr_env_sleep_ns(z->env, SECOND_NS);
        if (strcmp(name, z->lock_name) != 0)
            QR_TRY(qri_zone_hold(z, err)); /* what we have must not run out meanwhile */
    }
}

void qri_zone_give(struct qri_zone *z, const char *name)
{
    struct qri_zone_lease gone = {.name = ""};
    pthread_mutex_lock(&z->mu);
    struct qri_zone_lease *l = lease_row(z, name, false);
    if (l != NULL) {
        gone = *l;
        l->name[0] = '\0';
        save_leases(z);
    }
    pthread_mutex_unlock(&z->mu);
    if (gone.name[0] != '\0')
        (void)!qr_blob_release(z->blob, name, gone.id.z, NULL);
}

bool qri_zone_lease_of(struct qri_zone *z, const char *name, struct qr_blob_tag *ret_id)
{
    pthread_mutex_lock(&z->mu);
    const struct qri_zone_lease *l = lease_row(z, name, false);
    if (l != NULL)
        *ret_id = l->id;
    pthread_mutex_unlock(&z->mu);
    return l != NULL;
}

static void *renewer_main(void *arg)
{
    struct qri_zone *z = arg;
    pthread_mutex_lock(&z->stop_mu);
    while (!z->stopping) {
        (void)qr_cond_wait(&z->stop_wake, &z->stop_mu, RENEW_S * SECOND_NS / 2);
        if (z->stopping)
            break;
        pthread_mutex_unlock(&z->stop_mu);
        struct qr_err err;
        qr_err_reset(&err);
        if (qri_zone_hold(z, &err) != QR_OK)
            QR_LOG(&z->log, QR_WARN, "landing_zone_lease", QR_F("dir", (const char *)z->dir),
                   QR_F("err", (const char *)err.text));
        pthread_mutex_lock(&z->stop_mu);
    }
    pthread_mutex_unlock(&z->stop_mu);
    return NULL;
}

/* --- the environment --- */

/* Objects have no leading slash. */
bool qri_zone_name(const struct qri_zone *z, const char *path, char dst[QRI_ZONE_NAME_BYTES])
{
    (void)z;
    while (*path == '/')
        path++;
    return (size_t)snprintf(dst, QRI_ZONE_NAME_BYTES, "%s", path) < QRI_ZONE_NAME_BYTES;
}

static int64_t zone_wall_ns(struct qr_env *env)
{
    return qr_env_wall_ns(zone_of(env)->env);
}
static int64_t zone_mono_ns(struct qr_env *env)
{
    return qr_env_mono_ns(zone_of(env)->env);
}
static void zone_sleep_ns(struct qr_env *env, int64_t ns)
{
    qr_env_sleep_ns(zone_of(env)->env, ns);
}
static void zone_random(struct qr_env *env, void *dst, size_t bytes)
{
    qr_env_random(zone_of(env)->env, dst, bytes);
}

/* There are no directories: a name is enough. */
static enum qr_status zone_make_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env, (void)path, (void)err;
    return QR_OK;
}
static enum qr_status zone_sync_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env, (void)path, (void)err;
    return QR_OK;
}
static enum qr_status zone_remove_dir(struct qr_env *env, const char *path, struct qr_err *err)
{
    (void)env;
    return qr_fail(err, QR_UNSUPPORTED, "a landing zone has no directory '%s'", path);
}

static enum qr_status zone_unlink(struct qr_env *env, const char *path, struct qr_err *err)
{
    struct qri_zone *z = zone_of(env);
    char name[QRI_ZONE_NAME_BYTES];
    if (!qri_zone_name(z, path, name))
        return qr_fail(err, QR_INVALID, "'%s' is too long", path);
    QR_TRY(qri_zone_hold(z, err));
    qri_zone_give(z, name); /* a leased object cannot be deleted */
    return qr_blob_delete(z->blob, name, NULL, err);
}

struct listing {
    qr_env_list_fn *each;
    void *arg;
    size_t skip;
};

static bool tell(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct listing *l = arg;
    (void)info;
    const char *rest = name + l->skip;
    return strchr(rest, '/') != NULL || l->each(l->arg, rest);
}

static enum qr_status zone_list(struct qr_env *env, const char *path, qr_env_list_fn *each,
                                void *arg, struct qr_err *err)
{
    struct qri_zone *z = zone_of(env);
    char prefix[QRI_ZONE_NAME_BYTES + 1];
    if (!qri_zone_name(z, path, prefix))
        return qr_fail(err, QR_INVALID, "'%s' is too long", path);
    size_t n = strlen(prefix);
    prefix[n++] = '/';
    prefix[n] = '\0';
    struct listing l = {each, arg, n};
    return qr_blob_list(z->blob, prefix, tell, &l, err);
}

static const struct qr_env_ops zone_ops = {
    .wall_ns = zone_wall_ns,
    .mono_ns = zone_mono_ns,
    .sleep_ns = zone_sleep_ns,
    .random = zone_random,
    .open = qri_zone_open_file,
    .rename = qri_zone_rename,
    .unlink = zone_unlink,
    .make_dir = zone_make_dir,
    .remove_dir = zone_remove_dir,
    .sync_dir = zone_sync_dir,
    .list = zone_list,
};

enum qr_status qri_zone_new(struct qr_env *env, const struct qr_log *log, struct qr_blob *blob,
                            const char *dir, bool read_only, bool threads_off,
                            struct qri_zone **ret_zone, struct qr_err *err)
{
    struct qri_zone *z = calloc(1, sizeof *z);
    if (z == NULL)
        return qr_fail(err, QR_NOMEM, "landing zone");
    z->base.ops = &zone_ops;
    z->env = env;
    z->blob = blob;
    z->read_only = read_only;
    if (log != NULL)
        z->log = *log;
    pthread_mutex_init(&z->mu, NULL);
    pthread_mutex_init(&z->stop_mu, NULL);
    qr_cond_init(&z->stop_wake);
    char lock_path[QRI_ZONE_NAME_BYTES + 8];
    enum qr_status status = qri_zone_name(z, dir, z->dir)
                                ? QR_OK
                                : qr_fail(err, QR_INVALID, "the landing zone's name is too long");
    snprintf(lock_path, sizeof lock_path, "%s/lock", z->dir);
    if (status == QR_OK && !qri_zone_name(z, lock_path, z->lock_name))
        status = qr_fail(err, QR_INVALID, "the landing zone's name is too long");
    if (status == QR_OK && !threads_off && !read_only) {
        status = qr_thread_start("log-lease", 0, renewer_main, z, &z->renewer, err);
        z->renewer_runs = status == QR_OK;
    }
    if (status != QR_OK) {
        qri_zone_free(z, true);
        return status;
    }
    *ret_zone = z;
    return QR_OK;
}

void qri_zone_free(struct qri_zone *zone, bool abandon)
{
    if (zone == NULL)
        return;
    pthread_mutex_lock(&zone->stop_mu);
    zone->stopping = true;
    pthread_cond_broadcast(&zone->stop_wake);
    pthread_mutex_unlock(&zone->stop_mu);
    if (zone->renewer_runs)
        pthread_join(zone->renewer, NULL);
    for (size_t i = 0; i < QRI_ZONE_LEASES_MAX && !abandon; i++) {
        char name[QRI_ZONE_NAME_BYTES];
        snprintf(name, sizeof name, "%s", zone->leases[i].name);
        if (name[0] != '\0' && strcmp(name, zone->lock_name) != 0)
            qri_zone_give(zone, name);
    }
    if (!abandon)
        qri_zone_give(zone, zone->lock_name); /* last: who has it may write */
    for (size_t i = 0; i < QRI_ZONE_PENDING_MAX; i++)
        qr_buf_done(&zone->pending[i].bytes);
    free(zone->leases_path);
    pthread_cond_destroy(&zone->stop_wake);
    pthread_mutex_destroy(&zone->stop_mu);
    pthread_mutex_destroy(&zone->mu);
    free(zone);
}
