/* stress_plan.c - see stress_int.h: phases from words, CSV or JSON. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "stress_int.h"
#include "base/banned.h"

enum { PHASES_MAX = 100000, COLUMNS_MAX = 16, FIELD_BYTES = 64 };

static const struct member {
    const char *name, *other;
    double most;
} members[] = {{"time", "at", 1e7},
               {"clients", "threads", QRI_STRESS_CLIENTS_MAX},
               {"think_ms", "think", 1e7},
               {"rate", "rate", 1e6}};
enum { TIME, CLIENTS, THINK, RATE, MEMBERS };

static void set(struct qri_stress_phase *phase, size_t member, double value)
{
    switch (member) {
    case TIME:
        phase->at_s = value;
        break;
    case CLIENTS:
        phase->clients = (uint32_t)value;
        break;
    case THINK:
        phase->think_ms = value;
        break;
    default:
        phase->rate = value;
    }
}

static enum qr_status add(struct qri_stress_plan *plan, const struct qri_stress_phase *phase,
                          struct qr_err *err)
{
    if (plan->count == PHASES_MAX)
        return qr_fail(err, QR_TOO_BIG, "more than %d phases", PHASES_MAX);
    if ((plan->count & (plan->count - 1)) == 0) {
        size_t room = plan->count == 0 ? 1 : plan->count * 2;
        void *phases = realloc(plan->phases, room * sizeof *plan->phases);
        if (phases == NULL)
            return qr_fail(err, QR_NOMEM, "read the plan");
        plan->phases = phases;
    }
    plan->phases[plan->count++] = *phase;
    if (phase->clients > plan->clients_max)
        plan->clients_max = phase->clients;
    return QR_OK;
}

/* One row: what it does not say stays as it was in the phase before. */
static enum qr_status add_row(struct qri_stress_plan *plan, const struct qri_stress_phase *first,
                              const double *values, size_t row, struct qr_err *err)
{
    struct qri_stress_phase phase = plan->count == 0 ? *first : plan->phases[plan->count - 1];
    double before = plan->count == 0 ? -1 : phase.at_s;
    for (size_t m = 0; m < MEMBERS; m++) {
        if (isnan(values[m]))
            continue;
        if (!(values[m] >= 0 && values[m] <= members[m].most))
            return qr_fail(err, QR_INVALID, "row %zu: %s has to be 0 to %.0f", row, members[m].name,
                           members[m].most);
        set(&phase, m, values[m]);
    }
    if (isnan(values[TIME]) || phase.at_s <= before || (plan->count == 0 && phase.at_s > 0))
        return qr_fail(err, QR_INVALID, "row %zu: times begin with 0 and rise", row);
    return add(plan, &phase, err);
}

static size_t member_of(struct qr_str name)
{
    size_t m = 0;
    while (m < MEMBERS && !qr_str_ieqz(name, members[m].name) &&
           !qr_str_ieqz(name, members[m].other))
        m += 1;
    return m;
}

/* ---- CSV ---- */

static struct qr_str cut(struct qr_str *text, char at)
{
    const char *end = text->n == 0 ? NULL : memchr(text->p, at, text->n);
    size_t n = end == NULL ? text->n : (size_t)(end - text->p);
    struct qr_str piece = qr_str_n(text->p, n);
    n += end != NULL;
    *text = qr_str_n(text->p + n, text->n - n);
    return qr_str_trim(piece);
}

static bool number_of(struct qr_str field, double *ret_number)
{
    char text[FIELD_BYTES], *end;
    if (field.n == 0 || field.n >= sizeof text)
        return false;
    memcpy(text, field.p, field.n);
    text[field.n] = '\0';
    *ret_number = strtod(text, &end);
    return *end == '\0' && isfinite(*ret_number);
}

static enum qr_status parse_csv(struct qr_str text, const struct qri_stress_phase *first,
                                struct qri_stress_plan *plan, struct qr_err *err)
{
    size_t columns[COLUMNS_MAX], count = 0, row = 1;
    struct qr_str header = cut(&text, '\n');
    while (header.n > 0 && count < COLUMNS_MAX)
        columns[count++] = member_of(cut(&header, ','));
    for (; text.n > 0; row++) {
        struct qr_str line = cut(&text, '\n');
        double values[MEMBERS + 1] = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
        if (line.n == 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            struct qr_str field = cut(&line, ',');
            if (columns[i] < MEMBERS && field.n > 0 && !number_of(field, &values[columns[i]]))
                return qr_fail(err, QR_INVALID, "row %zu: '%.*s' is no number", row,
                               (int)(field.n > 40 ? 40 : field.n), field.p);
        }
        QR_TRY(add_row(plan, first, values, row, err));
    }
    return QR_OK;
}

/* ---- JSON ---- */

static enum qr_status parse_json(struct qr_str text, const struct qri_stress_phase *first,
                                 struct qri_stress_plan *plan, struct qr_err *err)
{
    json_error_t why;
    json_t *all = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why), *row;
    if (all == NULL)
        return qr_fail(err, QR_INVALID, "line %d: %s", why.line, why.text);
    enum qr_status status = QR_OK;
    size_t i;
    json_array_foreach(all, i, row)
    {
        double values[MEMBERS] = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
        const char *name;
        json_t *value;
        json_object_foreach(row, name, value)
        {
            size_t m = member_of(qr_str(name));
            if (m < MEMBERS && json_is_number(value))
                values[m] = json_number_value(value);
            else
                status = qr_fail(err, QR_INVALID, "row %zu: '%.40s' is not known, or no number",
                                 i + 1, name);
        }
        if (status == QR_OK)
            status = add_row(plan, first, values, i + 1, err);
        if (status != QR_OK)
            break;
    }
    json_decref(all);
    return status;
}

enum qr_status qri_stress_plan_parse(struct qr_str text, const struct qri_stress_phase *first,
                                     struct qri_stress_plan *ret_plan, struct qr_err *err)
{
    struct qri_stress_plan plan = {0};
    text = qr_str_trim(text);
    enum qr_status status = text.n > 0 && text.p[0] == '[' ? parse_json(text, first, &plan, err)
                                                           : parse_csv(text, first, &plan, err);
    if (status == QR_OK && plan.clients_max == 0)
        status = qr_fail(err, QR_INVALID, "no row has clients");
    if (status != QR_OK) {
        qri_stress_plan_done(&plan);
        return status;
    }
    *ret_plan = plan;
    return QR_OK;
}

enum qr_status qri_stress_plan_make(const struct qri_stress_phase *first, double ramp_s,
                                    struct qri_stress_plan *ret_plan, struct qr_err *err)
{
    struct qri_stress_plan plan = {0};
    struct qri_stress_phase phase = *first;
    enum qr_status status = QR_OK;
    uint32_t steps = ramp_s > 0 ? first->clients : 1;
    for (uint32_t i = 0; status == QR_OK && i < steps; i++) {
        phase.at_s = ramp_s > 0 ? ramp_s * i / steps : 0;
        phase.clients = ramp_s > 0 ? i + 1 : first->clients;
        status = add(&plan, &phase, err);
    }
    if (status != QR_OK) {
        qri_stress_plan_done(&plan);
        return status;
    }
    *ret_plan = plan;
    return QR_OK;
}

void qri_stress_plan_done(struct qri_stress_plan *plan)
{
    free(plan->phases);
    *plan = (struct qri_stress_plan){0};
}
