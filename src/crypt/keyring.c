/* keyring.c - see crypt/keyring.h */
#include "crypt/keyring.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "server_key_int.h"
#include "base/banned.h"

enum { NAME_BYTES = 5 + QR_TIMELINE_HEX_BYTES, COPY_NAME_BYTES = NAME_BYTES + 5 };
static const char prefix[] = "keys/", copy_ending[] = ".copy";

struct qr_keyring {
    struct qr_env *env;
    const struct qr_server_key *server_key;
    struct qr_blob *blob;
    pthread_mutex_t mu;
    struct qr_map keys; /* timeline -> struct qr_data_key; guarded by mu */
};

static struct qr_str as_str(const struct qr_timeline *timeline)
{
    return (struct qr_str){(const char *)timeline->id, QR_TIMELINE_BYTES};
}

static void name_of(const struct qr_timeline *timeline, char dst[NAME_BYTES])
{
    memcpy(dst, prefix, sizeof prefix);
    qr_timeline_hex(timeline, dst + sizeof prefix - 1);
}

enum qr_status qr_keyring_new(struct qr_env *env, const struct qr_server_key *key,
                              struct qr_blob *blob, struct qr_keyring **ret_ring,
                              struct qr_err *err)
{
    struct qr_keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return qr_fail(err, QR_NOMEM, "key ring");
    *ring = (struct qr_keyring){.env = env, .server_key = key, .blob = blob};
    pthread_mutex_init(&ring->mu, NULL);
    qr_map_init(&ring->keys, false);
    *ret_ring = ring;
    return QR_OK;
}

static void free_key(struct qr_data_key *key)
{
    if (key != NULL)
        qr_cipher_forget(key, sizeof *key);
    free(key);
}

void qr_keyring_free(struct qr_keyring *ring)
{
    if (ring == NULL)
        return;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&ring->keys, &i, &entry);)
        free_key(entry->value);
    qr_map_done(&ring->keys);
    pthread_mutex_destroy(&ring->mu);
    free(ring);
}

static bool look_up(struct qr_keyring *ring, const struct qr_timeline *timeline,
                    struct qr_data_key *ret_key)
{
    pthread_mutex_lock(&ring->mu);
    const struct qr_data_key *key = qr_map_get(&ring->keys, as_str(timeline));
    if (key != NULL)
        *ret_key = *key;
    pthread_mutex_unlock(&ring->mu);
    return key != NULL;
}

/* Without memory it is asked for again. */
static void remember(struct qr_keyring *ring, const struct qr_timeline *timeline,
                     const struct qr_data_key *key)
{
    struct qr_data_key *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return;
    *copy = *key;
    pthread_mutex_lock(&ring->mu);
    struct qr_data_key *old = qr_map_get(&ring->keys, as_str(timeline));
    if (qr_map_put(&ring->keys, as_str(timeline), copy) != QR_OK)
        old = copy;
    pthread_mutex_unlock(&ring->mu);
    free_key(old);
}

/* A copy lies beside each key, for a lost key is a lost database. */
static void copy_name_of(const char *name, char dst[COPY_NAME_BYTES])
{
    snprintf(dst, COPY_NAME_BYTES, "%s%s", name, copy_ending);
}

static enum qr_status get_whole(struct qr_keyring *ring, const char *name, struct qr_buf *buf,
                                struct qr_err *err)
{
    buf->len = 0;
    enum qr_status status = qr_blob_get(ring->blob, name, 0, SIZE_MAX, buf, NULL, err);
    if (status == QR_TOO_BIG)
        return qr_fail(err, QR_CORRUPT, "no wrapped key");
    QR_TRY(status);
    return qri_wrapped_check(buf->data, buf->len, err);
}

/* From the copy if it is lost or damaged itself, and then with `mends` put back. The error is its
 * own. */
static enum qr_status get_either(struct qr_keyring *ring, const char *name, bool mends,
                                 struct qr_buf *buf, struct qr_err *err)
{
    char copy_name[COPY_NAME_BYTES];
    enum qr_status status = get_whole(ring, name, buf, err);
    if (status != QR_NOT_FOUND && status != QR_CORRUPT && status != QR_UNSUPPORTED)
        return status;
    copy_name_of(name, copy_name);
    if (get_whole(ring, copy_name, buf, NULL) != QR_OK)
        return status;
    if (err != NULL)
        qr_err_reset(err);
    if (mends)
        (void)!qr_blob_put(ring->blob, name, buf->data, buf->len, NULL, NULL, NULL);
    return QR_OK;
}

