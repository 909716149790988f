/* Goal: only tokens that this server made, for this use and audience and for now, count. Method:
 * make good ones, and change one thing of each. */
#include "qr_test.h"
#include <string.h>
#include "../arm_int.h"
#include "env/sim.h"

static const int64_t NOW_S = 1800000000;

struct fixture {
    struct qri_signer *own, *other;
};

static struct qri_signer *new_signer(void)
{
    struct qr_buf pem;
    struct qri_signer *signer = NULL;
    qr_buf_init(&pem, 65536);
    assert_int_equal(qr_arm_make_key(&pem, NULL), QR_OK);
    assert_int_equal(qri_signer_new(qr_buf_cstr(&pem), &signer, NULL), QR_OK);
    qr_buf_done(&pem);
    return signer;
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){new_signer(), new_signer()};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    qri_signer_free(f->own);
    qri_signer_free(f->other);
    return 0;
}

static void sign(const struct qri_signer *signer, const char *type, const char *audience,
                 int64_t from_s, int64_t until_s, struct qr_buf *token)
{
    json_t *claims = json_pack("{s:s,s:I,s:I}", "aud", audience, "nbf", (json_int_t)from_s, "exp",
                               (json_int_t)until_s);
    qr_buf_init(token, 8192);
    assert_int_equal(qri_token_sign(signer, type, claims, token, NULL), QR_OK);
    json_decref(claims);
}

static enum qri_token_verdict check(const struct qri_signer *signer, struct qr_str token)
{
    json_t *claims = NULL;
    enum qri_token_verdict verdict =
        qri_token_check(signer, token, "at+jwt", QRI_AUDIENCE, NOW_S, &claims);
    assert_true((claims != NULL) == (verdict == QRI_TOKEN_GOOD));
    json_decref(claims);
    return verdict;
}

static void test_a_token_counts_for_its_signer_use_audience_and_time(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *name, *type, *audience;
        const struct qri_signer *signer;
        int64_t from_s, until_s;
        enum qri_token_verdict want;
    } rows[] = {
        {"good", "at+jwt", QRI_AUDIENCE, f->own, NOW_S, NOW_S + 1, QRI_TOKEN_GOOD},
        {"expired", "at+jwt", QRI_AUDIENCE, f->own, NOW_S - 9, NOW_S, QRI_TOKEN_EXPIRED},
        {"not yet", "at+jwt", QRI_AUDIENCE, f->own, NOW_S + 90, NOW_S + 99, QRI_TOKEN_EXPIRED},
        {"forged", "at+jwt", QRI_AUDIENCE, f->other, NOW_S, NOW_S + 9, QRI_TOKEN_FORGED},
        {"refresh", "rt+jwt", QRI_AUDIENCE, f->own, NOW_S, NOW_S + 9, QRI_TOKEN_FOREIGN},
        {"id", "JWT", QRI_AUDIENCE, f->own, NOW_S, NOW_S + 9, QRI_TOKEN_FOREIGN},
        {"audience", "at+jwt", "https://other/", f->own, NOW_S, NOW_S + 9, QRI_TOKEN_FOREIGN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_buf token;
        sign(rows[i].signer, rows[i].type, rows[i].audience, rows[i].from_s, rows[i].until_s,
             &token);
        if (check(f->own, qr_str(qr_buf_cstr(&token))) != rows[i].want)
            fail_msg("%s", rows[i].name);
        qr_buf_done(&token);
    }
}

static void test_every_changed_byte_and_every_cut_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct qr_buf token;
    sign(f->own, "at+jwt", QRI_AUDIENCE, NOW_S, NOW_S + 9, &token);
    for (size_t i = 0; i < token.len; i++) {
        uint8_t was = token.data[i];
        token.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(check(f->own, qr_str_n((char *)token.data, token.len)),
                             QRI_TOKEN_GOOD);
        token.data[i] = was;
        assert_int_not_equal(check(f->own, qr_str_n((char *)token.data, i)), QRI_TOKEN_GOOD);
    }
    assert_int_equal(check(f->own, qr_str_n((char *)token.data, token.len)), QRI_TOKEN_GOOD);
    qr_buf_done(&token);
}

static void test_the_algorithm_is_not_the_tokens_choice(void **state)
{
    static const char *const headers[] = {"{\"alg\":\"none\",\"typ\":\"at+jwt\"}",
                                          "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", "{}", "[]"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct qr_buf token;
        qr_buf_init(&token, 8192);
        qri_base64url_put(&token, headers[i], strlen(headers[i]));
        qr_buf_addz(&token, ".e30.");
        assert_int_equal(check(f->own, qr_str(qr_buf_cstr(&token))), QRI_TOKEN_FORGED);
        qr_buf_done(&token);
    }
}

static void test_ids_from_the_key_are_the_same_each_time(void **state)
{
    struct fixture *f = *state;
    char a[QRI_GUID_BYTES + 1], b[QRI_GUID_BYTES + 1];
    qri_signer_guid(f->own, "x", a);
    qri_signer_guid(f->own, "x", b);
    assert_string_equal(a, b);
    assert_true(qri_is_guid(qr_str(a)));
    qri_signer_guid(f->own, "y", b);
    assert_string_not_equal(a, b);
    qri_signer_guid(f->other, "x", b);
    assert_string_not_equal(a, b);
}

static void test_base64_has_one_spelling(void **state)
{
    (void)state;
    struct qr_buf buf;
    qr_buf_init(&buf, 64);
    assert_true(qri_base64url_get(qr_str("_-8"), &buf) && buf.len == 2);
    assert_int_equal(buf.data[0], 0xff);
    static const char *const bad[] = {"A", "AB", "_-9", "A=", "A+BC", "A BC"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        qr_buf_clear(&buf);
        if (qri_base64url_get(qr_str(bad[i]), &buf))
            fail_msg("%s", bad[i]);
    }
    qr_buf_done(&buf);
}

static void test_a_throttle_lets_through_what_it_says_and_no_more(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qri_throttle *throttle = NULL;
    assert_int_equal(qri_throttle_new(qr_sim_env(sim), 10, &throttle, NULL), QR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(qri_throttle_take(throttle, qr_str("a")), 0);
    uint32_t wait_s = qri_throttle_take(throttle, qr_str("a"));
    assert_in_range(wait_s, 1, 7);
    assert_int_equal(qri_throttle_take(throttle, qr_str("b")), 0);
    qr_sim_advance(sim, wait_s * INT64_C(1000000000));
    assert_int_equal(qri_throttle_take(throttle, qr_str("a")), 0);
    assert_int_not_equal(qri_throttle_take(throttle, qr_str("a")), 0);
    qri_throttle_forgive(throttle, qr_str("a"));
    for (int i = 0; i < 10; i++)
        assert_int_equal(qri_throttle_take(throttle, qr_str("a")), 0);
    qri_throttle_free(throttle);
    qr_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_counts_for_its_signer_use_audience_and_time),
        cmocka_unit_test(test_every_changed_byte_and_every_cut_is_noticed),
        cmocka_unit_test(test_the_algorithm_is_not_the_tokens_choice),
        cmocka_unit_test(test_ids_from_the_key_are_the_same_each_time),
        cmocka_unit_test(test_base64_has_one_spelling),
        cmocka_unit_test(test_a_throttle_lets_through_what_it_says_and_no_more),
    };
    return cmocka_run_group_tests_name("arm/token", tests, set_up, tear_down);
}
