/* Goal: the real and the simulated environment keep the same promises, and the simulation loses
 * exactly what a machine may lose. */
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "env/env.h"
#include "env/sim.h"
#include "env/thread.h"

struct place {
    struct qr_env *env;
    struct qr_sim *sim;
    char dir[64];
};

static int real_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place->env = qr_env_real();
    strncpy(place->dir, "/tmp/qr_test_env_XXXXXX", sizeof place->dir - 1);
    *state = place;
    return mkdtemp(place->dir) == NULL;
}

static bool remove_one(void *arg, const char *name)
{
    struct place *place = arg;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    return qr_env_unlink(place->env, path, NULL) == QR_OK;
}

static int real_teardown(void **state)
{
    struct place *place = *state;
    enum qr_status status = qr_env_list(place->env, place->dir, remove_one, place, NULL);
    if (status == QR_OK)
        status = qr_env_remove_dir(place->env, place->dir, NULL);
    free(place);
    return status != QR_OK;
}

static int sim_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    place->sim = qr_sim_new(&(struct qr_sim_options){.seed = 7});
    place->env = qr_sim_env(place->sim);
    strncpy(place->dir, "/data", sizeof place->dir - 1);
    *state = place;
    return qr_env_make_dir(place->env, place->dir, NULL) != QR_OK;
}

static int sim_teardown(void **state)
{
    struct place *place = *state;
    qr_sim_free(place->sim);
    free(place);
    return 0;
}

static const char *path_in(struct place *place, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    return path;
}

static struct qr_file *create(struct place *place, const char *name)
{
    struct qr_file *file = NULL;
    assert_int_equal(
        qr_env_open(place->env, path_in(place, name), QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL),
        QR_OK);
    return file;
}

static void test_a_read_returns_what_was_written_and_stops_at_the_end(void **state)
{
    struct qr_file *file = create(*state, "f");
    char dst[16] = {0};
    size_t got = 99;
    struct iovec iov[2] = {{"def", 3}, {"gh", 2}};
    assert_int_equal(qr_file_pwrite(file, "abc", 3, 5, NULL), QR_OK);
    assert_int_equal(qr_file_pwritev(file, iov, 2, 8, NULL), QR_OK);
    assert_int_equal(qr_file_pread(file, dst, sizeof dst, 0, &got, NULL), QR_OK);
    assert_int_equal(got, 13);
    assert_memory_equal(dst, "\0\0\0\0\0abcdefgh", 13);
    assert_int_equal(qr_file_pread(file, dst, 4, 13, &got, NULL), QR_OK);
    assert_int_equal(got, 0);
    assert_int_equal(qr_file_read_exactly(file, dst, 4, 11, NULL), QR_TRUNCATED);
    qr_file_close(file);
}

