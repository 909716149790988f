/* Goal: an operation whose control was killed in any of its steps ends at the next start, done or
 * undone as a whole, and its percent never falls. Method: walk the tables of steps; in each, before
 * and behind it, forwards and backwards, the thread that runs it stops for good; control is opened
 * anew over the same metadata; nodes are a set of files that a listener keeps. */
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "ctl/peer.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "ops_int.h"

enum { FILES_MAX = 64, NODES_MAX = 64 };
static const int64_t TIME_NS = INT64_C(60) * 1000000000;

struct break_point {
    const char *operation, *step;
    bool undoes, has_run;
};

struct fixture {
    char dir[64], path[96], run[96];
    struct qr_meta *meta;
    struct qr_registry *registry;
    struct qr_control *control;
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *brief, *operate;
    struct node {
        char name[QR_NODE_NAME_BYTES];
        struct qr_rpc_listener *listener;
        bool runs;
    } nodes[NODES_MAX];
    size_t node_count;
    pthread_mutex_t listen_mu; /* one listener an address; before mu */
    pthread_mutex_t mu;
    pthread_cond_t changed;
    uint32_t files[FILES_MAX]; /* ids of databases whose files are there */
    size_t file_count;
    uint16_t fail_method; /* refused by every node */
    struct break_point at;
    bool is_dead, cancels;
    uint32_t percent_seen;
};

/* ---- nodes ---- */

static void keep_file(struct fixture *f, uint32_t id, bool is_there) /* held */
{
    size_t i = 0;
    while (i < f->file_count && f->files[i] != id)
        i++;
    if (is_there && i == f->file_count)
        f->files[f->file_count++] = id;
    else if (!is_there && i < f->file_count)
        f->files[i] = f->files[--f->file_count];
}

static void serve_node(void *ctx, struct qr_rpc_request *own_request)
{
    struct fixture *f = ctx;
    struct qr_database_row row;
    struct qr_err err = {0};
    size_t at = 0;
    bool good =
        qr_control_row_next(own_request->body, own_request->bytes, &at, &row, NULL) == QR_OK;
    pthread_mutex_lock(&f->mu);
    bool fails = !good || own_request->method == f->fail_method;
    if (!fails && (own_request->method == QR_NODE_MAKE || own_request->method == QR_NODE_COPY))
        keep_file(f, row.id, true);
    if (!fails && own_request->method == QR_NODE_REMOVE)
        keep_file(f, row.id, false);
    pthread_mutex_unlock(&f->mu);
    if (!fails) {
        qr_rpc_answer(own_request, NULL, 0);
        return;
    }
    (void)qr_fail(&err, QR_SQL, "in use");
    err.number = 3702;
    qr_rpc_refuse(own_request, QR_SQL, &err);
}

static struct node *node_of(struct fixture *f, const char *name) /* held */
{
    size_t i = 0;
    while (i < f->node_count && strcmp(f->nodes[i].name, name) != 0)
        i++;
    if (i == f->node_count) {
        assert_true(i < NODES_MAX);
        snprintf(f->nodes[f->node_count++].name, QR_NODE_NAME_BYTES, "%s", name);
    }
    return &f->nodes[i];
}

static enum qr_status listen_as(struct fixture *f, const char *name, struct qr_err *err)
{
    char address[160];
    struct qr_rpc_listener *listener = NULL;
    pthread_mutex_lock(&f->listen_mu);
    pthread_mutex_lock(&f->mu);
    bool listens = node_of(f, name)->listener != NULL;
    pthread_mutex_unlock(&f->mu);
    snprintf(address, sizeof address, "unix:%s/%s.node", f->run, name);
    struct qr_rpc_listen_options listen = {.address = address, .serve = serve_node, .ctx = f};
    enum qr_status status = listens ? QR_OK : qr_rpc_listen(f->loop, &listen, &listener, err);
    pthread_mutex_lock(&f->mu);
    if (listener != NULL)
        node_of(f, name)->listener = listener;
    pthread_mutex_unlock(&f->mu);
    pthread_mutex_unlock(&f->listen_mu);
    return status;
}

