/* sql_link.c - see sql_link.h. OpenSSL works on memory, because its handshake travels inside
 * packets
 * ([MS-TDS] 2.2.6.5) and what follows does not. */
#include "sql_link.h"
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "env/env.h"
#include "tds/packet.h"
#include "tds/prelogin.h"
#include "tds/token.h"
#include "base/banned.h"

enum {
    READ_BYTES = 16384,
    REPLY_BYTES_MAX = 256 * 1024 * 1024, /* one row */
    HELLO_BYTES_MAX = 64 * 1024,
    BATCH_BYTES_MAX = 128 * 1024 * 1024,
    ROW_ARENA_BYTES_MAX = 512 * 1024 * 1024,
    CANCEL_S = 60, /* for the server to say that it has stopped */
};

struct qri_sql_link {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    bool encrypted;
    struct qr_tds_reader reader;
    struct qri_sql_reply reply;
    struct qr_arena arena_row;
    struct qr_buf plain; /* decrypted, not used */
    int64_t deadline_ns; /* INT64_MAX: none */
    bool heeds_interrupts, had_columns;
    bool ended; /* the message under way: what is left of it is told */
};

static atomic_bool interrupted; /* a signal handler may set it */

void qri_sql_link_interrupt(void)
{
    atomic_store(&interrupted, true);
}

static int64_t now_ns(void)
{
    return qr_env_mono_ns(qr_env_real());
}

static int64_t deadline_in(int seconds)
{
    return seconds <= 0 ? INT64_MAX : now_ns() + (int64_t)seconds * 1000000000;
}

static enum qr_status fail_tls(struct qri_sql_link *link, struct qr_err *err)
{
    char text[256] = "it broke";
    unsigned long code = ERR_peek_last_error();
    long verdict = link->ssl == NULL ? X509_V_OK : SSL_get_verify_result(link->ssl);
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    if (verdict != X509_V_OK)
        return qr_fail(err, QR_DENIED,
                       "the server's certificate is not trusted (%s); --ca FILE names the one that "
                       "is: tls/cert.pem of its data directory",
                       X509_verify_cert_error_string(verdict));
    return qr_fail(err, QR_PROTOCOL, "TLS: %s", text);
}

/* ---- the socket ---- */

static enum qr_status wait_for(struct qri_sql_link *link, short events, struct qr_err *err)
{
    for (;;) {
        int64_t left = link->deadline_ns == INT64_MAX ? INT64_MAX : link->deadline_ns - now_ns();
        if (link->heeds_interrupts && atomic_load(&interrupted))
            return qr_fail(err, QR_CANCELLED, "cancelled");
        if (left <= 0)
            return qr_fail(err, QR_TIMEOUT, "the time is over");
        /* a signal between the test and poll is seen a second later */
        int ms = left / 1000000 >= 1000 ? 1000 : (int)(left / 1000000) + 1;
        struct pollfd p = {.fd = link->fd, .events = events};
        int n = poll(&p, 1, ms);
        if (n > 0)
            return QR_OK;
        if (n < 0 && errno != EINTR)
            return qr_fail(err, QR_IO, "wait for the server: %s", strerror(errno));
    }
}

static enum qr_status write_all(struct qri_sql_link *link, const uint8_t *bytes, size_t count,
                                struct qr_err *err)
{
    while (count > 0) {
        ssize_t n = send(link->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            QR_TRY(wait_for(link, POLLOUT, err));
        else if (n < 0 && errno != EINTR)
            return qr_fail(err, QR_CLOSED, "the connection is gone: %s", strerror(errno));
        else if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        }
    }
    return QR_OK;
}

static enum qr_status read_some(struct qri_sql_link *link, uint8_t *dst, size_t *ret_bytes,
                                struct qr_err *err)
{
    for (;;) {
        QR_TRY(wait_for(link, POLLIN, err));
        ssize_t n = recv(link->fd, dst, READ_BYTES, MSG_DONTWAIT);
        if (n > 0) {
            *ret_bytes = (size_t)n;
            return QR_OK;
        }
        if (n == 0 || (errno != EINTR && errno != EAGAIN))
            return qr_fail(err, QR_CLOSED, "the server has closed the connection");
    }
}

