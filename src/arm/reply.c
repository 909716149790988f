/* reply.c - see arm_int.h */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "arm_int.h"
#include "base/banned.h"

void qri_reply(struct qri_request *r, unsigned status, json_t *own_json)
{
    json_decref(r->answer);
    r->answer = own_json;
    r->status =
        own_json == NULL ? 500 : status; /* out of memory; there is nothing to say it with */
}

void qri_reply_text(struct qri_request *r, const char *type, struct qr_buf *own_text)
{
    char *copy =
        own_text->failed == QR_OK ? strndup((const char *)own_text->data, own_text->len) : NULL;
    qr_buf_done(own_text);
    if (copy == NULL) {
        qri_refuse(r, 500, "InternalServerError", "The answer could not be made.");
        return;
    }
    r->own_text = copy;
    r->text_type = type;
    r->status = 200;
}

void qri_reply_empty(struct qri_request *r, unsigned status)
{
    json_decref(r->answer);
    r->answer = NULL;
    r->status = status;
}

void qri_header(struct qri_request *r, const char *name, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *value =
        n < 0 || (size_t)n >= sizeof text ? NULL : qr_arena_dup(&r->arena, text, (size_t)n);
    if (value != NULL && r->header_count < QRI_HEADERS_MAX)
        r->headers[r->header_count++] = (struct qri_header){name, value};
}

