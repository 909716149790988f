/* inspect_int.h - what the parts of the inspector share; README.md has the words. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/map.h"
#include "blob/blob.h"
#include "crypt/keyring.h"
#include "env/env.h"
#include "inspect/inspect.h"
#include "logsvc/inspect.h"
#include "page/record.h"
#include "page/timeline.h"
#include "pagesvc/inspect.h"

enum { QRI_PATH_MAX = 2048, QRI_WHERE_MAX = QRI_PATH_MAX + 128 };

/* --- out.c: rows as a table or as JSON --- */

struct qri_out {
    FILE *file;
    bool json;
    uint64_t row_count;
    /* The rows of the table that waits to be printed: cells, zero-terminated, all of one shape. */
    struct qr_buf cells;
    struct qr_buf columns; /* names, zero-terminated */
    char kind[24];
    size_t column_count, pending;
    /* The row being made. */
    struct qr_buf row, row_columns;
    char row_kind[24];
    size_t cell_count;
};
void qri_out_init(struct qri_out *out, FILE *file, bool json);
void qri_out_done(struct qri_out *out); /* prints what waits, closes the document */
void qri_row(struct qri_out *out, const char *kind);
void qri_cell_u64(struct qri_out *out, const char *name, uint64_t v);
void qri_cell_hex(struct qri_out *out, const char *name, uint64_t v);
void qri_cell_text(struct qri_out *out, const char *name, const char *text);
void qri_cell_bool(struct qri_out *out, const char *name, bool v);
void qri_cell_timeline(struct qri_out *out, const char *name, const struct qr_timeline *timeline);
void qri_cell_time(struct qri_out *out, const char *name, uint64_t wall_ns); /* 0: empty */
void qri_row_end(struct qri_out *out);

/* --- the run --- */

enum qri_task { QRI_INSPECT, QRI_VERIFY, QRI_DUMP };

/* What the journal says of a timeline, for what the blob store is compared with. */
struct qri_known {
    struct qr_timelines_row row;
    uint64_t objects_first, objects_end; /* of long-term log; 0: none */
    uint32_t store_no;                   /* of the blob store that has it; 0: none */
};

struct qri_run {
    struct qr_env *env;
    enum qri_task task;
    struct qri_out out;
    FILE *errors;
    bool has_timeline, bytes_wanted;
    struct qr_timeline timeline;
    uint64_t from_lsn, to_lsn;
    const char *credential;
    struct qr_server_key *server_key; /* NULL: none found */
    struct qr_blob *key_store;        /* opened for its keys alone; may be NULL */
    struct qr_keyring *keyring;       /* NULL: no keys of timelines */
    uint64_t damage_count, checked_count;
    bool failed, found;
    char where[QRI_WHERE_MAX]; /* what is being looked at */
    uint32_t store_no;         /* of the blob store that is looked at, from 1 */
    struct qr_map known;       /* timeline -> struct qri_known; filled from journals */
    struct qri_dump *dump;
};
/* A row of kind "damage" (verify), and the exit code. */
void qri_damage(struct qri_run *run, const char *part, const char *fmt, ...) QR_PRINTF(3, 4);
/* The status of reading something: damage is reported as such, another failure ends with
 * QR_INSPECT_FAILED. True if it was QR_OK. */
bool qri_take(struct qri_run *run, const char *part, enum qr_status status, struct qr_err *err);
void qri_where(struct qri_run *run, const char *fmt, ...) QR_PRINTF(2, 3);
bool qri_wanted(const struct qri_run *run, const struct qr_timeline *timeline);
bool qri_parse_timeline(const char *hex, size_t count, struct qr_timeline *ret_timeline);

/* --- keys.c --- */
/* Looks for the server key and the timelines' keys near `place` (NULL: a URL). */
void qri_keys_open(struct qri_run *run, const char *place, const char *server_key_file);
/* Keys are in this store, unless they were found already. */
void qri_keys_in(struct qri_run *run, struct qr_blob *blob);
void qri_keys_close(struct qri_run *run);

/* --- find.c: what a directory or a file is --- */
void qri_look_at_path(struct qri_run *run, const char *path);

/* --- cache.c --- */
void qri_look_at_cache(struct qri_run *run, const char *dir);

/* --- journal.c --- */
void qri_look_at_journal(struct qri_run *run, const char *dir);
void qri_look_at_landing(struct qri_run *run, struct qr_blob *blob, const char *url);
void qri_look_at_timelines(struct qri_run *run, const uint8_t *bytes, size_t count);
/* One alone, at run->where. */
void qri_look_at_journal_segment(struct qri_run *run, struct qr_file *file);

/* --- objects.c: long-term log and pages in a blob store --- */
void qri_look_at_blob(struct qri_run *run, struct qr_blob *blob, const char *url);
void qri_look_at_log_object(struct qri_run *run, const uint8_t *bytes, size_t count);
void qri_look_at_manifest(struct qri_run *run, const uint8_t *bytes, size_t count);
void qri_look_at_layer(struct qri_run *run, struct qr_file *file, const struct qr_layer_info *want);

/* --- roots.c: manifests that are not there --- */
enum { QRI_NAME_MAX = 1024 };
/* Of the slice that this object is a layer of; `last` is the folder that was told, at first "". */
void qri_look_for_manifest(struct qri_run *run, const char *url, const char *name,
                           const struct qr_map *by_name, char last[QRI_NAME_MAX]);
/* Of the first slice of every timeline that has had a primary and has its key or log in this
 * store; before the other. */
void qri_check_slices(struct qri_run *run, struct qr_blob *blob, const char *url,
                      const struct qr_map *by_name);
/* Of all chains of backups. */
void qri_look_at_backups(struct qri_run *run, struct qr_blob *blob, const char *url);

const char *qri_compression_name(uint8_t id);

/* A read-only file over an object; closing it does not close the store. NULL: no memory. */
struct qr_file *qri_object_file(struct qr_blob *blob, const char *name, uint64_t bytes);

/* --- store.c: a General Purpose database's directory --- */
void qri_look_at_store(struct qri_run *run, const char *dir);
void qri_look_at_data_file(struct qri_run *run, struct qr_file *file);
void qri_look_at_double_write(struct qri_run *run, struct qr_file *file);
void qri_look_at_log_segment(struct qri_run *run, struct qr_file *file);

/* --- dump.c: log as records --- */
struct qri_dump;
struct qri_dump *qri_dump_new(struct qri_run *run); /* NULL: no memory */
void qri_dump_free(struct qri_dump *dump);
/* Log in LSN order; what came already is skipped. `boundary`: an LSN within [lsn, lsn + bytes]
 * where a record begins, or 0. */
void qri_dump_log(struct qri_dump *dump, const struct qr_timeline *timeline, uint64_t epoch,
                  uint64_t lsn, const uint8_t *bytes, size_t count, uint64_t boundary);
