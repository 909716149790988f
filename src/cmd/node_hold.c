/* node_hold.c - see node_int.h: databases that nobody may enter, and their sessions */
#include <stdlib.h>
#include "base/sqlmsg.h"
#include "node_int.h"
#include "base/banned.h"

static const int64_t VACATE_NS = INT64_C(20) * 1000000000, LOOK_NS = 20000000;

enum qr_status qri_node_hold(struct qri_node *node, const struct qr_database_row *row,
                             struct qr_err *err)
{
    struct held *held = calloc(1, sizeof *held);
    enum qr_status status = held == NULL ? qr_fail(err, QR_NOMEM, "drop a database") : QR_OK;
    pthread_mutex_lock(&node->mu);
    struct hosted *hosted;
    while ((hosted = qri_node_find_settled(node, row->id)) != NULL && hosted->backing_up)
        pthread_cond_wait(&node->changed, &node->mu);
    if (status == QR_OK && hosted != NULL && hosted->refs > 0)
        status = qr_sql_fail(err, 3702, row->name);
    if (status == QR_OK && qri_node_find_held(node, row->id) == NULL) {
        *held = (struct held){node->held, row->id, false}; /* from here on nobody enters it */
        node->held = QR_TAKE(held);
    }
    if (status == QR_OK && hosted != NULL)
        qri_node_close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
    free(held);
    return status;
}

/* Sessions end, running ones within a moment: their transactions are rolled back. */
static void end_guests(struct qri_node *node, const struct qr_database *db) /* held */
{
    for (struct qr_session_guest *g = node->guests; g != NULL; g = g->next)
        if (g->db == db)
            g->end(g);
}

enum qr_status qri_node_vacate(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct held *held = calloc(1, sizeof *held);
    int64_t until = qr_env_mono_ns(node->options.env) + VACATE_NS;
    if (held == NULL)
        return qr_fail(err, QR_NOMEM, "move a database");
    enum qr_status status = QR_OK;
    struct hosted *hosted;
    pthread_mutex_lock(&node->mu);
    if (qri_node_find_held(node, row->id) == NULL) {
        *held = (struct held){node->held, row->id, true};
        node->held = QR_TAKE(held);
    }
    while ((hosted = qri_node_find_settled(node, row->id)) != NULL && status == QR_OK &&
           (hosted->backing_up || hosted->refs > 0)) {
        end_guests(node, hosted->db);
        if (qr_env_mono_ns(node->options.env) >= until)
            status = qr_fail(err, QR_TIMEOUT, "sessions of '%s' do not end", row->name);
        else
            (void)qr_cond_wait(&node->changed, &node->mu, LOOK_NS);
    }
    if (status == QR_OK && hosted != NULL)
        qri_node_close_hosted(node, hosted);
    pthread_mutex_unlock(&node->mu);
    free(held);
    return status;
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

void qri_node_guest_came(void *ctx, struct qr_session_guest *guest)
{
    struct qri_node *node = ctx;
    pthread_mutex_lock(&node->mu);
    guest->next = node->guests;
    if (guest->next != NULL)
        guest->next->prev = guest;
    node->guests = guest;
    pthread_mutex_unlock(&node->mu);
}

void qri_node_guest_went(void *ctx, struct qr_session_guest *guest)
{
    struct qri_node *node = ctx;
    pthread_mutex_lock(&node->mu);
    if (guest->next != NULL)
        guest->next->prev = guest->prev;
    *(guest->prev != NULL ? &guest->prev->next : &node->guests) = guest->next;
    pthread_mutex_unlock(&node->mu);
}
