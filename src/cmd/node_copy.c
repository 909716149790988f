/* node_copy.c - see node_int.h: one copy of a Business Critical or Premium database in its process.
 *
 * The primary reaches the others at NAME.copy in the run directory. A secondary opens its database
 * to readers when it has caught up; the record of who has is in the database's row. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/thread.h"
#include "node_int.h"
#include "store/copies.h"
#include "base/banned.h"

enum { WORKER_STACK_BYTES = 1 << 20, ADDRESS_BYTES = 256 };
static const int64_t ASK_NS = INT64_C(5) * 1000000000, LOOK_NS = 200000000,
                     BACKOFF_MAX_NS = 50000000, MEND_NS = 1000000000;

struct qri_copy_node {
    struct qri_node *node;
    uint32_t database_id, own;
    bool opened; /* its own files, which is when it asks for its reign */
    char mark[QR_STORE_PATH_BYTES_MAX + 16]; /* a file: pages of this copy are damaged */
    pthread_mutex_t mu;                      /* guards up to `stops`; a leaf */
    pthread_cond_t changed;
    struct qr_err damage; /* of the first one */
    bool hurt, stops;
    bool mends; /* `mender` runs */
    pthread_t mender;
    struct qr_member *member;
    struct qr_rpc_loop *loop;
    struct qr_rpc_listener *listener;
    struct qr_rpc_client *others[QR_COPIES_MAX];
};

const char *qri_copy_path(const struct qri_datadir *dir, struct qr_arena *arena,
                          const struct qr_database_row *row, uint32_t member)
{
    const char *name = row->timeline;
    if (member != 0)
        name = qr_arena_printf(arena, "%s.r%u", row->timeline, member);
    return name == NULL ? NULL : qri_database_path(dir, arena, name);
}

/* ---- the record ---- */

static enum qr_status reign(void *ctx, uint64_t above, uint64_t *ret_epoch, uint32_t *ret_recorded,
                            struct qr_err *err)
{
    struct qri_copy_node *c = ctx;
    const struct qri_node_options *o = &c->node->options;
    struct qr_control_ask ask = {.name = qr_str(o->name), .version = above};
    c->opened = true;
    struct qr_database_row row;
    QR_TRY(qr_control_call(o->operate, QR_CONTROL_REIGN, &ask, ASK_NS, NULL, err));
    QR_TRY(qr_control_find(o->control, 0, qr_str(""), c->database_id, ASK_NS, &row, err));
    if (row.primary != c->own) /* another one was faster */
        return qr_fail(err, QR_FENCED, "member %u is the primary", row.primary);
    *ret_epoch = row.epoch;
    *ret_recorded = row.members;
    return QR_OK;
}

static enum qr_status record(void *ctx, uint64_t epoch, uint32_t members, struct qr_err *err)
{
    const struct qri_copy_node *c = ctx;
    const struct qri_node_options *o = &c->node->options;
    struct qr_control_ask ask = {.name = qr_str(o->name), .version = epoch, .slices = members};
    return qr_control_call(o->operate, QR_CONTROL_MEMBERS, &ask, ASK_NS, NULL, err);
}

/* ---- opening ---- */

/* Its supervisor starts another, which sees what is valid of what is there. */
static void start_anew(void *ctx)
{
    const struct qri_copy_node *c = ctx;
    qr_log_event(&c->node->options.log, QR_INFO, "copy_begins_anew", NULL);
    _exit(QRI_EXIT_FATAL);
}

static enum qr_status make_address(const struct qri_copy_node *c, const struct qr_database_row *row,
                                   uint32_t member, char dst[ADDRESS_BYTES], struct qr_err *err)
{
    char name[QR_NODE_NAME_BYTES];
    qr_place_member(row, member, name);
    int n = snprintf(dst, ADDRESS_BYTES, "unix:%s/%s.copy", c->node->options.run_dir, name);
    return n > 0 && n < ADDRESS_BYTES ? QR_OK
                                      : qr_fail(err, QR_TOO_BIG, "a copy's address is too long");
}

static enum qr_status open_links(struct qri_copy_node *c, const struct qr_database_row *row,
                                 struct qr_err *err)
{
    char address[ADDRESS_BYTES];
    struct qr_rpc_loop_options loop = {
        .env = c->node->options.env, .log = &c->node->options.log, .name = "copies"};
    QR_TRY(qr_rpc_loop_new(&loop, &c->loop, err));
    for (uint32_t i = 0; i < QR_COPIES_MAX; i++) {
        struct qr_rpc_client_options client = {.address = address,
                                               .backoff_max_ns = BACKOFF_MAX_NS};
        QR_TRY(make_address(c, row, i, address, err));
        if (i != c->own && row->geo_of == 0) /* a geo-secondary is told by somebody else */
            QR_TRY(qr_rpc_client_new(c->loop, &client, &c->others[i], err));
    }
    struct qr_rpc_listen_options listen = {.address = address,
                                           .serve = qr_member_serve,
                                           .ctx = c->member,
                                           .workers = 1,
                                           .worker_stack_bytes = WORKER_STACK_BYTES};
    QR_TRY(make_address(c, row, c->own, address, err));
    return qr_rpc_listen(c->loop, &listen, &c->listener, err);
}

