/* stress_run.c - see stress_int.h: clients and the ticker.
 *
 * Locks: `shared.mu` (who is due, the end) and each client's `mu` (what it has counted since the
 * last tick), never both. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "env/env.h"
#include "env/thread.h"
#include "stress_int.h"
#include "base/banned.h"

enum { NAP_MS = 20, BACKOFF_MS = 50, BACKOFF_MS_MAX = 5000, GRACE_S = 5, STACK_BYTES = 512 * 1024 };
static const int64_t SECOND_NS = INT64_C(1000000000), MS_NS = INT64_C(1000000);

struct shared {
    const struct qri_stress_options *options;
    int64_t start_ns;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* the end is asked for */
    bool stopping;
    int64_t next_due_ns;      /* of the next iteration, at a rate */
    _Atomic uint32_t running; /* threads */
};

struct counts {
    struct qri_histogram latency;
    uint64_t batches, rows, errors, reconnects, failed_logins;
    struct qri_stress_error by_number[QRI_STRESS_ERRORS_MAX];
    size_t error_count;
    int64_t gap_ns, gap_at_ns;
};

struct client {
    pthread_t thread;
    struct shared *shared;
    uint32_t index;
    size_t phase;
    struct qri_sql_link *link;
    struct qr_buf text;
    uint64_t iteration;
    uint32_t random;
    bool failed;          /* the iteration under way has met an error */
    uint64_t rows;        /* of the batch under way */
    pthread_mutex_t mu;   /* guards what follows */
    int64_t trying_ns;    /* since when it has wanted the good iteration to come; 0: it rests */
    struct counts counts; /* since the last tick */
};

static volatile sig_atomic_t asked_to_stop;

void qri_stress_stop(void)
{
    asked_to_stop = 1;
}

static int64_t now_ns(void)
{
    return qr_env_mono_ns(qr_env_real());
}

/* ---- the end, and waiting ---- */

static void ask_to_stop(struct shared *shared)
{
    pthread_mutex_lock(&shared->mu);
    shared->stopping = true;
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->mu);
}

/* False: the end was asked for. */
static bool rest_until(struct shared *shared, int64_t until_ns)
{
    pthread_mutex_lock(&shared->mu);
    for (int64_t left; !shared->stopping && (left = until_ns - now_ns()) > 0;)
        (void)qr_cond_wait(&shared->changed, &shared->mu, left);
    bool goes_on = !shared->stopping;
    pthread_mutex_unlock(&shared->mu);
    return goes_on;
}

static const struct qri_stress_phase *phase_now(struct client *c)
{
    const struct qri_stress_plan *plan = &c->shared->options->plan;
    double at_s = (double)(now_ns() - c->shared->start_ns) / 1e9;
    while (c->phase + 1 < plan->count && plan->phases[c->phase + 1].at_s <= at_s)
        c->phase += 1;
    return &plan->phases[c->phase];
}

/* When the next iteration of all is due at this rate. */
static int64_t take_turn(struct client *c, const struct qri_stress_phase *phase)
{
    struct shared *shared = c->shared;
    int64_t since = shared->start_ns + (int64_t)(phase->at_s * 1e9);
    pthread_mutex_lock(&shared->mu);
    int64_t due = shared->next_due_ns > since ? shared->next_due_ns : since;
    shared->next_due_ns = due + (int64_t)(1e9 / phase->rate);
    pthread_mutex_unlock(&shared->mu);
    return due;
}

/* ---- what went wrong ---- */

static void count_error(struct client *c, uint32_t number, struct qr_str text)
{
    struct counts *counts = &c->counts;
    size_t i = 0;
    c->failed = true;
    pthread_mutex_lock(&c->mu);
    counts->errors += 1;
    while (i < counts->error_count && counts->by_number[i].number != number)
        i += 1;
    if (i < QRI_STRESS_ERRORS_MAX) {
        struct qri_stress_error *e = &counts->by_number[i];
        if (i == counts->error_count) {
            size_t n = text.n < sizeof e->text - 1 ? text.n : sizeof e->text - 1;
            *e = (struct qri_stress_error){.number = number};
            memcpy(e->text, text.p, n);
            counts->error_count += 1;
        }
        e->count += 1;
    }
    pthread_mutex_unlock(&c->mu);
    if (c->shared->options->stops_at_errors)
        ask_to_stop(c->shared);
}

static enum qr_status on_columns(void *ctx, const struct qri_sql_column *columns, size_t count,
                                 struct qr_err *err)
{
    (void)ctx;
    (void)columns;
    (void)count;
    (void)err;
    return QR_OK;
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, struct qr_arena *arena_row,
                             struct qr_err *err)
{
    struct client *c = ctx;
    (void)values;
    (void)arena_row;
    (void)err;
    c->rows += 1;
    return QR_OK;
}

