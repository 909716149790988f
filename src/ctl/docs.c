/* docs.c - see control_int.h: documents, at keys `doc/<kind>/<name in lower case>`, each as
 * {"name": as written, "doc": the object} */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "control_int.h"
#include "ctl/place.h"
#include "registry_int.h"
#include "resources_int.h"
#include "base/banned.h"

enum { KEY_BYTES = QRI_DOC_KEY_BYTES, DOCS_ANSWER_BYTES = 256 * 1024 };

static enum qr_status check_server(struct qr_control *control, struct qr_str name,
                                   const json_t *doc, struct qr_err *err);
static enum qr_status keep_all(struct qr_control *control, struct qr_str name, struct qr_err *err);
static enum qr_status keep_group_of_servers(struct qr_control *control, struct qr_str name,
                                            struct qr_err *err);

static const struct {
    const char *word;
    size_t max; /* of that kind */
    /* May be NULL. A new or changed one; one that is to go. */
    enum qr_status (*check)(struct qr_control *control, struct qr_str name, const json_t *doc,
                            struct qr_err *err);
    enum qr_status (*check_delete)(struct qr_control *control, struct qr_str name,
                                   struct qr_err *err);
} kinds[QR_DOC_KIND_COUNT] = {
    /* clang-format off */
    [QR_DOC_SUBSCRIPTION] = {"subscription", 1,     NULL,         keep_all},
    [QR_DOC_REGION]       = {"region",       100,   NULL,         NULL},
    [QR_DOC_GROUP]        = {"group",        980,   NULL,         keep_group_of_servers},
    [QR_DOC_SERVER]       = {"server",       2000,  check_server, keep_all},
    [QR_DOC_PRINCIPAL]    = {"principal",    1000,  NULL,         NULL},
    [QR_DOC_ROLE]         = {"role",         4000,  NULL,         NULL},
    [QR_DOC_POLICY]       = {"policy",       50000, NULL,         NULL},
    [QR_DOC_POOL]         = {"pool",         500,   NULL,         NULL},
    [QR_DOC_AUTOSCALE]    = {"autoscale",    50000, NULL,         NULL},
    /* clang-format on */
};

