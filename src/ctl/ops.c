/* ops.c - see ops_int.h: operations are started, run, undone, resumed, answered, forgotten.
 *
 * The tables: `rules`, which says what may follow what, and `qri_op_kinds` (op_kinds.c). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "env/thread.h"
#include "ops_int.h"
#include "registry_int.h"
#include "resources_int.h"
#include "base/banned.h"

enum { OPS_MAX = 20000 };
static const int64_t BLOCKED_NS = 20000000, REPEAT_NS = 100000000;

enum event { EV_TAKEN, EV_STEP_DONE, EV_ALL_DONE, EV_FAILED, EV_CANCEL, EV_UNDONE };
static const struct {
    enum qr_operation_state from;
    enum event on;
    enum qr_operation_state to;
} rules[] = {
    /* clang-format off */
    {QR_OPERATION_PENDING,    EV_TAKEN,     QR_OPERATION_RUNNING   },
    {QR_OPERATION_PENDING,    EV_CANCEL,    QR_OPERATION_CANCELLING},
    {QR_OPERATION_RUNNING,    EV_STEP_DONE, QR_OPERATION_RUNNING   },
    {QR_OPERATION_RUNNING,    EV_ALL_DONE,  QR_OPERATION_SUCCEEDED },
    {QR_OPERATION_RUNNING,    EV_FAILED,    QR_OPERATION_UNDOING   },
    {QR_OPERATION_RUNNING,    EV_CANCEL,    QR_OPERATION_CANCELLING},
    {QR_OPERATION_UNDOING,    EV_STEP_DONE, QR_OPERATION_UNDOING   },
    {QR_OPERATION_UNDOING,    EV_UNDONE,    QR_OPERATION_FAILED    },
    {QR_OPERATION_CANCELLING, EV_STEP_DONE, QR_OPERATION_CANCELLING},
    {QR_OPERATION_CANCELLING, EV_UNDONE,    QR_OPERATION_CANCELLED },
    /* clang-format on */
};

/* ---- one operation; ops.mu held where said ---- */

static const struct qri_step *steps_of(const struct qri_op *op)
{
    return qri_op_kinds[op->row.kind].steps;
}

bool qri_ops_is_cancellable(const struct qri_op *op)
{
    return op->row.state == QR_OPERATION_PENDING ||
           (op->row.state == QR_OPERATION_RUNNING && steps_of(op)[op->step].is_cancellable);
}

static void move(struct qri_op *op, enum event on) /* held */
{
    size_t i = 0;
    while (i < sizeof rules / sizeof rules[0] &&
           ((uint8_t)rules[i].from != op->row.state || rules[i].on != on))
        i++;
    assert(i < sizeof rules / sizeof rules[0]);
    op->row.state = (uint8_t)rules[i].to;
}

static void raise_percent(struct qri_op *op, uint32_t percent) /* held */
{
    if (percent > op->row.percent)
        op->row.percent = percent;
}

static enum qr_status save(struct qr_control *control, struct qri_op *op,
                           struct qr_err *err) /* held */
{
    op->row.modify_wall_ns = qr_env_wall_ns(control->options.env);
    snprintf(op->row.phase, sizeof op->row.phase, "%s", steps_of(op)[op->step].name);
    op->row.is_cancellable = qri_ops_is_cancellable(op);
    return qri_op_store(control, op, err);
}

enum qr_status qri_ops_save(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    pthread_mutex_lock(&control->ops.mu);
    enum qr_status status = save(control, op, err);
    pthread_mutex_unlock(&control->ops.mu);
    return status;
}

void qri_ops_progress(struct qr_control *control, struct qri_op *op, uint32_t percent)
{
    struct qr_err err = {0};
    pthread_mutex_lock(&control->ops.mu);
    uint32_t before = op->row.percent;
    raise_percent(op, percent < 100 ? percent : 99);
    if (save(control, op, &err) != QR_OK)
        op->row.percent = before; /* what is shown is kept, or it falls at the next start */
    pthread_mutex_unlock(&control->ops.mu);
}

