/* Reads the bytes up to the first zero as XML and what follows as a path over it; what is found is
 * written, read again as a context, and asked for itself. */
#include <assert.h>
#include "expr/xml.h"
#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_node(struct qr_arena *arena, const struct qr_xml_node *node)
{
    struct qr_buf text;
    struct qr_xml_node *again = NULL;
    qr_buf_init(&text, 1 << 20);
    qr_xml_write_context(&text, node);
    if (text.failed == QR_OK &&
        qr_xml_read(arena, qr_str_n((const char *)text.data, text.len), &again, NULL) == QR_OK)
        assert(again->kind == node->kind);
    qr_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_arena arena;
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t n = zero == NULL ? size : (size_t)(zero - data);
    struct qr_str xml = qr_str_n((const char *)data, n), path = qr_str("//*");
    if (zero != NULL)
        path = qr_str_n((const char *)zero + 1, size - n - 1);
    struct qr_xml_node *context = NULL;
    struct qr_xml_found found = {0};
    qr_arena_init(&arena, 16 << 20);
    if (qr_xml_read(&arena, xml, &context, NULL) == QR_OK &&
        qr_xml_path(&arena, context, path, &found, NULL) == QR_OK)
        for (size_t i = 0; i < found.count && i < 16; i++)
            try_node(&arena, found.nodes[i]);
    qr_arena_done(&arena);
    return 0;
}
