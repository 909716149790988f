/* Goal: elastic pools are as the table of their sizes allows, hold what fits them, and take their
 * databases' place in the server's quota. */
#include "registry_bed.h"
#include "ctl/pool.h"

static enum qr_status put(struct fixture *f, const char *name, const char *size, bool is_new,
                          int *ret_number)
{
    struct qr_pool_wish wish = {.name = qr_str(name), .size = qr_str(size)};
    struct qr_pool_row row;
    struct qr_err err = {0};
    enum qr_status status = qr_registry_put_pool(f->registry, 0, &wish, is_new, false, &row, &err);
    if (ret_number != NULL)
        *ret_number = status == QR_SQL ? err.number : 0;
    return status;
}

static enum qr_status add(struct fixture *f, const char *name, const struct qr_database_wish *wish,
                          struct qr_database_row *row, int *ret_number)
{
    struct qr_err err = {0};
    enum qr_status status = qr_registry_add_database(f->registry, 0, qr_str(name), wish, row, &err);
    *ret_number = status == QR_SQL ? err.number : 0;
    return status;
}

static void test_a_pool_is_as_the_table_allows(void **state)
{
    static const struct {
        const char *size;
        uint64_t gigabytes;
        double min, max; /* of a database; -1: not said */
        enum qr_status want;
        int number;
    } rows[] = {
        {"", 0, -1, -1, QR_OK, 0},
        {"GP_Gen5_4", 100, 0.25, 0.5, QR_OK, 0},
        {"gp_gen5_4", 757, -1, -1, QR_SQL, 40875},
        {"GP_Gen5_3", 0, -1, -1, QR_INVALID, 0},
        {"HS_Gen5_4", 0, -1, -1, QR_INVALID, 0},
        {"GP_Gen5_4", 0, -1, 5, QR_INVALID, 0},
        {"GP_Gen5_4", 0, -1, 0, QR_INVALID, 0},
        {"GP_Gen5_4", 0, 2, 1, QR_INVALID, 0},
        {"GP_Gen5_4", 0, 0.3, -1, QR_INVALID, 0},
        {"BC_M_8", 0, 8, 8, QR_OK, 0}, /* a range: any whole number */
        {"BC_M_8", 0, 0, 9, QR_INVALID, 0},
        {"BasicPool_50", 0, 5, 5, QR_OK, 0},
        {"StandardPool_100", 250, 10, 50, QR_OK, 0},
        {"StandardPool_100", 300, -1, -1, QR_SQL, 40866},
        {"StandardPool_100", 1024, -1, -1, QR_SQL, 40875},
        {"StandardPool_0", 0, -1, -1, QR_SQL, 40872},
        {"StandardPool_49", 0, -1, -1, QR_SQL, 40864},
        {"StandardPool_3001", 0, -1, -1, QR_SQL, 40865},
        {"StandardPool_60", 0, -1, -1, QR_SQL, 40874},
        {"PremiumPool_125", 0, -1, 24, QR_SQL, 40867},
        {"PremiumPool_125", 0, -1, 250, QR_SQL, 40868},
        {"PremiumPool_125", 0, -1, 60, QR_SQL, 40869},
        {"PremiumPool_125", 0, 250, -1, QR_SQL, 40870},
        {"PremiumPool_125", 0, 26, -1, QR_SQL, 40871},
        {"PremiumPool_125", 0, 75, 50, QR_SQL, 40891},
    };
    struct fixture *f = *state;
    open_served(f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_pool_wish wish = {
            .name = qr_str("p"),
            .size = qr_str(rows[i].size),
            .max_bytes = rows[i].gigabytes << 30,
            .min_pct = rows[i].min < 0 ? 0 : (uint32_t)(rows[i].min * 100) + 1,
            .max_pct = rows[i].max < 0 ? 0 : (uint32_t)(rows[i].max * 100) + 1};
        struct qr_pool_row row;
        struct qr_err err = {0};
        assert_int_equal(qr_registry_put_pool(f->registry, 0, &wish, true, true, &row, &err),
                         rows[i].want);
        assert_int_equal(rows[i].want == QR_SQL ? err.number : 0, rows[i].number);
    }
    struct qr_pool_row row;
    assert_int_equal(qr_registry_find_pool(f->registry, 0, qr_str("p"), &row), QR_NOT_FOUND);
}

