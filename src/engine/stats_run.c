/* stats_run.c - what a statement has cost, counted when it has ended; see texts_int.h
 *
 * This is in the way of every statement: two readings of a clock, a mutex that nobody else wants
 * unless the same text runs twice at once, and additions. */
#include <stdlib.h>
#include <string.h>
#include "dml_int.h"
#include "governor/task.h"
#include "qstore_int.h"
#include "shape_int.h"
#include "texts_int.h"
#include "tsql/parse.h"
#include "base/banned.h"

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void read_task(const struct qr_gov_task *task, struct qri_meter *meter)
{
    if (task == NULL)
        return;
    meter->cpu_ns = (int64_t)get(&task->usage.cpu_ns);
    meter->charged_ns = task->enter_ns;
    meter->waited_ns = task->waited_ns;
    meter->logical_reads = get(&task->usage.logical_reads);
    meter->logical_writes = get(&task->usage.logical_writes);
    meter->reads = get(&task->usage.reads);
    meter->log_bytes = get(&task->usage.log_bytes);
    meter->page_server_reads = get(&task->usage.page_server_reads);
    meter->temp_bytes = get(&task->usage.temp_bytes);
    meter->waits = task->wait_count;
}

/* ---- pages that SQLite had ---- */

/* The store counts the pages that it is asked for. A connection that writes keeps some, and one
 * with #tables has theirs: SQLite counts how often it found them so. Others never have any. */
static bool has_pages(const struct qr_session *session, const struct qri_op *op)
{
    return op->stmt->kind == QR_AS_INSERT || op->stmt->kind == QR_AS_UPDATE ||
           op->stmt->kind == QR_AS_DELETE || op->stmt->kind == QR_AS_MERGE ||
           session->tran.sqlite_open || session->temp != NULL;
}

/* What was found since the last look is the statement's outside, or nobody's. */
static void take_hits(struct qr_session *session)
{
    int hits = 0, most = 0;
    struct qr_gov_task *task = session->login.task;
    if (session->link == NULL || sqlite3_db_status(session->link->db, SQLITE_DBSTATUS_CACHE_HIT,
                                                   &hits, &most, 1) != SQLITE_OK)
        return;
    if (task != NULL && session->hit_counters > 0 && hits > 0)
        qr_gov_add(&task->usage.logical_reads, (uint64_t)hits);
}

static void begin_hits(struct qr_session *session, const struct qri_op *op, struct qri_meter *meter)
{
    meter->counts_hits = has_pages(session, op);
    if (!meter->counts_hits)
        return;
    take_hits(session);
    session->hit_counters++;
}

static void end_hits(struct qr_session *session, const struct qri_meter *meter)
{
    if (!meter->counts_hits)
        return;
    take_hits(session);
    session->hit_counters--;
}

/* ---- making plans ---- */

struct qri_making qri_making_begin(const struct qr_session *session)
{
    const struct qr_gov_task *task = session->login.task;
    return (struct qri_making){qr_env_mono_ns(session->db->instance->options.env),
                               task == NULL ? 0 : task->waited_ns};
}

void qri_making_end(const struct qr_session *session, const struct qri_making *making,
                    int64_t *elapsed_ns, int64_t *cpu_ns)
{
    struct qri_making now = qri_making_begin(session);
    int64_t ns = now.begin_ns - making->begin_ns, waited = now.waited_ns - making->waited_ns;
    *elapsed_ns += ns;
    *cpu_ns += waited < 0 || waited > ns ? ns : ns - waited;
}

/* What was prepared while the statement ran is its plan's, if that is new; statements inside it
 * have taken theirs. */
static void note_made(struct qr_session *session, const struct qri_meter *meter,
                      struct qri_code *code)
{
    for (int i = 0; code != NULL && !code->is_counted && i < QRI_MADE_KINDS; i++)
        code->made.of[i] += session->made.of[i] - meter->prepared.of[i];
    session->made = meter->prepared;
}

static void add_made(struct qri_makes *makes, const struct qri_made *made)
{
    for (int i = 0; i < QRI_MADE_KINDS; i++) {
        struct qri_make_cost *c = &makes->of[i];
        c->last = made->of[i];
        c->total += c->last;
        c->max = c->last > c->max ? c->last : c->max;
    }
    makes->count++;
}

/* ---- waits ---- */

/* The session's waits so far are of nothing that is counted. */
static void forget_waits(struct qr_session *session)
{
    const struct qr_gov_task *task = session->login.task;
    if (task == NULL || session->seen_waits.count == task->wait_count)
        return;
    session->seen_waits.count = task->wait_count;
    for (int i = 1; i < QR_WAIT_COUNT; i++)
        session->seen_waits.ns[i] = get(&task->waits.of[i].ns);
}

