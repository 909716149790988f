/* codec/type.h - T-SQL data types: identity, properties, and the rules that combine them.
 *
 * Pure: no I/O, no allocation, only constant tables; any thread. A `struct qr_type` is a plain
 * value that is copied freely and compared with qr_type_eq. All lengths that a user writes are kept
 * as written: bytes for the char and binary families, UTF-16 units for the nchar family. Sources:
 * "Data types", "Data type precedence", "Precision, scale, and length", "CAST and CONVERT" of the
 * SQL Server documentation. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

/* In memory only: the numbers may change. On disk and on the wire use system_type_id. */
enum qr_type_id {
    QR_TYPE_NULL = 0, /* the untyped NULL; gives way to every other type */
    QR_TYPE_BIT,
    QR_TYPE_TINYINT,
    QR_TYPE_SMALLINT,
    QR_TYPE_INT,
    QR_TYPE_BIGINT,
    QR_TYPE_DECIMAL,
    QR_TYPE_NUMERIC,
    QR_TYPE_MONEY,
    QR_TYPE_SMALLMONEY,
    QR_TYPE_REAL,
    QR_TYPE_FLOAT,
    QR_TYPE_DATE,
    QR_TYPE_TIME,
    QR_TYPE_SMALLDATETIME,
    QR_TYPE_DATETIME,
    QR_TYPE_DATETIME2,
    QR_TYPE_DATETIMEOFFSET,
    QR_TYPE_CHAR,
    QR_TYPE_VARCHAR,
    QR_TYPE_TEXT,
    QR_TYPE_NCHAR,
    QR_TYPE_NVARCHAR,
    QR_TYPE_NTEXT,
    QR_TYPE_BINARY,
    QR_TYPE_VARBINARY,
    QR_TYPE_IMAGE,
    QR_TYPE_ROWVERSION,
    QR_TYPE_UNIQUEIDENTIFIER,
    QR_TYPE_XML,
    QR_TYPE_JSON,
    QR_TYPE_VECTOR,
    QR_TYPE_SQL_VARIANT,
    QR_TYPE_TABLE,  /* internal: a rowset */
    QR_TYPE_CURSOR, /* internal: a cursor variable */
    QR_TYPE_COUNT
};

enum qr_family {
    QR_FAMILY_NONE,
    QR_FAMILY_INT,      /* bit to bigint */
    QR_FAMILY_DECIMAL,  /* decimal, numeric */
    QR_FAMILY_MONEY,    /* money, smallmoney */
    QR_FAMILY_FLOAT,    /* real, float */
    QR_FAMILY_DATETIME, /* all six date and time types */
    QR_FAMILY_CHAR,     /* char, varchar, text */
    QR_FAMILY_NCHAR,    /* nchar, nvarchar, ntext */
    QR_FAMILY_BINARY,   /* binary, varbinary, image, rowversion */
    QR_FAMILY_GUID,
    QR_FAMILY_XML,
    QR_FAMILY_JSON,
    QR_FAMILY_VECTOR,
    QR_FAMILY_VARIANT,
    QR_FAMILY_OTHER, /* table, cursor */
};

enum {
    QR_DECIMAL_PRECISION_MAX = 38,
    QR_CHAR_LENGTH_MAX = 8000,  /* char, varchar, binary, varbinary */
    QR_NCHAR_LENGTH_MAX = 4000, /* nchar, nvarchar */
    QR_TYPE_NAME_BYTES = 64,    /* enough for qr_type_print */
};

struct qr_type {
    enum qr_type_id id;
    uint8_t precision; /* decimal, numeric: 1..38; int: digits of a literal, so that 1.0/3 gets the
                          scale of numeric(1,0); else 0 */
    uint8_t scale;     /* decimal, numeric: 0..precision; time, datetime2, datetimeoffset: 0..7 */
    bool is_max;       /* varchar(max), nvarchar(max), varbinary(max) */
    uint16_t length;   /* char, varchar, binary, varbinary: bytes; nchar, nvarchar: UTF-16 units;
                          vector: dimensions;
                          0 if is_max and for all other types */
    uint16_t
        collation; /* enum qr_collation_id (collation.h) of the char and nchar families, else 0 */
};

