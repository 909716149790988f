/* typing.c - see expr/expr.h: conversions, common types, collation of expressions */
#include "expr_int.h"
#include <string.h>
#include "codec/convert.h"
#include "base/banned.h"

bool qri_is_national(const struct qr_type *t)
{
    return qr_type_family(t) == QR_FAMILY_NCHAR;
}

enum qri_number qri_number_of(const struct qr_type *t)
{
    static const uint8_t kinds[] = {
        [QR_FAMILY_NONE] = QRI_OTHER,      [QR_FAMILY_INT] = QRI_INT,
        [QR_FAMILY_DECIMAL] = QRI_DECIMAL, [QR_FAMILY_MONEY] = QRI_MONEY,
        [QR_FAMILY_FLOAT] = QRI_FLOAT,     [QR_FAMILY_DATETIME] = QRI_OTHER,
        [QR_FAMILY_CHAR] = QRI_OTHER,      [QR_FAMILY_NCHAR] = QRI_OTHER,
        [QR_FAMILY_BINARY] = QRI_OTHER,    [QR_FAMILY_GUID] = QRI_OTHER,
        [QR_FAMILY_XML] = QRI_OTHER,       [QR_FAMILY_VARIANT] = QRI_OTHER,
        [QR_FAMILY_VECTOR] = QRI_OTHER,    [QR_FAMILY_JSON] = QRI_OTHER,
        [QR_FAMILY_OTHER] = QRI_OTHER,
    };
    return (enum qri_number)kinds[qr_type_family(t)];
}

struct qr_collation_use qri_use_of(const struct qr_expr_builder *b, const struct qr_expr *e)
{
    if (!qr_type_is_string(&e->type))
        return (struct qr_collation_use){QR_LABEL_COERCIBLE_DEFAULT, b->collation};
    return (struct qr_collation_use){(enum qr_collation_label)e->label, e->type.collation};
}

enum qr_status qri_mix(struct qr_expr_builder *b, const struct qr_expr *const *args,
                       size_t arg_count, const char *op, struct qr_collation_use *ret_use)
{
    struct qr_collation_use use = {QR_LABEL_COERCIBLE_DEFAULT, b->collation};
    bool first = true;
    for (size_t i = 0; i < arg_count; i++) {
        if (!qr_type_is_string(&args[i]->type))
            continue;
        struct qr_collation_use next = qri_use_of(b, args[i]);
        if (first)
            use = next;
        else
            QR_TRY(qr_collation_mix(use, next, op, &use, b->err));
        first = false;
    }
    *ret_use = use;
    return QR_OK;
}

bool qri_same_form(const struct qr_type *a, const struct qr_type *b)
{
    enum qr_family fa = qr_type_family(a), fb = qr_type_family(b);
    if (fa == QR_FAMILY_INT && fb == QR_FAMILY_DECIMAL)
        return b->scale == 0 && qr_type_cell(b) == QR_CELL_INT;
    if (fa == QR_FAMILY_DECIMAL && fb == QR_FAMILY_INT)
        return a->scale == 0 && qr_type_cell(a) == QR_CELL_INT;
    if (fa != fb)
        return false;
    if (fa == QR_FAMILY_DECIMAL)
        return a->scale == b->scale && qr_type_cell(a) == qr_type_cell(b);
    if (fa == QR_FAMILY_DATETIME)
        return a->id == b->id;
    return true;
}

struct qr_type qri_literal_decimal(const struct qr_expr *e)
{
    if (!qri_is_const(e) || !e->is_literal || qr_type_family(&e->type) != QR_FAMILY_INT ||
        qr_value_is_null(&e->u.value))
        return qr_type_as_decimal(&e->type);
    uint8_t digits = 1;
    for (int64_t v = e->u.value.i / 10; v != 0; v /= 10)
        digits++;
    return qr_type_decimal(digits, 0);
}

