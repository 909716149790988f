/* role_log.c - see cmd_int.h: the process of the log service */
#include <string.h>
#include <sys/statvfs.h>
#include "blob/blob.h"
#include "cmd_int.h"
#include "logsvc/logsvc.h"
#include "logsvc/serve.h"
#include "base/banned.h"

enum {
    TICK_MS = 500,
    STOP_MS = 2000,
    ZONE_MIB_AUTO_MIN = 1024,
    ZONE_MIB_AUTO_MAX = 8192,
    RING_BYTES_MIN = 64 << 20,
    RING_BYTES_MAX = 448 << 20,
};

struct log_role {
    struct qr_logsvc *svc;
    struct qri_calm calm;
};

static bool tick(void *ctx)
{
    struct log_role *l = ctx;
    struct qr_logsvc_stats stats;
    qr_logsvc_stats(l->svc, &stats);
    qri_give_back_when_calm(&l->calm, stats.append_bytes);
    return true;
}

/* UINT64_MAX: not known. */
static uint64_t free_bytes(void *ctx)
{
    struct statvfs disk;
    return statvfs(ctx, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

/* Of files: part of the disk that they are on. Not more than takes some seconds to read after a
 * crash; in a blob store that is over a network. */
static uint64_t zone_bytes(const struct qri_role *role)
{
    uint64_t mib = (uint64_t)role->settings->landing_zone_mib;
    if (mib == 0) {
        if (strcmp(role->settings->landing_zone, "file") == 0)
            mib = free_bytes((void *)(uintptr_t)role->settings->data_dir) / 4 >> 20;
        mib = mib < ZONE_MIB_AUTO_MIN ? ZONE_MIB_AUTO_MIN : mib;
        mib = mib > ZONE_MIB_AUTO_MAX ? ZONE_MIB_AUTO_MAX : mib;
    }
    return mib << 20;
}

/* Page servers may be 256 MiB behind (storage_lag_bytes): what they ask for then should be in
 * memory yet, or a disk at its limit reads every byte of a load again. */
static uint64_t ring_bytes(void)
{
    uint64_t bytes = qri_machine_memory() / 32;
    bytes = bytes < RING_BYTES_MIN ? RING_BYTES_MIN : bytes;
    return bytes > RING_BYTES_MAX ? RING_BYTES_MAX : bytes;
}

static enum qr_status serve(struct qri_role *role, struct qr_blob *blob, struct qr_keyring *ring,
                            struct qr_err *err)
{
    struct qr_logsvc *svc = NULL;
    struct qri_role_listeners listeners = {0};
    struct qr_logsvc_options options = {
        .env = role->env,
        .log = role->log,
        .dir = qri_datadir_path(&role->dir, role->arena, "log", NULL),
        .blob = blob,
        .keyring = ring,
        .journal_bytes_max = zone_bytes(role),
        .ring_bytes = ring_bytes(),
        .free_bytes = free_bytes,
        .free_ctx = (void *)(uintptr_t)role->settings->data_dir,
        .fatal = qri_role_fatal,
        .fatal_ctx = role,
    };
    if (strcmp(role->settings->landing_zone, "blob") == 0) {
        options.landing = blob;
        options.landing_leases = qri_datadir_path(&role->dir, role->arena, "landing-leases", NULL);
        if (options.landing_leases == NULL)
            return qr_fail(err, QR_NOMEM, "start the log service");
        options.dir = "landing"; /* below this name in the store */
    }
    struct qr_rpc_listen_options listen = {.serve = qr_logsvc_serve};
    if (options.dir == NULL)
        return qr_fail(err, QR_NOMEM, "start the log service");
    qri_keep_memory();
    enum qr_status status = qr_logsvc_open(&options, &svc, err);
    listen.ctx = svc;
    if (status == QR_OK)
        status = qri_role_listen(role, &listen, "control compute page", &listeners, err);
    if (status == QR_OK)
        status = qri_role_ready(role, QR_ROLE_LOG, err);
    if (status == QR_OK) {
        qri_role_wait(role, TICK_MS, tick, &(struct log_role){.svc = svc});
        qri_role_end_within(role, STOP_MS, 0);
    }
    qri_role_unlisten(&listeners);
    qr_logsvc_close(svc);
    return status;
}

enum qr_status qri_serve_log(struct qri_role *role, struct qr_err *err)
{
    struct qr_blob *blob = NULL;
    QR_TRY(qri_role_blob(role, &blob, err));
    struct qr_keyring *ring = NULL;
    enum qr_status status = qr_keyring_new(role->env, role->server_key, blob, &ring, err);
    if (status == QR_OK)
        status = serve(role, blob, ring, err);
    qr_keyring_free(ring);
    qr_blob_close(blob);
    return status;
}
