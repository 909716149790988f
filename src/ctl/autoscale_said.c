/* autoscale_said.c - see autoscale_int.h: what is said of a database's scaling, and what it means
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "autoscale_int.h"
#include "registry_int.h"
#include "base/banned.h"

static const char *const state_names[] = {"Disabled", "Enabled"};
enum { POINT_S = 15 };

/* ---- the members ---- */

enum member_kind { STATE, POLICY, OBJECTIVE, NUMBER, SECONDS, POINTS, METRICS, FLAG, SHOWN };
#define AT(member) offsetof(struct qr_scale_policy, member)
/* Numbers are read to where the policy has them; SHOWN are those of answers, which come back. */
static const struct member {
    const char *name;
    enum member_kind kind;
    size_t offset;
} members[] = {
    {"state", STATE, 0},
    {"policy", POLICY, 0},
    {"minObjective", OBJECTIVE, AT(min_rung)},
    {"maxObjective", OBJECTIVE, AT(max_rung)},
    {"upPercent", NUMBER, AT(up_percent)},
    {"downPercent", NUMBER, AT(down_percent)},
    {"windowPoints", POINTS, AT(window_points)},
    {"minPoints", POINTS, AT(points_min)},
    {"warmupSeconds", SECONDS, AT(warmup_s)},
    {"cooldownSeconds", SECONDS, AT(cooldown_s)},
    {"costWeight", NUMBER, AT(cost_weight)},
    {"horizonSeconds", SECONDS, AT(horizon_s)},
    {"metrics", METRICS, 0},
    {"dryRun", FLAG, 0},
    {"database", SHOWN, 0},
    {"currentObjective", SHOWN, 0},
    {"lastDecisionWallNs", SHOWN, 0},
    {"lastReason", SHOWN, 0},
    {"lastRequestedObjective", SHOWN, 0},
    {"lastError", SHOWN, 0},
    {"retryAfterWallNs", SHOWN, 0},
    {"lastDecision", SHOWN, 0},
    {"retryAfter", SHOWN, 0},
};
enum { MEMBER_COUNT = sizeof members / sizeof members[0] };

static const struct member *member_of(const char *name)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (strcasecmp(name, members[i].name) == 0)
            return &members[i];
    return NULL;
}

/* The number of that name; -1: none. */
static int name_of(const char *const *names, int count, const char *text)
{
    for (int i = 0; text != NULL && i < count; i++)
        if (strcasecmp(text, names[i]) == 0)
            return i;
    return -1;
}

/* A list of names, or one text with commas between them. 0: one of them is none. */
static uint32_t metrics_of(const json_t *value)
{
    uint32_t metrics = 0;
    const char *at = json_string_value(value);
    for (size_t i = 0; at == NULL && i < json_array_size(value); i++) {
        int m = name_of(qr_scale_metric_names, QR_SCALE_METRIC_COUNT,
                        json_string_value(json_array_get(value, i)));
        if (m < 0)
            return 0;
        metrics |= 1u << m;
    }
    while (at != NULL) {
        size_t n = strcspn(at, ",");
        struct qr_str name = qr_str_trim(qr_str_n(at, n));
        int m = 0;
        while (m < QR_SCALE_METRIC_COUNT && !qr_str_ieqz(name, qr_scale_metric_names[m]))
            m++;
        if (m == QR_SCALE_METRIC_COUNT)
            return 0;
        metrics |= 1u << m;
        at = at[n] == '\0' ? NULL : at + n + 1;
    }
    return metrics;
}

/* NULL: it is good. */
static const char *complaint_of(const struct member *m, const json_t *value)
{
    double n = json_number_value(value);
    bool is_whole = json_is_number(value) && n == floor(n) && n >= 0 && n <= 1e9;
    int kind = name_of(qr_scale_kind_names, QR_SCALE_KINDS, json_string_value(value));
    switch (m->kind) {
    case STATE:
        return name_of(state_names, 2, json_string_value(value)) < 0 ? "Enabled or Disabled" : NULL;
    case POLICY:
        return kind < 0 || kind == QR_SCALE_FIXED ? "moving_average or forecast" : NULL;
    case OBJECTIVE:
        return qr_slo_find(qr_str(json_is_string(value) ? json_string_value(value) : "")) == NULL
                   ? "a service objective"
                   : NULL;
    case NUMBER:
        return json_is_number(value) && isfinite(n) ? NULL : "a number";
    case SECONDS:
    case POINTS:
        return is_whole ? NULL : "a whole number, 0 or more";
    case METRICS:
        return metrics_of(value) == 0 ? "some of cpu, data_io, log, workers, memory" : NULL;
    case FLAG:
        return json_is_boolean(value) ? NULL : "true or false";
    case SHOWN:
        break;
    }
    return NULL;
}

