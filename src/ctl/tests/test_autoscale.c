/* Goal: a database is scaled as its settings say by what its node says it used, never outside of
 * its bounds, one operation at a time; what was decided is kept, and a new start goes on with it.
 * Method: a clock that is moved from point to point; a round is run when the test says so. */
#include "autoscale_int.h"
#include "control_bed.h"

static const int64_t SECOND = 1000000000, POINT = INT64_C(15) * 1000000000;
static int64_t start_ns;
static _Atomic int64_t moved_ns;
static char telemetry_path[32];
static struct { /* what the node says */
    pthread_mutex_t mu;
    struct qr_used_point point;
    bool is_there, fails;
} used = {.mu = PTHREAD_MUTEX_INITIALIZER};

static int64_t moved_wall_ns(struct qr_env *env)
{
    (void)env;
    return start_ns + atomic_load(&moved_ns);
}

/* Back-off is told by this one: what the other one was moved by has gone by here, too. */
static int64_t moved_mono_ns(struct qr_env *env)
{
    (void)env;
    return qr_env_mono_ns(qr_env_real()) + atomic_load(&moved_ns);
}

static bool serve_used(struct fixture *f, struct qr_rpc_request *own_request)
{
    struct qr_database_row row;
    struct qr_buf buf;
    size_t at = 0;
    (void)f;
    if (own_request->method != QR_NODE_USED)
        return false;
    if (qr_control_row_next(own_request->body, own_request->bytes, &at, &row, NULL) != QR_OK ||
        own_request->bytes - at != 8) {
        qr_rpc_refuse(own_request, QR_PROTOCOL, NULL);
        return true;
    }
    int64_t after = (int64_t)qr_get64le(own_request->body + at);
    qr_buf_init(&buf, 4096);
    pthread_mutex_lock(&used.mu);
    bool is_there = used.is_there, fails = used.fails;
    if (used.point.end_wall_ns > after)
        qr_used_put(&buf, &used.point);
    pthread_mutex_unlock(&used.mu);
    struct iovec iov = {buf.data, buf.len};
    if (fails)
        qr_rpc_refuse(own_request, QR_IO, NULL);
    else if (!is_there)
        qr_rpc_refuse(own_request, QR_NOT_FOUND, NULL);
    else
        qr_rpc_answer(own_request, &iov, 1);
    qr_buf_done(&buf);
    return true;
}

static int setup_moved(void **state)
{
    static struct qr_env_ops ops;
    static struct qr_env moved = {&ops};
    ops = *qr_env_real()->ops;
    ops.wall_ns = moved_wall_ns;
    ops.mono_ns = moved_mono_ns;
    start_ns = INT64_C(1700000000) * 1000000000;
    atomic_store(&moved_ns, 0);
    bed_env = &moved;
    memcpy(telemetry_path, "/tmp/qr_test_autoscale_XXXXXX", 30);
    int fd = mkstemp(telemetry_path);
    if (fd < 0 || close(fd) != 0 ||
        qr_telemetry_open(telemetry_path, &bed_telemetry, NULL) != QR_OK)
        return 1;
    int code = setup(state);
    ((struct fixture *)*state)->serve = serve_used;
    return code != 0 || make_ready(*state, QR_ROLE_COMPUTE, QR_NODE_SHARED) != QR_OK;
}

static int teardown_moved(void **state)
{
    int code = teardown(state);
    bed_env = NULL;
    qr_telemetry_close(bed_telemetry);
    bed_telemetry = NULL;
    return code != 0 || unlink(telemetry_path) != 0;
}

/* ---- asking ---- */

static enum qr_status say(struct fixture *f, const char *name, const char *json, struct qr_err *err)
{
    *err = (struct qr_err){.line = 0};
    return qr_autoscale_set(qr_rpc_client_peer(f->operate), 0, qr_str(name), qr_str(json), TIME_NS,
                            err);
}

static enum qr_status keep_json(void *ctx, uint32_t id, struct qr_str json)
{
    json_t **ret = ctx;
    (void)id;
    json_decref(*ret);
    *ret = json_loadb(json.p, json.n, 0, NULL);
    return QR_OK;
}

/* NULL: it has no settings. */
static json_t *show(struct fixture *f, const char *name)
{
    json_t *json = NULL;
    assert_int_equal(qr_autoscale_each(qr_rpc_client_peer(f->brief), 0, qr_str(name), TIME_NS,
                                       keep_json, &json, NULL),
                     QR_OK);
    return json;
}

