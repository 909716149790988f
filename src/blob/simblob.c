/* simblob.c - see blob/simblob.h */
#include "blob/simblob.h"
#include <pthread.h>
#include <stdlib.h>
#include "blob/backend.h"
#include "base/banned.h"

enum { PPM = 1000000 };

struct simblob {
    struct qr_blob base; /* first */
    struct qr_env *env;
    struct qr_blob *behind;
    pthread_mutex_t mu; /* guards what follows */
    struct qr_simblob_faults faults;
    uint64_t random_state, operations, failures;
    bool gone, remote;
};

/* splitmix64; with mu */
static uint64_t draw(struct simblob *sim, uint64_t below)
{
    uint64_t z = (sim->random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static enum qr_status choose(struct simblob *sim, bool writes)
{
    static const enum qr_status refusals[] = {QR_BUSY, QR_IO, QR_CLOSED};
    if (sim->gone)
        return QR_CLOSED;
    if (draw(sim, PPM) < sim->faults.refuse_ppm)
        return refusals[draw(sim, 3)];
    if (draw(sim, PPM) < sim->faults.deny_ppm)
        return QR_DENIED;
    if (writes && draw(sim, PPM) < sim->faults.full_ppm)
        return QR_FULL;
    return QR_OK;
}

/* What happens before the operation; *ret_lose: its answer will be lost. */
static enum qr_status enter(struct qr_blob *blob, bool writes, bool *ret_lose, struct qr_err *err)
{
    struct simblob *sim = (struct simblob *)blob;
    pthread_mutex_lock(&sim->mu);
    sim->operations += 1;
    enum qr_status status = choose(sim, writes);
    bool lose = draw(sim, PPM) < sim->faults.lose_ppm;
    uint64_t delay_max = (uint64_t)sim->faults.delay_max_ns;
    int64_t delay = delay_max == 0 ? 0 : (int64_t)draw(sim, delay_max);
    sim->failures += status != QR_OK || (writes && lose);
    pthread_mutex_unlock(&sim->mu);
    if (delay > 0)
        qr_env_sleep_ns(sim->env, delay);
    if (ret_lose != NULL)
        *ret_lose = lose;
    return status == QR_OK ? QR_OK : qr_fail(err, status, "the blob store fails (simulated)");
}

static enum qr_status leave(enum qr_status status, bool lose, struct qr_err *err)
{
    return lose ? qr_fail(err, QR_TIMEOUT, "the blob store's answer is lost (simulated)") : status;
}

static struct qr_blob *behind(struct qr_blob *blob)
{
    return ((struct simblob *)blob)->behind;
}

static enum qr_status sim_put(struct qr_blob *blob, const char *name, const void *bytes,
                              size_t count, const char *if_tag, struct qr_blob_tag *ret_tag,
                              struct qr_err *err)
{
    bool lose;
    struct qr_blob_tag tag;
    QR_TRY(enter(blob, true, &lose, err));
    QR_TRY(leave(qr_blob_put(behind(blob), name, bytes, count, if_tag, &tag, err), lose, err));
    *ret_tag = tag;
    return QR_OK;
}

static enum qr_status sim_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                   uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                   struct qr_err *err)
{
    bool lose;
    struct qr_blob_tag tag;
    QR_TRY(enter(blob, true, &lose, err));
    QR_TRY(leave(qr_blob_put_file(behind(blob), name, file, bytes, if_tag, &tag, err), lose, err));
    *ret_tag = tag;
    return QR_OK;
}

static enum qr_status sim_get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                              struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    QR_TRY(enter(blob, false, NULL, err));
    return qr_blob_get(behind(blob), name, offset, count, buf, ret_tag, err);
}

static enum qr_status sim_stat(struct qr_blob *blob, const char *name,
                               struct qr_blob_info *ret_info, struct qr_err *err)
{
    QR_TRY(enter(blob, false, NULL, err));
    return qr_blob_stat(behind(blob), name, ret_info, err);
}

static enum qr_status sim_remove(struct qr_blob *blob, const char *name, const char *if_tag,
                                 struct qr_err *err)
{
    bool lose;
    QR_TRY(enter(blob, true, &lose, err));
    return leave(qr_blob_delete(behind(blob), name, if_tag, err), lose, err);
}

static enum qr_status sim_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                               void *arg, struct qr_err *err)
{
    QR_TRY(enter(blob, false, NULL, err));
    return qr_blob_list(behind(blob), prefix, each, arg, err);
}

static enum qr_status sim_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                                 const struct iovec *iov, int iov_count, const char *lease_id,
                                 struct qr_err *err)
{
    bool lose;
    QR_TRY(enter(blob, true, &lose, err));
    return leave(qr_blob_append(behind(blob), name, at_offset, iov, iov_count, lease_id, err), lose,
                 err);
}

static enum qr_status sim_lease(struct qr_blob *blob, const char *name, int ttl_s,
                                const char *lease_id, struct qr_blob_tag *ret_lease_id,
                                struct qr_err *err)
{
    bool lose;
    struct qr_blob_tag id;
    QR_TRY(enter(blob, true, &lose, err));
    QR_TRY(leave(qr_blob_lease(behind(blob), name, ttl_s, lease_id, &id, err), lose, err));
    *ret_lease_id = id;
    return QR_OK;
}

