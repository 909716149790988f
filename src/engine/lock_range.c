/* lock_range.c - intervals of an index's keys: their bytes, and who locks them; see lock_int.h.
 *
 * Bytes of a key, column by column: 0 for NULL, else 1 and the value so that memcmp compares as
 * T-SQL does; directions of the index do not matter. What has no fixed length ends with 0 0 and has
 * 0 1 for each 0 in it, so that no value is the beginning of another. Too long a key ends early:
 * lock/range.h takes it for all that begin so. */
#include <string.h>
#include "dml_int.h"
#include "lock/range.h"
#include "lock_int.h"
#include "lock_read.h"
#include "base/banned.h"

enum { SHORT_TEXT_BYTES = 250 };

struct key {
    uint8_t bytes[QR_LOCK_KEY_BYTES_MAX + 1]; /* one more tells that it was cut */
    size_t n;
};

/* ---- bytes ---- */

static void put(struct key *key, uint8_t byte)
{
    if (key->n < sizeof key->bytes)
        key->bytes[key->n++] = byte;
}

static void put_number(struct key *key, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        put(key, (uint8_t)(value >> shift));
}

static void put_int(struct key *key, int64_t value)
{
    put_number(key, (uint64_t)value ^ UINT64_C(1) << 63);
}

static void put_real(struct key *key, double value)
{
    uint64_t bits;
    value = value == 0 ? 0 : value; /* -0.0 equals 0.0 */
    memcpy(&bits, &value, sizeof bits);
    put_number(key, bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63);
}

static void put_bytes(struct key *key, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(key, bytes[i]);
        if (bytes[i] == 0)
            put(key, 1);
    }
    put(key, 0);
    put(key, 0);
}

static enum qr_status put_text(struct key *key, const struct qr_type *type, struct qr_str text,
                               struct qr_arena *arena, struct qr_err *err)
{
    uint8_t some[QR_ORDER_KEY_BYTES(SHORT_TEXT_BYTES)], *order = some;
    if (text.n > SHORT_TEXT_BYTES)
        order = qr_arena_alloc(arena, QR_ORDER_KEY_BYTES(text.n));
    if (order == NULL)
        return qr_fail(err, QR_NOMEM, "lock a key");
    size_t n = qr_order_key(qr_order_of(type), text, order);
    put_bytes(key, order, n);
    return QR_OK;
}

static enum qr_status put_value(struct key *key, const struct qr_type *type,
                                const struct qr_value *v, struct qr_arena *arena,
                                struct qr_err *err)
{
    uint8_t wide[16];
    size_t n = v->n;
    put(key, v->cell != QR_CELL_NULL);
    switch (v->cell) {
    case QR_CELL_NULL:
        break;
    case QR_CELL_INT:
        put_int(key, v->i);
        break;
    case QR_CELL_REAL:
        put_real(key, v->r);
        break;
    case QR_CELL_WIDE:
        if (type->id == QR_TYPE_DATETIMEOFFSET) {
            put_int(key, qr_dto_ticks(v->w));
            break;
        }
        qr_wide_store(v->w, wide);
        for (size_t i = 0; i < sizeof wide; i++)
            put(key, wide[i]);
        break;
    case QR_CELL_TEXT:
        return put_text(key, type, qr_value_bytes(v), arena, err);
    case QR_CELL_BLOB:
        while (n > 0 && v->p[n - 1] == 0) /* the shorter is taken as if it had them */
            n--;
        put_bytes(key, (const uint8_t *)v->p, n);
        break;
    }
    return QR_OK;
}

/* ---- a statement that is about to read an interval ---- */

static const struct qr_type *column_type(const struct qr_plan_prelock *lock, size_t k)
{
    return &qr_cat_column_by_id(lock->table, lock->index->columns[k].column_id)->type;
}

/* False: it is NULL, or cannot be computed. */
static bool add_value(struct qri_frame *frame, const struct qr_plan_prelock *lock, size_t k,
                      const struct qr_expr *expr, struct key *key)
{
    struct qr_eval eval;
    struct qr_err ignored;
    struct qr_value value;
    qr_err_reset(&ignored);
    qri_eval_init(&eval, frame->session, frame, &frame->arena);
    return qr_expr_eval(expr, &eval, &value, &ignored) == QR_OK && value.cell != QR_CELL_NULL &&
           put_value(key, column_type(lock, k), &value, &frame->arena, &ignored) == QR_OK;
}

