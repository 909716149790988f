/* ddl_run.c - which function runs which DDL statement; see catalog_int.h. */
#include "ddl_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

typedef enum qr_status ddl_fn(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                              struct qr_err *err);

static ddl_fn *const statements[QR_AS_KIND_COUNT] = {
    [QR_AS_CREATE_TABLE] = qri_ddl_create_table,
    [QR_AS_ALTER_TABLE] = qri_ddl_alter_table,
    [QR_AS_CREATE_INDEX] = qri_ddl_create_index,
    [QR_AS_ALTER_INDEX] = qri_ddl_alter_index,
    [QR_AS_VIEW] = qri_ddl_view,
    [QR_AS_PROCEDURE] = qri_ddl_procedure,
    [QR_AS_FUNCTION] = qri_ddl_function,
    [QR_AS_TRIGGER] = qri_ddl_trigger,
    [QR_AS_ENABLE_TRIGGER] = qri_ddl_enable_trigger,
    [QR_AS_CREATE_SCHEMA] = qri_ddl_create_schema,
    [QR_AS_ALTER_SCHEMA] = qri_ddl_alter_schema,
    [QR_AS_CREATE_TYPE] = qri_ddl_create_type,
    [QR_AS_SEQUENCE] = qri_ddl_sequence,
    [QR_AS_CREATE_SYNONYM] = qri_ddl_synonym,
    [QR_AS_SECURITY_POLICY] = qri_ddl_policy,
    [QR_AS_CREATE_STATISTICS] = qri_ddl_statistics,
    [QR_AS_UPDATE_STATISTICS] = qri_ddl_statistics,
    [QR_AS_DROP] = qri_ddl_drop,
    [QR_AS_PRINCIPAL] = qri_ddl_principal,
    [QR_AS_PERMISSION] = qri_ddl_permission,
    [QR_AS_AUTHORIZATION] = qri_ddl_authorization,
};

bool qri_ddl_handles(enum qr_ast_stmt_kind kind)
{
    return (unsigned)kind < QR_AS_KIND_COUNT && statements[kind] != NULL;
}

bool qri_ddl_is_temp_only(const struct qr_ast_stmt *stmt)
{
    switch ((int)stmt->kind) {
    case QR_AS_CREATE_TABLE:
        return qri_name_is_temp(&((const struct qr_ast_create_table *)stmt)->name);
    case QR_AS_ALTER_TABLE:
        return qri_name_is_temp(&((const struct qr_ast_alter_table *)stmt)->name);
    case QR_AS_CREATE_INDEX:
        return qri_name_is_temp(&((const struct qr_ast_create_index *)stmt)->table);
    case QR_AS_ALTER_INDEX:
        return qri_name_is_temp(&((const struct qr_ast_alter_index *)stmt)->table);
    case QR_AS_CREATE_STATISTICS:
        return qri_name_is_temp(&((const struct qr_ast_create_statistics *)stmt)->table);
    case QR_AS_UPDATE_STATISTICS:
        return qri_name_is_temp(&((const struct qr_ast_update_statistics *)stmt)->table);
    case QR_AS_DROP: {
        const struct qr_ast_drop *drop = (const struct qr_ast_drop *)stmt;
        for (size_t i = 0; i < drop->count; i++)
            if (!qri_name_is_temp(&drop->items[i].name) &&
                !(drop->items[i].on.count > 0 && qri_name_is_temp(&drop->items[i].on)))
                return false;
        return true;
    }
    default:
        return false;
    }
}

/* A constraint that cannot be made or dropped ends with a second error that says no more than that.
 */
static int summary_of(enum qr_ast_stmt_kind kind, int number)
{
    static const int made[] = {1505, 1752, 1753, 1754, 1755, 1757, 1759, 1761, 1762,
                               1763, 1764, 1767, 1768, 1769, 1770, 1773, 1774, 1776,
                               1778, 1779, 1781, 1785, 1902, 1904, 1911, 1919, 8111,
                               8139, 8141, 8147, 8148, 8149, 8150, 8151};
    if (kind != QR_AS_CREATE_TABLE && kind != QR_AS_ALTER_TABLE)
        return 0;
    if (number == 3728 || number == 3725)
        return 3727;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (made[i] == number)
            return 1750;
    return 0;
}

