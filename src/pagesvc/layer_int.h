/* layer_int.h - the form of layer files. Pure but for the memory of the index.
 *
 * Header, 128 bytes: magic "QRLY", u8 version, u8 checksum algorithm, u8 kind, u8 compression of
 * blocks (page/compress.h), u32 key id (0: none), u32 crc (of the header with this as 0), 16 bytes
 * of timeline, u32 slice, u32 page bytes, u64 id, u64 first LSN, u64 last LSN, u32 first page, u32
 * last page, u64 file bytes, 16 bytes of salt, u64 offset of the footer's copy (0: no copies),
 * zeros.
 *
 * Blocks: u32 bytes, u32 crc, entries { u32 page, u32 record bytes, u64 LSN, record }; with a
 * compression: u32 bytes, u32 crc, u32 raw bytes, then the entries compressed, or as they are where
 * that is not shorter.
 *
 * A copy of sections and footer, then 4096 zeros.
 *
 * Sections: index { u32 page, u32 block bytes, u64 LSN, u64 offset }; filter bits; meta; marks;
 * changes. A copy of the header.
 *
 * Footer, 128 bytes: sections { u64 offset, u32 bytes, u32 crc }, u64 entry count, 16 bytes of tag,
 * zeros, u32 crc, magic.
 *
 * Little-endian. Every byte is under a checksum, or zero. What opens the layer is there twice, too
 * far apart for one sector, and either serves alone: so damage in one place costs pages in it only.
 * An earlier version's layer has no copies.
 *
 * With a key id what lies between headers and footers is encrypted (AES-256-GCM under a key of this
 * file alone; nonce: the offset in the file): a block behind its first 8 bytes, a section whole;
 * each ends with 16 bytes of tag, and checksums and lengths are of what is stored. A footer's tag
 * is that of header and footer; a copy is sealed for its own place. */
#pragma once
#include "crypt/keyring.h"
#include "pagesvc_int.h"

enum {
    QRI_LAYER_HEADER_BYTES = 128,
    QRI_LAYER_FOOTER_BYTES = 128,
    QRI_LAYER_BLOCK_BYTES = 24, /* a row of the index */
    QRI_LAYER_BLOCK_HEADER_BYTES = 8,
    QRI_LAYER_SALT_AT = 80,     /* in the header */
    QRI_LAYER_TAG_AT = 88,      /* in the footer */
    QRI_LAYER_GAP_BYTES = 4096, /* between the copies: no sector of a disk has of both */
    QRI_LAYER_RAW_BYTES = 4,    /* before a block's entries, in a layer with compression */
    QRI_LAYER_BUFFER_BYTES_MAX = 4 * QR_RECORD_BYTES_MAX, /* a block as stored, and its entries */
    /* Of the entries of one block: one record may be longer than a block ought to be. */
    QRI_LAYER_ENTRIES_BYTES_MAX = QR_RECORD_BYTES_MAX + QRI_BLOCK_BYTES + QRI_ENTRY_HEADER_BYTES,
};

/* What a header says beside the description. */
struct qri_layer_form {
    uint32_t page_bytes;
    uint8_t compression;
    uint32_t key_id; /* 0: in clear */
    uint8_t salt[QR_SALT_BYTES];
    uint64_t copy_at; /* of the footer's copy; 0: the layer has no copies */
};
/* The key of one file: never used for another, because its salt is random. */
void qri_layer_cipher(struct qr_cipher_key *ret_key, const struct qr_data_key *data_key,
                      const struct qri_layer_desc *desc, const uint8_t salt[QR_SALT_BYTES]);
enum qri_layer_part { /* in the nonce */
                      QRI_PART_BLOCK,
                      QRI_PART_SECTION,
                      QRI_PART_ENDS,
                      QRI_PART_COPY_ENDS,
};

void qri_header_encode(const struct qri_layer_desc *desc, const struct qri_layer_form *form,
                       uint8_t dst[QRI_LAYER_HEADER_BYTES]);
/* Fills origin, slice, id, kind, LSNs, pages and bytes. */
QR_NODISCARD enum qr_status qri_header_decode(const uint8_t src[QRI_LAYER_HEADER_BYTES],
                                              struct qri_layer_desc *ret_desc,
                                              struct qri_layer_form *ret_form, struct qr_err *err);
/* The tag of header and footer goes into the footer, or is checked. */
QR_NODISCARD enum qr_status qri_ends_seal(const struct qr_cipher_key *key, enum qri_layer_end end,
                                          const uint8_t *header, uint8_t *footer,
                                          struct qr_err *err);
QR_NODISCARD enum qr_status qri_ends_open(const struct qr_cipher_key *key, enum qri_layer_end end,
                                          const uint8_t *header, const uint8_t *footer,
                                          struct qr_err *err);
void qri_footer_encode(const struct qri_layer_footer *footer, uint8_t dst[QRI_LAYER_FOOTER_BYTES]);
/* Sections lie within `file_bytes`. */
QR_NODISCARD enum qr_status qri_footer_decode(const uint8_t src[QRI_LAYER_FOOTER_BYTES],
                                              uint64_t file_bytes,
                                              struct qri_layer_footer *ret_footer,
                                              struct qr_err *err);
void qri_block_encode(const struct qri_layer_block *block, struct qr_buf *buf);
/* Rows in order, blocks within `file_bytes`; the rows are the caller's to free. */
QR_NODISCARD enum qr_status qri_index_decode(const uint8_t *bytes, size_t count,
                                             uint64_t file_bytes,
                                             struct qri_layer_block **ret_blocks, size_t *ret_count,
                                             struct qr_err *err);
/* For what the header, which is layer->desc, says. */
QR_NODISCARD enum qr_status qri_layer_take_key(struct qri_layer *layer, struct qr_keyring *ring,
                                               const struct qri_layer_form *form,
                                               struct qr_err *err);
/* Appends a section, verified and decrypted. */
QR_NODISCARD enum qr_status qri_layer_read_section(const struct qri_layer *layer,
                                                   const struct qri_layer_section *section,
                                                   struct qr_buf *buf, struct qr_err *err);
/* The payload of a block, verified and decrypted, is all that is in `buf` then. */
QR_NODISCARD enum qr_status qri_layer_read_block(const struct qri_layer *layer, size_t block_index,
                                                 struct qr_buf *buf, struct qr_err *err);
/* The entry at *at in a block's payload; moves *at behind it. */
QR_NODISCARD enum qr_status qri_entry_decode(const uint8_t *payload, size_t bytes, size_t *at,
                                             uint32_t *ret_page_no, uint64_t *ret_lsn,
                                             const uint8_t **ret_record, uint32_t *ret_bytes,
                                             struct qr_err *err);
uint32_t qri_filter_bits(size_t page_count); /* a multiple of 8 */
void qri_filter_add(uint8_t *filter, uint32_t bits, uint32_t page_no);
bool qri_filter_may_have(const uint8_t *filter, uint32_t bits, uint32_t page_no);
