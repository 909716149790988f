/* crc.c - see base/crc.h */
#include "base/crc.h"
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif
#include "base/banned.h"

#define POLYNOMIAL 0x82f63b78u /* reflected: bit 31 is x^0 */

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? (c >> 1) ^ POLYNOMIAL : c >> 1;
        table[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
        for (uint32_t i = 0; i < 256; i++)
            table[t][i] = (table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 0xff];
}

static uint32_t crc_table(uint32_t crc, const uint8_t *p, size_t n)
{
    pthread_once(&table_once, make_table);
    while (n >= 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][(low >> 8) & 0xff] ^ table[5][(low >> 16) & 0xff] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
        p += 8;
        n -= 8;
    }
    while (n-- > 0)
        crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xff];
    return crc;
}

/* --- by the processor's own instruction --- */

#if defined(__x86_64__)
/* Three lanes hide the instruction's latency. A lane's sum moves over the lanes behind it by a
 * multiplication without carries by x^(8 * bytes - 33) modulo the polynomial. */
enum { LANE_BYTES = 256 };
#define OVER_ONE_LANE 0xb9e02b86u
#define OVER_TWO_LANES 0xdd7e3b0cu

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t moved(uint64_t crc, uint32_t over)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)over), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_fast(uint32_t crc, const uint8_t *p,
                                                                  size_t n)
{
    uint64_t c = crc;
    for (; n >= 3 * LANE_BYTES; p += 3 * LANE_BYTES, n -= 3 * LANE_BYTES) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < LANE_BYTES; i += 8) {
            c = _mm_crc32_u64(c, word_at(p + i));
            second = _mm_crc32_u64(second, word_at(p + LANE_BYTES + i));
            third = _mm_crc32_u64(third, word_at(p + 2 * LANE_BYTES + i));
        }
        c = moved(c, OVER_TWO_LANES) ^ moved(second, OVER_ONE_LANE) ^ third;
    }
    for (; n >= 8; p += 8, n -= 8)
        c = _mm_crc32_u64(c, word_at(p));
    uint32_t low = (uint32_t)c;
    while (n-- > 0)
        low = _mm_crc32_u8(low, *p++);
    return low;
}

static bool has_fast(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t crc_fast(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        crc = __crc32cd(crc, word);
    }
    while (n-- > 0)
        crc = __crc32cb(crc, *p++);
    return crc;
}

static bool has_fast(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
static uint32_t crc_fast(uint32_t crc, const uint8_t *p, size_t n)
{
    return crc_table(crc, p, n);
}

static bool has_fast(void)
{
    return false;
}
#endif

uint32_t qri_crc32c_plain(uint32_t crc, const void *bytes, size_t count)
{
    return ~crc_table(~crc, bytes, count);
}

uint32_t qr_crc32c(uint32_t crc, const void *bytes, size_t count)
{
    return has_fast() ? ~crc_fast(~crc, bytes, count) : qri_crc32c_plain(crc, bytes, count);
}

/* --- joining --- */

/* Modulo the polynomial. */
static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        if ((a & bit) != 0)
            sum ^= b;
        b = (b & 1) != 0 ? (b >> 1) ^ POLYNOMIAL : b >> 1;
    }
    return sum;
}

/* Bytes behind a piece multiply its sum by x^8 each; the inversions at both ends cancel out. */
uint32_t qr_crc32c_join(uint32_t first, uint32_t second, uint64_t second_bytes)
{
    uint32_t over = UINT32_C(1) << 31, square = UINT32_C(1) << (31 - 8);
    for (uint64_t n = second_bytes; n != 0; n >>= 1) {
        if ((n & 1) != 0)
            over = product(over, square);
        square = product(square, square);
    }
    return product(over, first) ^ second;
}
