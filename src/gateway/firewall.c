/* firewall.c - see gateway/firewall.h */
#include "gateway/firewall.h"
#include <arpa/inet.h>
#include <string.h>
#include "base/banned.h"

void qr_firewall_init(struct qr_firewall *firewall)
{
    pthread_rwlock_init(&firewall->lock, NULL);
    firewall->count = 0;
}

void qr_firewall_done(struct qr_firewall *firewall)
{
    pthread_rwlock_destroy(&firewall->lock);
}

static struct qr_firewall_rule *find(struct qr_firewall *firewall, struct qr_str name)
{
    for (size_t i = 0; i < firewall->count; i++)
        if (qr_str_ieqz(name, firewall->rules[i].name))
            return &firewall->rules[i];
    return NULL;
}

enum qr_status qr_firewall_set(struct qr_firewall *firewall, struct qr_str name, uint32_t start,
                               uint32_t end, struct qr_err *err)
{
    if (name.n == 0 || name.n > QR_FIREWALL_NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
        return qr_fail(err, QR_INVALID, "the name of a firewall rule has 1 to %d bytes",
                       QR_FIREWALL_NAME_BYTES_MAX);
    if (start > end)
        return qr_fail(err, QR_INVALID, "firewall rule '%.*s' ends before it starts", (int)name.n,
                       name.p);
    enum qr_status status = QR_OK;
    pthread_rwlock_wrlock(&firewall->lock);
    struct qr_firewall_rule *rule = find(firewall, name);
    if (rule == NULL && firewall->count < QR_FIREWALL_RULES_MAX) {
        rule = &firewall->rules[firewall->count++];
        memcpy(rule->name, name.p, name.n);
        rule->name[name.n] = '\0';
    }
    if (rule != NULL) {
        rule->start = start;
        rule->end = end;
    } else {
        status =
            qr_fail(err, QR_FULL, "a server has at most %d firewall rules", QR_FIREWALL_RULES_MAX);
    }
    pthread_rwlock_unlock(&firewall->lock);
    return status;
}

bool qr_firewall_remove(struct qr_firewall *firewall, struct qr_str name)
{
    pthread_rwlock_wrlock(&firewall->lock);
    struct qr_firewall_rule *rule = find(firewall, name);
    if (rule != NULL) {
        size_t after = firewall->count - (size_t)(rule - firewall->rules) - 1;
        memmove(rule, rule + 1, after * sizeof *rule);
        firewall->count -= 1;
    }
    pthread_rwlock_unlock(&firewall->lock);
    return rule != NULL;
}

bool qr_firewall_allows(struct qr_firewall *firewall, uint32_t address)
{
    bool allows = false;
    pthread_rwlock_rdlock(&firewall->lock);
    for (size_t i = 0; i < firewall->count && !allows; i++)
        allows = address >= firewall->rules[i].start && address <= firewall->rules[i].end;
    pthread_rwlock_unlock(&firewall->lock);
    return allows;
}

bool qr_firewall_parse_address(struct qr_str text, uint32_t *ret_address)
{
    char z[INET_ADDRSTRLEN];
    struct in_addr in;
    if (text.n == 0 || text.n >= sizeof z)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (strlen(z) != text.n || inet_pton(AF_INET, z, &in) != 1)
        return false;
    *ret_address = ntohl(in.s_addr);
    return true;
}
