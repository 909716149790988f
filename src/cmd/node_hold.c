/* node_hold.c - see node_int.h: databases that nobody may enter, and their sessions */
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "node_int.h"
#include "base/banned.h"

static const int64_t VACATE_NS = INT64_C(20) * 1000000000, LOOK_NS = 5000000, BREAK_NS = 300000000;

/* Who is in it without a session, such as a copy that is being made, may be about to leave. */
static const int64_t LEAVE_NS = 1000000000;

/* The database once no backup keeps it open and its sessions have ended, or would not. Called with
 * node.mu held. */
static struct hosted *find_left(struct qri_node *node, uint32_t id)
{
    const int64_t begin_ns = qr_env_mono_ns(node->options.env);
    int64_t until_ns = begin_ns + LEAVE_NS;
    for (;;) {
        const int64_t now_ns = qr_env_mono_ns(node->options.env);
        struct hosted *hosted = qri_node_find_settled(node, id);
        if (hosted != NULL && hosted->sessions > 0 && now_ns < begin_ns + VACATE_NS) {
            qr_database_end_sessions(hosted->db, QR_END_KILLED, now_ns >= begin_ns + BREAK_NS);
            until_ns = now_ns + LEAVE_NS;
        }
        if (hosted != NULL && hosted->backing_up)
            pthread_cond_wait(&node->changed, &node->mu);
        else if (hosted != NULL && hosted->refs > 0 && now_ns < until_ns)
            (void)qr_cond_wait(&node->changed, &node->mu, LOOK_NS);
        else
            return hosted;
    }
}

enum qr_status qri_node_hold(struct qri_node *node, const struct qr_database_row *row,
                             struct qr_err *err)
{
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return qr_fail(err, QR_NOMEM, "drop a database");
    enum qr_status status = QR_OK;
    qri_follows_let_go(node, row->id);
    pthread_mutex_lock(&node->mu);
    bool is_new = qri_node_find_held(node, row->id) == NULL;
    if (is_new) {
        *held = (struct held){node->held, row->id, false}; /* from here on nobody enters it */
        node->held = QR_TAKE(held);
    }
    struct hosted *hosted = find_left(node, row->id);
    if (hosted != NULL && hosted->refs > 0)
        status = qr_sql_fail(err, 3702, row->name);
    else if (hosted != NULL && node->copy == NULL) /* that one is its process' */
        qri_node_close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
    free(held);
    if (status != QR_OK && is_new)
        (void)!qri_node_release(node, row, NULL);
    return status;
}

enum qr_status qri_node_seclude(struct qri_node *node, const struct qr_database_row *row,
                                uint32_t refs, int64_t until_ns, struct qr_err *err)
{
    const int64_t break_all_ns = qr_env_mono_ns(node->options.env) + BREAK_NS;
    struct held *held = calloc(1, sizeof *held);
    enum qr_status status = held == NULL ? qr_fail(err, QR_NOMEM, "move a database") : QR_OK;
    pthread_mutex_lock(&node->mu);
    if (status == QR_OK && qri_node_find_held(node, row->id) == NULL) {
        *held = (struct held){node->held, row->id, true};
        node->held = QR_TAKE(held);
    }
    const struct hosted *hosted = qri_node_find_settled(node, row->id);
    while (status == QR_OK && hosted != NULL && hosted->refs > refs) {
        int64_t now = qr_env_mono_ns(node->options.env);
        qr_database_end_sessions(hosted->db, QR_END_MOVED, now >= break_all_ns);
        if (now >= until_ns)
            status = qr_fail(err, QR_TIMEOUT, "sessions of '%s' do not end", row->name);
        (void)qr_cond_wait(&node->changed, &node->mu, LOOK_NS);
        hosted = qri_node_find_settled(node, row->id);
    }
    pthread_mutex_unlock(&node->mu);
    free(held);
    return status;
}

void qri_node_close_database(struct qri_node *node, uint32_t id)
{
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted;
    while ((hosted = qri_node_find_settled(node, id)) != NULL && hosted->backing_up)
        pthread_cond_wait(&node->changed, &node->mu);
    if (hosted != NULL && hosted->refs == 0)
        qri_node_close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
}

enum qr_status qri_node_vacate(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    int64_t until = qr_env_mono_ns(node->options.env) + VACATE_NS;
    QR_TRY(qri_node_seclude(node, row, UINT32_MAX, until, err));
    qri_follows_let_go(node, row->id); /* none comes back now */
    QR_TRY(qri_node_seclude(node, row, 0, until, err));
    qri_node_close_database(node, row->id);
    return QR_OK;
}

enum qr_status qri_node_release(struct qri_node *node, const struct qr_database_row *row,
                                struct qr_err *err)
{
    (void)err;
    pthread_mutex_lock(&node->mu);
    struct held **at = &node->held;
    while (*at != NULL && (*at)->id != row->id)
        at = &(*at)->next;
    struct held *held = *at;
    if (held != NULL)
        *at = held->next;
    pthread_mutex_unlock(&node->mu);
    free(held);
    return QR_OK;
}
