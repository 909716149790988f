/* test_damage.c - a page server whose storage is damaged, full, slow or gone: what can be served is
 * served and right, what cannot has a clear error, and nothing is lost once storage is well. */
#include <stdlib.h>
#include <string.h>
#include "bed.h"
#include "blob/backend.h"
#include "env/sim.h"
#include "qr_test.h"

enum { EVERYTHING = 1000000 /* parts per million */ };

/* --- layers --- */

static void test_a_block_damaged_in_both_copies_costs_its_pages_only(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, true, 3000, 4 << 20);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    assert_int_equal(bed_flip(&b, "/layers", "-", 0), 1);
    assert_int_equal(bed_count_right(&b), pages); /* mended from the blob store */
    assert_int_equal(bed_flip(&b, bed_objects, ".delta", 64 / 2),
                     1);                          /* behind the object's header */
    assert_int_equal(bed_count_right(&b), pages); /* the local copy is good again */
    assert_int_equal(bed_flip(&b, "/layers", "-", 0), 1);
    uint32_t right = bed_count_right(&b);
    assert_true(right < pages);
    assert_true(right > pages / 2);
    /* The same when the local disk is lost, and when the service starts anew. */
    bed_close(&b);
    assert_int_equal(bed_flip(&b, "/layers", "-", 70000), 1);
    bed_open(&b, 4 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    uint32_t again = bed_count_right(&b);
    assert_true(again >= right && again < pages);
    /* And well again when the object is. */
    assert_int_equal(bed_flip(&b, bed_objects, ".delta", 64 / 2), 1);
    assert_int_equal(bed_count_right(&b), pages);
    bed_free(&b);
}

static void test_a_page_in_several_damaged_layers_is_mended_at_once(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, true, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_true(bed_flip(&b, "/layers", "-", 0) > 1);
    bed_check(&b);
    bed_free(&b);
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
    bed_make(&b, BED_REMOTE, 2000, 1 << 20);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bytes[0] = layer_bytes(&b);
    bed_free(&b);
    bed_make(&b, BED_REMOTE, 2000, 1 << 20);
    bed_close(&b);
    b.compression_off = true;
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bytes[1] = layer_bytes(&b);
    assert_true(bytes[0] < bytes[1] * 7 / 8);
    for (int i = 0; i < 6; i++) { /* the other way at every turn; merged into each other, too */
        bed_close(&b);
        b.compression_off = i % 2 == 1;
        bed_open(&b, 16384);
        assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
        for (int n = 0; n < 150; n++)
            world_commit(&b.w);
        bed_ingest(&b);
        assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
        bed_work(&b);
        bed_check(&b);
        world_check(&b.w, b.svc, &b.id, &b.w.commits[1000]);
    }
    bed_free(&b);
}

/* --- the manifest --- */

static void test_a_damaged_manifest_is_named_and_hurts_its_slice_only(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    qr_err_reset(&err);
    bed_make(&b, BED_REMOTE, 200, 8192);
    bed_ingest(&b);
    struct qr_slice_id other = {{{7}}, 0};
    assert_int_equal(qr_pagesvc_create(b.svc, &other, WORLD_PAGE_BYTES, qr_lsn(4096), NULL), QR_OK);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bed_close(&b);
    assert_int_equal(bed_flip(&b, bed_objects, "manifest", 0), 2); /* and its copy */
    bed_open(&b, 8192);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_CORRUPT);
    assert_non_null(
        strstr(err.text, "manifest 'pages/01000000000000000000000000000000/0/manifest'"));
    assert_int_equal(qr_pagesvc_attach(b.svc, &other, &err), QR_OK);
    assert_int_equal(bed_flip(&b, bed_objects, "manifest", 0), 2);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_OK);
    bed_check(&b);
    bed_free(&b);
}

/* Its pins and all else. The object's own header (8) and its bytes (64 on), and no object at all.
 */
