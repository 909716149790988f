/* registry_row.c - see registry_int.h: rows of the registry as JSON */
#include <stdio.h>
#include <string.h>
#include "registry_int.h"
#include "base/banned.h"

static const char *const state_names[] = {[QR_DATABASE_CREATING] = "creating",
                                          [QR_DATABASE_ONLINE] = "online",
                                          [QR_DATABASE_DROPPING] = "dropping",
                                          [QR_DATABASE_DROPPED] = "dropped",
                                          [QR_DATABASE_PURGING] = "purging"};

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

/* What rows of earlier releases do not have. */
static bool take_later_members(const json_t *o, struct qr_database_row *row)
{
    json_int_t days = QR_RETENTION_DAYS, dropped = 0, lsn = 0;
    if (json_object_get(o, "retentionDays") == NULL) {
        row->retention_days = QR_RETENTION_DAYS;
        return true;
    }
    bool good = qri_take_number(o, "retentionDays", &days) && days >= QR_RETENTION_DAYS_MIN &&
                days <= QR_RETENTION_DAYS_MAX && qri_take_number(o, "droppedWallNs", &dropped) &&
                qri_take_text(o, "parent", row->parent, sizeof row->parent) &&
                qri_take_number(o, "branchLsn", &lsn) && lsn >= 0;
    row->retention_days = (uint32_t)days;
    row->dropped_wall_ns = dropped;
    row->branch_lsn = (uint64_t)lsn;
    return good;
}

bool qri_row_of_json(const json_t *o, struct qr_database_row *row)
{
    json_int_t id, ticks, max;
    if (!qri_take_number(o, "id", &id) || !qri_take_number(o, "createTicks", &ticks) ||
        !qri_take_number(o, "maxBytes", &max) || id <= 0 || id > INT32_MAX)
        return false;
    row->id = (uint32_t)id;
    row->create_ticks = ticks;
    row->max_bytes = (uint64_t)max;
    json_int_t slices = 0; /* rows of the first release have none */
    if (json_object_get(o, "slices") != NULL &&
        (!qri_take_number(o, "slices", &slices) || slices < 0 || slices > QR_SLICES_MAX))
        return false;
    row->slices = (uint32_t)slices;
    json_int_t primary = json_integer_value(json_object_get(o, "replicaOf"));
    json_int_t replicas = json_integer_value(json_object_get(o, "haReplicas"));
    if (primary < 0 || primary > INT32_MAX || replicas < 0 || replicas > QR_HA_REPLICAS_MAX)
        return false;
    row->replica_of = (uint32_t)primary;
    row->ha_replicas = (uint32_t)replicas;
    return take_later_members(o, row) && take_state(o, &row->state) &&
           qri_take_text(o, "name", row->name, sizeof row->name) &&
           qri_take_text(o, "edition", row->edition, sizeof row->edition) &&
           qri_take_text(o, "objective", row->objective, sizeof row->objective) &&
           qri_take_text(o, "collation", row->collation, sizeof row->collation) &&
           qri_take_text(o, "timeline", row->timeline, sizeof row->timeline);
}

json_t *qri_json_of_row(const struct qr_database_row *row)
{
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I}", "id",
        (json_int_t)row->id, "name", row->name, "state", state_names[row->state], "edition",
        row->edition, "objective", row->objective, "collation", row->collation, "timeline",
        row->timeline, "createTicks", (json_int_t)row->create_ticks, "maxBytes",
        (json_int_t)row->max_bytes, "slices", (json_int_t)row->slices, "retentionDays",
        (json_int_t)row->retention_days, "droppedWallNs", (json_int_t)row->dropped_wall_ns,
        "parent", row->parent, "branchLsn", (json_int_t)row->branch_lsn, "replicaOf",
        (json_int_t)row->replica_of, "haReplicas", (json_int_t)row->ha_replicas);
}

void qri_new_timeline(struct qr_env *env, char dst[QR_TIMELINE_TEXT_BYTES + 1])
{
    uint8_t b[16];
    qr_env_random(env, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* a random UUID, RFC 4122 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(dst, QR_TIMELINE_TEXT_BYTES + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}
