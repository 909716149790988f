/* principals.c - see resource_int.h: service principals, who log in with a secret. Azure has them
 * in another service; here they are resources, so that any client of the API can make them. */
#include <stdio.h>
#include <string.h>
#include "body_int.h"
#include "resource_int.h"
#include "base/banned.h"

enum { NAME_BYTES_MAX = 120, SECRET_BYTES = 32, SECRET_CHARS_MIN = 16, SECRET_CHARS_MAX = 512 };

/* `secret` is shown once, by who made it. */
static json_t *principal_json(struct qri_request *r, const json_t *doc, const char *secret)
{
    const char *name = qri_doc_text(r, doc, "name");
    json_t *p =
        json_pack("{s:s,s:s}", "clientId", name, "objectId", qri_doc_text(r, doc, "objectId"));
    if (p != NULL && secret != NULL)
        json_object_set_new(p, "secret", json_string(secret));
    return json_pack("{s:s++,s:s,s:s,s:o}", "id", qri_subscription_id(r),
                     "/providers/Quire.Identity/servicePrincipals/", name, "name", name, "type",
                     "Quire.Identity/servicePrincipals", "properties", p);
}

void qri_list_principals(struct qri_request *r)
{
    size_t i;
    json_t *doc, *list = json_array();
    json_t *docs = qri_place_subscription(r) ? qri_doc_list(r, QR_DOC_PRINCIPAL, qr_str("")) : NULL;
    if (docs == NULL) {
        json_decref(list);
        return;
    }
    json_array_foreach(docs, i, doc)
    {
        json_array_append_new(list, principal_json(r, doc, NULL));
    }
    json_decref(docs);
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* NULL: there is none, or answered. */
static json_t *find(struct qri_request *r, uint64_t *ret_version)
{
    struct qr_err err = {0};
    enum qr_status found;
    if (!qri_place_subscription(r))
        return NULL;
    json_t *doc = qri_doc_find(r->arm, QR_DOC_PRINCIPAL, r->vars[1], ret_version, &found, &err);
    if (doc == NULL && found != QR_NOT_FOUND)
        qri_refuse_err(r, found, &err);
    return doc;
}

void qri_get_principal(struct qri_request *r)
{
    json_t *doc = find(r, NULL);
    if (doc != NULL)
        qri_reply(r, 200, principal_json(r, doc, NULL));
    else if (r->status == 0)
        qri_refuse(r, 404, "ResourceNotFound", "The service principal '%.120s' was not found.",
                   qri_copy(r, r->vars[1]));
    json_decref(doc);
}

static bool is_name(struct qri_request *r)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._";
    struct qri_principal who;
    const char *name = qri_copy(r, r->vars[1]);
    size_t n = strlen(name);
    if (n == 0 || n > NAME_BYTES_MAX || strspn(name, allowed) != n) {
        qri_refuse(r, 400, "InvalidResourceName",
                   "The name of a service principal is letters, digits, '-', '.' and '_'.");
        return false;
    }
    if (qri_principal_find(r->arm, name, &who) && who.is_admin) {
        qri_refuse(r, 409, "Conflict", "'%s' is the login of the server's administrator.", name);
        return false;
    }
    return true;
}

static const char *new_secret(struct qri_request *r)
{
    uint8_t bytes[SECRET_BYTES];
    struct qr_buf buf;
    qr_env_random(r->arm->options.env, bytes, sizeof bytes);
    qr_buf_init(&buf, 4 * SECRET_BYTES);
    qr_buf_add8(&buf, 's'); /* no hyphen comes first: `az login -p` would take it for an option */
    qri_base64url_put(&buf, bytes, sizeof bytes);
    const char *secret = qri_copy(r, qr_str(qr_buf_cstr(&buf)));
    qr_buf_done(&buf);
    return secret;
}

/* Made, or given a new secret. */
void qri_put_principal(struct qri_request *r)
{
    json_t *p = NULL;
    struct qr_str secret = {NULL, 0};
    char hash[QRI_HASH_BYTES], object_id[QRI_GUID_BYTES + 1];
    uint64_t version = 0;
    if (!is_name(r) || !qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_text(r, p, "secret", &secret))
        return;
    if (secret.p != NULL && (secret.n < SECRET_CHARS_MIN || secret.n > SECRET_CHARS_MAX)) {
        qri_refuse(r, 400, "PasswordNotComplex", "A secret has %d to %d bytes.", SECRET_CHARS_MIN,
                   SECRET_CHARS_MAX);
        return;
    }
    const char *made = secret.p == NULL ? new_secret(r) : NULL;
    json_t *doc = find(r, &version);
    bool is_new = doc == NULL;
    qri_guid_new(r->arm->options.env, object_id);
    if (is_new && r->status == 0)
        doc = json_pack("{s:s,s:s}", "name", qri_copy(r, r->vars[1]), "objectId", object_id);
    if (doc != NULL && qri_password_hash(made != NULL ? qr_str(made) : secret, hash)) {
        json_object_set_new(doc, "secretHash", json_string(hash));
        if (qri_doc_store(r, QR_DOC_PRINCIPAL, qri_doc_text(r, doc, "name"), doc, version))
            qri_reply(r, is_new ? 201 : 200, principal_json(r, doc, made));
    } else if (r->status == 0) {
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    }
    json_decref(doc);
}

/* Its tokens count no more. Its assignments stay: they name an object id that nobody gets again. */
void qri_delete_principal(struct qri_request *r)
{
    struct qr_err err = {0};
    if (!qri_place_subscription(r))
        return;
    enum qr_status status = qr_doc_delete(r->arm->options.host->control, QR_DOC_PRINCIPAL,
                                          r->vars[1], QRI_ASK_NS, &err);
    if (status == QR_OK || status == QR_NOT_FOUND)
        qri_reply_empty(r, status == QR_OK ? 200 : 204);
    else
        qri_refuse_err(r, status, &err);
}
