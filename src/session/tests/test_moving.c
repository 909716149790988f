/* Goal: a session that is given to another process goes on there, and a transaction that it lost
 * on the way is told once. */
#include "session_bed.h"

/* The session is saved, freed, and made again as in another process. */
static void move(struct fixture *f, bool late)
{
    struct qr_buf state;
    struct qr_str database = {0};
    struct qr_tds_login7 login7 = {.version = f->version};
    qr_buf_init(&state, 4096);
    assert_int_equal(f->served->ops->save(f->served, late, &state, &database, NULL), QR_OK);
    f->served->ops->free(f->served);
    struct qr_login login = {.login7 = &login7,
                             .user = qr_str("me"),
                             .packet_bytes = 4096,
                             .database = database,
                             .is_moved = true,
                             .moved = qr_str_n((const char *)state.data, state.len)};
    assert_int_equal(
        f->service.open(f->service.ctx, &f->c.channel, &login, &f->served, &f->tail, NULL), QR_OK);
    assert_int_equal(f->tail.count, 0); /* its client expects no answer */
    assert_int_equal(f->tail.kind, QR_TAIL_SEND);
    qr_buf_done(&state);
}

static void test_a_session_that_moved_goes_on(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    move(&f, false);
    assert_non_null(strstr(fake.log, "save() "));
    assert_non_null(strstr(fake.log, "restore(state) "));
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

static void test_a_transaction_lost_on_the_way_is_told_once(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    fake.in_tran = true;
    assert_true(f.served->ops->is_busy(f.served));
    struct qr_buf none;
    struct qr_str database;
    qr_buf_init(&none, 4096);
    assert_int_equal(f.served->ops->save(f.served, false, &none, &database, NULL), QR_BUSY);
    assert_int_equal(none.len, 0);
    move(&f, true);
    assert_non_null(strstr(fake.log, "rollback() "));
    move(&f, false); /* and again, before it was told */
    batch(&f, "rows:1");
    assert_string_equal(f.words, "ENV10 ERROR40197 DONE:error");
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    end(&f);
}

/* The node waits no longer: the client reads why, once, and its transaction is over with it. */
static void test_a_request_that_is_cut_short_says_so(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    f.c.evicts = true;
    f.c.cancel_after = 3;
    batch(&f, "rows:1 wait rows:1");
    assert_string_equal(f.words, "COL ROW DONE:more,count=1 ERROR40197 DONE:error");
    assert_int_equal(f.tail.kind, QR_TAIL_SEND);
    f.c.cancel_after = 3;
    fake.in_tran = true;
    batch(&f, "rows:1 wait rows:1");
    assert_string_equal(f.words, "COL ROW DONE:more,count=1 ENV10 ERROR40197 DONE:error");
    assert_false(f.served->ops->is_busy(f.served));
    f.c.cancel_after = -1;
    move(&f, true);
    batch(&f, "rows:1");
    assert_string_equal(f.words, "COL ROW DONE:count=1");
    f.c.cancel_after = 1;
    f.c.attention = true; /* the client had enough of it, too */
    batch(&f, "rows:1 wait");
    assert_string_equal(f.words, "COL ROW DONE:count=1 DONE:attn");
    end(&f);
}

/* What of a request with several calls was not run is told, in the place of the first such call. */
static void test_calls_that_are_left_out_are_no_success(void **state)
{
    struct fixture f;
    struct call c = call_id(10), both = call_id(10);
    (void)state;
    begin(&f);
    f.c.evicts = true;
    f.c.cancel_after = 1; /* behind the first */
    fake.in_tran = true;
    add_text(&c, "", "rows:1");
    add_call(&c, "count:2");
    add_call(&c, "count:3");
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC:more "
                                 "ENV10 ERROR40197 DONEINPROC:more,error STATUS=-6 DONEPROC:error");
    assert_null(strstr(fake.log, "count:2"));
    assert_false(f.served->ops->is_busy(f.served));
    f.c.cancel_after = 2; /* in the first: it is told there, once */
    add_text(&both, "", "wait");
    add_call(&both, "count:2");
    run_call(&f, &both);
    assert_string_equal(f.words, "ERROR40197 DONEINPROC:more,error STATUS=-6 DONEPROC:error");
    f.c.cancel_after = 3; /* behind the last: all were run */
    run_call(&f, &c);
    assert_non_null(strstr(fake.log, "sql(count:3;) "));
    assert_null(strstr(f.words, "ERROR"));
    f.c.cancel_after = 1;
    f.c.attention = true; /* the client's own wish */
    run_call(&f, &c);
    assert_string_equal(f.words, "COL ROW DONEINPROC:more,count=1 STATUS=0 DONEPROC DONE:attn");
    end(&f);
}

static void test_a_reset_connection_is_not_told_of_its_last_user_s_transaction(void **state)
{
    struct fixture f;
    uint8_t body[64];
    (void)state;
    begin(&f);
    fake.in_tran = true;
    move(&f, true);
    memcpy(body, headers, sizeof headers);
    size_t n = sizeof headers + put_text(body + sizeof headers, "done");
    request(&f, QR_TDS_PACKET_BATCH, QR_TDS_STATUS_RESET, body, n);
    assert_null(strstr(f.words, "40197"));
    end(&f);
}

static void test_what_cannot_be_read_is_no_session(void **state)
{
    struct fixture f;
    struct qr_err err;
    (void)state;
    begin(&f);
    struct qr_tds_login7 login7 = {.version = f.version};
    static const char *const states[] = {"", "\1", "\2\0\0\0\0\0\0\0\0\0state"};
    static const size_t lengths[] = {0, 1, 15};
    for (size_t i = 0; i < 3; i++) {
        struct qr_served *served = NULL;
        struct qr_tail tail;
        struct qr_login login = {.login7 = &login7,
                                 .packet_bytes = 4096,
                                 .is_moved = true,
                                 .moved = qr_str_n(states[i], lengths[i])};
        assert_int_equal(f.service.open(f.service.ctx, &f.c.channel, &login, &served, &tail, &err),
                         QR_UNSUPPORTED);
        assert_null(served);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_that_moved_goes_on),
        cmocka_unit_test(test_a_transaction_lost_on_the_way_is_told_once),
        cmocka_unit_test(test_a_request_that_is_cut_short_says_so),
        cmocka_unit_test(test_calls_that_are_left_out_are_no_success),
        cmocka_unit_test(test_a_reset_connection_is_not_told_of_its_last_user_s_transaction),
        cmocka_unit_test(test_what_cannot_be_read_is_no_session),
    };
    return cmocka_run_group_tests_name("session/moving", tests, NULL, NULL);
}
