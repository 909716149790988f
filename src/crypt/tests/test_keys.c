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

static void reopen(struct fixture *f)
{
    close_all(f);
    open_all(f, false);
}

/* Objects of keys that there are. */
static bool count_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)name;
    (void)info;
    ++*(int *)arg;
    return true;
}

static int objects(struct fixture *f)
{
    int count = 0;
    assert_int_equal(qr_blob_list(f->blob, "keys/", count_name, &count, NULL), QR_OK);
    return count;
}

static void test_a_lost_or_damaged_key_comes_from_its_copy(void **state)
{
    static const char name[] = "keys/01000000000000000000000000000000",
                      copy[] = "keys/01000000000000000000000000000000.copy";
    struct fixture *f = *state;
    struct qr_data_key made, got;
    uint64_t count = 0;
    assert_int_equal(qr_keyring_take(f->ring, &tl_a, &made, NULL), QR_OK);
    assert_int_equal(objects(f), 2);
    for (int round = 0; round < 4; round++) { /* lost, damaged; found, taken, wrapped again */
        if (round % 2 == 0)
            assert_int_equal(qr_blob_delete(f->blob, name, NULL, NULL), QR_OK);
        else
            assert_int_equal(qr_blob_put(f->blob, name, "QRKY damaged", 12, NULL, NULL, NULL),
                             QR_OK);
        reopen(f);
        assert_int_equal(qr_keyring_find(f->ring, &tl_a, made.id, &got, NULL), QR_OK);
        assert_memory_equal(got.bytes, made.bytes, QR_KEY_BYTES);
        assert_int_equal(objects(f), round % 2 == 0 ? 1 : 2); /* who only reads writes nothing */
        reopen(f);
        if (round < 2)
            assert_int_equal(qr_keyring_take(f->ring, &tl_a, &got, NULL), QR_OK);
        else
            assert_int_equal(qr_keyring_rewrap(f->ring, &count, NULL), QR_OK);
        assert_int_equal(qr_blob_delete(f->blob, copy, NULL, NULL), QR_OK);
        reopen(f);
        assert_int_equal(qr_keyring_find(f->ring, &tl_a, made.id, &got, NULL), QR_OK);
        assert_memory_equal(got.bytes, made.bytes, QR_KEY_BYTES);
        assert_int_equal(qr_keyring_rewrap(f->ring, &count, NULL), QR_OK); /* makes it again */
        assert_int_equal(objects(f), 2);
        assert_int_equal(count, 0);
    }
    assert_int_equal(qr_keyring_destroy(f->ring, &tl_a, NULL), QR_OK);
    assert_int_equal(objects(f), 0);
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

static void put_file(struct fixture *f, const char *name, const struct qr_buf *bytes)
{
    assert_int_equal(qr_env_replace_file(f->env, name, bytes->data, bytes->len, NULL), QR_OK);
}

static void assert_file(struct fixture *f, const char *name, const struct qr_buf *bytes)
{
    struct qr_buf got;
    qr_buf_init(&got, 1 << 16);
    assert_int_equal(qr_env_read_file(f->env, name, &got, NULL), QR_OK);
    assert_int_equal(got.len, bytes->len);
    assert_memory_equal(got.data, bytes->data, bytes->len);
    qr_buf_done(&got);
}

/* What is lost, cut or changed in one file comes back from the other; a look changes nothing. */
static void test_a_pair_is_mended_from_either_file(void **state)
{
    static const char *const names[] = {"pair", "pair.copy"};
    struct fixture *f = *state;
    struct qr_data_key made, got;
    struct qr_buf whole, bad;
    qr_buf_init(&whole, 1 << 16);
    qr_buf_init(&bad, 1 << 16);
    assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MEND, &got, NULL),
                     QR_NOT_FOUND);
    assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MAKE, &made, NULL),
                     QR_OK);
    assert_int_equal(qr_env_read_file(f->env, "pair", &whole, NULL), QR_OK);
    assert_file(f, "pair.copy", &whole);
    for (size_t byte = 0; byte <= whole.len + 1; byte++) /* then: cut; not there */
        for (size_t i = 0; i < 2; i++) {
            bad.len = 0;
            qr_buf_add(&bad, whole.data, whole.len);
            if (byte < whole.len)
                bad.data[byte] ^= 1;
            else
                bad.len = whole.len / 2;
            put_file(f, names[i], &bad);
            if (byte > whole.len)
                assert_int_equal(qr_env_unlink(f->env, names[i], NULL), QR_OK);
            assert_int_equal(
                qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_LOOK, &got, NULL), QR_OK);
            assert_memory_equal(got.bytes, made.bytes, QR_KEY_BYTES);
            if (byte <= whole.len)
                assert_file(f, names[i], &bad);
            assert_int_equal(
                qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MAKE, &got, NULL), QR_OK);
            assert_memory_equal(got.bytes, made.bytes, QR_KEY_BYTES);
            assert_file(f, "pair", &whole);
            assert_file(f, "pair.copy", &whole);
        }
    bad.len = 0;
    qr_buf_add(&bad, whole.data, whole.len / 2);
    put_file(f, "pair", &bad);
    put_file(f, "pair.copy", &bad);
    assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MAKE, &got, NULL),
                     QR_CORRUPT); /* nobody takes a new one for it */
    assert_int_equal(qr_env_unlink(f->env, "pair", NULL), QR_OK);
    assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MAKE, &got, NULL),
                     QR_CORRUPT);
    qr_buf_done(&whole);
    qr_buf_done(&bad);
}

/* Whichever file a rotation did not come to. */
static void test_a_rotation_reaches_both_files_of_a_pair(void **state)
{
    static const char *const names[] = {"pair", "pair.copy"};
    struct fixture *f = *state;
    struct qr_data_key made, got;
    struct qr_buf old;
    char id[QR_SERVER_KEY_ID_HEX_BYTES];
    bool changed = false;
    qr_buf_init(&old, 1 << 16);
    assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_MAKE, &made, NULL),
                     QR_OK);
    assert_int_equal(qr_env_read_file(f->env, "pair", &old, NULL), QR_OK);
    qr_server_key_id(f->key, id);
    close_all(f);
    assert_int_equal(qr_server_key_renew(f->env, path, NULL), QR_OK);
    open_all(f, false);
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            put_file(f, names[i - 1], &old);
        assert_int_equal(qr_key_pair_rewrap(f->key, f->env, "pair", &changed, NULL), QR_OK);
        assert_int_equal(changed, i < 2); /* the first counts */
    }
    close_all(f);
    assert_int_equal(qr_server_key_retire(f->env, path, NULL), QR_OK);
    open_all(f, false);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(qr_key_pair_take(f->key, f->env, "pair", tl_a.id, QR_KEY_LOOK, &got, NULL),
                         QR_OK);
        assert_memory_equal(got.bytes, made.bytes, QR_KEY_BYTES);
        assert_int_equal(qr_env_unlink(f->env, "pair", NULL), i == 0 ? QR_OK : QR_NOT_FOUND);
    }
    qr_buf_done(&old);
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
        T(test_a_lost_or_damaged_key_comes_from_its_copy),
        T(test_a_pair_is_mended_from_either_file),
        T(test_a_rotation_reaches_both_files_of_a_pair),
        T(test_a_destroyed_key_is_gone),
        T(test_every_flipped_bit_of_a_wrapped_key_is_found),
        T(test_what_is_no_key_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
