/* json.c - see codec/json.h */
#include "codec/json.h"
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "codec/utf.h"
#include "base/banned.h"

/* --- scanning: each skip_ function moves *pos past what it names, or leaves it at the fault --- */

bool qr_json_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct qr_str s, size_t *pos)
{
    while (*pos < s.n && qr_json_is_blank(s.p[*pos]))
        ++*pos;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool skip_escape(struct qr_str s, size_t *pos)
{
    if (*pos + 1 >= s.n)
        return false;
    char c = s.p[*pos + 1];
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
            return false;
        *pos += 2;
        return true;
    }
    for (size_t i = 2; i < 6; i++)
        if (*pos + i >= s.n || !is_hex(s.p[*pos + i]))
            return false;
    *pos += 6;
    return true;
}

static bool skip_string(struct qr_str s, size_t *pos)
{
    if (*pos >= s.n || s.p[*pos] != '"')
        return false;
    for (++*pos; *pos < s.n;) {
        char c = s.p[*pos];
        if (c == '"') {
            ++*pos;
            return true;
        }
        if (c == '\\') {
            if (!skip_escape(s, pos))
                return false;
        } else if ((unsigned char)c < 0x20) {
            return false;
        } else {
            ++*pos;
        }
    }
    return false;
}

static size_t skip_digits(struct qr_str s, size_t *pos)
{
    size_t from = *pos;
    while (*pos < s.n && s.p[*pos] >= '0' && s.p[*pos] <= '9')
        ++*pos;
    return *pos - from;
}

static bool skip_number(struct qr_str s, size_t *pos)
{
    if (*pos < s.n && s.p[*pos] == '-')
        ++*pos;
    size_t start = *pos, digits = skip_digits(s, pos);
    if (digits == 0 || (digits > 1 && s.p[start] == '0'))
        return false;
    if (*pos < s.n && s.p[*pos] == '.') {
        ++*pos;
        if (skip_digits(s, pos) == 0)
            return false;
    }
    if (*pos < s.n && (s.p[*pos] | 0x20) == 'e') {
        ++*pos;
        if (*pos < s.n && (s.p[*pos] == '+' || s.p[*pos] == '-'))
            ++*pos;
        if (skip_digits(s, pos) == 0)
            return false;
    }
    return true;
}

static bool skip_word(struct qr_str s, size_t *pos, const char *word)
{
    size_t n = strlen(word);
    if (s.n - *pos < n || memcmp(s.p + *pos, word, n) != 0)
        return false;
    *pos += n;
    return true;
}

static bool kind_at(struct qr_str s, size_t pos, enum qr_json_kind *ret_kind)
{
    static const struct {
        char first;
        enum qr_json_kind kind;
    } kinds[] = {{'{', QR_JSON_OBJECT}, {'[', QR_JSON_ARRAY}, {'"', QR_JSON_STRING},
                 {'t', QR_JSON_BOOL},   {'f', QR_JSON_BOOL},  {'n', QR_JSON_NULL},
                 {'-', QR_JSON_NUMBER}};
    if (pos >= s.n)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].first == s.p[pos]) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    *ret_kind = QR_JSON_NUMBER;
    return s.p[pos] >= '0' && s.p[pos] <= '9';
}

static bool skip_scalar(struct qr_str s, size_t *pos)
{
    enum qr_json_kind kind;
    if (!kind_at(s, *pos, &kind))
        return false;
    if (kind == QR_JSON_STRING)
        return skip_string(s, pos);
    if (kind == QR_JSON_NUMBER)
        return skip_number(s, pos);
    if (kind == QR_JSON_NULL)
        return skip_word(s, pos, "null");
    return skip_word(s, pos, s.p[*pos] == 't' ? "true" : "false");
}

static bool skip_key(struct qr_str s, size_t *pos)
{
    skip_blanks(s, pos);
    if (!skip_string(s, pos))
        return false;
    skip_blanks(s, pos);
    if (*pos >= s.n || s.p[*pos] != ':')
        return false;
    ++*pos;
    return true;
}

