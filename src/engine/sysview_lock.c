/* sysview_lock.c - what is locked and who waits for it; see sysview_int.h. */
#include "sysview_lock_int.h"
#include "governor/task.h"
#include "lock_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

/* ---- what the lock manager tells, kept until it has let go of its mutex ---- */

static void keep_info(void *ctx, const struct qr_lock_info *info)
{
    struct qri_lock_waits *list = ctx;
    if (info->resource.kind == QR_LOCK_RANGE && info->mode == QR_LOCK_IX && !info->is_waiting)
        return; /* a writer's keys: the locks of its rows are shown */
    if (list->count == list->capacity && !list->full) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct qri_lock_wait *grown = realloc(list->items, capacity * sizeof *grown);
        list->full = grown == NULL;
        if (grown != NULL) {
            list->items = grown;
            list->capacity = capacity;
        }
    }
    if (list->full)
        return;
    char *name = info->name == NULL ? NULL : strdup(info->name);
    list->full = info->name != NULL && name == NULL;
    if (list->full)
        return;
    struct qri_lock_wait *kept = &list->items[list->count++];
    *kept = (struct qri_lock_wait){.info = *info, .name = name};
    kept->info.name = NULL;
}

/* Those that wait for the writer lock, which DDL keeps to its transaction's end. It goes from hand
 * to hand between statements: who has not waited long is not told of. */
static void keep_writers(struct qri_lock_waits *list, struct qr_database *db)
{
    enum { WRITERS_MAX = 256, TOLD_NS = 20 * 1000 * 1000 };
    struct qr_writer_info writers[WRITERS_MAX];
    int64_t now = qr_env_mono_ns(db->instance->options.env);
    size_t count = qr_store_list_writers(db->store, writers, WRITERS_MAX);
    for (size_t i = 1; i < count && i < WRITERS_MAX; i++) {
        struct qr_lock_info info = {.resource = {.kind = QR_LOCK_DATABASE},
                                    .session_id = (uint32_t)writers[i].owner,
                                    .mode = QR_LOCK_X,
                                    .is_waiting = true,
                                    .since_mono_ns = writers[i].since_mono_ns,
                                    .blocking_session_id = (uint32_t)writers[0].owner};
        if (now - writers[i].since_mono_ns >= TOLD_NS)
            keep_info(list, &info);
    }
}

static enum qr_status gather(struct qri_lock_waits *list, struct qr_database *db, bool only_waits)
{
    size_t first = list->count;
    if (only_waits)
        qr_locks_list_waits(db->locks, keep_info, list);
    else
        qr_locks_list(db->locks, keep_info, list);
    keep_writers(list, db);
    int64_t now = qr_env_mono_ns(db->instance->options.env);
    for (size_t i = first; i < list->count; i++) {
        list->items[i].database_id = db->info.database_id;
        list->items[i].now_mono_ns = now;
    }
    return list->full ? QR_NOMEM : QR_OK;
}

enum qr_status qri_lock_waits_add(struct qri_lock_waits *waits, struct qr_database *db)
{
    return gather(waits, db, true);
}

static int by_session(const void *a, const void *b)
{
    uint32_t x = ((const struct qri_lock_wait *)a)->info.session_id;
    uint32_t y = ((const struct qri_lock_wait *)b)->info.session_id;
    return (x > y) - (x < y);
}

void qri_lock_waits_sort(struct qri_lock_waits *waits)
{
    if (waits->count > 0)
        qsort(waits->items, waits->count, sizeof waits->items[0], by_session);
}

const struct qri_lock_wait *qri_lock_waits_find(const struct qri_lock_waits *waits,
                                                uint32_t session_id)
{
    struct qri_lock_wait key = {.info.session_id = session_id};
    return waits->count == 0 ? NULL
                             : bsearch(&key, waits->items, waits->count, sizeof key, by_session);
}

static void free_items(void *items, size_t count)
{
    struct qri_lock_wait *waits = items;
    for (size_t i = 0; i < count; i++)
        free(waits[i].name);
    free(items);
}

void qri_lock_waits_done(struct qri_lock_waits *waits)
{
    free_items(waits->items, waits->count);
    *waits = (struct qri_lock_waits){0};
}

/* ---- texts ---- */

