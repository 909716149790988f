/* piece.c - see logsvc/piece.h */
#include "logsvc/piece.h"
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/compress.h"
#include "base/banned.h"

static const char object_magic[4] = {'Q', 'R', 'L', 'O'};

enum { CRC_OFFSET = 12, PAYLOAD_CRC_AT = 88, SALT_AT = 104 };

static bool grow_last(struct qr_buf *buf, size_t last_at, const struct qr_piece *piece)
{
    if (last_at == SIZE_MAX || (piece->flags & QR_PIECE_NEW_EPOCH) != 0 || buf->failed != QR_OK)
        return false;
    const uint8_t *last = buf->data + last_at;
    uint32_t bytes = qr_get32le(last + 32);
    if (qr_get64le(last) + bytes != piece->first_lsn || qr_get64le(last + 8) != piece->epoch ||
        bytes > INT32_MAX - piece->bytes)
        return false;
    qr_buf_add(buf, piece->data, piece->bytes);
    if (buf->failed != QR_OK)
        return true;
    uint8_t *grown = buf->data + last_at; /* the buffer may have moved */
    qr_put32le(grown + 32, bytes + piece->bytes);
    if (piece->commit_lsn != 0) {
        qr_put64le(grown + 16, piece->commit_lsn);
        qr_put64le(grown + 24, piece->commit_wall_ns);
    }
    return true;
}

void qr_piece_add(struct qr_buf *buf, size_t *last_at, const struct qr_piece *piece)
{
    if (grow_last(buf, *last_at, piece))
        return;
    uint8_t header[QR_PIECE_HEADER_BYTES] = {0};
    qr_put64le(header, piece->first_lsn);
    qr_put64le(header + 8, piece->epoch);
    qr_put64le(header + 16, piece->commit_lsn);
    qr_put64le(header + 24, piece->commit_wall_ns);
    qr_put32le(header + 32, piece->bytes);
    header[36] = piece->flags;
    *last_at = buf->len;
    if (qr_buf_reserve(buf, sizeof header + piece->bytes) == NULL)
        return;
    qr_buf_add(buf, header, sizeof header);
    qr_buf_add(buf, piece->data, piece->bytes);
}

enum qr_status qr_piece_next(const uint8_t *bytes, size_t count, size_t *at,
                             struct qr_piece *ret_piece, struct qr_err *err)
{
    const uint8_t *p = bytes + *at;
    size_t rest = count - *at;
    if (rest < QR_PIECE_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "piece of log ends early");
    struct qr_piece piece = {
        .first_lsn = qr_get64le(p),
        .epoch = qr_get64le(p + 8),
        .commit_lsn = qr_get64le(p + 16),
        .commit_wall_ns = qr_get64le(p + 24),
        .bytes = qr_get32le(p + 32),
        .flags = p[36],
        .data = p + QR_PIECE_HEADER_BYTES,
    };
    if (piece.bytes == 0 || piece.bytes > rest - QR_PIECE_HEADER_BYTES ||
        piece.first_lsn > UINT64_MAX / 2 || piece.flags > QR_PIECE_NEW_EPOCH || p[37] != 0 ||
        qr_get16le(p + 38) != 0)
        return qr_fail(err, QR_CORRUPT, "piece of log of %u bytes", piece.bytes);
    *at += QR_PIECE_HEADER_BYTES + piece.bytes;
    *ret_piece = piece;
    return QR_OK;
}

static uint32_t header_crc(const uint8_t *header)
{
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, header, CRC_OFFSET);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    return qr_crc32c(crc, header + CRC_OFFSET + 4, QR_LOG_OBJECT_HEADER_BYTES - CRC_OFFSET - 4);
}

