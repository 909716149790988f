/* resource_int.h - what the handlers of resources share. They answer themselves when they return
 * false or NULL. */
#pragma once
#include "arm_int.h"
#include "ctl/resources.h"
#include "ctl/slo.h"

#define QRI_ASK_NS (INT64_C(20) * 1000000000)
#define QRI_WAIT_NS (INT64_C(600) * 1000000000) /* for what is answered when it is done */

/* ---- docs.c ---- */
/* A copy; NULL: there is none of that name (*ret_status QR_NOT_FOUND) or it could not be asked. */
json_t *qri_doc_find(struct qr_arm *arm, enum qr_doc_kind kind, struct qr_str name,
                     uint64_t *ret_version, enum qr_status *ret_status, struct qr_err *err);
/* All that start with `prefix`, as an array. NULL: answered. */
json_t *qri_doc_list(struct qri_request *r, enum qr_doc_kind kind, struct qr_str prefix);
/* False: answered. `version` as qr_doc_put has it. */
bool qri_doc_store(struct qri_request *r, enum qr_doc_kind kind, const char *name, json_t *doc,
                   uint64_t version);
/* The texts of a document, the arena's; "" if it is none. */
const char *qri_doc_text(struct qri_request *r, const json_t *doc, const char *key);

/* ---- place.c: what the path of a request names ---- */
struct qri_place { /* texts are the arena's, in the spelling of their making */
    const char *group, *group_location;
    const char *server, *location;
    const char *server_id; /* /subscriptions/.../servers/NAME */
    uint32_t number;       /* of the server, as control has it */
};
/* "East US" is "eastus". */
bool qri_is_location(struct qr_str text, const char *location);
/* vars[0] is the subscription. */
bool qri_place_subscription(struct qri_request *r);
/* vars[1] too, a group. */
bool qri_place_group(struct qri_request *r, struct qri_place *ret_place);
/* vars[2] too, a server in it. */
bool qri_place_server(struct qri_request *r, struct qri_place *ret_place);
/* Another server, in whatever group; false: there is none, and nothing is answered. */
bool qri_place_named(struct qri_request *r, struct qr_str server, struct qri_place *ret_place);
/* A database that is there for clients. False: answered with 404, or *ret_found is false if that is
 * not NULL. */
bool qri_database_find(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                       bool *ret_found, struct qr_resource_database *ret_database);
/* Answers 404 as ARM words it. */
void qri_refuse_no_database(struct qri_request *r, struct qr_str name);
/* "/subscriptions/ID" of this server, the arena's. */
const char *qri_subscription_id(struct qri_request *r);

/* ---- sku.c: objectives as ARM writes them. Pure ---- */
/* "GP_Gen5" of GP_Gen5_2, "Standard" of S1. */
struct qr_str qri_sku_base(const struct qr_slo *slo);
json_t *qri_sku_json(const char *objective);
/* Of a database: in a pool "ElasticPool" of the edition. */
json_t *qri_database_sku_json(const char *objective, const char *edition);
json_t *qri_pool_sku_json(const struct qr_pool_size *size);
/* Else the code and words of a refusal. *ret_slo is NULL if the body says nothing, or that it is in
 * a pool. */
struct qri_sku_error {
    const char *code;
    char text[256];
};
bool qri_sku_parse(const json_t *sku, const struct qr_slo **ret_slo, bool *ret_in_pool,
                   struct qri_sku_error *ret_error);

/* ---- databases.c ---- */
json_t *qri_database_json(struct qri_request *r, const struct qri_place *place,
                          const struct qr_resource_database *database);
/* Answers with it, and with its settings of autoscale. */
void qri_reply_database(struct qri_request *r, const struct qri_place *place,
                        const struct qr_resource_database *database);

/* ---- listing.c: lists that are made of rows of control ---- */
struct qri_listing {
    struct qri_request *r;
    const struct qri_place *place;
    json_t *list;
    struct qr_str of, id; /* what `add` takes; n = 0: all */
};
/* What `add` made of the rows of a server's databases (QR_SERVER_ANY: of all). NULL: answered. */
json_t *qri_list_rows(struct qri_listing *l, uint32_t server, qr_resource_database_fn *add);
QR_NODISCARD enum qr_status qri_list_append(struct qri_listing *l, json_t *own_json);
/* {"value": list}; a list that is NULL has been answered. */
void qri_reply_list(struct qri_request *r, json_t *own_list);
/* What came to l->list, or the failure. */
void qri_reply_listing(struct qri_listing *l, enum qr_status status, const struct qr_err *err);
/* The first, or 404 for a resource of Microsoft.Sql/servers/KIND; NULL: answered. */
json_t *qri_list_first(struct qri_request *r, json_t *own_list, const char *kind,
                       struct qr_str name);

