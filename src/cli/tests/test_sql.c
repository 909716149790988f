/* test_sql.c - what goes to a SQL server and what comes from it, as bytes. */
#include "qr_test.h"
#include "../sql_reply.h"
#include "tds/login7.h"
#include "tds/prelogin.h"

enum { BYTES_MAX = 65536 };

/* int i, nvarchar(10) n; (5, N'hi'), (NULL, NULL) by bitmap; DONE with 2 rows; error 208 on line 3;
 * DONE with an error. */
static const uint8_t stream[] = {
    0x81, 2,    0,                                                    /* COLMETADATA */
    0,    0,    0,    0,    1,   0, 0x26, 4,   1,   'i', 0,           /* INTN(4) */
    0,    0,    0,    0,    1,   0, 0xE7, 20,  0,   9,   4,           /* NVARCHAR(20 bytes) */
    0xD0, 0,    0x34, 1,    'n', 0,                                   /* collation, name */
    0xD1, 4,    5,    0,    0,   0, 4,    0,   'h', 0,   'i', 0,      /* ROW */
    0xD2, 3,                                                          /* NBCROW: both NULL */
    0xFD, 0x11, 0,    0xC1, 0,   2, 0,    0,   0,   0,   0,   0,   0, /* DONE, more, count 2 */
    0xAA, 24,   0,    208,  0,   0, 0,    1,   16,  3,   0,   'b', 0, 'a',
    0,    'd',  0,    1,    's', 0, 1,    'p', 0,   3,   0,   0,   0, /* ERROR */
};
static const uint8_t end[] = {0xFD, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void add(char *got, size_t bytes, const char *text)
{
    snprintf(got + strlen(got), bytes - strlen(got), "%s", text);
}

/* The events of the stream, fed in slices of `slice` bytes. */
static enum qr_status told(const uint8_t *bytes, size_t count, size_t slice, char *got,
                           size_t got_bytes, struct qr_err *err)
{
    struct qri_sql_reply r;
    struct qr_arena arena;
    enum qr_status status = QR_OK;
    qri_sql_reply_init(&r, BYTES_MAX);
    qr_arena_init(&arena, BYTES_MAX);
    *got = '\0';
    for (size_t at = 0; status == QR_OK && at < count; at += slice) {
        enum qri_sql_event event = QRI_SQL_OTHER;
        status = qri_sql_reply_feed(&r, bytes + at, count - at < slice ? count - at : slice, err);
        while (status == QR_OK && (status = qri_sql_reply_next(&r, &arena, &event, err)) == QR_OK &&
               event != QRI_SQL_MORE) {
            char text[256] = "";
            if (event == QRI_SQL_COLUMNS)
                snprintf(text, sizeof text, "columns %zu %.*s;", r.column_count,
                         (int)r.columns[1].name.n, r.columns[1].name.p);
            else if (event == QRI_SQL_DONE)
                snprintf(text, sizeof text, "done %x %llu;", r.done_status,
                         (unsigned long long)r.row_count);
            else if (event == QRI_SQL_MESSAGE)
                snprintf(text, sizeof text, "%u,%u,%u,%u %.*s %.*s %.*s;", r.message.number,
                         r.message.severity, r.message.state, r.message.line, (int)r.message.text.n,
                         r.message.text.p, (int)r.message.server.n, r.message.server.p,
                         (int)r.message.procedure.n, r.message.procedure.p);
            else if (event == QRI_SQL_ROW) {
                struct qr_str cell;
                add(got, got_bytes, "row");
                for (size_t i = 0; i < r.column_count; i++) {
                    assert_int_equal(
                        qri_sql_text(&r.columns[i].wire.type, &r.values[i], &arena, &cell, err),
                        QR_OK);
                    snprintf(text, sizeof text, " %.*s", (int)cell.n, cell.p);
                    add(got, got_bytes, text);
                }
                snprintf(text, sizeof text, ";");
            }
            add(got, got_bytes, text);
        }
    }
    qr_arena_done(&arena);
    qri_sql_reply_done(&r);
    return status;
}

static void test_a_stream_is_told_in_slices_of_any_size(void **state)
{
    (void)state;
    uint8_t all[sizeof stream + sizeof end];
    char got[1024];
    memcpy(all, stream, sizeof stream);
    memcpy(all + sizeof stream, end, sizeof end);
    for (size_t slice = 1; slice <= sizeof all; slice++) {
        struct qr_err err = {0};
        if (told(all, sizeof all, slice, got, sizeof got, &err) != QR_OK)
            fail_msg("slices of %zu: %s", slice, err.text);
        assert_string_equal(got, "columns 2 n;row 5 hi;row NULL NULL;done 11 2;"
                                 "208,16,1,3 bad s p;done 2 0;");
    }
}

static void test_a_stream_that_breaks_the_format_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *want;
    } rows[] = {
        {"\x42", 1, "token 0x42 is not one of an answer"},
        {"\xD1\x04", 2, "a row before its columns"},
        {"\x81\x01\x10", 3, "a result of 4097 columns"},
        {"\xAA\x02\x00xx", 5, "a message of the wrong length"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[64];
        struct qr_err err = {0};
        assert_int_not_equal(told((const uint8_t *)rows[i].bytes, rows[i].count, rows[i].count, got,
                                  sizeof got, &err),
                             QR_OK);
        assert_string_equal(err.text, rows[i].want);
    }
}

