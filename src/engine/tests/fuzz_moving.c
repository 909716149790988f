/* fuzz_moving.c - bytes of a session that has moved, hostile. The head is made to fit, so that the
 * body is looked at; with an odd first byte the input is taken as it is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "moving_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CELLS_MAX = QR_ROWSET_COLUMNS_MAX + 1 };

static void walk(const struct qri_moved_rows *rows, bool has_rowid)
{
    static struct qr_value values[CELLS_MAX];
    struct qr_str left = rows->bytes;
    size_t cells = rows->column_count + has_rowid;
    assert(cells <= CELLS_MAX);
    while (qri_moved_row(&left, values, cells))
        assert(left.n < rows->bytes.n);
    assert(left.n == 1); /* the mark of the end */
}

static void try_bytes(const uint8_t *bytes, size_t count)
{
    struct qr_arena arena;
    struct qri_moved moved;
    qr_arena_init(&arena, QRI_MOVED_ARENA_BYTES_MAX);
    struct qr_err err = {0};
    if (qri_moved_read(&arena, qr_str_n((const char *)bytes, count), &moved, &err) == QR_OK) {
        for (size_t i = 0; i < moved.cursor_count; i++)
            walk(&moved.cursors[i].rows, false);
        for (size_t i = 0; i < moved.table_count; i++)
            walk(&moved.tables[i].rows, moved.tables[i].has_rowid);
        for (size_t i = 0; i < moved.object_count; i++) {
            struct qr_cat_object object;
            (void)!qri_body_decode_object(&arena, (const uint8_t *)moved.objects[i].body.p,
                                          moved.objects[i].body.n, &object, &err);
        }
    }
    qr_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 1) {
        try_bytes(data + 1, size - 1);
        return 0;
    }
    size_t body = size - 1;
    uint8_t *bytes = malloc(QRI_MOVED_HEAD_BYTES + body);
    if (bytes == NULL)
        return 0;
    qr_put32le(bytes, QRI_MOVED_MAGIC);
    qr_put32le(bytes + 4, QRI_MOVED_VERSION);
    qr_put32le(bytes + 8, (uint32_t)body);
    qr_put32le(bytes + 12, qr_crc32c(0, data + 1, body));
    memcpy(bytes + QRI_MOVED_HEAD_BYTES, data + 1, body);
    try_bytes(bytes, QRI_MOVED_HEAD_BYTES + body);
    free(bytes);
    return 0;
}
