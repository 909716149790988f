/* Goal: an operation whose control was killed in any of its steps ends at the next start, done or
 * undone as a whole, and its percent never falls. Method: walk the tables of steps; in each, before
 * and behind it, forwards and backwards, the thread that runs it stops for good; control is opened
 * anew over the same metadata; nodes are a set of files that a listener keeps. */
#include "ops_bed.h"

/* ---- the operations that are walked ---- */

static bool is_there(struct fixture *f, const char *name)
{
    struct qr_database_row row;
    return find(f, name, &row);
}
static bool new_is_there(struct fixture *f)
{
    return is_there(f, "new");
}
static bool src_is_larger(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "src", &row));
    return strcmp(row.objective, "GP_Gen5_4") == 0;
}
static bool h_is_larger(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "h", &row));
    return strcmp(row.objective, "HS_Gen5_8") == 0;
}
static bool src_is_gone(struct fixture *f)
{
    return !is_there(f, "src");
}
static bool h_is_gone(struct fixture *f)
{
    return !is_there(f, "h");
}
static bool new_is_gone(struct fixture *f)
{
    return !is_there(f, "new");
}
static bool server_is_gone(struct fixture *f) /* with all that it had */
{
    return qr_registry_index_after(f->registry, 1 << QR_SERVER_SHIFT) ==
           qr_registry_index_after(f->registry, INT32_MAX);
}
static bool src_is_hyper(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "src", &row));
    return qr_database_is_hyper(&row) && row.migrated_wall_ns != 0;
}
static bool m_has_files(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "m", &row));
    return !qr_database_is_hyper(&row) && row.migrated_wall_ns == 0 &&
           strcmp(row.edition, "GeneralPurpose") == 0;
}
static bool is_at(struct fixture *f, const char *name, const char *node)
{
    struct qr_database_row row;
    char place[QR_NODE_NAME_BYTES];
    if (!find(f, name, &row))
        return false;
    qr_place_node(&row, place);
    return strncmp(place, node, strlen(node)) == 0;
}
static bool new_has_copies(struct fixture *f)
{
    return is_at(f, "new", "bc-");
}
static bool src_has_copies(struct fixture *f)
{
    return is_at(f, "src", "bc-");
}
static bool b_is_shared(struct fixture *f)
{
    return is_at(f, "b", "shared");
}
static bool b_is_larger(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "b", &row));
    return strcmp(row.objective, "BC_Gen5_4") == 0;
}
static bool b_is_gone(struct fixture *f)
{
    return !is_there(f, "b");
}
static bool pool_is(struct fixture *f, const char *name, const char *size)
{
    struct qr_pool_row pool;
    bool there = qr_registry_find_pool(f->registry, 0, qr_str(name), &pool) == QR_OK;
    return size == NULL ? !there : there && strcmp(pool.size, size) == 0;
}
static bool pool_is_made(struct fixture *f)
{
    return pool_is(f, "made", "GP_Gen5_2");
}
static bool pool_is_larger(struct fixture *f)
{
    return pool_is(f, "pool", "GP_Gen5_4");
}
static bool pool_is_gone(struct fixture *f)
{
    return pool_is(f, "pool", NULL);
}
static bool src_is_in_pool(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "src", &row));
    return strcmp(row.pool, "pool") == 0;
}
static bool group_is_gone(struct fixture *f)
{
    struct qr_buf buf;
    struct qr_doc doc;
    qr_buf_init(&buf, 100000);
    bool gone =
        server_is_gone(f) && qr_doc_get(qr_rpc_client_peer(f->brief), QR_DOC_GROUP, qr_str("mine"),
                                        TIME_NS, &buf, &doc, NULL) == QR_NOT_FOUND;
    qr_buf_done(&buf);
    return gone;
}
static bool b_is_hyper(struct fixture *f)
{
    struct qr_database_row row;
    assert_true(find(f, "b", &row));
    return qr_database_is_hyper(&row) && row.migrated_wall_ns != 0;
}
static bool src_has_secondary(struct fixture *f)
{
    struct qr_database_row row, other;
    assert_true(find(f, "src", &row));
    return qr_registry_find_geo(f->registry, row.id, 1, &other);
}
static bool src_is_alone(struct fixture *f)
{
    return !src_has_secondary(f);
}
static bool src_is_secondary(struct fixture *f)
{
    struct qr_database_row row, other;
    assert_true(find(f, "src", &row));
    assert_int_not_equal(row.geo_of != 0, src_has_secondary(f));
    assert_true(row.geo_of == 0 || qr_registry_find_id(f->registry, row.geo_of, &other) == QR_OK);
    assert_true(row.geo_of == 0 || other.epoch > 0);
    return row.geo_of != 0;
}
static bool always(struct fixture *f)
{
    return is_there(f, "h");
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
static const struct scenario {
    enum qr_operation_kind kind;
    enum qr_control_method method;
    struct qr_control_ask ask;
    bool (*is_done)(struct fixture *f);
    uint16_t
        fails_by; /* a node's refusal makes it fail; 0: it can be cancelled instead, or neither */
    bool same_undone; /* is_done says the same of both */
} scenarios[] = {
    /* clang-format off */
    {QR_OPERATION_CREATE,      QR_CONTROL_CREATE,      {.name = NAME("new")}, new_is_there, QR_NODE_MAKE, false},
    {QR_OPERATION_COPY,        QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src")}, new_is_there, QR_NODE_COPY, false},
    {QR_OPERATION_RESTORE,     QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src"), .restore_wall_ns = 1}, new_is_there, 0, false},
    {QR_OPERATION_ADD_REPLICA, QR_CONTROL_ADD_REPLICA, {.name = NAME("h"), .new_name = NAME("new")}, new_is_there, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("src"), .objective = NAME("GP_Gen5_4")}, src_is_larger, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("h"), .objective = NAME("HS_Gen5_8")}, h_is_larger, 0, false},
    {QR_OPERATION_RENAME,      QR_CONTROL_RENAME,      {.name = NAME("src"), .new_name = NAME("new")}, new_is_there, 0, false},
    {QR_OPERATION_DROP,        QR_CONTROL_DROP,        {.name = NAME("src")}, src_is_gone, QR_NODE_HOLD, false},
    {QR_OPERATION_DROP,        QR_CONTROL_DROP,        {.name = NAME("h")}, h_is_gone, QR_NODE_HOLD, false},
    {QR_OPERATION_FAILOVER,    QR_CONTROL_FAILOVER,    {.name = NAME("h")}, always, 0, true},
    {QR_OPERATION_VERIFY,      QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("src"), .verify = true}, new_is_gone, QR_NODE_CHECK, true},
    {QR_OPERATION_MIGRATE,     QR_CONTROL_ALTER,       {.name = NAME("src"), .edition = NAME("Hyperscale"), .objective = NAME("HS_Gen5_2")}, src_is_hyper, 0, false},
    {QR_OPERATION_REVERSE_MIGRATE, QR_CONTROL_ALTER,   {.name = NAME("m"), .edition = NAME("GeneralPurpose"), .objective = NAME("GP_Gen5_2")}, m_has_files, 0, false},
    {QR_OPERATION_DROP_SERVER, QR_CONTROL_DROP_SERVER, {.server = 1}, server_is_gone, QR_NODE_VACATE, false},
    {QR_OPERATION_CREATE,      QR_CONTROL_CREATE,      {.name = NAME("new"), .edition = NAME("Premium")}, new_has_copies, QR_NODE_MAKE, false},
    {QR_OPERATION_COPY,        QR_CONTROL_CREATE,      {.name = NAME("new"), .copy_of = NAME("b")}, new_has_copies, QR_NODE_COPY, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("src"), .edition = NAME("BusinessCritical")}, src_has_copies, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("b"), .edition = NAME("GeneralPurpose")}, b_is_shared, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("b"), .objective = NAME("BC_Gen5_4")}, b_is_larger, 0, false},
    {QR_OPERATION_DROP,        QR_CONTROL_DROP,        {.name = NAME("b")}, b_is_gone, QR_NODE_HOLD, false},
    {QR_OPERATION_FAILOVER,    QR_CONTROL_FAILOVER,    {.name = NAME("b")}, always, 0, true},
    {QR_OPERATION_DROP_GROUP,  QR_CONTROL_DROP_GROUP,  {.name = NAME("mine")}, group_is_gone, QR_NODE_VACATE, false},
    {QR_OPERATION_POOL_CREATE, QR_CONTROL_POOL_CREATE, {.pool = NAME("made")}, pool_is_made, 0, false},
    {QR_OPERATION_POOL_UPDATE, QR_CONTROL_POOL_ALTER,  {.pool = NAME("pool"), .objective = NAME("GP_Gen5_4")}, pool_is_larger, 0, false},
    {QR_OPERATION_POOL_DROP,   QR_CONTROL_POOL_DROP,   {.pool = NAME("pool")}, pool_is_gone, 0, false},
    {QR_OPERATION_UPDATE,      QR_CONTROL_ALTER,       {.name = NAME("src"), .pool = NAME("pool")}, src_is_in_pool, 0, false},
    {QR_OPERATION_MIGRATE,     QR_CONTROL_ALTER,       {.name = NAME("b"), .edition = NAME("Hyperscale"), .objective = NAME("HS_Gen5_2")}, b_is_hyper, 0, false},
    {QR_OPERATION_ADD_REPLICA, QR_CONTROL_ADD_REPLICA, {.name = NAME("src"), .other_server = 1, .geo = true}, src_has_secondary, 0, false},
    {QR_OPERATION_GEO_CHANGE,  QR_CONTROL_GEO_CHANGE,  {.server = 1, .name = NAME("src"), .geo_change = QR_GEO_END}, src_is_alone, 0, false},
    {QR_OPERATION_GEO_CHANGE,  QR_CONTROL_GEO_CHANGE,  {.server = 1, .name = NAME("src"), .geo_change = QR_GEO_FAILOVER}, src_is_secondary, QR_NODE_VACATE, false},
    {QR_OPERATION_GEO_CHANGE,  QR_CONTROL_GEO_CHANGE,  {.server = 1, .name = NAME("src"), .geo_change = QR_GEO_FORCE}, src_is_secondary, QR_NODE_VACATE, false},
    /* clang-format on */
};
/* A second server, with a database of a name that the first one has, too. */
static const struct qr_control_ask
    second = {.name = NAME("other"),
              .new_name = NAME("boss"),
              .hash = NAME("hash"),
              .text = NAME("{\"group\":\"myResourceGroup\",\"location\":\"eastus\"}")},
    grouped = {.name = NAME("other"),
               .new_name = NAME("boss"),
               .hash = NAME("hash"),
               .text = NAME("{\"group\":\"mine\",\"location\":\"eastus\"}")},
    second_src = {.server = 1, .name = NAME("src")},
    linked = {.name = NAME("src"), .other_server = 1, .geo = true};
