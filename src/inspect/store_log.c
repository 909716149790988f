/* store_log.c - the log of a General Purpose database; see inspect_int.h.
 *
 * The rules are those of opening the database: a block continues the log if it is intact and starts
 * at the expected LSN in the same epoch, or begins a higher epoch; where none does the log ends,
 * unless a later block shows that more had been hardened. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "crypt/page.h"
#include "store_int.h"
#include "base/banned.h"

enum { SCAN_BYTES = 256 << 10, BLOCK_MAX = QR_BLOCK_PAYLOAD_BYTES_MAX + 2 * QR_SECTOR_BYTES };

struct log_walk {
    struct qri_run *run;
    const char *dir;
    const struct qr_data_header *header; /* may be NULL */
    uint64_t first_no, last_no;          /* segments there are */
    bool any;
    struct qr_file *file;
    struct qr_segment_header segment;
    uint64_t offset, lsn, epoch;
    bool started; /* a block was taken */
    uint64_t blocks;
    uint8_t *block, *scan;
    uint8_t *payload;            /* of the block, decrypted */
    struct qr_data_key data_key; /* id 0: none yet */
};

static bool look_at_name(void *arg, const char *name)
{
    struct log_walk *w = arg;
    if (strncmp(name, "log.", 4) != 0 || strlen(name) != 4 + 16 ||
        strspn(name + 4, "0123456789abcdef") != 16)
        return true;
    uint64_t no = strtoull(name + 4, NULL, 16);
    w->first_no = !w->any || no < w->first_no ? no : w->first_no;
    w->last_no = no > w->last_no ? no : w->last_no;
    w->any = true;
    return true;
}

static enum qr_status open_segment(struct log_walk *w, uint64_t no, struct qr_err *err)
{
    char path[QRI_PATH_MAX + 32];
    uint8_t sector[QR_SECTOR_BYTES];
    uint64_t file_bytes;
    qr_file_close(QR_TAKE(w->file));
    snprintf(path, sizeof path, "%s/log.%016" PRIx64, w->dir, no);
    qri_where(w->run, "%s", path);
    QR_TRY(qr_env_open(w->run->env, path, QR_OPEN_READ, &w->file, err));
    QR_TRY(qr_file_size(w->file, &file_bytes, err));
    enum qr_status status = qr_file_read_exactly(w->file, sector, sizeof sector, 0, err);
    if (status == QR_OK)
        status = qr_segment_header_decode(sector, &w->segment, err);
    if (status == QR_TRUNCATED)
        status = qr_fail(err, QR_CORRUPT, "the file is too short for its header");
    QR_TRY(status);
    if (w->segment.segment_no != no || file_bytes < w->segment.file_bytes)
        return qr_fail(err, QR_CORRUPT,
                       "the header is of segment %" PRIu64 " with %" PRIu64 " bytes",
                       w->segment.segment_no, w->segment.file_bytes);
    return QR_OK;
}

/* The store's key, when the first block is met that needs it. */
static enum qr_status take_key(struct log_walk *w, const struct qr_block_header *h,
                               struct qr_err *err)
{
    char path[QRI_PATH_MAX + 32];
    if (h->key_id == 0 || w->data_key.id != 0)
        return QR_OK;
    if (w->run->server_key == NULL)
        return qr_fail(err, QR_DENIED,
                       "the log is encrypted under key %08x, and there is no "
                       "server key",
                       h->key_id);
    snprintf(path, sizeof path, "%s/key", w->dir);
    return qr_key_pair_take(w->run->server_key, w->run->env, path, h->timeline, QR_KEY_LOOK,
                            &w->data_key, err);
}

static enum qr_status load(struct log_walk *w, uint64_t offset, struct qr_block_header *ret_header,
                           struct qr_err *err)
{
    size_t got = 0;
    QR_TRY(qr_file_pread(w->file, w->block, QR_SECTOR_BYTES, offset, &got, err));
    QR_TRY(qr_block_peek(w->block, got, ret_header, err));
    QR_TRY(qr_file_pread(w->file, w->block, qr_block_file_bytes(ret_header->stored_bytes), offset,
                         &got, err));
    if (memcmp(ret_header->timeline, w->segment.timeline, QR_TIMELINE_BYTES) != 0)
        return qr_fail(err, QR_CORRUPT, "log block of another timeline");
    QR_TRY(qr_block_verify(w->block, got, err));
    QR_TRY(take_key(w, ret_header, err));
    return qr_block_open_as(&w->data_key, NULL, w->block, ret_header, w->payload, err);
}

