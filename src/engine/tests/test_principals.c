/* test_principals.c - users, roles, permissions: who is let in, who may give what, what goes with
 * what. */
#include "users_bed.h"
#include "password/password.h"
#include "base/banned.h"

#define PERMISSIONS                                                                                \
    "select isnull(object_name(case class when 1 then major_id end), class_desc), minor_id, "      \
    "user_name(grantee_principal_id), user_name(grantor_principal_id), permission_name, state "    \
    "from sys.database_permissions where permission_name <> 'CONNECT' order by class, major_id, "  \
    "minor_id, grantee_principal_id, grantor_principal_id, permission_name"

/* ---- who is let in ---- */

static void test_a_login_comes_in_as_its_user(void **state)
{
    (void)state;
    assert_int_equal(refused("login_ann"), 4060);
    ok(&dbo, "create user ann for login login_ann");
    assert_int_equal(refused("login_ann"), 0);
    assert_int_equal(refused("login_ben"), 4060);
    rows(&dbo,
         "select state, grantor_principal_id, class from sys.database_permissions where "
         "grantee_principal_id = user_id('ann') and permission_name = 'CONNECT'",
         "G|1|0\n");
    ok(&dbo, "alter user ann with name = anna, login = login_ben");
    assert_int_equal(refused("login_ann"), 4060);
    assert_int_equal(refused("login_ben"), 0);
    ok(&dbo, "revoke connect from anna");
    assert_int_equal(refused("login_ben"), 4060);
    ok(&dbo, "grant connect to guest");
    assert_int_equal(refused("login_ann"), 0);    /* as guest */
    assert_int_equal(refused("login_ben"), 4060); /* as Anna */
    ok(&dbo, "drop user anna");
    assert_int_equal(refused("login_ben"), 0);
    ok(&dbo, "revoke connect from guest");
    assert_int_equal(refused("login_ben"), 4060);
}

/* Who gave a user with a password a login's SID gets nobody's login. */
static void test_a_users_own_password_is_no_logins(void **state)
{
    (void)state; /* SID: login_kat */
    ok(&dbo, "create user trap with password = 'Secret:123', sid = 0x6C6F67696E5F6B6174");
    assert_int_equal(refused("login_kat"), 4060);
    ok(&dbo, "drop user trap; create user kat without login with sid = 0x6C6F67696E5F6B6174");
    assert_int_equal(refused("login_kat"), 0);
}

static void test_what_create_user_refuses(void **state)
{
    (void)state;
    ok(&dbo, "create user login_ann"); /* of the login of that name */
    gives(&dbo, "create user nobody", 15007);
    gives(&dbo, "create user ann for login login_ann", 15063);
    gives(&dbo, "create user login_ann without login", 15023);
    gives(&dbo, "create user x from external provider", 40510);
    gives(&dbo, "create user x without login with sid = 0x123", 15419);
    ok(&dbo, "create user x without login with sid = 0x010203");
    gives(&dbo, "create user y without login with sid = 0x010203", 15433);
    gives(&dbo, "create user y with password = 'Abc-123'", 40630);
    gives(&dbo, "create user y with password = 'abcdefgh'", 40632);
    gives(&dbo, "create user yvonne with password = 'Yvonne-1234'", 40632);
    gives(&dbo, "create user y for login login_ben with password = 'Secret:123'", 102);
    gives(&dbo, "create user y with password = 'Secret:123', default_language = klingon", 15033);
    gives(&dbo, "alter user dbo with name = boss", 15150);
    gives(&dbo, "alter user public with name = all_of_us", 15151);
    gives(&dbo, "drop user guest", 15150);
    gives(&dbo, "drop user y", 15151);
    ok(&dbo, "drop user if exists y");
    gives(&dbo, "drop user db_owner", 15151);
}

static bool password_is(const char *user, const char *password)
{
    char hash[QR_USER_HASH_BYTES];
    struct qr_err err = {0};
    return qr_database_user_hash(f.db, qr_str(user), hash, &err) == QR_OK &&
           qr_password_is_right(hash, qr_str(password));
}

