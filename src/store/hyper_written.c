/* hyper_written.c - what to ask a page server to have before it answers (S12): an LSN at or behind
 * the page's last change, as low as a bounded memory allows. */
#include "hyper_int.h"
#include <stdlib.h>
#include "base/banned.h"

enum qr_status qri_written_init(struct qri_written *w, uint64_t start_lsn, struct qr_err *err)
{
    pthread_mutex_init(&w->mu, NULL);
    w->buckets = calloc(QRI_WRITTEN_BUCKETS, sizeof *w->buckets);
    if (w->buckets == NULL)
        return qr_fail(err, QR_NOMEM, "last-written LSNs");
    for (size_t i = 0; i < QRI_WRITTEN_BUCKETS; i++)
        w->buckets[i].floor = start_lsn;
    return QR_OK;
}

void qri_written_done(struct qri_written *w)
{
    free(w->buckets);
    pthread_mutex_destroy(&w->mu);
}

static struct qri_bucket *bucket_of(struct qri_written *w, uint32_t page_no)
{
    return &w->buckets[(page_no * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (QRI_WRITTEN_BUCKETS - 1)];
}

/* The page's way, or else the one with the lowest LSN. */
static size_t way_of(const struct qri_bucket *b, uint32_t page_no)
{
    size_t way = 0;
    for (size_t i = 0; i < QRI_WRITTEN_WAYS; i++) {
        if (b->page_no[i] == page_no)
            return i;
        if (b->lsn[i] < b->lsn[way])
            way = i;
    }
    return way;
}

void qri_written_note(struct qri_written *w, uint32_t page_no, uint64_t lsn)
{
    struct qri_bucket *b = bucket_of(w, page_no);
    pthread_mutex_lock(&w->mu);
    size_t way = way_of(b, page_no);
    if (b->page_no[way] != page_no && b->lsn[way] > b->floor)
        b->floor = b->lsn[way];
    if (b->page_no[way] != page_no || b->lsn[way] < lsn)
        b->lsn[way] = lsn;
    b->page_no[way] = page_no;
    pthread_mutex_unlock(&w->mu);
}

uint64_t qri_written_lsn(struct qri_written *w, uint32_t page_no)
{
    struct qri_bucket *b = bucket_of(w, page_no);
    pthread_mutex_lock(&w->mu);
    size_t way = way_of(b, page_no);
    uint64_t lsn = b->page_no[way] == page_no ? b->lsn[way] : b->floor;
    pthread_mutex_unlock(&w->mu);
    return lsn;
}

uint64_t qri_written_known(struct qri_written *w, uint32_t page_no)
{
    struct qri_bucket *b = bucket_of(w, page_no);
    pthread_mutex_lock(&w->mu);
    size_t way = way_of(b, page_no);
    uint64_t lsn = b->page_no[way] == page_no ? b->lsn[way] : 0;
    pthread_mutex_unlock(&w->mu);
    return lsn;
}
