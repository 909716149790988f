/* Goal: expressions mean what T-SQL's precedence and its many literals say. */
#include "parse_test.h"

static void test_operators_bind_by_precedence(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"1 + 2 * 3", "(1 + (2 * 3))"},
        {"1 - 2 - 3", "(1 - 2 - 3)"},
        {"(1 - 2) - 3", "((1 - 2) - 3)"},
        {"a & b | c ^ d + e", "(a & b | c ^ d + e)"},
        {"-a * ~b", "((- a) * (~ b))"},
        {"- - 1", "(- (- 1))"},
        {"a % 2 = 0 and not b > 1 or c <= 3", "(or (and (= (a % 2) 0) (not (> b 1))) (<= c 3))"},
        {"a = 1 or b = 2 or c = 3", "(or (= a 1) (= b 2) (= c 3))"},
        {"((a = 1 or b = 2) or c = 3) or (d = 4 or e = 5)",
         "(or (= a 1) (= b 2) (= c 3) (or (= d 4) (= e 5)))"},
        {"not not a = 1", "(not (not (= a 1)))"},
        {"(a = 1)", "(= a 1)"},
        {"((a)) = ((1))", "(= a 1)"},
        {"(a + 1) * 2 > 3", "(> ((a + 1) * 2) 3)"},
        {"a != 1 and b !< 2 and c !> 3", "(and (<> a 1) (>= b 2) (<= c 3))"},
        {"a > = 1", "(>= a 1)"},
        {"a < > 1", "(<> a 1)"},
        {"a || b", "(a || b)"},
        {"a << 2", "(a << 2)"},
        {"1--comment\n+2", "(1 + 2)"},
        {"1/*a/*b*/c*/+2", "(1 + 2)"},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_constants_keep_their_text(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"007", "007"},
        {"12345678901234567890", "12345678901234567890"},
        {"1.50", "num:1.50"},
        {".5", "num:.5"},
        {"5.", "num:5."},
        {"1e5", "float:1e5"},
        {"1.5E-3", "float:1.5E-3"},
        {"2E+", "float:2E+"},
        {"$12.34", "$12.34"},
        {"\xE2\x82\xAC"
         "5",
         "$5"},
        {"$", "$"},
        {"'it''s'", "'it's'"},
        {"N'\xC3\xA9'", "N'\xC3\xA9'"},
        {"n'x'", "N'x'"},
        {"''", "''"},
        {"'a\\\nb'", "'ab'"},
        {"'a\\\r\nb'", "'ab'"},
        {"0xAbC", "0xAbC"},
        {"0x", "0x"},
        {"null", "null"},
        {"{d '2020-01-02'}", "{d 2020-01-02}"},
        {"{ts '2020-01-02 03:04:05'}", "{ts 2020-01-02 03:04:05}"},
        {"{ t '03:04:05' }", "{t 03:04:05}"},
        {"{guid '6F9619FF-8B86-D011-B42D-00C04FC964FF'}",
         "{guid 6F9619FF-8B86-D011-B42D-00C04FC964FF}"},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_names_have_up_to_five_parts(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"a", "a"},
        {"[a b]", "[a b]"},
        {"[a]]b]", "[a]b]"},
        {"\"x\"\"y\"", "[x\"y]"},
        {"t.a", "t.a"},
        {"dbo.t.a", "dbo.t.a"},
        {"db..t.a", "db..t.a"},
        {"s.db.dbo.t.a", "s.db.dbo.t.a"},
        {"t.$identity", "t.$IDENTITY"},
        {"IDENTITYCOL", "$IDENTITY"},
        {"$rowguid", "$ROWGUID"},
        {"@x", "@x"},
        {"@@ROWCOUNT", "@@ROWCOUNT"},
        {"#t.a", "#t.a"},
        {"\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"},
        {"a\xC2\xA0+\xE3\x80\x80"
         "b",
         "(a + b)"},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_calls_in_all_their_forms(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"getdate()", "(call getdate)"},
        {"dbo.f(1, default)", "(call dbo.f 1 default)"},
        {"count(*)", "(call count *)"},
        {"count(distinct a)", "(call count distinct a)"},
        {"sum(all a)", "(call sum a)"},
        {"left(a, 2)", "(call left a 2)"},
        {"coalesce(a, b, 0)", "(call coalesce a b 0)"},
        {"iif(a > 1, 'x', 'y')", "(call iif (> a 1) 'x' 'y')"},
        {"dateadd(day, 1, d)", "(call dateadd day 1 d)"},
        {"current_timestamp", "(call current_timestamp niladic)"},
        {"cast(a as varchar(10))", "(cast a varchar:10)"},
        {"try_cast(a as decimal(10, 2))", "(try-cast a decimal:10:2)"},
        {"convert(nvarchar(max), a, 120)", "(convert a nvarchar:max 120)"},
        {"try_convert(double precision, a)", "(try-convert a float)"},
        {"parse('1' as int using 'en-US')", "(parse '1' int 'en-US')"},
        {"cast(a as national character varying(5))", "(cast a nvarchar:5)"},
        {"row_number() over (partition by a order by b desc, c)",
         "(call row_number (over (partition a) (order b desc c)))"},
        {"sum(a) over (order by b rows between unbounded preceding and current row)",
         "(call sum a (over (order b) (rows unbounded-preceding current)))"},
        {"sum(a) over (order by b range 1 preceding)",
         "(call sum a (over (order b) (range preceding 1 current)))"},
        {"sum(a) over w", "(call sum a (over w))"},
        {"string_agg(a, ',') within group (order by b)", "(call string_agg a ',' (within b))"},
        {"first_value(a) ignore nulls over (order by b)",
         "(call first_value a ignore-nulls (over (order b)))"},
        {"trim('x' from a)", "(call trim trim-from 'x' a)"},
        {"trim(leading 'x' from a)", "(call trim leading 'x' a)"},
        {"trim(a)", "(call trim a)"},
        {"json_object('a':1, 'b':c absent on null)",
         "(call json_object 'a' 1 'b' c absent-on-null)"},
        {"json_array(1, null null on null)", "(call json_array 1 null null-on-null)"},
        {"{fn ucase(a)}", "(fn ucase a)"},
        {"{fn convert(a, sql_integer)}", "(fn convert a sql_integer)"},
        {"{fn extract(year from a)}", "(fn extract year a)"},
        {"next value for dbo.s over (order by a)", "(next-value dbo.s (over (order a)))"},
        {"$partition.pf(1)", "(call $PARTITION.pf 1)"},
        {"@x.value('(/a)[1]', 'int')", "(method @x .value '(/a)[1]' 'int')"},
        {"geography::Point(1, 2, 4326)", "(method geography ::Point 1 2 4326)"},
        {"a collate Latin1_General_BIN + b", "((collate a Latin1_General_BIN) + b)"},
        {"d at time zone 'UTC' at time zone 'CET'", "(at-time-zone (at-time-zone d 'UTC') 'CET')"},
        {"case a when 1 then 'x' else 'y' end", "(case a (when 1 'x') (else 'y'))"},
        {"case when a = 1 then 1 when b = 2 then 2 end",
         "(case (when (= a 1) 1) (when (= b 2) 2))"},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_predicates(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"a in (1, 2)", "(in a 1 2)"},
        {"a not in (select b from t)", "(not-in a (select b (from (table t))))"},
        {"a in ((select 1) union (select 2))", "(in a (set (select 1) union (select 2)))"},
        {"a between 1 and 2 + 3", "(between a 1 (2 + 3))"},
        {"a not between 1 and 2 and b = 1", "(and (not-between a 1 2) (= b 1))"},
        {"a like 'x%' escape '!'", "(like a 'x%' '!')"},
        {"a not like 'x'", "(not-like a 'x')"},
        {"a is null", "(is-null a)"},
        {"a + b is not null", "(is-not-null (a + b))"},
        {"a is distinct from b", "(distinct a b)"},
        {"a is not distinct from null", "(not-distinct a null)"},
        {"exists (select * from t)", "(exists (select * (from (table t))))"},
        {"not exists (select 1)", "(not (exists (select 1)))"},
        {"a > all (select b from t)", "(>-all a (select b (from (table t))))"},
        {"a = some (select 1)", "(=-any a (select 1))"},
        {"(select 1) = 1", "(= (subquery (select 1)) 1)"},
        {"((select 1) + 1) > 0", "(> ((subquery (select 1)) + 1) 0)"},
        {"((select 1) union all (select 2)) = 1",
         "(= (subquery (set (select 1) union-all (select 2))) 1)"},
        {"contains((a, b), 'x', language 1033)", "(predicate contains a b 'x' 1033)"},
        {"update(a) and freetext(*, 'x')", "(and (predicate update a) (predicate freetext * 'x'))"},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_conditions_and_values_do_not_mix(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"(a = 1) + 1", "error 102: Incorrect syntax near '+'."},
        {"a = b = c", "error 102: Incorrect syntax near '='."},
        {"a and b = 1",
         "error 4145: An expression of non-boolean type specified in a context where "
         "a condition is expected, near 'and'."},
        {"case when a then 1 end", "error 4145: An expression of non-boolean type specified in a "
                                   "context where a condition is expected, near 'then'."},
        {"f(a = 1)", "error 102: Incorrect syntax near '='."},
    };
    check_exprs(cases, COUNT_OF(cases));
}

