/* out.c - see move/move.h: to Hyperscale.
 *
 * The target's log begins with a group of our own that ends exactly at the LSN of the copied
 * commit: its epoch, all counters, a commit mark; so what follows are the source's own bytes at
 * their own LSNs. Pages come before any log: a timeline that has log has all pages. */
#include <stdlib.h>
#include <string.h>
#include "logsvc/peer.h"
#include "move_int.h"
#include "store/archive.h"
#include "base/banned.h"

enum {
    APPEND_BYTES = 512 << 10,
    READ_BYTES = 4 << 20,
    IMPORT_PAGES = 256,
    ENTRY_BYTES = 8 + QR_PAGE_BYTES_DEFAULT
};
static const int64_t APPEND_NS = INT64_C(10000000000);

struct qr_move_out {
    struct qr_move_options options;
    struct qri_remote remote;
    struct qr_store *store;
    struct qr_archive *archive; /* whose pages are being copied, or compared */
    struct qri_scan scan;
    struct qr_lsn read_lsn; /* the source's log was read up to here */
    uint64_t epoch;         /* of the target */
    bool begins_epoch;      /* the next append does */
    struct qr_buf chunk;    /* whole records, to be appended at chunk_lsn */
    uint64_t chunk_lsn, chunk_commit_lsn, chunk_commit_wall_ns;
    struct qr_lsn until;               /* the round's commit */
    struct qri_changes changed, later; /* by log up to there; by log behind it */
    uint8_t *pages;                    /* room for one call's */
};

uint32_t qr_move_slices(uint64_t data_bytes)
{
    return (uint32_t)(data_bytes / QR_SLICE_BYTES) + 1;
}

static uint64_t log_end(void *ctx, uint64_t known)
{
    (void)known;
    return qr_store_durable_lsn(((struct qr_move_out *)ctx)->store).v;
}

enum qr_status qr_move_out_new(const struct qr_move_options *options, struct qr_store *store,
                               struct qr_move_out **ret_out, struct qr_err *err)
{
    if (qr_store_page_bytes(store) != QR_PAGE_BYTES_DEFAULT)
        return qr_fail(err, QR_UNSUPPORTED, "pages of %u bytes do not move",
                       qr_store_page_bytes(store));
    struct qr_move_out *out = calloc(1, sizeof *out);
    if (out == NULL)
        return qr_fail(err, QR_NOMEM, "move a database");
    out->options = *options;
    out->store = store;
    qri_remote_init(&out->remote, &out->options);
    out->remote.pace.log_end = log_end;
    out->remote.pace.ctx = out;
    qri_scan_init(&out->scan);
    qr_buf_init(&out->chunk, 2 * APPEND_BYTES + QR_RECORD_BYTES_MAX);
    out->pages = malloc((size_t)3 * IMPORT_PAGES * ENTRY_BYTES);
    if (out->pages == NULL) {
        qr_move_out_free(out);
        return qr_fail(err, QR_NOMEM, "move a database");
    }
    qr_archive_keep_log(store, true);
    *ret_out = out;
    return QR_OK;
}

void qr_move_out_free(struct qr_move_out *out)
{
    if (out == NULL)
        return;
    qr_archive_keep_log(out->store, false);
    qr_archive_close(out->archive);
    qri_changes_done(&out->changed);
    qri_changes_done(&out->later);
    qri_scan_done(&out->scan);
    qri_remote_done(&out->remote);
    qr_buf_done(&out->chunk);
    free(out->pages);
    free(out);
}

/* ---- the target's log ---- */

static enum qr_status fence(struct qr_move_out *out, uint64_t epoch, struct qr_err *err)
{
    struct qr_logsvc_change c = {.kind = QR_LOGSVC_FENCE,
                                 .timeline = out->options.timeline,
                                 .epoch = epoch,
                                 .holder = out->remote.holder,
                                 .force = true};
    int64_t until = qri_remote_until(&out->remote);
    enum qr_status status;
    do
        status = qr_logsvc_peer_change(out->options.log_service, &c, APPEND_NS, err);
    while (qri_remote_repeats(&out->remote, status, until));
    if (status == QR_OK)
        out->epoch = epoch;
    return status;
}

static void appended(struct qr_logsvc_append *append)
{
    (void)append; /* who waits looks */
}

