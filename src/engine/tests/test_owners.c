/* test_owners.c - a database belongs to a login, who is dbo there. */
#include "users_bed.h"
#include "base/banned.h"

/* The database's owner is a login, who is dbo there and nowhere else anything. */
static void test_a_database_is_given_to_a_login(void **state)
{
    (void)state;
    struct client kat;
    gives(&dbo, "alter authorization on database::other to login_kat", 15151);
    gives(&dbo, "alter authorization on database::testdb to nobody", 15151);
    ok(&dbo, "create user ann for login login_ann");
    gives(&dbo, "alter authorization on database::testdb to login_ann", 15110);
    assert_int_equal(refused("login_ben"), 4060);
    ok(&dbo, "alter authorization on database::testdb to login_ben");
    client_open_login(&f, &kat, "login_ben");
    rows(&kat, "select user_name(), is_member('db_owner')", "dbo|1\n");
    gives(&kat, "create user ben for login login_ben", 15063);
    gives(&kat, "begin tran alter authorization on database::testdb to login_ann", 226);
    ok(&kat, "rollback; execute as user = 'ann'");
    gives(&kat, "alter authorization on database::testdb to login_kat", 15151);
    ok(&kat, "revert");
    rows(&dbo, "select name from sys.database_principals where sid = 0x6C6F67696E5F62656E",
         "dbo\n");
    rows(&kat,
         "select count(*) from sys.database_principals where principal_id = 1 and sid = "
         "0x6C6F67696E5F62656E",
         "1\n");
    ok(&dbo, "drop user ann");
    ok(&kat, "alter authorization on database::testdb to login_ann"); /* by its owner */
    gives(&kat, "select 1", 916);
    client_close(&kat);
    assert_int_equal(refused("login_ben"), 4060);
    assert_int_equal(refused("login_ann"), 0);
}

/* Who has become another user is shown as him, and as who he came in as. */
static void test_a_session_shows_whom_it_executes_as(void **state)
{
    (void)state;
    struct client ann;
    const char *shown = "select left(login_name, 8), original_login_name, len(security_id) from "
                        "sys.dm_exec_sessions where session_id <> @@spid";
    ok(&dbo, "create user ann for login login_ann; create user ben for login login_ben; create "
             "user cee without login; grant impersonate on user::ben to ann; grant impersonate on "
             "user::cee to ann");
    client_open_login(&f, &ann, "login_ann");
    rows(&dbo, shown, "login_an|login_ann|9\n");
    ok(&ann, "execute as user = 'ben'");
    rows(&dbo, shown, "login_be|login_ann|9\n");
    ok(&ann, "revert; execute as user = 'cee'");
    rows(&dbo, shown, "S-1-9-3-|login_ann|28\n");
    rows(&ann, "select left(login_name, 8) from sys.dm_exec_sessions", "S-1-9-3-\n");
    ok(&ann, "revert");
    rows(&dbo, shown, "login_an|login_ann|9\n");
    client_close(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_database_is_given_to_a_login, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_session_shows_whom_it_executes_as, setup, teardown),
    };
    return cmocka_run_group_tests_name("engine/owners", tests, NULL, NULL);
}
