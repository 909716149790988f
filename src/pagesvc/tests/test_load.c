/* test_load.c - loads, which write whole pages once: what a page server writes for a byte of log,
 * and what it keeps when the pages are loaded again. */
#include <stdlib.h>
#include <string.h>
#include "blob/blob.h"
#include "env/sim.h"
#include "page/record.h"
#include "pagesvc/pagesvc.h"
#include "qr_test.h"

enum { PAGE_BYTES = 4096, PAGES = 3000, PAGES_A_COMMIT = 30, FAN_IN = 4 };

struct load {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_pagesvc *svc;
    struct qr_slice_id id;
    struct qr_buf log;
    uint64_t start, random, commit_no;
    uint64_t group_memory_bytes;  /* 0: the default */
    uint8_t (*pages)[PAGE_BYTES]; /* by number, as of the last commit */
};

static void open_service(struct load *l, uint64_t open_layer_bytes)
{
    struct qr_env *env = qr_sim_env(l->sim);
    struct qr_err err;
    qr_err_reset(&err);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blobs", "", &l->blob, &err), QR_OK);
    struct qr_pagesvc_options options = {.env = env,
                                         .dir = "/layers",
                                         .blob = l->blob,
                                         .open_layer_bytes = open_layer_bytes,
                                         .group_memory_bytes = l->group_memory_bytes,
                                         .fan_in = FAN_IN,
                                         .grace_ns = 1000,
                                         .threads_off = true};
    assert_int_equal(qr_pagesvc_open(&options, &l->svc, &err), QR_OK);
}

static void begin(struct load *l, uint64_t open_layer_bytes)
{
    *l = (struct load){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 4}),
                       .id = {{{1}}, 0},
                       .start = 4096,
                       .random = 88172645463325252u};
    qr_buf_init(&l->log, 1 << 28);
    l->pages = calloc(PAGES + 1, sizeof *l->pages);
    assert_non_null(l->pages);
    open_service(l, open_layer_bytes);
    assert_int_equal(qr_pagesvc_create(l->svc, &l->id, PAGE_BYTES, qr_lsn(l->start), NULL), QR_OK);
    qr_record_add_epoch(&l->log, 1, l->start, 0);
}

static void end(struct load *l)
{
    qr_pagesvc_close(l->svc);
    qr_blob_close(l->blob);
    qr_buf_done(&l->log);
    free(l->pages);
    qr_sim_free(l->sim);
}

static uint64_t draw(struct load *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

static void change(struct load *l, uint32_t page_no, size_t count, bool whole)
{
    static uint8_t before[PAGE_BYTES];
    uint8_t *page = l->pages[page_no];
    memcpy(before, page, PAGE_BYTES);
    size_t room = PAGE_BYTES - QR_PAGE_RESERVED_BYTES;
    for (size_t n = 0, at = count == room ? 0 : draw(l) % (room - count); n < count; n++)
        page[at + n] = (uint8_t)draw(l);
    qr_record_add_page(&l->log, page_no, whole ? NULL : before, page, PAGE_BYTES);
}

/* Gives the page server the next of what was logged. */
static enum qr_status feed(struct load *l, size_t bytes_max, struct qr_err *err)
{
    struct qr_slice_cursor cursor;
    qr_err_reset(err);
    assert_true(qr_pagesvc_cursor(l->svc, &l->id, &cursor));
    uint64_t at = cursor.next.v - l->start, left = l->log.len - at;
    return qr_pagesvc_ingest(l->svc, &l->id, &l->id.timeline, 1, cursor.next, l->log.data + at,
                             left < bytes_max ? left : bytes_max, err);
}

static void work(struct load *l)
{
    bool more = true;
    struct qr_err err;
    qr_err_reset(&err);
    for (int i = 0; i < 1000 && more; i++) {
        qr_sim_advance(l->sim, 2000);
        if (qr_pagesvc_work(l->svc, &more, &err) != QR_OK)
            fail_msg("work: %s", err.text);
    }
    assert_false(more);
}

static void take_in(struct load *l)
{
    struct qr_err err;
    if (feed(l, SIZE_MAX, &err) != QR_OK)
        fail_msg("ingest: %s", err.text);
    work(l);
}

/* Every page whole, in order; the first changes a little with each commit, as a root does. */
static void load_all(struct load *l)
{
    for (uint32_t first = 2; first <= PAGES; first += PAGES_A_COMMIT) {
        uint32_t last = first + PAGES_A_COMMIT - 1 < PAGES ? first + PAGES_A_COMMIT - 1 : PAGES;
        change(l, 1, 60, l->commit_no == 0);
        for (uint32_t p = first; p <= last; p++)
            change(l, p, PAGE_BYTES - QR_PAGE_RESERVED_BYTES, true);
        l->commit_no++;
        qr_record_add_commit(&l->log, l->commit_no > PAGES / PAGES_A_COMMIT ? PAGES : last,
                             last - first + 2, l->commit_no, l->commit_no);
        take_in(l);
    }
    assert_int_equal(qr_pagesvc_flush(l->svc, &l->id, NULL), QR_OK);
    take_in(l);
}

static void keep_status(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)err;
    get->deadline_mono_ns = status;
}

