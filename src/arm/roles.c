/* roles.c - see arm_int.h: who may do what where. An assignment gives a principal a role at a
 * scope: a subscription, group, server or database, and all below it. */
#include <string.h>
#include "body_int.h"
#include "resource_int.h"
#include "router_int.h"
#include "base/banned.h"

static const struct role {
    const char *name;
    const char *id; /* of its definition, as in Azure */
    bool rights[QRI_RIGHT_COUNT];
} roles[] = {
    /* clang-format off */
    {"Owner",              "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
     {[QRI_READ] = true, [QRI_WRITE_DATABASES] = true, [QRI_WRITE] = true, [QRI_GRANT] = true}},
    {"Contributor",        "b24988ac-6180-42a0-ab88-20f7382dd24c",
     {[QRI_READ] = true, [QRI_WRITE_DATABASES] = true, [QRI_WRITE] = true}},
    {"Reader",             "acdd72a7-3385-48ef-bd42-f606fba81ae7",
     {[QRI_READ] = true}},
    {"SQL DB Contributor", "9b7fa17d-e63e-47b0-bb0a-15c516ac86ec",
     {[QRI_READ] = true, [QRI_WRITE_DATABASES] = true}},
    /* clang-format on */
};
enum { ROLE_COUNT = sizeof roles / sizeof roles[0] };

/* ---- what one may ---- */

static const struct role *find_role(const char *name)
{
    for (size_t i = 0; name != NULL && i < ROLE_COUNT; i++)
        if (qr_str_ieqz(qr_str(name), roles[i].name))
            return &roles[i];
    return NULL;
}

/* Is the path the scope or below it? */
static bool is_within(struct qri_request *r, const struct qri_path *path, const char *scope)
{
    struct qri_path outer;
    if (scope == NULL || !qri_path_parse(&r->arena, qr_str(scope), &outer) ||
        outer.count > path->count)
        return false;
    for (size_t i = 0; i < outer.count; i++)
        if (!qr_str_ieq(outer.segments[i], path->segments[i]))
            return false;
    return true;
}

static json_t *assignments_of(struct qri_request *r, const char *object_id)
{
    const char *prefix = qr_arena_printf(&r->arena, "%s/", object_id);
    return qri_doc_list(r, QR_DOC_ROLE, qr_str(prefix));
}

bool qri_may(struct qri_request *r)
{
    size_t i;
    json_t *doc;
    bool may = false;
    if (r->who.is_admin)
        return true;
    json_t *docs = assignments_of(r, r->who.object_id);
    json_array_foreach(docs, i, doc)
    {
        const struct role *role = find_role(json_string_value(json_object_get(doc, "role")));
        const char *scope = json_string_value(json_object_get(doc, "scope"));
        may =
            may || (role != NULL && role->rights[r->route->right] && is_within(r, &r->path, scope));
    }
    json_decref(docs);
    return may;
}

/* ---- definitions ---- */

static json_t *definition_json(struct qri_request *r, const struct role *role)
{
    const char *sub = qri_subscription_id(r);
    return json_pack("{s:s++,s:s,s:s,s:{s:s,s:s,s:s,s:[s],s:[]}}", "id", sub,
                     "/providers/Microsoft.Authorization/roleDefinitions/", role->id, "name",
                     role->id, "type", "Microsoft.Authorization/roleDefinitions", "properties",
                     "roleName", role->name, "type", "BuiltInRole", "description", role->name,
                     "assignableScopes", "/", "permissions");
}

/* `$filter=roleName eq 'Reader'` is all that is understood of it. */
static bool is_wanted(struct qri_request *r, const struct role *role)
{
    struct qr_str filter;
    if (!qri_form_get(&r->arena, qr_str(r->query), "$filter", &filter))
        return true;
    const char *open = memchr(filter.p, '\'', filter.n);
    const char *end = filter.p + filter.n;
    const char *close = open == NULL ? NULL : memchr(open + 1, '\'', (size_t)(end - open - 1));
    return close == NULL || !qr_str_starts_i(filter, "roleName eq ") ||
           qr_str_ieqz(qr_str_n(open + 1, (size_t)(close - open - 1)), role->name);
}

