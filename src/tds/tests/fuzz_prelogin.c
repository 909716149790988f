/* Any bytes: what is accepted lies inside them. */
#include <assert.h>
#include "tds/prelogin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_tds_prelogin p;
    if (qr_tds_prelogin_parse(data, size, &p, NULL) != QR_OK)
        return 0;
    const uint8_t *instance = (const uint8_t *)p.instance.p;
    assert(instance == NULL || (instance >= data && instance + p.instance.n <= data + size));
    uint8_t answer;
    enum qr_tds_tls_scope scope;
    (void)qr_tds_encryption_negotiate(QR_TDS_POLICY_LOGIN_ENCRYPTED, p.encryption, &answer, &scope);
    return 0;
}
