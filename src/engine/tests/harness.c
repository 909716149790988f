/* harness.c - see harness.h */
#include "harness.h"
#include <stdlib.h>
#include <unistd.h>
#include "base/buf.h"
#include "codec/convert.h"
#include "store/durable.h"
#include "base/banned.h"

static enum qr_status no_database(void *ctx, struct qr_session *session,
                                  const struct qr_ast_stmt *stmt, struct qr_err *err)
{
    (void)ctx;
    (void)session;
    (void)stmt;
    return qr_fail(err, QR_UNSUPPORTED, "no control plane here");
}

static enum qr_status no_drop(void *ctx, struct qr_session *session, struct qr_str name,
                              bool if_exists, struct qr_err *err)
{
    (void)ctx;
    (void)session;
    (void)name;
    (void)if_exists;
    return qr_fail(err, QR_UNSUPPORTED, "no control plane here");
}

static const struct qr_database_info info = {
    .database_id = 5,
    .name = {"testdb", 6},
    .edition = {"GeneralPurpose", 14},
    .service_objective = {"GP_Gen5_2", 9},
    .collation = {"SQL_Latin1_General_CP1_CI_AS", 28},
};

static enum qr_status each_database(void *ctx, uint32_t server_id,
                                    enum qr_status (*each)(void *each_ctx,
                                                           const struct qr_database_info *row),
                                    void *each_ctx)
{
    (void)ctx;
    (void)server_id;
    return each(each_ctx, &info);
}

static enum qr_status no_rule(void *ctx, uint32_t database_id, struct qr_str name,
                              struct qr_str start, struct qr_str end, struct qr_err *err)
{
    (void)ctx, (void)database_id, (void)name, (void)start, (void)end;
    return qr_fail(err, QR_UNSUPPORTED, "no firewall here");
}

static enum qr_status no_rule_to_delete(void *ctx, uint32_t database_id, struct qr_str name,
                                        struct qr_err *err)
{
    (void)ctx, (void)database_id, (void)name;
    return qr_fail(err, QR_UNSUPPORTED, "no firewall here");
}

static enum qr_status
no_rules(void *ctx, uint32_t database_id,
         enum qr_status (*each)(void *each_ctx, const struct qr_firewall_info *row), void *each_ctx)
{
    (void)ctx, (void)database_id, (void)each, (void)each_ctx;
    return QR_OK;
}

/* Its SID is its name. */
static enum qr_status find_login(void *ctx, uint32_t server_id, struct qr_str name,
                                 uint8_t sid[QR_SID_BYTES_MAX], size_t *ret_sid_bytes,
                                 struct qr_err *err)
{
    (void)ctx, (void)server_id;
    if (name.n < 5 || name.n > QR_SID_BYTES_MAX || memcmp(name.p, "login", 5) != 0)
        return qr_fail(err, QR_NOT_FOUND, "no such login");
    memcpy(sid, name.p, name.n);
    *ret_sid_bytes = name.n;
    return QR_OK;
}

static enum qr_status set_owner(void *ctx, uint32_t own_id, struct qr_str sid, struct qr_err *err)
{
    struct fixture *f = ctx;
    struct qr_database_info given = info;
    (void)own_id;
    memcpy(given.owner_sid, sid.p, sid.n);
    given.owner_sid_bytes = sid.n;
    return qr_database_update(f->db, &given, err);
}

static void must(enum qr_status status, const struct qr_err *err)
{
    if (status != QR_OK)
        fail_msg("%s: %s", qr_status_info(status)->name, err->text);
}

static void open_database(struct fixture *f, bool create)
{
    struct qr_err err = {0};
    struct qr_store *store = NULL;
    char dir[300];
    snprintf(dir, sizeof dir, "%s/db", f->dir);
    struct qr_store_options options = {.sync_off = true};
    if (create)
        must(qr_store_create(dir, &options, &store, &err), &err);
    else
        must(qr_store_open(dir, &options, &store, &err), &err);
    must(qr_database_open(f->instance, &info, store, &f->db, &err), &err);
}

static void new_instance(struct fixture *f)
{
    struct qr_err err = {0};
    struct qr_instance_options options = {
        .env = qr_env_real(),
        .server_name = {"server01", 8},
        .version = {"0.1.0", 5},
        .host = {.ctx = f,
                 .create_database = no_database,
                 .alter_database = no_database,
                 .drop_database = no_drop,
                 .each_database = each_database,
                 .find_login = find_login,
                 .set_owner = set_owner,
                 .set_firewall_rule = no_rule,
                 .delete_firewall_rule = no_rule_to_delete,
                 .each_firewall_rule = no_rules},
    };
    must(qr_instance_new(&options, &f->instance, &err), &err);
}

