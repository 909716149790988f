/* test_range.c - intervals of keys: who is let in, who waits for whom, and what it costs. */
#include "scene.h"
#include "lock/range.h"

enum { TABLE = 7, INDEX = 1 };

/* "a": before all that begin with a; "a+": after them; "": before everything; "+": behind it. */
static struct qr_lock_bound bound(const char *text)
{
    size_t n = strlen(text);
    bool after = n > 0 && text[n - 1] == '+';
    return (struct qr_lock_bound){(const uint8_t *)text, n - after, after};
}

static struct qr_lock_resource in_way;

static enum qr_status read_range(struct scene *s, int owner, const char *lo, const char *hi,
                                 enum qr_lock_mode mode)
{
    struct qr_lock_range range = {TABLE, INDEX, bound(lo), bound(hi)};
    return qr_lock_range_try(s->owners[owner].o, &range, mode, &in_way, NULL);
}

static enum qr_status write_key(struct scene *s, int owner, const char *key)
{
    return qr_lock_key_try(s->owners[owner].o, TABLE, INDEX, (const uint8_t *)key, strlen(key),
                           &in_way, NULL);
}

static void wait_for_in_way(struct scene *s, int n, enum qr_lock_mode mode)
{
    struct owner *owner = &s->owners[n];
    owner->resource = in_way;
    owner->mode = mode;
    owner->timeout_ms = -1;
    atomic_store(&owner->is_back, false);
    owner->is_away = true;
    assert_int_equal(pthread_create(&owner->thread, NULL, wait_main, owner), 0);
    while (!is_waiting(s, n, NULL) && !atomic_load(&owner->is_back))
        sched_yield();
}

/* What a statement does when its wait is over: it asks again, and does not need this any more. */
static void give_back(struct scene *s, int n)
{
    assert_int_equal(qr_lock_release(s->owners[n].o, QR_LOCK_OF_TRAN, &s->owners[n].resource),
                     QR_OK);
}

static void a_writer_is_stopped_by_the_interval_its_key_is_in(void **state)
{
    (void)state;
    static const struct row {
        const char *lo, *hi, *key;
        bool is_in;
    } rows[] = {
        {"b", "d", "c", true},     {"b", "d", "b", true},   {"b", "d", "d", false},
        {"b", "d+", "d", true},    {"b", "d+", "da", true}, {"b+", "d", "b", false},
        {"b+", "d", "ba", false},  {"b+", "d", "c", true},  {"", "+", "anything", true},
        {"", "b", "a", true},      {"", "b", "b", false},   {"d+", "+", "e", true},
        {"d+", "+", "d", false},   {"b", "b+", "b", true},  {"b", "b+", "bz", true},
        {"b", "b+", "c", false},   {"b", "b+", "a", false}, {"ab", "ad", "ac", true},
        {"ab", "ad", "abz", true}, {"ab", "ad", "a", true}, /* it names all that begin so */
        {"c", "b", "b", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        scene_open(&s, 0);
        assert_int_equal(read_range(&s, 1, rows[i].lo, rows[i].hi, QR_LOCK_S), QR_OK);
        enum qr_status want = rows[i].is_in ? QR_BUSY : QR_OK;
        if (write_key(&s, 2, rows[i].key) != want)
            fail_msg("%s in [%s, %s)", rows[i].key, rows[i].lo, rows[i].hi);
        release(&s, 2);
        release(&s, 1);
        assert_int_equal(write_key(&s, 2, rows[i].key), QR_OK);
        assert_int_equal(read_range(&s, 1, rows[i].lo, rows[i].hi, QR_LOCK_S), want);
        assert_int_equal(write_key(&s, 2, rows[i].key), QR_OK); /* its own do not stop it */
        scene_close(&s);
    }
}

static void readers_and_writers_go_by_their_modes(void **state)
{
    (void)state;
    static const enum qr_lock_mode modes[] = {QR_LOCK_S, QR_LOCK_U, QR_LOCK_X, QR_LOCK_IX};
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = 0; b < 4; b++) {
            struct scene s;
            scene_open(&s, 0);
            assert_int_equal(read_range(&s, 1, "b", "d", modes[a]), QR_OK);
            enum qr_status want = qr_lock_goes_with(modes[a], modes[b]) ? QR_OK : QR_BUSY;
            assert_int_equal(read_range(&s, 2, "c", "f", modes[b]), want);
            scene_close(&s);
        }
    }
}

