/* servers.c - see resource_int.h: logical servers, documents that control keeps */
#include <stdlib.h>
#include <string.h>
#include "body_int.h"
#include "resource_int.h"
#include "base/banned.h"

enum {
    PASSWORD_CHARS_MIN = 8,
    PASSWORD_BYTES_MAX = 128 * 3,
    NAME_BYTES_MAX = 63,
    LOGIN_BYTES_MAX = 128,
};
static const char suffix[] = ".database.localhost";

static const char *text_of(const json_t *doc, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text == NULL || *text == '\0' ? otherwise : text;
}

static json_t *server_json(struct qri_request *r, const json_t *doc)
{
    const char *name = text_of(doc, "name", "");
    json_t *tags = json_object_get(doc, "tags");
    json_t *p = json_pack("{s:s,s:s,s:s,s:s+,s:[],s:s,s:s,s:s,s:s}", "administratorLogin",
                          text_of(doc, "adminLogin", ""), "version", "12.0", "state", "Ready",
                          "fullyQualifiedDomainName", name, suffix, "privateEndpointConnections",
                          "minimalTlsVersion", text_of(doc, "minimalTlsVersion", "1.2"),
                          "publicNetworkAccess", text_of(doc, "publicNetworkAccess", "Enabled"),
                          "restrictOutboundNetworkAccess", "Disabled", "externalGovernanceStatus",
                          "Disabled");
    return json_pack("{s:s,s:s,s:o,s:s+++++,s:s,s:s,s:o}", "kind", "v12.0", "location",
                     text_of(doc, "location", ""), "tags",
                     json_is_object(tags) ? json_incref(tags) : json_object(), "id",
                     qri_subscription_id(r), "/resourceGroups/", text_of(doc, "group", ""),
                     "/providers/Microsoft.Sql/servers/", name, "", "name", name, "type",
                     "Microsoft.Sql/servers", "properties", p);
}

/* Those of the group, or all. */
static void list(struct qri_request *r, const char *group)
{
    size_t i;
    json_t *doc, *answer = json_array();
    json_t *docs = qri_doc_list(r, QR_DOC_SERVER, qr_str(""));
    if (docs == NULL) {
        json_decref(answer);
        return;
    }
    json_array_foreach(docs, i, doc)
    {
        if (group == NULL || qr_str_ieqz(qr_str(text_of(doc, "group", "")), group))
            json_array_append_new(answer, server_json(r, doc));
    }
    json_decref(docs);
    qri_reply(r, 200, json_pack("{s:o}", "value", answer));
}

void qri_list_servers(struct qri_request *r)
{
    if (qri_place_subscription(r))
        list(r, NULL);
}

void qri_list_group_servers(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_group(r, &place))
        list(r, place.group);
}

static void reply_server(struct qri_request *r, unsigned status, const char *name)
{
    struct qr_err err = {0};
    enum qr_status found;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, qr_str(name), NULL, &found, &err);
    if (doc == NULL) {
        qri_refuse_err(r, found, &err);
        return;
    }
    qri_reply(r, status, server_json(r, doc));
    json_decref(doc);
}

void qri_get_server(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        reply_server(r, 200, place.server);
}

static void refuse_taken(struct qri_request *r, const char *name)
{
    qri_refuse(r, 409, "NameAlreadyExists",
               "The name '%.128s' already exists. Choose a different name.", name);
}

/* ---- changes ---- */

/* Three of four kinds of characters, as Azure asks for. */
static bool is_complex(struct qr_str password, struct qr_str login)
{
    unsigned lower = 0, upper = 0, digit = 0, other = 0;
    for (size_t i = 0; i < password.n; i++) {
        char c = password.p[i];
        lower |= c >= 'a' && c <= 'z';
        upper |= c >= 'A' && c <= 'Z';
        digit |= c >= '0' && c <= '9';
        other |= !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
    }
    bool holds_login = login.n > 2 && memmem(password.p, password.n, login.p, login.n) != NULL;
    return lower + upper + digit + other >= 3 && !holds_login;
}

static bool hash_password(struct qri_request *r, struct qr_str password, struct qr_str login,
                          char dst[QRI_HASH_BYTES])
{
    if (password.n < PASSWORD_CHARS_MIN || password.n > PASSWORD_BYTES_MAX ||
        !is_complex(password, login)) {
        qri_refuse(r, 400, "PasswordNotComplex",
                   "Password validation failed. The password does not meet policy requirements "
                   "because it is not complex enough.");
        return false;
    }
    bool good = qri_password_hash(password, dst);
    if (!good)
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    return good;
}

static bool set_password(struct qri_request *r, uint32_t number, struct qr_str password,
                         struct qr_str login)
{
    char hash[QRI_HASH_BYTES];
    struct qr_err err = {0};
    if (!hash_password(r, password, login, hash))
        return false;
    enum qr_status status = qr_resource_set_admin_hash(r->arm->options.host->control, number,
                                                       qr_str(hash), QRI_ASK_NS, &err);
    if (status != QR_OK)
        qri_refuse_err(r, status, &err);
    return status == QR_OK;
}

