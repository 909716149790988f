/* txn.c - interactive transactions: each statement its own round trip, time to think between
 * statements.
 *
 *   txn --target quire|pg --port N --user U --password P --database D --mix tpcb|tpcc
 *       [--clients 32] [--seconds 5] [--think 1000 (us)] [--hot 0 (percent)] [--rows 200000]
 * BEGIN, five statements, COMMIT: seven requests a transaction. With --hot every key is with that
 * probability one of HOT_KEYS. A transaction that is given up (deadlock) is rolled back and begun
 * anew with other keys, and counted. Prints one JSON line; begin_us, statement_us and commit_us are
 * means of what a client waited for one answer. */
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 256,
    SAMPLES_MAX = 4 << 20,
    STATEMENTS = 5,
    PARAMETERS_MAX = 4,
    HOT_KEYS = 16,
    ORDERS_PER_CLIENT = 8000000,
};

/* What a parameter is: a key of a table (its share of --rows), an amount, a fresh order number. */
enum value { V_END, V_ACCOUNT, V_TELLER, V_BRANCH, V_AMOUNT, V_NEW_ORDER, V_LAST_ORDER, V_VALUES };

static const int shares[V_VALUES] = {[V_ACCOUNT] = 1, [V_TELLER] = 10, [V_BRANCH] = 100};

struct statement {
    const char *text;
    enum value values[PARAMETERS_MAX];
};

struct kind {
    int percent;
    struct statement statements[STATEMENTS];
};

/* Accounts, tellers and branches are in TPC-B what customers, stock and districts are in TPC-C. */
static const struct kind tpcb[] = {
    {100,
     {{"UPDATE txn_account SET balance = balance + @1 WHERE id = @2", {V_AMOUNT, V_ACCOUNT}},
      {"SELECT balance FROM txn_account WHERE id = @1", {V_ACCOUNT}},
      {"UPDATE txn_teller SET balance = balance + @1 WHERE id = @2", {V_AMOUNT, V_TELLER}},
      {"UPDATE txn_branch SET balance = balance + @1 WHERE id = @2", {V_AMOUNT, V_BRANCH}},
      {"INSERT INTO txn_history (tid, bid, aid, delta) VALUES (@1, @2, @3, @4)",
       {V_TELLER, V_BRANCH, V_ACCOUNT, V_AMOUNT}}}},
};
static const struct kind tpcc[] = {
    {45, /* new order */
     {{"SELECT balance, filler FROM txn_account WHERE id = @1", {V_ACCOUNT}},
      {"UPDATE txn_branch SET orders = orders + 1 WHERE id = @1", {V_BRANCH}},
      {"INSERT INTO txn_order (id, district, customer) VALUES (@1, @2, @3)",
       {V_NEW_ORDER, V_BRANCH, V_ACCOUNT}},
      {"UPDATE txn_teller SET balance = balance - @1 WHERE id = @2", {V_AMOUNT, V_TELLER}},
      {"INSERT INTO txn_line (id, item, amount) VALUES (@1, @2, @3)",
       {V_LAST_ORDER, V_TELLER, V_AMOUNT}}}},
    {43, /* payment */
     {{"UPDATE txn_branch SET balance = balance + @1 WHERE id = @2", {V_AMOUNT, V_BRANCH}},
      {"SELECT balance, filler FROM txn_account WHERE id = @1", {V_ACCOUNT}},
      {"UPDATE txn_account SET balance = balance - @1 WHERE id = @2", {V_AMOUNT, V_ACCOUNT}},
      {"SELECT balance, orders FROM txn_branch WHERE id = @1", {V_BRANCH}},
      {"INSERT INTO txn_history (tid, bid, aid, delta) VALUES (@1, @2, @3, @4)",
       {V_TELLER, V_BRANCH, V_ACCOUNT, V_AMOUNT}}}},
    {12, /* order status */
     {{"SELECT balance, filler FROM txn_account WHERE id = @1", {V_ACCOUNT}},
      {"SELECT district, customer FROM txn_order WHERE id = @1", {V_LAST_ORDER}},
      {"SELECT item, amount FROM txn_line WHERE id = @1", {V_LAST_ORDER}},
      {"SELECT balance FROM txn_teller WHERE id = @1", {V_TELLER}},
      {"SELECT orders FROM txn_branch WHERE id = @1", {V_BRANCH}}}},
};

struct options {
    struct load_options load;
    const struct kind *kinds;
    int kind_count, hot_percent;
    int64_t think_ns;
};

struct client {
    struct load_conn conn;
    int number, kind, step; /* step: 0 BEGIN, 1 to STATEMENTS, then COMMIT; -1 ROLLBACK */
    int32_t values[V_VALUES], last_order;
    int64_t begun_ns, sent_ns;
    bool over;
};

struct figures {
    uint32_t *us;
    size_t count;
    uint64_t committed, given_up;
    int64_t step_ns[STATEMENTS + 2]; /* waited for answers to BEGIN, the statements, COMMIT */
    double seconds;
};

