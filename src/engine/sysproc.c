/* sysproc.c - system procedures that need the engine itself; see sysproc.h. Those that only ask the
 * catalog are T-SQL (sysmodule.c). */
#include "sysproc.h"
#include <stdlib.h>
#include "access_int.h"
#include "applock_int.h"
#include "cursor_api.h"
#include "describe_int.h"
#include "ddl_host.h"
#include "ddl_int.h"
#include "prepared_int.h"
#include "hostfn.h"
#include "sysproc_qstore.h"
#include "base/banned.h"

/* ---- arguments ---- */

const struct qri_call_arg *qri_sysproc_arg(const struct qri_call_arg *args, size_t count,
                                           const char *name, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (args[i].name.n > 0 && qr_str_ieqz(args[i].name, name))
            return &args[i];
    if (index < count && args[index].name.n == 0)
        return &args[index];
    return NULL;
}

static struct qr_str text_of(const struct qri_call_arg *arg)
{
    if (arg == NULL || arg->value.cell != QR_CELL_TEXT)
        return (struct qr_str){NULL, 0};
    return qr_value_bytes(&arg->value);
}

static enum qr_status want_text(const struct qri_call_arg *args, size_t count, const char *proc,
                                const char *name, size_t index, struct qr_str *ret,
                                struct qr_err *err)
{
    const struct qri_call_arg *arg = qri_sysproc_arg(args, count, name, index);
    if (arg == NULL)
        return qr_sql_fail(err, 201, proc, name);
    *ret = text_of(arg);
    return QR_OK;
}

/* Procedures that run inside a statement need a frame: called by RPC they go through one EXEC. */
static bool needs_frame(const struct qr_session *session)
{
    return session->frame == NULL;
}

static enum qr_status through_frame(struct qr_session *session, const char *text,
                                    const char *params, struct qri_call_arg *args, size_t count,
                                    int32_t *ret_status, struct qr_err *err)
{
    return qri_call_text(session, qr_str(text), qr_str(params), args, count, true, ret_status, err);
}

/* ---- dynamic SQL ---- */

static enum qr_status sp_executesql(struct qr_session *session, struct qri_call_arg *args,
                                    size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct qr_str text, params = {NULL, 0};
    bool is_rpc = session->frame == NULL;
    if (count == 0 || !qr_type_is_string(&args[0].type))
        return qr_sql_fail(err, 214, "@statement", "ntext/nchar/nvarchar");
    text = text_of(&args[0]);
    if (count > 1)
        params = text_of(&args[1]);
    if (text.p == NULL)
        return QR_OK;
    size_t skip = count > 1 ? 2 : 1;
    return qri_call_text(session, text, params, args + skip, count - skip, is_rpc, ret_status, err);
}

static void give_int(struct qr_session *session, const struct qri_call_arg *arg, int32_t v)
{
    struct qr_type type = qr_type_of(QR_TYPE_INT);
    struct qr_value value = qr_value_int(v);
    if (arg != NULL && arg->is_output && arg->out_slot != UINT32_MAX && session->frame != NULL)
        (void)!qri_var_assign(session->frame, arg->out_slot, &type, &value, &session->err);
}

static enum qr_status sp_prepare(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    int32_t handle = 0;
    (void)ret_status;
    if (count < 3)
        return qr_sql_fail(err, 201, "sp_prepare", "@stmt");
    QR_TRY(qri_prepare(session, text_of(&args[2]), text_of(&args[1]), &handle));
    give_int(session, &args[0], handle);
    return QR_OK;
}

static enum qr_status sp_execute(struct qr_session *session, struct qri_call_arg *args,
                                 size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    if (count < 1 || args[0].value.cell != QR_CELL_INT)
        return qr_sql_fail(err, 201, "sp_execute", "@handle");
    return qri_execute(session, (int32_t)args[0].value.i, args + 1, count - 1);
}

static enum qr_status sp_unprepare(struct qr_session *session, struct qri_call_arg *args,
                                   size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    if (count < 1 || args[0].value.cell != QR_CELL_INT)
        return qr_sql_fail(err, 201, "sp_unprepare", "@handle");
    return qri_unprepare(session, (int32_t)args[0].value.i);
}