/* Writes that may go around the page cache and those that cannot, side by side in one page. */
static void write_and_read_back(struct place *place, unsigned flags)
{
    enum { FILE_BYTES = 16384, SECTOR = 512 };
    static _Alignas(4096) char src[4096];
    static char want[FILE_BYTES];
    static _Alignas(4096) char got[FILE_BYTES + 4096];
    static const struct {
        size_t skip, bytes; /* of src */
        uint64_t offset;
        bool sync;
    } rows[] = {
        {0, 3 * SECTOR, SECTOR, true},
        {0, 4096, 4096, false},
        {1, 5, 4 * SECTOR + 3, true},
        {7, SECTOR, 5 * SECTOR, false},
        {0, 2 * SECTOR, 6 * SECTOR, true},
        {0, SECTOR, FILE_BYTES - SECTOR, true},
        {0, 1, 8191, true},
    };
    struct qr_file *file = NULL;
    memset(want, 0, sizeof want);
    assert_int_equal(qr_env_open(place->env, path_in(place, "f"),
                                 QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE | flags, &file,
                                 NULL),
                     QR_OK);
    assert_int_equal(qr_file_preallocate(file, 0, FILE_BYTES, NULL), QR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(src, 'a' + (int)i, sizeof src);
        memcpy(want + rows[i].offset, src + rows[i].skip, rows[i].bytes);
        assert_int_equal((rows[i].sync ? qr_file_pwrite_sync : qr_file_pwrite)(
                             file, src + rows[i].skip, rows[i].bytes, rows[i].offset, NULL),
                         QR_OK);
        assert_int_equal(qr_file_read_exactly(file, got, sizeof want, 0, NULL), QR_OK);
        assert_memory_equal(got, want, sizeof want);
        assert_int_equal(qr_file_read_exactly(file, got + 3, 2 * SECTOR, SECTOR, NULL), QR_OK);
        assert_memory_equal(got + 3, want + SECTOR, 2 * SECTOR);
    }
    size_t count = 0; /* past an end that is not aligned */
    assert_int_equal(qr_file_truncate(file, FILE_BYTES - 100, NULL), QR_OK);
    assert_int_equal(qr_file_pread(file, got, sizeof got, 0, &count, NULL), QR_OK);
    assert_int_equal(count, FILE_BYTES - 100);
    assert_memory_equal(got, want, FILE_BYTES - 100);
    assert_int_equal(qr_file_pread(file, got, SECTOR, FILE_BYTES + SECTOR, &count, NULL), QR_OK);
    assert_int_equal(count, 0);
    qr_file_close(file);
}

static void test_direct_and_other_writes_read_back_alike(void **state)
{
    write_and_read_back(*state, QR_OPEN_DIRECT);
    write_and_read_back(*state, QR_OPEN_DIRECT | QR_OPEN_DIRECT_READ);
}

static void test_preallocated_and_grown_space_reads_as_zeros(void **state)
{
    struct qr_file *file = create(*state, "f");
    uint64_t size = 0;
    char dst[4] = "xxxx";
    assert_int_equal(qr_file_pwrite(file, "abcd", 4, 0, NULL), QR_OK);
    assert_int_equal(qr_file_preallocate(file, 0, 8192, NULL), QR_OK);
    assert_int_equal(qr_file_size(file, &size, NULL), QR_OK);
    assert_int_equal(size, 8192);
    assert_int_equal(qr_file_truncate(file, 2, NULL), QR_OK);
    assert_int_equal(qr_file_truncate(file, 4, NULL), QR_OK);
    assert_int_equal(qr_file_read_exactly(file, dst, 4, 0, NULL), QR_OK);
    assert_memory_equal(dst, "ab\0\0", 4);
    qr_file_close(file);
}

static void test_a_second_open_cannot_take_the_lock(void **state)
{
    struct qr_file *first = create(*state, "lock"), *second = create(*state, "lock");
    assert_int_equal(qr_file_lock(first, NULL), QR_OK);
    assert_int_equal(qr_file_lock(second, NULL), QR_LOCKED);
    qr_file_close(first);
    assert_int_equal(qr_file_lock(second, NULL), QR_OK);
    qr_file_close(second);
}

static void test_open_flags_and_missing_files_answer_by_status(void **state)
{
    struct place *place = *state;
    struct qr_file *file = NULL;
    assert_int_equal(qr_env_open(place->env, path_in(place, "no"), QR_OPEN_READ, &file, NULL),
                     QR_NOT_FOUND);
    assert_null(file);
    assert_int_equal(
        qr_env_open(place->env, path_in(place, "no/f"), QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL),
        QR_NOT_FOUND);
    qr_file_close(create(place, "f"));
    assert_int_equal(qr_env_open(place->env, path_in(place, "f"),
                                 QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_EXCLUSIVE, &file, NULL),
                     QR_EXISTS);
    assert_int_equal(qr_env_unlink(place->env, path_in(place, "no"), NULL), QR_NOT_FOUND);
    assert_int_equal(qr_env_make_dir(place->env, place->dir, NULL), QR_EXISTS);
}

