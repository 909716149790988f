/* quire_autoscale.c - `quire autoscale simulate`: what policies would have done with a load. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "autoscale/simulate.h"
#include "ctl/slo.h"
#include "env/env.h"
#include "quire_int.h"
#include "base/banned.h"

enum { EXIT_USAGE = 2, RUNGS_MAX = 64, FILE_BYTES_MAX = 512 << 20 };

struct words {
    const char *trace, *policies, *family, *least, *most, *first, *up, *down, *window, *warmup,
        *cooldown, *cost_weight, *horizon, *scale_s, *violation, *learn_days, *plot, *csv;
};

struct ladder {
    struct qr_rung rungs[RUNGS_MAX];
    size_t count;
};

static int usage(void)
{
    fprintf(
        stderr,
        "usage: quire autoscale simulate --trace FILE.csv [--policy NAME,...]\n"
        "  --policy NAME,...       fixed, moving_average, forecast [all]\n"
        "  --family PREFIX         of the objectives [HS_Gen5]\n"
        "  --min-objective SLO, --max-objective SLO, --first-objective SLO\n"
        "                          bounds [the smallest, the largest], and where it begins [the "
        "smallest]\n"
        "  --up PERCENT, --down PERCENT   thresholds [70; 80 of the forecast; 30]\n"
        "  --window POINTS         of the moving average, 15 s each [5]\n"
        "  --warmup SECONDS        after a change, before anything is decided [0]\n"
        "  --cooldown SECONDS      before the next scale down [300]\n"
        "  --cost-weight N         0: room is worth all, 1: vCores are [0.5]\n"
        "  --horizon SECONDS       of the forecast [600]\n"
        "  --scale-seconds N       from a decision to its objective being there [2]\n"
        "  --violation PERCENT     of a capacity that a load may not be above [90]\n"
        "  --learn-days N          not judged, at the beginning [0]\n"
        "  --plot FILE.svg, --csv FILE.csv   a picture; the decisions of the last policy\n"
        "A trace has the columns time (seconds, or 2026-05-04T10:11:12Z) and load, in vCores; or "
        "cpu, data_io, log,\nworkers, memory, each in the vCores that it would need.\n"
        "Databases that the service scales: quire autoscale show, set and history (--help).\n");
    return EXIT_USAGE;
}

static bool take_words(int argc, char **argv, struct words *words)
{
    *words = (struct words){.policies = "fixed,moving_average,forecast", .family = "HS_Gen5"};
    const struct {
        const char *name;
        const char **value;
    } rows[] = {{"--trace", &words->trace},
                {"--policy", &words->policies},
                {"--family", &words->family},
                {"--min-objective", &words->least},
                {"--max-objective", &words->most},
                {"--first-objective", &words->first},
                {"--up", &words->up},
                {"--down", &words->down},
                {"--window", &words->window},
                {"--warmup", &words->warmup},
                {"--cooldown", &words->cooldown},
                {"--cost-weight", &words->cost_weight},
                {"--horizon", &words->horizon},
                {"--scale-seconds", &words->scale_s},
                {"--violation", &words->violation},
                {"--learn-days", &words->learn_days},
                {"--plot", &words->plot},
                {"--csv", &words->csv}};
    for (int i = 0; i < argc; i += 2) {
        size_t k = 0, count = sizeof rows / sizeof *rows;
        while (k < count && strcmp(argv[i], rows[k].name) != 0)
            k++;
        if (k == count || i + 1 == argc) {
            fprintf(stderr, "quire: '%s' %s\n", argv[i],
                    k == count ? "is not known here" : "needs a value");
            return false;
        }
        *rows[k].value = argv[i + 1];
    }
    return words->trace != NULL;
}

static enum qr_status number_of(const char *name, const char *text, double fallback,
                                double *ret_number, struct qr_err *err)
{
    char *end = NULL;
    *ret_number = text == NULL ? fallback : strtod(text, &end);
    if (text != NULL && (end == text || *end != '\0' || !isfinite(*ret_number)))
        return qr_fail(err, QR_INVALID, "%s: '%s' is no number", name, text);
    return QR_OK;
}

/* ---- objectives ---- */

