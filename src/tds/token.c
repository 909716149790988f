/* Implements tds/token.h. */
#include "tds/token.h"
#include <assert.h>
#include "codec/utf.h"
#include "put_int.h"
#include "base/banned.h"

enum { ENV_COLLATION = 7, ENV_RESET = 18, ENV_ROUTING = 20 };
/* A token's length is 16 bits: lists end before one more entry could overflow it. */
enum { LIST_BYTES_MAX = 60000 };

void qr_tds_put_loginack(struct qr_tds_writer *w, enum qr_tds_version version,
                         struct qr_str program, const uint8_t program_version[4])
{
    uint8_t wire[4];
    qr_put32be(wire, qr_tds_version_to_wire(version));
    qri_put8(w, QR_TDS_TOKEN_LOGINACK);
    size_t mark = qri_tds_mark16(w);
    qri_put8(w, 1); /* interface: T-SQL */
    qri_put(w, wire, sizeof wire);
    qri_put_bvarchar(w, program);
    qri_put(w, program_version, 4);
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}

static size_t env_begin(struct qr_tds_writer *w, uint8_t type)
{
    qri_put8(w, QR_TDS_TOKEN_ENVCHANGE);
    size_t mark = qri_tds_mark16(w);
    qri_put8(w, type);
    return mark;
}

static void env_end(struct qr_tds_writer *w, size_t mark)
{
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}

void qr_tds_put_env_text(struct qr_tds_writer *w, enum qr_tds_env_text type,
                         struct qr_str new_value, struct qr_str old_value)
{
    size_t mark = env_begin(w, (uint8_t)type);
    qri_put_bvarchar(w, new_value);
    qri_put_bvarchar(w, old_value);
    env_end(w, mark);
}

void qr_tds_put_env_collation(struct qr_tds_writer *w, const uint8_t new_collation[5],
                              const uint8_t *old_collation)
{
    size_t mark = env_begin(w, ENV_COLLATION);
    qri_put8(w, 5);
    qri_put(w, new_collation, 5);
    qri_put8(w, old_collation == NULL ? 0 : 5);
    if (old_collation != NULL)
        qri_put(w, old_collation, 5);
    env_end(w, mark);
}

void qr_tds_put_env_tran(struct qr_tds_writer *w, enum qr_tds_version version,
                         enum qr_tds_env_tran type, uint64_t descriptor)
{
    if (version < QR_TDS_VERSION_72)
        return;
    bool begins = type == QR_TDS_ENV_BEGIN;
    size_t mark = env_begin(w, (uint8_t)type);
    if (!begins)
        qri_put8(w, 0);
    qri_put8(w, 8);
    qri_put64(w, descriptor);
    if (begins)
        qri_put8(w, 0);
    env_end(w, mark);
}

void qr_tds_put_env_reset(struct qr_tds_writer *w)
{
    size_t mark = env_begin(w, ENV_RESET);
    qri_put8(w, 0);
    qri_put8(w, 0);
    env_end(w, mark);
}

void qr_tds_put_env_routing(struct qr_tds_writer *w, struct qr_str host, uint16_t port)
{
    size_t mark = env_begin(w, ENV_ROUTING);
    size_t value = qri_tds_mark16(w);
    qri_put8(w, 0); /* protocol: TCP */
    qri_put16(w, port);
    qri_put_usvarchar(w, qr_str_n(host.p, qr_utf_prefix(host, 1024)));
    qri_tds_set16(w, value);
    qri_put16(w, 0);
    env_end(w, mark);
}

void qr_tds_put_notice(struct qr_tds_writer *w, enum qr_tds_version version,
                       const struct qr_tds_notice *notice)
{
    qri_put8(w, notice->severity > 10 ? QR_TDS_TOKEN_ERROR : QR_TDS_TOKEN_INFO);
    size_t mark = qri_tds_mark16(w);
    qri_put32(w, (uint32_t)notice->number);
    qri_put8(w, notice->state);
    qri_put8(w, notice->severity);
    /* A token's length is 16 bits, so the text must leave room for the two names. */
    qri_put_usvarchar(w, qr_str_n(notice->text.p, qr_utf_prefix(notice->text, 16000)));
    qri_put_bvarchar(w, notice->server);
    qri_put_bvarchar(w, notice->procedure);
    if (version >= QR_TDS_VERSION_72)
        qri_put32(w, notice->line);
    else
        qri_put16(w, notice->line > UINT16_MAX ? UINT16_MAX : (uint16_t)notice->line);
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}

