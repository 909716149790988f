/* sim_names.c - see sim_int.h: directories, and which of their changes are durable */
#include "sim_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

static size_t position_of(const struct qri_entries *entries, const char *name, bool *ret_found)
{
    size_t lo = 0, hi = entries->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (strcmp(entries->items[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_found = lo < entries->count && strcmp(entries->items[lo].name, name) == 0;
    return lo;
}

struct qri_inode *qri_names_get(const struct qri_entries *entries, const char *name)
{
    bool found;
    size_t at = position_of(entries, name, &found);
    return found ? entries->items[at].inode : NULL;
}

static void remove_entry(struct qr_sim *sim, struct qri_entries *entries, const char *name)
{
    bool found;
    size_t at = position_of(entries, name, &found);
    if (!found)
        return;
    struct qri_inode *inode = entries->items[at].inode;
    memmove(&entries->items[at], &entries->items[at + 1],
            (entries->count - at - 1) * sizeof *entries->items);
    entries->count -= 1;
    qri_inode_unref(sim, inode);
}

static enum qr_status grow(struct qri_entries *entries)
{
    if (entries->count < entries->capacity)
        return QR_OK;
    size_t capacity = entries->capacity == 0 ? 8 : entries->capacity * 2;
    struct qri_entry *items = realloc(entries->items, capacity * sizeof *items);
    if (items == NULL)
        return QR_NOMEM;
    entries->items = items;
    entries->capacity = capacity;
    return QR_OK;
}

/* Room must have been made by grow() on entries that may gain one. */
static void set_entry(struct qr_sim *sim, struct qri_entries *entries, const char *name,
                      struct qri_inode *inode)
{
    inode->refs += 1;
    bool found;
    size_t at = position_of(entries, name, &found);
    if (found) {
        qri_inode_unref(sim, entries->items[at].inode);
    } else {
        assert(entries->count < entries->capacity);
        memmove(&entries->items[at + 1], &entries->items[at],
                (entries->count - at) * sizeof *entries->items);
        entries->count += 1;
        memcpy(entries->items[at].name, name, strlen(name) + 1);
    }
    entries->items[at].inode = inode;
}

void qri_entries_done(struct qr_sim *sim, struct qri_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        qri_inode_unref(sim, entries->items[i].inode);
    free(entries->items);
    *entries = (struct qri_entries){0};
}

/* Takes the next component; false at the end of the path. */
static bool next_component(const char **path, char name[QRI_NAME_BYTES_MAX + 1], bool *ret_too_long)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t n = strcspn(*path, "/");
        if (n == 0)
            return false;
        *ret_too_long = n > QRI_NAME_BYTES_MAX;
        if (*ret_too_long)
            return false;
        memcpy(name, *path, n);
        name[n] = '\0';
        *path += n;
        if (strcmp(name, ".") != 0)
            return true;
    }
}

enum qr_status qri_names_find_parent(struct qr_sim *sim, const char *path,
                                     struct qri_inode **ret_dir,
                                     char ret_name[QRI_NAME_BYTES_MAX + 1])
{
    struct qri_inode *dir = sim->root;
    char name[QRI_NAME_BYTES_MAX + 1], next[QRI_NAME_BYTES_MAX + 1];
    bool too_long = false;
    if (!next_component(&path, name, &too_long))
        return QR_INVALID;
    while (next_component(&path, next, &too_long)) {
        dir = qri_names_get(&dir->entries, name);
        if (dir == NULL || !dir->is_dir)
            return QR_NOT_FOUND;
        memcpy(name, next, sizeof name);
    }
    if (too_long || strcmp(name, "..") == 0)
        return QR_INVALID;
    *ret_dir = dir;
    memcpy(ret_name, name, sizeof name);
    return QR_OK;
}

enum qr_status qri_names_find(struct qr_sim *sim, const char *path, struct qri_inode **ret_inode)
{
    struct qri_inode *dir;
    char name[QRI_NAME_BYTES_MAX + 1];
    if (path[strspn(path, "./")] == '\0') {
        *ret_inode = sim->root;
        return QR_OK;
    }
    QR_TRY(qri_names_find_parent(sim, path, &dir, name));
    struct qri_inode *inode = qri_names_get(&dir->entries, name);
    if (inode == NULL)
        return QR_NOT_FOUND;
    *ret_inode = inode;
    return QR_OK;
}

static void ref(struct qri_inode *inode)
{
    if (inode != NULL)
        inode->refs += 1;
}

enum qr_status qri_names_change(struct qr_sim *sim, struct qri_inode *from, const char *from_name,
                                struct qri_inode *to, const char *to_name, struct qri_inode *inode)
{
    if (sim->op_count == sim->op_capacity) {
        size_t capacity = sim->op_capacity == 0 ? 16 : sim->op_capacity * 2;
        struct qri_name_op *ops = realloc(sim->ops, capacity * sizeof *ops);
        if (ops == NULL)
            return QR_NOMEM;
        sim->ops = ops;
        sim->op_capacity = capacity;
    }
    if (to != NULL)
        QR_TRY(grow(&to->entries));

    struct qri_name_op *op = &sim->ops[sim->op_count++];
    *op = (struct qri_name_op){.from = from, .to = to, .inode = inode};
    ref(from);
    ref(to);
    ref(inode);
    if (to != NULL) {
        memcpy(op->to_name, to_name, strlen(to_name) + 1);
        set_entry(sim, &to->entries, to_name, inode);
    }
    if (from != NULL) {
        memcpy(op->from_name, from_name, strlen(from_name) + 1);
        remove_entry(sim, &from->entries, from_name);
    }
    return QR_OK;
}

static void make_durable(struct qr_sim *sim, struct qri_name_op *op)
{
    if (op->to != NULL) {
        enum qr_status status = grow(&op->to->disk_entries);
        assert(status == QR_OK);
        set_entry(sim, &op->to->disk_entries, op->to_name, op->inode);
    }
    if (op->from != NULL)
        remove_entry(sim, &op->from->disk_entries, op->from_name);
}

static void release(struct qr_sim *sim, struct qri_name_op *op)
{
    qri_inode_unref(sim, op->from);
    qri_inode_unref(sim, op->to);
    qri_inode_unref(sim, op->inode);
}

void qri_names_sync_dir(struct qr_sim *sim, const struct qri_inode *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->op_count; i++) {
        struct qri_name_op op = sim->ops[i];
        if (op.from == dir || op.to == dir) {
            make_durable(sim, &op);
            release(sim, &op);
        } else {
            sim->ops[kept++] = op;
        }
    }
    sim->op_count = kept;
}

