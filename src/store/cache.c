/* cache.c - frames of page memory and the clock that takes them back; see store_int.h. */
#include "store_int.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/banned.h"

enum {
    EVICT_BATCH = 16,
    TRIM_BATCH = 256,
    WARM_BYTES_MAX = 32 << 20, /* free memory kept for the next burst */
    EVICT_STEPS_MAX = 1024,    /* a cache full of dirty pages must not be walked by every commit */
};

enum qr_status qri_cache_init(struct qr_store *store, struct qr_err *err)
{
    (void)err;
    pthread_mutex_init(&store->cache.mu, NULL);
    atomic_store(&store->cache.bytes_max, store->options.cache_bytes);
    return QR_OK;
}

void qri_cache_done(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    for (size_t i = 0; i < c->slab_count; i++)
        munmap(c->slabs[i], QRI_SLAB_BYTES);
    free(c->slabs);
    pthread_mutex_destroy(&c->mu);
}

/* Slabs are aligned to their size: from a page's address one finds its frame. The slab's head and
 * its frames take whole pages at its start. */
static uint32_t head_pages(const struct qr_store *store)
{
    uint32_t pages = QRI_SLAB_BYTES / store->page_bytes;
    size_t head = sizeof(struct qri_slab) + (size_t)pages * sizeof(struct qri_frame);
    return (uint32_t)((head + store->page_bytes - 1) / store->page_bytes);
}

static struct qri_slab *map_slab(void)
{
    size_t bytes = 2 * (size_t)QRI_SLAB_BYTES;
    uint8_t *raw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    uintptr_t start = ((uintptr_t)raw + QRI_SLAB_BYTES - 1) & ~(uintptr_t)(QRI_SLAB_BYTES - 1);
    size_t before = start - (uintptr_t)raw;
    if (before > 0)
        munmap(raw, before);
    munmap((uint8_t *)start + QRI_SLAB_BYTES, QRI_SLAB_BYTES - before);
    return (struct qri_slab *)start;
}

/* With cache.mu held. */
static bool add_slab(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    if (c->slab_count == c->slab_capacity) {
        size_t capacity = c->slab_capacity == 0 ? 64 : c->slab_capacity * 2;
        struct qri_slab **slabs = realloc(c->slabs, capacity * sizeof(void *));
        if (slabs == NULL)
            return false;
        c->slabs = slabs;
        c->slab_capacity = capacity;
    }
    struct qri_slab *slab = map_slab();
    if (slab == NULL)
        return false;
    uint32_t head = head_pages(store);
    slab->frame_count = QRI_SLAB_BYTES / store->page_bytes - head;
    for (uint32_t i = slab->frame_count; i-- > 0;) {
        struct qri_frame *f = &slab->frames[i];
        f->data = (uint8_t *)slab + (size_t)(head + i) * store->page_bytes;
        f->next = c->free_frames;
        c->free_frames = f;
    }
    c->free_count += slab->frame_count;
    c->total_count += slab->frame_count;
    c->slabs[c->slab_count++] = slab;
    return true;
}

struct qri_frame *qri_frame_of(const struct qr_store *store, const uint8_t *data)
{
    struct qri_slab *slab = (struct qri_slab *)((uintptr_t)data & ~(uintptr_t)(QRI_SLAB_BYTES - 1));
    size_t index = (size_t)(data - (uint8_t *)slab) / store->page_bytes - head_pages(store);
    assert(index < slab->frame_count && slab->frames[index].data == data);
    return &slab->frames[index];
}

/* Takes the newest version of a page out of memory if the data file has it, nobody uses it, and no
 * snapshot needs an older one. The pin is looked at after the unlink, the reader looks at the link
 * after its pin: one of them sees the other. */
static bool try_evict(struct qr_store *store, struct qri_frame *f)
{
    uint32_t page_no = atomic_load(&f->page_no);
    if (page_no == 0 || atomic_load_explicit(&f->pins, memory_order_relaxed) != 0)
        return false;
    if (atomic_load_explicit(&f->used, memory_order_relaxed) != 0) {
        atomic_store_explicit(&f->used, 0, memory_order_relaxed);
        return false;
    }
    if (pthread_mutex_trylock(qri_stripe(store, page_no)) != 0)
        return false;
    bool evicted = false;
    _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
    if (entry != NULL && atomic_load(entry) == f && f->older == NULL &&
        f->lsn <= atomic_load(&store->clean_lsn)) {
        struct qri_frame *expected = f;
        if (store->backend->evicting != NULL)
            store->backend->evicting(store, page_no, f->lsn);
        if (atomic_compare_exchange_strong(entry, &expected, NULL)) {
            evicted = atomic_load(&f->pins) == 0;
            expected = NULL;
            if (!evicted) /* a writer that linked a newer version meanwhile has it as `older` */
                atomic_compare_exchange_strong(entry, &expected, f);
        }
    }
    if (evicted && store->backend->evicted != NULL)
        store->backend->evicted(store, f, true);
    pthread_mutex_unlock(qri_stripe(store, page_no));
    return evicted;
}