/* After '{' or '[': true with *ret_empty if it closes at once, else at the first value. */
static bool skip_opening(struct qr_str s, size_t *pos, bool *ret_empty)
{
    bool object = s.p[(*pos)++] == '{';
    skip_blanks(s, pos);
    *ret_empty = *pos < s.n && s.p[*pos] == (object ? '}' : ']');
    if (*ret_empty) {
        ++*pos;
        return true;
    }
    return object ? skip_key(s, pos) : true;
}

/* After a value inside a container: at the next value, or past the end (*ret_closed). */
static bool skip_between(struct qr_str s, size_t *pos, bool object, bool *ret_closed)
{
    skip_blanks(s, pos);
    if (*pos >= s.n)
        return false;
    char c = s.p[*pos];
    *ret_closed = c == (object ? '}' : ']');
    if (!*ret_closed && c != ',')
        return false;
    ++*pos;
    return *ret_closed || !object || skip_key(s, pos);
}

/* One value of any kind, with a stack of one bit a level instead of recursion. */
static bool skip_value(struct qr_str s, size_t *pos)
{
    bool objects[QR_JSON_DEPTH_MAX];
    size_t depth = 0;
    do {
        skip_blanks(s, pos);
        bool closed = true;
        if (*pos < s.n && (s.p[*pos] == '{' || s.p[*pos] == '[')) {
            if (depth == QR_JSON_DEPTH_MAX)
                return false;
            objects[depth++] = s.p[*pos] == '{';
            if (!skip_opening(s, pos, &closed))
                return false;
            if (closed)
                depth--;
        } else if (!skip_scalar(s, pos)) {
            return false;
        }
        for (; closed && depth > 0; depth -= closed)
            if (!skip_between(s, pos, objects[depth - 1], &closed))
                return false;
    } while (depth > 0);
    return true;
}

static enum qr_status bad_text(struct qr_str s, size_t pos, int number, struct qr_err *err)
{
    char ch[5] = "";
    size_t at = pos;
    if (pos < s.n) {
        uint32_t code = qr_utf_next(s, &at);
        ch[qr_utf_put(code, ch)] = '\0';
    } else {
        ch[0] = '.';
    }
    size_t units = qr_utf16_units(qr_str_n(s.p, pos < s.n ? pos : s.n));
    return qr_sql_fail(err, number, ch, (int)units);
}

/* One value and nothing behind it; false with *pos at what is wrong. */
static bool whole_value(struct qr_str json, size_t *pos, enum qr_json_kind *ret_kind)
{
    skip_blanks(json, pos);
    if (!kind_at(json, *pos, ret_kind) || !skip_value(json, pos))
        return false;
    skip_blanks(json, pos);
    return *pos == json.n;
}

bool qr_json_valid(struct qr_str json, enum qr_json_kind *ret_kind)
{
    size_t pos = 0;
    enum qr_json_kind kind;
    if (!whole_value(json, &pos, &kind))
        return false;
    *ret_kind = kind;
    return true;
}

enum qr_status qr_json_document(struct qr_arena *arena, struct qr_str json, struct qr_str *ret_text,
                                struct qr_err *err)
{
    enum { MEMBERS_MAX = 65535 };
    enum qr_json_kind kind = QR_JSON_NULL;
    uint32_t commas[QR_JSON_DEPTH_MAX + 1] = {0};
    size_t pos = 0, depth = 0, n = 0;
    bool quoted = false;
    if (!whole_value(json, &pos, &kind) || kind < QR_JSON_ARRAY)
        return bad_text(json, kind < QR_JSON_ARRAY ? 0 : pos, 13609, err);
    char *out = qr_arena_alloc(arena, json.n);
    if (out == NULL)
        return qr_fail(err, QR_NOMEM, "read JSON");
    for (size_t i = 0; i < json.n; i++) {
        char ch = json.p[i];
        if (!quoted && qr_json_is_blank(ch))
            continue;
        out[n++] = ch;
        if (quoted && ch == '\\')
            out[n++] = json.p[++i];
        else if (ch == '"')
            quoted = !quoted;
        else if (!quoted && (ch == '{' || ch == '['))
            commas[++depth] = 0;
        else if (!quoted && (ch == '}' || ch == ']'))
            depth--;
        else if (!quoted && ch == ',' && ++commas[depth] == MEMBERS_MAX)
            return qr_sql_fail(err, 13647, MEMBERS_MAX);
    }
    *ret_text = qr_str_n(out, n);
    return QR_OK;
}

