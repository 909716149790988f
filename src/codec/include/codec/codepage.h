/* codec/codepage.h - the code pages of char and varchar.
 *
 * Pure, any thread. Memory text is always UTF-8; a code page matters for the wire, for DATALENGTH
 * and varchar(n) limits (bytes of the page), and for what nvarchar loses on its way to varchar:
 * a character that the page lacks becomes its documented best fit ('ā' to 'a') or '?'. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

enum {
    QR_CP_1252 = 1252,
    QR_CP_UTF8 = 65001, /* collations whose name ends in _UTF8 */
};

bool qr_codepage_known(uint16_t code_page); /* 437 850 874 932 936 949 950 1250..1258 65001 */

/* Page bytes to UTF-8. dst needs 3 bytes a byte. Returns the bytes written. Bytes that a
 * single-byte page leaves undefined map to the C1 control of the same number, pairs to U+FFFD. */
size_t qr_codepage_decode(uint16_t code_page, const void *src, size_t bytes, char *dst);
/* UTF-8 to page bytes; best fit or '?' (a supplementary character gives "??"). dst needs text.n
 * bytes. Returns the bytes written. */
size_t qr_codepage_encode(uint16_t code_page, struct qr_str text, void *dst);
/* How many bytes qr_codepage_encode would write: DATALENGTH of a varchar. */
size_t qr_codepage_length(uint16_t code_page, struct qr_str text);
/* The UTF-8 bytes of the longest prefix of at most `bytes` page bytes; never splits a character. */
size_t qr_codepage_prefix(uint16_t code_page, struct qr_str text, size_t bytes);
/* Whether every character is in the page (exactly, best fit does not count): then converting an
 * nvarchar parameter to varchar loses nothing. */
bool qr_codepage_has(uint16_t code_page, struct qr_str text);
/* nvarchar to varchar: the text with everything outside the page replaced. Borrows `text` if it
 * changes nothing. QR_NOMEM. */
QR_NODISCARD enum qr_status qr_codepage_fit(uint16_t code_page, struct qr_str text,
                                            struct qr_arena *arena, struct qr_str *ret_text);
/* ASCII(), CHAR(): one byte and one character of the page. -1 if the text is empty. */
int qr_codepage_first_byte(uint16_t code_page, struct qr_str text);
size_t qr_codepage_char(uint16_t code_page, uint8_t byte, char dst[4]);