static bool append_name(void *arg, const char *name)
{
    qr_buf_printf(arg, "%s ", name);
    return true;
}

static void assert_listing(struct place *place, const char *want)
{
    struct qr_buf names;
    qr_buf_init(&names, 4096);
    assert_int_equal(qr_env_list(place->env, place->dir, append_name, &names, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&names), want);
    qr_buf_done(&names);
}

static void test_replace_leaves_the_new_contents_and_no_other_file(void **state)
{
    struct place *place = *state;
    struct qr_buf buf;
    qr_buf_init(&buf, 8);
    char path[512];
    snprintf(path, sizeof path, "%s/meta", place->dir);
    assert_int_equal(qr_env_replace_file(place->env, path, "one", 3, NULL), QR_OK);
    assert_int_equal(qr_env_replace_file(place->env, path, "eight...", 8, NULL), QR_OK);
    assert_int_equal(qr_env_read_file(place->env, path, &buf, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), "eight...");
    assert_listing(place, "meta ");
    qr_buf_clear(&buf);
    assert_int_equal(qr_env_replace_file(place->env, path, "nine bytes", 9, NULL), QR_OK);
    assert_int_equal(qr_env_read_file(place->env, path, &buf, NULL), QR_TOO_BIG);
    qr_buf_done(&buf);
}

static void test_rename_replaces_and_listing_is_sorted(void **state)
{
    struct place *place = *state;
    qr_file_close(create(place, "b"));
    qr_file_close(create(place, "a"));
    qr_file_close(create(place, "c"));
    char from[512];
    snprintf(from, sizeof from, "%s", path_in(place, "c"));
    assert_int_equal(qr_env_rename(place->env, from, path_in(place, "a"), NULL), QR_OK);
    assert_listing(place, "a b ");
}

static void test_directory_part_of_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } rows[] = {{"f", "."}, {"/f", "/"}, {"/a/f", "/a"}, {"a/b/f", "a/b"}, {"./f", "."}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char dst[32];
        qr_env_dir_name(rows[i].path, dst);
        assert_string_equal(dst, rows[i].want);
    }
}

/* --- the simulation alone --- */

static struct qr_sim *sim_with_seed(uint64_t seed)
{
    return qr_sim_new(&(struct qr_sim_options){.seed = seed});
}

/* Method: two sectors are overwritten without sync; over many seeds each of the four outcomes must
 * be seen, and nothing else. */
static void test_power_cut_keeps_each_unsynced_sector_or_not(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct qr_sim *sim = sim_with_seed(seed);
        struct qr_env *env = qr_sim_env(sim);
        struct qr_file *file = NULL;
        char sectors[1024];
        assert_int_equal(qr_env_open(env, "f", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL), QR_OK);
        memset(sectors, 'o', sizeof sectors);
        assert_int_equal(qr_file_pwrite(file, sectors, sizeof sectors, 0, NULL), QR_OK);
        assert_int_equal(qr_file_sync(file, NULL), QR_OK);
        assert_int_equal(qr_env_sync_dir(env, ".", NULL), QR_OK);
        memset(sectors, 'n', sizeof sectors);
        assert_int_equal(qr_file_pwrite(file, sectors, sizeof sectors, 0, NULL), QR_OK);
        qr_sim_power_cut(sim);
        assert_int_equal(qr_file_pwrite(file, "x", 1, 0, NULL), QR_IO);
        qr_file_close(file);

        assert_int_equal(qr_env_open(env, "f", QR_OPEN_READ, &file, NULL), QR_OK);
        assert_int_equal(qr_file_read_exactly(file, sectors, sizeof sectors, 0, NULL), QR_OK);
        for (size_t i = 0; i < sizeof sectors; i++)
            assert_int_equal(sectors[i], sectors[i / 512 * 512]);
        seen |= 1u << ((sectors[0] == 'n' ? 1 : 0) + (sectors[512] == 'n' ? 2 : 0));
        qr_file_close(file);
        qr_sim_free(sim);
    }
    assert_int_equal(seen, 0xf);
}

