/* arm_int.h - what the files of the management API share.
 *
 * A request belongs to its connection's thread from its first line to its answer. */
#pragma once
#include <jansson.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "arm/arm.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum {
    QRI_HASH_BYTES = 128,
    QRI_SEGMENTS_MAX = 24,
    QRI_VARS_MAX = 8,
    QRI_HEADERS_MAX = 12,
    QRI_PATH_BYTES_MAX = 4096,
    QRI_BODY_BYTES_MAX = 1 << 20,    /* of a principal's request */
    QRI_FORM_BYTES_MAX = 16 * 1024,  /* of a token request, which anybody may send */
    QRI_ANSWER_BYTES_MAX = 64 << 20, /* a list of everything */
    QRI_ARENA_BYTES_MAX = 4 << 20,   /* of one request */
    QRI_GUID_BYTES = 36,
    QRI_NAME_BYTES = 128 * 3,
};

/* ---- url.c: what a client may write into its first line and its forms. Pure ---- */

/* Decodes %XX, and '+' if `plus`, into the arena; false: it is no such text, or holds NUL. */
bool qri_decode(struct qr_arena *arena, struct qr_str text, bool plus, struct qr_str *ret_text);
struct qri_path {
    size_t count;
    struct qr_str segments[QRI_SEGMENTS_MAX]; /* decoded */
};
/* Repeated slashes count as one; a slash at the end as none. False: too long or badly encoded. */
bool qri_path_parse(struct qr_arena *arena, struct qr_str raw, struct qri_path *ret_path);
/* The first of that name in `a=b&c=d`, decoded. False: it is not there or badly encoded. */
bool qri_form_get(struct qr_arena *arena, struct qr_str form, const char *name,
                  struct qr_str *ret_value);
/* Is it `YYYY-MM-DD` or that with `-preview`? */
bool qri_is_api_version(struct qr_str text);

/* ---- base64.c. Pure; without padding ---- */

void qri_base64url_put(struct qr_buf *buf, const void *bytes, size_t count);
bool qri_base64url_get(struct qr_str text, struct qr_buf *buf);

/* ---- token.c: signed tokens (RFC 7519, RS256) ---- */

#define QRI_AUDIENCE "https://management.quire/"
#define QRI_REFRESH_AUDIENCE "urn:quire:refresh"
struct qri_signer;
QR_NODISCARD enum qr_status qri_signer_new(const char *key_pem, struct qri_signer **ret_signer,
                                           struct qr_err *err);
void qri_signer_free(struct qri_signer *signer);
/* A GUID that follows from the key and `what`, the same after each start. */
void qri_signer_guid(const struct qri_signer *signer, const char *what,
                     char dst[QRI_GUID_BYTES + 1]);
/* The public half as a JSON Web Key; the caller's. NULL: out of memory. */
json_t *qri_signer_jwk(const struct qri_signer *signer);
/* Signs the claims; appends the token. */
QR_NODISCARD enum qr_status qri_token_sign(const struct qri_signer *signer, const char *type,
                                           json_t *claims, struct qr_buf *token,
                                           struct qr_err *err);
enum qri_token_verdict {
    QRI_TOKEN_GOOD,
    QRI_TOKEN_MALFORMED,
    QRI_TOKEN_FORGED,
    QRI_TOKEN_EXPIRED, /* or not valid yet */
    QRI_TOKEN_FOREIGN, /* for another audience or use */
};
const char *qri_token_verdict_text(enum qri_token_verdict verdict);
/* `type` and `audience` are what it has to be for. The claims are the caller's. */
enum qri_token_verdict qri_token_check(const struct qri_signer *signer, struct qr_str token,
                                       const char *type, const char *audience, int64_t now_s,
                                       json_t **ret_claims);

/* ---- throttle.c: how many of what in a minute, by key ---- */

struct qri_throttle;
QR_NODISCARD enum qr_status qri_throttle_new(struct qr_env *env, uint32_t per_minute,
                                             struct qri_throttle **ret_throttle,
                                             struct qr_err *err);
void qri_throttle_free(struct qri_throttle *throttle);
/* Takes one; 0, or after how many seconds there is one again. */
uint32_t qri_throttle_take(struct qri_throttle *throttle, struct qr_str key);
/* All are there again. */
void qri_throttle_forgive(struct qri_throttle *throttle, struct qr_str key);

/* ---- requests ---- */

enum qri_method { QRI_GET, QRI_HEAD, QRI_PUT, QRI_PATCH, QRI_POST, QRI_DELETE, QRI_METHOD_COUNT };

/* What a principal must be allowed to do. */
enum qri_right {
    QRI_ANYBODY,   /* no token is asked for */
    QRI_SIGNED_IN, /* whoever has one */
    QRI_READ,
    QRI_WRITE_DATABASES, /* make, change and drop databases */
    QRI_WRITE,           /* all else but who may do what */
    QRI_GRANT,           /* who may do what */
    QRI_RIGHT_COUNT
};

struct qri_principal {
    char name[QRI_NAME_BYTES + 1]; /* of the login or application */
    char object_id[QRI_GUID_BYTES + 1];
    bool is_admin; /* the server's administrator: he may do everything */
};

struct qri_header {
    const char *name, *value;
};

