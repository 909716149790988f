/* test_review.c - what a review against SQL Server's documentation found: transcripts */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table z(i int primary key, a varchar(5))\n"
     "insert z values(1,'c'),(2,'a'),(3,'b')",
     "DONE\n"
     "DONE 3\n"},
    {"declare @s varchar(100)='',@n int=0,@t varchar(50)=''\n"
     "select @s=@s+a+',', @n=@n+i, @t=@t+cast(@n as varchar)+'.' from z order by a desc\n"
     "print @s print @n print @t\n"
     "set @s='' select top 2 with ties @s+=a from z order by i desc print @s\n"
     "set @s='' select @s=@s+a+cast(count(*) as varchar) from z group by a order by a"
     " desc print @s\n"
     "set @n=0 select @n+=1 from z order by i print @n",
     "DONE 3\n"
     "INFO 0: c,b,a,\n"
     "INFO 0: 6\n"
     "INFO 0: 1.4.6.\n"
     "DONE 2\n"
     "INFO 0: ba\n"
     "DONE 3\n"
     "INFO 0: c1b1a1\n"
     "DONE 3\n"
     "INFO 0: 3\n"},
    {"declare @a int, @b int, @c varchar(20)\n"
     "select @a=3, @b=@a*2, @c='x'+cast(@b as varchar) print @c\n"
     "select @a=@b, @b=@a print @b\n"
     "select @a=count(*), @b=@a+1 from z print @b",
     "DONE 1\n"
     "INFO 0: x6\n"
     "DONE 1\n"
     "INFO 0: 6\n"
     "DONE 1\n"
     "INFO 0: 4\n"},
    {"print 'nothing of the batch runs'\n"
     "if 1=0 set @nope=1",
     "MSG 137 15 2 line 2: Must declare the scalar variable \"@nope\".\n"
     "DONE error\n"},
    {"create proc pu as select @nope",
     "MSG 137 15 2 line 1: Must declare the scalar variable \"@nope\".\n"
     "DONE error\n"},
    {"exec sp_executesql N'select @p', N'@p int', 5",
     "COLS int\n"
     "ROW 5\n"
     "DONEINPROC 1\n"},
    {"create table t1(a int primary key, b varchar(5) not null default 'x', c"
     " decimal(5,2) null check (c>0), d as a*2, constraint uq unique(b))\n"
     "alter table t1 add e int not null default 5, f int",
     "DONE\n"
     "DONE\n"},
    {"alter table t1 drop column e",
     "MSG 5074 16 1 line 1: The object 'DF__t1__e__35BCFE7A' is dependent on column 'e'.\n"
     "MSG 4922 16 9 line 1: ALTER TABLE DROP COLUMN e failed because one or more objects"
     " access this column.\n"
     "DONE error\n"},
    {"alter table t1 drop column zz",
     "MSG 4924 16 1 line 1: ALTER TABLE DROP COLUMN failed because column 'zz' does not"
     " exist in table 't1'.\n"
     "DONE error\n"},
    {"alter table t1 alter column zz int",
     "MSG 4924 16 1 line 1: ALTER TABLE ALTER COLUMN failed because column 'zz' does not"
     " exist in table 't1'.\n"
     "DONE error\n"},
    {"alter table t1 drop constraint zzz",
     "MSG 3728 16 1 line 1: 'zzz' is not a constraint.\n"
     "MSG 3727 16 0 line 1: Could not drop constraint. See previous errors.\n"
     "DONE error\n"},
    {"alter table t1 alter column c int",
     "MSG 5074 16 1 line 1: The object 'CK__t1__c__35BCFE5A' is dependent on column 'c'.\n"
     "MSG 4922 16 9 line 1: ALTER TABLE ALTER COLUMN c failed because one or more objects"
     " access this column.\n"
     "DONE error\n"},
    {"alter table t1 alter column a bigint",
     "MSG 5074 16 1 line 1: The object 'PK__t1__BDADA11135BCFE3A' is dependent on column"
     " 'a'.\n"
     "MSG 4922 16 9 line 1: ALTER TABLE ALTER COLUMN a failed because one or more objects"
     " access this column.\n"
     "DONE error\n"},
    {"alter table t1 alter column b varchar(9)",
     "DONE\n"},
    {"begin try\n"
     "alter table t1 drop column b\n"
     "end try begin catch print error_message() end catch",
     "INFO 0: ALTER TABLE DROP COLUMN b failed because one or more objects access this"
     " column.\n"},
    {"create table t2(a int references nosuch(a))",
     "MSG 1767 16 0 line 1: Foreign key 'FK__t2__a__35BCFE9A' references invalid table"
     " 'nosuch'.\n"
     "MSG 1750 16 1 line 1: Could not create constraint or index. See previous errors.\n"
     "DONE error\n"},
    {"create table t2(a int primary key, b int primary key)",
     "MSG 1779 16 0 line 1: Table 't2' already has a primary key defined on it.\n"
     "MSG 1750 16 1 line 1: Could not create constraint or index. See previous errors.\n"
     "DONE error\n"},
    {"create index i1 on t1(a) include(a)",
     "MSG 1909 16 1 line 1: Cannot use duplicate column names in index. Column name 'a'"
     " listed more than once.\n"
     "DONE error\n"},
    {"insert t1(a) values(1)\n"
     "alter table t1 add constraint ck2 check(a>1)",
     "DONE 1\n"
     "MSG 547 16 0 line 2: The ALTER TABLE statement conflicted with the CHECK constraint"
     " \"ck2\". The conflict occurred in database \"testdb\", table \"dbo.t1\".\n"
     "DONE error\n"},
    {"drop view t1",
     "MSG 3705 16 1 line 1: Cannot use DROP VIEW with 't1' because 't1' is a table. Use"
     " DROP TABLE.\n"
     "DONE error\n"},
    {"select name from sys.objects where parent_object_id=object_id('t1') order by name",
     "COLS name nvarchar(128)\n"
     "ROW CK__t1__c__35BCFE5A\n"
     "ROW DF__t1__b__35BCFE4A\n"
     "ROW DF__t1__e__35BCFE7A\n"
     "ROW PK__t1__BDADA11135BCFE3A\n"
     "ROW uq\n"
     "DONE 5\n"},
    {"create view v1 as select a from t1 order by a",
     "MSG 1033 15 1 line 1: The ORDER BY clause is invalid in views, inline functions,"
     " derived tables, subqueries, and common table expressions, unless TOP, OFFSET or"
     " FOR XML is also specified.\n"
     "DONE error\n"},
    {"create view v1 as select 1 a select 2",
     "MSG 156 15 1 line 1: Incorrect syntax near the keyword 'select'.\n"
     "DONE error\n"},
    {"create function f2(@a int) returns int as begin print 1 return 1 end",
     "MSG 443 16 14 line 1: Invalid use of a side-effecting operator 'PRINT' within a"
     " function.\n"
     "DONE error\n"},
    {"create function f2(@a int) returns int as begin insert t1(a) values(5) return 1 end",
     "MSG 443 16 14 line 1: Invalid use of a side-effecting operator 'INSERT' within a"
     " function.\n"
     "DONE error\n"},
    {"create function f2(@a int) returns int as begin select 1 return 1 end",
     "MSG 444 16 2 line 1: Select statements included within a function cannot return"
     " data to a client.\n"
     "DONE error\n"},
    {"create function f2(@a int) returns int as begin if @a=1 return 2 end",
     "MSG 455 16 2 line 1: The last statement included within a function must be a return"
     " statement.\n"
     "DONE error\n"},
    {"create proc pp @a int as select @a",
     "DONE\n"},
    {"exec pp 'abc'",
     "MSG 8114 16 5 line 0 pp: Error converting data type varchar to int.\n"
     "DONE error\n"},
    {"with n(x) as (select cast('a' as varchar(5)) union all select x+'b' from n where"
     " len(x)<3) select * from n",
     "MSG 240 16 1 line 1: Types don't match between the anchor and the recursive part in"
     " column \"x\" of recursive query \"n\".\n"
     "DONE error\n"},
    {"create table hp(id int identity(5,2) constraint pk_hp primary key, v varchar(10)"
     " not null constraint uq_hp unique nonclustered, n nvarchar(20) constraint df_hp"
     " default N'x', m decimal(10,2) constraint ck_hp check (m > 0), d as id * 2)\n"
     "create table hc(a int not null constraint fk_hc references hp(id) on delete cascade)",
     "DONE\n"
     "DONE\n"},
    {"exec sp_helpconstraint 'hp'",
     "COLS Object Name nvarchar(776)\n"
     "ROW hp\n"
     "DONEINPROC\n"
     "COLS constraint_type nvarchar(146), constraint_name nvarchar(128), delete_action"
     " nvarchar(11), update_action nvarchar(11), status_enabled varchar(8),"
     " status_for_replication varchar(19), constraint_keys nvarchar(2126)\n"
     "ROW CHECK on column m|ck_hp|(n/a)|(n/a)|Enabled|Is_For_Replication|([m]>(0))\n"
     "ROW DEFAULT on column n|df_hp|(n/a)|(n/a)|(n/a)|(n/a)|(N'x')\n"
     "ROW PRIMARY KEY (clustered)|pk_hp|(n/a)|(n/a)|(n/a)|(n/a)|id\n"
     "ROW UNIQUE (non-clustered)|uq_hp|(n/a)|(n/a)|(n/a)|(n/a)|v\n"
     "DONEINPROC\n"
     "COLS Table is referenced by foreign key nvarchar(516)\n"
     "ROW testdb.dbo.hc: fk_hc\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"exec sp_helpconstraint 'hc', 'nomsg'",
     "COLS constraint_type nvarchar(146), constraint_name nvarchar(128), delete_action"
     " nvarchar(11), update_action nvarchar(11), status_enabled varchar(8),"
     " status_for_replication varchar(19), constraint_keys nvarchar(2126)\n"
     "ROW FOREIGN KEY|fk_hc|Cascade|No Action|Enabled|Is_For_Replication|a\n"
     "ROW  | | | | | |REFERENCES testdb.dbo.hp (id)\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"exec sp_helpindex 'hc'",
     "INFO 15472: The object 'hc' does not have any indexes, or you do not have"
     " permissions.\n"
     "STATUS 0\n"
     "DONEPROC\n"},
    {"exec sp_helpindex 'nosuch'",
     "MSG 15009 16 1 line 1 sp_helpindex: The object 'nosuch' does not exist in database"
     " 'testdb' or is invalid for this operation.\n"
     "DONEINPROC error\n"
     "STATUS 1\n"
     "DONEPROC\n"},
    {"create proc hpr @a int, @b nvarchar(5) = N'q' as select @a",
     "DONE\n"},
    {"create type hty from varchar(5) not null\n"
     "exec sp_help 'hty'\n"
     "exec sp_help 'nosuch'",
     "DONE\n"
     "COLS Type_name nvarchar(128), Storage_type nvarchar(128), Length smallint, Prec"
     " tinyint, Scale tinyint, Nullable varchar(3), Default_name nvarchar(4), Rule_name"
     " nvarchar(4), Collation nvarchar(128)\n"
     "ROW hty|varchar|5|0|0|no|none|none|SQL_Latin1_General_CP1_CI_AS\n"
     "DONEINPROC\n"
     "STATUS 0\n"
     "DONEPROC\n"
     "MSG 15009 16 1 line 1 sp_help: The object 'nosuch' does not exist in database"
     " 'testdb' or is invalid for this operation.\n"
     "DONEINPROC error\n"
     "STATUS 1\n"
     "DONEPROC\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/review", batches, sizeof batches / sizeof batches[0]);
}
