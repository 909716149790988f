/* test_approles.c - application roles: made, changed, dropped; who becomes one, and who he is then.
 */
#include "users_bed.h"
#include "base/banned.h"

#define PASSWORD "'Blue-Lake-3791'"

static void make(void)
{
    ok(&dbo, "create table t (a int) insert t values (7); create user ann for login login_ann");
    ok(&dbo, "create application role app with password = " PASSWORD ", default_schema = dbo");
    ok(&dbo, "grant select on t to app; grant insert on t to ann");
}

static void test_one_is_made_changed_and_dropped(void **state)
{
    (void)state;
    struct client ann;
    make();
    rows(&dbo,
         "select name, type_desc, default_schema_name, authentication_type_desc, len(sid) from "
         "sys.database_principals where type = 'A'",
         "app|APPLICATION_ROLE|dbo|NONE|28\n");
    gives(&dbo, "create application role app with password = " PASSWORD, 15023);
    gives(&dbo, "create application role x with default_schema = dbo", 102);
    gives(&dbo, "create application role x with password = 'short'", 40630);
    gives(&dbo, "create user app without login", 15023);
    gives(&dbo, "alter role db_owner add member app", 15151);
    gives(&dbo, "execute as user = 'app'", 15517);
    gives(&dbo, "alter user app with default_schema = dbo", 15151);
    gives(&dbo, "drop user app", 15151);
    gives(&dbo, "drop role app", 15151);
    gives(&dbo, "alter application role ann with default_schema = dbo", 15151);
    client_open_login(&f, &ann, "login_ann");
    gives(&ann, "create application role x with password = " PASSWORD, 15247);
    gives(&ann, "alter application role app with name = y", 15151);
    gives(&ann, "drop application role app", 15151);
    ok(&dbo, "grant alter on application role::app to ann");
    ok(&ann, "alter application role app with name = app2, default_schema = s");
    gives(&ann, "drop application role app2", 15151);
    ok(&dbo, "grant alter any application role to ann");
    ok(&ann, "drop application role app2; drop application role if exists app2");
    ok(&ann, "create application role x with password = " PASSWORD);
    client_close(&ann);
    reopen();
    rows(&dbo, "select name from sys.database_principals where type = 'A'", "x\n");
}

static void test_who_knows_the_password_becomes_it(void **state)
{
    (void)state;
    struct client ann;
    make();
    client_open_login(&f, &ann, "login_ann");
    gives(&ann, "exec sp_setapprole 'app', 'Wrong-Word-1'", 15161);
    gives(&ann, "exec sp_setapprole 'nothing', " PASSWORD, 15161);
    gives(&ann, "exec sp_setapprole 'ann', " PASSWORD, 15161);
    gives(&ann, "begin tran exec sp_setapprole 'app', " PASSWORD, 15002);
    ok(&ann, "rollback");
    gives(&ann, "exec('exec sp_setapprole ''app'', ''Blue-Lake-3791''')", 15422);
    gives(&ann, "exec sp_setapprole 'app', " PASSWORD ", 'odbc'", 40510);
    gives(&ann, "select a from t", 229);
    ok(&ann,
       "create table #c (c varbinary(8000)); declare @c varbinary(8000); exec sp_setapprole "
       "'app', " PASSWORD ", @fCreateCookie = true, @cookie = @c output; insert #c values (@c)");
    rows(&ann, "select user_name(), original_login(), is_rolemember('public')",
         "app|login_ann|1\n");
    rows(&dbo,
         "select left(login_name, 8), original_login_name from sys.dm_exec_sessions where "
         "session_id <> @@spid",
         "login_an|login_ann\n");
    rows(&ann, "select a from t", "7\n"); /* what it may, and what he may no more */
    gives(&ann, "insert t values (1)", 229);
    rows(&ann, "select name, type from sys.user_token order by name",
         "app|APPLICATION ROLE\npublic|ROLE\n");
    gives(&ann, "revert", 15591);
    gives(&ann, "exec sp_unsetapprole 0x00", 15592);
    gives(&ann, "exec sp_unsetapprole", 15592);
    ok(&ann, "declare @c varbinary(8000) = (select c from #c); exec sp_unsetapprole @c");
    rows(&ann, "select user_name()", "ann\n");
    ok(&ann, "insert t values (1)");
    gives(&ann, "declare @c varbinary(8000) = (select c from #c); exec sp_unsetapprole @c", 15592);
    ok(&ann, "exec sp_setapprole @rolename = 'app', @password = " PASSWORD);
    gives(&ann, "exec sp_unsetapprole 0x00000000000000000000000000000000", 15592);
    ok(&dbo, "deny select on t to app");
    gives(&ann, "select a from t", 229);
    ok(&dbo, "drop application role app");
    gives(&ann, "select 1 from t", 916);
    client_close(&ann);
}

/* Its password opens the role, not the database; and no view shows it. */
static void test_nobody_comes_in_as_one(void **state)
{
    (void)state;
    char hash[QR_USER_HASH_BYTES];
    const struct qr_session_options options = {.login = qr_str("app"), .is_own_user = true};
    make();
    assert_int_equal(qr_database_user_hash(f.db, qr_str("app"), hash, NULL), QR_NOT_FOUND);
    assert_false(qr_database_has_passwords(f.db));
    assert_int_equal(client_refused(&f, &options), 4060);
    run(&dbo, "exec sp_setapprole 'nothing', 'Never-Shown-12'");
    rows(&dbo,
         "select count(*) from sys.dm_exec_query_stats s cross apply "
         "sys.dm_exec_sql_text(s.sql_handle) t where t.text like '%Never-' + 'Shown%'",
         "0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_is_made_changed_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_knows_the_password_becomes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_comes_in_as_one, setup, teardown),
    };
    return cmocka_run_group_tests_name("engine/approles", tests, NULL, NULL);
}
