/* Goal: nobody reads, changes or runs what he may not, by no way that SQL has, and everybody does
 * what he may. Method: dbo makes objects and users; users try, each way for itself, and what comes
 * back is compared word for word. */
#include "harness.h"

#define NO(perm, object)                                                                           \
    "MSG 229 14 5 line 1: The " perm " permission was denied on the object '" object               \
    "', database 'testdb', schema 'dbo'.\nDONE error\n"
#define NO_COLUMN(perm, column, object)                                                            \
    "MSG 230 14 1 line 1: The " perm " permission was denied on the column '" column               \
    "' of the object '" object "', database 'testdb', schema 'dbo'.\nDONE error\n"

static void each(struct client *c, const struct batch *batches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(c, batches[i].sql, batches[i].want);
}
#define EACH(c, batches) each((c), (batches), sizeof(batches) / sizeof((batches)[0]))

/* Statements of dbo's that answer nothing but DONE. */
static void make(struct client *dbo, const char *const *sql, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(run(dbo, sql[i]), "MSG") != NULL)
            fail_msg("%s\n%s", sql[i], qr_buf_cstr(&dbo->out));
}
#define MAKE(dbo, sql) make((dbo), (sql), sizeof(sql) / sizeof((sql)[0]))

static const char *const objects[] = {
    "create table t (a int primary key, b int, s varchar(20)) insert t values (1, 10, 'secret')",
    "create table log (a int)",
    "create sequence sq as int",
    "create synonym syn for dbo.t",
    "create synonym open_syn for dbo.t",
    "create view v as select a, b from dbo.t",
    "create view vv as select a from dbo.v",
    "create function f(@i int) returns int as begin return (select max(b) from dbo.t) + @i end",
    "create function tf() returns @r table (a int) as begin insert @r select a from dbo.t return "
    "end",
    "create function inl(@i int) returns table as return select a, s from dbo.t where a = @i",
    "create proc p as select s from dbo.t",
    "create proc p_calls as exec dbo.p",
    "create proc p_dynamic as exec('select s from dbo.t')",
    "create proc p_owner with execute as owner as exec('select s from dbo.t')",
    "create proc p_caller as exec('select current_user')",
    "create table made (a int, d int default dbo.f(1), c as dbo.f(a), check (dbo.f(a) > 0))",
    "create trigger tr on made after insert as insert dbo.log select a from inserted",
    "create user u without login",
    "create user w without login",
    "grant select on v to u grant select on vv to u grant insert on made to u",
    "grant execute on p to u grant execute on p_calls to u grant execute on p_dynamic to u",
    "grant execute on p_owner to u grant execute on p_caller to u",
    "grant select on open_syn to u",
};

static void test_every_way_to_read_is_asked_for(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    run(&c, "execute as user = 'u'");
    static const char *const reads[] = {
        "select s from t",
        "select count(*) from t",
        "select top 0 a from t",
        "select * from syn",
        "select 1 where exists (select * from t)",
        "select (select max(s) from t)",
        "select v.a from v where exists (select 1 from t where t.a = v.a)",
        "select v.a from v join t on t.a = v.a",
        "select q.a from v cross apply (select top (1) t.a from t where t.a = v.a order by s) q",
        "with q as (select a from t) select 1 from v",
        "select a from v union all select a from t",
        "select a from t for json path",
        "select * from t for xml raw",
        "select value from string_split((select max(s) from t), ',')",
        "select * from openjson((select s from t for json path))",
        "declare @x int = (select max(a) from t)",
        "declare @x int select @x = a from t",
        "declare @x int set @x = (select max(a) from t)",
        "print (select max(s) from t)",
        "if (select max(a) from t) = 1 select 1 as a else select 2 as a",
        "while exists (select * from t) break",
        "select a into #x from t",
        "create table #y (a int) insert #y select a from t",
        "declare @y table (a int) insert @y select a from t",
        "raiserror('%d', 16, 1, 1) select a from t",
        "begin tran select a from t with (tablockx) rollback",
        "select a from t with (nolock)",
        "select a from t option (recompile)",
        "exec('select a from t')",
        "exec sp_executesql N'select a from t'",
        "declare c cursor for select a from t open c",
        "exec sp_describe_first_result_set N'select a from t'",
        "set fmtonly on select a from t",
    };
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        const char *got = run(&c, reads[i]);
        if (strstr(got,
                   "MSG 229 14 5 line 1: The SELECT permission was denied on the object 't'") ==
                NULL ||
            strstr(got, "secret") != NULL)
            fail_msg("%s\n%s", reads[i], got);
        run(&c, "set fmtonly off if @@trancount > 0 rollback");
        run(&c, "if cursor_status('global', 'c') > -3 deallocate c");
    }
    client_close(&c);
    fixture_close(&f);
}

