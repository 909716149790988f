/* Tree to program; compiled patterns and those used lately: codec/regexp.h. */
#include "regexp_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/sqlmsg.h"
#include "codec/utf.h"
#include "base/banned.h"

enum { STEPS_MAX = 20000, ARENA_BYTES_MAX = 16 << 20 };

static enum qr_status step(struct qr_regexp *re, enum qri_regexp_op op, uint32_t x, uint32_t y,
                           struct qr_err *err)
{
    re->steps = qr_arena_grow(&re->arena, re->steps, re->step_count, &re->step_capacity,
                              re->step_count + 1, sizeof *re->steps);
    if (re->steps == NULL || re->step_count == STEPS_MAX)
        return qri_regexp_too_large(re, err);
    re->steps[re->step_count++] = (struct qri_regexp_step){op, x, y};
    return QR_OK;
}

static uint32_t here(const struct qr_regexp *re)
{
    return (uint32_t)re->step_count;
}

static enum qr_status emit(struct qr_regexp *re, const struct qri_regexp_node *node,
                           struct qr_err *err);

/* A SPLIT that goes on with what comes next or leaves, the liked way first; `set_exit` later. */
static enum qr_status maybe(struct qr_regexp *re, uint32_t *ret_at, struct qr_err *err)
{
    *ret_at = here(re);
    return step(re, QRI_OP_SPLIT, here(re) + 1, here(re) + 1, err);
}

static void set_exit(struct qr_regexp *re, uint32_t at, bool greedy)
{
    *(greedy ? &re->steps[at].y : &re->steps[at].x) = here(re);
}

/* x+; of what may be empty, x* is (x+)?, so that its first alternative is tried once. */
static enum qr_status emit_loop(struct qr_regexp *re, const struct qri_regexp_node *node, bool once,
                                struct qr_err *err)
{
    uint32_t skip = 0, begin, end;
    if (!once)
        QR_TRY(maybe(re, &skip, err));
    begin = here(re);
    QR_TRY(emit(re, node->first, err));
    end = here(re);
    QR_TRY(step(re, QRI_OP_SPLIT, begin, begin, err));
    set_exit(re, end, node->greedy);
    if (!once)
        set_exit(re, skip, node->greedy);
    return QR_OK;
}

/* (x(x(x)?)?)? */
static enum qr_status emit_optional(struct qr_regexp *re, const struct qri_regexp_node *node,
                                    int count, struct qr_err *err)
{
    uint32_t skips[QRI_REPEAT_MAX];
    for (int i = 0; i < count; i++) {
        QR_TRY(maybe(re, &skips[i], err));
        QR_TRY(emit(re, node->first, err));
    }
    for (int i = 0; i < count; i++)
        set_exit(re, skips[i], node->greedy);
    return QR_OK;
}

static enum qr_status emit_repeat(struct qr_regexp *re, const struct qri_regexp_node *node,
                                  struct qr_err *err)
{
    int copies = node->max < 0 && node->min > 0 ? node->min - 1 : node->min;
    for (int i = 0; i < copies; i++)
        QR_TRY(emit(re, node->first, err));
    if (node->max < 0)
        return emit_loop(re, node, node->min > 0, err);
    return node->max > node->min ? emit_optional(re, node, node->max - node->min, err) : QR_OK;
}

static enum qr_status emit_alt(struct qr_regexp *re, const struct qri_regexp_node *node,
                               struct qr_err *err)
{
    uint32_t last_jump = 0; /* those to the end are chained by their x until it is known */
    for (const struct qri_regexp_node *one = node->first; one != NULL; one = one->next) {
        uint32_t split = here(re), jump;
        if (one->next != NULL)
            QR_TRY(step(re, QRI_OP_SPLIT, split + 1, 0, err));
        QR_TRY(emit(re, one, err));
        if (one->next == NULL)
            break;
        jump = here(re);
        QR_TRY(step(re, QRI_OP_JUMP, last_jump, 0, err));
        last_jump = jump;
        re->steps[split].y = here(re);
    }
    while (last_jump != 0) {
        uint32_t next = re->steps[last_jump].x;
        re->steps[last_jump].x = here(re);
        last_jump = next;
    }
    return QR_OK;
}

static enum qr_status emit(struct qr_regexp *re, const struct qri_regexp_node *node,
                           struct qr_err *err)
{
    switch (node->kind) {
    case QRI_RE_CHAR:
        return step(re, QRI_OP_CHAR, node->c, 0, err);
    case QRI_RE_SET:
        return step(re, QRI_OP_SET, node->index, 0, err);
    case QRI_RE_ASSERT:
        return step(re, QRI_OP_ASSERT, node->c, 0, err);
    case QRI_RE_GROUP:
        QR_TRY(step(re, QRI_OP_SAVE, 2 * node->index, 0, err));
        QR_TRY(emit(re, node->first, err));
        return step(re, QRI_OP_SAVE, 2 * node->index + 1, 0, err);
    case QRI_RE_CAT:
        for (const struct qri_regexp_node *one = node->first; one != NULL; one = one->next)
            QR_TRY(emit(re, one, err));
        return QR_OK;
    case QRI_RE_ALT:
        return emit_alt(re, node, err);
    case QRI_RE_REPEAT:
    default:
        return emit_repeat(re, node, err);
    }
}

