/* cache.c - frames of page memory and the clock that takes them back; see store_int.h.
 *
 * A frame is taken back when the hand comes to it unless it was used twice since it came: then it
 * is hot and stays. Only when three quarters of the cache are hot does the hand make them cooler as
 * it passes. So what a scan brings in, each page used once, goes through the last quarter, however
 * long the scan is. What comes back soon after it went that way, as a loop over more than that
 * quarter does, is hot with its first use: its page number was kept (a ghost). */
#include "store_int.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/banned.h"

enum {
    EVICT_BATCH = 16,
    SHRINK_PASSES = 64,
    TRIM_BATCH = 256,
    EVICT_STEPS_MAX = 1024, /* a cache full of dirty pages must not be walked by every commit */
    HOT_PART = 3,
    HOT_OF = 4,
    GHOSTS_MIN = 256,
    GHOSTS_MAX = 1 << 23,
};

enum qr_status qri_cache_init(struct qr_store *store, struct qr_err *err)
{
    struct qri_cache *c = &store->cache;
    uint32_t ghosts = GHOSTS_MIN;
    while (ghosts < GHOSTS_MAX && ghosts < store->options.cache_bytes / store->page_bytes)
        ghosts *= 2;
    pthread_mutex_init(&c->mu, NULL);
    atomic_store(&c->bytes_max, store->options.cache_bytes);
    c->ghost_mask = ghosts - 1;
    c->ghosts = calloc(ghosts, sizeof *c->ghosts);
    return c->ghosts != NULL ? QR_OK : qr_fail(err, QR_NOMEM, "cache");
}

void qri_cache_done(struct qr_store *store)
{
    struct qri_cache *c = &store->cache;
    for (size_t i = 0; i < c->slab_count; i++)
        munmap(c->slabs[i], QRI_SLAB_BYTES);
    free(c->slabs);
    free(c->ghosts);
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
        f->next = c->cold_frames; /* its memory comes with its first use */
        c->cold_frames = f;
    }
    c->cold_count += slab->frame_count;
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

/* --- how much a frame is used --- */

static bool is_hot(uint8_t used)
{
    return (used & QRI_USED_COUNT) >= QRI_USED_HOT;
}

static struct qri_slab *slab_of(const struct qri_frame *f)
{
    return (struct qri_slab *)((uintptr_t)f & ~(uintptr_t)(QRI_SLAB_BYTES - 1));
}

static void count_hot(struct qr_store *store, struct qri_frame *f, int by)
{
    atomic_fetch_add_explicit(&store->cache.hot_count, (size_t)by, memory_order_relaxed);
    atomic_fetch_add_explicit(&slab_of(f)->hot_count, (uint32_t)by, memory_order_relaxed);
}

