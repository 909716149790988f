/* fn_hash.c - see expr/func.h: NEWID, HASHBYTES */
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

/* The bytes that SQL Server hashes: UTF-16 of nvarchar, the code page of varchar. */
static enum qr_status bytes_of(const struct qr_call *c, size_t index, struct qr_str *ret_bytes,
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
    QR_TRY(bytes_of(c, 1, &input, err));
    QR_TRY(qri_room(c, EVP_MAX_MD_SIZE, &out, err));
    if (EVP_Q_digest(NULL, digest, NULL, input.p, input.n, (unsigned char *)out, &n) == 1)
        *ret = qr_value_blob(out, n);
    return QR_OK;
}

static const struct qr_func hash_funcs[] = {
    {"HASHBYTES", 2, 2, "s*", type_hashbytes, 0, 0, fn_hashbytes, 0, QR_HOST_NONE},
    {"NEWID", 0, 0, "", NULL, QR_TYPE_UNIQUEIDENTIFIER, 0, fn_newid,
     QR_FUNC_VOLATILE | QR_FUNC_NOT_NULL, QR_HOST_NONE},
};
const struct qri_family qri_hash_funcs = {hash_funcs, sizeof hash_funcs / sizeof hash_funcs[0]};
