/* Goal: a bulk stream gives the same rows however it is cut, and a damaged one ends in an error. */
#include "tds_test.h"
#include "tds/bulk.h"

#define COLLATION "0904D00034"
static const char stream[] =
    "81 0300"
    "00000000 0800 38 01 u'i'"
    "00000000 0900 E7 1400 " COLLATION " 01 u's'"
    "00000000 0900 23 FFFFFF7F " COLLATION " 0100 u't' 01 u'x'"
    "D1 01000000 0400 u'ab' 10 00000000000000000000000000000000 0000000000000000 03000000 'xyz'"
    "D1 02000000 FFFF 00"
    "D2 06 03000000"
    "FD 0000 0000 0000000000000000";

struct seen {
    int64_t sum;
    size_t rows, nulls, text_bytes;
    bool columns, ended;
};

static enum qr_status drain(struct qr_tds_bulk *bulk, struct qr_arena *arena, struct seen *seen,
                            struct qr_err *err)
{
    struct qr_value values[3];
    for (;;) {
        enum qr_tds_bulk_event event;
        enum qr_status status = qr_tds_bulk_next(bulk, arena, values, &event, err);
        if (status != QR_OK || event == QR_TDS_BULK_MORE)
            return status;
        if (event == QR_TDS_BULK_END) {
            seen->ended = true;
            return QR_OK;
        }
        if (event == QR_TDS_BULK_COLUMNS) {
            assert_int_equal(bulk->column_count, 3);
            seen->columns = true;
            continue;
        }
        seen->rows++;
        seen->sum += values[0].i;
        for (size_t i = 1; i < 3; i++) {
            if (values[i].cell == QR_CELL_NULL)
                seen->nulls++;
            else
                seen->text_bytes += values[i].n;
        }
    }
}

static enum qr_status run(const uint8_t *bytes, size_t count, size_t step, struct seen *seen,
                          struct qr_err *err)
{
    struct qr_arena arena;
    struct qr_tds_bulk bulk;
    qr_arena_init(&arena, 1 << 20);
    qr_tds_bulk_init(&bulk, QR_TDS_VERSION_74, &arena, 1 << 16);
    enum qr_status status = QR_OK;
    for (size_t at = 0; at < count && status == QR_OK; at += step) {
        size_t n = count - at < step ? count - at : step;
        uint8_t *slice = malloc(n); /* its exact size, and gone after the feed */
        memcpy(slice, bytes + at, n);
        status = qr_tds_bulk_feed(&bulk, slice, n, err);
        free(slice);
        if (status == QR_OK)
            status = drain(&bulk, &arena, seen, err);
    }
    qr_tds_bulk_finish(&bulk);
    if (status == QR_OK)
        status = drain(&bulk, &arena, seen, err);
    qr_tds_bulk_done(&bulk);
    qr_arena_done(&arena);
    return status;
}

static void test_rows_do_not_depend_on_the_cuts(void **state)
{
    (void)state;
    struct hex_bytes in = hex(stream);
    for (size_t step = 1; step <= in.n; step++) {
        struct seen seen = {.rows = 0};
        assert_int_equal(run(in.data, in.n, step, &seen, NULL), QR_OK);
        assert_true(seen.columns && seen.ended);
        assert_int_equal(seen.rows, 3);
        assert_int_equal(seen.sum, 6);
        assert_int_equal(seen.nulls, 4);
        assert_int_equal(seen.text_bytes, 5);
    }
}

static void test_a_stream_cut_inside_a_row_is_error_4804(void **state)
{
    (void)state;
    struct hex_bytes in = hex(stream);
    int cut_errors = 0, ends = 0;
    for (size_t n = 1; n < in.n; n++) {
        struct seen seen = {.rows = 0};
        struct qr_err err = {0};
        if (run(in.data, n, 7, &seen, &err) == QR_OK)
            ends++; /* between tokens, or inside the last DONE */
        else if (err.number == 4804)
            cut_errors++;
        else
            fail_msg("%zu bytes: %d %s", n, err.number, err.text);
    }
    assert_true(cut_errors > 100 && ends < 20);
}

static void test_bad_streams_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        int number;
        enum qr_status want;
    } rows[] = {
        {"row before metadata", "D1 01000000", 0, QR_PROTOCOL},
        {"unknown token", "AA", 0, QR_PROTOCOL},
        {"no columns", "81 0000", 0, QR_PROTOCOL},
        {"unknown type", "81 0100 00000000 0000 99 01 u'i'", 4816, QR_SQL},
        {"bad value", "81 0100 00000000 0000 28 01 u'i' D1 03 FFFFFF", 4815, QR_SQL},
        {"metadata twice", "81 0100 00000000 0000 38 00 81 0100 00000000 0000 38 00", 0,
         QR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex_bytes in = hex(rows[i].bytes);
        struct qr_err err = {0};
        struct qr_arena arena;
        struct qr_tds_bulk bulk;
        qr_arena_init(&arena, 1 << 20);
        qr_tds_bulk_init(&bulk, QR_TDS_VERSION_74, &arena, 1 << 16);
        assert_int_equal(qr_tds_bulk_feed(&bulk, in.data, in.n, &err), QR_OK);
        enum qr_status status = QR_OK;
        enum qr_tds_bulk_event event = QR_TDS_BULK_COLUMNS;
        struct qr_value values[4];
        while (status == QR_OK && event != QR_TDS_BULK_MORE)
            status = qr_tds_bulk_next(&bulk, &arena, values, &event, &err);
        if (status != rows[i].want || (rows[i].number != 0 && err.number != rows[i].number))
            fail_msg("%s: %d %s", rows[i].name, err.number, err.text);
        qr_tds_bulk_done(&bulk);
        qr_arena_done(&arena);
    }
}

static void test_a_row_over_its_bound_is_refused(void **state)
{
    (void)state;
    struct hex_bytes head = hex("81 0100 00000000 0900 A5 FFFF 01 u'b' D1 FEFFFFFFFFFFFFFF");
    uint8_t chunk[1004] = {0xE8, 0x03};
    struct qr_arena arena;
    struct qr_tds_bulk bulk;
    qr_arena_init(&arena, 1 << 20);
    qr_tds_bulk_init(&bulk, QR_TDS_VERSION_74, &arena, 1 << 16);
    struct seen seen = {.rows = 0};
    struct qr_value value;
    enum qr_tds_bulk_event event;
    assert_int_equal(qr_tds_bulk_feed(&bulk, head.data, head.n, NULL), QR_OK);
    assert_int_equal(qr_tds_bulk_next(&bulk, &arena, &value, &event, NULL), QR_OK);
    enum qr_status status = QR_OK;
    for (int i = 0; i < 100 && status == QR_OK; i++) {
        status = qr_tds_bulk_feed(&bulk, chunk, sizeof chunk, NULL);
        if (status == QR_OK)
            status = qr_tds_bulk_next(&bulk, &arena, &value, &event, NULL);
    }
    assert_int_equal(status, QR_TOO_BIG);
    assert_int_equal(seen.rows, 0);
    qr_tds_bulk_done(&bulk);
    qr_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_do_not_depend_on_the_cuts),
        cmocka_unit_test(test_a_stream_cut_inside_a_row_is_error_4804),
        cmocka_unit_test(test_bad_streams_are_refused),
        cmocka_unit_test(test_a_row_over_its_bound_is_refused),
    };
    return cmocka_run_group_tests_name("tds/bulk", tests, NULL, NULL);
}
