/* places.c - the files `places.<number>`: where the log of a segment that is written to its end
 * lies, so that an open need not read it; see logsvc_int.h and README.md.
 *
 * 80 bytes of header (little-endian): 0 8 bytes magic "QRLOGPLC"   8 u32 version   12 u32 checksum
 * algorithm   16 16 bytes of journal id   32 u64 segment   40 u64 first block   48 u64 last block
 * 56 u64 where the next one would begin   64 u64 rows   72 u64 0; then rows: 40 bytes (timeline,
 * u64 commit LSN and u64 its time as of the last block, u64 places) and 40 bytes for each place
 * (u64 LSN, end LSN, offset, commit LSN before it, its time); then u32 crc of all before it. */
#include "logsvc_int.h"
#include <stdio.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

static const char magic[8] = {'Q', 'R', 'L', 'O', 'G', 'P', 'L', 'C'};

enum {
    PLACES_HEAD_BYTES = 80,
    PLACES_ROW_BYTES = 40,
    PLACE_ENTRY_BYTES = 40,
    CRC_BYTES = 4,
    FILE_BYTES_MAX = 1 << 30,
    SNAPSHOT_SEGMENTS = 4, /* an open reads about so many for want of states after them */
};

struct head {
    uint64_t segment_no, first_block_no, last_block_no, end_offset, count;
    uint8_t journal_id[QR_JOURNAL_ID_BYTES];
};

static void places_path(const struct qr_logsvc *svc, uint64_t no, char dst[QRI_PATH_BYTES_MAX])
{
    char name[40];
    snprintf(name, sizeof name, QRI_PLACES_PREFIX "%016llx", (unsigned long long)no);
    qri_path(svc, name, dst);
}

/* --- writing --- */

/* Of the timeline's places the first of that segment, or of a later one. */
static size_t first_of(const struct qri_timeline *tl, uint64_t segment_no)
{
    size_t low = 0, high = tl->place_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tl->places[tl->place_first + mid].segment_no < segment_no)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool put_row(const struct qri_timeline *tl, uint64_t segment_no, struct qr_buf *buf)
{
    const struct qri_place *places = tl->places + tl->place_first;
    size_t from = first_of(tl, segment_no), until = first_of(tl, segment_no + 1);
    if (from == until)
        return false;
    bool last = until == tl->place_count;
    qr_buf_add(buf, tl->id.id, QR_TIMELINE_BYTES);
    qr_buf_add64le(buf, last ? tl->hard.commit_lsn : places[until].commit_lsn);
    qr_buf_add64le(buf, last ? tl->hard.commit_wall_ns : places[until].commit_wall_ns);
    qr_buf_add64le(buf, until - from);
    for (size_t i = from; i < until; i++) {
        const struct qri_place *p = &places[i];
        const uint64_t words[] = {p->lsn, p->end_lsn, p->offset, p->commit_lsn, p->commit_wall_ns};
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
            qr_buf_add64le(buf, words[k]);
    }
    return true;
}

/* With mu held. */
static void encode(const struct qr_logsvc *svc, const struct qri_segment *segment,
                   struct qr_buf *buf)
{
    uint8_t head[PLACES_HEAD_BYTES] = {0};
    memcpy(head, magic, sizeof magic);
    qr_put32le(head + 8, QR_FORMAT_VERSION);
    qr_put32le(head + 12, QR_CHECKSUM_CRC32C);
    memcpy(head + 16, svc->journal_id, QR_JOURNAL_ID_BYTES);
    qr_put64le(head + 32, segment->no);
    qr_put64le(head + 40, segment->first_block_no);
    qr_put64le(head + 48, segment->last_block_no);
    qr_put64le(head + 56, segment->end_offset);
    qr_buf_add(buf, head, sizeof head);
    uint64_t count = 0;
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);)
        count += put_row(entry->value, segment->no, buf);
    if (buf->failed != QR_OK)
        return;
    qr_put64le(buf->data + 64, count);
    qr_buf_add32le(buf, qr_crc32c(0, buf->data, buf->len));
}

/* Not synced: what a power cut leaves of it has no valid checksum, and the segment is read. */
static enum qr_status write_file(struct qr_logsvc *svc, uint64_t no, const struct qr_buf *buf)
{
    char path[QRI_PATH_BYTES_MAX];
    struct qr_file *file = NULL;
    places_path(svc, no, path);
    QR_TRY(
        qr_env_open(svc->env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &file, NULL));
    enum qr_status status = qr_file_pwrite(file, buf->data, buf->len, 0, NULL);
    qr_file_close(file);
    if (status != QR_OK)
        (void)!qr_env_unlink(svc->env, path, NULL);
    return status;
}

