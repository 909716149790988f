/* Goal: definitions keep every property that they state. */
#include "parse_test.h"

struct fixture {
    struct qr_arena arena;
};

static int set_up(void **state)
{
    static struct fixture f;
    qr_arena_init(&f.arena, PARSE_TEST_BYTES_MAX);
    *state = &f.arena;
    return 0;
}

static int tear_down(void **state)
{
    qr_arena_done(*state);
    return 0;
}

static void assert_str(struct qr_str got, const char *want)
{
    if (!qr_str_eq(got, qr_str(want)))
        fail_msg("got '%.*s', want '%s'", (int)got.n, got.p, want);
}

static void test_column_properties_are_kept(void **state)
{
    const struct qr_ast_create_table *t = parse_stmt(
        *state,
        "create table [my db]..t (\n"
        "  id int identity(10, -2) not for replication not null constraint pk primary key "
        "clustered,\n"
        "  [n] nvarchar(max) collate Latin1_General_BIN null constraint df default (N'x') with "
        "values,\n"
        "  c as (id * 2) persisted not null,\n"
        "  g uniqueidentifier rowguidcol default newid(),\n"
        "  d decimal(10, 2) sparse masked with (function = 'default()') unique nonclustered,\n"
        "  f int foreign key references dbo.u (x) on delete cascade on update set null check (f > "
        "0),\n"
        "  s datetime2 generated always as row start hidden,\n"
        "  timestamp,\n"
        "  period for system_time (s, e),\n"
        ") on [PRIMARY] textimage_on [default]",
        QR_AS_CREATE_TABLE);
    assert_int_equal(t->name.count, 3);
    assert_str(t->name.parts[0].text, "my db");
    assert_int_equal(t->name.parts[1].text.n, 0);
    assert_int_equal(t->def.column_count, 8);
    const struct qr_ast_column_def *c = t->def.columns;
    assert_true(c[0].identity && c[0].not_for_replication);
    assert_int_equal(c[0].nullable, QR_NO);
    assert_int_equal(c[0].increment->kind, QR_AE_UNARY);
    assert_str(c[0].constraints.items[0].name.text, "pk");
    assert_int_equal(c[0].constraints.items[0].clustered, QR_YES);
    assert_true(c[1].type.max && c[1].name.quoted);
    assert_str(c[1].collation.text, "Latin1_General_BIN");
    assert_int_equal(c[1].nullable, QR_YES);
    assert_str(c[1].constraints.items[0].expr_text, "(N'x')");
    assert_true(c[1].constraints.items[0].with_values);
    assert_str(c[2].computed_text, "(id * 2)");
    assert_true(c[2].persisted && c[2].nullable == QR_NO);
    assert_true(c[3].rowguidcol);
    assert_str(c[3].constraints.items[0].expr_text, "newid()");
    assert_int_equal(c[4].type.args[1], 2);
    assert_true(c[4].sparse && c[4].mask != NULL);
    assert_int_equal(c[4].constraints.items[0].kind, QR_CONSTRAINT_UNIQUE);
    assert_int_equal(c[5].constraints.items[0].on_delete, QR_REF_CASCADE);
    assert_int_equal(c[5].constraints.items[0].on_update, QR_REF_SET_NULL);
    assert_str(c[5].constraints.items[1].expr_text, "(f > 0)");
    assert_str(c[6].generated, "ROW START");
    assert_true(c[6].hidden);
    assert_int_equal(c[7].type.name.count, 0);
    assert_str(t->def.period_end.text, "e");
    assert_str(t->scheme, ""); /* filegroups only */
}

