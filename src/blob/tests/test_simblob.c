/* test_simblob.c - the failing store: what it refuses did not happen, what it loses did */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include "blob/simblob.h"
#include "env/sim.h"

struct world {
    struct qr_sim *sim;
    struct qr_blob *store, *blob;
};

static struct world begin(struct qr_simblob_faults faults)
{
    struct world w = {.sim = qr_sim_new(&(struct qr_sim_options){.seed = 5})};
    assert_int_equal(qr_blob_open(qr_sim_env(w.sim), NULL, "file:///s", "", &w.store, NULL), QR_OK);
    w.blob = qr_simblob_new(qr_sim_env(w.sim), w.store, 7, &faults);
    assert_non_null(w.blob);
    return w;
}

static void end(struct world *w)
{
    qr_blob_close(w->blob);
    qr_blob_close(w->store);
    qr_sim_free(w->sim);
}

static int value_of(struct qr_blob *blob, struct qr_blob_tag *ret_tag)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 100);
    int value = -1;
    if (qr_blob_get(blob, "count", 0, SIZE_MAX, &buf, ret_tag, NULL) == QR_OK)
        value = (int)strtol(qr_buf_cstr(&buf), NULL, 10);
    qr_buf_done(&buf);
    return value;
}

static enum qr_status put_value(struct qr_blob *blob, int value, const char *if_tag)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d", value);
    return qr_blob_put(blob, "count", text, (size_t)n, if_tag, NULL, NULL);
}

static void test_refused_writes_did_not_happen_and_lost_ones_did(void **state)
{
    (void)state;
    struct world w = begin((struct qr_simblob_faults){
        .refuse_ppm = 200000, .lose_ppm = 200000, .deny_ppm = 50000, .full_ppm = 50000});
    int value = 0, seen[QR_STATUS_COUNT] = {0};
    assert_int_equal(put_value(w.store, 0, NULL), QR_OK);
    for (int i = 0; i < 2000; i++) {
        struct qr_blob_tag tag;
        assert_int_equal(value_of(w.store, &tag), value);
        enum qr_status status = put_value(w.blob, value + 1, tag.z);
        seen[status] += 1;
        value += status == QR_OK || status == QR_TIMEOUT;
    }
    assert_int_equal(value_of(w.store, NULL), value);
    static const enum qr_status all[] = {QR_OK,     QR_TIMEOUT, QR_BUSY, QR_IO,
                                         QR_CLOSED, QR_DENIED,  QR_FULL};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_true(seen[all[i]] > 20);
    assert_int_equal(qr_simblob_operations(w.blob), 2000);
    assert_int_equal(qr_simblob_failures(w.blob), 2000 - seen[QR_OK]);
    end(&w);
}

static void test_a_store_that_is_gone_comes_back(void **state)
{
    (void)state;
    struct world w = begin((struct qr_simblob_faults){.delay_max_ns = 1000000});
    int64_t start = qr_env_mono_ns(qr_sim_env(w.sim));
    assert_int_equal(put_value(w.blob, 1, ""), QR_OK);
    qr_simblob_set_gone(w.blob, true);
    assert_int_equal(put_value(w.blob, 2, NULL), QR_CLOSED);
    assert_int_equal(value_of(w.blob, NULL), -1);
    qr_simblob_set_gone(w.blob, false);
    assert_int_equal(value_of(w.blob, NULL), 1);
    assert_true(qr_env_mono_ns(qr_sim_env(w.sim)) > start);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_writes_did_not_happen_and_lost_ones_did),
        cmocka_unit_test(test_a_store_that_is_gone_comes_back),
    };
    return cmocka_run_group_tests_name("blob/simblob", tests, NULL, NULL);
}
