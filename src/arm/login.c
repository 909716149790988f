/* login.c - see arm_int.h: the cloud's metadata and the login authority. It is of the kind that
 * clients call ADFS, whose host they do not look up at Microsoft's; tokens are for the management
 * API alone. */
#include <stdio.h>
#include <string.h>
#include "router_int.h"
#include "base/banned.h"

enum {
    ACCESS_S = 3600,
    REFRESH_S = 14 * 24 * 3600,
    TOKEN_BYTES_MAX = 8192,
};
static const char database_suffix[] = ".database.localhost";

/* ---- /healthz ---- */

static void health(struct qri_request *r)
{
    bool stops = atomic_load(&r->arm->draining);
    qri_reply(r, stops ? 503 : 200, json_pack("{s:s}", "status", stops ? "stopping" : "ok"));
}

/* ---- metadata ---- */

static json_t *metadata_of(struct qri_request *r)
{
    const char *base = r->base;
    json_t *suffixes =
        json_pack("{s:s,s:s,s:s,s:s}", "sqlServerHostname", database_suffix, "storage", "localhost",
                  "keyVaultDns", "vault.localhost", "acrLoginServer", ".azurecr.localhost");
    json_t *login = json_pack("{s:s+,s:[s],s:s,s:s}", "loginEndpoint", base, "/adfs", "audiences",
                              QRI_AUDIENCE, "tenant", "common", "identityProvider", "ADFS");
    json_t *all =
        json_pack("{s:s,s:o,s:o}", "name", "quire", "authentication", login, "suffixes", suffixes);
    static const char *const urls[] = {
        "resourceManager",
        "graph",
        "graphEndpoint",
        "graphAudience",
        "gallery",
        "galleryEndpoint",
        "portal",
        "portalEndpoint",
        "batch",
        "media",
        "sqlManagement",
        "microsoftGraphResourceId",
        "activeDirectoryDataLake",
        "vmImageAliasDoc",
    };
    for (size_t i = 0; all != NULL && i < sizeof urls / sizeof urls[0]; i++)
        json_object_set_new(all, urls[i], json_pack("s+", base, "/"));
    return all;
}

/* Two forms of one document; which one is asked for, the version tells. */
static void metadata(struct qri_request *r)
{
    static const char *const objects[] = {"2015-01-01", "2022-09-01"};
    json_t *all = metadata_of(r);
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        if (strcmp(r->api_version, objects[i]) == 0) {
            qri_reply(r, 200, all);
            return;
        }
    qri_reply(r, 200, all == NULL ? NULL : json_pack("[o]", all));
}

static void discovery(struct qri_request *r)
{
    const char *b = r->base;
    qri_reply(r, 200,
              json_pack("{s:s++,s:s+,s:s+,s:s+,s:s+,s:[sss],s:[s],s:[s],s:[s],s:[s]}", "issuer", b,
                        "/", qri_copy(r, qr_str(r->arm->tenant)), "authorization_endpoint", b,
                        "/adfs/oauth2/authorize", "token_endpoint", b, "/adfs/oauth2/token",
                        "device_authorization_endpoint", b, "/adfs/oauth2/devicecode", "jwks_uri",
                        b, "/adfs/discovery/keys", "response_types_supported", "code", "id_token",
                        "token", "subject_types_supported", "pairwise",
                        "id_token_signing_alg_values_supported", "RS256", "scopes_supported",
                        "openid", "token_endpoint_auth_methods_supported", "client_secret_post"));
}

static void keys(struct qri_request *r)
{
    json_t *jwk = qri_signer_jwk(r->arm->signer);
    qri_reply(r, 200, jwk == NULL ? NULL : json_pack("{s:[o]}", "keys", jwk));
}

/* ---- tokens ---- */

static void refuse(struct qri_request *r, unsigned status, const char *error, const char *words)
{
    r->error_code = error;
    qri_reply(r, status, json_pack("{s:s,s:s}", "error", error, "error_description", words));
}

struct grant {
    struct qri_principal who;
    const char *client_id; /* of the application; the audience of an id token */
    bool is_user;
    int64_t now_s;
};