/* What has been gathered; the answer may be lost, and the same again is no second one. */
static enum qr_status append_chunk(struct qr_move_out *out, struct qr_err *err)
{
    int64_t until = qri_remote_until(&out->remote);
    enum qr_status status = QR_OK;
    struct qr_logsvc_peer_append x;
    if (out->chunk.len == 0)
        return QR_OK;
    do {
        x = (struct qr_logsvc_peer_append){.append = {.timeline = out->options.timeline,
                                                      .epoch = out->epoch,
                                                      .first_lsn = out->chunk_lsn,
                                                      .bytes = out->chunk.data,
                                                      .byte_count = (uint32_t)out->chunk.len,
                                                      .new_epoch = out->begins_epoch,
                                                      .commit_lsn = out->chunk_commit_lsn,
                                                      .commit_wall_ns = out->chunk_commit_wall_ns,
                                                      .done = appended},
                                           .timeout_ns = APPEND_NS};
        qr_logsvc_peer_append(out->options.log_service, &x);
        qr_rpc_wait(out->options.log_service, &x.call);
        status = x.append.status;
    } while (qri_remote_repeats(&out->remote, status, until));
    if (status != QR_OK)
        return qr_fail(err, status, "append log at LSN %llu: %s",
                       (unsigned long long)out->chunk_lsn,
                       x.append.why == NULL ? "" : x.append.why);
    if (x.append.throttle.delay_us > 0)
        qr_env_sleep_ns(out->remote.env, x.append.throttle.delay_us * INT64_C(1000));
    out->begins_epoch = false;
    out->chunk_lsn += out->chunk.len;
    out->chunk_commit_lsn = 0;
    qr_buf_clear(&out->chunk);
    qri_pace_rest(&out->remote.pace);
    return qri_remote_check(&out->remote, err);
}

static enum qr_status gather(void *ctx, const struct qr_record *record, const uint8_t *bytes,
                             uint64_t lsn, struct qr_err *err)
{
    struct qr_move_out *out = ctx;
    if (out->chunk.len > 0 && out->chunk.len + record->bytes > APPEND_BYTES)
        QR_TRY(append_chunk(out, err));
    if (out->chunk.len == 0)
        out->chunk_lsn = lsn;
    qr_buf_add(&out->chunk, bytes, record->bytes);
    if (record->kind == QR_RECORD_COMMIT) {
        out->chunk_commit_lsn = lsn + record->bytes;
        out->chunk_commit_wall_ns = record->commit.wall_ns;
    }
    if (record->kind == QR_RECORD_DELTA || record->kind == QR_RECORD_IMAGE)
        QR_TRY(qri_changes_add(lsn < out->until.v ? &out->changed : &out->later,
                               record->page.page_no, err));
    return qr_buf_status(&out->chunk, err);
}

static enum qr_status take_piece(struct qr_move_out *out, const struct qr_piece *piece,
                                 struct qr_err *err)
{
    if ((piece->flags & QR_PIECE_NEW_EPOCH) != 0) {
        QR_TRY(append_chunk(out, err));
        if (piece->epoch > out->epoch)
            QR_TRY(fence(out, piece->epoch, err));
        out->begins_epoch = true;
    }
    return qri_scan_piece(&out->scan, piece, gather, out, err);
}

/* Log up to `until` at least, which is durable. */
static enum qr_status follow(struct qr_move_out *out, struct qr_lsn until, struct qr_err *err)
{
    struct qr_buf pieces;
    enum qr_status status = QR_OK;
    qr_buf_init(&pieces, 4 * READ_BYTES);
    while (status == QR_OK && out->read_lsn.v < until.v) {
        struct qr_lsn end = out->read_lsn;
        qr_buf_clear(&pieces);
        status = qr_archive_log(out->store, out->read_lsn, READ_BYTES, &pieces, &end, err);
        if (status == QR_NOT_FOUND)
            status = qr_fail(err, QR_GONE, "log at LSN %llu is not kept any more",
                             (unsigned long long)out->read_lsn.v);
        for (size_t at = 0; status == QR_OK && at < pieces.len;) {
            struct qr_piece piece;
            status = qr_piece_next(pieces.data, pieces.len, &at, &piece, err);
            if (status == QR_OK)
                status = take_piece(out, &piece, err);
        }
        if (status == QR_OK)
            out->read_lsn = end;
    }
    qr_buf_done(&pieces);
    return status == QR_OK ? append_chunk(out, err) : status;
}

/* ---- the copy ---- */

