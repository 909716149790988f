/* registry_int.h - what the registry's files give each other */
#pragma once
#include <jansson.h>
#include <pthread.h>
#include "ctl/pool.h"
#include "ctl/registry.h"
#include "ctl/slo.h"

enum {
    QRI_KEY_BYTES = 32,
    QRI_NUMBER_FIRST = 5, /* of databases that users make */
    QRI_DATABASES_MAX = 5000,
    QRI_ROWS_MAX = 50000, /* dropped ones, too */
};

/* ---- registry.c ---- */
struct qri_entry {
    struct qr_database_row row;
    uint64_t version;
    const struct qr_slo *slo; /* of the row; NULL: its pool's, or a later release's */
};

struct qri_pool {
    struct qr_pool_row row;
    uint64_t version;
};

struct qri_server {
    struct qr_server_row row;
    char admin_hash[QR_HASH_BYTES_MAX + 1];
    uint64_t version;
    uint32_t next; /* number of a database */
    uint64_t next_version;
};

struct qr_registry {
    struct qr_meta *meta;
    struct qr_env *env;
    pthread_mutex_t mu; /* guards everything below */
    char name[QR_SERVER_NAME_BYTES_MAX + 1], admin_login[QR_NAME_BYTES_MAX + 1]; /* the first's */
    struct qri_server *servers;                                                  /* by number */
    size_t server_count;
    struct qri_entry *entries; /* by id */
    size_t count, capacity;
    struct qri_pool *pools; /* by server and number */
    size_t pool_count;
};
/* Puts one key whose version has to be `version`; QR_BUSY if another writer was there. */
QR_NODISCARD enum qr_status qri_registry_put(struct qr_registry *registry, struct qr_str key,
                                             json_t *own_object, uint64_t version,
                                             uint64_t *ret_version, struct qr_err *err);
QR_NODISCARD enum qr_status qri_registry_load(struct qr_registry *registry, const char *key,
                                              json_t **ret_object, uint64_t *ret_version,
                                              struct qr_err *err);

/* registry_owner.c. QR_INVALID: it is no SID. */
QR_NODISCARD enum qr_status qri_set_owner(struct qr_database_row *row, struct qr_str owner,
                                          struct qr_err *err);

/* registry_geo.c; mu held: the new row is a secondary of that primary. Errors 40688, 40689. */
QR_NODISCARD enum qr_status qri_registry_link(const struct qr_registry *registry,
                                              const struct qr_database_row *primary,
                                              struct qr_database_row *row, struct qr_err *err);

/* Changed rows on their way into one transaction; mu held. */
enum { QRI_CHANGES_MAX = 10 };
struct qri_changes {
    struct qr_registry *registry;
    size_t count;
    struct qr_database_row rows[QRI_CHANGES_MAX];
    char keys[QRI_CHANGES_MAX][QRI_KEY_BYTES];
};
/* registry_move.c. QR_BUSY if another writer was there. */
QR_NODISCARD enum qr_status qri_registry_put_all(struct qri_changes *changes, struct qr_err *err);

/* mu held for these three. A new row, with the id of another one of its server;
 * from now on with one of its own. */
QR_NODISCARD enum qr_status qri_registry_insert(struct qr_registry *registry,
                                                struct qr_database_row *row, struct qr_err *err);
struct qri_entry *qri_registry_entry(struct qr_registry *registry, uint32_t id);
struct qr_str qri_database_key(uint32_t id, char dst[32]);
/* mu held: a database of that server is there, in whatever state; they have no server any more. */
bool qri_registry_has_rows(const struct qr_registry *registry, uint32_t server);
void qri_registry_orphan(struct qr_registry *registry, uint32_t server);

/* ---- registry_server.c ---- */
QR_NODISCARD enum qr_status qri_registry_load_servers(struct qr_registry *registry,
                                                      struct qr_err *err);
/* Where the next number of its databases is kept. */
struct qr_str qri_registry_next_key(uint32_t server, char dst[QRI_KEY_BYTES]);
struct qri_server *qri_registry_server(struct qr_registry *registry, uint32_t number); /* mu held */

/* A changed row; memory follows when it is durable. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_registry_change(struct qr_registry *registry, uint32_t id,
                                                void (*change)(struct qr_database_row *row,
                                                               const void *arg),
                                                const void *arg, struct qr_err *err);
enum qr_status qri_fail_no_database(struct qr_str name, struct qr_err *err); /* 911 */
struct qr_env *qri_registry_env(const struct qr_registry *registry);
struct qr_meta *qri_registry_meta(const struct qr_registry *registry);
int64_t qri_registry_now_ticks(const struct qr_registry *registry); /* 100 ns since 0001-01-01 */

