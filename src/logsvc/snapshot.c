/* snapshot.c - the file `timelines`, and its copy: where reading the journal starts, and every
 * timeline's state after a block, so that segments before can go; see logsvc_int.h.
 *
 * 80 bytes of header (little-endian): 0 8 bytes magic "QRLOGTLS"   8 u32 version   12 u32 checksum
 * algorithm   16 16 bytes of journal id   32 u64 generation   40 u64 first segment   48 u64 first
 * block   56 u64 state block   64 u64 rows   72 u64 0; then rows of 160 bytes, then u32 crc of all
 * before it. */
#include "logsvc_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

static const char magic[8] = {'Q', 'R', 'L', 'O', 'G', 'T', 'L', 'S'};

enum {
    HEAD_BYTES = 80,
    ROW_BYTES = 160,
    CRC_BYTES = 4,
    FLAG_FRESH = 1,
    FLAG_DAMAGED = 2,
};

static void put_row(uint8_t *p, const struct qri_timeline *tl)
{
    const struct qri_state *s = &tl->hard;
    memset(p, 0, ROW_BYTES);
    memcpy(p, tl->id.id, QR_TIMELINE_BYTES);
    memcpy(p + 16, tl->parent.id, QR_TIMELINE_BYTES);
    p[32] = (uint8_t)s->live;
    p[33] = (uint8_t)((s->fresh ? FLAG_FRESH : 0) | (tl->damaged ? FLAG_DAMAGED : 0));
    const uint64_t words[] = {tl->start_lsn,   tl->branch_lsn,          s->epoch,
                              s->holder,       s->epoch_first_lsn,      s->prev_end_lsn,
                              s->end_lsn,      s->commit_lsn,           s->commit_wall_ns,
                              s->trimmed_lsn,  tl->destaged_lsn,        tl->journal_floor,
                              tl->deleted_lsn, tl->destaged_commit_lsn, tl->destaged_wall_ns};
    _Static_assert(40 + sizeof words <= ROW_BYTES, "a row holds its words");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        qr_put64le(p + 40 + 8 * i, words[i]);
}

static enum qr_status get_row(const uint8_t *p, struct qri_timeline *ret_row, struct qr_err *err)
{
    uint64_t w[15];
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++)
        w[i] = qr_get64le(p + 40 + 8 * i);
    struct qri_timeline row = {
        .start_lsn = w[0],
        .branch_lsn = w[1],
        .hard = {.live = (enum qri_live)p[32],
                 .fresh = (p[33] & FLAG_FRESH) != 0,
                 .epoch = w[2],
                 .holder = w[3],
                 .epoch_first_lsn = w[4],
                 .prev_end_lsn = w[5],
                 .end_lsn = w[6],
                 .commit_lsn = w[7],
                 .commit_wall_ns = w[8],
                 .trimmed_lsn = w[9]},
        .destaged_lsn = w[10],
        .journal_floor = w[11],
        .deleted_lsn = w[12],
        .destaged_commit_lsn = w[13],
        .destaged_wall_ns = w[14],
        .damaged = (p[33] & FLAG_DAMAGED) != 0,
    };
    memcpy(row.id.id, p, QR_TIMELINE_BYTES);
    memcpy(row.parent.id, p + 16, QR_TIMELINE_BYTES);
    if ((row.hard.live != QRI_LIVE && row.hard.live != QRI_DROPPED) || p[33] > 3 ||
        row.hard.end_lsn > UINT64_MAX / 2 || row.hard.commit_lsn > row.hard.end_lsn ||
        row.destaged_lsn > row.hard.end_lsn || row.journal_floor > row.hard.end_lsn)
        return qr_fail(err, QR_CORRUPT, "a timeline's row breaks its format");
    *ret_row = row;
    return QR_OK;
}