static void check_pages(struct load *l)
{
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(l->svc, &l->id, &cursor));
    for (uint32_t p = 1; p <= PAGES; p++) {
        struct qr_buf buf;
        qr_buf_init(&buf, PAGE_BYTES * 2);
        struct qr_page_get get = {.id = l->id,
                                  .page_no = p,
                                  .lsn = cursor.visible,
                                  .not_modified_since = cursor.visible,
                                  .dst = &buf,
                                  .done = keep_status};
        qr_pagesvc_get(l->svc, &get);
        assert_int_equal(get.deadline_mono_ns, QR_OK);
        assert_int_equal(buf.len, PAGE_BYTES);
        assert_memory_equal(buf.data, l->pages[p], PAGE_BYTES - QR_PAGE_RESERVED_BYTES);
        qr_buf_done(&buf);
    }
}

static uint64_t written(struct load *l, struct qr_pagesvc_stats *ret_stats)
{
    qr_pagesvc_get_stats(l->svc, ret_stats);
    return ret_stats->flushed_bytes + ret_stats->merged_bytes + ret_stats->image_bytes;
}

static void test_a_load_is_written_once(void **state)
{
    (void)state;
    struct load l;
    struct qr_pagesvc_stats stats;
    begin(&l, 1 << 20);
    load_all(&l);
    assert_true(written(&l, &stats) < l.log.len * 21 / 20);
    assert_true(stats.layers > FAN_IN * 2); /* they could have been merged */
    assert_true(stats.layer_bytes < l.log.len * 21 / 20);
    check_pages(&l);
    qr_pagesvc_close(l.svc);
    qr_blob_close(l.blob);
    open_service(&l, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(l.svc, &l.id, NULL), QR_OK);
    check_pages(&l);
    end(&l);
}

static void test_of_many_layers_of_a_load_the_oldest_are_merged_once(void **state)
{
    (void)state;
    enum { ALONE_MAX = 16 * FAN_IN };
    struct load l;
    struct qr_pagesvc_stats stats;
    begin(&l, 100 << 10); /* a layer for each commit */
    load_all(&l);
    assert_true(written(&l, &stats) < l.log.len * 41 / 20);
    assert_true(l.commit_no > ALONE_MAX * 5 / 4);
    assert_true(stats.merged_bytes > 0);
    assert_int_equal(stats.merged_bytes, stats.level_bytes[0]);
    assert_in_range(stats.layers, ALONE_MAX, ALONE_MAX * 2);
    check_pages(&l);
    end(&l);
}

/* Space does not grow with the number of loads, and writing by half of each more. */
static void test_of_pages_that_are_loaded_again_the_old_go(void **state)
{
    (void)state;
    struct load l;
    struct qr_pagesvc_stats stats;
    begin(&l, 1 << 20);
    load_all(&l);
    uint64_t bytes = l.log.len;
    for (int i = 0; i < 7; i++) {
        struct qr_slice_cursor cursor;
        load_all(&l);
        assert_true(qr_pagesvc_cursor(l.svc, &l.id, &cursor));
        assert_int_equal(qr_pagesvc_set_horizon(l.svc, &l.id, cursor.visible, NULL), QR_OK);
        take_in(&l);
        check_pages(&l);
        uint64_t all = written(&l, &stats);
        assert_true(all < l.log.len * 9 / 5);
        assert_true(stats.layer_bytes < bytes * 4);
    }
    assert_true(stats.image_bytes > bytes);
    end(&l);
}