/* What it has waited since it was last asked, by category, in microseconds. */
static void take_waits(struct qr_session *session, int64_t us[QRI_WAIT_CATEGORIES])
{
    const struct qr_gov_task *task = session->login.task;
    for (int i = 1; i < QR_WAIT_COUNT; i++) {
        uint64_t ns = get(&task->waits.of[i].ns);
        us[qri_wait_category((enum qr_wait)i)] += (int64_t)(ns - session->seen_waits.ns[i]) / 1000;
        session->seen_waits.ns[i] = ns;
    }
    session->seen_waits.count = task->wait_count;
}

/* The governor charges CPU time now and then. If it has not since the statement began, its time is
 * what went by without waits; else what it charged, with what was not yet charged then and now. */
static int64_t worker_us(const struct qr_session *session, const struct qri_meter *from,
                         const struct qri_meter *to, int64_t elapsed_us)
{
    int64_t ns = elapsed_us * 1000 - (to->waited_ns - from->waited_ns);
    if (to->charged_ns != from->charged_ns) {
        int64_t now = qr_env_mono_ns(session->db->instance->options.env);
        int64_t before = now - elapsed_us * 1000 - from->charged_ns - from->waited_ns;
        int64_t after = now - to->charged_ns - to->waited_ns;
        ns = to->cpu_ns - from->cpu_ns + after - before;
    }
    int64_t us = ns / 1000;
    return us < 0 ? 0 : us > elapsed_us ? elapsed_us : us;
}

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
    *meter = (struct qri_meter){.ticks = session->settings.now_utc_ticks};
    meter->prepared = session->made;
    forget_waits(session);
    begin_hits(session, op, meter);
    read_task(session->login.task, meter);
    atomic_store_explicit(&running->text_id, text == NULL ? 0 : text->id, memory_order_relaxed);
    atomic_store_explicit(&running->object_id, frame->unit->object_id, memory_order_relaxed);
    atomic_store_explicit(&running->begin, op->stmt->pos.offset, memory_order_relaxed);
    atomic_store_explicit(&running->bytes, (uint32_t)op->stmt->text.n, memory_order_relaxed);
    atomic_store_explicit(&running->kind, op->stmt->kind, memory_order_relaxed);
    if (frame->outer == NULL)
        atomic_store_explicit(&running->batch_id, text == NULL ? 0 : text->id,
                              memory_order_relaxed);
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
    made->kind = op->stmt->kind;
    made->begin = op->stmt->pos.offset;
    made->bytes = (uint32_t)op->stmt->text.n;
    made->query_hash = qr_tsql_fingerprint(op->stmt->text.p, op->stmt->text.n);
    made->next = *at;
    *at = made;
    text->found = made;
    return made;
}

static void add(struct qri_run_cost *cost, int64_t value, bool is_first)
{
    cost->total = (is_first ? 0 : cost->total) + value;
    cost->squares = (is_first ? 0 : cost->squares) + (double)value * (double)value;
    cost->last = value;
    if (is_first || value < cost->min)
        cost->min = value;
    if (is_first || value > cost->max)
        cost->max = value;
}

static void add_waits(struct qri_runs *runs, const int64_t us[QRI_WAIT_CATEGORIES])
{
    if (runs->waits == NULL)
        runs->waits = calloc(1, sizeof *runs->waits);
    for (int i = 0; runs->waits != NULL && i < QRI_WAIT_CATEGORIES; i++)
        if (us[i] > 0)
            add(&runs->waits->cost[i], us[i], runs->waits->counts[i]++ == 0);
}

/* One run as it was measured. */
struct measured {
    int64_t ticks;
    int64_t values[QRI_COST_KINDS];
    bool has_waited;
    int64_t waits_us[QRI_WAIT_CATEGORIES]; /* if it has */
};

static void add_run(struct qr_database *db, struct qri_runs *runs, const struct measured *m)
{
    for (int i = 0; i < QRI_COST_KINDS; i++)
        add(&runs->cost[i], m->values[i], runs->count == 0);
    if (runs->count++ == 0) {
        runs->first_ticks = m->ticks;
        runs->until_ticks = qri_qstore_interval_end(db, m->ticks);
    }
    runs->last_ticks = m->ticks;
    if (m->has_waited)
        add_waits(runs, m->waits_us);
}

static void add_failed(struct qr_database *db, struct qri_stmt_cost *cost, const struct measured *m,
                       enum qr_status status)
{
    struct qri_runs **runs = &cost->failed[status != QR_CANCELLED && status != QR_CLOSED];
    if (*runs == NULL)
        *runs = calloc(1, sizeof **runs);
    if (*runs != NULL)
        add_run(db, *runs, m);
}

