/* test_remake.c - layers that are damaged in every copy are made again from the log that is kept,
 * whatever of them is damaged, while the slice is served or before; what cannot be made again costs
 * its own pages. */
#include <stdlib.h>
#include <string.h>
#include "bed.h"
#include "qr_test.h"

enum { LAYER_HEAD = 64 }; /* of the directory's object, in front of the layer */

/* Of the newest layer, whose file has the last name; of all but it. */
struct newest {
    char name[200];
};
static bool look(void *arg, const char *name)
{
    struct newest *n = arg;
    if (strstr(name, ".delta") != NULL && strcmp(name, n->name) > 0)
        snprintf(n->name, sizeof n->name, "%s", name);
    return true;
}
static const char *newest_of(struct bed *b, struct newest *n)
{
    n->name[0] = '\0';
    assert_int_equal(qr_env_list(qr_sim_env(b->sim), bed_objects, look, n, NULL), QR_OK);
    assert_true(n->name[0] != '\0');
    return n->name;
}

static void make(struct bed *b, int commits)
{
    bed_make(b, BED_REMOTE, commits, 8192);
    bed_close(b);
    b->keeps_log = true;
    bed_open(b, 8192);
    assert_int_equal(qr_pagesvc_attach(b->svc, &b->id, NULL), QR_OK);
    bed_ingest(b);
    assert_int_equal(qr_pagesvc_flush(b->svc, &b->id, NULL), QR_OK);
}

/* The layer's local copy goes, too, so that the object is all there is. */
static void lose_copies(struct bed *b)
{
    if (BED_REMOTE)
        (void)bed_remove(b, "/layers", "-");
}

static void attach(struct bed *b)
{
    struct qr_err err;
    qr_err_reset(&err);
    bed_open(b, 8192);
    if (qr_pagesvc_attach(b->svc, &b->id, &err) != QR_OK)
        fail_msg("attach: %s", err.text);
}

static const struct {
    const char *name;
    int64_t at; /* 0: the whole file */
} damages[] = {
    {"header", LAYER_HEAD + 20},
    {"blocks", LAYER_HEAD + 300},
    {"footer", -20},
    {"sections", -200},
    {"missing", 0},
};

static void hurt(struct bed *b, const char *part, size_t which)
{
    int64_t at = damages[which].at;
    assert_true(
        (at == 0 ? bed_remove(b, bed_objects, part) : bed_flip_at(b, bed_objects, part, at)) > 0);
    lose_copies(b);
}

/* Who meets damage waits for the worker, whose own work may fail of it meanwhile. */
static void meet(struct bed *b)
{
    static struct bed_answer a[WORLD_PAGES_MAX + 1];
    const struct world_commit *at = &b->w.commits[b->w.commit_count - 1];
    bool more;
    for (uint32_t page = 0; page <= at->db_pages; page++)
        bed_ask(b, &a[page], page, at->lsn, 0);
    for (int i = 0; i < 20; i++)
        (void)!qr_pagesvc_work(b->svc, &more, NULL);
    for (uint32_t page = 0; page <= at->db_pages; page++) {
        assert_true(a[page].done);
        assert_int_equal(a[page].status, QR_OK);
        qr_buf_done(&a[page].buf);
    }
}

static void test_the_newest_layer_is_made_again_when_its_slice_is_attached(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct bed b;
        struct newest n;
        make(&b, 300);
        bed_close(&b);
        hurt(&b, newest_of(&b, &n), i);
        attach(&b);
        bed_ingest(&b);
        meet(&b);
        bed_check(&b);
        for (size_t at = 0; at < b.w.commit_count; at += 37)
            world_check(&b.w, b.svc, &b.id, &b.w.commits[at]);
        bed_work(&b);
        bed_check(&b);
        bed_close(&b); /* for good */
        b.keeps_log = false;
        attach(&b);
        bed_check(&b);
        bed_free(&b);
    }
}

static void test_all_delta_layers_are_made_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct bed b;
        make(&b, 200);
        bed_close(&b);
        hurt(&b, ".delta", i);
        attach(&b);
        bed_ingest(&b);
        meet(&b);
        bed_check(&b);
        bed_work(&b);
        world_check(&b.w, b.svc, &b.id, &b.w.commits[3]);
        bed_free(&b);
    }
}

