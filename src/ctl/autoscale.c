/* autoscale.c - see autoscale_int.h: the thread that asks what databases use, lets their policies
 * decide (src/autoscale), and begins what they wish as an ordinary operation.
 *
 * Per database: at the end of each interval the primary's node is asked for the points since the
 * last one. The newest may begin an operation; while any operation runs on the database there are
 * no points. Nothing is decided outside of a policy, so what a start forgets can be gone through
 * again (autoscale_row.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "autoscale_int.h"
#include "ctl/place.h"
#include "ops_int.h"
#include "registry_int.h"
#include "reign_int.h"
#include "base/banned.h"

static const int64_t SECOND_NS = 1000000000, ASK_NS = INT64_C(5) * 1000000000,
                     PAUSE_NS = INT64_C(60) * 1000000000, PAUSE_NS_MAX = INT64_C(3600) * 1000000000;
enum { SILENT_INTERVALS = 4 };

int64_t qri_autoscale_interval(const struct qr_control *control)
{
    int64_t ns = control->options.autoscale_interval_ns;
    return ns > 0 ? ns : 15 * SECOND_NS;
}

/* ---- the list; mu held ---- */

struct qri_scaled *qri_scaled_find(struct qri_autoscaler *scaler, uint32_t id)
{
    struct qri_scaled *s = scaler->list;
    while (s != NULL && s->id != id)
        s = s->next;
    return s;
}

static void free_scaled(struct qri_scaled *s)
{
    json_decref(s->said);
    qr_scaler_free(s->scaler);
    free(s);
}

static void forget(struct qri_autoscaler *scaler, uint32_t id)
{
    struct qri_scaled **at = &scaler->list;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    struct qri_scaled *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    free_scaled(gone);
}

/* In order of id. */
struct qri_scaled *qri_scaled_add(struct qri_autoscaler *scaler, uint32_t id)
{
    struct qri_scaled **at = &scaler->list;
    while (*at != NULL && (*at)->id < id)
        at = &(*at)->next;
    if (*at != NULL && (*at)->id == id)
        return *at;
    struct qri_scaled *s = calloc(1, sizeof *s);
    if (s == NULL || (s->said = json_object()) == NULL) {
        free(s);
        return NULL;
    }
    s->id = id;
    s->rung = -1;
    s->next = *at;
    *at = s;
    return s;
}

bool qri_scaled_is_on(const struct qri_scaled *s)
{
    const char *state = json_string_value(json_object_get(s->said, "state"));
    return state != NULL && strcasecmp(state, "Enabled") == 0;
}

static bool load_one(void *arg, uint32_t id, json_t *said)
{
    struct qri_scaled *s = qri_scaled_add(arg, id);
    if (s == NULL)
        return false;
    json_decref(s->said);
    s->said = json_incref(said);
    return true;
}

void qri_autoscale_load(struct qr_control *control)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    if (!scaler->is_loaded)
        scaler->is_loaded =
            qri_docs_each_number(control, QR_DOC_AUTOSCALE, load_one, scaler, NULL) == QR_OK;
}

/* ---- what was used ---- */

struct taken {
    struct qr_used_point points[QR_USED_POINTS_MAX];
    size_t count;
};

/* Its node has no row of it: it is asked again. If that stays so, nothing is used. */
static enum qr_status ask_node(struct qr_control *control, const struct qr_database_row *row,
                               int64_t after_wall_ns, struct taken *taken, bool *ret_runs)
{
    const struct qr_control_host *host = &control->options.host;
    char name[QR_NODE_NAME_BYTES];
    struct qr_rpc_peer *peer = NULL;
    pthread_mutex_lock(&control->mu);
    qri_reign_place(control, row, name);
    bool ready = qri_control_ready(control, name);
    pthread_mutex_unlock(&control->mu);
    *ret_runs = ready || host->pid(host->ctx, name) != 0;
    if (!ready)
        return *ret_runs ? QR_BUSY : QR_NOT_FOUND;
    enum qr_status status = qri_control_node(control, name, &peer, NULL);
    return status != QR_OK
               ? status
               : qr_node_used(peer, row, after_wall_ns, ASK_NS, taken->points, &taken->count, NULL);
}

/* ---- decisions ---- */

/* As many bytes as fit, and no half character; mu held. False: it is as it was. */
static bool note_error(struct qri_scaled *s, const char *text)
{
    char noted[QRI_SCALED_TEXT_BYTES];
    size_t n = strnlen(text, sizeof noted);
    if (n == sizeof noted)
        for (n--; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80;)
            n--;
    memcpy(noted, text, n);
    noted[n] = '\0';
    bool is_new = strcmp(s->error, noted) != 0;
    memcpy(s->error, noted, n + 1);
    return is_new;
}

