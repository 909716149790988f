/* registry_row.c - see registry_int.h: rows of the registry as JSON */
#include <stdio.h>
#include <string.h>
#include "base/region.h"
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

static const char *const state_names[] = {
    [QR_DATABASE_CREATING] = "creating", [QR_DATABASE_ONLINE] = "online",
    [QR_DATABASE_DROPPING] = "dropping", [QR_DATABASE_DROPPED] = "dropped",
    [QR_DATABASE_PURGING] = "purging",   [QR_DATABASE_KEPT] = "kept"};

bool qri_copy_text(char *dst, size_t dst_bytes, struct qr_str s)
{
    if (s.n >= dst_bytes || memchr(s.n == 0 ? "" : s.p, '\0', s.n) != NULL)
        return false;
    if (s.n > 0)
        memcpy(dst, s.p, s.n);
    dst[s.n] = '\0';
    return true;
}

bool qri_take_text(const json_t *object, const char *name, char *dst, size_t dst_bytes)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) &&
           qri_copy_text(dst, dst_bytes,
                         qr_str_n(json_string_value(value), json_string_length(value)));
}

bool qri_take_number(const json_t *object, const char *name, json_int_t *ret_number)
{
    const json_t *value = json_object_get(object, name);
    *ret_number = json_integer_value(value);
    return json_is_integer(value);
}

static bool take_state(const json_t *object, enum qr_database_state *ret_state)
{
    char name[16];
    if (!qri_take_text(object, "state", name, sizeof name))
        return false;
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret_state = (enum qr_database_state)i;
            return true;
        }
    }
    return false;
}

/* ---- the members of a database's row ---- */

enum kind { BYTE, WORD, LONG, TEXT };
struct member {
    const char *name;
    enum kind kind;
    size_t offset, bytes; /* of a text, its NUL too */
    json_int_t min, max;
    bool is_late; /* rows of earlier releases may be without it */
};
#define AT(member) offsetof(struct qr_database_row, member)
#define CHARS(member) AT(member), sizeof(((struct qr_database_row *)NULL)->member), 0, 0
static const struct member members[] = {
    /* clang-format off */
    {"id",             WORD, AT(id),             0, 1, INT32_MAX, false},
    {"name",           TEXT, CHARS(name),                         false},
    {"edition",        TEXT, CHARS(edition),                      false},
    {"objective",      TEXT, CHARS(objective),                    false},
    {"collation",      TEXT, CHARS(collation),                    false},
    {"timeline",       TEXT, CHARS(timeline),                     false},
    {"createTicks",    LONG, AT(create_ticks),   0, INT64_MIN, INT64_MAX, false},
    {"maxBytes",       LONG, AT(max_bytes),      0, 0, INT64_MAX, false},
    {"slices",         WORD, AT(slices),         0, 0, QR_SLICES_MAX, true},
    {"replicaOf",      WORD, AT(replica_of),     0, 0, INT32_MAX, true},
    {"geoOf",          WORD, AT(geo_of),         0, 0, INT32_MAX, true},
    {"haReplicas",     WORD, AT(ha_replicas),    0, 0, QR_HA_REPLICAS_MAX, true},
    {"retentionDays",  WORD, AT(retention_days), 0, QR_RETENTION_DAYS_MIN, QR_RETENTION_DAYS_MAX, true},
    {"diffHours",      WORD, AT(diff_hours),     0, QR_DIFF_HOURS, QR_DIFF_HOURS_LONG, true},
    {"droppedWallNs",  LONG, AT(dropped_wall_ns), 0, INT64_MIN, INT64_MAX, true},
    {"parent",         TEXT, CHARS(parent),                       true},
    {"branchLsn",      LONG, AT(branch_lsn),     0, 0, INT64_MAX, true},
    {"guid",           TEXT, CHARS(guid),                         true},
    {"zoneRedundant",  BYTE, AT(traits.zone_redundant), 0, 0, QR_SAID_COUNT - 1, true},
    {"readScale",      BYTE, AT(traits.read_scale), 0, 0, QR_SAID_COUNT - 1, true},
    {"license",        BYTE, AT(traits.license),    0, 0, QR_LICENSE_COUNT - 1, true},
    {"redundancy",     BYTE, AT(traits.redundancy), 0, 0, QR_REDUNDANCY_COUNT - 1, true},
    {"autoPauseMinutes", WORD, AT(traits.auto_pause_minutes), 0, -1, INT32_MAX, true},
    {"minCapacityPct", WORD, AT(traits.min_capacity_pct), 0, 0, INT32_MAX, true},
    {"encrypted",      WORD, AT(encrypted),      0, 0, 1, true},
    {"epoch",          LONG, AT(epoch),          0, 0, INT64_MAX, true},
    {"primary",        WORD, AT(primary),        0, 0, QR_HA_REPLICAS_MAX, true},
    {"away",           WORD, AT(away),           0, 0, QR_HA_REPLICAS_MAX + 1, true},
    {"members",        WORD, AT(members),        0, 0, (2 << QR_HA_REPLICAS_MAX) - 1, true},
    {"migratedWallNs", LONG, AT(migrated_wall_ns), 0, 0, INT64_MAX, true},
    {"keptWallNs",     LONG, AT(kept_wall_ns),   0, 0, INT64_MAX, true},
    {"expiresWallNs",  LONG, AT(expires_wall_ns), 0, 0, INT64_MAX, true},
    {"keptOf",         TEXT, CHARS(kept_of),                      true},
    {"keptServer",     TEXT, CHARS(kept_server),                  true},
    {"eraWallNs",      LONG, AT(era_wall_ns),    0, 0, INT64_MAX, true},
    {"madeTicks",      LONG, AT(made_ticks),     0, 0, INT64_MAX, true},
    {"movedTo",        WORD, AT(moved_to),       0, 0, INT32_MAX, true},
    {"leftovers",      WORD, AT(leftovers),      0, 0, 1, true},
    {"pool",           TEXT, CHARS(pool),                         true},
    {"firstBackupWallNs", LONG, AT(first_backup_wall_ns), 0, 0, INT64_MAX, true},
    {"pausedWallNs",   LONG, AT(paused_wall_ns), 0, 0, INT64_MAX, true},
    {"resumedWallNs",  LONG, AT(resumed_wall_ns), 0, 0, INT64_MAX, true},
    {"onlyLogins",     WORD, AT(only_logins),    0, 0, 1, true},
    {"reservedDtus",   WORD, AT(reserved_dtus),  0, 0, INT32_MAX, true},
    {"reservedPool",   TEXT, CHARS(reserved_pool),                true},
    {"owner",          TEXT, CHARS(owner),                        true},
    /* clang-format on */
};
enum { MEMBER_COUNT = sizeof members / sizeof members[0] };

