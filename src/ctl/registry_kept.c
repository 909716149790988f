/* registry_kept.c - see ctl/registry.h: what becomes of a database's row: its states, its parent,
 * its size, how long it can be restored; its tags (key `tags/<id in hexadecimal>`); rows of earlier
 * releases (key `format`: `{"version": 3}`; the first release had none, and those before 3 one
 * server) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "registry_int.h"
#include "base/banned.h"

enum qr_status qri_fail_no_database(struct qr_str name, struct qr_err *err)
{
    char text[QR_NAME_BYTES_MAX + 1];
    if (!qri_copy_text(text, sizeof text, name))
        text[0] = '\0';
    return qr_sql_fail(err, 911, text);
}

struct new_state {
    enum qr_database_state state;
    int64_t wall_ns;
};

static void change_state(struct qr_database_row *row, const void *arg)
{
    const struct new_state *to = arg;
    row->state = to->state;
    if (!qr_database_is_live(row) && row->dropped_wall_ns == 0 && row->kept_of[0] == '\0')
        row->dropped_wall_ns = to->wall_ns;
}

enum qr_status qr_registry_set_state(struct qr_registry *registry, uint32_t id,
                                     enum qr_database_state state, struct qr_err *err)
{
    struct qr_database_row row;
    struct new_state to = {state, qr_env_wall_ns(qri_registry_env(registry))};
    if (qr_registry_find_id(registry, id, &row) == QR_OK && row.state == state)
        return QR_OK;
    return qri_registry_change(registry, id, change_state, &to, err);
}

struct new_branch {
    const struct qr_database_row *parent;
    uint64_t lsn;
};

static void change_branch(struct qr_database_row *row, const void *arg)
{
    const struct new_branch *to = arg;
    memcpy(row->parent, to->parent->timeline, sizeof row->parent);
    row->branch_lsn = to->lsn;
    row->slices = to->parent->slices;
}

enum qr_status qr_registry_set_branch(struct qr_registry *registry, uint32_t id,
                                      const struct qr_database_row *parent, uint64_t branch_lsn,
                                      struct qr_err *err)
{
    return qri_registry_change(registry, id, change_branch,
                               &(struct new_branch){parent, branch_lsn}, err);
}

/* ---- copies ---- */

struct new_reign {
    uint32_t member;
    uint64_t above;
};

static void change_reign(struct qr_database_row *row, const void *arg)
{
    const struct new_reign *to = arg;
    if (row->members == 0)
        row->members = UINT32_C(1) << to->member;
    else if (row->primary != to->member)
        row->members &= ~(UINT32_C(1) << row->primary);
    row->primary = to->member;
    row->epoch = (row->epoch > to->above ? row->epoch : to->above) + 1;
}

enum qr_status qr_registry_begin_reign(struct qr_registry *registry, uint32_t id, uint32_t member,
                                       uint64_t above, struct qr_err *err)
{
    struct qr_database_row row;
    if (member > QR_HA_REPLICAS_MAX || qr_registry_find_id(registry, id, &row) != QR_OK ||
        (row.members != 0 && (row.members >> member & 1) == 0))
        return qr_fail(err, QR_FENCED, "member %u of database %u is not up to date", member, id);
    return qri_registry_change(registry, id, change_reign, &(struct new_reign){member, above}, err);
}

static void change_away(struct qr_database_row *row, const void *arg)
{
    row->away = *(const uint32_t *)arg;
}

enum qr_status qr_registry_set_away(struct qr_registry *registry, uint32_t id, uint32_t away,
                                    struct qr_err *err)
{
    return qri_registry_change(registry, id, change_away, &away, err);
}

static void change_members(struct qr_database_row *row, const void *arg)
{
    const struct qr_database_row *to = arg;
    if (row->epoch == to->epoch && row->primary == to->primary)
        row->members = to->members;
}

enum qr_status qr_registry_set_members(struct qr_registry *registry, uint32_t id, uint32_t member,
                                       uint64_t epoch, uint32_t members, struct qr_err *err)
{
    struct qr_database_row to = {.epoch = epoch, .primary = member, .members = members}, row;
    bool is_it = (members >> member & 1) != 0 && members < 2u << QR_HA_REPLICAS_MAX;
    if (!is_it)
        return qr_fail(err, QR_INVALID, "a primary is a member");
    QR_TRY(qri_registry_change(registry, id, change_members, &to, err));
    if (qr_registry_find_id(registry, id, &row) == QR_OK && row.epoch == epoch &&
        row.primary == member)
        return QR_OK;
    return qr_fail(err, QR_FENCED, "member %u of database %u is not its primary", member, id);
}

