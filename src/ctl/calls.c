/* calls.c - see ctl/calls.h: every format is a list of fields, read and written by one loop */
#include "ctl/calls.h"
#include <assert.h>
#include <stddef.h>
#include "base/endian.h"
#include "ctl/resources.h"
#include "ctl/telemetry.h"
#include "fields_int.h"
#include "base/banned.h"

#define ASK(kind, member, max)                                                                     \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_control_ask, member), max                                   \
    }
#define ITEM(kind, member, max)                                                                    \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_control_item, member), max                                  \
    }
#define SERVICE(member)                                                                            \
    {                                                                                              \
        QRI_CHARS, offsetof(struct qr_control_service, member),                                    \
            sizeof((struct qr_control_service *)0)->member - 1                                     \
    }
#define ROW(kind, member, max)                                                                     \
    {                                                                                              \
        QRI_##kind, offsetof(struct qr_database_row, member), max                                  \
    }
/* What an operation may be told beside its own. */
#define TRAITS                                                                                     \
    ASK(BYTE, traits.zone_redundant, QR_SAID_COUNT), ASK(BYTE, traits.read_scale, QR_SAID_COUNT),  \
        ASK(BYTE, traits.license, QR_LICENSE_COUNT),                                               \
        ASK(BYTE, traits.redundancy, QR_REDUNDANCY_COUNT),                                         \
        ASK(WORD, traits.auto_pause_minutes, 0), ASK(WORD, traits.min_capacity_pct, 0)
#define STARTS ASK(TEXT, operation_id, QR_GUID_TEXT_BYTES), ASK(FLAG, no_wait, 0)
#define POOL_WISH                                                                                  \
    ASK(WORD, server, 0), ASK(TEXT, pool, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX),             \
        ASK(LONG, max_bytes, 0), ASK(WORD, pool_min_pct, 0), ASK(WORD, pool_max_pct, 0), TRAITS,   \
        ASK(TEXT, tags, QR_TAGS_BYTES_MAX), STARTS
enum { WORDS_MAX = QR_WORD_BYTES_MAX, NAMES_MAX = QR_NAME_BYTES_MAX, FIELDS_MAX = 30 };

