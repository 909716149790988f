/* test_telemetry.c - rows of telemetry: kept, summed up, told in order, forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ctl/telemetry.h"
#include "qr_test.h"

static const int64_t HOUR_NS = INT64_C(3600000000000), DAY_NS = 24 * INT64_C(3600000000000);

struct bed {
    char dir[64], path[96];
    struct qr_telemetry *telemetry;
};

static void open_bed(struct bed *b)
{
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/quire-telemetry-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->path, sizeof b->path, "%s/t.db", b->dir);
    assert_int_equal(qr_telemetry_open(b->path, &b->telemetry, NULL), QR_OK);
}

static void close_bed(struct bed *b)
{
    char path[128];
    qr_telemetry_close(b->telemetry);
    unlink(b->path);
    (void)snprintf(path, sizeof path, "%s-wal", b->path);
    unlink(path);
    (void)snprintf(path, sizeof path, "%s-shm", b->path);
    unlink(path);
    assert_int_equal(rmdir(b->dir), 0);
}

static void add(struct bed *b, uint8_t kind, int64_t at, uint64_t count, const char *key,
                const char *body)
{
    struct qr_telemetry_row row = {
        .kind = kind, .at_wall_ns = at, .count = count, .key = qr_str(key), .body = qr_str(body)};
    struct qr_buf buf;
    qr_buf_init(&buf, 4096);
    qr_telemetry_put(&buf, &row);
    assert_int_equal(qr_telemetry_add(b->telemetry, buf.data, buf.len, at, NULL), QR_OK);
    qr_buf_done(&buf);
}

/* "at/count/key/body;" of each row, asked for in answers of one row. */
static const char *list(struct bed *b, uint8_t kind, char dst[512])
{
    struct qr_telemetry_row row = {0};
    struct qr_buf buf;
    size_t used = 0;
    qr_buf_init(&buf, 4096);
    dst[0] = '\0';
    for (;;) {
        char key[64];
        size_t at = 0;
        (void)snprintf(key, sizeof key, "%.*s", (int)row.key.n, row.key.n == 0 ? "" : row.key.p);
        qr_buf_clear(&buf);
        assert_int_equal(
            qr_telemetry_list(b->telemetry, kind, 0, row.at_wall_ns, qr_str(key), 1, &buf, NULL),
            QR_OK);
        if (buf.len == 0)
            break;
        assert_int_equal(qr_telemetry_next(buf.data, buf.len, &at, &row, NULL), QR_OK);
        assert_int_equal(at, buf.len);
        used += (size_t)snprintf(dst + used, 512 - used, "%d/%d/%.*s/%.*s;",
                                 (int)(row.at_wall_ns / HOUR_NS), (int)row.count, (int)row.key.n,
                                 row.key.p, (int)row.body.n, row.body.p);
    }
    qr_buf_done(&buf);
    return dst;
}

static void events_add_up_and_samples_replace(void **state)
{
    (void)state;
    struct bed b;
    char text[512];
    open_bed(&b);
    add(&b, QR_TELEMETRY_EVENT, HOUR_NS, 2, "b", "");
    add(&b, QR_TELEMETRY_EVENT, HOUR_NS, 3, "a", "");
    add(&b, QR_TELEMETRY_EVENT, HOUR_NS, 5, "b", "");
    add(&b, QR_TELEMETRY_EVENT, 2 * HOUR_NS, 1, "a", "");
    add(&b, QR_TELEMETRY_DATABASE, HOUR_NS, 0, "5", "old");
    add(&b, QR_TELEMETRY_DATABASE, HOUR_NS, 0, "5", "new");
    assert_string_equal(list(&b, QR_TELEMETRY_EVENT, text), "1/3/a/;1/7/b/;2/1/a/;");
    assert_string_equal(list(&b, QR_TELEMETRY_DATABASE, text), "1/0/5/new;");
    add(&b, QR_TELEMETRY_BILLED, HOUR_NS, 7, "shop", "");
    add(&b, QR_TELEMETRY_BILLED, HOUR_NS, 0, "shop", "10 20");
    add(&b, QR_TELEMETRY_BILLED, HOUR_NS, 5, "shop", ""); /* what it knows stays */
    assert_string_equal(list(&b, QR_TELEMETRY_BILLED, text), "1/12/shop/10 20;");
    close_bed(&b);
}

static void each_kind_is_kept_for_its_time(void **state)
{
    (void)state;
    struct bed b;
    char text[512];
    open_bed(&b);
    add(&b, QR_TELEMETRY_EVENT, DAY_NS, 1, "a", "");
    add(&b, QR_TELEMETRY_POOL, DAY_NS, 0, "p", "");
    add(&b, QR_TELEMETRY_EVENT, 16 * DAY_NS, 1, "b", "");
    assert_string_equal(list(&b, QR_TELEMETRY_EVENT, text), "24/1/a/;384/1/b/;");
    assert_string_equal(list(&b, QR_TELEMETRY_POOL, text), "");
    add(&b, QR_TELEMETRY_EVENT, 32 * DAY_NS, 1, "c", "");
    assert_string_equal(list(&b, QR_TELEMETRY_EVENT, text), "384/1/b/;768/1/c/;");
    close_bed(&b);
}

static void a_damaged_report_changes_nothing(void **state)
{
    (void)state;
    struct bed b;
    char text[512];
    struct qr_buf buf;
    struct qr_telemetry_row row = {
        .kind = QR_TELEMETRY_EVENT, .at_wall_ns = HOUR_NS, .count = 1, .key = qr_str("k")};
    open_bed(&b);
    qr_buf_init(&buf, 4096);
    qr_telemetry_put(&buf, &row);
    size_t one = buf.len;
    qr_telemetry_put(&buf, &row);
    for (size_t n = one + 1; n < buf.len; n++)
        assert_int_equal(qr_telemetry_add(b.telemetry, buf.data, n, HOUR_NS, NULL), QR_PROTOCOL);
    buf.data[0] = 77;
    assert_int_equal(qr_telemetry_add(b.telemetry, buf.data, one, HOUR_NS, NULL), QR_PROTOCOL);
    assert_string_equal(list(&b, QR_TELEMETRY_EVENT, text), "");
    qr_buf_done(&buf);
    close_bed(&b);
}

static void a_damaged_file_is_made_anew(void **state)
{
    (void)state;
    struct bed b;
    char text[512];
    open_bed(&b);
    qr_telemetry_close(b.telemetry);
    FILE *file = fopen(b.path, "w");
    assert_non_null(file);
    (void)fputs("this was a database once, but it is none any more", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(qr_telemetry_open(b.path, &b.telemetry, NULL), QR_OK);
    add(&b, QR_TELEMETRY_EVENT, HOUR_NS, 1, "a", "");
    assert_string_equal(list(&b, QR_TELEMETRY_EVENT, text), "1/1/a/;");
    close_bed(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_add_up_and_samples_replace),
        cmocka_unit_test(each_kind_is_kept_for_its_time),
        cmocka_unit_test(a_damaged_report_changes_nothing),
        cmocka_unit_test(a_damaged_file_is_made_anew),
    };
    return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
