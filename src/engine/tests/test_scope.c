/* test_scope.c - cursors, transactions, defaults, temporary tables and their scopes: transcripts.
 */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table w (id int primary key, v int)\n"
     "insert w values (1,1),(2,2),(3,3)",
     "DONE\n"
     "DONE 3\n"},
    {"begin tran\n"
     "declare c cursor local for select id from w\n"
     "open c\n"
     "declare @i int\n"
     "fetch c into @i\n"
     "select * from w for system_time all\n"
     "select * from w\n"
     "rollback",
     "ENV BEGIN\n"
     "DONE\n"
     "MSG 13544 16 1 line 6: Temporal FOR SYSTEM_TIME clause can only be used with system-versioned tables. 'testdb.dbo.w' is not a system-versioned table.\n"
     "DONE error\n"},
    {"set implicit_transactions on\n"
     "insert w values (4,4)\n"
     "select @@trancount\n"
     "rollback\n"
     "set implicit_transactions off\n"
     "select count(*) from w",
     "DONE 1\n"
     "COLS int\n"
     "ROW 1\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"
     "COLS int\n"
     "ROW 3\n"
     "DONE 1\n"},
    {"set transaction isolation level serializable\n"
     "begin tran\n"
     "select count(*) from w\n"
     "commit\n"
     "set transaction isolation level read committed",
     "ENV BEGIN\n"
     "DONE\n"
     "COLS int\n"
     "ROW 3\n"
     "DONE 1\n"
     "ENV COMMIT\n"
     "DONE\n"},
    {"select * from w for browse",
     "COLS id int, v int\n"
     "ROW 1|1\n"
     "ROW 2|2\n"
     "ROW 3|3\n"
     "DONE 3\n"},
    {"declare @o int\n"
     "exec sp_executesql N'set @o = @i * 2', N'@i int, @o int output', @i = 21, @o = @o"
     " output\n"
     "select @o",
     "COLS int\n"
     "ROW 42\n"
     "DONE 1\n"},
    {"create proc dflt @a int = 5, @b varchar(10) = abc, @c datetime = null as select @a,"
     " @b, @c",
     "DONE\n"},
    {"exec dflt\n"
     "exec dflt default, 'x'\n"
     "exec dflt @c = '2020-01-01', @a = 1\n"
     "exec dflt 1, 2, 3, 4\n"
     "exec dflt @zz = 1",
     "COLS int, varchar(10), datetime\n"
     "ROW 5|abc|NULL\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, varchar(10), datetime\n"
     "ROW 5|x|NULL\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, varchar(10), datetime\n"
     "ROW 1|abc|Jan  1 2020 12:00AM\n"
     "DONEINPROC 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "MSG 8144 16 2 line 0 dflt: Procedure or function dflt has too many arguments specified.\n"
     "DONE error\n"
     "MSG 8145 16 1 line 0 dflt: @zz is not a parameter for procedure dflt.\n"
     "DONE error\n"},
    {"if object_id('tempdb..#q') is not null drop table #q\n"
     "create table #q (a int)\n"
     "insert #q select id from w\n"
     "exec('select count(*) from #q; create table #inner (x int); insert #inner values"
     " (1)')\n"
     "select * from #inner",
     "DONE\n"
     "DONE 3\n"
     "COLS int\n"
     "ROW 3\n"
     "DONEINPROC 1\n"
     "DONEINPROC\n"
     "DONEINPROC 1\n"
     "MSG 208 16 1 line 5: Invalid object name '#inner'.\n"
     "DONE error\n"},
    {"drop table #q",
     "DONE\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/scope", batches, sizeof batches / sizeof batches[0]);
}