size_t qr_tds_done_bytes(enum qr_tds_version version, uint8_t token, uint16_t status,
                         uint16_t command, uint64_t count, uint8_t dst[QR_TDS_DONE_BYTES_MAX])
{
    assert(token >= QR_TDS_TOKEN_DONE);
    dst[0] = token;
    qr_put16le(dst + 1, status);
    qr_put16le(dst + 3, command);
    if (version < QR_TDS_VERSION_72) {
        qr_put32le(dst + 5, (uint32_t)count);
        return 9;
    }
    qr_put64le(dst + 5, count);
    return 13;
}

void qr_tds_put_done(struct qr_tds_writer *w, enum qr_tds_version version, uint8_t token,
                     uint16_t status, uint16_t command, uint64_t count)
{
    uint8_t bytes[QR_TDS_DONE_BYTES_MAX];
    qri_put(w, bytes, qr_tds_done_bytes(version, token, status, command, count, bytes));
    qr_tds_writer_pump(w);
}

void qr_tds_put_return_status(struct qr_tds_writer *w, int32_t status)
{
    qri_put8(w, QR_TDS_TOKEN_RETURNSTATUS);
    qri_put32(w, (uint32_t)status);
    qr_tds_writer_pump(w);
}

void qr_tds_put_order(struct qr_tds_writer *w, const int *columns, size_t count)
{
    if (count == 0)
        return;
    qri_put8(w, QR_TDS_TOKEN_ORDER);
    size_t mark = qri_tds_mark16(w);
    for (size_t i = 0; i < count && i < UINT16_MAX / 2; i++)
        qri_put16(w, (uint16_t)(columns[i] < 0 ? -columns[i] : columns[i]));
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}

void qr_tds_put_feature_ack(struct qr_tds_writer *w, const struct qr_tds_login7 *login)
{
    size_t acks = 0;
    for (size_t i = 0; i < login->feature_count; i++) {
        const struct qr_tds_feature_answer *answer = qr_tds_feature_answer(login->features[i].id);
        if (answer == NULL || answer->ack == NULL)
            continue; /* declined by absence */
        if (acks++ == 0)
            qri_put8(w, QR_TDS_TOKEN_FEATUREEXTACK);
        qri_put8(w, answer->id);
        qri_put32(w, answer->ack_bytes);
        qri_put(w, answer->ack, answer->ack_bytes);
    }
    if (acks == 0)
        return; /* tedious 8 and older refuse a token that acknowledges nothing */
    qri_put8(w, QR_TDS_FEATURE_TERMINATOR);
    qr_tds_writer_pump(w);
}

void qr_tds_put_tabname(struct qr_tds_writer *w, enum qr_tds_version version,
                        const struct qr_tds_table_name *tables, size_t count)
{
    qri_put8(w, QR_TDS_TOKEN_TABNAME);
    size_t mark = qri_tds_mark16(w);
    for (size_t i = 0; i < count && w->buf.len - mark < LIST_BYTES_MAX; i++) {
        const struct qr_tds_table_name *t = &tables[i];
        assert(t->part_count >= 1 && t->part_count <= 4);
        if (version >= QR_TDS_VERSION_72) {
            qri_put8(w, t->part_count);
            for (size_t k = 4u - t->part_count; k < 4; k++)
                qri_put_usvarchar(w, t->parts[k]);
        } else {
            qri_put_usvarchar(w, t->parts[3]);
        }
    }
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}

void qr_tds_put_colinfo(struct qr_tds_writer *w, const struct qr_tds_colinfo *columns, size_t count)
{
    qri_put8(w, QR_TDS_TOKEN_COLINFO);
    size_t mark = qri_tds_mark16(w);
    for (size_t i = 0; i < count && i < UINT8_MAX && w->buf.len - mark < LIST_BYTES_MAX; i++) {
        qri_put8(w, (uint8_t)(i + 1));
        qri_put8(w, columns[i].table_number);
        qri_put8(w, columns[i].status);
        if (columns[i].status & QR_TDS_COLINFO_DIFFERENT_NAME)
            qri_put_bvarchar(w, columns[i].base_name);
    }
    qri_tds_set16(w, mark);
    qr_tds_writer_pump(w);
}