/* lo and hi have the bytes of `range` and begin empty. */
static bool eval_range(struct qri_frame *frame, const struct qr_plan_prelock *lock, struct key *lo,
                       struct key *hi, struct qr_lock_range *ret_range)
{
    struct qr_lock_range range = {.object = lock->table->object_id, .index = lock->index->index_id};
    for (size_t k = 0; k < lock->key_count; k++)
        if (!add_value(frame, lock, k, lock->key[k], lo))
            return false;
    *hi = *lo;
    range.hi.after = lock->hi == NULL || !lock->hi_is_open;
    range.lo.after = lock->lo != NULL && lock->lo_is_open;
    if (lock->hi != NULL && !add_value(frame, lock, lock->key_count, lock->hi, hi))
        return false;
    if (lock->lo != NULL && !add_value(frame, lock, lock->key_count, lock->lo, lo))
        return false;
    if (lock->lo == NULL && lock->hi != NULL)
        put(lo, 1); /* NULL is not below anything */
    range.lo.key = lo->bytes;
    range.lo.n = lo->n;
    range.hi.key = hi->bytes;
    range.hi.n = hi->n;
    *ret_range = range;
    return true;
}

enum qr_status qri_prelock_range(struct qri_frame *frame, const struct qr_plan_prelock *lock,
                                 enum qr_lock_mode mode, bool *ret_known, struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct key lo = {.n = 0}, hi = {.n = 0};
    struct qr_lock_range range;
    *ret_known = eval_range(frame, lock, &lo, &hi, &range);
    if (!*ret_known)
        return QR_OK;
    QR_TRY(qri_lock_need_owner(session, err));
    for (bool again = true; again;) {
        struct qr_lock_resource in_way;
        enum qr_status status = qr_lock_range_try(session->lock_owner, &range, mode, &in_way, err);
        if (status == QR_BUSY && lock->no_wait)
            return qr_sql_fail(err, 1222);
        if (status == QR_BUSY)
            status = qri_lock_refused(session, &in_way, mode, err);
        QR_TRY(qri_lock_again(session, status, &again, err));
    }
    return QR_OK;
}

enum qr_status qri_lock_read_keys(struct qr_session *session, const struct qr_plan_lock *lock,
                                  enum qr_lock_mode mode, const struct qr_value *values,
                                  struct qr_arena *arena, struct qr_err *err)
{
    struct key key = {.n = 0};
    struct qr_lock_range range = {.object = lock->table->object_id, .index = lock->index->index_id};
    struct qr_lock_resource in_way;
    for (size_t k = 0; k < lock->key_count; k++)
        QR_TRY(put_value(&key, &lock->key_types[k], &values[k], arena, err));
    range.lo.key = range.hi.key = key.bytes;
    range.lo.n = range.hi.n = key.n;
    range.hi.after = true;
    enum qr_status status = qr_lock_range_try(session->lock_owner, &range, mode, &in_way, err);
    if (status == QR_BUSY && lock->no_wait)
        return qr_sql_fail(err, 1222);
    return status == QR_BUSY ? qri_lock_refused(session, &in_way, mode, err) : status;
}

/* ---- a row that is about to change ---- */

static enum qr_status key_of(struct qri_writer *writer, const struct qr_cat_index *index,
                             size_t count, const struct qr_value *row, struct key *key)
{
    const struct qr_cat_object *object = writer->table->object;
    key->n = 0;
    for (size_t k = 0; k < count; k++) {
        const struct qr_cat_column *column =
            qr_cat_column_by_id(object, index->columns[k].column_id);
        QR_TRY(put_value(key, &column->type, &row[column - object->columns], &writer->run->arena,
                         writer->run->err));
    }
    return QR_OK;
}

static enum qr_status lock_key(struct qri_writer *writer, const struct qr_cat_index *index,
                               const struct key *key)
{
    struct qr_session *session = writer->session;
    struct qr_lock_resource in_way;
    enum qr_status status =
        qr_lock_key_try(session->lock_owner, writer->table->object->object_id, index->index_id,
                        key->bytes, key->n, &in_way, writer->run->err);
    return status == QR_BUSY ? qri_lock_refused(session, &in_way, QR_LOCK_IX, writer->run->err)
                             : status;
}

enum qr_status qri_lock_keys(struct qri_writer *writer, const struct qr_value *old,
                             const struct qr_value *row)
{
    const struct qr_cat_object *object = writer->table->object;
    for (size_t i = 0; i < object->index_count; i++) {
        const struct qr_cat_index *index = &object->indexes[i];
        size_t count = qr_cat_range_columns(object, index);
        struct key was = {.n = 0}, is = {.n = 0};
        if (count == 0)
            continue;
        if (old != NULL) {
            QR_TRY(key_of(writer, index, count, old, &was));
            QR_TRY(lock_key(writer, index, &was));
        }
        if (row == NULL)
            continue;
        QR_TRY(key_of(writer, index, count, row, &is));
        bool same = old != NULL && was.n == is.n && memcmp(was.bytes, is.bytes, is.n) == 0;
        if (!same)
            QR_TRY(lock_key(writer, index, &is));
    }
    return QR_OK;
}
