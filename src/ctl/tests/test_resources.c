/* Goal: what is kept for who serves resources arrives as it was put, in order, with versions that
 * tell who came second. Method: control over its real sockets; a node that answers. */
#include <jansson.h>
#include "control_bed.h"
#include "ctl/resources.h"
#include "ops_int.h"

static struct qr_rpc_peer *peer_of(struct fixture *f)
{
    return qr_rpc_client_peer(f->brief);
}

static enum qr_status put(struct fixture *f, enum qr_doc_kind kind, const char *name,
                          const char *text, uint64_t version, struct qr_err *err)
{
    struct qr_doc doc = {qr_str(name), qr_str(text), version};
    return qr_doc_put(peer_of(f), kind, &doc, TIME_NS, err);
}

static uint64_t version_of(struct fixture *f, enum qr_doc_kind kind, const char *name)
{
    struct qr_buf buf;
    struct qr_doc doc;
    qr_buf_init(&buf, 1 << 20);
    enum qr_status status = qr_doc_get(peer_of(f), kind, qr_str(name), TIME_NS, &buf, &doc, NULL);
    qr_buf_done(&buf);
    assert_true(status == QR_OK || status == QR_NOT_FOUND);
    return status == QR_OK ? doc.version : 0;
}

static int prepared(void **state)
{
    int code = setup(state);
    struct fixture *f = *state;
    return code != 0 ? code : qri_docs_prepare(f->control, NULL) != QR_OK;
}

static void test_the_first_start_makes_what_clients_ask_for(void **state)
{
    struct fixture *f = *state;
    struct qr_buf buf;
    struct qr_doc doc;
    qr_buf_init(&buf, 1 << 20);
    assert_int_equal(
        qr_doc_get(peer_of(f), QR_DOC_SERVER, qr_str("SERVER01"), TIME_NS, &buf, &doc, NULL),
        QR_OK);
    json_t *o = json_loadb(doc.text.p, doc.text.n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "group")), "myResourceGroup");
    assert_string_equal(json_string_value(json_object_get(o, "adminLogin")), "boss");
    assert_true(qr_str_eq(doc.name, qr_str("server01"))); /* as it was made */
    json_decref(o);
    uint64_t version = version_of(f, QR_DOC_SUBSCRIPTION, "default");
    assert_true(version > 0);
    assert_int_equal(qri_docs_prepare(f->control, NULL), QR_OK); /* the next start keeps them */
    assert_int_equal(version_of(f, QR_DOC_SUBSCRIPTION, "default"), version);
    assert_true(version_of(f, QR_DOC_REGION, "eastus") > 0);
    qr_buf_done(&buf);
}

static void test_who_comes_second_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, QR_DOC_GROUP, "one", "{\"a\":1}", 0, NULL), QR_OK);
    uint64_t first = version_of(f, QR_DOC_GROUP, "ONE");
    assert_int_equal(put(f, QR_DOC_GROUP, "one", "{\"a\":2}", 0, NULL), QR_CONFLICT);
    assert_int_equal(put(f, QR_DOC_GROUP, "One", "{\"a\":2}", first, NULL), QR_OK);
    assert_int_equal(put(f, QR_DOC_GROUP, "one", "{\"a\":3}", first, NULL), QR_CONFLICT);
    assert_int_equal(put(f, QR_DOC_GROUP, "one", "{\"a\":3}", UINT64_MAX, NULL), QR_OK);
    assert_true(version_of(f, QR_DOC_GROUP, "one") > first);
    assert_int_equal(qr_doc_delete(peer_of(f), QR_DOC_GROUP, qr_str("ONE"), TIME_NS, NULL), QR_OK);
    assert_int_equal(version_of(f, QR_DOC_GROUP, "one"), 0);
    assert_int_equal(qr_doc_delete(peer_of(f), QR_DOC_GROUP, qr_str("one"), TIME_NS, NULL),
                     QR_NOT_FOUND);
}

