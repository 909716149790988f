/* codec/convert.h - CAST, CONVERT and assignment from any type to any type.
 *
 * Any thread; a prepared converter is constant. Prepare once per expression, then run per value:
 * one indirect call, no lookup, no allocation where the bytes can be borrowed. Results that need
 * memory take it from env->arena. T-SQL errors carry the documented numbers: 206 245 257 529 8114
 * 8115 220 232 235 241 242 244 248 281 295 2628 8152 8169 8170. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/status.h"
#include "codec/datetime.h"
#include "codec/type.h"
#include "codec/value.h"

/* What conversions take from the session and the statement. */
struct qr_convert_env {
    struct qr_arena *arena;        /* results */
    enum qr_dateformat dateformat; /* SET DATEFORMAT, QR_MDY by default */
    bool cuts_stored;              /* SET ANSI_WARNINGS OFF: what is stored is cut in silence */
};

enum qr_convert_mode {
    QR_CONVERT_CAST,     /* asked for: any allowed conversion; strings are cut in silence */
    QR_CONVERT_IMPLICIT, /* implied in an expression or a variable: checks the implicit matrix */
    QR_CONVERT_STORE,    /* into a column: implicit, and cutting a string is 2628 / 8152 */
};

struct qr_converter;
/* `in` is not NULL here. err may be NULL (TRY_CAST: nothing is formatted). */
typedef enum qr_status qr_convert_fn(const struct qr_converter *c, const struct qr_value *in,
                                     const struct qr_convert_env *env, struct qr_value *ret_value,
                                     struct qr_err *err);

struct qr_converter {
    qr_convert_fn *fn;    /* NULL: the value passes unchanged */
    qr_convert_fn *inner; /* of chained conversions; private */
    struct qr_type from, to;
    int style; /* CONVERT's third argument or QR_STYLE_DEFAULT */
    bool store;
    const char *table, *column; /* for 2628, borrowed; NULL: 8152 */
};

/* No style given. It differs from 0 for the newer date and time types only: their default text is
 * ISO, while CONVERT(..., 0) gives 'Jan  2 2020  3:04AM'. */
enum { QR_STYLE_DEFAULT = -1 };

/* Fails with 232, whose state goes by the type: `text` is the number that does not fit `to`. */
enum qr_status qr_float_overflow(struct qr_err *err, const struct qr_type *to, const char *text);

/* Fails with 206, 257 or 529 if the pair is not allowed in `mode`, with 281 if a constant style
 * does not exist for the pair. The `from` type may be the untyped NULL. */
QR_NODISCARD enum qr_status qr_converter_init(struct qr_converter *c, const struct qr_type *from,
                                              const struct qr_type *to, int style,
                                              enum qr_convert_mode mode, struct qr_err *err);

/* Runs it. NULL gives NULL. QR_SQL for a T-SQL error (TRY_ variants turn QR_SQL into NULL),
 * QR_NOMEM otherwise. ret_value may be `in`. */
static inline enum qr_status qr_convert(const struct qr_converter *c, const struct qr_value *in,
                                        const struct qr_convert_env *env,
                                        struct qr_value *ret_value, struct qr_err *err)
{
    if (c->fn == NULL || in->cell == QR_CELL_NULL) {
        *ret_value = *in;
        return QR_OK;
    }
    return c->fn(c, in, env, ret_value, err);
}

/* Prepare and run at once, for places that are not hot (mode CAST, no style). */
QR_NODISCARD enum qr_status qr_convert_once(const struct qr_type *from, const struct qr_value *in,
                                            const struct qr_type *to,
                                            const struct qr_convert_env *env,
                                            struct qr_value *ret_value, struct qr_err *err);

/* The default text of any value as PRINT, string concatenation and error messages show it. */
QR_NODISCARD enum qr_status qr_value_text_of(const struct qr_type *type, const struct qr_value *v,
                                             const struct qr_convert_env *env,
                                             struct qr_str *ret_text, struct qr_err *err);

/* float and real to text. style 0: at most 6 digits (1e+006 form when needed), 1: 8 digits in
 * scientific form, 2: 16 digits, 3: 17 digits, lossless. Returns the length. */
enum { QR_FLOAT_TEXT_BYTES = 40 };
size_t qr_float_print(double d, bool is_real, int style, char dst[QR_FLOAT_TEXT_BYTES]);
/* Text to float: blanks, sign, digits, exponent (e, E, d, D). False if malformed; ret_overflow if
 * it exceeds double. "" is 0. */
bool qr_float_parse(struct qr_str text, double *ret_value, bool *ret_overflow);

/* DATALENGTH: bytes as SQL Server would hold the value. */
size_t qr_value_datalength(const struct qr_type *type, const struct qr_value *v);
