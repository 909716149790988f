/* load.c - the loop and the figures; see load.h.
 *
 *   load --target quire|pg --port N --user U --password P --database D
 *        --workload init|idle|tpcb|tpcb_step|insert|point|point_text|stream|bulk
 *        [--clients 16] [--seconds 5] [--scale 16] [--rows 1000000]
 * Prints one JSON line: per second, mean and percentiles in microseconds, CPU of this program. */
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, SAMPLES_MAX = 8 << 20, STEPS_MAX = 16 };

/* ---- the loop ---- */

struct figures {
    uint32_t *us; /* samples */
    size_t count;
    uint64_t done, failed;
    double seconds;
};

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void begin(struct load_conn *c, const struct load_protocol *p, enum load_workload w,
                  const struct load_options *o, int step)
{
    p->request(c, w, o, step);
    load_flush(c);
}

static int steps_of(enum load_workload w)
{
    return w == LOAD_TPCB_STEP ? 7 : 1;
}

static void answer(struct load_conn *c, int *step, const struct load_protocol *p,
                   enum load_workload w, const struct load_options *o, struct figures *f,
                   int64_t end_ns)
{
    if (++*step < steps_of(w)) {
        begin(c, p, w, o, *step);
        return;
    }
    int64_t now = load_now_ns();
    f->done++;
    f->failed += c->failed ? 1 : 0;
    if (f->count < SAMPLES_MAX)
        f->us[f->count++] = (uint32_t)((now - c->started_ns) / 1000);
    *step = 0;
    c->failed = false;
    if (now < end_ns) {
        c->started_ns = now;
        begin(c, p, w, o, 0);
    } else {
        c->started_ns = 0;
    }
}

static void loop(struct load_conn *conns, const struct load_protocol *p, enum load_workload w,
                 const struct load_options *o, struct figures *f)
{
    int steps[CLIENTS_MAX] = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t start = load_now_ns(), end = start + (int64_t)o->seconds * 1000000000;
    for (int i = 0; i < o->clients; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &e);
        conns[i].started_ns = load_now_ns();
        begin(&conns[i], p, w, o, 0);
    }
    for (int open = o->clients; open > 0;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, 10000);
        if (n <= 0)
            load_die("no answer within 10 seconds");
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            struct load_conn *c = &conns[i];
            if (!load_read(c))
                load_die("the server closed connection %u", i);
            if (!p->answered(c))
                continue;
            answer(c, &steps[i], p, w, o, f, end);
            if (c->started_ns == 0)
                open--;
        }
    }
    f->seconds = (double)(load_now_ns() - start) / 1e9;
    close(epoll);
}

