/* Goal: every request is answered by one well-formed message, nothing shows a commit before it is
 * durable, and what cannot be read or run is said so. Method: a scripted engine underneath, a
 * channel in memory above. */
#include "session_bed.h"

static void test_login_is_answered_in_the_documented_order(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_string_equal(f.words, "ENV1 INFO5701 ENV7 ENV2 INFO5703 LOGINACK ENV4 DONE");
    assert_int_equal(f.eom, 1);
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    end(&f);
}

static void test_a_database_that_is_not_there_refuses_the_login(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct qr_tds_login7 login7 = {.version = QR_TDS_VERSION_74};
    struct qr_login login = {.login7 = &login7, .packet_bytes = 4096, .database = qr_str("nosuch")};
    struct qr_served *served = NULL;
    struct qr_tail tail;
    assert_int_equal(f.service.open(f.service.ctx, &f.c.channel, &login, &served, &tail, NULL),
                     QR_NOT_FOUND);
    assert_null(served);
    end(&f);
}

static void test_batches(void **state)
{
    (void)state;
    static const struct {
        const char *batch, *answer;
    } rows[] = {
        {"rows:2", "COL ROW ROW DONE:count=2"},
        {"rows:1 rows:0", "COL ROW DONE:more,count=1 COL DONE:count=0"},
        {"", "DONE"},
        {"done", "DONE"},
        {"count:5 batch", "DONE:count=5"},
        {"batch", "DONE"},
        {"print", "INFO0 DONE"},
        {"error:208", "ERROR208 DONE:error"},
        {"error:208 count:1", "ERROR208 DONE:more,error DONE:count=1"},
        {"count:1 print count:2", "DONE:more,count=1 INFO0 DONE:count=2"},
        {"error:208 print batch", "ERROR208 DONE:more,error INFO0 DONE"},
        {"error:208 print", "ERROR208 DONE:more,error INFO0 DONE"},
        {"inform:10", "INFO5000 DONE"},
        {"inform:9", "INFO5000/9 DONE"},
        {"begin done", "ENV8 DONE"},
        {"module rows:1 end status:0 proc", "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC"},
        {"module rows:1", "COL ROW DONEINPROC:more,count=1 DONE"},
        {"rows:1 module count:1 end status:3 proc rows:1",
         "COL ROW DONE:more,count=1 DONEINPROC:more,count=1 STATUS=3 DONEPROC:more COL ROW "
         "DONE:count=1"},
        {"print flush rows:1", "INFO0 COL ROW DONE:count=1"},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        batch(&f, rows[i].batch);
        assert_string_equal(f.words, rows[i].answer);
        assert_int_equal(f.eom, 1);
        assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    }
    end(&f);
}

static void test_calls_of_drivers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(10);
    add_text(&c, "", "rows:1");
    add_text(&c, "", "@a int");
    add_int(&c, "@a", 5, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "sql(rows:1;@a int,@a=5) "));

    c = call_name("[sys].[SP_executesql]");
    add_text(&c, "@stmt", "module count:1 end status:0 value:7 proc");
    run_call(&f, &c);
    assert_string_equal(f.words, "DONEINPROC:more,count=1 STATUS=0 VALUE2=7 DONEPROC");

    c = call_id(11); /* sp_prepare */
    add_null_output(&c, "@handle");
    add_text(&c, "", "@a int");
    add_text(&c, "", "rows:1");
    add_int(&c, "", 1, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 VALUE0=1 DONEPROC");

    c = call_id(12); /* sp_execute */
    add_int(&c, "", 1, false);
    add_int(&c, "@a", 3, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "execute(1,@a=3) "));

    c = call_id(13); /* sp_prepexec */
    add_null_output(&c, "");
    add_text(&c, "", "");
    add_text(&c, "", "module rows:1 end status:0 value:8 proc");
    run_call(&f, &c);
    assert_string_equal(f.words,
                        "COL ROW DONEINPROC:more,count=1 STATUS=0 VALUE0=2 VALUE3=8 DONEPROC");

    c = call_id(15); /* sp_unprepare */
    add_int(&c, "", 2, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 DONEPROC");
    assert_non_null(strstr(fake.log, "unprepare(2) "));

    c = call_name("dbo.p");
    add_int(&c, "@x", 1, true);
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=4 VALUE0=9 DONEPROC");
    assert_non_null(strstr(fake.log, "call(dbo.p,@x=1 out) "));
    end(&f);
}