static void other_indexes_and_tables_do_not_count(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(read_range(&s, 1, "", "+", QR_LOCK_X), QR_OK);
    struct qr_lock_owner *two = s.owners[2].o;
    const uint8_t *k = (const uint8_t *)"k";
    assert_int_equal(qr_lock_key_try(two, TABLE, INDEX + 1, k, 1, &in_way, NULL), QR_OK);
    assert_int_equal(qr_lock_key_try(two, TABLE + 1, INDEX, k, 1, &in_way, NULL), QR_OK);
    assert_int_equal(qr_lock_key_try(two, TABLE, INDEX, k, 1, &in_way, NULL), QR_BUSY);
    scene_close(&s);
}

static void who_waits_goes_on_when_the_interval_is_gone(void **state)
{
    (void)state;
    struct scene s;
    struct qr_lock_info info;
    scene_open(&s, 0);
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_OK);
    assert_int_equal(write_key(&s, 2, "c"), QR_BUSY);
    wait_for_in_way(&s, 2, QR_LOCK_IX);
    assert_true(is_waiting(&s, 2, &info));
    assert_int_equal(info.blocking_session_id, 1);
    assert_int_equal(info.resource.kind, QR_LOCK_RANGE);
    assert_string_equal(qr_lock_mode_name_on(&info.resource, info.mode), "RangeI-N");
    release(&s, 1);
    assert_int_equal(come_back(&s, 2), QR_OK);
    give_back(&s, 2);
    assert_int_equal(write_key(&s, 2, "c"), QR_OK);
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_BUSY);
    wait_for_in_way(&s, 1, QR_LOCK_S);
    release(&s, 2);
    assert_int_equal(come_back(&s, 1), QR_OK);
    give_back(&s, 1);
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_OK);
    scene_close(&s);
}

/* Both look for a key that is not there, then both insert it. */
static void check_then_insert_of_one_key_is_a_deadlock(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    for (int i = 1; i <= 2; i++)
        assert_int_equal(read_range(&s, i, "c", "c+", QR_LOCK_S), QR_OK);
    assert_int_equal(write_key(&s, 1, "c"), QR_BUSY);
    wait_for_in_way(&s, 1, QR_LOCK_IX);
    assert_int_equal(write_key(&s, 2, "c"), QR_BUSY);
    wait_for_in_way(&s, 2, QR_LOCK_IX);
    assert_int_equal(come_back(&s, 2), QR_SQL);
    assert_int_equal(s.owners[2].err.number, 1205);
    assert_non_null(strstr(s.report, "wants RangeI-N on KEY 7 index 1"));
    assert_int_equal(s.deadlock.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s.deadlock.members[i].session_id, 2 - i); /* who closed it comes first */
        assert_int_equal(s.deadlock.members[i].resource.kind, QR_LOCK_RANGE);
        assert_int_equal(s.deadlock.members[i].wants, QR_LOCK_IX);
        assert_int_equal(s.deadlock.members[i].has, QR_LOCK_NONE);
        assert_int_equal(s.deadlock.members[i].next_has, QR_LOCK_S);
    }
    release(&s, 2);
    assert_int_equal(come_back(&s, 1), QR_OK);
    give_back(&s, 1);
    assert_int_equal(write_key(&s, 1, "c"), QR_OK);
    scene_close(&s);
}

static void readers_that_come_after_a_writer_that_waits_wait_for_it(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_OK);
    assert_int_equal(read_range(&s, 4, "c", "c+", QR_LOCK_S), QR_OK);
    assert_int_equal(write_key(&s, 2, "c"), QR_BUSY);
    assert_int_equal(read_range(&s, 3, "a", "z", QR_LOCK_S), QR_BUSY);
    assert_int_equal(read_range(&s, 3, "ca", "z", QR_LOCK_S), QR_BUSY);
    assert_int_equal(read_range(&s, 3, "d", "z", QR_LOCK_S), QR_OK);
    assert_int_equal(read_range(&s, 4, "a", "z", QR_LOCK_S), QR_OK); /* it is in the way anyway */
    qr_lock_range_give_up(s.owners[2].o);
    assert_int_equal(read_range(&s, 3, "a", "z", QR_LOCK_S), QR_OK);
    scene_close(&s);
}

