/* test_contract.c - what every backend of blob/blob.h promises, on each of them.
 *
 * The service is tested when QUIRE_TEST_BLOB_URL and QUIRE_TEST_BLOB_CREDENTIAL name one. */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "azure_int.h"
#include "env/sim.h"
#include "env/thread.h"

static char real_dir[] = "/tmp/quire-blob-XXXXXX";

struct backend {
    const char *name;
    struct qr_sim *sim;
    struct qr_env *env;
    char url[600];
    const char *credential;
};
static struct backend backends[3];
static int backend_count;
static struct backend *backend; /* of the test that runs */

static struct qr_blob *open_blob(void)
{
    struct qr_blob *blob = NULL;
    struct qr_err err;
    if (qr_blob_open(backend->env, NULL, backend->url, backend->credential, &blob, &err) != QR_OK)
        fail_msg("%s: %s", backend->name, err.text);
    return blob;
}

#define assert_ok(blob_call)                                                                       \
    do {                                                                                           \
        struct qr_err err_;                                                                        \
        struct qr_err *e = &err_;                                                                  \
        qr_err_reset(e);                                                                           \
        if ((blob_call) != QR_OK)                                                                  \
            fail_msg("%s: %s", backend->name, e->text);                                            \
    } while (0)

static void assert_holds(struct qr_blob *blob, const char *name, const char *want)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    assert_ok(qr_blob_get(blob, name, 0, SIZE_MAX, &buf, NULL, e));
    assert_string_equal(qr_buf_cstr(&buf), want);
    qr_buf_done(&buf);
}

static void test_what_was_put_is_got(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    struct qr_blob_tag first, second, seen;
    struct qr_blob_info info;
    assert_ok(qr_blob_put(blob, "a/b-c_d.e/F0", "hello", 5, NULL, &first, e));
    assert_holds(blob, "a/b-c_d.e/F0", "hello");
    assert_ok(qr_blob_put(blob, "a/b-c_d.e/F0", "hello", 5, NULL, &second, e));
    assert_string_not_equal(first.z, second.z); /* equal bytes, another write */
    assert_ok(qr_blob_stat(blob, "a/b-c_d.e/F0", &info, e));
    assert_int_equal(info.bytes, 5);
    assert_string_equal(info.tag.z, second.z);
    int64_t age = qr_env_wall_ns(backend->env) - info.modified_wall_ns;
    assert_true(age > INT64_C(-60000000000) && age < INT64_C(60000000000));
    struct qr_buf buf;
    qr_buf_init(&buf, 100);
    assert_ok(qr_blob_get(blob, "a/b-c_d.e/F0", 0, 5, &buf, &seen, e));
    assert_string_equal(seen.z, second.z);
    qr_buf_done(&buf);
    assert_ok(qr_blob_put(blob, "empty", "", 0, NULL, NULL, e));
    assert_holds(blob, "empty", "");
    qr_blob_close(blob);
    blob = open_blob();
    assert_holds(blob, "a/b-c_d.e/F0", "hello");
    qr_blob_close(blob);
}

static void test_ranges_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset;
        size_t count;
        enum qr_status want;
        const char *bytes;
    } rows[] = {
        {0, 10, QR_OK, "0123456789"},
        {3, 4, QR_OK, "3456"},
        {9, 1, QR_OK, "9"},
        {10, 0, QR_OK, ""},
        {4, SIZE_MAX, QR_OK, "456789"},
        {0, 0, QR_OK, ""},
        {10, SIZE_MAX, QR_OK, ""},
        {5, 6, QR_TRUNCATED, NULL},
        {11, 0, QR_TRUNCATED, NULL},
        {11, SIZE_MAX, QR_TRUNCATED, NULL},
        {0, 11, QR_TRUNCATED, NULL},
        {UINT64_MAX - 3, 10, QR_TRUNCATED, NULL},
    };
    struct qr_blob *blob = open_blob();
    assert_ok(qr_blob_put(blob, "range", "0123456789", 10, NULL, NULL, e));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_buf buf;
        struct qr_err err;
        qr_buf_init(&buf, 100);
        qr_buf_addz(&buf, "+");
        enum qr_status status =
            qr_blob_get(blob, "range", rows[i].offset, rows[i].count, &buf, NULL, &err);
        if (status != rows[i].want)
            fail_msg("%s: row %zu: %s", backend->name, i, qr_status_info(status)->name);
        assert_string_equal(qr_buf_cstr(&buf) + 1, status == QR_OK ? rows[i].bytes : "");
        qr_buf_done(&buf);
    }
    struct qr_buf small;
    qr_buf_init(&small, 4);
    assert_int_equal(qr_blob_get(blob, "range", 0, SIZE_MAX, &small, NULL, NULL), QR_TOO_BIG);
    assert_int_equal(small.len, 0);
    qr_buf_done(&small);
    qr_blob_close(blob);
}

