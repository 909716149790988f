/* shim_lock.c - qlock(): writes down what is locked; see shim.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shim.h"

static void write_down(struct shim *s, const struct qr_plan_lock *lock, const char *key)
{
    static const char *const rows[] = {"", "is", "ix", "s", "u", "x"};
    qr_buf_printf(&s->locks, "%s%s%s %.*s", rows[lock->mode], lock->is_brief ? "-" : "",
                  lock->no_wait ? "!" : "", (int)lock->table->name.n, lock->table->name.p);
    if (lock->index != NULL)
        qr_buf_printf(&s->locks, "#%u[%s] ", lock->index->index_id, key);
    else
        qr_buf_printf(&s->locks, "(%s) ", key);
}

static void fn_qlock(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct shim *s = sqlite3_user_data(ctx);
    const struct qr_plan_lock *lock = sqlite3_value_pointer(argv[0], "qr_lock");
    char key[100] = "";
    if (lock == NULL || lock->key_count != (size_t)argc - 1)
        abort();
    sqlite3_result_int(ctx, 1);
    for (int i = 1; i < argc; i++) {
        const char *text = (const char *)sqlite3_value_text(argv[i]);
        if (text == NULL)
            return; /* no row */
        if (i == 1 && s->busy != NULL && strcmp(text, s->busy) == 0 && lock->read_past) {
            sqlite3_result_int(ctx, 0);
            return;
        }
        size_t n = strlen(key);
        snprintf(key + n, sizeof key - n, "%s%s", i == 1 ? "" : ",", text);
    }
    write_down(s, lock, key);
}

void shim_lock_register(struct shim *s)
{
    sqlite3_create_function(s->db, "qlock", -1, SQLITE_UTF8, s, fn_qlock, NULL, NULL);
    sqlite3_create_function(s->db, "qlockkey", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, s, fn_qlock,
                            NULL, NULL);
}
