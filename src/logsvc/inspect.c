/* inspect.c - see logsvc/inspect.h. The walk is the one of recover.c, written again without a
 * service around it: it repairs nothing, goes on behind damage, and so checks that one as well. */
#include "logsvc/inspect.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "logsvc_int.h"
#include "page/record.h"
#include "zone.h"
#include "base/banned.h"

enum { SCAN_BYTES = 256 << 10, TABLE_BYTES_MAX = 256 << 20, SEGMENTS_MAX = 1 << 20 };

/* --- timelines --- */

struct rows {
    void (*each)(void *ctx, const struct qr_timelines_row *row);
    void *ctx;
};

static struct qr_timelines_row row_of(const struct qri_timeline *tl)
{
    const struct qri_state *s = &tl->hard;
    return (struct qr_timelines_row){.timeline = tl->id,
                                     .dropped = s->live == QRI_DROPPED,
                                     .damaged = tl->damaged,
                                     .state = {.epoch = s->epoch,
                                               .hardened_lsn = s->end_lsn,
                                               .commit_lsn = s->commit_lsn,
                                               .commit_wall_ns = s->commit_wall_ns,
                                               .destaged_lsn = tl->destaged_lsn,
                                               .trimmed_lsn = s->trimmed_lsn,
                                               .start_lsn = tl->start_lsn,
                                               .branch_lsn = tl->branch_lsn,
                                               .parent = tl->parent},
                                     .journal_floor = tl->journal_floor};
}

static enum qr_status give_row(void *arg, const struct qri_timeline *row)
{
    struct rows *rows = arg;
    struct qr_timelines_row out = row_of(row);
    if (rows->each != NULL)
        rows->each(rows->ctx, &out);
    return QR_OK;
}

static struct qr_timelines_head head_of(const struct qri_snapshot_head *h)
{
    struct qr_timelines_head head = {.generation = h->generation,
                                     .first_segment_no = h->first_segment_no,
                                     .first_block_no = h->first_block_no,
                                     .state_block_no = h->state_block_no,
                                     .count = h->count};
    memcpy(head.journal_id, h->journal_id, QR_JOURNAL_ID_BYTES);
    return head;
}

enum qr_status qr_timelines_decode(const uint8_t *bytes, size_t count,
                                   struct qr_timelines_head *ret_head,
                                   void (*each)(void *ctx, const struct qr_timelines_row *row),
                                   void *ctx, struct qr_err *err)
{
    struct qri_snapshot_head head;
    struct rows rows = {each, ctx};
    QR_TRY(qri_snapshot_decode(bytes, count, &head, give_row, &rows, err));
    *ret_head = head_of(&head);
    return QR_OK;
}

/* --- the journal --- */

/* What the walk knows of a timeline. */
struct track {
    struct qri_timeline tl; /* states and bounds alone */
    bool unsure;            /* a hole came before: its next entry shows whether it lost something */
    bool seen;
    uint64_t first_lsn, next_lsn; /* its log in the journal goes on from here; and ends there */
};

struct walk {
    struct qr_env *env;
    const char *dir;
    const struct qr_journal_sight *sight;
    struct qri_snapshot_head head;
    bool has_head;
    bool grows; /* a segment is as long as what was appended to it */
    struct qr_map tracks;
    struct qr_file *file; /* of the segment */
    struct qr_journal_segment segment;
    char name[40];
    uint64_t offset, expected;
    uint64_t segment_first, segment_blocks, segment_end;
    uint64_t last_segment_no; /* the highest there is */
    uint64_t damage_count;
    uint8_t *block, *scan;
    struct qr_data_key data_key; /* id 0: none */
};

QR_PRINTF(3, 4) static void report(struct walk *w, uint64_t offset, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    w->damage_count++;
    if (w->sight->damage != NULL)
        w->sight->damage(w->sight->ctx, w->name, offset, text);
}

static struct track *find_track(struct walk *w, const struct qr_timeline *id, bool make)
{
    struct qr_str key = qr_str_n((const char *)id->id, QR_TIMELINE_BYTES);
    struct track *t = qr_map_get(&w->tracks, key);
    if (t != NULL || !make)
        return t;
    t = calloc(1, sizeof *t);
    if (t == NULL || qr_map_put(&w->tracks, key, t) != QR_OK) {
        free(t);
        return NULL;
    }
    t->tl.id = *id;
    qr_timeline_hex(id, t->tl.name);
    return t;
}

