/* status_int.h - the parts of `quire status` that are this machine's alone. */
#pragma once
#include <jansson.h>
#include "base/status.h"

/* The supervisor that serves the data directory, and its children. QR_CLOSED: nobody does. */
QR_NODISCARD enum qr_status qri_status_processes(const char *data_dir, json_t **ret_list,
                                                 struct qr_err *err);
/* What its parts take, and what is free. */
QR_NODISCARD enum qr_status qri_status_disk(const char *data_dir, json_t **ret_list,
                                            struct qr_err *err);
