/* calls.c - see ctl/calls.h: every format is a list of fields, read and written by one loop */
#include "ctl/calls.h"
#include <assert.h>
#include <stddef.h>
#include "base/endian.h"
#include "base/banned.h"

enum kind {
    END,
    FLAG,  /* bool */
    BYTE,  /* uint8_t, below `max` */
    WORD,  /* uint32_t */
    LONG,  /* uint64_t or int64_t */
    TEXT,  /* struct qr_str of at most `max` bytes */
    CHARS, /* char[max + 1] */
};
struct field {
    enum kind kind;
    uint16_t offset;
    uint16_t max;
};
#define ASK(kind, member, max)                                                                     \
    {                                                                                              \
        kind, offsetof(struct qr_control_ask, member), max                                         \
    }
#define ITEM(kind, member, max)                                                                    \
    {                                                                                              \
        kind, offsetof(struct qr_control_item, member), max                                        \
    }
#define SERVICE(member)                                                                            \
    {                                                                                              \
        CHARS, offsetof(struct qr_control_service, member),                                        \
            sizeof((struct qr_control_service *)0)->member - 1                                     \
    }
#define ROW(kind, member, max)                                                                     \
    {                                                                                              \
        kind, offsetof(struct qr_database_row, member), max                                        \
    }
enum { WORDS_MAX = QR_WORD_BYTES_MAX, NAMES_MAX = QR_NAME_BYTES_MAX, FIELDS_MAX = 11 };