static enum qr_status on_done(void *ctx, bool had_columns, bool counts, uint64_t rows,
                              struct qr_err *err)
{
    (void)ctx;
    (void)had_columns;
    (void)counts;
    (void)rows;
    (void)err;
    return QR_OK;
}

static enum qr_status on_message(void *ctx, const struct qri_sql_message *m, struct qr_err *err)
{
    (void)err;
    if (m->severity > 10)
        count_error(ctx, m->number, m->text);
    return QR_OK;
}

static const struct qri_sql_link_sink sink = {on_columns, on_row, on_done, on_message};

/* ---- one client ---- */

static enum qr_status open_link(struct client *c, struct qr_err *err)
{
    return qri_sql_link_open(&c->shared->options->link, &c->link, err);
}

/* As drivers do it: at once, and then after longer and longer pauses. False: the end came first. */
static bool reconnect(struct client *c, bool had_one)
{
    for (int64_t pause_ms = BACKOFF_MS;; pause_ms *= 2) {
        struct qr_err err = {0};
        unsigned number = 0;
        if (open_link(c, &err) == QR_OK)
            break;
        (void)sscanf(err.text, "Msg %u", &number);
        count_error(c, number, qr_str(err.text));
        pthread_mutex_lock(&c->mu);
        c->counts.failed_logins += 1;
        pthread_mutex_unlock(&c->mu);
        if (pause_ms > BACKOFF_MS_MAX)
            pause_ms = BACKOFF_MS_MAX;
        int64_t jitter_ms = (int64_t)(c->index * 7919u % (uint32_t)pause_ms) / 4;
        if (!rest_until(c->shared, now_ns() + (pause_ms + jitter_ms) * MS_NS))
            return false;
    }
    pthread_mutex_lock(&c->mu);
    c->counts.reconnects += had_one;
    pthread_mutex_unlock(&c->mu);
    return true;
}

/* $(client), $(iteration) and $(random) stand for numbers. */
static struct qr_str expand(struct client *c, struct qr_str batch)
{
    if (batch.n < 3 || memmem(batch.p, batch.n, "$(", 2) == NULL)
        return batch;
    qr_buf_clear(&c->text);
    for (size_t i = 0; i < batch.n;) {
        struct qr_str left = qr_str_n(batch.p + i, batch.n - i);
        c->random = c->random * 1664525 + 1013904223;
        if (qr_str_starts_i(left, "$(client)")) {
            qr_buf_printf(&c->text, "%u", c->index);
            i += sizeof "$(client)" - 1;
        } else if (qr_str_starts_i(left, "$(iteration)")) {
            qr_buf_printf(&c->text, "%llu", (unsigned long long)c->iteration);
            i += sizeof "$(iteration)" - 1;
        } else if (qr_str_starts_i(left, "$(random)")) {
            qr_buf_printf(&c->text, "%u", c->random >> 1);
            i += sizeof "$(random)" - 1;
        } else {
            qr_buf_add8(&c->text, (uint8_t)batch.p[i++]);
        }
    }
    return qr_str_n((const char *)c->text.data, c->text.len);
}

/* True: good, or failed in a way that the connection has survived. */
static bool run_batches(struct client *c)
{
    const struct qri_stress_options *o = c->shared->options;
    for (size_t i = 0; i < o->batch_count && !c->failed; i++) {
        struct qr_err err = {0};
        enum qr_status status =
            qri_sql_link_run(c->link, expand(c, o->batches[i]), o->query_timeout_s, &sink, c, &err);
        pthread_mutex_lock(&c->mu);
        c->counts.batches += 1;
        c->counts.rows += c->rows;
        pthread_mutex_unlock(&c->mu);
        c->rows = 0;
        if (status == QR_OK)
            continue;
        if (status == QR_TIMEOUT)
            count_error(c, 0, qr_str("the batch took longer than its time-out"));
        else if (status != QR_CANCELLED && !c->failed)
            count_error(c, 0, qr_str(err.text));
        c->failed = true;
        if (status == QR_TIMEOUT || status == QR_CANCELLED)
            return true;
        qri_sql_link_close(c->link);
        c->link = NULL;
        return false;
    }
    return true;
}

static void count_good(struct client *c, int64_t due_ns)
{
    int64_t now = now_ns();
    pthread_mutex_lock(&c->mu);
    qri_histogram_add(&c->counts.latency, (uint64_t)(now > due_ns ? now - due_ns : 0) / 1000);
    if (now - c->trying_ns > c->counts.gap_ns) {
        c->counts.gap_ns = now - c->trying_ns;
        c->counts.gap_at_ns = now;
    }
    c->trying_ns = 0;
    pthread_mutex_unlock(&c->mu);
}

