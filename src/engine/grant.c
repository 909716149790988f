/* grant.c - see grant_int.h */
#include <stdio.h>
#include <string.h>
#include "btree.h"
#include "frame.h"
#include "governor/task.h"
#include "shape_int.h"
#include "base/banned.h"

enum {
    TABLE_BYTES = 2 << 20,      /* that SQLite keeps of a table it makes */
    LITTLE_BYTES = 2 << 20,     /* read and sorted without more than every statement may use */
    SORT_BYTES_MAX = 512 << 20, /* SQLite's own bound */
    ARENA_BYTES_MAX = 4 << 20,
};
/* What SQL Server charges for reading a page of 8 KiB in order, and for beginning at all. */
static const double PAGE_COST = 0.000740741, SCAN_COST = 0.003125;

/* ---- what a plan needs ---- */

struct qri_need qri_need_of(struct qr_str sql, size_t table_count)
{
    static const char *const words[] = {"ORDER BY", "GROUP BY", "DISTINCT",  "UNION",
                                        "EXCEPT",   "OVER",     "INTERSECT", "RECURSIVE"};
    struct qri_need need = {.state = table_count > 1 ? QRI_NEED_UNKNOWN : QRI_NEED_NOTHING};
    if (sql.n == 0) /* rows of VALUES are not staged */
        return need;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && need.state == QRI_NEED_NOTHING; i++)
        if (memmem(sql.p, sql.n, words[i], strlen(words[i])) != NULL)
            need.state = QRI_NEED_UNKNOWN;
    return need;
}

struct reading {
    struct qr_session *session;
    struct qr_str sql;
    struct qri_need *need;
    uint64_t bytes; /* of what is read as a whole */
};

static uint64_t bytes_of(struct qr_session *session, const struct qri_plan_line *l)
{
    char name[64];
    if (l->index == NULL || l->index->is_clustered || l->is_automatic)
        (void)snprintf(name, sizeof name, "t%u", l->table->object_id);
    else
        (void)snprintf(name, sizeof name, "i%u_%u", l->table->object_id, l->index->index_id);
    return qri_btree_leaves_about(session->link, name) * qr_store_page_bytes(session->db->store);
}

static enum qr_status take_line(void *ctx, const char *line)
{
    struct reading *r = ctx;
    struct qri_plan_line l;
    qri_plan_line_read(r->session, r->sql, line, &l);
    if (strstr(line, "TEMP B-TREE FOR") != NULL)
        *(strstr(line, "DISTINCT") != NULL ? &r->need->tables : &r->need->sorts) += 1;
    else if (l.is_automatic || strncmp(line, "MATERIALIZE", 11) == 0 ||
             strncmp(line, "UNION", 5) == 0 || strncmp(line, "EXCEPT", 6) == 0 ||
             strncmp(line, "INTERSECT", 9) == 0 || strncmp(line, "RECURSIVE", 9) == 0)
        r->need->tables += 1;
    bool whole = !l.seeks || l.is_automatic;
    if (whole && l.table != NULL && l.table->type == QR_CAT_TABLE)
        r->bytes += bytes_of(r->session, &l);
    return QR_OK;
}

static void think(struct qri_frame *frame, struct qri_need *need, struct qr_str sql)
{
    struct reading r = {.session = frame->session, .sql = sql, .need = need};
    struct qr_arena arena;
    qr_arena_init(&arena, ARENA_BYTES_MAX);
    need->sorts = need->tables = 0;
    enum qr_status status = qri_explain_lines(frame->session, sql, &arena, take_line, &r);
    qr_arena_done(&arena);
    need->ideal_bytes = r.bytes + (uint64_t)need->tables * TABLE_BYTES;
    need->cost = SCAN_COST + PAGE_COST * (double)(r.bytes / 8192);
    bool large = status == QR_OK && need->sorts + need->tables > 0 && r.bytes > LITTLE_BYTES;
    need->state = large ? QRI_NEED_GRANT : QRI_NEED_LITTLE;
}

