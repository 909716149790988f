/* order_int.h - weights of single characters under an order. Private to codec. Pure. */
#pragma once
#include <stdint.h>
#include "codec/collation.h"

/* Levels of a character: primary (base letter), secondary (accent), tertiary (case). primary 0 is
 * ignorable; QRI_SPECIAL decides only between otherwise equal texts. */
struct qri_weight {
    uint32_t primary;
    uint8_t secondary, tertiary;
};
enum { QRI_SPECIAL = 0xfffe, QRI_EXPAND = 0xffff };

/* Which levels an order looks at, and over which alphabet. */
struct qri_order_rule {
    const char *sqlite_name;
    bool unicode; /* else code page 1252 */
    bool binary;
    bool accents, cases;
    bool upper_first;
};
extern const struct qri_order_rule qri_order_rules[QR_ORDER_COUNT];

/* Raw: may be QRI_SPECIAL or QRI_EXPAND with the index in secondary and tertiary. */
struct qri_weight qri_weight_of(const struct qri_order_rule *rule, uint32_t code_point);

/* One number a character, equal for characters that the order holds equal and ordered as the order:
 * for LIKE and searching, which go character by character. */
uint64_t qri_char_key(const struct qri_order_rule *rule, uint32_t code_point);
/* The same for ASCII, by table: valid for all code points below 128. */
const uint64_t *qri_ascii_keys(enum qr_order order);
/* The code points that `index` expands to, ended by 0 or 3. */
const uint32_t *qri_expansion(uint32_t index);
const char *qri_weights_digest(void);
