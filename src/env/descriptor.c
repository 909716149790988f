/* descriptor.c - see env/descriptor.h */
#include "env/descriptor.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/banned.h"

enum { DESCRIPTORS_MAX = 4 }; /* that a message may bring; all but one are a mistake */

bool qr_descriptor_send(int link, const void *message, size_t bytes, int fd)
{
    struct iovec iov = {(void *)(uintptr_t)message, bytes};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    ssize_t n;
    do
        n = sendmsg(link, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

static int take_descriptor(struct msghdr *msg)
{
    int fds[DESCRIPTORS_MAX], count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len && count < DESCRIPTORS_MAX;
             at += sizeof(int)) {
            memcpy(&fds[count], (const char *)c + at, sizeof(int));
            count += 1;
        }
    }
    if (count == 1)
        return fds[0];
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return -1;
}

ssize_t qr_descriptor_receive(int link, void *dst, size_t bytes, int *ret_fd, int *ret_flags)
{
    struct iovec iov = {dst, bytes};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    *ret_fd = -1;
    *ret_flags = 0;
    ssize_t n = recvmsg(link, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    *ret_fd = take_descriptor(&msg);
    *ret_flags = msg.msg_flags;
    return n;
}
