/* base/large.h - somebody may count the large pieces of memory that are taken for statements.
 *
 * Of arenas (base/arena.h) and of the buffers that ask for it (qr_buf_init_counted). Without a
 * watch every piece is free to be had. Threads: any, once the watch is set. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* `take` is asked before pieces of `bytes_min` and more are made: false is as if malloc had none;
 * `give` is told when they are freed. Call before the first of them, once. */
void qr_large_watch(size_t bytes_min, bool (*take)(size_t bytes), void (*give)(size_t bytes));
bool qr_large_take(size_t bytes); /* true too if it is none of the large ones */
void qr_large_give(size_t bytes);
