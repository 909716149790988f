/* handed.c - see supervisor_int.h: what a supervisor leaves to the program that it becomes: JSON in
 * an anonymous file whose descriptor the environment names */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "supervisor_int.h"
#include "upgrade_int.h"
#include "base/banned.h"

enum { BYTES_MAX = 64 << 20 };

bool qri_handed_may_say(const char *text)
{
    json_t *said = json_string(text);
    bool may = said != NULL;
    json_decref(said);
    return may;
}

static json_t *json_of_children(const struct qri_handed *handed)
{
    json_t *children = json_array();
    for (size_t i = 0; i < handed->child_count; i++) {
        const struct qri_handed_child *child = &handed->children[i];
        (void)json_array_append_new(children,
                                    json_pack("{s:s, s:i, s:b}", "name", &child->name[0], "pid",
                                              child->pid, "retired", (int)child->retired));
    }
    return children;
}

enum qr_status qri_handed_write(struct qri_handed *handed, struct qr_err *err)
{
    json_t *o =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:o}", "format", (int)QRI_HANDED_FORMAT,
                  "tds", handed->tds_fd, "https", handed->https_fd, "lock", handed->lock_fd,
                  "children_lock", handed->children_fd, "run_dir", handed->run_dir, "control",
                  handed->control, "report", handed->report, "children", json_of_children(handed));
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "write down what the next program needs");
    int fd = memfd_create("quired", MFD_CLOEXEC);
    size_t n = strlen(text), at = 0;
    while (fd >= 0 && at < n) {
        ssize_t wrote = write(fd, text + at, n - at);
        if (wrote < 0 && errno != EINTR)
            break;
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    free(text);
    if (fd >= 0 && at == n) {
        handed->fd = fd;
        return QR_OK;
    }
    if (fd >= 0)
        close(fd);
    return qr_fail(err, QR_IO, "write down what the next program needs: %s",
                   strerrordesc_np(errno));
}

static enum qr_status read_children(json_t *children, struct qr_arena *arena,
                                    struct qri_handed *handed, struct qr_err *err)
{
    size_t i, count = json_array_size(children);
    json_t *item;
    if (count > QRI_HANDED_CHILDREN_MAX)
        return qr_fail(err, QR_CORRUPT, "too many children are handed over");
    handed->children = qr_arena_alloc(arena, (count + 1) * sizeof *handed->children);
    if (handed->children == NULL)
        return qr_fail(err, QR_NOMEM, "take over");
    json_array_foreach(children, i, item)
    {
        struct qri_handed_child *child = &handed->children[i];
        const char *name = NULL;
        int retired = 0;
        if (json_unpack(item, "{s:s, s:i, s:b}", "name", &name, "pid", &child->pid, "retired",
                        &retired) != 0 ||
            strlen(name) >= sizeof child->name || child->pid <= 1)
            return qr_fail(err, QR_CORRUPT, "a child that is handed over is none");
        snprintf(child->name, sizeof child->name, "%s", name);
        child->retired = retired != 0;
        handed->child_count = i + 1;
    }
    return QR_OK;
}

static const char *copy(struct qr_arena *arena, const char *text)
{
    return qr_arena_dup(arena, text, strlen(text));
}

static enum qr_status take(json_t *o, struct qr_arena *arena, struct qri_handed *handed,
                           struct qr_err *err)
{
    json_t *children = NULL;
    int format = 0;
    const char *run_dir, *control, *report;
    if (json_unpack(o, "{s:i}", "format", &format) == 0 && format != QRI_HANDED_FORMAT)
        return qr_fail(err, QR_UNSUPPORTED, "what is handed over has format %d", format);
    if (json_unpack(o, "{s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:o}", "tds", &handed->tds_fd, "https",
                    &handed->https_fd, "lock", &handed->lock_fd, "children_lock",
                    &handed->children_fd, "run_dir", &run_dir, "control", &control, "report",
                    &report, "children", &children) != 0)
        return qr_fail(err, QR_CORRUPT, "what is handed over cannot be read");
    handed->run_dir = copy(arena, run_dir);
    handed->control = copy(arena, control);
    handed->report = copy(arena, report);
    if (handed->run_dir == NULL || handed->control == NULL || handed->report == NULL)
        return qr_fail(err, QR_NOMEM, "take over");
    return read_children(children, arena, handed, err);
}

enum qr_status qri_handed_read(struct qr_arena *arena, struct qri_handed *handed,
                               struct qr_err *err)
{
    struct stat info;
    int fd = handed->fd;
    if (fstat(fd, &info) != 0 || info.st_size <= 0 || info.st_size > BYTES_MAX)
        return qr_fail(err, QR_CORRUPT, "what is handed over is no file");
    char *text = malloc((size_t)info.st_size);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "take over");
    ssize_t n = pread(fd, text, (size_t)info.st_size, 0);
    json_t *o = n <= 0 ? NULL : json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    enum qr_status status = o == NULL
                                ? qr_fail(err, QR_CORRUPT, "what is handed over cannot be read")
                                : take(o, arena, handed, err);
    json_decref(o);
    return status;
}

/* ---- the environment: "resume:FD:BACK:REASON" ---- */

bool qri_handed_begin(struct qr_arena *arena, struct qri_handed *ret_handed)
{
    static const char word[] = QRI_UPGRADE_RESUME;
    const char *value = getenv(QRI_UPGRADE_VARIABLE);
    char *end;
    *ret_handed = (struct qri_handed){.fd = -1, .back_fd = -1, .failed = ""};
    if (value == NULL || strncmp(value, word, sizeof word - 1) != 0)
        return false;
    ret_handed->fd = (int)strtol(value + sizeof word - 1, &end, 10);
    ret_handed->back_fd = *end == ':' ? (int)strtol(end + 1, &end, 10) : -1;
    if (*end == ':') /* what the environment keeps of it goes away with the variable */
        ret_handed->failed = copy(arena, end + 1);
    if (ret_handed->failed == NULL)
        ret_handed->failed = "";
    unsetenv(QRI_UPGRADE_VARIABLE);
    if (ret_handed->back_fd >= 0)
        fcntl(ret_handed->back_fd, F_SETFD, FD_CLOEXEC);
    return fcntl(ret_handed->fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void inherit(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, 0);
}

void qri_handed_run(const struct qri_handed *handed, const char *program, char *const *argv)
{
    char value[1024];
    snprintf(value, sizeof value, QRI_UPGRADE_RESUME "%d:%d:%s", handed->fd, handed->back_fd,
             handed->failed);
    inherit(handed->fd);
    inherit(handed->back_fd);
    inherit(handed->tds_fd);
    inherit(handed->https_fd);
    inherit(handed->lock_fd);
    inherit(handed->children_fd);
    if (setenv(QRI_UPGRADE_VARIABLE, value, 1) == 0)
        execv(program, argv);
}

void qri_handed_back(const struct qri_handed *handed, const char *reason, char *const *argv)
{
    struct qri_handed former = *handed;
    char path[64];
    if (handed->back_fd < 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", handed->back_fd);
    former.failed = reason;
    former.back_fd = -1;
    qri_handed_run(&former, path, argv);
}
