/* lock_stamp.c - which commit was the last to change what is locked; see lock_int.h
 *
 * A slot of the table is shared by all resources of its hash: a reader may wait for a commit that
 * it need not have waited for, never the other way round. */
#include <stdlib.h>
#include "lock_int.h"
#include "base/banned.h"

enum { SLOTS = 4096 };

static uint16_t slot_of(const struct qr_lock_resource *resource)
{
    uint64_t hash = resource->hash * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= (uint64_t)resource->object * UINT64_C(0xc2b2ae3d27d4eb4f) + resource->index;
    return (uint16_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 52); /* 12 bits */
}

static void raise_to(_Atomic uint64_t *place, uint64_t lsn)
{
    uint64_t was = atomic_load(place);
    while (was < lsn && !atomic_compare_exchange_weak(place, &was, lsn))
        ;
}

enum qr_status qri_stamps_make(struct qr_database *db, struct qr_err *err)
{
    if (atomic_load(&db->stamps) != NULL)
        return QR_OK;
    _Atomic uint64_t *made = calloc(SLOTS, sizeof *made), *none = NULL;
    if (made == NULL)
        return qr_fail(err, QR_NOMEM, "lock");
    if (!atomic_compare_exchange_strong(&db->stamps, &none, made))
        free((void *)made);
    return QR_OK;
}

void qri_stamps_free(struct qr_database *db)
{
    free((void *)atomic_load(&db->stamps));
}

void qri_stamp_look(struct qr_session *session, const struct qr_lock_resource *resource)
{
    _Atomic uint64_t *stamps = atomic_load(&session->db->stamps);
    if (stamps == NULL)
        return;
    uint64_t lsn = atomic_load(&stamps[slot_of(resource)]);
    session->stamps.need_lsn = qr_lsn_max(session->stamps.need_lsn, qr_lsn(lsn));
}

void qri_stamp_note(struct qr_session *session, const struct qr_lock_resource *resource)
{
    struct qri_stamps *mine = &session->stamps;
    qri_stamp_look(session, resource);
    if (mine->count < QRI_STAMPS_MAX)
        mine->slots[mine->count++] = slot_of(resource);
    else
        mine->all = true;
}

void qri_stamp_all(struct qr_session *session)
{
    struct qr_lsn head = qr_store_head_lsn(session->db->store);
    session->stamps.need_lsn = qr_lsn_max(session->stamps.need_lsn, head);
    session->stamps.all = true;
}

void qri_stamp_commit(struct qr_session *session, struct qr_lsn lsn)
{
    struct qr_database *db = session->db;
    const struct qri_stamps *mine = &session->stamps;
    _Atomic uint64_t *stamps = atomic_load(&db->stamps);
    if (stamps == NULL || mine->all || mine->count == 0 || session->tran.holds ||
        !session->tran.lockful) {
        raise_to(&db->all_stamped, lsn.v);
        return;
    }
    for (size_t i = 0; i < mine->count; i++)
        raise_to(&stamps[mine->slots[i]], lsn.v);
}

struct qr_lsn qri_stamp_need(const struct qr_session *session)
{
    return qr_lsn_max(session->stamps.need_lsn, qr_lsn(atomic_load(&session->db->all_stamped)));
}
