/* rbpex.c - what the pages on a compute node's own disk (RBPEX) are worth: reads of random pages of
 * a working set of 0.5, 1, 2 and 4 times the cache, with and without them, against a page server in
 * a process of its own behind a unix socket, in one run; then a hot set beside a scan of it all.
 *
 *   rbpex DIR [cache in MiB, default 64 [seconds of each run, default 3 [threads, default 2]]]
 *
 * The machine's page cache stays as it is, for the file here and for the page server's alike: with
 * much memory neither of them reads a disk, and the ratio is that of a file to a socket. */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "blob/blob.h"
#include "logsvc/serve.h"
#include "pagesvc/client.h"
#include "pagesvc/feed.h"
#include "rpc/socket.h"
#include "store/hyper.h"
#include "store/txn.h"
#include "store/writer.h"

enum { PAGE_BYTES = 8192, THREADS_MAX = 16, READS_A_SNAPSHOT = 64, PAGES_A_COMMIT = 128, PART = 3 };
static const struct qr_slice_id SLICE = {.timeline = {{0xbe}}};
static char root[512], log_address[600], pages_address[600];

static void check(enum qr_status status, const struct qr_err *err)
{
    if (status == QR_OK)
        return;
    fprintf(stderr, "%s: %s\n", qr_status_info(status)->name, err->text);
    exit(1);
}

static double seconds(void)
{
    return (double)qr_env_mono_ns(qr_env_real()) / 1e9;
}

/* --- log service and page server: the other process --- */

static void listen_at(struct qr_rpc_loop *loop, const char *address, qr_rpc_serve_fn *serve,
                      void *ctx, int workers)
{
    struct qr_err err = {0};
    struct qr_rpc_listener *listener;
    struct qr_rpc_listen_options o = {
        .address = address, .serve = serve, .ctx = ctx, .workers = workers};
    check(qr_rpc_listen(loop, &o, &listener, &err), &err);
}

static void services_main(int ready, int until_closed)
{
    char dir[600], url[600];
    struct qr_err err = {0};
    struct qr_blob *blob;
    struct qr_logsvc *log;
    struct qr_pagesvc *pages;
    struct qr_rpc_loop *loop, *feed_loop;
    struct qr_rpc_client *client;
    struct qr_pagefeed *feed;
    struct qr_env *env = qr_env_real();
    snprintf(url, sizeof url, "file://%s/blob", root);
    check(qr_blob_open(env, NULL, url, "", &blob, &err), &err);
    snprintf(dir, sizeof dir, "%s/log", root);
    check(qr_logsvc_open(&(struct qr_logsvc_options){.env = env, .dir = dir, .blob = blob}, &log,
                         &err),
          &err);
    snprintf(dir, sizeof dir, "%s/pages", root);
    check(qr_pagesvc_open(&(struct qr_pagesvc_options){.env = env, .dir = dir, .blob = blob},
                          &pages, &err),
          &err);
    check(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = env}, &loop, &err), &err);
    check(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = env}, &feed_loop, &err), &err);
    listen_at(loop, log_address, qr_logsvc_serve, log, 0);
    listen_at(loop, pages_address, qr_pagesvc_serve, pages, 2);
    check(qr_rpc_client_new(
              feed_loop, &(struct qr_rpc_client_options){.address = log_address, .patient = true},
              &client, &err),
          &err);
    struct qr_pagefeed_options o = {
        .env = env, .svc = pages, .logsvc = qr_rpc_client_peer(client), .reader_id = 1};
    check(qr_pagefeed_new(&o, &feed, &err), &err);
    if (write(ready, "r", 1) != 1 || fcntl(until_closed, F_SETFL, O_NONBLOCK) != 0)
        exit(1);
    for (char byte; read(until_closed, &byte, 1) != 0; qr_env_sleep_ns(env, 20000000)) {
        qr_pagefeed_tick(feed);
        qr_pagefeed_poke(feed);
    }
    _exit(0);
}

/* --- the compute node --- */

