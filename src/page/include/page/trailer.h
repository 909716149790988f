/* page/trailer.h - the 32 bytes that SQLite leaves to us at the end of every page (S9).
 *
 * Layout (little-endian): 0 u64 version LSN, 8 u32 page number, 12 u32 key id (0 none), 16 u8
 * version, 17 u8 checksum algorithm, 18 u16 flags (0), 20 8 bytes of tag (crypt/page.h; 0 without
 * a key), 28 u32 crc of all before it, as stored.
 * Trailers are valid in the data file only; in memory these bytes mean nothing.
 * Pure; any thread. */
#pragma once
#include <stdint.h>
#include "base/status.h"

void qr_page_seal(uint8_t *page, uint32_t page_bytes, uint32_t page_no, uint64_t version_lsn);
/* Of a page that is encrypted already. */
enum { QR_PAGE_TAG_BYTES = 8 };
void qr_page_seal_keyed(uint8_t *page, uint32_t page_bytes, uint32_t page_no, uint64_t version_lsn,
                        uint32_t key_id, const uint8_t tag[QR_PAGE_TAG_BYTES]);
uint32_t qr_page_key_id(const uint8_t *page, uint32_t page_bytes);
const uint8_t *qr_page_tag(const uint8_t *page, uint32_t page_bytes);
/* As stored: encrypted or not. QR_CORRUPT if the page was damaged, or belongs to another page
 * number. */
QR_NODISCARD enum qr_status qr_page_verify(const uint8_t *page, uint32_t page_bytes,
                                           uint32_t page_no, uint64_t *ret_version_lsn,
                                           struct qr_err *err);
