/* world.c - see world.h */
#include "world.h"
#include <stdlib.h>
#include "qr_test.h"
#include "base/endian.h"
#include "page/record.h"

enum { IMAGES_MAX = 1 << 15 };

uint64_t world_random(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

void world_init(struct world *w, uint64_t seed, uint8_t name, uint64_t start_lsn)
{
    *w = (struct world){.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1,
                        .timeline = {{name}},
                        .start_lsn = start_lsn,
                        .end_lsn = start_lsn,
                        .image_count = 1};
    qr_buf_init(&w->log, 1 << 30);
    w->commits = calloc(WORLD_COMMITS_MAX, sizeof *w->commits);
    w->images = calloc(IMAGES_MAX, sizeof *w->images);
    w->image_lsn = calloc(IMAGES_MAX, sizeof *w->image_lsn);
    w->next.counter = -1;
    w->next.lsn = start_lsn;
    world_new_epoch(w);
}

void world_branch(struct world *w, const struct world *parent, size_t commit_index, uint8_t name,
                  uint64_t start_lsn)
{
    const struct world_commit *at = &parent->commits[commit_index];
    world_init(w, parent->random + name, name, start_lsn);
    memcpy(w->images, parent->images, parent->image_count * sizeof *w->images);
    memcpy(w->image_lsn, parent->image_lsn, parent->image_count * sizeof *w->image_lsn);
    w->image_count = parent->image_count;
    uint64_t epoch = w->next.epoch;
    w->next = *at;
    w->next.epoch = epoch;
    w->commits[w->commit_count++] = *at;
}

void world_done(struct world *w)
{
    qr_buf_done(&w->log);
    free(w->commits);
    free(w->images);
    free(w->image_lsn);
}

/* What was appended to the log is the last piece's. */
static void note_log(struct world *w)
{
    w->end_lsn = w->start_lsn + w->log.len;
    w->pieces[w->piece_count - 1].end = w->end_lsn;
}

struct change {
    uint32_t page, version;
};

static void change_page(struct world *w, uint32_t page, struct change *ret_change)
{
    assert_true(w->image_count < IMAGES_MAX);
    uint32_t old = page <= w->next.db_pages ? w->next.version[page] : 0, now = w->image_count++;
    memcpy(w->images[now], w->images[old], WORLD_PAGE_BYTES);
    for (uint64_t n = 1 + world_random(w) % 20; n > 0; n--)
        w->images[now][world_random(w) % (WORLD_PAGE_BYTES - QR_PAGE_RESERVED_BYTES)] =
            (uint8_t)(1 + world_random(w) % 255);
    size_t before = w->log.len;
    qr_record_add_page(&w->log, page, old == 0 ? NULL : w->images[old], w->images[now],
                       WORLD_PAGE_BYTES);
    if (w->log.len == before) /* by chance nothing changed */
        now = old;
    *ret_change = (struct change){page, now};
}

/* Records of some pages; returns how many. */
static uint32_t add_pages(struct world *w, struct change *changes, uint32_t *ret_db_pages)
{
    uint32_t count = 0, db_pages = w->next.db_pages;
    for (uint64_t n = 1 + world_random(w) % 6; n > 0; n--) {
        uint32_t page = 1 + (uint32_t)(world_random(w) % WORLD_PAGES_MAX);
        if (page > db_pages)
            page = db_pages < WORLD_PAGES_MAX ? db_pages + 1 : WORLD_PAGES_MAX;
        bool twice = false;
        for (uint32_t i = 0; i < count; i++)
            twice = twice || changes[i].page == page;
        if (twice)
            continue;
        change_page(w, page, &changes[count++]);
        if (page > db_pages)
            db_pages = page;
    }
    *ret_db_pages = db_pages;
    return count;
}

void world_commit(struct world *w)
{
    struct change changes[8];
    uint32_t db_pages;
    int64_t counter = -1;
    if (world_random(w) % 8 == 0) {
        counter = (int64_t)(world_random(w) % 1000);
        qr_record_add_counter(&w->log, 7, counter);
    }
    uint32_t count = add_pages(w, changes, &db_pages);
    uint64_t commit_no = w->next.commit_no + 1;
    qr_record_add_commit(&w->log, db_pages, count, commit_no * 1000, commit_no);
    note_log(w);
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i].version != w->next.version[changes[i].page])
            w->image_lsn[changes[i].version] = w->end_lsn;
        w->next.version[changes[i].page] = changes[i].version;
    }
    w->next.lsn = w->end_lsn;
    w->next.db_pages = db_pages;
    w->next.commit_no = commit_no;
    if (counter >= 0)
        w->next.counter = counter;
    assert_true(w->commit_count < WORLD_COMMITS_MAX);
    w->commits[w->commit_count++] = w->next;
}

