/* Goal: every type goes to the wire byte-exact, in the form its client understands. */
#include "tds_test.h"
#include "codec/collation.h"
#include "codec/datetime.h"
#include "tds/row.h"

enum { V71 = QR_TDS_VERSION_71, V72 = QR_TDS_VERSION_72, V74 = QR_TDS_VERSION_74 };
#define COLLATION "0904D00034"

static struct qr_type type_id(enum qr_type_id id)
{
    return qr_type_of(id);
}

struct fixture {
    struct qr_tds_writer w;
    struct qr_arena arena;
};

static void begin(struct fixture *f)
{
    qr_tds_writer_init(&f->w, 32767, 51, NULL, NULL);
    qr_tds_writer_begin(&f->w, QR_TDS_PACKET_REPLY);
    qr_arena_init(&f->arena, 1 << 20);
}

static void end(struct fixture *f)
{
    qr_tds_writer_done(&f->w);
    qr_arena_done(&f->arena);
}

/* One column, one value: TYPE_INFO and the value without their surroundings. */
static void check(const char *name, int version, struct qr_type type, bool nullable,
                  struct qr_value value, const char *info, const char *bytes)
{
    struct fixture f;
    begin(&f);
    struct qr_tds_column column = {.type = type, .flags = nullable ? QR_TDS_COLUMN_NULLABLE : 0};
    struct qr_tds_rows rows;
    struct qr_tds_client client = {.version = (enum qr_tds_version)version, .utf8 = true};
    struct qr_err err = {0};
    if (qr_tds_rows_init(&rows, &f.arena, &column, 1, client, &err) != QR_OK)
        fail_msg("%s: %s", name, err.text);
    rows.use_nbc = false;
    qr_tds_rows_put_metadata(&rows, &f.w);
    size_t head = 8 + 3 + (version >= V72 ? 6 : 4), row = f.w.buf.len;
    if (qr_tds_rows_put(&rows, &f.w, &value, &err) != QR_OK)
        fail_msg("%s: %s", name, err.text);
    print_message("%s\n", name);
    assert_bytes(f.w.buf.data + head, row - head - 1, info);
    assert_int_equal(f.w.buf.data[row], QR_TDS_TOKEN_ROW);
    assert_bytes(f.w.buf.data + row + 1, f.w.buf.len - row - 1, bytes);
    end(&f);
}

static void test_integers_and_floats(void **state)
{
    (void)state;
    struct qr_value null = qr_value_null();
    check("tinyint not null", V74, type_id(QR_TYPE_TINYINT), false, qr_value_int(255), "30", "FF");
    check("tinyint", V74, type_id(QR_TYPE_TINYINT), true, qr_value_int(7), "2601", "01 07");
    check("bit not null", V74, type_id(QR_TYPE_BIT), false, qr_value_int(1), "32", "01");
    check("bit null", V74, type_id(QR_TYPE_BIT), true, null, "6801", "00");
    check("smallint", V74, type_id(QR_TYPE_SMALLINT), true, qr_value_int(-2), "2602", "02 FEFF");
    check("int not null", V71, type_id(QR_TYPE_INT), false, qr_value_int(0x12345678), "38",
          "78563412");
    check("int null", V71, type_id(QR_TYPE_INT), true, null, "2604", "00");
    check("bigint", V74, type_id(QR_TYPE_BIGINT), true, qr_value_int(INT64_MIN), "2608",
          "08 0000000000000080");
    check("real", V74, type_id(QR_TYPE_REAL), true, qr_value_real(1.5), "6D04", "04 0000C03F");
    check("float not null", V74, type_id(QR_TYPE_FLOAT), false, qr_value_real(-2.0), "3E",
          "00000000000000C0");
    check("float from a whole cell", V74, type_id(QR_TYPE_FLOAT), true, qr_value_int(1), "6D08",
          "08 000000000000F03F");
}

