/* test_dir.c - the directory backend under faults, power cuts and damage, and between processes */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "blob/blob.h"
#include "env/sim.h"

extern char **environ;
static char real_dir[] = "/tmp/quire-blobdir-XXXXXX";
static const char url[] = "file:///store";

/* What a run of the script may have left: for each object the texts it may hold, NULL: absent. */
enum { OBJECTS = 3, STEPS = 9 };
struct history {
    const char *acked[OBJECTS];   /* durable for certain */
    const char *pending[OBJECTS]; /* the step that failed may have made it this */
    bool has_pending[OBJECTS];
};
static const char *const names[OBJECTS] = {"m/manifest", "deep/er/layer", "log"};

static struct qr_blob *open_sim(struct qr_sim *sim)
{
    struct qr_blob *blob = NULL;
    struct qr_err err;
    if (qr_blob_open(qr_sim_env(sim), NULL, url, "", &blob, &err) != QR_OK)
        fail_msg("%s", err.text);
    return blob;
}

static struct qr_blob_tag tag_of(struct qr_blob *blob, const char *name)
{
    struct qr_blob_info info = {0};
    enum qr_status status = qr_blob_stat(blob, name, &info, NULL);
    (void)status; /* under a fault the tag stays empty, and the write fails in turn */
    return info.tag;
}

/* One step; *ret_object and *ret_text are what it makes of an object. */
static enum qr_status run_step(struct qr_blob *blob, int step, int *ret_object,
                               const char **ret_text)
{
    static const struct {
        int object;
        char how; /* p: put, c: put if new, s: put if the tag is the same, d: delete, a: append */
        const char *text;
        uint64_t offset;
    } steps[STEPS] = {
        {0, 'c', "one", 0},   {1, 'p', "layer", 0},     {0, 's', "two", 0},
        {2, 'a', "abc", 0},   {1, 'd', NULL, 0},        {2, 'a', "abcdef", 3},
        {0, 's', "three", 0}, {1, 'c', "new layer", 0}, {0, 'd', NULL, 0},
    };
    int object = steps[step].object;
    const char *name = names[object], *text = steps[step].text;
    *ret_object = object;
    *ret_text = text;
    struct qr_blob_tag tag;
    struct iovec iov;
    switch (steps[step].how) {
    case 'p':
        return qr_blob_put(blob, name, text, strlen(text), NULL, NULL, NULL);
    case 'c':
        return qr_blob_put(blob, name, text, strlen(text), "", NULL, NULL);
    case 's':
        tag = tag_of(blob, name);
        return qr_blob_put(blob, name, text, strlen(text), tag.z, NULL, NULL);
    case 'd':
        return qr_blob_delete(blob, name, NULL, NULL);
    default:
        iov = (struct iovec){(void *)(uintptr_t)(text + steps[step].offset),
                             strlen(text) - steps[step].offset};
        return qr_blob_append(blob, name, steps[step].offset, &iov, 1, "", NULL);
    }
}

/* Runs the script until a step fails. */
static void run_script(struct qr_blob *blob, struct history *ret_history)
{
    for (int step = 0; step < STEPS; step++) {
        int object = 0;
        const char *text = NULL;
        if (run_step(blob, step, &object, &text) != QR_OK) {
            ret_history->pending[object] = text;
            ret_history->has_pending[object] = true;
            return;
        }
        ret_history->acked[object] = text;
    }
}

static bool is_text(const struct qr_buf *got, bool there, const char *text)
{
    if (text == NULL || !there)
        return text == NULL && !there;
    return got->len == strlen(text) && memcmp(got->data, text, got->len) == 0;
}

