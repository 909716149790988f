/* Goal: what has a timeline in its name is in the store of that timeline's region, and nowhere
 * else. */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include "blob/regions.h"
#include "env/sim.h"

static const char east[] = "pages/00112233445546678899aabbccddeeff/0/manifest",
                  west[] = "pages/0011223372658a018899aabbccddeeff/0/manifest",
                  far[] = "backups/00112233-7265-8a02-8899-aabbccddeeff/1", plain[] = "zone/1";

struct world {
    struct qr_sim *sim;
    struct qr_blob *all, *stores[2];
};

static struct qr_blob *open_store(struct qr_sim *sim, const char *url)
{
    struct qr_blob *blob = NULL;
    assert_int_equal(qr_blob_open(qr_sim_env(sim), NULL, url, "", &blob, NULL), QR_OK);
    return blob;
}

static int setup(void **state)
{
    static struct world w;
    struct qr_blob *own[2];
    w.sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    assert_non_null(w.sim);
    own[0] = open_store(w.sim, "file:///east");
    own[1] = open_store(w.sim, "file:///west");
    w.stores[0] = open_store(w.sim, "file:///east"); /* to look behind it */
    w.stores[1] = open_store(w.sim, "file:///west");
    assert_int_equal(qr_blob_regions(own, 2, &w.all, NULL), QR_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    qr_blob_close(w->all);
    qr_blob_close(w->stores[0]);
    qr_blob_close(w->stores[1]);
    qr_sim_free(w->sim);
    return 0;
}

static void assert_only_in(const struct world *w, const char *name, uint32_t region)
{
    struct qr_blob_info info;
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(qr_blob_stat(w->stores[i], name, &info, NULL),
                         i == region ? QR_OK : QR_NOT_FOUND);
    assert_int_equal(qr_blob_stat(w->all, name, &info, NULL), QR_OK);
}

static void test_the_name_of_a_timeline_tells_its_region(void **state)
{
    static const struct {
        const char *text;
        bool is;
        uint32_t region;
    } rows[] = {
        {"00112233-4455-4667-8899-aabbccddeeff", true, 0},
        {"00112233-7265-8a01-8899-aabbccddeeff", true, 1},
        {"0011223372658a0f8899aabbccddeeff", true, 15},
        {"00112233-7265-8a01-8899-aabbccddeeff.r2", true, 1},
        {"00112233-7265-8a01-8899-aabbccddeef", false, 0},
        {"ec4cfbb2-3d44-8afd-3087-398adbda0641", true, 0}, /* random ones that look alike */
        {"ec4cfbb2-7265-8afd-3087-398adbda0641", true, 0},
        {"00112233445566778899aabbccddeefg", false, 0},
        {"", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t region = 99;
        assert_int_equal(qr_region_of(qr_str(rows[i].text), &region), rows[i].is);
        if (rows[i].is)
            assert_int_equal(region, rows[i].region);
    }
    char text[] = "00112233-4455-4667-8899-aabbccddeeff";
    uint32_t region = 99;
    qr_region_mark(text, 1);
    assert_string_equal(text, "00112233-7265-8601-8899-aabbccddeeff");
    assert_true(qr_region_of(qr_str(text), &region));
    assert_int_equal(region, 1);
}

static void test_objects_are_in_the_store_of_their_region(void **state)
{
    struct world *w = *state;
    struct qr_buf buf;
    struct qr_blob_tag tag;
    struct iovec iov = {.iov_base = (char[]){"abc"}, .iov_len = 3};
    qr_buf_init(&buf, 1000);
    assert_int_equal(qr_blob_put(w->all, east, "e", 1, "", NULL, NULL), QR_OK);
    assert_int_equal(qr_blob_put(w->all, west, "w", 1, "", &tag, NULL), QR_OK);
    assert_int_equal(qr_blob_put(w->all, west, "x", 1, "", NULL, NULL), QR_CONFLICT);
    assert_int_equal(qr_blob_append(w->all, plain, 0, &iov, 1, "", NULL), QR_OK);
    assert_int_equal(qr_blob_put(w->all, far, "f", 1, NULL, NULL, NULL), QR_NOT_FOUND);
    assert_only_in(w, east, 0);
    assert_only_in(w, west, 1);
    assert_only_in(w, plain, 0);
    assert_int_equal(qr_blob_get(w->all, west, 0, SIZE_MAX, &buf, NULL, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), "w");
    assert_int_equal(qr_blob_delete(w->all, west, tag.z, NULL), QR_OK);
    assert_int_equal(qr_blob_stat(w->stores[1], west, &(struct qr_blob_info){0}, NULL),
                     QR_NOT_FOUND);
    qr_buf_done(&buf);
}

static void test_staged_objects_are_too(void **state)
{
    struct world *w = *state;
    struct qr_blob_stage *stage = NULL;
    struct qr_file *file = NULL;
    uint64_t start = 0;
    assert_true(qr_blob_has_files(w->all));
    assert_int_equal(qr_blob_stage_begin(w->all, west, false, &stage, NULL), QR_OK);
    assert_int_equal(qr_blob_stage_add(w->all, stage, "0123", 4, NULL), QR_OK);
    assert_int_equal(qr_blob_stage_end(w->all, stage, "ab", 2, NULL, NULL, NULL), QR_OK);
    assert_only_in(w, west, 1);
    assert_int_equal(qr_blob_open_file(w->all, west, &file, &start, NULL), QR_OK);
    qr_file_close(file);
    assert_int_equal(qr_blob_stage_begin(w->all, east, false, &stage, NULL), QR_OK);
    qr_blob_stage_abandon(w->all, stage);
    assert_int_equal(qr_blob_stage_begin(w->all, far, false, &stage, NULL), QR_NOT_FOUND);
    assert_int_equal(qr_blob_drop_stages(w->all, "pages/0011223372658a018899aabbccddeeff/", NULL),
                     QR_OK);
}

static bool append_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    qr_buf_printf(arg, "%s ", name);
    return true;
}

static bool stop_at_once(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)append_name(arg, name, info);
    return false;
}

static void test_lists_are_of_all_regions_or_of_one(void **state)
{
    struct world *w = *state;
    struct qr_buf seen;
    qr_buf_init(&seen, 4000);
    assert_int_equal(qr_blob_put(w->all, east, "e", 1, NULL, NULL, NULL), QR_OK);
    assert_int_equal(qr_blob_put(w->all, west, "w", 1, NULL, NULL, NULL), QR_OK);
    assert_int_equal(qr_blob_list(w->all, "pages/", append_name, &seen, NULL), QR_OK);
    assert_non_null(strstr(qr_buf_cstr(&seen), east));
    assert_non_null(strstr(qr_buf_cstr(&seen), west));
    qr_buf_clear(&seen);
    assert_int_equal(
        qr_blob_list(w->all, "pages/0011223372658a018899aabbccddeeff/", append_name, &seen, NULL),
        QR_OK);
    assert_null(strstr(qr_buf_cstr(&seen), east));
    assert_non_null(strstr(qr_buf_cstr(&seen), west));
    qr_buf_clear(&seen);
    assert_int_equal(qr_blob_list(w->all, "pages/", stop_at_once, &seen, NULL), QR_OK);
    assert_null(strstr(qr_buf_cstr(&seen), west));
    qr_buf_done(&seen);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_name_of_a_timeline_tells_its_region),
        cmocka_unit_test_setup_teardown(test_objects_are_in_the_store_of_their_region, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_staged_objects_are_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists_are_of_all_regions_or_of_one, setup, teardown),
    };
    return cmocka_run_group_tests_name("blob/regions", tests, NULL, NULL);
}
