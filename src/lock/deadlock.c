/* deadlock.c - circles of owners that wait for each other.
 *
 * An owner waits for those who hold its lock in modes that do not go with its request and, unless
 * it converts, for those of that kind before it in the queue. The search goes breadth-first from
 * who starts to wait: only that adds ways to the graph that lead to somebody who waits, and all of
 * them begin or end there. */
#include "lock_int.h"
#include <assert.h>
#include <stdio.h>
#include "base/banned.h"

struct search {
    struct qr_lock_owner *start, *last; /* the queue of those found */
    struct qr_lock_owner *closer;       /* waits for start; NULL: not found yet */
    uint64_t id;
    const uint32_t *session_ids; /* who else is looked for */
    size_t session_count;
    bool found; /* one of them */
};

static qri_modes wanted_conflicts(const struct qr_lock_owner *owner)
{
    return qri_conflicts((enum qr_lock_mode)owner->wait.mode);
}

/* `from` waits for `to`. */
static void reach(struct search *s, struct qr_lock_owner *from, struct qr_lock_owner *to)
{
    for (size_t i = 0; i < s->session_count; i++)
        s->found |= s->session_ids[i] == to->session_id;
    if (to == s->start && s->closer == NULL)
        s->closer = from;
    if (to->search == s->id || to->wait.state != QRI_WAITS)
        return;
    to->search = s->id;
    to->search_from = from;
    to->search_next = NULL;
    s->last->search_next = to;
    s->last = to;
}

static void reach_holders(struct search *s, struct qr_lock_owner *from)
{
    struct qri_lock *lock = from->wait.lock;
    qri_modes conflicts = wanted_conflicts(from);
    if (lock->search == s->id && (conflicts & ~lock->searched) == 0)
        return;
    for (struct qri_hold *hold = lock->holds; hold != NULL; hold = hold->lock_next)
        if (hold->owner != from && qri_mode_in((enum qr_lock_mode)hold->mode, conflicts))
            reach(s, from, hold->owner);
    if (from->wait.is_conversion)
        return; /* its own hold was left out */
    lock->searched = lock->search == s->id ? lock->searched | conflicts : conflicts;
    lock->search = s->id;
}

static void reach_queue(struct search *s, struct qr_lock_owner *from)
{
    if (from->wait.is_conversion)
        return;
    qri_modes conflicts = wanted_conflicts(from);
    for (struct qri_wait *w = from->wait.prev; w != NULL; w = w->prev) {
        if (!qri_mode_in((enum qr_lock_mode)w->mode, conflicts))
            continue;
        reach(s, from, qri_wait_owner(w));
        /* Over one that waits for at least as much, those further in front are found as well. */
        if (!w->is_conversion && (conflicts & ~qri_conflicts((enum qr_lock_mode)w->mode)) == 0)
            return;
    }
}

static bool waits_for(const struct qr_lock_owner *a, const struct qr_lock_owner *b)
{
    qri_modes conflicts = wanted_conflicts(a);
    const struct qri_wait *w = &b->wait;
    if (w->state == QRI_WAITS && !a->wait.is_conversion && qri_is_before(w, &a->wait) &&
        qri_mode_in((enum qr_lock_mode)w->mode, conflicts))
        return true;
    for (int i = 0; i < QR_LOCK_SCOPES; i++) {
        const struct qri_hold *hold = qri_find_hold(b, (enum qr_lock_scope)i, a->wait.lock);
        if (hold != NULL && qri_mode_in((enum qr_lock_mode)hold->mode, conflicts))
            return true;
    }
    return false;
}

/* Leaves a circle along circle_next in which nobody can be left out: a victim that the others do
 * not wait for would be one for nothing. */
static void make_circle(struct search *s)
{
    struct qr_lock_owner *next = s->start;
    for (struct qr_lock_owner *o = s->closer; o != NULL; o = o->search_from) {
        o->circle_next = next;
        next = o;
    }
    struct qr_lock_owner *a = s->start;
    do {
        struct qr_lock_owner *furthest = a->circle_next;
        struct qr_lock_owner *b = furthest;
        while (b != s->start) {
            b = b->circle_next;
            if (b != a && waits_for(a, b))
                furthest = b;
        }
        a->circle_next = furthest;
        a = furthest;
    } while (a != s->start);
}

static void search_from(struct search *s)
{
    struct qr_lock_owner *start = s->start;
    s->last = start;
    s->id = ++start->locks->search;
    start->search = s->id;
    start->search_from = start->search_next = NULL;
    for (struct qr_lock_owner *o = start; o != NULL && s->closer == NULL && !s->found;
         o = o->search_next) {
        reach_holders(s, o);
        reach_queue(s, o);
    }
}

bool qri_reaches(struct qr_lock_owner *start, const uint32_t *session_ids, size_t count)
{
    struct search s = {.start = start, .session_ids = session_ids, .session_count = count};
    search_from(&s);
    return s.found;
}