static void test_a_user_with_a_password(void **state)
{
    (void)state;
    struct client own;
    ok(&dbo, "create user cee with password = 'Secret:1234', default_language = 1036, "
             "default_schema = sales, allow_encrypted_value_modifications = on");
    assert_true(password_is("cee", "Secret:1234"));
    rows(&dbo,
         "select type, authentication_type, authentication_type_desc, default_schema_name, "
         "default_language_name, default_language_lcid, allow_encrypted_value_modifications, "
         "datalength(sid) from sys.database_principals where name = 'cee'",
         "S|2|DATABASE|sales|Fran\xc3\xa7"
         "ais|1036|1|28\n");
    client_open_user(&f, &own, "cee");
    gives(&own, "alter user cee with password = 'Another:1234'", 15151);
    gives(&own, "alter user cee with password = 'Another:1234' old_password = 'Wrong:1234'", 15151);
    gives(&own, "alter user cee with default_schema = dbo, old_password = 'Secret:1234'", 15151);
    gives(&own, "alter user cee with password = 'short' old_password = 'Secret:1234'", 40630);
    ok(&own, "alter user cee with password = 'Another:1234' old_password = 'Secret:1234'");
    assert_true(password_is("cee", "Another:1234"));
    assert_false(password_is("cee", "Secret:1234"));
    gives(&dbo, "alter user cee with login = login_ann", 33234);
    ok(&dbo, "alter user cee with password = 'Third:12345'");
    ok(&dbo, "create user dee without login");
    gives(&dbo, "alter user dee with password = 'Third:12345'", 33234);
    client_close(&own);
    reopen();
    assert_true(password_is("cee", "Third:12345"));
}

static void test_a_password_is_shown_to_nobody(void **state)
{
    (void)state;
    ok(&dbo, "create user ann with password = 'Hidden:1234'");
    ok(&dbo, "if 1 = 1 begin alter user ann with password = 'Hidden:4321' end");
    rows(&dbo,
         "select count(*) from sys.dm_exec_cached_plans s cross apply "
         "sys.dm_exec_sql_text(s.plan_handle) t where t.text like '%Hid' + 'den:%'",
         "0\n");
}

static void test_whoever_has_his_number_is_not_he(void **state)
{
    (void)state;
    struct client ann;
    ok(&dbo, "create user ann for login login_ann");
    client_open_login(&f, &ann, "login_ann");
    gives(&ann, "create role mine", 15247);
    ok(&dbo, "drop user ann");
    ok(&dbo, "create user ben for login login_ben");
    gives(&ann, "create role mine", 916);
    client_close(&ann);
}

/* ---- roles ---- */

static void test_roles_and_their_members(void **state)
{
    (void)state;
    ok(&dbo, "create user ann for login login_ann; create user ben without login");
    ok(&dbo, "create role staff; create role readers authorization ann");
    ok(&dbo, "alter role staff add member ann; alter role staff add member ann; alter role "
             "db_datareader add member staff; alter role readers add member staff");
    gives(&dbo, "alter role staff add member readers", 15413);
    gives(&dbo, "alter role staff add member staff", 15413);
    gives(&dbo, "alter role public add member ann", 15081);
    gives(&dbo, "alter role staff add member dbo", 15405);
    gives(&dbo, "alter role staff add member public", 15405);
    gives(&dbo, "alter role staff add member db_owner", 15405);
    gives(&dbo, "alter role staff add member nobody", 15151);
    gives(&dbo, "alter role nothing add member ann", 15151);
    gives(&dbo, "alter role db_owner with name = boss", 15150);
    gives(&dbo, "create role ann", 15023);
    gives(&dbo, "create role x authorization nobody", 15151);
    gives(&dbo, "drop role staff", 15144);
    gives(&dbo, "drop role [public]", 15150);
    gives(&dbo, "drop user ann", 15421);
    ok(&dbo, "alter role staff with name = people");
    rows(&dbo,
         "select user_name(role_principal_id), user_name(member_principal_id) from "
         "sys.database_role_members order by 1, 2",
         "db_datareader|people\ndb_owner|dbo\npeople|ann\nreaders|people\n");
    ok(&dbo, "alter role people drop member ben; alter role people drop member ann");
    ok(&dbo, "alter authorization on role::readers to dbo; drop user ann; drop role people");
    rows(&dbo, "select count(*) from sys.database_role_members", "1\n");
}

