/* page.c - see crypt/page.h */
#include "crypt/page.h"
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/record.h"
#include "page/trailer.h"
#include "base/banned.h"

enum { TAG_UNIT_BYTES = 16, BLOCK_CRC_AT = 12 };
#define TAG_TWEAK (UINT64_C(1) << 32) /* beside a page number */

void qr_page_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                    const char *label, const void *owner, size_t owner_bytes)
{
    static const uint8_t no_salt[QR_SALT_BYTES];
    qr_cipher_derive(ret_key, data_key, label, owner, owner_bytes, no_salt);
}

/* Of the page in clear. */
static enum qr_status make_tag(const struct qr_cipher_key *key, const uint8_t *page,
                               uint32_t body_bytes, uint32_t page_no, uint64_t lsn,
                               uint8_t tag[QR_PAGE_TAG_BYTES], struct qr_err *err)
{
    uint8_t unit[TAG_UNIT_BYTES];
    qr_put64le(unit, lsn);
    qr_put32le(unit + 8, page_no);
    qr_put32le(unit + 12, qr_crc32c(0, page, body_bytes));
    QR_TRY(qr_xts_seal(key, lsn, page_no | TAG_TWEAK, unit, unit, sizeof unit, err));
    memcpy(tag, unit, QR_PAGE_TAG_BYTES);
    return QR_OK;
}

enum qr_status qr_page_seal_as(const struct qr_cipher_key *key, uint8_t *page, uint32_t page_bytes,
                               uint32_t page_no, uint64_t version_lsn, struct qr_err *err)
{
    uint32_t body = page_bytes - QR_PAGE_RESERVED_BYTES;
    uint8_t tag[QR_PAGE_TAG_BYTES];
    if (key == NULL || !qr_cipher_is_on(key)) {
        qr_page_seal(page, page_bytes, page_no, version_lsn);
        return QR_OK;
    }
    QR_TRY(make_tag(key, page, body, page_no, version_lsn, tag, err));
    QR_TRY(qr_xts_seal(key, version_lsn, page_no, page, page, body, err));
    qr_page_seal_keyed(page, page_bytes, page_no, version_lsn, key->id, tag);
    return QR_OK;
}

enum qr_status qr_page_open_as(const struct qr_cipher_key *key, uint8_t *page, uint32_t page_bytes,
                               uint32_t page_no, uint64_t *ret_version_lsn, struct qr_err *err)
{
    uint32_t body = page_bytes - QR_PAGE_RESERVED_BYTES;
    uint32_t want = key == NULL || !qr_cipher_is_on(key) ? 0 : key->id;
    uint8_t tag[QR_PAGE_TAG_BYTES];
    uint64_t lsn = 0;
    QR_TRY(qr_page_verify(page, page_bytes, page_no, &lsn, err));
    if (qr_page_key_id(page, page_bytes) != want)
        return qr_fail(err, QR_CORRUPT, "page %u is under key %08x, not %08x", page_no,
                       qr_page_key_id(page, page_bytes), want);
    if (want != 0) {
        QR_TRY(qr_xts_open(key, lsn, page_no, page, page, body, err));
        QR_TRY(make_tag(key, page, body, page_no, lsn, tag, err));
        if (memcmp(tag, qr_page_tag(page, page_bytes), sizeof tag) != 0)
            return qr_fail(err, QR_CORRUPT, "page %u: its encrypted bytes do not fit their tag",
                           page_no);
    }
    *ret_version_lsn = lsn;
    return QR_OK;
}

/* ---- log blocks ---- */

void qr_log_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                   const uint8_t timeline[QR_TIMELINE_BYTES], uint64_t epoch,
                   const uint8_t salt[QR_SALT_BYTES])
{
    uint8_t context[QR_TIMELINE_BYTES + 8];
    memcpy(context, timeline, QR_TIMELINE_BYTES);
    qr_put64le(context + QR_TIMELINE_BYTES, epoch);
    qr_cipher_derive(ret_key, data_key, "log block", context, sizeof context, salt);
}

enum qr_status qr_block_seal_as(const struct qr_cipher_key *key, uint8_t *block,
                                struct qr_block_header *header, struct qr_err *err)
{
    bool on = key != NULL && qr_cipher_is_on(key);
    uint8_t *payload = block + QR_BLOCK_HEADER_BYTES, *seal = payload + header->raw_bytes;
    header->stored_bytes = header->raw_bytes + (on ? QR_SEAL_BYTES : 0);
    header->key_id = on ? key->id : 0;
    if (on) {
        qr_block_encode(block, header);
        memcpy(seal, key->salt, QR_SALT_BYTES);
        QR_TRY(qr_gcm_seal(key, header->first_lsn, 0, block, QR_BLOCK_HEADER_BYTES, payload,
                           header->raw_bytes, seal + QR_SALT_BYTES, err));
    }
    qr_block_seal(block, header);
    memset(payload + header->stored_bytes, 0,
           (size_t)qr_block_file_bytes(header->stored_bytes) - QR_BLOCK_HEADER_BYTES -
               header->stored_bytes);
    return QR_OK;
}

enum qr_status qr_block_open_as(const struct qr_data_key *data_key, const struct qr_cipher_key *own,
                                const uint8_t *block, const struct qr_block_header *header,
                                uint8_t *dst, struct qr_err *err)
{
    const uint8_t *payload = block + QR_BLOCK_HEADER_BYTES, *seal = payload + header->raw_bytes;
    uint8_t head[QR_BLOCK_HEADER_BYTES];
    struct qr_cipher_key derived;
    if (header->key_id != data_key->id)
        return qr_fail(err, QR_CORRUPT, "log block at LSN %llu is under key %08x, not %08x",
                       (unsigned long long)header->first_lsn, header->key_id, data_key->id);
    memcpy(dst, payload, header->raw_bytes);
    if (header->key_id == 0)
        return QR_OK;
    memcpy(head, block, sizeof head);
    qr_put32le(head + BLOCK_CRC_AT, 0);
    bool is_own =
        own != NULL && qr_cipher_is_on(own) && memcmp(own->salt, seal, QR_SALT_BYTES) == 0;
    if (!is_own)
        qr_log_cipher(&derived, data_key, header->timeline, header->epoch, seal);
    return qr_wrap(err,
                   qr_gcm_open(is_own ? own : &derived, header->first_lsn, 0, head, sizeof head,
                               dst, header->raw_bytes, seal + QR_SALT_BYTES, err),
                   "log block at LSN %llu", (unsigned long long)header->first_lsn);
}
