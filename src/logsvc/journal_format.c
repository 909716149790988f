/* journal_format.c - see logsvc/journal.h */
#include "logsvc/journal.h"
#include <assert.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

static const char block_magic[4] = {'Q', 'R', 'J', 'B'};
static const char segment_magic[8] = {'Q', 'R', 'J', 'O', 'U', 'R', 'N', 'L'};

enum {
    CRC_OFFSET = 12,
    STEP_BYTES = 32 << 10, /* copied, encrypted, counted: fits the nearest cache */
};

/* What each kind may carry. */
static const struct {
    bool known;
    uint8_t flags;
    uint32_t data_min, data_max;
} kinds[] = {
    [QR_JOURNAL_APPEND] = {true, QR_JOURNAL_NEW_EPOCH, 1, QR_JOURNAL_DATA_BYTES_MAX},
    [QR_JOURNAL_FENCE] = {true, 0, 0, 0},
    [QR_JOURNAL_CREATE] = {true, 0, QR_TIMELINE_BYTES, QR_TIMELINE_BYTES},
    [QR_JOURNAL_DROP] = {true, 0, 0, 0},
    [QR_JOURNAL_TRIM] = {true, 0, 0, 0},
};

void qr_journal_entry_put(uint8_t dst[QR_JOURNAL_ENTRY_BYTES], const struct qr_journal_entry *entry)
{
    assert(entry->data_bytes <= kinds[entry->kind].data_max);
    memset(dst, 0, QR_JOURNAL_ENTRY_BYTES);
    dst[0] = (uint8_t)entry->kind;
    dst[1] = entry->flags;
    qr_put32le(dst + 4, entry->data_bytes);
    memcpy(dst + 8, entry->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(dst + 24, entry->epoch);
    qr_put64le(dst + 32, entry->lsn);
    qr_put64le(dst + 40, entry->commit_lsn);
    qr_put64le(dst + 48, entry->commit_wall_ns);
    qr_put64le(dst + 56, entry->extra);
}

enum qr_status qr_journal_entry_next(const uint8_t *payload, size_t payload_bytes, size_t *at,
                                     struct qr_journal_entry *ret_entry, struct qr_err *err)
{
    const uint8_t *p = payload + *at;
    size_t rest = payload_bytes - *at;
    if (rest < QR_JOURNAL_ENTRY_BYTES)
        return qr_fail(err, QR_CORRUPT, "journal entry ends early");
    uint8_t kind = p[0];
    if (kind >= sizeof kinds / sizeof kinds[0] || !kinds[kind].known ||
        (p[1] & ~kinds[kind].flags) != 0 || qr_get16le(p + 2) != 0)
        return qr_fail(err, QR_CORRUPT, "journal entry of kind %u, flags %u", kind, p[1]);
    struct qr_journal_entry e = {
        .kind = (enum qr_journal_kind)kind,
        .flags = p[1],
        .data_bytes = qr_get32le(p + 4),
        .epoch = qr_get64le(p + 24),
        .lsn = qr_get64le(p + 32),
        .commit_lsn = qr_get64le(p + 40),
        .commit_wall_ns = qr_get64le(p + 48),
        .extra = qr_get64le(p + 56),
        .data = p + QR_JOURNAL_ENTRY_BYTES,
    };
    memcpy(e.timeline.id, p + 8, QR_TIMELINE_BYTES);
    if (e.data_bytes < kinds[kind].data_min || e.data_bytes > kinds[kind].data_max ||
        e.data_bytes > rest - QR_JOURNAL_ENTRY_BYTES || e.lsn > UINT64_MAX / 2)
        return qr_fail(err, QR_CORRUPT, "journal entry of kind %u with %u bytes", kind,
                       e.data_bytes);
    *at += QR_JOURNAL_ENTRY_BYTES + e.data_bytes;
    *ret_entry = e;
    return QR_OK;
}

static uint32_t block_crc(const uint8_t *block, uint32_t payload_bytes)
{
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, block, CRC_OFFSET);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    return qr_crc32c(crc, block + CRC_OFFSET + 4,
                     (size_t)QR_JOURNAL_BLOCK_HEADER_BYTES - CRC_OFFSET - 4 + payload_bytes);
}

void qr_journal_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                       const uint8_t journal_id[QR_JOURNAL_ID_BYTES], uint64_t generation,
                       const uint8_t salt[QR_SALT_BYTES])
{
    uint8_t context[QR_JOURNAL_ID_BYTES + 8];
    memcpy(context, journal_id, QR_JOURNAL_ID_BYTES);
    qr_put64le(context + QR_JOURNAL_ID_BYTES, generation);
    qr_cipher_derive(ret_key, data_key, "journal", context, sizeof context, salt);
}