static enum qr_status add_row(void *arg, const struct qri_timeline *row)
{
    struct walk *w = arg;
    if (find_track(w, &row->id, false) != NULL)
        return QR_CORRUPT;
    struct track *t = find_track(w, &row->id, true);
    if (t == NULL)
        return QR_NOMEM;
    char name[QR_TIMELINE_HEX_BYTES];
    memcpy(name, t->tl.name, sizeof name);
    t->tl = *row;
    memcpy(t->tl.name, name, sizeof name);
    struct qr_timelines_row out = row_of(row);
    if (w->sight->row != NULL)
        w->sight->row(w->sight->ctx, &out);
    return QR_OK;
}

struct names {
    uint64_t first, last;
    bool any;
};

static bool look_at_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (strncmp(name, "journal.", 8) != 0 || strlen(name) != 8 + 16 ||
        strspn(name + 8, "0123456789abcdef") != 16)
        return true;
    uint64_t no = strtoull(name + 8, NULL, 16);
    names->first = !names->any || no < names->first ? no : names->first;
    names->last = no > names->last ? no : names->last;
    names->any = true;
    return true;
}

/* An earlier version made none. */
static void look_at_copy(struct walk *w)
{
    char path[QRI_PATH_BYTES_MAX + 16];
    struct qri_snapshot_head head;
    struct qr_buf buf;
    struct qr_err err;
    qr_err_reset(&err);
    snprintf(path, sizeof path, "%s/" QRI_TABLE_COPY, w->dir);
    snprintf(w->name, sizeof w->name, QRI_TABLE_COPY);
    qr_buf_init(&buf, TABLE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(w->env, path, &buf, &err);
    if (status == QR_OK)
        status = qri_snapshot_decode(buf.data, buf.len, &head, NULL, NULL, &err);
    if (status != QR_OK && status != QR_NOT_FOUND)
        report(w, 0, "%s", err.text);
    qr_buf_done(&buf);
}

static enum qr_status read_table(struct walk *w, struct names *ret_names, struct qr_err *err)
{
    QR_TRY(qr_env_list(w->env, w->dir, look_at_name, ret_names, err));
    char path[QRI_PATH_BYTES_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/timelines", w->dir) >= sizeof path)
        return qr_fail(err, QR_INVALID, "the path is too long");
    look_at_copy(w);
    snprintf(w->name, sizeof w->name, "timelines");
    struct qr_buf buf;
    qr_buf_init(&buf, TABLE_BYTES_MAX);
    struct qr_err local;
    qr_err_reset(&local);
    enum qr_status status = qr_env_read_file(w->env, path, &buf, &local);
    if (status == QR_NOT_FOUND && !ret_names->any) {
        qr_buf_done(&buf);
        return qr_fail(err, QR_NOT_FOUND, "there is no journal in '%s'", w->dir);
    }
    if (status == QR_OK)
        status = qri_snapshot_decode(buf.data, buf.len, &w->head, add_row, w, &local);
    qr_buf_done(&buf);
    if (status == QR_NOMEM || status == QR_IO || status == QR_DENIED)
        return qr_fail(err, status, "%.500s", local.text);
    w->has_head = status == QR_OK;
    if (!w->has_head) {
        report(w, 0, "%s", status == QR_NOT_FOUND ? "it is not there, a journal is" : local.text);
        w->head = (struct qri_snapshot_head){.first_segment_no = ret_names->first,
                                             .generation = UINT64_MAX};
        return QR_OK;
    }
    struct qr_timelines_head head = head_of(&w->head);
    if (w->sight->head != NULL)
        w->sight->head(w->sight->ctx, &head);
    return QR_OK;
}

/* --- entries --- */

static void check_state(struct walk *w, struct track *t, const struct qr_journal_entry *e,
                        uint64_t block_no)
{
    const char *why = "";
    if (t->tl.damaged)
        return;
    if (e->kind == QR_JOURNAL_CREATE && t->tl.hard.live != QRI_LIVE) {
        qri_timeline_created(&t->tl, e);
        qri_state_apply(&t->tl.hard, e);
        t->unsure = false;
        return;
    }
    if (t->unsure && e->kind == QR_JOURNAL_FENCE &&
        (e->lsn != t->tl.hard.end_lsn || e->commit_lsn != t->tl.hard.commit_lsn))
        why = "a fence names an end that is lost";
    else
        (void)qri_state_check(&t->tl.hard, e, &why);
    t->unsure = t->unsure && e->kind == QR_JOURNAL_TRIM;
    if (why[0] != '\0') {
        report(w, w->offset, "block %" PRIu64 ", timeline %s, LSN %" PRIu64 ": %s", block_no,
               t->tl.name, e->lsn, why);
        t->tl.damaged = true;
        return;
    }
    qri_state_apply(&t->tl.hard, e);
}

/* What such an append follows on: the first of an epoch follows the commit that it names, whatever
 * LSNs it jumps over. */
static uint64_t follows_on(const struct qr_journal_entry *e)
{
    struct qr_record rec;
    bool fresh = (e->flags & QR_JOURNAL_NEW_EPOCH) != 0 &&
                 qr_record_decode(e->data, e->data_bytes, &rec, NULL) == QR_OK &&
                 rec.kind == QR_RECORD_EPOCH && rec.epoch.last_commit_lsn < e->lsn;
    return fresh ? rec.epoch.last_commit_lsn : e->lsn;
}

/* The journal's log of a timeline has no gap but into a new epoch; holes are reported already. */
static void check_gap(struct walk *w, struct track *t, const struct qr_journal_entry *e,
                      uint64_t block_no)
{
    if (!t->seen) {
        t->seen = true;
        t->first_lsn = follows_on(e);
    } else if (e->lsn != t->next_lsn && (e->flags & QR_JOURNAL_NEW_EPOCH) == 0 && !t->unsure &&
               !t->tl.damaged) {
        report(w, w->offset,
               "block %" PRIu64 ", timeline %s: log at LSN %" PRIu64 " follows %" PRIu64, block_no,
               t->tl.name, e->lsn, t->next_lsn);
    }
    t->next_lsn = e->lsn + e->data_bytes;
}

static enum qr_status look_at_entries(struct walk *w, const struct qr_journal_block *h,
                                      struct qr_err *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < h->entry_count; i++) {
        struct qr_journal_entry e;
        QR_TRY(qr_journal_entry_next(w->block + QR_JOURNAL_BLOCK_HEADER_BYTES, h->payload_bytes,
                                     &at, &e, err));
        struct track *t = find_track(w, &e.timeline, e.kind == QR_JOURNAL_CREATE || !w->has_head);
        if (t == NULL && w->has_head && e.kind != QR_JOURNAL_CREATE) {
            if (h->block_no > w->head.state_block_no) /* else it was dropped and forgotten */
                report(w, w->offset, "block %" PRIu64 " names a timeline that was never created",
                       h->block_no);
        } else if (t == NULL) {
            return qr_fail(err, QR_NOMEM, "timeline");
        } else {
            if (e.kind == QR_JOURNAL_APPEND)
                check_gap(w, t, &e, h->block_no);
            if (w->has_head && h->block_no > w->head.state_block_no)
                check_state(w, t, &e, h->block_no);
        }
        if (w->sight->entry != NULL)
            w->sight->entry(w->sight->ctx, &e, h->block_no, w->segment.segment_no, w->offset);
    }
    return QR_OK;
}

/* --- blocks --- */

static enum qr_status load(struct walk *w, uint64_t offset, struct qr_journal_block *ret_header,
                           struct qr_err *err)
{
    size_t got = 0;
    QR_TRY(qr_file_pread(w->file, w->block, QR_SECTOR_BYTES, offset, &got, err));
    QR_TRY(qr_journal_block_peek(w->block, got, ret_header, err));
    uint64_t bytes = qr_journal_block_file_bytes(ret_header->payload_bytes);
    if (memcmp(ret_header->journal_id, w->segment.journal_id, QR_JOURNAL_ID_BYTES) != 0 ||
        ret_header->generation > w->head.generation)
        return qr_fail(err, QR_CORRUPT, "another journal's block");
    QR_TRY(qr_file_pread(w->file, w->block, bytes, offset, &got, err));
    QR_TRY(qr_journal_block_verify(w->block, got, err));
    return qr_journal_block_open(w->block, &w->data_key, NULL, err);
}

/* Looks for an intact block that was written when the expected one was durable already. */
static enum qr_status find_later(struct walk *w, uint64_t *ret_offset,
                                 struct qr_journal_block *ret_header, struct qr_err *err)
{
    size_t got = 0;
    for (uint64_t at = w->offset; at < w->segment.file_bytes; at += got) {
        QR_TRY(qr_file_pread(w->file, w->scan, SCAN_BYTES, at, &got, err));
        got = got / QR_SECTOR_BYTES * QR_SECTOR_BYTES;
        for (size_t i = 0; i < got; i += QR_SECTOR_BYTES) {
            if (qr_journal_block_peek(w->scan + i, QR_SECTOR_BYTES, ret_header, NULL) != QR_OK ||
                ret_header->synced_block_no < w->expected)
                continue;
            enum qr_status status = load(w, at + i, ret_header, err);
            *ret_offset = at + i;
            if (status != QR_CORRUPT)
                return status;
        }
        if (got == 0)
            break;
    }
    return QR_NOT_FOUND;
}

static void note_hole(struct walk *w, uint64_t last)
{
    report(w, w->offset, "blocks %" PRIu64 " to %" PRIu64 " were hardened and are damaged",
           w->expected, last);
    if (w->has_head && last <= w->head.state_block_no)
        return;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&w->tracks, &i, &entry);)
        ((struct track *)entry->value)->unsure = true;
}

