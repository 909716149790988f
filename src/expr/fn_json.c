/* fn_json.c - see expr/func.h: ISJSON, JSON_VALUE, JSON_QUERY, JSON_MODIFY, JSON_PATH_EXISTS */
#include "expr_int.h"
#include <string.h>
#include "codec/utf.h"
#include "codec/json.h"
#include "base/banned.h"

enum { VALUE_UNITS_MAX = 4000 };

static enum qr_status fn_isjson(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    (void)err;
    enum qr_json_kind kind;
    bool valid = qr_json_valid(qri_arg_str(c, 0), &kind), good;
    struct qr_str want = c->arg_count == 2 ? qri_arg_str(c, 1) : qr_str("");
    if (c->arg_count == 1)
        good = valid && kind >= QR_JSON_ARRAY;
    else if (qr_str_ieqz(want, "VALUE"))
        good = valid;
    else if (qr_str_ieqz(want, "ARRAY"))
        good = valid && kind == QR_JSON_ARRAY;
    else if (qr_str_ieqz(want, "OBJECT"))
        good = valid && kind == QR_JSON_OBJECT;
    else
        good = valid && qr_str_ieqz(want, "SCALAR") &&
               (kind == QR_JSON_NUMBER || kind == QR_JSON_STRING);
    *ret = qr_value_int(good);
    return QR_OK;
}

static enum qr_status find(const struct qr_call *c, struct qr_json_path *path, bool *ret_found,
                           struct qr_json_item *ret_item, struct qr_err *err)
{
    struct qr_str text = c->arg_count > 1 ? qri_arg_str(c, 1) : qr_str("$");
    QR_TRY(qr_json_path_parse(c->ctx->arena, text, path, err));
    QR_TRY(qr_json_find(c->ctx->arena, qri_arg_str(c, 0), path, ret_found, ret_item, err));
    if (!*ret_found && path->strict)
        return qr_sql_fail(err, 13608);
    return QR_OK;
}

static enum qr_status fn_json_value(const struct qr_call *c, struct qr_value *ret,
                                    struct qr_err *err)
{
    struct qr_json_path path;
    struct qr_json_item item;
    bool found;
    QR_TRY(find(c, &path, &found, &item, err));
    *ret = qr_value_null();
    if (!found || item.kind == QR_JSON_NULL)
        return QR_OK;
    if (item.kind >= QR_JSON_ARRAY)
        return path.strict ? qr_sql_fail(err, 13623) : QR_OK;
    struct qr_str text;
    QR_TRY(qr_json_scalar(c->ctx->arena, &item, &text, err));
    if (text.n > VALUE_UNITS_MAX && qr_utf16_units(text) > VALUE_UNITS_MAX)
        return path.strict ? qr_sql_fail(err, 13625) : QR_OK;
    *ret = qr_value_str(text);
    return QR_OK;
}

static enum qr_status fn_json_query(const struct qr_call *c, struct qr_value *ret,
                                    struct qr_err *err)
{
    struct qr_json_path path;
    struct qr_json_item item;
    bool found;
    QR_TRY(find(c, &path, &found, &item, err));
    *ret = qr_value_null();
    if (found && item.kind >= QR_JSON_ARRAY)
        *ret = qr_value_str(item.text);
    else if (found && path.strict)
        return qr_sql_fail(err, 13624);
    return QR_OK;
}

static enum qr_status fn_json_exists(const struct qr_call *c, struct qr_value *ret,
                                     struct qr_err *err)
{
    struct qr_json_path path;
    struct qr_json_item item;
    bool found;
    QR_TRY(qr_json_path_parse(c->ctx->arena, qri_arg_str(c, 1), &path, err));
    enum qr_status status =
        qr_json_find(c->ctx->arena, qri_arg_str(c, 0), &path, &found, &item, NULL);
    if (status == QR_NOMEM)
        return qri_expr_nomem(err);
    *ret = qr_value_int(status == QR_OK && found);
    return QR_OK;
}

/* --- JSON_MODIFY --- */