static const struct {
    uint16_t method;
    struct qri_field fields[FIELDS_MAX];
} asks[] = {
    /* clang-format off */
    {QR_CONTROL_REGISTER,    {ASK(BYTE, role, QR_ROLE_COUNT), ASK(TEXT, name, WORDS_MAX), ASK(WORD, pid, 0),
                              ASK(TEXT, node_address, NAMES_MAX), ASK(TEXT, session_address, NAMES_MAX)}},
    {QR_CONTROL_ROUTE,       {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(FLAG, read_only, 0), ASK(FLAG, unchecked, 0)}},
    {QR_CONTROL_STATE,       {ASK(LONG, version, 0)}},
    {QR_CONTROL_FIND,        {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(WORD, id, 0)}},
    {QR_CONTROL_DATABASES,   {ASK(WORD, server, 0), ASK(WORD, id, 0)}},
    {QR_CONTROL_RULES,       {ASK(WORD, id, 0)}},
    {QR_CONTROL_DUTY,        {ASK(TEXT, name, WORDS_MAX)}},
    {QR_CONTROL_TAKE,        {ASK(TEXT, name, WORDS_MAX)}},
    {QR_CONTROL_GONE,        {ASK(TEXT, name, WORDS_MAX), ASK(WORD, pid, 0)}},
    {QR_CONTROL_LOGIN,       {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_SERVER,      {ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_REPORT,      {ASK(BYTES, text, QR_TELEMETRY_REPORT_BYTES_MAX)}},
    {QR_CONTROL_TELEMETRY,   {ASK(BYTE, doc_kind, QR_TELEMETRY_KINDS), ASK(WORD, server, 0), ASK(LONG, version, 0),
                              ASK(TEXT, name, QR_TELEMETRY_KEY_BYTES_MAX)}},
    {QR_CONTROL_LIMITS,      {ASK(TEXT, name, WORDS_MAX), ASK(WORD, id, 0)}},
    {QR_CONTROL_LOGINS,      {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_MACHINES,    {{0}}},
    {QR_CONTROL_SURE_TIME,   {{0}}},
    {QR_CONTROL_SET_LOGIN,   {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(BYTE, login_change, QR_LOGIN_CHANGE_COUNT),
                              ASK(TEXT, new_name, NAMES_MAX), ASK(TEXT, hash, QR_HASH_BYTES_MAX), ASK(BYTES, sid, QR_LOGIN_SID_BYTES_MAX), ASK(WORD, id, 0)}},
    {QR_CONTROL_SET_OWNER,   {ASK(WORD, id, 0), ASK(TEXT, owner, QR_OWNER_TEXT_BYTES)}},
    {QR_CONTROL_JOIN,        {ASK(BYTE, role, QR_ROLE_COUNT)}},
    {QR_CONTROL_CREATE,      {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, edition, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX), ASK(TEXT, pool, NAMES_MAX),
                              ASK(TEXT, collation, NAMES_MAX), ASK(LONG, max_bytes, 0), ASK(TEXT, max_text, WORDS_MAX),
                              ASK(TEXT, copy_of, NAMES_MAX), ASK(WORD, other_server, 0), ASK(TEXT, kept, QR_GUID_TEXT_BYTES), ASK(FLAG, geo, 0), ASK(FLAG, verify, 0), ASK(FLAG, dropped, 0), ASK(LONG, dropped_wall_ns, 0),
                              ASK(LONG, restore_wall_ns, 0), ASK(WORD, ha_replicas, 0), TRAITS,
                              ASK(TEXT, tags, QR_TAGS_BYTES_MAX), ASK(TEXT, owner, QR_OWNER_TEXT_BYTES), STARTS}},
    {QR_CONTROL_ALTER,       {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, edition, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX), ASK(TEXT, pool, NAMES_MAX),
                              ASK(LONG, max_bytes, 0), ASK(TEXT, max_text, WORDS_MAX), ASK(WORD, ha_replicas, 0), TRAITS,
                              ASK(TEXT, tags, QR_TAGS_BYTES_MAX), ASK(FLAG, relocate, 0), STARTS}},
    {QR_CONTROL_RENAME,      {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, new_name, NAMES_MAX), STARTS}},
    {QR_CONTROL_DROP,        {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), STARTS}},
    {QR_CONTROL_SET_RULE,    {ASK(WORD, id, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, start, WORDS_MAX),
                              ASK(TEXT, end, WORDS_MAX)}},
    {QR_CONTROL_GROW,        {ASK(WORD, id, 0), ASK(WORD, slices, 0)}},
    {QR_CONTROL_REIGN,       {ASK(TEXT, name, WORDS_MAX), ASK(LONG, version, 0)}},
    {QR_CONTROL_MEMBERS,     {ASK(TEXT, name, WORDS_MAX), ASK(LONG, version, 0), ASK(WORD, slices, 0)}},
    {QR_CONTROL_UNFIT,       {ASK(TEXT, name, WORDS_MAX)}},
    {QR_CONTROL_DELETE_RULE, {ASK(WORD, id, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_ADD_REPLICA, {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, new_name, NAMES_MAX), ASK(WORD, other_server, 0),
                              ASK(TEXT, objective, NAMES_MAX), ASK(FLAG, geo, 0), ASK(WORD, ha_replicas, 0),
                              ASK(TEXT, tags, QR_TAGS_BYTES_MAX), STARTS}},
    {QR_CONTROL_GEO_CHANGE,  {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(BYTE, geo_change, QR_GEO_CHANGE_COUNT), ASK(WORD, id, 0), STARTS}},
    {QR_CONTROL_LINKS,       {ASK(WORD, id, 0)}},
    {QR_CONTROL_FAILOVER,    {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), STARTS}},
    {QR_CONTROL_RETENTION,   {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(WORD, id, 0), ASK(WORD, diff_hours, 0)}},
    {QR_CONTROL_UNKEEP,      {ASK(TEXT, kept, QR_GUID_TEXT_BYTES)}},
    {QR_CONTROL_BACKUPS,     {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, kept, QR_GUID_TEXT_BYTES), ASK(FLAG, geo, 0)}},
    {QR_CONTROL_RESOURCE,    {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_RESOURCES,   {ASK(WORD, server, 0), ASK(WORD, id, 0)}},
    {QR_CONTROL_OPERATION,   {ASK(TEXT, operation_id, QR_GUID_TEXT_BYTES)}},
    {QR_CONTROL_OPERATIONS,  {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(LONG, version, 0), ASK(TEXT, pool, NAMES_MAX)}},
    {QR_CONTROL_CANCEL,      {ASK(TEXT, operation_id, QR_GUID_TEXT_BYTES)}},
    {QR_CONTROL_DOC,         {ASK(BYTE, doc_kind, QR_DOC_KIND_COUNT), ASK(TEXT, name, QR_DOC_NAME_BYTES_MAX)}},
    {QR_CONTROL_DOCS,        {ASK(BYTE, doc_kind, QR_DOC_KIND_COUNT), ASK(TEXT, name, QR_DOC_NAME_BYTES_MAX),
                              ASK(TEXT, new_name, QR_DOC_NAME_BYTES_MAX)}},
    {QR_CONTROL_DOC_PUT,     {ASK(BYTE, doc_kind, QR_DOC_KIND_COUNT), ASK(TEXT, name, QR_DOC_NAME_BYTES_MAX),
                              ASK(TEXT, text, QR_DOC_TEXT_BYTES_MAX), ASK(LONG, version, 0)}},
    {QR_CONTROL_DOC_DELETE,  {ASK(BYTE, doc_kind, QR_DOC_KIND_COUNT), ASK(TEXT, name, QR_DOC_NAME_BYTES_MAX)}},
    {QR_CONTROL_ADMIN_HASH,  {ASK(WORD, server, 0), ASK(TEXT, hash, QR_HASH_BYTES_MAX)}},
    {QR_CONTROL_MAKE_SERVER, {ASK(TEXT, name, QR_SERVER_NAME_BYTES_MAX), ASK(TEXT, new_name, NAMES_MAX),
                              ASK(TEXT, hash, QR_HASH_BYTES_MAX), ASK(TEXT, text, QR_DOC_TEXT_BYTES_MAX)}},
    {QR_CONTROL_DROP_SERVER, {ASK(WORD, server, 0), STARTS}},
    {QR_CONTROL_POOL_CREATE, {POOL_WISH}},
    {QR_CONTROL_POOL_ALTER,  {POOL_WISH}},
    {QR_CONTROL_POOL_DROP,   {ASK(WORD, server, 0), ASK(TEXT, pool, NAMES_MAX), STARTS}},
    {QR_CONTROL_BACKED_UP,   {ASK(WORD, id, 0), ASK(TEXT, name, QR_TIMELINE_TEXT_BYTES), ASK(LONG, restore_wall_ns, 0)}},
    {QR_CONTROL_AUTOSCALE_SET, {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, text, QR_DOC_TEXT_BYTES_MAX)}},
    {QR_CONTROL_AUTOSCALE,   {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX), ASK(WORD, id, 0)}},
    {QR_CONTROL_DROP_GROUP,  {ASK(TEXT, name, NAMES_MAX), STARTS}},
    {QR_CONTROL_USAGE,       {ASK(WORD, server, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_POOL,        {ASK(WORD, server, 0), ASK(TEXT, pool, NAMES_MAX)}},
    {QR_CONTROL_POOLS,       {ASK(WORD, server, 0), ASK(WORD, id, 0)}},
    /* clang-format on */
};
static const struct qri_field service_fields[] = {
    SERVICE(server_name),  SERVICE(admin_login), SERVICE(operate),
    SERVICE(log),          SERVICE(page),        SERVICE(blob),
    SERVICE(landing_zone), SERVICE(server_key),  {QRI_END, 0, 0},
};
static const struct qri_field row_fields[] = {
    ROW(WORD, id, 0),
    ROW(CHARS, server, QR_SERVER_NAME_BYTES_MAX),
    ROW(CHARS, name, QR_NAME_BYTES_MAX),
    ROW(CHARS, edition, QR_WORD_BYTES_MAX),
    ROW(CHARS, objective, QR_WORD_BYTES_MAX),
    ROW(CHARS, collation, QR_NAME_BYTES_MAX),
    ROW(CHARS, timeline, QR_TIMELINE_TEXT_BYTES),
    ROW(LONG, create_ticks, 0),
    ROW(LONG, max_bytes, 0),
    ROW(WORD, slices, 0),
    ROW(WORD, replica_of, 0),
    ROW(WORD, geo_of, 0),
    ROW(WORD, ha_replicas, 0),
    ROW(WORD, retention_days, 0),
    ROW(WORD, diff_hours, 0),
    ROW(LONG, dropped_wall_ns, 0),
    ROW(CHARS, parent, QR_TIMELINE_TEXT_BYTES),
    ROW(LONG, branch_lsn, 0),
    ROW(CHARS, guid, QR_GUID_TEXT_BYTES),
    ROW(BYTE, traits.zone_redundant, QR_SAID_COUNT),
    ROW(BYTE, traits.read_scale, QR_SAID_COUNT),
    ROW(BYTE, traits.license, QR_LICENSE_COUNT),
    ROW(BYTE, traits.redundancy, QR_REDUNDANCY_COUNT),
    ROW(WORD, traits.auto_pause_minutes, 0),
    ROW(WORD, traits.min_capacity_pct, 0),
    ROW(WORD, encrypted, 0),
    ROW(LONG, epoch, 0),
    ROW(WORD, primary, QR_HA_REPLICAS_MAX + 1),
    ROW(WORD, members, 0),
    ROW(LONG, migrated_wall_ns, 0),
    ROW(LONG, kept_wall_ns, 0),
    ROW(LONG, expires_wall_ns, 0),
    ROW(CHARS, kept_of, QR_GUID_TEXT_BYTES),
    ROW(CHARS, kept_server, QR_KEPT_SERVER_BYTES_MAX),
    ROW(LONG, era_wall_ns, 0),
    ROW(WORD, moved_to, 0),
    ROW(WORD, leftovers, 0),
    ROW(CHARS, pool, QR_NAME_BYTES_MAX),
    ROW(LONG, first_backup_wall_ns, 0),
    ROW(LONG, paused_wall_ns, 0),
    ROW(LONG, resumed_wall_ns, 0),
    ROW(CHARS, owner, QR_OWNER_TEXT_BYTES),
    {QRI_END, 0, 0},
};
static const struct qri_field item_fields[] = {
    ITEM(TEXT, name, NAMES_MAX),
    ITEM(TEXT, text, QR_HASH_BYTES_MAX),
    ITEM(WORD, database_id, 0),
    ITEM(WORD, id, 0),
    ITEM(WORD, start, 0),
    ITEM(WORD, end, 0),
    ITEM(WORD, roles, 0),
    ITEM(LONG, create_ticks, 0),
    ITEM(LONG, modify_ticks, 0),
    ITEM(FLAG, flag, 0),
    ITEM(FLAG, is_disabled, 0),
    ITEM(BYTES, sid, QR_LOGIN_SID_BYTES_MAX),
    {QRI_END, 0, 0},
};

/* ---- the formats ---- */

static const struct qri_field *fields_of(uint16_t method)
{
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (asks[i].method == method)
            return asks[i].fields;
    return NULL;
}

void qr_control_ask_put(struct qr_buf *buf, enum qr_control_method method,
                        const struct qr_control_ask *ask)
{
    const struct qri_field *fields = fields_of((uint16_t)method);
    assert(fields != NULL);
    qri_fields_put(buf, fields, ask);
}

enum qr_status qr_control_ask_get(uint16_t method, const uint8_t *bytes, size_t count,
                                  struct qr_control_ask *ret_ask, struct qr_err *err)
{
    const struct qri_field *fields = fields_of(method);
    struct qr_control_ask ask = {0};
    size_t at = 0;
    if (fields == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "control has no method %u", method);
    if (!qri_fields_take(bytes, count, &at, fields, &ask) || at != count)
        return qr_fail(err, QR_PROTOCOL, "control call %u breaks its format", method);
    *ret_ask = ask;
    return QR_OK;
}

void qr_control_route_put(struct qr_buf *buf, const struct qr_control_route *route)
{
    qri_text_put(buf, qr_str(route->address), QR_CONTROL_ADDRESS_BYTES - 1);
    qr_buf_add32le(buf, route->database_id);
}

enum qr_status qr_control_route_get(const uint8_t *bytes, size_t count,
                                    struct qr_control_route *ret_route, struct qr_err *err)
{
    struct qr_control_route route = {0};
    struct qr_str address;
    size_t at = 0;
    if (!qri_text_take(bytes, count, &at, QR_CONTROL_ADDRESS_BYTES - 1, &address) ||
        count - at != 4)
        return qr_fail(err, QR_PROTOCOL, "a route breaks its format");
    memcpy(route.address, address.p, address.n);
    route.database_id = qr_get32le(bytes + at);
    *ret_route = route;
    return QR_OK;
}

void qr_control_service_put(struct qr_buf *buf, const struct qr_control_service *service)
{
    qri_fields_put(buf, service_fields, service);
}

enum qr_status qr_control_service_get(const uint8_t *bytes, size_t count,
                                      struct qr_control_service *ret_service, struct qr_err *err)
{
    struct qr_control_service service = {0};
    size_t at = 0;
    if (!qri_fields_take(bytes, count, &at, service_fields, &service) || at != count)
        return qr_fail(err, QR_PROTOCOL, "what control says about the service breaks its format");
    *ret_service = service;
    return QR_OK;
}

void qr_control_row_put(struct qr_buf *buf, const struct qr_database_row *row)
{
    qr_buf_add8(buf, (uint8_t)row->state);
    qri_fields_put(buf, row_fields, row);
}

enum qr_status qr_control_row_next(const uint8_t *bytes, size_t count, size_t *at,
                                   struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_row row = {0};
    size_t next = *at;
    if (count - next < 1 || bytes[next] > QR_DATABASE_KEPT)
        return qr_fail(err, QR_PROTOCOL, "the row of a database breaks its format");
    row.state = (enum qr_database_state)bytes[next++];
    if (!qri_fields_take(bytes, count, &next, row_fields, &row))
        return qr_fail(err, QR_PROTOCOL, "the row of a database breaks its format");
    *at = next;
    *ret_row = row;
    return QR_OK;
}

void qr_control_item_put(struct qr_buf *buf, const struct qr_control_item *item)
{
    qr_buf_add8(buf, (uint8_t)item->kind);
    qri_fields_put(buf, item_fields, item);
}

enum qr_status qr_control_item_next(const uint8_t *bytes, size_t count, size_t *at,
                                    struct qr_control_item *ret_item, struct qr_err *err)
{
    struct qr_control_item item = {0};
    size_t next = *at;
    if (count - next < 1 || bytes[next] < QR_ITEM_LOGIN || bytes[next] > QR_ITEM_MACHINE)
        return qr_fail(err, QR_PROTOCOL, "an item of the gateway's state breaks its format");
    item.kind = bytes[next++];
    if (!qri_fields_take(bytes, count, &next, item_fields, &item))
        return qr_fail(err, QR_PROTOCOL, "an item of the gateway's state breaks its format");
    *at = next;
    *ret_item = item;
    return QR_OK;
}
