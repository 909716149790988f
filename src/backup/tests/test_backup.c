/* test_backup.c - what was backed up is what comes back, at every moment; log is kept until it is
 * in a backup; what is not needed goes. */
#include "world.h"

#define FILL                                                                                       \
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);"                       \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 800)"                  \
    "INSERT INTO t SELECT i, hex(randomblob(100)) FROM n"

/* Row 1 says which step it is; other pages change with it. */
static void step(struct world *w, int no)
{
    char sql[256];
    snprintf(
        sql, sizeof sql,
        "UPDATE t SET b = '%d' WHERE a = 1; UPDATE t SET b = hex(randomblob(100)) WHERE a %% 50 "
        "= %d AND a > 1; INSERT INTO t VALUES(NULL, hex(randomblob(3000)))",
        no, 2 + no % 40);
    commit(w, sql);
}

#define STEP "SELECT CAST(b AS INTEGER) FROM t WHERE a = 1"

static void reopen(struct world *w, bool cleanly)
{
    if (cleanly)
        close_store(w);
    else
        crash(w);
    open_store(w, "/db", false);
}

/* Goal: every commit can be restored by its time. Method: backups of all kinds between commits,
 * with checkpoints, clean closes and power cuts in between, so that the log spans epochs and files.
 */
static void test_every_commit_since_the_first_full_backup_can_be_restored(void **state)
{
    (void)state;
    enum { STEPS = 60 };
    struct world w;
    struct qr_err err = {0};
    uint64_t after[STEPS + 1];
    begin(&w, 1);
    commit(&w, FILL);
    for (int i = 0; i <= STEPS; i++) {
        step(&w, i);
        after[i] = wall(&w);
        qr_sim_advance(w.sim, SECOND);
        if (i % 25 == 0)
            take(&w, QR_BACKUP_FULL);
        else if (i % 10 == 0)
            take(&w, QR_BACKUP_DIFF);
        if (i % 3 == 2)
            take(&w, QR_BACKUP_LOG);
        if (i % 4 == 1)
            check(qr_store_checkpoint(w.store, &err), &err);
        if (i % 7 == 6)
            reopen(&w, i % 14 == 6);
    }
    take(&w, QR_BACKUP_LOG);
    struct qr_backup_report report;
    check(qr_backup_verify(&w.place, &report, &err), &err);
    assert_int_equal(report.gaps, 0);
    for (int i = 0; i <= STEPS; i += 1 + i % 3)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), STEPS);
    struct qr_restored none;
    assert_int_equal(
        qr_backup_restore(&w.place, after[0] - 3600 * (uint64_t)SECOND, "/restored", &none, NULL),
        QR_NOT_FOUND);
    end(&w);
}

static void test_a_differential_holds_what_changed_since_the_full_one(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 2);
    commit(&w, FILL);
    struct qr_backup_row full = take(&w, QR_BACKUP_FULL);
    commit(&w, "UPDATE t SET b = '7' WHERE a = 1");
    struct qr_backup_row diff = take(&w, QR_BACKUP_DIFF);
    assert_int_equal(diff.base.v, full.last.v);
    assert_true(diff.raw_bytes > 0 && diff.raw_bytes < full.raw_bytes / 3);
    assert_true(full.stored_bytes < full.raw_bytes);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 7);
    end(&w);
}

static void test_a_log_backup_of_nothing_is_none(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_backup_row row;
    bool taken = true;
    begin(&w, 3);
    commit(&w, FILL);
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, NULL),
                     QR_NOT_FOUND);
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_DIFF, &taken, &row, NULL),
                     QR_NOT_FOUND);
    take(&w, QR_BACKUP_FULL);
    check(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, &err), &err);
    assert_false(taken);
    end(&w);
}

