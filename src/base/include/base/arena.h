/* base/arena.h - memory with a named lifetime; freed all at once, never alone.
 *
 * One thread at a time. Allocation aligns to 16 bytes and returns zeroed memory. An arena has a
 * maximum; an allocation beyond it, or a failed malloc, returns NULL, which callers turn into
 * QR_NOMEM. Large chunks are counted (base/large.h). Parameters are named by lifetime: arena_stmt,
 * arena_batch, arena_session. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include "base/status.h"
#include "base/str.h"

struct qr_arena_chunk;
struct qr_arena {
    struct qr_arena_chunk *chunk; /* newest first */
    char *next, *end;
    size_t total_bytes, bytes_max;
};

void qr_arena_init(struct qr_arena *arena, size_t bytes_max);
void qr_arena_done(struct qr_arena *arena);
/* Frees everything but keeps one chunk for reuse. */
void qr_arena_reset(struct qr_arena *arena);

void *qr_arena_alloc(struct qr_arena *arena, size_t bytes);
/* count * item_bytes with overflow check. */
void *qr_arena_array(struct qr_arena *arena, size_t count, size_t item_bytes);
/* Returns an array with room for at least `need` items, moving `items` (count used) if `*capacity`
 * is too small; doubles. NULL on failure. */
void *qr_arena_grow(struct qr_arena *arena, void *items, size_t count, size_t *capacity,
                    size_t need, size_t item_bytes);
/* Copies add a NUL that is not counted. */
char *qr_arena_dup(struct qr_arena *arena, const void *bytes, size_t count);
char *qr_arena_printf(struct qr_arena *arena, const char *fmt, ...) QR_PRINTF(2, 3);
struct qr_str qr_arena_str(struct qr_arena *arena, struct qr_str s);
