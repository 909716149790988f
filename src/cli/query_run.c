/* query_run.c - see query.h: a query's tree over a value. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "query_int.h"
#include "base/banned.h"

enum { WORK_MAX = 2 * 1000 * 1000 };

json_t *qri_query_fail(struct qri_query_state *state, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (state->err != NULL && state->err->status == QR_OK)
        qr_fail(state->err, QR_INVALID, "query: %s", text);
    return NULL;
}

bool qri_query_is_true(const json_t *value)
{
    if (json_is_array(value))
        return json_array_size(value) > 0;
    if (json_is_object(value))
        return json_object_size(value) > 0;
    if (json_is_string(value))
        return json_string_length(value) > 0;
    return !json_is_null(value) && !json_is_false(value);
}

/* As json_equal, but 1 is 1.0 inside and outside. Documents are as deep as their parser allows. */
bool qri_query_equal(const json_t *a, const json_t *b)
{
    size_t i;
    const char *key;
    json_t *item;
    if (json_is_number(a) && json_is_number(b) && json_typeof(a) != json_typeof(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b))
            return false;
        json_array_foreach((json_t *)a, i, item)
        {
            if (!qri_query_equal(item, json_array_get(b, i)))
                return false;
        }
        return true;
    }
    if (json_is_object(a)) {
        if (json_object_size(a) != json_object_size(b))
            return false;
        json_object_foreach((json_t *)a, key, item)
        {
            const json_t *other = json_object_get(b, key);
            if (other == NULL || !qri_query_equal(item, other))
                return false;
        }
        return true;
    }
    return json_equal(a, b);
}

static json_t *field(const struct qri_query *q, json_t *value)
{
    json_t *found = json_object_get(value, q->text);
    return found == NULL ? json_null() : json_incref(found);
}

static json_t *index_of(const struct qri_query *q, json_t *value)
{
    int64_t size = (int64_t)json_array_size(value);
    int64_t at = q->from < 0 ? size + q->from : q->from;
    return at < 0 || at >= size ? json_null() : json_incref(json_array_get(value, (size_t)at));
}

/* An end of a slice inside [low, high]; a negative one counts from behind. */
static int64_t slice_end(bool given, int64_t at, int64_t otherwise, int64_t size, int64_t low,
                         int64_t high)
{
    if (!given)
        return otherwise;
    if (at < 0)
        at += size;
    return at < low ? low : at > high ? high : at;
}

/* As Python's slices, by which the specification describes them. */
static json_t *slice(const struct qri_query *q, json_t *value)
{
    if (!json_is_array(value))
        return json_null();
    int64_t size = (int64_t)json_array_size(value);
    bool down = q->step < 0;
    int64_t low = down ? -1 : 0, high = down ? size - 1 : size;
    int64_t from = slice_end(q->has_from, q->from, down ? high : low, size, low, high);
    int64_t to = slice_end(q->has_to, q->to, down ? low : high, size, low, high);
    json_t *list = json_array();
    for (int64_t i = from; down ? i > to : i < to;) {
        json_array_append(list, json_array_get(value, (size_t)i));
        if (down ? q->step < to - i : q->step > to - i)
            break;
        i += q->step;
    }
    return list;
}

/* ---- projections ---- */

static bool add_projected(struct qri_query_state *state, const struct qri_query *q, json_t *item,
                          json_t *list)
{
    if (q->kind == QRI_Q_FILTER) {
        json_t *holds = qri_query_eval(state, q->condition, item);
        bool is_true = holds != NULL && qri_query_is_true(holds);
        json_decref(holds);
        if (!is_true)
            return holds != NULL;
    }
    json_t *found = qri_query_eval(state, q->right, item);
    if (found == NULL)
        return false;
    if (json_is_null(found))
        json_decref(found);
    else
        json_array_append_new(list, found);
    return true;
}