static enum qr_status create(struct qr_move_out *out, uint64_t start_lsn, uint32_t pages,
                             struct qr_err *err)
{
    struct qr_logsvc_change c = {
        .kind = QR_LOGSVC_CREATE, .timeline = out->options.timeline, .start_lsn = start_lsn};
    uint32_t slices = qr_move_slices((uint64_t)pages * QR_PAGE_BYTES_DEFAULT);
    int64_t until = qri_remote_until(&out->remote);
    enum qr_status status;
    if (slices < out->options.slices)
        slices = out->options.slices;
    do
        status = qr_logsvc_peer_change(out->options.log_service, &c, APPEND_NS, err);
    while (qri_remote_repeats(&out->remote, status, until));
    for (uint32_t no = 0; status == QR_OK && no < slices; no++) {
        struct qr_slice_id id = {out->options.timeline, no};
        do
            status = qr_pages_create(out->options.pages, &id, QR_PAGE_BYTES_DEFAULT,
                                     qr_lsn(start_lsn), err);
        while (qri_remote_repeats(&out->remote, status, until));
    }
    return qr_wrap(err, status, "make the timeline");
}

/* Some pages on their way: while they are taken the next ones are read. */
struct flight {
    struct qr_rpc_call call;
    uint8_t header[QR_PAGES_IMPORT_HEADER_BYTES];
    bool flies;
    enum qr_status status;
    struct qr_err err;
    uint32_t sum; /* of a part's end */
};

static void landed(struct qr_rpc_call *call, const struct qr_rpc_reply *reply)
{
    struct flight *f = (struct flight *)(void *)call;
    f->status = reply->status;
    if (reply->status != QR_OK && reply->err != NULL)
        f->err = *reply->err;
    if (reply->status == QR_OK && reply->bytes == sizeof f->sum)
        f->sum = (uint32_t)reply->body[0] | (uint32_t)reply->body[1] << 8 |
                 (uint32_t)reply->body[2] << 16 | (uint32_t)reply->body[3] << 24;
}

static enum qr_status land(struct qr_move_out *out, struct flight *f, struct qr_err *err)
{
    if (!f->flies)
        return QR_OK;
    qr_rpc_wait(out->options.pages, &f->call);
    f->flies = false;
    if (f->status != QR_OK && err != NULL)
        *err = f->err;
    return f->status;
}

static void fly(struct qr_move_out *out, struct flight *f, const struct qr_pages_import *import)
{
    uint32_t slice = (uint32_t)(import->first_page / (QR_SLICE_BYTES / QR_PAGE_BYTES_DEFAULT));
    *f = (struct flight){.flies = true};
    qr_pages_import_encode(&(struct qr_slice_id){out->options.timeline, slice}, import, f->header);
    f->call.method = QR_PAGES_IMPORT;
    f->call.body[0] = (struct iovec){f->header, sizeof f->header};
    f->call.body[1] = (struct iovec){(uint8_t *)import->pages, import->bytes};
    f->call.body_count = 2;
    f->call.timeout_ns = 6 * APPEND_NS;
    f->call.done = landed;
    qr_rpc_start(out->options.pages, &f->call);
}

/* A part whose last pages are on their way: its layer is made while the next part is read. */
struct part_end {
    struct flight flight;
    uint32_t first, last, sum;
};

static enum qr_status land_end(struct qr_move_out *out, struct part_end *end, struct qr_err *err)
{
    if (!end->flight.flies)
        return QR_OK;
    QR_TRY(land(out, &end->flight, err));
    if (end->flight.sum != end->sum)
        return qr_fail(err, QR_CONFLICT, "pages %u to %u are not what was sent", end->first,
                       end->last);
    return QR_OK;
}

/* Some pages from import->first_page on, into `room`. */
static enum qr_status read_pages(struct qr_move_out *out, struct qr_pages_import *import,
                                 uint32_t last, uint8_t *room, uint32_t *sum, struct qr_err *err)
{
    uint8_t *p = room;
    import->pages = room;
    QR_TRY(qri_remote_check(&out->remote, err));
    for (uint32_t page = import->first_page; import->count < IMPORT_PAGES && page <= last; page++) {
        struct qr_lsn version = {0};
        QR_TRY(qr_archive_read(out->archive, page, p + 8, &version, err));
        for (int i = 0; i < 8; i++)
            p[i] = (uint8_t)(version.v >> 8 * i);
        *sum = qr_pages_import_sum(*sum, page, version, p + 8, QR_PAGE_BYTES_DEFAULT);
        import->count += 1;
        p += ENTRY_BYTES;
    }
    import->bytes = (size_t)(p - room);
    return QR_OK;
}

