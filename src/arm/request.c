/* request.c - see server_int.h */
#include <string.h>
#include "router_int.h"
#include "server_int.h"
#include "base/banned.h"

enum { HOST_BYTES_MAX = 255 };

static const char *const method_names[QRI_METHOD_COUNT] = {
    [QRI_GET] = "GET",     [QRI_HEAD] = "HEAD", [QRI_PUT] = "PUT",
    [QRI_PATCH] = "PATCH", [QRI_POST] = "POST", [QRI_DELETE] = "DELETE",
};

/* It goes into every URL that we answer with. */
static bool take_base(struct qri_request *r, const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._:[]";
    size_t n = host == NULL ? 0 : strlen(host);
    if (n == 0 || n > HOST_BYTES_MAX || strspn(host, allowed) != n)
        return false;
    r->base = qr_arena_printf(&r->arena, "https://%s", host);
    return r->base != NULL;
}

/* Of .../providers/NAMESPACE/type/name/type/name: type/type, or NULL where there is none, and the
 * namespace. */
static const char *type_of(struct qri_request *r, struct qr_str *ret_namespace)
{
    const struct qri_path *path = &r->path;
    size_t at = path->count;
    while (at > 0 && !qr_str_ieqz(path->segments[at - 1], "providers"))
        at--;
    if (at == 0 || at + 1 >= path->count)
        return NULL;
    *ret_namespace = path->segments[at];
    const char *type = "";
    for (size_t i = at + 1; i < path->count && type != NULL; i += 2)
        type = qr_arena_printf(&r->arena, "%s%s%.*s", type, *type == '\0' ? "" : "/",
                               (int)path->segments[i].n, path->segments[i].p);
    return type;
}

static void refuse_no_route(struct qri_request *r, bool other_method)
{
    struct qr_str space = {0};
    const char *type = type_of(r, &space);
    if (other_method)
        qri_refuse(r, 405, "MethodNotAllowed",
                   "The HTTP method '%s' is not supported at scope '%s'.", r->method_name,
                   r->raw_path);
    else if (type != NULL)
        qri_refuse(r, 404, "InvalidResourceType",
                   "The resource type '%s' could not be found in the namespace '%.*s' for api "
                   "version '%s'.",
                   type, (int)space.n, space.p, r->api_version);
    else
        qri_refuse(r, 404, "InvalidResourceType",
                   "The resource type could not be found in the namespace for api version '%s'.",
                   r->api_version);
}

static bool take_version(struct qri_request *r)
{
    struct qr_str version;
    r->api_version = "";
    if (qri_form_get(&r->arena, qr_str(r->query), "api-version", &version))
        r->api_version = qri_copy(r, version);
    if (r->route == NULL || !r->route->is_arm)
        return true;
    if (*r->api_version == '\0') {
        qri_refuse(r, 400, "MissingApiVersionParameter",
                   "The api-version query parameter (?api-version=) is required for all "
                   "requests.");
        return false;
    }
    if (!qri_is_api_version(version)) {
        qri_refuse(r, 400, "InvalidApiVersionParameter",
                   "The api-version '%.64s' is invalid. The supported versions are of the form "
                   "'YYYY-MM-DD' or 'YYYY-MM-DD-preview'.",
                   r->api_version);
        return false;
    }
    return true;
}

static bool take_length(struct qri_request *r, const char *length)
{
    size_t max = r->route->right == QRI_ANYBODY ? QRI_FORM_BYTES_MAX : QRI_BODY_BYTES_MAX;
    r->body.bytes_max = max;
    if (length == NULL || strlen(length) < 8) {
        size_t n = 0;
        for (const char *at = length == NULL ? "" : length; *at >= '0' && *at <= '9'; at++)
            n = n * 10 + (size_t)(*at - '0');
        if (n <= max)
            return true;
    }
    qri_refuse(r, 413, "RequestEntityTooLarge",
               "The request content size exceeds the maximum of %zu bytes.", max);
    return false;
}

void qri_arm_begin(struct qri_request *r, const char *method, const char *host, const char *length)
{
    bool other_method = false;
    r->method = QRI_METHOD_COUNT;
    r->method_name = "other";
    for (int i = 0; i < QRI_METHOD_COUNT; i++) {
        if (strcmp(method, method_names[i]) != 0)
            continue;
        r->method = (enum qri_method)i;
        r->method_name = method_names[i];
    }
    r->base = "https://localhost";
    r->api_version = "";
    if (!take_base(r, host)) {
        qri_refuse(r, 400, "BadRequest", "The Host header is missing or invalid.");
        return;
    }
    if (!qri_path_parse(&r->arena, qr_str(r->raw_path), &r->path)) {
        qri_refuse(r, 400, "BadRequest", "The request URI is invalid.");
        return;
    }
    bool found = qri_route_find(r, &other_method);
    if (!take_version(r))
        return;
    if (!found)
        refuse_no_route(r, other_method);
    else if (take_length(r, length))
        (void)qri_access(r); /* it answers if it refuses */
}

void qri_arm_body(struct qri_request *r, const void *bytes, size_t count)
{
    qr_buf_add(&r->body, bytes, count);
}

static bool take_json(struct qri_request *r)
{
    json_error_t error;
    if (r->body.len == 0 || r->route->right == QRI_ANYBODY)
        return true;
    r->json = json_loadb((const char *)r->body.data, r->body.len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(r->json))
        return true;
    if (r->json != NULL)
        qri_refuse(r, 400, "InvalidRequestContent",
                   "The request content was invalid: a JSON object is expected.");
    else
        qri_refuse(r, 400, "InvalidRequestContent",
                   "The request content was invalid and could not be deserialized: line %d, "
                   "column %d.",
                   error.line, error.column);
    return false;
}

void qri_arm_run(struct qri_request *r)
{
    if (r->body.failed != QR_OK) {
        qri_refuse(r, 413, "RequestEntityTooLarge",
                   "The request content size exceeds the maximum of %zu bytes.", r->body.bytes_max);
        return;
    }
    if (!take_json(r))
        return;
    r->route->handle(r);
    if (r->status == 0)
        qri_refuse(r, 500, "InternalServerError", "The request was not answered.");
}
