/* retention.c - see control_int.h: what nobody can restore any more goes, bit by bit, on a thread
 * of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "control_int.h"
#include "ctl/backups.h"
#include "ctl/meta.h"
#include "ctl/place.h"
#include "registry_int.h"
#include "store/hyper_branch.h"
#include "base/banned.h"

static const int64_t LOOK_NS = INT64_C(5) * 1000000000, RETAIN_NS = INT64_C(600) * 1000000000,
                     DAY_NS = INT64_C(86400) * 1000000000, BACKUPS_NS = INT64_C(60) * 1000000000;

int64_t qri_retention_ns(const struct qr_database_row *row)
{
    return row->retention_days * DAY_NS;
}

int64_t qri_made_wall_ns(const struct qr_database_row *row)
{
    static const int64_t ticks_to_1970 = INT64_C(719162) * 86400 * 10000000;
    return row->made_ticks == 0 ? 0 : (row->made_ticks - ticks_to_1970) * 100;
}

/* Pages and log of a Hyperscale database that a shorter retention gave up do not come back with a
 * longer one. Of files, who takes the backups tells which are left. */
static enum qr_status note_given_up(struct qr_control *control, const struct qr_database_row *row,
                                    uint32_t days, struct qr_err *err)
{
    int64_t now = qr_env_wall_ns(control->options.env);
    if (!qr_database_is_hyper(row) || days <= row->retention_days)
        return QR_OK;
    return qr_registry_set_first_backup(control->options.registry, row->id, qr_str(row->timeline),
                                        now - qri_retention_ns(row), err);
}

enum qr_status qri_control_set_retention(struct qr_control *control,
                                         const struct qr_control_ask *ask, struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_registry *registry = control->options.registry;
    if (qr_registry_find_database(registry, ask->server, ask->name, &row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "There is no such database.");
    QR_TRY(qr_registry_set_retention(registry, row.id, ask->id, ask->diff_hours, err));
    QR_TRY(note_given_up(control, &row, ask->id, err));
    if (qr_registry_find_former(registry, row.id, &row) != QR_OK)
        return QR_OK;
    return qr_registry_set_retention(registry, row.id, ask->id, ask->diff_hours, err);
}

/* ---- branches of a timeline ---- */

struct heirs {
    struct qr_hyper_heir *items;
    size_t count;
};

/* Until where a row's timeline reads the log of `ancestor`; 0: it is no branch of it. */
static uint64_t share_of(struct qr_registry *registry, const struct qr_database_row *row,
                         const char *ancestor)
{
    struct qr_database_row at = *row, parent;
    uint64_t until = UINT64_MAX;
    while (at.parent[0] != '\0') {
        until = at.branch_lsn < until ? at.branch_lsn : until;
        if (strcmp(at.parent, ancestor) == 0)
            return until;
        bool found = false;
        for (size_t i = 0; !found && qr_registry_database_at(registry, i, &parent); i++)
            found = parent.replica_of == 0 && strcmp(parent.timeline, at.parent) == 0;
        if (!found)
            return 0; /* the parent has gone: nothing of what is behind it is needed */
        at = parent;
    }
    return 0;
}

static enum qr_status list_heirs(struct qr_control *control, const struct qr_database_row *row,
                                 struct heirs *heirs, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row other;
    for (size_t i = 0; qr_registry_database_at(registry, i, &other); i++) {
        uint64_t until = other.parent[0] == '\0' || other.state == QR_DATABASE_PURGING
                             ? 0
                             : share_of(registry, &other, row->timeline);
        if (until == 0)
            continue;
        struct qr_hyper_heir *items = realloc(heirs->items, (heirs->count + 1) * sizeof *items);
        if (items == NULL)
            return qr_fail(err, QR_NOMEM, "branches of a database");
        heirs->items = items;
        items[heirs->count].until = qr_lsn(until);
        QR_TRY(qr_place_timeline(&other, &items[heirs->count].timeline, err));
        heirs->count++;
    }
    return QR_OK;
}

/* ---- giving up for good ---- */

static enum qr_status purge_hyper(struct qr_control *control, const struct qr_database_row *row,
                                  bool *ret_gone, struct qr_err *err)
{
    struct qr_hyper_services services = qri_hyper_services(control);
    struct qr_timeline timeline;
    struct heirs heirs = {NULL, 0};
    QR_TRY(qr_place_timeline(row, &timeline, err));
    enum qr_status status = list_heirs(control, row, &heirs, err);
    if (status == QR_OK)
        status = qr_hyper_drop(&services, &timeline, row->slices, heirs.items, heirs.count, err);
    free(heirs.items);
    if (status == QR_OK)
        status = qr_hyper_is_gone(&services, &timeline, row->slices, ret_gone, err);
    return status;
}

enum qr_status qri_retention_purge(struct qr_control *control, const struct qr_database_row *row,
                                   struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    bool gone = false, hyper = qr_database_is_hyper(row);
    if (row->state == QR_DATABASE_DROPPED)
        qri_vault_note_drop(control, row);
    QR_TRY(qr_registry_set_state(registry, row->id, QR_DATABASE_PURGING, err));
    qri_control_forget_rules(control, row->id);
    enum qr_status status =
        hyper ? purge_hyper(control, row, &gone, err)
              : qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_FORGET, err);
    gone = gone || !hyper;
    if (status == QR_OK && gone)
        return qr_registry_remove_database(registry, row->id, err);
    return status;
}

