/* address.c - see rpc/socket.h: addresses as text into sockets */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "socket_int.h"
#include "base/banned.h"

enum { BACKLOG = 512 };

static enum qr_status fail_errno(struct qr_err *err, enum qr_status status, const char *words,
                                 const char *what)
{
    int errnum = errno;
    char text[128];
    return qr_fail(err, status, "%s %s: %s", words, what, strerror_r(errnum, text, sizeof text));
}

static enum qr_status parse_unix(const char *path, struct qri_address *ret, struct qr_err *err)
{
    size_t n = strlen(path);
    if (path[0] != '/' || n >= sizeof ret->unix_address.sun_path)
        return qr_fail(err, QR_INVALID, "'unix:%s' is not an absolute path of at most %zu bytes",
                       path, sizeof ret->unix_address.sun_path - 1);
    ret->is_unix = true;
    ret->unix_address.sun_family = AF_UNIX;
    memcpy(ret->unix_address.sun_path, path, n + 1);
    return QR_OK;
}

static enum qr_status parse_tcp(const char *text, struct qri_address *ret, struct qr_err *err)
{
    const char *colon = strrchr(text, ':');
    const char *host = text, *host_end = colon;
    if (colon != NULL && host[0] == '[' && colon > host && colon[-1] == ']') {
        host += 1;
        host_end -= 1;
    }
    size_t host_bytes = colon == NULL ? 0 : (size_t)(host_end - host);
    size_t port_bytes = colon == NULL ? 0 : strlen(colon + 1);
    if (host_bytes == 0 || host_bytes >= sizeof ret->host || port_bytes == 0 || port_bytes > 5 ||
        strspn(colon + 1, "0123456789") != port_bytes)
        return qr_fail(err, QR_INVALID, "'tcp:%s' is not a host and a port", text);
    memcpy(ret->host, host, host_bytes);
    memcpy(ret->port, colon + 1, port_bytes);
    return QR_OK;
}

enum qr_status qri_address_parse(const char *text, struct qri_address *ret_address,
                                 struct qr_err *err)
{
    struct qri_address address = {0};
    if (strncmp(text, "unix:", 5) == 0)
        QR_TRY(parse_unix(text + 5, &address, err));
    else if (strncmp(text, "tcp:", 4) == 0)
        QR_TRY(parse_tcp(text + 4, &address, err));
    else
        return qr_fail(err, QR_INVALID, "address '%s' begins with neither unix: nor tcp:", text);
    *ret_address = address;
    return QR_OK;
}

/* Makes the directory if it is missing; it must be ours alone. */
static enum qr_status check_dir(const char *path, struct qr_err *err)
{
    char dir[sizeof((struct sockaddr_un *)0)->sun_path];
    qr_env_dir_name(path, dir);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail_errno(err, QR_IO, "make directory", dir);
    struct stat st;
    if (stat(dir, &st) != 0)
        return fail_errno(err, QR_IO, "look at directory", dir);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return qr_fail(err, QR_DENIED, "directory %s of the socket is open to other users", dir);
    return QR_OK;
}

/* A socket file that nobody listens on is left from a process that is gone. */
static enum qr_status remove_stale(const struct sockaddr_un *address, struct qr_err *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0)
        return QR_OK;
    if (!S_ISSOCK(st.st_mode))
        return qr_fail(err, QR_EXISTS, "%s is there and is no socket", address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(err, QR_IO, "make a socket for", address->sun_path);
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int errnum = errno;
    close(fd);
    if (rc == 0)
        return qr_fail(err, QR_EXISTS, "somebody listens on %s", address->sun_path);
    if (errnum == ECONNREFUSED)
        unlink(address->sun_path);
    return QR_OK;
}

static enum qr_status listen_unix(const struct qri_address *address, int *ret_fd,
                                  struct qr_err *err)
{
    const char *path = address->unix_address.sun_path;
    QR_TRY(check_dir(path, err));
    QR_TRY(remove_stale(&address->unix_address, err));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(err, QR_IO, "make a socket for", path);
    if (bind(fd, (const struct sockaddr *)&address->unix_address, sizeof address->unix_address) !=
            0 ||
        chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        enum qr_status status =
            fail_errno(err, errno == EADDRINUSE ? QR_EXISTS : QR_IO, "listen on", path);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return QR_OK;
}

static enum qr_status resolve(const struct qri_address *address, int flags,
                              struct addrinfo **ret_list, struct qr_err *err)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(address->host, address->port, &hints, ret_list);
    if (rc != 0)
        return qr_fail(err, QR_CLOSED, "find host '%s': %s", address->host, gai_strerror(rc));
    return QR_OK;
}