/* --- strings --- */

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

enum qr_status qr_json_unescape(struct qr_arena *arena, struct qr_str quoted,
                                struct qr_str *ret_text, struct qr_err *err)
{
    assert(quoted.n >= 2);
    struct qr_str s = qr_str_n(quoted.p + 1, quoted.n - 2);
    if (memchr(s.p, '\\', s.n) == NULL) {
        *ret_text = s;
        return QR_OK;
    }
    char *out = qr_arena_alloc(arena, s.n + 1);
    if (out == NULL)
        return qr_fail(err, QR_NOMEM, "read JSON");
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\') {
            out[n++] = s.p[i];
            continue;
        }
        char c = s.p[++i];
        if (c == 'u') {
            uint32_t code = hex4(s.p + i + 1);
            i += 4;
            bool pair = code >= 0xD800 && code < 0xDC00 && i + 6 < s.n && s.p[i + 1] == '\\' &&
                        s.p[i + 2] == 'u';
            uint32_t low = pair ? hex4(s.p + i + 3) : 0;
            if (low >= 0xDC00 && low < 0xE000) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                i += 6;
            }
            n += qr_utf_put(code, out + n);
        } else {
            const char *at = strchr(from, c);
            out[n++] = at == NULL ? c : to[at - from];
        }
    }
    *ret_text = qr_str_n(out, n);
    return QR_OK;
}

enum qr_status qr_json_scalar(struct qr_arena *arena, const struct qr_json_item *item,
                              struct qr_str *ret_text, struct qr_err *err)
{
    if (item->kind == QR_JSON_STRING)
        return qr_json_unescape(arena, item->text, ret_text, err);
    *ret_text = item->text;
    return QR_OK;
}

/* --- paths --- */

static bool is_key_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static bool path_word(struct qr_str s, size_t *pos, const char *word)
{
    size_t n = strlen(word), at = *pos;
    if (s.n - at < n || !qr_str_ieq(qr_str_n(s.p + at, n), qr_str(word)))
        return false;
    at += n;
    if (at < s.n && s.p[at] != ' ' && s.p[at] != '$')
        return false;
    skip_blanks(s, &at);
    *pos = at;
    return true;
}

static enum qr_status path_key(struct qr_arena *arena, struct qr_str s, size_t *pos,
                               struct qr_str *ret_key, struct qr_err *err)
{
    size_t from = *pos;
    if (from < s.n && s.p[from] == '"') {
        if (!skip_string(s, pos))
            return bad_text(s, *pos, 13607, err);
        return qr_json_unescape(arena, qr_str_n(s.p + from, *pos - from), ret_key, err);
    }
    while (*pos < s.n && is_key_char(s.p[*pos]))
        ++*pos;
    if (*pos == from || (s.p[from] >= '0' && s.p[from] <= '9'))
        return bad_text(s, from, 13607, err);
    *ret_key = qr_str_n(s.p + from, *pos - from);
    return QR_OK;
}

static enum qr_status path_index(struct qr_str s, size_t *pos, size_t *ret_index,
                                 struct qr_err *err)
{
    size_t index = 0, digits = 0;
    skip_blanks(s, pos);
    for (; *pos < s.n && s.p[*pos] >= '0' && s.p[*pos] <= '9' && digits < 10; ++*pos, digits++)
        index = index * 10 + (size_t)(s.p[*pos] - '0');
    skip_blanks(s, pos);
    if (digits == 0 || *pos >= s.n || s.p[*pos] != ']')
        return bad_text(s, *pos, 13607, err);
    ++*pos;
    *ret_index = index;
    return QR_OK;
}

