/* server_name.c - see gateway_int.h: which logical server a login is for.
 *
 * As in Azure: `login@server` says it, else the first label of the name that the client connected
 * to. That may also be an address or this machine's own name, which name no server: such a login
 * goes to the first one. */
#include "gateway_int.h"
#include <string.h>
#include "base/banned.h"

/* Under these every name is a logical server's. */
static const char *const suffixes[] = {".database.windows.net", ".database.localhost"};

/* Names as drivers write them: "tcp:server01.database.windows.net,1433", "host\\instance". */
static struct qr_str host_of(struct qr_str name)
{
    static const char scheme[] = "tcp:";
    if (name.n > sizeof scheme - 1 && qr_str_ieqz(qr_str_n(name.p, sizeof scheme - 1), scheme))
        name = qr_str_n(name.p + sizeof scheme - 1, name.n - (sizeof scheme - 1));
    size_t n = 0;
    while (n < name.n && strchr(",\\:", name.p[n]) == NULL)
        n++;
    if (n > 0 && name.p[n - 1] == '.') /* the root of all names */
        n--;
    return qr_str_n(name.p, n);
}

static bool has_suffix(struct qr_str host)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t n = strlen(suffixes[i]);
        if (host.n > n && qr_str_ieqz(qr_str_n(host.p + host.n - n, n), suffixes[i]))
            return true;
    }
    return false;
}

static struct qr_str first_label(struct qr_str host)
{
    const char *dot = host.n == 0 ? NULL : memchr(host.p, '.', host.n);
    return dot == NULL ? host : qr_str_n(host.p, (size_t)(dot - host.p));
}

static bool look_up(const struct qr_gateway_options *options, struct qr_str name, uint32_t *ret_id)
{
    *ret_id = 0;
    if (options->server_id != NULL)
        return options->server_id(options->lookup_ctx, name, ret_id);
    return qr_str_ieqz(name, options->server_name);
}

static bool take_name(const struct qr_gateway_options *options, struct qr_str name,
                      struct qri_server_choice *ret_choice)
{
    *ret_choice = (struct qri_server_choice){.name = name};
    return look_up(options, name, &ret_choice->id);
}

bool qri_server_choose(const struct qr_gateway_options *options, struct qr_str *user,
                       struct qr_str host, struct qri_server_choice *ret_choice)
{
    const char *at = user->n == 0 ? NULL : memrchr(user->p, '@', user->n);
    if (at != NULL) {
        struct qr_str server = qr_str_n(at + 1, user->n - (size_t)(at + 1 - user->p));
        if (!take_name(options, first_label(server), ret_choice))
            return false;
        user->n = (size_t)(at - user->p);
        return true;
    }
    host = host_of(host);
    uint32_t address;
    bool is_name = host.n > 0 && !qr_firewall_parse_address(host, &address);
    if (is_name && take_name(options, first_label(host), ret_choice))
        return true;
    if (has_suffix(host))
        return false;
    *ret_choice = (struct qri_server_choice){.name = qr_str(options->server_name)};
    return true;
}