static void test_who_manages_users_and_roles(void **state)
{
    (void)state;
    struct client ann;
    ok(&dbo, "create user ann for login login_ann; create role staff; create user ben without "
             "login");
    client_open_login(&f, &ann, "login_ann");
    gives(&ann, "create user cee without login", 15247);
    gives(&ann, "create role readers", 15247);
    gives(&ann, "alter role staff add member ben", 15151);
    gives(&ann, "drop role staff", 15151);
    gives(&ann, "drop user ben", 15151);
    gives(&ann, "alter user ben with default_schema = x", 15151);
    ok(&dbo, "grant alter any user, create role to ann; grant alter on role::staff to ann");
    ok(&ann, "create user cee without login; alter user cee with default_schema = x");
    ok(&ann, "create role readers"); /* it is hers */
    ok(&ann, "alter role readers add member cee; alter role staff add member ben");
    gives(&ann, "alter role db_datareader add member cee", 15151);
    gives(&ann, "create role x authorization ben", 15151);
    gives(&ann, "drop role staff", 15151);
    ok(&dbo, "alter role db_owner add member ann");
    ok(&ann, "alter role db_datareader add member cee; alter role staff drop member ben; drop role "
             "staff; drop user ben");
    rows(&dbo,
         "select name from sys.database_principals where owning_principal_id = user_id('ann')",
         "readers\n");
    ok(&dbo, "alter role db_owner drop member ann; create user boss with password = 'Secret:1234'; "
             "alter role db_owner add member boss; create user sub with password = 'Secret:1234'");
    ok(&ann, "alter user sub with password = 'Another:1234'; alter user boss with default_schema = "
             "x");
    gives(&ann, "alter user boss with password = 'Another:1234'", 15151); /* hers it would be */
    gives(&ann, "alter user boss with name = nobody", 15151);
    rows(&ann, "select name, type, usage from sys.login_token order by 1",
         "login_ann|SQL LOGIN|GRANT OR DENY\npublic|SERVER ROLE|GRANT OR DENY\n");
    client_close(&ann);
}

/* ---- GRANT, DENY, REVOKE ---- */

static void test_rows_of_permissions(void **state)
{
    (void)state;
    ok(&dbo, "create table t (a int, b int, c int)");
    ok(&dbo, "create user ann without login; create role staff");
    ok(&dbo, "grant select, insert on t to ann, staff; grant select on object::dbo.t to ann");
    ok(&dbo, "grant update (a, c) on t to ann; grant references on t(b) to ann");
    ok(&dbo, "grant view   database\n state, create table to staff; deny alter on schema::dbo to "
             "staff; grant exec to public");
    rows(&dbo, PERMISSIONS,
         "DATABASE|0|public|dbo|EXECUTE|G\n"
         "DATABASE|0|staff|dbo|CREATE TABLE|G\n"
         "DATABASE|0|staff|dbo|VIEW DATABASE STATE|G\n"
         "t|0|ann|dbo|INSERT|G\n"
         "t|0|ann|dbo|SELECT|G\n"
         "t|0|staff|dbo|INSERT|G\n"
         "t|0|staff|dbo|SELECT|G\n"
         "t|1|ann|dbo|UPDATE|G\n"
         "t|2|ann|dbo|REFERENCES|G\n"
         "t|3|ann|dbo|UPDATE|G\n"
         "SCHEMA|0|staff|dbo|ALTER|D\n");
    ok(&dbo, "deny select, update on t to ann; revoke insert on t from ann; revoke insert on t "
             "from ann; grant select (a) on t to ann; revoke all on t from staff");
    ok(&dbo, "revoke alter on schema::dbo to staff; revoke execute from public; revoke all from "
             "staff; revoke view database state from staff");
    rows(&dbo, PERMISSIONS,
         "t|0|ann|dbo|SELECT|D\n"
         "t|0|ann|dbo|UPDATE|D\n"
         "t|1|ann|dbo|SELECT|G\n"
         "t|2|ann|dbo|REFERENCES|G\n");
    ok(&dbo, "deny select on t to ann"); /* of the whole, and so of each column */
    ok(&dbo, "grant update on t to ann; revoke references on t from ann");
    ok(&dbo, "revoke update (a) on t from ann; revoke update (a) on t from ann"); /* all but a */
    rows(&dbo, PERMISSIONS, "t|0|ann|dbo|SELECT|D\nt|0|ann|dbo|UPDATE|G\nt|1|ann|dbo|UPDATE|R\n");
    reopen();
    rows(&dbo,
         "select column_name, privilege_type from information_schema.column_privileges where "
         "grantee = 'ann' order by 1",
         "b|UPDATE\nc|UPDATE\n");
    ok(&dbo, "execute as user = 'ann'; update t set b = 1; update t set c = 1");
    gives(&dbo, "update t set a = 1", 230);
    ok(&dbo,
       "revert; grant update on schema::dbo to ann; execute as user = 'ann'; update t set a = 1");
    ok(&dbo, "revert; revoke update on schema::dbo from ann; grant update (a) on t to ann");
    ok(&dbo,
       "execute as user = 'ann'; update t set a = 1; revert; revoke update (a) on t from ann");
    ok(&dbo, "grant update on t to ann; execute as user = 'ann'; update t set a = 1; revert");
    rows(&dbo, PERMISSIONS, "t|0|ann|dbo|SELECT|D\nt|0|ann|dbo|UPDATE|G\n");
}

