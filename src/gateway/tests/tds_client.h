/* tds_client.h - as much of a TDS client as the gateway's tests in C need. Blocking, with
 * time-outs; one thread for each client. */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_BYTES = 64 * 1024, CLIENT_CLOSED = -1, CLIENT_TIMED_OUT = -2 };

struct client {
    int fd;
    SSL *ssl; /* NULL: in clear */
    BIO *ssl_in, *ssl_out;
    size_t plain_bytes;
    uint8_t plain[2 * CLIENT_BYTES]; /* received, decrypted, not yet used */
    uint8_t reply[CLIENT_BYTES];     /* the last message, without packet headers */
    size_t reply_bytes;
};

/* Connects and negotiates; false: the server closed. */
bool client_open(struct client *client, uint16_t port, bool encrypted);
void client_close(struct client *client);
/* LOGIN7 as `admin`, and `behind` (a batch, or NULL) in the same write. */
void client_send_login(struct client *client, const char *database, const char *behind);
void client_send_batch(struct client *client, const char *text);
/* The first half of the same bytes, or the rest. */
void client_send_half_batch(struct client *client, const char *text, bool rest);
void client_send_attention(struct client *client);
/* Reads one message of any length and keeps nothing: its bytes, or as client_read. */
int64_t client_skip(struct client *client, int timeout_ms);
/* Reads one message into `reply`: 0, CLIENT_CLOSED or CLIENT_TIMED_OUT. */
int client_read(struct client *client, int timeout_ms);
/* The number of the error that `reply` begins with, or 0. */
int client_error(const struct client *client);
/* Reads that error, and nothing behind it but the end of the connection: its number, or < 0. */
int client_last_word(struct client *client);
/* The login's answer: 0 let in, > 0 the first error's number, < 0 as client_read. */
int client_login_answer(struct client *client);
/* client_open, client_send_login, client_login_answer. */
int client_login(struct client *client, uint16_t port, bool encrypted, const char *database);
/* True: `reply` is the one row of SELECT <number>. */
bool client_has_row(const struct client *client, int32_t number);
/* SELECT <number> and its answer. */
bool client_select(struct client *client, int32_t number);