static enum qr_status make_ladder(const struct words *words, struct ladder *ladder,
                                  struct qr_err *err)
{
    size_t n = strlen(words->family);
    for (size_t i = 0; i < qr_slo_count() && ladder->count < RUNGS_MAX; i++) {
        const struct qr_slo *slo = qr_slo_at(i);
        if (slo->is_dtu || strncasecmp(slo->name, words->family, n) != 0 || slo->name[n] != '_')
            continue;
        size_t at = ladder->count++;
        for (; at > 0 && ladder->rungs[at - 1].vcores > slo->capacity; at--)
            ladder->rungs[at] = ladder->rungs[at - 1];
        ladder->rungs[at] = (struct qr_rung){slo->name, slo->capacity};
    }
    return ladder->count > 0 ? QR_OK
                             : qr_fail(err, QR_INVALID,
                                       "--family: '%s' has no objectives by vCores", words->family);
}

static enum qr_status rung_of(const struct ladder *ladder, const char *name, int fallback,
                              int *ret_rung, struct qr_err *err)
{
    *ret_rung = fallback;
    if (name == NULL)
        return QR_OK;
    for (size_t i = 0; i < ladder->count; i++) {
        if (strcasecmp(ladder->rungs[i].name, name) == 0) {
            *ret_rung = (int)i;
            return QR_OK;
        }
    }
    return qr_fail(err, QR_INVALID, "'%s' is no objective of the family", name);
}

/* ---- one policy ---- */

static enum qr_status take_policy(const struct words *words, const struct ladder *ladder,
                                  enum qr_scale_kind kind, struct qr_scale_policy *policy,
                                  struct qr_err *err)
{
    double window, warmup, cooldown, horizon;
    qr_scale_policy_default(policy, kind, ladder->count);
    QR_TRY(rung_of(ladder, words->least, 0, &policy->min_rung, err));
    QR_TRY(rung_of(ladder, words->most, policy->max_rung, &policy->max_rung, err));
    QR_TRY(number_of("--up", words->up, policy->up_percent, &policy->up_percent, err));
    QR_TRY(number_of("--down", words->down, policy->down_percent, &policy->down_percent, err));
    QR_TRY(number_of("--window", words->window, policy->window_points, &window, err));
    QR_TRY(number_of("--warmup", words->warmup, (double)policy->warmup_s, &warmup, err));
    QR_TRY(number_of("--cooldown", words->cooldown, (double)policy->cooldown_s, &cooldown, err));
    QR_TRY(number_of("--cost-weight", words->cost_weight, policy->cost_weight, &policy->cost_weight,
                     err));
    QR_TRY(number_of("--horizon", words->horizon, (double)policy->horizon_s, &horizon, err));
    policy->window_points = (uint32_t)fmax(0, fmin(window, UINT32_MAX));
    policy->points_min = policy->window_points;
    policy->warmup_s = (int64_t)fmax(-1, fmin(warmup, 1e9));
    policy->cooldown_s = (int64_t)fmax(-1, fmin(cooldown, 1e9));
    policy->horizon_s = (int64_t)fmax(-1, fmin(horizon, 1e9));
    if (policy->hold_s < policy->horizon_s)
        policy->hold_s = policy->horizon_s;
    return QR_OK;
}

static enum qr_status take_simulation(const struct words *words, const struct ladder *ladder,
                                      struct qr_simulation *simulation, struct qr_err *err)
{
    double days;
    qr_simulation_default(simulation);
    QR_TRY(rung_of(ladder, words->first, 0, &simulation->first_rung, err));
    QR_TRY(number_of("--scale-seconds", words->scale_s, simulation->scale_s, &simulation->scale_s,
                     err));
    QR_TRY(number_of("--violation", words->violation, simulation->violation_percent,
                     &simulation->violation_percent, err));
    QR_TRY(number_of("--learn-days", words->learn_days, 0, &days, err));
    simulation->learn_steps = (size_t)(fmax(0, fmin(days, 1e5)) * 86400 / 15);
    return QR_OK;
}

static enum qr_status write_file(const char *path, const struct qr_buf *text, struct qr_err *err)
{
    QR_TRY(qr_buf_status(text, err));
    FILE *file = fopen(path, "we");
    bool ok = file != NULL && fwrite(text->data, 1, text->len, file) == text->len;
    if (file == NULL || fclose(file) != 0 || !ok)
        return qr_fail(err, QR_IO, "'%s': %s", path, strerror(errno));
    return QR_OK;
}

