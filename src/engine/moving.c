/* moving.c - see engine/moving.h: the parts of a session that are small */
#include "engine/moving.h"
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "applock_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "hostfn.h"
#include "lock_int.h"
#include "moving_int.h"
#include "prepared_int.h"
#include "base/banned.h"

/* ---- facts: numbers of the session ---- */

enum fact_kind {
    FACT_BOOL,
    FACT_U8,
    FACT_I8,
    FACT_U16,
    FACT_I32,
    FACT_U32,
    FACT_I64,
    FACT_COUNTER
};

#define SESSION(field) offsetof(struct qr_session, field)
static const struct fact {
    size_t at; /* in struct qr_session */
    enum fact_kind kind;
    int64_t min, max;
} facts[] = {
    /* clang-format off */
    {SESSION(id),                              FACT_U16,  0, UINT16_MAX}, /* if it is free there */
    {SESSION(options.quoted_identifier),       FACT_BOOL, 0, 1},
    {SESSION(options.ansi_nulls),              FACT_BOOL, 0, 1},
    {SESSION(options.ansi_padding),            FACT_BOOL, 0, 1},
    {SESSION(options.ansi_warnings),           FACT_BOOL, 0, 1},
    {SESSION(options.arithabort),              FACT_BOOL, 0, 1},
    {SESSION(options.arithignore),             FACT_BOOL, 0, 1},
    {SESSION(options.concat_null_yields_null), FACT_BOOL, 0, 1},
    {SESSION(options.numeric_roundabort),      FACT_BOOL, 0, 1},
    {SESSION(options.ansi_null_dflt_on),       FACT_BOOL, 0, 1},
    {SESSION(options.ansi_null_dflt_off),      FACT_BOOL, 0, 1},
    {SESSION(options.nocount),                 FACT_BOOL, 0, 1},
    {SESSION(options.xact_abort),              FACT_BOOL, 0, 1},
    {SESSION(options.implicit_transactions),   FACT_BOOL, 0, 1},
    {SESSION(options.cursor_close_on_commit),  FACT_BOOL, 0, 1},
    {SESSION(options.noexec),                  FACT_BOOL, 0, 1},
    {SESSION(options.parseonly),               FACT_BOOL, 0, 1},
    {SESSION(options.fmtonly),                 FACT_BOOL, 0, 1},
    {SESSION(options.datefirst),               FACT_U8,   1, 7},
    {SESSION(options.dateformat),              FACT_U8,   0, 5},
    {SESSION(options.has_datefirst),           FACT_BOOL, 0, 1},
    {SESSION(options.has_dateformat),          FACT_BOOL, 0, 1},
    {SESSION(options.isolation),               FACT_U8,   1, 5},
    {SESSION(options.language_id),             FACT_I32,  0, INT32_MAX},
    {SESSION(options.lock_timeout_ms),         FACT_I32,  -1, INT32_MAX},
    {SESSION(options.deadlock_priority),       FACT_I8,   -10, 10},
    {SESSION(options.textsize),                FACT_I32,  -1, INT32_MAX},
    {SESSION(options.rowcount),                FACT_I64,  0, INT64_MAX},
    {SESSION(options.identity_insert),         FACT_U32,  0, UINT32_MAX},
    {SESSION(temp_leak),                       FACT_BOOL, 0, 1},
    {SESSION(rowcount),                        FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(error),                           FACT_I32,  INT32_MIN, INT32_MAX},
    {SESSION(fetch_status),                    FACT_I32,  -9, 0},
    {SESSION(cursor_rows),                     FACT_I32,  INT32_MIN, INT32_MAX},
    {SESSION(rand_state.s1),                   FACT_I32,  INT32_MIN, INT32_MAX},
    {SESSION(rand_state.s2),                   FACT_I32,  INT32_MIN, INT32_MAX},
    {SESSION(guid_serial),                     FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(last_handle),                     FACT_I32,  0, INT32_MAX},
    {SESSION(request_count),                   FACT_I64,  0, INT64_MAX},
    {SESSION(login_ticks),                     FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(request_ticks),                   FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(ended_ticks),                     FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(scheduled_ticks),                 FACT_I64,  INT64_MIN, INT64_MAX},
    {SESSION(packets_read),                    FACT_COUNTER, 0, INT64_MAX},
    {SESSION(packets_written),                 FACT_COUNTER, 0, INT64_MAX},
    /* clang-format on */
};
enum { FACTS = sizeof facts / sizeof facts[0] };
_Static_assert((int)FACTS <= (int)QRI_MOVED_FACTS_MAX, "there is room for what is read");

