/* gateway/cert.h - the certificate that is made when a server starts for the first time. */
#pragma once
#include "base/buf.h"
#include "base/status.h"
#include "env/env.h"

/* Appends a new RSA-2048 key and a certificate signed with it, both PEM, for localhost, 127.0.0.1,
 * ::1 and `host_name` (may be NULL), good for ten years. Takes up to a second. */
QR_NODISCARD enum qr_status qr_cert_make(struct qr_env *env, const char *host_name,
                                         struct qr_buf *key_pem, struct qr_buf *cert_pem,
                                         struct qr_err *err);
