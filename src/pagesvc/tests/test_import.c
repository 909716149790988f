/* Goal: a slice whose pages came from elsewhere is as one that made them from log. Method: pages of
 * one commit of a world are imported, a seed group and the rest of the world's log follow; the
 * model knows every page at every later commit, before and behind a restart. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "blob/blob.h"
#include "env/sim.h"
#include "page/record.h"
#include "qr_test.h"
#include "world.h"

enum { ENTRY_BYTES = 8 + WORLD_PAGE_BYTES };

struct bed {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_pagesvc *svc;
    struct world w;
    struct qr_slice_id id;
};

static void open_service(struct bed *b)
{
    struct qr_env *env = qr_sim_env(b->sim);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blobs", "", &b->blob, NULL), QR_OK);
    struct qr_pagesvc_options options = {
        .env = env, .dir = "/layers", .blob = b->blob, .threads_off = true};
    assert_int_equal(qr_pagesvc_open(&options, &b->svc, NULL), QR_OK);
}

static void close_service(struct bed *b)
{
    qr_pagesvc_close(b->svc);
    qr_blob_close(b->blob);
}

static void init_bed(struct bed *b)
{
    *b = (struct bed){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 3})};
    open_service(b);
    world_init(&b->w, 3, 1, 1 << 20);
    for (int i = 0; i < 60; i++)
        world_commit(&b->w);
    b->id = (struct qr_slice_id){b->w.timeline, 0};
}

static void done_bed(struct bed *b)
{
    close_service(b);
    world_done(&b->w);
    qr_sim_free(b->sim);
}

/* Pages as of that commit, in calls of `step`. */
static uint32_t import_all(struct bed *b, const struct world_commit *at, uint32_t step)
{
    uint8_t *room = calloc(WORLD_PAGES_MAX, ENTRY_BYTES);
    uint32_t want = 0, sum = 0;
    for (uint32_t page = 1; page <= at->db_pages; page += step) {
        struct qr_pages_import import = {.lsn = qr_lsn(at->lsn),
                                         .first_page = page,
                                         .begins = page == 1,
                                         .ends = page + step > at->db_pages,
                                         .pages = room};
        for (uint32_t p = page; p < page + step && p <= at->db_pages; p++, import.count++) {
            uint32_t image = at->version[p];
            uint8_t *entry = room + import.count * ENTRY_BYTES;
            memset(entry, 0, ENTRY_BYTES);
            uint64_t version = image == 0 ? at->lsn : b->w.image_lsn[image];
            qr_put64le(entry, version);
            if (image != 0)
                memcpy(entry + 8, b->w.images[image], WORLD_PAGE_BYTES);
            want = qr_pages_import_sum(want, p, qr_lsn(version), entry + 8, WORLD_PAGE_BYTES);
        }
        import.bytes = (size_t)import.count * ENTRY_BYTES;
        assert_int_equal(qr_pagesvc_import(b->svc, &b->id, &import, &sum, NULL), QR_OK);
    }
    free(room);
    assert_int_equal(sum, want);
    return sum;
}

static struct qr_buf seed_of(const struct world_commit *at, uint64_t start_lsn)
{
    struct qr_buf seed;
    qr_buf_init(&seed, 4096);
    qr_record_add_epoch(&seed, at->epoch, start_lsn, 1);
    if (at->counter >= 0)
        qr_record_add_counter(&seed, 7, at->counter);
    qr_record_add_commit(&seed, at->db_pages, 0, 1, at->commit_no);
    return seed;
}

static void test_pages_from_elsewhere_are_as_those_made_from_log(void **state)
{
    struct bed b;
    (void)state;
    init_bed(&b);
    const struct world_commit *at = &b.w.commits[30], *last = &b.w.commits[b.w.commit_count - 1];
    struct qr_buf measure = seed_of(at, 0);
    uint64_t start_lsn = at->lsn - measure.len;
    struct qr_buf seed = seed_of(at, start_lsn);
    assert_int_equal(qr_pagesvc_create(b.svc, &b.id, WORLD_PAGE_BYTES, qr_lsn(start_lsn), NULL),
                     QR_OK);
    uint32_t sum = import_all(&b, at, 7);
    assert_int_equal(import_all(&b, at, 64), sum); /* again is no harm */
    assert_int_equal(qr_pagesvc_ingest(b.svc, &b.id, &b.w.timeline, at->epoch, qr_lsn(start_lsn),
                                       seed.data, seed.len, NULL),
                     QR_OK);
    world_check(&b.w, b.svc, &b.id, at);
    while (world_feed(&b.w, NULL, 0, b.svc, &b.id, 3000))
        ;
    world_check(&b.w, b.svc, &b.id, at);
    world_check(&b.w, b.svc, &b.id, last);
    /* a restart before anything of the log is in a layer begins with it again */
    close_service(&b);
    open_service(&b);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(qr_pagesvc_ingest(b.svc, &b.id, &b.w.timeline, at->epoch, qr_lsn(start_lsn),
                                       seed.data, seed.len, NULL),
                     QR_OK);
    while (world_feed(&b.w, NULL, 0, b.svc, &b.id, 3000))
        ;
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    close_service(&b);
    open_service(&b);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    world_check(&b.w, b.svc, &b.id, at);
    world_check(&b.w, b.svc, &b.id, last);
    qr_buf_done(&measure);
    qr_buf_done(&seed);
    done_bed(&b);
}

