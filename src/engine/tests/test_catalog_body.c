/* Goal: rows of the catalog that earlier versions wrote are read, and they can read what has
 * nothing new in it; damage is found. Method: bodies as this version writes them, cut and changed.
 */
#include "qr_test.h"
#include "../catalog_int.h"

static struct qr_arena arena;
static struct qr_buf buf;

static int setup(void **state)
{
    (void)state;
    qr_arena_init(&arena, 1 << 20);
    qr_buf_init(&buf, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    qr_buf_done(&buf);
    qr_arena_done(&arena);
    return 0;
}

static enum qr_status read_principal(size_t bytes, struct qri_principal *ret)
{
    struct qr_err err = {0};
    return qri_body_decode_principal(&arena, buf.data, bytes, ret, &err);
}

static void test_a_principal_without_news_is_as_it_was(void **state)
{
    (void)state;
    uint32_t roles[] = {16390};
    struct qri_principal got, old = {.principal_id = 7,
                                     .name = qr_str("ann"),
                                     .type = 'S',
                                     .default_schema = qr_str("dbo"),
                                     .login = qr_str("login_ann"),
                                     .member_of = roles,
                                     .member_count = 1};
    qri_body_encode_principal(&buf, &old);
    assert_int_equal(buf.data[0], 1); /* the version that is the first */
    assert_int_equal(read_principal(buf.len, &got), QR_OK);
    assert_true(qr_str_ieqz(got.login, "login_ann"));
    assert_int_equal(got.sid.n, 0);
    assert_int_equal(got.password_hash.n, 0);
    assert_int_equal(got.member_of[0], 16390);
}

static void test_a_principal_keeps_how_he_is_known(void **state)
{
    (void)state;
    struct qri_principal got, p = {.principal_id = 7,
                                   .name = qr_str("ann"),
                                   .type = 'S',
                                   .sid = qr_str_n("\0\1\2", 3),
                                   .password_hash = qr_str("$argon2id$"),
                                   .default_language = qr_str("Deutsch"),
                                   .is_encrypted_writer = true};
    qri_body_encode_principal(&buf, &p);
    assert_int_equal(buf.data[0], 2);
    assert_int_equal(read_principal(buf.len, &got), QR_OK);
    assert_true(qr_str_eq(got.sid, p.sid));
    assert_true(qr_str_eq(got.password_hash, p.password_hash));
    assert_true(qr_str_eq(got.default_language, p.default_language));
    assert_true(got.is_encrypted_writer);
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(read_principal(bytes, &got), QR_CORRUPT);
}

static enum qr_status read_object(size_t bytes, struct qr_cat_object *ret)
{
    struct qr_err err = {0};
    return qri_body_decode_object(&arena, buf.data, bytes, ret, &err);
}

static void test_a_table_keeps_its_period_and_history(void **state)
{
    (void)state;
    struct qr_cat_column columns[] = {
        {.column_id = 1, .name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)},
        {.column_id = 2, .name = qr_str("b"), .type = qr_type_of(QR_TYPE_DATETIME2)},
        {.column_id = 4, .name = qr_str("c"), .type = qr_type_of(QR_TYPE_DATETIME2)}};
    struct qr_cat_object got, table = {.object_id = 9,
                                       .name = qr_str("t"),
                                       .type = QR_CAT_TABLE,
                                       .columns = columns,
                                       .column_count = 3};
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 1); /* earlier versions can read it */
    qr_buf_clear(&buf);
    table.period_start = 2;
    table.period_end = 4;
    table.history_id = 10;
    table.retention = QR_RETENTION_MONTH;
    table.retention_count = 6;
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 5);
    assert_int_equal(read_object(buf.len, &got), QR_OK);
    assert_int_equal(got.period_start, 2);
    assert_int_equal(got.period_end, 4);
    assert_int_equal(got.history_id, 10);
    assert_int_equal(got.retention, QR_RETENTION_MONTH);
    assert_int_equal(got.retention_count, 6);
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(read_object(bytes, &got), QR_CORRUPT);
}

