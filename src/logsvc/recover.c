/* recover.c - reads the journal back into the timelines' states; see logsvc_int.h and README.md.
 *
 * Blocks are numbered without gaps, so at every moment one block number is expected. Where it is
 * not found, the journal ends, unless a later intact block proves that it had been hardened; then
 * its entries are lost and every timeline that cannot be shown to be whole is damaged. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    SCAN_BYTES = 256 << 10,
    STALE_MAX = 64, /* files removed at one open */
};

struct reader {
    struct qr_logsvc *svc;
    struct qri_snapshot_head head;
    struct qri_segment *segment;
    uint64_t offset;                  /* of the next block */
    uint64_t expected;                /* its number */
    struct qri_segment *last_segment; /* of the last intact block, NULL: none */
    uint64_t last_offset;
    bool holes, from_copy;
    uint8_t *block;
    struct qri_window window;
    const uint8_t *found; /* the block that was looked at last, in one of them */
};

/* --- the table --- */

static enum qr_status add_row(void *arg, const struct qri_timeline *row)
{
    struct qr_logsvc *svc = arg;
    if (qri_timeline_find(svc, &row->id) != NULL)
        return QR_CORRUPT;
    struct qri_timeline *tl = qri_timeline_add(svc, &row->id);
    if (tl == NULL)
        return QR_NOMEM;
    char name[QR_TIMELINE_HEX_BYTES];
    memcpy(name, tl->name, sizeof name);
    *tl = *row;
    memcpy(tl->name, name, sizeof name);
    return QR_OK;
}

struct names {
    uint64_t first, last; /* segments that ought to be there */
    bool any, beyond;
    uint64_t stale[STALE_MAX], stale_places[STALE_MAX];
    size_t stale_count, stale_places_count;
};

static bool look_at_name(void *arg, const char *name)
{
    struct names *names = arg;
    size_t prefix = strlen(QRI_PLACES_PREFIX);
    if (strncmp(name, QRI_PLACES_PREFIX, prefix) == 0) {
        uint64_t of = strtoull(name + prefix, NULL, 16);
        if (of < names->first && names->stale_places_count < STALE_MAX)
            names->stale_places[names->stale_places_count++] = of;
        return true;
    }
    if (strncmp(name, "journal.", 8) != 0 || strcmp(name, "journal.tmp") == 0)
        return true;
    uint64_t no = strtoull(name + 8, NULL, 16);
    names->any = true;
    names->beyond = names->beyond || no > names->last;
    if (no < names->first && names->stale_count < STALE_MAX)
        names->stale[names->stale_count++] = no;
    return true;
}

static enum qr_status read_file(struct reader *r, const char *name, struct qr_err *err)
{
    struct qr_logsvc *svc = r->svc;
    char path[QRI_PATH_BYTES_MAX];
    qri_path(svc, name, path);
    struct qr_buf buf;
    qr_buf_init(&buf, SIZE_MAX / 4);
    enum qr_status status = qr_env_read_file(svc->env, path, &buf, err);
    if (status == QR_OK)
        status = qri_snapshot_decode(buf.data, buf.len, &r->head, add_row, svc, err);
    qr_buf_done(&buf);
    return qr_wrap(err, status, "read '%s'", path);
}

/* False: what is wrong with the table stays. */
static bool read_copy(struct reader *r, enum qr_status damage)
{
    struct qr_logsvc *svc = r->svc;
    bool may_help = damage == QR_NOT_FOUND || damage == QR_CORRUPT || damage == QR_TRUNCATED;
    if (!may_help || svc->timelines.count > 0 || read_file(r, QRI_TABLE_COPY, NULL) != QR_OK)
        return false;
    r->from_copy = true;
    QR_LOG(&svc->options.log, QR_ERROR, "timelines_damaged", QR_F("dir", svc->dir),
           QR_F("status", qr_status_info(damage)->name), QR_F("went_on", "with the copy"));
    return true;
}

static enum qr_status read_table(struct reader *r, struct qr_err *err)
{
    struct qr_logsvc *svc = r->svc;
    struct qr_err local;
    qr_err_reset(&local);
    enum qr_status status = read_file(r, QRI_TABLE, &local);
    if (status == QR_OK || read_copy(r, status))
        return QR_OK;
    if (status != QR_NOT_FOUND)
        return qr_fail(err, status, "%s", local.text);
    struct names names = {.first = 0};
    QR_TRY(qr_env_list(svc->env, svc->dir, look_at_name, &names, err));
    if (names.any)
        return qr_fail(err, QR_CORRUPT, "'%s/" QRI_TABLE "' is not there, but a journal is",
                       svc->dir);
    r->head = (struct qri_snapshot_head){.first_segment_no = 1, .first_block_no = 1};
    qr_env_random(svc->env, r->head.journal_id, QR_JOURNAL_ID_BYTES);
    return QR_OK;
}

