/* database_ddl.c - see cmd_int.h: from the statements' options to what is asked of control */
#include <stdlib.h>
#include <string.h>
#include "base/checked.h"
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "codec/value.h"
#include "ctl/pool.h"
#include "ctl/resources.h"
#include "ctl/telemetry.h"
#include "tsql/ast.h"
#include "base/banned.h"

static const int64_t OPERATION_NS = INT64_C(120) * 1000000000;

/* ---- options ---- */

static const char *shown(struct qr_str text, char dst[QR_WORD_BYTES_MAX + 1])
{
    size_t n = text.n < QR_WORD_BYTES_MAX ? text.n : QR_WORD_BYTES_MAX;
    memcpy(dst, text.p, n);
    dst[n] = '\0';
    return dst;
}

static enum qr_status take_text(const struct qr_ast_option *option, struct qr_str *ret_text,
                                struct qr_err *err)
{
    if (option->value != NULL && option->value->kind == QR_AE_LITERAL) {
        const struct qr_ast_literal *literal = (const struct qr_ast_literal *)option->value;
        if (literal->literal == QR_LIT_STRING || literal->literal == QR_LIT_NSTRING) {
            *ret_text = literal->text;
            return QR_OK;
        }
    }
    char text[QR_WORD_BYTES_MAX + 1];
    return qr_sql_fail(err, 40517, shown(option->text, text));
}

/* `NAME = n`, `[n]` or `'n'`. */
static enum qr_status take_name(const struct qr_ast_option *option, struct qr_str *ret_name,
                                struct qr_err *err)
{
    const struct qr_ast_column *column = (const struct qr_ast_column *)option->value;
    if (column != NULL && column->head.kind == QR_AE_COLUMN)
        *ret_name = column->name.parts[column->name.count - 1].text;
    else if (option->word.n > 0)
        *ret_name = qr_str_n(option->text.p + option->text.n - option->word.n,
                             option->word.n); /* as written, not in capitals */
    else
        return take_text(option, ret_name, err);
    return QR_OK;
}

static enum qr_status take_edition(const struct qr_ast_option *option,
                                   struct qr_database_wish *wish, struct qr_err *err)
{
    return take_text(option, &wish->edition, err);
}

static enum qr_status take_objective(const struct qr_ast_option *option,
                                     struct qr_database_wish *wish, struct qr_err *err)
{
    if (!qr_str_ieqz(option->word, "ELASTIC_POOL"))
        return take_text(option, &wish->objective, err);
    const struct qr_ast_option *name = option->sub_count == 1 ? &option->subs[0] : NULL;
    if (name == NULL || !qr_str_ieqz(name->name, "NAME"))
        return qr_sql_fail(err, 40862);
    wish->objective = qr_str(QR_POOL_OBJECTIVE);
    return take_name(name, &wish->pool, err);
}

/* `MAXSIZE = 32 GB`, read from the text: 40629 if it is no size. */
static enum qr_status take_max_size(const struct qr_ast_option *option,
                                    struct qr_database_wish *wish, struct qr_err *err)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"MB", 20}, {"GB", 30}, {"TB", 40}};
    const char *equals = memchr(option->text.p, '=', option->text.n);
    struct qr_str text = qr_str("");
    if (equals != NULL)
        text = qr_str_trim(
            qr_str_n(equals + 1, option->text.n - (size_t)(equals + 1 - option->text.p)));
    wish->max_text = text;
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text.n && i < 9 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(text.p[i] - '0');
    struct qr_str unit = qr_str_trim(qr_str_n(text.p + i, text.n - i));
    for (size_t u = 0; i > 0 && u < sizeof units / sizeof units[0]; u++) {
        if (qr_str_ieqz(unit, units[u].unit)) {
            wish->max_bytes = number << units[u].shift;
            if (wish->max_bytes > 0)
                return QR_OK;
        }
    }
    char z[QR_WORD_BYTES_MAX + 1];
    return qr_sql_fail(err, 40629, shown(text, z));
}

