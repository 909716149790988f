/* describe.c - see describe_int.h: the first result is found by compiling a text's statements in
 * their order without running any. */
#include "access_int.h"
#include "describe_int.h"
#include "temp_int.h"
#include "codec/collation.h"
#include "base/banned.h"

enum { DEPTH_MAX = 32 };

/* ---- the first result ---- */

struct found {
    struct qr_session *session;
    struct qr_arena *arena;
    const struct qr_plan_column *columns;
    size_t count;
    const int *order;
    size_t order_count;
    bool browse; /* tell where the columns come from */
};

static enum qr_status look_in(struct found *found, const struct qri_source *source,
                              const struct qr_cat_object *module, unsigned depth,
                              struct qr_err *err);

static enum qr_status look_at_query(struct found *found, struct qri_frame *frame,
                                    const struct qri_op *op, struct qr_err *err)
{
    struct qr_bind_env env;
    struct qr_plan *plan = NULL;
    qri_bind_env(frame, op, &env);
    QR_TRY(qr_tsql_compile(found->arena, &env, op->stmt, &plan, err));
    QR_TRY(qri_want_accesses(found->session, frame, &plan->accesses, err));
    if (plan->kind == QR_PLAN_SELECT) {
        found->columns = plan->columns;
        found->count = plan->column_count;
        found->order = plan->order_columns;
        found->order_count = plan->order_count;
    } else if (plan->dml != NULL && plan->dml->output.into == NULL &&
               plan->dml->output.into_rowset.n == 0) {
        found->columns = plan->dml->output.columns;
        found->count = plan->dml->output.count;
    }
    return QR_OK;
}

static enum qr_status look_at_call(struct found *found, const struct qri_op *op, unsigned depth,
                                   struct qr_err *err)
{
    const struct qr_ast_exec *exec = (const struct qr_ast_exec *)op->stmt;
    const struct qr_cat_object *proc = NULL;
    if (exec->procedure.count == 0)
        return QR_OK; /* dynamic SQL, a procedure in a variable: known only when it runs */
    QR_TRY(qri_find_object(found->session, &exec->procedure, &proc, err));
    struct qr_str last = exec->procedure.parts[exec->procedure.count - 1].text;
    const struct qr_catalog *sys = NULL;
    if (proc == NULL && qri_sysproc_find(last) == NULL && qri_system_catalog(&sys, NULL) == QR_OK &&
        (proc = qr_cat_find(sys, QR_SCHEMA_SYS, last)) == NULL)
        return qr_sql_fail(err, 2812, qri_name_print(found->arena, &exec->procedure));
    if (proc == NULL || proc->type != QR_CAT_PROC)
        return QR_OK;
    QR_TRY(qri_want_call(found->session, proc, NULL, err));
    struct qri_source source = {.kind = QRI_UNIT_PROC, .text = proc->text, .module = proc};
    return look_in(found, &source, proc, depth + 1, err);
}

static enum qr_status look_at(struct found *found, struct qri_frame *frame, const struct qri_op *op,
                              unsigned depth, struct qr_err *err)
{
    switch ((int)op->stmt->kind) {
    case QR_AS_SELECT:
    case QR_AS_INSERT:
    case QR_AS_UPDATE:
    case QR_AS_DELETE:
    case QR_AS_MERGE:
        return look_at_query(found, frame, op, err);
    case QR_AS_EXEC:
        return look_at_call(found, op, depth, err);
    default:
        return QR_OK;
    }
}

static enum qr_status look_in(struct found *found, const struct qri_source *source,
                              const struct qr_cat_object *module, unsigned depth,
                              struct qr_err *err)
{
    struct qri_unit *unit = NULL;
    struct qri_frame frame;
    if (depth > DEPTH_MAX)
        return qr_sql_fail(err, 217, DEPTH_MAX);
    QR_TRY(qri_unit_take(found->session, source, &unit, err));
    enum qr_status status = qri_frame_push(found->session, &frame, unit, err);
    if (status == QR_OK) {
        frame.module = module;
        frame.is_scope = true;
        for (size_t i = 0; i < unit->op_count && found->count == 0 && status == QR_OK; i++)
            if (unit->ops[i].kind == QRI_OP_RUN)
                status = look_at(found, &frame, &unit->ops[i], depth, err);
        qri_frame_pop(&frame);
    }
    qri_unit_put(found->session, unit);
    return status;
}

/* ---- telling it ---- */

enum kind { BIT, TINY, SMALL, INT, NAME, LONG_NAME, CLR_NAME };