static void assert_shows(struct fixture *f, const char *name, const char *member, const char *value)
{
    json_t *json = show(f, name);
    const char *is = json_string_value(json_object_get(json, member));
    if (value == NULL)
        assert_null(is);
    else
        assert_string_equal(is == NULL ? "" : is, value);
    json_decref(json);
}

/* Once no operation runs on it any more. */
static void assert_objective(struct fixture *f, const char *name, const char *objective)
{
    struct qr_database_row row;
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    while (qri_ops_is_active(f->control, row.id))
        qr_env_sleep_ns(qr_env_real(), 1000000);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    assert_string_equal(row.objective, objective);
}

/* Fifteen seconds of that: one point of the objective that it has, and a round. */
static void point(struct fixture *f, const char *name, double cpu)
{
    struct qr_database_row row;
    atomic_fetch_add(&moved_ns, POINT);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    while (qri_ops_is_active(f->control, row.id))
        qr_env_sleep_ns(qr_env_real(), 1000000);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str(name), &row), QR_OK);
    const struct qr_slo *slo = qr_slo_find(qr_str(row.objective));
    pthread_mutex_lock(&used.mu);
    used.is_there = true;
    used.fails = false;
    used.point = (struct qr_used_point){.end_wall_ns = moved_wall_ns(NULL) - SECOND,
                                        .vcores_pct = slo->is_dtu ? 0 : 100 * slo->capacity,
                                        .dtus = slo->is_dtu ? slo->capacity : 0,
                                        .percent = {[QR_USED_CPU] = cpu}};
    pthread_mutex_unlock(&used.mu);
    qri_autoscale_look(f->control);
}

static void points(struct fixture *f, const char *name, double cpu, int count)
{
    for (int i = 0; i < count; i++)
        point(f, name, cpu);
}

/* The decisions of all databases: how many; of the last one the objectives and what it says. */
static size_t decisions(char last[512])
{
    struct qr_telemetry_row row;
    struct qr_buf buf;
    size_t count = 0;
    qr_buf_init(&buf, 8 << 20);
    assert_int_equal(qr_telemetry_list(bed_telemetry, QR_TELEMETRY_AUTOSCALE, 0, 0, qr_str(""),
                                       4 << 20, &buf, NULL),
                     QR_OK);
    for (size_t at = 0; at < buf.len; count++) {
        assert_int_equal(qr_telemetry_next(buf.data, buf.len, &at, &row, NULL), QR_OK);
        snprintf(last, 512, "%.*s", (int)row.body.n, row.body.p);
    }
    qr_buf_done(&buf);
    return count;
}

static void make(struct fixture *f, const char *name, const char *objective)
{
    struct qr_control_ask ask = {.name = qr_str(name), .objective = qr_str(objective)};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
}

/* ---- tests ---- */

static void test_what_is_not_said_has_defaults_and_stays_unsaid(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    make(f, "d", "GP_Gen5_4");
    assert_null(show(f, "d"));
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\", \"policy\": \"FORECAST\"}", &err),
                     QR_OK);
    json_t *json = show(f, "d");
    assert_string_equal(json_string_value(json_object_get(json, "policy")), "forecast");
    assert_string_equal(json_string_value(json_object_get(json, "state")), "Enabled");
    assert_string_equal(json_string_value(json_object_get(json, "minObjective")), "GP_Gen5_2");
    assert_string_equal(json_string_value(json_object_get(json, "maxObjective")), "GP_Gen5_80");
    assert_int_equal(json_number_value(json_object_get(json, "upPercent")), 80);
    json_decref(json);
    /* its default is another one for another policy; what is null is taken back */
    assert_int_equal(
        say(f, "d",
            "{\"policy\": \"moving_average\", \"downPercent\": 20, \"metrics\": \"cpu, "
            "log\", \"cooldownSeconds\": 60}",
            &err),
        QR_OK);
    assert_int_equal(say(f, "d", "{\"cooldownSeconds\": null, \"state\": \"disabled\"}", &err),
                     QR_OK);
    close_control(f);
    f->control = NULL;
    assert_int_equal(open_control(f), QR_OK); /* it was kept */
    json = show(f, "d");
    assert_string_equal(json_string_value(json_object_get(json, "state")), "Disabled");
    assert_int_equal(json_number_value(json_object_get(json, "upPercent")), 70);
    assert_int_equal(json_number_value(json_object_get(json, "downPercent")), 20);
    assert_int_equal(json_number_value(json_object_get(json, "cooldownSeconds")), 300);
    assert_int_equal(json_array_size(json_object_get(json, "metrics")), 2);
    json_decref(json);
}