/* The parsers of the server's side read what this side writes. */
static void test_a_server_reads_the_login(void **state)
{
    (void)state;
    struct qr_buf out;
    struct qr_tds_login7 login;
    struct qr_tds_prelogin prelogin;
    struct qr_arena arena;
    struct qr_err err = {0};
    qr_arena_init(&arena, BYTES_MAX);
    qr_buf_init(&out, BYTES_MAX);
    qri_sql_put_prelogin(&out);
    assert_int_equal(qr_tds_prelogin_parse(out.data, out.len, &prelogin, &err), QR_OK);
    assert_int_equal(prelogin.encryption, QR_TDS_ENCRYPT_ON);
    qr_buf_clear(&out);
    qri_sql_put_login(
        &out, &(struct qri_sql_login){"here", "gr\xc3\xbcn", "p\xe2\x82\xacss", "there", "db"});
    if (qr_tds_login7_parse(out.data, out.len, &login, &err) != QR_OK)
        fail_msg("%s", err.text);
    static const struct {
        size_t at;
        const char *want;
    } rows[] = {
        {offsetof(struct qr_tds_login7, host), "here"},
        {offsetof(struct qr_tds_login7, user), "gr\xc3\xbcn"},
        {offsetof(struct qr_tds_login7, password), "p\xe2\x82\xacss"},
        {offsetof(struct qr_tds_login7, server), "there"},
        {offsetof(struct qr_tds_login7, application), "quire"},
        {offsetof(struct qr_tds_login7, database), "db"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_tds_utf16 text;
        memcpy(&text, (const char *)&login + rows[i].at, sizeof text);
        assert_string_equal(qr_tds_utf16_dup(&arena, text).p, rows[i].want);
    }
    assert_true(login.odbc_defaults);
    qr_buf_done(&out);
    qr_arena_done(&arena);
}

static void test_values_are_shown_as_sqlcmd_shows_them(void **state)
{
    (void)state;
    struct qr_arena arena;
    struct qr_value variant, two = qr_value_int(20000);
    struct qr_type money = qr_type_of(QR_TYPE_MONEY);
    qr_arena_init(&arena, BYTES_MAX);
    assert_int_equal(qr_variant_make(&arena, &money, &two, &variant), QR_OK);
    const struct {
        struct qr_type type;
        struct qr_value value;
        const char *want;
    } rows[] = {
        {qr_type_of(QR_TYPE_INT), qr_value_int(-5), "-5"},
        {qr_type_of(QR_TYPE_BIT), qr_value_int(1), "1"},
        {money, qr_value_int(15000), "1.5000"},
        {qr_type_decimal(5, 3), qr_value_int(12340), "12.340"},
        {qr_type_of(QR_TYPE_FLOAT), qr_value_real(0.1), "0.1"},
        {qr_type_of(QR_TYPE_FLOAT), qr_value_real(1.0 / 3), "0.3333333333333333"},
        {qr_type_of(QR_TYPE_REAL), qr_value_real((double)0.1f), "0.1"},
        {qr_type_of(QR_TYPE_DATETIME), qr_value_int(0), "1900-01-01 00:00:00.000"},
        {qr_type_of(QR_TYPE_SMALLDATETIME), qr_value_int(1), "1900-01-01 00:01:00"},
        {qr_type_of(QR_TYPE_DATE), qr_value_int(0), "0001-01-01"},
        {qr_type_sized(QR_TYPE_VARBINARY, 3), qr_value_blob("\x01\xab", 2), "0x01AB"},
        {qr_type_sized(QR_TYPE_NVARCHAR, 0), qr_value_text("x", 1), "x"},
        {qr_type_of(QR_TYPE_SQL_VARIANT), variant, "2.0000"},
        {qr_type_of(QR_TYPE_SQL_VARIANT), qr_value_null(), "NULL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_str text;
        struct qr_err err = {0};
        if (qri_sql_text(&rows[i].type, &rows[i].value, &arena, &text, &err) != QR_OK)
            fail_msg("%s: %s", rows[i].want, err.text);
        if (!qr_str_eq(text, qr_str(rows[i].want)))
            fail_msg("%.*s, not %s", (int)text.n, text.p, rows[i].want);
    }
    qr_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_is_told_in_slices_of_any_size),
        cmocka_unit_test(test_a_stream_that_breaks_the_format_is_refused),
        cmocka_unit_test(test_a_server_reads_the_login),
        cmocka_unit_test(test_values_are_shown_as_sqlcmd_shows_them),
    };
    return cmocka_run_group_tests_name("cli/sql", tests, NULL, NULL);
}
