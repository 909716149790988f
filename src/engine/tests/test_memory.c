/* test_memory.c - what the rowsets of all sessions hold in memory together: a bound, and beyond
 * half of it they go to disk. */
#include <stdlib.h>
#include <unistd.h>
#include "two.h"
#include "engine_int.h"
#include "governor/task.h"

#include "engine/rowset.h"

static const char fill[] = "declare @t table(a int, b varchar(8000))\n"
                           "insert @t select value, replicate('x', 8000)"
                           " from generate_series(1, 1000)\n"
                           "select count(*) as n from @t";
static const char counted[] = "DONE 1000\n"
                              "COLS n int\n"
                              "ROW 1000\n"
                              "DONE 1\n";

static void test_who_would_pass_the_bound_gets_701_and_what_is_freed_serves_others(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    size_t before = qr_rowset_memory_used();
    expect(&c, fill, counted);
    assert_int_equal(qr_rowset_memory_used(), before);
    qr_rowset_memory_bound(before + (1u << 19)); /* less than each may keep */
    expect(&c, fill,
           "MSG 701 17 123 line 2: There is insufficient system memory in resource pool 'default'"
           " to run this query.\n"
           "DONE error\n");
    assert_int_equal(qr_rowset_memory_used(), before);
    expect(&c, "select 1 as a", "COLS a int\nROW 1\nDONE 1\n");
    qr_rowset_memory_bound(0);
    expect(&c, fill, counted);
    client_close(&c);
    fixture_close(&f);
}

/* 20 MB in a table variable, with 16 MiB of memory for all rows. */
static const char declare_wide[] = "declare @t table(a int, b varchar(8000), c int)\n";
static const char fill_wide[] =
    "insert @t select value, replicate(char(65 + value % 26), 4000 + value % 7), value % 10 "
    "from generate_series(1, 5000)\n";

static void with_wide_rows(const char *sql, const char *want)
{
    struct fixture f;
    struct client c;
    char batch[2000];
    fixture_open(&f);
    client_open(&f, &c);
    (void)run(&c, "create table t(a int primary key, b varchar(8000), c int)");
    (void)run(&c, "create table seen(what varchar(10), n int, s bigint)");
    settle(&c);
    size_t before = qr_rowset_memory_used();
    qr_rowset_memory_bound(before + (16u << 20));
    snprintf(batch, sizeof batch, "set nocount on %s%s%s", declare_wide, fill_wide, sql);
    answers(&c, batch, want);
    assert_int_equal(qr_rowset_memory_used(), before);
    qr_rowset_memory_bound(0);
    client_close(&c);
    fixture_close(&f);
}

#define WHOLE "ROW 5000|12502500|20014997|5000\n"
#define LOOK                                                                                       \
    "select count(*), sum(a), sum(len(b)), sum(iif(b = replicate(char(65 + a % 26), "              \
    "4000 + a % 7), 1, 0)) from @t\n"

static void test_rows_beyond_the_memory_come_back_from_disk_as_they_were(void **state)
{
    (void)state;
    with_wide_rows(LOOK, WHOLE);
}

static void test_several_cursors_over_rows_on_disk_do_not_disturb_each_other(void **state)
{
    (void)state;
    with_wide_rows(
        "select count(*), sum(len(x.b) + len(y.b)) from @t x join @t y on y.a = 5001 - x.a "
        "where left(x.b, 1) = char(65 + x.a % 26) and left(y.b, 1) = char(65 + y.a % 26)",
        "ROW 5000|40029994\n");
    with_wide_rows("select count(*), min(len(v.b)), max(len(z.b)) from @t v "
                   "join @t w on w.a = v.a + 100 join @t x on x.a = v.a + 1000 "
                   "join @t y on y.a = v.a + 2000 join @t z on z.a = v.a + 4500 "
                   "where v.a <= 20 and left(v.b, 1) = char(65 + v.a % 26)",
                   "ROW 20|4000|4006\n");
}

static void
test_rows_on_disk_are_changed_deleted_and_put_back_when_the_statement_fails(void **state)
{
    (void)state;
    with_wide_rows("update @t set b = lower(b), c = -c where a % 2 = 0\n"
                   "delete @t where a % 5 = 0\n"
                   "begin try update @t set c = c / (a - 4999) where a > 10 end try\n"
                   "begin catch print error_number() end catch\n"
                   "select count(*), sum(iif(b = iif(a % 2 = 0, lower(replicate(char(65 + a % 26), "
                   "4000 + a % 7)), replicate(char(65 + a % 26), 4000 + a % 7)) "
                   "collate Latin1_General_BIN2, 1, 0)), sum(c) from @t",
                   "INFO 0: 8134\nROW 4000|4000|0\n");
}

static void test_a_cursor_finds_every_row_on_disk(void **state)
{
    (void)state;
    with_wide_rows(
        "declare @i int = 0, @a int, @b varchar(8000), @bad int = 0\n"
        "declare c cursor scroll for select a, b from @t order by a\n"
        "open c\n"
        "while @i < 300 begin\n"
        "  set @i += 1\n"
        "  declare @at int = @i * 1777 % 5000 + 1\n"
        "  fetch absolute @at from c into @a, @b\n"
        "  if @a <> @at or @b <> replicate(char(65 + @at % 26), 4000 + @at % 7) set @bad += 1\n"
        "end\n"
        "close c deallocate c select @bad, @i",
        "ROW 0|300\n");
}

