/* node_backup.c - see cmd_int.h: backups of databases that have files, on schedule and when
 * somebody copies, restores or drops them.
 *
 * One backup at a time in the process: they are the same disk's work, and a place takes one only.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "backup/keep.h"
#include "backup/restore.h"
#include "base/map.h"
#include "cmd_int.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "governor/task.h"
#include "base/banned.h"

enum { STRINGS_BYTES_MAX = 16 * 1024, PREFIX_BYTES = QRI_BACKUP_PREFIX_BYTES };
/* A look at what is not due costs nothing, and a new database shall have its first backup soon. */
static const int64_t LOOK_NS = INT64_C(2) * 1000000000, RETRY_NS = INT64_C(60) * 1000000000,
                     HOUR_NS = INT64_C(3600) * 1000000000, FIND_NS = INT64_C(5) * 1000000000;

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* When a database is due; those that have been closed since stay until the process ends. */
struct due {
    int64_t at_ns; /* monotonic; INT64_MAX: when something was committed */
    bool failed;
    bool told;          /* control knows of its first full backup */
    struct qr_lsn seen; /* durable when that was decided */
};

struct qri_backups {
    struct qri_node *node;
    pthread_t thread;
    _Atomic bool stops;
    struct qr_map dues; /* by id */
};

struct qr_backup_place qri_backup_place(const struct qri_node *node, bool geo, const char *timeline,
                                        char prefix[PREFIX_BYTES])
{
    const struct qri_node_options *o = qri_node_options_of(node);
    snprintf(prefix, PREFIX_BYTES, "backups/%s", timeline);
    return (struct qr_backup_place){.env = o->env,
                                    .log = {.sink = o->log.sink, .comp = "backup"},
                                    .blob = geo ? o->geo_blob : o->blob,
                                    .keyring = geo ? o->geo_keyring : o->keyring,
                                    .prefix = prefix};
}

/* ---- on schedule ---- */

/* Everything that is committed is in a backup afterwards. */
static enum qr_status catch_up(const struct qr_backup_place *place, struct qr_store *store,
                               struct qr_err *err)
{
    struct qr_backup_row row;
    bool taken = false;
    enum qr_status status = qr_backup_take(place, store, QR_BACKUP_LOG, &taken, &row, err);
    if (status == QR_NOT_FOUND) /* there is nothing yet to build on */
        status = qr_backup_take(place, store, QR_BACKUP_FULL, &taken, &row, err);
    return status;
}

static struct due *due_of(struct qri_backups *b, uint32_t id)
{
    struct qr_str key = {(const char *)&id, sizeof id};
    struct due *due = qr_map_get(&b->dues, key);
    if (due == NULL && (due = calloc(1, sizeof *due)) != NULL &&
        qr_map_put(&b->dues, key, due) != QR_OK) {
        free(due);
        return NULL;
    }
    return due;
}

/* What is due by the policy that its row has now; of what it had when it was opened, if nobody can
 * be asked. */
static enum qr_status run_due(const struct qri_backups *b, const struct qri_open_database *open,
                              const struct qr_backup_place *place, struct qr_store *store,
                              struct qr_backup_tick *tick, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(b->node);
    struct qr_database_row row;
    struct qr_backup_policy policy = {.diff_every_ns = QR_DIFF_HOURS * HOUR_NS};
    uint32_t days = open->retention_days;
    if (qr_control_find(o->control, 0, qr_str(""), open->id, FIND_NS, &row, NULL) == QR_OK) {
        policy.diff_every_ns = row.diff_hours * HOUR_NS;
        days = row.retention_days;
    }
    int64_t sure_ns = 0;
    (void)!qr_control_sure_time(o->control, FIND_NS, &sure_ns, NULL); /* else nothing goes now */
    return qr_backup_run_due(place, store, &policy, (int)days, sure_ns, tick, err);
}

/* Control is told from when on it can be restored; what fails is tried again with the next look. */
static bool tell_first(const struct qri_backups *b, const struct qri_open_database *open,
                       const struct qr_backup_place *place)
{
    static const uint64_t ms = 1000000; /* times are shown to the millisecond */
    const struct qri_node_options *o = qri_node_options_of(b->node);
    struct qr_backup_catalog catalog;
    uint64_t wall_ns = 0;
    if (qr_backup_list(place, &catalog, NULL) != QR_OK)
        return false;
    for (size_t i = 0; i < catalog.count && wall_ns == 0; i++)
        if (catalog.rows[i].kind == QR_BACKUP_FULL)
            wall_ns = catalog.rows[i].wall_ns > catalog.rows[i].taken_wall_ns
                          ? catalog.rows[i].wall_ns
                          : catalog.rows[i].taken_wall_ns;
    qr_backup_catalog_done(&catalog);
    struct qr_control_ask ask = {.id = open->id,
                                 .name = qr_str(open->timeline),
                                 .restore_wall_ns = (wall_ns + ms - 1) / ms * ms};
    return wall_ns != 0 &&
           qr_control_call(o->operate, QR_CONTROL_BACKED_UP, &ask, FIND_NS, NULL, NULL) == QR_OK;
}

