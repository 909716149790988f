/* crypt/page.h - pages in their places (AES-256-XTS) and log blocks (AES-256-GCM) of stores.
 *
 * A page is encrypted up to its trailer (page/trailer.h), whose first bytes, version LSN and page
 * number, are the tweak: another version is other noise. The trailer gets the key id and 8 bytes of
 * tag, which says whether what came out of decryption is what went in: XTS makes noise of 16 bytes
 * where one bit was changed, and the sum of the clear page, encrypted, is the tag. A log block's
 * payload ends with the salt and the tag; its nonce is its first LSN.
 *
 * Threads: any. `key` NULL or off: in clear. Errors: QR_CORRUPT also for what is not encrypted
 * under this key though it ought to be; QR_NOMEM. */
#pragma once
#include "crypt/cipher.h"
#include "page/block.h"

/* `label` is a literal; `owner` names the file. */
void qr_page_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                    const char *label, const void *owner, size_t owner_bytes);
/* Encrypts the page in place and writes its trailer. */
QR_NODISCARD enum qr_status qr_page_seal_as(const struct qr_cipher_key *key, uint8_t *page,
                                            uint32_t page_bytes, uint32_t page_no,
                                            uint64_t version_lsn, struct qr_err *err);
/* Verifies and decrypts in place. After a failure the page is anything. */
QR_NODISCARD enum qr_status qr_page_open_as(const struct qr_cipher_key *key, uint8_t *page,
                                            uint32_t page_bytes, uint32_t page_no,
                                            uint64_t *ret_version_lsn, struct qr_err *err);

/* Of the blocks of one epoch that one process writes. */
void qr_log_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                   const uint8_t timeline[QR_TIMELINE_BYTES], uint64_t epoch,
                   const uint8_t salt[QR_SALT_BYTES]);
/* `block` has room for the header, header->raw_bytes of payload, and what stored_bytes is more.
 * Fills in stored_bytes and key_id; zeroes the padding. */
QR_NODISCARD enum qr_status qr_block_seal_as(const struct qr_cipher_key *key, uint8_t *block,
                                             struct qr_block_header *header, struct qr_err *err);
/* The payload of a verified block goes to `dst` (raw_bytes), decrypted. `data_key` id 0: in clear.
 * `own`: a cipher that may fit, or NULL. */
QR_NODISCARD enum qr_status qr_block_open_as(const struct qr_data_key *data_key,
                                             const struct qr_cipher_key *own, const uint8_t *block,
                                             const struct qr_block_header *header, uint8_t *dst,
                                             struct qr_err *err);
