/* docs.c - see resource_int.h: documents that control keeps, as JSON */
#include <stdlib.h>
#include <string.h>
#include "resource_int.h"
#include "base/banned.h"

json_t *qri_doc_find(struct qr_arm *arm, enum qr_doc_kind kind, struct qr_str name,
                     uint64_t *ret_version, enum qr_status *ret_status, struct qr_err *err)
{
    struct qr_buf buf;
    struct qr_doc doc;
    json_t *json = NULL;
    qr_buf_init(&buf, QR_DOC_TEXT_BYTES_MAX * 2);
    enum qr_status status =
        qr_doc_get(arm->options.host->control, kind, name, QRI_ASK_NS, &buf, &doc, err);
    if (status == QR_OK) {
        json = json_loadb(doc.text.p, doc.text.n, 0, NULL);
        if (ret_version != NULL)
            *ret_version = doc.version;
        if (!json_is_object(json))
            status = qr_fail(err, QR_CORRUPT, "a document of control is no JSON object");
    }
    qr_buf_done(&buf);
    *ret_status = status;
    if (status == QR_OK)
        return json;
    json_decref(json);
    return NULL;
}

static enum qr_status add(void *ctx, const struct qr_doc *doc)
{
    json_t *list = ctx;
    json_t *json = json_loadb(doc->text.p, doc->text.n, 0, NULL);
    return json_array_append_new(list, json) == 0 ? QR_OK : QR_NOMEM;
}

json_t *qri_doc_list(struct qri_request *r, enum qr_doc_kind kind, struct qr_str prefix)
{
    json_t *list = json_array();
    struct qr_err err = {0};
    enum qr_status status = list == NULL ? QR_NOMEM
                                         : qr_doc_each(r->arm->options.host->control, kind, prefix,
                                                       QRI_ASK_NS, add, list, &err);
    if (status == QR_OK)
        return list;
    json_decref(list);
    qri_refuse_err(r, status, &err);
    return NULL;
}

bool qri_doc_store(struct qri_request *r, enum qr_doc_kind kind, const char *name, json_t *doc,
                   uint64_t version)
{
    struct qr_err err = {0};
    char *text = json_dumps(doc, JSON_COMPACT);
    struct qr_doc put = {.name = qr_str(name), .text = qr_str(text), .version = version};
    enum qr_status status =
        text == NULL ? QR_NOMEM
                     : qr_doc_put(r->arm->options.host->control, kind, &put, QRI_ASK_NS, &err);
    free(text);
    if (status != QR_OK)
        qri_refuse_err(r, status, &err);
    return status == QR_OK;
}

const char *qri_doc_text(struct qri_request *r, const json_t *doc, const char *key)
{
    const json_t *value = json_object_get(doc, key);
    return json_is_string(value)
               ? qri_copy(r, qr_str_n(json_string_value(value), json_string_length(value)))
               : "";
}
