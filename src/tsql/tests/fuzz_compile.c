/* fuzz_compile.c - any bytes as a batch over the tests' tables: compiled, run, never an error of
 * SQLite's own making. */
#include <assert.h>
#include <stdlib.h>
#include "tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct shim s;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (s.db == NULL)
        setup(&s);
    char *sql = malloc(size + 1);
    memcpy(sql, data, size);
    sql[size] = '\0';
    sqlite3_exec(s.db, "SAVEPOINT f", NULL, NULL, NULL);
    const char *got = shim_run(&s, sql);
    assert(s.err.status != QR_BUG || strstr(got, "constraint") != NULL);
    sqlite3_exec(s.db, "ROLLBACK TO f; RELEASE f", NULL, NULL, NULL);
    free(sql);
    return 0;
}
