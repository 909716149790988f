/* service.c - opens and closes the service, runs its threads; see logsvc/logsvc.h */
#include "logsvc_int.h"
#include "zone.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static const int64_t SECOND_NS = 1000000000;

void qri_path(const struct qr_logsvc *svc, const char *name, char dst[QRI_PATH_BYTES_MAX])
{
    snprintf(dst, QRI_PATH_BYTES_MAX, "%s/%s", svc->dir, name);
}

enum qr_status qri_check_health(const struct qr_logsvc *svc, struct qr_err *err)
{
    if (atomic_load(&svc->health) != QR_OK || atomic_load(&svc->stopping))
        return qr_fail(err, QR_CLOSED, "the log service is closing or has failed");
    return QR_OK;
}

void qri_fail_for_good(struct qr_logsvc *svc, const struct qr_err *err)
{
    atomic_store(&svc->health, QR_CLOSED);
    QR_LOG(&svc->options.log, QR_ERROR, "journal_failed", QR_F("dir", svc->dir),
           QR_F("err", err->text));
    if (svc->options.fatal != NULL) {
        svc->options.fatal(svc->options.fatal_ctx, err);
    } else {
        fprintf(stderr, "lvl=error comp=logsvc ev=journal_failed dir=\"%s\" err=\"%s\"\n", svc->dir,
                err->text);
        abort();
    }
}

void qri_destage_wake(struct qr_logsvc *svc)
{
    pthread_mutex_lock(&svc->bg_mu);
    svc->destage_wanted = true;
    pthread_cond_broadcast(&svc->bg_wake);
    pthread_mutex_unlock(&svc->bg_mu);
}

/* --- open --- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static void set_defaults(struct qr_logsvc_options *o)
{
    o->segment_bytes = or_default(o->segment_bytes, 64 << 20);
    o->journal_bytes_max = or_default(o->journal_bytes_max, 1 << 30);
    o->landing_appends_max = (uint32_t)or_default(o->landing_appends_max, 40000);
    o->ring_bytes = or_default(o->ring_bytes, 64 << 20);
    o->queue_bytes_max = or_default(o->queue_bytes_max, 32 << 20);
    o->timelines_max = (uint32_t)or_default(o->timelines_max, 65536);
    o->feeds_max = (uint32_t)or_default(o->feeds_max, 1024);
    o->object_bytes = or_default(o->object_bytes, QR_LOG_OBJECT_BYTES);
    o->destage_age_ns = (int64_t)or_default((uint64_t)o->destage_age_ns, 10 * SECOND_NS);
    o->storage_lag_bytes = or_default(o->storage_lag_bytes, 256 << 20);
    o->replica_lag_bytes = or_default(o->replica_lag_bytes, 256 << 20);
    /* what may be put off slows nobody down */
    uint64_t put_off = o->journal_bytes_max / 8 * 5;
    o->destage_lag_bytes =
        or_default(o->destage_lag_bytes, put_off > 512 << 20 ? put_off : 512 << 20);
    o->busy_bytes_per_s = or_default(o->busy_bytes_per_s, 64 << 20);
    o->delay_us_max = (uint32_t)or_default(o->delay_us_max, 100000);
    o->reader_ttl_ns = (int64_t)or_default((uint64_t)o->reader_ttl_ns, 60 * SECOND_NS);
    o->lease_ttl_ns_max = (int64_t)or_default((uint64_t)o->lease_ttl_ns_max, 10 * SECOND_NS);
}

static enum qr_status check_options(const struct qr_logsvc_options *o, struct qr_err *err)
{
    if (o->dir == NULL || strlen(o->dir) == 0 || strlen(o->dir) > QR_LOGSVC_DIR_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "the log service's directory");
    if (o->segment_bytes < 4 * QR_JOURNAL_HEADER_BYTES || o->segment_bytes % QR_SECTOR_BYTES != 0 ||
        o->journal_bytes_max < 2 * o->segment_bytes)
        return qr_fail(err, QR_INVALID, "segments of %llu bytes in a journal of %llu",
                       (unsigned long long)o->segment_bytes,
                       (unsigned long long)o->journal_bytes_max);
    if (o->object_bytes > QR_LOG_OBJECT_BYTES)
        return qr_fail(err, QR_INVALID, "objects of %llu bytes",
                       (unsigned long long)o->object_bytes);
    return QR_OK;
}

