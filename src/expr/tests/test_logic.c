/* Goal: comparison, three-valued logic, choices and conversion follow SQL Server's rules. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include "base/large.h"
#include "mini.h"
#include "qr_test.h"

static void test_comparison(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"IIF(1 = 1.0, 1, 0)", "1", NULL, 0},
        {"IIF('a' = 'A  ', 1, 0)", "1", NULL, 0},
        {"IIF('a' = N'A', 1, 0)", "1", NULL, 0},
        {"IIF('a' COLLATE Latin1_General_BIN2 = 'A', 1, 0)", "0", NULL, 0},
        {"IIF('a' COLLATE Latin1_General_BIN2 = 'A' COLLATE Latin1_General_CI_AS, 1, 0)", NULL,
         NULL, 468},
        {"IIF('10' > 9, 1, 0)", "1", NULL, 0},
        {"IIF('abc' > 9, 1, 0)", NULL, NULL, 245},
        {"IIF(0x01 = 0x0100, 1, 0)", "1", NULL, 0},
        {"IIF(NULL = NULL, 1, 0)", "0", NULL, 0},
        {"IIF(NOT (NULL = 1), 1, 0)", "0", NULL, 0},
        {"IIF(NULL IS NULL, 1, 0)", "1", NULL, 0},
        {"IIF(NULL IS NOT DISTINCT FROM NULL, 1, 0)", "1", NULL, 0},
        {"IIF(1 IS DISTINCT FROM NULL, 1, 0)", "1", NULL, 0},
        {"IIF(CAST('2020-01-01' AS date) < GETDATE(), 1, 0)", "1", NULL, 0},
        {"IIF(CAST('2020-01-01' AS date) = 5, 1, 0)", NULL, NULL, 206},
        {"IIF(CAST('a' AS text) = 'a', 1, 0)", NULL, NULL, 402},
        {"IIF(3000000000 > 1, 1, 0)", "1", NULL, 0},
        {"IIF(NULL = 1 OR 1 = 1, 1, 0)", "1", NULL, 0},
        {"IIF(NULL = 1 AND 1 = 1, 1, 0)", "0", NULL, 0},
        {"IIF(1 = 0 AND 1 / 0 = 1, 1, 0)", "0", NULL, 0},
        {"IIF(5 BETWEEN 1 AND 10, 1, 0)", "1", NULL, 0},
        {"IIF(5 NOT BETWEEN 1 AND 10, 1, 0)", "0", NULL, 0},
        {"IIF(2 IN (1, 2, 3), 1, 0)", "1", NULL, 0},
        {"IIF(2 NOT IN (1, NULL), 1, 0)", "0", NULL, 0},
        {"IIF('b' IN ('A', 'B'), 1, 0)", "1", NULL, 0},
        {"IIF(2 IN (1.5, '2'), 1, 0)", "1", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_choices(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"CASE WHEN 1 = 1 THEN 1 ELSE 2.5 END", "1.0", "numeric(11,1)", 0},
        {"CASE WHEN 1 = 1 THEN 'a' ELSE 'bcd' END", "a", "varchar(3)", 0},
        {"CASE WHEN 1 = 2 THEN 'a' END", "NULL", "varchar(1)", 0},
        {"CASE WHEN 1 = 2 THEN NULL END", NULL, NULL, 8133},
        {"CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END", "two", NULL, 0},
        {"CASE WHEN 1 = 1 THEN 1 ELSE 1 / 0 END", "1", NULL, 0},
        {"CASE WHEN 1 = 1 THEN 'a' ELSE 1 END", NULL, NULL, 245},
        {"COALESCE(NULL, NULL, 3)", "3", "int", 0},
        {"COALESCE(NULL, 'a', N'bc')", "a", "nvarchar(2)", 0},
        {"COALESCE(NULL, NULL)", NULL, NULL, 4127},
        {"ISNULL(NULL, 5)", "5", "int", 0},
        {"ISNULL(CAST(NULL AS varchar(3)), 'abcdef')", "abc", "varchar(3)", 0},
        {"COALESCE(CAST(NULL AS varchar(3)), 'abcdef')", "abcdef", "varchar(6)", 0},
        {"ISNULL(1)", NULL, NULL, 174},
        {"NULLIF(1, 1)", "NULL", "int", 0},
        {"NULLIF(1, 2)", "1", NULL, 0},
        {"NULLIF(NULL, 2)", NULL, NULL, 4151},
        {"CHOOSE(3, 'Manager', 'Director', 'Developer', 'Tester')", "Developer", "varchar(9)", 0},
        {"CHOOSE(9, 'a', 'b')", "NULL", NULL, 0},
        {"IIF(1 > 2, 'x', NULL)", "NULL", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_conversion(void **state)
{
    (void)state;
    static const struct mini_case cases[] = {
        {"CAST('abcdef' AS varchar(3))", "abc", "varchar(3)", 0},
        {"CAST(10.6496 AS int)", "10", "int", 0},
        {"CAST(-10.6496 AS int)", "-10", NULL, 0},
        {"CAST(10.3496847 AS money)", "10.35", "money", 0},
        {"CAST(1.55 AS decimal(2,1))", "1.6", NULL, 0},
        {"CAST(100 AS decimal(2,0))", NULL, NULL, 8115},
        {"CAST('x' AS int)", NULL, NULL, 245},
        {"CAST('x' AS decimal(5,2))", NULL, NULL, 8114},
        {"CAST(300 AS tinyint)", NULL, NULL, 220},
        {"CAST('2020-13-01' AS date)", NULL, NULL, 241},
        {"CAST('' AS int)", "0", NULL, 0},
        {"CAST(NULL AS int)", "NULL", "int", 0},
        {"TRY_CAST('x' AS int)", "NULL", "int", 0},
        {"TRY_CONVERT(date, '2020-02-30')", "NULL", "date", 0},
        {"CONVERT(varchar(10), CAST('2020-01-02' AS date), 103)", "02/01/2020", NULL, 0},
        {"CONVERT(varchar(8), CAST('2020-01-02' AS datetime), 112)", "20200102", NULL, 0},
        {"CONVERT(varbinary(4), '0x0102', 1)", "0x0102", NULL, 0},
        {"CONVERT(date, '31/12/2020', 103)", "2020-12-31", NULL, 0},
        {"CONVERT(varchar(20), 1, NULL)", "NULL", NULL, 0},
        {"CAST(GETDATE() AS int)", "44622", NULL, 0},
        {"CAST(1 AS uniqueidentifier)", NULL, NULL, 529},
        {"CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
         "6F9619FF-8B86-D011-B42D-00C04FC964FF", NULL, 0},
        {"HASHBYTES('SHA2_256', 'abc')",
         "0xBA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", NULL, 0},
        {"HASHBYTES('MD5', N'a')", "0x4144E195F46DE78A3623DA7364D04F11", NULL, 0},
        {"HASHBYTES('nosuch', 'abc')", "NULL", NULL, 0},
        {"DATALENGTH(CRYPT_GEN_RANDOM(8000, 0x01))", "8000", NULL, 0},
        {"CRYPT_GEN_RANDOM(0)", "NULL", NULL, 0},
        {"LEN(CAST(NEWID() AS varchar(36)))", "36", NULL, 0},
        {"@@MAX_PRECISION", "38", "tinyint", 0},
        {"@@DATEFIRST", "7", "tinyint", 0},
        {"DB_NAME()", NULL, NULL, 40510},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_gzip(void **state)
{
    (void)state;
#define HELLO "0x1f8b0800000000000400cb48cdc9c907"
    static const struct mini_case cases[] = {
        {"COMPRESS('hello')", "0x1F8B0800000000000400CB48CDC9C9070086A6103605000000",
         "varbinary(max)", 0},
        {"COMPRESS('abc')", "0x1F8B08000000000004004B4C4A0600C241243503000000", NULL, 0},
        {"COMPRESS(0x616263)", "0x1F8B08000000000004004B4C4A0600C241243503000000", NULL, 0},
        {"COMPRESS(N'abc')", "0x1F8B08000000000004004B64486248660000B07A95AD06000000", NULL, 0},
        {"DECOMPRESS(COMPRESS(CAST('a' AS char(3))))", "0x612020", "varbinary(max)", 0},
        {"COMPRESS('')", "0x", NULL, 0},
        {"COMPRESS(NULL)", "NULL", "varbinary(max)", 0},
        {"COMPRESS(1)", NULL, NULL, 8116},
        {"COMPRESS(CAST('a' AS text))", NULL, NULL, 8116},
        {"COMPRESS()", NULL, NULL, 174},
        {"CAST(DECOMPRESS(COMPRESS(REPLICATE(CAST('quire' AS varchar(max)), 20000))) AS "
         "varchar(8))",
         "quirequi", NULL, 0},
        {"DATALENGTH(DECOMPRESS(COMPRESS(REPLICATE(CAST(N'ab' AS nvarchar(max)), 100000))))",
         "400000", NULL, 0},
        {"DECOMPRESS(0x)", "0x", NULL, 0},
        {"DECOMPRESS(NULL)", "NULL", "varbinary(max)", 0},
        {"DECOMPRESS('abc')", NULL, NULL, 8116},
        /* cut off: in the head, before the data, in the data, before and in the trailer */
        {"DECOMPRESS(0x1f)", "NULL", NULL, 0},
        {"DECOMPRESS(0x1f8b0800000000)", "NULL", NULL, 0},
        {"DECOMPRESS(0x1f8b0800000000000400)", "NULL", NULL, 0},
        {"DECOMPRESS(0x1f8b0800000000000400cb48cd)", "NULL", NULL, 0},
        {"DECOMPRESS(" HELLO "00)", "0x68656C6C6F", NULL, 0},
        {"DECOMPRESS(" HELLO "0086a61036)", "0x68656C6C6F", NULL, 0},
        {"DECOMPRESS(" HELLO "0086a610360500000012345678)", "0x68656C6C6F", NULL, 0},
        {"DECOMPRESS(" HELLO "0086a6103605000001)", NULL, NULL, 9826},
        {"DECOMPRESS(" HELLO "0086a6103705000000)", NULL, NULL, 9826},
        {"DECOMPRESS(0x00)", NULL, NULL, 9826},
        {"DECOMPRESS(0x1f8c08)", NULL, NULL, 9826},
        {"DECOMPRESS(0x1f8b07)", NULL, NULL, 9826},
        {"DECOMPRESS(0x1f8b080000000000040007)", NULL, NULL, 9826}, /* no such block */
        /* an extra field of 2 bytes, a name, a comment, a wrong CRC of the head */
        {"DECOMPRESS(0x1f8b081e000000000400"
         "0200aabb6100620000ff"
         "cb48cdc9c9070086a6103605000000)",
         "0x68656C6C6F", NULL, 0},
        {"DECOMPRESS(0x1f8b080400000000040005)", "NULL", NULL, 0},
        {"DECOMPRESS(0x1f8b080400000000040005000000)", "NULL", NULL, 0},
        {"DECOMPRESS(0x1f8b0808000000000400616263)", "NULL", NULL, 0},
    };
    mini_check(cases, sizeof cases / sizeof cases[0]);
