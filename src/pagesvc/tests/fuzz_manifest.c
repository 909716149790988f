/* fuzz_manifest.c - whatever is in a manifest or meta page, decoding ends with a status. */
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "slice_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qri_manifest m;
    struct qri_meta meta = {0};
    if (qri_meta_decode(data, size, &meta, NULL) == QR_OK)
        qri_meta_done(&meta);
    if (size < 96)
        return 0;
    /* With a true checksum, or nothing behind it would ever be reached. */
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    qr_put32le(copy, 0x464D5251);
    copy[4] = QR_FORMAT_VERSION;
    copy[5] = QR_CHECKSUM_CRC32C;
    qr_put32le(copy + 8, 0);
    qr_put32le(copy + 8, qr_crc32c(0, copy, size));
    if (qri_manifest_decode(copy, size, &m, NULL) == QR_OK) {
        struct qr_buf buf;
        qr_buf_init(&buf, 1 << 24);
        qri_manifest_encode(&m, &buf);
        size_t seal = (copy[6] & 2) != 0 ? 40 : 0; /* which decoding does not keep */
        if (buf.len != size - seal)
            abort();
        qr_buf_done(&buf);
        qri_manifest_done(&m);
    }
    free(copy);
    return 0;
}
