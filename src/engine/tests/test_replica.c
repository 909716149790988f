/* test_replica.c - sessions on a replica: what they see of DDL, what they are refused, and how they
 * go on when it is promoted. */
#include "harness.h"
#include "hyper_world.h"

struct cluster {
    struct hw w;
    struct fixture primary, replica;
};

static struct qr_store *replica_store(struct hw *w)
{
    struct qr_store_options o = {.env = qr_sim_env(w->compute_sim),
                                 .page_bytes = HW_PAGE_BYTES,
                                 .cache_bytes = 1 << 20,
                                 .threads_off = true,
                                 .fatal = hw_fatal,
                                 .fatal_ctx = w};
    struct qr_hyper_options h = hw_options(w, "r");
    h.feed_wait_ns = 50 * HW_MS;
    h.feed_answer_ns = 50 * HW_MS;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    hw_check(qr_hyper_open_replica("/r", &o, &h, &store, &err), &err);
    return store;
}

static void begin(struct cluster *c, uint64_t seed)
{
    hw_begin(&c->w, seed, NULL);
    fixture_open_on(&c->primary, hw_store(&c->w, "a"));
    fixture_open_on(&c->replica, replica_store(&c->w));
}

static void end(struct cluster *c)
{
    fixture_close(&c->replica);
    fixture_close(&c->primary);
    hw_end(&c->w);
}

/* On the primary, durable, and applied by the replica. */
static void change(struct cluster *c, struct client *on_primary, const char *sql, const char *want)
{
    expect(on_primary, sql, want);
    settle(on_primary);
    struct qr_store *from = qr_database_store(c->primary.db);
    struct qr_store *to = qr_database_store(c->replica.db);
    for (int i = 0; i < 1000 && qr_store_durable_lsn(to).v < qr_store_durable_lsn(from).v; i++) {
        qr_hyper_step(to);
        qr_simnet_run(c->w.net, HW_MS);
    }
    assert_int_equal(qr_store_durable_lsn(to).v, qr_store_durable_lsn(from).v);
}