/* Who met the damage waits for the worker and gets his page. */
static void test_damage_that_a_reader_meets_is_mended_before_he_is_answered(void **state)
{
    (void)state;
    struct bed b;
    struct bed_answer a[WORLD_PAGES_MAX + 1];
    make(&b, 300);
    uint32_t waited = 0;
    const struct world_commit *at = &b.w.commits[b.w.commit_count - 1];
    assert_true(bed_flip_at(&b, bed_objects, ".delta", LAYER_HEAD + 300) > 0);
    if (BED_REMOTE)
        assert_true(bed_flip_at(&b, "/layers", "-", 300) > 0);
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        bed_ask(&b, &a[page], page, at->lsn, 0);
        waited += !a[page].done;
    }
    assert_true(waited > 0);
    bool more;
    for (int i = 0; i < 20; i++) /* one layer of a page's after the other; merges meet it, too */
        (void)!qr_pagesvc_work(b.svc, &more, NULL);
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        assert_true(a[page].done);
        assert_int_equal(a[page].status, QR_OK);
        assert_memory_equal(a[page].buf.data, b.w.images[at->version[page]], WORLD_PAGE_BYTES);
        qr_buf_done(&a[page].buf);
    }
    bed_work(&b);
    bed_check(&b);
    bed_free(&b);
}

/* All pages are asked for, and all have an answer; returns how many were right. */
static uint32_t ask_all(struct bed *b)
{
    static struct bed_answer a[WORLD_PAGES_MAX + 1];
    const struct world_commit *at = &b->w.commits[b->w.commit_count - 1];
    bool more;
    uint32_t right = 0;
    for (uint32_t page = 1; page <= at->db_pages; page++)
        bed_ask(b, &a[page], page, at->lsn, 0);
    for (int i = 0; i < 20; i++)
        (void)!qr_pagesvc_work(b->svc, &more, NULL);
    for (uint32_t page = 1; page <= at->db_pages; page++) {
        assert_true(a[page].done);
        if (a[page].status == QR_OK) {
            assert_memory_equal(a[page].buf.data, b->w.images[at->version[page]], WORLD_PAGE_BYTES);
            right++;
        } else {
            assert_int_equal(a[page].status, QR_CORRUPT);
        }
        qr_buf_done(&a[page].buf);
    }
    return right;
}

/* Without the log the pages of that layer fail, once it was tried at once, and the others are
 * right. */
static void test_without_the_log_damage_costs_its_pages_only(void **state)
{
    (void)state;
    struct bed b;
    make(&b, 300);
    b.log_first_lsn = UINT64_MAX;
    assert_true(bed_flip_at(&b, bed_objects, ".delta", LAYER_HEAD + 300) > 0);
    if (BED_REMOTE)
        assert_true(bed_flip_at(&b, "/layers", "-", 300) > 0);
    const struct world_commit *at = &b.w.commits[b.w.commit_count - 1];
    struct bed_answer a;
    uint32_t page = 0;
    do { /* the first who meets it waits until nothing was found that helps */
        page++;
        assert_true(page <= at->db_pages);
        bed_ask(&b, &a, page, at->lsn, 0);
        if (a.done)
            qr_buf_done(&a.buf);
    } while (a.done);
    bool more;
    (void)!qr_pagesvc_work(b.svc, &more, NULL);
    assert_true(a.done);
    assert_int_equal(a.status, QR_CORRUPT);
    qr_buf_done(&a.buf);
    uint32_t right = ask_all(&b);
    assert_true(right < at->db_pages);
    assert_int_equal(bed_count_right(&b), right); /* nobody waits now */
    /* Objects that somebody puts back are found. */
    assert_true(bed_flip_at(&b, bed_objects, ".delta", LAYER_HEAD + 300) > 0);
    qr_sim_advance(b.sim, INT64_C(61000000000));
    assert_int_equal(ask_all(&b), at->db_pages);
    bed_check(&b);
    bed_free(&b);
}

static void ignore(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)get, (void)status, (void)err;
}

