/* cgroup.c - see super/cgroup.h: which groups we may make, and their directories */
#include "super/cgroup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "cgroup_int.h"
#include "base/banned.h"

static const char main_group[] = "main";
static const char *const controllers[QR_CGROUP_PARTS] = {"cpu", "memory"};

struct part {
    int version;   /* 0: it does not hold */
    bool switched; /* version 2: OWN gave its children this controller for us */
    char text[QR_CGROUP_PATH_BYTES];
};

struct qr_cgroups {
    struct part parts[QR_CGROUP_PARTS];
    char own2[QR_CGROUP_PATH_BYTES]; /* version 2: the group that we come from */
    char tree2[QR_CGROUP_PATH_BYTES];
    bool moved; /* into the tree's main group */
    int pid;
};

/* ---- small files ---- */

bool qri_cgroup_join(char dst[QR_CGROUP_PATH_BYTES], const char *dir, const char *name)
{
    size_t n = strlen(dir);
    while (n > 0 && dir[n - 1] == '/')
        n--;
    int bytes = snprintf(dst, QR_CGROUP_PATH_BYTES, "%.*s/%s", (int)n, dir, name);
    return bytes > 0 && bytes < QR_CGROUP_PATH_BYTES;
}

bool qri_cgroup_put(const char *dir, const char *file, const char *format, ...)
{
    char text[128], path[QR_CGROUP_PATH_BYTES];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    errno = ENAMETOOLONG;
    int fd = qri_cgroup_join(path, dir, file) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t got;
    while ((got = write(fd, text, (size_t)bytes)) < 0 && errno == EINTR)
        continue;
    int error = errno;
    close(fd);
    errno = error;
    return got == bytes;
}

/* Is it among the words of that file? */
static bool has_word(const char *dir, const char *file, const char *word)
{
    char path[QR_CGROUP_PATH_BYTES], line[512] = "";
    FILE *f = qri_cgroup_join(path, dir, file) ? fopen(path, "re") : NULL;
    if (f == NULL)
        return false;
    const char *got = fgets(line, sizeof line, f);
    fclose(f);
    char *rest = line;
    for (const char *at; got != NULL && (at = strsep(&rest, " \n")) != NULL;)
        if (strcmp(at, word) == 0)
            return true;
    return false;
}

/* ---- may we? ---- */

/* What systemd's Delegate= leaves; root's mark, then a user's. */
static bool is_marked(const char *dir)
{
    static const char *const names[] = {"trusted.delegate", "user.delegate"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char value = '0';
        if (getxattr(dir, names[i], &value, 1) == 1 && value == '1')
            return true;
    }
    return false;
}

static bool refuse(struct part *part, const char *reason, const char *path)
{
    snprintf(part->text, sizeof part->text, "%s%s%.400s", reason, *path == '\0' ? "" : ": ", path);
    return false;
}