static enum qr_status take_redundancy(const struct qr_ast_option *option,
                                      struct qr_database_wish *wish, struct qr_err *err)
{
    static const char *const words[QR_REDUNDANCY_COUNT] = {[QR_REDUNDANCY_NOT_SAID] = "",
                                                           [QR_REDUNDANCY_LOCAL] = "LOCAL",
                                                           [QR_REDUNDANCY_ZONE] = "ZONE",
                                                           [QR_REDUNDANCY_GEO] = "GEO",
                                                           [QR_REDUNDANCY_GEO_ZONE] = "GEOZONE"};
    struct qr_str text;
    QR_TRY(take_text(option, &text, err));
    for (uint8_t i = QR_REDUNDANCY_LOCAL; i < QR_REDUNDANCY_COUNT; i++) {
        if (!qr_str_ieqz(text, words[i]))
            continue;
        wish->traits.redundancy = i;
        return QR_OK;
    }
    return qr_fail(err, QR_INVALID,
                   "BACKUP_STORAGE_REDUNDANCY is 'LOCAL', 'ZONE', 'GEO' or 'GEOZONE'.");
}

/* Ours: how many processes can take over at once. */
static enum qr_status take_ha_replicas(const struct qr_ast_option *option,
                                       struct qr_database_wish *wish, struct qr_err *err)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)option->value;
    if (literal == NULL || literal->head.kind != QR_AE_LITERAL || literal->text.n != 1 ||
        literal->text.p[0] < '0' || literal->text.p[0] > '0' + QR_HA_REPLICAS_MAX)
        return qr_fail(err, QR_INVALID, "HA_REPLICAS is a number from 0 to %d.",
                       QR_HA_REPLICAS_MAX);
    wish->ha_replicas = (uint32_t)(literal->text.p[0] - '0') + 1;
    return QR_OK;
}

/* Ours: the database goes to new processes, as a scale did before limits changed in place. */
static enum qr_status take_relocate(const struct qr_ast_option *option,
                                    struct qr_database_wish *wish, struct qr_err *err)
{
    wish->relocate = qr_str_ieqz(option->word, "ON");
    return wish->relocate || qr_str_ieqz(option->word, "OFF")
               ? QR_OK
               : qr_fail(err, QR_INVALID, "RELOCATE is ON or OFF.");
}

static const struct {
    const char *name;
    enum qr_status (*take)(const struct qr_ast_option *option, struct qr_database_wish *wish,
                           struct qr_err *err);
} option_rows[] = {
    {"EDITION", take_edition},         {"SERVICE_OBJECTIVE", take_objective},
    {"MAXSIZE", take_max_size},        {"BACKUP_STORAGE_REDUNDANCY", take_redundancy},
    {"HA_REPLICAS", take_ha_replicas}, {"RELOCATE", take_relocate},
};

static enum qr_status take_option(const struct qr_ast_option *option, struct qr_database_wish *wish,
                                  struct qr_err *err)
{
    for (size_t i = 0; i < sizeof option_rows / sizeof option_rows[0]; i++)
        if (qr_str_ieqz(option->name, option_rows[i].name))
            return option_rows[i].take(option, wish, err);
    char name[QR_WORD_BYTES_MAX + 1];
    return qr_sql_fail(err, 40517, shown(option->name, name));
}

static enum qr_status take_options(const struct qr_ast_options *options,
                                   struct qr_database_wish *wish, struct qr_err *err)
{
    for (size_t i = 0; i < options->count; i++)
        QR_TRY(take_option(&options->items[i], wish, err));
    return QR_OK;
}

