/* Goal: what clients send as types and values is understood, and nothing that is not an instance of
 * its type gets in. Method: vectors by hand, and everything that the encoders can send comes back.
 */
#include "tds_test.h"
#include "codec/collation.h"
#include "codec/datetime.h"
#include "tds/decode.h"
#include "tds/row.h"

#define COLLATION "0904D00034"

static enum qr_status decode(const char *type_hex, const char *value_hex, enum qr_tds_place place,
                             struct qr_arena *arena, struct qr_tds_wire_type *ret_type,
                             struct qr_value *ret_value)
{
    struct hex_bytes type = hex(type_hex), value = hex(value_hex);
    uint8_t *bytes = qr_arena_alloc(arena, type.n + value.n + 1);
    memcpy(bytes, type.data, type.n);
    memcpy(bytes + type.n, value.data, value.n);
    struct qr_tds_cursor c = qr_tds_cursor(bytes, type.n + value.n);
    enum qr_status status = qr_tds_read_type(&c, place, ret_type, NULL);
    if (status == QR_OK)
        status = qr_tds_read_value(&c, ret_type, arena, ret_value, NULL);
    if (status == QR_OK)
        assert_int_equal(qr_tds_left(&c), 0);
    return status;
}

static const struct good {
    const char *name, *type_hex, *value_hex;
    const char *type;  /* as qr_type_print */
    const char *value; /* i:<int>, r:<real>, t:<text>, b:<hex>, null */
} good[] = {
    {"tinyint is unsigned", "2601", "01 FF", "tinyint", "i:255"},
    {"smallint", "2602", "02 FEFF", "smallint", "i:-2"},
    {"int", "2604", "04 FFFFFFFF", "int", "i:-1"},
    {"bigint", "2608", "08 0000000000000080", "bigint", "i:-9223372036854775808"},
    {"int null", "2604", "00", "int", "null"},
    {"fixed int", "38", "01000000", "int", "i:1"},
    {"fixed tinyint", "30", "80", "tinyint", "i:128"},
    {"bit of any value", "6801", "01 07", "bit", "i:1"},
    {"real", "6D04", "04 0000C03F", "real", "r:1.5"},
    {"float", "6D08", "08 000000000000F0BF", "float", "r:-1"},
    {"money", "6E08", "08 FFFFFFFF F0D8FFFF", "money", "i:-10000"},
    {"smallmoney", "6E04", "04 10270000", "smallmoney", "i:10000"},
    {"datetime", "6F08", "08 01000000 01000000", "datetime", "i:25920001"},
    {"datetime before 1900", "6F08", "08 FFFFFFFF 00000000", "datetime", "i:-25920000"},
    {"smalldatetime", "6F04", "04 0100 0100", "smalldatetime", "i:1441"},
    {"decimal", "6A 05 05 02", "05 00 39300000", "decimal(5,2)", "i:-12345"},
    {"numeric shorter than its size", "6C 11 05 00", "05 01 07000000", "numeric(5,0)", "i:7"},
    {"decimal null", "6A 05 05 02", "00", "decimal(5,2)", "null"},
    {"date", "28", "03 010000", "date", "i:1"},
    {"date null", "28", "00", "date", "null"},
    {"time(7)", "2907", "05 00E0349564", "time(7)", "i:432000000000"},
    {"time(0)", "2900", "03 01 0000", "time(0)", "i:10000000"},
    {"datetime2(0)", "2A00", "06 000000 010000", "datetime2(0)", "i:864000000000"},
    {"varchar", "A7 0A00" COLLATION, "0200 8078", "varchar(10)", "t:\xE2\x82\xACx"},
    {"varchar null", "A7 0A00" COLLATION, "FFFF", "varchar(10)", "null"},
    {"varchar of no length", "A7 0000" COLLATION, "0000", "varchar(1)", "t:"},
    {"char pads", "AF 0300" COLLATION, "0100 'a'", "char(3)", "t:a  "},
    {"nvarchar", "E7 0A00" COLLATION, "0400 3DD800DE", "nvarchar(5)", "t:\xF0\x9F\x98\x80"},
    {"nvarchar with a lone surrogate", "E7 0A00" COLLATION, "0200 3DD8", "nvarchar(5)",
     "t:\xED\xA0\xBD"},
    {"nchar pads", "EF 0600" COLLATION, "0200 u'a'", "nchar(3)", "t:a  "},
    {"varbinary", "A5 0A00", "0200 AABB", "varbinary(10)", "b:AABB"},
    {"binary pads", "AD 0300", "0100 AA", "binary(3)", "b:AA0000"},
    {"old varchar", "27 0A", "02 'ab'", "varchar(10)", "t:ab"},
    {"old varbinary null", "25 0A", "00", "varbinary(10)", "null"},
    {"varchar(max)", "A7 FFFF" COLLATION, "0300000000000000 02000000 'ab' 01000000 'c' 00000000",
     "varchar(max)", "t:abc"},
    {"nvarchar(max) of unknown length", "E7 FFFF" COLLATION,
     "FEFFFFFFFFFFFFFF 01000000 61 01000000 00 00000000", "nvarchar(max)", "t:a"},
    {"varbinary(max) null", "A5 FFFF", "FFFFFFFFFFFFFFFF", "varbinary(max)", "null"},
    {"varbinary(max) empty", "A5 FFFF", "0000000000000000 00000000", "varbinary(max)", "b:"},
    {"ntext", "63 FEFFFF7F" COLLATION, "04000000 u'ab'", "ntext", "t:ab"},
    {"text null", "23 FFFFFF7F" COLLATION, "FFFFFFFF", "text", "null"},
    {"image", "22 FFFFFF7F", "01000000 AA", "image", "b:AA"},
    {"xml with a mark", "F1 00", "0400000000000000 04000000 FFFE u'x' 00000000", "xml", "t:x"},
    {"xml as UTF-8", "F1 00", "0200000000000000 02000000 '<a' 00000000", "xml", "t:<a"},
    {"xml with a schema", "F1 01 01 u'd' 01 u's' 0100 u'c'", "FFFFFFFFFFFFFFFF", "xml", "null"},
    {"null type", "1F", "", "NULL", "null"},
};