static void test_what_has_to_stay_is_kept(void **state)
{
    struct fixture *f = *state;
    struct qr_err err = {0};
    char big[QR_DOC_TEXT_BYTES_MAX + 2];
    memset(big, ' ', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(put(f, QR_DOC_SERVER, "other", "{\"group\":\"myResourceGroup\"}", 0, &err),
                     QR_NOT_FOUND);
    assert_int_equal(put(f, QR_DOC_SERVER, "server01", "{\"group\":\"no\"}", UINT64_MAX, NULL),
                     QR_NOT_FOUND);
    assert_int_equal(put(f, QR_DOC_GROUP, "x", "[1]", 0, NULL), QR_INVALID);
    assert_int_equal(put(f, QR_DOC_GROUP, "x", "{\"a\":1,\"a\":2}", 0, NULL), QR_INVALID);
    assert_int_equal(put(f, QR_DOC_GROUP, "x", "{", 0, NULL), QR_INVALID);
    assert_int_equal(put(f, QR_DOC_GROUP, "", "{}", 0, NULL), QR_INVALID);
    assert_int_equal(put(f, QR_DOC_GROUP, "\xff", "{}", 0, NULL), QR_INVALID);
    assert_int_equal(put(f, QR_DOC_GROUP, "x", big, 0, NULL), QR_TOO_BIG);
    static const struct {
        enum qr_doc_kind kind;
        const char *name;
    } kept[] = {{QR_DOC_SERVER, "server01"},
                {QR_DOC_GROUP, "MYresourceGROUP"},
                {QR_DOC_SUBSCRIPTION, "default"}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_int_equal(
            qr_doc_delete(peer_of(f), kept[i].kind, qr_str(kept[i].name), TIME_NS, NULL),
            QR_CONFLICT);
}

static enum qr_status make_server(struct fixture *f, const char *name, const char *doc,
                                  struct qr_err *err)
{
    return qr_resource_make_server(qr_rpc_client_peer(f->operate), qr_str(name), qr_str("boss"),
                                   qr_str("hash"), qr_str(doc), TIME_NS, err);
}

static void test_a_region_has_as_many_servers_as_it_may(void **state)
{
    static const char east[] = "{\"group\":\"myResourceGroup\",\"location\":\"eastus\"}";
    static const char west[] = "{\"group\":\"myResourceGroup\",\"location\":\"westus\"}";
    struct fixture *f = *state;
    struct qr_err err = {0};
    char name[16];
    for (int i = 2; i <= QR_SERVERS_A_REGION; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(make_server(f, name, east, &err), QR_OK);
    }
    assert_int_equal(make_server(f, "more", east, &err), QR_SQL);
    assert_int_equal(err.number, 40652);
    assert_int_equal(make_server(f, "S2", west, &err), QR_EXISTS);
    assert_int_equal(make_server(f, "more", "{\"group\":\"no\",\"location\":\"westus\"}", &err),
                     QR_NOT_FOUND);
    assert_int_equal(make_server(f, "more", "[]", &err), QR_INVALID);
    assert_int_equal(make_server(f, "more", west, &err), QR_OK);
    for (uint32_t number = 0; number <= QR_SERVERS_A_REGION; number++) {
        struct qr_resource_database d;
        if (number > 0) /* the bed makes no master of the first one */
            assert_int_equal(
                qr_resource_database_get(peer_of(f), number, qr_str("master"), TIME_NS, &d, NULL),
                QR_OK);
    }
}

struct seen {
    int count;
    char last[64];
};

static enum qr_status see(void *ctx, const struct qr_doc *doc)
{
    struct seen *seen = ctx;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)doc->name.n, doc->name.p);
    assert_true(strcmp(name, seen->last) > 0);
    memcpy(seen->last, name, sizeof name);
    seen->count++;
    return QR_OK;
}

static void test_a_long_list_comes_whole_and_in_order(void **state)
{
    struct fixture *f = *state;
    static char text[20000];
    struct seen all = {0, ""}, some = {0, ""};
    int n = snprintf(text, sizeof text, "{\"a\":\"");
    memset(text + n, 'x', sizeof text - (size_t)n - 3);
    memcpy(text + sizeof text - 3, "\"}", 3);
    for (int i = 0; i < 60; i++) { /* more than one answer takes */
        char name[32];
        snprintf(name, sizeof name, "%c/%02d", 'a' + i % 2, i);
        assert_int_equal(put(f, QR_DOC_POLICY, name, text, 0, NULL), QR_OK);
    }
    assert_int_equal(qr_doc_each(peer_of(f), QR_DOC_POLICY, qr_str(""), TIME_NS, see, &all, NULL),
                     QR_OK);
    assert_int_equal(all.count, 60);
    assert_int_equal(
        qr_doc_each(peer_of(f), QR_DOC_POLICY, qr_str("b/"), TIME_NS, see, &some, NULL), QR_OK);
    assert_int_equal(some.count, 30);
}

