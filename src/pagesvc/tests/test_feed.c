/* test_feed.c - the pull from the log service, on the simulated network and on sockets */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include <time.h>
#include "env/sim.h"
#include "logsvc/serve.h"
#include "page/record.h"
#include "pagesvc/feed.h"
#include "rpc/simnet.h"
#include "rpc/socket.h"

enum { PAGE_BYTES = 4096, START = 4096 };
static const int64_t ms = 1000000;

/* Log service and page server, with one peer between them. */
struct fixture {
    struct qr_env *env;
    struct qr_logsvc *logsvc;
    struct qr_blob *blob;
    struct qr_pagesvc *pagesvc;
    struct qr_pagefeed *feed;
    uint64_t end[3]; /* of each timeline's log */
    bool waits;
    uint64_t open_layer_bytes, frozen_bytes_max; /* 0: the defaults */
};

static struct qr_timeline timeline(int n)
{
    return (struct qr_timeline){{0x7a, (uint8_t)(n + 1)}};
}
static struct qr_slice_id slice(int n)
{
    return (struct qr_slice_id){timeline(n), 0};
}

static void open_logsvc(struct fixture *f, const char *dir, bool threads)
{
    struct qr_logsvc_options options = {.env = f->env,
                                        .dir = dir,
                                        .segment_bytes = 1 << 20,
                                        .journal_bytes_max = 1 << 26,
                                        .threads_off = !threads};
    assert_int_equal(qr_logsvc_open(&options, &f->logsvc, NULL), QR_OK);
}

static void open_pagesvc(struct fixture *f, const char *dir)
{
    struct qr_pagesvc_options options = {.env = f->env,
                                         .dir = dir,
                                         .blob = f->blob,
                                         .open_layer_bytes = f->open_layer_bytes,
                                         .threads_off = true};
    assert_int_equal(qr_pagesvc_open(&options, &f->pagesvc, NULL), QR_OK);
}

static void new_feed(struct fixture *f, struct qr_rpc_peer *peer)
{
    struct qr_pagefeed_options options = {.env = f->env,
                                          .svc = f->pagesvc,
                                          .logsvc = peer,
                                          .reader_id = 7,
                                          .wait_ns = 1000 * ms,
                                          .rest_ns = 50 * ms,
                                          .frozen_bytes_max = f->frozen_bytes_max};
    assert_int_equal(qr_pagefeed_new(&options, &f->feed, NULL), QR_OK);
}

static _Atomic int changes_done;
static void change_done(struct qr_logsvc_change *change)
{
    assert_int_equal(change->status, QR_OK);
    changes_done++;
}
static _Atomic int appends_done;
static void append_done(struct qr_logsvc_append *append)
{
    assert_int_equal(append->status, QR_OK);
    appends_done++;
}

static void until(struct fixture *f, const _Atomic int *count, int wanted)
{
    while (f->waits && *count < wanted)
        nanosleep(&(struct timespec){.tv_nsec = ms}, NULL);
    if (!f->waits)
        assert_int_equal(qr_logsvc_flush(f->logsvc, NULL), QR_OK);
    assert_int_equal(*count, wanted);
}

static void change(struct fixture *f, struct qr_logsvc_change c)
{
    c.done = change_done;
    int wanted = changes_done + 1;
    qr_logsvc_change(f->logsvc, &c);
    until(f, &changes_done, wanted);
}

static void append(struct fixture *f, int n, const struct qr_buf *buf, bool first, bool commits)
{
    struct qr_logsvc_append a = {.timeline = timeline(n),
                                 .epoch = 1,
                                 .first_lsn = f->end[n],
                                 .bytes = buf->data,
                                 .byte_count = (uint32_t)buf->len,
                                 .new_epoch = first,
                                 .commit_lsn = commits ? f->end[n] + buf->len : 0,
                                 .done = append_done};
    int wanted = appends_done + 1;
    qr_logsvc_append(f->logsvc, &a);
    until(f, &appends_done, wanted);
    f->end[n] += buf->len;
}

