/* thread.c - see env/thread.h */
#include "env/thread.h"
#include "env/background.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/banned.h"

enum { STACK_BYTES_DEFAULT = 256 * 1024, BACKGROUND_NICE = 5, PROMPT_TURN_NS = 100000 };

enum qr_status qr_thread_start(const char *name, size_t stack_bytes, void *(*run)(void *arg),
                               void *arg, pthread_t *ret_thread, struct qr_err *err)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    int rc = pthread_attr_setstacksize(&attr, stack_bytes == 0 ? STACK_BYTES_DEFAULT : stack_bytes);
    assert(rc == 0);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    pthread_t thread;
    rc = pthread_create(&thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return qr_fail(err, QR_NOMEM, "start thread '%s': error %d", name, rc);

    char short_name[16];
    size_t n = strnlen(name, sizeof short_name - 1);
    memcpy(short_name, name, n);
    short_name[n] = '\0';
    pthread_setname_np(thread, short_name);
    *ret_thread = thread;
    return QR_OK;
}

void qr_thread_background(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE); /* Linux: of the thread */
}

void qr_thread_prompt(void)
{
    struct { /* struct sched_attr: the C library has no name for it */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof attr,
              .nice = getpriority(PRIO_PROCESS, (id_t)gettid()),
              .runtime = PROMPT_TURN_NS};
    (void)!syscall(SYS_sched_setattr, 0, &attr, 0); /* policy 0: SCHED_OTHER, as it was */
}

void qr_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

enum qr_status qr_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t ns)
{
    if (ns < 0) {
        pthread_cond_wait(cond, mu);
        return QR_OK;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec += ns % 1000000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(cond, mu, &until) == ETIMEDOUT ? QR_TIMEOUT : QR_OK;
}

uint64_t qr_thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}
