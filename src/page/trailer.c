/* trailer.c - see page/trailer.h */
#include "page/trailer.h"
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "page/block.h"
#include "page/record.h"
#include "base/banned.h"

void qr_page_seal(uint8_t *page, uint32_t page_bytes, uint32_t page_no, uint64_t version_lsn)
{
    uint8_t *t = page + page_bytes - QR_PAGE_RESERVED_BYTES;
    memset(t, 0, QR_PAGE_RESERVED_BYTES);
    qr_put64le(t, version_lsn);
    qr_put32le(t + 8, page_no);
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
    if (qr_get32le(t + 8) != page_no || t[16] != QR_FORMAT_VERSION || t[17] != QR_CHECKSUM_CRC32C ||
        qr_get32le(t + 12) != 0)
        return qr_fail(err, QR_CORRUPT, "page %u: the page here says it is %u, version %u", page_no,
                       qr_get32le(t + 8), t[16]);
    *ret_version_lsn = qr_get64le(t);
    return QR_OK;
}
