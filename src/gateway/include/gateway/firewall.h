/* gateway/firewall.h - a server's firewall rules: ranges of IPv4 addresses that may connect.
 *
 * Threads: any. Names compare without case and are at most 128 bytes of UTF-8. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

enum { QR_FIREWALL_NAME_BYTES_MAX = 128, QR_FIREWALL_RULES_MAX = 256 }; /* Azure's own bound */

struct qr_firewall_rule {
    char name[QR_FIREWALL_NAME_BYTES_MAX + 1];
    uint32_t start, end; /* inclusive, in host order: 127.0.0.1 is 0x7f000001 */
};

struct qr_firewall {
    pthread_rwlock_t lock; /* guards everything below */
    size_t count;
    struct qr_firewall_rule rules[QR_FIREWALL_RULES_MAX];
};

void qr_firewall_init(struct qr_firewall *firewall);
void qr_firewall_done(struct qr_firewall *firewall);
/* Adds the rule or replaces the one of that name. QR_INVALID if start > end or the name is empty or
 * too long, QR_FULL when there are QR_FIREWALL_RULES_MAX. */
QR_NODISCARD enum qr_status qr_firewall_set(struct qr_firewall *firewall, struct qr_str name,
                                            uint32_t start, uint32_t end, struct qr_err *err);
bool qr_firewall_remove(struct qr_firewall *firewall, struct qr_str name); /* false: no such rule */
bool qr_firewall_allows(struct qr_firewall *firewall, uint32_t address);
/* "10.0.0.1" to host order; false if it is none. */
bool qr_firewall_parse_address(struct qr_str text, uint32_t *ret_address);