static void test_table_constraints_and_indexes_are_kept(void **state)
{
    const struct qr_ast_create_table *t = parse_stmt(
        *state,
        "create table t (a int, b int, constraint pk primary key nonclustered (a desc, b) "
        "with (pad_index = off, fillfactor = 80) on [ps](a), "
        "foreign key (a, b) references u (c, d) not for replication, "
        "check not for replication (a < b), index ix unique clustered (a) where b > 0)",
        QR_AS_CREATE_TABLE);
    assert_int_equal(t->def.constraints.count, 3);
    const struct qr_ast_constraint *k = t->def.constraints.items;
    assert_int_equal(k[0].clustered, QR_NO);
    assert_true(k[0].columns.items[0].descending && !k[0].columns.items[1].descending);
    assert_int_equal(k[0].options.count, 2);
    assert_str(k[0].options.items[0].word, "OFF");
    assert_str(k[0].scheme, "ps");
    assert_int_equal(k[1].ref_columns.count, 2);
    assert_true(k[1].not_for_replication && k[2].not_for_replication);
    assert_int_equal(t->def.index_count, 1);
    assert_true(t->def.indexes[0].unique && t->def.indexes[0].where != NULL);
    assert_str(t->def.indexes[0].where_text, "b > 0");
}

static void test_alter_table_actions(void **state)
{
    static const struct {
        const char *sql;
        enum qr_ast_alter_table_action action;
    } cases[] = {
        {"alter table t add a int, constraint c check (a > 0)", QR_ALTER_ADD},
        {"alter table t with nocheck add constraint f foreign key (a) references u", QR_ALTER_ADD},
        {"alter table t add constraint d default 0 for a", QR_ALTER_ADD},
        {"alter table t alter column a varchar(10) collate x not null", QR_ALTER_COLUMN},
        {"alter table t alter column a add rowguidcol", QR_ALTER_COLUMN},
        {"alter table t drop column if exists a, b, constraint c", QR_ALTER_DROP},
        {"alter table t drop c", QR_ALTER_DROP},
        {"alter table t with check check constraint all", QR_ALTER_CHECK},
        {"alter table t nocheck constraint a, b", QR_ALTER_NOCHECK},
        {"alter table t enable trigger all", QR_ALTER_ENABLE_TRIGGER},
        {"alter table t disable trigger x", QR_ALTER_DISABLE_TRIGGER},
        {"alter table t switch partition 1 to u partition 2", QR_ALTER_SWITCH},
        {"alter table t rebuild with (data_compression = page)", QR_ALTER_REBUILD},
        {"alter table t set (system_versioning = on (history_table = dbo.h))", QR_ALTER_SET},
        {"alter table t enable change_tracking with (track_columns_updated = on)",
         QR_ALTER_CHANGE_TRACKING},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct qr_ast_alter_table *t = parse_stmt(*state, cases[i].sql, QR_AS_ALTER_TABLE);
        assert_int_equal(t->action, cases[i].action);
    }
    const struct qr_ast_alter_table *d = parse_stmt(*state, cases[5].sql, QR_AS_ALTER_TABLE);
    assert_int_equal(d->drop_count, 3);
    assert_true(d->drops[1].column && d->drops[1].if_exists && !d->drops[2].column);
    d = parse_stmt(*state, cases[1].sql, QR_AS_ALTER_TABLE);
    assert_int_equal(d->with_check, QR_NO);
}

static void test_indexes(void **state)
{
    const struct qr_ast_create_index *ix =
        parse_stmt(*state,
                   "create unique nonclustered index [i x] on dbo.t (a, b desc) include (c, d) "
                   "where a is not null with (drop_existing = on, online = off) on fg",
                   QR_AS_CREATE_INDEX);
    assert_true(ix->def.unique && ix->def.clustered == QR_NO);
    assert_int_equal(ix->def.include.count, 2);
    assert_true(ix->def.columns.items[1].descending);
    ix = parse_stmt(*state, "create clustered columnstore index c on t", QR_AS_CREATE_INDEX);
    assert_true(ix->def.columnstore);
    ix = parse_stmt(*state, "create index i on t (a) with fillfactor = 90", QR_AS_CREATE_INDEX);
    assert_int_equal(ix->def.options.count, 1);
    const struct qr_ast_drop *drop = parse_stmt(*state, "drop index dbo.t.i, j on u", QR_AS_DROP);
    assert_str(drop->items[0].name.parts[0].text, "i");
    assert_int_equal(drop->items[0].on.count, 2);
    assert_str(drop->items[1].on.parts[0].text, "u");
    const struct qr_ast_alter_index *alter =
        parse_stmt(*state, "alter index all on t rebuild with (online = on)", QR_AS_ALTER_INDEX);
    assert_str(alter->action, "REBUILD");
    assert_int_equal(alter->name.text.n, 0);
}

