/* test_language.c - the batch language and its objects: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"declare @s varchar(100) = ''\n"
     "select @s = @s + name + ',' from (values ('a'),('b'),('c')) v(name)\n"
     "select @s",
     "DONE 3\n"
     "COLS varchar(100)\n"
     "ROW a,b,c,\n"
     "DONE 1\n"},
    {"create table tv (id int identity primary key, rv rowversion, c as id * 2, p as (id"
     " + 1) persisted, g uniqueidentifier default newid(), d datetime default getdate())\n"
     "insert tv default values\n"
     "insert tv(d) values ('2020-01-01')\n"
     "select id, c, p, datalength(rv) from tv\n"
     "update tv set d = null where id = 1\n"
     "select count(*) from tv where rv > (select min(rv) from tv)",
     "DONE\n"
     "DONE 1\n"
     "DONE 1\n"
     "COLS id int, c int, p int, int\n"
     "ROW 1|2|2|8\n"
     "ROW 2|4|3|8\n"
     "DONE 2\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 1\n"
     "DONE 1\n"},
    {"set identity_insert tv on\n"
     "insert tv (id, d) values (100, null)\n"
     "set identity_insert tv off\n"
     "insert tv(d) values (null)\n"
     "select id from tv",
     "DONE 1\n"
     "DONE 1\n"
     "COLS id int\n"
     "ROW 1\n"
     "ROW 2\n"
     "ROW 100\n"
     "ROW 101\n"
     "DONE 4\n"},
    {"create table ti (a int, b int) \n"
     "create unique index ux on ti(a) where b is not null\n"
     "create index ix on ti(b) include (a)\n"
     "insert ti values (1, null), (1, null), (2, 5)\n"
     "insert ti values (2, 6)",
     "DONE\n"
     "DONE\n"
     "DONE\n"
     "DONE 3\n"
     "MSG 2601 14 1 line 5: Cannot insert duplicate key row in object 'dbo.ti' with"
     " unique index 'ux'. The duplicate key value is (2).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"declare @i int\n"
     "update ti set b = b + 1, @i = a where a = 2\n"
     "select @i",
     "DONE 1\n"
     "COLS int\n"
     "ROW 2\n"
     "DONE 1\n"},
    {"set rowcount 1\n"
     "select * from ti\n"
     "delete ti\n"
     "set rowcount 0\n"
     "select count(*) from ti",
     "COLS a int, b int\n"
     "ROW 1|NULL\n"
     "DONE 1\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 2\n"
     "DONE 1\n"},
    {"begin tran t1\n"
     "begin tran t2\n"
     "commit tran t2\n"
     "select @@trancount\n"
     "rollback tran t1\n"
     "select @@trancount",
     "ENV BEGIN\n"
     "DONE\n"
     "DONE\n"
     "DONE\n"
     "COLS int\n"
     "ROW 1\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"
     "COLS int\n"
     "ROW 0\n"
     "DONE 1\n"},
    {"rollback\n"
     "commit",
     "MSG 3903 16 1 line 1: The ROLLBACK TRANSACTION request has no corresponding BEGIN"
     " TRANSACTION.\n"
     "DONE error\n"
     "MSG 3902 16 1 line 2: The COMMIT TRANSACTION request has no corresponding BEGIN"
     " TRANSACTION.\n"
     "DONE error\n"},
    {"create view vv as select a, b from ti where b is not null",
     "DONE\n"},
    {"insert vv values (50, 51)\n"
     "update vv set b = 99 where a = 50\n"
     "select * from vv\n"
     "delete from vv where a = 50\n"
     "select count(*) from ti",
     "DONE 1\n"
     "DONE 1\n"
     "COLS a int, b int\n"
     "ROW 2|6\n"
     "ROW 50|99\n"
     "DONE 2\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 2\n"
     "DONE 1\n"},
    {"create type tt as table (id int primary key, n nvarchar(10))",
     "DONE\n"},
    {"create proc ptt @t tt readonly as select count(*), max(n) from @t",
     "DONE\n"},
    {"declare @x tt\n"
     "insert @x values (1, N'q'), (2, N'w')\n"
     "exec ptt @x",
     "DONE 2\n"
     "COLS int, nvarchar(10)\n"
     "ROW 2|w\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"print 'a'\n"
     "waitfor delay '00:00:00.010'\n"
     "if exists (select 1 from ti) print 'yes' else print 'no'\n"
     "goto done\n"
     "print 'skipped'\n"
     "done:\n"
     "print 'end'",
     "INFO 0: a\n"
     "INFO 0: yes\n"
     "INFO 0: end\n"},
    {"throw 51000, 'custom', 3",
     "MSG 51000 16 3 line 1: custom\n"
     "DONE error\n"},
    {"declare @c cursor\n"
     "set @c = cursor scroll for select a from ti order by a\n"
     "open @c\n"
     "fetch last from @c\n"
     "fetch first from @c\n"
     "close @c\n"
     "deallocate @c",
     "COLS a int\n"
     "ROW 2\n"
     "DONE 1\n"
     "COLS a int\n"
     "ROW 1\n"
     "DONE 1\n"},
    {"select name, database_id from sys.databases\n"
     "select serverproperty('EngineEdition'), is_member('db_owner'), user_name(),"
     " suser_sname()",
     "COLS name nvarchar(128), database_id int\n"
     "ROW testdb|5\n"
     "DONE 1\n"
     "COLS sql_variant, int, nvarchar(128), nvarchar(128)\n"
     "ROW 5|1|dbo|tester\n"
     "DONE 1\n"},
    {"set language Deutsch\n"
     "select @@language\n"
     "set language us_english\n"
     "set dateformat dmy\n"
     "select cast('02/03/2020' as datetime)\n"
     "set dateformat mdy",
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to Deutsch.\n"
     "COLS nvarchar(128)\n"
     "ROW Deutsch\n"
     "DONE 1\n"
     "ENV LANGUAGE\n"
     "INFO 5703: Changed language setting to us_english.\n"
     "COLS datetime\n"
     "ROW Mar  2 2020 12:00AM\n"
     "DONE 1\n"},
    {"alter table ti add constraint ck check (a > 0)\n"
     "insert ti values (-1, 0)\n"
     "alter table ti nocheck constraint ck\n"
     "insert ti values (-1, 0)\n"
     "alter table ti check constraint ck\n"
     "select count(*) from ti",
     "DONE\n"
     "MSG 547 16 0 line 2: The INSERT statement conflicted with the CHECK constraint"
     " \"ck\". The conflict occurred in database \"testdb\", table \"dbo.ti\".\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"
     "DONE\n"
     "DONE 1\n"
     "DONE\n"
     "COLS int\n"
     "ROW 3\n"
     "DONE 1\n"},
    {"print 'help'",
     "INFO 0: help\n"},
    {"exec sp_columns 'ti'",
     "COLS TABLE_QUALIFIER nvarchar(128), TABLE_OWNER nvarchar(128), TABLE_NAME"
     " nvarchar(128), COLUMN_NAME nvarchar(128), DATA_TYPE smallint, TYPE_NAME"
     " nvarchar(128), PRECISION int, LENGTH int, SCALE smallint, RADIX smallint, NULLABLE"
     " smallint, REMARKS varchar(254), COLUMN_DEF nvarchar(4000), SQL_DATA_TYPE smallint,"
     " SQL_DATETIME_SUB smallint, CHAR_OCTET_LENGTH int, ORDINAL_POSITION int,"
     " IS_NULLABLE varchar(254), SS_DATA_TYPE tinyint\n"
     "ROW testdb|dbo|ti|a|4|int|10|4|0|10|1|NULL|NULL|4|NULL|NULL|1|YES|38\n"
     "ROW testdb|dbo|ti|b|4|int|10|4|0|10|1|NULL|NULL|4|NULL|NULL|2|YES|38\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"create sequence sq start with 5 increment by 2\n"
     "select next value for sq select next value for sq",
     "DONE\n"
     "COLS bigint\n"
     "ROW 5\n"
     "DONE 1\n"
     "COLS bigint\n"
     "ROW 7\n"
     "DONE 1\n"},
    {"insert into ti output inserted.a into @nosuch values (1,2)",
     "MSG 1087 15 2 line 1: Must declare the table variable \"@nosuch\".\n"
     "DONE error\n"},
    {"select a from ti order by a offset 1 rows fetch next 1 rows only",
     "COLS a int\n"
     "ROW 1\n"
     "DONE 1\n"},
    {"with c as (select a, b, row_number() over (order by a) rn from ti) delete from c"
     " where rn = 1\n"
     "select count(*) from ti",
     "DONE 1\n"
     "COLS int\n"
     "ROW 2\n"
     "DONE 1\n"},
    {"update t set b = s.x from ti t join (values (1, 77)) s(k, x) on t.a = s.k\n"
     "select * from ti",
     "DONE 1\n"
     "COLS a int, b int\n"
     "ROW 1|77\n"
     "ROW 2|6\n"
     "DONE 2\n"},
    {"create proc rec @n int as if @n > 0 begin set @n = @n - 1 exec rec @n end",
     "DONE\n"},
    {"exec rec 40\n"
     "print 'x'",
     "MSG 217 16 1 line 1 rec: Maximum stored procedure, function, trigger, or view"
     " nesting level exceeded (limit 32).\n"
     "DONEINPROC error\n"},
    {"create function fn(@a int) returns table as return (select @a + 1 as r)",
     "DONE\n"},
    {"select * from fn(5)",
     "COLS r int\n"
     "ROW 6\n"
     "DONE 1\n"},
    {"select cast(1 as sql_variant), cast(N'x' as sql_variant)",
     "COLS sql_variant, sql_variant\n"
     "ROW 1|x\n"
     "DONE 1\n"},
    {"begin try\n"
     "  exec('select * from nosuch')\n"
     "end try\n"
     "begin catch\n"
     "  print error_message() + ' ' + isnull(error_procedure(), 'null') + ' ' +"
     " cast(error_line() as varchar(5))\n"
     "end catch",
     "INFO 0: Invalid object name 'nosuch'. null 1\n"},
    {"declare @s varchar(100) = '', @n int = 0\n"
     "select @s = @s + name + ',', @n += k from (values ('a',1),('b',2),('c',3))"
     " v(name,k)\n"
     "select @s, @n\n"
     "select @s = name from (values ('a'),('b')) v(name) where name <> @s\n"
     "select @s",
     "DONE 3\n"
     "COLS varchar(100), int\n"
     "ROW a,b,c,|6\n"
     "DONE 1\n"
     "DONE 2\n"
     "COLS varchar(100)\n"
     "ROW b\n"
     "DONE 1\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/language", batches, sizeof batches / sizeof batches[0]);
}
