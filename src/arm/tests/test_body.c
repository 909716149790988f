/* Goal: what clients write is read as they mean it, and nothing else. Method: tables of texts; the
 * bodies are those that `az sql db update` sends for the commands of the article about managing
 * Hyperscale databases. */
#include "qr_test.h"
#include "../router_int.h"
#include "arm_world.h"

static const struct qri_place place = {.group = "myResourceGroup",
                                       .group_location = "eastus",
                                       .server = "server01",
                                       .location = "eastus",
                                       .server_id = "/subscriptions/x"};

/* ---- paths, queries, forms ---- */

static void test_paths_are_cut_and_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *last;
        size_t count;
        bool good;
    } rows[] = {
        {"/", "", 0, true},
        {"//a///b/", "b", 2, true},
        {"/a%2Fb", "a/b", 1, true},
        {"/a%3bb", "a;b", 1, true},
        {"/a+b", "a+b", 1, true},
        {"/%", "", 0, false},
        {"/%4", "", 0, false},
        {"/%zz", "", 0, false},
        {"/%00", "", 0, false},
        {"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y", "", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_arena arena;
        struct qri_path path;
        qr_arena_init(&arena, 1 << 20);
        bool good = qri_path_parse(&arena, qr_str(rows[i].raw), &path);
        if (good != rows[i].good || (good && path.count != rows[i].count) ||
            (good && path.count > 0 &&
             !qr_str_eq(path.segments[path.count - 1], qr_str(rows[i].last))))
            fail_msg("%s", rows[i].raw);
        qr_arena_done(&arena);
    }
}

static void test_forms_give_the_first_of_a_name(void **state)
{
    (void)state;
    struct qr_arena arena;
    struct qr_str value;
    struct qr_str form = qr_str("a=1&b=x+y%21&A=2&c&d=%zz");
    qr_arena_init(&arena, 1 << 20);
    assert_true(qri_form_get(&arena, form, "a", &value) && qr_str_eq(value, qr_str("1")));
    assert_true(qri_form_get(&arena, form, "b", &value) && qr_str_eq(value, qr_str("x y!")));
    assert_false(qri_form_get(&arena, form, "c", &value));
    assert_false(qri_form_get(&arena, form, "d", &value));
    assert_false(qri_form_get(&arena, form, "e", &value));
    qr_arena_done(&arena);
    assert_true(qri_is_api_version(qr_str("2022-08-01-preview")));
    assert_false(qri_is_api_version(qr_str("2022-08-01-x")));
    assert_false(qri_is_api_version(qr_str("2022-8-1")));
}

/* Each row's own path, with a word for each {}, leads to that row. */
static void test_every_route_can_be_reached(void **state)
{
    (void)state;
    for (size_t t = 0; t < qri_route_table_count(); t++)
        for (const struct qri_route *route = qri_route_table(t); route->pattern != NULL; route++) {
            struct world w;
            struct qri_request r;
            bool other = false;
            world_init(&w);
            world_request(&w, &r);
            r.method = route->method;
            assert_true(qri_path_parse(&r.arena, qr_str(route->pattern), &r.path));
            if (!qri_route_find(&r, &other) || r.route != route)
                fail_msg("%s", route->pattern);
            assert_true(route->right != QRI_ANYBODY || !route->is_arm);
            world_free(&r);
        }
}

static void test_times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T12:34:56.789Z", 1709210096789000000},
        {"2024-02-29T14:34:56.789+02:00", 1709210096789000000},
        {"2024-02-29T12:34:56.1234567Z", 1709210096123456700},
        {"2024-13-01T00:00:00Z", -1},
        {"2024-01-01", -1},
        {"2024-01-01T00:00:00.Z", -1},
        {"2024-01-01T00:00:00Zx", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        bool good = qri_time_parse(qr_str(rows[i].text), &ns);
        if (good != (rows[i].ns >= 0) || (good && ns != rows[i].ns))
            fail_msg("%s: %lld", rows[i].text, (long long)ns);
    }
    struct qr_str name;
    int64_t ns;
    assert_true(qri_dropped_name_parse(qr_str("a,b,134397240967117120"), &name, &ns));
    assert_true(qr_str_eq(name, qr_str("a,b")) && ns == 1795250496711712000);
    assert_false(qri_dropped_name_parse(qr_str("a,1"), &name, &ns));
    assert_false(qri_dropped_name_parse(qr_str(",134397240967117120"), &name, &ns));
    assert_false(qri_dropped_name_parse(qr_str("a"), &name, &ns));
}