static void test_what_grant_refuses(void **state)
{
    (void)state;
    ok(&dbo, "create table t (a int); create user ann without login; create role staff");
    ok(&dbo, "create sequence s");
    ok(&dbo, "exec('create procedure p as select 1')");
    gives(&dbo, "grant exec on t to ann", 4606);
    gives(&dbo, "grant select on p to ann", 4606);
    gives(&dbo, "grant insert on s to ann", 4606);
    gives(&dbo, "grant select on user::ann to staff", 4606);
    gives(&dbo, "grant create table on t to ann", 4606);
    gives(&dbo, "grant create database to ann", 4619);
    gives(&dbo, "grant all on schema::dbo to ann", 4623);
    gives(&dbo, "grant insert (a) on t to ann", 1020);
    gives(&dbo, "grant execute on p(a) to ann", 1020);
    gives(&dbo, "grant select (a) to ann", 1020);
    gives(&dbo, "grant select (z) on t to ann", 4615);
    gives(&dbo, "grant select on nothing to ann", 15151);
    gives(&dbo, "grant select on schema::nothing to ann", 15151);
    gives(&dbo, "grant execute on type::nothing to ann", 15151);
    gives(&dbo, "grant control on certificate::nothing to ann", 15151);
    gives(&dbo, "grant select on t to nobody", 15151);
    gives(&dbo, "grant select on other.dbo.t to ann", 4610);
    gives(&dbo, "grant select on t to db_datareader", 4617);
    gives(&dbo, "grant select on t to dbo", 4624);
    gives(&dbo, "deny select on t to sys", 4624);
    gives(&dbo, "grant staff to ann", 102);
    gives(&dbo, "grant select on t to ann as nobody", 15151);
    gives(&dbo, "grant select on t to ann as staff", 15151);
    ok(&dbo, "grant all on t to ann; grant all on p to ann; grant all on s to ann; grant all to "
             "staff");
    rows(&dbo,
         "select count(*), min(case class when 1 then 'object' else 'database' end) from "
         "sys.database_permissions where permission_name <> 'CONNECT' group by "
         "class, major_id order by 1",
         "1|object\n1|object\n5|object\n8|database\n");
}

