/* ops_bed.h - control over its real sockets, opened and killed again and again over the same
 * metadata; nodes are listeners that keep a set of files. */
#pragma once
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "ctl/peer.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "ops_int.h"
#include "registry_int.h"

enum { FILES_MAX = 64, NODES_MAX = 64, MOVE_BYTES = 25 };
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
        bool runs, registers, is_ready;
    } nodes[NODES_MAX];
    pthread_t registering;
    bool ends; /* that thread */
    size_t node_count;
    pthread_mutex_t listen_mu; /* one listener an address; before mu */
    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* timelines whose files are there */
    char files[FILES_MAX][QR_TIMELINE_TEXT_BYTES + 1];
    size_t file_count;
    uint16_t fail_method; /* refused by every node */
    int fail_wish;        /* the same, of a move; -1: none */
    bool is_marked;       /* the source of a move */
    struct break_point at;
    bool is_dead, cancels;
    uint32_t percent_seen;
};

/* ---- nodes ---- */

static inline size_t file_of(const struct fixture *f, const struct qr_database_row *row) /* held */
{
    size_t i = 0;
    while (i < f->file_count && strcmp(f->files[i], row->timeline) != 0)
        i++;
    return i;
}

static inline void keep_file(struct fixture *f, const struct qr_database_row *row,
                             bool is_there) /* held */
{
    size_t i = file_of(f, row);
    if (is_there && i == f->file_count)
        memcpy(f->files[f->file_count++], row->timeline, sizeof f->files[0]);
    else if (!is_there && i < f->file_count)
        memcpy(f->files[i], f->files[--f->file_count], sizeof f->files[0]);
}

/* A move takes no time. False: it is refused. */
static inline bool serve_move(struct fixture *f, const struct qr_rpc_request *request,
                              uint8_t answer[MOVE_BYTES]) /* held */
{
    struct qr_database_row row, target;
    size_t at = 0;
    assert_int_equal(qr_control_row_next(request->body, request->bytes, &at, &row, NULL), QR_OK);
    assert_int_equal(qr_control_row_next(request->body, request->bytes, &at, &target, NULL), QR_OK);
    uint8_t wish = request->body[at];
    memset(answer, 0, MOVE_BYTES);
    answer[9] = 1;
    if (wish == f->fail_wish)
        return false;
    if (wish == QR_MOVE_FOLLOW)
        answer[0] = QR_MOVE_FOLLOWING;
    if (wish == QR_MOVE_CUT) {
        answer[0] = QR_MOVE_IS_CUT;
        f->is_marked = true;
        if (!qr_database_is_hyper(&target))
            keep_file(f, &target, true);
    }
    if (wish == QR_MOVE_UNDO) {
        assert_int_not_equal(target.state, QR_DATABASE_DROPPED); /* it counts already */
        f->is_marked = false;
    }
    if (wish == QR_MOVE_END)
        assert_int_equal(target.state, QR_DATABASE_DROPPED);
    return true;
}

/* Whoever follows has its files from the first page on. */
static inline void serve_follow(struct fixture *f, const struct qr_rpc_request *request,
                                uint8_t answer[MOVE_BYTES]) /* held */
{
    struct qr_database_row primary, secondary;
    struct qr_follow_state state = {.phase = QR_FOLLOW_CATCH_UP};
    size_t at = 0;
    assert_int_equal(qr_control_row_next(request->body, request->bytes, &at, &primary, NULL),
                     QR_OK);
    assert_int_equal(qr_control_row_next(request->body, request->bytes, &at, &secondary, NULL),
                     QR_OK);
    assert_int_equal(secondary.geo_of, primary.id);
    if (request->body[at] == QR_FOLLOW_CUT)
        state.phase = QR_FOLLOW_IS_CUT;
    if (request->body[at] == QR_FOLLOW_ON)
        keep_file(f, &secondary, true);
    qr_follow_state_put(answer, &state);
}

static inline void serve_node(void *ctx, struct qr_rpc_request *own_request)
{
    struct fixture *f = ctx;
    struct qr_database_row row;
    struct qr_err err = {0};
    uint8_t answer[MOVE_BYTES];
    size_t at = 0;
    bool good =
        qr_control_row_next(own_request->body, own_request->bytes, &at, &row, NULL) == QR_OK;
    pthread_mutex_lock(&f->mu);
    bool fails = !good || own_request->method == f->fail_method;
    if (!fails && (own_request->method == QR_NODE_MAKE || own_request->method == QR_NODE_COPY))
        keep_file(f, &row, true);
    if (!fails && own_request->method == QR_NODE_REMOVE)
        keep_file(f, &row, false);
    if (!fails && own_request->method == QR_NODE_MOVE)
        fails = !serve_move(f, own_request, answer);
    bool follows = own_request->method == QR_NODE_FOLLOW;
    if (!fails && follows)
        serve_follow(f, own_request, answer);
    pthread_mutex_unlock(&f->mu);
    if (!fails) {
        struct iovec iov = {answer, follows ? QR_FOLLOW_BYTES : sizeof answer};
        qr_rpc_answer(own_request, &iov, follows || own_request->method == QR_NODE_MOVE);
        return;
    }
    (void)qr_fail(&err, QR_SQL, "in use");
    err.number = 3702;
    qr_rpc_refuse(own_request, QR_SQL, &err);
}

