/* mirror.c - see backup/mirror.h */
#include "backup/mirror.h"
#include "backup_int.h"
#include "base/banned.h"

struct mirror {
    const struct qr_backup_place *from, *to;
    struct qr_backup_catalog there, here; /* of `from`, of `to` */
    struct qr_buf bytes;
    struct qr_mirrored done;
};

static enum qr_status copy_part(struct mirror *m, const struct qr_backup_row *row, uint32_t part_no,
                                struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    qr_buf_clear(&m->bytes);
    qri_backup_part_name(m->from, row->chain, row->seq, part_no, name);
    QR_TRY(qr_wrap(err, qr_blob_get(m->from->blob, name, 0, SIZE_MAX, &m->bytes, NULL, err),
                   "read '%s'", name));
    qri_backup_part_name(m->to, row->chain, row->seq, part_no, name);
    QR_TRY(qr_wrap(err,
                   qr_blob_put(m->to->blob, name, m->bytes.data, m->bytes.len, NULL, NULL, err),
                   "write the second '%s'", name));
    m->done.bytes += m->bytes.len;
    return QR_OK;
}

static size_t rows_of(const struct qr_backup_catalog *c, uint32_t chain, size_t *ret_first)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->rows[i].chain != chain)
            continue;
        if (count++ == 0)
            *ret_first = i;
    }
    return count;
}

static enum qr_status put_manifest(struct mirror *m, uint32_t chain,
                                   const struct qr_backup_row *rows, size_t count,
                                   struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    struct qr_buf buf;
    qr_buf_init(&buf, SIZE_MAX / 4);
    qri_chain_name(m->to, chain, name);
    qri_chain_encode(chain, rows, count, &buf);
    enum qr_status status = qr_buf_status(&buf, err);
    if (status == QR_OK)
        status = qr_blob_put(m->to->blob, name, buf.data, buf.len, NULL, NULL, err);
    qr_buf_done(&buf);
    return qr_wrap(err, status, "write the second '%s'", name);
}

/* What the chain has more than its copy. */
static enum qr_status copy_chain(struct mirror *m, uint32_t chain, struct qr_err *err)
{
    size_t first = 0, copy = 0, count = rows_of(&m->there, chain, &first);
    size_t copied = rows_of(&m->here, chain, &copy);
    const struct qr_backup_row *rows = m->there.rows + first;
    if (copied > 0 && !qr_timeline_eq(&rows->timeline, &m->here.rows[copy].timeline))
        return qr_fail(err, QR_CONFLICT, "the second backups are of another store");
    if (copied >= count)
        return QR_OK;
    if (m->from->keyring != NULL && m->to->keyring != NULL)
        QR_TRY(qr_keyring_copy(m->from->keyring, &rows->timeline, m->to->keyring, err));
    for (size_t i = copied; i < count; i++) {
        for (uint32_t p = 0; p < rows[i].part_count; p++)
            QR_TRY(copy_part(m, &rows[i], p, err));
        m->done.backups++;
    }
    return put_manifest(m, chain, rows, count, err);
}

static enum qr_status trim(struct mirror *m, struct qr_err *err)
{
    uint32_t first = m->there.rows[0].chain, last = 0, damaged = m->there.damaged_first;
    if (damaged != 0 && damaged < first) /* its copy may be what is left of it */
        first = damaged;
    for (size_t i = 0; i < m->here.count && m->here.rows[i].chain < first; i++) {
        if (m->here.rows[i].chain == last)
            continue;
        last = m->here.rows[i].chain;
        QR_TRY(qri_backup_delete_chain(m->to, last, err));
    }
    return QR_OK;
}

static enum qr_status run(struct mirror *m, bool adds, struct qr_err *err)
{
    QR_TRY(qr_wrap(err, qr_backup_list(m->from, &m->there, err), "list backups"));
    QR_TRY(qr_wrap(err, qr_backup_list(m->to, &m->here, err), "list the second backups"));
    if (m->there.count == 0)
        return QR_OK;
    for (size_t i = 0; i < m->there.count && adds; i++)
        if (m->there.rows[i].seq == 0)
            QR_TRY(copy_chain(m, m->there.rows[i].chain, err));
    return trim(m, err);
}

enum qr_status qr_backup_mirror(const struct qr_backup_place *from,
                                const struct qr_backup_place *to, bool adds,
                                struct qr_mirrored *ret_mirrored, struct qr_err *err)
{
    struct mirror m = {.from = from, .to = to};
    qr_buf_init(&m.bytes, QRI_PART_STORED_BYTES_MAX);
    enum qr_status status = run(&m, adds, err);
    qr_buf_done(&m.bytes);
    qr_backup_catalog_done(&m.there);
    qr_backup_catalog_done(&m.here);
    if (status == QR_OK)
        *ret_mirrored = m.done;
    return qr_wrap(err, status, "copy backups to the second store");
}