static struct qr_rpc_peer *log_peer, *pages_peer;
static uint64_t cache_bytes;
static uint32_t page_count;
static int thread_count;
static double run_seconds;

static void connect_to_services(void)
{
    struct qr_err err = {0};
    struct qr_rpc_loop *loop;
    struct qr_rpc_client *client;
    check(qr_rpc_loop_new(&(struct qr_rpc_loop_options){.env = qr_env_real()}, &loop, &err), &err);
    struct qr_rpc_client_options o = {.address = log_address, .patient = true};
    check(qr_rpc_client_new(loop, &o, &client, &err), &err);
    log_peer = qr_rpc_client_peer(client);
    o.address = pages_address;
    check(qr_rpc_client_new(loop, &o, &client, &err), &err);
    pages_peer = qr_rpc_client_peer(client);
}

static struct qr_hyper_options hyper_options(uint64_t rbpex_bytes)
{
    return (struct qr_hyper_options){.timeline = SLICE.timeline,
                                     .log = log_peer,
                                     .pages = pages_peer,
                                     .force = true,
                                     .rbpex_bytes = rbpex_bytes};
}

static struct qr_store *open_store(const char *name, uint64_t rbpex_bytes)
{
    char dir[600];
    struct qr_err err = {0};
    struct qr_store *store;
    struct qr_hyper_options h = hyper_options(rbpex_bytes);
    struct qr_store_options o = {.page_bytes = PAGE_BYTES, .cache_bytes = cache_bytes};
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    check(qr_hyper_open(dir, &o, &h, &store, &err), &err);
    return store;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Pages that do not compress and say which they are. Page 1 has what SQLite has there. */
static void make_page(uint8_t *page, uint32_t page_no)
{
    uint64_t random = page_no;
    memset(page, 0, PAGE_BYTES);
    for (size_t i = 0; i < PAGE_BYTES - 32; i += 8) {
        uint64_t x = i == 0 ? page_no : next_random(&random);
        memcpy(page + i, &x, 8);
    }
    if (page_no == 1)
        memset(page, 0, 100);
}

static void fill(void)
{
    static uint8_t page[PAGE_BYTES];
    struct qr_err err = {0};
    struct qr_txn *txn;
    struct qr_writer writer = {.owner = 1};
    struct qr_hyper_options h = hyper_options(0);
    check(qr_hyper_create(&h, PAGE_BYTES, &err), &err);
    struct qr_store *store = open_store("load", 0);
    check(qr_txn_new(store, &txn, &err), &err);
    for (uint32_t from = 1; from <= page_count; from += PAGES_A_COMMIT) {
        check(qr_writer_acquire(store, &writer, NULL, NULL, &err), &err);
        check(qr_txn_pin_head(txn, &err), &err);
        for (uint32_t p = from; p < from + PAGES_A_COMMIT && p <= page_count; p++) {
            make_page(page, p);
            check(qr_txn_write(txn, p, page, &err), &err);
        }
        make_page(page, 1);
        qr_txn_truncate(txn, from + PAGES_A_COMMIT - 1 < page_count ? from + PAGES_A_COMMIT - 1
                                                                    : page_count);
        check(qr_txn_write(txn, 1, page, &err), &err);
        check(qr_txn_prepare(txn, &err), &err);
        (void)qr_txn_publish(txn);
        qr_txn_unpin(txn);
        qr_writer_release(&writer);
    }
    qr_txn_free(txn);
    check(qr_store_close(store, &err), &err);
    check(qr_pages_simple(pages_peer, QR_PAGES_FLUSH, &SLICE, &err), &err);
}

struct reader {
    struct qr_store *store;
    uint64_t random;
    uint32_t from, count; /* of its working set */
    bool scans;           /* one page after the other */
    uint64_t reads;
};
static _Atomic bool stop;

static void read_one(struct reader *r, struct qr_txn *txn, uint32_t page_no)
{
    struct qr_err err = {0};
    uint64_t says = 0;
    const uint8_t *page = qr_txn_fetch(txn, page_no);
    if (page != NULL) {
        memcpy(&says, page, sizeof says);
        qr_txn_unfetch(txn, page);
    } else {
        check(qr_txn_read(txn, page_no, 0, &says, sizeof says, false, &err), &err);
    }
    if (page_no != 1 && says != page_no) {
        fprintf(stderr, "page %u says it is %" PRIu64 "\n", page_no, says);
        exit(1);
    }
    r->reads++;
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct qr_err err = {0};
    struct qr_txn *txn;
    check(qr_txn_new(r->store, &txn, &err), &err);
    for (uint32_t at = 0; !atomic_load_explicit(&stop, memory_order_relaxed);) {
        check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
        for (int i = 0; i < READS_A_SNAPSHOT; i++, at++)
            read_one(r, txn,
                     r->from + (uint32_t)((r->scans ? at : next_random(&r->random)) % r->count));
        qr_txn_unpin(txn);
    }
    qr_txn_free(txn);
    return NULL;
}

struct result {
    double reads_a_second, memory, rbpex, both; /* parts of the reads */
};

static void run_readers(struct reader *readers, int count, double for_seconds)
{
    pthread_t threads[THREADS_MAX];
    atomic_store(&stop, false);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, reader_main, &readers[i]) != 0)
            exit(1);
    qr_env_sleep_ns(qr_env_real(), (int64_t)(for_seconds * 1e9));
    atomic_store(&stop, true);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static struct result measure(struct qr_store *store, struct reader *readers, int count)
{
    struct qr_store_stats before, after;
    for (int i = 0; i < count; i++)
        readers[i].reads = 0;
    qr_store_get_stats(store, &before);
    double start = seconds();
    run_readers(readers, count, run_seconds);
    double took = seconds() - start;
    qr_store_get_stats(store, &after);
    double reads = 0;
    for (int i = 0; i < count; i++)
        reads += (double)readers[i].reads;
    double misses = (double)(after.cache_misses - before.cache_misses);
    double hits = (double)(after.rbpex.hits - before.rbpex.hits);
    return (struct result){.reads_a_second = reads / took,
                           .memory = 1 - misses / reads,
                           .rbpex = hits / reads,
                           .both = 1 - (misses - hits) / reads};
}

