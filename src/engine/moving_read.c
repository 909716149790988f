/* moving_read.c - see moving_int.h: the bytes of a session that has moved, taken apart */
#include <string.h>
#include "access_int.h"
#include "base/crc.h"
#include "base/endian.h"
#include "codec/collation.h"
#include "lock/lock.h"
#include "moving_int.h"
#include "base/banned.h"

struct reader {
    const uint8_t *next, *end;
    struct qr_arena *arena;
    bool failed, no_memory;
};

static const uint8_t *take(struct reader *r, size_t bytes)
{
    if (r->failed || (size_t)(r->end - r->next) < bytes) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->next;
    r->next += bytes;
    return p;
}

static uint8_t take8(struct reader *r)
{
    const uint8_t *p = take(r, 1);
    return p == NULL ? 0 : *p;
}

static bool take_flag(struct reader *r)
{
    uint8_t flag = take8(r);
    r->failed |= flag > 1;
    return flag == 1;
}

static uint32_t take32(struct reader *r)
{
    const uint8_t *p = take(r, 4);
    return p == NULL ? 0 : qr_get32le(p);
}

static uint64_t take64(struct reader *r)
{
    const uint8_t *p = take(r, 8);
    return p == NULL ? 0 : qr_get64le(p);
}

static struct qr_str take_text(struct reader *r)
{
    uint32_t bytes = take32(r);
    const uint8_t *p = take(r, bytes);
    return p == NULL ? qr_str("") : qr_str_n((const char *)p, bytes);
}

static struct qr_value take_cell(struct reader *r)
{
    uint8_t cell = take8(r);
    const uint8_t *p = NULL;
    struct qr_value value = qr_value_null();
    switch (cell) {
    case QR_CELL_NULL:
        break;
    case QR_CELL_INT:
        value = qr_value_int((int64_t)take64(r));
        break;
    case QR_CELL_REAL:
        value.cell = QR_CELL_REAL;
        p = take(r, sizeof value.r);
        if (p != NULL)
            memcpy(&value.r, p, sizeof value.r);
        break;
    case QR_CELL_WIDE:
        value.cell = QR_CELL_WIDE;
        p = take(r, sizeof value.w);
        if (p != NULL)
            memcpy(&value.w, p, sizeof value.w);
        break;
    case QR_CELL_TEXT:
        value = qr_value_str(take_text(r));
        break;
    case QR_CELL_BLOB: {
        struct qr_str bytes = take_text(r);
        value = qr_value_blob(bytes.p, bytes.n);
        break;
    }
    default:
        r->failed = true;
        break;
    }
    return value;
}

/* Room for as many items as are told, of which each takes some bytes here. */
static void *take_items(struct reader *r, size_t *ret_count, size_t item_bytes, size_t bytes_min)
{
    uint32_t count = take32(r);
    *ret_count = 0;
    if (r->failed || count > (size_t)(r->end - r->next) / bytes_min) {
        r->failed = true;
        return NULL;
    }
    void *items = qr_arena_array(r->arena, count + 1, item_bytes);
    if (items == NULL) {
        r->failed = r->no_memory = true;
        return NULL;
    }
    *ret_count = count;
    return items;
}

static struct qri_moved_rows take_rows(struct reader *r, size_t column_count, bool has_rowid)
{
    const uint8_t *from = r->next;
    size_t cells = column_count + has_rowid;
    for (uint8_t more = take8(r); more != 0 && !r->failed; more = take8(r)) {
        r->failed |= more != 1;
        for (size_t i = 0; i < cells && !r->failed; i++) {
            enum qr_cell cell = take_cell(r).cell;
            r->failed |= has_rowid && i == 0 && cell != QR_CELL_INT;
        }
    }
    return (struct qri_moved_rows){qr_str_n((const char *)from, (size_t)(r->next - from)),
                                   column_count};
}

bool qri_moved_row(struct qr_str *rows, struct qr_value *values, size_t count)
{
    struct reader r = {.next = (const uint8_t *)rows->p, .end = (const uint8_t *)rows->p + rows->n};
    if (take8(&r) != 1)
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] = take_cell(&r);
    *rows = qr_str_n((const char *)r.next, (size_t)(r.end - r.next));
    return !r.failed;
}

