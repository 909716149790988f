/* memory.c - see memory_int.h */
#include "memory_int.h"
#include <sqlite3.h>
#include <stdatomic.h>
#include "base/large.h"
#include "engine_int.h"
#include "governor/memory.h"
#include "governor/task.h"
#include "base/banned.h"

static const int64_t HELD_LONG_NS = INT64_C(20) * 1000000000, RELIEVE_NS = 1000000000;

static struct {
    atomic_size_t rowsets, others, max; /* max 0: no bound */
    _Atomic int64_t relieved_ns;
} memory;

void qr_rowset_memory_bound(size_t bytes_max)
{
    atomic_store_explicit(&memory.max, bytes_max, memory_order_relaxed);
}

size_t qr_rowset_memory_used(void)
{
    return atomic_load_explicit(&memory.rowsets, memory_order_relaxed);
}

static size_t used(void)
{
    return qr_rowset_memory_used() + atomic_load_explicit(&memory.others, memory_order_relaxed);
}

/* Of chunks, which their task is not told of, since others may free them: what the statement that
 * the thread runs has taken. */
static _Thread_local size_t chunk_bytes;

void qri_memory_begin(void)
{
    chunk_bytes = 0;
}

/* That neither goes to disk nor was granted. */
static size_t piled_up(void)
{
    size_t others = atomic_load_explicit(&memory.others, memory_order_relaxed);
    uint64_t granted = qr_gov_memory_in_grants();
    return granted >= others ? 0 : others - (size_t)granted;
}

/* Grants are half of the bound. What statements pile up beyond theirs keeps to three eighths, where
 * one has much of it: so grants that were given can be used, and small pieces be had. */
static bool is_too_much(size_t bytes, size_t max)
{
    return qr_gov_memory_beyond(bytes + chunk_bytes) > max / 16 && piled_up() + bytes > max / 8 * 3;
}

static bool take(atomic_size_t *of, size_t bytes)
{
    size_t max = atomic_load_explicit(&memory.max, memory_order_relaxed);
    if (max != 0 && of == &memory.others && is_too_much(bytes, max))
        return false;
    /* what cannot be had is not in the others' way for a moment, either */
    if (max != 0 && (bytes > max || used() > max - bytes))
        return false;
    (void)atomic_fetch_add_explicit(of, bytes, memory_order_relaxed);
    if (max == 0 || used() <= max)
        return true;
    (void)atomic_fetch_sub_explicit(of, bytes, memory_order_relaxed);
    return false;
}

static atomic_size_t *of_which(bool goes_to_disk)
{
    return goes_to_disk ? &memory.rowsets : &memory.others;
}

enum qr_status qri_memory_charge(size_t bytes, bool goes_to_disk, struct qr_err *err)
{
    if (!take(of_which(goes_to_disk), bytes)) {
        qr_gov_count_out_of_memory();
        return qr_sql_fail(err, 701, "default");
    }
    qr_gov_memory((int64_t)bytes);
    return QR_OK;
}

void qri_memory_discharge(size_t bytes, bool goes_to_disk)
{
    (void)atomic_fetch_sub_explicit(of_which(goes_to_disk), bytes, memory_order_relaxed);
    qr_gov_memory(-(int64_t)bytes);
}

bool qri_memory_is_half(void)
{
    size_t max = atomic_load_explicit(&memory.max, memory_order_relaxed);
    return max != 0 && used() > max / 2;
}

bool qri_memory_is_short(void)
{
    size_t max = atomic_load_explicit(&memory.max, memory_order_relaxed);
    return max != 0 && (used() > max / 4 * 3 || piled_up() > max / 4);
}

/* ---- who has held much for long ---- */

void qri_memory_relieve(struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    int64_t now = qr_env_mono_ns(instance->options.env), then = atomic_load(&memory.relieved_ns);
    if (now - then < RELIEVE_NS || !atomic_compare_exchange_strong(&memory.relieved_ns, &then, now))
        return;
    struct qr_session *oldest = NULL;
    int64_t oldest_since = now - HELD_LONG_NS;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        int64_t since = s->login.task == NULL ? 0 : qr_gov_memory_since(s->login.task);
        if (since == 0 || since > oldest_since || atomic_load(&s->killed) != 0)
            continue;
        oldest = s;
        oldest_since = since;
    }
    if (oldest != NULL)
        qri_session_end_for_memory(oldest);
    pthread_mutex_unlock(&instance->mu);
}

/* ---- large pieces of SQLite's and of arenas ---- */

static sqlite3_mem_methods plain;

/* A block counts as what it really has, so that its end takes off what its begin put on. */
static bool count_in(void *p)
{
    int bytes = plain.xSize(p);
    if (bytes < QRI_LARGE_BYTES)
        return true;
    if (!take(&memory.others, (size_t)bytes))
        return false;
    qr_gov_memory(bytes);
    return true;
}

static void count_out(int bytes)
{
    if (bytes < QRI_LARGE_BYTES)
        return;
    (void)atomic_fetch_sub_explicit(&memory.others, (size_t)bytes, memory_order_relaxed);
    qr_gov_memory(-bytes);
}

static void *counted_malloc(int bytes)
{
    void *p = plain.xMalloc(bytes);
    if (bytes < QRI_LARGE_BYTES / 2 || p == NULL || count_in(p))
        return p;
    plain.xFree(p);
    return NULL;
}

static void counted_free(void *p)
{
    count_out(plain.xSize(p));
    plain.xFree(p);
}

/* SQLite keeps the old block if it gets none. */
static void *counted_realloc(void *p, int bytes)
{
    int before = plain.xSize(p);
    int more = bytes - (before < QRI_LARGE_BYTES ? 0 : before);
    if (bytes >= QRI_LARGE_BYTES && more > 0) {
        if (!take(&memory.others, (size_t)more))
            return NULL;
        (void)atomic_fetch_sub_explicit(&memory.others, (size_t)more, memory_order_relaxed);
    }
    void *moved = plain.xRealloc(p, bytes);
    if (moved == NULL)
        return NULL;
    int after = plain.xSize(moved);
    count_out(before);
    if (after >= QRI_LARGE_BYTES) {
        (void)atomic_fetch_add_explicit(&memory.others, (size_t)after, memory_order_relaxed);
        qr_gov_memory(after);
    }
    return moved;
}

static bool take_chunk(size_t bytes)
{
    if (!take(&memory.others, bytes))
        return false;
    chunk_bytes += bytes;
    return true;
}

static void give_chunk(size_t bytes)
{
    (void)atomic_fetch_sub_explicit(&memory.others, bytes, memory_order_relaxed);
    chunk_bytes -= bytes < chunk_bytes ? bytes : chunk_bytes;
}

void qri_memory_watch(void)
{
    qr_large_watch(QRI_LARGE_BYTES, take_chunk, give_chunk);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK || plain.xMalloc == NULL)
        return; /* in use already, in programs that are no compute node: not counted */
    sqlite3_mem_methods counted = plain;
    counted.xMalloc = counted_malloc;
    counted.xFree = counted_free;
    counted.xRealloc = counted_realloc;
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &counted);
}
