/* test_ddl_rights.c - every kind of DDL and administration statement asks for what Microsoft's
 * reference names in the 'Permissions' section of its page.
 *
 * Method: a user with nothing, then with all that the row says, then without each of it, then with
 * each of it denied. Everything in a transaction that is rolled back, unless the statement is not
 * for one. */
#include "users_bed.h"
#include "access_int.h"
#include "engine/rowset.h"
#include "base/banned.h"

enum { NEEDS_MAX = 4 };

struct need {
    const char *right; /* "ALTER ON SCHEMA::s" */
    int error;         /* without it */
};

struct right_row {
    const char *sql;
    struct need needs[NEEDS_MAX];
};

static int number_of(const char *said)
{
    const char *msg = strstr(said, "MSG ");
    return msg == NULL ? 0 : (int)strtol(msg + 4, NULL, 10);
}

static int trial(const struct right_row *row, bool alone)
{
    ok(&dbo, "execute as user = 'u'");
    if (!alone)
        ok(&dbo, "begin transaction");
    int number = number_of(run(&dbo, row->sql));
    ok(&dbo, "if @@trancount > 0 rollback");
    ok(&dbo, "revert");
    return number;
}

static void say(const char *verb, const char *right, const char *preposition)
{
    char sql[300];
    snprintf(sql, sizeof sql, "%s %s %s u", verb, right, preposition);
    ok(&dbo, sql);
}

static unsigned failures;

static void want(const struct right_row *row, const char *when, const char *right, int want,
                 bool alone)
{
    int got = trial(row, alone);
    if (got == want)
        return;
    printf("%s\n    %s %s: wanted %d, got %d\n", row->sql, when, right, want, got);
    failures++;
}

static void check_row(const struct right_row *row, bool alone)
{
    want(row, "with", "nothing", row->needs[0].error, alone);
    for (size_t i = 0; i < NEEDS_MAX && row->needs[i].right != NULL; i++)
        say("grant", row->needs[i].right, "to");
    want(row, "with", "all", 0, alone);
    for (size_t i = 0; i < NEEDS_MAX && row->needs[i].right != NULL; i++) {
        const struct need *need = &row->needs[i];
        say("revoke", need->right, "from");
        want(row, "without", need->right, need->error, alone);
        say("deny", need->right, "to");
        want(row, "denied", need->right, need->error, alone);
        say("revoke", need->right, "from");
        say("grant", need->right, "to");
    }
    for (size_t i = 0; i < NEEDS_MAX && row->needs[i].right != NULL; i++)
        say("revoke", row->needs[i].right, "from");
}

static const char *const things[] = {
    "create schema s",
    "create schema s2",
    "create role staff",
    "create role owners",
    "create user other without login",
    "create application role app with password = 'Blue-Lake-3791'",
    "create user u without login",
    "create table s.t (a int primary key, b int, c varchar(10), d int) insert s.t values (1, 1, "
    "'x', 1)",
    "create table s.e (a int)",
    "create table s2.t2 (a int primary key) insert s2.t2 values (1)",
    "create index ix on s.t (b)",
    "create view s.v as select a from s.t",
    "create procedure s.p as select 1",
    "create view s.w as select 1 as a",
    "create function s.f(@a int) returns int as begin return @a end",
    "create trigger s.tr on s.t after insert as return",
    "create sequence s.sq as int",
    "create synonym s.sy for s.t",
    "create type s.y from int",
    "create type s.tt as table (a int)",
    "create table s.i (a int identity)",
    "exec sp_addextendedproperty 'x', '1', 'schema', 's', 'table', 't'",
};

#define IN_S(create)                                                                               \
    {create, 262},                                                                                 \
    {                                                                                              \
        "alter on schema::s", 2760                                                                 \
    }

