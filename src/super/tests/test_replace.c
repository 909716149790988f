/* Goal: a child's program is replaced or goes on as it was, and children stay when the process that
 * has them becomes another program. Method: real shells; ready is who has said so through a pipe;
 * this program executes itself. */
#include "qr_test.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "super/super.h"
#include "super_int.h"

enum { WAIT_MS = 20000 };
static const char self[] = "/proc/self/exe";
#define READY "echo >&$1; "
#define SLEEPS "exec sleep 1000"

struct fixture {
    int said[2];
    int kept_pid;
    struct qr_super *super;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct qr_super_options options = {
        .env = qr_env_real(), .pause_min_ns = 1000000, .pause_max_ns = 4000000};
    *state = f;
    return pipe2(f->said, O_CLOEXEC) != 0 || qr_super_new(&options, &f->super, NULL) != QR_OK;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    qr_super_free(f->super);
    close(f->said[0]);
    close(f->said[1]);
    free(f);
    return 0;
}

struct shell {
    struct qr_super_child child;
    char fd[16], text[256], *argv[6];
};

/* The script finds the pipe's end as $1. */
static const struct qr_super_child *shell(struct shell *s, int fd, const char *script)
{
    static char name[] = "sh", flag[] = "-c";
    snprintf(s->fd, sizeof s->fd, "%d", fd);
    snprintf(s->text, sizeof s->text, "%s", script);
    s->argv[0] = name;
    s->argv[1] = flag;
    s->argv[2] = s->text;
    s->argv[3] = name;
    s->argv[4] = s->fd;
    s->argv[5] = NULL;
    s->child = (struct qr_super_child){
        .name = "role", .path = "/bin/sh", .argv = s->argv, .fds = {fd}, .fd_count = 1};
    return &s->child;
}

static bool says(int fd, int64_t ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char word;
    return poll(&poll_fd, 1, (int)ms) == 1 && read(fd, &word, 1) == 1;
}

static enum qr_status wait_ready(void *ctx, const char *name, int pid, int64_t until_mono_ns)
{
    struct fixture *f = ctx;
    int64_t left_ms = (until_mono_ns - qr_env_mono_ns(qr_env_real())) / 1000000;
    (void)name;
    (void)pid;
    return says(f->said[0], left_ms < 0 ? 0 : left_ms) ? QR_OK : QR_TIMEOUT;
}

static void kept(void *ctx, const char *name, int pid)
{
    struct fixture *f = ctx;
    assert_string_equal(name, "role");
    f->kept_pid = pid;
}

static int start_former(struct fixture *f, const struct qr_super_child *former)
{
    assert_int_equal(qr_super_start(f->super, former, NULL), QR_OK);
    assert_true(says(f->said[0], WAIT_MS));
    return qr_super_pid(f->super, "role");
}

/* Whether the child's command line has that text. */
static bool runs(int pid, const char *text)
{
    char path[32], line[512];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(line, (size_t)n, text, strlen(text)) != NULL;
}

static const struct row {
    const char *label, *next;
    int64_t ready_ns;
    enum qr_status want;
} rows[] = {
    {"it comes up", READY ": next; while :; do sleep 0.05; done", INT64_C(20000000000), QR_OK},
    {"it ends at once", "exit 3", INT64_C(20000000000), QR_CLOSED},
    {"it never says so", ": next; while :; do sleep 0.05; done", 50000000, QR_TIMEOUT},
};
static const char former_script[] = READY ": former; while :; do sleep 0.05; done";

static void test_a_program_that_does_not_come_up_gives_way_to_the_former(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct shell next, former;
        struct qr_super_swap swap = {.next = shell(&next, f->said[1], rows[i].next),
                                     .former = shell(&former, f->said[1], former_script),
                                     .end_ns = 0,
                                     .ready_ns = rows[i].ready_ns,
                                     .wait_ready = wait_ready,
                                     .ctx = f};
        print_message("%s\n", rows[i].label);
        int was = start_former(f, swap.former);
        struct qr_err err = {0};
        assert_int_equal(qr_super_replace(f->super, &swap, &err), rows[i].want);
        int pid = qr_super_pid(f->super, "role");
        assert_true(pid > 0 && pid != was);
        assert_true(runs(pid, rows[i].want == QR_OK ? ": next" : ": former"));
        assert_int_equal(err.text[0] == '\0', rows[i].want == QR_OK);
        qr_super_end(f->super, "role");
        qr_super_reap(f->super, "role", 0);
    }
}

static void count_child(void *ctx, const struct qr_super_seen *seen)
{
    size_t *counts = ctx;
    counts[0] += !seen->retired;
    counts[1] += seen->retired;
}

