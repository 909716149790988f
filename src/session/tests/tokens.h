/* tokens.h - a server's answer as words: "COL ROW ROW DONE:count=2" and so on.
 *
 * DONE words list their bits in lower case after a colon: more, error, attn, count=N. Only the
 * result sets of the fake engine (one int column, NOT NULL, named a) and int return values are
 * understood. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Takes packets apart and prints; `*ret_eom` counts packets with the EOM bit. */
void tokens_print(const uint8_t *packets, size_t bytes, char *dst, size_t dst_bytes, int *ret_eom);
