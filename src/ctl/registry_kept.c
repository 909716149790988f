/* registry_kept.c - see ctl/registry.h: what becomes of a database's row: its states, its parent,
 * its size, how long it can be restored */
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum qr_status qri_fail_no_database(struct qr_str name, struct qr_err *err)
{
    char text[QR_NAME_BYTES_MAX + 1];
    if (!qri_copy_text(text, sizeof text, name))
        text[0] = '\0';
    return qr_sql_fail(err, 911, text);
}

struct new_state {
    enum qr_database_state state;
    int64_t wall_ns;
};

static void change_state(struct qr_database_row *row, const void *arg)
{
    const struct new_state *to = arg;
    row->state = to->state;
    if (!qr_database_is_live(row) && row->dropped_wall_ns == 0)
        row->dropped_wall_ns = to->wall_ns;
}

enum qr_status qr_registry_set_state(struct qr_registry *registry, uint32_t id,
                                     enum qr_database_state state, struct qr_err *err)
{
    struct qr_database_row row;
    struct new_state to = {state, qr_env_wall_ns(qri_registry_env(registry))};
    if (qr_registry_find_id(registry, id, &row) == QR_OK && row.state == state)
        return QR_OK;
    return qri_registry_change(registry, id, change_state, &to, err);
}

struct new_branch {
    const struct qr_database_row *parent;
    uint64_t lsn;
};

static void change_branch(struct qr_database_row *row, const void *arg)
{
    const struct new_branch *to = arg;
    memcpy(row->parent, to->parent->timeline, sizeof row->parent);
    row->branch_lsn = to->lsn;
    row->slices = to->parent->slices;
}

enum qr_status qr_registry_set_branch(struct qr_registry *registry, uint32_t id,
                                      const struct qr_database_row *parent, uint64_t branch_lsn,
                                      struct qr_err *err)
{
    return qri_registry_change(registry, id, change_branch,
                               &(struct new_branch){parent, branch_lsn}, err);
}

static void change_retention(struct qr_database_row *row, const void *arg)
{
    row->retention_days = *(const uint32_t *)arg;
}

enum qr_status qr_registry_set_retention(struct qr_registry *registry, uint32_t id, uint32_t days,
                                         struct qr_err *err)
{
    if (days < QR_RETENTION_DAYS_MIN || days > QR_RETENTION_DAYS_MAX)
        return qr_fail(err, QR_INVALID, "Backups are kept for %d to %d days.",
                       QR_RETENTION_DAYS_MIN, QR_RETENTION_DAYS_MAX);
    return qri_registry_change(registry, id, change_retention, &days, err);
}

static void change_slices(struct qr_database_row *row, const void *arg)
{
    uint32_t slices = *(const uint32_t *)arg;
    row->slices = slices > row->slices ? slices : row->slices;
}

enum qr_status qr_registry_grow_database(struct qr_registry *registry, uint32_t id, uint32_t slices,
                                         struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_id(registry, id, &row) == QR_OK && !qr_database_is_hyper(&row))
        return qr_fail(err, QR_INVALID, "database %u has no slices", id);
    if (slices > QR_SLICES_MAX)
        return qr_fail(err, QR_FULL, "a database has at most %d slices", QR_SLICES_MAX);
    return qri_registry_change(registry, id, change_slices, &slices, err);
}

enum qr_status qr_registry_find_dropped(struct qr_registry *registry, struct qr_str name,
                                        int64_t dropped_wall_ns, struct qr_database_row *ret_row)
{
    struct qr_database_row row;
    bool found = false;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++) {
        /* who asks has the time in milliseconds */
        bool of_then =
            dropped_wall_ns == 0 || row.dropped_wall_ns / 1000000 == dropped_wall_ns / 1000000;
        if (row.state != QR_DATABASE_DROPPED || !qr_str_ieqz(name, row.name) || !of_then ||
            (found && row.dropped_wall_ns < ret_row->dropped_wall_ns))
            continue;
        *ret_row = row;
        found = true;
    }
    return found ? QR_OK : QR_NOT_FOUND;
}