/* Programs see from now on what is durable. Counts only: nothing is freed while we walk the list.
 */
static void show_durable(struct qri_inode *dir)
{
    for (size_t i = 0; i < dir->entries.count; i++)
        dir->entries.items[i].inode->refs -= 1;
    dir->entries.count = 0;
    for (size_t i = 0; i < dir->disk_entries.count; i++) {
        enum qr_status status = grow(&dir->entries);
        assert(status == QR_OK);
        dir->entries.items[dir->entries.count++] = dir->disk_entries.items[i];
        dir->disk_entries.items[i].inode->refs += 1;
    }
}

static bool free_one_unreferenced(struct qr_sim *sim)
{
    for (struct qri_inode *inode = sim->inodes; inode != NULL; inode = inode->next) {
        if (inode->refs == 0) {
            inode->refs = 1;
            qri_inode_unref(sim, inode);
            return true;
        }
    }
    return false;
}

void qri_names_power_cut(struct qr_sim *sim)
{
    size_t survive = (size_t)(qri_sim_random(sim) % (sim->op_count + 1));
    for (size_t i = 0; i < survive; i++)
        make_durable(sim, &sim->ops[i]);
    for (struct qri_inode *inode = sim->inodes; inode != NULL; inode = inode->next)
        show_durable(inode);
    qri_names_drop_ops(sim);
    while (free_one_unreferenced(sim))
        ;
}

void qri_names_drop_ops(struct qr_sim *sim)
{
    for (size_t i = 0; i < sim->op_count; i++)
        release(sim, &sim->ops[i]);
    sim->op_count = 0;
}