static void test_every_change_and_call_is_asked_for(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    static const struct batch batches[] = {
        {"execute as user = 'u'", "DONE\n"},
        {"insert t values (2, 2, 'x')", NO("INSERT", "t")},
        {"insert t select 2, 2, 'x'", NO("INSERT", "t")},
        {"insert t default values", NO("INSERT", "t")},
        {"insert v (a) values (2)", NO("INSERT", "v")},
        {"insert made (a) output 5 into t (a) values (1)", NO("INSERT", "t")},
        {"update t set b = 1", NO("UPDATE", "t")},
        {"update v set b = 1", NO("UPDATE", "v")},
        {"with q as (select a, b from v) update q set b = 1", NO("UPDATE", "v")},
        {"delete t", NO("DELETE", "t")},
        {"delete v", NO("DELETE", "v")},
        {"merge made m using v on m.a = v.a when matched then delete;", NO("SELECT", "made")},
        {"merge made m using v on 1 = 0 when not matched by source then delete;",
         NO("DELETE", "made")},
        {"truncate table t", "MSG 1088 16 12 line 1: Cannot find the object \"t\" because it does "
                             "not exist or you do not have permissions.\nDONE error\n"},
        {"select next value for sq", NO("UPDATE", "sq")},
        {"select dbo.f(1)", NO("EXECUTE", "f")},
        {"declare @i int = dbo.f(1)", NO("EXECUTE", "f")},
        {"exec f 1", NO("EXECUTE", "f")},
        {"select * from tf()", NO("SELECT", "tf")},
        {"select * from inl(1)", NO("SELECT", "inl")},
        {"create table #c (a int, c as dbo.f(a))", NO("REFERENCES", "f")},
        {"declare @c table (a int default dbo.f(1)) insert @c default values", NO("EXECUTE", "f")},
        {"declare @c table (a int check (dbo.f(a) > 0)) insert @c values (1)", NO("EXECUTE", "f")},
        {"select a into nt from v",
         "MSG 262 16 1 line 1: CREATE TABLE permission denied in database 'testdb'.\nDONE error\n"},
        /* what he may, and all that is done for it */
        {"select a from v", "COLS a int\nROW 1\nDONE 1\n"},
        {"select a from vv", "COLS a int\nROW 1\nDONE 1\n"},
        {"select a from open_syn", "COLS a int\nROW 1\nDONE 1\n"},
        {"insert made (a) values (5)", "DONEINPROC 1\nDONE 1\n"},
        {"exec p", "COLS s varchar(20)\nROW secret\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n"},
        {"exec p_calls", "COLS s varchar(20)\nROW secret\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n"},
        {"exec p_owner", "COLS s varchar(20)\nROW secret\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n"},
        /* caught, and the transaction goes on */
        {"begin tran begin try delete t end try begin catch select error_number() as n, "
         "xact_state() as x end catch commit",
         "ENV BEGIN\nDONE\nCOLS n int, x smallint\nROW 229|1\nDONE 1\nENV COMMIT\nDONE\n"},
        {"select a from t select 1 as one", NO("SELECT", "t") "COLS one int\nROW 1\nDONE 1\n"},
    };
    EACH(&c, batches);
    const char *got = run(&c, "exec p_dynamic");
    assert_non_null(strstr(got, "The SELECT permission was denied on the object 't'"));
    assert_null(strstr(got, "secret"));
    client_close(&c);
    fixture_close(&f);
}

