/* oplog.c - see oplog_int.h
 *
 * Bytes of an operation: length of all of it (8), statement (2), cells (2), then for each cell its
 * kind (1) and 8 bytes, or a length (8) and that many. They never leave the process: native order.
 */
#include "oplog_int.h"
#include <stdlib.h>
#include <string.h>
#include "store/tmp.h"
#include "base/banned.h"

enum {
    TAIL_BYTES_MAX = 1 << 20, /* beyond it the tail goes to the file */
    HEAD_BYTES = 12,
    STATEMENTS_MAX = UINT16_MAX,
    LONG_BYTES = 32 << 20, /* a few hundred thousand rows, a few tenths of a second */
    LONG_STATEMENTS = 1000,
};

struct statement {
    char *text;
    size_t n;
    uint64_t hash;
    uint32_t object_id; /* the table; 0: not known */
};

struct qri_oplog {
    struct qr_store *store;
    struct statement *statements;
    size_t statement_count, statement_capacity, statement_last;
    struct qr_buf tail;       /* what is not in the file */
    struct qr_tmp_file *file; /* NULL: none yet */
    uint64_t file_bytes, count;
    uint32_t played_id; /* the table of the operation that was played last */
    size_t op_at;       /* of the operation being added, in the tail */
    uint16_t op_cells;
};

enum qr_status qri_oplog_new(struct qr_store *store, struct qri_oplog **ret_log, struct qr_err *err)
{
    struct qri_oplog *log = calloc(1, sizeof *log);
    if (log == NULL)
        return qr_fail(err, QR_NOMEM, "transaction");
    log->store = store;
    qr_buf_init(&log->tail, SIZE_MAX / 4);
    *ret_log = log;
    return QR_OK;
}

void qri_oplog_free(struct qri_oplog *log)
{
    if (log == NULL)
        return;
    for (size_t i = 0; i < log->statement_count; i++)
        free(log->statements[i].text);
    free(log->statements);
    qr_buf_done(&log->tail);
    qr_tmp_file_free(log->file);
    free(log);
}

/* ---- adding ---- */

static bool is_statement(const struct statement *s, struct qri_sql sql)
{
    return s->hash == sql.hash && s->n == sql.text.n && memcmp(s->text, sql.text.p, s->n) == 0;
}

static enum qr_status find_statement(struct qri_oplog *log, uint32_t object_id, struct qri_sql sql,
                                     size_t *ret_index, struct qr_err *err)
{
    if (log->statement_last < log->statement_count &&
        is_statement(&log->statements[log->statement_last], sql)) {
        *ret_index = log->statement_last;
        return QR_OK;
    }
    for (size_t i = 0; i < log->statement_count; i++)
        if (is_statement(&log->statements[i], sql)) {
            *ret_index = log->statement_last = i;
            return QR_OK;
        }
    if (log->statement_count == STATEMENTS_MAX)
        return qr_fail(err, QR_TOO_BIG, "too many kinds of changes in one transaction");
    if (log->statement_count == log->statement_capacity) {
        size_t capacity = log->statement_capacity == 0 ? 8 : log->statement_capacity * 2;
        struct statement *grown = realloc(log->statements, capacity * sizeof *grown);
        if (grown == NULL)
            return qr_fail(err, QR_NOMEM, "transaction");
        log->statements = grown;
        log->statement_capacity = capacity;
    }
    char *text = malloc(sql.text.n + 1);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "transaction");
    memcpy(text, sql.text.p, sql.text.n);
    text[sql.text.n] = '\0';
    *ret_index = log->statement_last = log->statement_count++;
    log->statements[*ret_index] = (struct statement){text, sql.text.n, sql.hash, object_id};
    return QR_OK;
}

static enum qr_status spill(struct qri_oplog *log, struct qr_err *err)
{
    if (log->file == NULL)
        QR_TRY(qr_tmp_file_new(log->store, &log->file, err));
    enum qr_status status =
        qr_tmp_file_write(log->file, log->tail.data, log->tail.len, log->file_bytes, err);
    if (status == QR_SQL || status == QR_FULL)
        return qr_sql_fail(err, 40552); /* the transaction is too large, not what is in tempdb */
    QR_TRY(status);
    log->file_bytes += log->tail.len;
    qr_buf_clear(&log->tail);
    return QR_OK;
}

bool qri_oplog_changes(const struct qri_oplog *log, uint32_t object_id)
{
    for (size_t i = 0; log != NULL && i < log->statement_count; i++)
        if (log->statements[i].object_id == object_id || log->statements[i].object_id == 0)
            return true;
    return false;
}

