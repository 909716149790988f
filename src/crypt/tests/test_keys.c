/* test_keys.c - server key, data keys, key ring */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <string.h>
#include "crypt/keyring.h"
#include "env/sim.h"

static const char path[] = "server.key";
static const struct qr_timeline tl_a = {{1}}, tl_b = {{2}};

struct fixture {
    struct qr_sim *sim;
    struct qr_env *env;
    struct qr_server_key *key;
    struct qr_blob *blob;
    struct qr_keyring *ring;
};

static void open_all(struct fixture *f, bool make)
{
    assert_int_equal(qr_server_key_open(f->env, path, make, &f->key, NULL), QR_OK);
    assert_int_equal(qr_blob_open(f->env, NULL, "file:///store", "", &f->blob, NULL), QR_OK);
    assert_int_equal(qr_keyring_new(f->env, f->key, f->blob, &f->ring, NULL), QR_OK);
}

static void close_all(struct fixture *f)
{
    qr_keyring_free(f->ring);
    qr_blob_close(f->blob);
    qr_server_key_close(f->key);
    f->ring = NULL;
    f->blob = NULL;
    f->key = NULL;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 3})};
    f.env = qr_sim_env(f.sim);
    open_all(&f, true);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close_all(f);
    qr_sim_free(f->sim);
    return 0;
}

static void test_a_timelines_key_is_made_once_and_found_again(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key one, again, other;
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &one, NULL), QR_OK);
    assert_int_equal(qr_keyring_take(f->ring, &tl_b, &other, NULL), QR_OK);
    assert_memory_not_equal(one.bytes, other.bytes, QR_KEY_BYTES);
    close_all(f);
    qr_sim_power_cut(f->sim); /* it was durable when it was given out */
    open_all(f, false);
    assert_int_equal(qr_keyring_find(f->ring, &tl_a, one.id, &again, NULL), QR_OK);
    assert_memory_equal(one.bytes, again.bytes, QR_KEY_BYTES);
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &again, NULL), QR_OK);
    assert_int_equal(one.id, again.id);
}

static void test_who_makes_it_second_takes_the_first(void **state)
{
    struct fixture *f = *state;
    struct qr_keyring *second = NULL;
    struct qr_data_key one, two;
    assert_int_equal(qr_keyring_new(f->env, f->key, f->blob, &second, NULL), QR_OK);
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &one, NULL), QR_OK);
    assert_int_equal(qr_keyring_take(second, &tl_a, &two, NULL), QR_OK);
    assert_memory_equal(one.bytes, two.bytes, QR_KEY_BYTES);
    qr_keyring_free(second);
}

static void test_another_key_than_the_one_asked_for_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key key;
    struct qr_err err;
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &key, NULL), QR_OK);
    qr_err_reset(&err);
    assert_int_equal(qr_keyring_find(f->ring, &tl_a, key.id + 1, &key, &err), QR_DENIED);
    assert_non_null(strstr(err.text, "keys/0100000000"));
    qr_err_reset(&err);
    assert_int_equal(qr_keyring_find(NULL, &tl_a, 77, &key, &err), QR_DENIED);
    assert_non_null(strstr(err.text, "no server key, or no store"));
    assert_int_equal(qr_keyring_find(f->ring, &tl_b, 1, &key, NULL), QR_DENIED);
}

static void test_a_lost_server_key_is_named(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key key;
    struct qr_err err;
    char id[QR_SERVER_KEY_ID_HEX_BYTES];
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &key, NULL), QR_OK);
    qr_server_key_id(f->key, id);
    close_all(f);
    assert_int_equal(qr_env_unlink(f->env, path, NULL), QR_OK);
    qr_err_reset(&err);
    assert_int_equal(qr_server_key_open(f->env, path, false, &f->key, &err), QR_NOT_FOUND);
    assert_non_null(strstr(err.text, "server key file 'server.key' is missing"));
    open_all(f, true); /* another one */
    qr_err_reset(&err);
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &key, &err), QR_DENIED);
    assert_non_null(strstr(err.text, id));
    assert_non_null(strstr(err.text, "server.key"));
}

