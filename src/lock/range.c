/* range.c - see lock/range.h
 *
 * A *space* is the keys of one index. It lists who has something in it: readers and writers apart,
 * because a writer looks at readers only, and mostly there are none. What one owner has in a space
 * in one mode is a *ranged*: pieces in the order of keys that do not touch each other.
 *
 * A *claim* is a ranged of its own without pieces: what its owner was refused and will ask for
 * again. Who comes later and does not go with it waits for it, so that it is let in at last. Its
 * resource goes with it, so that whoever waits for it asks again the moment it is given up. */
#include "lock/range.h"
#include <assert.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "lock_int.h"
#include "base/banned.h"

enum { PIECES_MAX = 128 /* before they are merged */, CLAIM_REFUSALS = 2 };

struct qri_piece {
    uint16_t lo_n, hi_n;
    bool lo_after, hi_after;
    bool is_key; /* one key: hi has the bytes of lo */
    uint8_t bytes[];
};

struct qri_ranged {
    struct qri_space *space;
    struct qri_ranged *prev, *next; /* of the space */
    struct qri_ranged *owner_next;
    struct qr_lock_owner *owner;
    struct qri_lock *lock;
    enum qr_lock_mode mode;
    struct qri_piece **pieces; /* own, and each of them */
    size_t count, capacity, merge_at;
    struct qri_piece *claim; /* own; NULL: it has pieces */
    uint64_t turn;           /* of a claim */
};

struct qri_space {
    struct qri_node node; /* first */
    uint32_t object, index;
    struct qri_ranged *readers, *writers;
};

/* An interval, wherever its bytes are. */
struct interval {
    struct qr_lock_bound lo, hi;
};

/* ---- bounds and pieces ---- */

static int compare(const struct qr_lock_bound *a, const struct qr_lock_bound *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int c = n == 0 ? 0 : memcmp(a->key, b->key, n);
    if (c != 0)
        return c;
    if (a->n == b->n)
        return (int)a->after - (int)b->after;
    if (a->n < b->n)
        return a->after ? 1 : -1;
    return b->after ? -1 : 1;
}

/* No bound is longer than the maximum; the interval grows rather than shrinks. */
static struct interval cut_to_size(struct qr_lock_bound lo, struct qr_lock_bound hi)
{
    if (lo.n > QR_LOCK_KEY_BYTES_MAX)
        lo = (struct qr_lock_bound){lo.key, QR_LOCK_KEY_BYTES_MAX, false};
    if (hi.n > QR_LOCK_KEY_BYTES_MAX)
        hi = (struct qr_lock_bound){hi.key, QR_LOCK_KEY_BYTES_MAX, true};
    return (struct interval){lo, hi};
}

static struct interval of_piece(const struct qri_piece *p)
{
    const uint8_t *hi = p->is_key ? p->bytes : p->bytes + p->lo_n;
    return (struct interval){{p->bytes, p->lo_n, p->lo_after}, {hi, p->hi_n, p->hi_after}};
}

static size_t piece_bytes(const struct qri_piece *p)
{
    return sizeof *p + p->lo_n + (p->is_key ? 0U : p->hi_n);
}

static struct qri_piece *new_piece(struct qr_locks *m, const struct interval *i)
{
    bool is_key =
        i->lo.n == i->hi.n && (i->lo.n == 0 || memcmp(i->lo.key, i->hi.key, i->lo.n) == 0);
    struct qri_piece *p = qri_alloc(m, sizeof *p + i->lo.n + (is_key ? 0 : i->hi.n));
    if (p == NULL)
        return NULL;
    p->lo_n = (uint16_t)i->lo.n;
    p->hi_n = (uint16_t)i->hi.n;
    p->lo_after = i->lo.after;
    p->hi_after = i->hi.after;
    p->is_key = is_key;
    if (i->lo.n > 0)
        memcpy(p->bytes, i->lo.key, i->lo.n);
    if (!is_key && i->hi.n > 0)
        memcpy(p->bytes + i->lo.n, i->hi.key, i->hi.n);
    return p;
}

