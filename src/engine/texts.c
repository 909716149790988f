/* texts.c - the texts of a database's plan cache and their costs; see texts_int.h */
#include "texts_int.h"
#include "qstore_int.h"
#include "shape_int.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { BUCKETS = 1024 };

struct qri_texts {
    struct qr_database *db;
    pthread_mutex_t mu;
    struct qri_text *buckets[BUCKETS];
};

struct qri_texts *qri_texts_new(struct qr_database *db)
{
    struct qri_texts *texts = calloc(1, sizeof *texts);
    if (texts == NULL)
        return NULL;
    texts->db = db;
    pthread_mutex_init(&texts->mu, NULL);
    return texts;
}

void qri_texts_free(struct qri_texts *texts)
{
    if (texts == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        assert(texts->buckets[i] == NULL);
    pthread_mutex_destroy(&texts->mu);
    free(texts);
}

/* ---- life ---- */

static struct qri_text **place_of(struct qri_texts *texts, uint64_t id)
{
    struct qri_text **at = &texts->buckets[id % BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->bucket_next;
    return at;
}

static struct qri_text *make(struct qri_texts *texts, const struct qri_source *source, uint64_t id)
{
    size_t params = source->params.n == 0 ? 0 : source->params.n + 2; /* (…) */
    size_t n = params + source->text.n;
    struct qri_text *text = calloc(1, sizeof *text);
    char *p = malloc(n + 1);
    if (text == NULL || p == NULL) {
        free(text);
        free(p);
        return NULL;
    }
    if (params > 0) {
        p[0] = '(';
        memcpy(p + 1, source->params.p, source->params.n);
        p[params - 1] = ')';
    }
    if (source->text.n > 0)
        memcpy(p + params, source->text.p, source->text.n);
    p[n] = '\0';
    text->texts = texts;
    text->db = texts->db;
    text->id = id;
    text->refs = 1;
    text->kind = source->kind;
    text->object_id = source->module == NULL ? 0 : source->module->object_id;
    text->is_prepared = params > 0;
    text->text_at = (uint32_t)params;
    text->text = qr_str_n(p, n);
    pthread_mutex_init(&text->mu, NULL);
    return text;
}

static void free_text(struct qri_text *text)
{
    qri_text_hand_on(text);
    while (text->costs != NULL) {
        struct qri_stmt_cost *next = text->costs->next;
        qri_shape_unref(text->costs->shape);
        free(text->costs);
        text->costs = next;
    }
    pthread_mutex_destroy(&text->mu);
    free((char *)(uintptr_t)text->text.p);
    free(text);
}

struct qri_text *qri_text_ref(struct qri_texts *texts, const struct qri_source *source, uint64_t id)
{
    pthread_mutex_lock(&texts->mu);
    struct qri_text **at = place_of(texts, id);
    if (*at != NULL)
        (*at)->refs++;
    else
        *at = make(texts, source, id);
    atomic_store_explicit(&texts->db->qstore->was_used, true, memory_order_relaxed);
    struct qri_text *text = *at;
    pthread_mutex_unlock(&texts->mu);
    return text;
}

void qri_text_unref(struct qri_text *text)
{
    if (text == NULL)
        return;
    struct qri_texts *texts = text->texts;
    pthread_mutex_lock(&texts->mu);
    bool last = --text->refs == 0;
    if (last)
        *place_of(texts, text->id) = text->bucket_next;
    pthread_mutex_unlock(&texts->mu);
    if (last)
        free_text(text);
}

void qri_text_used(struct qri_text *text)
{
    if (text != NULL)
        atomic_fetch_add_explicit(&text->use_count, 1, memory_order_relaxed);
}

void qri_text_put_back(struct qri_text *text, size_t unit_bytes)
{
    if (text != NULL)
        atomic_store_explicit(&text->unit_bytes, (int64_t)unit_bytes, memory_order_relaxed);
}

static enum qr_status take_out(void *ctx, struct qri_text *text)
{
    const uint64_t *id = ctx;
    if (*id == 0 || text->id == *id)
        atomic_store_explicit(&text->unit_bytes, 0, memory_order_relaxed);
    return QR_OK;
}

void qri_texts_take_out(struct qri_texts *texts, uint64_t id)
{
    (void)!qri_texts_each(texts, take_out, &id);
}

/* ---- handing on ---- */

static void merge_cost(struct qri_run_cost *into, const struct qri_run_cost *later, bool is_first)
{
    if (is_first) {
        *into = *later;
        return;
    }
    into->total += later->total;
    into->squares += later->squares;
    into->last = later->last;
    if (later->min < into->min)
        into->min = later->min;
    if (later->max > into->max)
        into->max = later->max;
}

static void merge_waits(struct qri_run_waits *into, const struct qri_run_waits *later)
{
    for (int i = 0; i < QRI_WAIT_CATEGORIES; i++)
        if (later->counts[i] > 0) {
            merge_cost(&into->cost[i], &later->cost[i], into->counts[i] == 0);
            into->counts[i] += later->counts[i];
        }
}

void qri_runs_merge(struct qri_runs *into, struct qri_runs *later)
{
    for (int i = 0; i < QRI_COST_KINDS; i++)
        merge_cost(&into->cost[i], &later->cost[i], into->count == 0);
    if (into->count == 0 || later->first_ticks < into->first_ticks)
        into->first_ticks = later->first_ticks;
    if (later->last_ticks > into->last_ticks)
        into->last_ticks = later->last_ticks;
    into->count += later->count;
    if (into->waits == NULL) {
        into->waits = later->waits;
    } else if (later->waits != NULL) {
        merge_waits(into->waits, later->waits);
        free(later->waits);
    }
    later->waits = NULL;
}

static void add_runs(struct qri_cost *sum, bool is_first, const struct qri_run_cost *runs)
{
    sum->total += runs->total;
    sum->last = runs->last;
    if (is_first || runs->min < sum->min)
        sum->min = runs->min;
    if (is_first || runs->max > sum->max)
        sum->max = runs->max;
}

int64_t qri_stmt_costs(const struct qri_stmt_cost *c, struct qri_cost ret_costs[QRI_COST_KINDS])
{
    memcpy(ret_costs, c->cost, sizeof c->cost);
    for (int i = 0; c->runs.count > 0 && i < QRI_COST_KINDS; i++)
        add_runs(&ret_costs[i], c->count == 0, &c->runs.cost[i]);
    return c->count + c->runs.count;
}

static void hand_on_failed(struct qri_text *text, struct qri_stmt_cost *c)
{
    static const enum qri_run_end ends[2] = {QRI_RUN_ABORTED, QRI_RUN_EXCEPTION};
    for (int i = 0; i < 2; i++) {
        if (c->failed[i] == NULL)
            continue;
        qri_qstore_add(text, c, c->failed[i], ends[i]);
        free(c->failed[i]);
        c->failed[i] = NULL;
    }
}

void qri_stmt_cost_hand_on(struct qri_text *text, struct qri_stmt_cost *c)
{
    hand_on_failed(text, c);
    if (c->runs.count == 0)
        return;
    const struct qri_run_cost *cost = c->runs.cost;
    qri_shape_ran(c->shape, c->runs.count, c->runs.last_ticks, cost[QRI_COST_LOGICAL_READS].total,
                  cost[QRI_COST_ROWS].total);
    c->count = qri_stmt_costs(c, c->cost);
    qri_qstore_add(text, c, &c->runs, QRI_RUN_REGULAR);
    c->runs.count = 0;
}

void qri_text_hand_on(struct qri_text *text)
{
    for (struct qri_stmt_cost *c = text->costs; c != NULL; c = c->next)
        qri_stmt_cost_hand_on(text, c);
}

static enum qr_status take_text(void *ctx, struct qri_text *text)
{
    (void)ctx;
    pthread_mutex_lock(&text->mu);
    qri_text_hand_on(text);
    pthread_mutex_unlock(&text->mu);
    return QR_OK;
}

void qri_texts_hand_on(struct qri_texts *texts)
{
    (void)!qri_texts_each(texts, take_text, NULL);
}

/* ---- looking ---- */

enum qr_status qri_texts_each(struct qri_texts *texts,
                              enum qr_status (*each)(void *ctx, struct qri_text *text), void *ctx)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&texts->mu);
    for (size_t i = 0; i < BUCKETS && status == QR_OK; i++)
        for (struct qri_text *t = texts->buckets[i]; t != NULL && status == QR_OK;
             t = t->bucket_next)
            status = each(ctx, t);
    pthread_mutex_unlock(&texts->mu);
    return status;
}

