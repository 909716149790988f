/* test_faults.c - every I/O fails once, power goes at every I/O: what was ingested before is there
 * again from layers and log, and damage is found. */
#include <stdlib.h>
#include <string.h>
#include "blob/simblob.h"
#include "env/sim.h"
#include "qr_test.h"
#include "test_ring.h"
#include "world.h"

struct bed {
    struct qr_sim *sim;
    struct qr_blob *store, *blob;
    struct qr_pagesvc *svc;
    struct t_ring keys;
    bool files; /* the blob store's objects are files here */
};
#ifdef QR_TEST_REMOTE
enum { FILES = false };
#else
enum { FILES = true };
#endif

static enum qr_status open_service(struct bed *bed, struct qr_err *err)
{
    struct qr_env *env = qr_sim_env(bed->sim);
    QR_TRY(qr_blob_open(env, NULL, "file:///blobs", "", &bed->store, err));
    bed->blob = qr_simblob_new(env, bed->store, 1, &(struct qr_simblob_faults){0});
    qr_simblob_set_remote(bed->blob, !bed->files);
    struct qr_pagesvc_options options = {.env = env,
                                         .dir = "/layers",
                                         .blob = bed->blob,
                                         .open_layer_bytes = 8192,
                                         .group_memory_bytes = 6000,
                                         .fan_in = 2,
                                         .grace_ns = 1000,
                                         .threads_off = true};
#ifdef QR_TEST_KEYS
    QR_TRY(t_ring_open(&bed->keys, env, bed->blob));
    options.keyring = bed->keys.ring;
#endif
    return qr_pagesvc_open(&options, &bed->svc, err);
}

static void close_service(struct bed *bed)
{
    qr_pagesvc_close(QR_TAKE(bed->svc));
    t_ring_close(&bed->keys);
    qr_blob_close(QR_TAKE(bed->blob));
    qr_blob_close(QR_TAKE(bed->store));
}

/* A life: create, ingest, work, branch. Stops at the first failure. */
static enum qr_status live(struct bed *bed, struct world *w, const struct qr_slice_id *id,
                           const struct qr_timeline *child, struct qr_err *err)
{
    QR_TRY(open_service(bed, err));
    QR_TRY(qr_pagesvc_create(bed->svc, id, WORLD_PAGE_BYTES, qr_lsn(w->start_lsn), err));
    for (int i = 0; i < 12; i++) {
        bool more;
        for (int n = 0; n < 4; n++)
            world_feed(w, NULL, 0, bed->svc, id, 4000);
        if (i == 6) {
            struct qr_slice_cursor cursor;
            assert_true(qr_pagesvc_cursor(bed->svc, id, &cursor));
            QR_TRY(qr_pagesvc_branch(bed->svc, id, cursor.visible, child, cursor.visible, err));
            QR_TRY(qr_pagesvc_set_horizon(bed->svc, id, cursor.visible, err));
        }
        qr_sim_advance(bed->sim, 2000);
        QR_TRY(qr_pagesvc_work(bed->svc, &more, err));
    }
    return QR_OK;
}

/* After a crash: attach, the rest of the log, and every page of the last commit is right. */
static void check_life(struct bed *bed, struct world *w, const struct qr_slice_id *id)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (open_service(bed, &err) != QR_OK)
        fail_msg("open: %s", err.text);
    enum qr_status status =
        qr_pagesvc_create(bed->svc, id, WORLD_PAGE_BYTES, qr_lsn(w->start_lsn), &err);
    if (status != QR_OK)
        fail_msg("create or attach: %s", err.text);
    while (world_feed(w, NULL, 0, bed->svc, id, 100000))
        ;
    world_check(w, bed->svc, id, &w->commits[w->commit_count - 1]);
    bool more;
    if (qr_pagesvc_work(bed->svc, &more, &err) != QR_OK)
        fail_msg("work: %s", err.text);
    world_check(w, bed->svc, id, &w->commits[w->commit_count - 1]);
}