enum qr_status qr_json_path_parse(struct qr_arena *arena, struct qr_str text,
                                  struct qr_json_path *ret_path, struct qr_err *err)
{
    struct qr_json_path path = {0};
    size_t pos = 0, capacity = 0;
    skip_blanks(text, &pos);
    path.append = path_word(text, &pos, "append");
    path.strict = path_word(text, &pos, "strict");
    if (!path.strict)
        (void)path_word(text, &pos, "lax");
    if (pos >= text.n || text.p[pos] != '$')
        return bad_text(text, pos, 13607, err);
    for (pos++; pos < text.n; path.step_count++) {
        char c = text.p[pos];
        if (c == ' ') {
            skip_blanks(text, &pos);
            if (pos < text.n)
                return bad_text(text, pos, 13607, err);
            break;
        }
        if (c != '.' && c != '[')
            return bad_text(text, pos, 13607, err);
        pos++;
        path.steps = qr_arena_grow(arena, path.steps, path.step_count, &capacity,
                                   path.step_count + 1, sizeof *path.steps);
        if (path.steps == NULL)
            return qr_fail(err, QR_NOMEM, "read JSON");
        struct qr_json_step *step = &path.steps[path.step_count];
        *step = (struct qr_json_step){.index = 0};
        if (c == '.')
            QR_TRY(path_key(arena, text, &pos, &step->key, err));
        else
            QR_TRY(path_index(text, &pos, &step->index, err));
    }
    *ret_path = path;
    return QR_OK;
}

/* --- finding --- */

/* The key of the member at *pos, which moves to its value; is it the step's? */
static enum qr_status take_key(struct qr_arena *arena, struct qr_str s, size_t *pos,
                               const struct qr_json_step *step, bool *ret_hit, struct qr_err *err)
{
    size_t from = *pos;
    struct qr_str key = {NULL, 0};
    if (!skip_string(s, pos))
        return bad_text(s, *pos, 13609, err);
    QR_TRY(qr_json_unescape(arena, qr_str_n(s.p + from, *pos - from), &key, err));
    *ret_hit = qr_str_eq(key, step->key);
    skip_blanks(s, pos);
    if (*pos >= s.n || s.p[*pos] != ':')
        return bad_text(s, *pos, 13609, err);
    ++*pos;
    skip_blanks(s, pos);
    return QR_OK;
}

/* From one value over the comma to the next, or to the end of the container. */
static enum qr_status take_next(struct qr_str s, size_t *pos, char close, bool *ret_closed,
                                struct qr_err *err)
{
    if (!skip_value(s, pos))
        return bad_text(s, *pos, 13609, err);
    skip_blanks(s, pos);
    *ret_closed = *pos < s.n && s.p[*pos] == close;
    if (*ret_closed)
        return QR_OK;
    if (*pos >= s.n || s.p[*pos] != ',')
        return bad_text(s, *pos, 13609, err);
    ++*pos;
    skip_blanks(s, pos);
    return QR_OK;
}

/* From the container at *pos to the value that the step names. */
static enum qr_status take_step(struct qr_arena *arena, struct qr_str s, size_t *pos,
                                const struct qr_json_step *step, bool *ret_found,
                                struct qr_err *err)
{
    bool object = step->key.p != NULL, closed;
    char open = object ? '{' : '[', close = object ? '}' : ']';
    *ret_found = false;
    if (*pos >= s.n || s.p[*pos] != open)
        return QR_OK;
    ++*pos;
    skip_blanks(s, pos);
    closed = *pos < s.n && s.p[*pos] == close;
    for (size_t index = 0; !closed; index++) {
        *ret_found = index == step->index;
        if (object)
            QR_TRY(take_key(arena, s, pos, step, ret_found, err));
        if (*ret_found)
            return QR_OK;
        QR_TRY(take_next(s, pos, close, &closed, err));
    }
    *ret_found = false;
    return QR_OK;
}

enum qr_status qr_json_find(struct qr_arena *arena, struct qr_str json,
                            const struct qr_json_path *path, bool *ret_found,
                            struct qr_json_item *ret_item, struct qr_err *err)
{
    size_t pos = 0;
    enum qr_json_kind kind;
    skip_blanks(json, &pos);
    if (pos >= json.n || (json.p[pos] != '{' && json.p[pos] != '['))
        return bad_text(json, pos, 13609, err);
    for (size_t i = 0; i < path->step_count; i++) {
        bool found;
        QR_TRY(take_step(arena, json, &pos, &path->steps[i], &found, err));
        if (!found) {
            *ret_found = false;
            return QR_OK;
        }
        skip_blanks(json, &pos);
    }
    size_t from = pos;
    if (!kind_at(json, pos, &kind) || !skip_value(json, &pos))
        return bad_text(json, pos, 13609, err);
    *ret_item = (struct qr_json_item){kind, qr_str_n(json.p + from, pos - from)};
    *ret_found = true;
    return QR_OK;
}

