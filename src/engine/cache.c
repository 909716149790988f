/* cache.c - idle units of a database, found by text and options; see frame.h
 *
 * A unit is taken out to be run and put back after, so nothing in it needs a lock. Two sessions
 * that run the same text at once each parse it once; afterwards both copies stay for the next two.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "dml_int.h"
#include "texts_int.h"
#include "unit_int.h"
#include "base/banned.h"

enum { BUCKETS = 4096 };

struct qri_cache {
    pthread_mutex_t mu;
    struct qri_unit *buckets[BUCKETS];
    struct qri_unit *newest, *oldest;
    size_t bytes, bytes_max;
    uint64_t era;    /* since it was last cleared */
    uint64_t *stubs; /* BUCKETS hashes of batches that ran once and were not kept; NULL: none */
};

struct qri_cache *qri_cache_new(size_t bytes_max)
{
    struct qri_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return NULL;
    pthread_mutex_init(&cache->mu, NULL);
    cache->bytes_max = bytes_max;
    return cache;
}

static size_t unit_bytes(const struct qri_unit *unit)
{
    size_t bytes = sizeof *unit + unit->arena.total_bytes;
    for (size_t i = 0; i < unit->op_count; i++)
        for (uint32_t k = 0; k < unit->ops[i].code_count; k++)
            if (unit->ops[i].codes[k] != NULL)
                bytes += sizeof(struct qri_code) + unit->ops[i].codes[k]->arena.total_bytes;
    return bytes;
}

static void take_out(struct qri_cache *cache, struct qri_unit *unit)
{
    struct qri_unit **at = &cache->buckets[unit->hash % BUCKETS];
    while (*at != unit)
        at = &(*at)->bucket_next;
    *at = unit->bucket_next;
    *(unit->newer == NULL ? &cache->newest : &unit->newer->older) = unit->older;
    *(unit->older == NULL ? &cache->oldest : &unit->older->newer) = unit->newer;
    cache->bytes -= unit->cached_bytes;
}

void qri_cache_free(struct qri_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->newest != NULL) {
        struct qri_unit *unit = cache->newest;
        take_out(cache, unit);
        qri_unit_free(unit);
    }
    pthread_mutex_destroy(&cache->mu);
    free(cache->stubs);
    free(cache);
}

static void free_chain(struct qri_unit *drop)
{
    while (drop != NULL) {
        struct qri_unit *next = drop->newer;
        qri_unit_free(drop);
        drop = next;
    }
}

void qri_cache_clear(struct qr_database *db, uint64_t text_id)
{
    struct qri_cache *cache = db->cache;
    struct qri_unit *drop = NULL; /* freed outside the lock */
    uint64_t *stubs = NULL;
    qri_texts_take_out(db->texts, text_id);
    pthread_mutex_lock(&cache->mu);
    for (struct qri_unit *unit = cache->newest, *next; unit != NULL; unit = next) {
        next = unit->older;
        if (text_id != 0 && (unit->text == NULL || unit->text->id != text_id))
            continue;
        take_out(cache, unit);
        unit->newer = drop;
        drop = unit;
    }
    if (text_id == 0) {
        cache->era++;
        stubs = cache->stubs;
        cache->stubs = NULL;
    }
    pthread_mutex_unlock(&cache->mu);
    free(stubs);
    free_chain(drop);
}

/* A batch that comes for the first time leaves a stub, where the database is told so. With mu. */
static bool leaves_stub(struct qri_cache *cache, const struct qr_session *session,
                        const struct qri_unit *unit)
{
    bool is_prepared = unit->text != NULL && unit->text->is_prepared;
    if (!session->catalog->keeps_second_plans || unit->kind != QRI_UNIT_BATCH || is_prepared)
        return false;
    if (cache->stubs == NULL)
        cache->stubs = calloc(BUCKETS, sizeof *cache->stubs);
    uint64_t *stub = cache->stubs == NULL ? NULL : &cache->stubs[unit->hash % BUCKETS];
    if (stub == NULL || *stub == unit->hash)
        return false;
    *stub = unit->hash;
    return true;
}

/* What the parse and the variables depend on, apart from the text. */
static uint64_t key_options(const struct qr_session *session, const struct qri_source *source)
{
    bool quoted = source->module != NULL ? source->module->uses_quoted_identifier
                                         : session->options.quoted_identifier;
    uint32_t schema_id = source->module != NULL ? QR_SCHEMA_DBO : qri_access_schema(session);
    return (uint64_t)(schema_id - QR_SCHEMA_DBO) << 16 | (uint64_t)source->kind << 8 | quoted;
}

static bool is_same(const struct qri_unit *unit, const struct qr_session *session, uint64_t hash,
                    uint64_t options, const struct qri_source *source)
{
    if (unit->hash != hash || unit->options_key != options)
        return false;
    if (unit->has_catalog_types && unit->catalog_serial != session->catalog_serial)
        return false;
    if (source->module != NULL)
        return unit->object_id == source->module->object_id &&
               unit->object_version == source->module->version &&
               unit->object_ticks == source->module->modify_ticks;
    return unit->object_id == 0 && unit->key.n == source->params.n + source->text.n &&
           qr_str_eq(qr_str_n(unit->key.p, source->params.n), source->params) &&
           qr_str_eq(qr_str_n(unit->key.p + source->params.n, source->text.n), source->text);
}

