/* test_nested.c - #tables of nested scopes, INSERT ... EXEC, what procedures return, tempdb:
 * transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create proc p_in as create table #t (x varchar(10)) insert #t values ('inner') select * "
     "from #t",
     "DONE\n"},
    {"create proc p_out as create table #t (a int) insert #t values (1) exec p_in select * from "
     "#t",
     "DONE\n"},
    {"exec p_out",
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "COLS x varchar(10)\n"
     "ROW inner\n"
     "DONEINPROC 1\n"
     "COLS a int\n"
     "ROW 1\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"create table #t (z int, y int) insert #t values (5,6)\n"
     "exec p_out\n"
     "select * from #t",
     "DONE\n"
     "DONE 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "COLS x varchar(10)\n"
     "ROW inner\n"
     "DONEINPROC 1\n"
     "COLS a int\n"
     "ROW 1\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS z int, y int\n"
     "ROW 5|6\n"
     "DONE 1\n"},
    {"create table #t (z int)",
     "MSG 2714 16 6 line 1: There is already an object named '#t' in the database.\n"
     "DONE error\n"},
    {"create proc p_rec @n int as\n"
     "begin\n"
     "  select 'before', * from #t\n"
     "  if @n > 1 return\n"
     "  create table #t (a int) insert #t values (@n)\n"
     "  declare @m int = @n + 1\n"
     "  exec p_rec @m\n"
     "  select 'after', * from #t\n"
     "end",
     "DONE\n"},
    {"exec p_rec 0",
     "COLS varchar(6), z int, y int\n"
     "ROW before|5|6\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "COLS varchar(6), a int\n"
     "ROW before|0\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "COLS varchar(6), a int\n"
     "ROW before|1\n"
     "DONEINPROC 1\n"
     "COLS varchar(5), a int\n"
     "ROW after|1\n"
     "DONEINPROC 1\n"
     "COLS varchar(5), a int\n"
     "ROW after|0\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"select 7 k into #t2",
     "DONE 1\n"},
    {"create proc p_into as select 'a' q into #t2 select * from #t2 drop table #t2 select * "
     "from #t2",
     "DONE\n"},
    {"exec p_into",
     "DONEINPROC 1\n"
     "COLS q varchar(1)\n"
     "ROW a\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "COLS k int\n"
     "ROW 7\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"create proc p_twice as create table #d (a int) create table #d (a int)",
     "DONE\n"},
    {"exec p_twice",
     "DONEINPROC\n"
     "MSG 2714 16 6 line 1 p_twice: There is already an object named '#d' in the database.\n"
     "DONEINPROC error\n"
     "STATUS -6\n"
     "DONEPROC\n"},
    {"drop table #t, #t2\n"
     "create table r (a int)",
     "DONE\n"
     "DONE\n"},
    {"create proc one as select 1",
     "DONE\n"},
    {"create proc two as insert r exec one",
     "DONE\n"},
    {"insert r exec two\n"
     "select count(*) c, @@trancount t from r",
     "MSG 8164 16 1 line 1 two: An INSERT EXEC statement cannot be nested.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE 0\n"
     "COLS c int, t int\n"
     "ROW 0|0\n"
     "DONE 1\n"},
    {"create proc rb as begin tran select 1 rollback",
     "DONE\n"},
    {"insert r exec rb\n"
     "if @@trancount > 0 rollback",
     "ENV BEGIN\n"
     "MSG 3915 16 0 line 1 rb: Cannot use the ROLLBACK statement within an INSERT-EXEC "
     "statement.\n"
     "MSG 266 16 2 line 1: Transaction count after EXECUTE indicates a mismatching number of "
     "BEGIN and COMMIT statements. Previous count = 0, current count = 1.\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"},
    {"create proc cm as begin tran select 5 commit",
     "DONE\n"},
    {"insert r exec cm\n"
     "select * from r",
     "ENV BEGIN\n"
     "ENV COMMIT\n"
     "DONE 1\n"
     "COLS a int\n"
     "ROW 5\n"
     "DONE 1\n"},
    {"create proc cm2 as select 5 commit",
     "DONE\n"},
    {"begin tran\n"
     "insert r exec cm2\n"
     "select @@trancount\n"
     "rollback",
     "ENV BEGIN\n"
     "DONE\n"
     "MSG 3916 16 0 line 1 cm2: Cannot use the COMMIT statement within an INSERT-EXEC statement "
     "unless BEGIN TRANSACTION is used first.\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 1\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"},
    {"create proc e1 as select 1/0",
     "DONE\n"},
    {"create proc e2 as return 7",
     "DONE\n"},
    {"declare @r int exec @r = e1 select @r\n"
     "exec @r = e2 select @r",
     "COLS int\n"
     "MSG 8134 16 1 line 1 e1: Divide by zero error encountered.\n"
     "DONEINPROC error\n"
     "STATUS -6\n"
     "DONEPROC\n"
     "COLS int\n"
     "ROW -6\n"
     "DONE 1\n"
     "STATUS 7\n"
     "DONEPROC\n"
     "COLS int\n"
     "ROW 7\n"
     "DONE 1\n"},
    {"create table #t3 (a int not null, b varchar(10))\n"
     "select case when object_id('tempdb..#t3') is null then 'no' else 'yes' end, case when "
     "object_id(N'tempdb..[#t3]', 'U') is null then 'no' else 'yes' end\n"
     "select name, is_nullable from tempdb.sys.columns where object_id = "
     "object_id('tempdb..#t3')\n"
     "select o.type from tempdb..sysobjects o where o.id = object_id('tempdb..#t3')\n"
     "select t.name, i.type_desc from tempdb.sys.tables t join tempdb.sys.indexes i on "
     "i.object_id = t.object_id where t.name like '#t3%'\n"
     "select COLUMN_NAME, DATA_TYPE from tempdb.INFORMATION_SCHEMA.COLUMNS where TABLE_NAME "
     "like '#t3%'\n"
     "select name from sys.tables where name like '#%'\n"
     "drop table #t3\n"
     "if exists (select * from tempdb.sys.objects where object_id = object_id(N'tempdb..#t3')) "
     "drop table #t3",
     "DONE\n"
     "COLS varchar(3), varchar(3)\n"
     "ROW yes|yes\n"
     "DONE 1\n"
     "COLS name nvarchar(128), is_nullable bit\n"
     "ROW a|0\n"
     "ROW b|1\n"
     "DONE 2\n"
     "COLS type char(2)\n"
     "ROW U \n"
     "DONE 1\n"
     "COLS name nvarchar(128), type_desc nvarchar(60)\n"
     "ROW #t3|HEAP\n"
     "DONE 1\n"
     "COLS COLUMN_NAME nvarchar(128), DATA_TYPE nvarchar(128)\n"
     "ROW a|int\n"
     "ROW b|varchar\n"
     "DONE 2\n"
     "COLS name nvarchar(128)\n"
     "DONE 0\n"
     "DONE\n"},
    {"select name from tempdb.sys.tables\n"
     "select top 1 name from master.sys.objects",
     "COLS name nvarchar(128)\n"
     "DONE 0\n"
     "MSG 40515 16 1 line 2: Reference to database and/or server name in 'master.sys.objects' "
     "is not supported in this version of SQL Server.\n"
     "DONE error\n"},
    {"create table bt (id int)\n"
     "create table bt2 (id int)",
     "DONE\n"
     "DONE\n"},
    {"create or alter view e1 as select 1 a",
     "MSG 2010 16 1 line 1: Cannot perform alter on 'e1' because it is an incompatible object "
     "type.\n"
     "DONE error\n"},
    {"create or alter function fx() returns int as begin return 1 end",
     "DONE\n"},
    {"create or alter function fx() returns table as return select 1 a",
     "MSG 2010 16 1 line 1: Cannot perform alter on 'fx' because it is an incompatible object "
     "type.\n"
     "DONE error\n"},
    {"create or alter trigger tr on bt after insert as select 1",
     "DONE\n"},
    {"create or alter trigger tr on bt2 after insert as select 1",
     "MSG 2110 15 1 line 1: Cannot alter trigger 'tr' on 'bt2' because this trigger does not "
     "belong to this object.\n"
     "DONE error\n"},
    {"create view vq as select 1 a",
     "DONE\n"},
    {"/* alter it */ aLter  view vq as select 2 a -- ALTER",
     "DONE\n"},
    {"select object_definition(object_id('vq')) select * from vq",
     "COLS nvarchar(max)\n"
     "ROW /* alter it */ CREATE  view vq as select 2 a -- ALTER\n"
     "DONE 1\n"
     "COLS a int\n"
     "ROW 2\n"
     "DONE 1\n"},
    {"create or alter proc pq as select 3",
     "DONE\n"},
    {"select definition from sys.sql_modules where object_id = object_id('pq')",
     "COLS definition nvarchar(max)\n"
     "ROW create or alter proc pq as select 3\n"
     "DONE 1\n"},
    {"select base64_encode(0x010203FFFE) a, base64_encode(cast('a?>~' as varbinary(10)), 1) b, "
     "cast(base64_decode('aGVsbG8=') as varchar(10)) c, cast(base64_decode(' aGVs bG8 ') as "
     "varchar(10)) d, base64_encode(0x) e, cast(base64_decode('YWI') as varchar(5)) f, "
     "base64_encode(null) g",
     "COLS a varchar(8000), b varchar(8000), c varchar(10), d varchar(10), e varchar(8000), f "
     "varchar(5), g varchar(max)\n"
     "ROW AQID//4=|YT8-fg|hello|hello||ab|NULL\n"
     "DONE 1\n"},
    {"select base64_decode('ab*=')",
     "COLS varbinary(8000)\n"
     "MSG 9803 16 1 line 1: Invalid data for type \"Base64Decode\".\n"
     "DONE error\n"},
    {"create table rt (a int)",
     "DONE\n"},
    {"create view rv as select * from rt",
     "DONE\n"},
    {"create or alter view rv2 as select a from rt where a not in (1)",
     "DONE\n"},
    {"alter table rt add b varchar(5)",
     "DONE\n"},
    {"select name from sys.columns where object_id = object_id('rv') order by column_id\n"
     "exec sp_refreshview 'dbo.rv'\n"
     "select name from sys.columns where object_id = object_id('rv') order by column_id\n"
     "select * from rv\n"
     "exec sp_refreshsqlmodule 'rv2'\n"
     "exec sp_refreshview 'nosuch'",
     "COLS name nvarchar(128)\n"
     "ROW a\n"
     "DONE 1\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS name nvarchar(128)\n"
     "ROW a\n"
     "ROW b\n"
     "DONE 2\n"
     "COLS a int, b varchar(5)\n"
     "DONE 0\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "MSG 15165 16 1 line 1 sp_refreshsqlmodule: Could not find object 'nosuch' or you do not "
     "have permission.\n"
     "DONEINPROC error\n"
     "STATUS 1\n"
     "DONEPROC\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/nested", batches, sizeof batches / sizeof batches[0]);
}