static void put_header(uint8_t dst[QR_LOG_OBJECT_HEADER_BYTES], const struct qr_log_object *object)
{
    memset(dst, 0, QR_LOG_OBJECT_HEADER_BYTES);
    memcpy(dst, object_magic, sizeof object_magic);
    dst[4] = QR_FORMAT_VERSION;
    dst[5] = QR_CHECKSUM_CRC32C;
    dst[6] = object->compression;
    memcpy(dst + 16, object->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(dst + 32, object->first_lsn);
    qr_put64le(dst + 40, object->end_lsn);
    qr_put64le(dst + 48, object->before_commit_lsn);
    qr_put64le(dst + 56, object->before_wall_ns);
    qr_put64le(dst + 64, object->commit_lsn);
    qr_put64le(dst + 72, object->commit_wall_ns);
    qr_put64le(dst + 80, object->payload_bytes);
    qr_put32le(dst + 88, object->payload_crc);
    qr_put64le(dst + 96, object->raw_bytes);
    qr_put32le(dst + 8, object->key_id);
    memcpy(dst + SALT_AT, object->salt, QR_SALT_BYTES);
    qr_put32le(dst + CRC_OFFSET, header_crc(dst));
}

enum qr_status qr_log_object_header(const uint8_t *bytes, size_t count,
                                    struct qr_log_object *ret_object, struct qr_err *err)
{
    if (count < QR_LOG_OBJECT_HEADER_BYTES ||
        memcmp(bytes, object_magic, sizeof object_magic) != 0 ||
        qr_get32le(bytes + CRC_OFFSET) != header_crc(bytes))
        return qr_fail(err, QR_CORRUPT, "long-term log: header");
    if (bytes[4] != QR_FORMAT_VERSION || bytes[5] != QR_CHECKSUM_CRC32C ||
        !qr_compression_known(bytes[6]) || bytes[7] != 0)
        return qr_fail(err, QR_UNSUPPORTED, "long-term log of version %u, compression %u", bytes[4],
                       bytes[6]);
    struct qr_log_object o = {
        .first_lsn = qr_get64le(bytes + 32),
        .end_lsn = qr_get64le(bytes + 40),
        .before_commit_lsn = qr_get64le(bytes + 48),
        .before_wall_ns = qr_get64le(bytes + 56),
        .commit_lsn = qr_get64le(bytes + 64),
        .commit_wall_ns = qr_get64le(bytes + 72),
        .payload_bytes = qr_get64le(bytes + 80),
        .payload_crc = qr_get32le(bytes + 88),
        .compression = bytes[6],
        .raw_bytes = qr_get64le(bytes + 96),
        .key_id = qr_get32le(bytes + 8),
    };
    uint64_t tag = o.key_id == 0 ? 0 : QR_TAG_BYTES;
    memcpy(o.salt, bytes + SALT_AT, QR_SALT_BYTES);
    o.raw_bytes = o.raw_bytes == 0 ? o.payload_bytes - tag : o.raw_bytes;
    memcpy(o.timeline.id, bytes + 16, QR_TIMELINE_BYTES);
    if (o.first_lsn >= o.end_lsn || o.end_lsn > UINT64_MAX / 2 || o.payload_bytes <= tag ||
        o.payload_bytes > QR_LOG_OBJECT_BYTES_MAX || o.raw_bytes > QR_LOG_OBJECT_BYTES_MAX ||
        (o.compression == QR_COMPRESSION_NONE && o.raw_bytes != o.payload_bytes - tag) ||
        o.before_commit_lsn > o.commit_lsn || o.commit_lsn > o.end_lsn)
        return qr_fail(err, QR_CORRUPT, "long-term log from %llu to %llu",
                       (unsigned long long)o.first_lsn, (unsigned long long)o.end_lsn);
    *ret_object = o;
    return QR_OK;
}

void qr_log_object_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                          const struct qr_timeline *timeline, const uint8_t salt[QR_SALT_BYTES])
{
    qr_cipher_derive(ret_key, data_key, "log object", timeline->id, QR_TIMELINE_BYTES, salt);
}

/* The header as associated data: without the checksums, which come last. */
static void bound_header(const uint8_t *head, uint8_t dst[QR_LOG_OBJECT_HEADER_BYTES])
{
    memcpy(dst, head, QR_LOG_OBJECT_HEADER_BYTES);
    qr_put32le(dst + CRC_OFFSET, 0);
    qr_put32le(dst + PAYLOAD_CRC_AT, 0);
}