enum qr_status qr_journal_block_begin(struct qr_journal_writer *ret_w, uint8_t *block,
                                      struct qr_journal_block *header,
                                      const struct qr_cipher_key *key, struct qr_err *err)
{
    uint32_t payload = header->payload_bytes + (key == NULL ? 0 : QR_SEAL_BYTES);
    assert(header->payload_bytes > 0 && payload <= QR_JOURNAL_PAYLOAD_BYTES_MAX);
    header->payload_bytes = payload;
    header->key_id = key == NULL ? 0 : key->id;
    memset(block, 0, QR_JOURNAL_BLOCK_HEADER_BYTES);
    memcpy(block, block_magic, sizeof block_magic);
    block[4] = QR_FORMAT_VERSION;
    block[5] = QR_CHECKSUM_CRC32C;
    qr_put32le(block + 8, header->key_id);
    qr_put64le(block + 16, header->block_no);
    qr_put64le(block + 24, header->synced_block_no);
    qr_put64le(block + 32, header->generation);
    qr_put32le(block + 40, header->entry_count);
    qr_put32le(block + 44, payload);
    memcpy(block + 48, header->journal_id, QR_JOURNAL_ID_BYTES);
    uint8_t *entries = block + QR_JOURNAL_BLOCK_HEADER_BYTES;
    *ret_w =
        (struct qr_journal_writer){.block = block,
                                   .key = key,
                                   .end = entries,
                                   .done = entries,
                                   .crc = block_crc(block, 0)}; /* its own place is zeros yet */
    return key == NULL ? QR_OK
                       : qr_gcm_begin(&ret_w->gcm, key, header->block_no, 0, block,
                                      QR_JOURNAL_BLOCK_HEADER_BYTES, err);
}

/* The next bytes of the payload, from `src`, which may be their place. */
static enum qr_status put_bytes(struct qr_journal_writer *w, const uint8_t *src, size_t count,
                                struct qr_err *err)
{
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < STEP_BYTES ? count - at : STEP_BYTES;
        if (w->key != NULL)
            QR_TRY(qr_gcm_add(&w->gcm, src + at, w->done, n, err));
        else if (src + at != w->done)
            memcpy(w->done, src + at, n);
        w->crc = qr_crc32c(w->crc, w->done, n);
        w->done += n;
    }
    return QR_OK;
}

static enum qr_status put_waiting(struct qr_journal_writer *w, struct qr_err *err)
{
    return put_bytes(w, w->done, (size_t)(w->end - w->done), err);
}

/* What is small waits in its place for more. */
enum qr_status qr_journal_block_add(struct qr_journal_writer *w,
                                    const struct qr_journal_entry *entry, struct qr_err *err)
{
    qr_journal_entry_put(w->end, entry);
    w->end += QR_JOURNAL_ENTRY_BYTES;
    bool is_small = entry->data_bytes < STEP_BYTES / 2;
    if (is_small && entry->data_bytes > 0)
        memcpy(w->end, entry->data, entry->data_bytes);
    w->end += is_small ? entry->data_bytes : 0;
    if (!is_small || w->end - w->done >= STEP_BYTES)
        QR_TRY(put_waiting(w, err));
    if (is_small)
        return QR_OK;
    w->end += entry->data_bytes;
    return put_bytes(w, entry->data, entry->data_bytes, err);
}

enum qr_status qr_journal_block_end(struct qr_journal_writer *w,
                                    const struct qr_journal_block *header, struct qr_err *err)
{
    QR_TRY(put_waiting(w, err));
    if (w->key != NULL) {
        memcpy(w->end, w->key->salt, QR_SALT_BYTES);
        QR_TRY(qr_gcm_end(&w->gcm, w->end + QR_SALT_BYTES, err));
        w->crc = qr_crc32c(w->crc, w->end, QR_SEAL_BYTES);
        w->end += QR_SEAL_BYTES;
    }
    size_t bytes = (size_t)(w->end - w->block);
    assert(bytes == QR_JOURNAL_BLOCK_HEADER_BYTES + (size_t)header->payload_bytes);
    qr_put32le(w->block + CRC_OFFSET, w->crc);
    memset(w->end, 0, (size_t)qr_journal_block_file_bytes(header->payload_bytes) - bytes);
    return QR_OK;
}

enum qr_status qr_journal_block_peek(const uint8_t *block, size_t count,
                                     struct qr_journal_block *ret_header, struct qr_err *err)
{
    if (count < QR_JOURNAL_BLOCK_HEADER_BYTES ||
        memcmp(block, block_magic, sizeof block_magic) != 0)
        return qr_fail(err, QR_CORRUPT, "no journal block here");
    if (block[4] != QR_FORMAT_VERSION || block[5] != QR_CHECKSUM_CRC32C || block[6] != 0 ||
        block[7] != 0)
        return qr_fail(err, QR_CORRUPT, "journal block of version %u, checksum %u, compression %u",
                       block[4], block[5], block[6]);
    struct qr_journal_block h = {
        .block_no = qr_get64le(block + 16),
        .synced_block_no = qr_get64le(block + 24),
        .generation = qr_get64le(block + 32),
        .entry_count = qr_get32le(block + 40),
        .payload_bytes = qr_get32le(block + 44),
        .key_id = qr_get32le(block + 8),
    };
    uint32_t seal = h.key_id == 0 ? 0 : QR_SEAL_BYTES;
    memcpy(h.journal_id, block + 48, QR_JOURNAL_ID_BYTES);
    if (h.block_no == 0 || h.synced_block_no >= h.block_no || h.entry_count == 0 ||
        h.payload_bytes > QR_JOURNAL_PAYLOAD_BYTES_MAX || h.payload_bytes < seal ||
        h.entry_count > (h.payload_bytes - seal) / QR_JOURNAL_ENTRY_BYTES)
        return qr_fail(err, QR_CORRUPT, "journal block of %u bytes", h.payload_bytes);
    *ret_header = h;
    return QR_OK;
}