static uint64_t hash_of(const struct qri_source *source)
{
    if (source->module != NULL) {
        uint64_t id[2] = {source->module->object_id, source->module->version};
        return qr_hash_bytes(id, sizeof id, 1);
    }
    uint64_t hash = qr_hash_bytes(source->text.p, source->text.n, 2);
    return source->params.n == 0 ? hash : qr_hash_bytes(source->params.p, source->params.n, hash);
}

static enum qr_status keep_key(struct qri_unit *unit, const struct qri_source *source,
                               struct qr_err *err)
{
    if (source->module != NULL) {
        unit->object_id = source->module->object_id;
        unit->object_version = source->module->version;
        unit->object_ticks = source->module->modify_ticks;
        return QR_OK;
    }
    size_t n = source->params.n + source->text.n;
    char *key = qr_arena_alloc(&unit->arena, n + 1);
    if (key == NULL)
        return qr_fail(err, QR_NOMEM, "compile a batch");
    if (source->params.n > 0)
        memcpy(key, source->params.p, source->params.n);
    if (source->text.n > 0)
        memcpy(key + source->params.n, source->text.p, source->text.n);
    unit->key = qr_str_n(key, n);
    return QR_OK;
}

enum qr_status qri_unit_take(struct qr_session *session, const struct qri_source *source,
                             struct qri_unit **ret_unit, struct qr_err *err)
{
    struct qri_cache *cache = session->db->cache;
    uint64_t hash = hash_of(source), options = key_options(session, source);
    pthread_mutex_lock(&cache->mu);
    uint64_t era = cache->era;
    struct qri_unit *unit = cache->buckets[hash % BUCKETS];
    while (unit != NULL && !is_same(unit, session, hash, options, source))
        unit = unit->bucket_next;
    if (unit != NULL)
        take_out(cache, unit);
    pthread_mutex_unlock(&cache->mu);
    if (unit == NULL) {
        QR_TRY(qri_unit_new(session, source, (options & 1) != 0, &unit, err));
        unit->hash = hash;
        unit->options_key = options;
        unit->era = era;
        enum qr_status status = keep_key(unit, source, err);
        if (status != QR_OK) {
            qri_unit_free(unit);
            return status;
        }
        uint64_t id[3] = {hash, options, (uint64_t)unit->object_ticks};
        if (!unit->batch->has_secret)
            unit->text = qri_text_ref(session->db->texts, source, qr_hash_bytes(id, sizeof id, 3));
    }
    qri_text_used(unit->text);
    *ret_unit = unit;
    return QR_OK;
}

/* What has to go for it, by `newer`. With mu. */
static struct qri_unit *put_in(struct qri_cache *cache, struct qri_unit *own_unit)
{
    struct qri_unit *drop = NULL, **bucket = &cache->buckets[own_unit->hash % BUCKETS];
    own_unit->bucket_next = *bucket;
    *bucket = own_unit;
    own_unit->newer = NULL;
    own_unit->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = own_unit;
    cache->newest = own_unit;
    cache->bytes += own_unit->cached_bytes;
    while (cache->bytes > cache->bytes_max && cache->oldest != NULL) {
        struct qri_unit *oldest = cache->oldest;
        take_out(cache, oldest);
        oldest->newer = drop;
        drop = oldest;
    }
    return drop;
}

void qri_unit_put(struct qr_session *session, struct qri_unit *own_unit)
{
    if (own_unit == NULL)
        return;
    struct qri_cache *cache = session->db->cache;
    struct qri_unit *drop = NULL; /* freed outside the lock */
    own_unit->cached_bytes = unit_bytes(own_unit);
    pthread_mutex_lock(&cache->mu);
    bool is_kept = own_unit->era == cache->era && !own_unit->batch->has_secret &&
                   !leaves_stub(cache, session, own_unit);
    if (is_kept) {
        qri_text_put_back(own_unit->text, own_unit->cached_bytes);
        drop = put_in(cache, own_unit);
    }
    pthread_mutex_unlock(&cache->mu);
    if (!is_kept)
        qri_unit_free(own_unit);
    free_chain(drop);
}

/* ---- for views ---- */

static struct qr_str sql_of(const struct qri_op *op)
{
    const struct qri_code *code = op->code_count == 0 ? NULL : op->codes[0];
    if (op->kind != QRI_OP_RUN || code == NULL || code->plan == NULL)
        return (struct qr_str){NULL, 0};
    return code->plan->dml != NULL ? code->plan->dml->stage.text : code->plan->select.text;
}

enum qr_status qri_cache_sqls(struct qri_cache *cache, uint64_t text_id, struct qr_arena *arena,
                              struct qri_cached_sql **ret_list, size_t *ret_count)
{
    size_t count = 0, capacity = 0;
    struct qri_cached_sql *list = NULL;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&cache->mu);
    const struct qri_unit *unit = cache->newest;
    while (unit != NULL && (unit->text == NULL || unit->text->id != text_id))
        unit = unit->older;
    for (size_t i = 0; unit != NULL && i < unit->op_count && status == QR_OK; i++) {
        const struct qri_op *op = &unit->ops[i];
        struct qr_str sql = sql_of(op);
        if (sql.n == 0)
            continue;
        list = qr_arena_grow(arena, list, count, &capacity, count + 1, sizeof *list);
        if (list == NULL || (sql = qr_arena_str(arena, sql)).p == NULL) {
            status = QR_NOMEM;
            break;
        }
        list[count++] = (struct qri_cached_sql){(uint32_t)i, op->stmt->pos.offset,
                                                (uint32_t)op->stmt->text.n, op->stmt->kind, sql};
    }
    pthread_mutex_unlock(&cache->mu);
    *ret_list = list;
    *ret_count = count;
    return status;
}
