/* long.c - see resource_int.h: long-term retention: its policy, and the backups that it has made.
 *
 * The policy is a document that control reads when it makes backups (ctl/keep.h). A backup's name
 * is "GUID;TICKS;Hot", the ticks counted as those of dropped databases. */
#include <stdlib.h>
#include <string.h>
#include "body_int.h"
#include "ctl/keep.h"
#include "ctl/peer.h"
#include "resource_int.h"
#include "base/banned.h"

static const char *const span_keys[] = {"weeklyRetention", "monthlyRetention", "yearlyRetention"};
enum { SPAN_COUNT = sizeof span_keys / sizeof span_keys[0] };
#define EPOCH_TICKS INT64_C(116444736000000000) /* of 1970-01-01, since 1601-01-01 */

/* ---- the policy of a database ---- */

static bool find_database(struct qri_request *r, struct qri_place *place,
                          struct qr_resource_database *d)
{
    return qri_place_server(r, place) && qri_database_find(r, place, r->vars[3], NULL, d);
}

static const char *policy_name(struct qri_request *r, const struct qr_resource_database *d)
{
    return qr_arena_printf(&r->arena, "%s/longTermRetention", d->row.guid);
}

/* As it is; off if there is none. NULL: answered. */
static json_t *read_policy(struct qri_request *r, const struct qr_resource_database *d)
{
    struct qr_err err = {0};
    enum qr_status found = QR_NOMEM;
    const char *name = policy_name(r, d);
    json_t *doc =
        name == NULL ? NULL : qri_doc_find(r->arm, QR_DOC_POLICY, qr_str(name), NULL, &found, &err);
    if (doc == NULL && found == QR_NOT_FOUND) {
        found = QR_NOMEM;
        doc = json_pack("{s:s,s:s,s:s,s:i}", span_keys[0], "PT0S", span_keys[1], "PT0S",
                        span_keys[2], "PT0S", "weekOfYear", 0);
    }
    if (doc == NULL)
        qri_refuse_err(r, found, &err);
    return doc;
}

static void reply_policy(struct qri_request *r, const struct qri_place *place, const char *database,
                         json_t *own_policy)
{
    qri_reply(r, 200,
              json_pack("{s:o,s:s+++,s:s,s:s}", "properties", own_policy, "id", place->server_id,
                        "/databases/", database, "/backupLongTermRetentionPolicies/default", "name",
                        "default", "type",
                        "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies"));
}

void qri_get_long_policy(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    if (!find_database(r, &place, &d))
        return;
    json_t *policy = read_policy(r, &d);
    if (policy != NULL)
        reply_policy(r, &place, d.row.name, policy);
}

/* What is said of it; what is not said stays. False: answered. */
static bool take_policy(struct qri_request *r, const json_t *p, json_t *policy)
{
    struct qr_keep_policy parsed = {.week_of_year = 0};
    struct qr_keep_span *const spans[] = {&parsed.weekly, &parsed.monthly, &parsed.yearly};
    int64_t week = json_integer_value(json_object_get(policy, "weekOfYear"));
    for (size_t i = 0; i < SPAN_COUNT; i++) {
        struct qr_str text = qr_str(json_string_value(json_object_get(policy, span_keys[i])));
        if (!qri_body_text(r, p, span_keys[i], &text))
            return false;
        if (text.n > QR_KEEP_TEXT_BYTES || !qr_keep_span_parse(text, spans[i])) {
            qri_refuse(r, 400, "LongTermRetentionPolicyInvalid",
                       "%s is 'PT0S', or an ISO 8601 duration of 7 days to 10 years: '%.60s'.",
                       span_keys[i], qri_copy(r, text));
            return false;
        }
        if (json_object_set_new(policy, span_keys[i], json_stringn(text.p, text.n)) != 0)
            return false;
    }
    if (!qri_body_integer(r, p, "weekOfYear", &week))
        return false;
    parsed.week_of_year = week >= 0 && week <= QR_KEEP_WEEK_MAX ? (uint32_t)week : UINT32_MAX;
    if (!qr_keep_policy_is_whole(&parsed)) {
        qri_refuse(r, 400, "LongTermRetentionPolicyInvalid",
                   "weekOfYear is 1 to %d where yearlyRetention is set, else 0 to %d.",
                   QR_KEEP_WEEK_MAX, QR_KEEP_WEEK_MAX);
        return false;
    }
    return json_object_set_new(policy, "weekOfYear", json_integer(week)) == 0;
}