#undef HELLO
}

static size_t counted_bytes;

static bool count_in(size_t bytes)
{
    if (counted_bytes + bytes > 32 << 20)
        return false;
    counted_bytes += bytes;
    return true;
}

static void count_out(size_t bytes)
{
    counted_bytes -= bytes;
}

/* 256 KiB that are 256 MiB of zeros: what the process may take is the bound. */
static void test_a_bomb_takes_no_memory(void **state)
{
    (void)state;
    enum { PIECE_BYTES = 1 << 20, PIECES = 256, OUT_BYTES = 1 << 19 };
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *zeros = calloc(PIECE_BYTES, 1), *out = malloc(OUT_BYTES);
    char *sql = malloc(2 * OUT_BYTES + 64);
    z_stream z = {.next_out = out, .avail_out = OUT_BYTES};
    struct mini m;
    assert_true(zeros != NULL && out != NULL && sql != NULL);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int i = 0; i < PIECES; i++) {
        z.next_in = zeros;
        z.avail_in = PIECE_BYTES;
        assert_int_equal(deflate(&z, i + 1 < PIECES ? Z_NO_FLUSH : Z_FINISH),
                         i + 1 < PIECES ? Z_OK : Z_STREAM_END);
    }
    size_t n = (size_t)snprintf(sql, 64, "DECOMPRESS(0x");
    for (size_t i = 0; i < z.total_out; i++) {
        sql[n++] = digits[out[i] >> 4];
        sql[n++] = digits[out[i] & 15];
    }
    snprintf(sql + n, 2, ")");
    qr_large_watch(64 << 10, count_in, count_out);
    mini_init(&m);
    assert_int_equal(mini_run(&m, sql), QR_SQL);
    assert_int_equal(m.err.number, 701);
    mini_done(&m);
    assert_int_equal(counted_bytes, 0);
    qr_large_watch(0, NULL, NULL);
    deflateEnd(&z);
    free(sql);
    free(out);
    free(zeros);
}

