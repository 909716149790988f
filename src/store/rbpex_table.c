/* rbpex_table.c - which page is in which slot, and which has to go for another; see rbpex_int.h. */
#include <stdlib.h>
#include <string.h>
#include "rbpex_int.h"
#include "base/banned.h"

enum { VICTIM_STEPS_MAX = 64 }; /* of the clock's hand for one page */

static uint32_t hash_of(const struct qri_rbpex *rb, uint32_t page_no)
{
    return (uint32_t)((page_no * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & rb->hash_mask;
}

static enum qr_status make_table(struct qri_rbpex *rb, uint32_t slot_count, struct qr_err *err)
{
    uint32_t hash_count = 1;
    while (hash_count < slot_count)
        hash_count *= 2;
    rb->slot_count = slot_count;
    rb->hash_mask = hash_count - 1;
    rb->slots = calloc(slot_count, sizeof *rb->slots);
    rb->heads = calloc(hash_count, sizeof *rb->heads);
    rb->ghosts = calloc(hash_count, sizeof *rb->ghosts);
    if (rb->slots == NULL || rb->heads == NULL || rb->ghosts == NULL)
        return qr_fail(err, QR_NOMEM, "table of %u slots", slot_count);
    return QR_OK;
}

enum qr_status qri_rb_table_init(struct qri_rbpex *rb, uint32_t slot_count, struct qr_err *err)
{
    rb->new_bytes = rb->new_bytes_max;
    rb->new_ns = qr_env_mono_ns(rb->env);
    return make_table(rb, slot_count, err);
}

static void link_all(struct qri_rbpex *rb)
{
    for (uint32_t i = 0; i < rb->slot_count; i++) {
        struct qri_rb_slot *slot = &rb->slots[i];
        if (slot->state == QRI_RB_FREE)
            continue;
        uint32_t *head = &rb->heads[hash_of(rb, slot->page_no)];
        slot->next = *head;
        *head = i + 1;
    }
    qri_rb_build_free_list(rb);
}

enum qr_status qri_rb_table_resize(struct qri_rbpex *rb, uint32_t slot_count, struct qr_err *err)
{
    struct qri_rbpex other = {.slot_count = 0};
    enum qr_status status = make_table(&other, slot_count, err);
    if (status != QR_OK) {
        qri_rb_table_done(&other);
        return status;
    }
    for (uint32_t i = slot_count; i < rb->slot_count; i++) {
        if (rb->slots[i].state == QRI_RB_READY)
            qri_rb_note_drop(rb, &rb->slots[i]);
        rb->used_count -= rb->slots[i].state != QRI_RB_FREE;
    }
    uint32_t kept = rb->slot_count < slot_count ? rb->slot_count : slot_count;
    memcpy(other.slots, rb->slots, kept * sizeof *rb->slots);
    qri_rb_table_done(rb);
    rb->slots = other.slots;
    rb->heads = other.heads;
    rb->ghosts = other.ghosts;
    rb->slot_count = other.slot_count;
    rb->hash_mask = other.hash_mask;
    rb->hand = 0;
    link_all(rb);
    return QR_OK;
}

void qri_rb_table_done(struct qri_rbpex *rb)
{
    free(rb->slots);
    free(rb->heads);
    free(rb->ghosts);
}

/* Last to first, so that the first are taken first. */
void qri_rb_build_free_list(struct qri_rbpex *rb)
{
    rb->free_first = 0;
    for (uint32_t i = rb->slot_count; i-- > 0;) {
        if (rb->slots[i].state != QRI_RB_FREE)
            continue;
        rb->slots[i].next = rb->free_first;
        rb->free_first = i + 1;
    }
}

struct qri_rb_slot *qri_rb_find(struct qri_rbpex *rb, uint32_t page_no)
{
    for (uint32_t at = rb->heads[hash_of(rb, page_no)]; at != 0; at = rb->slots[at - 1].next)
        if (rb->slots[at - 1].page_no == page_no)
            return &rb->slots[at - 1];
    return NULL;
}

bool qri_rb_is_suspect(const struct qri_rbpex *rb, const struct qri_rb_slot *slot)
{
    return (slot->flags & QRI_RB_LAZY) != 0 ||
           ((slot->flags & QRI_RB_SUSPECT) != 0 && rb->trust != QRI_RB_CONFIRMED);
}

static void unlink_slot(struct qri_rbpex *rb, struct qri_rb_slot *slot)
{
    uint32_t self = (uint32_t)(slot - rb->slots) + 1;
    uint32_t *at = &rb->heads[hash_of(rb, slot->page_no)];
    while (*at != self)
        at = &rb->slots[*at - 1].next;
    *at = slot->next;
    rb->used_count--;
    memset(slot, 0, sizeof *slot);
}

void qri_rb_put(struct qri_rbpex *rb, uint32_t slot_no, const struct qri_rb_slot *slot)
{
    struct qri_rb_slot *dst = &rb->slots[slot_no], *other;
    if (dst->state != QRI_RB_FREE)
        unlink_slot(rb, dst);
    while ((other = qri_rb_find(rb, slot->page_no)) != NULL)
        unlink_slot(rb, other);
    uint32_t *head = &rb->heads[hash_of(rb, slot->page_no)];
    *dst = *slot;
    dst->next = *head;
    *head = slot_no + 1;
    rb->used_count++;
}

void qri_rb_forget(struct qri_rbpex *rb, struct qri_rb_slot *slot)
{
    if (slot->state == QRI_RB_READY)
        qri_rb_note_drop(rb, slot);
    unlink_slot(rb, slot);
    slot->next = rb->free_first;
    rb->free_first = (uint32_t)(slot - rb->slots) + 1;
}

/* Empties a slot that was not read since the hand came by last. */
static bool make_room(struct qri_rbpex *rb)
{
    for (int steps = 0; steps < VICTIM_STEPS_MAX; steps++) {
        struct qri_rb_slot *slot = &rb->slots[rb->hand];
        rb->hand = rb->hand + 1 == rb->slot_count ? 0 : rb->hand + 1;
        if (slot->state != QRI_RB_READY)
            continue;
        if (slot->ref == 0) {
            qri_rb_forget(rb, slot);
            return true;
        }
        slot->ref--;
    }
    return false;
}

/* With mu held. A load makes pages faster than they are worth writing here: nobody may ever ask for
 * them, and its log wants the processor. Those left out come with the first read. */
static bool new_may_come(struct qri_rbpex *rb)
{
    int64_t now = qr_env_mono_ns(rb->env), ns = now - rb->new_ns;
    int64_t full_ns = 1000000 * (rb->new_bytes_max / QRI_RB_NEW_BYTES_PER_MS + 1);
    if (ns > full_ns)
        ns = full_ns;
    if (ns >= 1000000) {
        rb->new_bytes += ns / 1000000 * QRI_RB_NEW_BYTES_PER_MS;
        rb->new_ns = now;
    }
    if (rb->new_bytes > rb->new_bytes_max)
        rb->new_bytes = rb->new_bytes_max;
    if (rb->new_bytes < rb->page_bytes)
        return false;
    rb->new_bytes -= rb->page_bytes;
    return true;
}

/* What a scan brings in is offered once and then not for long: it must not drive out what others
 * come back for, nor be written for nothing. */
bool qri_rb_take_slot(struct qri_rbpex *rb, uint32_t page_no, enum qri_rbpex_offer kind,
                      uint32_t *ret_slot)
{
    if ((rb->free_first == 0 && kind == QRI_RBPEX_SPARE) ||
        (kind == QRI_RBPEX_NEW && !new_may_come(rb)))
        return false;
    if (rb->free_first == 0) {
        uint32_t *ghost = &rb->ghosts[hash_of(rb, page_no)];
        bool again = *ghost == page_no;
        *ghost = again ? 0 : page_no;
        if ((kind != QRI_RBPEX_HOT && !again) || !make_room(rb))
            return false;
    }
    uint32_t at = rb->free_first;
    rb->free_first = rb->slots[at - 1].next;
    rb->slots[at - 1].next = 0;
    *ret_slot = at - 1;
    return true;
}