/* All rows as of now; with snapshot_mu held. */
static void encode(struct qr_logsvc *svc, struct qr_buf *buf)
{
    uint8_t head[HEAD_BYTES] = {0};
    memcpy(head, magic, sizeof magic);
    qr_put32le(head + 8, QR_FORMAT_VERSION);
    qr_put32le(head + 12, QR_CHECKSUM_CRC32C);
    memcpy(head + 16, svc->journal_id, QR_JOURNAL_ID_BYTES);
    qr_put64le(head + 32, svc->generation);
    qr_put64le(head + 40, svc->first_segment_no);
    qr_put64le(head + 48, svc->first_block_no);
    pthread_mutex_lock(&svc->mu);
    qr_put64le(head + 56, svc->hardened_block_no);
    svc->snapshot_block_no = svc->hardened_block_no;
    qr_buf_add(buf, head, sizeof head);
    const struct qr_map_entry *entry;
    uint64_t count = 0;
    for (size_t i = 0; qr_map_next(&svc->timelines, &i, &entry);) {
        const struct qri_timeline *tl = entry->value;
        if (tl->hard.live == QRI_NONE)
            continue;
        uint8_t *p = qr_buf_reserve(buf, ROW_BYTES);
        if (p == NULL)
            break;
        put_row(p, tl);
        buf->len += ROW_BYTES;
        count++;
    }
    pthread_mutex_unlock(&svc->mu);
    if (buf->failed != QR_OK)
        return;
    qr_put64le(buf->data + 64, count);
    qr_buf_add32le(buf, qr_crc32c(0, buf->data, buf->len));
}

enum qr_status qri_snapshot_write(struct qr_logsvc *svc, struct qr_err *err)
{
    char path[QRI_PATH_BYTES_MAX], copy[QRI_PATH_BYTES_MAX];
    qri_path(svc, QRI_TABLE, path);
    qri_path(svc, QRI_TABLE_COPY, copy);
    struct qr_buf buf;
    qr_buf_init(&buf, HEAD_BYTES + CRC_BYTES + 2 * (size_t)svc->options.timelines_max * ROW_BYTES);
    pthread_mutex_lock(&svc->snapshot_mu);
    encode(svc, &buf);
    enum qr_status status = qr_buf_status(&buf, err);
    if (status == QR_OK)
        status = qr_env_replace_file(svc->env, path, buf.data, buf.len, err);
    if (status == QR_OK)
        status = qr_env_replace_file(svc->env, copy, buf.data, buf.len, err);
    pthread_mutex_unlock(&svc->snapshot_mu);
    qr_buf_done(&buf);
    return status;
}

enum qr_status qri_snapshot_decode(const uint8_t *bytes, size_t count,
                                   struct qri_snapshot_head *ret_head,
                                   enum qr_status (*add)(void *arg, const struct qri_timeline *row),
                                   void *arg, struct qr_err *err)
{
    if (count < HEAD_BYTES + CRC_BYTES || memcmp(bytes, magic, sizeof magic) != 0 ||
        qr_get32le(bytes + count - CRC_BYTES) != qr_crc32c(0, bytes, count - CRC_BYTES))
        return qr_fail(err, QR_CORRUPT, "the table of timelines: checksum");
    if (qr_get32le(bytes + 8) != QR_FORMAT_VERSION || qr_get32le(bytes + 12) != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_UNSUPPORTED, "the table of timelines has version %u",
                       qr_get32le(bytes + 8));
    struct qri_snapshot_head h = {
        .generation = qr_get64le(bytes + 32),
        .first_segment_no = qr_get64le(bytes + 40),
        .first_block_no = qr_get64le(bytes + 48),
        .state_block_no = qr_get64le(bytes + 56),
        .count = qr_get64le(bytes + 64),
    };
    memcpy(h.journal_id, bytes + 16, QR_JOURNAL_ID_BYTES);
    size_t rows_bytes = count - HEAD_BYTES - CRC_BYTES;
    if (h.count != rows_bytes / ROW_BYTES || rows_bytes % ROW_BYTES != 0 || h.generation == 0 ||
        h.first_segment_no == 0 || h.first_block_no == 0 ||
        h.state_block_no + 1 < h.first_block_no || h.state_block_no > UINT64_MAX / 2)
        return qr_fail(err, QR_CORRUPT, "the table of timelines breaks its format");
    for (uint64_t i = 0; i < h.count; i++) {
        struct qri_timeline row;
        QR_TRY(get_row(bytes + HEAD_BYTES + i * ROW_BYTES, &row, err));
        enum qr_status status = add == NULL ? QR_OK : add(arg, &row);
        if (status != QR_OK)
            return qr_fail(err, status, "the table of timelines: row %llu", (unsigned long long)i);
    }
    *ret_head = h;
    return QR_OK;
}
