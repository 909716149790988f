/* shape.c - see shape_int.h */
#include "shape_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "dml_int.h"
#include "base/banned.h"

enum { BUCKETS = 1024, SHAPES_MAX = 20000, WANTED_MAX = 600, CELLS_MAX = 100000 };

struct qri_shapes {
    pthread_mutex_t mu;
    struct qri_shape *buckets[BUCKETS];
    size_t shape_count;
    struct qri_index_use *cells; /* by object and index */
    size_t cell_count, cell_capacity;
    struct qri_wanted *wanted; /* in the order in which they were met: the handle is the index */
    size_t wanted_count, wanted_capacity;
};

struct qri_shapes *qri_shapes_new(void)
{
    struct qri_shapes *shapes = calloc(1, sizeof *shapes);
    if (shapes != NULL)
        pthread_mutex_init(&shapes->mu, NULL);
    return shapes;
}

static void free_shape(struct qri_shape *shape)
{
    free((char *)(uintptr_t)shape->sql.p);
    free(shape->uses);
    free(shape->wants);
    free(shape);
}

void qri_shapes_free(struct qri_shapes *shapes)
{
    if (shapes == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (shapes->buckets[i] != NULL) { /* nobody runs them: their runs were not explained */
            struct qri_shape *shape = shapes->buckets[i];
            assert(shape->refs == 0);
            shapes->buckets[i] = shape->bucket_next;
            free_shape(shape);
        }
    pthread_mutex_destroy(&shapes->mu);
    free(shapes->cells);
    free(shapes->wanted);
    free(shapes);
}

/* ---- what a statement changes ---- */

static bool sets_column(const struct qr_plan_dml *dml, uint32_t column_id)
{
    for (size_t i = 0; i < dml->set_count; i++)
        if (dml->sets[i].column_id == column_id)
            return true;
    return false;
}

static bool is_changed(const struct qr_plan *plan, const struct qr_cat_index *index)
{
    if (plan->kind != QR_PLAN_UPDATE || index->is_clustered)
        return true;
    for (size_t i = 0; i < index->column_count; i++)
        if (sets_column(plan->dml, index->columns[i].column_id))
            return true;
    return false;
}

/* Makes shape->uses, with room for nothing more. */
static bool note_updates(struct qri_shape *shape, const struct qr_plan *plan)
{
    const struct qr_plan_dml *dml = plan->dml;
    const struct qr_cat_object *table = dml == NULL ? NULL : dml->target;
    if (table == NULL || dml->target_is_temp || dml->rowset_name.n > 0 ||
        table->type != QR_CAT_TABLE)
        return true;
    shape->uses = calloc(table->index_count + 1, sizeof *shape->uses);
    if (shape->uses == NULL)
        return false;
    if (qr_cat_clustered(table) == NULL)
        shape->uses[shape->use_count++] = (struct qri_use){table->object_id, 0, QRI_USE_UPDATE};
    for (size_t i = 0; i < table->index_count; i++)
        if (!table->indexes[i].is_disabled && is_changed(plan, &table->indexes[i]))
            shape->uses[shape->use_count++] =
                (struct qri_use){table->object_id, table->indexes[i].index_id, QRI_USE_UPDATE};
    return true;
}

/* ---- life ---- */

static struct qr_str sql_of(const struct qri_code *code)
{
    return code->plan->dml != NULL ? code->plan->dml->stage.text : code->plan->select.text;
}

static uint64_t hash_of(const struct qri_code *code)
{
    const struct qr_plan_dml *dml = code->plan->dml;
    if (dml == NULL)
        return code->select.hash;
    uint64_t hash = qr_hash_bytes(dml->stage.text.p, dml->stage.text.n, 0);
    uint64_t what[2] = {code->plan->kind, dml->target == NULL ? 0 : dml->target->object_id};
    hash = qr_hash_bytes(what, sizeof what, hash);
    for (size_t i = 0; i < dml->set_count; i++)
        hash = qr_hash_bytes(&dml->sets[i].column_id, sizeof dml->sets[i].column_id, hash);
    return hash;
}

static struct qri_shape *make(struct qri_shapes *shapes, const struct qri_code *code, uint64_t hash,
                              uint64_t serial)
{
    struct qri_shape *shape = calloc(1, sizeof *shape);
    struct qr_str sql = sql_of(code);
    char *copy = malloc(sql.n + 1);
    if (shape != NULL && copy != NULL && note_updates(shape, code->plan)) {
        if (sql.n > 0)
            memcpy(copy, sql.p, sql.n);
        copy[sql.n] = '\0';
        shape->shapes = shapes;
        shape->sql_hash = hash;
        atomic_init(&shape->plan_hash, hash);
        shape->serial = serial;
        shape->sql = qr_str_n(copy, sql.n);
        shape->is_temp = code->uses_temp;
        return shape;
    }
    if (shape != NULL)
        free(shape->uses);
    free(shape);
    free(copy);
    return NULL;
}

struct qri_shape *qri_shape_ref(struct qr_session *session, const struct qri_code *code)
{
    struct qri_shapes *shapes = session->db->shapes;
    if (code->plan == NULL)
        return NULL;
    uint64_t hash = hash_of(code), serial = session->catalog_serial;
    pthread_mutex_lock(&shapes->mu);
    struct qri_shape **bucket = &shapes->buckets[hash % BUCKETS], *shape = *bucket;
    while (shape != NULL && (shape->sql_hash != hash || shape->serial != serial))
        shape = shape->bucket_next;
    if (shape == NULL && shapes->shape_count < SHAPES_MAX &&
        (shape = make(shapes, code, hash, serial)) != NULL) {
        shape->bucket_next = *bucket;
        *bucket = shape;
        shapes->shape_count++;
    }
    if (shape != NULL) {
        shape->refs++;
        shape->compiles++;
    }
    pthread_mutex_unlock(&shapes->mu);
    return shape;
}

struct qri_shape *qri_shape_share(struct qri_shape *shape)
{
    if (shape == NULL)
        return NULL;
    pthread_mutex_lock(&shape->shapes->mu);
    shape->refs++;
    shape->is_wanted = true;
    pthread_mutex_unlock(&shape->shapes->mu);
    return shape;
}

/* With mu. Nobody runs it, and all its runs are in cells. */
static void drop_if_over(struct qri_shape *shape)
{
    if (shape->refs > 0 || shape->runs > 0)
        return;
    struct qri_shape **at = &shape->shapes->buckets[shape->sql_hash % BUCKETS];
    while (*at != shape)
        at = &(*at)->bucket_next;
    *at = shape->bucket_next;
    shape->shapes->shape_count--;
    free_shape(shape);
}

void qri_shape_unref(struct qri_shape *shape)
{
    if (shape == NULL)
        return;
    struct qri_shapes *shapes = shape->shapes;
    pthread_mutex_lock(&shapes->mu);
    shape->refs--;
    drop_if_over(shape);
    pthread_mutex_unlock(&shapes->mu);
}

uint64_t qri_shape_plan_hash(const struct qri_shape *shape)
{
    return shape == NULL ? 0 : atomic_load_explicit(&shape->plan_hash, memory_order_relaxed);
}

bool qri_shape_is_explained(const struct qri_shape *shape)
{
    return atomic_load(&shape->is_explained);
}

void qri_shape_ran(struct qri_shape *shape, int64_t runs, int64_t last_ticks, int64_t reads,
                   int64_t rows)
{
    if (shape == NULL || runs == 0)
        return;
    pthread_mutex_lock(&shape->shapes->mu);
    shape->runs += runs;
    shape->reads += (double)reads;
    shape->rows += (double)rows;
    if (last_ticks > shape->last_ticks)
        shape->last_ticks = last_ticks;
    pthread_mutex_unlock(&shape->shapes->mu);
}

/* ---- cells; with mu ---- */

static struct qri_index_use *cell_of(struct qri_shapes *shapes, const struct qri_use *use)
{
    size_t lo = 0, hi = shapes->cell_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct qri_index_use *c = &shapes->cells[mid];
        bool less = c->object_id < use->object_id ||
                    (c->object_id == use->object_id && c->index_id < use->index_id);
        lo = less ? mid + 1 : lo;
        hi = less ? hi : mid;
    }
    struct qri_index_use *at = shapes->cells + lo;
    if (lo < shapes->cell_count && at->object_id == use->object_id && at->index_id == use->index_id)
        return at;
    if (shapes->cell_count == shapes->cell_capacity) {
        size_t capacity = shapes->cell_capacity == 0 ? 32 : shapes->cell_capacity * 2;
        void *grown = capacity > CELLS_MAX * 2
                          ? NULL
                          : realloc(shapes->cells, capacity * sizeof *shapes->cells);
        if (grown == NULL)
            return NULL;
        shapes->cells = grown;
        shapes->cell_capacity = capacity;
        at = shapes->cells + lo;
    }
    memmove(at + 1, at, (shapes->cell_count - lo) * sizeof *at);
    shapes->cell_count++;
    *at = (struct qri_index_use){.object_id = use->object_id, .index_id = use->index_id};
    return at;
}