/* What SET may say: every database is like that, and stays so. */
static const struct {
    const char *name, *value; /* value "": the name alone */
} settings_kept[] = {
    {"ALLOW_SNAPSHOT_ISOLATION", "ON"},
    {"AUTO_CLOSE", "OFF"},
    {"AUTO_SHRINK", "OFF"},
    {"COMPATIBILITY_LEVEL", "150"},
    {"MULTI_USER", ""},
    {"PAGE_VERIFY", "CHECKSUM"},
    {"AUTO_CREATE_STATISTICS", "ON"},
    {"AUTO_UPDATE_STATISTICS", "ON"},
    {"AUTO_UPDATE_STATISTICS_ASYNC", "OFF"},
    {"READ_COMMITTED_SNAPSHOT", "ON"},
    {"READ_WRITE", ""},
    {"RECOVERY", "FULL"},
};

static bool is_kept(const struct qr_ast_option *option)
{
    struct qr_str value = option->word;
    if (option->value != NULL && option->value->kind == QR_AE_LITERAL)
        value = ((const struct qr_ast_literal *)option->value)->text;
    for (size_t i = 0; i < sizeof settings_kept / sizeof settings_kept[0]; i++)
        if (qr_str_ieqz(option->name, settings_kept[i].name) &&
            (settings_kept[i].value[0] == '\0' || qr_str_ieqz(value, settings_kept[i].value)))
            return true;
    return false;
}

static enum qr_status no_database(struct qr_str name, struct qr_err *err)
{
    char text[QR_NAME_BYTES_MAX + 1];
    size_t n = name.n < QR_NAME_BYTES_MAX ? name.n : QR_NAME_BYTES_MAX;
    memcpy(text, name.p, n);
    text[n] = '\0';
    return qr_sql_fail(err, 911, text);
}

/* What is stored is not written again for it. */
static enum qr_status check_encryption(const struct qr_ast_option *option,
                                       const struct qr_database_row *row, struct qr_err *err)
{
    if (!qr_str_ieqz(option->word, row->encrypted != 0 ? "ON" : "OFF"))
        return qr_fail(err, QR_UNSUPPORTED,
                       row->encrypted != 0
                           ? "Database '%s' is encrypted, which cannot be turned off."
                           : "Database '%s' cannot be encrypted in place; a copy of it "
                             "(CREATE DATABASE ... AS COPY OF) is encrypted.",
                       row->name);
    return QR_OK;
}

static enum qr_status check_settings(const struct qr_ast_options *options,
                                     const struct qr_database_row *row, struct qr_err *err)
{
    char text[QR_WORD_BYTES_MAX + 1];
    for (size_t i = 0; i < options->count; i++) {
        struct qr_str name = options->items[i].name;
        if (is_kept(&options->items[i]))
            continue;
        if (qr_str_ieqz(name, "ENCRYPTION") && options->items[i].word.n > 0) {
            QR_TRY(check_encryption(&options->items[i], row, err));
            continue;
        }
        return qr_sql_fail(err, 40517, shown(name, text));
    }
    return QR_OK;
}

/* ---- statements ---- */

/* One operation of control, to its end unless it is said that the statement does not wait. It has
 * an id, so that it can be asked for again when control becomes another program meanwhile. */
static enum qr_status ask_operation(struct qri_node *node, enum qr_control_method method,
                                    const struct qr_control_ask *ask, struct qr_err *err)
{
    struct qr_control_ask own = *ask;
    char id[QR_GUID_TEXT_BYTES + 1];
    qr_control_new_id(qri_node_options_of(node)->env, id);
    own.operation_id = qr_str(id);
    return qr_control_call(qri_node_options_of(node)->operate, method, &own, OPERATION_NS, NULL,
                           err);
}

static enum qr_status operate(void *ctx, enum qr_control_method method,
                              const struct qr_control_ask *ask, struct qr_err *err)
{
    return qri_node_asked(ask_operation(ctx, method, ask, err), err);
}

/* Statements name databases of their own logical server, unless they say another one. */
static uint32_t server_of(const struct qr_session *session)
{
    return qr_server_of(qr_session_server_id(session));
}

