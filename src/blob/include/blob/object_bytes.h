/* blob/object_bytes.h - a file of the directory backend, for tools that are given one alone. Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* Checks header, length and checksum. *ret_start: where the object's bytes begin; set also when
 * the status is QR_CORRUPT and the header could be passed. */
QR_NODISCARD enum qr_status qr_blob_object_bytes(const uint8_t *file, size_t count,
                                                 size_t *ret_start, struct qr_err *err);
