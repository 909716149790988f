/* test_keys.c - the encrypted journal and long-term log: nothing is in clear, nothing can be
 * changed, no nonce comes twice, a missing key is told from damage. */
#include "helper.h"
#include "base/crc.h"
#include "base/endian.h"
#include "logsvc/inspect.h"
#include "test_ring.h"

enum { FILE_BYTES_MAX = 1 << 20, BLOCKS_MAX = 20000 };

struct fixture {
    struct qr_sim *sim;
    struct qr_env *env;
    struct qr_blob *blob;
    struct t_ring keys;
    struct qr_logsvc *svc;
};
static const char marker[] = "MARKER-ROW-OF-A-USER";

static enum qr_status open_service(struct fixture *f, bool with_keys, struct qr_err *err)
{
    struct qr_logsvc_options o = {.env = f->env,
                                  .dir = "/log",
                                  .blob = f->blob,
                                  .keyring = with_keys ? f->keys.ring : NULL,
                                  .segment_bytes = 128 << 10,
                                  .ring_bytes = 1000,
                                  .object_bytes = 20000,
                                  .threads_off = true};
    return qr_logsvc_open(&o, &f->svc, err);
}

static void set_up(struct fixture *f, uint64_t seed)
{
    *f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = seed})};
    f->env = qr_sim_env(f->sim);
    assert_int_equal(qr_blob_open(f->env, NULL, "file:///blob", "", &f->blob, NULL), QR_OK);
    assert_int_equal(t_ring_open(&f->keys, f->env, f->blob), QR_OK);
}

static void tear_down(struct fixture *f)
{
    qr_logsvc_close(f->svc);
    t_ring_close(&f->keys);
    qr_blob_close(f->blob);
    qr_sim_free(f->sim);
}

/* --- every file of the machine --- */

struct walk {
    struct qr_env *env;
    char path[1024];
    void (*see)(void *ctx, const char *path, uint8_t *bytes, size_t count);
    void *ctx;
    int files;
};

static bool walk_name(void *arg, const char *name)
{
    struct walk *w = arg;
    struct qr_buf buf;
    size_t n = strlen(w->path);
    snprintf(w->path + n, sizeof w->path - n, "/%s", name);
    qr_buf_init(&buf, FILE_BYTES_MAX);
    if (qr_env_read_file(w->env, w->path, &buf, NULL) == QR_OK) {
        w->see(w->ctx, w->path, buf.data, buf.len);
        w->files++;
    } else {
        enum qr_status status = qr_env_list(w->env, w->path, walk_name, w, NULL);
        assert_true(status == QR_OK || status == QR_NOT_FOUND);
    }
    qr_buf_done(&buf);
    w->path[n] = '\0';
    return true;
}

static int walk_files(struct fixture *f, const char *dir,
                      void (*see)(void *ctx, const char *path, uint8_t *bytes, size_t count),
                      void *ctx)
{
    struct walk w = {.env = f->env, .see = see, .ctx = ctx};
    snprintf(w.path, sizeof w.path, "%s", dir);
    assert_int_equal(qr_env_list(f->env, dir, walk_name, &w, NULL), QR_OK);
    return w.files;
}

static void count_markers(void *ctx, const char *path, uint8_t *bytes, size_t count)
{
    int *found = ctx;
    (void)path;
    *found += count > 0 && memmem(bytes, count, marker, sizeof marker - 1) != NULL;
}

/* --- log with the marker in it --- */

static void append_marker(struct fixture *f, uint64_t lsn)
{
    uint8_t bytes[1000] = {0};
    for (size_t at = 0; at + sizeof marker < sizeof bytes; at += 50)
        memcpy(bytes + at, marker, sizeof marker);
    struct t_append x = {.a = {.timeline = t_timeline(1),
                               .epoch = 1,
                               .first_lsn = lsn,
                               .bytes = bytes,
                               .byte_count = sizeof bytes,
                               .commit_lsn = lsn + sizeof bytes,
                               .commit_wall_ns = lsn,
                               .done = t_append_done}};
    qr_logsvc_append(f->svc, &x.a);
    assert_int_equal(qr_logsvc_flush(f->svc, NULL), QR_OK);
    assert_true(x.done);
    assert_int_equal(x.a.status, QR_OK);
}

static uint64_t fill(struct fixture *f)
{
    uint64_t lsn = T_START + 100;
    assert_int_equal(t_create(f->svc, 1), QR_OK);
    assert_int_equal(t_fence(f->svc, 1, 1, NULL), QR_OK);
    assert_int_equal(t_append(f->svc, 1, 1, T_START, 100, true, T_START), QR_OK);
    for (int i = 0; i < 60; i++, lsn += 1000)
        append_marker(f, lsn);
    return lsn;
}