/* ---- database_body.c: what a PUT or PATCH of a database wishes ---- */
struct qri_database_change {
    enum qr_control_method method;
    struct qr_control_ask ask;
    bool changes; /* something of it is not as it is */
};
/* `now` is NULL for one that is to be made. Texts go to the arena. False: answered. */
bool qri_database_change(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                         const struct qr_resource_database *now,
                         struct qri_database_change *ret_change);

/* ---- autoscale.c ---- */
/* NULL: it has no settings. False: answered. */
bool qri_autoscale_find(struct qri_request *r, const struct qri_place *place, const char *name,
                        json_t **ret_settings);
/* What is said becomes part of them. False: answered. */
bool qri_autoscale_store(struct qri_request *r, const struct qri_place *place, const char *name,
                         const json_t *settings);
qri_handler qri_get_autoscale, qri_put_autoscale, qri_list_autoscale_decisions;

/* ---- dropped.c ---- */
/* "NAME,FILETIME" of restorableDroppedDatabases. */
bool qri_dropped_name_parse(struct qr_str text, struct qr_str *ret_name, int64_t *ret_wall_ns);

/* ---- long.c ---- */
/* `id` names a long-term backup: copy_of and kept of `ask`, the arena's. False: answered. */
bool qri_long_backup_of(struct qri_request *r, struct qr_str id, struct qr_control_ask *ask);

/* ---- pools.c ---- */
/* As qri_database_find. */
bool qri_pool_find(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                   bool *ret_found, struct qr_pool_row *ret_pool);
/* Answers with the pool; false: with 404. */
bool qri_pool_reply(struct qri_request *r, const struct qri_place *place, struct qr_str name);
qri_handler qri_list_pools, qri_get_pool, qri_put_pool, qri_patch_pool, qri_delete_pool,
    qri_list_pool_databases, qri_list_pool_operations;

/* ---- operation_body.c: what answers tell of an operation ---- */
enum { QRI_RETRY_AFTER_S = 1 };
/* `kind`: "databases" or "elasticPools". */
json_t *qri_operation_json(struct qri_request *r, const struct qri_place *place, const char *kind,
                           const struct qr_operation_row *row);
/* 202 and where to ask for it. */
void qri_reply_started(struct qri_request *r, const struct qri_place *place,
                       const struct qr_operation_row *row);
bool qri_operation_is_of_pool(const struct qr_operation_row *row);

/* ---- operations.c ---- */
qri_handler qri_list_operations, qri_cancel_operation, qri_poll_operation, qri_operation_result;

/* ---- the others' handlers, as sql.c names them ---- */
qri_handler qri_list_servers, qri_list_group_servers, qri_get_server, qri_put_server,
    qri_patch_server, qri_delete_server, qri_check_server_name, qri_get_connection_policy,
    qri_put_connection_policy;                                           /* servers.c */
qri_handler qri_list_rules, qri_get_rule, qri_put_rule, qri_delete_rule; /* rules.c */
qri_handler qri_list_databases, qri_get_database;                        /* databases.c */
qri_handler qri_put_database, qri_patch_database, qri_delete_database, qri_move_database,
    qri_failover_database; /* database_change.c */
qri_handler qri_get_short_policy, qri_put_short_policy, qri_get_encryption,
    qri_put_encryption; /* policies.c */
qri_handler qri_list_links, qri_list_server_links, qri_get_link, qri_delete_link, qri_failover_link,
    qri_force_link; /* links.c */
qri_handler qri_list_dropped, qri_get_dropped, qri_list_none, qri_get_none, qri_delete_none,
    qri_refuse_kind;          /* dropped.c */
qri_handler qri_capabilities; /* capabilities.c */
qri_handler qri_list_principals, qri_get_principal, qri_put_principal,
    qri_delete_principal; /* principals.c */
qri_handler qri_list_location_usages, qri_list_server_usages, qri_list_database_usages,
    qri_list_resources; /* usages.c */
qri_handler qri_list_metrics, qri_list_metric_definitions, qri_list_pool_metrics,
    qri_list_pool_metric_definitions;                  /* metrics.c */
qri_handler qri_list_recoverable, qri_get_recoverable; /* recoverable.c */
qri_handler qri_get_long_policy, qri_put_long_policy, qri_list_long_backups, qri_get_long_backup,
    qri_delete_long_backup; /* long.c */