static void test_statistics_stay_with_their_table(void **state)
{
    (void)state;
    uint32_t ids[] = {2, 1};
    struct qr_cat_column columns[] = {
        {.column_id = 1, .name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)},
        {.column_id = 2, .name = qr_str("b"), .type = qr_type_of(QR_TYPE_INT)}};
    struct qr_cat_stats stats[] = {
        {.stats_id = 2, .name = qr_str("s"), .columns = ids, .column_count = 2},
        {.stats_id = 5,
         .name = qr_str("u"),
         .filter_text = qr_str("[a]>(1)"),
         .columns = ids,
         .column_count = 1,
         .no_recompute = true}};
    struct qr_cat_object got, table = {.object_id = 9,
                                       .name = qr_str("t"),
                                       .type = QR_CAT_TABLE,
                                       .columns = columns,
                                       .column_count = 2,
                                       .stats = stats,
                                       .stats_count = 2};
    qr_buf_clear(&buf);
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 6);
    assert_int_equal(read_object(buf.len, &got), QR_OK);
    assert_int_equal(got.stats_count, 2);
    assert_int_equal(got.stats[0].stats_id, 2);
    assert_int_equal(got.stats[0].column_count, 2);
    assert_int_equal(got.stats[0].columns[1], 1);
    assert_false(got.stats[0].no_recompute);
    assert_true(qr_str_eq(got.stats[1].name, qr_str("u")));
    assert_true(qr_str_eq(got.stats[1].filter_text, qr_str("[a]>(1)")));
    assert_true(got.stats[1].no_recompute);
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(read_object(bytes, &got), QR_CORRUPT);
}

static void test_a_period_is_of_columns_that_can_be_one(void **state)
{
    (void)state;
    struct qr_cat_column columns[] = {
        {.column_id = 1, .name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)},
        {.column_id = 2, .name = qr_str("b"), .type = qr_type_of(QR_TYPE_DATETIME2)}};
    static const struct {
        uint32_t start, end;
    } wrong[] = {{2, 1}, {1, 2}, {2, 2}, {2, 0}, {2, 7}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct qr_cat_object got, table = {.object_id = 9,
                                           .name = qr_str("t"),
                                           .type = QR_CAT_TABLE,
                                           .columns = columns,
                                           .column_count = 2,
                                           .period_start = wrong[i].start,
                                           .period_end = wrong[i].end};
        qr_buf_clear(&buf);
        qri_body_encode_object(&buf, &table);
        assert_int_equal(read_object(buf.len, &got), QR_CORRUPT);
    }
}

static enum qr_status read_permission(struct qr_perm_row *ret)
{
    struct qr_err err = {0};
    return qri_body_decode_permission(buf.data, buf.len, ret, &err);
}

static void test_a_permission_is_kept_by_its_code(void **state)
{
    (void)state;
    enum { ON = 1, STATE = 2, MINOR = 7, CODE = 19 };
    struct qr_perm_row got, row = {.on = QR_ON_OBJECT,
                                   .state = QR_PERM_GRANT_OPTION,
                                   .perm = QR_MAY_SELECT,
                                   .major_id = 901578250,
                                   .minor_id = 3,
                                   .grantee_id = 7,
                                   .grantor_id = 1};
    qri_body_encode_permission(&buf, &row);
    assert_int_equal(read_permission(&got), QR_OK);
    assert_int_equal(got.perm, QR_MAY_SELECT);
    assert_int_equal(got.minor_id, 3);
    assert_memory_equal(buf.data + CODE, "SL  ", 4);
    buf.data[CODE] = 'Z';
    assert_int_equal(read_permission(&got), QR_CORRUPT);
    buf.data[CODE] = 'S';
    buf.data[STATE] = 'X';
    assert_int_equal(read_permission(&got), QR_CORRUPT);
    buf.data[STATE] = QR_PERM_REVOKE; /* which is of a column */
    assert_int_equal(read_permission(&got), QR_OK);
    buf.data[MINOR] = 0;
    assert_int_equal(read_permission(&got), QR_CORRUPT);
    buf.data[STATE] = QR_PERM_DENY;
    buf.data[ON] = 2;
    assert_int_equal(read_permission(&got), QR_CORRUPT);
    buf.data[ON] = QR_ON_TYPE;
    assert_int_equal(read_permission(&got), QR_OK);
    struct qr_err err = {0};
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(qri_body_decode_permission(buf.data, bytes, &got, &err), QR_CORRUPT);
}

