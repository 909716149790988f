/* in.c - see move/move.h: back to files.
 *
 * Pages are read as of a commit, and again those that log changed up to a later one. So no log has
 * to be applied, and the store is as of the last round's commit when it is finished. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "logsvc/peer.h"
#include "move_int.h"
#include "store/archive.h"
#include "base/banned.h"

enum { READ_BYTES = 4 << 20, COPY_PAGES = 16 * QRI_GET_PAGES };
static const int64_t CALL_NS = INT64_C(10000000000);

struct qr_move_in {
    struct qr_move_options options;
    struct qri_remote remote;
    struct qr_archive_builder *builder;
    struct qr_env *env;
    const struct qr_server_key *server_key;
    char dir[QR_STORE_PATH_BYTES_MAX + 1];
    struct qr_archive_point point;
    struct qri_scan scan;
    uint64_t read_lsn;
    /* Since the last round; what that one brought; what comes behind the next one's commit. */
    struct qri_changes changed, last, later;
    struct qr_buf counters;
    bool is_reader;             /* the log service knows of us */
    struct qr_archive *archive; /* of the check */
    uint8_t page[QR_PAGE_BYTES_DEFAULT];
};

enum qr_status qr_move_in_new(const struct qr_move_options *options, const char *dir,
                              const struct qr_server_key *server_key, struct qr_move_in **ret_in,
                              struct qr_err *err)
{
    struct qr_move_in *in = calloc(1, sizeof *in);
    if (in == NULL || strlen(dir) > QR_STORE_PATH_BYTES_MAX) {
        free(in);
        return qr_fail(err, QR_NOMEM, "move a database");
    }
    in->options = *options;
    in->env = options->env != NULL ? options->env : qr_env_real();
    in->server_key = server_key;
    memcpy(in->dir, dir, strlen(dir) + 1);
    qri_remote_init(&in->remote, &in->options);
    qri_scan_init(&in->scan);
    qr_buf_init(&in->counters, SIZE_MAX / 4);
    *ret_in = in;
    return QR_OK;
}

/* What the database is as of the newest commit, or as of a later one that came meanwhile. */
static enum qr_status take_point(struct qr_move_in *in, struct qr_err *err)
{
    struct qr_logsvc_state state;
    struct qr_pages_meta meta;
    QR_TRY(qri_remote_state(&in->remote, &state, err));
    QR_TRY(qri_remote_meta(&in->remote, qr_lsn(state.commit_lsn), &meta, err));
    in->point = (struct qr_archive_point){.page_bytes = QR_PAGE_BYTES_DEFAULT,
                                          .pages = meta.db_pages,
                                          .lsn = meta.lsn,
                                          .commit_no = meta.commit_no,
                                          .commit_wall_ns = meta.wall_ns,
                                          .epoch = meta.epoch};
    qr_buf_clear(&in->counters);
    for (size_t i = 0; i < meta.counter_count; i++) {
        const uint8_t *p = meta.counters + i * 16;
        qr_record_add_counter(&in->counters, qr_get64le(p), (int64_t)qr_get64le(p + 8));
    }
    return qr_buf_status(&in->counters, err);
}

static enum qr_status build_page(void *ctx, uint32_t page_no, struct qr_lsn version,
                                 const uint8_t *page, uint32_t bytes, struct qr_err *err)
{
    struct qr_move_in *in = ctx;
    if (page != NULL && bytes != QR_PAGE_BYTES_DEFAULT)
        return qr_fail(err, QR_CORRUPT, "page %u has %u bytes", page_no, bytes);
    if (page == NULL) { /* it exists, but nobody ever wrote it */
        memset(in->page, 0, sizeof in->page);
        version = in->point.lsn;
    } else {
        memcpy(in->page, page, sizeof in->page);
    }
    return qr_archive_build_page(in->builder, page_no, version, in->page, err);
}

