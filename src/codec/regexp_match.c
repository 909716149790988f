/* Searching with a program, all its alternatives at once (a Pike machine): codec/regexp.h. */
#include "regexp_int.h"

#include <string.h>

#include "codec/utf.h"
#include "base/banned.h"

enum {
    SLOTS_MAX = 4 << 20,    /* in all threads of one list */
    STEPS_A_POLL = 1 << 16, /* a millisecond or so */
    NO_CHAR = INT32_MAX,    /* the end of the text */
};

/* Threads in the order in which their matches are preferred. */
struct thread_list {
    uint32_t *steps;  /* where each is: a step that takes a character, or MATCH */
    ptrdiff_t *slots; /* run->slots for each */
    size_t count;
};

struct todo {
    uint32_t at;
    int32_t slot; /* not QR_REGEXP_NONE: no step, but a slot to set back */
    ptrdiff_t value;
};

struct qri_regexp_run {
    struct thread_list lists[2];
    uint64_t *seen; /* of each step: the last generation that has been there */
    uint64_t generation;
    struct todo *todo;
    ptrdiff_t *now; /* slots of the thread that is being followed */
    size_t slots, work;
};

static bool new_list(struct thread_list *list, size_t steps, size_t slots, struct qr_arena *arena)
{
    list->steps = qr_arena_array(arena, steps, sizeof *list->steps);
    list->slots = qr_arena_array(arena, steps * slots, sizeof *list->slots);
    return list->steps != NULL && list->slots != NULL;
}

enum qr_status qr_regexp_search(const struct qr_regexp *regexp, struct qr_str text, size_t from,
                                size_t group_count, struct qr_arena *arena,
                                struct qr_regexp_search *ret_search, struct qr_err *err)
{
    size_t groups = group_count < regexp->group_count ? group_count : regexp->group_count;
    size_t steps = regexp->step_count, slots = 2 * (groups + 1);
    if (steps * slots > SLOTS_MAX)
        return qri_regexp_too_large(regexp, err);
    struct qri_regexp_run *run = qr_arena_alloc(arena, sizeof *run);
    *ret_search = (struct qr_regexp_search){
        .regexp = regexp, .text = text, .pos = from, .ended = QR_REGEXP_NONE, .slots = slots};
    ret_search->run = run;
    ret_search->at = qr_arena_array(arena, slots, sizeof *ret_search->at);
    bool good = run != NULL && ret_search->at != NULL;
    if (good) {
        run->slots = slots;
        run->seen = qr_arena_array(arena, steps, sizeof *run->seen);
        run->todo = qr_arena_array(arena, 2 * steps + 1, sizeof *run->todo);
        run->now = qr_arena_array(arena, slots, sizeof *run->now);
        good = run->seen != NULL && run->todo != NULL && run->now != NULL &&
               new_list(&run->lists[0], steps, slots, arena) &&
               new_list(&run->lists[1], steps, slots, arena);
    }
    return good ? QR_OK : qr_fail(err, QR_NOMEM, "search with a pattern");
}

static bool is_word_at(struct qr_str text, size_t pos)
{
    unsigned char ch = pos < text.n ? (unsigned char)text.p[pos] : 0;
    return (unsigned char)((ch | 0x20) - 'a') < 26 || (unsigned char)(ch - '0') < 10 || ch == '_';
}

static bool holds(struct qr_str text, size_t pos, enum qri_assert what)
{
    bool word = (pos > 0 && is_word_at(text, pos - 1)) != is_word_at(text, pos);
    switch (what) {
    case QRI_ASSERT_TEXT_BEGIN:
        return pos == 0;
    case QRI_ASSERT_TEXT_END:
        return pos == text.n;
    case QRI_ASSERT_LINE_BEGIN:
        return pos == 0 || text.p[pos - 1] == '\n';
    case QRI_ASSERT_LINE_END:
        return pos == text.n || text.p[pos] == '\n';
    case QRI_ASSERT_WORD:
        return word;
    case QRI_ASSERT_NOT_WORD:
    default:
        return !word;
    }
}

