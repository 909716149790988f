/* machines.c - see cmd_int.h: the service's own CA, and the identity of its own machine */
#include <string.h>
#include "cmd_int.h"
#include "machine_file.h"
#include "rpc/identity.h"
#include "base/banned.h"

static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

static enum qr_status read_or_make_ca(struct qr_env *env, const char *path, struct qr_buf *ca,
                                      struct qr_err *err)
{
    enum qr_status status = qr_env_read_file(env, path, ca, err);
    if (status != QR_NOT_FOUND)
        return status;
    QR_TRY(qr_identity_make_ca(env, QRI_CA_DAYS, ca, err));
    return qr_env_replace_file(env, path, ca->data, ca->len, err);
}

/* Does it name this address, is it of this CA, and is more than half of its time left? */
static bool is_good(struct qr_env *env, const char *self, const char *ca, const char *note)
{
    struct qr_identity identity;
    int64_t until_ns = 0;
    const char *ca_cert = strstr(ca, "-----BEGIN CERT"); /* behind the key; an identity ends so */
    return ca_cert != NULL && strstr(self, ca_cert) != NULL &&
           strncmp(self, note, strlen(note)) == 0 &&
           qr_identity_read(self, &identity, &until_ns, NULL) == QR_OK &&
           until_ns > qr_env_wall_ns(env) + QRI_IDENTITY_DAYS / 2 * DAY_NS;
}

static enum qr_status prepare(struct qr_env *env, const char *ca_path, const char *self_path,
                              const char *note, struct qr_buf *ca, struct qr_buf *self,
                              struct qr_err *err)
{
    static const struct qr_identity identity = {.name = "service",
                                                .roles = "control log page compute"};
    QR_TRY(read_or_make_ca(env, ca_path, ca, err));
    enum qr_status status = qr_env_read_file(env, self_path, self, err);
    if (status == QR_OK && is_good(env, qr_buf_cstr(self), qr_buf_cstr(ca), note))
        return QR_OK;
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    qr_buf_clear(self);
    qr_buf_add(self, note, strlen(note));
    QR_TRY(qr_identity_issue(env, qr_buf_cstr(ca), &identity, QRI_IDENTITY_DAYS, self, err));
    return qr_env_replace_file(env, self_path, self->data, self->len, err);
}

enum qr_status qri_machines_prepare(const struct qri_datadir *dir, struct qr_arena *arena,
                                    const struct qri_settings *settings, struct qr_err *err)
{
    char address[QR_CONTROL_PLACE_BYTES];
    struct qr_buf ca, self;
    const char *folder = qri_datadir_path(dir, arena, "machines", NULL);
    const char *ca_path = qri_datadir_path(dir, arena, "machines", "ca.pem");
    const char *self_path = qri_datadir_path(dir, arena, "machines", "self.pem");
    QR_TRY(qri_machine_address("advertise", settings->advertise, QRI_PORT_CONTROL, address, err));
    const char *note = qr_arena_printf(arena, QRI_CONTROL_NOTE "%s\n", address);
    if (folder == NULL || ca_path == NULL || self_path == NULL || note == NULL)
        return qr_fail(err, QR_NOMEM, "make the machines' certificates");
    enum qr_status status = qr_env_make_dir(dir->env, folder, err);
    if (status == QR_OK)
        status = qr_env_sync_dir(dir->env, dir->path, err);
    else if (status == QR_EXISTS)
        status = QR_OK;
    qr_buf_init(&ca, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&self, QR_IDENTITY_PEM_BYTES_MAX);
    if (status == QR_OK)
        status = prepare(dir->env, ca_path, self_path, note, &ca, &self, err);
    qr_buf_done(&ca);
    qr_buf_done(&self);
    return qr_wrap(err, status, "make the machines' certificates");
}
