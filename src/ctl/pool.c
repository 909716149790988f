/* pool.c - see ctl/pool.h */
#include "ctl/pool.h"
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

#define GIB (UINT64_C(1) << 30)
static const uint64_t DEFAULT_BYTES = 32 * GIB; /* of vCores, as in Azure */
enum { PCT = 100 };

static const struct qr_pool_size rows[] = {
#include "pools_table.h"
};

/* ---- the table ---- */

size_t qr_pool_size_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct qr_pool_size *qr_pool_size_at(size_t index)
{
    return &rows[index];
}

const struct qr_pool_size *qr_pool_size_find(struct qr_str name)
{
    for (size_t i = 0; i < qr_pool_size_count(); i++)
        if (qr_str_ieqz(name, rows[i].name))
            return &rows[i];
    return NULL;
}

const struct qr_pool_size *qr_pool_size_default(struct qr_str edition)
{
    static const char *const preferred[] = {"GP_Gen5_2", "BC_Gen5_4", "BasicPool_50",
                                            "StandardPool_50", "PremiumPool_125"};
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++) {
        const struct qr_pool_size *size = qr_pool_size_find(qr_str(preferred[i]));
        if (size != NULL && qr_str_ieqz(edition, size->edition))
            return size;
    }
    return NULL;
}

bool qr_pool_choice_at(const char *choices, size_t index, uint32_t *ret_pct)
{
    for (; index > 0 && *choices != '\0'; index--) {
        choices += strcspn(choices, " ");
        choices += strspn(choices, " ");
    }
    uint32_t pct = 0, unit = PCT;
    size_t i = 0;
    for (; choices[i] >= '0' && choices[i] <= '9'; i++)
        pct = pct * 10 + (uint32_t)(choices[i] - '0') * PCT;
    if (i > 0 && choices[i] == '.')
        for (i++; choices[i] >= '0' && choices[i] <= '9'; i++)
            pct += (uint32_t)(choices[i] - '0') * (unit /= 10);
    *ret_pct = pct;
    return i > 0;
}

/* ---- what a wish leads to ---- */

static bool is_choice(const char *choices, uint32_t capacity, uint32_t pct)
{
    uint32_t choice;
    if (*choices == '\0')
        return pct % PCT == 0 && pct <= capacity * PCT;
    for (size_t i = 0; qr_pool_choice_at(choices, i, &choice); i++)
        if (choice == pct)
            return true;
    return false;
}

static uint32_t largest_choice(const struct qr_pool_size *size)
{
    uint32_t choice, most = *size->maxima == '\0' ? size->capacity * PCT : 0;
    for (size_t i = 0; qr_pool_choice_at(size->maxima, i, &choice); i++)
        most = choice > most ? choice : most;
    return most;
}

/* "StandardPool_60" names no row: what is wrong with it. */
static enum qr_status refuse_size(struct qr_str name, struct qr_err *err)
{
    size_t at = name.n;
    uint32_t least = UINT32_MAX, most = 0, capacity = 0;
    const struct qr_pool_size *of_sku = NULL;
    while (at > 0 && name.p[at - 1] >= '0' && name.p[at - 1] <= '9')
        at--;
    for (size_t i = at; i < name.n && i < at + 9; i++)
        capacity = capacity * 10 + (uint32_t)(name.p[i] - '0');
    for (size_t i = 0; at > 1 && i < qr_pool_size_count(); i++) {
        if (!qr_str_ieqz(qr_str_n(name.p, at - 1), rows[i].sku))
            continue;
        of_sku = &rows[i];
        least = of_sku->capacity < least ? of_sku->capacity : least;
        most = of_sku->capacity > most ? of_sku->capacity : most;
    }
    if (of_sku == NULL)
        return qr_fail(err, QR_INVALID, "There is no elastic pool of the size '%.*s'.", (int)name.n,
                       name.p);
    if (!of_sku->is_dtu)
        return qr_fail(err, QR_INVALID, "An elastic pool of '%s' does not come with %u vCores.",
                       of_sku->sku, capacity);
    if (capacity == 0)
        return qr_sql_fail(err, 40872, 0);
    if (capacity < least)
        return qr_sql_fail(err, 40864, (int)least, of_sku->edition);
    if (capacity > most)
        return qr_sql_fail(err, 40865, (int)most, of_sku->edition);
    return qr_sql_fail(err, 40874, (int)capacity, of_sku->edition);
}

static enum qr_status check_bytes(const struct qr_pool_size *size, uint64_t bytes,
                                  struct qr_err *err)
{
    bool good = bytes > 0 && (bytes % GIB == 0 || bytes == size->max_bytes);
    if (bytes > size->max_bytes)
        return qr_sql_fail(err, 40875, (int)(size->max_bytes / GIB), size->edition);
    if (*size->storages != '\0' && bytes != size->max_bytes && bytes != size->included_bytes)
        good = good && is_choice(size->storages, 0, (uint32_t)(bytes / GIB) * PCT);
    return good ? QR_OK : qr_sql_fail(err, 40866, (int)(bytes / GIB));
}