static void test_conditions_let_one_writer_through(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    struct qr_blob_tag one, two, three;
    struct qr_err err;
    assert_int_equal(qr_blob_put(blob, "c/new", "x", 1, "\"0x1\"", NULL, &err), QR_CONFLICT);
    assert_ok(qr_blob_put(blob, "c/new", "1", 1, "", &one, e));
    assert_int_equal(qr_blob_put(blob, "c/new", "x", 1, "", NULL, &err), QR_CONFLICT);
    assert_ok(qr_blob_put(blob, "c/new", "2", 1, one.z, &two, e));
    assert_int_equal(qr_blob_put(blob, "c/new", "x", 1, one.z, NULL, &err), QR_CONFLICT);
    assert_holds(blob, "c/new", "2");
    assert_int_equal(qr_blob_delete(blob, "c/new", one.z, &err), QR_CONFLICT);
    assert_ok(qr_blob_delete(blob, "c/new", two.z, e));
    assert_int_equal(qr_blob_delete(blob, "c/new", two.z, &err), QR_CONFLICT);
    assert_ok(qr_blob_delete(blob, "c/new", NULL, e));
    assert_ok(qr_blob_put(blob, "c/new", "3", 1, "", &three, e));
    assert_string_not_equal(one.z, three.z); /* not even after a delete */
    assert_int_equal(qr_blob_delete(blob, "c/new", "", &err), QR_INVALID);
    qr_blob_close(blob);
}

static void test_what_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    struct qr_blob_info info;
    struct qr_blob_tag lease;
    struct qr_buf buf;
    qr_buf_init(&buf, 100);
    static const char *const names[] = {"none", "no/such/folder", "a"};
    assert_ok(qr_blob_put(blob, "a/under", "x", 1, NULL, NULL, e));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(qr_blob_get(blob, names[i], 0, SIZE_MAX, &buf, NULL, NULL), QR_NOT_FOUND);
        assert_int_equal(qr_blob_stat(blob, names[i], &info, NULL), QR_NOT_FOUND);
        assert_int_equal(qr_blob_lease(blob, names[i], 15, "", &lease, NULL), QR_NOT_FOUND);
        assert_ok(qr_blob_delete(blob, names[i], NULL, e));
    }
    assert_int_equal(qr_blob_append(blob, "none", 5, &(struct iovec){"x", 1}, 1, "", NULL),
                     QR_NOT_FOUND);
    qr_buf_done(&buf);
    qr_blob_close(blob);
}

static void test_names_are_checked(void **state)
{
    (void)state;
    char part[202], name[514];
    memset(part, 'p', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    for (size_t i = 0; i < sizeof name - 1; i++)
        name[i] = i % 100 == 99 ? '/' : 'n';
    name[sizeof name - 1] = '\0';
    const char *const bad[] = {"",    "/a", "a/",  "a//b",     ".",   "..",   "a/../b", "./a",
                               "a b", "a~", "a\n", "\xc3\xa9", "a?b", "a%2f", part,     name};
    struct qr_blob *blob = open_blob();
    struct qr_err err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (qr_blob_put(blob, bad[i], "x", 1, NULL, NULL, &err) != QR_INVALID)
            fail_msg("%s: name '%s'", backend->name, bad[i]);
    }
    name[512] = '\0';
    part[200] = '\0';
    assert_ok(qr_blob_put(blob, name, "long", 4, NULL, NULL, e));
    assert_holds(blob, name, "long");
    assert_ok(qr_blob_put(blob, part, "part", 4, NULL, NULL, e));
    assert_ok(qr_blob_put(blob, "...", "dots", 4, NULL, NULL, e));
    assert_ok(qr_blob_delete(blob, name, NULL, e));
    assert_ok(qr_blob_delete(blob, part, NULL, e));
    assert_ok(qr_blob_delete(blob, "...", NULL, e));
    qr_blob_close(blob);
}