void qri_put_long_policy(struct qri_request *r)
{
    struct qri_place place;
    struct qr_resource_database d;
    json_t *p = NULL;
    if (!find_database(r, &place, &d) || !qri_body_object(r, r->json, "properties", &p))
        return;
    if (qr_is_master(d.row.id) || d.row.replica_of != 0) {
        qri_refuse(r, 400, "LongTermRetentionPolicyInvalid",
                   "'%s' has no backups of its own to keep.", d.row.name);
        return;
    }
    json_t *policy = read_policy(r, &d);
    if (policy == NULL)
        return;
    const char *name = policy_name(r, &d);
    if (!take_policy(r, p, policy)) {
        if (r->status == 0)
            qri_refuse_err(r, QR_NOMEM, &(struct qr_err){0});
    } else if (name != NULL && qri_doc_store(r, QR_DOC_POLICY, name, policy, UINT64_MAX)) {
        reply_policy(r, &place, d.row.name, json_incref(policy));
    }
    json_decref(policy);
}

/* ---- the backups ---- */

/* What the path of a request names. */
struct wanted {
    struct qri_request *r;
    bool of_group;
    struct qri_place group;
    struct qr_str location, server, database, name; /* n = 0: any */
    int state;                                      /* databaseState: all, live, deleted */
    bool latest;
    json_t *list;    /* the backups, with "of": the guid of its database */
    json_t *owners;  /* by guid: when it was dropped, 0: it lives */
    json_t *newest;  /* by guid: when its last backup was */
    json_t *servers; /* documents by name; null: there is none */
};

/* vars: subscription, maybe a group, location, server, database, name. */
static bool parse_path(struct qri_request *r, struct wanted *w)
{
    struct qr_str text;
    size_t at = 1;
    static const char *const states[] = {"All", "Live", "Deleted"};
    *w = (struct wanted){.r = r};
    w->of_group = r->path.count > 2 && qr_str_ieqz(r->path.segments[2], "resourceGroups");
    if (w->of_group ? !qri_place_group(r, &w->group) : !qri_place_subscription(r))
        return false;
    at += w->of_group;
    w->location = r->vars[at];
    w->server = r->vars[at + 1];
    w->database = r->vars[at + 2];
    w->name = r->vars[at + 3];
    if (qri_form_get(&r->arena, qr_str(r->query), "databaseState", &text))
        for (int i = 0; i < 3; i++)
            if (qr_str_ieqz(text, states[i]))
                w->state = i;
    w->latest = qri_form_get(&r->arena, qr_str(r->query), "onlyLatestPerDatabase", &text) &&
                qr_str_ieqz(text, "true");
    return true;
}

/* The document of its server, which may be gone; borrowed. */
static const json_t *server_of(struct wanted *w, const char *name)
{
    struct qr_err err = {0};
    enum qr_status found;
    json_t *doc = json_object_get(w->servers, name);
    if (doc != NULL)
        return doc;
    doc = qri_doc_find(w->r->arm, QR_DOC_SERVER, qr_str(name), NULL, &found, &err);
    (void)json_object_set_new(w->servers, name, doc == NULL ? json_null() : doc);
    return json_object_get(w->servers, name);
}

static const char *text_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text == NULL ? "" : text;
}

/* Servers that are gone are in no group, and in any location. */
static bool is_wanted(struct wanted *w, const struct qr_database_row *row)
{
    const json_t *server = server_of(w, row->kept_server);
    if (json_is_object(server) && !qri_is_location(w->location, text_of(server, "location")))
        return false;
    if (w->of_group && json_is_object(server) &&
        !qr_str_ieqz(qr_str(text_of(server, "group")), w->group.group))
        return false;
    return (w->server.n == 0 || qr_str_ieqz(w->server, row->kept_server)) &&
           (w->database.n == 0 || qr_str_ieqz(w->database, row->name));
}

static const char *redundancy_of(const struct qr_database_row *row)
{
    static const char *const words[QR_REDUNDANCY_COUNT] = {"Local", "Local", "Zone", "Geo",
                                                           "GeoZone"};
    return row->traits.redundancy < QR_REDUNDANCY_COUNT ? words[row->traits.redundancy] : words[0];
}

