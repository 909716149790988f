/* rows_stats.c - functions that take a handle of the plan cache, and what a session sent last; see
 * rows_builtin.h and texts_int.h */
#include "access_int.h"
#include "rows_builtin_int.h"
#include "texts_int.h"
#include "base/banned.h"

enum { TEXT_COLUMNS = 5 };

/* dbid, objectid, number, encrypted */
static void put_place(const struct qri_builtin *b, const struct qri_text *text,
                      struct qr_value row[TEXT_COLUMNS])
{
    bool is_module = text->object_id != 0;
    row[0] = is_module ? qr_value_int(b->frame->session->db->info.database_id) : qr_value_null();
    row[1] = is_module ? qr_value_int(text->object_id) : qr_value_null();
    row[2] = qr_value_null();
    row[3] = qr_value_int(0);
}

/* False: there is no such text, and no row. */
static bool find_text(struct qri_builtin *b, struct qri_text *ret_text)
{
    uint64_t id = 0;
    return !qri_builtin_is_null(b, 0) && b->args[0].cell == QR_CELL_BLOB &&
           qri_handle_id(qr_value_bytes(&b->args[0]), &id) &&
           qri_text_find(b->frame->session->db->texts, id, &b->arena, ret_text);
}

static enum qr_status check_count(struct qri_builtin *b, size_t count)
{
    if (b->rows->arg_count == count)
        return QR_OK;
    return qr_sql_fail(b->err, b->rows->arg_count < count ? 313 : 8144, b->rows->name.p);
}

enum qr_status qri_rows_sql_text(struct qri_builtin *b)
{
    struct qri_text text;
    QR_TRY(check_count(b, 1));
    if (!find_text(b, &text))
        return QR_OK;
    struct qr_value row[TEXT_COLUMNS];
    put_place(b, &text, row);
    row[4] = qr_value_str(text.text);
    return qr_rowset_append(b->out, row, b->err);
}

/* ---- sys.dm_exec_input_buffer ---- */

/* Of other sessions for who may see the state of the database. */
bool qri_input_buffer(const struct qr_session *asker, int64_t session_id, struct qr_arena *arena,
                      struct qri_input_buffer *ret_input)
{
    struct qr_instance *instance = asker->db->instance;
    struct qri_text text = {0};
    bool found = false, is_there = false;
    if (session_id != asker->id && !qri_may_database(asker, QR_MAY_VIEW_DATABASE_STATE))
        return false;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL && !is_there; s = s->next) {
        if (s->id != session_id || !qri_reaches_session(asker, s))
            continue;
        is_there = true;
        uint64_t id = atomic_load_explicit(&s->running.batch_id, memory_order_relaxed);
        found = id != 0 && qri_text_find(s->db->texts, id, arena, &text);
    }
    pthread_mutex_unlock(&instance->mu);
    bool is_call = text.is_prepared || text.object_id != 0;
    *ret_input = (struct qri_input_buffer){.event = qr_str(!found    ? ""
                                                           : is_call ? "RPC Event"
                                                                     : "Language Event"),
                                           .text = text.text};
    return is_there;
}

enum qr_status qri_rows_input_buffer(struct qri_builtin *b)
{
    struct qri_input_buffer input;
    QR_TRY(check_count(b, 2));
    if (qri_builtin_is_null(b, 0) || b->args[0].cell != QR_CELL_INT ||
        !qri_input_buffer(b->frame->session, b->args[0].i, &b->arena, &input))
        return QR_OK;
    struct qr_value row[3] = {qr_value_null(), qr_value_null(), qr_value_null()};
    if (input.event.n > 0) {
        row[0] = qr_value_str(input.event);
        row[1] = qr_value_int(0);
        row[2] = qr_value_str(input.text);
    }
    return qr_rowset_append(b->out, row, b->err);
}