static struct qr_str key_of(uint8_t kind, struct qr_str name, char dst[KEY_BYTES])
{
    int at = snprintf(dst, KEY_BYTES, "doc/%s/", kinds[kind].word);
    for (size_t i = 0; i < name.n && i < QR_DOC_NAME_BYTES_MAX; i++) {
        char c = name.p[i];
        dst[at++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return qr_str_n(dst, (size_t)at);
}

static struct qr_meta *meta_of(struct qr_control *control)
{
    return qri_registry_meta(control->options.registry);
}

/* ---- reading ---- */

/* The stored value as a document; `ret_root` and `ret_text` hold what it points into. A server's
 * number is told and not stored. */
static bool doc_of(struct qr_control *control, uint8_t kind, struct qr_str value, uint64_t version,
                   json_t **ret_root, char **ret_text, struct qr_doc *ret_doc)
{
    json_t *root = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *name = json_object_get(root, "name");
    json_t *doc = json_object_get(root, "doc");
    struct qr_server_row server;
    if (kind == QR_DOC_SERVER && json_is_string(name) &&
        qr_registry_find_server(control->options.registry, qr_str(json_string_value(name)),
                                &server) == QR_OK)
        (void)json_object_set_new(doc, "number", json_integer(server.number));
    char *text = json_is_string(name) && json_is_object(doc) ? json_dumps(doc, JSON_COMPACT) : NULL;
    *ret_root = root;
    *ret_text = text;
    if (text == NULL)
        return false;
    *ret_doc = (struct qr_doc){qr_str_n(json_string_value(name), json_string_length(name)),
                               qr_str(text), version};
    return true;
}

static enum qr_status read_doc(struct qr_control *control, uint8_t kind, struct qr_str name,
                               struct qr_buf *value, uint64_t *ret_version, struct qr_err *err)
{
    char key[KEY_BYTES];
    return qr_meta_get(meta_of(control), key_of(kind, name, key), value, ret_version, err);
}

enum qr_status qri_docs_read(struct qr_control *control, uint8_t kind, struct qr_str name,
                             json_t **ret_doc, struct qr_err *err)
{
    struct qr_buf value;
    qr_buf_init(&value, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = read_doc(control, kind, name, &value, NULL, err);
    json_t *root = status != QR_OK ? NULL
                                   : json_loadb((const char *)value.data, value.len,
                                                JSON_REJECT_DUPLICATES, NULL);
    json_t *doc = json_incref(json_object_get(root, "doc"));
    json_decref(root);
    qr_buf_done(&value);
    if (status == QR_OK && doc == NULL)
        return qr_fail(err, QR_CORRUPT, "metadata: a document cannot be read");
    if (status == QR_OK)
        *ret_doc = doc;
    return status;
}

enum qr_status qri_docs_get(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_buf *answer, struct qr_err *err)
{
    struct qr_buf value;
    struct qr_doc doc;
    json_t *root = NULL;
    char *text = NULL;
    uint64_t version = 0;
    qr_buf_init(&value, QR_META_VALUE_BYTES_MAX);
    enum qr_status status = read_doc(control, ask->doc_kind, ask->name, &value, &version, err);
    if (status == QR_OK &&
        !doc_of(control, ask->doc_kind, qr_str_n((const char *)value.data, value.len), version,
                &root, &text, &doc))
        status = qr_fail(err, QR_CORRUPT, "metadata: a document cannot be read");
    if (status == QR_OK)
        qri_doc_put(answer, &doc);
    free(text);
    json_decref(root);
    qr_buf_done(&value);
    return status;
}

struct list {
    struct qr_buf kept; /* of each: its bytes, its version, its value */
    char after_key[KEY_BYTES];
    struct qr_str after;
};

/* Under the store's lock, so the registry is not asked yet. */
static bool keep_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct list *list = arg;
    size_t n = key.n < list->after.n ? key.n : list->after.n;
    int order = n == 0 ? 1 : memcmp(key.p, list->after.p, n);
    if (list->after.n > 0 && (order < 0 || (order == 0 && key.n <= list->after.n)))
        return true;
    qr_buf_add32le(&list->kept, (uint32_t)value.n);
    qr_buf_add64le(&list->kept, version);
    qr_buf_add(&list->kept, value.p, value.n);
    return list->kept.len < DOCS_ANSWER_BYTES;
}

static enum qr_status put_kept(struct qr_control *control, uint8_t kind, const struct qr_buf *kept,
                               struct qr_buf *answer, struct qr_err *err)
{
    for (size_t at = 0; at < kept->len && answer->len < DOCS_ANSWER_BYTES;) {
        uint32_t bytes = qr_get32le(kept->data + at);
        uint64_t version = qr_get64le(kept->data + at + 4);
        struct qr_str value = qr_str_n((const char *)kept->data + at + 12, bytes);
        struct qr_doc doc;
        json_t *root = NULL;
        char *text = NULL;
        bool whole = doc_of(control, kind, value, version, &root, &text, &doc);
        if (whole)
            qri_doc_put(answer, &doc);
        free(text);
        json_decref(root);
        if (!whole)
            return qr_fail(err, QR_CORRUPT, "metadata: a document cannot be read");
        at += 12 + bytes;
    }
    return QR_OK;
}

enum qr_status qri_docs_list(struct qr_control *control, const struct qr_control_ask *ask,
                             struct qr_buf *answer, struct qr_err *err)
{
    struct list list = {.after = {0}};
    char prefix[KEY_BYTES];
    if (ask->new_name.n > 0)
        list.after = key_of(ask->doc_kind, ask->new_name, list.after_key);
    qr_buf_init(&list.kept, DOCS_ANSWER_BYTES + 12 + QR_META_VALUE_BYTES_MAX);
    enum qr_status status = qr_meta_range(
        meta_of(control), key_of(ask->doc_kind, ask->name, prefix), keep_one, &list, err);
    if (status == QR_OK)
        status = qr_buf_status(&list.kept, err);
    if (status == QR_OK)
        status = put_kept(control, ask->doc_kind, &list.kept, answer, err);
    qr_buf_done(&list.kept);
    return status;
}

struct numbered {
    bool (*each)(void *arg, uint32_t number, json_t *doc);
    void *arg;
    bool failed;
};

static bool number_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct numbered *n = arg;
    json_t *root = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *doc = json_object_get(root, "doc");
    const char *name = json_string_value(json_object_get(root, "name"));
    unsigned long number = name == NULL ? 0 : strtoul(name, NULL, 10);
    (void)key;
    (void)version;
    n->failed = !json_is_object(doc) || number == 0 || number > UINT32_MAX ||
                !n->each(n->arg, (uint32_t)number, doc);
    json_decref(root);
    return !n->failed;
}

enum qr_status qri_docs_each_number(struct qr_control *control, uint8_t kind,
                                    bool (*each)(void *arg, uint32_t number, json_t *doc),
                                    void *arg, struct qr_err *err)
{
    char prefix[KEY_BYTES];
    struct numbered n = {each, arg, false};
    QR_TRY(qr_meta_range(meta_of(control), key_of(kind, qr_str(""), prefix), number_one, &n, err));
    return n.failed ? qr_fail(err, QR_CORRUPT, "metadata: a document cannot be read") : QR_OK;
}

/* ---- writing ---- */

static bool count_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    (void)key;
    (void)value;
    (void)version;
    *(size_t *)arg += 1;
    return true;
}

