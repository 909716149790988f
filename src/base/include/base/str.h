/* base/str.h - borrowed byte strings (pointer, length; may hold NUL; UTF-8 unless said). Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct qr_str {
    const char *p;
    size_t n;
};

static inline struct qr_str qr_str_n(const char *p, size_t n)
{
    return (struct qr_str){p, n};
}
static inline struct qr_str qr_str(const char *z)
{
    return (struct qr_str){z, z == NULL ? 0 : strlen(z)};
}
static inline bool qr_str_eq(struct qr_str a, struct qr_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII letters compare without case; other bytes exactly. For keywords and option names. */
bool qr_str_ieq(struct qr_str a, struct qr_str b);
bool qr_str_ieqz(struct qr_str a, const char *z);
bool qr_str_starts_i(struct qr_str s, const char *prefix);
struct qr_str qr_str_trim(struct qr_str s); /* spaces, tabs, CR, LF at both ends */