/* ---- names ---- */

struct rename_request {
    struct qr_str name, new_name, class_name;
};

static enum qr_status rename_in(struct qri_ddl *ddl, void *ctx, struct qr_err *err)
{
    const struct rename_request *r = ctx;
    return qri_ddl_rename(ddl, r->name, r->new_name, r->class_name, err);
}

static enum qr_status sp_rename(struct qr_session *session, struct qri_call_arg *args, size_t count,
                                int32_t *ret_status, struct qr_err *err)
{
    struct rename_request r = {.class_name = text_of(qri_sysproc_arg(args, count, "@objtype", 2))};
    QR_TRY(want_text(args, count, "sp_rename", "@objname", 0, &r.name, err));
    QR_TRY(want_text(args, count, "sp_rename", "@newname", 1, &r.new_name, err));
    if (needs_frame(session)) {
        struct qri_call_arg own[3] = {*qri_sysproc_arg(args, count, "@objname", 0),
                                      *qri_sysproc_arg(args, count, "@newname", 1)};
        const struct qri_call_arg *type = qri_sysproc_arg(args, count, "@objtype", 2);
        own[0].name = own[1].name = (struct qr_str){NULL, 0};
        own[2] = type != NULL ? *type : own[0];
        own[2].name = (struct qr_str){NULL, 0};
        if (type == NULL)
            own[2].value = qr_value_null();
        return through_frame(session, "EXEC sp_rename @a, @b, @c",
                             "@a nvarchar(1035), @b nvarchar(128), @c varchar(13)", own, 3,
                             ret_status, err);
    }
    if (r.name.p == NULL || r.new_name.p == NULL || r.new_name.n == 0)
        return qr_sql_fail(err, 15249, "@newname");
    QR_TRY(qri_ddl_call(session->frame, rename_in, &r, err));
    return qri_inform(session, 15477);
}

/* ---- extended properties ---- */

struct property_request {
    struct qr_str name, value;
    struct qr_str level_type[3], level_name[3];
    enum { PROPERTY_ADD, PROPERTY_UPDATE, PROPERTY_DROP } action;
};

/* What the levels name: class, object id, column id. 15135 if it is not there, or may not be
 * changed. */
static enum qr_status find_levels(struct qri_ddl *ddl, const struct property_request *r,
                                  struct qri_property *p, struct qr_err *err)
{
    const struct qr_catalog *cat = &(*ddl->main)->cat;
    const struct qr_cat_schema *schema = qr_cat_schema_find(cat, r->level_name[0]);
    const struct qr_session *session = ddl->ctx;
    if (r->level_type[0].n == 0)
        return qri_may_database(session, QR_MAY_ALTER)
                   ? QR_OK
                   : qr_sql_fail(err, 15135, "object specified");
    if (schema == NULL ||
        (r->level_type[1].n == 0 && !qri_may_schema(session, schema->schema_id, QR_MAY_ALTER)))
        return qr_sql_fail(err, 15135, qri_z(ddl->arena, r->level_name[0]));
    p->class_id = 3;
    p->major_id = schema->schema_id;
    if (r->level_type[1].n == 0)
        return QR_OK;
    const struct qr_cat_object *o = qr_cat_find(cat, schema->schema_id, r->level_name[1]);
    if (o == NULL || !qri_may_object(session, o, QR_MAY_ALTER))
        return qr_sql_fail(err, 15135, qri_z(ddl->arena, r->level_name[1]));
    p->class_id = 1;
    p->major_id = o->object_id;
    if (r->level_type[2].n == 0)
        return QR_OK;
    if (!qr_str_ieqz(r->level_type[2], "COLUMN"))
        return qr_sql_fail(err, 40510, qri_z(ddl->arena, r->level_type[2]));
    const struct qr_cat_column *c = qr_cat_column_find(o, r->level_name[2]);
    if (c == NULL)
        return qr_sql_fail(err, 15135, qri_z(ddl->arena, r->level_name[2]));
    p->minor_id = c->column_id;
    return QR_OK;
}

