/* fuzz_list.c - any bytes as a page of the service's listing. */
#include <assert.h>
#include <string.h>
#include "azure_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum qr_status see(void *arg, const char *name, const struct qr_blob_info *info)
{
    size_t *count = arg;
    *count += 1;
    assert(strlen(name) < 1024 && strlen(info->tag.z) < sizeof info->tag.z);
    return QR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    struct qri_azure_page page = {.arg = &count, .each = see};
    qr_buf_init(&page.marker, 8192);
    enum qr_status status = qri_azure_parse_page((const char *)data, size, &page, NULL);
    assert(status == QR_OK || status == QR_PROTOCOL || status == QR_TOO_BIG);
    assert(count <= size / 13); /* <Blob> and </Blob> */
    qr_buf_done(&page.marker);
    return 0;
}
