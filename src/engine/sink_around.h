/* sink_around.h - a sink around another, which takes the rows itself and passes on the rest. */
#pragma once
#include "engine_int.h"

/* The first member of what the functions of such a sink are given. */
struct qri_sink_around {
    const struct qr_sink *outer;
};

/* `columns` and `row` are NULL: the caller puts its own in place, and others where it wants.
 * `around` is their ctx, and lives as long as the sink. */
struct qr_sink qri_sink_around(struct qri_sink_around *around);
