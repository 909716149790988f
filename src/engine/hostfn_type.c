/* hostfn_type.c - SCHEMA_ID, SCHEMA_NAME, TYPE_ID, TYPE_NAME, TYPEPROPERTY; see hostfn.h. */
#include "access_int.h"
#include "hostfn_int.h"
#include "base/banned.h"

static enum qr_status schema_id(struct qri_host_call *h)
{
    if (h->arg_count == 0)
        return qri_host_int(h, qri_access_schema(h->session));
    const struct qr_cat_schema *s =
        qr_cat_schema_find(&h->session->catalog->cat, qri_host_arg_text(h, 0));
    return s == NULL ? qri_host_null(h) : qri_host_int(h, s->schema_id);
}

static enum qr_status schema_name(struct qri_host_call *h)
{
    uint32_t id =
        h->arg_count == 0 ? qri_access_schema(h->session) : (uint32_t)qri_host_arg_int(h, 0);
    const struct qr_cat_schema *s = qr_cat_schema_by_id(&h->session->catalog->cat, id);
    return s == NULL ? qri_host_null(h) : qri_host_text(h, s->name);
}

const struct qr_cat_usertype *qri_host_usertype(const struct qri_host_call *h,
                                                const struct qr_ast_name *name)
{
    const struct qr_catalog *cat = &h->session->catalog->cat;
    struct qr_str last = name->parts[name->count - 1].text;
    if (name->count >= 2) {
        const struct qr_cat_schema *s = qr_cat_schema_find(cat, name->parts[name->count - 2].text);
        return s == NULL ? NULL : qr_cat_usertype_find(cat, s->schema_id, last);
    }
    const struct qr_cat_usertype *own =
        qr_cat_usertype_find(cat, qri_access_schema(h->session), last);
    return own != NULL ? own : qr_cat_usertype_find(cat, QR_SCHEMA_DBO, last);
}

/* A written type name: a system type, or an alias in its schema. */
static bool find_type(const struct qri_host_call *h, struct qr_str text, struct qr_type *ret_type,
                      uint32_t *ret_id)
{
    struct qr_ast_name name;
    if (qri_name_parse(h->eval->arena, text, &name, NULL) != QR_OK)
        return false;
    struct qr_str last = name.parts[name.count - 1].text;
    if (qr_str_ieqz(last, "sysname")) {
        *ret_type = qr_type_sized(QR_TYPE_NVARCHAR, 128);
        *ret_id = 256;
        return true;
    }
    if (qr_type_find(last, ret_type)) {
        *ret_id = qr_type_info(ret_type->id)->system_type_id;
        return true;
    }
    const struct qr_cat_usertype *u = qri_host_usertype(h, &name);
    if (u == NULL || !qri_sees_type(h->session, u))
        return false;
    *ret_type = u->type;
    *ret_id = u->user_type_id;
    return true;
}

static enum qr_status type_id(struct qri_host_call *h)
{
    struct qr_type type;
    uint32_t id;
    if (!find_type(h, qri_host_arg_text(h, 0), &type, &id))
        return qri_host_null(h);
    return qri_host_int(h, id);
}

static enum qr_status type_name(struct qri_host_call *h)
{
    int64_t id = qri_host_arg_int(h, 0);
    if (id == 256)
        return qri_host_text(h, qr_str("sysname"));
    if (id > 256) {
        const struct qr_cat_usertype *u =
            qr_cat_usertype_by_id(&h->session->catalog->cat, (uint32_t)id);
        return u == NULL || !qri_sees_type(h->session, u) ? qri_host_null(h)
                                                          : qri_host_text(h, u->name);
    }
    enum qr_type_id type = id <= 0 ? QR_TYPE_NULL : qr_type_by_system_id((uint8_t)id);
    if (type == QR_TYPE_NULL)
        return qri_host_null(h);
    return qri_host_text(
        h, qr_str(type == QR_TYPE_ROWVERSION ? "timestamp" : qr_type_info(type)->name));
}

static enum qr_status typeproperty(struct qri_host_call *h)
{
    struct qr_type type;
    uint32_t id;
    struct qr_str p = qr_str_trim(qri_host_arg_text(h, 1));
    if (!find_type(h, qri_host_arg_text(h, 0), &type, &id))
        return qri_host_null(h);
    if (qr_str_ieqz(p, "Precision"))
        return qri_host_int(h, qr_type_is_string(&type) ? qri_host_char_length(&type)
                                                        : qr_type_precision(&type));
    if (qr_str_ieqz(p, "Scale"))
        return qr_type_is_number(&type) ? qri_host_int(h, qr_type_scale(&type)) : qri_host_null(h);
    if (qr_str_ieqz(p, "AllowsNull"))
        return qri_host_int(h, 1);
    if (qr_str_ieqz(p, "OwnerId"))
        return qri_host_int(h, 1);
    if (qr_str_ieqz(p, "UsesAnsiTrim"))
        return qr_type_is_string(&type) ? qri_host_int(h, 1) : qri_host_null(h);
    return qri_host_null(h);
}

static qri_host_fn *const functions[QR_HOST_COUNT] = {
    [QR_HOST_SCHEMA_ID] = schema_id,       [QR_HOST_SCHEMA_NAME] = schema_name,
    [QR_HOST_TYPE_ID] = type_id,           [QR_HOST_TYPE_NAME] = type_name,
    [QR_HOST_TYPEPROPERTY] = typeproperty,
};

qri_host_fn *qri_hostfn_type(enum qr_host_func func)
{
    return functions[func];
}