enum qr_status qri_oplog_begin(struct qri_oplog *log, uint32_t object_id, struct qri_sql sql,
                               struct qr_err *err)
{
    size_t index = 0;
    QR_TRY(find_statement(log, object_id, sql, &index, err));
    if (log->tail.len > TAIL_BYTES_MAX)
        QR_TRY(spill(log, err));
    log->op_at = log->tail.len;
    log->op_cells = 0;
    uint8_t head[HEAD_BYTES] = {0};
    uint16_t statement = (uint16_t)index;
    memcpy(head + 8, &statement, 2);
    qr_buf_add(&log->tail, head, sizeof head);
    return QR_OK;
}

static void add_cell(struct qri_oplog *log, enum qr_cell kind, const void *bytes, size_t n)
{
    uint64_t length = n;
    size_t head = kind == QR_CELL_TEXT || kind == QR_CELL_BLOB ? 1 + sizeof length : 1;
    log->op_cells++;
    uint8_t *p = qr_buf_reserve(&log->tail, head + n);
    if (p == NULL)
        return;
    *p = (uint8_t)kind;
    if (head > 1)
        memcpy(p + 1, &length, sizeof length);
    memcpy(p + head, bytes, n);
    log->tail.len += head + n;
}

void qri_oplog_cell(struct qri_oplog *log, const struct qr_type *type, const struct qr_value *value)
{
    uint8_t scratch[16];
    struct qr_value v = qri_stored(type, value, scratch);
    switch (v.cell) {
    case QR_CELL_NULL:
    case QR_CELL_WIDE: /* has another stored form */
        add_cell(log, QR_CELL_NULL, "", 0);
        break;
    case QR_CELL_INT:
        add_cell(log, QR_CELL_INT, &v.i, sizeof v.i);
        break;
    case QR_CELL_REAL:
        add_cell(log, QR_CELL_REAL, &v.r, sizeof v.r);
        break;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        add_cell(log, v.cell, v.n == 0 ? "" : v.p, v.n);
        break;
    }
}

void qri_oplog_int(struct qri_oplog *log, int64_t value)
{
    add_cell(log, QR_CELL_INT, &value, sizeof value);
}

enum qr_status qri_oplog_end(struct qri_oplog *log, struct qr_err *err)
{
    QR_TRY(qr_buf_status(&log->tail, err));
    uint64_t length = log->tail.len - log->op_at;
    memcpy(log->tail.data + log->op_at, &length, sizeof length);
    memcpy(log->tail.data + log->op_at + 10, &log->op_cells, 2);
    log->count++;
    return QR_OK;
}

struct qri_oplog_mark qri_oplog_mark(const struct qri_oplog *log)
{
    if (log == NULL)
        return (struct qri_oplog_mark){0};
    return (struct qri_oplog_mark){log->file_bytes + log->tail.len, log->count};
}

bool qri_oplog_is_long(const struct qri_oplog *log)
{
    return log != NULL &&
           (qri_oplog_mark(log).bytes > LONG_BYTES || log->statement_count > LONG_STATEMENTS);
}

void qri_oplog_cut(struct qri_oplog *log, struct qri_oplog_mark mark)
{
    if (log == NULL)
        return;
    if (mark.bytes >= log->file_bytes) {
        log->tail.len = (size_t)(mark.bytes - log->file_bytes);
    } else {
        qr_buf_clear(&log->tail);
        log->file_bytes = mark.bytes; /* the file's space is used again, or goes with the log */
    }
    log->tail.failed = QR_OK;
    log->count = mark.count;
}

/* ---- playing ---- */

struct player {
    struct qri_oplog *log;
    struct qri_link *link;
    struct qri_stmt **stmts; /* by statement */
    qri_oplog_at_fn *at;
    void *ctx;
    uint64_t number; /* of the next operation */
    struct qr_err *err;
};

static enum qr_status bind_cell(sqlite3_stmt *stmt, int index, const uint8_t **at)
{
    enum qr_cell kind = (enum qr_cell) * (*at)++;
    int64_t number;
    double real;
    uint64_t n = 0;
    int rc = SQLITE_OK;
    switch (kind) {
    case QR_CELL_NULL:
    case QR_CELL_WIDE:
        rc = sqlite3_bind_null(stmt, index);
        break;
    case QR_CELL_INT:
        memcpy(&number, *at, sizeof number);
        rc = sqlite3_bind_int64(stmt, index, number);
        *at += sizeof number;
        break;
    case QR_CELL_REAL:
        memcpy(&real, *at, sizeof real);
        rc = sqlite3_bind_double(stmt, index, real);
        *at += sizeof real;
        break;
    case QR_CELL_TEXT:
    case QR_CELL_BLOB:
        memcpy(&n, *at, sizeof n);
        *at += sizeof n;
        rc = kind == QR_CELL_TEXT ? sqlite3_bind_text64(stmt, index, (const char *)*at, n,
                                                        SQLITE_STATIC, SQLITE_UTF8)
                                  : sqlite3_bind_blob64(stmt, index, *at, n, SQLITE_STATIC);
        *at += n;
        break;
    }
    return rc == SQLITE_OK ? QR_OK : QR_NOMEM;
}