static void test_columns_are_asked_for_one_by_one(void **state)
{
    (void)state;
    static const struct batch batches[] = {
        {"grant select on t(a) to u grant update on t(b) to u execute as user = 'u'",
         "DONE\nDONE\nDONE\n"},
        {"select a from t", "COLS a int\nROW 1\nDONE 1\n"},
        {"select count(*) as n from t", "COLS n int\nROW 1\nDONE 1\n"},
        {"select a, b from t", NO_COLUMN("SELECT", "b", "t")},
        {"select * from t", NO_COLUMN("SELECT", "b", "t")},
        {"select a from t where s like 's%'", NO_COLUMN("SELECT", "s", "t")},
        {"select a from t order by s", NO_COLUMN("SELECT", "s", "t")},
        {"select max(a) from t group by s", NO_COLUMN("SELECT", "s", "t")},
        {"select x.a from t x join t y on x.a = y.b", NO_COLUMN("SELECT", "b", "t")},
        {"update t set b = 5", "DONE 1\n"},
        {"update t set b = 6 where a = 1", "DONE 1\n"},
        {"update t set b += 1", NO_COLUMN("SELECT", "b", "t")},
        {"update t set a = 5", NO_COLUMN("UPDATE", "a", "t")},
        {"update t set b = 6 output deleted.s", NO_COLUMN("SELECT", "s", "t")},
        {"with q as (select a from t) update q set a = 1", NO_COLUMN("UPDATE", "a", "t")},
        {"update t set b = 7 output deleted.a", "COLS a int\nROW 1\nDONE 1\n"},
        {"delete t", NO("DELETE", "t")},
        {"revert grant select on t to u deny select on t(a) to u", "DONE\nDONE\nDONE\n"},
        {"execute as user = 'u'", "DONE\n"},
        {"select b from t", "COLS b int\nROW 7\nDONE 1\n"},
        {"select a from t", NO_COLUMN("SELECT", "a", "t")},
    };
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    EACH(&c, batches);
    client_close(&c);
    fixture_close(&f);
}

static void test_a_chain_breaks_where_the_owner_changes(void **state)
{
    (void)state;
    static const char *const more[] = {
        "create schema ws authorization w",
        "create table ws.t (z int) insert ws.t values (99)",
        "create view mixed as select z from ws.t",
        "create proc p_mixed as select z from ws.t",
        "create view ws.spy as select s from dbo.t",
        "create proc ws.p_spy as select s from dbo.t",
        "create table ws.trap (a int)",
        "create trigger ws.tr_trap on ws.trap after insert as insert dbo.log select max(b) from "
        "dbo.t",
        "create table ws.lure (a int, d int default dbo.f(1))",
        "grant select on mixed to u grant execute on p_mixed to u grant update on mixed to u",
        "grant insert on ws.lure to u grant insert on ws.trap to u",
        "grant select on ws.spy to u grant execute on ws.p_spy to u",
    };
    static const struct batch batches[] = {
        {"execute as user = 'u'", "DONE\n"},
        {"select z from mixed",
         "MSG 229 14 5 line 1: The SELECT permission was denied on the object 't', database "
         "'testdb', schema 'ws'.\nDONE error\n"},
        {"update mixed set z = 1",
         "MSG 229 14 5 line 1: The SELECT permission was denied on the object 't', database "
         "'testdb', schema 'ws'.\nDONE error\n"},
        {"select s from ws.spy", NO("SELECT", "t")},
        {"insert ws.lure (a) values (1)", NO("EXECUTE", "f")},
        {"create proc #p as select s from dbo.t", "DONE\n"}, /* his own chains with nothing */
        {"create synonym #s for dbo.t", "MSG 262 16 1 line 1: CREATE SYNONYM permission denied in "
                                        "database 'testdb'.\nDONE error\n"},
        {"create type #t from int",
         "MSG 262 16 1 line 1: CREATE TYPE permission denied in database 'testdb'.\nDONE error\n"},
        {"revert grant select on ws.t to u execute as user = 'u'", "DONE\nDONE\nDONE\n"},
        {"select z from mixed", "COLS z int\nROW 99\nDONE 1\n"},
    };
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    MAKE(&c, more);
    EACH(&c, batches);
    assert_non_null(strstr(run(&c, "exec p_mixed"), "ROW 99"));
    assert_null(strstr(run(&c, "exec #p"), "secret"));
    assert_non_null(strstr(run(&c, "exec #p"), "denied on the object 't'"));
    assert_null(strstr(run(&c, "exec ws.p_spy"), "secret"));
    assert_non_null(strstr(run(&c, "insert ws.trap values (1)"), "denied on the object 'log'"));
    run(&c, "revert");
    run(&c, "alter authorization on schema::ws to dbo"); /* now it is one owner */
    run(&c, "execute as user = 'u'");
    assert_non_null(strstr(run(&c, "exec ws.p_spy"), "secret"));
    client_close(&c);
    fixture_close(&f);
}

