/* body_int.h - reading JSON bodies (body.c): members are looked for without case, as ARM does, and
 * null counts as absent. Each answers 400 and returns false for a wrong type. */
#pragma once
#include "arm_int.h"

/* NULL if it is not there. */
json_t *qri_member(const json_t *object, const char *key);
/* What is not there leaves `ret_x` as it is. Texts are the arena's. */
bool qri_body_text(struct qri_request *r, const json_t *object, const char *key,
                   struct qr_str *ret_text);
bool qri_body_integer(struct qri_request *r, const json_t *object, const char *key,
                      int64_t *ret_number);
bool qri_body_number(struct qri_request *r, const json_t *object, const char *key,
                     double *ret_number);
bool qri_body_bool(struct qri_request *r, const json_t *object, const char *key, bool *ret_given,
                   bool *ret_value);
/* An object, or NULL if it is not there. */
bool qri_body_object(struct qri_request *r, const json_t *object, const char *key,
                     json_t **ret_object);
/* `tags` as a text of JSON: values are texts, at most 50. */
bool qri_body_tags(struct qri_request *r, const json_t *object, struct qr_str *ret_tags);
/* "2026-11-21T08:07:13.479Z", with up to nine digits of a second, or with an offset. */
bool qri_time_parse(struct qr_str text, int64_t *ret_wall_ns);
/* The index of the word among `words` (ended by NULL), without case. False: answered. */
bool qri_body_word(struct qri_request *r, const json_t *object, const char *key,
                   const char *const *words, int *ret_index);
/* The last part of `/subscriptions/S/resourceGroups/G/providers/Microsoft.Sql/servers/V/KIND/NAME`,
 * and V. False: it is no such id. */
bool qri_id_parse(struct qri_request *r, struct qr_str id, const char *kind,
                  struct qr_str *ret_server, struct qr_str *ret_name);
