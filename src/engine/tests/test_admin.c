/* Goal: a user administers what he may and nothing else, and sees of the catalog and of the server
 * what is his to see. Method: dbo makes objects and users; users try, and what comes back is
 * compared; a table of procedures is held against those that there are. */
#include "harness.h"
#include <stdlib.h>
#include "../access_int.h"
#include "../sysmodule_int.h"
#include "../sysproc.h"

static const char *const objects[] = {
    "create schema app",
    "create table app.seen (a int primary key, b int, c int default 5)",
    "create table app.hidden (a int identity primary key, b int)",
    "create view app.v as select a from app.seen",
    "create proc app.p as select 1 as one",
    "create type app.code from varchar(5)",
    "create user u without login",
    "create user owner without login",
    "create user ddl without login",
    "create role r",
    "create role other",
    "alter role r add member u",
    "alter role db_ddladmin add member ddl",
    "grant select on app.seen (a) to r",
    "grant execute on app.p to u",
    "grant control on schema::app to owner",
};

struct world {
    struct fixture f;
    struct client c;
};

static void open_world(struct world *w)
{
    fixture_open(&w->f);
    client_open(&w->f, &w->c);
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        if (strstr(run(&w->c, objects[i]), "MSG") != NULL)
            fail_msg("%s\n%s", objects[i], qr_buf_cstr(&w->c.out));
}

static void close_world(struct world *w)
{
    client_close(&w->c);
    fixture_close(&w->f);
}

/* As the user: the statement prints that text. */
static void says(struct world *w, const char *user, const char *sql, const char *want)
{
    char batch[64];
    snprintf(batch, sizeof batch, "execute as user = '%s'", user);
    assert_null(strstr(run(&w->c, batch), "MSG"));
    const char *got = run(&w->c, sql);
    if (strstr(got, want) == NULL)
        fail_msg("%s: %s\nwant %s\ngot\n%s", user, sql, want, got);
    assert_null(strstr(run(&w->c, "revert"), "MSG"));
}

static void refuses(struct world *w, const char *user, const char *sql, int number)
{
    char want[32];
    snprintf(want, sizeof want, "MSG %d ", number);
    says(w, user, sql, want);
}

