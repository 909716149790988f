/* copies_world.h - four simulated machines, each with a copy of one database; the record of its
 * members; commits of numbers that have to be found again. */
#pragma once
#include "qr_test.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/endian.h"
#include "env/sim.h"
#include "rpc/simnet.h"
#include "store/archive.h"
#include "store/copies.h"
#include "store/txn.h"
#include "store/writer.h"
#include "test_ring.h"

enum { COPIES = 4, PAGE_BYTES = 4096, PAGES = 40, NUMBER_OFFSET = 200 };
static const uint64_t MIB = 1 << 20;
static const int64_t SECOND = INT64_C(1000000000);

struct machine {
    struct qr_sim *sim;
    struct qr_simnet_node *node;
    struct qr_member *member;
    struct qr_store *store; /* handed out */
    bool failed;            /* its store */
    uint64_t seen;          /* the highest number that a reader saw, while it runs */
};
struct world {
    struct qr_simnet *net;
    struct machine m[COPIES];
    int primary; /* -1: none */
    /* the record */
    uint64_t epoch;
    uint32_t members;
    int reign_of;     /* whom control calls the primary */
    bool record_dies; /* the primary is killed while it asks */
    int changes;
    uint64_t hold_bytes;
    /* what is expected */
    uint64_t written, acknowledged, seen;
};

static inline void check(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static inline void store_failed(void *ctx, const struct qr_err *err)
{
    struct machine *m = ctx;
    (void)err;
    m->failed = true;
}

static inline struct qr_store_options store_options(struct world *w, int i)
{
    return (struct qr_store_options){.env = qr_sim_env(w->m[i].sim),
                                     .server_key = t_server_key(),
                                     .page_bytes = PAGE_BYTES,
                                     .cache_bytes = MIB,
                                     .log_segment_bytes = 256 << 10,
                                     .log_hold_bytes = w->hold_bytes,
                                     .fatal = store_failed,
                                     .fatal_ctx = &w->m[i],
                                     .threads_off = true};
}

static inline void start_anew(void *ctx)
{
    struct machine *m = ctx;
    m->failed = true;
}

/* The process of a copy. */
static inline void start(struct world *w, int i)
{
    struct qr_err err = {0};
    struct machine *m = &w->m[i];
    struct qr_store_options options = store_options(w, i);
    struct qr_member_options member = {
        .dir = "/db", .store = &options, .start_anew = start_anew, .ctx = m};
    m->failed = false;
    m->store = NULL;
    m->seen = 0;
    qr_simnet_up(m->node);
    check(qr_member_new(&member, &m->member, &err), &err);
    qr_simnet_serve(m->node, 0, qr_member_serve, m->member);
}

/* It ends; with `power` what was not synced is lost. */
static inline void stop(struct world *w, int i, bool power)
{
    struct machine *m = &w->m[i];
    if (m->member == NULL)
        return;
    qr_simnet_down(m->node);
    qr_member_stop(m->member);
    if (power)
        qr_sim_power_cut(m->sim);
    else
        qr_sim_kill(m->sim);
    qr_store_abandon(m->store);
    qr_member_free(m->member);
    m->store = NULL;
    m->member = NULL;
    if (w->primary == i)
        w->primary = -1;
}

static inline enum qr_status record(void *ctx, uint64_t epoch, uint32_t members, struct qr_err *err)
{
    struct world *w = ctx;
    w->changes++;
    if (w->record_dies || epoch != w->epoch)
        return qr_fail(err, QR_FENCED, "the record is another's");
    w->members = members;
    return QR_OK;
}

static inline enum qr_status reign(void *ctx, uint64_t above, uint64_t *ret_epoch,
                                   uint32_t *ret_recorded, struct qr_err *err)
{
    struct world *w = ctx;
    (void)err;
    w->epoch = (w->epoch > above ? w->epoch : above) + 1;
    *ret_epoch = w->epoch;
    *ret_recorded = w->members;
    return QR_OK;
}

static inline enum qr_status promote(struct world *w, int i, struct qr_err *err)
{
    struct qr_copies_options options = {.own = (uint32_t)i,
                                        .reign = reign,
                                        .record = record,
                                        .ctx = w,
                                        .join_ns = SECOND,
                                        .answer_ns = SECOND};
    for (int j = 0; j < COPIES; j++)
        options.peers[j] = j == i ? NULL : qr_simnet_peer(w->net, w->m[i].node, w->m[j].node, 0);
    enum qr_status status = qr_member_promote(w->m[i].member, &options, &w->m[i].store, err);
    w->primary = status == QR_OK ? i : -1;
    return status;
}

/* Those that are away come back, as far as that is possible now. */
static inline void settle(struct world *w)
{
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < COPIES; i++)
            if (w->m[i].failed && i != w->primary) {
                stop(w, i, false);
                start(w, i);
            }
        if (w->primary >= 0)
            qr_member_step(w->m[w->primary].member);
        qr_simnet_run(w->net, SECOND / 4);
    }
}