/* What is known of it now, for `open`. */
static void end_look(const struct due *due, struct qr_store *store, struct qri_open_database *open)
{
    open->has_backup = due->told && !due->failed;
    open->is_backed_up =
        open->has_backup && due->at_ns == INT64_MAX && qr_store_durable_lsn(store).v == due->seen.v;
}

static void look_at(struct qri_backups *b, struct qri_open_database *open)
{
    const struct qri_node_options *o = qri_node_options_of(b->node);
    struct due *due = due_of(b, open->id);
    struct qr_store *store = qr_database_store(open->db);
    int64_t now = qr_env_mono_ns(o->env);
    struct qr_lsn durable = qr_store_durable_lsn(store);
    if (due == NULL)
        return;
    bool waits = due->at_ns != INT64_MAX && due->at_ns > now;
    if ((due->at_ns == INT64_MAX && durable.v == due->seen.v) ||
        (waits && (!open->idle || due->failed))) {
        end_look(due, store, open);
        return;
    }
    char prefix[PREFIX_BYTES];
    struct qr_backup_place place = qri_backup_place(b->node, false, open->timeline, prefix);
    struct qr_backup_tick tick;
    struct qr_err err = {0};
    struct qr_gov_task task;
    qr_gov_enter_internal(&task, QR_GOV_BACKUP);
    pthread_mutex_lock(&one_at_a_time);
    tick.next_wall_ns = INT64_MAX;
    enum qr_status status =
        waits ? catch_up(&place, store, &err) /* who opens it next may come in a year */
              : run_due(b, open, &place, store, &tick, &err);
    pthread_mutex_unlock(&one_at_a_time);
    qr_gov_leave_internal(&task);
    due->seen = durable;
    if (!waits && status == QR_OK && tick.chains_expired > 0)
        due->told = false; /* what was the first is no more */
    if (status == QR_OK && !due->told)
        due->told = tell_first(b, open, &place);
    due->failed = status != QR_OK;
    int64_t left = tick.next_wall_ns == INT64_MAX ? INT64_MAX - now
                                                  : tick.next_wall_ns - qr_env_wall_ns(o->env);
    due->at_ns = now + (status == QR_OK ? left : RETRY_NS);
    if (status != QR_OK)
        QR_LOG(&o->log, QR_WARN, "backup_failed", QR_F("id", open->id),
               QR_F("reason", &err.text[0]));
    end_look(due, store, open);
}

static void *backups_main(void *arg)
{
    struct qri_backups *b = arg;
    while (!atomic_load(&b->stops)) {
        struct qri_open_database open = {.id = 0};
        qri_node_wait_look(b->node, LOOK_NS, &b->stops);
        while (qri_node_next_open(b->node, &open))
            if (!atomic_load(&b->stops))
                look_at(b, &open);
    }
    return NULL;
}

enum qr_status qri_backups_start(struct qri_node *node, struct qri_backups **ret_backups,
                                 struct qr_err *err)
{
    struct qri_backups *b = calloc(1, sizeof *b);
    if (b == NULL)
        return qr_fail(err, QR_NOMEM, "backups");
    b->node = node;
    qr_map_init(&b->dues, false);
    enum qr_status status = qr_thread_start("qr-backup", 0, backups_main, b, &b->thread, err);
    if (status != QR_OK) {
        free(b);
        return status;
    }
    *ret_backups = b;
    return QR_OK;
}

void qri_backups_stop(struct qri_backups *b)
{
    if (b == NULL)
        return;
    atomic_store(&b->stops, true);
    qri_node_wake_look(b->node);
    pthread_join(b->thread, NULL);
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&b->dues, &i, &entry);)
        free(entry->value);
    qr_map_done(&b->dues);
    free(b);
}

/* ---- when asked ---- */

static enum qr_status catch_up_open(struct qri_node *node, const struct qr_database_row *row,
                                    const struct qr_backup_place *place, struct qr_err *err)
{
    struct qr_database *db = NULL;
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    enum qr_status status = catch_up(place, qr_database_store(db), err);
    qri_node_leave(node, db);
    return status;
}

/* A database that cannot be opened, or read, can still be restored to moments that its backups have
 * all of. `status` and `err` say what keeps it from being backed up. */
static enum qr_status do_without(const struct qri_node *node, const struct qr_database_row *source,
                                 const struct qr_backup_place *place, uint64_t wall_ns,
                                 enum qr_status status, struct qr_err *err)
{
    struct qr_backup_catalog catalog;
    if (wall_ns == 0 || qr_backup_list(place, &catalog, NULL) != QR_OK)
        return status;
    bool reaches = qr_backup_reaches(&catalog, wall_ns);
    qr_backup_catalog_done(&catalog);
    if (reaches)
        QR_LOG(&qri_node_options_of(node)->log, QR_WARN, "restored_without_source",
               QR_F("db", &source->name[0]), QR_F("reason", err != NULL ? &err->text[0] : ""));
    return reaches ? QR_OK : status;
}