/* Warmed by reading all of it once in order and then at random for a while. */
static struct result one_run(uint32_t pages, uint64_t rbpex_bytes)
{
    struct qr_err err = {0};
    struct reader readers[THREADS_MAX];
    struct qr_store *store = open_store(rbpex_bytes > 0 ? "with" : "without", rbpex_bytes);
    struct qr_txn *txn;
    for (int i = 0; i < thread_count; i++)
        readers[i] =
            (struct reader){.store = store, .random = (uint64_t)i, .from = 1, .count = pages};
    check(qr_txn_new(store, &txn, &err), &err);
    check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
    for (uint32_t p = 1; p <= pages; p++)
        read_one(&readers[0], txn, p);
    qr_txn_free(txn);
    run_readers(readers, thread_count, run_seconds);
    struct result r = measure(store, readers, thread_count);
    check(qr_store_close(store, &err), &err);
    return r;
}

static void print_curve(void)
{
    static const double sizes[] = {0.5, 1, 2, 4};
    printf("random reads of a working set, cache %" PRIu64
           " MiB, RBPEX %d times that, %d threads\n",
           cache_bytes >> 20, PART, thread_count);
    printf("%-10s %30s   %42s\n", "", "without RBPEX", "with RBPEX");
    printf("%-10s %14s %9s   %20s %9s %9s %9s %8s\n", "set/cache", "reads/s", "memory", "reads/s",
           "memory", "RBPEX", "both", "ratio");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t pages = (uint32_t)((double)(cache_bytes / PAGE_BYTES) * sizes[i]);
        struct result without = one_run(pages, 0);
        struct result with = one_run(pages, PART * cache_bytes);
        printf("%-10.1f %14.0f %8.1f%%   %20.0f %8.1f%% %8.1f%% %8.1f%% %7.2fx\n", sizes[i],
               without.reads_a_second, without.memory * 100, with.reads_a_second, with.memory * 100,
               with.rbpex * 100, with.both * 100, with.reads_a_second / without.reads_a_second);
        fflush(stdout);
    }
}