static const struct {
    uint16_t method;
    struct field fields[FIELDS_MAX];
} asks[] = {
    /* clang-format off */
    {QR_CONTROL_REGISTER,    {ASK(BYTE, role, QR_ROLE_COUNT), ASK(TEXT, name, WORDS_MAX), ASK(WORD, pid, 0)}},
    {QR_CONTROL_ROUTE,       {ASK(TEXT, name, NAMES_MAX), ASK(FLAG, read_only, 0)}},
    {QR_CONTROL_STATE,       {ASK(LONG, version, 0)}},
    {QR_CONTROL_FIND,        {ASK(TEXT, name, NAMES_MAX), ASK(WORD, id, 0)}},
    {QR_CONTROL_DATABASES,   {ASK(WORD, id, 0)}},
    {QR_CONTROL_RULES,       {ASK(WORD, id, 0)}},
    {QR_CONTROL_DUTY,        {ASK(TEXT, name, WORDS_MAX)}},
    {QR_CONTROL_LOGIN,       {ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_JOIN,        {ASK(BYTE, role, QR_ROLE_COUNT)}},
    {QR_CONTROL_CREATE,      {ASK(TEXT, name, NAMES_MAX), ASK(TEXT, edition, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX),
                              ASK(TEXT, collation, NAMES_MAX), ASK(LONG, max_bytes, 0), ASK(TEXT, max_text, WORDS_MAX),
                              ASK(TEXT, copy_of, NAMES_MAX), ASK(FLAG, dropped, 0), ASK(LONG, dropped_wall_ns, 0),
                              ASK(LONG, restore_wall_ns, 0)}},
    {QR_CONTROL_ALTER,       {ASK(TEXT, name, NAMES_MAX), ASK(TEXT, edition, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX),
                              ASK(LONG, max_bytes, 0), ASK(TEXT, max_text, WORDS_MAX), ASK(WORD, ha_replicas, 0)}},
    {QR_CONTROL_RENAME,      {ASK(TEXT, name, NAMES_MAX), ASK(TEXT, new_name, NAMES_MAX)}},
    {QR_CONTROL_DROP,        {ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_SET_RULE,    {ASK(WORD, id, 0), ASK(TEXT, name, NAMES_MAX), ASK(TEXT, start, WORDS_MAX),
                              ASK(TEXT, end, WORDS_MAX)}},
    {QR_CONTROL_GROW,        {ASK(WORD, id, 0), ASK(WORD, slices, 0)}},
    {QR_CONTROL_DELETE_RULE, {ASK(WORD, id, 0), ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_ADD_REPLICA, {ASK(TEXT, name, NAMES_MAX), ASK(TEXT, new_name, NAMES_MAX), ASK(TEXT, objective, NAMES_MAX)}},
    {QR_CONTROL_FAILOVER,    {ASK(TEXT, name, NAMES_MAX)}},
    {QR_CONTROL_RETENTION,   {ASK(TEXT, name, NAMES_MAX), ASK(WORD, id, 0)}},
    /* clang-format on */
};
static const struct field service_fields[] = {
    SERVICE(server_name), SERVICE(admin_login),  SERVICE(log), SERVICE(page),
    SERVICE(blob),        SERVICE(landing_zone), {END, 0, 0},
};
static const struct field row_fields[] = {
    ROW(WORD, id, 0),
    ROW(CHARS, name, QR_NAME_BYTES_MAX),
    ROW(CHARS, edition, QR_WORD_BYTES_MAX),
    ROW(CHARS, objective, QR_WORD_BYTES_MAX),
    ROW(CHARS, collation, QR_NAME_BYTES_MAX),
    ROW(CHARS, timeline, QR_TIMELINE_TEXT_BYTES),
    ROW(LONG, create_ticks, 0),
    ROW(LONG, max_bytes, 0),
    ROW(WORD, slices, 0),
    ROW(WORD, replica_of, 0),
    ROW(WORD, ha_replicas, 0),
    ROW(WORD, retention_days, 0),
    ROW(LONG, dropped_wall_ns, 0),
    ROW(CHARS, parent, QR_TIMELINE_TEXT_BYTES),
    ROW(LONG, branch_lsn, 0),
    {END, 0, 0},
};
static const struct field item_fields[] = {
    ITEM(TEXT, name, NAMES_MAX), ITEM(TEXT, text, QR_HASH_BYTES_MAX),
    ITEM(WORD, database_id, 0),  ITEM(WORD, id, 0),
    ITEM(WORD, start, 0),        ITEM(WORD, end, 0),
    ITEM(LONG, create_ticks, 0), ITEM(LONG, modify_ticks, 0),
    ITEM(FLAG, flag, 0),         {END, 0, 0},
};

/* ---- one loop each ---- */

static void put_text(struct qr_buf *buf, struct qr_str text, size_t max)
{
    size_t n = text.n < max ? text.n : max; /* who asks has checked: what is cut names nothing */
    qr_buf_add16le(buf, (uint16_t)n);
    qr_buf_add(buf, text.p, n);
}

static void put_fields(struct qr_buf *buf, const struct field *fields, const void *from)
{
    for (const struct field *f = fields; f->kind != END; f++) {
        const char *at = (const char *)from + f->offset;
        switch (f->kind) {
        case FLAG:
            qr_buf_add8(buf, *(const bool *)at);
            break;
        case BYTE:
            qr_buf_add8(buf, *(const uint8_t *)at);
            break;
        case WORD:
            qr_buf_add32le(buf, *(const uint32_t *)(const void *)at);
            break;
        case LONG:
            qr_buf_add64le(buf, *(const uint64_t *)(const void *)at);
            break;
        case TEXT:
            put_text(buf, *(const struct qr_str *)(const void *)at, f->max);
            break;
        case CHARS:
            put_text(buf, qr_str(at), f->max);
            break;
        case END:
            break;
        }
    }
}

static bool take_text(const uint8_t *bytes, size_t count, size_t *at, size_t max,
                      struct qr_str *ret_text)
{
    if (count - *at < 2)
        return false;
    size_t n = qr_get16le(bytes + *at);
    *at += 2;
    if (n > max || n > count - *at || memchr(bytes + *at, '\0', n) != NULL)
        return false;
    *ret_text = qr_str_n((const char *)bytes + *at, n);
    *at += n;
    return true;
}

static bool take_field(const uint8_t *bytes, size_t count, size_t *at, const struct field *f,
                       char *to)
{
    static const size_t widths[] = {[FLAG] = 1, [BYTE] = 1, [WORD] = 4, [LONG] = 8};
    struct qr_str text;
    if (f->kind == TEXT || f->kind == CHARS) {
        if (!take_text(bytes, count, at, f->max, &text))
            return false;
        if (f->kind == TEXT) {
            *(struct qr_str *)(void *)to = text;
        } else {
            memcpy(to, text.p, text.n);
            to[text.n] = '\0';
        }
        return true;
    }
    const uint8_t *p = bytes + *at;
    if (count - *at < widths[f->kind])
        return false;
    *at += widths[f->kind];
    if (f->kind == FLAG)
        *(bool *)to = *p != 0;
    else if (f->kind == BYTE)
        *(uint8_t *)to = *p;
    else if (f->kind == WORD)
        *(uint32_t *)(void *)to = qr_get32le(p);
    else
        *(uint64_t *)(void *)to = qr_get64le(p);
    return f->kind == FLAG ? *p <= 1 : f->kind != BYTE || *p < f->max;
}

static bool take_fields(const uint8_t *bytes, size_t count, size_t *at, const struct field *fields,
                        void *to)
{
    for (const struct field *f = fields; f->kind != END; f++)
        if (!take_field(bytes, count, at, f, (char *)to + f->offset))
            return false;
    return true;
}

/* ---- the formats ---- */

static const struct field *fields_of(uint16_t method)
{
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (asks[i].method == method)
            return asks[i].fields;
    return NULL;
}

void qr_control_ask_put(struct qr_buf *buf, enum qr_control_method method,
                        const struct qr_control_ask *ask)
{
    const struct field *fields = fields_of((uint16_t)method);
    assert(fields != NULL);
    put_fields(buf, fields, ask);
}

enum qr_status qr_control_ask_get(uint16_t method, const uint8_t *bytes, size_t count,
                                  struct qr_control_ask *ret_ask, struct qr_err *err)
{
    const struct field *fields = fields_of(method);
    struct qr_control_ask ask = {0};
    size_t at = 0;
    if (fields == NULL)
        return qr_fail(err, QR_UNSUPPORTED, "control has no method %u", method);
    if (!take_fields(bytes, count, &at, fields, &ask) || at != count)
        return qr_fail(err, QR_PROTOCOL, "control call %u breaks its format", method);
    *ret_ask = ask;
    return QR_OK;
}

void qr_control_route_put(struct qr_buf *buf, const struct qr_control_route *route)
{
    put_text(buf, qr_str(route->address), QR_CONTROL_ADDRESS_BYTES - 1);
    qr_buf_add32le(buf, route->database_id);
}

enum qr_status qr_control_route_get(const uint8_t *bytes, size_t count,
                                    struct qr_control_route *ret_route, struct qr_err *err)
{
    struct qr_control_route route = {0};
    struct qr_str address;
    size_t at = 0;
    if (!take_text(bytes, count, &at, QR_CONTROL_ADDRESS_BYTES - 1, &address) || count - at != 4)
        return qr_fail(err, QR_PROTOCOL, "a route breaks its format");
    memcpy(route.address, address.p, address.n);
    route.database_id = qr_get32le(bytes + at);
    *ret_route = route;
    return QR_OK;
}

void qr_control_service_put(struct qr_buf *buf, const struct qr_control_service *service)
{
    put_fields(buf, service_fields, service);
}

enum qr_status qr_control_service_get(const uint8_t *bytes, size_t count,
                                      struct qr_control_service *ret_service, struct qr_err *err)
{
    struct qr_control_service service = {0};
    size_t at = 0;
    if (!take_fields(bytes, count, &at, service_fields, &service) || at != count)
        return qr_fail(err, QR_PROTOCOL, "what control says about the service breaks its format");
    *ret_service = service;
    return QR_OK;
}

void qr_control_row_put(struct qr_buf *buf, const struct qr_database_row *row)
{
    qr_buf_add8(buf, (uint8_t)row->state);
    put_fields(buf, row_fields, row);
}

enum qr_status qr_control_row_next(const uint8_t *bytes, size_t count, size_t *at,
                                   struct qr_database_row *ret_row, struct qr_err *err)
{
    struct qr_database_row row = {0};
    size_t next = *at;
    if (count - next < 1 || bytes[next] > QR_DATABASE_PURGING)
        return qr_fail(err, QR_PROTOCOL, "the row of a database breaks its format");
    row.state = (enum qr_database_state)bytes[next++];
    if (!take_fields(bytes, count, &next, row_fields, &row))
        return qr_fail(err, QR_PROTOCOL, "the row of a database breaks its format");
    *at = next;
    *ret_row = row;
    return QR_OK;
}

void qr_control_item_put(struct qr_buf *buf, const struct qr_control_item *item)
{
    qr_buf_add8(buf, (uint8_t)item->kind);
    put_fields(buf, item_fields, item);
}

enum qr_status qr_control_item_next(const uint8_t *bytes, size_t count, size_t *at,
                                    struct qr_control_item *ret_item, struct qr_err *err)
{
    struct qr_control_item item = {0};
    size_t next = *at;
    if (count - next < 1 || bytes[next] < QR_ITEM_LOGIN || bytes[next] > QR_ITEM_DATABASE)
        return qr_fail(err, QR_PROTOCOL, "an item of the gateway's state breaks its format");
    item.kind = bytes[next++];
    if (!take_fields(bytes, count, &next, item_fields, &item))
        return qr_fail(err, QR_PROTOCOL, "an item of the gateway's state breaks its format");
    *at = next;
    *ret_item = item;
    return QR_OK;
}
