/* Goal: values keep their meaning in the stored form, and stored forms order as the values do. */
#include "codec_test.h"
#include "codec/collation.h"
#include "codec/datetime.h"
#include "codec/decimal.h"
#include "codec/value.h"

static struct qr_arena arena;

static int setup(void **state)
{
    (void)state;
    qr_arena_init(&arena, 1 << 22);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    qr_arena_done(&arena);
    return 0;
}

static struct qr_value load(const struct qr_type *t, const struct qr_value *cell)
{
    struct qr_value v;
    struct qr_err err = {0};
    if (qr_value_load(t, cell, &arena, &v, &err) != QR_OK)
        fail_msg("load %s: %s", qr_type_name(t), err.text);
    return v;
}

static void test_wide_decimals_order_by_their_bytes(void **state)
{
    (void)state;
    struct qr_type t = type_named("decimal(38,0)");
    const qr_i128 big = qr_dec_pow10(38) - 1;
    const qr_i128 values[] = {-big, -((qr_i128)1 << 64), -256, -1, 0, 1,
                              255,  (qr_i128)1 << 64,    big};
    uint8_t before[16] = {0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t scratch[16];
        struct qr_value v = qr_value_wide(values[i]);
        struct qr_value cell = qr_value_store(&t, &v, scratch);
        assert_int_equal(cell.cell, QR_CELL_BLOB);
        assert_int_equal(cell.n, 16);
        assert_true(memcmp(before, cell.p, 16) < 0);
        memcpy(before, cell.p, 16);
        assert_true(load(&t, &cell).w == values[i]);
    }
}

static void test_offsets_order_by_instant_and_come_back(void **state)
{
    (void)state;
    struct qr_type t = type_named("datetimeoffset(7)");
    static const char *const texts[] = {"0001-01-01 00:00 +00:00", "2020-01-01 10:00 +14:00",
                                        "2020-01-01 10:00 +01:00", "2020-01-01 10:00 -14:00",
                                        "9999-12-31 23:59:59.9999999 +00:00"};
    uint8_t before[16] = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct qr_value v;
        uint8_t scratch[16];
        assert_int_equal(qr_datetime_parse(qr_str(texts[i]), &t, QR_MDY, -1, &v), QR_DT_OK);
        struct qr_value cell = qr_value_store(&t, &v, scratch);
        assert_int_equal(cell.cell, QR_CELL_TEXT);
        assert_int_equal(cell.n, QR_DTO_BYTES);
        if (i > 0)
            assert_true(qr_dto_compare_stored(before, 10, cell.p, 10) < 0);
        memcpy(before, cell.p, 10);
        assert_true(load(&t, &cell).w == v.w);
    }
    struct qr_value a, b;
    assert_int_equal(qr_datetime_parse(qr_str("2020-01-01 10:00 +01:00"), &t, QR_MDY, -1, &a),
                     QR_DT_OK);
    assert_int_equal(qr_datetime_parse(qr_str("2020-01-01 09:00 +00:00"), &t, QR_MDY, -1, &b),
                     QR_DT_OK);
    assert_int_equal(qr_value_compare(&t, &a, &b), 0);
    assert_true(qr_value_hash(&t, &a, 1) == qr_value_hash(&t, &b, 1));
    assert_int_equal(qr_dto_offset(a.w), 60);
}

static void test_fixed_strings_are_stored_short_and_read_padded(void **state)
{
    (void)state;
    struct qr_type t = type_named("char(5)"), n = type_named("nchar(4)");
    uint8_t scratch[16];
    struct qr_value v = qr_value_text("ab   ", 5);
    struct qr_value cell = qr_value_store(&t, &v, scratch);
    assert_int_equal(cell.n, 2);
    struct qr_value back = load(&t, &cell);
    assert_true(qr_str_eq(qr_value_bytes(&back), qr_str("ab   ")));
    cell = qr_value_text("\xf0\x9f\x98\x80", 4);
    back = load(&n, &cell);
    assert_true(qr_str_eq(qr_value_bytes(&back), qr_str("\xf0\x9f\x98\x80  ")));
}