static enum qr_status connect_one(struct qri_sql_link *link, const struct addrinfo *a,
                                  struct qr_err *err)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    link->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return qr_fail(err, QR_IO, "socket: %s", strerror(errno));
    if (connect(link->fd, a->ai_addr, a->ai_addrlen) == 0)
        return QR_OK;
    if (errno == EINPROGRESS) {
        QR_TRY(wait_for(link, POLLOUT, err));
        if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0)
            return QR_OK;
        errno = error;
    }
    return qr_fail(err, QR_CLOSED, "%s", strerror(errno));
}

static enum qr_status connect_to(struct qri_sql_link *link, const struct qri_sql_link_options *o,
                                 struct qr_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct qr_err own = {0};
    int code = getaddrinfo(o->host, o->port, &hints, &list);
    if (code != 0)
        return qr_fail(err, QR_NOT_FOUND, "%s,%s: %s", o->host, o->port, gai_strerror(code));
    enum qr_status status = QR_CLOSED;
    for (struct addrinfo *a = list; a != NULL && status != QR_OK; a = a->ai_next) {
        status = connect_one(link, a, &own);
        if (status != QR_OK && link->fd >= 0) {
            close(link->fd);
            link->fd = -1;
        }
    }
    freeaddrinfo(list);
    return status == QR_OK
               ? QR_OK
               : qr_fail(err, status, "%s,%s does not answer: %s", o->host, o->port, own.text);
}

/* ---- packets ---- */

static enum qr_status flush_tls(struct qri_sql_link *link, struct qr_err *err)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(link->out, &bytes);
    enum qr_status status = n > 0 ? write_all(link, (const uint8_t *)bytes, (size_t)n, err) : QR_OK;
    (void)BIO_reset(link->out);
    return status;
}

static enum qr_status flush_packets(void *ctx, const uint8_t *packets, size_t bytes,
                                    struct qr_err *err)
{
    struct qri_sql_link *link = ctx;
    if (!link->encrypted)
        return write_all(link, packets, bytes, err);
    while (bytes > 0) {
        int n = SSL_write(link->ssl, packets, bytes > 16384 ? 16384 : (int)bytes);
        if (n <= 0)
            return fail_tls(link, err);
        packets += n;
        bytes -= (size_t)n;
        QR_TRY(flush_tls(link, err));
    }
    return QR_OK;
}

static enum qr_status send_message(struct qri_sql_link *link, uint8_t type,
                                   const struct qr_buf *body, struct qr_err *err)
{
    struct qr_tds_writer writer;
    QR_TRY(qr_buf_status(body, err));
    qr_tds_writer_init(&writer, QR_TDS_PACKET_BYTES_DEFAULT, 0, flush_packets, link);
    writer.err = err;
    qr_tds_writer_begin(&writer, type);
    for (size_t at = 0; at < body->len;) { /* the writer keeps no more than a few packets */
        size_t n = body->len - at < READ_BYTES ? body->len - at : READ_BYTES;
        uint8_t *dst = qr_tds_writer_reserve(&writer, n);
        if (dst == NULL)
            break;
        memcpy(dst, body->data + at, n);
        qr_tds_writer_advance(&writer, n);
        qr_tds_writer_pump(&writer);
        at += n;
    }
    enum qr_status status = qr_tds_writer_end(&writer, false);
    qr_tds_writer_done(&writer);
    return status;
}

/* What has been received and decrypted goes to link->plain. */
static enum qr_status receive(struct qri_sql_link *link, struct qr_err *err)
{
    uint8_t bytes[READ_BYTES];
    size_t count = 0;
    QR_TRY(read_some(link, bytes, &count, err));
    if (!link->encrypted) {
        qr_buf_add(&link->plain, bytes, count);
        return qr_buf_status(&link->plain, err);
    }
    if (BIO_write(link->in, bytes, (int)count) != (int)count)
        return qr_fail(err, QR_NOMEM, "TLS");
    for (;;) {
        int n = SSL_read(link->ssl, bytes, sizeof bytes);
        if (n <= 0 && SSL_get_error(link->ssl, n) == SSL_ERROR_WANT_READ)
            return qr_buf_status(&link->plain, err);
        if (n <= 0 && SSL_get_error(link->ssl, n) == SSL_ERROR_ZERO_RETURN)
            return qr_fail(err, QR_CLOSED, "the server has closed the connection");
        if (n <= 0)
            return fail_tls(link, err);
        qr_buf_add(&link->plain, bytes, (size_t)n);
    }
}

