/* server_key.c - the file of the server key; see crypt/server_key.h */
#include "server_key_int.h"
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { FILE_BYTES_MAX = 4096, LINE_BYTES_MAX = 256 };

static const char first_line[] = "quire server key 1\n";
static const char id_label[] = "quire server key id";

static void hex(const uint8_t *bytes, size_t count, char *dst)
{
    for (size_t i = 0; i < count; i++)
        snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unhex(const char *src, size_t count, uint8_t *dst)
{
    for (size_t i = 0; i < count; i++) {
        int high = digit(src[2 * i]), low = high < 0 ? -1 : digit(src[2 * i + 1]);
        if (low < 0)
            return false;
        dst[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void id_of(const uint8_t key[QR_KEY_BYTES], uint8_t dst[QR_SERVER_KEY_ID_BYTES])
{
    uint8_t bytes[sizeof id_label + QR_KEY_BYTES], sum[SHA256_DIGEST_LENGTH];
    memcpy(bytes, id_label, sizeof id_label);
    memcpy(bytes + sizeof id_label, key, QR_KEY_BYTES);
    SHA256(bytes, sizeof bytes, sum);
    memcpy(dst, sum, QR_SERVER_KEY_ID_BYTES);
    qr_cipher_forget(bytes, sizeof bytes);
}

static void add_key(struct qr_server_key *k, const uint8_t bytes[QR_KEY_BYTES], size_t at)
{
    static const uint8_t no_salt[QR_SALT_BYTES];
    struct qri_one_key *one = &k->keys[at];
    memcpy(one->bytes, bytes, QR_KEY_BYTES);
    id_of(bytes, one->id);
    struct qr_data_key master = {.id = 1};
    memcpy(master.bytes, bytes, QR_KEY_BYTES);
    qr_cipher_derive(&one->wrapping, &master, "wrap", one->id, sizeof one->id, no_salt);
    qr_cipher_forget(&master, sizeof master);
}

static enum qr_status parse_line(struct qr_server_key *k, const char *line, struct qr_err *err)
{
    enum { ID = 2 * QR_SERVER_KEY_ID_BYTES, KEY = 2 * QR_KEY_BYTES };
    uint8_t id[QR_SERVER_KEY_ID_BYTES], bytes[QR_KEY_BYTES];
    if (k->count == QR_SERVER_KEYS_MAX || strlen(line) != ID + 1 + KEY || line[ID] != ' ' ||
        !unhex(line, sizeof id, id) || !unhex(line + ID + 1, sizeof bytes, bytes))
        return qr_fail(err, QR_CORRUPT, "no server key file: line %zu", k->count + 2);
    add_key(k, bytes, k->count);
    qr_cipher_forget(bytes, sizeof bytes);
    if (memcmp(k->keys[k->count].id, id, sizeof id) != 0)
        return qr_fail(err, QR_CORRUPT, "the key in line %zu does not fit its id", k->count + 2);
    k->count++;
    return QR_OK;
}

static enum qr_status parse(struct qr_server_key *k, const char *text, struct qr_err *err)
{
    size_t head = sizeof first_line - 1;
    if (strncmp(text, first_line, head) != 0)
        return qr_fail(err, QR_CORRUPT, "no server key file");
    text += head;
    while (*text != '\0') {
        char line[LINE_BYTES_MAX];
        size_t n = strcspn(text, "\n");
        if (n >= sizeof line)
            return qr_fail(err, QR_CORRUPT, "no server key file: a long line");
        memcpy(line, text, n);
        line[n] = '\0';
        enum qr_status status = parse_line(k, line, err);
        qr_cipher_forget(line, sizeof line);
        QR_TRY(status);
        text += n + (text[n] == '\n');
    }
    return k->count > 0 ? QR_OK : qr_fail(err, QR_CORRUPT, "no key in the server key file");
}

void qr_server_key_text(const struct qr_server_key *key, char dst[QR_SERVER_KEY_TEXT_BYTES_MAX + 1])
{
    size_t at = sizeof first_line - 1;
    memcpy(dst, first_line, at);
    for (size_t i = 0; i < key->count; i++) {
        hex(key->keys[i].id, QR_SERVER_KEY_ID_BYTES, dst + at);
        at += 2 * (size_t)QR_SERVER_KEY_ID_BYTES;
        dst[at++] = ' ';
        hex(key->keys[i].bytes, QR_KEY_BYTES, dst + at);
        at += 2 * (size_t)QR_KEY_BYTES;
        dst[at++] = '\n';
    }
    dst[at] = '\0';
}

static enum qr_status write_keys(struct qr_env *env, const struct qr_server_key *k,
                                 struct qr_err *err)
{
    char text[QR_SERVER_KEY_TEXT_BYTES_MAX + 1];
    qr_server_key_text(k, text);
    enum qr_status status = qr_env_replace_file(env, k->path, text, strlen(text), err);
    qr_cipher_forget(text, sizeof text);
    return qr_wrap(err, status, "write server key file '%s'", k->path);
}

static void add_random(struct qr_env *env, struct qr_server_key *k)
{
    uint8_t bytes[QR_KEY_BYTES];
    qr_env_random(env, bytes, sizeof bytes);
    memmove(k->keys + 1, k->keys, sizeof k->keys[0]);
    add_key(k, bytes, 0);
    k->count++;
    qr_cipher_forget(bytes, sizeof bytes);
}

static enum qr_status load(struct qr_env *env, struct qr_server_key *k, bool make,
                           struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, FILE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(env, k->path, &buf, err);
    if (status == QR_OK)
        status = parse(k, qr_buf_cstr(&buf), err);
    qr_cipher_forget(buf.data, buf.len);
    qr_buf_done(&buf);
    if (status == QR_NOT_FOUND && make) {
        add_random(env, k);
        return write_keys(env, k, err);
    }
    if (status == QR_NOT_FOUND)
        return qr_fail(err, status,
                       "the server key file '%s' is missing; what is encrypted cannot be read "
                       "without it",
                       k->path);
    return qr_wrap(err, status, "read server key file '%s'", k->path);
}

static struct qr_server_key *new_key(const char *path)
{
    struct qr_server_key *k = calloc(1, sizeof *k);
    char *copy = strdup(path);
    if (k == NULL || copy == NULL) {
        free(k);
        free(copy);
        return NULL;
    }
    k->path = copy;
    return k;
}

static enum qr_status give(struct qr_server_key *own_key, enum qr_status status,
                           struct qr_server_key **ret_key)
{
    if (status == QR_OK)
        *ret_key = own_key;
    else
        qr_server_key_close(own_key);
    return status;
}

enum qr_status qr_server_key_open(struct qr_env *env, const char *path, bool make,
                                  struct qr_server_key **ret_key, struct qr_err *err)
{
    struct qr_server_key *k = new_key(path);
    if (k == NULL)
        return qr_fail(err, QR_NOMEM, "server key");
    return give(k, load(env, k, make, err), ret_key);
}

enum qr_status qr_server_key_parse(const char *text, const char *where,
                                   struct qr_server_key **ret_key, struct qr_err *err)
{
    struct qr_server_key *k = new_key(where);
    if (k == NULL)
        return qr_fail(err, QR_NOMEM, "server key");
    return give(k, qr_wrap(err, parse(k, text, err), "%s", where), ret_key);
}

void qr_server_key_close(struct qr_server_key *key)
{
    if (key == NULL)
        return;
    free(key->path);
    qr_cipher_forget(key, sizeof *key);
    free(key);
}

enum qr_status qr_server_key_renew(struct qr_env *env, const char *path, struct qr_err *err)
{
    struct qr_server_key *k = NULL;
    QR_TRY(qr_server_key_open(env, path, false, &k, err));
    enum qr_status status = QR_OK;
    if (k->count == 1) {
        add_random(env, k);
        status = write_keys(env, k, err);
    }
    qr_server_key_close(k);
    return status;
}

enum qr_status qr_server_key_retire(struct qr_env *env, const char *path, struct qr_err *err)
{
    struct qr_server_key *k = NULL;
    QR_TRY(qr_server_key_open(env, path, false, &k, err));
    bool more = k->count > 1;
    k->count = 1;
    enum qr_status status = more ? write_keys(env, k, err) : QR_OK;
    qr_server_key_close(k);
    return status;
}

void qr_server_key_id(const struct qr_server_key *key, char dst[QR_SERVER_KEY_ID_HEX_BYTES])
{
    hex(key->keys[0].id, QR_SERVER_KEY_ID_BYTES, dst);
}

void qr_server_key_id_raw(const struct qr_server_key *key, uint8_t dst[QR_SERVER_KEY_ID_BYTES])
{
    memcpy(dst, key->keys[0].id, QR_SERVER_KEY_ID_BYTES);
}

bool qr_server_key_has(const struct qr_server_key *key, const char *id_hex)
{
    uint8_t id[QR_SERVER_KEY_ID_BYTES];
    return strlen(id_hex) == 2 * sizeof id && unhex(id_hex, sizeof id, id) &&
           qri_server_key_find(key, id) != NULL;
}

const struct qri_one_key *qri_server_key_find(const struct qr_server_key *key,
                                              const uint8_t id[QR_SERVER_KEY_ID_BYTES])
{
    for (size_t i = 0; i < key->count; i++)
        if (memcmp(key->keys[i].id, id, QR_SERVER_KEY_ID_BYTES) == 0)
            return &key->keys[i];
    return NULL;
}

const char *qr_server_key_path(const struct qr_server_key *key)
{
    return key->path;
}