struct qr_type qri_as_string(const struct qr_type *t, bool national, uint16_t collation)
{
    static const uint8_t widths[QR_TYPE_COUNT] = {
        [QR_TYPE_NULL] = 1,
        [QR_TYPE_BIT] = 1,
        [QR_TYPE_TINYINT] = 3,
        [QR_TYPE_SMALLINT] = 6,
        [QR_TYPE_INT] = 12,
        [QR_TYPE_BIGINT] = 24,
        [QR_TYPE_DECIMAL] = 41,
        [QR_TYPE_NUMERIC] = 41,
        [QR_TYPE_MONEY] = 32,
        [QR_TYPE_SMALLMONEY] = 32,
        [QR_TYPE_REAL] = 32,
        [QR_TYPE_FLOAT] = 32,
        [QR_TYPE_DATE] = 10,
        [QR_TYPE_TIME] = 16,
        [QR_TYPE_SMALLDATETIME] = 32,
        [QR_TYPE_DATETIME] = 32,
        [QR_TYPE_DATETIME2] = 27,
        [QR_TYPE_DATETIMEOFFSET] = 34,
        [QR_TYPE_UNIQUEIDENTIFIER] = 36,
    };
    struct qr_type r;
    enum qr_type_id id = national || qri_is_national(t) ? QR_TYPE_NVARCHAR : QR_TYPE_VARCHAR;
    if (qr_type_is_string(t) || qr_type_family(t) == QR_FAMILY_BINARY)
        r = qr_type_sized(id, qr_type_is_lob(t) ? 0 : t->length == 0 ? 8 : t->length);
    else if (t->id == QR_TYPE_XML || t->id == QR_TYPE_JSON || t->id == QR_TYPE_VECTOR ||
             t->id == QR_TYPE_SQL_VARIANT)
        r = qr_type_sized(id, t->id == QR_TYPE_SQL_VARIANT ? 4000 : 0);
    else
        r = qr_type_sized(id, widths[t->id] == 0 ? 30 : widths[t->id]);
    if (qr_type_is_string(t))
        collation = t->collation;
    r.collation = collation;
    return r;
}

/* Text to a date depends on SET DATEFORMAT and LANGUAGE unless a style settles the order. */
static bool depends_on_settings(const struct qr_type *from, const struct qr_type *to, int style)
{
    bool text_to_date = qr_type_is_string(from) && qr_type_family(to) == QR_FAMILY_DATETIME;
    bool variant = from->id == QR_TYPE_SQL_VARIANT;
    return (text_to_date && style < 100) || (variant && qr_type_family(to) == QR_FAMILY_DATETIME);
}

static enum qr_convert_mode mode_of(unsigned flags)
{
    if (flags & QR_CAST_ASSIGN)
        return QR_CONVERT_STORE;
    return flags & QR_CAST_EXPLICIT ? QR_CONVERT_CAST : QR_CONVERT_IMPLICIT;
}

struct cast_spec {
    struct qr_type type;
    const struct qr_expr *arg, *style;
    unsigned flags;
    const char *table, *column;
};

static enum qr_status prepare_converter(struct qr_expr_builder *b, struct qr_expr *node,
                                        const struct cast_spec *spec, int style)
{
    struct qr_converter *c = qr_arena_alloc(b->arena, sizeof *c);
    if (c == NULL)
        return qri_expr_nomem(b->err);
    QR_TRY(
        qr_converter_init(c, &spec->arg->type, &spec->type, style, mode_of(spec->flags), b->err));
    c->table = node->u.cast.table;
    c->column = node->u.cast.column;
    node->u.cast.converter = c;
    if (depends_on_settings(&spec->arg->type, &spec->type, style) && node->volatility < QR_STABLE)
        node->volatility = QR_STABLE;
    return QR_OK;
}

static enum qr_status copy_name(struct qr_expr_builder *b, const char *name, const char **ret_name)
{
    if (name == NULL)
        return QR_OK;
    *ret_name = qr_arena_dup(b->arena, name, strlen(name));
    return *ret_name == NULL ? qri_expr_nomem(b->err) : QR_OK;
}

