/* test_ask.c - who may what, by rows, roles, columns and owners. */
#include "qr_test.h"
#include "perm/perm.h"
#include "base/banned.h"

enum { ANN = 5, BEN = 6, READERS = 7, STAFF = 8, TABLE = 100, SCHEMA = 20, OTHER_SCHEMA = 21 };

static struct qr_arena arena;
static const struct qr_perm_securable table = {.kind = QR_KIND_OBJECT,
                                               .id = TABLE,
                                               .owner_id = QR_PRINCIPAL_DBO,
                                               .schema_id = SCHEMA,
                                               .schema_owner_id = QR_PRINCIPAL_DBO};
static const struct qr_perm_securable database = {.kind = QR_KIND_DATABASE,
                                                  .owner_id = QR_PRINCIPAL_DBO};

static int setup(void **state)
{
    (void)state;
    qr_arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    qr_arena_done(&arena);
    return 0;
}

static struct qr_perm_row row(enum qr_perm_class on, uint32_t major, uint32_t minor,
                              uint32_t grantee, enum qr_perm perm, enum qr_perm_state what)
{
    return (struct qr_perm_row){.on = (uint8_t)on,
                                .state = (uint8_t)what,
                                .perm = (uint16_t)perm,
                                .major_id = major,
                                .minor_id = minor,
                                .grantee_id = grantee,
                                .grantor_id = QR_PRINCIPAL_DBO};
}

static const struct qr_perm_book *book_of(const struct qr_perm_row *rows, size_t count)
{
    struct qr_perm_book *book = NULL;
    struct qr_err err = {0};
    assert_int_equal(qr_perm_book_new(&arena, rows, count, &book, &err), QR_OK);
    return book;
}

static struct qr_perm_token token_in(uint32_t user, const struct qr_perm_member *members,
                                     size_t count)
{
    struct qr_perm_token token;
    struct qr_err err = {0};
    assert_int_equal(qr_perm_token_make(&arena, user, members, count, &token, &err), QR_OK);
    return token;
}

#define BOOK(...)                                                                                  \
    book_of((const struct qr_perm_row[]){__VA_ARGS__},                                             \
            sizeof((const struct qr_perm_row[]){__VA_ARGS__}) / sizeof(struct qr_perm_row))
#define TOKEN(user, ...)                                                                           \
    token_in(user, (const struct qr_perm_member[]){__VA_ARGS__},                                   \
             sizeof((const struct qr_perm_member[]){__VA_ARGS__}) / sizeof(struct qr_perm_member))
#define ALONE(user) token_in(user, NULL, 0)
#define GRANT(on, major, grantee, perm) row(on, major, 0, grantee, perm, QR_PERM_GRANT)
#define DENY(on, major, grantee, perm) row(on, major, 0, grantee, perm, QR_PERM_DENY)

static void test_nobody_may_what_no_row_says(void **state)
{
    (void)state;
    const struct qr_perm_book *none = book_of(NULL, 0);
    struct qr_perm_token ann = ALONE(ANN), dbo = ALONE(QR_PRINCIPAL_DBO);
    assert_int_equal(qr_perm_ask(none, &ann, &table, 0, QR_MAY_SELECT), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(none, &dbo, &table, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_false(qr_perm_sees(none, &ann, &table));
    assert_true(qr_perm_sees(none, &dbo, &table));
    assert_true(qr_perm_token_has(&dbo, QR_ROLE_OWNER));
    assert_false(qr_perm_token_has(&ann, QR_ROLE_OWNER));
    assert_true(qr_perm_token_has(&ann, QR_PRINCIPAL_PUBLIC));
}

static void test_rows_count_for_whom_and_what_they_name(void **state)
{
    (void)state;
    const struct qr_perm_book *book =
        BOOK(GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT),
             GRANT(QR_ON_SCHEMA, OTHER_SCHEMA, BEN, QR_MAY_SELECT),
             GRANT(QR_ON_TYPE, TABLE, BEN, QR_MAY_CONTROL), /* the same id, another class */
             GRANT(QR_ON_OBJECT, TABLE, QR_PRINCIPAL_PUBLIC, QR_MAY_INSERT));
    struct qr_perm_token ann = ALONE(ANN), ben = ALONE(BEN);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 3, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_UPDATE), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(book, &ben, &table, 0, QR_MAY_SELECT), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(book, &ben, &table, 0, QR_MAY_INSERT), QR_PERM_ALLOWED);
}

