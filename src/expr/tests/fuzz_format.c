/* Any bytes as a format of FORMAT and of RAISERROR: no crash, bounded output. */
#include <assert.h>
#include "../culture.h"
#include "expr/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct qr_value number = {.cell = QR_CELL_INT, .i = -1234567};
    static const struct qr_value moment = {.cell = QR_CELL_INT, .i = 637000000000000000};
    struct qr_str format = {(const char *)data, size};
    struct qr_type types[2] = {qr_type_of(QR_TYPE_INT), qr_type_of(QR_TYPE_DATETIME2)};
    struct qr_type decimal = qr_type_decimal(18, 4), real = qr_type_of(QR_TYPE_FLOAT);
    struct qr_value args[2] = {number, qr_value_null()}, d = qr_value_real(-1.5e300);
    struct qr_buf out;
    qr_buf_init(&out, 65536);
    const struct qri_culture *culture = qri_culture_find(qr_str("en-US"));
    (void)qri_format_number(culture, format, &types[0], &number, &out);
    (void)qri_format_number(culture, format, &decimal, &number, &out);
    (void)qri_format_number(culture, format, &real, &d, &out);
    (void)qri_format_moment(culture, format, &types[1], &moment, &out);
    qr_buf_done(&out);
    struct qr_arena arena;
    struct qr_str text;
    qr_arena_init(&arena, 1 << 20);
    if (qr_format_message(&arena, format, types, args, 2, &text, NULL) == QR_OK)
        assert(text.n <= 3 * 2048);
    qr_arena_done(&arena);
    return 0;
}
