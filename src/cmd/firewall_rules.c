/* firewall_rules.c - see cmd_int.h: firewall rules in the metadata store, and in the gateway */
#include <stdio.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "gateway/firewall.h"
#include "base/banned.h"

enum { ADDRESS_BYTES = 16, SHOWN_BYTES = 50, NAMES_BYTES_MAX = 128 * 1024 };

/* ---- at start ---- */

struct load {
    struct qr_firewall *firewall;
    const struct qr_log *log;
};

static void add_rule(void *arg, const struct qr_rule_row *row)
{
    const struct load *load = arg;
    struct qr_err err = {0};
    if (qr_firewall_set(load->firewall, row->database_id, qr_str(row->name), row->start, row->end,
                        &err) != QR_OK)
        QR_LOG(load->log, QR_WARN, "firewall_rule_skipped", QR_F("rule", &row->name[0]),
               QR_F("reason", &err.text[0]));
}

enum qr_status qri_firewall_load(struct qr_firewall *firewall, struct qr_registry *registry,
                                 const struct qr_log *log, struct qr_err *err)
{
    struct load load = {firewall, log};
    return qr_registry_each_rule(registry, add_rule, &load, err);
}

/* ---- changes ---- */

static enum qr_status parse_address(struct qr_str text, uint32_t *ret_address, struct qr_err *err)
{
    char shown[SHOWN_BYTES + 1];
    if (qr_firewall_parse_address(text, ret_address))
        return QR_OK;
    size_t n = text.n < SHOWN_BYTES ? text.n : SHOWN_BYTES;
    memcpy(shown, n == 0 ? "" : text.p, n);
    shown[n] = '\0';
    return qr_sql_fail(err, 40609, shown);
}

enum qr_status qri_firewall_set_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                     struct qr_str start, struct qr_str end, struct qr_err *err)
{
    const struct qri_firewall_host *host = qri_node_firewall(ctx);
    uint32_t first, last;
    QR_TRY(parse_address(start, &first, err));
    QR_TRY(parse_address(end, &last, err));
    if (first > last)
        return qr_sql_fail(err, 40614);
    pthread_mutex_lock(host->mu);
    enum qr_status status =
        qr_registry_set_rule(host->registry, database_id, name, first, last, err);
    if (status == QR_OK)
        status = qr_firewall_set(host->firewall, database_id, name, first, last, err);
    if (status == QR_FULL || status == QR_NOMEM) { /* only a new rule finds no room */
        bool is_full = status == QR_FULL;
        status = qr_registry_remove_rule(host->registry, database_id, name, err);
        if (status == QR_OK)
            status = is_full ? qr_sql_fail(err, 40611) : qr_fail(err, QR_NOMEM, "a firewall rule");
    }
    pthread_mutex_unlock(host->mu);
    if (status == QR_OK)
        QR_LOG(host->log, QR_INFO, "firewall_rule_set", QR_F("rule", name),
               QR_F("database_id", database_id), QR_F("start", start), QR_F("end", end));
    return status;
}

enum qr_status qri_firewall_delete_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                        struct qr_err *err)
{
    const struct qri_firewall_host *host = qri_node_firewall(ctx);
    pthread_mutex_lock(host->mu);
    enum qr_status status = qr_registry_remove_rule(host->registry, database_id, name, err);
    if (status == QR_OK)
        qr_firewall_remove(host->firewall, database_id, name);
    pthread_mutex_unlock(host->mu);
    if (status == QR_OK)
        QR_LOG(host->log, QR_INFO, "firewall_rule_deleted", QR_F("rule", name),
               QR_F("database_id", database_id));
    return status == QR_NOT_FOUND ? QR_OK : status;
}

struct forget {
    struct qr_registry *registry;
    uint32_t database_id;
    struct qr_buf names; /* each ended by a NUL: the registry may not be called while it walks */
};

static void note_name(void *arg, const struct qr_rule_row *row)
{
    struct forget *forget = arg;
    if (row->database_id == forget->database_id)
        qr_buf_add(&forget->names, row->name, strlen(row->name) + 1);
}

void qri_firewall_forget_database(const struct qri_firewall_host *host, uint32_t database_id)
{
    struct forget forget = {host->registry, database_id, {0}};
    qr_buf_init(&forget.names, NAMES_BYTES_MAX);
    pthread_mutex_lock(host->mu);
    enum qr_status status = qr_registry_each_rule(host->registry, note_name, &forget, NULL);
    for (size_t at = 0; status == QR_OK && at < forget.names.len;) {
        const char *name = (const char *)forget.names.data + at;
        status = qr_registry_remove_rule(host->registry, database_id, qr_str(name), NULL);
        at += strlen(name) + 1;
    }
    qr_firewall_remove_all(host->firewall, database_id);
    pthread_mutex_unlock(host->mu);
    if (status != QR_OK) /* its id is never used again */
        QR_LOG(host->log, QR_WARN, "firewall_rules_left", QR_F("database_id", database_id));
    qr_buf_done(&forget.names);
}

/* ---- showing ---- */

struct show {
    uint32_t database_id;
    enum qr_status (*each)(void *each_ctx, const struct qr_firewall_info *info);
    void *each_ctx;
    enum qr_status status;
};

static struct qr_str print_address(uint32_t address, char dst[ADDRESS_BYTES])
{
    snprintf(dst, ADDRESS_BYTES, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
    return qr_str(dst);
}

static void show_rule(void *arg, const struct qr_rule_row *row)
{
    struct show *show = arg;
    char start[ADDRESS_BYTES], end[ADDRESS_BYTES];
    if (row->database_id != show->database_id || show->status != QR_OK)
        return;
    struct qr_firewall_info info = {
        .id = row->id,
        .name = qr_str(row->name),
        .start = print_address(row->start, start),
        .end = print_address(row->end, end),
        .create_ticks = row->create_ticks,
        .modify_ticks = row->modify_ticks,
    };
    show->status = show->each(show->each_ctx, &info);
}

enum qr_status qri_firewall_each_rule(void *ctx, uint32_t database_id,
                                      enum qr_status (*each)(void *each_ctx,
                                                             const struct qr_firewall_info *info),
                                      void *each_ctx)
{
    const struct qri_firewall_host *host = qri_node_firewall(ctx);
    struct show show = {database_id, each, each_ctx, QR_OK};
    QR_TRY(qr_registry_each_rule(host->registry, show_rule, &show, NULL));
    return show.status;
}
