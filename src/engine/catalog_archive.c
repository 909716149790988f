/* catalog_archive.c - see catalog_archive_int.h */
#include "catalog_archive_int.h"
#include "base/endian.h"
#include "base/banned.h"

enum { ITEMS_MAX = 4096 };

static const uint8_t *take(struct qri_archive *ar, size_t bytes)
{
    if (ar->failed || (size_t)(ar->end - ar->next) < bytes) {
        ar->failed = true;
        return NULL;
    }
    const uint8_t *p = ar->next;
    ar->next += bytes;
    return p;
}

void qri_put_u8(struct qri_archive *ar, uint8_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add8(ar->out, *v);
        return;
    }
    const uint8_t *p = take(ar, 1);
    *v = p == NULL ? 0 : *p;
}

void qri_put_bool(struct qri_archive *ar, bool *v)
{
    uint8_t b = *v ? 1 : 0;
    qri_put_u8(ar, &b);
    *v = b != 0;
}

void qri_put_u32(struct qri_archive *ar, uint32_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add32le(ar->out, *v);
        return;
    }
    const uint8_t *p = take(ar, 4);
    *v = p == NULL ? 0 : qr_get32le(p);
}

void qri_put_i64(struct qri_archive *ar, int64_t *v)
{
    if (ar->out != NULL) {
        qr_buf_add64le(ar->out, (uint64_t)*v);
        return;
    }
    const uint8_t *p = take(ar, 8);
    *v = p == NULL ? 0 : (int64_t)qr_get64le(p);
}

void qri_put_str(struct qri_archive *ar, struct qr_str *s)
{
    uint32_t n = (uint32_t)s->n;
    qri_put_u32(ar, &n);
    if (ar->out != NULL) {
        qr_buf_add(ar->out, s->p, n);
        return;
    }
    const uint8_t *p = take(ar, n);
    char *copy = p == NULL ? NULL : qr_arena_dup(ar->arena, p, n);
    if (copy == NULL) {
        ar->failed = true;
        *s = (struct qr_str){"", 0};
        return;
    }
    *s = (struct qr_str){copy, n};
}

void *qri_put_count(struct qri_archive *ar, void *items, size_t *count, size_t item_bytes)
{
    uint32_t n = (uint32_t)*count;
    qri_put_u32(ar, &n);
    if (ar->out != NULL)
        return items;
    *count = 0;
    if (ar->failed || n > ITEMS_MAX) {
        ar->failed = true;
        return NULL;
    }
    void *room = qr_arena_array(ar->arena, n, item_bytes);
    if (room == NULL) {
        ar->failed = true;
        return NULL;
    }
    *count = n;
    return room;
}
