/* bench_execute.c - what one prepared execution costs inside the engine: point SELECT, INSERT,
 * UPDATE and a TPC-B batch. The log is not synced: this is processor time. */
#include "harness.h"
#include <stdlib.h>
#include <time.h>
#include "base/banned.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* of this thread: the log's flusher has its own */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void report(const char *name, int64_t begin, int64_t count)
{
    printf("{\"bench\":\"engine/%s\",\"ns_per_op\":%lld}\n", name,
           (long long)((now_ns() - begin) / count));
}

static struct qr_arg int_arg(const char *name, int64_t value)
{
    return (struct qr_arg){
        .name = qr_str(name), .type = qr_type_of(QR_TYPE_INT), .value = qr_value_int(value)};
}

static void execute(struct client *c, int32_t handle, const struct qr_arg *args, size_t count)
{
    c->count_only = true;
    if (qr_session_execute(c->session, handle, args, count, client_sink(c)) != QR_OK ||
        strstr(qr_buf_cstr(&c->out), "MSG") != NULL)
        fail_msg("%s", qr_buf_cstr(&c->out));
}

static int32_t prepare(struct client *c, const char *sql, const char *params)
{
    int32_t handle = 0;
    enum qr_status status =
        qr_session_prepare(c->session, qr_str(sql), qr_str(params), client_sink(c), &handle);
    if (status != QR_OK || handle == 0)
        fail_msg("%s", qr_buf_cstr(&c->out));
    return handle;
}

enum { ROWS = 100000, OPS = 100000 };

static void fill(struct client *c)
{
    expect(c,
           "set nocount on\n"
           "create table accounts (id int not null primary key, branch int not null, balance int "
           "not null, filler char(84))\n"
           "create table branches (id int not null primary key, balance int not null)\n"
           "create table tellers (id int not null primary key, branch int not null, balance int "
           "not null)\n"
           "create table history (tid int, bid int, aid int, delta int, mtime datetime)\n"
           "create table log (id int not null primary key, a int, b nvarchar(40))",
           "DONE\nDONE\nDONE\nDONE\nDONE\n");
    run(c, "insert accounts select value, 1, 0, 'x' from generate_series(1, 100000)");
    run(c, "insert branches select value, 0 from generate_series(1, 10)");
    run(c, "insert tellers select value, 1, 0 from generate_series(1, 100)");
    printf("%s", qr_buf_cstr(&c->out));
}

static uint32_t seed = 1;
static int64_t pick(int64_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int64_t)(seed >> 8) % n + 1;
}