/* A process that is there at once. */
static enum qr_status want(void *ctx, const char *name, struct qr_err *err)
{
    struct fixture *f = ctx;
    QR_TRY(listen_as(f, name, err));
    pthread_mutex_lock(&f->mu);
    struct node *node = node_of(f, name);
    bool runs = node->runs;
    node->runs = true;
    pthread_mutex_unlock(&f->mu);
    if (runs)
        return QR_OK;
    struct qr_control_ask ask = {
        .role = QR_ROLE_COMPUTE, .name = qr_str(name), .pid = (uint32_t)getpid()};
    return qr_control_call(qr_rpc_client_peer(f->brief), QR_CONTROL_REGISTER, &ask, TIME_NS, NULL,
                           err);
}

static void end(void *ctx, const char *name)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    struct node *node = node_of(f, name);
    bool runs = node->runs;
    node->runs = false;
    pthread_mutex_unlock(&f->mu);
    if (runs)
        qr_control_exited(f->control, name, false);
}

static int pid_of(void *ctx, const char *name)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    int pid = node_of(f, name)->runs ? (int)getpid() : 0;
    pthread_mutex_unlock(&f->mu);
    return pid;
}

/* ---- control, opened and killed ---- */

static const char operation_id[] = "00000000-0000-4000-8000-000000000001";

static uint32_t percent_seen(struct fixture *f, uint32_t percent) /* the largest so far */
{
    pthread_mutex_lock(&f->mu);
    if (percent > f->percent_seen)
        f->percent_seen = percent;
    percent = f->percent_seen;
    pthread_mutex_unlock(&f->mu);
    return percent;
}

/* A percent that falls is seen here. False: there is no such operation. */
static bool look(struct fixture *f, struct qr_operation_row *row)
{
    uint32_t before = percent_seen(f, 0);
    if (qr_operation_get(qr_rpc_client_peer(f->brief), qr_str(operation_id), TIME_NS, row, NULL) !=
        QR_OK)
        return false;
    assert_true(row->percent >= before);
    percent_seen(f, row->percent);
    return true;
}

static bool dies(void *ctx, const char *operation, const char *step, bool undoes, bool has_run)
{
    struct fixture *f = ctx;
    struct qr_operation_row row;
    if (f->at.operation == NULL || strcmp(operation, f->at.operation) != 0)
        return false;
    bool is_known = qr_operation_get(qr_rpc_client_peer(f->brief), qr_str(operation_id), TIME_NS,
                                     &row, NULL) == QR_OK;
    if (is_known && f->cancels && !undoes && !has_run && row.is_cancellable)
        assert_int_equal(
            qr_operation_cancel(qr_rpc_client_peer(f->brief), qr_str(operation_id), TIME_NS, NULL),
            QR_OK);
    if (is_known) /* right before the death, whoever else looks */
        percent_seen(f, row.percent);
    if (strcmp(step, f->at.step) != 0 || undoes != f->at.undoes || has_run != f->at.has_run)
        return false;
    pthread_mutex_lock(&f->mu);
    f->is_dead = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    return true;
}

static enum qr_status new_client(struct fixture *f, const char *name, struct qr_rpc_client **client)
{
    char address[160];
    snprintf(address, sizeof address, "unix:%s/%s.sock", f->run, name);
    return qr_rpc_client_new(f->loop, &(struct qr_rpc_client_options){.address = address}, client,
                             NULL);
}

