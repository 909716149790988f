/* cursor_api.h - cursors by procedure (sp_cursoropen and its sisters), as drivers call them.
 *
 * Such a cursor is a global T-SQL cursor, declared and opened under a name of its own, that has a
 * handle; see cursor_int.h. All procedures run within a frame: their outputs are its variables. */
#pragma once
#include "cursor_int.h"
#include "sysproc.h"

enum qri_scrollopt {
    QRI_SCROLL_KEYSET = 1,
    QRI_SCROLL_DYNAMIC = 2,
    QRI_SCROLL_FORWARD_ONLY = 4,
    QRI_SCROLL_STATIC = 8,
    QRI_SCROLL_FAST_FORWARD = 0x10,
    QRI_SCROLL_KINDS = 0x1F,
    QRI_SCROLL_PARAMETERIZED = 0x1000,
    QRI_SCROLL_AUTO_FETCH = 0x2000,
    QRI_SCROLL_AUTO_CLOSE = 0x4000,
};
enum qri_ccopt {
    QRI_CC_READ_ONLY = 1,
    QRI_CC_SCROLL_LOCKS = 2,
    QRI_CC_OPTIMISTIC = 4,
    QRI_CC_OPTIMISTIC_VALUES = 8,
    QRI_CC_KINDS = 0xF,
};

qri_sysproc_fn qri_sp_cursor; /* cursor_api_change.c */
qri_sysproc_fn qri_sp_cursoropen, qri_sp_cursorprepare, qri_sp_cursorexecute, qri_sp_cursorprepexec,
    qri_sp_cursorunprepare;                                                 /* cursor_api_open.c */
qri_sysproc_fn qri_sp_cursorfetch, qri_sp_cursoroption, qri_sp_cursorclose; /* cursor_api.c */

/* ---- of the procedures among themselves ---- */

/* The integer at `index`; `missing` if there is none or it is NULL; 16902 if it is none. */
QR_NODISCARD enum qr_status qri_api_int(struct qr_session *session, const char *procedure,
                                        const char *name, const struct qri_call_arg *args,
                                        size_t count, size_t index, int32_t missing, int32_t *ret,
                                        struct qr_err *err);
/* 16902 if it is no text; empty for NULL or a missing one. */
QR_NODISCARD enum qr_status qri_api_text(const char *procedure, const char *name,
                                         const struct qri_call_arg *args, size_t count,
                                         size_t index, struct qr_str *ret, struct qr_err *err);
QR_NODISCARD enum qr_status qri_api_give(struct qr_session *session,
                                         const struct qri_call_arg *args, size_t count,
                                         size_t index, int32_t value, struct qr_err *err);
/* The cursor whose handle is the first argument: 16909. */
QR_NODISCARD enum qr_status qri_api_find(struct qr_session *session, const char *procedure,
                                         const struct qri_call_arg *args, size_t count,
                                         struct qri_cursor **ret_cursor, struct qr_err *err);
/* What the procedure returns: to an EXEC and to a client. */
void qri_api_return(struct qr_session *session, int32_t *ret_status, int32_t status);
/* Columns of the cursor with ROWSTAT, and the rows of its fetch buffer if so. */
QR_NODISCARD enum qr_status qri_api_send(struct qr_session *session, struct qri_cursor *cursor,
                                         bool with_rows, struct qr_err *err);
/* The next rows into the fetch buffer; closes a cursor at its end that wants it. */
void qri_api_next(struct qri_cursor *cursor, int64_t rows);
