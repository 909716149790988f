/* The table of collations and the rules of their labels: codec/collation.h. */
#include "codec/collation.h"

#include <string.h>

#include "base/sqlmsg.h"
#include "codec_collations.h" /* generated: more_collations */
#include "base/banned.h"

#define LATIN1 0x0409
/* [MS-TDS] 2.2.5.1.2: LCID in 20 bits, then IgnoreCase, IgnoreAccent, IgnoreWidth, IgnoreKana,
 * Binary, Binary2, UTF8; the version in the top 4 bits; then the sort id. */
#define TDS(b2, b3, sort)                                                                          \
    {                                                                                              \
        0x09, 0x04, b2, b3, sort                                                                   \
    }
#define CI_AS_STYLE 196609
#define CS_AS_STYLE 196608
#define CI_AI_STYLE 196611
#define UNI(kind)                                                                                  \
    {                                                                                              \
        QR_ORDER_UNI_##kind, QR_ORDER_UNI_##kind                                                   \
    }
#define SQL(kind)                                                                                  \
    {                                                                                              \
        QR_ORDER_SQL_##kind, QR_ORDER_UNI_##kind                                                   \
    }
#define BIN                                                                                        \
    {                                                                                              \
        QR_ORDER_BIN2, QR_ORDER_BIN2                                                               \
    }

