/* large.c - see base/large.h */
#include "base/large.h"
#include "base/banned.h"

static struct {
    size_t bytes_min; /* 0: nobody watches */
    bool (*take)(size_t bytes);
    void (*give)(size_t bytes);
} watch;

void qr_large_watch(size_t bytes_min, bool (*take)(size_t bytes), void (*give)(size_t bytes))
{
    watch.take = take;
    watch.give = give;
    watch.bytes_min = bytes_min;
}

static bool is_watched(size_t bytes)
{
    return watch.bytes_min != 0 && bytes >= watch.bytes_min;
}

bool qr_large_take(size_t bytes)
{
    return !is_watched(bytes) || watch.take(bytes);
}

void qr_large_give(size_t bytes)
{
    if (is_watched(bytes))
        watch.give(bytes);
}
