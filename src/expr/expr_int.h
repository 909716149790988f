/* expr_int.h - shared inside expr. */
#pragma once
#include <assert.h>
#include "base/buf.h"
#include "base/sqlmsg.h"
#include "expr/eval.h"
#include "expr/expr.h"
#include "expr/func.h"

/* --- building (node.c) --- */

/* A node over copies of `args` with everything that follows from them set: depth, volatility,
 * nullable (some argument is), has_ flags. Type and union are the caller's. 191 when too deep. */
QR_NODISCARD enum qr_status qri_expr_node(struct qr_expr_builder *b, enum qr_expr_kind kind,
                                          const struct qr_expr *const *args, size_t arg_count,
                                          struct qr_expr **ret_node);
/* Replaces a node over constants by its value if that can be had now. */
QR_NODISCARD enum qr_status qri_fold(struct qr_expr_builder *b, const struct qr_expr *node,
                                     const struct qr_expr **ret_expr);
/* The NULL of a type. */
QR_NODISCARD enum qr_status qri_null_of(struct qr_expr_builder *b, struct qr_type type,
                                        const struct qr_expr **ret_expr);
/* The same in place of `from`, which has no type. */
QR_NODISCARD enum qr_status qri_null_for(struct qr_expr_builder *b, const struct qr_expr *from,
                                         struct qr_type type, bool exact,
                                         const struct qr_expr **ret_expr);
static inline bool qri_is_null_literal(const struct qr_expr *e)
{
    return e->type.id == QR_TYPE_NULL;
}
static inline bool qri_is_const(const struct qr_expr *e)
{
    return e->kind == QR_EXPR_CONST;
}
enum qr_status qri_expr_nomem(struct qr_err *err);

/* --- types (typing.c) --- */

struct qr_collation_use qri_use_of(const struct qr_expr_builder *b, const struct qr_expr *e);
/* Mixes the collations of the string arguments; coercible default of the database if none. */
QR_NODISCARD enum qr_status qri_mix(struct qr_expr_builder *b, const struct qr_expr *const *args,
                                    size_t arg_count, const char *op,
                                    struct qr_collation_use *ret_use);
/* May values of `a` be compared with or used as values of `b` without conversion? */
bool qri_same_form(const struct qr_type *a, const struct qr_type *b);
/* Implicit conversion if the value has to change or the type's id differs. */
QR_NODISCARD enum qr_status qri_coerce(struct qr_expr_builder *b, struct qr_type type,
                                       const struct qr_expr *arg, const struct qr_expr **ret_expr);
/* An int literal takes its own precision when it meets a decimal. */
struct qr_type qri_literal_decimal(const struct qr_expr *e);
/* The kinds of arithmetic; everything that is no number is OTHER. */
enum qri_number { QRI_INT, QRI_DECIMAL, QRI_MONEY, QRI_FLOAT, QRI_OTHER };
enum qri_number qri_number_of(const struct qr_type *t);
bool qri_is_national(const struct qr_type *t);
/* varchar(n) or nvarchar(n) that holds any value of `t` in characters (int: varchar(12)...). */
struct qr_type qri_as_string(const struct qr_type *t, bool national, uint16_t collation);

/* --- operators (arith.c) --- */

/* Sets node->u.arith for operands that have their final types. */
void qri_arith_prepare(struct qr_expr *node);
/* 8115 under ARITHABORT or ANSI_WARNINGS, else NULL. */
QR_NODISCARD enum qr_status qri_overflow(const struct qr_eval *ctx, const struct qr_type *type,
                                         struct qr_value *ret_value, struct qr_err *err);
QR_NODISCARD enum qr_status qri_divide_by_zero(const struct qr_eval *ctx,
                                               struct qr_value *ret_value, struct qr_err *err);
/* As above from a decimal's answer; sets *ret_value to NULL when it is QR_OK to go on. */
QR_NODISCARD enum qr_status qri_num_fail(const struct qr_eval *ctx, enum qr_num num,
                                         const struct qr_type *type, struct qr_value *ret_value,
                                         struct qr_err *err);
/* --- fn_unistr.c --- */
QR_NODISCARD enum qr_status qri_type_unistr(struct qr_func_typing *t);
QR_NODISCARD enum qr_status qri_fn_unistr(const struct qr_call *c, struct qr_value *ret,
                                          struct qr_err *err);

/* --- fn_gzip.c --- */
QR_NODISCARD enum qr_status qri_type_compress(struct qr_func_typing *t);
QR_NODISCARD enum qr_status qri_type_decompress(struct qr_func_typing *t);
QR_NODISCARD enum qr_status qri_fn_compress(const struct qr_call *c, struct qr_value *ret,
                                            struct qr_err *err);
