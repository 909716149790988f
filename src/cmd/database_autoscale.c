/* database_autoscale.c - see cmd_int.h: ALTER DATABASE ... SET AUTOSCALE as settings of control's,
 * and those settings as the engine's view has them */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "cmd_int.h"
#include "ctl/autoscale.h"
#include "tsql/ast.h"
#include "base/banned.h"

enum { OPTIONS_BYTES_MAX = 64 * 1024 };
static const int64_t SET_NS = INT64_C(30) * 1000000000;

/* ---- the statement ---- */

static const struct {
    const char *word, *member;
    bool is_flag;
} words[] = {
    {"POLICY", "policy", false},
    {"MIN", "minObjective", false},
    {"MAX", "maxObjective", false},
    {"UP", "upPercent", false},
    {"DOWN", "downPercent", false},
    {"WINDOW", "windowPoints", false},
    {"MIN_POINTS", "minPoints", false},
    {"WARMUP", "warmupSeconds", false},
    {"COOLDOWN", "cooldownSeconds", false},
    {"COST_WEIGHT", "costWeight", false},
    {"HORIZON", "horizonSeconds", false},
    {"METRICS", "metrics", false},
    {"DRY_RUN", "dryRun", true},
};

static json_t *value_of(struct qr_arena *arena, const struct qr_ast_option *option, bool is_flag)
{
    const struct qr_ast_literal *literal = (const struct qr_ast_literal *)option->value;
    if (literal == NULL && is_flag &&
        (qr_str_ieqz(option->word, "ON") || qr_str_ieqz(option->word, "OFF")))
        return json_boolean(qr_str_ieqz(option->word, "ON"));
    if (literal == NULL)
        return qr_str_ieqz(option->word, "DEFAULT") ? json_null()
                                                    : json_stringn(option->word.p, option->word.n);
    const char *text =
        literal->head.kind == QR_AE_LITERAL ? qr_arena_str(arena, literal->text).p : NULL;
    if (text == NULL)
        return NULL;
    enum qr_ast_literal_kind kind = literal->literal;
    if (kind == QR_LIT_STRING || kind == QR_LIT_NSTRING)
        return json_string(text);
    bool is_number = kind == QR_LIT_INT || kind == QR_LIT_NUMERIC || kind == QR_LIT_FLOAT;
    return is_number ? json_real(strtod(text, NULL)) : NULL;
}

static enum qr_status take_sub(struct qr_arena *arena, const struct qr_ast_option *sub,
                               json_t *object, struct qr_err *err)
{
    char name[QR_WORD_BYTES_MAX + 1];
    size_t i = 0, count = sizeof words / sizeof words[0];
    size_t n = sub->name.n < QR_WORD_BYTES_MAX ? sub->name.n : QR_WORD_BYTES_MAX;
    memcpy(name, sub->name.p, n);
    name[n] = '\0';
    while (i < count && !qr_str_ieqz(sub->name, words[i].word))
        i++;
    if (i == count)
        return qr_sql_fail(err, 40517, name);
    json_t *value = value_of(arena, sub, words[i].is_flag);
    if (value == NULL)
        return qr_fail(err, QR_INVALID, "AUTOSCALE: %s has no value that it could have.", name);
    return json_object_set_new(object, words[i].member, value) == 0
               ? QR_OK
               : qr_fail(err, QR_NOMEM, "set AUTOSCALE");
}