static enum qr_status change_property(struct qri_ddl *ddl, void *ctx, struct qr_err *err)
{
    const struct property_request *r = ctx;
    struct qri_property p = {.name = r->name, .value = r->value};
    struct qri_ddl_stmt s;
    QR_TRY(find_levels(ddl, r, &p, err));
    QR_TRY(qri_ddl_begin(&s, ddl, false, err));
    const struct qri_catalog *c = *ddl->main;
    uint32_t found = 0, next = 1;
    for (size_t i = 0, at = 0; i < c->record_count; i++) {
        if (c->records[i].kind != QRI_REC_PROPERTY)
            continue;
        const struct qri_property *q = &c->properties[at++];
        if (c->records[i].id >= next)
            next = c->records[i].id + 1;
        if (q->class_id == p.class_id && q->major_id == p.major_id && q->minor_id == p.minor_id &&
            qr_str_ieq(q->name, p.name))
            found = c->records[i].id;
    }
    if (r->action == PROPERTY_ADD && found != 0)
        return qr_sql_fail(err, 15233, qri_z(ddl->arena, p.name), "object specified");
    if (r->action != PROPERTY_ADD && found == 0)
        return qr_sql_fail(err, 15217, qri_z(ddl->arena, p.name), "object specified");
    if (r->action == PROPERTY_DROP)
        QR_TRY(qri_change_drop(&s.change, QRI_REC_PROPERTY, found, err));
    else
        QR_TRY(qri_change_put_property(&s.change, found != 0 ? found : next, &p, err));
    return qri_ddl_commit(&s);
}

static enum qr_status property_proc(struct qr_session *session, struct qri_call_arg *args,
                                    size_t count, int action, struct qr_err *err)
{
    struct property_request r = {.action = action};
    static const char *const types[] = {"@level0type", "@level1type", "@level2type"};
    static const char *const names[] = {"@level0name", "@level1name", "@level2name"};
    size_t first = action == PROPERTY_DROP ? 1 : 2;
    if (needs_frame(session))
        return qr_sql_fail(err, 40510, "extended properties by RPC");
    QR_TRY(want_text(args, count, "sp_addextendedproperty", "@name", 0, &r.name, err));
    if (action != PROPERTY_DROP)
        r.value = text_of(qri_sysproc_arg(args, count, "@value", 1));
    for (size_t i = 0; i < 3; i++) {
        r.level_type[i] = text_of(qri_sysproc_arg(args, count, types[i], first + 2 * i));
        r.level_name[i] = text_of(qri_sysproc_arg(args, count, names[i], first + 2 * i + 1));
    }
    return qri_ddl_call(session->frame, change_property, &r, err);
}

static enum qr_status sp_addextendedproperty(struct qr_session *session, struct qri_call_arg *args,
                                             size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    return property_proc(session, args, count, PROPERTY_ADD, err);
}
static enum qr_status sp_updateextendedproperty(struct qr_session *session,
                                                struct qri_call_arg *args, size_t count,
                                                int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    return property_proc(session, args, count, PROPERTY_UPDATE, err);
}
static enum qr_status sp_dropextendedproperty(struct qr_session *session, struct qri_call_arg *args,
                                              size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    return property_proc(session, args, count, PROPERTY_DROP, err);
}

/* ---- session context ---- */