enum qr_status qri_autoscale_wish(json_t *said, struct qr_str wish, struct qr_err *err)
{
    const char *key;
    json_t *value;
    json_t *object = json_loadb(wish.p, wish.n, JSON_REJECT_DUPLICATES, NULL);
    enum qr_status status = json_is_object(object)
                                ? QR_OK
                                : qr_fail(err, QR_INVALID, "Autoscale settings are an object.");
    json_object_foreach(object, key, value)
    {
        const struct member *m = member_of(key);
        const char *complaint = m == NULL || json_is_null(value) ? NULL : complaint_of(m, value);
        if (status != QR_OK)
            break;
        if (m == NULL)
            status = qr_fail(err, QR_INVALID, "Autoscale has no setting '%.60s'.", key);
        else if (complaint != NULL)
            status =
                qr_fail(err, QR_INVALID, "The autoscale setting %s is %s.", m->name, complaint);
        else if (m->kind == SHOWN)
            continue;
        else if (json_is_null(value))
            (void)json_object_del(said, m->name);
        else if (json_object_set(said, m->name, value) != 0)
            status = qr_fail(err, QR_NOMEM, "keep autoscale settings");
    }
    json_decref(object);
    return status;
}

/* ---- for one database ---- */

static enum qr_status check_row(const struct qr_database_row *row, const struct qr_slo *slo,
                                struct qr_err *err)
{
    if (qr_is_master(row->id))
        return qr_fail(err, QR_INVALID, "The database 'master' cannot be scaled.");
    if (row->pool[0] != '\0')
        return qr_fail(err, QR_INVALID,
                       "Database '%s' is in elastic pool '%s': what is scaled there is the pool, "
                       "and autoscale is for single databases.",
                       row->name, row->pool);
    if (slo != NULL && slo->is_serverless)
        return qr_fail(err, QR_INVALID,
                       "Database '%s' is serverless (%s) and follows its load by itself; autoscale "
                       "is for provisioned objectives.",
                       row->name, slo->name);
    if (row->geo_of != 0)
        return qr_fail(err, QR_INVALID,
                       "Database '%s' is a geo-secondary; autoscale is for its primary.",
                       row->name);
    if (slo == NULL)
        return qr_fail(err, QR_INVALID, "Database '%s' has the objective %s, which is not known.",
                       row->name, row->objective);
    return QR_OK;
}

static void make_ladder(struct qri_autoscale *a, const struct qr_slo *of)
{
    a->rung_count = 0;
    for (size_t i = 0; i < qr_slo_count() && a->rung_count < QRI_RUNGS_MAX; i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (slo->is_serverless || strcmp(slo->edition, of->edition) != 0 ||
            strcmp(slo->family, of->family) != 0)
            continue;
        size_t at = a->rung_count++;
        for (; at > 0 && a->ladder[at - 1].vcores > slo->capacity; at--)
            a->ladder[at] = a->ladder[at - 1];
        a->ladder[at] = (struct qr_rung){slo->name, slo->capacity};
    }
}

static enum qr_status take_rung(const struct qri_autoscale *a, const struct qr_slo *of,
                                const struct member *m, const char *name, int *rung,
                                struct qr_err *err)
{
    for (size_t i = 0; i < a->rung_count; i++) {
        if (strcasecmp(a->ladder[i].name, name) == 0) {
            *rung = (int)i;
            return QR_OK;
        }
    }
    return qr_fail(err, QR_INVALID,
                   "The autoscale setting %s is an objective of %s %s, from %s to %s: '%.60s' is "
                   "none.",
                   m->name, of->edition, of->family, a->ladder[0].name,
                   a->ladder[a->rung_count - 1].name, name);
}

