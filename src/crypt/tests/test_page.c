/* test_page.c - pages in their places and log blocks: what is changed is found, though its checksum
 * was mended */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "crypt/page.h"
#include "page/record.h"
#include "page/trailer.h"

enum { PAGE = 4096, RAW = 1000 };
static const uint8_t timeline[QR_TIMELINE_BYTES] = {5};
static const struct qr_data_key data_key = {.id = 9, .bytes = {1, 2, 3}};

static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(i * 7);
}

static struct qr_cipher_key page_key(void)
{
    struct qr_cipher_key key;
    qr_page_cipher(&key, &data_key, "data page", timeline, sizeof timeline);
    return key;
}

static void test_a_page_comes_back_from_its_place_only(void **state)
{
    (void)state;
    struct qr_cipher_key key = page_key();
    uint8_t page[PAGE], clear[PAGE], copy[PAGE];
    uint64_t lsn = 0;
    fill(clear, PAGE);
    memcpy(page, clear, PAGE);
    assert_int_equal(qr_page_seal_as(&key, page, PAGE, 12, 5000, NULL), QR_OK);
    assert_null(memmem(page, PAGE, clear + 100, 16));
    assert_int_equal(qr_page_verify(page, PAGE, 12, &lsn, NULL), QR_OK); /* without a key */
    memcpy(copy, page, PAGE);
    assert_int_equal(qr_page_open_as(&key, copy, PAGE, 12, &lsn, NULL), QR_OK);
    assert_int_equal(lsn, 5000);
    assert_memory_equal(copy, clear, PAGE - QR_PAGE_RESERVED_BYTES);
    memcpy(copy, page, PAGE);
    assert_int_equal(qr_page_open_as(&key, copy, PAGE, 13, &lsn, NULL), QR_CORRUPT);
    assert_int_equal(qr_page_open_as(NULL, page, PAGE, 12, &lsn, NULL), QR_CORRUPT);
    assert_int_equal(qr_page_seal_as(NULL, clear, PAGE, 12, 5000, NULL), QR_OK);
    assert_int_equal(qr_page_open_as(&key, clear, PAGE, 12, &lsn, NULL), QR_CORRUPT); /* in clear */
}

static void mend_page(uint8_t *page)
{
    qr_put32le(page + PAGE - 4, qr_crc32c(0, page, PAGE - 4));
}

static void test_a_changed_page_is_found_though_its_checksum_was_mended(void **state)
{
    (void)state;
    struct qr_cipher_key key = page_key();
    uint8_t page[PAGE], copy[PAGE];
    uint64_t lsn;
    fill(page, PAGE);
    assert_int_equal(qr_page_seal_as(&key, page, PAGE, 12, 5000, NULL), QR_OK);
    for (size_t at = 0; at < PAGE - 4; at += at < PAGE - 40 ? 61 : 1) {
        if (at >= PAGE - 32 + 18 && at < PAGE - 32 + 20)
            continue; /* flags, which mean nothing yet */
        memcpy(copy, page, PAGE);
        copy[at] ^= 1;
        mend_page(copy);
        assert_int_equal(qr_page_open_as(&key, copy, PAGE, 12, &lsn, NULL), QR_CORRUPT);
    }
    /* An older version of the page with the newer one's trailer. */
    fill(copy, PAGE);
    assert_int_equal(qr_page_seal_as(&key, copy, PAGE, 12, 4000, NULL), QR_OK);
    memcpy(copy + PAGE - 32, page + PAGE - 32, 32);
    mend_page(copy);
    assert_int_equal(qr_page_open_as(&key, copy, PAGE, 12, &lsn, NULL), QR_CORRUPT);
}

static void test_a_changed_log_block_is_found_though_its_checksum_was_mended(void **state)
{
    (void)state;
    static uint8_t block[4096], copy[4096], out[4096];
    uint8_t salt[QR_SALT_BYTES] = {3}, clear[RAW];
    struct qr_cipher_key key;
    struct qr_block_header h = {.first_lsn = 4096, .raw_bytes = RAW, .epoch = 2}, got;
    memcpy(h.timeline, timeline, sizeof timeline);
    fill(clear, RAW);
    memcpy(block + QR_BLOCK_HEADER_BYTES, clear, RAW);
    qr_log_cipher(&key, &data_key, timeline, h.epoch, salt);
    assert_int_equal(qr_block_seal_as(&key, block, &h, NULL), QR_OK);
    size_t bytes = QR_BLOCK_HEADER_BYTES + h.stored_bytes;
    assert_int_equal(h.stored_bytes, RAW + QR_BLOCK_SEAL_BYTES);
    assert_null(memmem(block, bytes, clear + 100, 16));
    for (int own = 0; own < 2; own++) {
        assert_int_equal(qr_block_peek(block, sizeof block, &got, NULL), QR_OK);
        assert_int_equal(qr_block_verify(block, sizeof block, NULL), QR_OK);
        assert_int_equal(qr_block_open_as(&data_key, own ? &key : NULL, block, &got, out, NULL),
                         QR_OK);
        assert_memory_equal(out, clear, RAW);
    }
    for (size_t at = 8; at < bytes; at += at < QR_BLOCK_HEADER_BYTES ? 1 : 29) {
        memcpy(copy, block, sizeof block);
        copy[at] ^= 2;
        qr_put32le(copy + 12, 0);
        qr_put32le(copy + 12, qr_crc32c(0, copy, bytes));
        if (qr_block_peek(copy, sizeof copy, &got, NULL) != QR_OK ||
            qr_block_verify(copy, sizeof copy, NULL) != QR_OK || (at >= 12 && at < 16))
            continue; /* lengths that cannot be; the checksum itself was mended */
        assert_int_equal(qr_block_open_as(&data_key, NULL, copy, &got, out, NULL), QR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_page_comes_back_from_its_place_only),
        cmocka_unit_test(test_a_changed_page_is_found_though_its_checksum_was_mended),
        cmocka_unit_test(test_a_changed_log_block_is_found_though_its_checksum_was_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
