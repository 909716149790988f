/* Goal: a node that drains gives every session up between two requests, and its client goes on in
 * the next node without noticing, in clear and through TLS, whatever it had sent already. */
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "handoff_world.h"

/* Built to be checked it all takes longer. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SLOWNESS = 5 };
#else
enum { SLOWNESS = 1 };
#endif
enum { LOGIN_MS = 15000, GRACE_MS = 5000 };

static int start_both(void **state)
{
    struct world *world = malloc(sizeof *world);
    world_init(world);
    world_start_node(world);
    world_start_front(world, LOGIN_MS);
    *state = world;
    return 0;
}

static int end_all(void **state)
{
    world_done(*state);
    free(*state);
    return 0;
}

static bool keep(struct client *client, int number)
{
    char text[32];
    snprintf(text, sizeof text, "KEEP %d", number);
    client_send_batch(client, text);
    return client_read(client, 5000) == 0;
}

static bool kept(struct client *client, int number)
{
    client_send_batch(client, "KEPT");
    return client_read(client, 5000) == 0 && client_has_row(client, number);
}

static void tell(struct client *client, const char *text)
{
    client_send_batch(client, text);
    assert_int_equal(client_read(client, 5000), 0);
}

static struct client clients[8];

static void test_sessions_go_on_in_the_next_node(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i % 2 == 1, ""), 0);
        assert_true(keep(&clients[i], 100 + i));
    }
    for (int turn = 0; turn < 3; turn++) {
        struct qr_gateway *old = world_replace_node(world);
        assert_true(qr_gateway_drain(old, GRACE_MS));
        assert_true(world_stop_old(world, old));
        for (int i = 0; i < 8; i++) {
            assert_true(kept(&clients[i], 100 + i));
            assert_true(client_select(&clients[i], turn));
        }
        assert_int_equal(world_metric(world->node, QR_GATEWAY_OPEN), 8);
        assert_int_equal(world_metric(world->node, QR_GATEWAY_LOGINS), 0);
        assert_true(
            world_reaches(world->front, QR_GATEWAY_MOVED, 8 * (turn + 1))); /* counted late */
        assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 4));       /* the relays */
    }
    for (int i = 0; i < 8; i++)
        client_close(&clients[i]);
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
}

static void *drain(void *arg)
{
    return qr_gateway_drain(arg, GRACE_MS) ? arg : NULL;
}

static void start_drain(pthread_t *ret_thread, struct qr_gateway *old)
{
    assert_int_equal(pthread_create(ret_thread, NULL, drain, old), 0);
}

static void end_drain(struct world *world, pthread_t thread, struct qr_gateway *old, bool all_gone)
{
    void *result;
    pthread_join(thread, &result);
    assert_int_equal(result != NULL, all_gone);
    assert_true(world_stop_old(world, old));
}

/* A request under way is finished where it began; what was sent behind it is run by the next. */
static void test_a_running_request_ends_where_it_began(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], 7 + i));
        client_send_batch(&clients[i], "WAIT");
    }
    assert_true(world_reaches(world->node, QR_GATEWAY_REQUESTS, 4)); /* or it would move first */
    struct qr_gateway *old = world_replace_node(world);
    start_drain(&thread, old);
    world_sleep_ms(20);
    assert_int_equal(world_metric(old, QR_GATEWAY_OPEN), 2);
    for (int i = 0; i < 2; i++) {
        client_send_attention(&clients[i]);
        client_send_batch(&clients[i], "KEPT");
        assert_int_equal(client_read(&clients[i], 5000), 0); /* of the one that was stopped */
        assert_int_equal(client_read(&clients[i], 5000), 0);
        assert_true(client_has_row(&clients[i], 7 + i));
    }
    end_drain(world, thread, old, true);
    for (int i = 0; i < 2; i++)
        client_close(&clients[i]);
}

/* What has had the grace is ended with the documented error, and its session goes. */
static void test_a_request_without_end_loses_that_alone(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], 7 + i));
    }
    for (int i = 0; i < 2; i++)
        client_send_batch(&clients[i], "WAIT");
    assert_true(world_reaches(world->node, QR_GATEWAY_REQUESTS, 3 + 2)); /* they run */
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, 50));
    for (int i = 0; i < 3; i++) {
        if (i < 2) {
            assert_int_equal(client_read(&clients[i], 5000), 0);
            assert_int_equal(client_error(&clients[i]), 40197);
        }
        assert_true(kept(&clients[i], 7 + i));
        client_close(&clients[i]);
    }
    assert_true(world_stop_old(world, old));
}

