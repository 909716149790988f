/* test_model.c - random logs against a model: every page at every commit that must be kept. */
#include <stdlib.h>
#include <string.h>
#include "blob/simblob.h"
#include "env/sim.h"
#include "qr_test.h"
#include "test_ring.h"
#include "world.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SEEDS = 8 };
#else
enum { SEEDS = 60 };
#endif

struct bed {
    struct qr_sim *sim;
    struct qr_blob *store, *blob;
    bool remote; /* the blob store's objects are no files here */
    uint64_t group_memory_bytes;
    struct qr_pagesvc *svc;
    struct t_ring keys;
    struct qr_pagesvc_options options;
};

static void open_service(struct bed *bed)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_blob_open(qr_sim_env(bed->sim), NULL, "file:///blobs", "", &bed->store, &err) != QR_OK)
        fail_msg("blob: %s", err.text);
    bed->blob = qr_simblob_new(qr_sim_env(bed->sim), bed->store, 1, &(struct qr_simblob_faults){0});
    qr_simblob_set_remote(bed->blob, bed->remote);
    bed->options = (struct qr_pagesvc_options){.env = qr_sim_env(bed->sim),
                                               .dir = "/layers",
                                               .blob = bed->blob,
                                               .open_layer_bytes = 8192,
                                               .group_memory_bytes = bed->group_memory_bytes,
                                               .fan_in = 3,
                                               .grace_ns = 1000,
                                               .threads_off = true};
#ifdef QR_TEST_KEYS
    assert_int_equal(t_ring_open(&bed->keys, bed->options.env, bed->blob), QR_OK);
    bed->options.keyring = bed->keys.ring;
#endif
    if (qr_pagesvc_open(&bed->options, &bed->svc, &err) != QR_OK)
        fail_msg("open: %s", err.text);
}

static void close_service(struct bed *bed)
{
    qr_pagesvc_close(bed->svc);
    t_ring_close(&bed->keys);
    qr_blob_close(bed->blob);
    qr_blob_close(bed->store);
}

static void setup(struct bed *bed, uint64_t seed)
{
    *bed = (struct bed){.sim = qr_sim_new(&(struct qr_sim_options){.seed = seed}),
                        .remote = seed % 2 == 0,
                        .group_memory_bytes = seed % 3 == 0 ? 3000 : 0};
    open_service(bed);
}

static void teardown(struct bed *bed)
{
    close_service(bed);
    qr_sim_free(bed->sim);
}

static void attach(struct bed *bed, const struct qr_slice_id *id)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_pagesvc_attach(bed->svc, id, &err) != QR_OK)
        fail_msg("attach: %s", err.text);
}

static void work(struct bed *bed)
{
    struct qr_err err;
    qr_err_reset(&err);
    bool more;
    if (qr_pagesvc_work(bed->svc, &more, &err) != QR_OK)
        fail_msg("work: %s", err.text);
}

/* All commits from `first` on that have been ingested. */
static void check_all(struct world *w, struct bed *bed, const struct qr_slice_id *id, size_t first,
                      size_t step)
{
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(bed->svc, id, &cursor));
    for (size_t i = first; i < w->commit_count && w->commits[i].lsn <= cursor.visible.v; i += step)
        world_check(w, bed->svc, id, &w->commits[i]);
}

static void create(struct bed *bed, const struct world *w, const struct qr_slice_id *id)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (qr_pagesvc_create(bed->svc, id, WORLD_PAGE_BYTES, qr_lsn(w->start_lsn), &err) != QR_OK)
        fail_msg("create: %s", err.text);
}

static void one_run(uint64_t seed)
{
    struct bed bed;
    struct world w;
    setup(&bed, seed);
    world_init(&w, seed, 1, 4096);
    struct qr_slice_id id = {w.timeline, 0};
    create(&bed, &w, &id);
    size_t first_kept = 0;
    for (int step = 0; step < 400; step++) {
        uint64_t dice = world_random(&w) % 100;
        if (dice < 40)
            world_commit(&w);
        else if (dice < 43)
            world_new_epoch(&w);
        else if (dice < 75)
            world_feed(&w, NULL, 0, bed.svc, &id, 3000);
        else if (dice < 92)
            work(&bed);
        else if (dice < 94) { /* the process ends */
            close_service(&bed);
            if (world_random(&w) % 2 == 0)
                qr_sim_power_cut(bed.sim);
            else
                qr_sim_kill(bed.sim);
            open_service(&bed);
            attach(&bed, &id);
        } else if (dice < 96 && w.commit_count > 0) {
            size_t at = first_kept + world_random(&w) % (w.commit_count - first_kept);
            if (qr_pagesvc_set_horizon(bed.svc, &id, qr_lsn(w.commits[at].lsn), NULL) == QR_OK)
                first_kept = at;
        } else if (dice < 98) {
            check_all(&w, &bed, &id, first_kept, 7);
        } else {
            qr_sim_advance(bed.sim, 2000);
        }
    }
    while (world_feed(&w, NULL, 0, bed.svc, &id, 100000))
        ;
    for (int i = 0; i < 20; i++) {
        qr_sim_advance(bed.sim, 2000);
        work(&bed);
    }
    check_all(&w, &bed, &id, first_kept, 1);
    world_done(&w);
    teardown(&bed);
}

