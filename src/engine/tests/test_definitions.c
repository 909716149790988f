/* test_definitions.c - how CHECK, DEFAULT, computed columns and filters are stored: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table def (\n"
     " a int default 1, b int default (-1), c varchar(10) default 'x', d nvarchar(20) default "
     "N'it''s', e datetime default getdate(), f datetime default CURRENT_TIMESTAMP,\n"
     " g uniqueidentifier default NEWID(), h int default null, i float default 1e5, j money "
     "default $1.5, k varbinary(4) default 0x0A, l decimal(5,2) default (.5), m int default "
     "(((2))), n sysname default SYSTEM_USER, o sysname default user, p datetime default "
     "dateadd(dd, -18, 0), q int default (1 + 2 * 3))",
     "DONE\n"},
    {"select col_name(parent_object_id, parent_column_id) c, definition from "
     "sys.default_constraints order by parent_column_id",
     "COLS c nvarchar(128), definition nvarchar(max)\n"
     "ROW a|((1))\n"
     "ROW b|((-1))\n"
     "ROW c|('x')\n"
     "ROW d|(N'it''s')\n"
     "ROW e|(getdate())\n"
     "ROW f|(getdate())\n"
     "ROW g|(newid())\n"
     "ROW h|(NULL)\n"
     "ROW i|((1.000000000000000e+005))\n"
     "ROW j|(($1.5))\n"
     "ROW k|((0x0A))\n"
     "ROW l|((0.5))\n"
     "ROW m|((2))\n"
     "ROW n|(suser_sname())\n"
     "ROW o|(user_name())\n"
     "ROW p|(dateadd(day,(-18),(0)))\n"
     "ROW q|((1)+((2)*(3)))\n"
     "DONE 17\n"},
    {"create table chk (id int, a int, b int, s varchar(10), d date, t varchar(10),\n"
     " constraint c1 check (a > 0), constraint c2 check (a BETWEEN 1 and 5), constraint c3 "
     "check (s in ('a','b', 'c')), constraint c4 check (upper(s) IN ('M') or s is null),\n"
     " constraint c5 check (s LIKE '[A-Z]%' and s not like '%x' escape '!'), constraint c6 "
     "check (not (a = 1 or b = 2)), constraint c7 check ((a > 1 or b > 1) and a+b*2 <> 7),\n"
     " constraint c8 check (d <= DATEADD(YEAR, -18, GetDate())), constraint c9 check (case when "
     "a is null then 0 else 1 end + CASE WHEN b IS NULL THEN 0 ELSE 1 END = 1), constraint c10 "
     "check (isjson(t) > 0), constraint c11 check (a not in (1,2)), constraint c12 check "
     "(len([s]) >= 2 AND (a % 2) = 0),\n"
     " constraint c13 check (a not between 7 and 8), constraint c14 check (a*2 > -b and ~a != "
     "3), constraint c15 check (cast(s as varchar(5)) = convert(char(5), s, 120)), constraint "
     "c16 check (s collate Latin1_General_BIN = upper(s)))",
     "DONE\n"},
    {"select name, definition, object_definition(object_id) from sys.check_constraints order by "
     "object_id\n"
     "select CONSTRAINT_NAME, CHECK_CLAUSE from INFORMATION_SCHEMA.CHECK_CONSTRAINTS where "
     "CONSTRAINT_NAME in ('c1','c2')",
     "COLS name nvarchar(128), definition nvarchar(max), nvarchar(max)\n"
     "ROW c1|([a]>(0))|([a]>(0))\n"
     "ROW c2|([a]>=(1) AND [a]<=(5))|([a]>=(1) AND [a]<=(5))\n"
     "ROW c3|([s]='c' OR [s]='b' OR [s]='a')|([s]='c' OR [s]='b' OR [s]='a')\n"
     "ROW c4|(upper([s])='M' OR [s] IS NULL)|(upper([s])='M' OR [s] IS NULL)\n"
     "ROW c5|([s] like '[A-Z]%' AND NOT [s] like '%x' escape '!')|([s] like '[A-Z]%' AND NOT "
     "[s] like '%x' escape '!')\n"
     "ROW c6|(NOT ([a]=(1) OR [b]=(2)))|(NOT ([a]=(1) OR [b]=(2)))\n"
     "ROW c7|(([a]>(1) OR [b]>(1)) AND ([a]+([b]*(2)))<>(7))|(([a]>(1) OR [b]>(1)) AND "
     "([a]+([b]*(2)))<>(7))\n"
     "ROW c8|([d]<=dateadd(year,(-18),getdate()))|([d]<=dateadd(year,(-18),getdate()))\n"
     "ROW c9|((case when [a] IS NULL then (0) else (1) end+case when [b] IS NULL then (0) else "
     "(1) end)=(1))|((case when [a] IS NULL then (0) else (1) end+case when [b] IS NULL then "
     "(0) else (1) end)=(1))\n"
     "ROW c10|(isjson([t])>(0))|(isjson([t])>(0))\n"
     "ROW c11|(NOT ([a]=(2) OR [a]=(1)))|(NOT ([a]=(2) OR [a]=(1)))\n"
     "ROW c12|(len([s])>=(2) AND ([a]%(2))=(0))|(len([s])>=(2) AND ([a]%(2))=(0))\n"
     "ROW c13|(NOT ([a]>=(7) AND [a]<=(8)))|(NOT ([a]>=(7) AND [a]<=(8)))\n"
     "ROW c14|(([a]*(2))>-[b] AND ~[a]<>(3))|(([a]*(2))>-[b] AND ~[a]<>(3))\n"
     "ROW c15|(CONVERT([varchar](5),[s])=CONVERT([char](5),[s],(120)))|(CONVERT([varchar](5),[s]"
     ")=CONVERT([char](5),[s],(120)))\n"
     "ROW c16|([s] collate Latin1_General_BIN=upper([s]))|([s] collate "
     "Latin1_General_BIN=upper([s]))\n"
     "DONE 16\n"
     "COLS CONSTRAINT_NAME nvarchar(128), CHECK_CLAUSE nvarchar(4000)\n"
     "ROW c1|([a]>(0))\n"
     "ROW c2|([a]>=(1) AND [a]<=(5))\n"
     "DONE 2\n"},
    {"create function dbo.dbl(@a int) returns int with schemabinding as begin return @a * 2 end",
     "DONE\n"},
    {"create table cmp (x int, y int, z decimal(9,2), nm nvarchar(20), dt datetime,\n"
     " c1 as x + y + 1, c2 as (x*2) persisted, c3 as isnull(x * y * (1.0 - z), 0.0), c4 as "
     "N'SO' + cast(x as nvarchar(23)), c5 as year(dt), c6 as iif(x > 1, 'a', 'b'), c7 as "
     "dbo.dbl(x), c8 as coalesce(x, y), c9 as try_cast(nm as int), c10 as left(nm, 3) + "
     "Right(nm,2), c11 as datediff(dd, dt, '2020'), c12 as case x when 1 then 'one' else "
     "'other' end, c13 as trim(nm), c14 as try_convert(decimal(9,2), nm), c15 as -x, c16 as - "
     "-x)",
     "DONE\n"},
    {"select name, definition from sys.computed_columns order by column_id\n"
     "create index ix on cmp(x) where x > 5 and y is not null\n"
     "create unique index ix2 on cmp(x) where nm in (N'a', 'b') and y is not null\n"
     "create index ix3 on cmp(x) where (y in (1, -2))\n"
     "create index ix4 on cmp(x) where y in (1)\n"
     "select filter_definition from sys.indexes where name like 'ix%' order by name\n"
     "insert cmp(x,y,z,nm,dt) values (2,3,0.5,N'12',  '20200203')\n"
     "select c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c12,c13,c14,c15,c16 from cmp",
     "COLS name nvarchar(128), definition nvarchar(max)\n"
     "ROW c1|(([x]+[y])+(1))\n"
     "ROW c2|([x]*(2))\n"
     "ROW c3|(isnull(([x]*[y])*((1.0)-[z]),(0.0)))\n"
     "ROW c4|(N'SO'+CONVERT([nvarchar](23),[x]))\n"
     "ROW c5|(datepart(year,[dt]))\n"
     "ROW c6|(case when [x]>(1) then 'a' else 'b' end)\n"
     "ROW c7|([dbo].[dbl]([x]))\n"
     "ROW c8|(coalesce([x],[y]))\n"
     "ROW c9|(TRY_CAST([nm] AS [int]))\n"
     "ROW c10|(left([nm],(3))+right([nm],(2)))\n"
     "ROW c11|(datediff(day,[dt],'2020'))\n"
     "ROW c12|(case [x] when (1) then 'one' else 'other' end)\n"
     "ROW c13|(trim([nm]))\n"
     "ROW c14|(TRY_CONVERT([decimal](9,2),[nm]))\n"
     "ROW c15|(-[x])\n"
     "ROW c16|(-(-[x]))\n"
     "DONE 16\n"
     "DONE\n"
     "DONE\n"
     "DONE\n"
     "DONE\n"
     "COLS filter_definition nvarchar(max)\n"
     "ROW ([x]>(5) AND [y] IS NOT NULL)\n"
     "ROW (([nm] IN (N'a', 'b')) AND [y] IS NOT NULL)\n"
     "ROW ([y] IN ((1), (-2)))\n"
     "ROW ([y]=(1))\n"
     "DONE 4\n"
     "DONE 1\n"
     "COLS c1 int, c2 int, c3 decimal(21,2), c4 nvarchar(25), c5 int, c6 varchar(1), c7 int, c8 "
     "int, c9 int, c10 nvarchar(5), c12 varchar(5), c13 nvarchar(20), c14 decimal(9,2), c15 "
     "int, c16 int\n"
     "ROW 6|4|3.00|SO2|2020|a|4|2|12|1212|other|12|12.00|-2|2\n"
     "DONE 1\n"},
    {"insert chk(a) values (9)",
     "MSG 547 16 0 line 1: The INSERT statement conflicted with the CHECK constraint \"c2\". "
     "The conflict occurred in database \"testdb\", table \"dbo.chk\".\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"set quoted_identifier off",
     ""},
    {"create table qi (a varchar(10) default \"dq\", check (a <> \"it's\"))\n"
     "select definition from sys.check_constraints where parent_object_id = object_id('qi')\n"
     "select definition from sys.default_constraints where parent_object_id = object_id('qi')\n"
     "set quoted_identifier on",
     "DONE\n"
     "COLS definition nvarchar(max)\n"
     "ROW ([a]<>'it''s')\n"
     "DONE 1\n"
     "COLS definition nvarchar(max)\n"
     "ROW ('dq')\n"
     "DONE 1\n"},
    {"insert qi default values select * from qi\n"
     "alter table def add z int constraint dfz default (  Round(2.5 , 0) ) with values\n"
     "select definition from sys.default_constraints where name = 'dfz'\n"
     "select COLUMN_NAME, COLUMN_DEFAULT from INFORMATION_SCHEMA.COLUMNS where TABLE_NAME = "
     "'def' and COLUMN_NAME in ('a','z')",
     "DONE 1\n"
     "COLS a varchar(10)\n"
     "ROW dq\n"
     "DONE 1\n"
     "DONE\n"
     "COLS definition nvarchar(max)\n"
     "ROW (round((2.5),(0)))\n"
     "DONE 1\n"
     "COLS COLUMN_NAME nvarchar(128), COLUMN_DEFAULT nvarchar(4000)\n"
     "ROW a|((1))\n"
     "ROW z|(round((2.5),(0)))\n"
     "DONE 2\n"},
    {"create table other(a int) with (ledger = on)",
     "MSG 40510 16 1 line 1: Statement 'LEDGER' is not supported in this version of SQL Server.\n"
     "DONE error\n"},
    {"create table other(a int) with (bogus = 1)",
     "MSG 155 15 2 line 1: 'BOGUS' is not a recognized CREATE TABLE option.\n"
     "DONE error\n"},
    {"create table other(a int) with (data_compression = page, ledger = off)", "DONE\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/definitions", batches, sizeof batches / sizeof batches[0]);
}
