/* log_walk.c - see backup_int.h */
#include "backup_int.h"
#include "base/banned.h"

void qri_log_walk_init(struct qri_log_walk *walk, uint64_t first_lsn)
{
    *walk = (struct qri_log_walk){.carry_lsn = first_lsn, .next_lsn = first_lsn};
    qr_buf_init(&walk->carry, QRI_PART_RAW_BYTES_MAX + 2 * QR_RECORD_BYTES_MAX);
}

void qri_log_walk_done(struct qri_log_walk *walk)
{
    qr_buf_done(&walk->carry);
}

enum qr_status qri_log_walk_piece(struct qri_log_walk *walk, const struct qr_piece *piece,
                                  qri_log_record_fn *each, void *ctx, struct qr_err *err)
{
    struct qr_piece p = *piece;
    uint64_t end = p.first_lsn + p.bytes;
    if (end <= walk->next_lsn)
        return QR_OK;
    if (p.first_lsn < walk->next_lsn) {
        uint32_t cut = (uint32_t)(walk->next_lsn - p.first_lsn);
        p = (struct qr_piece){walk->next_lsn, p.epoch, 0, 0, p.bytes - cut, 0, p.data + cut};
    }
    if (p.first_lsn != walk->next_lsn) {
        if ((p.flags & QR_PIECE_NEW_EPOCH) == 0)
            return qr_fail(err, QR_CORRUPT, "log from LSN %llu to %llu is not there",
                           (unsigned long long)walk->next_lsn, (unsigned long long)p.first_lsn);
        qr_buf_clear(&walk->carry); /* what the epoch before left unfinished is void */
        walk->carry_lsn = p.first_lsn;
    }
    qr_buf_add(&walk->carry, p.data, p.bytes);
    QR_TRY(qr_buf_status(&walk->carry, err));
    walk->next_lsn = end;
    size_t at = 0;
    while (!walk->over) {
        struct qr_record rec;
        enum qr_status status =
            qr_record_decode(walk->carry.data + at, walk->carry.len - at, &rec, err);
        if (status == QR_TRUNCATED)
            break;
        QR_TRY(status);
        QR_TRY(each(ctx, &rec, walk->carry_lsn + at, err));
        at += rec.bytes;
    }
    qr_buf_consume(&walk->carry, at);
    walk->carry_lsn += at;
    return QR_OK;
}
