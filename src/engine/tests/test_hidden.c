/* test_hidden.c - who may nothing sees nothing of what is others', in no view and by no function of
 * the system; and every view can be asked for all of its columns, by dbo too.
 *
 * Method: everything of the others has "zz_" in its name, its text and its values. */
#include "users_bed.h"
#include "base/banned.h"

enum { VIEWS_MAX = 400, NAME_BYTES = 160 };

static const char *const things[] = {
    "create schema zz_schema",
    "create role zz_role",
    "create user zz_user without login",
    "create user u without login",
    "create table zz_schema.zz_table (zz_id int constraint zz_key primary key, zz_text "
    "nvarchar(50) "
    "constraint zz_default default 'zz_value', zz_n int constraint zz_check check (zz_n > 0), zz_c "
    "as zz_n + 1) insert zz_schema.zz_table values (1, 'zz_value', 5)",
    "create index zz_index on zz_schema.zz_table (zz_text)",
    "create table zz_schema.zz_child (zz_a int constraint zz_foreign references "
    "zz_schema.zz_table, zz_b int identity)",
    "create view zz_schema.zz_view as select zz_id from zz_schema.zz_table",
    "create procedure zz_schema.zz_procedure @zz_p int as select 'zz_'",
    "create function zz_schema.zz_function(@zz_a int) returns int as begin return 1 end",
    "create trigger zz_schema.zz_trigger on zz_schema.zz_table after insert as return",
    "create sequence zz_schema.zz_sequence as int",
    "create synonym zz_schema.zz_synonym for zz_schema.zz_table",
    "create type zz_schema.zz_type from int",
    "create type zz_schema.zz_table_type as table (zz_column int)",
    "exec sp_addextendedproperty 'zz_property', 'zz_', 'schema', 'zz_schema', 'table', 'zz_table', "
    "'column', 'zz_text'",
    "grant select on zz_schema.zz_table to zz_role",
    "alter role zz_role add member zz_user",
    "create procedure dbo.open_to_u as select count(*) as n from zz_schema.zz_table",
    "grant execute on dbo.open_to_u to u",
};

/* What takes arguments says 216 when it has none. */
static bool fails(const char *said)
{
    const char *msg = strstr(said, "MSG ");
    int number = msg == NULL ? 0 : (int)strtol(msg + 4, NULL, 10);
    return number != 0 && number != 216;
}

static void test_others_are_seen_nowhere(void **state)
{
    static char names[VIEWS_MAX][NAME_BYTES];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++)
        ok(&dbo, things[i]);
    const char *line = run(&dbo, "select concat(schema_name(schema_id), '.', name) from "
                                 "sys.all_objects where is_ms_shipped = 1 and type = 'V'");
    for (; (line = strstr(line, "ROW ")) != NULL && count < VIEWS_MAX; line += 4)
        (void)snprintf(names[count++], NAME_BYTES, "select * from %.*s",
                       (int)strcspn(line + 4, "\n"), line + 4);
    assert_in_range(count, 200, VIEWS_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        if (fails(run(&dbo, names[i])))
            fail_msg("%s, of dbo\n%s", names[i], qr_buf_cstr(&dbo.out));
        ok(&dbo, "execute as user = 'u'");
        const char *said = run(&dbo, names[i]);
        if (strstr(said, "zz_") != NULL ||
            (fails(said) && strstr(said, " STATE permission denied") == NULL))
            fail_msg("%s\n%s", names[i], said);
        ok(&dbo, "revert");
    }
}

static void test_no_function_names_others(void **state)
{
    static const char *const calls[] = {
        "object_name(@t)",
        "object_id('zz_schema.zz_table')",
        "object_schema_name(@t)",
        "object_definition(object_id('zz_schema.zz_procedure'))",
        "objectproperty(@t, 'IsTable')",
        "objectpropertyex(@t, 'BaseType')",
        "columnproperty(@t, 'zz_id', 'Precision')",
        "col_name(@t, 1)",
        "col_length('zz_schema.zz_table', 'zz_id')",
        "index_col('zz_schema.zz_table', 1, 1)",
        "indexproperty(@t, 'zz_index', 'IndexID')",
        "ident_current('zz_schema.zz_child')",
        "ident_seed('zz_schema.zz_child')",
        "stats_date(@t, 1)",
        "type_id('zz_schema.zz_type')",
        "type_name(@y)",
        "typeproperty('zz_schema.zz_type', 'Precision')",
        "user_id('zz_user')",
        "user_name(@u)",
        "database_principal_id('zz_role')",
        "has_perms_by_name('zz_schema.zz_table', 'OBJECT', 'SELECT')",
    };
    char sql[400];
    (void)state;
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++)
        ok(&dbo, things[i]);
    ok(&dbo, "create table #ids (t int, y int, u int) insert #ids values "
             "(object_id('zz_schema.zz_table'), type_id('zz_schema.zz_type'), user_id('zz_user'))");
    ok(&dbo, "execute as user = 'u'");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        snprintf(sql, sizeof sql,
                 "declare @t int, @y int, @u int select @t = t, @y = y, @u = u from #ids select "
                 "case when %s is null then 'hidden' else 'seen' end",
                 calls[i]);
        rows(&dbo, sql, "hidden\n");
    }
    ok(&dbo, "revert");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_others_are_seen_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_function_names_others, setup, teardown),
    };
    return cmocka_run_group_tests_name("engine/hidden", tests, NULL, NULL);
}
