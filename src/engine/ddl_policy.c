/* ddl_policy.c - CREATE and ALTER SECURITY POLICY; see ddl_int.h. What a predicate's function does
 * is asked for here, once: the policy does it for whoever comes later, unless it is not bound. */
#include "access_int.h"
#include "ddl_principal_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

struct policy {
    struct qri_ddl_stmt s;
    const struct qr_ast_security_policy *ast;
    struct qr_cat_object object;
    size_t capacity;
};

static const char *noun_of(bool is_block)
{
    return is_block ? "BLOCK" : "FILTER";
}

/* ---- names ---- */

/* What a bound policy names it names with its schema: 4512. */
static enum qr_status want_two_parts(const struct policy *p, const struct qr_ast_name *name)
{
    if (!p->object.is_schema_bound || name->count > 1)
        return QR_OK;
    return qr_sql_fail(p->s.err, 4512, "security policy", qri_z(p->s.arena, p->object.name),
                       qri_ddl_spell(p->s.arena, name));
}

static enum qr_status want_bound(const struct policy *p, const struct qr_cat_object *object)
{
    if (!p->object.is_schema_bound || object->is_schema_bound)
        return QR_OK;
    return qr_sql_fail(p->s.err, 4513, "security policy", qri_z(p->s.arena, p->object.name),
                       qri_z(p->s.arena, object->name));
}

static enum qr_status find_target(const struct policy *p, const struct qr_ast_predicate *ast,
                                  const struct qr_cat_object **ret_object)
{
    struct qri_target target;
    struct qr_err *err = p->s.err;
    const char *name = qri_ddl_spell(p->s.arena, &ast->table);
    if (qri_name_is_temp(&ast->table))
        return qr_sql_fail(err, 33269);
    enum qr_status status = qri_ddl_resolve(p->s.ddl, &ast->table, &target, err);
    if (status != QR_OK && status != QR_SQL)
        return status;
    if (status == QR_SQL || target.object == NULL)
        return qr_sql_fail(err, 33268, name);
    QR_TRY(want_two_parts(p, &ast->table));
    const struct qr_cat_object *object = *ret_object = target.object;
    bool is_view = object->type == QR_CAT_VIEW;
    if (object->type != QR_CAT_TABLE && !(is_view && object->is_schema_bound))
        return qr_sql_fail(err, 33263, name);
    return is_view && ast->is_block ? qr_sql_fail(err, 33503, name) : QR_OK;
}

static enum qr_status find_function(const struct policy *p, const struct qr_ast_predicate *ast,
                                    const struct qr_cat_object **ret_function)
{
    struct qri_target target;
    enum qr_status status = qri_ddl_resolve(p->s.ddl, &ast->function, &target, p->s.err);
    if (status != QR_OK && status != QR_SQL)
        return status;
    if (status == QR_SQL || target.object == NULL || target.object->type != QR_CAT_FN_INLINE)
        return qr_sql_fail(p->s.err, 33270, qri_ddl_spell(p->s.arena, &ast->function));
    QR_TRY(want_two_parts(p, &ast->function));
    *ret_function = target.object;
    return want_bound(p, target.object);
}

/* ---- predicates ---- */

/* SELECT and REFERENCES on the function, REFERENCES on the columns that it is given; and whatever
 * the arguments call. */
static enum qr_status want_accesses(struct policy *p, const struct qr_plan_accesses *accesses,
                                    const struct qr_cat_object *target)
{
    struct qr_session *session = qri_ddl_session(p->s.ddl);
    if (session->is_owner)
        return QR_OK;
    QR_TRY(qri_access_settle(session, p->s.err));
    for (size_t i = 0; i < accesses->count; i++) {
        const struct qr_plan_access *a = &accesses->items[i];
        if (a->through != NULL)
            continue;
        if (a->object != target) {
            const struct qr_plan_accesses one = {.items = a, .count = 1};
            QR_TRY(qri_want_accesses(session, NULL, &one, p->s.err));
            QR_TRY(qri_want_object(session, a->object, QR_MAY_REFERENCES, p->s.err));
            continue;
        }
        for (uint32_t id = 1; id <= a->selects.bytes * 8; id++)
            if ((a->selects.bits[(id - 1) / 8] & 1 << (id - 1) % 8) != 0 &&
                !qri_may_column(session, target, id, QR_MAY_REFERENCES))
                return qri_want_object(session, target, QR_MAY_REFERENCES, p->s.err);
    }
    return QR_OK;
}