/* Numbers that were given before the moment that is restored are not given again. */
static void test_counters_come_back_as_of_the_time(void **state)
{
    (void)state;
    enum { ID = 77, GONE = 78, LATER = 79, ROUNDS = 6 };
    struct world w;
    struct qr_err err = {0};
    uint64_t after[ROUNDS];
    int64_t given[ROUNDS];
    begin(&w, 4);
    check(qr_counter_set(w.store, ID, 1, &err), &err);
    check(qr_counter_set(w.store, GONE, 5, &err), &err);
    commit(&w, FILL);
    for (int i = 0; i < ROUNDS; i++) {
        check(qr_counter_next(w.store, ID, 700, 1, &given[i], &err), &err);
        step(&w, i);
        after[i] = wall(&w);
        qr_sim_advance(w.sim, SECOND);
        if (i == 1)
            take(&w, QR_BACKUP_FULL);
        if (i == 3) {
            check(qr_counter_drop(w.store, GONE, &err), &err);
            check(qr_counter_set(w.store, LATER, 1, &err), &err);
        }
        if (i >= 2)
            take(&w, QR_BACKUP_LOG);
    }
    for (int i = 1; i < ROUNDS; i++) {
        struct qr_restored restored;
        struct qr_store_options o = options_of(&w);
        struct qr_store *store = NULL;
        int64_t next = 0;
        check(qr_backup_restore(&w.place, after[i], "/restored", &restored, &err), &err);
        check(qr_store_open("/restored", &o, &store, &err), &err);
        check(qr_counter_next(store, ID, 1, 1, &next, &err), &err);
        assert_true(next >= given[i] + 700);
        assert_int_equal(qr_counter_peek(store, GONE, &next), i < 3);
        assert_true(i == 3 || qr_counter_peek(store, LATER, &next) == (i > 3));
        check(qr_store_close(store, &err), &err);
        check(qr_store_remove(o.env, "/restored", &err), &err);
    }
    end(&w);
}

static void test_log_that_is_in_no_backup_stays_over_checkpoints_and_restarts(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_store_stats stats;
    begin(&w, 5);
    commit(&w, FILL);
    take(&w, QR_BACKUP_FULL);
    for (int i = 0; i < 200; i++) {
        step(&w, i);
        if (i % 20 == 0)
            check(qr_store_checkpoint(w.store, &err), &err);
        if (i % 60 == 59)
            reopen(&w, i % 120 == 59);
    }
    check(qr_store_checkpoint(w.store, &err), &err);
    qr_store_get_stats(w.store, &stats);
    uint64_t held = stats.log_file_bytes;
    struct qr_backup_row row = take(&w, QR_BACKUP_LOG);
    assert_true(row.raw_bytes > 2 * MIB);
    qr_store_get_stats(w.store, &stats);
    assert_true(stats.log_file_bytes < held / 2);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 199);
    end(&w);
}

static struct qr_backup_tick run_due(struct world *w)
{
    struct qr_err err = {0};
    struct qr_backup_tick tick;
    check(qr_backup_run_due(&w->place, w->store, NULL, 7, INT64_MAX, &tick, &err), &err);
    return tick;
}

/* Backups that fail for long do not fill the disk: the oldest log goes, and a new chain begins. */
static void test_too_much_held_log_ends_the_chain_and_a_full_backup_begins_another(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_store_stats stats;
    begin(&w, 6);
    close_store(&w);
    w.hold_bytes = 3 * MIB;
    open_store(&w, "/db", false);
    commit(&w, FILL);
    assert_int_equal(run_due(&w).row.kind, QR_BACKUP_FULL);
    step(&w, 1);
    uint64_t before = wall(&w);
    for (int i = 2; i < 400; i++) {
        step(&w, i);
        if (i % 20 == 0)
            check(qr_store_checkpoint(w.store, &err), &err);
    }
    uint64_t lost = wall(&w);
    qr_store_get_stats(w.store, &stats);
    assert_true(stats.log_file_bytes < 6 * MIB);
    struct qr_backup_row row;
    bool taken;
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, NULL),
                     QR_NOT_FOUND);
    qr_sim_advance(w.sim, 60 * SECOND);
    struct qr_backup_tick tick = run_due(&w);
    assert_true(tick.taken && tick.row.kind == QR_BACKUP_FULL && tick.row.chain == 2);
    step(&w, 400);
    qr_sim_advance(w.sim, 600 * SECOND);
    tick = run_due(&w);
    assert_true(tick.taken && tick.row.kind == QR_BACKUP_LOG);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 400);
    struct qr_restored none;
    assert_int_equal(qr_backup_restore(&w.place, before, "/restored", &none, NULL), QR_NOT_FOUND);
    assert_int_equal(ask_restored(&w, lost, STEP), 399); /* the new full one is of that commit */
    end(&w);
}