static const struct batch contexts[] = {
    {"revert select current_user as a", "DONE\nCOLS a nvarchar(128)\nROW dbo\nDONE 1\n"},
    {"execute as user = 'u' execute as user = 'w' select current_user as a revert select "
     "current_user as b",
     "DONE\nDONE\nCOLS a nvarchar(128)\nROW w\nDONE 1\nDONE\nCOLS b nvarchar(128)\nROW "
     "u\nDONE 1\n"},
    {"select current_user as a", "COLS a nvarchar(128)\nROW u\nDONE 1\n"}, /* lasts */
    {"exec p_as_w", "COLS a nvarchar(128)\nROW w\nDONEINPROC 1\nDONEINPROC\nCOLS b "
                    "nvarchar(128)\nROW u\nDONEINPROC 1\nDONEINPROC\nCOLS c "
                    "nvarchar(128)\nROW w\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n"},
    {"exec('execute as user = ''w'' revert revert revert') select current_user as a",
     "DONEINPROC\nDONEINPROC\nDONEINPROC\nDONEINPROC\nCOLS a nvarchar(128)\nROW u\nDONE 1\n"},
    {"exec('select current_user as a') as user = 'w' select current_user as b",
     "COLS a nvarchar(128)\nROW w\nDONEINPROC 1\nCOLS b nvarchar(128)\nROW u\nDONE 1\n"},
    {"exec('select 1') as user = 'dbo'",
     "MSG 15517 16 1 line 1: Cannot execute as the database principal because the principal "
     "\"dbo\" does not exist, this type of principal cannot be impersonated, or you do not "
     "have permission.\nDONE error\n"},
    {"execute as user = 'dbo'",
     "MSG 15517 16 1 line 1: Cannot execute as the database principal because the principal "
     "\"dbo\" does not exist, this type of principal cannot be impersonated, or you do not "
     "have permission.\nDONE error\n"},
    {"execute as login = 'tester'",
     "MSG 40510 16 1 line 1: Statement 'EXECUTE AS LOGIN' is not supported in this version of "
     "SQL Server.\nDONE error\n"},
    {"revert revert select current_user as a",
     "DONE\nDONE\nCOLS a nvarchar(128)\nROW dbo\nDONE 1\n"},
    {"declare @c varbinary(100), @d varbinary(100) = 0x01 execute as user = 'u' with cookie "
     "into @c revert revert with cookie = @d select current_user as a revert with cookie = @c "
     "select current_user as b",
     "DONE\nMSG 15591 16 1 line 1: The current security context cannot be reverted using this "
     "statement. A cookie may or may not be needed with 'Revert' statement depending on how "
     "the context was set with 'Execute As' statement.\nDONE error\nMSG 15591 16 1 line 1: "
     "The current security context cannot be reverted using this statement. A cookie may or "
     "may not be needed with 'Revert' statement depending on how the context was set with "
     "'Execute As' statement.\nDONE error\nCOLS a nvarchar(128)\nROW u\nDONE 1\nDONE\nCOLS b "
     "nvarchar(128)\nROW dbo\nDONE 1\n"},
};