static bool continues(const struct log_walk *w, const struct qr_block_header *h)
{
    if (!w->started && (w->header == NULL || h->first_lsn == w->lsn))
        return true; /* the header does not say which epoch it is; a higher one may have begun */
    if (w->started && h->epoch == w->epoch)
        return h->first_lsn == w->lsn;
    struct qr_record rec;
    return h->epoch > w->epoch && h->first_lsn >= w->lsn &&
           qr_record_decode(w->payload, h->raw_bytes, &rec, NULL) == QR_OK &&
           rec.kind == QR_RECORD_EPOCH && rec.epoch.epoch == h->epoch;
}

static void take_block(struct log_walk *w, const struct qr_block_header *h)
{
    struct qr_timeline id;
    memcpy(id.id, h->timeline, sizeof id.id);
    bool fresh = !w->started || h->epoch != w->epoch;
    if (w->run->task == QRI_DUMP)
        qri_dump_log(w->run->dump, &id, h->epoch, h->first_lsn, w->payload, h->raw_bytes,
                     fresh ? h->first_lsn : 0);
    w->started = true;
    w->epoch = h->epoch;
    w->lsn = h->first_lsn + h->raw_bytes;
    w->offset += qr_block_file_bytes(h->stored_bytes);
    w->blocks++;
    w->run->checked_count++;
}

static void put_segment(struct log_walk *w, uint64_t first_lsn)
{
    struct qri_out *out = &w->run->out;
    struct qr_timeline id;
    memcpy(id.id, w->segment.timeline, sizeof id.id);
    w->run->checked_count++;
    if (w->run->task != QRI_INSPECT)
        return;
    qri_row(out, "log_segment");
    qri_cell_timeline(out, "timeline", &id);
    qri_cell_u64(out, "segment", w->segment.segment_no);
    qri_cell_u64(out, "bytes", w->segment.file_bytes);
    qri_cell_u64(out, "blocks", w->blocks);
    qri_cell_u64(out, "first_lsn", first_lsn);
    qri_cell_u64(out, "end_lsn", w->blocks > 0 ? w->lsn : first_lsn);
    qri_cell_u64(out, "end_offset", w->offset);
    qri_row_end(out);
}

/* Blocks of this segment that continue the log. */
static enum qr_status walk_segment(struct log_walk *w, struct qr_err *err)
{
    uint64_t first_lsn = 0;
    w->blocks = 0;
    for (;;) {
        struct qr_block_header h;
        enum qr_status status = load(w, w->offset, &h, err);
        if (status != QR_OK && status != QR_CORRUPT)
            return status;
        if (status == QR_CORRUPT || !continues(w, &h)) {
            put_segment(w, first_lsn);
            return QR_OK;
        }
        first_lsn = w->blocks == 0 ? h.first_lsn : first_lsn;
        take_block(w, &h);
    }
}

/* An intact block behind the end that was written when the end was durable: *ret_lsn is its LSN. */
static enum qr_status find_proof(struct log_walk *w, uint64_t offset, uint64_t *ret_lsn,
                                 struct qr_err *err)
{
    size_t got = 0;
    for (uint64_t at = offset; at < w->segment.file_bytes && *ret_lsn == 0; at += got) {
        QR_TRY(qr_file_pread(w->file, w->scan, SCAN_BYTES, at, &got, err));
        got = got / QR_SECTOR_BYTES * QR_SECTOR_BYTES;
        for (size_t i = 0; i < got && *ret_lsn == 0; i += QR_SECTOR_BYTES) {
            struct qr_block_header h;
            if (qr_block_peek(w->scan + i, QR_SECTOR_BYTES, &h, NULL) != QR_OK ||
                h.synced_lsn <= w->lsn || h.first_lsn <= w->lsn)
                continue;
            enum qr_status status = load(w, at + i, &h, err);
            if (status == QR_OK)
                *ret_lsn = h.first_lsn;
            else if (status != QR_CORRUPT)
                return status;
        }
        if (got == 0)
            break;
    }
    return QR_OK;
}