static struct qri_wanted *wanted_of(struct qri_shapes *shapes, const struct qri_want *want)
{
    for (size_t i = 0; i < shapes->wanted_count; i++)
        if (memcmp(&shapes->wanted[i].want, want, sizeof *want) == 0)
            return &shapes->wanted[i];
    if (shapes->wanted_count == shapes->wanted_capacity) {
        size_t capacity = shapes->wanted_capacity == 0 ? 16 : shapes->wanted_capacity * 2;
        void *grown = shapes->wanted_count >= WANTED_MAX
                          ? NULL
                          : realloc(shapes->wanted, capacity * sizeof *shapes->wanted);
        if (grown == NULL)
            return NULL;
        shapes->wanted = grown;
        shapes->wanted_capacity = capacity;
    }
    struct qri_wanted *wanted = &shapes->wanted[shapes->wanted_count++];
    *wanted = (struct qri_wanted){.want = *want};
    return wanted;
}

static void spread(struct qri_shape *shape)
{
    struct qri_shapes *shapes = shape->shapes;
    for (size_t i = 0; i < shape->use_count; i++) {
        const struct qri_use *use = &shape->uses[i];
        struct qri_index_use *cell = cell_of(shapes, use);
        if (cell == NULL)
            continue;
        cell->counts[use->kind] += shape->runs;
        if (shape->last_ticks > cell->last_ticks[use->kind])
            cell->last_ticks[use->kind] = shape->last_ticks;
    }
    for (size_t i = 0; i < shape->want_count; i++) {
        struct qri_wanted *wanted = wanted_of(shapes, &shape->wants[i]);
        if (wanted == NULL)
            continue;
        wanted->seeks += shape->runs;
        wanted->compiles += shape->compiles;
        wanted->reads += shape->reads;
        wanted->rows += shape->rows;
        if (shape->last_ticks > wanted->last_ticks)
            wanted->last_ticks = shape->last_ticks;
    }
    shape->runs = shape->compiles = 0;
    shape->reads = shape->rows = 0;
}