/* One whole message, while logging in. */
static enum qr_status receive_message(struct qri_sql_link *link, struct qr_tds_message *message,
                                      struct qr_err *err)
{
    qr_tds_message_clear(message);
    while (!message->complete) {
        size_t used = 0;
        if (link->plain.len == 0)
            QR_TRY(receive(link, err));
        QR_TRY(qr_tds_message_feed(message, &link->reader, link->plain.data, link->plain.len, &used,
                                   err));
        qr_buf_consume(&link->plain, used);
    }
    return QR_OK;
}

/* ---- login ---- */

static enum qr_status start_tls(struct qri_sql_link *link, const struct qri_sql_link_options *o,
                                struct qr_err *err)
{
    link->ctx = SSL_CTX_new(TLS_client_method());
    if (link->ctx == NULL || SSL_CTX_set_min_proto_version(link->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(link->ctx, TLS1_2_VERSION) != 1)
        return fail_tls(link, err);
    int loaded = *o->ca == '\0' ? SSL_CTX_set_default_verify_paths(link->ctx)
                                : SSL_CTX_load_verify_locations(link->ctx, o->ca, NULL);
    if (loaded != 1) {
        ERR_clear_error();
        return qr_fail(err, QR_INVALID, "--ca: '%s' has no certificates", o->ca);
    }
    SSL_CTX_set_verify(link->ctx, SSL_VERIFY_PEER, NULL);
    link->ssl = SSL_new(link->ctx);
    link->in = BIO_new(BIO_s_mem());
    link->out = BIO_new(BIO_s_mem());
    if (link->ssl == NULL || link->in == NULL || link->out == NULL) {
        BIO_free(link->in);
        BIO_free(link->out);
        return fail_tls(link, err);
    }
    SSL_set_bio(link->ssl, link->in, link->out); /* the SSL owns both now */
    SSL_set_connect_state(link->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->ssl), o->host) == 1)
        return QR_OK;
    ERR_clear_error();
    return SSL_set1_host(link->ssl, o->host) == 1 &&
                   SSL_set_tlsext_host_name(link->ssl, o->host) == 1
               ? QR_OK
               : fail_tls(link, err);
}

static enum qr_status shake_hands(struct qri_sql_link *link, struct qr_tds_message *message,
                                  struct qr_err *err)
{
    for (;;) {
        char *bytes = NULL;
        ERR_clear_error();
        int rc = SSL_do_handshake(link->ssl);
        if (rc != 1 && SSL_get_error(link->ssl, rc) != SSL_ERROR_WANT_READ)
            return fail_tls(link, err);
        long n = BIO_get_mem_data(link->out, &bytes);
        if (n > 0) {
            struct qr_buf body = {.data = (uint8_t *)bytes, .len = (size_t)n};
            QR_TRY(send_message(link, QR_TDS_PACKET_PRELOGIN, &body, err));
        }
        (void)BIO_reset(link->out);
        if (rc == 1) {
            link->encrypted = true;
            return QR_OK;
        }
        QR_TRY(receive_message(link, message, err));
        if (BIO_write(link->in, message->body.data, (int)message->body.len) !=
            (int)message->body.len)
            return qr_fail(err, QR_NOMEM, "TLS");
    }
}

static enum qr_status greet(struct qri_sql_link *link, const struct qri_sql_link_options *o,
                            struct qr_tds_message *message, struct qr_err *err)
{
    struct qr_buf out;
    struct qr_tds_prelogin answer;
    qr_buf_init(&out, HELLO_BYTES_MAX);
    qri_sql_put_prelogin(&out);
    enum qr_status status = send_message(link, QR_TDS_PACKET_PRELOGIN, &out, err);
    qr_buf_done(&out);
    QR_TRY(status);
    QR_TRY(receive_message(link, message, err));
    QR_TRY(qr_tds_prelogin_parse(message->body.data, message->body.len, &answer, err));
    if (answer.encryption != QR_TDS_ENCRYPT_ON && answer.encryption != QR_TDS_ENCRYPT_REQ)
        return qr_fail(err, QR_DENIED, "the server does not encrypt");
    QR_TRY(start_tls(link, o, err));
    return shake_hands(link, message, err);
}