static void print_value(const struct qr_value *v, char *dst, size_t dst_bytes)
{
    size_t n = 0;
    switch (v->cell) {
    case QR_CELL_NULL:
        snprintf(dst, dst_bytes, "null");
        break;
    case QR_CELL_INT:
        snprintf(dst, dst_bytes, "i:%lld", (long long)v->i);
        break;
    case QR_CELL_REAL:
        snprintf(dst, dst_bytes, "r:%g", v->r);
        break;
    case QR_CELL_TEXT:
        snprintf(dst, dst_bytes, "t:%.*s", (int)v->n, v->p);
        break;
    case QR_CELL_BLOB:
        n = (size_t)snprintf(dst, dst_bytes, "b:");
        for (size_t i = 0; i < v->n; i++)
            n += (size_t)snprintf(dst + n, dst_bytes - n, "%02X", (uint8_t)v->p[i]);
        break;
    case QR_CELL_WIDE:
        snprintf(dst, dst_bytes, "w:%lld", (long long)v->w);
        break;
    }
}

static void test_values_of_clients_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct qr_arena arena;
        struct qr_tds_wire_type type;
        struct qr_value value;
        char type_text[QR_TYPE_NAME_BYTES], value_text[256];
        qr_arena_init(&arena, 1 << 20);
        print_message("%s\n", good[i].name);
        assert_int_equal(
            decode(good[i].type_hex, good[i].value_hex, QR_TDS_IN_PARAM, &arena, &type, &value),
            QR_OK);
        print_value(&value, value_text, sizeof value_text);
        if (type.type.id != QR_TYPE_NULL)
            assert_string_equal(qr_type_print(&type.type, type_text), good[i].type);
        assert_string_equal(value_text, good[i].value);
        qr_arena_done(&arena);
    }
}

