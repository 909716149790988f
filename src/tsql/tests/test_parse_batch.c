/* Goal: statements that change rows, and the batch language, in all their forms. */
#include "parse_test.h"

static void test_insert_update_delete(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"insert into t (a, b) values (1, default), (2, null)",
         "{INSERT (table t) (columns a b) (values (row 1 default) (row 2 null))}"},
        {"insert top (3) t output inserted.a into @o (x) output inserted.* select * from u",
         "{INSERT (top 3) (table t) (output inserted.a into:@o) (output inserted.*) (select * "
         "(from "
         "(table u)))}"},
        {"insert t (nowait, rowlock) values (1, 2)",
         "{INSERT (table t) (columns nowait rowlock) (values (row 1 2))}"},
        {"insert t default values", "{INSERT (table t) default-values}"},
        {"insert into t exec p 1, @b = 2", "{INSERT (table t) (exec p (arg 1) (arg @b=2))}"},
        {"insert @t (a) (select 1)", "{INSERT (table @t) (columns a) (select 1)}"},
        {"insert t with (tablock) (a) values (1)",
         "{INSERT (table t (hints TABLOCK)) (columns a) (values (row 1))}"},
        {"update t set a = 1, b += 2, @v = c = d, @w = 3, e.write('x', 0, 1) where i = 1",
         "{UPDATE (table t) (set (= a 1) (+= b 2) (= @v c d) (= @w 3) (.write e 'x' 0 1)) (where "
         "(= i "
         "1))}"},
        {"update top (1) x set a = default output deleted.a, inserted.a from t x join u on 1 = 1",
         "{UPDATE (top 1) (table x) (set (= a default)) (output deleted.a inserted.a) (from (inner "
         "(table t as:x) (table u) (= 1 1)))}"},
        {"update t set a = 1 where current of c", "{UPDATE (table t) (set (= a 1)) current-of:c}"},
        {"delete t", "{DELETE (table t)}"},
        {"delete top (5) percent from x output deleted.* from t x where a in (1)",
         "{DELETE (top 5 percent) (table x) (output deleted.*) (from (table t as:x)) (where (in a "
         "1))}"},
        {"merge into t with (holdlock) as x using (select 1 a) s on x.a = s.a "
         "when matched and x.b = 1 then update set b = 2 "
         "when not matched by target then insert (a) values (s.a) "
         "when not matched by source then delete output $action, inserted.a;",
         "{MERGE (table t (hints HOLDLOCK) as:x) (derived (select 1:a) as:s) (on (= x.a s.a)) "
         "(matched (= x.b 1) update (set (= b 2))) (not-matched insert (columns a) s.a) "
         "(not-matched-by-source delete) (output $ACTION inserted.a)}"},
        {"truncate table dbo.t", "{TRUNCATE TABLE}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_variables_and_options(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"declare @a int, @b as varchar(10) = 'x', @t table (i int primary key, s text)",
         "{DECLARE (@a int) (@b varchar(10) = 'x') (@t table:2)}"},
        {"declare @c cursor", "{DECLARE (@c cursor)}"},
        {"declare c cursor local fast_forward for select 1 for read only",
         "{DECLARE CURSOR c LOCAL FAST_FORWARD {SELECT (select 1)} read-only}"},
        {"declare c insensitive scroll cursor for select a from t for update of a",
         "{DECLARE CURSOR c INSENSITIVE SCROLL {SELECT (select a (from (table t)))} for-update (of "
         "a)}"},
        {"set @a = 1 set @a += 2 set @a ^= 3", "{ASSIGN @a = 1} {ASSIGN @a += 2} {ASSIGN @a ^= 3}"},
        {"set @c = cursor static for select 1", "{ASSIGN @c = STATIC {SELECT (select 1)}}"},
        {"set @x.modify('delete /a')", "{ASSIGN @x = (method @x .modify 'delete /a')}"},
        {"set nocount, xact_abort on", "{SET OPTION ON NOCOUNT XACT_ABORT on}"},
        {"set statistics io, time off", "{SET OPTION ON STATISTICS IO STATISTICS TIME off}"},
        {"set transaction isolation level read committed",
         "{SET OPTION ON TRANSACTION ISOLATION LEVEL word:READ COMMITTED}"},
        {"set identity_insert dbo.t on", "{SET OPTION ON IDENTITY_INSERT dbo.t on}"},
        {"set rowcount 10 set lock_timeout -1 set dateformat mdy set language N'x'",
         "{SET OPTION ON ROWCOUNT 10} {SET OPTION ON LOCK_TIMEOUT (- 1)} {SET OPTION ON DATEFORMAT "
         "word:mdy} {SET OPTION ON LANGUAGE N'x'}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_control_of_flow(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"if @a = 1 select 1; else if @a = 2 begin select 2 end else print 'x'",
         "{CONDITIONAL (= @a 1) {SELECT (select 1)} {CONDITIONAL (= @a 2) {BEGIN {SELECT (select "
         "2)}} "
         "{PRINT 'x'}}}"},
        {"while 1 = 1 begin break; continue end", "{WHILE (= 1 1) {BEGIN {BREAK} {CONTINUE}}}"},
        {"begin try select 1 end try begin catch throw; end catch",
         "{BEGIN TRY {SELECT (select 1)} (catch {THROW})}"},
        {"throw 50000, 'x', 1", "{THROW 50000 'x' 1}"},
        {"a: goto a", "{LABEL a} {GOTO a}"},
        {"raiserror ('x %d', 16, 1, @a) with nowait, log", "{RAISERROR 'x %d' 16 1 @a log nowait}"},
        {"raiserror 50001 'old'", "{RAISERROR old 50001 'old'}"},
        {"waitfor delay '00:00:01' waitfor time @t",
         "{WAITFOR delay '00:00:01'} {WAITFOR time @t}"},
        {"return", "{RETURN}"},
        {";;select 1;;", "{SELECT (select 1)}"},
        {"", ""},
        {"select 1 a: select 2", "{SELECT (select 1)} {LABEL a} {SELECT (select 2)}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_execute_in_all_its_forms(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"exec p", "{EXECUTE p}"},
        {"exec @rc = dbo.p 1, @b, @c output",
         "{EXECUTE rc:@rc dbo.p (arg 1) (arg @b) (arg @c output)}"},
        {"exec p @a = 1, @b = default, @c = @x out, @d = word",
         "{EXECUTE p (arg @a=1) (arg @b=default) (arg @c=@x output) (arg @d=word)}"},
        {"exec @p 1", "{EXECUTE var:@p (arg 1)}"},
        {"exec ('a' + @b) at srv", "{EXECUTE string:('a' + @b) at:srv}"},
        {"exec p;2 1 with recompile", "{EXECUTE p (arg 1) recompile}"},
        {"exec p with result sets ((a int))", "{EXECUTE p result sets ((a int))}"},
        {"sp_help 'x'", "{EXECUTE bare sp_help (arg 'x')}"},
        {"dbo.p -1, null select 1",
         "{EXECUTE bare dbo.p (arg (- 1)) (arg null)} {SELECT (select 1)}"},
        {"{call p(1, @a)}", "{EXECUTE p (arg 1) (arg @a)}"},
        {"execute sp_executesql N'select @a', N'@a int', @a = 1",
         "{EXECUTE sp_executesql (arg N'select @a') (arg N'@a int') (arg @a=1)}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_transactions_and_cursors(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"begin tran", "{TRANSACTION begin}"},
        {"begin transaction t with mark 'm'", "{TRANSACTION begin t mark 'm'}"},
        {"begin distributed tran", "{TRANSACTION begin distributed}"},
        {"commit; commit work; commit tran t; commit tran @t with (delayed_durability = on)",
         "{TRANSACTION commit} {TRANSACTION commit} {TRANSACTION commit t} {TRANSACTION commit @t "
         "delayed}"},
        {"rollback tran s; save tran s; rollback",
         "{TRANSACTION rollback s} {TRANSACTION save s} {TRANSACTION rollback}"},
        {"open c fetch next from c into @a, @b fetch c fetch absolute -1 from global c close @c "
         "deallocate c",
         "{CURSOR open c} {CURSOR fetch next c into:@a,@b} {CURSOR fetch next c} {CURSOR fetch "
         "absolute (- 1) global c} {CURSOR close @c} {CURSOR deallocate c}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_what_is_not_supported_is_named(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"backup database x to disk = 'f' with init\nselect 1",
         "{UNKNOWN BACKUP DATABASE} {SELECT (select 1)}"},
        {"create assembly a from 'x' with permission_set = safe", "{UNKNOWN CREATE ASSEMBLY}"},
        {"create partition function pf (int) as range left for values (1)",
         "{UNKNOWN CREATE PARTITION FUNCTION}"},
        {"create fulltext index on t(a) key index i", "{UNKNOWN CREATE FULLTEXT INDEX}"},
        {"open symmetric key k decryption by certificate c", "{UNKNOWN OPEN SYMMETRIC KEY}"},
        {"bulk insert t from 'f' with (fieldterminator = ',')", "{UNKNOWN BULK INSERT}"},
        {"readtext t.a @p 1 2", "{UNKNOWN READTEXT}"},
    };
    check_batches(cases, COUNT_OF(cases));
}

