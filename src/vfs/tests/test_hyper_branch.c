/* test_hyper_branch.c - copies, restores and deletions of Hyperscale databases on simulated
 * services: whoever makes them dies between any two steps, machines lose power, parents go before
 * children. */
#include "hyper_world.h"
#include "store/hyper_branch.h"

static struct qr_conn *connect_to(struct qr_store *store)
{
    struct qr_conn *conn = NULL;
    struct qr_err err = {0};
    hw_check(qr_conn_open(store, NULL, &conn, &err), &err);
    return conn;
}

static void commit(struct qr_conn *conn, const char *sql)
{
    struct qr_err err = {0};
    hw_check(qr_conn_lock_writer(conn, 1, NULL, NULL, &err), &err);
    if (sqlite3_exec(qr_conn_db(conn), sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)));
    qr_conn_unlock_writer(conn);
    hw_check(qr_store_wait_durable(qr_conn_store(conn), qr_conn_commit_lsn(conn), &err), &err);
}

static int64_t number(struct qr_conn *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(qr_conn_db(conn), sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(qr_conn_db(conn)));
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

#define SOUND "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"

static struct qr_timeline timeline_no(int no)
{
    return (struct qr_timeline){{0xb0, (uint8_t)no}};
}

/* The database of a timeline, opened by a node of that name. */
static struct qr_store *open_timeline(struct hw *w, const struct qr_timeline *t, const char *node)
{
    struct qr_timeline before = w->slice.timeline;
    w->slice.timeline = *t;
    struct qr_store *store = hw_store(w, node);
    w->slice.timeline = before;
    return store;
}

static void close_store(struct qr_conn *conn)
{
    struct qr_err err = {0};
    struct qr_store *store = qr_conn_store(conn);
    qr_conn_close(conn);
    hw_check(qr_store_close(store, &err), &err);
}

/* --- who dies between two calls --- */

struct mortal {
    struct qr_rpc_peer peer; /* first */
    struct qr_rpc_peer *to;
    int *calls_left; /* shared; at 0 the process is dead */
    bool acts;       /* the last call still reaches the service, its answer nobody */
};

static void mortal_start(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    struct mortal *m = (struct mortal *)peer;
    if (*m->calls_left > 0)
        qr_rpc_start(m->to, call);
}

static void drop_answer(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    (void)call, (void)reply;
}

static void mortal_wait(struct qr_rpc_peer *peer, struct qr_rpc_call *call)
{
    struct mortal *m = (struct mortal *)peer;
    if (*m->calls_left > 0) {
        qr_rpc_wait(m->to, call);
        --*m->calls_left;
        return;
    }
    if (m->acts && *m->calls_left == 0) {
        struct qr_rpc_call copy = {.method = call->method,
                                   .body_count = call->body_count,
                                   .timeout_ns = call->timeout_ns,
                                   .done = drop_answer};
        memcpy(copy.body, call->body, sizeof copy.body);
        qr_rpc_start(m->to, &copy);
        qr_rpc_wait(m->to, &copy);
    }
    --*m->calls_left;
    struct qr_err err = {0};
    (void)!qr_fail(&err, QR_CANCELLED, "killed");
    call->done(call, &(struct qr_rpc_reply){.status = QR_CANCELLED, .err = &err});
}

static const struct qr_rpc_peer_ops mortal_ops = {.start = mortal_start, .wait = mortal_wait};

static struct qr_hyper_services services_of(struct hw *w)
{
    struct qr_hyper_options h = hw_options(w, "control");
    return (struct qr_hyper_services){.log = h.log,
                                      .pages = h.pages,
                                      .env = qr_sim_env(w->compute_sim),
                                      .pause = hw_pause,
                                      .pause_ctx = w};
}

static struct qr_hyper_base must_branch(struct hw *w, const struct qr_timeline *parent,
                                        const struct qr_hyper_point *point,
                                        const struct qr_timeline *child)
{
    struct qr_hyper_services s = services_of(w);
    struct qr_hyper_base base;
    struct qr_err err = {0};
    hw_check(qr_hyper_branch(&s, parent, 1, point, child, &base, &err), &err);
    return base;
}

static uint64_t wall(struct hw *w)
{
    return (uint64_t)qr_env_wall_ns(qr_sim_env(w->compute_sim));
}

/* --- tests --- */

static void test_a_copy_has_what_was_committed_and_lives_on_its_own(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 21, NULL);
    struct qr_conn *parent = connect_to(hw_store(&w, "a"));
    commit(parent, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES(1, 'one')");
    struct qr_timeline child = timeline_no(1);
    must_branch(&w, &w.slice.timeline, &(struct qr_hyper_point){QR_POINT_NOW}, &child);
    commit(parent, "INSERT INTO t VALUES(2, 'parent')");
    struct qr_conn *copy = connect_to(open_timeline(&w, &child, "b"));
    assert_int_equal(number(copy, "SELECT count(*) FROM t"), 1);
    commit(copy, "INSERT INTO t VALUES(2, 'copy'); INSERT INTO t VALUES(3, 'copy')");
    assert_int_equal(number(parent, "SELECT count(*) FROM t"), 2);
    assert_int_equal(number(parent, "SELECT count(*) FROM t WHERE b = 'copy'"), 0);
    close_store(copy);
    copy = connect_to(open_timeline(&w, &child, "c"));
    assert_int_equal(number(copy, "SELECT count(*) FROM t WHERE b = 'copy'"), 2);
    assert_int_equal(number(copy, SOUND), 1);
    close_store(copy);
    close_store(parent);
    hw_end(&w);
}

static void test_a_restore_stops_at_the_commit_before_its_time(void **state)
{
    (void)state;
    enum { COMMITS = 12 };
    struct hw w;
    uint64_t after[COMMITS];
    hw_begin(&w, 22, NULL);
    struct qr_conn *parent = connect_to(hw_store(&w, "a"));
    uint64_t start = wall(&w);
    commit(parent, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    for (int i = 0; i < COMMITS; i++) {
        qr_simnet_run(w.net, 700 * HW_MS);
        char sql[128];
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, hex(zeroblob(3000)))", i);
        commit(parent, sql);
        after[i] = wall(&w);
    }
    for (int i = 0; i < COMMITS; i += 5) {
        struct qr_timeline child = timeline_no(1 + i);
        struct qr_hyper_base base = must_branch(
            &w, &w.slice.timeline,
            &(struct qr_hyper_point){.kind = QR_POINT_TIME, .wall_ns = after[i]}, &child);
        assert_true(base.wall_ns <= after[i]);
        struct qr_conn *copy = connect_to(open_timeline(&w, &child, "b"));
        assert_int_equal(number(copy, "SELECT count(*) FROM t"), i + 1);
        assert_int_equal(number(copy, SOUND), 1);
        close_store(copy);
        /* A branch of the branch, at the commit that it began with. */
        struct qr_timeline grandchild = timeline_no(100 + i);
        must_branch(&w, &child, &(struct qr_hyper_point){.kind = QR_POINT_LSN, .lsn = base.lsn},
                    &grandchild);
        copy = connect_to(open_timeline(&w, &grandchild, "b"));
        assert_int_equal(number(copy, "SELECT max(a) FROM t"), i);
        close_store(copy);
    }
    struct qr_hyper_services s = services_of(&w);
    struct qr_hyper_base base;
    struct qr_timeline none = timeline_no(99), child = timeline_no(1);
    struct qr_hyper_point early = {.kind = QR_POINT_TIME, .wall_ns = after[0]};
    assert_int_equal(
        qr_hyper_branch(&s, &none, 1, &early, &(struct qr_timeline){{0xb0, 98}}, &base, NULL),
        QR_NOT_FOUND);
    /* The child of a restore begins where it was made. */
    early.wall_ns = start - 1000000;
    assert_int_equal(qr_hyper_branch(&s, &child, 1, &early, &none, &base, NULL), QR_NOT_FOUND);
    close_store(parent);
    hw_end(&w);
}

/* Goal: whoever makes a branch may die after any call, with or without its answer, and a second try
 * finishes what the first began, at the same commit. Method: raise the number of calls that it
 * lives for until it lives through; in odd rounds both services lose power in between. */
static void test_a_branch_is_finished_after_a_crash_between_any_two_steps(void **state)
{
    (void)state;
    struct hw w;
    int round = 0;
    bool through = false;
    hw_begin(&w, 23, NULL);
    struct qr_conn *parent = connect_to(hw_store(&w, "a"));
    commit(parent, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    for (; !through; round++) {
        char sql[128];
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, hex(zeroblob(2000)))", round);
        commit(parent, sql);
        int left = round / 2;
        struct qr_hyper_services s = services_of(&w);
        struct mortal log = {.peer = {&mortal_ops}, .to = s.log, .calls_left = &left},
                      pages = {.peer = {&mortal_ops}, .to = s.pages, .calls_left = &left};
        log.acts = pages.acts = round % 2 == 1;
        s.log = &log.peer;
        s.pages = &pages.peer;
        struct qr_timeline child = timeline_no(1 + round);
        struct qr_hyper_point now = {QR_POINT_NOW};
        struct qr_hyper_base first = {{0}, 0}, second;
        enum qr_status status =
            qr_hyper_branch(&s, &w.slice.timeline, 1, &now, &child, &first, NULL);
        assert_true(status == QR_OK || status == QR_CANCELLED);
        through = left >= 0;
        struct qr_logsvc_state decided = {0};
        bool was_decided = qr_logsvc_state(w.log, &child, &decided, NULL) == QR_OK;
        int rows_then = round + 1;
        commit(parent, "UPDATE t SET b = 'later' WHERE a = 0");
        if (round % 2 == 1) {
            hw_pages_fail(&w);
            hw_log_fails(&w, 5 * HW_MS);
            qr_simnet_run(w.net, 20 * HW_MS);
        }
        second = must_branch(&w, &w.slice.timeline, &now, &child);
        if (was_decided)
            assert_int_equal(second.lsn.v, decided.branch_lsn);
        if (status == QR_OK)
            assert_int_equal(second.lsn.v, first.lsn.v);
        struct qr_conn *copy = connect_to(open_timeline(&w, &child, "b"));
        assert_int_equal(number(copy, "SELECT count(*) FROM t"), rows_then);
        assert_int_equal(number(copy, SOUND), 1);
        commit(copy, "INSERT INTO t VALUES(10000, 'child')");
        close_store(copy);
    }
    assert_true(round > 2 * 4);
    close_store(parent);
    assert_int_equal(w.fatal_count, 0);
    hw_end(&w);
}

static void test_a_branch_waits_no_longer_than_it_may_for_page_servers(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 24, NULL);
    struct qr_conn *parent = connect_to(hw_store(&w, "a"));
    commit(parent, "CREATE TABLE t(a)");
    w.feeding_stopped = true;
    commit(parent, "INSERT INTO t VALUES(1)");
    struct qr_hyper_services s = services_of(&w);
    s.timeout_ns = 2000 * HW_MS;
    struct qr_timeline child = timeline_no(1);
    struct qr_hyper_point now = {QR_POINT_NOW};
    struct qr_hyper_base base;
    int64_t begin = qr_env_mono_ns(s.env);
    assert_int_equal(qr_hyper_branch(&s, &w.slice.timeline, 1, &now, &child, &base, NULL), QR_BUSY);
    assert_true(qr_env_mono_ns(s.env) - begin < 10000 * HW_MS);
    w.feeding_stopped = false;
    must_branch(&w, &w.slice.timeline, &now, &child);
    struct qr_conn *copy = connect_to(open_timeline(&w, &child, "b"));
    assert_int_equal(number(copy, "SELECT sum(a) FROM t"), 1);
    close_store(copy);
    close_store(parent);
    hw_end(&w);
}