static void test_procedures_keep_parameters_and_take_the_rest_of_the_batch(void **state)
{
    const struct qr_ast_procedure *proc = parse_stmt(
        *state,
        "create or alter procedure dbo.p (@a int = -1, @b as nvarchar(10) = N'x' output, "
        "@t dbo.tt readonly, @c cursor varying output, @d sysname = word) "
        "with recompile, execute as 'u' as select 1 return 2 exec q",
        QR_AS_PROCEDURE);
    assert_int_equal(proc->action, QR_ACTION_CREATE_OR_ALTER);
    assert_int_equal(proc->params.count, 5);
    assert_true(proc->params.items[1].output && proc->params.items[1].initial != NULL);
    assert_true(proc->params.items[2].readonly);
    assert_true(proc->params.items[3].cursor_varying);
    assert_int_equal(proc->options.count, 2);
    assert_int_equal(proc->body.count, 3);
}

static void test_functions_of_three_kinds(void **state)
{
    const struct qr_ast_function *f =
        parse_stmt(*state,
                   "create function dbo.f (@a int) returns decimal(10, 2) with schemabinding, "
                   "returns null on null input as begin return @a end",
                   QR_AS_FUNCTION);
    assert_int_equal(f->function, QR_FUNCTION_SCALAR);
    assert_int_equal(f->options.count, 2);
    assert_int_equal(f->body.count, 1);
    f = parse_stmt(*state,
                   "create function g() returns table as return (with c as (select 1 a) "
                   "select * from c)",
                   QR_AS_FUNCTION);
    assert_int_equal(f->function, QR_FUNCTION_INLINE);
    assert_int_equal(f->select->with->count, 1);
    f = parse_stmt(*state,
                   "create function h() returns @r table (a int primary key, b int) as begin "
                   "insert @r values (1, 2) return end",
                   QR_AS_FUNCTION);
    assert_int_equal(f->function, QR_FUNCTION_TABLE);
    assert_str(f->return_variable, "@r");
    assert_int_equal(f->return_table->column_count, 2);
    assert_int_equal(f->body.count, 2);
}

static void test_views_and_triggers(void **state)
{
    const struct qr_ast_view *view = parse_stmt(
        *state, "alter view v (a, b) with schemabinding as select 1, 2 with check option",
        QR_AS_VIEW);
    assert_int_equal(view->action, QR_ACTION_ALTER);
    assert_int_equal(view->columns.count, 2);
    assert_true(view->check_option);
    const struct qr_ast_trigger *trigger = parse_stmt(
        *state,
        "create trigger tr on dbo.t instead of insert, delete not for replication as select 1",
        QR_AS_TRIGGER);
    assert_int_equal(trigger->time, QR_TRIGGER_INSTEAD_OF);
    assert_int_equal(trigger->events, QR_TRIGGER_INSERT | QR_TRIGGER_DELETE);
    trigger = parse_stmt(*state, "create trigger tr on database for create_table as select 1",
                         QR_AS_TRIGGER);
    assert_true(trigger->on_database);
    assert_str(trigger->ddl_events.items[0], "CREATE_TABLE");
}

