/* sysview_hardware.c - the processors and the memory that an objective stands for; see
 * sysview_governor_int.h. Of DTUs they are a table, of vCores the objective says them. */
#include <stdlib.h>
#include "sysview_governor_int.h"
#include "base/banned.h"

static const struct dtu_hardware {
    const char *objective, *edition;
    bool is_pool;
    uint32_t dtus;
    const char *generation;
    int schedulers, cap_cpu;
    int64_t memory_mb;
} dtu_hardware[] = {
#include "dtu_hardware.h"
};
enum { DTU_ROWS = sizeof dtu_hardware / sizeof dtu_hardware[0] };

static const struct dtu_hardware *find_dtu(const struct qr_database_info *info, uint32_t pool_dtus)
{
    bool in_pool = info->elastic_pool.n > 0;
    for (size_t i = 0; i < DTU_ROWS; i++) {
        const struct dtu_hardware *d = &dtu_hardware[i];
        if (in_pool ? d->is_pool && d->dtus == pool_dtus && qr_str_ieqz(info->edition, d->edition)
                    : !d->is_pool && qr_str_ieqz(info->service_objective, d->objective))
            return d;
    }
    return NULL;
}

/* "Gen5" of "GP_S_Gen5_2", "Fsv2" of "GP_Fsv2_8": what stands before the last number. */
static const char *generation_of(struct qr_str objective)
{
    static const char *const known[] = {"Gen4", "Gen5", "Fsv2", "DC", "M"};
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        for (size_t i = 0, n = strlen(known[k]); i + n < objective.n; i++)
            if (i > 0 && objective.p[i - 1] == '_' && objective.p[i + n] == '_' &&
                qr_str_ieqz(qr_str_n(objective.p + i, n), known[k]))
                return known[k];
    return "Gen5";
}

struct qri_hardware qri_sys_hardware(const struct qr_session *session,
                                     const struct qri_governed *governed)
{
    const struct qr_database_info *info = qri_info(session->db);
    const struct qr_gov_seen *group = qri_sys_own_group(governed, session);
    const struct qr_gov_seen *pool = group == NULL ? NULL : qri_sys_pool_of(governed, group);
    const struct qr_gov_seen *of = pool != NULL ? pool : group;
    const struct dtu_hardware *d = find_dtu(info, pool == NULL ? 0 : pool->limits.dtus);
    if (d != NULL)
        return (struct qri_hardware){d->generation, d->schedulers, d->cap_cpu, d->memory_mb,
                                     (int)d->dtus};
    uint32_t vcores_pct = of == NULL ? 0 : of->limits.vcores_pct;
    int schedulers = (int)((vcores_pct + 99) / 100);
    return (struct qri_hardware){.generation = generation_of(info->service_objective),
                                 .schedulers = schedulers == 0 ? 1 : schedulers,
                                 .cap_cpu = 100,
                                 .memory_mb =
                                     of == NULL ? 0 : (int64_t)(of->limits.memory_bytes >> 20)};
}
