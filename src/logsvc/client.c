/* client.c - see logsvc/client.h */
#include "logsvc/client.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    STATE_BYTES = 8 * 8 + QR_TIMELINE_BYTES,
    CHANGE_BYTES = 8 + 2 * QR_TIMELINE_BYTES + 7 * 8,
    ASK_BYTES = QR_TIMELINE_BYTES + 6 * 8,
    APPEND_ANSWER_BYTES = 40,
    FEED_HEADER_BYTES = 24,
    READER_WORDS = 6
};

static enum qr_status broken(struct qr_err *err, const char *what)
{
    return qr_fail(err, QR_PROTOCOL, "log service: %s breaks its format", what);
}

static void add_words(struct qr_buf *buf, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        qr_buf_add64le(buf, words[i]);
}

static void get_words(const uint8_t *p, uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        words[i] = qr_get64le(p + 8 * i);
}

static bool status_get(uint16_t number, enum qr_status *ret_status)
{
    if (number >= QR_STATUS_COUNT || number == QR_SQL)
        return false;
    *ret_status = (enum qr_status)number;
    return true;
}

/* The text of a refusal stays on the other side. */
static const char *why_of(enum qr_status status)
{
    return status == QR_OK ? NULL : qr_status_info(status)->meaning;
}

/* --- states --- */

void qr_logsvc_state_put(struct qr_buf *buf, const struct qr_logsvc_state *s)
{
    const uint64_t words[8] = {s->epoch,        s->hardened_lsn, s->commit_lsn, s->commit_wall_ns,
                               s->destaged_lsn, s->trimmed_lsn,  s->start_lsn,  s->branch_lsn};
    add_words(buf, words, 8);
    qr_buf_add(buf, s->parent.id, QR_TIMELINE_BYTES);
}

enum qr_status qr_logsvc_state_get(const uint8_t *bytes, size_t count,
                                   struct qr_logsvc_state *ret_state, size_t *ret_bytes,
                                   struct qr_err *err)
{
    if (count < STATE_BYTES)
        return broken(err, "a state");
    uint64_t w[8];
    get_words(bytes, w, 8);
    *ret_state = (struct qr_logsvc_state){.epoch = w[0],
                                          .hardened_lsn = w[1],
                                          .commit_lsn = w[2],
                                          .commit_wall_ns = w[3],
                                          .destaged_lsn = w[4],
                                          .trimmed_lsn = w[5],
                                          .start_lsn = w[6],
                                          .branch_lsn = w[7]};
    memcpy(ret_state->parent.id, bytes + 64, QR_TIMELINE_BYTES);
    *ret_bytes = STATE_BYTES;
    return QR_OK;
}

/* --- changes --- */

void qr_logsvc_change_put(struct qr_buf *buf, const struct qr_logsvc_change *c)
{
    qr_buf_add8(buf, (uint8_t)c->kind);
    qr_buf_add8(buf, c->force ? 1 : 0);
    qr_buf_fill(buf, 0, 6);
    qr_buf_add(buf, c->timeline.id, QR_TIMELINE_BYTES);
    qr_buf_add(buf, c->parent.id, QR_TIMELINE_BYTES);
    const uint64_t words[7] = {c->branch_lsn, c->start_lsn, c->commit_lsn, c->commit_wall_ns,
                               c->epoch,      c->holder,    c->lsn};
    add_words(buf, words, 7);
}

enum qr_status qr_logsvc_change_get(const uint8_t *bytes, size_t count,
                                    struct qr_logsvc_change *ret_change, struct qr_err *err)
{
    if (count != CHANGE_BYTES || bytes[0] < QR_LOGSVC_FENCE || bytes[0] > QR_LOGSVC_TRIM ||
        bytes[1] > 1)
        return broken(err, "a change");
    uint64_t w[7];
    get_words(bytes + 8 + 2 * QR_TIMELINE_BYTES, w, 7);
    struct qr_logsvc_change c = {.kind = (enum qr_logsvc_change_kind)bytes[0],
                                 .force = bytes[1] == 1,
                                 .branch_lsn = w[0],
                                 .start_lsn = w[1],
                                 .commit_lsn = w[2],
                                 .commit_wall_ns = w[3],
                                 .epoch = w[4],
                                 .holder = w[5],
                                 .lsn = w[6]};
    memcpy(c.timeline.id, bytes + 8, QR_TIMELINE_BYTES);
    memcpy(c.parent.id, bytes + 8 + QR_TIMELINE_BYTES, QR_TIMELINE_BYTES);
    *ret_change = c;
    return QR_OK;
}

