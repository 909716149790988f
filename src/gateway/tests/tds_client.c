/* tds_client.c - see tds_client.h */
#include "tds_client.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/endian.h"
#include "tds/defs.h"
#include "base/banned.h"

enum { TIMEOUT_MS = 20000, ENCRYPT_ON = 1, ENCRYPT_NOT_SUP = 2, LOGIN_FIXED_BYTES = 94 };

/* ---- bytes ---- */

static void send_clear(struct client *client, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;
    while (count > 0) {
        ssize_t n = send(client->fd, p, count, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the next read tells */
        p += n;
        count -= (size_t)n;
    }
}

static void send_bytes(struct client *client, const void *bytes, size_t count)
{
    char *sealed = NULL;
    if (client->ssl == NULL) {
        send_clear(client, bytes, count);
        return;
    }
    int n = SSL_write(client->ssl, bytes, (int)count);
    assert(n == (int)count);
    long sealed_bytes = BIO_get_mem_data(client->ssl_out, &sealed);
    send_clear(client, sealed, (size_t)sealed_bytes);
    (void)BIO_reset(client->ssl_out);
}

/* More into `plain`. */
static int receive(struct client *client, int timeout_ms)
{
    uint8_t bytes[16384];
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, timeout_ms) == 0)
        return CLIENT_TIMED_OUT;
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
    if (n <= 0)
        return CLIENT_CLOSED;
    if (client->ssl == NULL) {
        assert(client->plain_bytes + (size_t)n <= sizeof client->plain);
        memcpy(client->plain + client->plain_bytes, bytes, (size_t)n);
        client->plain_bytes += (size_t)n;
        return 0;
    }
    int written = BIO_write(client->ssl_in, bytes, (int)n);
    assert(written == n);
    for (int got = 1; got > 0;) {
        size_t room = sizeof client->plain - client->plain_bytes;
        got = SSL_read(client->ssl, client->plain + client->plain_bytes, (int)room);
        if (got > 0)
            client->plain_bytes += (size_t)got;
    }
    return 0;
}

static int need(struct client *client, size_t bytes, int timeout_ms)
{
    int rc = 0;
    while (rc == 0 && client->plain_bytes < bytes)
        rc = receive(client, timeout_ms);
    return rc;
}

static void drop(struct client *client, size_t bytes)
{
    client->plain_bytes -= bytes;
    memmove(client->plain, client->plain + bytes, client->plain_bytes);
}

int client_read(struct client *client, int timeout_ms)
{
    client->reply_bytes = 0;
    for (bool last = false; !last;) {
        int rc = need(client, QR_TDS_HEADER_BYTES, timeout_ms);
        if (rc != 0)
            return rc;
        size_t bytes = qr_get16be(client->plain + 2);
        assert(bytes >= QR_TDS_HEADER_BYTES);
        rc = need(client, bytes, timeout_ms);
        if (rc != 0)
            return rc;
        last = (client->plain[1] & 1) != 0;
        size_t body = bytes - QR_TDS_HEADER_BYTES;
        assert(client->reply_bytes + body <= sizeof client->reply);
        memcpy(client->reply + client->reply_bytes, client->plain + QR_TDS_HEADER_BYTES, body);
        client->reply_bytes += body;
        drop(client, bytes);
    }
    return 0;
}

int64_t client_skip(struct client *client, int timeout_ms)
{
    int64_t total = 0;
    for (bool last = false; !last;) {
        int rc = need(client, QR_TDS_HEADER_BYTES, timeout_ms);
        size_t bytes = rc == 0 ? qr_get16be(client->plain + 2) : 0;
        if (rc == 0)
            rc = need(client, bytes, timeout_ms);
        if (rc != 0)
            return rc;
        last = (client->plain[1] & 1) != 0;
        total += (int64_t)bytes;
        drop(client, bytes);
    }
    return total;
}

static size_t put_packet(uint8_t *dst, uint8_t type, const uint8_t *body, size_t bytes)
{
    const uint8_t header[QR_TDS_HEADER_BYTES] = {
        type, 1, (uint8_t)((bytes + 8) >> 8), (uint8_t)(bytes + 8), 0, 0, 1, 0};
    memcpy(dst, header, sizeof header);
    memcpy(dst + sizeof header, body, bytes);
    return bytes + sizeof header;
}

static void send_packet(struct client *client, uint8_t type, const uint8_t *body, size_t bytes)
{
    uint8_t packet[CLIENT_BYTES];
    send_bytes(client, packet, put_packet(packet, type, body, bytes));
}

/* ---- PRELOGIN and TLS ---- */

static bool shake_hands(struct client *client)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* the SSL keeps it */
    client->ssl_in = BIO_new(BIO_s_mem());
    client->ssl_out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(client->ssl_in, -1);
    SSL_set_bio(ssl, client->ssl_in, client->ssl_out);
    SSL_set_connect_state(ssl);
    for (;;) {
        char *bytes = NULL;
        bool done = SSL_do_handshake(ssl) == 1;
        long n = BIO_get_mem_data(client->ssl_out, &bytes);
        if (n > 0) /* client->ssl is still NULL: inside packets in clear */
            send_packet(client, QR_TDS_PACKET_PRELOGIN, (const uint8_t *)bytes, (size_t)n);
        (void)BIO_reset(client->ssl_out);
        if (done)
            break;
        if (client_read(client, TIMEOUT_MS) != 0) {
            SSL_free(ssl);
            return false;
        }
        int written = BIO_write(client->ssl_in, client->reply, (int)client->reply_bytes);
        assert(written == (int)client->reply_bytes);
    }
    client->ssl = ssl;
    return true;
}

