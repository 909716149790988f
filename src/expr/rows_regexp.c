/* rows_regexp.c - see expr/regexp.h */
#include "expr/regexp.h"
#include "codec/utf.h"
#include "expr_int.h"
#include "base/banned.h"

void qr_regexp_rows_open(const struct qr_regexp_search *search, struct qr_regexp_rows *ret_rows)
{
    *ret_rows = (struct qr_regexp_rows){.search = *search};
}

/* How many characters are before a byte; cheap while bytes only grow. */
static int64_t characters(struct qr_regexp_rows *rows, size_t byte)
{
    if (byte < rows->counted_bytes)
        rows->counted_bytes = rows->counted = 0;
    for (; rows->counted_bytes < byte; rows->counted++)
        (void)qr_utf_next(rows->search.text, &rows->counted_bytes);
    return (int64_t)rows->counted;
}

/* Of all groups, or of the match where there are none. */
static void put_groups(struct qr_regexp_rows *rows, struct qr_buf *out)
{
    const struct qr_regexp_search *s = &rows->search;
    qr_buf_add8(out, '[');
    for (size_t i = s->slots > 2 ? 2 : 0; i < s->slots; i += 2) {
        qr_buf_addz(out, i > 2 ? "," : "");
        if (s->at[i] == QR_REGEXP_NONE) {
            qr_buf_addz(out, "{\"value\":null,\"start\":null,\"length\":null}");
            continue;
        }
        size_t begin = (size_t)s->at[i], end = (size_t)s->at[i + 1];
        qr_buf_addz(out, "{\"value\":");
        qri_json_put_string(out, qr_str_n(s->text.p + begin, end - begin));
        int64_t start = characters(rows, begin);
        int64_t length = characters(rows, end) - start;
        qr_buf_printf(out, ",\"start\":%lld,\"length\":%lld}", (long long)start + 1,
                      (long long)length);
    }
    qr_buf_add8(out, ']');
}

/* An empty match at the end of the text stands at its last character. */
static void set_positions(struct qr_regexp_rows *rows, struct qr_regexp_match *match)
{
    size_t begin = (size_t)rows->search.at[0], end = (size_t)rows->search.at[1];
    match->start = characters(rows, begin) + (begin < rows->search.text.n);
    match->end = end > begin ? characters(rows, end) : match->start;
}

enum qr_status qr_regexp_rows_match(struct qr_regexp_rows *rows, struct qr_arena *arena_row,
                                    bool *ret_more, struct qr_regexp_match *ret_match,
                                    struct qr_err *err)
{
    struct qr_regexp_search *s = &rows->search;
    QR_TRY(qr_regexp_next(s, ret_more, err));
    if (!*ret_more)
        return QR_OK;
    struct qr_buf out;
    qr_buf_init_counted(&out, QRI_JSON_BYTES_MAX);
    set_positions(rows, ret_match);
    put_groups(rows, &out);
    ret_match->id = ++rows->id;
    ret_match->value = qr_str_n(s->text.p + s->at[0], (size_t)(s->at[1] - s->at[0]));
    ret_match->groups = qr_arena_str(arena_row, qr_str_n((const char *)out.data, out.len));
    bool good = out.failed == QR_OK && ret_match->groups.p != NULL;
    qr_buf_done(&out);
    return good ? QR_OK : qri_expr_nomem(err);
}

enum qr_status qr_regexp_rows_part(struct qr_regexp_rows *rows, bool *ret_more,
                                   struct qr_str *ret_value, int64_t *ret_ordinal,
                                   struct qr_err *err)
{
    struct qr_regexp_search *s = &rows->search;
    *ret_more = !rows->done;
    if (rows->done)
        return QR_OK;
    size_t begin, end;
    do {
        bool found = false;
        QR_TRY(qr_regexp_next(s, &found, err));
        rows->done = !found;
        begin = found ? (size_t)s->at[0] : s->text.n;
        end = found ? (size_t)s->at[1] : s->text.n;
    } while (!rows->done && begin == end && (begin == rows->from || begin == s->text.n));
    *ret_value = qr_str_n(s->text.p + rows->from, begin - rows->from);
    *ret_ordinal = ++rows->id;
    rows->from = end;
    return QR_OK;
}