/* ---- explaining ---- */

/* With mu: what it reads, behind what it updates. */
static bool keep_explained(struct qri_shape *shape, const struct qri_explained *found)
{
    size_t count = shape->use_count + found->use_count;
    struct qri_use *uses = realloc(shape->uses, (count + 1) * sizeof *uses);
    if (uses == NULL)
        return false;
    shape->uses = uses;
    struct qri_want *wants = calloc(found->want_count + 1, sizeof *wants);
    if (wants == NULL)
        return false;
    if (found->use_count > 0)
        memcpy(uses + shape->use_count, found->uses, found->use_count * sizeof *uses);
    if (found->want_count > 0)
        memcpy(wants, found->wants, found->want_count * sizeof *wants);
    shape->use_count = count;
    shape->wants = wants;
    shape->want_count = found->want_count;
    uint64_t both[2] = {shape->sql_hash, found->plan_hash};
    atomic_store_explicit(&shape->plan_hash, qr_hash_bytes(both, sizeof both, 0),
                          memory_order_relaxed);
    return true;
}

/* Gives mu back meanwhile. */
static void explain_one(struct qri_shape *shape, struct qr_session *session)
{
    struct qri_shapes *shapes = shape->shapes;
    struct qr_arena arena;
    struct qri_explained found = {0};
    qr_arena_init(&arena, 64 << 20);
    shape->refs++;
    pthread_mutex_unlock(&shapes->mu);
    enum qr_status status = shape->is_temp || shape->sql.n == 0
                                ? QR_OK
                                : qri_explain(session, shape->sql, &arena, &found);
    pthread_mutex_lock(&shapes->mu);
    shape->refs--;
    if (!shape->is_explained && status == QR_OK) /* somebody else may have, meanwhile */
        shape->is_explained = keep_explained(shape, &found);
    qr_arena_done(&arena);
}

