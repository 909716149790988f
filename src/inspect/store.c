/* store.c - the directory of a General Purpose database: data file and double-write area; see
 * inspect_int.h. The log is in store_log.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "store_int.h"
#include "page/trailer.h"
#include "base/banned.h"

enum { READ_PAGES = 64 };

/* --- double-write --- */

/* Which pages of it are intact: those can be torn in the data file. */
struct spare {
    struct qr_dw_header header;
    bool intact[QR_DW_PAGES_MAX];
    uint32_t intact_count;
    bool any;
};

static void read_spare(struct qri_run *run, struct qr_file *file, struct spare *ret_spare)
{
    uint8_t head[QR_DW_HEADER_BYTES];
    struct qr_err err;
    qr_err_reset(&err);
    *ret_spare = (struct spare){.any = false};
    if (qr_file_read_exactly(file, head, sizeof head, 0, &err) != QR_OK ||
        qr_dw_header_decode(head, &ret_spare->header, &err) != QR_OK)
        return; /* never used, or a power cut came while it was written: then nothing is torn */
    uint8_t *page = malloc(QR_PAGE_BYTES_MAX);
    if (page == NULL) {
        run->failed = true;
        return;
    }
    ret_spare->any = true;
    const struct qr_dw_header *h = &ret_spare->header;
    for (uint32_t i = 0; i < h->page_count; i++) {
        uint64_t lsn;
        ret_spare->intact[i] =
            qr_file_read_exactly(file, page, h->page_bytes,
                                 QR_DW_HEADER_BYTES + (uint64_t)i * h->page_bytes, NULL) == QR_OK &&
            qr_page_verify(page, h->page_bytes, h->page_no[i], &lsn, NULL) == QR_OK;
        ret_spare->intact_count += ret_spare->intact[i];
    }
    free(page);
}

static bool has_spare(const struct spare *s, const struct qr_data_header *h, uint32_t page_no)
{
    if (!s->any || s->header.page_bytes != h->page_bytes ||
        memcmp(s->header.timeline, h->timeline, QR_TIMELINE_BYTES) != 0)
        return false;
    for (uint32_t i = 0; i < s->header.page_count; i++) {
        if (s->header.page_no[i] == page_no && s->intact[i])
            return true;
    }
    return false;
}

void qri_look_at_double_write(struct qri_run *run, struct qr_file *file)
{
    struct spare s;
    read_spare(run, file, &s);
    run->checked_count++;
    if (run->task != QRI_INSPECT)
        return;
    qri_row(&run->out, "double_write");
    qri_cell_text(&run->out, "place", run->where);
    qri_cell_text(&run->out, "state", s.any ? "in use" : "empty or torn");
    qri_cell_u64(&run->out, "pages", s.any ? s.header.page_count : 0);
    qri_cell_u64(&run->out, "intact", s.intact_count);
    qri_row_end(&run->out);
}

/* --- the data file --- */

static void put_header(struct qri_run *run, const struct qr_data_header *h, int slots)
{
    struct qri_out *out = &run->out;
    struct qr_timeline id;
    memcpy(id.id, h->timeline, sizeof id.id);
    qri_row(out, "data_file");
    qri_cell_text(out, "place", run->where);
    qri_cell_timeline(out, "timeline", &id);
    qri_cell_text(out, "state", h->state == QR_DATA_MOVED ? "moved" : h->clean ? "closed" : "open");
    qri_cell_u64(out, "slots", (uint64_t)slots);
    qri_cell_u64(out, "sequence", h->sequence);
    qri_cell_u64(out, "epoch", h->epoch);
    qri_cell_u64(out, "page_bytes", h->page_bytes);
    qri_cell_u64(out, "pages", h->db_pages);
    qri_cell_u64(out, "checkpoint_lsn", h->checkpoint_lsn);
    qri_cell_u64(out, "commit", h->commit_no);
    qri_cell_time(out, "commit_time", h->commit_wall_ns);
    qri_cell_u64(out, "log_segment", h->log_segment_no);
    qri_cell_u64(out, "log_offset", h->log_offset);
    qri_cell_u64(out, "log_lsn", h->log_lsn);
    qri_cell_u64(out, "log_end_lsn", h->log_end_lsn);
    qri_row_end(out);
}

