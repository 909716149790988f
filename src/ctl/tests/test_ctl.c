/* Goal: metadata changes whole or not at all and survives a restart; the registry refuses what the
 * tables of objectives do not allow. */
#include "registry_bed.h"
#include "ctl/slo.h"

static void test_values_keep_their_version_over_a_restart(void **state)
{
    struct fixture *f = *state;
    bool applied;
    uint64_t revision;
    struct qr_meta_op ops[2] = {{.key = qr_str("a"), .value = qr_str("1")},
                                {.key = qr_str("b"), .value = qr_str("")}};
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 2, &applied, &revision, NULL), QR_OK);
    assert_int_equal(revision, 1);
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 1, &applied, &revision, NULL), QR_OK);
    reopen(f);
    assert_value(f, "a", "1", 2);
    assert_value(f, "b", "", 1);
    assert_int_equal(qr_meta_get(f->meta, qr_str("c"), NULL, NULL, NULL), QR_NOT_FOUND);
}

static void test_a_compare_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    bool applied = true;
    struct qr_meta_op put = {.key = qr_str("a"), .value = qr_str("1")};
    struct qr_meta_compare absent = {qr_str("a"), 0};
    assert_int_equal(qr_meta_txn(f->meta, &absent, 1, &put, 1, &applied, NULL, NULL), QR_OK);
    assert_true(applied);
    put.value = qr_str("2");
    assert_int_equal(qr_meta_txn(f->meta, &absent, 1, &put, 1, &applied, NULL, NULL), QR_OK);
    assert_false(applied);
    assert_value(f, "a", "1", 1);
    struct qr_meta_compare both[2] = {{qr_str("a"), 1}, {qr_str("b"), 7}};
    assert_int_equal(qr_meta_txn(f->meta, both, 2, &put, 1, &applied, NULL, NULL), QR_OK);
    assert_false(applied);
    both[1].version = 0;
    assert_int_equal(qr_meta_txn(f->meta, both, 2, &put, 1, &applied, NULL, NULL), QR_OK);
    assert_true(applied);
    assert_value(f, "a", "2", 2);
}

static bool append_key(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    qr_buf_printf(arg, "%.*s=%.*s@%d ", (int)key.n, key.p, (int)value.n, value.p, (int)version);
    return true;
}

static bool count_key(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    (void)key, (void)value, (void)version;
    *(size_t *)arg += 1;
    return true;
}

static void append_change(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    append_key(arg, key, value.p == NULL ? qr_str("gone") : value, version);
}

static void test_range_and_watch_see_a_prefix_only(void **state)
{
    struct fixture *f = *state;
    bool applied;
    struct qr_buf seen;
    qr_buf_init(&seen, 1000);
    assert_int_equal(qr_meta_watch(f->meta, qr_str("a/"), append_change, &seen, NULL), QR_OK);
    struct qr_meta_op ops[] = {{.key = qr_str("a/2"), .value = qr_str("y")},
                               {.key = qr_str("a/1"), .value = qr_str("x")},
                               {.key = qr_str("a"), .value = qr_str("no")},
                               {.key = qr_str("a0"), .value = qr_str("no")}};
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 4, &applied, NULL, NULL), QR_OK);
    struct qr_meta_op gone = {.key = qr_str("a/2"), .is_delete = true};
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, &gone, 1, &applied, NULL, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&seen), "a/2=y@1 a/1=x@1 a/2=gone@2 ");
    qr_buf_clear(&seen);
    assert_int_equal(qr_meta_range(f->meta, qr_str("a/"), append_key, &seen, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&seen), "a/1=x@1 ");
    qr_buf_done(&seen);
}

/* The bounds of a range: the prefix itself, its longest and last key; not what lies beside. */
static void test_a_range_has_all_keys_of_its_prefix(void **state)
{
    struct fixture *f = *state;
    bool applied;
    char longest[QR_META_KEY_BYTES_MAX], beyond[] = "b0", before[] = "b.";
    size_t found = 0;
    memset(longest, 0xff, sizeof longest);
    memcpy(longest, "b/", 2);
    struct qr_meta_op ops[] = {{.key = qr_str("b/"), .value = qr_str("1")},
                               {.key = qr_str("b/\x7f/z"), .value = qr_str("2")},
                               {.key = {longest, sizeof longest}, .value = qr_str("3")},
                               {.key = qr_str(beyond), .value = qr_str("no")},
                               {.key = qr_str(before), .value = qr_str("no")}};
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 5, &applied, NULL, NULL), QR_OK);
    assert_int_equal(qr_meta_range(f->meta, qr_str("b/"), count_key, &found, NULL), QR_OK);
    assert_int_equal(found, 3);
    found = 0;
    assert_int_equal(qr_meta_range(f->meta, qr_str(""), count_key, &found, NULL), QR_OK);
    assert_int_equal(found, 5);
}

