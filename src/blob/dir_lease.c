/* dir_lease.c - see blob/blob.h: leases as files beside their objects
 *
 * `a~lease` holds the id in hexadecimal, a blank, and the wall time in nanoseconds when it runs
 * out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "dir_int.h"
#include "base/banned.h"

enum { ID_BYTES = 16, TEXT_BYTES_MAX = 128 };

struct lease {
    char id[64]; /* "": none */
    int64_t until_wall_ns;
};

static enum qr_status read_lease(struct qri_dir *dir, const char *name, struct lease *ret_lease,
                                 struct qr_err *err)
{
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~lease");
    struct qr_buf text;
    qr_buf_init(&text, TEXT_BYTES_MAX);
    enum qr_status status = qr_env_read_file(dir->env, path.z, &text, err);
    struct lease lease = {0};
    if (status == QR_OK &&
        sscanf(qr_buf_cstr(&text), "%63[0-9a-f] %" SCNd64, lease.id, &lease.until_wall_ns) != 2)
        status = qr_fail(err, QR_CORRUPT, "the object's lease cannot be read");
    if (status == QR_OK && lease.until_wall_ns <= qr_env_wall_ns(dir->env))
        lease.id[0] = '\0';
    qr_buf_done(&text);
    if (status == QR_NOT_FOUND)
        status = QR_OK;
    if (status == QR_OK)
        *ret_lease = lease;
    return status;
}

enum qr_status qri_dir_check_lease(struct qri_dir *dir, const char *name, const char *lease_id,
                                   struct qr_err *err)
{
    struct lease lease = {0};
    QR_TRY(read_lease(dir, name, &lease, err));
    if (strcmp(lease.id, lease_id) == 0)
        return QR_OK;
    if (lease.id[0] == '\0')
        return qr_fail(err, QR_LOCKED, "the lease on the object is lost");
    return qr_fail(err, QR_LOCKED, "another has the lease on the object");
}

static enum qr_status write_lease(struct qri_dir *dir, const char *name, const char *id,
                                  int64_t until_wall_ns, struct qr_err *err)
{
    struct qri_dir_path path = qri_dir_path_of(dir, name, "~lease");
    char text[TEXT_BYTES_MAX];
    int n = snprintf(text, sizeof text, "%s %" PRId64 "\n", id, until_wall_ns);
    return qr_env_replace_file(dir->env, path.z, text, (size_t)n, err);
}

static enum qr_status lease_locked(struct qri_dir *dir, const char *name, int ttl_s,
                                   const char *lease_id, struct qr_blob_tag *ret_lease_id,
                                   struct qr_err *err)
{
    struct qri_dir_path path;
    struct qr_blob_info info;
    struct qr_blob_tag id = {0};
    path = qri_dir_path_of(dir, name, "~");
    QR_TRY(qri_dir_stat_path(dir, path.z, &info, err)); /* only what is there can be leased */
    if (lease_id[0] == '\0') {
        QR_TRY(qri_dir_check_lease(dir, name, "", err));
        uint8_t random[ID_BYTES];
        qr_env_random(dir->env, random, sizeof random);
        qri_hex(random, sizeof random, id.z);
    } else {
        QR_TRY(qri_dir_check_lease(dir, name, lease_id, err));
        snprintf(id.z, sizeof id.z, "%s", lease_id);
    }
    QR_TRY(
        write_lease(dir, name, id.z, qr_env_wall_ns(dir->env) + (int64_t)ttl_s * 1000000000, err));
    *ret_lease_id = id;
    return QR_OK;
}

enum qr_status qri_dir_lease(struct qr_blob *blob, const char *name, int ttl_s,
                             const char *lease_id, struct qr_blob_tag *ret_lease_id,
                             struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_lock lock;
    QR_TRY(qri_dir_lock(dir, name, &lock, err));
    enum qr_status status = lease_locked(dir, name, ttl_s, lease_id, ret_lease_id, err);
    qri_dir_unlock(&lock);
    return status;
}

enum qr_status qri_dir_release(struct qr_blob *blob, const char *name, const char *lease_id,
                               struct qr_err *err)
{
    struct qri_dir *dir = (struct qri_dir *)blob;
    struct qri_dir_lock lock;
    QR_TRY(qri_dir_lock(dir, name, &lock, err));
    enum qr_status status = qri_dir_check_lease(dir, name, lease_id, err);
    if (status == QR_OK)
        status = write_lease(dir, name, lease_id, 0, err); /* run out: nobody's */
    qri_dir_unlock(&lock);
    return status;
}