static const struct right_row rows_of_ddl[] = {
    /* clang-format off */
    /* tables */
    {"create table s.n (a int)", {IN_S("create table")}},
    {"create table s.n (a s.y)", {IN_S("create table"), {"references on type::s.y", 229}}},
    {"create table s.n (a int references s2.t2)", {IN_S("create table"), {"references on s2.t2", 229}}},
    {"create table s.n (a int references s2.t2(a))", {IN_S("create table"), {"references (a) on s2.t2", 229}}},
    {"create table s.n (a int check (s.f(a) > 0))", {IN_S("create table"), {"references on s.f", 229}}},
    {"create table s.n (a int default next value for s.sq)", {IN_S("create table"), {"references on s.sq", 229}}},
    {"select 1 as a into s.n", {IN_S("create table")}},
    {"alter table s.t add z int", {{"alter on s.t", 4902}}},
    {"alter table s.t add z int", {{"alter on schema::s", 4902}}},
    {"alter table s.t add z int", {{"control on s.t", 4902}}},
    {"alter table s.t add z s.y", {{"alter on s.t", 4902}, {"references on type::s.y", 229}}},
    {"alter table s.t add z int not null default 1", {{"alter on s.t", 4902}, {"update on s.t", 229}}},
    {"alter table s.e add z int not null default 1", {{"alter on s.e", 4902}}},
    {"alter table s.t add z int identity", {{"alter on s.t", 4902}, {"update on s.t", 229}}},
    {"alter table s.t alter column d bigint", {{"alter on s.t", 4902}, {"update on s.t", 229}}},
    {"alter table s.t alter column c varchar(20)", {{"alter on s.t", 4902}}},
    {"alter table s.t drop column c", {{"alter on s.t", 4902}}},
    {"alter table s.t add constraint k foreign key (b) references s2.t2", {{"alter on s.t", 4902}, {"references on s2.t2", 229}}},
    {"alter table s.t add constraint k check (a > 0)", {{"alter on s.t", 4902}}},
    {"alter table s.t disable trigger all", {{"alter on s.t", 4902}}},
    {"drop table s.e", {{"alter on schema::s", 3701}}},
    {"drop table s.e", {{"control on s.e", 3701}}},
    {"truncate table s.t", {{"alter on s.t", 1088}}},
    {"set identity_insert s.i on; set identity_insert s.i off", {{"alter on s.i", 1088}}},
    /* indexes, statistics */
    {"create index i on s.t (c)", {{"alter on s.t", 1088}}},
    {"alter index ix on s.t rebuild", {{"alter on s.t", 1088}}},
    {"alter index ix on s.t disable", {{"alter on s.t", 1088}}},
    {"drop index ix on s.t", {{"alter on s.t", 3701}}},
    {"drop index s.t.ix", {{"alter on s.t", 3701}}},
    {"update statistics s.t", {{"alter on s.t", 1088}}},
    /* modules */
    {"create view s.n as select 1 as a", {IN_S("create view")}},
    {"create or alter view s.n as select 1 as a", {IN_S("create view")}},
    {"alter view s.v as select 1 as a", {{"alter on s.v", 208}}},
    {"create or alter view s.v as select 1 as a", {{"alter on s.v", 208}}},
    {"drop view s.v", {{"alter on schema::s", 3701}}},
    {"drop view s.v", {{"control on s.v", 3701}}},
    {"create procedure s.n as select 1", {IN_S("create procedure")}},
    {"alter procedure s.p as select 1", {{"alter on s.p", 208}}},
    {"drop procedure s.p", {{"alter on schema::s", 3701}}},
    {"drop procedure s.p", {{"control on s.p", 3701}}},
    {"create function s.n() returns int as begin return 1 end", {IN_S("create function")}},
    {"create function s.n(@a s.y) returns int as begin return 1 end", {IN_S("create function"), {"execute on type::s.y", 229}}},
    {"create function s.n() returns table as return select 1 as a", {IN_S("create function")}},
    {"alter function s.f(@a int) returns int as begin return 1 end", {{"alter on s.f", 208}}},
    {"drop function s.f", {{"alter on schema::s", 3701}}},
    {"drop function s.f", {{"control on s.f", 3701}}},
    {"create trigger s.n on s.t after insert as return", {{"alter on s.t", 8197}}},
    {"alter trigger s.tr on s.t after insert as return", {{"alter on s.t", 8197}}},
    {"disable trigger s.tr on s.t", {{"alter on s.t", 1088}}},
    {"enable trigger s.tr on s.t", {{"alter on s.t", 1088}}},
    {"drop trigger s.tr", {{"alter on s.t", 3701}}},
    {"create procedure s.n with execute as 'other' as select 1", {IN_S("create procedure"), {"impersonate on user::other", 15517}}},
    /* schemas */
    {"create schema n", {{"create schema", 2760}}},
    {"create schema n authorization other", {{"create schema", 2760}, {"impersonate on user::other", 15151}}},
    {"create schema n authorization owners", {{"create schema", 2760}, {"alter on role::owners", 15151}}},
    {"create schema n create table t (a int)", {{"create schema", 2760}, {"create table", 262}}},
    {"alter schema s2 transfer s.t", {{"alter on schema::s2", 15151}, {"control on s.t", 15151}}},
    {"alter schema s2 transfer type::s.tt", {{"alter on schema::s2", 15151}, {"control on type::s.tt", 15151}}},
    {"drop table s2.t2; drop schema s2", {{"control on schema::s2", 3701}}},
    /* types, sequences, synonyms */
    {"create type s.n from int", {IN_S("create type")}},
    {"create type s.n as table (a int)", {IN_S("create type")}},
    {"create type s.n as table (a s.y)", {IN_S("create type"), {"references on type::s.y", 229}}},
    {"drop type s.tt", {{"control on type::s.tt", 15151}}},
    {"drop type s.tt", {{"alter on schema::s", 15151}}},
    {"create sequence s.n as int", {{"create sequence on schema::s", 2760}}},
    {"create sequence s.n as int", {{"alter on schema::s", 2760}}},
    {"create sequence s.n as s.y", {{"create sequence on schema::s", 2760}, {"references on type::s.y", 229}}},
    {"alter sequence s.sq restart", {{"alter on s.sq", 15151}}},
    {"alter sequence s.sq restart", {{"alter on schema::s", 15151}}},
    {"drop sequence s.sq", {{"alter on schema::s", 15151}}},
    {"drop sequence s.sq", {{"control on s.sq", 15151}}},
    {"create synonym s.n for s.t", {IN_S("create synonym")}},
    {"drop synonym s.sy", {{"alter on schema::s", 15151}}},
    {"drop synonym s.sy", {{"control on s.sy", 15151}}},
    /* principals */
    {"create user n without login", {{"alter any user", 15247}}},
    {"create user n with password = 'Blue-Lake-3791'", {{"alter any user", 15247}}},
    {"alter user other with name = n", {{"alter any user", 15151}}},
    {"alter user other with login = login_n", {{"control", 15151}}},
    {"alter user other with default_schema = s", {{"alter on user::other", 15151}}},
    {"drop user other", {{"alter any user", 15151}}},
    {"create role n", {{"create role", 15247}}},
    {"create role n", {{"alter any role", 15247}}},
    {"create role n authorization other", {{"create role", 15247}, {"impersonate on user::other", 15151}}},
    {"create role n authorization owners", {{"create role", 15247}, {"alter on role::owners", 15151}}},
    {"alter role staff add member other", {{"alter on role::staff", 15151}}},
    {"alter role staff add member other", {{"alter any role", 15151}}},
    {"alter role staff with name = n", {{"alter any role", 15151}}},
    {"drop role staff", {{"control on role::staff", 15151}}},
    {"drop role staff", {{"alter any role", 15151}}},
    {"create application role n with password = 'Blue-Lake-3791'", {{"alter any application role", 15247}}},
    {"alter application role app with name = n", {{"alter on application role::app", 15151}}},
    {"alter application role app with name = n", {{"alter any application role", 15151}}},
    {"drop application role app", {{"alter any application role", 15151}}},
    {"grant select on s.t to app", {{"control on s.t", 15151}}},
    /* owners */
    {"alter authorization on s.t to other", {{"take ownership on s.t", 15151}, {"impersonate on user::other", 15151}}},
    {"alter authorization on schema::s to other", {{"take ownership on schema::s", 15151}, {"impersonate on user::other", 15151}}},
    {"alter authorization on type::s.tt to owners", {{"take ownership on type::s.tt", 15151}, {"alter on role::owners", 15151}}},
    {"alter authorization on role::staff to other", {{"take ownership on role::staff", 15151}, {"impersonate on user::other", 15151}}},
    /* permissions */
    {"grant select on s.t to other", {{"control on s.t", 15151}}},
    {"deny select on s.t to other", {{"control on s.t", 15151}}},
    {"revoke select on s.t from other", {{"control on s.t", 15151}}},
    {"grant select on schema::s to other", {{"control on schema::s", 15151}}},
    {"grant create table to other", {{"control", 4613}}},
    {"grant execute on type::s.tt to other", {{"control on type::s.tt", 15151}}},
    {"grant alter on role::staff to other", {{"control on role::staff", 15151}}},
    {"grant alter on user::other to staff", {{"control on user::other", 15151}}},
    {"execute as user = 'other'; revert", {{"impersonate on user::other", 15517}}},
    {"exec sp_rename 's.e', 'n'", {{"alter on s.e", 15225}}},
    {"exec sp_recompile 's.p'", {{"alter on s.p", 15165}}},
    {"exec sp_refreshview 's.w'", {{"view definition on s.w", 15165}, {"alter on s.w", 208}}}, /* it reads the text */
    {"exec sp_addextendedproperty 'y', '1', 'schema', 's', 'table', 't'", {{"alter on s.t", 15135}}},
    {"exec sp_updateextendedproperty 'x', '2', 'schema', 's', 'table', 't'", {{"alter on s.t", 15135}}},
    {"exec sp_dropextendedproperty 'x', 'schema', 's', 'table', 't'", {{"alter on s.t", 15135}}},
    {"exec sp_addrole 'n'", {{"create role", 15247}}},
    {"exec sp_addrolemember 'staff', 'other'", {{"alter on role::staff", 15151}}},
    /* clang-format on */
};

