/* changes.c - the page records of a group, by page; see store_int.h. */
#include <stdlib.h>
#include "store_int.h"
#include "base/banned.h"

static enum qr_status add_change(struct qri_change **changes, size_t *capacity, size_t count,
                                 const uint8_t *bytes, const struct qr_record *record,
                                 struct qr_err *err)
{
    if (count == *capacity) {
        size_t more = count < 64 ? 64 : count * 2;
        struct qri_change *grown = realloc(*changes, more * sizeof *grown);
        if (grown == NULL)
            return qr_fail(err, QR_NOMEM, "log group of %zu pages", count);
        *changes = grown;
        *capacity = more;
    }
    (*changes)[count] = (struct qri_change){
        .record = bytes, .page_no = record->page.page_no, .bytes = record->bytes};
    return QR_OK;
}

static int by_page(const void *a, const void *b)
{
    const struct qri_change *x = a, *y = b;
    if (x->page_no != y->page_no)
        return x->page_no < y->page_no ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

enum qr_status qri_changes_gather(struct qri_change **changes, size_t *capacity, size_t from,
                                  const uint8_t *records, size_t bytes, size_t *ret_end,
                                  struct qr_err *err)
{
    size_t count = from;
    for (size_t at = 0; at < bytes;) {
        struct qr_record record;
        QR_TRY(qr_record_decode(records + at, bytes - at, &record, err));
        if (record.kind == QR_RECORD_DELTA || record.kind == QR_RECORD_IMAGE)
            QR_TRY(add_change(changes, capacity, count++, records + at, &record, err));
        at += record.bytes;
    }
    if (count > from + 1)
        qsort(*changes + from, count - from, sizeof **changes, by_page);
    *ret_end = count;
    return QR_OK;
}

size_t qri_changes_end(const struct qri_change *changes, size_t count, size_t from)
{
    size_t end = from + 1;
    while (end < count && changes[end].page_no == changes[from].page_no)
        end++;
    return end;
}