void qr_logsvc_change_answer_put(struct qr_buf *buf, const struct qr_logsvc_change *c)
{
    qr_buf_add16le(buf, (uint16_t)c->status);
    qr_buf_fill(buf, 0, 6);
    qr_buf_add64le(buf, (uint64_t)c->wait_ns);
    qr_logsvc_state_put(buf, &c->state);
}

enum qr_status qr_logsvc_change_answer_get(const uint8_t *bytes, size_t count,
                                           struct qr_logsvc_change *change, struct qr_err *err)
{
    size_t used = 0;
    enum qr_status status;
    if (count != 16 + STATE_BYTES || !status_get(qr_get16le(bytes), &status))
        return broken(err, "the answer to a change");
    QR_TRY(qr_logsvc_state_get(bytes + 16, count - 16, &change->state, &used, err));
    change->status = status;
    change->why = why_of(status);
    change->wait_ns = (int64_t)qr_get64le(bytes + 8);
    return QR_OK;
}

/* --- appends --- */

void qr_logsvc_append_put(uint8_t dst[QR_LOGSVC_APPEND_HEADER_BYTES],
                          const struct qr_logsvc_append *a)
{
    memset(dst, 0, QR_LOGSVC_APPEND_HEADER_BYTES);
    memcpy(dst, a->timeline.id, QR_TIMELINE_BYTES);
    qr_put64le(dst + 16, a->epoch);
    qr_put64le(dst + 24, a->first_lsn);
    qr_put64le(dst + 32, a->commit_lsn);
    qr_put64le(dst + 40, a->commit_wall_ns);
    qr_put32le(dst + 48, a->byte_count);
    dst[52] = a->new_epoch ? 1 : 0;
}

enum qr_status qr_logsvc_append_get(const uint8_t *bytes, size_t count,
                                    struct qr_logsvc_append *ret_append, struct qr_err *err)
{
    if (count < QR_LOGSVC_APPEND_HEADER_BYTES || bytes[52] > 1 ||
        qr_get32le(bytes + 48) != count - QR_LOGSVC_APPEND_HEADER_BYTES)
        return broken(err, "an append");
    struct qr_logsvc_append a = {.epoch = qr_get64le(bytes + 16),
                                 .first_lsn = qr_get64le(bytes + 24),
                                 .commit_lsn = qr_get64le(bytes + 32),
                                 .commit_wall_ns = qr_get64le(bytes + 40),
                                 .byte_count = qr_get32le(bytes + 48),
                                 .new_epoch = bytes[52] == 1,
                                 .bytes = bytes + QR_LOGSVC_APPEND_HEADER_BYTES};
    memcpy(a.timeline.id, bytes, QR_TIMELINE_BYTES);
    *ret_append = a;
    return QR_OK;
}

void qr_logsvc_append_answer_put(struct qr_buf *buf, const struct qr_logsvc_append *a)
{
    qr_buf_add16le(buf, (uint16_t)a->status);
    qr_buf_add16le(buf, (uint16_t)a->throttle.reason);
    qr_buf_add32le(buf, a->throttle.delay_us);
    const uint64_t words[4] = {a->end_lsn, a->hardened_lsn, a->visible_lsn, 0};
    add_words(buf, words, 4);
}

enum qr_status qr_logsvc_append_answer_get(const uint8_t *bytes, size_t count,
                                           struct qr_logsvc_append *append, struct qr_err *err)
{
    enum qr_status status;
    if (count != APPEND_ANSWER_BYTES || !status_get(qr_get16le(bytes), &status) ||
        qr_get16le(bytes + 2) > QR_THROTTLE_STORAGE)
        return broken(err, "the answer to an append");
    append->status = status;
    append->why = why_of(status);
    append->throttle.reason = (enum qr_logsvc_reason)qr_get16le(bytes + 2);
    append->throttle.delay_us = qr_get32le(bytes + 4);
    append->end_lsn = qr_get64le(bytes + 8);
    append->hardened_lsn = qr_get64le(bytes + 16);
    append->visible_lsn = qr_get64le(bytes + 24);
    return QR_OK;
}

/* --- the others --- */

