/* sample.c - see cmd_int.h: the sample database comes from data/sample.sql, run as a client would
 */
#include <stdio.h>
#include <string.h>
#include "cmd_int.h"
#include "store/durable.h"
#include "base/banned.h"
#include "sample_sql.h"

static const char sample_name[] = "mySampleDatabase";

/* ---- batches ---- */

/* The text up to the next line that is GO alone; moves *at behind it. */
static struct qr_str next_batch(const char **at)
{
    const char *start = *at, *line = start;
    while (*line != '\0') {
        size_t n = strcspn(line, "\n");
        const char *next = line + n + (line[n] == '\n');
        if (qr_str_ieqz(qr_str_trim(qr_str_n(line, n)), "GO")) {
            *at = next;
            return qr_str_n(start, (size_t)(line - start));
        }
        line = next;
    }
    *at = line;
    return qr_str_n(start, (size_t)(line - start));
}

static enum qr_status run_script(struct qr_session *session, const char *script, struct qr_err *err)
{
    struct qr_err first = {0};
    struct qr_sink sink = qri_quiet_sink(&first);
    while (*script != '\0') {
        struct qr_str batch = next_batch(&script);
        if (qr_str_trim(batch).n == 0)
            continue;
        enum qr_status status = qr_session_batch(session, batch, &sink);
        if (status == QR_OK && first.number == 0)
            continue;
        if (err != NULL)
            *err = first;
        return status == QR_OK ? qr_fail(err, QR_BUG, "sample data: error %d, line %d: %s",
                                         first.number, first.line, first.text)
                               : status;
    }
    return QR_OK;
}

static enum qr_status fill(struct qr_database *db, const char *login, struct qr_err *err)
{
    struct qr_session_options options = {
        .login = qr_str(login), .app_name = qr_str("quired sample"), .is_odbc = true, .is_admin = true};
    struct qr_session *session = NULL;
    QR_TRY(qr_session_new(db, &options, &session, err));
    enum qr_status status = run_script(session, sample_sql, err);
    struct qr_lsn lsn = {qr_session_answer_lsn(session)};
    qr_session_free(session);
    if (status == QR_OK && lsn.v != 0)
        status = qr_store_wait_durable(qr_database_store(db), lsn, err);
    return status;
}

enum qr_status qri_sample_fill(struct qri_node *node, const struct qr_database_row *row,
                               struct qr_err *err)
{
    struct qr_database *db = NULL;
    QR_TRY(qri_node_enter_row(node, row, &db, err));
    enum qr_status status = fill(db, qri_node_options_of(node)->admin_login, err);
    qri_node_leave(node, db);
    return status;
}

enum qr_status qri_sample_prepare(struct qr_control *control, struct qr_registry *registry,
                                  const struct qr_log *log, struct qr_err *err)
{
    struct qr_database_row row;
    struct qr_err reason = {0};
    struct qr_control_ask ask = {.name = qr_str(sample_name), .edition = qr_str("GeneralPurpose")};
    if (qr_registry_find_database(registry, 0, qr_str(sample_name), &row) == QR_OK)
        return QR_OK;
    QR_TRY(qr_control_create_database(control, &ask, err));
    enum qr_status status = qr_control_fill_database(control, qr_str(sample_name), &reason);
    if (status == QR_OK) {
        QR_LOG(log, QR_INFO, "sample_made", QR_F("db", &sample_name[0]));
        return QR_OK;
    }
    enum qr_status dropped = qr_control_drop_database(control, &ask, NULL);
    QR_LOG(log, QR_ERROR, "sample_not_made", QR_F("reason", &reason.text[0]),
           QR_F("dropped", dropped == QR_OK ? "yes" : "no"));
    return qr_fail(err, status, "make %s: %s", sample_name, reason.text);
}

/* An address that a client on this machine can connect to. */
static const char *reachable(const char *listen)
{
    static const struct {
        const char *any, *own;
    } rows[] = {{"0.0.0.0", "127.0.0.1"}, {"::", "::1"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(listen, rows[i].any) == 0)
            return rows[i].own;
    return listen;
}

void qri_sample_print_help(struct qr_registry *registry, const char *listen,
                           const char *password_path, uint16_t tds_port)
{
    const char *host = reachable(listen), *login = qr_registry_first_login(registry);
    printf("\n"
           "Resource group myResourceGroup, server %s, database %s.\n"
           "The password of login %s is in %s\n"
           "\n"
           "tsql     tsql -H %s -p %u -U %s -P \"$(cat '%s')\" -D %s\n",
           qr_registry_first_name(registry), sample_name, login, password_path, host, tds_port,
           login, password_path, sample_name);
    printf("\n"
           "pymssql  import pymssql\n"
           "         c = pymssql.connect(server='%s', port=%u, user='%s', database='%s',\n"
           "                             password=open('%s').read().strip())\n",
           host, tds_port, login, sample_name, password_path);
    printf("\n"
           "tedious  const { Connection } = require('tedious')\n"
           "         const password = require('fs').readFileSync('%s', 'utf8').trim()\n"
           "         new Connection({ server: '%s', authentication: { type: 'default', options: {\n"
           "             userName: '%s', password } }, options: { port: %u, database: '%s',\n"
           "             encrypt: true, trustServerCertificate: true } }).connect(console.log)\n"
           "\n",
           password_path, host, login, tds_port, sample_name);
    fflush(stdout);
}