static void test_decimals_and_money(void **state)
{
    (void)state;
    uint8_t stored[16];
    qr_wide_store(-1, stored);
    check("decimal(5,2)", V74, qr_type_decimal(5, 2), true, qr_value_int(-12345), "6A 05 05 02",
          "05 00 39300000");
    check("decimal(18,0)", V74, qr_type_decimal(18, 0), true, qr_value_int(1), "6A 09 12 00",
          "09 01 0100000000000000");
    check("decimal(38,0)", V74, qr_type_decimal(38, 0), true,
          qr_value_wide(((qr_i128)1 << 100) + 2), "6A 11 26 00",
          "11 01 02000000000000000000000010000000");
    check("decimal(20,0) in stored form", V74, qr_type_decimal(20, 0), true,
          qr_value_blob(stored, 16), "6A 0D 14 00", "0D 00 010000000000000000000000");
    check("money", V74, type_id(QR_TYPE_MONEY), true, qr_value_int(-1), "6E08",
          "08 FFFFFFFF FFFFFFFF");
    check("money not null", V74, type_id(QR_TYPE_MONEY), false, qr_value_int(0x100000002), "3C",
          "01000000 02000000");
    check("smallmoney", V74, type_id(QR_TYPE_SMALLMONEY), true, qr_value_int(10000), "6E04",
          "04 10270000");
}

static void test_dates_and_times(void **state)
{
    (void)state;
    int64_t noon = QR_TICKS_PER_DAY / 2;
    int64_t day = qr_days_from_ymd(2000, 1, 1); /* 730119 = 0x0B2407 */
    qr_i128 dto = qr_dto_pack(day * QR_TICKS_PER_DAY + noon, -90);
    uint8_t stored[QR_DTO_BYTES];
    qr_dto_store(dto, stored);
    check("date", V74, type_id(QR_TYPE_DATE), true, qr_value_int(day), "28", "03 07240B");
    check("time(7)", V74, qr_type_time(QR_TYPE_TIME, 7), true, qr_value_int(noon), "2907",
          "05 00E0349564");
    check("time(0)", V74, qr_type_time(QR_TYPE_TIME, 0), true, qr_value_int(noon), "2900",
          "03 C0A800");
    check("time(3)", V74, qr_type_time(QR_TYPE_TIME, 3), true, qr_value_int(noon), "2903",
          "04 002E9302");
    check("datetime2(0)", V74, qr_type_time(QR_TYPE_DATETIME2, 0), true,
          qr_value_int(day * QR_TICKS_PER_DAY + noon), "2A00", "06 C0A800 07240B");
    check("datetimeoffset(7)", V74, qr_type_time(QR_TYPE_DATETIMEOFFSET, 7), true,
          qr_value_wide(dto), "2B07", "0A 00E0349564 07240B A6FF");
    check("datetimeoffset(0) in stored form", V74, qr_type_time(QR_TYPE_DATETIMEOFFSET, 0), true,
          qr_value_text((char *)stored, sizeof stored), "2B00", "08 C0A800 07240B A6FF");
    check("datetime", V74, type_id(QR_TYPE_DATETIME), true,
          qr_value_int((int64_t)36524 * 86400 * 300 + 1), "6F08", "08 AC8E0000 01000000");
    check("datetime before 1900", V74, type_id(QR_TYPE_DATETIME), false, qr_value_int(-1), "3D",
          "FFFFFFFF FF818B01");
    check("smalldatetime", V74, type_id(QR_TYPE_SMALLDATETIME), true,
          qr_value_int((int64_t)36524 * 1440 + 61), "6F04", "04 AC8E 3D00");
}

