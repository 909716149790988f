/* codec/utf.h - UTF-16LE (wire) and UTF-8 (memory) both ways; positions in UTF-16 units.
 *
 * Pure, no allocation, any thread. Memory text is WTF-8: UTF-8 in which a lone surrogate of the
 * UTF-16 side is three bytes (ED A0..BF xx), so that any nvarchar survives a round trip; NUL is an
 * ordinary character. A pair of surrogates is always one 4-byte sequence (qr_utf_join repairs where
 * two strings meet). T-SQL counts UTF-16 units: LEN, SUBSTRING, nvarchar(n). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

/* dst needs 3 bytes a unit. Returns the bytes written. Never fails: all units are representable. */
size_t qr_utf8_from_utf16le(const void *src, size_t units, char *dst);
/* dst needs 2 bytes for each byte of src. Returns the units written. Malformed bytes (there are
 * none in memory text) become U+FFFD one by one. */
size_t qr_utf16le_from_utf8(struct qr_str src, void *dst);

/* How many UTF-16 units the text is. */
size_t qr_utf16_units(struct qr_str text);
/* The bytes of the longest prefix with at most `units` units; never splits a character. */
size_t qr_utf_prefix(struct qr_str text, size_t units);
/* Units [from, from + units) clipped to the text. Borrowed from `text` unless it cuts a surrogate
 * pair, when a copy with the lone half is made in the arena. QR_NOMEM. */
QR_NODISCARD enum qr_status qr_utf_substr(struct qr_str text, size_t from, size_t units,
                                          struct qr_arena *arena, struct qr_str *ret_text);
/* Where unit `index` starts, in bytes (text.n if past the end); inside a pair: at its start. */
size_t qr_utf_byte_of_unit(struct qr_str text, size_t index);
/* a followed by b; joins surrogate halves that meet. QR_NOMEM. */
QR_NODISCARD enum qr_status qr_utf_join(struct qr_arena *arena, struct qr_str a, struct qr_str b,
                                        struct qr_str *ret_text);

/* Is it well-formed WTF-8 (for bytes from outside)? */
bool qr_utf_valid(struct qr_str text);
bool qr_utf_is_ascii(struct qr_str text);

/* Decodes one code point at *pos < text.n (malformed: U+FFFD, one byte) and moves on. */
uint32_t qr_utf_next(struct qr_str text, size_t *pos);
/* Encodes; dst has room for 4. Returns the bytes. Surrogates are encoded as they are. */
size_t qr_utf_put(uint32_t code_point, char *dst);

/* UPPER and LOWER: simple case mapping of one code point to one. dst needs 3 bytes for each byte
 * of text. Returns the bytes written. */
size_t qr_utf_upper(struct qr_str text, char *dst);
size_t qr_utf_lower(struct qr_str text, char *dst);
uint32_t qr_utf_upper1(uint32_t code_point);
uint32_t qr_utf_lower1(uint32_t code_point);
