/* harness.h - a database in a temporary directory, and sessions whose results become a transcript.
 */
#pragma once
#include "qr_test.h"
#include "engine/engine.h"
#include "env/env.h"
#include "store/store.h"

struct fixture {
    struct qr_instance *instance;
    struct qr_database *db;
    char dir[256];
};

struct client {
    struct qr_session *session;
    struct qr_store *store;
    struct qr_buf out; /* transcript of the last request */
    const struct qr_plan_column *columns;
    struct qr_type types[256];
    size_t column_count;
    bool ended;          /* the last token was a DONE */
    _Atomic bool waits;  /* it has told its pool that it blocks */
    _Atomic bool cancel; /* attention is pending */
    uint64_t rows;
    bool show_set;   /* the DONEs of SET options are printed too */
    bool count_only; /* rows are counted, not printed */
};

void fixture_open(struct fixture *f);
/* On a store of the caller's, which goes with it. */
void fixture_open_on(struct fixture *f, struct qr_store *own_store);
void fixture_close(struct fixture *f);
/* Closes the database and opens it again from its files. */
void fixture_reopen(struct fixture *f);

void client_open(struct fixture *f, struct client *c);
/* As the user of that login: the server has those whose names begin with "login". */
void client_open_login(struct fixture *f, struct client *c, const char *login);
/* As the database's own user. */
void client_open_user(struct fixture *f, struct client *c, const char *user);
/* The number of the error that keeps such a session from being opened; 0: nothing does. */
int client_refused(struct fixture *f, const struct qr_session_options *options);
/* The SID of a login: it lives as long as `login`. */
struct qr_str client_sid(const char *login);
void client_close(struct client *c);
/* Runs a batch; the transcript lives until the next request. One line a token:
 *   COLS a int, b varchar(5)    ROW 1|x|NULL    DONE 2    DONE    DONE error    DONEINPROC ..
 *   DONEPROC    MSG 547 16 0 line 1: text    INFO 0: text    STATUS 0    RET @a=5    ENV BEGIN */
const char *run(struct client *c, const char *sql);
const struct qr_sink *client_sink(struct client *c);
/* Waits, as a server does before it answers, until what the last request committed is durable. */
void settle(struct client *c);
/* Runs `sql`, which must print exactly `want`; tells both when not. */
void expect(struct client *c, const char *sql, const char *want);

struct batch {
    const char *sql, *want;
};
/* A fresh database answers one after the other as written. */
void answer_as_written(const struct batch *batches, size_t count);
/* All of a test program: one test, which does that. */
int test_batches(const char *name, const struct batch *batches, size_t count);
