/* database_body.c - see resource_int.h: `az sql db update` reads a database, changes a few members
 * and sends all of them back, so the old tier's values come with the new tier. What is as it is, is
 * no wish; what belongs to the tier before, is none either. */
#include <math.h>
#include <string.h>
#include "body_int.h"
#include "resource_int.h"
#include "base/banned.h"

enum { NAME_CHARS_MAX = 128, HA_REPLICAS_DEFAULT = 1 /* as in Azure */ };

struct form { /* a body as it was read */
    const struct qr_slo *slo;
    bool in_pool;       /* the sku is ElasticPool */
    struct qr_str pool; /* its id */
    struct qr_str location, collation, tags;
    struct qr_str source, dropped_source, restore_time, deletion_time, long_backup, recoverable;
    int64_t max_bytes, ha_replicas, auto_pause;                       /* INT64_MIN: not said */
    double min_capacity;                                              /* NAN: not said */
    int create_mode, secondary_type, license, redundancy, read_scale; /* -1: not said */
    bool zone_given, zone;
    bool verify;   /* our own: restore, check, report, and remove */
    bool relocate; /* our own: to new processes */
};

enum create_mode {
    MODE_DEFAULT,
    MODE_COPY,
    MODE_POINT_IN_TIME,
    MODE_RESTORE,
    MODE_SECONDARY,
    MODE_ONLINE_SECONDARY,
    MODE_RECOVERY,
    MODE_LONG_TERM,
};
static const char *const create_modes[] = {"Default",
                                           "Copy",
                                           "PointInTimeRestore",
                                           "Restore",
                                           "Secondary",
                                           "OnlineSecondary",
                                           "Recovery",
                                           "RestoreLongTermRetentionBackup",
                                           NULL};
static const char *const secondary_types[] = {"Geo", "Named", "Standby", NULL};
static const char *const licenses[] = {"LicenseIncluded", "BasePrice", NULL};
static const char *const redundancies[] = {"Local", "Zone", "Geo", "GeoZone", NULL};
static const char *const switches[] = {"Enabled", "Disabled", NULL};

static bool read_sku(struct qri_request *r, struct form *form)
{
    struct qri_sku_error error;
    if (qri_sku_parse(qri_member(r->json, "sku"), &form->slo, &form->in_pool, &error))
        return true;
    qri_refuse(r, 400, error.code, "%s", error.text);
    return false;
}