static void test_the_grant_option(void **state)
{
    (void)state;
    struct client ann, ben;
    ok(&dbo, "create table t (a int, b int); create user ann for login login_ann; create user ben "
             "for login login_ben; create user cee without login; create role staff");
    client_open_login(&f, &ann, "login_ann");
    client_open_login(&f, &ben, "login_ben");
    gives(&ann, "grant select on t to cee", 15151);
    gives(&ann, "grant create table to cee", 4613);
    ok(&dbo, "grant select on t to ann");
    gives(&ann, "grant select on t to cee", 4613);
    ok(&dbo, "grant select on t to ann with grant option; grant select on t to ann");
    ok(&ann, "grant select on t to ben with grant option; grant select (a) on t to cee");
    gives(&ann, "grant update on t to cee", 4613);
    gives(&ann, "deny select on t to cee", 4613); /* which takes CONTROL */
    gives(&ann, "grant select on t to ann", 4624);
    ok(&ben, "grant select on t to cee");
    rows(&dbo, PERMISSIONS,
         "t|0|ann|dbo|SELECT|W\nt|0|ben|ann|SELECT|W\nt|0|cee|ben|SELECT|G\n"
         "t|1|cee|ann|SELECT|G\n");
    gives(&dbo, "drop user ann", 15284);
    gives(&dbo, "revoke select on t from ann", 4611);
    gives(&dbo, "deny select on t to ann", 4611);
    gives(&dbo, "revoke grant option for select on t from ann", 4611);
    ok(&dbo, "revoke grant option for select on t from ann cascade");
    rows(&dbo, PERMISSIONS, "t|0|ann|dbo|SELECT|G\n");
    ok(&dbo, "grant select on t to ann with grant option");
    ok(&ann, "grant select on t to ben with grant option");
    ok(&ben, "grant select on t to ann with grant option"); /* a circle ends all the same */
    ok(&dbo, "deny select on t to ann cascade");
    ok(&dbo, "revoke select on t from ann");
    rows(&dbo, PERMISSIONS, "t|0|ann|ben|SELECT|W\nt|0|ben|ann|SELECT|W\n");
    client_close(&ann);
    client_close(&ben);
}

static void test_as_a_role(void **state)
{
    (void)state;
    struct client ann, ben;
    ok(&dbo, "create table t (a int); create user ann for login login_ann; create user ben for "
             "login login_ben; create user cee without login; create role staff; alter role staff "
             "add member ann; grant select on t to staff with grant option");
    client_open_login(&f, &ann, "login_ann");
    client_open_login(&f, &ben, "login_ben");
    ok(&ann, "grant select on t to cee as staff");
    gives(&ben, "grant select on t to cee as staff", 4618);
    rows(&dbo, PERMISSIONS, "t|0|cee|staff|SELECT|G\nt|0|staff|dbo|SELECT|W\n");
    ok(&dbo, "alter role db_securityadmin add member ben");
    ok(&ben, "grant insert on t to cee; deny delete on schema::dbo to cee");
    rows(&dbo, PERMISSIONS,
         "t|0|cee|dbo|INSERT|G\nt|0|cee|staff|SELECT|G\nt|0|staff|dbo|SELECT|W\n"
         "SCHEMA|0|cee|dbo|DELETE|D\n");
    client_close(&ann);
    client_close(&ben);
}

/* ---- owners ---- */

static void test_owners_of_schemas_objects_and_types(void **state)
{
    (void)state;
    struct client ann;
    ok(&dbo,
       "create user ann for login login_ann; create user ben without login; create role staff");
    ok(&dbo,
       "create schema s authorization ann create table s.t (a int) grant select on s.t to ben");
    ok(&dbo, "create type s.y from int");
    gives(&dbo, "create schema x authorization nobody", 15151);
    gives(&dbo, "drop user ann", 15138);
    rows(&dbo, PERMISSIONS, "t|0|ben|ann|SELECT|G\n"); /* in the owner's name */
    client_open_login(&f, &ann, "login_ann");
    ok(&ann, "grant insert on s.t to staff; grant execute on type::s.y to staff");
    gives(&ann, "alter authorization on s.t to ben", 15151); /* she may not act for him */
    ok(&dbo, "grant select on s.t to staff; alter authorization on schema::s to staff");
    rows(&dbo, PERMISSIONS, "t|0|ben|staff|SELECT|G\n"); /* an owner is given nothing */
    gives(&ann, "grant insert on s.t to ben", 15151);
    ok(&dbo, "alter role staff add member ann");
    ok(&ann, "grant insert on s.t to ben");
    ok(&dbo, "alter authorization on s.t to ben; alter authorization on type::s.y to ben");
    rows(&dbo,
         "select user_name(o.principal_id), user_name(t.principal_id), user_name(s.principal_id) "
         "from sys.objects o, sys.types t, sys.schemas s where o.name = 't' and t.name = 'y' and "
         "s.name = 's'",
         "ben|ben|staff\n");
    gives(&dbo, "drop user ben", 15138);
    client_close(&ann);
    reopen();
    ok(&dbo,
       "alter authorization on s.t to schema owner; alter authorization on type::s.y to schema "
       "owner; drop user ben");
    gives(&dbo, "alter authorization on schema::dbo to ann", 15150);
    gives(&dbo, "alter authorization on role::db_owner to ann", 15150);
    gives(&dbo, "alter authorization on s.nothing to ann", 15151);
}

