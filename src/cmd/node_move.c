/* node_move.c - see cmd_int.h: data of a database that goes to Hyperscale, or comes back.
 *
 * One thread a move: it copies, follows until little is left, and goes on following; told to cut it
 * ends the sessions, marks the files, brings the rest. Control asks again and again how far it is,
 * and says how far it shall go. Nothing of this is kept: a process that comes after begins with
 * what it finds on disk. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "ctl/calls.h"
#include "ctl/place.h"
#include "env/thread.h"
#include "logsvc/peer.h"
#include "move/move.h"
#include "pagesvc/client.h"
#include "store/archive.h"
#include "base/banned.h"

enum { STRINGS_BYTES_MAX = 16 * 1024, ROUNDS_MAX = 12 };
/* So much is brought fast enough to be left for the cut. */
static const uint64_t LITTLE_BYTES = UINT64_C(2) << 20;
static const int64_t PAUSE_NS = 20000000, SECLUDE_NS = INT64_C(30) * 1000000000,
                     ASK_NS = INT64_C(5) * 1000000000;

struct move {
    struct move *next;
    struct qri_node *node;
    struct qr_database_row row, target;
    struct qr_move_options options;
    pthread_t thread;
    bool runs; /* the thread has to be joined */
    pthread_mutex_t mu;
    pthread_cond_t wake;
    bool cuts, ends;            /* wished; guarded by mu, as what follows */
    struct qr_move_state state; /* what is told */
    enum qr_status status;      /* of a failure */
    struct qr_err err;
    struct qr_database *db; /* the thread's: the source in files, entered */
    struct qr_move_out *out;
    struct qr_move_in *in;
    struct qr_arena arena;
    bool marked; /* the source */
};

struct qri_moves {
    pthread_mutex_t mu; /* one call about moves at a time; before the node's */
    struct move *first;
};

void qri_moves_init(struct qri_moves **ret_moves)
{
    struct qri_moves *moves = calloc(1, sizeof *moves);
    if (moves != NULL)
        pthread_mutex_init(&moves->mu, NULL);
    *ret_moves = moves;
}

/* ---- what the thread and those who ask tell each other ---- */

static bool stops(void *ctx)
{
    struct move *m = ctx;
    pthread_mutex_lock(&m->mu);
    bool ends = m->ends;
    pthread_mutex_unlock(&m->mu);
    return ends;
}

static void progress(void *ctx, uint64_t done, uint64_t total)
{
    struct move *m = ctx;
    pthread_mutex_lock(&m->mu);
    m->state.done = done;
    m->state.total = total;
    pthread_mutex_unlock(&m->mu);
}

static void set_phase(struct move *m, enum qr_move_phase phase)
{
    pthread_mutex_lock(&m->mu);
    m->state.phase = (uint8_t)phase;
    pthread_mutex_unlock(&m->mu);
}

/* Waits for a wish. True: it is to be cut. */
static bool look(struct move *m, int64_t wait_ns)
{
    pthread_mutex_lock(&m->mu);
    if (!m->cuts && !m->ends && wait_ns != 0)
        (void)qr_cond_wait(&m->wake, &m->mu, wait_ns);
    bool cuts = m->cuts;
    pthread_mutex_unlock(&m->mu);
    return cuts;
}

static const char *path_of(struct qri_node *node, struct qr_arena *arena,
                           const struct qr_database_row *row, struct qr_err *err)
{
    const char *path = qri_database_path(qri_node_options_of(node)->dir, arena, row->timeline);
    if (path == NULL)
        (void)qr_fail(err, QR_NOMEM, "move a database");
    return path;
}

static enum qr_status round_of(struct move *m, uint64_t *ret_bytes, struct qr_err *err)
{
    struct qr_lsn lsn = {0};
    QR_TRY(m->out != NULL ? qr_move_out_round(m->out, &lsn, ret_bytes, err)
                          : qr_move_in_round(m->in, &lsn, ret_bytes, err));
    pthread_mutex_lock(&m->mu);
    m->state.lsn = lsn.v;
    pthread_mutex_unlock(&m->mu);
    return QR_OK;
}

/* ---- the steps ---- */