static bool join_names(void *arg, const char *name, const struct qr_blob_info *info)
{
    assert_int_equal(info->bytes, 3);
    assert_true(info->tag.z[0] != '\0');
    qr_buf_printf(arg, "%s ", name);
    return true;
}

static bool stop_at_two(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    qr_buf_printf(arg, "%s ", name);
    return strcmp(name, "l/a-b") != 0;
}

static void test_lists_are_in_byte_order_of_whole_names(void **state)
{
    (void)state;
    static const char *const names[] = {"l/a/x",   "l/a",      "l/a-b", "l/a.c", "l/a0",
                                        "l/b/1/2", "l/b/1/10", "l/Z",   "m"};
    static const struct {
        const char *prefix, *want;
    } rows[] = {
        {"l/", "l/Z l/a l/a-b l/a.c l/a/x l/a0 l/b/1/10 l/b/1/2 "},
        {"l/a", "l/a l/a-b l/a.c l/a/x l/a0 "},
        {"l/b/1", "l/b/1/10 l/b/1/2 "},
        {"l/b/1/1", "l/b/1/10 "},
        {"l/a/x", "l/a/x "},
        {"l/nothing", ""},
        {"l/a/xx", ""},
        {"nowhere/at/all", ""},
        {"l/b/1/", "l/b/1/10 l/b/1/2 "},
        {"l/b/2/", ""},
        {"l/a/x/", ""},
        {"l//", ""},
        {"l/../l/", ""},
        {"/", ""},
    };
    struct qr_blob *blob = open_blob();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_ok(qr_blob_put(blob, names[i], "xyz", 3, NULL, NULL, e));
    struct qr_buf got;
    qr_buf_init(&got, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        qr_buf_clear(&got);
        assert_ok(qr_blob_list(blob, rows[i].prefix, join_names, &got, e));
        assert_string_equal(qr_buf_cstr(&got), rows[i].want);
    }
    qr_buf_clear(&got);
    assert_ok(qr_blob_list(blob, "l/", stop_at_two, &got, e));
    assert_string_equal(qr_buf_cstr(&got), "l/Z l/a l/a-b ");
    assert_int_equal(qr_blob_list(blob, "l/../", join_names, &got, NULL),
                     QR_OK); /* names nothing */
    assert_int_equal(qr_blob_list(blob, "a b", join_names, &got, NULL), QR_INVALID);
    qr_buf_done(&got);
    qr_blob_close(blob);
}

static bool count_one(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)name, (void)info;
    *(int *)arg += 1;
    return true;
}

static void test_a_long_list_is_whole(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    char name[32];
    int count = 0;
    if (strncmp(backend->url, "http", 4) == 0)
        ((struct qri_azure *)blob)->page_objects = 7;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "many/%02d", i);
        assert_ok(qr_blob_put(blob, name, "", 0, NULL, NULL, e));
    }
    assert_ok(qr_blob_list(blob, "many/", count_one, &count, e));
    assert_int_equal(count, 30);
    qr_blob_close(blob);
}