static void test_a_file_that_is_no_metadata_is_refused(void **state)
{
    struct fixture *f = *state;
    qr_meta_close(f->meta);
    f->meta = NULL;
    assert_int_equal(qr_env_replace_file(qr_env_real(), f->path,
                                         "not a database, but long enough "
                                         "to be looked at, so it is refused for what it is",
                                         80, NULL),
                     QR_OK);
    assert_int_equal(qr_meta_open(f->path, &f->meta, NULL), QR_CORRUPT);
    assert_null(f->meta);
}

/* ---- registry ---- */

static void test_the_server_and_its_login_are_remembered(void **state)
{
    struct fixture *f = *state;
    char hash[QR_HASH_BYTES_MAX + 1];
    bool is_admin = false;
    open_registry(f);
    assert_false(qr_registry_has_server(f->registry));
    assert_int_equal(qr_registry_make_server(f->registry, qr_str("server01"), qr_str("quireadmin"),
                                             qr_str("$h1"), NULL, NULL, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_admin_hash(f->registry, 0, qr_str("$h2"), NULL), QR_OK);
    reopen(f);
    open_registry(f);
    assert_true(qr_registry_has_server(f->registry));
    assert_string_equal(qr_registry_first_name(f->registry), "server01");
    assert_int_equal(
        qr_registry_login_hash(f->registry, 0, qr_str("QuireAdmin"), hash, &is_admin, NULL), QR_OK);
    assert_string_equal(hash, "$h2");
    assert_true(is_admin);
    assert_int_equal(qr_registry_login_hash(f->registry, 0, qr_str("sa"), hash, &is_admin, NULL),
                     QR_NOT_FOUND);
}

static void append_name(void *ctx, const struct qr_database_row *row)
{
    qr_buf_printf(ctx, "%s@%x ", row->name, row->id);
}

/* What the gateway is told: one that was dropped, and made again by that name, is the new one. */
static void test_only_live_databases_are_walked(void **state)
{
    struct fixture *f = *state;
    struct qr_database_wish wish = {0};
    struct qr_database_row a, b, again;
    struct qr_buf seen, want;
    qr_buf_init(&seen, 1000);
    qr_buf_init(&want, 1000);
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("a"), &wish, &a, NULL), QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("b"), &wish, &b, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, a.id, QR_DATABASE_DROPPED, NULL), QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("a"), &wish, &again, NULL),
                     QR_OK);
    qr_registry_each_live(f->registry, append_name, &seen);
    qr_buf_printf(&want, "b@%x a@%x ", b.id, again.id);
    assert_string_equal(qr_buf_cstr(&seen), qr_buf_cstr(&want));
    qr_buf_done(&want);
    qr_buf_done(&seen);
}

static void test_databases_get_new_ids_and_are_remembered(void **state)
{
    struct fixture *f = *state;
    struct qr_database_wish wish = {0};
    struct qr_database_row a, b, row;
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("A"), &wish, &a, NULL), QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, a.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    assert_int_equal(qr_registry_remove_database(f->registry, a.id, NULL), QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("a"), &wish, &b, NULL), QR_OK);
    assert_int_not_equal(a.id, b.id);
    assert_string_not_equal(a.timeline, b.timeline);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("master"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.id, QR_MASTER_ID);
    reopen(f);
    open_served(f);
    assert_true(qr_registry_database_at(f->registry, 0, &row));
    assert_string_equal(row.name, "master");
    assert_true(qr_registry_database_at(f->registry, 1, &row));
    assert_int_equal(row.id, b.id);
    assert_string_equal(row.name, "a");
    assert_string_equal(row.timeline, b.timeline);
    assert_int_equal(row.create_ticks, b.create_ticks);
    assert_int_equal(row.max_bytes, b.max_bytes);
    assert_string_equal(row.collation, "SQL_Latin1_General_CP1_CI_AS");
    assert_false(qr_registry_database_at(f->registry, 2, &row));
    assert_string_equal(row.objective, "GP_Gen5_2");
    assert_int_equal(row.state, QR_DATABASE_CREATING);
}