static const struct {
    const char *name;
    enum kind kind;
    bool nullable;
} shape[] = {
    {"is_hidden", BIT, false},
    {"column_ordinal", INT, false},
    {"name", NAME, true},
    {"is_nullable", BIT, false},
    {"system_type_id", INT, false},
    {"system_type_name", LONG_NAME, true},
    {"max_length", SMALL, false},
    {"precision", TINY, false},
    {"scale", TINY, false},
    {"collation_name", NAME, true},
    {"user_type_id", INT, true},
    {"user_type_database", NAME, true},
    {"user_type_schema", NAME, true},
    {"user_type_name", NAME, true},
    {"assembly_qualified_type_name", CLR_NAME, true},
    {"xml_collection_id", INT, true},
    {"xml_collection_database", NAME, true},
    {"xml_collection_schema", NAME, true},
    {"xml_collection_name", NAME, true},
    {"is_xml_document", BIT, false},
    {"is_case_sensitive", BIT, false},
    {"is_fixed_length_clr_type", BIT, false},
    {"source_server", NAME, true},
    {"source_database", NAME, true},
    {"source_schema", NAME, true},
    {"source_table", NAME, true},
    {"source_column", NAME, true},
    {"is_identity_column", BIT, true},
    {"is_part_of_unique_key", BIT, true},
    {"is_updateable", BIT, true},
    {"is_computed_column", BIT, true},
    {"is_sparse_column_set", BIT, true},
    {"ordinal_in_order_by_list", SMALL, true},
    {"order_by_list_length", SMALL, true},
    {"order_by_is_descending", SMALL, true},
    {"tds_type_id", INT, false},
    {"tds_length", INT, false},
    {"tds_collation_id", INT, true},
    {"tds_collation_sort_id", TINY, true},
};
enum { COLUMNS = sizeof shape / sizeof shape[0] };

static struct qr_type type_of(enum kind kind)
{
    static const uint16_t lengths[] = {[NAME] = 128, [LONG_NAME] = 256, [CLR_NAME] = 4000};
    static const enum qr_type_id ids[] = {[BIT] = QR_TYPE_BIT,
                                          [TINY] = QR_TYPE_TINYINT,
                                          [SMALL] = QR_TYPE_SMALLINT,
                                          [INT] = QR_TYPE_INT};
    if (kind < NAME)
        return qr_type_of(ids[kind]);
    struct qr_type type = qr_type_sized(QR_TYPE_NVARCHAR, lengths[kind]);
    type.collation = QR_COLLATION_DEFAULT;
    return type;
}

/* [MS-TDS] 2.2.5.4: what may be NULL travels as the type of variable length. */
int qri_describe_tds_type(const struct qr_type *type, bool nullable)
{
    static const struct {
        enum qr_type_id id;
        uint8_t fixed, nullable;
    } types[] = {
        {QR_TYPE_TINYINT, 0x30, 0x26},       {QR_TYPE_SMALLINT, 0x34, 0x26},
        {QR_TYPE_INT, 0x38, 0x26},           {QR_TYPE_BIGINT, 0x7F, 0x26},
        {QR_TYPE_BIT, 0x32, 0x68},           {QR_TYPE_REAL, 0x3B, 0x6D},
        {QR_TYPE_FLOAT, 0x3E, 0x6D},         {QR_TYPE_MONEY, 0x3C, 0x6E},
        {QR_TYPE_SMALLMONEY, 0x7A, 0x6E},    {QR_TYPE_DATETIME, 0x3D, 0x6F},
        {QR_TYPE_SMALLDATETIME, 0x3A, 0x6F},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].id == type->id)
            return nullable ? types[i].nullable : types[i].fixed;
    return qr_type_info(type->id)->system_type_id;
}

static void set_name(struct qr_value *value, struct qr_str name)
{
    if (name.n > 0)
        *value = qr_value_str(name);
}

static void set_source(const struct found *found, const struct qr_plan_column *c,
                       struct qr_value *v)
{
    const struct qr_catalog *cat = &found->session->catalog->cat;
    size_t at = c->source == NULL ? SIZE_MAX : qr_cat_column_index(c->source, c->source_column_id);
    if (at == SIZE_MAX)
        return;
    const struct qr_cat_schema *schema = qr_cat_schema_by_id(cat, c->source->schema_id);
    set_name(&v[23], cat->database_name);
    set_name(&v[24], schema == NULL ? qr_str("dbo") : schema->name);
    set_name(&v[25], c->source->name);
    set_name(&v[26], c->source->columns[at].name);
}

