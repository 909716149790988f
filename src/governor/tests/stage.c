/* stage.c - see stage.h */
#include "stage.h"

struct stage stage;

static int64_t mono_ns(struct qr_env *env)
{
    (void)env;
    return stage.now_ns;
}

static void sleep_ns(struct qr_env *env, int64_t ns)
{
    (void)env;
    struct actor *a = stage.on;
    if (a == NULL) {
        stage.now_ns += ns;
        return;
    }
    a->wake_ns = stage.now_ns + ns;
    a->thread = *qri_gov_thread();
    stage.on = NULL;
    swapcontext(&a->context, &stage.main);
}

static uint64_t cpu_ns(void)
{
    return stage.on == NULL ? 0 : (uint64_t)stage.on->cpu_ns;
}

void stage_open(struct qr_gov_options options, uint32_t vcore_ppm)
{
    memset(&stage, 0, sizeof stage);
    stage.ops = (struct qr_env_ops){.wall_ns = mono_ns, .mono_ns = mono_ns, .sleep_ns = sleep_ns};
    stage.env.ops = &stage.ops;
    stage.now_ns = 100 * S;
    options.env = &stage.env;
    options.cpu_ns = cpu_ns;
    assert_int_equal(qr_governor_new(&options, &stage.gov, NULL), QR_OK);
    qr_governor_set_vcore(stage.gov, vcore_ppm);
}

void stage_close(void)
{
    for (size_t i = 0; i < stage.count; i++) {
        qr_gov_task_done(&stage.actors[i].task);
        free(stage.actors[i].stack);
    }
    qr_governor_free(stage.gov);
}

struct qr_gov_group *stage_group(uint32_t id, uint64_t pool_key, struct qr_gov_limits limits,
                                 struct qr_gov_limits pool_limits)
{
    struct qr_gov_group_options options = {
        .database_id = id,
        .shown_id = id,
        .pool_key = pool_key,
        .database = "db",
        .objective = "GP_Gen5_2",
        .limits = limits,
        .pool_limits = pool_limits,
    };
    struct qr_gov_group *group = NULL;
    assert_int_equal(qr_gov_group_open(stage.gov, &options, &group, NULL), QR_OK);
    return group;
}

void stage_use_cpu(struct actor *a, int64_t ns)
{
    while (ns > 0 && !a->is_cancelled) {
        int64_t step = ns < MS / 4 ? ns : MS / 4;
        a->cpu_ns += step;
        sleep_ns(NULL, step);
        ns -= step;
        qr_gov_poll();
    }
}

static void make_requests(struct actor *a)
{
    while (stage.now_ns < a->until_ns) {
        int64_t start = stage.now_ns;
        qr_gov_enter(&a->task);
        stage_use_cpu(a, a->burst_ns);
        qr_gov_leave(&a->task);
        int64_t over = stage.now_ns - start - a->burst_ns;
        a->worst_ns = over > a->worst_ns ? over : a->worst_ns;
        a->requests += 1;
        if (a->pause_ns > 0)
            sleep_ns(NULL, a->pause_ns);
    }
}

static void begin(unsigned index)
{
    struct actor *a = &stage.actors[index];
    a->play(a);
    a->is_over = true;
    a->thread = *qri_gov_thread();
    stage.on = NULL;
}

static bool cancelled(void *ctx)
{
    return ((struct actor *)ctx)->is_cancelled;
}
static const struct qr_gov_task_ops task_ops = {.cancelled = cancelled};

struct actor *stage_enter_play(struct qr_gov_group *group, void (*play)(struct actor *a),
                               int64_t until_ns)
{
    assert_true(stage.count < STAGE_ACTORS_MAX);
    struct actor *a = &stage.actors[stage.count];
    a->stack = malloc(STAGE_STACK_BYTES);
    assert_non_null(a->stack);
    getcontext(&a->context);
    a->context.uc_stack.ss_sp = a->stack;
    a->context.uc_stack.ss_size = STAGE_STACK_BYTES;
    a->context.uc_link = &stage.main;
    makecontext(&a->context, (void (*)(void))begin, 1, (unsigned)stage.count);
    qr_gov_task_init(&a->task, group, &task_ops, a, false);
    a->play = play;
    a->until_ns = until_ns;
    a->wake_ns = stage.now_ns;
    stage.count += 1;
    return a;
}

struct actor *stage_enter(struct qr_gov_group *group, int64_t burst_ns, int64_t until_ns)
{
    struct actor *a = stage_enter_play(group, make_requests, until_ns);
    a->burst_ns = burst_ns;
    return a;
}

void stage_run(void)
{
    for (;;) {
        struct actor *next = NULL;
        for (size_t i = 0; i < stage.count; i++)
            if (!stage.actors[i].is_over &&
                (next == NULL || stage.actors[i].wake_ns < next->wake_ns))
                next = &stage.actors[i];
        if (next == NULL)
            break;
        stage.now_ns = next->wake_ns > stage.now_ns ? next->wake_ns : stage.now_ns;
        *qri_gov_thread() = next->thread;
        stage.on = next;
        swapcontext(&stage.main, &next->context);
    }
    *qri_gov_thread() = (struct qri_gov_thread){0};
}

uint64_t stage_cpu_of(const struct qr_gov_group *group)
{
    return atomic_load(&qr_gov_group_usage(group)->cpu_ns);
}
