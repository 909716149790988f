/* become.c - see supervisor_int.h: this process becomes another program, which goes on with its
 * children, or the former one again */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl/telemetry.h"
#include "supervisor_int.h"
#include "base/banned.h"

enum { CONTROL_BYTES_MAX = 16 << 20 };

static void note_child(void *ctx, const struct qr_super_seen *seen)
{
    struct qri_handed *h = ctx;
    if (seen->pid == 0 || h->child_count == QRI_HANDED_CHILDREN_MAX)
        return; /* who does not run is asked for again */
    struct qri_handed_child *child = &h->children[h->child_count++];
    snprintf(child->name, sizeof child->name, "%s", seen->name);
    child->pid = seen->pid;
    child->retired = seen->retired;
}

void qri_close_metadata(struct supervisor *s)
{
    pthread_mutex_lock(&s->mu);
    struct qr_control *control = QR_TAKE(s->control); /* it hears of nobody's end any more */
    pthread_mutex_unlock(&s->mu);
    qr_control_free(control);
    qr_registry_close(QR_TAKE(s->registry));
    qr_telemetry_close(QR_TAKE(s->telemetry));
    qr_meta_close(QR_TAKE(s->meta));
}

static void leave_children(struct supervisor *s)
{
    qr_super_leave(s->super);
    s->has_left = true;
}

/* Writes down what the next program needs; nobody is served any more. */
static enum qr_status hand_over(struct supervisor *s, const char *report, struct qr_err *err)
{
    struct qr_buf control;
    struct qri_handed *h = &s->next;
    *h = (struct qri_handed){
        .fd = -1,
        .back_fd = open(QRI_OWN_PROGRAM, O_RDONLY | O_CLOEXEC),
        .failed = "",
        .tds_fd = s->tds_fd,
        .https_fd = s->https_fd,
        .lock_fd = qri_datadir_lock_fd(&s->dir),
        .children_fd = qr_super_lock_fd(s->super),
        .run_dir = s->run_dir,
        .report = report,
        .children = calloc(QRI_HANDED_CHILDREN_MAX, sizeof *h->children),
    };
    if (h->children == NULL || report == NULL)
        return qr_fail(err, QR_NOMEM, "hand over");
    qr_buf_init(&control, CONTROL_BYTES_MAX);
    enum qr_status status = qr_control_hand_over(s->control, &control, err);
    if (status == QR_OK) {
        qri_close_metadata(s);
        leave_children(s);
        qr_super_each(s->super, note_child, h);
        h->control = qr_buf_cstr(&control);
        status = qri_handed_write(h, err);
    }
    qr_buf_done(&control);
    return status;
}

void qri_become_leave(struct supervisor *s, const char *program)
{
    struct qr_err err = {0};
    snprintf(s->next_program, sizeof s->next_program, "%s", program);
    char *report = qri_upgrade_report(s->upgrade);
    qri_upgrade_close(QR_TAKE(s->upgrade));
    if (hand_over(s, report, &err) != QR_OK)
        QR_LOG(&s->log, QR_ERROR, "not_handed_over", QR_F("reason", &err.text[0]));
    free(report);
    free(s->next.children);
}

void qri_become_back(struct supervisor *s)
{
    struct qri_handed *h = &s->handed;
    const struct qri_handed_child *was = h->children;
    size_t count = h->child_count;
    struct qr_err err = {0};
    struct qr_buf control;
    qr_buf_init(&control, CONTROL_BYTES_MAX);
    enum qr_status status =
        s->control == NULL ? QR_OK : qr_control_hand_over(s->control, &control, &err);
    if (status == QR_OK && s->control != NULL)
        h->control = qr_buf_cstr(&control);
    qri_close_metadata(s);
    leave_children(s);
    h->children = calloc(QRI_HANDED_CHILDREN_MAX, sizeof *h->children);
    h->child_count = 0;
    if (h->children == NULL)
        status = qr_fail(&err, QR_NOMEM, "hand over");
    if (status == QR_OK) {
        qr_super_each(s->super, note_child, h);
        for (size_t i = s->adopted; i < count && h->child_count < QRI_HANDED_CHILDREN_MAX; i++)
            h->children[h->child_count++] = was[i];
        status = qri_handed_write(h, &err);
    }
    if (status != QR_OK) /* what was handed to us is still there */
        QR_LOG(&s->log, QR_ERROR, "not_handed_over", QR_F("reason", &err.text[0]));
    free(h->children);
    qr_buf_done(&control);
}

void qri_become_run(struct supervisor *s)
{
    if (s->fails_over)
        qri_handed_back(&s->handed, s->why.text, s->argv);
    if (s->next.fd < 0)
        return;
    qri_handed_run(&s->next, s->next_program, s->argv);
    const char *reason = strerrordesc_np(errno);
    QR_LOG(&s->log, QR_ERROR, "not_executed", QR_F("reason", reason));
    qri_handed_back(&s->next, reason, s->argv);
}