bool qri_text_find(struct qri_texts *texts, uint64_t id, struct qr_arena *arena,
                   struct qri_text *ret_copy)
{
    pthread_mutex_lock(&texts->mu);
    const struct qri_text *text = *place_of(texts, id);
    bool found = text != NULL;
    if (found) { /* what never changes: the rest is being counted meanwhile */
        *ret_copy = (struct qri_text){
            .texts = texts,
            .db = text->db,
            .id = text->id,
            .kind = text->kind,
            .object_id = text->object_id,
            .is_prepared = text->is_prepared,
            .text_at = text->text_at,
            .unit_bytes = atomic_load_explicit(&text->unit_bytes, memory_order_relaxed),
            .text = qr_arena_str(arena, text->text)};
        found = ret_copy->text.p != NULL;
    }
    pthread_mutex_unlock(&texts->mu);
    return found;
}

bool qri_text_cost(struct qri_texts *texts, uint64_t id, uint32_t begin,
                   struct qri_found_cost *ret_cost)
{
    bool found = false;
    pthread_mutex_lock(&texts->mu);
    struct qri_text *text = *place_of(texts, id);
    if (text != NULL) {
        pthread_mutex_lock(&text->mu);
        for (const struct qri_stmt_cost *c = text->costs; c != NULL && !found; c = c->next) {
            found = c->begin == begin;
            if (found)
                *ret_cost = (struct qri_found_cost){c->query_hash, qri_shape_plan_hash(c->shape)};
        }
        pthread_mutex_unlock(&text->mu);
    }
    pthread_mutex_unlock(&texts->mu);
    return found;
}