static enum qr_status verify_entries(const uint8_t *block, const struct qr_journal_block *h,
                                     uint32_t bytes, struct qr_err *err)
{
    size_t at = 0;
    for (uint32_t i = 0; i < h->entry_count; i++) {
        struct qr_journal_entry entry;
        QR_TRY(
            qr_journal_entry_next(block + QR_JOURNAL_BLOCK_HEADER_BYTES, bytes, &at, &entry, err));
    }
    return at == bytes ? QR_OK
                       : qr_fail(err, QR_CORRUPT, "journal block %llu: bytes behind its entries",
                                 (unsigned long long)h->block_no);
}

enum qr_status qr_journal_block_verify(const uint8_t *block, size_t count, struct qr_err *err)
{
    struct qr_journal_block h;
    QR_TRY(qr_journal_block_peek(block, count, &h, err));
    if (count - QR_JOURNAL_BLOCK_HEADER_BYTES < h.payload_bytes ||
        qr_get32le(block + CRC_OFFSET) != block_crc(block, h.payload_bytes))
        return qr_fail(err, QR_CORRUPT, "journal block %llu: checksum",
                       (unsigned long long)h.block_no);
    return h.key_id != 0 ? QR_OK : verify_entries(block, &h, h.payload_bytes, err);
}

enum qr_status qr_journal_block_open(uint8_t *block, const struct qr_data_key *data_key,
                                     const struct qr_cipher_key *own, struct qr_err *err)
{
    struct qr_journal_block h;
    QR_TRY(qr_journal_block_peek(block, QR_JOURNAL_BLOCK_HEADER_BYTES, &h, err));
    if (h.key_id == 0)
        return QR_OK;
    if (h.key_id != data_key->id)
        return qr_fail(err, QR_DENIED,
                       "journal block %llu is encrypted under key %08x, which is not there",
                       (unsigned long long)h.block_no, h.key_id);
    uint32_t clear = h.payload_bytes - QR_SEAL_BYTES;
    uint8_t *entries = block + QR_JOURNAL_BLOCK_HEADER_BYTES, *seal = entries + clear;
    uint8_t head[QR_JOURNAL_BLOCK_HEADER_BYTES];
    memcpy(head, block, sizeof head);
    qr_put32le(head + CRC_OFFSET, 0);
    struct qr_cipher_key derived;
    bool is_own = own != NULL && memcmp(own->salt, seal, QR_SALT_BYTES) == 0;
    if (!is_own)
        qr_journal_cipher(&derived, data_key, h.journal_id, h.generation, seal);
    QR_TRY(qr_wrap(err,
                   qr_gcm_open(is_own ? own : &derived, h.block_no, 0, head, sizeof head, entries,
                               clear, seal + QR_SALT_BYTES, err),
                   "journal block %llu", (unsigned long long)h.block_no));
    return verify_entries(block, &h, clear, err);
}

void qr_journal_segment_encode(uint8_t sector[QR_SECTOR_BYTES],
                               const struct qr_journal_segment *header)
{
    memset(sector, 0, QR_SECTOR_BYTES);
    memcpy(sector, segment_magic, sizeof segment_magic);
    qr_put32le(sector + 8, QR_FORMAT_VERSION);
    sector[12] = QR_CHECKSUM_CRC32C;
    qr_put64le(sector + 16, header->segment_no);
    qr_put64le(sector + 24, header->file_bytes);
    memcpy(sector + 32, header->journal_id, QR_JOURNAL_ID_BYTES);
    qr_put32le(sector + QR_SECTOR_BYTES - 4, qr_crc32c(0, sector, QR_SECTOR_BYTES - 4));
}

enum qr_status qr_journal_segment_decode(const uint8_t sector[QR_SECTOR_BYTES],
                                         struct qr_journal_segment *ret_header, struct qr_err *err)
{
    if (memcmp(sector, segment_magic, sizeof segment_magic) != 0 ||
        qr_get32le(sector + QR_SECTOR_BYTES - 4) != qr_crc32c(0, sector, QR_SECTOR_BYTES - 4))
        return qr_fail(err, QR_CORRUPT, "journal segment header");
    if (qr_get32le(sector + 8) != QR_FORMAT_VERSION || sector[12] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_UNSUPPORTED, "journal segment of version %u",
                       qr_get32le(sector + 8));
    struct qr_journal_segment h = {
        .segment_no = qr_get64le(sector + 16),
        .file_bytes = qr_get64le(sector + 24),
    };
    memcpy(h.journal_id, sector + 32, QR_JOURNAL_ID_BYTES);
    *ret_header = h;
    return QR_OK;
}