QR_NODISCARD enum qr_status qri_fn_decompress(const struct qr_call *c, struct qr_value *ret,
                                              struct qr_err *err);

bool qri_int_fits(enum qr_type_id id, int64_t v);

/* --- functions --- */

/* Families of the table, each sorted by name. */
struct qri_family {
    const struct qr_func *funcs;
    size_t count;
};
extern const struct qri_family qri_string_funcs, qri_text_funcs, qri_format_funcs, qri_math_funcs,
    qri_date_funcs, qri_date_make_funcs, qri_convert_funcs, qri_json_funcs, qri_hash_funcs,
    qri_system_funcs, qri_host_funcs, qri_choice_funcs, qri_xml_funcs, qri_regexp_funcs,
    qri_fuzzy_funcs, qri_vector_funcs;

/* A string type for a result: collation and label from `t->use`. */
void qri_result_string(struct qr_func_typing *t, bool national, size_t length);
/* Leaves strings alone and casts to varchar what converts implicitly; else 8116. */
QR_NODISCARD enum qr_status qri_arg_string(struct qr_func_typing *t, size_t index);
/* 0 for (max), else the length in the units of the family. */
size_t qri_text_length(const struct qr_type *type);
/* Result: the variable-length string type of the first argument. */
QR_NODISCARD enum qr_status qri_type_like_first(struct qr_func_typing *t);
/* int, or bigint where the argument is (max). */
QR_NODISCARD enum qr_status qri_type_position(struct qr_func_typing *t, size_t index);
enum qr_status qri_bad_argument(const struct qr_func_typing *t, size_t index);
static inline struct qr_str qri_arg_str(const struct qr_call *c, size_t i)
{
    return qr_value_bytes(&c->args[i]);
}
static inline const struct qr_type *qri_arg_type(const struct qr_call *c, size_t i)
{
    return &c->expr->args[i]->type;
}
/* Room for a result; QR_NOMEM. */
QR_NODISCARD enum qr_status qri_room(const struct qr_call *c, size_t bytes, char **ret_bytes,
                                     struct qr_err *err);
/* An argument's bytes as SQL Server has them: UTF-16 of nvarchar, the code page of varchar. */
QR_NODISCARD enum qr_status qri_stored_bytes(const struct qr_call *c, size_t index,
                                             struct qr_str *ret_bytes, struct qr_err *err);
/* Cuts a result to the CALL's declared length and returns it. */
QR_NODISCARD enum qr_status qri_return_text(const struct qr_call *c, struct qr_str text,
                                            struct qr_value *ret_value, struct qr_err *err);
/* The largest prefix of `text` that the string type holds. */
struct qr_str qri_cut(const struct qr_type *type, struct qr_str text);
struct qr_convert_env qri_convert_env(const struct qr_eval *ctx);
/* --- JSON (json.c, fn_json_make.c) --- */

enum { QRI_JSON_BYTES_MAX = 1 << 30 };
void qri_json_put_string(struct qr_buf *out, struct qr_str s); /* quoted and escaped */
QR_NODISCARD enum qr_status qri_json_put_value(const struct qr_call *c, size_t index,
                                               struct qr_buf *out, struct qr_err *err);
/* Takes the buffer: its text becomes the result if all went well. */
QR_NODISCARD enum qr_status qri_json_return(const struct qr_call *c, enum qr_status status,
                                            struct qr_buf *out, struct qr_value *ret_value,
                                            struct qr_err *err);
enum qr_status qri_json_object(const struct qr_call *c, struct qr_value *ret_value,
                               struct qr_err *err);
enum qr_status qri_json_array(const struct qr_call *c, struct qr_value *ret_value,
                              struct qr_err *err);

/* --- fn_hash.c --- */
size_t qri_base64_room(size_t bytes);
size_t qri_base64(struct qr_str bytes, char *dst); /* returns the length */

/* PARSE and TRY_PARSE of a CAST node (fn_convert.c). */
QR_NODISCARD enum qr_status qri_parse_value(const struct qr_expr *e, struct qr_eval *ctx,
                                            const struct qr_value *text, struct qr_value *ret_value,
                                            struct qr_err *err);
/* qr_expr_call's special cases (choice.c). */
QR_NODISCARD enum qr_status qri_call_special(struct qr_expr_builder *b, const struct qr_func *func,
                                             const struct qr_expr *const *args, size_t arg_count,
                                             const struct qr_expr **ret_expr);