enum { SCENARIO_COUNT = sizeof scenarios / sizeof scenarios[0] };

static void wait_for_death_or_end(struct fixture *f)
{
    struct qr_operation_row row;
    bool over = false;
    while (!over) {
        pthread_mutex_lock(&f->mu);
        over = f->is_dead;
        pthread_mutex_unlock(&f->mu);
        over = over || (look(f, &row) && qr_operation_is_over(row.state));
        if (!over)
            qr_env_sleep_ns(qr_env_real(), 1000000);
    }
}

static void start(struct fixture *f, const struct scenario *s)
{
    struct qr_control_ask ask = s->ask;
    struct qr_operation_row row;
    struct qr_err err = {0};
    ask.operation_id = qr_str(operation_id);
    if (ask.restore_wall_ns != 0)
        ask.restore_wall_ns = (uint64_t)qr_env_wall_ns(qr_env_real());
    if (qr_operation_start(qr_rpc_client_peer(f->operate), s->method, &ask, TIME_NS, &row, &err) !=
        QR_OK)
        fail_msg("%s: %s", qri_op_kinds[s->kind].name, err.text);
    assert_int_equal(row.kind, s->kind);
}

/* True: it died there. */
static bool walk(const struct scenario *s, const struct break_point *at, bool fails)
{
    struct fixture *f = new_fixture();
    struct qr_operation_row row;
    struct qr_pool_wish pool = {.name = qr_str("pool")};
    struct qr_pool_row pool_row;
    prepare(f);
    assert_int_equal(qr_registry_put_pool(f->registry, 0, &pool, true, false, &pool_row, NULL),
                     QR_OK);
    bool of_group = s->kind == QR_OPERATION_DROP_GROUP;
    struct qr_doc group = {.name = qr_str("mine"), .text = qr_str("{\"name\":\"mine\"}")};
    if (of_group)
        assert_int_equal(
            qr_doc_put(qr_rpc_client_peer(f->brief), QR_DOC_GROUP, &group, TIME_NS, NULL), QR_OK);
    if (of_group || s->kind == QR_OPERATION_DROP_SERVER) {
        assert_int_equal(operate(f, QR_CONTROL_MAKE_SERVER, of_group ? &grouped : &second, NULL),
                         QR_OK);
        assert_int_equal(operate(f, QR_CONTROL_CREATE, &second_src, NULL), QR_OK);
    }
    if (s->ask.geo || s->kind == QR_OPERATION_GEO_CHANGE)
        assert_int_equal(operate(f, QR_CONTROL_MAKE_SERVER, &second, NULL), QR_OK);
    if (s->kind == QR_OPERATION_GEO_CHANGE)
        assert_int_equal(operate(f, QR_CONTROL_ADD_REPLICA, &linked, NULL), QR_OK);
    f->fail_method = fails ? s->fails_by : 0;
    f->cancels = fails && s->fails_by == 0;
    f->at = *at;
    start(f, s);
    wait_for_death_or_end(f);
    bool died = f->is_dead;
    close_control(f); /* and everybody dies with it */
    f->at.operation = NULL;
    f->fail_method = at->undoes ? 0 : f->fail_method;
    open_control(f, 1);
    f->is_dead = false;
    wait_for_death_or_end(f);
    assert_true(look(f, &row));
    assert_int_equal(row.percent, 100);
    bool done = row.state == QR_OPERATION_SUCCEEDED;
    if (at->undoes)
        assert_false(done);
    if (!fails)
        assert_true(done);
    assert_true(s->same_undone || s->is_done(f) == done);
    assert_whole(f);
    free_fixture(f);
    return died;
}

