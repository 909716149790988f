/* handover.c - see super/super.h: children that stay when this process becomes another program */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "env/thread.h"
#include "super_int.h"
#include "base/banned.h"

static const int64_t LOOK_NS = 10000000;

void qr_super_each(struct qr_super *super,
                   void (*each)(void *each_ctx, const struct qr_super_seen *seen), void *each_ctx)
{
    pthread_mutex_lock(&super->mu);
    for (struct qri_child *child = super->children; child != NULL; child = child->next) {
        struct qr_super_seen seen = {child->name, child->path, child->pid, child->retired};
        if (child->state == QRI_CHILD_RUNNING ||
            (child->state == QRI_CHILD_WAITING && !child->ending))
            each(each_ctx, &seen);
    }
    pthread_mutex_unlock(&super->mu);
}

int qr_super_lock_fd(const struct qr_super *super)
{
    return super->lock_fd;
}

void qr_super_leave(struct qr_super *super)
{
    pthread_mutex_lock(&super->mu);
    super->closing = true;
    while (super->loops) {
        qri_super_wake(super);
        (void)qr_cond_wait(&super->gone, &super->mu, LOOK_NS);
    }
    pthread_mutex_unlock(&super->mu);
}

/* ---- afterwards ---- */

enum qr_status qr_super_adopt(struct qr_super *super, const struct qr_super_child *spec, int pid,
                              bool retired, struct qr_err *err)
{
    struct qri_child *child = NULL;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0 && retired)
        return QR_OK;
    if (pidfd >= 0)
        fcntl(pidfd, F_SETFD, FD_CLOEXEC);
    pthread_mutex_lock(&super->mu);
    enum qr_status status = qri_super_add(super, spec, &child, err);
    if (status == QR_OK && pidfd >= 0) {
        child->state = QRI_CHILD_RUNNING;
        child->retired = retired;
        child->starts = 1;
        child->since_ns = qr_env_mono_ns(super->options.env);
        child->pid = pid;
        child->pidfd = pidfd;
    }
    pthread_mutex_unlock(&super->mu);
    if (status != QR_OK && pidfd >= 0)
        close(pidfd);
    qri_super_wake(super);
    return status;
}
