/* fn_xml.c - the methods of the xml type: value(), exist(), query(). Their names have a blank, so
 * that no text calls them; the binder does. */
#include "expr/xml.h"
#include <string.h>
#include "expr_int.h"
#include "base/banned.h"

enum { RESULT_BYTES_MAX = 256 << 20 };

static enum qr_status find(const struct qr_call *c, struct qr_xml_found *ret, struct qr_err *err)
{
    struct qr_xml_node *context = NULL;
    QR_TRY(qr_xml_read(c->ctx->arena, qri_arg_str(c, 0), &context, err));
    return qr_xml_path(c->ctx->arena, context, qri_arg_str(c, 1), ret, err);
}

static enum qr_status fn_exist(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_xml_found found;
    QR_TRY(find(c, &found, err));
    *ret = qr_value_int(found.is_value || found.count > 0);
    return QR_OK;
}

static enum qr_status fn_query(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_xml_found found;
    struct qr_buf out;
    QR_TRY(find(c, &found, err));
    qr_buf_init_counted(&out, RESULT_BYTES_MAX);
    for (size_t i = 0; i < found.count; i++)
        qr_xml_write(&out, found.nodes[i]);
    if (found.is_value && found.value_kind == QR_XML_STRING)
        qr_buf_addstr(&out, found.string);
    else if (found.is_value && found.value_kind == QR_XML_NUMBER)
        qr_buf_printf(&out, "%.15g", found.number);
    else if (found.is_value)
        qr_buf_addz(&out, found.number != 0 ? "true" : "false");
    return qri_json_return(c, QR_OK, &out, ret, err);
}

/* NULL where nothing is found; of an element all text below it. */
static enum qr_status fn_value(const struct qr_call *c, struct qr_value *ret, struct qr_err *err)
{
    struct qr_xml_found found;
    struct qr_buf out;
    QR_TRY(find(c, &found, err));
    *ret = qr_value_null();
    if (!found.is_value && found.count == 0)
        return QR_OK;
    qr_buf_init_counted(&out, RESULT_BYTES_MAX);
    if (!found.is_value)
        qr_xml_string(&out, found.nodes[0]);
    else if (found.value_kind == QR_XML_STRING)
        qr_buf_addstr(&out, found.string);
    else if (found.value_kind == QR_XML_NUMBER)
        qr_buf_printf(&out, "%.15g", found.number);
    else
        qr_buf_addz(&out, found.number != 0 ? "true" : "false");
    return qri_json_return(c, QR_OK, &out, ret, err);
}

static const struct qr_func xml_funcs[] = {
    {"XML EXIST", 2, 2, "*n", NULL, QR_TYPE_BIT, 0, fn_exist, 0, QR_HOST_NONE},
    {"XML QUERY", 2, 2, "*n", NULL, QR_TYPE_XML, 0, fn_query, 0, QR_HOST_NONE},
    {"XML VALUE", 2, 2, "*n", NULL, QR_TYPE_NVARCHAR, 0, fn_value, QR_FUNC_NULLABLE, QR_HOST_NONE},
};
const struct qri_family qri_xml_funcs = {xml_funcs, sizeof xml_funcs / sizeof xml_funcs[0]};
