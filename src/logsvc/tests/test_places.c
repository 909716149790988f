/* test_places.c - an open after a kill reads the end of the journal alone, however much there is:
 * where the rest lies is in files. Without them, or when they are damaged, all of it is read. */
#include <stdio.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "helper.h"

enum { SEGMENT = 64 << 10, APPEND = 5000, APPENDS = 400 };

struct fixture {
    struct qr_sim *sim;
    struct qr_logsvc *svc;
    struct qr_logsvc_options options;
    uint64_t lsn[3]; /* ends of timelines 1 and 2 */
};

static const struct qr_env_ops *env_ops;
static const struct qr_file_ops *file_ops;
static uint64_t bytes_read;

static enum qr_status counting_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                     size_t *ret_bytes, struct qr_err *err)
{
    enum qr_status status = file_ops->pread(file, dst, bytes, offset, ret_bytes, err);
    bytes_read += status == QR_OK ? *ret_bytes : 0;
    return status;
}

static enum qr_status counting_open(struct qr_env *env, const char *path, unsigned flags,
                                    struct qr_file **ret_file, struct qr_err *err)
{
    static struct qr_file_ops ops;
    enum qr_status status = env_ops->open(env, path, flags, ret_file, err);
    if (status == QR_OK) {
        file_ops = (*ret_file)->ops;
        ops = *file_ops;
        ops.pread = counting_pread;
        (*ret_file)->ops = &ops;
    }
    return status;
}

/* Returns how many bytes were read for it. */
static uint64_t open_service(struct fixture *f)
{
    struct qr_env *env = f->options.env;
    struct qr_env_ops ops = *env->ops;
    struct qr_err err;
    env_ops = env->ops;
    ops.open = counting_open;
    env->ops = &ops;
    bytes_read = 0;
    qr_err_reset(&err);
    if (qr_logsvc_open(&f->options, &f->svc, &err) != QR_OK)
        fail_msg("open: %s", err.text);
    env->ops = env_ops;
    return bytes_read;
}

static void destage(struct fixture *f)
{
    for (bool more = true; more;)
        assert_int_equal(qr_logsvc_destage(f->svc, 3, &more, NULL), QR_OK);
}

static void append(struct fixture *f, int count)
{
    for (int n = 0; n < count; n++) {
        int t = 1 + n % 3 / 2; /* the second has half as much */
        assert_int_equal(t_append(f->svc, t, 1, f->lsn[t], APPEND, false, 0), QR_OK);
        f->lsn[t] += APPEND;
        if (n % 10 == 9)
            destage(f);
    }
}

static void begin_with(struct fixture *f, struct qr_blob *blob)
{
    *f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 3})};
    f->options = (struct qr_logsvc_options){.env = qr_sim_env(f->sim),
                                            .dir = "/log",
                                            .blob = blob,
                                            .segment_bytes = SEGMENT,
                                            .journal_bytes_max = 8 << 20,
                                            .ring_bytes = 20000,
                                            .threads_off = true};
    (void)open_service(f);
    for (int t = 1; t <= 2; t++) {
        assert_int_equal(t_create(f->svc, t), QR_OK);
        assert_int_equal(t_fence(f->svc, t, 1, NULL), QR_OK);
        assert_int_equal(t_append(f->svc, t, 1, T_START, 100, true, T_START), QR_OK);
        f->lsn[t] = T_START + 100;
    }
}

static void begin(struct fixture *f)
{
    begin_with(f, NULL);
    append(f, APPENDS);
}

static void end(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    qr_sim_free(f->sim);
}

static void check_all(struct fixture *f)
{
    for (int t = 1; t <= 2; t++) {
        uint64_t at;
        struct qr_logsvc_state s = t_state(f->svc, t);
        assert_int_equal(s.hardened_lsn, f->lsn[t]);
        assert_int_equal(s.commit_lsn, f->lsn[t]);
        assert_int_equal(t_read_all(f->svc, t, T_START, 7000, &at), f->lsn[t] - T_START);
        assert_int_equal(at, f->lsn[t]);
        uint64_t from = T_START + (f->lsn[t] - T_START) / 2;
        assert_int_equal(t_read_all(f->svc, t, from, 70000, &at), f->lsn[t] - from);
    }
}

