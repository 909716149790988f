/* test_compress.c - what is compressed comes back; what does not pay is left; hostile bytes end in
 * QR_CORRUPT. */
#include <stdlib.h>
#include <string.h>
#include "page/compress.h"
#include "qr_test.h"

enum { COUNT = 40000 };
static const enum qr_compression algorithms[] = {QR_COMPRESSION_LZ4, QR_COMPRESSION_ZSTD};

static uint64_t state_now = 88172645463325252ULL;
static uint8_t chance(void)
{
    state_now ^= state_now << 13;
    state_now ^= state_now >> 7;
    state_now ^= state_now << 17;
    return (uint8_t)(state_now >> 32);
}

static void fill(uint8_t *bytes, int noise)
{
    for (int i = 0; i < COUNT; i++)
        bytes[i] = chance() < noise ? chance() : (uint8_t)(i / 100);
}

static void test_what_is_compressed_comes_back(void **state)
{
    (void)state;
    uint8_t *src = malloc(COUNT), *back = malloc(COUNT);
    fill(src, 20);
    for (size_t i = 0; i < 2; i++) {
        size_t bound = qr_compress_bound(algorithms[i], COUNT);
        uint8_t *dst = malloc(bound);
        size_t n = qr_compress(algorithms[i], src, COUNT, dst, bound);
        assert_true(n > 0 && n < COUNT * 7 / 8);
        assert_int_equal(qr_decompress(algorithms[i], dst, n, back, COUNT, NULL), QR_OK);
        assert_memory_equal(src, back, COUNT);
        assert_int_equal(qr_decompress(algorithms[i], dst, n, back, COUNT - 1, NULL), QR_CORRUPT);
        assert_int_equal(qr_decompress(algorithms[i], dst, n - 1, back, COUNT, NULL), QR_CORRUPT);
        free(dst);
    }
    free(src);
    free(back);
}

static void test_what_does_not_pay_is_left_as_it_is(void **state)
{
    (void)state;
    uint8_t *src = malloc(COUNT);
    fill(src, 256);
    for (size_t i = 0; i < 2; i++) {
        size_t bound = qr_compress_bound(algorithms[i], COUNT);
        uint8_t *dst = malloc(bound);
        assert_int_equal(qr_compress(algorithms[i], src, COUNT, dst, bound), 0);
        free(dst);
    }
    free(src);
}

static void test_no_bytes_decompress_past_their_place(void **state)
{
    (void)state;
    uint8_t *src = malloc(COUNT), *back = malloc(COUNT);
    for (size_t i = 0; i < 2; i++) {
        size_t bound = qr_compress_bound(algorithms[i], COUNT);
        uint8_t *dst = malloc(bound);
        fill(src, 20);
        size_t n = qr_compress(algorithms[i], src, COUNT, dst, bound);
        for (int round = 0; round < 2000; round++) {
            uint8_t *copy = malloc(n);
            memcpy(copy, dst, n);
            for (int k = 0; k < 3; k++)
                copy[((size_t)chance() << 8 | chance()) % n] = chance();
            (void)!qr_decompress(algorithms[i], copy, n, back, COUNT, NULL);
            free(copy);
        }
        free(dst);
    }
    assert_false(qr_compression_known(3));
    free(src);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_compressed_comes_back),
        cmocka_unit_test(test_what_does_not_pay_is_left_as_it_is),
        cmocka_unit_test(test_no_bytes_decompress_past_their_place),
    };
    return cmocka_run_group_tests_name("page/compress", tests, NULL, NULL);
}
