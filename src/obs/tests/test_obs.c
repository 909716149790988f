/* Goal: a log line can be split by a machine whatever a client sends, and an option table gives the
 * same answer from the command line and from a file. */
#include "qr_test.h"
#include "env/sim.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "obs/options.h"

struct capture {
    struct qr_sim *sim;
    struct qr_log_sink sink;
    struct qr_log log;
    char text[2 * QR_LOG_LINE_BYTES_MAX];
    size_t n;
};

static void keep(void *arg, const char *line, size_t bytes)
{
    struct capture *capture = arg;
    assert_true(capture->n + bytes < sizeof capture->text);
    memcpy(capture->text + capture->n, line, bytes);
    capture->n += bytes;
    capture->text[capture->n] = '\0';
}

static int log_setup(void **state)
{
    static struct capture capture;
    memset(&capture, 0, sizeof capture);
    capture.sim = qr_sim_new(&(struct qr_sim_options){.wall_ns = INT64_C(1777889472345678901)});
    capture.sink = (struct qr_log_sink){qr_sim_env(capture.sim), keep, &capture, QR_INFO};
    capture.log = (struct qr_log){&capture.sink, "pagesvc"};
    *state = &capture;
    return 0;
}

static int log_teardown(void **state)
{
    qr_sim_free(((struct capture *)*state)->sim);
    return 0;
}

static void test_a_line_has_time_level_component_event_and_typed_fields(void **state)
{
    struct capture *c = *state;
    const char *name = "contoso";
    uint64_t bytes = 8388608;
    bool full = true; /* in C17 the word true is an int */
    QR_LOG(&c->log, QR_INFO, "layer_flushed", QR_F("db", name),
           qr_field_lsn("lsn", UINT64_C(0x1600000A8)), QR_F("bytes", bytes), QR_F("took_ms", -41),
           QR_F("full", full), QR_F("ratio", 0.5));
    assert_string_equal(c->text, "ts=2026-05-04T10:11:12.345Z lvl=info comp=pagesvc "
                                 "ev=layer_flushed db=\"contoso\" lsn=1/600000A8 bytes=8388608 "
                                 "took_ms=-41 full=true ratio=0.5\n");
}

static void test_text_cannot_forge_a_field_or_a_line(void **state)
{
    static const struct {
        struct qr_str in;
        const char *want;
    } rows[] = {
        {{"a\" lvl=error\n", 13}, "\"a\\\" lvl=error\\n\""},
        {{"back\\slash", 10}, "\"back\\\\slash\""},
        {{"nul\0esc\x1b", 8}, "\"nul\\x00esc\\x1b\""},
        {{"\xc3\xbc\xff\xc3", 4}, "\"\xc3\xbc\\xff\\xc3\""},
        {{"\xed\xa0\x80", 3}, "\"\\xed\\xa0\\x80\""},
        {{"\xc2\x9b", 2}, "\"\\xc2\\x9b\""},
        {{NULL, 0}, "\"\""},
    };
    struct capture *c = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        c->n = 0;
        QR_LOG(&c->log, QR_WARN, "e", QR_F("v", rows[i].in));
        char *value = strstr(c->text, " v=") + 3;
        assert_int_equal(value[strlen(value) - 1], '\n');
        value[strlen(value) - 1] = '\0';
        assert_string_equal(value, rows[i].want);
    }
}

static void test_long_text_and_long_lines_are_cut_and_stay_one_line(void **state)
{
    struct capture *c = *state;
    static char big[3000];
    memset(big, 'x', sizeof big - 1);
    QR_LOG(&c->log, QR_ERROR, "e", QR_F("a", big), QR_F("b", big), QR_F("c", big), QR_F("d", big),
           QR_F("e", big), QR_F("f", big), QR_F("g", big), QR_F("h", big), QR_F("i", big));
    assert_int_equal(c->n, QR_LOG_LINE_BYTES_MAX);
    assert_ptr_equal(strchr(c->text, '\n'), c->text + c->n - 1);
    assert_non_null(strstr(c->text, "xxx...\" b="));
}

