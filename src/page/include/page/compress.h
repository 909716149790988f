/* page/compress.h - bytes made smaller, by an algorithm whose id stands beside them. Pure; any
 * thread.
 *
 * LZ4 for what is read in the way of a query (layer blocks), zstd for what is kept (long-term log);
 * README.md has the measurements. Decompression takes hostile bytes and writes within `dst`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum qr_compression { /* on disk: never renumbered */
                      QR_COMPRESSION_NONE = 0,
                      QR_COMPRESSION_LZ4 = 1,
                      QR_COMPRESSION_ZSTD = 2,
};
bool qr_compression_known(uint8_t id);

/* Room that compressing `count` bytes may take. */
size_t qr_compress_bound(enum qr_compression algorithm, size_t count);
/* Into `dst` (qr_compress_bound bytes). Returns the compressed size, or 0 if it does not pay: what
 * it saves is less than an eighth, or there is no memory. */
size_t qr_compress(enum qr_compression algorithm, const uint8_t *src, size_t count, uint8_t *dst,
                   size_t dst_bytes);
/* Exactly `dst_bytes`, else QR_CORRUPT. Not for QR_COMPRESSION_NONE. */
QR_NODISCARD enum qr_status qr_decompress(enum qr_compression algorithm, const uint8_t *src,
                                          size_t count, uint8_t *dst, size_t dst_bytes,
                                          struct qr_err *err);