struct new_retention {
    uint32_t days, diff_hours;
};

static void change_retention(struct qr_database_row *row, const void *arg)
{
    const struct new_retention *to = arg;
    row->retention_days = to->days != 0 ? to->days : row->retention_days;
    row->diff_hours = to->diff_hours != 0 ? to->diff_hours : row->diff_hours;
}

enum qr_status qr_registry_set_retention(struct qr_registry *registry, uint32_t id, uint32_t days,
                                         uint32_t diff_hours, struct qr_err *err)
{
    struct qr_database_row row;
    struct new_retention to = {days, diff_hours};
    if ((days == 0 && diff_hours == 0) || days > QR_RETENTION_DAYS_MAX)
        return qr_fail(err, QR_INVALID, "Backups are kept for %d to %d days.",
                       QR_RETENTION_DAYS_MIN, QR_RETENTION_DAYS_MAX);
    if (diff_hours != 0 && diff_hours != QR_DIFF_HOURS && diff_hours != QR_DIFF_HOURS_LONG)
        return qr_fail(err, QR_INVALID, "Differential backups are taken every %d or %d hours.",
                       QR_DIFF_HOURS, QR_DIFF_HOURS_LONG);
    if (qr_registry_find_id(registry, id, &row) == QR_OK && days > QR_RETENTION_DAYS_BASIC &&
        qr_str_ieqz(qr_str(row.edition), "Basic"))
        return qr_fail(err, QR_INVALID, "Backups of Basic databases are kept for %d to %d days.",
                       QR_RETENTION_DAYS_MIN, QR_RETENTION_DAYS_BASIC);
    return qri_registry_change(registry, id, change_retention, &to, err);
}

static void change_slices(struct qr_database_row *row, const void *arg)
{
    uint32_t slices = *(const uint32_t *)arg;
    row->slices = slices > row->slices ? slices : row->slices;
}

enum qr_status qr_registry_grow_database(struct qr_registry *registry, uint32_t id, uint32_t slices,
                                         struct qr_err *err)
{
    struct qr_database_row row;
    if (qr_registry_find_id(registry, id, &row) == QR_OK && !qr_database_is_hyper(&row))
        return qr_fail(err, QR_INVALID, "database %u has no slices", id);
    if (slices > QR_SLICES_MAX)
        return qr_fail(err, QR_FULL, "a database has at most %d slices", QR_SLICES_MAX);
    return qri_registry_change(registry, id, change_slices, &slices, err);
}

enum qr_status qr_registry_find_dropped(struct qr_registry *registry, uint32_t server,
                                        struct qr_str name, int64_t dropped_wall_ns,
                                        struct qr_database_row *ret_row)
{
    struct qr_database_row row;
    bool found = false;
    for (size_t i = qr_registry_index_after(registry, qr_database_id(server, 0));
         qr_registry_database_at(registry, i, &row) && qr_server_of(row.id) == server; i++) {
        /* who asks has the time in milliseconds */
        bool of_then =
            dropped_wall_ns == 0 || row.dropped_wall_ns / 1000000 == dropped_wall_ns / 1000000;
        if (row.state != QR_DATABASE_DROPPED || row.moved_to != 0 || !qr_str_ieqz(name, row.name) ||
            !of_then || (found && row.dropped_wall_ns < ret_row->dropped_wall_ns))
            continue;
        *ret_row = row;
        found = true;
    }
    return found ? QR_OK : QR_NOT_FOUND;
}

/* ---- long-term backups ---- */

static void change_kept(struct qr_database_row *row, const void *arg)
{
    row->kept_wall_ns = *(const int64_t *)arg;
}

enum qr_status qr_registry_set_kept(struct qr_registry *registry, const struct qr_database_row *row,
                                    uint32_t source_id, struct qr_err *err)
{
    /* in this order: a crash between the two makes another one, not none */
    QR_TRY(qr_registry_set_state(registry, row->id, QR_DATABASE_KEPT, err));
    return qri_registry_change(registry, source_id, change_kept, &row->kept_wall_ns, err);
}

