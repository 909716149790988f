/* logsvc/client.h - the calls of the log service as bytes: for askers (store, pagesvc, ctl) and for
 * the service itself.
 *
 * Every method has a request struct and an answer struct; put appends to a buffer, get reads all of
 * `bytes`. The log of an APPEND follows its request's bytes, the pieces of a READ its answer's; a
 * FEED answer is a list of entries. A refusal that the service decided travels in the answer
 * (`status`), so that it can carry the end LSN; the call itself then is QR_OK. All little-endian.
 * Pure; any thread; hostile input. Errors: QR_PROTOCOL for what breaks a format. */
#pragma once
#include "base/buf.h"
#include "logsvc/logsvc.h"

enum qr_logsvc_method {
    QR_LOGSVC_CALL_CHANGE = 0x0100, /* create, drop, fence, trim */
    QR_LOGSVC_CALL_STATE = 0x0101,
    QR_LOGSVC_CALL_RENEW = 0x0102,
    QR_LOGSVC_CALL_APPEND = 0x0103,
    QR_LOGSVC_CALL_READ = 0x0104,
    QR_LOGSVC_CALL_FEED = 0x0105,
    QR_LOGSVC_CALL_FORGET = 0x0106, /* of a reader */
    QR_LOGSVC_CALL_FIND = 0x0107,
    QR_LOGSVC_CALL_READERS = 0x0108,
};
enum {
    QR_LOGSVC_METHOD_FIRST = QR_LOGSVC_CALL_CHANGE,
    QR_LOGSVC_METHOD_LAST = QR_LOGSVC_CALL_READERS,
    QR_LOGSVC_CURSOR_BYTES = 64,
    QR_FEED_ENTRY_BYTES = 48,
};

/* CHANGE: the inputs of struct qr_logsvc_change; the answer sets its outputs (`why` to a text of
 * ours).
 */
void qr_logsvc_change_put(struct qr_buf *buf, const struct qr_logsvc_change *change);
QR_NODISCARD enum qr_status qr_logsvc_change_get(const uint8_t *bytes, size_t count,
                                                 struct qr_logsvc_change *ret_change,
                                                 struct qr_err *err);
void qr_logsvc_change_answer_put(struct qr_buf *buf, const struct qr_logsvc_change *change);
QR_NODISCARD enum qr_status qr_logsvc_change_answer_get(const uint8_t *bytes, size_t count,
                                                        struct qr_logsvc_change *change,
                                                        struct qr_err *err);

/* APPEND: the log follows as the rest of the body, so it need not be copied to be sent. */
enum { QR_LOGSVC_APPEND_HEADER_BYTES = 64 };
void qr_logsvc_append_put(uint8_t dst[QR_LOGSVC_APPEND_HEADER_BYTES],
                          const struct qr_logsvc_append *append);
QR_NODISCARD enum qr_status qr_logsvc_append_get(const uint8_t *bytes, size_t count,
                                                 struct qr_logsvc_append *ret_append,
                                                 struct qr_err *err);
void qr_logsvc_append_answer_put(struct qr_buf *buf, const struct qr_logsvc_append *append);
QR_NODISCARD enum qr_status qr_logsvc_append_answer_get(const uint8_t *bytes, size_t count,
                                                        struct qr_logsvc_append *append,
                                                        struct qr_err *err);

/* The other requests have one form; each method uses what it needs. */
struct qr_logsvc_ask {
    struct qr_timeline timeline; /* all but FEED */
    uint64_t epoch;              /* RENEW */
    int64_t ttl_ns;              /* RENEW */
    uint64_t from_lsn;           /* READ */
    uint64_t bytes_max;          /* READ */
    uint64_t reader_id;          /* FORGET */
    uint64_t wall_ns;            /* FIND */
};
void qr_logsvc_ask_put(struct qr_buf *buf, const struct qr_logsvc_ask *ask);
QR_NODISCARD enum qr_status qr_logsvc_ask_get(const uint8_t *bytes, size_t count,
                                              struct qr_logsvc_ask *ret_ask, struct qr_err *err);

/* STATE's answer, and the start of READ's: pieces follow (logsvc/piece.h) from *ret_bytes on. */
void qr_logsvc_state_put(struct qr_buf *buf, const struct qr_logsvc_state *state);
QR_NODISCARD enum qr_status qr_logsvc_state_get(const uint8_t *bytes, size_t count,
                                                struct qr_logsvc_state *ret_state,
                                                size_t *ret_bytes, struct qr_err *err);

/* FIND's answer. */
void qr_logsvc_found_put(struct qr_buf *buf, uint64_t commit_lsn, uint64_t commit_wall_ns);
QR_NODISCARD enum qr_status qr_logsvc_found_get(const uint8_t *bytes, size_t count,
                                                uint64_t *ret_commit_lsn,
                                                uint64_t *ret_commit_wall_ns, struct qr_err *err);

/* READERS' answer. */
void qr_logsvc_readers_put(struct qr_buf *buf, const struct qr_logsvc_readers *readers);
QR_NODISCARD enum qr_status qr_logsvc_readers_get(const uint8_t *bytes, size_t count,
                                                  struct qr_logsvc_readers *ret_readers,
                                                  struct qr_err *err);

/* FEED: bytes_max, wait_ns and cursors. */
void qr_logsvc_feed_put(struct qr_buf *buf, const struct qr_logsvc_cursor *cursors,
                        uint32_t cursor_count, uint64_t bytes_max, int64_t wait_ns);
/* Cursors are freed by the caller. */
QR_NODISCARD enum qr_status qr_logsvc_feed_get(const uint8_t *bytes, size_t count,
                                               struct qr_logsvc_cursor **ret_cursors,
                                               uint32_t *ret_cursor_count, uint64_t *ret_bytes_max,
                                               int64_t *ret_wait_ns, struct qr_err *err);

/* One cursor's part of a FEED answer. Header (little-endian): u32 cursor index, u16 status, u16 0,
 * u64 epoch, hardened LSN, commit LSN, commit wall_ns; u32 bytes of pieces, u32 0; then the pieces.
 */
struct qr_feed_entry {
    uint32_t cursor_index;
    enum qr_status status; /* QR_OK, QR_NOT_FOUND (no timeline, trimmed), QR_CORRUPT, QR_IO */
    uint64_t epoch, hardened_lsn, commit_lsn, commit_wall_ns;
    const uint8_t *pieces; /* qr_piece_next */
    size_t pieces_bytes;
};
/* Writes the header over QR_FEED_ENTRY_BYTES that were reserved for it. */
void qr_feed_entry_put(uint8_t dst[QR_FEED_ENTRY_BYTES], const struct qr_feed_entry *entry);
QR_NODISCARD enum qr_status qr_feed_entry_next(const uint8_t *bytes, size_t count, size_t *at,
                                               struct qr_feed_entry *ret_entry, struct qr_err *err);