static void test_every_page_at_every_kept_commit_is_what_the_log_made_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        one_run(seed);
}

/* A parent, a child, a grandchild; each goes on, the middle is dropped. */
static void branch_run(uint64_t seed)
{
    struct bed bed;
    struct world w[3], *ancestors[3] = {&w[0], &w[1], &w[2]};
    struct qr_slice_id id[3];
    struct qr_err err;
    setup(&bed, seed);
    world_init(&w[0], seed, 1, 4096);
    id[0] = (struct qr_slice_id){w[0].timeline, 0};
    create(&bed, &w[0], &id[0]);
    size_t count = 1, base[3] = {0};
    bool dropped = false;
    for (int step = 0; step < 600; step++) {
        size_t which = world_random(&w[0]) % count;
        struct world *x = &w[which];
        uint64_t dice = world_random(&w[0]) % 100;
        if (dropped && which == 1)
            continue;
        if (dice < 40) {
            world_commit(x);
        } else if (dice < 42) {
            world_new_epoch(x);
        } else if (dice < 75) {
            world_feed(x, ancestors, count, bed.svc, &id[which], 3000);
        } else if (dice < 92) {
            qr_sim_advance(bed.sim, 700);
            work(&bed);
        } else if (dice < 94) {
            close_service(&bed);
            qr_sim_power_cut(bed.sim);
            open_service(&bed);
            for (size_t i = 0; i < count; i++) {
                if (!dropped || i != 1)
                    attach(&bed, &id[i]);
            }
        } else if (dice < 97 && count < 3 && which == count - 1 && x->commit_count > base[which]) {
            size_t at = base[which] + world_random(x) % (x->commit_count - base[which]);
            uint64_t lsn = x->commits[at].lsn, start = lsn + world_random(x) % 2 * 5000;
            world_branch(&w[count], x, at, (uint8_t)(count + 1), start);
            qr_err_reset(&err);
            enum qr_status status = qr_pagesvc_branch(bed.svc, &id[which], qr_lsn(lsn),
                                                      &w[count].timeline, qr_lsn(start), &err);
            if (status == QR_BUSY) {
                world_done(&w[count]);
                continue;
            }
            if (status != QR_OK)
                fail_msg("branch: %s", err.text);
            id[count] = (struct qr_slice_id){w[count].timeline, 0};
            count++;
            check_all(&w[count - 1], &bed, &id[count - 1], 0, 1);
        } else if (dice < 98 && count == 3 && !dropped) {
            assert_int_equal(qr_pagesvc_drop(bed.svc, &id[1], NULL), QR_OK);
            dropped = true;
        } else {
            check_all(x, &bed, &id[which], 0, 9);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (dropped && i == 1)
            continue;
        while (world_feed(&w[i], ancestors, count, bed.svc, &id[i], 100000))
            ;
        check_all(&w[i], &bed, &id[i], 0, 1);
    }
    for (size_t i = 0; i < count; i++)
        world_done(&w[i]);
    teardown(&bed);
}

struct meta_got {
    bool called;
    enum qr_status status;
};
static struct meta_got meta_got;

static void meta_done(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)get, (void)err;
    meta_got = (struct meta_got){true, status};
}

/* As restoring a database to the moment when it was made. */
static void test_a_pin_at_the_start_keeps_the_empty_database(void **state)
{
    (void)state;
    struct bed bed;
    struct world w;
    setup(&bed, 5);
    world_init(&w, 5, 1, 4096);
    struct qr_slice_id id = {w.timeline, 0};
    struct qr_timeline name = {{0x90}};
    create(&bed, &w, &id);
    assert_int_equal(qr_pagesvc_pin(bed.svc, &id, &name, qr_lsn(w.start_lsn), NULL), QR_OK);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 40; i++)
            world_commit(&w);
        while (world_feed(&w, NULL, 0, bed.svc, &id, 100000))
            ;
        uint64_t newest = w.commits[w.commit_count - 1].lsn;
        assert_int_equal(qr_pagesvc_set_horizon(bed.svc, &id, qr_lsn(newest), NULL), QR_OK);
        for (int i = 0; i < 20; i++) {
            qr_sim_advance(bed.sim, 2000);
            work(&bed);
        }
        struct qr_buf dst;
        qr_buf_init(&dst, 1 << 16);
        struct qr_page_get get = {
            .id = id, .lsn = qr_lsn(w.start_lsn), .dst = &dst, .done = meta_done};
        meta_got.called = false;
        qr_pagesvc_get(bed.svc, &get);
        assert_true(meta_got.called);
        assert_int_equal(meta_got.status, QR_OK);
        assert_int_equal(get.version.v, w.start_lsn);
        qr_buf_done(&dst);
    }
    world_done(&w);
    teardown(&bed);
}

static void test_a_branch_is_its_parent_at_the_branch_lsn_whatever_comes_after(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        branch_run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_at_every_kept_commit_is_what_the_log_made_it),
        cmocka_unit_test(test_a_pin_at_the_start_keeps_the_empty_database),
        cmocka_unit_test(test_a_branch_is_its_parent_at_the_branch_lsn_whatever_comes_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
