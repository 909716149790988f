/* upgrade_probe.c - see upgrade_int.h: a program is asked whether it would take over */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "supervisor_int.h"
#include "upgrade_int.h"
#include "base/banned.h"

enum { ANSWER_BYTES_MAX = 4096, VARIABLES_MAX = 1024, ANSWER_S = 20, LOOK_MS = 50 };
extern char **environ;

enum qr_status qri_upgrade_may(const char *formats, struct qr_err *err)
{
    char *end;
    long handed = strtol(formats, &end, 10);
    long metadata = *end == ',' ? strtol(end + 1, &end, 10) : 0;
    if (*end != '\0' || handed < 1 || metadata < 1)
        return qr_fail(err, QR_INVALID, "'%s' are no formats", formats);
    if (handed != QRI_HANDED_FORMAT)
        return qr_fail(
            err, QR_UNSUPPORTED,
            "it takes over from a server that hands over in format %d, and this one does "
            "so in format %ld: stop the server and start the new program",
            (int)QRI_HANDED_FORMAT, handed);
    if (metadata > QR_REGISTRY_FORMAT)
        return qr_fail(err, QR_UNSUPPORTED,
                       "it is of an earlier release: the metadata have format %ld, and it knows "
                       "those up to %d",
                       metadata, (int)QR_REGISTRY_FORMAT);
    return QR_OK;
}

/* ---- the asking side ---- */

static enum qr_status start(const char *path, char *const *argv, int out, pid_t *ret_pid,
                            struct qr_err *err)
{
    char variable[64], *variables[VARIABLES_MAX + 2];
    size_t n = 0;
    posix_spawn_file_actions_t actions;
    snprintf(variable, sizeof variable, QRI_UPGRADE_VARIABLE "=" QRI_UPGRADE_PROBE "%d,%d",
             (int)QRI_HANDED_FORMAT, (int)QR_REGISTRY_FORMAT);
    variables[n++] = variable;
    for (size_t i = 0; environ[i] != NULL && n < VARIABLES_MAX; i++)
        variables[n++] = environ[i];
    variables[n] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    int error = posix_spawn(ret_pid, path, &actions, NULL, argv, variables);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0
               ? QR_OK
               : qr_fail(err, QR_INVALID, "it cannot be started: %s", strerrordesc_np(error));
}

struct asked {
    struct qr_env *env;
    int64_t until_ns;
    const _Atomic bool *cancelled;
};

/* False: there is no time left. */
static bool wait_for(const struct asked *asked, int fd)
{
    for (;;) {
        int64_t left_ms = (asked->until_ns - qr_env_mono_ns(asked->env)) / 1000000;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || *asked->cancelled)
            return false;
        if (poll(&poll_fd, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) == 1)
            return true;
    }
}

/* What it says until it closes its output, or has no time left. */
static bool listen_to(const struct asked *asked, int fd, char *dst, size_t dst_bytes)
{
    size_t at = 0;
    while (wait_for(asked, fd)) {
        char drop[256];
        bool full = at + 1 >= dst_bytes;
        ssize_t n = read(fd, full ? drop : dst + at, full ? sizeof drop : dst_bytes - 1 - at);
        if (n < 0 && errno == EINTR)
            continue;
        at += n > 0 && !full ? (size_t)n : 0;
        dst[at] = '\0';
        if (n <= 0)
            return true;
    }
    return false;
}

/* Its end; it is killed if that does not come in time. */
static bool wait_end(const struct asked *asked, pid_t pid, bool in_time, int *ret_status)
{
    int pidfd = in_time ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    in_time = pidfd >= 0 && wait_for(asked, pidfd);
    if (pidfd >= 0)
        close(pidfd);
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        continue;
    return in_time;
}

/* The last line, without its end. */
static const char *last_line(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    return line == NULL ? text : line + 1;
}

enum qr_status qri_upgrade_probe(struct qr_env *env, const char *path, char *const *argv,
                                 const _Atomic bool *cancelled, struct qr_err *err)
{
    char text[ANSWER_BYTES_MAX] = "";
    struct asked asked = {env, qr_env_mono_ns(env) + ANSWER_S * INT64_C(1000000000), cancelled};
    int ends[2], wait_status = 0;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return qr_fail(err, QR_IO, "pipe: %s", strerrordesc_np(errno));
    enum qr_status status = start(path, argv, ends[1], &pid, err);
    close(ends[1]);
    bool in_time = status == QR_OK && listen_to(&asked, ends[0], text, sizeof text);
    close(ends[0]);
    if (status != QR_OK)
        return status;
    in_time = wait_end(&asked, pid, in_time, &wait_status);
    if (!in_time && *cancelled)
        return qr_fail(err, QR_CANCELLED, "the server stops");
    if (!in_time)
        return qr_fail(err, QR_INVALID, "it does not answer within %d s", (int)ANSWER_S);
    const char *line = last_line(text);
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0 &&
        strncmp(line, QRI_UPGRADE_YES, sizeof QRI_UPGRADE_YES - 1) == 0)
        return QR_OK;
    return qr_fail(err, QR_INVALID, "it cannot take over (%s %d): %s",
                   WIFSIGNALED(wait_status) ? "signal" : "exit status",
                   WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
                   *line == '\0' ? "it says nothing" : line);
}