static void test_an_operation_killed_in_any_step_goes_on(void **state)
{
    (void)state;
    int deaths = 0;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        const struct qri_op_kind *kind = &qri_op_kinds[scenarios[i].kind];
        for (size_t step = 0; kind->steps[step].name != NULL; step++) {
            for (int has_run = 0; has_run < 2; has_run++) {
                struct break_point at = {kind->name, kind->steps[step].name, false, has_run != 0};
                assert_true(walk(&scenarios[i], &at, false));
                deaths++;
            }
        }
    }
    printf("%d deaths\n", deaths);
}

static void test_an_operation_killed_while_it_is_undone_leaves_nothing(void **state)
{
    (void)state;
    int deaths = 0;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        const struct qri_op_kind *kind = &qri_op_kinds[scenarios[i].kind];
        if (scenarios[i].fails_by == 0 && !kind->steps[0].is_cancellable)
            continue;
        for (int has_run = 0; has_run < 2; has_run++) {
            struct break_point at = {kind->name, kind->steps[0].name, true, has_run != 0};
            assert_true(walk(&scenarios[i], &at, true));
            deaths++;
        }
    }
    printf("%d deaths\n", deaths);
}

/* Goal: a cutover that fails, and whose control is killed while it is undone, leaves the database
 * as it was. */
