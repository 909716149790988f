/* registry_quota.c - see registry_int.h: what fits one logical server. A database in an elastic
 * pool takes nothing of the server's vCores and DTUs; its pool does. Only what grows is refused. */
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

/* Of all but that database and that pool. */
static struct use use_of(const struct qr_registry *registry, uint32_t server, uint32_t but_database,
                         uint32_t but_pool)
{
    struct use use = {{0, 0}, 0};
    for (size_t i = 0; i < registry->count; i++) {
        const struct qri_entry *other = &registry->entries[i];
        if (!qr_database_is_live(&other->row) || qr_server_of(other->row.id) != server ||
            qr_is_master(other->row.id))
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
