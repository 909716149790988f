/* fuzz_query.c - a query, a NUL, a document: whatever they are, there is a result that is JSON, or
 * an error with words. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "../query.h"

enum { ARENA_BYTES = 4 * 1024 * 1024, DOCUMENT_BYTES_MAX = 16 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char usual[] = "{\"a\":[1,2.5,\"x\",null,{\"b\":[[3],[4]]}],\"b\":{\"c\":true}}";
    struct qr_arena arena;
    struct qr_err err = {0};
    const struct qri_query *query = NULL;
    const uint8_t *nul = memchr(data, 0, size);
    qr_arena_init(&arena, ARENA_BYTES);
    size_t text_bytes = nul == NULL ? size : (size_t)(nul - data);
    size_t rest = nul == NULL ? 0 : size - text_bytes - 1;
    const char *text = qr_arena_dup(&arena, data, text_bytes);
    json_t *value = rest == 0 || rest > DOCUMENT_BYTES_MAX
                        ? NULL
                        : json_loadb((const char *)nul + 1, rest, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        value = json_loads(usual, 0, NULL);
    enum qr_status status = qri_query_parse(&arena, text, &query, &err);
    if (status == QR_OK) {
        json_t *result = NULL;
        status = qri_query_run(query, value, &result, &err);
        assert((status == QR_OK) == (result != NULL));
        json_decref(result);
    }
    assert(status == QR_OK || *err.text != '\0');
    json_decref(value);
    qr_arena_done(&arena);
    return 0;
}
