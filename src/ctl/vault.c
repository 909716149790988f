/* vault.c - see control_int.h: long-term backups, made when a policy (ctl/keep.h) says so, on a
 * thread of its own.
 *
 * One is a row in state KEPT, with a timeline and storage that nothing else uses: of a database in
 * files a copy of its backups, of a Hyperscale database a branch that nobody opens. So it outlives
 * its database. The row is PURGING while it is made: what a crash leaves, the retention thread
 * takes for what it is. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "control_int.h"
#include "ctl/peer.h"
#include "base/banned.h"

static const int64_t LOOK_NS = INT64_C(2) * 1000000000, FAILED_NS = INT64_C(30) * 1000000000,
                     TIME_NS = INT64_C(60) * 1000000000, FAILED_NS_MAX = INT64_C(3600) * 1000000000,
                     FILES_NS = INT64_C(24) * 3600 * 1000000000; /* by size of the data */
enum { POLICY_NAME_BYTES = QR_GUID_TEXT_BYTES + sizeof QRI_LONG_POLICY };

/* A database whose backup has failed. */
struct qri_vault_wait {
    struct qri_vault_wait *next;
    uint32_t id;
    int64_t until_ns, pause_ns;
};

/* ---- policies ---- */

static bool take_span(const json_t *doc, const char *name, struct qr_keep_span *ret_span)
{
    const char *text = json_string_value(json_object_get(doc, name));
    return text != NULL && qr_keep_span_parse(qr_str(text), ret_span);
}

enum qr_status qri_vault_policy(struct qr_control *control, const char *guid,
                                struct qr_keep_policy *ret_policy, struct qr_err *err)
{
    char name[POLICY_NAME_BYTES];
    json_t *doc = NULL;
    struct qr_keep_policy p = {.week_of_year = 0};
    snprintf(name, sizeof name, "%s" QRI_LONG_POLICY, guid);
    enum qr_status status = qri_docs_read(control, QR_DOC_POLICY, qr_str(name), &doc, NULL);
    if (status == QR_NOT_FOUND) {
        *ret_policy = p;
        return QR_OK;
    }
    json_int_t week = json_integer_value(json_object_get(doc, "weekOfYear"));
    bool good = take_span(doc, "weeklyRetention", &p.weekly) &&
                take_span(doc, "monthlyRetention", &p.monthly) &&
                take_span(doc, "yearlyRetention", &p.yearly) && week >= 0 &&
                week <= QR_KEEP_WEEK_MAX;
    json_decref(doc);
    p.week_of_year = good ? (uint32_t)week : 0;
    if (status != QR_OK || !good || !qr_keep_policy_is_whole(&p))
        return qr_fail(err, QR_CORRUPT, "metadata: '%s' is no policy of long-term retention", name);
    *ret_policy = p;
    return QR_OK;
}

/* ---- making one ---- */

static enum qr_status make_storage(struct qr_control *control, const struct qr_database_row *kept,
                                   const struct qr_database_row *source, struct qr_err *err)
{
    const struct qr_control_host *host = &control->options.host;
    struct qr_rpc_peer *peer = NULL;
    if (qr_database_is_hyper(source)) {
        QR_TRY(host->want(host->ctx, QR_ROLE_NAME_LOG, err));
        QR_TRY(host->want(host->ctx, QR_ROLE_NAME_PAGE, err));
        struct qr_control_ask as_it_is = {.copy_of = qr_str(source->name)};
        return qri_copy_branch(control, source, &as_it_is, kept, err);
    }
    int64_t until = qr_env_mono_ns(control->options.env) + TIME_NS;
    enum qr_status status;
    QR_TRY(qri_copy_node(control, source, &peer, err));
    do
        status = qr_node_keep(peer, kept, source, FILES_NS, err);
    while (status != QR_CORRUPT && qri_control_repeats(control, status, until));
    return status;
}

/* Claimed: nothing else happens to the database meanwhile. */
static enum qr_status make(struct qr_control *control, const struct qr_database_row *source,
                           int64_t expires_wall_ns, struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row kept;
    atomic_store(&control->vault_makes, true); /* before the row can be seen */
    enum qr_status status = qr_registry_add_kept(registry, source, expires_wall_ns, &kept, err);
    bool added = status == QR_OK;
    if (added)
        status = make_storage(control, &kept, source, err);
    if (status == QR_OK)
        status = qr_registry_set_kept(registry, &kept, source->id, err);
    if (status == QR_OK)
        QR_LOG(&control->options.log, QR_INFO, "long_backup_made", QR_F("db", &source->name[0]),
               QR_F("id", &kept.guid[0]));
    atomic_store(&control->vault_makes, false); /* what has failed the retention thread purges */
    return status;
}

/* ---- databases whose backup has failed: later, and later again ---- */

