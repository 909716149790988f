/* spawn.c - see super_int.h: what happens between fork and exec, and the lock of all children */
#include "super_int.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/banned.h"

enum { EXIT_NOT_STARTED = 127 };

/* In the child: only calls that are safe after a fork of a process with threads. */
static _Noreturn void become(const char *path, char *const *argv, const int *fds, size_t fd_count,
                             int lock_fd, pid_t parent)
{
    sigset_t none;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EXIT_NOT_STARTED); /* the parent died before its death could be heard of */
    setpgid(0, 0);               /* a terminal's Ctrl-C is the supervisor's to spread */
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    for (size_t i = 0; i < fd_count; i++)
        fcntl(fds[i], F_SETFD, 0);
    if (lock_fd >= 0)
        fcntl(lock_fd, F_SETFD, 0);
    execv(path, argv);
    _exit(EXIT_NOT_STARTED);
}

enum qr_status qri_spawn(const char *path, char *const *argv, const int *fds, size_t fd_count,
                         int lock_fd, int *ret_pid, int *ret_pidfd, struct qr_err *err)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return qr_fail(err, QR_IO, "fork: %s", strerrordesc_np(errno));
    if (pid == 0)
        become(path, argv, fds, fd_count, lock_fd, parent);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        return qr_fail(err, QR_IO, "pidfd_open: %s", strerrordesc_np(error));
    }
    *ret_pid = (int)pid;
    *ret_pidfd = pidfd;
    return QR_OK;
}

enum qr_status qri_lock_children(struct qr_env *env, const char *path, int64_t wait_ns, int *ret_fd,
                                 struct qr_err *err)
{
    static const int64_t step_ns = 2000000;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return qr_fail(err, QR_IO, "open '%s': %s", path, strerrordesc_np(errno));
    int64_t until = qr_env_mono_ns(env) + wait_ns;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        if (error != EWOULDBLOCK && error != EINTR) {
            close(fd);
            return qr_fail(err, QR_IO, "lock '%s': %s", path, strerrordesc_np(error));
        }
        if (qr_env_mono_ns(env) >= until) {
            close(fd);
            return qr_fail(err, QR_LOCKED, "child processes of an earlier start still run ('%s')",
                           path);
        }
        qr_env_sleep_ns(env, step_ns);
    }
    *ret_fd = fd;
    return QR_OK;
}
