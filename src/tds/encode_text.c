/* Implements the encoders of strings and binaries (encode_int.h). [MS-TDS] 2.2.5.2, 2.2.5.5.
 *
 * Long values leave in pieces of at most PIECE_BYTES of source, with complete packets handed over
 * between them, so that no value makes the writer's buffer large. */
#include "encode_int.h"
#include <string.h>
#include "codec/codepage.h"
#include "codec/datetime.h"
#include "codec/utf.h"
#include "codec/vector.h"
#include "base/banned.h"

enum {
    PIECE_BYTES = QR_TDS_PLP_CHUNK_BYTES_MAX / 2, /* of source; at most twice that on the wire */
    LEN16_NULL = 0xFFFF,
    SHORT_BYTES_MAX = 0xFFFE,
};

enum charset { CHARSET_BINARY, CHARSET_CODE_PAGE, CHARSET_UTF16 };

static size_t charset_length(enum charset charset, uint16_t code_page, struct qr_str text)
{
    if (charset == CHARSET_UTF16)
        return qr_utf16_units(text) * 2;
    return charset == CHARSET_BINARY ? text.n : qr_codepage_length(code_page, text);
}

/* dst has room for the bytes of `text`, for UTF-16 twice that. */
static size_t charset_put(enum charset charset, uint16_t code_page, struct qr_str text,
                          uint8_t *dst)
{
    if (text.n == 0)
        return 0;
    if (charset == CHARSET_UTF16)
        return qr_utf16le_from_utf8(text, dst) * 2;
    if (charset == CHARSET_CODE_PAGE && code_page != QR_CP_UTF8)
        return qr_codepage_encode(code_page, text, dst);
    memcpy(dst, text.p, text.n);
    return text.n;
}

/* The next piece; never splits a character, so that each converts alone. */
static struct qr_str take_piece(struct qr_str *rest, enum charset charset)
{
    size_t n = rest->n < PIECE_BYTES ? rest->n : PIECE_BYTES;
    if (charset != CHARSET_BINARY) {
        while (n < rest->n && n > PIECE_BYTES - 4 && ((uint8_t)rest->p[n] & 0xC0) == 0x80)
            n--;
    }
    struct qr_str piece = {rest->p, n};
    rest->p += n;
    rest->n -= n;
    return piece;
}

static bool is_bytes(const struct qr_value *v)
{
    return v->cell == QR_CELL_TEXT || v->cell == QR_CELL_BLOB;
}

/* ---- up to 8,000 bytes ---- */

static uint8_t *encode_short(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p, enum charset charset)
{
    if (v->cell == QR_CELL_NULL) {
        qr_put16le(p, LEN16_NULL);
        return p + 2;
    }
    if (!is_bytes(v) || v->n > SHORT_BYTES_MAX)
        return qri_misfit(rows, f, v);
    bool pads = qr_type_is_fixed(&f->type);
    size_t room = charset == CHARSET_UTF16 ? v->n * 2 : v->n;
    if (pads && room < f->bytes_max)
        room = f->bytes_max;
    if (room > f->bytes_max || f->bytes_max > QRI_SHORT_ROOM_MAX) {
        p = qri_more(rows, p, room);
        if (p == NULL)
            return NULL;
    }
    size_t bytes = charset_put(charset, f->code_page, qr_value_bytes(v), p + 2);
    if (bytes > SHORT_BYTES_MAX)
        return qri_misfit(rows, f, v);
    if (charset == CHARSET_UTF16) {
        for (; pads && bytes < f->bytes_max; bytes += 2)
            qr_put16le(p + 2 + bytes, ' ');
    } else if (pads && bytes < f->bytes_max) {
        memset(p + 2 + bytes, charset == CHARSET_BINARY ? 0 : ' ', f->bytes_max - bytes);
        bytes = f->bytes_max;
    }
    qr_put16le(p, (uint16_t)bytes);
    return p + 2 + bytes;
}

uint8_t *qri_encode_varchar(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                            const struct qr_value *v, uint8_t *p)
{
    return encode_short(rows, f, v, p, CHARSET_CODE_PAGE);
}
uint8_t *qri_encode_nvarchar(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p)
{
    return encode_short(rows, f, v, p, CHARSET_UTF16);
}
uint8_t *qri_encode_varbinary(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                              const struct qr_value *v, uint8_t *p)
{
    return encode_short(rows, f, v, p, CHARSET_BINARY);
}

uint8_t *qri_encode_date_as_text(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                                 const struct qr_value *v, uint8_t *p)
{
    struct qr_value memory = *v;
    if (f->type.id == QR_TYPE_DATETIMEOFFSET && v->cell != QR_CELL_NULL) {
        qr_i128 dto;
        if (!qri_dto(v, &dto))
            return qri_misfit(rows, f, v);
        memory = qr_value_wide(dto);
    } else if (v->cell != QR_CELL_NULL && v->cell != QR_CELL_INT) {
        return qri_misfit(rows, f, v);
    }
    char text[QR_DT_TEXT_BYTES];
    struct qr_value printed = qr_value_null();
    if (memory.cell != QR_CELL_NULL)
        printed = qr_value_text(text, qr_datetime_print(&f->type, &memory, -1, text));
    return encode_short(rows, f, &printed, p, CHARSET_UTF16);
}

