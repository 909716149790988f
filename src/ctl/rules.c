/* rules.c - see control_int.h: firewall rules as statements change them and as the others see them
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "control_int.h"
#include "base/banned.h"

enum { ADDRESS_BYTES_MAX = 15, SHOWN_BYTES = 50, NAMES_BYTES_MAX = 128 * 1024 };

static enum qr_status parse_address(struct qr_str text, uint32_t *ret_address, struct qr_err *err)
{
    char shown[SHOWN_BYTES + 1];
    struct in_addr address;
    snprintf(shown, sizeof shown, "%.*s", (int)text.n, text.p);
    if (text.n > ADDRESS_BYTES_MAX || inet_pton(AF_INET, shown, &address) != 1)
        return qr_sql_fail(err, 40609, shown);
    *ret_address = ntohl(address.s_addr);
    return QR_OK;
}

struct count {
    uint32_t database_id;
    size_t rules;
    struct qr_str name;
    bool known;
};

static void count_rule(void *arg, const struct qr_rule_row *row)
{
    struct count *count = arg;
    if (row->database_id != count->database_id)
        return;
    count->rules += 1;
    count->known |= qr_str_ieq(qr_str(row->name), count->name);
}

static enum qr_status set_rule(struct qr_control *control, const struct qr_control_ask *ask,
                               uint32_t first, uint32_t last, struct qr_err *err) /* rules_mu */
{
    struct qr_registry *registry = control->options.registry;
    struct count count = {.database_id = ask->id, .name = ask->name};
    QR_TRY(qr_registry_each_rule(registry, count_rule, &count, err));
    if (!count.known && count.rules >= QR_RULES_MAX)
        return qr_sql_fail(err, 40611);
    return qr_registry_set_rule(registry, ask->id, ask->name, first, last, err);
}

enum qr_status qri_control_set_rule(struct qr_control *control, const struct qr_control_ask *ask,
                                    struct qr_err *err)
{
    uint32_t first = 0, last = 0;
    QR_TRY(parse_address(ask->start, &first, err));
    QR_TRY(parse_address(ask->end, &last, err));
    if (first > last)
        return qr_sql_fail(err, 40614);
    pthread_mutex_lock(&control->rules_mu);
    enum qr_status status = set_rule(control, ask, first, last, err);
    pthread_mutex_unlock(&control->rules_mu);
    if (status != QR_OK)
        return status;
    QR_LOG(&control->options.log, QR_INFO, "firewall_rule_set", QR_F("rule", ask->name),
           QR_F("database_id", ask->id), QR_F("start", ask->start), QR_F("end", ask->end));
    qri_control_tell_gateway(control, true);
    return QR_OK;
}

enum qr_status qri_control_delete_rule(struct qr_control *control, const struct qr_control_ask *ask,
                                       struct qr_err *err)
{
    pthread_mutex_lock(&control->rules_mu);
    enum qr_status status =
        qr_registry_remove_rule(control->options.registry, ask->id, ask->name, err);
    pthread_mutex_unlock(&control->rules_mu);
    if (status == QR_NOT_FOUND)
        return QR_OK;
    QR_TRY(status);
    QR_LOG(&control->options.log, QR_INFO, "firewall_rule_deleted", QR_F("rule", ask->name),
           QR_F("database_id", ask->id));
    qri_control_tell_gateway(control, true);
    return QR_OK;
}

/* ---- after a drop ---- */

struct forget {
    uint32_t database_id;
    struct qr_buf names; /* each ended by a NUL: the registry may not be called while it walks */
};

static void note_name(void *arg, const struct qr_rule_row *row)
{
    struct forget *forget = arg;
    if (row->database_id == forget->database_id)
        qr_buf_add(&forget->names, row->name, strlen(row->name) + 1);
}

void qri_control_forget_rules(struct qr_control *control, uint32_t database_id)
{
    struct qr_registry *registry = control->options.registry;
    struct forget forget = {.database_id = database_id};
    qr_buf_init(&forget.names, NAMES_BYTES_MAX);
    pthread_mutex_lock(&control->rules_mu);
    enum qr_status status = qr_registry_each_rule(registry, note_name, &forget, NULL);
    for (size_t at = 0; status == QR_OK && at < forget.names.len;) {
        const char *name = (const char *)forget.names.data + at;
        status = qr_registry_remove_rule(registry, database_id, qr_str(name), NULL);
        at += strlen(name) + 1;
    }
    pthread_mutex_unlock(&control->rules_mu);
    if (status != QR_OK) /* its id is never used again */
        QR_LOG(&control->options.log, QR_WARN, "firewall_rules_left",
               QR_F("database_id", database_id));
    qr_buf_done(&forget.names);
}

/* ---- showing ---- */

struct show {
    bool all;
    uint32_t database_id;
    struct qr_buf *buf;
};

static void show_rule(void *arg, const struct qr_rule_row *row)
{
    struct show *show = arg;
    struct qr_control_item item = {
        .kind = QR_ITEM_RULE,
        .name = qr_str(row->name),
        .database_id = row->database_id,
        .id = (uint32_t)row->id,
        .start = row->start,
        .end = row->end,
        .create_ticks = row->create_ticks,
        .modify_ticks = row->modify_ticks,
    };
    if (show->all || row->database_id == show->database_id)
        qr_control_item_put(show->buf, &item);
}

enum qr_status qri_control_put_rules(struct qr_control *control, bool all, uint32_t database_id,
                                     struct qr_buf *buf, struct qr_err *err)
{
    struct show show = {all, database_id, buf};
    return qr_registry_each_rule(control->options.registry, show_rule, &show, err);
}
