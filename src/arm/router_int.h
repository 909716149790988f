/* router_int.h - the tables of routes, one per file of handlers; each ends with a row of zeros. */
#pragma once
#include "arm_int.h"

extern const struct qri_route qri_routes_login[];        /* login.c */
extern const struct qri_route qri_routes_subscription[]; /* subscriptions.c */
extern const struct qri_route qri_routes_access[];       /* roles.c */
extern const struct qri_route qri_routes_sql[];          /* sql.c */
extern const struct qri_route qri_routes_metrics[];      /* prometheus.c */
size_t qri_route_table_count(void);
const struct qri_route *qri_route_table(size_t index);
