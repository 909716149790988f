/* Goal: a client of a front and a node sees what it would see of one gateway, the front keeps
 * nothing of a session in clear, and no login is lost or served twice while nodes come and go. */
#include "qr_test.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "handoff_world.h"

enum { LOGIN_MS = 15000 };

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

static void test_a_session_in_clear_leaves_nothing_at_the_front(void **state)
{
    struct world *world = *state;
    static struct client client;
    assert_int_equal(client_login(&client, world_port(world), false, ""), 0);
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
    assert_int_equal(world_metric(world->front, QR_GATEWAY_RELAYS), 0);
    assert_int_equal(world_metric(world->node, QR_GATEWAY_OPEN), 1);
    for (int i = 0; i < 100; i++)
        assert_true(client_select(&client, i));
    assert_true(world_stop_front(world, 0)); /* the session does not notice */
    assert_true(client_select(&client, 77));
    client_close(&client);
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
}

static void test_an_encrypted_session_is_relayed_until_the_client_leaves(void **state)
{
    struct world *world = *state;
    static struct client client;
    assert_int_equal(client_login(&client, world_port(world), true, ""), 0);
    assert_int_equal(world_metric(world->front, QR_GATEWAY_RELAYS), 1);
    for (int i = 0; i < 100; i++)
        assert_true(client_select(&client, i));
    client_close(&client);
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
    assert_int_equal(world_metric(world->front, QR_GATEWAY_RELAYS), 0);
}

static void test_a_batch_sent_with_the_login_is_answered(void **state)
{
    struct world *world = *state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        assert_true(client_open(&client, world_port(world), encrypted));
        client_send_login(&client, "", "SELECT 31");
        assert_int_equal(client_login_answer(&client), 0);
        assert_int_equal(client_read(&client, 5000), 0);
        assert_true(client_has_row(&client, 31));
        assert_true(client_select(&client, 32));
        client_close(&client);
    }
}

static void test_a_node_s_refusal_has_the_shape_of_a_login_error(void **state)
{
    struct world *world = *state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        assert_int_equal(client_login(&client, world_port(world), encrypted, "missing"), 4060);
        assert_int_equal(client_read(&client, 5000), CLIENT_CLOSED);
        client_close(&client);
    }
    assert_int_equal(atomic_load(&world->routes), 2); /* no second try */
}

static void test_a_router_s_refusal_has_the_shape_of_a_login_error(void **state)
{
    struct world *world = *state;
    atomic_store(&world->mode, ROUTE_REFUSES);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        assert_int_equal(client_login(&client, world_port(world), encrypted, ""), 4060);
        assert_int_equal(client_read(&client, 5000), CLIENT_CLOSED);
        client_close(&client);
    }
}

static void test_a_route_that_worked_is_taken_while_nobody_can_be_asked(void **state)
{
    struct world *world = *state;
    static struct client client;
    assert_int_equal(client_login(&client, world_port(world), true, "Sales"), 0);
    client_close(&client);
    atomic_store(&world->mode, ROUTE_FAILS);
    assert_int_equal(client_login(&client, world_port(world), true, "SALES"), 0);
    assert_true(client_select(&client, 2));
    client_close(&client);
    assert_int_equal(atomic_load(&world->last_attempt), 0);
    atomic_store(&world->mode, ROUTE_REFUSES); /* and is forgotten with the database */
    assert_int_equal(client_login(&client, world_port(world), true, "sales"), 4060);
    client_close(&client);
    atomic_store(&world->mode, ROUTE_FAILS);
    assert_true(client_open(&client, world_port(world), true));
    client_send_login(&client, "sales", NULL);
    while (atomic_load(&world->last_attempt) < 2)
        world_sleep_ms(1);
    client_close(&client);
    atomic_store(&world->mode, ROUTE_TO_NODE);
}

struct later {
    struct world *world;
    void (*act)(struct world *world);
};

static void *act_later(void *arg)
{
    const struct later *later = arg;
    /* both have tried in vain, or one has and the other, whose tries are counted together with a
     * lost link's, had a second for it */
    for (int ms = 0; atomic_load(&later->world->retried) < 2; ms++) {
        if (ms >= 1000 && atomic_load(&later->world->last_attempt) > 0)
            break;
        world_sleep_ms(1);
    }
    later->act(later->world);
    return NULL;
}

/* Something that happens while logins, encrypted and in clear, wait for it. */
static void log_in_while(struct world *world, const char *database,
                         void (*act)(struct world *world))
{
    static struct client clients[2];
    struct later later = {world, act};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, act_later, &later), 0);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        assert_true(client_open(&clients[encrypted], world_port(world), encrypted));
        client_send_login(&clients[encrypted], database, "SELECT 5");
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login_answer(&clients[i]), 0);
        assert_int_equal(client_read(&clients[i], 5000), 0);
        assert_true(client_has_row(&clients[i], 5));
        client_close(&clients[i]);
    }
    pthread_join(thread, NULL);
}

