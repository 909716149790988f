/* bench_branch.c - copy, restore and first read of a Hyperscale database at growing sizes: they
 * must take the same time.
 *
 * usage: bench_branch DIRECTORY [MEGABYTES ...]   [100 1000 8000]
 * The data is made by feeding log to the page server, which needs twice its size on disk. The
 * services run in this process with their threads, spoken to through unix sockets. One JSON line
 * per size, and one with the ratio of the largest to the smallest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "blob/blob.h"
#include "logsvc/logsvc.h"
#include "logsvc/peer.h"
#include "logsvc/serve.h"
#include "page/record.h"
#include "pagesvc/client.h"
#include "pagesvc/feed.h"
#include "rpc/socket.h"
#include "store/durable.h"
#include "store/hyper.h"
#include "store/hyper_branch.h"
#include "store/txn.h"
#include "store/writer.h"

enum {
    PAGE_BYTES = 8192,
    GROUP_PAGES = 256,
    ROUNDS = 10,
    COMMITS = 200,
    SIZES_MAX = 8,
    DB_PAGES_OFFSET = 28
};

struct services {
    char dir[200];
    struct qr_blob *blob;
    struct qr_logsvc *log;
    struct qr_pagesvc *pages;
    struct qr_pagefeed *feed;
    struct qr_rpc_loop *loop, *client_loop, *feed_loop;
    struct qr_rpc_listener *log_listener, *pages_listener;
    struct qr_rpc_client *log_client, *pages_client, *feed_client;
};

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status == QR_OK)
        return;
    fprintf(stderr, "bench_branch: %s: %s\n", qr_status_info(status)->name, err->text);
    exit(1);
}

static double now_ms(void)
{
    return (double)qr_env_mono_ns(qr_env_real()) / 1e6;
}

static uint64_t seed = 88172645463325252ULL;
static uint64_t chance(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static const char *path_in(const struct services *s, const char *prefix, const char *name)
{
    static _Thread_local char path[4][300];
    static _Thread_local int next;
    char *dst = path[next++ % 4];
    snprintf(dst, sizeof path[0], "%s%s/%s", prefix, s->dir, name);
    return dst;
}

static void open_pages(struct services *s, bool threads_off)
{
    struct qr_err err = {0};
    struct qr_pagesvc_options p = {
        .dir = path_in(s, "", "pages"), .blob = s->blob, .threads_off = threads_off};
    check(qr_pagesvc_open(&p, &s->pages, &err), &err);
}

/* --- data --- */

/* Each page holds bytes that do not compress; page 1 says how many there are. */
static void add_group(struct qr_buf *log, uint32_t first_page, uint64_t no, uint32_t page_count)
{
    static uint64_t page[PAGE_BYTES / 8];
    for (uint32_t i = 0; i < GROUP_PAGES; i++) {
        for (size_t k = 0; k < PAGE_BYTES / 8; k++)
            page[k] = chance();
        if (first_page + i == 1)
            qr_put32be((uint8_t *)page + DB_PAGES_OFFSET, page_count);
        qr_record_add_page(log, first_page + i, NULL, (const uint8_t *)page, PAGE_BYTES);
    }
    qr_record_add_commit(log, first_page + GROUP_PAGES - 1, GROUP_PAGES, no, no);
}

/* Returns the last commit's LSN; *ret_pages is how many pages there are. */
static uint64_t load(struct services *s, const struct qr_slice_id *id, uint64_t megabytes,
                     uint32_t *ret_pages)
{
    struct qr_err err = {0};
    struct qr_buf log;
    uint64_t lsn = 4096, groups = megabytes * 1000000 / PAGE_BYTES / GROUP_PAGES;
    qr_buf_init(&log, 64 << 20);
    check(qr_pagesvc_create(s->pages, id, PAGE_BYTES, qr_lsn(lsn), &err), &err);
    for (uint64_t i = 0; i < groups; i++) {
        qr_buf_clear(&log);
        add_group(&log, (uint32_t)(1 + i * GROUP_PAGES), i + 1, (uint32_t)groups * GROUP_PAGES);
        check(
            qr_pagesvc_ingest(s->pages, id, &id->timeline, 0, qr_lsn(lsn), log.data, log.len, &err),
            &err);
        lsn += log.len;
        if (i % 16 == 15 || i + 1 == groups) /* layers of about 32 MB */
            check(qr_pagesvc_flush(s->pages, id, &err), &err);
    }
    qr_buf_done(&log);
    *ret_pages = (uint32_t)(groups * GROUP_PAGES);
    return lsn;
}

/* --- services --- */

static struct qr_rpc_client *client_of(struct qr_rpc_loop *loop, const char *address)
{
    struct qr_err err = {0};
    struct qr_rpc_client *client = NULL;
    struct qr_rpc_client_options o = {.address = address, .patient = true};
    check(qr_rpc_client_new(loop, &o, &client, &err), &err);
    return client;
}

