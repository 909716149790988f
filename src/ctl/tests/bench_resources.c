/* bench_resources.c - 5,000 databases registered: how long creates, a list, a show, operations and
 * a start take, and the memory of it. The node answers at once, so this is control alone. */
#include <stdatomic.h>
#include <sys/resource.h>
#include "control_bed.h"
#include "ctl/resources.h"

enum { DATABASES = 5000, THREADS = 50 };

static _Atomic int next_number;

static int64_t now_ns(void)
{
    return qr_env_mono_ns(qr_env_real());
}

static void print_result(const char *name, int64_t ns, int count)
{
    printf("{\"bench\":\"ctl/%s\",\"count\":%d,\"ms\":%.3f,\"ns_per_op\":%lld}\n", name, count,
           (double)ns / 1e6, (long long)(ns / (count == 0 ? 1 : count)));
}

static void *create_main(void *arg)
{
    struct fixture *f = arg;
    int number;
    while ((number = atomic_fetch_add(&next_number, 1)) < DATABASES - 1) {
        char name[32];
        struct qr_err err = {0};
        snprintf(name, sizeof name, "db%04d", number);
        struct qr_control_ask ask = {.name = qr_str(name), .objective = qr_str("Basic")};
        if (call(f->operate, QR_CONTROL_CREATE, &ask, NULL, &err) != QR_OK)
            fail_msg("%s: %s", name, err.text);
    }
    return NULL;
}

static void *alter_main(void *arg)
{
    struct fixture *f = arg;
    char name[32];
    struct qr_err err = {0};
    snprintf(name, sizeof name, "db%04d", atomic_fetch_add(&next_number, 1));
    struct qr_control_ask ask = {.name = qr_str(name), .objective = qr_str("S0")};
    if (call(f->operate, QR_CONTROL_ALTER, &ask, NULL, &err) != QR_OK)
        fail_msg("%s: %s", name, err.text);
    return NULL;
}

static void run_all(struct fixture *f, void *(*run)(void *), const char *name, int count)
{
    pthread_t threads[THREADS];
    int64_t began = now_ns();
    atomic_store(&next_number, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(qr_thread_start("bench", 0, run, f, &threads[i], NULL), QR_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    print_result(name, now_ns() - began, count);
}

static enum qr_status count_database(void *ctx, const struct qr_resource_database *d)
{
    (void)d;
    *(int *)ctx += 1;
    return QR_OK;
}

static enum qr_status count_operation(void *ctx, const struct qr_operation_row *row)
{
    (void)row;
    *(int *)ctx += 1;
    return QR_OK;
}

static void bench_five_thousand_databases(void **state)
{
    struct fixture *f = *state;
    struct qr_control_ask one = {.name = qr_str("first"), .objective = qr_str("Basic")};
    static struct qr_resource_database d;
    int count = 0;
    int64_t began = now_ns();
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &one, NULL, NULL), QR_OK);
    print_result("create_the_first", now_ns() - began, 1);
    run_all(f, create_main, "create_50_at_once", DATABASES - 1);
    began = now_ns();
    one.name = qr_str("one too many");
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &one, NULL, NULL), QR_SQL); /* 40604 */
    began = now_ns();
    assert_int_equal(qr_resource_each_database(qr_rpc_client_peer(f->brief), QR_SERVER_ANY, TIME_NS,
                                               count_database, &count, NULL),
                     QR_OK);
    print_result("list", now_ns() - began, count);
    assert_int_equal(count, DATABASES);
    began = now_ns();
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "db%04d", i * 24);
        assert_int_equal(qr_resource_database_get(qr_rpc_client_peer(f->brief), 0, qr_str(name),
                                                  TIME_NS, &d, NULL),
                         QR_OK);
    }
    print_result("show", now_ns() - began, 200);
    count = 0;
    began = now_ns();
    assert_int_equal(qr_operation_each(qr_rpc_client_peer(f->brief), 0, qr_str(""), TIME_NS,
                                       count_operation, &count, NULL),
                     QR_OK);
    print_result("list_operations", now_ns() - began, count);
    run_all(f, alter_main, "alter_50_at_once", THREADS);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"bench\":\"ctl/memory\",\"max_rss_kib\":%ld}\n", usage.ru_maxrss);
    close_control(f);
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    began = now_ns();
    assert_int_equal(qr_meta_open(f->path, &f->meta, NULL), QR_OK);
    assert_int_equal(qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL), QR_OK);
    assert_int_equal(open_control(f), QR_OK);
    print_result("start", now_ns() - began, DATABASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bench_five_thousand_databases, setup, teardown),
    };
    return cmocka_run_group_tests_name("ctl/resources", tests, NULL, NULL);
}
