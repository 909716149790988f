/* find.c - what a path is: a directory of ours, or a file, told by its first bytes; see
 * inspect_int.h. Directories of others are looked into, to a bounded depth. */
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "blob/object_bytes.h"
#include "base/banned.h"

enum {
    DEPTH_MAX = 6,
    PLACES_MAX = 4096,
    WHOLE_BYTES_MAX = 256 << 20, /* files that are taken whole */
    MAGIC_BYTES = 8,
    ENTRIES_BYTES_MAX = 16 << 20,
};

enum place_kind { PLACE_JOURNAL, PLACE_BLOB, PLACE_STORE, PLACE_LAYERS, PLACE_CACHE, PLACE_KINDS };

struct place {
    enum place_kind kind;
    char *path;
};
struct places {
    struct qri_run *run;
    struct place list[PLACES_MAX];
    size_t count;
};

/* --- directories --- */

struct traits {
    bool journal, blob, data, spare, log, layers, cache;
    struct qr_buf names; /* zero-terminated, for looking further */
    size_t name_count;
};

static bool is_hex(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

static bool is_layer_name(const char *name)
{
    size_t n = strlen(name);
    return n >= 32 + 1 + 1 + 1 + 16 && is_hex(name, 32) && name[32] == '-' && name[n - 17] == '-' &&
           is_hex(name + n - 16, 16);
}

static bool look_at_entry(void *arg, const char *name)
{
    struct traits *t = arg;
    t->journal = t->journal || strcmp(name, "timelines") == 0 ||
                 (strncmp(name, "journal.", 8) == 0 && strlen(name) == 24 && is_hex(name + 8, 16));
    t->blob = t->blob || strcmp(name, "~format") == 0;
    t->data = t->data || strcmp(name, "data") == 0;
    t->spare = t->spare || strcmp(name, "double-write") == 0;
    t->log =
        t->log || (strncmp(name, "log.", 4) == 0 && strlen(name) == 20 && is_hex(name + 4, 16));
    t->layers = t->layers || is_layer_name(name);
    t->cache = t->cache || strcmp(name, "rbpex") == 0;
    qr_buf_add(&t->names, name, strlen(name) + 1);
    t->name_count++;
    return true;
}

static void add_place(struct places *p, enum place_kind kind, const char *path)
{
    char *copy = p->count < PLACES_MAX ? strdup(path) : NULL;
    if (copy == NULL) {
        p->run->failed = true;
        fprintf(p->run->errors, "quire: too many places below this directory\n");
        return;
    }
    p->list[p->count++] = (struct place){kind, copy};
}

/* False: it is no directory, or cannot be read. */
static bool find_places(struct places *p, const char *path, int depth)
{
    struct traits t = {.journal = false};
    qr_buf_init(&t.names, ENTRIES_BYTES_MAX);
    bool is_dir = qr_env_list(p->run->env, path, look_at_entry, &t, NULL) == QR_OK;
    bool store = t.data + t.spare + t.log >= 2; /* one of the three may be lost */
    bool ours = t.journal || t.blob || store || t.layers || t.cache;
    if (is_dir && t.journal)
        add_place(p, PLACE_JOURNAL, path);
    if (is_dir && t.blob)
        add_place(p, PLACE_BLOB, path);
    if (is_dir && store)
        add_place(p, PLACE_STORE, path);
    if (is_dir && t.layers)
        add_place(p, PLACE_LAYERS, path);
    if (is_dir && t.cache)
        add_place(p, PLACE_CACHE, path);
    const char *name = (const char *)t.names.data;
    for (size_t i = 0; is_dir && !ours && depth < DEPTH_MAX && i < t.name_count; i++) {
        char below[QRI_PATH_MAX];
        if ((size_t)snprintf(below, sizeof below, "%s/%s", path, name) < sizeof below)
            (void)find_places(p, below, depth + 1);
        name += strlen(name) + 1;
    }
    qr_buf_done(&t.names);
    return is_dir;
}

struct layer_dir {
    struct qri_run *run;
    const char *path;
};

static bool look_at_local_layer(void *arg, const char *name)
{
    struct layer_dir *d = arg;
    char path[QRI_WHERE_MAX];
    struct qr_file *file = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    if (!is_layer_name(name))
        return true;
    snprintf(path, sizeof path, "%s/%s", d->path, name);
    qri_where(d->run, "%s", path);
    if (qri_take(d->run, "layer", qr_env_open(d->run->env, path, QR_OPEN_READ, &file, &err), &err))
        qri_look_at_layer(d->run, file, NULL);
    qr_file_close(file);
    return true;
}

static void look_at_place(struct qri_run *run, const struct place *place)
{
    struct qr_err err;
    qr_err_reset(&err);
    run->found = true;
    qri_where(run, "%s", place->path);
    if (place->kind == PLACE_JOURNAL) {
        qri_look_at_journal(run, place->path);
    } else if (place->kind == PLACE_STORE) {
        qri_look_at_store(run, place->path);
    } else if (place->kind == PLACE_LAYERS && run->task != QRI_DUMP) {
        struct layer_dir dir = {run, place->path};
        (void)qri_take(run, "layers",
                       qr_env_list(run->env, place->path, look_at_local_layer, &dir, &err), &err);
    } else if (place->kind == PLACE_CACHE && run->task != QRI_DUMP) {
        qri_look_at_cache(run, place->path);
    } else if (place->kind == PLACE_BLOB) {
        char url[QRI_PATH_MAX + 16];
        struct qr_blob *blob = NULL;
        snprintf(url, sizeof url, "file://%s", place->path);
        if (qri_take(run, "objects", qr_blob_open_made(run->env, NULL, url, "", &blob, &err), &err))
            qri_look_at_blob(run, blob, url);
        qr_blob_close(blob);
    }
}

/* Journals say what long-term log and manifests are compared with; but old log is dumped first. */
static void look_at_places(struct qri_run *run, const struct places *p)
{
    static const enum place_kind order[][PLACE_KINDS] = {
        [QRI_INSPECT] = {PLACE_JOURNAL, PLACE_BLOB, PLACE_LAYERS, PLACE_STORE, PLACE_CACHE},
        [QRI_VERIFY] = {PLACE_JOURNAL, PLACE_BLOB, PLACE_LAYERS, PLACE_STORE, PLACE_CACHE},
        [QRI_DUMP] = {PLACE_BLOB, PLACE_JOURNAL, PLACE_STORE, PLACE_LAYERS, PLACE_CACHE},
    };
    for (size_t k = 0; k < PLACE_KINDS; k++) {
        for (size_t i = 0; i < p->count; i++) {
            if (p->list[i].kind == order[run->task][k])
                look_at_place(run, &p->list[i]);
        }
    }
}

/* --- files --- */

static void look_at_bytes_layer(struct qri_run *run, const uint8_t *bytes, size_t count);

/* Files that are taken whole. */
static const struct {
    char magic[MAGIC_BYTES + 1];
    size_t magic_bytes;
    void (*look)(struct qri_run *run, const uint8_t *bytes, size_t count);
} whole_kinds[] = {
    {"QRLOGTLS", 8, qri_look_at_timelines},
    {"QRMF", 4, qri_look_at_manifest},
    {"QRLO", 4, qri_look_at_log_object},
    {"QRLY", 4, look_at_bytes_layer},
};

/* Files that are read piece by piece. */
static const struct {
    char magic[MAGIC_BYTES + 1];
    size_t magic_bytes;
    void (*look)(struct qri_run *run, struct qr_file *file);
} file_kinds[] = {
    {"QRDATA\r\n", 8, qri_look_at_data_file},
    {"QRDBLWR\n", 8, qri_look_at_double_write},
    {"QRLOGSEG", 8, qri_look_at_log_segment},
    {"QRJOURNL", 8, qri_look_at_journal_segment},
};

static bool look_by_magic(struct qri_run *run, struct qr_file *file, const uint8_t *magic)
{
    for (size_t i = 0; i < sizeof file_kinds / sizeof file_kinds[0]; i++) {
        if (memcmp(magic, file_kinds[i].magic, file_kinds[i].magic_bytes) == 0) {
            file_kinds[i].look(run, file);
            return true;
        }
    }
    if (memcmp(magic, "QRLY", 4) == 0) {
        qri_look_at_layer(run, file, NULL);
        return true;
    }
    return false;
}

/* A file in memory, for a layer inside an object's file. */
struct bytes_file {
    struct qr_file base;
    const uint8_t *bytes;
    size_t count;
};

static enum qr_status bytes_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                  size_t *ret_bytes, struct qr_err *err)
{
    struct bytes_file *f = (struct bytes_file *)file;
    (void)err;
    size_t rest = offset < f->count ? f->count - (size_t)offset : 0;
    *ret_bytes = bytes < rest ? bytes : rest;
    memcpy(dst, f->bytes + (rest == 0 ? 0 : offset), *ret_bytes);
    return QR_OK;
}