static void test_schema_and_database_imply_and_deny(void **state)
{
    (void)state;
    const struct qr_perm_book *book = BOOK(GRANT(QR_ON_SCHEMA, SCHEMA, ANN, QR_MAY_CONTROL),
                                           DENY(QR_ON_DATABASE, 0, ANN, QR_MAY_DELETE),
                                           DENY(QR_ON_OBJECT, TABLE, ANN, QR_MAY_ALTER),
                                           GRANT(QR_ON_DATABASE, 0, BEN, QR_MAY_SELECT),
                                           DENY(QR_ON_SCHEMA, SCHEMA, BEN, QR_MAY_SELECT));
    struct qr_perm_token ann = ALONE(ANN), ben = ALONE(BEN);
    struct qr_perm_securable elsewhere = table;
    elsewhere.id = TABLE + 1, elsewhere.schema_id = OTHER_SCHEMA;
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_UPDATE), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_DELETE), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_ALTER), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(book, &ben, &table, 0, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(book, &ben, &elsewhere, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &elsewhere, 0, QR_MAY_UPDATE), QR_PERM_NONE);
}

static void test_roles_of_roles_count_and_circles_end(void **state)
{
    (void)state;
    const struct qr_perm_book *book = BOOK(GRANT(QR_ON_OBJECT, TABLE, STAFF, QR_MAY_SELECT),
                                           DENY(QR_ON_OBJECT, TABLE, READERS, QR_MAY_UPDATE),
                                           GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_UPDATE));
    struct qr_perm_token ann = TOKEN(ANN, {READERS, ANN}, {STAFF, READERS}, {READERS, STAFF});
    assert_int_equal(ann.count, 4); /* public, Ann, both roles once */
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_UPDATE), QR_PERM_DENIED);
    struct qr_perm_token ben = TOKEN(BEN, {READERS, ANN}, {STAFF, READERS});
    assert_int_equal(qr_perm_ask(book, &ben, &table, 0, QR_MAY_SELECT), QR_PERM_NONE);
}

static void test_a_column_granted_wins_over_its_table_denied(void **state)
{
    (void)state;
    const struct qr_perm_book *book =
        BOOK(DENY(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT),
             row(QR_ON_OBJECT, TABLE, 2, ANN, QR_MAY_SELECT, QR_PERM_GRANT),
             GRANT(QR_ON_OBJECT, TABLE, BEN, QR_MAY_SELECT),
             row(QR_ON_OBJECT, TABLE, 1, BEN, QR_MAY_SELECT, QR_PERM_DENY));
    struct qr_perm_token ann = ALONE(ANN), ben = ALONE(BEN);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 2, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 1, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_true(qr_perm_any_column(book, &ann, &table, QR_MAY_SELECT));
    assert_false(qr_perm_any_column(book, &ann, &table, QR_MAY_UPDATE));
    assert_true(qr_perm_sees(book, &ann, &table));
    assert_int_equal(qr_perm_ask(book, &ben, &table, 1, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(book, &ben, &table, 2, QR_MAY_SELECT), QR_PERM_ALLOWED);
}

/* REVOKE of a column: it is out of that grant, and nothing is denied. */
static void test_a_column_can_be_out_of_a_grant(void **state)
{
    (void)state;
    const struct qr_perm_row out = row(QR_ON_OBJECT, TABLE, 2, ANN, QR_MAY_SELECT, QR_PERM_REVOKE);
    const struct qr_perm_row whole = GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT);
    struct qr_perm_row bens = whole;
    bens.grantor_id = BEN;
    const struct qr_perm_book *book = BOOK(out, whole);
    struct qr_perm_token ann = ALONE(ANN), reader = TOKEN(ANN, {READERS, ANN});
    assert_int_equal(qr_perm_ask(book, &ann, &table, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 1, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &table, 2, QR_MAY_SELECT), QR_PERM_NONE);
    assert_true(qr_perm_sees(book, &ann, &table));
    assert_int_equal(qr_perm_ask(BOOK(out, whole, bens), &ann, &table, 2, QR_MAY_SELECT),
                     QR_PERM_ALLOWED); /* another's grant */
    assert_int_equal(qr_perm_ask(BOOK(out, whole, GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_CONTROL)),
                                 &ann, &table, 2, QR_MAY_SELECT),
                     QR_PERM_ALLOWED); /* another permission that implies it */
    assert_int_equal(
        qr_perm_ask(BOOK(out, whole, GRANT(QR_ON_OBJECT, TABLE, READERS, QR_MAY_SELECT)), &reader,
                    &table, 2, QR_MAY_SELECT),
        QR_PERM_ALLOWED); /* a role's */
    assert_false(qr_perm_any_column(BOOK(out), &ann, &table, QR_MAY_SELECT));
    assert_false(qr_perm_sees(BOOK(out), &ann, &table));
}

