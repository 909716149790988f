/* What governance costs a request: entering and leaving a task, with and without limits. */
#include <stdio.h>
#include "env/thread.h"
#include "governor/task.h"

static void measure(bool enforce)
{
    enum { COUNT = 2000000 };
    struct qr_env *env = qr_env_real();
    struct qr_gov_options options = {
        .env = env, .enforce = enforce, .host_cpu_ns_per_s = UINT64_C(64000000000)};
    struct qr_gov_limits limits = {.vcores_pct = 6400, .workers_max = 100, .sessions_max = 100};
    struct qr_gov_group_options of_group = {
        .database_id = 5, .shown_id = 5, .pool_key = 5, .limits = limits, .pool_limits = limits};
    struct qr_governor *gov = NULL;
    struct qr_gov_group *group = NULL;
    struct qr_gov_task task;
    if (qr_governor_new(&options, &gov, NULL) != QR_OK)
        return;
    qr_governor_set_vcore(gov, 1000000);
    if (qr_gov_group_open(gov, &of_group, &group, NULL) != QR_OK)
        return;
    qr_gov_task_init(&task, group, NULL, NULL, false);
    uint64_t start = qr_thread_cpu_ns();
    for (int i = 0; i < COUNT; i++) {
        if (qr_gov_worker_take(&task, NULL) != QR_OK)
            return;
        qr_gov_enter(&task);
        qr_gov_leave(&task);
        qr_gov_worker_give(&task);
    }
    double ns = (double)(qr_thread_cpu_ns() - start) / COUNT;
    printf("{\"bench\":\"governor/request_%s\",\"ns_per_op\":%.0f}\n", enforce ? "on" : "off", ns);
    qr_gov_task_done(&task);
    qr_gov_group_close(group);
    qr_governor_free(gov);
}

int main(void)
{
    measure(false);
    measure(true);
    return 0;
}
