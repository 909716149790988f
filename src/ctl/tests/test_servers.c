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

static void append_login(void *arg, const struct qr_login_row *row)
{
    qr_buf_printf(arg, "%u/%u %s:%s%s ", row->server, row->id, row->name, row->hash,
                  row->is_disabled ? "!" : "");
}

static enum qr_status add_login(struct fixture *f, uint32_t server, const char *name, uint8_t sid)
{
    struct qr_login_row row = {.server = server, .sid = {1, 6, sid}, .sid_bytes = 3};
    (void)snprintf(row.name, sizeof row.name, "%s", name);
    (void)snprintf(row.hash, sizeof row.hash, "$%u", sid);
    struct qr_err err = {0};
    enum qr_status status = qr_registry_add_login(f->registry, &row, &err);
    return err.number == 15433 ? QR_SQL : status;
}

static void test_logins_are_their_servers(void **state)
{
    struct fixture *f = *state;
    struct qr_login_row row;
    struct qr_buf all;
    uint32_t number;
    qr_buf_init(&all, 1000);
    open_registry(f);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("one"), qr_str("boss"),
                                             qr_str("$1"), NULL, &number, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("two"), qr_str("boss"),
                                             qr_str("$2"), NULL, &number, NULL),
                     QR_OK);
    assert_int_equal(add_login(f, 0, "Alice", 1), QR_OK);
    assert_int_equal(add_login(f, 0, "ALICE", 2), QR_EXISTS);
    assert_int_equal(add_login(f, 0, "bob", 1), QR_SQL);
    assert_int_equal(add_login(f, 0, "", 3), QR_INVALID);
    assert_int_equal(add_login(f, 0, "bob", 3), QR_OK);
    assert_int_equal(add_login(f, 1, "alice", 1), QR_OK); /* the same SID on another server */
    assert_int_equal(qr_registry_find_login(f->registry, 0, qr_str("aLICE"), &row, NULL), QR_OK);
    assert_memory_equal(row.sid, "\1\6\1", 3);
    assert_int_equal(row.roles, 0);
    row.is_disabled = true;
    row.roles = 5;
    (void)snprintf(row.name, sizeof row.name, "BOB");
    assert_int_equal(qr_registry_put_login(f->registry, qr_str("alice"), &row, NULL), QR_EXISTS);
    (void)snprintf(row.name, sizeof row.name, "eve");
    assert_int_equal(qr_registry_put_login(f->registry, qr_str("alice"), &row, NULL), QR_OK);
    reopen(f);
    open_registry(f);
    assert_int_equal(qr_registry_each_login(f->registry, QR_SERVER_ANY, append_login, &all, NULL),
                     QR_OK);
    assert_string_equal(qr_buf_cstr(&all), "0/3 bob:$3 0/2 eve:$1! 1/2 alice:$1 ");
    assert_int_equal(qr_registry_find_login(f->registry, 0, qr_str("eve"), &row, NULL), QR_OK);
    assert_int_equal(row.roles, 5);
    assert_int_equal(qr_registry_remove_login(f->registry, 0, qr_str("EVE"), NULL), QR_OK);
    assert_int_equal(qr_registry_remove_login(f->registry, 0, qr_str("eve"), NULL), QR_NOT_FOUND);
    assert_int_equal(qr_registry_remove_server(f->registry, 1, NULL, NULL), QR_OK);
    qr_buf_clear(&all);
    assert_int_equal(qr_registry_each_login(f->registry, QR_SERVER_ANY, append_login, &all, NULL),
                     QR_OK);
    assert_string_equal(qr_buf_cstr(&all), "0/3 bob:$3 ");
    qr_buf_done(&all);
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
    assert_string_equal(row.owner, ""); /* the administrator */
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

static void assert_owner(struct fixture *f, const char *name, const char *want)
{
    struct qr_database_row row;
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    assert_string_equal(row.owner, want);
}

/* What reads or follows a database is its owner's, too. */
static void test_databases_have_owners(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row, primary;
    uint8_t sid[QR_LOGIN_SID_BYTES_MAX];
    struct qr_str ann = qr_str("0100ff"), ben = qr_str("62656e");
    struct qr_database_wish wish = {.objective = qr_str("HS_Gen5_2"), .owner = ann};
    open_served(f);
    assert_int_equal(
        qr_registry_add_database(f->registry, 0, qr_str("shop"), &wish, &primary, NULL), QR_OK);
    assert_int_equal(qr_owner_sid(primary.owner, sid), 3);
    assert_memory_equal(sid, "\1\0\377", 3);
    wish = (struct qr_database_wish){.objective = qr_str("HS_Gen5_2"), .replica_of = &primary};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("read"), &wish, &row, NULL),
                     QR_OK);
    wish = (struct qr_database_wish){0};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("other"), &wish, &row, NULL),
                     QR_OK);
    assert_owner(f, "read", "0100ff");
    assert_owner(f, "other", "");
    assert_true(qr_registry_owns_any(f->registry, 0, ann));
    assert_false(qr_registry_owns_any(f->registry, 1, ann));
    assert_false(qr_registry_owns_any(f->registry, 0, qr_str("")));
    assert_int_equal(qr_registry_set_owner(f->registry, primary.id, ben, NULL), QR_OK);
    assert_int_equal(qr_registry_set_owner(f->registry, primary.id, qr_str("6"), NULL), QR_INVALID);
    assert_int_equal(qr_registry_set_owner(f->registry, primary.id, qr_str("6x"), NULL),
                     QR_INVALID);
    assert_int_equal(qr_registry_set_owner(f->registry, 99, ben, NULL), QR_NOT_FOUND);
    reopen(f);
    open_registry(f);
    assert_owner(f, "shop", "62656e");
    assert_owner(f, "read", "62656e");
    assert_owner(f, "other", "");
    assert_false(qr_registry_owns_any(f->registry, 0, ann));
    assert_int_equal(qr_registry_set_owner(f->registry, primary.id, qr_str(""), NULL), QR_OK);
    assert_owner(f, "read", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_logins_are_their_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_databases_have_owners, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_server_has_its_own_names_ids_and_login, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_of_one_server_is_that_of_the_first, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("ctl/servers", tests, NULL, NULL);
}