struct edit {
    size_t from, to; /* bytes of the text that the value replaces */
    bool put;        /* false: only take the bytes away */
    const char *before, *after;
    struct qr_str key; /* a new member's name */
    bool add_key, unchanged;
};

/* Takes a member or element with the comma that belongs to it. */
static void widen_to_comma(struct qr_str s, struct edit *e)
{
    size_t to = e->to, from = e->from;
    while (to < s.n && qr_json_is_blank(s.p[to]))
        to++;
    while (from > 0 && qr_json_is_blank(s.p[from - 1]))
        from--;
    if (to < s.n && s.p[to] == ',')
        e->to = to + 1;
    else if (from > 0 && s.p[from - 1] == ',')
        e->from = from - 1;
}

/* From the value back over ':' and the key's quotes. */
static size_t start_of_key(struct qr_str s, size_t value)
{
    while (s.p[value] != ':')
        value--;
    while (s.p[value] != '"')
        value--;
    for (value--;; value--)
        if (s.p[value] == '"') {
            size_t slashes = 0;
            while (value > slashes && s.p[value - 1 - slashes] == '\\')
                slashes++;
            if (slashes % 2 == 0)
                return value;
        }
}

static bool is_empty_container(struct qr_str s)
{
    for (size_t i = 1; i + 1 < s.n; i++)
        if (!qr_json_is_blank(s.p[i]))
            return false;
    return true;
}

/* A new value before the closing bracket of `parent`. */
static void insert_last(struct qr_str s, struct qr_str parent, struct edit *e)
{
    e->from = e->to = (size_t)(parent.p - s.p) + parent.n - 1;
    e->put = true;
    e->before = is_empty_container(parent) ? "" : ",";
}

static enum qr_status plan_missing(const struct qr_call *c, const struct qr_json_path *path,
                                   struct edit *e, struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    struct qr_json_path up = *path;
    struct qr_json_item parent;
    bool found;
    if (path->strict)
        return qr_sql_fail(err, 13608);
    e->unchanged = true;
    if (path->step_count == 0 || qr_value_is_null(&c->args[2]))
        return QR_OK;
    up.step_count--;
    const struct qr_json_step *last = &path->steps[up.step_count];
    QR_TRY(qr_json_find(c->ctx->arena, s, &up, &found, &parent, err));
    if (!found || parent.kind != QR_JSON_OBJECT || last->key.p == NULL)
        return QR_OK;
    e->unchanged = false;
    insert_last(s, parent.text, e);
    e->add_key = true;
    e->key = last->key;
    if (path->append) {
        e->before = is_empty_container(parent.text) ? "" : ",";
        e->after = "]";
    }
    return QR_OK;
}

static enum qr_status plan_found(const struct qr_call *c, const struct qr_json_path *path,
                                 const struct qr_json_item *item, struct edit *e,
                                 struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    if (path->append) {
        if (item->kind != QR_JSON_ARRAY) {
            e->unchanged = true;
            return path->strict ? qr_sql_fail(err, 13621) : QR_OK;
        }
        insert_last(s, item->text, e);
        return QR_OK;
    }
    e->from = (size_t)(item->text.p - s.p);
    e->to = e->from + item->text.n;
    e->put = true;
    bool member = path->step_count > 0 && path->steps[path->step_count - 1].key.p != NULL;
    if (qr_value_is_null(&c->args[2]) && !path->strict && member) {
        e->from = start_of_key(s, e->from - 1);
        widen_to_comma(s, e);
        e->put = false;
    }
    return QR_OK;
}

static enum qr_status apply_edit(const struct qr_call *c, const struct edit *e, struct qr_buf *out,
                                 struct qr_err *err)
{
    struct qr_str s = qri_arg_str(c, 0);
    qr_buf_add(out, s.p, e->from);
    if (e->put) {
        qr_buf_addz(out, e->before == NULL ? "" : e->before);
        if (e->add_key) {
            qri_json_put_string(out, e->key);
            qr_buf_addz(out, e->after == NULL ? ":" : ":[");
        }
        QR_TRY(qri_json_put_value(c, 2, out, err));
        qr_buf_addz(out, e->after == NULL ? "" : e->after);
    }
    qr_buf_add(out, s.p + e->to, s.n - e->to);
    return QR_OK;
}