/* Each writer comes while the one before it is still there. */
static void a_stream_of_writers_lets_a_reader_in(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(write_key(&s, 1, "b"), QR_OK);
    assert_int_equal(read_range(&s, 4, "a", "d", QR_LOCK_S), QR_BUSY);
    assert_int_equal(write_key(&s, 2, "c"), QR_OK); /* once it may happen */
    wait_for_in_way(&s, 4, QR_LOCK_S);
    release(&s, 1);
    (void)come_back(&s, 4);
    give_back(&s, 4);
    assert_int_equal(read_range(&s, 4, "a", "d", QR_LOCK_S), QR_BUSY);
    assert_int_equal(write_key(&s, 1, "z"), QR_OK);   /* outside of it */
    assert_int_equal(write_key(&s, 2, "cc"), QR_OK);  /* in its way already */
    assert_int_equal(write_key(&s, 1, "b"), QR_BUSY); /* comes after it */
    wait_for_in_way(&s, 1, QR_LOCK_IX);
    release(&s, 2);
    assert_int_equal(read_range(&s, 4, "a", "d", QR_LOCK_S), QR_OK);
    assert_int_equal(come_back(&s, 1), QR_OK); /* the claim is gone; what is there now says more */
    give_back(&s, 1);
    assert_int_equal(write_key(&s, 1, "b"), QR_BUSY);
    release(&s, 4);
    assert_int_equal(write_key(&s, 1, "b"), QR_OK);
    scene_close(&s);
}

static void who_waits_for_a_claim_goes_on_when_it_is_given_up(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(write_key(&s, 2, "x"), QR_OK); /* it keeps this */
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_OK);
    assert_int_equal(write_key(&s, 2, "c"), QR_BUSY);
    size_t held = qr_lock_count(s.owners[2].o, QR_LOCK_OF_TRAN);
    assert_int_equal(read_range(&s, 3, "a", "e", QR_LOCK_S), QR_BUSY);
    wait_for_in_way(&s, 3, QR_LOCK_S);
    qr_lock_range_give_up(s.owners[2].o);
    assert_int_equal(come_back(&s, 3), QR_OK);
    give_back(&s, 3);
    assert_int_equal(read_range(&s, 3, "a", "e", QR_LOCK_S), QR_OK);
    assert_int_equal(qr_lock_count(s.owners[2].o, QR_LOCK_OF_TRAN), held - 1);
    scene_close(&s);
}

static void a_claim_keeps_its_place_and_ends_with_its_owner(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(read_range(&s, 1, "b", "d", QR_LOCK_S), QR_OK);
    assert_int_equal(write_key(&s, 2, "c"), QR_BUSY);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read_range(&s, 3, "a", "cc", QR_LOCK_S), QR_BUSY);
    release(&s, 1);
    assert_int_equal(read_range(&s, 3, "a", "cc", QR_LOCK_S), QR_BUSY); /* the writer was first */
    assert_int_equal(write_key(&s, 2, "c"), QR_OK);
    release(&s, 2);
    assert_int_equal(write_key(&s, 4, "c"), QR_BUSY);
    release(&s, 3);
    assert_int_equal(write_key(&s, 4, "c"), QR_OK);
    scene_close(&s);
}

static void a_key_longer_than_the_bound_stands_for_all_that_begin_so(void **state)
{
    (void)state;
    struct scene s;
    char a[300], b[300];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[298] = 'a';
    b[298] = 'b';
    a[299] = b[299] = '\0';
    scene_open(&s, 0);
    assert_int_equal(write_key(&s, 1, a), QR_OK);
    struct qr_lock_range range = {TABLE, INDEX, {(uint8_t *)b, 299, true}, bound("y")};
    assert_int_equal(qr_lock_range_try(s.owners[2].o, &range, QR_LOCK_S, &in_way, NULL), QR_BUSY);
    range.lo = bound("xy");
    assert_int_equal(qr_lock_range_try(s.owners[2].o, &range, QR_LOCK_S, &in_way, NULL), QR_OK);
    scene_close(&s);
}

static void a_hundred_thousand_keys_of_one_writer_take_little_memory(void **state)
{
    (void)state;
    struct scene s;
    char key[16];
    scene_open(&s, 256 * 1024);
    assert_int_equal(read_range(&s, 2, "9", "9+", QR_LOCK_S), QR_OK);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "%06u", i * 7919U % 100000U);
        assert_int_equal(write_key(&s, 1, key), QR_OK);
    }
    assert_true(qr_locks_bytes(s.locks) < 128 * 1024);
    assert_int_equal(write_key(&s, 1, "9"), QR_BUSY); /* what it has was not merged over that */
    assert_int_equal(read_range(&s, 3, "050000", "050000+", QR_LOCK_S), QR_BUSY);
    assert_int_equal(read_range(&s, 3, "1", "9", QR_LOCK_S), QR_OK);
    scene_close(&s);
}

