/* test_conflicts.c - what statements say and do when another's lock is in their way. */
#include "two.h"

static const char setup_sql[] = "create table t(id int primary key, v int)\n"
                                "create table other(id int primary key, v int)\n"
                                "insert t values (1,10),(2,20)\n"
                                "insert other values (1,10)";

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static void nowait_counts_for_keys_as_for_rows(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "insert t with (nowait) values (5,50)",
        "merge t with (nowait) using (values (5)) s(id) on t.id = s.id"
        " when not matched then insert values (5,50);",
        "update t with (nowait) set id = 5 where id = 2",
        "update t with (nowait) set v = 0 where id = 1",
        "delete t with (nowait) where id = 1",
    };
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "begin tran insert t values (5,50) update t set v = 11 where id = 1",
            "DONE 1\nDONE 1\n");
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        answers(&t.b, statements[i],
                "MSG 1222 16 51 line 1: Lock request time out period exceeded.\n"
                "INFO 3621: The statement has been terminated.\nDONE error\n");
    answers(&t.a, "rollback", "");
    settle(&t.a);
    answers(&t.b, statements[0], "DONE 1\n");
    two_close(&t);
}

static void a_trigger_that_ran_twice_is_heard_once(void **state)
{
    (void)state;
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    (void)run(&t.a, "create trigger g on t after update as\n"
                    "print 'before'\n"
                    "update other set v = v + 1 where id = 1\n"
                    "raiserror('after', 5, 1)");
    (void)run(&t.a, "create trigger h on t after delete as\n"
                    "select v as found from other\n"
                    "print 'looked'\n"
                    "update other set v = v + 1 where id = 1\n"
                    "rollback");
    settle(&t.a);
    answers(&t.a, "begin tran update other set v = 11 where id = 1", "DONE 1\n");
    later_start(&l, &t.b, "update t set v = v + 1 where id = 1");
    answers(&t.a, "commit", "");
    later_is(&l, "INFO 0: before\nDONEINPROC 1\nINFO 50000: after\nDONE 1\n");
    settle(&t.b);
    answers(&t.a, "begin tran update other set v = 12 where id = 1", "DONE 1\n");
    later_start(&l, &t.b, "delete t where id = 1");
    answers(&t.a, "commit", "");
    later_end(&l, "MSG 3609");
    assert_int_equal(times(l.out, "looked"), 1);
    answers(&t.b, "select count(*) from t", "ROW 2\nDONE 1\n");
    two_close(&t);
}

static void an_update_conflict_names_its_table(void **state)
{
    (void)state;
    struct two t;
    two_open(&t, setup_sql);
    answers(&t.a, "set transaction isolation level snapshot begin tran select count(*) from t",
            "ROW 2\nDONE 1\n");
    answers(&t.b, "delete t where id = 2", "DONE 1\n");
    settle(&t.b);
    answers(&t.a, "insert t values (2, 22)", "DONE 1\n"); /* at the head there is none */
    const char *out = run(&t.a, "select count(*) from t");
    if (strstr(out, "MSG 3960 16 2 line 1: ") == NULL ||
        strstr(out, "to access table 'dbo.t' directly or indirectly in database 'testdb'") == NULL)
        fail_msg("%s", out);
    two_close(&t);
}

static void a_transaction_that_cannot_become_a_snapshot_ends_with_one_error(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "select * from t", "update t set v = 1", "exec('select * from t')",
        "if exists (select * from t) print 'x'", "select * into #t from t"};
    struct two t;
    char sql[200];
    two_open(&t, setup_sql);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        (void)run(&t.a,
                  "set transaction isolation level read committed begin tran select * from t");
        snprintf(sql, sizeof sql, "set transaction isolation level snapshot %s", statements[i]);
        const char *out = run(&t.a, sql);
        assert_int_equal(times(out, "MSG 3951"), 1);
        assert_int_equal(times(out, "DONE error") + times(out, "DONEINPROC error"), 1);
        answers(&t.a, "select @@trancount", "ROW 0\nDONE 1\n");
    }
    two_close(&t);
}

/* C has the writer lock and waits for a name that A and B have. A does nothing, B wants to write.
 */
static void a_circle_over_the_writer_lock_is_found_behind_any_blocker(void **state)
{
    (void)state;
    static const char share[] =
        "begin tran declare @r int exec @r = sp_getapplock 'x', 'Shared' select @r";
    struct two t;
    struct client c;
    struct later of_c, of_b;
    two_open(&t, setup_sql);
    client_open(&t.f, &c);
    (void)run(&t.a, "create trigger g on t after update as\n"
                    "declare @r int exec @r = sp_getapplock 'x', 'Exclusive'\n"
                    "if @r < 0 raiserror('lock %d', 16, 1, @r)");
    settle(&t.a);
    answers(&t.b, share, "STATUS 0\nDONEPROC\nROW 0\nDONE 1\n");
    answers(&t.a, share, "STATUS 0\nDONEPROC\nROW 0\nDONE 1\n");
    later_start(&of_c, &c, "update t set v = 0 where id = 1");
    later_start(&of_b, &t.b, "update t set v = 1 where id = 2 commit");
    pthread_join(of_c.thread, NULL);
    if (strstr(of_c.out, "lock -3") == NULL && strstr(of_c.out, "MSG 1205") == NULL)
        fail_msg("%s", of_c.out);
    answers(&t.a, "commit", "");
    pthread_join(of_b.thread, NULL);
    client_close(&c);
    two_close(&t);
}

