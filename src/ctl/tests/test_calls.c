/* Goal: what control and the other roles tell each other arrives as it was said, and what breaks a
 * format is refused. Method: there and back; every cut of every message; a served loop. */
#include "qr_test.h"
#include <string.h>
#include "base/endian.h"
#include "ctl/calls.h"
#include "ctl/warm.h"
#include "ctl/place.h"

static const struct qr_control_ask whole = {
    .name = {"shop", 4},
    .new_name = {"Shop 2", 6},
    .edition = {"Hyperscale", 10},
    .objective = {"HS_Gen5_2", 9},
    .collation = {"SQL_Latin1_General_CP1_CI_AS", 28},
    .max_text = {"32 GB", 5},
    .copy_of = {"old", 3},
    .start = {"10.0.0.1", 8},
    .end = {"10.0.0.9", 8},
    .max_bytes = UINT64_C(32) << 30,
    .restore_wall_ns = 1700000000000000000,
    .version = 77,
    .id = 9,
    .pid = 4242,
    .slices = 2,
    .role = QR_ROLE_COMPUTE,
    .read_only = true,
};
static const uint16_t methods[] = {
    QR_CONTROL_REGISTER,  QR_CONTROL_ROUTE,  QR_CONTROL_STATE,     QR_CONTROL_FIND,
    QR_CONTROL_DATABASES, QR_CONTROL_RULES,  QR_CONTROL_CREATE,    QR_CONTROL_ALTER,
    QR_CONTROL_RENAME,    QR_CONTROL_DROP,   QR_CONTROL_SET_RULE,  QR_CONTROL_DELETE_RULE,
    QR_CONTROL_RETENTION, QR_CONTROL_GROW,   QR_CONTROL_JOIN,      QR_CONTROL_REIGN,
    QR_CONTROL_MEMBERS,   QR_CONTROL_LOGINS, QR_CONTROL_SET_LOGIN, QR_CONTROL_SET_OWNER,
    QR_CONTROL_UNFIT,
};

static void put(struct qr_buf *buf, uint16_t method, const struct qr_control_ask *ask)
{
    qr_buf_init(buf, 1 << 20);
    qr_control_ask_put(buf, (enum qr_control_method)method, ask);
    assert_int_equal(qr_buf_status(buf, NULL), QR_OK);
}

static void test_an_ask_arrives_as_it_was_said(void **state)
{
    (void)state;
    struct qr_buf buf;
    struct qr_control_ask got;
    put(&buf, QR_CONTROL_CREATE, &whole);
    assert_int_equal(qr_control_ask_get(QR_CONTROL_CREATE, buf.data, buf.len, &got, NULL), QR_OK);
    assert_true(qr_str_eq(got.name, whole.name));
    assert_true(qr_str_eq(got.objective, whole.objective));
    assert_true(qr_str_eq(got.copy_of, whole.copy_of));
    assert_int_equal(got.max_bytes, whole.max_bytes);
    assert_int_equal(got.restore_wall_ns, whole.restore_wall_ns);
    assert_int_equal(got.pid, 0); /* is not of this method */
    qr_buf_done(&buf);
    put(&buf, QR_CONTROL_REGISTER, &whole);
    assert_int_equal(qr_control_ask_get(QR_CONTROL_REGISTER, buf.data, buf.len, &got, NULL), QR_OK);
    assert_int_equal(got.role, QR_ROLE_COMPUTE);
    assert_int_equal(got.pid, 4242);
    qr_buf_done(&buf);
}

static void test_every_cut_and_every_addition_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct qr_buf buf;
        struct qr_control_ask got;
        put(&buf, methods[i], &whole);
        assert_int_equal(qr_control_ask_get(methods[i], buf.data, buf.len, &got, NULL), QR_OK);
        for (size_t n = 0; n < buf.len; n++)
            assert_int_equal(qr_control_ask_get(methods[i], buf.data, n, &got, NULL), QR_PROTOCOL);
        qr_buf_add8(&buf, 0);
        assert_int_equal(qr_control_ask_get(methods[i], buf.data, buf.len, &got, NULL),
                         QR_PROTOCOL);
        qr_buf_done(&buf);
    }
}

