/* fuzz_layer.c - a layer file of any bytes can be opened, walked and scanned without harm. The
 * checksums of headers, footers and sections are made true, or those of one of two are not. */
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "env/sim.h"
#include "layer_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAGIC = 0x594C5251, COPY_AT = 96, SWITCH_AT = 127, HURT_HEADER = 1, HURT_FOOTER = 2 };

static void mend_footer(uint8_t *file, size_t size, uint8_t *footer)
{
    for (int i = 0; i < QRI_SECTION_COUNT; i++) {
        uint64_t offset = qr_get64le(footer + 16 * i) % size;
        uint32_t bytes = qr_get32le(footer + 16 * i + 8) % (uint32_t)(size - offset + 1);
        qr_put64le(footer + 16 * i, offset);
        qr_put32le(footer + 16 * i + 8, bytes);
        qr_put32le(footer + 16 * i + 12, qr_crc32c(0, file + offset, bytes));
    }
    qr_put32le(footer + QRI_LAYER_FOOTER_BYTES - 8,
               qr_crc32c(0, footer, QRI_LAYER_FOOTER_BYTES - 8));
    qr_put32le(footer + QRI_LAYER_FOOTER_BYTES - 4, MAGIC);
}

static void mend_header(uint8_t *file, size_t size)
{
    qr_put32le(file, MAGIC);
    file[4] = QR_FORMAT_VERSION;
    file[5] = QR_CHECKSUM_CRC32C;
    qr_put32le(file + 8, 0);
    qr_put64le(file + 72, size);
    qr_put32le(file + 12, 0);
    qr_put32le(file + 12, qr_crc32c(0, file, QRI_LAYER_HEADER_BYTES));
}

static void mend(uint8_t *file, size_t size)
{
    uint8_t *footer = file + size - QRI_LAYER_FOOTER_BYTES;
    uint64_t copy_at = qr_get64le(file + COPY_AT);
    mend_footer(file, size, footer);
    if (copy_at <= size - QRI_LAYER_FOOTER_BYTES)
        mend_footer(file, size, file + copy_at);
    mend_header(file, size);
    if ((file[SWITCH_AT] & HURT_FOOTER) != 0)
        footer[0] ^= 1;
    if ((file[SWITCH_AT] & HURT_HEADER) != 0) {
        memmove(footer - QRI_LAYER_HEADER_BYTES, file, QRI_LAYER_HEADER_BYTES);
        file[0] ^= 1;
    }
}

static void use(struct qri_layer *layer)
{
    struct qri_walk walk;
    uint8_t page[QR_PAGE_BYTES_MAX];
    uint64_t version;
    qri_walk_init(&walk, layer->desc.first_page, UINT64_MAX);
    if (qri_layer_walk(layer, &walk, UINT64_MAX, NULL) == QR_OK)
        (void)!qri_walk_apply(&walk, page, layer->page_bytes, &version, NULL);
    qri_walk_done(&walk);
    struct qri_layer_scan scan;
    bool more = true;
    qri_layer_scan_init(&scan, layer);
    for (int i = 0; i < 10000 && more; i++) {
        if (qri_layer_scan_next(&scan, &more, NULL) != QR_OK)
            break;
    }
    qri_layer_scan_done(&scan);
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    qr_buf_init(&marks, 1 << 20);
    qr_buf_init(&changes, 1 << 20);
    if (qri_layer_meta(layer, &meta, &marks, &changes, NULL) == QR_OK)
        (void)!qri_meta_fold(&meta, &marks, &changes, UINT64_MAX, NULL);
    qri_meta_done(&meta);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < QRI_LAYER_HEADER_BYTES + QRI_LAYER_FOOTER_BYTES || size > 1 << 16)
        return 0;
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    mend(copy, size);
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qr_env *env = qr_sim_env(sim);
    struct qr_file *file;
    struct qri_layer_desc desc;
    struct qri_layer_form form;
    if (qr_env_open(env, "/l", QR_OPEN_RW | QR_OPEN_CREATE, &file, NULL) == QR_OK) {
        (void)!qr_file_pwrite(file, copy, size, 0, NULL);
        qr_file_close(file);
    }
    struct qri_layer *layer;
    const uint8_t *head = copy[0] == (MAGIC & 0xFF)
                              ? copy
                              : copy + size - QRI_LAYER_FOOTER_BYTES - QRI_LAYER_HEADER_BYTES;
    if (qri_header_decode(head, &desc, &form, NULL) == QR_OK &&
        qri_layer_open(env, NULL, "/l", &desc, &layer, NULL) == QR_OK) {
        use(layer);
        qri_layer_unref(layer);
    }
    qr_sim_free(sim);
    free(copy);
    return 0;
}
