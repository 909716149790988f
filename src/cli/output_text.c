/* output_text.c - see cli_int.h: JSON values as tables, lines of fields, YAML, and in colours. What
 * a service sent must not move a terminal's cursor: control characters become '?'. */
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "cli_int.h"
#include "base/banned.h"

enum { COLUMNS_MAX = 128, CELL_BYTES_MAX = 1024 * 1024, GAP = 2 };

/* ---- text of one value ---- */

static void add_plain(struct qr_buf *cell, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        qr_buf_add8(cell, c < 0x20 || c == 0x7f ? '?' : c);
    }
}

/* A scalar as az prints it; "" for what is none. */
static void add_scalar(struct qr_buf *cell, const json_t *value)
{
    if (json_is_string(value))
        add_plain(cell, json_string_value(value));
    else if (json_is_boolean(value))
        qr_buf_addz(cell, json_is_true(value) ? "True" : "False");
    else if (json_is_integer(value))
        qr_buf_printf(cell, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        qr_buf_printf(cell, "%.15g", json_real_value(value));
}

static size_t width_of(const char *text)
{
    size_t width = 0, left = strlen(text);
    mbstate_t state = {0};
    while (left > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, text, left, &state);
        if (n == 0 || n > left)
            return width + left;
        int columns = wcwidth(c);
        width += columns < 0 ? 1 : (size_t)columns;
        text += n;
        left -= n;
    }
    return width;
}

/* ---- tables ---- */

struct table {
    const char *names[COLUMNS_MAX]; /* borrowed from the value, or made here */
    size_t widths[COLUMNS_MAX], count;
    bool seen[COLUMNS_MAX]; /* some row has a value there */
};

static bool is_shown(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static size_t column_of(struct table *t, const char *name)
{
    size_t i = 0;
    while (i < t->count && strcmp(t->names[i], name) != 0)
        i++;
    if (i == t->count && i < COLUMNS_MAX)
        t->names[t->count++] = name;
    return i;
}

/* An object has its members as columns, a list Column1 and so on, anything else Result. */
static const json_t *cell_of(const json_t *row, const char *name)
{
    if (json_is_object(row))
        return json_object_get(row, name);
    if (json_is_array(row))
        return json_array_get(row, strtoul(name + sizeof "Column" - 1, NULL, 10) - 1);
    return row;
}

static void find_columns(struct table *t, const json_t *row)
{
    static const char *const numbered[] = {"Column1", "Column2", "Column3", "Column4",
                                           "Column5", "Column6", "Column7", "Column8"};
    const char *key;
    json_t *value;
    if (json_is_object(row)) {
        json_object_foreach((json_t *)row, key, value)
        {
            if (is_shown(value))
                (void)column_of(t, key);
        }
    } else if (json_is_array(row)) {
        for (size_t i = 0; i < json_array_size(row) && i < 8; i++)
            (void)column_of(t, numbered[i]);
    } else {
        (void)column_of(t, "Result");
    }
}

static void measure(struct table *t, const json_t *row, struct qr_buf *cell)
{
    for (size_t i = 0; i < t->count; i++) {
        const json_t *value = cell_of(row, t->names[i]);
        size_t name_width = width_of(t->names[i]);
        t->widths[i] = t->widths[i] < name_width ? name_width : t->widths[i];
        if (value == NULL || json_is_null(value))
            continue;
        t->seen[i] = true;
        qr_buf_clear(cell);
        add_scalar(cell, value);
        size_t width = width_of(qr_buf_cstr(cell));
        t->widths[i] = t->widths[i] < width ? width : t->widths[i];
    }
}

/* No blanks at the end of a line. */
static void put(FILE *out, const char *text, size_t width, size_t *pending)
{
    fprintf(out, "%*s%s", (int)*pending, "", text);
    *pending = width - width_of(text) + GAP;
}

static void print_row(const struct table *t, const json_t *row, struct qr_buf *cell, FILE *out)
{
    size_t pending = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (!t->seen[i])
            continue;
        qr_buf_clear(cell);
        add_scalar(cell, cell_of(row, t->names[i]));
        if (cell->len > 0)
            put(out, qr_buf_cstr(cell), t->widths[i], &pending);
        else
            pending += t->widths[i] + GAP;
    }
    fputs("\n", out);
}

static void print_head(const struct table *t, struct qr_buf *cell, FILE *out)
{
    for (int line = 0; line < 2; line++) {
        size_t pending = 0;
        for (size_t i = 0; i < t->count; i++) {
            if (!t->seen[i])
                continue;
            qr_buf_clear(cell);
            if (line == 0)
                add_plain(cell, t->names[i]);
            else
                qr_buf_fill(cell, '-', t->widths[i]);
            if (line == 0 && cell->len > 0 && cell->data[0] >= 'a' && cell->data[0] <= 'z')
                cell->data[0] = (uint8_t)(cell->data[0] - 'a' + 'A');
            put(out, qr_buf_cstr(cell), t->widths[i], &pending);
        }
        fputs("\n", out);
    }
}