struct outcome {
    struct qr_simulation_result results[QR_SCALE_KINDS];
    const char *names[QR_SCALE_KINDS];
    size_t count;
};

static enum qr_status simulate(const struct words *words, const struct ladder *ladder,
                               const struct qr_trace *trace, struct outcome *outcome,
                               struct qr_err *err)
{
    struct qr_simulation simulation;
    QR_TRY(take_simulation(words, ladder, &simulation, err));
    for (const char *at = words->policies; *at != '\0' && outcome->count < QR_SCALE_KINDS;) {
        struct qr_str name = qr_str_n(at, strcspn(at, ","));
        int kind = 0;
        while (kind < QR_SCALE_KINDS && !qr_str_ieqz(name, qr_scale_kind_names[kind]))
            kind++;
        if (kind == QR_SCALE_KINDS)
            return qr_fail(err, QR_INVALID, "--policy: '%.*s' is none", (int)name.n, name.p);
        struct qr_scale_policy policy;
        QR_TRY(take_policy(words, ladder, (enum qr_scale_kind)kind, &policy, err));
        struct qr_simulation own = simulation; /* a fixed size is the greatest */
        if (kind == QR_SCALE_FIXED && words->first == NULL)
            own.first_rung = policy.max_rung;
        QR_TRY(qr_simulate(&own, &policy, ladder->rungs, ladder->count, trace,
                           &outcome->results[outcome->count], err));
        outcome->names[outcome->count++] = qr_scale_kind_names[kind];
        at += name.n + (at[name.n] == ',');
    }
    return QR_OK;
}

static enum qr_status show(const struct words *words, const struct ladder *ladder,
                           const struct outcome *o, struct qr_err *err)
{
    struct qr_buf text;
    enum qr_status status = QR_OK;
    printf("%-16s %12s %12s %12s %8s %8s\n", "policy", "violated min", "vCore-hours", "unserved h",
           "ups", "downs");
    for (size_t i = 0; i < o->count; i++) {
        const struct qr_simulation_result *r = &o->results[i];
        printf("%-16s %12.2f %12.1f %12.3f %8zu %8zu\n", o->names[i], r->violation_minutes,
               r->vcore_hours, r->unserved_hours, r->ups, r->downs);
    }
    qr_buf_init(&text, FILE_BYTES_MAX);
    if (words->plot != NULL) {
        qr_simulation_plot(o->results, o->names, o->count, &text);
        status = write_file(words->plot, &text, err);
    }
    qr_buf_clear(&text);
    if (status == QR_OK && words->csv != NULL && o->count > 0) {
        qr_simulation_csv(&o->results[o->count - 1], ladder->rungs, &text);
        status = write_file(words->csv, &text, err);
    }
    qr_buf_done(&text);
    return status;
}

static enum qr_status run(const struct words *words, struct qr_err *err)
{
    struct ladder ladder = {.count = 0};
    struct qr_trace trace = {0};
    struct outcome outcome = {.count = 0};
    struct qr_buf text;
    QR_TRY(make_ladder(words, &ladder, err));
    qr_buf_init(&text, FILE_BYTES_MAX);
    enum qr_status status = qr_env_read_file(qr_env_real(), words->trace, &text, err);
    if (status == QR_OK)
        status =
            qr_wrap(err, qr_trace_parse(qr_str_n((const char *)text.data, text.len), &trace, err),
                    "%s", words->trace);
    qr_buf_done(&text);
    if (status == QR_OK)
        status = simulate(words, &ladder, &trace, &outcome, err);
    if (status == QR_OK)
        status = show(words, &ladder, &outcome, err);
    for (size_t i = 0; i < outcome.count; i++)
        qr_simulation_result_done(&outcome.results[i]);
    qr_trace_done(&trace);
    return status;
}

int qri_quire_autoscale(int argc, char **argv)
{
    struct words words;
    struct qr_err err = {0};
    if (argc < 1 || strcmp(argv[0], "simulate") != 0 || !take_words(argc - 1, argv + 1, &words))
        return usage();
    enum qr_status status = run(&words, &err);
    if (status != QR_OK)
        fprintf(stderr, "quire: %s\n", err.text);
    return status == QR_OK ? EXIT_SUCCESS : status == QR_INVALID ? EXIT_USAGE : EXIT_FAILURE;
}
