/* test_damage.c - a page server whose storage is damaged, full, slow or gone: what can be served is
 * served and right, what cannot has a clear error, and nothing is lost once storage is well. */
#include <stdlib.h>
#include <string.h>
#include "blob/simblob.h"
#include "env/sim.h"
#include "qr_test.h"
#include "test_ring.h"
#include "world.h"

enum { EVERYTHING = 1000000 /* parts per million */ };

struct bed {
    struct qr_sim *sim;
    struct qr_blob *store, *blob; /* the directory; what fails in front of it */
    struct qr_pagesvc *svc;
    struct t_ring keys;
    struct world w;
    struct qr_slice_id id;
    bool compression_off;
};

static const struct qr_simblob_faults no_faults = {.refuse_ppm = 0};

static void open_service(struct bed *b, uint64_t open_layer_bytes)
{
    struct qr_env *env = qr_sim_env(b->sim);
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_blob_open(env, NULL, "file:///blobs", "", &b->store, &err) != QR_OK)
        fail_msg("%s", err.text);
    b->blob = qr_simblob_new(env, b->store, 1, &no_faults);
    struct qr_pagesvc_options options = {.env = env,
                                         .dir = "/layers",
                                         .blob = b->blob,
                                         .open_layer_bytes = open_layer_bytes,
                                         .fan_in = 4,
                                         .grace_ns = 1000,
                                         .compression_off = b->compression_off,
                                         .threads_off = true};
#ifdef QR_TEST_KEYS
    assert_int_equal(t_ring_open(&b->keys, env, b->blob), QR_OK);
    options.keyring = b->keys.ring;
#endif
    if (qr_pagesvc_open(&options, &b->svc, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static void close_service(struct bed *b)
{
    qr_pagesvc_close(QR_TAKE(b->svc));
    t_ring_close(&b->keys);
    qr_blob_close(QR_TAKE(b->blob));
    qr_blob_close(QR_TAKE(b->store));
}

static void make_bed(struct bed *b, int commits, uint64_t open_layer_bytes)
{
    *b = (struct bed){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 9})};
    open_service(b, open_layer_bytes);
    world_init(&b->w, 9, 1, 4096);
    for (int i = 0; i < commits; i++)
        world_commit(&b->w);
    b->id = (struct qr_slice_id){b->w.timeline, 0};
    assert_int_equal(
        qr_pagesvc_create(b->svc, &b->id, WORLD_PAGE_BYTES, qr_lsn(b->w.start_lsn), NULL), QR_OK);
}

static void free_bed(struct bed *b)
{
    close_service(b);
    world_done(&b->w);
    qr_sim_free(b->sim);
}

static void ingest_all(struct bed *b)
{
    while (world_feed(&b->w, NULL, 0, b->svc, &b->id, 20000))
        ;
}

static void work_until_done(struct bed *b)
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

static void check_now(struct bed *b)
{
    world_check(&b->w, b->svc, &b->id, &b->w.commits[b->w.commit_count - 1]);
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
    (void)err;
    a->status = status;
    a->done = true;
}