static void test_a_replica_sees_ddl_when_it_is_applied(void **state)
{
    (void)state;
    struct cluster c;
    struct client a, r, s;
    begin(&c, 41);
    client_open(&c.primary, &a);
    client_open(&c.replica, &r);
    client_open(&c.replica, &s);
    expect(&r, "SELECT a FROM t", "MSG 208 16 1 line 1: Invalid object name 't'.\nDONE error\n");
    change(&c, &a, "CREATE TABLE t(a int PRIMARY KEY, b nvarchar(20)); INSERT t VALUES(1, N'x')",
           "DONE\nDONE 1\n");
    expect(&r, "SELECT a, b FROM t", "COLS a int, b nvarchar(20)\nROW 1|x\nDONE 1\n");
    expect(&s, "SELECT a FROM t", "COLS a int\nROW 1\nDONE 1\n");
    change(&c, &a, "ALTER TABLE t ADD c int NOT NULL DEFAULT 7", "DONE\n");
    expect(&r, "SELECT * FROM t", "COLS a int, b nvarchar(20), c int\nROW 1|x|7\nDONE 1\n");
    change(&c, &a, "CREATE PROCEDURE p AS SELECT c FROM t", "DONE\n");
    expect(&s, "EXEC p", "COLS c int\nROW 7\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    change(&c, &a, "ALTER PROCEDURE p AS SELECT c + 1 AS d FROM t", "DONE\n");
    expect(&s, "EXEC p", "COLS d int\nROW 8\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    change(&c, &a, "DROP TABLE t", "DONE\n");
    expect(&r, "SELECT a FROM t", "MSG 208 16 1 line 1: Invalid object name 't'.\nDONE error\n");
    client_close(&a);
    client_close(&r);
    client_close(&s);
    end(&c);
}

static void test_a_transaction_on_a_replica_keeps_its_snapshot_over_ddl(void **state)
{
    (void)state;
    struct cluster c;
    struct client a, r, s;
    begin(&c, 42);
    client_open(&c.primary, &a);
    client_open(&c.replica, &r);
    client_open(&c.replica, &s);
    change(&c, &a, "CREATE TABLE t(a int); INSERT t VALUES(1),(2)", "DONE\nDONE 2\n");
    change(&c, &a, "CREATE TABLE u(a int)", "DONE\n");
    run(&r, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN");
    expect(&r, "SELECT count(*) AS n FROM t", "COLS n int\nROW 2\nDONE 1\n");
    change(&c, &a, "ALTER TABLE t ADD b int; INSERT t VALUES(3, 3)", "DONE\nDONE 1\n");
    change(&c, &a, "INSERT u VALUES(1)", "DONE 1\n");
    expect(&s, "SELECT count(*) AS n FROM t", "COLS n int\nROW 3\nDONE 1\n");
    expect(&s, "SELECT max(b) AS m FROM t", "COLS m int\nROW 3\nDONE 1\n");
    expect(&r, "SELECT count(*) AS n FROM u", "COLS n int\nROW 0\nDONE 1\n");
    if (strstr(run(&r, "SELECT count(*) AS n FROM t"), "MSG 3961 16 1") == NULL)
        fail_msg("%s", "a table that was changed since the snapshot is read");
    expect(&r, "SELECT @@TRANCOUNT AS n, max(b) AS m FROM t",
           "COLS n int, m int\nROW 0|3\nDONE 1\n");
    /* every transaction there reads a snapshot, as on a readable secondary */
    run(&r, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRAN");
    expect(&r, "SELECT count(*) AS n FROM t", "COLS n int\nROW 3\nDONE 1\n");
    change(&c, &a, "DELETE t", "DONE 3\n");
    expect(&r, "SELECT count(*) AS n FROM t", "COLS n int\nROW 3\nDONE 1\n");
    run(&r, "COMMIT");
    client_close(&a);
    client_close(&r);
    client_close(&s);
    end(&c);
}

static void test_writes_to_a_replica_are_refused_but_for_temporary_tables(void **state)
{
    (void)state;
    struct cluster c;
    struct client a, r;
    begin(&c, 43);
    client_open(&c.primary, &a);
    client_open(&c.replica, &r);
    change(&c, &a, "CREATE TABLE t(a int)", "DONE\n");
    static const char *const writes[] = {"INSERT t VALUES(1)", "DELETE t", "CREATE TABLE u(a int)",
                                         "UPDATE t SET a = 1", "DROP TABLE t"};
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++)
        if (strstr(run(&r, writes[i]), "MSG 3906 16 2 line 1: Failed to update database") == NULL)
            fail_msg("%s: %s", writes[i], run(&r, writes[i]));
    expect(&r, "CREATE TABLE #x(a int); INSERT #x VALUES(5); SELECT a FROM #x",
           "DONE\nDONE 1\nCOLS a int\nROW 5\nDONE 1\n");
    run(&r, "BEGIN TRAN");
    expect(&r, "INSERT #x VALUES(6); SELECT count(*) AS n FROM #x",
           "DONE 1\nCOLS n int\nROW 2\nDONE 1\n");
    run(&r, "ROLLBACK");
    expect(&r, "SELECT count(*) AS n FROM #x", "COLS n int\nROW 1\nDONE 1\n");
    client_close(&a);
    client_close(&r);
    end(&c);
}

static void test_sessions_of_a_promoted_replica_write(void **state)
{
    (void)state;
    struct cluster c;
    struct client a, r;
    struct qr_err err = {0};
    begin(&c, 44);
    client_open(&c.primary, &a);
    client_open(&c.replica, &r);
    change(&c, &a, "CREATE TABLE t(a int IDENTITY PRIMARY KEY, b int); INSERT t(b) VALUES(1)",
           "DONE\nDONE 1\n");
    hw_check(qr_hyper_promote(qr_database_store(c.replica.db), 0, true, &err), &err);
    expect(&r, "INSERT t(b) VALUES(2); SELECT b FROM t ORDER BY a",
           "DONE 1\nCOLS b int\nROW 1\nROW 2\nDONE 2\n");
    expect(&r, "ALTER TABLE t ADD c int NULL", "DONE\n");
    expect(&r, "SELECT count(c) AS n FROM t", "COLS n int\nROW 0\nDONE 1\n");
    settle(&r);
    client_close(&a);
    client_close(&r);
    fixture_close(&c.replica);
    (void)!qr_database_close(c.primary.db, &err); /* it was fenced, and cannot end cleanly */
    qr_instance_free(c.primary.instance);
    hw_end(&c.w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_replica_sees_ddl_when_it_is_applied),
        cmocka_unit_test(test_a_transaction_on_a_replica_keeps_its_snapshot_over_ddl),
        cmocka_unit_test(test_writes_to_a_replica_are_refused_but_for_temporary_tables),
        cmocka_unit_test(test_sessions_of_a_promoted_replica_write),
    };
    return cmocka_run_group_tests_name("engine/replica", tests, NULL, NULL);
}