/* --- numbers --- */

static inline uint64_t number_of_page(uint64_t number, uint32_t page_no)
{
    return number % PAGES == page_no ? number : 0;
}

/* Publishes a commit of that number: page 2 has the newest, another page keeps every PAGES-th. */
static inline struct qr_lsn publish(struct qr_store *store, uint64_t number)
{
    struct qr_err err = {0};
    struct qr_writer writer = {.owner = 1};
    struct qr_txn *txn = NULL;
    uint8_t page[PAGE_BYTES];
    uint32_t other = 3 + (uint32_t)(number % (PAGES - 3));
    check(qr_writer_acquire(store, &writer, NULL, NULL, &err), &err);
    check(qr_txn_new(store, &txn, &err), &err);
    check(qr_txn_pin_head(txn, &err), &err);
    uint32_t pages[] = {1, 2, other};
    for (size_t i = 0; i < 3; i++) {
        memset(page, (int)(number % 251), sizeof page);
        if (pages[i] == 1) {
            memset(page, 0, sizeof page);
            qr_put32be(page + 28, PAGES);
        }
        qr_put64le(page + NUMBER_OFFSET, number);
        check(qr_txn_write(txn, pages[i], page, &err), &err);
    }
    qr_txn_truncate(txn, PAGES);
    check(qr_txn_prepare(txn, &err), &err);
    struct qr_lsn lsn = qr_txn_publish(txn);
    qr_txn_free(txn);
    qr_writer_release(&writer);
    return lsn;
}

/* True: it was acknowledged. */
static inline bool commit(struct world *w)
{
    struct qr_store *store = w->m[w->primary].store;
    uint64_t number = ++w->written;
    struct qr_lsn lsn = publish(store, number);
    if (qr_store_flush(store, NULL) != QR_OK || qr_store_durable_lsn(store).v < lsn.v)
        return false;
    w->acknowledged = number;
    return true;
}

/* What a reader sees; both pages of a commit are one number's. */
static inline uint64_t read_number(struct qr_store *store)
{
    struct qr_err err = {0};
    struct qr_txn *txn = NULL;
    uint8_t newest[8], other[8];
    check(qr_txn_new(store, &txn, &err), &err);
    check(qr_txn_pin(txn, qr_lsn(0), &err), &err);
    uint64_t number = 0;
    if (qr_txn_db_pages(txn) > 0) {
        check(qr_txn_read(txn, 2, NUMBER_OFFSET, newest, 8, false, &err), &err);
        number = qr_get64le(newest);
        check(qr_txn_read(txn, 3 + (uint32_t)(number % (PAGES - 3)), NUMBER_OFFSET, other, 8, false,
                          &err),
              &err);
        assert_int_equal(qr_get64le(other), number);
    }
    qr_txn_free(txn);
    return number;
}

/* Of a member that serves readers; what they saw is never taken back. */
static inline void look(struct world *w, int i)
{
    struct machine *m = &w->m[i];
    if (m->member == NULL || m->failed)
        return;
    if (m->store == NULL && qr_member_wait(m->member, 0, &m->store, NULL) != QR_OK)
        return;
    uint64_t number = read_number(m->store);
    assert_true(number >= m->seen);
    assert_true(number <= w->written);
    m->seen = number;
    if (number > w->seen)
        w->seen = number;
}

/* --- begin and end --- */

static inline void begin(struct world *w, uint64_t seed)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    *w = (struct world){.primary = -1, .members = 1, .hold_bytes = 64 * MIB};
    for (int i = 0; i < COPIES; i++)
        w->m[i].sim = qr_sim_new(&(struct qr_sim_options){.seed = seed + (uint64_t)i});
    w->net = qr_simnet_new(&(struct qr_simnet_options){.seed = seed, .sim = w->m[0].sim});
    for (int i = 0; i < COPIES; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        w->m[i].node = qr_simnet_node(w->net, name);
        if (i > 0)
            qr_simnet_attach(w->net, w->m[i].sim);
    }
    struct qr_store_options options = store_options(w, 0);
    check(qr_store_create("/db", &options, &store, &err), &err);
    publish(store, ++w->written);
    w->acknowledged = w->written;
    check(qr_store_close(store, &err), &err);
    for (int i = 0; i < COPIES; i++)
        start(w, i);
    check(promote(w, 0, &err), &err);
    settle(w);
    assert_int_equal(w->members, (1 << COPIES) - 1);
}

static inline void end(struct world *w)
{
    for (int i = 0; i < COPIES; i++)
        stop(w, i, false);
    qr_simnet_free(w->net);
    for (int i = 0; i < COPIES; i++)
        qr_sim_free(w->m[i].sim);
}