static bool overlaps(const struct qr_cat_predicate *a, const struct qr_cat_predicate *b)
{
    return a->target_id == b->target_id && a->is_block == b->is_block &&
           (a->operation == b->operation || a->operation == QR_POLICY_ALL ||
            b->operation == QR_POLICY_ALL);
}

static enum qr_status make(struct policy *p, const struct qr_ast_predicate *ast,
                           const struct qr_cat_object *target, struct qr_cat_predicate *made)
{
    const struct qr_cat_object *function = NULL;
    struct qr_plan_accesses accesses = {0};
    const struct qr_bind_env *env = p->s.ddl->env;
    QR_TRY(find_function(p, ast, &function));
    for (size_t i = 0; i < ast->args.count; i++)
        if (ast->args.items[i]->kind == QR_AE_SUBQUERY)
            return qr_sql_fail(p->s.err, 1046);
    made->function_id = function->object_id;
    made->text = qri_normal_text(p->s.arena, ast->call_text, env->options.quoted_identifier);
    QR_TRY(qr_tsql_check_predicate(p->s.arena, env, &p->object, made, target, &accesses, p->s.err));
    return want_accesses(p, &accesses, target);
}

static enum qr_status add(struct policy *p, const struct qr_ast_predicate *ast)
{
    struct qr_cat_object *o = &p->object;
    const struct qr_cat_object *target = NULL;
    QR_TRY(find_target(p, ast, &target));
    struct qr_cat_predicate made = {.predicate_id = o->next_predicate_id,
                                    .target_id = target->object_id,
                                    .is_block = ast->is_block,
                                    .operation = ast->operation};
    for (size_t i = 0; i < o->predicate_count; i++)
        if (overlaps(&o->predicates[i], &made))
            return qr_sql_fail(p->s.err, 33262, noun_of(made.is_block),
                               qri_ddl_spell(p->s.arena, &ast->table), qri_z(p->s.arena, o->name));
    QR_TRY(make(p, ast, target, &made));
    void *moved = qr_arena_grow(p->s.arena, o->predicates, o->predicate_count, &p->capacity,
                                o->predicate_count + 1, sizeof *o->predicates);
    if (moved == NULL)
        return qr_fail(p->s.err, QR_NOMEM, "security policy");
    o->predicates = moved;
    o->predicates[o->predicate_count++] = made;
    o->next_predicate_id++;
    return QR_OK;
}

/* ALTER or DROP of the one of that kind, for that table and operation. */
static enum qr_status change(struct policy *p, const struct qr_ast_predicate *ast)
{
    struct qr_cat_object *o = &p->object;
    const struct qr_cat_object *target = NULL;
    QR_TRY(find_target(p, ast, &target));
    size_t i = 0;
    while (i < o->predicate_count && !(o->predicates[i].target_id == target->object_id &&
                                       o->predicates[i].is_block == ast->is_block &&
                                       o->predicates[i].operation == ast->operation))
        i++;
    if (i == o->predicate_count)
        return qr_sql_fail(p->s.err, 33261, qri_z(p->s.arena, o->name),
                           qri_ddl_spell(p->s.arena, &ast->table));
    if (ast->action == QR_PREDICATE_ALTER)
        return make(p, ast, target, &o->predicates[i]);
    for (size_t k = i + 1; k < o->predicate_count; k++)
        o->predicates[k - 1] = o->predicates[k];
    o->predicate_count--;
    return QR_OK;
}

