/* Any pattern on any text: refused or searched; matches go forward and stay within the text.
 * Input: a byte of flags, the pattern, NUL, the text. */
#include <assert.h>
#include <string.h>
#include "codec/regexp.h"
#include "codec/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(const struct qr_regexp *re, struct qr_str text, struct qr_arena *arena)
{
    struct qr_regexp_search s;
    bool found = true;
    ptrdiff_t before = 0;
    if (qr_regexp_search(re, text, 0, qr_regexp_groups(re), arena, &s, NULL) != QR_OK)
        return;
    while (qr_regexp_next(&s, &found, NULL) == QR_OK && found) {
        assert(s.at[0] >= before && s.at[1] >= s.at[0] && s.at[1] <= (ptrdiff_t)text.n);
        before = s.at[1];
        for (size_t i = 2; i < s.slots; i += 2)
            assert((s.at[i] == QR_REGEXP_NONE) == (s.at[i + 1] == QR_REGEXP_NONE) &&
                   s.at[i] <= s.at[i + 1] && s.at[i + 1] <= s.at[1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { FLAGS = QR_REGEXP_FOLD | QR_REGEXP_MULTILINE | QR_REGEXP_DOT_NL };
    const uint8_t *end = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    struct qr_regexp *re = NULL;
    struct qr_arena arena;
    if (end == NULL)
        return 0;
    struct qr_str pattern = qr_str_n((const char *)data + 1, (size_t)(end - data) - 1);
    struct qr_str text = qr_str_n((const char *)end + 1, (size_t)(data + size - end) - 1);
    if (pattern.n > 8000 || !qr_utf_valid(pattern) || !qr_utf_valid(text))
        return 0;
    if (qr_regexp_new(pattern, data[0] & FLAGS, &re, NULL) != QR_OK)
        return 0;
    qr_arena_init(&arena, 256 << 20);
    search(re, text, &arena);
    qr_arena_done(&arena);
    qr_regexp_free(re);
    return 0;
}