static enum qr_status next_event(struct qri_sql_link *link, enum qri_sql_event *ret_event,
                                 bool *ret_over, struct qr_err *err)
{
    for (;;) {
        struct qr_tds_read read;
        size_t used = 0;
        QR_TRY(qri_sql_reply_next(&link->reply, &link->arena_row, ret_event, err));
        if (*ret_event != QRI_SQL_MORE)
            return QR_OK;
        if (link->ended) {
            link->ended = false;
            *ret_over = true;
            return qri_sql_reply_is_used_up(&link->reply)
                       ? QR_OK
                       : qr_fail(err, QR_PROTOCOL, "the answer ends in the middle");
        }
        QR_TRY(qr_tds_reader_step(&link->reader, link->plain.data, link->plain.len, &used, &read,
                                  err));
        enum qr_status status = QR_OK;
        if (read.kind == QR_TDS_READ_DATA)
            status = qri_sql_reply_feed(&link->reply, read.data, read.data_bytes, err);
        qr_buf_consume(&link->plain, used);
        QR_TRY(status);
        link->ended = read.kind == QR_TDS_READ_END;
        if (link->ended)
            qri_sql_reply_finish(&link->reply);
        if (read.kind == QR_TDS_READ_MORE)
            QR_TRY(receive(link, err));
    }
}

static enum qr_status log_in(struct qri_sql_link *link, const struct qri_sql_link_options *o,
                             struct qr_err *err)
{
    char host[64] = "";
    struct qr_buf out;
    bool over = false, in = false;
    struct qr_err why = {0};
    (void)gethostname(host, sizeof host - 1);
    qr_buf_init(&out, HELLO_BYTES_MAX);
    qri_sql_put_login(&out,
                      &(struct qri_sql_login){host, o->user, o->password, o->host, o->database});
    enum qr_status status = send_message(link, QR_TDS_PACKET_LOGIN7, &out, err);
    if (out.data != NULL)
        explicit_bzero(out.data, out.len);
    qr_buf_done(&out);
    while (status == QR_OK && !over) {
        enum qri_sql_event event = QRI_SQL_MORE;
        status = next_event(link, &event, &over, err);
        const struct qri_sql_message *m = &link->reply.message;
        /* the first says why; that the login failed, which follows, does not */
        if (status == QR_OK && !over && event == QRI_SQL_MESSAGE && m->severity > 10 &&
            *why.text == '\0')
            qr_fail(&why, QR_DENIED, "Msg %u, Level %u, State %u: %.*s", m->number, m->severity,
                    m->state, (int)m->text.n, m->text.p);
        in |= !over && event == QRI_SQL_LOGGED_IN;
        qr_arena_reset(&link->arena_row);
    }
    if (in && status == QR_OK)
        return QR_OK;
    return *why.text != '\0' ? qr_fail(err, QR_DENIED, "%s", why.text)
           : status == QR_OK ? qr_fail(err, QR_PROTOCOL, "the server does not answer the login")
                             : status;
}

enum qr_status qri_sql_link_open(const struct qri_sql_link_options *o,
                                 struct qri_sql_link **ret_link, struct qr_err *err)
{
    struct qri_sql_link *link = calloc(1, sizeof *link);
    struct qr_tds_message message;
    if (link == NULL)
        return qr_fail(err, QR_NOMEM, "connection");
    link->fd = -1;
    link->deadline_ns = deadline_in(o->login_timeout_s);
    qr_tds_reader_init(&link->reader);
    qri_sql_reply_init(&link->reply, REPLY_BYTES_MAX);
    qr_arena_init(&link->arena_row, ROW_ARENA_BYTES_MAX);
    qr_buf_init(&link->plain, HELLO_BYTES_MAX * 4);
    qr_tds_message_init(&message, HELLO_BYTES_MAX);
    enum qr_status status = connect_to(link, o, err);
    if (status == QR_OK)
        status = greet(link, o, &message, err);
    if (status == QR_OK)
        status = log_in(link, o, err);
    qr_tds_message_done(&message);
    if (status == QR_OK)
        *ret_link = link;
    else
        qri_sql_link_close(link);
    return status;
}