static void ask(struct bed *b, struct answer *a, uint32_t page, uint64_t since, int64_t deadline_ns)
{
    *a = (struct answer){.get = {.id = b->id,
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
static uint32_t count_right(struct bed *b)
{
    const struct world_commit *at = &b->w.commits[b->w.commit_count - 1];
    uint32_t right = 0;
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        struct answer a;
        ask(b, &a, page, at->lsn, 0);
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

/* --- layers --- */

struct flips {
    struct bed *bed;
    char folder[256];
    const char *part;
    uint64_t byte_from_middle;
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
    assert_int_equal(qr_env_open(qr_sim_env(f->bed->sim), path, QR_OPEN_READ, &file, NULL), QR_OK);
    assert_int_equal(qr_file_size(file, &bytes, NULL), QR_OK);
    qr_file_close(file);
    assert_int_equal(qr_sim_flip_bit(f->bed->sim, path, (bytes / 2 + f->byte_from_middle) * 8),
                     QR_OK);
    f->count++;
    return true;
}

static int flip_in(struct bed *b, const char *folder, const char *part, uint64_t shift)
{
    struct flips f = {.bed = b, .part = part, .byte_from_middle = shift};
    snprintf(f.folder, sizeof f.folder, "%s", folder);
    assert_int_equal(qr_env_list(qr_sim_env(b->sim), folder, flip_middle, &f, NULL), QR_OK);
    return f.count;
}

static const char objects[] = "/blobs/pages/01000000000000000000000000000000/0";

static void test_a_block_damaged_in_both_copies_costs_its_pages_only(void **state)
{
    (void)state;
    struct bed b;
    make_bed(&b, 3000, 4 << 20);
    ingest_all(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    assert_int_equal(flip_in(&b, "/layers", "-", 0), 1);
    assert_int_equal(count_right(&b), pages);                    /* mended from the blob store */
    assert_int_equal(flip_in(&b, objects, ".delta", 64 / 2), 1); /* behind the object's header */
    assert_int_equal(count_right(&b), pages);                    /* the local copy is good again */
    assert_int_equal(flip_in(&b, "/layers", "-", 0), 1);
    uint32_t right = count_right(&b);
    assert_true(right < pages);
    assert_true(right > pages / 2);
    /* The same when the local disk is lost, and when the service starts anew. */
    close_service(&b);
    assert_int_equal(flip_in(&b, "/layers", "-", 70000), 1);
    open_service(&b, 4 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    uint32_t again = count_right(&b);
    assert_true(again >= right && again < pages);
    /* And well again when the object is. */
    assert_int_equal(flip_in(&b, objects, ".delta", 64 / 2), 1);
    assert_int_equal(count_right(&b), pages);
    free_bed(&b);
}

static void test_a_page_in_several_damaged_layers_is_mended_at_once(void **state)
{
    (void)state;
    struct bed b;
    make_bed(&b, 300, 8192);
    ingest_all(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_true(flip_in(&b, "/layers", "-", 0) > 1);
    check_now(&b);
    free_bed(&b);
}

static uint64_t layer_bytes(struct bed *b)
{
    struct qr_pagesvc_stats stats;
    qr_pagesvc_get_stats(b->svc, &stats);
    return stats.flushed_bytes;
}

static void test_layers_with_and_without_compression_live_side_by_side(void **state)
{
    (void)state;
    struct bed b;
    uint64_t bytes[2];
    make_bed(&b, 2000, 1 << 20);
    ingest_all(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bytes[0] = layer_bytes(&b);
    free_bed(&b);
    make_bed(&b, 2000, 1 << 20);
    close_service(&b);
    b.compression_off = true;
    open_service(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    ingest_all(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bytes[1] = layer_bytes(&b);
    assert_true(bytes[0] < bytes[1] * 7 / 8);
    for (int i = 0; i < 6; i++) { /* the other way at every turn; merged into each other, too */
        close_service(&b);
        b.compression_off = i % 2 == 1;
        open_service(&b, 16384);
        assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
        for (int n = 0; n < 150; n++)
            world_commit(&b.w);
        ingest_all(&b);
        assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
        work_until_done(&b);
        check_now(&b);
        world_check(&b.w, b.svc, &b.id, &b.w.commits[1000]);
    }
    free_bed(&b);
}

/* --- the manifest --- */

static void test_a_damaged_manifest_is_named_and_hurts_its_slice_only(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    qr_err_reset(&err);
    make_bed(&b, 200, 8192);
    ingest_all(&b);
    struct qr_slice_id other = {{{7}}, 0};
    assert_int_equal(qr_pagesvc_create(b.svc, &other, WORLD_PAGE_BYTES, qr_lsn(4096), NULL), QR_OK);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    close_service(&b);
    assert_int_equal(flip_in(&b, objects, "manifest", 0), 1);
    open_service(&b, 8192);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_CORRUPT);
    assert_non_null(
        strstr(err.text, "manifest 'pages/01000000000000000000000000000000/0/manifest'"));
    assert_int_equal(qr_pagesvc_attach(b.svc, &other, &err), QR_OK);
    assert_int_equal(flip_in(&b, objects, "manifest", 0), 1);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_OK);
    check_now(&b);
    free_bed(&b);
}

/* --- storage that is full, or fails --- */

static void test_a_full_disk_stops_no_reader_and_work_goes_on_with_space(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    qr_err_reset(&err);
    make_bed(&b, 400, 8192);
    for (int i = 0; i < 3; i++)
        assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
    work_until_done(&b);
    qr_sim_disk_limit(b.sim, 1); /* below what is there: nothing more fits */
    ingest_all(&b);
    bool more;
    for (int i = 0; i < 5; i++)
        assert_int_equal(qr_pagesvc_work(b.svc, &more, &err), QR_FULL);
    check_now(&b);
    qr_sim_disk_limit(b.sim, 0);
    work_until_done(&b);
    check_now(&b);
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(b.svc, &b.id, &cursor));
    assert_true(cursor.disk.v > b.w.commits[200].lsn);
    free_bed(&b);
}

/* Each failure of the blob store for a while, in the middle of everything. */
static void test_whatever_the_blob_store_answers_pages_stay_right_and_nothing_is_lost(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct qr_simblob_faults faults;
        bool gone;
    } cases[] = {
        {"busy, failing, closed", {.refuse_ppm = EVERYTHING}, false},
        {"403", {.deny_ppm = EVERYTHING}, false},
        {"full", {.full_ppm = EVERYTHING}, false},
        {"every answer lost", {.lose_ppm = EVERYTHING}, false},
        {"half of the answers lost", {.lose_ppm = EVERYTHING / 2}, false},
        {"half refused", {.refuse_ppm = EVERYTHING / 2}, false},
        {"gone", {.refuse_ppm = 0}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bed b;
        int failed = 0;
        make_bed(&b, 400, 8192);
        for (int n = 0; n < 3; n++)
            assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
        work_until_done(&b);
        qr_simblob_set_faults(b.blob, &cases[i].faults);
        qr_simblob_set_gone(b.blob, cases[i].gone);
        for (int n = 0; n < 40; n++) {
            bool more;
            (void)world_feed(&b.w, NULL, 0, b.svc, &b.id, 4000);
            qr_sim_advance(b.sim, 2000);
            failed += qr_pagesvc_work(b.svc, &more, NULL) != QR_OK;
        }
        ingest_all(&b);
        check_now(&b); /* from memory and local copies */
        if (failed == 0)
            fail_msg("%s: nothing failed", cases[i].name);
        qr_simblob_set_faults(b.blob, &no_faults);
        qr_simblob_set_gone(b.blob, false);
        struct qr_err err;
        qr_err_reset(&err);
        if (qr_pagesvc_flush(b.svc, &b.id, &err) != QR_OK)
            fail_msg("%s: flush: %s", cases[i].name, err.text);
        work_until_done(&b);
        check_now(&b);
        close_service(&b); /* and from the blob store alone */
        open_service(&b, 8192);
        if (qr_pagesvc_attach(b.svc, &b.id, &err) != QR_OK)
            fail_msg("%s: attach: %s", cases[i].name, err.text);
        ingest_all(&b);
        check_now(&b);
        free_bed(&b);
    }
}

static void test_a_lost_answer_never_takes_a_manifest_from_another_server(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    bool more;
    qr_err_reset(&err);
    make_bed(&b, 400, 8192);
    for (int n = 0; n < 3; n++)
        assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
    qr_simblob_set_faults(b.blob, &(struct qr_simblob_faults){.lose_ppm = EVERYTHING});
    for (int n = 0; n < 10; n++)
        (void)!qr_pagesvc_work(b.svc, &more, NULL);
    qr_simblob_set_faults(b.blob, &no_faults);
    struct bed second = b; /* another server takes the slice meanwhile */
    struct qr_pagesvc_options options = {.env = qr_sim_env(b.sim),
                                         .dir = "/layers2",
                                         .blob = b.store,
                                         .keyring = b.keys.ring,
                                         .open_layer_bytes = 8192,
                                         .threads_off = true};
    second.svc = NULL;
    assert_int_equal(qr_pagesvc_open(&options, &second.svc, &err), QR_OK);
    assert_int_equal(qr_pagesvc_attach(second.svc, &b.id, &err), QR_OK);
    for (int n = 0; n < 8; n++)
        (void)!qr_pagesvc_work(b.svc, &more, NULL);
    struct qr_slice_cursor cursor;
    assert_false(qr_pagesvc_cursor(b.svc, &b.id, &cursor)); /* it has stopped serving it */
    ingest_all(&second);
    assert_int_equal(qr_pagesvc_flush(second.svc, &b.id, &err), QR_OK);
    check_now(&second);
    b.w = second.w;
    qr_pagesvc_close(second.svc);
    free_bed(&b);
}

/* --- log that does not come --- */

static void test_who_waits_for_log_that_does_not_come_is_answered_at_the_deadline(void **state)
{
    (void)state;
    struct bed b;
    make_bed(&b, 50, 1 << 20);
    ingest_all(&b);
    struct answer a, patient;
    uint64_t behind = b.w.end_lsn + 1000;
    int64_t now = qr_env_mono_ns(qr_sim_env(b.sim));
    ask(&b, &a, 1, behind, now + 5000000);
    ask(&b, &patient, 1, behind, now + 9000000);
    qr_sim_advance(b.sim, 4000000);
    qr_pagesvc_tick(b.svc);
    assert_false(a.done);
    qr_sim_set_wall(b.sim, 1); /* deadlines do not follow the wall clock */
    qr_pagesvc_tick(b.svc);
    assert_false(a.done);
    qr_sim_advance(b.sim, 2000000);
    qr_pagesvc_tick(b.svc);
    assert_true(a.done);
    assert_int_equal(a.status, QR_TIMEOUT);
    assert_false(patient.done);
    qr_sim_advance(b.sim, 9000000);
    qr_pagesvc_tick(b.svc);
    assert_int_equal(patient.status, QR_TIMEOUT);
    qr_buf_done(&a.buf);
    qr_buf_done(&patient.buf);
    check_now(&b);
    free_bed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_damaged_in_both_copies_costs_its_pages_only),
        cmocka_unit_test(test_a_page_in_several_damaged_layers_is_mended_at_once),
        cmocka_unit_test(test_layers_with_and_without_compression_live_side_by_side),
        cmocka_unit_test(test_a_damaged_manifest_is_named_and_hurts_its_slice_only),
        cmocka_unit_test(test_a_full_disk_stops_no_reader_and_work_goes_on_with_space),
        cmocka_unit_test(test_whatever_the_blob_store_answers_pages_stay_right_and_nothing_is_lost),
        cmocka_unit_test(test_a_lost_answer_never_takes_a_manifest_from_another_server),
        cmocka_unit_test(test_who_waits_for_log_that_does_not_come_is_answered_at_the_deadline),
    };
    return cmocka_run_group_tests_name("pagesvc/damage", tests, NULL, NULL);
}
