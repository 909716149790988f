/* print_views.c - the columns of all system views and of the functions that stand for one, a line
 * each: "sys.databases|1|name|sysname". tools/check_views.py compares it with data/dmvs.csv. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../sysview_int.h"
#include "base/banned.h"

static void print_columns(const struct qr_cat_object *o)
{
    char type[QR_TYPE_NAME_BYTES];
    for (size_t i = 0; i < o->column_count; i++)
        printf("sys.%.*s|%zu|%.*s|%s\n", (int)o->name.n, o->name.p, i + 1,
               (int)o->columns[i].name.n, o->columns[i].name.p,
               qr_type_print(&o->columns[i].type, type));
}

int main(void)
{
    const struct qr_catalog *system = NULL;
    if (qri_system_catalog(&system, NULL) != QR_OK)
        abort();
    for (size_t i = 0; i < system->object_count; i++)
        if (system->objects[i]->schema_id == QR_SCHEMA_SYS)
            print_columns(system->objects[i]);
    return EXIT_SUCCESS;
}