/* A string made from a string keeps collation and label; from anything else it is coercible. */
static void set_cast_type(struct qr_expr_builder *b, struct qr_expr *node, struct cast_spec *spec)
{
    node->type = spec->type;
    if (!qr_type_is_string(&spec->type))
        return;
    if (spec->flags & QR_CAST_ASSIGN) {
        node->label = QR_LABEL_IMPLICIT;
    } else if (qr_type_is_string(&spec->arg->type)) {
        node->type.collation = spec->arg->type.collation;
        node->label = spec->arg->label;
    } else {
        node->type.collation = b->collation;
    }
    spec->type = node->type;
}

static enum qr_status cast(struct qr_expr_builder *b, struct cast_spec *spec,
                           const struct qr_expr **ret_expr)
{
    const struct qr_expr *args[2] = {spec->arg, spec->style};
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_CAST, args, spec->style == NULL ? 1 : 2, &node));
    set_cast_type(b, node, spec);
    node->u.cast.flags = spec->flags;
    if (spec->flags & (QR_CAST_TRY | QR_CAST_PARSE))
        node->nullable = true;
    QR_TRY(copy_name(b, spec->table, &node->u.cast.table));
    QR_TRY(copy_name(b, spec->column, &node->u.cast.column));
    if (spec->flags & QR_CAST_PARSE)
        return qri_fold(b, node, ret_expr);
    int style = QR_STYLE_DEFAULT;
    if (spec->style != NULL) {
        if (!qri_is_const(spec->style)) {
            QR_TRY(qr_type_check_explicit(&spec->arg->type, &spec->type, b->err));
            if (node->volatility < QR_STABLE)
                node->volatility = QR_STABLE;
            *ret_expr = node;
            return QR_OK;
        }
        if (qr_value_is_null(&spec->style->u.value))
            return qri_null_of(b, node->type, ret_expr);
        style = (int)spec->style->u.value.i;
    }
    QR_TRY(prepare_converter(b, node, spec, style));
    return qri_fold(b, node, ret_expr);
}

enum qr_status qr_expr_cast(struct qr_expr_builder *b, struct qr_type type,
                            const struct qr_expr *arg, const struct qr_expr *style, unsigned flags,
                            const struct qr_expr **ret_expr)
{
    bool parse = (flags & QR_CAST_PARSE) != 0;
    if (style != NULL) {
        struct qr_type want =
            parse ? qr_type_sized(QR_TYPE_NVARCHAR, 128) : qr_type_of(QR_TYPE_INT);
        QR_TRY(qr_expr_convert(b, want, style, &style));
    }
    if (parse) {
        if (!qr_type_is_string(&arg->type) && !qri_is_null_literal(arg))
            return qr_sql_fail(b->err, 8116, qr_type_name(&arg->type), 1, "parse");
        if (qri_is_null_literal(arg))
            return qri_null_for(b, arg, type, false, ret_expr);
    }
    if (qri_is_null_literal(arg) && arg->kind == QR_EXPR_VAR)
        return qri_null_for(b, arg, type, false, ret_expr);
    if (qr_type_is_string(&type) && type.collation == 0)
        type.collation = b->collation;
    struct cast_spec spec = {type, arg, style, flags | QR_CAST_EXPLICIT, NULL, NULL};
    return cast(b, &spec, ret_expr);
}

enum qr_status qr_expr_convert(struct qr_expr_builder *b, struct qr_type type,
                               const struct qr_expr *arg, const struct qr_expr **ret_expr)
{
    if (qri_is_null_literal(arg))
        return qri_null_for(b, arg, type, false, ret_expr);
    struct qr_type from = arg->type;
    from.collation = type.collation; /* collation follows the expression, not the target */
    if (qr_type_eq(&from, &type)) {
        *ret_expr = arg;
        return QR_OK;
    }
    struct cast_spec spec = {type, arg, NULL, 0, NULL, NULL};
    return cast(b, &spec, ret_expr);
}

