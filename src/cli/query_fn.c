/* query_fn.c - see query_int.h: the functions of queries, one row each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "query_int.h"
#include "base/banned.h"

enum { ARGS_MAX = 16, STRING_BYTES_MAX = 64 * 1024 * 1024 };

struct call {
    struct qri_query_state *state;
    const char *name;
    json_t *args[ARGS_MAX];
    const struct qri_query *references[ARGS_MAX];
    size_t count;
};

/* ---- numbers ---- */

static json_t *number_of(double value)
{
    if (value == floor(value) && fabs(value) < 9e15)
        return json_integer((json_int_t)value);
    return json_real(value);
}

static json_t *fn_abs(struct call *c)
{
    return number_of(fabs(json_number_value(c->args[0])));
}

static json_t *fn_ceil(struct call *c)
{
    return number_of(ceil(json_number_value(c->args[0])));
}

static json_t *fn_floor(struct call *c)
{
    return number_of(floor(json_number_value(c->args[0])));
}

static double sum_of(const json_t *list)
{
    double sum = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        sum += json_number_value(json_array_get(list, i));
    return sum;
}

static json_t *fn_sum(struct call *c)
{
    return number_of(sum_of(c->args[0]));
}

static json_t *fn_avg(struct call *c)
{
    size_t count = json_array_size(c->args[0]);
    return count == 0 ? json_null() : number_of(sum_of(c->args[0]) / (double)count);
}

/* ---- strings ---- */

static json_t *fn_starts_with(struct call *c)
{
    size_t n = json_string_length(c->args[1]);
    return json_boolean(strncmp(json_string_value(c->args[0]), json_string_value(c->args[1]), n) ==
                        0);
}

static json_t *fn_ends_with(struct call *c)
{
    size_t whole = json_string_length(c->args[0]), n = json_string_length(c->args[1]);
    return json_boolean(n <= whole && strcmp(json_string_value(c->args[0]) + whole - n,
                                             json_string_value(c->args[1])) == 0);
}

static json_t *fn_join(struct call *c)
{
    struct qr_buf text;
    qr_buf_init(&text, STRING_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(c->args[1]); i++) {
        if (i > 0)
            qr_buf_addz(&text, json_string_value(c->args[0]));
        qr_buf_addz(&text, json_string_value(json_array_get(c->args[1], i)));
    }
    json_t *joined = json_string(qr_buf_cstr(&text));
    qr_buf_done(&text);
    return joined;
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static json_t *fn_to_string(struct call *c)
{
    if (json_is_string(c->args[0]))
        return json_incref(c->args[0]);
    char *text = json_dumps(c->args[0], JSON_ENCODE_ANY | JSON_COMPACT);
    json_t *string = text == NULL ? NULL : json_string(text);
    free(text);
    return string;
}

static json_t *fn_to_number(struct call *c)
{
    if (json_is_number(c->args[0]))
        return json_incref(c->args[0]);
    json_t *value = json_is_string(c->args[0])
                        ? json_loads(json_string_value(c->args[0]), JSON_DECODE_ANY, NULL)
                        : NULL;
    if (json_is_number(value))
        return value;
    json_decref(value);
    return json_null();
}

static json_t *fn_reverse(struct call *c)
{
    if (json_is_array(c->args[0])) {
        json_t *list = json_array();
        for (size_t i = json_array_size(c->args[0]); i > 0; i--)
            json_array_append(list, json_array_get(c->args[0], i - 1));
        return list;
    }
    const char *text = json_string_value(c->args[0]);
    struct qr_buf turned;
    qr_buf_init(&turned, STRING_BYTES_MAX);
    for (size_t end = strlen(text); end > 0;) { /* character by character, not byte by byte */
        size_t at = end - 1;
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
            at--;
        qr_buf_add(&turned, text + at, end - at);
        end = at;
    }
    json_t *result = json_string(qr_buf_cstr(&turned));
    qr_buf_done(&turned);
    return result;
}

/* ---- lists and objects ---- */

static json_t *fn_contains(struct call *c)
{
    if (json_is_string(c->args[0]))
        return json_boolean(json_is_string(c->args[1]) &&
                            strstr(json_string_value(c->args[0]), json_string_value(c->args[1])) !=
                                NULL);
    bool found = false;
    for (size_t i = 0; i < json_array_size(c->args[0]) && !found; i++)
        found = qri_query_equal(json_array_get(c->args[0], i), c->args[1]);
    return json_boolean(found);
}

static json_t *fn_length(struct call *c)
{
    const json_t *value = c->args[0];
    return json_integer((json_int_t)(json_is_array(value) ? json_array_size(value)
                                     : json_is_object(value)
                                         ? json_object_size(value)
                                         : characters(json_string_value(value))));
}

static json_t *fn_keys(struct call *c)
{
    const char *key;
    json_t *item, *list = json_array();
    json_object_foreach(c->args[0], key, item)
    {
        json_array_append_new(list, json_string(key));
    }
    return list;
}

static json_t *fn_values(struct call *c)
{
    const char *key;
    json_t *item, *list = json_array();
    json_object_foreach(c->args[0], key, item)
    {
        json_array_append(list, item);
    }
    return list;
}

static json_t *fn_merge(struct call *c)
{
    json_t *all = json_object();
    for (size_t i = 0; i < c->count; i++)
        if (json_object_update(all, c->args[i]) != 0)
            break;
    return all;
}

static json_t *fn_not_null(struct call *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (!json_is_null(c->args[i]))
            return json_incref(c->args[i]);
    return json_null();
}

static json_t *fn_to_array(struct call *c)
{
    return json_is_array(c->args[0]) ? json_incref(c->args[0]) : json_pack("[O]", c->args[0]);
}

static json_t *fn_type(struct call *c)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "object",  [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "number", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean",  [JSON_NULL] = "null",
    };
    return json_string(names[json_typeof(c->args[0])]);
}