/* Follows a thread with run->now to all steps that take a character. */
static void follow(const struct qr_regexp_search *s, struct thread_list *list, uint32_t from,
                   size_t pos)
{
    struct qri_regexp_run *run = s->run;
    size_t count = 0;
    run->todo[count++] = (struct todo){.at = from, .slot = QR_REGEXP_NONE};
    while (count > 0) {
        struct todo t = run->todo[--count];
        if (t.slot != QR_REGEXP_NONE) {
            run->now[t.slot] = t.value;
            continue;
        }
        if (run->seen[t.at] == run->generation)
            continue;
        run->seen[t.at] = run->generation;
        run->work++;
        const struct qri_regexp_step *step = &s->regexp->steps[t.at];
        if (step->op == QRI_OP_SPLIT)
            run->todo[count++] = (struct todo){.at = step->y, .slot = QR_REGEXP_NONE};
        if (step->op == QRI_OP_SPLIT || step->op == QRI_OP_JUMP) {
            run->todo[count++] = (struct todo){.at = step->x, .slot = QR_REGEXP_NONE};
        } else if (step->op == QRI_OP_ASSERT) {
            if (holds(s->text, pos, (enum qri_assert)step->x))
                run->todo[count++] = (struct todo){.at = t.at + 1, .slot = QR_REGEXP_NONE};
        } else if (step->op == QRI_OP_SAVE) {
            if (step->x < run->slots) {
                run->todo[count++] =
                    (struct todo){.slot = (int32_t)step->x, .value = run->now[step->x]};
                run->now[step->x] = (ptrdiff_t)pos;
            }
            run->todo[count++] = (struct todo){.at = t.at + 1, .slot = QR_REGEXP_NONE};
        } else {
            memcpy(list->slots + list->count * run->slots, run->now, run->slots * sizeof *run->now);
            list->steps[list->count++] = t.at;
        }
    }
}

static bool takes(const struct qr_regexp *re, const struct qri_regexp_step *step, uint32_t c)
{
    return step->op == QRI_OP_CHAR ? step->x == c
                                   : c != NO_CHAR && qri_set_has(&re->sets[step->x], c);
}

/* Each thread takes the character at `pos` or ends; a match ends those that are liked less. */
static bool advance(struct qr_regexp_search *s, const struct thread_list *from,
                    struct thread_list *to, uint32_t c, size_t next)
{
    struct qri_regexp_run *run = s->run;
    run->generation++;
    to->count = 0;
    run->work += from->count;
    for (size_t i = 0; i < from->count; i++) {
        const struct qri_regexp_step *step = &s->regexp->steps[from->steps[i]];
        const ptrdiff_t *slots = from->slots + i * run->slots;
        if (step->op == QRI_OP_MATCH) {
            memcpy(s->at, slots, run->slots * sizeof *slots);
            return true;
        }
        if (!takes(s->regexp, step, c))
            continue;
        memcpy(run->now, slots, run->slots * sizeof *slots);
        follow(s, to, from->steps[i] + 1, next);
    }
    return false;
}

/* The first place from `pos` where a match may begin. */
static size_t candidate(const struct qr_regexp_search *s, size_t pos)
{
    if (!s->regexp->may_be_empty)
        while (pos < s->text.n && !s->regexp->first_bytes[(unsigned char)s->text.p[pos]])
            pos++;
    return pos;
}

static enum qr_status find(struct qr_regexp_search *s, size_t pos, bool *ret_found,
                           struct qr_err *err)
{
    struct qri_regexp_run *run = s->run;
    struct thread_list *now = &run->lists[0], *then = &run->lists[1];
    now->count = 0;
    *ret_found = false;
    for (;;) {
        if (now->count == 0 && *ret_found)
            return QR_OK;
        if (now->count == 0) {
            pos = candidate(s, pos);
            run->generation++;
        }
        if (!*ret_found) {
            for (size_t i = 0; i < run->slots; i++)
                run->now[i] = QR_REGEXP_NONE;
            follow(s, now, 0, pos);
        }
        size_t next = pos;
        uint32_t c = pos < s->text.n ? qr_utf_next(s->text, &next) : NO_CHAR;
        *ret_found |= advance(s, now, then, c, next);
        if (pos >= s->text.n)
            return QR_OK;
        struct thread_list *swap = now;
        now = then;
        then = swap;
        pos = next;
        if (run->work > STEPS_A_POLL) {
            run->work = 0;
            if (s->poll != NULL)
                QR_TRY(s->poll(s->poll_arg, err));
        }
    }
}

enum qr_status qr_regexp_next(struct qr_regexp_search *search, bool *ret_found, struct qr_err *err)
{
    *ret_found = false;
    while (search->pos <= search->text.n) {
        QR_TRY(find(search, search->pos, ret_found, err));
        if (!*ret_found)
            break;
        ptrdiff_t begin = search->at[0], end = search->at[1];
        bool repeated = begin == end && begin == search->ended;
        search->pos = (size_t)end;
        if (begin == end && search->pos < search->text.n)
            (void)qr_utf_next(search->text, &search->pos);
        else if (begin == end)
            search->pos = search->text.n + 1;
        search->ended = end;
        if (!repeated)
            return QR_OK;
    }
    *ret_found = false;
    return QR_OK;
}