/* ---- the thread ---- */

static void retain(struct qr_control *control, const struct qr_database_row *row)
{
    struct qr_hyper_services services = qri_hyper_services(control);
    struct qr_hyper_retained kept;
    struct qr_timeline timeline;
    struct heirs heirs = {NULL, 0};
    struct qr_err err = {0};
    int64_t end = row->state == QR_DATABASE_DROPPED ? row->dropped_wall_ns : control->steady_now_ns;
    enum qr_status status = qr_place_timeline(row, &timeline, &err);
    if (status == QR_OK)
        status = list_heirs(control, row, &heirs, &err);
    if (status == QR_OK)
        status = qr_hyper_retain(&services, &timeline, row->slices,
                                 (uint64_t)(end - qri_retention_ns(row)), heirs.items, heirs.count,
                                 &kept, &err);
    free(heirs.items);
    if (status != QR_OK)
        QR_LOG(&control->options.log, QR_WARN, "retention_delayed", QR_F("db", &row->name[0]),
               QR_F("reason", &err.text[0]));
}

/* Where the data of a database was before that is gone itself. */
static bool is_nobodys(struct qr_registry *registry, const struct qr_database_row *row)
{
    struct qr_database_row owner;
    return row->moved_to != 0 && (qr_registry_find_id(registry, row->moved_to, &owner) != QR_OK ||
                                  owner.state == QR_DATABASE_PURGING);
}

/* Files of where a database was: what no backup has of them goes into the last one. */
static enum qr_status clean(struct qr_control *control, const struct qr_database_row *row,
                            struct qr_err *err)
{
    QR_TRY(qri_control_call_node(control, QR_NODE_SHARED, row, QR_NODE_REMOVE, err));
    return qr_registry_set_cleaned(control->options.registry, row->id, err);
}

/* Nobody looks at what is deleted or kept for long until it is to be restored, which is late. */
static void look_for_backups(struct qr_control *control, const struct qr_database_row *row)
{
    struct qr_rpc_peer *peer = NULL;
    struct qr_buf reply;
    struct qr_err err = {0};
    if (qr_database_is_hyper(row) ||
        (row->state != QR_DATABASE_DROPPED && row->state != QR_DATABASE_KEPT))
        return;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = qri_control_node(control, QR_NODE_SHARED, &peer, &err);
    if (status == QR_OK)
        status = qr_node_backups(peer, row, false, BACKUPS_NS, &reply, &err);
    if (status == QR_OK && reply.len == 0)
        QR_LOG(&control->options.log, QR_WARN, "backups_missing", QR_F("db", &row->name[0]),
               QR_F("timeline", &row->timeline[0]));
    qr_buf_done(&reply);
}

static void look_at(struct qr_control *control, const struct qr_database_row *row, bool retains)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row now;
    struct qri_claim claim;
    struct qr_err err = {0};
    if (row->replica_of != 0 || row->state == QR_DATABASE_CREATING ||
        (!qr_database_is_hyper(row) && qr_database_is_live(row)) ||
        !qri_control_try_claim(control, &claim, row->id))
        return;
    /* read before the state: once it is over, the state is right */
    bool in_the_making = row->kept_of[0] != '\0' && atomic_load(&control->vault_makes);
    enum qr_status status = qr_registry_find_id(registry, row->id, &now);
    if (status == QR_OK) {
        bool over = now.state == QR_DATABASE_DROPPED &&
                    control->steady_now_ns - now.dropped_wall_ns > qri_retention_ns(&now);
        bool expired =
            now.state == QR_DATABASE_KEPT && control->steady_now_ns > now.expires_wall_ns;
        bool purges = now.state == QR_DATABASE_PURGING && !in_the_making;
        if (now.leftovers != 0)
            status = clean(control, &now, &err);
        else if (purges || over || expired || is_nobodys(registry, &now))
            status = qri_retention_purge(control, &now, &err);
        else if (retains && qr_database_is_hyper(&now) &&
                 (now.state == QR_DATABASE_ONLINE || now.state == QR_DATABASE_DROPPED))
            retain(control, &now);
    }
    qri_control_unclaim(control, &claim);
    if (status != QR_OK && status != QR_BUSY && status != QR_NOT_FOUND && !control->stopping)
        QR_LOG(&control->options.log, QR_WARN, "purge_delayed", QR_F("db", &row->name[0]),
               QR_F("reason", &err.text[0]));
}