/* Not in a transaction. */
static const struct right_row rows_of_administration[] = {
    /* clang-format off */
    {"checkpoint", {{"checkpoint", 262}}},
    {"begin try exec('kill 4711') end try begin catch if error_number() <> 6106 throw end catch", {{"kill database connection", 6102}}},
    {"alter database scoped configuration set maxdop = 2", {{"alter any database scoped configuration", 15247}}},
    {"alter database current set query_store = on", {{"alter", 15247}}},
    {"dbcc checkdb", {{"control", 2571}}},
    {"dbcc checktable ('s.t')", {{"control on s.t", 2501}}}, /* he does not see it */
    {"dbcc checkident ('s.i')", {{"control on schema::s", 2501}}},
    {"dbcc freeproccache", {{"control", 2571}}},
    {"dbcc shrinkdatabase (testdb)", {{"control", 2571}}},
    {"dbcc updateusage (0)", {{"control", 2571}}},
    {"dbcc flushauthcache", {{"control", 2571}}},
    {"dbcc opentran", {{"control", 2571}}},
    {"reconfigure", {{"control", 5812}}},
    {"exec sp_updatestats", {{"control", 15247}}},
    {"exec sp_query_store_flush_db", {{"alter", 15247}}},
    {"select count(*) from sys.dm_os_wait_stats", {{"view database state", 262}}},
    {"select count(*) from sys.dm_os_wait_stats", {{"view database performance state", 262}}},
    {"select count(*) from sys.dm_io_virtual_file_stats(null, null)", {{"view database performance state", 262}}},
    {"select count(*) from sys.dm_exec_connections", {{"view database state", 262}}},
    {"select count(*) from sys.dm_exec_connections", {{"view database security state", 262}}},
    {"select count(*) from sys.query_store_query", {{"view database state", 262}}},
    /* clang-format on */
};

