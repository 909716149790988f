/* rows_deadlock.c - sys.fn_xe_telemetry_blob_target_read_file('dl', NULL, NULL, NULL): the last
 * deadlocks, where Azure SQL Database has them; see rows_builtin.h.
 *
 * There they are asked for in master and are those of all databases of the server; here anywhere,
 * and another database than master tells of its own. */
#include "deadlock_int.h"
#include "rows_builtin_int.h"
#include "base/banned.h"

enum { COLUMNS = 7, ARGS = 4 };

static enum qr_status add_row(void *ctx, const struct qri_deadlock_record *record)
{
    struct qri_builtin *b = ctx;
    const struct qr_database *db = b->frame->session->db;
    struct qr_str name = qri_info(db)->name, of = qr_str(record->database);
    if (!qr_str_ieqz(name, "master") && !qr_str_ieq(name, of))
        return QR_OK;
    const char *event = qr_arena_printf(
        &b->arena,
        "<event name=\"database_xml_deadlock_report\" package=\"sqlserver\"><data "
        "name=\"xml_report\"><value>%s</value></data><data name=\"database_name\"><value>%s"
        "</value></data></event>",
        record->report, record->database);
    if (event == NULL)
        return qr_fail(b->err, QR_NOMEM, "show deadlocks");
    struct qr_value row[COLUMNS] = {qr_value_null(),
                                    qr_value_null(),
                                    qr_value_str(qr_str("database_xml_deadlock_report")),
                                    qr_value_str(qr_str(event)),
                                    qr_value_str(qr_str("dl")),
                                    qr_value_int(0),
                                    qr_value_int(record->ticks)};
    return qr_rowset_append(b->out, row, b->err);
}

enum qr_status qri_rows_deadlocks(struct qri_builtin *b)
{
    struct qr_session *session = b->frame->session;
    size_t count = b->rows->arg_count;
    if (count != ARGS)
        return qr_sql_fail(b->err, count < ARGS ? 313 : 8144, b->rows->name.p);
    if (qri_builtin_is_null(b, 0) || b->args[0].cell != QR_CELL_TEXT ||
        !qr_str_ieqz(qr_value_bytes(&b->args[0]), "dl"))
        return QR_OK;
    return qri_deadlocks_each(session->db->instance, session->db->info.server_id, &b->arena,
                              add_row, b);
}
