/* echo.c - the least that an answer takes: one byte to another process over TCP and back.
 *
 *   echo --seconds N
 * What it takes beside a load is what the machine's processors add to any server's answer.
 * Prints one JSON line. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_MAX = 4 << 20, SIGNAL_KILL = 9 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void serve(int listener)
{
    char byte = 0;
    int on = 1, fd = accept(listener, NULL, NULL);
    prctl(PR_SET_PDEATHSIG, SIGNAL_KILL);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die("accept");
    while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        continue;
    _exit(0);
}

static int open_listener(struct sockaddr_in *ret_address)
{
    socklen_t bytes = sizeof *ret_address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret_address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, bytes) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)ret_address, &bytes) != 0)
        die("listen");
    return fd;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static size_t measure(int fd, int64_t seconds, uint32_t *samples)
{
    size_t count = 0;
    char byte = 'e';
    for (int64_t begin = now_ns(), end = begin + seconds * 1000000000;
         begin < end && count < SAMPLES_MAX; count++) {
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            die("echo");
        int64_t now = now_ns();
        samples[count] = (uint32_t)((now - begin) / 1000);
        begin = now;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    long seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? strtol(argv[2], NULL, 10) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: echo --seconds N\n");
        return 2;
    }
    int listener = open_listener(&address), on = 1;
    pid_t server = fork();
    if (server == 0)
        serve(listener);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint32_t *samples = calloc(SAMPLES_MAX, sizeof *samples);
    if (server < 0 || fd < 0 || samples == NULL ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die("connect");
    size_t count = measure(fd, seconds, samples);
    qsort(samples, count, sizeof *samples, by_value);
    printf("{\"answers\":%zu,\"p50_us\":%u,\"p99_us\":%u}\n", count, samples[count / 2],
           samples[count * 99 / 100]);
    free(samples);
    return 0;
}