static enum qr_status sim_release(struct qr_blob *blob, const char *name, const char *lease_id,
                                  struct qr_err *err)
{
    bool lose;
    QR_TRY(enter(blob, true, &lose, err));
    return leave(qr_blob_release(behind(blob), name, lease_id, err), lose, err);
}

static bool sim_has_files(struct qr_blob *blob)
{
    struct simblob *sim = (struct simblob *)blob;
    pthread_mutex_lock(&sim->mu);
    bool remote = sim->remote;
    pthread_mutex_unlock(&sim->mu);
    return !remote && qr_blob_has_files(sim->behind);
}

/* What is staged is the store's behind; no answer of these is worth losing but that of the end. */
static enum qr_status sim_stage_begin(struct qr_blob *blob, const char *name, bool read_soon,
                                      struct qr_blob_stage **ret_stage, struct qr_err *err)
{
    QR_TRY(enter(blob, true, NULL, err));
    return qr_blob_stage_begin(behind(blob), name, read_soon, ret_stage, err);
}

static enum qr_status sim_stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                    const void *bytes, size_t count, struct qr_err *err)
{
    QR_TRY(enter(blob, true, NULL, err));
    return qr_blob_stage_add(behind(blob), stage, bytes, count, err);
}

static enum qr_status sim_stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                    const void *head, size_t head_count, const char *if_tag,
                                    struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    bool lose;
    struct qr_blob_tag tag;
    enum qr_status status = enter(blob, true, &lose, err);
    if (status != QR_OK) {
        qr_blob_stage_abandon(behind(blob), own_stage);
        return status;
    }
    QR_TRY(leave(qr_blob_stage_end(behind(blob), own_stage, head, head_count, if_tag, &tag, err),
                 lose, err));
    *ret_tag = tag;
    return QR_OK;
}

static void sim_stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage)
{
    qr_blob_stage_abandon(behind(blob), own_stage);
}

static enum qr_status sim_drop_stages(struct qr_blob *blob, const char *folder, struct qr_err *err)
{
    bool lose;
    QR_TRY(enter(blob, true, &lose, err));
    return leave(qr_blob_drop_stages(behind(blob), folder, err), lose, err);
}

static enum qr_status sim_open_file(struct qr_blob *blob, const char *name,
                                    struct qr_file **ret_file, uint64_t *ret_start,
                                    struct qr_err *err)
{
    QR_TRY(enter(blob, false, NULL, err));
    return qr_blob_open_file(behind(blob), name, ret_file, ret_start, err);
}

static void sim_close(struct qr_blob *blob)
{
    pthread_mutex_destroy(&((struct simblob *)blob)->mu);
    free(blob);
}

static const struct qr_blob_ops sim_ops = {
    .put = sim_put,
    .put_file = sim_put_file,
    .get = sim_get,
    .stat = sim_stat,
    .remove = sim_remove,
    .list = sim_list,
    .append = sim_append,
    .lease = sim_lease,
    .release = sim_release,
    .has_files = sim_has_files,
    .stage_begin = sim_stage_begin,
    .stage_add = sim_stage_add,
    .stage_end = sim_stage_end,
    .stage_abandon = sim_stage_abandon,
    .drop_stages = sim_drop_stages,
    .open_file = sim_open_file,
    .close = sim_close,
};

struct qr_blob *qr_simblob_new(struct qr_env *env, struct qr_blob *blob, uint64_t seed,
                               const struct qr_simblob_faults *faults)
{
    struct simblob *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->base.ops = &sim_ops;
    sim->env = env;
    sim->behind = blob;
    sim->random_state = seed;
    sim->faults = *faults;
    pthread_mutex_init(&sim->mu, NULL);
    return &sim->base;
}

void qr_simblob_set_faults(struct qr_blob *simblob, const struct qr_simblob_faults *faults)
{
    struct simblob *sim = (struct simblob *)simblob;
    pthread_mutex_lock(&sim->mu);
    sim->faults = *faults;
    pthread_mutex_unlock(&sim->mu);
}

void qr_simblob_set_gone(struct qr_blob *simblob, bool gone)
{
    struct simblob *sim = (struct simblob *)simblob;
    pthread_mutex_lock(&sim->mu);
    sim->gone = gone;
    pthread_mutex_unlock(&sim->mu);
}

void qr_simblob_set_remote(struct qr_blob *simblob, bool remote)
{
    struct simblob *sim = (struct simblob *)simblob;
    pthread_mutex_lock(&sim->mu);
    sim->remote = remote;
    pthread_mutex_unlock(&sim->mu);
}

uint64_t qr_simblob_operations(struct qr_blob *simblob)
{
    struct simblob *sim = (struct simblob *)simblob;
    pthread_mutex_lock(&sim->mu);
    uint64_t operations = sim->operations;
    pthread_mutex_unlock(&sim->mu);
    return operations;
}

uint64_t qr_simblob_failures(struct qr_blob *simblob)
{
    struct simblob *sim = (struct simblob *)simblob;
    pthread_mutex_lock(&sim->mu);
    uint64_t failures = sim->failures;
    pthread_mutex_unlock(&sim->mu);
    return failures;
}
