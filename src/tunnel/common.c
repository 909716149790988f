/* common.c - see tunnel_int.h */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tunnel_int.h"
#include "base/banned.h"

enum { DESCRIPTORS_MAX = 4 }; /* that a message may bring; all but one are a mistake */

enum qr_status qri_tunnel_unix(const char *address, struct sockaddr_un *ret_address,
                               struct qr_err *err)
{
    size_t n = strlen(address);
    if (n <= 5 || strncmp(address, "unix:", 5) != 0 || n - 5 >= sizeof ret_address->sun_path)
        return qr_fail(err, QR_INVALID, "'%s' is no address of a socket here", address);
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, address + 5, n - 5 + 1);
    return QR_OK;
}

bool qri_tunnel_is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == geteuid();
}

bool qri_tunnel_pass(int link, const void *message, size_t bytes, int fd)
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

ssize_t qri_tunnel_catch(int link, void *dst, size_t bytes, int *ret_fd)
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
    ssize_t n = recvmsg(link, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    *ret_fd = take_descriptor(&msg);
    if ((msg.msg_flags & MSG_TRUNC) != 0 && *ret_fd >= 0) {
        close(*ret_fd);
        *ret_fd = -1;
    }
    return n;
}
