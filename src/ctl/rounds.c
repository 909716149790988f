/* rounds.c - see control_int.h: threads that look at everything, wait, and look again */
#include "control_int.h"
#include "env/thread.h"
#include "base/banned.h"

static void *rounds_main(void *arg)
{
    struct qri_rounds *rounds = arg;
    struct qr_control *control = rounds->control;
    struct qr_env *env = control->options.env;
    pthread_mutex_lock(&control->mu);
    while (!control->stopping) {
        int64_t look_at_ns = qr_env_mono_ns(env) + rounds->every_ns;
        while (!control->stopping && qr_env_mono_ns(env) < look_at_ns)
            (void)qr_cond_wait(&control->changed, &control->mu, look_at_ns - qr_env_mono_ns(env));
        pthread_mutex_unlock(&control->mu);
        rounds->look(control);
        pthread_mutex_lock(&control->mu);
    }
    pthread_mutex_unlock(&control->mu);
    return NULL;
}

enum qr_status qri_rounds_start(struct qri_rounds *rounds, struct qr_control *control,
                                const char *name, int64_t every_ns,
                                void (*look)(struct qr_control *control), struct qr_err *err)
{
    int64_t most_ns = control->options.round_ns;
    *rounds =
        (struct qri_rounds){.control = control,
                            .look = look,
                            .every_ns = most_ns > 0 && most_ns < every_ns ? most_ns : every_ns};
    QR_TRY(qr_thread_start(name, 0, rounds_main, rounds, &rounds->thread, err));
    rounds->runs = true;
    return QR_OK;
}

void qri_rounds_stop(struct qri_rounds *rounds)
{
    if (rounds->runs)
        pthread_join(rounds->thread, NULL);
    rounds->runs = false;
}
