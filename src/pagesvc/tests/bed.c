/* bed.c - see bed.h */
#include "bed.h"
#include <stdlib.h>
#include <string.h>
#include "env/sim.h"
#include "logsvc/piece.h"
#include "qr_test.h"

const struct qr_simblob_faults bed_no_faults = {.refuse_ppm = 0};

/* As the log service answers. */
static enum qr_status read_log(void *ctx, const struct qr_timeline *source, uint64_t from_lsn,
                               size_t bytes_max, struct qr_buf *buf, size_t *ret_pieces_at,
                               uint64_t *ret_start_lsn, struct qr_err *err)
{
    const struct bed *b = ctx;
    const struct world *w = &b->w;
    size_t last_at = SIZE_MAX;
    if (!b->keeps_log || from_lsn < b->log_first_lsn || !qr_timeline_eq(source, &w->timeline))
        return qr_fail(err, QR_NOT_FOUND, "this log is not kept");
    for (size_t i = 0; i < w->piece_count && bytes_max > 0; i++) {
        struct world_piece p = w->pieces[i];
        if (p.end <= from_lsn)
            continue;
        uint64_t first = p.first < from_lsn ? from_lsn : p.first;
        size_t count = p.end - first < 9000 ? p.end - first : 9000;
        qr_piece_add(buf, &last_at,
                     &(struct qr_piece){.first_lsn = first,
                                        .epoch = p.epoch,
                                        .bytes = (uint32_t)count,
                                        .flags = first == p.first ? QR_PIECE_NEW_EPOCH : 0,
                                        .data = w->log.data + (first - w->start_lsn)});
        break;
    }
    *ret_pieces_at = 0;
    *ret_start_lsn = w->start_lsn;
    return qr_buf_status(buf, err);
}

void bed_open(struct bed *b, uint64_t open_layer_bytes)
{
    struct qr_env *env = qr_sim_env(b->sim);
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_blob_open(env, NULL, "file:///blobs", "", &b->store, &err) != QR_OK)
        fail_msg("%s", err.text);
    b->blob = qr_simblob_new(env, b->store, 1, &bed_no_faults);
    qr_simblob_set_remote(b->blob, b->remote);
    struct qr_pagesvc_options options = {.env = env,
                                         .dir = "/layers",
                                         .blob = b->blob,
                                         .open_layer_bytes = open_layer_bytes,
                                         .fan_in = 4,
                                         .grace_ns = 1000,
                                         .compression_off = b->compression_off,
                                         .read_log = b->keeps_log ? read_log : NULL,
                                         .read_log_ctx = b,
                                         .threads_off = true};
#ifdef QR_TEST_KEYS
    assert_int_equal(t_ring_open(&b->keys, env, b->blob), QR_OK);
    options.keyring = b->keys.ring;
#endif
    if (qr_pagesvc_open(&options, &b->svc, &err) != QR_OK)
        fail_msg("%s", err.text);
}

void bed_close(struct bed *b)
{
    qr_pagesvc_close(QR_TAKE(b->svc));
    t_ring_close(&b->keys);
    qr_blob_close(QR_TAKE(b->blob));
    qr_blob_close(QR_TAKE(b->store));
}

void bed_make(struct bed *b, bool remote, int commits, uint64_t open_layer_bytes)
{
    *b = (struct bed){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 9}), .remote = remote};
    bed_open(b, open_layer_bytes);
    world_init(&b->w, 9, 1, 4096);
    for (int i = 0; i < commits; i++)
        world_commit(&b->w);
    b->id = (struct qr_slice_id){b->w.timeline, 0};
    assert_int_equal(
        qr_pagesvc_create(b->svc, &b->id, WORLD_PAGE_BYTES, qr_lsn(b->w.start_lsn), NULL), QR_OK);
}

void bed_free(struct bed *b)
{
    bed_close(b);
    world_done(&b->w);
    qr_sim_free(b->sim);
}

void bed_ingest(struct bed *b)
{
    while (world_feed(&b->w, NULL, 0, b->svc, &b->id, 20000))
        ;
}

void bed_work_once(struct bed *b)
{
    bool more;
    struct qr_err err;
    qr_err_reset(&err);
    qr_sim_advance(b->sim, 2000);
    if (qr_pagesvc_work(b->svc, &more, &err) != QR_OK)
        fail_msg("work: %s", err.text);
}