/* Every pause is as long as the others, so those who pause stand in a queue. */
struct pause {
    int64_t due_ns;
    int client;
};
static struct pause pauses[CLIENTS_MAX];
static size_t pause_first, pause_count;

static void choose(struct client *c, const struct options *o)
{
    int dice = (int)load_random(&c->conn, 100);
    for (c->kind = 0; c->kind < o->kind_count - 1 && dice >= o->kinds[c->kind].percent; c->kind++)
        dice -= o->kinds[c->kind].percent;
    for (int v = V_ACCOUNT; v <= V_BRANCH; v++) {
        bool hot = (int)load_random(&c->conn, 100) < o->hot_percent;
        uint32_t rows = (uint32_t)(o->load.rows / shares[v]);
        c->values[v] = (int32_t)(1 + load_random(&c->conn, hot ? HOT_KEYS : rows));
    }
    c->values[V_AMOUNT] = (int32_t)load_random(&c->conn, 10001) - 5000;
    c->values[V_NEW_ORDER] = c->number * ORDERS_PER_CLIENT + ++c->last_order % ORDERS_PER_CLIENT;
    c->values[V_LAST_ORDER] = c->values[V_NEW_ORDER];
    if (c->kind == 2) /* the one before */
        c->values[V_LAST_ORDER]--;
}

static void send_step(struct client *c, const struct options *o, const struct load_protocol *p)
{
    bool pg = p == &load_pg;
    if (c->step == 0)
        p->query(&c->conn, pg ? "BEGIN" : "BEGIN TRAN");
    else if (c->step < 0)
        p->query(&c->conn, pg ? "ROLLBACK" : "IF @@TRANCOUNT > 0 ROLLBACK");
    else if (c->step > STATEMENTS)
        p->query(&c->conn, "COMMIT");
    else {
        const struct statement *s = &o->kinds[c->kind].statements[c->step - 1];
        int32_t values[PARAMETERS_MAX];
        int n = 0;
        for (; n < PARAMETERS_MAX && s->values[n] != V_END; n++)
            values[n] = c->values[s->values[n]];
        p->execute_slot(&c->conn, c->kind * STATEMENTS + c->step - 1, values, n);
    }
    c->sent_ns = load_now_ns();
    load_flush(&c->conn);
}

static void begin(struct client *c, const struct options *o, const struct load_protocol *p)
{
    choose(c, o);
    c->step = 0;
    c->begun_ns = load_now_ns();
    send_step(c, o, p);
}

/* What comes after an answer: the next request at once, or a pause before it. */
static void advance(struct client *c, const struct options *o, const struct load_protocol *p,
                    struct figures *f, int64_t end_ns)
{
    int64_t now = load_now_ns();
    bool failed = c->conn.failed;
    c->conn.failed = false;
    if (c->step >= 0)
        f->step_ns[c->step] += now - c->sent_ns;
    if (failed && c->step >= 0) {
        f->given_up++;
        c->conn.tran = 0; /* the server has rolled it back, or we do now */
        c->step = -1;
        send_step(c, o, p);
        return;
    }
    if (failed)
        load_die("ROLLBACK failed");
    if (c->step > STATEMENTS || c->step < 0) {
        if (c->step > 0) {
            f->committed++;
            if (f->count < SAMPLES_MAX)
                f->us[f->count++] = (uint32_t)((now - c->begun_ns) / 1000);
        }
        c->over = now >= end_ns;
        if (!c->over)
            begin(c, o, p);
        return;
    }
    c->step++;
    if (c->step == 1 || c->step > STATEMENTS || o->think_ns == 0) {
        send_step(c, o, p);
        return;
    }
    pauses[(pause_first + pause_count++) % CLIENTS_MAX] =
        (struct pause){now + o->think_ns, c->number};
}

static void end_pauses(struct client *clients, const struct options *o,
                       const struct load_protocol *p)
{
    while (pause_count > 0 && pauses[pause_first].due_ns <= load_now_ns()) {
        struct client *c = &clients[pauses[pause_first].client];
        pause_first = (pause_first + 1) % CLIENTS_MAX;
        pause_count--;
        send_step(c, o, p);
    }
}

static int await(int epoll, struct epoll_event *events, int count)
{
    int64_t ns = 30000000000;
    if (pause_count > 0) {
        ns = pauses[pause_first].due_ns - load_now_ns();
        ns = ns < 0 ? 0 : ns;
    }
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    int n = epoll_pwait2(epoll, events, count, &t, NULL);
    if (n == 0 && pause_count == 0)
        load_die("no answer within 30 seconds");
    return n;
}

