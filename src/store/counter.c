/* counter.c - see store/counter.h */
#include "store_int.h"
#include <stdlib.h>
#include "base/banned.h"

enum {
    RESERVE_AHEAD = 1000, /* numbers; what a crash may skip */
    SLOTS_MIN = 64,
};

__extension__ typedef __int128 wide; /* numbers and their sums */

struct counter {
    uint64_t id;
    bool used, live;  /* used: the place is taken, perhaps by a dropped one */
    wide next;        /* beyond 64 bits: exhausted */
    int64_t reserved; /* where a crash goes on: no number at or behind it was given */
};

struct qri_counters {
    pthread_mutex_t mu;
    struct counter *slots;
    size_t slot_count, used_count;
};

enum qr_status qri_counters_init(struct qr_store *store, struct qr_err *err)
{
    struct qri_counters *c = calloc(1, sizeof *c);
    struct counter *slots = calloc(SLOTS_MIN, sizeof *slots);
    if (c == NULL || slots == NULL) {
        free(c);
        free(slots);
        return qr_fail(err, QR_NOMEM, "counters");
    }
    pthread_mutex_init(&c->mu, NULL);
    c->slots = slots;
    c->slot_count = SLOTS_MIN;
    store->counters = c;
    return QR_OK;
}

void qri_counters_done(struct qr_store *store)
{
    if (store->counters == NULL)
        return;
    pthread_mutex_destroy(&store->counters->mu);
    free(store->counters->slots);
    free(store->counters);
}

static struct counter *place(struct counter *slots, size_t slot_count, uint64_t id)
{
    size_t mask = slot_count - 1;
    size_t i = (id * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & mask;
    while (slots[i].used && slots[i].id != id)
        i = (i + 1) & mask;
    return &slots[i];
}

static struct counter *find(struct qri_counters *c, uint64_t id)
{
    struct counter *found = place(c->slots, c->slot_count, id);
    return found->used && found->live ? found : NULL;
}

static struct counter *find_or_add(struct qri_counters *c, uint64_t id)
{
    if ((c->used_count + 1) * 2 > c->slot_count) {
        struct counter *slots = calloc(c->slot_count * 2, sizeof *slots);
        if (slots == NULL)
            return NULL;
        c->used_count = 0;
        for (size_t i = 0; i < c->slot_count; i++) {
            if (!c->slots[i].live)
                continue;
            *place(slots, c->slot_count * 2, c->slots[i].id) = c->slots[i];
            c->used_count++;
        }
        free(c->slots);
        c->slots = slots;
        c->slot_count *= 2;
    }
    struct counter *found = place(c->slots, c->slot_count, id);
    if (!found->used)
        c->used_count++;
    found->used = found->live = true;
    found->id = id;
    return found;
}

static int64_t clamp(wide v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

/* A counter that has come to the end of its range gave its last number, or may have. */
static bool is_exhausted(wide next, int64_t increment)
{
    return increment > 0 ? next >= INT64_MAX : next <= INT64_MIN;
}

static enum qr_status log_counter(struct qr_store *store, uint64_t id, int64_t reserved,
                                  struct qr_err *err)
{
    struct qr_buf records;
    qr_buf_init(&records, 256);
    qr_record_add_counter(&records, id, reserved);
    enum qr_status status = qri_log_add(store, &records, err);
    qr_buf_done(&records);
    return status;
}

static enum qr_status set_locked(struct qr_store *store, uint64_t id, int64_t next,
                                 struct qr_err *err)
{
    QR_TRY(log_counter(store, id, next, err));
    struct counter *c = find_or_add(store->counters, id);
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "counter");
    c->next = next;
    c->reserved = next;
    return QR_OK;
}

enum qr_status qr_counter_set(struct qr_store *store, uint64_t counter_id, int64_t next,
                              struct qr_err *err)
{
    pthread_mutex_lock(&store->counters->mu);
    enum qr_status status = set_locked(store, counter_id, next, err);
    pthread_mutex_unlock(&store->counters->mu);
    return status;
}

/* Reserves, if need be, so that numbers up to before `next` may be given. */
static enum qr_status advance(struct qr_store *store, struct counter *c, wide next,
                              int64_t increment, struct qr_err *err)
{
    bool past = increment > 0 ? next > c->reserved : next < c->reserved;
    if (past) {
        int64_t reserved = clamp(next + (wide)increment * RESERVE_AHEAD);
        QR_TRY(log_counter(store, c->id, reserved, err));
        c->reserved = reserved;
    }
    c->next = next;
    return QR_OK;
}

static enum qr_status next_locked(struct qr_store *store, uint64_t id, uint64_t count,
                                  int64_t increment, int64_t *ret_first, struct qr_err *err)
{
    struct counter *c = find(store->counters, id);
    if (c == NULL)
        return qr_fail(err, QR_NOT_FOUND, "counter %llu", (unsigned long long)id);
    if (count == 0 || count > INT32_MAX || increment == 0)
        return qr_fail(err, QR_INVALID, "%llu numbers by %lld", (unsigned long long)count,
                       (long long)increment);
    wide first = c->next, next = first + (wide)increment * (int64_t)count;
    if (is_exhausted(first, increment) || next - increment > INT64_MAX ||
        next - increment < INT64_MIN)
        return qr_fail(err, QR_TOO_BIG, "counter %llu has no numbers left", (unsigned long long)id);
    QR_TRY(advance(store, c, next, increment, err));
    *ret_first = (int64_t)first;
    return QR_OK;
}

enum qr_status qr_counter_next(struct qr_store *store, uint64_t counter_id, uint64_t count,
                               int64_t increment, int64_t *ret_first, struct qr_err *err)
{
    pthread_mutex_lock(&store->counters->mu);
    enum qr_status status = next_locked(store, counter_id, count, increment, ret_first, err);
    pthread_mutex_unlock(&store->counters->mu);
    return status;
}

enum qr_status qr_counter_raise(struct qr_store *store, uint64_t counter_id, int64_t value,
                                int64_t increment, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&store->counters->mu);
    struct counter *c = find(store->counters, counter_id);
    if (c == NULL || increment == 0) {
        status = qr_fail(err, QR_NOT_FOUND, "counter %llu", (unsigned long long)counter_id);
    } else {
        wide next = (wide)value + increment;
        if (increment > 0 ? next > c->next : next < c->next)
            status = advance(store, c, next, increment, err);
    }
    pthread_mutex_unlock(&store->counters->mu);
    return status;
}