static void test_wishes_are_checked_against_the_objectives(void **state)
{
    static const struct {
        const char *edition, *objective;
        uint64_t gigabytes;
        int want; /* number of the T-SQL error, 0: none */
        const char *got;
    } rows[] = {
        {"", "", 0, 0, "GP_Gen5_2"},
        {"generalpurpose", "gp_gen5_4", 1024, 0, "GP_Gen5_4"},
        {"", "GP_Gen5_80", 4096, 0, "GP_Gen5_80"},
        {"", "GP_Gen5_3", 0, 40804, ""},
        {"GeneralPurpose", "BC_Gen5_2", 0, 40808, ""},
        {"GeneralPurpose", "GP_Gen5_2", 1025, 40619, ""},
        {"Hyperscale", "", 0, 0, "HS_Gen5_2"},
        {"", "HS_Gen5_4", 0, 0, "HS_Gen5_4"},
        {"Hyperscale", "HS_Gen5_2", 64, 40619, ""},
        {"BusinessCritical", "", 0, 0, "BC_Gen5_2"},
        {"", "BC_Gen5_4", 0, 0, "BC_Gen5_4"},
        {"", "GP_S_Gen5_1", 512, 0, "GP_S_Gen5_1"},
        {"Basic", "", 2, 0, "Basic"},
        {"basic", "Basic", 3, 40619, ""},
        {"Standard", "S3", 750, 0, "S3"},
        {"Standard", "S3", 600, 40619, ""},
        {"Standard", "S2", 500, 40619, ""},
        {"", "P11", 1280, 0, "P11"},
        {"Premium", "S3", 0, 40808, ""},
        {"Nonsense", "", 0, 40633, ""},
        {"", "ElasticPool", 0, 40862, ""},
    };
    struct fixture *f = *state;
    open_served(f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_database_wish wish = {.edition = qr_str(rows[i].edition),
                                        .objective = qr_str(rows[i].objective),
                                        .max_bytes = rows[i].gigabytes << 30,
                                        .max_text = qr_str("as written")};
        struct qr_database_row row;
        struct qr_err err = {0};
        char name[16];
        snprintf(name, sizeof name, "db%zu", i);
        enum qr_status status =
            qr_registry_add_database(f->registry, 0, qr_str(name), &wish, &row, &err);
        if (rows[i].want == 0) {
            assert_int_equal(status, QR_OK);
            assert_string_equal(row.objective, rows[i].got);
            assert_int_equal(qr_database_is_hyper(&row), rows[i].got[0] == 'H');
        } else {
            assert_int_equal(status, QR_SQL);
            assert_int_equal(err.number, rows[i].want);
            if (err.number == 40804) /* names what was asked for */
                assert_non_null(strstr(err.text, rows[i].objective));
        }
    }
}

static void test_a_database_stays_on_its_side_of_hyperscale(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish hyper = {.edition = qr_str("Hyperscale")},
                            general = {.edition = qr_str("GeneralPurpose")},
                            larger = {.objective = qr_str("HS_Gen5_8")};
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &hyper, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("g"), &general, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("h"), &general, &row, NULL),
                     QR_UNSUPPORTED);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("g"), &hyper, &row, NULL),
                     QR_UNSUPPORTED);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("h"), &larger, &row, NULL),
                     QR_OK);
    qr_registry_close(f->registry); /* and its row survives a restart */
    open_served(f);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("H"), &row), QR_OK);
    assert_string_equal(row.objective, "HS_Gen5_8");
    assert_true(qr_database_is_hyper(&row));
    struct qr_database_row by_id;
    assert_int_equal(qr_registry_find_id(f->registry, row.id, &by_id), QR_OK);
    assert_string_equal(by_id.name, "h");
    assert_int_equal(qr_registry_find_id(f->registry, 12345, &by_id), QR_NOT_FOUND);
}

static void add(struct fixture *f, const char *name, const char *objective, int want)
{
    struct qr_database_wish wish = {.objective = qr_str(objective)};
    struct qr_database_row row;
    struct qr_err err = {0};
    enum qr_status status =
        qr_registry_add_database(f->registry, 0, qr_str(name), &wish, &row, &err);
    assert_int_equal(status, want == 0 ? QR_OK : QR_SQL);
    assert_int_equal(status == QR_OK ? 0 : err.number, want);
}