static void test_a_cutover_that_fails_leaves_the_source_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        if (scenarios[i].kind != QR_OPERATION_MIGRATE &&
            scenarios[i].kind != QR_OPERATION_REVERSE_MIGRATE)
            continue;
        for (int death = 0; death < 3; death++) {
            struct fixture *f = new_fixture();
            struct qr_operation_row row;
            prepare(f);
            f->fail_wish = QR_MOVE_CUT;
            f->is_marked = true;
            f->at = (struct break_point){qri_op_kinds[scenarios[i].kind].name,
                                         death < 2 ? "cutover" : "none", true, death == 1};
            start(f, &scenarios[i]);
            wait_for_death_or_end(f);
            close_control(f);
            f->at.operation = NULL;
            open_control(f, 1);
            f->is_dead = false;
            wait_for_death_or_end(f);
            assert_true(look(f, &row));
            assert_int_equal(row.state, QR_OPERATION_FAILED);
            assert_int_equal(row.error_number, 3702);
            assert_false(scenarios[i].is_done(f));
            assert_false(f->is_marked);
            assert_whole(f);
            free_fixture(f);
        }
    }
}

static void test_every_kind_is_walked_and_its_table_is_sound(void **state)
{
    (void)state;
    for (int kind = 1; kind < QR_OPERATION_KIND_COUNT; kind++) {
        const struct qri_op_kind *k = &qri_op_kinds[kind];
        bool walked = false, is_final = false;
        uint8_t percent = 0;
        for (size_t i = 0; i < SCENARIO_COUNT; i++)
            walked |= scenarios[i].kind == (enum qr_operation_kind)kind;
        assert_true(walked);
        assert_true(k->name != NULL && k->begin != NULL && k->steps[0].name != NULL);
        for (size_t i = 0; k->steps[i].name != NULL; i++) {
            assert_true(i < QRI_STEPS_MAX);
            assert_true(k->steps[i].percent > percent && k->steps[i].percent < 100);
            assert_true(!is_final || k->steps[i].is_final); /* no way back later on */
            assert_false(k->steps[i].is_final && k->steps[i].is_cancellable);
            is_final = k->steps[i].is_final;
            percent = k->steps[i].percent;
        }
        assert_true(qr_operation_info((enum qr_operation_kind)kind)->sql_name[0] != '\0');
    }
}

