/* sysview.c - the system catalog, built from the view tables; see sysview_int.h. */
#include "sysview_int.h"
#include "sysmodule_int.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "codec/collation.h"
#include "sysview_rows_int.h"
#include "base/banned.h"

static const struct qri_sysview *const view_tables[] = {
    qri_sysviews_object,  qri_sysviews_table,    qri_sysviews_type,      qri_sysviews_principal,
    qri_sysviews_control, qri_sysviews_geo,      qri_sysviews_autoscale, qri_sysviews_server,
    qri_sysviews_session, qri_sysviews_lock,     qri_sysviews_storage,   qri_sysviews_replica,
    qri_sysviews_stats,   qri_sysviews_events,   qri_sysviews_governor,  qri_sysviews_qstore,
    qri_sysviews_usage,   qri_sysviews_memory,   qri_sysviews_used,      qri_sysviews_version,
    qri_sysviews_wait,    qri_sysviews_resource, qri_sysviews_text,      qri_sysviews_schema,
    qri_sysviews_space,   qri_sysviews_derived,  qri_sysviews_absent,    qri_sysviews_os,
    qri_sysviews_scoped,  qri_sysviews_temp,     qri_sysviews_counter,
};

static struct {
    pthread_once_t once;
    struct qr_arena arena;
    struct qr_catalog catalog;
    struct qri_sysview_shape *shapes;
    size_t shape_count;
    enum qr_status status;
    struct qr_err err;
} built = {.once = PTHREAD_ONCE_INIT};

/* ---- column text ---- */

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\n')
        p++;
    return p;
}

/* "nvarchar(60)", "decimal(5,2)", "sysname": sets the type, returns what follows. */
static const char *parse_type(const char *p, struct qr_type *type)
{
    size_t n = strcspn(p, " (,=");
    struct qr_type found = qr_type_of(QR_TYPE_INT);
    bool known = qr_type_find((struct qr_str){p, n}, &found);
    assert(known);
    (void)known;
    p += n;
    if (*p == '(') {
        int args[2] = {0, 0};
        size_t count = 0;
        do {
            p++;
            char *end = NULL;
            if (strncmp(p, "max", 3) == 0) {
                args[count++] = -1;
                end = (char *)p + 3;
            } else {
                args[count++] = (int)strtol(p, &end, 10);
            }
            p = end;
        } while (*p == ',' && count < 2);
        p++; /* ) */
        enum qr_status status = qr_type_apply_args(&found, args, count, false, NULL);
        assert(status == QR_OK);
        (void)status;
    }
    if (qr_type_is_string(&found))
        found.collation = QR_COLLATION_DEFAULT;
    *type = found;
    return p;
}

/* The text after "=": a number or 'text'. */
static const char *parse_constant(const char *p, struct qri_sysview_column *c)
{
    c->is_constant = true;
    if (*p == '\'') {
        const char *end = strchr(p + 1, '\'');
        c->constant = qr_value_text(p + 1, (size_t)(end - p - 1));
        return end + 1;
    }
    if (strncmp(p, "null", 4) == 0) {
        c->constant = qr_value_null();
        return p + 4;
    }
    char *end = NULL;
    c->constant = qr_value_int(strtoll(p, &end, 10));
    return end;
}

static enum qr_status parse_columns(struct qri_sysview_shape *shape, const char *text)
{
    size_t capacity = 0;
    for (const char *p = skip_blanks(text); *p != '\0';) {
        size_t n = strcspn(p, " ");
        void *moved = qr_arena_grow(&built.arena, shape->columns, shape->column_count, &capacity,
                                    shape->column_count + 1, sizeof *shape->columns);
        if (moved == NULL)
            return QR_NOMEM;
        shape->columns = moved;
        struct qri_sysview_column *c = &shape->columns[shape->column_count++];
        c->name = (struct qr_str){p, n};
        p = parse_type(skip_blanks(p + n), &c->type);
        p = skip_blanks(p);
        if (strncmp(p, "null", 4) == 0) {
            c->nullable = true;
            p = skip_blanks(p + 4);
        }
        if (*p == '=') {
            p = parse_constant(p + 1, c);
            c->nullable |= qr_value_is_null(&c->constant);
        }
        p = skip_blanks(p);
        assert(*p == ',' || *p == '\0');
        if (*p == ',')
            p = skip_blanks(p + 1);
    }
    return QR_OK;
}