static void test_staged_rows_output_and_triggers_use_the_disk(void **state)
{
    (void)state;
    with_wide_rows("exec('create trigger g on t after insert, update as\n"
                   "insert seen select ''i'', count(*), sum(len(b)) from inserted\n"
                   "insert seen select ''d'', count(*), sum(len(b)) from deleted')\n"
                   "declare @o table(a int, b varchar(8000))\n"
                   "insert t output inserted.a, inserted.b into @o select * from @t\n"
                   "update t set b = b + '!'\n"
                   "select count(*), sum(len(b)) from @o select what, n, s from seen",
                   "DONEINPROC\nROW 5000|20014997\n"
                   "ROW i|5000|20014997\nROW d|0|NULL\nROW i|5000|20019997\nROW d|5000|20014997\n");
    with_wide_rows("insert t select * from @t delete @t\n"
                   "insert @t exec('select a, b, c from t')\n" LOOK,
                   WHOLE);
}

static void test_without_room_for_the_files_the_session_ends_with_40551(void **state)
{
    struct fixture f;
    struct client c, other;
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    struct qr_store_options options = {.sync_off = true, .tmp_bytes_max = 8 << 20};
    char dir[64], path[80];
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/quire-memory-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/db", dir);
    if (qr_store_create(path, &options, &store, &err) != QR_OK)
        fail_msg("%s", err.text);
    fixture_open_on(&f, store);
    client_open(&f, &c);
    client_open(&f, &other);
    qr_rowset_memory_bound(qr_rowset_memory_used() + (4u << 20));
    char batch[2000];
    snprintf(batch, sizeof batch, "%s%s", declare_wide, fill_wide);
    assert_non_null(strstr(run(&c, batch), "MSG 40551 "));
    answers(&other, "select 1", "ROW 1\nDONE 1\n");
    client_close(&c);
    client_close(&other);
    struct qr_store_stats stats;
    qr_store_get_stats(store, &stats);
    assert_int_equal(stats.tmp_bytes, 0);
    qr_rowset_memory_bound(0);
    fixture_close(&f);
    if (qr_store_remove(qr_env_real(), path, &err) != QR_OK)
        fail_msg("%s", err.text);
    rmdir(dir);
}

/* What a variable, a sort and the rows of an ordered aggregate take is counted, too. */
static void test_long_values_and_sorted_rows_are_within_the_bound(void **state)
{
    static const char *const large[] = {
        "declare @x varchar(max) = replicate(cast('x' as varchar(max)), 30000000) select len(@x)",
        "select len(string_agg(cast(b as varchar(max)), ',') within group (order by a)) from t",
        "select len(string_agg(cast(b as varchar(max)), ',')) from t",
    };
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    (void)run(&c, "create table t(a int primary key, b varchar(8000)) "
                  "insert t select value, replicate('x', 4000) from generate_series(1, 2000)");
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        qr_rowset_memory_bound(4u << 20);
        if (strstr(run(&c, large[i]), "MSG 701 17 123 ") == NULL)
            fail_msg("%s", large[i]);
        expect(&c, "select top 2 a from t order by b, a desc",
               "COLS a int\nROW 2000\nROW 1999\nDONE 2\n");
        qr_rowset_memory_bound(0);
        assert_null(strstr(run(&c, large[i]), "MSG "));
    }
    client_close(&c);
    fixture_close(&f);
}

/* Thirty statements each had a copy of a megabyte; prepared they stay, the copies do not. */
static void test_statements_that_wait_for_their_next_run_hold_no_values(void **state)
{
    enum { STATEMENTS = 30 };
    struct fixture f;
    struct client c;
    char batch[300 + STATEMENTS * 12];
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    (void)run(&c, "create table t(a int primary key, b varchar(max)) insert t values(1, 'x')");
    settle(&c);
    qr_rowset_memory_bound(qr_rowset_memory_used() + (16u << 20));
    snprintf(batch, sizeof batch,
             "declare @n int, @x varchar(max) = replicate(cast('x' as varchar(max)), 1000000) "
             "select @n = count(*) from t where b <> @x");
    for (int i = 0; i < STATEMENTS; i++) {
        strcat(batch, " and a > 0");
        const char *said = run(&c, batch);
        if (strstr(said, "MSG ") != NULL)
            fail_msg("%d: %s", i, said);
    }
    qr_rowset_memory_bound(0);
    client_close(&c);
    fixture_close(&f);
}

/* A session that has held much for 20 seconds ends when memory is short; who holds little does not.
 * The governor's clock is half a minute slow, so that what it saw begin was long ago. */
static int64_t slow_mono_ns(struct qr_env *env)
{
    (void)env;
    return qr_env_mono_ns(qr_env_real()) - INT64_C(30) * 1000000000;
}