static void free_piece(struct qr_locks *m, struct qri_piece *p)
{
    if (p != NULL)
        qri_free(m, p, piece_bytes(p));
}

static bool overlap(const struct interval *a, const struct interval *b)
{
    return compare(&a->lo, &b->hi) < 0 && compare(&b->lo, &a->hi) < 0;
}

/* The first piece that ends behind `lo`, or (touching) at it. */
static size_t first_from(const struct qri_ranged *r, const struct qr_lock_bound *lo, bool touching)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct interval piece = of_piece(r->pieces[mid]);
        int c = compare(&piece.hi, lo);
        if (c > 0 || (touching && c == 0))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static bool overlaps(const struct qri_ranged *r, const struct interval *i)
{
    size_t at = first_from(r, &i->lo, false);
    if (at == r->count)
        return false;
    struct interval piece = of_piece(r->pieces[at]);
    return overlap(&piece, i);
}

static bool contains(const struct qri_ranged *r, const struct interval *i)
{
    size_t at = first_from(r, &i->lo, false);
    if (at == r->count)
        return false;
    struct interval piece = of_piece(r->pieces[at]);
    return compare(&piece.lo, &i->lo) <= 0 && compare(&i->hi, &piece.hi) <= 0;
}

/* ---- spaces ---- */

static uint64_t hash_space(uint32_t object, uint32_t index)
{
    uint64_t h = ((uint64_t)object << 32 | index) * UINT64_C(0x9FB21C651E98DF25);
    return h ^ h >> 32;
}

static struct qri_space *find_space(const struct qr_locks *m, uint32_t object, uint32_t index)
{
    uint64_t hash = hash_space(object, index);
    struct qri_node *node = qri_table_chain(&m->spaces, hash);
    for (; node != NULL; node = node->next) {
        struct qri_space *space = (struct qri_space *)node;
        if (space->object == object && space->index == index)
            return space;
    }
    return NULL;
}

static struct qri_space *need_space(struct qr_locks *m, uint32_t object, uint32_t index)
{
    struct qri_space *space = find_space(m, object, index);
    if (space != NULL)
        return space;
    space = qri_alloc(m, sizeof *space);
    if (space == NULL)
        return NULL;
    space->node.hash = hash_space(object, index);
    space->object = object;
    space->index = index;
    if (qri_table_put(m, &m->spaces, &space->node))
        return space;
    qri_free(m, space, sizeof *space);
    return NULL;
}

static void forget_space(struct qr_locks *m, struct qri_space *space)
{
    if (space->readers != NULL || space->writers != NULL)
        return;
    qri_table_remove(m, &m->spaces, &space->node);
    qri_free(m, space, sizeof *space);
}

static struct qri_ranged *find_own(const struct qr_lock_owner *owner, const struct qri_space *space,
                                   enum qr_lock_mode mode)
{
    struct qri_ranged *r = owner->ranges;
    while (r != NULL && (r->space != space || r->mode != mode || r->claim != NULL))
        r = r->owner_next;
    return r;
}

static bool has_some_of(const struct qr_lock_owner *owner, const struct qri_space *space,
                        const struct interval *i)
{
    for (const struct qri_ranged *r = owner->ranges; r != NULL; r = r->owner_next)
        if (r->space == space && overlaps(r, i))
            return true;
    return false;
}

/* ---- who is in the way ---- */

/* `asker` came after it, and is not in its way already: that one would wait for it in vain. */
static bool is_claimed(const struct qri_ranged *r, const struct interval *i,
                       const struct qr_lock_owner *asker, uint64_t turn)
{
    if (r->claim == NULL || r->turn > turn)
        return false;
    struct interval claim = of_piece(r->claim);
    return overlap(&claim, i) && !has_some_of(asker, r->space, &claim);
}