static void test_ordinals_count_the_constants_of_a_text(void **state)
{
    (void)state;
    struct qr_arena arena;
    qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
    struct qr_tsql_batch *batch;
    const char *sql = "select 1, 'a', (0x1), null, 2.5";
    struct qr_tsql_options options = {.quoted_identifier = true};
    assert_int_equal(qr_tsql_parse(&arena, sql, strlen(sql), &options, &batch, NULL), QR_OK);
    assert_int_equal(batch->literal_count, 4);
    const struct qr_ast_select *select =
        (const void *)((const struct qr_ast_select_stmt *)batch->stmts.items[0])->query;
    static const uint32_t want[] = {0, 1, 2, QR_LIT_NO_ORDINAL, 3};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(((const struct qr_ast_literal *)select->items.items[i].expr)->ordinal,
                         want[i]);
    qr_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators_bind_by_precedence),
        cmocka_unit_test(test_constants_keep_their_text),
        cmocka_unit_test(test_names_have_up_to_five_parts),
        cmocka_unit_test(test_calls_in_all_their_forms),
        cmocka_unit_test(test_predicates),
        cmocka_unit_test(test_conditions_and_values_do_not_mix),
        cmocka_unit_test(test_ordinals_count_the_constants_of_a_text),
    };
    return cmocka_run_group_tests_name("tsql/parse_expr", tests, NULL, NULL);
}
