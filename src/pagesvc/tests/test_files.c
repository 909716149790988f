/* test_files.c - a page server whose blob store keeps its objects as files of this machine: they
 * are the only copy, damage in one costs what is damaged, and nothing else is left behind. */
#include <stdlib.h>
#include <string.h>
#include "bed.h"
#include "env/sim.h"
#include "layer_int.h"
#include "qr_test.h"

struct files {
    struct qr_env *env;
    const char *folder, *part;
    int count;
    uint64_t bytes;
    char last[600];
};

static bool see_file(void *arg, const char *name)
{
    struct files *f = arg;
    struct qr_file *file = NULL;
    uint64_t bytes = 0;
    if (strstr(name, f->part) == NULL)
        return true;
    snprintf(f->last, sizeof f->last, "%s/%s", f->folder, name);
    assert_int_equal(qr_env_open(f->env, f->last, QR_OPEN_READ, &file, NULL), QR_OK);
    assert_int_equal(qr_file_size(file, &bytes, NULL), QR_OK);
    qr_file_close(file);
    f->bytes += bytes;
    f->count++;
    return true;
}

static struct files files_in(struct bed *b, const char *folder, const char *part)
{
    struct files f = {.env = qr_sim_env(b->sim), .folder = folder, .part = part};
    enum qr_status status = qr_env_list(f.env, folder, see_file, &f, NULL);
    assert_true(status == QR_OK || status == QR_NOT_FOUND);
    return f;
}

static void make_file(struct bed *b, const char *path)
{
    assert_int_equal(qr_env_replace_file(qr_sim_env(b->sim), path, "x", 1, NULL), QR_OK);
}

static void test_each_layer_is_on_disk_once(void **state)
{
    (void)state;
    struct bed b;
    struct qr_pagesvc_stats stats;
    bed_make(&b, false, 1000, 16384);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bed_work(&b);
    qr_pagesvc_get_stats(b.svc, &stats);
    struct files layers = files_in(&b, bed_objects, ".delta");
    struct files images = files_in(&b, bed_objects, ".image");
    assert_int_equal(layers.count + images.count, stats.layers);
    assert_int_equal(layers.bytes + images.bytes, stats.layer_bytes + stats.layers * 64);
    assert_int_equal(files_in(&b, "/layers", "").count, 0);
    assert_int_equal(files_in(&b, bed_objects, "~tmp").count, 0);
    bed_check(&b);
    bed_free(&b);
}

static void test_a_damaged_block_costs_its_pages_and_no_more(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, false, 3000, 4 << 20);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    assert_int_equal(bed_flip(&b, bed_objects, ".delta", 0), 1);
    uint32_t right = bed_count_right(&b);
    assert_true(right < pages && right > pages / 2);
    bed_close(&b);
    bed_open(&b, 4 << 20); /* the same for a service that starts anew */
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(bed_count_right(&b), right);
    assert_int_equal(bed_flip(&b, bed_objects, ".delta", 0), 1); /* well again */
    assert_int_equal(bed_count_right(&b), pages);
    bed_check(&b);
    bed_free(&b);
}

/* Returns how often it failed. */
static int work_around_damage(struct bed *b)
{
    int failed = 0;
    bool more = true;
    for (int i = 0; i < 1000 && more; i++) {
        struct qr_err err;
        qr_err_reset(&err);
        qr_sim_advance(b->sim, 2000);
        enum qr_status status = qr_pagesvc_work(b->svc, &more, &err);
        if (status == QR_OK)
            continue;
        assert_int_equal(status, QR_CORRUPT);
        failed++;
        more = true;
    }
    assert_false(more);
    return failed;
}

