/* manifest.c - the root of a slice as bytes; see slice_int.h.
 *
 *   u32 magic "QRMF", u8 version, u8 checksum algorithm, u16 flags (1: dropped), u32 crc of all
 * (this as 0), u32 page bytes, timeline, u32 slice, u32 0, u64 generation, serial, start LSN, disk
 * LSN, horizon LSN, u32 counts of lineage, layers, pins, garbage, then the rows. Little-endian.
 * With flag 2 a seal follows: u32 key id, u32 0, 16 bytes of salt, 16 of tag (AES-256-GCM over all
 * before the tag, the crc as 0). There is no user's data in a manifest, so it is in clear. */
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

enum {
    MAGIC = 0x464D5251, /* "QRMF" */
    HEADER_BYTES = 96,
    FLAGS_AT = 6,
    CRC_AT = 8,
    DESC_BYTES = 88,
    LINEAGE_BYTES = 24,
    LAYER_BYTES = DESC_BYTES + 8,
    PIN_BYTES = 40,
    GARBAGE_BYTES = DESC_BYTES + 24,
    FLAG_DROPPED = 1,
    FLAG_SEALED = 2,
    SEAL_BYTES = 8 + QR_SEAL_BYTES,
};

void qri_manifest_done(struct qri_manifest *m)
{
    free(m->lineage);
    free(m->layers);
    free(m->pins);
    free(m->garbage);
    *m = (struct qri_manifest){0};
}

/* One more zeroed row; the capacity is always the next power of 2 of the count. */
static void *add_row(void **rows, size_t *count, size_t row_bytes, size_t count_max)
{
    if (*count >= count_max)
        return NULL;
    if ((*count & (*count - 1)) == 0) {
        void *more = realloc(*rows, (*count == 0 ? 1 : *count * 2) * row_bytes);
        if (more == NULL)
            return NULL;
        *rows = more;
    }
    uint8_t *row = (uint8_t *)*rows + (*count)++ * row_bytes;
    memset(row, 0, row_bytes);
    return row;
}

struct qri_manifest_layer *qri_manifest_add_layer(struct qri_manifest *m)
{
    return add_row((void **)&m->layers, &m->layer_count, sizeof m->layers[0], QRI_LAYERS_MAX);
}
struct qri_pin *qri_manifest_add_pin(struct qri_manifest *m)
{
    return add_row((void **)&m->pins, &m->pin_count, sizeof m->pins[0], QRI_PINS_MAX);
}
struct qri_garbage *qri_manifest_add_garbage(struct qri_manifest *m)
{
    return add_row((void **)&m->garbage, &m->garbage_count, sizeof m->garbage[0], QRI_LAYERS_MAX);
}
struct qri_lineage *qri_manifest_add_lineage(struct qri_manifest *m)
{
    return add_row((void **)&m->lineage, &m->lineage_count, sizeof m->lineage[0], QRI_LINEAGE_MAX);
}

enum qr_status qri_manifest_copy(const struct qri_manifest *m, struct qri_manifest *ret_copy,
                                 struct qr_err *err)
{
    struct qr_buf buf;
    qr_buf_init(&buf, QRI_MANIFEST_BYTES_MAX);
    qri_manifest_encode(m, &buf);
    enum qr_status status = qr_buf_status(&buf, err);
    if (status == QR_OK)
        status = qri_manifest_decode(buf.data, buf.len, ret_copy, err);
    qr_buf_done(&buf);
    return status;
}

