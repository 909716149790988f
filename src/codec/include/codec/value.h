/* codec/value.h - a T-SQL value in memory, its stored (SQLite) form, and comparison.
 *
 * Pure; any thread. A value has no type of its own: the static `struct qr_type` beside it gives the
 * meaning. TEXT and BLOB values borrow their bytes; they live as long as whoever owns those (a row,
 * an arena). Bytes may contain NUL and are not terminated.
 *
 * Memory form by type                                   Stored form, where it differs
 *   bit tinyint smallint int bigint   INT
 *   decimal numeric, precision <= 18  INT, scaled
 *   decimal numeric, precision > 18   WIDE, scaled      BLOB of 16 bytes, memcmp order
 *   money smallmoney                  INT, 1/10000
 *   real float                        REAL
 *   date                              INT, days since 0001-01-01
 *   time(n) datetime2(n)              INT, 100 ns ticks (since midnight / 0001-01-01), a multiple
 *                                     of the declared scale
 *   datetime                          INT, 1/300 s since 1900-01-01 (may be negative)
 *   smalldatetime                     INT, minutes since 1900-01-01
 *   datetimeoffset(n)                 WIDE (qr_dto_pack)  TEXT of 10 bytes, collation qr_dto
 *   char varchar text nchar nvarchar  TEXT, UTF-8 (WTF-8 for lone surrogates). char(n), nchar(n)
 *     ntext xml                         are padded with blanks in memory; stored without the
 * trailing blanks binary varbinary image rowversion BLOB; binary(n) is padded with zeros in both
 * forms uniqueidentifier                  BLOB of 16 bytes in comparison order (qr_guid_*)
 *   sql_variant                       TEXT of serialised bytes (qr_variant_*), collation qr_variant
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"

__extension__ typedef __int128 qr_i128; /* a scalar of the compiler, not a type of ours */
__extension__ typedef unsigned __int128 qr_u128;

struct qr_value {
    enum qr_cell cell;
    size_t n; /* bytes of TEXT and BLOB, else 0 */
    union {
        int64_t i;
        double r;
        const char *p; /* TEXT and BLOB */
        qr_i128 w;
    };
};

static inline struct qr_value qr_value_null(void)
{
    return (struct qr_value){.cell = QR_CELL_NULL};
}
static inline struct qr_value qr_value_int(int64_t i)
{
    return (struct qr_value){.cell = QR_CELL_INT, .i = i};
}
static inline struct qr_value qr_value_real(double r)
{
    return (struct qr_value){.cell = QR_CELL_REAL, .r = r};
}
static inline struct qr_value qr_value_text(const char *p, size_t n)
{
    return (struct qr_value){.cell = QR_CELL_TEXT, .n = n, .p = p};
}
static inline struct qr_value qr_value_str(struct qr_str s)
{
    return qr_value_text(s.p, s.n);
}
static inline struct qr_value qr_value_blob(const void *p, size_t n)
{
    return (struct qr_value){.cell = QR_CELL_BLOB, .n = n, .p = (const char *)p};
}
static inline struct qr_value qr_value_wide(qr_i128 w)
{
    return (struct qr_value){.cell = QR_CELL_WIDE, .w = w};
}
static inline bool qr_value_is_null(const struct qr_value *v)
{
    return v->cell == QR_CELL_NULL;
}
static inline struct qr_str qr_value_bytes(const struct qr_value *v)
{
    return (struct qr_str){v->p, v->n};
}
/* A scaled decimal of either memory class; and the class that `type` wants. */
static inline qr_i128 qr_value_scaled(const struct qr_value *v)
{
    return v->cell == QR_CELL_WIDE ? v->w : (qr_i128)v->i;
}
static inline struct qr_value qr_value_decimal(const struct qr_type *type, qr_i128 scaled)
{
    return type->precision > 18 ? qr_value_wide(scaled) : qr_value_int((int64_t)scaled);
}

/* Copies the bytes of TEXT and BLOB into the arena. QR_NOMEM. */
QR_NODISCARD enum qr_status qr_value_copy(struct qr_arena *arena, const struct qr_value *v,
                                          struct qr_value *ret_value);

/* --- stored form: a qr_value that is never WIDE --- */