static void test_retention_deletes_whole_chains_that_nothing_needs(void **state)
{
    (void)state;
    enum { CHAINS = 5 };
    struct world w;
    struct qr_err err = {0};
    uint64_t after[CHAINS];
    begin(&w, 7);
    commit(&w, FILL);
    for (int i = 0; i < CHAINS; i++) {
        step(&w, i);
        take(&w, QR_BACKUP_FULL);
        step(&w, 100 + i);
        take(&w, QR_BACKUP_LOG);
        after[i] = wall(&w);
        qr_sim_advance(w.sim, 86400 * SECOND);
    }
    uint32_t chains = 0;
    check(qr_backup_expire(&w.place, after[2] + (uint64_t)SECOND, &chains, &err), &err);
    assert_int_equal(chains, 2);
    check(qr_backup_expire(&w.place, after[2] + (uint64_t)SECOND, &chains, &err), &err);
    assert_int_equal(chains, 0);
    for (int i = 2; i < CHAINS; i++)
        assert_int_equal(ask_restored(&w, after[i], STEP), 100 + i);
    struct qr_restored none;
    assert_int_equal(qr_backup_restore(&w.place, after[1], "/restored", &none, NULL), QR_NOT_FOUND);
    check(qr_backup_expire(&w.place, UINT64_MAX, &chains, &err), &err);
    assert_int_equal(chains, 2); /* the newest stays */
    check(qr_backup_delete_all(&w.place, &err), &err);
    struct qr_backup_catalog catalog;
    check(qr_backup_list(&w.place, &catalog, &err), &err);
    assert_int_equal(catalog.count, 0);
    qr_backup_catalog_done(&catalog);
    end(&w);
}

static void test_a_flipped_bit_is_found(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    begin(&w, 8);
    commit(&w, FILL);
    take(&w, QR_BACKUP_FULL);
    struct qr_backup_report report;
    check(qr_backup_verify(&w.place, &report, &err), &err);
    assert_true(report.backups == 1 && report.pages > 20);
    const char *path = "/blob/backups/one/data/00000001/00000000-00000000~";
    check(qr_sim_flip_bit(w.sim, path, UINT64_C(8) * 2000), &err);
    assert_int_equal(qr_backup_verify(&w.place, &report, NULL), QR_CORRUPT);
    struct qr_restored restored;
    assert_int_equal(qr_backup_restore(&w.place, UINT64_MAX, "/restored", &restored, NULL),
                     QR_CORRUPT);
    struct qr_store_options o = options_of(&w);
    struct qr_store *store = NULL;
    assert_int_equal(qr_store_open("/restored", &o, &store, NULL), QR_NOT_FOUND);
    end(&w);
}

/* As a copy that got all pages of another one, and took over: what came before stays restorable. */
static void test_a_store_that_is_made_anew_begins_a_chain(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_backup_row row;
    struct qr_backup_report report;
    struct qr_restored restored;
    bool taken = false;
    begin(&w, 9);
    commit(&w, FILL);
    take(&w, QR_BACKUP_FULL);
    step(&w, 1);
    uint64_t first = wall(&w);
    step(&w, 2);
    take(&w, QR_BACKUP_LOG);
    uint64_t old = wall(&w);
    step(&w, 3); /* in no backup */
    qr_sim_advance(w.sim, 60 * SECOND);
    uint64_t between = wall(&w);
    qr_sim_advance(w.sim, 60 * SECOND);
    close_store(&w);
    open_store(&w, "/other", true);
    commit(&w, FILL);
    step(&w, 11);
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, NULL),
                     QR_NOT_FOUND);
    assert_int_equal(qr_backup_take(&w.place, w.store, QR_BACKUP_DIFF, &taken, &row, NULL),
                     QR_NOT_FOUND);
    struct qr_backup_tick tick;
    check(qr_backup_run_due(&w.place, w.store, NULL, 7, INT64_MAX, &tick, &err), &err);
    assert_true(tick.taken && tick.row.kind == QR_BACKUP_FULL && tick.row.chain == 2);
    uint64_t anew = wall(&w);
    step(&w, 12);
    take(&w, QR_BACKUP_DIFF);
    step(&w, 13);
    take(&w, QR_BACKUP_LOG);
    check(qr_backup_verify(&w.place, &report, &err), &err);
    assert_int_equal(report.backups, 5);
    assert_int_equal(report.gaps, 0);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 13);
    assert_int_equal(ask_restored(&w, anew - 1, STEP), 11);
    assert_int_equal(ask_restored(&w, first - 1, STEP), 1);
    assert_int_equal(ask_restored(&w, old - SECOND, STEP), 2);
    assert_int_equal(qr_backup_restore(&w.place, between, "/restored", &restored, NULL),
                     QR_NOT_FOUND);
    check(qr_backup_forget(&w.place, &err), &err);
    assert_int_equal(qr_backup_restore(&w.place, first, "/restored", &restored, NULL),
                     QR_NOT_FOUND);
    end(&w);
}

