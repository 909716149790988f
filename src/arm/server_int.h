/* server_int.h - a request's way from its headers to its answer (request.c), without the HTTP
 * library, so that tests and the fuzzer go it too. */
#pragma once
#include "arm_int.h"

/* After the headers: route, access, what may come as a body. `method`, `host` and `length` are the
 * client's words. r->status is set if it is answered already. */
void qri_arm_begin(struct qri_request *r, const char *method, const char *host, const char *length);
void qri_arm_body(struct qri_request *r, const void *bytes, size_t count);
/* After the last byte: calls the handler; r->status is set. */
void qri_arm_run(struct qri_request *r);