/* ---- skus ---- */

static void test_skus_name_objectives(void **state)
{
    (void)state;
    static const struct {
        const char *sku, *want; /* an objective, or the code of a refusal */
    } rows[] = {
        {"{\"name\":\"HS_Gen5_2\",\"tier\":\"Hyperscale\"}", "HS_Gen5_2"},
        {"{\"name\":\"hs_gen5_2\"}", "HS_Gen5_2"},
        {"{\"name\":\"GP_Gen5\",\"tier\":\"GeneralPurpose\",\"family\":\"Gen5\",\"capacity\":4}",
         "GP_Gen5_4"},
        {"{\"name\":\"GP_S_Gen5\",\"capacity\":2}", "GP_S_Gen5_2"},
        {"{\"name\":\"HS_Gen5\",\"tier\":\"Hyperscale\",\"capacity\":2}", "HS_Gen5_2"},
        {"{\"name\":\"Standard\",\"tier\":\"Standard\",\"capacity\":20}", "S1"},
        {"{\"name\":\"Basic\",\"tier\":\"Basic\",\"capacity\":5}", "Basic"},
        {"{\"name\":\"Premium\",\"capacity\":125}", "P1"},
        {"{\"name\":\"GP_Gen5_2\",\"tier\":\"Hyperscale\"}", "MismatchedSkuNameAndTier"},
        {"{\"name\":\"GP_Gen5_2\",\"capacity\":4}", "MismatchedSkuNameAndCapacity"},
        {"{\"name\":\"GP_Gen5\",\"capacity\":3}", "UnsupportedCapacity"},
        {"{\"name\":\"GP_Gen5_3\"}", "InvalidSkuName"},
        {"{\"name\":\"GP_Gen5\",\"capacity\":2,\"family\":\"Gen4\"}", "InvalidSkuName"},
        {"{\"tier\":\"Nope\"}", "InvalidTier"},
        {"{\"name\":null,\"capacity\":\"2\"}", "InvalidRequestContent"},
        {"[]", "InvalidRequestContent"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct qr_slo *slo = NULL;
        struct qri_sku_error error = {.code = "none"};
        bool in_pool = false;
        json_t *sku = json_loads(rows[i].sku, 0, NULL);
        bool good = qri_sku_parse(sku, &slo, &in_pool, &error);
        if (strcmp(good && slo != NULL ? slo->name : error.code, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].sku, good && slo != NULL ? slo->name : error.code);
        json_decref(sku);
    }
}

static void test_every_objective_is_found_by_the_sku_that_shows_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < qr_slo_count(); i++) {
        const struct qr_slo *slo = NULL;
        struct qri_sku_error error;
        bool in_pool = false;
        json_t *sku = qri_sku_json(qr_slo_at(i)->name);
        if (!qri_sku_parse(sku, &slo, &in_pool, &error) || in_pool || slo != qr_slo_at(i))
            fail_msg("%s", qr_slo_at(i)->name);
        json_decref(sku);
    }
}

/* ---- bodies ---- */

static struct qr_resource_database database(const char *edition, const char *objective)
{
    struct qr_resource_database d = {.row = {.id = 5, .state = QR_DATABASE_ONLINE}};
    bool hyper = strcmp(edition, "Hyperscale") == 0;
    snprintf(d.row.name, sizeof d.row.name, "mySampleDatabase");
    snprintf(d.row.edition, sizeof d.row.edition, "%s", edition);
    snprintf(d.row.objective, sizeof d.row.objective, "%s", objective);
    snprintf(d.requested_edition, sizeof d.requested_edition, "%s", edition);
    snprintf(d.requested_objective, sizeof d.requested_objective, "%s", objective);
    snprintf(d.row.collation, sizeof d.row.collation, "SQL_Latin1_General_CP1_CI_AS");
    snprintf(d.tags, sizeof d.tags, "{}");
    d.row.max_bytes = hyper ? 0 : UINT64_C(34359738368);
    d.row.slices = hyper;
    d.row.ha_replicas = hyper;
    d.row.traits = (struct qr_database_traits){.zone_redundant = QR_SAID_NO,
                                               .read_scale = hyper ? QR_SAID_YES : QR_SAID_NO,
                                               .license = QR_LICENSE_INCLUDED,
                                               .redundancy = QR_REDUNDANCY_LOCAL};
    return d;
}

