/* registry_owner.c - see ctl/registry.h: whose a database is. */
#include <string.h>
#include "registry_int.h"
#include "base/banned.h"

void qr_owner_text(struct qr_str sid, char dst[QR_OWNER_TEXT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = sid.n < QR_LOGIN_SID_BYTES_MAX ? sid.n : QR_LOGIN_SID_BYTES_MAX;
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[(uint8_t)sid.p[i] >> 4];
        dst[2 * i + 1] = digits[sid.p[i] & 15];
    }
    dst[2 * n] = '\0';
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t qr_owner_sid(const char *owner, uint8_t dst[QR_LOGIN_SID_BYTES_MAX])
{
    size_t n = strlen(owner) / 2;
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(owner[2 * i]), low = digit_of(owner[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        dst[i] = (uint8_t)(high << 4 | low);
    }
    return n;
}

enum qr_status qri_set_owner(struct qr_database_row *row, struct qr_str owner, struct qr_err *err)
{
    uint8_t sid[QR_LOGIN_SID_BYTES_MAX];
    if (owner.n % 2 != 0 || !qri_copy_text(row->owner, sizeof row->owner, owner) ||
        2 * qr_owner_sid(row->owner, sid) != owner.n)
        return qr_fail(err, QR_INVALID, "the owner of a database is no SID");
    return QR_OK;
}

bool qr_registry_owns_any(struct qr_registry *registry, uint32_t server, struct qr_str owner)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; owner.n > 0 && !found && i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        found = qr_server_of(row->id) == server && qr_database_is_live(row) &&
                qr_str_eq(owner, qr_str(row->owner));
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

static void change_owner(struct qr_database_row *row, const void *arg)
{
    memcpy(row->owner, arg, sizeof row->owner);
}

/* Those who read or follow it come first, one by one: after a crash between them it is said again
 * of the database itself, and so of all. */
enum qr_status qr_registry_set_owner(struct qr_registry *registry, uint32_t id, struct qr_str owner,
                                     struct qr_err *err)
{
    struct qr_database_row row, wanted = {.id = id};
    QR_TRY(qri_set_owner(&wanted, owner, err));
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++)
        if ((row.replica_of == id || row.geo_of == id) && qr_database_is_live(&row))
            QR_TRY(qri_registry_change(registry, row.id, change_owner, wanted.owner, err));
    return qri_registry_change(registry, id, change_owner, wanted.owner, err);
}