/* What follows a load is merged, and gets images, as it did. */
static void test_changes_after_a_load_are_merged_and_make_images(void **state)
{
    (void)state;
    struct load l;
    struct qr_pagesvc_stats stats;
    begin(&l, 1 << 20);
    load_all(&l);
    uint64_t log = l.log.len;
    while (l.log.len - log < log * 3 / 2) {
        for (uint32_t n = 0; n < 300; n++)
            change(&l, 1 + (uint32_t)(l.commit_no * 13 + n * 7) % PAGES, 200, false);
        l.commit_no++;
        qr_record_add_commit(&l.log, PAGES, 300, l.commit_no, l.commit_no);
        take_in(&l);
    }
    (void)written(&l, &stats);
    assert_true(stats.merged_bytes > 0);
    assert_true(stats.image_bytes > log * 9 / 10);
    check_pages(&l);
    end(&l);
}

/* --- a commit that is larger than memory --- */

enum { GROUP_MEMORY = 128 << 10, PIECE = 50000 };

/* All pages in one commit; its mark is not logged yet. */
static void begin_at_once(struct load *l)
{
    begin(l, 1 << 20);
    qr_pagesvc_close(l->svc);
    qr_blob_close(l->blob);
    l->group_memory_bytes = GROUP_MEMORY;
    open_service(l, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(l->svc, &l->id, NULL), QR_OK);
    for (uint32_t p = 1; p <= PAGES; p++)
        change(l, p, PAGE_BYTES - QR_PAGE_RESERVED_BYTES, true);
}

static void commit_all(struct load *l)
{
    l->commit_no++;
    qr_record_add_commit(&l->log, PAGES, PAGES, l->commit_no, l->commit_no);
}

static uint64_t next_of(struct load *l)
{
    struct qr_slice_cursor cursor;
    assert_true(qr_pagesvc_cursor(l->svc, &l->id, &cursor));
    return cursor.next.v - l->start;
}

static void feed_all(struct load *l)
{
    struct qr_err err;
    while (next_of(l) < l->log.len) {
        if (feed(l, PIECE, &err) != QR_OK)
            fail_msg("ingest: %s", err.text);
    }
}

static void check_memory(struct load *l)
{
    enum { AN_ENTRY = 64 };
    struct qr_pagesvc_stats stats;
    qr_pagesvc_get_stats(l->svc, &stats);
    assert_true(stats.memory_bytes > 0);
    assert_true(stats.memory_bytes < GROUP_MEMORY + PAGES * AN_ENTRY);
    assert_true(l->log.len > 20 * stats.memory_bytes);
}

static void test_a_commit_larger_than_memory_is_read_from_its_file(void **state)
{
    (void)state;
    struct load l;
    struct qr_pagesvc_stats stats;
    begin_at_once(&l);
    feed_all(&l);
    check_memory(&l);
    commit_all(&l);
    feed_all(&l);
    check_memory(&l);
    check_pages(&l); /* of the file: it is no layer yet */
    change(&l, 7, 60, false);
    commit_all(&l);
    feed_all(&l);
    check_pages(&l);
    work(&l);
    qr_pagesvc_get_stats(l.svc, &stats);
    assert_true(stats.flushed_bytes < l.log.len * 21 / 20);
    assert_true(stats.flushed_bytes > l.log.len * 9 / 10);
    check_pages(&l);
    end(&l);
}