struct server_form {
    struct qr_str location, login, password, tags, version;
    int tls, network; /* -1: not said */
};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const switches[] = {"Enabled", "Disabled", NULL};

static bool read_form(struct qri_request *r, struct server_form *form)
{
    json_t *p = NULL;
    *form = (struct server_form){.tls = -1, .network = -1};
    if (r->json == NULL) {
        qri_refuse(r, 400, "InvalidRequestContent", "The request has no body.");
        return false;
    }
    return qri_body_object(r, r->json, "properties", &p) &&
           qri_body_text(r, r->json, "location", &form->location) &&
           qri_body_tags(r, r->json, &form->tags) &&
           qri_body_text(r, p, "administratorLogin", &form->login) &&
           qri_body_text(r, p, "administratorLoginPassword", &form->password) &&
           qri_body_text(r, p, "version", &form->version) &&
           qri_body_word(r, p, "minimalTlsVersion", tls_versions, &form->tls) &&
           qri_body_word(r, p, "publicNetworkAccess", switches, &form->network);
}

static void update(struct qri_request *r, const struct qri_place *place)
{
    struct server_form form;
    struct qr_err err = {0};
    uint64_t version = 0;
    enum qr_status found;
    if (!read_form(r, &form))
        return;
    json_t *doc =
        qri_doc_find(r->arm, QR_DOC_SERVER, qr_str(place->server), &version, &found, &err);
    if (doc == NULL) {
        qri_refuse_err(r, found, &err);
        return;
    }
    struct qr_str login = qr_str(qri_doc_text(r, doc, "adminLogin"));
    bool good = true;
    if (form.location.n > 0 && !qri_is_location(form.location, place->location)) {
        qri_refuse(r, 409, "InvalidResourceLocation",
                   "The server '%s' already exists in location '%s'.", place->server,
                   place->location);
        good = false;
    } else if (form.login.n > 0 && !qr_str_ieq(form.login, login)) {
        qri_refuse(r, 400, "InvalidParameterValue",
                   "The administrator login of a server cannot be changed.");
        good = false;
    }
    if (form.tags.n > 0)
        json_object_set_new(doc, "tags", json_loads(form.tags.p, 0, NULL));
    if (form.tls >= 0)
        json_object_set_new(doc, "minimalTlsVersion", json_string(tls_versions[form.tls]));
    if (form.network >= 0)
        json_object_set_new(doc, "publicNetworkAccess", json_string(switches[form.network]));
    good = good && (form.password.n == 0 || set_password(r, place->number, form.password, login)) &&
           qri_doc_store(r, QR_DOC_SERVER, place->server, doc, version);
    if (good)
        qri_reply(r, 200, server_json(r, doc));
    json_decref(doc);
}

static bool is_server_name(struct qr_str name)
{
    bool good = name.n > 0 && name.n <= NAME_BYTES_MAX;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool inside = i > 0 && i < name.n - 1;
        good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && inside));
    }
    return good;
}

/* What cannot be a login's name: a statement could not name it, or the gateway takes a part of it
 * for a server's. */
static bool is_login(struct qr_str login)
{
    static const char *const reserved[] = {"admin", "administrator", "sa",  "root",  "dbmanager",
                                           "guest", "loginmanager",  "dbo", "public"};
    bool good = login.n > 0 && login.n <= LOGIN_BYTES_MAX;
    for (size_t i = 0; i < login.n; i++)
        good = good && (unsigned char)login.p[i] > 0x20 &&
               strchr("@\\\"'<>:|/?*#%&[],", login.p[i]) == NULL;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        good = good && !qr_str_ieqz(login, reserved[i]);
    return good;
}

static bool check_new(struct qri_request *r, const struct server_form *form)
{
    if (!is_server_name(r->vars[2])) {
        qri_refuse(r, 400, "InvalidServerName",
                   "Invalid server name. A server's name has lowercase letters, digits and "
                   "hyphens, the latter not at an end, and at most %d of them.",
                   NAME_BYTES_MAX);
        return false;
    }
    if (form->login.n == 0 || form->password.n == 0) {
        qri_refuse(r, 400, "MissingAdministratorLogin",
                   "administratorLogin and administratorLoginPassword are needed.");
        return false;
    }
    if (!is_login(form->login)) {
        qri_refuse(r, 400, "InvalidLoginName", "'%.128s' is not a valid login name.",
                   qri_copy(r, form->login));
        return false;
    }
    return true;
}

