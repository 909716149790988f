/* convert_int.h - pieces that the conversions share. Private to codec. */
#pragma once
#include "codec/convert.h"

/* Every conversion by name; convert.c has the table. All are qr_convert_fn. */
qr_convert_fn qri_number_to_int, qri_number_to_bit, qri_number_to_decimal, qri_number_to_money,
    qri_number_to_float, qri_number_to_datetime, qri_datetime_to_datetime;
qr_convert_fn qri_int_to_text, qri_decimal_to_text, qri_money_to_text, qri_float_to_text,
    qri_datetime_to_text, qri_guid_to_text, qri_text_to_text, qri_text_to_json, qri_json_to_text,
    qri_text_to_vector, qri_vector_to_text, qri_vector_to_vector, qri_binary_to_text;
qr_convert_fn qri_text_to_int, qri_text_to_bit, qri_text_to_decimal, qri_text_to_money,
    qri_text_to_float, qri_text_to_datetime, qri_text_to_guid, qri_text_to_binary;
qr_convert_fn qri_value_to_binary, qri_binary_to_binary, qri_binary_to_int, qri_binary_to_bit,
    qri_binary_to_decimal, qri_binary_to_money, qri_binary_to_datetime, qri_binary_to_guid;
qr_convert_fn qri_to_variant, qri_from_variant;

/* Makes `text` (which must outlive the result or lie in the arena) a value of c->to: code page,
 * length, padding, and 2628 / 8152 when storing. */
enum qr_status qri_finish_text(const struct qr_converter *c, struct qr_str text,
                               const struct qr_convert_env *env, struct qr_value *ret_value,
                               struct qr_err *err);
/* Bytes into c->to of the binary family: length, zeros. Left-cuts keep the last bytes (numbers). */
enum qr_status qri_finish_binary(const struct qr_converter *c, const void *bytes, size_t n,
                                 bool number, const struct qr_convert_env *env,
                                 struct qr_value *ret_value, struct qr_err *err);
/* The code page of a type of the char family. */
uint16_t qri_code_page(const struct qr_type *t);
enum qr_status qri_truncation_fail(const struct qr_converter *c, struct qr_str kept,
                                   struct qr_err *err);
/* Checks an integer against c->to (tinyint .. bigint); raises 220 or 8115. */
enum qr_status qri_int_result(const struct qr_converter *c, qr_i128 v, const char *from,
                              struct qr_value *ret_value, struct qr_err *err);