static enum qr_status fetch(struct qr_keyring *ring, const struct qr_timeline *timeline, bool mends,
                            struct qr_data_key *ret_key, struct qr_err *err)
{
    char name[NAME_BYTES];
    struct qr_buf buf;
    name_of(timeline, name);
    qr_buf_init(&buf, 2 * QR_WRAPPED_BYTES);
    enum qr_status status = get_either(ring, name, mends, &buf, err);
    if (status == QR_OK)
        status = qr_wrap(
            err,
            qr_data_key_unwrap(ring->server_key, buf.data, buf.len, timeline->id, ret_key, err),
            "read '%s'", name);
    qr_buf_done(&buf);
    if (status == QR_OK)
        remember(ring, timeline, ret_key);
    return status;
}

static enum qr_status make(struct qr_keyring *ring, const struct qr_timeline *timeline,
                           struct qr_data_key *ret_key, struct qr_err *err)
{
    char name[NAME_BYTES], copy_name[COPY_NAME_BYTES];
    uint8_t wrapped[QR_WRAPPED_BYTES];
    struct qr_data_key made;
    name_of(timeline, name);
    QR_TRY(qr_data_key_make(ring->server_key, ring->env, timeline->id, &made, wrapped, err));
    enum qr_status status = qr_blob_put(ring->blob, name, wrapped, sizeof wrapped, "", NULL, err);
    if (status == QR_OK) {
        copy_name_of(name, copy_name);
        (void)!qr_blob_put(ring->blob, copy_name, wrapped, sizeof wrapped, NULL, NULL, NULL);
        remember(ring, timeline, &made);
        *ret_key = made;
    }
    qr_cipher_forget(&made, sizeof made);
    return status == QR_CONFLICT ? fetch(ring, timeline, true, ret_key, err) : status;
}

const struct qr_server_key *qr_keyring_server_key(const struct qr_keyring *ring)
{
    return ring->server_key;
}

enum qr_status qr_keyring_take(struct qr_keyring *ring, const struct qr_timeline *timeline,
                               struct qr_data_key *ret_key, struct qr_err *err)
{
    if (look_up(ring, timeline, ret_key))
        return QR_OK;
    enum qr_status status = fetch(ring, timeline, true, ret_key, err);
    return status == QR_NOT_FOUND ? make(ring, timeline, ret_key, err) : status;
}

enum qr_status qr_keyring_read(struct qr_keyring *ring, const struct qr_timeline *timeline,
                               struct qr_data_key *ret_key, struct qr_err *err)
{
    return look_up(ring, timeline, ret_key) ? QR_OK : fetch(ring, timeline, false, ret_key, err);
}

enum qr_status qr_keyring_find(struct qr_keyring *ring, const struct qr_timeline *timeline,
                               uint32_t key_id, struct qr_data_key *ret_key, struct qr_err *err)
{
    char name[NAME_BYTES];
    name_of(timeline, name);
    if (ring == NULL)
        return qr_fail(
            err, QR_DENIED,
            "it is encrypted under key %08x of '%s', and no server key, or no store of keys, "
            "is at hand",
            key_id, name);
    if (look_up(ring, timeline, ret_key) && ret_key->id == key_id)
        return QR_OK;
    enum qr_status status = fetch(ring, timeline, false, ret_key, err);
    if (status == QR_NOT_FOUND || (status == QR_OK && ret_key->id != key_id))
        return qr_fail(err, QR_DENIED, "it is encrypted under key %08x, which '%s' does not have",
                       key_id, name);
    return status;
}