/* Moves the clock's hand until some frames came free or its steps are used up. */
static bool evict_some(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    struct qri_frame *list = NULL;
    size_t count = 0;
    pthread_mutex_lock(&c->mu);
    size_t steps = 2 * c->total_count + 1;
    if (steps > EVICT_STEPS_MAX)
        steps = EVICT_STEPS_MAX;
    while (steps-- > 0 && count < EVICT_BATCH && c->slab_count > 0) {
        if (c->hand_slab >= c->slab_count)
            c->hand_slab = 0;
        struct qri_slab *slab = c->slabs[c->hand_slab];
        struct qri_frame *f = &slab->frames[c->hand_frame];
        if (++c->hand_frame == slab->frame_count) {
            c->hand_frame = 0;
            c->hand_slab++;
        }
        if (try_evict(store, f)) {
            f->next = list;
            list = f;
            count++;
        }
    }
    pthread_mutex_unlock(&c->mu);
    atomic_fetch_add(&c->evictions, count);
    qri_frames_free(store, list, count);
    return count > 0;
}

static struct qri_frame *pop_free(struct qr_store *store, bool grow)
{
    struct qri_cache *c = &store->cache;
    pthread_mutex_lock(&c->mu);
    uint64_t used_bytes = (uint64_t)(c->total_count - c->free_count) * store->page_bytes;
    bool may = grow || used_bytes < atomic_load(&c->bytes_max);
    if (may && c->free_count == 0)
        (void)add_slab(store);
    struct qri_frame **list = c->free_frames != NULL ? &c->free_frames : &c->cold_frames;
    struct qri_frame *f = may ? *list : NULL;
    if (f != NULL) {
        *list = f->next;
        c->free_count--;
        c->cold_count -= list == &c->cold_frames;
    }
    pthread_mutex_unlock(&c->mu);
    return f;
}

struct qri_frame *qri_frame_alloc(struct qr_store *store, bool must)
{
    struct qri_frame *f = pop_free(store, false);
    if (f == NULL && evict_some(store))
        f = pop_free(store, false);
    if (f == NULL) {
        qri_upkeep_want(store); /* dirty or needed frames fill the cache */
        if (must)
            f = pop_free(store, true);
    }
    if (f != NULL) {
        f->older = f->newer = f->next = NULL;
        f->superseded_lsn = 0;
    }
    return f;
}

void qri_frames_free(struct qr_store *store, struct qri_frame *list, size_t count)
{
    if (list == NULL)
        return;
    struct qri_frame *last = list;
    for (;; last = last->next) {
        atomic_store_explicit(&last->page_no, 0, memory_order_relaxed);
        atomic_store_explicit(&last->used, 0, memory_order_relaxed);
        if (last->next == NULL)
            break;
    }
    struct qri_cache *c = &store->cache;
    pthread_mutex_lock(&c->mu);
    last->next = c->free_frames;
    c->free_frames = list;
    c->free_count += count;
    pthread_mutex_unlock(&c->mu);
}

void qri_frame_free(struct qr_store *store, struct qri_frame *frame)
{
    frame->next = NULL;
    qri_frames_free(store, frame, 1);
}

uint64_t qri_cache_used_bytes(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    pthread_mutex_lock(&c->mu);
    uint64_t used = (uint64_t)(c->total_count - c->free_count) * store->page_bytes;
    pthread_mutex_unlock(&c->mu);
    return used;
}

bool qri_cache_is_over(struct qr_store *store)
{
    return qri_cache_used_bytes(store) + (uint64_t)EVICT_BATCH * store->page_bytes >
           atomic_load(&store->cache.bytes_max);
}

void qri_cache_trim(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    for (;;) {
        struct qri_frame *list = NULL, *last = NULL;
        size_t count = 0;
        pthread_mutex_lock(&c->mu);
        uint64_t warm_bytes = (uint64_t)(c->free_count - c->cold_count) * store->page_bytes;
        while (warm_bytes > WARM_BYTES_MAX && count < TRIM_BATCH && c->free_frames != NULL) {
            struct qri_frame *f = c->free_frames;
            c->free_frames = f->next;
            f->next = list;
            list = f;
            last = last == NULL ? f : last;
            count++;
        }
        c->free_count -= count;
        pthread_mutex_unlock(&c->mu);
        if (count == 0)
            return;
        for (struct qri_frame *f = list; f != NULL; f = f->next)
            madvise(f->data, store->page_bytes, MADV_DONTNEED);
        pthread_mutex_lock(&c->mu);
        last->next = c->cold_frames;
        c->cold_frames = list;
        c->free_count += count;
        c->cold_count += count;
        pthread_mutex_unlock(&c->mu);
    }
}