enum { TEXT_BYTES_MAX = 256 };
#define HASH_SHOWN UINT64_C(0xFFFFFFFFFFFF) /* six bytes, as SQL Server shows keys */

static struct qr_str keep(struct qri_sysrows *rows, const char *text)
{
    return qr_arena_str(qri_sysrows_arena(rows), qr_str(text));
}

static bool is_rid(const struct qr_lock_resource *r)
{
    return r->kind == QR_LOCK_ROW && r->is_rowid;
}

/* sys.partitions.hobt_id; a clustered row is in index 1. */
static int64_t hobt_id(const struct qr_lock_resource *r)
{
    uint32_t index = r->kind == QR_LOCK_ROW ? !r->is_rowid : r->index;
    return (int64_t)r->object << 16 | index;
}

static bool is_key(const struct qr_lock_resource *r)
{
    return r->kind == QR_LOCK_ROW || r->kind == QR_LOCK_KEY || r->kind == QR_LOCK_RANGE;
}

static int64_t entity_id(const struct qr_lock_resource *r)
{
    return is_key(r) ? hobt_id(r) : r->kind == QR_LOCK_TABLE ? (int64_t)r->object : 0;
}

static const char *type_name(const struct qr_lock_resource *r)
{
    static const char *const names[QR_LOCK_KINDS] = {
        [QR_LOCK_DATABASE] = "DATABASE", [QR_LOCK_TABLE] = "OBJECT", [QR_LOCK_ROW] = "KEY",
        [QR_LOCK_KEY] = "KEY",           [QR_LOCK_RANGE] = "KEY",    [QR_LOCK_APP] = "APPLICATION"};
    return is_rid(r) ? "RID" : names[r->kind];
}

/* resource_description. */
static void describe(const struct qri_lock_wait *w, char dst[TEXT_BYTES_MAX])
{
    const struct qr_lock_resource *r = &w->info.resource;
    dst[0] = '\0';
    if (is_rid(r)) /* file, page and slot: the row's number stands for the last two */
        (void)snprintf(dst, TEXT_BYTES_MAX, "1:%llu:0", (unsigned long long)r->hash);
    else if (is_key(r))
        (void)snprintf(dst, TEXT_BYTES_MAX, "(%012llx)",
                       (unsigned long long)(r->hash & HASH_SHOWN));
    else if (r->kind == QR_LOCK_APP)
        (void)snprintf(dst, TEXT_BYTES_MAX, "%s", w->name == NULL ? "" : w->name);
}

struct qr_str qri_lock_wait_type(struct qri_sysrows *rows, const struct qri_lock_wait *wait)
{
    (void)rows;
    return qr_str(qr_wait_info(qri_lock_wait_kind((enum qr_lock_kind)wait->info.resource.kind,
                                                  wait->info.mode))
                      ->name);
}

int64_t qri_lock_wait_ms(const struct qri_lock_wait *wait)
{
    int64_t ms = (wait->now_mono_ns - wait->info.since_mono_ns) / 1000000;
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : ms;
}

struct qr_str qri_lock_wait_resource(struct qri_sysrows *rows, const struct qri_lock_wait *wait)
{
    const struct qr_lock_resource *r = &wait->info.resource;
    char what[TEXT_BYTES_MAX], text[TEXT_BYTES_MAX + 64];
    describe(wait, what);
    if (r->kind == QR_LOCK_TABLE)
        (void)snprintf(text, sizeof text, "OBJECT: %u:%u:0 ", wait->database_id, r->object);
    else if (r->kind == QR_LOCK_DATABASE)
        (void)snprintf(text, sizeof text, "DATABASE: %u:0 ", wait->database_id);
    else if (is_rid(r) || r->kind == QR_LOCK_APP)
        (void)snprintf(text, sizeof text, "%s: %u:%s", type_name(r), wait->database_id, what);
    else
        (void)snprintf(text, sizeof text, "KEY: %u:%lld %s", wait->database_id,
                       (long long)hobt_id(r), what);
    return keep(rows, text);
}

/* The same in sys.dm_tran_locks.lock_owner_address and sys.dm_os_waiting_tasks.resource_address,
 * which are joined. */
static struct qr_str address(struct qri_sysrows *rows, const struct qr_lock_info *info)
{
    const uint64_t parts[] = {info->resource.kind, info->resource.object, info->resource.index,
                              info->resource.hash, info->session_id,      info->scope,
                              info->is_waiting};
    uint64_t hash = qr_hash_bytes(parts, sizeof parts, 1);
    return qr_arena_str(qri_sysrows_arena(rows), qr_str_n((const char *)&hash, sizeof hash));
}

