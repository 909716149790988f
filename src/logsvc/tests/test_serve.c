/* test_serve.c - the service behind a simulated network: every method, lost and doubled frames. */
#include "helper.h"
#include "logsvc/peer.h"
#include "logsvc/serve.h"
#include "rpc/simnet.h"

static const int64_t US = 1000, MS = 1000000;

struct world {
    struct qr_sim *sim;
    struct qr_simnet *net;
    struct qr_simnet_node *log, *compute;
    struct qr_rpc_peer *peer;
    struct qr_blob *blob;
    struct qr_logsvc *svc;
};

/* What the service's threads would do. */
static void pump(void *arg)
{
    struct world *w = arg;
    bool more;
    t_flush_all(w->svc);
    qr_logsvc_tick(w->svc);
    (void)!qr_logsvc_destage(w->svc, 4, &more, NULL);
    qr_simnet_at(w->net, w->log, 200 * US, pump, w);
}

static void begin(struct world *w, uint64_t seed, struct qr_simnet_faults faults)
{
    *w = (struct world){.sim = qr_sim_new(&(struct qr_sim_options){.seed = seed})};
    w->net = qr_simnet_new(&(struct qr_simnet_options){
        .seed = seed, .sim = w->sim, .faults = faults, .timeout_ns = 20 * MS});
    w->log = qr_simnet_node(w->net, "log");
    w->compute = qr_simnet_node(w->net, "compute");
    w->peer = qr_simnet_peer(w->net, w->compute, w->log, 0);
    assert_int_equal(qr_blob_open(qr_sim_env(w->sim), NULL, "file:///blob", "", &w->blob, NULL),
                     QR_OK);
    struct qr_logsvc_options o = {.env = qr_sim_env(w->sim),
                                  .dir = "/log",
                                  .blob = w->blob,
                                  .segment_bytes = 128 << 10,
                                  .journal_bytes_max = 1 << 20,
                                  .ring_bytes = 20000,
                                  .object_bytes = 30000,
                                  .threads_off = true};
    assert_int_equal(qr_logsvc_open(&o, &w->svc, NULL), QR_OK);
    qr_simnet_serve(w->log, 0, qr_logsvc_serve, w->svc);
    pump(w);
}

static void end(struct world *w)
{
    qr_simnet_run(w->net, 20000 * MS); /* until every parked request is answered */
    qr_logsvc_close(w->svc);
    qr_simnet_free(w->net);
    qr_blob_close(w->blob);
    qr_sim_free(w->sim);
}

static bool is_open(enum qr_status status)
{
    return status == QR_TIMEOUT || status == QR_CLOSED || status == QR_CORRUPT;
}

/* Asks until there is an answer: every change may be repeated. */
static enum qr_status change(struct world *w, struct qr_logsvc_change *c)
{
    for (int i = 0; i < 200; i++) {
        enum qr_status status = qr_logsvc_peer_change(w->peer, c, 0, NULL);
        if (!is_open(status))
            return status;
    }
    fail_msg("no answer in 200 tries");
    return QR_TIMEOUT;
}

static void create_and_fence(struct world *w)
{
    struct qr_logsvc_change c = {
        .kind = QR_LOGSVC_CREATE, .timeline = t_timeline(1), .start_lsn = T_START};
    assert_int_equal(change(w, &c), QR_OK);
    c = (struct qr_logsvc_change){.kind = QR_LOGSVC_FENCE,
                                  .timeline = t_timeline(1),
                                  .epoch = 1,
                                  .holder = 99,
                                  .force = true};
    assert_int_equal(change(w, &c), QR_OK);
    assert_int_equal(c.state.hardened_lsn, T_START);
}

struct sent {
    struct qr_logsvc_peer_append x; /* first */
    bool done;
    uint8_t bytes[3000];
};
static void sent_done(struct qr_logsvc_append *a)
{
    ((struct sent *)a)->done = true;
}