void qri_sql_link_close(struct qri_sql_link *link)
{
    if (link == NULL)
        return;
    SSL_free(link->ssl);
    SSL_CTX_free(link->ctx);
    if (link->fd >= 0)
        close(link->fd);
    qri_sql_reply_done(&link->reply);
    qr_arena_done(&link->arena_row);
    qr_buf_done(&link->plain);
    free(link);
}

/* ---- batches ---- */

static enum qr_status tell(struct qri_sql_link *link, enum qri_sql_event event,
                           const struct qri_sql_link_sink *sink, void *ctx, struct qr_err *err)
{
    const struct qri_sql_reply *r = &link->reply;
    switch (event) {
    case QRI_SQL_COLUMNS:
        link->had_columns = true;
        return sink->columns(ctx, r->columns, r->column_count, err);
    case QRI_SQL_ROW:
        return sink->row(ctx, r->values, &link->arena_row, err);
    case QRI_SQL_MESSAGE:
        return sink->message(ctx, &r->message, err);
    case QRI_SQL_DONE: {
        bool had_columns = link->had_columns;
        link->had_columns = false;
        return sink->done(ctx, had_columns, (r->done_status & QR_TDS_DONE_COUNT) != 0, r->row_count,
                          err);
    }
    case QRI_SQL_MORE:
    case QRI_SQL_LOGGED_IN:
    case QRI_SQL_OTHER:
        break;
    }
    return QR_OK;
}

/* Asks the server to stop, and reads until it says that it has. */
static enum qr_status cancel(struct qri_sql_link *link, struct qr_err *err)
{
    struct qr_buf nothing = {.len = 0};
    bool over = false, stopped = false;
    link->heeds_interrupts = false;
    link->deadline_ns = deadline_in(CANCEL_S);
    QR_TRY(send_message(link, QR_TDS_PACKET_ATTENTION, &nothing, err));
    while (!over || !stopped) {
        enum qri_sql_event event = QRI_SQL_MORE;
        over = false;
        QR_TRY(next_event(link, &event, &over, err));
        stopped |=
            !over && event == QRI_SQL_DONE && (link->reply.done_status & QR_TDS_DONE_ATTN) != 0;
        qr_arena_reset(&link->arena_row);
    }
    return QR_OK;
}

static enum qr_status run(struct qri_sql_link *link, const struct qri_sql_link_sink *sink,
                          void *ctx, struct qr_err *err)
{
    for (bool over = false;;) {
        enum qri_sql_event event = QRI_SQL_MORE;
        QR_TRY(next_event(link, &event, &over, err));
        if (over)
            return QR_OK;
        QR_TRY(tell(link, event, sink, ctx, err));
        if (event != QRI_SQL_COLUMNS)
            qr_arena_reset(&link->arena_row);
    }
}

enum qr_status qri_sql_link_run(struct qri_sql_link *link, struct qr_str text, int timeout_s,
                                const struct qri_sql_link_sink *sink, void *ctx, struct qr_err *err)
{
    struct qr_buf out;
    struct qr_err own = {0};
    qr_buf_init(&out, BATCH_BYTES_MAX);
    qri_sql_put_batch(&out, link->reply.transaction, text);
    atomic_store(&interrupted, false);
    link->had_columns = false;
    link->heeds_interrupts = false; /* a request that is cut in the middle cannot be taken back */
    link->deadline_ns = INT64_MAX;
    enum qr_status status = send_message(link, QR_TDS_PACKET_BATCH, &out, err);
    qr_buf_done(&out);
    QR_TRY(status);
    link->heeds_interrupts = true;
    link->deadline_ns = deadline_in(timeout_s);
    status = run(link, sink, ctx, err);
    if (status != QR_CANCELLED && status != QR_TIMEOUT)
        return status;
    return cancel(link, &own) == QR_OK ? status : qr_fail(err, QR_CLOSED, "%s", own.text);
}
