/* fuzz_import.c - IMPORT requests, any bytes or nearly right, one after the other: each is answered
 * once, and a clean import of the same part behind them gives what was sent. */
#include <assert.h>
#include <string.h>
#include "base/endian.h"
#include "import_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { START_LSN = 100, LSN = 1000, FRAMES_MAX = 24, NEAR_BYTES = 8 };

/* Nearly right: page, count, flags and LSN out of a few bytes, and a frame that is cut or whole. */
static void send_near(struct import_bed *b, const uint8_t p[NEAR_BYTES])
{
    static const uint32_t firsts[] = {1, 0, QR_PAGES_PART, 2 * QR_PAGES_PART, UINT32_MAX - 15};
    struct qr_pages_import import = {.lsn = qr_lsn(LSN - 2 + p[0] % 4),
                                     .first_page = firsts[p[1] % 5] + p[2] % 8,
                                     .count = p[3] % IMPORT_PAGES_MAX,
                                     .begins = (p[4] & 1) != 0,
                                     .ends = (p[4] & 2) != 0};
    import_bed_frame(b, p[5] % 16 == 0, &import, 0);
    if (p[5] >= 128) /* a count that is not that of the pages */
        qr_put32le(b->frame + QR_TIMELINE_BYTES + 16, (uint32_t)p[6] << (p[7] % 32));
    size_t bytes = p[5] >= 64 && p[5] < 128 ? b->frame_bytes * p[6] / 256 : b->frame_bytes;
    (void)!import_bed_send(b, b->frame, bytes);
}

static bool is_whole(struct import_bed *b)
{
    struct qr_pages_import import = {
        .lsn = qr_lsn(LSN), .first_page = 1, .count = 6, .begins = true, .ends = true};
    uint32_t want = import_bed_frame(b, 0, &import, 0);
    return import_bed_send(b, b->frame, b->frame_bytes) == QR_OK && b->answer_bytes == 4 &&
           qr_get32le(b->answer) == want;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import_bed b;
    import_bed_open(&b);
    import_bed_create(&b, qr_lsn(START_LSN));
    for (int frames = 0; size > NEAR_BYTES && frames < FRAMES_MAX; frames++) {
        size_t rest = size - 1, raw = data[0] < rest ? data[0] : rest;
        if (data[0] % 2 == 0) {
            (void)!import_bed_send(&b, data + 1, raw);
        } else {
            raw = NEAR_BYTES;
            send_near(&b, data + 1);
        }
        data += 1 + raw;
        size -= 1 + raw;
    }
    bool whole = is_whole(&b);
    assert(whole);
    import_bed_close(&b);
    return 0;
}