enum qr_status qri_autoscale_alter(struct qri_node *node, uint32_t server, struct qr_str name,
                                   const struct qr_ast_option *option, struct qr_err *err)
{
    struct qr_arena arena;
    bool is_on = qr_str_ieqz(option->word, "ON"), is_off = qr_str_ieqz(option->word, "OFF");
    if (!is_on && !is_off)
        return qr_fail(err, QR_INVALID, "AUTOSCALE is ON, with options in parentheses, or OFF.");
    json_t *object = json_pack("{s:s}", "state", is_on ? "Enabled" : "Disabled");
    enum qr_status status = object == NULL ? qr_fail(err, QR_NOMEM, "set AUTOSCALE") : QR_OK;
    qr_arena_init(&arena, OPTIONS_BYTES_MAX);
    for (size_t i = 0; status == QR_OK && i < option->sub_count; i++)
        status = take_sub(&arena, &option->subs[i], object, err);
    char *text = status == QR_OK ? json_dumps(object, JSON_COMPACT) : NULL;
    if (status == QR_OK && text == NULL)
        status = qr_fail(err, QR_INVALID, "The options of AUTOSCALE are UTF-8.");
    json_decref(object);
    qr_arena_done(&arena);
    if (status == QR_OK)
        status = qri_node_asked(qr_autoscale_set(qri_node_options_of(node)->operate, server, name,
                                                 qr_str(text), SET_NS, err),
                                err);
    free(text);
    return status;
}

/* ---- the view ---- */

struct show {
    enum qr_status (*each)(void *each_ctx, const struct qr_autoscale_seen *seen);
    void *each_ctx;
};

static struct qr_str text_of(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    return json_is_string(value) ? qr_str_n(json_string_value(value), json_string_length(value))
                                 : (struct qr_str){NULL, 0};
}

static int64_t ticks_of(const json_t *o, const char *key)
{
    int64_t ns = json_integer_value(json_object_get(o, key));
    return ns == 0 ? 0 : qri_ticks_of(ns);
}

static enum qr_status show_one(void *ctx, uint32_t id, struct qr_str json)
{
    const struct show *show = ctx;
    enum { METRICS_BYTES = 128 };
    char metrics[METRICS_BYTES] = "";
    json_t *o = json_loadb(json.p, json.n, 0, NULL);
    const json_t *list = json_object_get(o, "metrics");
    for (size_t i = 0, n = 0; i < json_array_size(list) && n < METRICS_BYTES; i++)
        n += (size_t)snprintf(metrics + n, METRICS_BYTES - n, "%s%s", i == 0 ? "" : ",",
                              json_string_value(json_array_get(list, i)));
    struct qr_autoscale_seen seen = {
        .database_id = qr_number_of(id),
        .database = text_of(o, "database"),
        .is_on = qr_str_ieqz(text_of(o, "state"), "Enabled"),
        .is_dry = json_is_true(json_object_get(o, "dryRun")),
        .policy = text_of(o, "policy"),
        .least = text_of(o, "minObjective"),
        .most = text_of(o, "maxObjective"),
        .metrics = qr_str(metrics),
        .current = text_of(o, "currentObjective"),
        .reason = text_of(o, "lastReason"),
        .requested = text_of(o, "lastRequestedObjective"),
        .error = text_of(o, "lastError"),
        .decided_ticks = ticks_of(o, "lastDecisionWallNs"),
        .retry_ticks = ticks_of(o, "retryAfterWallNs"),
    };
    const struct {
        const char *key;
        double *number;
    } numbers[] = {{"upPercent", &seen.up},         {"downPercent", &seen.down},
                   {"windowPoints", &seen.window},  {"minPoints", &seen.points_min},
                   {"warmupSeconds", &seen.warmup}, {"cooldownSeconds", &seen.cooldown},
                   {"costWeight", &seen.cost},      {"horizonSeconds", &seen.horizon}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i].number = json_number_value(json_object_get(o, numbers[i].key));
    enum qr_status status = o == NULL ? QR_PROTOCOL : show->each(show->each_ctx, &seen);
    json_decref(o);
    return status;
}

enum qr_status qri_autoscale_each(void *ctx, uint32_t server_id,
                                  enum qr_status (*each)(void *each_ctx,
                                                         const struct qr_autoscale_seen *seen),
                                  void *each_ctx)
{
    struct show show = {each, each_ctx};
    enum qr_status status =
        qr_autoscale_each(qri_node_options_of(ctx)->control, qr_server_of(server_id), qr_str(""), 0,
                          show_one, &show, NULL);
    return status == QR_CANCELLED ? QR_CLOSED : status;
}