static void open_control(struct fixture *f, int turn)
{
    snprintf(f->run, sizeof f->run, "%s/run%d", f->dir, turn);
    assert_int_equal(qr_meta_open(f->path, &f->meta, NULL), QR_OK);
    assert_int_equal(qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL), QR_OK);
    if (!qr_registry_has_server(f->registry))
        assert_int_equal(qr_registry_make_server(f->registry, qr_str("server01"), qr_str("boss"),
                                                 qr_str("hash"), NULL),
                         QR_OK);
    struct qr_control_options options = {
        .env = qr_env_real(),
        .registry = f->registry,
        .run_dir = f->run,
        .host = {.ctx = f, .want = want, .end = end, .pid = pid_of},
        .dies = dies,
        .dies_ctx = f,
    };
    assert_int_equal(qr_control_new(&options, &f->control, NULL), QR_OK);
    assert_int_equal(
        qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &f->loop, NULL),
        QR_OK);
    assert_int_equal(new_client(f, "control", &f->brief), QR_OK);
    assert_int_equal(new_client(f, "operate", &f->operate), QR_OK);
    struct qr_err err = {0};
    if (qr_control_start(f->control, qr_env_mono_ns(qr_env_real()) + TIME_NS, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static void close_control(struct fixture *f)
{
    qr_control_stop(f->control);
    qr_control_free(f->control); /* its threads use the clients */
    qr_rpc_client_free(f->brief);
    qr_rpc_client_free(f->operate);
    for (size_t i = 0; i < f->node_count; i++)
        qr_rpc_listener_free(f->nodes[i].listener);
    qr_rpc_loop_free(f->loop);
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    memset(f->nodes, 0, sizeof f->nodes);
    f->node_count = 0;
}

static struct fixture *new_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/tmp/qr_test_ops_XXXXXX", 24);
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    pthread_mutex_init(&f->listen_mu, NULL);
    pthread_mutex_init(&f->mu, NULL);
    qr_cond_init(&f->changed);
    open_control(f, 0);
    return f;
}

static void free_fixture(struct fixture *f)
{
    char command[128];
    close_control(f);
    snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
}

/* ---- what is there ---- */

static enum qr_status operate(struct fixture *f, enum qr_control_method method,
                              const struct qr_control_ask *ask, struct qr_err *err)
{
    return qr_control_call(qr_rpc_client_peer(f->operate), method, ask, TIME_NS, NULL, err);
}

static bool find(struct fixture *f, const char *name, struct qr_database_row *row)
{
    return qr_registry_find_database(f->registry, qr_str(name), row) == QR_OK;
}

/* "src" has files; "h" is Hyperscale, with a process and one HA replica. */
static void prepare(struct fixture *f)
{
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    assert_int_equal(
        operate(f, QR_CONTROL_CREATE, &(struct qr_control_ask){.name = qr_str("src")}, NULL),
        QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, qr_str("h"), &wish, &row, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    char node[QR_NODE_NAME_BYTES];
    qr_place_node(&row, node);
    assert_int_equal(want(f, node, NULL), QR_OK);
}

static void assert_whole(struct fixture *f)
{
    struct qr_database_row row;
    size_t with_files = 0;
    for (size_t i = 0; qr_registry_database_at(f->registry, i, &row); i++) {
        assert_true(row.state == QR_DATABASE_ONLINE || row.state == QR_DATABASE_DROPPED);
        if (row.state != QR_DATABASE_ONLINE || qr_database_is_hyper(&row))
            continue;
        size_t at = 0;
        while (at < f->file_count && f->files[at] != row.id)
            at++;
        assert_true(at < f->file_count);
        with_files++;
    }
    assert_int_equal(with_files, f->file_count);
}

/* ---- the operations that are walked ---- */

static bool is_there(struct fixture *f, const char *name)
{
    struct qr_database_row row;
    return find(f, name, &row);
}
static bool new_is_there(struct fixture *f)
{
    return is_there(f, "new");
}
static bool src_is_larger(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "src", &row));
    return strcmp(row.objective, "GP_Gen5_4") == 0;
}
static bool h_is_larger(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "h", &row));
    return strcmp(row.objective, "HS_Gen5_8") == 0;
}
static bool src_is_gone(struct fixture *f)
{
    return !is_there(f, "src");
}
static bool h_is_gone(struct fixture *f)
{
    return !is_there(f, "h");
}
static bool new_is_gone(struct fixture *f)
{
    return !is_there(f, "new");
}
static bool always(struct fixture *f)
{
    return is_there(f, "h");
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
static const struct scenario {
    enum qr_operation_kind kind;
    enum qr_control_method method;
    struct qr_control_ask ask;
    bool (*is_done)(struct fixture *f);
    uint16_t
        fails_by; /* a node's refusal makes it fail; 0: it can be cancelled instead, or neither */
    bool same_undone; /* is_done says the same of both */
} scenarios[] = {
    /* clang-format off */
    {QR_OPERATION_CREATE,      QR_CONTROL_CREATE,      {.name = NAME("new")}, new_is_there, QR_NODE_MAKE, false},
    {QR_OPERATION_COPY,        QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src")}, new_is_there, QR_NODE_COPY, false},
    {QR_OPERATION_RESTORE,     QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src"), .restore_wall_ns = 1}, new_is_there, 0, false},
    {QR_OPERATION_ADD_REPLICA, QR_CONTROL_ADD_REPLICA, {.name = NAME("h"), .new_name = NAME("new")}, new_is_there, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("src"), .objective = NAME("GP_Gen5_4")}, src_is_larger, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("h"), .objective = NAME("HS_Gen5_8")}, h_is_larger, 0, false},
    {QR_OPERATION_RENAME,      QR_CONTROL_RENAME,      {.name = NAME("src"), .new_name = NAME("new")}, new_is_there, 0, false},
    {QR_OPERATION_DROP,        QR_CONTROL_DROP,        {.name = NAME("src")}, src_is_gone, QR_NODE_HOLD, false},
    {QR_OPERATION_DROP,        QR_CONTROL_DROP,        {.name = NAME("h")}, h_is_gone, QR_NODE_HOLD, false},
    {QR_OPERATION_FAILOVER,    QR_CONTROL_FAILOVER,    {.name = NAME("h")}, always, 0, true},
    {QR_OPERATION_VERIFY,      QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src"), .verify = true}, new_is_gone, QR_NODE_CHECK, true},
    /* clang-format on */
};
enum { SCENARIO_COUNT = sizeof scenarios / sizeof scenarios[0] };

static void wait_for_death_or_end(struct fixture *f)
{
    struct qr_operation_row row;
    bool over = false;
    while (!over) {
        pthread_mutex_lock(&f->mu);
        over = f->is_dead;
        pthread_mutex_unlock(&f->mu);
        over = over || (look(f, &row) && qr_operation_is_over(row.state));
        if (!over)
            qr_env_sleep_ns(qr_env_real(), 1000000);
    }
}

static void start(struct fixture *f, const struct scenario *s)
{
    struct qr_control_ask ask = s->ask;
    struct qr_operation_row row;
    struct qr_err err = {0};
    ask.operation_id = qr_str(operation_id);
    if (ask.restore_wall_ns != 0)
        ask.restore_wall_ns = (uint64_t)qr_env_wall_ns(qr_env_real());
    if (qr_operation_start(qr_rpc_client_peer(f->operate), s->method, &ask, TIME_NS, &row, &err) !=
        QR_OK)
        fail_msg("%s: %s", qri_op_kinds[s->kind].name, err.text);
    assert_int_equal(row.kind, s->kind);
}

/* True: it died there. */
static bool walk(const struct scenario *s, const struct break_point *at, bool fails)
{
    struct fixture *f = new_fixture();
    struct qr_operation_row row;
    prepare(f);
    f->fail_method = fails ? s->fails_by : 0;
    f->cancels = fails && s->fails_by == 0;
    f->at = *at;
    start(f, s);
    wait_for_death_or_end(f);
    bool died = f->is_dead;
    close_control(f); /* and everybody dies with it */
    f->at.operation = NULL;
    f->fail_method = at->undoes ? 0 : f->fail_method;
    open_control(f, 1);
    f->is_dead = false;
    wait_for_death_or_end(f);
    assert_true(look(f, &row));
    assert_int_equal(row.percent, 100);
    bool done = row.state == QR_OPERATION_SUCCEEDED;
    if (at->undoes)
        assert_false(done);
    if (!fails)
        assert_true(done);
    assert_true(s->same_undone || s->is_done(f) == done);
    assert_whole(f);
    free_fixture(f);
    return died;
}

static void test_an_operation_killed_in_any_step_goes_on(void **state)
{
    (void)state;
    int deaths = 0;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        const struct qri_op_kind *kind = &qri_op_kinds[scenarios[i].kind];
        for (size_t step = 0; kind->steps[step].name != NULL; step++) {
            for (int has_run = 0; has_run < 2; has_run++) {
                struct break_point at = {kind->name, kind->steps[step].name, false, has_run != 0};
                assert_true(walk(&scenarios[i], &at, false));
                deaths++;
            }
        }
    }
    printf("%d deaths\n", deaths);
}

static void test_an_operation_killed_while_it_is_undone_leaves_nothing(void **state)
{
    (void)state;
    int deaths = 0;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        const struct qri_op_kind *kind = &qri_op_kinds[scenarios[i].kind];
        if (scenarios[i].fails_by == 0 && !kind->steps[0].is_cancellable)
            continue;
        for (int has_run = 0; has_run < 2; has_run++) {
            struct break_point at = {kind->name, kind->steps[0].name, true, has_run != 0};
            assert_true(walk(&scenarios[i], &at, true));
            deaths++;
        }
    }
    printf("%d deaths\n", deaths);
}

