/* ctl/slo.h - service objectives, generated from data/slo.csv. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

struct qr_slo {
    const char *name;        /* "GP_Gen5_2" */
    const char *edition;     /* "GeneralPurpose" */
    uint64_t max_data_bytes; /* 0: the table states none */
};

size_t qr_slo_count(void);
const struct qr_slo *qr_slo_at(size_t index);
const struct qr_slo *qr_slo_find(struct qr_str name); /* without case; NULL if none */
const struct qr_slo *
qr_slo_default(struct qr_str edition); /* what a database of that edition gets; NULL if none */
