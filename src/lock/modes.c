/* modes.c - see lock/lock.h */
#include "lock_int.h"
#include <assert.h>
#include "base/banned.h"

#define BIT(mode) ((qri_modes)(1U << QR_LOCK_##mode))

/* One bit for each mode that another may hold beside it; NONE goes with all. */
static const struct mode {
    const char *name;
    qri_modes goes_with;
} modes[QR_LOCK_MODES] = {
    /* clang-format off */
    [QR_LOCK_NONE]  = {"NULL",  (1U << QR_LOCK_MODES) - 1},
    [QR_LOCK_SCH_S] = {"Sch-S", BIT(NONE) | BIT(SCH_S) | BIT(IS) | BIT(S) | BIT(U) | BIT(IX) |
                                BIT(SIX) | BIT(UIX) | BIT(X)},
    [QR_LOCK_SCH_M] = {"Sch-M", BIT(NONE)},
    [QR_LOCK_IS]    = {"IS",    BIT(NONE) | BIT(SCH_S) | BIT(IS) | BIT(S) | BIT(U) | BIT(IX) |
                                BIT(SIX) | BIT(UIX)},
    [QR_LOCK_S]     = {"S",     BIT(NONE) | BIT(SCH_S) | BIT(IS) | BIT(S) | BIT(U)},
    [QR_LOCK_U]     = {"U",     BIT(NONE) | BIT(SCH_S) | BIT(IS) | BIT(S)},
    [QR_LOCK_IX]    = {"IX",    BIT(NONE) | BIT(SCH_S) | BIT(IS) | BIT(IX)},
    [QR_LOCK_SIX]   = {"SIX",   BIT(NONE) | BIT(SCH_S) | BIT(IS)},
    [QR_LOCK_UIX]   = {"UIX",   BIT(NONE) | BIT(SCH_S) | BIT(IS)},
    [QR_LOCK_X]     = {"X",     BIT(NONE) | BIT(SCH_S)},
    /* clang-format on */
};

/* Of two that neither contains the other. */
static const struct joined {
    enum qr_lock_mode a, b, both;
} joins[] = {
    {QR_LOCK_S, QR_LOCK_IX, QR_LOCK_SIX},
    {QR_LOCK_U, QR_LOCK_IX, QR_LOCK_UIX},
    {QR_LOCK_U, QR_LOCK_SIX, QR_LOCK_UIX},
};

qri_modes qri_conflicts(enum qr_lock_mode mode)
{
    assert((unsigned)mode < QR_LOCK_MODES);
    return (qri_modes)~modes[mode].goes_with & ((1U << QR_LOCK_MODES) - 1);
}

enum qr_lock_mode qr_lock_join(enum qr_lock_mode a, enum qr_lock_mode b)
{
    enum qr_lock_mode low = a < b ? a : b, high = a < b ? b : a;
    if (low == QR_LOCK_SCH_M)
        return low;
    for (size_t i = 0; i < sizeof joins / sizeof joins[0]; i++)
        if (joins[i].a == low && joins[i].b == high)
            return joins[i].both;
    return high; /* the order of enum qr_lock_mode */
}

bool qr_lock_goes_with(enum qr_lock_mode a, enum qr_lock_mode b)
{
    return !qri_mode_in(b, qri_conflicts(a));
}

const char *qr_lock_mode_name(enum qr_lock_mode mode)
{
    assert((unsigned)mode < QR_LOCK_MODES);
    return modes[mode].name;
}

const char *qr_lock_mode_name_on(const struct qr_lock_resource *resource, enum qr_lock_mode mode)
{
    if (resource->kind != QR_LOCK_RANGE)
        return qr_lock_mode_name(mode);
    switch ((int)mode) {
    case QR_LOCK_S:
        return "RangeS-S";
    case QR_LOCK_U:
        return "RangeS-U";
    case QR_LOCK_X:
        return "RangeX-X";
    default:
        return "RangeI-N";
    }
}
