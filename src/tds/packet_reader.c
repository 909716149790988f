/* Implements the reading half of tds/packet.h. */
#include "tds/packet.h"
#include <assert.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

void qr_tds_reader_init(struct qr_tds_reader *reader)
{
    *reader = (struct qr_tds_reader){0};
}

bool qr_tds_reader_idle(const struct qr_tds_reader *reader)
{
    return !reader->in_message && reader->header_bytes == 0;
}

static enum qr_status accept_header(struct qr_tds_reader *reader, struct qr_err *err)
{
    const uint8_t *h = reader->header;
    uint16_t packet_bytes = qr_get16be(h + 2);
    if (packet_bytes < QR_TDS_HEADER_BYTES || packet_bytes > QR_TDS_PACKET_BYTES_MAX)
        return qr_fail(err, QR_PROTOCOL, "TDS packet of %u bytes", packet_bytes);
    if (reader->in_message && h[0] == QR_TDS_PACKET_ATTENTION)
        reader->in_message = false; /* what came before it is dropped */
    if (reader->in_message && h[0] != reader->type)
        return qr_fail(err, QR_PROTOCOL,
                       "TDS packet of type 0x%02X inside a message of type 0x%02X", h[0],
                       reader->type);
    if (!reader->in_message) {
        reader->type = h[0];
        reader->message_status = h[1] & (QR_TDS_STATUS_RESET | QR_TDS_STATUS_RESET_SKIP_TRAN);
        reader->in_message = true;
    }
    reader->status = h[1];
    reader->packet_left = packet_bytes - QR_TDS_HEADER_BYTES;
    reader->in_packet = true;
    reader->header_bytes = 0;
    return QR_OK;
}

static void end_packet(struct qr_tds_reader *reader, struct qr_tds_read *read)
{
    reader->in_packet = false;
    if ((reader->status & QR_TDS_STATUS_EOM) == 0)
        return;
    read->kind = QR_TDS_READ_END;
    read->ignored = (reader->status & QR_TDS_STATUS_IGNORE) != 0;
    reader->in_message = false;
}

enum qr_status qr_tds_reader_step(struct qr_tds_reader *reader, const uint8_t *in, size_t in_bytes,
                                  size_t *ret_used, struct qr_tds_read *ret_read,
                                  struct qr_err *err)
{
    size_t used = 0;
    struct qr_tds_read read = {.kind = QR_TDS_READ_MORE};
    while (read.kind == QR_TDS_READ_MORE) {
        if (reader->in_packet && reader->packet_left == 0) {
            end_packet(reader, &read);
            continue;
        }
        if (used == in_bytes)
            break;
        if (reader->in_packet) {
            size_t take = in_bytes - used;
            if (take > reader->packet_left)
                take = reader->packet_left;
            read.kind = QR_TDS_READ_DATA;
            read.data = in + used;
            read.data_bytes = take;
            reader->packet_left -= (uint32_t)take;
            used += take;
            continue;
        }
        while (used < in_bytes && reader->header_bytes < QR_TDS_HEADER_BYTES)
            reader->header[reader->header_bytes++] = in[used++];
        if (reader->header_bytes == QR_TDS_HEADER_BYTES)
            QR_TRY(accept_header(reader, err));
    }
    read.type = reader->type;
    read.message_status = reader->message_status;
    assert(used <= in_bytes);
    *ret_used = used;
    *ret_read = read;
    return QR_OK;
}

void qr_tds_message_init(struct qr_tds_message *message, size_t bytes_max)
{
    *message = (struct qr_tds_message){0};
    qr_buf_init(&message->body, bytes_max);
}

void qr_tds_message_done(struct qr_tds_message *message)
{
    qr_buf_done(&message->body);
}

void qr_tds_message_clear(struct qr_tds_message *message)
{
    qr_buf_clear(&message->body);
    message->type = 0;
    message->status = 0;
    message->complete = false;
    message->ignored = false;
}

enum qr_status qr_tds_message_feed(struct qr_tds_message *message, struct qr_tds_reader *reader,
                                   const uint8_t *in, size_t in_bytes, size_t *ret_used,
                                   struct qr_err *err)
{
    assert(!message->complete);
    size_t total_used = 0;
    for (;;) {
        size_t used = 0;
        struct qr_tds_read read = {0};
        QR_TRY(
            qr_tds_reader_step(reader, in + total_used, in_bytes - total_used, &used, &read, err));
        total_used += used;
        if (read.kind == QR_TDS_READ_MORE)
            break;
        if (read.kind == QR_TDS_READ_DATA) {
            qr_buf_add(&message->body, read.data, read.data_bytes);
            QR_TRY(qr_buf_status(&message->body, err));
            continue;
        }
        message->type = read.type;
        message->status = read.message_status;
        message->ignored = read.ignored;
        message->complete = true;
        break;
    }
    *ret_used = total_used;
    return QR_OK;
}