static enum qr_status open_segments(struct reader *r, struct qr_err *err)
{
    struct qr_logsvc *svc = r->svc;
    const struct qri_snapshot_head *h = &r->head;
    svc->last_segment_no = h->first_segment_no - 1;
    for (uint64_t no = h->first_segment_no;; no++) {
        struct qri_segment *segment = NULL;
        enum qr_status status = qri_segment_open(svc, no, &segment, err);
        if (status == QR_NOT_FOUND)
            break;
        QR_TRY(status);
        qri_places_peek(svc, segment);
        qri_segment_append(svc, segment);
    }
    struct names names = {.first = h->first_segment_no, .last = svc->last_segment_no};
    QR_TRY(qr_env_list(svc->env, svc->dir, look_at_name, &names, err));
    bool nothing_yet = h->first_segment_no == 1 && h->state_block_no == 0;
    if (names.beyond || (svc->segments == NULL && !nothing_yet))
        return qr_fail(err, QR_CORRUPT, "journal segment %llu is not there",
                       (unsigned long long)svc->last_segment_no + 1);
    for (size_t i = 0; i < names.stale_count; i++) { /* a kill left them; the rest goes next time */
        char name[40], path[QRI_PATH_BYTES_MAX];
        snprintf(name, sizeof name, "journal.%016llx", (unsigned long long)names.stale[i]);
        qri_path(svc, name, path);
        (void)!qr_env_unlink(svc->env, path, NULL);
    }
    for (size_t i = 0; i < names.stale_places_count; i++)
        qri_places_drop(svc, names.stale_places[i]);
    return QR_OK;
}

/* --- entries --- */

static enum qr_status index_append(struct reader *r, struct qri_timeline *tl,
                                   const struct qr_journal_entry *e, uint64_t offset,
                                   const struct qri_state *before, struct qr_err *err)
{
    if (!qri_timeline_place(tl, e, r->segment->no, offset, before))
        return qr_fail(err, QR_NOMEM, "index of the journal");
    if (e->commit_lsn != 0) {
        tl->taken.commit_lsn = e->commit_lsn;
        tl->taken.commit_wall_ns = e->commit_wall_ns;
    }
    return QR_OK;
}

/* Something before this entry is lost. Does the entry show that none of it was this timeline's? */
static bool proves_whole(const struct qri_timeline *tl, const struct qr_journal_entry *e)
{
    const struct qri_state *s = &tl->hard;
    if (e->kind == QR_JOURNAL_FENCE)
        return e->epoch > s->epoch && e->lsn == s->end_lsn && e->commit_lsn == s->commit_lsn;
    return e->kind == QR_JOURNAL_DROP ||
           (e->kind == QR_JOURNAL_APPEND && e->epoch == s->epoch && e->lsn == s->end_lsn);
}

static enum qr_status unknown_timeline(struct reader *r, const struct qr_journal_entry *e,
                                       struct qr_err *err)
{
    if (!r->holes)
        return qr_fail(err, QR_CORRUPT, "the journal names a timeline that was never created");
    struct qri_timeline *tl = qri_timeline_add(r->svc, &e->timeline);
    if (tl == NULL)
        return qr_fail(err, QR_NOMEM, "timeline");
    tl->damaged = true;
    tl->hard = (struct qri_state){.live = QRI_LIVE, .epoch = e->epoch};
    return QR_OK;
}

static enum qr_status apply_state(struct reader *r, struct qri_timeline *tl,
                                  const struct qr_journal_entry *e, uint64_t offset,
                                  struct qr_err *err)
{
    const char *why = "";
    if (tl->suspect && !proves_whole(tl, e) && e->kind != QR_JOURNAL_TRIM)
        tl->damaged = true;
    tl->suspect = tl->suspect && e->kind == QR_JOURNAL_TRIM;
    if (tl->damaged && e->kind != QR_JOURNAL_DROP)
        return QR_OK;
    if (qri_state_check(&tl->hard, e, &why) != QR_OK)
        return qr_fail(err, QR_CORRUPT, "timeline %s, LSN %llu: %s", tl->name,
                       (unsigned long long)e->lsn, why);
    if (e->kind == QR_JOURNAL_APPEND)
        QR_TRY(index_append(r, tl, e, offset, &tl->hard, err));
    qri_state_apply(&tl->hard, e);
    return QR_OK;
}