static void test_administration_is_asked_for(void **state)
{
    static const struct {
        const char *sql;
        int number;
    } cases[] = {
        {"checkpoint", 262},
        {"kill 99", 6102},
        {"reconfigure", 5812},
        {"alter database current set query_store = on", 15247},
        {"alter database scoped configuration set maxdop = 2", 15247},
        {"dbcc checkdb", 2571},
        {"dbcc freeproccache", 2571},
        {"dbcc shrinkdatabase (testdb)", 2571},
        {"dbcc opentran", 2571},
        {"dbcc traceon (1222)", 2571},
        {"dbcc checkident ('app.seen', noreseed)", 2557},
        {"dbcc checktable ('app.seen')", 2557},
        {"dbcc checktable ('app.hidden')", 2501},
        {"dbcc checktable ('app.nowhere')", 2501},
        {"exec sp_updatestats", 15247},
        {"exec sp_query_store_flush_db", 15247},
        {"exec sp_set_database_firewall_rule N'x', '1.1.1.1', '1.1.1.1'", 15247},
        {"exec sp_lock", 262},
        {"exec sp_recompile 'app.seen'", 15165},
        {"exec sp_recompile 'app.nowhere'", 15165},
        {"exec sp_rename 'app.seen', 'x'", 15225},
        {"exec sp_rename 'app.nowhere', 'x'", 15225},
        {"exec sp_rename 'app.seen.b', 'x', 'column'", 15248},
        {"exec sp_rename 'app.nowhere.b', 'x', 'column'", 15248},
        {"exec sp_rename 'app.hidden.b', 'x'", 40515}, /* a name of three parts of nothing */
        {"exec sp_rename 'app.nowhere.b', 'x'", 40515},
        {"exec sp_refreshview 'app.v'", 15165},
        {"exec sp_addextendedproperty 'n', 'v'", 15135},
        {"exec sp_addextendedproperty 'n', 'v', 'schema', 'app'", 15135},
        {"exec sp_addextendedproperty 'n', 'v', 'schema', 'app', 'table', 'seen'", 15135},
        {"exec sp_addextendedproperty 'n', 'v', 'schema', 'app', 'table', 'nowhere'", 15135},
        {"exec sp_getapplock 'x', 'shared', 'session', 0, 'other'", 1202},
        {"exec sp_getapplock 'x', 'shared', 'session', 0, 'nobody'", 1202},
    };
    (void)state;
    struct world w;
    open_world(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuses(&w, "u", cases[i].sql, cases[i].number);
    static const char *const free_ones[] = {
        "dbcc useroptions with no_infomsgs",
        "dbcc tracestatus (-1)",
        "exec sp_who",
        "exec sp_tables",
        "exec sp_getapplock 'x', 'shared', 'session', 0, 'r'",
        "exec sp_releaseapplock 'x', 'session', 'r'",
        "exec sp_set_session_context 'k', 1",
        "create table #t (a int) exec sp_recompile '#t' dbcc checktable ('#t')",
    };
    for (size_t i = 0; i < sizeof free_ones / sizeof free_ones[0]; i++) {
        run(&w.c, "execute as user = 'u'");
        if (strstr(run(&w.c, free_ones[i]), "MSG") != NULL)
            fail_msg("%s\n%s", free_ones[i], qr_buf_cstr(&w.c.out));
        run(&w.c, "revert");
    }
    close_world(&w);
}

static void test_who_has_the_permission_may(void **state)
{
    static const struct {
        const char *grant, *user, *sql;
    } cases[] = {
        {"grant checkpoint to u", "u", "checkpoint"},
        {"grant alter any database scoped configuration to u", "u",
         "alter database scoped configuration set maxdop = 2"},
        {"grant alter on database::testdb to u", "u", "exec sp_query_store_flush_db"},
        {"select 1 as a", "u", "alter database current set query_store = on"},
        {"select 1 as a", "u", "exec sp_addextendedproperty 'n', 'v'"},
        {"revoke alter on database::testdb to u", "owner", "dbcc checktable ('app.seen')"},
        {"select 1 as a", "owner", "dbcc checkident ('app.hidden', noreseed)"},
        {"select 1 as a", "owner", "exec sp_rename 'app.hidden.b', 'bb', 'column'"},
        {"select 1 as a", "owner",
         "exec sp_addextendedproperty 'n', 'v', 'schema', 'app', 'table', 'seen'"},
        {"select 1 as a", "owner", "exec sp_refreshview 'app.v'"},
        {"select 1 as a", "ddl", "dbcc checkident ('app.hidden', noreseed)"},
        {"select 1 as a", "ddl", "exec sp_rename 'app.hidden.bb', 'b', 'column'"},
        {"grant control to u", "u", "dbcc freeproccache"},
        {"select 1 as a", "u", "exec sp_updatestats"},
        {"select 1 as a", "u", "dbcc checkdb with no_infomsgs"},
        {"select 1 as a", "u", "reconfigure"},
    };
    (void)state;
    struct world w;
    open_world(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char batch[64];
        if (strstr(run(&w.c, cases[i].grant), "MSG") != NULL)
            fail_msg("%s\n%s", cases[i].grant, qr_buf_cstr(&w.c.out));
        snprintf(batch, sizeof batch, "execute as user = '%s'", cases[i].user);
        run(&w.c, batch);
        if (strstr(run(&w.c, cases[i].sql), "MSG") != NULL)
            fail_msg("%s: %s\n%s", cases[i].user, cases[i].sql, qr_buf_cstr(&w.c.out));
        run(&w.c, "revert");
    }
    close_world(&w);
}

/* Who may end sessions ends those of his database. */
static void test_kill(void **state)
{
    (void)state;
    struct world w;
    struct client other;
    char sql[64];
    open_world(&w);
    client_open(&w.f, &other);
    const char *got = run(&other, "select @@spid as id");
    int id = atoi(strstr(got, "ROW ") + 4);
    snprintf(sql, sizeof sql, "kill %d", id);
    refuses(&w, "u", sql, 6102);
    run(&w.c, "grant kill database connection to u");
    refuses(&w, "u", "kill @@spid", 6104);
    refuses(&w, "u", "kill 32000", 6106);
    says(&w, "u", sql, "DONE\n");
    client_close(&other);
    close_world(&w);
}

static void test_every_procedure_has_its_line(void **state)
{
    enum qr_perm perm;
    (void)state;
    for (size_t i = 0; qri_sysproc_at(i) != NULL; i++)
        if (!qri_procedure_right(qr_str(qri_sysproc_at(i)->name), &perm))
            fail_msg("%s is missing in access_admin.c", qri_sysproc_at(i)->name);
    static const struct qri_sysmodule *const lists[] = {qri_sysmodules, qri_sysmodules_security};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
        for (size_t i = 0; lists[k][i].name != NULL; i++)
            if (!qri_procedure_right(qr_str(lists[k][i].name), &perm))
                fail_msg("%s is missing in access_admin.c", lists[k][i].name);
    assert_false(qri_procedure_right(qr_str("sp_of_tomorrow"), &perm));
    assert_int_equal(perm, QR_MAY_CONTROL);
}

/* ---- what is seen ---- */

static void test_only_what_is_his_is_seen(void **state)
{
    static const struct batch cases[] = {
        {"select name from sys.tables", "ROW seen\nDONE 1\n"},
        {"select count(*) as n from sys.columns where object_id > 0", "ROW 3\nDONE 1\n"},
        {"select table_name from information_schema.tables", "ROW seen\nDONE 1\n"},
        {"select name from sys.types where is_user_defined = 1", "DONE 0\n"},
        {"select object_id('app.hidden') as a, object_id('app.nowhere') as b, type_id('app.code') "
         "as c",
         "ROW NULL|NULL|NULL\nDONE 1\n"},
        {"select case when object_id('app.seen') > 0 then 1 end as a", "ROW 1\nDONE 1\n"},
        {"select definition from sys.sql_modules", "ROW NULL\nDONE 1\n"},
        {"select routine_definition from information_schema.routines", "ROW NULL\nDONE 1\n"},
        {"select text from sys.syscomments where id > 0", "ROW NULL\nROW NULL\nDONE 2\n"},
        {"select column_name, column_default from information_schema.columns",
         "ROW a|NULL\nROW b|NULL\nROW c|NULL\nDONE 3\n"},
        {"select object_definition(object_id('app.p')) as a", "ROW NULL\nDONE 1\n"},
        {"select name from sys.database_principals where principal_id between 5 and 16383 "
         "order by principal_id",
         "ROW u\nROW r\nDONE 2\n"},
        {"select user_id('owner') as a, user_name(6) as b, is_member('r') as c, is_member('other') "
         "as d",
         "ROW NULL|NULL|1|NULL\nDONE 1\n"},
        {"select user_name() as a, current_user as b, original_login() as c",
         "ROW u|u|tester\nDONE 1\n"},
        {"select count(*) as n from sys.dm_exec_sessions", "ROW 1\nDONE 1\n"},
        {"select count(*) as n from sys.dm_exec_requests where session_id <> @@spid",
         "ROW 0\nDONE 1\n"},
        {"select count(*) as n from sys.sysprocesses where spid <> @@spid", "ROW 0\nDONE 1\n"},
    };
    (void)state;
    struct world w;
    struct client other;
    open_world(&w);
    client_open(&w.f, &other);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(&w, "u", cases[i].sql, cases[i].want);
    says(&w, "u", "select count(*) as n from sys.objects where name = 'hidden'", "ROW 0\n");
    run(&w.c, "grant view definition on app.p to u");
    says(&w, "u", "select definition from sys.sql_modules", "create proc app.p");
    run(&w.c, "grant view definition to u");
    says(&w, "u", "select count(*) as n from sys.tables", "ROW 2\n");
    run(&w.c, "deny view definition on app.hidden to u");
    says(&w, "u", "select count(*) as n from sys.tables", "ROW 1\n");
    client_close(&other);
    close_world(&w);
}

static void test_state_is_asked_for(void **state)
{
    static const char *const views[] = {
        "sys.dm_exec_connections",  "sys.dm_exec_query_stats", "sys.dm_os_wait_stats",
        "sys.dm_tran_locks",        "sys.query_store_query",   "sys.index_physical_stats$",
        "sys.dm_db_resource_stats",
    };
    char sql[128], input[96];
    (void)state;
    struct world w;
    struct client other;
    open_world(&w);
    client_open(&w.f, &other);
    const char *got = run(&other, "select @@spid as id /* a secret */");
    snprintf(input, sizeof input, "select event_info from sys.dm_exec_input_buffer(%d, 0)",
             atoi(strstr(got, "ROW ") + 4));
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        snprintf(sql, sizeof sql, "select count(*) as n from %s", views[i]);
        says(&w, "u", sql, "STATE permission denied in database 'testdb'.\nDONE error\n");
    }
    says(&w, "u", input, "DONE 0\n");
    run(&w.c, "grant view database state to u");
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        snprintf(sql, sizeof sql, "select count(*) as n from %s", views[i]);
        says(&w, "u", sql, "ROW ");
    }
    says(&w, "u", input, "a secret");
    run(&w.c, "exec('create proc app.private as select count(*) as n from app.hidden')");
    run(&w.c, "exec app.private");
    says(&w, "u", "select count(*) as n from sys.dm_exec_procedure_stats", "ROW 1\n");
    says(&w, "u", "select count(*) as n from sys.dm_db_partition_stats where object_id > 0",
         "ROW 1\n"); /* app.seen */
    says(&w, "u", "select count(*) as n from sys.dm_exec_sessions", "ROW 2\n");
    client_close(&other);
    close_world(&w);
}

