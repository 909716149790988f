/* bind_for.c - FOR JSON and FOR XML: rows handed to qfor(); see bind_int.h */
#include "mask_int.h"

#include "base/banned.h"

static const struct mode {
    enum qr_ast_for_kind kind;
    const char *word;
    enum qr_for_kind format;
} modes[] = {
    {QR_FOR_JSON, "AUTO", QR_FORMAT_JSON_AUTO}, {QR_FOR_JSON, "PATH", QR_FORMAT_JSON_PATH},
    {QR_FOR_XML, "RAW", QR_FORMAT_XML_RAW},     {QR_FOR_XML, "AUTO", QR_FORMAT_XML_AUTO},
    {QR_FOR_XML, "PATH", QR_FORMAT_XML_PATH},   {QR_FOR_XML, "EXPLICIT", QR_FORMAT_XML_EXPLICIT},
};

static enum qr_status bind_option(struct qri_compile *c, const struct qr_ast_option *option,
                                  struct qr_plan_for *f)
{
    const struct flag {
        const char *name;
        bool *set;
    } flags[] = {
        {"TYPE", &f->type_directive},
        {"ELEMENTS", &f->elements},
        {"BINARY BASE64", &f->binary_base64},
        {"INCLUDE_NULL_VALUES", &f->include_null_values},
        {"WITHOUT_ARRAY_WRAPPER", &f->without_array_wrapper},
    };
    if (qr_str_ieqz(option->name, "ROOT")) {
        f->root = qr_str("root");
        if (option->value != NULL && option->value->kind == QR_AE_LITERAL)
            f->root = ((const struct qr_ast_literal *)option->value)->text;
        return QR_OK;
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (qr_str_ieqz(option->name, flags[i].name)) {
            *flags[i].set = true;
            f->xsinil = f->xsinil || qr_str_ieqz(option->word, "XSINIL");
            return QR_OK;
        }
    return qr_fail(c->err, QR_UNSUPPORTED, "FOR option %.*s is not supported", (int)option->name.n,
                   option->name.p);
}

/* AUTO nests by table, in the order in which their columns first appear. */
struct levels {
    const struct qri_source *sources[QRI_JOIN_TABLES_MAX];
    uint16_t count;
};

static void auto_level(struct levels *levels, const struct qr_expr *expr,
                       struct qr_plan_for_column *column)
{
    const struct qri_leaf *leaf = qri_leaf_of(expr);
    if (leaf == NULL || leaf->kind != QRI_LEAF_COLUMN) {
        column->level = levels->count == 0 ? 0 : (uint16_t)(levels->count - 1);
        if (levels->count > 0)
            column->table = levels->sources[column->level]->alias;
        return;
    }
    uint16_t i = 0;
    while (i < levels->count && levels->sources[i] != leaf->source)
        i++;
    if (i == levels->count && i < QRI_JOIN_TABLES_MAX)
        levels->sources[levels->count++] = leaf->source;
    column->level = i;
    column->table = leaf->source->alias;
}

/* --- EXPLICIT: Element!Tag!Attribute!Directive --- */

static enum qr_status bad_name(struct qri_compile *c, struct qr_str name)
{
    return qr_sql_fail(c->err, 6802, qri_text_z(c, name));
}

static bool tag_number(struct qr_str text, int *ret_tag)
{
    enum { DIGITS_MAX = 9 };
    int tag = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || i == DIGITS_MAX)
            return false;
        tag = tag * 10 + (text.p[i] - '0');
    }
    *ret_tag = tag;
    return tag > 0;
}