static void test_databases(void **state)
{
    const struct qr_ast_create_database *create =
        parse_stmt(*state,
                   "create database d collate Latin1_General_CI_AS (edition = 'GeneralPurpose', "
                   "service_objective = 'GP_Gen5_2', maxsize = 32 GB)",
                   QR_AS_CREATE_DATABASE);
    assert_int_equal(create->options.count, 3);
    assert_str(create->options.items[2].name, "MAXSIZE");
    assert_str(create->options.items[2].word, "GB");
    create = parse_stmt(*state,
                        "create database d as copy of s.e (service_objective = "
                        "elastic_pool(name = [p]))",
                        QR_AS_CREATE_DATABASE);
    assert_int_equal(create->copy_of.count, 2);
    assert_str(create->options.items[0].word, "ELASTIC_POOL");
    assert_int_equal(create->options.items[0].sub_count, 1);
    static const struct {
        const char *sql, *action, *option, *word;
    } cases[] = {
        {"alter database current set read_committed_snapshot on with rollback immediate", "SET",
         "READ_COMMITTED_SNAPSHOT", "ON"},
        {"alter database d set recovery simple", "SET", "RECOVERY", "SIMPLE"},
        {"alter database d set query_store = on (operation_mode = read_write)", "SET",
         "QUERY_STORE", "ON"},
        {"alter database d modify (service_objective = 'HS_Gen5_4')", "MODIFY", "SERVICE_OBJECTIVE",
         ""},
        {"alter database d modify name = e", "MODIFY NAME", "NAME", ""},
        {"alter database d add secondary on server s with (secondary_type = Named, database_name = "
         "[n], service_objective = 'HS_Gen5_2')",
         "ADD SECONDARY", "SECONDARY_TYPE", "NAMED"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct qr_ast_alter_database *alter =
            parse_stmt(*state, cases[i].sql, QR_AS_ALTER_DATABASE);
        assert_str(alter->action, cases[i].action);
        assert_str(alter->options.items[0].name, cases[i].option);
        assert_str(alter->options.items[0].word, cases[i].word);
    }
    const struct qr_ast_alter_database *alter = parse_stmt(
        *state, "alter database d remove secondary on server [s t]", QR_AS_ALTER_DATABASE);
    assert_str(alter->action, "REMOVE SECONDARY");
    assert_str(alter->server.text, "s t");
    alter = parse_stmt(*state, "alter database d failover", QR_AS_ALTER_DATABASE);
    assert_str(alter->action, "FAILOVER");
    const struct qr_ast_scoped_configuration *scoped =
        parse_stmt(*state, "alter database scoped configuration for secondary set maxdop = 4",
                   QR_AS_SCOPED_CONFIGURATION);
    assert_true(scoped->for_secondary && scoped->value != NULL);
    assert_str(scoped->name, "MAXDOP");
}

static void test_principals_and_permissions(void **state)
{
    const struct qr_ast_principal *login =
        parse_stmt(*state,
                   "create login l with password = N'x' must_change, default_database = [d], "
                   "check_policy = off",
                   QR_AS_PRINCIPAL);
    assert_int_equal(login->options.count, 3);
    assert_str(login->options.items[0].word, "MUST_CHANGE");
    const struct qr_ast_principal *user =
        parse_stmt(*state, "create user u for login l with default_schema = s", QR_AS_PRINCIPAL);
    assert_str(user->for_login.text, "l");
    user = parse_stmt(*state, "alter role db_owner add member [u]", QR_AS_PRINCIPAL);
    assert_str(user->add_member.text, "u");
    const struct qr_ast_permission *grant =
        parse_stmt(*state,
                   "grant select, view definition, update (a, b) on object::dbo.t to public, [u] "
                   "with grant option",
                   QR_AS_PERMISSION);
    assert_int_equal(grant->count, 3);
    assert_str(grant->items[1].name, "VIEW DEFINITION");
    assert_int_equal(grant->items[2].columns.count, 2);
    assert_str(grant->on_class, "OBJECT");
    assert_int_equal(grant->principals.count, 2);
    assert_true(grant->grant_option);
    grant =
        parse_stmt(*state, "revoke grant option for execute on p from u cascade", QR_AS_PERMISSION);
    assert_true(grant->grant_option && grant->cascade);
}

static void test_the_other_objects_have_their_kinds(void **state)
{
    static const struct {
        const char *sql;
        enum qr_ast_stmt_kind kind;
    } cases[] = {
        {"create schema s authorization dbo create table t (a int) grant select on t to u",
         QR_AS_CREATE_SCHEMA},
        {"alter schema s transfer object::dbo.t", QR_AS_ALTER_SCHEMA},
        {"create type dbo.t from nvarchar(10) not null", QR_AS_CREATE_TYPE},
        {"create type t as table (a int primary key)", QR_AS_CREATE_TYPE},
        {"create sequence s as bigint start with 1 increment by -1 minvalue -5 no maxvalue cycle "
         "cache 10",
         QR_AS_SEQUENCE},
        {"alter sequence s restart with 5", QR_AS_SEQUENCE},
        {"create synonym s for srv.db.dbo.t", QR_AS_CREATE_SYNONYM},
        {"create security policy p add filter predicate s.f(a, 1) on s.t, add block predicate "
         "s.f([x]]@]) on t after insert with (state = off, schemabinding = on) not for replication",
         QR_AS_SECURITY_POLICY},
        {"create security policy p", QR_AS_SECURITY_POLICY},
        {"alter security policy s.p alter filter predicate f(a) on t, drop block predicate on t "
         "before delete with (state = on)",
         QR_AS_SECURITY_POLICY},
        {"drop security policy if exists s.p", QR_AS_DROP},
        {"create statistics s on t (a, b) with fullscan, norecompute", QR_AS_CREATE_STATISTICS},
        {"update statistics t (s) with sample 10 percent", QR_AS_UPDATE_STATISTICS},
        {"create default d as 0", QR_AS_CREATE_DEFAULT_RULE},
        {"create rule r as @x > 0", QR_AS_CREATE_DEFAULT_RULE},
        {"disable trigger a, b on t", QR_AS_ENABLE_TRIGGER},
        {"drop table if exists a, b.c", QR_AS_DROP},
        {"drop trigger t on all server", QR_AS_DROP},
        {"drop database a, b", QR_AS_DROP},
        {"alter authorization on schema::s to dbo", QR_AS_AUTHORIZATION},
        {"execute as user = 'u' with no revert", QR_AS_EXECUTE_AS},
        {"setuser 'u'", QR_AS_EXECUTE_AS},
        {"revert", QR_AS_REVERT},
        {"use [my db]", QR_AS_USE},
        {"dbcc checkident ('t', reseed, 0) with no_infomsgs", QR_AS_DBCC},
        {"checkpoint 5", QR_AS_CHECKPOINT},
        {"kill 52 with statusonly", QR_AS_KILL},
        {"shutdown with nowait", QR_AS_SHUTDOWN},
        {"reconfigure with override", QR_AS_RECONFIGURE},
        {"insert bulk #t ([a] int, b nvarchar(10) collate x) with (tablock, order (a asc, [b] "
         "desc))",
         QR_AS_INSERT_BULK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        parse_stmt(*state, cases[i].sql, cases[i].kind);
}

static void test_stored_pieces_parse_alone(void **state)
{
    struct qr_ast_type type;
    struct qr_ast_params params;
    struct qr_err err = {0};
    assert_int_equal(qr_tsql_parse_type(*state, "decimal(9,3)", 12, &type, &err), QR_OK);
    assert_int_equal(type.args[0], 9);
    assert_int_equal(qr_tsql_parse_type(*state, "int x", 5, &type, &err), QR_SQL);
    const char *list = "@a int, @b nvarchar(10) = N'x' output";
    assert_int_equal(qr_tsql_parse_params(*state, list, strlen(list), &params, &err), QR_OK);
    assert_int_equal(params.count, 2);
    assert_int_equal(qr_tsql_parse_params(*state, "", 0, &params, &err), QR_OK);
    assert_int_equal(params.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_column_properties_are_kept),
        T(test_table_constraints_and_indexes_are_kept),
        T(test_alter_table_actions),
        T(test_indexes),
        T(test_procedures_keep_parameters_and_take_the_rest_of_the_batch),
        T(test_functions_of_three_kinds),
        T(test_views_and_triggers),
        T(test_databases),
        T(test_principals_and_permissions),
        T(test_the_other_objects_have_their_kinds),
        T(test_stored_pieces_parse_alone),
    };
#undef T
    return cmocka_run_group_tests_name("tsql/parse_ddl", tests, NULL, NULL);
}
