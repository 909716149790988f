/* status_int.h - the parts of `quire status` that are this machine's alone. */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "base/str.h"

/* The supervisor that serves the data directory, and its children. QR_CLOSED: nobody does. */
QR_NODISCARD enum qr_status qri_status_processes(const char *data_dir, json_t **ret_list,
                                                 struct qr_err *err);
/* Of a program, by the first bytes of its file; points into them. n = 0: it does not tell. Pure. */
struct qr_str qri_version_of_elf(const uint8_t *bytes, size_t count);
/* What its parts take, and what is free. */
QR_NODISCARD enum qr_status qri_status_disk(const char *data_dir, json_t **ret_list,
                                            struct qr_err *err);