/* A timeline with its epoch begun, and its slice. */
static void make(struct fixture *f, int n)
{
    struct qr_timeline t = timeline(n);
    change(f,
           (struct qr_logsvc_change){.kind = QR_LOGSVC_CREATE, .timeline = t, .start_lsn = START});
    change(f, (struct qr_logsvc_change){
                  .kind = QR_LOGSVC_FENCE, .timeline = t, .epoch = 1, .holder = 9, .force = true});
    f->end[n] = START;
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 10);
    qr_record_add_epoch(&buf, 1, START, 0);
    append(f, n, &buf, true, false);
    qr_buf_done(&buf);
    struct qr_slice_id id = slice(n);
    assert_int_equal(qr_pagesvc_create(f->pagesvc, &id, PAGE_BYTES, qr_lsn(START), NULL), QR_OK);
}

static void commit(struct fixture *f, int n, uint8_t byte)
{
    uint8_t page[PAGE_BYTES];
    memset(page, byte, sizeof page);
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    qr_record_add_page(&buf, 1, NULL, page, PAGE_BYTES);
    qr_record_add_commit(&buf, 1, 1, 1, 1);
    append(f, n, &buf, false, true);
    qr_buf_done(&buf);
}

static void got(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)get;
    (void)err;
    assert_int_equal(status, QR_OK);
}
static void assert_page(struct fixture *f, int n, uint8_t byte)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    struct qr_page_get get = {.id = slice(n),
                              .page_no = 1,
                              .lsn = qr_lsn(f->end[n]),
                              .not_modified_since = qr_lsn(f->end[n]),
                              .dst = &buf,
                              .done = got};
    qr_pagesvc_get(f->pagesvc, &get);
    assert_int_equal(buf.len, PAGE_BYTES);
    assert_int_equal(buf.data[100], byte);
    qr_buf_done(&buf);
}
static uint64_t visible(struct fixture *f, int n)
{
    struct qr_slice_id id = slice(n);
    struct qr_slice_cursor cursor;
    return qr_pagesvc_cursor(f->pagesvc, &id, &cursor) ? cursor.visible.v : 0;
}

/* --- on the simulated network --- */

struct simulated {
    struct fixture f; /* first */
    struct qr_sim *sim;
    struct qr_simnet *net;
    struct qr_simnet_node *log_node, *page_node;
};

static void begin_with(struct simulated *s, uint64_t open_layer_bytes, uint64_t frozen_bytes_max)
{
    *s = (struct simulated){
        .f = {.open_layer_bytes = open_layer_bytes, .frozen_bytes_max = frozen_bytes_max},
        .sim = qr_sim_new(&(struct qr_sim_options){.seed = 3})};
    s->net = qr_simnet_new(&(struct qr_simnet_options){.seed = 4, .sim = s->sim});
    s->f.env = qr_sim_env(s->sim);
    s->log_node = qr_simnet_node(s->net, "log");
    s->page_node = qr_simnet_node(s->net, "page");
    assert_int_equal(qr_blob_open(s->f.env, NULL, "file:///blob", "", &s->f.blob, NULL), QR_OK);
    open_logsvc(&s->f, "/log", false);
    open_pagesvc(&s->f, "/page");
    qr_simnet_serve(s->log_node, 0, qr_logsvc_serve, s->f.logsvc);
    new_feed(&s->f, qr_simnet_peer(s->net, s->page_node, s->log_node, 0));
}

static void begin(struct simulated *s)
{
    begin_with(s, 0, 0);
}

static void end(struct simulated *s)
{
    qr_pagefeed_free(s->f.feed);
    qr_pagesvc_close(s->f.pagesvc);
    qr_logsvc_abandon(s->f.logsvc);
    qr_blob_close(s->f.blob);
    qr_simnet_free(s->net);
    qr_sim_free(s->sim);
}

