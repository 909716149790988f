/* Any text as a decimal, money or float: what parses must print and parse back to itself. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/convert.h"
#include "codec/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    int precision = data[0] % 38 + 1, scale = data[1] % (precision + 1);
    struct qr_str text = {(const char *)data + 2, size - 2};
    qr_i128 v, again;
    if (qr_dec_parse(text, precision, scale, &v) == QR_NUM_OK) {
        char out[QR_DEC_TEXT_BYTES];
        struct qr_str printed = {out, qr_dec_print(v, scale, out)};
        assert(qr_dec_fits(v, precision) && printed.n <= sizeof out);
        assert(qr_dec_parse(printed, precision, scale, &again) == QR_NUM_OK && again == v);
    }
    int64_t money, money_again;
    if (qr_money_parse(text, &money) == QR_NUM_OK) {
        char out[QR_DEC_TEXT_BYTES];
        struct qr_str printed = {out, qr_money_print(money, 2, out)};
        assert(qr_money_parse(printed, &money_again) == QR_NUM_OK && money_again == money);
    }
    double d;
    bool overflow;
    if (qr_float_parse(text, &d, &overflow) && !overflow) {
        char out[QR_FLOAT_TEXT_BYTES];
        double back;
        struct qr_str printed = {out, qr_float_print(d, false, 3, out)};
        assert(qr_float_parse(printed, &back, &overflow) && back == d);
    }
    return 0;
}