bool qr_counter_peek(struct qr_store *store, uint64_t counter_id, int64_t *ret_next)
{
    pthread_mutex_lock(&store->counters->mu);
    struct counter *c = find(store->counters, counter_id);
    if (c != NULL)
        *ret_next = clamp(c->next);
    pthread_mutex_unlock(&store->counters->mu);
    return c != NULL;
}

enum qr_status qr_counter_drop(struct qr_store *store, uint64_t counter_id, struct qr_err *err)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&store->counters->mu);
    struct counter *c = find(store->counters, counter_id);
    if (c != NULL) {
        struct qr_buf records;
        qr_buf_init(&records, 256);
        qr_record_add_drop(&records, counter_id);
        status = qri_log_add(store, &records, err);
        qr_buf_done(&records);
        if (status == QR_OK)
            c->live = false;
    }
    pthread_mutex_unlock(&store->counters->mu);
    return status;
}

enum qr_status qri_counters_recover(struct qr_store *store, const struct qr_record *record,
                                    struct qr_err *err)
{
    struct counter *c = find_or_add(store->counters, record->counter.id);
    if (c == NULL)
        return qr_fail(err, QR_NOMEM, "counter");
    c->live = record->kind == QR_RECORD_COUNTER;
    c->next = c->reserved = record->counter.next;
    return QR_OK;
}

enum qr_status qri_counters_follow(struct qr_store *store, const struct qr_record *record,
                                   struct qr_err *err)
{
    pthread_mutex_lock(&store->counters->mu);
    enum qr_status status = qri_counters_recover(store, record, err);
    pthread_mutex_unlock(&store->counters->mu);
    return status;
}

enum qr_status qri_counters_log_all(struct qr_store *store, bool exact, struct qr_err *err)
{
    struct qri_counters *all = store->counters;
    struct qr_buf records;
    qr_buf_init(&records, SIZE_MAX / 4);
    pthread_mutex_lock(&all->mu);
    for (size_t i = 0; i < all->slot_count; i++) {
        struct counter *c = &all->slots[i];
        if (c->live)
            qr_record_add_counter(&records, c->id, exact ? clamp(c->next) : c->reserved);
    }
    enum qr_status status = qri_log_add(store, &records, err);
    pthread_mutex_unlock(&all->mu);
    qr_buf_done(&records);
    return status;
}

void qri_counters_list(struct qr_store *store, struct qr_buf *records, void (*meanwhile)(void *ctx),
                       void *ctx)
{
    struct qri_counters *all = store->counters;
    pthread_mutex_lock(&all->mu);
    for (size_t i = 0; i < all->slot_count; i++)
        if (all->slots[i].live)
            qr_record_add_counter(records, all->slots[i].id, all->slots[i].reserved);
    meanwhile(ctx);
    pthread_mutex_unlock(&all->mu);
}