void qr_logsvc_ask_put(struct qr_buf *buf, const struct qr_logsvc_ask *ask)
{
    qr_buf_add(buf, ask->timeline.id, QR_TIMELINE_BYTES);
    const uint64_t words[6] = {ask->epoch,     (uint64_t)ask->ttl_ns, ask->from_lsn,
                               ask->bytes_max, ask->reader_id,        ask->wall_ns};
    add_words(buf, words, 6);
}

enum qr_status qr_logsvc_ask_get(const uint8_t *bytes, size_t count, struct qr_logsvc_ask *ret_ask,
                                 struct qr_err *err)
{
    if (count != ASK_BYTES)
        return broken(err, "a request");
    uint64_t w[6];
    get_words(bytes + QR_TIMELINE_BYTES, w, 6);
    *ret_ask = (struct qr_logsvc_ask){.epoch = w[0],
                                      .ttl_ns = (int64_t)w[1],
                                      .from_lsn = w[2],
                                      .bytes_max = w[3],
                                      .reader_id = w[4],
                                      .wall_ns = w[5]};
    memcpy(ret_ask->timeline.id, bytes, QR_TIMELINE_BYTES);
    return QR_OK;
}

void qr_logsvc_found_put(struct qr_buf *buf, uint64_t commit_lsn, uint64_t commit_wall_ns)
{
    qr_buf_add64le(buf, commit_lsn);
    qr_buf_add64le(buf, commit_wall_ns);
}

enum qr_status qr_logsvc_found_get(const uint8_t *bytes, size_t count, uint64_t *ret_commit_lsn,
                                   uint64_t *ret_commit_wall_ns, struct qr_err *err)
{
    if (count != 16)
        return broken(err, "the answer to a search");
    *ret_commit_lsn = qr_get64le(bytes);
    *ret_commit_wall_ns = qr_get64le(bytes + 8);
    return QR_OK;
}

void qr_logsvc_readers_put(struct qr_buf *buf, const struct qr_logsvc_readers *readers)
{
    qr_buf_add64le(buf, readers->commit_lsn);
    qr_buf_add64le(buf, readers->commit_wall_ns);
    for (size_t i = 0; i < readers->count; i++) {
        const struct qr_logsvc_reader_info *r = &readers->items[i];
        const uint64_t words[READER_WORDS] = {
            r->id,        r->applied_lsn,         r->kind,
            r->lag_bytes, (uint64_t)r->silent_ns, (uint64_t)r->behind_ns};
        add_words(buf, words, READER_WORDS);
    }
}

enum qr_status qr_logsvc_readers_get(const uint8_t *bytes, size_t count,
                                     struct qr_logsvc_readers *ret_readers, struct qr_err *err)
{
    const size_t row_bytes = READER_WORDS * sizeof(uint64_t), head_bytes = 2 * sizeof(uint64_t);
    if (count < head_bytes || (count - head_bytes) % row_bytes != 0 ||
        (count - head_bytes) / row_bytes > QR_LOGSVC_READERS_MAX)
        return broken(err, "the list of readers");
    struct qr_logsvc_readers readers = {.commit_lsn = qr_get64le(bytes),
                                        .commit_wall_ns = qr_get64le(bytes + 8),
                                        .count = (count - head_bytes) / row_bytes};
    for (size_t i = 0; i < readers.count; i++) {
        uint64_t w[READER_WORDS];
        get_words(bytes + head_bytes + i * row_bytes, w, READER_WORDS);
        if (w[2] > QR_READER_GEO || w[4] > INT64_MAX || w[5] > INT64_MAX)
            return broken(err, "a reader");
        readers.items[i] = (struct qr_logsvc_reader_info){.id = w[0],
                                                          .applied_lsn = w[1],
                                                          .kind = (enum qr_logsvc_reader)w[2],
                                                          .lag_bytes = w[3],
                                                          .silent_ns = (int64_t)w[4],
                                                          .behind_ns = (int64_t)w[5]};
    }
    *ret_readers = readers;
    return QR_OK;
}

/* --- feeds --- */

