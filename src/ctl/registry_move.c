/* registry_move.c - see ctl/registry.h: rows of a database whose data moves.
 *
 * The target is a row like a new database's, so that what makes, removes and gives up storage works
 * with it as it does with others; it has no name that anybody could say. When the data has moved,
 * the two rows change places as far as storage goes. */
#include <stdlib.h>
#include <string.h>
#include "registry_int.h"
#include "base/banned.h"

enum qr_status qr_registry_add_target(struct qr_registry *registry,
                                      const struct qr_database_row *wanted,
                                      struct qr_database_row *ret_target, struct qr_err *err)
{
    struct qr_database_row target = *wanted;
    target.state = QR_DATABASE_CREATING;
    target.moved_to = wanted->id;
    target.parent[0] = '\0';
    target.branch_lsn = 0;
    target.first_backup_wall_ns = 0;
    target.encrypted = 1;
    qri_new_guid(registry->env, target.guid);
    qri_new_timeline(registry->env, qri_region_of(wanted), target.timeline);
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = qri_registry_check_quota_held(registry, wanted, false, err);
    if (status == QR_OK)
        status = qri_registry_insert(registry, &target, err);
    pthread_mutex_unlock(&registry->mu);
    if (status == QR_OK)
        *ret_target = target;
    return status;
}

/* What of a row says where its data is, and of which tier that is. */
static void take_place(struct qr_database_row *to, const struct qr_database_row *from)
{
    memcpy(to->timeline, from->timeline, sizeof to->timeline);
    memcpy(to->parent, from->parent, sizeof to->parent);
    memcpy(to->edition, from->edition, sizeof to->edition);
    memcpy(to->objective, from->objective, sizeof to->objective);
    memcpy(to->pool, from->pool, sizeof to->pool);
    to->branch_lsn = from->branch_lsn;
    to->first_backup_wall_ns = from->first_backup_wall_ns;
    to->slices = from->slices;
    to->away = from->away;
    to->max_bytes = from->max_bytes;
    to->ha_replicas = from->ha_replicas;
    to->traits = from->traits;
    to->encrypted = from->encrypted;
}

enum qr_status qri_registry_put_all(struct qri_changes *c, struct qr_err *err)
{
    struct qr_meta_compare compares[QRI_CHANGES_MAX];
    struct qr_meta_op ops[QRI_CHANGES_MAX];
    char *texts[QRI_CHANGES_MAX] = {NULL};
    enum qr_status status = QR_OK;
    uint64_t version = 0;
    bool applied = false;
    for (size_t i = 0; i < c->count; i++) {
        json_t *object = qri_json_of_row(&c->rows[i]);
        texts[i] = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
        json_decref(object);
        if (texts[i] == NULL)
            status = qr_fail(err, QR_NOMEM, "switch a database");
        struct qr_str key = qri_database_key(c->rows[i].id, c->keys[i]);
        compares[i] =
            (struct qr_meta_compare){key, qri_registry_entry(c->registry, c->rows[i].id)->version};
        ops[i] = (struct qr_meta_op){.key = key, .value = qr_str(texts[i] == NULL ? "" : texts[i])};
    }
    if (status == QR_OK)
        status = qr_meta_txn(c->registry->meta, compares, c->count, ops, c->count, &applied,
                             &version, err);
    for (size_t i = 0; i < c->count; i++)
        free(texts[i]);
    if (status == QR_OK && !applied)
        return qr_fail(err, QR_BUSY, "metadata: a database has changed");
    for (size_t i = 0; status == QR_OK && i < c->count; i++)
        *qri_registry_entry(c->registry, c->rows[i].id) =
            (struct qri_entry){c->rows[i], version, qr_slo_find(qr_str(c->rows[i].objective))};
    return status;
}

static enum qr_status switch_rows(struct qr_registry *registry, uint32_t id, uint32_t target_id,
                                  struct qr_err *err)
{
    const struct qri_entry *live = qri_registry_entry(registry, id);
    const struct qri_entry *target = qri_registry_entry(registry, target_id);
    int64_t now = qr_env_wall_ns(registry->env);
    if (live == NULL || target == NULL || target->row.moved_to != id)
        return qr_fail(err, QR_NOT_FOUND, "there is no target for database %u", id);
    if (target->row.state == QR_DATABASE_DROPPED) /* it has been done */
        return QR_OK;
    struct qri_changes c = {.registry = registry, .count = 2, .rows = {live->row, live->row}};
    struct qr_database_row *former = &c.rows[1];
    take_place(&c.rows[0], &target->row);
    c.rows[0].era_wall_ns = now;
    c.rows[0].migrated_wall_ns = qr_database_is_hyper(&target->row) ? now : 0;
    former->id = target_id;
    memcpy(former->guid, target->row.guid, sizeof former->guid);
    former->state = QR_DATABASE_DROPPED;
    former->dropped_wall_ns = now;
    former->moved_to = id;
    former->leftovers = !qr_database_is_hyper(former);
    for (size_t i = 0; i < registry->count && c.count < QRI_CHANGES_MAX; i++) {
        const struct qr_database_row *other = &registry->entries[i].row;
        if (other->moved_to != id || other->id == target_id || other->state != QR_DATABASE_DROPPED)
            continue;
        c.rows[c.count] = *other; /* only the tier before this one can be restored */
        c.rows[c.count++].state = QR_DATABASE_PURGING;
    }
    return qri_registry_put_all(&c, err);
}

enum qr_status qr_registry_switch(struct qr_registry *registry, uint32_t id, uint32_t target_id,
                                  struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = switch_rows(registry, id, target_id, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qr_registry_find_former(struct qr_registry *registry, uint32_t id,
                                       struct qr_database_row *ret_row)
{
    enum qr_status status = QR_NOT_FOUND;
    pthread_mutex_lock(&registry->mu);
    for (size_t i = 0; i < registry->count; i++) {
        const struct qr_database_row *row = &registry->entries[i].row;
        if (row->moved_to != id || row->state != QR_DATABASE_DROPPED)
            continue;
        *ret_row = *row;
        status = QR_OK;
    }
    pthread_mutex_unlock(&registry->mu);
    return status;
}

static void change_cleaned(struct qr_database_row *row, const void *arg)
{
    (void)arg;
    row->leftovers = 0;
}

enum qr_status qr_registry_set_cleaned(struct qr_registry *registry, uint32_t id,
                                       struct qr_err *err)
{
    return qri_registry_change(registry, id, change_cleaned, NULL, err);
}