void fixture_open(struct fixture *f)
{
    *f = (struct fixture){0};
    snprintf(f->dir, sizeof f->dir, "/tmp/quire-engine-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    new_instance(f);
    open_database(f, true);
}

void fixture_open_on(struct fixture *f, struct qr_store *own_store)
{
    struct qr_err err = {0};
    *f = (struct fixture){0};
    new_instance(f);
    must(qr_database_open(f->instance, &info, own_store, &f->db, &err), &err);
}

void fixture_reopen(struct fixture *f)
{
    struct qr_err err = {0};
    must(qr_database_close(f->db, &err), &err);
    open_database(f, false);
}

void fixture_close(struct fixture *f)
{
    struct qr_err err = {0};
    char dir[300];
    must(qr_database_close(f->db, &err), &err);
    qr_instance_free(f->instance);
    if (f->dir[0] == 0)
        return;
    snprintf(dir, sizeof dir, "%s/db", f->dir);
    must(qr_store_remove(qr_env_real(), dir, &err), &err);
    rmdir(f->dir);
}

/* ---- the sink ---- */

static enum qr_status on_columns(void *ctx, const struct qr_plan_column *columns, size_t count,
                                 const int *order_columns, size_t order_count)
{
    struct client *c = ctx;
    c->ended = false;
    (void)order_columns;
    (void)order_count;
    assert_true(count <= 256);
    qr_buf_addz(&c->out, "COLS");
    for (size_t i = 0; i < count; i++) {
        char type[QR_TYPE_NAME_BYTES];
        c->types[i] = columns[i].type;
        qr_buf_printf(&c->out, "%s %.*s%s%s", i == 0 ? "" : ",", (int)columns[i].name.n,
                      columns[i].name.n == 0 ? "" : columns[i].name.p,
                      columns[i].name.n == 0 ? "" : " ", qr_type_print(&columns[i].type, type));
    }
    qr_buf_addz(&c->out, "\n");
    c->column_count = count;
    return QR_OK;
}

static void print_value(struct client *c, const struct qr_type *type, const struct qr_value *value)
{
    struct qr_arena arena;
    qr_arena_init(&arena, 1 << 20);
    struct qr_convert_env env = {.arena = &arena};
    struct qr_str text = {0};
    struct qr_err err = {0};
    if (value->cell == QR_CELL_NULL)
        text = qr_str("NULL");
    else
        must(qr_value_text_of(type, value, &env, &text, &err), &err);
    qr_buf_addstr(&c->out, text);
    qr_arena_done(&arena);
}

static enum qr_status on_row(void *ctx, const struct qr_value *values, size_t count)
{
    struct client *c = ctx;
    c->rows++;
    if (c->count_only)
        return QR_OK;
    qr_buf_addz(&c->out, "ROW ");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            qr_buf_addz(&c->out, "|");
        print_value(c, &c->types[i], &values[i]);
    }
    qr_buf_addz(&c->out, "\n");
    return QR_OK;
}

static enum qr_status on_done(void *ctx, const struct qr_done *done)
{
    struct client *c = ctx;
    enum { COMMAND_SET = 0xF9 };
    if (done->command == COMMAND_SET && !c->show_set)
        return QR_OK; /* it says nothing, and half of the batches begin with SET */
    bool after_done = c->out.len > 0 && c->ended;
    c->ended = true;
    if (done->kind == QR_DONE_BATCH && (!done->is_error || after_done))
        return QR_OK; /* the statement's own was the last word */
    qr_buf_addz(&c->out, done->kind == QR_DONE_PROC ? "DONEPROC"
                         : done->in_module          ? "DONEINPROC"
                                                    : "DONE");
    if (done->has_count)
        qr_buf_printf(&c->out, " %llu", (unsigned long long)done->count);
    if (done->is_error)
        qr_buf_addz(&c->out, " error");
    qr_buf_addz(&c->out, "\n");
    return QR_OK;
}

static enum qr_status on_message(void *ctx, const struct qr_err *m)
{
    struct client *c = ctx;
    c->ended = false;
    if (m->severity > 10)
        qr_buf_printf(&c->out, "MSG %d %d %d line %d%s%s: %s\n", m->number, m->severity, m->state,
                      m->line, m->procedure[0] == '\0' ? "" : " ", m->procedure, m->text);
    else
        qr_buf_printf(&c->out, "INFO %d: %s\n", m->number, m->text);
    return QR_OK;
}

static enum qr_status on_return_status(void *ctx, int32_t status)
{
    struct client *c = ctx;
    qr_buf_printf(&c->out, "STATUS %d\n", (int)status);
    return QR_OK;
}

static enum qr_status on_return_value(void *ctx, size_t ordinal, struct qr_str name,
                                      const struct qr_type *type, const struct qr_value *value)
{
    struct client *c = ctx;
    (void)ordinal;
    qr_buf_printf(&c->out, "RET %.*s=", (int)name.n, name.p);
    print_value(c, type, value);
    qr_buf_addz(&c->out, "\n");
    return QR_OK;
}

