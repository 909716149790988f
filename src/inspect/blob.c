/* blob.c - a blob store: every object of long-term log and of pages, and how they belong together.
 *
 * Manifests come first, because they say what ought to be there; a layer that several name is read
 * once. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

enum {
    OBJECTS_MAX = 4 << 20,
    MANIFEST_BYTES_MAX = 256 << 20,
    TIMELINE_DIGITS = QR_TIMELINE_HEX_BYTES - 1,
    LSN_DIGITS = 16,
};

struct object {
    char *name;
    uint64_t bytes;
    bool damaged; /* the store cannot tell its state */
    bool named;   /* by a manifest */
};
struct objects {
    struct object *list;
    size_t count, capacity;
    struct qr_map by_name;
    enum qr_status status;
};

static bool add_object(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct objects *o = arg;
    if (o->count == o->capacity) {
        size_t capacity = o->capacity == 0 ? 256 : o->capacity * 2;
        struct object *more =
            capacity > OBJECTS_MAX ? NULL : realloc(o->list, capacity * sizeof *more);
        if (more == NULL) {
            o->status = QR_TOO_BIG;
            return false;
        }
        o->list = more;
        o->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        o->status = QR_NOMEM;
        return false;
    }
    o->list[o->count++] =
        (struct object){.name = copy, .bytes = info->bytes, .damaged = info->tag.z[0] == '\0'};
    return true;
}

static void free_objects(struct objects *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->list[i].name);
    free(o->list);
    qr_map_done(&o->by_name);
}

static bool list_objects(struct qri_run *run, struct qr_blob *blob, const char *prefix,
                         struct objects *o)
{
    struct qr_err err;
    qr_err_reset(&err);
    *o = (struct objects){.status = QR_OK};
    qr_map_init(&o->by_name, false);
    enum qr_status status = qr_blob_list(blob, prefix, add_object, o, &err);
    if (status == QR_OK && o->status != QR_OK)
        status = qr_fail(&err, o->status, "too many objects");
    for (size_t i = 0; i < o->count && status == QR_OK; i++)
        status = qr_map_put(&o->by_name, qr_str(o->list[i].name), &o->list[i]);
    return qri_take(run, prefix, status, &err);
}

static bool get(struct qri_run *run, struct qr_blob *blob, const struct object *object,
                size_t bytes_max, struct qr_buf *buf)
{
    struct qr_err err;
    qr_err_reset(&err);
    qr_buf_init(buf, bytes_max);
    enum qr_status status = qr_blob_get(blob, object->name, 0, SIZE_MAX, buf, NULL, &err);
    if (status == QR_IO && object->damaged)
        status = QR_CORRUPT;
    return qri_take(run, "object", status, &err);
}

static struct qri_known *known_of(struct qri_run *run, const struct qr_timeline *timeline)
{
    return qr_map_get(&run->known, qr_str_n((const char *)timeline->id, QR_TIMELINE_BYTES));
}

/* --- pages --- */

static bool is_manifest(const char *name, struct qr_timeline *ret_timeline)
{
    size_t n = strlen(name);
    return n > 6 + TIMELINE_DIGITS + 9 && strcmp(name + n - 9, "/manifest") == 0 &&
           qri_parse_timeline(name + 6, TIMELINE_DIGITS, ret_timeline);
}

static bool is_manifest_copy(const char *name, struct qr_timeline *ret_timeline)
{
    size_t n = strlen(name);
    return n > 6 + TIMELINE_DIGITS + 14 && strcmp(name + n - 14, "/manifest.copy") == 0 &&
           qri_parse_timeline(name + 6, TIMELINE_DIGITS, ret_timeline);
}

/* It may be a little behind the manifest, so only what it is in itself is looked at. */
static void look_at_copy(struct qri_run *run, struct qr_blob *blob, const char *url,
                         const struct object *object)
{
    struct qr_buf buf;
    struct qr_manifest_info m;
    struct qr_err err;
    qr_err_reset(&err);
    qri_where(run, "%s %s", url, object->name);
    if (get(run, blob, object, MANIFEST_BYTES_MAX, &buf) &&
        qri_take(run, "manifest",
                 qr_manifest_info_decode(buf.data, buf.len, run->keyring, &m, &err), &err))
        qr_manifest_info_done(&m);
    qr_buf_done(&buf);
}

