/* temp.c - see temp_int.h */
#include "temp_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "catalog_change_int.h"
#include "dml_int.h"
#include "hostfn.h"
#include "base/banned.h"

/* ---- scope of #tables ---- */

enum qr_status qri_temp_made(struct qri_frame *frame, uint32_t object_id, struct qr_err *err)
{
    while (frame != NULL && !frame->is_scope)
        frame = frame->outer;
    if (frame == NULL)
        return QR_OK; /* made by a bare batch: lives as long as the session */
    if (frame->temp_object_count == frame->temp_object_capacity) {
        size_t capacity = frame->temp_object_capacity == 0 ? 4 : frame->temp_object_capacity * 2;
        uint32_t *grown = realloc(frame->temp_objects, capacity * sizeof *grown);
        if (grown == NULL)
            return qr_fail(err, QR_NOMEM, "make a temporary table");
        frame->temp_objects = grown;
        frame->temp_object_capacity = capacity;
    }
    frame->temp_objects[frame->temp_object_count++] = object_id;
    return QR_OK;
}

bool qri_temp_is_own(const struct qri_frame *frame, uint32_t object_id)
{
    while (frame != NULL && !frame->is_scope)
        frame = frame->outer;
    if (frame == NULL)
        return true; /* a bare batch has no scope outside it */
    for (size_t i = 0; i < frame->temp_object_count; i++)
        if (frame->temp_objects[i] == object_id)
            return true;
    return false;
}

static enum qr_status drop_object(struct qr_session *session, uint32_t object_id)
{
    struct qr_arena arena;
    qr_arena_init(&arena, 64 << 20);
    struct qri_change change;
    qri_change_init(&change, &arena, session->temp);
    enum qr_status status = QR_OK;
    const struct qr_catalog *cat = &session->temp->cat;
    for (size_t i = 0; i < cat->object_count && status == QR_OK; i++) {
        const struct qr_cat_object *object = cat->objects[i];
        if (object->object_id == object_id || object->parent_object_id == object_id)
            status = qri_change_drop(&change, QRI_REC_OBJECT, object->object_id, NULL);
    }
    struct qri_catalog *temp = qri_catalog_ref(session->temp);
    if (status == QR_OK)
        status = qri_change_apply(&change, NULL, &temp, NULL);
    if (status == QR_OK)
        qri_session_set_temp(session, temp);
    else
        qri_catalog_unref(temp);
    qr_arena_done(&arena);
    return status;
}

/* Failing leaves the table until the session's end; nothing else can be done about it here. */
static void drop_table(struct qr_session *session, uint32_t object_id)
{
    if (session->temp == NULL || qr_cat_by_id(&session->temp->cat, object_id) == NULL)
        return;
    struct qr_err err;
    char sql[64];
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS temp.t%u", object_id);
    session->no_interrupt = true;
    if (sqlite3_exec(session->link->db, sql, NULL, NULL, NULL) == SQLITE_OK &&
        qri_record_sql(session, object_id, sql, NULL, 0, &err) == QR_OK &&
        drop_object(session, object_id) == QR_OK) {
        for (int kind = QRI_COUNTER_IDENTITY; kind <= QRI_COUNTER_SEQUENCE; kind++)
            if (qri_counter_drop(session, qri_counter_id(object_id, (enum qri_counter)kind), true,
                                 &err) != QR_OK)
                break;
    }
    session->no_interrupt = false;
}

void qri_temp_drop_scope(struct qri_frame *frame)
{
    for (size_t i = frame->temp_object_count; i > 0; i--)
        drop_table(frame->session, frame->temp_objects[i - 1]);
    frame->temp_object_count = 0;
}

void qri_temp_drop_all(struct qr_session *session)
{
    while (session->temp != NULL && session->temp->cat.object_count > 0) {
        const struct qr_catalog *cat = &session->temp->cat;
        size_t before = cat->object_count, i = 0;
        while (i < before && cat->objects[i]->type != QR_CAT_TABLE)
            i++;
        if (i == before)
            break;
        drop_table(session, cat->objects[i]->object_id);
        if (session->temp->cat.object_count == before)
            break; /* it would not go: the connection below goes instead */
    }
    bool left = false; /* a procedure leaves nothing behind in SQLite */
    for (size_t i = 0; session->temp != NULL && i < session->temp->cat.object_count; i++)
        left |= session->temp->cat.objects[i]->type == QR_CAT_TABLE;
    if (left && !session->tran.sqlite_open)
        qri_link_drop(session);
    if (!left || !session->tran.sqlite_open)
        qri_session_set_temp(session, NULL);
    qri_temp_counters_forget(session);
}

/* ---- the session's context ---- */

void qri_context_clear(struct qr_session *session)
{
    size_t index = 0;
    const struct qr_map_entry *entry = NULL;
    while (qr_map_next(&session->context, &index, &entry))
        free(entry->value);
    qr_map_done(&session->context);
    qr_map_init(&session->context, true);
}