static json_t *backup_json(struct wanted *w, const struct qr_database_row *row)
{
    struct qri_request *r = w->r;
    const json_t *server = server_of(w, row->kept_server);
    const char *name = qr_arena_printf(&r->arena, "%s;%lld;Hot", row->guid,
                                       (long long)(row->kept_wall_ns / 100 + EPOCH_TICKS));
    const char *location =
        json_is_object(server) ? text_of(server, "location") : qri_copy(r, w->location);
    const char *id = qr_arena_printf(
        &r->arena,
        "/subscriptions/%s%s%s/providers/Microsoft.Sql/locations/%s/longTermRetentionServers/%s/"
        "longTermRetentionDatabases/%s/longTermRetentionBackups/%s",
        r->arm->subscription, w->of_group ? "/resourceGroups/" : "",
        w->of_group ? w->group.group : "", location, row->kept_server, row->name, name);
    if (name == NULL || id == NULL)
        return NULL;
    int64_t made_ns = json_integer_value(json_object_get(server, "createdWallNs"));
    json_t *p = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s}", "serverName", row->kept_server, "databaseName", row->name,
        "backupTime", qri_time_text(r, row->kept_wall_ns), "backupExpirationTime",
        qri_time_text(r, row->expires_wall_ns), "backupStorageRedundancy", redundancy_of(row),
        "requestedBackupStorageRedundancy", redundancy_of(row));
    if (p != NULL && made_ns != 0)
        (void)json_object_set_new(p, "serverCreateTime", json_string(qri_time_text(r, made_ns)));
    return json_pack("{s:o,s:s,s:s,s:s,s:s,s:I,s:I}", "properties", p, "id", id, "name", name,
                     "type",
                     "Microsoft.Sql/locations/longTermRetentionServers/longTermRetentionDatabases/"
                     "longTermRetentionBackups",
                     "of", row->kept_of, "dropped", (json_int_t)row->dropped_wall_ns, "at",
                     (json_int_t)row->kept_wall_ns);
}

/* Of one database the last counts. */
static bool is_latest(const struct wanted *w, const json_t *backup)
{
    return json_integer_value(json_object_get(backup, "at")) ==
           json_integer_value(json_object_get(w->newest, text_of(backup, "of")));
}

static bool note_newest(struct wanted *w, const struct qr_database_row *row)
{
    const json_t *newest = json_object_get(w->newest, row->kept_of);
    return json_integer_value(newest) >= row->kept_wall_ns ||
           json_object_set_new(w->newest, row->kept_of, json_integer(row->kept_wall_ns)) == 0;
}

static enum qr_status add(void *ctx, const struct qr_resource_database *d)
{
    struct wanted *w = ctx;
    const struct qr_database_row *row = &d->row;
    if (row->state == QR_DATABASE_KEPT)
        return !is_wanted(w, row) || (note_newest(w, row) &&
                                      json_array_append_new(w->list, backup_json(w, row)) == 0)
                   ? QR_OK
                   : QR_NOMEM;
    if (row->kept_of[0] != '\0' || row->guid[0] == '\0')
        return QR_OK;
    int64_t dropped = qr_database_is_live(row) ? 0 : row->dropped_wall_ns;
    return json_object_set_new(w->owners, row->guid, json_integer(dropped)) == 0 ? QR_OK : QR_NOMEM;
}

/* When its database was dropped; 0: it lives. */
static int64_t dropped_of(const struct wanted *w, const json_t *backup)
{
    const json_t *owner = json_object_get(w->owners, text_of(backup, "of"));
    int64_t known = json_integer_value(json_object_get(backup, "dropped"));
    return owner != NULL ? json_integer_value(owner)
           : known != 0  ? known
                         : 1 /* nobody knows when */;
}

/* Those that count, without what only we need. */
static json_t *chosen(struct wanted *w)
{
    size_t i;
    json_t *backup, *list = json_array();
    json_array_foreach(w->list, i, backup)
    {
        int64_t dropped = dropped_of(w, backup);
        if ((w->state == 1 && dropped != 0) || (w->state == 2 && dropped == 0) ||
            (w->latest && !is_latest(w, backup)))
            continue;
        json_t *shown = json_copy(backup);
        if (dropped > 1)
            (void)json_object_set_new(json_object_get(shown, "properties"), "databaseDeletionTime",
                                      json_string(qri_time_text(w->r, dropped)));
        (void)json_object_del(shown, "of");
        (void)json_object_del(shown, "dropped");
        (void)json_object_del(shown, "at");
        (void)json_array_append_new(list, shown);
    }
    return list;
}

