/* sysview_session.c - sessions, their connections, requests and transactions; see sysview_int.h. */
#include "access_int.h"
#include "sysview_int.h"
#include "sysview_governor_int.h"
#include "sysview_lock_int.h"
#include "texts_int.h"
#include <stdlib.h>
#include "base/banned.h"

static struct qr_str text_or_null(struct qr_arena *arena, struct qr_str s)
{
    return s.n == 0 ? (struct qr_str){NULL, 0} : qr_arena_str(arena, s);
}

static struct qr_str dateformat_name(uint8_t format)
{
    static const char *const names[] = {[QR_MDY] = "mdy", [QR_DMY] = "dmy", [QR_YMD] = "ymd",
                                        [QR_YDM] = "ydm", [QR_MYD] = "myd", [QR_DYM] = "dym"};
    return qr_str(names[format]);
}

bool qri_sys_shows_session(const struct qr_session *s, const struct qr_session *asker)
{
    return s->db == asker->db ||
           (asker->db->info.database_id == 1 && s->db->info.server_id == asker->db->info.server_id);
}

static int ms_of_ticks(int64_t ticks)
{
    int64_t ms = ticks / 10000;
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static struct qr_str context_of(struct qr_arena *arena, const struct qri_session_seen *seen)
{
    struct qr_str none = {NULL, 0};
    return seen->context_info_bytes == 0
               ? none
               : qr_arena_str(
                     arena, qr_str_n((const char *)seen->context_info, sizeof seen->context_info));
}

/* What the session has used; of one that nobody governs nothing is known. */
struct used {
    int cpu_ms;
    int64_t reads, writes, logical_reads, page_server_reads;
    int group_id;
};

/* In large pieces, for its statements: governor/memory.h. */
static uint64_t held_by(const struct qr_session *s)
{
    const struct qr_gov_task *task = s->login.task;
    int64_t bytes =
        task == NULL ? 0 : atomic_load_explicit(&task->memory_bytes, memory_order_relaxed);
    return bytes < 0 ? 0 : (uint64_t)bytes;
}

static struct used used_by(const struct qr_session *s)
{
    enum { NS_PER_MS = 1000000 };
    const struct qr_gov_task *task = s->login.task;
    if (task == NULL)
        return (struct used){.group_id = 0};
    const struct qr_gov_usage *u = &task->usage;
    return (struct used){.cpu_ms = qri_sys_int(qri_sys_counted(&u->cpu_ns) / NS_PER_MS),
                         .reads = (int64_t)qri_sys_counted(&u->reads),
                         .writes = (int64_t)qri_sys_counted(&u->writes),
                         .logical_reads = (int64_t)qri_sys_counted(&u->logical_reads),
                         .page_server_reads = (int64_t)qri_sys_counted(&u->page_server_reads),
                         .group_id = (int)qr_gov_group_id(task->group)};
}

/* Whom the session executes as; NULL: its login, or a user of a database that is not the asker's.
 */
static const struct qri_principal *executes_as(const struct qr_session *s,
                                               const struct qri_session_seen *seen,
                                               const struct qr_session *asker)
{
    const struct qri_principal *p =
        seen->as_user == 0 || s->db != asker->db
            ? NULL
            : qri_principal_by_id(qri_sys_catalog(asker), seen->as_user);
    return p != NULL && p->type == 'S' ? p : NULL; /* an application role leaves him his login */
}

static enum qr_status session_row(struct qri_sysrows *rows, struct qr_session *s,
                                  const struct qr_session *asker)
{
    enum { PAGE_BYTES = 8192 };
    struct qr_arena *arena = qri_sysrows_arena(rows);
    struct qri_session_seen seen = s == asker ? qri_session_look(s) : qri_session_shown(s);
    const struct qri_principal *as = executes_as(s, &seen, asker);
    const struct qri_options *o = &seen.options;
    struct used used = used_by(s);
    int64_t now = qri_now_ticks(asker);
    int64_t scheduled = seen.scheduled_ticks + (seen.is_running ? now - seen.request_ticks : 0);
    return qri_sysrow(
        rows, (int)s->id, s->login_ticks, text_or_null(arena, s->login.host_name),
        text_or_null(arena, s->login.app_name), (int)s->login.client_pid,
        (int)s->login.client_interface_version, text_or_null(arena, s->login.client_library),
        text_or_null(arena, as == NULL ? s->login.sid : as->sid),
        as == NULL ? qr_arena_str(arena, s->login.login)
                   : qr_arena_str(arena, qri_login_of_user(arena, as)),
        qr_str(seen.is_running ? "running" : "sleeping"), context_of(arena, &seen), used.cpu_ms,
        (int)((seen.memory_bytes + held_by(s) + PAGE_BYTES - 1) / PAGE_BYTES),
        ms_of_ticks(scheduled), ms_of_ticks(now - s->login_ticks), seen.request_ticks,
        seen.ended_ticks, used.reads, used.writes, used.logical_reads, (int)o->textsize,
        qr_str(o->language), dateformat_name(o->dateformat), (int)o->datefirst,
        (int)o->quoted_identifier, (int)o->arithabort, (int)o->ansi_null_dflt_on,
        (int)(o->ansi_nulls && o->ansi_padding && o->ansi_warnings), (int)o->ansi_warnings,
        (int)o->ansi_padding, (int)o->ansi_nulls, (int)o->concat_null_yields_null,
        (int)o->isolation, (int)o->lock_timeout_ms, (int)o->deadlock_priority, seen.rowcount,
        (int)seen.error, text_or_null(arena, s->login.sid), qr_arena_str(arena, s->login.login),
        used.group_id, (int)s->db->info.database_id, (int)s->db->info.database_id,
        (int)seen.tran_count, used.page_server_reads);
}

static enum qr_status exec_sessions(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next)
        if (qri_sys_shows_session(s, session))
            status = session_row(rows, s, session);
    pthread_mutex_unlock(&instance->mu);
    return status;
}

