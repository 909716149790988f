/* warm.c - see ctl/warm.h, and control_int.h: a node that is to take over is warmed by the one that
 * serves.
 *
 * The one that serves lists its pages, the other brings them, a batch after the other so that those
 * who are served have the page servers between them. What changes meanwhile is left out, so a
 * second pass looks again when the first one took long. Where the one has to end before the other
 * can come (HA replicas), its list is kept, and brought while the other serves
 * already. Whatever fails costs warmth and nothing else. */
#include "ctl/warm.h"
#include <stdio.h>
#include "base/endian.h"
#include "ops_int.h"
#include "base/banned.h"

enum {
    ASK_BYTES_MAX = 64 * 1024,
    PAGE_BYTES = 4,
    LIST_HEADER_BYTES = 8,
    LIST_BYTES_MAX = LIST_HEADER_BYTES + QR_WARM_LISTED_MAX * PAGE_BYTES,
    PASSES = 2,
};
static const int64_t SECOND_NS = 1000000000, CALL_NS = INT64_C(10) * 1000000000,
                     LIST_NS = INT64_C(2) * 1000000000, /* who serves and is stuck is to go */
    START_NS = INT64_C(2) * 1000000000,                 /* until who is wanted is a process */
    READY_NS = INT64_C(60) * 1000000000;

/* ---- the calls ---- */

void qr_warm_list_put(struct qr_buf *buf, const uint32_t *pages,
                      const struct qr_hyper_listed *listed)
{
    qr_buf_add32le(buf, (uint32_t)listed->hot);
    qr_buf_add32le(buf, (uint32_t)listed->memory);
    for (size_t i = 0; i < listed->all; i++)
        qr_buf_add32le(buf, pages[i]);
}

enum qr_status qr_warm_list_get(const uint8_t *bytes, size_t count,
                                struct qr_hyper_listed *ret_listed, const uint8_t **ret_pages,
                                struct qr_err *err)
{
    struct qr_hyper_listed listed = {0};
    if (count >= LIST_HEADER_BYTES && count <= LIST_BYTES_MAX && count % PAGE_BYTES == 0)
        listed = (struct qr_hyper_listed){.hot = qr_get32le(bytes),
                                          .memory = qr_get32le(bytes + 4),
                                          .all = (count - LIST_HEADER_BYTES) / PAGE_BYTES};
    else
        listed.hot = 1;
    if (listed.hot > listed.memory || listed.memory > listed.all)
        return qr_fail(err, QR_PROTOCOL, "a list of pages breaks its format");
    *ret_listed = listed;
    *ret_pages = bytes + LIST_HEADER_BYTES;
    return QR_OK;
}

enum qr_status qr_warm_pages_get(const uint8_t *bytes, size_t count, enum qr_warmth *ret_as,
                                 uint32_t dst[QR_HYPER_WARM_MAX], size_t *ret_count,
                                 struct qr_err *err)
{
    if (count < 1 || bytes[0] >= QR_WARM_COUNT || (count - 1) % PAGE_BYTES != 0 ||
        (count - 1) / PAGE_BYTES > QR_HYPER_WARM_MAX)
        return qr_fail(err, QR_PROTOCOL, "a call to warm breaks its format");
    *ret_as = (enum qr_warmth)bytes[0];
    *ret_count = (count - 1) / PAGE_BYTES;
    for (size_t i = 0; i < *ret_count; i++)
        dst[i] = qr_get32le(bytes + 1 + i * PAGE_BYTES);
    return QR_OK;
}

static enum qr_status call(struct qr_rpc_peer *node, enum qr_control_method method,
                           struct qr_buf *own_body, int64_t timeout_ns, struct qr_buf *reply,
                           struct qr_err *err)
{
    struct iovec iov = {.iov_base = own_body->data, .iov_len = own_body->len};
    enum qr_status status = qr_buf_status(own_body, err);
    if (status == QR_OK)
        status = qr_rpc_call_wait(node, (uint16_t)method, &iov, 1, timeout_ns, reply, err);
    qr_buf_done(own_body);
    return status;
}