struct maker {
    struct fixture *f;
    atomic_bool over;
};

static void *make_servers(void *arg)
{
    struct maker *maker = arg;
    bool good = true;
    for (int i = 0; i < 300 && good; i++) {
        uint32_t number = 0;
        good = qr_registry_make_server(maker->f->registry, qr_str("other"), qr_str("admin"),
                                       qr_str("hash"), NULL, &number, NULL) == QR_OK &&
               qr_registry_remove_server(maker->f->registry, number, NULL, NULL) == QR_OK;
    }
    atomic_store(&maker->over, true);
    return good ? arg : NULL;
}

/* The registry writes to the store under its lock, so the store's is not held for the registry. */
static void test_servers_are_listed_while_some_come_and_go(void **state)
{
    struct maker maker = {.f = *state};
    pthread_t thread;
    void *made = NULL;
    assert_int_equal(pthread_create(&thread, NULL, make_servers, &maker), 0);
    do {
        struct seen all = {0, ""};
        assert_int_equal(
            qr_doc_each(peer_of(maker.f), QR_DOC_SERVER, qr_str(""), TIME_NS, see, &all, NULL),
            QR_OK);
        assert_int_equal(all.count, 1);
    } while (!atomic_load(&maker.over));
    pthread_join(thread, &made);
    assert_non_null(made);
}

static void test_a_database_is_shown_with_traits_tags_and_version(void **state)
{
    struct fixture *f = *state;
    static struct qr_resource_database d;
    struct qr_control_ask ask = {
        .name = qr_str("shop"),
        .objective = qr_str("GP_S_Gen5_2"),
        .tags = qr_str("{\"team\":\"sales\"}"),
        .traits = {.auto_pause_minutes = -1, .redundancy = QR_REDUNDANCY_GEO}};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_resource_database_get(peer_of(f), 0, qr_str("SHOP"), TIME_NS, &d, NULL),
                     QR_OK);
    assert_string_equal(d.tags, "{\"team\":\"sales\"}");
    assert_int_equal(d.row.traits.auto_pause_minutes, -1);
    assert_int_equal(d.row.traits.redundancy, QR_REDUNDANCY_GEO);
    assert_string_equal(qr_resource_status(&d), "Online");
    assert_string_equal(d.requested_objective, "GP_S_Gen5_2");
    assert_true(d.earliest_restore_wall_ns == 0); /* it has no backup yet */
    struct qr_control_ask backed_up = {.id = d.row.id, .name = qr_str(d.row.timeline)};
    static const int64_t told_ms[] = {7, 6, 9, 7}, earliest_ms[] = {7, 7, 9, 9};
    for (int i = 0; i < 4; i++) { /* the oldest goes with its retention, and does not come back */
        backed_up.restore_wall_ns = (uint64_t)(d.create_wall_ns + told_ms[i] * 1000000);
        assert_int_equal(call(f->operate, QR_CONTROL_BACKED_UP, &backed_up, NULL, NULL), QR_OK);
        assert_int_equal(qr_resource_database_get(peer_of(f), 0, qr_str("shop"), TIME_NS, &d, NULL),
                         QR_OK);
        assert_true(d.earliest_restore_wall_ns == d.create_wall_ns + earliest_ms[i] * 1000000);
    }
    uint64_t version = d.version;
    ask = (struct qr_control_ask){.name = qr_str("shop"), .tags = qr_str("{}")};
    assert_int_equal(call(f->operate, QR_CONTROL_ALTER, &ask, NULL, NULL), QR_OK);
    assert_int_equal(qr_resource_database_get(peer_of(f), 0, qr_str("shop"), TIME_NS, &d, NULL),
                     QR_OK);
    assert_string_equal(d.tags, "{}");
    assert_true(d.version > version);
    ask.tags = qr_str("[]");
    assert_int_equal(call(f->operate, QR_CONTROL_ALTER, &ask, NULL, NULL), QR_INVALID);
    assert_int_equal(qr_resource_database_get(peer_of(f), 0, qr_str("no"), TIME_NS, &d, NULL),
                     QR_NOT_FOUND);
}