static void test_a_level_below_the_sinks_writes_nothing(void **state)
{
    struct capture *c = *state;
    QR_LOG(&c->log, QR_DEBUG, "e", QR_F("a", 1));
    assert_int_equal(c->n, 0);
    c->sink.level = QR_DEBUG;
    QR_LOG(&c->log, QR_DEBUG, "e", QR_F("a", 1));
    assert_true(c->n > 0);
    struct qr_log nowhere = {NULL, "x"};
    QR_LOG(&nowhere, QR_ERROR, "e", QR_F("a", 1));
    enum qr_level level;
    assert_true(qr_level_parse(qr_str("WARN"), &level));
    assert_int_equal(level, QR_WARN);
    assert_false(qr_level_parse(qr_str("loud"), &level));
}

struct settings {
    bool sample, allow;
    int64_t port;
    const char *listen, *config, *level;
};
static const struct qr_option rows[] = {
    {"sample", "", QR_OPTION_BOOL, "false", 0, 0, NULL, "start", "make samples",
     offsetof(struct settings, sample)},
    {"allow", "", QR_OPTION_BOOL, "true", 0, 0, NULL, "start", "allow it",
     offsetof(struct settings, allow)},
    {"port", "port", QR_OPTION_INT, "1433", 0, 65535, NULL, "start", "port to listen on",
     offsetof(struct settings, port)},
    {"listen", "address", QR_OPTION_TEXT, "127.0.0.1", 0, 20, NULL, "start", "address",
     offsetof(struct settings, listen)},
    {"config", "path", QR_OPTION_TEXT, "", 0, 0, NULL, "start", "file with options",
     offsetof(struct settings, config)},
    {"level", "", QR_OPTION_TEXT, "info", 0, 0, "warn|info", "start", "log level",
     offsetof(struct settings, level)},
};
static const struct qr_options options = {rows, sizeof rows / sizeof rows[0]};

struct parsed {
    struct qr_sim *sim;
    struct qr_arena arena;
    struct settings s;
    struct qr_err err;
    enum qr_status status;
};

static struct parsed parse(const char *file, const char *const *args)
{
    struct parsed p = {.sim = qr_sim_new(&(struct qr_sim_options){.seed = 1})};
    qr_arena_init(&p.arena, 1 << 20);
    if (file != NULL)
        assert_int_equal(qr_env_replace_file(qr_sim_env(p.sim), "conf", file, strlen(file), NULL),
                         QR_OK);
    char *argv[16] = {(char *)(uintptr_t) "program"};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    p.status = qr_options_parse(&options, qr_sim_env(p.sim), argc, argv, &p.s, &p.arena, &p.err);
    return p;
}

static void parsed_done(struct parsed *p)
{
    qr_arena_done(&p->arena);
    qr_sim_free(p->sim);
}

static void test_defaults_hold_until_arguments_say_otherwise(void **state)
{
    (void)state;
    struct parsed p = parse(NULL, (const char *[]){"--port", "0", "--sample", "--allow=off", NULL});
    assert_int_equal(p.status, QR_OK);
    assert_int_equal(p.s.port, 0);
    assert_true(p.s.sample);
    assert_false(p.s.allow);
    assert_string_equal(p.s.listen, "127.0.0.1");
    assert_string_equal(p.s.level, "info");
    parsed_done(&p);
}

static void test_the_command_line_wins_over_the_file_and_that_over_defaults(void **state)
{
    (void)state;
    struct parsed p = parse("# ours\n port = 5 # why\r\n\nlisten=::1\nsample = yes",
                            (const char *[]){"--config=conf", "--port=6", NULL});
    assert_int_equal(p.status, QR_OK);
    assert_int_equal(p.s.port, 6);
    assert_string_equal(p.s.listen, "::1");
    assert_true(p.s.sample);
    parsed_done(&p);
}

