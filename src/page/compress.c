/* compress.c - see page/compress.h */
#include "page/compress.h"
#include <assert.h>
#include <limits.h>
#include <lz4.h>
#include <zstd.h>
#include "base/banned.h"

enum {
    ZSTD_LEVEL = 1,
    PAYS_PART = 8,
    SAMPLE_BYTES = 1024,
    SAMPLES_APART = 8, /* a sample in as many times its size */
    SAMPLE_PAYS_PART = 32,
};

bool qr_compression_known(uint8_t id)
{
    return id <= QR_COMPRESSION_ZSTD;
}

size_t qr_compress_bound(enum qr_compression algorithm, size_t count)
{
    assert(count <= LZ4_MAX_INPUT_SIZE);
    return algorithm == QR_COMPRESSION_LZ4 ? (size_t)LZ4_compressBound((int)count)
                                           : ZSTD_compressBound(count);
}

/* Noise, or what is compressed already, costs most and gains nothing. Samples tell: not one of them
 * shrinks. They are less sure of it than the whole, so less of a gain makes them wrong. */
static bool looks_like_noise(const uint8_t *src, size_t count)
{
    char dst[LZ4_COMPRESSBOUND(SAMPLE_BYTES)];
    if (count < 2 * SAMPLES_APART * (size_t)SAMPLE_BYTES)
        return false;
    for (size_t at = 0; at + SAMPLE_BYTES <= count; at += SAMPLES_APART * (size_t)SAMPLE_BYTES) {
        int n = LZ4_compress_default((const char *)src + at, dst, SAMPLE_BYTES, sizeof dst);
        if (n <= SAMPLE_BYTES - SAMPLE_BYTES / SAMPLE_PAYS_PART)
            return false;
    }
    return true;
}

size_t qr_compress(enum qr_compression algorithm, const uint8_t *src, size_t count, uint8_t *dst,
                   size_t dst_bytes)
{
    size_t got = 0;
    assert(dst_bytes >= qr_compress_bound(algorithm, count));
    if (looks_like_noise(src, count))
        return 0;
    if (algorithm == QR_COMPRESSION_LZ4) {
        int n = LZ4_compress_default((const char *)src, (char *)dst, (int)count,
                                     dst_bytes > INT_MAX ? INT_MAX : (int)dst_bytes);
        got = n > 0 ? (size_t)n : 0;
    } else if (algorithm == QR_COMPRESSION_ZSTD) {
        got = ZSTD_compress(dst, dst_bytes, src, count, ZSTD_LEVEL);
        got = ZSTD_isError(got) ? 0 : got;
    }
    return got > count - count / PAYS_PART ? 0 : got;
}

enum qr_status qr_decompress(enum qr_compression algorithm, const uint8_t *src, size_t count,
                             uint8_t *dst, size_t dst_bytes, struct qr_err *err)
{
    bool good = false;
    if (algorithm == QR_COMPRESSION_LZ4 && count <= INT_MAX && dst_bytes <= INT_MAX) {
        int n = LZ4_decompress_safe((const char *)src, (char *)dst, (int)count, (int)dst_bytes);
        good = n >= 0 && (size_t)n == dst_bytes;
    } else if (algorithm == QR_COMPRESSION_ZSTD) {
        good = ZSTD_decompress(dst, dst_bytes, src, count) == dst_bytes;
    }
    return good ? QR_OK
                : qr_fail(err, QR_CORRUPT, "%zu bytes compressed with algorithm %d do not make %zu",
                          count, (int)algorithm, dst_bytes);
}