static void test_settings_that_are_of_no_use_are_refused_with_their_name(void **state)
{
    static const struct {
        const char *database, *json, *word;
    } bad[] = {
        {"d", "[]", "object"},
        {"d", "{\"speed\": 1}", "speed"},
        {"d", "{\"policy\": \"fixed\"}", "policy"},
        {"d", "{\"policy\": 4}", "policy"},
        {"d", "{\"state\": true}", "state"},
        {"d", "{\"upPercent\": \"70\"}", "upPercent"},
        {"d", "{\"upPercent\": 120}", "upper threshold"},
        {"d", "{\"downPercent\": 90}", "lower threshold"},
        {"d", "{\"windowPoints\": 241}", "window"},
        {"d", "{\"windowPoints\": -1}", "windowPoints"},
        {"d", "{\"minPoints\": 6}", "least number of points"},
        {"d", "{\"warmupSeconds\": 1.5}", "warmupSeconds"},
        {"d", "{\"cooldownSeconds\": 90000}", "cool-down"},
        {"d", "{\"costWeight\": 2}", "cost weight"},
        {"d", "{\"horizonSeconds\": 10}", "horizon"},
        {"d", "{\"metrics\": []}", "metrics"},
        {"d", "{\"metrics\": [\"cpu\", \"heat\"]}", "metrics"},
        {"d", "{\"dryRun\": \"yes\"}", "dryRun"},
        {"d", "{\"minObjective\": \"nonsense\"}", "minObjective"},
        {"d", "{\"minObjective\": \"HS_Gen5_2\"}", "GP_Gen5_2 to GP_Gen5_80"},
        {"d", "{\"minObjective\": \"GP_Gen5_8\", \"maxObjective\": \"GP_Gen5_4\"}",
         "least objective"},
        {"s", "{}", "serverless"},
        {"b", "{}", "no other objective"},
        {"p", "{}", "elastic pool"},
        {"none", "{}", "none"},
    };
    struct fixture *f = *state;
    struct qr_err err;
    make(f, "d", "GP_Gen5_2");
    make(f, "s", "GP_S_Gen5_2");
    make(f, "b", "Basic");
    struct qr_control_ask pool = {.pool = qr_str("pool"), .objective = qr_str("GP_Gen5_2")};
    assert_int_equal(call(f->operate, QR_CONTROL_POOL_CREATE, &pool, NULL, NULL), QR_OK);
    struct qr_control_ask in_it = {
        .name = qr_str("p"), .objective = qr_str(QR_POOL_OBJECTIVE), .pool = qr_str("pool")};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &in_it, NULL, NULL), QR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[256];
        bool is_object = bad[i].json[0] == '{';
        snprintf(json, sizeof json, "%s%s%s", is_object ? "{\"state\": \"Enabled\"" : "[]",
                 is_object && bad[i].json[1] != '}' ? ", " : "", is_object ? bad[i].json + 1 : "");
        if (strstr(bad[i].json, "state") != NULL)
            snprintf(json, sizeof json, "%s", bad[i].json);
        assert_int_not_equal(say(f, bad[i].database, json, &err), QR_OK);
        if (strstr(err.text, bad[i].word) == NULL)
            fail_msg("%s: %s", json, err.text);
    }
    assert_null(show(f, "d"));
}