static void test_deep_nesting_is_an_error_and_not_a_crash(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *e;
    enum qr_status status = qr_expr_var(&m.b, 0, qr_type_of(QR_TYPE_INT), &e);
    for (int i = 0; i < 5000 && status == QR_OK; i++)
        status = qr_expr_arith(&m.b, QR_OP_NEG, e, NULL, &e);
    assert_int_equal(status, QR_SQL);
    assert_int_equal(m.err.number, 191);
    mini_done(&m);
}

static void test_nesting_that_multiplies_is_refused_in_time(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *both[2];
    assert_int_equal(qr_expr_int(&m.b, 0, &both[1]), QR_OK);
    assert_int_equal(qr_expr_var(&m.b, 0, qr_type_of(QR_TYPE_INT), &both[0]), QR_OK);
    enum qr_status status = QR_OK;
    int levels = 0;
    for (; levels < 100 && status == QR_OK; levels++)
        status = qr_expr_call(&m.b, qr_str("NULLIF"), both, 2, &both[0]);
    assert_int_equal(status, QR_SQL);
    assert_int_equal(m.err.number, 8632);
    assert_true(levels > 10);
    mini_done(&m);
}

static void test_long_concatenation_chain_stays_shallow(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *e, *part;
    struct qr_value var = qr_value_text("x", 1), v;
    assert_int_equal(qr_expr_var(&m.b, 0, qr_type_sized(QR_TYPE_VARCHAR, 0), &part), QR_OK);
    e = part;
    for (int i = 1; i < 5000; i++)
        assert_int_equal(qr_expr_arith(&m.b, QR_OP_ADD, e, part, &e), QR_OK);
    assert_true(e->depth < 200);
    m.ctx.vars = &var;
    m.ctx.var_count = 1;
    assert_int_equal(qr_expr_eval(e, &m.ctx, &v, &m.err), QR_OK);
    assert_int_equal(v.n, 5000);
    mini_done(&m);
}

