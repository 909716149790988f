/* Weights of characters: order_int.h. */
#include "order_int.h"

#include "codec/codepage.h"
#include "codec/utf.h"
#include "codec_weights.h" /* generated: weights0, weights1, expansions, latin_weights */
#include "base/banned.h"

const struct qri_order_rule qri_order_rules[QR_ORDER_COUNT] = {
    /* clang-format off */
    /* SQLite name, unicode, binary, accents, cases, upper first */
    [QR_ORDER_UNI_CI_AS] = {"qr_ci",     true,  false, true,  false, false},
    [QR_ORDER_UNI_CS_AS] = {"qr_cs",     true,  false, true,  true,  false},
    [QR_ORDER_UNI_CI_AI] = {"qr_ciai",   true,  false, false, false, false},
    [QR_ORDER_SQL_CI_AS] = {"qr_ci_v",   false, false, true,  false, false},
    [QR_ORDER_SQL_CS_AS] = {"qr_cs_v",   false, false, true,  true,  true },
    [QR_ORDER_SQL_CI_AI] = {"qr_ciai_v", false, false, false, false, false},
    [QR_ORDER_UNI_CS_AI] = {"qr_csai",   true,  false, false, true,  false},
    [QR_ORDER_BIN2]      = {"qr_bin2",   false, true,  true,  true,  false},
    /* clang-format on */
};

const char *qri_weights_digest(void)
{
    return weights_digest;
}

const uint32_t *qri_expansion(uint32_t index)
{
    return expansions[index];
}

static struct qri_weight unicode_weight(const struct qri_order_rule *rule, uint32_t c)
{
    uint32_t w;
    if (c < 0x3400)
        w = weights0[c];
    else if (c >= 0xf900 && c < 0x10000)
        w = weights1[c - 0xf900];
    else
        return (struct qri_weight){0x10000 + c, 0, 0}; /* Han, Hangul, surrogates, above: by code */
    struct qri_weight r = {w >> 16, (uint8_t)(w >> 8), (uint8_t)w};
    if (r.primary < QRI_SPECIAL)
        r.tertiary &= rule->cases; /* width and kana never count */
    return r;
}

static struct qri_weight latin_weight(const struct qri_order_rule *rule, uint32_t c)
{
    char utf8[4];
    int byte = c < 0x80 || (c >= 0xa0 && c <= 0xff) ? (int)c : -1;
    if (byte < 0) {
        struct qr_str one = {utf8, qr_utf_put(c, utf8)};
        if (!qr_codepage_has(QR_CP_1252, one))
            return (struct qri_weight){0x10000 + c, 0, 0};
        byte = qr_codepage_first_byte(QR_CP_1252, one);
    }
    uint16_t w = latin_weights[byte];
    uint8_t tertiary = rule->cases ? (w & 1) ^ rule->upper_first : 0;
    return (struct qri_weight){w >> 8, (uint8_t)((w >> 4 & 15) + 1), tertiary};
}

struct qri_weight qri_weight_of(const struct qri_order_rule *rule, uint32_t c)
{
    return rule->unicode ? unicode_weight(rule, c) : latin_weight(rule, c);
}

uint64_t qri_char_key(const struct qri_order_rule *rule, uint32_t c)
{
    if (rule->binary)
        return c;
    struct qri_weight w = qri_weight_of(rule, c);
    if (w.primary == 0 || w.primary == QRI_SPECIAL || w.primary == QRI_EXPAND) {
        uint32_t lower = rule->cases ? c : qr_utf_lower1(c);
        if (w.primary == QRI_EXPAND) { /* stands behind its first letter */
            struct qri_weight first =
                qri_weight_of(rule, expansions[w.secondary << 8 | w.tertiary][0]);
            return (uint64_t)first.primary << 32 | 0xff000000u | lower;
        }
        return lower; /* before everything, by code */
    }
    uint64_t key = (uint64_t)w.primary << 32;
    if (rule->accents)
        key |= (uint64_t)w.secondary << 16;
    return key | w.tertiary;
}

static uint64_t ascii_keys[QR_ORDER_COUNT][128];

/* Before main, so that no thread ever sees them change. */
__attribute__((constructor)) static void make_ascii_keys(void)
{
    for (int order = 0; order < QR_ORDER_COUNT; order++)
        for (uint32_t c = 0; c < 128; c++)
            ascii_keys[order][c] = qri_char_key(&qri_order_rules[order], c);
}

const uint64_t *qri_ascii_keys(enum qr_order order)
{
    return ascii_keys[order];
}