static const struct bad {
    const char *name, *type_hex, *value_hex;
    enum qr_status want;
} bad[] = {
    {"int of three bytes", "2603", "", QR_PROTOCOL},
    {"int whose value is shorter", "2604", "02 0000", QR_INVALID},
    {"decimal(0,0)", "6A 05 00 00", "", QR_PROTOCOL},
    {"decimal(39,0)", "6A 11 27 00", "", QR_PROTOCOL},
    {"scale over precision", "6A 05 05 06", "", QR_PROTOCOL},
    {"decimal over its precision", "6A 05 02 00", "05 01 64000000", QR_INVALID},
    {"decimal with a sign of 2", "6A 05 02 00", "05 02 01000000", QR_INVALID},
    {"time(8)", "2908", "", QR_PROTOCOL},
    {"time of 24:00", "2900", "03 805101", QR_INVALID},
    {"date after 9999", "28", "03 FFFFFF", QR_INVALID},
    {"datetime before 1753", "6F08", "08 000000FF 00000000", QR_INVALID},
    {"datetime past midnight", "6F08", "08 00000000 00828B01", QR_INVALID},
    {"smalldatetime past midnight", "6F04", "04 0000 A005", QR_INVALID},
    {"offset of 15 hours", "2B00", "08 000000 010000 8403", QR_INVALID},
    {"NaN", "6D08", "08 000000000000F87F", QR_INVALID},
    {"infinite real", "6D04", "04 0000807F", QR_INVALID},
    {"varchar over its length", "A7 0100" COLLATION, "0200 'ab'", QR_INVALID},
    {"varchar(8001)", "A7 411F" COLLATION, "0000", QR_PROTOCOL},
    {"nvarchar of odd size", "E7 0300" COLLATION, "", QR_PROTOCOL},
    {"nvarchar of odd length", "E7 0400" COLLATION, "0300 610062", QR_INVALID},
    {"char(max)", "AF FFFF" COLLATION, "", QR_PROTOCOL},
    {"value cut", "A7 0A00" COLLATION, "0500 'ab'", QR_TRUNCATED},
    {"collation cut", "A7 0A00 0904", "", QR_TRUNCATED},
    {"chunks do not add up", "A5 FFFF", "0300000000000000 01000000 AA 00000000", QR_PROTOCOL},
    {"chunk cut", "A5 FFFF", "0300000000000000 FFFFFFFF AA", QR_TRUNCATED},
    {"no end of chunks", "A5 FFFF", "0100000000000000 01000000 AA", QR_TRUNCATED},
    {"binary xml", "F1 00", "0300000000000000 03000000 DFFF01 00000000", QR_UNSUPPORTED},
    {"ill-formed UTF-8 in xml", "F1 00", "0200000000000000 02000000 C3FF 00000000", QR_INVALID},
    {"user-defined type", "F0", "", QR_UNSUPPORTED},
    {"unknown type", "99", "", QR_PROTOCOL},
    {"nothing", "", "", QR_TRUNCATED},
    {"guid of 15 bytes", "240F", "", QR_PROTOCOL},
    {"variant of an unknown type", "62 491F0000", "03000000 99 00 00", QR_INVALID},
    {"variant of one byte", "62 491F0000", "01000000 38", QR_INVALID},
    {"variant whose int is short", "62 491F0000", "04000000 38 00 0100", QR_INVALID},
    {"variant with wrong properties", "62 491F0000", "07000000 38 01 00 01000000", QR_INVALID},
    {"variant decimal without digits", "62 491F0000", "04000000 6A 02 05 02", QR_INVALID},
};

static void test_what_is_not_an_instance_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct qr_arena arena;
        struct qr_tds_wire_type type;
        struct qr_value value;
        qr_arena_init(&arena, 1 << 20);
        enum qr_status got =
            decode(bad[i].type_hex, bad[i].value_hex, QR_TDS_IN_PARAM, &arena, &type, &value);
        if (got != bad[i].want)
            fail_msg("%s: status %s", bad[i].name, qr_status_info(got)->name);
        qr_arena_done(&arena);
    }
}

static void test_bulk_values_have_text_pointers_and_table_names(void **state)
{
    (void)state;
    struct qr_arena arena;
    struct qr_tds_wire_type type;
    struct qr_value value;
    qr_arena_init(&arena, 1 << 20);
    assert_int_equal(decode("23 FFFFFF7F" COLLATION "0100 u't'",
                            "10 00000000000000000000000000000000 0000000000000000 02000000 'ab'",
                            QR_TDS_IN_BULK, &arena, &type, &value),
                     QR_OK);
    assert_memory_equal(value.p, "ab", 2);
    assert_int_equal(decode("22 FFFFFF7F 0000", "00", QR_TDS_IN_BULK, &arena, &type, &value),
                     QR_OK);
    assert_int_equal(value.cell, QR_CELL_NULL);
    qr_arena_done(&arena);
}