/* A login's fixed roles of its server give like roles of the database, and DENY wins. */
static void test_roles_of_the_server_are_roles(void **state)
{
    (void)state;
    enum { STATE_READER = QR_ROLE_OF_SERVER + 5 };
    const struct qr_perm_book *none = book_of(NULL, 0);
    const struct qr_perm_book *denied =
        BOOK(DENY(QR_ON_DATABASE, 0, ANN, QR_MAY_VIEW_DATABASE_STATE));
    struct qr_perm_token ann = TOKEN(ANN, {STATE_READER, ANN}), ben = ALONE(BEN);
    const enum qr_perm part = QR_MAY_VIEW_DATABASE_PERFORMANCE_STATE;
    assert_int_equal(qr_perm_ask(none, &ann, &database, 0, part), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(none, &ben, &database, 0, part), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(none, &ann, &database, 0, QR_MAY_SELECT), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(denied, &ann, &database, 0, part), QR_PERM_DENIED);
}

static void test_a_column_granted_does_not_win_over_its_schema_or_another_denied(void **state)
{
    (void)state;
    const struct qr_perm_row column =
        row(QR_ON_OBJECT, TABLE, 2, ANN, QR_MAY_SELECT, QR_PERM_GRANT);
    const struct qr_perm_book *schema =
        BOOK(column, DENY(QR_ON_SCHEMA, SCHEMA, ANN, QR_MAY_SELECT));
    const struct qr_perm_book *both =
        BOOK(column, row(QR_ON_OBJECT, TABLE, 2, READERS, QR_MAY_SELECT, QR_PERM_DENY));
    struct qr_perm_token ann = TOKEN(ANN, {READERS, ANN});
    struct qr_perm_token never = TOKEN(ANN, {QR_ROLE_DENYDATAREADER, ANN});
    assert_int_equal(qr_perm_ask(schema, &ann, &table, 2, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(both, &ann, &table, 2, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_int_equal(qr_perm_ask(BOOK(column), &never, &table, 2, QR_MAY_SELECT), QR_PERM_DENIED);
    assert_false(qr_perm_any_column(schema, &ann, &table, QR_MAY_SELECT));
}

static void test_fixed_roles(void **state)
{
    (void)state;
    const struct qr_perm_book *none = book_of(NULL, 0);
    struct qr_perm_token reader = TOKEN(ANN, {QR_ROLE_DATAREADER, ANN});
    struct qr_perm_token ddl = TOKEN(ANN, {QR_ROLE_DDLADMIN, ANN});
    struct qr_perm_token owner = TOKEN(ANN, {QR_ROLE_OWNER, ANN});
    struct qr_perm_token nested = TOKEN(ANN, {STAFF, ANN}, {QR_ROLE_DATAWRITER, STAFF});
    assert_int_equal(qr_perm_ask(none, &reader, &table, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(none, &reader, &table, 0, QR_MAY_INSERT), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(none, &nested, &table, 0, QR_MAY_DELETE), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(none, &ddl, &table, 0, QR_MAY_ALTER), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(none, &ddl, &table, 0, QR_MAY_SELECT), QR_PERM_NONE);
    assert_int_equal(qr_perm_ask(none, &ddl, &database, 0, QR_MAY_CREATE_TABLE), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(none, &owner, &database, 0, QR_MAY_CREATE_USER), QR_PERM_ALLOWED);
    const struct qr_perm_book *denied = BOOK(DENY(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT));
    assert_int_equal(qr_perm_ask(denied, &owner, &table, 0, QR_MAY_SELECT), QR_PERM_DENIED);
}

static void test_owners_have_all_of_what_is_theirs(void **state)
{
    (void)state;
    const struct qr_perm_book *book = BOOK(DENY(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT));
    struct qr_perm_token ann = TOKEN(ANN, {STAFF, ANN});
    struct qr_perm_securable own = table, schema = table, role = table, everyone = table;
    own.owner_id = ANN;
    schema.schema_owner_id = ANN;
    role.owner_id = STAFF;
    everyone.owner_id = QR_PRINCIPAL_PUBLIC; /* nobody's, not everybody's */
    assert_int_equal(qr_perm_ask(book, &ann, &own, 0, QR_MAY_SELECT), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &schema, 0, QR_MAY_CONTROL), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &role, 0, QR_MAY_ALTER), QR_PERM_ALLOWED);
    assert_int_equal(qr_perm_ask(book, &ann, &everyone, 0, QR_MAY_ALTER), QR_PERM_NONE);
    assert_true(qr_perm_may_grant(book, &ann, &own, 0, QR_MAY_SELECT));
}

static void test_who_may_give_it_on(void **state)
{
    (void)state;
    const struct qr_perm_book *book =
        BOOK(row(QR_ON_OBJECT, TABLE, 0, ANN, QR_MAY_SELECT, QR_PERM_GRANT_OPTION),
             GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_INSERT),
             row(QR_ON_OBJECT, TABLE, 2, ANN, QR_MAY_UPDATE, QR_PERM_GRANT_OPTION),
             row(QR_ON_DATABASE, 0, 0, BEN, QR_MAY_EXECUTE, QR_PERM_GRANT_OPTION),
             GRANT(QR_ON_SCHEMA, SCHEMA, BEN, QR_MAY_CONTROL),
             row(QR_ON_OBJECT, TABLE, 0, STAFF, QR_MAY_DELETE, QR_PERM_GRANT_OPTION),
             DENY(QR_ON_SCHEMA, SCHEMA, READERS, QR_MAY_DELETE));
    struct qr_perm_token ann = ALONE(ANN), ben = ALONE(BEN);
    struct qr_perm_token both = TOKEN(9, {STAFF, 9}, {READERS, 9});
    assert_true(qr_perm_may_grant(book, &ann, &table, 0, QR_MAY_SELECT));
    assert_true(qr_perm_may_grant(book, &ann, &table, 1, QR_MAY_SELECT));
    assert_false(qr_perm_may_grant(book, &ann, &table, 0, QR_MAY_INSERT));
    assert_true(qr_perm_may_grant(book, &ann, &table, 2, QR_MAY_UPDATE));
    assert_false(qr_perm_may_grant(book, &ann, &table, 0, QR_MAY_UPDATE));
    assert_true(qr_perm_may_grant(book, &ben, &table, 0, QR_MAY_DELETE));
    assert_false(qr_perm_may_grant(book, &ben, &database, 0, QR_MAY_SELECT));
    assert_true(qr_perm_may_grant(book, &ben, &database, 0, QR_MAY_EXECUTE));
    assert_false(qr_perm_may_grant(book, &both, &table, 0, QR_MAY_DELETE));
    struct qr_perm_token security = TOKEN(9, {QR_ROLE_SECURITYADMIN, 9});
    assert_true(qr_perm_may_grant(book, &security, &table, 0, QR_MAY_SELECT));
    const struct qr_perm_securable user = {
        .kind = QR_KIND_USER, .id = QR_PRINCIPAL_DBO, .owner_id = QR_PRINCIPAL_DBO};
    assert_false(qr_perm_may_grant(book, &security, &user, 0, QR_MAY_IMPERSONATE));
    assert_int_equal(qr_perm_ask(book, &security, &table, 0, QR_MAY_SELECT), QR_PERM_NONE);
}

static void test_metadata_is_hidden_from_whom_it_is_denied(void **state)
{
    (void)state;
    const struct qr_perm_book *book = BOOK(GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT),
                                           DENY(QR_ON_OBJECT, TABLE, ANN, QR_MAY_VIEW_DEFINITION),
                                           GRANT(QR_ON_DATABASE, 0, BEN, QR_MAY_VIEW_DEFINITION));
    struct qr_perm_token ann = ALONE(ANN), ben = ALONE(BEN);
    assert_false(qr_perm_sees(book, &ann, &table));
    assert_true(qr_perm_sees(book, &ben, &table));
}