/* With mu held. */
static struct qri_segment *next_without(const struct qr_logsvc *svc)
{
    for (struct qri_segment *s = svc->segments; s != NULL && s->no < svc->current->no;
         s = s->next) {
        if (!s->has_places && !s->has_hole && s->end_offset > QR_JOURNAL_HEADER_BYTES)
            return s;
    }
    return NULL;
}

/* With mu held: enough for the states to be written after their blocks. */
static bool wants_snapshot(const struct qr_logsvc *svc)
{
    int count = 0;
    for (const struct qri_segment *s = svc->segments; s != NULL; s = s->next)
        count += s->has_places && s->last_block_no > svc->snapshot_block_no;
    return count >= SNAPSHOT_SEGMENTS;
}

enum qr_status qri_places_write(struct qr_logsvc *svc, struct qr_err *err)
{
    struct qr_buf buf;
    if (svc->zone != NULL)
        return QR_OK;
    qr_buf_init(&buf, FILE_BYTES_MAX);
    pthread_mutex_lock(&svc->mu);
    for (struct qri_segment *s; (s = next_without(svc)) != NULL;) {
        uint64_t no = s->no;
        qr_buf_clear(&buf);
        encode(svc, s, &buf);
        s->has_places = true; /* if it cannot be written the segment is read */
        pthread_mutex_unlock(&svc->mu);
        if (buf.failed == QR_OK)
            (void)!write_file(svc, no, &buf);
        pthread_mutex_lock(&svc->mu);
    }
    bool snapshot = wants_snapshot(svc);
    pthread_mutex_unlock(&svc->mu);
    qr_buf_done(&buf);
    return snapshot ? qri_snapshot_write(svc, err) : QR_OK;
}

void qri_places_drop(struct qr_logsvc *svc, uint64_t segment_no)
{
    char path[QRI_PATH_BYTES_MAX];
    places_path(svc, segment_no, path);
    if (svc->zone == NULL)
        (void)!qr_env_unlink(svc->env, path, NULL);
}

/* --- reading --- */

static bool get_head(const uint8_t *p, struct head *ret_head)
{
    *ret_head = (struct head){.segment_no = qr_get64le(p + 32),
                              .first_block_no = qr_get64le(p + 40),
                              .last_block_no = qr_get64le(p + 48),
                              .end_offset = qr_get64le(p + 56),
                              .count = qr_get64le(p + 64)};
    memcpy(ret_head->journal_id, p + 16, QR_JOURNAL_ID_BYTES);
    return memcmp(p, magic, sizeof magic) == 0 && qr_get32le(p + 8) == QR_FORMAT_VERSION &&
           qr_get32le(p + 12) == QR_CHECKSUM_CRC32C && ret_head->first_block_no != 0 &&
           ret_head->last_block_no >= ret_head->first_block_no &&
           ret_head->last_block_no < UINT64_MAX / 2;
}

static bool is_of(const struct qr_logsvc *svc, const struct qri_segment *segment,
                  const struct head *h)
{
    return h->segment_no == segment->no && h->end_offset > QR_JOURNAL_HEADER_BYTES &&
           h->end_offset <= segment->bytes && h->end_offset % QR_SECTOR_BYTES == 0 &&
           memcmp(h->journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES) == 0;
}

void qri_places_peek(const struct qr_logsvc *svc, struct qri_segment *segment)
{
    char path[QRI_PATH_BYTES_MAX];
    uint8_t bytes[PLACES_HEAD_BYTES];
    struct qr_file *file = NULL;
    struct head h;
    places_path(svc, segment->no, path);
    if (svc->zone != NULL || qr_env_open(svc->env, path, QR_OPEN_READ, &file, NULL) != QR_OK)
        return;
    if (qr_file_read_exactly(file, bytes, sizeof bytes, 0, NULL) == QR_OK && get_head(bytes, &h) &&
        is_of(svc, segment, &h)) {
        segment->placed_first = h.first_block_no;
        segment->placed_last = h.last_block_no;
    }
    qr_file_close(file);
}

static struct qri_place get_place(const uint8_t *p, uint64_t segment_no)
{
    return (struct qri_place){.lsn = qr_get64le(p),
                              .end_lsn = qr_get64le(p + 8),
                              .segment_no = segment_no,
                              .offset = qr_get64le(p + 16),
                              .commit_lsn = qr_get64le(p + 24),
                              .commit_wall_ns = qr_get64le(p + 32)};
}

