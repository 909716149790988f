/* sink_kept.h - what a statement's triggers say, kept back until the statement is over: when it has
 * to wait and runs again, they say it again.
 *
 * Messages and the DONEs of a trigger's statements are kept, in order; a result set is sent as it
 * comes, after what came before it. */
#pragma once
#include "engine_int.h"

struct qri_sink_kept {
    struct qr_sink sink;
    const struct qr_sink *outer;
    struct qr_buf said;
};

/* The session speaks to it from here on. Nothing is done if it has no sink, or is in a trigger. */
void qri_sink_keep(struct qri_sink_kept *kept, struct qr_session *session);
/* It speaks to the outer one again. `forget`: what was kept was said for nothing. */
QR_NODISCARD enum qr_status qri_sink_restore(struct qri_sink_kept *kept, struct qr_session *session,
                                             bool forget);