static enum qr_status apply_entry(struct reader *r, const struct qr_journal_entry *e,
                                  uint64_t block_no, uint64_t offset, struct qr_err *err)
{
    struct qri_timeline *tl = qri_timeline_find(r->svc, &e->timeline);
    if (block_no <= r->head.state_block_no) /* the table has what it did */
        return tl != NULL && e->kind == QR_JOURNAL_APPEND && tl->hard.live == QRI_LIVE
                   ? index_append(r, tl, e, offset, &tl->taken, err)
                   : QR_OK;
    if (tl != NULL && tl->hard.live == QRI_LIVE)
        return apply_state(r, tl, e, offset, err);
    if (e->kind != QR_JOURNAL_CREATE)
        return unknown_timeline(r, e, err);
    if (tl == NULL)
        tl = qri_timeline_add(r->svc, &e->timeline);
    if (tl == NULL)
        return qr_fail(err, QR_NOMEM, "timeline");
    qri_timeline_created(tl, e);
    qri_state_apply(&tl->hard, e);
    tl->taken = tl->hard;
    return QR_OK;
}

static enum qr_status apply_block(struct reader *r, const struct qr_journal_block *h,
                                  struct qr_err *err)
{
    size_t at = 0;
    const uint8_t *payload = r->found + QR_JOURNAL_BLOCK_HEADER_BYTES;
    for (uint32_t i = 0; i < h->entry_count; i++) {
        struct qr_journal_entry e;
        QR_TRY(qr_journal_entry_next(payload, h->payload_bytes, &at, &e, err));
        QR_TRY(qr_wrap(err, apply_entry(r, &e, h->block_no, r->offset, err), "journal block %llu",
                       (unsigned long long)h->block_no));
    }
    return QR_OK;
}

/* --- blocks --- */

static bool is_expected(const struct reader *r, const struct qr_journal_block *h)
{
    return h->block_no == r->expected && h->generation <= r->head.generation;
}

/* QR_NOT_FOUND: the expected block is not at this place. */
static enum qr_status load_expected(struct reader *r, struct qri_segment *segment, uint64_t offset,
                                    struct qr_journal_block *ret_header, struct qr_err *err)
{
    if (segment == NULL || segment->bytes - offset < QRI_REST_MIN)
        return QR_NOT_FOUND;
    enum qr_status status =
        qri_window_load(&r->window, segment, offset, segment->bytes, &r->found, ret_header, err);
    /* A version that keeps no copy may have written since. */
    if (status == QR_OK && r->from_copy && ret_header->generation > r->head.generation)
        return qr_fail(err, QR_CORRUPT, "the copy of the table of timelines is of an earlier time");
    if (status == QR_CORRUPT || (status == QR_OK && !is_expected(r, ret_header)))
        return QR_NOT_FOUND;
    return status;
}

/* Looks at every sector from (segment, offset) on for an intact block that was written when the
 * expected one was durable already. QR_NOT_FOUND: none. */
static enum qr_status find_in_segment(struct reader *r, struct qri_segment *segment,
                                      uint64_t offset, uint8_t *buffer, uint64_t *ret_offset,
                                      struct qr_err *err)
{
    size_t got = 0;
    for (uint64_t at = offset; at < segment->bytes; at += got) {
        QR_TRY(qr_file_pread(segment->file, buffer, SCAN_BYTES, at, &got, err));
        got = got / QR_SECTOR_BYTES * QR_SECTOR_BYTES;
        if (got == 0)
            break;
        for (size_t i = 0; i < got; i += QR_SECTOR_BYTES) {
            struct qr_journal_block h;
            if (qr_journal_block_peek(buffer + i, QR_SECTOR_BYTES, &h, NULL) != QR_OK ||
                h.synced_block_no < r->expected || h.generation > r->head.generation)
                continue;
            enum qr_status status = qri_block_load(r->svc, segment, at + i, r->block, &h, err);
            if (status == QR_OK)
                *ret_offset = at + i;
            if (status != QR_CORRUPT)
                return status;
        }
    }
    return QR_NOT_FOUND;
}