static enum qr_status fill(struct found *found, size_t i, struct qr_value *v, struct qr_err *err)
{
    enum { MAX_LENGTH_ON_WIRE = 0xFFFF };
    const struct qr_plan_column *c = &found->columns[i];
    const struct qr_type *type = &c->type;
    bool nullable = (c->flags & QR_COLUMN_NULLABLE) != 0;
    char text[QR_TYPE_NAME_BYTES];
    for (size_t k = 0; k < COLUMNS; k++)
        v[k] = shape[k].nullable ? qr_value_null() : qr_value_int(0);
    if (found->browse)
        set_source(found, c, v);
    v[1] = qr_value_int((int64_t)i + 1);
    set_name(&v[2], c->name);
    v[3] = qr_value_int(nullable);
    v[4] = qr_value_int(qr_type_shown_id(type->id));
    struct qr_str type_name = qr_arena_str(found->arena, qr_str(qr_type_print(type, text)));
    if (type_name.p == NULL)
        return qr_fail(err, QR_NOMEM, "describe a result");
    set_name(&v[5], type_name);
    int length = qr_type_max_length(type);
    v[6] = qr_value_int(length);
    v[7] = qr_value_int(qr_type_precision(type));
    v[8] = qr_value_int(qr_type_scale(type));
    v[27] = qr_value_int((c->flags & QR_COLUMN_IDENTITY) != 0);
    v[29] = qr_value_int((c->flags & QR_COLUMN_UPDATABLE) != 0);
    v[30] = qr_value_int((c->flags & QR_COLUMN_COMPUTED) != 0);
    v[31] = qr_value_int(0);
    for (size_t k = 0; k < found->order_count; k++)
        if (found->order[k] == (int)i + 1) {
            v[32] = qr_value_int((int64_t)k + 1);
            v[33] = qr_value_int((int64_t)found->order_count);
        }
    v[35] = qr_value_int(qri_describe_tds_type(type, nullable));
    v[36] = qr_value_int(length < 0 ? MAX_LENGTH_ON_WIRE : length);
    if (!qr_type_is_string(type))
        return QR_OK;
    const struct qr_collation *collation = qr_collation_get(type->collation);
    if (collation == NULL)
        return QR_OK;
    const uint8_t *tds = collation->tds;
    set_name(&v[9], qr_str(collation->name));
    v[37] = qr_value_int((int32_t)((uint32_t)tds[0] | (uint32_t)tds[1] << 8 |
                                   (uint32_t)tds[2] << 16 | (uint32_t)tds[3] << 24));
    v[38] = qr_value_int(tds[4]);
    return QR_OK;
}

/* ---- what is asked for ---- */

static enum qr_status find(struct qr_session *session, const struct qri_describe *what,
                           struct found *found, struct qr_err *err)
{
    struct qri_source source = {.kind = QRI_UNIT_BATCH, .text = what->text, .params = what->params};
    if (what->module != NULL)
        QR_TRY(qri_want_call(session, what->module, NULL, err));
    if (what->module != NULL)
        source = (struct qri_source){
            .kind = QRI_UNIT_PROC, .text = what->module->text, .module = what->module};
    qri_session_refresh_catalog(session);
    struct qri_catalog *hold = qri_catalog_ref(session->catalog);
    enum qr_status status = look_in(found, &source, what->module, 0, err);
    for (size_t i = 0; i < found->count && status == QR_OK; i++) {
        struct qr_value values[COLUMNS];
        status = fill(found, i, values, err);
        if (status == QR_OK)
            status = what->row(what->ctx, values, COLUMNS);
    }
    qri_catalog_unref(hold);
    return status;
}

enum qr_status qri_describe(struct qr_session *session, const struct qri_describe *what,
                            struct qr_err *err)
{
    struct qr_arena arena;
    struct found found = {.session = session, .arena = &arena, .browse = what->browse};
    qr_arena_init(&arena, QRI_UNIT_ARENA_BYTES_MAX);
    enum qr_status status = find(session, what, &found, err);
    qr_arena_done(&arena);
    return status;
}

/* ---- sp_describe_first_result_set ---- */

struct teller {
    struct qr_session *session;
    uint64_t count;
};

static enum qr_status begin_rows(struct qr_session *session)
{
    const struct qr_sink *sink = session->sink;
    struct qr_plan_column columns[COLUMNS] = {0};
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i].name = qr_str(shape[i].name);
        columns[i].type = type_of(shape[i].kind);
        columns[i].flags = shape[i].nullable ? QR_COLUMN_NULLABLE : 0;
    }
    session->result_open = true;
    return sink->columns(sink->ctx, columns, COLUMNS, NULL, 0);
}

static enum qr_status tell(void *ctx, const struct qr_value *values, size_t count)
{
    struct teller *t = ctx;
    const struct qr_sink *sink = t->session->sink;
    if (t->count++ == 0)
        QR_TRY(begin_rows(t->session));
    return sink->row(sink->ctx, values, count);
}

enum qr_status qri_describe_first_result(struct qr_session *session, struct qr_str text,
                                         struct qr_str params, bool browse, struct qr_err *err)
{
    struct teller teller = {.session = session};
    struct qri_describe what = {
        .text = text, .params = params, .browse = browse, .row = tell, .ctx = &teller};
    QR_TRY(qri_describe(session, &what, err));
    if (teller.count == 0)
        QR_TRY(begin_rows(session));
    return qri_send_done(session, true, teller.count, false, 0xC1);
}
