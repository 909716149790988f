/* test_cipher.c - sealing and opening */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <pthread.h>
#include <string.h>
#include "base/endian.h"
#include "crypt/cipher.h"

static const uint8_t salt[QR_SALT_BYTES] = {7};

static struct qr_data_key data_key(uint8_t first)
{
    struct qr_data_key key = {.id = 5};
    for (size_t i = 0; i < QR_KEY_BYTES; i++)
        key.bytes[i] = (uint8_t)(first + i);
    return key;
}

static struct qr_cipher_key derived(const char *label, const char *context)
{
    struct qr_cipher_key key;
    struct qr_data_key from = data_key(1);
    qr_cipher_derive(&key, &from, label, context, strlen(context), salt);
    return key;
}

/* NIST's gcmEncryptExtIV256, a 96-bit nonce and a 16-byte message: the library does AES-GCM and the
 * nonce is (position, part) little-endian. */
static void test_it_is_aes_gcm(void **state)
{
    (void)state;
    struct qr_cipher_key key = derived("x", "");
    static const uint8_t k[QR_KEY_BYTES] = {0x31, 0xbd, 0xad, 0xd9, 0x66, 0x98, 0xc2, 0x04,
                                            0xaa, 0x9c, 0xe1, 0x44, 0x8e, 0xa9, 0x4a, 0xe1,
                                            0xfb, 0x4a, 0x9a, 0x0b, 0x3c, 0x9d, 0x77, 0x3b,
                                            0x51, 0xbb, 0x18, 0x22, 0x66, 0x6b, 0x8f, 0x22};
    static const uint8_t nonce[12] = {0x0d, 0x18, 0xe0, 0x6c, 0x7c, 0x72,
                                      0x5a, 0xc9, 0xe3, 0x62, 0xe1, 0xce};
    uint8_t text[16] = {0x2d, 0xb5, 0x16, 0x8e, 0x93, 0x25, 0x56, 0xf8,
                        0x08, 0x9a, 0x06, 0x22, 0x98, 0x1d, 0x01, 0x7d};
    static const uint8_t want[16] = {0xfa, 0x43, 0x62, 0x18, 0x96, 0x61, 0xd1, 0x63,
                                     0xfc, 0xd6, 0xa5, 0x6d, 0x8b, 0xf0, 0x40, 0x5a};
    static const uint8_t want_tag[16] = {0xd6, 0x36, 0xac, 0x1b, 0xbe, 0xdd, 0x5c, 0xc3,
                                         0xee, 0x72, 0x7d, 0xc2, 0xab, 0x4a, 0x94, 0x89};
    uint8_t tag[QR_TAG_BYTES];
    memcpy(key.bytes, k, sizeof k);
    assert_int_equal(qr_gcm_seal(&key, qr_get64le(nonce), qr_get32le(nonce + 8), NULL, 0, text,
                                 sizeof text, tag, NULL),
                     QR_OK);
    assert_memory_equal(text, want, sizeof want);
    assert_memory_equal(tag, want_tag, sizeof want_tag);
}

static void test_what_was_sealed_opens_under_the_same_key_and_place_only(void **state)
{
    (void)state;
    struct qr_cipher_key key = derived("layer", "one"), other = derived("layer", "two");
    uint8_t clear[100], sealed[100], tag[QR_TAG_BYTES], copy[100];
    for (size_t i = 0; i < sizeof clear; i++)
        clear[i] = (uint8_t)i;
    memcpy(sealed, clear, sizeof clear);
    assert_int_equal(qr_gcm_seal(&key, 9, 3, "head", 4, sealed, sizeof sealed, tag, NULL), QR_OK);
    assert_memory_not_equal(sealed, clear, sizeof clear);
    static const struct {
        bool other_key;
        uint64_t position;
        uint32_t part;
        const char *aad;
        enum qr_status status;
    } tries[] = {
        {false, 9, 3, "head", QR_OK},      {true, 9, 3, "head", QR_CORRUPT},
        {false, 8, 3, "head", QR_CORRUPT}, {false, 9, 2, "head", QR_CORRUPT},
        {false, 9, 3, "heaD", QR_CORRUPT}, {false, 9, 3, "head", QR_OK},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        memcpy(copy, sealed, sizeof sealed);
        assert_int_equal(qr_gcm_open(tries[i].other_key ? &other : &key, tries[i].position,
                                     tries[i].part, tries[i].aad, 4, copy, sizeof copy, tag, NULL),
                         tries[i].status);
        if (tries[i].status == QR_OK)
            assert_memory_equal(copy, clear, sizeof clear);
    }
}