static void test_nothing_of_the_log_is_in_clear_anywhere(void **state)
{
    (void)state;
    for (int with_keys = 0; with_keys < 2; with_keys++) {
        struct fixture f;
        int journal = 0, all = 0;
        set_up(&f, 5);
        assert_int_equal(open_service(&f, with_keys, NULL), QR_OK);
        (void)fill(&f);
        walk_files(&f, "/log", count_markers, &journal);
        for (bool more = true; more;)
            assert_int_equal(qr_logsvc_destage(f.svc, 64, &more, NULL), QR_OK);
        assert_true(walk_files(&f, "", count_markers, &all) > 5);
        assert_true(with_keys ? journal == 0 : journal > 0); /* so the search finds it */
        assert_true(with_keys ? all == 0 : all >= journal);
        tear_down(&f);
    }
}

static void test_what_was_in_clear_goes_on_encrypted(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t lsn, end = 0;
    set_up(&f, 6);
    assert_int_equal(open_service(&f, false, NULL), QR_OK);
    lsn = fill(&f);
    qr_logsvc_close(f.svc);
    assert_int_equal(open_service(&f, true, NULL), QR_OK);
    for (int i = 0; i < 20; i++, lsn += 1000)
        append_marker(&f, lsn);
    qr_logsvc_close(f.svc);
    assert_int_equal(open_service(&f, true, NULL), QR_OK);
    assert_int_equal(t_state(f.svc, 1).hardened_lsn, lsn);
    struct qr_buf buf;
    struct qr_logsvc_state s;
    struct qr_timeline t = t_timeline(1);
    qr_buf_init(&buf, 1 << 20);
    assert_int_equal(qr_logsvc_read(f.svc, &t, T_START, 1 << 20, &buf, &s, NULL), QR_OK);
    for (size_t at = 0; at < buf.len;) {
        struct qr_piece p;
        assert_int_equal(qr_piece_next(buf.data, buf.len, &at, &p, NULL), QR_OK);
        end = p.first_lsn + p.bytes;
    }
    assert_int_equal(end, lsn);
    qr_buf_done(&buf);
    tear_down(&f);
}

static void test_a_missing_key_is_no_end_of_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct qr_err err;
    set_up(&f, 7);
    assert_int_equal(open_service(&f, true, NULL), QR_OK);
    (void)fill(&f);
    qr_logsvc_close(f.svc);
    f.svc = NULL;
    qr_err_reset(&err);
    assert_int_equal(open_service(&f, false, &err), QR_DENIED);
    assert_non_null(strstr(err.text, "encrypted under key"));
    assert_int_equal(qr_env_unlink(f.env, "/log/key", NULL), QR_OK);
    assert_int_equal(open_service(&f, true, NULL), QR_OK); /* it has a copy */
    qr_logsvc_close(f.svc);
    f.svc = NULL;
    assert_int_equal(qr_env_unlink(f.env, "/log/key", NULL), QR_OK);
    assert_int_equal(qr_env_unlink(f.env, "/log/key.copy", NULL), QR_OK);
    assert_int_equal(open_service(&f, true, &err), QR_DENIED);
    tear_down(&f);
}

/* --- somebody who can write, and mends checksums --- */

static void change_block(struct fixture *f, uint64_t at_byte)
{
    struct qr_file *file = NULL;
    struct qr_journal_block h;
    static uint8_t block[FILE_BYTES_MAX];
    size_t got = 0;
    assert_int_equal(qr_env_open(f->env, "/log/journal.0000000000000001", QR_OPEN_RW, &file, NULL),
                     QR_OK);
    assert_int_equal(qr_file_pread(file, block, sizeof block, QR_JOURNAL_HEADER_BYTES, &got, NULL),
                     QR_OK);
    assert_int_equal(qr_journal_block_peek(block, got, &h, NULL), QR_OK);
    assert_int_not_equal(h.key_id, 0);
    block[at_byte % (QR_JOURNAL_BLOCK_HEADER_BYTES + h.payload_bytes)] ^= 1;
    qr_put32le(block + 12, 0);
    qr_put32le(block + 12, qr_crc32c(0, block, QR_JOURNAL_BLOCK_HEADER_BYTES + h.payload_bytes));
    assert_int_equal(qr_file_pwrite(file, block, QR_JOURNAL_BLOCK_HEADER_BYTES + h.payload_bytes,
                                    QR_JOURNAL_HEADER_BYTES, NULL),
                     QR_OK);
    qr_file_close(file);
}

static void test_a_changed_block_is_found_though_its_checksum_was_mended(void **state)
{
    (void)state;
    static const uint64_t places[] = {20, 24, 32, 40, 64, 70, 100, 150};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct fixture f;
        uint64_t damage = 0;
        set_up(&f, 8);
        assert_int_equal(open_service(&f, true, NULL), QR_OK);
        (void)fill(&f);
        qr_logsvc_abandon(f.svc);
        f.svc = NULL;
        struct qr_journal_sight sight = {.server_key = f.keys.key};
        assert_int_equal(qr_journal_look(f.env, "/log", &sight, &damage, NULL), QR_OK);
        assert_int_equal(damage, 0);
        change_block(&f, places[i]);
        assert_int_equal(qr_journal_look(f.env, "/log", &sight, &damage, NULL), QR_OK);
        assert_true(damage > 0);
        tear_down(&f);
    }
}