static void test_the_seeds_spike_goes_up_and_down_again(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    char last[512];
    make(f, "d", "GP_Gen5_2");
    points(f, "d", 5, 5);
    assert_int_equal(decisions(last), 0); /* nobody has asked for it */
    assert_int_equal(say(f, "d",
                         "{\"state\": \"Enabled\", \"maxObjective\": \"GP_Gen5_4\", "
                         "\"cooldownSeconds\": 120}",
                         &err),
                     QR_OK);
    points(f, "d", 5, 5);
    assert_objective(f, "d", "GP_Gen5_2");
    assert_shows(f, "d", "lastReason", "steady");
    points(f, "d", 80, 4); /* 20, 35, 50, 65 */
    assert_objective(f, "d", "GP_Gen5_2");
    point(f, "d", 80);
    assert_objective(f, "d", "GP_Gen5_4");
    assert_int_equal(decisions(last), 10);
    assert_non_null(strstr(last, "GP_Gen5_2 GP_Gen5_4 {"));
    assert_non_null(strstr(last, "\"MovingAvgCpuPercent\":80.0"));
    assert_non_null(strstr(last, "\"DataPoints\":5"));
    assert_non_null(strstr(last, "\"Reason\":\"high\""));
    points(f, "d", 90, 4); /* too few points of the new one */
    assert_int_equal(decisions(last), 14);
    assert_non_null(strstr(last, "GP_Gen5_4 - {"));
    points(f, "d", 90, 3);
    assert_shows(f, "d", "lastReason", "at_max"); /* never outside */
    assert_objective(f, "d", "GP_Gen5_4");
    points(f, "d", 1, 4);
    assert_objective(f, "d", "GP_Gen5_2");
    assert_shows(f, "d", "lastReason", "low");
    assert_shows(f, "d", "lastRequestedObjective", "GP_Gen5_2");
    points(f, "d", 1, 6); /* it has no other settings meanwhile */
    assert_int_equal(say(f, "d", "{\"state\": \"Disabled\"}", &err), QR_OK);
    size_t before = decisions(last);
    points(f, "d", 99, 8);
    assert_int_equal(decisions(last), before);
    assert_objective(f, "d", "GP_Gen5_2");
}

static void test_dry_runs_say_what_they_would_do(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    char last[512];
    make(f, "d", "S1");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\", \"dryRun\": true}", &err), QR_OK);
    points(f, "d", 90, 6);
    assert_objective(f, "d", "S1");
    assert_int_equal(decisions(last), 6);
    assert_non_null(strstr(last, "S1 S2 {"));
    assert_non_null(strstr(last, "\"DryRun\":true"));
}

static void test_a_scale_by_hand_has_the_cool_down(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    make(f, "d", "GP_Gen5_2");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\", \"maxObjective\": \"GP_Gen5_8\"}", &err),
                     QR_OK);
    points(f, "d", 50, 6);
    struct qr_control_ask ask = {.name = qr_str("d"), .objective = qr_str("GP_Gen5_16")};
    assert_int_equal(call(f->operate, QR_CONTROL_ALTER, &ask, NULL, NULL), QR_OK);
    points(f, "d", 1, 20); /* outside of the bounds, even */
    assert_objective(f, "d", "GP_Gen5_16");
    assert_shows(f, "d", "lastReason", "cooling");
    point(f, "d", 1);
    assert_objective(f, "d", "GP_Gen5_8");
}

static void test_a_new_start_goes_on_with_windows_and_cool_downs(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    make(f, "d", "GP_Gen5_2");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\"}", &err), QR_OK);
    points(f, "d", 90, 5);
    assert_objective(f, "d", "GP_Gen5_4");
    points(f, "d", 1, 8); /* cools */
    assert_shows(f, "d", "lastReason", "cooling");
    close_control(f);
    f->control = NULL;
    assert_int_equal(open_control(f), QR_OK);
    assert_int_equal(make_ready(f, QR_ROLE_COMPUTE, QR_NODE_SHARED), QR_OK);
    points(f, "d", 1, 12);
    assert_shows(f, "d", "lastReason", "cooling"); /* as if nothing had happened */
    assert_objective(f, "d", "GP_Gen5_4");
    point(f, "d", 1);
    assert_objective(f, "d", "GP_Gen5_2");
}

static void test_there_is_one_operation_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    struct qr_database_row row;
    char last[512];
    make(f, "d", "GP_Gen5_2");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\"}", &err), QR_OK);
    points(f, "d", 90, 4);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("d"), &row), QR_OK);
    struct qri_claim claim;
    assert_true(qri_control_try_claim(f->control, &claim, row.id)); /* the other one waits */
    struct qr_control_ask ask = {
        .name = qr_str("d"), .objective = qr_str("GP_Gen5_8"), .no_wait = true};
    assert_int_equal(call(f->operate, QR_CONTROL_ALTER, &ask, NULL, NULL), QR_OK);
    size_t before = decisions(last);
    atomic_fetch_add(&moved_ns, POINT);
    qri_autoscale_look(f->control); /* while it runs there is no point */
    assert_int_equal(decisions(last), before);
    assert_shows(f, "d", "lastError", NULL);
    qri_control_unclaim(f->control, &claim);
    assert_objective(f, "d", "GP_Gen5_8");
    struct qri_scaled *s = qri_scaled_find(f->control->autoscaler, row.id);
    snprintf(s->operation, sizeof s->operation, "%s", "00000000-0000-0000-0000-000000000000");
    points(f, "d", 50, 5);
    assert_string_equal(s->operation, ""); /* one that nobody knows any more is over */
}