enum qr_status qr_keyring_copy(struct qr_keyring *ring, const struct qr_timeline *timeline,
                               struct qr_keyring *to, struct qr_err *err)
{
    char name[NAME_BYTES];
    struct qr_buf have, want;
    name_of(timeline, name);
    qr_buf_init(&want, 2 * QR_WRAPPED_BYTES);
    qr_buf_init(&have, 2 * QR_WRAPPED_BYTES);
    enum qr_status status = qr_blob_get(ring->blob, name, 0, SIZE_MAX, &want, NULL, err);
    bool none = status == QR_NOT_FOUND;
    if (status == QR_OK)
        status = qr_blob_get(to->blob, name, 0, SIZE_MAX, &have, NULL, err);
    bool same =
        status == QR_OK && have.len == want.len && memcmp(have.data, want.data, want.len) == 0;
    if (!none && !same && (status == QR_OK || status == QR_NOT_FOUND))
        status = qr_blob_put(to->blob, name, want.data, want.len, NULL, NULL, err);
    qr_buf_done(&want);
    qr_buf_done(&have);
    return none ? QR_OK : qr_wrap(err, status, "copy '%s'", name);
}

/* ---- all of them ---- */

struct rewrap {
    struct qr_keyring *ring;
    enum qr_status status;
    struct qr_err *err;
    uint64_t changed;
};

static bool is_copy(const char *name)
{
    size_t bytes = strlen(name), ending = sizeof copy_ending - 1;
    return bytes > ending && strcmp(name + bytes - ending, copy_ending) == 0;
}

/* The copy after the key, so that a cut leaves one of them under either key. */
static enum qr_status rewrap_one(struct rewrap *r, const char *name)
{
    char copy_name[COPY_NAME_BYTES];
    struct qr_buf buf, copy;
    struct qr_blob *blob = r->ring->blob;
    bool changed = false;
    qr_buf_init(&buf, 2 * QR_WRAPPED_BYTES);
    qr_buf_init(&copy, 2 * QR_WRAPPED_BYTES);
    enum qr_status status = get_either(r->ring, name, true, &buf, r->err);
    if (status == QR_OK)
        status = qr_data_key_rewrap(r->ring->server_key, r->ring->env, buf.data, &changed, r->err);
    if (status == QR_OK && changed)
        status = qr_blob_put(blob, name, buf.data, buf.len, NULL, NULL, r->err);
    copy_name_of(name, copy_name);
    if (status == QR_OK && (get_whole(r->ring, copy_name, &copy, NULL) != QR_OK ||
                            memcmp(copy.data, buf.data, QR_WRAPPED_BYTES) != 0))
        status = qr_blob_put(blob, copy_name, buf.data, buf.len, NULL, NULL, r->err);
    qr_buf_done(&buf);
    qr_buf_done(&copy);
    r->changed += changed && status == QR_OK;
    return qr_wrap(r->err, status, "wrap '%s' again", name);
}

static bool rewrap_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct rewrap *r = arg;
    char key_name[NAME_BYTES];
    size_t bytes = strlen(name) - (is_copy(name) ? sizeof copy_ending - 1 : 0);
    if (bytes >= sizeof key_name) /* not of this release */
        return true;
    memcpy(key_name, name, bytes);
    key_name[bytes] = '\0';
    r->status = rewrap_one(r, key_name); /* the second time there is nothing to do */
    return r->status == QR_OK;
}

enum qr_status qr_keyring_rewrap(struct qr_keyring *ring, uint64_t *ret_changed, struct qr_err *err)
{
    struct rewrap r = {.ring = ring, .status = QR_OK, .err = err};
    QR_TRY(qr_blob_list(ring->blob, prefix, rewrap_name, &r, err));
    QR_TRY(r.status);
    *ret_changed = r.changed;
    return QR_OK;
}

enum qr_status qr_keyring_destroy(struct qr_keyring *ring, const struct qr_timeline *timeline,
                                  struct qr_err *err)
{
    char name[NAME_BYTES], copy_name[COPY_NAME_BYTES];
    name_of(timeline, name);
    copy_name_of(name, copy_name);
    QR_TRY(qr_blob_delete(ring->blob, copy_name, NULL, err)); /* first: who sees a key asks again */
    QR_TRY(qr_blob_delete(ring->blob, name, NULL, err));
    pthread_mutex_lock(&ring->mu);
    struct qr_data_key *old = qr_map_remove(&ring->keys, as_str(timeline));
    pthread_mutex_unlock(&ring->mu);
    free_key(old);
    return QR_OK;
}