static void test_every_kind_is_walked_and_its_table_is_sound(void **state)
{
    (void)state;
    for (int kind = 1; kind < QR_OPERATION_KIND_COUNT; kind++) {
        const struct qri_op_kind *k = &qri_op_kinds[kind];
        bool walked = false, is_final = false;
        uint8_t percent = 0;
        for (size_t i = 0; i < SCENARIO_COUNT; i++)
            walked |= scenarios[i].kind == (enum qr_operation_kind)kind;
        assert_true(walked);
        assert_true(k->name != NULL && k->begin != NULL && k->steps[0].name != NULL);
        for (size_t i = 0; k->steps[i].name != NULL; i++) {
            assert_true(i < QRI_STEPS_MAX);
            assert_true(k->steps[i].percent > percent && k->steps[i].percent < 100);
            assert_true(!is_final || k->steps[i].is_final); /* no way back later on */
            assert_false(k->steps[i].is_final && k->steps[i].is_cancellable);
            is_final = k->steps[i].is_final;
            percent = k->steps[i].percent;
        }
        assert_true(qr_operation_info((enum qr_operation_kind)kind)->sql_name[0] != '\0');
    }
}

/* ---- what is refused, and what is asked twice ---- */

static int number_of(struct fixture *f, enum qr_control_method method, struct qr_control_ask ask)
{
    struct qr_err err = {0};
    struct qr_operation_row row;
    enum qr_status status =
        qr_operation_start(qr_rpc_client_peer(f->operate), method, &ask, TIME_NS, &row, &err);
    return status == QR_OK ? 0 : status == QR_SQL ? err.number : -(int)status;
}