static enum qr_status promote(struct qri_copy_node *c, struct qr_store **ret_store,
                              struct qr_err *err)
{
    struct qr_copies_options options = {.own = c->own, .reign = reign, .record = record, .ctx = c};
    for (uint32_t i = 0; i < QR_COPIES_MAX; i++)
        if (c->others[i] != NULL)
            options.peers[i] = qr_rpc_client_peer(c->others[i]);
    return qr_member_promote(c->member, &options, ret_store, err);
}

/* Its own files are damaged, or gone: another copy has all of it. */
static enum qr_status give_way(const struct qri_copy_node *c, enum qr_status status)
{
    const struct qri_node_options *o = &c->node->options;
    struct qr_control_ask ask = {.name = qr_str(o->name)};
    struct qr_err err = {0};
    bool hurt = status == QR_CORRUPT || status == QR_NOT_FOUND || status == QR_IO;
    if (c->opened || !hurt)
        return status;
    status = qr_control_call(o->operate, QR_CONTROL_UNFIT, &ask, ASK_NS, NULL, &err);
    if (status != QR_OK)
        QR_LOG(&o->log, QR_WARN, "copy_kept_primary", QR_F("status", qr_status_info(status)->name),
               QR_F("reason", &err.text[0]));
    return status;
}

static bool is_told_to_end(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static enum qr_status wait_for_primary(struct qri_copy_node *c, struct qr_store **ret_store,
                                       struct qr_err *err)
{
    enum qr_status status;
    do
        status = is_told_to_end() ? qr_fail(err, QR_CANCELLED, "it is being stopped")
                                  : qr_member_wait(c->member, LOOK_NS, ret_store, err);
    while (status == QR_TIMEOUT);
    return status;
}

/* ---- a damaged page ---- */

/* Commits wait for another one, so it has all of this one, or this one is a secondary. */
static bool is_spare(struct qri_copy_node *c)
{
    struct qr_copy_info others[QR_COPIES_MAX];
    size_t count = qr_member_list(c->member, others), synchronous = 0;
    for (size_t i = 0; i < count; i++)
        synchronous += others[i].state == QR_COPY_SYNCHRONOUS;
    return count == 0 || synchronous > 0;
}

/* Gives the copy up: its process comes back, has it made again and is a secondary. */
static void *mend(void *arg)
{
    struct qri_copy_node *c = arg;
    const struct qri_node_options *o = &c->node->options;
    struct qr_err err = {0};
    pthread_mutex_lock(&c->mu);
    while (!c->stops) {
        if (!c->hurt) {
            (void)qr_cond_wait(&c->changed, &c->mu, -1);
            continue;
        }
        pthread_mutex_unlock(&c->mu);
        if (is_spare(c)) {
            const char *text = c->damage.text;
            enum qr_status status = qr_env_replace_file(o->env, c->mark, text, strlen(text), &err);
            QR_LOG(&o->log, QR_WARN, "copy_damaged", QR_F("reason", text),
                   QR_F("status", qr_status_info(status)->name));
            if (status == QR_OK)
                _exit(QRI_EXIT_FATAL);
        }
        pthread_mutex_lock(&c->mu);
        if (!c->stops)
            (void)qr_cond_wait(&c->changed, &c->mu, MEND_NS);
    }
    pthread_mutex_unlock(&c->mu);
    return NULL;
}

static void page_damaged(void *ctx, const struct qr_err *err)
{
    struct qri_copy_node *c = ctx;
    pthread_mutex_lock(&c->mu);
    if (!c->hurt)
        c->damage = *err;
    c->hurt = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mu);
}

/* What an earlier process found. A secondary gets all of it; a primary gives way, unless nobody
 * else has it: then it goes on with what it has. */
static enum qr_status look_at_mark(struct qri_copy_node *c, bool *ret_damaged, struct qr_err *err)
{
    const struct qri_node_options *o = &c->node->options;
    struct qr_buf text;
    qr_buf_init(&text, sizeof c->damage.text);
    enum qr_status status = qr_env_read_file(o->env, c->mark, &text, NULL);
    qr_buf_done(&text);
    *ret_damaged = status != QR_NOT_FOUND;
    if (!*ret_damaged || atomic_load(&c->node->duty) != QR_DUTY_PRIMARY)
        return QR_OK;
    if (give_way(c, QR_CORRUPT) == QR_OK)
        return qr_fail(err, QR_CORRUPT, "this copy has damaged pages; another one is the primary");
    *ret_damaged = false;
    return qr_env_unlink(o->env, c->mark, err);
}