static void test_files_are_put_whole(void **state)
{
    (void)state;
    enum { BYTES = 9 << 20 };
    struct qr_blob *blob = open_blob();
    struct qr_file *file = NULL;
    uint8_t *bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 12));
    char path[64];
    snprintf(path, sizeof path, "%s/source", backend->sim == NULL ? real_dir : "");
    assert_ok(
        qr_env_open(backend->env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &file, e));
    assert_ok(qr_file_pwrite(file, bytes, BYTES, 0, e));
    static const uint64_t sizes[] = {0, 1, 1 << 20, (1 << 20) + 1, BYTES - 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct qr_buf buf;
        struct qr_blob_tag tag, seen;
        qr_buf_init(&buf, BYTES);
        assert_ok(qr_blob_put_file(blob, "f/large", file, sizes[i], NULL, &tag, e));
        assert_ok(qr_blob_get(blob, "f/large", 0, SIZE_MAX, &buf, &seen, e));
        assert_int_equal(buf.len, sizes[i]);
        assert_memory_equal(sizes[i] == 0 ? bytes : buf.data, bytes, sizes[i]);
        assert_string_equal(tag.z, seen.z);
        assert_int_equal(qr_blob_put_file(blob, "f/large", file, sizes[i], "", NULL, NULL),
                         QR_CONFLICT);
        qr_buf_done(&buf);
    }
    assert_int_equal(qr_blob_put_file(blob, "f/more", file, BYTES + 1, NULL, NULL, NULL),
                     QR_TRUNCATED);
    struct qr_blob_info info;
    assert_int_equal(qr_blob_stat(blob, "f/more", &info, NULL), QR_NOT_FOUND);
    qr_file_close(file);
    free(bytes);
    qr_blob_close(blob);
}

/* Of the backends whose objects are files; the others say that theirs are not. */
static void test_a_staged_object_is_there_at_its_end_and_read_as_a_file(void **state)
{
    (void)state;
    enum { BYTES = 3 << 20, HEAD = 128 };
    struct qr_blob *blob = open_blob();
    struct qr_blob_stage *stage = NULL;
    struct qr_file *file = NULL;
    uint64_t start = 0;
    if (!qr_blob_has_files(blob)) {
        assert_int_equal(qr_blob_stage_begin(blob, "s/x", true, &stage, NULL), QR_UNSUPPORTED);
        assert_int_equal(qr_blob_open_file(blob, "s/x", &file, &start, NULL), QR_UNSUPPORTED);
        assert_int_equal(qr_blob_drop_stages(blob, "s/", NULL), QR_UNSUPPORTED);
        qr_blob_close(blob);
        return;
    }
    uint8_t *bytes = malloc(BYTES), *found = malloc(BYTES);
    assert_non_null(bytes);
    assert_non_null(found);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 11 + (i >> 13));
    static const size_t sizes[] = {HEAD, 5000, (1 << 20) - 64, (1 << 20) - 63, 1 << 20, BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct qr_blob_info info;
        struct qr_blob_tag tag;
        struct qr_buf buf;
        assert_ok(qr_blob_stage_begin(blob, "s/x", false, &stage, e));
        for (size_t at = 0, count = HEAD; at < sizes[i]; at += count, count = 70001) {
            count = count < sizes[i] - at ? count : sizes[i] - at;
            static const uint8_t zeros[HEAD];
            assert_ok(qr_blob_stage_add(blob, stage, at == 0 ? zeros : bytes + at, count, e));
        }
        assert_int_equal(qr_blob_stat(blob, "s/x", &info, NULL), QR_NOT_FOUND);
        assert_ok(qr_blob_stage_end(blob, stage, bytes, HEAD, "", &tag, e));
        qr_buf_init(&buf, BYTES);
        assert_ok(qr_blob_get(blob, "s/x", 0, SIZE_MAX, &buf, NULL, e)); /* and its checksum */
        assert_int_equal(buf.len, sizes[i]);
        assert_memory_equal(buf.data, bytes, sizes[i]);
        qr_buf_done(&buf);
        assert_ok(qr_blob_stat(blob, "s/x", &info, e));
        assert_string_equal(info.tag.z, tag.z);
        assert_ok(qr_blob_open_file(blob, "s/x", &file, &start, e));
        assert_ok(qr_blob_delete(blob, "s/x", tag.z, e)); /* who has it open goes on */
        memset(found, 0, sizes[i]);
        assert_ok(qr_file_read_exactly(file, found, sizes[i], start, e));
        assert_memory_equal(found, bytes, sizes[i]);
        qr_file_close(file);
    }
    assert_ok(qr_blob_stage_begin(blob, "s/x", true, &stage, e));
    assert_ok(qr_blob_stage_add(blob, stage, bytes, BYTES, e));
    qr_blob_stage_abandon(blob, stage);
    assert_int_equal(qr_blob_open_file(blob, "s/x", &file, &start, NULL), QR_NOT_FOUND);
    assert_ok(qr_blob_put(blob, "s/x", "y", 1, NULL, NULL, e));
    assert_ok(qr_blob_stage_begin(blob, "s/x", false, &stage, e));
    assert_ok(qr_blob_stage_add(blob, stage, "no", 2, e));
    assert_int_equal(qr_blob_stage_end(blob, stage, NULL, 0, "", NULL, NULL), QR_CONFLICT);
    assert_holds(blob, "s/x", "y");
    free(bytes);
    free(found);
    qr_blob_close(blob);
}