/* The turn of what `owner` asks for: that of its claim, if it asks for this again. */
static uint64_t turn_of(const struct qr_lock_owner *owner, const struct qri_space *space,
                        const struct interval *i, enum qr_lock_mode mode)
{
    const struct qri_ranged *r = owner->claim;
    if (r == NULL || r->space != space || r->mode != mode)
        return UINT64_MAX;
    struct interval claim = of_piece(r->claim);
    bool same = compare(&claim.lo, &i->lo) == 0 && compare(&claim.hi, &i->hi) == 0;
    return same ? r->turn : UINT64_MAX;
}

static struct qri_ranged *in_way(const struct qr_lock_owner *owner, const struct qri_space *space,
                                 const struct interval *i, enum qr_lock_mode mode)
{
    uint64_t turn = turn_of(owner, space, i, mode);
    struct qri_ranged *lists[] = {space->readers, mode == QR_LOCK_IX ? NULL : space->writers};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
        for (struct qri_ranged *r = lists[k]; r != NULL; r = r->next)
            if (r->owner != owner && !qr_lock_goes_with(mode, r->mode) &&
                (overlaps(r, i) || is_claimed(r, i, owner, turn)))
                return r;
    return NULL;
}

/* ---- having ---- */

static struct qri_lock *make_resource(struct qr_lock_owner *owner, const struct qri_space *space,
                                      enum qr_lock_mode mode)
{
    struct qr_locks *m = owner->locks;
    struct qr_lock_resource resource = {.kind = QR_LOCK_RANGE,
                                        .object = space->object,
                                        .index = space->index,
                                        .hash = ++m->range_count * UINT64_C(0x9E3779B97F4A7C15)};
    struct qri_ask ask;
    qri_lock_ask(owner, QR_LOCK_OF_TRAN, &resource, mode, &ask);
    if (!qri_grant(&ask, NULL))
        return NULL;
    qri_lock_ask(owner, QR_LOCK_OF_TRAN, &resource, mode, &ask);
    return ask.lock;
}

static struct qri_ranged *new_ranged(struct qr_lock_owner *owner, struct qri_space *space,
                                     enum qr_lock_mode mode)
{
    struct qr_locks *m = owner->locks;
    struct qri_ranged *r = qri_alloc(m, sizeof *r);
    if (r == NULL)
        return NULL;
    struct qri_lock *lock = make_resource(owner, space, mode);
    if (lock == NULL) {
        qri_free(m, r, sizeof *r);
        return NULL;
    }
    struct qri_ranged **list = mode == QR_LOCK_IX ? &space->writers : &space->readers;
    *r = (struct qri_ranged){.space = space,
                             .next = *list,
                             .owner_next = owner->ranges,
                             .owner = owner,
                             .lock = lock,
                             .mode = mode,
                             .merge_at = PIECES_MAX};
    if (*list != NULL)
        (*list)->prev = r;
    *list = r;
    owner->ranges = r;
    lock->ranged = r;
    return r;
}

static struct qri_ranged *need_own(struct qr_lock_owner *owner, struct qri_space *space,
                                   enum qr_lock_mode mode)
{
    struct qri_ranged *r = find_own(owner, space, mode);
    return r != NULL ? r : new_ranged(owner, space, mode);
}

/* Whoever waits for it asks again. */
static void forget_claim(struct qr_lock_owner *owner)
{
    if (owner->claim != NULL)
        qri_drop(qri_find_hold(owner, QR_LOCK_OF_TRAN, owner->claim->lock));
    owner->refusals = 0;
}

void qri_ranged_free(struct qr_locks *m, struct qri_ranged *r)
{
    struct qri_space *space = r->space;
    struct qri_ranged **list = r->mode == QR_LOCK_IX ? &space->writers : &space->readers;
    *(r->prev != NULL ? &r->prev->next : list) = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    struct qri_ranged **at = &r->owner->ranges;
    while (*at != r)
        at = &(*at)->owner_next;
    *at = r->owner_next;
    if (r->owner->claim == r)
        r->owner->claim = NULL;
    free_piece(m, r->claim);
    for (size_t i = 0; i < r->count; i++)
        free_piece(m, r->pieces[i]);
    qri_free(m, r->pieces, r->capacity * sizeof *r->pieces);
    qri_free(m, r, sizeof *r);
    forget_space(m, space);
}