static void test_what_no_method_says_is_refused(void **state)
{
    (void)state;
    struct qr_control_ask got;
    assert_int_equal(qr_control_ask_get(0x300, NULL, 0, &got, NULL), QR_UNSUPPORTED);
    static const uint8_t role[] = {QR_ROLE_COUNT, 0, 0, 0, 0, 0, 0};
    assert_int_equal(qr_control_ask_get(QR_CONTROL_REGISTER, role, sizeof role, &got, NULL),
                     QR_PROTOCOL);
    static const uint8_t flag[] = {1, 0, 'a', 2};
    assert_int_equal(qr_control_ask_get(QR_CONTROL_ROUTE, flag, sizeof flag, &got, NULL),
                     QR_PROTOCOL);
    static const uint8_t nul[] = {2, 0, 'a', 0, 1};
    assert_int_equal(qr_control_ask_get(QR_CONTROL_ROUTE, nul, sizeof nul, &got, NULL),
                     QR_PROTOCOL);
}

static void test_a_name_longer_than_any_is_refused_by_who_reads(void **state)
{
    (void)state;
    uint8_t body[2 + QR_NAME_BYTES_MAX + 1 + 1] = {0};
    struct qr_control_ask got;
    memset(body + 2, 'x', QR_NAME_BYTES_MAX + 1);
    body[0] = (QR_NAME_BYTES_MAX + 1) & 0xff;
    body[1] = (QR_NAME_BYTES_MAX + 1) >> 8;
    assert_int_equal(qr_control_ask_get(QR_CONTROL_ROUTE, body, sizeof body, &got, NULL),
                     QR_PROTOCOL);
}

static void test_rows_follow_each_other(void **state)
{
    (void)state;
    struct qr_database_row rows[2] = {
        {.id = 5,
         .state = QR_DATABASE_ONLINE,
         .name = "one",
         .edition = "GeneralPurpose",
         .objective = "GP_Gen5_2",
         .collation = "c",
         .timeline = "t1",
         .create_ticks = -3,
         .max_bytes = 1 << 20},
        {.id = 6,
         .state = QR_DATABASE_DROPPING,
         .name = "two",
         .edition = "Hyperscale",
         .objective = "HS_Gen5_2",
         .collation = "c",
         .timeline = "t2",
         .slices = 3},
    };
    struct qr_buf buf;
    struct qr_database_row got;
    size_t at = 0;
    qr_buf_init(&buf, 1 << 20);
    for (int i = 0; i < 2; i++)
        qr_control_row_put(&buf, &rows[i]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(qr_control_row_next(buf.data, buf.len, &at, &got, NULL), QR_OK);
        assert_int_equal(got.id, rows[i].id);
        assert_int_equal(got.state, rows[i].state);
        assert_string_equal(got.name, rows[i].name);
        assert_string_equal(got.timeline, rows[i].timeline);
        assert_int_equal(got.create_ticks, rows[i].create_ticks);
        assert_int_equal(got.slices, rows[i].slices);
    }
    assert_int_equal(at, buf.len);
    assert_int_equal(qr_control_row_next(buf.data, buf.len, &at, &got, NULL), QR_PROTOCOL);
    qr_buf_done(&buf);
}

