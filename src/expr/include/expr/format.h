/* expr/format.h - the message language of RAISERROR and FORMATMESSAGE, and .NET format patterns.
 *
 * Pure, any thread. Results live in the arena. */
#pragma once
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"
#include "codec/value.h"

/* %[flags][width][.precision][l|h|I64]type with types d i o s u x X; flags - + 0 # blank; * takes
 * an int argument. Strings of any kind go with %s, integers with the others; NULL prints as
 * "(null)"; a missing argument prints as "(null)" too. The result is cut at 2,047 UTF-16 units, as
 * SQL Server does with three dots at the end.
 * 2786 when an argument does not match its place, 2787 for a malformed specification. */
QR_NODISCARD enum qr_status qr_format_message(struct qr_arena *arena, struct qr_str text,
                                              const struct qr_type *types,
                                              const struct qr_value *args, size_t arg_count,
                                              struct qr_str *ret_text, struct qr_err *err);
