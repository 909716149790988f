/* passwords.c - see arm_int.h: checks that cost an attacker, not us. A name from one address has
 * TRIES_PER_MINUTE wrong ones; another address is not delayed by them. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/peer.h"
#include "resource_int.h"
#include "env/thread.h"
#include "base/banned.h"

enum {
    TRIES_PER_MINUTE = 10,
    AT_ONCE = 2, /* each takes 19 MiB and 20 ms of a processor */
    OPS = 2,
    MEM_BYTES = 19 * 1024 * 1024,
    PASSWORD_BYTES_MAX = 1024,
};
static const int64_t ASK_NS = INT64_C(10) * 1000000000;

struct qri_passwords {
    struct qri_throttle *throttle;
    char nobody[crypto_pwhash_STRBYTES]; /* unknown names take the same time */
    pthread_mutex_t mu;                  /* guards what follows */
    pthread_cond_t freed;
    int running;
};

enum qr_status qri_passwords_new(struct qr_arm *arm, struct qri_passwords **ret_passwords,
                                 struct qr_err *err)
{
    struct qri_passwords *passwords = calloc(1, sizeof *passwords);
    char random[32];
    if (passwords == NULL || sodium_init() < 0)
        return qr_fail(err, QR_NOMEM, "check passwords");
    pthread_mutex_init(&passwords->mu, NULL);
    qr_cond_init(&passwords->freed);
    qr_env_random(arm->options.env, random, sizeof random);
    enum qr_status status =
        qri_throttle_new(arm->options.env, TRIES_PER_MINUTE, &passwords->throttle, err);
    if (status == QR_OK && crypto_pwhash_str_alg(passwords->nobody, random, sizeof random, OPS,
                                                 MEM_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0)
        status = qr_fail(err, QR_NOMEM, "check passwords");
    if (status != QR_OK)
        qri_passwords_free(passwords);
    else
        *ret_passwords = passwords;
    return status;
}

void qri_passwords_free(struct qri_passwords *passwords)
{
    if (passwords == NULL)
        return;
    qri_throttle_free(passwords->throttle);
    pthread_cond_destroy(&passwords->freed);
    pthread_mutex_destroy(&passwords->mu);
    free(passwords);
}

bool qri_password_hash(struct qr_str password, char dst[QRI_HASH_BYTES])
{
    _Static_assert(crypto_pwhash_STRBYTES <= QRI_HASH_BYTES, "a hash fits");
    return crypto_pwhash_str_alg(dst, password.p, password.n, OPS, MEM_BYTES,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* A service principal is a document of control. */
static enum qr_status find_service(struct qr_arm *arm, struct qr_str name,
                                   struct qri_principal *who, char hash[QR_HASH_BYTES_MAX + 1])
{
    enum qr_status status;
    json_t *doc = qri_doc_find(arm, QR_DOC_PRINCIPAL, name, NULL, &status, NULL);
    const char *own_name = json_string_value(json_object_get(doc, "name"));
    const char *object_id = json_string_value(json_object_get(doc, "objectId"));
    const char *secret = json_string_value(json_object_get(doc, "secretHash"));
    if (status == QR_OK && (own_name == NULL || object_id == NULL || secret == NULL))
        status = QR_CORRUPT;
    if (status == QR_OK) {
        snprintf(who->name, sizeof who->name, "%s", own_name);
        snprintf(who->object_id, sizeof who->object_id, "%s", object_id);
        snprintf(hash, QR_HASH_BYTES_MAX + 1, "%s", secret);
        who->is_admin = false;
    }
    json_decref(doc);
    return status;
}

/* The hash of that login or service principal, and its own spelling. */
static enum qr_status find_login(struct qr_arm *arm, struct qr_str name, struct qri_principal *who,
                                 char hash[QR_HASH_BYTES_MAX + 1])
{
    struct qr_buf reply;
    struct qr_control_item item;
    size_t at = 0;
    qr_buf_init(&reply, QR_CONTROL_TEXT_BYTES_MAX);
    enum qr_status status =
        qr_control_call(arm->options.host->control, QR_CONTROL_LOGIN,
                        &(struct qr_control_ask){.name = name}, ASK_NS, &reply, NULL);
    if (status == QR_OK)
        status = qr_control_item_next(reply.data, reply.len, &at, &item, NULL);
    if (status == QR_OK && (item.name.n > QRI_NAME_BYTES || item.text.n > QR_HASH_BYTES_MAX))
        status = QR_PROTOCOL;
    if (status == QR_OK) {
        snprintf(who->name, sizeof who->name, "%.*s", (int)item.name.n, item.name.p);
        snprintf(hash, QR_HASH_BYTES_MAX + 1, "%.*s", (int)item.text.n, item.text.p);
        char what[QRI_NAME_BYTES + 16];
        snprintf(what, sizeof what, "principal %s", who->name);
        qri_signer_guid(arm->signer, what, who->object_id);
        who->is_admin = item.flag;
    }
    qr_buf_done(&reply);
    return status == QR_NOT_FOUND ? find_service(arm, name, who, hash) : status;
}

bool qri_principal_find(struct qr_arm *arm, const char *name, struct qri_principal *ret_who)
{
    char hash[QR_HASH_BYTES_MAX + 1];
    return find_login(arm, qr_str(name), ret_who, hash) == QR_OK;
}

static bool verify(struct qri_passwords *passwords, const char *hash, struct qr_str password)
{
    pthread_mutex_lock(&passwords->mu);
    while (passwords->running == AT_ONCE)
        (void)qr_cond_wait(&passwords->freed, &passwords->mu, -1);
    passwords->running += 1;
    pthread_mutex_unlock(&passwords->mu);
    bool right = crypto_pwhash_str_verify(hash, password.p, password.n) == 0;
    pthread_mutex_lock(&passwords->mu);
    passwords->running -= 1;
    pthread_cond_signal(&passwords->freed);
    pthread_mutex_unlock(&passwords->mu);
    return right;
}

enum qri_password_result qri_password_check(struct qri_request *r, struct qr_str name,
                                            struct qr_str password, struct qri_principal *ret_who,
                                            uint32_t *ret_wait_s)
{
    struct qri_passwords *passwords = r->arm->passwords;
    struct qri_principal who = {0};
    char hash[QR_HASH_BYTES_MAX + 1], key[QRI_NAME_BYTES + 64];
    const char *end = memchr(name.p, '@', name.n);
    if (end != NULL)
        name.n = (size_t)(end - name.p);
    if (name.n > QRI_NAME_BYTES || password.n > PASSWORD_BYTES_MAX)
        return QRI_PASSWORD_WRONG;
    bool known = find_login(r->arm, name, &who, hash) == QR_OK;
    snprintf(key, sizeof key, "%s %s", r->client, known ? who.name : "");
    *ret_wait_s = qri_throttle_take(passwords->throttle, qr_str(key));
    if (*ret_wait_s > 0)
        return QRI_PASSWORD_BUSY;
    if (!verify(passwords, known ? hash : passwords->nobody, password) || !known)
        return QRI_PASSWORD_WRONG;
    qri_throttle_forgive(passwords->throttle, qr_str(key));
    *ret_who = who;
    return QRI_PASSWORD_RIGHT;
}