static void test_quoted_identifier_changes_what_follows(void **state)
{
    (void)state;
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    struct qr_buf out;
    const char *sql = "select \"a\" set quoted_identifier off select \"a\"";
    qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
    qr_buf_init(&out, 1000);
    assert_int_equal(qr_tsql_parse(&arena, sql, strlen(sql),
                                   &(struct qr_tsql_options){.quoted_identifier = true}, &batch,
                                   NULL),
                     QR_OK);
    ast_dump_stmts(&out, &batch->stmts);
    assert_string_equal(qr_buf_cstr(&out),
                        " {SELECT (select [a])} {SET OPTION ON QUOTED_IDENTIFIER "
                        "off} {SELECT (select 'a')}");
    assert_false(batch->quoted_identifier);
    assert_true(batch->sets_quoted_identifier);
    qr_buf_done(&out);
    qr_arena_done(&arena);
}

static void test_a_statement_knows_its_text_and_line(void **state)
{
    (void)state;
    struct qr_arena arena;
    struct qr_tsql_batch *batch;
    const char *sql =
        "  select 1 ;\n/* x */ with c as (select 1 a)\nselect * from c\n\nexec p 1, 2 ";
    static const struct {
        const char *text;
        uint32_t line;
    } want[] = {
        {"select 1", 1}, {"with c as (select 1 a)\nselect * from c", 2}, {"exec p 1, 2", 5}};
    qr_arena_init(&arena, PARSE_TEST_BYTES_MAX);
    assert_int_equal(qr_tsql_parse(&arena, sql, strlen(sql),
                                   &(struct qr_tsql_options){.quoted_identifier = true}, &batch,
                                   NULL),
                     QR_OK);
    assert_int_equal(batch->stmts.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct qr_ast_stmt *stmt = batch->stmts.items[i];
        assert_true(qr_str_eq(stmt->text, qr_str(want[i].text)));
        assert_int_equal(stmt->pos.line, want[i].line);
        assert_ptr_equal(stmt->text.p, batch->text.p + stmt->pos.offset);
    }
    qr_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_update_delete),
        cmocka_unit_test(test_variables_and_options),
        cmocka_unit_test(test_control_of_flow),
        cmocka_unit_test(test_execute_in_all_its_forms),
        cmocka_unit_test(test_transactions_and_cursors),
        cmocka_unit_test(test_what_is_not_supported_is_named),
        cmocka_unit_test(test_quoted_identifier_changes_what_follows),
        cmocka_unit_test(test_a_statement_knows_its_text_and_line),
    };
    return cmocka_run_group_tests_name("tsql/parse_batch", tests, NULL, NULL);
}