/* What goes with a user as he is, or with ALTER on another one, and what does not. */
static void test_a_user_changes_himself(void **state)
{
    (void)state;
    ok(&dbo, "create schema s; create user u without login; create user other without login");
    ok(&dbo, "grant alter on user::other to u; execute as user = 'u'");
    ok(&dbo, "alter user u with default_schema = s, default_language = Deutsch");
    gives(&dbo, "alter user u with name = v", 15151);
    gives(&dbo, "alter user u with default_schema = s, name = v", 15151);
    gives(&dbo, "drop user u", 15151);
    ok(&dbo, "alter user other with default_schema = s");
    gives(&dbo, "alter user other with name = v", 15151);
    gives(&dbo, "drop user other", 15151);
    ok(&dbo, "revert");
    rows(&dbo,
         "select name, default_schema_name, default_language_name from sys.database_principals "
         "where name in ('u', 'other') order by name",
         "other|s|NULL\nu|s|Deutsch\n");
}

static void test_each_statement_asks_for_what_is_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++)
        ok(&dbo, things[i]);
    failures = 0;
    for (size_t i = 0; i < sizeof rows_of_ddl / sizeof rows_of_ddl[0]; i++)
        check_row(&rows_of_ddl[i], false);
    for (size_t i = 0; i < sizeof rows_of_administration / sizeof rows_of_administration[0]; i++)
        check_row(&rows_of_administration[i], true);
    assert_int_equal(failures, 0);
}

