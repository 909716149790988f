/* gc.c - snapshots, and freeing the versions that none of them needs; see store_int.h.
 *
 * A version [its LSN, superseded_lsn) is needed by a snapshot inside, and as long as superseded_lsn
 * is not durable, because new snapshots start at the durable LSN. */
#include "cut.h"
#include <assert.h>
#include <stdlib.h>
#include "base/banned.h"

enum {
    COLLECT_MIN = 32,  /* fewer retired versions are not worth looking at the slots */
    COLLECT_MAX = 512, /* bound on one piece of work */
    SLOTS_LOCAL = 128,
};

void qri_slot_add(struct qr_store *store, struct qri_slot *slot)
{
    atomic_store(&slot->lsn, 0);
    pthread_mutex_lock(&store->slots_mu);
    slot->prev = NULL;
    slot->next = store->slots;
    if (slot->next != NULL)
        slot->next->prev = slot;
    store->slots = slot;
    pthread_mutex_unlock(&store->slots_mu);
}

void qri_slot_remove(struct qr_store *store, struct qri_slot *slot)
{
    pthread_mutex_lock(&store->slots_mu);
    if (slot->prev != NULL)
        slot->prev->next = slot->next;
    else
        store->slots = slot->next;
    if (slot->next != NULL)
        slot->next->prev = slot->prev;
    pthread_mutex_unlock(&store->slots_mu);
}

/* The collector reads the durable LSN before the slots; we write the slot before we look at the
 * durable LSN again. If it did not move past us, whoever missed our slot freed nothing of ours. */
uint64_t qri_slot_pin(struct qr_store *store, struct qri_slot *slot, uint64_t at_least)
{
    for (;;) {
        uint64_t durable = atomic_load(&store->durable_lsn);
        uint64_t lsn = durable > at_least ? durable : at_least;
        atomic_store(&slot->lsn, lsn);
        if (atomic_load(&store->durable_lsn) <= lsn)
            return lsn;
    }
}

uint64_t qri_slot_oldest(struct qr_store *store)
{
    uint64_t oldest = atomic_load(&store->durable_lsn); /* before the slots, as the collector */
    pthread_mutex_lock(&store->slots_mu);
    for (const struct qri_slot *s = store->slots; s != NULL; s = s->next) {
        uint64_t lsn = atomic_load(&s->lsn);
        oldest = qri_slot_counts(store, s, lsn) && lsn < oldest ? lsn : oldest;
    }
    pthread_mutex_unlock(&store->slots_mu);
    return oldest;
}

bool qri_cut_is_past(struct qr_store *store)
{
    uint64_t cut = atomic_load(&store->cut_lsn);
    return cut == 0 || qri_slot_oldest(store) >= cut;
}

static void push(struct qri_queue *q, struct qri_frame *f)
{
    f->next = NULL;
    if (q->last != NULL)
        q->last->next = f;
    else
        q->first = f;
    q->last = f;
    q->count++;
}

static struct qri_frame *pop(struct qri_queue *q)
{
    struct qri_frame *f = q->first;
    q->first = f->next;
    if (q->first == NULL)
        q->last = NULL;
    q->count--;
    return f;
}

void qri_retire(struct qr_store *store, struct qri_frame *list, size_t count)
{
    if (count == 0)
        return;
    pthread_mutex_lock(&store->gc_mu);
    while (list != NULL) {
        struct qri_frame *next = list->next;
        push(&store->retired, list);
        list = next;
    }
    pthread_mutex_unlock(&store->gc_mu);
    if (atomic_load(&store->upkeep.dozes)) /* no later commit may come to collect them */
        qri_upkeep_look(store);
}

struct active {
    uint64_t local[SLOTS_LOCAL], *lsns;
    size_t count;
    uint64_t oldest;
};