/* What the row is now is what the scaler was made for; mu held. */
static bool prepare(struct qr_control *control, struct qri_scaled *s,
                    const struct qr_database_row *row)
{
    struct qr_err err = {0};
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    const char *family = slo == NULL ? "" : slo->family;
    if (s->is_ready && strcmp(s->edition, row->edition) == 0 && strcmp(s->family, family) == 0 &&
        s->max_bytes == row->max_bytes && row->pool[0] == '\0' && slo != NULL &&
        !slo->is_serverless)
        return true;
    s->is_ready = false;
    qr_scaler_free(s->scaler);
    s->scaler = NULL;
    enum qr_status status =
        qri_autoscale_of(s->said, row, qri_autoscale_interval(control), &s->a, &err);
    if (status == QR_OK)
        status = qr_scaler_new(&s->a.policy, s->a.ladder, s->a.rung_count, &s->scaler, &err);
    if (status != QR_OK) {
        if (note_error(s, err.text))
            QR_LOG(&control->options.log, QR_WARN, "autoscale_cannot", QR_F("db", &row->name[0]),
                   QR_F("reason", &err.text[0]));
        return false;
    }
    int64_t last = 0;
    qri_decisions_recall(control, row, &s->a, s->scaler, &last);
    if (last > s->seen_wall_ns)
        s->seen_wall_ns = last;
    snprintf(s->edition, sizeof s->edition, "%s", row->edition);
    snprintf(s->family, sizeof s->family, "%s", family);
    s->max_bytes = row->max_bytes;
    s->error[0] = '\0';
    s->is_ready = true;
    QR_LOG(&control->options.log, QR_INFO, "autoscale_begins", QR_F("db", &row->name[0]),
           QR_F("policy", qr_scale_kind_names[s->a.policy.kind]),
           QR_F("min", s->a.ladder[s->a.policy.min_rung].name),
           QR_F("max", s->a.ladder[s->a.policy.max_rung].name));
    return true;
}

/* One point; false: it says nothing. mu held. */
static bool decide(struct qri_scaled *s, const struct qr_used_point *used, bool is_newest,
                   struct qri_decision *d)
{
    *d = (struct qri_decision){
        .used = *used, .is_dry = s->a.is_dry, .is_late = !is_newest, .error = NULL};
    d->point.at_s = used->end_wall_ns / SECOND_NS;
    d->point.rung = qri_autoscale_rung(&s->a, used->vcores_pct, used->dtus);
    d->point.percent[QR_SCALE_CPU] = used->percent[QR_USED_CPU];
    d->point.percent[QR_SCALE_DATA_IO] = used->percent[QR_USED_DATA_IO];
    d->point.percent[QR_SCALE_LOG] = used->percent[QR_USED_LOG];
    d->point.percent[QR_SCALE_WORKERS] = used->percent[QR_USED_WORKERS];
    d->point.percent[QR_SCALE_MEMORY] = used->percent[QR_USED_MEMORY];
    if (d->point.rung < 0 || d->point.at_s <= s->seen_wall_ns / SECOND_NS)
        return false;
    s->seen_wall_ns = used->end_wall_ns;
    qr_scaler_next(s->scaler, &d->point, &d->wish);
    s->decided_wall_ns = used->end_wall_ns;
    s->wish = d->wish;
    s->rung = d->point.rung;
    return true;
}

/* ---- operations ---- */

static void back_off(struct qr_control *control, struct qri_scaled *s, const char *name,
                     const char *reason) /* mu held */
{
    s->pause_ns = s->pause_ns == 0 ? PAUSE_NS : 2 * s->pause_ns;
    if (s->pause_ns > PAUSE_NS_MAX)
        s->pause_ns = PAUSE_NS_MAX;
    s->until_mono_ns = qr_env_mono_ns(control->options.env) + s->pause_ns;
    note_error(s, reason);
    QR_LOG(&control->options.log, QR_WARN, "autoscale_failed", QR_F("db", name),
           QR_F("reason", reason), QR_F("pause_s", s->pause_ns / SECOND_NS));
}

