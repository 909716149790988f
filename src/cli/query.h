/* query.h - JMESPath over JSON values: what --query means (jmespath.org, its grammar and its 26
 * functions as of the specification; see README.md for what is left out).
 *
 * Pure: no I/O, no globals; any thread. The text is a user's and may be any bytes; a parsed query
 * lives as long as its arena. Depth of a query and work of a run are bounded.
 * Errors: QR_SYNTAX-like QR_INVALID with the column, QR_TOO_BIG, QR_NOMEM. */
#pragma once
#include <jansson.h>
#include "base/arena.h"
#include "base/status.h"

struct qri_query;

QR_NODISCARD enum qr_status qri_query_parse(struct qr_arena *arena, const char *text,
                                            const struct qri_query **ret_query, struct qr_err *err);

/* The result is a reference of the caller's own; it may share parts with `value`. What is not there
 * is null, as the specification has it. */
QR_NODISCARD enum qr_status qri_query_run(const struct qri_query *query, json_t *value,
                                          json_t **ret_value, struct qr_err *err);