/* An operation of that id that has failed. */
static void fail_one(struct fixture *f, const char *id)
{
    struct qr_operation_row row;
    pthread_mutex_lock(&f->mu);
    f->fail_method = QR_NODE_MAKE;
    pthread_mutex_unlock(&f->mu);
    struct qr_control_ask ask = {
        .name = qr_str("failed"), .operation_id = qr_str(id), .no_wait = true};
    assert_int_equal(call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL), QR_OK);
    do
        assert_int_equal(
            qr_operation_get(qr_rpc_client_peer(f->brief), qr_str(id), TIME_NS, &row, NULL), QR_OK);
    while (!qr_operation_is_over(row.state));
    assert_int_equal(row.state, QR_OPERATION_FAILED);
}

static void test_what_fails_later_is_tried_again_later_and_later(void **state)
{
    static const char id[] = "11111111-2222-3333-4444-555555555555";
    struct fixture *f = *state;
    struct qr_err err;
    struct qr_database_row row;
    char last[512];
    make(f, "d", "GP_Gen5_2");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\"}", &err), QR_OK);
    points(f, "d", 50, 5);
    fail_one(f, id);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("d"), &row), QR_OK);
    struct qri_scaled *s = qri_scaled_find(f->control->autoscaler, row.id);
    for (int64_t pause = 60; pause <= 120; pause *= 2) { /* it is the one that was begun */
        memcpy(s->operation, id, sizeof id);
        atomic_fetch_add(&moved_ns, POINT);
        qri_autoscale_look(f->control);
        assert_string_equal(s->operation, "");
        assert_int_equal(s->pause_ns, pause * SECOND);
        assert_shows(f, "d", "lastError", "in use");
    }
    points(f, "d", 99, 6); /* 90 s */
    (void)decisions(last);
    assert_non_null(strstr(last, "\"BackedOff\":true"));
    assert_objective(f, "d", "GP_Gen5_2");
    points(f, "d", 99, 3);
    assert_objective(f, "d", "GP_Gen5_4");
    point(f, "d", 99);
    assert_shows(f, "d", "lastError", NULL);
    assert_int_equal(s->pause_ns, 0);
}

/* What is asked of it fails: the quota of the server, checked when the operation begins. */
static void test_a_refused_operation_is_backed_off_and_told(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    char last[512];
    static const char *const fill[] = {"S12", "S3", "S1"};
    make(f, "d", "S1");
    int made = 0;
    for (size_t i = 0; i < 3; made++) { /* until the server has no DTUs left */
        char name[16];
        snprintf(name, sizeof name, "x%d", made);
        struct qr_control_ask ask = {.name = qr_str(name), .objective = qr_str(fill[i])};
        i += call(f->operate, QR_CONTROL_CREATE, &ask, NULL, NULL) != QR_OK;
        assert_true(made < 100);
    }
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\"}", &err), QR_OK);
    points(f, "d", 99, 5);
    assert_objective(f, "d", "S1");
    json_t *json = show(f, "d");
    assert_non_null(json_object_get(json, "lastError"));
    assert_non_null(json_object_get(json, "retryAfterWallNs"));
    json_decref(json);
    (void)decisions(last);
    assert_non_null(strstr(last, "\"Error\":"));
    point(f, "d", 99);
    (void)decisions(last);
    assert_non_null(strstr(last, "\"BackedOff\":true"));
}