static void look_at_named_layer(struct qri_run *run, struct qr_blob *blob, const char *url,
                                struct objects *o, const struct qr_layer_info *layer)
{
    char name[QR_LAYER_NAME_BYTES_MAX];
    qr_layer_object_name(layer, name);
    struct object *object = qr_map_get(&o->by_name, qr_str(name));
    if (object == NULL) {
        qri_damage(run, name, "the manifest names it, and there is no such object");
        return;
    }
    if (object->named)
        return;
    object->named = true;
    qri_where(run, "%s %s", url, name);
    if (object->damaged) {
        qri_damage(run, "object", "the store cannot read its header, or it is cut off");
        return;
    }
    struct qr_file *file = qri_object_file(blob, name, object->bytes);
    if (file == NULL) {
        run->failed = true;
        return;
    }
    qri_look_at_layer(run, file, layer);
    qr_file_close(file);
}

/* The log behind the disk LSN must be in the log service. */
static void check_log(struct qri_run *run, const struct qr_manifest_info *m)
{
    const struct qr_timeline *source = &m->id.timeline;
    for (size_t i = 0; i < m->lineage_count; i++) {
        if (m->disk_lsn < m->lineage[i].end_lsn) {
            source = &m->lineage[i].timeline;
            break;
        }
    }
    const struct qri_known *known = known_of(run, source);
    if (known == NULL || known->row.dropped || known->row.damaged)
        return;
    uint64_t from = known->row.state.trimmed_lsn, end = known->row.state.hardened_lsn;
    if (m->disk_lsn > end || (m->disk_lsn < from && m->disk_lsn < end))
        qri_damage(run, "manifest",
                   "ingest goes on at LSN %" PRIu64 ", the log service has %" PRIu64 " to %" PRIu64,
                   m->disk_lsn, from, end);
}

static void look_at_slice(struct qri_run *run, struct qr_blob *blob, const char *url,
                          struct objects *o, const struct object *object,
                          const struct qr_timeline *timeline)
{
    struct qr_buf buf;
    struct qr_manifest_info m;
    qri_where(run, "%s %s", url, object->name);
    if (get(run, blob, object, MANIFEST_BYTES_MAX, &buf)) {
        qri_look_at_manifest(run, buf.data, buf.len);
        if (qr_manifest_info_decode(buf.data, buf.len, run->keyring, &m, NULL) == QR_OK) {
            char want[QR_LAYER_NAME_BYTES_MAX], hex[QR_TIMELINE_HEX_BYTES];
            qr_timeline_hex(&m.id.timeline, hex);
            snprintf(want, sizeof want, "pages/%s/%u/manifest", hex, m.id.no);
            if (!qr_timeline_eq(&m.id.timeline, timeline) || strcmp(want, object->name) != 0)
                qri_damage(run, "manifest", "it is of slice '%s'", want);
            if (!m.dropped)
                check_log(run, &m);
            for (size_t i = 0; i < m.layer_count; i++) {
                qri_where(run, "%s %s", url, object->name);
                look_at_named_layer(run, blob, url, o, &m.layers[i]);
            }
            for (size_t i = 0; i < m.garbage_count; i++) {
                char name[QR_LAYER_NAME_BYTES_MAX];
                qr_layer_object_name(&m.garbage[i], name);
                struct object *garbage = qr_map_get(&o->by_name, qr_str(name));
                if (garbage != NULL)
                    garbage->named = true;
            }
            qr_manifest_info_done(&m);
        }
    }
    qr_buf_done(&buf);
}