static void add_desc(struct qr_buf *buf, const struct qri_layer_desc *d)
{
    qr_buf_add(buf, d->origin.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(buf, d->slice_no);
    qr_buf_add32le(buf, d->kind);
    qr_buf_add64le(buf, d->id);
    qr_buf_add64le(buf, d->first_lsn);
    qr_buf_add64le(buf, d->last_lsn);
    qr_buf_add32le(buf, d->first_page);
    qr_buf_add32le(buf, d->last_page);
    qr_buf_add64le(buf, d->bytes);
    qr_buf_add64le(buf, d->entry_count);
    qr_buf_add64le(buf, d->lsn_max);
    qr_buf_add64le(buf, d->raw_bytes);
}

void qri_manifest_encode(const struct qri_manifest *m, struct qr_buf *buf)
{
    size_t start = buf->len;
    qr_buf_add32le(buf, MAGIC);
    qr_buf_add8(buf, QR_FORMAT_VERSION);
    qr_buf_add8(buf, QR_CHECKSUM_CRC32C);
    qr_buf_add16le(buf, m->dropped ? FLAG_DROPPED : 0);
    qr_buf_add32le(buf, 0);
    qr_buf_add32le(buf, m->page_bytes);
    qr_buf_add(buf, m->id.timeline.id, QR_TIMELINE_BYTES);
    qr_buf_add32le(buf, m->id.no);
    qr_buf_add32le(buf, 0);
    qr_buf_add64le(buf, m->generation);
    qr_buf_add64le(buf, m->serial);
    qr_buf_add64le(buf, m->start_lsn);
    qr_buf_add64le(buf, m->disk_lsn);
    qr_buf_add64le(buf, m->horizon_lsn);
    qr_buf_add32le(buf, (uint32_t)m->lineage_count);
    qr_buf_add32le(buf, (uint32_t)m->layer_count);
    qr_buf_add32le(buf, (uint32_t)m->pin_count);
    qr_buf_add32le(buf, (uint32_t)m->garbage_count);
    for (size_t i = 0; i < m->lineage_count; i++) {
        qr_buf_add(buf, m->lineage[i].timeline.id, QR_TIMELINE_BYTES);
        qr_buf_add64le(buf, m->lineage[i].end_lsn);
    }
    for (size_t i = 0; i < m->layer_count; i++) {
        add_desc(buf, &m->layers[i].desc);
        qr_buf_add64le(buf, m->layers[i].added_serial);
    }
    for (size_t i = 0; i < m->pin_count; i++) {
        qr_buf_add(buf, m->pins[i].name.id, QR_TIMELINE_BYTES);
        qr_buf_add64le(buf, m->pins[i].lsn);
        qr_buf_add64le(buf, m->pins[i].serial);
        qr_buf_add64le(buf, m->pins[i].branch);
    }
    for (size_t i = 0; i < m->garbage_count; i++) {
        add_desc(buf, &m->garbage[i].desc);
        qr_buf_add64le(buf, m->garbage[i].added_serial);
        qr_buf_add64le(buf, m->garbage[i].removed_serial);
        qr_buf_add64le(buf, (uint64_t)m->garbage[i].removed_wall_ns);
    }
    if (buf->failed == QR_OK)
        qr_put32le(buf->data + start + CRC_AT, qr_crc32c(0, buf->data + start, buf->len - start));
}

static void seal_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                        const uint8_t *manifest, const uint8_t *salt)
{
    qr_cipher_derive(ret_key, data_key, "manifest", manifest + 16, QR_TIMELINE_BYTES + 4, salt);
}

enum qr_status qri_manifest_seal(struct qr_pagesvc *svc, const struct qri_manifest *m,
                                 struct qr_buf *buf, struct qr_err *err)
{
    struct qr_data_key data_key;
    struct qr_cipher_key key;
    uint8_t salt[QR_SALT_BYTES], tag[QR_TAG_BYTES] = {0}, nothing[1];
    QR_TRY(qr_buf_status(buf, err));
    if (svc->options.keyring == NULL)
        return QR_OK;
    QR_TRY(qr_keyring_take(svc->options.keyring, &m->id.timeline, &data_key, err));
    qr_env_random(svc->env, salt, sizeof salt);
    qr_buf_add32le(buf, data_key.id);
    qr_buf_add32le(buf, 0);
    qr_buf_add(buf, salt, sizeof salt);
    qr_buf_add(buf, tag, sizeof tag);
    QR_TRY(qr_buf_status(buf, err));
    qr_put16le(buf->data + FLAGS_AT, qr_get16le(buf->data + FLAGS_AT) | FLAG_SEALED);
    qr_put32le(buf->data + CRC_AT, 0);
    seal_cipher(&key, &data_key, buf->data, salt);
    qr_cipher_forget(&data_key, sizeof data_key);
    QR_TRY(qr_gcm_seal(&key, 0, 0, buf->data, buf->len - sizeof tag, nothing, 0,
                       buf->data + buf->len - sizeof tag, err));
    qr_put32le(buf->data + CRC_AT, qr_crc32c(0, buf->data, buf->len));
    return QR_OK;
}

