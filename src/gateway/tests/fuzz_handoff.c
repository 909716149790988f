/* Any bytes at a node's handoff socket: refused, or a login whose parts lie inside the message and
 * which a front would send as the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include "handoff_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct qr_str part, const uint8_t *data, size_t size)
{
    return part.n == 0 ||
           ((const uint8_t *)part.p >= data && (const uint8_t *)part.p + part.n <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qr_login login;
    struct qr_tds_login7 login7;
    struct qr_str early;
    if (qri_handoff_decode(data, size, &login, &login7, &early, NULL) != QR_OK)
        return 0;
    assert(is_inside(login.user, data, size) && is_inside(login.address, data, size) &&
           is_inside(login.database, data, size) && is_inside(login.sid, data, size) &&
           is_inside(login.password, data, size) && is_inside(early, data, size));
    assert(login.is_checked || login.password.n > 0);
    struct qr_buf again;
    qr_buf_init(&again, QRI_HANDOFF_BYTES_MAX);
    enum qr_status status = qri_handoff_encode(&login, early.n, &again, NULL);
    assert(status == QR_OK);
    qr_buf_addstr(&again, early);
    qr_put32le(again.data + 8, qr_get32le(data + 8)); /* versions fall together */
    assert(again.len == size && memcmp(again.data, data, size) == 0);
    qr_buf_done(&again);
    return 0;
}
