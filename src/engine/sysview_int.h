/* sysview_int.h - system views: SQLite virtual tables over the picture of the database and the
 * state of the server, and T-SQL views over those.
 *
 * A view is one row of a table (struct qri_sysview): its name, its columns as one line of text, and
 * either a function that makes its rows or the T-SQL it stands for. In the column text a column
 * "name type" takes an argument of qri_sysrow; "name type null" may be NULL; "name type =constant"
 * is the same in every row and takes none. */
#pragma once
#include "engine_int.h"

struct qri_sysrows;
typedef enum qr_status qri_sysview_fn(struct qri_sysrows *rows, struct qr_session *session);

struct qri_sysview {
    const char *schema; /* "sys", "INFORMATION_SCHEMA" */
    const char *name;
    const char *columns;
    qri_sysview_fn *rows; /* NULL: `text` */
    const char *text;     /* SELECT statement, in T-SQL; NULL too: a function of rows_builtin.c */
    bool in_master_only;
};

extern const struct qri_sysview qri_sysviews_object[];    /* sysview_object.c; ended by name NULL */
extern const struct qri_sysview qri_sysviews_table[];     /* sysview_table.c */
extern const struct qri_sysview qri_sysviews_type[];      /* sysview_type.c */
extern const struct qri_sysview qri_sysviews_principal[]; /* sysview_principal.c */
extern const struct qri_sysview qri_sysviews_server[];    /* sysview_server.c */
extern const struct qri_sysview qri_sysviews_session[];   /* sysview_session.c */
extern const struct qri_sysview qri_sysviews_lock[];      /* sysview_lock.c */
extern const struct qri_sysview qri_sysviews_storage[];   /* sysview_storage.c */
extern const struct qri_sysview qri_sysviews_replica[];   /* sysview_replica.c */
extern const struct qri_sysview qri_sysviews_control[];   /* sysview_control.c */
extern const struct qri_sysview qri_sysviews_geo[];       /* sysview_geo.c */
extern const struct qri_sysview qri_sysviews_autoscale[]; /* sysview_autoscale.c */
extern const struct qri_sysview qri_sysviews_text[];      /* sysview_text.c */
extern const struct qri_sysview qri_sysviews_stats[];     /* sysview_stats.c */
extern const struct qri_sysview qri_sysviews_events[];    /* sysview_events.c */
extern const struct qri_sysview qri_sysviews_governor[];  /* sysview_governor.c */
extern const struct qri_sysview qri_sysviews_memory[];    /* sysview_memory.c */
extern const struct qri_sysview qri_sysviews_resource[];  /* sysview_resource.c */
extern const struct qri_sysview qri_sysviews_wait[];      /* sysview_wait.c */
extern const struct qri_sysview qri_sysviews_qstore[];    /* sysview_qstore.c */
extern const struct qri_sysview qri_sysviews_usage[];     /* sysview_usage.c */
extern const struct qri_sysview qri_sysviews_space[];     /* sysview_space.c */
extern const struct qri_sysview qri_sysviews_os[];        /* sysview_os.c */
extern const struct qri_sysview qri_sysviews_used[];      /* sysview_used.c */
extern const struct qri_sysview qri_sysviews_version[];   /* sysview_version.c */
extern const struct qri_sysview qri_sysviews_counter[];   /* sysview_counter.c */
extern const struct qri_sysview qri_sysviews_temp[];      /* sysview_temp.c */
extern const struct qri_sysview qri_sysviews_scoped[];    /* scoped.c */
extern const struct qri_sysview qri_sysviews_derived[];   /* sysview_derived.c */
extern const struct qri_sysview qri_sysviews_absent[];    /* sysview_absent.c */
extern const struct qri_sysview qri_sysviews_schema[];    /* sysview_schema.c: INFORMATION_SCHEMA */

/* Adds a row. One argument for each column that has no constant, by its type:
 * bit, tinyint, smallint, int: int, QRI_SYS_NULL for NULL; bigint: int64_t, QRI_SYS_NULL_BIGINT for
 * NULL; float: double, NAN for NULL; datetime, datetime2: int64_t datetime2 ticks, 0 for NULL;
 * strings and binaries: struct qr_str, p NULL for NULL; decimal, sql_variant, datetimeoffset:
 * struct qr_value
 * *, an int or NULL cell. */
QR_NODISCARD enum qr_status qri_sysrow(struct qri_sysrows *rows, ...);
struct qr_arena *qri_sysrows_arena(struct qri_sysrows *rows); /* lives as long as the rows */

/* Rows that may be very many are made one by one, each of an item as it is read; what is kept of
 * them meanwhile is the items. Nothing is hidden from them by permission. */
struct qri_sysitems {
    void *items; /* the rows' from here on */
    size_t count, item_bytes;
    enum qr_status (*make)(struct qri_sysrows *rows, const void *item); /* by one qri_sysrow() */
    void (*done)(void *items, size_t count);                            /* frees them */
    size_t key_column; /* SIZE_MAX: none; of its equalities is known without making the row … */
    int64_t (*key)(const void *item); /* … what it has */
};
/* Instead of any qri_sysrow(). */
void qri_sysrows_of(struct qri_sysrows *rows, const struct qri_sysitems *items);
#define QRI_SYS_NULL ((int)0x80000000)
#define QRI_SYS_NULL_BIGINT INT64_MIN
static inline int qri_sys_null_if(bool is_null, int64_t value)
{
    return is_null ? QRI_SYS_NULL : (int)value;
}

/* The picture of the database that views show, and that of #tables (may be NULL). */
const struct qri_catalog *qri_sys_catalog(const struct qr_session *session);
/* SID of the server's administrator. */
struct qr_str qri_server_owner(const struct qr_session *session);

/* Views of the server are there in master alone; names with a '$' at the end are for our own texts.
 */
static inline bool qri_sys_is_here(const struct qr_session *session, const struct qr_cat_object *o)
{
    bool is_ours = o->is_ms_shipped && o->name.n > 0 && o->name.p[o->name.n - 1] == '$';
    return !is_ours && (!o->is_in_master_only || session->db->info.database_id == 1);
}

/* Counts the rows of a permanent table on the session's connection; 0 if that fails. */
int64_t qri_sys_row_count(struct qr_session *session, const struct qr_cat_object *table);

/* Registers all views on a connection. */
QR_NODISCARD enum qr_status qri_sysviews_register(struct qri_link *link, struct qr_err *err);
