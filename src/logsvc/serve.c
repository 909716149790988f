/* serve.c - see logsvc/serve.h */
#include "logsvc/serve.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "logsvc/client.h"
#include "logsvc_int.h"
#include "base/banned.h"

enum { SMALL_BYTES_MAX = 4096 };
#define ANSWER_SLACK_BYTES (QR_LOGSVC_CURSORS_MAX * QR_FEED_ENTRY_BYTES + (4 << 20))

/* Several buffers as one answer, or the refusal. */
static void answer_buf(struct qr_rpc_request *own_request, const struct qr_buf *head,
                       const struct qr_buf *rest)
{
    struct qr_err err;
    qr_err_reset(&err);
    enum qr_status status = qr_buf_status(head, &err);
    if (status != QR_OK) {
        qr_rpc_refuse(own_request, status, &err);
        return;
    }
    struct iovec body[2] = {{head->data, head->len}};
    if (rest != NULL)
        body[1] = (struct iovec){rest->data, rest->len};
    qr_rpc_answer(own_request, body, rest == NULL ? 1 : 2);
}

static void refuse(struct qr_rpc_request *own_request, enum qr_status status, const char *why)
{
    struct qr_err err;
    qr_err_reset(&err);
    qr_fail(&err, status, "%s", why);
    qr_rpc_refuse(own_request, status, &err);
}

/* --- changes and appends --- */

struct served_change {
    struct qr_logsvc_change change; /* first */
    struct qr_rpc_request *request;
};

static void change_done(struct qr_logsvc_change *change)
{
    struct served_change *x = (struct served_change *)change;
    struct qr_buf buf;
    qr_buf_init(&buf, SMALL_BYTES_MAX);
    qr_logsvc_change_answer_put(&buf, change);
    answer_buf(x->request, &buf, NULL);
    qr_buf_done(&buf);
    free(x);
}

static enum qr_status serve_change(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                   struct qr_err *err)
{
    struct served_change *x = calloc(1, sizeof *x);
    if (x == NULL)
        return qr_fail(err, QR_NOMEM, "change");
    enum qr_status status = qr_logsvc_change_get(request->body, request->bytes, &x->change, err);
    if (status != QR_OK) {
        free(x);
        return status;
    }
    x->request = request;
    x->change.done = change_done;
    qr_logsvc_change(svc, &x->change);
    return QR_OK;
}

struct served_append {
    struct qr_logsvc_append append; /* first */
    struct qr_rpc_request *request;
};

static void append_done(struct qr_logsvc_append *append)
{
    struct served_append *x = (struct served_append *)append;
    struct qr_buf buf;
    qr_buf_init(&buf, SMALL_BYTES_MAX);
    qr_logsvc_append_answer_put(&buf, append);
    answer_buf(x->request, &buf, NULL);
    qr_buf_done(&buf);
    free(x);
}

static enum qr_status serve_append(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                   struct qr_err *err)
{
    struct served_append *x = calloc(1, sizeof *x);
    if (x == NULL)
        return qr_fail(err, QR_NOMEM, "append");
    enum qr_status status = qr_logsvc_append_get(request->body, request->bytes, &x->append, err);
    if (status != QR_OK) {
        free(x);
        return status;
    }
    x->request = request;
    x->append.own_memory = qr_rpc_request_take_body(request);
    x->append.done = append_done;
    qr_logsvc_append(svc, &x->append);
    return QR_OK;
}

/* --- reads and feeds --- */

/* A READ is a feed of one cursor that does not wait. */
struct served_feed {
    struct qr_logsvc_feed feed; /* first */
    struct qr_logsvc *svc;
    struct qr_rpc_request *request;
    struct qr_logsvc_cursor *cursors;
    struct qr_buf answer;
};

static void free_feed(struct served_feed *x)
{
    qr_buf_done(&x->answer);
    free(x->cursors);
    free(x);
}

static void feed_done(struct qr_logsvc_feed *feed)
{
    struct served_feed *x = (struct served_feed *)feed;
    if (feed->status == QR_OK && x->answer.failed == QR_OK)
        qr_rpc_answer_own(x->request, &x->answer);
    else if (feed->status == QR_OK)
        answer_buf(x->request, &x->answer, NULL);
    else
        refuse(x->request, feed->status, qr_status_info(feed->status)->meaning);
    free_feed(x);
}