static void test_constants_are_folded_and_errors_are_not(void **state)
{
    (void)state;
    struct mini m;
    mini_init(&m);
    const struct qr_expr *e;
    assert_int_equal(mini_build(&m, "UPPER('a') + 'b'", &e), QR_OK);
    assert_int_equal(e->kind, QR_EXPR_CONST);
    assert_int_equal(mini_build(&m, "1 / 0", &e), QR_OK);
    assert_int_equal(e->kind, QR_EXPR_ARITH);
    assert_int_equal(mini_build(&m, "CAST('2020-01-02' AS date)", &e), QR_OK);
    assert_int_equal(e->kind, QR_EXPR_CAST); /* DATEFORMAT may change what it means */
    assert_int_equal(mini_build(&m, "GETDATE()", &e), QR_OK);
    assert_int_equal(e->kind, QR_EXPR_CALL);
    mini_done(&m);
}

static void test_the_function_table_is_sound(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct qr_func *f; (f = qr_func_at(count)) != NULL; count++) {
        assert_ptr_equal(qr_func_find(qr_str(f->name)), f);
        assert_true(f->args_min <= f->args_max);
        assert_true(f->args_max == 0 || f->params[0] != '\0');
        bool host = (f->flags & QR_FUNC_HOST) != 0, special = (f->flags & QR_FUNC_SPECIAL) != 0;
        assert_int_equal(f->eval == NULL, host || special);
        assert_int_equal(f->host != QR_HOST_NONE, host);
        assert_true(special || f->typing != NULL || f->result != QR_TYPE_NULL);
    }
    assert_true(count > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_a_bomb_takes_no_memory),
        cmocka_unit_test(test_deep_nesting_is_an_error_and_not_a_crash),
        cmocka_unit_test(test_nesting_that_multiplies_is_refused_in_time),
        cmocka_unit_test(test_long_concatenation_chain_stays_shallow),
        cmocka_unit_test(test_constants_are_folded_and_errors_are_not),
        cmocka_unit_test(test_the_function_table_is_sound),
    };
    return cmocka_run_group_tests_name("expr/logic", tests, NULL, NULL);
}
