/* counter.c - see counter_int.h */
#include "counter_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

/* ---- counters of #tables ---- */

struct temp_counter {
    int64_t next;
};

static struct temp_counter *find_temp(struct qr_session *session, uint64_t counter)
{
    return qr_map_get(&session->temp_counters, qr_str_n((const char *)&counter, sizeof counter));
}

static enum qr_status set_temp(struct qr_session *session, uint64_t counter, int64_t next,
                               struct qr_err *err)
{
    struct temp_counter *own = find_temp(session, counter);
    if (own == NULL) {
        own = malloc(sizeof *own);
        if (own == NULL ||
            qr_map_put(&session->temp_counters, qr_str_n((const char *)&counter, sizeof counter),
                       own) != QR_OK) {
            free(own);
            return qr_fail(err, QR_NOMEM, "make a counter");
        }
    }
    own->next = next;
    return QR_OK;
}

void qri_temp_counters_forget(struct qr_session *session)
{
    size_t index = 0;
    const struct qr_map_entry *entry = NULL;
    while (qr_map_next(&session->temp_counters, &index, &entry))
        free(entry->value);
    qr_map_done(&session->temp_counters);
    qr_map_init(&session->temp_counters, false);
}

bool qri_temp_counter_next(const struct qr_session *session, size_t *index,
                           struct qri_temp_counter *ret_counter)
{
    const struct qr_map_entry *entry = NULL;
    if (!qr_map_next(&session->temp_counters, index, &entry))
        return false;
    memcpy(&ret_counter->id, entry->key, sizeof ret_counter->id);
    ret_counter->next = ((const struct temp_counter *)entry->value)->next;
    return true;
}

/* ---- what the transaction has noted ---- */

