/* tds/packet.h - packets to messages and back ([MS-TDS] 2.2.3.1).
 *
 * Pure: no I/O. One thread at a time for each object. What is read is hostile and may be any bytes.
 * A reader keeps no payload: it hands out slices of what it is fed, so a bulk load streams through
 * and small messages are collected by qr_tds_message_feed into a bounded buffer.
 * A writer lays tokens and packet headers in one buffer: tokens are appended contiguously, and
 * qr_tds_writer_pump opens an eight-byte gap at each packet boundary they crossed, moving every
 * byte behind a boundary once. Complete packets go to the `flush` callback from flush_bytes on.
 * Errors: QR_PROTOCOL for a header that breaks the format, QR_TOO_BIG for a message over its bound.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/status.h"
#include "tds/defs.h"

/* ---- reading ---- */

struct qr_tds_reader {
    uint8_t header[QR_TDS_HEADER_BYTES];
    uint8_t header_bytes;   /* how many of them are here */
    uint8_t type;           /* of the message in hand */
    uint8_t status;         /* of the packet in hand */
    uint8_t message_status; /* of the message's first packet: the reset bits */
    bool in_message, in_packet;
    uint32_t packet_left; /* payload bytes still to come */
};

enum qr_tds_read_kind {
    QR_TDS_READ_MORE, /* all input is used: feed more */
    QR_TDS_READ_DATA, /* data, data_bytes: the next slice of the message */
    QR_TDS_READ_END,  /* the message is complete (or, with `ignored`, to be dropped); type ATTENTION
                         may end any message: a client stops in the middle of a long one with it */
};

struct qr_tds_read {
    enum qr_tds_read_kind kind;
    uint8_t type;           /* enum qr_tds_packet_type, or a number the caller must refuse */
    uint8_t message_status; /* RESET bits of the first packet */
    bool ignored;           /* END only: the client took the message back (status IGNORE) */
    const uint8_t *data;    /* points into what was fed */
    size_t data_bytes;
};

void qr_tds_reader_init(struct qr_tds_reader *reader);
/* Consumes *ret_used bytes of `in` and tells what came of it. Call until it says MORE. */
QR_NODISCARD enum qr_status qr_tds_reader_step(struct qr_tds_reader *reader, const uint8_t *in,
                                               size_t in_bytes, size_t *ret_used,
                                               struct qr_tds_read *ret_read, struct qr_err *err);
/* True between messages: nothing of a next one has been seen. */
bool qr_tds_reader_idle(const struct qr_tds_reader *reader);

struct qr_tds_message {
    uint8_t type;
    uint8_t status; /* RESET bits */
    bool complete, ignored;
    struct qr_buf body;
};

void qr_tds_message_init(struct qr_tds_message *message, size_t bytes_max);
void qr_tds_message_done(struct qr_tds_message *message);
void qr_tds_message_clear(struct qr_tds_message *message); /* ready for the next; keeps memory */
/* Collects until message->complete or `in` is used up. Over the bound: QR_TOO_BIG, and the
 * connection cannot go on, because the rest of the message is still in front of the next one. */
QR_NODISCARD enum qr_status qr_tds_message_feed(struct qr_tds_message *message,
                                                struct qr_tds_reader *reader, const uint8_t *in,
                                                size_t in_bytes, size_t *ret_used,
                                                struct qr_err *err);

/* ---- writing ---- */

/* Takes `bytes` of whole packets; they may be overwritten after it returns. A failure sticks to the
 * writer: everything after it is dropped. */
typedef enum qr_status qr_tds_flush_fn(void *ctx, const uint8_t *packets, size_t bytes,
                                       struct qr_err *err);

enum {
    QR_TDS_FLUSH_BYTES_DEFAULT = 32768,
    QR_TDS_WRITER_BYTES_MAX = 8 << 20,
    QR_TDS_WRITER_IDLE_BYTES_MAX = 64 << 10, /* what qr_tds_writer_reset leaves allocated */
};

struct qr_tds_writer {
    struct qr_buf buf;   /* [0, packet_start) complete packets, then the open one */
    size_t packet_start; /* of the open packet's header */
    uint16_t packet_bytes;
    uint16_t spid;
    uint8_t type;
    uint8_t packet_id;
    bool open;          /* between begin and end */
    size_t flush_bytes; /* hand over once that much is complete */
    qr_tds_flush_fn *flush;
    void *flush_ctx;
    enum qr_status failed;
    struct qr_err *err; /* where a failing flush tells; may be NULL */
};

/* `flush` NULL: packets stay in buf for the caller to take (bounded by QR_TDS_WRITER_BYTES_MAX). */
void qr_tds_writer_init(struct qr_tds_writer *writer, uint16_t packet_bytes, uint16_t spid,
                        qr_tds_flush_fn *flush, void *flush_ctx);
void qr_tds_writer_done(struct qr_tds_writer *writer);
/* Between messages: drops what the caller has taken from buf; sets the size of coming packets. */
void qr_tds_writer_reset(struct qr_tds_writer *writer, uint16_t packet_bytes);
/* Starts a message of the given packet type. */
void qr_tds_writer_begin(struct qr_tds_writer *writer, uint8_t packet_type);
/* Room for `bytes` contiguous bytes; NULL once the writer has failed. Then advance. */
static inline uint8_t *qr_tds_writer_reserve(struct qr_tds_writer *writer, size_t bytes)
{
    return qr_buf_reserve(&writer->buf, bytes);
}
static inline void qr_tds_writer_advance(struct qr_tds_writer *writer, size_t bytes)
{
    writer->buf.len += bytes;
}
/* Cuts what was appended into packets and flushes when enough are complete. Call after each token
 * and each PLP chunk. Cheap when the open packet is not full. */
void qri_tds_writer_cut(struct qr_tds_writer *writer);
static inline void qr_tds_writer_pump(struct qr_tds_writer *writer)
{
    if (writer->buf.len - writer->packet_start > writer->packet_bytes)
        qri_tds_writer_cut(writer);
}
/* Forgets the open message's bytes that have not been flushed; only when none were. True if so. */
bool qr_tds_writer_abandon(struct qr_tds_writer *writer);
/* Marks the last packet EOM; flushes unless `keep` (the caller takes the bytes with the writer's
 * next message or by qr_tds_writer_flush). */
QR_NODISCARD enum qr_status qr_tds_writer_end(struct qr_tds_writer *writer, bool keep);
/* Closes the open packet short and flushes everything: for messages that must be seen now. */
QR_NODISCARD enum qr_status qr_tds_writer_push(struct qr_tds_writer *writer);
QR_NODISCARD enum qr_status qr_tds_writer_flush(struct qr_tds_writer *writer);
QR_NODISCARD enum qr_status qr_tds_writer_status(const struct qr_tds_writer *writer);