void qri_print_table(const json_t *value, FILE *out)
{
    struct table t = {.count = 0};
    struct qr_buf cell;
    qr_buf_init(&cell, CELL_BYTES_MAX);
    bool is_list = json_is_array(value);
    size_t count = is_list ? json_array_size(value) : json_is_null(value) ? 0 : 1;
    for (size_t i = 0; i < count; i++)
        find_columns(&t, is_list ? json_array_get(value, i) : value);
    for (size_t i = 0; i < count; i++)
        measure(&t, is_list ? json_array_get(value, i) : value, &cell);
    if (count > 0 && t.count > 0) {
        print_head(&t, &cell, out);
        for (size_t i = 0; i < count; i++)
            print_row(&t, is_list ? json_array_get(value, i) : value, &cell, out);
    }
    qr_buf_done(&cell);
}

/* ---- fields with tabs ---- */

static void put_field(const json_t *value, bool first, FILE *out)
{
    struct qr_buf cell;
    qr_buf_init(&cell, CELL_BYTES_MAX);
    if (json_is_null(value))
        qr_buf_addz(&cell, "None");
    else if (json_is_array(value))
        qr_buf_printf(&cell, "%zu", json_array_size(value));
    else
        add_scalar(&cell, value);
    fprintf(out, "%s%s", first ? "" : "\t", qr_buf_cstr(&cell));
    qr_buf_done(&cell);
}

static void put_fields(const json_t *row, FILE *out)
{
    const char *key;
    json_t *value;
    bool first = true;
    if (json_is_object(row)) {
        json_object_foreach((json_t *)row, key, value)
        {
            put_field(value, first, out);
            first = false;
        }
    } else if (json_is_array(row)) {
        for (size_t i = 0; i < json_array_size(row); i++)
            put_field(json_array_get(row, i), i == 0, out);
    } else {
        put_field(row, true, out);
    }
    fputs("\n", out);
}

void qri_print_tsv(const json_t *value, FILE *out)
{
    if (!json_is_array(value)) {
        put_fields(value, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        put_fields(json_array_get(value, i), out);
}

/* ---- YAML: strings are quoted as in JSON, which is YAML too ---- */

static void put_yaml_scalar(const json_t *value, FILE *out)
{
    bool is_empty = json_is_array(value) || json_is_object(value);
    if (is_empty)
        fputs(json_is_array(value) ? "[]" : "{}", out);
    else
        (void)json_dumpf(value, out, JSON_ENCODE_ANY);
    fputs("\n", out);
}

static bool has_items(const json_t *value)
{
    return json_array_size(value) > 0 || json_object_size(value) > 0;
}

/* `inline_first`: the cursor stands behind "- ". Depth is bounded by the JSON parser's. */
static void put_yaml(const json_t *value, int indent, bool inline_first, FILE *out)
{
    const char *key;
    json_t *item;
    size_t i;
    if (!has_items(value)) {
        put_yaml_scalar(value, out);
        return;
    }
    json_array_foreach((json_t *)value, i, item)
    {
        fprintf(out, "%*s- ", inline_first ? 0 : indent, "");
        inline_first = false;
        put_yaml(item, indent + 2, true, out);
    }
    json_object_foreach((json_t *)value, key, item)
    {
        json_t *name = json_string(key);
        fprintf(out, "%*s", inline_first ? 0 : indent, "");
        inline_first = false;
        (void)json_dumpf(name, out, JSON_ENCODE_ANY);
        json_decref(name);
        fputs(has_items(item) ? ":\n" : ": ", out);
        put_yaml(item, has_items(item) ? indent + 2 : 0, false, out);
    }
}

void qri_print_yaml(const json_t *value, FILE *out)
{
    put_yaml(value, 0, false, out);
}

/* ---- colours ---- */

void qri_print_coloured(const json_t *value, FILE *out)
{
    static const char key[] = "\033[94m", string[] = "\033[33m", other[] = "\033[36m";
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    for (const char *c = text; c != NULL && *c != '\0';) {
        const char *end = c;
        if (*c == '"') {
            for (end++; *end != '"'; end++)
                end += *end == '\\';
            end++;
            fprintf(out, "%s%.*s\033[0m", *end == ':' ? key : string, (int)(end - c), c);
        } else if (strchr(" \n{}[],:", *c) != NULL) {
            fputc(*c, out);
            end++;
        } else {
            end += strcspn(c, " \n{}[],:");
            fprintf(out, "%s%.*s\033[0m", other, (int)(end - c), c);
        }
        c = end;
    }
    fputs("\n", out);
    free(text);
}
