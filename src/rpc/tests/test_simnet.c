/* test_simnet.c - the simulated network: order, faults, nodes that die, exact replay */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include "base/endian.h"
#include "rpc/simnet.h"

static const int64_t MS = 1000000;

enum { ECHO = 1, PARK = 2, RELAY = 3, REFUSE = 4 };

struct world {
    struct qr_sim *sim;
    struct qr_simnet *net;
    struct qr_simnet_node *a, *b, *c;
    struct qr_rpc_peer *to_b, *b_to_c;
    struct qr_rpc_request *parked;
    int served;
    uint8_t order[64];
};

static void serve(void *ctx, struct qr_rpc_request *request)
{
    struct world *w = ctx;
    struct iovec body = {(void *)(uintptr_t)request->body, request->bytes};
    struct qr_err err;
    if (request->bytes > 0)
        w->order[w->served % 64] = request->body[0];
    w->served += 1;
    if (request->method == PARK) {
        w->parked = request;
    } else if (request->method == REFUSE) {
        (void)qr_fail(&err, QR_CONFLICT, "the end is at %d", 42);
        qr_rpc_refuse(request, QR_CONFLICT, &err);
    } else if (request->method == RELAY) { /* waits inside an event */
        struct qr_buf reply;
        qr_buf_init(&reply, 1024);
        enum qr_status status = qr_rpc_call_wait(w->b_to_c, ECHO, &body, 1, 0, &reply, &err);
        body = (struct iovec){reply.data, reply.len};
        if (status == QR_OK)
            qr_rpc_answer(request, &body, 1);
        else
            qr_rpc_refuse(request, status, &err);
        qr_buf_done(&reply);
    } else {
        qr_rpc_answer(request, &body, 1);
    }
}

static void begin(struct world *w, uint64_t seed, struct qr_simnet_faults faults)
{
    *w = (struct world){0};
    w->sim = qr_sim_new(&(struct qr_sim_options){.seed = seed});
    w->net = qr_simnet_new(&(struct qr_simnet_options){
        .seed = seed, .sim = w->sim, .faults = faults, .timeout_ns = 100 * MS});
    assert_non_null(w->net);
    w->a = qr_simnet_node(w->net, "a");
    w->b = qr_simnet_node(w->net, "b");
    w->c = qr_simnet_node(w->net, "c");
    qr_simnet_serve(w->b, 0, serve, w);
    qr_simnet_serve(w->c, 3, serve, w);
    w->to_b = qr_simnet_peer(w->net, w->a, w->b, 0);
    w->b_to_c = qr_simnet_peer(w->net, w->b, w->c, 3);
}

static void end(struct world *w)
{
    qr_simnet_free(w->net);
    qr_sim_free(w->sim);
}

struct note {
    struct qr_rpc_call call; /* first */
    enum qr_status status;
    int count;
    uint8_t byte;
};

static void note_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct note *note = (struct note *)call;
    note->status = reply->status;
    note->count += 1;
}

static void note_start(struct qr_rpc_peer *peer, struct note *note, uint16_t method, uint8_t byte)
{
    *note =
        (struct note){.call = {.method = method, .done = note_done, .body_count = 1}, .byte = byte};
    note->call.body[0] = (struct iovec){&note->byte, 1};
    qr_rpc_start(peer, &note->call);
}

static void test_a_call_takes_simulated_time_only(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1, (struct qr_simnet_faults){.delay_min_ns = 2 * MS, .delay_max_ns = 2 * MS});
    struct qr_buf reply;
    struct qr_err err;
    qr_buf_init(&reply, 100);
    struct iovec body[2] = {{"wo", 2}, {"rds", 3}};
    int64_t start = qr_simnet_now_ns(w.net);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, body, 2, 0, &reply, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&reply), "words");
    assert_true(qr_simnet_now_ns(w.net) - start == 4 * MS);
    qr_buf_clear(&reply);
    assert_int_equal(qr_rpc_call_wait(w.to_b, RELAY, body, 2, 0, &reply, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&reply), "words");
    assert_int_equal(qr_rpc_call_wait(w.to_b, REFUSE, NULL, 0, 0, NULL, &err), QR_CONFLICT);
    assert_string_equal(err.text, "the end is at 42");
    assert_int_equal(
        qr_rpc_call_wait(qr_simnet_peer(w.net, w.a, w.c, 0), ECHO, NULL, 0, 0, NULL, &err),
        QR_UNSUPPORTED); /* nothing serves there */
    qr_buf_done(&reply);
    end(&w);
}

