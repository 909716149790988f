/* pages.c - how fast log becomes pages: ingest in MB of log a second with the layers written behind
 * it, written bytes for each ingested one, and GetPage over a unix socket: a process that has just
 * opened the layers, which are not in the machine's page cache either, and the same pages again.
 *
 *   pages DIR [megabytes of log, default 512] [clear: not encrypted] [bulk]
 *
 * The log is of small changes to pages by chance; with `bulk` that of a load: whole pages that do
 * not compress, one behind the other, and changes to the few pages that lead there. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "crypt/keyring.h"
#include "page/record.h"
#include "pagesvc/client.h"
#include "rpc/socket.h"

enum {
    PAGE_BYTES = 8192,
    PAGES = 40000,
    PIECE_BYTES = 1 << 20,
    PAGES_A_COMMIT = 6,
    NEW_PAGES_A_COMMIT = 2500, /* of a load */
    LEADING_PAGES = 50,        /* new pages have a page above them that changes with each */
};

static uint32_t page_count = PAGES;

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

/* One commit of a load. */
static void add_load(struct qr_buf *log, uint64_t no)
{
    static uint8_t page[PAGE_BYTES], before[PAGE_BYTES], after[PAGE_BYTES];
    uint32_t count = 0;
    page_count = no == 1 ? LEADING_PAGES : page_count;
    for (uint32_t i = 1; i <= LEADING_PAGES && no == 1; i++, count++)
        qr_record_add_page(log, i, NULL, before, PAGE_BYTES);
    for (uint32_t i = 0; i < NEW_PAGES_A_COMMIT; i++, count++) {
        for (size_t at = 0; at < PAGE_BYTES; at += 8) {
            uint64_t word = chance();
            memcpy(page + at, &word, sizeof word);
        }
        qr_record_add_page(log, ++page_count, NULL, page, PAGE_BYTES);
    }
    for (uint32_t i = 0; i < 4 && no > 1; i++, count++) {
        memcpy(after, before, sizeof after);
        memset(after + chance() % (PAGE_BYTES - 400), (int)(1 + chance() % 255), 300);
        qr_record_add_page(log, 1 + (uint32_t)(no + i) % LEADING_PAGES, before, after, PAGE_BYTES);
    }
    qr_record_add_commit(log, page_count, count, no, no);
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

/* --- reads over a socket --- */

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The same pages each time, `batch` in a call. */
static void read_pages(struct qr_rpc_peer *peer, const struct qr_slice_id *id, uint32_t batch,
                       const char *what)
{
    enum { PAGES_READ = 20000, BATCH_MAX = 64 };
    static double took[PAGES_READ];
    struct qr_pages_want wants[BATCH_MAX];
    struct qr_buf request, reply;
    struct qr_err err = {0};
    size_t calls = PAGES_READ / batch;
    qr_buf_init(&request, 1 << 16);
    qr_buf_init(&reply, 1 << 20);
    seed = 42;
    for (size_t i = 0; i < calls; i++) {
        for (uint32_t k = 0; k < batch; k++)
            wants[k] = (struct qr_pages_want){.page_no = 1 + (uint32_t)(chance() % page_count),
                                              .lsn = qr_lsn(UINT64_MAX)};
        qr_buf_clear(&request);
        qr_buf_clear(&reply);
        qr_pages_get_encode(id, wants, batch, &request);
        struct iovec body = {request.data, request.len};
        double begin = seconds();
        check(qr_rpc_call_wait(peer, QR_PAGES_GET, &body, 1, 0, &reply, &err), &err);
        took[i] = seconds() - begin;
    }
    qsort(took, calls, sizeof took[0], by_time);
    printf("%-36s %8.1f %8.1f %8.1f us p50 p95 p99\n", what, took[calls / 2] * 1e6,
           took[calls * 95 / 100] * 1e6, took[calls * 99 / 100] * 1e6);
    qr_buf_done(&request);
    qr_buf_done(&reply);
}

/* Files leave the machine's page cache; they are synced. */
static void make_cold(const char *dir)
{
    DIR *d = opendir(dir);
    char path[2400];
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        make_cold(path);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) {
            (void)fdatasync(fd);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
        }
    }
    if (d != NULL)
        closedir(d);
}

struct server {
    char dir[1200], address[1300];
    struct qr_blob *blob;
    struct qr_server_key *key;
    struct qr_keyring *keyring; /* NULL: in clear */
    struct qr_pagesvc *svc;
    struct qr_rpc_loop *loop, *client_loop;
    struct qr_rpc_listener *listener;
    struct qr_rpc_client *client;
};

static void open_server(struct server *s)
{
    struct qr_err err = {0};
    struct qr_pagesvc_options o = {.dir = s->dir, .blob = s->blob, .keyring = s->keyring};
    check(qr_pagesvc_open(&o, &s->svc, &err), &err);
}

