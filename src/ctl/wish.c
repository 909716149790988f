/* wish.c - see registry_int.h: what CREATE and ALTER DATABASE wish, checked against the tables of
 * objectives and sizes */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum { SLICES_DEFAULT = 1, AUTO_PAUSE_DEFAULT = 60 };

static bool is_hyperscale(struct qr_str edition)
{
    return qr_str_ieqz(edition, "Hyperscale");
}

static void cut(char dst[QR_NAME_BYTES_MAX + 1], struct qr_str s)
{
    if (!qri_copy_text(dst, QR_NAME_BYTES_MAX + 1, s))
        dst[0] = '\0';
}

/* ---- pools ---- */

/* Nothing is wished that would take it out of the pool that it is in. */
static bool stays_in_pool(const struct qr_database_wish *wish, const struct qr_database_row *row)
{
    return row->pool[0] != '\0' &&
           (wish->edition.n == 0 || qr_str_ieqz(wish->edition, row->edition)) &&
           (wish->objective.n == 0 || qr_str_ieqz(wish->objective, QR_POOL_OBJECTIVE));
}

static enum qr_status choose_in_pool(const struct qr_database_wish *wish,
                                     const struct qr_pool_row *pool,
                                     const struct qr_database_row *row,
                                     const struct qr_slo **ret_slo, struct qr_err *err)
{
    char text[QR_NAME_BYTES_MAX + 1];
    const struct qr_slo *slo = qr_pool_database_slo(pool);
    if (slo == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "no objective is like the elastic pool '%s'",
                       pool->name);
    if (wish->objective.n > 0 && !qr_str_ieqz(wish->objective, QR_POOL_OBJECTIVE)) {
        cut(text, wish->objective);
        return qr_sql_fail(err, 40860, pool->name, text);
    }
    if (wish->edition.n > 0 && is_hyperscale(wish->edition))
        return qr_sql_fail(err, 40859, "Hyperscale");
    if (wish->edition.n > 0 && !qr_str_ieqz(wish->edition, slo->edition)) {
        cut(text, wish->edition);
        return qr_sql_fail(err, 40861, text, slo->edition);
    }
    if (row->replica_of != 0)
        return qr_sql_fail(err, 40859, "Hyperscale");
    *ret_slo = slo;
    return QR_OK;
}

/* The objective of a wish, or of the row, or the edition's own. */
static enum qr_status choose_objective(const struct qr_database_wish *wish,
                                       const struct qr_database_row *row,
                                       const struct qr_slo **ret_slo, struct qr_err *err)
{
    struct qr_str edition = wish->edition.n != 0 ? wish->edition : qr_str(row->edition);
    const struct qr_slo *slo = NULL;
    char text[QR_NAME_BYTES_MAX + 1];
    cut(text, edition);
    if (wish->edition.n != 0 && qr_slo_default(edition) == NULL)
        return qr_sql_fail(err, 40633, text);
    if (qr_str_ieqz(wish->objective, QR_POOL_OBJECTIVE))
        return qr_sql_fail(err, 40862);
    if (wish->objective.n != 0) {
        slo = qr_slo_find(wish->objective);
        cut(text, wish->objective);
        if (slo == NULL)
            return qr_sql_fail(err, 40804, text);
        if (wish->edition.n == 0)
            edition = qr_str(slo->edition);
    } else {
        slo = qr_slo_find(qr_str(row->objective));
        if (slo == NULL || !qr_str_ieqz(edition, slo->edition))
            slo = qr_slo_default(edition);
    }
    if (slo == NULL) { /* a row of a later release */
        cut(text, edition);
        return qr_sql_fail(err, 40633, text);
    }
    if (!qr_str_ieqz(edition, slo->edition)) {
        const struct qr_slo *of_edition = qr_slo_default(edition);
        return qr_sql_fail(err, 40808, of_edition == NULL ? "" : of_edition->edition, slo->name);
    }
    *ret_slo = slo;
    return QR_OK;
}

/* A new edition has a size of its own unless one is said; from Hyperscale, the most there is. */
static enum qr_status apply_size(const struct qr_database_wish *wish, const struct qr_slo *slo,
                                 struct qr_database_row *row, struct qr_err *err)
{
    bool hyper = is_hyperscale(qr_str(slo->edition)), was_hyper = qr_database_is_hyper(row);
    bool same = qr_str_ieqz(qr_str(row->edition), slo->edition);
    uint64_t max_bytes = wish->max_bytes != 0 ? wish->max_bytes
                         : was_hyper          ? slo->max_data_bytes
                         : same               ? row->max_bytes
                                              : qr_slo_default_max_bytes(slo);
    bool fits = hyper ? wish->max_bytes == 0 /* it grows as it needs to, there is nothing to set */
                : wish->max_bytes == 0 && same ? max_bytes <= slo->max_data_bytes
                                               : qr_slo_takes_max_bytes(slo, max_bytes);
    if (!fits) {
        char text[QR_NAME_BYTES_MAX + 1];
        cut(text, wish->max_text);
        if (text[0] == '\0')
            snprintf(text, sizeof text, "%llu", (unsigned long long)max_bytes);
        return qr_sql_fail(err, 40619, slo->edition, text);
    }
    row->max_bytes = hyper ? 0 : max_bytes;
    row->slices = hyper ? (row->slices == 0 ? SLICES_DEFAULT : row->slices) : 0;
    return QR_OK;
}