static struct qr_str connection_id(struct qr_arena *arena, const struct qr_session *s)
{
    return qr_arena_str(arena, qr_str_n((const char *)s->connection_id, sizeof s->connection_id));
}

static enum qr_status exec_connections(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    struct qr_arena *arena = qri_sysrows_arena(rows);
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (!qri_sys_shows_session(s, session))
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        uint64_t batch_id = atomic_load_explicit(&s->running.batch_id, memory_order_relaxed);
        struct qri_text text;
        uint32_t object_id = batch_id != 0 && qri_text_find(s->db->texts, batch_id, arena, &text)
                                 ? text.object_id
                                 : 0;
        status =
            qri_sysrow(rows, (int)s->id, (int)s->id, s->login_ticks, (int)s->login.tds_version,
                       qr_str(s->login.is_encrypted ? "TRUE" : "FALSE"),
                       qri_sys_int(qri_sys_counted(&s->packets_read)),
                       qri_sys_int(qri_sys_counted(&s->packets_written)), seen.request_ticks,
                       seen.ended_ticks != 0 ? seen.ended_ticks : s->login_ticks,
                       (int)s->login.packet_bytes, text_or_null(arena, s->login.client_address),
                       qri_sys_null_if(s->login.client_port == 0, s->login.client_port),
                       text_or_null(arena, s->login.local_address),
                       qri_sys_null_if(s->login.local_port == 0, s->login.local_port),
                       connection_id(arena, s), qri_sql_handle(arena, s->db, batch_id, object_id));
    }
    pthread_mutex_unlock(&instance->mu);
    return status;
}

/* ---- requests ---- */

/* What the session's thread said last of its statement. */
struct running {
    uint64_t text_id;
    uint32_t object_id;
    int start, end; /* bytes of UTF-16; -1: to the end */
    const char *command;
    uint64_t query_hash, plan_hash; /* 0: it has not run before */
};

static void find_costs(struct qr_session *s, uint32_t begin, struct running *r)
{
    struct qri_found_cost found;
    if (!qri_text_cost(s->db->texts, r->text_id, begin, &found))
        return;
    r->query_hash = found.query_hash;
    r->plan_hash = found.plan_hash;
}

static struct running look_at_running(struct qr_arena *arena, struct qr_session *s)
{
    const struct qri_running *seen = &s->running;
    struct running r = {.text_id = atomic_load_explicit(&seen->text_id, memory_order_relaxed),
                        .object_id = atomic_load_explicit(&seen->object_id, memory_order_relaxed),
                        .end = -1};
    uint32_t begin = atomic_load_explicit(&seen->begin, memory_order_relaxed);
    uint32_t bytes = atomic_load_explicit(&seen->bytes, memory_order_relaxed);
    int kind = atomic_load_explicit(&seen->kind, memory_order_relaxed);
    struct qri_text text;
    r.command = qr_ast_stmt_command((enum qr_ast_stmt_kind)kind);
    if (r.text_id == 0)
        return r;
    if (qri_text_find(s->db->texts, r.text_id, arena, &text))
        qri_text_offsets(&text, begin, bytes, &r.start, &r.end);
    find_costs(s, begin, &r);
    return r;
}

struct waiting {
    struct qr_str type, last; /* type: NULL if it waits for nothing */
    int ms;
};

