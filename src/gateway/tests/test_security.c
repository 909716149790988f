/* Goal: passwords are checked at a price, failures delay only the pair that failed, rules decide by
 * range, and the first certificate is good for what it names. */
#include "qr_test.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include "env/sim.h"
#include "gateway/cert.h"
#include "gateway_int.h"

static void test_firewall_allows_what_a_rule_covers_and_nothing_else(void **state)
{
    (void)state;
    struct qr_firewall f;
    uint32_t a, b;
    qr_firewall_init(&f);
    assert_true(qr_firewall_parse_address(qr_str("10.0.0.10"), &a));
    assert_true(qr_firewall_parse_address(qr_str("10.0.0.20"), &b));
    assert_false(qr_firewall_allows(&f, 0, 5, a));
    assert_int_equal(qr_firewall_set(&f, 0, qr_str("office"), a, b, NULL), QR_OK);
    assert_true(qr_firewall_allows(&f, 0, 5, a));
    assert_true(qr_firewall_allows(&f, 0, 5, b));
    assert_false(qr_firewall_allows(&f, 0, 5, a - 1));
    assert_false(qr_firewall_allows(&f, 0, 5, b + 1));
    assert_int_equal(qr_firewall_set(&f, 0, qr_str("OFFICE"), b, b, NULL), QR_OK);
    assert_false(qr_firewall_allows(&f, 0, 5, a));
    assert_int_equal(f.count, 1);
    assert_true(qr_firewall_remove(&f, 0, qr_str("Office")));
    assert_false(qr_firewall_remove(&f, 0, qr_str("Office")));
    assert_false(qr_firewall_allows(&f, 0, 5, b));
    qr_firewall_done(&f);
}

static void test_a_rule_of_a_database_lets_nobody_into_another(void **state)
{
    (void)state;
    struct qr_firewall f;
    qr_firewall_init(&f);
    assert_int_equal(qr_firewall_set(&f, 5, qr_str("office"), 10, 20, NULL), QR_OK);
    assert_int_equal(qr_firewall_set(&f, 6, qr_str("office"), 30, 40, NULL), QR_OK);
    assert_true(qr_firewall_allows(&f, 0, 5, 10));
    assert_false(qr_firewall_allows(&f, 0, 6, 10));
    assert_false(qr_firewall_allows(&f, 0, 0, 10));
    assert_false(qr_firewall_remove(&f, 0, qr_str("office")));
    qr_firewall_remove_all(&f, 5);
    assert_false(qr_firewall_allows(&f, 0, 5, 10));
    assert_true(qr_firewall_allows(&f, 0, 6, 30));
    qr_firewall_done(&f);
}

static void test_bad_firewall_rules_are_refused(void **state)
{
    (void)state;
    struct qr_firewall f;
    char name[32];
    uint32_t a;
    qr_firewall_init(&f);
    assert_int_equal(qr_firewall_set(&f, 0, qr_str("x"), 2, 1, NULL), QR_INVALID);
    assert_int_equal(qr_firewall_set(&f, 0, qr_str(""), 1, 2, NULL), QR_INVALID);
    for (int i = 0; i < QR_FIREWALL_RULES_MAX; i++) {
        snprintf(name, sizeof name, "r%d", i);
        assert_int_equal(qr_firewall_set(&f, 0, qr_str(name), 1, 2, NULL), QR_OK);
    }
    assert_int_equal(qr_firewall_set(&f, 0, qr_str("one more"), 1, 2, NULL), QR_FULL);
    assert_false(qr_firewall_parse_address(qr_str("10.0.0"), &a));
    assert_false(qr_firewall_parse_address(qr_str("10.0.0.256"), &a));
    assert_false(qr_firewall_parse_address(qr_str("10.0.0.1 "), &a));
    qr_firewall_done(&f);
}

static void test_the_certificate_names_localhost_and_its_key_fits(void **state)
{
    (void)state;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 5});
    struct qr_buf key_pem, cert_pem;
    qr_buf_init(&key_pem, 65536);
    qr_buf_init(&cert_pem, 65536);
    assert_int_equal(qr_cert_make(qr_sim_env(sim), "db.example.org", &key_pem, &cert_pem, NULL),
                     QR_OK);
    BIO *bio = BIO_new_mem_buf(qr_buf_cstr(&cert_pem), -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(cert);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "db.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    SSL_CTX *ctx = NULL;
    assert_int_equal(
        qri_tds_tls_context_new(qr_buf_cstr(&key_pem), qr_buf_cstr(&cert_pem), &ctx, NULL), QR_OK);
    SSL_CTX_free(ctx);
    X509_free(cert);
    BIO_free(bio);
    qr_buf_done(&key_pem);
    qr_buf_done(&cert_pem);
    qr_sim_free(sim);
}