/* What goes on beside: page servers work until they have nothing to do. */
static void let_work(struct hw *w)
{
    qr_simnet_run(w->net, 400 * HW_MS);
}

static void test_a_dropped_parent_lives_until_its_last_child_is_done(void **state)
{
    (void)state;
    struct hw w;
    hw_begin(&w, 25, NULL);
    struct qr_hyper_services s = services_of(&w);
    struct qr_err err = {0};
    struct qr_conn *parent = connect_to(hw_store(&w, "a"));
    commit(parent, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 500)"
                   "INSERT INTO t SELECT i, hex(zeroblob(400)) FROM n");
    struct qr_timeline child = timeline_no(1), grandchild = timeline_no(2);
    struct qr_hyper_point now = {QR_POINT_NOW};
    struct qr_hyper_base first = must_branch(&w, &w.slice.timeline, &now, &child);
    struct qr_conn *copy = connect_to(open_timeline(&w, &child, "b"));
    commit(copy, "DELETE FROM t WHERE a > 400");
    struct qr_hyper_base second = must_branch(&w, &child, &now, &grandchild);
    close_store(parent);
    close_store(copy);

    struct qr_hyper_heir heirs[] = {{child, first.lsn}, {grandchild, first.lsn}};
    hw_check(qr_hyper_drop(&s, &w.slice.timeline, 1, heirs, 2, &err), &err);
    struct qr_hyper_heir last = {grandchild, second.lsn};
    hw_check(qr_hyper_drop(&s, &child, 1, &last, 1, &err), &err);
    hw_check(qr_hyper_drop(&s, &child, 1, &last, 1, &err), &err); /* again */
    let_work(&w);
    bool gone = true;
    hw_check(qr_hyper_is_gone(&s, &w.slice.timeline, 1, &gone, &err), &err);
    assert_false(gone);
    hw_pages_fail(&w); /* the grandchild has to be found without their log */
    hw_check(qr_hyper_is_gone(&s, &grandchild, 1, &gone, &err), &err);
    assert_false(gone);
    copy = connect_to(open_timeline(&w, &grandchild, "c"));
    assert_int_equal(number(copy, "SELECT count(*) FROM t"), 400);
    assert_int_equal(number(copy, SOUND), 1);
    close_store(copy);

    hw_check(qr_hyper_drop(&s, &grandchild, 1, NULL, 0, &err), &err);
    let_work(&w);
    hw_check(qr_hyper_is_gone(&s, &grandchild, 1, &gone, &err), &err);
    assert_false(gone); /* its parents are not served: nobody would hear that it has gone */
    const struct qr_timeline *all[] = {&w.slice.timeline, &child, &grandchild};
    for (int i = 0; i < 3; i++)
        hw_check(qr_hyper_is_gone(&s, all[i], 1, &gone, &err), &err);
    for (int i = 2; i >= 0; i--) {
        for (int k = 0; k < 10 && !gone; k++) {
            let_work(&w);
            hw_check(qr_hyper_is_gone(&s, all[i], 1, &gone, &err), &err);
        }
        assert_true(gone);
        gone = false;
    }
    hw_end(&w);
}