static void change_object(void *ctx, const char *path, uint8_t *bytes, size_t count)
{
    struct fixture *f = ctx;
    struct qr_buf buf;
    struct qr_log_object o;
    enum { DIR_HEADER = 64, HEAD = QR_LOG_OBJECT_HEADER_BYTES };
    if (strstr(path, "/blob/log/") == NULL || count < DIR_HEADER + HEAD)
        return;
    for (size_t at = 16; at < count - DIR_HEADER; at += at < HEAD ? 8 : 997) {
        if (at == 88)
            continue; /* the payload's checksum itself */
        qr_buf_init(&buf, FILE_BYTES_MAX);
        qr_buf_add(&buf, bytes + DIR_HEADER, count - DIR_HEADER);
        buf.data[at] ^= 4;
        qr_put32le(buf.data + 88, qr_crc32c(0, buf.data + HEAD, buf.len - HEAD));
        qr_put32le(buf.data + 12, 0);
        qr_put32le(buf.data + 12, qr_crc32c(0, buf.data, HEAD));
        enum qr_status status = qr_log_object_unpack(&buf, f->keys.ring, &o, NULL);
        assert_true(status == QR_CORRUPT || status == QR_DENIED || status == QR_TOO_BIG);
        qr_buf_done(&buf);
    }
}

static void test_a_changed_object_is_found_though_its_checksums_were_mended(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 9);
    assert_int_equal(open_service(&f, true, NULL), QR_OK);
    (void)fill(&f);
    for (bool more = true; more;)
        assert_int_equal(qr_logsvc_destage(f.svc, 64, &more, NULL), QR_OK);
    walk_files(&f, "/blob", change_object, &f);
    tear_down(&f);
}

/* --- nonces --- */

/* One (salt, generation, number) and what was written under it. */
struct used {
    uint8_t name[QR_SALT_BYTES + 16];
    uint32_t crc;
};
struct history {
    struct used *all;
    size_t count;
    uint32_t salts;
};

static void note_blocks(void *ctx, const char *path, uint8_t *bytes, size_t count)
{
    struct history *h = ctx;
    if (strstr(path, "/journal.") == NULL)
        return;
    for (size_t at = 0; at + QR_SECTOR_BYTES <= count; at += QR_SECTOR_BYTES) {
        struct qr_journal_block b;
        struct used u;
        if (qr_journal_block_peek(bytes + at, count - at, &b, NULL) != QR_OK ||
            qr_journal_block_verify(bytes + at, count - at, NULL) != QR_OK)
            continue;
        const uint8_t *payload = bytes + at + QR_JOURNAL_BLOCK_HEADER_BYTES;
        memcpy(u.name, payload + b.payload_bytes - QR_SEAL_BYTES, QR_SALT_BYTES);
        qr_put64le(u.name + QR_SALT_BYTES, b.generation);
        qr_put64le(u.name + QR_SALT_BYTES + 8, b.block_no);
        u.crc = qr_crc32c(0, payload, b.payload_bytes);
        size_t i = 0;
        while (i < h->count && memcmp(h->all[i].name, u.name, sizeof u.name) != 0)
            i++;
        if (i < h->count)
            assert_int_equal(h->all[i].crc, u.crc); /* the same block, seen again */
        else if (h->count < BLOCKS_MAX)
            h->all[h->count++] = u;
    }
}

/* Lives that end in every way, and now and then the table of an earlier one put back, so that its
 * generation is used again. */
static void test_no_nonce_comes_twice_with_other_bytes(void **state)
{
    (void)state;
    struct history h = {.all = calloc(BLOCKS_MAX, sizeof *h.all)};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fixture f;
        struct qr_buf table;
        uint64_t lsn = 0;
        set_up(&f, seed);
        qr_buf_init(&table, FILE_BYTES_MAX);
        for (int life = 0; life < 8; life++) {
            assert_int_equal(open_service(&f, true, NULL), QR_OK);
            lsn = life == 0 ? fill(&f) : t_state(f.svc, 1).hardened_lsn;
            if (life == 2)
                assert_int_equal(qr_env_read_file(f.env, "/log/timelines", &table, NULL), QR_OK);
            for (uint64_t i = 0; i < 5 + seed; i++, lsn += 1000)
                append_marker(&f, lsn);
            walk_files(&f, "/log", note_blocks, &h);
            if (life % 3 == 0)
                qr_logsvc_close(f.svc);
            else
                qr_logsvc_abandon(f.svc);
            f.svc = NULL;
            if (life == 4)
                assert_int_equal(
                    qr_env_replace_file(f.env, "/log/timelines", table.data, table.len, NULL),
                    QR_OK);
        }
        qr_buf_done(&table);
        tear_down(&f);
    }
    assert_true(h.count > 1000);
    free(h.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_of_the_log_is_in_clear_anywhere),
        cmocka_unit_test(test_what_was_in_clear_goes_on_encrypted),
        cmocka_unit_test(test_a_missing_key_is_no_end_of_the_journal),
        cmocka_unit_test(test_a_changed_block_is_found_though_its_checksum_was_mended),
        cmocka_unit_test(test_a_changed_object_is_found_though_its_checksums_were_mended),
        cmocka_unit_test(test_no_nonce_comes_twice_with_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
