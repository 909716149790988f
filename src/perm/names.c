/* names.c - see perm/perm.h: the generated tables, and what they are asked */
#include "perm_int.h"
#include "base/banned.h"

struct name {
    const char *text, *code;
};
#include "perm_names_table.h"

static const char *const kinds[QR_KIND_COUNT] = {
    [QR_KIND_DATABASE] = "DATABASE", [QR_KIND_OBJECT] = "OBJECT",
    [QR_KIND_SCHEMA] = "SCHEMA",     [QR_KIND_ROLE] = "ROLE",
    [QR_KIND_USER] = "USER",         [QR_KIND_APPLICATION_ROLE] = "APPLICATION ROLE",
    [QR_KIND_TYPE] = "TYPE",
};

enum qr_perm qr_perm_by_name(struct qr_str name)
{
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++)
        if (qr_str_ieqz(name, names[perm].text))
            return (enum qr_perm)perm;
    return QR_MAY_NOTHING;
}

const char *qr_perm_name(enum qr_perm perm)
{
    return perm == QR_MAY_NOTHING ? "" : names[perm].text;
}

const char *qr_perm_code(enum qr_perm perm)
{
    return perm == QR_MAY_NOTHING ? "    " : names[perm].code;
}

enum qr_perm qr_perm_by_code(const char code[4])
{
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++)
        if (memcmp(names[perm].code, code, 4) == 0)
            return (enum qr_perm)perm;
    return QR_MAY_NOTHING;
}

const char *qr_perm_kind_name(enum qr_perm_kind kind)
{
    return kinds[kind];
}

const char *qr_perm_class_desc(enum qr_perm_class on)
{
    switch (on) {
    case QR_ON_DATABASE:
        return "DATABASE";
    case QR_ON_OBJECT:
        return "OBJECT_OR_COLUMN";
    case QR_ON_SCHEMA:
        return "SCHEMA";
    case QR_ON_PRINCIPAL:
        return "DATABASE_PRINCIPAL";
    case QR_ON_TYPE:
        return "TYPE";
    }
    return "";
}

enum qr_perm_class qr_perm_class_of(enum qr_perm_kind kind)
{
    static const enum qr_perm_class classes[QR_KIND_COUNT] = {
        [QR_KIND_DATABASE] = QR_ON_DATABASE, [QR_KIND_OBJECT] = QR_ON_OBJECT,
        [QR_KIND_SCHEMA] = QR_ON_SCHEMA,     [QR_KIND_ROLE] = QR_ON_PRINCIPAL,
        [QR_KIND_USER] = QR_ON_PRINCIPAL,    [QR_KIND_APPLICATION_ROLE] = QR_ON_PRINCIPAL,
        [QR_KIND_TYPE] = QR_ON_TYPE,
    };
    return classes[kind];
}

const struct qri_implied *qri_implied_by(enum qr_perm_kind kind, enum qr_perm perm)
{
    return &implied[kind][perm];
}

bool qr_perm_applies(enum qr_perm_kind kind, enum qr_perm perm)
{
    enum qri_level own = kind == QR_KIND_DATABASE ? QRI_LEVEL_DATABASE : QRI_LEVEL_SELF;
    return qri_perms_have(&implied[kind][perm].at[own], (uint16_t)perm);
}

bool qr_perm_has_columns(enum qr_perm perm)
{
    return perm == QR_MAY_SELECT || perm == QR_MAY_UPDATE || perm == QR_MAY_REFERENCES ||
           perm == QR_MAY_UNMASK;
}

bool qr_perm_builtin(size_t index, struct qr_perm_builtin *ret)
{
    if (index >= sizeof builtins / sizeof builtins[0])
        return false;
    *ret = builtins[index];
    return true;
}
