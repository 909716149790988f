/* archive_moved.c - see store/archive.h: a database that moves elsewhere */
#include "store/archive.h"
#include "store_int.h"
#include "base/banned.h"

void qr_archive_keep_log(struct qr_store *store, bool keep)
{
    atomic_store(&store->log.keeps_all, keep);
    if (!keep && store->checkpointer.ready)
        qri_logfile_drop_before(store, atomic_load(&store->log.unneeded_no));
}

/* A checkpoint that follows leaves the state as it is. */
static enum qr_status write_state(struct qr_store *store, enum qr_data_state state, uint64_t lsn,
                                  struct qr_err *err)
{
    struct qri_checkpointer *cp = &store->checkpointer;
    pthread_mutex_lock(&cp->run_mu);
    struct qr_data_header before = cp->header;
    cp->header.state = state;
    if (lsn > cp->header.log_end_lsn)
        cp->header.log_end_lsn = lsn;
    enum qr_status status = QR_OK;
    if (before.state != state || state == QR_DATA_MOVED)
        status = qri_header_write(store, err);
    if (status != QR_OK) { /* the slot just written may be torn: spare the other one */
        uint64_t sequence = cp->header.sequence;
        cp->header = before;
        cp->header.sequence = sequence + 1;
    }
    pthread_mutex_unlock(&cp->run_mu);
    return status;
}

enum qr_status qr_archive_mark_moved(struct qr_store *store, struct qr_lsn *ret_lsn,
                                     struct qr_err *err)
{
    if (!store->checkpointer.ready)
        return qr_fail(err, QR_UNSUPPORTED, "this store keeps no files of its own");
    QR_TRY(qr_store_flush(store, err));
    struct qr_lsn lsn = qr_store_durable_lsn(store);
    QR_TRY(qr_wrap(err, write_state(store, QR_DATA_MOVED, lsn.v, err), "mark as moved"));
    *ret_lsn = lsn;
    return QR_OK;
}

enum qr_status qr_archive_clear_moved(struct qr_store *store, struct qr_err *err)
{
    return qr_wrap(err, write_state(store, QR_DATA_ACTIVE, 0, err), "clear the mark of a move");
}

enum qr_status qr_archive_reclaim(const char *dir, const struct qr_store_options *options,
                                  struct qr_err *err)
{
    struct qr_store_options o = *options;
    struct qr_store *store = NULL;
    o.open_moved = true;
    QR_TRY(qr_store_open(dir, &o, &store, err));
    enum qr_status status = qr_archive_clear_moved(store, err);
    qr_store_abandon(store);
    return status;
}
