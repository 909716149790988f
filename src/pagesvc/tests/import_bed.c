/* import_bed.c - see import_bed.h */
#include "import_bed.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "page/record.h"

void import_bed_open(struct import_bed *b)
{
    memset(b, 0, sizeof *b);
    b->sim = qr_sim_new(&(struct qr_sim_options){.seed = 5});
    struct qr_env *env = qr_sim_env(b->sim);
    memset(b->id.timeline.id, 7, sizeof b->id.timeline.id);
    struct qr_pagesvc_options options = {.env = env, .dir = "/layers", .threads_off = true};
    enum qr_status status = qr_blob_open(env, NULL, "file:///blobs", "", &b->blob, NULL);
    options.blob = b->blob;
    if (status == QR_OK)
        status = qr_pagesvc_open(&options, &b->svc, NULL);
    assert(status == QR_OK);
}

void import_bed_create(struct import_bed *b, struct qr_lsn start_lsn)
{
    enum qr_status status = qr_pagesvc_create(b->svc, &b->id, IMPORT_PAGE_BYTES, start_lsn, NULL);
    assert(status == QR_OK);
}

void import_bed_close(struct import_bed *b)
{
    qr_pagesvc_close(b->svc);
    qr_blob_close(b->blob);
    qr_sim_free(b->sim);
}

uint32_t import_bed_frame(struct import_bed *b, uint32_t slice,
                          const struct qr_pages_import *import, uint32_t sum)
{
    struct qr_slice_id id = {b->id.timeline, slice};
    assert(import->count <= IMPORT_PAGES_MAX);
    qr_pages_import_encode(&id, import, b->frame);
    uint8_t *p = b->frame + QR_PAGES_IMPORT_HEADER_BYTES;
    for (uint32_t i = 0; i < import->count; i++, p += IMPORT_ENTRY_BYTES) {
        uint32_t page_no = import->first_page + i;
        qr_put64le(p, import->lsn.v);
        memset(p + 8, (uint8_t)page_no, IMPORT_PAGE_BYTES);
        qr_put32le(p + 8, page_no);
        sum = qr_pages_import_sum(sum, page_no, import->lsn, p + 8, IMPORT_PAGE_BYTES);
    }
    b->frame_bytes = (size_t)(p - b->frame);
    return sum;
}

struct asked {
    struct qr_rpc_request request; /* first */
    struct import_bed *bed;
    enum qr_status status;
    int replies;
};

static void reply(struct qr_rpc_request *own_request, enum qr_status status,
                  const struct iovec *body, int body_count, void *own_memory)
{
    struct asked *asked = (struct asked *)own_request;
    asked->status = status;
    asked->replies++;
    for (int i = 0; status == QR_OK && i < body_count; i++) {
        assert(asked->bed->answer_bytes + body[i].iov_len <= sizeof asked->bed->answer);
        memcpy(asked->bed->answer + asked->bed->answer_bytes, body[i].iov_base, body[i].iov_len);
        asked->bed->answer_bytes += body[i].iov_len;
    }
    free(own_memory);
}

static bool is_gone(const struct qr_rpc_request *request)
{
    (void)request;
    return false;
}

enum qr_status import_bed_send(struct import_bed *b, const uint8_t *body, size_t bytes)
{
    static const struct qr_rpc_request_ops ops = {.reply = reply, .gone = is_gone};
    struct asked asked = {.request = {.ops = &ops,
                                      .method = QR_PAGES_IMPORT,
                                      .body = body,
                                      .bytes = bytes,
                                      .deadline_mono_ns = INT64_MAX},
                          .bed = b};
    b->answer_bytes = 0;
    qr_pagesvc_serve(b->svc, &asked.request);
    assert(asked.replies == 1);
    return asked.status;
}

void import_bed_log(struct import_bed *b, struct qr_lsn start_lsn)
{
    struct qr_buf log;
    qr_buf_init(&log, 4096);
    qr_record_add_epoch(&log, 1, start_lsn.v, 1);
    qr_record_add_commit(&log, 6, 0, 1, 1);
    enum qr_status status =
        qr_pagesvc_ingest(b->svc, &b->id, &b->id.timeline, 1, start_lsn, log.data, log.len, NULL);
    assert(status == QR_OK);
    qr_buf_done(&log);
}

uint32_t import_bed_layers(struct import_bed *b)
{
    struct qr_pagesvc_stats stats;
    qr_pagesvc_get_stats(b->svc, &stats);
    return (uint32_t)stats.layers;
}