static void bench(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    fill(&c);
    int32_t point = prepare(&c, "select balance from accounts where id = @id", "@id int");
    int32_t insert =
        prepare(&c, "insert into log values (@id, @a, N'some text')", "@id int, @a int");
    int32_t update =
        prepare(&c, "update accounts set balance = balance + @d where id = @id", "@id int, @d int");
    int32_t tpcb = prepare(&c,
                           "begin tran\n"
                           "update accounts set balance = balance + @d where id = @a\n"
                           "select balance from accounts where id = @a\n"
                           "update tellers set balance = balance + @d where id = @t\n"
                           "update branches set balance = balance + @d where id = @b\n"
                           "insert history values (@t, @b, @a, @d, getdate())\n"
                           "commit",
                           "@a int, @t int, @b int, @d int");
    int64_t begin = now_ns();
    for (int i = 0; i < OPS; i++)
        execute(&c, point, (struct qr_arg[]){int_arg("@id", pick(ROWS))}, 1);
    report("point_select", begin, OPS);
    begin = now_ns();
    for (int i = 0; i < OPS; i++)
        execute(&c, insert, (struct qr_arg[]){int_arg("@id", i), int_arg("@a", i)}, 2);
    report("insert", begin, OPS);
    begin = now_ns();
    for (int i = 0; i < OPS; i++)
        execute(&c, update, (struct qr_arg[]){int_arg("@id", pick(ROWS)), int_arg("@d", 1)}, 2);
    report("update", begin, OPS);
    begin = now_ns();
    for (int i = 0; i < OPS / 4; i++)
        execute(&c, tpcb,
                (struct qr_arg[]){int_arg("@a", pick(ROWS)), int_arg("@t", pick(100)),
                                  int_arg("@b", pick(10)), int_arg("@d", 5)},
                4);
    report("tpcb", begin, OPS / 4);
    begin = now_ns();
    for (int i = 0; i < OPS / 20; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "select balance from accounts where id = %d", (int)pick(ROWS));
        run(&c, sql);
    }
    report("adhoc_select", begin, OPS / 20);
    begin = now_ns();
    for (int i = 0; i < OPS / 20; i++) {
        char sql[500];
        int a = (int)pick(ROWS), t = (int)pick(100), b = (int)pick(10);
        snprintf(sql, sizeof sql,
                 "begin tran update accounts set balance = balance + %d where id = %d select "
                 "balance from accounts where id = %d update tellers set balance = balance + %d "
                 "where id = %d update branches set balance = balance + %d where id = %d insert "
                 "history values (%d, %d, %d, %d, getdate()) commit",
                 i, a, a, i, t, i, b, t, b, a, i);
        run(&c, sql);
    }
    report("adhoc_tpcb", begin, OPS / 20);
    begin = now_ns();
    run(&c, "select * from accounts");
    report("scan_row", begin, ROWS);
    begin = now_ns();
    run(&c, "declare @i int = 0 while @i < 1000000 set @i += 1");
    report("loop", begin, 1000000);
    client_close(&c);
    fixture_close(&f);
}

enum { BULK_ROWS = 300000 };

static void bench_bulk(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_open(&f);
    client_open(&f, &c);
    run(&c, "create table b (id int not null primary key, a int, x nvarchar(40), y varchar(20), d "
            "datetime, m decimal(12,2))");
    run(&c, "insert bulk b (id int, a int, x nvarchar(40), y varchar(20), d datetime, m "
            "decimal(12,2)) with (tablock)");
    struct qr_plan_column columns[6] = {
        {.name = qr_str("id"), .type = qr_type_of(QR_TYPE_INT)},
        {.name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)},
        {.name = qr_str("x"), .type = qr_type_sized(QR_TYPE_NVARCHAR, 40)},
        {.name = qr_str("y"), .type = qr_type_sized(QR_TYPE_VARCHAR, 20)},
        {.name = qr_str("d"), .type = qr_type_of(QR_TYPE_DATETIME)},
        {.name = qr_str("m"), .type = qr_type_decimal(12, 2)}};
    const struct qr_sink *sink = client_sink(&c);
    int64_t begin = now_ns();
    assert_int_equal(qr_session_bulk_begin(c.session, columns, 6, sink), QR_OK);
    for (int i = 0; i < BULK_ROWS; i++) {
        struct qr_value row[6] = {qr_value_int(i),
                                  qr_value_int(i % 100),
                                  qr_value_text("some unicode text", 17),
                                  qr_value_text("0123456789", 10),
                                  qr_value_int(1000000000 + i),
                                  qr_value_int(12345)};
        assert_int_equal(qr_session_bulk_row(c.session, row), QR_OK);
    }
    assert_int_equal(qr_session_bulk_end(c.session, false, sink), QR_OK);
    report("bulk_row", begin, BULK_ROWS);
    begin = now_ns();
    c.count_only = true;
    run(&c, "select * from b");
    report("scan_row_6", begin, BULK_ROWS);
    assert_int_equal(c.rows, BULK_ROWS);
    begin = now_ns();
    run(&c, "select a, count(*), sum(m), max(x) from b group by a");
    report("group_row", begin, BULK_ROWS);
    client_close(&c);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bench), cmocka_unit_test(bench_bulk)};
    return cmocka_run_group_tests_name("engine/bench", tests, NULL, NULL);
}
