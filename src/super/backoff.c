/* backoff.c - see super_int.h */
#include "super_int.h"
#include "base/banned.h"

int64_t qri_backoff_next(struct qri_backoff *backoff, int64_t ran_ns,
                         const struct qr_super_options *options)
{
    if (ran_ns >= options->service_ns)
        backoff->next_ns = 0;
    int64_t pause = backoff->next_ns;
    backoff->next_ns = pause == 0                          ? options->pause_min_ns
                       : pause > options->pause_max_ns / 2 ? options->pause_max_ns
                                                           : pause * 2;
    return pause;
}
