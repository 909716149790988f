/* test_reading.c - what reading costs: no block of the journal is read twice, answers end where
 * blocks end, one timeline's are full though blocks are mostly others'; the ring in calm times. */
#include "helper.h"
#include "logsvc_int.h"
#include "test_ring.h"

enum { SMALL = 1000, PIECE = 250000, BLOCKS = 12, MIB = 1 << 20 };

struct fixture {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct t_ring keys;
    struct qr_logsvc *svc;
    uint64_t end[2];            /* of the two timelines */
    uint64_t block_end[BLOCKS]; /* where in the first one's log */
};

static void set_up(struct fixture *f, bool with_keys, uint64_t ring_bytes)
{
    *f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 8})};
    struct qr_env *env = qr_sim_env(f->sim);
    assert_int_equal(qr_blob_open(env, NULL, "file:///blob", "", &f->blob, NULL), QR_OK);
    assert_int_equal(t_ring_open(&f->keys, env, f->blob), QR_OK);
    struct qr_logsvc_options o = {.env = env,
                                  .dir = "/log",
                                  .blob = f->blob,
                                  .keyring = with_keys ? f->keys.ring : NULL,
                                  .segment_bytes =
                                      64 * MIB, /* all blocks: a segment's end would cut one */
                                  .ring_bytes = ring_bytes,
                                  .object_bytes = 4 * MIB,
                                  .compression_off = true,
                                  .threads_off = true};
    assert_int_equal(qr_logsvc_open(&o, &f->svc, NULL), QR_OK);
    for (int t = 0; t < 2; t++) {
        assert_int_equal(t_create(f->svc, t), QR_OK);
        assert_int_equal(t_fence(f->svc, t, 1, NULL), QR_OK);
        assert_int_equal(t_append(f->svc, t, 1, T_START, SMALL, true, T_START), QR_OK);
        f->end[t] = T_START + SMALL;
    }
}

static void tear_down(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    t_ring_close(&f->keys);
    qr_blob_close(f->blob);
    qr_sim_free(f->sim);
}

/* One block of so many appends of PIECE bytes, the first `mine` of them of timeline 0, which are
 * of `bytes` bytes. */
static void add_block(struct fixture *f, int appends, int mine, uint32_t bytes)
{
    struct t_append *all[64];
    struct qr_logsvc_stats before, after;
    assert_true(appends <= 64);
    qr_logsvc_stats(f->svc, &before);
    for (int i = 0; i < appends; i++) {
        int t = i < mine ? 0 : 1;
        uint32_t count = t == 0 ? bytes : PIECE;
        all[i] = t_append_start(f->svc, t, 1, f->end[t], count, false, 0, true);
        f->end[t] += count;
    }
    t_flush_all(f->svc);
    for (int i = 0; i < appends; i++) {
        assert_int_equal(all[i]->a.status, QR_OK);
        t_append_free(all[i]);
    }
    qr_logsvc_stats(f->svc, &after);
    assert_int_equal(after.blocks, before.blocks + 1);
}

/* --- bytes that are read from the journal --- */

static uint64_t read_bytes;
static const struct qr_file_ops *plain_ops;
static struct qr_file_ops counting_ops;

static enum qr_status counting_pread(struct qr_file *file, void *dst, size_t bytes, uint64_t offset,
                                     size_t *ret_bytes, struct qr_err *err)
{
    enum qr_status status = plain_ops->pread(file, dst, bytes, offset, ret_bytes, err);
    read_bytes += *ret_bytes;
    return status;
}

static void count_reads(struct fixture *f)
{
    for (struct qri_segment *s = f->svc->segments; s != NULL; s = s->next) {
        if (s->file->ops == &counting_ops)
            continue;
        plain_ops = s->file->ops;
        counting_ops = *plain_ops;
        counting_ops.pread = counting_pread;
        s->file->ops = &counting_ops;
    }
    read_bytes = 0;
}

/* One answer from *next on, which it moves. Returns the bytes of log in it. */
static uint64_t read_once(struct fixture *f, size_t bytes_max, uint64_t *next)
{
    struct qr_timeline t = t_timeline(0);
    struct qr_logsvc_state state;
    struct qr_buf buf;
    uint64_t bytes = 0;
    qr_buf_init(&buf, 16 * MIB);
    assert_int_equal(qr_logsvc_read(f->svc, &t, *next, bytes_max, &buf, &state, NULL), QR_OK);
    for (size_t at = 0; at < buf.len;) {
        struct qr_piece p;
        assert_int_equal(qr_piece_next(buf.data, buf.len, &at, &p, NULL), QR_OK);
        assert_int_equal(p.first_lsn, *next);
        t_check_piece(&t, &p);
        *next += p.bytes;
        bytes += p.bytes;
    }
    qr_buf_done(&buf);
    return bytes;
}

static bool is_block_end(const struct fixture *f, uint64_t lsn)
{
    for (int i = 0; i < BLOCKS; i++)
        if (f->block_end[i] == lsn)
            return true;
    return false;
}

