/* schedule.c - see backup/backup.h: what is due */
#include "backup_int.h"
#include "store/archive.h"
#include "base/banned.h"

static const int64_t DAY_NS = INT64_C(86400000000000);

/* Is the log behind the last backup still there? */
static bool log_is_lost(struct qr_store *store, uint64_t log_end, uint64_t full_end)
{
    struct qr_buf some;
    struct qr_lsn end;
    qr_buf_init(&some, QRI_PART_RAW_BYTES_MAX);
    enum qr_status status = qr_archive_log(store, qr_lsn(log_end), 1, &some, &end, NULL);
    if ((status == QR_NOT_FOUND || status == QR_CORRUPT) && full_end > log_end) {
        qr_buf_clear(&some);
        status = qr_archive_log(store, qr_lsn(full_end), 1, &some, &end, NULL);
    }
    qr_buf_done(&some);
    return status == QR_NOT_FOUND || status == QR_CORRUPT;
}

static struct qr_backup_past past_of(const struct qr_backup_catalog *all, struct qr_store *store)
{
    struct qr_timeline timeline = qr_store_timeline(store);
    const struct qr_backup_catalog of = qri_backups_of(all, &timeline), *c = &of;
    struct qr_backup_past past = {.full_ns = 0};
    uint64_t log_end = 0, full_end = 0, head = qr_store_durable_lsn(store).v;
    for (size_t i = 0; i < c->count; i++) {
        const struct qr_backup_row *r = &c->rows[i];
        int64_t *taken = r->kind == QR_BACKUP_FULL   ? &past.full_ns
                         : r->kind == QR_BACKUP_DIFF ? &past.diff_ns
                                                     : &past.log_ns;
        *taken = (int64_t)r->taken_wall_ns;
        if (r->kind == QR_BACKUP_FULL)
            full_end = r->last.v;
        if (r->kind == QR_BACKUP_LOG && r->last.v > log_end)
            log_end = r->last.v;
    }
    log_end = log_end != 0 ? log_end : full_end;
    past.changed = head > log_end;
    past.log_bytes = past.changed ? head - log_end : 0;
    past.broken = qri_check_newest(c, qri_newest_full(c), NULL) != QR_OK ||
                  (past.changed && past.full_ns != 0 && log_is_lost(store, log_end, full_end));
    return past;
}

static enum qr_status run(const struct qr_backup_place *place, struct qr_store *store,
                          const struct qr_backup_policy *policy, int64_t now_ns,
                          struct qr_backup_tick *tick, struct qr_err *err)
{
    struct qr_backup_catalog c;
    QR_TRY(qr_wrap(err, qr_backup_list(place, &c, err), "list backups"));
    struct qr_backup_past past = past_of(&c, store);
    struct qr_backup_due due = qr_backup_next(policy, &past, now_ns);
    if (past.broken)
        QR_LOG(&place->log, QR_WARN, "backup_chain_broken", QR_F("prefix", place->prefix));
    qr_backup_catalog_done(&c);
    tick->next_wall_ns = due.at_ns;
    if (due.at_ns > now_ns)
        return QR_OK;
    QR_TRY(qr_backup_take(place, store, due.kind, &tick->taken, &tick->row, err));
    QR_TRY(qr_wrap(err, qr_backup_list(place, &c, err), "list backups"));
    past = past_of(&c, store);
    tick->next_wall_ns = qr_backup_next(policy, &past, now_ns).at_ns;
    qr_backup_catalog_done(&c);
    return QR_OK;
}

enum qr_status qr_backup_run_due(const struct qr_backup_place *place, struct qr_store *store,
                                 const struct qr_backup_policy *policy, int retention_days,
                                 int64_t sure_wall_ns, struct qr_backup_tick *ret_tick,
                                 struct qr_err *err)
{
    struct qr_env *env = place->env != NULL ? place->env : qr_env_real();
    struct qr_backup_tick tick = {.taken = false};
    int64_t now_ns = qr_env_wall_ns(env);
    if (retention_days < QR_BACKUP_RETENTION_DAYS_MIN ||
        retention_days > QR_BACKUP_RETENTION_DAYS_MAX)
        return qr_fail(err, QR_INVALID, "retention of %d days", retention_days);
    QR_TRY(run(place, store, policy, now_ns, &tick, err));
    int64_t keep_ns = (sure_wall_ns < now_ns ? sure_wall_ns : now_ns) - retention_days * DAY_NS;
    if (tick.taken && keep_ns > 0)
        QR_TRY(qr_backup_expire(place, (uint64_t)keep_ns, &tick.chains_expired, err));
    *ret_tick = tick;
    return QR_OK;
}