size_t qri_moved_fact_count(void)
{
    return FACTS;
}

bool qri_moved_fact_is_good(size_t index, int64_t value)
{
    return value >= facts[index].min && value <= facts[index].max &&
           (facts[index].at != SESSION(options.language_id) ||
            qr_language_by_id((int)value) != NULL);
}

static int64_t get_fact(const struct qr_session *session, const struct fact *fact)
{
    const char *p = (const char *)session + fact->at;
    switch (fact->kind) {
    case FACT_BOOL:
        return *(const bool *)p;
    case FACT_U8:
        return *(const uint8_t *)p;
    case FACT_I8:
        return *(const int8_t *)p;
    case FACT_U16:
        return *(const uint16_t *)(const void *)p;
    case FACT_I32:
        return *(const int32_t *)(const void *)p;
    case FACT_U32:
        return *(const uint32_t *)(const void *)p;
    case FACT_COUNTER:
        return (int64_t)atomic_load_explicit((const _Atomic uint64_t *)(const void *)p,
                                             memory_order_relaxed);
    case FACT_I64:
        break;
    }
    return *(const int64_t *)(const void *)p;
}

static void set_fact(struct qr_session *session, const struct fact *fact, int64_t value)
{
    char *p = (char *)session + fact->at;
    switch (fact->kind) {
    case FACT_BOOL:
        *(bool *)p = value != 0;
        break;
    case FACT_U8:
        *(uint8_t *)p = (uint8_t)value;
        break;
    case FACT_I8:
        *(int8_t *)p = (int8_t)value;
        break;
    case FACT_U16:
        *(uint16_t *)(void *)p = (uint16_t)value;
        break;
    case FACT_I32:
        *(int32_t *)(void *)p = (int32_t)value;
        break;
    case FACT_U32:
        *(uint32_t *)(void *)p = (uint32_t)value;
        break;
    case FACT_I64:
        *(int64_t *)(void *)p = value;
        break;
    case FACT_COUNTER: /* views of others may read it already */
        atomic_store_explicit((_Atomic uint64_t *)(void *)p, (uint64_t)value, memory_order_relaxed);
        break;
    }
}

static void put_facts(const struct qr_session *session, struct qr_buf *dst)
{
    qr_buf_add16le(dst, FACTS);
    for (size_t i = 0; i < FACTS; i++)
        qr_buf_add64le(dst, (uint64_t)get_fact(session, &facts[i]));
    qr_buf_add(dst, session->connection_id, sizeof session->connection_id);
    qri_moving_put_text(dst,
                        qr_str_n((const char *)session->context_info, session->context_info_bytes));
    qri_moving_put_cell(dst, &session->last_identity);
    qri_moving_put_cell(dst, &session->batch_identity);
}

static void set_facts(struct qr_session *session, const struct qri_moved *moved)
{
    for (size_t i = 0; i < FACTS; i++) {
        if (facts[i].at == SESSION(id))
            qri_session_take_id(session, (uint16_t)moved->facts[i]);
        else
            set_fact(session, &facts[i], moved->facts[i]);
    }
    session->options.language = qr_language_by_id(session->options.language_id)->name;
    memcpy(session->connection_id, moved->connection_id, sizeof session->connection_id);
    session->context_info_bytes = moved->context_info.n;
    if (moved->context_info.n > 0)
        memcpy(session->context_info, moved->context_info.p, moved->context_info.n);
    session->last_identity = moved->last_identity;
    session->batch_identity = moved->batch_identity;
}

/* ---- session context ---- */

static void put_context(const struct qr_session *session, struct qr_buf *dst)
{
    size_t index = 0;
    uint32_t count = 0;
    const struct qr_map_entry *entry = NULL;
    while (qr_map_next(&session->context, &index, &entry))
        count++;
    qr_buf_add32le(dst, count);
    index = 0;
    while (qr_map_next(&session->context, &index, &entry)) {
        const struct qri_context_value *value = entry->value;
        qri_moving_put_text(dst, qr_str_n(entry->key, entry->key_bytes));
        qr_buf_add8(dst, value->is_read_only);
        qri_moving_put_text(dst, qr_str_n(value->bytes, value->n));
    }
}