static struct qr_type take_type(struct reader *r)
{
    struct qr_type type = {0};
    uint8_t id = take8(r);
    type.id = qr_type_by_system_id(id);
    type.precision = take8(r);
    type.scale = take8(r);
    type.is_max = take_flag(r);
    const uint8_t *p = take(r, 4);
    type.length = p == NULL ? 0 : qr_get16le(p);
    type.collation = p == NULL ? 0 : qr_get16le(p + 2);
    r->failed |= (type.id == QR_TYPE_NULL && id != 0) || type.collation >= QR_COLLATION_COUNT;
    return type;
}

/* ---- parts ---- */

static void take_facts(struct reader *r, struct qri_moved *moved)
{
    const uint8_t *count = take(r, 2);
    size_t had = count == NULL ? 0 : qr_get16le(count);
    if (had != qri_moved_fact_count()) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < had; i++) {
        moved->facts[i] = (int64_t)take64(r);
        r->failed |= !qri_moved_fact_is_good(i, moved->facts[i]);
    }
    moved->connection_id = take(r, 16);
    moved->context_info = take_text(r);
    moved->last_identity = take_cell(r);
    moved->batch_identity = take_cell(r);
    r->failed |= moved->context_info.n > sizeof((struct qr_session *)0)->context_info;
    r->failed |=
        moved->last_identity.cell > QR_CELL_INT || moved->batch_identity.cell > QR_CELL_INT;
}

static void take_names(struct reader *r, struct qri_moved *moved)
{
    moved->context = take_items(r, &moved->context_count, sizeof *moved->context, 9);
    for (size_t i = 0; i < moved->context_count; i++) {
        moved->context[i].key = take_text(r);
        moved->context[i].is_read_only = take_flag(r);
        moved->context[i].value = take_text(r);
    }
    moved->prepared = take_items(r, &moved->prepared_count, sizeof *moved->prepared, 12);
    r->failed |= moved->prepared_count > QRI_PREPARED_MAX;
    for (size_t i = 0; i < moved->prepared_count && !r->failed; i++) {
        struct qri_moved_prepared *p = &moved->prepared[i];
        p->handle = (int32_t)take32(r);
        p->text = take_text(r);
        p->params = take_text(r);
        r->failed |= p->handle <= (i == 0 ? 0 : p[-1].handle); /* they grow */
    }
    moved->users = take_items(r, &moved->user_count, sizeof *moved->users, 29);
    r->failed |= moved->user_count == 0 || moved->user_count > QRI_CONTEXTS_MAX;
    for (size_t i = 0; i < moved->user_count && !r->failed; i++) {
        struct qri_moved_user *user = &moved->users[i];
        user->user_id = take32(r);
        user->user_ticks = (int64_t)take64(r);
        user->no_revert = take_flag(r);
        user->cookie = take(r, QRI_COOKIE_BYTES);
        r->failed |= i == 0 && user->no_revert;
    }
    moved->locks = take_items(r, &moved->lock_count, sizeof *moved->locks, 17);
    for (size_t i = 0; i < moved->lock_count && !r->failed; i++) {
        struct qri_moved_lock *lock = &moved->locks[i];
        lock->hash = take64(r);
        lock->mode = take8(r);
        lock->count = take32(r);
        lock->shown = take_text(r);
        r->failed |= lock->mode == QR_LOCK_NONE || lock->mode >= QR_LOCK_MODES ||
                     lock->count == 0 || lock->shown.n > QR_LOCK_NAME_BYTES_MAX;
    }
}

