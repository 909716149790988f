/* node_check.c - see cmd_int.h: is a restored database sound? */
#include "cmd_int.h"
#include "base/banned.h"

static enum qr_status check(struct qr_database *db, const char *login, struct qr_err *err)
{
    struct qr_session_options options = {.login = qr_str(login),
                                         .app_name = qr_str("quired check"),
                                         .is_odbc = true,
                                         .is_admin = true};
    struct qr_session *session = NULL;
    struct qr_err first = {0};
    struct qr_sink sink = qri_quiet_sink(&first);
    QR_TRY(qr_session_new(db, &options, &session, err));
    enum qr_status status =
        qr_session_batch(session, qr_str("DBCC CHECKDB WITH NO_INFOMSGS"), &sink);
    qr_session_free(session);
    if (status == QR_OK && first.number != 0)
        status = QR_CORRUPT;
    return status == QR_OK ? QR_OK : qr_fail(err, status, "it is damaged: %s", first.text);
}

enum qr_status qri_node_check(struct qri_node *node, const struct qr_database_row *row,
                              struct qr_err *err)
{
    struct qr_database *db = NULL;
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    enum qr_status status = check(db, qri_node_options_of(node)->admin_login, err);
    qri_node_leave(node, db);
    return status;
}