static void check(struct qr_blob *blob, const struct history *h, uint64_t nth)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct qr_buf got;
        struct qr_err err;
        qr_buf_init(&got, 100);
        enum qr_status status = qr_blob_get(blob, names[i], 0, SIZE_MAX, &got, NULL, &err);
        if (status != QR_OK && status != QR_NOT_FOUND)
            fail_msg("I/O %llu: %s", (unsigned long long)nth, err.text);
        bool there = status == QR_OK;
        bool good = is_text(&got, there, h->acked[i]);
        if (!good && h->has_pending[i]) {
            good = is_text(&got, there, h->pending[i]);
            /* an append that was not acknowledged may be there in part (blob README) */
            if (i == 2 && there && h->pending[i] != NULL)
                good = got.len <= strlen(h->pending[i]) &&
                       got.len >= (h->acked[i] == NULL ? 0 : strlen(h->acked[i]));
        }
        if (!good)
            fail_msg("I/O %llu: '%s' holds '%s'", (unsigned long long)nth, names[i],
                     there ? qr_buf_cstr(&got) : "(nothing)");
        qr_buf_done(&got);
    }
}

/* Goal: what was acknowledged is there, what was not is there whole or not at all. Method: fail the
 * n-th I/O, once with the machine going on, once with it stopping there and its power cut. */
static void test_every_io_fails_once(void **state)
{
    (void)state;
    for (int cut = 0; cut <= 1; cut++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            for (uint64_t seed = 0; seed < (cut ? 6 : 1); seed++) {
                struct qr_sim *sim =
                    qr_sim_new(&(struct qr_sim_options){.seed = seed * 1000 + nth});
                struct history history = {0};
                struct qr_blob *blob = open_sim(sim);
                qr_sim_fault_next(sim, nth, cut, QR_IO);
                run_script(blob, &history);
                fired = qr_sim_fault_fired(sim);
                qr_blob_close(blob);
                if (cut)
                    qr_sim_power_cut(sim);
                else
                    qr_sim_fault_next(sim, 0, false, QR_OK);
                blob = open_sim(sim);
                check(blob, &history, nth);
                qr_blob_close(blob);
                qr_sim_free(sim);
            }
        }
    }
}

/* The same while the store itself is made. */
static void test_opening_survives_every_io_fault(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        struct qr_sim *sim = qr_sim_new(
            &(struct qr_sim_options){.seed = nth, .io_fault_at = nth, .io_fault_stays = true});
        struct qr_blob *blob = NULL;
        struct history history = {0};
        if (qr_blob_open(qr_sim_env(sim), NULL, url, "", &blob, NULL) == QR_OK)
            run_script(blob, &history);
        fired = qr_sim_fault_fired(sim);
        qr_blob_close(blob);
        qr_sim_power_cut(sim);
        blob = open_sim(sim);
        check(blob, &history, nth);
        qr_blob_close(blob);
        qr_sim_free(sim);
    }
}

static void test_a_full_disk_is_told_and_hurts_nothing(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 3});
    struct qr_blob *blob = open_sim(sim);
    struct qr_err err;
    char big[4096] = {0};
    assert_int_equal(qr_blob_put(blob, "kept", "kept", 4, NULL, NULL, &err), QR_OK);
    qr_sim_disk_limit(sim, 2048);
    assert_int_equal(qr_blob_put(blob, "kept", big, sizeof big, NULL, NULL, &err), QR_FULL);
    struct qr_buf got;
    qr_buf_init(&got, 100);
    assert_int_equal(qr_blob_get(blob, "kept", 0, SIZE_MAX, &got, NULL, &err), QR_OK);
    assert_string_equal(qr_buf_cstr(&got), "kept");
    assert_int_equal(qr_blob_put(blob, "small", "x", 1, NULL, NULL, &err), QR_OK); /* room again */
    qr_buf_done(&got);
    qr_blob_close(blob);
    qr_sim_free(sim);
}

static void test_damage_is_noticed(void **state)
{
    (void)state;
    for (uint64_t bit = 0; bit < 8 * (64 + 5); bit++) {
        struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 3});
        struct qr_blob *blob = open_sim(sim);
        struct qr_buf got;
        qr_buf_init(&got, 100);
        assert_int_equal(qr_blob_put(blob, "x", "bytes", 5, NULL, NULL, NULL), QR_OK);
        assert_int_equal(qr_sim_flip_bit(sim, "/store/x~", bit), QR_OK);
        assert_int_equal(qr_blob_get(blob, "x", 0, SIZE_MAX, &got, NULL, NULL), QR_CORRUPT);
        assert_int_equal(got.len, 0);
        qr_buf_done(&got);
        qr_blob_close(blob);
        qr_sim_free(sim);
    }
}

