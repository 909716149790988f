/* tran_kept.c - the catalog of the snapshot that a SNAPSHOT transaction keeps.
 *
 * The catalog goes with the pages: who reads the kept ones has the catalog of then. Who writes has
 * that of the head, to which its changes go, and looks for its rows in the kept pages, as far as
 * both catalogs say the same of the objects. */
#include <assert.h>
#include "access_int.h"
#include "frame.h"
#include "tran_int.h"
#include "base/banned.h"

enum qr_status qri_kept_begin(struct qr_session *session, struct qr_err *err)
{
    struct qri_tran *tran = &session->tran;
    QR_TRY(qr_conn_keep(session->link->conn, err));
    assert(tran->kept_catalog == NULL && !tran->catalog_changed);
    tran->kept_catalog = qri_catalog_ref(session->catalog);
    tran->kept_serial = session->catalog_serial;
    tran->kept_catalog_lsn = session->catalog_lsn;
    return QR_OK;
}

enum qr_status qri_kept_stays(struct qr_session *session, struct qr_err *err)
{
    const struct qri_tran *tran = &session->tran;
    bool has_one = tran->count > 0 && tran->depth == 0 && tran->sqlite_open && !tran->holds &&
                   session->options.isolation == QR_SNAPSHOT && tran->first_level == QR_SNAPSHOT;
    if (!has_one || tran->kept_catalog != NULL)
        return QR_OK;
    return qri_kept_begin(session, err);
}

void qri_kept_take_catalog(struct qr_session *session)
{
    const struct qri_tran *tran = &session->tran;
    if (tran->kept_catalog == NULL || tran->catalog_changed ||
        session->catalog == tran->kept_catalog)
        return;
    qri_catalog_unref(session->catalog);
    session->catalog = qri_catalog_ref(tran->kept_catalog);
    session->catalog_serial = tran->kept_serial;
    session->catalog_lsn = tran->kept_catalog_lsn;
}

static bool has_no_versions(const struct qr_cat_object *object)
{
    return object->object_id >= QRI_TEMP_OBJECT_FIRST || object->storage == QR_STORE_VTAB ||
           object->storage == QR_STORE_ROWSET || qri_is_system_object(object);
}

static bool is_same_in(const struct qri_catalog *catalog, const struct qr_cat_object *object)
{
    const struct qr_cat_object *there = qr_cat_by_id(&catalog->cat, object->object_id);
    return there != NULL && qri_object_is_same(there, object);
}

static enum qr_status doom(struct qr_session *session, struct qr_err *err)
{
    session->tran.doomed = true;
    return qr_sql_fail(err, 3961, qri_info(session->db)->name.p);
}

enum qr_status qri_tran_fits_kept(struct qr_session *session,
                                  const struct qr_cat_object *const *objects, size_t count,
                                  struct qr_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!has_no_versions(objects[i]) && !is_same_in(session->tran.kept_catalog, objects[i]))
            return doom(session, err);
    return QR_OK;
}

enum qr_status qri_tran_fits_newest(struct qr_session *session,
                                    const struct qr_cat_object *const *objects, size_t count,
                                    struct qr_err *err)
{
    struct qr_database *db = session->db;
    bool same = true;
    if (session->options.isolation != QR_SNAPSHOT && !qr_store_is_read_only(db->store))
        return QR_OK; /* its snapshot is a statement's */
    pthread_mutex_lock(&db->catalog_mu);
    for (size_t i = 0; i < count && same; i++)
        same = has_no_versions(objects[i]) || is_same_in(db->catalog, objects[i]);
    pthread_mutex_unlock(&db->catalog_mu);
    return same ? QR_OK : doom(session, err);
}