static _Atomic int64_t moved_ns;

static int64_t moved_wall_ns(struct qr_env *env)
{
    return qr_env_real()->ops->wall_ns(env) + atomic_load(&moved_ns);
}

static int prepared_moved(void **state)
{
    static struct qr_env_ops ops;
    static struct qr_env moved = {&ops};
    ops = *qr_env_real()->ops;
    ops.wall_ns = moved_wall_ns;
    atomic_store(&moved_ns, 0);
    bed_env = &moved;
    return prepared(state);
}

static int teardown_moved(void **state)
{
    int code = teardown(state);
    bed_env = NULL;
    return code;
}

static int64_t earliest_of(struct fixture *f, const char *name)
{
    static struct qr_resource_database d;
    assert_int_equal(qr_resource_database_get(peer_of(f), 0, qr_str(name), TIME_NS, &d, NULL),
                     QR_OK);
    return d.earliest_restore_wall_ns;
}

static void test_a_longer_retention_brings_nothing_back(void **state)
{
    static const int64_t DAY = INT64_C(86400) * 1000000000;
    struct fixture *f = *state;
    struct qr_database_row row;
    struct qr_database_wish wish = {.edition = qr_str("Hyperscale")};
    assert_int_equal(qr_registry_add_database(f->registry, 0, qr_str("h"), &wish, &row, NULL),
                     QR_OK);
    assert_int_equal(qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, NULL), QR_OK);
    int64_t made = earliest_of(f, "h");
    struct qr_control_ask ask = {.name = qr_str("h"), .id = 2};
    assert_int_equal(call(f->operate, QR_CONTROL_RETENTION, &ask, NULL, NULL), QR_OK);
    atomic_fetch_add(&moved_ns, 10 * DAY);
    assert_true(earliest_of(f, "h") >= made + 8 * DAY);
    ask.id = 35;
    assert_int_equal(call(f->operate, QR_CONTROL_RETENTION, &ask, NULL, NULL), QR_OK);
    int64_t left = earliest_of(f, "h");
    assert_true(left >= made + 8 * DAY);
    atomic_fetch_add(&moved_ns, 20 * DAY);
    assert_true(earliest_of(f, "h") == left);
    atomic_fetch_add(&moved_ns, 20 * DAY);
    assert_true(earliest_of(f, "h") >= made + 15 * DAY);
}

static enum qr_status count(void *ctx, const struct qr_operation_row *row)
{
    (void)row;
    *(int *)ctx += 1;
    return QR_OK;
}

static void test_operations_are_forgotten_an_hour_after_their_end(void **state)
{
    struct fixture *f = *state;
    int before = 0, after = 0;
    create(f, "shop");
    create(f, "other");
    assert_int_equal(qr_operation_each(peer_of(f), 0, qr_str(""), TIME_NS, count, &before, NULL),
                     QR_OK);
    pthread_mutex_lock(&f->control->ops.mu);
    f->control->ops.newest->row.modify_wall_ns -= QR_OPERATION_KEPT_NS + 1000000000;
    f->control->ops.expire_at_ns = 0;
    pthread_mutex_unlock(&f->control->ops.mu);
    qr_control_tick(f->control);
    assert_int_equal(qr_operation_each(peer_of(f), 0, qr_str(""), TIME_NS, count, &after, NULL),
                     QR_OK);
    assert_int_equal(after, before - 1);
    after = 0;
    assert_int_equal(qr_operation_each(peer_of(f), 0, qr_str("SHOP"), TIME_NS, count, &after, NULL),
                     QR_OK);
    assert_int_equal(after, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, prepared, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_first_start_makes_what_clients_ask_for),
        T(test_who_comes_second_is_told),
        T(test_what_has_to_stay_is_kept),
        T(test_a_region_has_as_many_servers_as_it_may),
        T(test_a_long_list_comes_whole_and_in_order),
        T(test_servers_are_listed_while_some_come_and_go),
        T(test_a_database_is_shown_with_traits_tags_and_version),
        T(test_operations_are_forgotten_an_hour_after_their_end),
        cmocka_unit_test_setup_teardown(test_a_longer_retention_brings_nothing_back, prepared_moved,
                                        teardown_moved),
    };
    return cmocka_run_group_tests_name("ctl/resources", tests, NULL, NULL);
}
