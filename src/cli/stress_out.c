/* stress_out.c - see stress_int.h: what was seen, as lines, rows and a picture. */
#include <math.h>
#include "stress_int.h"
#include "base/banned.h"

enum { WIDTH = 1000, HEIGHT = 200, LEFT = 70, RIGHT = 20, TOP = 40, BELOW = 30, POINTS_MAX = 2000 };

void qri_stress_print_progress(const struct qri_stress_second *s, FILE *out)
{
    fprintf(
        out,
        "\r%6.0f s  %4u clients  %8llu/s  p50 %.1f  p99 %.1f ms  gap %.0f ms  %llu errors\033[K",
        s->at_s, s->clients, (unsigned long long)s->iterations, s->p50_ms, s->p99_ms, s->gap_ms,
        (unsigned long long)s->errors);
    fflush(out);
}

void qri_stress_print_row(const struct qri_stress_second *s, bool header, FILE *out)
{
    if (header)
        fputs("time,clients,iterations,errors,reconnects,p50_ms,p95_ms,p99_ms,max_ms,gap_ms\n",
              out);
    fprintf(out, "%.3f,%u,%llu,%llu,%llu,%.3f,%.3f,%.3f,%.3f,%.3f\n", s->at_s, s->clients,
            (unsigned long long)s->iterations, (unsigned long long)s->errors,
            (unsigned long long)s->reconnects, s->p50_ms, s->p95_ms, s->p99_ms, s->max_ms,
            s->gap_ms);
    fflush(out);
}

void qri_stress_print_text(const struct qri_stress_result *r, FILE *out)
{
    static const double percents[] = {50, 90, 95, 99, 99.9, 100};
    double seconds = r->took_s > 0 ? r->took_s : 1;
    fprintf(out, "%llu iterations in %.1f s: %.1f/s (%.1f batches/s, %.1f rows/s)\n",
            (unsigned long long)r->iterations, r->took_s, (double)r->iterations / seconds,
            (double)r->batches / seconds, (double)r->rows / seconds);
    fprintf(out, "latency, ms: average %.2f",
            r->latency.count == 0 ? 0
                                  : (double)r->latency.sum_us / (double)r->latency.count / 1000);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        fprintf(out, "  %g%% %.2f", percents[i],
                percents[i] >= 100 ? (double)r->latency.max_us / 1000
                                   : qri_histogram_ms(&r->latency, percents[i]));
    fprintf(out, "\nlongest gap of a client: %.1f ms, at %.1f s\n", r->gap_ms, r->gap_at_s);
    fprintf(out, "errors: %llu; connections opened again: %llu; logins refused: %llu\n",
            (unsigned long long)r->errors, (unsigned long long)r->reconnects,
            (unsigned long long)r->failed_logins);
    for (size_t i = 0; i < r->error_count; i++)
        fprintf(out, "  %8llu x %u: %s\n", (unsigned long long)r->by_number[i].count,
                r->by_number[i].number, r->by_number[i].text);
}

/* ---- the picture ---- */

struct curve {
    const char *title, *colour;
    double (*of)(const struct qri_stress_second *s);
};

static double rate(const struct qri_stress_second *s)
{
    return (double)s->iterations;
}

static double middle(const struct qri_stress_second *s)
{
    return s->p50_ms;
}

static double high(const struct qri_stress_second *s)
{
    return s->p99_ms;
}

static double gap(const struct qri_stress_second *s)
{
    return s->gap_ms;
}

static double errors(const struct qri_stress_second *s)
{
    return (double)s->errors;
}

static void plot_axes(double top, double most, double seconds, struct qr_buf *dst)
{
    for (int i = 0; i <= 4; i++) {
        double y = top + HEIGHT - HEIGHT * i / 4.0;
        qr_buf_printf(dst,
                      "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text "
                      "x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                      LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, most * i / 4);
    }
    for (int i = 0; i <= 8; i++)
        qr_buf_printf(dst, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.4g s</text>\n",
                      LEFT + (WIDTH - LEFT - RIGHT) * i / 8.0, top + HEIGHT + 16, seconds * i / 8);
}

static void plot_curve(const struct qri_stress_result *r, const struct curve *curve, double top,
                       double most, struct qr_buf *dst)
{
    size_t each = r->second_count / POINTS_MAX + 1;
    qr_buf_printf(dst, "<polyline fill=\"none\" stroke=\"%s\" points=\"", curve->colour);
    for (size_t i = 0; i < r->second_count; i += each) {
        double v = 0;
        for (size_t j = i; j < i + each && j < r->second_count; j++)
            v = fmax(v, curve->of(&r->seconds[j]));
        qr_buf_printf(dst, "%.1f,%.1f ",
                      LEFT + r->seconds[i].at_s / r->took_s * (WIDTH - LEFT - RIGHT),
                      top + HEIGHT - v / most * HEIGHT);
    }
    qr_buf_addz(dst, "\"/>\n");
}

void qri_stress_plot(const struct qri_stress_result *r, struct qr_buf *dst)
{
    static const struct curve curves[] = {{"iterations/s", "#2b6cb0", rate},
                                          {"errors/s", "#c53030", errors},
                                          {"p50 ms", "#2f855a", middle},
                                          {"p99 ms", "#c05621", high},
                                          {"longest gap, ms", "#805ad5", gap}};
    static const size_t panels[][2] = {{0, 2}, {2, 5}};
    int each = HEIGHT + TOP + BELOW;
    qr_buf_printf(dst,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%%\" "
                  "height=\"100%%\" fill=\"white\"/>\n",
                  WIDTH, each * 2);
    for (int p = 0; p < 2; p++) {
        double most = 1, top = each * p + TOP;
        for (size_t c = panels[p][0]; c < panels[p][1]; c++) {
            qr_buf_printf(dst, "<text x=\"%zu\" y=\"%.1f\" fill=\"%s\">%s</text>\n",
                          LEFT + (c - panels[p][0]) * 160, top - 10, curves[c].colour,
                          curves[c].title);
            for (size_t i = 0; i < r->second_count; i++)
                most = fmax(most, curves[c].of(&r->seconds[i]));
        }
        plot_axes(top, most, r->took_s, dst);
        for (size_t c = panels[p][0]; c < panels[p][1]; c++)
            plot_curve(r, &curves[c], top, most, dst);
    }
    qr_buf_addz(dst, "</svg>\n");
}