static void test_after_any_failed_io_and_a_power_cut_nothing_is_lost(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        struct bed bed = {.sim = qr_sim_new(&(struct qr_sim_options){
                              .seed = nth, .io_fault_at = nth, .io_fault_stays = nth % 2 == 0}),
                          .files = FILES};
        struct world w;
        world_init(&w, 7, 1, 4096);
        for (int i = 0; i < 120; i++) {
            world_commit(&w);
            if (i % 40 == 39)
                world_new_epoch(&w);
        }
        struct qr_slice_id id = {w.timeline, 0};
        struct qr_timeline child = {{9}};
        struct qr_err err;
        qr_err_reset(&err);
        enum qr_status status = live(&bed, &w, &id, &child, &err);
        fired = qr_sim_fault_fired(bed.sim);
        if (!fired && status != QR_OK)
            fail_msg("without a fault: %s", err.text);
        close_service(&bed);
        if (nth % 3 == 0)
            qr_sim_kill(bed.sim);
        else
            qr_sim_power_cut(bed.sim);
        check_life(&bed, &w, &id);
        close_service(&bed);
        world_done(&w);
        qr_sim_free(bed.sim);
    }
}

static bool count_object(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)name;
    (void)info;
    ++*(size_t *)arg;
    return true;
}

static void test_what_a_crash_left_in_the_blob_store_is_removed_at_attach(void **state)
{
    (void)state;
    struct bed bed = {.sim = qr_sim_new(&(struct qr_sim_options){.seed = 5}), .files = FILES};
    struct world w;
    world_init(&w, 5, 1, 4096);
    for (int i = 0; i < 100; i++)
        world_commit(&w);
    struct qr_slice_id id = {w.timeline, 0};
    struct qr_err err;
    qr_err_reset(&err);
    assert_int_equal(open_service(&bed, &err), QR_OK);
    assert_int_equal(qr_pagesvc_create(bed.svc, &id, WORLD_PAGE_BYTES, qr_lsn(w.start_lsn), &err),
                     QR_OK);
    while (world_feed(&w, NULL, 0, bed.svc, &id, 5000))
        ;
    assert_int_equal(qr_pagesvc_flush(bed.svc, &id, &err), QR_OK);
    size_t before = 0, after = 0;
    const char *prefix = "pages/01000000000000000000000000000000/0/";
    assert_int_equal(qr_blob_list(bed.blob, prefix, count_object, &before, &err), QR_OK);
    char orphan[128];
    snprintf(orphan, sizeof orphan, "%s%s", prefix, "00000001000000ff.delta");
    assert_int_equal(qr_blob_put(bed.blob, orphan, "x", 1, NULL, NULL, &err), QR_OK);
    qr_pagesvc_detach(bed.svc, &id);
    assert_int_equal(qr_pagesvc_attach(bed.svc, &id, &err), QR_OK);
    assert_int_equal(qr_blob_list(bed.blob, prefix, count_object, &after, &err), QR_OK);
    assert_int_equal(before, after);
    world_check(&w, bed.svc, &id, &w.commits[0]);
    close_service(&bed);
    world_done(&w);
    qr_sim_free(bed.sim);
}

static bool flip_each(void *arg, const char *name)
{
    struct bed *bed = arg;
    char path[4096];
    snprintf(path, sizeof path, "/layers/%s", name);
    assert_int_equal(qr_sim_flip_bit(bed->sim, path, 8 * 200 + 3), QR_OK);
    return true;
}

static void test_damaged_local_layers_are_fetched_again(void **state)
{
    (void)state;
    struct bed bed = {.sim = qr_sim_new(&(struct qr_sim_options){.seed = 3})};
    struct world w;
    world_init(&w, 3, 1, 4096);
    for (int i = 0; i < 200; i++)
        world_commit(&w);
    struct qr_slice_id id = {w.timeline, 0};
    struct qr_err err;
    qr_err_reset(&err);
    assert_int_equal(open_service(&bed, &err), QR_OK);
    assert_int_equal(qr_pagesvc_create(bed.svc, &id, WORLD_PAGE_BYTES, qr_lsn(w.start_lsn), &err),
                     QR_OK);
    while (world_feed(&w, NULL, 0, bed.svc, &id, 5000))
        ;
    assert_int_equal(qr_pagesvc_flush(bed.svc, &id, &err), QR_OK);
    assert_int_equal(qr_env_list(qr_sim_env(bed.sim), "/layers", flip_each, &bed, &err), QR_OK);
    for (size_t i = 0; i < w.commit_count; i += 17)
        world_check(&w, bed.svc, &id, &w.commits[i]);
    close_service(&bed);
    world_done(&w);
    qr_sim_free(bed.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_any_failed_io_and_a_power_cut_nothing_is_lost),
        cmocka_unit_test(test_what_a_crash_left_in_the_blob_store_is_removed_at_attach),
        cmocka_unit_test(test_damaged_local_layers_are_fetched_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
