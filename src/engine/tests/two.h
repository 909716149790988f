/* two.h - two sessions on one database, one of which may have to wait for the other. */
#pragma once
#include <pthread.h>
#include <sched.h>
#include "harness.h"

struct two {
    struct fixture f;
    struct client a, b;
};

static inline void two_open(struct two *t, const char *setup)
{
    fixture_open(&t->f);
    client_open(&t->f, &t->a);
    client_open(&t->f, &t->b);
    (void)run(&t->a, setup);
    settle(&t->a);
}

static inline void two_close(struct two *t)
{
    client_close(&t->a);
    client_close(&t->b);
    fixture_close(&t->f);
}

static inline void compare_lines(struct client *c, const char *sql, bool states, const char *want)
{
    char got[4096] = "";
    const char *out = run(c, sql);
    while (*out != '\0') {
        const char *end = strchr(out, '\n') + 1;
        bool is_state = strncmp(out, "ENV ", 4) == 0 || strncmp(out, "DONE\n", 5) == 0;
        if (strncmp(out, "COLS ", 5) != 0 && (states || !is_state))
            strncat(got, out, (size_t)(end - out));
        out = end;
    }
    if (strcmp(got, want) != 0)
        fail_msg("\"%s\" gave\n%s\ninstead of\n%s", sql, got, want);
}

/* As expect, but only rows, messages and counts. */
static inline void answers(struct client *c, const char *sql, const char *want)
{
    compare_lines(c, sql, false, want);
}

/* As expect, but for the names of columns. */
static inline void replies(struct client *c, const char *sql, const char *want)
{
    compare_lines(c, sql, true, want);
}

/* A request on a thread of its own, which may have to wait. */
struct later {
    pthread_t thread;
    struct client *client;
    const char *sql;
    char out[4096];
    _Atomic bool done;
};

static inline void *later_run(void *arg)
{
    struct later *l = arg;
    snprintf(l->out, sizeof l->out, "%s", run(l->client, l->sql));
    atomic_store(&l->done, true);
    return NULL;
}

static inline void later_start(struct later *l, struct client *client, const char *sql)
{
    *l = (struct later){.client = client, .sql = sql};
    atomic_store(&client->waits, false);
    assert_int_equal(pthread_create(&l->thread, NULL, later_run, l), 0);
    while (!atomic_load(&client->waits) && !atomic_load(&l->done))
        sched_yield();
    if (atomic_load(&l->done))
        fail_msg("\"%s\" did not wait: %s", l->sql, l->out);
}

/* Its answer has `want` in it. */
static inline void later_end(struct later *l, const char *want)
{
    pthread_join(l->thread, NULL);
    if (strstr(l->out, want) == NULL)
        fail_msg("\"%s\" gave\n%s\nwithout\n%s", l->sql, l->out, want);
}

/* Its answer is `want`. */
static inline void later_is(struct later *l, const char *want)
{
    pthread_join(l->thread, NULL);
    if (strcmp(l->out, want) != 0)
        fail_msg("\"%s\" gave\n%s\ninstead of\n%s", l->sql, l->out, want);
}