static void test_prepexecrpc_prepares_an_exec(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(14);
    add_null_output(&c, "@h");
    add_text(&c, "", "dbo.p");
    add_int(&c, "", 1, false);
    add_int(&c, "", 2, true);
    run_call(&f, &c);
    assert_non_null(
        strstr(fake.log,
               "prepare(EXEC dbo.p @P0, @P1 OUTPUT;@P0 int,@P1 int OUTPUT) execute(1,=1,=2 out) "));
    assert_string_equal(f.words, "STATUS=0 VALUE0=1 DONEPROC");
    end(&f);
}

static void test_calls_that_fail(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(13);
    add_null_output(&c, "@handle");
    add_text(&c, "", "");
    add_text(&c, "", "bad");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR102 STATUS=-6 VALUE0=null DONEPROC:error");

    c = call_id(2); /* sp_cursoropen: one EXEC, its names forgotten */
    add_null_output(&c, "@cursor");
    add_text(&c, "@stmt", "SELECT 1");
    run_call(&f, &c);
    assert_non_null(
        strstr(fake.log, "sql(EXEC sp_cursoropen @P0 OUTPUT, @P1;@P0 int OUTPUT,@P1 nvarchar("));
    c = call_id(1); /* sp_cursor: from the fifth on they are columns */
    for (int i = 0; i < 4; i++)
        add_null_output(&c, "@a");
    add_text(&c, "@col", "x");
    run_call(&f, &c);
    assert_non_null(strstr(fake.log, "@P3 OUTPUT, @col = @P4;"));

    c = call_id(10);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR201 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(10);
    add_int(&c, "", 1, false);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR214 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(12);
    add_text(&c, "", "x");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR214 DONEINPROC:more,error STATUS=-6 DONEPROC:error");

    c = call_id(99);
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR8004 DONEINPROC:more,error STATUS=-6 DONEPROC:error");
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    batch(&f, "rows:1"); /* the connection goes on */
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

static void test_several_calls_in_one_message(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_id(10);
    add_text(&c, "", "error:208");
    add_call(&c, "rows:1");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR208 DONEINPROC:more,error STATUS=-6 DONEPROC:more,error "
                                 "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC");
    assert_int_equal(f.eom, 1);
    end(&f);
}

static void test_table_valued_parameters_become_rowsets(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct call c = call_name("p");
    static const uint8_t tvp[] = {0xF3, 0,    1, 's', 0, 1, 't', 0, 1, 0, 0, 0, 0, 0, 0,
                                  0,    0x26, 4, 0,   0, 1, 4,   7, 0, 0, 0, 1, 0, 0};
    param_head(&c, "@t", 0);
    memcpy(c.body + c.n, tvp, sizeof tvp);
    c.n += sizeof tvp;
    run_call(&f, &c);
    assert_non_null(strstr(fake.log, "call(p,@t=s.t[2]) "));
    end(&f);
}

static void test_transaction_requests(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t body[64];
    memcpy(body, headers, sizeof headers);
    memcpy(body + sizeof headers, "\x05\x00\x02\x00", 4);
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ENV8 DONE");
    memcpy(body + sizeof headers, "\x07\x00\x00\x00", 4);
    fake.durable_lsn = 100;
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ENV9 DONE");
    memcpy(body + sizeof headers, "\x00\x00\x00\x00", 4);
    request(&f, QR_TDS_PACKET_TRANSACTION, 0, body, sizeof headers + 4);
    assert_string_equal(f.words, "ERROR40510 DONE:error");
    assert_non_null(strstr(fake.log, "tran(0,,2,0) tran(1,,0,0) "));
    end(&f);
}

static void test_a_commit_is_held_until_it_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit count:1");
    assert_int_equal(f.tail.kind, QR_TAIL_HELD);
    assert_int_equal(f.c.releases, 0);
    fake_harden(99);
    assert_int_equal(f.c.releases, 0);
    fake_harden(100);
    assert_int_equal(f.c.releases, 1);
    batch(&f, "commit count:1"); /* durable already */
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    assert_int_equal(f.c.releases, 1);
    end(&f);
}

static void test_a_session_freed_while_its_tail_is_held_is_never_released(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit count:1");
    assert_int_equal(f.tail.kind, QR_TAIL_HELD);
    end(&f);
    assert_null(fake.wait);
    fake_harden(100);
    assert_int_equal(f.c.releases, 0);
}