static void test_a_second_operation_on_a_database_is_refused(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_control_ask larger = {.name = qr_str("src"), .objective = qr_str("GP_Gen5_4")};
    (void)state;
    prepare(f);
    f->at = (struct break_point){"update", "prepare", false, false}; /* it stands still there */
    start(f, &scenarios[4]);
    wait_for_death_or_end(f);
    assert_int_equal(number_of(f, QR_CONTROL_ALTER, larger), 40802);
    assert_int_equal(number_of(f, QR_CONTROL_DROP, (struct qr_control_ask){.name = qr_str("src")}),
                     45182);
    assert_int_equal(
        number_of(f, QR_CONTROL_RENAME,
                  (struct qr_control_ask){.name = qr_str("src"), .new_name = qr_str("other")}),
        45182);
    assert_int_equal(
        number_of(f, QR_CONTROL_ALTER,
                  (struct qr_control_ask){.name = qr_str("h"), .objective = qr_str("HS_Gen5_4")}),
        0);
    larger.operation_id = qr_str(operation_id); /* the same again starts nothing */
    assert_int_equal(number_of(f, QR_CONTROL_ALTER, larger), 0);
    free_fixture(f);
}

static void test_a_drop_cancels_a_create_that_runs(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_database_row row;
    (void)state;
    prepare(f);
    f->at = (struct break_point){"create", "storage", false, false};
    start(f, &scenarios[0]);
    wait_for_death_or_end(f);
    assert_int_equal(number_of(f, QR_CONTROL_DROP, (struct qr_control_ask){.name = qr_str("new")}),
                     40812);
    assert_true(find(f, "new", &row));
    assert_int_equal(row.state, QR_DATABASE_CREATING);
    free_fixture(f);
}

static void test_what_a_cancel_is_told(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_err err = {0};
    (void)state;
    prepare(f);
    struct qr_rpc_peer *peer = qr_rpc_client_peer(f->brief);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 45184);
    f->at = (struct break_point){"rename", "record", false, true};
    start(f, &scenarios[6]);
    wait_for_death_or_end(f);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 45148);
    close_control(f);
    f->at.operation = NULL;
    open_control(f, 1);
    f->is_dead = false;
    wait_for_death_or_end(f);
    peer = qr_rpc_client_peer(f->brief);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 40811);
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_walked_and_its_table_is_sound),
        cmocka_unit_test(test_a_second_operation_on_a_database_is_refused),
        cmocka_unit_test(test_a_drop_cancels_a_create_that_runs),
        cmocka_unit_test(test_what_a_cancel_is_told),
        cmocka_unit_test(test_an_operation_killed_in_any_step_goes_on),
        cmocka_unit_test(test_an_operation_killed_while_it_is_undone_leaves_nothing),
    };
    return cmocka_run_group_tests_name("ctl/ops", tests, NULL, NULL);
}