enum qr_status qri_manifest_verify(struct qr_keyring *ring, const uint8_t *bytes, size_t count,
                                   struct qr_err *err)
{
    if (count < HEADER_BYTES + SEAL_BYTES || (qr_get16le(bytes + FLAGS_AT) & FLAG_SEALED) == 0)
        return QR_OK;
    const uint8_t *seal = bytes + count - SEAL_BYTES;
    struct qr_timeline timeline;
    struct qr_data_key data_key;
    struct qr_cipher_key key;
    uint8_t nothing[1];
    memcpy(timeline.id, bytes + 16, QR_TIMELINE_BYTES);
    QR_TRY(qr_keyring_find(ring, &timeline, qr_get32le(seal), &data_key, err));
    uint8_t *copy = malloc(count);
    if (copy == NULL)
        return qr_fail(err, QR_NOMEM, "manifest");
    memcpy(copy, bytes, count);
    qr_put32le(copy + CRC_AT, 0);
    seal_cipher(&key, &data_key, bytes, seal + 8);
    qr_cipher_forget(&data_key, sizeof data_key);
    enum qr_status status = qr_gcm_open(&key, 0, 0, copy, count - QR_TAG_BYTES, nothing, 0,
                                        bytes + count - QR_TAG_BYTES, err);
    free(copy);
    return qr_wrap(err, status, "manifest");
}

static bool get_desc(const uint8_t *p, struct qri_layer_desc *d)
{
    *d = (struct qri_layer_desc){.slice_no = qr_get32le(p + 16),
                                 .kind = (enum qri_layer_kind)qr_get32le(p + 20),
                                 .id = qr_get64le(p + 24),
                                 .first_lsn = qr_get64le(p + 32),
                                 .last_lsn = qr_get64le(p + 40),
                                 .first_page = qr_get32le(p + 48),
                                 .last_page = qr_get32le(p + 52),
                                 .bytes = qr_get64le(p + 56),
                                 .entry_count = qr_get64le(p + 64),
                                 .lsn_max = qr_get64le(p + 72),
                                 .raw_bytes = qr_get64le(p + 80)};
    memcpy(d->origin.id, p, QR_TIMELINE_BYTES);
    return (d->kind == QRI_LAYER_DELTA || d->kind == QRI_LAYER_IMAGE) &&
           d->first_lsn <= d->last_lsn && d->first_page <= d->last_page;
}

static enum qr_status decode_rows(struct qri_manifest *m, const uint8_t *p, const uint32_t n[4],
                                  struct qr_err *err)
{
    bool good = true, room = true;
    for (uint32_t i = 0; i < n[0] && room; i++, p += LINEAGE_BYTES) {
        struct qri_lineage *l = qri_manifest_add_lineage(m);
        if ((room = l != NULL)) {
            memcpy(l->timeline.id, p, QR_TIMELINE_BYTES);
            l->end_lsn = qr_get64le(p + 16);
        }
    }
    for (uint32_t i = 0; i < n[1] && room; i++, p += LAYER_BYTES) {
        struct qri_manifest_layer *l = qri_manifest_add_layer(m);
        if ((room = l != NULL)) {
            good = get_desc(p, &l->desc) && good;
            l->added_serial = qr_get64le(p + DESC_BYTES);
        }
    }
    for (uint32_t i = 0; i < n[2] && room; i++, p += PIN_BYTES) {
        struct qri_pin *pin = qri_manifest_add_pin(m);
        if ((room = pin != NULL)) {
            memcpy(pin->name.id, p, QR_TIMELINE_BYTES);
            pin->lsn = qr_get64le(p + 16);
            pin->serial = qr_get64le(p + 24);
            pin->branch = qr_get64le(p + 32) != 0;
        }
    }
    for (uint32_t i = 0; i < n[3] && room; i++, p += GARBAGE_BYTES) {
        struct qri_garbage *g = qri_manifest_add_garbage(m);
        if ((room = g != NULL)) {
            good = get_desc(p, &g->desc) && good;
            g->added_serial = qr_get64le(p + DESC_BYTES);
            g->removed_serial = qr_get64le(p + DESC_BYTES + 8);
            g->removed_wall_ns = (int64_t)qr_get64le(p + DESC_BYTES + 16);
        }
    }
    if (!room)
        return qr_fail(err, QR_NOMEM, "manifest");
    return good ? QR_OK : qr_fail(err, QR_CORRUPT, "manifest names a layer that cannot be");
}

