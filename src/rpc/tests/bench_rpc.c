/* bench_rpc.c - round trips and bytes over a unix socket, the server in a process of its own.
 *
 * usage: bench_rpc [SECONDS]; one JSON line a figure. The clock of a shared machine lies: compare
 * the lines of one run. */
#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "echo.h"
#include "env/thread.h"

extern char **environ;
enum { WINDOW_MAX = 256, SAMPLES_MAX = 1 << 20 };
static int64_t seconds = 2;
static struct qr_env *env;

static int serve_main(const char *address, const char *workers)
{
    static struct echo echo = {.mu = PTHREAD_MUTEX_INITIALIZER};
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_listener *listener = NULL;
    struct qr_rpc_loop_options options = {.env = qr_env_real()};
    struct qr_rpc_listen_options listen = {.address = address,
                                           .serve = echo_serve,
                                           .ctx = &echo,
                                           .workers = (int)strtol(workers, NULL, 10)};
    echo.env = qr_env_real();
    if (qr_rpc_loop_new(&options, &loop, NULL) != QR_OK ||
        qr_rpc_listen(loop, &listen, &listener, NULL) != QR_OK)
        return 1;
    for (;;)
        pause();
}

/* Keeps a window of calls in flight until the time is over; each answer starts the next call. */
struct window;
struct slot {
    struct qr_rpc_call call; /* first */
    struct window *window;
    uint8_t body[64];
    int64_t started_ns;
};
struct window {
    struct qr_rpc_peer *peer;
    int size;
    uint16_t method;
    uint32_t reply_bytes;
    int64_t until_ns;
    struct slot slots[WINDOW_MAX];
    uint64_t count, bytes; /* loop thread */
    _Atomic int live;
    int64_t *samples;
};

static void start_slot(struct slot *slot)
{
    slot->started_ns = qr_env_mono_ns(env);
    qr_rpc_start(slot->window->peer, &slot->call);
}

static void slot_done(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct slot *slot = (struct slot *)call;
    struct window *window = slot->window;
    assert(reply->status == QR_OK);
    int64_t now = qr_env_mono_ns(env);
    window->samples[window->count++ % SAMPLES_MAX] = now - slot->started_ns;
    window->bytes += reply->bytes;
    if (now < window->until_ns)
        start_slot(slot);
    else
        atomic_fetch_sub(&window->live, 1);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, struct window *window, int64_t took_ns)
{
    size_t n = window->count < SAMPLES_MAX ? window->count : SAMPLES_MAX;
    qsort(window->samples, n, sizeof window->samples[0], by_value);
    double s = (double)took_ns / 1e9;
    size_t middle = n / 2, slow = n * 99 / 100;
    printf("{\"bench\":\"rpc/%s\",\"calls_per_s\":%.0f,\"mb_per_s\":%.0f,\"us_p50\":%.1f,"
           "\"us_p99\":%.1f}\n",
           name, (double)window->count / s, (double)window->bytes / s / 1e6,
           (double)window->samples[middle] / 1e3, (double)window->samples[slow] / 1e3);
    fflush(stdout);
}

static void run_window(const char *name, struct qr_rpc_peer *peer, int size, uint16_t method,
                       uint32_t reply_bytes)
{
    struct window *window = calloc(1, sizeof *window);
    window->samples = malloc(SAMPLES_MAX * sizeof window->samples[0]);
    window->peer = peer;
    atomic_init(&window->live, size);
    int64_t begin = qr_env_mono_ns(env);
    window->until_ns = begin + seconds * 1000000000;
    for (int i = 0; i < size; i++) {
        struct slot *slot = &window->slots[i];
        slot->window = window;
        slot->call = (struct qr_rpc_call){.method = method, .body_count = 1, .done = slot_done};
        slot->call.body[0] = (struct iovec){slot->body, sizeof slot->body};
        qr_put32le(slot->body, reply_bytes);
        start_slot(slot);
    }
    while (atomic_load(&window->live) > 0)
        qr_env_sleep_ns(env, 1000000);
    report(name, window, qr_env_mono_ns(env) - begin);
    free(window->samples);
    free(window);
}

struct thread {
    struct qr_rpc_peer *peer;
    int64_t until_ns;
    struct window result;
};