/* A source that was marked, and whose move did not count. */
static enum qr_status reclaim(struct qri_node *node, const struct qr_database_row *row,
                              struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct qr_store_options options = {
        .env = o->env, .server_key = o->server_key, .log_hold_bytes = QRI_LOG_HOLD_BYTES};
    struct qr_arena arena;
    qr_arena_init(&arena, STRINGS_BYTES_MAX);
    const char *path = path_of(node, &arena, row, err);
    enum qr_status status = path == NULL ? QR_NOMEM : qr_archive_reclaim(path, &options, err);
    qr_arena_done(&arena);
    return status;
}

static enum qr_status enter_source(struct move *m, struct qr_err *err)
{
    enum qr_status status = qri_node_enter_row(m->node, &m->row, &m->db, err);
    if (status != QR_FENCED)
        return status;
    QR_TRY(reclaim(m->node, &m->row, err));
    return qri_node_enter_row(m->node, &m->row, &m->db, err);
}

static enum qr_status copy(struct move *m, struct qr_err *err)
{
    if (qr_database_is_hyper(&m->target)) {
        QR_TRY(enter_source(m, err));
        QR_TRY(qr_move_out_new(&m->options, qr_database_store(m->db), &m->out, err));
        return qr_move_out_copy(m->out, err);
    }
    const char *path = path_of(m->node, &m->arena, &m->target, err);
    if (path == NULL)
        return QR_NOMEM;
    /* a store that an earlier try has finished is of an older commit, or of this one */
    enum qr_status status = qr_store_remove(qri_node_options_of(m->node)->env, path, err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        return status;
    QR_TRY(
        qr_move_in_new(&m->options, path, qri_node_options_of(m->node)->server_key, &m->in, err));
    return qr_move_in_copy(m->in, err);
}

/* Until little is left. A source that is written faster than it can be followed does not keep us
 * for ever: what is left then is brought while nobody writes. */
static enum qr_status follow(struct move *m, struct qr_err *err)
{
    uint64_t bytes = UINT64_MAX;
    for (int i = 0; i < ROUNDS_MAX && bytes > LITTLE_BYTES; i++)
        QR_TRY(round_of(m, &bytes, err));
    set_phase(m, QR_MOVE_FOLLOWING);
    while (!look(m, PAUSE_NS)) {
        if (stops(m))
            return qr_fail(err, QR_CANCELLED, "the move is to end");
        QR_TRY(round_of(m, &bytes, err));
    }
    return QR_OK;
}

static enum qr_status cut_out(struct move *m, struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(qri_node_options_of(m->node)->env) + SECLUDE_NS;
    struct qr_store *store = qr_database_store(m->db);
    struct qr_lsn lsn = {0};
    uint64_t bytes = 0;
    QR_TRY(qri_node_seclude(m->node, &m->row, 1, until, err));
    m->marked = true;
    QR_TRY(qr_archive_mark_moved(store, &lsn, err));
    qr_move_out_hurry(m->out);
    QR_TRY(round_of(m, &bytes, err));
    if (m->state.lsn != lsn.v)
        return qr_fail(err, QR_CONFLICT, "something was written behind LSN %llu",
                       (unsigned long long)lsn.v);
    return QR_OK;
}

/* The log service takes nothing of who had the timeline before, whatever its process does. */
static enum qr_status fence(struct move *m, struct qr_err *err)
{
    struct qr_logsvc_state state;
    QR_TRY(qr_logsvc_peer_state(m->options.log_service, &m->options.timeline, ASK_NS, &state, err));
    struct qr_logsvc_change c = {.kind = QR_LOGSVC_FENCE,
                                 .timeline = m->options.timeline,
                                 .epoch = state.epoch + 1,
                                 .force = true};
    qr_env_random(qri_node_options_of(m->node)->env, &c.holder, sizeof c.holder);
    return qr_logsvc_peer_change(m->options.log_service, &c, ASK_NS, err);
}

static enum qr_status cut_in(struct move *m, struct qr_err *err)
{
    struct qr_database_row opened = m->target;
    struct qr_database *db = NULL;
    uint64_t bytes = 0;
    opened.id = m->row.id;
    opened.moved_to = 0;
    QR_TRY(fence(m, err));
    qr_move_in_hurry(m->in);
    QR_TRY(round_of(m, &bytes, err));
    QR_TRY(qr_move_in_finish(m->in, err));
    QR_TRY(qri_node_enter_row(m->node, &opened, &db, err));
    enum qr_status status = qr_move_in_check(m->in, qr_database_store(db), err);
    qri_node_leave(m->node, db);
    return status;
}

static enum qr_status run(struct move *m, struct qr_err *err)
{
    QR_TRY(copy(m, err));
    QR_TRY(follow(m, err));
    set_phase(m, QR_MOVE_CUTTING);
    return m->out != NULL ? cut_out(m, err) : cut_in(m, err);
}

static void *move_main(void *arg)
{
    struct move *m = arg;
    const struct qri_node_options *o = qri_node_options_of(m->node);
    struct qr_err err = {0};
    int64_t start = qr_env_mono_ns(o->env);
    enum qr_status status = run(m, &err);
    QR_LOG(&o->log, status == QR_OK || status == QR_CANCELLED ? QR_INFO : QR_WARN, "database_cut",
           QR_F("db", &m->row.name[0]), QR_F("status", qr_status_info(status)->name),
           QR_F("lsn", m->state.lsn), QR_F("reason", status == QR_OK ? "" : &err.text[0]),
           QR_F("took_ms", (qr_env_mono_ns(o->env) - start) / 1000000));
    /* what looks as if this process were not there would be asked again */
    bool looks_lost =
        status == QR_TIMEOUT || status == QR_CLOSED || status == QR_BUSY || status == QR_CORRUPT;
    pthread_mutex_lock(&m->mu);
    m->status = looks_lost ? QR_IO : status;
    m->err = err;
    if (status == QR_OK)
        m->state.phase = QR_MOVE_IS_CUT;
    pthread_mutex_unlock(&m->mu);
    return NULL;
}

/* ---- beginning and ending; moves.mu held ---- */

static struct move *find(const struct qri_moves *moves, uint32_t id)
{
    struct move *m = moves->first;
    while (m != NULL && m->row.id != id)
        m = m->next;
    return m;
}

static void free_move(struct move *m)
{
    qr_move_out_free(m->out);
    qr_move_in_free(m->in);
    if (m->db != NULL)
        qri_node_leave(m->node, m->db);
    qr_arena_done(&m->arena);
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->mu);
    free(m);
}