static enum qr_status walk_segment(struct walk *w, struct qr_err *err)
{
    w->offset = QR_JOURNAL_HEADER_BYTES;
    w->segment_first = w->segment_blocks = 0;
    w->segment_end = w->offset;
    for (;;) {
        struct qr_journal_block h = {.block_no = 0};
        enum qr_status status = load(w, w->offset, &h, err);
        if (status == QR_OK && w->expected == 0) /* nothing says where it begins */
            w->expected = h.block_no;
        if (status == QR_CORRUPT || (status == QR_OK && h.block_no != w->expected)) {
            uint64_t offset = 0;
            status = find_later(w, &offset, &h, err);
            if (status == QR_NOT_FOUND)
                return QR_OK;
            QR_TRY(status);
            if (w->expected != 0)
                note_hole(w, h.block_no - 1);
            w->offset = offset;
        }
        QR_TRY(status);
        QR_TRY(look_at_entries(w, &h, err));
        w->segment_first = w->segment_blocks == 0 ? h.block_no : w->segment_first;
        w->segment_blocks++;
        w->offset += qr_journal_block_file_bytes(h.payload_bytes);
        w->segment_end = w->offset;
        w->expected = h.block_no + 1;
    }
}

/* A header that cannot be read is reported; its blocks can be read without it. */
static enum qr_status open_segment(struct walk *w, uint64_t no, struct qr_err *err)
{
    char path[QRI_PATH_BYTES_MAX];
    snprintf(w->name, sizeof w->name, "journal.%016" PRIx64, no);
    snprintf(path, sizeof path, "%s/%s", w->dir, w->name);
    uint8_t sector[QR_SECTOR_BYTES];
    uint64_t file_bytes = 0;
    QR_TRY(qr_env_open(w->env, path, QR_OPEN_READ, &w->file, err));
    struct qr_err local;
    qr_err_reset(&local);
    QR_TRY(qr_file_size(w->file, &file_bytes, err));
    enum qr_status status = qr_file_read_exactly(w->file, sector, sizeof sector, 0, &local);
    if (status == QR_OK)
        status = qr_journal_segment_decode(sector, &w->segment, &local);
    if (status == QR_IO)
        return qr_fail(err, status, "%.500s", local.text);
    if (status != QR_OK) {
        report(w, 0, "%s", local.text);
        w->segment = (struct qr_journal_segment){.segment_no = no, .file_bytes = file_bytes};
        memcpy(w->segment.journal_id, w->head.journal_id, QR_JOURNAL_ID_BYTES);
        return QR_OK;
    }
    if (w->segment.segment_no != no || (!w->grows && file_bytes < w->segment.file_bytes) ||
        (w->has_head &&
         memcmp(w->segment.journal_id, w->head.journal_id, QR_JOURNAL_ID_BYTES) != 0))
        report(w, 0,
               "the header is of segment %" PRIu64 " with %" PRIu64 " bytes, or another journal's",
               w->segment.segment_no, w->segment.file_bytes);
    w->segment.segment_no = no;
    w->segment.file_bytes = file_bytes < w->segment.file_bytes ? file_bytes : w->segment.file_bytes;
    return QR_OK;
}