static void test_damaged_cells_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum qr_cell cell;
        int64_t i;
        size_t n;
    } rows[] = {
        {"int", QR_CELL_TEXT, 0, 1},
        {"int", QR_CELL_INT, INT64_C(1) << 40, 0},
        {"bit", QR_CELL_INT, 2, 0},
        {"decimal(38,0)", QR_CELL_BLOB, 0, 15},
        {"decimal(38,0)", QR_CELL_INT, 1, 0},
        {"uniqueidentifier", QR_CELL_BLOB, 0, 4},
        {"datetimeoffset(7)", QR_CELL_TEXT, 0, 9},
        {"date", QR_CELL_INT, -1, 0},
        {"date", QR_CELL_INT, 3652059, 0},
        {"time(7)", QR_CELL_INT, INT64_C(864000000000), 0},
        {"varchar(5)", QR_CELL_BLOB, 0, 3},
        {"float", QR_CELL_TEXT, 0, 3},
    };
    static const char bytes[16] = "xxxxxxxxxxxxxxx";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_type t = type_named(rows[i].type);
        struct qr_value cell = {.cell = rows[i].cell, .n = rows[i].n}, v;
        if (rows[i].cell == QR_CELL_INT)
            cell.i = rows[i].i;
        else
            cell.p = bytes;
        struct qr_err err = {0};
        if (qr_value_load(&t, &cell, &arena, &v, &err) != QR_CORRUPT)
            fail_msg("row %zu was taken", i);
    }
}

static void test_guids_order_as_sql_server_orders_them(void **state)
{
    (void)state;
    /* The last group counts most, then the fourth, third, second, first. */
    static const char *const rising[] = {
        "FFFFFFFF-0000-0000-0000-000000000000", "00000000-0001-0000-0000-000000000000",
        "00000000-0000-0100-0000-000000000000", "00000000-0000-0001-0000-000000000000",
        "00000000-0000-0000-0001-000000000000", "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-010000000000",
    };
    uint8_t before[16] = {0};
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        uint8_t g[16], wire[16], again[16];
        char text[36];
        assert_true(qr_guid_parse(qr_str(rising[i]), g));
        if (memcmp(before, g, 16) >= 0)
            fail_msg("%s is not greater than the one before", rising[i]);
        memcpy(before, g, 16);
        qr_guid_print(g, text);
        assert_memory_equal(text, rising[i], 36);
        qr_guid_to_wire(g, wire);
        qr_guid_from_wire(wire, again);
        assert_memory_equal(g, again, 16);
    }
    uint8_t g[16], wire[16];
    assert_true(qr_guid_parse(qr_str("{00112233-4455-6677-8899-aabbccddeeff}"), g));
    qr_guid_to_wire(g, wire);
    static const uint8_t want[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                                     0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    assert_memory_equal(wire, want, 16);
    assert_true(qr_guid_parse(qr_str("00112233-4455-6677-8899-aabbccddeeffgarbage"), g));
    assert_false(qr_guid_parse(qr_str("00112233-4455-6677-8899-aabbccddeef"), g));
    assert_false(qr_guid_parse(qr_str("00112233x4455-6677-8899-aabbccddeeff"), g));
    assert_false(qr_guid_parse(qr_str("{00112233-4455-6677-8899-aabbccddeeff"), g));
}

static struct qr_str variant_of(const char *type, struct qr_value v)
{
    struct qr_type t = type_named(type);
    struct qr_value out;
    assert_int_equal(qr_variant_make(&arena, &t, &v, &out), QR_OK);
    return qr_value_bytes(&out);
}

static int variant_sign(struct qr_str a, struct qr_str b)
{
    int c = qr_variant_compare(a.p, a.n, b.p, b.n);
    return (c > 0) - (c < 0);
}

