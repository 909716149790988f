/* Temporary files: what is read is what was written, nothing of it is in clear where the store's
 * files are not, and the quota counts. */
#include "qr_test.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "store_int.h"
#include "test_ring.h"
#include "base/banned.h"

enum { MODEL_BYTES = 300000, STEPS = 4000, WRITE_BYTES_MAX = 20000 };

static char dir[] = "/tmp/quire-tmp-test.XXXXXX";

static struct qr_store *make_store(bool keys, uint64_t tmp_bytes_max)
{
    struct qr_store *store = NULL;
    struct qr_err err = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/db", dir);
    struct qr_store_options options = {.threads_off = true, .tmp_bytes_max = tmp_bytes_max};
    if (keys)
        options.server_key = t_server_key();
    if (qr_store_create(path, &options, &store, &err) != QR_OK)
        fail_msg("%s", err.text);
    return store;
}

static void drop_store(struct qr_store *store)
{
    char path[64];
    struct qr_err err = {0};
    snprintf(path, sizeof path, "%s/db", dir);
    assert_int_equal(qr_store_close(store, &err), QR_OK);
    assert_int_equal(qr_store_remove(qr_env_real(), path, &err), QR_OK);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Goal: reads, writes at any place (also behind the end), and cuts do what an array does. */
static void behave_like_an_array(bool keys)
{
    struct qr_store *store = make_store(keys, 0);
    struct qr_tmp_file *file = NULL;
    struct qr_err err = {0};
    assert_int_equal(qr_tmp_file_new(store, &file, &err), QR_OK);
    uint8_t *model = calloc(1, MODEL_BYTES), *bytes = malloc(MODEL_BYTES);
    assert_non_null(model);
    assert_non_null(bytes);
    uint64_t seed = 11, size = 0;
    for (int i = 0; i < STEPS; i++) {
        uint32_t at = next_random(&seed) % (MODEL_BYTES - WRITE_BYTES_MAX);
        uint32_t n = 1 + next_random(&seed) % WRITE_BYTES_MAX, what = next_random(&seed) % 8;
        at = what == 1 ? at / 4096 * 4096 : at;
        n = what == 1 ? (n + 4095) / 4096 * 4096 % WRITE_BYTES_MAX : n;
        if (what < 4) {
            for (uint32_t k = 0; k < n; k++)
                bytes[k] = (uint8_t)next_random(&seed);
            assert_int_equal(qr_tmp_file_write(file, bytes, n, at, &err), QR_OK);
            memcpy(model + at, bytes, n);
            size = n > 0 && at + n > size ? at + n : size;
        } else if (what == 4 && next_random(&seed) % 8 == 0) {
            assert_int_equal(qr_tmp_file_truncate(file, at, &err), QR_OK);
            if (at < size) {
                memset(model + at, 0, size - at);
                size = at;
            }
        } else {
            size_t got = 0, want = at >= size ? 0 : size - at < n ? size - at : n;
            assert_int_equal(qr_tmp_file_read(file, bytes, n, at, &got, &err), QR_OK);
            assert_int_equal(got, want);
            assert_memory_equal(bytes, model + at, got);
        }
        assert_int_equal(qr_tmp_file_bytes(file), size);
    }
    qr_tmp_file_free(file);
    free(bytes);
    free(model);
    drop_store(store);
}

static void test_a_file_in_clear_behaves_like_an_array(void **state)
{
    (void)state;
    behave_like_an_array(false);
}

static void test_an_encrypted_file_behaves_like_an_array(void **state)
{
    (void)state;
    behave_like_an_array(true);
}

/* What lies on disk, through the process's own handle of it. */
static bool is_on_disk(const struct qr_tmp_file *file, const char *marker)
{
    static uint8_t bytes[1 << 20];
    size_t got = 0, n = strlen(marker);
    assert_int_equal(qr_file_pread(file->file, bytes, sizeof bytes, 0, &got, NULL), QR_OK);
    assert_true(got > 0);
    for (size_t i = 0; i + n <= got; i++)
        if (memcmp(bytes + i, marker, n) == 0)
            return true;
    return false;
}

static void test_nothing_is_in_clear_if_the_store_has_a_key(void **state)
{
    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        struct qr_store *store = make_store(keys == 1, 0);
        struct qr_tmp_file *file = NULL;
        struct qr_err err = {0};
        assert_int_equal(qr_tmp_file_new(store, &file, &err), QR_OK);
        for (int i = 0; i < 100; i++)
            assert_int_equal(qr_tmp_file_write(file, "MARKER", 6, (uint64_t)i * 777, &err), QR_OK);
        assert_int_equal(is_on_disk(file, "MARKER"), keys == 0);
        qr_tmp_file_free(file);
        drop_store(store);
    }
}

static int names_in(const char *path)
{
    DIR *d = opendir(path);
    int count = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strncmp(e->d_name, "tmp.", 4) == 0;
    closedir(d);
    return count;
}

static void test_all_files_together_obey_the_quota_and_have_no_names(void **state)
{
    (void)state;
    struct qr_store *store = make_store(true, 100000);
    struct qr_tmp_file *a = NULL, *b = NULL;
    struct qr_err err = {0};
    char path[64];
    static const uint8_t bytes[60000];
    struct qr_store_stats stats;
    snprintf(path, sizeof path, "%s/db", dir);
    assert_int_equal(qr_tmp_file_new(store, &a, &err), QR_OK);
    assert_int_equal(qr_tmp_file_new(store, &b, &err), QR_OK);
    assert_int_equal(qr_tmp_file_write(a, bytes, sizeof bytes, 0, &err), QR_OK);
    assert_int_equal(names_in(path), 0);
    assert_int_equal(qr_tmp_file_write(b, bytes, sizeof bytes, 0, &err), QR_SQL);
    assert_int_equal(qr_tmp_file_write(a, bytes, sizeof bytes, 0, &err), QR_OK); /* no more space */
    assert_int_equal(qr_tmp_file_truncate(a, 20000, &err), QR_OK);
    assert_int_equal(qr_tmp_file_write(b, bytes, sizeof bytes, 0, &err), QR_OK);
    qr_store_get_stats(store, &stats);
    assert_int_equal(stats.tmp_bytes, 80000);
    assert_int_equal(stats.tmp_bytes_written, 180000);
    qr_tmp_file_free(a);
    qr_tmp_file_free(b);
    qr_store_get_stats(store, &stats);
    assert_int_equal(stats.tmp_bytes, 0);
    drop_store(store);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_in_clear_behaves_like_an_array),
        cmocka_unit_test(test_an_encrypted_file_behaves_like_an_array),
        cmocka_unit_test(test_nothing_is_in_clear_if_the_store_has_a_key),
        cmocka_unit_test(test_all_files_together_obey_the_quota_and_have_no_names),
    };
    int failed = cmocka_run_group_tests_name("store/tmp", tests, NULL, NULL);
    rmdir(dir);
    return failed;
}
