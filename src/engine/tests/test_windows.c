/* test_windows.c - percentiles, neighbours that are not NULL, JSON aggregates: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table s(g int, v int, n varchar(10));\n"
     "insert s values (1,10,'a'),(1,20,null),(1,30,'c'),(1,40,'d'),(2,5,null),(2,null,'x'),(2,7,"
     "'b');\n"
     "select distinct g, percentile_cont(0.5) within group (order by v) over (partition by g) "
     "as med, percentile_disc(0.5) within group (order by v) over (partition by g) as d, "
     "percentile_disc(0.5) within group (order by v desc) over (partition by g) as dd from s "
     "order by g;\n"
     "declare @p float = 0.25;\n"
     "select distinct percentile_cont(@p) within group (order by v) over () from s;\n"
     "select percentile_disc(0.9) within group (order by n) over (partition by g) x, g from s;\n"
     "select g, approx_percentile_cont(0.5) within group (order by v) c, "
     "approx_percentile_disc(0.5) within group (order by n desc) from s group by g;\n"
     "select percentile_cont(1.5) within group (order by v) over () from s;",
     "DONE\n"
     "DONE 7\n"
     "COLS g int, med float, d int, dd int\n"
     "ROW 1|25|20|30\n"
     "ROW 2|6|5|7\n"
     "DONE 2\n"
     "COLS float\n"
     "ROW 7.75\n"
     "DONE 1\n"
     "COLS x varchar(10), g int\n"
     "ROW d|1\n"
     "ROW d|1\n"
     "ROW d|1\n"
     "ROW d|1\n"
     "ROW x|2\n"
     "ROW x|2\n"
     "ROW x|2\n"
     "DONE 7\n"
     "COLS g int, c float, varchar(10)\n"
     "ROW 1|25|c\n"
     "ROW 2|6|x\n"
     "INFO 8153: Warning: Null value is eliminated by an aggregate or other SET operation.\n"
     "DONE 2\n"
     "COLS float\n"
     "MSG 8727 16 1 line 8: Input parameter of percentile function is outside of range [0, 1].\n"
     "DONE error\n"},
    {"select percentile_cont(0.5) over () from s;",
     "MSG 10754 15 1 line 1: The function 'PERCENTILE_CONT' must have a WITHIN GROUP clause.\n"
     "DONE error\n"},
    {"select percentile_cont(0.5) within group (order by v) from s;",
     "MSG 10753 15 1 line 1: The function 'percentile_cont' must have an OVER clause.\n"
     "DONE error\n"},
    {"select percentile_cont(0.5) within group (order by n) over () from s;",
     "MSG 8117 16 1 line 1: Operand data type varchar is invalid for percentile_cont operator.\n"
     "DONE error\n"},
    {"select row_number() over (order by v rows unbounded preceding) from s;",
     "MSG 10752 15 1 line 1: The function 'ROW_NUMBER' may not have a window frame.\n"
     "DONE error\n"},
    {"select g,v,n, lag(n) ignore nulls over (order by g,v) l, lead(n,1,'zz') ignore nulls over "
     "(order by g,v) le, first_value(n) ignore nulls over (partition by g order by v rows "
     "between 1 preceding and current row) f, last_value(n) ignore nulls over (order by g,v) as "
     "filled, lag(n,2) ignore nulls over (order by g,v) l2, last_value(n) respect nulls over "
     "(order by g, v) q from s order by g,v;",
     "COLS g int, v int, n varchar(10), l varchar(10), le varchar(10), f varchar(10), filled "
     "varchar(10), l2 varchar(10), q varchar(10)\n"
     "ROW 1|10|a|NULL|c|a|a|NULL|a\n"
     "ROW 1|20|NULL|a|c|a|a|NULL|NULL\n"
     "ROW 1|30|c|a|d|c|c|NULL|c\n"
     "ROW 1|40|d|c|x|c|d|a|d\n"
     "ROW 2|NULL|x|d|b|x|x|c|x\n"
     "ROW 2|5|NULL|x|b|x|x|d|NULL\n"
     "ROW 2|7|b|x|zz|b|b|d|b\n"
     "DONE 7\n"},
    {"create table ja (g int, k varchar(5), v int, d date)\n"
     "insert ja values (1,'a',3,'2024-01-02'),(1,'b\"',null,null),(2,'c',5,null)\n"
     "select json_arrayagg(v order by k desc) a, json_objectagg(k:v) o from ja\n"
     "select g, json_arrayagg(k order by v) a, json_objectagg(k:d) o, "
     "json_arrayagg(json_object('v':v)) n from ja group by g order by g\n"
     "select json_arrayagg(v) from ja where 1 = 0",
     "DONE\n"
     "DONE 3\n"
     "COLS a nvarchar(max), o nvarchar(max)\n"
     "ROW [5,3]|{\"a\":3,\"b\\\"\":null,\"c\":5}\n"
     "INFO 8153: Warning: Null value is eliminated by an aggregate or other SET operation.\n"
     "DONE 1\n"
     "COLS g int, a nvarchar(max), o nvarchar(max), n nvarchar(max)\n"
     "ROW 1|[\"b\\\"\",\"a\"]|{\"a\":\"2024-01-02\",\"b\\\"\":null}|[{\"v\":3},{\"v\":null}]\n"
     "ROW 2|[\"c\"]|{\"c\":null}|[{\"v\":5}]\n"
     "DONE 2\n"
     "COLS nvarchar(max)\n"
     "ROW NULL\n"
     "DONE 1\n"},
    {"select json_arrayagg(v null on null) from ja",
     "COLS nvarchar(max)\n"
     "ROW [3,null,5]\n"
     "DONE 1\n"},
    {"select json_arrayagg(v absent on null) a, json_objectagg(g:k null on null) o from ja "
     "where g = 2",
     "COLS a nvarchar(max), o nvarchar(max)\n"
     "ROW [5]|{\"2\":\"c\"}\n"
     "DONE 1\n"},
    /* ORDER BY a constant: peers all of them, and TOP reads no more than it gives */
    {"select row_number() over (order by (select null)) r, rank() over (order by (select 1)) k, "
     "sum(v) over (order by (select null)) t, count(*) over (partition by g order by (select null) "
     "desc) c, sum(v) over (partition by g order by (select null), v rows unbounded preceding) u, "
     "last_value(g) over (order by (select null)) l from s where v is not null order by v\n"
     "create table big(id int primary key) insert big select value from generate_series(1, 2000)\n"
     "select top (3) row_number() over (order by (select null)) r, a.id from big a cross join big b\n",
     "COLS r bigint, k bigint, t int, c int, u int, l int\n"
     "ROW 5|1|112|2|5|2\n"
     "ROW 6|1|112|2|12|2\n"
     "ROW 1|1|112|4|10|2\n"
     "ROW 2|1|112|4|30|2\n"
     "ROW 3|1|112|4|60|2\n"
     "ROW 4|1|112|4|100|2\n"
     "DONE 6\n"
     "DONE\n"
     "DONE 2000\n"
     "COLS r bigint, id int\n"
     "ROW 1|1\n"
     "ROW 2|1\n"
     "ROW 3|1\n"
     "DONE 3\n"},
    {"select count(*), sum(iif(cast(p.query_plan as nvarchar(max)) like '%TEMP B-TREE%', 1, 0)) from "
     "sys.dm_exec_query_stats c cross apply sys.dm_exec_sql_text(c.sql_handle) t cross apply "
     "sys.dm_exec_text_query_plan(c.plan_handle, c.statement_start_offset, c.statement_end_offset) p "
     "where substring(t.text, c.statement_start_offset / 2 + 1, 20) like 'select top (3) row%'",
     "COLS int, int\n"
     "ROW 1|0\n"
     "DONE 1\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/windows", batches, sizeof batches / sizeof batches[0]);
}