/* Of the row's last change; 0: there is no such database. */
uint64_t qri_registry_version(struct qr_registry *registry, uint32_t id);

/* ---- registry_pool.c ---- */
QR_NODISCARD enum qr_status qri_registry_load_pools(struct qr_registry *registry,
                                                    struct qr_err *err);
/* What is wished becomes part of the row, which is as before if that fails: wish.c with the pool
 * that is meant, error 40857 if there is none. */
QR_NODISCARD enum qr_status qri_registry_apply(struct qr_registry *registry,
                                               const struct qr_database_wish *wish,
                                               struct qr_database_row *row, struct qr_err *err);
/* mu held for these. */
QR_NODISCARD enum qr_status qri_registry_apply_held(struct qr_registry *registry,
                                                    const struct qr_database_wish *wish,
                                                    struct qr_database_row *row,
                                                    struct qr_err *err);
/* One more database in its pool: errors 40857, 40873, 40881. */
QR_NODISCARD enum qr_status qri_registry_check_in_pool(struct qr_registry *registry,
                                                       const struct qr_database_row *row,
                                                       struct qr_err *err);
/* Those of a server that goes. */
QR_NODISCARD enum qr_status qri_registry_remove_pools(struct qr_registry *registry, uint32_t server,
                                                      struct qr_err *err);

/* ---- login_rows.c: those of a server that goes ---- */
QR_NODISCARD enum qr_status qri_registry_remove_logins(struct qr_registry *registry,
                                                       uint32_t server, struct qr_err *err);

/* ---- registry_quota.c; mu held for those that say so ---- */
QR_NODISCARD enum qr_status qri_registry_check_quota_held(struct qr_registry *registry,
                                                          const struct qr_database_row *row,
                                                          bool is_new, struct qr_err *err);
QR_NODISCARD enum qr_status qri_registry_check_pool_quota(struct qr_registry *registry, /* held */
                                                          const struct qr_pool_row *row,
                                                          struct qr_err *err);
/* A changed row has to fit the server. */
QR_NODISCARD enum qr_status qri_registry_check_quota(struct qr_registry *registry,
                                                     const struct qr_database_row *row,
                                                     struct qr_err *err);

/* As qr_registry_alter_database, back to what a move has kept for the database. */
QR_NODISCARD enum qr_status qri_registry_alter_reserved(struct qr_registry *registry,
                                                        uint32_t server, struct qr_str name,
                                                        const struct qr_database_wish *wish,
                                                        struct qr_database_row *ret_row,
                                                        struct qr_err *err);

/* registry_kept.c */
QR_NODISCARD enum qr_status qri_check_tags(struct qr_str tags, struct qr_err *err);
struct qr_str qri_tags_key(uint32_t id, char dst[QRI_KEY_BYTES]);
/* Rows of earlier releases get what they lack. */
QR_NODISCARD enum qr_status qri_registry_upgrade(struct qr_registry *registry, struct qr_err *err);

/* wish.c: what is wished becomes part of the row, if the tables allow it. Errors 40619, 40633,
 * 40804, 40808, 40860 to 40862, 45148 ..., QR_INVALID; the row is then as before. `pool`: the one
 * that is wished or that the row is in, or NULL. */
QR_NODISCARD enum qr_status qri_wish_apply(const struct qr_database_wish *wish,
                                           const struct qr_pool_row *pool,
                                           struct qr_database_row *row, struct qr_err *err);

/* registry_row.c: false for what does not fit, or is not there as that type. */
bool qri_copy_text(char *dst, size_t dst_bytes, struct qr_str s); /* NUL-terminates */
bool qri_is_plain_name(struct qr_str name); /* nothing that a URL or a terminal takes for more */
/* Of a database to be; errors 1801 for one that every server has, 45190, QR_INVALID. */
QR_NODISCARD enum qr_status qri_check_name(struct qr_str name, struct qr_err *err);
bool qri_take_text(const json_t *object, const char *name, char *dst, size_t dst_bytes);
bool qri_take_number(const json_t *object, const char *name, json_int_t *ret_number);
bool qri_row_of_json(const json_t *o, struct qr_database_row *row);
void qri_new_guid(struct qr_env *env, char dst[QR_GUID_TEXT_BYTES + 1]); /* a random UUID */
/* The id of new data in that region (base/region.h); the region of a row's data. */
void qri_new_timeline(struct qr_env *env, uint32_t region, char dst[QR_GUID_TEXT_BYTES + 1]);
uint32_t qri_region_of(const struct qr_database_row *row);
json_t *qri_json_of_row(const struct qr_database_row *row); /* NULL: not UTF-8, or no memory */
