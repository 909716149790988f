/* Goal: logical servers share the registry and nothing else. */
#include "registry_bed.h"

static void test_each_server_has_its_own_names_ids_and_login(void **state)
{
    struct fixture *f = *state;
    struct qr_database_wish wish = {0};
    struct qr_database_row row;
    struct qr_server_row server;
    char hash[QR_HASH_BYTES_MAX + 1];
    bool is_admin = false;
    uint32_t number = 0;
    open_served(f);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("Two"), qr_str("boss"),
                                             qr_str("$2"), NULL, &number, NULL),
                     QR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("tWO"), qr_str("boss"),
                                             qr_str("$2"), NULL, &number, NULL),
                     QR_EXISTS);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(
            qr_registry_add_database(f->registry, i, qr_str("master"), &wish, &row, NULL), QR_OK);
        assert_int_equal(qr_number_of(row.id), QR_MASTER_ID);
        assert_int_equal(qr_registry_add_database(f->registry, i, qr_str("db"), &wish, &row, NULL),
                         QR_OK);
        assert_int_equal(row.id, qr_database_id(i, 5));
    }
    assert_int_equal(qr_registry_add_database(f->registry, 2, qr_str("db"), &wish, &row, NULL),
                     QR_NOT_FOUND);
    reopen(f);
    open_registry(f);
    assert_int_equal(qr_registry_find_server(f->registry, qr_str("two"), &server), QR_OK);
    assert_string_equal(server.admin_login, "boss");
    assert_int_equal(qr_registry_login_hash(f->registry, 0, qr_str("boss"), hash, &is_admin, NULL),
                     QR_NOT_FOUND);
    assert_int_equal(qr_registry_login_hash(f->registry, 1, qr_str("boss"), hash, &is_admin, NULL),
                     QR_OK);
    assert_string_equal(hash, "$2");
    assert_int_equal(qr_registry_find_database(f->registry, 1, qr_str("DB"), &row), QR_OK);
    assert_string_equal(row.server, "Two");
    assert_int_equal(qr_registry_add_database(f->registry, 1, qr_str("db2"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.id, qr_database_id(1, 6));
    assert_int_equal(qr_registry_remove_server(f->registry, 0, NULL, NULL), QR_CONFLICT);
    assert_int_equal(qr_registry_remove_server(f->registry, 1, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_id(f->registry, row.id, &row), QR_OK);
    assert_string_equal(row.server, ""); /* it is still to be purged */
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("two"), qr_str("boss"),
                                             qr_str("$2"), NULL, &number, NULL),
                     QR_OK);
    assert_int_equal(number, 2); /* a number is not soon used again */
    assert_int_equal(qr_registry_find_database(f->registry, 2, qr_str("db"), &row), QR_NOT_FOUND);
}

static void test_a_directory_of_one_server_is_that_of_the_first(void **state)
{
    static const char row_text[] =
        "{\"id\":7,\"name\":\"old\",\"state\":\"online\",\"edition\":\"GeneralPurpose\","
        "\"objective\":"
        "\"GP_Gen5_2\",\"collation\":\"c\",\"timeline\":\"00112233-4455-6677-8899-aabbccddeeff\","
        "\"createTicks\":1,\"maxBytes\":34359738368,\"guid\":\"10112233-4455-6677-8899-"
        "aabbccddeeff\"}";
    static const char server_text[] =
        "{\"name\":\"only\",\"adminLogin\":\"boss\",\"adminHash\":\"$h\"}";
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {0};
    uint32_t number = 0;
    bool applied = false;
    struct qr_meta_op ops[] = {
        {.key = qr_str("server"), .value = qr_str(server_text)},
        {.key = qr_str("next_database_id"), .value = qr_str("{\"id\":8}")},
        {.key = qr_str("database/00000007"), .value = qr_str(row_text)},
        {.key = qr_str("format"), .value = qr_str("{\"version\":2}")},
    };
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 4, &applied, NULL, NULL), QR_OK);
    open_registry(f);
    assert_value(f, "format", "{\"version\":3}", 2);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("old"), &row), QR_OK);
    assert_int_equal(row.id, 7);
    assert_string_equal(row.server, "only");
    assert_string_equal(row.guid, "10112233-4455-6677-8899-aabbccddeeff");
    assert_string_equal(qr_registry_first_login(f->registry), "boss");
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("new"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.id, 8);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("two"), qr_str("boss"),
                                             qr_str("$2"), NULL, &number, NULL),
                     QR_OK);
    assert_int_equal(number, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_server_has_its_own_names_ids_and_login, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_of_one_server_is_that_of_the_first, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("ctl/servers", tests, NULL, NULL);
}