static inline struct node *node_of(struct fixture *f, const char *name) /* held */
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

static inline enum qr_status listen_as(struct fixture *f, const char *name, struct qr_err *err)
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
static inline enum qr_status want(void *ctx, const char *name, struct qr_err *err)
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
    pthread_mutex_lock(&f->mu);
    node_of(f, name)->registers = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    return QR_OK;
}

static inline struct node *next_to_register(struct fixture *f) /* held */
{
    for (size_t i = 0; i < f->node_count; i++)
        if (f->nodes[i].registers)
            return &f->nodes[i];
    return NULL;
}

/* The gateway's: whatever changes, it knows, so that nobody waits until it says so. */
static inline void know_all(struct fixture *f)
{
    struct qr_control_ask ask = {.version = UINT64_MAX};
    (void)!qr_control_call(qr_rpc_client_peer(f->brief), QR_CONTROL_STATE, &ask, 1000000, NULL,
                           NULL);
}

/* Who wants a node may be a call of control's, so another thread says that it is ready. */
static inline void *register_main(void *arg)
{
    struct fixture *f = arg;
    pthread_mutex_lock(&f->mu);
    while (!f->ends) {
        struct node *node = next_to_register(f);
        if (node == NULL) {
            (void)qr_cond_wait(&f->changed, &f->mu, -1);
            continue;
        }
        node->registers = false;
        struct qr_control_ask ask = {
            .role = QR_ROLE_COMPUTE, .name = qr_str(node->name), .pid = (uint32_t)getpid()};
        pthread_mutex_unlock(&f->mu);
        (void)!qr_control_call(qr_rpc_client_peer(f->brief), QR_CONTROL_REGISTER, &ask, TIME_NS,
                               NULL, NULL);
        if (strcmp(node->name, QR_ROLE_NAME_GATEWAY) == 0)
            know_all(f);
        pthread_mutex_lock(&f->mu);
        node->is_ready = true;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->mu);
    return NULL;
}

static inline void want_and_wait(struct fixture *f, const char *name)
{
    assert_int_equal(want(f, name, NULL), QR_OK);
    pthread_mutex_lock(&f->mu);
    while (!node_of(f, name)->is_ready)
        (void)qr_cond_wait(&f->changed, &f->mu, -1);
    pthread_mutex_unlock(&f->mu);
}

static inline void end(void *ctx, const char *name)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    struct node *node = node_of(f, name);
    bool runs = node->runs;
    node->runs = node->registers = node->is_ready = false;
    pthread_mutex_unlock(&f->mu);
    if (runs)
        qr_control_exited(f->control, name, false);
}

static inline int pid_of(void *ctx, const char *name)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    int pid = node_of(f, name)->runs ? (int)getpid() : 0;
    pthread_mutex_unlock(&f->mu);
    return pid;
}

/* ---- control, opened and killed ---- */

static const char operation_id[] = "00000000-0000-4000-8000-000000000001";

static inline uint32_t percent_seen(struct fixture *f, uint32_t percent) /* the largest so far */
{
    pthread_mutex_lock(&f->mu);
    if (percent > f->percent_seen)
        f->percent_seen = percent;
    percent = f->percent_seen;
    pthread_mutex_unlock(&f->mu);
    return percent;
}

/* A percent that falls is seen here. False: there is no such operation. */
static inline bool look(struct fixture *f, struct qr_operation_row *row)
{
    uint32_t before = percent_seen(f, 0);
    if (qr_operation_get(qr_rpc_client_peer(f->brief), qr_str(operation_id), TIME_NS, row, NULL) !=
        QR_OK)
        return false;
    assert_true(row->percent >= before);
    percent_seen(f, row->percent);
    return true;
}

static inline bool dies(void *ctx, const char *operation, const char *step, bool undoes,
                        bool has_run)
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

static inline enum qr_status new_client(struct fixture *f, const char *name,
                                        struct qr_rpc_client **client)
{
    char address[160];
    snprintf(address, sizeof address, "unix:%s/%s.sock", f->run, name);
    return qr_rpc_client_new(f->loop, &(struct qr_rpc_client_options){.address = address}, client,
                             NULL);
}

