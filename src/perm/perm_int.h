/* perm_int.h - what names.c and ask.c share. */
#pragma once
#include "perm/perm.h"

/* A set of permissions: bit by enum qr_perm. */
struct qri_perms {
    uint64_t of[2];
};
static inline bool qri_perms_have(const struct qri_perms *perms, uint16_t perm)
{
    return (perms->of[perm >> 6 & 1] >> (perm & 63) & 1) != 0;
}

enum qri_level { QRI_LEVEL_SELF, QRI_LEVEL_SCHEMA, QRI_LEVEL_DATABASE, QRI_LEVELS };

/* Which permissions on the securable, on its schema and on the database imply one; on a database
 * alone the last. Itself is among them; empty: it is none of that kind. */
struct qri_implied {
    struct qri_perms at[QRI_LEVELS];
};
const struct qri_implied *qri_implied_by(enum qr_perm_kind kind, enum qr_perm perm);