enum qr_status qri_manifest_decode(const uint8_t *bytes, size_t count,
                                   struct qri_manifest *ret_manifest, struct qr_err *err)
{
    if (count < HEADER_BYTES || qr_get32le(bytes) != MAGIC)
        return qr_fail(err, QR_CORRUPT, "no manifest");
    if (bytes[4] != QR_FORMAT_VERSION || bytes[5] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_CORRUPT, "manifest of version %u, algorithm %u", bytes[4], bytes[5]);
    static const uint8_t zeros[4];
    uint32_t crc = qr_crc32c(0, bytes, CRC_AT);
    crc = qr_crc32c(crc, zeros, sizeof zeros);
    crc = qr_crc32c(crc, bytes + CRC_AT + 4, count - CRC_AT - 4);
    if (crc != qr_get32le(bytes + CRC_AT))
        return qr_fail(err, QR_CORRUPT, "checksum of a manifest");
    struct qri_manifest m = {.page_bytes = qr_get32le(bytes + 12),
                             .dropped = (qr_get16le(bytes + 6) & FLAG_DROPPED) != 0,
                             .generation = qr_get64le(bytes + 40),
                             .serial = qr_get64le(bytes + 48),
                             .start_lsn = qr_get64le(bytes + 56),
                             .disk_lsn = qr_get64le(bytes + 64),
                             .horizon_lsn = qr_get64le(bytes + 72)};
    memcpy(m.id.timeline.id, bytes + 16, QR_TIMELINE_BYTES);
    m.id.no = qr_get32le(bytes + 32);
    uint32_t n[4];
    for (int i = 0; i < 4; i++)
        n[i] = qr_get32le(bytes + 80 + 4 * i);
    uint64_t want = HEADER_BYTES + (uint64_t)n[0] * LINEAGE_BYTES + (uint64_t)n[1] * LAYER_BYTES +
                    (uint64_t)n[2] * PIN_BYTES + (uint64_t)n[3] * GARBAGE_BYTES;
    want += (qr_get16le(bytes + FLAGS_AT) & FLAG_SEALED) != 0 ? SEAL_BYTES : 0;
    if (want != count || m.page_bytes < QR_PAGE_BYTES_MIN || m.page_bytes > QR_PAGE_BYTES_MAX ||
        (m.page_bytes & (m.page_bytes - 1)) != 0)
        return qr_fail(err, QR_CORRUPT, "manifest of %zu bytes", count);
    enum qr_status status = decode_rows(&m, bytes + HEADER_BYTES, n, err);
    if (status == QR_OK)
        *ret_manifest = m;
    else
        qri_manifest_done(&m);
    return status;
}

void qri_manifest_name(const struct qr_slice_id *id, char dst[QRI_NAME_BYTES_MAX])
{
    char hex[QR_TIMELINE_HEX_BYTES];
    qr_timeline_hex(&id->timeline, hex);
    snprintf(dst, QRI_NAME_BYTES_MAX, "pages/%s/%u/manifest", hex, id->no);
}

void qri_manifest_copy_name(const struct qr_slice_id *id, char dst[QRI_NAME_BYTES_MAX])
{
    char hex[QR_TIMELINE_HEX_BYTES];
    qr_timeline_hex(&id->timeline, hex);
    snprintf(dst, QRI_NAME_BYTES_MAX, "pages/%s/%u/manifest.copy", hex, id->no);
}

void qri_layer_name(const struct qri_layer_desc *desc, char dst[QRI_NAME_BYTES_MAX])
{
    char hex[QR_TIMELINE_HEX_BYTES];
    qr_timeline_hex(&desc->origin, hex);
    snprintf(dst, QRI_NAME_BYTES_MAX, "pages/%s/%u/%016llx.%s", hex, desc->slice_no,
             (unsigned long long)desc->id, desc->kind == QRI_LAYER_IMAGE ? "image" : "delta");
}
