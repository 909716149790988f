/* users_bed.h - one database, dbo in it, and what statements of its users give. */
#pragma once
#include "harness.h"
#include <stdlib.h>

static struct fixture f;
static struct client dbo;

static inline int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    client_open(&f, &dbo);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    client_close(&dbo);
    fixture_close(&f);
    return 0;
}

/* The statement does what it does, or fails with that number. */
static inline void gives(struct client *c, const char *sql, int number)
{
    const char *said = run(c, sql);
    const char *msg = strstr(said, "MSG ");
    if (number != (msg == NULL ? 0 : (int)strtol(msg + 4, NULL, 10)))
        fail_msg("%s: wanted %d, got %s", sql, number, said);
}

static inline void ok(struct client *c, const char *sql)
{
    gives(c, sql, 0);
}

/* Closes the database, which only dbo uses now, and opens it again. */
static inline void reopen(void)
{
    client_close(&dbo);
    fixture_reopen(&f);
    client_open(&f, &dbo);
}

/* The rows alone. */
static inline void rows(struct client *c, const char *sql, const char *want)
{
    static char got[16384];
    size_t n = 0;
    const char *line = run(c, sql);
    for (const char *end; *line != '\0'; line = *end == '\0' ? end : end + 1) {
        end = strchr(line, '\n') == NULL ? line + strlen(line) : strchr(line, '\n');
        if (strncmp(line, "ROW ", 4) != 0 && strncmp(line, "MSG ", 4) != 0)
            continue;
        size_t bytes = (size_t)(end - line) - 4;
        assert_true(n + bytes + 2 < sizeof got);
        memcpy(got + n, line + 4, bytes);
        n += bytes;
        got[n++] = '\n';
    }
    got[n] = '\0';
    if (strcmp(got, want) != 0)
        fail_msg("%s\nwanted\n%sgot\n%s", sql, want, got);
}

static inline int refused(const char *login)
{
    const struct qr_session_options options = {.login = qr_str(login), .sid = client_sid(login)};
    return client_refused(&f, &options);
}
