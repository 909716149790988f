/* run_dbcc_session.c - DBCC OPENTRAN and INPUTBUFFER: what sessions do; see dbcc_int.h */
#include <string.h>
#include "codec/datetime.h"
#include "codec/utf.h"
#include "dbcc_int.h"
#include "texts_int.h"
#include "base/banned.h"

enum { COLUMNS_MAX = 3, DBO_UID = -1 };

static enum qr_status begin_rows(struct qri_dbcc *d, struct qr_plan_column *columns, size_t count)
{
    const struct qr_sink *sink = d->session->sink;
    for (size_t i = 0; i < count; i++) {
        if (columns[i].type.id == QR_TYPE_NVARCHAR)
            columns[i].type.collation = QR_COLLATION_DEFAULT;
        columns[i].flags = QR_COLUMN_NULLABLE;
    }
    QR_TRY(sink->columns(sink->ctx, columns, count, NULL, 0));
    d->session->result_open = true;
    return QR_OK;
}

static enum qr_status send_row(struct qri_dbcc *d, const struct qr_value *row, size_t count)
{
    const struct qr_sink *sink = d->session->sink;
    d->rows++;
    return sink->row(sink->ctx, row, count);
}

/* ---- OPENTRAN ---- */

struct open_tran {
    uint16_t session_id;
    struct qri_session_seen seen; /* tran_id 0: there is none */
};

/* Of the database; who has only read is not in the log and is not meant. */
static struct open_tran oldest_of(const struct qr_session *asker)
{
    struct qr_instance *instance = asker->db->instance;
    struct open_tran oldest = {0};
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        if (s->db != asker->db)
            continue;
        struct qri_session_seen seen = s == asker ? qri_session_look(s) : qri_session_shown(s);
        bool is_older = oldest.seen.tran_id == 0 || seen.tran_ticks < oldest.seen.tran_ticks;
        if (seen.tran_count > 0 && seen.tran_ops > 0 && is_older)
            oldest = (struct open_tran){s->id, seen};
    }
    pthread_mutex_unlock(&instance->mu);
    return oldest;
}

/* As CONVERT's style 109: Nov 22 2026  8:53:00:123PM. */
static const char *time_text(struct qri_dbcc *d, int64_t ticks)
{
    enum { STYLE = 109, TICKS_PER_MS = 10000 };
    struct qr_type type = qr_type_time(QR_TYPE_DATETIME2, 3);
    struct qr_value value = qr_value_int(ticks - ticks % TICKS_PER_MS);
    char text[QR_DT_TEXT_BYTES];
    size_t n = qr_datetime_print(&type, &value, STYLE, text);
    char *point = memchr(text, '.', n);
    if (point != NULL) /* as of a datetime */
        *point = ':';
    return qr_arena_str(&d->frame->arena, qr_str_n(text, n)).p;
}

static enum qr_status table_row(struct qri_dbcc *d, const char *name, const char *value)
{
    if (value == NULL)
        return qr_fail(d->err, QR_NOMEM, "tell of a transaction");
    struct qr_value row[] = {qr_value_text(name, strlen(name)),
                             qr_value_text(value, strlen(value))};
    return send_row(d, row, 2);
}

static enum qr_status tell_in_rows(struct qri_dbcc *d, const struct open_tran *t)
{
    struct qr_arena *arena = &d->frame->arena;
    struct qr_plan_column columns[2] = {{.name = qr_str("")}, {.name = qr_str("")}};
    for (size_t i = 0; i < 2; i++)
        columns[i].type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
    QR_TRY(begin_rows(d, columns, 2));
    if (t->seen.tran_id == 0)
        return QR_OK;
    QR_TRY(table_row(d, "OLDACT_SPID", qr_arena_printf(arena, "%d", t->session_id)));
    QR_TRY(table_row(d, "OLDACT_UID", qr_arena_printf(arena, "%d", DBO_UID)));
    QR_TRY(table_row(d, "OLDACT_NAME", t->seen.tran_name));
    QR_TRY(table_row(d, "OLDACT_LSN", "(0:0:0)"));
    QR_TRY(table_row(d, "OLDACT_STARTTIME", time_text(d, t->seen.tran_ticks)));
    return table_row(d, "OLDACT_SID", "0x01");
}

