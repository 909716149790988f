/* gateway/firewall.h - firewall rules: ranges of IPv4 addresses that may connect to the server, or
 * to one of its databases.
 *
 * Threads: any. Names compare without case (ASCII) and are at most 128 UTF-16 units in UTF-8. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

/* Azure's own bounds (errors 40611 and 40617). */
enum { QR_FIREWALL_NAME_BYTES_MAX = 3 * 128, QR_FIREWALL_RULES_MAX = 128 /* of each owner */ };

struct qr_firewall_rule {
    uint32_t database_id; /* whose rule it is: a database's or a server's */
    uint32_t start, end;  /* inclusive, in host order: 127.0.0.1 is 0x7f000001 */
    char name[QR_FIREWALL_NAME_BYTES_MAX + 1];
};

struct qr_firewall {
    pthread_rwlock_t lock; /* guards everything below */
    size_t count, capacity;
    struct qr_firewall_rule *rules;
};

void qr_firewall_init(struct qr_firewall *firewall);
void qr_firewall_done(struct qr_firewall *firewall);
/* Adds the rule or replaces the one of that name. QR_INVALID if start > end or the name is empty or
 * too long, QR_FULL when its owner has QR_FIREWALL_RULES_MAX. */
QR_NODISCARD enum qr_status qr_firewall_set(struct qr_firewall *firewall, uint32_t database_id,
                                            struct qr_str name, uint32_t start, uint32_t end,
                                            struct qr_err *err);
/* False: no such rule. */
bool qr_firewall_remove(struct qr_firewall *firewall, uint32_t database_id, struct qr_str name);
void qr_firewall_remove_all(struct qr_firewall *firewall, uint32_t database_id);
/* The rules of each become those of the other, at once; `other` is nobody else's. */
void qr_firewall_swap(struct qr_firewall *firewall, struct qr_firewall *other);
/* By a rule of the server, or of the database if database_id is not 0. */
bool qr_firewall_allows(struct qr_firewall *firewall, uint32_t server_id, uint32_t database_id,
                        uint32_t address);
/* "10.0.0.1" to host order; false if it is none. */
bool qr_firewall_parse_address(struct qr_str text, uint32_t *ret_address);