void qri_grant_learn(const struct qr_session *session, struct qri_need *need)
{
    uint64_t now = session->link == NULL ? 0 : qr_conn_temp_written(session->link->conn);
    uint64_t written = now < need->written_before ? 0 : now - need->written_before;
    if (written < LITTLE_BYTES || need->sorts == 0)
        return;
    uint64_t granted = need->state == QRI_NEED_GRANT ? session->grant.granted_bytes : 0;
    if (granted > need->learned_granted && need->learned_written > 0 &&
        written > need->learned_written / 8 * 7)
        return; /* more memory did not help: it is no sort that writes */
    need->learned_granted = granted;
    need->learned_written = written;
    uint64_t wanted = granted > 0 ? granted + written : written + written / 4;
    if (wanted > need->ideal_bytes)
        need->ideal_bytes = wanted;
    if (need->state == QRI_NEED_LITTLE)
        need->cost += PAGE_COST * (double)(written / 8192);
    need->state = QRI_NEED_GRANT;
}

/* ---- the grant ---- */

static void set_cache(struct qri_link *link, int pages)
{
    char sql[48];
    (void)snprintf(sql, sizeof sql, "PRAGMA cache_size=%d", pages);
    (void)sqlite3_exec(link->db, sql, NULL, NULL, NULL); /* else it sorts in as much as before */
}

/* A sort takes as much as the cache may. */
static void grow(struct qri_link *link, const struct qri_need *need, uint64_t granted)
{
    uint64_t made = (uint64_t)need->tables * TABLE_BYTES;
    uint64_t each = need->sorts == 0 || granted <= made ? 0 : (granted - made) / need->sorts;
    uint32_t page_bytes = qr_store_page_bytes(link->database->store);
    each = each > SORT_BYTES_MAX ? SORT_BYTES_MAX : each;
    if (each / page_bytes <= QR_CONN_CACHE_PAGES)
        return;
    set_cache(link, (int)(each / page_bytes));
    link->has_grant = true;
}

void qri_grant_shrink(struct qri_link *link)
{
    if (!link->has_grant)
        return;
    set_cache(link, QR_CONN_CACHE_PAGES);
    link->has_grant = false;
}

enum qr_status qri_grant_ask(struct qri_frame *frame, const struct qri_need *need,
                             struct qr_err *err)
{
    struct qr_session *session = frame->session;
    if (session->grant_frame != NULL || session->login.task == NULL)
        return QR_OK;
    session->grant = (struct qr_gov_grant){
        .required_bytes = (uint64_t)(need->sorts + need->tables) * TABLE_BYTES,
        .ideal_bytes = need->ideal_bytes,
        .cost = need->cost,
        .session_id = session->id,
        .text_id = atomic_load_explicit(&session->running.text_id, memory_order_relaxed),
        .batch_id = atomic_load_explicit(&session->running.batch_id, memory_order_relaxed),
    };
    QR_TRY(qr_gov_grant_take(session->login.task, &session->grant, err));
    if (session->grant.granted_bytes == 0)
        return QR_OK;
    session->grant_frame = frame;
    atomic_store_explicit(&session->granted_bytes, session->grant.granted_bytes,
                          memory_order_relaxed);
    return QR_OK;
}

enum qr_status qri_grant_find(struct qri_frame *frame, struct qri_need *need, struct qr_str sql,
                              struct qr_err *err)
{
    struct qr_session *session = frame->session;
    struct qri_link *link = session->link;
    if (need->state == QRI_NEED_UNKNOWN)
        think(frame, need, sql);
    if (need->state == QRI_NEED_GRANT)
        QR_TRY(qri_grant_ask(frame, need, err));
    if (session->grant_frame == frame && !link->has_grant)
        grow(link, need, session->grant.granted_bytes);
    need->written_before = qr_conn_temp_written(link->conn);
    return QR_OK;
}

void qri_grant_give(struct qr_session *session)
{
    if (session->link != NULL)
        qri_grant_shrink(session->link);
    session->grant_frame = NULL;
    atomic_store_explicit(&session->granted_bytes, 0, memory_order_relaxed);
    qr_gov_grant_give(&session->grant);
}
