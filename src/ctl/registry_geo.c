/* registry_geo.c - see ctl/registry.h: rows of geo-secondaries.
 *
 * A secondary is a row like any other, with an id, a timeline and files of its own, that names its
 * primary as long as it follows it. An epoch of their files is given once, whoever had them before:
 * whoever becomes a database of its own begins far above all that its primary can have begun. */
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum { EPOCH_SHIFT = 20 }; /* so many times are files opened between two failovers, at most */

bool qr_registry_next_geo(struct qr_registry *registry, uint32_t after,
                          struct qr_database_row *ret_row)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; !found && i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        found = row->geo_of != 0 && row->id > after && qr_database_is_live(row);
        if (found)
            *ret_row = *row;
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

bool qr_registry_has_followers(struct qr_registry *registry, uint32_t id)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; !found && i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        found = (row->geo_of == id || row->replica_of == id) && qr_database_is_live(row);
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

bool qr_registry_find_geo(struct qr_registry *registry, uint32_t primary_id, uint32_t server,
                          struct qr_database_row *ret_row)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; !found && i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        found = row->geo_of == primary_id && qr_database_is_live(row) &&
                (server == QR_SERVER_ANY || qr_server_of(row->id) == server);
        if (found)
            *ret_row = *row;
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

enum qr_status qri_registry_link(const struct qr_registry *registry,
                                 const struct qr_database_row *primary, struct qr_database_row *row,
                                 struct qr_err *err)
{
    uint32_t others = 0;
    for (size_t i = 0; i < registry->count; i++) {
        const struct qr_database_row *other = &registry->entries[i].row;
        if (other->geo_of != primary->id || !qr_database_is_live(other))
            continue;
        if (qr_server_of(other->id) == qr_server_of(row->id))
            return qr_sql_fail(err, 40688, primary->name, primary->server, other->name,
                               other->server);
        others++;
    }
    if (others >= QR_GEO_SECONDARIES_MAX)
        return qr_sql_fail(err, 40689, primary->name, (int)QR_GEO_SECONDARIES_MAX);
    row->geo_of = primary->id;
    memcpy(row->owner, primary->owner, sizeof row->owner);
    return QR_OK;
}

static uint64_t next_epoch(uint64_t a, uint64_t b)
{
    return (((a > b ? a : b) >> EPOCH_SHIFT) + 1) << EPOCH_SHIFT;
}

static enum qr_status end_geo(struct qr_registry *registry, uint32_t id, bool swap,
                              struct qr_err *err)
{
    const struct qri_entry *entry = qri_registry_entry(registry, id);
    if (entry == NULL)
        return qr_fail(err, QR_NOT_FOUND, "database %u is not there any more", id);
    if (entry->row.geo_of == 0) /* it has been done */
        return QR_OK;
    struct qri_changes c = {.registry = registry, .count = 1, .rows = {entry->row}};
    const struct qri_entry *primary = qri_registry_entry(registry, entry->row.geo_of);
    struct qr_database_row *own = &c.rows[0];
    own->geo_of = 0;
    own->primary = own->members = 0;
    own->first_backup_wall_ns = 0;
    own->epoch = next_epoch(own->epoch, primary == NULL ? 0 : primary->row.epoch);
    if (swap && primary != NULL) {
        c.rows[c.count] = primary->row;
        c.rows[c.count].geo_of = id;
        c.rows[c.count].primary = c.rows[c.count].members = 0;
        c.rows[c.count++].epoch = own->epoch;
    }
    for (size_t i = 0; swap && i < registry->count && c.count < QRI_CHANGES_MAX; i++) {
        const struct qr_database_row *other = &registry->entries[i].row;
        if (primary == NULL || other->geo_of != primary->row.id || other->id == id)
            continue;
        c.rows[c.count] = *other;
        c.rows[c.count++].geo_of = id;
    }
    return qri_registry_put_all(&c, err);
}

enum qr_status qr_registry_end_geo(struct qr_registry *registry, uint32_t id, bool swap,
                                   struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = end_geo(registry, id, swap, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}