/* ---- the catalog ---- */

static char *vtab_name(const struct qri_sysview *view)
{
    char *name = qr_arena_printf(&built.arena, "%s_%s",
                                 strcmp(view->schema, "sys") == 0 ? "sys" : "is", view->name);
    for (char *p = name; p != NULL && *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

static enum qr_status add_view(const struct qri_sysview *view, size_t *object_count)
{
    struct qr_cat_object *o = qr_arena_alloc(&built.arena, sizeof *o);
    struct qri_sysview_shape *shape = &built.shapes[built.shape_count++];
    shape->view = view;
    QR_TRY(parse_columns(shape, view->columns));
    shape->vtab = vtab_name(view);
    if (o == NULL || shape->vtab == NULL)
        return QR_NOMEM;
    o->object_id = (uint32_t)(*object_count + 3); /* stable within a build only */
    o->schema_id = strcmp(view->schema, "sys") == 0 ? QR_SCHEMA_SYS : QR_SCHEMA_INFORMATION_SCHEMA;
    o->name = qr_str(view->name);
    o->is_ms_shipped = true;
    o->is_in_master_only = view->in_master_only;
    o->uses_ansi_nulls = o->uses_quoted_identifier = true;
    o->version = 1;
    o->columns = qr_arena_array(&built.arena, shape->column_count, sizeof *o->columns);
    if (o->columns == NULL)
        return QR_NOMEM;
    o->column_count = shape->column_count;
    for (size_t i = 0; i < shape->column_count; i++)
        o->columns[i] = (struct qr_cat_column){.column_id = (uint32_t)i + 1,
                                               .name = shape->columns[i].name,
                                               .type = shape->columns[i].type,
                                               .nullable = shape->columns[i].nullable};
    if (view->rows != NULL) {
        o->type = QR_CAT_SYSTEM_VIEW;
        o->storage = QR_STORE_VTAB;
        o->vtab = shape->vtab;
    } else if (view->text == NULL) { /* a function: rows_builtin.c */
        o->type = QR_CAT_SYSTEM_VIEW;
        o->storage = QR_STORE_VTAB;
    } else {
        o->type = QR_CAT_VIEW;
        o->storage = QR_STORE_HEAP;
        const char *text = qr_arena_printf(&built.arena, "CREATE VIEW %s.%s AS %s", view->schema,
                                           view->name, view->text);
        if (text == NULL)
            return QR_NOMEM;
        o->text = qr_str(text);
    }
    built.catalog.objects[(*object_count)++] = o;
    return QR_OK;
}

static struct qr_cat_object *add_procedure(const struct qri_sysmodule *proc, size_t *object_count)
{
    struct qr_cat_object *o = qr_arena_alloc(&built.arena, sizeof *o);
    if (o == NULL)
        return NULL;
    o->object_id = (uint32_t)(*object_count + 3);
    o->schema_id = QR_SCHEMA_SYS;
    o->name = qr_str(proc->name);
    o->type = QR_CAT_PROC;
    o->is_ms_shipped = true;
    o->uses_ansi_nulls = o->uses_quoted_identifier = true;
    o->version = 1;
    o->text = qr_str(proc->text);
    built.catalog.objects[(*object_count)++] = o;
    return o;
}

/* A table function's parameters, as its text declares them. */
static enum qr_status add_function(const struct qri_sysmodule *function, size_t *object_count)
{
    struct qr_cat_object *o = add_procedure(function, object_count);
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch = NULL;
    if (o == NULL ||
        qr_tsql_parse(&built.arena, o->text.p, o->text.n, &options, &batch, &built.err) != QR_OK)
        return QR_NOMEM;
    assert(batch->stmts.count == 1 && batch->stmts.items[0]->kind == QR_AS_FUNCTION);
    const struct qr_ast_params *from =
        &((const struct qr_ast_function *)batch->stmts.items[0])->params;
    struct qr_cat_param *params = qr_arena_array(&built.arena, from->count + 1, sizeof *params);
    if (params == NULL)
        return QR_NOMEM;
    o->type = QR_CAT_FN_INLINE;
    o->params = params;
    o->param_count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        params[i] = (struct qr_cat_param){
            .parameter_id = (uint32_t)i + 1, .name = from->items[i].name, .is_nullable = true};
        (void)parse_type(qr_arena_str(&built.arena, from->items[i].type.text).p, &params[i].type);
    }
    return QR_OK;
}

static enum qr_status build_all(void)
{
    static struct qr_cat_schema schemas[] = {
        {QR_SCHEMA_INFORMATION_SCHEMA, 3, {"INFORMATION_SCHEMA", 18}},
        {QR_SCHEMA_SYS, 4, {"sys", 3}},
    };
    static const struct qri_sysmodule *const modules[] = {qri_sysmodules, qri_sysmodules_security};
    size_t views = 0, procs = 0, functions = 0, count = 0;
    for (size_t t = 0; t < sizeof view_tables / sizeof view_tables[0]; t++)
        for (size_t i = 0; view_tables[t][i].name != NULL; i++)
            views++;
    for (size_t t = 0; t < sizeof modules / sizeof modules[0]; t++)
        for (size_t i = 0; modules[t][i].name != NULL; i++)
            procs++;
    while (qri_sysfunctions[functions].name != NULL)
        functions++;
    built.shapes = qr_arena_array(&built.arena, views, sizeof *built.shapes);
    built.catalog.objects =
        qr_arena_array(&built.arena, views + procs + functions, sizeof *built.catalog.objects);
    if (built.shapes == NULL || built.catalog.objects == NULL)
        return qr_fail(&built.err, QR_NOMEM, "system catalog");
    for (size_t t = 0; t < sizeof view_tables / sizeof view_tables[0]; t++)
        for (size_t i = 0; view_tables[t][i].name != NULL; i++)
            if (add_view(&view_tables[t][i], &count) != QR_OK)
                return qr_fail(&built.err, QR_NOMEM, "system catalog");
    for (size_t t = 0; t < sizeof modules / sizeof modules[0]; t++)
        for (size_t i = 0; modules[t][i].name != NULL; i++)
            if (add_procedure(&modules[t][i], &count) == NULL)
                return qr_fail(&built.err, QR_NOMEM, "system catalog");
    for (size_t i = 0; i < functions; i++)
        if (add_function(&qri_sysfunctions[i], &count) != QR_OK)
            return qr_fail(&built.err, QR_NOMEM, "system catalog");
    built.catalog.schemas = schemas;
    built.catalog.schema_count = sizeof schemas / sizeof schemas[0];
    built.catalog.object_count = count;
    built.catalog.collation_id = QR_COLLATION_DEFAULT;
    built.catalog.version = 1;
    built.catalog.database_name = qr_str("mssqlsystemresource");
    built.catalog.database_id = 32767;
    return qr_cat_freeze(&built.catalog, &built.arena, &built.err);
}

static void build_once(void)
{
    qr_arena_init(&built.arena, 64 << 20);
    qr_map_init(&built.catalog.by_name, true);
    built.status = build_all();
}

enum qr_status qri_system_catalog(const struct qr_catalog **ret_catalog, struct qr_err *err)
{
    pthread_once(&built.once, build_once);
    if (built.status != QR_OK) {
        if (err != NULL)
            *err = built.err;
        return built.status;
    }
    *ret_catalog = &built.catalog;
    return QR_OK;
}

const struct qri_sysview_shape *qri_sysview_shapes(size_t *ret_count)
{
    *ret_count = built.shape_count;
    return built.shapes;
}

const struct qri_catalog *qri_sys_catalog(const struct qr_session *session)
{
    return session->views_tempdb ? session->temp : session->catalog;
}