struct first_backup {
    struct qr_str timeline;
    int64_t wall_ns;
};

static void change_first_backup(struct qr_database_row *row, const void *arg)
{
    const struct first_backup *first = arg;
    if (row->first_backup_wall_ns < first->wall_ns &&
        qr_str_eq(first->timeline, qr_str(row->timeline)))
        row->first_backup_wall_ns = first->wall_ns;
}

bool qr_registry_next_serverless(struct qr_registry *registry, size_t *index,
                                 struct qr_database_row *ret_row)
{
    bool found = false;
    pthread_mutex_lock(&registry->mu);
    while (!found && *index < registry->count) {
        const struct qr_database_row *row = &registry->entries[(*index)++].row;
        found = row->state == QR_DATABASE_ONLINE &&
                (row->paused_wall_ns != 0 || row->traits.min_capacity_pct != 0);
        if (found)
            *ret_row = *row;
    }
    pthread_mutex_unlock(&registry->mu);
    return found;
}

struct pause {
    bool paused, only_logins;
    int64_t wall_ns;
};

static void change_paused(struct qr_database_row *row, const void *arg)
{
    const struct pause *pause = arg;
    row->paused_wall_ns = pause->paused ? pause->wall_ns : 0;
    row->only_logins = pause->paused && pause->only_logins;
    if (!pause->paused)
        row->resumed_wall_ns = pause->wall_ns;
}

enum qr_status qr_registry_set_paused(struct qr_registry *registry, uint32_t id, bool paused,
                                      bool only_logins, int64_t wall_ns, struct qr_err *err)
{
    struct pause pause = {paused, only_logins, wall_ns};
    return qri_registry_change(registry, id, change_paused, &pause, err);
}

enum qr_status qr_registry_set_first_backup(struct qr_registry *registry, uint32_t id,
                                            struct qr_str timeline, int64_t wall_ns,
                                            struct qr_err *err)
{
    struct first_backup first = {timeline, wall_ns};
    return qri_registry_change(registry, id, change_first_backup, &first, err);
}

static void change_kept_drop(struct qr_database_row *row, const void *arg)
{
    row->dropped_wall_ns = *(const int64_t *)arg;
}

enum qr_status qr_registry_set_kept_drop(struct qr_registry *registry, uint32_t id,
                                         int64_t dropped_wall_ns, struct qr_err *err)
{
    return qri_registry_change(registry, id, change_kept_drop, &dropped_wall_ns, err);
}

enum qr_status qr_registry_find_kept(struct qr_registry *registry, struct qr_str guid,
                                     struct qr_database_row *ret_row)
{
    struct qr_database_row row;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++) {
        if (row.state != QR_DATABASE_KEPT || !qr_str_ieqz(guid, row.guid))
            continue;
        *ret_row = row;
        return QR_OK;
    }
    return QR_NOT_FOUND;
}

/* ---- tags ---- */

struct qr_str qri_tags_key(uint32_t id, char dst[QRI_KEY_BYTES])
{
    snprintf(dst, QRI_KEY_BYTES, "tags/%08x", id);
    return qr_str(dst);
}

enum qr_status qr_registry_tags(struct qr_registry *registry, uint32_t id,
                                char dst[QR_TAGS_BYTES_MAX + 1], uint64_t *ret_version,
                                struct qr_err *err)
{
    struct qr_buf buf;
    char key[QRI_KEY_BYTES];
    uint64_t version = 0, row_version = qri_registry_version(registry, id);
    if (row_version == 0)
        return QR_NOT_FOUND;
    qr_buf_init(&buf, QR_TAGS_BYTES_MAX);
    enum qr_status status =
        qr_meta_get(qri_registry_meta(registry), qri_tags_key(id, key), &buf, &version, err);
    bool none = status == QR_NOT_FOUND;
    if (status == QR_OK || none) {
        struct qr_str text = none ? qr_str("{}") : qr_str_n((const char *)buf.data, buf.len);
        status = qri_copy_text(dst, QR_TAGS_BYTES_MAX + 1, text)
                     ? QR_OK
                     : qr_fail(err, QR_CORRUPT, "metadata: tags of database %u", id);
        *ret_version = version > row_version ? version : row_version;
    }
    qr_buf_done(&buf);
    return status;
}

