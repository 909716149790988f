/* encode_int.h - shared by the encoders of values: room, failures, and the encoders themselves. */
#pragma once
#include "base/endian.h"
#include "tds/row.h"

/* TYPE_INFO layouts. */
enum qri_info {
    QRI_INFO_NONE,    /* the token says all */
    QRI_INFO_LEN8,    /* size in one byte */
    QRI_INFO_LEN16,   /* maximum in two bytes */
    QRI_INFO_CHAR,    /* maximum in two bytes, collation */
    QRI_INFO_DECIMAL, /* size, precision, scale */
    QRI_INFO_SCALE,   /* fractional digits */
    QRI_INFO_TEXT,    /* maximum in four bytes, collation, table name */
    QRI_INFO_IMAGE,   /* maximum in four bytes, table name */
    QRI_INFO_VARIANT, /* maximum in four bytes */
    QRI_INFO_XML,     /* no schema */
};

enum {
    QRI_PLP = 0xFFFF,         /* bytes_max of a (max) type */
    QRI_SHORT_ROOM_MAX = 512, /* up to here a row's room counts the whole value */
};

/* Sets *ret_field; the field's encode may be used with rows that hold it alone. */
QR_NODISCARD enum qr_status qri_field_init(struct qr_tds_field *ret_field,
                                           const struct qr_type *type, bool can_null,
                                           struct qr_tds_client client, struct qr_err *err);
/* TYPE_INFO. `table` is sent for text, ntext and image in COLMETADATA; NULL elsewhere. */
void qri_put_type_info(struct qr_tds_writer *w, const struct qr_tds_field *field,
                       struct qr_tds_client client, const struct qr_tds_table_name *table);
/* The most that encode may append without asking for room. */
size_t qri_field_bytes(const struct qr_tds_field *field);

/* Room for `bytes` and the rest of the row after p; the new p, or NULL. */
uint8_t *qri_more(struct qr_tds_rows *rows, uint8_t *p, size_t bytes);
/* As qri_more, but first lets complete packets leave: between pieces of a long value. */
uint8_t *qri_more_pump(struct qr_tds_rows *rows, uint8_t *p, size_t bytes);
/* Notes that the value does not fit the column's type and returns NULL. */
uint8_t *qri_misfit(struct qr_tds_rows *rows, const struct qr_tds_field *field,
                    const struct qr_value *value);

/* A decimal of whatever cell; false: not one. */
bool qri_scaled(const struct qr_value *v, qr_i128 *ret_scaled);
/* A datetimeoffset of whatever cell. */
bool qri_dto(const struct qr_value *v, qr_i128 *ret_dto);

/* Raw pieces, used for rows and inside sql_variant. */
uint8_t *qri_raw_decimal(uint8_t *p, qr_i128 scaled, uint8_t value_bytes);
uint8_t *qri_raw_money(uint8_t *p, int64_t v);
uint8_t *qri_raw_datetime(uint8_t *p, int64_t v);
uint8_t *qri_raw_smalldatetime(uint8_t *p, int64_t v);
uint8_t *qri_raw_date(uint8_t *p, int64_t days);
uint8_t *qri_raw_time(uint8_t *p, int64_t ticks, uint8_t scale);
uint8_t *qri_raw_datetime2(uint8_t *p, int64_t ticks, uint8_t scale);
uint8_t *qri_raw_dto(uint8_t *p, qr_i128 dto, uint8_t scale);
uint8_t qri_time_bytes(uint8_t scale);
uint8_t qri_decimal_bytes(uint8_t precision);

qr_tds_encode_fn qri_encode_int1, qri_encode_int2, qri_encode_int4, qri_encode_int8;
qr_tds_encode_fn qri_encode_intn1, qri_encode_intn2, qri_encode_intn4, qri_encode_intn8;
qr_tds_encode_fn qri_encode_flt4, qri_encode_flt8, qri_encode_fltn4, qri_encode_fltn8;
qr_tds_encode_fn qri_encode_money, qri_encode_moneyn, qri_encode_datetime, qri_encode_datetimn;
qr_tds_encode_fn qri_encode_datetim4, qri_encode_datetimn4;
qr_tds_encode_fn qri_encode_decimal, qri_encode_date, qri_encode_time, qri_encode_datetime2;
qr_tds_encode_fn qri_encode_dto, qri_encode_guid;
qr_tds_encode_fn qri_encode_varchar, qri_encode_nvarchar, qri_encode_varbinary;
qr_tds_encode_fn qri_encode_plp_char, qri_encode_plp_nchar, qri_encode_plp_binary;
qr_tds_encode_fn qri_encode_text, qri_encode_ntext, qri_encode_image;
qr_tds_encode_fn qri_encode_date_as_text, qri_encode_vector, qri_encode_variant;