static enum qr_status find_later(struct reader *r, struct qri_segment **ret_segment,
                                 uint64_t *ret_offset, struct qr_err *err)
{
    uint8_t *buffer = malloc(SCAN_BYTES);
    if (buffer == NULL)
        return qr_fail(err, QR_NOMEM, "scan the journal");
    enum qr_status status = QR_NOT_FOUND;
    uint64_t offset = r->offset;
    for (struct qri_segment *s = r->segment; s != NULL && status == QR_NOT_FOUND; s = s->next) {
        status = find_in_segment(r, s, offset, buffer, ret_offset, err);
        if (status == QR_OK)
            *ret_segment = s;
        offset = QR_JOURNAL_HEADER_BYTES;
    }
    free(buffer);
    return status;
}

/* Blocks from the expected one up to `last` are lost. */
static void note_hole(struct reader *r, uint64_t last)
{
    struct qr_logsvc *svc = r->svc;
    assert(r->segment != NULL); /* without segments there were no blocks */
    r->segment->has_hole = true;
    QR_LOG(&svc->options.log, QR_ERROR, "journal_damaged", QR_F("dir", svc->dir),
           QR_F("first_block", r->expected), QR_F("last_block", last),
           QR_F("segment", r->segment->no), QR_F("offset", r->offset));
    if (last <= r->head.state_block_no)
        return; /* only bytes are lost: long-term storage may have them */
    r->holes = true;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);)
        ((struct qri_timeline *)entry->value)->suspect = true;
}

/* Moves to the next block, through segments and over holes. QR_NOT_FOUND: the end. */
static enum qr_status next_block(struct reader *r, struct qr_journal_block *ret_header,
                                 struct qr_err *err)
{
    enum qr_status status = load_expected(r, r->segment, r->offset, ret_header, err);
    /* A segment made ahead may have been passed over (continue_in_another). */
    for (struct qri_segment *s = r->segment->next; s != NULL && status == QR_NOT_FOUND;
         s = s->next) {
        status = load_expected(r, s, QR_JOURNAL_HEADER_BYTES, ret_header, err);
        if (status == QR_OK) {
            r->segment = s;
            r->offset = QR_JOURNAL_HEADER_BYTES;
        }
    }
    if (status != QR_NOT_FOUND)
        return status;
    struct qri_segment *segment = NULL;
    uint64_t offset = 0;
    QR_TRY(find_later(r, &segment, &offset, err));
    QR_TRY(qri_block_load(r->svc, segment, offset, r->block, ret_header, err));
    r->found = r->block;
    note_hole(r, ret_header->block_no - 1);
    segment->has_hole = segment->has_hole || offset != QR_JOURNAL_HEADER_BYTES;
    r->segment = segment;
    r->offset = offset;
    r->expected = ret_header->block_no;
    return QR_OK;
}

/* Over a whole segment that begins with the expected block, if its places are known and its states
 * are. Its blocks were synced before those states were written: none has to be written again. */
static enum qr_status skip_segment(struct reader *r, bool *ret_skipped, struct qr_err *err)
{
    *ret_skipped = false;
    for (struct qri_segment *s = r->segment; s != NULL; s = s->next) {
        bool starts = s != r->segment || r->offset == QR_JOURNAL_HEADER_BYTES;
        if (!starts || s->placed_first != r->expected || s->placed_last > r->head.state_block_no)
            continue;
        QR_TRY(qri_places_take(r->svc, s, ret_skipped, err));
        if (!*ret_skipped)
            continue;
        r->segment = s;
        r->last_segment = NULL;
        r->offset = s->end_offset;
        r->expected = s->last_block_no + 1;
        return QR_OK;
    }
    return QR_OK;
}

static enum qr_status walk(struct reader *r, struct qr_err *err)
{
    for (;;) {
        struct qr_journal_block h;
        bool skipped = true;
        while (skipped)
            QR_TRY(skip_segment(r, &skipped, err));
        enum qr_status status = next_block(r, &h, err);
        if (status == QR_NOT_FOUND)
            return QR_OK;
        QR_TRY(status);
        QR_TRY(apply_block(r, &h, err));
        if (r->segment->first_block_no == 0)
            r->segment->first_block_no = h.block_no;
        r->last_segment = r->segment;
        r->last_offset = r->offset;
        r->offset += qr_journal_block_file_bytes(h.payload_bytes);
        r->segment->end_offset = r->offset;
        r->segment->last_block_no = h.block_no;
        r->expected++;
    }
}