static void test_newer_types_go_down_level(void **state)
{
    (void)state;
    int64_t day = qr_days_from_ymd(2000, 1, 2);
    check("date as nvarchar", V72, type_id(QR_TYPE_DATE), true, qr_value_int(day),
          "E7 1400 " COLLATION, "1400 u'2000-01-02'");
    check("time(0) as nvarchar", V72, qr_type_time(QR_TYPE_TIME, 0), true, qr_value_int(0),
          "E7 1000 " COLLATION, "1000 u'00:00:00'");
    check("null datetime2 as nvarchar", V71, qr_type_time(QR_TYPE_DATETIME2, 7), true,
          qr_value_null(), "E7 3600 " COLLATION, "FFFF");
    check("varchar(max) as text", V71, qr_type_sized(QR_TYPE_VARCHAR, 0), true,
          qr_value_text("ab", 2), "23 FFFFFF7F " COLLATION " 0000",
          "10 'dummy textptr' 000000 'dummyTS' 00 02000000 'ab'");
    check("nvarchar(max) as ntext", V71, qr_type_sized(QR_TYPE_NVARCHAR, 0), true,
          qr_value_text("ab", 2), "63 FEFFFF7F " COLLATION " 0000",
          "10 'dummy textptr' 000000 'dummyTS' 00 04000000 u'ab'");
    check("varbinary(max) as image", V71, qr_type_sized(QR_TYPE_VARBINARY, 0), true,
          qr_value_null(), "22 FFFFFF7F 0000", "00");
    check("xml as ntext", V71, type_id(QR_TYPE_XML), true, qr_value_text("<a/>", 4),
          "63 FEFFFF7F " COLLATION " 0000",
          "10 'dummy textptr' 000000 'dummyTS' 00 08000000 u'<a/>'");
}

static void test_strings_and_binaries(void **state)
{
    (void)state;
    check("varchar", V74, qr_type_sized(QR_TYPE_VARCHAR, 10), true,
          qr_value_text("\xE2\x82\xACx", 4), "A7 0A00 " COLLATION, "0200 80 'x'");
    check("varchar null", V74, qr_type_sized(QR_TYPE_VARCHAR, 10), true, qr_value_null(),
          "A7 0A00 " COLLATION, "FFFF");
    check("char pads", V74, qr_type_sized(QR_TYPE_CHAR, 4), true, qr_value_text("ab", 2),
          "AF 0400 " COLLATION, "0400 'ab  '");
    check("nchar pads", V74, qr_type_sized(QR_TYPE_NCHAR, 3), true, qr_value_text("a", 1),
          "EF 0600 " COLLATION, "0600 u'a  '");
    check("nvarchar with a surrogate pair", V74, qr_type_sized(QR_TYPE_NVARCHAR, 10), true,
          qr_value_text("\xF0\x9F\x98\x80", 4), "E7 1400 " COLLATION, "0400 3DD800DE");
    check("nvarchar(4000) empty", V74, qr_type_sized(QR_TYPE_NVARCHAR, 4000), true,
          qr_value_text("", 0), "E7 401F " COLLATION, "0000");
    check("binary pads", V74, qr_type_sized(QR_TYPE_BINARY, 3), true, qr_value_blob("\x01", 1),
          "AD 0300", "0300 010000");
    check("varbinary", V74, qr_type_sized(QR_TYPE_VARBINARY, 3), true, qr_value_blob("\x01", 1),
          "A5 0300", "0100 01");
    check("rowversion", V74, type_id(QR_TYPE_ROWVERSION), false,
          qr_value_blob("\0\0\0\0\0\0\x07\xD1", 8), "AD 0800", "0800 00000000000007D1");
    check("varchar(max)", V74, qr_type_sized(QR_TYPE_VARCHAR, 0), true, qr_value_text("abc", 3),
          "A7 FFFF " COLLATION, "0300000000000000 03000000 'abc' 00000000");
    check("varchar(max) empty", V74, qr_type_sized(QR_TYPE_VARCHAR, 0), true, qr_value_text("", 0),
          "A7 FFFF " COLLATION, "0000000000000000 00000000");
    check("nvarchar(max) null", V74, qr_type_sized(QR_TYPE_NVARCHAR, 0), true, qr_value_null(),
          "E7 FFFF " COLLATION, "FFFFFFFFFFFFFFFF");
    check("varbinary(max)", V72, qr_type_sized(QR_TYPE_VARBINARY, 0), true,
          qr_value_blob("\xAA\xBB", 2), "A5 FFFF", "0200000000000000 02000000 AABB 00000000");
    check("xml", V74, type_id(QR_TYPE_XML), true, qr_value_text("<a/>", 4), "F1 00",
          "0800000000000000 08000000 u'<a/>' 00000000");
    check("text", V74, type_id(QR_TYPE_TEXT), true, qr_value_text("x", 1),
          "23 FFFFFF7F " COLLATION " 00", "10 'dummy textptr' 000000 'dummyTS' 00 01000000 'x'");
    check("image null", V74, type_id(QR_TYPE_IMAGE), true, qr_value_null(), "22 FFFFFF7F 00", "00");
    uint8_t guid[16];
    assert_true(qr_guid_parse(qr_str("00112233-4455-6677-8899-AABBCCDDEEFF"), guid));
    check("uniqueidentifier", V74, type_id(QR_TYPE_UNIQUEIDENTIFIER), true, qr_value_blob(guid, 16),
          "2410", "10 33221100554477668899AABBCCDDEEFF");
}