static const struct qr_collation collations[QR_COLLATION_OWN_COUNT] = {
    /* clang-format off */
    [QR_COLLATION_SQL_LATIN1_CI_AS] = {"SQL_Latin1_General_CP1_CI_AS", "Latin1-General, case-insensitive, accent-sensitive, kanatype-insensitive, width-insensitive for Unicode Data, SQL Server Sort Order 52 on Code Page 1252 for non-Unicode Data",
        LATIN1, CI_AS_STYLE, SQL(CI_AS), 1, 1252, TDS(0xd0, 0x00, 0x34), 0},
    [QR_COLLATION_SQL_LATIN1_CS_AS] = {"SQL_Latin1_General_CP1_CS_AS", "Latin1-General, case-sensitive, accent-sensitive, kanatype-insensitive, width-insensitive for Unicode Data, SQL Server Sort Order 51 on Code Page 1252 for non-Unicode Data",
        LATIN1, CS_AS_STYLE, SQL(CS_AS), 2, 1252, TDS(0xc0, 0x00, 0x33), 0},
    [QR_COLLATION_SQL_LATIN1_CI_AI] = {"SQL_Latin1_General_CP1_CI_AI", "Latin1-General, case-insensitive, accent-insensitive, kanatype-insensitive, width-insensitive for Unicode Data, SQL Server Sort Order 54 on Code Page 1252 for non-Unicode Data",
        LATIN1, CI_AI_STYLE, SQL(CI_AI), 3, 1252, TDS(0xf0, 0x00, 0x36), 0},
    [QR_COLLATION_LATIN1_CI_AS] = {"Latin1_General_CI_AS", "Latin1-General, case-insensitive, accent-sensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CI_AS_STYLE, UNI(CI_AS), 4, 1252, TDS(0xd0, 0x00, 0), 0},
    [QR_COLLATION_LATIN1_CS_AS] = {"Latin1_General_CS_AS", "Latin1-General, case-sensitive, accent-sensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CS_AS_STYLE, UNI(CS_AS), 5, 1252, TDS(0xc0, 0x00, 0), 0},
    [QR_COLLATION_LATIN1_CI_AI] = {"Latin1_General_CI_AI", "Latin1-General, case-insensitive, accent-insensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CI_AI_STYLE, UNI(CI_AI), 6, 1252, TDS(0xf0, 0x00, 0), 0},
    [QR_COLLATION_LATIN1_100_CI_AS] = {"Latin1_General_100_CI_AS", "Latin1-General-100, case-insensitive, accent-sensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CI_AS_STYLE, UNI(CI_AS), 7, 1252, TDS(0xd0, 0x20, 0), 2},
    [QR_COLLATION_LATIN1_100_CS_AS] = {"Latin1_General_100_CS_AS", "Latin1-General-100, case-sensitive, accent-sensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CS_AS_STYLE, UNI(CS_AS), 8, 1252, TDS(0xc0, 0x20, 0), 2},
    [QR_COLLATION_LATIN1_100_CI_AI] = {"Latin1_General_100_CI_AI", "Latin1-General-100, case-insensitive, accent-insensitive, kanatype-insensitive, width-insensitive",
        LATIN1, CI_AI_STYLE, UNI(CI_AI), 9, 1252, TDS(0xf0, 0x20, 0), 2},
    [QR_COLLATION_LATIN1_BIN] = {"Latin1_General_BIN", "Latin1-General, binary sort",
        LATIN1, 0, BIN, 10, 1252, TDS(0x00, 0x01, 0), 0},
    [QR_COLLATION_LATIN1_BIN2] = {"Latin1_General_BIN2", "Latin1-General, binary code point comparison sort",
        LATIN1, 0, BIN, 11, 1252, TDS(0x00, 0x02, 0), 0},
    [QR_COLLATION_LATIN1_100_BIN2] = {"Latin1_General_100_BIN2", "Latin1-General-100, binary code point comparison sort",
        LATIN1, 0, BIN, 12, 1252, TDS(0x00, 0x22, 0), 2},
    [QR_COLLATION_LATIN1_100_CI_AS_SC] = {"Latin1_General_100_CI_AS_SC", "Latin1-General-100, case-insensitive, accent-sensitive, kanatype-insensitive, width-insensitive, supplementary characters",
        LATIN1, CI_AS_STYLE, UNI(CI_AS), 13, 1252, TDS(0xd0, 0x20, 0), 2},
    [QR_COLLATION_LATIN1_100_CS_AS_SC] = {"Latin1_General_100_CS_AS_SC", "Latin1-General-100, case-sensitive, accent-sensitive, kanatype-insensitive, width-insensitive, supplementary characters",
        LATIN1, CS_AS_STYLE, UNI(CS_AS), 14, 1252, TDS(0xc0, 0x20, 0), 2},
    [QR_COLLATION_LATIN1_100_CI_AS_SC_UTF8] = {"Latin1_General_100_CI_AS_SC_UTF8", "Latin1-General-100, case-insensitive, accent-sensitive, kanatype-insensitive, width-insensitive, supplementary characters, UTF8",
        LATIN1, CI_AS_STYLE, UNI(CI_AS), 15, 65001, TDS(0xd0, 0x24, 0), 2},
    [QR_COLLATION_LATIN1_100_BIN2_UTF8] = {"Latin1_General_100_BIN2_UTF8", "Latin1-General-100, binary code point comparison sort, UTF8",
        LATIN1, 0, BIN, 16, 65001, TDS(0x00, 0x26, 0), 2},
    [QR_COLLATION_CATALOG] = {"SQL_Latin1_General_CP1_CI_AS_KS_WS", "Latin1-General, case-insensitive, accent-sensitive, kanatype-sensitive, width-sensitive for Unicode Data, SQL Server Sort Order 52 on Code Page 1252 for non-Unicode Data",
        LATIN1, 1, SQL(CI_AS), 17, 1252, TDS(0x10, 0x00, 0x34), 0},
    /* clang-format on */
};

enum { MORE_COUNT = sizeof more_collations / sizeof more_collations[0] };

const struct qr_collation *qr_collation_get(uint16_t id)
{
    if (id < QR_COLLATION_OWN_COUNT)
        return id == QR_COLLATION_NONE ? NULL : &collations[id];
    size_t low = 0, high = MORE_COUNT;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (more_collations[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < MORE_COUNT && more_collations[low].id == id ? &more_collations[low] : NULL;
}

uint16_t qr_collation_next(uint16_t id)
{
    for (int next = id + 1; next < QR_COLLATION_COUNT; next++)
        if (qr_collation_get((uint16_t)next) != NULL)
            return (uint16_t)next;
    return 0;
}

const struct qr_collation *qr_collation_find(struct qr_str name)
{
    if (qr_str_ieqz(name, "database_default") || qr_str_ieqz(name, "catalog_default"))
        return &collations[QR_COLLATION_DEFAULT];
    for (int id = 1; id < QR_COLLATION_OWN_COUNT; id++)
        if (qr_str_ieqz(name, collations[id].name))
            return &collations[id];
    for (size_t i = 0; i < MORE_COUNT; i++)
        if (qr_str_ieqz(name, more_collations[i].name))
            return &more_collations[i];
    return NULL;
}

const struct qr_collation *qr_collation_by_tds(const uint8_t tds[5])
{
    for (int id = 1; id < QR_COLLATION_OWN_COUNT; id++)
        if (memcmp(collations[id].tds, tds, 5) == 0)
            return &collations[id];
    for (size_t i = 0; i < MORE_COUNT; i++)
        if (memcmp(more_collations[i].tds, tds, 5) == 0)
            return &more_collations[i];
    return &collations[QR_COLLATION_DEFAULT];
}

/* --- labels --- */

static const char *name_of(struct qr_collation_use use)
{
    const struct qr_collation *c = qr_collation_get(use.collation);
    return c == NULL ? "" : c->name;
}

enum qr_status qr_collation_mix(struct qr_collation_use a, struct qr_collation_use b,
                                const char *op, struct qr_collation_use *ret_use,
                                struct qr_err *err)
{
    if (a.label == b.label && a.collation != b.collation) {
        if (a.label == QR_LABEL_EXPLICIT)
            return qr_sql_fail(err, 468, name_of(b), name_of(a), op);
        if (a.label == QR_LABEL_IMPLICIT) {
            *ret_use = (struct qr_collation_use){QR_LABEL_NO_COLLATION, a.collation};
            return QR_OK;
        }
    }
    *ret_use = a.label >= b.label ? a : b; /* the labels are listed from weak to strong */
    return QR_OK;
}

enum qr_status qr_collation_need(struct qr_collation_use a, struct qr_collation_use b,
                                 const char *op, struct qr_err *err)
{
    struct qr_collation_use mixed = a;
    QR_TRY(qr_collation_mix(a, b, op, &mixed, err));
    if (mixed.label != QR_LABEL_NO_COLLATION)
        return QR_OK;
    if (a.label == QR_LABEL_NO_COLLATION || b.label == QR_LABEL_NO_COLLATION)
        return qr_sql_fail(err, 446, op);
    return qr_sql_fail(err, 468, name_of(b), name_of(a), op);
}