static void test_frames_keep_their_order_unless_held(void **state)
{
    (void)state;
    for (int held = 0; held <= 1; held++) {
        struct world w;
        struct note notes[40];
        begin(&w, 3, (struct qr_simnet_faults){.hold_ppm = held ? 300000 : 0});
        for (uint8_t i = 0; i < 40; i++)
            note_start(w.to_b, &notes[i], ECHO, i);
        qr_simnet_run(w.net, 200 * MS);
        int swapped = 0;
        for (int i = 0; i < 40; i++) {
            assert_int_equal(notes[i].count, 1);
            swapped += i > 0 && w.order[i] < w.order[i - 1];
        }
        assert_true(held ? swapped > 0 : swapped == 0);
        end(&w);
    }
}

/* Goal: every call ends once, whatever happens, and a seed replays exactly. Method: all faults at
 * once, many seeds, each twice. */
static void test_every_call_ends_once_and_a_seed_replays_exactly(void **state)
{
    (void)state;
    int outcomes[QR_STATUS_COUNT] = {0};
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint64_t digests[2];
        for (int turn = 0; turn < 2; turn++) {
            struct world w;
            static struct note notes[100];
            begin(&w, seed,
                  (struct qr_simnet_faults){.drop_ppm = 50000,
                                            .duplicate_ppm = 50000,
                                            .damage_ppm = 20000,
                                            .hold_ppm = 50000});
            for (int i = 0; i < 100; i++) {
                note_start(w.to_b, &notes[i], ECHO, (uint8_t)i);
                if (i % 7 == 0)
                    qr_rpc_cancel(w.to_b, &notes[i].call);
                qr_simnet_run(w.net, MS / 4);
            }
            qr_simnet_run(w.net, 1000 * MS);
            for (int i = 0; i < 100; i++) {
                assert_int_equal(notes[i].count, 1);
                outcomes[notes[i].status] += 1;
            }
            assert_false(qr_simnet_step(w.net)); /* nothing is left behind */
            digests[turn] = qr_simnet_digest(w.net);
            end(&w);
        }
        assert_true(digests[0] == digests[1]);
    }
    assert_true(outcomes[QR_OK] > 1000 && outcomes[QR_TIMEOUT] > 0 && outcomes[QR_CORRUPT] > 0 &&
                outcomes[QR_CLOSED] > 0 && outcomes[QR_CANCELLED] > 0);
}

static void test_a_doubled_call_is_served_twice_and_answered_once(void **state)
{
    (void)state;
    struct world w;
    struct note note;
    begin(&w, 5, (struct qr_simnet_faults){.duplicate_ppm = 1000000});
    note_start(w.to_b, &note, ECHO, 1);
    qr_simnet_run(w.net, 50 * MS);
    assert_int_equal(note.count, 1);
    assert_int_equal(w.served, 2);
    end(&w);
}

static void test_a_cut_loses_what_is_said_and_heals(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err;
    begin(&w, 6, (struct qr_simnet_faults){0});
    qr_simnet_cut(w.net, w.b, w.a, true); /* answers only */
    int64_t start = qr_simnet_now_ns(w.net);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 30 * MS, NULL, &err), QR_TIMEOUT);
    assert_true(qr_simnet_now_ns(w.net) - start == 30 * MS);
    assert_int_equal(w.served, 1);
    qr_simnet_cut(w.net, w.a, w.b, true);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 30 * MS, NULL, &err), QR_TIMEOUT);
    assert_int_equal(w.served, 1);
    qr_simnet_heal(w.net);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 30 * MS, NULL, &err), QR_OK);
    end(&w);
}