/* --- rows --- */

enum qr_status qr_json_rows_open(struct qr_arena *arena, struct qr_str json, struct qr_str path,
                                 struct qr_json_rows *ret_rows, struct qr_err *err)
{
    struct qr_json_path parsed = {0};
    struct qr_json_item item = {QR_JSON_NULL, {NULL, 0}};
    bool found = false;
    if (path.p != NULL)
        QR_TRY(qr_json_path_parse(arena, path, &parsed, err));
    QR_TRY(qr_json_find(arena, json, &parsed, &found, &item, err));
    bool container = found && (item.kind == QR_JSON_OBJECT || item.kind == QR_JSON_ARRAY);
    if (!container && parsed.strict)
        return qr_sql_fail(err, found ? 13624 : 13608);
    *ret_rows = (struct qr_json_rows){.arena = arena, .done = !container};
    if (container) {
        ret_rows->text = item.text;
        ret_rows->is_object = item.kind == QR_JSON_OBJECT;
        ret_rows->pos = 1;
        skip_blanks(item.text, &ret_rows->pos);
        ret_rows->done = item.text.p[ret_rows->pos] == (ret_rows->is_object ? '}' : ']');
    }
    return QR_OK;
}

enum qr_status qr_json_rows_next(struct qr_json_rows *rows, struct qr_arena *arena, bool *ret_more,
                                 struct qr_json_row *ret_row, struct qr_err *err)
{
    *ret_more = !rows->done;
    if (rows->done)
        return QR_OK;
    struct qr_str s = rows->text; /* well-formed: opening it walked over all of it */
    struct qr_json_row row = {.key = {NULL, 0}};
    skip_blanks(s, &rows->pos);
    if (rows->is_object) {
        size_t from = rows->pos;
        bool good = skip_string(s, &rows->pos);
        assert(good);
        QR_TRY(qr_json_unescape(arena, qr_str_n(s.p + from, rows->pos - from), &row.key, err));
        rows->pos = from;
        good = skip_key(s, &rows->pos);
        assert(good);
        skip_blanks(s, &rows->pos);
    } else {
        char *z = qr_arena_printf(arena, "%zu", rows->index);
        if (z == NULL)
            return qr_fail(err, QR_NOMEM, "read JSON");
        row.key = qr_str(z);
    }
    size_t from = rows->pos;
    bool good = kind_at(s, from, &row.item.kind) && skip_value(s, &rows->pos);
    assert(good);
    row.item.text = qr_str_n(s.p + from, rows->pos - from);
    skip_blanks(s, &rows->pos);
    rows->done = s.p[rows->pos++] != ',';
    rows->index++;
    *ret_row = row;
    return QR_OK;
}

enum qr_status qr_json_column(struct qr_arena *arena, struct qr_str json,
                              const struct qr_json_path *path, bool as_json,
                              struct qr_str *ret_text, struct qr_err *err)
{
    struct qr_json_item item = {QR_JSON_NULL, json};
    size_t pos = 0;
    skip_blanks(json, &pos);
    struct qr_str none = {NULL, 0};
    bool scalar = kind_at(json, pos, &item.kind) && item.kind < QR_JSON_ARRAY;
    bool found = scalar && path->step_count == 0; /* '$' of an array's scalar element */
    if (!scalar)
        QR_TRY(qr_json_find(arena, json, path, &found, &item, err));
    *ret_text = none;
    if (!found)
        return path->strict ? qr_sql_fail(err, 13608) : QR_OK;
    bool container = item.kind >= QR_JSON_ARRAY;
    if (container != as_json)
        return path->strict ? qr_sql_fail(err, as_json ? 13624 : 13623) : QR_OK;
    if (item.kind == QR_JSON_NULL)
        return QR_OK;
    return qr_json_scalar(arena, &item, ret_text, err);
}