/* What is not there, and is not ours to leave out silently. */
static bool refuse_absent(struct qri_request *r, const json_t *p)
{
    static const char *const absent[] = {"recoveryServicesRecoveryPointId", "sampleName"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (qri_member(p, absent[i]) != NULL) {
            qri_refuse(r, 400, "FeatureNotSupported",
                       "The property '%s' is not supported by this version.", absent[i]);
            return false;
        }
    bool ledger = json_is_true(qri_member(p, "isLedgerOn"));
    if (ledger)
        qri_refuse(r, 400, "FeatureNotSupported",
                   "Ledger databases are not supported by this version.");
    return !ledger;
}

static bool read_form(struct qri_request *r, struct form *form)
{
    json_t *p = NULL;
    bool given = false;
    *form = (struct form){.max_bytes = INT64_MIN,
                          .ha_replicas = INT64_MIN,
                          .auto_pause = INT64_MIN,
                          .min_capacity = NAN,
                          .create_mode = -1,
                          .secondary_type = -1,
                          .license = -1,
                          .redundancy = -1,
                          .read_scale = -1};
    return qri_body_object(r, r->json, "properties", &p) && read_sku(r, form) &&
           refuse_absent(r, p) && qri_body_text(r, r->json, "location", &form->location) &&
           qri_body_tags(r, r->json, &form->tags) &&
           qri_body_text(r, p, "collation", &form->collation) &&
           qri_body_text(r, p, "elasticPoolId", &form->pool) &&
           qri_body_text(r, p, "sourceDatabaseId", &form->source) &&
           qri_body_text(r, p, "restorableDroppedDatabaseId", &form->dropped_source) &&
           qri_body_text(r, p, "restorePointInTime", &form->restore_time) &&
           qri_body_text(r, p, "longTermRetentionBackupResourceId", &form->long_backup) &&
           qri_body_text(r, p, "recoverableDatabaseId", &form->recoverable) &&
           qri_body_text(r, p, "sourceDatabaseDeletionDate", &form->deletion_time) &&
           qri_body_integer(r, p, "maxSizeBytes", &form->max_bytes) &&
           qri_body_integer(r, p, "highAvailabilityReplicaCount", &form->ha_replicas) &&
           qri_body_integer(r, p, "autoPauseDelay", &form->auto_pause) &&
           qri_body_number(r, p, "minCapacity", &form->min_capacity) &&
           qri_body_word(r, p, "createMode", create_modes, &form->create_mode) &&
           qri_body_word(r, p, "secondaryType", secondary_types, &form->secondary_type) &&
           qri_body_word(r, p, "licenseType", licenses, &form->license) &&
           qri_body_word(r, p, "requestedBackupStorageRedundancy", redundancies,
                         &form->redundancy) &&
           qri_body_word(r, p, "readScale", switches, &form->read_scale) &&
           qri_body_bool(r, p, "zoneRedundant", &form->zone_given, &form->zone) &&
           qri_body_bool(r, p, "quireVerifyOnly", &given, &form->verify) &&
           qri_body_bool(r, p, "quireRelocate", &given, &form->relocate);
}

/* ---- from a form to a wish ---- */

static bool is_hyper(const char *edition)
{
    return qr_str_ieqz(qr_str(edition), "Hyperscale");
}

static void say_tier(struct qri_database_change *c, const struct qr_slo *slo)
{
    c->ask.edition = qr_str(slo->edition);
    c->ask.objective = qr_str(slo->name);
    c->changes = true;
}

/* The size that it has comes along when it moves between tiers that both have sizes. */
static bool say_size(struct qri_request *r, const struct form *form, const struct qr_slo *slo,
                     const struct qr_resource_database *now, struct qri_database_change *c)
{
    bool to_hyper = is_hyper(slo->edition);
    bool was_hyper = now != NULL && is_hyper(now->requested_edition);
    bool moves = now != NULL && !qr_str_ieqz(qr_str(now->requested_edition), slo->edition);
    bool is_as_it_is = now != NULL && !was_hyper && (int64_t)now->row.max_bytes == form->max_bytes;
    if (form->max_bytes == INT64_MIN || form->max_bytes == -1 ||
        (is_as_it_is && !(moves && qr_slo_takes_max_bytes(slo, now->row.max_bytes))))
        return true;
    if (to_hyper && now != NULL && !was_hyper)
        return true; /* the tier before had a size */
    if (form->max_bytes <= 0 || to_hyper) {
        qri_refuse(r, 400, "InvalidMaxSizeTierCombination",
                   "The specified tier does not support the database data max size '%lld'.",
                   (long long)form->max_bytes);
        return false;
    }
    c->ask.max_bytes = (uint64_t)form->max_bytes;
    c->ask.max_text = qr_str(qr_arena_printf(&r->arena, "%lld", (long long)form->max_bytes));
    c->changes = true;
    return true;
}

static bool say_replicas(struct qri_request *r, const struct form *form, bool to_hyper,
                         const struct qr_resource_database *now, struct qri_database_change *c)
{
    int64_t count = form->ha_replicas;
    bool was_hyper = now != NULL && is_hyper(now->requested_edition);
    if (count == INT64_MIN && to_hyper && !was_hyper)
        count = HA_REPLICAS_DEFAULT;
    if (count == INT64_MIN || (was_hyper && !to_hyper) || (!to_hyper && count == 0) ||
        (was_hyper && (int64_t)now->row.ha_replicas == count))
        return true;
    if (!to_hyper || count < 0 || count > QR_HA_REPLICAS_MAX) {
        qri_refuse(r, 400, "InvalidReadScaleUnits",
                   "The number of high-availability replicas is 0 to %d, of Hyperscale databases.",
                   QR_HA_REPLICAS_MAX);
        return false;
    }
    c->ask.ha_replicas = (uint32_t)count + 1;
    c->changes = true;
    return true;
}

static void say_trait(uint8_t *trait, uint8_t wished, uint8_t is, struct qri_database_change *c)
{
    if (wished == is)
        return;
    *trait = wished;
    c->changes = true;
}

static bool say_traits(struct qri_request *r, const struct form *form, bool moves,
                       const struct qr_resource_database *now, struct qri_database_change *c)
{
    static const struct qr_database_traits none = {0};
    const struct qr_database_traits *is = now == NULL ? &none : &now->row.traits;
    struct qr_database_traits *t = &c->ask.traits;
    if (form->read_scale >= 0 && !moves)
        say_trait(&t->read_scale, form->read_scale == 0 ? QR_SAID_YES : QR_SAID_NO, is->read_scale,
                  c);
    if (form->zone_given)
        say_trait(&t->zone_redundant, form->zone ? QR_SAID_YES : QR_SAID_NO, is->zone_redundant, c);
    if (form->license >= 0)
        say_trait(&t->license, (uint8_t)(QR_LICENSE_INCLUDED + form->license), is->license, c);
    if (form->redundancy >= 0)
        say_trait(&t->redundancy, (uint8_t)(QR_REDUNDANCY_LOCAL + form->redundancy), is->redundancy,
                  c);
    if (!isnan(form->min_capacity)) {
        if (!(form->min_capacity >= 0 && form->min_capacity <= 1000)) {
            qri_refuse(r, 400, "InvalidParameterValue", "minCapacity is a number of vCores.");
            return false;
        }
        uint32_t pct = (uint32_t)(form->min_capacity * 100 + 0.5);
        if (fabs(form->min_capacity * 100 - pct) > 1e-6) {
            qri_refuse(r, 400, "InvalidParameterValue",
                       "No service level objective supports the min capacity '%g'.",
                       form->min_capacity);
            return false;
        }
        if (pct != is->min_capacity_pct) {
            t->min_capacity_pct = pct;
            c->changes = true;
        }
    }
    if (form->auto_pause != INT64_MIN && form->auto_pause != is->auto_pause_minutes) {
        if (form->auto_pause < -1 || form->auto_pause == 0 || form->auto_pause > 1000000) {
            qri_refuse(r, 400, "InvalidParameterValue",
                       "autoPauseDelay is a number of minutes, or -1.");
            return false;
        }
        t->auto_pause_minutes = (int32_t)form->auto_pause;
        c->changes = true;
    }
    return true;
}

static bool say_wishes(struct qri_request *r, const struct form *form, const struct qr_slo *slo,
                       const struct qr_resource_database *now, struct qri_database_change *c)
{
    bool to_hyper = is_hyper(slo->edition);
    bool moves = now != NULL && !qr_str_ieqz(qr_str(now->requested_edition), slo->edition);
    if (form->tags.n > 0) {
        c->ask.tags = form->tags;
        c->changes |= now == NULL || !qr_str_eq(form->tags, qr_str(now->tags));
    }
    return say_size(r, form, slo, now, c) && say_replicas(r, form, to_hyper, now, c) &&
           say_traits(r, form, moves, now, c);
}

/* ---- pools ---- */

/* The edition's own objective stands for what it will have there. False: answered. */
static bool enter_pool(struct qri_request *r, const struct qri_place *place,
                       const struct form *form, struct qri_database_change *c,
                       const struct qr_slo **ret_slo)
{
    struct qr_str server, name;
    struct qr_pool_row pool;
    bool found = false;
    if (!qri_id_parse(r, form->pool, "elasticPools", &server, &name)) {
        qri_refuse(r, 400, "InvalidParameterValue", "'%.500s' is no id of an elastic pool.",
                   qri_copy(r, form->pool));
        return false;
    }
    if (qr_str_ieqz(server, place->server) && !qri_pool_find(r, place, name, &found, &pool))
        return false;
    if (!found) {
        qri_refuse(r, 400, "TargetElasticPoolDoesNotExist",
                   "Elastic pool not found for server: '%s', elastic pool name: '%.400s'.",
                   place->server, qri_copy(r, name));
        return false;
    }
    if (form->slo != NULL) {
        qri_refuse(r, 400, "ElasticPoolSkuCombinationInvalid",
                   "Elastic pool '%s' and service level objective '%s' combination is invalid.",
                   pool.name, form->slo->name);
        return false;
    }
    const struct qr_pool_size *size = qr_pool_size_find(qr_str(pool.size));
    *ret_slo = size == NULL ? NULL : qr_slo_default(qr_str(size->edition));
    c->ask.pool = qr_str(qri_copy(r, qr_str(pool.name)));
    c->ask.objective = qr_str(QR_POOL_OBJECTIVE);
    return *ret_slo != NULL;
}

/* A new one of whatever kind: a pool, or a tier if one is said. */
static bool say_home(struct qri_request *r, const struct qri_place *place, const struct form *form,
                     struct qri_database_change *c, const struct qr_slo **ret_slo)
{
    *ret_slo = form->slo;
    if (form->pool.n > 0)
        return enter_pool(r, place, form, c, ret_slo);
    if (form->in_pool)
        c->ask.objective = qr_str(QR_POOL_OBJECTIVE); /* control says that a name is missing */
    if (form->slo != NULL)
        say_tier(c, form->slo);
    return true;
}

/* ---- one that is there ---- */

static bool update_of(struct qri_request *r, const struct qri_place *place, const struct form *form,
                      const struct qr_resource_database *now, struct qri_database_change *c)
{
    bool pooled = qr_str_ieqz(qr_str(now->requested_objective), QR_POOL_OBJECTIVE);
    const struct qr_slo *is = pooled ? qr_slo_default(qr_str(now->requested_edition))
                                     : qr_slo_find(qr_str(now->requested_objective));
    if (qr_is_master(now->row.id) || is == NULL) {
        qri_refuse(r, 400, "CannotUseReservedDatabaseName", "The database '%s' cannot be changed.",
                   now->row.name);
        return false;
    }
    if (form->create_mode > MODE_DEFAULT) {
        qri_refuse(r, 409, "DatabaseAlreadyExists", "Database '%s' already exists.", now->row.name);
        return false;
    }
    if (form->collation.n > 0 && !qr_str_ieqz(form->collation, now->row.collation)) {
        qri_refuse(r, 400, "InvalidCollation", "The collation of a database cannot be changed.");
        return false;
    }
    const struct qr_slo *slo = form->slo == NULL ? is : form->slo;
    c->method = QR_CONTROL_ALTER;
    if (form->pool.n > 0) {
        if (!enter_pool(r, place, form, c, &slo))
            return false;
        c->changes = !qr_str_ieqz(c->ask.pool, now->row.pool);
    } else if (form->in_pool && !pooled) {
        c->ask.objective = qr_str(QR_POOL_OBJECTIVE);
        c->changes = true;
    } else if (slo != is || (pooled && form->slo != NULL)) {
        say_tier(c, slo);
    }
    c->ask.relocate = form->relocate;
    c->changes |= form->relocate;
    return say_wishes(r, form, slo, now, c);
}

/* ---- one that is to be made ---- */

static bool check_name(struct qri_request *r, struct qr_str name)
{
    static const char *const reserved[] = {"master", "model", "msdb", "tempdb"};
    size_t chars = 0;
    bool good = name.n > 0 && name.p[name.n - 1] != '.' && name.p[name.n - 1] != ' ';
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        chars += (c & 0xc0) != 0x80;
        good = good && c >= 0x20 && strchr("<>*%&:\\/?", c) == NULL;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (qr_str_ieqz(name, reserved[i])) {
            qri_refuse(r, 400, "CannotUseReservedDatabaseName",
                       "Cannot use reserved database name '%s' in this operation.", reserved[i]);
            return false;
        }
    json_t *text = json_stringn(name.p, name.n); /* NULL: it is no UTF-8 */
    good = good && text != NULL && chars <= NAME_CHARS_MAX;
    json_decref(text);
    if (good)
        return true;
    qri_refuse(r, 400, "InvalidResourceName",
               "The name of a database has 1 to %d characters, none of <>*%%&:\\/? and none that "
               "cannot be seen, and does not end with '.' or a blank.",
               NAME_CHARS_MAX);
    return false;
}

/* It may be on another server than that of the request. */
static bool take_source(struct qri_request *r, const struct qri_place *place, struct qr_str id,
                        struct qri_place *ret_place, struct qr_str *ret_name)
{
    struct qr_str server;
    if (id.n == 0) {
        qri_refuse(r, 400, "MissingSourceDatabaseId", "The source database id is missing.");
        return false;
    }
    if (!qri_id_parse(r, id, "databases", &server, ret_name)) {
        qri_refuse(r, 400, "SourceDatabaseNotFound", "'%.500s' is no id of a database.",
                   qri_copy(r, id));
        return false;
    }
    *ret_place = *place;
    if (qr_str_ieqz(server, place->server) || qri_place_named(r, server, ret_place))
        return true;
    qri_refuse(r, 400, "SourceServerNotFound", "The source server '%.128s' does not exist.",
               qri_copy(r, server));
    return false;
}

static bool find_source(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                        struct qr_resource_database *ret_source)
{
    bool found = false;
    if (!qri_database_find(r, place, name, &found, ret_source))
        return false;
    if (!found || qr_is_master(ret_source->row.id))
        qri_refuse(r, 400, "SourceDatabaseNotFound", "The source database '%.400s' does not exist.",
                   qri_copy(r, name));
    return found && !qr_is_master(ret_source->row.id);
}

static bool take_time(struct qri_request *r, struct qr_str text, const char *missing,
                      int64_t *ret_wall_ns)
{
    if (text.n == 0 && missing == NULL)
        return true;
    if (text.n > 0 && qri_time_parse(text, ret_wall_ns))
        return true;
    qri_refuse(r, 400, missing != NULL && text.n == 0 ? missing : "InvalidParameterValue",
               text.n == 0 ? "A time is missing." : "'%.60s' is no time.", qri_copy(r, text));
    return false;
}

/* Backups are those of a server, so a restore stays on it; a copy may leave it. */
static bool is_same(struct qri_request *r, const struct qri_place *place,
                    const struct qri_place *source)
{
    if (source->number != place->number)
        qri_refuse(r, 400, "SourceDatabaseNotFound",
                   "A database is restored on its own server. A copy (createMode Copy) may go to "
                   "another one.");
    return source->number == place->number;
}

/* "NAME,FILETIME" as restorableDroppedDatabases names it, or the old id and the time. */
static bool restore_of(struct qri_request *r, const struct qri_place *place,
                       const struct form *form, struct qri_database_change *c)
{
    int64_t restore_ns = 0, dropped_ns = 0;
    struct qri_place source;
    struct qr_str server;
    if (form->dropped_source.n > 0) {
        if (!qri_id_parse(r, form->dropped_source, "restorableDroppedDatabases", &server,
                          &c->ask.copy_of) ||
            !qri_dropped_name_parse(c->ask.copy_of, &c->ask.copy_of, &dropped_ns)) {
            qri_refuse(r, 400, "InvalidDroppedDatabase", "'%.500s' is no dropped database.",
                       form->dropped_source.p);
            return false;
        }
        if (!qri_place_named(r, server, &source))
            source = (struct qri_place){.number = QR_SERVER_ANY};
    } else if (!take_source(r, place, form->source, &source, &c->ask.copy_of) ||
               !take_time(r, form->deletion_time, "MissingSourceDatabaseDeletionDate",
                          &dropped_ns)) {
        return false;
    }
    if (!take_time(r, form->restore_time, NULL, &restore_ns) || !is_same(r, place, &source))
        return false;
    c->ask.dropped = true;
    c->ask.dropped_wall_ns = dropped_ns;
    c->ask.restore_wall_ns = (uint64_t)restore_ns;
    return true;
}

static bool replica_of(struct qri_request *r, const struct qri_place *place,
                       const struct form *form, struct qr_str name, struct qri_database_change *c)
{
    struct qr_resource_database source;
    struct qri_place of;
    struct qr_str primary;
    bool is_geo = form->secondary_type <= 0;
    if (is_geo && (form->pool.n > 0 || form->in_pool)) {
        qri_refuse(r, 400, "FeatureNotSupported",
                   "A geo-secondary in an elastic pool is not supported by this version.");
        return false;
    }
    if (form->pool.n > 0 || form->in_pool) {
        qri_refuse(r, 400, "ElasticPoolTierCombinationInvalid",
                   "Elastic pool does not support database edition 'Hyperscale'.");
        return false;
    }
    if (form->secondary_type > 1) {
        qri_refuse(r, 400, "FeatureNotSupported", "A secondary of this version is Geo or Named.");
        return false;
    }
    if (!take_source(r, place, form->source, &of, &primary) ||
        !find_source(r, &of, primary, &source))
        return false;
    if (!is_geo && !qr_str_ieqz(qr_str(of.location), place->location)) {
        qri_refuse(r, 400, "DatabaseNamedReplicaInvalidRegion",
                   "A named replica is in the region of its primary, '%s'.", of.location);
        return false;
    }
    if (!is_geo && (!is_hyper(source.row.edition) || source.row.replica_of != 0)) {
        bool chained = source.row.replica_of != 0;
        qri_refuse(r, 400,
                   chained ? "DatabaseNamedReplicaChainingNotAllowed"
                           : "DatabaseNamedReplicaInvalidSourceDatabase",
                   "A named replica's primary is a Hyperscale database that is no replica itself.");
        return false;
    }
    if (!is_geo && form->ha_replicas != INT64_MIN && !say_replicas(r, form, true, NULL, c))
        return false;
    c->method = QR_CONTROL_ADD_REPLICA;
    c->ask.geo = is_geo;
    c->ask.server = of.number;
    c->ask.other_server = place->number;
    c->ask.name = primary;
    c->ask.new_name = name;
    c->ask.objective = form->slo == NULL ? qr_str(source.row.objective) : qr_str(form->slo->name);
    c->ask.objective = qr_str(qri_copy(r, c->ask.objective));
    return true;
}

/* The id of a recoverable database, or of the database itself. */
static bool take_recoverable(struct qri_request *r, const struct qri_place *place,
                             const struct form *form, struct qri_database_change *c)
{
    struct qr_str server;
    struct qri_place of = *place; /* a copy of a backup may be restored on any server */
    struct qr_str id = form->recoverable.n > 0 ? form->recoverable : form->source;
    struct qr_resource_database source;
    bool is_copy = qri_id_parse(r, id, "recoverableDatabases", &server, &c->ask.copy_of);
    bool is_near = is_copy && qr_str_ieqz(server, place->server);
    if (!is_near && !(is_copy && qri_place_named(r, server, &of)) &&
        !take_source(r, place, id, &of, &c->ask.copy_of))
        return false;
    c->ask.other_server = of.number;
    return find_source(r, &of, c->ask.copy_of, &source);
}

/* A copy is of its source's tier unless another is said. */
static bool copy_of(struct qri_request *r, const struct qri_place *place, const struct form *form,
                    struct qri_database_change *c)
{
    struct qr_resource_database source;
    struct qri_place of;
    int64_t restore_ns = 0;
    if (form->create_mode == MODE_RESTORE)
        return restore_of(r, place, form, c);
    if (!take_source(r, place, form->source, &of, &c->ask.copy_of) ||
        !find_source(r, &of, c->ask.copy_of, &source))
        return false;
    if (form->create_mode == MODE_POINT_IN_TIME &&
        (!is_same(r, place, &of) ||
         !take_time(r, form->restore_time, "MissingRestorePointInTime", &restore_ns)))
        return false;
    c->ask.other_server = of.number;
    c->ask.restore_wall_ns = (uint64_t)restore_ns;
    return true;
}

static bool create_of(struct qri_request *r, const struct qri_place *place, const struct form *form,
                      struct qr_str name, struct qri_database_change *c)
{
    const struct qr_slo *slo = NULL;
    if (!check_name(r, name))
        return false;
    c->method = QR_CONTROL_CREATE;
    c->ask.verify = form->verify;
    c->ask.collation = form->collation;
    c->changes = true;
    switch (form->create_mode < 0 ? MODE_DEFAULT : (enum create_mode)form->create_mode) {
    case MODE_DEFAULT:
        if (form->verify) {
            qri_refuse(r, 400, "InvalidParameterValue",
                       "quireVerifyOnly is for create modes that copy or restore.");
            return false;
        }
        if (!say_home(r, place, form, c, &slo))
            return false;
        if (slo == NULL) {
            slo = qr_slo_default(qr_str("GeneralPurpose"));
            if (!form->in_pool)
                say_tier(c, slo);
        }
        return say_wishes(r, form, slo, NULL, c);
    case MODE_SECONDARY:
    case MODE_ONLINE_SECONDARY:
        return replica_of(r, place, form, name, c);
    case MODE_COPY:
    case MODE_POINT_IN_TIME:
    case MODE_RESTORE:
        c->ask.tags = form->tags;
        return say_home(r, place, form, c, &slo) && copy_of(r, place, form, c);
    case MODE_LONG_TERM:
        c->ask.tags = form->tags;
        return say_home(r, place, form, c, &slo) &&
               qri_long_backup_of(r, form->long_backup, &c->ask);
    case MODE_RECOVERY:
        break;
    }
    c->ask.tags = form->tags;
    c->ask.geo = true;
    return say_home(r, place, form, c, &slo) && take_recoverable(r, place, form, c);
}

bool qri_database_change(struct qri_request *r, const struct qri_place *place, struct qr_str name,
                         const struct qr_resource_database *now,
                         struct qri_database_change *ret_change)
{
    struct form form;
    if (!read_form(r, &form))
        return false;
    if (form.location.n > 0 && !qri_is_location(form.location, place->location)) {
        qri_refuse(r, 409, "InvalidResourceLocation",
                   "The location '%.100s' is not that of the server, '%s'.",
                   qri_copy(r, form.location), place->location);
        return false;
    }
    *ret_change = (struct qri_database_change){.ask = {.server = place->number,
                                                       .other_server = place->number,
                                                       .name = name,
                                                       .no_wait = true,
                                                       .operation_id = qr_str(r->id)}};
    return now == NULL ? create_of(r, place, &form, name, ret_change)
                       : update_of(r, place, &form, now, ret_change);
}