static bool find_circle(struct qr_lock_owner *start)
{
    struct search s = {.start = start};
    search_from(&s);
    if (s.closer == NULL)
        return false;
    make_circle(&s);
    return true;
}

/* Lowest priority, then least work, then who closed the circle. */
static struct qr_lock_owner *choose_victim(struct qr_lock_owner *start)
{
    struct qr_lock_owner *best = start;
    for (struct qr_lock_owner *o = start->circle_next; o != start; o = o->circle_next) {
        int mine = atomic_load(&o->priority), least = atomic_load(&best->priority);
        if (mine < least || (mine == least && atomic_load(&o->work) < atomic_load(&best->work)))
            best = o;
    }
    return best;
}

/* ---- the report ---- */

struct text {
    char *dst;
    size_t used;
};

static void add(struct text *text, const char *fmt, ...) QR_PRINTF(2, 3);
static void add(struct text *text, const char *fmt, ...)
{
    size_t room = QR_LOCK_REPORT_BYTES_MAX - text->used;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text->dst + text->used, room, fmt, args);
    va_end(args);
    text->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void add_resource(struct text *text, const struct qri_lock *lock)
{
    const struct qr_lock_resource *r = &lock->resource;
    switch ((enum qr_lock_kind)r->kind) {
    case QR_LOCK_DATABASE:
        add(text, "DATABASE");
        break;
    case QR_LOCK_TABLE:
        add(text, "OBJECT %u", r->object);
        break;
    case QR_LOCK_ROW:
        add(text, "%s %u (%016llx)", r->is_rowid ? "RID" : "KEY", r->object,
            (unsigned long long)r->hash);
        break;
    case QR_LOCK_KEY:
    case QR_LOCK_RANGE:
        add(text, "KEY %u index %u (%016llx)", r->object, r->index, (unsigned long long)r->hash);
        break;
    case QR_LOCK_APP:
    case QR_LOCK_KINDS:
        add(text, "APPLICATION '%.64s'", lock->name == NULL ? "" : lock->name);
        break;
    }
}

static enum qr_lock_mode held_by(const struct qr_lock_owner *owner, struct qri_lock *lock)
{
    struct qri_ask ask = {.owner = (struct qr_lock_owner *)owner, .lock = lock};
    for (int i = 0; i < QR_LOCK_SCOPES; i++)
        ask.holds[i] = qri_find_hold(owner, (enum qr_lock_scope)i, lock);
    return qri_held(&ask);
}

static void write_report(struct qr_lock_owner *start, const struct qr_lock_owner *victim,
                         struct text *text)
{
    struct qr_lock_owner *o = start;
    add(text, "victim: session %u", victim->session_id);
    do {
        const struct qri_lock *lock = o->wait.lock;
        enum qr_lock_mode held = held_by(o, o->wait.lock);
        add(text, "; session %u (priority %d, work %llu) wants %s on ", o->session_id,
            atomic_load(&o->priority), (unsigned long long)atomic_load(&o->work),
            qr_lock_mode_name_on(&lock->resource, (enum qr_lock_mode)o->wait.mode));
        add_resource(text, lock);
        if (held != QR_LOCK_NONE)
            add(text, ", has %s", qr_lock_mode_name_on(&lock->resource, held));
        add(text, ", waits for session %u", o->circle_next->session_id);
        o = o->circle_next;
    } while (o != start);
}

static void list_members(struct qr_lock_owner *start, struct qr_deadlock *d)
{
    struct qr_lock_owner *o = start;
    d->count = 0;
    do {
        if (d->count++ >= QR_DEADLOCK_MAX)
            continue;
        struct qr_deadlock_member *member = &d->members[d->count - 1];
        *member = (struct qr_deadlock_member){.session_id = o->session_id,
                                              .priority = atomic_load(&o->priority),
                                              .work = atomic_load(&o->work),
                                              .resource = o->wait.lock->resource,
                                              .wants = (enum qr_lock_mode)o->wait.mode,
                                              .has = held_by(o, o->wait.lock),
                                              .next_has = held_by(o->circle_next, o->wait.lock),
                                              .since_mono_ns = o->wait.since_mono_ns};
        if (o->wait.lock->name != NULL)
            (void)snprintf(member->name, sizeof member->name, "%s", o->wait.lock->name);
    } while ((o = o->circle_next) != start);
}

bool qri_break_circle(struct qr_lock_owner *start, struct qr_deadlock *ret_deadlock)
{
    assert(start->wait.state == QRI_WAITS);
    if (!find_circle(start))
        return false;
    struct qr_lock_owner *victim = choose_victim(start);
    ret_deadlock->victim_session_id = victim->session_id;
    list_members(start, ret_deadlock);
    write_report(start, victim, &(struct text){.dst = ret_deadlock->text});
    qri_dequeue(&victim->wait, QRI_VICTIM);
    pthread_cond_signal(&victim->wake);
    return true;
}