/* ---- what goes with what ---- */

static void test_rows_go_with_what_they_name(void **state)
{
    (void)state;
    ok(&dbo,
       "create user ann without login; create role staff; create schema s; create type y from "
       "int");
    ok(&dbo, "create table t (a int, b int); create table s.moved (a int)");
    ok(&dbo, "exec('create procedure p as select 1')");
    ok(&dbo,
       "grant select (a, b) on t to ann; grant insert on t to staff; grant control on schema::s "
       "to ann; grant execute on type::y to ann; grant execute on p to ann; grant alter on "
       "role::staff to ann; grant impersonate on user::ann to staff; grant select on s.moved "
       "to ann");
    ok(&dbo, "alter table t drop column b; exec('create or alter procedure p as select 2'); alter "
             "schema dbo transfer s.moved; drop type y; drop schema s; exec sp_rename 't.a', 'z'; "
             "exec sp_rename 't', 'u'");
    rows(&dbo, PERMISSIONS,
         "u|0|staff|dbo|INSERT|G\nu|1|ann|dbo|SELECT|G\np|0|ann|dbo|EXECUTE|G\n"
         "DATABASE_PRINCIPAL|0|staff|dbo|IMPERSONATE|G\nDATABASE_PRINCIPAL|0|ann|dbo|ALTER|G\n");
    ok(&dbo, "drop user ann");
    rows(&dbo, PERMISSIONS, "u|0|staff|dbo|INSERT|G\n");
    ok(&dbo, "drop table u; drop role staff; drop procedure p");
    rows(&dbo, "select count(*) from sys.database_permissions", "0\n");
}

static void test_permissions_are_the_transactions(void **state)
{
    (void)state;
    struct client ann;
    ok(&dbo, "create table t (a int); create user ann for login login_ann; create user ben without "
             "login");
    client_open_login(&f, &ann, "login_ann");
    ok(&dbo, "begin transaction; grant select on t to ann with grant option; rollback");
    gives(&ann, "grant select on t to ben", 15151);
    ok(&dbo, "begin transaction; grant select on t to ann with grant option; commit");
    ok(&ann, "grant select on t to ben");
    client_close(&ann);
    reopen();
    rows(&dbo, PERMISSIONS, "t|0|ann|dbo|SELECT|W\nt|0|ben|ann|SELECT|G\n");
}

/* ---- what shows them ---- */

