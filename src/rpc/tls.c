/* tls.c - see socket_int.h: mutual TLS 1.3 on a socket that does not block */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include "identity_int.h"
#include "socket_int.h"
#include "base/banned.h"

/* The newest OpenSSL error as text; the queue is emptied. */
static enum qr_status fail_ssl(struct qr_err *err, enum qr_status status, const char *words)
{
    char text[256] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return qr_fail(err, status, "%s: %s", words, text);
}

enum qr_status qri_tls_context_new(const struct qr_rpc_loop_options *options, SSL_CTX **ret_ctx,
                                   struct qr_err *err)
{
    if (options->key_path == NULL || options->ca_path == NULL)
        return qr_fail(err, QR_INVALID, "a certificate needs its key and a CA beside it");
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (ctx == NULL)
        return fail_ssl(err, QR_NOMEM, "start TLS");
    const char *words = NULL;
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
        words = "choose TLS 1.3";
    else if (SSL_CTX_use_certificate_chain_file(ctx, options->cert_path) != 1)
        words = "load the certificate";
    else if (SSL_CTX_use_PrivateKey_file(ctx, options->key_path, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(ctx) != 1)
        words = "load the key of the certificate";
    else if (SSL_CTX_load_verify_locations(ctx, options->ca_path, NULL) != 1)
        words = "load the CA";
    if (words != NULL) {
        enum qr_status status = fail_ssl(err, QR_INVALID, words);
        SSL_CTX_free(ctx);
        return status;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    *ret_ctx = ctx;
    return QR_OK;
}

/* OpenSSL's own socket BIO raises SIGPIPE; this one does not. */
static int bio_write(BIO *bio, const char *src, int bytes)
{
    int fd = (int)(intptr_t)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n;
    do
        n = send(fd, src, (size_t)bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *dst, int bytes)
{
    int fd = (int)(intptr_t)BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n;
    do
        n = recv(fd, dst, (size_t)bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* made once, never freed */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quire socket");
    if (method != NULL) {
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
}

enum qr_status qri_tls_start(struct qri_link *link, SSL_CTX *ctx, bool serves,
                             const char *server_name, struct qr_err *err)
{
    pthread_once(&method_once, make_method);
    link->stage = malloc(QRI_LINK_TLS_BYTES);
    SSL *ssl = SSL_new(ctx);
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (link->stage == NULL || ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return qr_fail(err, QR_NOMEM, "start TLS");
    }
    BIO_set_data(bio, (void *)(intptr_t)link->source.fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* the SSL owns it now */
    if (serves)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    link->ssl = ssl;
    link->shaking = true;
    if (server_name == NULL)
        return QR_OK;
    struct in6_addr any;
    bool is_ip =
        inet_pton(AF_INET, server_name, &any) == 1 || inet_pton(AF_INET6, server_name, &any) == 1;
    int ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name)
                   : SSL_set1_host(ssl, server_name);
    return ok == 1 ? QR_OK : fail_ssl(err, QR_INVALID, "expect the server's name");
}

static void want(struct qri_link *link, int reason)
{
    link->want_write = reason == SSL_ERROR_WANT_WRITE;
}

/* Its chain has been verified; may it speak with us? */
static enum qr_status identify(struct qri_link *link, struct qr_err *err)
{
    if (link->roles == NULL)
        return QR_OK;
    X509 *cert = SSL_get1_peer_certificate(link->ssl);
    if (cert == NULL)
        return qr_fail(err, QR_DENIED, "TLS with %s: no certificate", link->who);
    struct qr_identity peer;
    enum qr_status status = qri_identity_of(cert, &peer, err);
    X509_free(cert);
    if (status != QR_OK)
        return qr_wrap(err, status, "TLS with %s", link->who);
    if (!qr_identity_plays(&peer, link->roles))
        return qr_fail(err, QR_DENIED, "TLS with %s: machine '%s' has the certificate of '%s'",
                       link->who, peer.name, peer.roles);
    link->peer = peer;
    return QR_OK;
}

enum qr_status qri_tls_handshake(struct qri_link *link, bool *ret_done, struct qr_err *err)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(link->ssl);
    int reason = SSL_get_error(link->ssl, rc);
    if (rc != 1 && reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        long verify = SSL_get_verify_result(link->ssl);
        if (verify != X509_V_OK) {
            ERR_clear_error();
            return qr_fail(err, QR_DENIED, "TLS with %s: %s", link->who,
                           X509_verify_cert_error_string(verify));
        }
        QR_TRY(qr_wrap(err, fail_ssl(err, QR_DENIED, "TLS handshake"), "%s", link->who));
    }
    want(link, reason);
    *ret_done = rc == 1;
    return rc == 1 ? identify(link, err) : QR_OK;
}

static ssize_t outcome(struct qri_link *link, int n)
{
    int reason = SSL_get_error(link->ssl, n);
    ERR_clear_error();
    if (n > 0)
        return n;
    if (reason == SSL_ERROR_ZERO_RETURN)
        return 0;
    bool again = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
    errno = again ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t qri_tls_read(struct qri_link *link, void *dst, size_t bytes)
{
    ERR_clear_error();
    return outcome(link, SSL_read(link->ssl, dst, (int)bytes));
}

ssize_t qri_tls_write(struct qri_link *link, const void *src, size_t bytes)
{
    ERR_clear_error();
    return outcome(link, SSL_write(link->ssl, src, (int)bytes));
}