static void test_power_cut_spares_a_synced_write_and_not_the_ones_before_it(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (uint64_t seed = 1; seed <= 32; seed++) {
        struct qr_sim *sim = sim_with_seed(seed);
        struct qr_env *env = qr_sim_env(sim);
        struct qr_file *file = NULL;
        char sectors[1024];
        assert_int_equal(qr_env_open(env, "f", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL), QR_OK);
        assert_int_equal(qr_env_sync_dir(env, ".", NULL), QR_OK);
        memset(sectors, 'n', sizeof sectors);
        assert_int_equal(qr_file_pwrite(file, sectors, 512, 0, NULL), QR_OK);
        assert_int_equal(qr_file_pwrite_sync(file, sectors, 512, 512, NULL), QR_OK);
        qr_sim_power_cut(sim);
        qr_file_close(file);
        assert_int_equal(qr_env_open(env, "f", QR_OPEN_READ, &file, NULL), QR_OK);
        assert_int_equal(qr_file_read_exactly(file, sectors, sizeof sectors, 0, NULL), QR_OK);
        assert_int_equal(sectors[512], 'n');
        assert_int_equal(sectors[1023], 'n');
        lost += sectors[0] != 'n';
        qr_file_close(file);
        qr_sim_free(sim);
    }
    assert_true(lost > 0);
    assert_true(lost < 32);
}

static void test_power_cut_forgets_names_only_before_sync_dir(void **state)
{
    (void)state;
    unsigned lost = 0, kept = 0;
    for (uint64_t seed = 1; seed <= 64; seed++) {
        struct qr_sim *sim = sim_with_seed(seed);
        struct qr_env *env = qr_sim_env(sim);
        struct qr_file *file = NULL;
        assert_int_equal(qr_env_make_dir(env, "d", NULL), QR_OK);
        assert_int_equal(qr_env_sync_dir(env, "/", NULL), QR_OK);
        assert_int_equal(qr_env_replace_file(env, "d/old", "1", 1, NULL), QR_OK);
        assert_int_equal(qr_env_rename(env, "d/old", "d/new", NULL), QR_OK);
        assert_int_equal(qr_env_open(env, "d/late", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL),
                         QR_OK);
        qr_file_close(file);
        qr_sim_power_cut(sim);

        bool has_old = qr_env_open(env, "d/old", QR_OPEN_READ, &file, NULL) == QR_OK;
        if (has_old)
            qr_file_close(file);
        bool has_new = qr_env_open(env, "d/new", QR_OPEN_READ, &file, NULL) == QR_OK;
        if (has_new)
            qr_file_close(file);
        bool has_late = qr_env_open(env, "d/late", QR_OPEN_READ, &file, NULL) == QR_OK;
        if (has_late)
            qr_file_close(file);
        assert_true(has_old != has_new); /* a rename is never half done */
        assert_false(has_late && has_old);
        lost += has_old;
        kept += has_late;
        qr_sim_free(sim);
    }
    assert_true(lost > 0);
    assert_true(kept > 0);
}

/* Method: fail the n-th I/O of a replace, cut the power, look: old or new, never anything else. */
static void test_replace_survives_every_io_fault_and_power_cut(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        struct qr_sim *sim = sim_with_seed(nth);
        struct qr_env *env = qr_sim_env(sim);
        struct qr_buf buf;
        qr_buf_init(&buf, 100);
        assert_int_equal(qr_env_replace_file(env, "m", "old", 3, NULL), QR_OK);
        qr_sim_fault_next(sim, nth, true, QR_IO);
        enum qr_status status = qr_env_replace_file(env, "m", "newer", 5, NULL);
        fired = qr_sim_fault_fired(sim);
        assert_int_equal(status, fired ? QR_IO : QR_OK);
        qr_sim_power_cut(sim);
        assert_int_equal(qr_env_read_file(env, "m", &buf, NULL), QR_OK);
        if (!fired || strcmp(qr_buf_cstr(&buf), "old") != 0)
            assert_string_equal(qr_buf_cstr(&buf), "newer");
        qr_buf_done(&buf);
        qr_sim_free(sim);
    }
}