static void one_text_locks_as_each_level_asks(void **state)
{
    (void)state;
    static const struct row {
        const char *level;
        bool in_transaction, locks;
    } rows[] = {
        {"read committed", true, false},   {"serializable", true, true},
        {"read committed", true, false},   {"repeatable read", true, false},
        {"serializable", true, true},      {"serializable", false, false},
        {"snapshot", true, false},         {"serializable", true, true},
        {"read uncommitted", true, false},
    };
    struct two t;
    char sql[200];
    two_open(&t, setup_sql);
    (void)run(&t.b, "set lock_timeout 0");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        snprintf(sql, sizeof sql, "set transaction isolation level %s", r->level);
        answers(&t.a, sql, "");
        if (r->in_transaction)
            answers(&t.a, "begin tran", "");
        answers(&t.a, "select v from t where id > 8", "DONE 0\n");
        answers(&t.a, "exec('select v from t where id > 8')", "DONEINPROC 0\n");
        const char *out = run(&t.b, "insert t values (9, 90)");
        if ((strstr(out, "MSG 1222") != NULL) != r->locks)
            fail_msg("%s: %s", r->level, out);
        if (r->in_transaction)
            (void)run(&t.a, "rollback");
        (void)run(&t.b, "delete t where id = 9");
        settle(&t.b);
    }
    two_close(&t);
}

static void a_deadlock_leaves_a_report(void **state)
{
    (void)state;
    static const char report[] =
        "with d as (select try_convert(xml, event_data) x from "
        "sys.fn_xe_telemetry_blob_target_read_file('dl', null, null, null))\n"
        "select count(*), max(x.value('count(//process)', 'int')),"
        " max(x.value('(//victimProcess/@id)[1]', 'varchar(20)')),"
        " max(x.value('(//keylock/@objectname)[1]', 'varchar(50)')),"
        " max(x.value('(//keylock[1]/owner-list/owner/@mode)[1]', 'varchar(20)')),"
        " max(x.value('(//process/inputbuf)[1]', 'varchar(200)')),"
        " max(x.value('(//process/executionStack/frame)[1]', 'varchar(200)')),"
        " max(x.value('(//process/@isolationlevel)[1]', 'varchar(200)')) from d";
    struct two t;
    struct later l;
    two_open(&t, setup_sql);
    answers(&t.b,
            "select count(*) from sys.fn_xe_telemetry_blob_target_read_file('dl', null, null,"
            " null)",
            "ROW 0\nDONE 1\n");
    answers(&t.a, "begin tran update t set v = 1 where id = 1 insert other values (5,5)",
            "DONE 1\nDONE 1\n");
    answers(&t.b, "begin tran update t set v = 1 where id = 2", "DONE 1\n");
    later_start(&l, &t.a, "print 'a < b' update t set v = 1 where id = 2");
    const char *out = run(&t.b, "update t set v = 1 where id = 1 -- <b>");
    assert_non_null(strstr(out, "MSG 1205"));
    later_end(&l, "DONE 1\n");
    char victim[20], want[300];
    snprintf(victim, sizeof victim, "process%u", (unsigned)qr_session_id(t.b.session));
    snprintf(want, sizeof want,
             "ROW 1|2|%s|testdb.dbo.t|X|update t set v = 1 where id = 1 -- <b>|"
             "update t set v = 1 where id = 1|read committed (2)\nDONE 1\n",
             victim);
    answers(&t.b, report, want);
    answers(&t.a,
            "commit select count(*) from sys.fn_xe_telemetry_blob_target_read_file('x', null,"
            " null, null)",
            "ROW 0\nDONE 1\n");
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nowait_counts_for_keys_as_for_rows),
        cmocka_unit_test(a_trigger_that_ran_twice_is_heard_once),
        cmocka_unit_test(an_update_conflict_names_its_table),
        cmocka_unit_test(a_transaction_that_cannot_become_a_snapshot_ends_with_one_error),
        cmocka_unit_test(a_circle_over_the_writer_lock_is_found_behind_any_blocker),
        cmocka_unit_test(one_text_locks_as_each_level_asks),
        cmocka_unit_test(a_deadlock_leaves_a_report),
    };
    return cmocka_run_group_tests_name("engine/conflicts", tests, NULL, NULL);
}