static int compare_lsns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool gather_active(struct qr_store *store, struct active *act)
{
    act->lsns = act->local;
    act->count = 0;
    size_t capacity = SLOTS_LOCAL;
    bool ok = true;
    pthread_mutex_lock(&store->slots_mu);
    for (struct qri_slot *s = store->slots; s != NULL && ok; s = s->next) {
        uint64_t lsn = atomic_load(&s->lsn);
        if (!qri_slot_counts(store, s, lsn))
            continue;
        if (act->count == capacity) {
            uint64_t *grown = malloc(capacity * 2 * sizeof *grown);
            ok = grown != NULL;
            if (!ok)
                break;
            for (size_t i = 0; i < act->count; i++)
                grown[i] = act->lsns[i];
            if (act->lsns != act->local)
                free(act->lsns);
            act->lsns = grown;
            capacity *= 2;
        }
        act->lsns[act->count++] = lsn;
    }
    pthread_mutex_unlock(&store->slots_mu);
    qsort(act->lsns, act->count, sizeof act->lsns[0], compare_lsns);
    act->oldest = act->count > 0 ? act->lsns[0] : UINT64_MAX;
    return ok;
}

static bool is_needed(const struct active *act, const struct qri_frame *f)
{
    size_t low = 0, high = act->count; /* the first slot at or behind f->lsn */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (act->lsns[mid] < f->lsn)
            low = mid + 1;
        else
            high = mid;
    }
    return low < act->count && act->lsns[low] < f->superseded_lsn;
}

/* Takes a superseded version out of its chain; false if the stripe is busy. */
static bool unlink_version(struct qr_store *store, struct qri_frame *f, bool waits)
{
    pthread_mutex_t *stripe = qri_stripe(store, atomic_load(&f->page_no));
    if (waits)
        pthread_mutex_lock(stripe);
    else if (pthread_mutex_trylock(stripe) != 0)
        return false;
    assert(f->newer != NULL);
    f->newer->older = f->older;
    if (f->older != NULL)
        f->older->newer = f->newer;
    pthread_mutex_unlock(stripe);
    return true;
}

/* With gc_mu held. Looks at up to `max` versions of `from`; what stays goes to `held`. */
static size_t collect_queue(struct qr_store *store, struct qri_queue *from, size_t max,
                            const struct active *act, uint64_t durable, bool waits,
                            struct qri_frame **freed)
{
    size_t count = 0;
    while (max-- > 0 && from->first != NULL) {
        if (from->first->superseded_lsn > durable)
            break; /* so are all behind it */
        struct qri_frame *f = pop(from);
        /* A statement left open over its own commit may still use a page of the snapshot before. */
        if (is_needed(act, f) || atomic_load(&f->pins) != 0 || !unlink_version(store, f, waits)) {
            push(&store->held, f);
        } else if (f->data == NULL) {
            qri_spill_free(store, f);
        } else {
            f->next = *freed;
            *freed = f;
            count++;
        }
    }
    return count;
}

bool qri_collect(struct qr_store *store, bool waits)
{
    if (waits)
        pthread_mutex_lock(&store->gc_mu);
    else if (pthread_mutex_trylock(&store->gc_mu) != 0)
        return false;
    struct qri_frame *freed = NULL;
    size_t count = 0;
    bool more = false;
    if (waits || store->retired.count >= COLLECT_MIN || store->held_to_check > 0) {
        uint64_t durable = atomic_load(&store->durable_lsn);
        struct active act;
        if (gather_active(store, &act)) {
            if (act.oldest != store->oldest_slot_seen) {
                store->oldest_slot_seen = act.oldest; /* maybe the held ones are free now */
                store->held_to_check = store->held.count;
            }
            size_t check = store->held_to_check < COLLECT_MAX ? store->held_to_check : COLLECT_MAX;
            store->held_to_check -= check;
            count += collect_queue(store, &store->held, check, &act, durable, waits, &freed);
            count +=
                collect_queue(store, &store->retired, COLLECT_MAX, &act, durable, waits, &freed);
        }
        if (act.lsns != act.local)
            free(act.lsns);
        atomic_store(&store->held_count, store->held.count);
        more = store->held_to_check > 0 ||
               (store->retired.first != NULL && store->retired.first->superseded_lsn <= durable);
    }
    pthread_mutex_unlock(&store->gc_mu);
    qri_frames_free(store, freed, count);
    return more;
}

void qri_collect_all(struct qr_store *store)
{
    pthread_mutex_lock(&store->gc_mu);
    store->held_to_check = store->held.count;
    pthread_mutex_unlock(&store->gc_mu);
    while (qri_collect(store, true))
        ;
}