/* How a value of the type sits in struct qr_value (value.h). */
enum qr_cell {
    QR_CELL_NULL = 0,
    QR_CELL_INT,  /* int64_t */
    QR_CELL_REAL, /* double */
    QR_CELL_TEXT, /* bytes, UTF-8 unless the type says other */
    QR_CELL_BLOB, /* bytes */
    QR_CELL_WIDE, /* 128-bit integer; memory only, never given to SQLite */
};

struct qr_type_info {
    const char *name;         /* as in sys.types */
    uint8_t system_type_id;   /* sys.types.user_type_id; stable, used on disk; 0: internal */
    uint8_t precedence;       /* documented order, higher wins; 0 = NULL */
    uint8_t precision, scale; /* as sys.types reports (decimal: the maximum) */
    int16_t max_length;       /* as sys.types reports, bytes */
    enum qr_family family;
    enum qr_cell cell; /* decimal: INT up to precision 18, WIDE above */
};

extern const struct qr_type_info qr_type_infos[QR_TYPE_COUNT];

static inline const struct qr_type_info *qr_type_info(enum qr_type_id id)
{
    return &qr_type_infos[id];
}
static inline enum qr_family qr_type_family(const struct qr_type *t)
{
    return qr_type_infos[t->id].family;
}
/* Prints without properties: "decimal", "nvarchar". Error texts use this form. */
static inline const char *qr_type_name(const struct qr_type *t)
{
    return qr_type_infos[t->id].name;
}

/* --- building --- */

/* Fixed types (int, date, uniqueidentifier ...), also datetime2 & co with scale 7, decimal(18,0),
 * char(1), varchar(max) for the LOB types' like. Strings get the default collation. */
struct qr_type qr_type_of(enum qr_type_id id);
struct qr_type qr_type_decimal(uint8_t precision, uint8_t scale);
/* char, varchar, nchar, nvarchar, binary, varbinary; length 0 means (max). Lengths above the
 * family's maximum become (max) for the var types and the maximum for the fixed ones. */
struct qr_type qr_type_sized(enum qr_type_id id, size_t length);
/* time, datetime2, datetimeoffset with 0..7 fractional digits. */
struct qr_type qr_type_time(enum qr_type_id id, uint8_t scale);

/* By T-SQL name, without case; knows the synonyms (integer, dec, character varying, national char,
 * double precision, timestamp, sysname, binary varying ...; one space between words;
 * sysname is nvarchar(128)). False if there is no such type. */
bool qr_type_find(struct qr_str name, struct qr_type *ret_type);
/* What sys.types shows as system_type_id: a vector is a kind of varbinary there. */
int qr_type_shown_id(enum qr_type_id id);
/* By system_type_id; QR_TYPE_NULL if none. */
enum qr_type_id qr_type_by_system_id(uint8_t system_type_id);

/* What the user wrote in parentheses: args[0..count), -1 stands for MAX. count 0 applies T-SQL's
 * defaults: decimal(18,0), float(53), char(1) in a declaration, char(30) in CAST (in_cast).
 * Fails with 1001 length, 2717 size, 2750/2751 decimal, 2716 no parameter allowed, 1002 scale. */
QR_NODISCARD enum qr_status qr_type_apply_args(struct qr_type *type, const int *args, size_t count,
                                               bool in_cast, struct qr_err *err);

/* --- asking --- */

/* Same type and properties; a literal's digits do not count, nor does the collation. */
bool qr_type_eq(const struct qr_type *a, const struct qr_type *b);
bool qr_type_is_string(const struct qr_type *t); /* char or nchar family */
bool qr_type_is_number(const struct qr_type *t); /* int, decimal, money, float */
bool qr_type_is_exact(const struct qr_type *t);  /* int, decimal, money */
bool qr_type_is_lob(const struct qr_type *t);    /* text, ntext, image, xml or (max) */
bool qr_type_is_fixed(const struct qr_type *t);  /* char, nchar, binary: padded to length */
bool qr_type_is_comparable(
    const struct qr_type *t); /* not text, ntext, image, xml, table, cursor */