/* The statement was compiled: from now on its runs are of another plan, maybe. */
static void take_plan(struct qr_session *session, struct qri_text *text, struct qri_code *code,
                      struct qri_stmt_cost *cost, int64_t ticks)
{
    code->is_counted = true;
    qri_stmt_cost_hand_on(text, cost);
    qri_shape_unref(cost->shape);
    cost->shape = qri_shape_ref(session, code);
    cost->options_key = code->options_key;
    cost->generation++;
    cost->created_ticks = ticks;
    add_made(&cost->makes, &code->made);
}

/* What its plan got; of what runs inside another statement nothing. */
static void measure_grant(const struct qri_frame *frame, int64_t values[QRI_COST_KINDS])
{
    const struct qr_gov_grant *grant = &frame->session->grant;
    bool has_one = frame->session->grant_frame == frame;
    values[QRI_COST_GRANT_KB] = has_one ? (int64_t)(grant->granted_bytes >> 10) : 0;
    values[QRI_COST_USED_GRANT_KB] = has_one ? (int64_t)(qr_gov_grant_used_max(grant) >> 10) : 0;
    values[QRI_COST_IDEAL_GRANT_KB] = has_one ? (int64_t)(grant->ideal_bytes >> 10) : 0;
}

static void measure(const struct qri_frame *frame, const struct qri_meter *meter, bool is_good,
                    struct measured *m)
{
    enum { PAGE_BYTES = 8192 };
    struct qr_session *session = frame->session;
    int64_t elapsed_us = (session->ended_ticks - meter->ticks) / 10;
    elapsed_us = elapsed_us < 0 ? 0 : elapsed_us; /* the clock was set back */
    struct qri_meter end = {0};
    read_task(session->login.task, &end);
    m->ticks = meter->ticks;
    m->values[QRI_COST_WORKER_US] = worker_us(session, meter, &end, elapsed_us);
    m->values[QRI_COST_ELAPSED_US] = elapsed_us;
    m->values[QRI_COST_LOGICAL_READS] = (int64_t)(end.logical_reads - meter->logical_reads);
    m->values[QRI_COST_PHYSICAL_READS] = (int64_t)(end.reads - meter->reads);
    m->values[QRI_COST_LOGICAL_WRITES] = (int64_t)(end.logical_writes - meter->logical_writes);
    m->values[QRI_COST_PAGE_SERVER_READS] =
        (int64_t)(end.page_server_reads - meter->page_server_reads);
    m->values[QRI_COST_ROWS] = is_good ? session->rowcount : 0;
    m->values[QRI_COST_LOG_BYTES] = (int64_t)(end.log_bytes - meter->log_bytes);
    m->values[QRI_COST_SPILLED_PAGES] =
        (int64_t)((end.temp_bytes - meter->temp_bytes + PAGE_BYTES - 1) / PAGE_BYTES);
    measure_grant(frame, m->values);
    m->has_waited = end.waits != session->seen_waits.count;
    if (!m->has_waited)
        return;
    memset(m->waits_us, 0, sizeof m->waits_us);
    take_waits(session, m->waits_us);
}

void qri_meter_end(struct qri_frame *frame, const struct qri_op *op, const struct qri_meter *meter,
                   enum qr_status status)
{
    struct qr_session *session = frame->session;
    struct qri_text *text = frame->unit->text;
    session->ended_ticks = qri_now_ticks(session);
    end_hits(session, meter);
    struct qri_code *code = op->code_count == 0 ? NULL : op->codes[0];
    note_made(session, meter, code);
    if (text == NULL || !is_counted(op->stmt->kind) || session->options.noexec ||
        status == QR_AGAIN)
        return;
    struct measured m;
    measure(frame, meter, status == QR_OK, &m);
    pthread_mutex_lock(&text->mu);
    struct qri_stmt_cost *cost =
        code == NULL ? NULL : cost_of(text, op, (uint32_t)(op - frame->unit->ops));
    if (cost != NULL) {
        if (!code->is_counted)
            take_plan(session, text, code, cost, m.ticks);
        if (cost->runs.count > 0 && m.ticks >= cost->runs.until_ticks)
            qri_stmt_cost_hand_on(text, cost);
        if (status == QR_OK) {
            add_run(session->db, &cost->runs, &m);
            cost->last_ticks = m.ticks;
        } else {
            add_failed(session->db, cost, &m, status);
        }
    }
    pthread_mutex_unlock(&text->mu);
}