static inline void open_control(struct fixture *f, int turn)
{
    snprintf(f->run, sizeof f->run, "%s/run%d", f->dir, turn);
    assert_int_equal(qr_meta_open(f->path, &f->meta, NULL), QR_OK);
    assert_int_equal(qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL), QR_OK);
    if (!qr_registry_has_server(f->registry))
        assert_int_equal(qr_registry_make_server(f->registry, qr_str("server01"), qr_str("boss"),
                                                 qr_str("hash"), NULL, NULL, NULL),
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
    f->ends = false;
    assert_int_equal(pthread_create(&f->registering, NULL, register_main, f), 0);
    struct qr_err err = {0};
    if (qr_control_start(f->control, qr_env_mono_ns(qr_env_real()) + TIME_NS, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static inline void close_control(struct fixture *f)
{
    qr_control_stop(f->control);
    qr_control_free(f->control); /* its threads use the clients */
    pthread_mutex_lock(&f->mu);
    f->ends = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    pthread_join(f->registering, NULL);
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

static inline struct fixture *new_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/dev/shm/qr_test_ops_XXXXXX", 28); /* hundreds of syncs, and no disk to lose */
    if (mkdtemp(f->dir) == NULL) {
        memcpy(f->dir, "/tmp/qr_test_ops_XXXXXX", 24);
        assert_non_null(mkdtemp(f->dir));
    }
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    pthread_mutex_init(&f->listen_mu, NULL);
    pthread_mutex_init(&f->mu, NULL);
    qr_cond_init(&f->changed);
    f->fail_wish = -1;
    open_control(f, 0);
    return f;
}

static inline void free_fixture(struct fixture *f)
{
    char command[128];
    close_control(f);
    snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
}

/* ---- what is there ---- */

static inline enum qr_status operate(struct fixture *f, enum qr_control_method method,
                                     const struct qr_control_ask *ask, struct qr_err *err)
{
    return qr_control_call(qr_rpc_client_peer(f->operate), method, ask, TIME_NS, NULL, err);
}

static inline bool find(struct fixture *f, const char *name, struct qr_database_row *row)
{
    return qr_registry_find_database(f->registry, 0, qr_str(name), row) == QR_OK;
}

/* "src" has files; "b" has them in processes of its own; "h" is Hyperscale, with a process and one
 * HA replica; "m" is Hyperscale and was not always. */
static inline void prepare(struct fixture *f)
{
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale"), .ha_replicas = 2};
    assert_int_equal(
        operate(f, QR_CONTROL_CREATE, &(struct qr_control_ask){.name = qr_str("src")}, NULL),
        QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    char node[QR_NODE_NAME_BYTES];
    qr_place_node(&row, node);
    want_and_wait(f, node);
    wish = (struct qr_database_wish){.edition = qr_str("BusinessCritical")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("b"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(qr_registry_begin_reign(f->registry, row.id, 0, 1, NULL), QR_OK);
    assert_int_equal(qr_registry_set_members(f->registry, row.id, 0, 2, 7, NULL), QR_OK);
    pthread_mutex_lock(&f->mu);
    keep_file(f, &row, true);
    pthread_mutex_unlock(&f->mu);
    qr_place_node(&row, node);
    want_and_wait(f, node);
    struct qr_database_row target;
    struct qr_database_wish moved = {.edition = qr_str("Hyperscale")};
    assert_int_equal(
        qr_registry_add_database(f->registry, 0, qr_str("m"),
                                 &(struct qr_database_wish){.edition = qr_str("GeneralPurpose")},
                                 &row, NULL),
        QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    struct qr_database_row wanted = row;
    assert_int_equal(qri_wish_apply(&moved, NULL, &wanted, NULL), QR_OK);
    assert_int_equal(qr_registry_add_target(f->registry, &wanted, &target, NULL), QR_OK);
    assert_int_equal(qr_registry_switch(f->registry, row.id, target.id, NULL), QR_OK);
}

static inline void assert_whole(struct fixture *f)
{
    struct qr_database_row row;
    size_t with_files = 0;
    for (size_t i = 0; qr_registry_database_at(f->registry, i, &row); i++) {
        assert_true(row.state == QR_DATABASE_ONLINE || row.state == QR_DATABASE_DROPPED ||
                    (row.state == QR_DATABASE_PURGING && row.moved_to != 0));
        if ((row.state != QR_DATABASE_ONLINE && row.leftovers == 0) || qr_database_is_hyper(&row))
            continue;
        if (row.leftovers != 0 && file_of(f, &row) == f->file_count)
            continue; /* gone, and nobody has said so yet */
        assert_true(file_of(f, &row) < f->file_count);
        with_files++;
    }
    assert_int_equal(with_files, f->file_count);
}