static void test_contexts_end_where_they_must(void **state)
{
    (void)state;
    static const char *const more[] = {
        "grant impersonate on user::w to u",
        "create proc p_as_w with execute as 'w' as select current_user as a execute as caller "
        "select current_user as b revert select current_user as c",
        "create proc p_fails with execute as 'w' as select 1/0 as x select current_user as y",
        "create proc p_leaves as execute as user = 'w' select current_user as z",
        "create proc p_throws with execute as 'w' as throw 50000, 'x', 1",
        "grant execute to u",
    };
    static const char *const ends[] = {"exec p_fails", "exec p_leaves", "exec p_throws",
                                       "begin try exec p_throws end try begin catch end catch"};
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    MAKE(&c, more);
    EACH(&c, contexts);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        run(&c, ends[i]);
        expect(&c, "select current_user as a", "COLS a nvarchar(128)\nROW dbo\nDONE 1\n");
    }
    client_close(&c);
    fixture_close(&f);
}

/* A pool's reset is who logged in again, unless that was not to be. */
/* Whoever may be another may be him as often as he wants. */
static void test_contexts_do_not_pile_up_without_an_end(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    run(&c, "declare @i int = 0 while @i < 127 begin set @i += 1 execute as user = 'u' end");
    expect(&c, "execute as user = 'u'",
           "MSG 217 16 1 line 1: Maximum stored procedure, function, trigger, or view nesting "
           "level exceeded (limit 128).\nDONE error\n");
    expect(&c, "select current_user as a", "COLS a nvarchar(128)\nROW u\nDONE 1\n");
    assert_int_equal(qr_session_reset(c.session, false, client_sink(&c)), QR_OK);
    expect(&c, "select current_user as a", "COLS a nvarchar(128)\nROW dbo\nDONE 1\n");
    client_close(&c);
    fixture_close(&f);
}

static void test_reset_goes_back_to_the_login(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    run(&c, "execute as user = 'u'");
    assert_int_equal(qr_session_reset(c.session, false, client_sink(&c)), QR_OK);
    expect(&c, "select current_user as a", "COLS a nvarchar(128)\nROW dbo\nDONE 1\n");
    run(&c, "execute as user = 'u' with no revert");
    expect(&c, "revert",
           "MSG 15591 16 1 line 1: The current security context cannot be reverted using this "
           "statement. A cookie may or may not be needed with 'Revert' statement depending on how "
           "the context was set with 'Execute As' statement.\nDONE error\n");
    assert_int_equal(qr_session_reset(c.session, false, client_sink(&c)), QR_CLOSED);
    client_close(&c);
    fixture_close(&f);
}

static void test_table_types_and_bulk_loads_are_asked_for(void **state)
{
    (void)state;
    static const char *const more[] = {
        "create type tt as table (a int)",
        "create proc p_type as begin declare @x tt insert @x values (7) select a from @x end",
        "grant execute on p_type to u",
        "create table plain (a int) create table checked (a int check (a > 0))",
        "grant insert on plain to u grant insert on checked to u",
    };
    static const struct batch batches[] = {
        {"execute as user = 'u'", "DONE\n"},
        {"declare @x tt insert @x values (1)", NO("EXECUTE", "tt") "DONE 1\n"},
        {"exec p_type", "DONEINPROC 1\nCOLS a int\nROW 7\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n"},
    };
    static const struct {
        const char *sql, *want;
    } loads[] = {
        {"insert bulk plain (a int)", "DONE 1\n"},
        {"insert bulk t (a int)", "The INSERT permission was denied on the object 't'"},
        {"insert bulk checked (a int)", "MSG 1088"},
        {"insert bulk checked (a int) with (check_constraints)", "DONE 1\n"},
    };
    const struct qr_plan_column column = {.name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)};
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    MAKE(&c, more);
    EACH(&c, batches);
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        run(&c, loads[i].sql);
        const struct qr_sink *sink = client_sink(&c);
        struct qr_value one = qr_value_int(1);
        assert_int_equal(qr_session_bulk_begin(c.session, &column, 1, sink), QR_OK);
        assert_int_equal(qr_session_bulk_row(c.session, &one), QR_OK);
        assert_int_equal(qr_session_bulk_end(c.session, false, sink), QR_OK);
        if (strstr(qr_buf_cstr(&c.out), loads[i].want) == NULL)
            fail_msg("%s\n%s", loads[i].sql, qr_buf_cstr(&c.out));
    }
    client_close(&c);
    fixture_close(&f);
}

