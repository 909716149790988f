/* status_local.c - see status_int.h: what this machine knows of a server, from its data directory:
 * who answers on control's socket, his children, and what the directory's parts take of the disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>
#include "env/env.h"
#include "status_int.h"
#include "base/banned.h"

enum {
    PROC_BYTES_MAX = 64 * 1024,
    PATH_BYTES = 4096,
    DISK_BLOCK = 512,
    EXE_BYTES = 64 * 1024
}; /* its headers and notes */

/* ---- processes ---- */

/* The socket's path may be too long for an address: then it is named by its folder's descriptor. */
static enum qr_status connect_control(const char *run_dir, int *ret_fd, struct qr_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = folder < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control.sock", folder);
    bool there = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int error = errno;
    if (folder >= 0)
        close(folder);
    if (there) {
        *ret_fd = fd;
        return QR_OK;
    }
    if (fd >= 0)
        close(fd);
    return qr_fail(err, QR_CLOSED, "no server runs on it: '%s/control.sock': %s", run_dir,
                   strerror(error));
}

/* A server whose path is too long for sockets keeps them elsewhere and leaves a note. */
static enum qr_status find_run_dir(const char *data_dir, char dst[PATH_BYTES], struct qr_err *err)
{
    char path[PATH_BYTES];
    struct qr_buf note;
    int n = snprintf(path, sizeof path, "%s/run-elsewhere", data_dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return qr_fail(err, QR_TOO_BIG, "--data-dir: the path is too long");
    qr_buf_init(&note, PATH_BYTES - 1);
    bool elsewhere = qr_env_read_file(qr_env_real(), path, &note, NULL) == QR_OK;
    if (elsewhere)
        snprintf(dst, PATH_BYTES, "%s", qr_buf_cstr(&note));
    else
        snprintf(dst, PATH_BYTES, "%.*s/run", (int)sizeof path - 8, data_dir);
    qr_buf_done(&note);
    return QR_OK;
}

static bool read_proc(const char *pid, const char *name, struct qr_buf *text)
{
    char path[64];
    char bytes[4096];
    ssize_t n;
    snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    qr_buf_clear(text);
    while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
        qr_buf_add(text, bytes, (size_t)n);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && text->len > 0 && text->failed == QR_OK;
}

/* The value behind an argument of a command line with NULs between. */
static const char *argument_of(const char *line, size_t bytes, const char *name)
{
    const char *value = "";
    for (size_t at = 0; at < bytes; at += strlen(line + at) + 1) {
        size_t next = at + strlen(line + at) + 1;
        if (strcmp(line + at, name) == 0 && next < bytes)
            value = line + next;
    }
    return value;
}

/* What a process runs: its version, and where the file is, or was when it started. */
static void add_program(json_t *process, const char *pid)
{
    static const char deleted[] = " (deleted)";
    char path[64], program[PATH_BYTES];
    struct qr_str version = {0};
    snprintf(path, sizeof path, "/proc/%.16s/exe", pid);
    uint8_t *bytes = malloc(EXE_BYTES);
    int fd = bytes == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, EXE_BYTES);
    if (n > 0)
        version = qri_version_of_elf(bytes, (size_t)n);
    json_object_set_new(process, "version",
                        json_stringn(version.n == 0 ? "" : version.p, version.n));
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length < 0 ? 0 : length] = '\0';
    size_t end = strlen(program), tail = sizeof deleted - 1;
    bool is_gone = end > tail && strcmp(program + end - tail, deleted) == 0;
    if (is_gone)
        program[end - tail] = '\0';
    json_object_set_new(process, "program", json_string(program));
    json_object_set_new(process, "programState", json_string(is_gone ? "replaced" : ""));
    if (fd >= 0)
        close(fd);
    free(bytes);
}

static long long parent_of(const char *stat_line)
{
    const char *behind = strrchr(stat_line, ')'); /* a program's name may hold anything */
    return behind == NULL || strlen(behind) < 4 ? -1 : strtoll(behind + 4, NULL, 10);
}