static enum qr_status directive_of(struct qri_compile *c, struct qr_str word,
                                   enum qr_for_directive *ret_directive)
{
    static const struct {
        const char *word;
        enum qr_for_directive directive;
    } words[] = {
        {"element", QR_DIRECTIVE_ELEMENT}, {"elementxsinil", QR_DIRECTIVE_ELEMENTXSINIL},
        {"xml", QR_DIRECTIVE_XML},         {"cdata", QR_DIRECTIVE_CDATA},
        {"hide", QR_DIRECTIVE_HIDE},       {"id", QR_DIRECTIVE_ATTRIBUTE},
        {"idref", QR_DIRECTIVE_ATTRIBUTE},
    };
    static const char *const absent[] = {"xmltext", "idrefs", "nmtoken", "nmtokens"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (qr_str_ieqz(word, words[i].word)) {
            *ret_directive = words[i].directive;
            return QR_OK;
        }
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (qr_str_ieqz(word, absent[i]))
            return qr_fail(c->err, QR_UNSUPPORTED, "directive %s of FOR XML EXPLICIT", absent[i]);
    return qr_sql_fail(c->err, 6824, qri_text_z(c, word));
}

static enum qr_status explicit_column(struct qri_compile *c, struct qr_plan_for *f,
                                      struct qr_plan_for_column *column)
{
    enum { ELEMENT, TAG, ATTRIBUTE, DIRECTIVE, PARTS };
    struct qr_str name = column->name, parts[PARTS] = {{0}};
    size_t count = 0, from = 0;
    for (size_t i = 0; i <= name.n; i++) {
        if (i < name.n && name.p[i] != '!')
            continue;
        if (count == PARTS)
            return bad_name(c, name);
        parts[count++] = qr_str_n(name.p + from, i - from);
        from = i + 1;
    }
    if (count < 2 || parts[ELEMENT].n == 0 || !tag_number(parts[TAG], &column->tag))
        return bad_name(c, name);
    column->table = parts[ELEMENT];
    column->name = parts[ATTRIBUTE];
    column->directive = parts[ATTRIBUTE].n == 0 ? QR_DIRECTIVE_ELEMENT : QR_DIRECTIVE_ATTRIBUTE;
    if (parts[DIRECTIVE].n > 0)
        QR_TRY(directive_of(c, parts[DIRECTIVE], &column->directive));
    if (column->directive == QR_DIRECTIVE_CDATA && column->name.n > 0)
        return bad_name(c, name);
    f->xsinil = f->xsinil || column->directive == QR_DIRECTIVE_ELEMENTXSINIL;
    return QR_OK;
}

static enum qr_status explicit_columns(struct qri_compile *c, struct qr_plan_for *f,
                                       struct qr_plan_for_column *columns, size_t count)
{
    if (count < 3)
        return qr_sql_fail(c->err, 6801);
    for (size_t i = 2; i < count; i++) {
        QR_TRY(explicit_column(c, f, &columns[i]));
        for (size_t k = 2; k < i; k++)
            if (columns[k].tag == columns[i].tag && !qr_str_eq(columns[k].table, columns[i].table))
                return qr_sql_fail(c->err, 6812, columns[i].tag, qri_text_z(c, columns[k].table),
                                   qri_text_z(c, columns[i].table));
    }
    return QR_OK;
}

static enum qr_status bind_namespaces(struct qri_compile *c, struct qr_plan_for *f)
{
    const struct qr_ast_with *with = c->namespaces;
    if (with == NULL || f->kind == QR_FORMAT_JSON_AUTO || f->kind == QR_FORMAT_JSON_PATH)
        return QR_OK;
    if (f->kind == QR_FORMAT_XML_EXPLICIT)
        return qr_fail(c->err, QR_UNSUPPORTED, "WITH XMLNAMESPACES for FOR XML EXPLICIT");
    struct qr_plan_namespace *items = QRI_ARRAY(c, with->namespace_count, struct qr_plan_namespace);
    if (items == NULL)
        return qri_nomem(c);
    for (size_t i = 0; i < with->namespace_count; i++) {
        items[i].prefix = with->namespaces[i].prefix.text;
        items[i].uri = with->namespaces[i].uri;
    }
    f->namespaces = items;
    f->namespace_count = with->namespace_count;
    return QR_OK;
}

static enum qr_status bind_columns(struct qri_compile *c, const struct qri_query *q,
                                   struct qr_plan_for *f)
{
    enum { COLUMNS_MAX = 126 }; /* SQLite: 127 arguments */
    bool json = f->kind == QR_FORMAT_JSON_AUTO || f->kind == QR_FORMAT_JSON_PATH;
    bool is_auto = f->kind == QR_FORMAT_JSON_AUTO || f->kind == QR_FORMAT_XML_AUTO;
    struct levels levels = {.count = 0};
    struct qr_plan_for_column *columns = QRI_ARRAY(c, q->out_count + 1, struct qr_plan_for_column);
    if (columns == NULL)
        return qri_nomem(c);
    if (q->out_count > COLUMNS_MAX)
        return qr_fail(c->err, QR_UNSUPPORTED, "FOR JSON and FOR XML over more than %d columns",
                       COLUMNS_MAX);
    for (size_t i = 0; i < q->out_count; i++) {
        columns[i].name = q->outs[i].name;
        columns[i].type = q->outs[i].type;
        if (json && columns[i].name.n == 0)
            return qr_sql_fail(c->err, 13605);
        if (f->kind == QR_FORMAT_XML_RAW && columns[i].name.n == 0)
            return qr_sql_fail(c->err, 6809);
        if (q->kind != QRI_QUERY_SELECT)
            continue;
        enum qr_type_id id = q->items[i]->type.id;
        columns[i].is_fragment =
            json ? q->items[i]->is_json || id == QR_TYPE_JSON || id == QR_TYPE_VECTOR
                 : id == QR_TYPE_XML;
        if (is_auto)
            auto_level(&levels, q->items[i], &columns[i]);
    }
    if (f->kind == QR_FORMAT_XML_EXPLICIT)
        QR_TRY(explicit_columns(c, f, columns, q->out_count));
    f->columns = columns;
    f->column_count = q->out_count;
    return QR_OK;
}

/* The query becomes one that gives the text; what it was is inside. */
static enum qr_status wrap(struct qri_compile *c, struct qri_query *q, struct qr_plan_for *f)
{
    struct qri_query *inner = QRI_NEW(c, struct qri_query);
    struct qri_column *out = QRI_ARRAY(c, 1, struct qri_column);
    bool json = f->kind == QR_FORMAT_JSON_AUTO || f->kind == QR_FORMAT_JSON_PATH;
    if (inner == NULL || out == NULL)
        return qri_nomem(c);
    *inner = *q;
    out->name = qr_str(json ? "JSON_F52E2B61-18A1-11d1-B105-00805F49916B"
                            : "XML_F52E2B61-18A1-11d1-B105-00805F49916B");
    out->type = f->type_directive ? qr_type_of(QR_TYPE_XML) : qr_type_sized(QR_TYPE_NVARCHAR, 0);
    if (!f->type_directive)
        out->type.collation = c->b.collation;
    out->nullable = true;
    QR_TRY(qri_mask_of_all(c, inner, &out->mask));
    q->for_inner = inner;
    q->for_call = f;
    q->outs = out;
    q->out_count = 1;
    q->items = NULL;
    q->order_count = 0;
    q->assign_names = NULL;
    return QR_OK;
}

enum qr_status qri_for_clause(struct qri_compile *c, const struct qr_ast_query *ast,
                              struct qri_query *query)
{
    const struct qr_ast_for *clause = ast->for_clause;
    struct qr_plan_for *f = QRI_NEW(c, struct qr_plan_for);
    if (f == NULL)
        return qri_nomem(c);
    if (clause->kind == QR_FOR_BROWSE)
        return QR_OK;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (modes[i].kind == clause->kind && qr_str_ieqz(clause->mode, modes[i].word))
            f->kind = modes[i].format;
    if (f->kind == QR_FORMAT_NONE)
        return qr_fail(c->err, QR_UNSUPPORTED, "FOR XML %.*s is not supported", (int)clause->mode.n,
                       clause->mode.p);
    if (query->kind == QRI_QUERY_SELECT && query->assign_names != NULL)
        return qr_sql_fail(c->err, 6819, clause->kind == QR_FOR_JSON ? "FOR JSON" : "FOR XML",
                           "assignment");
    f->row = clause->has_element ? clause->element : qr_str("row");
    f->no_row = clause->has_element && clause->element.n == 0;
    for (size_t i = 0; i < clause->options.count; i++)
        QR_TRY(bind_option(c, &clause->options.items[i], f));
    if (f->without_array_wrapper && f->root.n != 0)
        return qr_sql_fail(c->err, 13620);
    QR_TRY(bind_namespaces(c, f));
    QR_TRY(bind_columns(c, query, f));
    return wrap(c, query, f);
}