static enum qr_status sp_set_session_context(struct qr_session *session, struct qri_call_arg *args,
                                             size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct qr_str key;
    (void)ret_status;
    QR_TRY(want_text(args, count, "sp_set_session_context", "@key", 0, &key, err));
    const struct qri_call_arg *value = qri_sysproc_arg(args, count, "@value", 1);
    const struct qri_call_arg *lock = qri_sysproc_arg(args, count, "@read_only", 2);
    if (value == NULL)
        return qr_sql_fail(err, 201, "sp_set_session_context", "@value");
    if (key.p == NULL || key.n == 0)
        return qr_sql_fail(err, 15666, "sp_set_session_context");
    struct qri_context_value *old = qr_map_get(&session->context, key);
    if (old != NULL && old->is_read_only)
        return qr_sql_fail(err, 15664, qr_arena_str(&session->arena, key).p);
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_value variant = value->value;
    enum qr_status status = QR_OK;
    if (!qr_value_is_null(&variant) && value->type.id != QR_TYPE_SQL_VARIANT)
        status = qr_variant_make(&arena, &value->type, &value->value, &variant);
    struct qri_context_value *made = NULL;
    if (status == QR_OK && !qr_value_is_null(&variant)) {
        made = malloc(sizeof *made + variant.n);
        if (made == NULL) {
            status = qr_fail(err, QR_NOMEM, "session context");
        } else {
            made->is_read_only =
                lock != NULL && lock->value.cell == QR_CELL_INT && lock->value.i != 0;
            made->n = variant.n;
            memcpy(made->bytes, variant.p, variant.n);
            status = qr_map_put(&session->context, key, made);
        }
    } else if (status == QR_OK) {
        (void)qr_map_remove(&session->context, key);
    }
    qr_arena_done(&arena);
    if (status != QR_OK) {
        free(made);
        return status;
    }
    free(old);
    return QR_OK;
}

/* ---- firewall rules ---- */

static enum qr_status want_rule_name(const struct qri_call_arg *args, size_t count,
                                     const char *proc, struct qr_str *ret_name, struct qr_err *err)
{
    enum { NAME_UNITS_MAX = 128, SHOWN_BYTES = 32 };
    QR_TRY(want_text(args, count, proc, "@name", 0, ret_name, err));
    if (ret_name->n == 0)
        return qr_sql_fail(err, 40618);
    size_t units = 0; /* of UTF-16 */
    for (size_t i = 0; i < ret_name->n; i++) {
        uint8_t c = (uint8_t)ret_name->p[i];
        units += (c & 0xC0) != 0x80;
        units += c >= 0xF0;
    }
    if (units <= NAME_UNITS_MAX)
        return QR_OK;
    char shown[SHOWN_BYTES + 1];
    memcpy(shown, ret_name->p, SHOWN_BYTES);
    shown[SHOWN_BYTES] = '\0';
    return qr_sql_fail(err, 40617, shown, NAME_UNITS_MAX);
}

static enum qr_status set_rule(struct qr_session *session, const struct qri_call_arg *args,
                               size_t count, const char *proc, uint32_t owner_id,
                               struct qr_err *err)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct qr_str name, start, end;
    QR_TRY(want_rule_name(args, count, proc, &name, err));
    QR_TRY(want_text(args, count, proc, "@start_ip_address", 1, &start, err));
    QR_TRY(want_text(args, count, proc, "@end_ip_address", 2, &end, err));
    return host->set_firewall_rule(host->ctx, owner_id, name, start, end, err);
}

static enum qr_status delete_rule(struct qr_session *session, const struct qri_call_arg *args,
                                  size_t count, const char *proc, uint32_t owner_id,
                                  struct qr_err *err)
{
    const struct qr_instance_host *host = &session->db->instance->options.host;
    struct qr_str name;
    QR_TRY(want_rule_name(args, count, proc, &name, err));
    return host->delete_firewall_rule(host->ctx, owner_id, name, err);
}

/* The server's rules are changed in master alone. */
static enum qr_status want_master(const struct qr_session *session, const char *proc,
                                  struct qr_err *err)
{
    enum { MASTER_ID = 1 };
    return session->db->info.database_id == MASTER_ID ? QR_OK : qr_sql_fail(err, 2812, proc);
}

static enum qr_status want_administrator(const struct qr_session *session, struct qr_err *err)
{
    return session->login.is_admin && session->is_owner ? QR_OK : qr_sql_fail(err, 15247);
}

static enum qr_status sp_set_firewall_rule(struct qr_session *session, struct qri_call_arg *args,
                                           size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    QR_TRY(want_master(session, "sp_set_firewall_rule", err));
    QR_TRY(want_administrator(session, err));
    return set_rule(session, args, count, "sp_set_firewall_rule", session->db->info.server_id, err);
}