static enum qr_status fn_json_modify(const struct qr_call *c, struct qr_value *ret,
                                     struct qr_err *err)
{
    struct qr_json_path path;
    struct qr_json_item item;
    bool found;
    *ret = qr_value_null();
    if (qr_value_is_null(&c->args[0]) || qr_value_is_null(&c->args[1]))
        return QR_OK;
    QR_TRY(qr_json_path_parse(c->ctx->arena, qri_arg_str(c, 1), &path, err));
    QR_TRY(qr_json_find(c->ctx->arena, qri_arg_str(c, 0), &path, &found, &item, err));
    struct edit e = {.from = 0};
    QR_TRY(found ? plan_found(c, &path, &item, &e, err) : plan_missing(c, &path, &e, err));
    if (e.unchanged) {
        *ret = c->args[0];
        return QR_OK;
    }
    struct qr_buf out;
    qr_buf_init_counted(&out, QRI_JSON_BYTES_MAX);
    enum qr_status status = apply_edit(c, &e, &out, err);
    QR_TRY(qri_json_return(c, status, &out, ret, err));
    if (c->expr->type.id != QR_TYPE_JSON)
        return QR_OK;
    struct qr_str document;
    QR_TRY(qr_json_document(c->ctx->arena, qr_value_bytes(ret), &document, err));
    *ret = qr_value_str(document);
    return QR_OK;
}

/* json of json, else nvarchar(max). */
static enum qr_status type_fragment(struct qr_func_typing *t)
{
    if (t->args[0]->type.id == QR_TYPE_JSON) {
        t->type = qr_type_of(QR_TYPE_JSON);
        return QR_OK;
    }
    t->type = qr_type_sized(QR_TYPE_NVARCHAR, 0);
    t->type.collation = t->use.collation;
    return QR_OK;
}

enum { MAKES = QR_FUNC_NULLS | QR_FUNC_NOT_NULL | QR_FUNC_JSON };
static const struct qr_func json_funcs[] = {
    /* clang-format off */
    {"ISJSON",      1, 2, "jn",  NULL, QR_TYPE_INT, 0, fn_isjson, 0, QR_HOST_NONE},
    {"JSON_ARRAY",  0, 254, "*", NULL, QR_TYPE_NVARCHAR, 0, qri_json_array, MAKES, QR_HOST_NONE},
    {"JSON_ARRAY NULL ON NULL", 0, 254, "*", NULL, QR_TYPE_NVARCHAR, 0, qri_json_array, MAKES,
     QR_HOST_NONE},
    {"JSON_MODIFY", 3, 3, "jn*", type_fragment, QR_TYPE_NVARCHAR, 0, fn_json_modify,
     QR_FUNC_NULLS | QR_FUNC_NULLABLE | QR_FUNC_JSON, QR_HOST_NONE},
    {"JSON_OBJECT", 0, 254, "*", NULL, QR_TYPE_NVARCHAR, 0, qri_json_object, MAKES, QR_HOST_NONE},
    {"JSON_OBJECT ABSENT ON NULL", 0, 254, "*", NULL, QR_TYPE_NVARCHAR, 0, qri_json_object, MAKES,
     QR_HOST_NONE},
    {"JSON_PATH_EXISTS", 2, 2, "jn", NULL, QR_TYPE_INT, 0, fn_json_exists, 0, QR_HOST_NONE},
    {"JSON_QUERY",  1, 2, "jn",  type_fragment, QR_TYPE_NVARCHAR, 0, fn_json_query,
     QR_FUNC_NULLABLE | QR_FUNC_JSON,
     QR_HOST_NONE},
    {"JSON_VALUE",  2, 2, "jn",  NULL, QR_TYPE_NVARCHAR, VALUE_UNITS_MAX, fn_json_value,
     QR_FUNC_NULLABLE, QR_HOST_NONE},
    /* clang-format on */
};
const struct qri_family qri_json_funcs = {json_funcs, sizeof json_funcs / sizeof json_funcs[0]};