static enum qr_status walk_segments(struct walk *w, const struct names *names, struct qr_err *err)
{
    w->expected = w->has_head ? w->head.first_block_no : 0;
    if (names->last - w->head.first_segment_no > SEGMENTS_MAX && names->any &&
        names->last >= w->head.first_segment_no)
        return qr_fail(err, QR_TOO_BIG, "a journal of more than %d segments", SEGMENTS_MAX);
    for (uint64_t no = w->head.first_segment_no; names->any && no <= names->last; no++) {
        w->file = NULL;
        enum qr_status status = open_segment(w, no, err);
        if (status == QR_NOT_FOUND) {
            report(w, 0, "it is not there, a later one is");
            if (err != NULL)
                qr_err_reset(err);
            continue;
        }
        if (status == QR_OK)
            status = walk_segment(w, err);
        qr_file_close(w->file);
        QR_TRY(status);
        if (w->sight->segment != NULL)
            w->sight->segment(w->sight->ctx, &w->segment, w->segment_first, w->segment_blocks,
                              w->segment_end);
    }
    if (w->has_head && w->expected <= w->head.state_block_no)
        report(w, w->segment_end,
               "the journal ends before block %" PRIu64 ", of which 'timelines' knows",
               w->head.state_block_no);
    return QR_OK;
}

