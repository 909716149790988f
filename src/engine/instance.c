/* instance.c - the process's databases and sessions; see engine/engine.h */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#include "deadlock_int.h"
#include "memory_int.h"
#include "base/banned.h"

enum {
    PLAN_CACHE_BYTES = 64 << 20,
    CONNECTIONS_IDLE = 16,
    STRINGS_BYTES_MAX = 1 << 20,
};

static pthread_once_t vfs_once = PTHREAD_ONCE_INIT;
static enum qr_status vfs_status;

static void init_vfs(void)
{
    qri_memory_watch();
    vfs_status = qr_vfs_init(NULL);
}

enum qr_status qr_engine_init(struct qr_err *err)
{
    pthread_once(&vfs_once, init_vfs);
    return vfs_status == QR_OK ? QR_OK : qr_fail(err, vfs_status, "initialise SQLite");
}

static size_t quarter_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages <= 0 || page_bytes <= 0 ? 0 : (size_t)pages * (size_t)page_bytes / 4;
}

enum qr_status qr_instance_new(const struct qr_instance_options *options,
                               struct qr_instance **ret_instance, struct qr_err *err)
{
    QR_TRY(qr_engine_init(err));
    struct qr_instance *instance = calloc(1, sizeof *instance);
    if (instance == NULL)
        return qr_fail(err, QR_NOMEM, "make an instance");
    qr_arena_init(&instance->arena, STRINGS_BYTES_MAX);
    pthread_mutex_init(&instance->mu, NULL);
    qri_deadlocks_init(&instance->deadlocks);
    instance->options = *options;
    instance->options.server_name = qr_arena_str(&instance->arena, options->server_name);
    instance->options.version = qr_arena_str(&instance->arena, options->version);
    if (instance->options.env == NULL)
        instance->options.env = qr_env_real();
    if (instance->options.plan_cache_bytes_max == 0)
        instance->options.plan_cache_bytes_max = PLAN_CACHE_BYTES;
    if (instance->options.connections_idle_max == 0)
        instance->options.connections_idle_max = CONNECTIONS_IDLE;
    if (instance->options.query_memory_bytes_max == 0)
        instance->options.query_memory_bytes_max = quarter_of_memory();
    qr_rowset_memory_bound(instance->options.query_memory_bytes_max);
    instance->last_session_id = QRI_SESSION_ID_FIRST - 1;
    instance->start_ticks = qri_ticks_of_wall(qr_env_wall_ns(instance->options.env));
    *ret_instance = instance;
    return QR_OK;
}

void qr_instance_free(struct qr_instance *instance)
{
    if (instance == NULL)
        return;
    assert(instance->databases == NULL && instance->sessions == NULL);
    qri_deadlocks_done(&instance->deadlocks);
    pthread_mutex_destroy(&instance->mu);
    qr_arena_done(&instance->arena);
    free(instance);
}
