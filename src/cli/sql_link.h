/* sql_link.h - one connection to a SQL server: TLS inside TDS packets, login, batches.
 *
 * One thread. Blocks; a SIGINT that qri_sql_link_interrupt was told of cancels the batch under way.
 * The server's certificate is always checked. */
#pragma once
#include "base/status.h"
#include "sql_reply.h"

struct qri_sql_link;

struct qri_sql_link_options {
    const char *host;
    const char *port;
    const char *ca; /* "": the system's */
    const char *user, *password, *database;
    int login_timeout_s;
};

/* Where to, of what was not said by options; NULL: not said here either. */
struct qri_sql_where {
    const char *server, *database, *user, *password;
};
struct qri_cli;
/* By the options of the command line, else `where`, else the profile. Texts are in cli->arena. */
QR_NODISCARD enum qr_status qri_sql_where_take(struct qri_cli *cli,
                                               const struct qri_sql_where *where,
                                               struct qri_sql_link_options *ret_options,
                                               struct qr_err *err);

/* What a batch tells; every slot is called in the stream's order. A failure ends the batch. */
struct qri_sql_link_sink {
    enum qr_status (*columns)(void *ctx, const struct qri_sql_column *columns, size_t count,
                              struct qr_err *err);
    enum qr_status (*row)(void *ctx, const struct qr_value *values, struct qr_arena *arena_row,
                          struct qr_err *err);
    enum qr_status (*done)(void *ctx, bool had_columns, bool counts, uint64_t rows,
                           struct qr_err *err);
    enum qr_status (*message)(void *ctx, const struct qri_sql_message *message, struct qr_err *err);
};

/* A login that is refused: QR_DENIED with the server's words. */
QR_NODISCARD enum qr_status qri_sql_link_open(const struct qri_sql_link_options *options,
                                              struct qri_sql_link **ret_link, struct qr_err *err);
void qri_sql_link_close(struct qri_sql_link *link);
/* QR_CANCELLED: interrupted, QR_TIMEOUT: timeout_s are over (0: no limit); the link is good after
 * both. After any other failure it is not. */
QR_NODISCARD enum qr_status qri_sql_link_run(struct qri_sql_link *link, struct qr_str text,
                                             int timeout_s, const struct qri_sql_link_sink *sink,
                                             void *ctx, struct qr_err *err);
/* From a signal handler. */
void qri_sql_link_interrupt(void);
