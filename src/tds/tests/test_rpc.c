/* Goal: calls of real drivers are read whole, several in one message too; damaged ones get SQL
 * Server's errors; table-valued parameters are checked before anything uses them. */
#include "tds_test.h"
#include "tds/request.h"
#include "tds/rpc.h"

#define COLLATION "0904D00034"
/* ALL_HEADERS with a transaction descriptor of 0 */
#define HEADERS "16000000 12000000 0200 0000000000000000 01000000"

struct fixture {
    struct qr_arena arena;
    uint8_t *bytes;
    struct qr_tds_cursor c;
};

static void begin(struct fixture *f, const char *text)
{
    struct hex_bytes in = hex(text);
    qr_arena_init(&f->arena, 1 << 20);
    f->bytes = malloc(in.n + 1);
    memcpy(f->bytes, in.data, in.n);
    f->c = qr_tds_cursor(f->bytes, in.n);
}

static void end(struct fixture *f)
{
    free(f->bytes);
    qr_arena_done(&f->arena);
}

static void test_the_documented_call_parses(void **state)
{
    (void)state;
    /* [MS-TDS] 4.9: foo3 with one output parameter of type smallint */
    struct fixture f;
    begin(&f, HEADERS "0400 u'foo3' 0000 00 02 2602 02 0600");
    struct qr_tds_all_headers headers;
    assert_int_equal(qr_tds_all_headers_read(&f.c, QR_TDS_VERSION_72, &headers, NULL), QR_OK);
    assert_true(headers.has_transaction);
    struct qr_tds_rpc rpc;
    bool more = true;
    assert_int_equal(qr_tds_rpc_read(&f.c, QR_TDS_VERSION_72, &f.arena, &rpc, &more, NULL), QR_OK);
    assert_false(more);
    assert_memory_equal(rpc.name.p, "foo3", 4);
    assert_int_equal(rpc.id, QR_TDS_PROC_NONE);
    assert_int_equal(rpc.param_count, 1);
    assert_true(rpc.params[0].is_default);
    assert_false(rpc.params[0].is_output);
    assert_int_equal(rpc.params[0].type.id, QR_TYPE_SMALLINT);
    assert_int_equal(rpc.params[0].value.i, 6);
    end(&f);
}

static void test_sp_executesql_by_number(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "FFFF 0A00 0200"
              "00 00 E7 FFFF " COLLATION " 1000000000000000 10000000 u'SELECT a' 00000000"
              "00 00 E7 401F " COLLATION " 0C00 u'@a int'"
              "02 u'@a' 01 2604 00");
    struct qr_tds_rpc rpc;
    bool more = true;
    assert_int_equal(qr_tds_rpc_read(&f.c, QR_TDS_VERSION_74, &f.arena, &rpc, &more, NULL), QR_OK);
    assert_int_equal(rpc.id, QR_TDS_PROC_EXECUTESQL);
    assert_true(rpc.no_metadata);
    assert_int_equal(rpc.param_count, 3);
    assert_memory_equal(rpc.params[0].value.p, "SELECT a", 8);
    assert_true(rpc.params[2].is_output);
    assert_memory_equal(rpc.params[2].name.p, "@a", 2);
    assert_int_equal(rpc.params[2].value.cell, QR_CELL_NULL);
    end(&f);
}

