/* bind_policy.c - predicates of security policies; see bind_int.h
 *
 * A filtered table stands in a statement as a query, as a view of it would:
 *   SELECT * FROM t WHERE EXISTS (SELECT 1 FROM f(column, ...))
 * and a block predicate is a query of the plan that changes the table, which gives a row when one
 * of those that were changed is not allowed:
 *   SELECT 1 FROM inserted WHERE NOT EXISTS (SELECT 1 FROM f(column, ...))
 * What a predicate itself reads is not filtered. Nothing is asked for what a schema-bound one does.
 */
#include "emit_int.h"
#include "policy_int.h"

#include "base/banned.h"

static const struct qri_frame no_vars = {.hides_vars = true};

static const struct qr_cat_predicate *filter_of(const struct qr_cat_object *object,
                                                const struct qr_cat_object **ret_policy)
{
    for (size_t i = 0; i < object->policy_count; i++) {
        const struct qr_cat_object *policy = *ret_policy = object->policies[i];
        for (size_t k = 0; !policy->is_disabled && k < policy->predicate_count; k++)
            if (!policy->predicates[k].is_block &&
                policy->predicates[k].target_id == object->object_id)
                return &policy->predicates[k];
    }
    return NULL;
}

/* What was done since `last` is done by the policy, and nobody is asked for it. */
static void forget_uses(struct qri_compile *c, struct qri_use *last)
{
    c->last_use = last;
    *(last == NULL ? &c->uses : &last->next) = NULL;
}

/* A text with the call in it, which is kept in parentheses. */
static enum qr_status call_text(struct qri_compile *c, const char *before,
                                const struct qr_cat_predicate *p, const char *after,
                                struct qr_str *ret_text)
{
    struct qr_str call = p->text;
    if (call.n < 2 || call.p[0] != '(')
        return qr_fail(c->err, QR_CORRUPT, "text of predicate %u", (unsigned)p->predicate_id);
    const char *text =
        qr_arena_printf(c->arena, "%s%.*s%s", before, (int)call.n - 2, call.p + 1, after);
    if (text == NULL)
        return qri_nomem(c);
    *ret_text = qr_str(text);
    return QR_OK;
}

/* Who changed what an unbound policy names has to change the policy, too. */
static enum qr_status explain(struct qri_compile *c, const struct qr_cat_object *policy,
                              const struct qr_cat_object *object, enum qr_status status)
{
    if (status != QR_SQL || policy->is_schema_bound)
        return status;
    return qr_sql_fail(c->err, 33512, qri_text_z(c, object->name));
}

/* ---- filters ---- */

static bool is_plain(const struct qri_query *q)
{
    return q->kind == QRI_QUERY_SELECT && !q->is_grouped && !q->has_window && q->set_count == 0 &&
           q->top.amount == NULL && q->offset == NULL && q->fetch == NULL && q->for_inner == NULL;
}

/* EXISTS (SELECT 1 FROM f(...)) where f is SELECT ... WHERE without a FROM: its WHERE. */
static const struct qr_expr *simplified(const struct qr_expr *exists)
{
    const struct qri_leaf *leaf = qri_leaf_of(exists);
    const struct qri_query *q = leaf == NULL ? NULL : leaf->query;
    if (q == NULL || !is_plain(q) || q->from_count != 1 || q->where != NULL ||
        q->from[0]->kind != QRI_SOURCE_QUERY)
        return exists;
    const struct qri_query *inner = q->from[0]->query;
    return is_plain(inner) && inner->from_count == 0 ? inner->where : exists;
}