enum qr_status
qri_places_decode(const uint8_t *bytes, size_t count, struct qri_places_head *ret_head,
                  enum qr_status (*each)(void *arg, const struct qri_places_row *row), void *arg,
                  struct qr_err *err)
{
    struct head h;
    if (count < PLACES_HEAD_BYTES + CRC_BYTES || !get_head(bytes, &h) ||
        qr_get32le(bytes + count - CRC_BYTES) != qr_crc32c(0, bytes, count - CRC_BYTES))
        return qr_fail(err, QR_CORRUPT, "a segment's places: checksum");
    size_t at = PLACES_HEAD_BYTES, end = count - CRC_BYTES;
    for (uint64_t i = 0; i < h.count; i++) {
        if (end - at < PLACES_ROW_BYTES ||
            qr_get64le(bytes + at + 32) > (end - at - PLACES_ROW_BYTES) / PLACE_ENTRY_BYTES)
            return qr_fail(err, QR_CORRUPT, "a segment's places break their format");
        struct qri_places_row row = {.commit_lsn = qr_get64le(bytes + at + 16),
                                     .commit_wall_ns = qr_get64le(bytes + at + 24),
                                     .count = (size_t)qr_get64le(bytes + at + 32),
                                     .places = bytes + at + PLACES_ROW_BYTES};
        memcpy(row.timeline.id, bytes + at, QR_TIMELINE_BYTES);
        at += PLACES_ROW_BYTES + row.count * PLACE_ENTRY_BYTES;
        QR_TRY(each(arg, &row));
    }
    if (at != end)
        return qr_fail(err, QR_CORRUPT, "a segment's places break their format");
    *ret_head = (struct qri_places_head){.first_block_no = h.first_block_no,
                                         .last_block_no = h.last_block_no,
                                         .end_offset = h.end_offset};
    return QR_OK;
}

struct placing {
    struct qr_logsvc *svc;
    const struct qri_segment *segment;
};

/* Each place behind the one before, and behind those of the segments before. */
static enum qr_status check_row(void *arg, const struct qri_places_row *row)
{
    const struct placing *p = arg;
    const struct qri_timeline *tl = qri_timeline_find(p->svc, &row->timeline);
    if (tl == NULL || tl->hard.live != QRI_LIVE)
        return QR_OK;
    uint64_t lsn = 0, offset = QR_JOURNAL_HEADER_BYTES;
    if (tl->place_count > 0)
        lsn = tl->places[tl->place_first + tl->place_count - 1].end_lsn;
    for (size_t i = 0; i < row->count; i++) {
        struct qri_place place = get_place(row->places + i * PLACE_ENTRY_BYTES, p->segment->no);
        if (place.lsn < lsn || place.end_lsn < place.lsn || place.end_lsn > tl->hard.end_lsn ||
            place.offset < offset || place.offset >= p->segment->bytes)
            return QR_CORRUPT;
        lsn = place.end_lsn;
        offset = place.offset;
    }
    return QR_OK;
}

static enum qr_status take_row(void *arg, const struct qri_places_row *row)
{
    const struct placing *p = arg;
    struct qri_timeline *tl = qri_timeline_find(p->svc, &row->timeline);
    if (tl == NULL || tl->hard.live != QRI_LIVE)
        return QR_OK;
    for (size_t i = 0; i < row->count; i++) {
        struct qri_place place = get_place(row->places + i * PLACE_ENTRY_BYTES, p->segment->no);
        if (!qri_timeline_add_place(tl, &place))
            return QR_NOMEM;
    }
    tl->taken.commit_lsn = row->commit_lsn;
    tl->taken.commit_wall_ns = row->commit_wall_ns;
    return QR_OK;
}

enum qr_status qri_places_take(struct qr_logsvc *svc, struct qri_segment *segment, bool *ret_took,
                               struct qr_err *err)
{
    char path[QRI_PATH_BYTES_MAX];
    struct placing placing = {svc, segment};
    struct qri_places_head head;
    struct qr_buf buf;
    *ret_took = false;
    qr_buf_init(&buf, FILE_BYTES_MAX);
    places_path(svc, segment->no, path);
    enum qr_status status = qr_env_read_file(svc->env, path, &buf, NULL);
    if (status == QR_OK) /* all of it is looked at before any of it counts */
        status = qri_places_decode(buf.data, buf.len, &head, check_row, &placing, NULL);
    bool whole = status == QR_OK && head.first_block_no == segment->placed_first &&
                 head.last_block_no == segment->placed_last;
    if (whole)
        status = qri_places_decode(buf.data, buf.len, &head, take_row, &placing, NULL);
    qr_buf_done(&buf);
    if (status == QR_NOMEM)
        return qr_fail(err, status, "index of the journal");
    if (!whole) {
        segment->placed_first = 0; /* it is read instead */
        return QR_OK;
    }
    segment->first_block_no = head.first_block_no;
    segment->last_block_no = head.last_block_no;
    segment->end_offset = head.end_offset;
    segment->has_places = *ret_took = true;
    return QR_OK;
}