static void loop(struct client *clients, const struct options *o, const struct load_protocol *p,
                 struct figures *f)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel lets every pause be 50 us longer */
    int64_t start = load_now_ns(), end = start + (int64_t)o->load.seconds * 1000000000;
    for (int i = 0; i < o->load.clients; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].conn.fd, &e);
        begin(&clients[i], o, p);
    }
    for (int open = o->load.clients; open > 0;) {
        struct epoll_event events[64];
        int n = await(epoll, events, 64);
        for (int k = 0; k < n; k++) {
            struct client *c = &clients[events[k].data.u32];
            if (!load_read(&c->conn))
                load_die("the server closed connection %d", c->number);
            if (!p->answered(&c->conn))
                continue;
            advance(c, o, p, f, end);
            open -= c->over ? 1 : 0;
        }
        end_pauses(clients, o, p);
    }
    f->seconds = (double)(load_now_ns() - start) / 1e9;
    close(epoll);
}

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print(const struct options *o, struct figures *f)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    qsort(f->us, f->count, sizeof f->us[0], compare_us);
    size_t n = f->count == 0 ? 1 : f->count;
    double mean[STATEMENTS + 2], statement = 0;
    for (int i = 0; i < STATEMENTS + 2; i++)
        mean[i] = (double)f->step_ns[i] / 1000 / (double)(f->committed == 0 ? 1 : f->committed);
    for (int i = 1; i <= STATEMENTS; i++)
        statement += mean[i] / STATEMENTS;
    printf(
        "{\"target\":\"%s\",\"clients\":%d,\"seconds\":%.3f,\"committed\":%llu,\"given_up\":%llu,"
        "\"per_second\":%.1f,\"p50_us\":%u,\"p99_us\":%u,\"begin_us\":%.0f,\"statement_us\":%.0f,"
        "\"commit_us\":%.0f,\"generator_cpu_s\":%.2f}\n",
        o->load.target, o->load.clients, f->seconds, (unsigned long long)f->committed,
        (unsigned long long)f->given_up, (double)f->committed / f->seconds, f->us[n / 2],
        f->us[n * 99 / 100], mean[0], statement, mean[STATEMENTS + 1],
        (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec +
            (double)u.ru_stime.tv_usec / 1e6);
}

static void parse_options(struct options *o, int argc, char **argv)
{
    const char *mix = "tpcb";
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        const struct {
            const char *name;
            const char **text;
            int *number;
        } known[] = {
            {"--target", &o->load.target, NULL},     {"--host", &o->load.host, NULL},
            {"--user", &o->load.user, NULL},         {"--password", &o->load.password, NULL},
            {"--database", &o->load.database, NULL}, {"--mix", &mix, NULL},
            {"--port", NULL, &o->load.port},         {"--clients", NULL, &o->load.clients},
            {"--seconds", NULL, &o->load.seconds},   {"--hot", NULL, &o->hot_percent},
        };
        size_t k = 0, count = sizeof known / sizeof known[0];
        while (k < count && strcmp(known[k].name, name) != 0)
            k++;
        if (k < count && known[k].text != NULL)
            *known[k].text = value;
        else if (k < count)
            *known[k].number = (int)strtol(value, NULL, 10);
        else if (strcmp(name, "--think") == 0)
            o->think_ns = strtol(value, NULL, 10) * 1000;
        else if (strcmp(name, "--rows") == 0)
            o->load.rows = strtol(value, NULL, 10);
        else
            load_die("unknown option: %s", name);
    }
    bool is_tpcb = strcmp(mix, "tpcb") == 0;
    o->kinds = is_tpcb ? tpcb : tpcc;
    o->kind_count = is_tpcb ? 1 : 3;
    if (o->load.clients < 1 || o->load.clients > CLIENTS_MAX ||
        (!is_tpcb && strcmp(mix, "tpcc") != 0))
        load_die("1 to %d clients, --mix tpcb or tpcc", CLIENTS_MAX);
}

static void prepare(struct client *c, const struct options *o, const struct load_protocol *p)
{
    for (int kind = 0; kind < o->kind_count; kind++) {
        for (int i = 0; i < STATEMENTS; i++) {
            const struct statement *s = &o->kinds[kind].statements[i];
            int n = 0;
            while (n < PARAMETERS_MAX && s->values[n] != V_END)
                n++;
            p->prepare_slot(&c->conn, kind * STATEMENTS + i, s->text, n);
        }
    }
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    struct options o = {.load = {.target = "quire",
                                 .host = "127.0.0.1",
                                 .user = "",
                                 .password = "",
                                 .database = "bench",
                                 .workload = "txn",
                                 .clients = 32,
                                 .seconds = 5,
                                 .rows = 200000},
                        .think_ns = 1000000};
    parse_options(&o, argc, argv);
    const struct load_protocol *p = strcmp(o.load.target, "pg") == 0 ? &load_pg : &load_tds;
    struct figures f = {.us = malloc(SAMPLES_MAX * sizeof f.us[0])};
    if (f.us == NULL)
        load_die("out of memory");
    for (int i = 0; i < o.load.clients; i++) {
        clients[i].number = i;
        clients[i].last_order = (int32_t)(load_now_ns() / 1000000 % ORDERS_PER_CLIENT);
        clients[i].conn.random = 2463534242u + (uint32_t)i * 7919u + (uint32_t)load_now_ns();
        p->connect(&clients[i].conn, &o.load);
        prepare(&clients[i], &o, p);
    }
    loop(clients, &o, p, &f);
    print(&o, &f);
    return 0;
}