/* Everything is rewritten, until the page server has an image as of the last commit: where a layer
 * ends and an image is, collection goes furthest. */
static void rewrite(struct hw *w, struct qr_conn *conn, int value)
{
    struct qr_pagesvc_stats before, now;
    struct qr_err err = {0};
    char sql[128];
    qr_pagesvc_get_stats(w->pages, &before);
    do {
        snprintf(sql, sizeof sql, "UPDATE t SET v = %d, b = hex(randomblob(300))", value);
        commit(conn, sql);
        qr_simnet_run(w->net, 20 * HW_MS);
        hw_check(qr_pagesvc_flush(w->pages, &w->slice, &err), &err);
        let_work(w);
        qr_pagesvc_get_stats(w->pages, &now);
    } while (now.image_bytes == before.image_bytes);
}

enum { ROUNDS = 5, PINNED = 1, HORIZON = 3 }; /* so few that layers are not merged */

/* Writes ROUNDS states half an hour apart, and gives up what is before the one of HORIZON. */
static struct qr_conn *write_states(struct hw *w, uint64_t after[ROUNDS],
                                    const struct qr_timeline *pin, struct qr_hyper_base *pinned)
{
    struct qr_hyper_services s = services_of(w);
    struct qr_err err = {0};
    struct qr_conn *conn = connect_to(hw_store(w, "a"));
    commit(conn, "CREATE TABLE t(a INTEGER PRIMARY KEY, v INTEGER, b TEXT);"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300)"
                 "INSERT INTO t SELECT i, -1, '' FROM n");
    for (int i = 0; i < ROUNDS; i++) {
        rewrite(w, conn, i);
        after[i] = wall(w);
        if (i == PINNED && pin != NULL)
            hw_check(qr_hyper_pin(&s, &w->slice.timeline, 1, &(struct qr_hyper_point){QR_POINT_NOW},
                                  pin, pinned, &err),
                     &err);
        qr_sim_advance(w->log_sim, 1800 * 1000 * HW_MS);
        qr_simnet_run(w->net, 20 * HW_MS);
    }
    struct qr_hyper_retained kept;
    hw_check(qr_hyper_retain(&s, &w->slice.timeline, 1, after[HORIZON], NULL, 0, &kept, &err),
             &err);
    assert_true(kept.horizon.wall_ns <= after[HORIZON] && kept.horizon.lsn.v > 0);
    assert_true(kept.trimmed.v > 0 && kept.trimmed.v < kept.horizon.lsn.v);
    let_work(w);
    return conn;
}

