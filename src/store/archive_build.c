/* archive_build.c - see store/archive.h: making a store.
 *
 * The files are those of a store that crashed right after a checkpoint: pages as of one commit, the
 * log behind it. Opening it recovers. The data file gets its name last, as in qr_store_create. */
#include <stdlib.h>
#include <string.h>
#include "logsvc/piece.h"
#include "store/archive.h"
#include "copies_int.h"
#include "base/banned.h"

enum { SEGMENT_BYTES = 64 << 20, RUN_BYTES = 1 << 20, RUN_ALIGN = 4096, LONG_RUN_BYTES = 64 << 10 };

struct qr_archive_builder {
    struct qr_store *store; /* never opened: its file functions are used */
    struct qr_archive_point point;
    uint64_t next_lsn, epoch; /* of the log */
    uint8_t salt[QR_SALT_BYTES];
    uint32_t fill; /* payload bytes in store->log.block */
    uint8_t *run;  /* pages one behind the other that were not written yet */
    uint32_t run_first;
    size_t run_bytes;
};

void qr_archive_abandon(struct qr_archive_builder *b)
{
    if (b == NULL)
        return;
    qri_store_free(b->store);
    free(b->run);
    free(b);
}

static enum qr_status check_point(const struct qr_archive_point *p, struct qr_err *err)
{
    if (p->page_bytes >= QR_PAGE_BYTES_MIN && p->page_bytes <= QR_PAGE_BYTES_MAX &&
        (p->page_bytes & (p->page_bytes - 1)) == 0 && p->lsn.v >= QRI_FIRST_LSN)
        return QR_OK;
    return qr_fail(err, QR_INVALID, "pages of %u bytes at LSN %llu", p->page_bytes,
                   (unsigned long long)p->lsn.v);
}

static enum qr_status next_segment(struct qr_archive_builder *b, struct qr_err *err)
{
    struct qri_log *log = &b->store->log;
    struct qri_segment *segment = NULL;
    if (log->current != NULL)
        QR_TRY(qr_file_sync(log->current->file, err));
    QR_TRY(qri_logfile_create(b->store, log->current == NULL ? 1 : log->current->no + 1, false,
                              &segment, err));
    qri_logfile_append(b->store, segment);
    log->current = segment;
    log->offset = QR_SEGMENT_HEADER_BYTES;
    return QR_OK;
}

static enum qr_status build(struct qr_env *env, const char *dir,
                            const struct qr_archive_point *point,
                            const struct qr_timeline *timeline,
                            const struct qr_server_key *server_key,
                            struct qr_archive_builder **ret_builder, struct qr_err *err)
{
    QR_TRY(check_point(point, err));
    struct qr_archive_builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return qr_fail(err, QR_NOMEM, "restore");
    struct qr_store_options options = {.env = env,
                                       .server_key = server_key,
                                       .page_bytes = point->page_bytes,
                                       .log_segment_bytes = SEGMENT_BYTES,
                                       .threads_off = true};
    b->point = *point;
    b->next_lsn = point->lsn.v;
    qr_env_random(env, b->salt, sizeof b->salt);
    b->run = aligned_alloc(RUN_ALIGN, RUN_BYTES);
    if (b->run == NULL) {
        free(b);
        return qr_fail(err, QR_NOMEM, "restore");
    }
    enum qr_status status = qri_files_begin(dir, &options, timeline, &b->store, err);
    if (status == QR_OK)
        status = next_segment(b, err);
    if (status != QR_OK)
        qr_archive_abandon(b);
    else
        *ret_builder = b;
    return qr_wrap(err, status, "restore into '%s'", dir);
}

void qr_archive_build_point(struct qr_archive_builder *b, const struct qr_archive_point *point)
{
    b->point = *point;
    b->next_lsn = point->lsn.v;
}

enum qr_status qr_archive_build(struct qr_env *env, const char *dir,
                                const struct qr_archive_point *point,
                                const struct qr_server_key *server_key,
                                struct qr_archive_builder **ret_builder, struct qr_err *err)
{
    return build(env, dir, point, NULL, server_key, ret_builder, err);
}