/* NULL: answered. */
static json_t *read_backups(struct wanted *w)
{
    struct qr_err err = {0};
    json_t *list = NULL;
    w->list = json_array();
    w->owners = json_object();
    w->newest = json_object();
    w->servers = json_object();
    enum qr_status status =
        w->list == NULL || w->owners == NULL || w->newest == NULL || w->servers == NULL
            ? QR_NOMEM
            : qr_resource_each_database(w->r->arm->options.host->control, QR_SERVER_ANY, QRI_ASK_NS,
                                        add, w, &err);
    if (status == QR_OK && (list = chosen(w)) == NULL)
        status = QR_NOMEM;
    json_decref(w->list);
    json_decref(w->owners);
    json_decref(w->newest);
    json_decref(w->servers);
    if (status != QR_OK)
        qri_refuse_err(w->r, status, &err);
    return list;
}

void qri_list_long_backups(struct qri_request *r)
{
    struct wanted w;
    if (!parse_path(r, &w))
        return;
    json_t *list = read_backups(&w);
    if (list != NULL)
        qri_reply(r, 200, json_pack("{s:o}", "value", list));
}

/* The one of that name, or NULL; *ret_answered: it could not be asked. */
static json_t *find_backup(struct wanted *w, bool *ret_answered)
{
    size_t i;
    json_t *item, *found = NULL, *list = read_backups(w);
    *ret_answered = list == NULL;
    json_array_foreach(list, i, item)
    {
        if (qr_str_ieqz(w->name, text_of(item, "name")))
            found = json_incref(item);
    }
    json_decref(list);
    return found;
}

void qri_get_long_backup(struct qri_request *r)
{
    struct wanted w;
    bool answered = false;
    if (!parse_path(r, &w))
        return;
    json_t *found = find_backup(&w, &answered);
    if (found != NULL)
        qri_reply(r, 200, found);
    else if (!answered)
        qri_refuse(r, 404, "ResourceNotFound",
                   "The long-term retention backup '%.200s' was not found.", qri_copy(r, w.name));
}

/* Its guid; false: it is no name of one. */
static bool take_guid(struct qr_str name, struct qr_str *ret_guid)
{
    size_t n = 0;
    while (n < name.n && name.p[n] != ';')
        n++;
    *ret_guid = qr_str_n(name.p, n);
    return qri_is_guid(*ret_guid);
}

void qri_delete_long_backup(struct qri_request *r)
{
    struct wanted w;
    struct qr_err err = {0};
    bool answered = false;
    struct qr_control_ask ask = {.no_wait = false};
    if (!parse_path(r, &w))
        return;
    json_t *found = find_backup(&w, &answered);
    json_decref(found);
    if (answered)
        return;
    enum qr_status status = QR_NOT_FOUND;
    if (found != NULL && take_guid(w.name, &ask.kept))
        status = qr_control_call(r->arm->options.host->operate, QR_CONTROL_UNKEEP, &ask,
                                 QRI_WAIT_NS, NULL, &err);
    if (status == QR_OK)
        qri_reply_empty(r, 200);
    else if (status == QR_NOT_FOUND)
        qri_reply_empty(r, 204);
    else if (status == QR_BUSY)
        qri_refuse(r, 409, "ConflictingServerOperation", "%s", err.text);
    else
        qri_refuse_err(r, status, &err);
}

/* ---- restoring one ---- */

struct search {
    struct qri_request *r;
    struct qr_str guid;
    struct qr_control_ask *ask;
    bool found;
};

static enum qr_status look_for(void *ctx, const struct qr_resource_database *d)
{
    struct search *s = ctx;
    if (d->row.state != QR_DATABASE_KEPT || !qr_str_ieqz(s->guid, d->row.guid))
        return QR_OK;
    s->ask->copy_of = qr_str(qri_copy(s->r, qr_str(d->row.name)));
    s->ask->kept = qr_str(qri_copy(s->r, qr_str(d->row.guid)));
    s->found = true;
    return QR_OK;
}

bool qri_long_backup_of(struct qri_request *r, struct qr_str id, struct qr_control_ask *ask)
{
    struct qri_path path;
    struct qr_err err = {0};
    struct search s = {.r = r, .ask = ask};
    bool good = id.n > 0 && qri_path_parse(&r->arena, id, &path) && path.count >= 2 &&
                qr_str_ieqz(path.segments[path.count - 2], "longTermRetentionBackups") &&
                take_guid(path.segments[path.count - 1], &s.guid);
    enum qr_status status =
        good ? qr_resource_each_database(r->arm->options.host->control, QR_SERVER_ANY, QRI_ASK_NS,
                                         look_for, &s, &err)
             : QR_OK;
    if (status != QR_OK)
        qri_refuse_err(r, status, &err);
    else if (!s.found)
        qri_refuse(r, 400, "LongTermRetentionBackupNotFound",
                   "'%.500s' is no long-term retention backup.", qri_copy(r, id));
    return s.found;
}
