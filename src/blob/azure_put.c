/* azure_put.c - see blob/blob.h: Azure Blob Storage; writing
 *
 * Every write carries a random id in the object's metadata. If an answer is lost and the repeated
 * request then meets an object that is there already, the id tells whether it is this write's own.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "azure_int.h"
#include "base/banned.h"

enum { ID_BYTES = 16, ID_TEXT_BYTES = 2 * ID_BYTES + 1, BLOCKS_MAX = 50000 };

struct upload {
    struct qri_azure *azure;
    const char *name, *if_tag;
    char id[ID_TEXT_BYTES];
};

static enum qr_status start_upload(struct upload *upload, struct qr_err *err)
{
    uint8_t random[ID_BYTES];
    qr_env_random(upload->azure->env, random, sizeof random);
    qri_hex(random, sizeof random, upload->id);
    const char *tag = upload->if_tag == NULL ? "" : upload->if_tag;
    for (; *tag != '\0'; tag++) {
        if (*tag < ' ' || *tag > '~')
            return qr_fail(err, QR_INVALID, "that is no tag");
    }
    return QR_OK;
}

static void add_condition(struct qri_azure_request *request, const char *if_tag)
{
    if (if_tag != NULL && if_tag[0] == '\0')
        qri_azure_header(request, "if-none-match", "*");
    else if (if_tag != NULL)
        qri_azure_header(request, "if-match", if_tag);
}

/* The request that makes the object what it shall be. */
static enum qr_status publish(struct upload *upload, struct qri_azure_request *request,
                              struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    add_condition(request, upload->if_tag);
    qri_azure_header(request, "x-ms-meta-quirewrite", upload->id);
    enum qr_status status = qri_azure_run(upload->azure, request, err);
    if (status == QR_OK)
        *ret_tag = request->response.tag;
    bool repeated = request->response.attempts > 1;
    if ((status == QR_CONFLICT || status == QR_NOT_FOUND) && repeated) {
        struct qri_azure_response now;
        if (qri_azure_head(upload->azure, upload->name, &now, NULL) == QR_OK &&
            strcmp(now.write_id, upload->id) == 0) {
            *ret_tag = now.tag;
            return QR_OK;
        }
    }
    /* A tag to be matched, and no object. */
    if (status == QR_NOT_FOUND && upload->if_tag != NULL)
        return qr_fail(err, QR_CONFLICT, "the object is gone");
    return status;
}

static enum qr_status put_small(struct upload *upload, const void *bytes, size_t count,
                                struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    struct qri_azure_request request = {
        .verb = "PUT", .name = upload->name, .body = bytes, .body_bytes = count};
    char md5[QRI_AZURE_MD5_TEXT_BYTES];
    qri_azure_md5(bytes, count, md5);
    qri_azure_header(&request, "x-ms-blob-type", "BlockBlob");
    qri_azure_header(&request, "content-type", "application/octet-stream");
    if (md5[0] != '\0')
        qri_azure_header(&request, "content-md5", md5);
    return publish(upload, &request, ret_tag, err);
}

static void block_id(const struct upload *upload, unsigned index, char dst[64])
{
    char plain[48];
    int n = snprintf(plain, sizeof plain, "%.20s-%08u", upload->id, index);
    qri_azure_base64(plain, (size_t)n, dst);
}

static enum qr_status put_block(struct upload *upload, unsigned index, const void *bytes,
                                size_t count, struct qr_err *err)
{
    char id[64], md5[QRI_AZURE_MD5_TEXT_BYTES];
    struct qri_azure_request request = {
        .verb = "PUT", .name = upload->name, .body = bytes, .body_bytes = count};
    block_id(upload, index, id);
    qri_azure_md5(bytes, count, md5);
    qri_azure_param(&request, "comp", "block");
    qri_azure_param(&request, "blockid", id);
    if (md5[0] != '\0')
        qri_azure_header(&request, "content-md5", md5);
    return qri_azure_run(upload->azure, &request, err);
}