static enum qr_status take_member(struct qri_autoscale *a, const struct qr_slo *of,
                                  const struct member *m, const json_t *value, struct qr_err *err)
{
    char *at = (char *)&a->policy + m->offset;
    switch (m->kind) {
    case STATE:
        a->is_on = name_of(state_names, 2, json_string_value(value)) == 1;
        break;
    case OBJECTIVE:
        return take_rung(a, of, m, json_string_value(value), (int *)(void *)at, err);
    case NUMBER:
        *(double *)(void *)at = json_number_value(value);
        break;
    case SECONDS:
        *(int64_t *)(void *)at = (int64_t)json_number_value(value);
        break;
    case POINTS:
        *(uint32_t *)(void *)at = (uint32_t)json_number_value(value);
        break;
    case METRICS:
        a->policy.metrics = metrics_of(value);
        break;
    case FLAG:
        a->is_dry = json_is_true(value);
        break;
    case POLICY: /* the defaults came from it */
    case SHOWN:
        break;
    }
    return QR_OK;
}

enum qr_status qri_autoscale_of(const json_t *said, const struct qr_database_row *row,
                                int64_t interval_ns, struct qri_autoscale *ret, struct qr_err *err)
{
    const struct qr_slo *slo = qr_slo_find(qr_str(row->objective));
    QR_TRY(check_row(row, slo, err));
    *ret = (struct qri_autoscale){.is_on = false};
    make_ladder(ret, slo);
    if (ret->rung_count < 2)
        return qr_fail(err, QR_INVALID, "There is no other objective in %s to scale '%s' to.",
                       slo->edition, row->name);
    int kind = name_of(qr_scale_kind_names, QR_SCALE_KINDS,
                       json_string_value(json_object_get(said, "policy")));
    qr_scale_policy_default(&ret->policy,
                            kind < 0 ? QR_SCALE_MOVING_AVERAGE : (enum qr_scale_kind)kind,
                            ret->rung_count);
    struct qr_scale_policy *policy = &ret->policy;
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const json_t *value = json_object_get(said, members[i].name);
        if (value != NULL)
            QR_TRY(take_member(ret, slo, &members[i], value, err));
    }
    if (json_object_get(said, "minPoints") == NULL && policy->points_min > policy->window_points)
        policy->points_min = policy->window_points;
    if (policy->hold_s < policy->horizon_s)
        policy->hold_s = policy->horizon_s;
    int64_t interval_s = (interval_ns + 999999999) / 1000000000;
    policy->gap_s = 4 * (interval_s > 0 ? interval_s : POINT_S);
    QR_TRY(qr_scale_policy_check(policy, ret->rung_count, err));
    ret->least = policy->min_rung;
    while (!qr_database_is_hyper(row) && row->max_bytes != 0 &&
           policy->min_rung < policy->max_rung &&
           !qr_slo_takes_max_bytes(qr_slo_find(qr_str(ret->ladder[policy->min_rung].name)),
                                   row->max_bytes))
        policy->min_rung += 1;
    return QR_OK;
}

json_t *qri_autoscale_json(const struct qri_autoscale *a)
{
    const struct qr_scale_policy *p = &a->policy;
    json_t *metrics = json_array();
    for (int m = 0; m < QR_SCALE_METRIC_COUNT; m++)
        if ((p->metrics >> m & 1) != 0)
            (void)json_array_append_new(metrics, json_string(qr_scale_metric_names[m]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:I, s:I, s:f, s:I, s:o, s:b}", "state",
        state_names[a->is_on], "policy", qr_scale_kind_names[p->kind], "minObjective",
        a->ladder[a->least].name, "maxObjective", a->ladder[p->max_rung].name, "upPercent",
        p->up_percent, "downPercent", p->down_percent, "windowPoints", (int)p->window_points,
        "minPoints", (int)p->points_min, "warmupSeconds", (json_int_t)p->warmup_s,
        "cooldownSeconds", (json_int_t)p->cooldown_s, "costWeight", p->cost_weight,
        "horizonSeconds", (json_int_t)p->horizon_s, "metrics", metrics, "dryRun", (int)a->is_dry);
}

int qri_autoscale_rung(const struct qri_autoscale *a, uint32_t vcores_pct, uint32_t dtus)
{
    double capacity = dtus > 0 ? dtus : vcores_pct / 100.0;
    for (size_t i = 0; i < a->rung_count; i++)
        if (fabs(a->ladder[i].vcores - capacity) < 0.005)
            return (int)i;
    return -1;
}
