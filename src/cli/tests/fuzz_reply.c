/* fuzz_reply.c - any bytes as a server's answer: every value that is told has a text. The first
 * byte says how large the slices are. */
#include <assert.h>
#include "../sql_reply.h"

enum { REPLY_BYTES_MAX = 1 << 20, ARENA_BYTES_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qri_sql_reply r;
    struct qr_arena arena;
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    if (size < 2)
        return 0;
    size_t slice = (size_t)data[0] + 1;
    qri_sql_reply_init(&r, REPLY_BYTES_MAX);
    qr_arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t at = 1; status == QR_OK && at < size; at += slice) {
        enum qri_sql_event event = QRI_SQL_OTHER;
        status = qri_sql_reply_feed(&r, data + at, size - at < slice ? size - at : slice, &err);
        while (status == QR_OK && event != QRI_SQL_MORE) {
            status = qri_sql_reply_next(&r, &arena, &event, &err);
            for (size_t i = 0; status == QR_OK && event == QRI_SQL_ROW && i < r.column_count; i++) {
                struct qr_str text;
                status = qri_sql_text(&r.columns[i].wire.type, &r.values[i], &arena, &text, &err);
                assert(status != QR_OK || text.p != NULL || text.n == 0);
            }
            qr_arena_reset(&arena);
        }
    }
    qr_arena_done(&arena);
    qri_sql_reply_done(&r);
    return 0;
}
