/* Any text against any pattern under any order; a prefix that is found must stand in the text, and
 * compare must be antisymmetric. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/collation.h"
#include "codec/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    enum qr_order order = (enum qr_order)(data[0] % QR_ORDER_COUNT);
    uint32_t escape = data[1] % 2 == 0 ? 0 : '!';
    size_t rest = size - 3, cut = rest == 0 ? 0 : data[2] % (rest + 1);
    struct qr_str text = {(const char *)data + 3, cut}, pattern = {text.p + cut, rest - cut};
    bool matched = qr_like(order, true, text, pattern, escape);
    size_t at, n;
    if (qr_like_index(order, true, text, pattern, &at))
        assert(at <= text.n);
    if (qr_order_search(order, text, pattern, 0, &at, &n))
        assert(at + n <= text.n);
    int c = qr_order_compare(order, text, pattern), d = qr_order_compare(order, pattern, text);
    assert((c > 0) == (d < 0) && (c == 0) == (d == 0));
    if (c == 0)
        assert(qr_order_hash(order, text, 1) == qr_order_hash(order, pattern, 1));
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_str prefix;
    bool exact;
    if (qr_like_prefix(pattern, escape, &arena, &prefix, &exact) == QR_OK && matched &&
        prefix.n > 0 && qr_utf_is_ascii(text) && qr_utf_is_ascii(pattern))
        assert(qr_order_search(order, text, prefix, 0, &at, &n) && at == 0);
    qr_arena_done(&arena);
    return 0;
}