static struct qri_vault_wait **wait_of(struct qr_control *control, uint32_t id)
{
    struct qri_vault_wait **at = &control->vault_waits;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void forget_wait(struct qr_control *control, uint32_t id)
{
    struct qri_vault_wait **at = wait_of(control, id), *gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    free(gone);
}

static void wait_longer(struct qr_control *control, uint32_t id)
{
    struct qri_vault_wait **at = wait_of(control, id);
    if (*at == NULL && (*at = calloc(1, sizeof **at)) == NULL)
        return; /* asked again at the next look */
    (*at)->id = id;
    (*at)->pause_ns = (*at)->pause_ns == 0 ? FAILED_NS : 2 * (*at)->pause_ns;
    if ((*at)->pause_ns > FAILED_NS_MAX)
        (*at)->pause_ns = FAILED_NS_MAX;
    (*at)->until_ns = qr_env_mono_ns(control->options.env) + (*at)->pause_ns;
}

/* ---- the thread ---- */

static bool is_due(struct qr_control *control, const struct qr_database_row *row,
                   int64_t *ret_expires, enum qr_status *ret_status, struct qr_err *err)
{
    struct qr_keep_policy policy;
    *ret_status = QR_OK;
    if (row->state != QR_DATABASE_ONLINE || row->replica_of != 0 || row->geo_of != 0 ||
        qr_is_master(row->id))
        return false;
    *ret_status = qri_vault_policy(control, row->guid, &policy, err);
    return *ret_status == QR_OK && !qr_keep_policy_is_off(&policy) &&
           qr_keep_due(&policy, row->kept_wall_ns, qr_env_wall_ns(control->options.env),
                       ret_expires);
}

static void look_at(struct qr_control *control, uint32_t id)
{
    struct qr_database_row row;
    struct qri_claim claim;
    struct qr_err err = {0};
    enum qr_status status = QR_OK;
    int64_t expires = 0;
    const struct qri_vault_wait *wait = *wait_of(control, id);
    if ((wait != NULL && qr_env_mono_ns(control->options.env) < wait->until_ns) ||
        qr_registry_find_id(control->options.registry, id, &row) != QR_OK ||
        (!is_due(control, &row, &expires, &status, &err) && status == QR_OK))
        return;
    if (status == QR_OK) {
        if (!qri_control_try_claim(control, &claim, id))
            return; /* at the next look */
        /* it may have gone, or its policy, before the claim */
        if (qr_registry_find_id(control->options.registry, id, &row) == QR_OK &&
            is_due(control, &row, &expires, &status, &err))
            status = make(control, &row, expires, &err);
        qri_control_unclaim(control, &claim);
    }
    if (status == QR_OK) {
        forget_wait(control, id);
        return;
    }
    wait_longer(control, id);
    if (!control->stopping)
        QR_LOG(&control->options.log, QR_WARN, "long_backup_failed", QR_F("db", &row.name[0]),
               QR_F("reason", &err.text[0]));
}

static void look(struct qr_control *control)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    uint32_t after = 0;
    while (!control->stopping &&
           qr_registry_database_at(registry, qr_registry_index_after(registry, after), &row)) {
        after = row.id;
        if (qr_database_is_live(&row))
            look_at(control, row.id);
    }
}

enum qr_status qri_vault_start(struct qr_control *control, struct qr_err *err)
{
    return qri_rounds_start(&control->vault, control, "qr-vault", LOOK_NS, look, err);
}

void qri_vault_stop(struct qr_control *control)
{
    qri_rounds_stop(&control->vault);
    while (control->vault_waits != NULL)
        forget_wait(control, control->vault_waits->id);
}

/* ---- what becomes of them ---- */

void qri_vault_note_drop(struct qr_control *control, const struct qr_database_row *dropped)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qr_err err = {0};
    for (size_t i = 0; qr_registry_database_at(registry, i, &row); i++)
        if (row.state == QR_DATABASE_KEPT && row.dropped_wall_ns == 0 &&
            strcmp(row.kept_of, dropped->guid) == 0 &&
            qr_registry_set_kept_drop(registry, row.id, dropped->dropped_wall_ns, &err) != QR_OK)
            QR_LOG(&control->options.log, QR_WARN, "long_backup_not_marked",
                   QR_F("id", &row.guid[0]), QR_F("reason", &err.text[0]));
}

enum qr_status qri_vault_unkeep(struct qr_control *control, const struct qr_control_ask *ask,
                                struct qr_err *err)
{
    struct qr_registry *registry = control->options.registry;
    struct qr_database_row row;
    struct qri_claim claim;
    if (qr_registry_find_kept(registry, ask->kept, &row) != QR_OK)
        return qr_fail(err, QR_NOT_FOUND, "There is no such long-term backup.");
    if (!qri_control_try_claim(control, &claim, row.id))
        return qr_fail(err, QR_BUSY, "The long-term backup is just being restored.");
    enum qr_status status = qr_registry_find_kept(registry, ask->kept, &row);
    if (status == QR_OK) {
        status = qr_registry_set_state(registry, row.id, QR_DATABASE_PURGING, err);
        if (status == QR_OK)
            (void)!qri_retention_purge(control, &row, NULL); /* the thread goes on with it */
    }
    qri_control_unclaim(control, &claim);
    return status == QR_NOT_FOUND ? QR_OK : status;
}
