/* sysview_stats.c - what the plan cache holds and what running it has cost; see sysview_int.h and
 * texts_int.h. What this engine never does (CLR, parallel plans, columnstores) is 0. */
#include "sysview_int.h"
#include "shape_int.h"
#include "texts_int.h"
#include "base/banned.h"

struct walk {
    struct qri_sysrows *rows;
    struct qr_session *session;
};

struct qr_str qri_hash_bytes(struct qr_arena *arena, uint64_t hash)
{
    uint8_t *bytes = qr_arena_array(arena, 8, 1);
    if (bytes == NULL || hash == 0)
        return (struct qr_str){NULL, 0};
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
    return qr_str_n((const char *)bytes, 8);
}

/* ---- sys.dm_exec_query_stats ---- */

#define FOUR(cost) (cost).total, (cost).last, (cost).min, (cost).max

static enum qr_status cost_row(const struct walk *w, const struct qri_text *text,
                               const struct qri_stmt_cost *c)
{
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    const struct qr_database *db = w->session->db;
    struct qri_cost cost[QRI_COST_KINDS];
    int64_t count = qri_stmt_costs(c, cost);
    int start = 0, end = 0;
    if (count == 0)
        return QR_OK;
    qri_text_offsets(text, c->begin, c->bytes, &start, &end);
    return qri_sysrow(w->rows, qri_sql_handle(arena, db, text->id, text->object_id), start, end,
                      c->generation, qri_plan_handle(arena, db, text->id), c->created_ticks,
                      c->last_ticks, count, FOUR(cost[QRI_COST_WORKER_US]),
                      FOUR(cost[QRI_COST_PHYSICAL_READS]), FOUR(cost[QRI_COST_LOGICAL_WRITES]),
                      FOUR(cost[QRI_COST_LOGICAL_READS]), FOUR(cost[QRI_COST_ELAPSED_US]),
                      qri_hash_bytes(arena, c->query_hash),
                      qri_hash_bytes(arena, qri_shape_plan_hash(c->shape)),
                      FOUR(cost[QRI_COST_ROWS]), count, FOUR(cost[QRI_COST_GRANT_KB]),
                      FOUR(cost[QRI_COST_USED_GRANT_KB]), FOUR(cost[QRI_COST_IDEAL_GRANT_KB]),
                      FOUR(cost[QRI_COST_SPILLED_PAGES]), FOUR(cost[QRI_COST_PAGE_SERVER_READS]));
}

static enum qr_status text_costs(void *ctx, struct qri_text *text)
{
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&text->mu);
    for (const struct qri_stmt_cost *c = text->costs; c != NULL && status == QR_OK; c = c->next)
        status = cost_row(ctx, text, c);
    pthread_mutex_unlock(&text->mu);
    return status;
}

static enum qr_status query_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {rows, session};
    qri_texts_hand_on(session->db->texts); /* the hash of a plan is known when it is explained */
    qri_shapes_settle(session);
    return qri_texts_each(session->db->texts, text_costs, &w);
}

/* Of a module, all its statements together. */
static enum qr_status module_row(const struct walk *w, struct qri_text *text, const char *type,
                                 const char *type_desc)
{
    struct qri_cost sums[QRI_COST_KINDS] = {0};
    int64_t created = 0, last = 0;
    pthread_mutex_lock(&text->mu);
    for (const struct qri_stmt_cost *c = text->costs; c != NULL; c = c->next) {
        struct qri_cost cost[QRI_COST_KINDS];
        (void)qri_stmt_costs(c, cost);
        for (int i = 0; i < QRI_COST_KINDS; i++) {
            sums[i].total += cost[i].total;
            sums[i].last += cost[i].last;
            sums[i].min += cost[i].min;
            sums[i].max += cost[i].max;
        }
        created = created == 0 || c->created_ticks < created ? c->created_ticks : created;
        last = c->last_ticks > last ? c->last_ticks : last;
    }
    pthread_mutex_unlock(&text->mu);
    if (last == 0)
        return QR_OK;
    struct qr_arena *arena = qri_sysrows_arena(w->rows);
    const struct qr_database *db = w->session->db;
    return qri_sysrow(w->rows, (int)db->info.database_id, (int)text->object_id, qr_str(type),
                      qr_str(type_desc), qri_sql_handle(arena, db, text->id, text->object_id),
                      qri_plan_handle(arena, db, text->id), created, last,
                      (int64_t)atomic_load_explicit(&text->use_count, memory_order_relaxed),
                      FOUR(sums[QRI_COST_WORKER_US]), FOUR(sums[QRI_COST_PHYSICAL_READS]),
                      FOUR(sums[QRI_COST_LOGICAL_WRITES]), FOUR(sums[QRI_COST_LOGICAL_READS]),
                      FOUR(sums[QRI_COST_ELAPSED_US]), FOUR(sums[QRI_COST_SPILLED_PAGES]),
                      FOUR(sums[QRI_COST_PAGE_SERVER_READS]));
}

static enum qr_status procedure_costs(void *ctx, struct qri_text *text)
{
    return text->kind == QRI_UNIT_PROC ? module_row(ctx, text, "P ", "SQL_STORED_PROCEDURE")
                                       : QR_OK;
}

static enum qr_status trigger_costs(void *ctx, struct qri_text *text)
{
    return text->kind == QRI_UNIT_TRIGGER ? module_row(ctx, text, "TR", "SQL_TRIGGER") : QR_OK;
}

static enum qr_status function_costs(void *ctx, struct qri_text *text)
{
    return text->kind == QRI_UNIT_SCALAR ? module_row(ctx, text, "FN", "SQL_SCALAR_FUNCTION")
                                         : QR_OK;
}

static enum qr_status procedure_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {rows, session};
    return qri_texts_each(session->db->texts, procedure_costs, &w);
}