static void assert_branch_has(struct hw *w, const struct qr_hyper_point *at, int child_no,
                              int state)
{
    struct qr_timeline child = timeline_no(child_no);
    must_branch(w, &w->slice.timeline, at, &child);
    struct qr_conn *copy = connect_to(open_timeline(w, &child, "b"));
    assert_int_equal(number(copy, "SELECT min(v) FROM t"), state);
    assert_int_equal(number(copy, "SELECT max(v) FROM t"), state);
    assert_int_equal(number(copy, SOUND), 1);
    close_store(copy);
}

static void test_what_is_retained_can_be_restored_and_nothing_before_it(void **state)
{
    (void)state;
    struct hw w;
    uint64_t after[ROUNDS];
    hw_begin(&w, 26, NULL);
    struct qr_conn *parent = write_states(&w, after, NULL, NULL);
    struct qr_hyper_services s = services_of(&w);
    for (int i = 0; i < ROUNDS; i++) {
        struct qr_hyper_point at = {.kind = QR_POINT_TIME, .wall_ns = after[i]};
        struct qr_timeline child = timeline_no(1 + i);
        struct qr_hyper_base base;
        if (i >= HORIZON) {
            assert_branch_has(&w, &at, 1 + i, i);
            continue;
        }
        enum qr_status status = qr_hyper_branch(&s, &w.slice.timeline, 1, &at, &child, &base, NULL);
        assert_true(status == QR_NOT_FOUND || status == QR_INVALID);
    }
    close_store(parent);
    hw_end(&w);
}

