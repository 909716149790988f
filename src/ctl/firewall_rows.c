/* firewall_rows.c - see ctl/registry.h: the server's firewall rules as rows `firewall/<name>`.
 *
 * Names compare without case, so the key holds the name in lower case and the value as written. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "ctl/registry.h"
#include "registry_int.h"
#include "base/banned.h"

enum { NAME_BYTES_MAX = 128 };

static bool key_of(struct qr_str name, char dst[NAME_BYTES_MAX + 16])
{
    if (name.n == 0 || name.n > NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
        return false;
    int at = snprintf(dst, 16, "firewall/");
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        dst[at++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    dst[at] = '\0';
    return true;
}

struct each {
    qr_registry_rule_fn *call;
    void *arg;
    bool damaged;
};

static bool one_rule(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct each *each = arg;
    (void)key;
    (void)version;
    json_t *object = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *name = json_object_get(object, "name");
    json_int_t start = json_integer_value(json_object_get(object, "start"));
    json_int_t end = json_integer_value(json_object_get(object, "end"));
    if (!json_is_string(name) || start < 0 || end > UINT32_MAX || start > end)
        each->damaged = true;
    else
        each->call(each->arg, qr_str_n(json_string_value(name), json_string_length(name)),
                   (uint32_t)start, (uint32_t)end);
    json_decref(object);
    return !each->damaged;
}

enum qr_status qr_registry_each_rule(struct qr_registry *registry, qr_registry_rule_fn *call,
                                     void *arg, struct qr_err *err)
{
    struct each each = {call, arg, false};
    QR_TRY(qr_meta_range(qri_registry_meta(registry), qr_str("firewall/"), one_rule, &each, err));
    if (each.damaged)
        return qr_fail(err, QR_CORRUPT, "metadata: a firewall rule cannot be read");
    return QR_OK;
}

enum qr_status qr_registry_set_rule(struct qr_registry *registry, struct qr_str name,
                                    uint32_t start, uint32_t end, struct qr_err *err)
{
    char key[NAME_BYTES_MAX + 16];
    bool applied;
    if (!key_of(name, key) || start > end)
        return qr_fail(err, QR_INVALID,
                       "A firewall rule has a name of 1 to %d bytes and a range that does not end "
                       "before it starts.",
                       NAME_BYTES_MAX);
    json_t *object = json_pack("{s:s%, s:I, s:I}", "name", name.p, name.n, "start",
                               (json_int_t)start, "end", (json_int_t)end);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "The name of a firewall rule is not UTF-8.");
    struct qr_meta_op op = {.key = qr_str(key), .value = qr_str(text)};
    enum qr_status status =
        qr_meta_txn(qri_registry_meta(registry), NULL, 0, &op, 1, &applied, NULL, err);
    free(text);
    return status;
}

enum qr_status qr_registry_remove_rule(struct qr_registry *registry, struct qr_str name,
                                       struct qr_err *err)
{
    char key[NAME_BYTES_MAX + 16];
    bool applied;
    if (!key_of(name, key))
        return qr_fail(err, QR_NOT_FOUND, "no such firewall rule");
    struct qr_meta *meta = qri_registry_meta(registry);
    QR_TRY(qr_meta_get(meta, qr_str(key), NULL, NULL, err));
    struct qr_meta_op op = {.key = qr_str(key), .is_delete = true};
    return qr_meta_txn(meta, NULL, 0, &op, 1, &applied, NULL, err);
}