static struct qr_control_ask ask_of(const struct qr_session *session, struct qr_str name,
                                    const struct qr_database_wish *wish)
{
    return (struct qr_control_ask){
        .server = server_of(session),
        .other_server = server_of(session),
        .name = name,
        .edition = wish->edition,
        .objective = wish->objective,
        .pool = wish->pool,
        .collation = wish->collation,
        .max_bytes = wish->max_bytes,
        .max_text = wish->max_text,
        .copy_of = wish->copy_of,
        .restore_wall_ns = wish->restore_wall_ns,
        .ha_replicas = wish->ha_replicas,
        .relocate = wish->relocate,
        .traits = wish->traits,
    };
}

/* Of a named server; error 40561 if there is none. */
static enum qr_status find_server(struct qri_node *node, struct qr_str name, uint32_t *ret_server,
                                  struct qr_err *err)
{
    struct qr_control_ask ask = {.name = name};
    struct qr_buf reply;
    size_t at = 0;
    qr_buf_init(&reply, QR_CONTROL_TEXT_BYTES_MAX);
    enum qr_status status = qr_control_call(qri_node_options_of(node)->control, QR_CONTROL_SERVER,
                                            &ask, 0, &reply, err);
    struct qr_control_item item = {.database_id = 0};
    if (status == QR_OK)
        status = qr_control_item_next(reply.data, reply.len, &at, &item, err);
    qr_buf_done(&reply);
    if (status == QR_NOT_FOUND)
        return qr_sql_fail(err, 40561);
    QR_TRY(qri_node_asked(status, err));
    *ret_server = qr_server_of(item.database_id);
    return QR_OK;
}

/* ADD SECONDARY ON SERVER s WITH (SECONDARY_TYPE = Named, DATABASE_NAME = [n], ...) */
static enum qr_status add_secondary(struct qri_node *node, const struct qr_session *session,
                                    struct qr_str name, const struct qr_ast_alter_database *alter,
                                    struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server_of(session), .name = name};
    struct qr_database_wish wish = {0};
    bool is_geo = true;
    for (size_t i = 0; i < alter->options.count; i++) {
        const struct qr_ast_option *option = &alter->options.items[i];
        if (qr_str_ieqz(option->name, "SECONDARY_TYPE"))
            is_geo = !qr_str_ieqz(option->word, "NAMED");
        else if (qr_str_ieqz(option->name, "ALLOW_CONNECTIONS") && qr_str_ieqz(option->word, "ALL"))
            continue;
        else if (qr_str_ieqz(option->name, "ALLOW_CONNECTIONS"))
            return qr_fail(err, QR_UNSUPPORTED, "A secondary of this version can always be read.");
        else if (qr_str_ieqz(option->name, "DATABASE_NAME"))
            QR_TRY(take_name(option, &ask.new_name, err));
        else
            QR_TRY(take_option(option, &wish, err));
    }
    QR_TRY(find_server(node, alter->server.text, &ask.other_server, err));
    if (!is_geo && ask.new_name.n == 0)
        return qr_fail(err, QR_INVALID, "A named replica needs a DATABASE_NAME.");
    if (!is_geo && wish.pool.n > 0)
        return qr_sql_fail(err, 40859, "Hyperscale");
    if (wish.pool.n > 0)
        return qr_fail(err, QR_UNSUPPORTED,
                       "A geo-secondary in an elastic pool is not supported by this version.");
    ask.objective = wish.objective;
    ask.ha_replicas = is_geo ? 0 : wish.ha_replicas;
    ask.geo = ask.no_wait = is_geo; /* sys.dm_operation_status shows how far it is */
    return operate(node, QR_CONTROL_ADD_REPLICA, &ask, err);
}