/* A hot set of half the cache, read at random in turn with a scan of all the rest, twice as many
 * pages: how much of the hot set is not in memory when it is read. */
static double hot_misses(uint64_t rbpex_bytes, bool scan, double *ret_scan_mb)
{
    enum { HOT_READS = 100, SCAN_READS = 200 };
    struct qr_err err = {0};
    struct qr_store *store = open_store("scan", rbpex_bytes);
    uint32_t hot = (uint32_t)(cache_bytes / PAGE_BYTES / 2), rest = page_count - hot;
    struct reader r = {.store = store, .random = 1, .from = 1, .count = hot}, s = {0};
    struct qr_txn *txn;
    struct qr_store_stats before, after;
    double scanning = 0, start = 0;
    uint64_t misses = 0;
    check(qr_txn_new(store, &txn, &err), &err);
    check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
    for (uint32_t i = 0; i < 3 * hot; i++)
        read_one(&r, txn, 1 + i % hot);
    qr_txn_unpin(txn);
    r.reads = 0;
    for (uint32_t at = 0; at < 3 * rest;) {
        check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
        qr_store_get_stats(store, &before);
        for (int i = 0; i < HOT_READS; i++)
            read_one(&r, txn, r.from + (uint32_t)(next_random(&r.random) % r.count));
        qr_store_get_stats(store, &after);
        misses += after.cache_misses - before.cache_misses;
        start = seconds();
        for (int i = 0; i < SCAN_READS; i++, at++)
            if (scan)
                read_one(&s, txn, hot + 1 + at % rest);
        scanning += seconds() - start;
        qr_txn_unpin(txn);
    }
    *ret_scan_mb = (double)s.reads * PAGE_BYTES / 1e6 / scanning;
    qr_txn_free(txn);
    check(qr_store_close(store, &err), &err);
    return (double)misses / (double)r.reads;
}

static void print_scan(void)
{
    double mb = 0;
    printf("\nhot set of 0.5 caches read at random, in turn with a scan of the other %.1f caches\n",
           (double)page_count * PAGE_BYTES / (double)cache_bytes - 0.5);
    printf("%-24s %8.2f%% of hot reads are not in memory\n", "no scan",
           100 * hot_misses(0, false, &mb));
    double misses = hot_misses(0, true, &mb);
    printf("%-24s %8.2f%%, the scan reads %.0f MB/s\n", "scan, without RBPEX", 100 * misses, mb);
    misses = hot_misses(PART * cache_bytes, true, &mb);
    printf("%-24s %8.2f%%, the scan reads %.0f MB/s\n", "scan, with RBPEX", 100 * misses, mb);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "rbpex DIR [cache MiB [seconds [threads]]]\n");
        return 2;
    }
    snprintf(root, sizeof root, "%s", argv[1]);
    snprintf(log_address, sizeof log_address, "unix:%s/s/log", root);
    snprintf(pages_address, sizeof pages_address, "unix:%s/s/pages", root);
    cache_bytes = (argc > 2 ? strtoull(argv[2], NULL, 10) : 64) << 20;
    run_seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
    thread_count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 2;
    page_count = (uint32_t)(4 * cache_bytes / PAGE_BYTES);
    int ready[2], alive[2];
    char byte;
    if (thread_count < 1 || thread_count > THREADS_MAX || pipe(ready) != 0 || pipe(alive) != 0)
        return 2;
    pid_t services = fork();
    if (services == 0) {
        close(alive[1]);
        services_main(ready[1], alive[0]);
    }
    close(ready[1]);
    if (services < 0 || read(ready[0], &byte, 1) != 1)
        return 1;
    connect_to_services();
    double start = seconds();
    fill();
    printf("filled %.0f MB in %.1f s\n", (double)page_count * PAGE_BYTES / 1e6, seconds() - start);
    print_curve();
    print_scan();
    close(alive[1]);
    waitpid(services, NULL, 0);
    return 0;
}