/* All segments from `no` on; where the log ends is in w->lsn. */
static enum qr_status walk_all(struct log_walk *w, uint64_t no, struct qr_err *err)
{
    uint64_t end_no = no, end_offset = w->offset, proof = 0;
    for (uint64_t at = no; at <= w->last_no; at++) {
        QR_TRY(open_segment(w, at, err));
        if (at > no)
            w->offset = QR_SEGMENT_HEADER_BYTES;
        QR_TRY(walk_segment(w, err));
        if (w->blocks > 0) {
            end_no = at;
            end_offset = w->offset;
        }
    }
    for (uint64_t at = end_no; at <= w->last_no && proof == 0; at++) {
        QR_TRY(open_segment(w, at, err));
        QR_TRY(find_proof(w, at == end_no ? end_offset : QR_SEGMENT_HEADER_BYTES, &proof, err));
    }
    if (proof != 0)
        return qr_fail(err, QR_CORRUPT, "the log ends at LSN %" PRIu64 ", and goes on at %" PRIu64,
                       w->lsn, proof);
    if (w->header != NULL && w->lsn < w->header->log_end_lsn)
        return qr_fail(err, QR_CORRUPT,
                       "the log ends at LSN %" PRIu64 ", it was hardened up to %" PRIu64, w->lsn,
                       w->header->log_end_lsn);
    return QR_OK;
}

void qri_look_at_store_log(struct qri_run *run, const char *dir,
                           const struct qr_data_header *header, uint64_t *ret_end)
{
    struct log_walk w = {.run = run, .dir = dir, .header = header};
    struct qr_err err;
    qr_err_reset(&err);
    *ret_end = 0;
    qri_where(run, "%s", dir);
    w.block = malloc(BLOCK_MAX);
    w.payload = malloc(BLOCK_MAX);
    w.scan = malloc(SCAN_BYTES);
    enum qr_status status = w.block == NULL || w.payload == NULL || w.scan == NULL
                                ? qr_fail(&err, QR_NOMEM, "look at a log")
                                : qr_env_list(run->env, dir, look_at_name, &w, &err);
    uint64_t no = header != NULL ? header->log_segment_no : w.first_no;
    w.offset = header != NULL ? header->log_offset : QR_SEGMENT_HEADER_BYTES;
    w.lsn = header != NULL ? header->log_lsn : 0;
    if (status == QR_OK && (!w.any || no < w.first_no || no > w.last_no))
        status = qr_fail(&err, QR_CORRUPT, "log segment %" PRIu64 " is not there", no);
    if (status == QR_OK)
        status = walk_all(&w, no, &err);
    if (status == QR_NOT_FOUND)
        status = qr_fail(&err, QR_CORRUPT, "a log segment is not there");
    if (qri_take(run, "log", status, &err) && header != NULL)
        *ret_end = w.lsn;
    qr_file_close(w.file);
    free(w.block);
    free(w.payload);
    free(w.scan);
}

void qri_look_at_log_segment(struct qri_run *run, struct qr_file *file)
{
    char dir[QRI_WHERE_MAX + 2];
    qr_env_dir_name(run->where, dir);
    struct log_walk w = {.run = run, .dir = dir, .file = file, .offset = QR_SEGMENT_HEADER_BYTES};
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_err err;
    qr_err_reset(&err);
    w.block = malloc(BLOCK_MAX);
    w.payload = malloc(BLOCK_MAX);
    enum qr_status status = w.block == NULL || w.payload == NULL
                                ? qr_fail(&err, QR_NOMEM, "look at a log")
                                : qr_file_read_exactly(file, sector, sizeof sector, 0, &err);
    if (status == QR_OK)
        status = qr_segment_header_decode(sector, &w.segment, &err);
    if (status == QR_OK)
        status = walk_segment(&w, &err);
    (void)qri_take(run, "log", status, &err);
    free(w.block);
    free(w.payload);
}