static void test_beside_each_other_the_former_notices_only_success(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct shell next, former;
        struct qr_super_swap swap = {.next = shell(&next, f->said[1], rows[i].next),
                                     .former = shell(&former, f->said[1],
                                                     "trap 'echo >&$1; exit 0' USR1; " READY
                                                     ": former; while :; do sleep 0.02; done"),
                                     .ready_ns = rows[i].ready_ns,
                                     .retire_signal = SIGUSR1,
                                     .wait_ready = wait_ready,
                                     .kept = kept,
                                     .ctx = f};
        print_message("%s\n", rows[i].label);
        int was = start_former(f, swap.former);
        f->kept_pid = 0;
        assert_int_equal(qr_super_replace_beside(f->super, &swap, NULL), rows[i].want);
        int pid = qr_super_pid(f->super, "role");
        if (rows[i].want == QR_OK) {
            assert_int_not_equal(pid, was);
            assert_true(says(f->said[0], WAIT_MS)); /* it was told */
        } else {
            assert_int_equal(pid, was);
            assert_int_equal(f->kept_pid, was);
        }
        qr_super_end(f->super, "role");
        qr_super_reap(f->super, "role", 0);
    }
    size_t counts[2] = {1, 0};
    for (int ms = 0; counts[0] + counts[1] > 0 && ms < WAIT_MS; ms++) {
        counts[0] = counts[1] = 0;
        qr_super_each(f->super, count_child, counts);
        poll(NULL, 0, 1); /* the retired one is forgotten when it has been reaped */
    }
    assert_int_equal(counts[0] + counts[1], 0);
}

/* ---- this program after execve: it adopts, asks for one more execve, and says what it sees ----
 */

struct later {
    struct qr_super *super;
    int turn, pid, out, said;
};

static void *later_main(void *arg)
{
    struct later *l = arg;
    struct shell s;
    if (l->turn == 0) {
        if (qr_super_start(l->super, shell(&s, l->said, READY SLEEPS), NULL) != QR_OK)
            _exit(1);
    } else if (qr_super_adopt(l->super, shell(&s, l->said, READY SLEEPS), l->pid, false, NULL) !=
               QR_OK) {
        _exit(2);
    }
    while ((l->pid = qr_super_pid(l->super, "role")) == 0)
        poll(NULL, 0, 1);
    if (l->turn < 2) {
        qr_super_leave(l->super);
        return NULL;
    }
    dprintf(l->out, "%d\n", l->pid);
    kill(l->pid, SIGKILL); /* an adopted child is one like others: it comes back */
    while (qr_super_pid(l->super, "role") == 0 || qr_super_pid(l->super, "role") == l->pid)
        poll(NULL, 0, 1);
    dprintf(l->out, "back\n");
    qr_super_free(l->super);
    return NULL;
}

/* argv: this program, "later", turn, pid, out, said */
static int later(char **argv)
{
    struct later l = {
        .turn = atoi(argv[2]), .pid = atoi(argv[3]), .out = atoi(argv[4]), .said = atoi(argv[5])};
    struct qr_super_options options = {.env = qr_env_real(), .no_thread = true};
    pthread_t thread;
    char turn[16], pid[16];
    if (qr_super_new(&options, &l.super, NULL) != QR_OK ||
        pthread_create(&thread, NULL, later_main, &l) != 0)
        return 3;
    qr_super_loop(l.super);
    pthread_join(thread, NULL);
    if (l.turn == 2)
        return 0;
    snprintf(turn, sizeof turn, "%d", l.turn + 1);
    snprintf(pid, sizeof pid, "%d", l.pid);
    execl(self, argv[0], "later", turn, pid, argv[4], argv[5], NULL);
    return 4;
}

static void test_children_stay_when_the_process_becomes_another_program_twice(void **state)
{
    (void)state;
    int out[2], said[2], status = 0;
    char texts[2][16], lines[64] = "";
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(said), 0);
    snprintf(texts[0], sizeof texts[0], "%d", out[1]);
    snprintf(texts[1], sizeof texts[1], "%d", said[1]);
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, "test", "later", "0", "0", texts[0], texts[1], NULL);
        _exit(5);
    }
    close(out[1]);
    close(said[1]);
    FILE *file = fdopen(out[0], "r");
    assert_non_null(fgets(lines, sizeof lines, file));
    assert_true(atoi(lines) > 1);
    assert_non_null(fgets(lines, sizeof lines, file));
    assert_string_equal(lines, "back\n");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    int words = 0;
    char word;
    while (read(said[0], &word, 1) == 1)
        words++;
    assert_in_range(words, 1, 2); /* the child that was adopted twice did not start again; its
                                     successor may have been ended before it said so */
    fclose(file);
    close(said[0]);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "later") == 0)
        return later(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_program_that_does_not_come_up_gives_way_to_the_former, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside_each_other_the_former_notices_only_success,
                                        setup, teardown),
        cmocka_unit_test(test_children_stay_when_the_process_becomes_another_program_twice),
    };
    return cmocka_run_group_tests_name("super/replace", tests, NULL, NULL);
}
