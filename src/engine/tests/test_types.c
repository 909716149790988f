/* test_types.c - types through storage, built-in row functions, window aggregates: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"select * from openjson('{\"a\":1,\"b\":[1,2],\"c\":null,\"d\":\"x\\\"y\"}')\n"
     "select * from openjson('[{\"id\":1,\"n\":\"a\"},{\"id\":2}]') with (id int, n"
     " nvarchar(10) '$.n')\n"
     "select * from string_split('a,b,,c', ',', 1)\n"
     "select value from generate_series(1, 10, 3)",
     "COLS key nvarchar(4000), value nvarchar(max), type tinyint\n"
     "ROW a|1|2\n"
     "ROW b|[1,2]|4\n"
     "ROW c|NULL|0\n"
     "ROW d|x\"y|1\n"
     "DONE 4\n"
     "COLS id int, n nvarchar(10)\n"
     "ROW 1|a\n"
     "ROW 2|NULL\n"
     "DONE 2\n"
     "COLS value varchar(6), ordinal bigint\n"
     "ROW a|1\n"
     "ROW b|2\n"
     "ROW |3\n"
     "ROW c|4\n"
     "DONE 4\n"
     "COLS value int\n"
     "ROW 1\n"
     "ROW 4\n"
     "ROW 7\n"
     "ROW 10\n"
     "DONE 4\n"},
    {"raiserror('%5d|%-5d|%s|%x', 16, 1, 7, 8, 'str', 255)",
     "MSG 50000 16 1 line 1:     7|8    |str|ff\n"
     "DONE error\n"},
    {"declare @t table (a int identity, b nvarchar(5))\n"
     "insert @t(b) output inserted.a values ('x'),('toolong')\n"
     "select * from @t",
     "MSG 2628 16 1 line 2: String or binary data would be truncated in table '@t',"
     " column 'b'. Truncated value: 'toolo'.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"
     "COLS a int, b nvarchar(5)\n"
     "DONE 0\n"},
    {"select sum(a) over (order by a rows unbounded preceding) s, row_number() over"
     " (order by a desc) r from (values (1),(2),(3)) v(a)",
     "COLS s int, r bigint\n"
     "ROW 1|3\n"
     "ROW 3|2\n"
     "ROW 6|1\n"
     "DONE 3\n"},
    {"create table nums (a int primary key, b decimal(20,4), c datetimeoffset, d"
     " uniqueidentifier, e varbinary(10), f float, g money, h bit, i date, j time(3), k"
     " datetime2(2), l char(5), m sql_variant, n xml)\n"
     "insert nums values (1, 123456789012.5, '2020-01-01 10:00 +02:00',"
     " '6F9619FF-8B86-D011-B42D-00C04FC964FF', 0x4142, 1.5, $12.34, 1, '2020-02-03',"
     " '10:11:12.345', '2020-01-01 01:02:03.45', 'ab', 5, '<a/>')\n"
     "select * from nums\n"
     "select a from nums where c = '2020-01-01 08:00 +00:00' and d ="
     " '6F9619FF-8B86-D011-B42D-00C04FC964FF' and l = 'ab   '",
     "DONE\n"
     "DONE 1\n"
     "COLS a int, b decimal(20,4), c datetimeoffset(7), d uniqueidentifier, e"
     " varbinary(10), f float, g money, h bit, i date, j time(3), k datetime2(2), l"
     " char(5), m sql_variant, n xml\n"
     "ROW 1|123456789012.5000|2020-01-01 10:00:00.0000000"
     " +02:00|6F9619FF-8B86-D011-B42D-00C04FC964FF|䉁|1.5|12.34|1|2020-02-03|10:11:12.345|2"
     "020-01-01 01:02:03.45|ab   |5|<a/>\n"
     "DONE 1\n"
     "COLS a int\n"
     "ROW 1\n"
     "DONE 1\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/types", batches, sizeof batches / sizeof batches[0]);
}