static void test_a_block_is_read_once_and_answers_end_with_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int appends; /* in a block */
        size_t bytes_max;
        uint64_t over; /* read ahead of the last block of an answer, at most */
        bool with_keys;
        uint32_t into; /* so far into the first block is where reading begins */
    } cases[] = {
        {"blocks longer than what is read ahead", 10, 4 * MIB, 0, false, 0},
        {"the same, encrypted", 10, 4 * MIB, 0, true, 0},
        {"several of them in an answer", 6, 8 * MIB, 0, true, 0},
        {"begun within one", 10, PIECE * 21 / 2, 0, true, PIECE * 9},
        {"a block longer than an answer is cut, and read for each part", 10, PIECE * 5, 0, true, 0},
        {"short blocks", 1, 4 * MIB, MIB, true, 0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct fixture f;
        set_up(&f, cases[c].with_keys, SMALL);
        uint64_t next = f.end[0] + cases[c].into, answers = 0,
                 block = (uint64_t)cases[c].appends * PIECE;
        for (int i = 0; i < BLOCKS; i++) {
            add_block(&f, cases[c].appends, cases[c].appends, PIECE);
            f.block_end[i] = f.end[0];
        }
        uint64_t last = f.end[0];
        add_block(&f, 1, 1, SMALL); /* the ring holds this one at most */
        count_reads(&f);
        for (; next < last; answers++) {
            uint64_t got = read_once(&f, cases[c].bytes_max, &next);
            assert_true(got > 0 && got <= cases[c].bytes_max);
            if (block <= cases[c].bytes_max && next < last && !is_block_end(&f, next))
                fail_msg("%s: an answer ends within a block", cases[c].name);
        }
        uint64_t times = block <= cases[c].bytes_max ? 1 : block / cases[c].bytes_max;
        uint64_t most = times * BLOCKS * (block + 64 * cases[c].appends + 4096) +
                        answers * cases[c].over + MIB; /* the last answer's read-ahead */
        if (read_bytes > most || read_bytes < BLOCKS * block)
            fail_msg("%s: %llu bytes were read of %llu", cases[c].name,
                     (unsigned long long)read_bytes, (unsigned long long)(BLOCKS * block));
        tear_down(&f);
    }
}

static void test_answers_are_full_though_blocks_are_mostly_of_others(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, false, SMALL);
    uint64_t next = f.end[0];
    for (int i = 0; i < BLOCKS; i++)
        add_block(&f, 4, 1, 10000);
    uint64_t last = f.end[0];
    add_block(&f, 1, 0, 0);
    assert_int_equal(read_once(&f, 60000, &next), 60000);
    assert_int_equal(read_once(&f, 60000, &next), 60000);
    assert_int_equal(next, last);
    tear_down(&f);
}

/* Also what is young once the first round is over. */
static void destage_all(struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        qr_sim_advance(f->sim, INT64_C(100000000000));
        for (bool more = true; more;)
            assert_int_equal(qr_logsvc_destage(f->svc, 64, &more, NULL), QR_OK);
    }
}

/* Of one timeline, that is; where several wait there is one pass for all of them. */
static void test_destaging_reads_the_journal_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, true, SMALL);
    destage_all(&f);
    for (int i = 0; i < BLOCKS; i++)
        add_block(&f, 6, 6, PIECE); /* two in an object, not three */
    count_reads(&f);
    destage_all(&f);
    struct qr_logsvc_stats stats;
    qr_logsvc_stats(f.svc, &stats);
    assert_true(stats.objects_written >= BLOCKS / 2);
    assert_true(read_bytes >= (uint64_t)BLOCKS * 6 * PIECE);
    assert_true(read_bytes <= (uint64_t)BLOCKS * 6 * PIECE + MIB);
    tear_down(&f);
}

/* --- the ring in calm times --- */

static uint64_t ring_bytes(struct fixture *f)
{
    struct qr_logsvc_stats stats;
    qr_logsvc_stats(f->svc, &stats);
    return stats.ring_bytes;
}

static void tick_after(struct fixture *f, int64_t seconds)
{
    qr_sim_advance(f->sim, seconds * INT64_C(1000000000));
    qr_logsvc_tick(f->svc);
}

static void test_the_ring_is_given_back_in_calm_times_step_by_step(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, false, 24 * MIB);
    for (int i = 0; i < 9; i++)
        add_block(&f, 10, 10, PIECE);
    uint64_t full = ring_bytes(&f), first = T_START + SMALL, at;
    assert_true(full > 20 * MIB);
    tick_after(&f, 40); /* much came since it was looked at */
    assert_int_equal(ring_bytes(&f), full);
    tick_after(&f, 29);
    assert_int_equal(ring_bytes(&f), full);
    add_block(&f, 10, 10, PIECE); /* less than an eighth of the ring */
    full = ring_bytes(&f);
    tick_after(&f, 1);
    uint64_t less = ring_bytes(&f);
    assert_true(less < full && less + 9 * MIB > full); /* `mu` is held meanwhile */
    for (int i = 0; i < 3; i++)
        tick_after(&f, 0);
    assert_true(ring_bytes(&f) <= 3 * MIB && ring_bytes(&f) > 2 * MIB);
    for (int i = 0; i < 3; i++)
        tick_after(&f, 30);
    assert_true(ring_bytes(&f) > 2 * MIB); /* an eighth stays */
    assert_int_equal(t_read_all(f.svc, 0, first, 4 * MIB, &at), f.end[0] - first);
    assert_int_equal(at, f.end[0]);
    for (int i = 0; i < 9; i++) { /* and a load has all of it again */
        add_block(&f, 10, 10, PIECE);
        qr_logsvc_tick(f.svc);
    }
    assert_true(ring_bytes(&f) > 18 * MIB);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_is_read_once_and_answers_end_with_blocks),
        cmocka_unit_test(test_answers_are_full_though_blocks_are_mostly_of_others),
        cmocka_unit_test(test_destaging_reads_the_journal_once),
        cmocka_unit_test(test_the_ring_is_given_back_in_calm_times_step_by_step),
    };
    return cmocka_run_group_tests_name("logsvc/reading", tests, NULL, NULL);
}