static const char *sign(struct qri_request *r, const struct grant *g, const char *type,
                        const char *audience, int64_t seconds)
{
    struct qr_buf token;
    struct qr_err err = {0};
    qr_buf_init(&token, TOKEN_BYTES_MAX);
    json_t *claims = json_pack(
        "{s:s,s:s++,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s}", "aud", audience, "iss", r->base, "/",
        r->arm->tenant, "iat", (json_int_t)g->now_s, "nbf", (json_int_t)g->now_s, "exp",
        (json_int_t)(g->now_s + seconds), "tid", r->arm->tenant, "oid", g->who.object_id, "sub",
        g->who.object_id, "appid", g->who.name, "idtyp", g->is_user ? "user" : "app", "ver", "1.0");
    if (claims != NULL && g->is_user) {
        json_object_set_new(claims, "upn", json_string(g->who.name));
        json_object_set_new(claims, "preferred_username", json_string(g->who.name));
    }
    enum qr_status status =
        claims == NULL ? QR_NOMEM : qri_token_sign(r->arm->signer, type, claims, &token, &err);
    const char *copy = status == QR_OK ? qri_copy(r, qr_str(qr_buf_cstr(&token))) : NULL;
    json_decref(claims);
    qr_buf_done(&token);
    return copy;
}

static void grant_tokens(struct qri_request *r, const struct grant *g)
{
    const char *access = sign(r, g, "at+jwt", QRI_AUDIENCE, ACCESS_S);
    json_t *answer = access == NULL
                         ? NULL
                         : json_pack("{s:s,s:s,s:i,s:i,s:s}", "token_type", "Bearer",
                                     "access_token", access, "expires_in", ACCESS_S,
                                     "ext_expires_in", ACCESS_S, "resource", QRI_AUDIENCE);
    if (answer != NULL && g->is_user) {
        const char *refresh = sign(r, g, "rt+jwt", QRI_REFRESH_AUDIENCE, REFRESH_S);
        const char *id = sign(r, g, "JWT", g->client_id, ACCESS_S);
        struct qr_buf info, text;
        qr_buf_init(&info, TOKEN_BYTES_MAX);
        qr_buf_init(&text, TOKEN_BYTES_MAX);
        qr_buf_printf(&text, "{\"uid\":\"%s\",\"utid\":\"%s\"}", g->who.object_id, r->arm->tenant);
        qri_base64url_put(&info, text.data, text.len);
        json_object_set_new(answer, "refresh_token", json_string(refresh));
        json_object_set_new(answer, "id_token", json_string(id));
        json_object_set_new(answer, "client_info", json_string(qr_buf_cstr(&info)));
        qr_buf_done(&info);
        qr_buf_done(&text);
    }
    qri_header(r, "Pragma", "no-cache");
    qri_reply(r, 200, answer);
}

/* Both ways in which a client names a secret's owner. */
static void grant_password(struct qri_request *r, struct grant *g, const char *name_field,
                           const char *secret_field)
{
    struct qr_str form = qr_str_n((const char *)r->body.data, r->body.len), name, secret;
    uint32_t wait_s = 0;
    if (!qri_form_get(&r->arena, form, name_field, &name) ||
        !qri_form_get(&r->arena, form, secret_field, &secret)) {
        refuse(r, 400, "invalid_request",
               "AADSTS900144: The request body must contain the name and the secret.");
        return;
    }
    switch (qri_password_check(r, name, secret, &g->who, &wait_s)) {
    case QRI_PASSWORD_RIGHT:
        grant_tokens(r, g);
        return;
    case QRI_PASSWORD_BUSY:
        qri_header(r, "Retry-After", "%u", wait_s);
        refuse(r, 429, "temporarily_unavailable",
               "AADSTS50053: Too many wrong attempts. Try again later.");
        return;
    case QRI_PASSWORD_WRONG:
        if (g->is_user)
            refuse(r, 400, "invalid_grant",
                   "AADSTS50126: Error validating credentials due to invalid username or "
                   "password.");
        else
            refuse(r, 401, "invalid_client", "AADSTS7000215: Invalid client secret provided.");
        return;
    }
}

static void grant_client(struct qri_request *r, struct grant *g)
{
    g->is_user = false;
    grant_password(r, g, "client_id", "client_secret");
}

static void grant_user(struct qri_request *r, struct grant *g)
{
    grant_password(r, g, "username", "password");
}