/* All buffers on the way are full: for a while nothing more goes in. */
static void await_full(void)
{
    enum { STEP_MS = 50, STEPS = 10 };
    unsigned long long rows = 0;
    for (int still = 0; still < STEPS; still++) {
        unsigned long long now = atomic_load(&select1_flood_rows);
        if (now != rows || now == 0)
            still = 0;
        rows = now;
        world_sleep_ms(STEP_MS);
    }
}

/* A client that takes no answer cannot be told: its connection breaks, and nobody waits for it. */
static void test_who_does_not_read_ends_alone(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
    assert_true(keep(&clients[2], 3));
    for (int i = 0; i < 2; i++)
        client_send_batch(&clients[i], "FLOOD");
    assert_true(world_reaches(world->node, QR_GATEWAY_REQUESTS, 1 + 2));
    await_full();
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, 50));
    assert_true(kept(&clients[2], 3));
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_skip(&clients[i], 5000), CLIENT_CLOSED);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    assert_true(world_stop_old(world, old));
}

/* While one is in a transaction the others are served; when it has ended they all go. */
static void test_transactions_are_waited_for(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
    assert_true(keep(&clients[0], 1) && keep(&clients[1], 2));
    tell(&clients[0], "BEGIN");
    struct qr_gateway *old = world_replace_node(world);
    start_drain(&thread, old);
    world_sleep_ms(20);
    for (int i = 0; i < 100; i++)
        assert_true(client_select(&clients[1], i));
    assert_int_equal(world_metric(old, QR_GATEWAY_OPEN), 2);
    tell(&clients[0], "END");
    assert_true(kept(&clients[0], 1) && kept(&clients[1], 2));
    end_drain(world, thread, old, true); /* which may have answered: then they move only now */
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 2));
    for (int i = 0; i < 2; i++)
        client_close(&clients[i]);
}

/* Who has given way once and is in a transaction again is waited for as at first: while the others
 * are served. */
static void test_a_transaction_that_begins_meanwhile_stops_nobody(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], i));
    }
    tell(&clients[0], "BEGIN");
    struct qr_gateway *old = world_replace_node(world);
    start_drain(&thread, old);
    world_sleep_ms(20);
    tell(&clients[1], "BEGIN");
    world_sleep_ms(300); /* longer than BRIEF_NS */
    tell(&clients[0], "END");
    for (int i = 0; i < 100; i++)
        assert_true(client_select(&clients[2], i) && client_select(&clients[0], i));
    assert_int_equal(world_metric(old, QR_GATEWAY_OPEN), 3);
    tell(&clients[1], "END");
    for (int i = 0; i < 3; i++)
        assert_true(kept(&clients[i], i));
    end_drain(world, thread, old, true);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
}

/* Part of a request is one that has begun: who sends the rest late holds nobody up. */
static void test_half_a_request_stops_nobody(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], i));
    }
    tell(&clients[0], "BEGIN");
    struct qr_gateway *old = world_replace_node(world);
    start_drain(&thread, old);
    world_sleep_ms(20); /* it has been at rest */
    client_send_half_batch(&clients[1], "KEPT", false);
    world_sleep_ms(600); /* until it is there, and longer than BRIEF_NS */
    tell(&clients[0], "END");
    for (int i = 0; i < 100; i++)
        assert_true(client_select(&clients[2], i) && client_select(&clients[0], i));
    assert_int_equal(world_metric(old, QR_GATEWAY_OPEN), 3);
    client_send_half_batch(&clients[1], "KEPT", true);
    assert_int_equal(client_read(&clients[1], 5000), 0);
    assert_true(client_has_row(&clients[1], 1));
    for (int i = 0; i < 3; i++)
        assert_true(kept(&clients[i], i));
    end_drain(world, thread, old, true);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
}

