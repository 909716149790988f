/* Goal: a plan says what it does to which objects, by columns where the statement names them, and
 * which of it is done through another object's text. Method: each statement is compiled and its
 * list written down: S select, I insert, U update, D delete, X execute; "v>t": t through v. */
#include "qr_test.h"
#include "tables.h"

static const struct row rows[] = {
    /* clang-format off */
    {"select a from t", "S t(a)"},
    {"select count(*) from t", "S t"},
    {"select * from t", "S t(a,b,c,d)"},
    {"select 1", ""},
    {"select a from t where b = 'x' order by c", "S t(a,b,c)"},
    {"select count(*) from t group by b having max(c) > 1", "S t(b,c)"},
    {"select x.a, u.n from t x join u on u.a = x.c", "S t(a,c) S u(a,n)"},
    {"select a from t union all select a from u", "S t(a) S u(a)"},
    {"select (select max(n) from u where u.a = t.a) from t", "S t(a) S u(a,n)"},
    {"select 1 where exists (select 1 from u where b = 'x')", "S u(b)"},
    {"select t.a, q.n from t cross apply (select top (1) n from u where u.a = t.a order by b) q", "S t(a) S u(a,b,n)"},
    {"with c as (select a, b from t) select a from c", "S t(a,b)"},
    {"select a from t for json path", "S t(a)"},
    {"select checksum(*) from t", "S t(a,b,c,d)"},
    {"select * from t pivot (max(c) for b in ([x], [y])) p", "S t(a,b,c,d)"},
    {"select a, row_number() over (partition by b order by c) from t", "S t(a,b,c)"},
    {"select y from app.e", "S e(y)"}, /* not what it is computed from */
    /* views and functions: what they read is read through them */
    {"select a from v", "S v(1) v>S t(a,b,c)"},
    {"select q from vv", "S vv(2) vv>S v(1) v>S t(a,b,c) vv>S u(a,n)"},
    {"select a from f(1)", "S f(1) f>S t(a,b)"},
    {"select u.n from u cross apply f(u.a) x", "S u(a,n) S f f>S t(a,b)"},
    /* changes */
    {"insert t (a) values (9)", "I t"},
    {"insert t (a) select a from u", "I t S u(a)"},
    {"insert t (a) output inserted.b values (9)", "S,I t(b)"},
    {"insert t (a) output inserted.a into u (a) values (9)", "S,I t(a) I u"},
    {"update t set c = 1", "U t(c)"},
    {"update t set c = c + 1", "S,U t(c)(c)"},
    {"update t set c += 1", "S,U t(c)(c)"},
    {"update t set c = 1, d = 2 where a = 3", "S,U t(a)(c,d)"},
    {"update x set c = 1 from t x", "U t(c)"},
    {"update x set c = u.a from t x join u on u.b = x.b", "S,U t(b)(c) S u(a,b)"},
    {"update t set c = 1 from t join t y on y.a = 1", "S,U t(a)(c)"},
    {"delete t", "D t"},
    {"delete t where a = 1", "S,D t(a)"},
    {"delete t output deleted.b", "S,D t(b)"},
    {"delete x from t x join u on u.a = x.a", "S,D t(a) S u(a)"},
    {"with c as (select a, b from t) update c set b = 'q'", "S,U t(a,b)(b)"},
    {"with c as (select a from t) delete c output deleted.d", "S,D t(a,d)"},
    {"merge t using u on t.a = u.a when matched then update set c = 1 when not matched then insert (a) values (u.a);", "S u(a) S,I,U t(a)(c)"},
    {"merge t using u on t.a = u.a when matched then delete;", "S u(a) S,D t(a)"},
    {"update v set b = 'x'", "U v(2) v>S,U t(a,b,c)(b)"},
    {"delete v where a = 1", "S,D v(1) v>S,D t(a,b,c)"},
    {"insert v (a) values (8)", "I v v>S,I t(a,b,c)"},
    {"update v set b = 'x' output deleted.a", "S,U v(1)(2) v>S,U t(a,b,c)(b)"},
    {"update v set b = 'x' output deleted.d", "U v(2) v>S,U t(a,b,c)(b) S t(d)"}, /* not the view's */
    /* clang-format on */
};

static void put_columns(struct qr_buf *out, const struct qr_cat_object *object,
                        const struct qr_columns *columns)
{
    const char *before = "(";
    for (size_t i = 0; i < columns->bytes * 8; i++) {
        if ((columns->bits[i / 8] & 1 << (i % 8)) == 0)
            continue;
        const struct qr_cat_column *column = qr_cat_column_by_id(object, (uint32_t)i + 1);
        qr_buf_addz(out, before);
        if (column != NULL)
            qr_buf_addstr(out, column->name);
        else
            qr_buf_printf(out, "%zu", i + 1);
        before = ",";
    }
    if (before[0] == ',')
        qr_buf_addz(out, ")");
}

static void put_access(struct qr_buf *out, const struct qr_plan_access *access)
{
    static const char letters[] = "SIUDXR";
    const char *before = out->len > 0 ? " " : "";
    if (access->through != NULL) {
        qr_buf_addz(out, before);
        qr_buf_addstr(out, access->through->name);
        before = ">";
    }
    for (int i = 0; i < 6; i++) {
        if ((access->needs & 1 << i) == 0)
            continue;
        qr_buf_addz(out, before);
        qr_buf_add8(out, (uint8_t)letters[i]);
        before = ",";
    }
    qr_buf_addz(out, " ");
    qr_buf_addstr(out, access->object->name);
    put_columns(out, access->object, &access->selects);
    put_columns(out, access->object, &access->updates);
}

static const char *accesses_of(struct shim *s, const char *sql)
{
    struct qr_tsql_options options = {.quoted_identifier = true};
    struct qr_tsql_batch *batch = NULL;
    struct qr_plan *plan = NULL;
    qr_arena_reset(&s->work);
    qr_err_reset(&s->err);
    qr_buf_clear(&s->out);
    if (qr_tsql_parse(&s->work, sql, strlen(sql), &options, &batch, &s->err) != QR_OK ||
        qr_tsql_compile(&s->work, &s->env, batch->stmts.items[0], &plan, &s->err) != QR_OK)
        return s->err.text;
    for (size_t i = 0; i < plan->accesses.count; i++)
        put_access(&s->out, &plan->accesses.items[i]);
    return qr_buf_cstr(&s->out);
}

static void test_plans_say_what_they_do(void **state)
{
    (void)state;
    struct shim s;
    setup(&s);
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = accesses_of(&s, rows[i].sql);
        if (strcmp(got, rows[i].want) == 0)
            continue;
        print_error("%s\n  want %s\n  got  %s\n", rows[i].sql, rows[i].want, got);
        wrong++;
    }
    assert_int_equal(wrong, 0);
    shim_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_say_what_they_do),
    };
    return cmocka_run_group_tests_name("tsql-access", tests, NULL, NULL);
}