static void test_appends_come_one_behind_the_other(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    struct qr_blob_info before, after;
    struct qr_err err;
    struct iovec two[2] = {{"abc", 3}, {"de", 2}}, one = {"fgh", 3};
    assert_ok(qr_blob_delete(blob, "app/log", NULL, e));
    assert_ok(qr_blob_append(blob, "app/log", 0, two, 2, "", e));
    assert_ok(qr_blob_stat(blob, "app/log", &before, e));
    assert_int_equal(before.bytes, 5);
    assert_int_equal(qr_blob_append(blob, "app/log", 0, &one, 1, "", &err), QR_CONFLICT);
    assert_int_equal(qr_blob_append(blob, "app/log", 6, &one, 1, "", &err), QR_CONFLICT);
    assert_ok(qr_blob_append(blob, "app/log", 5, &one, 1, NULL, e));
    assert_holds(blob, "app/log", "abcdefgh");
    assert_ok(qr_blob_stat(blob, "app/log", &after, e));
    assert_string_not_equal(before.tag.z, after.tag.z);
    assert_int_equal(qr_blob_append(blob, "app/log", 8, NULL, 0, "", &err), QR_INVALID);
    assert_ok(qr_blob_put(blob, "app/other", "x", 1, NULL, NULL, e));
    assert_int_equal(qr_blob_append(blob, "app/other", 1, &one, 1, "", &err), QR_INVALID);
    qr_blob_close(blob);
}

static void test_a_lease_keeps_others_out(void **state)
{
    (void)state;
    struct qr_blob *blob = open_blob();
    struct qr_blob_tag mine, again;
    struct qr_err err;
    struct iovec one = {"x", 1};
    assert_ok(qr_blob_delete(blob, "lease/log", NULL, e));
    assert_ok(qr_blob_append(blob, "lease/log", 0, &one, 1, "", e));
    assert_int_equal(qr_blob_lease(blob, "lease/log", 5, "", &mine, &err), QR_INVALID);
    assert_ok(qr_blob_lease(blob, "lease/log", 15, "", &mine, e));
    assert_int_equal(qr_blob_lease(blob, "lease/log", 15, "", &again, &err), QR_LOCKED);
    assert_int_equal(qr_blob_append(blob, "lease/log", 1, &one, 1, "", &err), QR_LOCKED);
    assert_int_equal(qr_blob_delete(blob, "lease/log", NULL, &err), QR_LOCKED);
    assert_ok(qr_blob_append(blob, "lease/log", 1, &one, 1, mine.z, e));
    assert_ok(qr_blob_lease(blob, "lease/log", 15, mine.z, &again, e));
    assert_string_equal(mine.z, again.z);
    assert_ok(qr_blob_release(blob, "lease/log", mine.z, e));
    assert_int_equal(qr_blob_append(blob, "lease/log", 2, &one, 1, mine.z, &err), QR_LOCKED);
    assert_ok(qr_blob_lease(blob, "lease/log", 15, "", &again, e));
    assert_string_not_equal(mine.z, again.z);
    assert_int_equal(qr_blob_lease(blob, "lease/log", 15, mine.z, &again, &err), QR_LOCKED);
    assert_ok(qr_blob_release(blob, "lease/log", again.z, e));
    assert_ok(qr_blob_delete(blob, "lease/log", NULL, e));
    qr_blob_close(blob);
}