void qr_logsvc_feed_put(struct qr_buf *buf, const struct qr_logsvc_cursor *cursors,
                        uint32_t cursor_count, uint64_t bytes_max, int64_t wait_ns)
{
    qr_buf_add64le(buf, bytes_max);
    qr_buf_add64le(buf, (uint64_t)wait_ns);
    qr_buf_add32le(buf, cursor_count);
    qr_buf_add32le(buf, 0);
    for (uint32_t i = 0; i < cursor_count; i++) {
        const struct qr_logsvc_cursor *c = &cursors[i];
        qr_buf_add(buf, c->timeline.id, QR_TIMELINE_BYTES);
        const uint64_t words[6] = {c->from_lsn,    c->reader_id,        c->applied_lsn,
                                   c->known_epoch, c->known_commit_lsn, (uint64_t)c->kind};
        add_words(buf, words, 6);
    }
}

static bool get_cursor(const uint8_t *p, struct qr_logsvc_cursor *ret_cursor)
{
    uint64_t w[6];
    get_words(p + QR_TIMELINE_BYTES, w, 6);
    *ret_cursor = (struct qr_logsvc_cursor){.from_lsn = w[0],
                                            .reader_id = w[1],
                                            .applied_lsn = w[2],
                                            .known_epoch = w[3],
                                            .known_commit_lsn = w[4],
                                            .kind = (enum qr_logsvc_reader)w[5]};
    memcpy(ret_cursor->timeline.id, p, QR_TIMELINE_BYTES);
    return w[5] < QR_LOGSVC_READER_KINDS;
}

enum qr_status qr_logsvc_feed_get(const uint8_t *bytes, size_t count,
                                  struct qr_logsvc_cursor **ret_cursors, uint32_t *ret_cursor_count,
                                  uint64_t *ret_bytes_max, int64_t *ret_wait_ns, struct qr_err *err)
{
    if (count < FEED_HEADER_BYTES)
        return broken(err, "a feed");
    uint32_t n = qr_get32le(bytes + 16);
    int64_t wait_ns = (int64_t)qr_get64le(bytes + 8);
    if (n == 0 || n > QR_LOGSVC_CURSORS_MAX || wait_ns < 0 ||
        count - FEED_HEADER_BYTES != (size_t)n * QR_LOGSVC_CURSOR_BYTES)
        return broken(err, "a feed");
    struct qr_logsvc_cursor *cursors = calloc(n, sizeof *cursors);
    if (cursors == NULL)
        return qr_fail(err, QR_NOMEM, "cursors");
    for (uint32_t i = 0; i < n; i++)
        if (!get_cursor(bytes + FEED_HEADER_BYTES + (size_t)i * QR_LOGSVC_CURSOR_BYTES,
                        &cursors[i])) {
            free(cursors);
            return broken(err, "a cursor");
        }
    *ret_cursors = cursors;
    *ret_cursor_count = n;
    *ret_bytes_max = qr_get64le(bytes);
    *ret_wait_ns = wait_ns;
    return QR_OK;
}

void qr_feed_entry_put(uint8_t dst[QR_FEED_ENTRY_BYTES], const struct qr_feed_entry *e)
{
    memset(dst, 0, QR_FEED_ENTRY_BYTES);
    qr_put32le(dst, e->cursor_index);
    qr_put16le(dst + 4, (uint16_t)e->status);
    qr_put64le(dst + 8, e->epoch);
    qr_put64le(dst + 16, e->hardened_lsn);
    qr_put64le(dst + 24, e->commit_lsn);
    qr_put64le(dst + 32, e->commit_wall_ns);
    qr_put32le(dst + 40, (uint32_t)e->pieces_bytes);
}

enum qr_status qr_feed_entry_next(const uint8_t *bytes, size_t count, size_t *at,
                                  struct qr_feed_entry *ret_entry, struct qr_err *err)
{
    const uint8_t *p = bytes + *at;
    size_t rest = count - *at;
    enum qr_status status;
    if (rest < QR_FEED_ENTRY_BYTES || !status_get(qr_get16le(p + 4), &status) ||
        qr_get32le(p + 40) > rest - QR_FEED_ENTRY_BYTES)
        return broken(err, "an entry of a feed");
    *ret_entry = (struct qr_feed_entry){.cursor_index = qr_get32le(p),
                                        .status = status,
                                        .epoch = qr_get64le(p + 8),
                                        .hardened_lsn = qr_get64le(p + 16),
                                        .commit_lsn = qr_get64le(p + 24),
                                        .commit_wall_ns = qr_get64le(p + 32),
                                        .pieces = p + QR_FEED_ENTRY_BYTES,
                                        .pieces_bytes = qr_get32le(p + 40)};
    *at += QR_FEED_ENTRY_BYTES + ret_entry->pieces_bytes;
    return QR_OK;
}