static void test_a_manifest_is_mended_from_its_copy(void **state)
{
    (void)state;
    struct qr_timeline pin = {{9}}, late = {{8}};
    for (int way = 0; way < 3; way++) {
        struct bed b;
        struct qr_err err;
        qr_err_reset(&err);
        bed_make(&b, BED_REMOTE, 300, 8192);
        bed_ingest(&b);
        bed_work(&b);
        const struct world_commit *kept = &b.w.commits[150];
        struct qr_lsn end = qr_lsn(b.w.end_lsn);
        assert_int_equal(qr_pagesvc_pin(b.svc, &b.id, &pin, qr_lsn(kept->lsn), NULL), QR_OK);
        assert_int_equal(qr_pagesvc_set_horizon(b.svc, &b.id, end, NULL), QR_OK);
        bed_work(&b);
        bed_close(&b);
        int64_t at = way == 0 ? 8 : 64 + 50;
        assert_int_equal(way == 2 ? bed_remove(&b, bed_objects, "manifest~")
                                  : bed_flip_at(&b, bed_objects, "manifest~", at),
                         1);
        for (int turn = 0; turn < 2; turn++) { /* then both are whole again, or the copy is not */
            bed_open(&b, 8192);
            if (qr_pagesvc_attach(b.svc, &b.id, &err) != QR_OK)
                fail_msg("way %d: %s", way, err.text);
            bed_ingest(&b);
            bed_check(&b);
            world_check(&b.w, b.svc, &b.id, kept);
            assert_int_equal(qr_pagesvc_pin(b.svc, &b.id, &late, qr_lsn(kept->lsn), NULL), QR_OK);
            bed_work(&b);
            bed_close(&b);
            assert_int_equal(bed_flip_at(&b, bed_objects, "manifest.copy", at), 1);
        }
        bed_free(&b);
    }
}

/* Who can neither look at it nor replace it is attached anew, as the feed does with what is broken.
 */
static void test_a_manifest_damaged_while_it_is_served_is_mended_by_attaching_anew(void **state)
{
    (void)state;
    struct bed b;
    struct qr_slice_cursor cursor;
    struct qr_err err;
    qr_err_reset(&err);
    bed_make(&b, BED_REMOTE, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(bed_flip_at(&b, bed_objects, "manifest~", 8), 1);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_CORRUPT);
    assert_true(qr_pagesvc_cursor(b.svc, &b.id, &cursor));
    assert_true(cursor.is_broken);
    qr_pagesvc_detach(b.svc, &b.id);
    if (qr_pagesvc_attach(b.svc, &b.id, &err) != QR_OK)
        fail_msg("attach: %s", err.text);
    bed_ingest(&b);
    bed_work(&b);
    bed_check(&b);
    bed_free(&b);
}

/* A pin that was promised is in both; what the copy names is not deleted. */
static void test_a_copy_that_cannot_be_written_holds_up_pins_and_deletes_nothing(void **state)
{
    (void)state;
    struct bed b;
    struct qr_timeline pin = {{9}};
    bed_make(&b, BED_REMOTE, 300, 8192);
    bed_ingest(&b);
    bed_work(&b);
    bed_close(&b);
    /* an object of that name which is leased: only this one's puts fail */
    char name[] = "pages/01000000000000000000000000000000/0/manifest.copy";
    struct qr_blob_tag lease;
    bed_open(&b, 8192);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_ingest(&b);
    assert_int_equal(qr_blob_lease(b.store, name, QR_BLOB_LEASE_S_MAX, "", &lease, NULL), QR_OK);
    struct qr_lsn lsn = qr_lsn(b.w.commits[200].lsn);
    assert_int_equal(qr_pagesvc_pin(b.svc, &b.id, &pin, lsn, NULL), QR_LOCKED);
    assert_int_equal(qr_pagesvc_pin(b.svc, &b.id, &pin, lsn, NULL), QR_LOCKED);
    assert_int_equal(qr_blob_release(b.store, name, lease.z, NULL), QR_OK);
    assert_int_equal(qr_pagesvc_pin(b.svc, &b.id, &pin, lsn, NULL), QR_OK);
    bed_work(&b);
    bed_check(&b);
    bed_close(&b);
    assert_int_equal(bed_remove(&b, bed_objects, "manifest~"), 1);
    bed_open(&b, 8192);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(qr_pagesvc_set_horizon(b.svc, &b.id, qr_lsn(b.w.end_lsn), NULL), QR_OK);
    bed_work(&b);
    bed_ingest(&b);
    world_check(&b.w, b.svc, &b.id, &b.w.commits[200]);
    bed_free(&b);
}

static const char copy_name[] = "pages/01000000000000000000000000000000/0/manifest.copy";

/* As a crash between the two leaves it, at any of several changes: log comes again, and what was
 * written since under other names is not taken for the truth. */
