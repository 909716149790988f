/* expr/language.h - SET LANGUAGE: names of months and days, order and first day of dates.
 *
 * Pure tables, any thread. Names are UTF-8; lists are separated by commas, as sys.syslanguages
 * shows them: months from January, days from Monday. */
#pragma once
#include "base/str.h"
#include "codec/datetime.h"

struct qr_language {
    int id;                   /* @@LANGID */
    const char *name, *alias; /* "Deutsch", "German" */
    enum qr_dateformat dateformat;
    uint8_t datefirst; /* 1 Monday .. 7 Sunday */
    int lcid;
    const char *months, *short_months, *days;
};

/* By name or alias, without case; NULL if unknown. */
const struct qr_language *qr_language_find(struct qr_str name);
const struct qr_language *qr_language_by_id(int id);
/* Walks the table; NULL past the end. */
const struct qr_language *qr_language_at(size_t index);
/* The index-th name of a list, from 0. */
struct qr_str qr_language_name(const char *list, int index);
