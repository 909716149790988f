/* key.c - the journal's data key and ciphers; see logsvc_int.h and README.md.
 *
 * The journal has one key for all timelines: nothing needs to be looked up between an append and
 * the disk, and what is in it is soon elsewhere, under its timeline's own key. */
#include "logsvc_int.h"
#include <string.h>
#include "crypt/keyring.h"
#include "base/banned.h"

static enum qr_status get_key(struct qr_logsvc *svc, bool make, struct qr_err *err)
{
    struct qr_keyring *ring = svc->options.keyring;
    struct qr_timeline owner;
    char path[QRI_PATH_BYTES_MAX];
    memcpy(owner.id, svc->journal_id, sizeof owner.id);
    if (svc->zone != NULL && make)
        return qr_keyring_take(ring, &owner, &svc->data_key, err);
    if (svc->zone != NULL)
        return qr_keyring_read(ring, &owner, &svc->data_key, err);
    qri_path(svc, "key", path);
    return qr_key_pair_take(qr_keyring_server_key(ring), svc->env, path, owner.id,
                            make ? QR_KEY_MAKE : QR_KEY_MEND, &svc->data_key, err);
}

enum qr_status qri_key_load(struct qr_logsvc *svc, struct qr_err *err)
{
    if (svc->options.keyring == NULL)
        return QR_OK;
    enum qr_status status = get_key(svc, false, err);
    return status == QR_NOT_FOUND ? QR_OK : status; /* blocks that need it say so */
}

enum qr_status qri_key_use(struct qr_logsvc *svc, struct qr_err *err)
{
    uint8_t salt[QR_SALT_BYTES];
    if (svc->options.keyring == NULL)
        return QR_OK;
    if (svc->data_key.id == 0)
        QR_TRY(get_key(svc, true, err));
    qr_env_random(svc->env, salt, sizeof salt);
    qr_journal_cipher(&svc->cipher, &svc->data_key, svc->journal_id, svc->generation, salt);
    return QR_OK;
}

enum qr_status qri_object_cipher(struct qr_logsvc *svc, const struct qr_timeline *timeline,
                                 struct qr_cipher_key *ret_key, struct qr_err *err)
{
    struct qr_data_key data_key;
    uint8_t salt[QR_SALT_BYTES];
    QR_TRY(qr_keyring_take(svc->options.keyring, timeline, &data_key, err));
    qr_env_random(svc->env, salt, sizeof salt);
    qr_log_object_cipher(ret_key, &data_key, timeline, salt);
    qr_cipher_forget(&data_key, sizeof data_key);
    return QR_OK;
}