static void test_a_copy_that_is_behind_is_gone_on_from_once_the_manifest_is_damaged(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct bed b;
        struct qr_err err;
        struct qr_blob_tag lease;
        bool more;
        qr_err_reset(&err);
        bed_make(&b, BED_REMOTE, 600, 8192);
        for (int n = 0; n < 10; n++)
            assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
        bed_work(&b);
        assert_int_equal(qr_blob_lease(b.store, copy_name, QR_BLOB_LEASE_S_MAX, "", &lease, NULL),
                         QR_OK);
        bed_ingest(&b);
        for (int n = 0; n < 5 + 30 * way;
             n++) /* flushes, then merges, then images; none collected */
            (void)!qr_pagesvc_work(b.svc, &more, NULL);
        bed_close(&b);
        assert_int_equal(qr_blob_open(qr_sim_env(b.sim), NULL, "file:///blobs", "", &b.store, NULL),
                         QR_OK);
        assert_int_equal(qr_blob_release(b.store, copy_name, lease.z, NULL), QR_OK);
        qr_blob_close(b.store);
        assert_int_equal(bed_flip_at(&b, bed_objects, "manifest~", 8), 1);
        for (int turn = 0; turn < 3; turn++) {
            bed_open(&b, 8192);
            if (qr_pagesvc_attach(b.svc, &b.id, &err) != QR_OK)
                fail_msg("attach: %s", err.text);
            bed_ingest(&b);
            bed_work(&b);
            bed_check(&b);
            world_check(&b.w, b.svc, &b.id, &b.w.commits[20]);
            world_check(&b.w, b.svc, &b.id, &b.w.commits[500]);
            bed_close(&b);
        }
        bed_open(&b, 8192);
        bed_free(&b);
    }
}

/* A slice whose manifest is missing is no new one. */
static void test_making_a_slice_whose_manifest_is_missing_puts_it_back(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, BED_REMOTE, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bed_close(&b);
    assert_int_equal(bed_remove(&b, bed_objects, "manifest~"), 1);
    bed_open(&b, 8192);
    assert_int_equal(qr_pagesvc_create(b.svc, &b.id, WORLD_PAGE_BYTES, qr_lsn(b.w.start_lsn), NULL),
                     QR_OK);
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(b.svc, &b.id, &cursor));
    assert_true(cursor.disk.v > b.w.start_lsn);
    bed_check(&b);
    bed_free(&b);
}

/* --- two servers mend one manifest --- */

static struct {
    struct qr_blob_ops ops;
    const struct qr_blob_ops *under;
    struct qr_pagesvc *second;
    struct qr_slice_id id;
} meanwhile;

static enum qr_status get_and_be_late(struct qr_blob *blob, const char *name, uint64_t offset,
                                      size_t count, struct qr_buf *buf, struct qr_blob_tag *ret_tag,
                                      struct qr_err *err)
{
    enum qr_status status = meanwhile.under->get(blob, name, offset, count, buf, ret_tag, err);
    struct qr_pagesvc *second = meanwhile.second;
    if (second != NULL && strcmp(name, copy_name) == 0) {
        meanwhile.second = NULL;
        assert_int_equal(qr_pagesvc_attach(second, &meanwhile.id, NULL), QR_OK);
    }
    return status;
}

static void test_who_is_late_with_a_copy_does_not_put_it_over_anothers_manifest(void **state)
{
    (void)state;
    struct bed b;
    struct qr_timeline pin = {{9}};
    bed_make(&b, BED_REMOTE, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bed_close(&b);
    assert_int_equal(bed_flip_at(&b, bed_objects, "manifest~", 64 + 50), 1);
    bed_open(&b, 8192);
    struct qr_pagesvc_options options = {.env = qr_sim_env(b.sim),
                                         .dir = "/layers2",
                                         .blob = b.store,
                                         .keyring = b.keys.ring,
                                         .open_layer_bytes = 8192,
                                         .threads_off = true};
    struct qr_pagesvc *second = NULL;
    assert_int_equal(qr_pagesvc_open(&options, &second, NULL), QR_OK);
    meanwhile.under = b.store->ops;
    meanwhile.ops = *b.store->ops;
    meanwhile.ops.get = get_and_be_late;
    meanwhile.second = second;
    meanwhile.id = b.id;
    b.store->ops = &meanwhile.ops;
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_CONFLICT);
    assert_null(meanwhile.second);
    struct qr_lsn lsn = qr_lsn(b.w.commits[200].lsn);
    assert_int_equal(qr_pagesvc_pin(second, &b.id, &pin, lsn, NULL), QR_OK);
    b.store->ops = meanwhile.under;
    qr_pagesvc_close(second);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_ingest(&b);
    bed_check(&b);
    bed_free(&b);
}

/* --- storage that is full, or fails --- */