static bool count_one(void *arg, const char *name)
{
    (void)name;
    *(int *)arg += 1;
    return true;
}
static bool ignore(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)arg, (void)name, (void)info;
    return true;
}

/* Each I/O fails once, and the power goes then: the object is whole or not there, what was there
 * before stays, and nothing else is left in the folder after a sweep. */
static void test_a_staged_object_survives_every_io_fault(void **state)
{
    (void)state;
    enum { BYTES = (2 << 20) + 77 };
    uint8_t *bytes = calloc(1, BYTES);
    assert_non_null(bytes);
    bool fired = true;
    for (uint64_t nth = 1; fired; nth++) {
        struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = nth});
        struct qr_blob *blob = open_sim(sim);
        struct qr_blob_stage *stage = NULL;
        assert_int_equal(qr_blob_put(blob, "d/x", "old", 3, NULL, NULL, NULL), QR_OK);
        qr_sim_fault_next(sim, nth, nth % 2 == 0, QR_IO);
        enum qr_status status = qr_blob_stage_begin(blob, "d/x", true, &stage, NULL);
        if (status == QR_OK) {
            status = qr_blob_stage_add(blob, stage, bytes, BYTES, NULL);
            if (status == QR_OK)
                status = qr_blob_stage_end(blob, stage, "head", 4, NULL, NULL, NULL);
            else
                qr_blob_stage_abandon(blob, stage);
        }
        fired = qr_sim_fault_fired(sim);
        assert_true(fired || status == QR_OK);
        qr_blob_close(blob);
        qr_sim_fault_next(sim, 0, false, QR_OK);
        qr_sim_power_cut(sim);
        blob = open_sim(sim);
        assert_int_equal(qr_blob_drop_stages(blob, "d/", NULL), QR_OK);
        assert_int_equal(qr_blob_drop_stages(blob, "none/", NULL), QR_OK);
        struct qr_buf got;
        qr_buf_init(&got, BYTES);
        assert_int_equal(qr_blob_get(blob, "d/x", 0, SIZE_MAX, &got, NULL, NULL), QR_OK);
        bool is_new = got.len == BYTES && memcmp(got.data, "head", 4) == 0;
        assert_true(is_new || (got.len == 3 && memcmp(got.data, "old", 3) == 0));
        assert_true(is_new || status != QR_OK);
        qr_buf_done(&got);
        int files = 0;
        assert_int_equal(qr_env_list(qr_sim_env(sim), "/store/d", count_one, &files, NULL), QR_OK);
        assert_int_equal(files, 1);
        qr_blob_close(blob);
        qr_sim_free(sim);
    }
    free(bytes);
}

static void test_a_listing_removes_what_a_crash_left_when_it_is_old(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 3});
    struct qr_blob *blob = open_sim(sim);
    assert_int_equal(qr_blob_put(blob, "d/x", "1", 1, NULL, NULL, NULL), QR_OK);
    qr_sim_fault_next(sim, 3, true, QR_IO); /* open, write, then the sync: it stops with its file */
    assert_int_equal(qr_blob_put(blob, "d/x", "2", 1, NULL, NULL, NULL), QR_IO);
    qr_blob_close(blob);
    qr_sim_fault_next(sim, 0, false, QR_OK);
    qr_sim_kill(sim);
    int before = 0, young = 0, old = 0;
    assert_int_equal(qr_env_list(qr_sim_env(sim), "/store/d", count_one, &before, NULL), QR_OK);
    blob = open_sim(sim);
    assert_int_equal(qr_blob_list(blob, "", ignore, NULL, NULL), QR_OK);
    assert_int_equal(qr_env_list(qr_sim_env(sim), "/store/d", count_one, &young, NULL), QR_OK);
    qr_sim_advance(sim, INT64_C(3700) * 1000000000);
    assert_int_equal(qr_blob_list(blob, "", ignore, NULL, NULL), QR_OK);
    assert_int_equal(qr_env_list(qr_sim_env(sim), "/store/d", count_one, &old, NULL), QR_OK);
    assert_int_equal(before, 2);
    assert_int_equal(young, 2);
    assert_int_equal(old, 1);
    qr_blob_close(blob);
    qr_sim_free(sim);
}

