/* test_keep.c - a backup that is kept for long needs nothing of what it was made of; a damaged
 * backup is gone around where another one helps. */
#include "backup/keep.h"
#include "backup/mirror.h"
#include "world.h"

#define FILL                                                                                       \
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"                                               \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"                \
    "INSERT INTO t SELECT -i, hex(randomblob(300)) FROM n"
#define STEP "SELECT max(a) FROM t"

static const struct qr_timeline kept_timeline = {{7, 7, 7, 1}};

static void step(struct world *w, int no)
{
    char sql[128];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, hex(randomblob(500)))", no);
    commit(w, sql);
}

static struct qr_backup_place kept_place(const struct world *w)
{
    struct qr_backup_place place = w->place;
    place.prefix = "backups/kept";
    return place;
}

static enum qr_status keep(struct world *w, uint64_t *bytes, struct qr_err *err)
{
    struct qr_backup_place to = kept_place(w);
    return qr_backup_keep(&w->place, &to, &kept_timeline, bytes, err);
}

/* A full backup with a differential one on it, log before, between and behind. */
static void make_chain(struct world *w)
{
    commit(w, FILL);
    take(w, QR_BACKUP_FULL);
    step(w, 1);
    take(w, QR_BACKUP_LOG);
    step(w, 2);
    take(w, QR_BACKUP_DIFF);
    step(w, 3);
    take(w, QR_BACKUP_LOG);
}

/* The database, its backups and its key may go. */
static void test_a_kept_backup_outlives_what_it_was_made_of(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    uint64_t bytes = 0, again = 0;
    begin(&w, 41);
    make_chain(&w);
    check(keep(&w, &bytes, &err), &err);
    check(keep(&w, &again, &err), &err); /* the answer was lost */
    assert_true(bytes > 10000 && again == bytes);
    step(&w, 4);
    struct qr_timeline old = qr_store_timeline(w.store);
    close_store(&w);
    struct qr_store_options o = options_of(&w);
    check(qr_store_remove(o.env, "/db", &err), &err);
    check(qr_backup_delete_all(&w.place, &err), &err);
    if (w.place.keyring != NULL)
        check(qr_keyring_destroy(w.place.keyring, &old, &err), &err);
    w.place = kept_place(&w);
    struct qr_backup_report report;
    check(qr_backup_verify(&w.place, &report, &err), &err);
    assert_true(report.backups >= 3 && report.gaps == 0);
    assert_int_equal(report.stored_bytes, bytes);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 3);
    end(&w);
}

static void test_nothing_is_kept_of_nothing(void **state)
{
    (void)state;
    struct world w;
    uint64_t bytes = 0;
    begin(&w, 42);
    assert_int_equal(keep(&w, &bytes, NULL), QR_NOT_FOUND);
    end(&w);
}

static void test_keeping_survives_every_stop(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 43);
    make_chain(&w);
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        uint64_t bytes = 0;
        qr_sim_fault_next(w.sim, nth, true, QR_IO);
        enum qr_status status = keep(&w, &bytes, &err);
        fired = qr_sim_fault_fired(w.sim);
        crash(&w);
        struct qr_backup_catalog there;
        struct qr_backup_place to = kept_place(&w);
        check(qr_backup_list(&to, &there, &err), &err);
        assert_true(status != QR_OK || there.count > 0);
        if (there.count > 0) { /* named, so whole */
            struct qr_backup_report report;
            check(qr_backup_verify(&to, &report, &err), &err);
        }
        qr_backup_catalog_done(&there);
        check(keep(&w, &bytes, &err), &err);
        check(qr_backup_delete_all(&to, &err), &err);
    }
    end(&w);
}

static void flip(struct world *w, const char *part)
{
    char path[96];
    struct qr_err err = {0};
    snprintf(path, sizeof path, "/blob/backups/one/data/%s~", part);
    check(qr_sim_flip_bit(w->sim, path, UINT64_C(8) * 200), &err);
}

static void test_a_damaged_base_is_gone_around(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_restored restored;
    uint64_t bytes = 0;
    begin(&w, 44);
    make_chain(&w);
    step(&w, 4);
    take(&w, QR_BACKUP_FULL);
    step(&w, 5);
    take(&w, QR_BACKUP_LOG); /* from before the second full backup */
    flip(&w, "00000002/00000000-00000000");
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 5);
    flip(&w, "00000001/00000002-00000000"); /* the differential one, too */
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 5);
    check(keep(&w, &bytes, &err), &err);
    flip(&w, "00000001/00000000-00000000"); /* and now there is no whole one */
    assert_int_equal(qr_backup_restore(&w.place, UINT64_MAX, "/restored", &restored, &err),
                     QR_CORRUPT);
    assert_non_null(strstr(err.text, "backups/one/data/0000000"));
    w.place = kept_place(&w);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 5);
    end(&w);
}

static void test_damaged_log_is_named(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_restored restored;
    uint64_t bytes = 0;
    begin(&w, 45);
    make_chain(&w);
    flip(&w, "00000001/00000003-00000000");
    assert_int_equal(qr_backup_restore(&w.place, UINT64_MAX, "/restored", &restored, &err),
                     QR_CORRUPT);
    assert_non_null(strstr(err.text, "00000001/00000003-00000000"));
    assert_int_equal(keep(&w, &bytes, &err), QR_CORRUPT);
    struct qr_backup_catalog there;
    struct qr_backup_place to = kept_place(&w);
    check(qr_backup_list(&to, &there, &err), &err);
    assert_int_equal(there.count, 0);
    qr_backup_catalog_done(&there);
    end(&w);
}