/* When it was last looked at what could go, kept so that a service that is often started anew does
 * look, and what its clock said when it was found to be ahead. 0: not known. */
static int64_t last_retained(struct qr_control *control, int64_t *ret_ahead_ns)
{
    struct qr_buf value;
    int64_t wall_ns = 0;
    *ret_ahead_ns = 0;
    qr_buf_init(&value, QRI_RETAINED_BYTES);
    if (qr_meta_get(qri_registry_meta(control->options.registry), qr_str(QRI_RETAINED_KEY), &value,
                    NULL, NULL) == QR_OK) {
        char *rest = NULL;
        wall_ns = strtoll(qr_buf_cstr(&value), &rest, 10);
        *ret_ahead_ns = strtoll(rest, NULL, 10);
    }
    qr_buf_done(&value);
    return wall_ns;
}

static void note_retained(struct qr_control *control)
{
    char text[QRI_RETAINED_BYTES];
    bool applied;
    snprintf(text, sizeof text, "%lld %lld", (long long)control->steady_now_ns,
             (long long)control->steady.ahead_wall_ns);
    struct qr_meta_op op = {.key = qr_str(QRI_RETAINED_KEY), .value = qr_str(text)};
    (void)!qr_meta_txn(qri_registry_meta(control->options.registry), NULL, 0, &op, 1, &applied,
                       NULL, NULL); /* else the next start looks earlier than it had to */
}

/* Until the next look at all of it; a clock that was put back leads to one. */
static int64_t retain_after(struct qr_control *control)
{
    int64_t ahead, last = last_retained(control, &ahead);
    int64_t now = qr_env_wall_ns(control->options.env);
    qri_steady_begin(&control->steady, last, ahead, now, qr_env_mono_ns(control->options.env));
    control->steady_now_ns = control->steady.wall_ns;
    if (last == 0) {
        note_retained(control);
        return RETAIN_NS;
    }
    return last <= now && now - last < RETAIN_NS ? RETAIN_NS - (now - last) : 0;
}

/* What goes is gone, so the clock has to be sure of it. */
static void look_at_clock(struct qr_control *control)
{
    struct qr_env *env = control->options.env;
    bool jumped = false;
    int64_t wall_ns = qr_env_wall_ns(env);
    control->steady_now_ns =
        qri_steady_now(&control->steady, wall_ns, qr_env_mono_ns(env), &jumped);
    if (!jumped)
        return;
    note_retained(control);
    QR_LOG(&control->options.log, QR_WARN, "retention_clock_jumped",
           QR_F("ahead_s", (wall_ns - control->steady_now_ns) / 1000000000),
           QR_F("believed_in_s", QRI_STEADY_DOUBT_NS / 1000000000));
}

static void look(struct qr_control *control)
{
    struct qr_env *env = control->options.env;
    struct qr_database_row row;
    look_at_clock(control);
    bool retains = qr_env_mono_ns(env) >= control->retain_at_ns;
    bool checks = qr_env_mono_ns(env) >= control->check_at_ns; /* at first, then once a day */
    for (size_t i = 0; checks && !control->stopping &&
                       qr_registry_database_at(control->options.registry, i, &row);
         i++)
        look_for_backups(control, &row);
    if (checks)
        control->check_at_ns = qr_env_mono_ns(env) + DAY_NS;
    for (size_t i = 0;
         !control->stopping && qr_registry_database_at(control->options.registry, i, &row); i++)
        look_at(control, &row, retains);
    if (!retains || control->stopping)
        return;
    control->retain_at_ns = qr_env_mono_ns(env) + RETAIN_NS;
    note_retained(control);
}

void qri_retention_serve_time(struct qr_control *control, const struct qr_control_ask *ask,
                              struct qr_rpc_request *own_request)
{
    uint8_t answer[8];
    (void)ask;
    qr_put64le(answer, (uint64_t)atomic_load(&control->steady_now_ns)); /* 0: not known yet */
    qr_rpc_answer(own_request, &(struct iovec){answer, sizeof answer}, 1);
}

enum qr_status qri_retention_start(struct qr_control *control, struct qr_err *err)
{
    control->retain_at_ns = qr_env_mono_ns(control->options.env) + retain_after(control);
    return qri_rounds_start(&control->retention, control, "qr-retention", LOOK_NS, look, err);
}

void qri_retention_stop(struct qr_control *control)
{
    qri_rounds_stop(&control->retention);
}