static void test_a_lease_runs_out(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 3});
    struct qr_blob *blob = open_sim(sim);
    struct qr_blob_tag first, second;
    struct iovec one = {"x", 1};
    assert_int_equal(qr_blob_append(blob, "log", 0, &one, 1, "", NULL), QR_OK);
    assert_int_equal(qr_blob_lease(blob, "log", 20, "", &first, NULL), QR_OK);
    qr_sim_advance(sim, INT64_C(19) * 1000000000);
    assert_int_equal(qr_blob_append(blob, "log", 1, &one, 1, first.z, NULL), QR_OK);
    qr_sim_advance(sim, INT64_C(2) * 1000000000);
    assert_int_equal(qr_blob_append(blob, "log", 2, &one, 1, first.z, NULL), QR_LOCKED);
    assert_int_equal(qr_blob_lease(blob, "log", 20, "", &second, NULL), QR_OK);
    assert_int_equal(qr_blob_lease(blob, "log", 20, first.z, &first, NULL), QR_LOCKED);
    qr_blob_close(blob);
    qr_sim_free(sim);
}

/* Counts up an object by compare-and-set, in a process of its own. */
static int count_up(const char *store, int times)
{
    struct qr_blob *blob = NULL;
    if (qr_blob_open(qr_env_real(), NULL, store, "", &blob, NULL) != QR_OK)
        return 1;
    while (times > 0) {
        struct qr_buf buf;
        struct qr_blob_tag tag;
        char text[32];
        qr_buf_init(&buf, 100);
        if (qr_blob_get(blob, "count", 0, SIZE_MAX, &buf, &tag, NULL) != QR_OK)
            return 1;
        int n = snprintf(text, sizeof text, "%d", 1 + (int)strtol(qr_buf_cstr(&buf), NULL, 10));
        times -= qr_blob_put(blob, "count", text, (size_t)n, tag.z, NULL, NULL) == QR_OK;
        qr_buf_done(&buf);
    }
    qr_blob_close(blob);
    return 0;
}

static void test_processes_lose_no_count(void **state)
{
    (void)state;
    char store[64];
    snprintf(store, sizeof store, "file://%s/store", real_dir);
    struct qr_blob *blob = NULL;
    assert_int_equal(qr_blob_open(qr_env_real(), NULL, store, "", &blob, NULL), QR_OK);
    assert_int_equal(qr_blob_put(blob, "count", "0", 1, NULL, NULL, NULL), QR_OK);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        char *argv[] = {"test_blob_dir", "count", store, NULL};
        assert_int_equal(posix_spawn(&pids[i], "/proc/self/exe", NULL, NULL, argv, environ), 0);
    }
    for (int i = 0; i < 3; i++) {
        int how = -1;
        waitpid(pids[i], &how, 0);
        assert_int_equal(how, 0);
    }
    struct qr_buf buf;
    qr_buf_init(&buf, 100);
    assert_int_equal(qr_blob_get(blob, "count", 0, SIZE_MAX, &buf, NULL, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), "90");
    qr_buf_done(&buf);
    qr_blob_close(blob);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "count") == 0)
        return count_up(argv[2], 30);
    if (mkdtemp(real_dir) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_io_fails_once),
        cmocka_unit_test(test_opening_survives_every_io_fault),
        cmocka_unit_test(test_a_full_disk_is_told_and_hurts_nothing),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_a_staged_object_survives_every_io_fault),
        cmocka_unit_test(test_a_listing_removes_what_a_crash_left_when_it_is_old),
        cmocka_unit_test(test_a_lease_runs_out),
        cmocka_unit_test(test_processes_lose_no_count),
    };
    int failed = cmocka_run_group_tests_name("blob/dir", tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", real_dir);
    return system(command) != 0 || failed;
}