/* ---- what is refused, and what is asked twice ---- */

static int number_of(struct fixture *f, enum qr_control_method method, struct qr_control_ask ask)
{
    struct qr_err err = {0};
    struct qr_operation_row row;
    enum qr_status status =
        qr_operation_start(qr_rpc_client_peer(f->operate), method, &ask, TIME_NS, &row, &err);
    return status == QR_OK ? 0 : status == QR_SQL ? err.number : -(int)status;
}

static void test_a_second_operation_on_a_database_is_refused(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_control_ask larger = {.name = qr_str("src"), .objective = qr_str("GP_Gen5_4")};
    (void)state;
    prepare(f);
    f->at = (struct break_point){"update", "prepare", false, false}; /* it stands still there */
    start(f, &scenarios[4]);
    wait_for_death_or_end(f);
    assert_int_equal(number_of(f, QR_CONTROL_ALTER, larger), 40802);
    assert_int_equal(number_of(f, QR_CONTROL_DROP, (struct qr_control_ask){.name = qr_str("src")}),
                     45182);
    assert_int_equal(
        number_of(f, QR_CONTROL_RENAME,
                  (struct qr_control_ask){.name = qr_str("src"), .new_name = qr_str("other")}),
        45182);
    assert_int_equal(
        number_of(f, QR_CONTROL_ALTER,
                  (struct qr_control_ask){.name = qr_str("h"), .objective = qr_str("HS_Gen5_4")}),
        0);
    larger.operation_id = qr_str(operation_id); /* the same again starts nothing */
    assert_int_equal(number_of(f, QR_CONTROL_ALTER, larger), 0);
    free_fixture(f);
}

/* Databases of an objective until no more fit; the number of the error that says so. */
static int fill_quota(struct fixture *f, const char *objective)
{
    struct qr_database_wish wish = {.objective = qr_str(objective)};
    struct qr_err err = {0};
    struct qr_database_row row;
    char name[32];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%s %d", objective, i);
        enum qr_status status =
            qr_registry_add_database(f->registry, 0, qr_str(name), &wish, &row, &err);
        if (status == QR_OK)
            status = qr_registry_set_state(f->registry, row.id, QR_DATABASE_ONLINE, &err);
        if (status != QR_OK && err.number != 1801) /* from the last time */
            return err.number;
    }
    return 0;
}