/* ---- passwords ---- */

static char hash[QR_PASSWORD_HASH_BYTES];

static enum qr_status find_login(void *ctx, uint32_t server_id, struct qr_str login,
                                 struct qr_login_record *ret_record, struct qr_err *err)
{
    (void)ctx;
    (void)server_id;
    if (!qr_str_ieqz(login, "sa") && !qr_str_ieqz(login, "off"))
        return qr_fail(err, QR_NOT_FOUND, "no such login");
    *ret_record = (struct qr_login_record){.is_disabled = qr_str_ieqz(login, "off")};
    memcpy(ret_record->hash, hash, sizeof hash);
    return QR_OK;
}
static const struct qr_login_directory directory = {.find = find_login};

struct waiting_job {
    struct qri_auth_job job; /* first */
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool is_done;
};

static void job_done(struct qri_auth_job *job)
{
    struct waiting_job *waiting = (struct waiting_job *)job;
    pthread_mutex_lock(&waiting->mu);
    waiting->is_done = true;
    pthread_cond_signal(&waiting->cond);
    pthread_mutex_unlock(&waiting->mu);
}

static enum qri_auth_result run_job(struct qri_auth *auth, struct waiting_job *w, const char *login,
                                    const char *password, uint8_t address, int64_t wait_ns_max)
{
    w->job.login = qr_str(login);
    w->job.password = qr_str(password);
    w->job.address_key[0] = address;
    w->job.wait_ns_max = wait_ns_max;
    w->job.done = job_done;
    w->is_done = false;
    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->cond, NULL);
    qri_auth_submit(auth, &w->job);
    pthread_mutex_lock(&w->mu);
    while (!w->is_done)
        pthread_cond_wait(&w->cond, &w->mu);
    pthread_mutex_unlock(&w->mu);
    return w->job.result;
}

static enum qri_auth_result try_login(struct qri_auth *auth, const char *login,
                                      const char *password, uint8_t address, int64_t wait_ns_max)
{
    struct waiting_job w = {.is_done = false};
    return run_job(auth, &w, login, password, address, wait_ns_max);
}

static int auth_setup(void **state)
{
    struct qri_auth *auth = NULL;
    if (qr_password_hash(qr_str("right"), hash, NULL) != QR_OK ||
        qri_auth_new(qr_env_real(), &directory, &auth, NULL) != QR_OK)
        return 1;
    *state = auth;
    return 0;
}

static int auth_teardown(void **state)
{
    qri_auth_free(*state);
    return 0;
}

