/* slo.c - see ctl/slo.h */
#include "ctl/slo.h"
#include "base/banned.h"

static const struct qr_slo rows[] = {
#include "slo_table.h"
};

size_t qr_slo_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct qr_slo *qr_slo_at(size_t index)
{
    return &rows[index];
}

const struct qr_slo *qr_slo_find(struct qr_str name)
{
    for (size_t i = 0; i < qr_slo_count(); i++)
        if (qr_str_ieqz(name, rows[i].name))
            return &rows[i];
    return NULL;
}

const struct qr_slo *qr_slo_default(struct qr_str edition)
{
    static const char *const preferred[] = {"GP_Gen5_2", "BC_Gen5_2", "HS_Gen5_2",
                                            "Basic",     "S0",        "P1"};
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++) {
        const struct qr_slo *slo = qr_slo_find(qr_str(preferred[i]));
        if (slo != NULL && qr_str_ieqz(edition, slo->edition))
            return slo;
    }
    return NULL;
}

/* ---- sizes ---- */

#define MIB UINT64_C(1048576)
#define GIB (UINT64_C(1024) * MIB)

/* Quarters up to 2.5, then the sizes that objectives have (those that az and the azurerm provider
 * take). */
static const uint32_t min_capacities[] = {50,   75,   100,  125,  150,  175,  200,  225,
                                          250,  300,  400,  500,  600,  800,  1000, 1200,
                                          1400, 1600, 1800, 2000, 2400, 3200, 4000};
enum { MIN_CAPACITIES = sizeof min_capacities / sizeof min_capacities[0] };
_Static_assert((int)MIN_CAPACITIES < (int)QR_SLO_MIN_CAPACITIES_MAX, "and its own capacity");

size_t qr_slo_min_capacities(const struct qr_slo *slo, uint32_t dst[QR_SLO_MIN_CAPACITIES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < MIN_CAPACITIES; i++)
        if (min_capacities[i] >= slo->min_capacity_pct && min_capacities[i] < slo->capacity * 100)
            dst[count++] = min_capacities[i];
    dst[count++] = slo->capacity * 100;
    return count;
}

bool qr_slo_takes_min_capacity(const struct qr_slo *slo, uint32_t min_capacity_pct)
{
    uint32_t all[QR_SLO_MIN_CAPACITIES_MAX];
    size_t count = qr_slo_min_capacities(slo, all), i = 0;
    while (i < count && all[i] != min_capacity_pct)
        i++;
    return i < count;
}

uint64_t qr_slo_min_memory(const struct qr_slo *slo, uint32_t min_capacity_pct)
{
    uint64_t bytes = min_capacity_pct * QR_SLO_MEMORY_GIB_PER_VCORE * GIB / 100;
    return bytes > slo->min_memory_bytes ? bytes : slo->min_memory_bytes;
}

uint32_t qr_slo_billed_min_milli(const struct qr_slo *slo, uint32_t min_capacity_pct)
{
    uint64_t memory =
        qr_slo_min_memory(slo, min_capacity_pct) / MIB * 1000 / 1024 / QR_SLO_MEMORY_GIB_PER_VCORE;
    uint32_t cpu = min_capacity_pct * 10;
    return memory > cpu ? (uint32_t)memory : cpu;
}

/* What DTU tiers can be bounded by; from 1 TiB on by steps. */
static const uint64_t dtu_sizes[] = {100 * MIB, 250 * MIB, 500 * MIB, 1 * GIB,   2 * GIB,
                                     5 * GIB,   10 * GIB,  20 * GIB,  30 * GIB,  40 * GIB,
                                     50 * GIB,  100 * GIB, 150 * GIB, 200 * GIB, 250 * GIB,
                                     300 * GIB, 400 * GIB, 500 * GIB, 750 * GIB, 1024 * GIB};
static const uint64_t DTU_STEP = 256 * GIB, DTU_STEPS_FROM = 1024 * GIB;

uint64_t qr_slo_default_max_bytes(const struct qr_slo *slo)
{
    static const struct {
        const char *edition;
        uint64_t bytes;
    } defaults[] = {{"Basic", 2 * GIB}, {"Standard", 250 * GIB}, {"Premium", 500 * GIB}};
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (qr_str_ieqz(qr_str(slo->edition), defaults[i].edition))
            return slo->max_data_bytes > DTU_STEPS_FROM ? DTU_STEPS_FROM : defaults[i].bytes;
    return 32 * GIB;
}

uint64_t qr_slo_least_max_bytes(const struct qr_slo *slo)
{
    return slo->is_dtu ? dtu_sizes[0] : GIB;
}

bool qr_slo_takes_max_bytes(const struct qr_slo *slo, uint64_t max_bytes)
{
    if (max_bytes == 0 || max_bytes > slo->max_data_bytes)
        return false;
    if (!slo->is_dtu)
        return max_bytes % GIB == 0;
    for (size_t i = 0; i < sizeof dtu_sizes / sizeof dtu_sizes[0]; i++)
        if (max_bytes == dtu_sizes[i])
            return true;
    return max_bytes > DTU_STEPS_FROM && max_bytes % DTU_STEP == 0;
}