static void *blocking_main(void *arg)
{
    struct thread *thread = arg;
    uint8_t body[64] = {0};
    for (;;) {
        int64_t begin = qr_env_mono_ns(env);
        if (begin >= thread->until_ns)
            return NULL;
        enum qr_status status = qr_rpc_call_wait(
            thread->peer, ECHO, &(struct iovec){body, sizeof body}, 1, 0, NULL, NULL);
        assert(status == QR_OK);
        thread->result.samples[thread->result.count++ % SAMPLES_MAX] = qr_env_mono_ns(env) - begin;
        thread->result.bytes += sizeof body;
    }
}

static void run_threads(const char *name, struct qr_rpc_peer *peer, int count)
{
    static struct thread threads[16];
    pthread_t ids[16];
    int64_t begin = qr_env_mono_ns(env);
    for (int i = 0; i < count; i++) {
        threads[i] = (struct thread){.peer = peer, .until_ns = begin + seconds * 1000000000};
        threads[i].result.samples = malloc(SAMPLES_MAX * sizeof(int64_t));
        enum qr_status status =
            qr_thread_start("bench", 0, blocking_main, &threads[i], &ids[i], NULL);
        assert(status == QR_OK);
    }
    static struct window all;
    all = (struct window){.samples = malloc(SAMPLES_MAX * sizeof(int64_t))};
    for (int i = 0; i < count; i++) {
        pthread_join(ids[i], NULL);
        for (uint64_t k = 0; k < threads[i].result.count; k++)
            all.samples[(all.count + k) % SAMPLES_MAX] = threads[i].result.samples[k % SAMPLES_MAX];
        all.count += threads[i].result.count;
        all.bytes += threads[i].result.bytes;
        free(threads[i].result.samples);
    }
    report(name, &all, qr_env_mono_ns(env) - begin);
    free(all.samples);
}

static void run_all(const char *dir, const char *where, char *workers)
{
    char address[128], name[64];
    snprintf(address, sizeof address, "unix:%s/%s", dir, where);
    char *argv[] = {"bench_rpc", "serve", address, workers, NULL};
    pid_t pid;
    int failed = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
    assert(failed == 0);
    struct qr_rpc_loop *loop = NULL;
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_loop_options options = {.env = env};
    struct qr_rpc_client_options connect = {.address = address, .patient = true};
    enum qr_status status = qr_rpc_loop_new(&options, &loop, NULL);
    assert(status == QR_OK);
    status = qr_rpc_client_new(loop, &connect, &client, NULL);
    assert(status == QR_OK);
    struct qr_rpc_peer *peer = qr_rpc_client_peer(client);
    status = qr_rpc_call_wait(peer, ECHO, NULL, 0, 0, NULL, NULL);
    assert(status == QR_OK);
    static const struct {
        const char *what;
        int window, threads;
        uint16_t method;
        uint32_t reply_bytes;
    } rows[] = {
        {"one_at_a_time_64b", 0, 1, ECHO, 0},
        {"4_threads_64b", 0, 4, ECHO, 0},
        {"16_threads_64b", 0, 16, ECHO, 0},
        {"window_64_64b", 64, 0, ECHO, 0},
        {"window_1_8k_replies", 1, 0, BYTES, 8192},
        {"window_32_8k_replies", 32, 0, BYTES, 8192},
        {"window_8_256k_replies", 8, 0, BYTES, 256 << 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", where, rows[i].what);
        if (rows[i].threads > 0)
            run_threads(name, peer, rows[i].threads);
        else
            run_window(name, peer, rows[i].window, rows[i].method, rows[i].reply_bytes);
    }
    qr_rpc_client_free(client);
    qr_rpc_loop_free(loop);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(address + 5);
}

int main(int argc, char **argv)
{
    env = qr_env_real();
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve_main(argv[2], argv[3]);
    if (argc == 2)
        seconds = strtol(argv[1], NULL, 10);
    char dir[] = "/tmp/quire-rpcb-XXXXXX", none[] = "0", two[] = "2";
    if (mkdtemp(dir) == NULL)
        return 1;
    run_all(dir, "loop", none);
    run_all(dir, "workers", two);
    return rmdir(dir) != 0;
}
