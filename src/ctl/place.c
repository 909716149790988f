/* place.c - see ctl/place.h */
#include "ctl/place.h"
#include <stdio.h>
#include <string.h>
#include "base/banned.h"

static const char hyper_prefix[] = "hs-", copy_prefix[] = "bc-";
enum { PREFIX_BYTES = sizeof hyper_prefix - 1 };

bool qr_database_has_copies(const struct qr_database_row *row)
{
    return row->geo_of == 0 &&
           (strcmp(row->edition, "BusinessCritical") == 0 || strcmp(row->edition, "Premium") == 0);
}

void qr_place_node(const struct qr_database_row *row, char dst[QR_NODE_NAME_BYTES])
{
    if (qr_database_has_nodes(row))
        qr_place_member(row, 0, dst);
    else
        snprintf(dst, QR_NODE_NAME_BYTES, "%s", QR_NODE_SHARED);
}

void qr_place_member(const struct qr_database_row *row, uint32_t member,
                     char dst[QR_NODE_NAME_BYTES])
{
    bool copies = qr_database_has_copies(row) || row->geo_of != 0;
    const char *prefix = copies ? copy_prefix : hyper_prefix;
    if (member == 0)
        snprintf(dst, QR_NODE_NAME_BYTES, "%s%u", prefix, row->id);
    else
        snprintf(dst, QR_NODE_NAME_BYTES, "%s%u-r%u", prefix, row->id, member);
}

bool qr_place_has_copy(const char *node)
{
    return strncmp(node, copy_prefix, PREFIX_BYTES) == 0;
}

/* What follows the id: "", or "-r1" to "-r4". */
static bool is_member(const char *p)
{
    return *p == '\0' || (p[0] == '-' && p[1] == 'r' && p[2] >= '1' &&
                          p[2] <= '0' + QR_HA_REPLICAS_MAX && p[3] == '\0');
}

bool qr_place_database_of(const char *node, uint32_t *ret_id)
{
    if (strncmp(node, hyper_prefix, PREFIX_BYTES) != 0 && !qr_place_has_copy(node))
        return false;
    const char *digits = node + PREFIX_BYTES;
    uint64_t id = 0;
    size_t n = 0;
    for (; digits[n] >= '0' && digits[n] <= '9' && n < 10; n++)
        id = id * 10 + (uint64_t)(digits[n] - '0');
    if (n == 0 || !is_member(digits + n) || digits[0] == '0' || id > INT32_MAX)
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

uint32_t qr_place_member_of(const char *node)
{
    const char *at = strstr(node, "-r");
    return at == NULL ? 0 : (uint32_t)(at[2] - '0');
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

enum qr_status qr_place_timeline(const struct qr_database_row *row,
                                 struct qr_timeline *ret_timeline, struct qr_err *err)
{
    struct qr_timeline timeline = {0};
    size_t n = 0;
    for (const char *p = row->timeline; *p != '\0'; p++) {
        if (*p == '-')
            continue;
        int digit = hex_digit(*p);
        if (digit < 0 || n >= 2 * sizeof timeline.id)
            return qr_fail(err, QR_CORRUPT, "metadata: '%s' names no timeline", row->timeline);
        timeline.id[n / 2] = (uint8_t)(timeline.id[n / 2] << 4 | digit);
        n++;
    }
    if (n != 2 * sizeof timeline.id)
        return qr_fail(err, QR_CORRUPT, "metadata: '%s' names no timeline", row->timeline);
    *ret_timeline = timeline;
    return QR_OK;
}

/* ---- regions: rows are only appended, for timelines have the numbers ---- */

static const struct {
    const char *name, *display;
} regions[QR_PLACE_REGIONS] = {{"eastus", "East US"}, {"westus", "West US"}};

const char *qr_place_region_name(uint32_t number)
{
    return number < QR_PLACE_REGIONS ? regions[number].name : NULL;
}

const char *qr_place_region_display(uint32_t number)
{
    return number < QR_PLACE_REGIONS ? regions[number].display : NULL;
}

uint32_t qr_place_region(struct qr_str name)
{
    uint32_t number = QR_PLACE_REGIONS;
    while (number > 1 && !qr_str_ieqz(name, regions[number - 1].name))
        number--;
    return number - 1;
}
