/* cli_int.h - what the command line is made of: two tables (arguments, commands), the values of one
 * call, and what handlers use. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "cli/cli.h"
#include "query.h"

/* ---- the tables ---- */

enum qri_argument_kind {
    QRI_TEXT,
    QRI_INTEGER,
    QRI_NUMBER,
    QRI_SIZE,   /* 200GB; 1024-based */
    QRI_CHOICE, /* one of `choices` */
    QRI_FLAG,   /* no value */
    QRI_SWITCH, /* [true|false]; alone: true */
    QRI_PAIRS,  /* words name=value, up to the next option */
    QRI_TIME,   /* 2026-05-04T10:11:12Z */
};

struct qri_argument {
    const char *key;
    const char *names; /* "--name -n"; the first is the one that is shown */
    const char *meta;  /* of its value, in help */
    const char *help;
    enum qri_argument_kind kind;
    const char *member; /* where it goes in a request's body: "properties.collation"; or NULL */
    const char *const *choices;
};

struct qri_cli;

struct qri_command {
    const char *words; /* "sql db create" */
    const char *help;
    const char *takes;  /* keys of arguments; with '!': must be given */
    const char *method; /* of the request; NULL: run alone */
    const char *path;   /* with {key}s */
    /* Puts into `body` what is more than members; may refuse. NULL: nothing is. */
    enum qr_status (*prepare)(struct qri_cli *cli, json_t *body, struct qr_err *err);
    enum qr_status (*run)(struct qri_cli *cli, struct qr_err *err); /* in the place of a request */
    const char *table;   /* a query that makes the columns of --output table */
    const char *example; /* of docs/cli.md */
};

extern const struct qri_argument qri_arguments[]; /* ends with a row of zeros */
extern const struct qri_command qri_commands[];   /* ends with a row of zeros */
enum { QRI_ARGUMENTS_MAX = 192 };

/* The row of a key; NULL if there is none. */
const struct qri_argument *qri_argument_find(const char *key);
/* The next word of a list with blanks between; n = 0 at its end. */
struct qr_str qri_word_next(const char **at);

/* ---- one call ---- */

enum qri_format {
    QRI_JSON,
    QRI_JSONC,
    QRI_TABLE,
    QRI_TSV,
    QRI_YAML,
    QRI_NONE,
};

struct qri_profile {      /* ~/.quire/profile.json */
    const char *endpoint; /* https://HOST:PORT; "": nobody has logged in */
    const char *ca;       /* a file of certificates; "": the system's */
    const char *login, *subscription, *group, *server;
    const char *sql; /* HOST,PORT of the prompt; "": not said */
    bool is_service;
};

struct qri_cli {
    struct qr_arena arena;
    const struct qri_command *command;
    const char *values[QRI_ARGUMENTS_MAX]; /* by row of qri_arguments; NULL: not given */
    const char *group_of_help;             /* "sql db": which commands help is wanted for */
    struct qri_profile profile;
    const char *home; /* ~/.quire, or QUIRE_HOME */
    const char *token;
    int64_t token_until_s;
    const char *refresh_token;
    int exit_code; /* of a failure, when it is not the status's own */
    FILE *out;
    void *curl; /* http.c's */
};

const char *qri_arg(const struct qri_cli *cli, const char *key);
bool qri_arg_given(const struct qri_cli *cli, const char *key);
/* The value of a number or size that has been checked. */
int64_t qri_arg_integer(const struct qri_cli *cli, const char *key);
bool qri_arg_true(const struct qri_cli *cli, const char *key);

/* args.c: QR_INVALID is a usage error, which err->text tells. A group of commands, or a wish for
 * help, is *ret_help. */
QR_NODISCARD enum qr_status qri_args_parse(struct qri_cli *cli, int argc, char **argv,
                                           bool *ret_help, struct qr_err *err);
/* Does the option take this text? Canonical in *text. */
QR_NODISCARD enum qr_status qri_args_check(struct qri_cli *cli, const struct qri_argument *row,
                                           const char **text, struct qr_err *err);
/* The word of `words` (an array that ends with NULL) that is nearest; NULL if none is near. */
const char *qri_nearest(const char *word, const char *const *words);

/* help.c */
void qri_print_help(const struct qri_cli *cli, FILE *out);
/* Keys of the options that every command takes; the prompt has its own. */
const char *qri_common_keys(const struct qri_command *command);
bool qri_command_has(const struct qri_command *command, const char *key);