static enum qr_status set_context(struct qr_session *session, const struct qri_moved *moved,
                                  struct qr_err *err)
{
    for (size_t i = 0; i < moved->context_count; i++) {
        const struct qri_moved_context *from = &moved->context[i];
        struct qri_context_value *value = malloc(sizeof *value + from->value.n);
        if (qr_map_get(&session->context, from->key) != NULL || value == NULL ||
            qr_map_put(&session->context, from->key, value) != QR_OK) {
            free(value);
            return qr_fail(err, QR_NOMEM, "take a session's context");
        }
        value->is_read_only = from->is_read_only;
        value->n = from->value.n;
        if (value->n > 0)
            memcpy(value->bytes, from->value.p, value->n);
    }
    return QR_OK;
}

/* ---- prepared statements: compiled again when they run ---- */

static void put_prepared(const struct qr_session *session, struct qr_buf *dst)
{
    qr_buf_add32le(dst, (uint32_t)session->prepared_count);
    for (size_t i = 0; i < session->prepared_count; i++) {
        const struct qri_prepared *prepared = &session->prepared[i];
        qr_buf_add32le(dst, (uint32_t)prepared->handle);
        qri_moving_put_text(dst, prepared->text);
        qri_moving_put_text(dst, prepared->params);
    }
}

static enum qr_status set_prepared(struct qr_session *session, const struct qri_moved *moved,
                                   struct qr_err *err)
{
    if (moved->prepared_count == 0)
        return QR_OK;
    session->prepared = calloc(moved->prepared_count, sizeof *session->prepared);
    if (session->prepared == NULL)
        return qr_fail(err, QR_NOMEM, "take a session's statements");
    session->prepared_capacity = moved->prepared_count;
    for (size_t i = 0; i < moved->prepared_count; i++) {
        struct qri_prepared *prepared = &session->prepared[session->prepared_count++];
        prepared->handle = moved->prepared[i].handle;
        qr_arena_init(&prepared->arena, QRI_UNIT_ARENA_BYTES_MAX);
        prepared->text = qr_arena_str(&prepared->arena, moved->prepared[i].text);
        prepared->params = qr_arena_str(&prepared->arena, moved->prepared[i].params);
        if (prepared->text.p == NULL || prepared->params.p == NULL)
            return qr_fail(err, QR_NOMEM, "take a session's statements");
    }
    return QR_OK;
}

/* ---- users ---- */

static void put_user(const struct qri_context *context, struct qr_buf *dst)
{
    qr_buf_add32le(dst, context->user_id);
    qr_buf_add64le(dst, (uint64_t)context->user_ticks);
    qr_buf_add8(dst, context->no_revert);
    qr_buf_add(dst, context->cookie, sizeof context->cookie);
}

/* The login's first. */
static void put_users(const struct qri_context *innermost, struct qr_buf *dst)
{
    const struct qri_context *contexts[QRI_CONTEXTS_MAX];
    for (const struct qri_context *c = innermost; c != NULL; c = c->outer)
        contexts[c->depth] = c;
    qr_buf_add32le(dst, innermost->depth + 1);
    for (size_t i = 0; i <= innermost->depth; i++)
        put_user(contexts[i], dst);
}

/* ---- application locks ---- */

struct locks_of {
    uint16_t session_id;
    uint32_t count;
    struct qr_buf *dst;
};

static void put_lock(void *ctx, const struct qr_lock_info *info)
{
    struct locks_of *of = ctx;
    if (info->session_id != of->session_id || info->scope != QR_LOCK_OF_SESSION ||
        info->is_waiting || info->resource.kind != QR_LOCK_APP)
        return;
    of->count++;
    qr_buf_add64le(of->dst, info->resource.hash);
    qr_buf_add8(of->dst, (uint8_t)info->mode);
    qr_buf_add32le(of->dst, info->count);
    qri_moving_put_text(of->dst, qr_str(info->name == NULL ? "" : info->name));
}