/* ---- what he may ---- */

static void test_permissions_are_told(void **state)
{
    static const struct batch cases[] = {
        {"select has_perms_by_name('app.seen', 'object', 'select') as a, "
         "has_perms_by_name('app.seen', 'object', 'select', 'a', 'column') as b, "
         "has_perms_by_name('app.seen', 'object', 'select', '[b]', 'column') as c, "
         "has_perms_by_name('app.hidden', 'object', 'select') as d, "
         "has_perms_by_name(null, 'database', 'connect') as e, "
         "has_perms_by_name(db_name(), 'database', 'create table') as f, "
         "has_perms_by_name('app.p', 'object', 'execute') as g, "
         "has_perms_by_name('nowhere', 'object', 'any') as h",
         "ROW 0|1|0|NULL|1|0|1|NULL\n"},
        {"select permission_name from fn_my_permissions('app.p', 'object')",
         "ROW EXECUTE\nDONE 1\n"},
        {"select subentity_name, permission_name from fn_my_permissions('app.seen', 'object')",
         "ROW a|SELECT\nDONE 1\n"},
        {"select entity_name, permission_name from fn_my_permissions(null, 'database') where "
         "permission_name <> 'VIEW ANY COLUMN ENCRYPTION KEY DEFINITION' and permission_name <> "
         "'VIEW ANY COLUMN MASTER KEY DEFINITION'",
         "ROW database|CONNECT\nDONE 1\n"},
        {"select count(*) as n from fn_my_permissions('app.hidden', 'object')", "ROW 0\n"},
        {"select permission_name from fn_my_permissions(null, 'server') order by 1",
         "ROW CONNECT SQL\nROW VIEW ANY DATABASE\nDONE 2\n"},
        {"select name from sys.user_token order by principal_id",
         "ROW public\nROW u\nROW r\nDONE 3\n"},
    };
    (void)state;
    struct world w;
    open_world(&w);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        says(&w, "u", cases[i].sql, cases[i].want);
    says(&w, "owner",
         "select count(*) - (select count(*) from fn_builtin_permissions('SCHEMA')) as n from "
         "fn_my_permissions('app', 'schema')",
         "ROW 0\n");
    expect(&w.c,
           "select count(*) as n from fn_my_permissions(null, 'database') where permission_name in "
           "('CONTROL', 'CREATE TABLE', 'VIEW DATABASE STATE')",
           "COLS n int\nROW 3\nDONE 1\n");
    close_world(&w);
}

static void test_names_are_of_his_schema(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    run(&w.c, "alter user owner with default_schema = app");
    run(&w.c, "create table dbo.mine (a int) grant select on dbo.mine to owner");
    says(&w, "owner",
         "select schema_name() as a, schema_name(schema_id()) as b, object_name(object_id('seen')) "
         "as c, object_name(object_id('mine')) as d, case when type_id('code') > 256 then 1 end as "
         "e",
         "ROW app|app|seen|mine|1\n");
    says(&w, "u", "select schema_name() as a, object_id('seen') as b", "ROW dbo|NULL\n");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_administration_is_asked_for),
        cmocka_unit_test(test_who_has_the_permission_may),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_every_procedure_has_its_line),
        cmocka_unit_test(test_only_what_is_his_is_seen),
        cmocka_unit_test(test_state_is_asked_for),
        cmocka_unit_test(test_permissions_are_told),
        cmocka_unit_test(test_names_are_of_his_schema),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