/* --- the end --- */

static int by_id(const void *a, const void *b)
{
    const struct track *x = *(struct track *const *)a, *y = *(struct track *const *)b;
    return memcmp(x->tl.id.id, y->tl.id.id, QR_TIMELINE_BYTES);
}

static void end_track(struct walk *w, struct track *t)
{
    const struct qri_state *s = &t->tl.hard;
    if (t->unsure)
        t->tl.damaged = true;
    uint64_t from = t->tl.destaged_lsn > s->trimmed_lsn ? t->tl.destaged_lsn : s->trimmed_lsn;
    if (s->live == QRI_LIVE && !t->tl.damaged && w->damage_count == 0 && from < s->end_lsn &&
        (!t->seen || t->first_lsn > from || t->next_lsn < s->end_lsn))
        report(w, 0, "timeline %s: log from LSN %" PRIu64 " to %" PRIu64 " is not in the journal",
               t->tl.name, from, s->end_lsn);
    struct qr_timelines_row row = row_of(&t->tl);
    if (w->sight->state != NULL)
        w->sight->state(w->sight->ctx, &row);
}

static enum qr_status end_walk(struct walk *w, struct qr_err *err)
{
    struct track **list = calloc(w->tracks.count + 1, sizeof *list);
    if (list == NULL)
        return qr_fail(err, QR_NOMEM, "timelines");
    size_t count = 0;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&w->tracks, &i, &entry);)
        list[count++] = entry->value;
    qsort(list, count, sizeof *list, by_id);
    snprintf(w->name, sizeof w->name, "timelines");
    for (size_t i = 0; i < count && w->has_head; i++)
        end_track(w, list[i]);
    free(list);
    return QR_OK;
}

static enum qr_status walk_init(struct walk *w, struct qr_err *err)
{
    w->block = malloc(QRI_BLOCK_BYTES_MAX);
    w->scan = malloc(SCAN_BYTES);
    qr_map_init(&w->tracks, false);
    return w->block == NULL || w->scan == NULL ? qr_fail(err, QR_NOMEM, "look at a journal")
                                               : QR_OK;
}

