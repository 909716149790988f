/* fuzz_catalog.c - stored rows of the catalog, hostile: the first byte says of what kind. What can
 * be read can be written, and read again as the same. */
#include <assert.h>
#include <string.h>
#include "catalog_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES_MAX = 64 << 20, BUF_BYTES_MAX = 64 << 20 };

/* Reads the body of that kind and writes it again. */
static bool rewrite(struct qr_arena *arena, unsigned kind, const uint8_t *body, size_t bytes,
                    struct qr_buf *out)
{
    struct qr_err err = {0};
    union {
        struct qr_cat_object object;
        struct qr_cat_schema schema;
        struct qr_cat_usertype usertype;
        struct qri_principal principal;
        struct qri_property property;
        struct qr_perm_row permission;
    } of;
    memset(&of, 0, sizeof of);
#define TRY(name, ...)                                                                             \
    if (qri_body_decode_##name(__VA_ARGS__ body, bytes, &of.name, &err) != QR_OK)                  \
        return false;                                                                              \
    qri_body_encode_##name(out, &of.name);                                                         \
    return true
#define ARENA arena,
    switch (kind) {
    case QRI_REC_SCHEMA:
        TRY(schema, ARENA);
    case QRI_REC_USERTYPE:
        TRY(usertype, ARENA);
    case QRI_REC_PRINCIPAL:
        TRY(principal, ARENA);
    case QRI_REC_PROPERTY:
        TRY(property, ARENA);
    case QRI_REC_PERMISSION:
        TRY(permission, );
    default:
        TRY(object, ARENA);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_arena arena;
    struct qr_buf once, again;
    if (size == 0)
        return 0;
    unsigned kind = data[0] % (QRI_REC_PERMISSION + 1);
    qr_arena_init(&arena, ARENA_BYTES_MAX);
    qr_buf_init(&once, BUF_BYTES_MAX);
    qr_buf_init(&again, BUF_BYTES_MAX);
    if (rewrite(&arena, kind, data + 1, size - 1, &once)) {
        bool reads = rewrite(&arena, kind, once.data, once.len, &again);
        assert(reads);
        assert(once.len == again.len && memcmp(once.data, again.data, once.len) == 0);
    }
    qr_buf_done(&once);
    qr_buf_done(&again);
    qr_arena_done(&arena);
    return 0;
}
