/* url.c - see arm_int.h */
#include <string.h>
#include "arm_int.h"
#include "base/banned.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool qri_decode(struct qr_arena *arena, struct qr_str text, bool plus, struct qr_str *ret_text)
{
    char *dst = qr_arena_alloc(arena, text.n + 1);
    size_t n = 0;
    if (dst == NULL)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex(text.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        dst[n++] = c;
    }
    *ret_text = qr_str_n(dst, n);
    return true;
}

bool qri_path_parse(struct qr_arena *arena, struct qr_str raw, struct qri_path *ret_path)
{
    struct qri_path path = {0};
    if (raw.n > QRI_PATH_BYTES_MAX)
        return false;
    for (size_t at = 0; at < raw.n;) {
        size_t end = at;
        while (end < raw.n && raw.p[end] != '/')
            end++;
        if (end > at) {
            if (path.count == QRI_SEGMENTS_MAX || !qri_decode(arena, qr_str_n(raw.p + at, end - at),
                                                              false, &path.segments[path.count]))
                return false;
            path.count += 1;
        }
        at = end + 1;
    }
    *ret_path = path;
    return true;
}

bool qri_form_get(struct qr_arena *arena, struct qr_str form, const char *name,
                  struct qr_str *ret_value)
{
    for (size_t at = 0; at < form.n;) {
        const char *start = form.p + at;
        const char *amp = memchr(start, '&', form.n - at);
        size_t n = amp == NULL ? form.n - at : (size_t)(amp - start);
        const char *eq = memchr(start, '=', n);
        size_t name_n = eq == NULL ? n : (size_t)(eq - start);
        struct qr_str found;
        if (!qri_decode(arena, qr_str_n(start, name_n), true, &found))
            return false;
        if (qr_str_ieqz(found, name))
            return eq != NULL &&
                   qri_decode(arena, qr_str_n(eq + 1, n - name_n - 1), true, ret_value);
        at += n + 1;
    }
    return false;
}

bool qri_is_api_version(struct qr_str text)
{
    static const char form[] = "dddd-dd-dd";
    if (text.n < sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        if (form[i] == 'd' ? !digit : text.p[i] != form[i])
            return false;
    }
    struct qr_str rest = qr_str_n(text.p + sizeof form - 1, text.n - (sizeof form - 1));
    return rest.n == 0 || qr_str_ieqz(rest, "-preview") || qr_str_ieqz(rest, "-alpha") ||
           qr_str_ieqz(rest, "-beta") || qr_str_ieqz(rest, "-privatepreview");
}
