/* tls.c - see gateway_int.h: OpenSSL over memory, because the handshake travels inside TDS packets
 * ([MS-TDS] 2.2.6.5 and 3.3.5.2) and the bytes after it do not. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include "gateway_int.h"
#include "base/banned.h"

enum { RECORD_HEADER_BYTES = 5, RECORD_BYTES_MAX = 16384 + 2048 + RECORD_HEADER_BYTES };

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

enum qr_status qri_tds_tls_context_new(const char *key_pem, const char *cert_pem, SSL_CTX **ret_ctx,
                                       struct qr_err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    BIO *key_bio = BIO_new_mem_buf(key_pem, -1), *cert_bio = BIO_new_mem_buf(cert_pem, -1);
    EVP_PKEY *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    X509 *cert = cert_bio == NULL ? NULL : PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    enum qr_status status = QR_OK;
    if (ctx == NULL || key == NULL || cert == NULL || SSL_CTX_use_certificate(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1 ||
        /* 1.3 would send records behind the handshake that TDS 7.x has no packet for */
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) != 1)
        status = fail_ssl(err, QR_INVALID, "load certificate and key");
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    if (status != QR_OK) {
        SSL_CTX_free(ctx);
        return status;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    *ret_ctx = ctx;
    return QR_OK;
}

enum qr_status qri_tds_tls_start(struct qri_conn *conn)
{
    conn->ssl = SSL_new(conn->gateway->tls);
    conn->ssl_in = BIO_new(BIO_s_mem());
    conn->ssl_out = BIO_new(BIO_s_mem());
    if (conn->ssl == NULL || conn->ssl_in == NULL || conn->ssl_out == NULL) {
        BIO_free(conn->ssl_in);
        BIO_free(conn->ssl_out);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
        return QR_NOMEM;
    }
    SSL_set_bio(conn->ssl, conn->ssl_in, conn->ssl_out); /* the SSL owns both now */
    SSL_set_accept_state(conn->ssl);
    return QR_OK;
}

/* Takes what OpenSSL wants to send; `type` 0: as it is, else in packets of that type. */
static enum qr_status take_output(struct qri_conn *conn, uint8_t type)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(conn->ssl_out, &bytes);
    enum qr_status status = QR_OK;
    if (n > 0 && type != 0) {
        status = qri_stream_put_packets(conn, type, (const uint8_t *)bytes, (size_t)n);
    } else if (n > 0) {
        qr_buf_add(&conn->out, bytes, (size_t)n);
        status = qr_buf_status(&conn->out, NULL);
    }
    (void)BIO_reset(conn->ssl_out);
    return status;
}

enum qr_status qri_tds_tls_handshake(struct qri_conn *conn, const uint8_t *bytes, size_t count,
                                     bool *ret_done, struct qr_err *err)
{
    if (count > 0 && BIO_write(conn->ssl_in, bytes, (int)count) != (int)count)
        return qr_fail(err, QR_NOMEM, "TLS handshake");
    ERR_clear_error();
    int rc = SSL_do_handshake(conn->ssl);
    int reason = SSL_get_error(conn->ssl, rc);
    enum qr_status failed = QR_OK;
    if (rc != 1 && reason != SSL_ERROR_WANT_READ)
        failed = fail_ssl(err, QR_PROTOCOL, "TLS handshake");
    enum qr_status status = take_output(conn, QR_TDS_PACKET_PRELOGIN); /* an alert goes out too */
    if (failed != QR_OK)
        return failed;
    if (status != QR_OK)
        return qr_fail(err, status, "TLS handshake");
    if (rc == 1 && BIO_pending(conn->ssl_in) > 0)
        return qr_fail(err, QR_PROTOCOL, "bytes behind the TLS handshake in its last packet");
    *ret_done = rc == 1;
    return QR_OK;
}

/* Reads all that is decrypted into conn->in. */
static enum qr_status take_plain(struct qri_conn *conn)
{
    for (;;) {
        uint8_t *dst = qr_buf_reserve(&conn->in, RECORD_BYTES_MAX);
        if (dst == NULL)
            return qr_buf_status(&conn->in, NULL);
        ERR_clear_error();
        int n = SSL_read(conn->ssl, dst, RECORD_BYTES_MAX);
        if (n > 0) {
            conn->in.len += (size_t)n;
            continue;
        }
        int reason = SSL_get_error(conn->ssl, n);
        ERR_clear_error();
        if (reason == SSL_ERROR_WANT_READ)
            return QR_OK;
        return reason == SSL_ERROR_ZERO_RETURN ? QR_CLOSED : QR_PROTOCOL;
    }
}

/* With login-only encryption clear bytes follow the record that ends LOGIN7, so OpenSSL gets whole
 * records one by one and nothing behind the message. */
static enum qr_status decrypt_record(struct qri_conn *conn, bool *ret_more)
{
    *ret_more = false;
    if (conn->raw.len < RECORD_HEADER_BYTES)
        return QR_OK;
    size_t record = RECORD_HEADER_BYTES + ((size_t)conn->raw.data[3] << 8 | conn->raw.data[4]);
    if (record > RECORD_BYTES_MAX)
        return QR_PROTOCOL;
    if (conn->raw.len < record)
        return QR_OK;
    if (BIO_write(conn->ssl_in, conn->raw.data, (int)record) != (int)record)
        return QR_NOMEM;
    qr_buf_consume(&conn->raw, record);
    QR_TRY(take_plain(conn));
    *ret_more = conn->in.len == 0;
    return QR_OK;
}

enum qr_status qri_tds_tls_decrypt(struct qri_conn *conn, const uint8_t *bytes, size_t count)
{
    if (conn->tls_scope == QR_TDS_TLS_ALL) {
        if (count > 0 && BIO_write(conn->ssl_in, bytes, (int)count) != (int)count)
            return QR_NOMEM;
        return take_plain(conn);
    }
    qr_buf_add(&conn->raw, bytes, count);
    QR_TRY(qr_buf_status(&conn->raw, NULL));
    for (bool more = true; more;)
        QR_TRY(decrypt_record(conn, &more));
    return QR_OK;
}

enum qr_status qri_tds_tls_encrypt(struct qri_conn *conn, const uint8_t *bytes, size_t count)
{
    ERR_clear_error();
    if (SSL_write(conn->ssl, bytes, (int)count) != (int)count) {
        ERR_clear_error();
        return QR_CLOSED;
    }
    return take_output(conn, 0);
}

enum qr_status qri_tds_tls_end(struct qri_conn *conn)
{
    bool pipelined = SSL_pending(conn->ssl) > 0 || BIO_pending(conn->ssl_in) > 0 ||
                     conn->raw.len > 0 || conn->input_bytes > 0;
    qri_tds_tls_free(conn);
    return pipelined ? QR_PROTOCOL : QR_OK;
}

void qri_tds_tls_free(struct qri_conn *conn)
{
    SSL_free(conn->ssl); /* with both BIOs; NULL is fine */
    conn->ssl = NULL;
    conn->ssl_in = conn->ssl_out = NULL;
    qr_buf_done(&conn->raw);
}
