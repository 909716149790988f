/* test_aged.c - backups of a database that is weeks old: any moment of its retention comes back as
 * it was, and damage costs what it hits. */
#include "backup/mirror.h"
#include "world.h"

enum { MOMENTS_MAX = 1024 };
#define FILL                                                                                       \
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"                                               \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"                \
    "INSERT INTO t SELECT -i, hex(randomblob(300)) FROM n"
#define STEP "SELECT max(a) FROM t"
static const int64_t HOUR = INT64_C(3600) * 1000000000, DAY = INT64_C(86400) * 1000000000;

static int64_t step(struct world *w, int no)
{
    char sql[160];
    int64_t at = (int64_t)wall(w);
    snprintf(sql, sizeof sql,
             "INSERT INTO t VALUES(%d, hex(randomblob(200))); DELETE FROM t WHERE a = %d", no,
             no - 50);
    commit(w, sql);
    return at;
}

static void flip(struct world *w, const char *object)
{
    struct qr_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "/blob/backups/one/%s~", object);
    check(qr_sim_flip_bit(w->sim, path, UINT64_C(8) * 70), &err);
}

static void delete (struct world *w, const char *object)
{
    struct qr_err err = {0};
    char name[128];
    snprintf(name, sizeof name, "backups/one/%s", object);
    check(qr_blob_delete(w->blob, name, NULL, &err), &err);
}

static enum qr_status restore(struct world *w, uint64_t wall_ns, struct qr_err *err)
{
    struct qr_restored restored;
    enum qr_status status = qr_backup_restore(&w->place, wall_ns, "/restored", &restored, err);
    if (status == QR_OK)
        check(qr_store_remove(qr_sim_env(w->sim), "/restored", err), err);
    return status;
}

/* ---- weeks on schedule ---- */

struct life {
    struct world w;
    int64_t at[MOMENTS_MAX]; /* when step i was committed */
    int steps;
    int64_t first_full;
    unsigned seed;
};

static int64_t any(struct life *l, int64_t below)
{
    l->seed = l->seed * 1103515245 + 12345;
    return (int64_t)((double)(l->seed >> 8) / (1 << 24) * (double)below);
}

/* The step that was the last one at a moment. */
static int64_t model(const struct life *l, int64_t at)
{
    int64_t last = -1;
    for (int i = 0; i < l->steps && l->at[i] <= at; i++)
        last = i;
    return last;
}

static struct qr_backup_row oldest_full(struct world *w)
{
    struct qr_err err = {0};
    struct qr_backup_catalog catalog;
    check(qr_backup_list(&w->place, &catalog, &err), &err);
    struct qr_backup_row row = catalog.rows[0];
    qr_backup_catalog_done(&catalog);
    return row;
}

static void live(struct life *l, int days, int retention_days)
{
    static const struct qr_backup_policy policy = {.log_every_ns = INT64_C(7200) * 1000000000};
    struct world *w = &l->w;
    int64_t end = (int64_t)wall(w) + days * DAY;
    while ((int64_t)wall(w) < end) {
        struct qr_err err = {0};
        struct qr_backup_tick tick;
        for (int64_t n = any(l, 3); n > 0; n--) {
            l->at[l->steps] = step(w, l->steps);
            assert_in_range(++l->steps, 1, MOMENTS_MAX - 1);
        }
        qr_sim_advance(w->sim, HOUR + any(l, 4 * HOUR) + (any(l, 20) == 0 ? DAY : 0));
        check(
            qr_backup_run_due(&w->place, w->store, &policy, retention_days, INT64_MAX, &tick, &err),
            &err);
        if (any(l, 40) == 0) {
            crash(w);
            open_store(w, "/db", false);
        }
    }
}