enum qr_status qri_archive_build_copy(struct qr_env *env, const char *dir,
                                      const struct qr_archive_point *point,
                                      const struct qr_server_key *server_key,
                                      struct qr_archive_builder **ret_builder, struct qr_err *err)
{
    const struct qr_timeline *timeline =
        qr_timeline_is_none(&point->timeline) ? NULL : &point->timeline;
    return build(env, dir, point, timeline, server_key, ret_builder, err);
}

/* A long run goes past the machine's page cache, which is for what is in use: with gigabytes there
 * that wait to be written everybody's syncs would take their time. A short one would wait for the
 * disk each time: it is there when they all are synced. */
static enum qr_status write_run(struct qr_archive_builder *b, struct qr_err *err)
{
    struct iovec iov = {b->run, b->run_bytes};
    if (b->run_bytes == 0)
        return QR_OK;
    uint64_t offset = qri_page_offset(b->store, b->run_first);
    b->run_bytes = 0;
    enum qr_status status =
        iov.iov_len >= LONG_RUN_BYTES
            ? qr_file_pwrite(b->store->data_file, iov.iov_base, iov.iov_len, offset, err)
            : qr_file_pwritev(b->store->data_file, &iov, 1, offset, err);
    return qr_wrap(err, status, "write page %u", b->run_first);
}

enum qr_status qr_archive_build_page(struct qr_archive_builder *b, uint32_t page_no,
                                     struct qr_lsn version, uint8_t *page, struct qr_err *err)
{
    if (page_no == 0 || page_no > b->point.pages || version.v > b->point.lsn.v)
        return qr_fail(err, QR_INVALID, "page %u of LSN %llu", page_no,
                       (unsigned long long)version.v);
    QR_TRY(qr_page_seal_as(&b->store->page_cipher, page, b->store->page_bytes, page_no, version.v,
                           err));
    uint32_t page_bytes = b->store->page_bytes;
    if (b->run_bytes == RUN_BYTES || page_no != b->run_first + b->run_bytes / page_bytes)
        QR_TRY(write_run(b, err));
    if (b->run_bytes == 0)
        b->run_first = page_no;
    memcpy(b->run + b->run_bytes, page, page_bytes);
    b->run_bytes += page_bytes;
    return QR_OK;
}

enum qr_status qr_archive_build_sync(struct qr_archive_builder *b, struct qr_err *err)
{
    QR_TRY(write_run(b, err));
    return qr_file_sync(b->store->data_file, err);
}

/* --- log --- */

static uint64_t segment_rest(const struct qri_log *log)
{
    return log->current->bytes - log->offset;
}

static enum qr_status write_block(struct qr_archive_builder *b, struct qr_err *err)
{
    struct qri_log *log = &b->store->log;
    if (b->fill == 0)
        return QR_OK;
    struct qr_block_header header = {.first_lsn = b->next_lsn - b->fill,
                                     .synced_lsn = b->next_lsn - b->fill,
                                     .raw_bytes = b->fill,
                                     .epoch = b->epoch};
    memcpy(header.timeline, b->store->timeline, QR_TIMELINE_BYTES);
    if (b->store->data_key.id != 0) /* the epoch is in it, and may have changed */
        qr_log_cipher(&b->store->log_cipher, &b->store->data_key, b->store->timeline, b->epoch,
                      b->salt);
    QR_TRY(qr_block_seal_as(&b->store->log_cipher, log->block, &header, err));
    uint64_t file_bytes = qr_block_file_bytes(header.stored_bytes);
    QR_TRY(qr_file_pwrite(log->current->file, log->block, file_bytes, log->offset, err));
    log->offset += file_bytes;
    b->fill = 0;
    return QR_OK;
}

/* Room for payload in the block being filled. */
static uint32_t block_room(const struct qri_log *log, uint32_t fill)
{
    uint64_t rest = segment_rest(log) / QR_SECTOR_BYTES * QR_SECTOR_BYTES - QR_BLOCK_HEADER_BYTES;
    uint64_t max = rest < QR_BLOCK_PAYLOAD_BYTES_MAX ? rest : QR_BLOCK_PAYLOAD_BYTES_MAX;
    return (uint32_t)max - QR_BLOCK_SEAL_BYTES - fill; /* room for the seal, used or not */
}