static void look_at_pages(struct qri_run *run, struct qr_blob *blob, const char *url)
{
    struct objects o;
    struct qr_timeline timeline;
    bool good = list_objects(run, blob, "pages/", &o);
    for (size_t i = 0; i < o.count && good; i++) {
        struct object *object = &o.list[i];
        if (is_manifest_copy(object->name, &timeline)) {
            object->named = true;
            if (qri_wanted(run, &timeline))
                look_at_copy(run, blob, url, object);
        }
        if (!is_manifest(object->name, &timeline))
            continue;
        object->named = true;
        if (qri_wanted(run, &timeline))
            look_at_slice(run, blob, url, &o, object, &timeline);
    }
    char told[QRI_NAME_MAX] = "";
    if (good && run->task == QRI_VERIFY)
        qri_check_slices(run, blob, url, &o.by_name);
    for (size_t i = 0; i < o.count && good && run->task == QRI_VERIFY; i++)
        qri_look_for_manifest(run, url, o.list[i].name, &o.by_name, told);
    /* A crash leaves them; attaching the slice removes them. */
    for (size_t i = 0; i < o.count && good && !run->has_timeline; i++) {
        if (o.list[i].named || run->task != QRI_INSPECT)
            continue;
        qri_row(&run->out, "unnamed_object");
        qri_cell_text(&run->out, "object", o.list[i].name);
        qri_cell_u64(&run->out, "bytes", o.list[i].bytes);
        qri_row_end(&run->out);
    }
    run->found = run->found || o.count > 0;
    free_objects(&o);
}

/* --- long-term log --- */

struct chain {
    struct qr_timeline timeline;
    bool any, broken; /* broken: an object could not be read, so the next may follow a gap */
    bool fresh;       /* it begins with an epoch */
    uint64_t first_lsn, end_lsn;
    uint64_t before_commit_lsn, commit_lsn; /* the last commits before it, and in it */
};

static void end_chain(struct qri_run *run, const struct chain *c)
{
    struct qri_known *known = c->any ? known_of(run, &c->timeline) : NULL;
    if (known == NULL || known->row.dropped)
        return;
    known->objects_first = c->first_lsn;
    known->objects_end = c->end_lsn;
    known->store_no = run->store_no;
    if (!c->broken && c->end_lsn < known->row.state.destaged_lsn)
        qri_damage(run, "long-term log", "it ends at LSN %" PRIu64 ", %" PRIu64 " was destaged",
                   c->end_lsn, known->row.state.destaged_lsn);
    uint64_t from = known->row.state.trimmed_lsn > known->row.state.start_lsn
                        ? known->row.state.trimmed_lsn
                        : known->row.state.start_lsn;
    if (c->first_lsn > from && (!c->fresh || c->before_commit_lsn > from))
        qri_damage(run, "long-term log", "it begins at LSN %" PRIu64 ", %" PRIu64 " is kept",
                   c->first_lsn, from);
}

static void look_at_pieces(struct qri_run *run, struct chain *c, const struct qr_log_object *o,
                           const struct qr_buf *buf)
{
    bool first = true;
    for (size_t at = QR_LOG_OBJECT_HEADER_BYTES; at < buf->len; first = false) {
        struct qr_piece p;
        if (qr_piece_next(buf->data, buf->len, &at, &p, NULL) != QR_OK)
            return;
        bool fresh = (p.flags & QR_PIECE_NEW_EPOCH) != 0;
        c->fresh = !c->any && first ? fresh : c->fresh;
        if (first && c->any && !c->broken && o->first_lsn < c->end_lsn)
            qri_damage(run, "object",
                       "it begins at LSN %" PRIu64 ", the one before ends at %" PRIu64,
                       o->first_lsn, c->end_lsn);
        else if (first && c->any && !c->broken && o->first_lsn > c->end_lsn &&
                 (!fresh || o->before_commit_lsn != c->commit_lsn))
            qri_damage(run, "object", "log from LSN %" PRIu64 " to %" PRIu64 " is missing",
                       c->end_lsn, o->first_lsn);
        uint64_t boundary = fresh                                           ? p.first_lsn
                            : first && o->before_commit_lsn == o->first_lsn ? o->first_lsn
                            : p.commit_lsn >= p.first_lsn                   ? p.commit_lsn
                                                                            : 0;
        if (run->task == QRI_DUMP)
            qri_dump_log(run->dump, &o->timeline, p.epoch, p.first_lsn, p.data, p.bytes, boundary);
    }
}