/* ---- the second store ---- */

static struct qr_backup_place open_second(struct world *w)
{
    struct qr_err err = {0};
    struct qr_backup_place place = w->place;
    check(qr_blob_open(qr_sim_env(w->sim), NULL, "file:///second", "", &place.blob, &err), &err);
    if (t_server_key() != NULL)
        check(qr_keyring_new(place.env, t_server_key(), place.blob, &place.keyring, &err), &err);
    return place;
}

static struct qr_mirrored mirror(struct world *w, const struct qr_backup_place *to, bool adds)
{
    struct qr_err err = {0};
    struct qr_mirrored done = {0};
    check(qr_backup_mirror(&w->place, to, adds, &done, &err), &err);
    return done;
}

static void test_the_second_store_alone_restores(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 46);
    make_chain(&w);
    struct qr_backup_place second = open_second(&w);
    assert_int_equal(mirror(&w, &second, false).backups, 0); /* nothing is wanted there yet */
    assert_int_equal(mirror(&w, &second, true).backups, 4);
    assert_int_equal(mirror(&w, &second, true).backups, 0);
    step(&w, 4);
    take(&w, QR_BACKUP_LOG);
    assert_int_equal(mirror(&w, &second, true).backups, 1);
    step(&w, 5);
    take(&w, QR_BACKUP_FULL);
    step(&w, 6);
    take(&w, QR_BACKUP_LOG);
    assert_int_equal(mirror(&w, &second, true).backups, 2);
    struct qr_backup_report report;
    check(qr_backup_verify(&second, &report, &err), &err);
    assert_int_equal(report.backups, 7);
    uint32_t chains = 0;
    check(qr_backup_expire(&w.place, UINT64_MAX, &chains, &err), &err);
    assert_int_equal(chains, 1);
    assert_int_equal(mirror(&w, &second, false).backups, 0);
    check(qr_backup_verify(&second, &report, &err), &err);
    assert_int_equal(report.backups, 2);
    check(qr_backup_delete_all(&w.place, &err), &err);
    struct qr_timeline timeline = qr_store_timeline(w.store);
    if (w.place.keyring != NULL)
        check(qr_keyring_destroy(w.place.keyring, &timeline, &err), &err);
    assert_int_equal(mirror(&w, &second, true).backups, 0); /* a first store that is lost */
    struct qr_backup_place first = w.place;
    w.place = second;
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 6);
    w.place = first;
    qr_keyring_free(second.keyring);
    qr_blob_close(second.blob);
    end(&w);
}

/* The chain's store, and one that took its place. */
static void test_two_stores_in_one_place_are_mirrored_and_the_later_one_is_kept(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    uint64_t bytes = 0;
    begin(&w, 48);
    make_chain(&w);
    uint64_t before = wall(&w) - SECOND;
    struct qr_backup_place second = open_second(&w);
    assert_int_equal(mirror(&w, &second, true).backups, 4);
    close_store(&w);
    open_store(&w, "/other", true);
    commit(&w, FILL);
    step(&w, 21);
    take(&w, QR_BACKUP_FULL);
    step(&w, 22);
    take(&w, QR_BACKUP_LOG);
    assert_int_equal(mirror(&w, &second, true).backups, 2);
    check(keep(&w, &bytes, &err), &err);
    struct qr_backup_place first = w.place, places[] = {second, kept_place(&w)};
    check(qr_backup_forget(&first, &err), &err);
    for (int i = 0; i < 2; i++) {
        struct qr_backup_report report;
        w.place = places[i];
        check(qr_backup_verify(&w.place, &report, &err), &err);
        assert_int_equal(report.backups, i == 0 ? 6 : 2);
        assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 22);
    }
    w.place = second;
    assert_int_equal(ask_restored(&w, before, STEP), 3);
    w.place = first;
    qr_keyring_free(second.keyring);
    qr_blob_close(second.blob);
    end(&w);
}

static void test_mirroring_survives_every_stop(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 47);
    make_chain(&w);
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        struct qr_mirrored done;
        struct qr_backup_place second = open_second(&w);
        qr_sim_fault_next(w.sim, nth, true, QR_IO);
        enum qr_status status = qr_backup_mirror(&w.place, &second, true, &done, &err);
        fired = qr_sim_fault_fired(w.sim);
        assert_true(status == QR_OK || fired);
        qr_keyring_free(second.keyring);
        qr_blob_close(second.blob);
        crash(&w);
        second = open_second(&w);
        struct qr_backup_report report = {0};
        check(qr_backup_verify(&second, &report, &err), &err); /* what is named is whole */
        mirror(&w, &second, true);
        check(qr_backup_verify(&second, &report, &err), &err);
        assert_int_equal(report.backups, 4);
        check(qr_backup_delete_all(&second, &err), &err);
        qr_keyring_free(second.keyring);
        qr_blob_close(second.blob);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kept_backup_outlives_what_it_was_made_of),
        cmocka_unit_test(test_nothing_is_kept_of_nothing),
        cmocka_unit_test(test_keeping_survives_every_stop),
        cmocka_unit_test(test_a_damaged_base_is_gone_around),
        cmocka_unit_test(test_damaged_log_is_named),
        cmocka_unit_test(test_the_second_store_alone_restores),
        cmocka_unit_test(test_two_stores_in_one_place_are_mirrored_and_the_later_one_is_kept),
        cmocka_unit_test(test_mirroring_survives_every_stop),
    };
    return cmocka_run_group_tests_name("backup/keep", tests, NULL, NULL);
}