static bool are_tags(const json_t *tags)
{
    const char *name;
    json_t *value;
    if (!json_is_object(tags))
        return false;
    json_object_foreach((json_t *)tags, name, value) if (!json_is_string(value)) return false;
    return true;
}

/* NULL: they are none. */
static char *text_of_tags(struct qr_str tags, struct qr_err *err)
{
    json_t *object = tags.n > QR_TAGS_BYTES_MAX
                         ? NULL
                         : json_loadb(tags.p, tags.n, JSON_REJECT_DUPLICATES, NULL);
    char *text = are_tags(object) ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (text != NULL && strlen(text) <= QR_TAGS_BYTES_MAX)
        return text;
    free(text);
    (void)qr_fail(err, QR_INVALID, "Tags are an object of texts of at most %d bytes.",
                  QR_TAGS_BYTES_MAX);
    return NULL;
}

enum qr_status qri_check_tags(struct qr_str tags, struct qr_err *err)
{
    char *text = text_of_tags(tags, err);
    free(text);
    return text != NULL ? QR_OK : QR_INVALID;
}

enum qr_status qr_registry_set_tags(struct qr_registry *registry, uint32_t id, struct qr_str tags,
                                    struct qr_err *err)
{
    char key[QRI_KEY_BYTES];
    bool applied = false;
    char *text = text_of_tags(tags, err);
    if (text == NULL)
        return QR_INVALID;
    struct qr_meta_op op = {.key = qri_tags_key(id, key), .value = qr_str(text)};
    enum qr_status status =
        qr_meta_txn(qri_registry_meta(registry), NULL, 0, &op, 1, &applied, NULL, err);
    free(text);
    return status;
}

/* ---- earlier releases ---- */

enum { FORMAT_VERSION = QR_REGISTRY_FORMAT };

static enum qr_status read_format(struct qr_meta *meta, json_int_t *ret_version, struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 256);
    enum qr_status status = qr_meta_get(meta, qr_str("format"), &buf, NULL, err);
    *ret_version = 1;
    if (status == QR_OK) {
        json_t *o = json_loadb((const char *)buf.data, buf.len, 0, NULL);
        if (!qri_take_number(o, "version", ret_version) || *ret_version < 1)
            status = qr_fail(err, QR_CORRUPT, "metadata: 'format' is damaged");
        else if (*ret_version > FORMAT_VERSION)
            status = qr_fail(err, QR_CORRUPT, "metadata: format %lld is of a later release",
                             (long long)*ret_version);
        json_decref(o);
    }
    qr_buf_done(&buf);
    return status == QR_NOT_FOUND ? QR_OK : status;
}

static void complete(struct qr_database_row *row, const void *arg)
{
    struct qr_database_wish nothing = {.ha_replicas = 0};
    (void)!qri_wish_apply(&nothing, NULL, row, NULL); /* traits as the objective has them */
    if (row->guid[0] != '\0')
        return;
    if (row->replica_of == 0)
        memcpy(row->guid, row->timeline, sizeof row->guid);
    else
        memcpy(row->guid, arg, sizeof row->guid);
}

enum qr_status qri_registry_upgrade(struct qr_registry *registry, struct qr_err *err)
{
    struct qr_meta *meta = qri_registry_meta(registry);
    struct qr_database_row row;
    json_int_t version = 0;
    bool applied = false;
    QR_TRY(read_format(meta, &version, err));
    if (version == FORMAT_VERSION)
        return QR_OK;
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++)
        if (version < 3 && qr_server_of(row.id) != 0)
            return qr_fail(err, QR_UNSUPPORTED, "metadata: database %u has too high an id", row.id);
    for (size_t i = 0; version < 2 && qr_registry_database_at(registry, i, &row); i++) {
        char guid[QR_GUID_TEXT_BYTES + 1];
        qri_new_guid(qri_registry_env(registry), guid);
        QR_TRY(qri_registry_change(registry, row.id, complete, guid, err));
    }
    struct qr_meta_op op = {.key = qr_str("format"), .value = qr_str("{\"version\":3}")};
    return qr_meta_txn(meta, NULL, 0, &op, 1, &applied, NULL, err);
}