static void test_only_the_right_password_of_an_enabled_login_passes(void **state)
{
    static const struct {
        const char *login, *password;
        enum qri_auth_result want;
    } rows[] = {
        {"sa", "right", QRI_AUTH_OK},
        {"SA", "right", QRI_AUTH_OK},
        {"sa", "Right", QRI_AUTH_WRONG_PASSWORD},
        {"sa", "", QRI_AUTH_WRONG_PASSWORD},
        {"nobody", "right", QRI_AUTH_UNKNOWN_LOGIN},
        {"off", "right", QRI_AUTH_DISABLED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(try_login(*state, rows[i].login, rows[i].password, 1, 0), rows[i].want);
}

/* A database's own user: his hash comes with the job, and no login of his name counts. */
static void test_an_own_user_is_checked_by_the_hash_that_comes_along(void **state)
{
    static const struct {
        const char *login, *password;
        bool has_hash;
        enum qri_auth_result want;
    } rows[] = {
        {"own", "right", true, QRI_AUTH_OK},
        {"own", "wrong", true, QRI_AUTH_WRONG_PASSWORD},
        {"off", "right", true, QRI_AUTH_OK},
        {"sa", "right", false, QRI_AUTH_UNKNOWN_LOGIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct waiting_job w = {.job = {.is_own = true, .defers = true}};
        if (rows[i].has_hash)
            memcpy(w.job.own_hash, hash, sizeof hash);
        assert_int_equal(run_job(*state, &w, rows[i].login, rows[i].password, 1, 0), rows[i].want);
        assert_false(w.job.is_admin);
    }
}

/* What a job that defers came to counts when it is told, and not before. */
static void test_a_deferred_failure_counts_when_it_is_settled(void **state)
{
    struct waiting_job w = {.job = {.defers = true}};
    for (int i = 0; i < 10; i++)
        assert_int_equal(run_job(*state, &w, "sa", "wrong", 9, 0), QRI_AUTH_WRONG_PASSWORD);
    for (int i = 0; i < 10; i++)
        qri_auth_settle(*state, &w.job, false);
    /* also who knows the password waits */
    assert_int_equal(run_job(*state, &w, "sa", "right", 9, 0), QRI_AUTH_TOO_MANY);
    w.job.result = QRI_AUTH_OK;
    qri_auth_settle(*state, &w.job, true);
    assert_int_equal(run_job(*state, &w, "sa", "right", 9, 0), QRI_AUTH_OK);
}

/* Who makes a user in his own database is not forgiven guesses at others of that name with it. */
static void test_a_databases_user_forgives_guesses_at_himself_alone(void **state)
{
    static const struct {
        const char *name, *guessed[2], *let_in;
        enum qri_auth_result want;
    } rows[] = {
        {"sa", {"mine", "mine"}, "mine", QRI_AUTH_TOO_MANY}, /* a login is guessed at with each */
        {"own", {"mine", "mine"}, "mine", QRI_AUTH_UNKNOWN_LOGIN},
        {"own", {"his", "his"}, "mine", QRI_AUTH_TOO_MANY},
        {"own", {"mine", "his"}, "mine", QRI_AUTH_TOO_MANY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct waiting_job w = {.job = {.defers = true}};
        uint8_t address = (uint8_t)(20 + i);
        for (int n = 0; n < 4; n++) {
            w.job.place = qr_str(rows[i].guessed[n % 2]);
            (void)run_job(*state, &w, rows[i].name, "guess", address, 0);
            qri_auth_settle(*state, &w.job, false);
        }
        w.job.result = i == 0 ? QRI_AUTH_WRONG_PASSWORD : QRI_AUTH_UNKNOWN_LOGIN;
        w.job.place = qr_str(rows[i].let_in);
        qri_auth_settle(*state, &w.job, true);
        assert_int_equal(run_job(*state, &w, rows[i].name, "guess", address, 0), rows[i].want);
    }
}

static void test_a_remembered_login_ends_with_its_password(void **state)
{
    assert_int_equal(try_login(*state, "sa", "right", 1, 0), QRI_AUTH_OK);
    int64_t start = qr_env_mono_ns(qr_env_real());
    for (int i = 0; i < 100; i++)
        assert_int_equal(try_login(*state, "sa", "right", 1, 0), QRI_AUTH_OK);
    /* a hundred verifications take seconds, remembered ones milliseconds */
    assert_true(qr_env_mono_ns(qr_env_real()) - start < INT64_C(1000000000));
    assert_int_equal(qr_password_hash(qr_str("new"), hash, NULL), QR_OK);
    assert_int_equal(try_login(*state, "sa", "right", 1, 0), QRI_AUTH_WRONG_PASSWORD);
    assert_int_equal(try_login(*state, "sa", "new", 1, 0), QRI_AUTH_OK);
}

static void test_failures_delay_their_own_pair_and_nobody_else(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_login(*state, "sa", "guess", 1, 0), QRI_AUTH_WRONG_PASSWORD);
    /* the pair would have to wait: not even the right password is looked at before */
    assert_int_equal(try_login(*state, "sa", "right", 1, 0), QRI_AUTH_TOO_MANY);
    assert_int_equal(try_login(*state, "sa", "right", 2, 0), QRI_AUTH_OK);
    assert_int_equal(try_login(*state, "nobody", "x", 1, 0), QRI_AUTH_UNKNOWN_LOGIN);
    /* who waits gets in, and is forgiven */
    assert_int_equal(try_login(*state, "sa", "right", 1, INT64_C(20000000000)), QRI_AUTH_OK);
    assert_int_equal(try_login(*state, "sa", "right", 1, 0), QRI_AUTH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_firewall_allows_what_a_rule_covers_and_nothing_else),
        cmocka_unit_test(test_a_rule_of_a_database_lets_nobody_into_another),
        cmocka_unit_test(test_bad_firewall_rules_are_refused),
        cmocka_unit_test(test_the_certificate_names_localhost_and_its_key_fits),
        cmocka_unit_test_setup_teardown(test_only_the_right_password_of_an_enabled_login_passes,
                                        auth_setup, auth_teardown),
        cmocka_unit_test_setup_teardown(test_a_deferred_failure_counts_when_it_is_settled,
                                        auth_setup, auth_teardown),
        cmocka_unit_test_setup_teardown(test_a_databases_user_forgives_guesses_at_himself_alone,
                                        auth_setup, auth_teardown),
        cmocka_unit_test_setup_teardown(test_an_own_user_is_checked_by_the_hash_that_comes_along,
                                        auth_setup, auth_teardown),
        cmocka_unit_test_setup_teardown(test_a_remembered_login_ends_with_its_password, auth_setup,
                                        auth_teardown),
        cmocka_unit_test_setup_teardown(test_failures_delay_their_own_pair_and_nobody_else,
                                        auth_setup, auth_teardown),
    };
    return cmocka_run_group_tests_name("gateway/security", tests, NULL, NULL);
}