/* The log that begins an epoch comes with its first commit. */
static void test_a_commit_is_not_of_the_epoch_of_the_log_to_come(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    commit(&w, FILL);
    for (int i = 0; i < 3; i++) {
        uint64_t before = take(&w, QR_BACKUP_FULL).epoch;
        reopen(&w, i == 0);
        uint64_t epoch = take(&w, QR_BACKUP_FULL).epoch;
        assert_true(epoch >= before);
        step(&w, i);
        assert_true(take(&w, QR_BACKUP_FULL).epoch > epoch);
    }
    step(&w, 2);
    take(&w, QR_BACKUP_LOG);
    assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), 2);
    end(&w);
}

/* Its first log begins an epoch, behind a commit that is in no log. */
static void test_log_of_a_restored_store_is_there_after_a_restart(void **state)
{
    (void)state;
    struct world w;
    struct qr_err err = {0};
    struct qr_restored restored;
    begin(&w, 11);
    commit(&w, FILL);
    take(&w, QR_BACKUP_FULL);
    check(qr_backup_restore(&w.place, UINT64_MAX, "/made", &restored, &err), &err);
    close_store(&w);
    open_store(&w, "/made", false);
    take(&w, QR_BACKUP_FULL);
    for (int i = 0; i < 2; i++) {
        step(&w, i);
        uint64_t moment = wall(&w);
        step(&w, i + 1);
        i == 0 ? close_store(&w) : crash(&w);
        open_store(&w, "/made", false);
        take(&w, QR_BACKUP_LOG);
        assert_int_equal(ask_restored(&w, moment - 1, STEP), i);
        assert_int_equal(ask_restored(&w, UINT64_MAX, STEP), i + 1);
    }
    end(&w);
}