static void test_a_login_waits_for_its_node(void **state)
{
    struct world *world = *state;
    assert_true(world_stop_node(world, 0));
    log_in_while(world, "", world_start_node);
}

static void come_back(struct world *world)
{
    (void)world;
    atomic_store(&select1_is_away, false);
}

static void test_a_login_waits_for_a_database_that_is_elsewhere(void **state)
{
    atomic_store(&select1_is_away, true);
    log_in_while(*state, "away", come_back);
}

/* A client in clear is handed to the same node again and again, as one socket. */
static void test_a_node_that_refuses_a_login_forgets_its_socket(void **state)
{
    struct world *world = *state;
    struct client client;
    atomic_store(&select1_is_away, true);
    atomic_store(&select1_refused, 0);
    atomic_store(&world->last_attempt, 0);
    assert_true(client_open(&client, world_port(world), false));
    client_send_login(&client, "away", "SELECT 5");
    while (atomic_load(&world->last_attempt) < 6)
        world_sleep_ms(1);
    assert_true(atomic_load(&select1_refused) >= 6); /* it was asked each time */
    atomic_store(&select1_is_away, false);
    assert_int_equal(client_login_answer(&client), 0);
    client_close(&client);
}

static void route_again(struct world *world)
{
    atomic_store(&world->mode, ROUTE_TO_NODE);
}

static void test_a_login_waits_for_the_router(void **state)
{
    struct world *world = *state;
    atomic_store(&world->mode, ROUTE_FAILS);
    log_in_while(world, "", route_again);
}

static void test_sessions_end_with_their_node_and_new_ones_go_to_the_next(void **state)
{
    struct world *world = *state;
    static struct client clients[2];
    for (int encrypted = 0; encrypted < 2; encrypted++)
        assert_int_equal(client_login(&clients[encrypted], world_port(world), encrypted, ""), 0);
    assert_true(world_stop_node(world, 0));
    client_send_batch(&clients[1], "SELECT 1"); /* its front is still there, and waits for that */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_last_word(&clients[i]), 40197);
        client_close(&clients[i]);
    }
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
    world_start_node(world);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        assert_int_equal(client_login(&clients[encrypted], world_port(world), encrypted, ""), 0);
        assert_true(client_select(&clients[encrypted], 6));
        client_close(&clients[encrypted]);
    }
}

/* Here, behind a front, and relayed: what was asked is answered, and the next thing is not. */
static void test_a_session_that_is_over_answers_what_is_asked_next_with_why(void **state)
{
    struct world *world = *state;
    static struct client client;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(client_login(&client, world_port(world), i % 2 == 1, ""), 0);
        client_send_batch(&client, "OVER");
        if (i < 2) /* pipelined */
            client_send_batch(&client, "SELECT 1");
        assert_int_equal(client_read(&client, 5000), 0);
        assert_int_equal(client_error(&client), 0);
        if (i == 2 || i == 3)
            client_send_batch(&client, "SELECT 1");
        if (i > 3)
            client_send_attention(&client);
        assert_int_equal(client_last_word(&client), 596);
        client_close(&client);
    }
    assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
}

/* A request that is told to end says so itself; the grace is over before it would be. */
static void test_requests_that_run_when_a_node_stops_are_told_to_end(void **state)
{
    struct world *world = *state;
    static struct client clients[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_login(&clients[i], world_port(world), i == 1, ""), 0);
        client_send_batch(&clients[i], "WAIT");
    }
    assert_true(world_reaches(world->node, QR_GATEWAY_REQUESTS, 2));
    assert_true(world_stop_node(world, 20));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_last_word(&clients[i]), 40197);
        client_close(&clients[i]);
    }
}

static void *stop_front_slowly(void *arg)
{
    return world_stop_front(arg, 10000) ? arg : NULL;
}

static void test_a_stopping_front_relays_until_the_node_ends_its_sessions(void **state)
{
    struct world *world = *state;
    static struct client client, waiting;
    struct qr_gateway *front = world->front;
    pthread_t thread;
    void *stopped = NULL;
    assert_int_equal(client_login(&client, world_port(world), true, ""), 0);
    atomic_store(&world->mode, ROUTE_FAILS);
    assert_true(client_open(&waiting, world_port(world), true));
    client_send_login(&waiting, "elsewhere", NULL);
    while (atomic_load(&world->last_attempt) == 0)
        world_sleep_ms(1);
    assert_int_equal(pthread_create(&thread, NULL, stop_front_slowly, world), 0);
    assert_int_equal(client_login_answer(&waiting), 40613); /* no login is waited for any more */
    client_close(&waiting);
    assert_true(world_reaches(front, QR_GATEWAY_OPEN, 1));
    for (int i = 0; i < 20; i++)
        assert_true(client_select(&client, i));
    assert_true(world_stop_node(world, 0));
    assert_int_equal(client_last_word(&client), 40197);
    client_close(&client);
    pthread_join(thread, &stopped);
    assert_ptr_equal(stopped, world);
}

