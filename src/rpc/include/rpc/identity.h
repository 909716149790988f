/* rpc/identity.h - certificates by which the machines of a service know each other over TCP.
 *
 * A service has one CA of its own. An identity is one PEM text with a key, its certificate and the
 * CA's certificate; rpc/socket.h loads it. The certificate carries the machine's name (CN) and the
 * roles that it may play (one subject alternative name `URI:quire:role:<role>` each); whoever is at
 * the other end of a connection looks at the roles before it reads a frame.
 *
 * Keys are EC P-256, signatures ECDSA with SHA-256. PEM texts given here may be any bytes.
 * Threads: any. Errors: QR_INVALID (names, roles), QR_CORRUPT (a text that is no identity, or no
 * CA), QR_DENIED (a certificate that names no machine and roles), QR_NOMEM, QR_BUG (OpenSSL). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "env/env.h"

enum {
    QR_IDENTITY_NAME_BYTES = 64, /* with NUL; letters, digits, '-', '.' and '_' */
    QR_IDENTITY_ROLES_BYTES = 96,
    QR_IDENTITY_PEM_BYTES_MAX = 64 * 1024,
};

struct qr_identity {
    char name[QR_IDENTITY_NAME_BYTES];
    char roles[QR_IDENTITY_ROLES_BYTES]; /* words of a-z, one blank between two */
};

/* Does it play one of those roles (words, as above)? */
bool qr_identity_plays(const struct qr_identity *identity, const char *roles);

/* Appends key and certificate of a new CA. Whoever has them makes machines: keep them 0600. */
QR_NODISCARD enum qr_status qr_identity_make_ca(struct qr_env *env, int days, struct qr_buf *pem,
                                                struct qr_err *err);
/* Appends an identity signed by that CA: valid from yesterday, as clocks differ, for `days` from
 * now (less than none: it has run out), and no longer than the CA. */
QR_NODISCARD enum qr_status qr_identity_issue(struct qr_env *env, const char *ca_pem,
                                              const struct qr_identity *identity, int days,
                                              struct qr_buf *pem, struct qr_err *err);
/* Whose certificate it is, and until when that is valid. */
QR_NODISCARD enum qr_status qr_identity_read(const char *pem, struct qr_identity *ret_identity,
                                             int64_t *ret_until_wall_ns, struct qr_err *err);