static void test_who_has_held_much_for_long_ends_with_40553_when_memory_is_short(void **state)
{
    static const char hold[] =
        "declare @x varchar(max) = replicate(cast('x' as varchar(max)), 12000000), @i int = 0 "
        "declare @y varchar(max) = @x, @z varchar(max) = @x print len(@z) "
        "while @i < 20000000 set @i += 1";
    struct fixture f;
    struct client c, other;
    struct qr_governor *gov = NULL;
    struct qr_gov_task task;
    struct qr_env_ops ops = {.mono_ns = slow_mono_ns};
    struct qr_env slow = {.ops = &ops};
    struct qr_gov_options governed = {.env = &slow};
    struct qr_err why;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    client_open(&f, &other);
    assert_int_equal(qr_governor_new(&governed, &gov, NULL), QR_OK);
    qr_gov_task_init(&task, qr_gov_internal_group(gov, QR_GOV_SYSTEM), NULL, NULL, false);
    c.session->login.task = &task;
    size_t before = qr_rowset_memory_used();
    qr_rowset_memory_bound(before + (200u << 20)); /* 54 are taken */
    qr_gov_enter(&task);
    assert_null(strstr(run(&other, "print 1"), "MSG"));
    (void)run(&c, hold);
    qr_gov_leave(&task);
    assert_true(qr_session_is_over(c.session, &why));
    assert_int_equal(why.number, 40553);
    assert_int_equal(qr_rowset_memory_used(), before);
    assert_false(qr_session_is_over(other.session, NULL));
    expect(&other, "select 1 as a", "COLS a int\nROW 1\nDONE 1\n");
    qr_rowset_memory_bound(0);
    c.session->login.task = NULL;
    client_close(&c);
    client_close(&other);
    qr_governor_free(gov);
    fixture_close(&f);
}

static void test_keys_of_table_variables_hold_whatever_happens_to_their_rows(void **state)
{
    static const char declare[] =
        "set nocount on declare @t table(a int primary key, b varchar(20) unique)\n"
        "insert @t select value, concat('k', value) from generate_series(1, 20000)\n";
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"select count(*) from @t", "ROW 20000\n"},
        {"begin try insert @t values(7, 'new') end try begin catch print error_number() end catch",
         "INFO 0: 2627\n"},
        /* by the collation, and with trailing blanks */
        {"begin try insert @t values(0, 'K300  ') end try begin catch print error_number() end "
         "catch",
         "INFO 0: 2627\n"},
        {"update @t set a = 20001 - a select sum(iif(b = concat('k', 20001 - a), 1, 0)) from @t "
         "begin try insert @t values(20000, 'new') end try begin catch print error_number() end "
         "catch",
         "ROW 20000\nINFO 0: 2627\n"},
        {"delete @t where a = 9 insert @t values(9, 'k9') delete @t where a > 100 "
         "insert @t select value, concat('n', value) from generate_series(101, 5000) "
         "select count(*), count(distinct b) from @t",
         "ROW 5000|5000\n"},
        /* a statement that fails puts back what it deleted */
        {"begin try update @t set a = a + 1, b = iif(a = 20000, 'k1', b) end try "
         "begin catch print error_number() end catch "
         "begin try insert @t values(20000, 'x') end try begin catch print error_number() end "
         "catch insert @t values(20001, 'x') select count(*), max(a) from @t",
         "INFO 0: 2627\nINFO 0: 2627\nROW 20001|20001\n"},
        {"insert @t values(-1, null) begin try insert @t values(-2, null) end try "
         "begin catch print error_number() end catch",
         "INFO 0: 2627\n"},
    };
    struct fixture f;
    struct client c;
    char batch[2000];
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    size_t before = qr_rowset_memory_used();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(batch, sizeof batch, "%s%s", declare, cases[i].sql);
        answers(&c, batch, cases[i].want);
    }
    assert_int_equal(qr_rowset_memory_used(), before);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_would_pass_the_bound_gets_701_and_what_is_freed_serves_others),
        cmocka_unit_test(test_rows_beyond_the_memory_come_back_from_disk_as_they_were),
        cmocka_unit_test(test_several_cursors_over_rows_on_disk_do_not_disturb_each_other),
        cmocka_unit_test(
            test_rows_on_disk_are_changed_deleted_and_put_back_when_the_statement_fails),
        cmocka_unit_test(test_a_cursor_finds_every_row_on_disk),
        cmocka_unit_test(test_staged_rows_output_and_triggers_use_the_disk),
        cmocka_unit_test(test_long_values_and_sorted_rows_are_within_the_bound),
        cmocka_unit_test(test_statements_that_wait_for_their_next_run_hold_no_values),
        cmocka_unit_test(test_who_has_held_much_for_long_ends_with_40553_when_memory_is_short),
        cmocka_unit_test(test_keys_of_table_variables_hold_whatever_happens_to_their_rows),
        cmocka_unit_test(test_without_room_for_the_files_the_session_ends_with_40551),
    };
    return cmocka_run_group_tests_name("engine/memory", tests, NULL, NULL);
}