/* Each layer in turn: work fails when it meets the damage, and goes on around it. */
static void test_damage_does_not_stop_merges_of_what_is_well(void **state)
{
    (void)state;
    const uint64_t in_block = 64 + QRI_LAYER_HEADER_BYTES + 100;
    int failed = 0;
    for (unsigned n = 1; n <= 9; n++) {
        struct bed b;
        char part[16], path[600];
        bed_make(&b, false, 600, 8192);
        bed_ingest(&b);
        assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
        assert_true(files_in(&b, bed_objects, ".delta").count > 9);
        snprintf(part, sizeof part, "00%u.delta", n);
        struct files layer = files_in(&b, bed_objects, part);
        assert_int_equal(layer.count, 1);
        snprintf(path, sizeof path, "%s", layer.last);
        assert_int_equal(qr_sim_flip_bit(b.sim, path, in_block * 8), QR_OK);
        int times = work_around_damage(&b);
        assert_in_range(times, 0, 3);
        failed += times;
        struct qr_pagesvc_stats stats;
        qr_pagesvc_get_stats(b.svc, &stats);
        assert_true(stats.merged_bytes + stats.image_bytes > 0);
        (void)bed_count_right(&b);
        bed_work(&b);
        if (files_in(&b, bed_objects, part).count == 1) { /* nothing else has what is in it */
            assert_int_equal(qr_sim_flip_bit(b.sim, path, in_block * 8), QR_OK);
            bed_check(&b);
        }
        bed_free(&b);
    }
    assert_true(failed > 0);
}

static void flip(struct bed *b, const char *path, uint64_t byte)
{
    assert_int_equal(qr_sim_flip_bit(b->sim, path, byte * 8), QR_OK);
}

/* Of byte `n` of a layer's header in an object's file. */
static uint64_t in_header(uint64_t n)
{
    return 64 + n;
}

static uint64_t in_header_copy(const struct files *layer, uint64_t n)
{
    return layer->bytes - QRI_LAYER_FOOTER_BYTES - QRI_LAYER_HEADER_BYTES + n;
}

static uint32_t count_right_anew(struct bed *b)
{
    bed_open(b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b->svc, &b->id, NULL), QR_OK);
    uint32_t right = bed_count_right(b);
    world_check(&b->w, b->svc, &b->id, &b->w.commits[0]); /* as of before that layer */
    bed_close(b);
    return right;
}

static void test_a_layer_that_cannot_be_opened_hides_no_other(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, false, 300, 1 << 20);
    for (int i = 0; i < 2; i++) {
        bed_ingest(&b);
        assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
        for (int n = 0; n < 2; n++)
            world_commit(&b.w);
    }
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    assert_int_equal(files_in(&b, bed_objects, ".delta").count, 3);
    struct files middle = files_in(&b, bed_objects, "2.delta");
    assert_int_equal(middle.count, 1);
    bed_close(&b);
    flip(&b, middle.last, 10); /* the object's header: what is in it is well */
    assert_int_equal(count_right_anew(&b), pages);
    flip(&b, middle.last, 10);
    for (uint64_t n = 5; n < 30; n += 15) {
        flip(&b, middle.last, in_header(n));
        assert_int_equal(count_right_anew(&b), pages);
        flip(&b, middle.last, in_header_copy(&middle, n));
        uint32_t right = count_right_anew(&b);
        assert_true(right < pages && right > 0);
        flip(&b, middle.last, in_header(n));
        assert_int_equal(count_right_anew(&b), pages);
        flip(&b, middle.last, in_header_copy(&middle, n));
    }
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_check(&b);
    bed_free(&b);
}