static void test_items_and_routes_arrive_as_they_were_said(void **state)
{
    (void)state;
    struct qr_control_item item = {.kind = QR_ITEM_RULE,
                                   .name = {"office", 6},
                                   .database_id = 7,
                                   .id = 2,
                                   .start = 0x0a000001,
                                   .end = 0x0a0000ff,
                                   .create_ticks = 12,
                                   .modify_ticks = 13,
                                   .flag = true};
    struct qr_control_route route = {"unix:/run/x.tds", 11}, back;
    struct qr_control_item got;
    struct qr_buf buf;
    size_t at = 0;
    qr_buf_init(&buf, 1 << 20);
    qr_control_item_put(&buf, &item);
    assert_int_equal(qr_control_item_next(buf.data, buf.len, &at, &got, NULL), QR_OK);
    assert_int_equal(got.kind, QR_ITEM_RULE);
    assert_true(qr_str_eq(got.name, item.name));
    assert_int_equal(got.end, item.end);
    assert_int_equal(got.modify_ticks, 13);
    assert_true(got.flag);
    qr_buf_clear(&buf);
    qr_control_route_put(&buf, &route);
    assert_int_equal(qr_control_route_get(buf.data, buf.len, &back, NULL), QR_OK);
    assert_string_equal(back.address, route.address);
    assert_int_equal(back.database_id, 11);
    assert_int_equal(qr_control_route_get(buf.data, buf.len - 1, &back, NULL), QR_PROTOCOL);
    qr_buf_done(&buf);
}

static void test_what_a_service_says_of_itself_arrives_and_no_cut_of_it(void **state)
{
    (void)state;
    struct qr_control_service service = {.server_name = "server01",
                                         .admin_login = "boss",
                                         .log = "tcp:[::1]:7434",
                                         .page = "tcp:b.example:7435",
                                         .blob = "https://a.blob.example/c",
                                         .landing_zone = "file",
                                         .server_key = "quire server key 1\n"};
    struct qr_control_service got;
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    qr_control_service_put(&buf, &service);
    assert_int_equal(qr_control_service_get(buf.data, buf.len, &got, NULL), QR_OK);
    assert_string_equal(got.server_name, service.server_name);
    assert_string_equal(got.admin_login, service.admin_login);
    assert_string_equal(got.log, service.log);
    assert_string_equal(got.page, service.page);
    assert_string_equal(got.blob, service.blob);
    assert_string_equal(got.landing_zone, service.landing_zone);
    assert_string_equal(got.server_key, service.server_key);
    for (size_t n = 0; n < buf.len; n++)
        assert_int_equal(qr_control_service_get(buf.data, n, &got, NULL), QR_PROTOCOL);
    qr_buf_add8(&buf, 0);
    assert_int_equal(qr_control_service_get(buf.data, buf.len, &got, NULL), QR_PROTOCOL);
    qr_buf_done(&buf);
}

