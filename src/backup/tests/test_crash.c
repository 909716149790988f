/* test_crash.c - a machine that stops in the middle of a backup or a restore leaves nothing half
 * visible: what the manifests name is whole, a restored directory is a store or is none. */
#include "world.h"

static void no_abort(void *ctx, const struct qr_err *err)
{
    (void)ctx, (void)err;
}

#define STEP "SELECT max(a) FROM t"

static void step(struct world *w, int no)
{
    char sql[128];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, hex(randomblob(500)))", no);
    commit(w, sql);
}

static void open_again(struct world *w)
{
    struct qr_err err = {0};
    struct qr_store_options o = options_of(w);
    o.fatal = no_abort;
    check(qr_store_open("/db", &o, &w->store, &err), &err);
    check(qr_conn_open(w->store, NULL, &w->conn, &err), &err);
}

static size_t count_backups(struct world *w)
{
    struct qr_err err = {0};
    struct qr_backup_catalog catalog;
    check(qr_backup_list(&w->place, &catalog, &err), &err);
    size_t count = catalog.count;
    qr_backup_catalog_done(&catalog);
    return count;
}

/* Goal: whatever I/O of a backup is the machine's last, the backups before it are whole, it is
 * there whole or not at all, and the next ones work. Method: stop at the n-th, raise n until it
 * comes through. */
static void sweep(enum qr_backup_kind kind, uint64_t seed)
{
    struct world w;
    struct qr_err err = {0};
    begin(&w, seed);
    commit(&w, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    step(&w, 1);
    take(&w, QR_BACKUP_FULL);
    step(&w, 2);
    take(&w, QR_BACKUP_LOG);
    bool fired = true;
    int stopped = 0, came = 0;
    for (uint64_t nth = 1; fired; nth++) {
        close_store(&w);
        open_again(&w);
        step(&w, 2 + (int)nth);
        size_t before = count_backups(&w);
        struct qr_backup_row row;
        bool taken = false;
        qr_sim_fault_next(w.sim, nth, true, QR_IO);
        enum qr_status status = qr_backup_take(&w.place, w.store, kind, &taken, &row, &err);
        fired = qr_sim_fault_fired(w.sim);
        crash(&w);
        size_t now = count_backups(&w);
        assert_true(now == before || now == before + 1);
        if (status == QR_OK)
            assert_int_equal(now, before + 1);
        stopped += now == before;
        came += now == before + 1;
        struct qr_backup_report report;
        check(qr_backup_verify(&w.place, &report, &err), &err);
        assert_int_equal(report.gaps, 0);
        if (nth % 7 == 0) {
            open_again(&w);
            bool any;
            check(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &any, &row, &err), &err);
            assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 2 + (int)nth);
            crash(&w);
        }
        open_again(&w);
    }
    assert_true(stopped > 10 && came >= 1);
    end(&w);
}

static void test_a_full_backup_survives_every_stop(void **state)
{
    (void)state;
    sweep(QR_BACKUP_FULL, 31);
}
static void test_a_differential_backup_survives_every_stop(void **state)
{
    (void)state;
    sweep(QR_BACKUP_DIFF, 32);
}
static void test_a_log_backup_survives_every_stop(void **state)
{
    (void)state;
    sweep(QR_BACKUP_LOG, 33);
}

static void test_a_restore_survives_every_stop(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 34);
    commit(&w, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    step(&w, 1);
    take(&w, QR_BACKUP_FULL);
    for (int i = 2; i < 30; i++) {
        step(&w, i);
        if (i == 10)
            take(&w, QR_BACKUP_DIFF);
        if (i % 5 == 0)
            take(&w, QR_BACKUP_LOG);
    }
    take(&w, QR_BACKUP_LOG);
    bool fired = true;
    int stopped = 0;
    for (uint64_t nth = 1; fired; nth++) {
        struct qr_restored restored;
        struct qr_store *store = NULL;
        struct qr_store_options o = options_of(&w);
        qr_sim_fault_next(w.sim, nth, true, QR_IO);
        enum qr_status status =
            qr_backup_restore(&w.place, UINT64_MAX, "/restored", &restored, &err);
        fired = qr_sim_fault_fired(w.sim);
        crash(&w);
        enum qr_status opened = qr_store_open("/restored", &o, &store, &err);
        if (opened == QR_OK) { /* then it is whole, whatever the call answered */
            struct qr_conn *conn = NULL;
            check(qr_conn_open(store, NULL, &conn, &err), &err);
            assert_int_equal(number(conn, STEP), 29);
            assert_int_equal(number(conn, SOUND), 1);
            qr_conn_close(conn);
            check(qr_store_close(store, &err), &err);
            check(qr_store_remove(o.env, "/restored", &err), &err);
        } else {
            assert_int_equal(opened, QR_NOT_FOUND);
            assert_true(status != QR_OK);
            stopped++;
        }
        if (nth % 9 == 0)
            assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 29);
        open_again(&w);
    }
    assert_true(stopped > 20);
    end(&w);
}

/* Deleting stops anywhere: what is left can be restored, and the next time finishes. */
static bool expire_until(uint64_t nth)
{
    struct world w;
    struct qr_err err = {0};
    begin(&w, 35);
    commit(&w, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    for (int i = 1; i <= 3; i++) {
        step(&w, i);
        take(&w, QR_BACKUP_FULL);
    }
    qr_sim_fault_next(w.sim, nth, true, QR_IO);
    (void)!qr_backup_expire(&w.place, UINT64_MAX, NULL, NULL);
    bool fired = qr_sim_fault_fired(w.sim);
    crash(&w);
    struct qr_backup_report report;
    check(qr_backup_verify(&w.place, &report, &err), &err);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 3);
    check(qr_backup_expire(&w.place, UINT64_MAX, NULL, &err), &err);
    assert_int_equal(count_backups(&w), 1);
    check(qr_backup_verify(&w.place, &report, &err), &err);
    end(&w);
    return fired;
}

static void test_expiry_survives_every_stop(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (expire_until(nth))
        nth++;
    assert_true(nth > 10);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_backup_survives_every_stop),
        cmocka_unit_test(test_a_differential_backup_survives_every_stop),
        cmocka_unit_test(test_a_log_backup_survives_every_stop),
        cmocka_unit_test(test_a_restore_survives_every_stop),
        cmocka_unit_test(test_expiry_survives_every_stop),
    };
    return cmocka_run_group_tests_name("backup/crash", tests, NULL, NULL);
}