static void look_at_one(struct qri_run *run, struct qr_blob *blob, const char *url,
                        const struct object *object, struct chain *c)
{
    struct qr_buf buf;
    struct qr_log_object o;
    bool good = false;
    uint64_t named = strtoull(object->name + 4 + TIMELINE_DIGITS + 1, NULL, 16);
    qri_where(run, "%s %s", url, object->name);
    if (get(run, blob, object, QR_LOG_OBJECT_BYTES_MAX + QR_LOG_OBJECT_HEADER_BYTES, &buf)) {
        qri_look_at_log_object(run, buf.data, buf.len);
        good = qr_log_object_unpack(&buf, run->keyring, &o, NULL) == QR_OK;
    }
    if (good && (o.first_lsn != named || !qr_timeline_eq(&o.timeline, &c->timeline))) {
        qri_damage(run, "object", "it holds other log");
        good = false;
    }
    if (good) {
        look_at_pieces(run, c, &o, &buf);
        c->end_lsn = o.end_lsn;
        c->first_lsn = c->any ? c->first_lsn : o.first_lsn;
        c->before_commit_lsn = c->any ? c->before_commit_lsn : o.before_commit_lsn;
        c->commit_lsn = o.commit_lsn;
        c->any = true;
    }
    c->broken = !good;
    qr_buf_done(&buf);
}

static bool is_log(const char *name, struct qr_timeline *ret_timeline)
{
    return strlen(name) == 4 + TIMELINE_DIGITS + 1 + LSN_DIGITS &&
           strspn(name + 4 + TIMELINE_DIGITS + 1, "0123456789abcdef") == LSN_DIGITS &&
           qri_parse_timeline(name + 4, TIMELINE_DIGITS, ret_timeline);
}

/* Log that the journal has given up, and of which there is no object at all. */
static void check_absent(struct qri_run *run)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&run->known, &i, &entry);) {
        const struct qri_known *known = entry->value;
        const struct qr_logsvc_state *s = &known->row.state;
        uint64_t from = s->trimmed_lsn > s->start_lsn ? s->trimmed_lsn : s->start_lsn;
        char hex[QR_TIMELINE_HEX_BYTES];
        if (known->objects_end != 0 || known->row.dropped || s->destaged_lsn <= from ||
            !qri_wanted(run, &known->row.timeline))
            continue;
        qr_timeline_hex(&known->row.timeline, hex);
        qri_damage(run, "long-term log",
                   "timeline %s: log from LSN %" PRIu64 " to %" PRIu64
                   " was destaged, and there is none",
                   hex, from, s->destaged_lsn);
    }
}

static void look_at_log(struct qri_run *run, struct qr_blob *blob, const char *url)
{
    struct objects o;
    struct chain c = {.any = false};
    bool good = list_objects(run, blob, "log/", &o);
    for (size_t i = 0; i < o.count && good; i++) {
        struct qr_timeline timeline;
        if (!is_log(o.list[i].name, &timeline) || !qri_wanted(run, &timeline))
            continue;
        if (!qr_timeline_eq(&timeline, &c.timeline)) {
            end_chain(run, &c);
            c = (struct chain){.timeline = timeline};
        }
        look_at_one(run, blob, url, &o.list[i], &c);
    }
    end_chain(run, &c);
    if (good && run->task != QRI_DUMP)
        check_absent(run);
    run->found = run->found || o.count > 0;
    free_objects(&o);
}

void qri_look_at_blob(struct qri_run *run, struct qr_blob *blob, const char *url)
{
    run->store_no++;
    if (run->task != QRI_DUMP) /* old log is dumped first */
        qri_look_at_landing(run, blob, url);
    qri_where(run, "%s", url);
    look_at_log(run, blob, url);
    qri_where(run, "%s", url);
    if (run->task != QRI_DUMP)
        look_at_pages(run, blob, url);
    else
        qri_look_at_landing(run, blob, url);
    if (run->task == QRI_VERIFY && !run->has_timeline)
        qri_look_at_backups(run, blob, url);
}