const struct qr_lock_owner *qri_ranged_owner(const struct qri_ranged *ranged)
{
    return ranged->owner;
}

bool qri_ranged_is_claim(const struct qri_ranged *ranged)
{
    return ranged->claim != NULL;
}

/* Neighbours become one where nobody else stands between them. */
static void merge(struct qri_ranged *r)
{
    struct qr_locks *m = r->owner->locks;
    size_t kept = 0;
    for (size_t k = 0; k < r->count; k++) {
        struct qri_piece *both = NULL;
        if (k + 1 < r->count) {
            struct interval a = of_piece(r->pieces[k]), b = of_piece(r->pieces[k + 1]);
            struct interval i = {a.lo, b.hi};
            if (in_way(r->owner, r->space, &i, r->mode) == NULL)
                both = new_piece(m, &i);
        }
        if (both != NULL) {
            free_piece(m, r->pieces[k]);
            free_piece(m, r->pieces[++k]);
            r->pieces[kept++] = both;
        } else {
            r->pieces[kept++] = r->pieces[k];
        }
    }
    r->count = kept;
    r->merge_at = kept * 2 < PIECES_MAX ? PIECES_MAX : kept * 2;
}

static bool grow(struct qri_ranged *r)
{
    struct qr_locks *m = r->owner->locks;
    size_t capacity = r->capacity == 0 ? 4 : r->capacity * 2;
    struct qri_piece **pieces = qri_alloc(m, capacity * sizeof *pieces);
    if (pieces == NULL)
        return false;
    if (r->count > 0)
        memcpy(pieces, r->pieces, r->count * sizeof *pieces);
    qri_free(m, r->pieces, r->capacity * sizeof *pieces);
    r->pieces = pieces;
    r->capacity = capacity;
    return true;
}

/* False: no room, nothing has changed. */
static bool add(struct qri_ranged *r, struct interval i)
{
    struct qr_locks *m = r->owner->locks;
    if (contains(r, &i))
        return true;
    if (r->count >= r->merge_at)
        merge(r);
    if (r->count == r->capacity && !grow(r))
        return false;
    size_t from = first_from(r, &i.lo, true), to = from;
    for (; to < r->count; to++) { /* what it touches becomes a part of it */
        struct interval piece = of_piece(r->pieces[to]);
        if (compare(&piece.lo, &i.hi) > 0)
            break;
        if (compare(&piece.lo, &i.lo) < 0)
            i.lo = piece.lo;
        if (compare(&piece.hi, &i.hi) > 0)
            i.hi = piece.hi;
    }
    struct qri_piece *whole = new_piece(m, &i);
    if (whole == NULL)
        return false;
    for (size_t k = from; k < to; k++)
        free_piece(m, r->pieces[k]);
    memmove(r->pieces + from + 1, r->pieces + to, (r->count - to) * sizeof(struct qri_piece *));
    r->pieces[from] = whole;
    r->count = r->count - (to - from) + 1;
    return true;
}

/* ---- asking; with the mutex ---- */

static bool has_already(const struct qr_lock_owner *owner, const struct qri_space *space,
                        const struct interval *i, enum qr_lock_mode mode)
{
    for (const struct qri_ranged *r = owner->ranges; r != NULL; r = r->owner_next)
        if (r->space == space && qr_lock_join(r->mode, mode) == r->mode && contains(r, i))
            return true;
    return false;
}

/* A reader is refused once without a claim: mostly it gets in the next time, and a claim stops
 * writers who would not have been in its way. False: no room. */
