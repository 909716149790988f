/* segment.c - the files of the journal; see logsvc_int.h. A segment gets its name only when its
 * space is taken, it has its header and is synced, so every segment that has its name is whole. Old
 * ones are used again: their blocks have lower numbers than what is expected there, so nobody takes
 * them. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    ZERO_BYTES = 1 << 20,
    LARGE_BLOCK_BYTES = 512 << 10,
    OPEN_DIRECT = QR_OPEN_DIRECT | QR_OPEN_DIRECT_READ,
    SPARES_MAX = 2, /* old segments kept for use behind the last */
};

static void segment_path(const struct qr_logsvc *svc, uint64_t no, char dst[QRI_PATH_BYTES_MAX])
{
    char name[40];
    snprintf(name, sizeof name, "journal.%016llx", (unsigned long long)no);
    qri_path(svc, name, dst);
}

/* Past the page cache, for which memory has to be aligned. */
static enum qr_status fill_with_zeros(struct qr_file *file, uint64_t bytes, struct qr_err *err)
{
    uint8_t *zeros = aligned_alloc(QRI_BLOCK_ALIGN, ZERO_BYTES);
    if (zeros == NULL)
        return qr_fail(err, QR_NOMEM, "zeros");
    memset(zeros, 0, ZERO_BYTES);
    enum qr_status status = QR_OK;
    for (uint64_t at = 0; at < bytes && status == QR_OK; at += ZERO_BYTES)
        status =
            qr_file_pwrite(file, zeros, bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES, at, err);
    free(zeros);
    return status;
}

static enum qr_status write_header(struct qr_logsvc *svc, struct qr_file *file, uint64_t no,
                                   uint64_t bytes, struct qr_err *err)
{
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_journal_segment header = {.segment_no = no, .file_bytes = bytes};
    memcpy(header.journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES);
    qr_journal_segment_encode(sector, &header);
    QR_TRY(qr_file_pwrite(file, sector, sizeof sector, 0, err));
    return qr_file_sync(file, err);
}

static enum qr_status new_segment(struct qr_file *own_file, uint64_t no, uint64_t bytes,
                                  struct qri_segment **ret_segment, struct qr_err *err)
{
    struct qri_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) {
        qr_file_close(own_file);
        return qr_fail(err, QR_NOMEM, "journal segment");
    }
    *segment = (struct qri_segment){.no = no,
                                    .bytes = bytes,
                                    .end_offset = QR_JOURNAL_HEADER_BYTES,
                                    .refs = 1,
                                    .file = own_file};
    *ret_segment = segment;
    return QR_OK;
}

static enum qr_status make_file(struct qr_logsvc *svc, uint64_t no, bool ahead,
                                struct qr_file **ret_file, struct qr_err *err)
{
    char tmp[QRI_PATH_BYTES_MAX], path[QRI_PATH_BYTES_MAX];
    qri_path(svc, "journal.tmp", tmp);
    segment_path(svc, no, path);
    uint64_t bytes = svc->options.segment_bytes;
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(svc->env, tmp, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE | OPEN_DIRECT,
                       &file, err));
    enum qr_status status = qr_file_preallocate(file, 0, bytes, err);
    if (status == QR_OK && ahead)
        status = fill_with_zeros(file, bytes, err);
    if (status == QR_OK)
        status = write_header(svc, file, no, bytes, err);
    if (status != QR_OK) /* gives back space: it may be what the disk lacks */
        (void)!qr_file_truncate(file, 0, NULL);
    else
        status = qr_env_rename(svc->env, tmp, path, err);
    if (status == QR_OK)
        status = qr_env_sync_dir(svc->env, svc->dir, err);
    QR_TRY(qr_wrap(err, status, "make journal segment '%s'", path));
    *ret_file = QR_TAKE(file);
    return QR_OK;
}

/* What it says is known without it, and its blocks say themselves whose they are. */
static enum qr_status mend_header(struct qr_logsvc *svc, struct qr_file *file, uint64_t no,
                                  struct qr_journal_segment *ret_header, struct qr_err *err)
{
    uint64_t bytes = 0;
    QR_TRY(qr_file_size(file, &bytes, err));
    if (bytes < 2 * QR_JOURNAL_HEADER_BYTES || bytes % QR_SECTOR_BYTES != 0)
        return qr_fail(err, QR_CORRUPT, "journal segment header, in %llu bytes",
                       (unsigned long long)bytes);
    QR_TRY(write_header(svc, file, no, bytes, err));
    QR_LOG(&svc->options.log, QR_ERROR, "segment_header_damaged", QR_F("dir", svc->dir),
           QR_F("segment", no), QR_F("went_on", "with another in its place"));
    *ret_header = (struct qr_journal_segment){.segment_no = no, .file_bytes = bytes};
    memcpy(ret_header->journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES);
    return QR_OK;
}