static bool iterate(struct client *c, const struct qri_stress_phase *phase)
{
    int64_t due_ns = now_ns();
    if (phase->rate > 0 && (due_ns = take_turn(c, phase)) > now_ns() &&
        !rest_until(c->shared, due_ns))
        return false;
    pthread_mutex_lock(&c->mu);
    if (c->trying_ns == 0)
        c->trying_ns = now_ns();
    pthread_mutex_unlock(&c->mu);
    bool had_one = c->iteration > 0;
    if (c->link == NULL && !reconnect(c, had_one))
        return false;
    c->failed = false;
    c->iteration += 1;
    bool connected = run_batches(c);
    if (!c->failed)
        count_good(c, due_ns);
    else if (connected) /* what fails at once shall not be all that happens */
        return rest_until(c->shared, now_ns() + MS_NS);
    else
        return true;
    return phase->think_ms <= 0 ||
           rest_until(c->shared, now_ns() + (int64_t)(phase->think_ms * (double)MS_NS));
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    const struct qri_stress_options *o = c->shared->options;
    bool goes_on = true;
    while (goes_on && (o->iterations == 0 || c->iteration < o->iterations)) {
        const struct qri_stress_phase *phase = phase_now(c);
        goes_on = c->index < phase->clients ? iterate(c, phase) && rest_until(c->shared, 0)
                                            : rest_until(c->shared, now_ns() + NAP_MS * MS_NS);
    }
    qri_sql_link_close(c->link);
    atomic_fetch_sub(&c->shared->running, 1);
    return NULL;
}

/* ---- the ticker ---- */

static void merge_errors(struct qri_stress_result *r, const struct counts *counts)
{
    for (size_t i = 0; i < counts->error_count; i++) {
        size_t at = 0;
        while (at < r->error_count && r->by_number[at].number != counts->by_number[i].number)
            at += 1;
        if (at == QRI_STRESS_ERRORS_MAX)
            continue;
        if (at == r->error_count)
            r->by_number[r->error_count++] = counts->by_number[i];
        else
            r->by_number[at].count += counts->by_number[i].count;
    }
}

/* Takes what a client has counted since the last time. */
static void take(struct client *c, int64_t now, struct qri_stress_result *r,
                 struct qri_stress_second *s, struct qri_histogram *of_second)
{
    pthread_mutex_lock(&c->mu);
    struct counts *counts = &c->counts;
    qri_histogram_merge(of_second, &counts->latency);
    merge_errors(r, counts);
    s->errors += counts->errors;
    s->reconnects += counts->reconnects;
    r->batches += counts->batches;
    r->rows += counts->rows;
    r->failed_logins += counts->failed_logins;
    double gap_ms = (double)counts->gap_ns / 1e6;
    if (gap_ms > r->gap_ms) {
        r->gap_ms = gap_ms;
        r->gap_at_s = (double)(counts->gap_at_ns - c->shared->start_ns) / 1e9;
    }
    double open_ms = c->trying_ns == 0 ? 0 : (double)(now - c->trying_ns) / 1e6;
    gap_ms = open_ms > gap_ms ? open_ms : gap_ms;
    s->gap_ms = gap_ms > s->gap_ms ? gap_ms : s->gap_ms;
    s->clients += c->trying_ns != 0 || counts->latency.count > 0;
    memset(counts, 0, sizeof *counts);
    pthread_mutex_unlock(&c->mu);
}

static enum qr_status add_second(struct qri_stress_result *r, const struct qri_stress_second *s,
                                 struct qr_err *err)
{
    if ((r->second_count & (r->second_count - 1)) == 0) {
        size_t room = r->second_count == 0 ? 1 : r->second_count * 2;
        void *seconds = realloc(r->seconds, room * sizeof *r->seconds);
        if (seconds == NULL)
            return qr_fail(err, QR_NOMEM, "count");
        r->seconds = seconds;
    }
    r->seconds[r->second_count++] = *s;
    return QR_OK;
}