bool client_open(struct client *client, uint16_t port, bool encrypted)
{
    *client = (struct client){0};
    int on = 1;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (const struct sockaddr *)&in, sizeof in) != 0)
        return false;
    const uint8_t prelogin[] = {0, 0,  11, 0, 6,    1,
                                0, 17, 0,  1, 0xFF, 15,
                                0, 0,  0,  0, 0,    encrypted ? ENCRYPT_ON : ENCRYPT_NOT_SUP};
    send_packet(client, QR_TDS_PACKET_PRELOGIN, prelogin, sizeof prelogin);
    return client_read(client, TIMEOUT_MS) == 0 && (!encrypted || shake_hands(client));
}

void client_close(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

/* ---- LOGIN7 and batches ---- */

static size_t put_text(uint8_t *login, size_t at, size_t slot, const char *text, bool scrambled)
{
    size_t n = strlen(text);
    qr_put16le(login + slot, (uint16_t)at);
    qr_put16le(login + slot + 2, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        login[at + 2 * i] = scrambled ? (uint8_t)((uint8_t)(c << 4 | c >> 4) ^ 0xA5) : c;
        login[at + 2 * i + 1] = scrambled ? 0xA5 : 0;
    }
    return at + 2 * n;
}

static size_t put_login(uint8_t *login, const char *database)
{
    size_t at = LOGIN_FIXED_BYTES;
    memset(login, 0, LOGIN_FIXED_BYTES);
    qr_put32le(login + 4, 0x74000004);
    qr_put32le(login + 8, 4096);
    for (size_t slot = 36; slot < LOGIN_FIXED_BYTES - 8; slot += slot == 68 ? 10 : 4)
        qr_put16le(login + slot, LOGIN_FIXED_BYTES);
    at = put_text(login, at, 36, "host", false);
    at = put_text(login, at, 40, "admin", false);
    at = put_text(login, at, 44, "secret-1", true);
    at = put_text(login, at, 48, "test", false);
    at = put_text(login, at, 68, database, false);
    qr_put32le(login, (uint32_t)at);
    return at;
}

static size_t put_batch(uint8_t *dst, const char *text)
{
    uint8_t body[1024] = {22, 0, 0, 0, 18, 0, 0, 0, 2, 0, [18] = 1}; /* ALL_HEADERS */
    size_t at = 22;
    for (; *text != '\0'; text++, at += 2)
        body[at] = (uint8_t)*text;
    return put_packet(dst, QR_TDS_PACKET_BATCH, body, at);
}

void client_send_login(struct client *client, const char *database, const char *behind)
{
    uint8_t login[2048], packets[4096];
    size_t bytes = put_packet(packets, QR_TDS_PACKET_LOGIN7, login, put_login(login, database));
    if (behind != NULL)
        bytes += put_batch(packets + bytes, behind);
    send_bytes(client, packets, bytes);
}

void client_send_batch(struct client *client, const char *text)
{
    uint8_t packet[2048];
    send_bytes(client, packet, put_batch(packet, text));
}

void client_send_half_batch(struct client *client, const char *text, bool rest)
{
    uint8_t packet[2048];
    size_t bytes = put_batch(packet, text), half = bytes / 2;
    send_bytes(client, packet + (rest ? half : 0), rest ? bytes - half : half);
}

void client_send_attention(struct client *client)
{
    uint8_t packet[QR_TDS_HEADER_BYTES];
    send_bytes(client, packet, put_packet(packet, QR_TDS_PACKET_ATTENTION, packet, 0));
}

int client_error(const struct client *client)
{
    bool is_error = client->reply_bytes > 7 && client->reply[0] == QR_TDS_TOKEN_ERROR;
    return is_error ? (int)qr_get32le(client->reply + 3) : 0;
}

int client_last_word(struct client *client)
{
    int rc = client_read(client, TIMEOUT_MS);
    int number = client_error(client);
    return rc != 0 ? rc : client_read(client, TIMEOUT_MS) == CLIENT_CLOSED ? number : 0;
}

/* Walks the tokens of a login's answer. */
int client_login_answer(struct client *client)
{
    int rc = client_read(client, TIMEOUT_MS);
    if (rc != 0)
        return rc;
    for (size_t at = 0; at + 3 <= client->reply_bytes;) {
        const uint8_t *token = client->reply + at;
        if (token[0] == QR_TDS_TOKEN_ERROR)
            return (int)qr_get32le(token + 3);
        if (token[0] == QR_TDS_TOKEN_LOGINACK)
            return 0;
        at += 3u + qr_get16le(token + 1);
    }
    assert(!"a login's answer has ERROR or LOGINACK");
    return CLIENT_CLOSED;
}

int client_login(struct client *client, uint16_t port, bool encrypted, const char *database)
{
    if (!client_open(client, port, encrypted))
        return CLIENT_CLOSED;
    client_send_login(client, database, NULL);
    return client_login_answer(client);
}

bool client_has_row(const struct client *client, int32_t number)
{
    enum { COLUMNS_BYTES = 11 }; /* one int column without a name */
    return client->reply_bytes > COLUMNS_BYTES + 5 &&
           client->reply[COLUMNS_BYTES] == QR_TDS_TOKEN_ROW &&
           (int32_t)qr_get32le(client->reply + COLUMNS_BYTES + 1) == number;
}

bool client_select(struct client *client, int32_t number)
{
    char text[32];
    snprintf(text, sizeof text, "SELECT %d", number);
    client_send_batch(client, text);
    return client_read(client, TIMEOUT_MS) == 0 && client_has_row(client, number);
}