enum qr_status qri_segment_open(struct qr_logsvc *svc, uint64_t no,
                                struct qri_segment **ret_segment, struct qr_err *err)
{
    char path[QRI_PATH_BYTES_MAX];
    segment_path(svc, no, path);
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(svc->env, path, QR_OPEN_RW | OPEN_DIRECT, &file, err));
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_journal_segment h;
    uint64_t file_bytes = 0;
    enum qr_status status = qr_file_read_exactly(file, sector, sizeof sector, 0, err);
    if (status == QR_OK)
        status = qr_journal_segment_decode(sector, &h, err);
    if (status == QR_CORRUPT && svc->zone == NULL) {
        if (err != NULL)
            qr_err_reset(err);
        status = mend_header(svc, file, no, &h, err);
    }
    if (status == QR_OK)
        status = qr_file_size(file, &file_bytes, err);
    if (status == QR_TRUNCATED)
        status = qr_fail(err, QR_CORRUPT, "the file is too short");
    if (svc->zone != NULL) /* it is as long as what was appended */
        file_bytes = UINT64_MAX;
    if (status == QR_OK && (h.segment_no != no || file_bytes < h.file_bytes ||
                            h.file_bytes < 2 * QR_JOURNAL_HEADER_BYTES ||
                            memcmp(h.journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES) != 0))
        status = qr_fail(err, QR_CORRUPT, "the header names segment %llu with %llu bytes",
                         (unsigned long long)h.segment_no, (unsigned long long)h.file_bytes);
    QR_TRY(qr_wrap(err, status, "open journal segment '%s'", path));
    return new_segment(QR_TAKE(file), no, h.file_bytes, ret_segment, err);
}

/* --- the list --- */

void qri_segment_append(struct qr_logsvc *svc, struct qri_segment *own_segment)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_segment **place = &svc->segments;
    while (*place != NULL)
        place = &(*place)->next;
    own_segment->next = NULL;
    *place = own_segment;
    svc->segment_count++;
    svc->last_segment_no = own_segment->no;
    pthread_mutex_unlock(&svc->mu);
}

static struct qri_segment *find_locked(struct qr_logsvc *svc, uint64_t no)
{
    struct qri_segment *s = svc->segments;
    while (s != NULL && s->no != no)
        s = s->next;
    return s;
}

struct qri_segment *qri_segment_ref(struct qr_logsvc *svc, uint64_t no)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_segment *s = find_locked(svc, no);
    if (s != NULL)
        s->refs++;
    pthread_mutex_unlock(&svc->mu);
    return s;
}

void qri_segment_unref(struct qr_logsvc *svc, struct qri_segment *segment)
{
    pthread_mutex_lock(&svc->mu);
    bool last = --segment->refs == 0;
    pthread_mutex_unlock(&svc->mu);
    if (last) {
        qr_file_close(segment->file);
        free(segment);
    }
}

struct qri_segment *qri_segment_after(struct qr_logsvc *svc, uint64_t no)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_segment *s = find_locked(svc, no + 1);
    pthread_mutex_unlock(&svc->mu);
    return s;
}

bool qri_segment_want_spare(struct qr_logsvc *svc)
{
    pthread_mutex_lock(&svc->mu);
    const struct qri_segment *current = svc->current;
    bool want = current->next == NULL && current->end_offset > current->bytes / 4;
    pthread_mutex_unlock(&svc->mu);
    return want;
}

bool qri_segment_wants_zeros(struct qr_logsvc *svc)
{
    pthread_mutex_lock(&svc->mu);
    const struct qri_segment *current = svc->current;
    uint64_t blocks =
        current->first_block_no == 0 ? 0 : svc->hardened_block_no + 1 - current->first_block_no;
    bool large = blocks > 0 && current->end_offset / blocks >= LARGE_BLOCK_BYTES;
    pthread_mutex_unlock(&svc->mu);
    return !large;
}

enum qr_status qri_segment_extend(struct qr_logsvc *svc, bool ahead, struct qr_err *err)
{
    struct qr_file *file = NULL;
    struct qri_segment *segment = NULL;
    pthread_mutex_lock(&svc->extend_mu);
    enum qr_status status = make_file(svc, svc->last_segment_no + 1, ahead, &file, err);
    if (status == QR_OK)
        status =
            new_segment(file, svc->last_segment_no + 1, svc->options.segment_bytes, &segment, err);
    if (status == QR_OK)
        qri_segment_append(svc, segment);
    atomic_store(&svc->no_room, status != QR_OK);
    pthread_mutex_unlock(&svc->extend_mu);
    return status;
}

/* --- old ones --- */