static enum qr_status tick(struct shared *shared, struct client *clients, uint32_t count,
                           struct qri_histogram *of_second, struct qri_stress_result *r,
                           struct qr_err *err)
{
    int64_t now = now_ns();
    struct qri_stress_second s = {.at_s = (double)(now - shared->start_ns) / 1e9};
    memset(of_second, 0, sizeof *of_second);
    for (uint32_t i = 0; i < count; i++)
        take(&clients[i], now, r, &s, of_second);
    s.iterations = of_second->count;
    s.p50_ms = qri_histogram_ms(of_second, 50);
    s.p95_ms = qri_histogram_ms(of_second, 95);
    s.p99_ms = qri_histogram_ms(of_second, 99);
    s.max_ms = (double)of_second->max_us / 1000;
    qri_histogram_merge(&r->latency, of_second);
    r->iterations += s.iterations;
    r->errors += s.errors;
    r->reconnects += s.reconnects;
    if (shared->options->progress != NULL)
        qri_stress_print_progress(&s, shared->options->progress);
    if (shared->options->timeline != NULL)
        qri_stress_print_row(&s, r->second_count == 0, shared->options->timeline);
    return add_second(r, &s, err);
}

static enum qr_status tick_until_over(struct shared *shared, struct client *clients, uint32_t count,
                                      struct qri_stress_result *r, struct qr_err *err)
{
    const struct qri_stress_options *o = shared->options;
    struct qri_histogram *of_second = malloc(sizeof *of_second);
    if (of_second == NULL)
        return qr_fail(err, QR_NOMEM, "count");
    int64_t next = shared->start_ns + SECOND_NS, stop_ns = 0;
    int64_t end = o->duration_s > 0 ? shared->start_ns + (int64_t)(o->duration_s * 1e9) : INT64_MAX;
    enum qr_status status = QR_OK;
    for (bool over = false; !over;) {
        struct timespec nap = {.tv_nsec = NAP_MS * MS_NS};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
        int64_t now = now_ns();
        over = atomic_load(&shared->running) == 0;
        if (stop_ns == 0 && (now >= end || asked_to_stop || status != QR_OK)) {
            ask_to_stop(shared);
            stop_ns = now;
        }
        if (stop_ns != 0 && now - stop_ns > GRACE_S * SECOND_NS)
            qri_sql_link_interrupt(); /* what is under way is taken back */
        if (now >= next || over) {
            if (status == QR_OK)
                status = tick(shared, clients, count, of_second, r, err);
            next += SECOND_NS;
        }
    }
    free(of_second);
    r->took_s = (double)(now_ns() - shared->start_ns) / 1e9;
    return status;
}

/* ---- all of it ---- */

static enum qr_status start_clients(struct shared *shared, struct client *clients, uint32_t count,
                                    uint32_t *ret_started, struct qr_err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct client *c = &clients[i];
        atomic_fetch_add(&shared->running, 1);
        enum qr_status status =
            qr_thread_start("client", STACK_BYTES, client_main, c, &c->thread, err);
        if (status != QR_OK) {
            atomic_fetch_sub(&shared->running, 1);
            return status;
        }
        *ret_started = i + 1;
    }
    return QR_OK;
}

enum qr_status qri_stress_run(const struct qri_stress_options *options,
                              struct qri_stress_result *ret_result, struct qr_err *err)
{
    uint32_t count = options->plan.clients_max, started = 0;
    struct shared shared = {.options = options};
    struct qri_stress_result result = {0};
    struct client *clients = calloc(count, sizeof *clients);
    if (clients == NULL)
        return qr_fail(err, QR_NOMEM, "clients");
    pthread_mutex_init(&shared.mu, NULL);
    qr_cond_init(&shared.changed);
    for (uint32_t i = 0; i < count; i++) {
        clients[i].shared = &shared;
        clients[i].index = i;
        clients[i].random = i * 2654435761u + 1;
        pthread_mutex_init(&clients[i].mu, NULL);
        qr_buf_init(&clients[i].text, 64 * 1024 * 1024);
    }
    enum qr_status status = open_link(&clients[0], err); /* a wrong password is told at once */
    shared.start_ns = now_ns();
    if (status == QR_OK)
        status = start_clients(&shared, clients, count, &started, err);
    else
        qri_sql_link_close(clients[0].link);
    if (status != QR_OK)
        ask_to_stop(&shared);
    if (started > 0) {
        enum qr_status ticked = tick_until_over(&shared, clients, started, &result, err);
        status = status == QR_OK ? ticked : status;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i < started)
            pthread_join(clients[i].thread, NULL);
        qr_buf_done(&clients[i].text);
        pthread_mutex_destroy(&clients[i].mu);
    }
    pthread_cond_destroy(&shared.changed);
    pthread_mutex_destroy(&shared.mu);
    free(clients);
    if (status == QR_OK)
        *ret_result = result;
    else
        qri_stress_result_done(&result);
    return status;
}

void qri_stress_result_done(struct qri_stress_result *result)
{
    free(result->seconds);
    result->seconds = NULL;
}