static bool change_used(struct qr_store *store, struct qri_frame *f, uint8_t from, uint8_t to)
{
    if (!atomic_compare_exchange_strong_explicit(&f->used, &from, to, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    if (is_hot(to) && !is_hot(from))
        count_hot(store, f, 1);
    if (is_hot(from) && !is_hot(to))
        count_hot(store, f, -1);
    return true;
}

void qri_frame_touch(struct qr_store *store, struct qri_frame *f)
{
    uint8_t used = atomic_load_explicit(&f->used, memory_order_relaxed);
    if ((used & QRI_USED_COUNT) != QRI_USED_COUNT) /* one of two at once is enough */
        (void)change_used(store, f, used, (uint8_t)(used + 1));
}

static _Atomic uint32_t *ghost_of(struct qr_store *store, uint32_t page_no)
{
    struct qri_cache *c = &store->cache;
    return &c->ghosts[(page_no * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & c->ghost_mask];
}

void qri_frame_came(struct qr_store *store, struct qri_frame *f, uint32_t page_no)
{
    _Atomic uint32_t *ghost = ghost_of(store, page_no);
    if (atomic_load_explicit(ghost, memory_order_relaxed) != page_no)
        return;
    atomic_store_explicit(ghost, 0, memory_order_relaxed);
    (void)change_used(store, f, 0, QRI_USED_HOT - 1);
}

static uint8_t forget_use(struct qr_store *store, struct qri_frame *f)
{
    uint8_t used = atomic_load_explicit(&f->used, memory_order_relaxed);
    while (used != 0 && !change_used(store, f, used, 0))
        used = atomic_load_explicit(&f->used, memory_order_relaxed);
    return used;
}

void qri_frame_inherit(struct qr_store *store, struct qri_frame *f, struct qri_frame *old)
{
    uint8_t used = old == NULL ? QRI_USED_NEW : forget_use(store, old);
    (void)change_used(store, f, 0, used);
    qri_frame_touch(store, f);
}

static void cool(struct qr_store *store, struct qri_frame *f, uint8_t used)
{
    uint8_t less = (uint8_t)(used - 1);
    (void)change_used(store, f, used, is_hot(less) ? less : less | QRI_USED_WAS_HOT);
}

/* --- taking back --- */

/* Takes the newest version of a page out of memory if the data file has it, nobody uses it, and no
 * snapshot needs an older one. The pin is looked at after the unlink, the reader looks at the link
 * after its pin: one of them sees the other. */
static bool try_evict(struct qr_store *store, struct qri_frame *f, bool cooling)
{
    uint32_t page_no = atomic_load(&f->page_no);
    if (page_no == 0 || atomic_load_explicit(&f->pins, memory_order_relaxed) != 0)
        return false;
    uint8_t used = atomic_load_explicit(&f->used, memory_order_relaxed);
    if (is_hot(used)) {
        store->cache.starved = true; /* unless others are found */
        if (cooling)
            cool(store, f, used);
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
    bool was_hot = (used & QRI_USED_WAS_HOT) != 0;
    if (evicted && !was_hot)
        atomic_store_explicit(ghost_of(store, page_no), page_no, memory_order_relaxed);
    if (evicted && store->backend->evicted != NULL)
        store->backend->evicted(store, f, used);
    pthread_mutex_unlock(qri_stripe(store, page_no));
    return evicted;
}

/* With cache.mu held: where the hand stands; NULL: nowhere. Slabs all hot are passed at once, so
 * that a hot set that lies together does not use up the hand's steps. */
static struct qri_slab *next_slab(struct qri_cache *c, bool cooling)
{
    for (size_t i = 0; i < c->slab_count; i++) {
        if (c->hand_slab >= c->slab_count)
            c->hand_slab = 0;
        struct qri_slab *slab = c->slabs[c->hand_slab];
        if (cooling || c->hand_frame > 0 ||
            atomic_load_explicit(&slab->hot_count, memory_order_relaxed) < slab->frame_count)
            return slab;
        c->hand_slab++;
    }
    return NULL;
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
    size_t hot = atomic_load_explicit(&c->hot_count, memory_order_relaxed);
    bool cooling = c->starved || hot * HOT_OF > (c->total_count - c->free_count) * HOT_PART;
    c->starved = false;
    struct qri_slab *slab;
    while (steps-- > 0 && count < EVICT_BATCH && (slab = next_slab(c, cooling)) != NULL) {
        struct qri_frame *f = &slab->frames[c->hand_frame];
        if (++c->hand_frame == slab->frame_count) {
            c->hand_frame = 0;
            c->hand_slab++;
        }
        if (try_evict(store, f, cooling)) {
            f->next = list;
            list = f;
            count++;
        }
    }
    c->starved = c->starved && count == 0;
    pthread_mutex_unlock(&c->mu);
    atomic_fetch_add(&c->evictions, count);
    qri_frames_free(store, list, count);
    return count > 0;
}

/* The next frame of the other hand, pinned; NULL: it is not hot. */
static struct qri_frame *next_hot(struct qri_cache *c)
{
    struct qri_frame *hot = NULL;
    pthread_mutex_lock(&c->mu);
    if (c->hot_hand_slab >= c->slab_count)
        c->hot_hand_slab = 0;
    if (c->slab_count > 0) {
        struct qri_slab *slab = c->slabs[c->hot_hand_slab];
        struct qri_frame *f = &slab->frames[c->hot_hand_frame];
        if (++c->hot_hand_frame == slab->frame_count) {
            c->hot_hand_frame = 0;
            c->hot_hand_slab++;
        }
        if (is_hot(atomic_load_explicit(&f->used, memory_order_relaxed)))
            hot = f;
    }
    if (hot != NULL)
        atomic_fetch_add(&hot->pins, 1); /* perhaps no page's; it only sees a pin come and go */
    pthread_mutex_unlock(&c->mu);
    return hot;
}

size_t qri_cache_each_hot(struct qr_store *store, size_t frames_max,
                          void (*each)(struct qr_store *store, struct qri_frame *frame))
{
    struct qri_cache *c = &store->cache;
    for (size_t n = 0; n < frames_max; n++) {
        struct qri_frame *f = next_hot(c);
        if (f == NULL)
            continue;
        uint32_t page_no = atomic_load(&f->page_no);
        if (page_no != 0 && pthread_mutex_trylock(qri_stripe(store, page_no)) == 0) {
            _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
            if (entry != NULL && atomic_load(entry) == f &&
                f->lsn <= atomic_load(&store->clean_lsn))
                each(store, f);
            pthread_mutex_unlock(qri_stripe(store, page_no));
        }
        qri_frame_unpin(f);
    }
    pthread_mutex_lock(&c->mu);
    size_t frames = c->total_count;
    pthread_mutex_unlock(&c->mu);
    return frames;
}

size_t qri_cache_list(struct qr_store *store, uint8_t uses_min, uint8_t uses_max, uint32_t *dst,
                      size_t max)
{
    struct qri_cache *c = &store->cache;
    struct qri_slab *slab = NULL;
    size_t count = 0;
    for (size_t n = 0; n == 0 || slab != NULL; n++) {
        pthread_mutex_lock(&c->mu);
        slab = n < c->slab_count ? c->slabs[n] : NULL; /* which stays until the store is closed */
        pthread_mutex_unlock(&c->mu);
        for (uint32_t i = 0; slab != NULL && i < slab->frame_count && count < max; i++) {
            struct qri_frame *f = &slab->frames[i];
            uint32_t page_no = atomic_load_explicit(&f->page_no, memory_order_relaxed);
            uint8_t uses = atomic_load_explicit(&f->used, memory_order_relaxed) & QRI_USED_COUNT;
            if (page_no == 0 || uses < uses_min || uses > uses_max)
                continue;
            _Atomic(struct qri_frame *) *entry = qri_table_entry(store, page_no, false);
            if (entry != NULL && atomic_load(entry) == f) /* or it was a moment ago */
                dst[count++] = page_no;
        }
    }
    return count;
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
        (void)forget_use(store, last);
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

void qri_cache_shrink(struct qr_store *store, uint64_t bytes)
{
    int idle = 0; /* passes that only cooled what was hot */
    while (idle < SHRINK_PASSES && qri_cache_used_bytes(store) > bytes)
        idle = evict_some(store) ? 0 : idle + 1;
}

void qri_cache_trim(struct qr_store *store, uint64_t warm_bytes_max)
{
    struct qri_cache *c = &store->cache;
    for (;;) {
        struct qri_frame *list = NULL, *last = NULL;
        size_t count = 0;
        pthread_mutex_lock(&c->mu);
        uint64_t warm_bytes = (uint64_t)(c->free_count - c->cold_count) * store->page_bytes;
        while (warm_bytes > warm_bytes_max && count < TRIM_BATCH && c->free_frames != NULL) {
            struct qri_frame *f = c->free_frames;
            c->free_frames = f->next;
            f->next = list;
            list = f;
            last = last == NULL ? f : last;
            warm_bytes -= store->page_bytes;
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