/* A table has predicates of one enabled policy: 33264. */
static enum qr_status want_alone(const struct policy *p)
{
    const struct qr_catalog *cat = &(*p->s.catalog)->cat;
    for (size_t i = 0; !p->object.is_disabled && i < p->object.predicate_count; i++) {
        const struct qr_cat_object *target = qr_cat_by_id(cat, p->object.predicates[i].target_id);
        for (size_t k = 0; target != NULL && k < target->policy_count; k++) {
            const struct qr_cat_object *other = target->policies[k];
            const char *name = qri_z(p->s.arena, target->name);
            if (!other->is_disabled && other->object_id != p->object.object_id)
                return qr_sql_fail(p->s.err, 33264, qri_z(p->s.arena, p->object.name), name, name,
                                   qri_z(p->s.arena, other->name));
        }
    }
    return QR_OK;
}

/* ---- the policy ---- */

static enum qr_status create(struct policy *p, const struct qri_target *target)
{
    QR_TRY(qri_ddl_want_free(target, p->s.err));
    p->object = (struct qr_cat_object){.object_id = qri_new_object_id(&p->s),
                                       .schema_id = target->schema_id,
                                       .name = target->name,
                                       .type = QR_CAT_POLICY,
                                       .storage = QR_STORE_HEAP,
                                       .is_schema_bound = p->ast->schema_bound != QR_NO,
                                       .next_predicate_id = 1,
                                       .create_ticks = p->s.ddl->now_ticks};
    return QR_OK;
}

static enum qr_status alter(struct policy *p, const struct qri_target *target)
{
    const struct qr_cat_object *old = target->object;
    const char *name = qri_ddl_spell(p->s.arena, &p->ast->name);
    if (old == NULL)
        return qr_sql_fail(p->s.err, 33268, name);
    if (old->type != QR_CAT_POLICY)
        return qr_sql_fail(p->s.err, 33271, name);
    p->object = *old;
    p->capacity = old->predicate_count + 1;
    p->object.predicates = qr_arena_array(p->s.arena, p->capacity, sizeof *old->predicates);
    if (p->object.predicates == NULL)
        return qr_fail(p->s.err, QR_NOMEM, "security policy");
    if (old->predicate_count > 0)
        memcpy(p->object.predicates, old->predicates,
               old->predicate_count * sizeof *old->predicates);
    return QR_OK;
}

enum qr_status qri_ddl_policy(struct qri_ddl *ddl, const struct qr_ast_stmt *stmt,
                              struct qr_err *err)
{
    struct policy p = {.ast = (const struct qr_ast_security_policy *)stmt};
    struct qri_target target;
    QR_TRY(qri_ddl_resolve(ddl, &p.ast->name, &target, err));
    if (target.is_temp)
        return qr_sql_fail(err, 33269);
    QR_TRY(qri_ddl_begin(&p.s, ddl, false, err));
    QR_TRY(p.ast->action == QR_ACTION_CREATE ? create(&p, &target) : alter(&p, &target));
    if (p.ast->state != QR_UNSAID)
        p.object.is_disabled = p.ast->state == QR_NO;
    if (p.ast->not_for_replication != QR_UNSAID || p.ast->action == QR_ACTION_CREATE)
        p.object.not_for_replication = p.ast->not_for_replication == QR_YES;
    p.object.modify_ticks = ddl->now_ticks;
    for (size_t i = 0; i < p.ast->count; i++)
        QR_TRY(p.ast->predicates[i].action == QR_PREDICATE_ADD ? add(&p, &p.ast->predicates[i])
                                                               : change(&p, &p.ast->predicates[i]));
    QR_TRY(want_alone(&p));
    QR_TRY(qri_change_put_object(&p.s.change, &p.object, err));
    return qri_ddl_commit(&p.s);
}