static void test_rows_after_a_commit_wait_before_they_leave(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "commit rows:10000"); /* more than the writer keeps */
    assert_int_equal(fake.wait_calls, 1);
    assert_int_equal(f.c.durable_at_first_send, 100);
    assert_int_equal(f.eom, 1);
    end(&f);
}

static void test_attention_stops_a_request_and_is_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.c.cancel_after = 5;
    f.c.attention = true;
    batch(&f, "rows:1 wait rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1 DONE:attn");
    assert_int_equal(f.eom, 2);
    f.c.cancel_after = -1;
    f.c.attention = true; /* it came while the answer was being made */
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1 DONE:attn");
    request(&f, QR_TDS_PACKET_ATTENTION, 0, "", 0);
    assert_string_equal(f.words, "DONE:attn");
    batch(&f, "rows:0");
    assert_string_equal(f.words, "COL DONE:count=0");
    end(&f);
}

static void test_reset_is_acknowledged_before_the_answer(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t body[64];
    memcpy(body, headers, sizeof headers);
    size_t n = sizeof headers + put_text(body + sizeof headers, "rows:0");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET, body, n);
    assert_string_equal(f.words, "ENV18 COL DONE:count=0");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET_SKIP_TRAN, body, n);
    assert_string_equal(f.words, "ENV18 COL DONE:count=0");
    assert_non_null(strstr(fake.log, "reset(0) batch(rows:0) reset(1) batch(rows:0) "));
    struct call c = call_name("sp_reset_connection");
    run_call(&f, &c);
    assert_string_equal(f.words, "STATUS=0 DONEPROC");
    end(&f);
}

static void test_a_wrong_value_is_an_error_and_not_a_damaged_stream(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    batch(&f, "null");
    assert_string_equal(f.words, "COL ERROR40197 DONE:error,fatal");
    end(&f);
}

static void test_unreadable_requests(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint8_t odd[sizeof headers + 1];
    memcpy(odd, headers, sizeof headers);
    odd[sizeof headers] = 'S';
    request(&f, QR_TDS_PACKET_BATCH, 0, odd, sizeof odd);
    assert_string_equal(f.words, "ERROR4002 DONE:error");
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    request(&f, QR_TDS_PACKET_BATCH, 0, "\x01", 1);
    assert_string_equal(f.words, "ERROR4002 DONE:error");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
    begin(&f);
    request(&f, 0x42, 0, "", 0);
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
    begin(&f);
    batch(&f, "close");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
}