static enum qr_status listen_tcp(const struct qri_address *address, int *ret_fd, char *ret_text,
                                 struct qr_err *err)
{
    struct addrinfo *list;
    QR_TRY(resolve(address, AI_PASSIVE, &list, err));
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    enum qr_status status = QR_OK;
    struct sockaddr_storage bound;
    socklen_t bound_bytes = sizeof bound;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0)
        status =
            fail_errno(err, errno == EADDRINUSE ? QR_EXISTS : QR_IO, "listen on", address->host);
    freeaddrinfo(list);
    char port[8] = "";
    if (status == QR_OK && getnameinfo((struct sockaddr *)&bound, bound_bytes, NULL, 0, port,
                                       sizeof port, NI_NUMERICSERV) != 0)
        status = qr_fail(err, QR_IO, "name the port of '%s'", address->host);
    if (status != QR_OK) {
        if (fd >= 0)
            close(fd);
        return status;
    }
    bool v6 = strchr(address->host, ':') != NULL;
    snprintf(ret_text, QRI_ADDRESS_BYTES_MAX, "tcp:%s%s%s:%s", v6 ? "[" : "", address->host,
             v6 ? "]" : "", port);
    *ret_fd = fd;
    return QR_OK;
}

enum qr_status qri_address_listen(const struct qri_address *address, int *ret_fd, char *ret_text,
                                  struct qr_err *err)
{
    if (!address->is_unix)
        return listen_tcp(address, ret_fd, ret_text, err);
    QR_TRY(listen_unix(address, ret_fd, err));
    snprintf(ret_text, QRI_ADDRESS_BYTES_MAX, "unix:%s", address->unix_address.sun_path);
    return QR_OK;
}

void qri_address_tune_tcp(int fd)
{
    int on = 1, idle_s = 10, every_s = 5, probes = 3, unheard_ms = 25000;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    /* no probe is sent while bytes are unacknowledged, which the kernel repeats for 15 minutes */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof unheard_ms);
}

/* The kernel's default takes a third of an append: each further part costs a wake-up on both sides.
 */
void qri_address_tune_unix(int fd)
{
    int bytes = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static enum qr_status start_connect(int family, const struct sockaddr *to, socklen_t bytes,
                                    const char *what, int *ret_fd, struct qr_err *err)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(err, QR_CLOSED, "make a socket for", what);
    if (family == AF_UNIX)
        qri_address_tune_unix(fd);
    else
        qri_address_tune_tcp(fd);
    if (connect(fd, to, bytes) != 0 && errno != EINPROGRESS) {
        enum qr_status status = fail_errno(err, QR_CLOSED, "connect to", what);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return QR_OK;
}

enum qr_status qri_address_connect(const struct qri_address *address, int *ret_fd,
                                   struct qr_err *err)
{
    if (address->is_unix)
        return start_connect(AF_UNIX, (const struct sockaddr *)&address->unix_address,
                             sizeof address->unix_address, address->unix_address.sun_path, ret_fd,
                             err);
    struct addrinfo *list;
    QR_TRY(resolve(address, 0, &list, err));
    enum qr_status status = QR_CLOSED;
    for (struct addrinfo *one = list; one != NULL && status != QR_OK; one = one->ai_next)
        status = start_connect(one->ai_family, one->ai_addr, one->ai_addrlen, address->host, ret_fd,
                               err);
    freeaddrinfo(list);
    return status;
}

enum qr_status qri_address_check_user(int fd, struct qr_err *err)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return fail_errno(err, QR_DENIED, "ask who is on", "a unix socket");
    if (peer.uid != geteuid() && peer.uid != 0)
        return qr_fail(err, QR_DENIED, "user %u may not speak with us", (unsigned)peer.uid);
    return QR_OK;
}