static void serve_pages(void *ctx, struct qr_rpc_request *own_request)
{
    struct services *s = ctx;
    uint16_t method = own_request->method;
    qr_pagesvc_serve(s->pages, own_request);
    if (method == QR_PAGES_BRANCH || method == QR_PAGES_ATTACH)
        qr_pagefeed_poke(s->feed);
}

static void serve_all(struct services *s)
{
    struct qr_err err = {0};
    struct qr_rpc_loop_options o = {.env = qr_env_real()};
    struct qr_rpc_listen_options l = {.address = path_in(s, "unix:", "s/log"),
                                      .serve = qr_logsvc_serve,
                                      .ctx = s->log,
                                      .workers = 1},
                                 p = {.address = path_in(s, "unix:", "s/pages"),
                                      .serve = serve_pages,
                                      .ctx = s,
                                      .workers = 2};
    struct qr_rpc_loop **loops[] = {&s->loop, &s->client_loop, &s->feed_loop};
    for (size_t i = 0; i < 3; i++)
        check(qr_rpc_loop_new(&o, loops[i], &err), &err);
    check(qr_rpc_listen(s->loop, &l, &s->log_listener, &err), &err);
    s->log_client = client_of(s->client_loop, l.address);
    s->feed_client = client_of(s->feed_loop, l.address);
    struct qr_pagefeed_options f = {
        .svc = s->pages, .logsvc = qr_rpc_client_peer(s->feed_client), .reader_id = 1};
    check(qr_pagefeed_new(&f, &s->feed, &err), &err);
    check(qr_rpc_listen(s->loop, &p, &s->pages_listener, &err), &err);
    s->pages_client = client_of(s->client_loop, p.address);
}

static void begin(struct services *s, const char *dir)
{
    struct qr_err err = {0};
    *s = (struct services){.blob = NULL};
    snprintf(s->dir, sizeof s->dir, "%s/bench-branch", dir);
    char command[450];
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", s->dir, s->dir);
    if (system(command) != 0)
        exit(1);
    check(qr_blob_open(qr_env_real(), NULL, path_in(s, "file://", "blob"), "", &s->blob, &err),
          &err);
    struct qr_logsvc_options l = {
        .env = qr_env_real(), .dir = path_in(s, "", "log"), .blob = s->blob};
    check(qr_logsvc_open(&l, &s->log, &err), &err);
    open_pages(s, true);
}

static void end(struct services *s)
{
    qr_pagefeed_free(s->feed);
    qr_rpc_client_free(s->log_client);
    qr_rpc_client_free(s->pages_client);
    qr_rpc_client_free(s->feed_client);
    qr_rpc_listener_free(s->log_listener);
    qr_rpc_listener_free(s->pages_listener);
    qr_logsvc_close(s->log);
    qr_pagesvc_close(s->pages);
    qr_rpc_loop_free(s->loop);
    qr_rpc_loop_free(s->client_loop);
    qr_rpc_loop_free(s->feed_loop);
    qr_blob_close(s->blob);
    char command[450];
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    if (system(command) != 0)
        exit(1);
}

/* --- what is measured --- */

static struct qr_store *open_store(struct services *s, const struct qr_timeline *t, uint64_t epoch)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    struct qr_store_options o = {.page_bytes = PAGE_BYTES, .cache_bytes = 16 << 20};
    struct qr_hyper_options h = {.timeline = *t,
                                 .log = qr_rpc_client_peer(s->log_client),
                                 .pages = qr_rpc_client_peer(s->pages_client),
                                 .epoch = epoch,
                                 .force = true};
    check(qr_hyper_open(path_in(s, "", "node"), &o, &h, &store, &err), &err);
    return store;
}

static void read_page(struct qr_store *store, uint32_t page_no)
{
    struct qr_err err = {0};
    struct qr_txn *txn = NULL;
    uint8_t page[PAGE_BYTES];
    check(qr_txn_new(store, &txn, &err), &err);
    check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
    check(qr_txn_read(txn, page_no, 0, page, sizeof page, false, &err), &err);
    qr_txn_free(txn);
}

/* Some log behind the data, so that a time has to be looked for. Returns one in the middle. */
static uint64_t write_log(struct services *s, const struct qr_timeline *t, uint32_t pages)
{
    struct qr_err err = {0};
    struct qr_store *store = open_store(s, t, 10);
    uint64_t middle = 0;
    uint8_t page[PAGE_BYTES];
    for (int i = 0; i < COMMITS; i++) {
        struct qr_txn *txn = NULL;
        struct qr_writer writer = {.owner = 1};
        uint32_t page_no = 2 + (uint32_t)(chance() % (pages - 2));
        check(qr_txn_new(store, &txn, &err), &err);
        check(qr_writer_acquire(store, &writer, NULL, NULL, &err), &err);
        check(qr_txn_pin_head(txn, &err), &err);
        check(qr_txn_read(txn, page_no, 0, page, sizeof page, false, &err), &err);
        memset(page + 100, i, 100);
        check(qr_txn_write(txn, page_no, page, &err), &err);
        check(qr_txn_prepare(txn, &err), &err);
        struct qr_lsn lsn = qr_txn_publish(txn);
        qr_writer_release(&writer);
        qr_txn_free(txn);
        check(qr_store_wait_durable(store, lsn, &err), &err);
        if (i == COMMITS / 2)
            middle = (uint64_t)qr_env_wall_ns(qr_env_real());
    }
    check(qr_store_close(store, &err), &err);
    return middle;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *ms)
{
    qsort(ms, ROUNDS, sizeof *ms, compare);
    return (ms[ROUNDS / 2 - 1] + ms[ROUNDS / 2]) / 2;
}

