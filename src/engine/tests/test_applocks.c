/* test_applocks.c - application locks, extended properties as rows, UPDATE() after INSERT:
 * transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"declare @r int\n"
     "exec @r = sp_getapplock @Resource = 'a', @LockMode = 'Exclusive', @LockOwner = 'Session'\n"
     "select @r, applock_mode('public', 'a', 'Session'), applock_mode('public', 'A', "
     "'Session'), applock_test('public', 'a', 'Shared', 'Session')\n"
     "exec @r = sp_getapplock 'a', 'Shared', 'Session', 0\n"
     "exec @r = sp_releaseapplock 'a', 'Session'\n"
     "select @r, applock_mode('public', 'a', 'Session')\n"
     "exec @r = sp_releaseapplock 'a', 'Session'\n"
     "select @r, applock_mode('public', 'a', 'Session')\n"
     "exec @r = sp_releaseapplock 'a', 'Session'",
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, nvarchar(32), nvarchar(32), smallint\n"
     "ROW 0|Exclusive|NoLock|1\n"
     "DONE 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, nvarchar(32)\n"
     "ROW 0|Exclusive\n"
     "DONE 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, nvarchar(32)\n"
     "ROW 0|NoLock\n"
     "DONE 1\n"
     "MSG 1223 16 1 line 1 sp_releaseapplock: Cannot release the application lock (Database "
     "Principal: 'public', Resource: 'a') because it is not currently held.\n"
     "DONEINPROC error\n"
     "STATUS -999\n"
     "DONEPROC\n"},
    {"exec sp_getapplock 'b', 'Shared'",
     "MSG 3918 16 5 line 1 sp_getapplock: The statement or function must be executed in the "
     "context of a user transaction.\n"
     "DONEINPROC error\n"
     "STATUS -999\n"
     "DONEPROC\n"},
    {"begin tran\n"
     "declare @r int\n"
     "exec @r = sp_getapplock 'b', 'Update'\n"
     "select @r, applock_mode('public', 'b', 'Transaction')\n"
     "exec @r = sp_getapplock 'b', 'IntentExclusive'\n"
     "select applock_mode('public', 'b', 'Transaction')\n"
     "commit\n"
     "select applock_mode('public', 'b', 'Transaction')",
     "ENV BEGIN\n"
     "DONE\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS int, nvarchar(32)\n"
     "ROW 0|Update\n"
     "DONE 1\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "COLS nvarchar(32)\n"
     "ROW UpdateIntentExclusive\n"
     "DONE 1\n"
     "ENV COMMIT\n"
     "DONE\n"
     "COLS nvarchar(32)\n"
     "ROW NoLock\n"
     "DONE 1\n"},
    {"exec sp_getapplock 'b', 'Wrong', 'Session'",
     "MSG 15600 15 1 line 1 sp_getapplock: An invalid parameter or option was specified for "
     "procedure 'sys.sp_getapplock'.\n"
     "DONEINPROC error\n"
     "STATUS -999\n"
     "DONEPROC\n"},
    {"create table ep (a int, b int)\n"
     "exec sp_addextendedproperty 'MS_Description', 'tab', 'SCHEMA', 'dbo', 'TABLE', 'ep'\n"
     "exec sp_addextendedproperty 'MS_Description', 'col', 'SCHEMA', 'dbo', 'TABLE', 'ep', "
     "'COLUMN', 'b'\n"
     "SELECT 1 FROM fn_listextendedproperty(default, default, default, default, default, "
     "default, default)\n"
     "select * from fn_listextendedproperty('MS_Description', 'schema', 'dbo', 'table', 'ep', "
     "null, null)\n"
     "select objtype, objname, value from sys.fn_listextendedproperty(null, 'schema', 'dbo', "
     "'table', 'ep', 'column', default)",
     "DONE\n"
     "COLS int\n"
     "DONE 0\n"
     "COLS objtype nvarchar(128), objname nvarchar(128), name nvarchar(128), value sql_variant\n"
     "ROW TABLE|ep|MS_Description|tab\n"
     "DONE 1\n"
     "COLS objtype nvarchar(128), objname nvarchar(128), value sql_variant\n"
     "ROW COLUMN|b|col\n"
     "DONE 1\n"},
    {"create table ut (a int, b int)",
     "DONE\n"},
    {"create trigger ut_t on ut after insert, update as begin if update(b) print 'b' select "
     "columns_updated() & 3 end",
     "DONE\n"},
    {"insert ut(a) values (1)\n"
     "update ut set a = 2\n"
     "update ut set b = 2",
     "INFO 0: b\n"
     "COLS int\n"
     "ROW 3\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "INFO 0: b\n"
     "COLS int\n"
     "ROW 2\n"
     "DONEINPROC 1\n"
     "DONE 1\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/applocks", batches, sizeof batches / sizeof batches[0]);
}
