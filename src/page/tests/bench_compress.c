/* bench_compress.c - what compression saves and costs on real log: the payload of log segments (the
 * files named), in blocks of a layer's size and of a long-term object's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/endian.h"
#include "page/block.h"
#include "page/compress.h"

enum { PAYLOAD_MAX = 256 << 20, FILE_MAX = 64 << 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t add_segment(const char *path, uint8_t *dst, size_t room)
{
    size_t n = 0;
    uint8_t *file = malloc(FILE_MAX);
    FILE *f = fopen(path, "rb");
    if (f == NULL || file == NULL)
        return 0;
    size_t bytes = fread(file, 1, FILE_MAX, f);
    fclose(f);
    for (size_t at = QR_SEGMENT_HEADER_BYTES; at + QR_SECTOR_BYTES <= bytes;) {
        struct qr_block_header h;
        if (qr_block_peek(file + at, bytes - at, &h, NULL) != QR_OK ||
            qr_block_verify(file + at, bytes - at, NULL) != QR_OK || h.stored_bytes > room - n)
            break;
        memcpy(dst + n, file + at + QR_BLOCK_HEADER_BYTES, h.stored_bytes);
        n += h.stored_bytes;
        at += qr_block_file_bytes(h.stored_bytes);
    }
    free(file);
    return n;
}

static void measure(const char *name, enum qr_compression algorithm, const uint8_t *data, size_t n,
                    size_t chunk)
{
    size_t bound = qr_compress_bound(algorithm, chunk), out = 0, plain = 0;
    uint8_t *dst = malloc(bound), *back = malloc(chunk);
    double in_s = 0, out_s = 0;
    for (size_t at = 0; at < n; at += chunk) {
        size_t count = n - at < chunk ? n - at : chunk;
        double t = now();
        size_t got = qr_compress(algorithm, data + at, count, dst, bound);
        in_s += now() - t;
        out += got == 0 ? count : got;
        plain += got == 0;
        if (got == 0)
            continue;
        t = now();
        if (qr_decompress(algorithm, dst, got, back, count, NULL) != QR_OK ||
            memcmp(back, data + at, count) != 0)
            abort();
        out_s += now() - t;
    }
    printf("{\"bench\":\"page/compress_%s_%zuk\",\"bytes\":%zu,\"ratio\":%.2f,"
           "\"compress_ms_per_mb\":%.2f,\"decompress_ms_per_mb\":%.2f,\"left_plain\":%zu}\n",
           name, chunk >> 10, n, (double)n / (double)out, in_s * 1e3 / ((double)n / 1e6),
           out_s * 1e3 / ((double)n / 1e6), plain);
    free(dst);
    free(back);
}

int main(int argc, char **argv)
{
    uint8_t *data = malloc(PAYLOAD_MAX);
    size_t n = 0;
    if (data == NULL)
        return 1;
    for (int i = 1; i < argc; i++)
        n += add_segment(argv[i], data + n, PAYLOAD_MAX - n);
    if (n == 0) {
        printf("usage: bench_compress LOG-SEGMENT...\n");
        return 0;
    }
    measure("lz4", QR_COMPRESSION_LZ4, data, n, 32 << 10);
    measure("zstd", QR_COMPRESSION_ZSTD, data, n, 32 << 10);
    measure("lz4", QR_COMPRESSION_LZ4, data, n, 4 << 20);
    measure("zstd", QR_COMPRESSION_ZSTD, data, n, 4 << 20);
    free(data);
    return 0;
}