static struct qr_logsvc *new_service(const struct qr_logsvc_options *options)
{
    struct qr_logsvc *svc = calloc(1, sizeof *svc);
    uint8_t *block = aligned_alloc(QRI_BLOCK_ALIGN, QRI_BLOCK_BYTES_MAX);
    if (svc == NULL || block == NULL) {
        free(svc);
        free(block);
        return NULL;
    }
    svc->block = block;
    svc->env = options->env;
    svc->options = *options;
    snprintf(svc->dir, sizeof svc->dir, "%s", options->dir);
    svc->options.dir = svc->dir;
    uint64_t fits = options->segment_bytes - QR_JOURNAL_HEADER_BYTES - QRI_REST_MIN - QR_SEAL_BYTES;
    svc->append_bytes_max =
        fits < QR_LOGSVC_APPEND_BYTES_MAX ? (uint32_t)fits : QR_LOGSVC_APPEND_BYTES_MAX;
    svc->opened_ns = qr_env_mono_ns(options->env);
    qr_map_init(&svc->timelines, false);
    pthread_mutex_t *mutexes[] = {&svc->mu,         &svc->flush_mu,    &svc->extend_mu,
                                  &svc->destage_mu, &svc->snapshot_mu, &svc->bg_mu};
    for (size_t i = 0; i < sizeof mutexes / sizeof mutexes[0]; i++)
        pthread_mutex_init(mutexes[i], NULL);
    qr_cond_init(&svc->wake);
    qr_cond_init(&svc->work);
    qr_cond_init(&svc->bg_wake);
    return svc;
}

static void free_timelines(struct qr_logsvc *svc)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);)
        qri_timeline_remove(svc, entry->value);
}

static void free_service(struct qr_logsvc *svc)
{
    qri_ring_evict(svc, 0);
    free_timelines(svc);
    qr_map_done(&svc->timelines);
    qri_segments_done(svc);
    qr_file_close(svc->lock_file);
    qri_zone_free(svc->zone, atomic_load(&svc->health) != QR_OK);
    pthread_cond_destroy(&svc->bg_wake);
    pthread_cond_destroy(&svc->work);
    pthread_cond_destroy(&svc->wake);
    pthread_mutex_t *mutexes[] = {&svc->mu,         &svc->flush_mu,    &svc->extend_mu,
                                  &svc->destage_mu, &svc->snapshot_mu, &svc->bg_mu};
    for (size_t i = 0; i < sizeof mutexes / sizeof mutexes[0]; i++)
        pthread_mutex_destroy(mutexes[i]);
    free(svc->block);
    qr_cipher_forget(svc, sizeof *svc);
    free(svc);
}

/* From here on the journal's files are objects. */
static enum qr_status open_zone(struct qr_logsvc *svc, struct qr_err *err)
{
    const struct qr_logsvc_options *o = &svc->options;
    if (o->landing == NULL)
        return QR_OK;
    QR_TRY(qri_zone_new(o->env, &o->log, o->landing, svc->dir, false, o->threads_off, &svc->zone,
                        err));
    QR_TRY(qri_zone_keep_leases(svc->zone, o->landing_leases, err));
    svc->env = qri_zone_env(svc->zone);
    return QR_OK;
}

static enum qr_status take_dir(struct qr_logsvc *svc, struct qr_err *err)
{
    char parent[QRI_PATH_BYTES_MAX], path[QRI_PATH_BYTES_MAX];
    enum qr_status status = qr_env_make_dir(svc->env, svc->dir, err);
    if (status == QR_OK) {
        qr_env_dir_name(svc->dir, parent);
        status = qr_env_sync_dir(svc->env, parent, err);
    }
    if (status != QR_OK && status != QR_EXISTS)
        return status;
    qri_path(svc, "lock", path);
    QR_TRY(qr_env_open(svc->env, path, QR_OPEN_RW | QR_OPEN_CREATE, &svc->lock_file, err));
    return qr_wrap(err, qr_file_lock(svc->lock_file, err), "log service '%s'", svc->dir);
}

static enum qr_status start_threads(struct qr_logsvc *svc, struct qr_err *err)
{
    if (svc->options.threads_off)
        return QR_OK;
    svc->threads_running = true;
    for (; svc->flusher_count < QRI_FLUSHERS; svc->flusher_count++)
        QR_TRY(qr_thread_start("log-flush", 0, qri_flusher_main, svc,
                               &svc->flushers[svc->flusher_count], err));
    for (; svc->worker_count < QRI_WORKERS; svc->worker_count++)
        QR_TRY(qr_thread_start("log-read", 0, qri_worker_main, svc,
                               &svc->workers[svc->worker_count], err));
    QR_TRY(qr_thread_start("log-destage", 0, qri_destager_main, svc, &svc->destager, err));
    svc->destager_runs = true;
    QR_TRY(qr_thread_start("log-tick", 0, qri_ticker_main, svc, &svc->ticker, err));
    svc->ticker_runs = true;
    return QR_OK;
}