static void test_the_schedule_is_the_documented_one(void **state)
{
    (void)state;
    const int64_t M = 60 * SECOND, H = 60 * M, now = 1000 * 24 * H;
    static const struct qr_backup_policy often = {.diff_every_ns = INT64_C(24) * 3600 * 1000000000,
                                                  .log_every_ns = INT64_C(300) * 1000000000};
    const struct {
        const char *name;
        const struct qr_backup_policy *policy;
        struct qr_backup_past past;
        enum qr_backup_kind kind;
        int64_t at_ns;
    } rows[] = {
        {"nothing yet", NULL, {.changed = true}, QR_BACKUP_FULL, now},
        {"broken",
         NULL,
         {.full_ns = now - M, .broken = true, .changed = true},
         QR_BACKUP_FULL,
         now},
        {"idle", NULL, {.full_ns = now - 900 * H}, QR_BACKUP_LOG, INT64_MAX},
        {"log", NULL, {now - H, 0, now - 3 * M, false, true, 1}, QR_BACKUP_LOG, now + 7 * M},
        {"log due", NULL, {now - H, 0, now - 13 * M, false, true, 1}, QR_BACKUP_LOG, now},
        {"much log",
         NULL,
         {now - H, 0, now - 3 * M, false, true, 64 << 20},
         QR_BACKUP_LOG,
         now + 2 * M},
        {"5 minutes",
         &often,
         {now - H, 0, now - 3 * M, false, true, 1},
         QR_BACKUP_LOG,
         now + 2 * M},
        {"diff", NULL, {now - 13 * H, 0, now - M, false, true, 1}, QR_BACKUP_DIFF, now},
        {"no diff",
         NULL,
         {now - 23 * H, now - 11 * H, now - M, false, true, 1},
         QR_BACKUP_LOG,
         now + 9 * M},
        {"24 hours",
         &often,
         {now - 23 * H, 0, now - M, false, true, 1},
         QR_BACKUP_LOG,
         now + 4 * M},
        {"a week", NULL, {now - 168 * H, now - M, now - M, false, true, 1}, QR_BACKUP_FULL, now},
        {"clock went back",
         NULL,
         {now + 900 * H, 0, now + 900 * H, false, true, 1},
         QR_BACKUP_FULL,
         now},
        {"by days", NULL, {now + 72 * H, 0, now + 72 * H, false, true, 1}, QR_BACKUP_DIFF, now},
        {"and then",
         NULL,
         {now + 72 * H, now - H, now + 72 * H, false, true, 1},
         QR_BACKUP_LOG,
         now},
        {"and goes on",
         NULL,
         {now + 72 * H, now - H, now - 3 * M, false, true, 1},
         QR_BACKUP_LOG,
         now + 7 * M},
        {"by seconds",
         NULL,
         {now - H, 0, now + SECOND, false, true, 1},
         QR_BACKUP_LOG,
         now + 10 * M + SECOND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_backup_due due = qr_backup_next(rows[i].policy, &rows[i].past, now);
        if (due.kind != rows[i].kind || due.at_ns != rows[i].at_ns)
            fail_msg("%s: kind %d in %lld s", rows[i].name, due.kind,
                     (long long)((due.at_ns - now) / SECOND));
    }
}

/* Thirty days on schedule: what is within retention can be restored, what is not goes. */
static void test_a_month_on_schedule_keeps_what_retention_says(void **state)
{
    (void)state;
    enum { DAYS = 30, STEPS_A_DAY = 4, KEPT = 7 };
    static const struct qr_backup_policy policy = {.log_every_ns = INT64_C(3600) * 1000000000};
    struct world w;
    struct qr_err err = {0};
    uint64_t after[DAYS * STEPS_A_DAY];
    begin(&w, 10);
    commit(&w, FILL);
    uint32_t expired = 0;
    for (int i = 0; i < DAYS * STEPS_A_DAY; i++) {
        struct qr_backup_tick tick;
        step(&w, i);
        after[i] = wall(&w);
        qr_sim_advance(w.sim, 3 * 3600 * SECOND);
        check(qr_backup_run_due(&w.place, w.store, &policy, KEPT, INT64_MAX, &tick, &err), &err);
        assert_true(tick.taken);
        expired += tick.chains_expired;
        qr_sim_advance(w.sim, 3 * 3600 * SECOND);
        if (i % 40 == 39)
            reopen(&w, true);
    }
    /* Where a full one or a differential was due, the log comes after it. */
    struct qr_backup_row row;
    bool taken;
    check(qr_backup_take(&w.place, w.store, QR_BACKUP_LOG, &taken, &row, &err), &err);
    assert_true(expired >= 2);
    for (int i = (DAYS - KEPT) * STEPS_A_DAY; i < DAYS * STEPS_A_DAY; i += 5)
        assert_int_equal(ask_restored(&w, after[i], STEP), i);
    struct qr_restored none;
    assert_int_equal(qr_backup_restore(&w.place, after[0], "/restored", &none, NULL), QR_NOT_FOUND);
    end(&w);
}

/* A clock that is put ahead costs no backup unless that is sure. */
static void test_what_a_clock_says_that_is_not_sure_lets_nothing_go(void **state)
{
    (void)state;
    enum { KEPT = 7 };
    const int64_t DAY = 24 * 3600 * SECOND;
    struct world w;
    struct qr_err err = {0};
    struct qr_backup_tick tick;
    begin(&w, 10);
    commit(&w, FILL);
    step(&w, 0);
    uint64_t first = wall(&w);
    check(qr_backup_run_due(&w.place, w.store, NULL, KEPT, INT64_MAX, &tick, &err), &err);
    int64_t sure = (int64_t)wall(&w);
    qr_sim_advance(w.sim, 60 * SECOND);
    for (int i = 1; i <= 3; i++) {
        step(&w, 10 * i);
        take(&w, QR_BACKUP_LOG);
        qr_sim_advance(w.sim, 40 * DAY);
        step(&w, 10 * i + 1);
        check(qr_backup_run_due(&w.place, w.store, NULL, KEPT, i == 1 ? 0 : sure, &tick, &err),
              &err);
        assert_true(tick.taken);
        assert_int_equal(tick.row.kind, QR_BACKUP_FULL);
        assert_int_equal(tick.chains_expired, 0);
    }
    assert_int_equal(ask_restored(&w, first, STEP), 0);
    qr_sim_advance(w.sim, 40 * DAY);
    step(&w, 4);
    check(qr_backup_run_due(&w.place, w.store, NULL, KEPT, INT64_MAX, &tick, &err), &err);
    assert_true(tick.chains_expired >= 2);
    end(&w);
}

/* Goal: a database that is written all the time gets what the tiers document, and no more. Method:
 * the clock moves by minutes for two weeks, backups are only counted. */
static void test_two_weeks_have_the_documented_backups(void **state)
{
    (void)state;
    const int64_t M = 60 * SECOND, H = 60 * M, D = 24 * H, start = 19000 * D;
    static const struct {
        int64_t diff_hours;
        int full, diff, log_min, log_max;
    } rows[] = {{12, 2, 26, 1980, 2016}, {24, 2, 12, 1990, 2016}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_backup_policy policy = {.diff_every_ns = rows[i].diff_hours * H};
        struct qr_backup_past past = {.full_ns = 0};
        int counts[4] = {0};
        for (int64_t now = start; now < start + 14 * D; now += M) {
            past.changed = true;
            past.log_bytes += 1 << 20;
            struct qr_backup_due due = qr_backup_next(&policy, &past, now);
            if (due.at_ns > now)
                continue;
            counts[due.kind]++;
            *(due.kind == QR_BACKUP_FULL   ? &past.full_ns
              : due.kind == QR_BACKUP_DIFF ? &past.diff_ns
                                           : &past.log_ns) = now;
            if (due.kind == QR_BACKUP_LOG)
                past.log_bytes = 0;
        }
        assert_int_equal(counts[QR_BACKUP_FULL], rows[i].full);
        assert_int_equal(counts[QR_BACKUP_DIFF], rows[i].diff);
        assert_in_range(counts[QR_BACKUP_LOG], rows[i].log_min, rows[i].log_max);
    }
}

int main(void)
{
    if (qr_vfs_init(NULL) != QR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_commit_since_the_first_full_backup_can_be_restored),
        cmocka_unit_test(test_a_differential_holds_what_changed_since_the_full_one),
        cmocka_unit_test(test_a_log_backup_of_nothing_is_none),
        cmocka_unit_test(test_counters_come_back_as_of_the_time),
        cmocka_unit_test(test_log_that_is_in_no_backup_stays_over_checkpoints_and_restarts),
        cmocka_unit_test(test_too_much_held_log_ends_the_chain_and_a_full_backup_begins_another),
        cmocka_unit_test(test_retention_deletes_whole_chains_that_nothing_needs),
        cmocka_unit_test(test_a_flipped_bit_is_found),
        cmocka_unit_test(test_a_store_that_is_made_anew_begins_a_chain),
        cmocka_unit_test(test_log_of_a_restored_store_is_there_after_a_restart),
        cmocka_unit_test(test_a_commit_is_not_of_the_epoch_of_the_log_to_come),
        cmocka_unit_test(test_the_schedule_is_the_documented_one),
        cmocka_unit_test(test_a_month_on_schedule_keeps_what_retention_says),
        cmocka_unit_test(test_what_a_clock_says_that_is_not_sure_lets_nothing_go),
        cmocka_unit_test(test_two_weeks_have_the_documented_backups),
    };
    return cmocka_run_group_tests_name("backup/backup", tests, NULL, NULL);
}
