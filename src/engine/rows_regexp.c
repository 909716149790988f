/* rows_regexp.c - REGEXP_MATCHES and REGEXP_SPLIT_TO_TABLE: see rows_builtin_int.h */
#include "rows_builtin_int.h"
#include "expr/regexp.h"
#include "base/banned.h"

static enum qr_status poll(void *session, struct qr_err *err)
{
    return qri_check_cancelled(session, err);
}

/* False for no rows: an argument is NULL. */
static enum qr_status open_rows(struct qri_builtin *b, struct qr_regexp_rows *ret_rows,
                                bool *ret_open)
{
    enum { TEXT, PATTERN, FLAGS };
    struct qr_session *session = b->frame->session;
    const struct qr_regexp *regexp = NULL;
    struct qr_regexp_search search;
    unsigned flags = 0;
    bool has_flags = b->rows->arg_count > FLAGS;
    *ret_open = !qri_builtin_is_null(b, TEXT) && !qri_builtin_is_null(b, PATTERN) &&
                (!has_flags || !qri_builtin_is_null(b, FLAGS));
    if (!*ret_open)
        return QR_OK;
    if (has_flags)
        QR_TRY(qr_regexp_flags_read(qr_value_bytes(&b->args[FLAGS]), &flags, b->err));
    QR_TRY(qr_regexp_cached(&session->regexps, qr_value_bytes(&b->args[PATTERN]), flags, &regexp,
                            b->err));
    QR_TRY(qr_regexp_search(regexp, qr_value_bytes(&b->args[TEXT]), 0, qr_regexp_groups(regexp),
                            &b->arena, &search, b->err));
    search.poll = poll;
    search.poll_arg = session;
    qr_regexp_rows_open(&search, ret_rows);
    return QR_OK;
}

enum qr_status qri_rows_regexp_matches(struct qri_builtin *b)
{
    struct qr_regexp_rows rows;
    struct qr_regexp_match match;
    bool more = false;
    QR_TRY(open_rows(b, &rows, &more));
    while (more) {
        qr_arena_reset(&b->arena_row);
        QR_TRY(qr_regexp_rows_match(&rows, &b->arena_row, &more, &match, b->err));
        if (!more)
            break;
        struct qr_value row[5] = {qr_value_int(match.id), qr_value_int(match.start),
                                  qr_value_int(match.end), qr_value_str(match.value),
                                  qr_value_str(match.groups)};
        QR_TRY(qr_rowset_append(b->out, row, b->err));
    }
    return QR_OK;
}

enum qr_status qri_rows_regexp_split(struct qri_builtin *b)
{
    struct qr_regexp_rows rows;
    bool more = false;
    QR_TRY(open_rows(b, &rows, &more));
    while (more) {
        struct qr_str part;
        int64_t ordinal = 0;
        QR_TRY(qr_regexp_rows_part(&rows, &more, &part, &ordinal, b->err));
        if (!more)
            break;
        struct qr_value row[2] = {qr_value_str(part), qr_value_int(ordinal)};
        QR_TRY(qr_rowset_append(b->out, row, b->err));
    }
    return QR_OK;
}