struct result {
    double branch_ms, first_page_ms;
};

static struct result measure(struct services *s, const struct qr_timeline *parent, uint32_t pages,
                             const struct qr_hyper_point *point, uint8_t kind)
{
    struct qr_err err = {0};
    double branch_ms[ROUNDS], page_ms[ROUNDS];
    struct qr_hyper_services services = {.log = qr_rpc_client_peer(s->log_client),
                                         .pages = qr_rpc_client_peer(s->pages_client)};
    for (int i = 0; i < ROUNDS; i++) {
        struct qr_timeline child = {{kind, (uint8_t)i, 1}};
        struct qr_hyper_base base;
        double begin = now_ms();
        check(qr_hyper_branch(&services, parent, 1, point, &child, &base, &err), &err);
        branch_ms[i] = now_ms() - begin;
        begin = now_ms();
        struct qr_store *store = open_store(s, &child, 10);
        read_page(store, 1 + (uint32_t)(chance() % pages));
        page_ms[i] = now_ms() - begin;
        check(qr_store_close(store, &err), &err);
        check(qr_hyper_drop(&services, &child, 1, NULL, 0, &err), &err);
    }
    return (struct result){median(branch_ms), median(page_ms)};
}

struct row {
    uint64_t megabytes;
    struct result copy, restore;
};

static void run(const char *dir, struct row *row)
{
    struct services s;
    struct qr_err err = {0};
    uint32_t pages = 0;
    struct qr_slice_id id = {.timeline = {{0xaa}}};
    begin(&s, dir);
    double start = now_ms();
    uint64_t lsn = load(&s, &id, row->megabytes, &pages);
    double loaded = now_ms();
    struct qr_pagesvc_stats stats;
    qr_pagesvc_get_stats(s.pages, &stats);
    qr_pagesvc_close(s.pages);
    open_pages(&s, false);
    serve_all(&s);
    struct qr_logsvc_change create = {.kind = QR_LOGSVC_CREATE,
                                      .timeline = id.timeline,
                                      .start_lsn = lsn,
                                      .commit_lsn = lsn,
                                      .commit_wall_ns = 1};
    check(qr_logsvc_peer_change(qr_rpc_client_peer(s.log_client), &create, 0, &err), &err);
    check(qr_pages_simple(qr_rpc_client_peer(s.pages_client), QR_PAGES_ATTACH, &id, &err), &err);
    qr_pagefeed_tick(s.feed);
    uint64_t middle = write_log(&s, &id.timeline, pages);
    struct qr_hyper_point now = {QR_POINT_NOW}, then = {.kind = QR_POINT_TIME, .wall_ns = middle};
    row->copy = measure(&s, &id.timeline, pages, &now, 1);
    row->restore = measure(&s, &id.timeline, pages, &then, 2);
    printf(
        "{\"bench\":\"branch\",\"megabytes\":%llu,\"layers\":%llu,\"load_s\":%.1f,\"copy_ms\":%.1f,"
        "\"copy_first_page_ms\":%.1f,\"restore_ms\":%.1f,\"restore_first_page_ms\":%.1f}\n",
        (unsigned long long)row->megabytes, (unsigned long long)stats.layers,
        (loaded - start) / 1000, row->copy.branch_ms, row->copy.first_page_ms,
        row->restore.branch_ms, row->restore.first_page_ms);
    fflush(stdout);
    end(&s);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = {100, 1000, 8000};
    struct row rows[SIZES_MAX] = {{0}};
    int count = argc > 2 ? argc - 2 : 3;
    if (argc < 2 || count > SIZES_MAX) {
        fprintf(stderr, "usage: bench_branch DIRECTORY [MEGABYTES ...]\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        rows[i].megabytes = argc > 2 ? strtoull(argv[i + 2], NULL, 10) : sizes[i];
        run(argv[1], &rows[i]);
    }
    const struct row *a = &rows[0], *b = &rows[count - 1];
    printf(
        "{\"bench\":\"branch/ratio\",\"from_megabytes\":%llu,\"to_megabytes\":%llu,\"copy\":%.2f,"
        "\"copy_first_page\":%.2f,\"restore\":%.2f,\"restore_first_page\":%.2f}\n",
        (unsigned long long)a->megabytes, (unsigned long long)b->megabytes,
        b->copy.branch_ms / a->copy.branch_ms, b->copy.first_page_ms / a->copy.first_page_ms,
        b->restore.branch_ms / a->restore.branch_ms,
        b->restore.first_page_ms / a->restore.first_page_ms);
    return 0;
}