/* Memory class of a value: resolves decimal by precision. */
enum qr_cell qr_type_cell(const struct qr_type *t);
/* sys.columns.max_length in bytes (-1 for max and xml, 16 for text/ntext/image). */
int qr_type_max_length(const struct qr_type *t);
/* sys.columns.precision and scale. */
int qr_type_precision(const struct qr_type *t);
int qr_type_scale(const struct qr_type *t);

/* "decimal(10,2)", "nvarchar(max)", "datetime2(7)", "int". Returns dst. */
char *qr_type_print(const struct qr_type *t, char dst[QR_TYPE_NAME_BYTES]);

/* --- conversion matrix --- */

enum qr_conversion {
    QR_CONVERSION_NONE,     /* 206 when implied, 529 when asked for */
    QR_CONVERSION_EXPLICIT, /* CAST and CONVERT only: 257 when implied */
    QR_CONVERSION_IMPLICIT,
};
enum qr_conversion qr_type_conversion(enum qr_type_id from, enum qr_type_id to);
/* QR_OK, or 206 / 257. */
QR_NODISCARD enum qr_status qr_type_check_implicit(const struct qr_type *from,
                                                   const struct qr_type *to, struct qr_err *err);
/* QR_OK, or 529. */
QR_NODISCARD enum qr_status qr_type_check_explicit(const struct qr_type *from,
                                                   const struct qr_type *to, struct qr_err *err);

/* --- result types --- */

enum qr_arith { QR_ARITH_ADD, QR_ARITH_SUB, QR_ARITH_MUL, QR_ARITH_DIV, QR_ARITH_MOD };

/* The decimal that holds every value of an exact number type: int is decimal(10,0), money
 * decimal(19,4). Asserts qr_type_is_exact. */
struct qr_type qr_type_as_decimal(const struct qr_type *t);
/* Documented result precision and scale, with the reduction above 38. Operands are decimals. */
struct qr_type qr_type_decimal_arith(enum qr_arith op, const struct qr_type *a,
                                     const struct qr_type *b);
/* The type of a op b for + - * / %: numbers by precedence (decimal rules; int/int = int; money),
 * string + string and binary + binary concatenate (qr_type_concat), datetime +- number, string with
 * number becomes the number. Fails with 402 (types incompatible in the operator), 8117, 206, 257.
 * The result's collation is not decided here (collation.h). */
QR_NODISCARD enum qr_status qr_type_arith(enum qr_arith op, const struct qr_type *a,
                                          const struct qr_type *b, struct qr_type *ret_type,
                                          struct qr_err *err);
/* Concatenation: lengths add, capped at 8000 bytes / 4000 units unless one side is (max). */
struct qr_type qr_type_concat(const struct qr_type *a, const struct qr_type *b);
/* The type that both convert to for comparison, CASE, COALESCE, IN, UNION, VALUES: by precedence,
 * decimals widened to hold both, string lengths the longer. Fails with 206, 257. Untyped NULL
 * gives the other type; two untyped NULLs give int. Collation: a's unless b won. */
QR_NODISCARD enum qr_status qr_type_combine(const struct qr_type *a, const struct qr_type *b,
                                            struct qr_type *ret_type, struct qr_err *err);

/* --- literals --- */

/* Of digits with at most one '.': int (with its digit count in precision) if it fits, else
 * numeric(p,s): 2147483648 is numeric(10,0), 0.5 numeric(1,1).
 * 1007 if more than 38 digits. */
QR_NODISCARD enum qr_status qr_type_number_literal(struct qr_str digits, struct qr_type *ret_type,
                                                   struct qr_err *err);
/* 'abc' is varchar(3), N'' nvarchar(1), beyond 8000 / 4000 (max). length in the type's units. */
struct qr_type qr_type_string_literal(bool national, size_t length);
struct qr_type qr_type_binary_literal(size_t bytes);