/* The predicate over the rows of the query's scope; NULL: all of them. */
static enum qr_status bind_predicate(struct qri_compile *c, const struct qr_cat_object *policy,
                                     const struct qr_cat_predicate *p, struct qri_query *query)
{
    struct qri_compile saved = *c;
    struct qr_str text = {0};
    QR_TRY(call_text(c, "EXISTS(SELECT 1 FROM ", p, ")", &text));
    c->scope = query->scope;
    c->clause = QRI_CLAUSE_WHERE;
    c->ctes = NULL;
    c->frame = &no_vars;
    c->schema_id = policy->schema_id;
    c->in_predicate = true;
    c->system_time = NULL;
    QR_TRY(qri_text_expr(c, text, true, &query->where));
    query->where = simplified(query->where);
    if (policy->is_schema_bound)
        forget_uses(c, saved.last_use);
    c->scope = saved.scope;
    c->clause = saved.clause;
    c->ctes = saved.ctes;
    c->frame = saved.frame;
    c->schema_id = saved.schema_id;
    c->in_predicate = saved.in_predicate;
    c->system_time = saved.system_time;
    c->b.line = saved.b.line;
    return QR_OK;
}

/* SELECT * FROM object, whose own filter is left out, with its hidden columns. */
static enum qr_status bind_all_rows(struct qri_compile *c, const struct qri_object *found,
                                    struct qri_query **ret_query)
{
    static const struct qr_tsql_options options = {.quoted_identifier = true};
    static const char text[] = "SELECT * FROM s.t";
    struct qr_tsql_batch *batch = NULL;
    struct qri_scope *barrier = NULL;
    const struct qr_cat_schema *schema =
        qr_cat_schema_by_id(c->env->catalog, found->object->schema_id);
    QR_TRY(qr_tsql_parse(c->arena, text, sizeof text - 1, &options, &batch, c->err));
    struct qr_ast_select *select =
        (struct qr_ast_select *)((struct qr_ast_select_stmt *)batch->stmts.items[0])->query;
    struct qr_ast_name *name = &((struct qr_ast_table_source *)select->from.items[0])->name;
    name->parts[0].text = schema == NULL ? qr_str("dbo") : schema->name;
    name->parts[1].text = found->object->name;
    if (c->scope != NULL) {
        barrier = qri_scope_new(c, c->scope, NULL);
        if (barrier == NULL)
            return qri_nomem(c);
        barrier->is_barrier = true;
    }
    bool lateral = c->lateral, is_top = c->is_top_query;
    int line = c->b.line;
    c->filtering = found->object;
    c->apply_scope = NULL;
    c->lateral = c->is_top_query = false;
    QR_TRY(qri_bind_query(c, &select->head, barrier, ret_query));
    c->lateral = lateral;
    c->is_top_query = is_top;
    c->b.line = line;
    return QR_OK;
}

bool qri_is_filtered(const struct qri_compile *c, const struct qri_object *found)
{
    const struct qr_cat_object *policy = NULL;
    return !found->is_temp && !found->is_system && !c->in_predicate &&
           c->filtering != found->object && filter_of(found->object, &policy) != NULL;
}

enum qr_status qri_filtered_source(struct qri_compile *c, const struct qri_object *found,
                                   struct qri_source **ret_source)
{
    const struct qr_cat_object *policy = NULL, *object = found->object;
    const struct qr_cat_predicate *p = filter_of(object, &policy);
    struct qri_query *query = NULL;
    QR_TRY(bind_all_rows(c, found, &query));
    struct qri_source *inner = query->from[0], *source = NULL;
    QR_TRY(explain(c, policy, object, bind_predicate(c, policy, p, query)));
    c->is_filtered = true;
    QR_TRY(qri_query_source(c, query, NULL, object->name, &source));
    source->module = object;
    source->is_filter = true;
    for (size_t i = 0; object->type == QR_CAT_TABLE && i < source->column_count; i++)
        source->columns[i].flags |= object->columns[i].is_hidden ? QR_COLUMN_HIDDEN : 0;
    source->schema = inner->schema;
    if (inner->use != NULL) { /* what the statement names is read of the object itself */
        struct qri_use *use = inner->use;
        inner->use = NULL;
        use->selects = (struct qri_columns){0};
        use->synonym = found->synonym;
        QR_TRY(qri_use_named(c, source, use));
    }
    *ret_source = source;
    return QR_OK;
}

/* ---- blocks ---- */

