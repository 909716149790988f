/* load_io.c - buffers and blocking I/O that the generators and their protocols share; see load.h.
 */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void load_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int64_t load_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint32_t load_random(struct load_conn *c, uint32_t below)
{
    uint32_t x = c->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    c->random = x;
    return (uint32_t)(((uint64_t)x * below) >> 32);
}

void load_put(struct load_conn *c, const void *bytes, size_t n)
{
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (c->out_len + n) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (c->out == NULL)
            load_die("out of memory");
    }
    memcpy(c->out + c->out_len, bytes, n);
    c->out_len += n;
}

void load_flush(struct load_conn *c)
{
    for (size_t done = 0; done < c->out_len;) {
        ssize_t n = write(c->fd, c->out + done, c->out_len - done);
        if (n <= 0)
            load_die("write: %s", strerror(errno));
        done += (size_t)n;
    }
    c->out_len = 0;
}

/* Reads what is there (or waits for some). False at the end of the connection. */
bool load_read(struct load_conn *c)
{
    if (c->in_cap - c->in_len < 65536) {
        c->in_cap = c->in_cap == 0 ? 262144 : c->in_cap * 2;
        c->in = realloc(c->in, c->in_cap);
        if (c->in == NULL)
            load_die("out of memory");
    }
    ssize_t n = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);
    if (n <= 0)
        return false;
    c->in_len += (size_t)n;
    c->answer_bytes += (uint64_t)n;
    return true;
}

void load_await(struct load_conn *c, const struct load_protocol *p)
{
    while (!p->answered(c))
        if (!load_read(c))
            load_die("the server closed the connection");
}

void load_open(struct load_conn *c, const char *host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    inet_pton(AF_INET, host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        load_die("connect to %s:%d: %s", host, port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
