/* fuzz_rbpex.c - any bytes as the table of the page file tier, as they are and as the records of
 * blocks whose checksums fit: it opens, finds nothing wrong, and works on. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "env/sim.h"
#include "page/record.h"
#include "rbpex_int.h"

enum { PAGE_BYTES = 4096, SLOTS = 32, BLOCK_RECORDS = 8, FIRST_BYTES = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct qri_rbpex *open_it(struct qr_sim *sim)
{
    struct qri_rbpex *rb = NULL;
    struct qri_rbpex_options o = {.env = qr_sim_env(sim),
                                  .dir = "/n",
                                  .timeline = {{1}},
                                  .page_bytes = PAGE_BYTES,
                                  .bytes = SLOTS * PAGE_BYTES,
                                  .trust_lsn = UINT64_MAX / 2};
    if (qri_rbpex_open(&o, &rb, NULL) != QR_OK)
        abort();
    return rb;
}

/* A page of zeros under that number is the only one that any slot holds. */
static void look(struct qri_rbpex *rb)
{
    static uint8_t page[PAGE_BYTES], zeros[PAGE_BYTES];
    for (uint32_t p = 0; p < 2 * SLOTS; p++) {
        uint64_t lsn;
        if (qri_rbpex_read(rb, p, page, &lsn) == QRI_RBPEX_NONE)
            continue;
        assert(p == 7 && lsn == 5000);
        assert(memcmp(page, zeros, PAGE_BYTES - QR_PAGE_RESERVED_BYTES) == 0);
    }
}

static void add_block(struct qr_buf *file, uint64_t seq, const uint8_t *payload, size_t bytes)
{
    uint8_t h[QRI_RB_BLOCK_HEADER_BYTES] = {'Q', 'R', 'R', 'J', 1, 1};
    qr_put64le(h + 8, 77);
    qr_put64le(h + 16, seq);
    qr_put32le(h + 24, (uint32_t)bytes);
    qr_put32le(h + 36, qr_crc32c(qr_crc32c(0, h, 36), payload, bytes));
    qr_buf_add(file, h, sizeof h);
    qr_buf_add(file, payload, bytes);
}

/* The head of the table that is there, then the data as records. */
static void make_table(struct qr_buf *file, const uint8_t *old, const uint8_t *data, size_t size)
{
    uint64_t seq = 0;
    add_block(file, seq++, old + QRI_RB_BLOCK_HEADER_BYTES, FIRST_BYTES);
    for (size_t at = 0; at < size;) {
        size_t bytes = size - at < BLOCK_RECORDS * QRI_RB_RECORD_BYTES
                           ? size - at
                           : BLOCK_RECORDS * QRI_RB_RECORD_BYTES;
        add_block(file, seq++, data + at, bytes);
        at += bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[PAGE_BYTES];
    if (size > 1 << 16)
        return 0;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qr_env *env = qr_sim_env(sim);
    if (sim == NULL || qr_env_make_dir(env, "/n", NULL) != QR_OK)
        abort();
    struct qri_rbpex *rb = open_it(sim);
    qri_rbpex_confirm_all(rb, true);
    qri_rbpex_offer(rb, 7, 5000, zeros, QRI_RBPEX_HOT);
    qri_rbpex_close(rb, 6000);
    qri_rbpex_free(rb);
    for (int raw = 0; raw < 2; raw++) {
        struct qr_buf old, table;
        qr_buf_init(&old, 1 << 20);
        qr_buf_init(&table, 1 << 20);
        if (qr_env_read_file(env, "/n/rbpex-table", &old, NULL) != QR_OK)
            abort();
        if (raw)
            qr_buf_add(&table, data, size);
        else
            make_table(&table, old.data, data, size);
        if (qr_env_replace_file(env, "/n/rbpex-table", table.data, table.len, NULL) != QR_OK)
            abort();
        qr_buf_done(&old);
        qr_buf_done(&table);
        rb = open_it(sim);
        look(rb);
        qri_rbpex_confirm_all(rb, size % 2 == 0);
        look(rb);
        for (uint32_t p = 100; p < 100 + 2 * SLOTS; p++) {
            qri_rbpex_offer(rb, p, 9000, zeros, QRI_RBPEX_HOT);
            (void)qri_rbpex_step(rb);
        }
        qri_rbpex_close(rb, 9000);
        qri_rbpex_free(rb);
    }
    qr_sim_free(sim);
    return 0;
}