static void ask_any(struct life *l, int count, int retention_days)
{
    struct world *w = &l->w;
    struct qr_err err = {0};
    struct qr_backup_row row;
    bool taken;
    int64_t now = (int64_t)wall(w), first = now - retention_days * DAY;
    check(qr_backup_take(&w->place, w->store, QR_BACKUP_LOG, &taken, &row, &err), &err);
    first = first > l->first_full ? first : l->first_full;
    for (int i = 0; i < count; i++) {
        int64_t at = i == 0 ? first : i == 1 ? now : first + any(l, now - first);
        assert_int_equal(ask_restored(w, (uint64_t)at, STEP), model(l, at));
    }
    int64_t oldest = (int64_t)oldest_full(w).wall_ns;
    assert_int_equal(ask_restored(w, (uint64_t)oldest, STEP), model(l, oldest));
    assert_int_equal(restore(w, (uint64_t)oldest - 1, &err), QR_NOT_FOUND);
}

/* Goal: every moment of the retention is as it was then. Method: steps, crashes and idle days at
 * random for 50 days, whose retention is 35 days, then one, then 35 again; moments at random are
 * restored and compared with what was committed until then. */
static void test_any_moment_within_retention_is_as_the_model_says(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3; seed++) {
        struct life *l = calloc(1, sizeof *l);
        assert_non_null(l);
        l->seed = seed;
        begin(&l->w, seed);
        commit(&l->w, FILL);
        l->at[l->steps] = step(&l->w, l->steps);
        l->steps++;
        take(&l->w, QR_BACKUP_FULL);
        l->first_full = (int64_t)wall(&l->w);
        live(l, 1, 35);
        ask_any(l, 6, 35);
        live(l, 37, 35);
        ask_any(l, 12, 35);
        live(l, 5, 1);
        ask_any(l, 6, 1);
        l->first_full = (int64_t)oldest_full(&l->w).wall_ns;
        live(l, 7, 35);
        ask_any(l, 8, 35);
        end(&l->w);
        free(l);
    }
}

/* ---- damage ---- */

enum { CHAINS = 3 };

/* CHAINS times a full, a differential and two log backups: steps 4n to 4n+3, moments between. */
static void make_chains(struct world *w, uint64_t after[4 * CHAINS])
{
    static const enum qr_backup_kind kinds[] = {QR_BACKUP_FULL, QR_BACKUP_LOG, QR_BACKUP_DIFF,
                                                QR_BACKUP_LOG};
    commit(w, FILL);
    for (int i = 0; i < 4 * CHAINS; i++) {
        step(w, i);
        take(w, kinds[i % 4]);
        after[i] = wall(w);
        qr_sim_advance(w->sim, HOUR);
    }
}

static void test_damaged_log_behind_a_moment_does_not_hinder_it(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    uint64_t after[4 * CHAINS];
    begin(&w, 5);
    make_chains(&w, after);
    flip(&w, "data/00000003/00000003-00000000"); /* log from step 10 on */
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    assert_int_equal(restore(&w, after[11], &err), QR_CORRUPT);
    assert_non_null(strstr(err.text, "data/00000003/00000003-00000000"));
    delete (&w, "data/00000002/00000003-00000000"); /* log from step 6 on, to step 7's */
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    for (int i = 8; i < 9; i++)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    assert_int_equal(restore(&w, after[7], &err), QR_CORRUPT);
    assert_non_null(strstr(err.text, "data/00000002/00000003-00000000"));
    end(&w);
}

/* What is within its chain is not known any more; all others' moments are, and what comes is taken
 * anew. */
static void test_a_damaged_manifest_costs_its_chain_only(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    uint64_t after[4 * CHAINS];
    begin(&w, 6);
    make_chains(&w, after);
    flip(&w, "chains/00000002");
    for (int i = 0; i < 4 * CHAINS; i++) {
        bool hidden = i >= 4 && i < 8; /* i == 3: a commit in log of the second is behind it */
        if (i == 3 || hidden)
            assert_int_equal(restore(&w, after[i], &err), QR_CORRUPT);
        else
            assert_int_equal(ask_restored(&w, after[i], STEP), i);
    }
    assert_non_null(strstr(err.text, "00000002"));
    step(&w, 12);
    take(&w, QR_BACKUP_LOG);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 12);
    struct qr_backup_report report;
    assert_int_equal(qr_backup_verify(&w.place, &report, &err), QR_CORRUPT);
    end(&w);
}

