/* keep.c - see backup/keep.h: each part is read, checked, and written again under the new name; the
 * manifest comes last, so a crash leaves nothing that is named. */
#include "backup/keep.h"
#include <stdlib.h>
#include "backup_int.h"
#include "base/banned.h"

struct keep {
    const struct qr_backup_place *from, *to;
    const struct qr_timeline *timeline;    /* new */
    struct qr_backup_catalog all, catalog; /* catalog: of the store as it is now */
    struct qr_backup_row *rows;            /* the new manifest's */
    size_t count;
    bool in_log; /* which no other choice has twice */
    struct qr_buf raw, stored;
};

static enum qr_status copy_part(struct keep *k, const struct qr_backup_row *row, uint32_t part_no,
                                struct qr_backup_row *to, struct qr_err *err)
{
    struct qri_part part;
    char name[QRI_OBJECT_NAME_BYTES];
    qr_buf_clear(&k->raw);
    qr_buf_clear(&k->stored);
    QR_TRY(qri_part_get(k->from, row, part_no, &part, &k->raw, err));
    part.timeline = *k->timeline;
    part.chain = to->chain;
    part.seq = to->seq;
    part.set_id = to->set_id;
    QR_TRY(qri_part_encode(&part, &k->raw, k->to->keyring,
                           k->to->env != NULL ? k->to->env : qr_env_real(), &k->stored, err));
    qri_backup_part_name(k->to, to->chain, to->seq, part_no, name);
    QR_TRY(qr_wrap(err,
                   qr_blob_put(k->to->blob, name, k->stored.data, k->stored.len, NULL, NULL, err),
                   "write '%s'", name));
    to->stored_bytes += k->stored.len;
    return QR_OK;
}

static enum qr_status copy_row(struct keep *k, const struct qr_backup_row *row, struct qr_err *err)
{
    struct qr_env *env = k->to->env != NULL ? k->to->env : qr_env_real();
    struct qr_backup_row *rows = realloc(k->rows, (k->count + 1) * sizeof *rows);
    if (rows == NULL)
        return qr_fail(err, QR_NOMEM, "rows of a backup");
    k->rows = rows;
    struct qr_backup_row *to = &rows[k->count];
    *to = *row;
    to->chain = 1;
    to->seq = (uint32_t)k->count++;
    to->stored_bytes = 0;
    to->timeline = *k->timeline;
    qr_env_random(env, &to->set_id, sizeof to->set_id);
    for (uint32_t i = 0; i < row->part_count; i++)
        QR_TRY(copy_part(k, row, i, to, err));
    return QR_OK;
}

/* A chain that leads there; its log is all behind its base, whichever chain has it. */
static enum qr_status copy_rows(struct keep *k, const struct qri_choice *c, struct qr_err *err)
{
    uint64_t lsn = c->base->last.v;
    QR_TRY(copy_row(k, c->full, err));
    if (c->diff != NULL)
        QR_TRY(copy_row(k, c->diff, err));
    k->in_log = true;
    for (const struct qr_backup_row *log; (log = qri_log_at(&k->catalog, lsn)) != NULL;) {
        QR_TRY(copy_row(k, log, err));
        lsn = log->last.v;
    }
    k->in_log = false;
    return QR_OK;
}

static enum qr_status name_it(struct keep *k, struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    struct qr_buf buf;
    qr_buf_init(&buf, SIZE_MAX / 4);
    qri_chain_name(k->to, 1, name);
    qri_chain_encode(1, k->rows, k->count, &buf);
    enum qr_status status = qr_buf_status(&buf, err);
    if (status == QR_OK)
        status = qr_blob_put(k->to->blob, name, buf.data, buf.len, "", NULL, err);
    qr_buf_done(&buf);
    return qr_wrap(err, status, "write '%s'", name);
}

static enum qr_status copy(struct keep *k, struct qr_err *err)
{
    struct qri_choice choice;
    QR_TRY(qr_wrap(err, qr_backup_list(k->from, &k->all, err), "list backups"));
    k->catalog = k->all;
    if (k->all.count > 0)
        k->catalog = qri_backups_of(&k->all, &k->all.rows[k->all.count - 1].timeline);
    QR_TRY(qri_check_newest(&k->catalog, qri_newest_full(&k->catalog), err));
    QR_TRY(qri_choose_base(&k->catalog, UINT64_MAX, 0, &choice, err));
    enum qr_status status = copy_rows(k, &choice, err);
    uint64_t newest = choice.base->last.v;
    for (uint32_t attempt = 1; status == QR_CORRUPT && !k->in_log; attempt++) {
        struct qri_choice other;
        if (qri_choose_base(&k->catalog, UINT64_MAX, attempt, &other, NULL) != QR_OK)
            break;
        QR_LOG(&k->from->log, QR_WARN, "backup_damaged", QR_F("prefix", k->from->prefix),
               QR_F("reason", err == NULL ? "" : (const char *)err->text));
        k->count = 0;
        QR_TRY(qr_backup_delete_all(k->to, err));
        status = copy_rows(k, &other, err);
        if (status == QR_OK && k->rows[k->count - 1].last.v < newest)
            status = qr_fail(err, QR_CORRUPT, "log of a damaged backup is in no other");
    }
    return status == QR_OK ? name_it(k, err) : status;
}

static uint64_t stored_bytes(const struct qr_backup_row *rows, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += rows[i].stored_bytes;
    return bytes;
}

/* Made by a call whose answer was lost? Else what it left goes. */
static enum qr_status look_at_place(const struct qr_backup_place *to, bool *ret_done,
                                    uint64_t *ret_bytes, struct qr_err *err)
{
    struct qr_backup_catalog there;
    QR_TRY(qr_wrap(err, qr_backup_list(to, &there, err), "list backups"));
    *ret_done = there.count > 0;
    *ret_bytes = stored_bytes(there.rows, there.count);
    qr_backup_catalog_done(&there);
    return *ret_done ? QR_OK : qr_backup_delete_all(to, err);
}

enum qr_status qr_backup_keep(const struct qr_backup_place *from, const struct qr_backup_place *to,
                              const struct qr_timeline *timeline, uint64_t *ret_stored_bytes,
                              struct qr_err *err)
{
    struct keep k = {.from = from, .to = to, .timeline = timeline};
    bool done = false;
    QR_TRY(look_at_place(to, &done, ret_stored_bytes, err));
    if (done)
        return QR_OK;
    qr_buf_init(&k.raw, QRI_PART_RAW_BYTES_MAX + 1);
    qr_buf_init(&k.stored, QRI_PART_STORED_BYTES_MAX);
    enum qr_status status = copy(&k, err);
    if (status == QR_OK)
        *ret_stored_bytes = stored_bytes(k.rows, k.count);
    qr_buf_done(&k.raw);
    qr_buf_done(&k.stored);
    qr_backup_catalog_done(&k.all);
    free(k.rows);
    return qr_wrap(err, status, "keep a backup");
}
