/* test_table_arg.c - tables as arguments: what a client sends becomes what the parameter's type
 * says, or is refused with 8061 behind the reason. */
#include "users_bed.h"
#include "engine/rowset.h"
#include "base/banned.h"

enum { ROWS_MAX = 3 };

static struct qr_type text_type(void)
{
    return qr_type_sized(QR_TYPE_NVARCHAR, 0);
}

/* A call of `takes` with rows of text (NULL: NULL), `columns` of each; what came of it. */
static const char *call(const char *(*values)[ROWS_MAX], size_t columns, size_t count,
                        const bool *defaults)
{
    struct qr_type types[ROWS_MAX] = {text_type(), text_type(), text_type()};
    struct qr_rowset *rowset = NULL;
    assert_int_equal(qr_rowset_new(types, columns, qr_session_store(dbo.session), &rowset, NULL),
                     QR_OK);
    for (size_t i = 0; i < count; i++) {
        struct qr_value row[ROWS_MAX];
        for (size_t k = 0; k < columns; k++)
            row[k] = values[i][k] == NULL ? qr_value_null() : qr_value_str(qr_str(values[i][k]));
        assert_int_equal(qr_rowset_append(rowset, row, NULL), QR_OK);
    }
    const struct qr_arg arg = {
        .type = qr_type_of(QR_TYPE_TABLE), .rowset = rowset, .column_defaults = defaults};
    assert_int_equal(qr_session_call(dbo.session, qr_str("takes"), &arg, 1, client_sink(&dbo)),
                     QR_OK);
    qr_rowset_free(rowset);
    return qr_buf_cstr(&dbo.out);
}

static void make(const char *columns)
{
    char sql[500];
    ok(&dbo, "drop procedure if exists takes; drop type if exists tt");
    (void)snprintf(sql, sizeof sql, "create type tt as table (%s)", columns);
    ok(&dbo, sql);
    ok(&dbo, "create procedure takes @t tt readonly as select * from @t");
}

static void says(const char *said, const char *want)
{
    if (strstr(said, want) == NULL)
        fail_msg("wanted %s in\n%s", want, said);
}

static void test_values_are_converted_to_the_columns_by_their_order(void **state)
{
    (void)state;
    make("d decimal(9, 2), at datetime2(0), v varchar(5)");
    const char *const sent[][ROWS_MAX] = {{"12.5", "2026-01-02 03:04:05", "abc"},
                                          {NULL, NULL, NULL}};
    const char *said = call((const char *(*)[ROWS_MAX])sent, 3, 2, NULL);
    says(said, "ROW 12.50|2026-01-02 03:04:05|abc\n");
    says(said, "ROW NULL|NULL|NULL\n");
}

static void test_columns_without_values_get_defaults_and_identity(void **state)
{
    (void)state;
    make("id int identity(5, 1) not null, note varchar(5) default 'none', v int");
    const char *const sent[][ROWS_MAX] = {{NULL, NULL, "1"}, {NULL, NULL, "2"}};
    const bool defaults[ROWS_MAX] = {true, true, false};
    const char *said = call((const char *(*)[ROWS_MAX])sent, 3, 2, defaults);
    says(said, "ROW 5|none|1\nROW 6|none|2\n");
    const char *const given[][ROWS_MAX] = {{"7", "x", "1"}};
    said = call((const char *(*)[ROWS_MAX])given, 3, 1, NULL);
    says(said, "MSG 1077 ");
    rows(&dbo, "select @@identity", "NULL\n");
}

static void test_rows_that_break_the_type_are_refused(void **state)
{
    static const struct {
        const char *columns;
        const char *row[ROWS_MAX];
        const char *want;
    } cases[] = {
        {"a int not null, b int, c int", {NULL, "1", "1"}, "MSG 515 "},
        {"a int primary key, b int, c int", {"1", "1", "1"}, "MSG 2627 "},
        {"a int, b int unique, c int", {"1", "1", "1"}, "MSG 2627 "},
        {"a int, b int check (b > 1), c int", {"1", "1", "1"}, "MSG 547 "},
        {"a int, b varchar(2), c int", {"1", "abc", "1"}, "MSG 2628 "},
        {"a int, b int, c int", {"1", "x", "1"}, "MSG 245 "},
        {"a int, b image, c int", {"1", "x", "1"}, "MSG 206 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *sent[2][ROWS_MAX];
        memcpy(sent[0], cases[i].row, sizeof sent[0]);
        memcpy(sent[1], cases[i].row, sizeof sent[1]);
        make(cases[i].columns);
        const char *said = call(sent, 3, 2, NULL);
        says(said, cases[i].want);
        says(said, "The data for table-valued parameter \"@t\" doesn't conform to the table type "
                   "of the parameter. SQL Server error is: ");
        assert_null(strstr(said, "ROW "));
    }
}

static void test_the_count_of_columns_has_to_be_the_types(void **state)
{
    (void)state;
    make("a nvarchar(max), b int");
    const char *const sent[][ROWS_MAX] = {{"1", "2", "3"}};
    says(call((const char *(*)[ROWS_MAX])sent, 3, 1, NULL), "MSG 500 ");
    says(call((const char *(*)[ROWS_MAX])sent, 1, 1, NULL),
         "with 1 column(s) where the corresponding user-defined table type requires 2 column(s).");
}

static void test_a_client_may_send_no_table(void **state)
{
    (void)state;
    make("a int");
    ok(&dbo, "alter procedure takes @t tt readonly as select count(*) as n from @t");
    const struct qr_arg arg = {.type = qr_type_of(QR_TYPE_TABLE)};
    assert_int_equal(qr_session_call(dbo.session, qr_str("takes"), &arg, 1, client_sink(&dbo)),
                     QR_OK);
    says(qr_buf_cstr(&dbo.out), "ROW 0\n");
}

static void test_a_variable_has_to_be_of_the_type(void **state)
{
    (void)state;
    make("a int");
    ok(&dbo, "create type other as table (a int, b int)");
    gives(&dbo, "declare @x other; exec takes @x", 206);
    gives(&dbo, "declare @x table (a int); exec takes @x", 206);
    gives(&dbo, "exec takes 1", 206);
    rows(&dbo, "declare @x tt; insert @x values (4); exec takes @x", "4\n");
    rows(&dbo,
         "declare @x tt; insert @x values (4); exec sp_executesql N'exec takes @y', N'@y tt "
         "readonly', @x",
         "4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_converted_to_the_columns_by_their_order),
        cmocka_unit_test(test_columns_without_values_get_defaults_and_identity),
        cmocka_unit_test(test_rows_that_break_the_type_are_refused),
        cmocka_unit_test(test_the_count_of_columns_has_to_be_the_types),
        cmocka_unit_test(test_a_client_may_send_no_table),
        cmocka_unit_test(test_a_variable_has_to_be_of_the_type),
    };
    return cmocka_run_group_tests_name("engine/table_arg", tests, setup, teardown);
}
