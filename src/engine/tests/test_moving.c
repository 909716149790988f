/* test_moving.c - a session saved and made again elsewhere is the same session. */
#include "engine/moving.h"
#include "base/crc.h"
#include "base/endian.h"
#include "harness.h"
#include "base/banned.h"

/* The session of `c` goes on in a new one, as if another process had taken it. */
static void move(struct fixture *f, struct client *c)
{
    struct client next;
    struct qr_buf state;
    struct qr_err err = {0};
    qr_buf_init(&state, QR_MOVING_BYTES_MAX);
    settle(c);
    assert_true(qr_session_may_move(c->session));
    if (qr_session_save(c->session, &state, &err) != QR_OK)
        fail_msg("not saved: %s", err.text);
    client_close(c);
    client_open(f, &next);
    *c = next;
    struct qr_str bytes = qr_str_n((const char *)state.data, state.len);
    if (qr_session_restore(c->session, bytes, &err) != QR_OK)
        fail_msg("not restored: %s", err.text);
    qr_buf_done(&state);
}

static void test_options_and_values_stay(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t (id int identity(7,1) primary key, v int); insert t values (1)");
    run(&c, "set nocount on; set xact_abort on; set datefirst 3; set language Deutsch;"
            "set transaction isolation level serializable; set lock_timeout 1234;"
            "set context_info 0x0102; exec sp_set_session_context N'k', N'v', @read_only = 1");
    run(&c, "select rand(5)");
    uint16_t id = qr_session_id(c.session);
    qr_session_add_packets(c.session, 1234, 5678);
    move(&f, &c);
    assert_int_equal(qr_session_id(c.session), id);
    expect(&c,
           "select num_reads, num_writes from sys.dm_exec_connections where session_id = @@spid",
           "COLS num_reads int, num_writes int\nROW 1234|5678\nDONE\n");
    expect(&c,
           "select @@identity, scope_identity(), @@datefirst, @@language, @@lock_timeout,"
           " convert(varchar(9), context_info(), 1), session_context(N'k'), @@options & 512, "
           "@@trancount, @@spid",
           "COLS numeric(38,0), numeric(38,0), tinyint, nvarchar(128), int, "
           "varchar(9), sql_variant, int, int, smallint\n"
           "ROW 7|7|3|Deutsch|1234|0x010200|v|512|0|51\nDONE\n");
    run(&c, "set language us_english");
    expect(&c, "exec sp_set_session_context N'k', N'w'",
           "MSG 15664 16 1 line 1: Cannot set key 'k' in the session context. The key has been set "
           "as read_only for this session.\nDONE error\n");
    expect(&c,
           "select transaction_isolation_level from sys.dm_exec_sessions where session_id=@@spid",
           "COLS transaction_isolation_level smallint\nROW 4\nDONE\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_rowcount_and_error_are_those_of_the_last_statement(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "select 1 union all select 2 union all select 3");
    move(&f, &c);
    expect(&c, "select @@rowcount", "COLS int\nROW 3\nDONE 1\n");
    run(&c, "select 1/0");
    move(&f, &c);
    expect(&c, "select @@error", "COLS int\nROW 8134\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_prepared_handles_keep_their_numbers(void **state)
{
    struct fixture f;
    struct client c;
    int32_t first = 0, second = 0, third = 0;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    assert_int_equal(
        qr_session_prepare(c.session, qr_str("select 1"), qr_str(""), client_sink(&c), &first),
        QR_OK);
    assert_int_equal(qr_session_prepare(c.session, qr_str("select @a * 2 as twice"),
                                        qr_str("@a int"), client_sink(&c), &second),
                     QR_OK);
    assert_int_equal(qr_session_unprepare(c.session, first, client_sink(&c)), QR_OK);
    move(&f, &c);
    struct qr_arg arg = {
        .name = qr_str("@a"), .type = qr_type_of(QR_TYPE_INT), .value = qr_value_int(21)};
    assert_int_equal(qr_session_execute(c.session, second, &arg, 1, client_sink(&c)), QR_OK);
    settle(&c);
    assert_string_equal(qr_buf_cstr(&c.out),
                        "COLS twice int\nROW 42\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    assert_int_equal(qr_session_execute(c.session, first, NULL, 0, client_sink(&c)), QR_OK);
    assert_non_null(strstr(qr_buf_cstr(&c.out), "MSG 8179"));
    assert_int_equal(
        qr_session_prepare(c.session, qr_str("select 3"), qr_str(""), client_sink(&c), &third),
        QR_OK);
    assert_true(third > second);
    client_close(&c);
    fixture_close(&f);
}

static void test_temporary_tables_move_with_their_rows_and_keys(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table #heap (v nvarchar(20) null, b varbinary(10), d decimal(30,5), f float);"
            "insert #heap values (N'ä', 0x00, 12345678901234567890.5, 1.5), (null, 0x, -1, null);"
            "delete #heap where v is null; insert #heap values (N'', null, 0, 0)");
    run(&c, "create table #keyed (id int identity(5,5) primary key, n varchar(9) unique,"
            " g uniqueidentifier default '6F9619FF-8B86-D011-B42D-00C04FC964FF', twice as id * 2);"
            "insert #keyed (n) values ('a'), ('b'); create index ix on #keyed (g)");
    run(&c,
        "create table #two (a int, b int, primary key (a, b)); insert #two values (2,1), (1,2)");
    run(&c, "alter table #heap add late int null");
    for (int i = 0; i < 2; i++)
        move(&f, &c);
    expect(&c, "select v, convert(varchar(9), b, 1) as b, d, f, late from #heap",
           "COLS v nvarchar(20), b varchar(9), d decimal(30,5), f float, late int\n"
           "ROW ä|0x00|12345678901234567890.50000|1.5|NULL\nROW |NULL|0.00000|0|NULL\nDONE 2\n");
    expect(&c, "insert #keyed (n) values ('c'); select id, n, twice from #keyed order by id",
           "DONE 1\nCOLS id int, n varchar(9), twice int\n"
           "ROW 5|a|10\nROW 10|b|20\nROW 15|c|30\nDONE 3\n");
    run(&c, "insert #keyed (n) values ('a')");
    assert_non_null(strstr(qr_buf_cstr(&c.out), "MSG 2627"));
    expect(&c, "select a, b from #two", "COLS a int, b int\nROW 1|2\nROW 2|1\nDONE 2\n");
    expect(&c, "drop table #heap, #keyed, #two", "DONE\n");
    expect(&c, "create table #heap (other int)", "DONE\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_a_temporary_procedure_moves(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    expect(&c, "create procedure #p @i int = 3 as select @i as i", "DONE\n");
    move(&f, &c);
    expect(&c, "exec #p", "COLS i int\nROW 3\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    client_close(&c);
    fixture_close(&f);
}

/* Plans are shared between sessions and know #tables by their versions. */
static void test_a_moved_table_is_not_taken_for_another_sessions(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    run(&a, "create table #x (v varchar(10)); insert #x values (0x41)");
    run(&b, "create table #x (v varbinary(10)); insert #x values (0x41)");
    expect(&a, "select v from #x", "COLS v varchar(10)\nROW A\nDONE 1\n");
    move(&f, &b);
    expect(&b, "select convert(varchar(9), v, 1) as v from #x",
           "COLS v varchar(9)\nROW 0x41\nDONE 1\n");
    move(&f, &a);
    expect(&a, "select v from #x", "COLS v varchar(10)\nROW A\nDONE 1\n");
    expect(&b, "select convert(varchar(9), v, 1) as v from #x",
           "COLS v varchar(9)\nROW 0x41\nDONE 1\n");
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_a_cursor_goes_on_where_it_was(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t (id int primary key, v decimal(20,2));"
            "insert t values (1, 1.5), (2, 2.5), (3, 3.5)");
    run(&c, "declare c cursor for select id, v from t order by id; open c; fetch c;"
            "declare @p int; exec sp_cursoropen @p output, N'select id from t', 1, 2");
    move(&f, &c);
    run(&c, "delete t where id = 2"); /* its rows were taken when it was opened */
    expect(&c, "fetch c", "COLS id int, v decimal(20,2)\nROW 2|2.50\nDONE 1\n");
    move(&f, &c);
    expect(&c,
           "declare @i int, @v decimal(20,2); fetch c into @i, @v; select @i, @v, @@fetch_status;"
           "fetch c; close c",
           "COLS int, decimal(20,2), int\nROW 3|3.50|0\nDONE 1\n"
           "COLS id int, v decimal(20,2)\nDONE 0\n");
    move(&f, &c);
    run(&c, "open c; fetch c");
    assert_non_null(strstr(qr_buf_cstr(&c.out), "ROW 1|1.50"));
    run(&c, "exec sp_cursorfetch 1"); /* those by procedure stay behind */
    assert_non_null(strstr(qr_buf_cstr(&c.out), "MSG 16909 "));
    client_close(&c);
    fixture_close(&f);
}

static void test_application_locks_of_the_session_move(void **state)
{
    struct fixture f;
    struct client a, b;
    (void)state;
    fixture_open(&f);
    client_open(&f, &a);
    client_open(&f, &b);
    run(&a, "exec sp_getapplock 'it', 'Exclusive', 'Session'; exec sp_getapplock 'it', 'Exclusive',"
            " 'Session'");
    move(&f, &a);
    static const char ask[] =
        "declare @r int; exec @r = sp_getapplock 'it', 'Shared', 'Session', 0;"
        " select @r as r";
    run(&b, ask);
    assert_non_null(strstr(qr_buf_cstr(&b.out), "ROW -1"));
    run(&a, "exec sp_releaseapplock 'it', 'Session'");
    run(&b, ask);
    assert_non_null(strstr(qr_buf_cstr(&b.out), "ROW -1"));
    run(&a, "exec sp_releaseapplock 'it', 'Session'");
    run(&b, ask);
    assert_non_null(strstr(qr_buf_cstr(&b.out), "ROW 0"));
    client_close(&a);
    client_close(&b);
    fixture_close(&f);
}

static void test_what_cannot_move_says_so(void **state)
{
    struct fixture f;
    struct client c;
    struct qr_buf small;
    struct qr_err err;
    uint64_t descriptor = 0;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t (v int)");
    run(&c, "begin tran; insert t values (1)");
    assert_false(qr_session_may_move(c.session));
    uint64_t was = qr_session_tran_descriptor(c.session);
    qr_session_make_movable(c.session, &descriptor);
    assert_true(descriptor == was && descriptor != 0);
    assert_true(qr_session_may_move(c.session));
    move(&f, &c);
    expect(&c, "select @@trancount, (select count(*) from t)", "COLS int, int\nROW 0|0\nDONE 1\n");
    run(&c, "create table #big (v varchar(8000)); insert #big values (replicate('x', 8000))");
    qr_buf_init(&small, 4096);
    assert_int_equal(qr_session_save(c.session, &small, &err), QR_TOO_BIG);
    qr_buf_done(&small);
    expect(&c, "select count(*) from #big", "COLS int\nROW 1\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_damaged_bytes_are_refused(void **state)
{
    struct fixture f;
    struct client c, d;
    struct qr_buf saved;
    struct qr_err err;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table #t (v int); insert #t values (1)");
    qr_buf_init(&saved, QR_MOVING_BYTES_MAX);
    assert_int_equal(qr_session_save(c.session, &saved, &err), QR_OK);
    const char *bytes = (const char *)saved.data;
    for (size_t n = 0; n < saved.len; n += n < 64 ? 1 : 97) {
        client_open(&f, &d);
        assert_int_equal(qr_session_restore(d.session, qr_str_n(bytes, n), &err), QR_CORRUPT);
        client_close(&d);
    }
    saved.data[4] += 1; /* its version */
    client_open(&f, &d);
    assert_int_equal(qr_session_restore(d.session, qr_str_n(bytes, saved.len), &err),
                     QR_UNSUPPORTED);
    client_close(&d);
    saved.data[4] -= 1;
    saved.data[saved.len / 2] ^= 1;
    client_open(&f, &d);
    assert_int_equal(qr_session_restore(d.session, qr_str_n(bytes, saved.len), &err), QR_CORRUPT);
    client_close(&d);
    qr_buf_done(&saved);
    client_close(&c);
    fixture_close(&f);
}

/* The users that a session has become go along, with what it takes to go back. */
static void test_a_session_that_is_another_user_stays_that_user(void **state)
{
    static const char who[] = "COLS nvarchar(128), nvarchar(128), int\nROW %s|%s|%s\nDONE 1\n";
    static const char ask[] = "select user_name(), original_login(), has_perms_by_name('t', "
                              "'object', 'select')";
    struct fixture f;
    struct client c;
    char want[256];
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t (v int); insert t values (1), (2)");
    run(&c, "create user a without login; create user b without login; grant select on t to a;"
            "grant impersonate on user::b to a");
    run(&c, "declare k cursor for select v from t order by v; open k");
    run(&c, "create table #kept (v varbinary(16)); declare @c varbinary(16);"
            "execute as user = 'a' with cookie into @c; insert #kept values (@c)");
    run(&c, "execute as user = 'b'");
    move(&f, &c);
    (void)snprintf(want, sizeof want, who, "b", "tester", "NULL");
    expect(&c, ask, want);
    expect(&c, "select v from t",
           "MSG 229 14 5 line 1: The SELECT permission was denied on the object 't', database "
           "'testdb', schema 'dbo'.\nDONE error\n");
    expect(&c, "fetch k", "COLS v int\nROW 1\nDONE 1\n");
    run(&c, "revert");
    (void)snprintf(want, sizeof want, who, "a", "tester", "1");
    expect(&c, ask, want);
    move(&f, &c);
    expect(&c, "revert",
           "MSG 15591 16 1 line 1: The current security context cannot be reverted using this "
           "statement. A cookie may or may not be needed with 'Revert' statement depending on how "
           "the context was set with 'Execute As' statement.\nDONE error\n");
    run(&c, "declare @c varbinary(16) = (select v from #kept); revert with cookie = @c");
    (void)snprintf(want, sizeof want, who, "dbo", "tester", "1");
    expect(&c, ask, want);
    run(&c, "execute as user = 'b' with no revert");
    move(&f, &c);
    run(&c, "revert");
    (void)snprintf(want, sizeof want, who, "b", "tester", "NULL");
    expect(&c, ask, want);
    client_close(&c);
    fixture_close(&f);
}

/* One who is dropped, or made again, on the way is nobody. */
static void test_a_session_whose_user_is_gone_may_do_nothing(void **state)
{
    struct fixture f;
    struct client c, d;
    struct qr_buf saved;
    struct qr_err err = {0};
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table t (v int); create user a without login");
    client_open(&f, &d);
    run(&d, "execute as user = 'a'");
    qr_buf_init(&saved, QR_MOVING_BYTES_MAX);
    settle(&d);
    assert_int_equal(qr_session_save(d.session, &saved, &err), QR_OK);
    client_close(&d);
    run(&c, "drop user a; create user a without login; grant control to a");
    client_open(&f, &d);
    struct qr_str bytes = qr_str_n((const char *)saved.data, saved.len);
    assert_int_equal(qr_session_restore(d.session, bytes, &err), QR_OK);
    expect(&d, "select * from t",
           "MSG 916 14 1 line 1: The server principal \"tester\" is not able to access the "
           "database \"testdb\" under the current security context.\nDONE error\n");
    qr_buf_done(&saved);
    client_close(&c);
    client_close(&d);
    fixture_close(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_and_values_stay),
        cmocka_unit_test(test_rowcount_and_error_are_those_of_the_last_statement),
        cmocka_unit_test(test_prepared_handles_keep_their_numbers),
        cmocka_unit_test(test_temporary_tables_move_with_their_rows_and_keys),
        cmocka_unit_test(test_a_temporary_procedure_moves),
        cmocka_unit_test(test_a_moved_table_is_not_taken_for_another_sessions),
        cmocka_unit_test(test_a_cursor_goes_on_where_it_was),
        cmocka_unit_test(test_application_locks_of_the_session_move),
        cmocka_unit_test(test_what_cannot_move_says_so),
        cmocka_unit_test(test_damaged_bytes_are_refused),
        cmocka_unit_test(test_a_session_that_is_another_user_stays_that_user),
        cmocka_unit_test(test_a_session_whose_user_is_gone_may_do_nothing),
    };
    return cmocka_run_group_tests_name("moving", tests, NULL, NULL);
}
