/* firewall.c - see gateway/firewall.h */
#include "gateway/firewall.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

void qr_firewall_init(struct qr_firewall *firewall)
{
    *firewall = (struct qr_firewall){0};
    pthread_rwlock_init(&firewall->lock, NULL);
}

void qr_firewall_done(struct qr_firewall *firewall)
{
    free(firewall->rules);
    pthread_rwlock_destroy(&firewall->lock);
}

static struct qr_firewall_rule *find(struct qr_firewall *firewall, uint32_t database_id,
                                     struct qr_str name)
{
    for (size_t i = 0; i < firewall->count; i++)
        if (firewall->rules[i].database_id == database_id &&
            qr_str_ieqz(name, firewall->rules[i].name))
            return &firewall->rules[i];
    return NULL;
}

static enum qr_status add(struct qr_firewall *firewall, uint32_t database_id, struct qr_str name,
                          struct qr_firewall_rule **ret_rule, struct qr_err *err)
{
    size_t owned = 0;
    for (size_t i = 0; i < firewall->count; i++)
        owned += firewall->rules[i].database_id == database_id;
    if (owned >= QR_FIREWALL_RULES_MAX)
        return qr_fail(err, QR_FULL, "there may be %d firewall rules", QR_FIREWALL_RULES_MAX);
    if (firewall->count == firewall->capacity) {
        size_t capacity = firewall->capacity == 0 ? 8 : firewall->capacity * 2;
        struct qr_firewall_rule *rules = realloc(firewall->rules, capacity * sizeof *rules);
        if (rules == NULL)
            return qr_fail(err, QR_NOMEM, "add a firewall rule");
        firewall->rules = rules;
        firewall->capacity = capacity;
    }
    struct qr_firewall_rule *rule = &firewall->rules[firewall->count++];
    *rule = (struct qr_firewall_rule){.database_id = database_id};
    memcpy(rule->name, name.p, name.n);
    *ret_rule = rule;
    return QR_OK;
}

enum qr_status qr_firewall_set(struct qr_firewall *firewall, uint32_t database_id,
                               struct qr_str name, uint32_t start, uint32_t end, struct qr_err *err)
{
    if (name.n == 0 || name.n > QR_FIREWALL_NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
        return qr_fail(err, QR_INVALID, "the name of a firewall rule has 1 to %d bytes",
                       QR_FIREWALL_NAME_BYTES_MAX);
    if (start > end)
        return qr_fail(err, QR_INVALID, "firewall rule '%.*s' ends before it starts", (int)name.n,
                       name.p);
    pthread_rwlock_wrlock(&firewall->lock);
    struct qr_firewall_rule *rule = find(firewall, database_id, name);
    enum qr_status status = rule == NULL ? add(firewall, database_id, name, &rule, err) : QR_OK;
    if (status == QR_OK) {
        rule->start = start;
        rule->end = end;
    }
    pthread_rwlock_unlock(&firewall->lock);
    return status;
}

static void remove_at(struct qr_firewall *firewall, struct qr_firewall_rule *rule)
{
    *rule = firewall->rules[--firewall->count];
}

bool qr_firewall_remove(struct qr_firewall *firewall, uint32_t database_id, struct qr_str name)
{
    pthread_rwlock_wrlock(&firewall->lock);
    struct qr_firewall_rule *rule = find(firewall, database_id, name);
    if (rule != NULL)
        remove_at(firewall, rule);
    pthread_rwlock_unlock(&firewall->lock);
    return rule != NULL;
}

void qr_firewall_remove_all(struct qr_firewall *firewall, uint32_t database_id)
{
    pthread_rwlock_wrlock(&firewall->lock);
    for (size_t i = firewall->count; i-- > 0;)
        if (firewall->rules[i].database_id == database_id)
            remove_at(firewall, &firewall->rules[i]);
    pthread_rwlock_unlock(&firewall->lock);
}

bool qr_firewall_allows(struct qr_firewall *firewall, uint32_t server_id, uint32_t database_id,
                        uint32_t address)
{
    bool allows = false;
    pthread_rwlock_rdlock(&firewall->lock);
    for (size_t i = 0; i < firewall->count && !allows; i++) {
        const struct qr_firewall_rule *rule = &firewall->rules[i];
        bool is_of_it = rule->database_id == server_id ||
                        (database_id != 0 && rule->database_id == database_id);
        allows = is_of_it && address >= rule->start && address <= rule->end;
    }
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

void qr_firewall_swap(struct qr_firewall *firewall, struct qr_firewall *other)
{
    pthread_rwlock_wrlock(&firewall->lock);
    size_t count = firewall->count, capacity = firewall->capacity;
    struct qr_firewall_rule *rules = firewall->rules;
    firewall->count = other->count;
    firewall->capacity = other->capacity;
    firewall->rules = other->rules;
    other->count = count;
    other->capacity = capacity;
    other->rules = rules;
    pthread_rwlock_unlock(&firewall->lock);
}