/* A location of ours, in its own spelling; NULL: answered. */
static const char *take_location(struct qri_request *r, const struct qri_place *group,
                                 struct qr_str wished)
{
    struct qr_str location = wished.n > 0 ? wished : qr_str(group->group_location);
    const char *found = NULL;
    size_t i;
    json_t *doc, *docs = qri_doc_list(r, QR_DOC_REGION, qr_str(""));
    json_array_foreach(docs, i, doc)
    {
        const char *name = qri_doc_text(r, doc, "name");
        if (found == NULL && qri_is_location(location, name))
            found = name;
    }
    json_decref(docs);
    if (found == NULL && r->status == 0)
        qri_refuse(r, 400, "LocationNotAvailableForResourceType",
                   "The provided location '%.64s' is not available for resource type "
                   "'Microsoft.Sql/servers'.",
                   qri_copy(r, location));
    return found;
}

/* Control makes the server, its document and its master, and says whether there may be one. */
static void make(struct qri_request *r, const struct qri_place *group)
{
    struct server_form form;
    struct qr_err err = {0};
    char hash[QRI_HASH_BYTES];
    if (!read_form(r, &form) || !check_new(r, &form))
        return;
    const char *location = take_location(r, group, form.location);
    const char *name = qri_copy(r, r->vars[2]);
    if (location == NULL || !hash_password(r, form.password, form.login, hash))
        return;
    json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "name", name, "group", group->group,
                            "location", location, "adminLogin", form.login.p, "minimalTlsVersion",
                            tls_versions[form.tls < 0 ? 0 : form.tls], "publicNetworkAccess",
                            switches[form.network < 0 ? 0 : form.network], "tags",
                            form.tags.n > 0 ? json_loads(form.tags.p, 0, NULL) : json_object());
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    enum qr_status status =
        text == NULL
            ? QR_NOMEM
            : qr_resource_make_server(r->arm->options.host->operate, qr_str(name), form.login,
                                      qr_str(hash), qr_str(text), QRI_WAIT_NS, &err);
    free(text);
    if (status == QR_OK)
        reply_server(r, 201, name);
    else if (status == QR_EXISTS)
        refuse_taken(r, name);
    else
        qri_refuse_err(r, status, &err);
}

void qri_put_server(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_group(r, &place))
        return;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, r->vars[2], NULL, &found, &err);
    bool elsewhere =
        doc != NULL && !qr_str_ieqz(qr_str(qri_doc_text(r, doc, "group")), place.group);
    json_decref(doc);
    if (doc == NULL && found == QR_NOT_FOUND)
        make(r, &place);
    else if (doc == NULL)
        qri_refuse_err(r, found, &err);
    else if (elsewhere)
        refuse_taken(r, qri_copy(r, r->vars[2]));
    else if (qri_place_server(r, &place))
        update(r, &place);
}

void qri_patch_server(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        update(r, &place);
}

/* With all its databases, which cannot be restored then. */
void qri_delete_server(struct qri_request *r)
{
    struct qri_place place;
    struct qr_operation_row row;
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_group(r, &place))
        return;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, r->vars[2], NULL, &found, &err);
    bool here = doc != NULL && qr_str_ieqz(qr_str(qri_doc_text(r, doc, "group")), place.group);
    json_decref(doc);
    if (doc == NULL && found != QR_NOT_FOUND)
        qri_refuse_err(r, found, &err);
    else if (!here)
        qri_reply_empty(r, 204);
    if (!here || !qri_place_server(r, &place))
        return;
    struct qr_control_ask ask = {.server = place.number, .operation_id = qr_str(r->id)};
    enum qr_status status = qr_operation_start(
        r->arm->options.host->operate, QR_CONTROL_DROP_SERVER, &ask, QRI_ASK_NS, &row, &err);
    if (status == QR_OK)
        qri_reply_started(r, &place, &row);
    else
        qri_refuse_err(r, status, &err);
}

void qri_check_server_name(struct qri_request *r)
{
    struct qr_str name = {NULL, 0};
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_subscription(r) || !qri_body_text(r, r->json, "name", &name))
        return;
    if (name.n == 0) {
        qri_refuse(r, 400, "InvalidParameterValue", "The member 'name' is missing.");
        return;
    }
    if (!is_server_name(name)) {
        qri_reply(r, 200,
                  json_pack("{s:s,s:b,s:s,s:s}", "name", name.p, "available", 0, "reason",
                            "Invalid", "message", "The name of the server is not valid."));
        return;
    }
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, name, NULL, &found, &err);
    json_decref(doc);
    if (doc == NULL && found != QR_NOT_FOUND)
        qri_refuse_err(r, found, &err);
    else if (doc == NULL)
        qri_reply(r, 200, json_pack("{s:s,s:b}", "name", name.p, "available", 1));
    else
        qri_reply(r, 200,
                  json_pack("{s:s,s:b,s:s,s:s}", "name", name.p, "available", 0, "reason",
                            "AlreadyExists", "message", "A server of that name exists already."));
}