struct files {
    struct fixture *f;
    int count;
    char last[80];
    enum { COUNT, REMOVE, TEAR, FLIP } what;
};

static bool each_file(void *arg, const char *name)
{
    struct files *files = arg;
    struct qr_env *env = files->f->options.env;
    char *path = files->last;
    if (strncmp(name, "places.", 7) != 0)
        return true;
    files->count++;
    snprintf(path, sizeof files->last, "/log/%s", name);
    if (files->what == REMOVE)
        assert_int_equal(qr_env_unlink(env, path, NULL), QR_OK);
    if (files->what == FLIP)
        assert_int_equal(qr_sim_flip_bit(files->f->sim, path, 8 * 130), QR_OK);
    if (files->what == TEAR) {
        struct qr_file *file = NULL;
        assert_int_equal(qr_env_open(env, path, QR_OPEN_RW, &file, NULL), QR_OK);
        assert_int_equal(qr_file_truncate(file, 100, NULL), QR_OK);
        qr_file_close(file);
    }
    return true;
}

/* Returns how many there are. */
static int files(struct fixture *f, int what)
{
    struct files files = {.f = f, .what = what};
    assert_int_equal(qr_env_list(f->options.env, "/log", each_file, &files, NULL), QR_OK);
    return files.count;
}

static void test_an_open_reads_the_end_of_the_journal_alone(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(files(&f, COUNT) > APPENDS * APPEND / SEGMENT - 3);
    qr_logsvc_abandon(f.svc);
    uint64_t with = open_service(&f);
    check_all(&f);
    append(&f, 7);
    qr_logsvc_abandon(f.svc);
    files(&f, REMOVE);
    uint64_t without = open_service(&f);
    assert_true(without > APPENDS * APPEND);
    assert_true(with < without / 3);
    check_all(&f);
    append(&f, 20); /* they are made again */
    assert_true(files(&f, COUNT) > APPENDS * APPEND / SEGMENT - 3);
    qr_logsvc_abandon(f.svc);
    assert_true(open_service(&f) < without / 3);
    append(&f, 50);
    check_all(&f);
    end(&f);
}

static void test_files_that_are_damaged_are_not_believed(void **state)
{
    (void)state;
    for (int what = TEAR; what <= FLIP; what++) {
        struct fixture f;
        begin(&f);
        qr_logsvc_abandon(f.svc);
        assert_true(files(&f, what) > 0);
        (void)open_service(&f);
        check_all(&f);
        append(&f, 30);
        check_all(&f);
        end(&f);
    }
}

static void test_places_of_another_journal_are_not_believed(void **state)
{
    (void)state;
    struct fixture f;
    struct qr_buf old;
    const char *path = "/log/places.0000000000000002";
    begin(&f);
    qr_buf_init(&old, 1 << 20);
    assert_int_equal(qr_env_read_file(f.options.env, path, &old, NULL), QR_OK);
    qr_logsvc_abandon(f.svc);
    qr_sim_free(f.sim);
    begin(&f);
    uint8_t *id = old.data + 16, *first_offset = old.data + 80 + 40 + 16;
    id[0] ^= 1; /* with it whoever believes the rest reads where no block begins */
    qr_put64le(first_offset, qr_get64le(first_offset) + 512);
    qr_put32le(old.data + old.len - 4, qr_crc32c(0, old.data, old.len - 4));
    qr_logsvc_abandon(f.svc);
    assert_int_equal(qr_env_replace_file(f.options.env, path, old.data, old.len, NULL), QR_OK);
    qr_buf_done(&old);
    (void)open_service(&f);
    check_all(&f);
    end(&f);
}