/* For a lock, or for what its task says. */
static struct waiting wait_of(struct qri_sysrows *rows, const struct qr_session *s,
                              const struct qri_lock_wait *wait)
{
    enum { NS_PER_MS = 1000000 };
    const struct qr_gov_task *task = s->login.task;
    if (wait != NULL)
        return (struct waiting){qri_lock_wait_type(rows, wait), qri_lock_wait_type(rows, wait),
                                (int)qri_lock_wait_ms(wait)};
    if (task == NULL)
        return (struct waiting){.last = qr_str("")};
    enum qr_wait type = (enum qr_wait)atomic_load_explicit(&task->wait_type, memory_order_relaxed);
    enum qr_wait last =
        (enum qr_wait)atomic_load_explicit(&task->last_wait_type, memory_order_relaxed);
    if (type == QR_WAIT_NONE)
        return (struct waiting){.last = qr_str(qr_wait_info(last)->name)};
    int64_t since = atomic_load_explicit(&task->wait_since_mono_ns, memory_order_relaxed);
    int64_t ns = qr_env_mono_ns(s->db->instance->options.env) - since;
    struct qr_str name = qr_str(qr_wait_info(type)->name);
    return (struct waiting){name, name, ns < 0 ? 0 : qri_sys_int((uint64_t)ns / NS_PER_MS)};
}

/* Who waits for CPU time could run. */
static const char *status_of(const struct qr_session *s, const struct waiting *w)
{
    const struct qr_gov_task *task = s->login.task;
    bool yields = task != NULL && atomic_load_explicit(&task->wait_type, memory_order_relaxed) ==
                                      QR_WAIT_SOS_SCHEDULER_YIELD;
    return w->type.p == NULL ? "running" : yields ? "runnable" : "suspended";
}

static enum qr_status request_row(struct qri_sysrows *rows, struct qr_session *s,
                                  const struct qri_session_seen *seen,
                                  const struct qri_lock_wait *wait, int schedulers)
{
    struct qr_arena *arena = qri_sysrows_arena(rows);
    const struct qri_options *o = &seen->options;
    int elapsed_ms = ms_of_ticks(qri_now_ticks(s) - seen->request_ticks);
    struct running r = look_at_running(arena, s);
    struct used used = used_by(s);
    struct waiting w = wait_of(rows, s, wait);
    return qri_sysrow(
        rows, (int)s->id, seen->request_ticks, qr_str(status_of(s, &w)), qr_str(r.command),
        qri_sql_handle(arena, s->db, r.text_id, r.object_id), r.start, r.end,
        qri_plan_handle(arena, s->db, r.text_id), (int)s->db->info.database_id,
        connection_id(arena, s), wait == NULL ? 0 : (int)wait->info.blocking_session_id, w.type,
        w.ms, w.last, wait == NULL ? qr_str("") : qri_lock_wait_resource(rows, wait),
        (int)seen->tran_count, (int64_t)seen->tran_id, context_of(arena, seen),
        (double)atomic_load(&s->percent_complete), used.cpu_ms - seen->cpu_ms_before, elapsed_ms,
        schedulers == 0 ? QRI_SYS_NULL : qri_sys_scheduler(s, schedulers),
        qri_task_address(rows, s->id), used.reads - seen->reads_before,
        used.writes - seen->writes_before, used.logical_reads - seen->logical_reads_before,
        (int)o->textsize, qr_str(o->language), dateformat_name(o->dateformat), (int)o->datefirst,
        (int)o->quoted_identifier, (int)o->arithabort, (int)o->ansi_null_dflt_on,
        (int)(o->ansi_nulls && o->ansi_padding && o->ansi_warnings), (int)o->ansi_warnings,
        (int)o->ansi_padding, (int)o->ansi_nulls, (int)o->concat_null_yields_null,
        (int)o->isolation, (int)o->lock_timeout_ms, (int)o->deadlock_priority, seen->rowcount,
        (int)seen->error, (int)seen->nest_level,
        (int)(atomic_load_explicit(&s->granted_bytes, memory_order_relaxed) / 8192), used.group_id,
        qri_hash_bytes(arena, r.query_hash), qri_hash_bytes(arena, r.plan_hash),
        used.page_server_reads - seen->page_server_reads_before);
}

