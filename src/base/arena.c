/* arena.c - see base/arena.h */
#include "base/arena.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/large.h"
#include "base/banned.h"

enum {
    CHUNK_BYTES_MIN = 992, /* small enough for what malloc keeps ready for each thread */
    CHUNK_BYTES_MAX = 256 * 1024,
    ALIGN = 16,
};

struct qr_arena_chunk {
    struct qr_arena_chunk *prev;
    size_t bytes; /* of data */
    _Alignas(16) char data[];
};

static struct qr_arena_chunk *new_chunk(size_t bytes)
{
    if (!qr_large_take(bytes))
        return NULL;
    struct qr_arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (chunk == NULL)
        qr_large_give(bytes);
    else
        chunk->bytes = bytes;
    return chunk;
}

void qr_arena_init(struct qr_arena *arena, size_t bytes_max)
{
    *arena = (struct qr_arena){.bytes_max = bytes_max};
}

static void free_chunks(struct qr_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct qr_arena_chunk *prev = chunk->prev;
        qr_large_give(chunk->bytes);
        free(chunk);
        chunk = prev;
    }
}

void qr_arena_done(struct qr_arena *arena)
{
    if (arena == NULL)
        return;
    free_chunks(arena->chunk);
    *arena = (struct qr_arena){.bytes_max = arena->bytes_max};
}

void qr_arena_reset(struct qr_arena *arena)
{
    struct qr_arena_chunk *keep = arena->chunk;
    if (keep == NULL)
        return;
    if (keep->bytes > CHUNK_BYTES_MAX) { /* an oversized chunk is not worth keeping */
        qr_arena_done(arena);
        return;
    }
    free_chunks(keep->prev);
    keep->prev = NULL;
    arena->next = keep->data;
    arena->end = keep->data + keep->bytes;
    arena->total_bytes = keep->bytes;
}

static char *add_chunk(struct qr_arena *arena, size_t need)
{
    size_t bytes = arena->chunk == NULL ? CHUNK_BYTES_MIN : arena->chunk->bytes * 2;
    if (bytes > CHUNK_BYTES_MAX)
        bytes = CHUNK_BYTES_MAX;
    if (bytes < need)
        bytes = need;
    if (bytes > arena->bytes_max - arena->total_bytes) {
        if (need > arena->bytes_max - arena->total_bytes)
            return NULL;
        bytes = need;
    }
    struct qr_arena_chunk *chunk = new_chunk(bytes);
    if (chunk == NULL)
        return NULL;
    chunk->prev = arena->chunk;
    arena->chunk = chunk;
    arena->next = chunk->data;
    arena->end = chunk->data + bytes;
    arena->total_bytes += bytes;
    return chunk->data;
}

void *qr_arena_alloc(struct qr_arena *arena, size_t bytes)
{
    if (bytes > arena->bytes_max)
        return NULL;
    size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (need == 0)
        need = ALIGN;
    if ((size_t)(arena->end - arena->next) < need && add_chunk(arena, need) == NULL)
        return NULL;
    char *p = arena->next;
    arena->next += need;
    memset(p, 0, need);
    return p;
}

void *qr_arena_array(struct qr_arena *arena, size_t count, size_t item_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes))
        return NULL;
    return qr_arena_alloc(arena, bytes);
}

void *qr_arena_grow(struct qr_arena *arena, void *items, size_t count, size_t *capacity,
                    size_t need, size_t item_bytes)
{
    if (need <= *capacity)
        return items;
    size_t larger = *capacity < 8 ? 8 : *capacity * 2;
    if (larger < need)
        larger = need;
    void *moved = qr_arena_array(arena, larger, item_bytes);
    if (moved == NULL)
        return NULL;
    if (count > 0)
        memcpy(moved, items, count * item_bytes);
    *capacity = larger;
    return moved;
}

char *qr_arena_dup(struct qr_arena *arena, const void *bytes, size_t count)
{
    if (count == SIZE_MAX)
        return NULL;
    char *p = qr_arena_alloc(arena, count + 1);
    if (p != NULL && count > 0)
        memcpy(p, bytes, count);
    return p;
}

char *qr_arena_printf(struct qr_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    char *p = qr_arena_alloc(arena, (size_t)n + 1);
    if (p == NULL)
        return NULL;
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    return p;
}

struct qr_str qr_arena_str(struct qr_arena *arena, struct qr_str s)
{
    char *p = qr_arena_dup(arena, s.p, s.n);
    return p == NULL ? (struct qr_str){NULL, 0} : (struct qr_str){p, s.n};
}
