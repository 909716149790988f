/* base/crc.h - CRC-32C (Castagnoli), hardware where the CPU has it. Pure, any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Continues from `crc` (0 to start). */
uint32_t qr_crc32c(uint32_t crc, const void *bytes, size_t count);
/* Of two pieces one behind the other, from what each has alone. */
uint32_t qr_crc32c_join(uint32_t first, uint32_t second, uint64_t second_bytes);
/* The same without the processor's instruction; for tests. */
uint32_t qri_crc32c_plain(uint32_t crc, const void *bytes, size_t count);