static void run_for(struct simulated *s, int64_t ns)
{
    for (int64_t at = 0; at < ns; at += 20 * ms) {
        qr_simnet_run(s->net, 20 * ms);
        if (s->f.logsvc != NULL)
            qr_logsvc_tick(s->f.logsvc);
        qr_pagefeed_tick(s->f.feed);
    }
}

static void test_log_comes_by_itself_and_a_new_slice_joins(void **state)
{
    (void)state;
    struct simulated s;
    begin(&s);
    make(&s.f, 0);
    commit(&s.f, 0, 'a');
    run_for(&s, 40 * ms); /* the first tick starts it */
    assert_int_equal(visible(&s.f, 0), s.f.end[0]);
    assert_page(&s.f, 0, 'a');
    commit(&s.f, 0, 'b');
    make(&s.f, 1);
    commit(&s.f, 1, 'c');
    qr_pagefeed_poke(s.f.feed);
    qr_simnet_run(s.net, 5 * ms); /* no tick, and the feed would have waited for a second */
    assert_page(&s.f, 0, 'b');
    assert_page(&s.f, 1, 'c');
    end(&s);
}

static void test_the_feed_survives_a_restart_of_the_log_service(void **state)
{
    (void)state;
    struct simulated s;
    begin(&s);
    make(&s.f, 0);
    commit(&s.f, 0, 'a');
    run_for(&s, 100 * ms);
    qr_simnet_down(s.log_node);
    qr_logsvc_abandon(s.f.logsvc);
    s.f.logsvc = NULL;
    run_for(&s, 500 * ms);
    qr_simnet_up(s.log_node);
    open_logsvc(&s.f, "/log", false);
    qr_simnet_serve(s.log_node, 0, qr_logsvc_serve, s.f.logsvc);
    commit(&s.f, 0, 'b');
    run_for(&s, 100 * ms);
    assert_page(&s.f, 0, 'b');
    end(&s);
}

/* Who writes layers is behind: memory has an end, and the log stays where it is. */
static void test_no_more_log_comes_than_memory_may_hold_until_it_is_written(void **state)
{
    (void)state;
    struct simulated s;
    begin_with(&s, PAGE_BYTES, 3 * PAGE_BYTES);
    make(&s.f, 0);
    for (int i = 0; i < 12; i++) { /* each makes a layer */
        commit(&s.f, 0, (uint8_t)('a' + i));
        run_for(&s, 200 * ms);
    }
    uint64_t stopped = visible(&s.f, 0);
    assert_in_range(s.f.end[0] - stopped, 7 * PAGE_BYTES, 10 * PAGE_BYTES);
    run_for(&s, 2000 * ms);
    assert_int_equal(visible(&s.f, 0), stopped);
    for (bool more = true; more;)
        assert_int_equal(qr_pagesvc_work(s.f.pagesvc, &more, NULL), QR_OK);
    run_for(&s, 500 * ms);
    assert_int_equal(visible(&s.f, 0), s.f.end[0]);
    assert_page(&s.f, 0, 'l');
    end(&s);
}

/* One has log that breaks its form, one has no log at all: the third must not suffer. */
static void test_a_slice_whose_log_is_broken_or_gone_holds_up_nobody(void **state)
{
    (void)state;
    struct simulated s;
    begin(&s);
    for (int n = 0; n < 3; n++)
        make(&s.f, n);
    struct qr_buf garbage;
    qr_buf_init(&garbage, 1 << 10);
    qr_buf_fill(&garbage, 0xff, 100);
    append(&s.f, 0, &garbage, false, false);
    qr_buf_done(&garbage);
    change(&s.f, (struct qr_logsvc_change){.kind = QR_LOGSVC_DROP, .timeline = timeline(1)});
    for (int i = 0; i < 5; i++) {
        commit(&s.f, 2, (uint8_t)('a' + i));
        run_for(&s, 100 * ms);
        assert_page(&s.f, 2, (uint8_t)('a' + i));
    }
    struct qr_pagefeed_stats stats;
    qr_pagefeed_get_stats(s.f.feed, &stats);
    assert_in_range(stats.reattached, 1, 10); /* tried again, at its pace */
    assert_in_range(stats.calls, 5, 60);      /* and not as fast as answers come */
    end(&s);
}