static void stop_threads(struct qr_logsvc *svc)
{
    pthread_mutex_lock(&svc->mu);
    atomic_store(&svc->stopping, true);
    pthread_cond_broadcast(&svc->wake);
    pthread_cond_broadcast(&svc->work);
    pthread_mutex_unlock(&svc->mu);
    pthread_mutex_lock(&svc->bg_mu);
    pthread_cond_broadcast(&svc->bg_wake);
    pthread_mutex_unlock(&svc->bg_mu);
    while (svc->flusher_count > 0)
        pthread_join(svc->flushers[--svc->flusher_count], NULL);
    while (svc->worker_count > 0)
        pthread_join(svc->workers[--svc->worker_count], NULL);
    if (svc->destager_runs)
        pthread_join(svc->destager, NULL);
    if (svc->ticker_runs)
        pthread_join(svc->ticker, NULL);
    svc->threads_running = false;
}

enum { MORE_SEGMENTS = 4 };

/* What an earlier process was allowed to keep must not make this one refuse appends until it is
 * destaged: they are slowed down while it is. */
static void allow_what_is_there(struct qr_logsvc *svc)
{
    uint64_t bytes = svc->segment_count * svc->options.segment_bytes;
    if (bytes >= svc->options.journal_bytes_max)
        svc->options.journal_bytes_max = bytes + MORE_SEGMENTS * svc->options.segment_bytes;
}

enum qr_status qr_logsvc_open(const struct qr_logsvc_options *options, struct qr_logsvc **ret_svc,
                              struct qr_err *err)
{
    struct qr_logsvc_options o = *options;
    set_defaults(&o);
    QR_TRY(check_options(&o, err));
    struct qr_logsvc *svc = new_service(&o);
    if (svc == NULL)
        return qr_fail(err, QR_NOMEM, "log service");
    enum qr_status status = open_zone(svc, err);
    if (status == QR_OK)
        status = take_dir(svc, err);
    if (status == QR_OK)
        status = qr_wrap(err, qri_recover(svc, err), "open log service '%s'", svc->dir);
    if (status == QR_OK) {
        allow_what_is_there(svc);
        status = start_threads(svc, err);
    }
    if (status != QR_OK) {
        stop_threads(svc);
        free_service(svc);
        return status;
    }
    QR_LOG(&svc->options.log, QR_INFO, "logsvc_opened", QR_F("dir", svc->dir),
           QR_F("generation", svc->generation), QR_F("timelines", svc->timelines.count));
    *ret_svc = svc;
    return QR_OK;
}

/* --- close --- */

static void end(struct qr_logsvc *svc)
{
    qri_queue_refuse(svc, NULL, QR_CLOSED, "the log service was closed");
    qri_feeds_end(svc, QR_CLOSED);
    free_service(svc);
}

void qr_logsvc_close(struct qr_logsvc *svc)
{
    if (svc == NULL)
        return;
    /* Flushers end only when nothing waits; without them this loop does it. */
    while (atomic_load(&svc->health) == QR_OK && qri_flush(svc, NULL) == QR_OK)
        continue;
    stop_threads(svc);
    if (atomic_load(&svc->health) == QR_OK)
        (void)!qri_snapshot_write(svc, NULL); /* saves work at the next open, no more */
    end(svc);
}

void qr_logsvc_abandon(struct qr_logsvc *svc)
{
    if (svc == NULL)
        return;
    atomic_store(&svc->health, QR_CLOSED);
    stop_threads(svc);
    end(svc);
}

void qr_logsvc_stats(struct qr_logsvc *svc, struct qr_logsvc_stats *ret_stats)
{
    pthread_mutex_lock(&svc->mu);
    struct qr_logsvc_stats s = svc->stats;
    s.generation = svc->generation;
    s.timelines = svc->timelines.count;
    s.ring_bytes = svc->ring_bytes;
    s.queue_bytes = svc->queue_bytes;
    s.feeds_waiting = svc->feed_count;
    s.journal_bytes = svc->segment_count * svc->options.segment_bytes;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);)
        s.damaged_timelines += ((const struct qri_timeline *)entry->value)->damaged;
    pthread_mutex_unlock(&svc->mu);
    *ret_stats = s;
}
