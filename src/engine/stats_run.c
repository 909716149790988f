/* stats_run.c - what a statement has cost, counted when it has ended; see texts_int.h
 *
 * This is in the way of every statement: two readings of a clock, a mutex that nobody else wants
 * unless the same text runs twice at once, and additions. */
#include <stdlib.h>
#include "dml_int.h"
#include "texts_int.h"
#include "tsql/parse.h"
#include "base/banned.h"

static bool is_counted(enum qr_ast_stmt_kind kind)
{
    return kind == QR_AS_SELECT || kind == QR_AS_INSERT || kind == QR_AS_UPDATE ||
           kind == QR_AS_DELETE || kind == QR_AS_MERGE;
}

void qri_meter_begin(struct qri_frame *frame, const struct qri_op *op, struct qri_meter *meter)
{
    struct qr_session *session = frame->session;
    const struct qri_text *text = frame->unit->text;
    struct qri_running *running = &session->running;
    meter->ticks = session->settings.now_utc_ticks;
    atomic_store_explicit(&running->text_id, text == NULL ? 0 : text->id, memory_order_relaxed);
    atomic_store_explicit(&running->object_id, frame->unit->object_id, memory_order_relaxed);
    atomic_store_explicit(&running->begin, op->stmt->pos.offset, memory_order_relaxed);
    atomic_store_explicit(&running->bytes, (uint32_t)op->stmt->text.n, memory_order_relaxed);
    atomic_store_explicit(&running->kind, op->stmt->kind, memory_order_relaxed);
    if (frame->outer == NULL && text != NULL)
        atomic_store_explicit(&running->batch_id, text->id, memory_order_relaxed);
}

static uint64_t plan_hash(const struct qri_code *code)
{
    if (code->plan == NULL)
        return 0;
    struct qr_str sql = code->plan->dml != NULL ? code->plan->dml->stage.text : code->select.text;
    return code->plan->dml == NULL ? code->select.hash : qr_hash_bytes(sql.p, sql.n, 0);
}

/* With text->mu. */
static struct qri_stmt_cost *cost_of(struct qri_text *text, const struct qri_op *op, uint32_t index)
{
    struct qri_stmt_cost *found = text->found;
    if (found != NULL && found->op == index)
        return found;
    /* statements of long batches come one after the other */
    struct qri_stmt_cost **at = found != NULL && found->op < index ? &found->next : &text->costs;
    while (*at != NULL && (*at)->op < index)
        at = &(*at)->next;
    if (*at != NULL && (*at)->op == index) {
        text->found = *at;
        return *at;
    }
    struct qri_stmt_cost *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->op = index;
    made->begin = op->stmt->pos.offset;
    made->bytes = (uint32_t)op->stmt->text.n;
    made->query_hash = qr_tsql_fingerprint(op->stmt->text.p, op->stmt->text.n);
    made->next = *at;
    *at = made;
    text->found = made;
    return made;
}

static void add(struct qri_cost *cost, int64_t value, bool is_first)
{
    cost->total += value;
    cost->last = value;
    if (is_first || value < cost->min)
        cost->min = value;
    if (is_first || value > cost->max)
        cost->max = value;
}

void qri_meter_end(struct qri_frame *frame, const struct qri_op *op, const struct qri_meter *meter)
{
    struct qr_session *session = frame->session;
    struct qri_text *text = frame->unit->text;
    session->ended_ticks = qri_now_ticks(session);
    if (text == NULL || !is_counted(op->stmt->kind) || session->options.noexec)
        return;
    int64_t elapsed_us = (session->ended_ticks - meter->ticks) / 10;
    int64_t values[QRI_COST_KINDS] = {
        [QRI_COST_ELAPSED_US] = elapsed_us < 0 ? 0 : elapsed_us, /* the clock was set back */
        [QRI_COST_ROWS] = session->rowcount,
    };
    struct qri_code *code = op->codes[0];
    pthread_mutex_lock(&text->mu);
    struct qri_stmt_cost *cost =
        code == NULL ? NULL : cost_of(text, op, (uint32_t)(op - frame->unit->ops));
    if (cost != NULL) {
        if (!code->is_counted) {
            code->is_counted = true;
            cost->generation++;
            cost->created_ticks = meter->ticks;
            cost->plan_hash = plan_hash(code);
        }
        for (int i = 0; i < QRI_COST_KINDS; i++)
            add(&cost->cost[i], values[i], cost->count == 0);
        cost->last_ticks = meter->ticks;
        cost->count++;
    }
    pthread_mutex_unlock(&text->mu);
}