/* Keeps `window` appends in flight; sends again what had no answer or came out of order. */
static void append_all(struct world *w, int count)
{
    enum { WINDOW = 8 };
    struct qr_timeline t = t_timeline(1);
    struct sent *all = calloc((size_t)count, sizeof *all);
    for (int i = 0; i < count; i++) {
        struct qr_logsvc_append *a = &all[i].x.append;
        uint32_t bytes = 100 + (uint32_t)i * 37 % 2900;
        *a = (struct qr_logsvc_append){.timeline = t,
                                       .epoch = 1,
                                       .first_lsn = i == 0 ? T_START
                                                           : all[i - 1].x.append.first_lsn +
                                                                 all[i - 1].x.append.byte_count,
                                       .bytes = all[i].bytes,
                                       .byte_count = bytes,
                                       .new_epoch = i == 0,
                                       .done = sent_done};
        a->commit_lsn = a->first_lsn + bytes;
        a->commit_wall_ns = (uint64_t)i + 1;
        t_fill(all[i].bytes, &t, 1, a->first_lsn, bytes, i == 0, T_START);
    }
    for (int low = 0, high = 0; low < count;) {
        for (; high < count && high < low + WINDOW; high++)
            qr_logsvc_peer_append(w->peer, &all[high].x);
        assert_true(qr_simnet_step(w->net));
        for (int i = low; i < high; i++) {
            enum qr_status status = all[i].x.append.status;
            if (!all[i].done || status == QR_OK)
                continue;
            assert_true(is_open(status) || status == QR_CONFLICT); /* a gap: one before is lost */
            all[i].done = false;
            qr_logsvc_peer_append(w->peer, &all[i].x);
        }
        while (low < high && all[low].done)
            low++;
    }
    free(all);
}

static uint64_t end_of(int count)
{
    uint64_t lsn = T_START;
    for (int i = 0; i < count; i++)
        lsn += 100 + (uint32_t)i * 37 % 2900;
    return lsn;
}

/* Reads all over the network, byte for byte. */
static void check_reads(struct world *w, int count)
{
    struct qr_timeline t = t_timeline(1);
    uint64_t next = T_START;
    while (next < end_of(count)) {
        struct qr_buf body;
        struct qr_logsvc_state state;
        size_t at = 0;
        qr_buf_init(&body, 16 << 20);
        enum qr_status status =
            qr_logsvc_peer_read(w->peer, &t, next, 50000, 0, &body, &at, &state, NULL);
        if (is_open(status)) {
            qr_buf_done(&body);
            continue;
        }
        assert_int_equal(status, QR_OK);
        assert_true(at < body.len);
        while (at < body.len) {
            struct qr_piece p;
            assert_int_equal(qr_piece_next(body.data, body.len, &at, &p, NULL), QR_OK);
            assert_int_equal(p.first_lsn, next);
            t_check_piece(&t, &p);
            next += p.bytes;
        }
        qr_buf_done(&body);
    }
    assert_int_equal(next, end_of(count));
}

static void test_appends_arrive_once_and_in_order_whatever_the_network_does(void **state)
{
    (void)state;
    static const struct qr_simnet_faults faults[] = {
        {.drop_ppm = 0},
        {.drop_ppm = 50000},
        {.duplicate_ppm = 200000},
        {.hold_ppm = 100000, .hold_ns = 5000000},
        {.drop_ppm = 20000, .duplicate_ppm = 50000, .hold_ppm = 50000, .damage_ppm = 5000},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct world w;
        begin(&w, 100 + i, faults[i]);
        create_and_fence(&w);
        append_all(&w, 150);
        uint64_t lsn;
        t_read_all(w.svc, 1, T_START, 1 << 20, &lsn);
        assert_int_equal(lsn, end_of(150));
        check_reads(&w, 150);
        end(&w);
    }
}