/* Goal: a move that is undone goes back, whatever of the quota others would have
 * taken meanwhile. Method: all DTUs are used, and the database goes to vCores on its way; others
 * try to take what it had, and every vCore. */
static void test_a_move_that_is_undone_has_kept_its_quota(void **state)
{
    static const struct scenario move = {
        QR_OPERATION_MIGRATE,
        QR_CONTROL_ALTER,
        {.name = NAME("b"), .edition = NAME("Hyperscale"), .objective = NAME("HS_Gen5_4")},
        b_is_hyper,
        0,
        false};
    struct qr_database_wish premium = {.objective = qr_str("P15")};
    struct fixture *f = new_fixture();
    struct qr_operation_row op;
    struct qr_database_row row;
    (void)state;
    prepare(f);
    assert_int_equal(qr_registry_alter_database(f->registry, 0, qr_str("b"), &premium, &row, NULL),
                     QR_OK);
    assert_int_equal(fill_quota(f, "S12"), 40847);
    f->at = (struct break_point){"migrate", "copy", false, true};
    start(f, &move);
    wait_for_death_or_end(f);
    assert_true(find(f, "b", &row));
    assert_string_equal(row.edition, "GeneralPurpose"); /* as the shared node has it */
    assert_int_equal(fill_quota(f, "S12"), 40847);
    assert_int_equal(fill_quota(f, "GP_Gen5_80"), 40904);
    assert_int_equal(fill_quota(f, "GP_Gen5_2"), 40904);
    close_control(f);
    f->at.operation = NULL;
    f->fail_wish = QR_MOVE_CUT;
    open_control(f, 1);
    f->is_dead = false;
    wait_for_death_or_end(f);
    assert_true(look(f, &op));
    assert_int_equal(op.state, QR_OPERATION_FAILED);
    assert_true(find(f, "b", &row));
    assert_string_equal(row.objective, "P15");
    assert_int_equal(fill_quota(f, "S12"), 40847);
    free_fixture(f);
}

static void test_a_drop_cancels_a_create_that_runs(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_database_row row;
    (void)state;
    prepare(f);
    f->at = (struct break_point){"create", "storage", false, false};
    start(f, &scenarios[0]);
    wait_for_death_or_end(f);
    assert_int_equal(number_of(f, QR_CONTROL_DROP, (struct qr_control_ask){.name = qr_str("new")}),
                     40812);
    assert_true(find(f, "new", &row));
    assert_int_equal(row.state, QR_DATABASE_CREATING);
    free_fixture(f);
}

static void test_what_a_cancel_is_told(void **state)
{
    struct fixture *f = new_fixture();
    struct qr_err err = {0};
    (void)state;
    prepare(f);
    struct qr_rpc_peer *peer = qr_rpc_client_peer(f->brief);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 45184);
    f->at = (struct break_point){"rename", "record", false, true};
    start(f, &scenarios[6]);
    wait_for_death_or_end(f);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 45148);
    close_control(f);
    f->at.operation = NULL;
    open_control(f, 1);
    f->is_dead = false;
    wait_for_death_or_end(f);
    peer = qr_rpc_client_peer(f->brief);
    assert_int_equal(qr_operation_cancel(peer, qr_str(operation_id), TIME_NS, &err), QR_SQL);
    assert_int_equal(err.number, 40811);
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_walked_and_its_table_is_sound),
        cmocka_unit_test(test_a_second_operation_on_a_database_is_refused),
        cmocka_unit_test(test_a_move_that_is_undone_has_kept_its_quota),
        cmocka_unit_test(test_a_drop_cancels_a_create_that_runs),
        cmocka_unit_test(test_what_a_cancel_is_told),
        cmocka_unit_test(test_a_cutover_that_fails_leaves_the_source_as_it_was),
        cmocka_unit_test(test_an_operation_killed_in_any_step_goes_on),
        cmocka_unit_test(test_an_operation_killed_while_it_is_undone_leaves_nothing),
    };
    return cmocka_run_group_tests_name("ctl/ops", tests, NULL, NULL);
}
