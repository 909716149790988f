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