static enum qr_status exec_requests(struct qri_sysrows *rows, struct qr_session *session)
{
    struct qr_instance *instance = session->db->instance;
    struct qri_lock_waits waits = {0};
    struct qri_governed governed;
    enum qr_status status = QR_OK;
    QR_TRY(qri_sys_governed(rows, session, &governed));
    int schedulers = qri_sys_hardware(session, &governed).schedulers;
    /* Below it only the mutexes of a lock manager and of a queue of writers, which call nobody. */
    pthread_mutex_lock(&instance->mu);
    for (struct qr_database *db = instance->databases; status == QR_OK && db != NULL; db = db->next)
        if (db->info.server_id == session->db->info.server_id)
            status = qri_lock_waits_add(&waits, db);
    qri_lock_waits_sort(&waits);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (!qri_sys_shows_session(s, session))
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        if (seen.is_running)
            status = request_row(rows, s, &seen, qri_lock_waits_find(&waits, s->id),
                                 s->db == session->db ? schedulers : 0);
    }
    pthread_mutex_unlock(&instance->mu);
    qri_lock_waits_done(&waits);
    return status;
}

/* ---- transactions ---- */

enum tran_view { ACTIVE, SESSION, DATABASE };

/* As the documentation numbers them: type 1 reads and writes, 2 only reads; state 2 is active;
 * of the database's part, 3 has logged nothing yet, 4 has. */
static enum qr_status tran_row(struct qri_sysrows *rows, const struct qr_session *s,
                               const struct qri_session_seen *seen, enum tran_view view)
{
    struct qr_arena *arena = qri_sysrows_arena(rows);
    int type = seen->tran_ops > 0 ? 1 : 2;
    uint8_t descriptor[8];
    for (int i = 0; i < 8; i++)
        descriptor[i] = (uint8_t)(seen->tran_id >> 8 * i);
    switch (view) {
    case ACTIVE:
        return qri_sysrow(rows, (int64_t)seen->tran_id,
                          qr_arena_str(arena, qr_str(seen->tran_name)), seen->tran_ticks, type);
    case SESSION:
        return qri_sysrow(rows, (int)s->id, (int64_t)seen->tran_id,
                          qr_arena_str(arena, qr_str_n((const char *)descriptor, 8)),
                          (int)seen->tran_count);
    case DATABASE:
        break;
    }
    return qri_sysrow(rows, (int64_t)seen->tran_id, (int)s->db->info.database_id,
                      seen->tran_ops > 0 ? seen->tran_ticks : 0, type, seen->tran_ops > 0 ? 4 : 3,
                      (int64_t)seen->tran_ops, (int64_t)seen->tran_bytes);
}

static enum qr_status each_tran(struct qri_sysrows *rows, struct qr_session *session,
                                enum tran_view view)
{
    struct qr_instance *instance = session->db->instance;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (!qri_sys_shows_session(s, session))
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        if (seen.tran_count > 0)
            status = tran_row(rows, s, &seen, view);
    }
    pthread_mutex_unlock(&instance->mu);
    return status;
}

static enum qr_status active_transactions(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_tran(rows, session, ACTIVE);
}

static enum qr_status session_transactions(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_tran(rows, session, SESSION);
}

static enum qr_status database_transactions(struct qri_sysrows *rows, struct qr_session *session)
{
    return each_tran(rows, session, DATABASE);
}

