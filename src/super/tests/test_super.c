/* Goal: children are kept running, end when they are told to, and never outlive their supervisor.
 * Method: real shells that say through pipes where they are, so nothing is decided by time. */
#include "qr_test.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/thread.h"
#include "super/super.h"
#include "super_int.h"

enum { EXITS_MAX = 64 };

struct fixture {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct qr_super_exit exits[EXITS_MAX];
    int count;
    int said[2]; /* what children say */
    char lock_path[64];
    struct qr_super *super;
};

static void on_exit_of(void *ctx, const struct qr_super_exit *e)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->mu);
    if (f->count < EXITS_MAX)
        f->exits[f->count++] = *e;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
}

static void wait_exits(struct fixture *f, int count)
{
    pthread_mutex_lock(&f->mu);
    while (f->count < count)
        qr_cond_wait(&f->changed, &f->mu, -1);
    pthread_mutex_unlock(&f->mu);
}

static struct qr_super_options options_of(struct fixture *f)
{
    return (struct qr_super_options){
        .env = qr_env_real(),
        .lock_path = f->lock_path,
        .pause_min_ns = 1000000,
        .pause_max_ns = 4000000,
        .exited = on_exit_of,
        .ctx = f,
    };
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    pthread_mutex_init(&f->mu, NULL);
    qr_cond_init(&f->changed);
    memcpy(f->lock_path, "/tmp/qr_test_super_XXXXXX", 26);
    close(mkostemp(f->lock_path, O_CLOEXEC));
    if (pipe2(f->said, O_CLOEXEC) != 0)
        return 1;
    struct qr_super_options options = options_of(f);
    *state = f;
    return qr_super_new(&options, &f->super, NULL) != QR_OK;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    qr_super_free(f->super);
    close(f->said[0]);
    close(f->said[1]);
    unlink(f->lock_path);
    pthread_cond_destroy(&f->changed);
    free(f);
    return 0;
}

/* The script finds the pipe's end as $1. */
static enum qr_status start(struct fixture *f, const char *name, const char *script, bool may_rest)
{
    char fd[16], text[256];
    snprintf(fd, sizeof fd, "%d", f->said[1]);
    snprintf(text, sizeof text, "%s", script);
    char shell[] = "sh", flag[] = "-c", zero[] = "sh";
    char *argv[] = {shell, flag, text, zero, fd, NULL};
    struct qr_super_child child = {.name = name,
                                   .path = "/bin/sh",
                                   .argv = argv,
                                   .fds = {f->said[1]},
                                   .fd_count = 1,
                                   .may_rest = may_rest};
    return qr_super_start(f->super, &child, NULL);
}

static void wait_word(struct fixture *f)
{
    char word;
    assert_int_equal(read(f->said[0], &word, 1), 1);
}

static void test_pauses_double_up_to_a_maximum_and_service_forgives(void **state)
{
    (void)state;
    struct qr_super_options options = {
        .pause_min_ns = 10, .pause_max_ns = 5000, .service_ns = 1000000};
    static const struct {
        int64_t ran_ns, want_ns;
    } rows[] = {{0, 0},   {0, 10},   {0, 20},   {0, 40},        {0, 80},   {0, 160},     {0, 320},
                {0, 640}, {0, 1280}, {0, 2560}, {999999, 5000}, {0, 5000}, {1000000, 0}, {5, 10}};
    struct qri_backoff backoff = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(qri_backoff_next(&backoff, rows[i].ran_ns, &options), rows[i].want_ns);
}

static void test_who_ends_is_started_again_the_first_time_at_once(void **state)
{
    static const int64_t pauses[] = {0, 1000000, 2000000, 4000000, 4000000};
    struct fixture *f = *state;
    assert_int_equal(start(f, "quits", "exit 3", true), QR_OK);
    wait_exits(f, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(f->exits[i].code, 3);
        assert_int_equal(f->exits[i].pause_ns, pauses[i]);
    }
}

static void test_a_killed_child_is_another_process_afterwards(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, "lives", "echo >&$1; exec sleep 1000", false), QR_OK);
    wait_word(f);
    int pid = qr_super_pid(f->super, "lives");
    assert_true(pid > 0);
    kill(pid, SIGKILL);
    wait_word(f);
    wait_exits(f, 1);
    assert_int_equal(f->exits[0].pid, pid);
    assert_int_equal(f->exits[0].code, -SIGKILL);
    assert_int_not_equal(qr_super_pid(f->super, "lives"), pid);
    assert_int_equal(kill(pid, 0), -1); /* reaped */
}