/* The slot of the counter's newest note, or where its first one goes. */
static uint32_t *slot_of(const struct qri_tran *tran, uint64_t counter, bool is_temp)
{
    size_t mask = tran->counter_capacity * 2 - 1;
    size_t i = ((counter * 2 + is_temp) * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & mask;
    for (; tran->counter_slots[i] != 0; i = (i + 1) & mask) {
        const struct qri_noted_counter *c = &tran->counters[tran->counter_slots[i] - 1];
        if (c->id == counter && c->is_temp == is_temp)
            break;
    }
    return &tran->counter_slots[i];
}

static struct qri_noted_counter *find_noted(struct qr_session *session, uint64_t counter,
                                            bool is_temp)
{
    struct qri_tran *tran = &session->tran;
    uint32_t place = tran->counter_count == 0 ? 0 : *slot_of(tran, counter, is_temp);
    return place == 0 ? NULL : &tran->counters[place - 1];
}

static void fill_slots(struct qri_tran *tran)
{
    memset(tran->counter_slots, 0, tran->counter_capacity * 2 * sizeof *tran->counter_slots);
    for (size_t i = 0; i < tran->counter_count; i++)
        *slot_of(tran, tran->counters[i].id, tran->counters[i].is_temp) = (uint32_t)i + 1;
}

static enum qr_status grow(struct qri_tran *tran, struct qr_err *err)
{
    size_t capacity = tran->counter_capacity == 0 ? 8 : tran->counter_capacity * 2;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    struct qri_noted_counter *grown =
        slots == NULL ? NULL : realloc(tran->counters, capacity * sizeof *grown);
    if (grown == NULL) {
        free(slots);
        return qr_fail(err, QR_NOMEM, "note a counter");
    }
    free(tran->counter_slots);
    tran->counters = grown;
    tran->counter_slots = slots;
    tran->counter_capacity = capacity;
    fill_slots(tran);
    return QR_OK;
}

static enum qr_status note(struct qri_tran *tran, struct qri_noted_counter counter,
                           struct qr_err *err)
{
    if (tran->counter_count == tran->counter_capacity)
        QR_TRY(grow(tran, err));
    tran->counters[tran->counter_count++] = counter;
    *slot_of(tran, counter.id, counter.is_temp) = (uint32_t)tran->counter_count;
    return QR_OK;
}

void qri_noted_cut(struct qri_tran *tran, size_t count)
{
    if (tran->counter_count <= count)
        return;
    tran->counter_count = count;
    fill_slots(tran);
}

void qri_noted_done(struct qri_tran *tran)
{
    free(tran->counters);
    free(tran->counter_slots);
    tran->counters = NULL;
    tran->counter_slots = NULL;
    tran->counter_count = tran->counter_capacity = 0;
}

static bool is_newest(struct qr_session *session, size_t i)
{
    const struct qri_noted_counter *c = &session->tran.counters[i];
    return find_noted(session, c->id, c->is_temp) == c;
}

enum qr_status qri_noted_prepare(struct qr_session *session, struct qr_err *err)
{
    for (size_t i = 0; i < session->tran.counter_count; i++) {
        const struct qri_noted_counter *c = &session->tran.counters[i];
        int64_t last = 0;
        if (c->is_temp || c->is_dropped || !is_newest(session, i) ||
            __builtin_sub_overflow(c->next, c->increment, &last))
            continue;
        QR_TRY(qr_counter_raise(session->db->store, c->id, last, c->increment, err));
    }
    return QR_OK;
}

static enum qr_status drop_now(struct qr_session *session, uint64_t counter, bool is_temp,
                               struct qr_err *err)
{
    if (!is_temp)
        return qr_counter_drop(session->db->store, counter, err);
    free(qr_map_remove(&session->temp_counters, qr_str_n((const char *)&counter, sizeof counter)));
    return QR_OK;
}

/* What fails now leaves a counter that nobody asks, or a gap. */
void qri_noted_commit(struct qr_session *session)
{
    struct qri_tran *tran = &session->tran;
    for (size_t i = 0; i < tran->counter_count; i++) {
        const struct qri_noted_counter *c = &tran->counters[i];
        if (!is_newest(session, i))
            continue;
        if (c->is_dropped)
            (void)!drop_now(session, c->id, c->is_temp, NULL);
        else if (c->is_temp)
            (void)!set_temp(session, c->id, c->next, NULL);
        else
            (void)!qr_counter_set(session->db->store, c->id, c->next, NULL);
    }
    qri_noted_done(tran);
}

/* ---- the calls ---- */

static enum qr_status take(int64_t *next, uint64_t count, int64_t increment, int64_t *ret_first,
                           struct qr_err *err)
{
    int64_t first = *next;
    if (__builtin_mul_overflow((int64_t)count, increment, &increment) ||
        __builtin_add_overflow(first, increment, next)) {
        *next = first;
        return qr_fail(err, QR_TOO_BIG, "the counter is at its end");
    }
    *ret_first = first;
    return QR_OK;
}

/* Where it goes on, of a counter that is not the store's; *ret_next is NULL if there is none. */
static bool own_next(struct qr_session *session, uint64_t counter, bool is_temp, int64_t **ret_next)
{
    struct qri_noted_counter *noted = find_noted(session, counter, is_temp);
    if (noted == NULL && !is_temp)
        return false;
    struct temp_counter *temp = noted == NULL ? find_temp(session, counter) : NULL;
    *ret_next = noted != NULL && !noted->is_dropped ? &noted->next
                : temp != NULL                      ? &temp->next
                                                    : NULL;
    return true;
}

enum qr_status qri_counter_take(struct qr_session *session, uint64_t counter, bool is_temp,
                                uint64_t count, int64_t increment, int64_t *ret_first,
                                struct qr_err *err)
{
    int64_t *next = NULL;
    if (!own_next(session, counter, is_temp, &next))
        return qr_counter_next(session->db->store, counter, count, increment, ret_first, err);
    if (next == NULL)
        return qr_fail(err, QR_NOT_FOUND, "no such counter");
    return take(next, count, increment, ret_first, err);
}

enum qr_status qri_counter_set(struct qr_session *session, uint64_t counter, bool is_temp,
                               int64_t next, struct qr_err *err)
{
    struct qri_noted_counter *noted = find_noted(session, counter, is_temp);
    if (noted == NULL)
        return is_temp ? set_temp(session, counter, next, err)
                       : qr_counter_set(session->db->store, counter, next, err);
    noted->is_dropped = false;
    noted->next = next;
    return QR_OK;
}

enum qr_status qri_counter_raise(struct qr_session *session, uint64_t counter, bool is_temp,
                                 int64_t value, int64_t increment, struct qr_err *err)
{
    int64_t *next = NULL;
    if (!own_next(session, counter, is_temp, &next))
        return qr_counter_raise(session->db->store, counter, value, increment, err);
    if (next == NULL)
        return qr_fail(err, QR_NOT_FOUND, "no such counter");
    bool behind = increment > 0 ? *next <= value : *next >= value;
    if (behind && __builtin_add_overflow(value, increment, next))
        return qr_fail(err, QR_TOO_BIG, "the counter is at its end");
    return QR_OK;
}

bool qri_counter_peek(struct qr_session *session, uint64_t counter, bool is_temp, int64_t *ret_next)
{
    int64_t *next = NULL;
    if (!own_next(session, counter, is_temp, &next))
        return qr_counter_peek(session->db->store, counter, ret_next);
    if (next != NULL)
        *ret_next = *next;
    return next != NULL;
}

enum qr_status qri_counter_restart(struct qr_session *session, uint64_t counter, bool is_temp,
                                   int64_t next, int64_t increment, struct qr_err *err)
{
    int64_t before = 0;
    if (!session->tran.sqlite_open || (find_noted(session, counter, is_temp) == NULL &&
                                       !qri_counter_peek(session, counter, is_temp, &before)))
        return qri_counter_set(session, counter, is_temp, next, err);
    return note(&session->tran,
                (struct qri_noted_counter){
                    .id = counter, .is_temp = is_temp, .next = next, .increment = increment},
                err);
}

enum qr_status qri_counter_drop(struct qr_session *session, uint64_t counter, bool is_temp,
                                struct qr_err *err)
{
    int64_t before = 0;
    if (!qri_counter_peek(session, counter, is_temp, &before))
        return QR_OK;
    if (!session->tran.sqlite_open)
        return drop_now(session, counter, is_temp, err);
    return note(&session->tran,
                (struct qri_noted_counter){.id = counter, .is_temp = is_temp, .is_dropped = true},
                err);
}