static void test_names_of_nodes_are_of_one_database_each(void **state)
{
    (void)state;
    struct qr_database_row row = {.id = 12, .slices = 1};
    struct qr_timeline timeline;
    char node[QR_NODE_NAME_BYTES];
    uint32_t id = 0;
    qr_place_node(&row, node);
    assert_string_equal(node, "hs-12");
    assert_true(qr_place_database_of(node, &id));
    assert_int_equal(id, 12);
    qr_place_member(&row, 4, node);
    assert_string_equal(node, "hs-12-r4");
    assert_true(qr_place_database_of(node, &id));
    assert_int_equal(id, 12);
    assert_false(qr_place_has_copy(node));
    row.slices = 0;
    qr_place_node(&row, node);
    assert_string_equal(node, "shared");
    snprintf(row.edition, sizeof row.edition, "BusinessCritical");
    qr_place_node(&row, node);
    assert_string_equal(node, "bc-12");
    qr_place_member(&row, 3, node);
    assert_string_equal(node, "bc-12-r3");
    assert_true(qr_place_database_of(node, &id));
    assert_int_equal(id, 12);
    assert_true(qr_place_has_copy(node));
    static const char *const bad[] = {
        "hs-1-r0", "hs-1-r5", "hs-1-r11",       "hs-1-",         "shared", "hs-", "hs-0",
        "hs-07",   "hs-1x",   "hs-99999999999", "hs-2147483648", "hs--1",  ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(qr_place_database_of(bad[i], &id));
    snprintf(row.timeline, sizeof row.timeline, "00112233-4455-6677-8899-aabbccddeeff");
    assert_int_equal(qr_place_timeline(&row, &timeline, NULL), QR_OK);
    assert_int_equal(timeline.id[0], 0);
    assert_int_equal(timeline.id[15], 0xff);
    row.timeline[35] = 'g';
    assert_int_equal(qr_place_timeline(&row, &timeline, NULL), QR_CORRUPT);
    row.timeline[35] = '\0';
    assert_int_equal(qr_place_timeline(&row, &timeline, NULL), QR_CORRUPT);
}

static void test_lists_of_pages_arrive_and_no_cut_of_them(void **state)
{
    (void)state;
    const uint32_t pages[] = {7, 3, 0x01020304, 9, UINT32_MAX};
    const struct qr_hyper_listed listed = {.hot = 1, .memory = 3, .all = 5};
    struct qr_hyper_listed got;
    const uint8_t *at = NULL;
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 10);
    qr_warm_list_put(&buf, pages, &listed);
    assert_int_equal(qr_warm_list_get(buf.data, buf.len, &got, &at, NULL), QR_OK);
    assert_int_equal(got.hot, 1);
    assert_int_equal(got.memory, 3);
    assert_int_equal(got.all, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(qr_get32le(at + 4 * i), pages[i]);
    for (size_t cut = 0; cut < 8 + 3 * 4; cut++) /* up to there the parts do not fit */
        assert_int_equal(qr_warm_list_get(buf.data, cut, &got, &at, NULL), QR_PROTOCOL);
    buf.data[0] = 4; /* more are hot than are in memory */
    assert_int_equal(qr_warm_list_get(buf.data, buf.len, &got, &at, NULL), QR_PROTOCOL);
    uint8_t call[1 + 4 * (QR_HYPER_WARM_MAX + 1)] = {QR_WARM_HOT, 5, 0, 0, 0, 6, 1, 0, 0};
    uint32_t dst[QR_HYPER_WARM_MAX];
    enum qr_warmth as = QR_WARM_COLD;
    size_t count = 0;
    assert_int_equal(qr_warm_pages_get(call, 9, &as, dst, &count, NULL), QR_OK);
    assert_int_equal(as, QR_WARM_HOT);
    assert_int_equal(count, 2);
    assert_int_equal(dst[1], 0x106);
    assert_int_equal(qr_warm_pages_get(call, 0, &as, dst, &count, NULL), QR_PROTOCOL);
    assert_int_equal(qr_warm_pages_get(call, 8, &as, dst, &count, NULL), QR_PROTOCOL);
    assert_int_equal(qr_warm_pages_get(call, sizeof call, &as, dst, &count, NULL), QR_PROTOCOL);
    call[0] = QR_WARM_COUNT;
    assert_int_equal(qr_warm_pages_get(call, 9, &as, dst, &count, NULL), QR_PROTOCOL);
    qr_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_nodes_are_of_one_database_each),
        cmocka_unit_test(test_an_ask_arrives_as_it_was_said),
        cmocka_unit_test(test_what_a_service_says_of_itself_arrives_and_no_cut_of_it),
        cmocka_unit_test(test_every_cut_and_every_addition_is_refused),
        cmocka_unit_test(test_what_no_method_says_is_refused),
        cmocka_unit_test(test_a_name_longer_than_any_is_refused_by_who_reads),
        cmocka_unit_test(test_rows_follow_each_other),
        cmocka_unit_test(test_items_and_routes_arrive_as_they_were_said),
        cmocka_unit_test(test_lists_of_pages_arrive_and_no_cut_of_them),
    };
    return cmocka_run_group_tests_name("ctl/calls", tests, NULL, NULL);
}
