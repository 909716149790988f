/* qstore_make.c - what making plans took, to Query Store's tables and from there; see qstore_int.h
 */
#include <math.h>
#include "base/endian.h"
#include "catalog_change_int.h"
#include "qstore_int.h"
#include "sysview_int.h"
#include "base/banned.h"

void qri_makes_merge(struct qri_makes *into, const struct qri_makes *later)
{
    for (int i = 0; later->count > 0 && i < QRI_MADE_KINDS; i++) {
        struct qri_make_cost *to = &into->of[i];
        const struct qri_make_cost *from = &later->of[i];
        to->total += from->total;
        to->last = from->last;
        to->max = from->max > to->max ? from->max : to->max;
    }
    into->count += later->count;
}

/* Little-endian, 8 bytes each: how many kinds, the count, and three for each kind. */
void qri_qs_put_makes(const struct qri_makes *makes, uint8_t dst[QRI_QS_MAKES_BYTES])
{
    qr_put64le(dst, QRI_MADE_KINDS);
    qr_put64le(dst + 8, (uint64_t)makes->count);
    dst += 16;
    for (int i = 0; i < QRI_MADE_KINDS; i++, dst += 24) {
        qr_put64le(dst, (uint64_t)makes->of[i].total);
        qr_put64le(dst + 8, (uint64_t)makes->of[i].last);
        qr_put64le(dst + 16, (uint64_t)makes->of[i].max);
    }
}

/* Other versions may count more kinds, or fewer. */
bool qri_qs_get_makes(const void *src, size_t bytes, struct qri_makes *ret_makes)
{
    const uint8_t *p = src;
    *ret_makes = (struct qri_makes){0};
    if (bytes < 16)
        return false;
    uint64_t kinds = qr_get64le(p);
    if (kinds > bytes || bytes != 16 + kinds * 24)
        return false;
    ret_makes->count = (int64_t)qr_get64le(p + 8);
    p += 16;
    for (uint64_t i = 0; i < kinds && i < QRI_MADE_KINDS; i++, p += 24)
        ret_makes->of[i] = (struct qri_make_cost){.total = (int64_t)qr_get64le(p),
                                                  .last = (int64_t)qr_get64le(p + 8),
                                                  .max = (int64_t)qr_get64le(p + 16)};
    return ret_makes->count > 0;
}

struct qri_makes qri_qs_makes_of(struct qri_qs_disk *disk, enum qri_qs_sql which, int64_t id)
{
    struct qri_makes sum = {0}, one;
    sqlite3_stmt *stmt = disk->has_tables ? qri_qs_stmt(disk, which, 1, id) : NULL;
    while (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW)
        if (qri_qs_get_makes(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                             &one))
            qri_makes_merge(&sum, &one);
    if (stmt != NULL)
        sqlite3_reset(stmt);
    return sum;
}

enum qr_status qri_qs_write_makes(struct qri_qs_disk *disk, const struct qri_qs_plan *plan,
                                  struct qr_err *err)
{
    uint8_t bytes[QRI_QS_MAKES_BYTES];
    struct qri_makes sum = qri_qs_makes_of(disk, QRI_QS_FIND_MAKES, plan->id);
    qri_makes_merge(&sum, &plan->makes);
    qri_qs_put_makes(&sum, bytes);
    sqlite3_stmt *stmt = qri_qs_stmt(disk, QRI_QS_PUT_MAKES, 1, plan->id);
    if (stmt != NULL)
        sqlite3_bind_blob(stmt, 2, bytes, sizeof bytes, SQLITE_STATIC);
    if (stmt == NULL || sqlite3_step(stmt) != SQLITE_DONE)
        return qri_conn_fail(disk->db, err, "write Query Store");
    sqlite3_reset(stmt);
    return QR_OK;
}

static struct qri_make_cells cells(const struct qri_makes *makes, const struct qri_make_cost *c,
                                   int unit)
{
    static const struct qri_make_cells unknown = {NAN, QRI_SYS_NULL_BIGINT, QRI_SYS_NULL_BIGINT};
    return makes->count == 0
               ? unknown
               : (struct qri_make_cells){(double)c->total / (double)makes->count / unit,
                                         c->last / unit, c->max / unit};
}

struct qri_make_cells qri_make_cells(const struct qri_makes *makes, enum qri_made_kind kind)
{
    return cells(makes, &makes->of[kind], kind == QRI_MADE_BYTES ? 1024 : 1000);
}

struct qri_make_cells qri_compile_cells(const struct qri_makes *makes)
{
    const struct qri_make_cost *bind = &makes->of[QRI_MADE_BIND_NS],
                               *optimize = &makes->of[QRI_MADE_OPTIMIZE_NS];
    struct qri_make_cost sum = {.total = bind->total + optimize->total,
                                .last = bind->last + optimize->last};
    return cells(makes, &sum, 1000);
}