static void test_rotation_wraps_again_and_keeps_data_keys(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key one, file_key, again;
    char id[QR_SERVER_KEY_ID_HEX_BYTES];
    uint64_t count = 0;
    bool changed = false;
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &one, NULL), QR_OK);
    assert_int_equal(qr_key_file_take(f->key, f->env, "key", tl_b.id, true, &file_key, NULL),
                     QR_OK);
    qr_server_key_id(f->key, id);
    close_all(f);
    assert_int_equal(qr_server_key_renew(f->env, path, NULL), QR_OK);
    assert_int_equal(qr_server_key_renew(f->env, path, NULL),
                     QR_OK); /* cut short and begun again */
    open_all(f, false);
    assert_true(qr_server_key_has(f->key, id));
    assert_int_equal(qr_keyring_find(f->ring, &tl_a, one.id, &again, NULL),
                     QR_OK); /* under the old one still */
    assert_int_equal(qr_keyring_rewrap(f->ring, &count, NULL), QR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(qr_key_file_rewrap(f->key, f->env, "key", &changed, NULL), QR_OK);
    assert_true(changed);
    assert_int_equal(qr_key_file_rewrap(f->key, f->env, "key", &changed, NULL), QR_OK);
    assert_false(changed);
    close_all(f);
    assert_int_equal(qr_server_key_retire(f->env, path, NULL), QR_OK);
    open_all(f, false);
    assert_false(qr_server_key_has(f->key, id));
    assert_int_equal(qr_keyring_find(f->ring, &tl_a, one.id, &again, NULL), QR_OK);
    assert_memory_equal(one.bytes, again.bytes, QR_KEY_BYTES);
    assert_int_equal(qr_key_file_take(f->key, f->env, "key", tl_b.id, false, &again, NULL), QR_OK);
    assert_memory_equal(file_key.bytes, again.bytes, QR_KEY_BYTES);
    assert_int_equal(qr_keyring_rewrap(f->ring, &count, NULL), QR_OK);
    assert_int_equal(count, 0);
}

static void test_a_destroyed_key_is_gone(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key key;
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &key, NULL), QR_OK);
    assert_int_equal(qr_keyring_destroy(f->ring, &tl_a, NULL), QR_OK);
    assert_int_equal(qr_keyring_destroy(f->ring, &tl_a, NULL), QR_OK);
    assert_int_equal(qr_keyring_find(f->ring, &tl_a, key.id, &key, NULL), QR_DENIED);
}

static void test_every_flipped_bit_of_a_wrapped_key_is_found(void **state)
{
    struct fixture *f = *state;
    struct qr_data_key key, got;
    uint8_t wrapped[QR_WRAPPED_BYTES];
    assert_int_equal(qr_data_key_make(f->key, f->env, tl_a.id, &key, wrapped, NULL), QR_OK);
    assert_int_equal(qr_data_key_unwrap(f->key, wrapped, sizeof wrapped, tl_a.id, &got, NULL),
                     QR_OK);
    assert_memory_equal(key.bytes, got.bytes, QR_KEY_BYTES);
    assert_int_equal(qr_data_key_unwrap(f->key, wrapped, sizeof wrapped, tl_b.id, &got, NULL),
                     QR_CORRUPT);
    for (size_t bit = 0; bit < 8 * sizeof wrapped; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(
            qr_data_key_unwrap(f->key, wrapped, sizeof wrapped, tl_a.id, &got, NULL), QR_OK);
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_what_is_no_key_file_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "", "quire server key 1\n", "quire server key 2\n", "quire server key 1\nzz 00\n",
        "quire server key 1\n0011223344556677 "
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct qr_server_key *key = NULL;
        assert_int_equal(qr_env_replace_file(f->env, "bad", texts[i], strlen(texts[i]), NULL),
                         QR_OK);
        assert_int_equal(qr_server_key_open(f->env, "bad", true, &key, NULL), QR_CORRUPT);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_timelines_key_is_made_once_and_found_again),
        T(test_who_makes_it_second_takes_the_first),
        T(test_another_key_than_the_one_asked_for_is_refused_by_name),
        T(test_a_lost_server_key_is_named),
        T(test_rotation_wraps_again_and_keeps_data_keys),
        T(test_a_destroyed_key_is_gone),
        T(test_every_flipped_bit_of_a_wrapped_key_is_found),
        T(test_what_is_no_key_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