static void test_who_is_used_by_nobody_is_told_from_who_does_not_answer(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    char last[512];
    make(f, "d", "GP_Gen5_4");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\", \"cooldownSeconds\": 0}", &err), QR_OK);
    points(f, "d", 50, 5);
    used.fails = true;
    for (int i = 0; i < 20; i++) {
        atomic_fetch_add(&moved_ns, POINT);
        qri_autoscale_look(f->control);
    }
    assert_int_equal(decisions(last), 5);
    used.fails = false;
    used.is_there = false; /* its node has nothing to say */
    for (int i = 0; i < 5; i++) {
        atomic_fetch_add(&moved_ns, POINT);
        qri_autoscale_look(f->control);
    }
    assert_int_equal(decisions(last), 5); /* it may begin to, yet */
    for (int i = 0; i < 6; i++) {
        atomic_fetch_add(&moved_ns, POINT);
        qri_autoscale_look(f->control);
    }
    assert_non_null((decisions(last), strstr(last, "\"AvgCpuPercent\":0.0")));
    assert_objective(f, "d", "GP_Gen5_2");
}

static void test_a_dropped_database_takes_its_settings_along(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    make(f, "d", "GP_Gen5_2");
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\"}", &err), QR_OK);
    struct qr_control_ask ask = {.name = qr_str("d")};
    assert_int_equal(call(f->operate, QR_CONTROL_DROP, &ask, NULL, NULL), QR_OK);
    assert_null(show(f, "d"));
    qri_autoscale_look(f->control);
    assert_null(f->control->autoscaler->list);
    close_control(f);
    f->control = NULL;
    assert_int_equal(open_control(f), QR_OK);
    qri_autoscale_look(f->control);
    assert_null(f->control->autoscaler->list);
}

/* Two weeks of an hour at ten that is busy, as sys.resource_stats has them. */
static void test_a_forecast_learns_from_what_was_used_before(void **state)
{
    struct fixture *f = *state;
    struct qr_err err;
    struct qr_buf buf;
    static const int64_t day = 86400, slot = 300;
    make(f, "d", "GP_Gen5_2");
    int64_t midnight = (start_ns / SECOND / day + 1) * day;
    /* a quarter to ten tomorrow: the database was made before it at whatever hour this runs */
    atomic_store(&moved_ns, (midnight + 35100) * SECOND - start_ns);
    qr_buf_init(&buf, 4 << 20);
    for (int64_t at = midnight - 13 * day; at < midnight + 35100; at += slot) {
        bool busy = at % day > 36000 && at % day <= 39600;
        struct qr_telemetry_row row = {.kind = QR_TELEMETRY_DATABASE,
                                       .at_wall_ns = at * SECOND,
                                       .key = qr_str("d"),
                                       .body = busy
                                                   ? qr_str("GeneralPurpose 10 60 0 0 0 0 0 0 0 8")
                                                   : qr_str("GeneralPurpose 10 1 0 0 0 0 0 0 0 8")};
        qr_telemetry_put(&buf, &row);
        if (buf.len > 50000 || at + slot >= midnight + 35100) {
            assert_int_equal(
                qr_telemetry_add(bed_telemetry, buf.data, buf.len, row.at_wall_ns, NULL), QR_OK);
            qr_buf_clear(&buf);
        }
    }
    qr_buf_done(&buf);
    assert_int_equal(say(f, "d", "{\"state\": \"Enabled\", \"policy\": \"forecast\"}", &err),
                     QR_OK);
    points(f, "d", 4, 59); /* until just before ten */
    struct qr_database_row row;
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("d"), &row), QR_OK);
    while (qri_ops_is_active(f->control, row.id))
        qr_env_sleep_ns(qr_env_real(), 1000000);
    assert_int_equal(qr_registry_find_database(f->registry, 0, qr_str("d"), &row), QR_OK);
    assert_true(qr_slo_find(qr_str(row.objective))->capacity >=
                6); /* for 4.8, before it is there */
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup_moved, teardown_moved)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_not_said_has_defaults_and_stays_unsaid),
        TEST(test_settings_that_are_of_no_use_are_refused_with_their_name),
        TEST(test_the_seeds_spike_goes_up_and_down_again),
        TEST(test_dry_runs_say_what_they_would_do),
        TEST(test_a_scale_by_hand_has_the_cool_down),
        TEST(test_a_new_start_goes_on_with_windows_and_cool_downs),
        TEST(test_there_is_one_operation_at_a_time),
        TEST(test_what_fails_later_is_tried_again_later_and_later),
        TEST(test_a_refused_operation_is_backed_off_and_told),
        TEST(test_who_is_used_by_nobody_is_told_from_who_does_not_answer),
        TEST(test_a_dropped_database_takes_its_settings_along),
        TEST(test_a_forecast_learns_from_what_was_used_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