static void check_variant(const char *name, int version, struct qr_type type, struct qr_value value,
                          const char *bytes)
{
    struct qr_arena arena;
    struct qr_value variant;
    qr_arena_init(&arena, 1 << 20);
    assert_int_equal(qr_variant_make(&arena, &type, &value, &variant), QR_OK);
    check(name, version, type_id(QR_TYPE_SQL_VARIANT), true, variant, "62 491F0000", bytes);
    qr_arena_done(&arena);
}

static void test_variants(void **state)
{
    (void)state;
    check("variant null", V74, type_id(QR_TYPE_SQL_VARIANT), true, qr_value_null(), "62 491F0000",
          "00000000");
    check_variant("variant int", V74, type_id(QR_TYPE_INT), qr_value_int(1),
                  "06000000 38 00 01000000");
    check_variant("variant decimal", V74, qr_type_decimal(5, 2), qr_value_int(100),
                  "09000000 6A 02 05 02 01 64000000");
    check_variant("variant varchar", V74, qr_type_sized(QR_TYPE_VARCHAR, 10),
                  qr_value_text("ab", 2), "0B000000 A7 07 " COLLATION " 0A00 'ab'");
    check_variant("variant nvarchar", V74, qr_type_sized(QR_TYPE_NVARCHAR, 10),
                  qr_value_text("ab", 2), "0D000000 E7 07 " COLLATION " 1400 u'ab'");
    check_variant("variant varbinary", V74, qr_type_sized(QR_TYPE_VARBINARY, 3),
                  qr_value_blob("\x01", 1), "05000000 A5 02 0300 01");
    check_variant("variant time(3)", V74, qr_type_time(QR_TYPE_TIME, 3), qr_value_int(10000),
                  "07000000 29 01 03 01000000");
    check_variant("variant date", V74, type_id(QR_TYPE_DATE), qr_value_int(1),
                  "05000000 28 00 010000");
    check_variant("variant date for 7.2", V72, type_id(QR_TYPE_DATE), qr_value_int(0),
                  "1D000000 E7 07 " COLLATION " 1400 u'0001-01-01'");
}