static bool take_member(const json_t *object, const struct member *m, struct qr_database_row *row)
{
    char *at = (char *)row + m->offset;
    json_int_t number = 0;
    if (m->is_late && json_object_get(object, m->name) == NULL)
        return true;
    if (m->kind == TEXT)
        return qri_take_text(object, m->name, at, m->bytes);
    if (!qri_take_number(object, m->name, &number) || number < m->min || number > m->max)
        return false;
    if (m->kind == LONG)
        *(int64_t *)(void *)at = number;
    else if (m->kind == WORD)
        *(uint32_t *)(void *)at = (uint32_t)number;
    else
        *(uint8_t *)at = (uint8_t)number;
    return true;
}

bool qri_row_of_json(const json_t *o, struct qr_database_row *row)
{
    *row =
        (struct qr_database_row){.retention_days = QR_RETENTION_DAYS, .diff_hours = QR_DIFF_HOURS};
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (!take_member(o, &members[i], row))
            return false;
    return take_state(o, &row->state);
}

static json_t *json_of_member(const struct member *m, const struct qr_database_row *row)
{
    const char *at = (const char *)row + m->offset;
    switch (m->kind) {
    case TEXT:
        return json_string(at);
    case LONG:
        return json_integer(*(const int64_t *)(const void *)at);
    case WORD: /* the one that may be negative is small */
        return json_integer(m->min < 0 ? *(const int32_t *)(const void *)at
                                       : (json_int_t) * (const uint32_t *)(const void *)at);
    case BYTE:
        break;
    }
    return json_integer(*(const uint8_t *)at);
}

json_t *qri_json_of_row(const struct qr_database_row *row)
{
    json_t *o = json_pack("{s:s}", "state", state_names[row->state]);
    bool good = o != NULL;
    for (size_t i = 0; good && i < MEMBER_COUNT; i++)
        good = json_object_set_new(o, members[i].name, json_of_member(&members[i], row)) == 0;
    if (good)
        return o;
    json_decref(o);
    return NULL;
}

void qri_new_guid(struct qr_env *env, char dst[QR_GUID_TEXT_BYTES + 1])
{
    uint8_t b[16];
    qr_env_random(env, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* a random UUID, RFC 4122 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(dst, QR_GUID_TEXT_BYTES + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void qri_new_timeline(struct qr_env *env, uint32_t region, char dst[QR_GUID_TEXT_BYTES + 1])
{
    qri_new_guid(env, dst);
    qr_region_mark(dst, region);
}

uint32_t qri_region_of(const struct qr_database_row *row)
{
    uint32_t region = 0;
    (void)qr_region_of(qr_str(row->timeline), &region);
    return region;
}

/* As Azure has them: what a URL, a path or a terminal would take for something else. */
bool qri_is_plain_name(struct qr_str name)
{
    bool good = name.n > 0 && name.p[name.n - 1] != '.' && name.p[name.n - 1] != ' ';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        good = good && c >= 0x20 && c != 0x7f && strchr("<>*%&:\\/?", c) == NULL;
    }
    return good;
}

enum qr_status qri_check_name(struct qr_str name, struct qr_err *err)
{
    static const char *const taken[] = {"model", "msdb", "tempdb"};
    char text[QR_NAME_BYTES_MAX + 1];
    if (name.n == 0 || !qri_copy_text(text, sizeof text, name))
        return qr_fail(err, QR_INVALID, "The name of a database has 1 to 128 characters.");
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (qr_str_ieqz(name, taken[i]))
            return qr_sql_fail(err, 1801, text);
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return qr_sql_fail(err, 45190, text);
    return qri_is_plain_name(name)
               ? QR_OK
               : qr_fail(err, QR_INVALID,
                         "The name of a database has none of <>*%%&:\\/? and does not end with '.' "
                         "or a blank.");
}