/* What has become of the operation that was begun; mu held. */
static void follow_operation(struct qr_control *control, struct qri_scaled *s, const char *name)
{
    struct qr_operation_row row = {.state = QR_OPERATION_SUCCEEDED}; /* gone: long over */
    if (s->operation[0] == '\0')
        return;
    pthread_mutex_lock(&control->ops.mu);
    const struct qri_op *op = qri_ops_find_id(control, qr_str(s->operation));
    if (op != NULL)
        row = op->row;
    pthread_mutex_unlock(&control->ops.mu);
    if (!qr_operation_is_over(row.state))
        return;
    s->operation[0] = '\0';
    if (row.state == QR_OPERATION_SUCCEEDED) {
        s->pause_ns = s->until_mono_ns = 0;
        s->error[0] = '\0';
    } else {
        back_off(control, s, name,
                 row.state == QR_OPERATION_CANCELLED ? "the operation was cancelled"
                                                     : row.error_text);
    }
}

/* Somebody else is at it just now: that is no failure. */
static bool is_busy(const struct qr_err *err)
{
    return err->number == 40802 || err->number == 45182 || err->number == 40812;
}

/* What the newest decision wishes; without any lock. */
static void begin(struct qr_control *control, uint32_t id, const struct qr_database_row *row,
                  struct qri_decision *d)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    struct qr_err err = {0};
    char operation[QR_GUID_TEXT_BYTES + 1] = "";
    pthread_mutex_lock(&scaler->mu);
    struct qri_scaled *s = qri_scaled_find(scaler, id);
    bool wants = s != NULL && s->is_ready && d->wish.is_decided && d->wish.rung != d->point.rung &&
                 !d->is_dry;
    d->is_kept_back = wants && qr_env_mono_ns(control->options.env) < s->until_mono_ns;
    wants = wants && !d->is_kept_back;
    const char *objective = wants ? s->a.ladder[d->wish.rung].name : NULL;
    pthread_mutex_unlock(&scaler->mu);
    enum qr_status status = QR_OK;
    if (wants) {
        struct qr_control_ask ask = {.server = qr_server_of(id),
                                     .other_server = qr_server_of(id),
                                     .name = qr_str(row->name),
                                     .objective = qr_str(objective),
                                     .no_wait = true};
        QR_LOG(&control->options.log, QR_INFO, "autoscale_scales", QR_F("db", &row->name[0]),
               QR_F("from", &row->objective[0]), QR_F("to", objective),
               QR_F("why", qr_scale_reason_names[d->wish.reason]));
        status = qri_ops_start(control, QR_CONTROL_ALTER, &ask, operation, &err);
    }
    pthread_mutex_lock(&scaler->mu);
    s = qri_scaled_find(scaler, id);
    if (s != NULL && s->is_ready) {
        memcpy(s->operation, operation, sizeof s->operation);
        if (status != QR_OK && is_busy(&err))
            note_error(s, err.text);
        else if (status != QR_OK)
            back_off(control, s, row->name, err.text);
        d->error = s->error[0] == '\0' ? NULL : s->error;
        qri_decision_keep(control, id, &s->a, d);
        if (status != QR_OK && is_busy(&err))
            s->error[0] = '\0';
    }
    pthread_mutex_unlock(&scaler->mu);
}

/* ---- one database ---- */

/* Its settings go with it. */
static void remove_settings(struct qr_control *control, uint32_t id)
{
    char name[16];
    pthread_mutex_lock(&control->autoscaler->mu);
    snprintf(name, sizeof name, "%u", id);
    struct qr_control_ask ask = {.doc_kind = QR_DOC_AUTOSCALE, .name = qr_str(name)};
    (void)!qri_docs_delete(control, &ask, NULL, NULL); /* with the next start */
    forget(control->autoscaler, id);
    pthread_mutex_unlock(&control->autoscaler->mu);
}

/* The points that came, each decided about; mu held. True: the newest may begin something. */
static bool take_points(struct qr_control *control, struct qri_scaled *s,
                        const struct qr_database_row *row, const struct taken *taken,
                        struct qri_decision *newest)
{
    for (size_t i = 0; i < taken->count; i++) {
        struct qri_decision d;
        bool is_newest = i + 1 == taken->count;
        if (!decide(s, &taken->points[i], is_newest, &d))
            continue;
        /* a point of limits that were is no reason for other ones */
        bool acts =
            is_newest && qr_str_ieqz(qr_str(s->a.ladder[d.point.rung].name), row->objective);
        *newest = d;
        if (acts)
            return true;
        qri_decision_keep(control, s->id, &s->a, &d);
    }
    return false;
}

static struct qr_used_point idle_point(const struct qr_database_row *row, int64_t now)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    struct qr_used_point point = {.end_wall_ns = now};
    if (slo != NULL && slo->is_dtu)
        point.dtus = slo->capacity;
    else if (slo != NULL)
        point.vcores_pct = 100 * slo->capacity;
    return point;
}