enum qr_status qr_move_in_copy(struct qr_move_in *in, struct qr_err *err)
{
    uint32_t pages[COPY_PAGES];
    qri_pace_begin(&in->remote.pace);
    QR_TRY(take_point(in, err));
    QR_TRY(qr_archive_build(in->env, in->dir, &in->point, in->server_key, &in->builder, err));
    in->read_lsn = in->point.lsn.v;
    for (uint64_t at = 1; at <= in->point.pages;) {
        uint32_t count = 0;
        for (; count < COPY_PAGES && at <= in->point.pages; at++)
            pages[count++] = (uint32_t)at;
        QR_TRY(qri_remote_get(&in->remote, pages, count, in->point.lsn, build_page, in, err));
        if (in->options.progress != NULL)
            in->options.progress(in->options.ctx, (at - 1) * QR_PAGE_BYTES_DEFAULT,
                                 (uint64_t)in->point.pages * QR_PAGE_BYTES_DEFAULT);
    }
    return qr_archive_build_sync(in->builder, err);
}

enum qr_status qr_move_size(const struct qr_move_options *options, uint64_t *ret_bytes,
                            struct qr_err *err)
{
    struct qri_remote remote;
    struct qr_logsvc_state state;
    struct qr_pages_meta meta;
    qri_remote_init(&remote, options);
    enum qr_status status = qri_remote_state(&remote, &state, err);
    if (status == QR_OK)
        status = qri_remote_meta(&remote, qr_lsn(state.commit_lsn), &meta, err);
    if (status == QR_OK)
        *ret_bytes = (uint64_t)meta.db_pages * QR_PAGE_BYTES_DEFAULT;
    qri_remote_done(&remote);
    return status;
}

/* ---- rounds ---- */

/* The log service hears how far behind we are, as of a replica: a primary that writes faster than
 * its changes can be brought is slowed down, so that this ends. Until free. */
static void tell_reader(struct qr_move_in *in, bool is_over)
{
    struct qr_logsvc_cursor cursor = {.timeline = in->options.timeline,
                                      .from_lsn = in->read_lsn,
                                      .reader_id = in->remote.holder,
                                      .kind = QR_READER_REPLICA,
                                      .applied_lsn = in->read_lsn};
    struct qr_logsvc_ask forget = {.timeline = in->options.timeline,
                                   .reader_id = in->remote.holder};
    struct qr_buf ask, reply;
    qr_buf_init(&ask, READ_BYTES);
    qr_buf_init(&reply, QR_RPC_BODY_BYTES_MAX);
    if (is_over)
        qr_logsvc_ask_put(&ask, &forget);
    else
        qr_logsvc_feed_put(&ask, &cursor, 1, 1, 0);
    struct iovec body = {ask.data, ask.len};
    if (qr_buf_status(&ask, NULL) == QR_OK) /* a reader that is not known slows nobody down */
        (void)!qr_rpc_call_wait(in->options.log_service,
                                is_over ? QR_LOGSVC_CALL_FORGET : QR_LOGSVC_CALL_FEED, &body, 1,
                                CALL_NS, &reply, NULL);
    qr_buf_done(&ask);
    qr_buf_done(&reply);
    in->is_reader = !is_over;
}

void qr_move_in_free(struct qr_move_in *in)
{
    if (in == NULL)
        return;
    if (in->is_reader)
        tell_reader(in, true);
    qr_archive_abandon(in->builder);
    qr_archive_close(in->archive);
    qri_changes_done(&in->changed);
    qri_changes_done(&in->last);
    qri_changes_done(&in->later);
    qri_scan_done(&in->scan);
    qri_remote_done(&in->remote);
    qr_buf_done(&in->counters);
    free(in);
}

static enum qr_status note(void *ctx, const struct qr_record *record, const uint8_t *bytes,
                           uint64_t lsn, struct qr_err *err)
{
    struct qr_move_in *in = ctx;
    (void)bytes;
    if (record->kind != QR_RECORD_DELTA && record->kind != QR_RECORD_IMAGE)
        return QR_OK;
    return qri_changes_add(lsn < in->point.lsn.v ? &in->changed : &in->later, record->page.page_no,
                           err);
}

static enum qr_status read_some(struct qr_move_in *in, struct qr_buf *body, size_t *ret_at,
                                struct qr_err *err)
{
    struct qr_logsvc_state state;
    int64_t until = qri_remote_until(&in->remote);
    enum qr_status status;
    do {
        qr_buf_clear(body);
        status = qr_logsvc_peer_read(in->options.log_service, &in->options.timeline, in->read_lsn,
                                     READ_BYTES, CALL_NS, body, ret_at, &state, err);
    } while (qri_remote_repeats(&in->remote, status, until));
    return status == QR_NOT_FOUND ? qr_fail(err, QR_GONE, "log was trimmed meanwhile") : status;
}

