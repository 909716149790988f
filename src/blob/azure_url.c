/* azure_url.c - see blob/blob.h: https://ACCOUNT.blob.HOST/CONTAINER[/prefix], and emulators */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "azure_int.h"
#include "base/banned.h"

static bool all_of(struct qr_str s, size_t bytes_min, size_t bytes_max, const char *more)
{
    if (s.n < bytes_min || s.n > bytes_max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr(more, c) == NULL))
            return false;
    }
    return true;
}

/* Up to the next slash; *rest is what follows it. */
static struct qr_str next_part(const char **rest)
{
    const char *begin = *rest, *slash = strchr(begin, '/');
    size_t n = slash == NULL ? strlen(begin) : (size_t)(slash - begin);
    *rest = slash == NULL ? begin + n : slash + 1;
    return qr_str_n(begin, n);
}

static bool is_loopback(struct qr_str host)
{
    return qr_str_starts_i(host, "127.") || qr_str_ieqz(host, "localhost") ||
           qr_str_ieqz(host, "[::1]");
}

static struct qr_str host_of(struct qr_str authority)
{
    size_t n = authority.n;
    for (size_t i = authority.n; i > 0; i--) {
        if (authority.p[i - 1] == ']')
            break;
        if (authority.p[i - 1] == ':') {
            n = i - 1;
            break;
        }
    }
    return qr_str_n(authority.p, n);
}

static enum qr_status set_prefix(struct qri_azure *azure, const char *rest, struct qr_err *err)
{
    size_t n = strlen(rest);
    while (n > 0 && rest[n - 1] == '/')
        n -= 1;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)rest[i]) && strchr("._-/", rest[i]) == NULL)
            return qr_fail(err, QR_INVALID, "the URL's path has a character that is not allowed");
    }
    if (n > 256)
        return qr_fail(err, QR_INVALID, "the URL's path is too long");
    azure->prefix = malloc(n + 2);
    if (azure->prefix == NULL)
        return qr_fail(err, QR_NOMEM, "open a blob store");
    memcpy(azure->prefix, rest, n);
    memcpy(azure->prefix + n, n > 0 ? "/" : "", n > 0 ? 2 : 1);
    return QR_OK;
}

enum qr_status qri_azure_parse_url(struct qri_azure *azure, const char *url, struct qr_err *err)
{
    bool secure = strncmp(url, "https://", 8) == 0;
    const char *rest = url + (secure ? 8 : 7);
    struct qr_str authority = next_part(&rest), host = host_of(authority);
    azure->loopback = is_loopback(host);
    if (!secure && !azure->loopback)
        return qr_fail(err, QR_INVALID, "plain http is for loopback emulators only");
    for (size_t i = 0; i < authority.n; i++) {
        if (!isalnum((unsigned char)authority.p[i]) && strchr(".-:[]", authority.p[i]) == NULL)
            return qr_fail(err, QR_INVALID, "the URL's host has a character that is not allowed");
    }
    struct qr_str account;
    if (azure->loopback) {
        account = next_part(&rest);
    } else {
        const char *dot = memchr(host.p, '.', host.n);
        account = qr_str_n(host.p, dot == NULL ? 0 : (size_t)(dot - host.p));
    }
    struct qr_str container = next_part(&rest);
    if (!all_of(account, 3, 60, "-") || !all_of(container, 3, 63, "-$"))
        return qr_fail(err, QR_INVALID, "the URL names no account and container");
    snprintf(azure->account, sizeof azure->account, "%.*s", (int)account.n, account.p);
    int n = asprintf(&azure->origin, "%s://%.*s", secure ? "https" : "http", (int)authority.n,
                     authority.p);
    int m = azure->loopback ? asprintf(&azure->path, "/%.*s/%.*s", (int)account.n, account.p,
                                       (int)container.n, container.p)
                            : asprintf(&azure->path, "/%.*s", (int)container.n, container.p);
    azure->origin = n < 0 ? NULL : azure->origin;
    azure->path = m < 0 ? NULL : azure->path;
    if (n < 0 || m < 0)
        return qr_fail(err, QR_NOMEM, "open a blob store");
    return set_prefix(azure, rest, err);
}
