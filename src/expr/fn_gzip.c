/* fn_gzip.c - see expr/func.h: COMPRESS and DECOMPRESS, one member of gzip (RFC 1952) */
#include "expr_int.h"
#include <string.h>
#include <zlib.h>
#include "base/checked.h"
#include "base/endian.h"
#include "base/banned.h"

enum {
    HEAD_BYTES = 10,
    TRAILER_BYTES = 8, /* the CRC of what was compressed, and its length */
    /* of the head's flags */
    HAS_CRC = 2,
    HAS_EXTRA = 4,
    HAS_NAME = 8,
    HAS_COMMENT = 16,
    PIECE_BYTES = 16 * 1024,
    BYTES_MAX = 1 << 30, /* of input and result; what the process may take ends it before that */
};

enum qr_status qri_type_compress(struct qr_func_typing *t)
{
    static const enum qr_type_id good[] = {QR_TYPE_CHAR,     QR_TYPE_VARCHAR, QR_TYPE_NCHAR,
                                           QR_TYPE_NVARCHAR, QR_TYPE_BINARY,  QR_TYPE_VARBINARY};
    size_t i = 0;
    if (qri_is_null_literal(t->args[0]))
        QR_TRY(qri_null_of(t->b, qr_type_of(QR_TYPE_VARBINARY), &t->args[0]));
    while (i < sizeof good / sizeof good[0] && good[i] != t->args[0]->type.id)
        i++;
    if (i == sizeof good / sizeof good[0])
        return qri_bad_argument(t, 0);
    t->type = qr_type_sized(QR_TYPE_VARBINARY, 0);
    return QR_OK;
}

enum qr_status qri_type_decompress(struct qr_func_typing *t)
{
    if (qr_type_is_string(&t->args[0]->type))
        return qri_bad_argument(t, 0);
    return qri_type_compress(t);
}

/* The head is SQL Server's: no time, XFL 4, OS 0. */
enum qr_status qri_fn_compress(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    static const uint8_t head[HEAD_BYTES] = {0x1F, 0x8B, Z_DEFLATED, 0, 0, 0, 0, 0, 4, 0};
    struct qr_str in;
    char *out;
    QR_TRY(qri_stored_bytes(c, 0, &in, err));
    *ret = qr_value_blob(in.p, 0);
    if (in.n == 0)
        return QR_OK;
    if (in.n > BYTES_MAX)
        return qr_sql_fail(err, 701, "default");
    z_stream z = {.next_in = (Bytef *)in.p, .avail_in = (uInt)in.n};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL - 1,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return qri_expr_nomem(err);
    size_t room = deflateBound(&z, in.n);
    enum qr_status status = qri_room(c, HEAD_BYTES + room + TRAILER_BYTES, &out, err);
    if (status == QR_OK) {
        z.next_out = (Bytef *)out + HEAD_BYTES;
        z.avail_out = (uInt)room;
        int ended = deflate(&z, Z_FINISH);
        assert(ended == Z_STREAM_END);
        memcpy(out, head, HEAD_BYTES);
        uint8_t *trailer = (uint8_t *)out + HEAD_BYTES + z.total_out;
        qr_put32le(trailer, (uint32_t)crc32_z(0, (const Bytef *)in.p, in.n));
        qr_put32le(trailer + 4, (uint32_t)in.n);
        *ret = qr_value_blob(out, HEAD_BYTES + z.total_out + TRAILER_BYTES);
    }
    deflateEnd(&z);
    return status;
}

/* Behind the head and what its flags announce; false where the input ends before that. */
static bool skip_head(struct qr_str in, size_t *ret_at)
{
    if (in.n < HEAD_BYTES)
        return false;
    unsigned flags = (uint8_t)in.p[3];
    size_t at = HEAD_BYTES;
    if ((flags & HAS_EXTRA) != 0) {
        if (in.n - at < 2)
            return false;
        size_t bytes = qr_get16le((const uint8_t *)in.p + at);
        at += 2;
        if (in.n - at < bytes)
            return false;
        at += bytes;
    }
    for (unsigned text = HAS_NAME; text <= HAS_COMMENT; text *= 2) {
        if ((flags & text) == 0)
            continue;
        const char *end = memchr(in.p + at, 0, in.n - at);
        if (end == NULL)
            return false;
        at = (size_t)(end - in.p) + 1;
    }
    if ((flags & HAS_CRC) != 0)
        at += 2;
    *ret_at = at;
    return at <= in.n;
}

/* Z_STREAM_END when the member was whole, Z_BUF_ERROR when the input ends in it. */
static int inflate_all(z_stream *z, struct qr_buf *out)
{
    int said = Z_OK;
    while (said == Z_OK) {
        uint8_t *piece = qr_buf_reserve(out, PIECE_BYTES);
        if (piece == NULL)
            return Z_MEM_ERROR;
        z->next_out = piece;
        z->avail_out = PIECE_BYTES;
        said = inflate(z, Z_NO_FLUSH);
        out->len += PIECE_BYTES - z->avail_out;
    }
    return said;
}

/* What follows the first member is not looked at; without a whole trailer nothing is checked. */
static bool trailer_holds(const z_stream *z, const struct qr_buf *out)
{
    if (z->avail_in < TRAILER_BYTES)
        return true;
    return qr_get32le(z->next_in) == (uint32_t)crc32_z(0, out->data, out->len) &&
           qr_get32le(z->next_in + 4) == (uint32_t)out->len;
}

static enum qr_status decompressed(const struct qr_call *c, int said, const z_stream *z,
                                   const struct qr_buf *out, struct qr_value *ret,
                                   struct qr_err *err)
{
    *ret = qr_value_null();
    if (said == Z_MEM_ERROR)
        return qr_sql_fail(err, 701, "default");
    if (said == Z_BUF_ERROR)
        return QR_OK; /* the input is cut off */
    if (said != Z_STREAM_END || !trailer_holds(z, out))
        return qr_sql_fail(err, 9826);
    if (out->len == 0)
        return QR_OK; /* COMPRESS makes no such member */
    struct qr_value made = qr_value_blob(out->data, out->len);
    return qr_value_copy(c->ctx->arena, &made, ret) == QR_OK ? QR_OK : qri_expr_nomem(err);
}

/* As SQL Server has it: NULL for what is cut off, an error for what is damaged. */
enum qr_status qri_fn_decompress(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    static const uint8_t magic[] = {0x1F, 0x8B, Z_DEFLATED};
    struct qr_str in = qri_arg_str(c, 0);
    size_t at, known = in.n < sizeof magic ? in.n : sizeof magic;
    *ret = qr_value_null();
    if (in.n == 0)
        *ret = c->args[0];
    else if (memcmp(in.p, magic, known) != 0)
        return qr_sql_fail(err, 9826);
    if (in.n == 0 || !skip_head(in, &at))
        return QR_OK;
    if (in.n > BYTES_MAX)
        return qr_sql_fail(err, 701, "default");
    z_stream z = {.next_in = (Bytef *)in.p + at, .avail_in = (uInt)(in.n - at)};
    struct qr_buf out;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return qri_expr_nomem(err);
    qr_buf_init_counted(&out, BYTES_MAX);
    int said = inflate_all(&z, &out);
    enum qr_status status = decompressed(c, said, &z, &out, ret, err);
    qr_buf_done(&out);
    inflateEnd(&z);
    return status;
}