/* Takes the first off the list if it is before `no`. *ret_reuse: nobody reads it, and it is wanted.
 */
static struct qri_segment *pop_before(struct qr_logsvc *svc, uint64_t no, bool *ret_reuse)
{
    pthread_mutex_lock(&svc->mu);
    struct qri_segment *s = svc->segments;
    if (s != NULL && s->no < no) {
        assert(s->next != NULL);
        svc->segments = s->next;
        svc->segment_count--;
        svc->stats.segments_dropped++;
        uint64_t spares = svc->last_segment_no - svc->current->no;
        *ret_reuse = s->refs == 1 && spares < SPARES_MAX && s->bytes == svc->options.segment_bytes;
    } else {
        s = NULL;
    }
    pthread_mutex_unlock(&svc->mu);
    return s;
}

static bool reuse(struct qr_logsvc *svc, struct qri_segment *s)
{
    char old_path[QRI_PATH_BYTES_MAX], tmp[QRI_PATH_BYTES_MAX], new_path[QRI_PATH_BYTES_MAX];
    uint64_t no = svc->last_segment_no + 1;
    segment_path(svc, s->no, old_path);
    segment_path(svc, no, new_path);
    qri_path(svc, "journal.tmp", tmp);
    if (qr_env_rename(svc->env, old_path, tmp, NULL) != QR_OK ||
        write_header(svc, s->file, no, s->bytes, NULL) != QR_OK ||
        qr_env_rename(svc->env, tmp, new_path, NULL) != QR_OK ||
        qr_env_sync_dir(svc->env, svc->dir, NULL) != QR_OK)
        return false;
    s->no = no;
    s->first_block_no = s->last_block_no = 0;
    s->end_offset = QR_JOURNAL_HEADER_BYTES;
    s->has_places = s->has_hole = false;
    return true;
}

void qri_segment_drop_before(struct qr_logsvc *svc, uint64_t no)
{
    bool again = false;
    pthread_mutex_lock(&svc->extend_mu);
    for (struct qri_segment *s; (s = pop_before(svc, no, &again)) != NULL;) {
        char path[QRI_PATH_BYTES_MAX];
        segment_path(svc, s->no, path);
        qri_places_drop(svc, s->no);
        if (again && reuse(svc, s)) {
            qri_segment_append(svc, s);
            continue;
        }
        (void)!qr_env_unlink(svc->env, path, NULL);
        qri_segment_unref(svc, s);
    }
    pthread_mutex_unlock(&svc->extend_mu);
}

void qri_segments_done(struct qr_logsvc *svc)
{
    while (svc->segments != NULL) {
        struct qri_segment *s = svc->segments;
        svc->segments = s->next;
        qri_segment_unref(svc, s);
    }
}

enum qr_status qri_block_belongs(const struct qr_logsvc *svc, const struct qri_segment *segment,
                                 uint64_t offset, const struct qr_journal_block *header,
                                 struct qr_err *err)
{
    uint64_t bytes = qr_journal_block_file_bytes(header->payload_bytes);
    if (memcmp(header->journal_id, svc->journal_id, QR_JOURNAL_ID_BYTES) != 0 ||
        offset + bytes > segment->bytes)
        return qr_fail(err, QR_CORRUPT, "journal block %llu does not belong here",
                       (unsigned long long)header->block_no);
    return QR_OK;
}

enum qr_status qri_block_load_stored(const struct qr_logsvc *svc, const struct qri_segment *segment,
                                     uint64_t offset, uint8_t *block,
                                     struct qr_journal_block *ret_header, struct qr_err *err)
{
    size_t got = 0;
    QR_TRY(qr_file_pread(segment->file, block, QR_SECTOR_BYTES, offset, &got, err));
    QR_TRY(qr_journal_block_peek(block, got, ret_header, err));
    QR_TRY(qri_block_belongs(svc, segment, offset, ret_header, err));
    uint64_t bytes = qr_journal_block_file_bytes(ret_header->payload_bytes);
    if (bytes > QR_SECTOR_BYTES) {
        QR_TRY(qr_file_pread(segment->file, block + QR_SECTOR_BYTES, bytes - QR_SECTOR_BYTES,
                             offset + QR_SECTOR_BYTES, &got, err));
        got += QR_SECTOR_BYTES;
    }
    return qr_journal_block_verify(block, got, err);
}

enum qr_status qri_block_load(const struct qr_logsvc *svc, const struct qri_segment *segment,
                              uint64_t offset, uint8_t *block, struct qr_journal_block *ret_header,
                              struct qr_err *err)
{
    QR_TRY(qri_block_load_stored(svc, segment, offset, block, ret_header, err));
    return qr_journal_block_open(block, &svc->data_key,
                                 qr_cipher_is_on(&svc->cipher) ? &svc->cipher : NULL, err);
}
