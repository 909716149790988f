/* fn_hash.c - see expr/func.h: NEWID, CRYPT_GEN_RANDOM, HASHBYTES, BASE64_* */
#include "expr_int.h"
#include <openssl/evp.h>
#include <string.h>
#include "base/checked.h"
#include "codec/codepage.h"
#include "codec/utf.h"
#include "base/banned.h"

static enum qr_status fn_newid(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    uint8_t wire[16];
    char *ordered;
    if (c->ctx->host_ops == NULL || c->ctx->host_ops->random == NULL)
        return qr_sql_fail(err, 40510, "NEWID");
    QR_TRY(qri_room(c, sizeof wire, &ordered, err));
    c->ctx->host_ops->random(c->ctx->host, wire, sizeof wire);
    wire[7] = (uint8_t)((wire[7] & 0x0F) | 0x40); /* version 4; the third group is little-endian */
    wire[8] = (uint8_t)((wire[8] & 0x3F) | 0x80);
    qr_guid_from_wire(wire, (uint8_t *)ordered);
    *ret = qr_value_blob(ordered, sizeof wire);
    return QR_OK;
}

/* A length that a varbinary cannot have gives NULL. The seed may only add to what is random
 * already.
 */
static enum qr_status fn_crypt_gen_random(const struct qr_call *c, struct qr_value *ret,
                                          struct qr_err *err)
{
    int64_t bytes = c->args[0].i;
    char *out;
    *ret = qr_value_null();
    if (bytes < 1 || bytes > QR_CHAR_LENGTH_MAX)
        return QR_OK;
    if (c->ctx->host_ops == NULL || c->ctx->host_ops->random == NULL)
        return qr_sql_fail(err, 40510, "CRYPT_GEN_RANDOM");
    QR_TRY(qri_room(c, (size_t)bytes, &out, err));
    c->ctx->host_ops->random(c->ctx->host, out, (size_t)bytes);
    *ret = qr_value_blob(out, (size_t)bytes);
    return QR_OK;
}

enum qr_status qri_stored_bytes(const struct qr_call *c, size_t index, struct qr_str *ret_bytes,
                                struct qr_err *err)
{
    const struct qr_type *type = qri_arg_type(c, index);
    struct qr_str s = qri_arg_str(c, index);
    size_t room;
    char *out;
    *ret_bytes = s;
    if (!qr_type_is_string(type))
        return QR_OK;
    if (!qr_mul_size(s.n, 2, &room))
        return qri_expr_nomem(err);
    QR_TRY(qri_room(c, room, &out, err));
    size_t n = qri_is_national(type)
                   ? 2 * qr_utf16le_from_utf8(s, out)
                   : qr_codepage_encode(qr_collation_get(type->collation)->code_page, s, out);
    *ret_bytes = qr_str_n(out, n);
    return QR_OK;
}

static enum qr_status type_hashbytes(struct qr_func_typing *t)
{
    const struct qr_type *type = &t->args[1]->type;
    bool good = qr_type_is_string(type) || qr_type_family(type) == QR_FAMILY_BINARY ||
                type->id == QR_TYPE_NULL;
    if (!good)
        return qri_bad_argument(t, 1);
    t->type = qr_type_sized(QR_TYPE_VARBINARY, QR_CHAR_LENGTH_MAX);
    t->nullable = true;
    return QR_OK;
}

static enum qr_status fn_hashbytes(const struct qr_call *c, struct qr_value *ret,
                                   struct qr_err *err)
{
    static const struct {
        const char *name, *digest;
    } algorithms[] = {
        {"MD4", "MD4"},   {"MD5", "MD5"},         {"SHA", "SHA1"},
        {"SHA1", "SHA1"}, {"SHA2_256", "SHA256"}, {"SHA2_512", "SHA512"},
    };
    const char *digest = NULL;
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (qr_str_ieqz(qri_arg_str(c, 0), algorithms[i].name))
            digest = algorithms[i].digest;
    *ret = qr_value_null(); /* an unknown algorithm gives NULL */
    if (digest == NULL)
        return QR_OK;
    struct qr_str input;
    char *out;
    size_t n = 0;
    QR_TRY(qri_stored_bytes(c, 1, &input, err));
    QR_TRY(qri_room(c, EVP_MAX_MD_SIZE, &out, err));
    if (EVP_Q_digest(NULL, digest, NULL, input.p, input.n, (unsigned char *)out, &n) == 1)
        *ret = qr_value_blob(out, n);
    return QR_OK;
}

