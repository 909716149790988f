/* print_features.c - docs/features.md from the tables of functions, views and procedures; a test
 * compares the two. usage: print_features [FILE]: without it prints the page, with it tells if the
 * file is that page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../hostfn.h"
#include "../sysmodule_int.h"
#include "../sysproc.h"
#include "../sysview_int.h"
#include "env/env.h"
#include "base/banned.h"

enum { PAGE_BYTES_MAX = 1 << 20, LINE_CHARS_MAX = 100 };

/* Names as one paragraph with lines of a readable length. */
struct list {
    struct qr_buf *page;
    size_t column, count;
};

static void add_name(struct list *l, const char *prefix, struct qr_str name)
{
    size_t n = strlen(prefix) + name.n + 2;
    if (l->count > 0)
        qr_buf_addz(l->page, ",");
    if (l->column > 0 && l->column + n > LINE_CHARS_MAX) {
        qr_buf_addz(l->page, "\n");
        l->column = 0;
    } else if (l->count > 0) {
        qr_buf_addz(l->page, " ");
    }
    qr_buf_addz(l->page, prefix);
    qr_buf_addstr(l->page, name);
    l->column += n;
    l->count++;
}

static void heading(struct qr_buf *page, const char *title)
{
    qr_buf_printf(page, "%s## %s\n\n", page->len == 0 ? "" : "\n\n", title);
}

static void add_functions(struct qr_buf *page)
{
    struct list l = {.page = page};
    heading(page, "Built-in functions");
    for (size_t i = 0; qr_func_at(i) != NULL; i++) {
        const struct qr_func *f = qr_func_at(i);
        if ((f->flags & QR_FUNC_HOST) == 0 || qri_host_answers(f->host))
            add_name(&l, "", qr_str(f->name));
    }
}

static void add_missing_functions(struct qr_buf *page)
{
    struct list l = {.page = page};
    heading(page, "Functions that are known by name and answer that they are not supported");
    for (size_t i = 0; qr_func_at(i) != NULL; i++) {
        const struct qr_func *f = qr_func_at(i);
        if ((f->flags & QR_FUNC_HOST) != 0 && !qri_host_answers(f->host))
            add_name(&l, "", qr_str(f->name));
    }
    if (l.count == 0)
        qr_buf_addz(page, "None.");
}

static void add_catalog(struct qr_buf *page, const char *title, uint32_t schema_id, bool procedures,
                        const char *prefix)
{
    const struct qr_catalog *system = NULL;
    struct list l = {.page = page};
    heading(page, title);
    if (qri_system_catalog(&system, NULL) != QR_OK)
        abort();
    for (size_t i = 0; i < system->object_count; i++) {
        const struct qr_cat_object *o = system->objects[i];
        bool is_private = memchr(o->name.p, '$', o->name.n) != NULL; /* "virtual_file_stats$" */
        if (o->schema_id == schema_id && (o->type == QR_CAT_PROC) == procedures && !is_private)
            add_name(&l, prefix, o->name);
    }
    for (size_t i = 0; procedures && qri_sysproc_at(i) != NULL; i++)
        if (strchr(qri_sysproc_at(i)->name, '$') == NULL)
            add_name(&l, prefix, qr_str(qri_sysproc_at(i)->name));
}

static void print_page(struct qr_buf *page)
{
    qr_buf_addz(page, "# Functions, system views and system procedures\n\n"
                      "Printed from the tables of the source by `print_features`; a test holds the "
                      "two together. What each does is\nin SQL Server's documentation; where ours "
                      "differs is in [compatibility.md](compatibility.md).");
    add_functions(page);
    add_missing_functions(page);
    add_catalog(page, "Views of sys", QR_SCHEMA_SYS, false, "sys.");
    add_catalog(page, "INFORMATION_SCHEMA", QR_SCHEMA_INFORMATION_SCHEMA, false, "");
    add_catalog(page, "System procedures", QR_SCHEMA_SYS, true, "");
    qr_buf_addz(page, "\n");
}

int main(int argc, char **argv)
{
    struct qr_buf page, file;
    qr_buf_init(&page, PAGE_BYTES_MAX);
    qr_buf_init(&file, PAGE_BYTES_MAX);
    print_page(&page);
    bool same = true;
    if (argc > 1) {
        same = qr_env_read_file(qr_env_real(), argv[1], &file, NULL) == QR_OK &&
               file.len == page.len && memcmp(file.data, page.data, page.len) == 0;
        if (!same)
            fprintf(stderr, "%s differs: run %s > %s\n", argv[1], argv[0], argv[1]);
    } else {
        fputs(qr_buf_cstr(&page), stdout);
    }
    qr_buf_done(&page);
    qr_buf_done(&file);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
