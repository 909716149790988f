/* codec_test.h - types from their names, for tables of cases. */
#pragma once
#include "qr_test.h"
#include "codec/type.h"

/* "decimal(10,2)", "nvarchar(max)", "NULL". */
static inline struct qr_type type_named(const char *text)
{
    struct qr_type t = {0};
    if (strcmp(text, "NULL") == 0)
        return t;
    const char *open = strchr(text, '(');
    struct qr_str name = {text, open == NULL ? strlen(text) : (size_t)(open - text)};
    if (!qr_type_find(name, &t))
        fail_msg("no type %s", text);
    int args[2] = {0};
    size_t count = 0;
    if (open != NULL && strncmp(open, "(max", 4) == 0) {
        args[0] = -1;
        count = 1;
    } else if (open != NULL) {
        count = (size_t)sscanf(open, "(%d,%d", &args[0], &args[1]);
    }
    struct qr_err err = {0};
    if (qr_type_apply_args(&t, args, count, false, &err) != QR_OK)
        fail_msg("%s: %s", text, err.text);
    return t;
}