enum qr_status qr_expr_assign(struct qr_expr_builder *b, struct qr_type type, const char *table,
                              const char *column, const struct qr_expr *arg,
                              const struct qr_expr **ret_expr)
{
    if (qri_is_null_literal(arg))
        return qri_null_for(b, arg, type, true, ret_expr);
    if (qr_type_eq(&arg->type, &type)) {
        *ret_expr = arg;
        return QR_OK;
    }
    struct cast_spec spec = {type, arg, NULL, QR_CAST_ASSIGN, table, column};
    return cast(b, &spec, ret_expr);
}

/* Variable-length strings and ints need no node where only the room grows. */
static bool fits_as_is(const struct qr_type *from, const struct qr_type *to)
{
    if (from->id != to->id || qr_type_is_fixed(from))
        return false;
    if (qr_type_is_string(from) || qr_type_family(from) == QR_FAMILY_BINARY)
        return to->is_max || (!from->is_max && from->length <= to->length);
    if (qr_type_family(from) == QR_FAMILY_DECIMAL)
        return from->scale == to->scale && from->precision <= to->precision &&
               qr_type_cell(from) == qr_type_cell(to);
    return from->scale <= to->scale;
}

enum qr_status qri_coerce(struct qr_expr_builder *b, struct qr_type type, const struct qr_expr *arg,
                          const struct qr_expr **ret_expr)
{
    if (fits_as_is(&arg->type, &type)) {
        *ret_expr = arg;
        return QR_OK;
    }
    return qr_expr_convert(b, type, arg, ret_expr);
}

static enum qr_status combine(struct qr_expr_builder *b, struct qr_type *type,
                              const struct qr_type *other)
{
    struct qr_type both;
    QR_TRY(qr_type_combine(type, other, &both, b->err));
    *type = both;
    return QR_OK;
}

enum qr_status qr_expr_common_type(struct qr_expr_builder *b, const struct qr_expr *const *exprs,
                                   size_t count, struct qr_type *ret_type,
                                   enum qr_collation_label *ret_label)
{
    struct qr_type type = qr_type_of(QR_TYPE_NULL);
    for (size_t i = 0; i < count; i++)
        if (!qri_is_null_literal(exprs[i])) {
            if (type.id == QR_TYPE_NULL)
                type = exprs[i]->type;
            else
                QR_TRY(combine(b, &type, &exprs[i]->type));
        }
    if (type.id == QR_TYPE_NULL)
        type = qr_type_of(QR_TYPE_INT);
    struct qr_collation_use use = {QR_LABEL_COERCIBLE_DEFAULT, b->collation};
    if (qr_type_is_string(&type)) {
        QR_TRY(qri_mix(b, exprs, count, "CASE", &use));
        type.collation = use.collation;
    }
    *ret_type = type;
    if (ret_label != NULL)
        *ret_label = use.label;
    return QR_OK;
}

enum qr_status qr_expr_collate(struct qr_expr_builder *b, const struct qr_expr *arg,
                               uint16_t collation, const struct qr_expr **ret_expr)
{
    if (qri_is_null_literal(arg)) {
        struct qr_type type = qr_type_sized(QR_TYPE_VARCHAR, 1);
        type.collation = collation;
        return qri_null_for(b, arg, type, false, ret_expr);
    }
    if (!qr_type_is_string(&arg->type))
        return qr_sql_fail(b->err, 447, qr_type_name(&arg->type));
    struct qr_expr *node;
    QR_TRY(qri_expr_node(b, QR_EXPR_COLLATE, &arg, 1, &node));
    node->type = arg->type;
    node->type.collation = collation;
    node->label = QR_LABEL_EXPLICIT;
    return qri_fold(b, node, ret_expr);
}
