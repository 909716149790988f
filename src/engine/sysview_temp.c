/* sysview_temp.c - room that sessions and requests have in tempdb; see sysview_int.h
 *
 * That is what their temporary files take, as sys.dm_db_file_space_usage of tempdb and the limit
 * (40551) count it: rows of #tables, and what sorts and rowsets spill. What SQLite still
 * has in memory is in no file. A session's row tells of the requests that have ended, a task's of
 * the one that runs. */
#include "sysview_governor_int.h"
#include "sysview_lock_int.h"
#include "base/banned.h"

enum { PAGE_8K = 8192 };

static int64_t pages_of(uint64_t bytes)
{
    return (int64_t)((bytes + PAGE_8K - 1) / PAGE_8K);
}

struct room_pages {
    int64_t user_taken, user_freed, internal_taken, internal_freed;
};

static struct room_pages pages_of_room(const struct qri_temp_room *r)
{
    return (struct room_pages){
        pages_of(r->taken[QR_GOV_TEMP_USER]), pages_of(r->freed[QR_GOV_TEMP_USER]),
        pages_of(r->taken[QR_GOV_TEMP_INTERNAL]), pages_of(r->freed[QR_GOV_TEMP_INTERNAL])};
}

static enum qr_status session_row(struct qri_sysrows *rows, const struct qr_session *s,
                                  const struct qri_session_seen *seen)
{
    struct qri_temp_room room =
        seen->is_running ? seen->room_before : qri_temp_room_of(s->login.task);
    struct room_pages p = pages_of_room(&room);
    return qri_sysrow(rows, (int)s->id, p.user_taken, p.user_freed, p.internal_taken,
                      p.internal_freed);
}

static enum qr_status task_row(struct qri_sysrows *rows, const struct qr_session *s,
                               const struct qri_session_seen *seen)
{
    struct qri_temp_room room = qri_temp_room_of(s->login.task);
    if (!seen->is_running)
        return QR_OK;
    for (int i = 0; i < QR_GOV_TEMP_COUNT; i++) {
        room.taken[i] -= seen->room_before.taken[i];
        room.freed[i] -= seen->room_before.freed[i];
    }
    struct room_pages p = pages_of_room(&room);
    return qri_sysrow(rows, qri_task_address(rows, s->id), (int)s->id, p.user_taken, p.user_freed,
                      p.internal_taken, p.internal_freed);
}

/* Of a session that nobody governs nothing is counted: it has no row. */
static enum qr_status each(struct qri_sysrows *rows, struct qr_session *session,
                           enum qr_status (*row)(struct qri_sysrows *rows,
                                                 const struct qr_session *s,
                                                 const struct qri_session_seen *seen))
{
    struct qr_instance *instance = session->db->instance;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; status == QR_OK && s != NULL; s = s->next) {
        if (!qri_sys_shows_session(s, session) || s->login.task == NULL)
            continue;
        struct qri_session_seen seen = s == session ? qri_session_look(s) : qri_session_shown(s);
        status = row(rows, s, &seen);
    }
    pthread_mutex_unlock(&instance->mu);
    return status;
}

static enum qr_status session_space(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, session_row);
}

static enum qr_status task_space(struct qri_sysrows *rows, struct qr_session *session)
{
    return each(rows, session, task_row);
}

#define PAGES                                                                                      \
    "user_objects_alloc_page_count bigint, user_objects_dealloc_page_count bigint, "               \
    "internal_objects_alloc_page_count bigint, internal_objects_dealloc_page_count bigint"

const struct qri_sysview qri_sysviews_temp[] = {
    {"sys", "dm_db_session_space_usage",
     "session_id smallint, database_id smallint =2, " PAGES
     ", user_objects_deferred_dealloc_page_count bigint =0",
     session_space, NULL, false},
    {"sys", "dm_db_task_space_usage",
     "task_address varbinary(8), is_remote_task bit =0, session_id smallint, request_id int =0, "
     "exec_context_id int =0, database_id int =2, " PAGES,
     task_space, NULL, false},
    {0},
};