enum qr_status qr_node_hot(struct qr_rpc_peer *node, const struct qr_database_row *row,
                           uint32_t pages_max, int64_t timeout_ns, struct qr_buf *reply,
                           struct qr_err *err)
{
    struct qr_buf body;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_control_row_put(&body, row);
    qr_buf_add32le(&body, pages_max);
    return call(node, QR_NODE_HOT, &body, timeout_ns, reply, err);
}

enum qr_status qr_node_warm(struct qr_rpc_peer *node, const struct qr_database_row *row,
                            enum qr_warmth as, const uint8_t *pages, size_t count,
                            int64_t timeout_ns, uint32_t *ret_kept, struct qr_err *err)
{
    struct qr_buf body, reply;
    qr_buf_init(&body, ASK_BYTES_MAX);
    qr_buf_init(&reply, ASK_BYTES_MAX);
    qr_control_row_put(&body, row);
    qr_buf_add8(&body, (uint8_t)as);
    qr_buf_add(&body, pages, count * PAGE_BYTES);
    enum qr_status status = call(node, QR_NODE_WARM, &body, timeout_ns, &reply, err);
    if (status == QR_OK && reply.len != 4)
        status = qr_fail(err, QR_PROTOCOL, "the answer of a node that is warmed breaks its format");
    if (status == QR_OK)
        *ret_kept = qr_get32le(reply.data);
    qr_buf_done(&reply);
    return status;
}

/* ---- one node by the other ---- */

struct warming {
    struct qr_control *control;
    struct qri_op *op;
    const struct qr_database_row *row;
    struct qr_rpc_peer *from, *to;
    int64_t until_ns;
    uint64_t listed, kept;
};

static bool is_over(const struct warming *w)
{
    pthread_mutex_lock(&w->control->ops.mu);
    bool cancelled = w->op->cancel_wished;
    pthread_mutex_unlock(&w->control->ops.mu);
    return cancelled || w->control->stopping ||
           qr_env_mono_ns(w->control->options.env) >= w->until_ns;
}

static int64_t call_ns(const struct warming *w, int64_t most_ns)
{
    int64_t left_ns = w->until_ns - qr_env_mono_ns(w->control->options.env);
    return left_ns < 1 ? 1 : left_ns < most_ns ? left_ns : most_ns;
}

/* Between the node that is ready and the next step. */
static void show(struct warming *w, size_t done, size_t all)
{
    uint32_t percent = QRI_WARM_PERCENT_FROM +
                       (uint32_t)(done * (QRI_WARM_PERCENT_TO - QRI_WARM_PERCENT_FROM) / all);
    if (percent > w->op->row.percent) /* ours to change while the step runs */
        qri_ops_progress(w->control, w->op, percent);
}

static enum qr_status bring(struct warming *w, const struct qr_buf *list, struct qr_err *err)
{
    struct qr_hyper_listed listed;
    const uint8_t *pages = NULL;
    enum qr_status status = qr_warm_list_get(list->data, list->len, &listed, &pages, err);
    size_t at = 0, n = 0;
    for (; status == QR_OK && at < listed.all && !is_over(w); at += n) {
        enum qr_warmth as = at < listed.hot      ? QR_WARM_HOT
                            : at < listed.memory ? QR_WARM_COLD
                                                 : QR_WARM_DISK;
        size_t end = as == QR_WARM_HOT    ? listed.hot
                     : as == QR_WARM_COLD ? listed.memory
                                          : listed.all;
        uint32_t kept = 0;
        n = end - at < QR_HYPER_WARM_MAX ? end - at : QR_HYPER_WARM_MAX;
        status = qr_node_warm(w->to, w->row, as, pages + at * PAGE_BYTES, n, call_ns(w, CALL_NS),
                              &kept, err);
        w->kept += kept;
        if (status == QR_OK)
            show(w, at + n, listed.all);
    }
    w->listed = status == QR_OK ? listed.all : w->listed;
    return status;
}

static enum qr_status pass(struct warming *w, struct qr_err *err)
{
    struct qr_buf list;
    qr_buf_init(&list, LIST_BYTES_MAX);
    enum qr_status status =
        qr_node_hot(w->from, w->row, QR_WARM_LISTED_MAX, call_ns(w, LIST_NS), &list, err);
    if (status == QR_OK)
        status = bring(w, &list, err);
    qr_buf_done(&list);
    return status;
}