/* ---- handles: kind, database, object, id; the rest is zeros ---- */

enum {
    KIND_BATCH = 0x02,
    KIND_MODULE = 0x03,
    KIND_PLAN = 0x06,
    AT_DATABASE = 4,
    AT_OBJECT = 8,
    AT_ID = 12
};

static struct qr_str handle(struct qr_arena *arena, uint8_t kind, uint32_t database_id,
                            uint32_t object_id, uint64_t id)
{
    uint8_t *bytes = qr_arena_array(arena, QRI_HANDLE_BYTES, 1);
    if (bytes == NULL)
        return (struct qr_str){NULL, 0};
    memset(bytes, 0, QRI_HANDLE_BYTES);
    bytes[0] = kind;
    for (int i = 0; i < 4; i++) {
        bytes[AT_DATABASE + i] = (uint8_t)(database_id >> 8 * i);
        bytes[AT_OBJECT + i] = (uint8_t)(object_id >> 8 * i);
    }
    for (int i = 0; i < 8; i++)
        bytes[AT_ID + i] = (uint8_t)(id >> 8 * i);
    return qr_str_n((const char *)bytes, QRI_HANDLE_BYTES);
}

struct qr_str qri_sql_handle(struct qr_arena *arena, const struct qr_database *db, uint64_t id,
                             uint32_t object_id)
{
    if (id == 0)
        return (struct qr_str){NULL, 0};
    return handle(arena, object_id == 0 ? KIND_BATCH : KIND_MODULE, db->info.database_id, object_id,
                  id);
}

struct qr_str qri_plan_handle(struct qr_arena *arena, const struct qr_database *db, uint64_t id)
{
    if (id == 0)
        return (struct qr_str){NULL, 0};
    return handle(arena, KIND_PLAN, db->info.database_id, 0, id);
}

bool qri_handle_id(struct qr_str text, uint64_t *ret_id)
{
    const uint8_t *bytes = (const uint8_t *)text.p;
    if ((text.n != QRI_HANDLE_BYTES && text.n != QRI_HANDLE_SHORT_BYTES) ||
        (bytes[0] != KIND_BATCH && bytes[0] != KIND_MODULE && bytes[0] != KIND_PLAN))
        return false;
    *ret_id = 0;
    for (int i = 0; i < 8; i++)
        *ret_id |= (uint64_t)bytes[AT_ID + i] << 8 * i;
    return true;
}

static int utf16_bytes(struct qr_str text, size_t until)
{
    int bytes = 0;
    for (size_t i = 0; i < until && i < text.n; i++) {
        const uint8_t c = (uint8_t)text.p[i];
        if ((c & 0xC0) != 0x80)
            bytes += c >= 0xF0 ? 4 : 2;
    }
    return bytes;
}

void qri_text_offsets(const struct qri_text *text, uint32_t begin, uint32_t bytes, int *ret_start,
                      int *ret_end)
{
    *ret_start = utf16_bytes(text->text, text->text_at + begin);
    bool to_end = text->text_at + begin + bytes >= text->text.n;
    *ret_end = to_end ? -1 : utf16_bytes(text->text, text->text_at + begin + bytes);
}