static void test_several_calls_in_one_message(void **state)
{
    (void)state;
    static const struct {
        enum qr_tds_version version;
        const char *bytes;
        bool second_no_exec;
    } forms[] = {
        {QR_TDS_VERSION_74, "0100 u'p' 0000 00 00 2604 04 01000000 FF 0100 u'q' 0000", false},
        {QR_TDS_VERSION_74, "0100 u'p' 0000 00 00 2604 04 01000000 FE 0100 u'q' 0000", true},
        {QR_TDS_VERSION_71, "0100 u'p' 0000 00 00 2604 04 01000000 80 0100 u'q' 0000", false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct fixture f;
        begin(&f, forms[i].bytes);
        struct qr_tds_rpc rpc;
        bool more = false;
        assert_int_equal(qr_tds_rpc_read(&f.c, forms[i].version, &f.arena, &rpc, &more, NULL),
                         QR_OK);
        assert_true(more);
        assert_int_equal(rpc.param_count, 1);
        assert_int_equal(rpc.no_exec, forms[i].second_no_exec);
        assert_int_equal(qr_tds_rpc_read(&f.c, forms[i].version, &f.arena, &rpc, &more, NULL),
                         QR_OK);
        assert_false(more);
        assert_memory_equal(rpc.name.p, "q", 1);
        end(&f);
    }
}

static void test_known_procedures_are_found_by_name(void **state)
{
    (void)state;
    assert_int_equal(qr_tds_proc_find(qr_str("SP_ExecuteSql")), QR_TDS_PROC_EXECUTESQL);
    assert_int_equal(qr_tds_proc_find(qr_str("sp_executesq")), QR_TDS_PROC_NONE);
    for (enum qr_tds_proc_id id = QR_TDS_PROC_CURSOR; id < QR_TDS_PROC_COUNT; id++)
        assert_int_equal(qr_tds_proc_find(qr_str(qr_tds_proc_name(id))), id);
}

static void test_damaged_calls_get_their_errors(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        int number;
    } rows[] = {
        {"unknown procedure number", "FFFF 1000 0000", 8004},
        {"empty procedure name", "0000 0000", 8004},
        {"unknown data type", "0100 u'p' 0000 02 u'@a' 00 99", 8009},
        {"bad length", "0100 u'p' 0000 00 00 2603", 8016},
        {"value cut", "0100 u'p' 0000 00 00 2604 04 01", 8016},
        {"not an instance", "0100 u'p' 0000 00 00 28 03 FFFFFF", 8023},
        {"encrypted", "0100 u'p' 0000 00 08 2604 00", 40510},
        {"user-defined type", "0100 u'p' 0000 00 00 F0", 40510},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        begin(&f, rows[i].bytes);
        struct qr_tds_rpc rpc;
        bool more;
        struct qr_err err = {0};
        assert_int_not_equal(qr_tds_rpc_read(&f.c, QR_TDS_VERSION_74, &f.arena, &rpc, &more, &err),
                             QR_OK);
        if (err.number != rows[i].number)
            fail_msg("%s: %d %s", rows[i].name, err.number, err.text);
        end(&f);
    }
}

static void test_more_than_2100_parameters_are_refused(void **state)
{
    (void)state;
    enum { COUNT = 2101, PARAM_BYTES = 5 };
    size_t bytes = 6 + COUNT * PARAM_BYTES;
    uint8_t *in = malloc(bytes);
    memcpy(in, "\xFF\xFF\x0A\x00\x00\x00", 6);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(in + 6 + i * PARAM_BYTES, "\x00\x00\x26\x04\x00", PARAM_BYTES);
    struct qr_arena arena;
    qr_arena_init(&arena, 64 << 20);
    struct qr_tds_cursor c = qr_tds_cursor(in, bytes);
    struct qr_tds_rpc rpc;
    bool more;
    struct qr_err err = {0};
    assert_int_equal(qr_tds_rpc_read(&c, QR_TDS_VERSION_74, &arena, &rpc, &more, &err), QR_SQL);
    assert_int_equal(err.number, 8003);
    c = qr_tds_cursor(in, bytes - PARAM_BYTES);
    assert_int_equal(qr_tds_rpc_read(&c, QR_TDS_VERSION_74, &arena, &rpc, &more, &err), QR_OK);
    qr_arena_done(&arena);
    free(in);
}

#define TVP_HEAD                                                                                   \
    "0100 u'p' 0000 02 u'@t' 00 F3 00 03 u'dbo' 02 u'tt' 0200"                                     \
    "00000000 0000 2604 00  00000000 0100 E7 1400 " COLLATION " 00"