static void read_done(struct qr_logsvc_feed *feed)
{
    struct served_feed *x = (struct served_feed *)feed;
    struct qr_feed_entry entry = {.status = QR_OK};
    struct qr_logsvc_state state;
    struct qr_err err;
    size_t at = 0;
    enum qr_status status = feed->status;
    qr_err_reset(&err);
    if (status == QR_OK && x->answer.len > 0)
        status = qr_feed_entry_next(x->answer.data, x->answer.len, &at, &entry, &err);
    if (status == QR_OK)
        status = entry.status;
    if (status == QR_OK)
        status = qr_logsvc_state(x->svc, &x->cursors[0].timeline, &state, &err);
    if (status == QR_CORRUPT && entry.status == QR_OK && entry.pieces_bytes > 0)
        status = QR_OK; /* damaged further on */
    if (status == QR_OK) {
        struct qr_buf head,
            pieces = {.data = (uint8_t *)(uintptr_t)entry.pieces, .len = entry.pieces_bytes};
        qr_buf_init(&head, SMALL_BYTES_MAX);
        qr_logsvc_state_put(&head, &state);
        answer_buf(x->request, &head, entry.pieces_bytes > 0 ? &pieces : NULL);
        qr_buf_done(&head);
    } else {
        refuse(x->request, status, qr_status_info(status)->meaning);
    }
    free_feed(x);
}

static struct served_feed *new_feed(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                    uint64_t bytes_max)
{
    struct served_feed *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->svc = svc;
    x->request = request;
    x->feed.bytes_max = bytes_max == 0                         ? 1
                        : bytes_max > QR_LOGSVC_READ_BYTES_MAX ? QR_LOGSVC_READ_BYTES_MAX
                                                               : (size_t)bytes_max;
    qr_buf_init(&x->answer, x->feed.bytes_max + ANSWER_SLACK_BYTES);
    x->feed.answer = &x->answer;
    return x;
}

/* The answer must be on its way before who asks gives up. */
static int64_t bounded_wait(struct qr_logsvc *svc, const struct qr_rpc_request *request,
                            int64_t wait_ns)
{
    int64_t max = QR_LOGSVC_SERVE_WAIT_NS;
    int64_t left = request->deadline_mono_ns - qr_env_mono_ns(svc->env);
    if (request->deadline_mono_ns != INT64_MAX && left / 10 * 8 < max)
        max = left > 0 ? left / 10 * 8 : 0;
    return wait_ns < max ? wait_ns : max;
}

static enum qr_status serve_feed(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                 struct qr_err *err)
{
    struct qr_logsvc_cursor *cursors = NULL;
    uint32_t count = 0;
    uint64_t bytes_max = 0;
    int64_t wait_ns = 0;
    QR_TRY(qr_logsvc_feed_get(request->body, request->bytes, &cursors, &count, &bytes_max, &wait_ns,
                              err));
    struct served_feed *x = new_feed(svc, request, bytes_max);
    if (x == NULL) {
        free(cursors);
        return qr_fail(err, QR_NOMEM, "feed");
    }
    x->cursors = cursors;
    x->feed.cursors = cursors;
    x->feed.cursor_count = count;
    x->feed.wait_ns = bounded_wait(svc, request, wait_ns);
    x->feed.done = feed_done;
    qr_logsvc_feed(svc, &x->feed);
    return QR_OK;
}

static enum qr_status serve_read(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                 struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    struct served_feed *x = new_feed(svc, request, ask.bytes_max);
    struct qr_logsvc_cursor *cursor = calloc(1, sizeof *cursor);
    if (x == NULL || cursor == NULL) {
        free(x);
        free(cursor);
        return qr_fail(err, QR_NOMEM, "read");
    }
    *cursor = (struct qr_logsvc_cursor){.timeline = ask.timeline, .from_lsn = ask.from_lsn};
    x->cursors = cursor;
    x->feed.cursors = cursor;
    x->feed.cursor_count = 1;
    x->feed.done = read_done;
    qr_logsvc_feed(svc, &x->feed);
    return QR_OK;
}

/* --- the others --- */

static enum qr_status serve_state(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                  struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    struct qr_logsvc_state state;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    QR_TRY(qr_logsvc_state(svc, &ask.timeline, &state, err));
    struct qr_buf buf;
    qr_buf_init(&buf, SMALL_BYTES_MAX);
    qr_logsvc_state_put(&buf, &state);
    answer_buf(request, &buf, NULL);
    qr_buf_done(&buf);
    return QR_OK;
}