/* ---- views ---- */

static uint64_t tran_id(struct qr_session *asker, uint32_t session_id)
{
    uint64_t id = 0;
    for (struct qr_session *s = asker->db->instance->sessions; s != NULL; s = s->next)
        if (s->id == session_id)
            id = (s == asker ? qri_session_look(s) : qri_session_shown(s)).tran_id;
    return id;
}

static enum qr_status lock_row(struct qri_sysrows *rows, const void *item)
{
    const struct qri_lock_wait *w = item;
    const struct qr_lock_info *info = &w->info;
    bool of_tran = info->scope == QR_LOCK_OF_TRAN;
    char what[TEXT_BYTES_MAX];
    describe(w, what);
    return qri_sysrow(rows, qr_str(type_name(&info->resource)), (int)w->database_id,
                      keep(rows, what), entity_id(&info->resource),
                      qr_str(qr_lock_mode_name_on(&info->resource, info->mode)),
                      qr_str(!info->is_waiting     ? "GRANT"
                             : info->is_converting ? "CONVERT"
                                                   : "WAIT"),
                      (int)(info->count > INT16_MAX ? INT16_MAX : info->count),
                      (int)info->session_id, qr_str(of_tran ? "TRANSACTION" : "SESSION"),
                      of_tran ? (int64_t)w->owner_id : INT64_C(0), address(rows, info));
}

static int64_t session_of(const void *item)
{
    return ((const struct qri_lock_wait *)item)->info.session_id;
}

enum { LOCKS_SESSION_COLUMN = 11 }; /* sys.dm_tran_locks.request_session_id */

static enum qr_status tran_locks(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    struct qri_lock_waits list = {0};
    enum qr_status status = gather(&list, session->db, false);
    uint32_t last = 0;
    uint64_t owner_id = 0;
    qri_lock_waits_sort(&list);
    for (size_t i = 0; status == QR_OK && i < list.count; i++) {
        if (list.items[i].info.session_id != last) {
            last = list.items[i].info.session_id;
            pthread_mutex_lock(&instance->mu);
            owner_id = tran_id(session, last);
            pthread_mutex_unlock(&instance->mu);
        }
        list.items[i].owner_id = owner_id;
    }
    if (status != QR_OK) {
        qri_lock_waits_done(&list);
        return status;
    }
    struct qri_sysitems items = {.items = list.items,
                                 .count = list.count,
                                 .item_bytes = sizeof list.items[0],
                                 .make = lock_row,
                                 .done = free_items,
                                 .key_column = LOCKS_SESSION_COLUMN,
                                 .key = session_of};
    qri_sysrows_of(rows, &items);
    return QR_OK;
}

static void describe_task(const struct qri_lock_wait *w, char *dst, size_t bytes)
{
    const struct qr_lock_resource *r = &w->info.resource;
    const char *mode = qr_lock_mode_name_on(r, w->info.mode);
    unsigned long long hash = r->hash & HASH_SHOWN;
    if (r->kind == QR_LOCK_TABLE)
        (void)snprintf(dst, bytes,
                       "objectlock lockPartition=0 objid=%u subresource=FULL dbid=%u mode=%s "
                       "associatedObjectId=%u",
                       r->object, w->database_id, mode, r->object);
    else if (r->kind == QR_LOCK_DATABASE)
        (void)snprintf(dst, bytes, "databaselock subresource=FULL dbid=%u mode=%s", w->database_id,
                       mode);
    else if (r->kind == QR_LOCK_APP)
        (void)snprintf(dst, bytes, "applicationlock hash=%s dbid=%u mode=%s",
                       w->name == NULL ? "" : w->name, w->database_id, mode);
    else
        (void)snprintf(dst, bytes,
                       "%s %s=%lld dbid=%u id=lock%012llx mode=%s associatedObjectId=%lld",
                       is_rid(r) ? "ridlock" : "keylock", is_rid(r) ? "rowid" : "hobtid",
                       is_rid(r) ? (long long)r->hash : (long long)hobt_id(r), w->database_id, hash,
                       mode, (long long)hobt_id(r));
}

