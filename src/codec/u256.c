/* 256-bit helpers: u256.h. */
#include "u256.h"

#include <assert.h>

#include "base/banned.h"

struct qri_u256 qri_u256_mul(qr_u128 a, qr_u128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64);
    uint64_t b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    qr_u128 low = (qr_u128)a0 * b0;
    qr_u128 mid = (qr_u128)a1 * b0 + (uint64_t)(low >> 64);
    qr_u128 mid2 = (qr_u128)a0 * b1 + (uint64_t)mid;
    qr_u128 high = (qr_u128)a1 * b1 + (uint64_t)(mid >> 64) + (uint64_t)(mid2 >> 64);
    return (struct qri_u256){
        {(uint64_t)low, (uint64_t)mid2, (uint64_t)high, (uint64_t)(high >> 64)}};
}

bool qri_u256_add(struct qri_u256 *a, const struct qri_u256 *b)
{
    uint64_t carry = 0;
    for (int i = 0; i < 4; i++) {
        qr_u128 sum = (qr_u128)a->limb[i] + b->limb[i] + carry;
        a->limb[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry == 0;
}

void qri_u256_sub(struct qri_u256 *a, const struct qri_u256 *b)
{
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        qr_u128 diff = (qr_u128)a->limb[i] - b->limb[i] - borrow;
        a->limb[i] = (uint64_t)diff;
        borrow = (diff >> 64) != 0;
    }
    assert(borrow == 0);
}

bool qri_u256_mul_by(struct qri_u256 *a, qr_u128 b)
{
    qr_u128 low_half = (qr_u128)a->limb[1] << 64 | a->limb[0];
    qr_u128 high_half = (qr_u128)a->limb[3] << 64 | a->limb[2];
    struct qri_u256 low = qri_u256_mul(low_half, b);
    struct qri_u256 high = qri_u256_mul(high_half, b);
    if (high.limb[2] != 0 || high.limb[3] != 0)
        return false;
    struct qri_u256 shifted = {{0, 0, high.limb[0], high.limb[1]}};
    *a = low;
    return qri_u256_add(a, &shifted);
}

int qri_u256_compare(const struct qri_u256 *a, const struct qri_u256 *b)
{
    for (int i = 3; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

static uint64_t divide_by_limb(struct qri_u256 *a, uint64_t b)
{
    uint64_t rest = 0;
    for (int i = 3; i >= 0; i--) {
        if (rest == 0 && a->limb[i] < b) {
            rest = a->limb[i];
            a->limb[i] = 0;
            continue;
        }
        qr_u128 part = (qr_u128)rest << 64 | a->limb[i];
        a->limb[i] = (uint64_t)(part / b);
        rest = (uint64_t)(part % b);
    }
    return rest;
}

/* Knuth's algorithm D for a divisor of two limbs. */
static qr_u128 divide_by_two_limbs(struct qri_u256 *a, qr_u128 b)
{
    int shift = __builtin_clzll((uint64_t)(b >> 64));
    b <<= shift;
    uint64_t u[5];
    for (int i = 0; i < 4; i++)
        u[i] = (a->limb[i] << shift) | (shift > 0 && i > 0 ? a->limb[i - 1] >> (64 - shift) : 0);
    u[4] = shift > 0 ? a->limb[3] >> (64 - shift) : 0;
    uint64_t b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    a->limb[3] = 0;
    for (int j = 2; j >= 0; j--) {
        qr_u128 top = (qr_u128)u[j + 2] << 64 | u[j + 1];
        qr_u128 q = u[j + 2] >= b1 ? UINT64_MAX : top / b1;
        qr_u128 rest = top - q * b1;
        while (rest >> 64 == 0 && q * b0 > (rest << 64 | u[j])) {
            q--;
            rest += b1;
        }
        qr_u128 p0 = q * b0, p1 = q * b1 + (uint64_t)(p0 >> 64);
        qr_u128 d0 = (qr_u128)u[j] - (uint64_t)p0;
        qr_u128 d1 = (qr_u128)u[j + 1] - (uint64_t)p1 - ((d0 >> 64) != 0);
        qr_u128 d2 = (qr_u128)u[j + 2] - (uint64_t)(p1 >> 64) - ((d1 >> 64) != 0);
        if ((d2 >> 64) != 0) { /* one too many */
            q--;
            qr_u128 s0 = (qr_u128)(uint64_t)d0 + b0;
            qr_u128 s1 = (qr_u128)(uint64_t)d1 + b1 + (uint64_t)(s0 >> 64);
            d0 = s0;
            d1 = s1;
            d2 += (uint64_t)(s1 >> 64);
        }
        u[j] = (uint64_t)d0;
        u[j + 1] = (uint64_t)d1;
        u[j + 2] = (uint64_t)d2;
        a->limb[j] = (uint64_t)q;
    }
    return ((qr_u128)u[1] << 64 | u[0]) >> shift;
}

qr_u128 qri_u256_divide(struct qri_u256 *a, qr_u128 b)
{
    assert(b != 0);
    if (b >> 64 == 0)
        return divide_by_limb(a, (uint64_t)b);
    return divide_by_two_limbs(a, b);
}

bool qri_u256_to_i128(const struct qri_u256 *a, qr_i128 *ret_value)
{
    if (a->limb[2] != 0 || a->limb[3] != 0 || a->limb[1] >> 63 != 0)
        return false;
    *ret_value = (qr_i128)((qr_u128)a->limb[1] << 64 | a->limb[0]);
    return true;
}