/* Who never sends the rest cannot be told: as who does not read. */
static void test_who_does_not_send_the_rest_ends_alone(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], i));
    }
    tell(&clients[2], "BEGIN"); /* until the grace is over all stay, and what was sent gets there */
    for (int i = 0; i < 2; i++)
        client_send_half_batch(&clients[i], "KEPT", false);
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, 800));
    assert_true(kept(&clients[2], -1) && kept(&clients[2], 2));
    assert_int_equal(client_read(&clients[0], 5000), CLIENT_CLOSED);
    client_send_half_batch(&clients[1], "KEPT", true); /* that one has a front, which answers */
    assert_int_equal(client_last_word(&clients[1]), 40197);
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
    assert_true(world_stop_old(world, old));
}

/* The last one that is waited for has sent its next long request already: it goes first, and the
 * next node runs that. */
static void test_the_last_one_goes_before_it_asks_again(void **state)
{
    struct world *world = *state;
    pthread_t thread;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        assert_true(keep(&clients[i], i));
    }
    client_send_batch(&clients[0], "WAIT");
    assert_true(world_reaches(world->node, QR_GATEWAY_REQUESTS, 2 + 1));
    struct qr_gateway *old = world_replace_node(world);
    start_drain(&thread, old);
    world_sleep_ms(300);
    client_send_attention(&clients[0]);
    client_send_batch(&clients[0], "WAIT");
    assert_int_equal(client_read(&clients[0], 5000), 0);
    end_drain(world, thread, old, true);
    assert_true(kept(&clients[1], 1));
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 2));
    client_send_attention(&clients[0]);
    assert_int_equal(client_read(&clients[0], 5000), 0);
    for (int i = 0; i < 2; i++)
        client_close(&clients[i]);
}

/* ---- no wake-up is lost ---- */

struct asker {
    struct client client;
    pthread_t thread;
    unsigned seed;
    atomic_long *turn; /* < 0: it is over */
    bool failed;
};

/* In each turn a few requests that come at any moment of a drain, held answers among them, which
 * another thread lets go; then none, until the next turn. */
static void *ask(void *arg)
{
    static const char *const batches[] = {"SELECT 1", "HASTE", "BEGIN", "SELECT 2", "END", "HASTE"};
    struct asker *a = arg;
    for (long turn = 0; turn >= 0 && !a->failed;) {
        for (int i = 6 * (rand_r(&a->seed) % 12); i > 0 && !a->failed; i--) {
            client_send_batch(&a->client, batches[(6 - i % 6) % 6]);
            a->failed = client_read(&a->client, 10000) != 0;
            qr_env_sleep_ns(qr_env_real(),
                            rand_r(&a->seed) % 4 == 0 ? rand_r(&a->seed) % 2000000 : 0);
        }
        while (!a->failed && atomic_load(a->turn) == turn)
            qr_env_sleep_ns(qr_env_real(), 100000);
        turn = atomic_load(a->turn);
    }
    return NULL;
}

/* A session that nobody wakes would stay until the grace is over, and all others wait for it. */
static void test_no_session_is_forgotten_at_any_moment(void **state)
{
    enum { ASKERS = 6, LONG_MS = 3000 * SLOWNESS };
    static struct asker askers[ASKERS];
    struct world *world = *state;
    const char *turns_text = getenv("QUIRE_TEST_DRAINS");
    long turns = turns_text == NULL ? 40 : strtol(turns_text, NULL, 10);
    atomic_long now = 0;
    unsigned seed = 7;
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.seed = i, .turn = &now};
        assert_int_equal(client_login(&askers[i].client, world_port(world), i % 2 == 1, ""), 0);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (long turn = 0; turn < turns; turn++) {
        qr_env_sleep_ns(qr_env_real(), rand_r(&seed) % 3000000);
        struct qr_gateway *old = world_replace_node(world);
        int64_t began = world_now_ms();
        assert_true(qr_gateway_drain(old, GRACE_MS * SLOWNESS));
        assert_true(world_now_ms() - began < LONG_MS);
        assert_true(world_stop_old(world, old));
        atomic_store(&now, turn + 1 < turns ? turn + 1 : -1);
    }
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_false(askers[i].failed);
        client_close(&askers[i].client);
    }
}

static void test_who_stays_in_a_transaction_loses_it_and_moves(void **state)
{
    struct world *world = *state;
    assert_int_equal(client_login(&clients[0], world_port(world), true, ""), 0);
    assert_true(keep(&clients[0], 5));
    tell(&clients[0], "BEGIN");
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, 50));
    assert_true(world_stop_old(world, old));
    assert_true(kept(&clients[0], -1)); /* it is told */
    assert_true(kept(&clients[0], 5));
    client_close(&clients[0]);
}

