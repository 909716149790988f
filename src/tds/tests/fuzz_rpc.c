/* Any bytes as calls of every version: reading ends, and table-valued rows that were accepted can
 * be read again. The first byte picks the version. */
#include <assert.h>
#include <stdlib.h>
#include "tds/request.h"
#include "tds/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(struct qr_tds_tvp *tvp, struct qr_arena *arena)
{
    struct qr_value *values = qr_arena_array(arena, tvp->column_count + 1, sizeof *values);
    uint64_t count = 0;
    bool row = values != NULL && !tvp->is_null;
    while (row) {
        if (qr_tds_tvp_next(tvp, arena, values, &row, NULL) != QR_OK)
            return; /* out of arena */
        count += row;
    }
    assert(tvp->is_null || values == NULL || count == tvp->row_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum qr_tds_version version = (enum qr_tds_version)(QR_TDS_VERSION_71 + data[0] % 5);
    struct qr_tds_cursor c = qr_tds_cursor(data + 1, size - 1);
    struct qr_tds_all_headers headers;
    if (data[0] & 0x80 && qr_tds_all_headers_read(&c, version, &headers, NULL) != QR_OK)
        return 0;
    struct qr_arena arena;
    qr_arena_init(&arena, 16 << 20);
    struct qr_tds_rpc rpc;
    bool more = true;
    while (more && qr_tds_rpc_read(&c, version, &arena, &rpc, &more, NULL) == QR_OK) {
        for (size_t i = 0; i < rpc.param_count; i++) {
            if (rpc.params[i].tvp != NULL)
                read_rows(rpc.params[i].tvp, &arena);
        }
    }
    qr_arena_done(&arena);
    return 0;
}