/* An answer without the error would tell the client that all of it was done. */
static void test_a_request_of_a_session_that_is_ended_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *batch, *words;
        enum qr_tail_kind tail;
    } rows[] = {
        {"over", "ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE},
        {"close", "ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE},  /* what it works on failed */
        {"cancel", "ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE}, /* the same */
        {"error:40552 close", "ERROR40552 DONE:error", QR_TAIL_CLOSE},
        {"begin error:40552 commit close", "ENV8 ERROR40552 DONE:more,error ENV9 DONE",
         QR_TAIL_CLOSE},
        {"count:1 close", "DONE:more,count=1 ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE},
        {"error:208 count:1 close",
         "ERROR208 DONE:more,error DONE:more,count=1 ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE},
        {"count:1 over count:2", "DONE:more,count=1 ERROR40197 DONE:error,fatal", QR_TAIL_CLOSE},
        {"count:1 late", "DONE:count=1", QR_TAIL_SEND}, /* its next request is told */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        begin(&f);
        batch(&f, rows[i].batch);
        assert_string_equal(f.words, rows[i].words);
        assert_int_equal(f.tail.kind, rows[i].tail);
        /* its locks do not wait until the client has read that */
        assert_int_equal(fake.let_go, rows[i].tail == QR_TAIL_CLOSE);
        end(&f);
    }
    struct fixture f;
    begin(&f);
    fake.is_over = true; /* before the call */
    struct call c = call_id(10);
    add_text(&c, "", "over");
    run_call(&f, &c);
    assert_string_equal(f.words, "ERROR40197 STATUS=-6 DONEPROC:error,fatal");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    end(&f);
}

static void test_ending_a_session_tells_its_connection_why(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    aborts = ended_with = 0;
    fake.is_over = true;
    fake.break_it(fake.break_ctx, false);
    assert_int_equal(ended_with, 40197);
    assert_int_equal(aborts, 0);
    fake.break_it(fake.break_ctx, true);
    assert_int_equal(aborts, 1);
    end(&f);
}

static void test_a_client_that_is_gone_ends_the_request(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.c.gone = true;
    batch(&f, "rows:100000");
    assert_int_equal(f.tail.kind, QR_TAIL_CLOSE);
    assert_int_equal(fake.let_go, 1);
    end(&f);
}

/* COLMETADATA of one int column and `rows` rows. */
static size_t bulk_stream(uint8_t *dst, int rows)
{
    static const uint8_t head[] = {0x81, 1, 0, 0, 0, 0, 0, 8, 0, 0x38, 1, 'i', 0};
    memcpy(dst, head, sizeof head);
    size_t n = sizeof head;
    for (int i = 0; i < rows; i++, n += 5) {
        dst[n] = 0xD1;
        qr_put32le(dst + n + 1, (uint32_t)i);
    }
    memset(dst + n, 0, 13);
    dst[n] = 0xFD;
    return n + 13;
}

static void test_bulk_loads_stream(void **state)
{
    (void)state;
    static uint8_t stream[16384];
    struct fixture f;
    begin(&f);
    f.c.stream = stream;
    f.c.stream_step = 100;
    f.c.stream_bytes = bulk_stream(stream, 1000);
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "DONE:count=1000");
    assert_non_null(strstr(fake.log, "bulk(1,i) bulk_end(0,1000) "));

    fake.fail_row = true; /* the rest is read and dropped */
    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 1000);
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "ERROR2627 DONE:error");
    assert_int_equal(f.c.stream_bytes, 0);
    fake.fail_row = false;

    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 1000) - 15; /* cut inside the last row */
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "ERROR4804 DONE:error");

    f.c.stream = stream;
    f.c.stream_bytes = bulk_stream(stream, 10);
    f.c.stream_ignored = true;
    request(&f, QR_TDS_PACKET_BULK, 0, "", 0);
    assert_string_equal(f.words, "DONE:error");
    assert_non_null(strstr(fake.log, "bulk_end(1,10) "));
    end(&f);
}

static void test_a_database_is_asked_for_its_own_users(void **state)
{
    (void)state;
    static const struct {
        const char *database, *user;
        enum qr_status want;
    } rows[] = {
        {"db1", "own", QR_OK}, {"db1", "me", QR_NOT_FOUND}, {"nosuch", "own", QR_NOT_FOUND}};
    struct qr_service service;
    qr_session_service_init(&service, &host);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char hash[QR_SERVICE_HASH_BYTES] = "";
        struct qr_login login = {.user = qr_str(rows[i].user),
                                 .database = qr_str(rows[i].database)};
        assert_int_equal(service.user_hash(service.ctx, &login, hash, NULL), rows[i].want);
        assert_string_equal(hash, rows[i].want == QR_OK ? "$hash" : "");
        assert_int_equal(entered, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login_is_answered_in_the_documented_order),
        cmocka_unit_test(test_a_database_that_is_not_there_refuses_the_login),
        cmocka_unit_test(test_a_database_is_asked_for_its_own_users),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_calls_of_drivers),
        cmocka_unit_test(test_prepexecrpc_prepares_an_exec),
        cmocka_unit_test(test_calls_that_fail),
        cmocka_unit_test(test_several_calls_in_one_message),
        cmocka_unit_test(test_table_valued_parameters_become_rowsets),
        cmocka_unit_test(test_transaction_requests),
        cmocka_unit_test(test_a_commit_is_held_until_it_is_durable),
        cmocka_unit_test(test_a_session_freed_while_its_tail_is_held_is_never_released),
        cmocka_unit_test(test_rows_after_a_commit_wait_before_they_leave),
        cmocka_unit_test(test_attention_stops_a_request_and_is_acknowledged),
        cmocka_unit_test(test_reset_is_acknowledged_before_the_answer),
        cmocka_unit_test(test_a_wrong_value_is_an_error_and_not_a_damaged_stream),
        cmocka_unit_test(test_unreadable_requests),
        cmocka_unit_test(test_a_request_of_a_session_that_is_ended_says_so),
        cmocka_unit_test(test_ending_a_session_tells_its_connection_why),
        cmocka_unit_test(test_a_client_that_is_gone_ends_the_request),
        cmocka_unit_test(test_bulk_loads_stream),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