static enum qr_status trigger_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {rows, session};
    return qri_texts_each(session->db->texts, trigger_costs, &w);
}

static enum qr_status function_stats(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {rows, session};
    return qri_texts_each(session->db->texts, function_costs, &w);
}

/* ---- sys.dm_exec_cached_plans ---- */

static enum qr_status plan_row(void *ctx, struct qri_text *text)
{
    static const char *const kinds[] = {[QRI_UNIT_BATCH] = "Adhoc",
                                        [QRI_UNIT_PROC] = "Proc",
                                        [QRI_UNIT_SCALAR] = "Proc",
                                        [QRI_UNIT_TABLE] = "Proc",
                                        [QRI_UNIT_TRIGGER] = "Trigger"};
    const struct walk *w = ctx;
    int64_t uses = atomic_load_explicit(&text->use_count, memory_order_relaxed);
    int64_t bytes = atomic_load_explicit(&text->unit_bytes, memory_order_relaxed);
    if (bytes == 0) /* it runs, and has not been put into the cache since that was cleared */
        return QR_OK;
    return qri_sysrow(w->rows, (int)(text->id % INT32_MAX), (int)text->refs + 1, (int)uses,
                      bytes > INT32_MAX ? INT32_MAX : (int)bytes,
                      qr_str(text->is_prepared ? "Prepared" : kinds[text->kind]),
                      qri_plan_handle(qri_sysrows_arena(w->rows), w->session->db, text->id));
}

static enum qr_status cached_plans(struct qri_sysrows *rows, struct qr_session *session)
{
    struct walk w = {rows, session};
    return qri_texts_each(session->db->texts, plan_row, &w);
}

#define FOUR_COLUMNS(name)                                                                         \
    "total_" name " bigint, last_" name " bigint, min_" name " bigint, max_" name " bigint, "
#define FOUR_ZEROS(name)                                                                           \
    "total_" name " bigint =0, last_" name " bigint =0, min_" name " bigint =0, max_" name         \
    " bigint =0, "
#define TEXT_COLUMNS "dbid smallint null, objectid int null, number smallint null, encrypted bit, "
#define MODULE_COLUMNS                                                                             \
    "database_id int, object_id int, type char(2) null, type_desc nvarchar(60) null, "             \
    "sql_handle varbinary(64), plan_handle varbinary(64), cached_time datetime null, "             \
    "last_execution_time datetime null, execution_count bigint, " FOUR_COLUMNS("worker_time")      \
        FOUR_COLUMNS("physical_reads") FOUR_COLUMNS("logical_writes")                              \
            FOUR_COLUMNS("logical_reads") FOUR_COLUMNS("elapsed_time") FOUR_COLUMNS(               \
                "spills") "total_page_server_reads bigint, last_page_server_reads bigint, "        \
                          "min_page_server_reads bigint, max_page_server_reads bigint"

const struct qri_sysview qri_sysviews_stats[] = {
    {"sys", "dm_exec_query_stats",
     "sql_handle varbinary(64), statement_start_offset int, statement_end_offset int, "
     "plan_generation_num bigint, plan_handle varbinary(64), creation_time datetime null, "
     "last_execution_time datetime null, execution_count bigint, "
     /* clang-format off */
     FOUR_COLUMNS("worker_time") FOUR_COLUMNS("physical_reads") FOUR_COLUMNS("logical_writes")
     FOUR_COLUMNS("logical_reads") FOUR_ZEROS("clr_time") FOUR_COLUMNS("elapsed_time")
     "query_hash binary(8) null, query_plan_hash binary(8) null, " FOUR_COLUMNS("rows")
     "statement_sql_handle varbinary(64) null =null, statement_context_id bigint null =null, "
     "total_dop bigint, last_dop bigint =1, min_dop bigint =1, max_dop bigint =1, "
     FOUR_COLUMNS("grant_kb") FOUR_COLUMNS("used_grant_kb") FOUR_COLUMNS("ideal_grant_kb")
     FOUR_ZEROS("reserved_threads") FOUR_ZEROS("used_threads")
     FOUR_ZEROS("columnstore_segment_reads") FOUR_ZEROS("columnstore_segment_skips")
     FOUR_COLUMNS("spills")
     /* clang-format on */
     "total_page_server_reads bigint, last_page_server_reads bigint, "
     "min_page_server_reads bigint, max_page_server_reads bigint",
     query_stats, NULL, false},
    {"sys", "dm_exec_procedure_stats", MODULE_COLUMNS, procedure_stats, NULL, false},
    {"sys", "dm_exec_trigger_stats", MODULE_COLUMNS, trigger_stats, NULL, false},
    {"sys", "dm_exec_function_stats", MODULE_COLUMNS, function_stats, NULL, false},
    {"sys", "dm_exec_cached_plans",
     "bucketid int, refcounts int, usecounts int, size_in_bytes int, memory_object_address "
     "varbinary(8) null =null, cacheobjtype nvarchar(50) ='Compiled Plan', objtype nvarchar(20), "
     "plan_handle varbinary(64), pool_id int =2, parent_plan_handle varbinary(64) null =null",
     cached_plans, NULL, false},
    {"sys", "dm_exec_sql_text", TEXT_COLUMNS "text nvarchar(max) null", NULL, NULL, false},
    {"sys", "dm_exec_query_plan", TEXT_COLUMNS "query_plan xml null", NULL, NULL, false},
    {"sys", "dm_exec_text_query_plan", TEXT_COLUMNS "query_plan nvarchar(max) null", NULL, NULL,
     false},
    {"sys", "dm_exec_input_buffer",
     "event_type nvarchar(256) null, parameters smallint null, event_info nvarchar(max) null", NULL,
     NULL, false},
    {0},
};