/* As many bytes as fit, and no half character. */
static void note_error(struct qri_op *op, enum qr_status status,
                       const struct qr_err *err) /* held */
{
    size_t n = strnlen(err->text, sizeof op->row.error_text - 1);
    while (n > 0 && ((uint8_t)err->text[n] & 0xc0) == 0x80)
        n--;
    op->row.error_number = (uint32_t)err->number;
    op->row.error_severity = err->severity;
    op->row.error_state = err->state;
    op->row.error_status = (uint32_t)status;
    memcpy(op->row.error_text, err->text, n);
    op->row.error_text[n] = '\0';
}

static enum qr_status error_of(const struct qr_operation_row *row, struct qr_err *err)
{
    enum qr_status status = (enum qr_status)row->error_status;
    if (row->state == QR_OPERATION_CANCELLED)
        return qr_sql_fail(err, 45188);
    if (status == QR_OK)
        return QR_OK;
    (void)qr_fail(err, status, "%s", row->error_text);
    if (err != NULL) {
        err->number = (int)row->error_number;
        err->severity = (uint8_t)row->error_severity;
        err->state = (uint8_t)row->error_state;
    }
    return status;
}

static void answer_row(struct qr_rpc_request *own_request, const struct qr_operation_row *row,
                       bool ended)
{
    struct qr_err err = {0};
    struct qr_buf buf;
    qr_buf_init(&buf, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status = ended ? error_of(row, &err) : QR_OK;
    qri_operation_put(&buf, row);
    qr_rpc_finish(own_request, &buf, status, &err);
}

/* ---- the workers' side ---- */

static void log_step(struct qr_control *control, const struct qri_op *op, const char *event)
{
    QR_LOG(&control->options.log, QR_INFO, event, QR_F("kind", qri_op_kinds[op->row.kind].name),
           QR_F("step", steps_of(op)[op->step].name), QR_F("db", &op->row.database[0]),
           QR_F("id", &op->row.id[0]));
}

/* True: it has been done, or it has failed for good. False: we are being stopped. */
static bool run_step(struct qr_control *control, struct qri_op *op, bool undoes,
                     enum qr_status *ret_status, struct qr_err *err)
{
    const struct qri_step *step = &steps_of(op)[op->step];
    bool ran = false;
    enum qr_status (*act)(struct qr_control *, struct qri_op *, struct qr_err *) =
        undoes ? step->undo : step->run;
    log_step(control, op, undoes ? "operation_undo" : "operation_step");
    *ret_status = QR_OK;
    while (act != NULL && !control->stopping) {
        *err = (struct qr_err){.line = 0};
        ran = true;
        *ret_status = act(control, op, err);
        if (*ret_status == QR_OK || (!undoes && !step->is_final))
            break;
        QR_LOG(&control->options.log, QR_WARN, "operation_repeats",
               QR_F("kind", qri_op_kinds[op->row.kind].name), QR_F("step", step->name),
               QR_F("db", &op->row.database[0]), QR_F("reason", &err->text[0]));
        qr_env_sleep_ns(control->options.env, REPEAT_NS);
    }
    /* what fails while we are being stopped has not failed */
    return *ret_status == QR_OK && (ran || act == NULL) ? true : !control->stopping;
}

/* What becomes of it after its step. held */
static void after_step(struct qri_op *op, enum qr_status status, const struct qr_err *err)
{
    bool undoes = op->row.state != QR_OPERATION_RUNNING;
    const struct qri_step *steps = steps_of(op);
    if (undoes) {
        move(op, op->step == 0 ? EV_UNDONE : EV_STEP_DONE);
        op->step -= op->step > 0;
    } else if (status == QR_CANCELLED && op->cancel_wished && steps[op->step].is_cancellable) {
        move(op, EV_CANCEL);
    } else if (status != QR_OK) {
        note_error(op, status, err);
        move(op, EV_FAILED);
    } else if (op->cancel_wished && steps[op->step].is_cancellable) {
        move(op, EV_CANCEL);
    } else if (steps[op->step + 1].name == NULL) {
        move(op, EV_ALL_DONE);
    } else {
        move(op, EV_STEP_DONE);
        op->step += 1;
        raise_percent(op, steps[op->step].percent);
    }
    if (qr_operation_is_over(op->row.state))
        op->row.percent = 100;
}

static void release_claims(struct qr_control *control, struct qri_op *op)
{
    for (size_t i = 0; i < op->claim_count; i++)
        qri_control_unclaim(control, &op->claims[i]);
    op->claim_count = 0;
}

static bool take_claims(struct qr_control *control, struct qri_op *op) /* held */
{
    uint32_t ids[] = {op->row.database_id, op->row.source_id};
    bool needed = qri_op_kinds[op->row.kind].claims;
    for (size_t i = 0; needed && i < 2 && ids[i] != 0; i++) {
        if (!qri_control_try_claim(control, &op->claims[op->claim_count], ids[i])) {
            release_claims(control, op);
            return false;
        }
        op->claim_count += 1;
    }
    return true;
}

static void forget_active(struct qr_control *control, const struct qri_op *op) /* held */
{
    struct qri_op **at = &control->ops.active;
    while (*at != op)
        at = &(*at)->next_active;
    *at = op->next_active;
}

static void finish(struct qr_control *control, struct qri_op *op)
{
    const struct qri_op_kind *kind = &qri_op_kinds[op->row.kind];
    bool good = op->row.state == QR_OPERATION_SUCCEEDED;
    QR_LOG(&control->options.log, QR_INFO, "operation_over", QR_F("kind", kind->name),
           QR_F("db", &op->row.database[0]), QR_F("id", &op->row.id[0]),
           QR_F("state", (int)op->row.state), QR_F("error", (int)op->row.error_number),
           QR_F("took_ms", (op->row.modify_wall_ns - op->row.start_wall_ns) / 1000000));
    release_claims(control, op);
    if (good && kind->done != NULL)
        kind->done(control, op);
    pthread_mutex_lock(&control->ops.mu);
    struct qri_waiter *waiters = op->waiters;
    struct qr_operation_row row = op->row;
    op->waiters = NULL;
    op->runs = false;
    forget_active(control, op);
    pthread_cond_broadcast(&control->ops.changed);
    pthread_mutex_unlock(&control->ops.mu);
    while (waiters != NULL) {
        struct qri_waiter *waiter = waiters;
        waiters = waiter->next;
        answer_row(waiter->request, &row, true);
        free(waiter);
    }
}

/* Nothing of a state is true before it is kept; until that works there is no next step. */
static bool keep(struct qr_control *control, struct qri_op *op) /* held */
{
    struct qr_err err = {0};
    while (save(control, op, &err) != QR_OK) {
        QR_LOG(&control->options.log, QR_ERROR, "operation_not_kept", QR_F("id", &op->row.id[0]),
               QR_F("reason", &err.text[0]));
        if (control->stopping)
            return false;
        pthread_mutex_unlock(&control->ops.mu);
        qr_env_sleep_ns(control->options.env, REPEAT_NS);
        pthread_mutex_lock(&control->ops.mu);
    }
    return true;
}

static bool dies(const struct qr_control *control, const struct qri_op *op, bool undoes,
                 bool has_run)
{
    const struct qr_control_options *o = &control->options;
    return o->dies != NULL && o->dies(o->dies_ctx, qri_op_kinds[op->row.kind].name,
                                      steps_of(op)[op->step].name, undoes, has_run);
}

static void run_op(struct qr_control *control, struct qri_op *op)
{
    struct qri_ops *ops = &control->ops;
    bool over = false, goes_on = qri_ops_wake(control, op);
    while (!over && goes_on) {
        struct qr_err err = {0};
        enum qr_status status = QR_OK;
        pthread_mutex_lock(&ops->mu);
        bool undoes = op->row.state != QR_OPERATION_RUNNING;
        pthread_mutex_unlock(&ops->mu);
        if (dies(control, op, undoes, false))
            return;
        goes_on = run_step(control, op, undoes, &status, &err);
        if (!goes_on)
            break;
        if (dies(control, op, undoes, true))
            return;
        pthread_mutex_lock(&ops->mu);
        after_step(op, status, &err);
        goes_on = keep(control, op);
        over = qr_operation_is_over(op->row.state);
        pthread_mutex_unlock(&ops->mu);
    }
    if (over && goes_on) {
        finish(control, op);
        return;
    }
    release_claims(control, op); /* the next start goes on with it */
    pthread_mutex_lock(&ops->mu);
    op->runs = false;
    pthread_mutex_unlock(&ops->mu);
}

/* The oldest one that can run; *ret_blocked: another one waits for a claim. held */
static struct qri_op *choose_op(struct qr_control *control, bool *ret_blocked)
{
    struct qri_op *chosen = NULL;
    *ret_blocked = false;
    for (struct qri_op *op = control->ops.active; op != NULL; op = op->next_active) {
        if (op->runs || qr_operation_is_over(op->row.state) ||
            (op->resumed && !control->ops.may_resume) || control->ops.held)
            continue;
        if (!take_claims(control, op)) {
            *ret_blocked = true;
            continue;
        }
        if (chosen != NULL)
            release_claims(control, chosen);
        chosen = op;
    }
    return chosen;
}

static void *worker_main(void *arg)
{
    struct qr_control *control = arg;
    struct qri_ops *ops = &control->ops;
    pthread_mutex_lock(&ops->mu);
    while (!control->stopping) {
        bool blocked = false;
        struct qri_op *op = choose_op(control, &blocked);
        if (op == NULL) {
            (void)qr_cond_wait(&ops->changed, &ops->mu, blocked ? BLOCKED_NS : -1);
            continue;
        }
        op->runs = true;
        if (op->row.state == QR_OPERATION_PENDING)
            move(op, op->cancel_wished ? EV_CANCEL : EV_TAKEN);
        raise_percent(op, steps_of(op)[op->step].percent);
        op->row.is_cancellable = qri_ops_is_cancellable(op);
        pthread_mutex_unlock(&ops->mu);
        run_op(control, op);
        pthread_mutex_lock(&ops->mu);
    }
    pthread_mutex_unlock(&ops->mu);
    return NULL;
}

/* ---- starting ---- */

struct qri_op *qri_ops_find_id(struct qr_control *control, struct qr_str id) /* held */
{
    struct qri_op *op = control->ops.newest;
    while (op != NULL && !qr_str_ieqz(id, op->row.id))
        op = op->next;
    return op;
}

struct qri_op *qri_ops_find_active(struct qr_control *control, uint32_t database_id) /* held */
{
    struct qri_op *op = control->ops.active;
    while (op != NULL &&
           (qr_operation_is_over(op->row.state) || op->row.database_id != database_id))
        op = op->next_active;
    return op;
}

static uint8_t kind_of(uint16_t method, const struct qr_control_ask *ask)
{
    static const uint8_t kinds[] = {
        [QR_CONTROL_ALTER - QR_CONTROL_CREATE] = QR_OPERATION_UPDATE,
        [QR_CONTROL_RENAME - QR_CONTROL_CREATE] = QR_OPERATION_RENAME,
        [QR_CONTROL_DROP - QR_CONTROL_CREATE] = QR_OPERATION_DROP,
        [QR_CONTROL_ADD_REPLICA - QR_CONTROL_CREATE] = QR_OPERATION_ADD_REPLICA,
        [QR_CONTROL_FAILOVER - QR_CONTROL_CREATE] = QR_OPERATION_FAILOVER,
        [QR_CONTROL_GEO_CHANGE - QR_CONTROL_CREATE] = QR_OPERATION_GEO_CHANGE,
        [QR_CONTROL_DROP_SERVER - QR_CONTROL_CREATE] = QR_OPERATION_DROP_SERVER,
        [QR_CONTROL_DROP_GROUP - QR_CONTROL_CREATE] = QR_OPERATION_DROP_GROUP,
        [QR_CONTROL_POOL_CREATE - QR_CONTROL_CREATE] = QR_OPERATION_POOL_CREATE,
        [QR_CONTROL_POOL_ALTER - QR_CONTROL_CREATE] = QR_OPERATION_POOL_UPDATE,
        [QR_CONTROL_POOL_DROP - QR_CONTROL_CREATE] = QR_OPERATION_POOL_DROP,
    };
    bool restores = ask->dropped || ask->restore_wall_ns != 0 || ask->kept.n > 0 || ask->geo;
    if (method == QR_CONTROL_CREATE && ask->copy_of.n != 0 && ask->verify)
        return QR_OPERATION_VERIFY;
    if (method == QR_CONTROL_CREATE)
        return ask->copy_of.n == 0 ? QR_OPERATION_CREATE
               : restores          ? QR_OPERATION_RESTORE
                                   : QR_OPERATION_COPY;
    size_t index = (size_t)method - QR_CONTROL_CREATE;
    return index < sizeof kinds ? kinds[index] : QR_OPERATION_NONE;
}

static enum qr_status begin(struct qr_control *control, uint16_t method,
                            const struct qr_control_ask *ask, struct qri_op *op,
                            struct qr_err *err) /* held */
{
    struct qri_ops *ops = &control->ops;
    op->row.kind = kind_of(method, ask);
    if (op->row.kind == QR_OPERATION_UPDATE)
        op->row.kind = qri_move_kind(control, ask);
    op->row.number = ops->next_number;
    op->row.start_wall_ns = qr_env_wall_ns(control->options.env);
    if (control->stopping)
        return qr_fail(err, QR_CLOSED, "it is being stopped");
    if (ops->count >= OPS_MAX)
        return qr_fail(err, QR_BUSY, "Too many operations have been started in this hour.");
    if (ask->operation_id.n == 0)
        qri_new_guid(control->options.env, op->row.id);
    else if (ask->operation_id.n != QR_GUID_TEXT_BYTES)
        return qr_fail(err, QR_INVALID, "The id of an operation is a GUID.");
    else
        memcpy(op->row.id, ask->operation_id.p, QR_GUID_TEXT_BYTES);
    QR_TRY(qri_op_set_ask(op, ask, err));
    QR_TRY(qri_op_kinds[op->row.kind].begin(control, op, err));
    enum qr_status status = save(control, op, err);
    if (status != QR_OK) { /* nobody will hear of it, so nothing of it stays */
        enum qr_status (*undo)(struct qr_control *, struct qri_op *, struct qr_err *) =
            steps_of(op)[0].undo;
        if (undo == qri_make_undo || undo == qri_verify_remove)
            (void)!undo(control, op, NULL);
        return status;
    }
    op->next = ops->newest;
    ops->newest = op;
    op->next_active = ops->active;
    ops->active = op;
    ops->count += 1;
    ops->next_number += 1;
    pthread_cond_broadcast(&ops->changed);
    return QR_OK;
}

/* held */
static enum qr_status start(struct qr_control *control, uint16_t method,
                            const struct qr_control_ask *ask, uint64_t used_bytes,
                            struct qri_op **ret_op, struct qr_err *err)
{
    struct qri_op *op =
        ask->operation_id.n == 0 ? NULL : qri_ops_find_id(control, ask->operation_id);
    if (op == NULL) {
        op = calloc(1, sizeof *op);
        if (op != NULL)
            op->used_bytes = used_bytes;
        enum qr_status status = op == NULL ? qr_fail(err, QR_NOMEM, "start an operation")
                                           : begin(control, method, ask, op, err);
        if (status != QR_OK) {
            qri_op_free(op);
            return status;
        }
    }
    *ret_op = op;
    return QR_OK;
}

void qri_ops_serve(struct qr_control *control, const struct qr_control_ask *ask,
                   struct qr_rpc_request *own_request)
{
    struct qr_err err = {0};
    struct qri_op *op = NULL;
    struct qr_operation_row row;
    struct qri_waiter *waiter = ask->no_wait ? NULL : calloc(1, sizeof *waiter);
    uint64_t used_bytes = qri_move_used_bytes(control, own_request->method, ask);
    pthread_mutex_lock(&control->ops.mu);
    enum qr_status status = !ask->no_wait && waiter == NULL
                                ? qr_fail(&err, QR_NOMEM, "wait for an operation")
                                : start(control, own_request->method, ask, used_bytes, &op, &err);
    bool over = status == QR_OK && qr_operation_is_over(op->row.state) && !op->runs;
    if (status == QR_OK && !over && !ask->no_wait) {
        *waiter = (struct qri_waiter){op->waiters, own_request};
        op->waiters = waiter;
        pthread_mutex_unlock(&control->ops.mu);
        return;
    }
    if (status == QR_OK)
        row = op->row;
    pthread_mutex_unlock(&control->ops.mu);
    free(waiter);
    if (status == QR_OK)
        answer_row(own_request, &row, over && !ask->no_wait);
    else
        qr_rpc_refuse(own_request, status, &err);
}

enum qr_status qri_ops_start(struct qr_control *control, uint16_t method,
                             const struct qr_control_ask *ask, char ret_id[QR_GUID_TEXT_BYTES + 1],
                             struct qr_err *err)
{
    struct qri_op *op = NULL;
    uint64_t used_bytes = qri_move_used_bytes(control, method, ask);
    pthread_mutex_lock(&control->ops.mu);
    enum qr_status status = start(control, method, ask, used_bytes, &op, err);
    if (status == QR_OK)
        memcpy(ret_id, op->row.id, QR_GUID_TEXT_BYTES + 1);
    pthread_mutex_unlock(&control->ops.mu);
    return status;
}

enum qr_status qri_ops_run(struct qr_control *control, uint16_t method,
                           const struct qr_control_ask *ask, struct qr_err *err)
{
    struct qri_op *op = NULL;
    uint64_t used_bytes = qri_move_used_bytes(control, method, ask);
    pthread_mutex_lock(&control->ops.mu);
    enum qr_status status = start(control, method, ask, used_bytes, &op, err);
    while (status == QR_OK && !control->stopping &&
           (!qr_operation_is_over(op->row.state) || op->runs))
        (void)qr_cond_wait(&control->ops.changed, &control->ops.mu, -1);
    if (status == QR_OK)
        status = qr_operation_is_over(op->row.state) ? error_of(&op->row, err)
                                                     : qr_fail(err, QR_CANCELLED, "it is stopped");
    pthread_mutex_unlock(&control->ops.mu);
    return status;
}

/* ---- begin and end ---- */

void qri_ops_init(struct qr_control *control)
{
    pthread_mutex_init(&control->ops.mu, NULL);
    qr_cond_init(&control->ops.changed);
}

enum qr_status qri_ops_open(struct qr_control *control, struct qr_err *err)
{
    struct qri_ops *ops = &control->ops;
    QR_TRY(qri_ops_load(control, err));
    qri_move_resume(control);
    for (; ops->worker_count < QRI_OP_WORKERS; ops->worker_count++)
        QR_TRY(qr_thread_start("qr-operation", 0, worker_main, control,
                               &ops->workers[ops->worker_count], err));
    return QR_OK;
}

void qri_ops_resume(struct qr_control *control)
{
    pthread_mutex_lock(&control->ops.mu);
    control->ops.may_resume = true;
    pthread_cond_broadcast(&control->ops.changed);
    pthread_mutex_unlock(&control->ops.mu);
}

/* Who waits is told that nobody knows; after qr_control_stop. If another program goes on they learn
 * it once, when the listener closes: who asked again before would ask us, and not often. */
void qri_ops_refuse(struct qr_control *control)
{
    struct qri_waiter *all = NULL;
    pthread_mutex_lock(&control->ops.mu);
    for (struct qri_op *op = control->ops.newest; op != NULL && !control->leaves; op = op->next) {
        while (op->waiters != NULL) {
            struct qri_waiter *waiter = op->waiters;
            op->waiters = waiter->next;
            waiter->next = all;
            all = waiter;
        }
    }
    pthread_cond_broadcast(&control->ops.changed);
    pthread_mutex_unlock(&control->ops.mu);
    while (all != NULL) {
        struct qri_waiter *waiter = all;
        all = waiter->next;
        qr_rpc_refuse(waiter->request, QR_CLOSED, NULL);
        free(waiter);
    }
}

void qri_ops_join(struct qr_control *control)
{
    while (control->ops.worker_count > 0)
        pthread_join(control->ops.workers[--control->ops.worker_count], NULL);
}

void qri_ops_done(struct qr_control *control)
{
    while (control->ops.newest != NULL) {
        struct qri_op *op = control->ops.newest;
        control->ops.newest = op->next;
        qri_op_free(op);
    }
    pthread_cond_destroy(&control->ops.changed);
    pthread_mutex_destroy(&control->ops.mu);
}