static void print(const struct load_options *o, struct figures *f)
{
    struct rusage u;
    double sum = 0;
    getrusage(RUSAGE_SELF, &u);
    qsort(f->us, f->count, sizeof f->us[0], compare_us);
    for (size_t i = 0; i < f->count; i++)
        sum += f->us[i];
    size_t n = f->count == 0 ? 1 : f->count;
    printf("{\"target\":\"%s\",\"workload\":\"%s\",\"clients\":%d,\"seconds\":%.3f,\"done\":%llu,"
           "\"failed\":%llu,\"per_second\":%.1f,\"mean_us\":%.1f,\"p50_us\":%u,\"p95_us\":%u,"
           "\"p99_us\":%u,\"generator_cpu_s\":%.2f}\n",
           o->target, o->workload, o->clients, f->seconds, (unsigned long long)f->done,
           (unsigned long long)f->failed, (double)f->done / f->seconds, sum / (double)n,
           f->us[n / 2], f->us[n * 95 / 100], f->us[n * 99 / 100],
           (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
               (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6);
    if (f->failed > 0)
        load_die("%llu requests failed", (unsigned long long)f->failed);
}

/* One connection, one request whose answer or data is large: rows per second. */
static void once(struct load_conn *c, const struct load_protocol *p, enum load_workload w,
                 const struct load_options *o)
{
    int64_t start = load_now_ns();
    if (w == LOAD_BULK) {
        p->bulk(c, o->rows);
    } else {
        c->answer_bytes = 0;
        begin(c, p, w, o, 0);
        load_await(c, p);
    }
    double seconds = (double)(load_now_ns() - start) / 1e9;
    if (c->failed)
        load_die("the request failed");
    printf("{\"target\":\"%s\",\"workload\":\"%s\",\"clients\":1,\"seconds\":%.3f,\"rows\":%ld,"
           "\"per_second\":%.1f,\"bytes\":%llu}\n",
           o->target, o->workload, seconds, o->rows, (double)o->rows / seconds,
           (unsigned long long)c->answer_bytes);
}

/* Reads SQL from standard input, statements separated by lines GO. */
static void run_input(struct load_conn *c, const struct load_protocol *p)
{
    char *line = NULL, *batch = NULL;
    size_t cap = 0, len = 0, batch_cap = 0;
    ssize_t n;
    do {
        n = getline(&line, &cap, stdin);
        bool go = n >= 2 && line[0] == 'G' && line[1] == 'O' && (line[2] == '\n' || line[2] == 0);
        if (n > 0 && !go) {
            if (len + (size_t)n + 1 > batch_cap) {
                batch_cap = (len + (size_t)n + 1) * 2;
                batch = realloc(batch, batch_cap);
                if (batch == NULL)
                    load_die("out of memory");
            }
            memcpy(batch + len, line, (size_t)n + 1);
            len += (size_t)n;
            continue;
        }
        if (len > 0)
            p->run(c, batch);
        len = 0;
    } while (n > 0);
    free(line);
    free(batch);
}

static enum load_workload workload_of(const char *name)
{
    static const char *const names[LOAD_WORKLOADS] = {"tpcb",       "tpcb_step", "insert", "point",
                                                      "point_text", "stream",    "bulk"};
    for (int i = 0; i < LOAD_WORKLOADS; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum load_workload)i;
    load_die("no such workload: %s", name);
}

static void parse_options(struct load_options *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--target") == 0)
            o->target = value;
        else if (strcmp(name, "--host") == 0)
            o->host = value;
        else if (strcmp(name, "--port") == 0)
            o->port = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--user") == 0)
            o->user = value;
        else if (strcmp(name, "--password") == 0)
            o->password = value;
        else if (strcmp(name, "--database") == 0)
            o->database = value;
        else if (strcmp(name, "--workload") == 0)
            o->workload = value;
        else if (strcmp(name, "--clients") == 0)
            o->clients = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            o->seconds = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--scale") == 0)
            o->scale = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--rows") == 0)
            o->rows = strtol(value, NULL, 10);
        else
            load_die("unknown option: %s", name);
    }
    if (o->clients < 1 || o->clients > CLIENTS_MAX)
        load_die("1 to %d clients", CLIENTS_MAX);
}

int main(int argc, char **argv)
{
    static struct load_conn conns[CLIENTS_MAX];
    struct load_options o = {.target = "quire",
                             .host = "127.0.0.1",
                             .user = "",
                             .password = "",
                             .database = "master",
                             .workload = "tpcb",
                             .clients = 16,
                             .seconds = 5,
                             .scale = 16,
                             .rows = 1000000};
    parse_options(&o, argc, argv);
    const struct load_protocol *p = strcmp(o.target, "pg") == 0 ? &load_pg : &load_tds;
    if (strcmp(o.workload, "init") == 0) { /* SQL from standard input */
        p->connect(&conns[0], &o);
        run_input(&conns[0], p);
        return 0;
    }
    if (strcmp(o.workload, "idle") == 0) { /* holds connections until standard input ends */
        for (int i = 0; i < o.clients; i++) {
            p->connect(&conns[i], &o);
            p->run(&conns[i], "SELECT abalance FROM accounts WHERE aid = 1");
        }
        puts("connected");
        fflush(stdout);
        while (getchar() != EOF)
            continue;
        return 0;
    }
    enum load_workload w = workload_of(o.workload);
    bool single = w == LOAD_STREAM || w == LOAD_BULK;
    if (single)
        o.clients = 1;
    for (int i = 0; i < o.clients; i++) {
        conns[i].random = 2463534242u + (uint32_t)i * 7919u + (uint32_t)load_now_ns();
        p->connect(&conns[i], &o);
        if (w != LOAD_BULK)
            p->prepare(&conns[i], w, &o);
    }
    if (single) {
        once(&conns[0], p, w, &o);
        return 0;
    }
    struct figures f = {.us = malloc(SAMPLES_MAX * sizeof f.us[0])};
    if (f.us == NULL)
        load_die("out of memory");
    loop(conns, p, w, &o, &f);
    print(&o, &f);
    return 0;
}
