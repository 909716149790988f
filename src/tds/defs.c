/* Implements tds/defs.h. */
#include "tds/defs.h"
#include <stddef.h>
#include "base/banned.h"

static const struct version {
    uint32_t wire;
    enum qr_tds_version version;
    const char *name;
} versions[] = {
    /* newest first; several numbers of one version: the first is the one we answer */
    /* clang-format off */
    {0x74000004, QR_TDS_VERSION_74,   "7.4"},
    {0x730B0003, QR_TDS_VERSION_73B,  "7.3B"},
    {0x730A0003, QR_TDS_VERSION_73A,  "7.3A"},
    {0x72090002, QR_TDS_VERSION_72,   "7.2"},
    {0x71000001, QR_TDS_VERSION_71,   "7.1"},
    {0x07010000, QR_TDS_VERSION_71,   "7.1"},
    {0x70000000, QR_TDS_VERSION_NONE, "7.0"},
    /* clang-format on */
};
enum { VERSION_COUNT = sizeof versions / sizeof versions[0] };

enum qr_tds_version qr_tds_version_from_wire(uint32_t wire)
{
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (versions[i].wire == wire)
            return versions[i].version;
    }
    /* 0x07010000 and 0x08000000 (TDS 8.0) are the only numbers with a small high byte. */
    if (wire >> 24 == 0x08)
        return QR_TDS_VERSION_74;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (wire >> 24 >= versions[i].wire >> 24)
            return versions[i].version;
    }
    return QR_TDS_VERSION_NONE;
}

uint32_t qr_tds_version_to_wire(enum qr_tds_version version)
{
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (versions[i].version == version)
            return versions[i].wire;
    }
    return 0;
}

const char *qr_tds_version_name(enum qr_tds_version version)
{
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        if (versions[i].version == version)
            return versions[i].name;
    }
    return "?";
}