static bool read_change(struct qri_request *r, const char *body,
                        const struct qr_resource_database *now, struct qri_database_change *ret)
{
    r->json = json_loads(body, 0, NULL);
    assert_non_null(r->json);
    return qri_database_change(r, &place, qr_str("mySampleDatabase"), now, ret);
}

#define ECHO_GP                                                                                    \
    "\"collation\":\"SQL_Latin1_General_CP1_CI_AS\",\"maxSizeBytes\":34359738368,"                 \
    "\"catalogCollation\":\"SQL_Latin1_General_CP1_CI_AS\",\"zoneRedundant\":false,"               \
    "\"licenseType\":\"LicenseIncluded\",\"readScale\":\"Disabled\",\"isLedgerOn\":false"
#define ECHO_HS(size)                                                                              \
    "\"collation\":\"SQL_Latin1_General_CP1_CI_AS\",\"maxSizeBytes\":" size                        \
    ",\"zoneRedundant\":false,\"licenseType\":\"LicenseIncluded\",\"readScale\":\"Enabled\","      \
    "\"highAvailabilityReplicaCount\":1,\"isLedgerOn\":false"

static void test_an_echo_of_the_tier_before_is_no_wish(void **state)
{
    (void)state;
    static const struct {
        const char *edition, *objective, *body;
        const char *want; /* the objective that is asked for; "": none */
        uint64_t max_bytes;
        uint32_t ha_replicas;
        bool changes;
    } rows[] = {
        {"GeneralPurpose", "GP_Gen5_2",
         "{\"location\":\"eastus\",\"tags\":{},\"sku\":{\"name\":\"HS_Gen5_2\",\"tier\":"
         "\"Hyperscale\"},\"properties\":{" ECHO_GP "}}",
         "HS_Gen5_2", 0, 2, true},
        {"Hyperscale", "HS_Gen5_2",
         "{\"location\":\"eastus\",\"sku\":{\"name\":\"GP_Gen5_2\",\"tier\":\"GeneralPurpose\"},"
         "\"properties\":{" ECHO_HS("-1") "}}",
         "GP_Gen5_2", 0, 0, true},
        {"Hyperscale", "HS_Gen5_2",
         "{\"sku\":{\"name\":\"GP_Gen5_2\",\"tier\":\"GeneralPurpose\"},"
         "\"properties\":{" ECHO_HS("214748364800") "}}",
         "GP_Gen5_2", UINT64_C(214748364800), 0, true},
        {"GeneralPurpose", "GP_Gen5_2", "{\"tags\":{},\"properties\":{" ECHO_GP "}}", "", 0, 0,
         false},
        {"Hyperscale", "HS_Gen5_2",
         "{\"sku\":{\"name\":\"HS_Gen5\",\"tier\":\"Hyperscale\",\"family\":\"Gen5\",\"capacity\":"
         "2},"
         "\"properties\":{" ECHO_HS("-1") "}}",
         "", 0, 0, false},
        {"GeneralPurpose", "GP_Gen5_2",
         "{\"sku\":{\"name\":\"BC_Gen5_2\"},\"properties\":{" ECHO_GP "}}", "BC_Gen5_2",
         UINT64_C(34359738368), 0, true},
        {"GeneralPurpose", "GP_Gen5_2", "{\"sku\":{\"name\":\"S1\"},\"properties\":{" ECHO_GP "}}",
         "S1", 0, 0, true},
        {"Hyperscale", "HS_Gen5_2", "{\"properties\":{\"highAvailabilityReplicaCount\":2}}", "", 0,
         3, true},
        {"Hyperscale", "HS_Gen5_2", "{\"properties\":{\"highAvailabilityReplicaCount\":null}}", "",
         0, 0, false},
        {"GeneralPurpose", "GP_Gen5_2",
         "{\"sku\":{\"name\":\"HS_Gen5_2\"},\"properties\":{\"highAvailabilityReplicaCount\":0}}",
         "HS_Gen5_2", 0, 1, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct qri_request r;
        struct qri_database_change c;
        struct qr_resource_database now = database(rows[i].edition, rows[i].objective);
        world_init(&w);
        world_request(&w, &r);
        if (!read_change(&r, rows[i].body, &now, &c))
            fail_msg("%zu: %s", i, r.error_code);
        assert_int_equal(c.method, QR_CONTROL_ALTER);
        if (!qr_str_ieqz(c.ask.objective, rows[i].want) || c.ask.max_bytes != rows[i].max_bytes ||
            c.ask.ha_replicas != rows[i].ha_replicas || c.changes != rows[i].changes)
            fail_msg("%zu: %.*s %llu %u %d", i, (int)c.ask.objective.n, c.ask.objective.p,
                     (unsigned long long)c.ask.max_bytes, c.ask.ha_replicas, c.changes);
        assert_int_equal(c.ask.traits.read_scale, 0);
        world_free(&r);
    }
}

static void test_a_body_that_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code;
        bool is_new;
    } rows[] = {
        {"{\"properties\":[]}", "InvalidRequestContent", true},
        {"{\"properties\":{\"maxSizeBytes\":1.5}}", "InvalidRequestContent", true},
        {"{\"properties\":{\"maxSizeBytes\":0}}", "InvalidMaxSizeTierCombination", true},
        {"{\"location\":\"west us\"}", "InvalidResourceLocation", true},
        {"{\"properties\":{\"isLedgerOn\":true}}", "FeatureNotSupported", true},
        {"{\"properties\":{\"elasticPoolId\":\"x\"}}", "InvalidParameterValue", true},
        {"{\"properties\":{\"createMode\":\"Recovery\"}}", "MissingSourceDatabaseId", true},
        {"{\"properties\":{\"createMode\":\"Secondary\",\"sourceDatabaseId\":\"x\"}}",
         "SourceDatabaseNotFound", true},
        {"{\"properties\":{\"createMode\":\"Secondary\",\"secondaryType\":\"named\","
         "\"sourceDatabaseId\":\"/subscriptions/" WORLD_SUBSCRIPTION
         "/resourceGroups/g/providers/Microsoft.Sql/servers/server01/databases/nope\"}}",
         "SourceDatabaseNotFound", true},
        {"{\"properties\":{\"createMode\":\"Copy\",\"sourceDatabaseId\":\"/"
         "subscriptions/" WORLD_SUBSCRIPTION
         "/resourceGroups/g/providers/Microsoft.Sql/servers/server02/databases/d\"}}",
         "SourceServerNotFound", true},
        {"{\"properties\":{\"createMode\":\"Restore\",\"restorableDroppedDatabaseId\":\"x\"}}",
         "InvalidDroppedDatabase", true},
        {"{\"properties\":{\"collation\":\"Latin1_General_BIN2\"}}", "InvalidCollation", false},
        {"{\"properties\":{\"createMode\":\"Copy\"}}", "DatabaseAlreadyExists", false},
        {"{\"properties\":{\"readScale\":\"Perhaps\"}}", "InvalidParameterValue", false},
        {"{\"properties\":{\"autoPauseDelay\":-2}}", "InvalidParameterValue", false},
        {"{\"properties\":{\"minCapacity\":1e300}}", "InvalidParameterValue", false},
        {"{\"properties\":{\"highAvailabilityReplicaCount\":1}}", "InvalidReadScaleUnits", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct qri_request r;
        struct qri_database_change c;
        struct qr_resource_database now = database("GeneralPurpose", "GP_Gen5_2");
        world_init(&w);
        world_request(&w, &r);
        if (read_change(&r, rows[i].body, rows[i].is_new ? NULL : &now, &c) ||
            strcmp(r.error_code, rows[i].code) != 0)
            fail_msg("%s: %s", rows[i].body, r.error_code == NULL ? "taken" : r.error_code);
        assert_true(r.status >= 400 && r.status < 500 && r.status != 429);
        world_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_cut_and_decoded),
        cmocka_unit_test(test_forms_give_the_first_of_a_name),
        cmocka_unit_test(test_every_route_can_be_reached),
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_skus_name_objectives),
        cmocka_unit_test(test_every_objective_is_found_by_the_sku_that_shows_it),
        cmocka_unit_test(test_an_echo_of_the_tier_before_is_no_wish),
        cmocka_unit_test(test_a_body_that_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("arm/body", tests, NULL, NULL);
}