/* Which change a predicate is asked about, as a bit of enum qri_change; 0: none of these. */
static unsigned changes_of(unsigned operation)
{
    static const uint8_t changes[] = {
        [QR_POLICY_AFTER_INSERT] = QRI_CHANGE_INSERT,
        [QR_POLICY_AFTER_UPDATE] = QRI_CHANGE_UPDATE,
        [QR_POLICY_BEFORE_UPDATE] = QRI_CHANGE_UPDATE,
        [QR_POLICY_BEFORE_DELETE] = QRI_CHANGE_DELETE,
    };
    return changes[operation];
}

static unsigned changes_of_plan(enum qr_plan_kind kind)
{
    switch ((int)kind) {
    case QR_PLAN_INSERT:
        return QRI_CHANGE_INSERT;
    case QR_PLAN_UPDATE:
        return QRI_CHANGE_UPDATE;
    case QR_PLAN_DELETE:
        return QRI_CHANGE_DELETE;
    default:
        return QRI_CHANGE_INSERT | QRI_CHANGE_UPDATE | QRI_CHANGE_DELETE;
    }
}

/* What the part reads is read by the statement. */
static enum qr_status adopt(struct qri_compile *c, const struct qri_compile *part, bool with_uses)
{
    for (size_t i = 0; i < part->depend_count; i++)
        QR_TRY(qri_depend(c, part->depends[i]));
    for (size_t i = 0; i < part->prelock_count; i++)
        QR_TRY(qri_push_prelock(c, &part->prelocks[i]));
    c->locks_rows |= part->locks_rows;
    c->reads_user_tables |= part->reads_user_tables;
    c->has_udf |= part->has_udf;
    c->udf_reads |= part->udf_reads;
    c->udf_locks |= part->udf_locks;
    if (c->heeds_level < part->heeds_level)
        c->heeds_level = part->heeds_level;
    return with_uses ? qri_uses_adopt(c, part) : QR_OK;
}

/* Which columns the predicate reads: those that got a leaf. */
static enum qr_status note_columns(struct qri_compile *c, const struct qri_source *rows,
                                   struct qr_plan_block *block)
{
    block->reads = QRI_ARRAY(c, rows->object->column_count + 1, bool);
    if (block->reads == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < rows->object->column_count; i++)
        block->reads[i] = rows->columns[i].leaf != NULL;
    return QR_OK;
}

static enum qr_status bind_block(struct qri_compile *c, const struct qr_cat_object *table,
                                 const struct qr_cat_object *policy,
                                 const struct qr_cat_predicate *p, struct qr_plan_block *block)
{
    static const struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_bind_env env = *c->env;
    struct qr_tsql_batch *batch = NULL;
    struct qri_query *query = NULL;
    struct qri_compile part;
    struct qr_str text = {0};
    env.inserted = env.deleted = table;
    qri_compile_init(&part, c->arena, &env, c->err);
    part.frame = &no_vars;
    part.schema_id = policy->schema_id;
    part.through = c->through;
    part.in_predicate = true;
    QR_TRY(call_text(c,
                     block->is_before ? "SELECT 1 FROM deleted WHERE NOT EXISTS(SELECT 1 FROM "
                                      : "SELECT 1 FROM inserted WHERE NOT EXISTS(SELECT 1 FROM ",
                     p, ")", &text));
    QR_TRY(qr_tsql_parse(c->arena, text.p, text.n, &options, &batch, c->err));
    const struct qr_ast_select_stmt *select =
        (const struct qr_ast_select_stmt *)batch->stmts.items[0];
    QR_TRY(qri_bind_query(&part, select->query, NULL, &query));
    QR_TRY(note_columns(c, query->from[0], block));
    QR_TRY(qri_emit_stage(&part, query, &block->sql));
    return adopt(c, &part, !policy->is_schema_bound);
}