/* What to bind for `v`. Uses `scratch` for bytes that it makes, so the result lives as long as
 * both. Never fails, allocates nothing. */
struct qr_value qr_value_store(const struct qr_type *type, const struct qr_value *v,
                               uint8_t scratch[16]);
/* The memory form of a stored cell. TEXT and BLOB are borrowed from the cell except where padding
 * must be added (char, nchar), which uses the arena. QR_CORRUPT if the cell does not fit the type
 * (class, length of a fixed form, range); QR_NOMEM. */
QR_NODISCARD enum qr_status qr_value_load(const struct qr_type *type, const struct qr_value *cell,
                                          struct qr_arena *arena, struct qr_value *ret_value,
                                          struct qr_err *err);

/* --- comparison of two values of one type, neither NULL --- */

/* <0, 0, >0. Strings by type->collation with trailing blanks ignored, binary with trailing zeros
 * ignored as SQL Server pads the shorter, datetimeoffset by instant, sql_variant by family. */
int qr_value_compare(const struct qr_type *type, const struct qr_value *a,
                     const struct qr_value *b);
/* Equal values (by qr_value_compare) have equal hashes. */
uint64_t qr_value_hash(const struct qr_type *type, const struct qr_value *v, uint64_t seed);

/* --- wide decimals --- */

void qr_wide_store(qr_i128 w, uint8_t dst[16]); /* big-endian with the sign bit flipped */
qr_i128 qr_wide_load(const uint8_t src[16]);

/* --- datetimeoffset: UTC ticks of 100 ns since 0001-01-01, and minutes east of UTC (-840..840) ---
 */

static inline qr_i128 qr_dto_pack(int64_t utc_ticks, int offset_minutes)
{
    return ((qr_i128)utc_ticks << 16) | (uint16_t)(offset_minutes + 0x4000);
}
static inline int64_t qr_dto_ticks(qr_i128 w)
{
    return (int64_t)(w >> 16);
}
static inline int qr_dto_offset(qr_i128 w)
{
    return (int)(uint16_t)w - 0x4000;
}
enum { QR_DTO_BYTES = 10 };
void qr_dto_store(qr_i128 w, uint8_t dst[QR_DTO_BYTES]);
qr_i128 qr_dto_load(const uint8_t src[QR_DTO_BYTES]);
/* The SQLite collation qr_dto over stored forms: by instant, the offset does not count. */
int qr_dto_compare_stored(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* --- uniqueidentifier --- */

/* wire: the 16 bytes as TDS, binary(16) and NEWID carry them (first three groups little-endian).
 * ordered: the memory and stored form, memcmp order = SQL Server's order. May not overlap. */
void qr_guid_from_wire(const uint8_t wire[16], uint8_t ordered[16]);
void qr_guid_to_wire(const uint8_t ordered[16], uint8_t wire[16]);
/* 36 characters, upper case, not terminated. */
void qr_guid_print(const uint8_t ordered[16], char dst[36]);
/* With or without braces; anything after the 36 characters (38 with braces) is ignored, as SQL
 * Server does. False if malformed. */
bool qr_guid_parse(struct qr_str text, uint8_t ordered[16]);

/* --- sql_variant: serialised (type, value) --- */

enum { QR_VARIANT_HEAD_BYTES = 8, QR_VARIANT_VALUE_BYTES_MAX = 8000 };
/* `type` is not sql_variant, LOB, rowversion; v is not NULL (a NULL variant is a NULL cell).
 * Result is TEXT in the arena. QR_NOMEM; 206-class errors are the binder's. */
QR_NODISCARD enum qr_status qr_variant_make(struct qr_arena *arena, const struct qr_type *type,
                                            const struct qr_value *v, struct qr_value *ret_variant);
/* Base type and value; bytes are borrowed from the variant. QR_CORRUPT. */
QR_NODISCARD enum qr_status qr_variant_open(struct qr_str variant, struct qr_type *ret_type,
                                            struct qr_value *ret_value, struct qr_err *err);
/* The SQLite collation qr_variant: family order, then value; total order also over damaged bytes.
 */
int qr_variant_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);
uint64_t qr_variant_hash(const void *a, size_t a_bytes, uint64_t seed);
