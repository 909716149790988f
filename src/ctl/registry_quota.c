/* registry_quota.c - see registry_int.h: what fits one logical server. A database in an elastic
 * pool takes nothing of the server's vCores and DTUs; its pool does. Only what grows is refused.
 *
 * While a database's data moves it counts as the largest that it may be at the end: where it goes
 * (its target's row), and where it comes from, in case that it has to go back. So nobody else takes
 * what one of the two ends needs. */
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum {
    DATABASES_MAX = QRI_DATABASES_MAX,
    ROWS_MAX = QRI_ROWS_MAX,
    DTUS_MAX = 54000,
    VCORES_MAX = 540
};

struct use {
    uint64_t sums[2]; /* vCores, DTUs */
    size_t live;
};

static uint64_t units_of(const struct qr_slo *slo, bool is_dtu)
{
    return slo != NULL && slo->is_dtu == is_dtu ? slo->capacity : 0;
}

/* What a target keeps for its database beyond what that one's own row counts. */
static uint64_t kept_by(struct qr_registry *registry, const struct qri_entry *target, bool is_dtu)
{
    const struct qri_entry *owner = qri_registry_entry(registry, target->row.moved_to);
    uint64_t own = owner == NULL ? 0 : units_of(owner->slo, is_dtu);
    uint64_t wanted = units_of(target->slo, is_dtu);
    if (is_dtu && target->row.reserved_dtus > wanted)
        wanted = target->row.reserved_dtus;
    return wanted > own ? wanted - own : 0;
}

/* Of all but that database and that pool. */
static struct use use_of(struct qr_registry *registry, uint32_t server, uint32_t but_database,
                         uint32_t but_pool)
{
    struct use use = {{0, 0}, 0};
    for (size_t i = 0; i < registry->count; i++) {
        const struct qri_entry *other = &registry->entries[i];
        if (qr_server_of(other->row.id) != server || qr_is_master(other->row.id))
            continue;
        bool keeps = other->row.moved_to != 0 && other->row.state == QR_DATABASE_CREATING &&
                     other->row.moved_to != but_database;
        for (int is_dtu = 0; keeps && is_dtu < 2; is_dtu++)
            use.sums[is_dtu] += kept_by(registry, other, is_dtu != 0);
        if (!qr_database_is_live(&other->row))
            continue;
        use.live += 1;
        if (other->row.id != but_database && other->slo != NULL)
            use.sums[other->slo->is_dtu] += other->slo->capacity;
    }
    for (size_t i = 0; i < registry->pool_count; i++) {
        const struct qr_pool_row *pool = &registry->pools[i].row;
        const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool->size));
        if (pool->server == server && pool->number != but_pool && size != NULL)
            use.sums[size->is_dtu] += size->capacity;
    }
    return use;
}

static enum qr_status check_sum(const struct use *use, bool is_dtu, uint32_t capacity,
                                struct qr_err *err)
{
    if (use->sums[is_dtu] + capacity <= (is_dtu ? DTUS_MAX : VCORES_MAX))
        return QR_OK;
    return is_dtu ? qr_sql_fail(err, 40847, DTUS_MAX)
                  : qr_sql_fail(err, 40904, "vCore", VCORES_MAX);
}

enum qr_status qri_registry_check_quota_held(struct qr_registry *registry,
                                             const struct qr_database_row *row, bool is_new,
                                             struct qr_err *err)
{
    const struct qri_entry *entry = is_new ? NULL : qri_registry_entry(registry, row->id);
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective)),
                        *before = entry == NULL ? NULL : entry->slo;
    if (qr_is_master(row->id) || qr_str_ieqz(qr_str(row->name), "master"))
        return QR_OK;
    struct use use = use_of(registry, qr_server_of(row->id), is_new ? 0 : row->id, 0);
    if (is_new && (use.live >= DATABASES_MAX || registry->count >= ROWS_MAX))
        return qr_sql_fail(err, 40604, "create the database");
    if (row->pool[0] != '\0')
        return qri_registry_check_in_pool(registry, row, err);
    bool grows =
        before == NULL || before->is_dtu != slo->is_dtu || before->capacity < slo->capacity;
    return grows ? check_sum(&use, slo->is_dtu, slo->capacity, err) : QR_OK;
}

enum qr_status qri_registry_check_quota(struct qr_registry *registry,
                                        const struct qr_database_row *row, struct qr_err *err)
{
    pthread_mutex_lock(&registry->mu);
    enum qr_status status = qri_registry_check_quota_held(registry, row, false, err);
    pthread_mutex_unlock(&registry->mu);
    return status;
}

enum qr_status qri_registry_check_pool_quota(struct qr_registry *registry,
                                             const struct qr_pool_row *row, struct qr_err *err)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(row->size)), *before = NULL;
    for (size_t i = 0; i < registry->pool_count; i++)
        if (registry->pools[i].row.server == row->server &&
            registry->pools[i].row.number == row->number)
            before = qr_pool_size_find(qr_str(registry->pools[i].row.size));
    if (size == NULL || (before != NULL && before->capacity >= size->capacity))
        return QR_OK;
    struct use use = use_of(registry, row->server, 0, row->number);
    return check_sum(&use, size->is_dtu, size->capacity, err);
}
