/* u256.h - unsigned 256-bit integers, just enough for products and quotients of decimals.
 * Private to codec. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "codec/value.h"

struct qri_u256 {
    uint64_t limb[4]; /* least significant first */
};

static inline struct qri_u256 qri_u256_of(qr_u128 v)
{
    return (struct qri_u256){{(uint64_t)v, (uint64_t)(v >> 64), 0, 0}};
}
struct qri_u256 qri_u256_mul(qr_u128 a, qr_u128 b);
/* False on overflow. */
bool qri_u256_mul_by(struct qri_u256 *a, qr_u128 b);
bool qri_u256_add(struct qri_u256 *a, const struct qri_u256 *b);
/* a - b, b must not be greater. */
void qri_u256_sub(struct qri_u256 *a, const struct qri_u256 *b);
int qri_u256_compare(const struct qri_u256 *a, const struct qri_u256 *b);
/* a := a / b, returns the remainder; b > 0. */
qr_u128 qri_u256_divide(struct qri_u256 *a, qr_u128 b);
/* False if it needs more than 127 bits. */
bool qri_u256_to_i128(const struct qri_u256 *a, qr_i128 *ret_value);
