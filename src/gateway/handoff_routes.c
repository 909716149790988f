/* handoff_routes.c - see sender_int.h: the routes that worked, for when nobody can be asked.
 *
 * Bounded: a new route takes the place of the one that was asked for longest ago. */
#include <stdlib.h>
#include "sender_int.h"
#include "base/banned.h"

enum { ROUTES_MAX = 1024 };

struct route {
    struct route *next; /* used later than this one's successors */
    uint32_t server_id;
    struct qr_str database;
    bool read_only_intent;
    char address[QR_ROUTE_ADDRESS_BYTES];
    char text[]; /* of `database` */
};

static bool is_for(const struct route *route, const struct qr_route_job *job)
{
    return route->read_only_intent == job->read_only_intent && route->server_id == job->server_id &&
           qr_str_ieq(route->database, job->database);
}

static struct route **find(struct qri_routes *routes, const struct qr_route_job *job)
{
    struct route **link = &routes->first;
    while (*link != NULL && !is_for(*link, job))
        link = &(*link)->next;
    return link;
}

static void forget(struct qri_routes *routes, struct route **link)
{
    struct route *route = *link;
    *link = route->next;
    routes->count -= 1;
    free(route);
}

void qri_routes_keep(struct qri_routes *routes, const struct qr_route_job *job)
{
    struct route **link = find(routes, job), *route = *link;
    if (route == NULL) {
        route = calloc(1, sizeof *route + job->database.n);
        if (route == NULL)
            return; /* it will be asked for again */
        if (job->database.n > 0)
            memcpy(route->text, job->database.p, job->database.n);
        route->database = qr_str_n(route->text, job->database.n);
        route->server_id = job->server_id;
        route->read_only_intent = job->read_only_intent;
        routes->count += 1;
    } else {
        *link = route->next;
    }
    memcpy(route->address, job->address, sizeof route->address);
    route->next = routes->first;
    routes->first = route;
    if (routes->count <= ROUTES_MAX)
        return;
    for (link = &routes->first; (*link)->next != NULL;)
        link = &(*link)->next;
    forget(routes, link);
}

bool qri_routes_find(const struct qri_routes *routes, struct qr_route_job *job)
{
    const struct route *route = routes->first;
    while (route != NULL && !is_for(route, job))
        route = route->next;
    if (route != NULL)
        memcpy(job->address, route->address, sizeof job->address);
    return route != NULL;
}

void qri_routes_forget(struct qri_routes *routes, const struct qr_route_job *job)
{
    struct route **link = find(routes, job);
    if (*link != NULL)
        forget(routes, link);
}

void qri_routes_done(struct qri_routes *routes)
{
    while (routes->first != NULL)
        forget(routes, &routes->first);
}