/* No DECLARE asks for the type of a table that comes with the call itself. */
static void test_a_call_with_a_table_asks_for_its_type(void **state)
{
    const struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_rowset *rowset = NULL;
    (void)state;
    ok(&dbo, "create type tt as table (a int); create user u without login");
    ok(&dbo, "create procedure takes @t tt readonly as select count(*) as n from @t");
    ok(&dbo, "grant execute on takes to u; execute as user = 'u'");
    assert_int_equal(qr_rowset_new(&type, 1, qr_session_store(dbo.session), &rowset, NULL), QR_OK);
    const struct qr_arg arg = {.type = qr_type_of(QR_TYPE_TABLE), .rowset = rowset};
    for (int granted = 0; granted < 2; granted++) {
        assert_int_equal(qr_session_call(dbo.session, qr_str("takes"), &arg, 1, client_sink(&dbo)),
                         QR_OK);
        const char *said = qr_buf_cstr(&dbo.out);
        assert_non_null(strstr(said, granted ? "ROW 0"
                                             : "The EXECUTE permission was denied on "
                                               "the object 'tt'"));
        ok(&dbo, "revert; grant execute on type::tt to u; execute as user = 'u'");
    }
    ok(&dbo, "revert");
    qr_rowset_free(rowset);
}

/* What a later version adds is public only if somebody has decided so. */
static void test_every_view_is_public_or_guarded_on_purpose(void **state)
{
    enum qr_perm perm;
    unsigned count = 0;
    (void)state;
    const char *line = run(&dbo, "select name from sys.all_objects where is_ms_shipped = 1 and "
                                 "type in ('V', 'IF', 'TF') order by name");
    for (; (line = strstr(line, "ROW ")) != NULL; line += 4, count++) {
        struct qr_str name = qr_str_n(line + 4, strcspn(line + 4, "\n"));
        if (!qri_view_right(name, &perm))
            fail_msg("%.*s is missing in access_view.c", (int)name.n, name.p);
    }
    assert_in_range(count, 200, 1000);
    assert_false(qri_view_right(qr_str("of_tomorrow"), &perm));
    assert_int_equal(perm, QR_MAY_VIEW_DATABASE_STATE);
    assert_true(qri_view_right(qr_str("dm_of_tomorrow"), &perm));
    assert_int_equal(perm, QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_statement_asks_for_what_is_documented, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_user_changes_himself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_call_with_a_table_asks_for_its_type, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_every_view_is_public_or_guarded_on_purpose, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("engine/ddl_rights", tests, NULL, NULL);
}
