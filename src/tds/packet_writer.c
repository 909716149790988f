/* Implements the writing half of tds/packet.h. */
#include "tds/packet.h"
#include <assert.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

void qr_tds_writer_init(struct qr_tds_writer *writer, uint16_t packet_bytes, uint16_t spid,
                        qr_tds_flush_fn *flush, void *flush_ctx)
{
    assert(packet_bytes >= QR_TDS_PACKET_BYTES_MIN && packet_bytes <= QR_TDS_PACKET_BYTES_MAX);
    *writer = (struct qr_tds_writer){
        .packet_bytes = packet_bytes,
        .spid = spid,
        .flush_bytes = QR_TDS_FLUSH_BYTES_DEFAULT,
        .flush = flush,
        .flush_ctx = flush_ctx,
    };
    qr_buf_init(&writer->buf, QR_TDS_WRITER_BYTES_MAX);
}

void qr_tds_writer_done(struct qr_tds_writer *writer)
{
    qr_buf_done(&writer->buf);
}

static void open_packet(struct qr_tds_writer *writer)
{
    writer->packet_start = writer->buf.len;
    qr_buf_fill(&writer->buf, 0, QR_TDS_HEADER_BYTES);
}

void qr_tds_writer_begin(struct qr_tds_writer *writer, uint8_t packet_type)
{
    assert(!writer->open);
    writer->type = packet_type;
    writer->packet_id = 1;
    writer->open = true;
    open_packet(writer);
}

void qr_tds_writer_reset(struct qr_tds_writer *writer, uint16_t packet_bytes)
{
    assert(!writer->open);
    assert(packet_bytes >= QR_TDS_PACKET_BYTES_MIN && packet_bytes <= QR_TDS_PACKET_BYTES_MAX);
    if (writer->buf.capacity > QR_TDS_WRITER_IDLE_BYTES_MAX)
        qr_buf_done(&writer->buf);
    qr_buf_clear(&writer->buf);
    writer->packet_start = 0;
    writer->packet_bytes = packet_bytes;
}

static void put_header(struct qr_tds_writer *writer, size_t start, size_t packet_bytes,
                       uint8_t status)
{
    uint8_t *h = writer->buf.data + start;
    h[0] = writer->type;
    h[1] = status;
    qr_put16be(h + 2, (uint16_t)packet_bytes);
    qr_put16be(h + 4, writer->spid);
    h[6] = writer->packet_id++;
    h[7] = 0;
}

/* A failure sticks in writer->failed, and what comes after it is dropped. */
static void hand_over(struct qr_tds_writer *writer)
{
    size_t ready = writer->open ? writer->packet_start : writer->buf.len;
    if (writer->flush == NULL || ready == 0)
        return;
    if (writer->failed == QR_OK)
        writer->failed = writer->flush(writer->flush_ctx, writer->buf.data, ready, writer->err);
    qr_buf_consume(&writer->buf, ready);
    writer->packet_start -= writer->open ? ready : writer->packet_start;
}

enum qr_status qr_tds_writer_flush(struct qr_tds_writer *writer)
{
    hand_over(writer);
    return qr_tds_writer_status(writer);
}

void qri_tds_writer_cut(struct qr_tds_writer *writer)
{
    assert(writer->open);
    size_t payload_max = writer->packet_bytes - (size_t)QR_TDS_HEADER_BYTES;
    size_t payload = writer->buf.len - writer->packet_start - QR_TDS_HEADER_BYTES;
    size_t full_count = (payload - 1) / payload_max; /* the last packet stays open: it may be EOM */
    if (full_count == 0 || qr_buf_reserve(&writer->buf, full_count * QR_TDS_HEADER_BYTES) == NULL)
        return;
    uint8_t *base = writer->buf.data + writer->packet_start + QR_TDS_HEADER_BYTES;
    for (size_t i = full_count; i > 0; i--) {
        size_t from = i * payload_max;
        size_t bytes = payload - from < payload_max ? payload - from : payload_max;
        memmove(base + from + i * QR_TDS_HEADER_BYTES, base + from, bytes);
    }
    writer->buf.len += full_count * QR_TDS_HEADER_BYTES;
    for (size_t i = 0; i < full_count; i++) {
        put_header(writer, writer->packet_start, writer->packet_bytes, 0);
        writer->packet_start += writer->packet_bytes;
    }
    if (writer->packet_start >= writer->flush_bytes)
        hand_over(writer);
}

enum qr_status qr_tds_writer_push(struct qr_tds_writer *writer)
{
    assert(writer->open);
    qr_tds_writer_pump(writer);
    size_t packet_bytes = writer->buf.len - writer->packet_start;
    if (packet_bytes > QR_TDS_HEADER_BYTES && writer->buf.failed == QR_OK) {
        put_header(writer, writer->packet_start, packet_bytes, 0);
        open_packet(writer);
    }
    hand_over(writer);
    return qr_tds_writer_status(writer);
}

bool qr_tds_writer_abandon(struct qr_tds_writer *writer)
{
    assert(writer->open);
    if (writer->packet_id != 1)
        return false;
    writer->buf.len = writer->packet_start + QR_TDS_HEADER_BYTES;
    return true;
}

enum qr_status qr_tds_writer_end(struct qr_tds_writer *writer, bool keep)
{
    assert(writer->open);
    qr_tds_writer_pump(writer);
    if (writer->buf.failed == QR_OK)
        put_header(writer, writer->packet_start, writer->buf.len - writer->packet_start,
                   QR_TDS_STATUS_EOM);
    writer->open = false;
    return keep ? qr_tds_writer_status(writer) : qr_tds_writer_flush(writer);
}

enum qr_status qr_tds_writer_status(const struct qr_tds_writer *writer)
{
    return writer->failed != QR_OK ? writer->failed : qr_buf_status(&writer->buf, writer->err);
}