/* What a user makes runs as himself, and by his own chain. */
static void test_nobody_lends_himself_anothers_name(void **state)
{
    (void)state;
    static const char *const more[] = {
        "create schema us authorization u",
        "grant create procedure to u grant create table to u grant create view to u",
        "grant create function to u grant alter on schema::dbo to u",
        "create table wide (a int, b int, c int) insert wide values (1, 2, 3)",
        "create view star as select * from wide",
        "grant select on star(b) to u",
        "alter table wide drop column b",
        "grant select on inl(a) to u",
    };
#define NOT_DBO                                                                                    \
    "MSG 15517 16 1 line 1: Cannot execute as the database principal because the principal "       \
    "\"dbo\" does not exist, this type of principal cannot be impersonated, or you do not have "   \
    "permission.\nDONE error\n"
    static const struct batch batches[] = {
        {"execute as user = 'u'", "DONE\n"},
        {"create proc dbo.evil with execute as owner as select 1", NOT_DBO},
        {"create proc #evil with execute as owner as select 1", NOT_DBO},
        {"create proc #spy as select s from dbo.t", "DONE\n"}, /* its schema lends it nothing */
        {"create proc dbo.evil with execute as 'dbo' as select 1", NOT_DBO},
        {"create proc us.evil with execute as owner as exec('select s from dbo.t')", "DONE\n"},
        {"alter schema dbo transfer us.evil", NOT_DBO},
        {"create view us.spy as select s from dbo.t", NO("SELECT", "t")},
        {"create table us.spy (a int, x as dbo.f(a))", NO("REFERENCES", "f")},
        {"create table us.own (a int)", "DONE\n"},
        {"alter table us.own add x int default dbo.f(1) with values", NO("REFERENCES", "f")},
        {"alter table dbo.made add n int", "DONE\n"}, /* what it had is not asked for again */
        {"alter table dbo.log add x as dbo.f(a)", NO("REFERENCES", "f")}, /* his to alter */
        {"alter table dbo.log add n int default next value for dbo.sq", NO("REFERENCES", "sq")},
        {"exec sp_describe_undeclared_parameters N'select * from dbo.t where s = @p'",
         NO("SELECT", "t")},
        /* columns are what the module calls them */
        {"select c from star", NO_COLUMN("SELECT", "c", "star")},
        {"select q.x from inl(1) q(x, y)", "COLS x int\nROW 1\nDONE 1\n"},
        {"select q.a from inl(1) q(s, a)", NO_COLUMN("SELECT", "s", "inl")},
    };
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    MAKE(&c, more);
    EACH(&c, batches);
    assert_non_null(strstr(run(&c, "exec #spy"), "denied on the object 't'"));
    assert_null(strstr(run(&c, "exec us.evil"), "secret"));
    client_close(&c);
    fixture_close(&f);
}

static void test_a_user_who_logged_in_is_no_more(void **state)
{
    (void)state;
    static const struct batch batches[] = {
        {"select s from t", NO("SELECT", "t")},
        {"select a from v", "COLS a int\nROW 1\nDONE 1\n"},
        {"revert select current_user as a", "DONE\nCOLS a nvarchar(128)\nROW own\nDONE 1\n"},
    };
    struct fixture f;
    struct client c, own;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    run(&c, "create user own with password = 'Str0ng!pass-word'");
    run(&c, "grant select on v to own");
    client_open_user(&f, &own, "own");
    EACH(&own, batches);
    client_close(&own);
    client_close(&c);
    fixture_close(&f);
}