struct qri_request {
    struct qr_arm *arm;
    struct qr_arena arena;
    /* what was asked */
    enum qri_method method;
    const char *method_name; /* "other" for one that is none of those */
    const char *raw_path;    /* without the query */
    struct qri_path path;
    const struct qri_route *route;
    struct qr_str vars[QRI_VARS_MAX]; /* what stood for each {} of the route */
    const char *base;                 /* "https://HOST:PORT" as the client wrote it */
    const char *api_version;          /* "" if none */
    const char *client;               /* its address */
    const char *authorization, *if_match, *if_none_match, *client_request_id, *query;
    bool wants_client_request_id;
    struct qr_buf body;
    json_t *json; /* of the body; NULL: it has none */
    struct qri_principal who;
    bool is_scraper; /* it came with the token for /metrics */
    char id[QRI_GUID_BYTES + 1], correlation_id[QRI_GUID_BYTES + 1];
    int64_t began_ns;
    bool has_begun;
    /* what is answered */
    unsigned status; /* 0: nothing yet */
    json_t *answer;  /* NULL: no body, or */
    char *own_text;  /* a text of that type; from malloc */
    const char *text_type;
    struct qri_header headers[QRI_HEADERS_MAX];
    size_t header_count;
    const char *error_code; /* for the log */
};
typedef void qri_handler(struct qri_request *r);

struct qri_route {
    enum qri_method method;
    const char *pattern; /* segments compare without case; {} stands for any one */
    enum qri_right right;
    qri_handler *handle;
    bool is_arm;   /* needs an api-version */
    bool head_too; /* HEAD is answered as GET, without the body */
};

/* ---- router.c ---- */
/* Fills in route and vars. False: no such path, or (*ret_other_method) not with this method. */
bool qri_route_find(struct qri_request *r, bool *ret_other_method);
bool qri_route_matches(const char *pattern, const struct qri_path *path,
                       struct qr_str vars[QRI_VARS_MAX]);

/* ---- reply.c ---- */
/* Takes `own_json`; NULL for a body that should be there means out of memory. */
void qri_reply(struct qri_request *r, unsigned status, json_t *own_json);
void qri_reply_empty(struct qri_request *r, unsigned status);
/* Takes the bytes; one that could not grow is answered with 500. */
void qri_reply_text(struct qri_request *r, const char *type, struct qr_buf *own_text);
/* The value goes to the arena. */
void qri_header(struct qri_request *r, const char *name, const char *fmt, ...) QR_PRINTF(3, 4);
/* An ARM error body. */
void qri_refuse(struct qri_request *r, unsigned status, const char *code, const char *fmt, ...)
    QR_PRINTF(4, 5);
/* What control answered. `target` may be NULL. */
void qri_refuse_err(struct qri_request *r, enum qr_status status, const struct qr_err *err);
/* The HTTP status and code of an error. */
void qri_error_of(enum qr_status status, const struct qr_err *err, unsigned *ret_http,
                  const char **ret_code);
void qri_guid_new(struct qr_env *env, char dst[QRI_GUID_BYTES + 1]);
bool qri_is_guid(struct qr_str text);
/* The copy is the arena's; NUL-terminated. "" when out of memory. */
const char *qri_copy(struct qri_request *r, struct qr_str text);
/* "2026-11-21T08:07:13.479Z" in the arena. */
const char *qri_time_text(struct qri_request *r, int64_t wall_ns);

/* ---- access.c: who asks, and what he may ---- */
/* Checks token, throttle and right of the request's route; answers if it may not go on. */
bool qri_access(struct qri_request *r);
struct qri_passwords;
QR_NODISCARD enum qr_status
qri_passwords_new(struct qr_arm *arm, struct qri_passwords **ret_passwords, struct qr_err *err);
void qri_passwords_free(struct qri_passwords *passwords);
enum qri_password_result { QRI_PASSWORD_RIGHT, QRI_PASSWORD_WRONG, QRI_PASSWORD_BUSY };
/* `name` may be written `admin@anything`. */
enum qri_password_result qri_password_check(struct qri_request *r, struct qr_str name,
                                            struct qr_str password, struct qri_principal *ret_who,
                                            uint32_t *ret_wait_s);
/* The principal that a token names, as it is now. False: there is none of that name any more. */
bool qri_principal_find(struct qr_arm *arm, const char *name, struct qri_principal *ret_who);
/* A new secret's hash; false: out of memory. */
bool qri_password_hash(struct qr_str password, char dst[QRI_HASH_BYTES]);

/* ---- roles.c ---- */
/* Does one of the principal's roles, at a scope that holds the request's path, have the route's
 * right? False with r->status set: it could not be told. */
bool qri_may(struct qri_request *r);

/* ---- the server ---- */
struct qr_arm {
    struct qr_arm_options options;
    struct qri_signer *signer;
    struct qri_throttle *throttle;
    struct qri_passwords *passwords;
    char tenant[QRI_GUID_BYTES + 1], subscription[QRI_GUID_BYTES + 1];
    void *daemon; /* struct MHD_Daemon */
    uint16_t port;
    _Atomic int64_t counted_from_ns; /* counters of /metrics; wall clock */
    _Atomic bool draining;
};
