/* Any bytes: every field of what is accepted lies inside them, and wiping touches nothing else. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "tds/login7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct qr_tds_utf16 text, const uint8_t *msg, size_t size)
{
    assert(text.units == 0 || (text.p >= msg && text.p + text.units * 2 <= msg + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    struct qr_tds_login7 l;
    if (qr_tds_login7_parse(copy, size, &l, NULL) == QR_OK) {
        inside(l.host, copy, size);
        inside(l.user, copy, size);
        inside(l.password, copy, size);
        inside(l.database, copy, size);
        inside(l.new_password, copy, size);
        for (size_t i = 0; i < l.feature_count; i++)
            assert(l.features[i].data + l.features[i].data_bytes <= copy + size);
        qr_tds_login7_wipe(&l);
    }
    free(copy);
    return 0;
}
