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

static bool set_password(struct qri_request *r, struct qr_str password, struct qr_str login)
{
    char hash[QRI_HASH_BYTES];
    struct qr_err err = {0};
    if (password.n < PASSWORD_CHARS_MIN || password.n > PASSWORD_BYTES_MAX ||
        !is_complex(password, login)) {
        qri_refuse(r, 400, "PasswordNotComplex",
                   "Password validation failed. The password does not meet policy requirements "
                   "because it is not complex enough.");
        return false;
    }
    enum qr_status status = QR_NOMEM;
    if (qri_password_hash(password, hash))
        status = qr_resource_set_admin_hash(r->arm->options.host->control, qr_str(hash), QRI_ASK_NS,
                                            &err);
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
    good = good && (form.password.n == 0 || set_password(r, form.password, login)) &&
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

/* Control says whether there may be another one. */
static void make(struct qri_request *r, const struct qri_place *group)
{
    struct server_form form;
    if (!read_form(r, &form))
        return;
    if (!is_server_name(r->vars[2])) {
        qri_refuse(r, 400, "InvalidResourceName",
                   "A server's name has lowercase letters, digits and hyphens, the latter not at "
                   "an end, and at most %d of them.",
                   NAME_BYTES_MAX);
        return;
    }
    if (form.login.n == 0 || form.password.n == 0) {
        qri_refuse(r, 400, "MissingAdministratorLogin",
                   "administratorLogin and administratorLoginPassword are needed.");
        return;
    }
    const char *name = qri_copy(r, r->vars[2]);
    json_t *doc = json_pack("{s:s,s:s,s:s,s:s}", "name", name, "group", group->group, "location",
                            form.location.n > 0 ? form.location.p : group->group_location,
                            "adminLogin", form.login.p);
    if (doc != NULL && qri_doc_store(r, QR_DOC_SERVER, name, doc, 0))
        qri_reply(r, 201, server_json(r, doc));
    else if (r->status == 0)
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    json_decref(doc);
}

void qri_put_server(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_group(r, &place))
        return;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_SERVER, r->vars[2], NULL, &found, &err);
    json_decref(doc);
    if (doc == NULL && found == QR_NOT_FOUND)
        make(r, &place);
    else if (doc == NULL)
        qri_refuse_err(r, found, &err);
    else if (qri_place_server(r, &place))
        update(r, &place);
}

void qri_patch_server(struct qri_request *r)
{
    struct qri_place place;
    if (qri_place_server(r, &place))
        update(r, &place);
}

void qri_delete_server(struct qri_request *r)
{
    struct qri_place place;
    struct qr_err err = {0};
    if (!qri_place_group(r, &place))
        return;
    enum qr_status status =
        qr_doc_delete(r->arm->options.host->control, QR_DOC_SERVER, r->vars[2], QRI_ASK_NS, &err);
    if (status == QR_OK || status == QR_NOT_FOUND)
        qri_reply_empty(r, status == QR_OK ? 200 : 204);
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