/* --- the end --- */

static void settle_timelines(struct qr_logsvc *svc)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);) {
        struct qri_timeline *tl = entry->value;
        tl->damaged = tl->damaged || tl->suspect;
        tl->suspect = false;
        tl->queued = tl->taken = tl->hard;
        tl->ring_floor = tl->hard.end_lsn;
        if (tl->destaged_lsn < tl->hard.end_lsn)
            tl->undestaged_since_ns = svc->opened_ns;
        if (tl->damaged)
            QR_LOG(&svc->options.log, QR_ERROR, "timeline_damaged", QR_F("timeline", tl->name),
                   QR_F("epoch", tl->hard.epoch), QR_F("lsn", tl->hard.end_lsn));
    }
}

/* The last block counts from here on, but its sync may not have been reached, or may have failed;
 * then the kernel can hold bytes that it calls clean and the disk does not have. So it is written
 * again. */
static enum qr_status write_last_again(struct reader *r, struct qr_err *err)
{
    struct qr_journal_block h;
    if (r->last_segment == NULL)
        return QR_OK;
    QR_TRY(qri_block_load_stored(r->svc, r->last_segment, r->last_offset, r->block, &h, err));
    return qr_file_pwrite_sync(r->last_segment->file, r->block,
                               qr_journal_block_file_bytes(h.payload_bytes), r->last_offset, err);
}

/* Behind all that there are. */
static enum qr_status continue_in_another(struct qr_logsvc *svc, struct qr_err *err)
{
    QR_TRY(qri_segment_extend(svc, false, err));
    while (svc->current->next != NULL)
        svc->current = svc->current->next;
    svc->current->first_block_no = svc->block_no + 1;
    svc->offset = QR_JOURNAL_HEADER_BYTES;
    return QR_OK;
}

static enum qr_status continue_journal(struct reader *r, struct qr_err *err)
{
    struct qr_logsvc *svc = r->svc;
    svc->block_no = svc->hardened_block_no = r->expected - 1;
    svc->current = r->segment;
    svc->offset = r->offset;
    if (svc->zone == NULL)
        QR_TRY(write_last_again(r, err));
    if (svc->current != NULL && svc->current->first_block_no == 0)
        svc->current->first_block_no = r->expected;
    if (svc->current != NULL)
        svc->current->has_places = false; /* not of what comes */
    bool ended_early = svc->block_no < r->head.state_block_no;
    if (ended_early) {
        note_hole(r, r->head.state_block_no); /* the end itself is lost */
        svc->block_no = svc->hardened_block_no = r->head.state_block_no;
    }
    /* An object that others have written to is not appended to: what an append that nobody heard
     * of left behind, how often it was written, need not be known then. */
    return ended_early || (svc->zone != NULL && svc->current != NULL)
               ? continue_in_another(svc, err)
               : QR_OK;
}

static enum qr_status read_journal(struct reader *r, struct qr_err *err)
{
    r->segment = r->svc->segments;
    r->offset = QR_JOURNAL_HEADER_BYTES;
    r->expected = r->head.first_block_no;
    enum qr_status status = qri_window_init(&r->window, r->svc, SIZE_MAX, err);
    if (status == QR_OK && r->segment != NULL)
        status = walk(r, err);
    qri_window_done(&r->window);
    return status == QR_OK ? continue_journal(r, err) : status;
}

enum qr_status qri_recover(struct qr_logsvc *svc, struct qr_err *err)
{
    struct reader r = {.svc = svc, .block = svc->block};
    QR_TRY(read_table(&r, err));
    memcpy(svc->journal_id, r.head.journal_id, QR_JOURNAL_ID_BYTES);
    svc->generation = r.head.generation + 1;
    svc->first_segment_no = r.head.first_segment_no;
    svc->first_block_no = r.head.first_block_no;
    QR_TRY(qri_key_load(svc, err));
    QR_TRY(open_segments(&r, err));
    QR_TRY(read_journal(&r, err));
    settle_timelines(svc);
    QR_TRY(qri_key_use(svc, err));
    QR_TRY(qri_snapshot_write(svc, err)); /* before any block of this generation */
    if (svc->segments == NULL) {
        QR_TRY(qri_segment_extend(svc, false, err));
        svc->current = svc->segments;
        svc->current->first_block_no = 1;
        svc->offset = QR_JOURNAL_HEADER_BYTES;
    }
    return QR_OK;
}