/* REMOVE SECONDARY ON SERVER s: of the primary. */
static enum qr_status remove_secondary(struct qri_node *node, const struct qr_session *session,
                                       struct qr_str name,
                                       const struct qr_ast_alter_database *alter,
                                       struct qr_err *err)
{
    struct qr_control_ask ask = {.name = name, .geo_change = QR_GEO_END};
    struct qr_database_row row;
    enum qr_status status = qr_control_find(qri_node_options_of(node)->control, server_of(session),
                                            name, 0, 0, &row, err);
    if (status != QR_OK)
        return status == QR_NOT_FOUND ? no_database(name, err) : qri_node_asked(status, err);
    QR_TRY(find_server(node, alter->server.text, &ask.server, err));
    ask.id = row.id;
    return operate(node, QR_CONTROL_GEO_CHANGE, &ask, err);
}

static enum qr_status create_database(void *ctx, struct qr_session *session,
                                      const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_create_database *create = (const struct qr_ast_create_database *)stmt;
    struct qr_database_wish wish = {.collation = create->collation.text};
    if (create->copy_of.count > 0)
        wish.copy_of = create->copy_of.parts[create->copy_of.count - 1].text;
    if (create->files.n > 0)
        return qr_sql_fail(err, 40517, "ON");
    QR_TRY(take_options(&create->options, &wish, err));
    struct qr_control_ask ask = ask_of(session, create->name.text, &wish);
    char owner[QR_OWNER_TEXT_BYTES + 1];
    qr_owner_text(qr_session_login_sid(session), owner);
    ask.owner = qr_str(owner);
    if (create->copy_of.count > 1)
        QR_TRY(find_server(ctx, create->copy_of.parts[0].text, &ask.other_server, err));
    enum qr_status status = ask_operation(ctx, QR_CONTROL_CREATE, &ask, err);
    /* a long copy goes on without the statement, and sys.dm_database_copies shows it */
    return status == QR_TIMEOUT && wish.copy_of.n > 0 ? QR_OK : qri_node_asked(status, err);
}

static enum qr_status alter_database(void *ctx, struct qr_session *session,
                                     const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    const struct qr_ast_alter_database *alter = (const struct qr_ast_alter_database *)stmt;
    struct qr_str name =
        alter->name.text.n > 0 ? alter->name.text : qr_session_database_name(session);
    if (qr_str_ieqz(alter->action, "SET") && alter->options.count == 1 &&
        qr_str_ieqz(alter->options.items[0].name, "AUTOSCALE"))
        return qri_autoscale_alter(ctx, server_of(session), name, &alter->options.items[0], err);
    if (qr_str_ieqz(alter->action, "SET") && alter->options.count > 0) {
        struct qr_database_row row;
        enum qr_status status = qr_control_find(qri_node_options_of(ctx)->control,
                                                server_of(session), name, 0, 0, &row, err);
        if (status != QR_OK)
            return status == QR_NOT_FOUND ? no_database(name, err) : qri_node_asked(status, err);
        return check_settings(&alter->options, &row, err);
    }
    if (qr_str_ieqz(alter->action, "MODIFY")) {
        struct qr_database_wish wish = {0};
        QR_TRY(take_options(&alter->options, &wish, err));
        struct qr_control_ask ask = ask_of(session, name, &wish);
        ask.no_wait = true; /* sys.dm_operation_status shows how far it is */
        return operate(ctx, QR_CONTROL_ALTER, &ask, err);
    }
    if (qr_str_ieqz(alter->action, "MODIFY NAME") && alter->options.count == 1 &&
        alter->options.items[0].value != NULL &&
        alter->options.items[0].value->kind == QR_AE_COLUMN) {
        const struct qr_ast_column *column =
            (const struct qr_ast_column *)alter->options.items[0].value;
        struct qr_control_ask ask = {.server = server_of(session),
                                     .name = name,
                                     .new_name = column->name.parts[column->name.count - 1].text};
        return operate(ctx, QR_CONTROL_RENAME, &ask, err);
    }
    if (qr_str_ieqz(alter->action, "ADD SECONDARY"))
        return add_secondary(ctx, session, name, alter, err);
    if (qr_str_ieqz(alter->action, "REMOVE SECONDARY"))
        return remove_secondary(ctx, session, name, alter, err);
    if (qr_str_ieqz(alter->action, "FORCE_FAILOVER_ALLOW_DATA_LOSS") && alter->rest.n == 0) {
        struct qr_control_ask ask = {
            .server = server_of(session), .name = name, .geo_change = QR_GEO_FORCE};
        return operate(ctx, QR_CONTROL_GEO_CHANGE, &ask, err);
    }
    if (qr_str_ieqz(alter->action, "FAILOVER") && alter->rest.n == 0) {
        struct qr_control_ask ask = {.server = server_of(session), .name = name};
        enum qr_status status = operate(ctx, QR_CONTROL_FAILOVER, &ask, err);
        return status == QR_NOT_FOUND ? no_database(name, err) : status;
    }
    char action[QR_WORD_BYTES_MAX + 1];
    return qr_sql_fail(err, 40517, shown(alter->action, action));
}