static void test_a_server_has_its_quota_of_vcores_and_dtus(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_database_wish larger = {.objective = qr_str("GP_Gen5_80")},
                            smaller = {.objective = qr_str("GP_Gen5_2")};
    open_served(f);
    for (int i = 0; i < 6; i++)
        add(f, (char[]){'a', (char)('0' + i), 0}, "GP_Gen5_80", 0); /* 480 of 540 */
    add(f, "b", "GP_Gen5_80", 40904);
    add(f, "b", "GP_Gen5_40", 0);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("b"), &larger, &row, &err),
                     QR_SQL);
    assert_int_equal(err.number, 40904);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("b"), &smaller, &row, &err),
                     QR_OK);
    for (int i = 0; i < 13; i++)
        add(f, (char[]){'p', (char)('a' + i), 0}, "P15", 0); /* 52000 of 54000 */
    add(f, "s", "S12", 40847);
    add(f, "s", "S9", 0);
}

static void test_a_geo_secondary_has_the_traits_of_its_primary_within_its_objective(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row primary, row;
    struct qr_database_wish wish = {
        .objective = qr_str("GP_S_Gen5_4"),
        .traits = {.redundancy = QR_REDUNDANCY_ZONE, .auto_pause_minutes = 120}};
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("s"), &wish, &primary, NULL),
                     QR_OK);
    primary.traits.min_capacity_pct = 310; /* no release has said yet that it cannot be */
    wish = (struct qr_database_wish){.objective = qr_str("GP_S_Gen5_4"), .geo_of = &primary};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("a"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.traits.min_capacity_pct, 310);
    assert_int_equal(row.traits.auto_pause_minutes, 120);
    assert_int_equal(row.traits.redundancy, QR_REDUNDANCY_ZONE);
    assert_int_equal(qr_registry_remove_database(f->registry, row.id, NULL), QR_OK);
    wish.objective = qr_str("GP_S_Gen5_2");
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("b"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.traits.min_capacity_pct, 200);
    assert_int_equal(row.geo_of, primary.id);
}

static void test_traits_are_those_that_the_objective_has(void **state)
{
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_err err = {0};
    struct qr_database_wish wish = {.objective = qr_str("GP_S_Gen5_2"),
                                    .traits = {.auto_pause_minutes = 120, .min_capacity_pct = 75}};
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("s"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.traits.auto_pause_minutes, 120);
    assert_int_equal(row.traits.min_capacity_pct, 75);
    assert_int_equal(row.traits.license, 0);
    assert_int_equal(strlen(row.guid), QR_GUID_TEXT_BYTES);
    wish.objective = qr_str("GP_Gen5_2"); /* what a client echoes of the tier before is no wish */
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(row.traits.auto_pause_minutes, 0);
    assert_int_equal(row.traits.license, QR_LICENSE_INCLUDED);
    wish = (struct qr_database_wish){.traits = {.read_scale = QR_SAID_YES}};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, &err),
                     QR_SQL);
    assert_int_equal(err.number, 45148);
    wish = (struct qr_database_wish){.objective = qr_str("GP_S_Gen5_2"),
                                     .traits = {.auto_pause_minutes = 14}};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, &err),
                     QR_INVALID);
    wish.traits = (struct qr_database_traits){.auto_pause_minutes = 10081};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, &err),
                     QR_INVALID);
    wish.traits = (struct qr_database_traits){.min_capacity_pct = 300};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, &err),
                     QR_INVALID);
    wish.traits = (struct qr_database_traits){.min_capacity_pct = 110};
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("s"), &wish, &row, &err),
                     QR_INVALID);
    assert_string_equal(err.text, "The service level objective 'GP_S_Gen5_2' does not support the "
                                  "min capacity '1.1'.");
    assert_int_equal(qr_registry_set_tags(f->registry, row.id, qr_str("{\"a\": \"b\"}"), NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_tags(f->registry, row.id, qr_str("{\"a\": 1}"), NULL),
                     QR_INVALID);
    assert_int_equal(qr_registry_set_tags(f->registry, row.id, qr_str("[]"), NULL), QR_INVALID);
    reopen(f);
    open_served(f);
    char tags[QR_TAGS_BYTES_MAX + 1];
    uint64_t version = 0;
    assert_int_equal(qr_registry_tags(f->registry, row.id, tags, &version, NULL), QR_OK);
    assert_string_equal(tags, "{\"a\":\"b\"}");
    assert_true(version > 0);
}