static void test_behind_a_damaged_manifest_a_new_chain_begins(void **state)
{
    (void)state;
    static const struct qr_backup_policy policy = {.log_every_ns = INT64_C(3600) * 1000000000};
    struct world w;
    struct qr_err err = {0};
    struct qr_backup_row row;
    struct qr_backup_tick tick;
    bool taken;
    uint64_t after[4 * CHAINS];
    begin(&w, 7);
    make_chains(&w, after);
    flip(&w, "chains/00000003");
    /* never an old state for the newest */
    assert_int_equal(restore(&w, UINT64_MAX, &err), QR_CORRUPT);
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, &err),
                     QR_NOT_FOUND);
    step(&w, 12);
    check(qr_backup_run_due(&w.place, w.store, &policy, 7, INT64_MAX, &tick, &err), &err);
    assert_true(tick.taken && tick.row.kind == QR_BACKUP_FULL && tick.row.chain == 4);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 12);
    for (int i = 0; i < 7; i++)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    assert_int_equal(restore(&w, after[9], &err), QR_CORRUPT);
    /* it goes when nobody may ask for its time any more, and not before */
    struct qr_blob_info info;
    const char *part = "backups/one/data/00000003/00000000-00000000";
    for (int i = 13; i < 24; i++) {
        qr_sim_advance(w.sim, DAY);
        step(&w, i);
        check(qr_backup_run_due(&w.place, w.store, &policy, 7, INT64_MAX, &tick, &err), &err);
        if (i == 17)
            check(qr_blob_stat(w.blob, part, &info, &err), &err);
    }
    assert_int_equal(oldest_full(&w).chain, 4);
    assert_int_equal(qr_blob_stat(w.blob, part, &info, &err), QR_NOT_FOUND);
    assert_int_equal(qr_blob_stat(w.blob, "backups/one/chains/00000003", &info, &err),
                     QR_NOT_FOUND);
    struct qr_backup_report report;
    check(qr_backup_verify(&w.place, &report, &err), &err);
    end(&w);
}

/* A manifest that is damaged in the first store takes nothing from the second. */
static void test_the_second_store_keeps_what_is_damaged_in_the_first(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_mirrored done;
    uint64_t after[4 * CHAINS];
    begin(&w, 8);
    make_chains(&w, after);
    struct qr_backup_place second = w.place;
    check(qr_blob_open(qr_sim_env(w.sim), NULL, "file:///second", "", &second.blob, &err), &err);
    if (t_server_key() != NULL)
        check(qr_keyring_new(second.env, t_server_key(), second.blob, &second.keyring, &err), &err);
    check(qr_backup_mirror(&w.place, &second, true, &done, &err), &err);
    assert_int_equal(done.backups, 4 * CHAINS);
    flip(&w, "chains/00000001");
    step(&w, 12);
    take(&w, QR_BACKUP_LOG);
    check(qr_backup_mirror(&w.place, &second, true, &done, &err), &err);
    assert_int_equal(done.backups, 1);
    assert_int_equal(restore(&w, after[1], &err), QR_CORRUPT);
    struct qr_backup_place first = w.place;
    w.place = second;
    assert_int_equal(ask_restored(&w, after[1], STEP), 1);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 12);
    w.place = first;
    qr_keyring_free(second.keyring);
    qr_blob_close(second.blob);
    end(&w);
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_moment_within_retention_is_as_the_model_says),
        cmocka_unit_test(test_damaged_log_behind_a_moment_does_not_hinder_it),
        cmocka_unit_test(test_a_damaged_manifest_costs_its_chain_only),
        cmocka_unit_test(test_behind_a_damaged_manifest_a_new_chain_begins),
        cmocka_unit_test(test_the_second_store_keeps_what_is_damaged_in_the_first),
    };
    return cmocka_run_group_tests_name("backup/aged", tests, NULL, NULL);
}
