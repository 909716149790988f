/* descriptor.c - see env/descriptor.h */
#include "env/descriptor.h"
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/banned.h"

bool qr_descriptors_send(int link, const void *message, size_t bytes, const int *fds, size_t count)
{
    struct iovec iov = {(void *)(uintptr_t)message, bytes};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(QR_DESCRIPTORS_MAX * sizeof(int))];
    } control = {0};
    assert(count > 0 && count <= QR_DESCRIPTORS_MAX);
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(count * sizeof *fds)};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(&control.head), fds, count * sizeof *fds);
    ssize_t n;
    do
        n = sendmsg(link, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

static size_t take_descriptors(struct msghdr *msg, int *ret_fds, size_t count_max)
{
    int fds[QR_DESCRIPTORS_MAX];
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len && count < QR_DESCRIPTORS_MAX;
             at += sizeof(int)) {
            memcpy(&fds[count], (const char *)c + at, sizeof(int));
            count += 1;
        }
    }
    if (count <= count_max) {
        memcpy(ret_fds, fds, count * sizeof *fds);
        return count;
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return 0;
}

ssize_t qr_descriptors_receive(int link, void *dst, size_t bytes, int *ret_fds, size_t count_max,
                               size_t *ret_count, int *ret_flags)
{
    struct iovec iov = {dst, bytes};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(QR_DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    *ret_count = 0;
    *ret_flags = 0;
    ssize_t n = recvmsg(link, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    *ret_count = take_descriptors(&msg, ret_fds, count_max);
    *ret_flags = msg.msg_flags;
    return n;
}

bool qr_descriptor_vanished(int fd)
{
    enum { VANISHED_MS = 60000, UNANSWERED_MIN = 3 };
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) /* it is not TCP */
        return false;
    return info.tcpi_last_ack_recv >= VANISHED_MS &&
           (info.tcpi_retransmits >= UNANSWERED_MIN || info.tcpi_probes >= UNANSWERED_MIN);
}