static void test_rows_of_the_first_release_are_completed(void **state)
{
    static const char row_text[] =
        "{\"id\":5,\"name\":\"old\",\"state\":\"online\",\"edition\":\"Hyperscale\",\"objective\":"
        "\"HS_Gen5_2\",\"collation\":\"c\",\"timeline\":\"00112233-4455-6677-8899-aabbccddeeff\","
        "\"createTicks\":1,\"maxBytes\":0,\"slices\":1}";
    struct fixture *f = *state;
    struct qr_database_row row;
    bool applied = false;
    struct qr_meta_op ops[] = {
        {.key = qr_str("database/00000005"), .value = qr_str(row_text)},
        {.key = qr_str("format"), .value = qr_str("{\"version\":4}")},
    };
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops, 1, &applied, NULL, NULL), QR_OK);
    open_served(f);
    assert_int_equal(qr_registry_find_id(f->registry, 5, &row), QR_OK);
    assert_string_equal(row.guid, row.timeline);
    assert_int_equal(row.traits.read_scale, QR_SAID_YES);
    assert_int_equal(row.retention_days, QR_RETENTION_DAYS);
    assert_value(f, "format", "{\"version\":3}", 3);
    assert_int_equal(qr_meta_txn(f->meta, NULL, 0, ops + 1, 1, &applied, NULL, NULL), QR_OK);
    reopen(f); /* and those of a later one are left alone */
    assert_int_equal(qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL), QR_CORRUPT);
}

static void test_a_database_only_grows(void **state)
{
    static const struct {
        uint32_t id, slices;
        enum qr_status want;
        uint32_t have;
    } rows[] = {{5, 2, QR_OK, 2},      {5, 7, QR_OK, 7},
                {5, 3, QR_OK, 7},      {5, QR_SLICES_MAX + 1, QR_FULL, 7},
                {6, 2, QR_INVALID, 7}, {99, 2, QR_NOT_FOUND, 7}};
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish hyper = {.edition = qr_str("Hyperscale")},
                            general = {.edition = qr_str("GeneralPurpose")};
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &hyper, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("g"), &general, &row, NULL),
                     QR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(qr_registry_grow_database(f->registry, rows[i].id, rows[i].slices, NULL),
                         rows[i].want);
        assert_int_equal(qr_registry_find_id(f->registry, 5, &row), QR_OK);
        assert_int_equal(row.slices, rows[i].have);
    }
    qr_registry_close(f->registry);
    open_served(f);
    assert_int_equal(qr_registry_find_id(f->registry, 5, &row), QR_OK);
    assert_int_equal(row.slices, 7);
}

static void test_altering_and_renaming_change_one_row(void **state)
{
    struct fixture *f = *state;
    struct qr_database_wish none = {0}, wish = {.objective = qr_str("GP_Gen5_4")};
    struct qr_database_row row;
    struct qr_err err = {0};
    open_served(f);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("a"), &none, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("b"), &none, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("B"), &wish, &row, NULL),
                     QR_OK);
    assert_string_equal(row.objective, "GP_Gen5_4");
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("c"), &wish, &row, &err),
                     QR_SQL);
    assert_int_equal(err.number, 911);
    assert_int_equal(qr_registry_rename_database(f->registry, 0, qr_str("b"), qr_str("A"), &err),
                     QR_SQL);
    assert_int_equal(err.number, 1801);
    assert_int_equal(qr_registry_rename_database(f->registry, 0, qr_str("b"), qr_str("c"), NULL),
                     QR_OK);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("b"), &row), QR_NOT_FOUND);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("C"), &row), QR_OK);
    assert_string_equal(row.objective, "GP_Gen5_4");
}

static void append_rule(void *arg, const struct qr_rule_row *row)
{
    qr_buf_printf(arg, "%u/%d %s:%u-%u ", row->database_id, row->id, row->name, row->start,
                  row->end);
}