static void list_definitions(struct qri_request *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (is_wanted(r, &roles[i]))
            json_array_append_new(list, definition_json(r, &roles[i]));
    qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

static void get_definition(struct qri_request *r)
{
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (qr_str_ieqz(r->vars[1], roles[i].id)) {
            qri_reply(r, 200, definition_json(r, &roles[i]));
            return;
        }
    qri_refuse(r, 404, "RoleDefinitionDoesNotExist",
               "The specified role definition with ID '%.64s' does not exist.",
               qri_copy(r, r->vars[1]));
}

/* ---- assignments: the scope is the path before `/providers/Microsoft.Authorization` ---- */

static json_t *assignment_json(struct qri_request *r, const json_t *doc)
{
    const char *scope = qri_doc_text(r, doc, "scope"), *id = qri_doc_text(r, doc, "id");
    const struct role *role = find_role(qri_doc_text(r, doc, "role"));
    return json_pack("{s:s++,s:s,s:s,s:{s:s++,s:s,s:s,s:s}}", "id", scope,
                     "/providers/Microsoft.Authorization/roleAssignments/", id, "name", id, "type",
                     "Microsoft.Authorization/roleAssignments", "properties", "roleDefinitionId",
                     qri_subscription_id(r), "/providers/Microsoft.Authorization/roleDefinitions/",
                     role == NULL ? "" : role->id, "principalId",
                     qri_doc_text(r, doc, "principalId"), "principalType", "ServicePrincipal",
                     "scope", scope);
}

static const char *scope_of(struct qri_request *r)
{
    size_t count = r->path.count;
    while (count > 0 && !qr_str_ieqz(r->path.segments[count - 1], "Microsoft.Authorization"))
        count--;
    const char *scope = "";
    for (size_t i = 0; i + 2 < count; i++) {
        scope = qr_arena_printf(&r->arena, "%s/%.*s", scope, (int)r->path.segments[i].n,
                                r->path.segments[i].p);
        if (scope == NULL)
            return "/";
    }
    return *scope == '\0' ? "/" : scope;
}

/* Those at the scope or above it, or (`below`) below it; `only` may be "". */
static json_t *list_at(struct qri_request *r, const char *only)
{
    size_t i;
    json_t *doc, *list = json_array();
    json_t *docs = qri_doc_list(r, QR_DOC_ROLE, qr_str(""));
    struct qri_path here;
    if (docs == NULL || !qri_path_parse(&r->arena, qr_str(scope_of(r)), &here)) {
        json_decref(docs);
        json_decref(list);
        return NULL;
    }
    json_array_foreach(docs, i, doc)
    {
        struct qri_path scope = {0};
        bool parsed = qri_path_parse(&r->arena, qr_str(qri_doc_text(r, doc, "scope")), &scope);
        bool near = is_within(r, &here, qri_doc_text(r, doc, "scope")) ||
                    (parsed && is_within(r, &scope, scope_of(r)));
        if (near && (*only == '\0' || qr_str_ieqz(qr_str(only), qri_doc_text(r, doc, "id"))))
            json_array_append(list, doc);
    }
    json_decref(docs);
    return list;
}

static void list_assignments(struct qri_request *r)
{
    size_t i;
    json_t *doc, *answer = json_array();
    json_t *docs = list_at(r, "");
    json_array_foreach(docs, i, doc)
    {
        json_array_append_new(answer, assignment_json(r, doc));
    }
    json_decref(docs);
    if (r->status == 0)
        qri_reply(r, 200, json_pack("{s:o}", "value", answer));
    else
        json_decref(answer);
}

static struct qr_str last_segment(const struct qri_request *r)
{
    return r->path.segments[r->path.count - 1];
}

/* NULL: answered. */
static json_t *find_assignment(struct qri_request *r)
{
    json_t *docs = list_at(r, qri_copy(r, last_segment(r)));
    json_t *doc = json_incref(json_array_get(docs, 0));
    json_decref(docs);
    if (doc == NULL && r->status == 0)
        qri_refuse(r, 404, "RoleAssignmentNotFound", "The role assignment '%.64s' is not found.",
                   qri_copy(r, last_segment(r)));
    return doc;
}

static void get_assignment(struct qri_request *r)
{
    json_t *doc = find_assignment(r);
    if (doc != NULL)
        qri_reply(r, 200, assignment_json(r, doc));
    json_decref(doc);
}

static void delete_assignment(struct qri_request *r)
{
    struct qr_err err = {0};
    json_t *doc = find_assignment(r);
    if (doc == NULL)
        return;
    const char *name = qr_arena_printf(&r->arena, "%s/%s", qri_doc_text(r, doc, "principalId"),
                                       qri_doc_text(r, doc, "id"));
    enum qr_status status =
        qr_doc_delete(r->arm->options.host->control, QR_DOC_ROLE, qr_str(name), QRI_ASK_NS, &err);
    if (status == QR_OK)
        qri_reply(r, 200, assignment_json(r, doc));
    else
        qri_refuse_err(r, status, &err);
    json_decref(doc);
}

static void put_assignment(struct qri_request *r)
{
    json_t *p = NULL;
    struct qr_str definition = {NULL, 0}, principal = {NULL, 0};
    const struct role *role = NULL;
    if (!qri_body_object(r, r->json, "properties", &p) ||
        !qri_body_text(r, p, "roleDefinitionId", &definition) ||
        !qri_body_text(r, p, "principalId", &principal))
        return;
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (definition.n >= QRI_GUID_BYTES &&
            qr_str_ieqz(qr_str_n(definition.p + definition.n - QRI_GUID_BYTES, QRI_GUID_BYTES),
                        roles[i].id))
            role = &roles[i];
    if (role == NULL || !qri_is_guid(principal) || !qri_is_guid(last_segment(r))) {
        qri_refuse(r, 400, "InvalidRoleAssignment",
                   "An assignment's name and principal are GUIDs, and its role is one of Owner, "
                   "Contributor, Reader, SQL DB Contributor.");
        return;
    }
    const char *id = qri_copy(r, last_segment(r));
    const char *name = qr_arena_printf(&r->arena, "%s/%s", principal.p, id);
    json_t *doc = json_pack("{s:s,s:s,s:s,s:s}", "id", id, "principalId", principal.p, "role",
                            role->name, "scope", scope_of(r));
    if (doc != NULL && name != NULL && qri_doc_store(r, QR_DOC_ROLE, name, doc, UINT64_MAX))
        qri_reply(r, 201, assignment_json(r, doc));
    else if (r->status == 0)
        qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    json_decref(doc);
}

#define AUTH "/providers/Microsoft.Authorization"
#define SUB "/subscriptions/{}"
#define RG SUB "/resourceGroups/{}"
#define SV RG "/providers/Microsoft.Sql/servers/{}"
#define DB SV "/databases/{}"
#define AT_SCOPE(scope)                                                                            \
    {QRI_GET, scope AUTH "/roleDefinitions", QRI_READ, list_definitions, true, false},             \
        {QRI_GET, scope AUTH "/roleAssignments", QRI_READ, list_assignments, true, false},         \
        {QRI_GET, scope AUTH "/roleAssignments/{}", QRI_READ, get_assignment, true, false},        \
        {QRI_PUT, scope AUTH "/roleAssignments/{}", QRI_GRANT, put_assignment, true, false},       \
    {                                                                                              \
        QRI_DELETE, scope AUTH "/roleAssignments/{}", QRI_GRANT, delete_assignment, true, false    \
    }

const struct qri_route qri_routes_access[] = {
    AT_SCOPE(SUB),
    AT_SCOPE(RG),
    AT_SCOPE(SV),
    AT_SCOPE(DB),
    {QRI_GET, SUB AUTH "/roleDefinitions/{}", QRI_READ, get_definition, true, false},
    {QRI_GET, SUB "/providers/Quire.Identity/servicePrincipals", QRI_READ, qri_list_principals,
     true, false},
    {QRI_GET, SUB "/providers/Quire.Identity/servicePrincipals/{}", QRI_READ, qri_get_principal,
     true, false},
    {QRI_PUT, SUB "/providers/Quire.Identity/servicePrincipals/{}", QRI_GRANT, qri_put_principal,
     true, false},
    {QRI_DELETE, SUB "/providers/Quire.Identity/servicePrincipals/{}", QRI_GRANT,
     qri_delete_principal, true, false},
    {0},
};