static void test_metadata_tells_names_flags_and_tables(void **state)
{
    (void)state;
    const struct qr_tds_column columns[] = {
        {.name = qr_str("id"), .type = qr_type_of(QR_TYPE_INT), .flags = QR_TDS_COLUMN_IDENTITY},
        {.name = qr_str("v"),
         .type = qr_type_of(QR_TYPE_ROWVERSION),
         .user_type = 80,
         .flags = QR_TDS_COLUMN_UPDATABLE_UNKNOWN},
        {.name = qr_str("t"),
         .type = qr_type_of(QR_TYPE_NTEXT),
         .flags = QR_TDS_COLUMN_NULLABLE,
         .table = {.parts = {{NULL, 0}, {NULL, 0}, {"dbo", 3}, {"x", 1}}, .part_count = 2}}};
    static const struct {
        enum qr_tds_version version;
        const char *bytes;
    } forms[] = {
        {QR_TDS_VERSION_74,
         "81 0300 00000000 1000 38 02 u'id' 50000000 0800 AD 0800 01 u'v'"
         "00000000 0100 63 FEFFFF7F " COLLATION " 02 0300 u'dbo' 0100 u'x' 01 u't'"},
        {QR_TDS_VERSION_71, "81 0300 0000 1000 38 02 u'id' 5000 0800 AD 0800 01 u'v'"
                            "0000 0100 63 FEFFFF7F " COLLATION " 0100 u'x' 01 u't'"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        begin(&f);
        struct qr_tds_rows rows;
        assert_int_equal(qr_tds_rows_init(&rows, &f.arena, columns, 3,
                                          (struct qr_tds_client){forms[i].version, false}, NULL),
                         QR_OK);
        qr_tds_rows_put_metadata(&rows, &f.w);
        assert_bytes(f.w.buf.data + 8, f.w.buf.len - 8, forms[i].bytes);
        end(&f);
    }
}

static void test_null_bitmaps_are_used_where_they_pay(void **state)
{
    (void)state;
    struct qr_tds_column columns[9] = {{.name = {NULL, 0}}};
    struct qr_value values[9];
    for (size_t i = 0; i < 9; i++) {
        columns[i].type = qr_type_of(QR_TYPE_TINYINT);
        columns[i].flags = QR_TDS_COLUMN_NULLABLE;
        values[i] = i == 1 || i == 8 ? qr_value_int((int64_t)i) : qr_value_null();
    }
    static const struct {
        enum qr_tds_version version;
        const char *bytes;
    } forms[] = {{QR_TDS_VERSION_74, "D2 FD00 0101 0108"},
                 {QR_TDS_VERSION_73A, "D1 00 0101 000000000000 0108"}};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        begin(&f);
        struct qr_tds_rows rows;
        assert_int_equal(qr_tds_rows_init(&rows, &f.arena, columns, 9,
                                          (struct qr_tds_client){forms[i].version, false}, NULL),
                         QR_OK);
        assert_int_equal(qr_tds_rows_put(&rows, &f.w, values, NULL), QR_OK);
        assert_bytes(f.w.buf.data + 8, f.w.buf.len - 8, forms[i].bytes);
        for (size_t k = 0; k < 9; k++)
            values[k] = qr_value_int(1);
        size_t before = f.w.buf.len;
        assert_int_equal(qr_tds_rows_put(&rows, &f.w, values, NULL), QR_OK);
        assert_int_equal(f.w.buf.data[before], QR_TDS_TOKEN_ROW);
        for (size_t k = 0; k < 9; k++)
            values[k] = k == 1 || k == 8 ? qr_value_int((int64_t)k) : qr_value_null();
        end(&f);
    }
}