static void walk_done(struct walk *w)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&w->tracks, &i, &entry);)
        free(entry->value);
    qr_map_done(&w->tracks);
    free(w->block);
    free(w->scan);
}

/* What it cannot open says so. */
static enum qr_status take_key(struct walk *w, const uint8_t journal_id[QR_JOURNAL_ID_BYTES],
                               struct qr_err *err)
{
    struct qr_timeline owner;
    char path[QRI_PATH_BYTES_MAX];
    memcpy(owner.id, journal_id, sizeof owner.id);
    enum qr_status status = QR_NOT_FOUND;
    if (w->grows && w->sight->keyring != NULL)
        status = qr_keyring_read(w->sight->keyring, &owner, &w->data_key, err);
    if (!w->grows && w->sight->server_key != NULL) {
        snprintf(path, sizeof path, "%s/key", w->dir);
        status = qr_key_pair_take(w->sight->server_key, w->env, path, owner.id, QR_KEY_LOOK,
                                  &w->data_key, err);
    }
    return status == QR_NOT_FOUND ? QR_OK : status;
}

enum qr_status qr_journal_look_at_segment(struct qr_env *env, const char *dir, struct qr_file *file,
                                          const struct qr_journal_sight *sight,
                                          uint64_t *ret_damage_count, struct qr_err *err)
{
    struct walk w = {.env = env,
                     .dir = dir,
                     .sight = sight,
                     .file = file,
                     .name = "segment",
                     .head.generation = UINT64_MAX};
    uint8_t sector[QR_SECTOR_BYTES];
    uint64_t file_bytes = 0;
    enum qr_status status = walk_init(&w, err);
    if (status == QR_OK)
        status = qr_file_size(file, &file_bytes, err);
    if (status == QR_OK)
        status = qr_file_read_exactly(file, sector, sizeof sector, 0, err);
    if (status == QR_OK)
        status = qr_journal_segment_decode(sector, &w.segment, err);
    if (status == QR_OK && file_bytes < w.segment.file_bytes) {
        report(&w, 0, "it has %" PRIu64 " of %" PRIu64 " bytes", file_bytes, w.segment.file_bytes);
        w.segment.file_bytes = file_bytes;
    }
    if (status == QR_OK)
        status = take_key(&w, w.segment.journal_id, err);
    if (status == QR_OK)
        status = walk_segment(&w, err);
    if (status == QR_OK && sight->segment != NULL)
        sight->segment(sight->ctx, &w.segment, w.segment_first, w.segment_blocks, w.segment_end);
    walk_done(&w);
    if (status == QR_OK)
        *ret_damage_count = w.damage_count;
    return status;
}

static enum qr_status look(struct qr_env *env, const char *dir, bool grows,
                           const struct qr_journal_sight *sight, uint64_t *ret_damage_count,
                           struct qr_err *err)
{
    struct walk w = {.env = env, .dir = dir, .sight = sight, .grows = grows};
    struct names names = {.any = false};
    enum qr_status status = walk_init(&w, err);
    if (status == QR_OK)
        status = read_table(&w, &names, err);
    if (status == QR_OK)
        status = take_key(&w, w.head.journal_id, err);
    if (status == QR_OK)
        status = walk_segments(&w, &names, err);
    if (status == QR_OK)
        status = end_walk(&w, err);
    walk_done(&w);
    if (status == QR_OK)
        *ret_damage_count = w.damage_count;
    return status;
}

enum qr_status qr_journal_look(struct qr_env *env, const char *dir,
                               const struct qr_journal_sight *sight, uint64_t *ret_damage_count,
                               struct qr_err *err)
{
    return look(env, dir, false, sight, ret_damage_count, err);
}

enum qr_status qr_journal_look_in_blob(struct qr_env *env, struct qr_blob *blob, const char *dir,
                                       const struct qr_journal_sight *sight,
                                       uint64_t *ret_damage_count, struct qr_err *err)
{
    struct qri_zone *zone = NULL;
    QR_TRY(qri_zone_new(env, NULL, blob, dir, true, true, &zone, err));
    enum qr_status status = look(qri_zone_env(zone), dir, true, sight, ret_damage_count, err);
    qri_zone_free(zone, true);
    return status;
}