struct qr_str qri_task_address(struct qri_sysrows *rows, uint16_t session_id)
{
    uint64_t hash = qr_hash_bytes(&session_id, sizeof session_id, 2);
    return qr_arena_str(qri_sysrows_arena(rows), qr_str_n((const char *)&hash, sizeof hash));
}

/* What sessions wait for besides locks; with the instance's mu. `locks` are sorted. */
static enum qr_status other_waits(struct qri_sysrows *rows, struct qr_session *session,
                                  const struct qri_lock_waits *locks)
{
    int64_t now = qr_env_mono_ns(session->db->instance->options.env);
    for (struct qr_session *s = session->db->instance->sessions; s != NULL; s = s->next) {
        const struct qr_gov_task *task = s->login.task;
        if (task == NULL || !qri_sys_shows_session(s, session) ||
            qri_lock_waits_find(locks, s->id) != NULL || !qri_session_shown(s).is_running)
            continue;
        uint32_t type = atomic_load_explicit(&task->wait_type, memory_order_relaxed);
        int64_t ns = now - atomic_load_explicit(&task->wait_since_mono_ns, memory_order_relaxed);
        if (type == QR_WAIT_NONE || type >= QR_WAIT_COUNT)
            continue;
        QR_TRY(qri_sysrow(rows, qri_task_address(rows, s->id), (int)s->id,
                          ns < 0 ? 0 : ns / 1000000, qr_str(qr_wait_info((enum qr_wait)type)->name),
                          (struct qr_str){NULL, 0}, QRI_SYS_NULL, (struct qr_str){NULL, 0}));
    }
    return QR_OK;
}

static enum qr_status waiting_tasks(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qri_lock_waits list = {0};
    enum qr_status status = gather(&list, session->db, true);
    for (size_t i = 0; status == QR_OK && i < list.count; i++) {
        const struct qri_lock_wait *w = &list.items[i];
        int blocker = (int)w->info.blocking_session_id;
        char text[TEXT_BYTES_MAX + 128];
        describe_task(w, text, sizeof text);
        status = qri_sysrow(rows, qri_task_address(rows, (uint16_t)w->info.session_id),
                            (int)w->info.session_id, qri_lock_wait_ms(w),
                            qri_lock_wait_type(rows, w), address(rows, &w->info),
                            qri_sys_null_if(blocker == 0, blocker), keep(rows, text));
    }
    qri_lock_waits_sort(&list);
    pthread_mutex_lock(&session->db->instance->mu);
    if (status == QR_OK)
        status = other_waits(rows, session, &list);
    pthread_mutex_unlock(&session->db->instance->mu);
    qri_lock_waits_done(&list);
    return status;
}

const struct qri_sysview qri_sysviews_lock[] = {
    {"sys", "dm_tran_locks",
     "resource_type nvarchar(60), resource_subtype nvarchar(60) ='', resource_database_id int, "
     "resource_description nvarchar(256), resource_associated_entity_id bigint null, "
     "resource_lock_partition int =0, request_mode nvarchar(60), request_type nvarchar(60) "
     "='LOCK', request_status nvarchar(60), request_reference_count smallint, "
     "request_lifetime int =0, request_session_id int, request_exec_context_id int =0, "
     "request_request_id int =0, request_owner_type nvarchar(60), request_owner_id bigint null, "
     "request_owner_guid uniqueidentifier null =null, request_owner_lockspace_id nvarchar(32) "
     "='', lock_owner_address varbinary(8)",
     tran_locks, NULL, false},
    {"sys", "dm_os_waiting_tasks",
     "waiting_task_address varbinary(8), session_id smallint null, exec_context_id int null =0, "
     "wait_duration_ms bigint null, wait_type nvarchar(60) null, resource_address varbinary(8) "
     "null, blocking_task_address varbinary(8) null =null, blocking_session_id smallint null, "
     "blocking_exec_context_id int null =null, resource_description nvarchar(3072) null",
     waiting_tasks, NULL, false},
    {"sys", "fn_xe_telemetry_blob_target_read_file",
     "module_guid uniqueidentifier null, package_guid uniqueidentifier null, object_name "
     "nvarchar(256) null, event_data nvarchar(max) null, file_name nvarchar(260) null, file_offset "
     "bigint null, timestamp_utc datetime2(7) null",
     NULL, NULL, false},
    {0},
};
