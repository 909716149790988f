/* rbpex_look.c - see store/rbpex_look.h: the tier of a node that does not run. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "env/thread.h"
#include "page/block.h"
#include "page/record.h"
#include "page/trailer.h"
#include "store/rbpex_look.h"
#include "rbpex_int.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, LOOK_SLOTS_MAX = 1 << 26 };

/* The header of a file that nobody serves from. */
static enum qr_status read_header(struct qri_rbpex *rb, struct qr_err *err)
{
    uint8_t h[QRI_RB_HEADER_BYTES];
    char path[PATH_BYTES];
    uint64_t size = 0;
    qri_rb_path(rb, path, sizeof path, "rbpex");
    QR_TRY(qr_env_open(rb->env, path, QR_OPEN_READ, &rb->data_file, err));
    QR_TRY(qr_file_size(rb->data_file, &size, err));
    if (size < sizeof h) /* a power cut came before its header was there */
        return QR_OK;
    QR_TRY(qr_file_read_exactly(rb->data_file, h, sizeof h, 0, err));
    rb->page_bytes = qr_get32le(h + 12);
    if (qr_get32le(h) != QRI_RB_MAGIC || h[4] != QR_FORMAT_VERSION || h[5] != QR_CHECKSUM_CRC32C ||
        qr_get32le(h + QRI_RB_HEADER_CRC_OFFSET) != qr_crc32c(0, h, QRI_RB_HEADER_CRC_OFFSET) ||
        rb->page_bytes < QR_PAGE_BYTES_MIN || rb->page_bytes > QR_PAGE_BYTES_MAX)
        return qr_fail(err, QR_CORRUPT, "the header of the file of slots is damaged");
    memcpy(rb->timeline.id, h + 16, QR_TIMELINE_BYTES);
    rb->key_crc = qr_crc32c(0, rb->timeline.id, QR_TIMELINE_BYTES);
    rb->data_key.id = qr_get32le(h + 8);
    rb->data_id = qr_get64le(h + 32);
    uint64_t slots = size / rb->page_bytes; /* one too many: the header's room */
    if (slots > LOOK_SLOTS_MAX)
        return qr_fail(err, QR_TOO_BIG, "%llu slots", (unsigned long long)slots);
    return qri_rb_table_init(
        rb, slots < QRI_RBPEX_PAGES_MIN ? QRI_RBPEX_PAGES_MIN : (uint32_t)slots, err);
}

/* As it lies there, encrypted or not. */
static bool is_there(struct qri_rbpex *rb, uint32_t slot_no, uint8_t *page)
{
    const struct qri_rb_slot *slot = &rb->slots[slot_no];
    uint64_t lsn = 0;
    return qr_file_read_exactly(rb->data_file, page, rb->page_bytes,
                                qri_rb_slot_offset(rb, slot_no), NULL) == QR_OK &&
           qri_rb_seal_crc(rb, page) == slot->crc &&
           qr_page_verify(page, rb->page_bytes, slot->page_no, &lsn, NULL) == QR_OK &&
           lsn == slot->lsn;
}

static enum qr_status look(struct qri_rbpex *rb, struct qr_rbpex_sight *sight, struct qr_err *err)
{
    QR_TRY(read_header(rb, err));
    if (rb->slot_count == 0)
        return QR_OK;
    QR_TRY(qri_rb_journal_read(rb, UINT64_MAX, err));
    *sight = (struct qr_rbpex_sight){.timeline = rb->timeline,
                                     .page_bytes = rb->page_bytes,
                                     .key_id = rb->data_key.id,
                                     .slots = rb->slot_count,
                                     .mark_lsn = rb->mark_lsn};
    uint8_t *page = malloc(rb->page_bytes);
    if (page == NULL)
        return qr_fail(err, QR_NOMEM, "page");
    for (uint32_t i = 0; i < rb->slot_count; i++) {
        if (rb->slots[i].state != QRI_RB_READY)
            continue;
        sight->pages++;
        sight->lost += !is_there(rb, i, page);
    }
    free(page);
    return QR_OK;
}

enum qr_status qr_rbpex_look(struct qr_env *env, const char *dir, struct qr_rbpex_sight *ret_sight,
                             struct qr_err *err)
{
    struct qri_rbpex *rb = calloc(1, sizeof *rb);
    if (rb == NULL)
        return qr_fail(err, QR_NOMEM, "cache");
    rb->env = env;
    pthread_mutex_init(&rb->step_mu, NULL);
    pthread_mutex_init(&rb->mu, NULL);
    qr_cond_init(&rb->wake);
    qr_buf_init(&rb->pending, QRI_RB_BLOCK_MAX);
    qr_buf_init(&rb->writing, QRI_RB_BLOCK_MAX);
    rb->dir = strdup(dir);
    struct qr_rbpex_sight sight = {.slots = 0};
    enum qr_status status =
        rb->dir == NULL ? qr_fail(err, QR_NOMEM, "name") : look(rb, &sight, err);
    qri_rbpex_free(rb);
    if (status == QR_OK)
        *ret_sight = sight;
    return status;
}
