/* access.c - see arm_int.h: a token names a principal; what he may is looked up at every request,
 * so that a change of it counts at once */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "server_int.h"
#include "base/banned.h"

static const char scheme[] = "Bearer ";

static void refuse_token(struct qri_request *r, const char *code, const char *text)
{
    qri_header(r, "WWW-Authenticate",
               "Bearer authorization_uri=\"%s/adfs\", error=\"invalid_token\", "
               "error_description=\"%s\"",
               r->base, text);
    qri_refuse(r, 401, code, "%s", text);
}

static bool take_token(struct qri_request *r, json_t **ret_claims)
{
    if (r->authorization == NULL || *r->authorization == '\0') {
        refuse_token(r, "AuthenticationFailed",
                     "Authentication failed. The 'Authorization' header is missing.");
        return false;
    }
    struct qr_str header = qr_str_trim(qr_str(r->authorization));
    enum qri_token_verdict verdict = QRI_TOKEN_MALFORMED;
    if (qr_str_starts_i(header, scheme)) {
        struct qr_str token =
            qr_str_n(header.p + sizeof scheme - 1, header.n - (sizeof scheme - 1));
        int64_t now = qr_env_wall_ns(r->arm->options.env) / 1000000000;
        verdict = qri_token_check(r->arm->signer, token, "at+jwt", QRI_AUDIENCE, now, ret_claims);
    }
    if (verdict == QRI_TOKEN_GOOD)
        return true;
    refuse_token(r,
                 verdict == QRI_TOKEN_EXPIRED ? "ExpiredAuthenticationToken"
                                              : "InvalidAuthenticationToken",
                 qri_token_verdict_text(verdict));
    return false;
}

/* Compared in a time that does not tell how much of it is right. */
static bool is_scraper(const struct qri_request *r)
{
    const char *token = r->arm->options.metrics_token;
    bool is_metrics = r->path.count == 1 && qr_str_ieqz(r->path.segments[0], "metrics");
    if (!is_metrics || token == NULL || *token == '\0' || r->authorization == NULL)
        return false;
    struct qr_str header = qr_str_trim(qr_str(r->authorization));
    size_t n = strlen(token);
    return qr_str_starts_i(header, scheme) && header.n - (sizeof scheme - 1) == n &&
           sodium_memcmp(header.p + sizeof scheme - 1, token, n) == 0;
}

static bool identify(struct qri_request *r)
{
    json_t *claims = NULL;
    if (!take_token(r, &claims))
        return false;
    const char *name = json_string_value(json_object_get(claims, "appid"));
    const char *tenant = json_string_value(json_object_get(claims, "tid"));
    bool known = name != NULL && tenant != NULL && strcmp(tenant, r->arm->tenant) == 0 &&
                 qri_principal_find(r->arm, name, &r->who);
    json_decref(claims);
    if (!known)
        refuse_token(r, "InvalidAuthenticationToken",
                     "The principal of the access token does not exist any more.");
    return known;
}

bool qri_access(struct qri_request *r)
{
    if (r->route->right == QRI_ANYBODY)
        return true;
    r->is_scraper = is_scraper(r);
    if (r->is_scraper)
        snprintf(r->who.name, sizeof r->who.name, "metrics");
    else if (!identify(r))
        return false;
    uint32_t wait_s = qri_throttle_take(r->arm->throttle, qr_str(r->who.name));
    if (wait_s > 0) {
        qri_header(r, "Retry-After", "%u", wait_s);
        qri_refuse(r, 429, "TooManyRequests",
                   "The number of requests of '%s' has exceeded its limit. Try again after %u "
                   "seconds.",
                   r->who.name, wait_s);
        return false;
    }
    if (r->route->right == QRI_SIGNED_IN || r->is_scraper || qri_may(r))
        return true;
    if (r->status == 0)
        qri_refuse(r, 403, "AuthorizationFailed",
                   "The client '%s' with object id '%s' does not have authorization to perform "
                   "'%s' over scope '%.512s' or the scope is invalid. If access was recently "
                   "granted, please refresh your credentials.",
                   r->who.name, r->who.object_id, r->method_name, r->raw_path);
    return false;
}