/* It is stopped, and nobody finds it any more. */
static void stop(struct qri_moves *moves, struct move *m)
{
    struct move **at = &moves->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    pthread_mutex_lock(&m->mu);
    m->ends = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->mu);
    if (m->runs)
        pthread_join(m->thread, NULL);
}

static enum qr_status start(struct qri_node *node, struct qri_moves *moves,
                            const struct qr_database_row *row, const struct qr_database_row *target,
                            struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct move *m = calloc(1, sizeof *m);
    if (m == NULL)
        return qr_fail(err, QR_NOMEM, "move a database");
    *m = (struct move){.node = node,
                       .row = *row,
                       .target = *target,
                       .state = {.phase = QR_MOVE_COPYING},
                       .options = {.env = o->env,
                                   .log = {.sink = o->log.sink, .comp = "move"},
                                   .log_service = o->log_service,
                                   .pages = o->pages,
                                   .stops = stops,
                                   .progress = progress,
                                   .ctx = m}};
    const struct qr_database_row *hyper = qr_database_is_hyper(target) ? target : row;
    m->options.slices = hyper->slices;
    qr_arena_init(&m->arena, STRINGS_BYTES_MAX);
    pthread_mutex_init(&m->mu, NULL);
    qr_cond_init(&m->wake);
    enum qr_status status = qr_place_timeline(hyper, &m->options.timeline, err);
    if (status == QR_OK)
        status = qr_thread_start("qr-move", 0, move_main, m, &m->thread, err);
    if (status != QR_OK) {
        free_move(m);
        return status;
    }
    m->runs = true;
    m->next = moves->first;
    moves->first = m;
    return QR_OK;
}

