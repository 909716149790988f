/* plot.c - see simulate.h: what happened, as a picture and as rows. */
#include <math.h>
#include "autoscale/simulate.h"
#include "base/banned.h"

enum { WIDTH = 1000, HEIGHT = 240, LEFT = 60, TOP = 40, BELOW = 30, POINTS_MAX = 2000 };

static double highest(const struct qr_simulation_result *result)
{
    double most = 1;
    for (size_t i = 0; i < result->count; i++)
        most = fmax(most, fmax(result->steps[i].load, result->steps[i].capacity));
    return most;
}

struct panel {
    const struct qr_simulation_result *result;
    double top, most;
    size_t per_point; /* steps that one point of the picture stands for */
};

static double x_of(const struct panel *p, size_t step)
{
    return LEFT + (double)step / (double)p->result->count * (WIDTH - LEFT - 20);
}

static double y_of(const struct panel *p, double vcores)
{
    return p->top + HEIGHT - vcores / p->most * HEIGHT;
}

/* The highest load of the steps that share a point: a peak must not vanish. */
static void plot_load(const struct panel *p, struct qr_buf *dst)
{
    qr_buf_addz(dst, "<polyline fill=\"none\" stroke=\"#2b6cb0\" stroke-width=\"1\" points=\"");
    for (size_t i = 0; i < p->result->count; i += p->per_point) {
        double load = 0;
        for (size_t j = i; j < i + p->per_point && j < p->result->count; j++)
            load = fmax(load, p->result->steps[j].load);
        qr_buf_printf(dst, "%.1f,%.1f ", x_of(p, i), y_of(p, load));
    }
    qr_buf_addz(dst, "\"/>\n");
}

static void plot_capacity(const struct panel *p, struct qr_buf *dst)
{
    double before = -1;
    qr_buf_addz(dst, "<polyline fill=\"none\" stroke=\"#c05621\" stroke-width=\"2\" points=\"");
    for (size_t i = 0; i < p->result->count; i++) {
        double capacity = p->result->steps[i].capacity;
        bool last = i + 1 == p->result->count;
        if (capacity == before && !last)
            continue;
        if (before >= 0)
            qr_buf_printf(dst, "%.1f,%.1f ", x_of(p, i), y_of(p, before));
        qr_buf_printf(dst, "%.1f,%.1f ", x_of(p, i), y_of(p, capacity));
        before = capacity;
    }
    qr_buf_addz(dst, "\"/>\n");
}

static void plot_decisions(const struct panel *p, struct qr_buf *dst)
{
    double before = -1;
    for (size_t i = 0; i < p->result->count; i++) {
        const struct qr_simulated *s = &p->result->steps[i];
        if (before >= 0 && s->capacity != before) {
            qr_buf_printf(dst,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%g to %g "
                          "vCores: %s</title></circle>\n",
                          x_of(p, i), y_of(p, s->capacity),
                          s->capacity > before ? "#c53030" : "#2f855a", before, s->capacity,
                          qr_scale_reason_names[s->cause]);
        }
        before = s->capacity;
    }
}

static void plot_axes(const struct panel *p, const char *name, struct qr_buf *dst)
{
    const struct qr_simulation_result *r = p->result;
    qr_buf_printf(dst,
                  "<text x=\"%d\" y=\"%.1f\" font-weight=\"bold\">%s: %.0f minutes violated, %.1f "
                  "vCore-hours, %zu up, %zu down</text>\n",
                  LEFT, p->top - 10, name, r->violation_minutes, r->vcore_hours, r->ups, r->downs);
    for (int i = 0; i <= 4; i++) {
        double v = p->most * i / 4;
        qr_buf_printf(dst,
                      "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text "
                      "x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n",
                      LEFT, WIDTH - 20, y_of(p, v), y_of(p, v), LEFT - 6, y_of(p, v) + 4, v);
    }
    double hours = (double)(r->steps[r->count - 1].at_s - r->steps[0].at_s) / 3600;
    for (int i = 0; i <= 8; i++)
        qr_buf_printf(dst, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.3g h</text>\n",
                      LEFT + (WIDTH - LEFT - 20) * i / 8.0, p->top + HEIGHT + 16, hours * i / 8);
}

void qr_simulation_plot(const struct qr_simulation_result *results, const char *const *names,
                        size_t count, struct qr_buf *dst)
{
    size_t each = HEIGHT + TOP + BELOW;
    qr_buf_printf(dst,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%%\" "
                  "height=\"100%%\" fill=\"white\"/>\n",
                  WIDTH, each * count);
    for (size_t i = 0; i < count; i++) {
        struct panel panel = {&results[i], (double)(each * i + TOP), highest(&results[i]),
                              results[i].count / POINTS_MAX + 1};
        plot_axes(&panel, names[i], dst);
        plot_load(&panel, dst);
        plot_capacity(&panel, dst);
        plot_decisions(&panel, dst);
    }
    qr_buf_addz(dst, "</svg>\n");
}

void qr_simulation_csv(const struct qr_simulation_result *result, const struct qr_rung *ladder,
                       struct qr_buf *dst)
{
    qr_buf_addz(dst, "time,load,capacity,requested,reason,points,cpu,expected,upper\n");
    for (size_t i = 0; i < result->count; i++) {
        const struct qr_simulated *s = &result->steps[i];
        qr_buf_printf(dst, "%lld,%.4f,%g,%s,%s,%u,%.2f", (long long)s->at_s, s->load, s->capacity,
                      s->wish.is_decided ? ladder[s->wish.rung].name : "",
                      qr_scale_reason_names[s->wish.reason], s->wish.points,
                      s->wish.average[QR_SCALE_CPU]);
        if (s->wish.has_forecast)
            qr_buf_printf(dst, ",%.4f,%.4f\n", s->wish.expected, s->wish.upper);
        else
            qr_buf_addz(dst, ",,\n");
    }
}