/* What its flush found comes to light without any log: readers should not wait for a writer. */
static void test_a_slice_that_its_flush_found_damaged_is_attached_anew(void **state)
{
    (void)state;
    struct simulated s;
    begin_with(&s, PAGE_BYTES, 0);
    make(&s.f, 0);
    commit(&s.f, 0, 'a');
    run_for(&s, 200 * ms);
    bool more;
    qr_sim_fault_next(s.sim, 1, false, QR_CORRUPT);
    assert_int_equal(qr_pagesvc_work(s.f.pagesvc, &more, NULL), QR_CORRUPT);
    run_for(&s, 3000 * ms);
    assert_page(&s.f, 0, 'a');
    struct qr_pagefeed_stats stats;
    qr_pagefeed_get_stats(s.f.feed, &stats);
    assert_int_equal(stats.reattached, 1);
    end(&s);
}

/* Its log is gone for good, and every rest that ends asks for it again: who has log waits for no
 * tick meanwhile. */
static void test_a_slice_that_rests_takes_no_time_from_the_others(void **state)
{
    (void)state;
    struct simulated s;
    begin(&s);
    make(&s.f, 0);
    make(&s.f, 1);
    change(&s.f, (struct qr_logsvc_change){.kind = QR_LOGSVC_DROP, .timeline = timeline(1)});
    run_for(&s, 100 * ms);
    for (int i = 0; i < 20; i++) {
        commit(&s.f, 0, (uint8_t)('a' + i));
        qr_simnet_run(s.net, 10 * ms); /* no tick */
        assert_int_equal(visible(&s.f, 0), s.f.end[0]);
        qr_simnet_run(s.net, 10 * ms);
        qr_pagefeed_tick(s.f.feed); /* some of these end a rest */
    }
    struct qr_pagefeed_stats stats;
    qr_pagefeed_get_stats(s.f.feed, &stats);
    assert_in_range(stats.calls, 20, 60);
    end(&s);
}

/* Another primary: its fence is no log, and its first append begins far behind. The feed waits in
 * the log service all the time, for a second if nobody wakes it. */
static void test_a_new_epoch_ends_the_wait(void **state)
{
    (void)state;
    struct simulated s;
    begin(&s);
    make(&s.f, 0);
    commit(&s.f, 0, 'a');
    run_for(&s, 40 * ms);
    for (uint64_t epoch = 2; epoch < 6; epoch++) {
        struct qr_pagefeed_stats before, after;
        qr_pagefeed_get_stats(s.f.feed, &before);
        change(&s.f, (struct qr_logsvc_change){.kind = QR_LOGSVC_FENCE,
                                               .timeline = timeline(0),
                                               .epoch = epoch,
                                               .holder = epoch,
                                               .force = true});
        qr_simnet_run(s.net, 5 * ms); /* no tick */
        qr_pagefeed_get_stats(s.f.feed, &after);
        assert_true(after.calls > before.calls);
        struct qr_buf buf;
        uint8_t page[PAGE_BYTES];
        uint64_t first = s.f.end[0] + (UINT64_C(1) << 32);
        memset(page, (uint8_t)('a' + epoch), sizeof page);
        qr_buf_init(&buf, 1 << 20);
        qr_record_add_epoch(&buf, epoch, s.f.end[0], 0);
        qr_record_add_page(&buf, 1, NULL, page, PAGE_BYTES);
        qr_record_add_commit(&buf, 1, 1, 1, 1);
        struct qr_logsvc_append a = {.timeline = timeline(0),
                                     .epoch = epoch,
                                     .first_lsn = first,
                                     .bytes = buf.data,
                                     .byte_count = (uint32_t)buf.len,
                                     .new_epoch = true,
                                     .commit_lsn = first + buf.len,
                                     .done = append_done};
        int wanted = appends_done + 1;
        qr_logsvc_append(s.f.logsvc, &a);
        until(&s.f, &appends_done, wanted);
        s.f.end[0] = first + buf.len;
        qr_buf_done(&buf);
        qr_simnet_run(s.net, 5 * ms);
        assert_page(&s.f, 0, (uint8_t)('a' + epoch));
    }
    end(&s);
}