/* Everything is as it was, but for what there is of the target. */
static enum qr_status undo(struct qri_node *node, struct qri_moves *moves,
                           const struct qr_database_row *row, struct qr_err *err)
{
    struct move *m = find(moves, row->id);
    enum qr_status status = QR_OK;
    if (m != NULL)
        stop(moves, m);
    if (m != NULL && m->marked)
        status = qr_archive_clear_moved(qr_database_store(m->db), err);
    if (m != NULL)
        free_move(m);
    else if (!qr_database_is_hyper(row)) /* of a process before this one */
        status = reclaim(node, row, err);
    if (status == QR_LOCKED || status == QR_NOT_FOUND) /* it is open, so it is not marked */
        status = QR_OK;
    if (qr_database_is_hyper(row))
        qri_node_close_database(node, row->id); /* the files, which will go */
    return status == QR_OK ? qri_node_release(node, row, err) : status;
}

/* The target counts. Of a source in files nothing is used any more. */
static enum qr_status end(struct qri_node *node, struct qri_moves *moves,
                          const struct qr_database_row *row, struct qr_err *err)
{
    struct move *m = find(moves, row->id);
    if (m != NULL) {
        stop(moves, m);
        free_move(m);
    }
    if (qr_database_is_hyper(row))
        qri_node_close_database(node, row->id);
    return qri_node_release(node, row, err);
}

void qri_moves_end(struct qri_node *node, struct qri_moves *moves)
{
    (void)node;
    if (moves == NULL)
        return;
    while (moves->first != NULL) {
        struct move *m = moves->first;
        stop(moves, m);
        free_move(m);
    }
    pthread_mutex_destroy(&moves->mu);
    free(moves);
}

/* ---- what control asks ---- */

static enum qr_status size_of(struct qri_node *node, const struct qr_database_row *row,
                              struct qr_move_state *state, struct qr_err *err)
{
    const struct qri_node_options *o = qri_node_options_of(node);
    struct qr_database *db = NULL;
    struct qr_store_stats stats;
    struct qr_timeline timeline;
    if (qr_database_is_hyper(row)) {
        QR_TRY(qr_place_timeline(row, &timeline, err));
        QR_TRY(qr_move_size(&(struct qr_move_options){.env = o->env,
                                                      .log_service = o->log_service,
                                                      .pages = o->pages,
                                                      .timeline = timeline},
                            &state->total, err));
        state->done = state->total; /* which of its pages are free is not asked */
        return QR_OK;
    }
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    qr_store_get_stats(qr_database_store(db), &stats);
    qri_node_leave(node, db);
    state->done = stats.used_bytes;
    state->total = stats.data_bytes;
    return QR_OK;
}

static enum qr_status follow_or_cut(struct qri_node *node, struct qri_moves *moves,
                                    const struct qr_database_row *row,
                                    const struct qr_database_row *target, bool cuts,
                                    struct qr_move_state *ret_state, struct qr_err *err)
{
    struct move *m = find(moves, row->id);
    if (m == NULL) {
        QR_TRY(start(node, moves, row, target, err));
        m = moves->first;
    }
    pthread_mutex_lock(&m->mu);
    m->cuts = m->cuts || cuts;
    pthread_cond_signal(&m->wake);
    *ret_state = m->state;
    enum qr_status status = m->status;
    if (status != QR_OK && err != NULL) {
        *err = m->err;
        err->status = status;
    }
    pthread_mutex_unlock(&m->mu);
    return status;
}

enum qr_status qri_node_move(struct qri_node *node, const struct qr_database_row *row,
                             const struct qr_database_row *target, uint8_t wish,
                             struct qr_move_state *ret_state, struct qr_err *err)
{
    struct qri_moves *moves = qri_node_moves(node);
    enum qr_status status = QR_OK;
    if (wish == QR_MOVE_SIZE)
        return size_of(node, row, ret_state, err);
    if (moves == NULL)
        return qr_fail(err, QR_NOMEM, "move a database");
    pthread_mutex_lock(&moves->mu);
    if (wish == QR_MOVE_UNDO)
        status = undo(node, moves, row, err);
    else if (wish == QR_MOVE_END)
        status = end(node, moves, row, err);
    else
        status = follow_or_cut(node, moves, row, target, wish == QR_MOVE_CUT, ret_state, err);
    pthread_mutex_unlock(&moves->mu);
    return status;
}