static json_t *fn_map(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < json_array_size(c->args[1]); i++) {
        json_t *item = qri_query_eval(c->state, c->references[0], json_array_get(c->args[1], i));
        if (item == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, item);
    }
    return list;
}

/* ---- order ---- */

struct keyed {
    json_t *key, *value;
    size_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order;
    if (json_is_string(x->key)) {
        order = strcmp(json_string_value(x->key), json_string_value(y->key));
    } else {
        double m = json_number_value(x->key), n = json_number_value(y->key);
        order = (m > n) - (m < n);
    }
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* The list with the key of each item; all keys are strings, or all are numbers. NULL: told why. */
static struct keyed *keyed_of(struct call *c, const json_t *list, const struct qri_query *by)
{
    size_t count = json_array_size(list), done = 0;
    struct keyed *rows = calloc(count + 1, sizeof *rows);
    for (; rows != NULL && done < count; done++) {
        struct keyed *row = &rows[done];
        row->index = done;
        row->value = json_array_get(list, done);
        row->key = by == NULL ? json_incref(row->value) : qri_query_eval(c->state, by, row->value);
        bool fits = row->key != NULL && (json_is_string(row->key) || json_is_number(row->key)) &&
                    json_is_string(row->key) == json_is_string(rows[0].key);
        if (fits)
            continue;
        if (row->key != NULL)
            qri_query_fail(c->state, "%s(): only numbers, or only strings, have an order", c->name);
        for (size_t i = 0; i <= done; i++)
            json_decref(rows[i].key);
        free(rows);
        return NULL;
    }
    return rows;
}

enum order { ORDER_ALL, ORDER_FIRST, ORDER_LAST };

static json_t *ordered(struct call *c, const struct qri_query *by, enum order what)
{
    size_t count = json_array_size(c->args[0]);
    struct keyed *rows = keyed_of(c, c->args[0], by);
    if (rows == NULL)
        return NULL;
    qsort(rows, count, sizeof *rows, by_key);
    json_t *result = what == ORDER_ALL ? json_array() : count == 0 ? json_null() : NULL;
    for (size_t i = 0; what == ORDER_ALL && i < count; i++)
        json_array_append(result, rows[i].value);
    if (result == NULL) {
        size_t at = what == ORDER_FIRST ? 0 : count - 1;
        while (at > 0 && what == ORDER_LAST && !(rows[at - 1].index > rows[at].index) &&
               qri_query_equal(rows[at - 1].key, rows[at].key))
            at--; /* of several, the first in the list */
        result = json_incref(rows[at].value);
    }
    for (size_t i = 0; i < count; i++)
        json_decref(rows[i].key);
    free(rows);
    return result;
}

static json_t *fn_sort(struct call *c)
{
    return ordered(c, NULL, ORDER_ALL);
}

static json_t *fn_sort_by(struct call *c)
{
    return ordered(c, c->references[1], ORDER_ALL);
}

static json_t *fn_min(struct call *c)
{
    return ordered(c, NULL, ORDER_FIRST);
}

static json_t *fn_max(struct call *c)
{
    return ordered(c, NULL, ORDER_LAST);
}

static json_t *fn_min_by(struct call *c)
{
    return ordered(c, c->references[1], ORDER_FIRST);
}

static json_t *fn_max_by(struct call *c)
{
    return ordered(c, c->references[1], ORDER_LAST);
}

/* ---- the table ---- */

/* Kinds of arguments: n number, s string, a list, o object, N list of numbers, S list of strings,
 * l string, list or object, c string or list, & an expression, and the star is any value. */
static const struct function {
    const char *name, *kinds;
    json_t *(*run)(struct call *c);
    bool repeats; /* the last kind, once or more */
} functions[] = {
    /* clang-format off */
    {"abs",         "n",  fn_abs,         false},
    {"avg",         "N",  fn_avg,         false},
    {"ceil",        "n",  fn_ceil,        false},
    {"contains",    "c*", fn_contains,    false},
    {"ends_with",   "ss", fn_ends_with,   false},
    {"floor",       "n",  fn_floor,       false},
    {"join",        "sS", fn_join,        false},
    {"keys",        "o",  fn_keys,        false},
    {"length",      "l",  fn_length,      false},
    {"map",         "&a", fn_map,         false},
    {"max",         "a",  fn_max,         false},
    {"max_by",      "a&", fn_max_by,      false},
    {"merge",       "o",  fn_merge,       true },
    {"min",         "a",  fn_min,         false},
    {"min_by",      "a&", fn_min_by,      false},
    {"not_null",    "*",  fn_not_null,    true },
    {"reverse",     "c",  fn_reverse,     false},
    {"sort",        "a",  fn_sort,        false},
    {"sort_by",     "a&", fn_sort_by,     false},
    {"starts_with", "ss", fn_starts_with, false},
    {"sum",         "N",  fn_sum,         false},
    {"to_array",    "*",  fn_to_array,    false},
    {"to_number",   "*",  fn_to_number,   false},
    {"to_string",   "*",  fn_to_string,   false},
    {"type",        "*",  fn_type,        false},
    {"values",      "o",  fn_values,      false},
    /* clang-format on */
};

static const struct function *find(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i].name, name) == 0)
            return &functions[i];
    return NULL;
}