/* A geo-secondary is its only copy. */
static enum qr_status watch_pages(struct qri_copy_node *c, const struct qr_database_row *row,
                                  const char *path, struct qr_store_options *options,
                                  bool *ret_damaged, struct qr_err *err)
{
    snprintf(c->mark, sizeof c->mark, "%s/damaged", path);
    if (row->geo_of != 0)
        return QR_OK;
    QR_TRY(look_at_mark(c, ret_damaged, err));
    options->page_damaged = page_damaged;
    options->page_damaged_ctx = c;
    QR_TRY(qr_thread_start("qr-mend", 0, mend, c, &c->mender, err));
    c->mends = true;
    return QR_OK;
}

/* ---- opening and closing ---- */

enum qr_status qri_copy_open(struct qri_node *node, const struct qr_database_row *row,
                             const struct qr_store_options *options, const char *path,
                             struct qr_store **ret_store, struct qr_err *err)
{
    struct qri_copy_node *c = calloc(1, sizeof *c);
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "open a copy");
    *c = (struct qri_copy_node){
        .node = node, .database_id = row->id, .own = qr_place_member_of(node->options.name)};
    node->copy = c;
    pthread_mutex_init(&c->mu, NULL);
    qr_cond_init(&c->changed);
    struct qr_store_options watched = *options;
    struct qr_member_options member = {
        .dir = path, .store = &watched, .start_anew = start_anew, .ctx = c};
    QR_TRY(watch_pages(c, row, path, &watched, &member.damaged, err));
    QR_TRY(qr_member_new(&member, &c->member, err));
    QR_TRY(open_links(c, row, err));
    if (atomic_load(&node->duty) != QR_DUTY_PRIMARY)
        return wait_for_primary(c, ret_store, err);
    enum qr_status status = promote(c, ret_store, err);
    if (status != QR_OK)
        (void)!give_way(c, status);
    return status;
}

enum qr_status qri_copy_promote(struct qri_node *node, struct qr_err *err)
{
    struct qr_store *store = NULL;
    return promote(node->copy, &store, err);
}

static void stop_mending(struct qri_copy_node *c)
{
    if (!c->mends)
        return;
    pthread_mutex_lock(&c->mu);
    c->stops = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mu);
    pthread_join(c->mender, NULL);
    c->mends = false;
}

void qri_copy_stop(struct qri_node *node)
{
    if (node->copy == NULL)
        return;
    stop_mending(node->copy);
    qr_member_stop(node->copy->member);
    qr_rpc_listener_free(node->copy->listener);
    node->copy->listener = NULL;
}

void qri_copy_close(struct qri_node *node)
{
    struct qri_copy_node *c = node->copy;
    if (c == NULL)
        return;
    qri_copy_stop(node);
    qr_member_free(c->member);
    for (uint32_t i = 0; i < QR_COPIES_MAX; i++)
        qr_rpc_client_free(c->others[i]);
    qr_rpc_loop_free(c->loop);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
    free(c);
    node->copy = NULL;
}

size_t qri_copy_list(struct qri_node *node, struct qr_copy_info *dst)
{
    return node->copy == NULL ? 0 : qr_member_list(node->copy->member, dst);
}

/* ---- files ---- */

static enum qr_status remove_copies(struct qri_node *node, const struct qr_database_row *row,
                                    uint32_t kept, struct qr_err *err)
{
    struct qr_arena arena;
    enum qr_status status = QR_OK;
    qr_arena_init(&arena, 64 * 1024);
    for (uint32_t i = 0; i < QR_COPIES_MAX && status == QR_OK; i++) {
        const char *path = qri_copy_path(node->options.dir, &arena, row, i);
        if (path == NULL)
            status = qr_fail(err, QR_NOMEM, "remove a copy");
        else if (i != kept)
            status = qr_store_remove(node->options.env, path, err);
        if (status == QR_NOT_FOUND)
            status = QR_OK;
    }
    qr_arena_done(&arena);
    return status;
}

enum qr_status qri_node_tidy(struct qri_node *node, const struct qr_database_row *row,
                             struct qr_err *err)
{
    return remove_copies(node, row, 0, err);
}

enum qr_status qri_copy_remove_others(struct qri_node *node, const struct qr_database_row *row,
                                      struct qr_err *err)
{
    return remove_copies(node, row, row->primary, err);
}