static enum qr_status sp_delete_firewall_rule(struct qr_session *session, struct qri_call_arg *args,
                                              size_t count, int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    QR_TRY(want_master(session, "sp_delete_firewall_rule", err));
    QR_TRY(want_administrator(session, err));
    return delete_rule(session, args, count, "sp_delete_firewall_rule", session->db->info.server_id,
                       err);
}

static enum qr_status sp_set_database_firewall_rule(struct qr_session *session,
                                                    struct qri_call_arg *args, size_t count,
                                                    int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    return set_rule(session, args, count, "sp_set_database_firewall_rule", session->db->info.own_id,
                    err);
}

static enum qr_status sp_delete_database_firewall_rule(struct qr_session *session,
                                                       struct qri_call_arg *args, size_t count,
                                                       int32_t *ret_status, struct qr_err *err)
{
    (void)ret_status;
    return delete_rule(session, args, count, "sp_delete_database_firewall_rule",
                       session->db->info.own_id, err);
}

/* ---- describing ---- */

static enum qr_status sp_describe_first_result_set(struct qr_session *session,
                                                   struct qri_call_arg *args, size_t count,
                                                   int32_t *ret_status, struct qr_err *err)
{
    struct qr_str text = {NULL, 0};
    QR_TRY(want_text(args, count, "sp_describe_first_result_set", "@tsql", 0, &text, err));
    const struct qri_call_arg *params = qri_sysproc_arg(args, count, "@params", 1);
    const struct qri_call_arg *mode = qri_sysproc_arg(args, count, "@browse_information_mode", 2);
    bool browse = mode != NULL && mode->value.cell == QR_CELL_INT && mode->value.i != 0;
    if (needs_frame(session)) {
        struct qri_call_arg own[3] = {*qri_sysproc_arg(args, count, "@tsql", 0)};
        own[1] = params != NULL ? *params : own[0];
        own[2] = own[0];
        own[0].name = own[1].name = own[2].name = (struct qr_str){NULL, 0};
        if (params == NULL)
            own[1].value = qr_value_null();
        own[2].type = qr_type_of(QR_TYPE_INT);
        own[2].value = qr_value_int(browse);
        return through_frame(session, "EXEC sp_describe_first_result_set @a, @b, @c",
                             "@a nvarchar(max), @b nvarchar(max), @c int", own, 3, ret_status, err);
    }
    if (text.p == NULL)
        return qr_sql_fail(err, 214, "@tsql", "nvarchar(max)");
    return qri_describe_first_result(session, text, text_of(params), browse, err);
}

static enum qr_status sp_describe_undeclared_parameters(struct qr_session *session,
                                                        struct qri_call_arg *args, size_t count,
                                                        int32_t *ret_status, struct qr_err *err)
{
    struct qr_str text = {NULL, 0};
    QR_TRY(want_text(args, count, "sp_describe_undeclared_parameters", "@tsql", 0, &text, err));
    const struct qri_call_arg *params = qri_sysproc_arg(args, count, "@params", 1);
    if (needs_frame(session)) {
        struct qri_call_arg own[2] = {*qri_sysproc_arg(args, count, "@tsql", 0)};
        own[1] = params != NULL ? *params : own[0];
        own[0].name = own[1].name = (struct qr_str){NULL, 0};
        if (params == NULL)
            own[1].value = qr_value_null();
        return through_frame(session, "EXEC sp_describe_undeclared_parameters @a, @b",
                             "@a nvarchar(max), @b nvarchar(max)", own, 2, ret_status, err);
    }
    if (text.p == NULL)
        return qr_sql_fail(err, 214, "@tsql", "nvarchar(max)");
    return qri_describe_parameters(session, text, text_of(params), err);
}

/* ---- what has nothing to do here ---- */

/* Plans are compiled anew whenever what they name changes, so there is nothing to mark. */
static enum qr_status nothing(struct qr_session *session, struct qri_call_arg *args, size_t count,
                              int32_t *ret_status, struct qr_err *err)
{
    (void)session;
    (void)args;
    (void)count;
    (void)ret_status;
    (void)err;
    return QR_OK;
}