/* mu held: what came from the node, and when to look again. */
static bool settle(struct qr_control *control, struct qri_scaled *s,
                   const struct qr_database_row *row, enum qr_status status, bool runs,
                   struct taken *taken, struct qri_decision *newest)
{
    int64_t now = qr_env_wall_ns(control->options.env), interval = qri_autoscale_interval(control);
    bool nothing = status == QR_NOT_FOUND;
    if (!nothing)
        s->silent_wall_ns = 0;
    else if (s->silent_wall_ns == 0)
        s->silent_wall_ns = now;
    if (nothing && (!runs || now - s->silent_wall_ns > SILENT_INTERVALS * interval)) {
        taken->points[0] = idle_point(row, now);
        taken->count = 1;
    }
    bool acts = take_points(control, s, row, taken, newest);
    s->due_wall_ns = taken->count > 0 ? taken->points[taken->count - 1].end_wall_ns + interval
                                      : now + (interval < SECOND_NS ? interval : SECOND_NS);
    return acts;
}

static void look_at(struct qr_control *control, uint32_t id)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    struct qr_database_row row;
    struct taken *taken;
    struct qri_decision newest = {.is_dry = false};
    bool runs = false, acts = false, is_due = false;
    enum qr_status found = qr_registry_find_id(control->options.registry, id, &row);
    if (found == QR_NOT_FOUND || (found == QR_OK && row.state >= QR_DATABASE_DROPPED)) {
        remove_settings(control, id);
        return;
    }
    if (found != QR_OK || row.state != QR_DATABASE_ONLINE)
        return;
    int64_t now = qr_env_wall_ns(control->options.env), after = 0;
    pthread_mutex_lock(&scaler->mu);
    struct qri_scaled *s = qri_scaled_find(scaler, id);
    if (s != NULL && qri_scaled_is_on(s)) {
        if (s->due_wall_ns - now > 2 * qri_autoscale_interval(control))
            s->due_wall_ns = now; /* the clock was moved */
        follow_operation(control, s, row.name);
        is_due = now >= s->due_wall_ns && prepare(control, s, &row);
        after = s->seen_wall_ns;
    }
    pthread_mutex_unlock(&scaler->mu);
    if (!is_due || qri_ops_is_active(control, id) || (taken = calloc(1, sizeof *taken)) == NULL)
        return;
    enum qr_status status = ask_node(control, &row, after, taken, &runs);
    pthread_mutex_lock(&scaler->mu);
    s = qri_scaled_find(scaler, id);
    if (s != NULL && s->is_ready && qri_scaled_is_on(s))
        acts = settle(control, s, &row, status, runs, taken, &newest);
    pthread_mutex_unlock(&scaler->mu);
    if (acts)
        begin(control, id, &row, &newest);
    free(taken);
}

void qri_autoscale_look(struct qr_control *control)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    uint32_t id = 0;
    while (!control->stopping) {
        pthread_mutex_lock(&scaler->mu);
        qri_autoscale_load(control);
        const struct qri_scaled *s = scaler->list;
        while (s != NULL && s->id <= id)
            s = s->next;
        uint32_t next = s == NULL ? 0 : s->id;
        pthread_mutex_unlock(&scaler->mu);
        if (next == 0)
            return;
        id = next;
        look_at(control, id);
    }
}

/* ---- begin and end ---- */

enum qr_status qri_autoscale_open(struct qr_control *control, struct qr_err *err)
{
    control->autoscaler = calloc(1, sizeof *control->autoscaler);
    if (control->autoscaler == NULL)
        return qr_fail(err, QR_NOMEM, "start the autoscaler");
    pthread_mutex_init(&control->autoscaler->mu, NULL);
    return QR_OK;
}

enum qr_status qri_autoscale_start(struct qr_control *control, struct qr_err *err)
{
    int64_t every = qri_autoscale_interval(control) / 2;
    return qri_rounds_start(&control->autoscaler->rounds, control, "qr-autoscale",
                            every < SECOND_NS ? every : SECOND_NS, qri_autoscale_look, err);
}

void qri_autoscale_stop(struct qr_control *control)
{
    if (control->autoscaler != NULL)
        qri_rounds_stop(&control->autoscaler->rounds);
}

void qri_autoscale_close(struct qr_control *control)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    if (scaler == NULL)
        return;
    while (scaler->list != NULL)
        forget(scaler, scaler->list->id);
    pthread_mutex_destroy(&scaler->mu);
    free(scaler);
    control->autoscaler = NULL;
}