static void test_defaults_are_azures_and_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    struct qr_pool_row row;
    struct qr_pool_wish grow = {
        .name = qr_str("GENERAL"), .size = qr_str("GP_Gen5_8"), .tags = qr_str("{\"a\":\"b\"}")};
    open_served(f);
    assert_int_equal(put(f, "General", "", true, NULL), QR_OK);
    assert_int_equal(put(f, "standard", "StandardPool_100", true, NULL), QR_OK);
    assert_int_equal(put(f, "general", "", true, NULL), QR_SQL); /* 40858 */
    assert_int_equal(qr_registry_put_pool(f->registry, 0, &grow, false, false, &row, NULL), QR_OK);
    qr_registry_close(f->registry);
    open_served(f);
    assert_int_equal(qr_registry_find_pool(f->registry, 0, qr_str("general"), &row), QR_OK);
    assert_string_equal(row.name, "General");
    assert_string_equal(row.size, "GP_Gen5_8");
    assert_string_equal(row.tags, "{\"a\":\"b\"}");
    assert_int_equal(row.max_bytes, UINT64_C(32) << 30);
    assert_int_equal(row.max_pct, 800); /* it followed the size */
    assert_int_equal(row.license, QR_LICENSE_INCLUDED);
    assert_true(qr_registry_pool_after(f->registry, 0, row.number, &row));
    assert_string_equal(row.name, "standard");
    assert_int_equal(row.max_bytes, UINT64_C(100) << 30);
    assert_int_equal(row.max_pct, 10000);
    assert_false(qr_registry_pool_after(f->registry, 0, row.number, &row));
    int number = 0;
    assert_int_equal(put(f, "General", "BC_Gen5_4", false, &number), QR_SQL);
    assert_int_equal(number, 40900);
    assert_int_equal(put(f, "none", "", false, &number), QR_SQL);
    assert_int_equal(number, 40857);
}

static void test_a_database_goes_in_and_out(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish pooled = {.pool = qr_str("P")};
    int number = 0;
    open_served(f);
    assert_int_equal(put(f, "p", "BC_Gen5_4", true, NULL), QR_OK);
    assert_int_equal(put(f, "q", "GP_Gen5_2", true, NULL), QR_OK);
    assert_int_equal(add(f, "d", &pooled, &row, &number), QR_OK);
    assert_string_equal(row.objective, "ElasticPool");
    assert_string_equal(row.edition, "BusinessCritical");
    assert_string_equal(row.pool, "p");
    assert_string_equal(qr_registry_limits(f->registry, &row)->name, "BC_Gen5_4");
    assert_int_equal(qr_registry_remove_pool(f->registry, 0, qr_str("p"), false, NULL), QR_SQL);
    struct qr_database_wish larger = {.max_bytes = UINT64_C(1024) << 30}, out = {0}, other = {0};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("d"), &larger, &row, NULL),
                     QR_OK);
    assert_string_equal(row.pool, "p"); /* it stays there */
    struct qr_database_wish too_large = {.max_bytes = UINT64_C(1025) << 30};
    assert_int_equal(
        qr_registry_alter_database(f->registry, 0, qr_str("d"), &too_large, &row, NULL), QR_SQL);
    out.objective = qr_str("BC_Gen5_2");
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("d"), &out, &row, NULL),
                     QR_OK);
    assert_string_equal(row.pool, "");
    assert_string_equal(row.objective, "BC_Gen5_2");
    other.pool = qr_str("q");
    other.max_bytes = UINT64_C(2) << 30;
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("d"), &other, &row, NULL),
                     QR_OK);
    assert_string_equal(row.edition, "GeneralPurpose");
    assert_string_equal(row.pool, "q");
    qr_registry_close(f->registry);
    open_served(f);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("d"), &row), QR_OK);
    assert_string_equal(row.pool, "q");
    assert_int_equal(qr_registry_remove_pool(f->registry, 0, qr_str("p"), false, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_DROPPED, NULL), QR_OK);
    assert_int_equal(qr_registry_remove_pool(f->registry, 0, qr_str("q"), false, NULL), QR_OK);
    assert_int_equal(qr_registry_remove_pool(f->registry, 0, qr_str("q"), false, NULL),
                     QR_NOT_FOUND);
}

static void test_what_does_not_go_together_is_refused(void **state)
{
    static const struct {
        const char *pool, *edition, *objective;
        int want;
    } rows[] = {
        {"nope", "", "", 40857},        {"p", "", "GP_Gen5_2", 40860},
        {"p", "Standard", "", 40861},   {"p", "Hyperscale", "", 40859},
        {"", "", "ElasticPool", 40862}, {"p", "GeneralPurpose", "elasticpool", 0},
    };
    struct fixture *f = *state;
    open_served(f);
    assert_int_equal(put(f, "p", "GP_Gen5_2", true, NULL), QR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_database_wish wish = {.pool = qr_str(rows[i].pool),
                                        .edition = qr_str(rows[i].edition),
                                        .objective = qr_str(rows[i].objective)};
        struct qr_database_row row;
        int number = 0;
        (void)!add(f, "d", &wish, &row, &number);
        assert_int_equal(number, rows[i].want);
    }
}