static bool refuse(struct qr_lock_owner *owner, struct qri_space *space,
                   const struct interval *wanted, enum qr_lock_mode mode)
{
    if (turn_of(owner, space, wanted, mode) != UINT64_MAX)
        return true; /* it has its place */
    uint32_t refusals = owner->refusals + 1;
    forget_claim(owner);
    owner->refusals = refusals;
    if (mode != QR_LOCK_IX && refusals < CLAIM_REFUSALS)
        return true;
    struct qri_piece *claim = new_piece(owner->locks, wanted);
    struct qri_ranged *r = claim == NULL ? NULL : new_ranged(owner, space, mode);
    if (r == NULL) {
        free_piece(owner->locks, claim);
        return false;
    }
    r->claim = claim;
    r->turn = ++owner->locks->turn;
    owner->claim = r;
    return true;
}

static enum qr_status ask_in(struct qr_lock_owner *owner, struct qri_space *space,
                             struct interval i, enum qr_lock_mode mode,
                             struct qr_lock_resource *ret_in_way)
{
    bool has = has_already(owner, space, &i, mode);
    const struct qri_ranged *other = has ? NULL : in_way(owner, space, &i, mode);
    if (other != NULL) {
        *ret_in_way = other->lock->resource;
        return refuse(owner, space, &i, mode) ? QR_BUSY : QR_NOMEM;
    }
    struct qri_ranged *own = has ? NULL : need_own(owner, space, mode);
    if (!has && (own == NULL || !add(own, i)))
        return QR_NOMEM;
    owner->refusals = 0;
    if (turn_of(owner, space, &i, mode) != UINT64_MAX)
        forget_claim(owner);
    return QR_OK;
}

static enum qr_status ask_for(struct qr_lock_owner *owner, const struct qr_lock_range *range,
                              enum qr_lock_mode mode, struct qr_lock_resource *ret_in_way)
{
    struct qr_locks *m = owner->locks;
    struct interval i = cut_to_size(range->lo, range->hi);
    struct qri_space *space = need_space(m, range->object, range->index);
    if (space == NULL)
        return QR_NOMEM;
    enum qr_status status = ask_in(owner, space, i, mode, ret_in_way);
    forget_space(m, space); /* which had nobody in it, and has nobody */
    return status;
}

static enum qr_status ask_locked(struct qr_lock_owner *owner, const struct qr_lock_range *range,
                                 enum qr_lock_mode mode, struct qr_lock_resource *ret_in_way,
                                 struct qr_err *err)
{
    pthread_mutex_lock(&owner->locks->mu);
    enum qr_status status = ask_for(owner, range, mode, ret_in_way);
    pthread_mutex_unlock(&owner->locks->mu);
    return status == QR_NOMEM ? qr_sql_fail(err, 1204) : status;
}

enum qr_status qr_lock_range_try(struct qr_lock_owner *owner, const struct qr_lock_range *range,
                                 enum qr_lock_mode mode, struct qr_lock_resource *ret_in_way,
                                 struct qr_err *err)
{
    assert(mode == QR_LOCK_S || mode == QR_LOCK_U || mode == QR_LOCK_X || mode == QR_LOCK_IX);
    if (compare(&range->lo, &range->hi) >= 0)
        return QR_OK; /* there is nothing between them */
    return ask_locked(owner, range, mode, ret_in_way, err);
}

enum qr_status qr_lock_key_try(struct qr_lock_owner *owner, uint32_t object, uint32_t index,
                               const uint8_t *key, size_t key_bytes,
                               struct qr_lock_resource *ret_in_way, struct qr_err *err)
{
    struct qr_lock_range range = {.object = object,
                                  .index = index,
                                  .lo = {key, key_bytes, false},
                                  .hi = {key, key_bytes, true}};
    return ask_locked(owner, &range, QR_LOCK_IX, ret_in_way, err);
}

size_t qr_lock_range_pieces(const struct qr_lock_owner *owner)
{
    size_t count = 0;
    for (const struct qri_ranged *r = owner->ranges; r != NULL; r = r->owner_next)
        count += r->count;
    return count;
}

void qr_lock_range_give_up(struct qr_lock_owner *owner)
{
    if (owner == NULL || (owner->claim == NULL && owner->refusals == 0))
        return;
    pthread_mutex_lock(&owner->locks->mu);
    forget_claim(owner);
    pthread_mutex_unlock(&owner->locks->mu);
}
