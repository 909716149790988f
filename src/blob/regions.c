/* regions.c - see blob/regions.h */
#include "blob/regions.h"
#include <stdlib.h>
#include <string.h>
#include "blob/backend.h"
#include "base/banned.h"

struct regions {
    struct qr_blob blob;
    size_t count;
    struct qr_blob *stores[QR_REGIONS_MAX];
};

/* What each store has of its own is in there. */
struct qr_blob_stage {
    struct qr_blob *store;
    struct qr_blob_stage *stage;
};

/* False: no part of the name is a timeline. */
static bool find_region(const char *name, uint32_t *ret_region)
{
    for (const char *part = name; *part != '\0';) {
        size_t n = strcspn(part, "/");
        if (n >= 32 && qr_region_of(qr_str_n(part, n), ret_region))
            return true;
        part += n;
        part += *part == '/';
    }
    *ret_region = 0;
    return false;
}

static enum qr_status choose(struct qr_blob *blob, const char *name, struct qr_blob **ret_store,
                             struct qr_err *err)
{
    struct regions *r = (struct regions *)blob;
    uint32_t region = 0;
    (void)find_region(name, &region);
    if (region >= r->count)
        return qr_fail(err, QR_NOT_FOUND, "there is no store of region %u", region);
    *ret_store = r->stores[region];
    return QR_OK;
}

static enum qr_status put(struct qr_blob *blob, const char *name, const void *bytes, size_t count,
                          const char *if_tag, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->put(store, name, bytes, count, if_tag, ret_tag, err);
}

static enum qr_status put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                               uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                               struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->put_file(store, name, file, bytes, if_tag, ret_tag, err);
}

static enum qr_status get(struct qr_blob *blob, const char *name, uint64_t offset, size_t count,
                          struct qr_buf *buf, struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->get(store, name, offset, count, buf, ret_tag, err);
}

static enum qr_status stat_one(struct qr_blob *blob, const char *name,
                               struct qr_blob_info *ret_info, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->stat(store, name, ret_info, err);
}

static enum qr_status remove_one(struct qr_blob *blob, const char *name, const char *if_tag,
                                 struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->remove(store, name, if_tag, err);
}

struct listing {
    qr_blob_list_fn *each;
    void *arg;
    bool stopped;
};

static bool list_one(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct listing *l = arg;
    l->stopped = !l->each(l->arg, name, info);
    return !l->stopped;
}

static enum qr_status list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                           void *arg, struct qr_err *err)
{
    struct regions *r = (struct regions *)blob;
    struct listing l = {each, arg, false};
    struct qr_blob *store = NULL;
    uint32_t region;
    if (find_region(prefix, &region)) {
        QR_TRY(choose(blob, prefix, &store, err));
        return store->ops->list(store, prefix, each, arg, err);
    }
    for (size_t i = 0; i < r->count && !l.stopped; i++)
        QR_TRY(r->stores[i]->ops->list(r->stores[i], prefix, list_one, &l, err));
    return QR_OK;
}

static enum qr_status append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                             const struct iovec *iov, int iov_count, const char *lease_id,
                             struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->append(store, name, at_offset, iov, iov_count, lease_id, err);
}

static enum qr_status lease(struct qr_blob *blob, const char *name, int ttl_s, const char *lease_id,
                            struct qr_blob_tag *ret_lease_id, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->lease(store, name, ttl_s, lease_id, ret_lease_id, err);
}

static enum qr_status release(struct qr_blob *blob, const char *name, const char *lease_id,
                              struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->release(store, name, lease_id, err);
}

static bool has_files(struct qr_blob *blob)
{
    struct regions *r = (struct regions *)blob;
    for (size_t i = 0; i < r->count; i++)
        if (!qr_blob_has_files(r->stores[i]))
            return false;
    return true;
}

static enum qr_status stage_begin(struct qr_blob *blob, const char *name, bool read_soon,
                                  struct qr_blob_stage **ret_stage, struct qr_err *err)
{
    struct qr_blob_stage *stage = malloc(sizeof *stage);
    if (stage == NULL)
        return qr_fail(err, QR_NOMEM, "begin an object");
    enum qr_status status = choose(blob, name, &stage->store, err);
    if (status == QR_OK)
        status = stage->store->ops->stage_begin(stage->store, name, read_soon, &stage->stage, err);
    if (status == QR_OK)
        *ret_stage = stage;
    else
        free(stage);
    return status;
}

static enum qr_status stage_add(struct qr_blob *blob, struct qr_blob_stage *stage,
                                const void *bytes, size_t count, struct qr_err *err)
{
    (void)blob;
    return stage->store->ops->stage_add(stage->store, stage->stage, bytes, count, err);
}

static enum qr_status stage_end(struct qr_blob *blob, struct qr_blob_stage *own_stage,
                                const void *head, size_t head_count, const char *if_tag,
                                struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    (void)blob;
    enum qr_status status = own_stage->store->ops->stage_end(
        own_stage->store, own_stage->stage, head, head_count, if_tag, ret_tag, err);
    free(own_stage);
    return status;
}

static void stage_abandon(struct qr_blob *blob, struct qr_blob_stage *own_stage)
{
    (void)blob;
    own_stage->store->ops->stage_abandon(own_stage->store, own_stage->stage);
    free(own_stage);
}

static enum qr_status drop_stages(struct qr_blob *blob, const char *folder, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, folder, &store, err));
    return store->ops->drop_stages(store, folder, err);
}

static enum qr_status open_file(struct qr_blob *blob, const char *name, struct qr_file **ret_file,
                                uint64_t *ret_start, struct qr_err *err)
{
    struct qr_blob *store = NULL;
    QR_TRY(choose(blob, name, &store, err));
    return store->ops->open_file(store, name, ret_file, ret_start, err);
}

static void close_all(struct qr_blob *blob)
{
    struct regions *r = (struct regions *)blob;
    for (size_t i = 0; i < r->count; i++)
        qr_blob_close(r->stores[i]);
    free(r);
}

enum qr_status qr_blob_regions(struct qr_blob *const *own_stores, size_t count,
                               struct qr_blob **ret_blob, struct qr_err *err)
{
    static const struct qr_blob_ops ops = {
        .put = put,
        .put_file = put_file,
        .get = get,
        .stat = stat_one,
        .remove = remove_one,
        .list = list,
        .append = append,
        .lease = lease,
        .release = release,
        .has_files = has_files,
        .stage_begin = stage_begin,
        .stage_add = stage_add,
        .stage_end = stage_end,
        .stage_abandon = stage_abandon,
        .drop_stages = drop_stages,
        .open_file = open_file,
        .close = close_all,
    };
    if (count == 1) {
        *ret_blob = own_stores[0];
        return QR_OK;
    }
    struct regions *r = count <= QR_REGIONS_MAX ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        for (size_t i = 0; i < count; i++)
            qr_blob_close(own_stores[i]);
        return qr_fail(err, QR_NOMEM, "open the stores of the regions");
    }
    r->blob.ops = &ops;
    r->count = count;
    memcpy(r->stores, own_stores, count * sizeof *own_stores);
    *ret_blob = &r->blob;
    return QR_OK;
}
