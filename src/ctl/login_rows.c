/* login_rows.c - see ctl/registry.h: logins of servers beside their administrators, as rows
 * `login/<server in hexadecimal>/<name>`.
 *
 * Names compare without case, so the key holds the name in lower case and the value as written. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "ctl/registry.h"
#include "registry_int.h"
#include "base/banned.h"

enum { PREFIX_BYTES = 16, KEY_BYTES = PREFIX_BYTES + QR_NAME_BYTES_MAX + 1, FIRST_ID = 2 };

static int prefix_of(uint32_t server, char dst[PREFIX_BYTES])
{
    return snprintf(dst, PREFIX_BYTES, "login/%03x/", server);
}

static bool key_of(uint32_t server, struct qr_str name, char dst[KEY_BYTES])
{
    if (name.n == 0 || name.n > QR_NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
        return false;
    int at = prefix_of(server, dst);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        dst[at++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    dst[at] = '\0';
    return true;
}

/* ---- rows ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool sid_of_text(const char *text, struct qr_login_row *row)
{
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        row->sid[i] = (uint8_t)(high << 4 | low);
    }
    row->sid_bytes = n;
    return n > 0 && text[2 * n] == '\0';
}

static bool login_of(struct qr_str value, struct qr_login_row *row)
{
    json_t *o = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    json_int_t server = 0, id = 0, created = 0, modified = 0, disabled = 0;
    char sid[2 * QR_LOGIN_SID_BYTES_MAX + 1];
    bool good = qri_take_text(o, "name", row->name, sizeof row->name) &&
                qri_take_text(o, "hash", row->hash, sizeof row->hash) &&
                qri_take_text(o, "sid", sid, sizeof sid) && qri_take_number(o, "server", &server) &&
                qri_take_number(o, "id", &id) && qri_take_number(o, "disabled", &disabled) &&
                qri_take_number(o, "created", &created) &&
                qri_take_number(o, "modified", &modified) && server >= 0 &&
                server <= QR_SERVER_NUMBER_MAX && id >= FIRST_ID && id <= INT32_MAX &&
                sid_of_text(sid, row);
    row->roles = (uint32_t)json_integer_value(json_object_get(o, "roles")); /* earlier: none */
    json_decref(o);
    row->server = (uint32_t)server;
    row->id = (uint32_t)id;
    row->is_disabled = disabled != 0;
    row->create_ticks = created;
    row->modify_ticks = modified;
    return good;
}

static char *text_of(const struct qr_login_row *row)
{
    static const char digits[] = "0123456789abcdef";
    char sid[2 * QR_LOGIN_SID_BYTES_MAX + 1];
    for (size_t i = 0; i < row->sid_bytes; i++) {
        sid[2 * i] = digits[row->sid[i] >> 4];
        sid[2 * i + 1] = digits[row->sid[i] & 15];
    }
    sid[2 * row->sid_bytes] = '\0';
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", row->name,
                          "hash", row->hash, "sid", sid, "server", (json_int_t)row->server, "id",
                          (json_int_t)row->id, "disabled", (json_int_t)row->is_disabled, "created",
                          (json_int_t)row->create_ticks, "modified", (json_int_t)row->modify_ticks,
                          "roles", (json_int_t)row->roles);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

struct each {
    qr_registry_login_fn *call;
    void *arg;
    bool damaged;
};

static bool one_login(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct each *each = arg;
    struct qr_login_row row = {.server = 0};
    (void)key;
    (void)version;
    if (login_of(value, &row))
        each->call(each->arg, &row);
    else
        each->damaged = true;
    return !each->damaged;
}

enum qr_status qr_registry_each_login(struct qr_registry *registry, uint32_t server,
                                      qr_registry_login_fn *call, void *arg, struct qr_err *err)
{
    char prefix[PREFIX_BYTES] = "login/";
    struct each each = {call, arg, false};
    if (server != QR_SERVER_ANY)
        prefix_of(server, prefix);
    QR_TRY(qr_meta_range(qri_registry_meta(registry), qr_str(prefix), one_login, &each, err));
    if (each.damaged)
        return qr_fail(err, QR_CORRUPT, "metadata: a login cannot be read");
    return QR_OK;
}

