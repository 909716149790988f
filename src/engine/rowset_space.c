/* rowset_space.c - see rowset_space.h
 *
 * A rowset keeps 32 MiB in memory: most never get there, and a hundred that do are no more than a
 * few gigabytes. When half of the process's memory for statements is taken (memory_int.h), each
 * keeps 1 MiB; the other half is for those that cannot spill, and for what is in use meanwhile. */
#include "rowset_space.h"
#include <assert.h>
#include <stdlib.h>
#include "memory_int.h"
#include "base/banned.h"

enum {
    SEGMENT_BYTES_MIN = 1024,
    SEGMENT_BYTES = 256 * 1024,
    KEEPS_BYTES = 32 << 20, /* of each, in memory */
    KEEPS_BYTES_MIN = 1 << 20,
    MEMORY_MAX_MIB = 1024, /* of one that has no file */
};

static size_t keeps_bytes(void)
{
    return qri_memory_is_half() ? KEEPS_BYTES_MIN : KEEPS_BYTES;
}

/* ---- segments ---- */

static enum qr_status grow_list(struct qri_space *space, struct qr_err *err)
{
    if (space->count < space->capacity)
        return QR_OK;
    size_t capacity = space->capacity == 0 ? 4 : space->capacity * 2;
    struct qri_segment *grown = realloc(space->segments, capacity * sizeof *grown);
    if (grown == NULL)
        return qr_fail(err, QR_NOMEM, "grow a rowset");
    space->segments = grown;
    space->capacity = capacity;
    return QR_OK;
}

static enum qr_status add_segment(struct qri_space *space, size_t need, struct qr_err *err)
{
    size_t bytes = space->count == 0 ? SEGMENT_BYTES_MIN : SEGMENT_BYTES;
    if (bytes < need)
        bytes = need;
    if (space->store == NULL && space->bytes + bytes > (size_t)MEMORY_MAX_MIB << 20)
        return qr_fail(err, QR_FULL, "a rowset is over %d MiB", MEMORY_MAX_MIB);
    QR_TRY(grow_list(space, err));
    QR_TRY(qri_memory_charge(bytes, space->store != NULL, err));
    char *data = malloc(bytes);
    if (data == NULL) {
        qri_memory_discharge(bytes, space->store != NULL);
        return qr_fail(err, QR_NOMEM, "grow a rowset");
    }
    assert(space->segments != NULL); /* there is room */
    space->segments[space->count++] = (struct qri_segment){.data = data, .capacity = bytes};
    space->bytes += bytes;
    return QR_OK;
}

enum qr_status qri_space_add(struct qri_space *space, size_t bytes, char **ret_data,
                             uint32_t *ret_segment, uint32_t *ret_offset, struct qr_err *err)
{
    struct qri_segment *last = space->count == 0 ? NULL : &space->segments[space->count - 1];
    if (last == NULL || last->capacity - last->used < bytes) {
        QR_TRY(add_segment(space, bytes, err));
        last = &space->segments[space->count - 1];
    }
    *ret_data = last->data + last->used;
    *ret_segment = (uint32_t)(space->count - 1);
    *ret_offset = (uint32_t)last->used;
    last->used += bytes;
    return QR_OK;
}

/* ---- the file ---- */

static enum qr_status write_out(struct qri_space *space, struct qri_segment *s, struct qr_err *err)
{
    if (space->file == NULL) {
        QR_TRY(qr_tmp_file_new(space->store, &space->file, err));
        qr_tmp_file_charge(space->file);
    }
    uint64_t offset = qr_tmp_file_bytes(space->file);
    QR_TRY(qr_tmp_file_write(space->file, s->data, s->used, offset, err));
    space->bytes -= s->capacity;
    qri_memory_discharge(s->capacity, space->store != NULL);
    free(s->data);
    *s = (struct qri_segment){.used = s->used, .offset = offset};
    space->version++;
    return QR_OK;
}

enum qr_status qri_space_settle(struct qri_space *space, struct qr_err *err)
{
    if (space->store == NULL || space->bytes <= KEEPS_BYTES_MIN)
        return QR_OK;
    size_t keeps = keeps_bytes();
    while (space->bytes > keeps && space->spilled + 1 < space->count) /* the last is written on */
        QR_TRY(write_out(space, &space->segments[space->spilled++], err));
    return QR_OK;
}

static void close_window(struct qri_space *space, struct qri_window *w)
{
    if (w->data == NULL)
        return;
    qri_memory_discharge(w->capacity, true);
    free(w->data);
    *w = (struct qri_window){0};
    space->version++;
}

static enum qr_status open_window(struct qri_space *space, struct qri_window *w, uint32_t segment,
                                  struct qr_err *err)
{
    const struct qri_segment *s = &space->segments[segment];
    close_window(space, w);
    QR_TRY(qri_memory_charge(s->used, true, err));
    w->data = malloc(s->used);
    if (w->data == NULL) {
        qri_memory_discharge(s->used, true);
        return qr_fail(err, QR_NOMEM, "read a rowset");
    }
    w->capacity = s->used;
    w->segment = segment;
    enum qr_status status = qr_tmp_file_read_exactly(space->file, w->data, s->used, s->offset, err);
    if (status != QR_OK)
        close_window(space, w);
    return status;
}

enum qr_status qri_space_at(struct qri_space *space, uint32_t segment, uint32_t offset,
                            const char **ret_data, struct qr_err *err)
{
    const struct qri_segment *s = &space->segments[segment];
    if (s->data != NULL) {
        *ret_data = s->data + offset;
        return QR_OK;
    }
    struct qri_window *oldest = &space->windows[0], *found = NULL;
    for (int i = 0; i < QRI_SPACE_WINDOWS && found == NULL; i++) {
        struct qri_window *w = &space->windows[i];
        if (w->data != NULL && w->segment == segment)
            found = w;
        oldest = w->used_at < oldest->used_at ? w : oldest;
    }
    if (found == NULL)
        QR_TRY(open_window(space, oldest, segment, err));
    struct qri_window *w = found != NULL ? found : oldest;
    w->used_at = ++space->clock;
    *ret_data = w->data + offset;
    return QR_OK;
}

/* ---- the end ---- */

void qri_space_clear(struct qri_space *space)
{
    bool keeps = space->count > 0 && space->segments[0].data != NULL; /* for what comes next */
    for (int i = 0; i < QRI_SPACE_WINDOWS; i++)
        close_window(space, &space->windows[i]);
    for (size_t i = keeps ? 1 : 0; i < space->count; i++) {
        if (space->segments[i].data == NULL)
            continue;
        space->bytes -= space->segments[i].capacity;
        qri_memory_discharge(space->segments[i].capacity, space->store != NULL);
        free(space->segments[i].data);
    }
    if (keeps)
        space->segments[0].used = 0;
    space->count = keeps ? 1 : 0;
    space->spilled = 0;
    qr_tmp_file_free(space->file);
    space->file = NULL;
    space->version++;
}

void qri_space_done(struct qri_space *space)
{
    qri_space_clear(space);
    if (space->count > 0) {
        qri_memory_discharge(space->bytes, space->store != NULL);
        free(space->segments[0].data);
    }
    free(space->segments);
}