static enum qr_status serve_renew(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                  struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    QR_TRY(qr_logsvc_renew(svc, &ask.timeline, ask.epoch, ask.ttl_ns, err));
    qr_rpc_answer(request, NULL, 0);
    return QR_OK;
}

static enum qr_status serve_forget(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                   struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    qr_logsvc_reader_forget(svc, &ask.timeline, ask.reader_id);
    qr_rpc_answer(request, NULL, 0);
    return QR_OK;
}

static enum qr_status serve_readers(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                    struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    struct qr_logsvc_readers readers;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    QR_TRY(qr_logsvc_readers(svc, &ask.timeline, &readers, err));
    struct qr_buf buf;
    qr_buf_init(&buf, SMALL_BYTES_MAX);
    qr_logsvc_readers_put(&buf, &readers);
    answer_buf(request, &buf, NULL);
    qr_buf_done(&buf);
    return QR_OK;
}

struct served_find {
    struct qri_job job; /* first */
    struct qr_rpc_request *request;
    struct qr_logsvc_ask ask;
};

static void find_run(struct qr_logsvc *svc, struct qri_job *job, enum qr_status status)
{
    struct served_find *x = (struct served_find *)job;
    struct qr_err err;
    uint64_t lsn = 0, wall_ns = 0;
    qr_err_reset(&err);
    if (status != QR_OK)
        qr_fail(&err, status, "the log service was closed");
    else
        status = qr_logsvc_find(svc, &x->ask.timeline, x->ask.wall_ns, &lsn, &wall_ns, &err);
    if (status == QR_OK) {
        struct qr_buf buf;
        qr_buf_init(&buf, SMALL_BYTES_MAX);
        qr_logsvc_found_put(&buf, lsn, wall_ns);
        answer_buf(x->request, &buf, NULL);
        qr_buf_done(&buf);
    } else {
        qr_rpc_refuse(x->request, status, &err);
    }
    free(x);
}

static enum qr_status serve_find(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                 struct qr_err *err)
{
    struct qr_logsvc_ask ask;
    QR_TRY(qr_logsvc_ask_get(request->body, request->bytes, &ask, err));
    struct served_find *x = calloc(1, sizeof *x);
    if (x == NULL)
        return qr_fail(err, QR_NOMEM, "search");
    x->job.run = find_run;
    x->request = request;
    x->ask = ask;
    qri_job_start(svc, &x->job);
    return QR_OK;
}

/* Each takes the request on QR_OK; on failure it still is the caller's. */
typedef enum qr_status serve_fn(struct qr_logsvc *svc, struct qr_rpc_request *request,
                                struct qr_err *err);

static serve_fn *const methods[] = {
    /* index: method - QR_LOGSVC_METHOD_FIRST */
    [QR_LOGSVC_CALL_CHANGE - QR_LOGSVC_METHOD_FIRST] = serve_change,
    [QR_LOGSVC_CALL_STATE - QR_LOGSVC_METHOD_FIRST] = serve_state,
    [QR_LOGSVC_CALL_RENEW - QR_LOGSVC_METHOD_FIRST] = serve_renew,
    [QR_LOGSVC_CALL_APPEND - QR_LOGSVC_METHOD_FIRST] = serve_append,
    [QR_LOGSVC_CALL_READ - QR_LOGSVC_METHOD_FIRST] = serve_read,
    [QR_LOGSVC_CALL_FEED - QR_LOGSVC_METHOD_FIRST] = serve_feed,
    [QR_LOGSVC_CALL_FORGET - QR_LOGSVC_METHOD_FIRST] = serve_forget,
    [QR_LOGSVC_CALL_FIND - QR_LOGSVC_METHOD_FIRST] = serve_find,
    [QR_LOGSVC_CALL_READERS - QR_LOGSVC_METHOD_FIRST] = serve_readers,
};

void qr_logsvc_serve(void *ctx, struct qr_rpc_request *own_request)
{
    struct qr_logsvc *svc = ctx;
    struct qr_err err;
    uint16_t method = own_request->method;
    if (method < QR_LOGSVC_METHOD_FIRST || method > QR_LOGSVC_METHOD_LAST) {
        refuse(own_request, QR_UNSUPPORTED, "the log service has no such method");
        return;
    }
    qr_err_reset(&err);
    enum qr_status status = methods[method - QR_LOGSVC_METHOD_FIRST](svc, own_request, &err);
    if (status != QR_OK)
        qr_rpc_refuse(own_request, status, &err);
}