static void test_firewall_rules_are_rows(void **state)
{
    struct fixture *f = *state;
    struct qr_buf rules;
    qr_buf_init(&rules, 1000);
    open_served(f);
    static const struct {
        uint32_t database_id;
        const char *name;
        uint32_t start, end;
        enum qr_status want;
    } rows[] = {
        {0, "Office", 1, 2, QR_OK},   {0, "home", 3, UINT32_MAX, QR_OK}, {0, "OFFICE", 5, 6, QR_OK},
        {0, "bad", 6, 5, QR_INVALID}, {0, "", 1, 2, QR_INVALID},         {7, "office", 8, 9, QR_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(qr_registry_set_rule(f->registry, rows[i].database_id,
                                              qr_str(rows[i].name), rows[i].start, rows[i].end,
                                              NULL),
                         rows[i].want);
    assert_int_equal(qr_registry_each_rule(f->registry, append_rule, &rules, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&rules),
                        "0/2 home:3-4294967295 0/1 OFFICE:5-6 7/1 office:8-9 ");
    assert_int_equal(qr_registry_remove_rule(f->registry, 0, qr_str("office"), NULL), QR_OK);
    assert_int_equal(qr_registry_remove_rule(f->registry, 0, qr_str("office"), NULL), QR_NOT_FOUND);
    assert_int_equal(qr_registry_remove_rule(f->registry, 7, qr_str("office"), NULL), QR_OK);
    qr_buf_done(&rules);
}

static void test_every_objective_has_an_edition(void **state)
{
    (void)state;
    for (size_t i = 0; i < qr_slo_count(); i++) {
        assert_true(qr_slo_at(i)->name[0] != '\0');
        assert_true(qr_slo_at(i)->edition[0] != '\0');
    }
    assert_int_equal(qr_slo_find(qr_str("gp_gen5_2"))->max_data_bytes, UINT64_C(1024) << 30);
    assert_null(qr_slo_find(qr_str("GP_Gen5_1")));
}

/* Who is in the record may take over; only the primary of the epoch changes it. */
static void test_the_record_of_members_is_its_primarys(void **state)
{
    struct fixture *f = *state;
    open_served(f);
    struct qr_registry *registry = f->registry;
    struct qr_database_wish wish = {.edition = qr_str("BusinessCritical")};
    struct qr_database_row row;
    assert_int_equal(qr_registry_add_database(registry, 0, qr_str("b"), &wish, &row, NULL), QR_OK);
    uint32_t id = row.id;
    assert_int_equal(qr_registry_begin_reign(registry, id, 0, 7, NULL), QR_OK);
    assert_int_equal(qr_registry_find_id(registry, id, &row), QR_OK);
    assert_int_equal(row.epoch, 8);
    assert_int_equal(row.members, 1);
    assert_int_equal(qr_registry_begin_reign(registry, id, 1, 0, NULL), QR_FENCED);
    assert_int_equal(qr_registry_set_members(registry, id, 0, 8, 7, NULL), QR_OK);
    assert_int_equal(qr_registry_set_members(registry, id, 0, 7, 1, NULL), QR_FENCED);
    assert_int_equal(qr_registry_set_members(registry, id, 1, 8, 6, NULL), QR_FENCED);
    assert_int_equal(qr_registry_set_members(registry, id, 0, 8, 6, NULL), QR_INVALID);
    assert_int_equal(qr_registry_begin_reign(registry, id, 3, 0, NULL), QR_FENCED);
    assert_int_equal(qr_registry_begin_reign(registry, id, 2, 0, NULL), QR_OK);
    assert_int_equal(qr_registry_find_id(registry, id, &row), QR_OK);
    assert_int_equal(row.epoch, 9);
    assert_int_equal(row.primary, 2);
    assert_int_equal(row.members, 6); /* the one before is gone */
    assert_int_equal(qr_registry_set_members(registry, id, 0, 8, 7, NULL), QR_FENCED);
    assert_int_equal(qr_registry_set_members(registry, id, 2, 9, 7, NULL), QR_OK);
    struct qr_database_wish shared = {.edition = qr_str("GeneralPurpose")};
    assert_int_equal(qr_registry_alter_database(registry, 0, qr_str("b"), &shared, &row, NULL),
                     QR_OK);
    assert_int_equal(row.members, 0);
    assert_int_equal(row.epoch, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_keep_their_version_over_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_database_stays_on_its_side_of_hyperscale, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_database_only_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_server_has_its_quota_of_vcores_and_dtus, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_geo_secondary_has_the_traits_of_its_primary_within_its_objective, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_traits_are_those_that_the_objective_has, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rows_of_the_first_release_are_completed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_compare_that_fails_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_range_and_watch_see_a_prefix_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_range_has_all_keys_of_its_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_no_metadata_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_server_and_its_login_are_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_only_live_databases_are_walked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_databases_get_new_ids_and_are_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wishes_are_checked_against_the_objectives, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_altering_and_renaming_change_one_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firewall_rules_are_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_record_of_members_is_its_primarys, setup,
                                        teardown),
        cmocka_unit_test(test_every_objective_has_an_edition),
    };
    return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
