/* Any text as any date type: what parses must print and parse back to itself. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/datetime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum qr_type_id ids[] = {QR_TYPE_DATE,          QR_TYPE_TIME,
                                          QR_TYPE_SMALLDATETIME, QR_TYPE_DATETIME,
                                          QR_TYPE_DATETIME2,     QR_TYPE_DATETIMEOFFSET};
    if (size < 2)
        return 0;
    struct qr_type t = qr_type_of(ids[data[0] % 6]);
    struct qr_value v, again;
    enum qr_dateformat format = (enum qr_dateformat)(data[1] % 6);
    struct qr_str text = {(const char *)data + 2, size - 2};
    if (qr_datetime_parse(text, &t, format, -1, &v) != QR_DT_OK)
        return 0;
    char out[QR_DT_TEXT_BYTES];
    struct qr_str printed = {out, qr_datetime_print(&t, &v, 121, out)};
    assert(printed.n > 0 && printed.n <= sizeof out);
    assert(qr_datetime_parse(printed, &t, QR_YMD, -1, &again) == QR_DT_OK);
    assert(qr_value_compare(&t, &v, &again) == 0);
    return 0;
}
