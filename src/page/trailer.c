/* trailer.c - see page/trailer.h */
#include "page/trailer.h"
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/block.h"
#include "page/record.h"
#include "base/banned.h"

enum { KEY_ID_AT = 12, TAG_AT = 20 };

void qr_page_seal(uint8_t *page, uint32_t page_bytes, uint32_t page_no, uint64_t version_lsn)
{
    static const uint8_t no_tag[QR_PAGE_TAG_BYTES];
    qr_page_seal_keyed(page, page_bytes, page_no, version_lsn, 0, no_tag);
}

void qr_page_seal_keyed(uint8_t *page, uint32_t page_bytes, uint32_t page_no, uint64_t version_lsn,
                        uint32_t key_id, const uint8_t tag[QR_PAGE_TAG_BYTES])
{
    uint8_t *t = page + page_bytes - QR_PAGE_RESERVED_BYTES;
    memset(t, 0, QR_PAGE_RESERVED_BYTES);
    qr_put64le(t, version_lsn);
    qr_put32le(t + 8, page_no);
    qr_put32le(t + KEY_ID_AT, key_id);
    memcpy(t + TAG_AT, tag, QR_PAGE_TAG_BYTES);
    t[16] = QR_FORMAT_VERSION;
    t[17] = QR_CHECKSUM_CRC32C;
    qr_put32le(t + 28, qr_crc32c(0, page, page_bytes - 4));
}

enum qr_status qr_page_verify(const uint8_t *page, uint32_t page_bytes, uint32_t page_no,
                              uint64_t *ret_version_lsn, struct qr_err *err)
{
    const uint8_t *t = page + page_bytes - QR_PAGE_RESERVED_BYTES;
    if (qr_get32le(t + 28) != qr_crc32c(0, page, page_bytes - 4))
        return qr_fail(err, QR_CORRUPT, "page %u: checksum does not match", page_no);
    if (qr_get32le(t + 8) != page_no || t[16] != QR_FORMAT_VERSION || t[17] != QR_CHECKSUM_CRC32C)
        return qr_fail(err, QR_CORRUPT, "page %u: the page here says it is %u, version %u", page_no,
                       qr_get32le(t + 8), t[16]);
    *ret_version_lsn = qr_get64le(t);
    return QR_OK;
}

uint32_t qr_page_key_id(const uint8_t *page, uint32_t page_bytes)
{
    return qr_get32le(page + page_bytes - QR_PAGE_RESERVED_BYTES + KEY_ID_AT);
}

const uint8_t *qr_page_tag(const uint8_t *page, uint32_t page_bytes)
{
    return page + page_bytes - QR_PAGE_RESERVED_BYTES + TAG_AT;
}
