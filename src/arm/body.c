/* body.c - see body_int.h */
#include "body_int.h"
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum { TAGS_MAX = 50, TAG_NAME_BYTES_MAX = 512, TAG_VALUE_BYTES_MAX = 256 * 3 };

json_t *qri_member(const json_t *object, const char *key)
{
    const char *name;
    json_t *value;
    json_t *found = json_object_get(object, key);
    if (found == NULL) {
        json_object_foreach((json_t *)(uintptr_t)object, name, value)
        {
            if (qr_str_ieqz(qr_str(name), key))
                found = value;
        }
    }
    return json_is_null(found) ? NULL : found;
}

static bool refuse(struct qri_request *r, const char *key)
{
    qri_refuse(r, 400, "InvalidRequestContent", "The member '%s' has a value of the wrong type.",
               key);
    return false;
}

bool qri_body_text(struct qri_request *r, const json_t *object, const char *key,
                   struct qr_str *ret_text)
{
    const json_t *value = qri_member(object, key);
    if (value == NULL)
        return true;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return refuse(r, key);
    size_t n = json_string_length(value);
    const char *copy = qr_arena_dup(&r->arena, json_string_value(value), n);
    if (copy == NULL)
        return refuse(r, key);
    *ret_text = qr_str_n(copy, n);
    return true;
}

bool qri_body_integer(struct qri_request *r, const json_t *object, const char *key,
                      int64_t *ret_number)
{
    const json_t *value = qri_member(object, key);
    if (value == NULL)
        return true;
    if (!json_is_integer(value))
        return refuse(r, key);
    *ret_number = json_integer_value(value);
    return true;
}

bool qri_body_number(struct qri_request *r, const json_t *object, const char *key,
                     double *ret_number)
{
    const json_t *value = qri_member(object, key);
    if (value == NULL)
        return true;
    if (!json_is_number(value))
        return refuse(r, key);
    *ret_number = json_number_value(value);
    return true;
}

bool qri_body_bool(struct qri_request *r, const json_t *object, const char *key, bool *ret_given,
                   bool *ret_value)
{
    const json_t *value = qri_member(object, key);
    if (value == NULL)
        return true;
    if (!json_is_boolean(value))
        return refuse(r, key);
    *ret_given = true;
    *ret_value = json_is_true(value);
    return true;
}

bool qri_body_object(struct qri_request *r, const json_t *object, const char *key,
                     json_t **ret_object)
{
    json_t *value = qri_member(object, key);
    *ret_object = value;
    return value == NULL || json_is_object(value) || refuse(r, key);
}

bool qri_body_tags(struct qri_request *r, const json_t *object, struct qr_str *ret_tags)
{
    json_t *tags = NULL;
    const char *name;
    json_t *value;
    if (!qri_body_object(r, object, "tags", &tags))
        return false;
    if (tags == NULL)
        return true;
    bool good = json_object_size(tags) <= TAGS_MAX;
    json_object_foreach(tags, name, value)
    {
        good = good && strlen(name) <= TAG_NAME_BYTES_MAX && json_is_string(value) &&
               json_string_length(value) <= TAG_VALUE_BYTES_MAX;
    }
    char *text = good ? json_dumps(tags, JSON_COMPACT) : NULL;
    if (text == NULL) {
        qri_refuse(r, 400, "InvalidTagNameValue",
                   "Tags are up to %d texts of up to 256 characters.", TAGS_MAX);
        return false;
    }
    *ret_tags = qr_str(qri_copy(r, qr_str(text)));
    free(text);
    return true;
}

bool qri_body_word(struct qri_request *r, const json_t *object, const char *key,
                   const char *const *words, int *ret_index)
{
    struct qr_str text = {NULL, 0};
    if (!qri_body_text(r, object, key, &text))
        return false;
    if (text.n == 0) /* Az.Sql writes "" for what it was not told */
        return true;
    for (int i = 0; words[i] != NULL; i++)
        if (qr_str_ieqz(text, words[i])) {
            *ret_index = i;
            return true;
        }
    qri_refuse(r, 400, "InvalidParameterValue", "Invalid value '%.100s' given for parameter %s.",
               text.p, key);
    return false;
}

/* ---- times ---- */

static bool digits(const char **at, const char *end, int count, int *ret_number)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        number = number * 10 + (*(*at)++ - '0');
    }
    *ret_number = number;
    return true;
}

static bool sign(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    (*at)++;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_fraction(const char **at, const char *end, int64_t *ret_ns)
{
    int64_t ns = 0, unit = 100000000;
    if (!sign(at, end, '.'))
        return true;
    const char *start = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        ns += (**at - '0') * unit;
    *ret_ns = ns;
    return *at > start && *at - start <= 9;
}

static bool take_offset(const char **at, const char *end, int64_t *ret_seconds)
{
    int hours, minutes;
    if (*at == end || sign(at, end, 'Z') || sign(at, end, 'z'))
        return true;
    bool minus = **at == '-';
    (*at)++;
    if (!digits(at, end, 2, &hours) || !sign(at, end, ':') || !digits(at, end, 2, &minutes) ||
        hours > 14 || minutes > 59)
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return true;
}

bool qri_time_parse(struct qr_str text, int64_t *ret_wall_ns)
{
    const char *at = text.p, *end = text.p + text.n;
    int year, month, day, hour, minute, second;
    int64_t ns = 0, offset = 0;
    if (!digits(&at, end, 4, &year) || !sign(&at, end, '-') || !digits(&at, end, 2, &month) ||
        !sign(&at, end, '-') || !digits(&at, end, 2, &day) ||
        !(sign(&at, end, 'T') || sign(&at, end, ' ')) || !digits(&at, end, 2, &hour) ||
        !sign(&at, end, ':') || !digits(&at, end, 2, &minute) || !sign(&at, end, ':') ||
        !digits(&at, end, 2, &second) || !take_fraction(&at, end, &ns) ||
        !take_offset(&at, end, &offset) || at != end)
        return false;
    if (year < 1970 || year > 2250 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *ret_wall_ns = (seconds - offset) * 1000000000 + ns;
    return true;
}

/* ---- ids ---- */

bool qri_id_parse(struct qri_request *r, struct qr_str id, const char *kind,
                  struct qr_str *ret_server, struct qr_str *ret_name)
{
    static const char *const words[] = {"subscriptions",
                                        NULL,
                                        "resourceGroups",
                                        NULL,
                                        "providers",
                                        "Microsoft.Sql",
                                        "servers",
                                        NULL,
                                        NULL,
                                        NULL};
    struct qri_path path;
    if (!qri_path_parse(&r->arena, id, &path) || path.count != sizeof words / sizeof words[0])
        return false;
    for (size_t i = 0; i < path.count; i++)
        if (words[i] != NULL && !qr_str_ieqz(path.segments[i], words[i]))
            return false;
    if (!qr_str_ieqz(path.segments[8], kind) ||
        !qr_str_ieqz(path.segments[1], r->arm->subscription))
        return false;
    *ret_server = path.segments[7];
    *ret_name = path.segments[9];
    return true;
}