static bool is_ours(struct part *part, const struct qri_cgroup_place *place, bool anyway)
{
    struct stat st;
    if (stat(place->dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return refuse(part, "no such directory", place->dir);
    bool delegated = place->is_root || anyway || (st.st_uid != 0 && st.st_uid == geteuid()) ||
                     is_marked(place->dir);
    if (!delegated)
        return refuse(part, "the group is not delegated to us", place->dir);
    if (access(place->dir, W_OK) != 0)
        return refuse(part, strerrordesc_np(errno), place->dir);
    return true;
}

/* ---- trees ---- */

/* Removes the directory and, one level deep, those in it, as far as they have no processes. */
static void remove_tree(const char *dir)
{
    char path[QR_CGROUP_PATH_BYTES];
    DIR *list = opendir(dir);
    if (list == NULL)
        return;
    for (const struct dirent *e; (e = readdir(list)) != NULL;)
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && qri_cgroup_join(path, dir, e->d_name))
            rmdir(path);
    closedir(list);
    rmdir(dir);
}

/* A fresh OWN/quire-ID. */
static bool make_tree(struct part *part, const char *own, const char *id,
                      char ret_tree[QR_CGROUP_PATH_BYTES])
{
    char name[128];
    snprintf(name, sizeof name, "quire-%s", id);
    if (!qri_cgroup_join(ret_tree, own, name))
        return refuse(part, "the path is too long", own);
    remove_tree(ret_tree);
    if (mkdir(ret_tree, 0755) != 0 && errno != EEXIST)
        return refuse(part, strerrordesc_np(errno), ret_tree);
    return true;
}

/* All nodes together weigh two threads a processor. With more, who waits for them on this machine,
 * clients or the log service, comes too late to its turns; with one, a session beside a busy thread
 * of its node does, by milliseconds. */
static uint32_t tree_weight(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return (uint32_t)(processors < 1 ? 1 : processors) * 200;
}

/* The kernel refuses more, and the tree would weigh one thread. */
static uint32_t tree_weight_v2(void)
{
    uint32_t weight = tree_weight();
    return weight > QRI_CGROUP_WEIGHT_MAX ? QRI_CGROUP_WEIGHT_MAX : weight;
}

static void open_v1(struct qr_cgroups *c, enum qr_cgroup_part which,
                    const struct qri_cgroup_place *place, const struct qr_cgroups_options *options)
{
    struct part *part = &c->parts[which];
    char tree[QR_CGROUP_PATH_BYTES];
    if (!is_ours(part, place, options->anyway) || !make_tree(part, place->dir, options->id, tree))
        return;
    if (which == QR_CGROUP_CPU)
        qri_cgroup_put(tree, "cpu.shares", "%u", tree_weight() * 1024 / 100);
    memcpy(part->text, tree, sizeof tree);
    part->version = 1;
}

static bool enter_main(struct qr_cgroups *c)
{
    char path[QR_CGROUP_PATH_BYTES];
    struct qr_err err = {0};
    if (!qri_cgroup_join(path, c->tree2, main_group) || (mkdir(path, 0755) != 0 && errno != EEXIST))
        return false;
    c->moved = qr_cgroup_enter(path, c->pid, &err) == QR_OK;
    return c->moved;
}

/* OWN's children get the controller, and so do the tree's. */
static bool switch_on(struct qr_cgroups *c, enum qr_cgroup_part which)
{
    static const char file[] = "cgroup.subtree_control";
    struct part *part = &c->parts[which];
    const char *name = controllers[which];
    if (!has_word(c->own2, "cgroup.controllers", name))
        return refuse(part, "the group does not have this controller", c->own2);
    if (!has_word(c->own2, file, name)) {
        bool good = qri_cgroup_put(c->own2, file, "+%s", name);
        if (!good && errno == EBUSY && !c->moved && enter_main(c))
            good = qri_cgroup_put(c->own2, file, "+%s", name);
        if (!good && errno == EBUSY)
            return refuse(part, "other processes are in the group", c->own2);
        if (!good)
            return refuse(part, strerrordesc_np(errno), c->own2);
        part->switched = true;
    }
    if (!qri_cgroup_put(c->tree2, file, "+%s", name))
        return refuse(part, strerrordesc_np(errno), c->tree2);
    memcpy(part->text, c->tree2, sizeof part->text);
    part->version = 2;
    return true;
}

static void leave_v2(struct qr_cgroups *c)
{
    struct qr_err err = {0};
    char path[QR_CGROUP_PATH_BYTES];
    for (int i = 0; i < QR_CGROUP_PARTS && c->own2[0] != '\0'; i++) {
        if (c->parts[i].version == 2)
            qri_cgroup_put(c->tree2, "cgroup.subtree_control", "-%s", controllers[i]);
        if (c->parts[i].switched)
            qri_cgroup_put(c->own2, "cgroup.subtree_control", "-%s", controllers[i]);
    }
    if (c->moved && qr_cgroup_enter(c->own2, c->pid, &err) == QR_OK &&
        qri_cgroup_join(path, c->tree2, main_group))
        rmdir(path);
    if (c->own2[0] != '\0')
        rmdir(c->tree2);
}

static void open_v2(struct qr_cgroups *c, const struct qri_cgroup_place *place, const bool *missing,
                    const struct qr_cgroups_options *options)
{
    struct part *any = missing[QR_CGROUP_CPU] ? &c->parts[0] : &c->parts[1];
    bool holds =
        is_ours(any, place, options->anyway) && make_tree(any, place->dir, options->id, c->tree2);
    if (holds)
        memcpy(c->own2, place->dir, sizeof c->own2);
    for (int i = 0; i < QR_CGROUP_PARTS; i++) {
        if (missing[i] && !holds && &c->parts[i] != any)
            memcpy(c->parts[i].text, any->text, sizeof any->text);
        else if (missing[i] && holds)
            (void)switch_on(c, (enum qr_cgroup_part)i);
    }
    if (c->parts[0].version != 2 && c->parts[1].version != 2) {
        leave_v2(c);
        c->own2[0] = '\0';
        return;
    }
    char path[QR_CGROUP_PATH_BYTES];
    qri_cgroup_put(c->tree2, "cpu.weight", "%u", tree_weight_v2());
    if (c->moved && qri_cgroup_join(path, c->tree2, main_group))
        qri_cgroup_put(path, "cpu.weight", "%u", tree_weight_v2());
}

/* ---- the calls ---- */

enum qr_status qr_cgroups_open(const struct qr_cgroups_options *options,
                               struct qr_cgroups **ret_cgroups, struct qr_err *err)
{
    struct qr_cgroups *c = calloc(1, sizeof *c);
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "make control groups");
    c->pid = options->pid;
    struct qri_cgroup_place place;
    bool missing[QR_CGROUP_PARTS] = {false, false}, any_missing = false;
    const char *mounts = options->mountinfo == NULL ? "/proc/self/mountinfo" : options->mountinfo;
    const char *own = options->own == NULL ? "/proc/self/cgroup" : options->own;
    for (int i = 0; i < QR_CGROUP_PARTS; i++) {
        if (qri_cgroup_find(mounts, own, controllers[i], &place))
            open_v1(c, (enum qr_cgroup_part)i, &place, options);
        else
            any_missing = missing[i] = true;
    }
    if (any_missing && qri_cgroup_find(mounts, own, NULL, &place))
        open_v2(c, &place, missing, options);
    else
        for (int i = 0; i < QR_CGROUP_PARTS; i++)
            if (missing[i])
                refuse(&c->parts[i], "no hierarchy of control groups is mounted", "");
    *ret_cgroups = c;
    return QR_OK;
}