/* Which pages the log up to `until` changes. */
static enum qr_status read_log(struct qr_move_in *in, uint64_t until, struct qr_err *err)
{
    struct qr_buf body;
    enum qr_status status = QR_OK;
    bool more = true;
    qr_buf_init(&body, QR_RPC_BODY_BYTES_MAX);
    while (status == QR_OK && more && in->read_lsn < until) {
        size_t at = 0;
        status = qri_remote_check(&in->remote, err);
        if (status == QR_OK)
            status = read_some(in, &body, &at, err);
        more = at < body.len;
        while (status == QR_OK && at < body.len) {
            struct qr_piece piece;
            status = qr_piece_next(body.data, body.len, &at, &piece, err);
            if (status == QR_OK)
                status = qri_scan_piece(&in->scan, &piece, note, in, err);
            if (status == QR_OK)
                in->read_lsn = piece.first_lsn + piece.bytes;
        }
    }
    qr_buf_done(&body);
    return status;
}

enum qr_status qr_move_in_round(struct qr_move_in *in, struct qr_lsn *ret_lsn, uint64_t *ret_bytes,
                                struct qr_err *err)
{
    uint32_t pages[COPY_PAGES], at = 0, count;
    uint64_t before = in->read_lsn;
    qri_pace_begin(&in->remote.pace);
    tell_reader(in, false);
    QR_TRY(take_point(in, err));
    QR_TRY(read_log(in, in->point.lsn.v, err));
    qr_archive_build_point(in->builder, &in->point);
    qri_changes_done(&in->last);
    qri_changes_swap(&in->last, &in->changed);
    qri_changes_swap(&in->changed, &in->later);
    while ((count = qri_changes_next(&in->last, &at, in->point.pages, pages, COPY_PAGES)) > 0)
        QR_TRY(qri_remote_get(&in->remote, pages, count, in->point.lsn, build_page, in, err));
    QR_TRY(qr_archive_build_sync(in->builder, err));
    *ret_lsn = in->point.lsn;
    *ret_bytes = in->read_lsn - before;
    return QR_OK;
}

void qr_move_in_hurry(struct qr_move_in *in)
{
    qri_pace_end(&in->remote.pace);
}

enum qr_status qr_move_in_finish(struct qr_move_in *in, struct qr_err *err)
{
    struct qr_archive_builder *builder = in->builder;
    in->builder = NULL;
    return qr_archive_finish(builder, &in->counters, err);
}

static enum qr_status compare_page(void *ctx, uint32_t page_no, struct qr_lsn version,
                                   const uint8_t *page, uint32_t bytes, struct qr_err *err)
{
    struct qr_move_in *in = ctx;
    struct qr_lsn own = {0};
    QR_TRY(qr_archive_read(in->archive, page_no, in->page, &own, err));
    if (page == NULL || (bytes == sizeof in->page && own.v == version.v &&
                         memcmp(page, in->page, bytes - QR_PAGE_RESERVED_BYTES) == 0))
        return QR_OK;
    return qr_fail(err, QR_CORRUPT, "page %u of LSN %llu is not the same here", page_no,
                   (unsigned long long)version.v);
}

enum qr_status qr_move_in_check(struct qr_move_in *in, struct qr_store *store, struct qr_err *err)
{
    uint32_t pages[QRI_GET_PAGES], at = 0, count;
    QR_TRY(qr_archive_open(store, &in->archive, err));
    const struct qr_archive_point *point = qr_archive_point(in->archive);
    if (point->lsn.v != in->point.lsn.v || point->pages != in->point.pages ||
        point->commit_no != in->point.commit_no)
        return qr_fail(err, QR_CORRUPT,
                       "the database has %u pages at commit %llu here, %u at %llu there",
                       point->pages, (unsigned long long)point->commit_no, in->point.pages,
                       (unsigned long long)in->point.commit_no);
    while ((count = qri_changes_next(&in->last, &at, point->pages, pages, QRI_GET_PAGES)) > 0)
        QR_TRY(qri_remote_get(&in->remote, pages, count, in->point.lsn, compare_page, in, err));
    return QR_OK;
}
