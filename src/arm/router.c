/* router.c - see arm_int.h */
#include "router_int.h"
#include <string.h>
#include "base/banned.h"

/* The first that matches is taken: a pattern with a word stands before one with {} in its place. */
static const struct qri_route *const tables[] = {qri_routes_login, qri_routes_subscription,
                                                 qri_routes_access, qri_routes_metrics,
                                                 qri_routes_sql};

bool qri_route_matches(const char *pattern, const struct qri_path *path,
                       struct qr_str vars[QRI_VARS_MAX])
{
    size_t var_count = 0, i = 0;
    for (const char *at = pattern; *at != '\0'; i++) {
        at += *at == '/';
        size_t n = strcspn(at, "/");
        if (i == path->count)
            return false;
        if (n == 2 && at[0] == '{') {
            if (var_count == QRI_VARS_MAX)
                return false;
            vars[var_count++] = path->segments[i];
        } else if (!qr_str_ieq(qr_str_n(at, n), path->segments[i])) {
            return false;
        }
        at += n;
    }
    return i == path->count;
}

bool qri_route_find(struct qri_request *r, bool *ret_other_method)
{
    *ret_other_method = false;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct qri_route *route = tables[t]; route->pattern != NULL; route++) {
            struct qr_str vars[QRI_VARS_MAX] = {{0}};
            if (!qri_route_matches(route->pattern, &r->path, vars))
                continue;
            if (route->method != r->method && !(route->head_too && r->method == QRI_HEAD)) {
                *ret_other_method = true;
                continue;
            }
            r->route = route;
            memcpy(r->vars, vars, sizeof vars);
            return true;
        }
    return false;
}

size_t qri_route_table_count(void)
{
    return sizeof tables / sizeof tables[0];
}

const struct qri_route *qri_route_table(size_t index)
{
    return tables[index];
}