bool qri_data_header(struct qri_run *run, struct qr_file *file, struct qr_data_header *ret_header)
{
    int slots = 0;
    struct qr_err err;
    enum qr_status status = QR_OK, last = QR_OK;
    qr_err_reset(&err);
    for (int i = 0; i < QR_DATA_HEADER_SLOTS && last == QR_OK; i++) {
        uint8_t slot[QR_DATA_HEADER_SLOT_BYTES];
        struct qr_data_header h;
        last = qr_file_read_exactly(file, slot, sizeof slot, (uint64_t)i * sizeof slot, &err);
        status = last == QR_OK ? qr_data_header_decode(slot, &h, &err) : last;
        if (status == QR_OK && (slots == 0 || h.sequence > ret_header->sequence))
            *ret_header = h;
        slots += status == QR_OK;
    }
    if (slots == 0) {
        (void)qri_take(run, "header", status == QR_OK ? QR_CORRUPT : status, &err);
        return false;
    }
    run->checked_count++;
    if (run->task == QRI_INSPECT)
        put_header(run, ret_header, slots);
    return true;
}

static void check_page(struct qri_run *run, const struct qr_data_header *h, const struct spare *s,
                       const uint8_t *page, uint32_t page_no, uint64_t log_end)
{
    uint64_t lsn = 0;
    struct qr_err err;
    qr_err_reset(&err);
    run->checked_count++;
    if (qr_page_verify(page, h->page_bytes, page_no, &lsn, &err) == QR_OK) {
        if (log_end != 0 && lsn > log_end)
            qri_damage(run, "page", "page %u is of LSN %" PRIu64 ", the log ends at %" PRIu64,
                       page_no, lsn, log_end);
        return;
    }
    if (!has_spare(s, h, page_no)) /* else opening puts it back */
        qri_damage(run, "page", "%s", err.text);
}

static void look_at_pages(struct qri_run *run, struct qr_file *file, const struct qr_data_header *h,
                          const struct spare *s, uint64_t log_end)
{
    uint8_t *pages = malloc((size_t)READ_PAGES * QR_PAGE_BYTES_MAX);
    if (pages == NULL) {
        run->failed = true;
        return;
    }
    struct qr_err err;
    qr_err_reset(&err);
    for (uint64_t no = 1; no <= h->db_pages; no += READ_PAGES) {
        size_t got = 0;
        uint64_t count = h->db_pages - no + 1 < READ_PAGES ? h->db_pages - no + 1 : READ_PAGES;
        if (!qri_take(run, "page",
                      qr_file_pread(file, pages, count * h->page_bytes,
                                    QR_DATA_PAGES_OFFSET + (no - 1) * h->page_bytes, &got, &err),
                      &err))
            break;
        for (uint64_t i = 0; i < got / h->page_bytes; i++)
            check_page(run, h, s, pages + i * h->page_bytes, (uint32_t)(no + i), log_end);
        if (got / h->page_bytes < count) {
            qri_damage(run, "page", "the file ends before page %" PRIu64 " of %u",
                       no + got / h->page_bytes, h->db_pages);
            break;
        }
    }
    free(pages);
}

void qri_look_at_data_file(struct qri_run *run, struct qr_file *file)
{
    struct qr_data_header h;
    struct spare none = {.any = false};
    if (qri_data_header(run, file, &h) && run->task != QRI_DUMP)
        look_at_pages(run, file, &h, &none, 0);
}

/* --- the directory --- */

static bool open_in(struct qri_run *run, const char *dir, const char *name,
                    struct qr_file **ret_file)
{
    char path[QRI_PATH_MAX + 32];
    struct qr_err err;
    qr_err_reset(&err);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    qri_where(run, "%s", path);
    return qri_take(run, name, qr_env_open(run->env, path, QR_OPEN_READ, ret_file, &err), &err);
}

void qri_look_at_store(struct qri_run *run, const char *dir)
{
    QR_AUTO(qr_file_closep) struct qr_file *data = NULL;
    QR_AUTO(qr_file_closep) struct qr_file *dw = NULL;
    struct spare spare = {.any = false};
    struct qr_data_header header = {.page_bytes = 0};
    bool has_header = open_in(run, dir, "data", &data) && qri_data_header(run, data, &header);
    struct qr_timeline id;
    memcpy(id.id, header.timeline, sizeof id.id);
    if (has_header && !qri_wanted(run, &id))
        return;
    if (run->task != QRI_DUMP && open_in(run, dir, "double-write", &dw)) {
        qri_look_at_double_write(run, dw);
        read_spare(run, dw, &spare);
    }
    uint64_t log_end = 0;
    qri_look_at_store_log(run, dir, has_header ? &header : NULL, &log_end);
    qri_where(run, "%s/data", dir);
    if (has_header && run->task != QRI_DUMP)
        look_at_pages(run, data, &header, &spare, log_end);
}