static void test_table_valued_parameters(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, TVP_HEAD "10 0100 0100 01 00"
                       "01 04 07000000 0200 u'a'  01 00 FFFF  00"
                       "02 u'@b' 00 2604 04 09000000");
    struct qr_tds_rpc rpc;
    bool more;
    assert_int_equal(qr_tds_rpc_read(&f.c, QR_TDS_VERSION_74, &f.arena, &rpc, &more, NULL), QR_OK);
    assert_int_equal(rpc.param_count, 2);
    struct qr_tds_tvp *tvp = rpc.params[0].tvp;
    assert_non_null(tvp);
    assert_memory_equal(tvp->type_name.p, "tt", 2);
    assert_memory_equal(tvp->schema.p, "dbo", 3);
    assert_int_equal(tvp->row_count, 2);
    struct qr_value values[2];
    bool row = false;
    assert_int_equal(qr_tds_tvp_next(tvp, &f.arena, values, &row, NULL), QR_OK);
    assert_true(row);
    assert_int_equal(values[0].i, 7);
    assert_memory_equal(values[1].p, "a", 1);
    assert_int_equal(qr_tds_tvp_next(tvp, &f.arena, values, &row, NULL), QR_OK);
    assert_true(row);
    assert_int_equal(values[0].cell, QR_CELL_NULL);
    assert_int_equal(qr_tds_tvp_next(tvp, &f.arena, values, &row, NULL), QR_OK);
    assert_false(row);
    assert_int_equal(rpc.params[1].value.i, 9);
    end(&f);
}

static void test_an_empty_table_valued_parameter(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "0100 u'p' 0000 00 00 F3 00 00 02 u'tt' FFFF 00 00");
    struct qr_tds_rpc rpc;
    bool more;
    assert_int_equal(qr_tds_rpc_read(&f.c, QR_TDS_VERSION_74, &f.arena, &rpc, &more, NULL), QR_OK);
    assert_true(rpc.params[0].tvp->is_null);
    assert_int_equal(rpc.params[0].tvp->row_count, 0);
    end(&f);
}

/* Any prefix of any of these must be refused without reading outside it. */
static void test_no_prefix_of_a_call_is_read_past_its_end(void **state)
{
    (void)state;
    static const char *const calls[] = {
        TVP_HEAD "10 0100 0100 01 00 01 04 07000000 0200 u'a' 00",
        "FFFF 0A00 0000 00 00 E7 FFFF " COLLATION " 0200000000000000 02000000 u'S' 00000000",
        "0100 u'p' 0000 02 u'@v' 00 62 491F0000 0D000000 E7 07 " COLLATION " 1400 u'ab'",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct hex_bytes in = hex(calls[i]);
        for (size_t n = 0; n <= in.n; n++) {
            uint8_t *exact = malloc(n == 0 ? 1 : n);
            memcpy(exact, in.data, n);
            struct qr_arena arena;
            qr_arena_init(&arena, 1 << 20);
            struct qr_tds_cursor c = qr_tds_cursor(exact, n);
            struct qr_tds_rpc rpc;
            bool more;
            enum qr_status status =
                qr_tds_rpc_read(&c, QR_TDS_VERSION_74, &arena, &rpc, &more, NULL);
            assert_true(n < in.n || status == QR_OK);
            qr_arena_done(&arena);
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_documented_call_parses),
        cmocka_unit_test(test_sp_executesql_by_number),
        cmocka_unit_test(test_several_calls_in_one_message),
        cmocka_unit_test(test_known_procedures_are_found_by_name),
        cmocka_unit_test(test_damaged_calls_get_their_errors),
        cmocka_unit_test(test_more_than_2100_parameters_are_refused),
        cmocka_unit_test(test_table_valued_parameters),
        cmocka_unit_test(test_an_empty_table_valued_parameter),
        cmocka_unit_test(test_no_prefix_of_a_call_is_read_past_its_end),
    };
    return cmocka_run_group_tests_name("tds/rpc", tests, NULL, NULL);
}