/* How much of timeline 1 can be read from `lsn` on; *ret_end: where that ends, and is told. */
static uint64_t readable(struct fixture *f, uint64_t lsn, uint64_t *ret_end)
{
    struct qr_timeline t = t_timeline(1);
    uint64_t from = lsn;
    for (;;) {
        struct qr_buf buf;
        struct qr_logsvc_state s;
        qr_buf_init(&buf, 32 << 20);
        enum qr_status status = qr_logsvc_read(f->svc, &t, lsn, 7000, &buf, &s, NULL);
        size_t len = buf.len;
        for (size_t at = 0; at < len && status == QR_OK;) {
            struct qr_piece p;
            assert_int_equal(qr_piece_next(buf.data, len, &at, &p, NULL), QR_OK);
            t_check_piece(&t, &p);
            lsn = p.first_lsn + p.bytes;
        }
        qr_buf_done(&buf);
        if (status != QR_OK)
            assert_int_equal(status, QR_CORRUPT);
        if (status != QR_OK || len == 0)
            break;
    }
    *ret_end = lsn;
    return lsn - from;
}

static void test_damage_in_a_segment_that_was_not_read_costs_what_is_damaged(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t hole, end_lsn;
    begin(&f);
    qr_logsvc_abandon(f.svc);
    assert_int_equal(qr_sim_flip_bit(f.sim, "/log/journal.0000000000000005", 8 * (SEGMENT / 2)),
                     QR_OK);
    (void)open_service(&f);
    (void)readable(&f, T_START, &hole);
    assert_true(hole < f.lsn[1]); /* told, and nothing wrong was read */
    assert_int_equal(readable(&f, f.lsn[1] - 2 * APPEND, &end_lsn), 2 * APPEND);
    append(&f, 5); /* the timeline itself is whole */
    qr_logsvc_abandon(f.svc);
    (void)open_service(&f); /* now that it is known the segment is read, and the rest of it found */
    struct qr_logsvc_stats stats;
    qr_logsvc_stats(f.svc, &stats);
    assert_int_equal(stats.damaged_timelines, 0);
    uint64_t lost = 0;
    while (readable(&f, hole + lost, &end_lsn) == 0 && lost < 4 * APPEND)
        lost += APPEND;
    assert_in_range(lost, APPEND, 2 * APPEND);
    assert_int_equal(end_lsn, f.lsn[1]);
    end(&f);
}

static void test_a_full_disk_holds_up_no_destaging(void **state)
{
    (void)state;
    struct fixture f;
    struct qr_blob *blob = NULL;
    struct qr_sim *elsewhere = qr_sim_new(&(struct qr_sim_options){.seed = 4});
    assert_int_equal(qr_blob_open(qr_sim_env(elsewhere), NULL, "file:///blob", "", &blob, NULL),
                     QR_OK);
    begin_with(&f, blob);
    for (; f.lsn[1] < T_START + 6 * SEGMENT; f.lsn[1] += APPEND) /* `timelines` is due */
        assert_int_equal(t_append(f.svc, 1, 1, f.lsn[1], APPEND, false, 0), QR_OK);
    qr_sim_advance(f.sim, INT64_C(11000000000));
    qr_sim_disk_limit(f.sim, 1);
    bool more;
    assert_int_equal(qr_logsvc_destage(f.svc, 3, &more, NULL), QR_FULL); /* that is told */
    assert_int_equal(t_state(f.svc, 1).destaged_lsn, f.lsn[1]);
    qr_sim_disk_limit(f.sim, 0);
    destage(&f);
    qr_logsvc_abandon(f.svc);
    (void)open_service(&f);
    assert_int_equal(t_state(f.svc, 1).destaged_lsn, f.lsn[1]);
    end(&f);
    qr_blob_close(blob);
    qr_sim_free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_open_reads_the_end_of_the_journal_alone),
        cmocka_unit_test(test_files_that_are_damaged_are_not_believed),
        cmocka_unit_test(test_places_of_another_journal_are_not_believed),
        cmocka_unit_test(test_damage_in_a_segment_that_was_not_read_costs_what_is_damaged),
        cmocka_unit_test(test_a_full_disk_holds_up_no_destaging),
    };
    return cmocka_run_group_tests_name("logsvc/places", tests, NULL, NULL);
}