/* Encoder and decoder must agree; types without table name have the same TYPE_INFO both ways. */
static void test_what_is_sent_comes_back(void **state)
{
    (void)state;
    uint8_t guid[16];
    assert_true(qr_guid_parse(qr_str("00112233-4455-6677-8899-AABBCCDDEEFF"), guid));
    const struct {
        struct qr_type type;
        struct qr_value value;
    } cases[] = {
        {qr_type_of(QR_TYPE_INT), qr_value_int(-5)},
        {qr_type_of(QR_TYPE_BIGINT), qr_value_int(INT64_MAX)},
        {qr_type_of(QR_TYPE_MONEY), qr_value_int(-123456789012)},
        {qr_type_decimal(38, 10), qr_value_wide(-((qr_i128)1 << 120))},
        {qr_type_decimal(19, 0), qr_value_wide((qr_i128)9999999999999999999u)},
        {qr_type_of(QR_TYPE_DATETIME), qr_value_int(-1)},
        {qr_type_time(QR_TYPE_TIME, 5), qr_value_int(863999999900)},
        {qr_type_time(QR_TYPE_DATETIME2, 7), qr_value_int(QR_TICKS_PER_DAY * 730000 + 7)},
        {qr_type_time(QR_TYPE_DATETIMEOFFSET, 7),
         qr_value_wide(qr_dto_pack(QR_TICKS_PER_DAY * 730000 + 7, -840))},
        {qr_type_of(QR_TYPE_UNIQUEIDENTIFIER), qr_value_blob(guid, 16)},
        {qr_type_sized(QR_TYPE_NVARCHAR, 20), qr_value_text("h\xC3\xA4\xF0\x9F\x98\x80", 7)},
        {qr_type_sized(QR_TYPE_VARCHAR, 20), qr_value_text("\xE2\x82\xAC", 3)},
        {qr_type_sized(QR_TYPE_NVARCHAR, 0), qr_value_text("", 0)},
        {qr_type_sized(QR_TYPE_VARBINARY, 0), qr_value_blob("\0\1\2", 3)},
        {qr_type_of(QR_TYPE_XML), qr_value_text("<a>\xC3\xA4</a>", 9)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct qr_arena arena;
        struct qr_tds_writer w;
        qr_arena_init(&arena, 1 << 20);
        qr_tds_writer_init(&w, 32767, 1, NULL, NULL);
        qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
        struct qr_tds_column column = {.type = cases[i].type};
        struct qr_tds_client client = {QR_TDS_VERSION_74, true};
        enum { HEAD_BYTES = 8 + 1 + 2 + 1 + 1 + 4 + 2 };
        assert_int_equal(qr_tds_put_return_value(&w, client, 0, &column, QR_TDS_RETURN_OUTPUT,
                                                 &cases[i].value, NULL),
                         QR_OK);
        struct qr_tds_cursor c = qr_tds_cursor(w.buf.data + HEAD_BYTES, w.buf.len - HEAD_BYTES);
        struct qr_tds_wire_type type;
        struct qr_value value;
        assert_int_equal(qr_tds_read_type(&c, QR_TDS_IN_PARAM, &type, NULL), QR_OK);
        assert_int_equal(qr_tds_read_value(&c, &type, &arena, &value, NULL), QR_OK);
        assert_int_equal(qr_tds_left(&c), 0);
        assert_true(qr_type_eq(&type.type, &cases[i].type));
        assert_int_equal(value.cell, cases[i].value.cell);
        if (value.cell == QR_CELL_TEXT || value.cell == QR_CELL_BLOB) {
            assert_int_equal(value.n, cases[i].value.n);
            assert_memory_equal(value.p, cases[i].value.p, value.n);
        } else {
            assert_true(qr_value_scaled(&value) == qr_value_scaled(&cases[i].value));
        }
        qr_tds_writer_done(&w);
        qr_arena_done(&arena);
    }
}

static void test_variants_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value_hex, *type, *value;
    } cases[] = {
        {"int", "06000000 38 00 01000000", "int", "i:1"},
        {"decimal", "09000000 6A 02 05 02 01 64000000", "decimal(5,2)", "i:100"},
        {"varchar", "0B000000 A7 07 " COLLATION " 0A00 'ab'", "varchar(10)", "t:ab"},
        {"nvarchar", "0D000000 E7 07 " COLLATION " 1400 u'ab'", "nvarchar(10)", "t:ab"},
        {"time", "07000000 29 01 03 01000000", "time(3)", "i:10000"},
        {"varbinary", "05000000 A5 02 0300 01", "varbinary(3)", "b:01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct qr_arena arena;
        struct qr_tds_wire_type type;
        struct qr_value value, inner;
        struct qr_type inner_type;
        char type_text[QR_TYPE_NAME_BYTES], value_text[64];
        qr_arena_init(&arena, 1 << 20);
        print_message("%s\n", cases[i].name);
        assert_int_equal(
            decode("62 491F0000", cases[i].value_hex, QR_TDS_IN_PARAM, &arena, &type, &value),
            QR_OK);
        assert_int_equal(qr_variant_open(qr_value_bytes(&value), &inner_type, &inner, NULL), QR_OK);
        print_value(&inner, value_text, sizeof value_text);
        assert_string_equal(qr_type_print(&inner_type, type_text), cases[i].type);
        assert_string_equal(value_text, cases[i].value);
        qr_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_clients_are_understood),
        cmocka_unit_test(test_what_is_not_an_instance_is_refused),
        cmocka_unit_test(test_bulk_values_have_text_pointers_and_table_names),
        cmocka_unit_test(test_what_is_sent_comes_back),
        cmocka_unit_test(test_variants_come_back),
    };
    return cmocka_run_group_tests_name("tds/decode", tests, NULL, NULL);
}
