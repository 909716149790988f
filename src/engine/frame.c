/* frame.c - variables and lifetime of a running unit; see frame.h */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "access_int.h"
#include "cursor_int.h"
#include "frame.h"
#include "memory_int.h"
#include "codec/convert.h"
#include "base/banned.h"

enum { VARIABLE_BYTES_MAX = INT32_MAX }; /* a (max) value holds at most 2 GiB */

enum qr_status qri_frame_push(struct qr_session *session, struct qri_frame *frame,
                              struct qri_unit *unit, struct qr_err *err)
{
    *frame = (struct qri_frame){.session = session, .unit = unit, .outer = session->frame};
    frame->var_count = unit->var_count;
    frame->vars = frame->inline_vars;
    frame->slots = frame->inline_slots;
    if (unit->var_count > QRI_FRAME_INLINE_VARS) {
        frame->vars = calloc(unit->var_count, sizeof *frame->vars);
        frame->slots = calloc(unit->var_count, sizeof *frame->slots);
        if (frame->vars == NULL || frame->slots == NULL) {
            free(frame->vars);
            free(frame->slots);
            return qr_fail(err, QR_NOMEM, "make a frame");
        }
    }
    qr_arena_init(&frame->arena, QRI_STMT_ARENA_BYTES_MAX);
    frame->scope_identity = qr_value_null();
    frame->caught_before = session->caught;
    frame->options_before = session->options;
    frame->context_before = session->context_now;
    if (frame->outer != NULL)
        frame->outer_try =
            frame->outer->outer_try || (frame->outer->op != NULL && frame->outer->op->handler >= 0);
    session->frame = frame;
    return QR_OK;
}

static void drop_caught(struct qri_frame *frame)
{
    struct qr_session *session = frame->session;
    while (session->caught != frame->caught_before) {
        struct qri_caught *caught = session->caught;
        session->caught = caught->outer;
        free(caught);
    }
}

static void free_buf(struct qri_slot *slot)
{
    if (slot->buf != NULL && slot->capacity >= QRI_LARGE_BYTES)
        qri_memory_discharge(slot->capacity, false);
    free(slot->buf);
}

void qri_frame_pop(struct qri_frame *frame)
{
    struct qr_session *session = frame->session;
    assert(session->frame == frame);
    if (frame->is_scope) /* EXECUTE AS of a bare batch lasts */
        qri_access_leave(session, frame->context_before);
    qri_grant_end(session, frame);
    qri_cursors_free(&frame->cursors);
    for (size_t i = 0; i < frame->var_count; i++) {
        struct qri_slot *slot = &frame->slots[i];
        free_buf(slot);
        if (!slot->rowset_borrowed)
            qr_rowset_free(slot->rowset);
        qri_cursor_unref(slot->cursor);
    }
    drop_caught(frame);
    if (frame->vars != frame->inline_vars) {
        free(frame->vars);
        free(frame->slots);
    }
    free(frame->temp_objects);
    qr_arena_done(&frame->arena);
    session->frame = frame->outer;
}

static enum qr_status new_buf(size_t capacity, char **ret_buf, struct qr_err *err)
{
    if (capacity >= QRI_LARGE_BYTES)
        QR_TRY(qri_memory_charge(capacity, false, err));
    *ret_buf = malloc(capacity);
    if (*ret_buf != NULL)
        return QR_OK;
    if (capacity >= QRI_LARGE_BYTES)
        qri_memory_discharge(capacity, false);
    return qr_fail(err, QR_NOMEM, "set a variable");
}

enum qr_status qri_var_set(struct qri_frame *frame, uint32_t slot, const struct qr_value *value,
                           struct qr_err *err)
{
    assert(slot < frame->var_count);
    struct qri_slot *own = &frame->slots[slot];
    struct qr_value v = *value;
    if ((v.cell == QR_CELL_TEXT || v.cell == QR_CELL_BLOB) && v.p != own->buf) {
        if (v.n > VARIABLE_BYTES_MAX)
            return qr_sql_fail(err, 7119, (int64_t)VARIABLE_BYTES_MAX);
        if (v.n > own->capacity || own->buf == NULL) { /* the old bytes may be part of the new */
            size_t capacity = v.n < 32 ? 32 : v.n + v.n / 2;
            char *buf = NULL;
            QR_TRY(new_buf(capacity, &buf, err));
            if (v.n > 0)
                memcpy(buf, v.p, v.n);
            free_buf(own);
            own->buf = buf;
            own->capacity = capacity;
        } else if (v.n > 0) {
            memmove(own->buf, v.p, v.n);
        }
        v.p = own->buf;
    }
    frame->vars[slot] = v;
    return QR_OK;
}

void qri_var_borrow(struct qri_frame *frame, uint32_t slot, const struct qr_value *value)
{
    assert(slot < frame->var_count);
    frame->vars[slot] = *value;
}

enum qr_status qri_var_rowset(struct qri_frame *frame, uint32_t slot, struct qr_rowset **ret_rowset,
                              struct qr_err *err)
{
    struct qri_slot *own = &frame->slots[slot];
    if (own->rowset == NULL) {
        const struct qr_cat_object *shape = frame->unit->vars[slot].table;
        assert(shape != NULL);
        struct qr_type *types = qr_arena_array(&frame->arena, shape->column_count, sizeof *types);
        if (types == NULL)
            return qr_fail(err, QR_NOMEM, "make a table variable");
        for (size_t i = 0; i < shape->column_count; i++)
            types[i] = shape->columns[i].type;
        QR_TRY(qr_rowset_new(types, shape->column_count, frame->session->db->store, &own->rowset,
                             err));
    }
    *ret_rowset = own->rowset;
    return QR_OK;
}

bool qri_var_find(const struct qri_frame *frame, struct qr_str name, uint32_t *ret_slot)
{
    for (size_t i = 0; i < frame->unit->var_count; i++) {
        if (qr_str_ieq(frame->unit->vars[i].name, name)) {
            *ret_slot = (uint32_t)i;
            return true;
        }
    }
    return false;
}

enum qr_status qri_var_assign(struct qri_frame *frame, uint32_t slot, const struct qr_type *type,
                              const struct qr_value *value, struct qr_err *err)
{
    const struct qr_type *to = &frame->unit->vars[slot].type;
    if (qr_type_eq(type, to))
        return qri_var_set(frame, slot, value, err);
    struct qr_eval eval;
    qri_eval_init(&eval, frame->session, frame, &frame->arena);
    struct qr_value converted;
    QR_TRY(qr_eval_cast(&eval, type, value, to, QR_STYLE_DEFAULT, 0, NULL, NULL, &converted, err));
    return qri_var_set(frame, slot, &converted, err);
}