/* Of an object that the session may change. */
static enum qr_status sp_recompile(struct qr_session *session, struct qri_call_arg *args,
                                   size_t count, int32_t *ret_status, struct qr_err *err)
{
    struct qr_str text;
    struct qr_ast_name name;
    const struct qr_cat_object *object = NULL;
    struct qr_arena arena;
    (void)ret_status;
    QR_TRY(want_text(args, count, "sp_recompile", "@objname", 0, &text, err));
    if (session->is_owner)
        return QR_OK;
    qr_arena_init(&arena, 1 << 16);
    bool may = text.n > 0 && qri_name_parse(&arena, text, &name, NULL) == QR_OK &&
               qri_find_object(session, &name, &object, NULL) == QR_OK && object != NULL &&
               (object->object_id >= QRI_TEMP_OBJECT_FIRST ||
                qri_may_object(session, object, QR_MAY_ALTER));
    const char *shown = qr_arena_str(&arena, text).p;
    enum qr_status status = may ? QR_OK : qr_sql_fail(err, 15165, shown == NULL ? "" : shown);
    qr_arena_done(&arena);
    return status;
}

static const struct qri_sysproc procedures[] = {
    {"sp_addextendedproperty", sp_addextendedproperty},
    {"sp_cleanup_temporal_history", qri_sp_cleanup_temporal_history},
    {"sp_cursor", qri_sp_cursor},
    {"sp_cursorclose", qri_sp_cursorclose},
    {"sp_cursorexecute", qri_sp_cursorexecute},
    {"sp_cursorfetch", qri_sp_cursorfetch},
    {"sp_cursoropen", qri_sp_cursoropen},
    {"sp_cursoroption", qri_sp_cursoroption},
    {"sp_cursorprepare", qri_sp_cursorprepare},
    {"sp_cursorprepexec", qri_sp_cursorprepexec},
    {"sp_cursorunprepare", qri_sp_cursorunprepare},
    {"sp_delete_database_firewall_rule", sp_delete_database_firewall_rule},
    {"sp_delete_firewall_rule", sp_delete_firewall_rule},
    {"sp_describe_first_result_set", sp_describe_first_result_set},
    {"sp_describe_undeclared_parameters", sp_describe_undeclared_parameters},
    {"sp_dropextendedproperty", sp_dropextendedproperty},
    {"sp_execute", sp_execute},
    {"sp_executesql", sp_executesql},
    {"sp_getapplock$", qri_sp_getapplock},
    {"sp_prepare", sp_prepare},
    {"sp_query_store_clear_hints", qri_sp_query_store_force},
    {"sp_query_store_flush_db", qri_sp_query_store_flush_db},
    {"sp_query_store_force_plan", qri_sp_query_store_force},
    {"sp_query_store_remove_plan", qri_sp_query_store_remove_plan},
    {"sp_query_store_remove_query", qri_sp_query_store_remove_query},
    {"sp_query_store_reset_exec_stats", qri_sp_query_store_reset_exec_stats},
    {"sp_query_store_set_hints", qri_sp_query_store_force},
    {"sp_query_store_unforce_plan", qri_sp_query_store_force},
    {"sp_recompile", sp_recompile},
    {"sp_releaseapplock$", qri_sp_releaseapplock},
    {"sp_rename", sp_rename},
    {"sp_sequence_get_range", qri_sp_sequence_get_range},
    {"sp_set_database_firewall_rule", sp_set_database_firewall_rule},
    {"sp_set_firewall_rule", sp_set_firewall_rule},
    {"sp_set_session_context", sp_set_session_context},
    {"sp_setapprole", qri_sp_setapprole},
    {"sp_unprepare", sp_unprepare},
    {"sp_unsetapprole", qri_sp_unsetapprole},
    {"sp_updateextendedproperty", sp_updateextendedproperty},
    {"sp_updatestats", nothing},
};

const struct qri_sysproc *qri_sysproc_find(struct qr_str name)
{
    for (size_t i = 0; i < sizeof procedures / sizeof procedures[0]; i++)
        if (qr_str_ieqz(name, procedures[i].name))
            return &procedures[i];
    return NULL;
}

const struct qri_sysproc *qri_sysproc_at(size_t index)
{
    return index < sizeof procedures / sizeof procedures[0] ? &procedures[index] : NULL;
}