enum qr_status qri_ddl_run(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    if (!qri_ddl_handles(stmt->kind))
        return qr_sql_fail(err, 40510, qr_ast_stmt_command(stmt->kind));
    QR_TRY(ddl->want(ddl->ctx, ddl, stmt, err));
    enum qr_status status = statements[stmt->kind](ddl, stmt, err);
    int summary = status == QR_SQL ? summary_of(stmt->kind, err->number) : 0;
    if (summary == 0)
        return status;
    QR_TRY(ddl->inform(ddl->ctx, err));
    qr_err_reset(err);
    return qr_sql_fail(err, summary);
}

enum qr_status qri_ddl_begin(struct qri_ddl_stmt *s, struct qri_ddl *ddl, bool is_temp,
                             struct qr_err *err)
{
    *s = (struct qri_ddl_stmt){.ddl = ddl,
                               .is_temp = is_temp,
                               .catalog = is_temp ? ddl->temp : ddl->main,
                               .arena = ddl->arena,
                               .err = err};
    if (is_temp && *ddl->temp == NULL)
        QR_TRY(qri_catalog_new_temp(ddl->temp, err));
    qri_change_init(&s->change, ddl->arena, *s->catalog);
    return QR_OK;
}

/* A table's changes before the commit of its trigger would not fire it: whoever made some ends
 * first. */
static enum qr_status lock_triggers_table(struct qri_ddl_stmt *s, const struct qri_catalog *before,
                                          const struct qr_cat_object *trigger)
{
    const struct qr_cat_object *table = qr_cat_by_id(&before->cat, trigger->parent_object_id);
    return table != NULL && table->type == QR_CAT_TABLE
               ? s->ddl->lock(s->ddl->ctx, table->object_id, s->err)
               : QR_OK;
}

/* The same of predicates, those that it had and those that it gets. */
static enum qr_status lock_targets(struct qri_ddl_stmt *s, const struct qr_cat_object *policy)
{
    for (size_t i = 0; policy != NULL && i < policy->predicate_count; i++)
        QR_TRY(s->ddl->lock(s->ddl->ctx, policy->predicates[i].target_id, s->err));
    return QR_OK;
}

/* The tables that were there before; a foreign key that is new has to hold at both its ends. */
static enum qr_status lock_changed(struct qri_ddl_stmt *s, const struct qri_catalog *before)
{
    struct qri_ddl *ddl = s->ddl;
    for (size_t i = 0; i < s->change.count; i++) {
        const struct qri_record *record = &s->change.records[i];
        if (record->kind != QRI_REC_OBJECT)
            continue;
        const struct qr_cat_object *old = qr_cat_by_id(&before->cat, record->id);
        const struct qr_cat_object *now = qr_cat_by_id(&(*s->catalog)->cat, record->id);
        const struct qr_cat_object *any = old != NULL ? old : now;
        if (any != NULL && any->type == QR_CAT_TRIGGER)
            QR_TRY(lock_triggers_table(s, before, any));
        QR_TRY(lock_targets(s, old));
        QR_TRY(lock_targets(s, now));
        if (old == NULL || old->type != QR_CAT_TABLE)
            continue;
        QR_TRY(ddl->lock(ddl->ctx, old->object_id, s->err));
        for (size_t k = 0; now != NULL && now->fk_count > old->fk_count && k < now->fk_count; k++)
            QR_TRY(ddl->lock(ddl->ctx, now->fks[k].referenced_object_id, s->err));
    }
    return QR_OK;
}

enum qr_status qri_ddl_commit(struct qri_ddl_stmt *s)
{
    struct qri_catalog *before = s->is_temp ? NULL : qri_catalog_ref(*s->catalog);
    enum qr_status status =
        qri_change_apply(&s->change, s->is_temp ? NULL : s->ddl->conn, s->catalog, s->err);
    if (status == QR_OK && before != NULL)
        status = lock_changed(s, before);
    qri_catalog_unref(before);
    return status;
}