static enum qr_status add_block(struct qri_compile *c, const struct qr_cat_object *policy,
                                const struct qr_cat_predicate *p, unsigned operation,
                                struct qr_plan_dml *dml)
{
    size_t capacity = dml->block_count;
    dml->blocks =
        (struct qr_plan_block *)qr_arena_grow(c->arena, dml->blocks, dml->block_count, &capacity,
                                              dml->block_count + 1, sizeof(*dml->blocks));
    if (dml->blocks == NULL)
        return qri_nomem(c);
    c->is_filtered = true;
    struct qr_plan_block *block = &dml->blocks[dml->block_count++];
    *block = (struct qr_plan_block){.change = changes_of(operation),
                                    .is_before = operation == QR_POLICY_BEFORE_UPDATE ||
                                                 operation == QR_POLICY_BEFORE_DELETE};
    return explain(c, policy, dml->target, bind_block(c, dml->target, policy, p, block));
}

enum qr_status qri_blocks(struct qri_compile *c, enum qr_plan_kind kind, struct qr_plan_dml *dml)
{
    const struct qr_cat_object *table = dml->target;
    unsigned changes = changes_of_plan(kind);
    for (size_t i = 0; i < table->policy_count; i++) {
        const struct qr_cat_object *policy = table->policies[i];
        for (size_t k = 0; !policy->is_disabled && k < policy->predicate_count; k++) {
            const struct qr_cat_predicate *p = &policy->predicates[k];
            if (!p->is_block || p->target_id != table->object_id)
                continue;
            for (unsigned op = QR_POLICY_AFTER_INSERT; op <= QR_POLICY_BEFORE_DELETE; op++)
                if ((p->operation == QR_POLICY_ALL || p->operation == op) &&
                    (changes_of(op) & changes) != 0)
                    QR_TRY(add_block(c, policy, p, op, dml));
        }
    }
    return QR_OK;
}

bool qri_blocks_insert(const struct qr_cat_object *table)
{
    for (size_t i = 0; i < table->policy_count; i++) {
        const struct qr_cat_object *policy = table->policies[i];
        for (size_t k = 0; !policy->is_disabled && k < policy->predicate_count; k++) {
            const struct qr_cat_predicate *p = &policy->predicates[k];
            if (p->is_block && p->target_id == table->object_id &&
                (p->operation == QR_POLICY_ALL || p->operation == QR_POLICY_AFTER_INSERT))
                return true;
        }
    }
    return false;
}

/* Does an UPDATE give a new value to what the predicate reads? */
static bool meets(const struct qr_plan_dml *dml, const struct qr_plan_block *block)
{
    for (size_t i = 0; i < dml->target->column_count; i++) {
        const struct qr_cat_column *column = &dml->target->columns[i];
        if (!block->reads[i])
            continue;
        if (column->is_computed || column->type.id == QR_TYPE_ROWVERSION)
            return true;
        for (size_t k = 0; k < dml->set_count; k++)
            if (dml->sets[k].column_id == column->column_id)
                return true;
    }
    return false;
}

void qri_blocks_settle(struct qr_plan_dml *dml)
{
    size_t count = 0;
    for (size_t i = 0; i < dml->block_count; i++) {
        const struct qr_plan_block *block = &dml->blocks[i];
        bool is_after_update = block->change == QRI_CHANGE_UPDATE && !block->is_before;
        if (!is_after_update || meets(dml, block))
            dml->blocks[count++] = *block;
    }
    dml->block_count = count;
}

/* ---- making one ---- */

enum qr_status qr_tsql_check_predicate(struct qr_arena *arena, const struct qr_bind_env *env,
                                       const struct qr_cat_object *policy,
                                       const struct qr_cat_predicate *predicate,
                                       const struct qr_cat_object *target,
                                       struct qr_plan_accesses *ret_accesses, struct qr_err *err)
{
    const struct qri_object found = {.object = target};
    struct qr_cat_object unbound = *policy;
    struct qri_compile c;
    struct qri_query *query = NULL;
    unbound.is_schema_bound = false; /* all that it does is asked for */
    qri_compile_init(&c, arena, env, err);
    QR_TRY(bind_all_rows(&c, &found, &query));
    if (query->from[0]->use != NULL)
        query->from[0]->use->selects = (struct qri_columns){0};
    QR_TRY(bind_predicate(&c, &unbound, predicate, query));
    return qri_uses_list(&c, ret_accesses);
}