static enum qr_status put_block_list(struct upload *upload, unsigned block_count,
                                     const char *whole_md5, struct qr_blob_tag *ret_tag,
                                     struct qr_err *err)
{
    struct qr_buf xml;
    qr_buf_init(&xml, BLOCKS_MAX * 100 + 1000);
    qr_buf_addz(&xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (unsigned i = 0; i < block_count; i++) {
        char id[64];
        block_id(upload, i, id);
        qr_buf_printf(&xml, "<Latest>%s</Latest>", id);
    }
    qr_buf_addz(&xml, "</BlockList>");
    enum qr_status status = qr_buf_status(&xml, err);
    if (status == QR_OK) {
        struct qri_azure_request request = {
            .verb = "PUT", .name = upload->name, .body = xml.data, .body_bytes = xml.len};
        qri_azure_param(&request, "comp", "blocklist");
        qri_azure_header(&request, "content-type", "text/xml; charset=utf-8");
        if (whole_md5[0] != '\0')
            qri_azure_header(&request, "x-ms-blob-content-md5", whole_md5);
        status = publish(upload, &request, ret_tag, err);
    }
    qr_buf_done(&xml);
    return status;
}

/* Where an upload in blocks comes from: memory or a file. */
struct source {
    const uint8_t *bytes; /* NULL: the file */
    struct qr_file *file;
    uint64_t count;
    uint8_t *block; /* of QRI_AZURE_BLOCK_BYTES, for the file */
};

static enum qr_status put_blocks(struct upload *upload, struct source *source, EVP_MD_CTX *md5,
                                 unsigned *ret_blocks, struct qr_err *err)
{
    unsigned index = 0;
    for (uint64_t at = 0; at < source->count; index++) {
        uint64_t left = source->count - at;
        size_t n = left < QRI_AZURE_BLOCK_BYTES ? (size_t)left : QRI_AZURE_BLOCK_BYTES;
        const uint8_t *bytes = source->block;
        if (source->bytes != NULL)
            bytes = source->bytes + at;
        else
            QR_TRY(qr_file_read_exactly(source->file, source->block, n, at, err));
        if (md5 != NULL)
            EVP_DigestUpdate(md5, bytes, n);
        QR_TRY(put_block(upload, index, bytes, n, err));
        at += n;
    }
    *ret_blocks = index;
    return QR_OK;
}

static enum qr_status put_large(struct upload *upload, struct source *source,
                                struct qr_blob_tag *ret_tag, struct qr_err *err)
{
    if (source->count > (uint64_t)BLOCKS_MAX * QRI_AZURE_BLOCK_BYTES)
        return qr_fail(err, QR_TOO_BIG, "%" PRIu64 " bytes are too many for an object",
                       source->count);
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    if (md5 != NULL && EVP_DigestInit_ex(md5, EVP_md5(), NULL) != 1) {
        EVP_MD_CTX_free(md5);
        md5 = NULL; /* a machine that forbids MD5 goes without */
    }
    unsigned blocks = 0;
    enum qr_status status = put_blocks(upload, source, md5, &blocks, err);
    char whole[QRI_AZURE_MD5_TEXT_BYTES] = "";
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (status == QR_OK && md5 != NULL && EVP_DigestFinal_ex(md5, digest, NULL) == 1)
        qri_azure_base64(digest, 16, whole);
    EVP_MD_CTX_free(md5);
    QR_TRY(status);
    return put_block_list(upload, blocks, whole, ret_tag, err);
}

enum qr_status qri_azure_put(struct qr_blob *blob, const char *name, const void *bytes,
                             size_t count, const char *if_tag, struct qr_blob_tag *ret_tag,
                             struct qr_err *err)
{
    struct upload upload = {.azure = (struct qri_azure *)blob, .name = name, .if_tag = if_tag};
    QR_TRY(start_upload(&upload, err));
    if (count <= QRI_AZURE_BLOCK_BYTES)
        return put_small(&upload, bytes, count, ret_tag, err);
    struct source source = {.bytes = bytes, .count = count};
    return put_large(&upload, &source, ret_tag, err);
}

enum qr_status qri_azure_put_file(struct qr_blob *blob, const char *name, struct qr_file *file,
                                  uint64_t bytes, const char *if_tag, struct qr_blob_tag *ret_tag,
                                  struct qr_err *err)
{
    struct upload upload = {.azure = (struct qri_azure *)blob, .name = name, .if_tag = if_tag};
    QR_TRY(start_upload(&upload, err));
    size_t block_bytes = bytes < QRI_AZURE_BLOCK_BYTES ? (size_t)bytes : QRI_AZURE_BLOCK_BYTES;
    uint8_t *block = malloc(block_bytes + 1);
    if (block == NULL)
        return qr_fail(err, QR_NOMEM, "put a file");
    enum qr_status status;
    if (bytes <= QRI_AZURE_BLOCK_BYTES) {
        status = qr_file_read_exactly(file, block, block_bytes, 0, err);
        if (status == QR_OK)
            status = put_small(&upload, block, block_bytes, ret_tag, err);
    } else {
        struct source source = {.file = file, .count = bytes, .block = block};
        status = put_large(&upload, &source, ret_tag, err);
    }
    free(block);
    return status;
}

static enum qr_status create_append_object(struct qri_azure *azure, const char *name,
                                           struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "PUT", .name = name};
    qri_azure_header(&request, "x-ms-blob-type", "AppendBlob");
    qri_azure_header(&request, "if-none-match", "*");
    enum qr_status status = qri_azure_run(azure, &request, err);
    return status == QR_CONFLICT ? QR_OK : status; /* there already: the append will judge it */
}