static enum qr_status bytes_size(struct qr_file *file, uint64_t *ret_bytes, struct qr_err *err)
{
    (void)err;
    *ret_bytes = ((struct bytes_file *)file)->count;
    return QR_OK;
}

static void look_at_bytes_layer(struct qri_run *run, const uint8_t *bytes, size_t count)
{
    static const struct qr_file_ops ops = {.pread = bytes_pread, .size = bytes_size};
    struct bytes_file f = {.base = {&ops}, .bytes = bytes, .count = count};
    qri_look_at_layer(run, &f.base, NULL);
}

static void look_at_whole(struct qri_run *run, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < sizeof whole_kinds / sizeof whole_kinds[0]; i++) {
        if (count >= MAGIC_BYTES &&
            memcmp(bytes, whole_kinds[i].magic, whole_kinds[i].magic_bytes) == 0) {
            whole_kinds[i].look(run, bytes, count);
            return;
        }
    }
    run->failed = true;
    fprintf(run->errors, "quire: '%s' is no file of quire's storage\n", run->where);
}

static void look_at_file(struct qri_run *run, struct qr_file *file, const char *path)
{
    uint8_t magic[MAGIC_BYTES] = {0};
    size_t got = 0;
    struct qr_err err;
    qr_err_reset(&err);
    if (!qri_take(run, "file", qr_file_pread(file, magic, sizeof magic, 0, &got, &err), &err) ||
        look_by_magic(run, file, magic))
        return;
    struct qr_buf buf;
    qr_buf_init(&buf, WHOLE_BYTES_MAX);
    size_t start = 0;
    if (qri_take(run, "file", qr_env_read_file(run->env, path, &buf, &err), &err)) {
        if (memcmp(magic, "QROB", 4) == 0) /* an object of a directory's blob store */
            (void)qri_take(run, "object", qr_blob_object_bytes(buf.data, buf.len, &start, &err),
                           &err);
        look_at_whole(run, start == 0 ? buf.data : buf.data + start, buf.len - start);
    }
    qr_buf_done(&buf);
}

void qri_look_at_path(struct qri_run *run, const char *path)
{
    struct places *p = calloc(1, sizeof *p);
    if (p == NULL) {
        run->failed = true;
        return;
    }
    p->run = run;
    bool is_dir = find_places(p, path, 0);
    if (is_dir)
        look_at_places(run, p);
    for (size_t i = 0; i < p->count; i++)
        free(p->list[i].path);
    free(p);
    if (is_dir)
        return;
    struct qr_file *file = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    qri_where(run, "%s", path);
    if (qri_take(run, "file", qr_env_open(run->env, path, QR_OPEN_READ, &file, &err), &err)) {
        run->found = true;
        look_at_file(run, file, path);
    }
    qr_file_close(file);
}