static enum qr_status on_env_change(void *ctx, enum qr_env_change_kind kind,
                                    struct qr_str new_value, struct qr_str old_value,
                                    uint64_t tran_descriptor)
{
    static const char *const names[] = {"DATABASE", "LANGUAGE", "BEGIN", "COMMIT", "ROLLBACK"};
    struct client *c = ctx;
    (void)new_value;
    (void)old_value;
    if (kind >= QR_ENV_BEGIN_TRAN)
        assert_true(tran_descriptor != 0);
    qr_buf_printf(&c->out, "ENV %s\n", names[kind]);
    return QR_OK;
}

static bool on_cancelled(void *ctx)
{
    return ((struct client *)ctx)->cancel;
}

static void on_block_begin(void *ctx)
{
    ((struct client *)ctx)->waits = true;
}

static void on_block_end(void *ctx)
{
    ((struct client *)ctx)->waits = false;
}

static enum qr_status on_flush(void *ctx)
{
    (void)ctx;
    return QR_OK;
}

const struct qr_sink *client_sink(struct client *c)
{
    static _Thread_local struct qr_sink sinks[8];
    static _Thread_local unsigned next;
    struct qr_sink *sink = &sinks[next++ % 8];
    *sink = (struct qr_sink){.ctx = c,
                             .columns = on_columns,
                             .row = on_row,
                             .done = on_done,
                             .message = on_message,
                             .return_status = on_return_status,
                             .return_value = on_return_value,
                             .env_change = on_env_change,
                             .cancelled = on_cancelled,
                             .block_begin = on_block_begin,
                             .block_end = on_block_end,
                             .flush = on_flush};
    qr_buf_clear(&c->out);
    return sink;
}

static void open_as(struct fixture *f, struct client *c, const struct qr_session_options *options)
{
    *c = (struct client){.store = qr_database_store(f->db)};
    qr_buf_init(&c->out, 64 << 20);
    struct qr_err err = {0};
    must(qr_session_new(f->db, options, &c->session, &err), &err);
}

void client_open(struct fixture *f, struct client *c)
{
    open_as(
        f, c,
        &(struct qr_session_options){.login = {"tester", 6}, .is_odbc = true, .is_admin = true});
}

struct qr_str client_sid(const char *login)
{
    return qr_str(login);
}

void client_open_login(struct fixture *f, struct client *c, const char *login)
{
    open_as(f, c,
            &(struct qr_session_options){
                .login = qr_str(login), .is_odbc = true, .sid = client_sid(login)});
}

void client_open_user(struct fixture *f, struct client *c, const char *user)
{
    open_as(
        f, c,
        &(struct qr_session_options){.login = qr_str(user), .is_odbc = true, .is_own_user = true});
}

int client_refused(struct fixture *f, const struct qr_session_options *options)
{
    struct qr_session *session = NULL;
    struct qr_err err = {0};
    if (qr_session_new(f->db, options, &session, &err) != QR_OK)
        return err.number;
    qr_session_free(session);
    return 0;
}

void client_close(struct client *c)
{
    qr_session_free(c->session);
    qr_buf_done(&c->out);
}

void settle(struct client *c)
{
    struct qr_err err = {0};
    struct qr_lsn lsn = {qr_session_answer_lsn(c->session)};
    must(qr_store_wait_durable(c->store, lsn, &err), &err);
}

const char *run(struct client *c, const char *sql)
{
    enum qr_status status = qr_session_batch(c->session, qr_str(sql), client_sink(c));
    if (status != QR_OK)
        qr_buf_printf(&c->out, "END %s\n", qr_status_info(status)->name);
    settle(c);
    return qr_buf_cstr(&c->out);
}

void expect(struct client *c, const char *sql, const char *want)
{
    const char *got = run(c, sql);
    if (strcmp(got, want) != 0)
        print_error("---- batch\n%s\n---- want\n%s---- got\n%s----\n", sql, want, got);
    assert_string_equal(got, want);
}

/* ---- tables of batches ---- */

void answer_as_written(const struct batch *batches, size_t count)
{
    struct fixture f;
    struct client c;
    fixture_open(&f);
    client_open(&f, &c);
    for (size_t i = 0; i < count; i++)
        expect(&c, batches[i].sql, batches[i].want);
    client_close(&c);
    fixture_close(&f);
}

static const struct batch *the_batches;
static size_t the_count;

static void test_each_batch_answers_as_written(void **state)
{
    (void)state;
    answer_as_written(the_batches, the_count);
}

int test_batches(const char *name, const struct batch *batches, size_t count)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_batch_answers_as_written),
    };
    the_batches = batches;
    the_count = count;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