static void grant_refresh(struct qri_request *r, struct grant *g)
{
    struct qr_str form = qr_str_n((const char *)r->body.data, r->body.len), token;
    json_t *claims = NULL;
    bool good = qri_form_get(&r->arena, form, "refresh_token", &token) &&
                qri_token_check(r->arm->signer, token, "rt+jwt", QRI_REFRESH_AUDIENCE, g->now_s,
                                &claims) == QRI_TOKEN_GOOD;
    const char *name = json_string_value(json_object_get(claims, "appid"));
    good = good && name != NULL && qri_principal_find(r->arm, name, &g->who);
    json_decref(claims);
    if (good)
        grant_tokens(r, g);
    else
        refuse(r, 400, "invalid_grant",
               "AADSTS700082: The refresh token has expired or is not valid.");
}

static const struct {
    const char *name;
    void (*grant)(struct qri_request *r, struct grant *g);
} grants[] = {
    {"client_credentials", grant_client},
    {"password", grant_user},
    {"refresh_token", grant_refresh},
};

/* `resource/.default` for the management API, under its own name or by the address it is called
 * at. What a client adds for itself (openid and the like) is not looked at. */
static bool is_our_scope(struct qri_request *r, struct qr_str scope)
{
    static const char ending[] = "/.default";
    for (size_t at = 0; at < scope.n;) {
        const char *blank = memchr(scope.p + at, ' ', scope.n - at);
        size_t n = blank == NULL ? scope.n - at : (size_t)(blank - (scope.p + at));
        struct qr_str word = qr_str_n(scope.p + at, n);
        at += n + 1;
        if (n < sizeof ending - 1 ||
            !qr_str_ieqz(qr_str_n(word.p + n - (sizeof ending - 1), sizeof ending - 1), ending))
            continue;
        word.n -= sizeof ending - 1;
        struct qr_str own = qr_str(QRI_AUDIENCE), base = qr_str(r->base);
        if (word.n > 0 && word.p[word.n - 1] == '/')
            word.n -= 1;
        own.n -= 1;
        return qr_str_ieq(word, own) || qr_str_ieq(word, base);
    }
    return false;
}

static void token(struct qri_request *r)
{
    struct qr_str form = qr_str_n((const char *)r->body.data, r->body.len), type, scope, client;
    struct grant g = {.is_user = true, .now_s = qr_env_wall_ns(r->arm->options.env) / 1000000000};
    g.client_id = qri_form_get(&r->arena, form, "client_id", &client) ? qri_copy(r, client) : "";
    qri_header(r, "Cache-Control", "no-store");
    if (!qri_form_get(&r->arena, form, "grant_type", &type)) {
        refuse(r, 400, "invalid_request",
               "AADSTS900144: The request body must contain the following parameter: "
               "'grant_type'.");
        return;
    }
    if (!qri_form_get(&r->arena, form, "scope", &scope) &&
        !qri_form_get(&r->arena, form, "resource", &scope))
        scope = qr_str("");
    if (scope.n > 0 && !is_our_scope(r, scope)) {
        refuse(r, 400, "invalid_resource",
               "AADSTS500011: The resource of the scope is not served here; it is " QRI_AUDIENCE
               ".default");
        return;
    }
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++)
        if (qr_str_ieqz(type, grants[i].name)) {
            grants[i].grant(r, &g);
            return;
        }
    refuse(r, 400, "unsupported_grant_type",
           "AADSTS70003: The grant type is none of client_credentials, password, refresh_token.");
}

const struct qri_route qri_routes_login[] = {
    /* clang-format off */
    {QRI_GET,  "/healthz",                                            QRI_ANYBODY, health,    false, true},
    {QRI_GET,  "/metadata/endpoints",                                 QRI_ANYBODY, metadata,  false, false},
    {QRI_GET,  "/adfs/.well-known/openid-configuration",              QRI_ANYBODY, discovery, false, false},
    {QRI_GET,  "/adfs/{}/.well-known/openid-configuration",           QRI_ANYBODY, discovery, false, false},
    {QRI_GET,  "/adfs/{}/v2.0/.well-known/openid-configuration",      QRI_ANYBODY, discovery, false, false},
    {QRI_GET,  "/adfs/discovery/keys",                                QRI_ANYBODY, keys,      false, false},
    {QRI_POST, "/adfs/oauth2/token",                                  QRI_ANYBODY, token,     false, false},
    {QRI_POST, "/adfs/{}/oauth2/token",                               QRI_ANYBODY, token,     false, false},
    {0},
    /* clang-format on */
};