static void test_what_cannot_move_ends_with_the_documented_error(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        tell(&clients[i], "STUCK");
    }
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, GRACE_MS));
    for (int i = 0; i < 2; i++) {
        client_send_batch(&clients[i], "SELECT 1");
        assert_int_equal(client_last_word(&clients[i]), 40197);
        client_close(&clients[i]);
    }
    assert_true(world_stop_old(world, old));
}

/* No node takes it in time: the front says so, when it is asked. */
static void test_a_session_that_nobody_takes_ends_when_it_asks(void **state)
{
    struct world *world = *state;
    assert_true(world_stop_front(world, 0));
    world_start_front(world, 1500);
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
    atomic_store(&world->mode, ROUTE_FAILS);
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, GRACE_MS));
    unlink(world->old_path);
    for (int i = 0; i < 2; i++) {
        client_send_batch(&clients[i], "SELECT 1");
        assert_int_equal(client_last_word(&clients[i]), 40197);
        client_close(&clients[i]);
    }
    assert_true(world_stop_old(world, old));
    atomic_store(&world->mode, ROUTE_TO_NODE);
}

/* Nobody listens at the return address: the session stays its node's, which ends it. */
static void test_without_a_front_sessions_end_as_they_did(void **state)
{
    struct world *world = *state;
    assert_int_equal(client_login(&clients[0], world_port(world), false, ""), 0);
    assert_true(world_stop_front(world, 0));
    struct qr_gateway *old = world_replace_node(world);
    assert_true(qr_gateway_drain(old, GRACE_MS));
    client_send_batch(&clients[0], "SELECT 1");
    assert_int_equal(client_last_word(&clients[0]), 40197);
    client_close(&clients[0]);
    assert_true(world_stop_old(world, old));
}

static void test_nothing_is_left_open(void **state)
{
    struct world *world = *state;
    assert_int_equal(client_login(&clients[0], world_port(world), true, ""), 0);
    assert_int_equal(client_login(&clients[1], world_port(world), false, ""), 0);
    size_t before = 0;
    for (int turn = 0; turn < 20; turn++) {
        struct qr_gateway *old = world_replace_node(world);
        assert_true(qr_gateway_drain(old, GRACE_MS));
        assert_true(world_stop_old(world, old));
        assert_true(client_select(&clients[0], turn) && client_select(&clients[1], turn));
        assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 1));
        if (turn == 2) /* lanes are there */
            before = world_descriptors();
    }
    /* two who move at one time may need a lane each, and both of its ends are ours */
    assert_true(world_descriptors() <= before + 4);
    client_close(&clients[0]);
    client_close(&clients[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sessions_go_on_in_the_next_node, start_both, end_all),
        cmocka_unit_test_setup_teardown(test_a_running_request_ends_where_it_began, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_transactions_are_waited_for, start_both, end_all),
        cmocka_unit_test_setup_teardown(test_a_request_without_end_loses_that_alone, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_who_does_not_read_ends_alone, start_both, end_all),
        cmocka_unit_test_setup_teardown(test_a_transaction_that_begins_meanwhile_stops_nobody,
                                        start_both, end_all),
        cmocka_unit_test_setup_teardown(test_half_a_request_stops_nobody, start_both, end_all),
        cmocka_unit_test_setup_teardown(test_who_does_not_send_the_rest_ends_alone, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_the_last_one_goes_before_it_asks_again, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_no_session_is_forgotten_at_any_moment, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_who_stays_in_a_transaction_loses_it_and_moves,
                                        start_both, end_all),
        cmocka_unit_test_setup_teardown(test_what_cannot_move_ends_with_the_documented_error,
                                        start_both, end_all),
        cmocka_unit_test_setup_teardown(test_a_session_that_nobody_takes_ends_when_it_asks,
                                        start_both, end_all),
        cmocka_unit_test_setup_teardown(test_without_a_front_sessions_end_as_they_did, start_both,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_open, start_both, end_all),
    };
    world_setup();
    int failed = cmocka_run_group_tests_name("return", tests, NULL, NULL);
    world_teardown();
    return failed;
}