static void take_cursor(struct reader *r, struct qri_moved_cursor *cursor)
{
    size_t count = 0;
    cursor->name = take_text(r);
    cursor->select = take_text(r);
    uint8_t flags = take8(r);
    cursor->is_scroll = (flags & 1) != 0;
    cursor->is_read_only = (flags & 2) != 0;
    cursor->is_open = (flags & 4) != 0;
    cursor->position = (int64_t)take64(r);
    cursor->columns = take_items(r, &count, sizeof *cursor->columns, 24);
    r->failed |= flags > 7 || cursor->position < -1 || count > QR_ROWSET_COLUMNS_MAX ||
                 cursor->name.n == 0 || (cursor->is_open && count == 0);
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct qr_plan_column *column = &cursor->columns[i];
        *column = (struct qr_plan_column){0};
        column->name = take_text(r);
        column->type = take_type(r);
        column->user_type_id = take32(r);
        column->flags = take32(r);
        column->source_column_id = take32(r);
    }
    cursor->rows = take_rows(r, count, false);
}

static void take_temp(struct reader *r, struct qri_moved *moved)
{
    moved->has_temp = take_flag(r);
    if (!moved->has_temp)
        return;
    moved->next_object_id = take32(r);
    r->failed |= moved->next_object_id < QRI_TEMP_OBJECT_FIRST;
    moved->objects = take_items(r, &moved->object_count, sizeof *moved->objects, 8);
    for (size_t i = 0; i < moved->object_count; i++)
        moved->objects[i].id = take32(r), moved->objects[i].body = take_text(r);
    moved->counters = take_items(r, &moved->counter_count, sizeof *moved->counters, 16);
    for (size_t i = 0; i < moved->counter_count; i++)
        moved->counters[i].id = take64(r), moved->counters[i].next = (int64_t)take64(r);
    moved->sql = take_items(r, &moved->sql_count, sizeof *moved->sql, 4);
    for (size_t i = 0; i < moved->sql_count; i++)
        moved->sql[i] = take_text(r);
    moved->tables = take_items(r, &moved->table_count, sizeof *moved->tables, 10);
    for (size_t i = 0; i < moved->table_count && !r->failed; i++) {
        struct qri_moved_table *table = &moved->tables[i];
        table->id = take32(r);
        table->has_rowid = take_flag(r);
        uint32_t columns = take32(r);
        r->failed |= columns == 0 || columns > QR_ROWSET_COLUMNS_MAX;
        if (!r->failed)
            table->rows = take_rows(r, columns, table->has_rowid);
    }
}

enum qr_status qri_moved_read(struct qr_arena *arena, struct qr_str bytes,
                              struct qri_moved *ret_moved, struct qr_err *err)
{
    const uint8_t *head = (const uint8_t *)bytes.p;
    *ret_moved = (struct qri_moved){0};
    if (bytes.n < QRI_MOVED_HEAD_BYTES || qr_get32le(head) != QRI_MOVED_MAGIC)
        return qr_fail(err, QR_CORRUPT, "these are no bytes of a session");
    if (qr_get16le(head + 4) != QRI_MOVED_VERSION)
        return qr_fail(err, QR_UNSUPPORTED, "a session in form %u", qr_get16le(head + 4));
    const uint8_t *body = head + QRI_MOVED_HEAD_BYTES;
    size_t body_bytes = bytes.n - QRI_MOVED_HEAD_BYTES;
    if (qr_get16le(head + 6) != 0 || qr_get32le(head + 8) != body_bytes ||
        qr_get32le(head + 12) != qr_crc32c(0, body, body_bytes))
        return qr_fail(err, QR_CORRUPT, "the bytes of a session are damaged");
    struct reader r = {.next = body, .end = body + body_bytes, .arena = arena};
    take_facts(&r, ret_moved);
    if (!r.failed)
        take_names(&r, ret_moved);
    ret_moved->cursors = take_items(&r, &ret_moved->cursor_count, sizeof *ret_moved->cursors, 26);
    for (size_t i = 0; i < ret_moved->cursor_count && !r.failed; i++)
        take_cursor(&r, &ret_moved->cursors[i]);
    if (!r.failed)
        take_temp(&r, ret_moved);
    if (r.no_memory)
        return qr_fail(err, QR_NOMEM, "read a session");
    return r.failed || r.next != r.end
               ? qr_fail(err, QR_CORRUPT, "the bytes of a session break their form")
               : QR_OK;
}