static void put_locks(const struct qr_session *session, struct qr_buf *dst)
{
    size_t at = dst->len;
    struct locks_of of = {.session_id = session->id, .dst = dst};
    qr_buf_add32le(dst, 0);
    if (session->lock_owner != NULL && qr_lock_count(session->lock_owner, QR_LOCK_OF_SESSION) > 0)
        qr_locks_list(session->db->locks, put_lock, &of);
    if (dst->failed == QR_OK)
        qr_put32le(dst->data + at, of.count);
}

/* Nobody else can have them where the session comes from; who is faster here has them. */
static enum qr_status set_locks(struct qr_session *session, const struct qri_moved *moved,
                                struct qr_err *err)
{
    for (size_t i = 0; i < moved->lock_count; i++) {
        const struct qri_moved_lock *lock = &moved->locks[i];
        struct qr_lock_resource resource = {.kind = QR_LOCK_APP, .hash = lock->hash};
        char shown[QR_LOCK_NAME_BYTES_MAX + 1] = "";
        if (lock->shown.n > 0)
            memcpy(shown, lock->shown.p, lock->shown.n);
        for (uint32_t n = 0; n < lock->count; n++)
            QR_TRY(qri_lock_wait(session, QR_LOCK_OF_SESSION, &resource,
                                 (enum qr_lock_mode)lock->mode, shown, 0, err));
    }
    return QR_OK;
}

/* ---- the whole ---- */

bool qr_session_may_move(const struct qr_session *session)
{
    return session->tran.count == 0 && !session->tran.sqlite_open && session->bulk == NULL &&
           session->bulk_stmt == NULL;
}

void qr_session_make_movable(struct qr_session *session, uint64_t *ret_descriptor)
{
    *ret_descriptor = session->tran.count > 0 ? session->tran.descriptor : 0;
    qri_tran_abort(session);
    qri_bulk_clear(session);
    qri_link_put(session);
    qri_session_show(session);
}

enum qr_status qr_session_save(struct qr_session *session, struct qr_buf *dst, struct qr_err *err)
{
    assert(session->frame == NULL && session->sink == NULL && qr_session_may_move(session));
    size_t from = dst->len;
    qr_buf_add32le(dst, QRI_MOVED_MAGIC);
    qr_buf_add16le(dst, QRI_MOVED_VERSION);
    qr_buf_add16le(dst, 0);
    qr_buf_add64le(dst, 0);
    put_facts(session, dst);
    put_context(session, dst);
    put_prepared(session, dst);
    put_users(session->context_now, dst);
    put_locks(session, dst);
    QR_TRY(qri_moving_put_cursors(session, dst, err));
    QR_TRY(qri_moving_put_temp(session, dst, err));
    QR_TRY(qr_buf_status(dst, err));
    uint8_t *head = dst->data + from;
    size_t bytes = dst->len - from - QRI_MOVED_HEAD_BYTES;
    if (bytes > QR_MOVING_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "a session of %zu bytes", bytes);
    qr_put32le(head + 8, (uint32_t)bytes);
    qr_put32le(head + 12, qr_crc32c(0, head + QRI_MOVED_HEAD_BYTES, bytes));
    return QR_OK;
}

static enum qr_status restore(struct qr_session *session, const struct qri_moved *moved,
                              struct qr_err *err)
{
    set_facts(session, moved);
    QR_TRY(qri_access_restore(session, moved->users, moved->user_count, err));
    QR_TRY(set_context(session, moved, err));
    QR_TRY(set_prepared(session, moved, err));
    QR_TRY(set_locks(session, moved, err));
    QR_TRY(qri_moving_make_cursors(session, moved, err));
    return qri_moving_make_temp(session, moved, err);
}

enum qr_status qr_session_restore(struct qr_session *session, struct qr_str state,
                                  struct qr_err *err)
{
    struct qr_arena arena;
    struct qri_moved moved;
    assert(session->frame == NULL && session->request_count == 0);
    qr_arena_init(&arena, QRI_MOVED_ARENA_BYTES_MAX);
    enum qr_status status = qri_moved_read(&arena, state, &moved, err);
    if (status == QR_OK)
        status = restore(session, &moved, err);
    qr_arena_done(&arena);
    qri_session_show(session);
    return status;
}
