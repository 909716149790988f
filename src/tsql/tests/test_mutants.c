/* test_mutants.c - statements with words dropped, doubled, swapped and taken from others
 *
 * Goal: whatever parses and binds is text that SQLite takes. Method: words of the statements of the
 * other tests, changed at random from a fixed seed; the outcome must be rows or a T-SQL error. */
#include <stdlib.h>
#include "tables.h"
#include "rows_select.h"
#include "rows_dml.h"

enum {
    WORDS_MAX = 512,
    MUTANTS = 20000,
    COUNT_SELECT = sizeof(select_rows) / sizeof(struct row),
    COUNT_DML = sizeof(dml_rows) / sizeof(struct row)
};

static uint64_t state_of_random = 20260504;

static size_t pick(size_t n)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state_of_random >> 33) % n;
}

static const char *some_statement(void)
{
    size_t i = pick(COUNT_SELECT + COUNT_DML);
    return i < COUNT_SELECT ? select_rows[i].sql : dml_rows[i - COUNT_SELECT].sql;
}

/* Words: runs of letters and digits, quoted strings, single signs. */
static size_t split(const char *sql, struct qr_str *words)
{
    size_t n = 0;
    for (const char *p = sql; *p != '\0' && n < WORDS_MAX;) {
        const char *begin = p;
        bool word = false;
        while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
               *p == '_' || *p == '@' || *p == '.') {
            p++;
            word = true;
        }
        if (!word && *p == '\'') {
            for (p++; *p != '\0' && *p != '\''; p++)
                ;
            p += *p != '\0';
        } else if (!word) {
            p++;
        }
        if (*begin != ' ')
            words[n++] = qr_str_n(begin, (size_t)(p - begin));
    }
    return n;
}

static void mutate(struct qr_buf *out)
{
    struct qr_str words[2 * WORDS_MAX], others[WORDS_MAX];
    size_t n = split(some_statement(), words), m = split(some_statement(), others);
    for (size_t k = 1 + pick(3); k > 0 && n > 2; k--) {
        size_t at = pick(n), to = pick(n);
        switch (pick(5)) {
        case 0: /* drop */
            memmove(&words[at], &words[at + 1], (n - at - 1) * sizeof *words);
            n--;
            break;
        case 1: { /* swap */
            struct qr_str w = words[at];
            words[at] = words[to];
            words[to] = w;
            break;
        }
        case 2: /* a word of another statement */
            words[at] = others[pick(m)];
            break;
        case 3: /* a word of this one */
            words[at] = words[to];
            break;
        default: { /* a stretch of another in between */
            size_t from = pick(m), take = 1 + pick(m - from);
            if (n + take >= 2 * WORDS_MAX)
                break;
            memmove(&words[at + take], &words[at], (n - at) * sizeof *words);
            memcpy(&words[at], &others[from], take * sizeof *words);
            n += take;
        }
        }
    }
    qr_buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        qr_buf_add(out, words[i].p, words[i].n);
        qr_buf_addz(out, " ");
    }
}

static void mutants_give_rows_or_t_sql_errors(void **state)
{
    struct shim s;
    struct qr_buf sql;
    size_t failed = 0, rows = 0;
    (void)state;
    setup(&s);
    qr_buf_init(&sql, 1 << 20);
    for (int i = 0; i < MUTANTS && failed < 20; i++) {
        mutate(&sql);
        sqlite3_exec(s.db, "SAVEPOINT m", NULL, NULL, NULL);
        const char *got = shim_run(&s, qr_buf_cstr(&sql));
        if (strstr(got, "SQLite") != NULL && strstr(got, "constraint") == NULL) {
            fprintf(stderr, "%s\n  %.700s\n", qr_buf_cstr(&sql), got);
            failed++;
        }
        rows += strncmp(got, "error", 5) != 0;
        sqlite3_exec(s.db, "ROLLBACK TO m; RELEASE m", NULL, NULL, NULL);
    }
    qr_buf_done(&sql);
    shim_done(&s);
    assert_int_equal(failed, 0);
    assert_true(rows > MUTANTS / 50); /* else nothing was tested */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutants_give_rows_or_t_sql_errors)};
    return cmocka_run_group_tests_name("tsql/mutants", tests, NULL, NULL);
}