static void test_a_full_disk_stops_no_reader_and_work_goes_on_with_space(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    qr_err_reset(&err);
    bed_make(&b, BED_REMOTE, 400, 8192);
    for (int i = 0; i < 3; i++)
        assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
    bed_work(&b);
    qr_sim_disk_limit(b.sim, 1); /* below what is there: nothing more fits */
    bed_ingest(&b);
    bool more;
    for (int i = 0; i < 5; i++)
        assert_int_equal(qr_pagesvc_work(b.svc, &more, &err), QR_FULL);
    bed_check(&b);
    qr_sim_disk_limit(b.sim, 0);
    bed_work(&b);
    bed_check(&b);
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(b.svc, &b.id, &cursor));
    assert_true(cursor.disk.v > b.w.commits[200].lsn);
    bed_free(&b);
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
        bed_make(&b, BED_REMOTE, 400, 8192);
        for (int n = 0; n < 3; n++)
            assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
        bed_work(&b);
        qr_simblob_set_faults(b.blob, &cases[i].faults);
        qr_simblob_set_gone(b.blob, cases[i].gone);
        for (int n = 0; n < 40; n++) {
            bool more;
            (void)world_feed(&b.w, NULL, 0, b.svc, &b.id, 4000);
            qr_sim_advance(b.sim, 2000);
            failed += qr_pagesvc_work(b.svc, &more, NULL) != QR_OK;
        }
        bed_ingest(&b);
        bed_check(&b); /* from memory and local copies */
        if (failed == 0)
            fail_msg("%s: nothing failed", cases[i].name);
        qr_simblob_set_faults(b.blob, &bed_no_faults);
        qr_simblob_set_gone(b.blob, false);
        struct qr_err err;
        qr_err_reset(&err);
        if (qr_pagesvc_flush(b.svc, &b.id, &err) != QR_OK)
            fail_msg("%s: flush: %s", cases[i].name, err.text);
        bed_work(&b);
        bed_check(&b);
        bed_close(&b); /* and from the blob store alone */
        bed_open(&b, 8192);
        if (qr_pagesvc_attach(b.svc, &b.id, &err) != QR_OK)
            fail_msg("%s: attach: %s", cases[i].name, err.text);
        bed_ingest(&b);
        bed_check(&b);
        bed_free(&b);
    }
}

static void test_a_lost_answer_never_takes_a_manifest_from_another_server(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    bool more;
    qr_err_reset(&err);
    bed_make(&b, BED_REMOTE, 400, 8192);
    for (int n = 0; n < 3; n++)
        assert_true(world_feed(&b.w, NULL, 0, b.svc, &b.id, 9000));
    qr_simblob_set_faults(b.blob, &(struct qr_simblob_faults){.lose_ppm = EVERYTHING});
    for (int n = 0; n < 10; n++)
        (void)!qr_pagesvc_work(b.svc, &more, NULL);
    qr_simblob_set_faults(b.blob, &bed_no_faults);
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
    bed_ingest(&second);
    assert_int_equal(qr_pagesvc_flush(second.svc, &b.id, &err), QR_OK);
    bed_check(&second);
    b.w = second.w;
    qr_pagesvc_close(second.svc);
    bed_free(&b);
}

/* --- log that does not come --- */

static void test_who_waits_for_log_that_does_not_come_is_answered_at_the_deadline(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, BED_REMOTE, 50, 1 << 20);
    bed_ingest(&b);
    struct bed_answer a, patient;
    uint64_t behind = b.w.end_lsn + 1000;
    int64_t now = qr_env_mono_ns(qr_sim_env(b.sim));
    bed_ask(&b, &a, 1, behind, now + 5000000);
    bed_ask(&b, &patient, 1, behind, now + 9000000);
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
    bed_check(&b);
    bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_damaged_in_both_copies_costs_its_pages_only),
        cmocka_unit_test(test_a_page_in_several_damaged_layers_is_mended_at_once),
        cmocka_unit_test(test_layers_with_and_without_compression_live_side_by_side),
        cmocka_unit_test(test_a_damaged_manifest_is_named_and_hurts_its_slice_only),
        cmocka_unit_test(test_a_manifest_is_mended_from_its_copy),
        cmocka_unit_test(test_a_manifest_damaged_while_it_is_served_is_mended_by_attaching_anew),
        cmocka_unit_test(test_a_copy_that_cannot_be_written_holds_up_pins_and_deletes_nothing),
        cmocka_unit_test(test_a_copy_that_is_behind_is_gone_on_from_once_the_manifest_is_damaged),
        cmocka_unit_test(test_making_a_slice_whose_manifest_is_missing_puts_it_back),
        cmocka_unit_test(test_who_is_late_with_a_copy_does_not_put_it_over_anothers_manifest),
        cmocka_unit_test(test_a_full_disk_stops_no_reader_and_work_goes_on_with_space),
        cmocka_unit_test(test_whatever_the_blob_store_answers_pages_stay_right_and_nothing_is_lost),
        cmocka_unit_test(test_a_lost_answer_never_takes_a_manifest_from_another_server),
        cmocka_unit_test(test_who_waits_for_log_that_does_not_come_is_answered_at_the_deadline),
    };
    return cmocka_run_group_tests_name("pagesvc/damage", tests, NULL, NULL);
}
