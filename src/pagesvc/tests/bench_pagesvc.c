/* bench_pagesvc.c - how fast log becomes pages: ingest in MB of log a second (alone, and with
 * flush, merge and images in the background), reads of cold and warm layers, written bytes for each
 * ingested one.
 *
 *   bench_pagesvc DIR [megabytes of log, default 512] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "page/record.h"
#include "pagesvc/pagesvc.h"

enum { PAGE_BYTES = 8192, PAGES = 40000, PIECE_BYTES = 1 << 20, PAGES_A_COMMIT = 6 };

static uint64_t seed = 88172645463325252ULL;
static uint64_t chance(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double seconds(void)
{
    return (double)qr_env_mono_ns(qr_env_real()) / 1e9;
}

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
}

/* One commit: some pages get about 300 bytes each, as a row insert with its index does. */
static void add_commit(struct qr_buf *log, uint8_t *written, uint64_t no)
{
    static uint8_t page[PAGE_BYTES], before[PAGE_BYTES];
    for (int i = 0; i < PAGES_A_COMMIT; i++) {
        uint32_t page_no = 1 + (uint32_t)(chance() % PAGES);
        size_t at = chance() % (PAGE_BYTES - 400);
        memset(page, 0, sizeof page);
        memset(page + at, (int)(1 + chance() % 255), 300);
        qr_record_add_page(log, page_no, written[page_no] ? before : NULL, page, PAGE_BYTES);
        written[page_no] = 1;
    }
    qr_record_add_commit(log, PAGES, PAGES_A_COMMIT, no, no);
}

static double ingest(struct qr_pagesvc *svc, const struct qr_slice_id *id, const struct qr_buf *log,
                     uint64_t start)
{
    struct qr_err err;
    double begin = seconds();
    for (size_t at = 0; at < log->len; at += PIECE_BYTES) {
        size_t count = log->len - at < PIECE_BYTES ? log->len - at : PIECE_BYTES;
        check(qr_pagesvc_ingest(svc, id, &id->timeline, 1, qr_lsn(start + at), log->data + at,
                                count, &err),
              &err);
    }
    return seconds() - begin;
}

static void done(struct qr_page_get *get, enum qr_status status, const struct qr_err *err)
{
    (void)get;
    if (status != QR_OK && status != QR_NOT_FOUND)
        check(status, err);
}

static void read_pages(struct qr_pagesvc *svc, const struct qr_slice_id *id, const char *what)
{
    enum { READS = 20000 };
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    double begin = seconds();
    for (int i = 0; i < READS; i++) {
        qr_buf_clear(&buf);
        struct qr_page_get get = {.id = *id,
                                  .page_no = 1 + (uint32_t)(chance() % PAGES),
                                  .lsn = qr_lsn(UINT64_MAX),
                                  .dst = &buf,
                                  .done = done};
        qr_pagesvc_get(svc, &get);
    }
    printf("%-36s %8.1f us a page\n", what, (seconds() - begin) * 1e6 / READS);
    qr_buf_done(&buf);
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 512;
    char url[1200], dir[1200];
    struct qr_err err;
    struct qr_blob *blob;
    struct qr_pagesvc *svc;
    if (argc < 2)
        return 2;
    snprintf(url, sizeof url, "file://%s/blobs", argv[1]);
    snprintf(dir, sizeof dir, "%s/layers", argv[1]);
    check(qr_blob_open(qr_env_real(), NULL, url, "", &blob, &err), &err);
    check(qr_pagesvc_open(&(struct qr_pagesvc_options){.dir = dir, .blob = blob}, &svc, &err),
          &err);
    struct qr_slice_id id = {{{1}}, 0};
    check(qr_pagesvc_create(svc, &id, PAGE_BYTES, qr_lsn(4096), &err), &err);
    struct qr_buf log;
    qr_buf_init(&log, (megabytes + 64) << 20);
    uint8_t *written = calloc(PAGES + 1, 1);
    for (uint64_t no = 1; log.len < megabytes << 20; no++)
        add_commit(&log, written, no);
    double took = ingest(svc, &id, &log, 4096);
    printf("%-36s %8.1f MB/s\n", "ingest, layers written behind it", (double)log.len / 1e6 / took);
    read_pages(svc, &id, "read, layers not merged yet");
    for (bool more = true; more;)
        check(qr_pagesvc_work(svc, &more, &err), &err);
    read_pages(svc, &id, "read, merged and imaged");
    struct qr_pagesvc_stats s;
    qr_pagesvc_get_stats(svc, &s);
    printf("%-36s %8.2f (flush %.2f, merge %.2f, images %.2f), %llu layers\n",
           "bytes written for one of log",
           (double)(s.flushed_bytes + s.merged_bytes + s.image_bytes) / (double)s.ingested_bytes,
           (double)s.flushed_bytes / (double)s.ingested_bytes,
           (double)s.merged_bytes / (double)s.ingested_bytes,
           (double)s.image_bytes / (double)s.ingested_bytes, (unsigned long long)s.layers);
    qr_pagesvc_close(svc);
    qr_blob_close(blob);
    qr_buf_done(&log);
    free(written);
    return 0;
}