/* Goal: of writers with the same tag one wins. Method: threads, each with its own store as
 * processes have, count up one object by compare-and-set; no count is lost. */
enum { COUNTERS = 3, COUNTS = 20 };

static void *count_main(void *arg)
{
    struct qr_blob *blob = arg;
    for (int done = 0; done < COUNTS;) {
        struct qr_buf buf;
        struct qr_blob_tag tag;
        char text[32];
        qr_buf_init(&buf, 100);
        if (qr_blob_get(blob, "count", 0, SIZE_MAX, &buf, &tag, NULL) == QR_OK) {
            int n = snprintf(text, sizeof text, "%d", 1 + (int)strtol(qr_buf_cstr(&buf), NULL, 10));
            done += qr_blob_put(blob, "count", text, (size_t)n, tag.z, NULL, NULL) == QR_OK;
        }
        qr_buf_done(&buf);
    }
    return NULL;
}

static void test_writers_at_once_lose_no_count(void **state)
{
    (void)state;
    struct qr_blob *blobs[COUNTERS];
    pthread_t threads[COUNTERS];
    struct qr_err err;
    struct qr_blob *blob = open_blob();
    assert_ok(qr_blob_put(blob, "count", "0", 1, NULL, NULL, e));
    for (int i = 0; i < COUNTERS; i++) {
        blobs[i] = open_blob();
        assert_int_equal(qr_thread_start("count", 0, count_main, blobs[i], &threads[i], &err),
                         QR_OK);
    }
    for (int i = 0; i < COUNTERS; i++) {
        pthread_join(threads[i], NULL);
        qr_blob_close(blobs[i]);
    }
    char want[16];
    snprintf(want, sizeof want, "%d", COUNTERS * COUNTS);
    assert_holds(blob, "count", want);
    qr_blob_close(blob);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_got),
        cmocka_unit_test(test_ranges_are_exact),
        cmocka_unit_test(test_conditions_let_one_writer_through),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_names_are_checked),
        cmocka_unit_test(test_lists_are_in_byte_order_of_whole_names),
        cmocka_unit_test(test_a_long_list_is_whole),
        cmocka_unit_test(test_files_are_put_whole),
        cmocka_unit_test(test_a_staged_object_is_there_at_its_end_and_read_as_a_file),
        cmocka_unit_test(test_appends_come_one_behind_the_other),
        cmocka_unit_test(test_a_lease_keeps_others_out),
        cmocka_unit_test(test_writers_at_once_lose_no_count),
    };
    return cmocka_run_group_tests_name("blob/contract", tests, NULL, NULL);
}

int main(void)
{
    if (mkdtemp(real_dir) == NULL)
        return 1;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 11});
    backends[0] = (struct backend){.name = "simulated directory", .sim = sim, .credential = ""};
    backends[0].env = qr_sim_env(sim);
    snprintf(backends[0].url, sizeof backends[0].url, "file:///store");
    backends[1] = (struct backend){.name = "directory", .credential = "", .env = qr_env_real()};
    snprintf(backends[1].url, sizeof backends[1].url, "file://%s/store/", real_dir);
    backend_count = 2;
    const char *url = getenv("QUIRE_TEST_BLOB_URL");
    if (url != NULL) {
        const char *credential = getenv("QUIRE_TEST_BLOB_CREDENTIAL");
        backends[2] = (struct backend){.name = "service", .env = qr_env_real()};
        backends[2].credential = credential == NULL ? "" : credential;
        snprintf(backends[2].url, sizeof backends[2].url, "%s", url);
        backend_count = 3;
    }
    int failed = 0;
    for (int i = 0; i < backend_count; i++) {
        backend = &backends[i];
        printf("backend: %s\n", backend->name);
        failed += run_all();
    }
    qr_sim_free(sim);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", real_dir);
    return system(command) != 0 || failed;
}