static void test_a_pin_is_a_backup_that_outlasts_retention(void **state)
{
    (void)state;
    struct hw w;
    struct qr_err err = {0};
    uint64_t after[ROUNDS];
    hw_begin(&w, 27, NULL);
    struct qr_timeline pin = timeline_no(200), late = timeline_no(202);
    struct qr_hyper_base pinned = {{0}, 0}, base;
    struct qr_conn *parent = write_states(&w, after, &pin, &pinned);
    struct qr_hyper_services s = services_of(&w);
    struct qr_hyper_point at_pin = {.kind = QR_POINT_LSN, .lsn = pinned.lsn};
    assert_branch_has(&w, &at_pin, 201, PINNED);
    assert_branch_has(&w, &(struct qr_hyper_point){QR_POINT_NOW}, 203, ROUNDS - 1);
    hw_check(qr_hyper_unpin(&s, &w.slice.timeline, 1, &pin, &err), &err);
    assert_int_equal(qr_hyper_branch(&s, &w.slice.timeline, 1, &at_pin, &late, &base, NULL),
                     QR_INVALID);
    close_store(parent);
    hw_end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_has_what_was_committed_and_lives_on_its_own),
        cmocka_unit_test(test_a_restore_stops_at_the_commit_before_its_time),
        cmocka_unit_test(test_a_branch_is_finished_after_a_crash_between_any_two_steps),
        cmocka_unit_test(test_a_branch_waits_no_longer_than_it_may_for_page_servers),
        cmocka_unit_test(test_a_dropped_parent_lives_until_its_last_child_is_done),
        cmocka_unit_test(test_what_is_retained_can_be_restored_and_nothing_before_it),
        cmocka_unit_test(test_a_pin_is_a_backup_that_outlasts_retention),
    };
    return cmocka_run_group_tests_name("vfs/hyper_branch", tests, NULL, NULL);
}