const struct qri_sysview qri_sysviews_session[] = {
    {"sys", "dm_exec_sessions",
     "session_id smallint, login_time datetime, host_name nvarchar(128) null, "
     "program_name nvarchar(128) null, host_process_id int null, client_version int null, "
     "client_interface_name nvarchar(32) null, security_id varbinary(85) null, "
     "login_name nvarchar(128), nt_domain nvarchar(128) null =null, "
     "nt_user_name nvarchar(128) null =null, status nvarchar(30), "
     "context_info varbinary(128) null, cpu_time int, "
     "memory_usage int, total_scheduled_time int, total_elapsed_time int, "
     "endpoint_id int =0, last_request_start_time datetime, last_request_end_time datetime null, "
     "reads bigint, writes bigint, logical_reads bigint, is_user_process bit =1, "
     "text_size int, language nvarchar(128) null, date_format nvarchar(3) null, "
     "date_first smallint, quoted_identifier bit, arithabort bit, ansi_null_dflt_on bit, "
     "ansi_defaults bit, ansi_warnings bit, ansi_padding bit, ansi_nulls bit, "
     "concat_null_yields_null bit, transaction_isolation_level smallint, lock_timeout int, "
     "deadlock_priority int, row_count bigint, prev_error int, "
     "original_security_id varbinary(85) null, original_login_name nvarchar(128), "
     "last_successful_logon datetime null =null, "
     "last_unsuccessful_logon datetime null =null, unsuccessful_logons bigint null =null, "
     "group_id int, database_id smallint, authenticating_database_id int null, "
     "open_transaction_count int, page_server_reads bigint",
     exec_sessions, NULL, false},
    {"sys", "dm_exec_connections",
     "session_id int null, most_recent_session_id int null, connect_time datetime, "
     "net_transport nvarchar(40) ='TCP', protocol_type nvarchar(40) null ='TSQL', "
     "protocol_version int null, endpoint_id int null =0, encrypt_option nvarchar(40), "
     "auth_scheme nvarchar(40) ='SQL', node_affinity smallint =0, num_reads int null, "
     "num_writes int null, last_read datetime null, last_write datetime null, "
     "net_packet_size int null, client_net_address varchar(48) null, "
     "client_tcp_port int null, local_net_address varchar(48) null, "
     "local_tcp_port int null, connection_id uniqueidentifier, "
     "parent_connection_id uniqueidentifier null =null, most_recent_sql_handle varbinary(64) null",
     exec_connections, NULL, false},
    {"sys", "dm_exec_requests",
     "session_id smallint, request_id int =0, start_time datetime, status nvarchar(30), "
     "command nvarchar(32), sql_handle varbinary(64) null, "
     "statement_start_offset int null, statement_end_offset int null, "
     "plan_handle varbinary(64) null, database_id smallint, user_id int =1, "
     "connection_id uniqueidentifier null, blocking_session_id smallint null, "
     "wait_type nvarchar(60) null, wait_time int, last_wait_type nvarchar(60), "
     "wait_resource nvarchar(256), open_transaction_count int, open_resultset_count int =1, "
     "transaction_id bigint, context_info varbinary(128) null, percent_complete real, "
     "estimated_completion_time bigint =0, cpu_time int, total_elapsed_time int, "
     "scheduler_id int null, task_address varbinary(8) null, reads bigint, "
     "writes bigint, logical_reads bigint, text_size int, language nvarchar(128) null, "
     "date_format nvarchar(3) null, date_first smallint, quoted_identifier bit, arithabort bit, "
     "ansi_null_dflt_on bit, ansi_defaults bit, ansi_warnings bit, ansi_padding bit, "
     "ansi_nulls bit, concat_null_yields_null bit, transaction_isolation_level smallint, "
     "lock_timeout int, deadlock_priority int, row_count bigint, prev_error int, nest_level int, "
     "granted_query_memory int, executing_managed_code bit =0, group_id int, "
     "query_hash binary(8) null, query_plan_hash binary(8) null, "
     "statement_sql_handle varbinary(64) null =null, statement_context_id bigint null =null, "
     "dop int =1, parallel_worker_count int null =null, "
     "external_script_request_id uniqueidentifier null =null, is_resumable bit =0, "
     "page_resource binary(8) null =null, page_server_reads bigint",
     exec_requests, NULL, false},
    {"sys", "dm_tran_active_transactions",
     "transaction_id bigint, name nvarchar(32), transaction_begin_time datetime, "
     "transaction_type int, transaction_uow uniqueidentifier null =null, transaction_state int =2, "
     "transaction_status int =0, transaction_status2 int =0, dtc_state int =0, dtc_status int =0, "
     "dtc_isolation_level int =-1, filestream_transaction_id varbinary(128) null =null",
     active_transactions, NULL, false},
    {"sys", "dm_tran_session_transactions",
     "session_id int, transaction_id bigint, transaction_descriptor binary(8), "
     "enlist_count int =0, is_user_transaction bit =1, is_local bit =1, is_enlisted bit =0, "
     "is_bound bit =0, open_transaction_count int",
     session_transactions, NULL, false},
    {"sys", "dm_tran_database_transactions",
     "transaction_id bigint, database_id int, database_transaction_begin_time datetime null, "
     "database_transaction_type int, database_transaction_state int, "
     "database_transaction_status int =0, database_transaction_status2 int =0, "
     "database_transaction_log_record_count bigint, "
     "database_transaction_replicate_record_count int =0, "
     "database_transaction_log_bytes_used bigint, "
     "database_transaction_log_bytes_reserved bigint =0, "
     "database_transaction_log_bytes_used_system int =0, "
     "database_transaction_log_bytes_reserved_system int =0, "
     "database_transaction_begin_lsn numeric(25,0) null =null, "
     "database_transaction_last_lsn numeric(25,0) null =null, "
     "database_transaction_most_recent_savepoint_lsn numeric(25,0) null =null, "
     "database_transaction_commit_lsn numeric(25,0) null =null, "
     "database_transaction_last_rollback_lsn numeric(25,0) null =null, "
     "database_transaction_next_undo_lsn numeric(25,0) null =null",
     database_transactions, NULL, false},
    {0},
};
