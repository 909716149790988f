/* test_clients.c - what unmodified drivers count on, found by running their own test suites. */
#include "harness.h"
#include "base/banned.h"

static const struct batch batches[] = {
    /* clang-format off */
    /* a key that cannot be made: the reason, then 1750; CATCH sees the last */
    {"create type tt as table (id int, primary key (code))",
     "MSG 1911 16 1 line 1: Column name 'code' does not exist in the target table or view.\n"
     "MSG 1750 16 1 line 1: Could not create constraint or index. See previous errors.\n"
     "DONE error\n"},
    {"create table child (id int, p int constraint fk references nosuch (id))\nselect @@error",
     "MSG 1767 16 0 line 1: Foreign key 'fk' references invalid table"
     " 'nosuch'.\n"
     "MSG 1750 16 1 line 1: Could not create constraint or index. See previous errors.\n"
     "DONE error\n"
     "COLS int\n"
     "ROW 1750\n"
     "DONE 1\n"},
    {"create table twice (id int)\ninsert twice values (7), (7)\n"
     "begin try alter table twice add constraint u unique (id) end try\n"
     "begin catch print cast(error_number() as varchar(9)) + ' ' + error_message() end catch",
     "DONE\n"
     "DONE 2\n"
     "INFO 0: 1750 Could not create constraint or index. See previous errors.\n"},
    {"create unique index u on twice (id)",
     "MSG 1505 16 1 line 1: The CREATE UNIQUE INDEX statement terminated because a duplicate key"
     " was found for the object name 'dbo.twice' and the index name 'u'. The duplicate key value is"
     " (7).\n"
     "DONE error\n"},
    /* a column that says neither NULL nor NOT NULL */
    {"set ansi_null_dflt_on off\n"
     "create table n1 (a int, b sysname, c int null)\n"
     "set ansi_null_dflt_on on\n"
     "create table n2 (a int)\n"
     "set ansi_null_dflt_off on\n"
     "create table n3 (a int)\n"
     "declare @t table (a int)\n"
     "set ansi_null_dflt_on on\n"
     "insert @t values (null)\n"
     "select object_name(object_id) t, name, is_nullable from sys.columns\n"
     "where object_id in (object_id('n1'), object_id('n2'), object_id('n3'))\n"
     "order by t, name",
     "DONE\nDONE\nDONE\nDONE 1\n"
     "COLS t nvarchar(128), name nvarchar(128), is_nullable bit\n"
     "ROW n1|a|0\n"
     "ROW n1|b|0\n"
     "ROW n1|c|1\n"
     "ROW n2|a|1\n"
     "ROW n3|a|0\n"
     "DONE 5\n"},
    /* text in double quotes stays text in what is stored */
    {"set quoted_identifier off", ""},
    {"create table q (id int, v varchar(20) default (\"it's\" + \"\"\"x\"\"\"),"
     " w varchar(20) default (('(\"a\")' /* \"b\" */)), check (v <> \"no\"))\n"
     "insert q (id) values (1)\n"
     "select v, w, \"z\" from q\n"
     "select definition from sys.default_constraints where parent_object_id = object_id('q')"
     " order by 1\n"
     "select definition from sys.check_constraints where parent_object_id = object_id('q')",
     "DONE\n"
     "DONE 1\n"
     "COLS v varchar(20), w varchar(20), varchar(1)\n"
     "ROW it's\"x\"|(\"a\")|z\n"
     "DONE 1\n"
     "COLS definition nvarchar(max)\n"
     "ROW ('(\"a\")')\n"
     "ROW ('it''s'+'\"x\"')\n"
     "DONE 2\n"
     "COLS definition nvarchar(max)\n"
     "ROW ([v]<>'no')\n"
     "DONE 1\n"},
    {"set quoted_identifier on", ""},
    {"create table g (v varchar(9), i int)\ninsert g values ('b', 1), ('B', 3), ('a', 2)\n"
     "select v from g group by v union all select cast(i as varchar(9)) from g group by i order by v"
     "\nselect v from g group by v union select cast(i as varchar(9)) from g group by i"
     " order by v desc",
     "DONE\n"
     "DONE 3\n"
     "COLS v varchar(9)\n"
     "ROW 1\nROW 2\nROW 3\nROW a\nROW b\n"
     "DONE 5\n"
     "COLS v varchar(9)\n"
     "ROW b\nROW a\nROW 3\nROW 2\nROW 1\n"
     "DONE 5\n"},
    /* clang-format on */
};

static void test_each_batch_answers_as_written(void **state)
{
    (void)state;
    answer_as_written(batches, sizeof batches / sizeof batches[0]);
}

static void test_set_has_a_done_of_its_own_in_a_batch_and_none_in_a_module(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    c.show_set = true;
    expect(&c, "set arithabort on\nselect 1\nset arithabort on",
           "DONE\nCOLS int\nROW 1\nDONE 1\nDONE\n");
    expect(&c, "create procedure p as set arithabort on select 1", "DONE\n");
    expect(&c, "exec p", "COLS int\nROW 1\nDONEINPROC 1\nSTATUS 0\nDONEPROC\n");
    client_close(&c);
    fixture_close(&f);
}

/* Loads ids[count] with "ORDER (id ...)" and tells what was answered. */
static const char *load(struct client *c, const char *statement, const int *ids, size_t count)
{
    struct qr_plan_column column = {.name = qr_str("id"), .type = qr_type_of(QR_TYPE_INT)};
    run(c, statement);
    const struct qr_sink *sink = client_sink(c);
    assert_int_equal(qr_session_bulk_begin(c->session, &column, 1, sink), QR_OK);
    for (size_t i = 0; i < count; i++) {
        struct qr_value id = qr_value_int(ids[i]);
        assert_int_equal(qr_session_bulk_row(c->session, &id), QR_OK);
    }
    assert_int_equal(qr_session_bulk_end(c->session, false, sink), QR_OK);
    settle(c);
    return qr_buf_cstr(&c->out);
}

static void test_rows_said_to_be_sorted_are_checked_against_the_clustered_key(void **state)
{
    struct fixture f;
    struct client c;
    static const int up[] = {1, 2, 6, 5}, down[] = {9, 8}, more[] = {20, 21};
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table k (id int not null primary key)\ncreate table h (id int)");
    const char *out = load(&c, "insert bulk k (id int) with (order (id asc), tablock)", up, 4);
    assert_non_null(strstr(out, "MSG 4819"));
    assert_non_null(strstr(out, "first row: (6), primary key of second row: (5)."));
    expect(&c, "select count(*) from k", "COLS int\nROW 0\nDONE 1\n");
    run(&c, "create table s (id varchar(9) not null primary key)");
    assert_string_equal(load(&c, "insert bulk s (id int) with (order (id asc))", up, 4),
                        "DONE 4\n");
    /* what is not the key's order is passed over, as is ORDER on a heap */
    assert_string_equal(load(&c, "insert bulk k (id int) with (order ([id] desc))", down, 2),
                        "DONE 2\n");
    assert_string_equal(load(&c, "insert bulk h (id int) with (order (id asc))", up, 4),
                        "DONE 4\n");
    assert_string_equal(load(&c, "insert bulk k (id int) with (order (id))", more, 2), "DONE 2\n");
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_batch_answers_as_written),
        cmocka_unit_test(test_set_has_a_done_of_its_own_in_a_batch_and_none_in_a_module),
        cmocka_unit_test(test_rows_said_to_be_sorted_are_checked_against_the_clustered_key),
    };
    return cmocka_run_group_tests_name("engine/clients", tests, NULL, NULL);
}