static void tell(const struct warming *w, const char *to, const char *by, int64_t began_ns,
                 const struct qr_err *err)
{
    struct qr_env *env = w->control->options.env;
    QR_LOG(&w->control->options.log, QR_INFO, "node_warmed", QR_F("node", to), QR_F("by", by),
           QR_F("pages", w->listed), QR_F("brought", w->kept), QR_F("reason", &err->text[0]),
           QR_F("took_ms", (qr_env_mono_ns(env) - began_ns) / 1000000));
}

void qri_warm(struct qr_control *control, struct qri_op *op, const struct qr_database_row *row,
              const char *from, const char *to)
{
    struct qr_env *env = control->options.env;
    int64_t began_ns = qr_env_mono_ns(env);
    struct warming w = {.control = control,
                        .op = op,
                        .row = row,
                        .until_ns = began_ns + control->options.warm_up_ns};
    struct qr_err err = {0};
    if (control->options.warm_up_ns == 0)
        return;
    enum qr_status status = qri_control_node(control, from, &w.from, &err);
    if (status == QR_OK)
        status = qri_control_node(control, to, &w.to, &err);
    for (int i = 0; i < PASSES && status == QR_OK && !is_over(&w); i++) {
        int64_t pass_ns = qr_env_mono_ns(env);
        status = pass(&w, &err);
        if (qr_env_mono_ns(env) - pass_ns < SECOND_NS)
            break;
    }
    tell(&w, to, from, began_ns, &err);
}

/* ---- one node after the other ---- */

void qri_warm_begin(struct qr_control *control, const struct qr_database_row *row, const char *from,
                    struct qri_warm_list *ret_list)
{
    struct qr_rpc_peer *node = NULL;
    struct qr_err err = {0};
    *ret_list = (struct qri_warm_list){.until_ns = 0};
    qr_buf_init(&ret_list->pages, LIST_BYTES_MAX);
    snprintf(ret_list->from, sizeof ret_list->from, "%s", from);
    if (control->options.warm_up_ns == 0 || *from == '\0')
        return;
    enum qr_status status = qri_control_node(control, from, &node, &err);
    if (status == QR_OK)
        status = qr_node_hot(node, row, QR_WARM_LISTED_MAX,
                             control->options.warm_up_ns < LIST_NS ? control->options.warm_up_ns
                                                                   : LIST_NS,
                             &ret_list->pages, &err);
    if (status == QR_OK)
        return;
    qr_buf_done(&ret_list->pages); /* it is cold then */
    QR_LOG(&control->options.log, QR_INFO, "pages_not_listed", QR_F("node", from),
           QR_F("reason", &err.text[0]));
}

static enum qr_status wait_ready(struct qr_control *control, const char *name, int64_t until_ns,
                                 struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    int64_t there_ns = qr_env_mono_ns(control->options.env) + START_NS;
    enum qr_status status =
        qr_control_wait_ready(control, name, 0, there_ns < until_ns ? there_ns : until_ns, err);
    if (status != QR_TIMEOUT || host->pid(host->ctx, name) == 0)
        return status;
    qr_err_reset(err);
    return qr_control_wait_ready(control, name, 0, until_ns, err);
}

void qri_warm_bring(struct qr_control *control, struct qri_op *op,
                    const struct qr_database_row *row, const char *to, struct qri_warm_list *list)
{
    struct qr_env *env = control->options.env;
    int64_t began_ns = qr_env_mono_ns(env);
    struct qr_err err = {0};
    if (list->pages.len == 0)
        return;
    if (list->until_ns == 0) {
        int64_t ns = control->options.warm_up_ns;
        list->until_ns = began_ns + ns;
        list->ready_until_ns = began_ns + (ns < READY_NS ? ns : READY_NS);
    }
    struct warming w = {.control = control, .op = op, .row = row, .until_ns = list->until_ns};
    enum qr_status status = wait_ready(control, to, list->ready_until_ns, &err);
    if (status == QR_OK)
        status = qri_control_node(control, to, &w.to, &err);
    if (status == QR_OK)
        status = bring(&w, &list->pages, &err);
    tell(&w, to, list->from, began_ns, &err);
}

void qri_warm_end(struct qri_warm_list *list)
{
    qr_buf_done(&list->pages);
}