static void may_begin(struct qr_regexp *re, uint32_t lo, uint32_t hi)
{
    char first[4], last[4];
    (void)qr_utf_put(lo, first);
    (void)qr_utf_put(hi, last);
    for (unsigned b = (unsigned char)first[0]; b <= (unsigned char)last[0]; b++)
        re->first_bytes[b] = true;
}

/* What a match may begin with: steps that are reached without taking a character. */
static enum qr_status find_first_bytes(struct qr_regexp *re, struct qr_err *err)
{
    bool *seen = qr_arena_array(&re->arena, re->step_count, sizeof *seen);
    uint32_t *todo = qr_arena_array(&re->arena, 2 * re->step_count + 1, sizeof *todo);
    size_t count = 1;
    if (seen == NULL || todo == NULL)
        return qri_regexp_too_large(re, err);
    while (count > 0) {
        uint32_t at = todo[--count];
        const struct qri_regexp_step *s = &re->steps[at];
        const struct qri_char_set *set = s->op == QRI_OP_SET ? &re->sets[s->x] : NULL;
        if (seen[at])
            continue;
        seen[at] = true;
        if (s->op == QRI_OP_CHAR)
            may_begin(re, s->x, s->x);
        for (size_t i = 0; set != NULL && i < set->count; i++)
            may_begin(re, set->ranges[i].lo, set->ranges[i].hi);
        re->may_be_empty |= s->op == QRI_OP_MATCH;
        if (s->op == QRI_OP_SPLIT)
            todo[count++] = s->y;
        if (s->op == QRI_OP_SPLIT || s->op == QRI_OP_JUMP)
            todo[count++] = s->x;
        if (s->op == QRI_OP_SAVE || s->op == QRI_OP_ASSERT)
            todo[count++] = at + 1;
    }
    return QR_OK;
}

enum qr_status qri_regexp_emit(struct qr_regexp *re, const struct qri_regexp_node *tree,
                               struct qr_err *err)
{
    QR_TRY(step(re, QRI_OP_SAVE, 0, 0, err));
    QR_TRY(emit(re, tree, err));
    QR_TRY(step(re, QRI_OP_SAVE, 1, 0, err));
    QR_TRY(step(re, QRI_OP_MATCH, 0, 0, err));
    return find_first_bytes(re, err);
}

enum qr_status qr_regexp_new(struct qr_str pattern, unsigned flags, struct qr_regexp **ret_regexp,
                             struct qr_err *err)
{
    struct qr_regexp *re = calloc(1, sizeof *re);
    struct qri_regexp_node *tree = NULL;
    if (re == NULL)
        return qr_fail(err, QR_NOMEM, "compile a pattern");
    qr_arena_init(&re->arena, ARENA_BYTES_MAX);
    re->flags = flags;
    re->pattern = qr_arena_str(&re->arena, pattern);
    enum qr_status status =
        re->pattern.p == NULL ? qr_fail(err, QR_NOMEM, "compile a pattern") : QR_OK;
    if (status == QR_OK)
        status = qri_regexp_parse(re, &tree, err);
    if (status == QR_OK)
        status = qri_regexp_emit(re, tree, err);
    if (status != QR_OK) {
        qr_regexp_free(re);
        return status;
    }
    *ret_regexp = re;
    return QR_OK;
}

void qr_regexp_free(struct qr_regexp *regexp)
{
    if (regexp == NULL)
        return;
    qr_arena_done(&regexp->arena);
    free(regexp);
}

size_t qr_regexp_groups(const struct qr_regexp *regexp)
{
    return regexp->group_count;
}

enum qr_status qr_regexp_cached(struct qr_regexp_cache *cache, struct qr_str pattern,
                                unsigned flags, const struct qr_regexp **ret_regexp,
                                struct qr_err *err)
{
    size_t at = 0;
    while (at < QR_REGEXP_CACHE_SIZE && cache->items[at] != NULL &&
           (cache->items[at]->flags != flags || !qr_str_eq(cache->items[at]->pattern, pattern)))
        at++;
    bool found = at < QR_REGEXP_CACHE_SIZE && cache->items[at] != NULL;
    struct qr_regexp *re = found ? cache->items[at] : NULL;
    if (!found) {
        QR_TRY(qr_regexp_new(pattern, flags, &re, err));
        if (at == QR_REGEXP_CACHE_SIZE)
            qr_regexp_free(cache->items[--at]);
    }
    memmove(&cache->items[1], &cache->items[0], at * sizeof cache->items[0]);
    cache->items[0] = re;
    *ret_regexp = re;
    return QR_OK;
}

void qr_regexp_cache_done(struct qr_regexp_cache *cache)
{
    for (size_t i = 0; i < QR_REGEXP_CACHE_SIZE; i++)
        qr_regexp_free(cache->items[i]);
    *cache = (struct qr_regexp_cache){0};
}