enum qr_status qr_log_object_seal(struct qr_buf *buf, struct qr_log_object *object,
                                  const struct qr_cipher_key *key, struct qr_err *err)
{
    enum { HEAD = QR_LOG_OBJECT_HEADER_BYTES };
    size_t clear = buf->len - HEAD, tag = key == NULL ? 0 : QR_TAG_BYTES;
    qr_buf_fill(buf, 0, tag);
    QR_TRY(qr_buf_status(buf, err));
    object->payload_bytes = clear + tag;
    object->payload_crc = 0;
    object->key_id = key == NULL ? 0 : key->id;
    if (key != NULL) {
        uint8_t bound[HEAD];
        memcpy(object->salt, key->salt, QR_SALT_BYTES);
        put_header(buf->data, object);
        bound_header(buf->data, bound);
        QR_TRY(qr_gcm_seal(key, object->first_lsn, 0, bound, sizeof bound, buf->data + HEAD, clear,
                           buf->data + HEAD + clear, err));
    }
    object->payload_crc = qr_crc32c(0, buf->data + HEAD, buf->len - HEAD);
    put_header(buf->data, object);
    return QR_OK;
}

static enum qr_status decrypt(struct qr_buf *buf, struct qr_keyring *ring, struct qr_log_object *o,
                              struct qr_err *err)
{
    struct qr_data_key data_key;
    struct qr_cipher_key key;
    uint8_t bound[QR_LOG_OBJECT_HEADER_BYTES];
    if (o->key_id == 0)
        return QR_OK;
    QR_TRY(qr_keyring_find(ring, &o->timeline, o->key_id, &data_key, err));
    qr_log_object_cipher(&key, &data_key, &o->timeline, o->salt);
    bound_header(buf->data, bound);
    o->payload_bytes -= QR_TAG_BYTES;
    buf->len -= QR_TAG_BYTES;
    return qr_gcm_open(&key, o->first_lsn, 0, bound, sizeof bound,
                       buf->data + QR_LOG_OBJECT_HEADER_BYTES, (size_t)o->payload_bytes,
                       buf->data + buf->len, err);
}

/* What lies behind the header, as it was before compression. */
static enum qr_status inflate(struct qr_buf *buf, const struct qr_log_object *o, struct qr_err *err)
{
    if (o->compression == QR_COMPRESSION_NONE)
        return QR_OK;
    struct qr_buf raw;
    qr_buf_init(&raw, buf->bytes_max);
    qr_buf_add(&raw, buf->data, QR_LOG_OBJECT_HEADER_BYTES);
    uint8_t *place = qr_buf_reserve(&raw, (size_t)o->raw_bytes);
    enum qr_status status = qr_buf_status(&raw, err);
    if (status == QR_OK)
        status = qr_decompress((enum qr_compression)o->compression,
                               buf->data + QR_LOG_OBJECT_HEADER_BYTES, (size_t)o->payload_bytes,
                               place, (size_t)o->raw_bytes, err);
    if (status != QR_OK) {
        qr_buf_done(&raw);
        return status;
    }
    raw.len += (size_t)o->raw_bytes;
    qr_buf_done(buf);
    *buf = raw;
    return QR_OK;
}

enum qr_status qr_log_object_unpack(struct qr_buf *buf, struct qr_keyring *ring,
                                    struct qr_log_object *ret_object, struct qr_err *err)
{
    struct qr_log_object o;
    QR_TRY(qr_log_object_header(buf->data, buf->len, &o, err));
    const uint8_t *payload = buf->data + QR_LOG_OBJECT_HEADER_BYTES;
    if (buf->len - QR_LOG_OBJECT_HEADER_BYTES != o.payload_bytes ||
        qr_crc32c(0, payload, (size_t)o.payload_bytes) != o.payload_crc)
        return qr_fail(err, QR_CORRUPT, "long-term log at %llu: checksum",
                       (unsigned long long)o.first_lsn);
    QR_TRY(qr_wrap(err, decrypt(buf, ring, &o, err), "long-term log at %llu",
                   (unsigned long long)o.first_lsn));
    QR_TRY(inflate(buf, &o, err));
    payload = buf->data + QR_LOG_OBJECT_HEADER_BYTES;
    uint64_t lsn = o.first_lsn;
    for (size_t at = 0; at < o.raw_bytes;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(payload, (size_t)o.raw_bytes, &at, &piece, err));
        if (piece.first_lsn != lsn)
            return qr_fail(err, QR_CORRUPT, "long-term log: piece at %llu, %llu is next",
                           (unsigned long long)piece.first_lsn, (unsigned long long)lsn);
        lsn += piece.bytes;
    }
    if (lsn != o.end_lsn)
        return qr_fail(err, QR_CORRUPT, "long-term log ends at %llu", (unsigned long long)lsn);
    *ret_object = o;
    return QR_OK;
}