/* ---- Base64 ---- */

size_t qri_base64_room(size_t bytes)
{
    return (bytes + 2) / 3 * 4 + 1;
}

size_t qri_base64(struct qr_str bytes, char *dst)
{
    enum { PIECE = 3 << 20 }; /* EVP counts in int */
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i += PIECE) {
        size_t piece = bytes.n - i < PIECE ? bytes.n - i : PIECE;
        n += (size_t)EVP_EncodeBlock((unsigned char *)dst + n, (const unsigned char *)bytes.p + i,
                                     (int)piece);
    }
    return n;
}

static enum qr_status type_encode(struct qr_func_typing *t)
{
    bool fits = !t->args[0]->type.is_max && t->args[0]->type.length <= QR_CHAR_LENGTH_MAX / 4 * 3;
    qri_result_string(t, false, fits ? QR_CHAR_LENGTH_MAX : 0);
    return QR_OK;
}

/* The other alphabet is for URLs, which want no padding either. */
static enum qr_status fn_encode(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str in = qri_arg_str(c, 0);
    bool for_url = c->arg_count > 1 && c->args[1].i != 0;
    char *out;
    QR_TRY(qri_room(c, qri_base64_room(in.n), &out, err));
    size_t n = qri_base64(in, out);
    for (size_t i = 0; for_url && i < n; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    while (for_url && n > 0 && out[n - 1] == '=')
        n--;
    *ret = qr_value_text(out, n);
    return QR_OK;
}

static enum qr_status type_decode(struct qr_func_typing *t)
{
    QR_TRY(qri_arg_string(t, 0));
    t->type = qr_type_sized(QR_TYPE_VARBINARY,
                            qri_text_length(&t->args[0]->type) == 0 ? 0 : QR_CHAR_LENGTH_MAX);
    return QR_OK;
}

/* -1: not of either alphabet */
static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static enum qr_status fn_decode(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_str in = qri_arg_str(c, 0);
    char *out;
    uint32_t bits = 0;
    size_t n = 0, digits = 0, padding = 0;
    QR_TRY(qri_room(c, in.n + 1, &out, err));
    for (size_t i = 0; i < in.n; i++) {
        if (strchr(" \t\r\n", in.p[i]) != NULL && in.p[i] != '\0')
            continue;
        int digit = base64_digit(in.p[i]);
        padding += in.p[i] == '=';
        if ((digit < 0 && in.p[i] != '=') || (digit >= 0 && padding > 0) || padding > 2)
            return qr_sql_fail(err, 9803, "Base64Decode");
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        if (++digits % 4 != 1)
            out[n++] = (char)(bits >> (4 - digits % 4) % 4 * 2);
    }
    if (digits % 4 == 1)
        return qr_sql_fail(err, 9803, "Base64Decode");
    *ret = qr_value_blob(out, n);
    return QR_OK;
}

static const struct qr_func hash_funcs[] = {
    {"BASE64_DECODE", 1, 1, "*", type_decode, 0, 0, fn_decode, 0, QR_HOST_NONE},
    {"BASE64_ENCODE", 1, 2, "bt", type_encode, 0, 0, fn_encode, 0, QR_HOST_NONE},
    {"COMPRESS", 1, 1, "*", qri_type_compress, 0, 0, qri_fn_compress, 0, QR_HOST_NONE},
    {"CRYPT_GEN_RANDOM", 1, 2, "ib", NULL, QR_TYPE_VARBINARY, QR_CHAR_LENGTH_MAX,
     fn_crypt_gen_random, QR_FUNC_VOLATILE | QR_FUNC_NULLABLE, QR_HOST_NONE},
    {"DECOMPRESS", 1, 1, "*", qri_type_decompress, 0, 0, qri_fn_decompress, QR_FUNC_NULLABLE,
     QR_HOST_NONE},
    {"HASHBYTES", 2, 2, "s*", type_hashbytes, 0, 0, fn_hashbytes, 0, QR_HOST_NONE},
    {"NEWID", 0, 0, "", NULL, QR_TYPE_UNIQUEIDENTIFIER, 0, fn_newid,
     QR_FUNC_VOLATILE | QR_FUNC_NOT_NULL, QR_HOST_NONE},
};
const struct qri_family qri_hash_funcs = {hash_funcs, sizeof hash_funcs / sizeof hash_funcs[0]};