/* --- on sockets --- */

static void test_log_comes_over_sockets(void **state)
{
    (void)state;
    char dir[] = "/tmp/quire-feed-XXXXXX", path[100], url[120], address[120];
    assert_non_null(mkdtemp(dir));
    struct fixture f = {.env = qr_env_real(), .waits = true};
    snprintf(url, sizeof url, "file://%s/blob", dir);
    assert_int_equal(qr_blob_open(f.env, NULL, url, "", &f.blob, NULL), QR_OK);
    snprintf(path, sizeof path, "%s/log", dir);
    open_logsvc(&f, path, true);
    snprintf(path, sizeof path, "%s/page", dir);
    open_pagesvc(&f, path);
    struct qr_rpc_loop *loop;
    struct qr_rpc_listener *listener;
    struct qr_rpc_client *client;
    struct qr_rpc_loop_options loop_options = {.env = f.env};
    assert_int_equal(qr_rpc_loop_new(&loop_options, &loop, NULL), QR_OK);
    snprintf(address, sizeof address, "unix:%s/sock/log", dir);
    struct qr_rpc_listen_options listen_options = {
        .address = address, .serve = qr_logsvc_serve, .ctx = f.logsvc, .workers = 1};
    assert_int_equal(qr_rpc_listen(loop, &listen_options, &listener, NULL), QR_OK);
    struct qr_rpc_client_options client_options = {.address = address};
    assert_int_equal(qr_rpc_client_new(loop, &client_options, &client, NULL), QR_OK);
    new_feed(&f, qr_rpc_client_peer(client));
    make(&f, 0);
    qr_pagefeed_tick(f.feed);
    for (int i = 0; i < 20; i++) {
        commit(&f, 0, (uint8_t)('a' + i));
        while (visible(&f, 0) < f.end[0])
            nanosleep(&(struct timespec){.tv_nsec = ms}, NULL);
        assert_page(&f, 0, (uint8_t)('a' + i));
        if (i % 5 == 0)
            qr_pagefeed_poke(f.feed);
    }
    qr_pagefeed_free(f.feed); /* its call waits there */
    qr_rpc_client_free(client);
    qr_rpc_listener_free(listener);
    qr_pagesvc_close(f.pagesvc);
    qr_logsvc_close(f.logsvc);
    qr_rpc_loop_free(loop);
    qr_blob_close(f.blob);
    snprintf(path, sizeof path, "rm -rf %s", dir);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_comes_by_itself_and_a_new_slice_joins),
        cmocka_unit_test(test_the_feed_survives_a_restart_of_the_log_service),
        cmocka_unit_test(test_no_more_log_comes_than_memory_may_hold_until_it_is_written),
        cmocka_unit_test(test_a_slice_whose_log_is_broken_or_gone_holds_up_nobody),
        cmocka_unit_test(test_a_slice_that_its_flush_found_damaged_is_attached_anew),
        cmocka_unit_test(test_a_slice_that_rests_takes_no_time_from_the_others),
        cmocka_unit_test(test_a_new_epoch_ends_the_wait),
        cmocka_unit_test(test_log_comes_over_sockets),
    };
    return cmocka_run_group_tests_name("pagesvc/feed", tests, NULL, NULL);
}