/* Plans and prepared handles are shared: who runs them is asked each time. */
static void test_what_is_compiled_is_not_allowed(void **state)
{
    (void)state;
    static const struct batch batches[] = {
        {"select s from t", "COLS s varchar(20)\nROW secret\nDONE 1\n"},
        {"execute as user = 'u'", "DONE\n"},
        {"select s from t", NO("SELECT", "t")},
        {"revert grant select on t to u execute as user = 'u'", "DONE\nDONE\nDONE\n"},
        {"select s from t", "COLS s varchar(20)\nROW secret\nDONE 1\n"},
        {"revert deny select on t to u execute as user = 'u'", "DONE\nDONE\nDONE\n"},
        {"select s from t", NO("SELECT", "t")},
        {"revert begin tran grant select on t to w rollback execute as user = 'w'",
         "DONE\nENV BEGIN\nDONE\nDONE\nENV ROLLBACK\nDONE\nDONE\n"},
        {"select s from t", NO("SELECT", "t")},
        {"revert", "DONE\n"},
    };
    struct fixture f;
    struct client c;
    int32_t handle = 0;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    EACH(&c, batches);
    assert_int_equal(qr_session_prepare(c.session, qr_str("select s from t"), qr_str(""),
                                        client_sink(&c), &handle),
                     QR_OK);
    assert_int_equal(qr_session_execute(c.session, handle, NULL, 0, client_sink(&c)), QR_OK);
    assert_non_null(strstr(qr_buf_cstr(&c.out), "secret"));
    run(&c, "execute as user = 'w'");
    assert_int_equal(qr_session_execute(c.session, handle, NULL, 0, client_sink(&c)), QR_OK);
    assert_null(strstr(qr_buf_cstr(&c.out), "secret"));
    assert_non_null(strstr(qr_buf_cstr(&c.out), "MSG 229"));
    assert_int_equal(qr_session_call(c.session, qr_str("p"), NULL, 0, client_sink(&c)), QR_OK);
    assert_non_null(strstr(qr_buf_cstr(&c.out), "The EXECUTE permission was denied"));
    client_close(&c);
    fixture_close(&f);
}

static void test_names_are_looked_for_in_the_users_schema(void **state)
{
    (void)state;
    static const char *const more[] = {
        "create schema ws authorization w",
        "create user x without login with default_schema = ws",
        "grant select to x",
        "grant create table to x grant alter on schema::ws to x",
    };
    static const struct batch batches[] = {
        {"select b from t", "COLS b int\nROW 10\nDONE 1\n"},
        {"execute as user = 'x'", "DONE\n"},
        {"select b from t", "COLS b int\nROW 10\nDONE 1\n"}, /* dbo's, while there is none */
        {"select 99 as b into t", "DONE 1\n"},
        {"select b from t", "COLS b int\nROW 99\nDONE 1\n"},
        {"select b from dbo.t", "COLS b int\nROW 10\nDONE 1\n"},
        {"revert", "DONE\n"},
        {"select b from t", "COLS b int\nROW 10\nDONE 1\n"},
    };
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    MAKE(&c, objects);
    MAKE(&c, more);
    EACH(&c, batches);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_to_read_is_asked_for),
        cmocka_unit_test(test_every_change_and_call_is_asked_for),
        cmocka_unit_test(test_columns_are_asked_for_one_by_one),
        cmocka_unit_test(test_a_chain_breaks_where_the_owner_changes),
        cmocka_unit_test(test_contexts_end_where_they_must),
        cmocka_unit_test(test_contexts_do_not_pile_up_without_an_end),
        cmocka_unit_test(test_reset_goes_back_to_the_login),
        cmocka_unit_test(test_a_user_who_logged_in_is_no_more),
        cmocka_unit_test(test_table_types_and_bulk_loads_are_asked_for),
        cmocka_unit_test(test_nobody_lends_himself_anothers_name),
        cmocka_unit_test(test_what_is_compiled_is_not_allowed),
        cmocka_unit_test(test_names_are_looked_for_in_the_users_schema),
    };
    return cmocka_run_group_tests_name("engine-access", tests, NULL, NULL);
}