/* output.c */
QR_NODISCARD enum qr_status qri_print(struct qri_cli *cli, json_t *value, struct qr_err *err);
/* output_text.c: without --query and formats. */
void qri_print_table(const json_t *value, FILE *out);
void qri_print_tsv(const json_t *value, FILE *out);
void qri_print_yaml(const json_t *value, FILE *out);
void qri_print_coloured(const json_t *value, FILE *out);
enum qri_format qri_format_of(const struct qri_cli *cli);

/* profile.c */
QR_NODISCARD enum qr_status qri_profile_load(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_profile_save(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_token_load(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_token_save(struct qri_cli *cli, struct qr_err *err);
void qri_token_forget(struct qri_cli *cli);
const char *qri_home_path(struct qri_cli *cli, const char *name);
/* Makes ~/.quire, for its owner only. */
QR_NODISCARD enum qr_status qri_home_make(struct qri_cli *cli, struct qr_err *err);

/* http.c */
enum { QRI_URL_BYTES = 2048 };
struct qri_reply {
    long status;
    json_t *json;                  /* own reference; NULL: no JSON */
    char operation[QRI_URL_BYTES]; /* Azure-AsyncOperation, "" if there is none */
    char location[QRI_URL_BYTES];  /* Location */
    int64_t retry_after_s;
};
void qri_reply_done(struct qri_reply *reply);
void qri_http_done(struct qri_cli *cli);
/* One request as it stands: `form` or `body` or neither. QR_CLOSED: no answer; QR_DENIED: a
 * certificate that is not trusted. Any HTTP status is QR_OK. */
QR_NODISCARD enum qr_status qri_http(struct qri_cli *cli, const char *method, const char *url,
                                     const json_t *body, const char *form, const char *token,
                                     struct qri_reply *ret_reply, struct qr_err *err);
const char *qri_url_encode(struct qr_arena *arena, const char *text);

/* login.c */
QR_NODISCARD enum qr_status qri_login(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_logout(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_account_show(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_configure(struct qri_cli *cli, struct qr_err *err);
/* A token that is good for a while: the one that is kept, or a new one. */
QR_NODISCARD enum qr_status qri_token_get(struct qri_cli *cli, bool anew, struct qr_err *err);
/* From the environment or, on a terminal, asked for. */
QR_NODISCARD enum qr_status qri_password_get(struct qri_cli *cli, const char *key,
                                             const char *prompt, const char **ret_password,
                                             struct qr_err *err);

/* request.c */
/* `path` begins with '/' or is a URL of the endpoint's own. An error of the service is a failure
 * here, "code: message"; once it renews a token that is not taken. */
QR_NODISCARD enum qr_status qri_ask(struct qri_cli *cli, const char *method, const char *path,
                                    const json_t *body, struct qri_reply *ret_reply,
                                    struct qr_err *err);
/* The row's path with its values. */
QR_NODISCARD enum qr_status qri_fill_path(struct qri_cli *cli, const char *pattern,
                                          const char **ret_path, struct qr_err *err);
/* All pages of a list, or one resource; flattened as az shows them. */
QR_NODISCARD enum qr_status qri_fetch(struct qri_cli *cli, const char *path, json_t **ret_value,
                                      struct qr_err *err);
json_t *qri_flatten(json_t *resource); /* takes the reference, gives one */
/* The command's request, its operation waited for; prints what comes of it. */
QR_NODISCARD enum qr_status qri_request(struct qri_cli *cli, struct qr_err *err);
const char *qri_argument_value(const struct qri_cli *cli, struct qr_str key);

/* status.c, connect.c */
enum qr_status qri_status(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_connect(struct qri_cli *cli, struct qr_err *err);
QR_NODISCARD enum qr_status qri_stress(struct qri_cli *cli, struct qr_err *err);

/* wait.c: until the operation is over; *ret_result is what it made, or NULL. */
QR_NODISCARD enum qr_status qri_wait(struct qri_cli *cli, struct qri_reply *started,
                                     json_t **ret_result, struct qr_err *err);

/* body_pool.c */
QR_NODISCARD enum qr_status qri_add_pool(struct qri_cli *cli, json_t *properties,
                                         struct qr_err *err);
enum qr_status qri_prepare_pool(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_list_databases_of(struct qri_cli *cli, struct qr_err *err);

/* body.c: handlers of rows. */
enum qr_status qri_prepare_create(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_update(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_copy(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_restore(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_long_restore(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_geo_restore(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_list_long_backups_of(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_list_decisions(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_prepare_replica(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_server(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_prepare_delete(struct qri_cli *cli, json_t *body, struct qr_err *err);
enum qr_status qri_list_servers_of(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_rename(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_list_editions(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_delete_replica(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_rest(struct qri_cli *cli, struct qr_err *err);
enum qr_status qri_complete(struct qri_cli *cli, struct qr_err *err);
