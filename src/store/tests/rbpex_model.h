/* rbpex_model.h - what the page file tier is held against: every change of every page. */
#pragma once
#include "qr_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "env/sim.h"
#include "page/record.h"
#include "rbpex.h"
#include "test_ring.h"

enum { PAGE_BYTES = 4096, PAGES = 60, SLOTS = 24, HISTORY = 4096, START_LSN = 5000 };
static const struct qr_timeline TIMELINE = {{0x52, 0x42}};

/* What the pages really are: every change with its LSN, and how far the log is durable. */
struct model {
    struct qr_sim *sim;
    struct qri_rbpex *rb;
    uint64_t random;
    uint32_t slots;
    uint64_t head, durable, count;
    struct {
        uint32_t page_no;
        uint64_t lsn;
    } changes[HISTORY];
    uint64_t found, missed;
};

static inline uint64_t pick(struct model *m, uint64_t below)
{
    uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static inline void fill(uint8_t *page, uint32_t page_no, uint64_t lsn)
{
    uint64_t x = lsn * 31 + page_no;
    for (size_t i = 0; i < PAGE_BYTES; i += 8) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        memcpy(page + i, &x, 8);
    }
}

static inline uint64_t newest(const struct model *m, uint32_t page_no)
{
    for (uint64_t i = m->count; i-- > 0;)
        if (m->changes[i].page_no == page_no)
            return m->changes[i].lsn;
    return START_LSN;
}

static inline struct qri_rbpex_options options_of(const struct model *m)
{
    return (struct qri_rbpex_options){.env = qr_sim_env(m->sim),
                                      .server_key = t_server_key(),
                                      .dir = "/n",
                                      .timeline = TIMELINE,
                                      .page_bytes = PAGE_BYTES,
                                      .bytes = (uint64_t)m->slots * PAGE_BYTES,
                                      .trust_lsn = m->durable};
}

static inline enum qr_status open_it(struct model *m, struct qr_err *err)
{
    struct qri_rbpex_options o = options_of(m);
    o.queue_pages = 8;
    m->rb = NULL;
    return qri_rbpex_open(&o, &m->rb, err);
}

static inline void must_open(struct model *m)
{
    struct qr_err err;
    qr_err_reset(&err);
    if (open_it(m, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static inline void begin(struct model *m, uint64_t seed)
{
    *m = (struct model){.random = seed, .slots = SLOTS, .head = START_LSN, .durable = START_LSN};
    m->sim = qr_sim_new(&(struct qr_sim_options){.seed = seed});
    assert_int_equal(qr_env_make_dir(qr_sim_env(m->sim), "/n", NULL), QR_OK);
    assert_int_equal(qr_env_sync_dir(qr_sim_env(m->sim), "/", NULL), QR_OK);
}

static inline void end(struct model *m)
{
    qri_rbpex_free(m->rb);
    qr_sim_free(m->sim);
}

static inline void change(struct model *m, uint32_t page_no)
{
    assert_true(m->count < HISTORY);
    m->head += 100;
    m->changes[m->count].page_no = page_no;
    m->changes[m->count++].lsn = m->head;
    qri_rbpex_changed(m->rb, page_no, m->head);
}

static inline void offer(struct model *m, uint32_t page_no, enum qri_rbpex_offer kind)
{
    uint8_t page[PAGE_BYTES];
    uint64_t lsn = newest(m, page_no);
    if (lsn > m->durable)
        return;
    fill(page, page_no, lsn);
    qri_rbpex_offer(m->rb, page_no, lsn, page, kind);
}

/* Looks at a page; what is said to be the newest must be. */
static inline bool look(struct model *m, uint32_t page_no)
{
    uint8_t page[PAGE_BYTES], want[PAGE_BYTES];
    uint64_t lsn = 0;
    enum qri_rbpex_found found = qri_rbpex_read(m->rb, page_no, page, &lsn);
    if (found == QRI_RBPEX_NONE)
        return false;
    fill(want, page_no, lsn); /* suspect or not, it is what was offered */
    assert_memory_equal(page, want, PAGE_BYTES - QR_PAGE_RESERVED_BYTES);
    if (found == QRI_RBPEX_NEWEST && lsn != newest(m, page_no))
        fail_msg("page %u: LSN %llu, the newest is %llu", page_no, (unsigned long long)lsn,
                 (unsigned long long)newest(m, page_no));
    return found == QRI_RBPEX_NEWEST;
}

/* What a machine does by itself sooner or later. */
static inline void sync_files(struct model *m)
{
    static const char *const names[] = {"/n/rbpex", "/n/rbpex-table"};
    for (int i = 0; i < 2; i++) {
        struct qr_file *file = NULL;
        if (qr_env_open(qr_sim_env(m->sim), names[i], QR_OPEN_RW, &file, NULL) == QR_OK)
            (void)!qr_file_sync(file, NULL);
        qr_file_close(file);
    }
}

static inline void close_it(struct model *m, uint64_t lsn)
{
    qri_rbpex_close(m->rb, lsn);
    sync_files(m);
}

static inline void resize(struct model *m, uint32_t slots)
{
    struct qr_err err;
    qr_err_reset(&err);
    m->slots = slots;
    if (qri_rbpex_resize(m->rb, (uint64_t)slots * PAGE_BYTES, &err) != QR_OK)
        fail_msg("%s", err.text);
}

static inline void work(struct model *m, int steps)
{
    for (int i = 0; i < steps; i++) {
        if (pick(m, 60) == 0)
            resize(m, QRI_RBPEX_PAGES_MIN + (uint32_t)pick(m, SLOTS));
        uint32_t page_no = 1 + (uint32_t)pick(m, PAGES);
        switch (pick(m, 8)) {
        case 0:
        case 1:
            change(m, page_no);
            break;
        case 2:
            m->durable = m->head;
            break;
        case 3:
            qri_rbpex_mark(m->rb, m->durable);
            break;
        case 4:
            (void)qri_rbpex_step(m->rb);
            if (pick(m, 4) == 0)
                sync_files(m);
            break;
        case 5:
            (void)look(m, page_no);
            break;
        default:
            offer(m, page_no, (enum qri_rbpex_offer)pick(m, 4));
        }
    }
}

/* What a restart does: the log tells what changed behind the mark. */
static inline void read_log(struct model *m)
{
    while (m->count > 0 && m->changes[m->count - 1].lsn > m->durable)
        m->count--; /* was never durable */
    m->head = m->durable;
    for (uint64_t i = 0; i < m->count; i++)
        if (m->changes[i].lsn > qri_rbpex_recovered_lsn(m->rb))
            qri_rbpex_changed(m->rb, m->changes[i].page_no, m->changes[i].lsn);
    qri_rbpex_confirm_all(m->rb, true);
}

static inline uint64_t look_at_all(struct model *m)
{
    uint64_t found = 0;
    for (uint32_t p = 1; p <= PAGES; p++)
        found += look(m, p);
    return found;
}
