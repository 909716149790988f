/* helper.h - a log service driven by hand, and log whose bytes follow from its place. */
#pragma once
#include "qr_test.h"
#include <stdlib.h>
#include "blob/blob.h"
#include "env/sim.h"
#include "logsvc/client.h"
#include "logsvc/logsvc.h"
#include "page/record.h"

enum { T_APPEND_BYTES_MAX = 1 << 20, T_EPOCH_BYTES = 32 };
#define T_START UINT64_C(4096)
#define T_JUMP (UINT64_C(1) << 32)

static inline struct qr_timeline t_timeline(int n)
{
    struct qr_timeline t = {{0}};
    t.id[0] = 0x7a;
    t.id[15] = (uint8_t)n;
    return t;
}

static inline uint8_t t_byte(const struct qr_timeline *t, uint64_t epoch, uint64_t lsn)
{
    uint64_t x = (lsn ^ (epoch << 40) ^ ((uint64_t)t->id[15] << 56)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint8_t)(x >> 56);
}

/* Fills `dst`; the first append of an epoch starts with its EPOCH record. */
static inline void t_fill(uint8_t *dst, const struct qr_timeline *t, uint64_t epoch, uint64_t lsn,
                          uint32_t bytes, bool first, uint64_t last_commit)
{
    for (uint32_t i = 0; i < bytes; i++)
        dst[i] = t_byte(t, epoch, lsn + i);
    if (!first)
        return;
    struct qr_buf buf;
    qr_buf_init(&buf, T_EPOCH_BYTES);
    qr_record_add_epoch(&buf, epoch, last_commit, 0);
    assert_int_equal(buf.len, T_EPOCH_BYTES);
    memcpy(dst, buf.data, buf.len);
    qr_buf_done(&buf);
}

struct t_append {
    struct qr_logsvc_append a; /* first */
    bool done;
    uint8_t *bytes;
};
static inline void t_append_done(struct qr_logsvc_append *a)
{
    ((struct t_append *)a)->done = true;
}

/* Starts it; the caller flushes, looks at it and calls t_append_free. `commits`: a mark at its end.
 */
static inline struct t_append *t_append_start(struct qr_logsvc *svc, int timeline, uint64_t epoch,
                                              uint64_t lsn, uint32_t bytes, bool first,
                                              uint64_t last_commit, bool commits)
{
    struct t_append *x = calloc(1, sizeof *x);
    x->bytes = malloc(bytes + 1);
    struct qr_timeline t = t_timeline(timeline);
    t_fill(x->bytes, &t, epoch, lsn, bytes, first, last_commit);
    x->a = (struct qr_logsvc_append){.timeline = t,
                                     .epoch = epoch,
                                     .first_lsn = lsn,
                                     .bytes = x->bytes,
                                     .byte_count = bytes,
                                     .new_epoch = first,
                                     .commit_lsn = commits ? lsn + bytes : 0,
                                     .commit_wall_ns = commits ? lsn + bytes : 0,
                                     .done = t_append_done};
    qr_logsvc_append(svc, &x->a);
    return x;
}
static inline void t_append_free(struct t_append *x)
{
    free(x->bytes);
    free(x);
}

static inline void t_flush_all(struct qr_logsvc *svc)
{
    while (qr_logsvc_flush(svc, NULL) == QR_OK)
        continue;
}

/* One append to its end. */
static inline enum qr_status t_append(struct qr_logsvc *svc, int timeline, uint64_t epoch,
                                      uint64_t lsn, uint32_t bytes, bool first,
                                      uint64_t last_commit)
{
    struct t_append *x = t_append_start(svc, timeline, epoch, lsn, bytes, first, last_commit, true);
    t_flush_all(svc);
    assert_true(x->done);
    enum qr_status status = x->a.status;
    t_append_free(x);
    return status;
}

struct t_change {
    struct qr_logsvc_change c; /* first */
    bool done;
};
static inline void t_change_done(struct qr_logsvc_change *c)
{
    ((struct t_change *)c)->done = true;
}
static inline enum qr_status t_change(struct qr_logsvc *svc, struct qr_logsvc_change *c)
{
    struct t_change x = {.c = *c};
    x.c.done = t_change_done;
    qr_logsvc_change(svc, &x.c);
    t_flush_all(svc);
    assert_true(x.done);
    *c = x.c;
    return x.c.status;
}
static inline enum qr_status t_create(struct qr_logsvc *svc, int timeline)
{
    return t_change(svc, &(struct qr_logsvc_change){.kind = QR_LOGSVC_CREATE,
                                                    .timeline = t_timeline(timeline),
                                                    .start_lsn = T_START});
}
static inline enum qr_status t_fence(struct qr_logsvc *svc, int timeline, uint64_t epoch,
                                     struct qr_logsvc_state *ret_state)
{
    struct qr_logsvc_change c = {.kind = QR_LOGSVC_FENCE,
                                 .timeline = t_timeline(timeline),
                                 .epoch = epoch,
                                 .holder = epoch * 1000,
                                 .force = true};
    enum qr_status status = t_change(svc, &c);
    if (ret_state != NULL)
        *ret_state = c.state;
    return status;
}

static inline struct qr_logsvc_state t_state(struct qr_logsvc *svc, int timeline)
{
    struct qr_logsvc_state state = {.epoch = 0};
    struct qr_timeline t = t_timeline(timeline);
    assert_int_equal(qr_logsvc_state(svc, &t, &state, NULL), QR_OK);
    return state;
}

static inline void t_check_piece(const struct qr_timeline *t, const struct qr_piece *p)
{
    uint32_t from = (p->flags & QR_PIECE_NEW_EPOCH) != 0 ? T_EPOCH_BYTES : 0;
    for (uint32_t i = from; i < p->bytes; i++)
        if (p->data[i] != t_byte(t, p->epoch, p->first_lsn + i))
            fail_msg("timeline %d epoch %d lsn %llu differs", t->id[15], (int)p->epoch,
                     (unsigned long long)(p->first_lsn + i));
}

/* Reads everything and checks it byte for byte; returns the number of bytes. *ret_end: the end. */
static inline uint64_t t_read_all(struct qr_logsvc *svc, int timeline, uint64_t from, size_t step,
                                  uint64_t *ret_end)
{
    struct qr_timeline t = t_timeline(timeline);
    uint64_t next = from, total = 0;
    for (;;) {
        struct qr_buf buf;
        struct qr_logsvc_state state;
        struct qr_err err;
        qr_err_reset(&err);
        qr_buf_init(&buf, 32 << 20);
        if (qr_logsvc_read(svc, &t, next, step, &buf, &state, &err) != QR_OK)
            fail_msg("read at %llu: %s", (unsigned long long)next, err.text);
        size_t len = buf.len;
        for (size_t at = 0; at < len;) {
            struct qr_piece p;
            assert_int_equal(qr_piece_next(buf.data, len, &at, &p, NULL), QR_OK);
            if ((p.flags & QR_PIECE_NEW_EPOCH) == 0 && next > T_START)
                assert_int_equal(p.first_lsn, next);
            t_check_piece(&t, &p);
            next = p.first_lsn + p.bytes;
            total += p.bytes;
        }
        qr_buf_done(&buf);
        if (len == 0)
            break;
    }
    *ret_end = next;
    return total;
}