/* What it has that is in no backup yet; a failure costs that much, not the drop. held */
static void back_up_last(struct qri_node *node, const struct qr_database_row *row, const char *path)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct qr_store_options options = {.env = o->env,
                                       .server_key = o->server_key,
                                       .log_hold_bytes = QRI_LOG_HOLD_BYTES,
                                       .open_moved = true};
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    char prefix[PREFIX_BYTES];
    struct qr_backup_place place = qri_backup_place(node, false, row->timeline, prefix);
    enum qr_status status = qr_store_open(path, &options, &store, &err);
    if (status == QR_OK) {
        status = catch_up(&place, store, &err);
        qr_store_abandon(store);
    }
    if (status != QR_OK && status != QR_NOT_FOUND)
        QR_LOG(&o->log, QR_WARN, "last_backup_failed", QR_F("db", &row->name[0]),
               QR_F("reason", &err.text[0]));
}

enum qr_status qri_node_copy(struct qri_node *node, const struct qr_database_row *row,
                             const struct qr_database_row *source, uint64_t wall_ns, bool geo,
                             struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct qr_arena arena;
    char prefix[PREFIX_BYTES];
    struct qr_restored restored;
    struct qr_backup_place place = qri_backup_place(node, geo, source->timeline, prefix);
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    const char *path = qri_database_path(o->dir, &arena, row->timeline);
    const char *was = qri_database_path(o->dir, &arena, source->timeline);
    enum qr_status status =
        path == NULL || was == NULL ? qr_fail(err, QR_NOMEM, "copy a database") : QR_OK;
    if (status == QR_OK && place.blob == NULL)
        status = qr_fail(err, QR_NOT_FOUND, "there is no store of such backups");
    pthread_mutex_lock(&one_at_a_time);
    if (status == QR_OK && source->leftovers != 0 && !geo)
        back_up_last(node, source, was);
    if (status == QR_OK && source->state == QR_DATABASE_ONLINE && !geo)
        status = qr_wrap(err, catch_up_open(node, source, &place, err), "back up the source");
    if (status != QR_OK && path != NULL && place.blob != NULL)
        status = do_without(node, source, &place, wall_ns, status, err);
    if (status == QR_OK)
        status =
            qr_backup_restore(&place, wall_ns == 0 ? UINT64_MAX : wall_ns, path, &restored, err);
    pthread_mutex_unlock(&one_at_a_time);
    qr_arena_done(&arena);
    return status == QR_EXISTS ? QR_OK : status; /* the answer to an earlier ask was lost */
}

enum qr_status qri_node_keep(struct qri_node *node, const struct qr_database_row *kept,
                             const struct qr_database_row *source, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct qr_timeline timeline;
    char from_prefix[PREFIX_BYTES], to_prefix[PREFIX_BYTES];
    struct qr_backup_place from = qri_backup_place(node, false, source->timeline, from_prefix);
    struct qr_backup_place to = qri_backup_place(node, false, kept->timeline, to_prefix);
    uint64_t bytes = 0;
    QR_TRY(qr_place_timeline(kept, &timeline, err));
    pthread_mutex_lock(&one_at_a_time);
    enum qr_status status =
        qr_wrap(err, catch_up_open(node, source, &from, err), "back up the database");
    if (status == QR_OK)
        status = qr_backup_keep(&from, &to, &timeline, &bytes, err);
    pthread_mutex_unlock(&one_at_a_time);
    if (status == QR_OK)
        QR_LOG(&o->log, QR_INFO, "backup_kept", QR_F("db", &source->name[0]),
               QR_F("place", &to_prefix[0]), QR_F("bytes", bytes));
    return status;
}

/* Both under one lock: control asks again when an answer takes too long, and the second ask must
 * not back up what the first one is just removing. */
enum qr_status qri_backup_and_remove(struct qri_node *node, const struct qr_database_row *row,
                                     const char *path, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    pthread_mutex_lock(&one_at_a_time);
    if (o->blob != NULL &&
        (row->state == QR_DATABASE_DROPPING || row->state == QR_DATABASE_DROPPED))
        back_up_last(node, row, path);
    enum qr_status status = qr_store_remove(o->env, path, err);
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}

enum qr_status qri_node_forget(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    char prefix[PREFIX_BYTES];
    struct qr_backup_place place = qri_backup_place(node, false, row->timeline, prefix);
    struct qr_timeline timeline;
    QR_TRY(qr_backup_forget(&place, err));
    if (place.keyring != NULL && row->kept_of[0] != '\0') { /* half made; its key is there */
        QR_TRY(qr_place_timeline(row, &timeline, err));
        QR_TRY(qr_keyring_destroy(place.keyring, &timeline, err));
    }
    return qri_geo_forget(node, row, err); /* last: nothing is there any more to copy again */
}
