/* test_format.c - records, blocks, trailers and headers come back as they were written; damage is
 * noticed. */
#include "qr_test.h"
#include <stdlib.h>
#include "base/endian.h"
#include "page/block.h"
#include "page/datafile.h"
#include "page/record.h"
#include "page/trailer.h"

enum { PAGE = 8192 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Goal: a DELTA turns the old page into the new one. Method: random edits of random size. */
static void test_delta_of_random_edits_rebuilds_the_page(void **state)
{
    (void)state;
    uint64_t seed = 42;
    uint8_t *old_page = calloc(1, PAGE), *new_page = calloc(1, PAGE);
    for (int round = 0; round < 2000; round++) {
        memcpy(new_page, old_page, PAGE);
        int edits = (int)(next_random(&seed) % 20);
        for (int i = 0; i < edits; i++) {
            uint32_t at = (uint32_t)(next_random(&seed) % (PAGE - QR_PAGE_RESERVED_BYTES));
            uint32_t bytes = (uint32_t)(next_random(&seed) % 90);
            for (uint32_t k = 0; k < bytes && at + k < PAGE - QR_PAGE_RESERVED_BYTES; k++)
                new_page[at + k] = (uint8_t)next_random(&seed);
        }
        struct qr_buf buf;
        qr_buf_init(&buf, 1 << 20);
        qr_record_add_page(&buf, 7, round % 2 == 0 ? old_page : NULL, new_page, PAGE);
        if (buf.len == 0) {
            assert_memory_equal(old_page, new_page, PAGE);
        } else {
            struct qr_record rec;
            assert_int_equal(qr_record_decode(buf.data, buf.len, &rec, NULL), QR_OK);
            assert_int_equal(rec.bytes, buf.len);
            assert_int_equal(rec.page.page_no, 7);
            assert_int_equal(qr_record_apply(&rec, old_page, PAGE, NULL), QR_OK);
            assert_memory_equal(old_page, new_page, PAGE);
        }
        qr_buf_done(&buf);
    }
    free(old_page);
    free(new_page);
}

/* What qr_record_add_page must make, byte by byte: ranges that differ, joined over gaps of up to 7.
 */
static size_t plain_ranges(const uint8_t *old_page, const uint8_t *new_page, uint8_t *dst)
{
    size_t len = 0;
    for (uint32_t i = 0, end; i < PAGE - QR_PAGE_RESERVED_BYTES; i = end) {
        end = i + 1;
        if (old_page[i] == new_page[i])
            continue;
        for (uint32_t k = end; k < end + 8 && k < PAGE - QR_PAGE_RESERVED_BYTES; k++)
            if (old_page[k] != new_page[k])
                end = k + 1;
        qr_put16le(dst + len, (uint16_t)i);
        qr_put16le(dst + len + 2, (uint16_t)(end - i));
        memcpy(dst + len + 4, new_page + i, end - i);
        len += 4 + end - i;
    }
    return len;
}

static void test_ranges_are_those_of_a_plain_comparison(void **state)
{
    (void)state;
    uint64_t seed = 12;
    uint8_t *old_page = calloc(1, PAGE), *new_page = calloc(1, PAGE), *want = malloc(2 * PAGE);
    for (int round = 0; round < 4000; round++) {
        uint32_t alike = (uint32_t)(next_random(&seed) % 20); /* of 20 bytes so many, in runs */
        for (uint32_t i = 0, run; i < PAGE; i += run) {
            bool same = next_random(&seed) % 20 < alike;
            run = 1 + (uint32_t)(next_random(&seed) % (round % 2 == 0 ? 12 : 100));
            for (uint32_t k = i; k < i + run && k < PAGE; k++) {
                old_page[k] = round % 3 == 0 ? 0 : (uint8_t)next_random(&seed);
                new_page[k] = (uint8_t)(old_page[k] + !same);
            }
        }
        struct qr_buf buf;
        struct qr_record rec;
        qr_buf_init(&buf, 1 << 20);
        qr_record_add_page(&buf, 7, round % 3 == 0 ? NULL : old_page, new_page, PAGE);
        size_t len = plain_ranges(old_page, new_page, want);
        if (buf.len > 0) {
            assert_int_equal(qr_record_decode(buf.data, buf.len, &rec, NULL), QR_OK);
            assert_int_equal(rec.page.ranges_bytes, len);
            assert_memory_equal(rec.page.ranges, want, len);
        }
        assert_true(buf.len > 0 || len == 0);
        qr_buf_done(&buf);
    }
    free(old_page);
    free(new_page);
    free(want);
}

static void test_worst_case_delta_fits_its_reservation(void **state)
{
    (void)state;
    uint8_t *old_page = calloc(1, PAGE), *new_page = calloc(1, PAGE);
    for (int step = 1; step < 64; step++) {
        memset(new_page, 0, PAGE);
        for (int i = 0; i < PAGE - QR_PAGE_RESERVED_BYTES; i += step)
            new_page[i] = 1;
        struct qr_buf buf;
        qr_buf_init(&buf, 1 << 20);
        qr_record_add_page(&buf, 1, old_page, new_page, PAGE);
        assert_true(buf.len <= PAGE + 16);
        qr_buf_done(&buf);
    }
    free(old_page);
    free(new_page);
}

static void test_equal_pages_leave_no_record(void **state)
{
    (void)state;
    uint8_t *page = calloc(1, PAGE), *other = calloc(1, PAGE);
    other[PAGE - 1] = 9; /* the trailer does not count */
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    qr_record_add_page(&buf, 1, page, other, PAGE);
    assert_int_equal(buf.len, 0);
    qr_record_add_page(&buf, 1, NULL, other, PAGE);
    assert_int_not_equal(buf.len, 0); /* but an image always says that the page exists */
    qr_buf_done(&buf);
    free(page);
    free(other);
}

static void test_other_records_round_trip(void **state)
{
    (void)state;
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    qr_record_add_commit(&buf, 11, 12, 13, 14);
    qr_record_add_epoch(&buf, 21, 22, 23);
    qr_record_add_counter(&buf, 31, -32);
    qr_record_add_drop(&buf, 41);
    const uint8_t *p = buf.data;
    size_t left = buf.len;
    struct qr_record rec;
    assert_int_equal(qr_record_decode(p, left, &rec, NULL), QR_OK);
    assert_int_equal(rec.kind, QR_RECORD_COMMIT);
    assert_int_equal(rec.bytes, QR_COMMIT_RECORD_BYTES);
    assert_int_equal(rec.commit.db_pages, 11);
    assert_int_equal(rec.commit.commit_no, 14);
    p += rec.bytes, left -= rec.bytes;
    assert_int_equal(qr_record_decode(p, left, &rec, NULL), QR_OK);
    assert_int_equal(rec.kind, QR_RECORD_EPOCH);
    assert_int_equal(rec.epoch.last_commit_lsn, 22);
    p += rec.bytes, left -= rec.bytes;
    assert_int_equal(qr_record_decode(p, left, &rec, NULL), QR_OK);
    assert_int_equal(rec.counter.next, -32);
    p += rec.bytes, left -= rec.bytes;
    assert_int_equal(qr_record_decode(p, left - 1, &rec, NULL), QR_TRUNCATED);
    assert_int_equal(qr_record_decode(p, left, &rec, NULL), QR_OK);
    assert_int_equal(rec.kind, QR_RECORD_DROP);
    assert_int_equal(rec.counter.id, 41);
    assert_int_equal(rec.bytes, left);
    qr_buf_done(&buf);
}

static void test_hostile_ranges_are_refused(void **state)
{
    (void)state;
    uint8_t *page = calloc(1, PAGE);
    static const struct {
        uint16_t count, offset, bytes;
    } cases[] = {{1, 8190, 4}, {1, 0, 400}, {2, 0, 4}, {0, 0, 4}, {1, 8160, 4}, {1, 65535, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t rec_bytes[20] = {20, 0, 0, 0, QR_RECORD_DELTA};
        qr_put16le(rec_bytes + 6, cases[i].count);
        qr_put32le(rec_bytes + 8, 1);
        qr_put16le(rec_bytes + 12, cases[i].offset);
        qr_put16le(rec_bytes + 14, cases[i].bytes);
        struct qr_record rec;
        assert_int_equal(qr_record_decode(rec_bytes, sizeof rec_bytes, &rec, NULL), QR_OK);
        assert_int_equal(qr_record_apply(&rec, page, PAGE, NULL), QR_CORRUPT);
    }
    free(page);
}

static void test_every_flipped_bit_of_a_block_is_noticed(void **state)
{
    (void)state;
    uint8_t block[QR_BLOCK_HEADER_BYTES + 100];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)i;
    struct qr_block_header h = {
        .first_lsn = 77, .synced_lsn = 70, .raw_bytes = 100, .stored_bytes = 100, .epoch = 3};
    qr_block_seal(block, &h);
    struct qr_block_header back;
    assert_int_equal(qr_block_peek(block, sizeof block, &back, NULL), QR_OK);
    assert_memory_equal(&h, &back, sizeof h);
    assert_int_equal(qr_block_verify(block, sizeof block, NULL), QR_OK);
    for (size_t bit = 0; bit < sizeof block * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(qr_block_verify(block, sizeof block, NULL), QR_CORRUPT);
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_every_flipped_bit_of_a_page_is_noticed(void **state)
{
    (void)state;
    uint8_t *page = calloc(1, QR_PAGE_BYTES_MIN);
    page[100] = 7;
    qr_page_seal(page, QR_PAGE_BYTES_MIN, 5, 1234);
    uint64_t lsn = 0;
    assert_int_equal(qr_page_verify(page, QR_PAGE_BYTES_MIN, 5, &lsn, NULL), QR_OK);
    assert_int_equal(lsn, 1234);
    assert_int_equal(qr_page_verify(page, QR_PAGE_BYTES_MIN, 6, &lsn, NULL), QR_CORRUPT);
    for (size_t bit = 0; bit < (size_t)QR_PAGE_BYTES_MIN * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(qr_page_verify(page, QR_PAGE_BYTES_MIN, 5, &lsn, NULL), QR_CORRUPT);
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(page, 0, QR_PAGE_BYTES_MIN); /* a page that the disk forgot */
    assert_int_equal(qr_page_verify(page, QR_PAGE_BYTES_MIN, 5, &lsn, NULL), QR_CORRUPT);
    free(page);
}

static void test_headers_round_trip_and_notice_damage(void **state)
{
    (void)state;
    uint8_t slot[QR_DATA_HEADER_SLOT_BYTES];
    struct qr_data_header h = {.sequence = 9,
                               .page_bytes = 8192,
                               .state = QR_DATA_ACTIVE,
                               .timeline = {1, 2, 3},
                               .epoch = 4,
                               .checkpoint_lsn = 5,
                               .log_segment_no = 6,
                               .log_offset = 4096,
                               .log_lsn = 8,
                               .log_end_lsn = 77,
                               .commit_no = 10,
                               .commit_wall_ns = 11,
                               .db_pages = 12,
                               .clean = 1};
    struct qr_data_header back;
    qr_data_header_encode(slot, &h);
    assert_int_equal(qr_data_header_decode(slot, &back, NULL), QR_OK);
    assert_memory_equal(&h, &back, sizeof h);
    slot[50] ^= 1;
    assert_int_equal(qr_data_header_decode(slot, &back, NULL), QR_CORRUPT);

    struct qr_dw_header *dw = calloc(1, sizeof *dw), *dw_back = calloc(1, sizeof *dw);
    dw->page_bytes = 4096;
    dw->page_count = QR_DW_PAGES_MAX;
    for (uint32_t i = 0; i < dw->page_count; i++)
        dw->page_no[i] = i * 3;
    qr_dw_header_encode(slot, dw);
    assert_int_equal(qr_dw_header_decode(slot, dw_back, NULL), QR_OK);
    assert_memory_equal(dw, dw_back, sizeof *dw);
    slot[2000] ^= 1;
    assert_int_equal(qr_dw_header_decode(slot, dw_back, NULL), QR_CORRUPT);
    free(dw);
    free(dw_back);

    struct qr_segment_header s = {.segment_no = 3, .file_bytes = 1 << 20}, s_back;
    qr_segment_header_encode(slot, &s);
    assert_int_equal(qr_segment_header_decode(slot, &s_back, NULL), QR_OK);
    assert_memory_equal(&s, &s_back, sizeof s);
    slot[17] ^= 1;
    assert_int_equal(qr_segment_header_decode(slot, &s_back, NULL), QR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delta_of_random_edits_rebuilds_the_page),
        cmocka_unit_test(test_ranges_are_those_of_a_plain_comparison),
        cmocka_unit_test(test_worst_case_delta_fits_its_reservation),
        cmocka_unit_test(test_equal_pages_leave_no_record),
        cmocka_unit_test(test_other_records_round_trip),
        cmocka_unit_test(test_hostile_ranges_are_refused),
        cmocka_unit_test(test_every_flipped_bit_of_a_block_is_noticed),
        cmocka_unit_test(test_every_flipped_bit_of_a_page_is_noticed),
        cmocka_unit_test(test_headers_round_trip_and_notice_damage),
    };
    return cmocka_run_group_tests_name("page/format", tests, NULL, NULL);
}