static char kind_at(const struct function *f, size_t index)
{
    size_t count = strlen(f->kinds);
    return f->kinds[index < count ? index : count - 1];
}

bool qri_query_call_check(const struct qri_query *call, struct qr_err *err)
{
    const struct function *f = find(call->text);
    if (f == NULL)
        return qr_fail(err, QR_INVALID, "there is no function %s()", call->text) == QR_OK;
    size_t least = strlen(f->kinds), most = f->repeats ? ARGS_MAX : least;
    if (call->item_count < least || call->item_count > most)
        return qr_fail(err, QR_INVALID, "%s() takes %zu argument%s%s", f->name, least,
                       least == 1 ? "" : "s", f->repeats ? " or more" : "") == QR_OK;
    for (size_t i = 0; i < call->item_count; i++) {
        bool is_reference = call->items[i].value->kind == QRI_Q_REFERENCE;
        if (is_reference != (kind_at(f, i) == '&'))
            return qr_fail(err, QR_INVALID, "%s(): argument %zu %s", f->name, i + 1,
                           is_reference ? "is a value, without '&'"
                                        : "is an expression: '&name'") == QR_OK;
    }
    return true;
}

static bool all_are(const json_t *list, json_type type)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (type == JSON_STRING ? !json_is_string(item) : !json_is_number(item))
            return false;
    }
    return json_is_array(list);
}

static bool is_of_kind(const json_t *value, char kind)
{
    switch (kind) {
    case 'n':
        return json_is_number(value);
    case 's':
        return json_is_string(value);
    case 'a':
        return json_is_array(value);
    case 'o':
        return json_is_object(value);
    case 'N':
        return all_are(value, JSON_INTEGER);
    case 'S':
        return all_are(value, JSON_STRING);
    case 'l':
        return json_is_string(value) || json_is_array(value) || json_is_object(value);
    case 'c':
        return json_is_string(value) || json_is_array(value);
    default:
        return true;
    }
}

/* Evaluates the arguments. False: the state says why. */
static bool take_arguments(struct call *c, const struct function *f, const struct qri_query *call,
                           json_t *value)
{
    for (; c->count < call->item_count; c->count++) {
        const struct qri_query *item = call->items[c->count].value;
        json_t **arg = &c->args[c->count];
        if (item->kind == QRI_Q_REFERENCE) {
            c->references[c->count] = item->left;
            continue;
        }
        *arg = qri_query_eval(c->state, item, value);
        if (*arg == NULL)
            return false;
        if (!is_of_kind(*arg, kind_at(f, c->count))) {
            qri_query_fail(c->state, "%s(): argument %zu is not of the type that it takes", f->name,
                           c->count + 1);
            return false;
        }
        c->state->work += json_array_size(*arg);
    }
    return true;
}

json_t *qri_query_call(struct qri_query_state *state, const struct qri_query *call, json_t *value)
{
    const struct function *f = find(call->text);
    struct call c = {.state = state, .name = f->name};
    json_t *result = NULL;
    if (take_arguments(&c, f, call, value))
        result = f->run(&c);
    for (size_t i = 0; i < ARGS_MAX; i++)
        json_decref(c.args[i]);
    /* cppcheck-suppress returnDanglingLifetime ; it takes the result for a list that holds c */
    return result;
}