/* Pages first to last, which are one part, or the begin of one. Its end lands later. */
static enum qr_status import_part(struct qr_move_out *out, uint32_t first, uint32_t last,
                                  struct part_end *end, struct qr_err *err)
{
    const size_t room_bytes = (size_t)IMPORT_PAGES * ENTRY_BYTES;
    struct flight flight = {.flies = false};
    uint32_t sum = 0, turn = 0;
    enum qr_status status = QR_OK;
    for (uint32_t page = first; status == QR_OK && page <= last; turn ^= 1) {
        bool ends = last - page < IMPORT_PAGES;
        struct qr_pages_import import = {.lsn = qr_archive_point(out->archive)->lsn,
                                         .first_page = page,
                                         .begins = page == first,
                                         .ends = ends};
        if (ends) /* its room is that of the end before */
            status = land_end(out, end, err);
        if (status == QR_OK)
            status = read_pages(out, &import, last, out->pages + (ends ? 2 : turn) * room_bytes,
                                &sum, err);
        enum qr_status before = land(out, &flight, status == QR_OK ? err : NULL);
        status = status == QR_OK ? before : status;
        if (status == QR_OK)
            qri_pace_rest(&out->remote.pace);
        if (status == QR_OK)
            fly(out, ends ? &end->flight : &flight, &import);
        page += import.count;
    }
    end->first = first;
    end->last = last;
    end->sum = sum;
    return status;
}

static void show(struct qr_move_out *out, uint64_t done, uint32_t pages)
{
    if (out->options.progress != NULL)
        out->options.progress(out->options.ctx, done * QR_PAGE_BYTES_DEFAULT,
                              (uint64_t)pages * QR_PAGE_BYTES_DEFAULT);
}

/* From the part at `*at` on, which moves behind what is surely there. */
static enum qr_status import_from(struct qr_move_out *out, uint64_t *at, struct qr_err *err)
{
    uint32_t pages = qr_archive_point(out->archive)->pages;
    struct part_end end = {.first = 0};
    enum qr_status status = QR_OK;
    for (uint64_t next = *at; status == QR_OK && next <= pages; next += QR_PAGES_PART) {
        uint32_t first = next == 0 ? 1 : (uint32_t)next;
        uint32_t last =
            next + QR_PAGES_PART - 1 < pages ? (uint32_t)next + QR_PAGES_PART - 1 : pages;
        show(out, first - 1, pages);
        status = import_part(out, first, last, &end, err);
        if (status == QR_OK)
            *at = next; /* all parts before this one have landed */
    }
    enum qr_status landed_status = land_end(out, &end, status == QR_OK ? err : NULL);
    return status == QR_OK ? landed_status : status;
}

static enum qr_status import_pages(struct qr_move_out *out, struct qr_err *err)
{
    int64_t until = qri_remote_until(&out->remote);
    uint64_t at = 0;
    enum qr_status status;
    do
        status = import_from(out, &at, err);
    while (qri_remote_repeats(&out->remote, status == QR_CONFLICT ? QR_BUSY : status, until));
    return qr_wrap(err, status, "copy pages");
}

/* The group that makes the target a database as of the copied commit. */
static enum qr_status build_seed(struct qr_move_out *out, uint64_t start_lsn, struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(out->archive);
    const struct qr_buf *counters = qr_archive_counters(out->archive);
    qr_buf_clear(&out->chunk);
    qr_record_add_epoch(&out->chunk, point->epoch, start_lsn, point->commit_wall_ns);
    qr_buf_add(&out->chunk, counters->data, counters->len);
    qr_record_add_commit(&out->chunk, point->pages, 0, point->commit_wall_ns, point->commit_no);
    return qr_buf_status(&out->chunk, err);
}

static enum qr_status copy(struct qr_move_out *out, struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(out->archive);
    QR_TRY(build_seed(out, 0, err));
    if (point->lsn.v <= out->chunk.len)
        return qr_fail(err, QR_UNSUPPORTED, "a database of LSN %llu is too young to move",
                       (unsigned long long)point->lsn.v);
    uint64_t start_lsn = point->lsn.v - out->chunk.len;
    QR_TRY(create(out, start_lsn, point->pages, err));
    QR_TRY(import_pages(out, err));
    QR_TRY(fence(out, point->epoch, err));
    QR_TRY(build_seed(out, start_lsn, err));
    out->begins_epoch = true;
    out->chunk_lsn = start_lsn;
    out->chunk_commit_lsn = point->lsn.v;
    out->chunk_commit_wall_ns = point->commit_wall_ns;
    out->read_lsn = point->lsn;
    return append_chunk(out, err);
}