/* After an answer was lost: are these the object's bytes from there to its end? */
static bool is_appended(struct qri_azure *azure, const char *name, uint64_t at_offset,
                        const void *bytes, size_t count)
{
    struct qr_buf got;
    struct qr_blob_tag tag;
    qr_buf_init(&got, count);
    bool same = qri_azure_get(&azure->base, name, at_offset, SIZE_MAX, &got, &tag, NULL) == QR_OK &&
                got.len == count && memcmp(got.data, bytes, count) == 0;
    qr_buf_done(&got);
    return same;
}

static enum qr_status append_block(struct qri_azure *azure, const char *name, uint64_t at_offset,
                                   const void *bytes, size_t count, const char *lease_id,
                                   struct qr_err *err)
{
    struct qri_azure_request request = {
        .verb = "PUT", .name = name, .body = bytes, .body_bytes = count};
    char position[24], md5[QRI_AZURE_MD5_TEXT_BYTES];
    snprintf(position, sizeof position, "%" PRIu64, at_offset);
    qri_azure_md5(bytes, count, md5);
    qri_azure_param(&request, "comp", "appendblock");
    qri_azure_header(&request, "x-ms-blob-condition-appendpos", position);
    if (md5[0] != '\0')
        qri_azure_header(&request, "content-md5", md5);
    if (lease_id[0] != '\0')
        qri_azure_header(&request, "x-ms-lease-id", lease_id);
    enum qr_status status = qri_azure_run(azure, &request, err);
    if (status == QR_CONFLICT && request.response.attempts > 1 &&
        is_appended(azure, name, at_offset, bytes, count))
        return QR_OK;
    return status;
}

enum qr_status qri_azure_append(struct qr_blob *blob, const char *name, uint64_t at_offset,
                                const struct iovec *iov, int iov_count, const char *lease_id,
                                struct qr_err *err)
{
    struct qri_azure *azure = (struct qri_azure *)blob;
    struct qr_buf bytes;
    qr_buf_init(&bytes, QR_BLOB_APPEND_BYTES_MAX);
    for (int i = 0; i < iov_count; i++)
        qr_buf_add(&bytes, iov[i].iov_base, iov[i].iov_len);
    enum qr_status status = qr_buf_status(&bytes, err);
    if (status == QR_OK)
        status = append_block(azure, name, at_offset, bytes.data, bytes.len, lease_id, err);
    if (status == QR_NOT_FOUND && at_offset == 0 && lease_id[0] == '\0') {
        status = create_append_object(azure, name, err);
        if (status == QR_OK)
            status = append_block(azure, name, at_offset, bytes.data, bytes.len, lease_id, err);
    }
    qr_buf_done(&bytes);
    return status;
}