static void test_bad_options_are_refused_with_their_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *args[4], *want;
    } cases[] = {
        {NULL, {"--port", "65536"}, "--port: 65536 is not within 0 and 65535"},
        {NULL, {"--port", "1x"}, "--port: '1x' is not a number"},
        {NULL, {"--port="}, "--port: '' is not a number"},
        {NULL,
         {"--port", "99999999999999999999"},
         "--port: '99999999999999999999' is not a number"},
        {NULL, {"--port"}, "--port needs a value"},
        {NULL, {"--port=1", "--port=1"}, "--port is given twice"},
        {NULL, {"--sample=maybe"}, "--sample: 'maybe' is neither true nor false"},
        {NULL, {"--level=inf"}, "--level: 'inf' is none of warn|info"},
        {NULL, {"--listen=123456789012345678901"}, "--listen: longer than 20 bytes"},
        {NULL, {"--nope=1"}, "no option '--nope'; --help lists them"},
        {NULL, {"stray"}, "'stray' is not an option; --help lists them"},
        {"a\n", {"--config=conf"}, "--config conf: line 1: no '=' in the line"},
        {"\nconfig = x\n", {"--config=conf"}, "--config conf: line 2: no option 'config'"},
        {"port = x\n", {"--config=conf"}, "--config conf: line 1: --port: 'x' is not a number"},
        {"port = 1\n\nport = 1\n", {"--config=conf"}, "--config conf: line 3: port is given twice"},
        {NULL, {"--port", " 5"}, "--port: ' 5' is not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed p = parse(cases[i].file, cases[i].args);
        assert_int_equal(p.status, QR_INVALID);
        assert_string_equal(p.err.text, cases[i].want);
        parsed_done(&p);
    }
}

static void test_help_and_docs_hold_every_option(void **state)
{
    (void)state;
    struct qr_buf help, docs;
    qr_buf_init(&help, 65536);
    qr_buf_init(&docs, 65536);
    qr_options_print_help(&options, &help);
    qr_options_print_markdown(&options, &docs);
    for (size_t i = 0; i < options.count; i++) {
        assert_non_null(strstr(qr_buf_cstr(&help), rows[i].help));
        assert_non_null(strstr(qr_buf_cstr(&docs), rows[i].help));
    }
    assert_non_null(strstr(qr_buf_cstr(&help), "--port <port>\n        port to listen on "
                                               "(default 1433, 0..65535)\n"));
    assert_non_null(strstr(qr_buf_cstr(&docs), "| `--level` |  | info | warn\\|info | at start |"));
    qr_buf_done(&help);
    qr_buf_done(&docs);
}

static void test_metrics_print_in_the_exposition_format(void **state)
{
    (void)state;
    static const struct qr_metric table[] = {
        {"quire_gateway_logins", "", QR_COUNTER, "logins accepted"},
        {"quire_gateway_connections", "", QR_GAUGE, "connections open"},
    };
    _Atomic int64_t values[2] = {0};
    struct qr_metrics metrics = {table, values, 2};
    struct qr_buf buf;
    qr_buf_init(&buf, 4096);
    qr_metric_add(&metrics, 0, 3);
    qr_metric_add(&metrics, 1, 2);
    qr_metric_add(&metrics, 1, -1);
    qr_metrics_print(&metrics, &buf);
    assert_string_equal(qr_buf_cstr(&buf), "# TYPE quire_gateway_logins counter\n"
                                           "# HELP quire_gateway_logins logins accepted\n"
                                           "quire_gateway_logins_total 3\n"
                                           "# TYPE quire_gateway_connections gauge\n"
                                           "# HELP quire_gateway_connections connections open\n"
                                           "quire_gateway_connections 1\n");
    qr_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line_has_time_level_component_event_and_typed_fields,
                                        log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_text_cannot_forge_a_field_or_a_line, log_setup,
                                        log_teardown),
        cmocka_unit_test_setup_teardown(test_long_text_and_long_lines_are_cut_and_stay_one_line,
                                        log_setup, log_teardown),
        cmocka_unit_test_setup_teardown(test_a_level_below_the_sinks_writes_nothing, log_setup,
                                        log_teardown),
        cmocka_unit_test(test_defaults_hold_until_arguments_say_otherwise),
        cmocka_unit_test(test_the_command_line_wins_over_the_file_and_that_over_defaults),
        cmocka_unit_test(test_bad_options_are_refused_with_their_name),
        cmocka_unit_test(test_help_and_docs_hold_every_option),
        cmocka_unit_test(test_metrics_print_in_the_exposition_format),
    };
    return cmocka_run_group_tests_name("obs", tests, NULL, NULL);
}