static void without_room_it_says_1204_and_has_what_it_had(void **state)
{
    (void)state;
    struct scene s;
    struct qr_err err;
    char lo[16], hi[16];
    qr_err_reset(&err);
    scene_open(&s, 160 * 1024);
    enum qr_status status = QR_OK;
    for (unsigned i = 0; i < 100000 && status == QR_OK; i++) { /* another one between each two */
        snprintf(lo, sizeof lo, "%06u", i);
        status =
            qr_lock_key_try(s.owners[1 + i % 2].o, TABLE, INDEX, (uint8_t *)lo, 6, &in_way, &err);
    }
    assert_int_equal(status, QR_OK); /* writers do not mind each other and are merged */
    release(&s, 1);
    release(&s, 2);
    for (unsigned i = 0; i < 100000 && status == QR_OK; i++) {
        snprintf(lo, sizeof lo, "%06u", i);
        snprintf(hi, sizeof hi, "%06u+", i);
        struct qr_lock_range range = {TABLE, INDEX, bound(lo), bound(hi)};
        status = qr_lock_range_try(s.owners[1 + i % 2].o, &range, QR_LOCK_X, &in_way, &err);
    }
    assert_int_equal(status, QR_SQL);
    assert_int_equal(err.number, 1204);
    assert_int_equal(write_key(&s, 3, "000000"), QR_BUSY);
    scene_close(&s);
}

/* Random intervals and keys against the plain definition: nobody is ever let in beside one that he
 * does not go with, and (while few enough are had not to be merged) nobody stopped for nothing. */
static void nobody_is_let_in_beside_a_conflict(void **state)
{
    (void)state;
    enum { KEYS = 26, STEPS = 40000 };
    static const enum qr_lock_mode modes[] = {QR_LOCK_S, QR_LOCK_U, QR_LOCK_X, QR_LOCK_IX};
    bool has[OWNERS][4][KEYS] = {0};
    struct scene s;
    scene_open(&s, 0);
    uint32_t rnd = 12345;
    for (int step = 0; step < STEPS; step++) {
        rnd = rnd * 1664525U + 1013904223U;
        int o = (int)(rnd >> 28) % OWNERS, m = (int)(rnd >> 26) % 4;
        int from = (int)(rnd >> 20) % KEYS, to = from + (int)(rnd >> 12) % 4;
        to = m == 3 ? from : to >= KEYS ? KEYS - 1 : to;
        if ((rnd >> 4) % 16 == 0) {
            release(&s, o);
            memset(has[o], 0, sizeof has[o]);
            continue;
        }
        bool is_free = true;
        for (int other = 0; other < OWNERS; other++)
            for (int om = 0; om < 4; om++)
                for (int k = from; k <= to; k++)
                    if (other != o && has[other][om][k] && !qr_lock_goes_with(modes[m], modes[om]))
                        is_free = false;
        char lo[] = {(char)('a' + from), '\0'}, hi[] = {(char)('a' + to), '+', '\0'};
        enum qr_status status = read_range(&s, o, lo, hi, modes[m]);
        assert_int_equal(status, is_free ? QR_OK : QR_BUSY);
        qr_lock_range_give_up(s.owners[o].o); /* claims are of another test */
        for (int k = from; status == QR_OK && k <= to; k++)
            has[o][m][k] = true;
    }
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_is_stopped_by_the_interval_its_key_is_in),
        cmocka_unit_test(readers_and_writers_go_by_their_modes),
        cmocka_unit_test(other_indexes_and_tables_do_not_count),
        cmocka_unit_test(who_waits_goes_on_when_the_interval_is_gone),
        cmocka_unit_test(check_then_insert_of_one_key_is_a_deadlock),
        cmocka_unit_test(readers_that_come_after_a_writer_that_waits_wait_for_it),
        cmocka_unit_test(a_stream_of_writers_lets_a_reader_in),
        cmocka_unit_test(who_waits_for_a_claim_goes_on_when_it_is_given_up),
        cmocka_unit_test(a_claim_keeps_its_place_and_ends_with_its_owner),
        cmocka_unit_test(a_key_longer_than_the_bound_stands_for_all_that_begin_so),
        cmocka_unit_test(a_hundred_thousand_keys_of_one_writer_take_little_memory),
        cmocka_unit_test(without_room_it_says_1204_and_has_what_it_had),
        cmocka_unit_test(nobody_is_let_in_beside_a_conflict),
    };
    return cmocka_run_group_tests_name("lock/range", tests, NULL, NULL);
}
