/* Goal: every circle is found when it closes, the right one is its victim, and everybody else gets
 * on. Each row is a scene: its steps in order; all but the last get the lock or wait as they say.
 */
#include "scene.h"

enum { STEPS_MAX = 16, NOBODY = -1 };

struct step {
    int owner;
    char name;
    enum qr_lock_mode mode;
    bool waits;
};
struct shape {
    const char *what;
    int victim; /* of the last step; NOBODY: no circle */
    int priority[OWNERS];
    int work[OWNERS];
    struct step steps[STEPS_MAX];
};

#define GETS(owner, name, mode)                                                                    \
    {                                                                                              \
        owner, name, QR_LOCK_##mode, false                                                         \
    }
#define WAITS(owner, name, mode)                                                                   \
    {                                                                                              \
        owner, name, QR_LOCK_##mode, true                                                          \
    }

static const struct shape shapes[] = {
    /* clang-format off */
    {"two rows crosswise", 2, {0}, {0},
     {GETS(1, 'a', X), GETS(2, 'b', X), WAITS(1, 'b', X), WAITS(2, 'a', X)}},
    {"a row and a table", 2, {0}, {0},
     {GETS(1, 'A', IX), GETS(2, 'a', X), WAITS(1, 'a', S), WAITS(2, 'A', S)}},
    {"a row and a name", 1, {0}, {0},
     {GETS(1, '0', X), GETS(2, 'a', X), WAITS(2, '0', S), WAITS(1, 'a', X)}},
    {"two that read one row both want to change it", 2, {0}, {0},
     {GETS(1, 'a', S), GETS(2, 'a', S), WAITS(1, 'a', X), WAITS(2, 'a', X)}},
    {"update locks avoid that", NOBODY, {0}, {0},
     {GETS(1, 'a', U), WAITS(2, 'a', U), GETS(1, 'a', X)}},
    {"three readers of one row", 2, {0}, {0},
     {GETS(1, 'a', S), GETS(2, 'a', S), GETS(3, 'a', S), WAITS(1, 'a', X), WAITS(2, 'a', X)}},
    {"through a neighbour in the queue", 1, {0}, {0},
     {GETS(2, 'a', S), GETS(1, 'c', X), WAITS(4, 'a', X), WAITS(2, 'c', X), WAITS(1, 'a', S)}},
    {"a new request behind one that waits for its owner", 3, {0}, {0},
     {GETS(1, 'a', S), GETS(3, 'b', X), WAITS(2, 'b', X), GETS(4, 'c', X), WAITS(4, 'a', X),
      WAITS(1, 'b', X), WAITS(3, 'a', S)}},
    {"no circle: a chain of four", NOBODY, {0}, {0},
     {GETS(1, 'a', X), GETS(2, 'b', X), GETS(3, 'c', X), WAITS(2, 'a', X), WAITS(3, 'b', X),
      WAITS(4, 'c', X)}},
    {"no circle: many behind one", NOBODY, {0}, {0},
     {GETS(1, 'a', X), WAITS(2, 'a', X), WAITS(3, 'a', S), WAITS(4, 'a', S), WAITS(5, 'a', X),
      WAITS(6, 'a', U)}},
    {"three in a ring", 3, {0}, {0},
     {GETS(1, 'a', X), GETS(2, 'b', X), GETS(3, 'c', X), WAITS(1, 'b', X), WAITS(2, 'c', X),
      WAITS(3, 'a', X)}},
    {"four in a ring, of which the third has the least priority", 3, {0, 0, 0, -5, 0}, {0},
     {GETS(1, 'a', X), GETS(2, 'b', X), GETS(3, 'c', X), GETS(4, 'd', X), WAITS(1, 'b', X),
      WAITS(2, 'c', X), WAITS(3, 'd', X), WAITS(4, 'a', X)}},
    {"five in a ring, of which the second has done least", 2, {0}, {0, 9, 3, 8, 7, 9},
     {GETS(1, 'a', X), GETS(2, 'b', X), GETS(3, 'c', X), GETS(4, 'd', X), GETS(5, 'e', X),
      WAITS(1, 'b', X), WAITS(2, 'c', X), WAITS(3, 'd', X), WAITS(4, 'e', X), WAITS(5, 'a', X)}},
    {"priority counts before work", 1, {0, -1, 0}, {0, 1000, 1},
     {GETS(1, 'a', X), GETS(2, 'b', X), WAITS(1, 'b', X), WAITS(2, 'a', X)}},
    {"with the same of both it is who closed the circle", 1, {0, 5, 5}, {0, 7, 7},
     {GETS(1, 'a', X), GETS(2, 'b', X), WAITS(2, 'a', X), WAITS(1, 'b', X)}},
    {"who is important closes the circle and goes on", 1, {0, 0, 10}, {0, 7, 7},
     {GETS(1, 'a', X), GETS(2, 'b', X), WAITS(1, 'b', X), WAITS(2, 'a', X)}},
    {"one that only stands between is not the victim", 2, {0, 0, 0, 0, -10}, {0, 5, 1, 5, 0},
     {GETS(1, 'a', X), GETS(2, 'b', X), WAITS(2, 'a', X), WAITS(4, 'b', X), WAITS(1, 'b', X)}},
    {"nor one in the queue between", 1, {0, 0, 0, 0, -10}, {0, 1, 5, 5, 0},
     {GETS(3, 'a', S), GETS(1, 'b', X), GETS(2, 'c', X), WAITS(2, 'a', X), WAITS(4, 'a', X),
      WAITS(3, 'b', X), WAITS(1, 'a', X)}},
    {"a conversion steps in front of one that waits for it elsewhere", 1, {0}, {0},
     {GETS(1, 'a', S), GETS(2, 'a', U), GETS(4, 'a', S), GETS(3, 'b', X), WAITS(3, 'a', U),
      WAITS(4, 'b', S), WAITS(1, 'a', X)}},
    {"schema and data", 2, {0}, {0},
     {GETS(1, 'A', SCH_S), GETS(2, 'B', SCH_M), WAITS(1, 'B', SCH_S), WAITS(2, 'A', SCH_M)}},
    /* clang-format on */
};