static void test_a_policy_keeps_its_predicates(void **state)
{
    (void)state;
    struct qr_cat_predicate predicates[] = {
        {.predicate_id = 1, .target_id = 7, .function_id = 8, .text = qr_str("([s].[f]([a]))")},
        {.predicate_id = 3,
         .target_id = 7,
         .function_id = 9,
         .is_block = true,
         .operation = QR_POLICY_BEFORE_DELETE,
         .text = qr_str("([s].[g]())")},
    };
    struct qr_cat_object got, table = {.object_id = 7, .name = qr_str("t"), .owner_id = 5},
                              policy = {.object_id = 9,
                                        .name = qr_str("p"),
                                        .type = QR_CAT_POLICY,
                                        .is_schema_bound = true,
                                        .not_for_replication = true,
                                        .next_predicate_id = 4,
                                        .predicates = predicates,
                                        .predicate_count = 2};
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 2); /* a table is what earlier versions read */
    qr_buf_clear(&buf);
    qri_body_encode_object(&buf, &policy);
    assert_int_equal(buf.data[0], 3);
    assert_int_equal(read_object(buf.len, &got), QR_OK);
    assert_int_equal(got.predicate_count, 2);
    assert_int_equal(got.next_predicate_id, 4);
    assert_true(got.is_schema_bound && got.not_for_replication && !got.is_disabled);
    assert_false(got.predicates[0].is_block);
    assert_int_equal(got.predicates[0].target_id, 7);
    assert_int_equal(got.predicates[1].function_id, 9);
    assert_int_equal(got.predicates[1].operation, QR_POLICY_BEFORE_DELETE);
    assert_true(qr_str_eq(got.predicates[1].text, predicates[1].text));
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(read_object(bytes, &got), QR_CORRUPT);
    predicates[1].operation++; /* which there is none of */
    qr_buf_clear(&buf);
    qri_body_encode_object(&buf, &policy);
    assert_int_equal(read_object(buf.len, &got), QR_CORRUPT);
}

static void test_a_table_keeps_its_masks(void **state)
{
    (void)state;
    struct qr_cat_column columns[] = {
        {.column_id = 1, .name = qr_str("a"), .type = qr_type_of(QR_TYPE_INT)},
        {.column_id = 2,
         .name = qr_str("b"),
         .type = qr_type_of(QR_TYPE_INT),
         .mask = qr_str("random(1, 5)")},
    };
    struct qr_cat_object got, table = {.object_id = 7,
                                       .name = qr_str("t"),
                                       .owner_id = 5,
                                       .columns = columns,
                                       .column_count = 2};
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 4);
    assert_int_equal(read_object(buf.len, &got), QR_OK);
    assert_int_equal(got.columns[0].mask.n, 0);
    assert_true(qr_str_ieqz(got.columns[1].mask, "random(1, 5)"));
    assert_int_equal(got.owner_id, 5);
    for (size_t bytes = 0; bytes < buf.len; bytes++)
        assert_int_equal(read_object(bytes, &got), QR_CORRUPT);
    columns[1].mask.n = 0;
    qr_buf_clear(&buf);
    qri_body_encode_object(&buf, &table);
    assert_int_equal(buf.data[0], 2); /* what earlier versions read */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_principal_without_news_is_as_it_was),
        TEST(test_a_principal_keeps_how_he_is_known),
        TEST(test_a_permission_is_kept_by_its_code),
        TEST(test_a_policy_keeps_its_predicates),
        TEST(test_a_table_keeps_its_masks),
        TEST(test_a_table_keeps_its_period_and_history),
        TEST(test_statistics_stay_with_their_table),
        TEST(test_a_period_is_of_columns_that_can_be_one),
    };
    return cmocka_run_group_tests_name("engine/catalog_body", tests, NULL, NULL);
}