/* What cannot be mended does not keep what can from being mended at once. */
static uint32_t right_of_two_damaged(bool hurts_newest)
{
    struct bed b;
    struct newest n;
    struct qr_buf buf;
    bool more;
    make(&b, 300);
    (void)newest_of(&b, &n);
    b.log_first_lsn = b.w.commits[150].lsn; /* log of the first layers is not kept */
    bed_close(&b);
    assert_int_equal(bed_flip_at(&b, bed_objects, "100000001.delta", LAYER_HEAD + 300) +
                         bed_flip_at(&b, bed_objects, "200000001.delta", LAYER_HEAD + 300),
                     1);
    if (hurts_newest)
        assert_int_equal(bed_flip_at(&b, bed_objects, n.name, LAYER_HEAD + 300), 1);
    lose_copies(&b);
    attach(&b);
    bed_ingest(&b);
    qr_buf_init(&buf, 1 << 20);
    for (uint32_t page = 1; page <= b.w.commits[5].db_pages; page++) { /* the first layer only */
        struct qr_page_get get = {.id = b.id,
                                  .page_no = page,
                                  .lsn = qr_lsn(b.w.commits[5].lsn),
                                  .dst = &buf,
                                  .done = ignore};
        qr_pagesvc_get(b.svc, &get);
        for (int i = 0; i < 5; i++)
            (void)!qr_pagesvc_work(b.svc, &more, NULL);
        qr_buf_clear(&buf);
    }
    qr_buf_done(&buf);
    uint32_t right = ask_all(&b); /* in the same minute */
    assert_true(right < b.w.commits[b.w.commit_count - 1].db_pages);
    bed_free(&b);
    return right;
}

static void test_a_layer_without_log_is_no_reason_to_leave_others_damaged(void **state)
{
    (void)state;
    assert_int_equal(right_of_two_damaged(true), right_of_two_damaged(false));
}

/* A copy with a bad block is better than none. */
static void test_a_local_copy_stays_if_the_object_is_no_better(void **state)
{
    (void)state;
    struct bed b;
    bed_make(&b, true, 300, 1 << 20);
    bed_close(&b);
    b.keeps_log = true;
    b.log_first_lsn = UINT64_MAX;
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_true(bed_remove(&b, bed_objects, ".delta") > 0);
    assert_true(bed_flip_at(&b, "/layers", "-", 300) > 0);
    uint32_t right = ask_all(&b);
    assert_true(right > 0);
    bed_close(&b);
    bed_open(&b, 1 << 20);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, NULL), QR_OK);
    assert_int_equal(ask_all(&b), right);
    bed_free(&b);
}

/* An image that is not all there is of its pages is given up. */
static void test_a_damaged_image_behind_the_horizon_gives_way_to_what_it_was_made_of(void **state)
{
    (void)state;
    struct bed b;
    make(&b, 1200);
    bed_work(&b);
    b.log_first_lsn = UINT64_MAX;
    bed_close(&b);
    int images = bed_flip_at(&b, bed_objects, ".image", LAYER_HEAD + 20);
    assert_true(images > 0);
    lose_copies(&b);
    attach(&b);
    bed_ingest(&b);
    bed_work_once(&b);
    bed_check(&b);
    bed_work(&b);
    bed_check(&b);
    world_check(&b.w, b.svc, &b.id, &b.w.commits[600]);
    bed_free(&b);
}

/* It is not taken for a page that does not exist, which an image would leave out for good. */
static void test_an_object_that_is_missing_is_damage(void **state)
{
    (void)state;
    struct bed b;
    struct qr_err err;
    bed_make(&b, true, 300, 8192);
    bed_ingest(&b);
    assert_int_equal(qr_pagesvc_flush(b.svc, &b.id, NULL), QR_OK);
    assert_true(bed_remove(&b, bed_objects, ".delta") > 0);
    assert_true(bed_flip_at(&b, "/layers", "-", 300) > 0);
    uint32_t pages = b.w.commits[b.w.commit_count - 1].db_pages;
    assert_true(bed_count_right(&b) < pages); /* every other is QR_CORRUPT */
    bed_close(&b);
    bed_open(&b, 8192);
    qr_err_reset(&err);
    assert_int_equal(bed_flip_at(&b, "/layers", "-", 300) > 0, true);
    assert_int_equal(qr_pagesvc_attach(b.svc, &b.id, &err), QR_OK);
    bed_check(&b); /* the copies are whole again */
    bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_layer_is_made_again_when_its_slice_is_attached),
        cmocka_unit_test(test_all_delta_layers_are_made_again),
        cmocka_unit_test(test_damage_that_a_reader_meets_is_mended_before_he_is_answered),
        cmocka_unit_test(test_without_the_log_damage_costs_its_pages_only),
        cmocka_unit_test(test_a_layer_without_log_is_no_reason_to_leave_others_damaged),
        cmocka_unit_test(test_a_local_copy_stays_if_the_object_is_no_better),
        cmocka_unit_test(test_a_damaged_image_behind_the_horizon_gives_way_to_what_it_was_made_of),
        cmocka_unit_test(test_an_object_that_is_missing_is_damage),
    };
    return cmocka_run_group_tests_name("pagesvc/remake", tests, NULL, NULL);
}