static void test_a_crash_in_the_middle_of_a_large_commit_loses_nothing(void **state)
{
    (void)state;
    struct load l;
    begin_at_once(&l);
    feed_all(&l);
    qr_sim_power_cut(l.sim);
    qr_pagesvc_close(l.svc);
    qr_blob_close(l.blob);
    /* what a kill between making the file and taking its name away leaves */
    const char *left = "/layers/group.0123456789abcdef";
    assert_int_equal(qr_env_replace_file(qr_sim_env(l.sim), left, "x", 1, NULL), QR_OK);
    open_service(&l, 1 << 20);
    struct qr_file *file = NULL;
    assert_int_equal(qr_env_open(qr_sim_env(l.sim), left, QR_OPEN_READ, &file, NULL), QR_NOT_FOUND);
    assert_int_equal(qr_pagesvc_attach(l.svc, &l.id, NULL), QR_OK);
    assert_int_equal(next_of(&l), 0);
    commit_all(&l);
    feed_all(&l);
    check_memory(&l);
    check_pages(&l);
    end(&l);
}

/* Who finds no room for it takes nothing, and goes on there when there is. */
static void test_a_full_disk_in_the_middle_of_a_large_commit_is_waited_for(void **state)
{
    (void)state;
    struct load l;
    struct qr_err err;
    begin_at_once(&l);
    commit_all(&l);
    qr_sim_disk_limit(l.sim, 3 << 20);
    enum qr_status status = QR_OK;
    while (status == QR_OK && next_of(&l) < l.log.len)
        status = feed(&l, PIECE, &err);
    assert_int_equal(status, QR_FULL);
    uint64_t next = next_of(&l);
    assert_in_range(next, 2 << 20, 4 << 20);
    assert_int_equal(feed(&l, PIECE, &err), QR_FULL);
    assert_int_equal(next_of(&l), next);
    qr_sim_disk_limit(l.sim, UINT64_MAX);
    feed_all(&l);
    check_pages(&l);
    work(&l);
    check_pages(&l);
    end(&l);
}

static const struct qr_env_ops *env_ops;
static struct qr_file *group_file; /* the last that was opened: it has no name */

static enum qr_status open_and_keep(struct qr_env *env, const char *path, unsigned flags,
                                    struct qr_file **ret_file, struct qr_err *err)
{
    enum qr_status status = env_ops->open(env, path, flags, ret_file, err);
    if (status == QR_OK && strstr(path, "/group.") != NULL)
        group_file = *ret_file;
    return status;
}

static void test_damage_in_a_large_commit_s_file_is_found_and_mended_from_the_log(void **state)
{
    (void)state;
    struct load l;
    struct qr_err err;
    begin_at_once(&l);
    commit_all(&l);
    struct qr_env *env = qr_sim_env(l.sim);
    struct qr_env_ops ops = *env->ops;
    env_ops = env->ops;
    ops.open = open_and_keep;
    env->ops = &ops;
    feed_all(&l);
    env->ops = env_ops;
    assert_int_equal(qr_file_pwrite(group_file, "damage", 6, 1 << 20, NULL), QR_OK);
    bool more = true;
    enum qr_status status = QR_OK;
    qr_err_reset(&err);
    qr_sim_advance(l.sim, 2000);
    while (more && status == QR_OK)
        status = qr_pagesvc_work(l.svc, &more, &err);
    assert_int_equal(status, QR_CORRUPT);
    change(&l, 7, 60, false);
    commit_all(&l);
    assert_int_equal(feed(&l, PIECE, &err), QR_CORRUPT); /* who feeds it attaches it anew */
    qr_pagesvc_detach(l.svc, &l.id);
    assert_int_equal(qr_pagesvc_attach(l.svc, &l.id, NULL), QR_OK);
    assert_int_equal(next_of(&l), 0);
    feed_all(&l);
    work(&l);
    check_pages(&l);
    end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_load_is_written_once),
        cmocka_unit_test(test_of_many_layers_of_a_load_the_oldest_are_merged_once),
        cmocka_unit_test(test_of_pages_that_are_loaded_again_the_old_go),
        cmocka_unit_test(test_changes_after_a_load_are_merged_and_make_images),
        cmocka_unit_test(test_a_commit_larger_than_memory_is_read_from_its_file),
        cmocka_unit_test(test_a_crash_in_the_middle_of_a_large_commit_loses_nothing),
        cmocka_unit_test(test_damage_in_a_large_commit_s_file_is_found_and_mended_from_the_log),
        cmocka_unit_test(test_a_full_disk_in_the_middle_of_a_large_commit_is_waited_for),
    };
    return cmocka_run_group_tests_name("pagesvc/load", tests, NULL, NULL);
}