static void test_what_the_procedures_say(void **state)
{
    (void)state;
    ok(&dbo, "create table t (a int, b int)");
    ok(&dbo, "exec sp_addrole 'it]s'; exec sp_adduser 'login_ann', 'ann', 'it]s'; exec "
             "sp_grantdbaccess 'login_ben'; exec sp_addrolemember 'db_datareader', 'ann'");
    rows(
        &dbo, "declare @r int; exec @r = sp_addrolemember 'it]s', 'nobody'; select @r",
        "15151 16 1 line 1: Cannot add the principal 'nobody', because it does not exist or you do "
        "not have permission.\n1\n");
    ok(&dbo, "grant select on t to ann with grant option; grant update (b) on t to [it]]s]");
    rows(&dbo, "exec sp_helprotect 't'",
         "dbo|t|ann|dbo|Grant_WGO |Select|(All+New)\ndbo|t|it]s|dbo|Grant     |Update|b\n");
    rows(&dbo, "exec sp_helprotect 'nothing'",
         "15330 11 1 line 1 sp_helprotect: There are no matching rows on which to report.\n");
    rows(&dbo, "exec sp_helpuser 'it]s'", "it]s|5|ann|6\n");
    rows(&dbo, "exec sp_helprole 'it]s'", "it]s|5|0\n");
    rows(&dbo, "exec sp_helprole 'ann'", "15409 11 1 line 1 sp_helprole: 'ann' is not a role.\n");
    rows(&dbo, "exec sp_column_privileges 't', @column_name = 'b'",
         "testdb|dbo|t|b|dbo|dbo|INSERT|YES\ntestdb|dbo|t|b|dbo|dbo|REFERENCES|YES\n"
         "testdb|dbo|t|b|dbo|ann|SELECT|YES\ntestdb|dbo|t|b|dbo|dbo|SELECT|YES\n"
         "testdb|dbo|t|b|dbo|dbo|UPDATE|YES\ntestdb|dbo|t|b|dbo|it]s|UPDATE|NO\n");
    rows(&dbo,
         "select grantee, table_name, privilege_type, is_grantable from "
         "information_schema.table_privileges",
         "ann|t|SELECT|YES\n");
    rows(
        &dbo,
        "select permission_name, covering_permission_name, parent_class_desc, "
        "parent_covering_permission_name from sys.fn_builtin_permissions('USER')",
        "CONTROL||DATABASE|CONTROL\nALTER|CONTROL|DATABASE|ALTER ANY USER\n"
        "IMPERSONATE|CONTROL|DATABASE|CONTROL\nVIEW DEFINITION|CONTROL|DATABASE|VIEW DEFINITION\n");
    rows(&dbo,
         "select uid, action, protecttype, convert(varchar(9), columns, 1) from "
         "sys.sysprotects order by 1",
         "5|197|205|0x04\n6|193|204|0x01\n");
    ok(&dbo, "exec sp_droprolemember 'it]s', 'ann'; exec sp_droprole 'it]s'; exec sp_dropuser "
             "'ann'; exec sp_revokedbaccess 'login_ben'");
}

/* Who sees nobody sees himself, his roles and what everybody is in. */
static void test_a_user_sees_his_own(void **state)
{
    (void)state;
    struct client ann;
    ok(&dbo,
       "create user ann for login login_ann; create user ben without login; create role staff; "
       "create role others; alter role staff add member ann; grant create table to ben; grant "
       "create view to staff");
    client_open_login(&f, &ann, "login_ann");
    rows(&ann,
         "select name from sys.database_principals where principal_id between 5 and 16383 "
         "order by name",
         "ann\nstaff\n");
    rows(&ann, "select permission_name from sys.database_permissions order by 1",
         "CONNECT\nCREATE VIEW\n");
    rows(&ann, "select name, type from sys.user_token order by name",
         "ann|SQL USER\npublic|ROLE\nstaff|ROLE\n");
    client_close(&ann);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_login_comes_in_as_its_user),
        TEST(test_a_users_own_password_is_no_logins),
        TEST(test_what_create_user_refuses),
        TEST(test_a_user_with_a_password),
        TEST(test_a_password_is_shown_to_nobody),
        TEST(test_whoever_has_his_number_is_not_he),
        TEST(test_roles_and_their_members),
        TEST(test_who_manages_users_and_roles),
        TEST(test_rows_of_permissions),
        TEST(test_what_grant_refuses),
        TEST(test_the_grant_option),
        TEST(test_as_a_role),
        TEST(test_owners_of_schemas_objects_and_types),
        TEST(test_rows_go_with_what_they_name),
        TEST(test_permissions_are_the_transactions),
        TEST(test_what_the_procedures_say),
        TEST(test_a_user_sees_his_own),
    };
    return cmocka_run_group_tests_name("engine/principals", tests, NULL, NULL);
}
