/* tds/prelogin.h - PRELOGIN of the client and our answer ([MS-TDS] 2.2.6.5).
 *
 * Pure: no I/O, no allocation, no globals; any thread. Input is hostile and may be any bytes.
 * Ownership: the parsed result points into `msg`, so it lives exactly as long as `msg` does.
 * Errors: QR_TRUNCATED if an option reaches past the end, QR_PROTOCOL if it breaks 2.2.6.5. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

enum { QR_TDS_PRELOGIN_OPTIONS_MAX = 32 }; /* the format sets no bound; we do */

/* B_FENCRYPTION values; the client-certificate bit 0x80 is kept apart. */
enum qr_tds_encryption {
    QR_TDS_ENCRYPT_OFF = 0, /* only the login is encrypted */
    QR_TDS_ENCRYPT_ON = 1,  /* everything is encrypted */
    QR_TDS_ENCRYPT_NOT_SUP = 2,
    QR_TDS_ENCRYPT_REQ = 3,
};

struct qr_tds_prelogin {
    uint32_t client_version; /* UL_VERSION, big-endian on the wire: major, minor, build */
    uint16_t client_subbuild;
    bool has_encryption;
    uint8_t encryption; /* enum qr_tds_encryption or a number the caller refuses */
    bool client_certificate;
    struct qr_str instance; /* INSTOPT without its NUL; p NULL if absent */
    uint32_t thread_id;
    bool wants_mars;
    bool has_trace_id;
    uint8_t trace_id[36]; /* connection GUID, activity GUID, activity sequence */
    bool has_fedauth;     /* FEDAUTHREQUIRED sent */
    uint8_t fedauth_required;
    bool has_nonce;
};

/* Unknown options are skipped, because newer clients send them. `err` may be NULL. */
QR_NODISCARD enum qr_status qr_tds_prelogin_parse(const uint8_t *msg, size_t msg_bytes,
                                                  struct qr_tds_prelogin *ret_prelogin,
                                                  struct qr_err *err);

/* What the server is willing to do about encryption. */
enum qr_tds_encryption_policy {
    QR_TDS_POLICY_PLAINTEXT_ALLOWED, /* encrypts when the client can, at least the login */
    QR_TDS_POLICY_LOGIN_ENCRYPTED,   /* a client that cannot encrypt is refused */
    QR_TDS_POLICY_ALL_ENCRYPTED,     /* forced: everything is encrypted */
};
enum qr_tds_tls_scope { QR_TDS_TLS_NONE, QR_TDS_TLS_LOGIN_ONLY, QR_TDS_TLS_ALL };

/* The answer's B_FENCRYPTION and what it makes of the connection. False: the client cannot or will
 * not do what the policy wants; send the answer, so that it learns why, and then close. */
bool qr_tds_encryption_negotiate(enum qr_tds_encryption_policy policy, uint8_t client_encryption,
                                 uint8_t *ret_answer, enum qr_tds_tls_scope *ret_scope);

struct qr_tds_prelogin_reply {
    uint8_t version[4]; /* major, minor, build big-endian: 12.0.2000 is {12, 0, 0x07, 0xD0} */
    uint16_t subbuild;
    uint8_t encryption;
    bool instance_matches; /* INSTOPT answer 0 or 1 */
};
/* Appends the body of the answering PRELOGIN (sent as a packet of type REPLY). Options that the
 * client did not send and that are not needed are left out. MARS is answered off. */
void qr_tds_prelogin_write(struct qr_buf *out, const struct qr_tds_prelogin *client,
                           const struct qr_tds_prelogin_reply *reply);
