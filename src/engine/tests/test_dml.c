/* test_dml.c - constraints, cascades, triggers, OUTPUT, modules, transactions: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table parent (id int not null primary key, code varchar(10) null unique)\n"
     "create table child (id int identity primary key, pid int null references parent(id)"
     " on delete cascade on update cascade, v int check (v > 0))\n"
     "insert parent values (1,'a'),(2,'b'),(3,null)\n"
     "insert child (pid, v) values (1, 10), (1, 20), (2, 30)",
     "DONE\n"
     "DONE\n"
     "DONE 3\n"
     "DONE 3\n"},
    {"insert child (pid, v) values (9, 1)",
     "MSG 547 16 0 line 1: The INSERT statement conflicted with the FOREIGN KEY"
     " constraint \"FK__child__pid__35BCFE5A\". The conflict occurred in database"
     " \"testdb\", table \"dbo.parent\", column 'id'.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert child (pid, v) values (1, -1)",
     "MSG 547 16 0 line 1: The INSERT statement conflicted with the CHECK constraint"
     " \"CK__child__v__35BCFE6A\". The conflict occurred in database \"testdb\","
     " table \"dbo.child\", column 'v'.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert parent values (4, null)",
     "MSG 2627 14 1 line 1: Violation of UNIQUE KEY constraint"
     " 'UQ__parent__9708AE8A35BCFE2A'. Cannot insert duplicate key in object"
     " 'dbo.parent'. The duplicate key value is (<NULL>).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"delete parent where id = 1\n"
     "select * from child",
     "DONE 1\n"
     "COLS id int, pid int, v int\n"
     "ROW 3|2|30\n"
     "DONE 1\n"},
    {"update parent set id = 22 where id = 2\n"
     "select * from child",
     "DONE 1\n"
     "COLS id int, pid int, v int\n"
     "ROW 3|22|30\n"
     "DONE 1\n"},
    {"update parent set id = id + 1\n"
     "select * from parent\n"
     "select * from child",
     "DONE 2\n"
     "COLS id int, code varchar(10)\n"
     "ROW 4|NULL\n"
     "ROW 23|b\n"
     "DONE 2\n"
     "COLS id int, pid int, v int\n"
     "ROW 3|23|30\n"
     "DONE 1\n"},
    {"merge parent as t using (values (3, 'zz'), (50, 'new')) as s(id, code) on t.id ="
     " s.id\n"
     "when matched then update set code = s.code\n"
     "when not matched then insert (id, code) values (s.id, s.code)\n"
     "output $action, inserted.id, deleted.code;\n"
     "select * from parent",
     "COLS $action nvarchar(10), id int, code varchar(10)\n"
     "ROW INSERT|3|NULL\n"
     "ROW INSERT|50|NULL\n"
     "DONE 2\n"
     "COLS id int, code varchar(10)\n"
     "ROW 3|zz\n"
     "ROW 4|NULL\n"
     "ROW 23|b\n"
     "ROW 50|new\n"
     "DONE 4\n"},
    {"update parent set code = code + 'x' output inserted.code, deleted.code where id > 3",
     "COLS code varchar(10), code varchar(10)\n"
     "ROW NULL|NULL\n"
     "ROW bx|b\n"
     "ROW newx|new\n"
     "DONE 3\n"},
    {"create trigger tr on parent after insert, update as begin\n"
     " select 'trig', count(*) from inserted\n"
     " if exists (select 1 from inserted where code = 'bad') begin rollback;"
     " raiserror('no bad', 16, 1) end\n"
     "end",
     "DONE\n"},
    {"insert parent values (60, 'ok'), (61, 'ok2')",
     "COLS varchar(4), int\n"
     "ROW trig|2\n"
     "DONEINPROC 1\n"
     "DONE 2\n"},
    {"insert parent values (62, 'bad')\n"
     "select 'not reached'",
     "COLS varchar(4), int\n"
     "ROW trig|1\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "MSG 50000 16 1 line 3 tr: no bad\n"
     "DONEINPROC error\n"
     "MSG 3609 16 1 line 1: The transaction ended in the trigger. The batch has been"
     " aborted.\n"
     "DONE error\n"},
    {"select count(*) from parent",
     "COLS int\n"
     "ROW 6\n"
     "DONE 1\n"},
    {"select * into copy1 from parent where id > 10\n"
     "select * from copy1",
     "DONE 4\n"
     "COLS id int, code varchar(10)\n"
     "ROW 23|bx\n"
     "ROW 50|newx\n"
     "ROW 60|ok\n"
     "ROW 61|ok2\n"
     "DONE 4\n"},
    {"insert into copy1 exec('select id + 100, code from parent')\n"
     "select count(*) from copy1",
     "DONE 6\n"
     "COLS int\n"
     "ROW 10\n"
     "DONE 1\n"},
    {"truncate table copy1\n"
     "select count(*) from copy1",
     "DONE\n"
     "COLS int\n"
     "ROW 0\n"
     "DONE 1\n"},
    {"declare c cursor for select id from parent order by id\n"
     "open c\n"
     "declare @id int\n"
     "fetch next from c into @id\n"
     "while @@fetch_status = 0 begin print @id; fetch next from c into @id end\n"
     "close c deallocate c",
     "INFO 0: 3\n"
     "INFO 0: 4\n"
     "INFO 0: 23\n"
     "INFO 0: 50\n"
     "INFO 0: 60\n"
     "INFO 0: 61\n"},
    {"create function dbo.f(@a int) returns int as begin declare @r int; select @r ="
     " count(*) from parent where id < @a; return @r end",
     "DONE\n"},
    {"select dbo.f(50), dbo.f(100)\n"
     "select id, dbo.f(id) from parent",
     "COLS int, int\n"
     "ROW 3|6\n"
     "DONE 1\n"
     "COLS id int, int\n"
     "ROW 3|0\n"
     "ROW 4|1\n"
     "ROW 23|2\n"
     "ROW 50|3\n"
     "ROW 60|4\n"
     "ROW 61|5\n"
     "DONE 6\n"},
    {"create function dbo.tf(@n int) returns @t table (a int, b varchar(10)) as begin\n"
     " declare @i int = 0\n"
     " while @i < @n begin insert @t values (@i, 'r' + cast(@i as varchar)); set @i = @i"
     " + 1 end\n"
     " return end",
     "DONE\n"},
    {"select * from dbo.tf(3)",
     "COLS a int, b varchar(10)\n"
     "ROW 0|r0\n"
     "ROW 1|r1\n"
     "ROW 2|r2\n"
     "DONE 3\n"},
    {"begin tran\n"
     "save tran s1\n"
     "insert parent values (70,'s1')\n"
     "save tran s2\n"
     "insert parent values (71,'s2')\n"
     "rollback tran s2\n"
     "select id from parent where id >= 70\n"
     "rollback tran s1\n"
     "select id from parent where id >= 70\n"
     "commit",
     "ENV BEGIN\n"
     "DONE\n"
     "DONE\n"
     "COLS varchar(4), int\n"
     "ROW trig|1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "DONE\n"
     "COLS varchar(4), int\n"
     "ROW trig|1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "DONE\n"
     "COLS id int\n"
     "ROW 70\n"
     "DONE 1\n"
     "DONE\n"
     "COLS id int\n"
     "DONE 0\n"
     "ENV COMMIT\n"
     "DONE\n"},
    {"set xact_abort on\n"
     "begin tran\n"
     "insert parent values (80, 'x')\n"
     "insert parent values (80, 'x')\n"
     "select 'nope'",
     "ENV BEGIN\n"
     "DONE\n"
     "COLS varchar(4), int\n"
     "ROW trig|1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "MSG 2627 14 1 line 4: Violation of PRIMARY KEY constraint"
     " 'PK__parent__9708AE8A35BCFE1A'. Cannot insert duplicate key in object"
     " 'dbo.parent'. The duplicate key value is (80).\n"
     "DONE error\n"
     "ENV ROLLBACK\n"},
    {"select @@trancount\n"
     "set xact_abort off",
     "COLS int\n"
     "ROW 0\n"
     "DONE 1\n"},
    {"begin tran\n"
     "begin try\n"
     " insert parent values (81, 'x1')\n"
     " select 1/0\n"
     "end try\n"
     "begin catch\n"
     " select xact_state(), error_message()\n"
     " if @@trancount > 0 rollback\n"
     " ;throw\n"
     "end catch\n"
     "select 'after throw'",
     "ENV BEGIN\n"
     "DONE\n"
     "COLS varchar(4), int\n"
     "ROW trig|1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "COLS int\n"
     "DONE\n"
     "COLS smallint, nvarchar(4000)\n"
     "ROW 1|Divide by zero error encountered.\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"
     "MSG 8134 16 1 line 4: Divide by zero error encountered.\n"
     "DONE error\n"},
    {"raiserror('hello %d %s', 10, 1, 5, 'x')\n"
     "raiserror('hello %d %s', 16, 3, 5, 'x')\n"
     "print 'on'",
     "INFO 50000: hello 5 x\n"
     "MSG 50000 16 3 line 2: hello 5 x\n"
     "DONE error\n"
     "INFO 0: on\n"},
    {"exec nosuchproc\n"
     "print 'next'",
     "MSG 2812 16 62 line 1: Could not find stored procedure 'nosuchproc'.\n"
     "DONE error\n"
     "INFO 0: next\n"},
    {"create proc p2 as select * from missing_table; print 'in p2'",
     "DONE\n"},
    {"exec p2\n"
     "print 'after p2'",
     "MSG 208 16 1 line 1 p2: Invalid object name 'missing_table'.\n"
     "DONEINPROC error\n"
     "STATUS -6\n"
     "DONEPROC\n"
     "INFO 0: after p2\n"},
    {"exec('select syntax error here from')\n"
     "print 'after dynamic'",
     "MSG 102 15 1 line 1: Incorrect syntax near 'here'.\n"
     "DONE error\n"
     "INFO 0: after dynamic\n"},
    {"select string_agg(code, ',') within group (order by id desc) from parent\n"
     "select count(distinct code), sum(id), avg(id*1.0) from parent",
     "COLS varchar(8000)\n"
     "ROW ok2,ok,newx,bx,zz\n"
     "INFO 8153: Warning: Null value is eliminated by an aggregate or other SET"
     " operation.\n"
     "DONE 1\n"
     "COLS int, int, numeric(38,6)\n"
     "ROW 5|201|33.500000\n"
     "DONE 1\n"},
    {"with r as (select 1 as n union all select n+1 from r where n < 5) select * from r",
     "COLS n int\n"
     "ROW 1\n"
     "ROW 2\n"
     "ROW 3\n"
     "ROW 4\n"
     "ROW 5\n"
     "DONE 5\n"},
    {"select name from sys.tables order by name\n"
     "select object_id('parent') - object_id('parent'), db_name()",
     "COLS name nvarchar(128)\n"
     "ROW child\n"
     "ROW copy1\n"
     "ROW parent\n"
     "DONE 3\n"
     "COLS int, nvarchar(128)\n"
     "ROW 0|testdb\n"
     "DONE 1\n"},
    {"select top 2 p.id, x.c from parent p cross apply (select count(*) as c from child"
     " where pid = p.id) x order by p.id",
     "COLS id int, c int\n"
     "ROW 3|0\n"
     "ROW 4|0\n"
     "DONE 2\n"},
    {"create table vt (a int primary key, b int)", "DONE\n"},
    {"create view vc as select a, b x from vt where b > 10 with check option", "DONE\n"},
    {"create view vw as select a, x from vc where a < 100", "DONE\n"},
    {"insert vc values (1, 11)", "DONE 1\n"},
    {"insert vc values (2, 10)",
     "MSG 550 16 1 line 1: The attempted insert or update failed because the target view either"
     " specifies WITH CHECK OPTION or spans a view that specifies WITH CHECK OPTION and one or more"
     " rows resulting from the operation did not qualify under the CHECK OPTION constraint.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert vc values (2, null)",
     "MSG 550 16 1 line 1: The attempted insert or update failed because the target view either"
     " specifies WITH CHECK OPTION or spans a view that specifies WITH CHECK OPTION and one or more"
     " rows resulting from the operation did not qualify under the CHECK OPTION constraint.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"update vc set x = 5 where a = 1",
     "MSG 550 16 1 line 1: The attempted insert or update failed because the target view either"
     " specifies WITH CHECK OPTION or spans a view that specifies WITH CHECK OPTION and one or more"
     " rows resulting from the operation did not qualify under the CHECK OPTION constraint.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert vw values (3, 1)",
     "MSG 550 16 1 line 1: The attempted insert or update failed because the target view either"
     " specifies WITH CHECK OPTION or spans a view that specifies WITH CHECK OPTION and one or more"
     " rows resulting from the operation did not qualify under the CHECK OPTION constraint.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"insert vw values (200, 12)\nupdate vc set x = x + 1\nselect * from vt",
     "DONE 1\n"
     "DONE 2\n"
     "COLS a int, b int\n"
     "ROW 1|12\n"
     "ROW 200|13\n"
     "DONE 2\n"},
    /* many rows by one statement */
    {"create table f1 (id int not null primary key, u varchar(10) not null, v as u + '!',"
     " constraint uq_f1 unique (u))\ninsert f1 (id, u) values (1,'a'),(2,'b')",
     "DONE\nDONE 2\n"},
    {"insert f1 (id, u) values (3,'c'),(4,'B'),(5,'e')",
     "MSG 2627 14 1 line 1: Violation of UNIQUE KEY constraint 'uq_f1'. Cannot insert duplicate key"
     " in object 'dbo.f1'. The duplicate key value is (B).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"begin tran\ninsert f1 (id, u) values (6,'f')\ninsert f1 (id,u) select 10+id, u+'x' from f1"
     " union all select 6,'z'\nselect @@trancount, count(*) from f1\ncommit",
     "ENV BEGIN\nDONE\nDONE 1\n"
     "MSG 2627 14 1 line 3: Violation of PRIMARY KEY constraint 'PK__f1__BDDAA33F35BCFF1A'. Cannot"
     " insert duplicate key in object 'dbo.f1'. The duplicate key value is (6).\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\nCOLS int, int\nROW 1|3\nDONE 1\nENV COMMIT\nDONE\n"},
    {"insert f1 (id, u) select id + 100, u + 'y' from f1 where id < 3\nselect * from f1 order by id",
     "DONE 2\nCOLS id int, u varchar(10), v varchar(11)\nROW 1|a|a!\nROW 2|b|b!\nROW 6|f|f!\n"
     "ROW 101|ay|ay!\nROW 102|by|by!\nDONE 5\n"},
    {"create table f4 (id int not null, x int)\n"
     "create unique index i4 on f4(id) with (ignore_dup_key = on)\n"
     "insert f4 values (1,1),(2,2),(1,3),(3,3)\nselect * from f4",
     "DONE\nDONE\nINFO 3604: Duplicate key was ignored.\nDONE 3\nCOLS id int, x int\nROW 1|1\n"
     "ROW 2|2\nROW 3|3\nDONE 3\n"},
    /* variables row by row */
    {"create table rt(id int primary key, v int, r int null)\ninsert rt(id, v) values (1,10),(2,20),"
     "(3,30)",
     "DONE\nDONE 3\n"},
    {"declare @n int = 0, @m int, @s varchar(20) = ''\n"
     "update rt set @n = r = @n + v, @m = @n, @s += cast(id as varchar)\n"
     "select @n, @m, @s\nselect r from rt",
     "DONE 3\nCOLS int, int, varchar(20)\nROW 60|60|123\nDONE 1\n"
     "COLS r int\nROW 10\nROW 30\nROW 60\nDONE 3\n"},
    {"declare @n int = 100\nupdate rt set r = @n, @n = @n + 1 where id > 1\n"
     "update rt set @n += 1\nselect @n\nselect r from rt",
     "DONE 2\nDONE 3\nCOLS int\nROW 105\nDONE 1\nCOLS r int\nROW 10\nROW 101\nROW 102\nDONE 3\n"},
    {"declare @n int = 0\nupdate top (2) rt set @n = @n + v where v > @n\nselect @n",
     "DONE 2\nCOLS int\nROW 30\nDONE 1\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/dml", batches, sizeof batches / sizeof batches[0]);
}