static enum qr_status check_count(struct qr_control *control, uint8_t kind, struct qr_err *err)
{
    char prefix[KEY_BYTES];
    size_t count = 0;
    QR_TRY(
        qr_meta_range(meta_of(control), key_of(kind, qr_str(""), prefix), count_one, &count, err));
    return count < kinds[kind].max
               ? QR_OK
               : qr_fail(err, QR_FULL, "There are %zu documents of kind '%s', the most possible.",
                         count, kinds[kind].word);
}

/* As it is stored. NULL: not UTF-8. */
static char *text_of(struct qr_str name, json_t *doc, struct qr_err *err)
{
    json_t *root = json_pack("{s:s%, s:O}", "name", name.p, name.n, "doc", doc);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL)
        (void)qr_fail(err, QR_INVALID, "The name of a resource is UTF-8.");
    return text;
}

static enum qr_status write_doc(struct qr_control *control, uint8_t kind, struct qr_str name,
                                json_t *doc, uint64_t wanted, struct qr_err *err)
{
    char key[KEY_BYTES];
    uint64_t version = 0;
    bool applied = false;
    enum qr_status status = read_doc(control, kind, name, NULL, &version, err);
    if (status == QR_NOT_FOUND)
        status = check_count(control, kind, err);
    QR_TRY(status);
    if (wanted != UINT64_MAX && wanted != version)
        return qr_fail(err, QR_CONFLICT, "The resource has changed since it was read.");
    char *text = text_of(name, doc, err);
    if (text == NULL)
        return QR_INVALID;
    struct qr_meta_compare compare = {key_of(kind, name, key), version};
    struct qr_meta_op op = {.key = compare.key, .value = qr_str(text)};
    status = qr_meta_txn(meta_of(control), &compare, 1, &op, 1, &applied, NULL, err);
    free(text);
    if (status == QR_OK && !applied)
        status = qr_fail(err, QR_CONFLICT, "The resource has changed since it was read.");
    return status;
}

enum qr_status qri_docs_put(struct qr_control *control, const struct qr_control_ask *ask,
                            struct qr_buf *answer, struct qr_err *err)
{
    (void)answer;
    json_t *doc = json_loadb(ask->text.p, ask->text.n, JSON_REJECT_DUPLICATES, NULL);
    enum qr_status status = json_is_object(doc) && ask->name.n > 0
                                ? QR_OK
                                : qr_fail(err, QR_INVALID, "A resource is a JSON object.");
    if (status == QR_OK && kinds[ask->doc_kind].check != NULL)
        status = kinds[ask->doc_kind].check(control, ask->name, doc, err);
    if (status == QR_OK)
        status = write_doc(control, ask->doc_kind, ask->name, doc, ask->version, err);
    json_decref(doc);
    return status;
}

enum qr_status qri_docs_delete(struct qr_control *control, const struct qr_control_ask *ask,
                               struct qr_buf *answer, struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    (void)answer;
    QR_TRY(read_doc(control, ask->doc_kind, ask->name, NULL, NULL, err));
    if (kinds[ask->doc_kind].check_delete != NULL)
        QR_TRY(kinds[ask->doc_kind].check_delete(control, ask->name, err));
    struct qr_meta_op op = {.key = key_of(ask->doc_kind, ask->name, key), .is_delete = true};
    return qr_meta_txn(meta_of(control), NULL, 0, &op, 1, &applied, NULL, err);
}

/* ---- what has to stay true ---- */

static enum qr_status check_group(struct qr_control *control, const json_t *doc, struct qr_err *err)
{
    const char *group = json_string_value(json_object_get(doc, "group"));
    if (group == NULL)
        return qr_fail(err, QR_INVALID, "A server has a resource group.");
    if (qri_group_goes(control, qr_str(group)))
        return qr_fail(err, QR_CONFLICT, "The resource group '%s' is being deleted.", group);
    enum qr_status status = read_doc(control, QR_DOC_GROUP, qr_str(group), NULL, NULL, err);
    return status != QR_NOT_FOUND ? status
                                  : qr_fail(err, QR_NOT_FOUND, "There is no such resource group.");
}

