/* import.c - pages of a database that comes from elsewhere, as image layers; see
 * pagesvc/pagesvc.h.
 *
 * A part is what one image layer covers. It is written as it comes, then read again from its file:
 * what the sum tells is what the layer has. */
#include <string.h>
#include "slice_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/banned.h"

uint32_t qr_pages_import_sum(uint32_t sum, uint32_t page_no, struct qr_lsn version,
                             const uint8_t *page, uint32_t page_bytes)
{
    uint8_t head[12];
    qr_put32le(head, page_no);
    qr_put64le(head + 4, version.v);
    sum = qr_crc32c(sum, head, sizeof head);
    return qr_crc32c(sum, page, page_bytes - QR_PAGE_RESERVED_BYTES);
}

void qri_import_abandon(struct qri_slice *slice)
{
    qri_layer_writer_abandon(slice->import.writer);
    slice->import.writer = NULL;
}

/* The part of `page_no`, as images are made of it later on (compact.c). */
static void part_of(const struct qri_slice *slice, uint32_t page_no, uint32_t *ret_first,
                    uint32_t *ret_last)
{
    uint32_t at = page_no / QRI_PARTITION_PAGES * QRI_PARTITION_PAGES;
    *ret_first = at < slice->first_page ? slice->first_page : at;
    *ret_last = at + QRI_PARTITION_PAGES - 1;
}

static enum qr_status begin(struct qri_slice *slice, const struct qr_pages_import *import,
                            struct qr_err *err)
{
    uint32_t first, last;
    part_of(slice, import->first_page, &first, &last);
    qri_import_abandon(slice);
    if (import->first_page != first || first > slice->last_page)
        return qr_fail(err, QR_INVALID, "page %u begins no part of the slice", import->first_page);
    if (import->lsn.v < slice->start_lsn)
        return qr_fail(err, QR_INVALID, "pages as of LSN %llu, before the slice begins",
                       (unsigned long long)import->lsn.v);
    pthread_mutex_lock(&slice->task_mu);
    struct qri_layer_desc desc = qri_layer_new_desc(slice, QRI_LAYER_IMAGE);
    pthread_mutex_unlock(&slice->task_mu);
    desc.first_lsn = desc.last_lsn = import->lsn.v;
    desc.first_page = first;
    desc.last_page = last;
    slice->import.desc = desc;
    slice->import.next_page = first;
    return qri_layer_begin(slice, &desc, false, &slice->import.writer, err);
}

static enum qr_status add(struct qri_slice *slice, const struct qr_pages_import *import,
                          struct qr_err *err)
{
    struct qri_import *to = &slice->import;
    struct qr_buf record;
    enum qr_status status = QR_OK;
    if (to->writer == NULL || import->first_page != to->next_page ||
        import->lsn.v != to->desc.last_lsn ||
        import->first_page + (uint64_t)import->count > (uint64_t)to->desc.last_page + 1)
        return qr_fail(err, QR_CONFLICT, "page %u does not follow", import->first_page);
    qr_buf_init(&record, QR_RECORD_BYTES_MAX);
    const uint8_t *p = import->pages;
    for (uint32_t i = 0; i < import->count && status == QR_OK; i++) {
        uint64_t version = qr_get64le(p);
        qr_buf_clear(&record);
        qr_record_add_page(&record, to->next_page, NULL, p + 8, slice->page_bytes);
        status = version > import->lsn.v
                     ? qr_fail(err, QR_INVALID, "page %u is of a later LSN", to->next_page)
                     : qr_buf_status(&record, err);
        if (status == QR_OK)
            status = qri_layer_writer_add(to->writer, to->next_page, version, record.data,
                                          (uint32_t)record.len, err);
        to->next_page += 1;
        p += 8 + slice->page_bytes;
    }
    qr_buf_done(&record);
    return status;
}

static enum qr_status sum_layer(struct qri_slice *slice, struct qri_layer *layer, uint32_t *ret_sum,
                                struct qr_err *err)
{
    uint8_t page[QR_PAGE_BYTES_MAX];
    struct qri_layer_scan scan;
    uint32_t sum = 0;
    bool more = false;
    qri_layer_scan_init(&scan, layer);
    enum qr_status status = qri_layer_scan_next(&scan, &more, err);
    while (status == QR_OK && more) {
        struct qr_record record;
        status = qr_record_decode(scan.record, scan.bytes, &record, err);
        if (status == QR_OK)
            status = qr_record_apply(&record, page, slice->page_bytes, err);
        if (status == QR_OK)
            sum = qr_pages_import_sum(sum, scan.page_no, qr_lsn(scan.lsn), page, slice->page_bytes);
        if (status == QR_OK)
            status = qri_layer_scan_next(&scan, &more, err);
    }
    qri_layer_scan_done(&scan);
    *ret_sum = sum;
    return status;
}

/* Without any lock but at its end: nobody else knows the layer, and the next part comes meanwhile.
 */
static enum qr_status end(struct qri_slice *slice, struct qri_layer_writer *own_writer,
                          uint32_t *ret_sum, struct qr_err *err)
{
    struct qri_layer_desc desc;
    struct qri_layer *layer = NULL;
    struct qr_buf none;
    qr_buf_init(&none, 0);
    QR_TRY(qri_layer_writer_end(own_writer, &(struct qri_meta){0}, &none, &none, &desc, err));
    enum qr_status status = qri_layer_store(slice, &desc, &layer, err);
    if (status == QR_OK)
        status = sum_layer(slice, layer, ret_sum, err);
    pthread_mutex_lock(&slice->task_mu);
    if (status == QR_OK)
        status = qri_manifest_replace(slice, NULL, 0, &desc, 1, err);
    if (status == QR_OK)
        status = qri_set_replace(slice, NULL, 0, layer, err);
    if (status == QR_OK) { /* no log would bring these pages (G13) */
        pthread_mutex_lock(&slice->work_mu);
        status = qri_manifest_put_copy(slice, err);
        pthread_mutex_unlock(&slice->work_mu);
    }
    pthread_mutex_unlock(&slice->task_mu);
    atomic_fetch_add(&slice->svc->image_bytes, desc.bytes);
    qri_layer_unref(layer);
    return status;
}

/* The log says what the pages are from then on. */
static enum qr_status check_no_log(struct qri_slice *slice, struct qr_err *err)
{
    pthread_mutex_lock(&slice->ingest_mu);
    bool has_log = slice->next_lsn != slice->start_lsn;
    pthread_mutex_unlock(&slice->ingest_mu);
    return has_log ? qr_fail(err, QR_CONFLICT, "slice %u has log already", slice->id.no) : QR_OK;
}

enum qr_status qr_pagesvc_import(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 const struct qr_pages_import *import, uint32_t *ret_sum,
                                 struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    *ret_sum = 0;
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    enum qr_status status = check_no_log(slice, err);
    pthread_mutex_lock(&slice->import_mu);
    if (status == QR_OK && import->bytes != import->count * (8 + (uint64_t)slice->page_bytes))
        status = qr_fail(err, QR_PROTOCOL, "%u pages in %zu bytes", import->count, import->bytes);
    if (status == QR_OK && import->begins)
        status = begin(slice, import, err);
    if (status == QR_OK)
        status = add(slice, import, err);
    if (status != QR_OK)
        qri_import_abandon(slice);
    struct qri_layer_writer *writer = import->ends ? slice->import.writer : NULL;
    if (writer != NULL)
        slice->import.writer = NULL;
    pthread_mutex_unlock(&slice->import_mu);
    if (writer != NULL)
        status = end(slice, writer, ret_sum, err);
    qri_slice_unref(slice);
    return status;
}