static void add_process(json_t *list, const char *pid, struct qr_buf *text, bool is_supervisor)
{
    long long pages = 0;
    if (read_proc(pid, "statm", text)) {
        const char *resident = strchr(qr_buf_cstr(text), ' ');
        pages = resident == NULL ? 0 : strtoll(resident, NULL, 10);
    }
    if (!read_proc(pid, "cmdline", text))
        return;
    const char *line = qr_buf_cstr(text);
    const char *role = is_supervisor ? "supervisor" : argument_of(line, text->len, "--role");
    const char *name = argument_of(line, text->len, "--name");
    bool is_node = strcmp(role, "compute") == 0;
    bool cpu = is_node && *argument_of(line, text->len, "--cgroup-cpu") != '\0';
    bool memory = is_node && *argument_of(line, text->len, "--cgroup-memory") != '\0';
    json_t *process =
        json_pack("{s:s,s:s,s:I,s:I,s:s}", "role", role, "name", is_supervisor ? "" : name, "pid",
                  (json_int_t)strtoll(pid, NULL, 10), "residentBytes",
                  (json_int_t)(pages * sysconf(_SC_PAGESIZE)), "controlGroups",
                  cpu && memory ? "cpu memory"
                  : cpu         ? "cpu"
                  : memory      ? "memory"
                                : "");
    if (process != NULL)
        add_program(process, pid);
    json_array_append_new(list, process);
}

static json_t *list_processes(long long supervisor)
{
    char pid[24];
    struct qr_buf text;
    struct dirent *entry;
    json_t *list = json_array();
    DIR *proc = opendir("/proc");
    qr_buf_init(&text, PROC_BYTES_MAX);
    snprintf(pid, sizeof pid, "%lld", supervisor);
    add_process(list, pid, &text, true);
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        const char *name = entry->d_name;
        if (name[strspn(name, "0123456789")] == '\0' && strlen(name) <= 16 &&
            read_proc(name, "stat", &text) && parent_of(qr_buf_cstr(&text)) == supervisor)
            add_process(list, name, &text, false);
    }
    if (proc != NULL)
        closedir(proc);
    qr_buf_done(&text);
    return list;
}

enum qr_status qri_status_processes(const char *data_dir, json_t **ret_list, struct qr_err *err)
{
    char run_dir[PATH_BYTES];
    struct ucred who = {.pid = 0};
    socklen_t bytes = sizeof who;
    int fd = -1;
    QR_TRY(find_run_dir(data_dir, run_dir, err));
    QR_TRY(connect_control(run_dir, &fd, err));
    int failed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
    close(fd);
    if (failed != 0)
        return qr_fail(err, QR_IO, "control's socket: %s", strerror(errno));
    *ret_list = list_processes(who.pid);
    return QR_OK;
}

/* ---- disk ---- */

static int64_t bytes_below(const char *path)
{
    char *paths[] = {(char *)path, NULL};
    int64_t bytes = 0;
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; walk != NULL && (entry = fts_read(walk)) != NULL;)
        if (entry->fts_info != FTS_D && entry->fts_info != FTS_NS) /* a folder counts once */
            bytes += (int64_t)entry->fts_statp->st_blocks * DISK_BLOCK;
    if (walk != NULL)
        fts_close(walk);
    return bytes;
}

enum qr_status qri_status_disk(const char *data_dir, json_t **ret_list, struct qr_err *err)
{
    static const struct {
        const char *name, *what;
    } parts[] = {
        {"databases", "databases that have files"},   {"log", "commits of Hyperscale databases"},
        {"blob", "Hyperscale databases and backups"}, {"page", "copies of pages"},
        {"compute", "caches of compute nodes"},       {"meta", "metadata"},
        {"regions", "data of other regions"}};
    struct statvfs fs;
    char path[PATH_BYTES];
    json_t *list = json_array();
    if (statvfs(data_dir, &fs) != 0) {
        json_decref(list);
        return qr_fail(err, QR_INVALID, "--data-dir: '%s': %s", data_dir, strerror(errno));
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", data_dir, parts[i].name);
        if (n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0)
            json_array_append_new(list,
                                  json_pack("{s:s,s:I,s:s}", "folder", parts[i].name, "bytes",
                                            (json_int_t)bytes_below(path), "what", parts[i].what));
    }
    json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "folder", "", "bytes",
                                          (json_int_t)fs.f_bavail * (json_int_t)fs.f_frsize, "what",
                                          "free on its disk"));
    *ret_list = list;
    return QR_OK;
}
