/* steady.c - see steady.h */
#include "steady.h"
#include "base/banned.h"

void qri_steady_begin(struct qri_steady *s, int64_t last_wall_ns, int64_t ahead_wall_ns,
                      int64_t wall_ns, int64_t mono_ns)
{
    bool was_off = last_wall_ns != 0 && wall_ns - last_wall_ns > QRI_STEADY_OFF_NS;
    *s = (struct qri_steady){.wall_ns = was_off ? last_wall_ns : wall_ns, .mono_ns = mono_ns};
    if (!was_off || ahead_wall_ns == 0 || wall_ns < ahead_wall_ns)
        return;
    s->ahead_wall_ns = ahead_wall_ns;
    s->ahead_since_ns = mono_ns - (wall_ns - ahead_wall_ns);
}

int64_t qri_steady_now(struct qri_steady *s, int64_t wall_ns, int64_t mono_ns, bool *ret_jumped)
{
    int64_t steady_ns = s->wall_ns + (mono_ns - s->mono_ns);
    bool is_ahead = wall_ns - steady_ns > QRI_STEADY_JUMP_NS;
    *ret_jumped = is_ahead && s->ahead_wall_ns == 0;
    if (*ret_jumped) {
        s->ahead_since_ns = mono_ns;
        s->ahead_wall_ns = wall_ns;
    }
    if (is_ahead && mono_ns - s->ahead_since_ns < QRI_STEADY_DOUBT_NS)
        return steady_ns;
    *s = (struct qri_steady){.wall_ns = wall_ns, .mono_ns = mono_ns};
    return wall_ns;
}