static void test_what_does_not_follow_is_refused(void **state)
{
    struct bed b;
    uint8_t *room = calloc(2, ENTRY_BYTES);
    uint32_t sum = 0;
    (void)state;
    init_bed(&b);
    assert_int_equal(qr_pagesvc_create(b.svc, &b.id, WORLD_PAGE_BYTES, qr_lsn(100), NULL), QR_OK);
    struct qr_pages_import import = {.lsn = qr_lsn(200), .pages = room, .bytes = ENTRY_BYTES};
    import.count = 1;
    import.first_page = 2;
    import.begins = true;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_INVALID);
    import.begins = false;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_CONFLICT);
    import.first_page = 1;
    import.begins = true;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_OK);
    import.first_page = 3; /* 2 is missing */
    import.begins = false;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_CONFLICT);
    import.first_page = 2; /* and what there was is forgotten */
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_CONFLICT);
    import.first_page = 1;
    import.begins = true;
    import.bytes -= 1;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_PROTOCOL);
    import.bytes += 1;
    qr_put64le(room, 201); /* a version behind the commit */
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_INVALID);
    import.lsn = qr_lsn(50); /* before the slice begins */
    qr_put64le(room, 1);
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_INVALID);
    import.lsn = qr_lsn(200);
    import.count = UINT32_MAX; /* no such number of bytes */
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_PROTOCOL);
    b.id.no = 5;
    assert_int_equal(qr_pagesvc_import(b.svc, &b.id, &import, &sum, NULL), QR_NOT_FOUND);
    free(room);
    done_bed(&b);
}

static enum qr_status no_log(void *ctx, const struct qr_timeline *source, uint64_t from_lsn,
                             size_t bytes_max, struct qr_buf *buf, size_t *ret_pieces_at,
                             uint64_t *ret_start_lsn, struct qr_err *err)
{
    (void)ctx, (void)source, (void)from_lsn, (void)bytes_max;
    (void)buf, (void)ret_pieces_at, (void)ret_start_lsn;
    return qr_fail(err, QR_NOT_FOUND, "this log is not kept");
}

static bool flip_image(void *arg, const char *name)
{
    struct bed *b = arg;
    char path[300];
    snprintf(path, sizeof path, "/blobs/pages/%032d/0/%s", 0, name);
    path[13] = '0', path[14] = '1';
    if (strstr(name, ".image") != NULL)
        assert_int_equal(qr_sim_flip_bit(b->sim, path, (64 + 300) * 8), QR_OK);
    return true;
}

static void got(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)err;
    get->mend_no = status; /* ours again */
    get->next = get;
}

/* They are nowhere else, so they are not taken for pages that were never written; and they are in
 * the manifest's copy before they are there for the one who sent them. */
static void test_imported_pages_are_not_lost_without_a_word(void **state)
{
    struct bed b;
    (void)state;
    init_bed(&b);
    close_service(&b);
    struct qr_env *env = qr_sim_env(b.sim);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blobs", "", &b.blob, NULL), QR_OK);
    struct qr_pagesvc_options options = {
        .env = env, .dir = "/layers", .blob = b.blob, .read_log = no_log, .threads_off = true};
    assert_int_equal(qr_pagesvc_open(&options, &b.svc, NULL), QR_OK);
    const struct world_commit *at = &b.w.commits[30];
    struct qr_buf measure = seed_of(at, 0);
    uint64_t start_lsn = at->lsn - measure.len;
    struct qr_buf seed = seed_of(at, start_lsn);
    assert_int_equal(qr_pagesvc_create(b.svc, &b.id, WORLD_PAGE_BYTES, qr_lsn(start_lsn), NULL),
                     QR_OK);
    (void)import_all(&b, at, 64);
    assert_int_equal(qr_pagesvc_ingest(b.svc, &b.id, &b.w.timeline, at->epoch, qr_lsn(start_lsn),
                                       seed.data, seed.len, NULL),
                     QR_OK);
    while (world_feed(&b.w, NULL, 0, b.svc, &b.id, 3000))
        ;
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(
        qr_env_list(env, "/blobs/pages/01000000000000000000000000000000/0", flip_image, &b, NULL),
        QR_OK);
    int damaged = 0;
    bool more;
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        struct qr_buf buf;
        qr_buf_init(&buf, WORLD_PAGE_BYTES);
        struct qr_page_get get = {
            .id = b.id, .page_no = page, .lsn = qr_lsn(at->lsn), .dst = &buf, .done = got};
        qr_pagesvc_get(b.svc, &get);
        for (int i = 0; i < 5 && get.next != &get; i++)
            (void)!qr_pagesvc_work(b.svc, &more, NULL);
        assert_ptr_equal(get.next, &get);
        damaged += get.mend_no == QR_CORRUPT;
        if (get.mend_no == QR_OK)
            assert_memory_equal(buf.data, b.w.images[at->version[page]], WORLD_PAGE_BYTES);
        else
            assert_int_equal(get.mend_no, QR_CORRUPT);
        qr_buf_done(&buf);
    }
    assert_true(damaged > 0);
    qr_buf_done(&measure);
    qr_buf_done(&seed);
    done_bed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_from_elsewhere_are_as_those_made_from_log),
        cmocka_unit_test(test_imported_pages_are_not_lost_without_a_word),
        cmocka_unit_test(test_what_does_not_follow_is_refused),
    };
    return cmocka_run_group_tests_name("pagesvc/import", tests, NULL, NULL);
}