static void test_writes_before_a_failed_sync_are_not_saved_by_the_next(void **state)
{
    (void)state;
    bool lost = false;
    for (uint64_t seed = 1; seed <= 32 && !lost; seed++) {
        struct qr_sim *sim = sim_with_seed(seed);
        struct qr_env *env = qr_sim_env(sim);
        struct qr_file *file = NULL;
        char c = 0;
        assert_int_equal(qr_env_open(env, "f", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL), QR_OK);
        assert_int_equal(qr_env_sync_dir(env, ".", NULL), QR_OK);
        assert_int_equal(qr_file_pwrite(file, "o", 1, 0, NULL), QR_OK);
        assert_int_equal(qr_file_sync(file, NULL), QR_OK);
        assert_int_equal(qr_file_pwrite(file, "n", 1, 0, NULL), QR_OK);
        qr_sim_fault_next(sim, 1, false, QR_IO);
        assert_int_equal(qr_file_sync(file, NULL), QR_IO);
        assert_int_equal(qr_file_sync(file, NULL), QR_OK);
        qr_sim_power_cut(sim);
        qr_file_close(file);
        assert_int_equal(qr_env_open(env, "f", QR_OPEN_READ, &file, NULL), QR_OK);
        assert_int_equal(qr_file_read_exactly(file, &c, 1, 0, NULL), QR_OK);
        lost = c == 'o';
        qr_file_close(file);
        qr_sim_free(sim);
    }
    assert_true(lost);
}

static void test_a_full_disk_refuses_growth_but_not_rewrites(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1, .disk_bytes_max = 1000});
    struct qr_file *file = NULL;
    char bytes[1001] = {0};
    assert_int_equal(qr_env_open(qr_sim_env(sim), "f", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL),
                     QR_OK);
    assert_int_equal(qr_file_preallocate(file, 0, 1000, NULL), QR_OK);
    assert_int_equal(qr_file_pwrite(file, bytes, 1000, 0, NULL), QR_OK);
    assert_int_equal(qr_file_pwrite(file, bytes, 1001, 0, NULL), QR_FULL);
    qr_sim_disk_limit(sim, 0);
    assert_int_equal(qr_file_pwrite(file, bytes, 1001, 0, NULL), QR_OK);
    qr_file_close(file);
    qr_sim_free(sim);
}

static void test_kill_keeps_what_was_written_and_frees_the_lock(void **state)
{
    (void)state;
    struct qr_sim *sim = sim_with_seed(3);
    struct qr_env *env = qr_sim_env(sim);
    struct qr_file *before = NULL, *after = NULL;
    char c = 0;
    assert_int_equal(qr_env_open(env, "f", QR_OPEN_RW | QR_OPEN_CREATE, &before, NULL), QR_OK);
    assert_int_equal(qr_file_lock(before, NULL), QR_OK);
    assert_int_equal(qr_file_pwrite(before, "k", 1, 0, NULL), QR_OK);
    qr_sim_kill(sim);
    assert_int_equal(qr_env_open(env, "f", QR_OPEN_RW, &after, NULL), QR_OK);
    assert_int_equal(qr_file_lock(after, NULL), QR_OK);
    assert_int_equal(qr_file_read_exactly(after, &c, 1, 0, NULL), QR_OK);
    assert_int_equal(c, 'k');
    assert_int_equal(qr_file_size(before, &(uint64_t){0}, NULL), QR_IO);
    qr_file_close(before);
    qr_file_close(after);
    qr_sim_free(sim);
}

