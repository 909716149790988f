/* common.c - see tunnel_int.h */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "env/descriptor.h"
#include "tunnel_int.h"
#include "base/banned.h"

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

ssize_t qri_tunnel_catch(int link, void *dst, size_t bytes, int ret_fds[QRI_TUNNEL_FDS])
{
    int flags = 0;
    size_t count = 0;
    ssize_t n = qr_descriptors_receive(link, dst, bytes, ret_fds, QRI_TUNNEL_FDS, &count, &flags);
    while ((flags & MSG_TRUNC) != 0 && count > 0)
        close(ret_fds[--count]);
    while (count < QRI_TUNNEL_FDS)
        ret_fds[count++] = -1;
    return n;
}