static void test_clients_wait_in_the_backlog_of_an_inherited_socket(void **state)
{
    struct world *world = *state;
    assert_true(world_stop_front(world, 0));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    assert_int_equal(bind(fd, (const struct sockaddr *)&in, bytes), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &bytes), 0);
    for (int i = 0; i < 3; i++) {
        static struct client client;
        int early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(early, (const struct sockaddr *)&in, sizeof in), 0);
        world_start_front_at(world, LOGIN_MS, fd);
        assert_int_equal(world_port(world), ntohs(in.sin_port));
        assert_int_equal(client_login(&client, world_port(world), true, ""), 0);
        client_close(&client);
        assert_true(world_metric(world->front, QR_GATEWAY_ACCEPTED) == 2);
        close(early);
        assert_true(world_stop_front(world, 0));
    }
    close(fd);
}

/* What waits for a client that does not read is bounded, and an attention passes it. */
static void test_an_attention_passes_a_result_that_nobody_reads(void **state)
{
    struct world *world = *state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        assert_int_equal(client_login(&client, world_port(world), encrypted, ""), 0);
        client_send_batch(&client, "FLOOD");
        world_sleep_ms(700);
        client_send_attention(&client);
        int64_t bytes = client_skip(&client, 10000);
        assert_in_range(bytes, 1000, 64 * 1024 * 1024);
        assert_true(client_select(&client, 9));
        client_close(&client);
    }
}

static void test_a_client_that_sends_no_more_gets_its_answer_and_the_end(void **state)
{
    struct world *world = *state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        static struct client client;
        assert_int_equal(client_login(&client, world_port(world), encrypted, ""), 0);
        client_send_batch(&client, "SELECT 3");
        shutdown(client.fd, SHUT_WR);
        assert_int_equal(client_read(&client, 5000), 0);
        assert_true(client_has_row(&client, 3));
        assert_int_equal(client_read(&client, 5000), CLIENT_CLOSED);
        client_close(&client);
    }
    assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
}

enum { CROWD = 250 };

static void test_a_thousand_logins_leave_no_descriptor_behind(void **state)
{
    struct world *world = *state;
    struct client *clients = malloc(CROWD * sizeof *clients);
    size_t before = 0;
    assert_non_null(clients);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(client_login(&clients[i], world_port(world), i % 2 == 1, ""), 0);
        assert_int_equal(world_metric(world->front, QR_GATEWAY_RELAYS), CROWD / 2);
        for (int i = 0; i < CROWD; i++) {
            assert_true(client_select(&clients[i], i));
            client_close(&clients[i]);
        }
        assert_true(world_reaches(world->node, QR_GATEWAY_OPEN, 0));
        assert_true(world_reaches(world->front, QR_GATEWAY_OPEN, 0));
        if (round == 0)
            before = world_descriptors(); /* with the idle handoff connections */
    }
    int64_t until = world_now_ms() + 5000;
    while (world_descriptors() > before && world_now_ms() < until)
        world_sleep_ms(1);
    assert_true(world_descriptors() <= before);
    free(clients);
}

int main(void)
{
    world_setup();
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, start_both, end_all)
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_a_session_in_clear_leaves_nothing_at_the_front),
        IN_WORLD(test_an_encrypted_session_is_relayed_until_the_client_leaves),
        IN_WORLD(test_a_batch_sent_with_the_login_is_answered),
        IN_WORLD(test_a_node_s_refusal_has_the_shape_of_a_login_error),
        IN_WORLD(test_a_router_s_refusal_has_the_shape_of_a_login_error),
        IN_WORLD(test_a_route_that_worked_is_taken_while_nobody_can_be_asked),
        IN_WORLD(test_a_login_waits_for_its_node),
        IN_WORLD(test_a_login_waits_for_a_database_that_is_elsewhere),
        IN_WORLD(test_a_node_that_refuses_a_login_forgets_its_socket),
        IN_WORLD(test_a_login_waits_for_the_router),
        IN_WORLD(test_sessions_end_with_their_node_and_new_ones_go_to_the_next),
        IN_WORLD(test_a_session_that_is_over_answers_what_is_asked_next_with_why),
        IN_WORLD(test_requests_that_run_when_a_node_stops_are_told_to_end),
        IN_WORLD(test_a_stopping_front_relays_until_the_node_ends_its_sessions),
        IN_WORLD(test_clients_wait_in_the_backlog_of_an_inherited_socket),
        IN_WORLD(test_an_attention_passes_a_result_that_nobody_reads),
        IN_WORLD(test_a_client_that_sends_no_more_gets_its_answer_and_the_end),
        IN_WORLD(test_a_thousand_logins_leave_no_descriptor_behind),
    };
    int failed = cmocka_run_group_tests_name("gateway/handoff", tests, NULL, NULL);
    world_teardown();
    return failed;
}