static enum qr_status check_server(struct qr_control *control, struct qr_str name,
                                   const json_t *doc, struct qr_err *err)
{
    struct qr_server_row row;
    if (qr_registry_find_server(control->options.registry, name, &row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "There is no such server.");
    (void)json_object_del((json_t *)(uintptr_t)doc, "number");
    return check_group(control, doc, err);
}

static enum qr_status keep_all(struct qr_control *control, struct qr_str name, struct qr_err *err)
{
    (void)control;
    return qr_fail(err, QR_CONFLICT, "'%.*s' cannot be deleted.", (int)name.n, name.p);
}

/* Servers with that value of a member. */
struct census {
    const char *member;
    struct qr_str value;
    size_t count;
    size_t wanted;                           /* how many are passed over for `name` */
    char name[QR_SERVER_NAME_BYTES_MAX + 1]; /* of one of them */
};

static bool count_server(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct census *census = arg;
    (void)key;
    (void)version;
    json_t *root = json_loadb(value.p, value.n, 0, NULL);
    const json_t *doc = json_object_get(root, "doc");
    const char *text = json_string_value(json_object_get(doc, census->member));
    if (text != NULL && qr_str_ieqz(census->value, text)) {
        if (census->count >= census->wanted && census->name[0] == '\0')
            (void)qri_take_text(root, "name", census->name, sizeof census->name);
        census->count += 1;
    }
    json_decref(root);
    return true;
}

static enum qr_status count_servers(struct qr_control *control, struct census *census,
                                    struct qr_err *err)
{
    char prefix[KEY_BYTES];
    return qr_meta_range(meta_of(control), key_of(QR_DOC_SERVER, qr_str(""), prefix), count_server,
                         census, err);
}

static enum qr_status keep_group_of_servers(struct qr_control *control, struct qr_str name,
                                            struct qr_err *err)
{
    struct census census = {.member = "group", .value = name};
    QR_TRY(count_servers(control, &census, err));
    return census.count == 0
               ? QR_OK
               : qr_fail(err, QR_CONFLICT, "The group has the server '%s'.", census.name);
}

enum qr_status qri_docs_group(struct qr_control *control, struct qr_str name, char *dst,
                              size_t dst_bytes, struct qr_err *err)
{
    json_t *doc = NULL;
    QR_TRY(qri_docs_read(control, QR_DOC_GROUP, name, &doc, err));
    bool good = qri_take_text(doc, "name", dst, dst_bytes);
    json_decref(doc);
    return good ? QR_OK : qr_fail(err, QR_CORRUPT, "metadata: a group has no name");
}

enum qr_status qri_docs_server_in(struct qr_control *control, struct qr_str group, uint32_t *after,
                                  char dst[QR_SERVER_NAME_BYTES_MAX + 1], struct qr_err *err)
{
    struct census census = {.member = "group", .value = group, .wanted = *after};
    QR_TRY(count_servers(control, &census, err));
    if (census.count <= *after)
        return QR_NOT_FOUND;
    *after += 1;
    memcpy(dst, census.name, sizeof census.name);
    return QR_OK;
}

uint32_t qri_docs_region_of(struct qr_control *control, uint32_t server)
{
    char name[QR_SERVER_NAME_BYTES_MAX + 1];
    json_t *doc = NULL;
    qr_registry_server_name(control->options.registry, server, name);
    if (qri_docs_read(control, QR_DOC_SERVER, qr_str(name), &doc, NULL) != QR_OK)
        return 0; /* the first start: it is made before its document */
    const char *location = json_string_value(json_object_get(doc, "location"));
    uint32_t region = location == NULL ? 0 : qr_place_region(qr_str(location));
    json_decref(doc);
    return region;
}

enum qr_status qri_docs_forget_server(struct qr_control *control, struct qr_str name,
                                      struct qr_err *err)
{
    static const char ending[] = "/connection";
    char policy[QR_SERVER_NAME_BYTES_MAX + sizeof ending];
    int n = snprintf(policy, sizeof policy, "%.*s%s", (int)name.n, name.p, ending);
    struct qr_control_ask ask = {.doc_kind = QR_DOC_POLICY, .name = qr_str_n(policy, (size_t)n)};
    enum qr_status status = qri_docs_delete(control, &ask, NULL, err);
    return status == QR_NOT_FOUND ? QR_OK : status;
}

/* ---- servers come and go with their documents ---- */

/* Azure's default for a subscription in a region. */
static enum qr_status check_quota(struct qr_control *control, const json_t *doc, struct qr_err *err)
{
    char subscription[QR_GUID_TEXT_BYTES + 1] = "default";
    const char *location = json_string_value(json_object_get(doc, "location"));
    struct census census = {.member = "location"};
    if (location == NULL)
        return qr_fail(err, QR_INVALID, "A server has a location.");
    census.value = qr_str(location);
    QR_TRY(count_servers(control, &census, err));
    return census.count < QR_SERVERS_A_REGION ? QR_OK : qr_sql_fail(err, 40652, subscription);
}

enum qr_status qri_docs_new_server(struct qr_control *control, struct qr_str name,
                                   struct qr_str text, char key[QRI_DOC_KEY_BYTES],
                                   struct qr_meta_op *ret_put, struct qr_err *err)
{
    json_t *doc = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    enum qr_status status =
        json_is_object(doc) ? QR_OK : qr_fail(err, QR_INVALID, "A resource is a JSON object.");
    if (status == QR_OK)
        status = check_group(control, doc, err);
    if (status == QR_OK)
        status = check_quota(control, doc, err);
    (void)json_object_set_new(doc, "createdWallNs",
                              json_integer(qr_env_wall_ns(control->options.env)));
    char *value = status == QR_OK ? text_of(name, doc, err) : NULL;
    json_decref(doc);
    if (value == NULL)
        return status == QR_OK ? QR_INVALID : status;
    *ret_put = (struct qr_meta_op){.key = key_of(QR_DOC_SERVER, name, key), .value = qr_str(value)};
    return QR_OK;
}

struct qr_meta_op qri_docs_old_server(struct qr_str name, char key[QRI_DOC_KEY_BYTES])
{
    return (struct qr_meta_op){.key = key_of(QR_DOC_SERVER, name, key), .is_delete = true};
}

/* ---- the first start ---- */

static enum qr_status put_first(struct qr_control *control, uint8_t kind, const char *name,
                                json_t *own_doc, struct qr_err *err)
{
    enum qr_status status = read_doc(control, kind, qr_str(name), NULL, NULL, err);
    if (status == QR_NOT_FOUND)
        status = own_doc == NULL ? qr_fail(err, QR_NOMEM, "make the first documents")
                                 : write_doc(control, kind, qr_str(name), own_doc, 0, err);
    json_decref(own_doc);
    return status;
}

enum qr_status qri_docs_prepare(struct qr_control *control, struct qr_err *err)
{
    static const char group[] = "myResourceGroup";
    struct qr_registry *registry = control->options.registry;
    const char *server = qr_registry_first_name(registry);
    char subscription[QR_GUID_TEXT_BYTES + 1], tenant[QR_GUID_TEXT_BYTES + 1];
    qri_new_guid(control->options.env, subscription);
    qri_new_guid(control->options.env, tenant);
    QR_TRY(put_first(control, QR_DOC_SUBSCRIPTION, "default",
                     json_pack("{s:s, s:s, s:s}", "subscriptionId", subscription, "tenantId",
                               tenant, "displayName", "Self-hosted"),
                     err));
    for (uint32_t i = 0; i < QR_PLACE_REGIONS; i++) {
        const char *name = qr_place_region_name(i);
        QR_TRY(put_first(control, QR_DOC_REGION, name,
                         json_pack("{s:s, s:s, s:s, s:s}", "name", name, "displayName",
                                   qr_place_region_display(i), "pairedRegion",
                                   qr_place_region_name(i ^ 1), "storage", ""),
                         err));
    }
    QR_TRY(put_first(control, QR_DOC_GROUP, group,
                     json_pack("{s:s, s:s, s:{}}", "name", group, "location", "eastus", "tags"),
                     err));
    return put_first(control, QR_DOC_SERVER, server,
                     json_pack("{s:s, s:s, s:s, s:{}, s:s, s:I, s:s, s:s}", "name", server, "group",
                               group, "location", "eastus", "tags", "adminLogin",
                               qr_registry_first_login(registry), "createdWallNs",
                               (json_int_t)qr_env_wall_ns(control->options.env),
                               "publicNetworkAccess", "Enabled", "minimalTlsVersion", "1.2"),
                     err);
}