static enum qr_status add_bytes(struct qr_archive_builder *b, const uint8_t *bytes, size_t count,
                                struct qr_err *err)
{
    struct qri_log *log = &b->store->log;
    for (size_t at = 0; at < count;) {
        if (b->fill == 0 && segment_rest(log) < QRI_SEGMENT_REST_MIN)
            QR_TRY(next_segment(b, err));
        uint32_t room = block_room(log, b->fill);
        uint32_t take = count - at < room ? (uint32_t)(count - at) : room;
        memcpy(log->block + QR_BLOCK_HEADER_BYTES + b->fill, bytes + at, take);
        b->fill += take;
        b->next_lsn += take;
        at += take;
        if (take == room)
            QR_TRY(write_block(b, err));
    }
    return QR_OK;
}

enum qr_status qr_archive_build_log(struct qr_archive_builder *b, const struct qr_piece *piece,
                                    struct qr_err *err)
{
    bool first = b->epoch == 0, begins = (piece->flags & QR_PIECE_NEW_EPOCH) != 0;
    bool fits = piece->first_lsn == b->next_lsn && (first || piece->epoch == b->epoch);
    if (!fits && !(begins && piece->epoch > b->epoch && piece->first_lsn >= b->next_lsn))
        return qr_fail(err, QR_CORRUPT, "log at LSN %llu does not follow %llu",
                       (unsigned long long)piece->first_lsn, (unsigned long long)b->next_lsn);
    if (!fits)
        QR_TRY(write_block(b, err));
    b->epoch = piece->epoch;
    b->next_lsn = piece->first_lsn;
    return add_bytes(b, piece->data, piece->bytes, err);
}

/* --- the end --- */

static enum qr_status finish(struct qr_archive_builder *b, const struct qr_buf *counters,
                             struct qr_err *err)
{
    struct qr_store *store = b->store;
    if (b->epoch == 0)
        b->epoch = b->point.epoch;
    QR_TRY(write_run(b, err));
    QR_TRY(add_bytes(b, counters->data, counters->len, err));
    QR_TRY(write_block(b, err));
    QR_TRY(qr_file_sync(store->log.current->file, err));
    struct qr_data_header *h = &store->checkpointer.header;
    *h = (struct qr_data_header){
        .page_bytes = store->page_bytes,
        .key_id = store->data_key.id,
        .state = QR_DATA_ACTIVE,
        .epoch = b->epoch > b->point.epoch ? b->epoch : b->point.epoch,
        .checkpoint_lsn = b->point.lsn.v,
        .log_segment_no = 1,
        .log_offset = QR_SEGMENT_HEADER_BYTES,
        .log_lsn = b->point.lsn.v,
        .log_end_lsn = b->next_lsn,
        .commit_no = b->point.commit_no,
        .commit_wall_ns = b->point.commit_wall_ns,
        .db_pages = b->point.pages,
    };
    memcpy(h->timeline, store->timeline, QR_TIMELINE_BYTES);
    QR_TRY(qri_header_write(store, err)); /* syncs the pages, too */
    return qri_files_publish(store, err);
}

enum qr_status qr_archive_finish(struct qr_archive_builder *b, const struct qr_buf *counters,
                                 struct qr_err *err)
{
    enum qr_status status = qr_wrap(err, finish(b, counters, err), "finish the restore");
    qr_archive_abandon(b);
    return status;
}

enum qr_status qri_archive_finish_copy(struct qr_archive_builder *b, const struct qr_buf *counters,
                                       struct qr_err *err)
{
    struct qr_buf none;
    qr_buf_init(&none, 1);
    enum qr_status status = qri_counter_file_write(b->store, counters, err);
    if (status == QR_OK)
        status = finish(b, &none, err);
    qr_archive_abandon(b);
    return qr_wrap(err, status, "finish the copy");
}
