/* test_batch.c - batches through a session, down to the store, as transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"select 1 as a, 'x' b, N'yy', 1.5\n"
     "select getdate() as t where 1 = 0",
     "COLS a int, b varchar(1), nvarchar(2), numeric(2,1)\n"
     "ROW 1|x|yy|1.5\n"
     "DONE 1\n"
     "COLS t datetime\n"
     "DONE 0\n"},
    {"create table t (id int not null primary key, name nvarchar(50), amount"
     " decimal(10,2) default 5, d datetime null)",
     "DONE\n"},
    {"insert into t (id, name) values (1, N'one'), (2, N'two')\n"
     "insert t values (3, 'three', 7.25, '2020-01-02')\n"
     "select * from t",
     "DONE 2\n"
     "DONE 1\n"
     "COLS id int, name nvarchar(50), amount decimal(10,2), d datetime\n"
     "ROW 1|one|5.00|NULL\n"
     "ROW 2|two|5.00|NULL\n"
     "ROW 3|three|7.25|Jan  2 2020 12:00AM\n"
     "DONE 3\n"},
    {"update t set name = name + N'!' where id = 2\n"
     "update t set amount = amount * 2\n"
     "delete from t where id = 1\n"
     "select id, name, amount from t order by id desc",
     "DONE 1\n"
     "DONE 3\n"
     "DONE 1\n"
     "COLS id int, name nvarchar(50), amount decimal(10,2)\n"
     "ROW 3|three|14.50\n"
     "ROW 2|two!|10.00\n"
     "DONE 2\n"},
    {"insert into t(id) values (2)",
     "MSG 2627 14 1 line 1: Violation of PRIMARY KEY constraint"
     " 'PK__t__2961EBEF35BCFE1A'. Cannot insert duplicate key in object 'dbo.t'."
     " The duplicate key value is (2).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert into t(id) values (null)\n"
     "select @@error, @@rowcount",
     "MSG 515 16 2 line 1: Cannot insert the value NULL into column 'id', table"
     " 'testdb.dbo.t'; column does not allow nulls. INSERT fails.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"
     "COLS int, int\n"
     "ROW 515|0\n"
     "DONE 1\n"},
    {"declare @i int = 0, @s varchar(100) = ''\n"
     "while @i < 3 begin set @i += 1; set @s = @s + cast(@i as varchar(10)) + ','; if @i"
     " = 2 continue; print @s end\n"
     "select @i i, @s s",
     "INFO 0: 1,\n"
     "INFO 0: 1,2,3,\n"
     "COLS i int, s varchar(100)\n"
     "ROW 3|1,2,3,\n"
     "DONE 1\n"},
    {"begin try\n"
     " insert into t(id) values (2)\n"
     "end try\n"
     "begin catch\n"
     " select error_number() n, error_message() m, error_line() l, xact_state() x\n"
     "end catch",
     "COLS n int, m nvarchar(4000), l int, x smallint\n"
     "ROW 2627|Violation of PRIMARY KEY constraint 'PK__t__2961EBEF35BCFE1A'."
     " Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is"
     " (2).|2|0\n"
     "DONE 1\n"},
    {"begin tran\n"
     "insert into t(id) values (10)\n"
     "select @@trancount, count(*) from t\n"
     "rollback\n"
     "select @@trancount, count(*) from t",
     "ENV BEGIN\n"
     "DONE\n"
     "DONE 1\n"
     "COLS int, int\n"
     "ROW 1|3\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"
     "COLS int, int\n"
     "ROW 0|2\n"
     "DONE 1\n"},
    {"create procedure p @a int, @b int output as begin set @b = @a * 2; select @a as a;"
     " return 7 end",
     "DONE\n"},
    {"declare @x int, @rc int\n"
     "exec @rc = p 21, @x output\n"
     "select @x, @rc",
     "COLS a int\n"
     "ROW 21\n"
     "DONEINPROC 1\n"
     "STATUS 7\n"
     "DONEPROC\n"
     "COLS int, int\n"
     "ROW 42|7\n"
     "DONE 1\n"},
    {"create table #tmp (a int identity(1,1), b varchar(10))\n"
     "insert #tmp (b) values ('q'), ('r')\n"
     "select * from #tmp\n"
     "select scope_identity(), @@identity\n"
     "drop table #tmp",
     "DONE\n"
     "DONE 2\n"
     "COLS a int, b varchar(10)\n"
     "ROW 1|q\n"
     "ROW 2|r\n"
     "DONE 2\n"
     "COLS numeric(38,0), numeric(38,0)\n"
     "ROW 2|2\n"
     "DONE 1\n"
     "DONE\n"},
    {"select * from nosuch",
     "MSG 208 16 1 line 1: Invalid object name 'nosuch'.\n"
     "DONE error\n"},
    {"select 1/0",
     "COLS int\n"
     "MSG 8134 16 1 line 1: Divide by zero error encountered.\n"
     "DONE error\n"},
    {"declare @t table (a int primary key, b nvarchar(10))\n"
     "insert @t values (1, N'a'), (2, N'b')\n"
     "update @t set b = b + N'z' where a = 2\n"
     "delete @t where a = 1\n"
     "select * from @t\n"
     "insert @t values (2, N'dup')",
     "DONE 2\n"
     "DONE 1\n"
     "DONE 1\n"
     "COLS a int, b nvarchar(10)\n"
     "ROW 2|bz\n"
     "DONE 1\n"
     "MSG 2627 14 1 line 6: Violation of PRIMARY KEY constraint"
     " 'PK__#BCA8EF5__3BC1F4EC00000001'. Cannot insert duplicate key in object 'dbo.@t'. The"
     " duplicate key value is (2).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"exec sp_executesql N'select @p + 1 as q', N'@p int', @p = 41",
     "COLS q int\n"
     "ROW 42\n"
     "DONEINPROC 1\n"},
    {"select t.id, u.id from t join t u on u.id = t.id where t.amount > 1",
     "COLS id int, id int\n"
     "ROW 2|2\n"
     "ROW 3|3\n"
     "DONE 2\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/batch", batches, sizeof batches / sizeof batches[0]);
}