static void test_variants_compare_by_family_then_value(void **state)
{
    (void)state;
    uint8_t guid[16] = {0};
    const struct qr_str rising[] = {
        variant_of("uniqueidentifier", qr_value_blob(guid, 16)),
        variant_of("varbinary(2)", qr_value_blob("zz", 2)),
        variant_of("varchar(5)", qr_value_text("abc", 3)),
        variant_of("nvarchar(5)", qr_value_text("abd", 3)),
        variant_of("int", qr_value_int(-5)),
        variant_of("decimal(5,2)", qr_value_int(150)),
        variant_of("int", qr_value_int(2)),
        variant_of("money", qr_value_int(20001)),
        variant_of("decimal(38,2)", qr_value_wide(201)),
        variant_of("float", qr_value_real(-1e300)),
        variant_of("real", qr_value_real(0.5)),
        variant_of("datetime", qr_value_int(0)),
        variant_of("date", qr_value_int(QR_DAYS_1900 + 1)),
    };
    size_t count = sizeof rising / sizeof rising[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (variant_sign(rising[i], rising[j]) != (i > j) - (i < j))
                fail_msg("%zu with %zu: %d", i, j, variant_sign(rising[i], rising[j]));
    struct qr_str one = variant_of("int", qr_value_int(1));
    struct qr_str other = variant_of("decimal(10,4)", qr_value_int(10000));
    assert_int_equal(variant_sign(one, other), 0);
    assert_true(qr_variant_hash(one.p, one.n, 3) == qr_variant_hash(other.p, other.n, 3));
    one = variant_of("varchar(5)", qr_value_text("ABC", 3));
    other = variant_of("nchar(5)", qr_value_text("abc  ", 5));
    assert_int_equal(variant_sign(one, other), 0);
    assert_true(qr_variant_hash(one.p, one.n, 3) == qr_variant_hash(other.p, other.n, 3));
}

static void test_damaged_variants_are_ordered_and_told(void **state)
{
    (void)state;
    struct qr_str good = variant_of("date", qr_value_int(5));
    char bad[16];
    for (size_t n = 0; n < good.n; n++) {
        memcpy(bad, good.p, n);
        struct qr_type t;
        struct qr_value v;
        assert_int_equal(qr_variant_open((struct qr_str){bad, n}, &t, &v, NULL), QR_CORRUPT);
        assert_int_equal(variant_sign((struct qr_str){bad, n}, good), -1);
        assert_int_equal(variant_sign(good, (struct qr_str){bad, n}), 1);
    }
    memcpy(bad, good.p, good.n);
    memset(bad + QR_VARIANT_HEAD_BYTES, 0x7f, 8); /* a date far out of range */
    struct qr_type t;
    struct qr_value v;
    assert_int_equal(qr_variant_open((struct qr_str){bad, good.n}, &t, &v, NULL), QR_CORRUPT);
}

static void test_binary_comparison_ignores_trailing_zeros(void **state)
{
    (void)state;
    struct qr_type t = type_named("varbinary(9)");
    struct qr_value empty = qr_value_blob("", 0), zero = qr_value_blob("\0", 1),
                    a = qr_value_blob("a", 1), a0 = qr_value_blob("a\0\0", 3),
                    b = qr_value_blob("a\1", 2);
    assert_int_equal(qr_value_compare(&t, &empty, &zero), 0);
    assert_int_equal(qr_value_compare(&t, &a, &a0), 0);
    assert_true(qr_value_hash(&t, &a, 1) == qr_value_hash(&t, &a0, 1));
    assert_true(qr_value_compare(&t, &a0, &b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_decimals_order_by_their_bytes),
        cmocka_unit_test(test_offsets_order_by_instant_and_come_back),
        cmocka_unit_test(test_fixed_strings_are_stored_short_and_read_padded),
        cmocka_unit_test(test_damaged_cells_are_told),
        cmocka_unit_test(test_guids_order_as_sql_server_orders_them),
        cmocka_unit_test(test_variants_compare_by_family_then_value),
        cmocka_unit_test(test_damaged_variants_are_ordered_and_told),
        cmocka_unit_test(test_binary_comparison_ignores_trailing_zeros),
    };
    return cmocka_run_group_tests_name("codec/value", tests, setup, teardown);
}
