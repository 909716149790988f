/* firewall_rows.c - see ctl/registry.h: firewall rules as rows `firewall/<name>` of the server and
 * `database-firewall/<id in hexadecimal>/<name>` of a database.
 *
 * Names compare without case, so the key holds the name in lower case and the value as written. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "ctl/registry.h"
#include "registry_int.h"
#include "base/banned.h"

enum { PREFIX_BYTES = 32, KEY_BYTES = PREFIX_BYTES + QR_NAME_BYTES_MAX + 1 };

static int prefix_of(uint32_t database_id, char dst[PREFIX_BYTES])
{
    return database_id == 0 ? snprintf(dst, PREFIX_BYTES, "firewall/")
                            : snprintf(dst, PREFIX_BYTES, "database-firewall/%08x/", database_id);
}

static bool key_of(uint32_t database_id, struct qr_str name, char dst[KEY_BYTES])
{
    if (name.n == 0 || name.n > QR_NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
        return false;
    int at = prefix_of(database_id, dst);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        dst[at++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    dst[at] = '\0';
    return true;
}

/* ---- rows ---- */

static bool rule_of(struct qr_str value, struct qr_rule_row *row)
{
    json_t *o = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    json_int_t database = 0, id = 0, created = 0, modified = 0, start = 0, end = 0;
    bool good = qri_take_text(o, "name", row->name, sizeof row->name) &&
                qri_take_number(o, "start", &start) && qri_take_number(o, "end", &end) &&
                qri_take_number(o, "database", &database) && qri_take_number(o, "id", &id) &&
                qri_take_number(o, "created", &created) &&
                qri_take_number(o, "modified", &modified) && start >= 0 && end <= UINT32_MAX &&
                start <= end && database >= 0 && database <= UINT32_MAX && id > 0 &&
                id <= INT32_MAX;
    json_decref(o);
    row->database_id = (uint32_t)database;
    row->id = (int)id;
    row->start = (uint32_t)start;
    row->end = (uint32_t)end;
    row->create_ticks = created;
    row->modify_ticks = modified;
    return good;
}

static char *text_of(const struct qr_rule_row *row)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", row->name, "start",
                          (json_int_t)row->start, "end", (json_int_t)row->end, "database",
                          (json_int_t)row->database_id, "id", (json_int_t)row->id, "created",
                          (json_int_t)row->create_ticks, "modified", (json_int_t)row->modify_ticks);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

struct each {
    qr_registry_rule_fn *call;
    void *arg;
    bool damaged;
};

static bool one_rule(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct each *each = arg;
    struct qr_rule_row row;
    (void)key;
    (void)version;
    if (rule_of(value, &row))
        each->call(each->arg, &row);
    else
        each->damaged = true;
    return !each->damaged;
}

static enum qr_status each_under(struct qr_registry *registry, const char *prefix,
                                 qr_registry_rule_fn *call, void *arg, struct qr_err *err)
{
    struct each each = {call, arg, false};
    QR_TRY(qr_meta_range(qri_registry_meta(registry), qr_str(prefix), one_rule, &each, err));
    if (each.damaged)
        return qr_fail(err, QR_CORRUPT, "metadata: a firewall rule cannot be read");
    return QR_OK;
}

enum qr_status qr_registry_each_rule(struct qr_registry *registry, qr_registry_rule_fn *call,
                                     void *arg, struct qr_err *err)
{
    QR_TRY(each_under(registry, "firewall/", call, arg, err));
    return each_under(registry, "database-firewall/", call, arg, err);
}

/* ---- changes ---- */

static void note_id(void *arg, const struct qr_rule_row *row)
{
    int *newest = arg;
    if (row->id > *newest)
        *newest = row->id;
}

/* What is there keeps its id and the time of its making. */
static enum qr_status find_old(struct qr_registry *registry, const char *key,
                               struct qr_rule_row *row, struct qr_err *err)
{
    struct qr_buf buf;
    char prefix[PREFIX_BYTES];
    qr_buf_init(&buf, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = qr_meta_get(qri_registry_meta(registry), qr_str(key), &buf, NULL, err);
    if (status == QR_OK && !rule_of(qr_str_n((const char *)buf.data, buf.len), row))
        status = qr_fail(err, QR_CORRUPT, "metadata: a firewall rule cannot be read");
    qr_buf_done(&buf);
    if (status != QR_NOT_FOUND)
        return status;
    int newest = 0;
    prefix_of(row->database_id, prefix);
    QR_TRY(each_under(registry, prefix, note_id, &newest, err));
    row->id = newest + 1;
    return QR_OK;
}

enum qr_status qr_registry_set_rule(struct qr_registry *registry, uint32_t database_id,
                                    struct qr_str name, uint32_t start, uint32_t end,
                                    struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied;
    struct qr_rule_row row = {.database_id = database_id};
    if (!key_of(database_id, name, key) || start > end)
        return qr_fail(err, QR_INVALID,
                       "A firewall rule has a name of 1 to %d bytes and a range that does not end "
                       "before it starts.",
                       QR_NAME_BYTES_MAX);
    row.create_ticks = qri_registry_now_ticks(registry);
    QR_TRY(find_old(registry, key, &row, err));
    row.modify_ticks = qri_registry_now_ticks(registry);
    row.start = start;
    row.end = end;
    char *text = qri_copy_text(row.name, sizeof row.name, name) ? text_of(&row) : NULL;
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "The name of a firewall rule is not UTF-8.");
    struct qr_meta_op op = {.key = qr_str(key), .value = qr_str(text)};
    enum qr_status status =
        qr_meta_txn(qri_registry_meta(registry), NULL, 0, &op, 1, &applied, NULL, err);
    free(text);
    return status;
}

enum qr_status qr_registry_remove_rule(struct qr_registry *registry, uint32_t database_id,
                                       struct qr_str name, struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied;
    if (!key_of(database_id, name, key))
        return qr_fail(err, QR_NOT_FOUND, "no such firewall rule");
    struct qr_meta *meta = qri_registry_meta(registry);
    QR_TRY(qr_meta_get(meta, qr_str(key), NULL, NULL, err));
    struct qr_meta_op op = {.key = qr_str(key), .is_delete = true};
    return qr_meta_txn(meta, NULL, 0, &op, 1, &applied, NULL, err);
}