static void test_every_method_answers(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 7, (struct qr_simnet_faults){.drop_ppm = 0});
    create_and_fence(&w);
    append_all(&w, 40);
    struct qr_timeline t = t_timeline(1), other = t_timeline(2);
    struct qr_logsvc_state s;
    assert_int_equal(qr_logsvc_peer_state(w.peer, &t, 0, &s, NULL), QR_OK);
    assert_int_equal(s.commit_lsn, end_of(40));
    assert_int_equal(qr_logsvc_peer_state(w.peer, &other, 0, &s, NULL), QR_NOT_FOUND);
    assert_int_equal(qr_logsvc_peer_renew(w.peer, &t, 1, MS, 0, NULL), QR_OK);
    assert_int_equal(qr_logsvc_peer_renew(w.peer, &t, 2, MS, 0, NULL), QR_FENCED);
    uint64_t lsn = 0, wall = 0;
    assert_int_equal(qr_logsvc_peer_find(w.peer, &t, 1000, 0, &lsn, &wall, NULL), QR_OK);
    assert_int_equal(lsn, end_of(40));
    assert_int_equal(wall, 40);
    struct qr_logsvc_change fence = {
        .kind = QR_LOGSVC_FENCE, .timeline = t, .epoch = 2, .holder = 5};
    assert_int_equal(qr_logsvc_peer_renew(w.peer, &t, 1, 1000 * MS, 0, NULL), QR_OK);
    assert_int_equal(change(&w, &fence), QR_LOCKED);
    assert_true(fence.wait_ns > 900 * MS);
    fence.force = true;
    assert_int_equal(change(&w, &fence), QR_OK);
    struct iovec body = {"x", 1};
    for (uint16_t m = QR_LOGSVC_METHOD_FIRST; m <= QR_LOGSVC_METHOD_LAST; m++)
        assert_int_equal(qr_rpc_call_wait(w.peer, m, &body, 1, 0, NULL, NULL), QR_PROTOCOL);
    assert_int_equal(qr_rpc_call_wait(w.peer, QR_LOGSVC_METHOD_LAST + 1, &body, 1, 0, NULL, NULL),
                     QR_UNSUPPORTED);
    end(&w);
}

struct parked {
    struct qr_rpc_call call; /* first */
    bool done;
    enum qr_status status;
    struct qr_buf answer;
};
static void parked_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct parked *p = (struct parked *)call;
    p->done = true;
    p->status = reply->status;
    if (reply->status == QR_OK)
        qr_buf_add(&p->answer, reply->body, reply->bytes);
}

static void test_a_feed_is_parked_until_there_is_log(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 8, (struct qr_simnet_faults){.drop_ppm = 0});
    create_and_fence(&w);
    append_all(&w, 3);
    struct qr_logsvc_cursor cursor = {.timeline = t_timeline(1),
                                      .from_lsn = end_of(3),
                                      .known_epoch = 1,
                                      .known_commit_lsn = end_of(3),
                                      .reader_id = 4,
                                      .kind = QR_READER_PAGES,
                                      .applied_lsn = end_of(3)};
    struct qr_buf ask;
    qr_buf_init(&ask, 1 << 16);
    qr_logsvc_feed_put(&ask, &cursor, 1, 1 << 20, 10000 * MS);
    struct parked p = {.call = {.method = QR_LOGSVC_CALL_FEED,
                                .body_count = 1,
                                .body = {{ask.data, ask.len}},
                                .timeout_ns = 1000 * MS,
                                .done = parked_done}};
    qr_buf_init(&p.answer, 1 << 20);
    qr_rpc_start(w.peer, &p.call);
    qr_simnet_run(w.net, 700 * MS);
    assert_false(p.done);
    assert_int_equal(t_append(w.svc, 1, 1, end_of(3), 500, false, 0), QR_OK);
    qr_simnet_run(w.net, 5 * MS);
    assert_true(p.done);
    assert_int_equal(p.status, QR_OK);
    struct qr_feed_entry e;
    struct qr_piece piece;
    size_t at = 0, piece_at = 0;
    assert_int_equal(qr_feed_entry_next(p.answer.data, p.answer.len, &at, &e, NULL), QR_OK);
    assert_int_equal(e.commit_lsn, end_of(3) + 500);
    assert_int_equal(qr_piece_next(e.pieces, e.pieces_bytes, &piece_at, &piece, NULL), QR_OK);
    assert_int_equal(piece.bytes, 500);
    /* Without log it comes back empty before its deadline. */
    cursor.from_lsn = cursor.known_commit_lsn = end_of(3) + 500;
    qr_buf_clear(&ask);
    qr_buf_clear(&p.answer);
    qr_logsvc_feed_put(&ask, &cursor, 1, 1 << 20, 10000 * MS);
    p.done = false;
    qr_rpc_start(w.peer, &p.call);
    qr_simnet_run(w.net, 900 * MS);
    assert_true(p.done);
    assert_int_equal(p.status, QR_OK);
    assert_int_equal(p.answer.len, 0);
    qr_buf_done(&p.answer);
    qr_buf_done(&ask);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_arrive_once_and_in_order_whatever_the_network_does),
        cmocka_unit_test(test_every_method_answers),
        cmocka_unit_test(test_a_feed_is_parked_until_there_is_log),
    };
    return cmocka_run_group_tests_name("logsvc/serve", tests, NULL, NULL);
}
