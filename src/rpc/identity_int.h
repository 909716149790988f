/* identity_int.h - what a connection asks of the other side's certificate. */
#pragma once
#include <openssl/x509.h>
#include "rpc/identity.h"

/* QR_DENIED unless it names a machine and at least one role. */
QR_NODISCARD enum qr_status qri_identity_of(X509 *cert, struct qr_identity *ret_identity,
                                            struct qr_err *err);