static struct qri_shape *next_unexplained(struct qri_shapes *shapes, size_t *bucket)
{
    for (; *bucket < BUCKETS; (*bucket)++)
        for (struct qri_shape *s = shapes->buckets[*bucket]; s != NULL; s = s->bucket_next)
            if (!s->is_explained && (s->runs > 0 || s->is_wanted))
                return s;
    return NULL;
}

void qri_shapes_settle(struct qr_session *session)
{
    struct qri_shapes *shapes = session->db->shapes;
    struct qri_shape *shape;
    size_t bucket = 0;
    pthread_mutex_lock(&shapes->mu);
    while ((shape = next_unexplained(shapes, &bucket)) != NULL) {
        explain_one(shape, session);
        if (!shape->is_explained) /* no memory: another time */
            break;
    }
    for (bucket = 0; bucket < BUCKETS; bucket++)
        for (struct qri_shape *s = shapes->buckets[bucket], *next; s != NULL; s = next) {
            next = s->bucket_next;
            if (s->is_explained && s->runs > 0)
                spread(s);
            drop_if_over(s);
        }
    pthread_mutex_unlock(&shapes->mu);
}

/* ---- looking ---- */

/* Held. A copy in the arena; NULL: no memory. */
static void *copy_list(struct qr_arena *arena, const void *list, size_t count, size_t item_bytes)
{
    void *copy = qr_arena_array(arena, count + 1, item_bytes);
    if (copy != NULL && count > 0)
        memcpy(copy, list, count * item_bytes);
    return copy;
}

enum qr_status qri_shapes_uses(struct qri_shapes *shapes, struct qr_arena *arena,
                               struct qri_index_use **ret_list, size_t *ret_count)
{
    pthread_mutex_lock(&shapes->mu);
    *ret_count = shapes->cell_count;
    *ret_list = copy_list(arena, shapes->cells, *ret_count, sizeof **ret_list);
    pthread_mutex_unlock(&shapes->mu);
    return *ret_list == NULL ? QR_NOMEM : QR_OK;
}

enum qr_status qri_shapes_wanted(struct qri_shapes *shapes, struct qr_arena *arena,
                                 struct qri_wanted **ret_list, size_t *ret_count)
{
    pthread_mutex_lock(&shapes->mu);
    *ret_count = shapes->wanted_count;
    *ret_list = copy_list(arena, shapes->wanted, *ret_count, sizeof **ret_list);
    pthread_mutex_unlock(&shapes->mu);
    return *ret_list == NULL ? QR_NOMEM : QR_OK;
}
