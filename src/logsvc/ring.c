/* ring.c - recent log in memory; see logsvc_int.h. Pieces leave in the order in which they came,
 * over all timelines, so those of one timeline leave oldest first and the rest stays without a
 * hole. */
#include "logsvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

struct qri_piece *qri_piece_new(struct qr_logsvc_append *append)
{
    void *memory = QR_TAKE(append->own_memory);
    struct qri_piece *piece = malloc(sizeof *piece + (memory == NULL ? append->byte_count : 0));
    if (piece == NULL) {
        free(memory);
        return NULL;
    }
    *piece = (struct qri_piece){
        .refs = 1,
        .bytes = append->byte_count,
        .epoch = append->epoch,
        .lsn = append->first_lsn,
        .commit_lsn = append->commit_lsn,
        .commit_wall_ns = append->commit_wall_ns,
        .flags = append->new_epoch ? QR_PIECE_NEW_EPOCH : 0,
        .data = memory != NULL ? append->bytes : piece->copy,
        .memory = memory,
    };
    if (memory == NULL)
        memcpy(piece->copy, append->bytes, append->byte_count);
    return piece;
}

void qri_piece_unref(struct qri_piece *piece)
{
    if (piece != NULL && atomic_fetch_sub(&piece->refs, 1) == 1) {
        free(piece->memory);
        free(piece);
    }
}

static uint64_t cost_of(const struct qri_piece *piece)
{
    return sizeof *piece + piece->bytes;
}

static bool reserve(struct qri_timeline *tl)
{
    if (tl->piece_count < tl->piece_capacity)
        return true;
    size_t capacity = tl->piece_capacity == 0 ? 8 : tl->piece_capacity * 2;
    struct qri_piece **pieces = malloc(capacity * sizeof(struct qri_piece *));
    if (pieces == NULL)
        return false;
    for (size_t i = 0; i < tl->piece_count; i++)
        pieces[i] = qri_ring_at(tl, i);
    free(tl->pieces);
    tl->pieces = pieces;
    tl->piece_first = 0;
    tl->piece_capacity = capacity;
    return true;
}

static void pop_first(struct qr_logsvc *svc)
{
    struct qri_piece *piece = svc->ring_first;
    struct qri_timeline *tl = piece->tl;
    assert(qri_ring_at(tl, 0) == piece);
    svc->ring_first = piece->ring_next;
    if (svc->ring_first == NULL)
        svc->ring_last = NULL;
    svc->ring_bytes -= cost_of(piece);
    tl->ring_floor = piece->lsn + piece->bytes;
    tl->piece_first = (tl->piece_first + 1) % tl->piece_capacity;
    tl->piece_count--;
    qri_piece_unref(piece);
}

void qri_ring_evict(struct qr_logsvc *svc, uint64_t bytes_max)
{
    while (svc->ring_bytes > bytes_max)
        pop_first(svc);
}

void qri_ring_calm(struct qr_logsvc *svc)
{
    static const int64_t PERIOD_NS = INT64_C(30000000000);
    static const uint64_t STEP_BYTES = 8 << 20; /* millions of small pieces: `mu` is held */
    int64_t now = qr_env_mono_ns(svc->env);
    uint64_t stays = svc->options.ring_bytes / QRI_RING_CALM_PART;
    if (svc->ring_bytes <= stays || now - svc->ring_looked_ns < PERIOD_NS)
        return;
    if (svc->stats.append_bytes - svc->ring_looked_bytes < stays) {
        uint64_t rest = svc->ring_bytes > STEP_BYTES ? svc->ring_bytes - STEP_BYTES : 0;
        qri_ring_evict(svc, rest > stays ? rest : stays);
        return; /* goes on with the next tick */
    }
    svc->ring_looked_ns = now;
    svc->ring_looked_bytes = svc->stats.append_bytes;
}

void qri_ring_push(struct qr_logsvc *svc, struct qri_timeline *tl, struct qri_piece *own_piece)
{
    struct qri_piece *piece = own_piece;
    if (!reserve(tl)) { /* it can be read from the journal; so must what is older */
        while (tl->piece_count > 0)
            pop_first(svc);
        tl->ring_floor = piece->lsn + piece->bytes;
        qri_piece_unref(piece);
        return;
    }
    tl->pieces[(tl->piece_first + tl->piece_count++) % tl->piece_capacity] = piece;
    piece->tl = tl;
    piece->ring_next = NULL;
    if (svc->ring_last != NULL)
        svc->ring_last->ring_next = piece;
    else
        svc->ring_first = piece;
    svc->ring_last = piece;
    svc->ring_bytes += cost_of(piece);
}

size_t qri_ring_find(const struct qri_timeline *tl, uint64_t lsn)
{
    size_t low = 0, high = tl->piece_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct qri_piece *piece = qri_ring_at(tl, mid);
        if (piece->lsn + piece->bytes <= lsn)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}