static enum qr_status apply_replicas(const struct qr_database_wish *wish, const struct qr_slo *slo,
                                     struct qr_database_row *row, struct qr_err *err)
{
    bool hyper = is_hyperscale(qr_str(slo->edition));
    if (wish->ha_replicas > 0 && (!hyper || wish->ha_replicas > QR_HA_REPLICAS_MAX + 1))
        return qr_fail(err, QR_INVALID, "HA_REPLICAS is 0 to %d, of a database in Hyperscale.",
                       QR_HA_REPLICAS_MAX);
    if (wish->ha_replicas > 0)
        row->ha_replicas = wish->ha_replicas - 1;
    return QR_OK;
}

/* ---- traits ---- */

/* The delay that is said; or the one it has, which another tier may not allow: then never. */
static enum qr_status apply_delay(int32_t said, const struct qr_slo *slo,
                                  struct qr_database_traits *traits, struct qr_err *err)
{
    int32_t least = (int32_t)slo->pause_minutes_min, most = (int32_t)slo->pause_minutes_max;
    int32_t has = traits->auto_pause_minutes;
    if (said != 0 && said != -1 && (said < least || said > most))
        return qr_fail(err, QR_INVALID,
                       "The auto-pause delay of '%s' is %d to %d minutes, or -1 for never.",
                       slo->name, least, most);
    if (said != 0)
        traits->auto_pause_minutes = said;
    else if (has == 0)
        traits->auto_pause_minutes = AUTO_PAUSE_DEFAULT;
    else if (has < least)
        traits->auto_pause_minutes = -1;
    return QR_OK;
}

static enum qr_status apply_serverless(const struct qr_database_traits *said,
                                       const struct qr_slo *slo, struct qr_database_traits *traits,
                                       struct qr_err *err)
{
    uint32_t least = said->min_capacity_pct, has = traits->min_capacity_pct;
    if (!slo->is_serverless) { /* what a client echoes of the tier before */
        traits->auto_pause_minutes = 0;
        traits->min_capacity_pct = 0;
        return QR_OK;
    }
    if (least == 0) /* within what the objective allows */
        least = has < slo->min_capacity_pct ? slo->min_capacity_pct
                : has > slo->capacity * 100 ? slo->capacity * 100
                                            : has;
    if (said->min_capacity_pct != 0 && !qr_slo_takes_min_capacity(slo, least))
        return qr_fail(err, QR_INVALID,
                       "The service level objective '%s' does not support the min capacity '%g'.",
                       slo->name, least / 100.0);
    QR_TRY(apply_delay(said->auto_pause_minutes, slo, traits, err));
    traits->min_capacity_pct = least;
    return QR_OK;
}

static enum qr_status apply_traits(const struct qr_database_wish *wish, const struct qr_slo *slo,
                                   bool is_new, struct qr_database_row *row, struct qr_err *err)
{
    const struct qr_database_traits *said = &wish->traits;
    struct qr_database_traits *traits = &row->traits;
    struct qr_str edition = qr_str(slo->edition);
    bool hyper = is_hyperscale(edition);
    bool reads =
        hyper || qr_str_ieqz(edition, "BusinessCritical") || qr_str_ieqz(edition, "Premium");
    bool moves = !is_new && !qr_str_ieqz(edition, row->edition);
    if (said->read_scale == QR_SAID_YES && !reads && !moves)
        return qr_sql_fail(err, 45148, "Read scale-out", slo->edition);
    if (hyper && !is_new && !moves && said->redundancy != 0 &&
        said->redundancy != traits->redundancy)
        return qr_sql_fail(err, 45151, "BackupStorageRedundancy", "Database");
    if (traits->read_scale == 0 || moves || !reads)
        traits->read_scale = reads ? QR_SAID_YES : QR_SAID_NO;
    if (said->read_scale != 0 && !moves)
        traits->read_scale = said->read_scale;
    if (traits->zone_redundant == 0)
        traits->zone_redundant = QR_SAID_NO;
    if (said->zone_redundant != 0)
        traits->zone_redundant = said->zone_redundant;
    if (traits->redundancy == 0)
        traits->redundancy = QR_REDUNDANCY_LOCAL;
    if (said->redundancy != 0)
        traits->redundancy = said->redundancy;
    if (traits->license == 0)
        traits->license = QR_LICENSE_INCLUDED;
    if (said->license != 0)
        traits->license = said->license;
    if (slo->is_dtu || slo->is_serverless)
        traits->license = 0;
    return apply_serverless(said, slo, traits, err);
}

enum qr_status qri_wish_apply(const struct qr_database_wish *wish, const struct qr_pool_row *pool,
                              struct qr_database_row *row, struct qr_err *err)
{
    const struct qr_slo *slo = NULL;
    bool is_new = row->edition[0] == '\0';
    bool pooled = pool != NULL && (wish->pool.n > 0 || stays_in_pool(wish, row));
    struct qr_database_row changed = *row;
    QR_TRY(pooled ? choose_in_pool(wish, pool, row, &slo, err)
                  : choose_objective(wish, row, &slo, err));
    struct qr_slo bound = *slo;
    if (pooled)
        bound.max_data_bytes = qr_pool_database_max_bytes(pool);
    QR_TRY(apply_size(wish, &bound, &changed, err));
    QR_TRY(apply_replicas(wish, slo, &changed, err));
    QR_TRY(apply_traits(wish, slo, is_new, &changed, err));
    snprintf(changed.edition, sizeof changed.edition, "%s", slo->edition);
    snprintf(changed.objective, sizeof changed.objective, "%s",
             pooled ? QR_POOL_OBJECTIVE : slo->name);
    snprintf(changed.pool, sizeof changed.pool, "%s", pooled ? pool->name : "");
    if (!qr_database_has_copies(&changed)) /* the epoch stays: none is given twice */
        changed.primary = changed.members = 0;
    *row = changed;
    return QR_OK;
}