/* All pages are there; of those that changed meanwhile nobody knows any more which. */
static enum qr_status go_on(struct qr_move_out *out, const struct qr_logsvc_state *state,
                            struct qr_err *err)
{
    struct qr_store_stats stats;
    qr_store_get_stats(out->store, &stats);
    out->epoch = state->epoch;
    out->read_lsn = qr_lsn(state->hardened_lsn);
    return qri_changes_add_all(&out->changed, (uint32_t)(stats.data_bytes / QR_PAGE_BYTES_DEFAULT),
                               err);
}

enum qr_status qr_move_out_copy(struct qr_move_out *out, struct qr_err *err)
{
    struct qr_logsvc_state state;
    enum qr_status status = qri_remote_state(&out->remote, &state, err);
    if (status == QR_OK && state.hardened_lsn == state.start_lsn)
        return qr_fail(err, QR_GONE, "an earlier copy was not finished");
    if (status == QR_OK)
        return go_on(out, &state, err);
    if (status != QR_NOT_FOUND)
        return status;
    QR_TRY(qr_archive_open(out->store, &out->archive, err));
    qri_pace_begin(&out->remote.pace);
    status = copy(out, err);
    qr_archive_close(out->archive);
    out->archive = NULL;
    return status;
}

/* ---- rounds ---- */

static enum qr_status compare_page(void *ctx, uint32_t page_no, struct qr_lsn version,
                                   const uint8_t *page, uint32_t bytes, struct qr_err *err)
{
    struct qr_move_out *out = ctx;
    struct qr_lsn own = {0};
    QR_TRY(qr_archive_read(out->archive, page_no, out->pages, &own, err));
    if (page != NULL && bytes == QR_PAGE_BYTES_DEFAULT && own.v == version.v &&
        memcmp(page, out->pages, QR_PAGE_BYTES_DEFAULT - QR_PAGE_RESERVED_BYTES) == 0)
        return QR_OK;
    return qr_fail(err, QR_CORRUPT, "page %u of LSN %llu is not the same there", page_no,
                   (unsigned long long)own.v);
}

static enum qr_status compare(struct qr_move_out *out, const struct qri_changes *changed,
                              struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(out->archive);
    uint32_t pages[QRI_GET_PAGES], at = 0, count;
    struct qr_pages_meta meta;
    QR_TRY(qri_remote_meta(&out->remote, point->lsn, &meta, err));
    if (meta.lsn.v != point->lsn.v || meta.db_pages != point->pages ||
        meta.commit_no != point->commit_no)
        return qr_fail(err, QR_CORRUPT,
                       "the database has %u pages at commit %llu there, %u at %llu here",
                       meta.db_pages, (unsigned long long)meta.commit_no, point->pages,
                       (unsigned long long)point->commit_no);
    while ((count = qri_changes_next(changed, &at, point->pages, pages, QRI_GET_PAGES)) > 0)
        QR_TRY(qri_remote_get(&out->remote, pages, count, point->lsn, compare_page, out, err));
    return QR_OK;
}

enum qr_status qr_move_out_round(struct qr_move_out *out, struct qr_lsn *ret_lsn,
                                 uint64_t *ret_bytes, struct qr_err *err)
{
    struct qri_changes changed = {NULL, 0};
    uint64_t before = out->read_lsn.v;
    qri_pace_begin(&out->remote.pace);
    QR_TRY(qr_archive_open(out->store, &out->archive, err));
    struct qr_lsn lsn = qr_archive_point(out->archive)->lsn;
    out->until = lsn;
    enum qr_status status = follow(out, lsn, err);
    qri_changes_swap(&changed, &out->changed);
    qri_changes_swap(&out->changed, &out->later);
    if (status == QR_OK)
        status = compare(out, &changed, err);
    qri_changes_done(&changed);
    qr_archive_close(out->archive);
    out->archive = NULL;
    if (status == QR_OK) {
        *ret_lsn = lsn;
        *ret_bytes = out->read_lsn.v - before;
    }
    return status;
}

void qr_move_out_hurry(struct qr_move_out *out)
{
    qri_pace_end(&out->remote.pace);
}