static void test_simulated_time_moves_only_when_told(void **state)
{
    (void)state;
    struct qr_sim *sim = sim_with_seed(1);
    struct qr_env *env = qr_sim_env(sim);
    int64_t wall = qr_env_wall_ns(env), mono = qr_env_mono_ns(env);
    qr_env_sleep_ns(env, 5);
    assert_int_equal(qr_env_wall_ns(env), wall + 5);
    assert_int_equal(qr_env_mono_ns(env), mono + 5);
    qr_sim_set_wall(sim, 42);
    assert_int_equal(qr_env_wall_ns(env), 42);
    assert_int_equal(qr_env_mono_ns(env), mono + 5);
    qr_sim_free(sim);
}

static void test_damage_is_seen_now_and_after_a_power_cut(void **state)
{
    (void)state;
    struct qr_sim *sim = sim_with_seed(1);
    struct qr_env *env = qr_sim_env(sim);
    struct qr_buf buf;
    qr_buf_init(&buf, 100);
    assert_int_equal(qr_env_replace_file(env, "m", "a", 1, NULL), QR_OK);
    assert_int_equal(qr_sim_flip_bit(sim, "m", 1), QR_OK);
    qr_sim_power_cut(sim);
    assert_int_equal(qr_env_read_file(env, "m", &buf, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), "c");
    assert_int_equal(qr_sim_flip_bit(sim, "m", 8), QR_INVALID);
    qr_buf_done(&buf);
    qr_sim_free(sim);
}

static void *count_to_one(void *arg)
{
    __atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_a_thread_runs_and_a_timed_wait_ends(void **state)
{
    (void)state;
    pthread_t thread;
    int ran = 0;
    assert_int_equal(
        qr_thread_start("a-very-long-thread-name", 0, count_to_one, &ran, &thread, NULL), QR_OK);
    pthread_join(thread, NULL);
    assert_int_equal(ran, 1);

    pthread_cond_t cond;
    pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    qr_cond_init(&cond);
    pthread_mutex_lock(&mu);
    while (qr_cond_wait(&cond, &mu, 1000000) != QR_TIMEOUT)
        ;
    pthread_mutex_unlock(&mu);
    pthread_cond_destroy(&cond);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, real_setup, real_teardown),                              \
        cmocka_unit_test_setup_teardown(test, sim_setup, sim_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_a_read_returns_what_was_written_and_stops_at_the_end),
        BOTH(test_direct_and_other_writes_read_back_alike),
        BOTH(test_preallocated_and_grown_space_reads_as_zeros),
        BOTH(test_a_second_open_cannot_take_the_lock),
        BOTH(test_open_flags_and_missing_files_answer_by_status),
        BOTH(test_replace_leaves_the_new_contents_and_no_other_file),
        BOTH(test_rename_replaces_and_listing_is_sorted),
        cmocka_unit_test(test_directory_part_of_a_path),
        cmocka_unit_test(test_power_cut_keeps_each_unsynced_sector_or_not),
        cmocka_unit_test(test_power_cut_spares_a_synced_write_and_not_the_ones_before_it),
        cmocka_unit_test(test_power_cut_forgets_names_only_before_sync_dir),
        cmocka_unit_test(test_replace_survives_every_io_fault_and_power_cut),
        cmocka_unit_test(test_writes_before_a_failed_sync_are_not_saved_by_the_next),
        cmocka_unit_test(test_a_full_disk_refuses_growth_but_not_rewrites),
        cmocka_unit_test(test_kill_keeps_what_was_written_and_frees_the_lock),
        cmocka_unit_test(test_simulated_time_moves_only_when_told),
        cmocka_unit_test(test_damage_is_seen_now_and_after_a_power_cut),
        cmocka_unit_test(test_a_thread_runs_and_a_timed_wait_ends),
    };
    return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