static void test_the_book_shows_its_rows_in_order(void **state)
{
    (void)state;
    size_t count = 0;
    const struct qr_perm_row *rows =
        qr_perm_book_rows(BOOK(row(QR_ON_OBJECT, TABLE, 2, ANN, QR_MAY_SELECT, QR_PERM_GRANT),
                               GRANT(QR_ON_OBJECT, TABLE, BEN, QR_MAY_SELECT),
                               GRANT(QR_ON_DATABASE, 0, BEN, QR_MAY_CONNECT),
                               GRANT(QR_ON_OBJECT, TABLE, ANN, QR_MAY_SELECT)),
                          &count);
    assert_int_equal(count, 4);
    assert_int_equal(rows[0].on, QR_ON_DATABASE);
    assert_int_equal(rows[1].grantee_id, ANN);
    assert_int_equal(rows[2].grantee_id, BEN);
    assert_int_equal(rows[3].minor_id, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_may_what_no_row_says),
        cmocka_unit_test(test_rows_count_for_whom_and_what_they_name),
        cmocka_unit_test(test_schema_and_database_imply_and_deny),
        cmocka_unit_test(test_roles_of_roles_count_and_circles_end),
        cmocka_unit_test(test_a_column_granted_wins_over_its_table_denied),
        cmocka_unit_test(test_a_column_can_be_out_of_a_grant),
        cmocka_unit_test(test_roles_of_the_server_are_roles),
        cmocka_unit_test(test_a_column_granted_does_not_win_over_its_schema_or_another_denied),
        cmocka_unit_test(test_fixed_roles),
        cmocka_unit_test(test_owners_have_all_of_what_is_theirs),
        cmocka_unit_test(test_who_may_give_it_on),
        cmocka_unit_test(test_metadata_is_hidden_from_whom_it_is_denied),
        cmocka_unit_test(test_the_book_shows_its_rows_in_order),
    };
    return cmocka_run_group_tests_name("perm/ask", tests, setup, teardown);
}