enum qr_status qr_registry_find_login(struct qr_registry *registry, uint32_t server,
                                      struct qr_str name, struct qr_login_row *ret_row,
                                      struct qr_err *err)
{
    char key[KEY_BYTES];
    struct qr_buf buf;
    if (!key_of(server, name, key))
        return qr_fail(err, QR_NOT_FOUND, "no such login");
    *ret_row = (struct qr_login_row){.server = server};
    qr_buf_init(&buf, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = qr_meta_get(qri_registry_meta(registry), qr_str(key), &buf, NULL, err);
    if (status == QR_OK && !login_of(qr_str_n((const char *)buf.data, buf.len), ret_row))
        status = qr_fail(err, QR_CORRUPT, "metadata: a login cannot be read");
    qr_buf_done(&buf);
    return status;
}

/* ---- changes ---- */

struct count {
    uint32_t server, newest;
    struct qr_str sid;
    size_t all;
    bool has_sid;
};

static void count_login(void *arg, const struct qr_login_row *row)
{
    struct count *count = arg;
    count->all += 1;
    if (row->server != count->server)
        return;
    if (row->id > count->newest)
        count->newest = row->id;
    count->has_sid |= qr_str_eq(count->sid, qr_str_n((const char *)row->sid, row->sid_bytes));
}

enum qr_status qr_registry_add_login(struct qr_registry *registry, struct qr_login_row *row,
                                     struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    struct count count = {.server = row->server,
                          .newest = FIRST_ID - 1,
                          .sid = qr_str_n((const char *)row->sid, row->sid_bytes)};
    if (!key_of(row->server, qr_str(row->name), key) || row->hash[0] == '\0' || row->sid_bytes == 0)
        return qr_fail(err, QR_INVALID, "a login has a name, a password and a SID");
    QR_TRY(qr_registry_each_login(registry, QR_SERVER_ANY, count_login, &count, err));
    if (count.has_sid)
        return qr_sql_fail(err, 15433);
    if (count.all >= QR_LOGINS_MAX)
        return qr_sql_fail(err, 49918);
    row->id = count.newest + 1;
    row->create_ticks = row->modify_ticks = qri_registry_now_ticks(registry);
    char *text = text_of(row);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "The name of a login is not UTF-8.");
    struct qr_meta_compare absent = {qr_str(key), 0};
    struct qr_meta_op op = {.key = qr_str(key), .value = qr_str(text)};
    enum qr_status status =
        qr_meta_txn(qri_registry_meta(registry), &absent, 1, &op, 1, &applied, NULL, err);
    free(text);
    if (status == QR_OK && !applied)
        return qr_fail(err, QR_EXISTS, "There is a login '%s' already.", row->name);
    return status;
}

enum qr_status qr_registry_put_login(struct qr_registry *registry, struct qr_str name,
                                     struct qr_login_row *row, struct qr_err *err)
{
    char old_key[KEY_BYTES], key[KEY_BYTES];
    bool applied = false;
    if (!key_of(row->server, name, old_key) || !key_of(row->server, qr_str(row->name), key))
        return qr_fail(err, QR_INVALID, "a login has a name");
    bool moves = strcmp(old_key, key) != 0;
    row->modify_ticks = qri_registry_now_ticks(registry);
    char *text = text_of(row);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "The name of a login is not UTF-8.");
    struct qr_meta_compare absent = {qr_str(key), 0};
    struct qr_meta_op ops[2] = {{.key = qr_str(key), .value = qr_str(text)},
                                {.key = qr_str(old_key), .is_delete = true}};
    enum qr_status status = qr_meta_txn(qri_registry_meta(registry), &absent, moves ? 1 : 0, ops,
                                        moves ? 2 : 1, &applied, NULL, err);
    free(text);
    if (status == QR_OK && !applied)
        return qr_fail(err, QR_EXISTS, "There is a login '%s' already.", row->name);
    return status;
}

enum qr_status qr_registry_remove_login(struct qr_registry *registry, uint32_t server,
                                        struct qr_str name, struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied;
    if (!key_of(server, name, key))
        return qr_fail(err, QR_NOT_FOUND, "no such login");
    struct qr_meta *meta = qri_registry_meta(registry);
    QR_TRY(qr_meta_get(meta, qr_str(key), NULL, NULL, err));
    struct qr_meta_op op = {.key = qr_str(key), .is_delete = true};
    return qr_meta_txn(meta, NULL, 0, &op, 1, &applied, NULL, err);
}

/* ---- a server that goes ---- */

struct names {
    struct qr_buf buf; /* each ended by a NUL: the registry may not be called while it walks */
};

static void note_name(void *arg, const struct qr_login_row *row)
{
    struct names *names = arg;
    qr_buf_add(&names->buf, row->name, strlen(row->name) + 1);
}

enum qr_status qri_registry_remove_logins(struct qr_registry *registry, uint32_t server,
                                          struct qr_err *err)
{
    struct names names;
    qr_buf_init(&names.buf, (size_t)QR_LOGINS_MAX * (QR_NAME_BYTES_MAX + 1));
    enum qr_status status = qr_registry_each_login(registry, server, note_name, &names, err);
    if (status == QR_OK)
        status = qr_buf_status(&names.buf, err);
    for (size_t at = 0; status == QR_OK && at < names.buf.len;) {
        const char *name = (const char *)names.buf.data + at;
        status = qr_registry_remove_login(registry, server, qr_str(name), err);
        at += strlen(name) + 1;
    }
    qr_buf_done(&names.buf);
    return status;
}
