/* replace.c - see super/super.h: a child's program is replaced, and comes back if the new one does
 * not come up */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "env/thread.h"
#include "super_int.h"
#include "base/banned.h"

static const int64_t LOOK_NS = 20000000;

/* 0: it has not started yet; -1: it has, and ended. */
static int first_pid(struct qr_super *super, const char *name)
{
    pthread_mutex_lock(&super->mu);
    const struct qri_child *child = qri_super_find(super, name);
    if (child != NULL && child->starts == 0)
        (void)qr_cond_wait(&super->gone, &super->mu, LOOK_NS);
    child = qri_super_find(super, name);
    int pid = child == NULL || child->starts > 1 || (child->starts == 1 && child->pid == 0)
                  ? -1
                  : child->pid;
    pthread_mutex_unlock(&super->mu);
    return pid;
}

static enum qr_status wait_ready(struct qr_super *super, const struct qr_super_swap *swap,
                                 struct qr_err *err)
{
    const char *name = swap->next->name;
    int64_t until = qr_env_mono_ns(super->options.env) + swap->ready_ns;
    for (;;) {
        int pid = first_pid(super, name);
        int64_t now = qr_env_mono_ns(super->options.env);
        enum qr_status status =
            pid > 0 ? swap->wait_ready(swap->ctx, name, pid, now + LOOK_NS) : QR_TIMEOUT;
        if (status == QR_OK)
            return QR_OK;
        if (pid < 0)
            return qr_fail(err, QR_CLOSED, "the new '%s' ends when it is started", name);
        if (status != QR_TIMEOUT || now > until)
            return qr_fail(err, status, "the new '%s' is not ready in time", name);
    }
}

enum qr_status qr_super_exchange(struct qr_super *super, const struct qr_super_child *spec,
                                 int64_t end_ns, struct qr_err *err)
{
    struct qri_child *child;
    int64_t until = qr_env_mono_ns(super->options.env) + end_ns;
    pthread_mutex_lock(&super->mu);
    qri_super_remove(super, spec->name, until);
    enum qr_status status = qri_super_add(super, spec, &child, err);
    pthread_mutex_unlock(&super->mu);
    qri_super_wake(super);
    return status;
}

enum qr_status qr_super_replace(struct qr_super *super, const struct qr_super_swap *swap,
                                struct qr_err *err)
{
    enum qr_status status = qr_super_exchange(super, swap->next, swap->end_ns, err);
    if (status == QR_OK)
        status = wait_ready(super, swap, err);
    if (status == QR_OK)
        return QR_OK;
    struct qr_err second = {0};
    if (qr_super_exchange(super, swap->former, swap->end_ns, &second) != QR_OK)
        return qr_fail(err, status, "%s", second.text);
    struct qr_super_swap back = *swap;
    back.next = swap->former;
    (void)!wait_ready(super, &back, &second); /* else it is tried again and again, as ever */
    return status;
}

/* ---- beside ---- */

/* 0: there is none. */
static int rename_child(struct qr_super *super, const char *name, const char *new_name)
{
    int pid = 0;
    pthread_mutex_lock(&super->mu);
    struct qri_child *child = qri_super_find(super, name);
    if (child != NULL && child->state == QRI_CHILD_RUNNING) {
        pid = child->pid;
        snprintf(child->name, sizeof child->name, "%s", new_name);
    }
    pthread_mutex_unlock(&super->mu);
    return pid;
}

static void retire(struct qr_super *super, const char *name, int number)
{
    pthread_mutex_lock(&super->mu);
    struct qri_child *child = qri_super_find(super, name);
    if (child != NULL && child->state == QRI_CHILD_RUNNING) {
        child->retired = true;
        syscall(SYS_pidfd_send_signal, child->pidfd, number, NULL, 0);
    } else if (child != NULL) { /* it ended by itself meanwhile, and is not to come back */
        qri_super_forget(super, child);
    }
    pthread_mutex_unlock(&super->mu);
}

/* The name goes back to the former, whatever became of it meanwhile. Its process; 0: it is between
 * two lives. */
static int give_back(struct qr_super *super, const char *name, const char *aside, int64_t end_ns)
{
    int64_t until = qr_env_mono_ns(super->options.env) + end_ns;
    int pid = 0;
    pthread_mutex_lock(&super->mu);
    qri_super_remove(super, name, until);
    struct qri_child *child = qri_super_find(super, aside);
    if (child != NULL) {
        pid = child->pid;
        snprintf(child->name, sizeof child->name, "%s", name);
    }
    pthread_mutex_unlock(&super->mu);
    return pid;
}

enum qr_status qr_super_replace_beside(struct qr_super *super, const struct qr_super_swap *swap,
                                       struct qr_err *err)
{
    const char *name = swap->next->name;
    char aside[QR_SUPER_NAME_BYTES_MAX + 1];
    int pid = qr_super_pid(super, name);
    snprintf(aside, sizeof aside, "%.40s.%d", name, pid);
    if (pid == 0 || rename_child(super, name, aside) != pid)
        return qr_super_replace(super, swap, err); /* it is between two lives */
    enum qr_status status = qr_super_start(super, swap->next, err);
    if (status == QR_OK)
        status = wait_ready(super, swap, err);
    if (status == QR_OK) {
        retire(super, aside, swap->retire_signal);
        return QR_OK;
    }
    pid = give_back(super, name, aside, swap->end_ns);
    if (pid > 0)
        swap->kept(swap->ctx, name, pid);
    return status;
}