/* From elsewhere and in place, in parts of any length: the same bytes and tag as in one call. */
static void test_parts_are_sealed_as_the_whole_is(void **state)
{
    (void)state;
    enum { BYTES = 5000 };
    static const size_t parts[] = {1, 15, 16, 17, 64, 333, 1000, 4999, BYTES};
    struct qr_cipher_key key = derived("journal", "one");
    uint8_t clear[BYTES], whole[BYTES], sealed[BYTES], want[QR_TAG_BYTES], tag[QR_TAG_BYTES];
    for (size_t i = 0; i < BYTES; i++)
        clear[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(whole, clear, BYTES);
    assert_int_equal(qr_gcm_seal(&key, 4, 1, "head", 4, whole, BYTES, want, NULL), QR_OK);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct qr_gcm sealing;
        memcpy(sealed, clear, BYTES);
        assert_int_equal(qr_gcm_begin(&sealing, &key, 4, 1, "head", 4, NULL), QR_OK);
        for (size_t at = 0, n; at < BYTES; at += n) {
            n = parts[i] < BYTES - at ? parts[i] : BYTES - at;
            const uint8_t *src = at / parts[i] % 2 == 0 ? clear : sealed;
            assert_int_equal(qr_gcm_add(&sealing, src + at, sealed + at, n, NULL), QR_OK);
        }
        assert_int_equal(qr_gcm_end(&sealing, tag, NULL), QR_OK);
        assert_memory_equal(sealed, whole, BYTES);
        assert_memory_equal(tag, want, QR_TAG_BYTES);
    }
}

static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct qr_cipher_key key = derived("layer", "one");
    uint8_t sealed[40 + QR_TAG_BYTES] = {1, 2, 3}, copy[sizeof sealed];
    assert_int_equal(qr_gcm_seal(&key, 1, 0, "", 0, sealed, 40, sealed + 40, NULL), QR_OK);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        memcpy(copy, sealed, sizeof sealed);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(qr_gcm_open(&key, 1, 0, "", 0, copy, 40, copy + 40, NULL), QR_CORRUPT);
    }
}

static void test_keys_differ_by_label_context_salt_and_data_key(void **state)
{
    (void)state;
    struct qr_data_key one = data_key(1), two = data_key(2);
    static const uint8_t other_salt[QR_SALT_BYTES] = {8};
    struct qr_cipher_key keys[6];
    qr_cipher_derive(&keys[0], &one, "ab", "c", 1, salt);
    qr_cipher_derive(&keys[1], &one, "a", "bc", 2, salt);
    qr_cipher_derive(&keys[2], &one, "ab", "d", 1, salt);
    qr_cipher_derive(&keys[3], &one, "ab", "c", 1, other_salt);
    qr_cipher_derive(&keys[4], &two, "ab", "c", 1, salt);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(keys[i].bytes, keys[j].bytes, QR_KEY_BYTES);
    qr_cipher_derive(&keys[5], &one, "ab", "c", 1, salt);
    assert_memory_equal(keys[5].bytes, keys[0].bytes, sizeof keys[0].bytes);
    assert_memory_not_equal(keys[0].bytes, keys[0].bytes + QR_KEY_BYTES, QR_KEY_BYTES);
    assert_int_equal(keys[0].id, 5);
}

static void test_a_page_opens_at_its_place_and_is_noise_elsewhere(void **state)
{
    (void)state;
    struct qr_cipher_key key = derived("pages", "");
    uint8_t page[8160] = {0}, sealed[sizeof page], again[sizeof page];
    assert_int_equal(qr_xts_seal(&key, 100, 7, page, sealed, sizeof page, NULL), QR_OK);
    assert_int_equal(qr_xts_open(&key, 100, 7, sealed, again, sizeof page, NULL), QR_OK);
    assert_memory_equal(page, again, sizeof page);
    assert_int_equal(qr_xts_open(&key, 100, 8, sealed, again, sizeof page, NULL), QR_OK);
    assert_memory_not_equal(page, again, sizeof page);
    assert_int_equal(qr_xts_seal(&key, 101, 7, page, again, sizeof page, NULL),
                     QR_OK); /* a later version */
    assert_memory_not_equal(sealed, again, sizeof page);
}

/* Contexts are kept by thread; keys alternate in them. */
static void *seal_many(void *arg)
{
    const struct qr_cipher_key *keys = arg;
    for (uint64_t i = 0; i < 2000; i++) {
        uint8_t bytes[64] = {(uint8_t)i}, tag[QR_TAG_BYTES];
        const struct qr_cipher_key *key = &keys[i % 3 / 2];
        if (qr_gcm_seal(key, i, 0, "", 0, bytes, sizeof bytes, tag, NULL) != QR_OK ||
            qr_gcm_open(key, i, 0, "", 0, bytes, sizeof bytes, tag, NULL) != QR_OK ||
            bytes[0] != (uint8_t)i)
            return arg;
    }
    return NULL;
}

static void test_threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct qr_cipher_key keys[2] = {derived("a", ""), derived("b", "")};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, seal_many, keys), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_aes_gcm),
        cmocka_unit_test(test_what_was_sealed_opens_under_the_same_key_and_place_only),
        cmocka_unit_test(test_parts_are_sealed_as_the_whole_is),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_keys_differ_by_label_context_salt_and_data_key),
        cmocka_unit_test(test_a_page_opens_at_its_place_and_is_noise_elsewhere),
        cmocka_unit_test(test_threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