static void count_up(void *arg)
{
    *(int *)arg += 1;
}

static void test_a_node_that_dies_takes_its_calls_timers_and_services_along(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err;
    struct note asked, own, late;
    int fired = 0, fired_anyway = 0;
    begin(&w, 7, (struct qr_simnet_faults){0});
    note_start(w.to_b, &asked, PARK, 1);
    note_start(w.b_to_c, &own, PARK, 1);
    qr_simnet_at(w.net, w.b, 5 * MS, count_up, &fired);
    qr_simnet_at(w.net, NULL, 5 * MS, count_up, &fired_anyway);
    qr_simnet_run(w.net, 2 * MS);
    assert_int_equal(w.served, 2);

    qr_simnet_down(w.b);
    assert_int_equal(own.status, QR_CLOSED); /* now: its memory may go */
    assert_int_equal(own.count, 1);
    assert_int_equal(asked.count, 0);
    note_start(w.b_to_c, &late, ECHO, 1); /* a dead process says nothing */
    qr_simnet_run(w.net, 20 * MS);
    assert_int_equal(late.count, 0);
    assert_int_equal(asked.status, QR_CLOSED);
    assert_int_equal(fired, 0);
    assert_int_equal(fired_anyway, 1);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 0, NULL, &err), QR_CLOSED);
    assert_int_equal(qr_rpc_call_wait(w.b_to_c, ECHO, NULL, 0, 0, NULL, &err), QR_CLOSED);

    qr_simnet_up(w.b);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 0, NULL, &err), QR_UNSUPPORTED);
    qr_simnet_serve(w.b, 0, serve, &w);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 0, NULL, &err), QR_OK);
    end(&w); /* with requests parked */
}

static void test_a_late_answer_of_a_process_that_died_is_not_heard(void **state)
{
    (void)state;
    struct world w;
    struct note note;
    begin(&w, 8, (struct qr_simnet_faults){0});
    note_start(w.to_b, &note, PARK, 1);
    qr_simnet_run(w.net, 2 * MS);
    qr_simnet_down(w.b);
    qr_simnet_up(w.b);
    assert_true(qr_rpc_request_gone(w.parked));
    qr_rpc_answer(w.parked, NULL, 0);
    qr_simnet_run(w.net, 20 * MS);
    assert_int_equal(note.status, QR_CLOSED);
    end(&w);
}

static void test_all_machines_have_one_time(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err;
    begin(&w, 9, (struct qr_simnet_faults){0});
    qr_simnet_run(w.net, 500 * MS);
    struct qr_sim *other = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    qr_simnet_attach(w.net, other);
    assert_true(qr_env_mono_ns(qr_sim_env(other)) == qr_simnet_now_ns(w.net));
    qr_env_sleep_ns(qr_sim_env(other), 7 * MS);
    assert_int_equal(qr_rpc_call_wait(w.to_b, ECHO, NULL, 0, 0, NULL, &err), QR_OK);
    assert_true(qr_env_mono_ns(qr_sim_env(other)) == qr_env_mono_ns(qr_sim_env(w.sim)));
    end(&w);
    qr_sim_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_takes_simulated_time_only),
        cmocka_unit_test(test_frames_keep_their_order_unless_held),
        cmocka_unit_test(test_every_call_ends_once_and_a_seed_replays_exactly),
        cmocka_unit_test(test_a_doubled_call_is_served_twice_and_answered_once),
        cmocka_unit_test(test_a_cut_loses_what_is_said_and_heals),
        cmocka_unit_test(test_a_node_that_dies_takes_its_calls_timers_and_services_along),
        cmocka_unit_test(test_a_late_answer_of_a_process_that_died_is_not_heard),
        cmocka_unit_test(test_all_machines_have_one_time),
    };
    return cmocka_run_group_tests_name("rpc/simnet", tests, NULL, NULL);
}