static void test_what_earlier_versions_and_crashes_left_is_removed(void **state)
{
    (void)state;
    static const char copy[] = "/layers/01000000000000000000000000000000-0-0000000100000001";
    struct bed b;
    bed_make(&b, true, 300, 8192); /* as a version with copies of its own did */
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_true(files_in(&b, "/layers", "-").count > 2);
    bed_close(&b);
    char path[600];
    snprintf(path, sizeof path, "%s.new", copy);
    make_file(&b, path);
    make_file(&b, "/layers/somebody's-file");
    snprintf(path, sizeof path, "%s/~tmp-%016llx-0011223344556677", bed_objects,
             (unsigned long long)qr_env_wall_ns(qr_sim_env(b.sim)));
    make_file(&b, path);
    b.remote = false;
    bed_open(&b, 8192);
    assert_int_equal(files_in(&b, "/layers", "").count, 1);
    assert_int_equal(files_in(&b, bed_objects, "~tmp").count, 1);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(files_in(&b, bed_objects, "~tmp").count, 0);
    for (size_t i = 0; i < b.w.commit_count; i += 29)
        world_check(&b.w, b.svc, &b.id, &b.w.commits[i]);
    bed_close(&b);
    b.remote = true; /* and back */
    bed_open(&b, 8192);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_check(&b);
    bed_free(&b);
}

/* It says where ingest goes on. */
static void
test_without_the_newest_layer_a_slice_is_not_attached_and_the_error_says_why(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    qr_err_reset(&err);
    bed_make(&b, false, 300, 1 << 20);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    bed_close(&b);
    struct files layers = files_in(&b, bed_objects, ".delta");
    assert_int_equal(layers.count, 1);
    flip(&b, layers.last, in_header(20));
    flip(&b, layers.last, in_header_copy(&layers, 20));
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_CORRUPT);
    assert_non_null(strstr(err.text, "layer 100000001"));
    flip(&b, layers.last, in_header(20)); /* one of the two is enough */
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_OK);
    bed_check(&b);
    bed_free(&b);
}

static void test_a_layer_that_is_gone_hides_no_other(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, false, 300, 1 << 20);
    for (int i = 0; i < 3; i++) {
        world_commit(&b.w);
        bed_ingest(&b);
        assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    }
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    bed_close(&b);
    char path[600];
    snprintf(path, sizeof path, "%s/0000000100000002.delta~", bed_objects);
    assert_int_equal(qr_env_unlink(qr_sim_env(b.sim), path, NULL), QR_OK);
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    uint32_t right = bed_count_right(&b);
    assert_true(right < pages && right > 0);
    bed_work(&b);
    assert_int_equal(bed_count_right(&b), right);
    bed_free(&b);
}

static void test_copies_of_layers_that_no_manifest_names_are_removed(void **state)
{
    (void)state;
    static const char unnamed[] = "/layers/01000000000000000000000000000000-0-00000001000000ff",
                      others[] = "/layers/02000000000000000000000000000000-0-00000001000000ff";
    struct bed b;
    char path[100];
    bed_make(&b, true, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    int copies = files_in(&b, "/layers", "-").count;
    assert_true(copies > 2);
    bed_close(&b);
    snprintf(path, sizeof path, "%s.new", others);
    make_file(&b, path);
    make_file(&b, others);
    make_file(&b, unnamed);
    bed_open(&b, 8192);
    assert_int_equal(files_in(&b, "/layers", "-").count, copies + 2);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(files_in(&b, "/layers", "-").count, copies + 1);
    assert_int_equal(files_in(&b, "/layers", "02000000").count, 1);
    bed_check(&b);
    bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_layer_is_on_disk_once),
        cmocka_unit_test(test_a_damaged_block_costs_its_pages_and_no_more),
        cmocka_unit_test(test_damage_does_not_stop_merges_of_what_is_well),
        cmocka_unit_test(test_a_layer_that_cannot_be_opened_hides_no_other),
        cmocka_unit_test(
            test_without_the_newest_layer_a_slice_is_not_attached_and_the_error_says_why),
        cmocka_unit_test(test_a_layer_that_is_gone_hides_no_other),
        cmocka_unit_test(test_copies_of_layers_that_no_manifest_names_are_removed),
        cmocka_unit_test(test_what_earlier_versions_and_crashes_left_is_removed),
    };
    return cmocka_run_group_tests_name("pagesvc/files", tests, NULL, NULL);
}
