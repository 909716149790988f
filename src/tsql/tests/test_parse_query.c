/* Goal: queries and their sources come out as they were written, whatever the parentheses. */
#include "parse_test.h"

static void test_select_with_all_its_clauses(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"select 1", "{SELECT (select 1)}"},
        {"select distinct top (10) percent with ties a as x, b y, z = c, 'w' = d, e 'v', t.*, * "
         "from t",
         "{SELECT (select distinct (top 10 percent ties) a:x b:y c:z d:[w] e:[v] t.* * (from "
         "(table "
         "t)))}"},
        {"select top 5 a from t", "{SELECT (select (top 5) a (from (table t)))}"},
        {"select @a = 1, @b += x from t", "{SELECT (select @a:=1 @b:op=x (from (table t)))}"},
        {"select a into #x from t", "{SELECT (select a (into #x) (from (table t)))}"},
        {"select a, count(*) from t where a > 0 group by a having count(*) > 1 order by 2 desc, a",
         "{SELECT (select a (call count *) (from (table t)) (where (> a 0)) (group a) (having (> "
         "(call count *) 1)) (order 2 desc a))}"},
        {"select 1 from t group by a, rollup (b, (c, d)), grouping sets ((a), (), cube (b))",
         "{SELECT (select 1 (from (table t)) (group a (rollup b (composite c d)) (sets a "
         "(composite) "
         "(cube b))))}"},
        {"select 1 from t group by (a + b) * 2, () with rollup",
         "{SELECT (select 1 (from (table t)) (group ((a + b) * 2) (composite) with-rollup))}"},
        {"select 1 from t group by all a with cube",
         "{SELECT (select 1 (from (table t)) (group-all a with-cube))}"},
        {"select a from t order by a offset 5 rows fetch next @n rows only",
         "{SELECT (select a (from (table t)) (order a) (offset 5) (fetch @n))}"},
        {"select sum(a) over w from t window w as (order by b)",
         "{SELECT (select (call sum a (over w)) (from (table t)) (window w))}"},
        {"select a from t for xml path('r'), root('x'), elements xsinil, type",
         "{SELECT (select a (from (table t)) (for-xml PATH 'r' (with ROOT='x' ELEMENTS:XSINIL "
         "TYPE)))}"},
        {"select a from t for json auto, without_array_wrapper",
         "{SELECT (select a (from (table t)) (for-json AUTO (with WITHOUT_ARRAY_WRAPPER)))}"},
        {"select a from t option (maxdop 1, recompile, optimize for (@a = 5), use hint "
         "('disallow_batch_mode'))",
         "{SELECT (select a (from (table t))) (option MAXDOP=1 RECOMPILE OPTIMIZE FOR USE HINT)}"},
        {"select identity(int, 1, 1) as i into t from s",
         "{SELECT (select (identity 1 1):i (into t) (from (table s)))}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_set_operations_keep_precedence_and_parentheses(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"select 1 union select 2 except select 3",
         "{SELECT (set (select 1) union (select 2) except (select 3))}"},
        {"select 1 union all select 2 intersect select 3",
         "{SELECT (set (select 1) union-all (set (select 2) intersect (select 3)))}"},
        {"(select 1 union select 2) intersect select 3",
         "{SELECT (set (set (select 1) union (select 2)) intersect (select 3))}"},
        {"select a from t union select b from u order by a",
         "{SELECT (set (select a (from (table t))) union (select b (from (table u))) (order a))}"},
        {"((select 1))", "{SELECT (select 1)}"},
        {"select * from ((select 1 as a) union (select 2)) d",
         "{SELECT (select * (from (derived (set (select 1:a) union (select 2)) as:d)))}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_joins_nest_as_written(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"select * from a, b x, c as y",
         "{SELECT (select * (from (table a) (table b as:x) (table c as:y)))}"},
        {"select * from a join b on a.i = b.i left outer join c on b.i = c.i",
         "{SELECT (select * (from (left (inner (table a) (table b) (= a.i b.i)) (table c) (= b.i "
         "c.i))))}"},
        {"select * from a left join b join c on b.i = c.i on a.i = b.i",
         "{SELECT (select * (from (left (table a) (inner (table b) (table c) (= b.i c.i)) (= a.i "
         "b.i))))}"},
        {"select * from a full join (b cross join c) on 1 = 1",
         "{SELECT (select * (from (full (table a) (cross (table b) (table c)) (= 1 1))))}"},
        {"select * from a inner hash join b on a.i = b.i",
         "{SELECT (select * (from (inner HASH (table a) (table b) (= a.i b.i))))}"},
        {"select * from t cross apply f(t.a) x outer apply (select 1 as b) y(c)",
         "{SELECT (select * (from (outer-apply (cross-apply (table t) (tvf (call f t.a) as:x)) "
         "(derived (select 1:b) as:y(c)))))}"},
        {"select * from (((select 1 a) x join b on 1 = 1))",
         "{SELECT (select * (from (inner (derived (select 1:a) as:x) (table b) (= 1 1))))}"},
        {"select * from {oj a left join b on a.i = b.i}",
         "{SELECT (select * (from (left (table a) (table b) (= a.i b.i))))}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_sources_of_every_kind(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"select * from s.db..t", "{SELECT (select * (from (table s.db..t)))}"},
        {"select * from t (nolock) join u with (updlock, index(ix), rowlock) on 1 = 1",
         "{SELECT (select * (from (inner (table t (hints NOLOCK)) (table u (hints UPDLOCK INDEX "
         "(sub "
         "IX) ROWLOCK)) (= 1 1))))}"},
        {"select * from t a (nolock)", "{SELECT (select * (from (table t (hints NOLOCK) as:a)))}"},
        {"select * from @t x", "{SELECT (select * (from (table @t as:x)))}"},
        {"select * from (values (1, 'a'), (2, 'b')) v(i, s)",
         "{SELECT (select * (from (derived (values (row 1 'a') (row 2 'b')) as:v(i,s))))}"},
        {"select * from openjson(@j, '$.a') with (i int '$.i', x nvarchar(max) as json) j",
         "{SELECT (select * (from (tvf (call openjson @j '$.a') (with i int) (with x nvarchar "
         "json) "
         "as:j)))}"},
        {"select * from @x.nodes('/a') as t(c)",
         "{SELECT (select * (from (tvf (method @x .nodes '/a') as:t(c))))}"},
        {"select * from openrowset(bulk 'f', single_blob) as r",
         "{SELECT (select * (from (rowset OPENROWSET as:r)))}"},
        {"select * from openquery(srv, 'select 1') q",
         "{SELECT (select * (from (rowset OPENQUERY as:q)))}"},
        {"select * from openxml(@h, '/r', 1) with (a int '@a')",
         "{SELECT (select * (from (rowset OPENXML)))}"},
        {"select * from t for system_time as of '2020-01-01' x",
         "{SELECT (select * (from (table t as-of as:x)))}"},
        {"select * from t tablesample (10 percent) repeatable (1)",
         "{SELECT (select * (from (table t sample)))}"},
        {"select * from t pivot (sum(a) for b in ([x], [y])) p",
         "{SELECT (select * (from (pivot (table t) (call sum a) for b [x] [y] as:p)))}"},
        {"select * from t unpivot (v for n in (a, b)) as u",
         "{SELECT (select * (from (unpivot (table t) v for n a b as:u)))}"},
        {"insert t select i from (delete from u output deleted.i where i = 1) d",
         "{INSERT (table t) (select i (from (dml {DELETE (table u) (output deleted.i) (where (= i "
         "1))} as:d)))}"},
        {"select * from ::fn_x(default)", "{SELECT (select * (from (tvf (call fn_x default))))}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_common_table_expressions(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"with a as (select 1 x), b (y) as (select x from a union all select y from b) select * "
         "from b",
         "{SELECT (cte a (select 1:x)) (cte b (set (select x (from (table a))) union-all (select y "
         "(from (table b))))) (select * (from (table b)))}"},
        {"with c as (select 1 x) update c set x = 2",
         "{UPDATE (cte c (select 1:x)) (table c) (set (= x 2))}"},
        {"with c as (select 1 x) delete from c", "{DELETE (cte c (select 1:x)) (table c)}"},
        {"with xmlnamespaces ('u' as n, default 'd') select 1", "{SELECT (select 1)}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select_with_all_its_clauses),
        cmocka_unit_test(test_set_operations_keep_precedence_and_parentheses),
        cmocka_unit_test(test_joins_nest_as_written),
        cmocka_unit_test(test_sources_of_every_kind),
        cmocka_unit_test(test_common_table_expressions),
    };
    return cmocka_run_group_tests_name("tsql/parse_query", tests, NULL, NULL);
}