static void test_a_misfit_is_refused_and_leaves_no_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum qr_type_id type;
        bool nullable;
        struct qr_value value;
    } cases[] = {
        {"NULL in NOT NULL", QR_TYPE_INT, false, {.cell = QR_CELL_NULL}},
        {"text in int", QR_TYPE_INT, true, {.cell = QR_CELL_TEXT}},
        {"int in nvarchar", QR_TYPE_NVARCHAR, true, {.cell = QR_CELL_INT}},
        {"short guid", QR_TYPE_UNIQUEIDENTIFIER, true, {.cell = QR_CELL_BLOB, .n = 3}},
        {"real in datetime", QR_TYPE_DATETIME, true, {.cell = QR_CELL_REAL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        begin(&f);
        struct qr_tds_column columns[] = {
            {.type = qr_type_of(QR_TYPE_INT)},
            {.type = qr_type_of(cases[i].type),
             .flags = cases[i].nullable ? QR_TDS_COLUMN_NULLABLE : 0}};
        struct qr_value values[] = {qr_value_int(1), cases[i].value};
        struct qr_tds_rows rows;
        assert_int_equal(qr_tds_rows_init(&rows, &f.arena, columns, 2,
                                          (struct qr_tds_client){QR_TDS_VERSION_74, false}, NULL),
                         QR_OK);
        size_t before = f.w.buf.len;
        if (qr_tds_rows_put(&rows, &f.w, values, NULL) != QR_BUG)
            fail_msg("%s", cases[i].name);
        assert_int_equal(f.w.buf.len, before);
        end(&f);
    }
}

static enum qr_status count_flush(void *ctx, const uint8_t *packets, size_t bytes,
                                  struct qr_err *err)
{
    (void)packets, (void)err;
    *(size_t *)ctx += bytes;
    return QR_OK;
}

static void test_long_values_leave_in_pieces_with_a_small_buffer(void **state)
{
    (void)state;
    enum { BYTES = 3000001 };
    char *text = malloc(BYTES);
    for (size_t i = 0; i + 3 <= BYTES; i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 3); /* a piece must not split the euro sign */
    text[BYTES - 1] = '!';
    static const struct {
        enum qr_type_id id;
        size_t want_bytes;
    } cases[] = {{QR_TYPE_NVARCHAR, 2000002}, {QR_TYPE_VARCHAR, 1000001}, {QR_TYPE_NTEXT, 2000002}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t sent = 0;
        struct qr_arena arena;
        struct qr_tds_writer w;
        qr_arena_init(&arena, 1 << 20);
        qr_tds_writer_init(&w, 4096, 51, count_flush, &sent);
        qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
        struct qr_tds_column column = {.type = cases[i].id == QR_TYPE_NTEXT
                                                   ? qr_type_of(QR_TYPE_NTEXT)
                                                   : qr_type_sized(cases[i].id, 0),
                                       .flags = QR_TDS_COLUMN_NULLABLE};
        struct qr_value value = qr_value_text(text, BYTES - 1);
        value.n = BYTES;
        struct qr_tds_rows rows;
        assert_int_equal(qr_tds_rows_init(&rows, &arena, &column, 1,
                                          (struct qr_tds_client){QR_TDS_VERSION_74, false}, NULL),
                         QR_OK);
        assert_int_equal(qr_tds_rows_put(&rows, &w, &value, NULL), QR_OK);
        assert_int_equal(qr_tds_writer_end(&w, false), QR_OK);
        assert_true(sent > cases[i].want_bytes && sent < cases[i].want_bytes * 102 / 100);
        assert_true(w.buf.capacity <= 256 << 10);
        qr_tds_writer_done(&w);
        qr_arena_done(&arena);
    }
    free(text);
}

static void test_return_values(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct qr_tds_column column = {.name = qr_str("@h"), .type = qr_type_of(QR_TYPE_INT)};
    struct qr_value value = qr_value_int(5);
    assert_int_equal(qr_tds_put_return_value(&f.w, (struct qr_tds_client){QR_TDS_VERSION_74, false},
                                             2, &column, QR_TDS_RETURN_OUTPUT, &value, NULL),
                     QR_OK);
    assert_bytes(f.w.buf.data + 8, f.w.buf.len - 8,
                 "AC 0200 02 u'@h' 01 00000000 0000 2604 04 05000000");
    end(&f);
}

static void test_utf8_columns_are_nvarchar_to_who_cannot_read_them(void **state)
{
    (void)state;
    struct qr_type type = qr_type_sized(QR_TYPE_VARCHAR, 10);
    type.collation = QR_COLLATION_LATIN1_100_CI_AS_SC_UTF8;
    for (int utf8 = 0; utf8 < 2; utf8++) {
        struct fixture f;
        begin(&f);
        struct qr_tds_column column = {.type = type, .flags = QR_TDS_COLUMN_NULLABLE};
        struct qr_value value = qr_value_text("\xC4\x80", 2);
        struct qr_tds_rows rows;
        assert_int_equal(qr_tds_rows_init(&rows, &f.arena, &column, 1,
                                          (struct qr_tds_client){QR_TDS_VERSION_74, utf8 != 0},
                                          NULL),
                         QR_OK);
        assert_int_equal(qr_tds_rows_put(&rows, &f.w, &value, NULL), QR_OK);
        assert_bytes(f.w.buf.data + 8, f.w.buf.len - 8,
                     utf8 != 0 ? "D1 0200 C480" : "D1 0200 0001");
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_and_floats),
        cmocka_unit_test(test_decimals_and_money),
        cmocka_unit_test(test_dates_and_times),
        cmocka_unit_test(test_newer_types_go_down_level),
        cmocka_unit_test(test_strings_and_binaries),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_metadata_tells_names_flags_and_tables),
        cmocka_unit_test(test_null_bitmaps_are_used_where_they_pay),
        cmocka_unit_test(test_a_misfit_is_refused_and_leaves_no_bytes),
        cmocka_unit_test(test_long_values_leave_in_pieces_with_a_small_buffer),
        cmocka_unit_test(test_return_values),
        cmocka_unit_test(test_utf8_columns_are_nvarchar_to_who_cannot_read_them),
    };
    return cmocka_run_group_tests_name("tds/row", tests, NULL, NULL);
}
