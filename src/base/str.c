/* str.c - see base/str.h */
#include "base/str.h"
#include "base/banned.h"

static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool qr_str_ieq(struct qr_str a, struct qr_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.p[i]) != fold(b.p[i]))
            return false;
    return true;
}

bool qr_str_ieqz(struct qr_str a, const char *z)
{
    return qr_str_ieq(a, qr_str(z));
}

bool qr_str_starts_i(struct qr_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && qr_str_ieq((struct qr_str){s.p, n}, (struct qr_str){prefix, n});
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct qr_str qr_str_trim(struct qr_str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}
