/* Any bytes as JSON and as path: no crash, results inside the text, rows well-formed. */
#include <assert.h>
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cut = size == 0 ? 0 : data[0] % size;
    struct qr_str path = {(const char *)data, cut}, json = {(const char *)data + cut, size - cut};
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_json_path parsed;
    struct qr_json_item item;
    struct qr_json_rows rows;
    struct qr_json_row row;
    enum qr_json_kind kind;
    bool found, more = true;
    (void)qr_json_valid(json, &kind);
    if (qr_json_path_parse(&arena, path, &parsed, NULL) == QR_OK &&
        qr_json_find(&arena, json, &parsed, &found, &item, NULL) == QR_OK && found)
        assert(item.text.p >= json.p && item.text.p + item.text.n <= json.p + json.n);
    if (qr_json_rows_open(&arena, json, (struct qr_str){NULL, 0}, &rows, NULL) == QR_OK)
        while (more && qr_json_rows_next(&rows, &arena, &more, &row, NULL) == QR_OK)
            assert(!more || qr_json_valid(row.item.text, &kind));
    qr_arena_done(&arena);
    return 0;
}