static void make_keys(struct server *s, const char *dir)
{
    struct qr_err err = {0};
    char path[1300];
    snprintf(path, sizeof path, "%s/server.key", dir);
    check(qr_server_key_open(qr_env_real(), path, true, &s->key, &err), &err);
    check(qr_keyring_new(qr_env_real(), s->key, s->blob, &s->keyring, &err), &err);
}

static void serve(struct server *s)
{
    struct qr_err err = {0};
    struct qr_rpc_loop_options loop = {.env = qr_env_real()};
    struct qr_rpc_listen_options listen = {
        .address = s->address, .serve = qr_pagesvc_serve, .ctx = s->svc, .workers = 2};
    struct qr_rpc_client_options client = {.address = s->address, .patient = true};
    check(qr_rpc_loop_new(&loop, &s->loop, &err), &err);
    check(qr_rpc_loop_new(&loop, &s->client_loop, &err), &err);
    check(qr_rpc_listen(s->loop, &listen, &s->listener, &err), &err);
    check(qr_rpc_client_new(s->client_loop, &client, &s->client, &err), &err);
}

static void end_service(struct server *s)
{
    qr_rpc_client_free(s->client);
    qr_rpc_listener_free(s->listener);
    qr_rpc_loop_free(s->client_loop);
    qr_rpc_loop_free(s->loop);
}

static void print_written(struct qr_pagesvc *svc)
{
    struct qr_pagesvc_stats s;
    qr_pagesvc_get_stats(svc, &s);
    double log = (double)s.ingested_bytes;
    printf("%-36s %8.2f (flush %.2f, merge %.2f, images %.2f), %llu layers\n",
           "bytes written for one of log",
           (double)(s.flushed_bytes + s.merged_bytes + s.image_bytes) / log,
           (double)s.flushed_bytes / log, (double)s.merged_bytes / log, (double)s.image_bytes / log,
           (unsigned long long)s.layers);
    for (int i = 0; i < QR_PAGESVC_LEVELS && s.level_bytes[i] > 0; i++)
        printf("  of merges of level %-17d %7.2f\n", i + 1, (double)s.level_bytes[i] / log);
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 512;
    static struct server s;
    char url[1300];
    struct qr_err err = {0};
    if (argc < 2 || strlen(argv[1]) > 1000)
        return 2;
    snprintf(url, sizeof url, "file://%s/blobs", argv[1]);
    snprintf(s.dir, sizeof s.dir, "%s/layers", argv[1]);
    snprintf(s.address, sizeof s.address, "%s/run", argv[1]);
    if (mkdir(s.address, 0700) != 0)
        return 2;
    snprintf(s.address, sizeof s.address, "unix:%s/run/s", argv[1]);
    check(qr_blob_open(qr_env_real(), NULL, url, "", &s.blob, &err), &err);
    bool clear = false, bulk = false;
    for (int i = 3; i < argc; i++) {
        clear = clear || strcmp(argv[i], "clear") == 0;
        bulk = bulk || strcmp(argv[i], "bulk") == 0;
    }
    if (!clear)
        make_keys(&s, argv[1]);
    open_server(&s);
    struct qr_slice_id id = {{{1}}, 0};
    check(qr_pagesvc_create(s.svc, &id, PAGE_BYTES, qr_lsn(4096), &err), &err);
    struct qr_buf log;
    qr_buf_init(&log, (megabytes + 64) << 20);
    uint8_t *written = calloc(PAGES + 1, 1);
    for (uint64_t no = 1; log.len < megabytes << 20; no++) {
        if (bulk)
            add_load(&log, no);
        else
            add_commit(&log, written, no);
    }
    double took = ingest(s.svc, &id, &log, 4096);
    printf("%-36s %8.1f MB/s\n", "ingest, layers written behind it", (double)log.len / 1e6 / took);
    serve(&s);
    read_pages(qr_rpc_client_peer(s.client), &id, 1, "GetPage, layers not merged yet");
    for (bool more = true; more;)
        check(qr_pagesvc_work(s.svc, &more, &err), &err);
    print_written(s.svc);
    end_service(&s);
    qr_pagesvc_close(s.svc);
    make_cold(argv[1]);
    open_server(&s);
    check(qr_pagesvc_attach(s.svc, &id, &err), &err);
    serve(&s);
    read_pages(qr_rpc_client_peer(s.client), &id, 1, "GetPage, cold");
    read_pages(qr_rpc_client_peer(s.client), &id, 1, "GetPage, warm");
    read_pages(qr_rpc_client_peer(s.client), &id, 64, "GetPage of 64 pages, warm");
    end_service(&s);
    qr_pagesvc_close(s.svc);
    qr_keyring_free(s.keyring);
    qr_server_key_close(s.key);
    qr_blob_close(s.blob);
    qr_buf_done(&log);
    free(written);
    return 0;
}