static json_t *projected(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    size_t i;
    const char *key;
    json_t *item, *left = qri_query_eval(state, q->left, value);
    bool of_values = q->kind == QRI_Q_VALUES;
    if (left == NULL || (of_values ? !json_is_object(left) : !json_is_array(left))) {
        json_decref(left);
        return left == NULL ? NULL : json_null();
    }
    json_t *list = json_array();
    bool good = list != NULL;
    if (of_values) {
        json_object_foreach(left, key, item)
        {
            good = good && add_projected(state, q, item, list);
        }
    } else {
        json_array_foreach(left, i, item)
        {
            good = good && add_projected(state, q, item, list);
        }
    }
    json_decref(left);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *flattened(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    size_t i;
    json_t *item, *left = qri_query_eval(state, q->left, value);
    if (left == NULL || !json_is_array(left)) {
        json_decref(left);
        return left == NULL ? NULL : json_null();
    }
    json_t *list = json_array();
    json_array_foreach(left, i, item)
    {
        state->work += json_array_size(item);
        if (json_is_array(item))
            json_array_extend(list, item);
        else
            json_array_append(list, item);
    }
    json_decref(left);
    return list;
}

/* ---- the rest ---- */

static json_t *chain(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    json_t *left = qri_query_eval(state, q->left, value);
    json_t *right = left == NULL ? NULL : qri_query_eval(state, q->right, left);
    json_decref(left);
    return right;
}

static json_t *choice(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    json_t *left = qri_query_eval(state, q->left, value);
    if (left == NULL || qri_query_is_true(left) == (q->kind == QRI_Q_OR))
        return left;
    json_decref(left);
    return qri_query_eval(state, q->right, value);
}

static json_t *compared(const char *op, const json_t *a, const json_t *b)
{
    if (strcmp(op, "==") == 0)
        return json_boolean(qri_query_equal(a, b));
    if (strcmp(op, "!=") == 0)
        return json_boolean(!qri_query_equal(a, b));
    int order;
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        order = (x > y) - (x < y);
    } else if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        order = (x > y) - (x < y);
    } else if (json_is_string(a) && json_is_string(b)) {
        order = strcmp(json_string_value(a), json_string_value(b)); /* times are compared so */
    } else {
        return json_null();
    }
    bool or_equal = op[1] == '=';
    return json_boolean(*op == '<' ? order < 0 || (or_equal && order == 0)
                                   : order > 0 || (or_equal && order == 0));
}

static json_t *compare(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    json_t *left = qri_query_eval(state, q->left, value);
    json_t *right = left == NULL ? NULL : qri_query_eval(state, q->right, value);
    json_t *result = right == NULL ? NULL : compared(q->text, left, right);
    json_decref(left);
    json_decref(right);
    return result;
}

static json_t *multi(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    bool is_hash = q->kind == QRI_Q_MULTI_HASH;
    if (json_is_null(value))
        return json_null();
    json_t *all = is_hash ? json_object() : json_array();
    for (size_t i = 0; all != NULL && i < q->item_count; i++) {
        json_t *item = qri_query_eval(state, q->items[i].value, value);
        int failed = item == NULL ? -1
                     : is_hash    ? json_object_set_new(all, q->items[i].name, item)
                                  : json_array_append_new(all, item);
        if (failed != 0) {
            json_decref(all);
            return item == NULL ? NULL : qri_query_fail(state, "out of memory");
        }
    }
    return all;
}

static json_t *negated(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    json_t *inner = qri_query_eval(state, q->left, value);
    json_t *result = inner == NULL ? NULL : json_boolean(!qri_query_is_true(inner));
    json_decref(inner);
    return result;
}

json_t *qri_query_eval(struct qri_query_state *state, const struct qri_query *q, json_t *value)
{
    if (++state->work > WORK_MAX)
        return qri_query_fail(state, "that is too much work");
    switch (q->kind) {
    case QRI_Q_CURRENT:
        return json_incref(value);
    case QRI_Q_FIELD:
        return field(q, value);
    case QRI_Q_LITERAL:
        return json_loads(q->literal, JSON_DECODE_ANY, NULL);
    case QRI_Q_INDEX:
        return index_of(q, value);
    case QRI_Q_SLICE:
        return slice(q, value);
    case QRI_Q_CHAIN:
        return chain(state, q, value);
    case QRI_Q_LIST:
    case QRI_Q_VALUES:
    case QRI_Q_FILTER:
        return projected(state, q, value);
    case QRI_Q_FLATTEN:
        return flattened(state, q, value);
    case QRI_Q_OR:
    case QRI_Q_AND:
        return choice(state, q, value);
    case QRI_Q_NOT:
        return negated(state, q, value);
    case QRI_Q_COMPARE:
        return compare(state, q, value);
    case QRI_Q_MULTI_LIST:
    case QRI_Q_MULTI_HASH:
        return multi(state, q, value);
    case QRI_Q_CALL:
        return qri_query_call(state, q, value);
    case QRI_Q_REFERENCE:
        break;
    }
    return qri_query_fail(state, "'&' stands only before an argument of a function");
}

enum qr_status qri_query_run(const struct qri_query *query, json_t *value, json_t **ret_value,
                             struct qr_err *err)
{
    struct qr_err own = {0};
    struct qri_query_state state = {.err = &own};
    json_t *result = qri_query_eval(&state, query, value);
    if (result == NULL)
        return own.status == QR_OK ? qr_fail(err, QR_NOMEM, "query")
                                   : qr_fail(err, own.status, "%s", own.text);
    *ret_value = result;
    return QR_OK;
}
