/* script.h - lines of T-SQL to batches, as sqlcmd does: GO [n], commands that begin with ':',
 * variables
 * $(name), files read in the place of lines.
 *
 * Pure but for the files that `:r` names; one thread. Lines are a user's; a batch is bounded, and
 * so is how deep files name files. GO and commands count only where no string and no comment is
 * open. Errors: QR_INVALID and QR_NOT_FOUND with words; the script may be asked for more after one.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

enum { QRI_SCRIPT_FILES_MAX = 16, QRI_SCRIPT_BATCH_BYTES_MAX = 64 * 1024 * 1024 };

enum qri_script_event {
    QRI_SCRIPT_BATCH, /* batch, times */
    QRI_SCRIPT_QUIT,  /* quit, exit */
    QRI_SCRIPT_END,   /* no more lines; batch is what stands behind the last GO */
};

struct qri_script_variable;

/* The next line without its end, good until the next call; NULL: there is none. `line` counts those
 * of the batch, from 1. */
typedef const char *qri_script_line_fn(void *ctx, int line);

struct qri_script {
    struct qr_arena arena; /* variables */
    struct qri_script_variable *variables;
    qri_script_line_fn *next_line;
    void *ctx;
    FILE *out; /* of :list, :listvar, :help */
    FILE *files[QRI_SCRIPT_FILES_MAX];
    char *line; /* of files */
    size_t line_bytes;
    int file_count;
    struct qr_buf batch;
    uint32_t times;
    int line_number;
    char open; /* ' " ] or 0: what ends the string or name that is open */
    int comment_depth;
    bool stops_at_errors; /* :on error exit, -b */
    bool no_variables;    /* -x */
};

void qri_script_init(struct qri_script *script, qri_script_line_fn *next_line, void *ctx,
                     FILE *out);
void qri_script_done(struct qri_script *script);
QR_NODISCARD enum qr_status qri_script_set(struct qri_script *script, struct qr_str name,
                                           struct qr_str value, struct qr_err *err);
/* Lines of the file before all others. */
QR_NODISCARD enum qr_status qri_script_read_file(struct qri_script *script, const char *path,
                                                 struct qr_err *err);
/* What batch held before is gone. */
QR_NODISCARD enum qr_status qri_script_next(struct qri_script *script,
                                            enum qri_script_event *ret_event, struct qr_err *err);