void world_new_epoch(struct world *w)
{
    if (w->epoch > 0) { /* a group that is cut off, in the middle of a record even */
        struct change changes[8];
        uint32_t db_pages;
        size_t before = w->log.len;
        if (world_random(w) % 2 == 0)
            qr_record_add_counter(&w->log, 7, 123456);
        add_pages(w, changes, &db_pages);
        w->log.len = before + world_random(w) % (w->log.len - before + 1);
        note_log(w);
        if (world_random(w) % 2 == 0) { /* the new epoch jumps */
            qr_buf_fill(&w->log, 0, 1 + world_random(w) % 5000);
            w->end_lsn = w->start_lsn + w->log.len;
        }
    }
    w->epoch++;
    assert_true(w->piece_count < WORLD_PIECES_MAX);
    w->pieces[w->piece_count++] =
        (struct world_piece){.first = w->end_lsn, .end = w->end_lsn, .epoch = w->epoch};
    qr_record_add_epoch(&w->log, w->epoch, w->next.lsn, 0);
    w->next.epoch = w->epoch;
    note_log(w);
}

bool world_feed(struct world *w, struct world **ancestors, size_t ancestor_count,
                struct qr_pagesvc *svc, const struct qr_slice_id *id, size_t bytes_max)
{
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(svc, id, &cursor));
    struct world *from = w;
    for (size_t i = 0; i < ancestor_count; i++) {
        if (qr_timeline_eq(&ancestors[i]->timeline, &cursor.source))
            from = ancestors[i];
    }
    assert_true(qr_timeline_eq(&from->timeline, &cursor.source));
    for (size_t i = 0; i < from->piece_count; i++) {
        struct world_piece piece = from->pieces[i];
        if (piece.end <= cursor.next.v)
            continue;
        uint64_t first = piece.first < cursor.next.v ? cursor.next.v : piece.first;
        uint64_t again = world_random(w) % 3 == 0 ? world_random(w) % 100 : 0;
        if (again > first - piece.first)
            again = first - piece.first;
        size_t count = piece.end - first;
        if (count > bytes_max)
            count = 1 + world_random(w) % bytes_max;
        first -= again;
        struct qr_err err;
        qr_err_reset(&err);
        enum qr_status status =
            qr_pagesvc_ingest(svc, id, &cursor.source, piece.epoch, qr_lsn(first),
                              from->log.data + (first - from->start_lsn), count + again, &err);
        if (status != QR_OK)
            fail_msg("ingest: %s", err.text);
        return true;
    }
    return false;
}

struct answer {
    struct qr_page_get get; /* first */
    struct qr_buf buf;
    enum qr_status status;
    bool done;
};

static void answered(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    struct answer *a = (struct answer *)(void *)get;
    if (status != QR_OK && status != QR_NOT_FOUND)
        print_message("get page %u: %s\n", get->page_no, err->text);
    a->status = status;
    a->done = true;
}

static void ask(struct answer *a, struct qr_pagesvc *svc, const struct qr_slice_id *id,
                uint32_t page_no, uint64_t lsn)
{
    *a = (struct answer){.get = {.id = *id,
                                 .page_no = page_no,
                                 .not_modified_since = qr_lsn(lsn),
                                 .lsn = qr_lsn(lsn),
                                 .done = answered}};
    qr_buf_init(&a->buf, 1 << 20);
    a->get.dst = &a->buf;
    qr_pagesvc_get(svc, &a->get);
    assert_true(a->done);
}

static void check_page(const struct world *w, struct qr_pagesvc *svc, const struct qr_slice_id *id,
                       const struct world_commit *at, uint32_t page)
{
    struct answer a;
    ask(&a, svc, id, page, at->lsn);
    if (at->version[page] == 0) {
        assert_int_equal(a.status, QR_NOT_FOUND);
    } else {
        assert_int_equal(a.status, QR_OK);
        assert_int_equal(a.get.version.v, w->image_lsn[at->version[page]]);
        assert_int_equal(a.buf.len, WORLD_PAGE_BYTES);
        if (memcmp(a.buf.data, w->images[at->version[page]], WORLD_PAGE_BYTES) != 0) /* fast */
            assert_memory_equal(a.buf.data, w->images[at->version[page]], WORLD_PAGE_BYTES);
    }
    qr_buf_done(&a.buf);
}

void world_check(const struct world *w, struct qr_pagesvc *svc, const struct qr_slice_id *id,
                 const struct world_commit *at)
{
    for (uint32_t page = 1; page <= WORLD_PAGES_MAX; page++)
        check_page(w, svc, id, at, page);
    struct answer a;
    ask(&a, svc, id, 0, at->lsn);
    assert_int_equal(a.status, QR_OK);
    assert_int_equal(qr_get64le(a.buf.data), at->lsn);
    assert_int_equal(qr_get64le(a.buf.data + 16), at->commit_no);
    assert_int_equal(qr_get32le(a.buf.data + 24), at->db_pages);
    assert_int_equal(qr_get64le(a.buf.data + 36), at->counter >= 0 ? 1 : 0);
    if (at->counter >= 0)
        assert_int_equal(qr_get64le(a.buf.data + 52), at->counter);
    qr_buf_done(&a.buf);
}
