/* decode_int.h - shared by the readers of TYPE_INFO and the decoders of values. */
#pragma once
#include "tds/decode.h"

enum qri_framing {                    /* how the length of a value is told */
                   QRI_FRAME_NONE,    /* always NULL (NULLTYPE) */
                   QRI_FRAME_FIXED,   /* fixed_bytes, never NULL */
                   QRI_FRAME_LEN8,    /* one byte, 0 = NULL */
                   QRI_FRAME_OLD8,    /* one byte, 0 = NULL; the 7.0 char and binary types */
                   QRI_FRAME_LEN16,   /* two bytes, 0xFFFF = NULL */
                   QRI_FRAME_LEN32,   /* four bytes, 0xFFFFFFFF = NULL */
                   QRI_FRAME_TEXTPTR, /* pointer (length 0 = NULL), timestamp, four bytes */
                   QRI_FRAME_PLP,
                   QRI_FRAME_VARIANT, /* four bytes, 0 = NULL */
};

qr_tds_decode_fn qri_decode_uint1, qri_decode_bit, qri_decode_intn, qri_decode_fltn;
qr_tds_decode_fn qri_decode_moneyn, qri_decode_datetimn, qri_decode_decimal, qri_decode_date;
qr_tds_decode_fn qri_decode_time, qri_decode_datetime2, qri_decode_dto, qri_decode_guid;
qr_tds_decode_fn qri_decode_char, qri_decode_nchar, qri_decode_binary, qri_decode_xml;
qr_tds_decode_fn qri_decode_variant, qri_decode_null;

/* Bytes that qri_raw_time and friends expect, by scale; 0 for a scale above 7. */
uint8_t qri_decode_time_bytes(uint8_t scale);

/* QR_INVALID: the value is not a valid instance of its type. */
enum qr_status qri_not_an_instance(const struct qr_tds_wire_type *type, struct qr_err *err);