void bed_work(struct bed *b)
{
    bool more = true;
    struct qr_err err;
    qr_err_reset(&err);
    for (int i = 0; i < 1000 && more; i++) {
        qr_sim_advance(b->sim, 2000);
        if (qr_pagesvc_work(b->svc, &more, &err) != QR_OK)
            fail_msg("work: %s", err.text);
    }
    assert_false(more);
}

void bed_check(struct bed *b)
{
    world_check(&b->w, b->svc, &b->id, &b->w.commits[b->w.commit_count - 1]);
}

static void answered(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    struct bed_answer *a = (struct bed_answer *)(void *)get;
    (void)err;
    a->status = status;
    a->done = true;
}

void bed_ask(struct bed *b, struct bed_answer *a, uint32_t page, uint64_t since,
             int64_t deadline_ns)
{
    *a = (struct bed_answer){.get = {.id = b->id,
                                     .page_no = page,
                                     .not_modified_since = qr_lsn(since),
                                     .lsn = qr_lsn(UINT64_MAX / 2),
                                     .deadline_mono_ns = deadline_ns,
                                     .done = answered}};
    qr_buf_init(&a->buf, 1 << 20);
    a->get.dst = &a->buf;
    qr_pagesvc_get(b->svc, &a->get);
}

/* How many pages of the last commit are right; every other must be QR_CORRUPT. */
uint32_t bed_count_right(struct bed *b)
{
    const struct world_commit *at = &b->w.commits[b->w.commit_count - 1];
    uint32_t right = 0;
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        struct bed_answer a;
        bed_ask(b, &a, page, at->lsn, 0);
        assert_true(a.done);
        if (a.status == QR_OK) {
            assert_memory_equal(a.buf.data, b->w.images[at->version[page]], WORLD_PAGE_BYTES);
            right++;
        } else {
            assert_int_equal(a.status, QR_CORRUPT);
            assert_int_equal(a.buf.len, 0);
        }
        qr_buf_done(&a.buf);
    }
    return right;
}

/* --- damage --- */

struct flips {
    struct bed *bed;
    char folder[256];
    const char *part;
    uint64_t byte_from_middle;
    int64_t at;
    bool has_at, removes;
    int count;
};

static bool flip_middle(void *arg, const char *name)
{
    struct flips *f = arg;
    char path[600];
    uint64_t bytes = 0;
    struct qr_file *file = NULL;
    if (strstr(name, f->part) == NULL)
        return true;
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    f->count++;
    if (f->removes) {
        assert_int_equal(qr_env_unlink(qr_sim_env(f->bed->sim), path, NULL), QR_OK);
        return true;
    }
    assert_int_equal(qr_env_open(qr_sim_env(f->bed->sim), path, QR_OPEN_READ, &file, NULL), QR_OK);
    assert_int_equal(qr_file_size(file, &bytes, NULL), QR_OK);
    qr_file_close(file);
    uint64_t at = bytes / 2 + f->byte_from_middle;
    if (f->has_at)
        at = f->at < 0 ? bytes - (uint64_t)-f->at : (uint64_t)f->at;
    assert_int_equal(qr_sim_flip_bit(f->bed->sim, path, at * 8), QR_OK);
    return true;
}

static int each_file(struct bed *b, const char *folder, struct flips *f)
{
    f->bed = b;
    snprintf(f->folder, sizeof f->folder, "%s", folder);
    assert_int_equal(qr_env_list(qr_sim_env(b->sim), folder, flip_middle, f, NULL), QR_OK);
    return f->count;
}

int bed_remove(struct bed *b, const char *folder, const char *part)
{
    return each_file(b, folder, &(struct flips){.part = part, .removes = true});
}

int bed_flip_at(struct bed *b, const char *folder, const char *part, int64_t at)
{
    return each_file(b, folder, &(struct flips){.part = part, .has_at = true, .at = at});
}

int bed_flip(struct bed *b, const char *folder, const char *part, uint64_t shift)
{
    return each_file(b, folder, &(struct flips){.part = part, .byte_from_middle = shift});
}

const char bed_objects[] = "/blobs/pages/01000000000000000000000000000000/0";
