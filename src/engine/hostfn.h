/* hostfn.h - host functions of expressions (expr/host.def): one function answers one or more. */
#pragma once
#include "frame.h"

struct qri_host_call {
    struct qr_session *session;
    struct qr_eval *eval; /* its arena holds the result's bytes */
    enum qr_host_func func;
    const struct qr_value *args;
    size_t arg_count;
    struct qr_value *ret_value;
    struct qr_err *err;
};
typedef enum qr_status qri_host_fn(struct qri_host_call *h);

/* Of metadata and principals: hostfn_*.c. NULL: none. */
qri_host_fn *qri_hostfn_find(enum qr_host_func func);

/* Whether the engine answers it at all: for docs/features.md. */
bool qri_host_answers(enum qr_host_func func);

/* A value of SESSION_CONTEXT: a serialised variant. */
struct qri_context_value {
    bool is_read_only;
    size_t n;
    char bytes[];
};