/* Victims give back; then whoever has got what it waited for, until all are home. */
static void bring_home(struct scene *s)
{
    int away = 0;
    do {
        away = 0;
        for (int i = 0; i < OWNERS; i++) {
            struct owner *owner = &s->owners[i];
            if (owner->is_away && !atomic_load(&owner->is_back)) {
                away++;
                continue;
            }
            if (owner->is_away)
                assert_true(come_back(s, i) == QR_OK || owner->err.number == 1205);
            release(s, i);
        }
        sched_yield();
    } while (away > 0);
}

static void play(struct scene *s, const struct shape *shape)
{
    for (int i = 0; i < OWNERS; i++)
        qr_lock_owner_set(s->owners[i].o, shape->priority[i], (uint64_t)shape->work[i]);
    for (const struct step *step = shape->steps; step->mode != QR_LOCK_NONE; step++) {
        bool is_last = step[1].mode == QR_LOCK_NONE;
        if (!step->waits) {
            assert_int_equal(try_it(s, step->owner, step->name, step->mode), QR_OK);
        } else if (is_last && shape->victim != NOBODY) {
            assert_int_equal(try_it(s, step->owner, step->name, step->mode), QR_BUSY);
            set_out(s, step->owner, step->name, step->mode, -1);
        } else {
            start_waiting(s, step->owner, step->name, step->mode);
            assert_int_equal(atomic_load(&s->deadlocks), 0);
        }
    }
}

static void test_circles_of_every_shape_are_found_and_their_victims_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const struct shape *shape = &shapes[i];
        struct scene s;
        scene_open(&s, 0);
        play(&s, shape);
        if (shape->victim != NOBODY) {
            if (come_back(&s, shape->victim) != QR_SQL)
                fail_msg("%s: %d is no victim", shape->what, shape->victim);
            const struct qr_err *err = &s.owners[shape->victim].err;
            assert_int_equal(err->number, 1205);
            char want[64];
            snprintf(want, sizeof want, "(Process ID %d) was deadlocked on lock resources",
                     shape->victim);
            assert_non_null(strstr(err->text, want));
        }
        bring_home(&s);
        assert_int_equal(atomic_load(&s.deadlocks), shape->victim != NOBODY);
        if (shape->victim != NOBODY)
            assert_int_equal(atomic_load(&s.victim), shape->victim);
        for (int k = 0; k < OWNERS; k++)
            if (k != shape->victim && s.owners[k].err.number != 0)
                fail_msg("%s: %d is told %s", shape->what, k, s.owners[k].err.text);
        scene_close(&s);
    }
}

static void test_one_wait_may_close_several_circles(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(try_it(&s, i, 'a', QR_LOCK_S), QR_OK);
    assert_int_equal(try_it(&s, 4, 'b', QR_LOCK_X), QR_OK);
    qr_lock_owner_set(s.owners[4].o, 5, 0);
    for (int i = 1; i <= 3; i++)
        start_waiting(&s, i, 'b', QR_LOCK_S);
    set_out(&s, 4, 'a', QR_LOCK_X, -1);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(come_back(&s, i), QR_SQL);
        assert_int_equal(s.owners[i].err.number, 1205);
        release(&s, i);
    }
    assert_int_equal(come_back(&s, 4), QR_OK);
    assert_int_equal(atomic_load(&s.deadlocks), 3);
    scene_close(&s);
}

static void test_the_report_names_all_who_take_part(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(try_it(&s, 1, 'a', QR_LOCK_S), QR_OK);
    assert_int_equal(try_it(&s, 2, 'a', QR_LOCK_S), QR_OK);
    start_waiting(&s, 1, 'a', QR_LOCK_X);
    set_out(&s, 2, 'a', QR_LOCK_X, -1);
    assert_int_equal(come_back(&s, 2), QR_SQL);
    assert_string_equal(
        s.report,
        "victim: session 2; session 2 (priority 0, work 0) wants X on KEY 1 (0000000000000061), "
        "has S, waits for session 1; session 1 (priority 0, work 0) wants X on KEY 1 "
        "(0000000000000061), has S, waits for session 2");
    release(&s, 2);
    assert_int_equal(come_back(&s, 1), QR_OK);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circles_of_every_shape_are_found_and_their_victims_are_right),
        cmocka_unit_test(test_one_wait_may_close_several_circles),
        cmocka_unit_test(test_the_report_names_all_who_take_part),
    };
    return cmocka_run_group_tests_name("lock/deadlock", tests, NULL, NULL);
}
