/* fuzz_calls.c - any bytes as calls to a page server, one after the other, and as its answers. Each
 * call is answered exactly once; between and behind them everything is worked off.
 *
 * A call: u8 method, u8 which slice, u16 bytes, then what follows the slice. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "env/sim.h"
#include "pagesvc/client.h"

enum { CALLS_MAX = 16, HEAD_BYTES = 4, ID_BYTES = 20, WORK_MAX = 64 };
static const int64_t MS = 1000000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct call {
    struct qr_rpc_request request; /* first */
    uint8_t *body;
    int replies;
};

static void replied(struct qr_rpc_request *own_request, enum qr_status status,
                    const struct iovec *body, int body_count, void *own_memory)
{
    struct call *call = (struct call *)(void *)own_request;
    (void)status;
    for (int i = 0; i < body_count; i++) /* read, for the sanitizer */
        assert(body[i].iov_len == 0 || memchr(body[i].iov_base, 0, body[i].iov_len) != call);
    free(own_memory);
    call->replies += 1;
}

static bool gone(const struct qr_rpc_request *request)
{
    (void)request;
    return false;
}

static const struct qr_rpc_request_ops ops = {.reply = replied, .gone = gone};

static void work_off(struct qr_sim *sim, struct qr_pagesvc *svc)
{
    bool more = true;
    for (int i = 0; i < WORK_MAX && more; i++) {
        qr_sim_advance(sim, MS);
        if (qr_pagesvc_work(svc, &more, NULL) != QR_OK)
            break;
    }
    qr_sim_advance(sim, 10 * MS);
    qr_pagesvc_tick(svc);
}

/* Returns the bytes that it took. */
static size_t send_call(struct qr_sim *sim, struct qr_pagesvc *svc, struct call *call,
                        const uint8_t *data, size_t size)
{
    size_t bytes = (size_t)data[2] | (size_t)data[3] << 8;
    if (bytes > size - HEAD_BYTES)
        bytes = size - HEAD_BYTES;
    call->body = calloc(1, ID_BYTES + bytes); /* exactly, for the sanitizer */
    assert(call->body != NULL);
    call->body[0] = (uint8_t)(1 + (data[1] & 1)); /* the timeline */
    call->body[16] = data[1] >> 1 & 1;            /* the slice of it */
    if (bytes > 0)
        memcpy(call->body + ID_BYTES, data + HEAD_BYTES, bytes);
    call->request =
        (struct qr_rpc_request){.ops = &ops,
                                .method = (uint16_t)(QR_PAGES_GET + data[0] % 13),
                                .body = call->body,
                                .bytes = ID_BYTES + bytes,
                                .deadline_mono_ns = qr_env_mono_ns(qr_sim_env(sim)) + MS};
    qr_pagesvc_serve(svc, &call->request);
    return HEAD_BYTES + bytes;
}

static void calls(const uint8_t *data, size_t size)
{
    struct call all[CALLS_MAX] = {{.replies = 0}};
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qr_blob *blob = NULL;
    struct qr_pagesvc *svc = NULL;
    size_t count = 0;
    enum qr_status status = qr_blob_open(qr_sim_env(sim), NULL, "file:///blobs", "", &blob, NULL);
    assert(status == QR_OK);
    struct qr_pagesvc_options options = {.env = qr_sim_env(sim),
                                         .dir = "/layers",
                                         .blob = blob,
                                         .open_layer_bytes = 4096,
                                         .fan_in = 2,
                                         .grace_ns = 1000,
                                         .threads_off = true};
    status = qr_pagesvc_open(&options, &svc, NULL);
    assert(status == QR_OK);
    while (count < CALLS_MAX && size >= HEAD_BYTES) {
        bool works = (data[1] & 0x80) != 0;
        size_t used = send_call(sim, svc, &all[count++], data, size);
        if (works)
            work_off(sim, svc);
        data += used;
        size -= used;
    }
    work_off(sim, svc);
    qr_pagesvc_close(svc);
    qr_blob_close(blob);
    qr_sim_free(sim);
    for (size_t i = 0; i < count; i++) {
        assert(all[i].replies == 1);
        free(all[i].body);
    }
}

static void answers(const uint8_t *data, size_t size)
{
    struct qr_pages_got got;
    struct qr_pages_meta meta;
    struct qr_lsn horizon;
    for (size_t at = 0; at < size && qr_pages_got_next(data, size, &at, &got, NULL) == QR_OK;)
        assert(got.page == NULL || got.page + got.bytes <= data + size);
    if (qr_pages_meta_decode(data, size, &meta, NULL) == QR_OK)
        assert(meta.counters + 16 * meta.counter_count <= data + size);
    (void)!qr_pages_lease_answer(data, size, &horizon, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    answers(data, size);
    calls(data, size);
    return 0;
}
