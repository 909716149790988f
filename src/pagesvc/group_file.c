/* group_file.c - the file of a large open group; see pagesvc_int.h.
 *
 * What was added last is in memory. drain() writes whole units of it, so a unit is sealed and
 * written once, and a write that failed is made again with the same bytes. */
#include "pagesvc_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "crypt/cipher.h"
#include "base/banned.h"

enum {
    UNIT_BYTES = 4096,
    SEALED_BYTES = 64 * UNIT_BYTES,
    CRC_BYTES = 4,                    /* behind each record */
    RECORD_UNITS_BYTES_MAX = 1 << 20, /* a record, and the units that it begins and ends in */
};

struct qri_group_file {
    struct qr_env *env;
    struct qr_file *file; /* without a name; NULL until the first drain */
    struct qr_cipher_key cipher;
    uint64_t written; /* of whole units */
    struct qr_buf tail;
    uint8_t *sealed; /* NULL: in clear */
    char dir[QRI_LAYER_PATH_BYTES_MAX];
};

static enum qr_status make_key(struct qri_group_file *spill, struct qr_err *err)
{
    spill->sealed = malloc(SEALED_BYTES);
    if (spill->sealed == NULL)
        return qr_fail(err, QR_NOMEM, "file of a log group");
    qr_cipher_make(&spill->cipher, spill->env, "quire open log group");
    return QR_OK;
}

enum qr_status qri_group_file_new(struct qr_env *env, const char *dir, bool encrypted,
                                  struct qri_group_file **ret_file, struct qr_err *err)
{
    struct qri_group_file *spill = calloc(1, sizeof *spill);
    if (spill == NULL)
        return qr_fail(err, QR_NOMEM, "file of a log group");
    spill->env = env;
    snprintf(spill->dir, sizeof spill->dir, "%s", dir);
    qr_buf_init(&spill->tail, SIZE_MAX / 4);
    enum qr_status status = encrypted ? make_key(spill, err) : QR_OK;
    if (status != QR_OK)
        qri_group_file_free(spill);
    else
        *ret_file = spill;
    return status;
}

void qri_group_file_free(struct qri_group_file *spill)
{
    if (spill == NULL)
        return;
    if (spill->file != NULL)
        qr_file_close(spill->file);
    qr_cipher_forget(&spill->cipher, sizeof spill->cipher);
    qr_buf_done(&spill->tail);
    free(spill->sealed);
    free(spill);
}

uint64_t qri_group_file_bytes(const struct qri_group_file *spill)
{
    return spill->written + spill->tail.len;
}

enum qr_status qri_group_file_add(struct qri_group_file *spill, const uint8_t *record,
                                  uint32_t bytes, uint64_t *ret_offset, struct qr_err *err)
{
    if (bytes > RECORD_UNITS_BYTES_MAX - 2 * UNIT_BYTES)
        return qr_fail(err, QR_CORRUPT, "a record of %u bytes in a log group", bytes);
    *ret_offset = qri_group_file_bytes(spill);
    qr_buf_add(&spill->tail, record, bytes);
    qr_buf_add32le(&spill->tail, qr_crc32c(0, record, bytes));
    return qr_buf_status(&spill->tail, err);
}

/* --- writing --- */

static enum qr_status open_nameless(struct qri_group_file *spill, struct qr_err *err)
{
    uint64_t number;
    char path[QRI_LAYER_PATH_BYTES_MAX + 32];
    if (spill->file != NULL)
        return QR_OK;
    enum qr_status made = qr_env_make_dir(spill->env, spill->dir, NULL);
    if (made != QR_OK && made != QR_EXISTS)
        return qr_fail(err, made, "make '%s'", spill->dir);
    qr_env_random(spill->env, &number, sizeof number);
    snprintf(path, sizeof path, "%s/" QRI_GROUP_FILE_PREFIX "%016llx", spill->dir,
             (unsigned long long)number);
    QR_TRY(qr_env_open(spill->env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_EXCLUSIVE,
                       &spill->file, err));
    (void)!qr_env_unlink(spill->env, path, NULL); /* it goes with its handle */
    return QR_OK;
}

static enum qr_status write_units(struct qri_group_file *spill, const uint8_t *src, size_t bytes,
                                  uint64_t offset, struct qr_err *err)
{
    if (spill->sealed == NULL)
        return qr_file_pwrite(spill->file, src, bytes, offset, err);
    for (size_t at = 0; at < bytes; at += UNIT_BYTES)
        QR_TRY(qr_xts_seal(&spill->cipher, (offset + at) / UNIT_BYTES, 0, src + at,
                           spill->sealed + at, UNIT_BYTES, err));
    return qr_file_pwrite(spill->file, spill->sealed, bytes, offset, err);
}

enum qr_status qri_group_file_drain(struct qri_group_file *spill, size_t tail_bytes_max,
                                    struct qr_err *err)
{
    size_t whole = spill->tail.len / UNIT_BYTES * UNIT_BYTES, done = 0;
    if (spill->tail.len < tail_bytes_max || whole == 0)
        return QR_OK;
    enum qr_status status = open_nameless(spill, err);
    while (status == QR_OK && done < whole) {
        size_t n = whole - done < SEALED_BYTES ? whole - done : SEALED_BYTES;
        status = write_units(spill, spill->tail.data + done, n, spill->written + done, err);
        done += status == QR_OK ? n : 0;
    }
    qr_buf_consume(&spill->tail, done);
    spill->written += done;
    return qr_wrap(err, status, "write a log group to '%s'", spill->dir);
}

/* --- reading --- */

/* Whole units of the file, opened, behind what is in dst. */
static enum qr_status read_units(const struct qri_group_file *spill, uint64_t start, size_t bytes,
                                 struct qr_buf *dst, struct qr_err *err)
{
    uint8_t *p = qr_buf_reserve(dst, bytes);
    if (p == NULL)
        return qr_buf_status(dst, err);
    QR_TRY(qr_file_read_exactly(spill->file, p, bytes, start, err));
    for (size_t at = 0; at < bytes && spill->sealed != NULL; at += UNIT_BYTES)
        QR_TRY(qr_xts_open(&spill->cipher, (start + at) / UNIT_BYTES, 0, p + at, p + at, UNIT_BYTES,
                           err));
    dst->len += bytes;
    return QR_OK;
}

enum qr_status qri_group_file_read(const struct qri_group_file *spill, uint64_t offset,
                                   uint32_t bytes, struct qr_buf *scratch,
                                   const uint8_t **ret_record, struct qr_err *err)
{
    qr_buf_clear(scratch);
    size_t before = 0, count = bytes + CRC_BYTES;
    if (offset < spill->written) {
        uint64_t start = offset / UNIT_BYTES * UNIT_BYTES, end = offset + count;
        end = (end + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
        end = end < spill->written ? end : spill->written;
        before = (size_t)(offset - start);
        QR_TRY(qr_wrap(err, read_units(spill, start, (size_t)(end - start), scratch, err),
                       "read a log group"));
    }
    if (offset + count > spill->written) {
        size_t at = offset > spill->written ? (size_t)(offset - spill->written) : 0;
        qr_buf_add(scratch, spill->tail.data + at, (size_t)(offset + count - spill->written) - at);
        QR_TRY(qr_buf_status(scratch, err));
    }
    const uint8_t *record = scratch->data + before;
    if (qr_get32le(record + bytes) != qr_crc32c(0, record, bytes))
        return qr_fail(err, QR_CORRUPT, "a log group's file is damaged at %llu",
                       (unsigned long long)offset);
    *ret_record = record;
    return QR_OK;
}
