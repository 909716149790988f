/* test_answers.c - transcripts: views, triggers, calls and errors as SQL Server documents them */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table wt(id int primary key, a int, s varchar(20))\n"
     "insert wt values(1,10,'a'),(2,20,'b')",
     "DONE\n"
     "DONE 2\n"},
    {"select id, case when checksum(*) = checksum(id,a,s) then 1 end from wt\n"
     "select case when binary_checksum(*) = binary_checksum(x.id,x.a,x.s,y.id) then 1 end\n"
     "from wt x cross join (select 7 as id) y\n"
     "select checksum(*)",
     "COLS id int, int\n"
     "ROW 1|1\n"
     "ROW 2|1\n"
     "DONE 2\n"
     "COLS int\n"
     "ROW 1\n"
     "ROW 1\n"
     "DONE 2\n"
     "MSG 263 16 1 line 4: Must specify table to select from.\n"
     "DONE error\n"},
    {"create view wv as select id as k,a from wt",
     "DONE\n"},
    {"insert wv values(3,30)\n"
     "insert wv select 4,40\n"
     "select id,a from wt",
     "DONE 1\n"
     "DONE 1\n"
     "COLS id int, a int\n"
     "ROW 1|10\n"
     "ROW 2|20\n"
     "ROW 3|30\n"
     "ROW 4|40\n"
     "DONE 4\n"},
    {"create view wj as select t.id,t.a,u.id as uid, u.a as ua from wt t join wt u on t.id=u.id",
     "DONE\n"},
    {"insert wj(id,a) values(9,9)\n"
     "delete wj where id=1",
     "DONE 1\n"
     "MSG 4405 16 1 line 2: View or function 'wj' is not updatable because the"
     " modification affects multiple base tables.\n"
     "DONE error\n"},
    {"create trigger wj_i on wj instead of insert as\n"
     "insert wt select id,a,'by '+cast(uid as varchar) from inserted",
     "DONE\n"},
    {"insert wj(id,a,uid) values(5,50,7)\n"
     "insert wj select 6,60,8,9\n"
     "select * from wt where id>4",
     "DONEINPROC 1\n"
     "DONE 1\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "COLS id int, a int, s varchar(20)\n"
     "ROW 5|50|by 7\n"
     "ROW 6|60|by 8\n"
     "ROW 9|9|NULL\n"
     "DONE 3\n"},
    {"create trigger wj_ud on wj instead of update, delete as\n"
     "if update(a) print 'a is set'\n"
     "if update(ua) print 'ua is set'\n"
     "select d.id,d.a,i.a from deleted d left join inserted i on d.id=i.id order by 1",
     "DONE\n"},
    {"update wj set a=a+1 where id=2",
     "INFO 0: a is set\n"
     "COLS id int, a int, a int\n"
     "ROW 2|20|21\n"
     "DONEINPROC 1\n"
     "DONE 1\n"},
    {"update x set ua=x.a+5 from wj x join wt on wt.id=x.id where x.id<3",
     "INFO 0: ua is set\n"
     "COLS id int, a int, a int\n"
     "ROW 1|10|10\n"
     "ROW 2|20|20\n"
     "DONEINPROC 2\n"
     "DONE 2\n"},
    {"delete wj where id<3",
     "COLS id int, a int, a int\n"
     "ROW 1|10|NULL\n"
     "ROW 2|20|NULL\n"
     "DONEINPROC 2\n"
     "DONE 2\n"},
    {"delete from x from wj x where id=5",
     "COLS id int, a int, a int\n"
     "ROW 5|50|NULL\n"
     "DONEINPROC 1\n"
     "DONE 1\n"},
    {"select id,a from wt",
     "COLS id int, a int\n"
     "ROW 1|10\n"
     "ROW 2|20\n"
     "ROW 3|30\n"
     "ROW 4|40\n"
     "ROW 5|50\n"
     "ROW 6|60\n"
     "ROW 9|9\n"
     "DONE 7\n"},
    {"disable trigger wj_ud on wj\n"
     "update wj set a=100 where id=2\n"
     "select a from wt where id=2",
     "DONE\n"
     "DONE 1\n"
     "COLS a int\n"
     "ROW 100\n"
     "DONE 1\n"},
    {"create trigger wt_i on wt instead of insert as insert wt select id,a+1000,s from inserted",
     "DONE\n"},
    {"create trigger wt_u on wt instead of update as\n"
     "update wt set a=i.a*2 from inserted i where i.id=wt.id",
     "DONE\n"},
    {"insert wt values(80,1,'zz')\n"
     "insert wt(id,a) values(81,1),(82,2)\n"
     "update wt set a=4 where id=80\n"
     "select * from wt where id>=80",
     "DONEINPROC 1\n"
     "DONE 1\n"
     "DONEINPROC 2\n"
     "DONE 2\n"
     "DONEINPROC 1\n"
     "DONE 1\n"
     "COLS id int, a int, s varchar(20)\n"
     "ROW 80|8|zz\n"
     "ROW 81|1001|NULL\n"
     "ROW 82|1002|NULL\n"
     "DONE 3\n"},
    {"set ansi_warnings off\n"
     "create table #w(a varchar(2), b varbinary(1))\n"
     "insert #w values('abc',0x0102)\n"
     "insert #w(a) select 'defg'\n"
     "select a,datalength(b) from #w\n"
     "update #w set a='xyz'\n"
     "select a from #w\n"
     "set ansi_warnings on\n"
     "insert #w(a) values('abc')",
     "DONE\n"
     "DONE 1\n"
     "DONE 1\n"
     "COLS a varchar(2), int\n"
     "ROW ab|1\n"
     "ROW de|NULL\n"
     "DONE 2\n"
     "DONE 2\n"
     "COLS a varchar(2)\n"
     "ROW xy\n"
     "ROW xy\n"
     "DONE 2\n"
     "MSG 2628 16 1 line 9: String or binary data would be truncated in table"
     " 'testdb.dbo.#w', column 'a'. Truncated value: 'ab'.\n"
     "INFO 3621: The statement has been terminated.\n"
     "DONE error\n"},
    {"print 'nothing runs' select * from @nope",
     "MSG 1087 15 2 line 1: Must declare the table variable \"@nope\".\n"
     "DONE error\n"},
    {"print 'nothing runs' delete @nope",
     "MSG 1087 15 2 line 1: Must declare the table variable \"@nope\".\n"
     "DONE error\n"},
    {"print 'nothing runs' declare @o int update wt set a=1 output inserted.a into @nope",
     "MSG 1087 15 2 line 1: Must declare the table variable \"@nope\".\n"
     "DONE error\n"},
    {"select isjson('1',value),isjson('1',scalar),isjson('[]',array),isjson('[]',object)\n"
     ",isjson('{}')",
     "COLS int, int, int, int, int\n"
     "ROW 1|1|1|0|1\n"
     "DONE 1\n"},
    {"select * from sys.firewall_rules",
     "MSG 208 16 1 line 1: Invalid object name 'sys.firewall_rules'.\n"
     "DONE error\n"},
    {"create proc wp @x int=5, @y varchar(10) output as select 1",
     "DONE\n"},
    {"exec wp",
     "MSG 201 16 4 line 0 wp: Procedure or function 'wp' expects parameter '@y',"
     " which was not supplied.\n"
     "DONE error\n"},
    {"exec wp 1,2,3",
     "MSG 8144 16 2 line 0 wp: Procedure or function wp has too many arguments specified.\n"
     "DONE error\n"},
    {"exec wp @zz=1",
     "MSG 8145 16 1 line 0 wp: @zz is not a parameter for procedure wp.\n"
     "DONE error\n"},
    {"exec wp @x='abc', @y='x'",
     "MSG 8114 16 5 line 0 wp: Error converting data type varchar to int.\n"
     "DONE error\n"},
    {"begin try exec wp end try begin catch\n"
     "select error_number(), error_procedure(), error_line() end catch",
     "COLS int, nvarchar(128), int\n"
     "ROW 201|wp|0\n"
     "DONE 1\n"},
    {"set implicit_transactions on begin tran\n"
     "select @@trancount rollback set implicit_transactions off",
     "ENV BEGIN\n"
     "DONE\n"
     "COLS int\n"
     "ROW 2\n"
     "DONE 1\n"
     "ENV ROLLBACK\n"
     "DONE\n"},
    {"create table sd(id int identity primary key, a varchar(20) not null,\n"
     " c as id*2, d decimal(10,2))",
     "DONE\n"},
    {"exec sp_describe_first_result_set N'print 1 select id,a,c,d,1 as x from sd order by a, id'",
     "COLS is_hidden bit, column_ordinal int, name nvarchar(128), is_nullable bit,"
     " system_type_id int, system_type_name nvarchar(256), max_length smallint,"
     " precision tinyint, scale tinyint, collation_name nvarchar(128), user_type_id"
     " int, user_type_database nvarchar(128), user_type_schema nvarchar(128),"
     " user_type_name nvarchar(128), assembly_qualified_type_name nvarchar(4000),"
     " xml_collection_id int, xml_collection_database nvarchar(128),"
     " xml_collection_schema nvarchar(128), xml_collection_name nvarchar(128),"
     " is_xml_document bit, is_case_sensitive bit, is_fixed_length_clr_type bit,"
     " source_server nvarchar(128), source_database nvarchar(128), source_schema"
     " nvarchar(128), source_table nvarchar(128), source_column nvarchar(128),"
     " is_identity_column bit, is_part_of_unique_key bit, is_updateable bit,"
     " is_computed_column bit, is_sparse_column_set bit, ordinal_in_order_by_list"
     " smallint, order_by_list_length smallint, order_by_is_descending smallint,"
     " tds_type_id int, tds_length int, tds_collation_id int, tds_collation_sort_id"
     " tinyint\n"
     "ROW 0|1|id|0|56|int|4|10|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0|0"
     "|0|NULL|NULL|NULL|NULL|NULL|1|NULL|0|0|0|2|2|NULL|56|4|NULL|NULL\n"
     "ROW 0|2|a|0|167|varchar(20)|20|0|0|SQL_Latin1_General_CP1_CI_AS|NULL|NULL|NULL|N"
     "ULL|NULL|NULL|NULL|NULL|NULL|0|0|0|NULL|NULL|NULL|NULL|NULL|0|NULL|1|0|0|1|2|NUL"
     "L|167|20|13632521|52\n"
     "ROW 0|3|c|1|56|int|4|10|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0|0|"
     "0|NULL|NULL|NULL|NULL|NULL|0|NULL|0|0|0|NULL|NULL|NULL|38|4|NULL|NULL\n"
     "ROW 0|4|d|1|106|decimal(10,2)|9|10|2|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NUL"
     "L|NULL|0|0|0|NULL|NULL|NULL|NULL|NULL|0|NULL|1|0|0|NULL|NULL|NULL|106|9|NULL|NULL\n"
     "ROW 0|5|x|0|56|int|4|10|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0|0|"
     "0|NULL|NULL|NULL|NULL|NULL|0|NULL|0|0|0|NULL|NULL|NULL|56|4|NULL|NULL\n"
     "DONE 5\n"},
    {"exec sp_describe_first_result_set @tsql=N'select @p as q', @params=N'@p bigint'",
     "COLS is_hidden bit, column_ordinal int, name nvarchar(128), is_nullable bit,"
     " system_type_id int, system_type_name nvarchar(256), max_length smallint,"
     " precision tinyint, scale tinyint, collation_name nvarchar(128), user_type_id"
     " int, user_type_database nvarchar(128), user_type_schema nvarchar(128),"
     " user_type_name nvarchar(128), assembly_qualified_type_name nvarchar(4000),"
     " xml_collection_id int, xml_collection_database nvarchar(128),"
     " xml_collection_schema nvarchar(128), xml_collection_name nvarchar(128),"
     " is_xml_document bit, is_case_sensitive bit, is_fixed_length_clr_type bit,"
     " source_server nvarchar(128), source_database nvarchar(128), source_schema"
     " nvarchar(128), source_table nvarchar(128), source_column nvarchar(128),"
     " is_identity_column bit, is_part_of_unique_key bit, is_updateable bit,"
     " is_computed_column bit, is_sparse_column_set bit, ordinal_in_order_by_list"
     " smallint, order_by_list_length smallint, order_by_is_descending smallint,"
     " tds_type_id int, tds_length int, tds_collation_id int, tds_collation_sort_id"
     " tinyint\n"
     "ROW 0|1|q|1|127|bigint|8|19|0|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|"
     "0|0|0|NULL|NULL|NULL|NULL|NULL|0|NULL|0|0|0|NULL|NULL|NULL|38|8|NULL|NULL\n"
     "DONE 1\n"},
    {"create proc sdp as begin insert sd(a) values('q'); select a as z from sd end",
     "DONE\n"},
    {"exec sp_describe_first_result_set N'exec sdp'",
     "COLS is_hidden bit, column_ordinal int, name nvarchar(128), is_nullable bit,"
     " system_type_id int, system_type_name nvarchar(256), max_length smallint,"
     " precision tinyint, scale tinyint, collation_name nvarchar(128), user_type_id"
     " int, user_type_database nvarchar(128), user_type_schema nvarchar(128),"
     " user_type_name nvarchar(128), assembly_qualified_type_name nvarchar(4000),"
     " xml_collection_id int, xml_collection_database nvarchar(128),"
     " xml_collection_schema nvarchar(128), xml_collection_name nvarchar(128),"
     " is_xml_document bit, is_case_sensitive bit, is_fixed_length_clr_type bit,"
     " source_server nvarchar(128), source_database nvarchar(128), source_schema"
     " nvarchar(128), source_table nvarchar(128), source_column nvarchar(128),"
     " is_identity_column bit, is_part_of_unique_key bit, is_updateable bit,"
     " is_computed_column bit, is_sparse_column_set bit, ordinal_in_order_by_list"
     " smallint, order_by_list_length smallint, order_by_is_descending smallint,"
     " tds_type_id int, tds_length int, tds_collation_id int, tds_collation_sort_id"
     " tinyint\n"
     "ROW 0|1|z|0|167|varchar(20)|20|0|0|SQL_Latin1_General_CP1_CI_AS|NULL|NULL|NULL|N"
     "ULL|NULL|NULL|NULL|NULL|NULL|0|0|0|NULL|NULL|NULL|NULL|NULL|0|NULL|1|0|0|NULL|NU"
     "LL|NULL|167|20|13632521|52\n"
     "DONE 1\n"},
    {"exec sp_describe_first_result_set N'select * from nosuch'",
     "MSG 208 16 1 line 1: Invalid object name 'nosuch'.\n"
     "DONE error\n"},
    {"exec sp_describe_first_result_set N'exec nosuch'",
     "MSG 2812 16 62 line 1: Could not find stored procedure 'nosuch'.\n"
     "DONE error\n"},
    {"select count(*) from sd",
     "COLS int\n"
     "ROW 0\n"
     "DONE 1\n"},
    {"create table kc(i int primary key clustered, j int unique clustered)",
     "MSG 8112 16 0 line 1: Cannot add more than one clustered index for constraints"
     " on table 'kc'.\n"
     "DONE error\n"},
    {"create table kd(i int primary key, j int unique clustered)\n"
     "select is_primary_key, type_desc from sys.indexes\n"
     " where object_id = object_id('kd') order by 1",
     "DONE\n"
     "COLS is_primary_key bit, type_desc nvarchar(60)\n"
     "ROW 0|CLUSTERED\n"
     "ROW 1|NONCLUSTERED\n"
     "DONE 2\n"},
    {"alter table kd add k int not null default 1 constraint kd_k unique clustered",
     "MSG 1902 16 3 line 1: Cannot create more than one clustered index on table"
     " 'kd'. Drop the existing clustered index 'UQ__kd__BDDC396D35BCFEEA' before"
     " creating another.\n"
     "MSG 1750 16 1 line 1: Could not create constraint or index. See previous errors.\n"
     "DONE error\n"},
    {"create function kf(@a int) returns varchar(30) as begin return 'x' end",
     "DONE\n"},
    {"select count(*) as columns_of from sys.all_columns\n"
     " where object_id=object_id('INFORMATION_SCHEMA.ROUTINES')\n"
     "select specific_name, routine_type, data_type, character_maximum_length\n"
     " , character_octet_length\n"
     " , collation_name, numeric_precision, routine_body, is_deterministic, sql_data_access\n"
     " , is_null_call\n"
     " , schema_level_routine, max_dynamic_result_sets, is_user_defined_cast, external_name\n"
     " , module_name\n"
     " from information_schema.routines where routine_name in ('kf', 'sdp') order by 1",
     "COLS columns_of int\n"
     "ROW 50\n"
     "DONE 1\n"
     "COLS specific_name nvarchar(128), routine_type nvarchar(20), data_type"
     " nvarchar(128), character_maximum_length int, character_octet_length int,"
     " collation_name nvarchar(128), numeric_precision tinyint, routine_body"
     " nvarchar(30), is_deterministic nvarchar(10), sql_data_access nvarchar(30),"
     " is_null_call nvarchar(10), schema_level_routine nvarchar(10),"
     " max_dynamic_result_sets smallint, is_user_defined_cast nvarchar(10),"
     " external_name nvarchar(128), module_name nvarchar(128)\n"
     "ROW kf|FUNCTION|varchar|30|30|SQL_Latin1_General_CP1_CI_AS|NULL|SQL|NO|READS|NO|"
     "YES|0|NO|NULL|NULL\n"
     "ROW sdp|PROCEDURE|NULL|NULL|NULL|NULL|NULL|SQL|NO|MODIFIES|NULL|YES|-1|NO|NULL|NULL\n"
     "DONE 2\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/answers", batches, sizeof batches / sizeof batches[0]);
}
