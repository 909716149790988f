/* counter_file.c - the counters of a copy, beside its log; see copies_int.h.
 *
 * A member may write nothing of its own into the log that it was given, so what a primary's
 * checkpoint appends it keeps in the file `counters`: 16 bytes of header (little-endian), then
 * COUNTER records: 0 u32 magic "QRCN"   4 u8 version   5 u8 checksum algorithm   6 u16 0
 * 8 u32 crc32c of the records   12 u32 their bytes. */
#include <stdlib.h>
#include "base/crc.h"
#include "base/endian.h"
#include "copies_int.h"
#include "base/banned.h"

enum { MAGIC = 0x4e435251, VERSION = 1, ALGORITHM = 1, HEADER_BYTES = 16, BYTES_MAX = 64 << 20 };

enum qr_status qri_counter_file_write(struct qr_store *store, const struct qr_buf *records,
                                      struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    struct qr_buf file;
    QR_TRY(qr_buf_status(records, err));
    qr_buf_init(&file, BYTES_MAX);
    qr_buf_add32le(&file, MAGIC);
    qr_buf_add8(&file, VERSION);
    qr_buf_add8(&file, ALGORITHM);
    qr_buf_add16le(&file, 0);
    qr_buf_add32le(&file, qr_crc32c(0, records->data, records->len));
    qr_buf_add32le(&file, (uint32_t)records->len);
    qr_buf_add(&file, records->data, records->len);
    qri_store_path(store, path, "counters");
    enum qr_status status = qr_buf_status(&file, err);
    if (status == QR_OK)
        status = qr_env_replace_file(store->env, path, file.data, file.len, err);
    qr_buf_done(&file);
    store->has_counter_file = store->has_counter_file || status == QR_OK;
    return qr_wrap(err, status, "write '%s'", path);
}

static enum qr_status decode(struct qr_store *store, const struct qr_buf *file, struct qr_err *err)
{
    const uint8_t *p = file->data;
    if (file->len < HEADER_BYTES || qr_get32le(p) != MAGIC ||
        qr_get32le(p + 12) != file->len - HEADER_BYTES ||
        qr_get32le(p + 8) != qr_crc32c(0, p + HEADER_BYTES, file->len - HEADER_BYTES))
        return qr_fail(err, QR_CORRUPT, "the counters are damaged");
    if (p[4] != VERSION || p[5] != ALGORITHM)
        return qr_fail(err, QR_UNSUPPORTED, "counters of version %u", p[4]);
    for (size_t at = HEADER_BYTES; at < file->len;) {
        struct qr_record record;
        QR_TRY(qr_record_decode(p + at, file->len - at, &record, err));
        if (record.kind != QR_RECORD_COUNTER)
            return qr_fail(err, QR_CORRUPT, "the counters are damaged");
        QR_TRY(qri_counters_recover(store, &record, err));
        at += record.bytes;
    }
    return QR_OK;
}

enum qr_status qri_counter_file_read(struct qr_store *store, struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    struct qr_buf file;
    qri_store_path(store, path, "counters");
    qr_buf_init(&file, BYTES_MAX);
    enum qr_status status = qr_env_read_file(store->env, path, &file, err);
    store->has_counter_file = status == QR_OK;
    if (status == QR_OK)
        status = decode(store, &file, err);
    else if (status == QR_NOT_FOUND)
        status = QR_OK;
    qr_buf_done(&file);
    return qr_wrap(err, status, "read '%s'", path);
}

void qri_counter_file_remove(struct qr_store *store)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    if (!store->has_counter_file)
        return;
    qri_store_path(store, path, "counters");
    /* one that comes back says what the log says again */
    store->has_counter_file = qr_env_unlink(store->env, path, NULL) != QR_OK;
}