static void test_a_pool_has_bounds(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_pool_row pool;
    struct qr_database_wish pooled = {.pool = qr_str("p")}, wide = {.pool = qr_str("wide")};
    int number = 0;
    open_served(f);
    struct qr_pool_wish wish = {
        .name = qr_str("p"), .size = qr_str("GP_Gen5_2"), .min_pct = 50 + 1};
    assert_int_equal(qr_registry_put_pool(f->registry, 0, &wish, true, false, &pool, NULL), QR_OK);
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%d", i);
        assert_int_equal(add(f, name, &pooled, &row, &number), QR_OK);
    }
    assert_int_equal(add(f, "d4", &pooled, &row, &number), QR_INVALID); /* 5 x 0.5 > 2 */
    wish.min_pct = 100 + 1;
    assert_int_equal(qr_registry_put_pool(f->registry, 0, &wish, false, false, &pool, NULL),
                     QR_INVALID);
    struct qr_pool_wish of_dtu = {
        .name = qr_str("dtu"), .size = qr_str("BasicPool_50"), .min_pct = 500 + 1};
    assert_int_equal(qr_registry_put_pool(f->registry, 0, &of_dtu, true, false, &pool, NULL),
                     QR_OK);
    struct qr_database_wish in_dtu = {.pool = qr_str("dtu")};
    for (int i = 0; i < 11; i++) {
        char name[8];
        snprintf(name, sizeof name, "b%d", i);
        enum qr_status status = add(f, name, &in_dtu, &row, &number);
        assert_int_equal(status, i < 10 ? QR_OK : QR_SQL);
        assert_int_equal(number, i < 10 ? 0 : 40873);
    }
    assert_int_equal(put(f, "wide", "BC_Gen5_4", true, NULL), QR_OK);
    for (int i = 0; i < 51; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        enum qr_status status = add(f, name, &wide, &row, &number);
        assert_int_equal(status, i < 50 ? QR_OK : QR_SQL);
        assert_int_equal(number, i < 50 ? 0 : 40881);
    }
}

static void test_a_pool_counts_in_the_servers_quota_and_its_databases_do_not(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish pooled = {.pool = qr_str("p0")},
                            alone = {.objective = qr_str("GP_Gen5_80")};
    int number = 0;
    open_served(f);
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(put(f, name, "GP_Gen5_80", true, &number), QR_OK);
    }
    assert_int_equal(put(f, "p6", "GP_Gen5_80", true, &number), QR_SQL);
    assert_int_equal(number, 40904);
    assert_int_equal(add(f, "alone", &alone, &row, &number), QR_SQL);
    assert_int_equal(number, 40904);
    for (int i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%d", i);
        assert_int_equal(add(f, name, &pooled, &row, &number), QR_OK);
    }
    assert_int_equal(put(f, "p5", "GP_Gen5_2", false, &number), QR_OK);
    assert_int_equal(put(f, "p5", "GP_Gen5_80", false, &number), QR_OK);
}

static void test_a_pool_does_not_shrink_below_its_databases(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish large = {.pool = qr_str("p"), .max_bytes = UINT64_C(600) << 30};
    int number = 0;
    open_served(f);
    assert_int_equal(put(f, "p", "GP_Gen5_4", true, NULL), QR_OK);
    assert_int_equal(add(f, "d", &large, &row, &number), QR_OK);
    assert_int_equal(put(f, "p", "GP_Gen5_2", false, &number), QR_SQL);
    assert_int_equal(number, 40889);
    assert_int_equal(put(f, "p", "GP_Gen5_6", false, &number), QR_OK);
}

static void test_pools_go_with_their_server(void **state)
{
    struct fixture *f = *state;
    struct qr_pool_wish wish = {.name = qr_str("p")};
    struct qr_pool_row row;
    uint32_t server = 0;
    open_served(f);
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("two"), qr_str("boss"),
                                             qr_str("$2"), NULL, &server, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_put_pool(f->registry, server, &wish, true, false, &row, NULL),
                     QR_OK);
    assert_int_equal(put(f, "p", "", true, NULL), QR_OK); /* of the first server */
    assert_int_equal(qr_registry_remove_server(f->registry, server, NULL, NULL), QR_OK);
    assert_int_equal(qr_registry_find_pool(f->registry, server, qr_str("p"), &row), QR_NOT_FOUND);
    assert_int_equal(qr_registry_find_pool(f->registry, 0, qr_str("p"), &row), QR_OK);
    assert_int_equal(qr_registry_put_pool(f->registry, server, &wish, true, false, &row, NULL),
                     QR_NOT_FOUND);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_pool_is_as_the_table_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults_are_azures_and_survive_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_database_goes_in_and_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_go_together_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pool_has_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_pool_counts_in_the_servers_quota_and_its_databases_do_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pool_does_not_shrink_below_its_databases, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pools_go_with_their_server, setup, teardown),
    };
    return cmocka_run_group_tests_name("ctl/pools", tests, NULL, NULL);
}
