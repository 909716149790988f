/* registry_int.h - what the registry's files give each other */
#pragma once
#include <jansson.h>
#include "ctl/registry.h"

/* A changed row; memory follows when it is durable. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qri_registry_change(struct qr_registry *registry, uint32_t id,
                                                void (*change)(struct qr_database_row *row,
                                                               const void *arg),
                                                const void *arg, struct qr_err *err);
enum qr_status qri_fail_no_database(struct qr_str name, struct qr_err *err); /* 911 */
struct qr_env *qri_registry_env(const struct qr_registry *registry);
struct qr_meta *qri_registry_meta(const struct qr_registry *registry);
int64_t qri_registry_now_ticks(const struct qr_registry *registry); /* 100 ns since 0001-01-01 */

/* registry_row.c: false for what does not fit, or is not there as that type. */
bool qri_copy_text(char *dst, size_t dst_bytes, struct qr_str s); /* NUL-terminates */
bool qri_take_text(const json_t *object, const char *name, char *dst, size_t dst_bytes);
bool qri_take_number(const json_t *object, const char *name, json_int_t *ret_number);
bool qri_row_of_json(const json_t *o, struct qr_database_row *row);
void qri_new_timeline(struct qr_env *env, char dst[QR_TIMELINE_TEXT_BYTES + 1]);
json_t *qri_json_of_row(const struct qr_database_row *row); /* NULL: not UTF-8, or no memory */