void qri_refuse(struct qri_request *r, unsigned status, const char *code, const char *fmt, ...)
{
    char text[QR_ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->error_code = code;
    json_t *message = json_string(text);
    if (message == NULL) /* what the client wrote was cut within a character */
        message = json_string(code);
    qri_reply(r, status, json_pack("{s:{s:s,s:o}}", "error", "code", code, "message", message));
}

/* T-SQL errors as ARM has them; the rest is told by their class. */
static const struct {
    int number;
    unsigned status;
    const char *code;
} sql_errors[] = {
    /* clang-format off */
    {  262, 403, "AuthorizationFailed"},
    {  911, 404, "ResourceNotFound"},
    { 1801, 409, "DatabaseAlreadyExists"},
    { 4060, 404, "ResourceNotFound"},
    { 3702, 409, "ConflictingDatabaseOperation"},
    {40530, 409, "ConflictingDatabaseOperation"},
    {40604, 400, "ServerQuotaExceeded"},
    {40609, 400, "InvalidIPAddress"},
    {40611, 400, "ServerFirewallRulesLimitReached"},
    {40613, 503, "DatabaseUnavailable"},
    {40614, 400, "FirewallRuleInvalidRange"},
    {40617, 400, "FirewallRuleNameTooLong"},
    {40618, 400, "FirewallRuleNameEmpty"},
    {40619, 400, "InvalidMaxSizeTierCombination"},
    {40565, 409, "ConflictingDatabaseOperation"},
    {40627, 409, "ConflictingServerOperation"},
    {40631, 400, "PasswordTooLong"},
    {40632, 400, "PasswordNotComplex"},
    {40633, 400, "InvalidTier"},
    {40652, 400, "ServerQuotaExceeded"},
    {40656, 429, "TooManyRequests"},
    {40663, 409, "ConflictingDatabaseOperation"},
    {40802, 409, "ConflictingDatabaseOperation"},
    {40804, 400, "InvalidSkuName"},
    {40808, 400, "InvalidTierSkuCombination"},
    {40811, 409, "CannotCancelOperation"},
    {40812, 409, "ConflictingDatabaseOperation"},
    {40857, 400, "TargetElasticPoolDoesNotExist"},
    {40858, 409, "ElasticPoolAlreadyExists"},
    {40859, 400, "ElasticPoolTierCombinationInvalid"},
    {40860, 400, "ElasticPoolSkuCombinationInvalid"},
    {40861, 400, "ElasticPoolTierCombinationInvalid"},
    {40862, 400, "TargetElasticPoolDoesNotExist"},
    {40864, 400, "ElasticPoolDtuBelowLimit"},
    {40865, 400, "ElasticPoolDtuAboveLimit"},
    {40866, 400, "ElasticPoolInvalidMaxSize"},
    {40867, 400, "ElasticPoolDbDtuMaxBelowLimit"},
    {40868, 400, "ElasticPoolDbDtuMaxAboveLimit"},
    {40869, 400, "ElasticPoolInvalidDbDtuMax"},
    {40870, 400, "ElasticPoolDbDtuMinAboveLimit"},
    {40871, 400, "ElasticPoolInvalidDbDtuMin"},
    {40872, 400, "ElasticPoolInvalidDtu"},
    {40873, 400, "ElasticPoolDatabaseCountDtuCombinationInvalid"},
    {40874, 400, "ElasticPoolInvalidDtu"},
    {40875, 400, "ElasticPoolStorageLimitExceeded"},
    {40877, 409, "ElasticPoolNotEmpty"},
    {40881, 400, "ElasticPoolDatabaseCountOverLimit"},
    {40889, 400, "ElasticPoolOverStorageUsage"},
    {40890, 409, "ElasticPoolBusy"},
    {40891, 400, "ElasticPoolDbDtuMinMaxCombinationInvalid"},
    {40900, 400, "ElasticPoolTierChangeNotSupported"},
    {40906, 409, "ConflictingDatabaseOperation"},
    {45138, 409, "DatabaseAlreadyExists"},
    {45143, 404, "ResourceNotFound"},
    {45148, 400, "InvalidReadScaleEdition"},
    {45182, 409, "ConflictingDatabaseOperation"},
    {45184, 404, "OperationIdNotFound"},
    /* clang-format on */
};

void qri_error_of(enum qr_status status, const struct qr_err *err, unsigned *ret_http,
                  const char **ret_code)
{
    const struct qr_status_info *info = qr_status_info(status);
    *ret_http = (unsigned)info->http_status;
    *ret_code = info->arm_code;
    for (size_t i = 0; status == QR_SQL && i < sizeof sql_errors / sizeof sql_errors[0]; i++)
        if (sql_errors[i].number == err->number) {
            *ret_http = sql_errors[i].status;
            *ret_code = sql_errors[i].code;
        }
    if (status == QR_UNSUPPORTED) { /* a client would try it again after a 501 */
        *ret_http = 400;
        *ret_code = "FeatureNotSupported";
    } else if (status == QR_TIMEOUT || status == QR_CLOSED || status == QR_FENCED) {
        *ret_http = 503;
        *ret_code = "ServiceUnavailable";
    }
}

void qri_refuse_err(struct qri_request *r, enum qr_status status, const struct qr_err *err)
{
    const struct qr_status_info *info = qr_status_info(status);
    unsigned http;
    const char *code;
    qri_error_of(status, err, &http, &code);
    if (status == QR_SQL || http < 500) {
        qri_refuse(r, http, code, "%s", *err->text != '\0' ? err->text : info->meaning);
        return;
    }
    QR_LOG(&r->arm->options.log, QR_WARN, "not_answered", QR_F("request", &r->id[0]),
           QR_F("status", info->name), QR_F("reason", &err->text[0]));
    if (http == 503)
        qri_refuse(r, http, code, "The service is not available. Try again later.");
    else
        qri_refuse(r, http, code,
                   "An unexpected error occured while processing the request. Tracking ID: '%s'",
                   r->id);
}

void qri_guid_new(struct qr_env *env, char dst[QRI_GUID_BYTES + 1])
{
    uint8_t b[16];
    qr_env_random(env, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(dst, QRI_GUID_BYTES + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

bool qri_is_guid(struct qr_str text)
{
    if (text.n != QRI_GUID_BYTES)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = text.p[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !digit)
            return false;
    }
    return true;
}

const char *qri_copy(struct qri_request *r, struct qr_str text)
{
    const char *copy = qr_arena_dup(&r->arena, text.p, text.n);
    return copy == NULL ? "" : copy;
}

const char *qri_time_text(struct qri_request *r, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return "1970-01-01T00:00:00Z";
    const char *text = qr_arena_printf(&r->arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                                       tm.tm_min, tm.tm_sec, (int)(wall_ns / 1000000 % 1000));
    return text == NULL ? "1970-01-01T00:00:00Z" : text;
}