static void test_a_child_that_was_ended_stays_ended(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, "ends", "echo >&$1; exec sleep 1000", false), QR_OK);
    wait_word(f);
    qr_super_end(f->super, "ends");
    qr_super_reap(f->super, "ends", INT64_MAX);
    wait_exits(f, 1);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->exits[0].code, -SIGTERM);
    assert_int_equal(f->exits[0].pause_ns, -1);
    assert_int_equal(qr_super_pid(f->super, "ends"), 0);
    assert_int_equal(start(f, "ends", "echo >&$1; exec sleep 1000", false), QR_OK);
    wait_word(f);
}

static void test_who_ignores_sigterm_is_killed_when_its_time_is_over(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, "stays", "trap '' TERM; echo >&$1; while :; do :; done", false),
                     QR_OK);
    wait_word(f);
    qr_super_end(f->super, "stays");
    qr_super_reap(f->super, "stays", qr_env_mono_ns(qr_env_real()));
    wait_exits(f, 1);
    assert_int_equal(f->exits[0].code, -SIGKILL);
}

static void test_a_child_with_nothing_to_do_rests_until_it_is_asked(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start(f, "rests", "exit 0", true), QR_OK);
        wait_exits(f, i + 1);
        assert_int_equal(f->exits[i].pause_ns, -1);
    }
    assert_int_equal(start(f, "works", "exit 0", false), QR_OK);
    wait_exits(f, 4);
    assert_int_equal(f->exits[2].pause_ns, 0);
}

static void test_all_but_some_are_ended_together(void **state)
{
    static const char *const kept[] = {"stays", NULL};
    struct fixture *f = *state;
    static const char *const names[] = {"one", "stays", "two"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start(f, names[i], "echo >&$1; exec sleep 1000", false), QR_OK);
        wait_word(f);
    }
    qr_super_end_but(f->super, kept);
    qr_super_reap_ended(f->super, INT64_MAX);
    wait_exits(f, 2);
    assert_int_equal(qr_super_pid(f->super, "one"), 0);
    assert_int_equal(qr_super_pid(f->super, "two"), 0);
    assert_true(qr_super_pid(f->super, "stays") > 0);
}

static void test_an_endless_list_of_arguments_is_refused(void **state)
{
    struct fixture *f = *state;
    char *argv[QR_SUPER_ARGS_MAX + 2], word[] = "x";
    for (int i = 0; i <= QR_SUPER_ARGS_MAX; i++)
        argv[i] = word;
    argv[QR_SUPER_ARGS_MAX + 1] = NULL;
    struct qr_super_child child = {.name = "many", .path = "/bin/true", .argv = argv};
    assert_int_equal(qr_super_start(f->super, &child, NULL), QR_INVALID);
}

/* The supervisor of another process; killed by the caller. */
static pid_t fork_supervisor(struct fixture *f)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct qr_super_options options = options_of(f);
    close(f->said[0]);
    f->super = NULL;
    if (qr_super_new(&options, &f->super, NULL) != QR_OK)
        _exit(1);
    if (start(f, "orphan", "trap '' TERM; echo >&$1; exec sleep 1000", false) != QR_OK)
        _exit(1);
    for (;;)
        pause();
}

static void test_sigkill_of_the_supervisor_takes_its_children_along(void **state)
{
    struct fixture *f = *state;
    qr_super_free(f->super);
    f->super = NULL;
    pid_t pid = fork_supervisor(f);
    wait_word(f);
    /* as long as the children live, nobody can take their place */
    struct qr_super_options options = options_of(f);
    options.lock_wait_ns = 1;
    assert_int_equal(qr_super_new(&options, &f->super, NULL), QR_LOCKED);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(f->said[1]);
    char word;
    assert_int_equal(read(f->said[0], &word, 1), 0); /* the last end of the pipe is closed */
    assert_int_equal(pipe2(f->said, O_CLOEXEC), 0);
    options.lock_wait_ns = 0;
    assert_int_equal(qr_super_new(&options, &f->super, NULL), QR_OK);
    assert_int_equal(start(f, "next", "echo >&$1; exec sleep 1000", false), QR_OK);
    wait_word(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_double_up_to_a_maximum_and_service_forgives),
        cmocka_unit_test_setup_teardown(test_who_ends_is_started_again_the_first_time_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_killed_child_is_another_process_afterwards, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_child_that_was_ended_stays_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_ignores_sigterm_is_killed_when_its_time_is_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_child_with_nothing_to_do_rests_until_it_is_asked,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_but_some_are_ended_together, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_endless_list_of_arguments_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sigkill_of_the_supervisor_takes_its_children_along,
                                        setup, teardown),
    };
    return cmocka_run_group_tests_name("super", tests, NULL, NULL);
}