static enum qr_status tell_in_words(struct qri_dbcc *d, const struct open_tran *t)
{
    struct qr_session *session = d->session;
    struct qr_str name = qri_info(session->db)->name;
    if (t->seen.tran_id == 0)
        return qri_inform(session, 7969);
    QR_TRY(qri_inform(session, 7968, qr_arena_str(&d->frame->arena, name).p));
    QR_TRY(qri_inform(session, 7970));
    QR_TRY(qri_inform(session, 7971, (int)t->session_id));
    QR_TRY(qri_inform(session, 7972, DBO_UID));
    QR_TRY(qri_inform(session, 7974, t->seen.tran_name));
    QR_TRY(qri_inform(session, 7975, 0, 0, 0)); /* its changes have no place in the log yet */
    QR_TRY(qri_inform(session, 7977, time_text(d, t->seen.tran_ticks)));
    return qri_inform(session, 7979, "0x01");
}

/* By name or number; what is neither, as a NULL, names nothing. */
static bool is_own(struct qri_dbcc *d, struct qr_str name)
{
    const struct qr_database_info *info = qri_info(d->session->db);
    int64_t id = 0;
    return qr_str_ieq(name, info->name) ||
           (qri_dbcc_int(d, 0, &id) && (id == 0 || id == (int64_t)info->database_id));
}

enum qr_status qri_dbcc_open_tran(struct qri_dbcc *d)
{
    struct qr_str name = qri_dbcc_text(d, 0);
    if (d->stmt->args.count > 0 && !is_own(d, name))
        return name.n > 0 ? qr_sql_fail(d->err, 2520, qr_arena_str(&d->frame->arena, name).p)
                          : qr_sql_fail(d->err, 2560, 1);
    struct open_tran oldest = oldest_of(d->session);
    return qri_dbcc_has(d, "TABLERESULTS") ? tell_in_rows(d, &oldest) : tell_in_words(d, &oldest);
}

/* ---- INPUTBUFFER ---- */

enum qr_status qri_dbcc_input_buffer(struct qri_dbcc *d)
{
    int64_t id = 0, request = 0;
    if (d->stmt->args.count == 0 || !qri_dbcc_int(d, 0, &id))
        return qr_sql_fail(d->err, 2560, 1);
    if (d->stmt->args.count > 1 && (!qri_dbcc_int(d, 1, &request) || request != 0))
        return qr_sql_fail(d->err, 2560, 2);
    struct qri_input_buffer input;
    if (!qri_input_buffer(d->session, id, &d->frame->arena, &input))
        return qr_sql_fail(d->err, 7955,
                           id > INT32_MAX   ? INT32_MAX
                           : id < INT32_MIN ? INT32_MIN
                                            : (int)id);
    struct qr_plan_column columns[COLUMNS_MAX] = {
        {.name = qr_str("EventType"), .type = qr_type_sized(QR_TYPE_NVARCHAR, 30)},
        {.name = qr_str("Parameters"), .type = qr_type_of(QR_TYPE_SMALLINT)},
        {.name = qr_str("EventInfo"), .type = qr_type_sized(QR_TYPE_NVARCHAR, 4000)}};
    struct qr_value row[COLUMNS_MAX] = {qr_value_null(), qr_value_null(), qr_value_null()};
    QR_TRY(begin_rows(d, columns, COLUMNS_MAX));
    if (input.event.n > 0) {
        row[0] = qr_value_str(input.event);
        row[1] = qr_value_int(0);
        row[2] = qr_value_str(qr_str_n(input.text.p, qr_utf_prefix(input.text, 4000)));
    }
    return send_row(d, row, COLUMNS_MAX);
}