void qr_cgroups_close(struct qr_cgroups *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < QR_CGROUP_PARTS; i++)
        if (c->parts[i].version != 0)
            remove_tree(c->parts[i].text); /* what still holds processes is left */
    leave_v2(c);
    free(c);
}

bool qr_cgroups_hold(const struct qr_cgroups *c, enum qr_cgroup_part part, const char **ret_text)
{
    *ret_text = c->parts[part].text;
    return c->parts[part].version != 0;
}

enum qr_status qr_cgroups_make(struct qr_cgroups *c, const char *name,
                               char ret_dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES],
                               struct qr_err *err)
{
    for (int i = 0; i < QR_CGROUP_PARTS; i++) {
        ret_dirs[i][0] = '\0';
        if (c->parts[i].version == 0)
            continue;
        char path[QR_CGROUP_PATH_BYTES];
        if (!qri_cgroup_join(path, c->parts[i].text, name) || strcmp(name, main_group) == 0)
            return qr_fail(err, QR_INVALID, "make a control group '%s'", name);
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return qr_fail(err, QR_IO, "make '%s': %s", path, strerrordesc_np(errno));
        memcpy(ret_dirs[i], path, sizeof path);
    }
    return QR_OK;
}

void qr_cgroups_remove(struct qr_cgroups *c, const char *name)
{
    char path[QR_CGROUP_PATH_BYTES];
    for (int i = 0; i < QR_CGROUP_PARTS; i++)
        if (c->parts[i].version != 0 && qri_cgroup_join(path, c->parts[i].text, name))
            rmdir(path);
}
