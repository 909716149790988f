/* hostfn_int.h - what the hostfn_*.c files share. */
#pragma once
#include "hostfn.h"

enum qr_status qri_host_null(struct qri_host_call *h);
enum qr_status qri_host_int(struct qri_host_call *h, int64_t v);
enum qr_status qri_host_text(struct qri_host_call *h, struct qr_str s); /* copied */
enum qr_status qri_host_variant_int(struct qri_host_call *h, int64_t v);
enum qr_status qri_host_variant_text(struct qri_host_call *h, struct qr_str s);
/* "" and 0 when the argument is absent or NULL. */
struct qr_str qri_host_arg_text(const struct qri_host_call *h, size_t i);
int64_t qri_host_arg_int(const struct qri_host_call *h, size_t i);

/* Characters a string type holds; -1 for (max) and xml. */
int qri_host_char_length(const struct qr_type *t);

/* Of schemas and types (hostfn_type.c). */
qri_host_fn *qri_hostfn_type(enum qr_host_func func);
/* Of principals and permissions (hostfn_principal.c). */
qri_host_fn *qri_hostfn_principal(enum qr_host_func func);
/* "dbo.t", "[db]..[t]": as far as the session sees it; NULL: none (hostfn_meta.c). */
const struct qr_cat_object *qri_host_object(const struct qri_host_call *h, struct qr_str text);
/* "dbo.mytype"; without a schema the session's own, then dbo. NULL: none (hostfn_type.c). */
struct qr_ast_name;
const struct qr_cat_usertype *qri_host_usertype(const struct qri_host_call *h,
                                                const struct qr_ast_name *name);
/* Of the server and its databases (hostfn_server.c). */
qri_host_fn *qri_hostfn_server(enum qr_host_func func);