/* Of vCores: Azure's messages are of DTUs. */
static enum qr_status check_vcores(const struct qr_pool_row *row, const struct qr_pool_size *size,
                                   struct qr_err *err)
{
    bool good = is_choice(size->minima, size->capacity, row->min_pct) && row->max_pct > 0 &&
                is_choice(size->maxima, size->capacity, row->max_pct) &&
                row->min_pct <= row->max_pct;
    return good ? QR_OK
                : qr_fail(err, QR_INVALID,
                          "A database in an elastic pool '%s' has at least one of (%s) vCores and "
                          "at most one of (%s), and the least is not above the most.",
                          size->name, *size->minima == '\0' ? "any whole number" : size->minima,
                          *size->maxima == '\0' ? "any whole number" : size->maxima);
}

static enum qr_status check_dtus(const struct qr_pool_row *row, const struct qr_pool_size *size,
                                 struct qr_err *err)
{
    uint32_t least = 0, most = largest_choice(size);
    int min = (int)(row->min_pct / PCT), max = (int)(row->max_pct / PCT);
    (void)qr_pool_choice_at(size->maxima, 0, &least);
    if (row->max_pct < least)
        return qr_sql_fail(err, 40867, (int)(least / PCT), size->edition);
    if (row->max_pct > most)
        return qr_sql_fail(err, 40868, (int)(most / PCT), size->edition);
    if (!is_choice(size->maxima, size->capacity, row->max_pct))
        return qr_sql_fail(err, 40869, max, size->edition);
    if (row->min_pct > most)
        return qr_sql_fail(err, 40870, (int)(most / PCT), size->edition);
    if (!is_choice(size->minima, size->capacity, row->min_pct))
        return qr_sql_fail(err, 40871, min, size->edition);
    return min <= max ? QR_OK : qr_sql_fail(err, 40891, min, max);
}

static enum qr_status choose_size(const struct qr_pool_wish *wish, const struct qr_pool_row *row,
                                  const struct qr_pool_size **ret_size, struct qr_err *err)
{
    const struct qr_pool_size *before = qr_pool_size_find(qr_str(row->size));
    const struct qr_pool_size *size = wish->size.n > 0 ? qr_pool_size_find(wish->size)
                                      : before != NULL
                                          ? before
                                          : qr_pool_size_default(qr_str("GeneralPurpose"));
    if (size == NULL)
        return refuse_size(wish->size, err);
    if (before != NULL && !qr_str_ieqz(qr_str(before->edition), size->edition))
        return qr_sql_fail(err, 40900);
    *ret_size = size;
    return QR_OK;
}

enum qr_status qr_pool_apply(const struct qr_pool_wish *wish, struct qr_pool_row *row,
                             struct qr_err *err)
{
    const struct qr_pool_size *before = qr_pool_size_find(qr_str(row->size)), *size = NULL;
    struct qr_pool_row changed = *row;
    QR_TRY(choose_size(wish, row, &size, err));
    snprintf(changed.size, sizeof changed.size, "%s", size->name);
    bool had_most = before == NULL || row->max_pct == largest_choice(before);
    if (wish->max_bytes != 0)
        changed.max_bytes = wish->max_bytes;
    else if (before == NULL)
        changed.max_bytes = size->is_dtu ? size->included_bytes : DEFAULT_BYTES;
    else if (before != size && (size->is_dtu || changed.max_bytes > size->max_bytes))
        changed.max_bytes = size->is_dtu ? size->included_bytes : size->max_bytes;
    if (wish->max_pct != 0)
        changed.max_pct = wish->max_pct - 1;
    else if (had_most || changed.max_pct > largest_choice(size)) /* it follows the pool's size */
        changed.max_pct = largest_choice(size);
    if (wish->min_pct != 0)
        changed.min_pct = wish->min_pct - 1;
    QR_TRY(check_bytes(size, changed.max_bytes, err));
    QR_TRY(size->is_dtu ? check_dtus(&changed, size, err) : check_vcores(&changed, size, err));
    if (wish->traits.license != 0)
        changed.license = wish->traits.license;
    if (changed.license == 0 || size->is_dtu)
        changed.license = size->is_dtu ? 0 : QR_LICENSE_INCLUDED;
    if (wish->traits.zone_redundant != 0)
        changed.zone_redundant = wish->traits.zone_redundant;
    if (changed.zone_redundant == 0)
        changed.zone_redundant = QR_SAID_NO;
    if (wish->tags.n > 0) {
        QR_TRY(qri_check_tags(wish->tags, err));
        (void)qri_copy_text(changed.tags, sizeof changed.tags, wish->tags);
    }
    *row = changed;
    return QR_OK;
}

/* ---- what a database in it gets ---- */

const struct qr_slo *qr_pool_database_slo(const struct qr_pool_row *row)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(row->size));
    const struct qr_slo *found = NULL, *least = NULL;
    for (size_t i = 0; size != NULL && i < qr_slo_count(); i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (strcmp(slo->edition, size->edition) != 0 || strcmp(slo->family, size->family) != 0 ||
            slo->is_serverless)
            continue;
        if (least == NULL || slo->capacity < least->capacity)
            least = slo;
        if (slo->capacity * PCT <= row->max_pct &&
            (found == NULL || slo->capacity > found->capacity))
            found = slo;
    }
    return found != NULL ? found : least;
}

uint64_t qr_pool_database_max_bytes(const struct qr_pool_row *row)
{
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(row->size));
    if (size == NULL)
        return 0;
    return size->database_max_bytes != 0 ? size->database_max_bytes : size->max_bytes;
}