static enum qr_status play_one(struct player *p, const uint8_t *op)
{
    uint16_t index, cells;
    memcpy(&index, op + 8, 2);
    memcpy(&cells, op + 10, 2);
    const struct statement *s = &p->log->statements[index];
    p->log->played_id = s->object_id;
    if (p->stmts[index] == NULL)
        QR_TRY(qri_stmt_take(p->link,
                             (struct qri_sql){.text = qr_str_n(s->text, s->n), .hash = s->hash},
                             &p->stmts[index], p->err));
    struct qri_stmt *stmt = p->stmts[index];
    const uint8_t *at = op + HEAD_BYTES;
    for (int i = 0; i < cells; i++)
        if (bind_cell(stmt->stmt, i + 1, &at) != QR_OK)
            return qr_fail(p->err, QR_NOMEM, "replay a transaction");
    bool row = false;
    enum qr_status status = qri_stmt_step(p->link, stmt, &row, p->err);
    sqlite3_reset(stmt->stmt);
    return status;
}

static enum qr_status play_bytes(struct player *p, const uint8_t *bytes, size_t n, size_t *ret_done)
{
    size_t at = 0;
    while (n - at >= HEAD_BYTES) {
        uint64_t length;
        memcpy(&length, bytes + at, sizeof length);
        if (length > n - at)
            break;
        if (p->at != NULL)
            QR_TRY(p->at(p->ctx, p->number, p->err));
        QR_TRY(play_one(p, bytes + at));
        p->number++;
        at += (size_t)length;
    }
    *ret_done = at;
    return QR_OK;
}

/* The window holds whole operations and the first part of one more. */
static enum qr_status play_file(struct player *p)
{
    struct qri_oplog *log = p->log;
    size_t capacity = TAIL_BYTES_MAX, have = 0;
    uint8_t *window = malloc(capacity);
    enum qr_status status = window == NULL ? qr_fail(p->err, QR_NOMEM, "replay") : QR_OK;
    for (uint64_t at = 0; status == QR_OK && (at < log->file_bytes || have > 0);) {
        uint64_t left = log->file_bytes - at;
        size_t want = left < capacity - have ? (size_t)left : capacity - have, got = 0;
        status = qr_tmp_file_read(log->file, window + have, want, at, &got, p->err);
        if (status == QR_OK && got < want)
            status = qr_fail(p->err, QR_IO, "a transaction's changes cannot be read again");
        at += got;
        have += got;
        size_t done = 0;
        if (status == QR_OK)
            status = play_bytes(p, window, have, &done);
        memmove(window, window + done, have - done);
        have -= done;
        if (status == QR_OK && done == 0) { /* one operation is larger than the window */
            uint8_t *grown = realloc(window, capacity * 2);
            if (grown == NULL)
                status = qr_fail(p->err, QR_NOMEM, "replay");
            else
                window = grown, capacity *= 2;
        }
    }
    free(window);
    return status;
}

static enum qr_status play_all(struct player *p)
{
    struct qri_oplog *log = p->log;
    p->stmts = calloc(log->statement_count, sizeof(struct qri_stmt *));
    if (p->stmts == NULL)
        return qr_fail(p->err, QR_NOMEM, "replay a transaction");
    enum qr_status status = log->file_bytes == 0 ? QR_OK : play_file(p);
    size_t done = 0;
    if (status == QR_OK)
        status = play_bytes(p, log->tail.data, log->tail.len, &done);
    for (size_t i = 0; i < log->statement_count; i++)
        qri_stmt_put(p->link, p->stmts[i]);
    free(p->stmts);
    return status;
}

enum qr_status qri_oplog_play(struct qri_oplog *log, struct qri_link *link, qri_oplog_at_fn *at,
                              void *ctx, struct qr_err *err)
{
    struct player p = {.log = log, .link = link, .at = at, .ctx = ctx, .err = err};
    if (log != NULL && log->count > 0)
        QR_TRY(play_all(&p));
    return at == NULL ? QR_OK : at(ctx, p.number, err);
}

uint32_t qri_oplog_played_id(const struct qri_oplog *log)
{
    return log == NULL ? 0 : log->played_id;
}