/* ---- (max) types: PLP (2.2.5.2.3) ---- */

static uint8_t *encode_plp(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                           const struct qr_value *v, uint8_t *p, enum charset charset)
{
    if (v->cell == QR_CELL_NULL) {
        qr_put64le(p, UINT64_MAX);
        return p + 8;
    }
    if (!is_bytes(v))
        return qri_misfit(rows, f, v);
    struct qr_str rest = qr_value_bytes(v);
    if (rest.n <= PIECE_BYTES) { /* one piece: its length is known once it is converted */
        p = qri_more(rows, p, rest.n * 2);
        if (p == NULL)
            return NULL;
        size_t bytes = charset_put(charset, f->code_page, rest, p + 12);
        qr_put64le(p, bytes);
        if (bytes > 0)
            qr_put32le(p + 8, (uint32_t)bytes);
        p += bytes > 0 ? 12 + bytes : 8;
        qr_put32le(p, 0);
        return p + 4;
    }
    qr_put64le(p, charset_length(charset, f->code_page, rest));
    p += 8;
    while (rest.n > 0) {
        struct qr_str piece = take_piece(&rest, charset);
        p = qri_more_pump(rows, p, piece.n * 2 + 4);
        if (p == NULL)
            return NULL;
        size_t bytes = charset_put(charset, f->code_page, piece, p + 4);
        qr_put32le(p, (uint32_t)bytes);
        p += 4 + bytes;
    }
    p = qri_more_pump(rows, p, 4);
    if (p == NULL)
        return NULL;
    qr_put32le(p, 0);
    return p + 4;
}

uint8_t *qri_encode_plp_char(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                             const struct qr_value *v, uint8_t *p)
{
    return encode_plp(rows, f, v, p, CHARSET_CODE_PAGE);
}
uint8_t *qri_encode_plp_nchar(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                              const struct qr_value *v, uint8_t *p)
{
    return encode_plp(rows, f, v, p, CHARSET_UTF16);
}
uint8_t *qri_encode_plp_binary(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                               const struct qr_value *v, uint8_t *p)
{
    return encode_plp(rows, f, v, p, CHARSET_BINARY);
}

/* ---- text, ntext, image: a text pointer, a timestamp, a length, the bytes ---- */

/* What SQL Server sends where there is no real pointer; WRITETEXT with it would be refused. */
static const uint8_t text_pointer[25] = {16,  'd', 'u', 'm', 'm', 'y', ' ', 't', 'e',
                                         'x', 't', 'p', 't', 'r', 0,   0,   0,   'd',
                                         'u', 'm', 'm', 'y', 'T', 'S', 0};

static uint8_t *encode_lob(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                           const struct qr_value *v, uint8_t *p, enum charset charset)
{
    if (v->cell == QR_CELL_NULL) {
        *p = 0;
        return p + 1;
    }
    if (!is_bytes(v))
        return qri_misfit(rows, f, v);
    struct qr_str rest = qr_value_bytes(v);
    size_t total = charset_length(charset, f->code_page, rest);
    if (total > f->bytes_max)
        return qri_misfit(rows, f, v);
    memcpy(p, text_pointer, sizeof text_pointer);
    p += sizeof text_pointer;
    qr_put32le(p, (uint32_t)total);
    p += 4;
    while (rest.n > 0) {
        struct qr_str piece = take_piece(&rest, charset);
        p = qri_more_pump(rows, p, piece.n * 2);
        if (p == NULL)
            return NULL;
        p += charset_put(charset, f->code_page, piece, p);
    }
    return qri_more(rows, p, 0);
}

uint8_t *qri_encode_text(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                         const struct qr_value *v, uint8_t *p)
{
    return encode_lob(rows, f, v, p, CHARSET_CODE_PAGE);
}
uint8_t *qri_encode_ntext(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_lob(rows, f, v, p, CHARSET_UTF16);
}
uint8_t *qri_encode_image(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                          const struct qr_value *v, uint8_t *p)
{
    return encode_lob(rows, f, v, p, CHARSET_BINARY);
}

/* ---- vector: clients see the JSON array that it is written as ---- */

uint8_t *qri_encode_vector(struct qr_tds_rows *rows, const struct qr_tds_field *f,
                           const struct qr_value *v, uint8_t *p)
{
    char text[QR_VECTOR_TEXT_BYTES];
    struct qr_value printed = qr_value_null();
    if (v->cell != QR_CELL_NULL && qr_vector_dimensions(qr_value_bytes(v)) == 0)
        return qri_misfit(rows, f, v);
    if (v->cell != QR_CELL_NULL)
        printed = qr_value_text(text, qr_vector_print(qr_value_bytes(v), text));
    return f->encode_text(rows, f, &printed, p);
}