static enum qr_status drop_database(void *ctx, struct qr_session *session, struct qr_str name,
                                    bool if_exists, struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server_of(session), .name = name};
    char text[QR_NAME_BYTES_MAX + 1];
    size_t n = name.n < QR_NAME_BYTES_MAX ? name.n : QR_NAME_BYTES_MAX;
    memcpy(text, name.p, n);
    text[n] = '\0';
    if (qr_str_ieqz(name, "master"))
        return qr_sql_fail(err, 3708, "drop", "database", text, "system database");
    enum qr_status status = operate(ctx, QR_CONTROL_DROP, &ask, err);
    if (status != QR_NOT_FOUND)
        return status;
    return if_exists ? QR_OK : qr_sql_fail(err, 3701, "drop", "database", text);
}

struct show {
    enum qr_status (*each)(void *each_ctx, const struct qr_database_info *info);
    void *each_ctx;
};

static enum qr_status show_row(void *ctx, const struct qr_database_row *row)
{
    const struct show *show = ctx;
    struct qr_database_info info = qri_database_info(row);
    return row->state == QR_DATABASE_ONLINE ? show->each(show->each_ctx, &info) : QR_OK;
}

static enum qr_status each_database(void *ctx, uint32_t server_id,
                                    enum qr_status (*each)(void *each_ctx,
                                                           const struct qr_database_info *info),
                                    void *each_ctx)
{
    struct show show = {each, each_ctx};
    struct qr_rpc_peer *control = qri_node_options_of(ctx)->control;
    enum qr_status status =
        qr_control_each_database(control, qr_server_of(server_id), 0, show_row, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status; /* no client has cancelled anything */
}

/* ---- operations ---- */

struct show_operation {
    enum qr_status (*each)(void *each_ctx, const struct qr_operation_seen *seen);
    void *each_ctx;
};

int64_t qri_ticks_of(int64_t wall_ns)
{
    static const int64_t days_to_1970 = 719162;
    return wall_ns / 100 + days_to_1970 * 86400 * INT64_C(10000000);
}

static enum qr_status show_operation(void *ctx, const struct qr_operation_row *row)
{
    const struct show_operation *show = ctx;
    bool is_copy = row->kind == QR_OPERATION_COPY || row->kind == QR_OPERATION_RESTORE;
    struct qr_operation_seen seen = {
        .database_id = qr_number_of(row->database_id),
        .source_id = qr_number_of(row->source_id),
        .database = qr_str(row->database),
        .source = qr_str(row->other),
        .operation = qr_str(qr_operation_info((enum qr_operation_kind)row->kind)->sql_name),
        .state = row->state <= QR_OPERATION_CANCELLED ? row->state : QR_OPERATION_RUNNING,
        .percent = (int)row->percent,
        .error_number = (int)row->error_number,
        .error_severity = (int)row->error_severity,
        .error_state = (int)row->error_state,
        .error_text = qr_str(row->error_text),
        .start_ticks = qri_ticks_of(row->start_wall_ns),
        .modify_ticks = qri_ticks_of(row->modify_wall_ns),
        .is_copy = is_copy,
    };
    if (!qr_guid_parse(qr_str(row->id), seen.id))
        return QR_OK;
    return show->each(show->each_ctx, &seen);
}

static enum qr_status each_operation(void *ctx, uint32_t server_id,
                                     enum qr_status (*each)(void *each_ctx,
                                                            const struct qr_operation_seen *seen),
                                     void *each_ctx)
{
    struct show_operation show = {each, each_ctx};
    struct qr_rpc_peer *control = qri_node_options_of(ctx)->control;
    enum qr_status status = qr_operation_each(control, qr_server_of(server_id), qr_str(""), 0,
                                              show_operation, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status;
}

/* ---- telemetry ---- */

struct show_telemetry {
    enum qr_status (*each)(void *each_ctx, const struct qr_telemetry_seen *seen);
    void *each_ctx;
};

static enum qr_status show_telemetry(void *ctx, const struct qr_telemetry_row *row)
{
    const struct show_telemetry *show = ctx;
    struct qr_telemetry_seen seen = {.at_ticks = qri_ticks_of(row->at_wall_ns),
                                     .count = row->count,
                                     .key = row->key,
                                     .body = row->body};
    return show->each(show->each_ctx, &seen);
}

static enum qr_status
each_telemetry(void *ctx, uint8_t kind, uint32_t server_id, int64_t after_wall_ns,
               enum qr_status (*each)(void *each_ctx, const struct qr_telemetry_seen *seen),
               void *each_ctx)
{
    _Static_assert((int)QR_SEEN_EVENTS == QR_TELEMETRY_EVENT &&
                       (int)QR_SEEN_DATABASES == QR_TELEMETRY_DATABASE &&
                       (int)QR_SEEN_POOLS == QR_TELEMETRY_POOL &&
                       (int)QR_SEEN_BILLED == QR_TELEMETRY_BILLED &&
                       (int)QR_SEEN_AUTOSCALE == QR_TELEMETRY_AUTOSCALE,
                   "two headers, one numbering");
    struct show_telemetry show = {each, each_ctx};
    struct qri_node *node = ctx;
    const struct qri_node_options *options = qri_node_options_of(node);
    if (options->reports != NULL) /* what was counted here is seen at once */
        qri_reports_send(options->reports, options->control);
    enum qr_status status = qr_telemetry_each(options->control, kind, qr_server_of(server_id),
                                              after_wall_ns, 0, show_telemetry, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status;
}

static void count_deadlock(void *ctx, uint32_t own_id, struct qr_str database)
{
    struct qri_node *node = ctx;
    struct qri_reports *reports = qri_node_options_of(node)->reports;
    if (reports != NULL)
        qri_reports_count(reports, qr_server_of(own_id), "deadlock", 0, database);
}

struct qr_instance_host qri_database_ddl_host(struct qri_node *node)
{
    return (struct qr_instance_host){
        .ctx = node,
        .create_database = create_database,
        .alter_database = alter_database,
        .drop_database = drop_database,
        .each_database = each_database,
        .each_operation = each_operation,
        .each_telemetry = each_telemetry,
        .deadlock = count_deadlock,
        .each_backup = qri_node_each_backup,
        .find_login = qri_logins_find,
        .each_login = qri_logins_each,
        .change_login = qri_logins_change,
        .set_owner = qri_logins_own,
        .set_firewall_rule = qri_firewall_set_rule,
        .delete_firewall_rule = qri_firewall_delete_rule,
        .each_firewall_rule = qri_firewall_each_rule,
        .each_replica = qri_node_each_replica,
        .each_log_rate = qri_node_each_log_rate,
        .each_geo_link = qri_geo_each_link,
        .each_autoscale = qri_autoscale_each,
    };
}
