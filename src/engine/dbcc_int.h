/* dbcc_int.h - one DBCC statement while it runs. */
#pragma once
#include "frame.h"

struct qri_dbcc {
    struct qri_frame *frame;
    struct qr_session *session;
    const struct qr_ast_dbcc *stmt;
    struct qr_err *err;
    bool quiet; /* WITH NO_INFOMSGS */
    int problems;
    uint64_t rows; /* sent */
};

/* A word, string, number or variable as text; n = 0: absent or NULL. */
struct qr_str qri_dbcc_text(struct qri_dbcc *d, size_t index);
/* False: it is none. */
bool qri_dbcc_int(struct qri_dbcc *d, size_t index, int64_t *ret_value);

bool qri_dbcc_has(const struct qri_dbcc *d, const char *option); /* WITH option */

bool qri_dbcc_is_temp(const struct qr_cat_object *table);

/* dbcc_pages.c */
/* 8939, and one more of `problems`. */
enum qr_status qri_dbcc_problem(struct qri_dbcc *d, uint32_t object_id, const char *what);
/* What is stored of the table, or of all (NULL), within the statement's snapshot. */
enum qr_status qri_dbcc_check_pages(struct qri_dbcc *d, const struct qr_cat_object *table);

/* run_dbcc_session.c */
enum qr_status qri_dbcc_open_tran(struct qri_dbcc *d);
enum qr_status qri_dbcc_input_buffer(struct qri_dbcc *d);
/* run_shrink.c */
enum qr_status qri_dbcc_shrink_database(struct qri_dbcc *d);
enum qr_status qri_dbcc_shrink_file(struct qri_dbcc *d);
